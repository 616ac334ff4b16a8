//! Forms made of what Salesforce says of a route's fields, and what they give back.
//!
//! A field that comes back as it went out is no change, however the browser has written it: line
//! ends, characters that no form can hold, the order of a list.

use std::collections::{BTreeMap, BTreeSet};

use super::given::Given;
use super::shown::{label, visible};
use crate::runtime::fields::{RouteField, RouteFields, Widget};
use crate::runtime::letters::{Change, Wanted};

/// Texts that may be longer get a field of several lines.
const ONE_LINE_CHARS: u32 = 255;

/// One field of a form.
#[derive(Debug, Default)]
pub struct Entry {
    /// What the form gives it back as.
    pub name: String,
    /// For labels and descriptions.
    pub id: String,
    /// API name.
    pub field: String,
    pub label: String,
    /// `text`, `email`, `date`, `number`, `area`, `select`, `selects`, `checkbox` or `fixed`.
    pub kind: &'static str,
    pub value: String,
    pub options: Vec<Choice>,
    pub max_chars: Option<u32>,
    pub required: bool,
    pub hint: String,
    pub error: String,
    /// It can be left out of what is sent.
    pub skippable: bool,
    pub skipped: bool,
    pub edited: bool,
}

#[derive(Debug)]
pub struct Choice {
    pub value: String,
    pub text: String,
    pub chosen: bool,
}

impl Entry {
    #[must_use]
    pub fn described_by(&self) -> String {
        let mut ids = Vec::new();
        if !self.hint.is_empty() {
            ids.push(format!("{}-hint", self.id));
        }
        if !self.error.is_empty() {
            ids.push(format!("{}-error", self.id));
        }
        ids.join(" ")
    }

    /// One that is shown and not entered.
    fn fixed(field: &str, label: String, value: &str, hint: &str) -> Self {
        Self {
            id: format!("f-{field}"),
            field: visible(field),
            label,
            kind: "fixed",
            value: visible(value),
            hint: hint.to_owned(),
            ..Self::default()
        }
    }

    /// A field that is entered; `name` is what the form gives it back as.
    #[must_use]
    pub fn of(field: &RouteField, name: String, value: &str) -> Self {
        let mut entry = Self {
            id: name.replace('.', "-"),
            name,
            field: visible(&field.name),
            label: visible(&field.label),
            value: value.to_owned(),
            required: field.required,
            skippable: !field.required,
            kind: "text",
            ..Self::default()
        };
        match &field.widget {
            Widget::Text { max_chars } => {
                entry.max_chars = Some(*max_chars);
                entry.hint = format!("At most {max_chars} characters");
                if *max_chars > ONE_LINE_CHARS {
                    entry.kind = "area";
                }
            }
            Widget::Email { max_chars } => {
                entry.max_chars = Some(*max_chars);
                // What is no address cannot be shown by a field that takes addresses alone.
                entry.hint = "Such as name@example.com".to_owned();
            }
            Widget::Choice { values } => {
                entry.kind = "select";
                entry.options = choices(values, &[value], !field.required || value.is_empty());
            }
            Widget::Choices { values } => {
                let chosen: Vec<&str> = value.split(';').filter(|it| !it.is_empty()).collect();
                entry.kind = "selects";
                entry.options = choices(values, &chosen, false);
                entry.hint = "Several can be chosen".to_owned();
            }
            Widget::Checkbox if is_truth(value) => entry.kind = "checkbox",
            Widget::Checkbox => {
                let values = ["true".to_owned(), "false".to_owned()];
                entry.kind = "select";
                entry.options = choices(&values, &[value], true);
            }
            Widget::Number { before, behind } => {
                entry.kind = "number";
                entry.hint = match behind {
                    0 => format!("A whole number of at most {before} digits"),
                    _ => format!("At most {before} digits before the point and {behind} behind it"),
                };
            }
            // The browser shows dates in its reader's own form: an example in ours would mislead.
            Widget::Date if value.is_empty() || is_date(value) => entry.kind = "date",
            Widget::Date => entry.hint = "Such as 2026-01-31".to_owned(),
            Widget::DateTime => entry.hint = "Such as 2026-01-31T10:00:00Z".to_owned(),
            Widget::Time => entry.hint = "Such as 10:00:00.000Z".to_owned(),
            Widget::Id => {
                entry.hint = "An id of Salesforce, of 15 or 18 letters and digits".to_owned();
            }
            Widget::Nothing { kind } => {
                let hint = format!("Of the type {kind}, which cannot be entered here");
                return Self::fixed(&field.name, entry.label, value, &hint);
            }
        }
        // A field of one line would lose what stands behind its first.
        if matches!(entry.kind, "text" | "number") && value.contains(['\n', '\r']) {
            entry.kind = "area";
        }
        if !field.writable {
            let hint = "The integration user may not write it";
            return Self::fixed(&field.name, entry.label, value, hint);
        }
        entry
    }
}

fn choices(values: &[String], chosen: &[&str], may_be_empty: bool) -> Vec<Choice> {
    let mut options = Vec::new();
    let mut option = |value: &str, text: String| {
        options.push(Choice {
            value: value.to_owned(),
            text,
            chosen: chosen.contains(&value),
        });
    };
    if may_be_empty {
        option("", "(empty)".to_owned());
    }
    // As it is now: to leave it so must not change it.
    let unknown = chosen.iter().filter(|it| !it.is_empty());
    for value in unknown.filter(|it| !values.iter().any(|known| known == **it)) {
        option(value, format!("{} (not in the list)", visible(value)));
    }
    for value in values {
        option(value, visible(value));
    }
    options
}

fn is_truth(text: &str) -> bool {
    text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
}

fn is_date(text: &str) -> bool {
    text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10
}

/// The form of one letter: what was objected to first, then in the order of the mapping, then what
/// the mapping does not have.
#[must_use]
pub fn entries(
    fields: &RouteFields,
    payload: &BTreeMap<String, String>,
    given: Option<&Given>,
    errors: &BTreeMap<String, String>,
    objected: &[String],
) -> Vec<Entry> {
    let is_key = |name: &str| name.eq_ignore_ascii_case(&fields.external_id);
    let mut entries = Vec::new();
    for field in fields.fields.iter().filter(|field| !is_key(&field.name)) {
        let now = payload.get(&field.name).map_or("", String::as_str);
        let entered = given.and_then(|given| entered(given, field));
        let mut entry = Entry::of(
            field,
            format!("f.{}", field.name),
            entered.as_deref().unwrap_or(now),
        );
        let skip = format!("skip.{}", field.name);
        entry.skipped = given.is_some_and(|given| given.get(&skip).is_some());
        entry.error = errors.get(&field.name).cloned().unwrap_or_default();
        entries.push(entry);
    }
    let is_first = |entry: &Entry| {
        objected
            .iter()
            .any(|it| it.eq_ignore_ascii_case(&entry.field))
    };
    for entry in &mut entries {
        // Offered where something is wrong: elsewhere it would only be in the way.
        let wrong = is_first(entry) || entry.skipped || !entry.error.is_empty();
        entry.skippable = entry.skippable && wrong;
    }
    entries.sort_by_key(|entry| !is_first(entry));
    let unmapped = payload
        .iter()
        .filter(|(name, _)| fields.field(name).is_none());
    entries.extend(
        unmapped
            .filter(|(name, _)| !is_key(name))
            .map(|(name, value)| Entry::fixed(name, label(name), value, "Not in the mapping")),
    );
    entries
}

/// What was entered; `None` when the form did not have the field.
fn entered(given: &Given, field: &RouteField) -> Option<String> {
    let name = format!("f.{}", field.name);
    match field.widget {
        Widget::Choices { .. } => chosen(given, &name),
        _ => given.get(&name).map(str::to_owned),
    }
}

/// All that was chosen, as Salesforce joins it; a hidden field says that there was something to
/// choose.
#[must_use]
pub fn chosen(given: &Given, name: &str) -> Option<String> {
    given.get(name)?;
    let values: Vec<&str> = given.all(name).filter(|it| !it.is_empty()).collect();
    Some(values.join(";"))
}

/// What the form changes in the letter as it stands.
#[must_use]
pub fn changes(
    fields: &RouteFields,
    payload: &BTreeMap<String, String>,
    given: &Given,
) -> Vec<Change> {
    let mut changes = Vec::new();
    for field in &fields.fields {
        let now = payload.get(&field.name);
        let skipped = given.get(&format!("skip.{}", field.name)).is_some();
        let value = match entered(given, field) {
            _ if skipped && now.is_some() => None,
            _ if skipped => continue,
            None => continue,
            Some(text) => match now {
                Some(now) if reads_alike(field, now, &text) => continue,
                None if text.is_empty() => continue,
                _ => Some(Wanted::Text(text)),
            },
        };
        changes.push(Change {
            field: field.name.clone(),
            value,
        });
    }
    changes
}

fn reads_alike(field: &RouteField, now: &str, entered: &str) -> bool {
    let plain = |text: &str| -> String {
        let lines = text.replace("\r\n", "\n").replace('\r', "\n");
        let kept = lines.chars();
        // A form has no place for other control characters.
        kept.filter(|c| *c == '\n' || !c.is_control() && *c != '\u{fffd}')
            .collect()
    };
    if now == entered || plain(now) == plain(entered) {
        return true;
    }
    let set = |text: &str| -> BTreeSet<String> {
        let values = text.split(';').filter(|it| !it.is_empty());
        values.map(str::to_owned).collect()
    };
    match field.widget {
        Widget::Choices { .. } => set(now) == set(entered),
        Widget::Checkbox => is_truth(now) && now.eq_ignore_ascii_case(entered),
        _ => false,
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::core::mapping::FieldOrigin;

    pub fn field(name: &str, widget: Widget) -> RouteField {
        RouteField {
            name: name.into(),
            label: label(name),
            required: name == "LastName",
            nillable: true,
            writable: true,
            origin: FieldOrigin::default(),
            widget,
        }
    }

    pub fn fields() -> RouteFields {
        let list = |values: [&str; 3]| values.map(str::to_owned).to_vec();
        RouteFields {
            route: "leads".into(),
            object: "Lead".into(),
            external_id: "MySQL_Id__c".into(),
            fields: vec![
                field("MySQL_Id__c", Widget::Text { max_chars: 40 }),
                field("LastName", Widget::Text { max_chars: 80 }),
                field("Email", Widget::Email { max_chars: 80 }),
                RouteField {
                    origin: FieldOrigin::Column {
                        column: "state".into(),
                        trim: true,
                        is_set: false,
                    },
                    ..field(
                        "State",
                        Widget::Choice {
                            values: list(["CA", "NY", "TX"]),
                        },
                    )
                },
                field(
                    "Topics__c",
                    Widget::Choices {
                        values: list(["a", "b", "c"]),
                    },
                ),
                field("Known__c", Widget::Checkbox),
                field("Born__c", Widget::Date),
                RouteField {
                    origin: FieldOrigin::Computed {
                        columns: vec!["greeting".into(), "wish".into()],
                    },
                    ..field("Note__c", Widget::Text { max_chars: 1000 })
                },
            ],
        }
    }

    fn payload() -> BTreeMap<String, String> {
        [
            ("LastName", "Love\u{1b}lace"),
            ("State", "Kalifornien"),
            ("Topics__c", "b;a"),
            ("Known__c", "true"),
            ("Born__c", "31.01.2026"),
            ("Note__c", "one\rtwo\u{0}"),
            ("Other__c", "<script>"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }

    fn given(pairs: &[(&str, &str)]) -> Given {
        let owned = pairs
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        Given(owned.collect())
    }

    #[test]
    fn widgets_are_those_that_describe_dictates_and_show_what_is_there() {
        let found = entries(
            &fields(),
            &payload(),
            None,
            &BTreeMap::new(),
            &["State".into()],
        );
        let kinds: Vec<(&str, &str)> = found.iter().map(|it| (&*it.field, it.kind)).collect();
        assert_eq!(
            kinds,
            [
                ("State", "select"),
                ("LastName", "text"),
                ("Email", "text"),
                ("Topics__c", "selects"),
                ("Known__c", "checkbox"),
                // A date field cannot show it.
                ("Born__c", "text"),
                ("Note__c", "area"),
                ("Other__c", "fixed"),
            ]
        );
        let texts: Vec<&str> = found[0].options.iter().map(|it| it.text.as_str()).collect();
        assert_eq!(
            texts,
            ["(empty)", "Kalifornien (not in the list)", "CA", "NY", "TX"]
        );
        assert!(found[0].options[1].chosen);
        assert!(found[1].required && !found[1].skippable);
        assert!(found[0].skippable && !found[2].skippable);
        assert_eq!(found[1].max_chars, Some(80));
    }

    #[test]
    fn what_comes_back_as_it_went_is_no_change() {
        let same = given(&[
            ("f.LastName", "Lovelace"),
            ("f.Email", ""),
            ("f.State", "Kalifornien"),
            ("f.Topics__c", ""),
            ("f.Topics__c", "a"),
            ("f.Topics__c", "b"),
            ("f.Known__c", "false"),
            ("f.Known__c", "true"),
            ("f.Born__c", "31.01.2026"),
            ("f.Note__c", "one\r\ntwo\u{fffd}"),
        ]);
        assert_eq!(changes(&fields(), &payload(), &same), []);
        let other = given(&[
            ("f.LastName", ""),
            ("f.State", "CA"),
            ("f.Topics__c", ""),
            ("f.Known__c", "false"),
            ("skip.Born__c", "1"),
            ("skip.Email", "1"),
            ("f.MySQL_Id__c", "7"),
            ("f.Other__c", "mine"),
        ]);
        let told: Vec<(String, Option<Wanted>)> = changes(&fields(), &payload(), &other)
            .into_iter()
            .map(|change| (change.field, change.value))
            .collect();
        let text = |text: &str| Some(Wanted::Text(text.into()));
        assert_eq!(
            told,
            [
                // Refused by the driver, which knows what names the record.
                ("MySQL_Id__c".to_owned(), text("7")),
                ("LastName".to_owned(), text("")),
                ("State".to_owned(), text("CA")),
                ("Topics__c".to_owned(), text("")),
                ("Known__c".to_owned(), text("false")),
                ("Born__c".to_owned(), None),
            ]
        );
    }
}
