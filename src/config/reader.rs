//! Reads the merged values leaf by leaf and collects what is wrong, instead of stopping at the
//! first error as a deserializer would.
//!
//! A method that returns `None` has noted a mistake (or stands inside a table that has one);
//! defaults and rules come from [`super::keys`].

use std::io;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Num, Value};

use super::Scalar;
use super::keys::{self, Key, Kind, Need};
use super::layers::{Layer, Layers, Placed};
use super::mistake::{
    MISSING_KEY, Mistake, NOT_AVAILABLE, REDACTED, UNKNOWN_KEY, WRONG_VALUE, redact_urls,
};
use super::toml_text::{join, parse_value, quote};
use super::units::{parse_bytes, parse_duration_ms};

pub(super) struct Reader<'a> {
    pub layers: &'a Layers<'a>,
    pub read_file: &'a dyn Fn(&Path) -> io::Result<String>,
    placed: Vec<Placed>,
}

/// A table of the configuration, there or not.
#[derive(Clone)]
pub(super) struct Table<'a> {
    /// `route[0].external_id`.
    pub path: String,
    /// `route[].external_id`.
    pub pattern: String,
    pub dict: Option<&'a Dict>,
    /// A mistake was noted for the table itself; its keys are not missed.
    broken: bool,
}

/// A value, and whether it came as text from a variable or a flag.
pub(super) struct Given<'a> {
    pub value: &'a Value,
    pub textual: bool,
}

impl<'a> Table<'a> {
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.dict.and_then(|dict| dict.get(name))
    }

    pub fn path_of(&self, name: &str) -> String {
        join(&self.path, name)
    }

    fn key(&self, name: &str) -> &'static Key {
        let pattern = join(&self.pattern, name);
        keys::find(&pattern).expect("every key that is read stands in KEYS")
    }
}

impl<'a> Reader<'a> {
    pub fn new(layers: &'a Layers<'a>, read_file: &'a dyn Fn(&Path) -> io::Result<String>) -> Self {
        Self {
            layers,
            read_file,
            placed: Vec::new(),
        }
    }

    pub fn into_mistakes(self) -> Vec<Placed> {
        self.placed
    }

    /// The top of the configuration.
    pub fn root(&mut self) -> Table<'a> {
        let root = Table {
            path: String::new(),
            pattern: String::new(),
            dict: Some(self.layers.root()),
            broken: false,
        };
        self.refuse_unknown(&root);
        root
    }

    /// A table under another, its unknown keys refused. A top-level one that is missing is only
    /// missed for the keys that it must have.
    pub fn table(&mut self, parent: &Table<'a>, name: &str) -> Table<'a> {
        let mut table = Table {
            path: parent.path_of(name),
            pattern: join(&parent.pattern, name),
            dict: None,
            broken: parent.broken,
        };
        match parent.get(name) {
            Some(Value::Dict(_, dict)) => {
                table.dict = Some(dict);
                self.refuse_unknown(&table);
            }
            Some(_) => {
                self.wrong::<()>(parent, name);
                table.broken = true;
            }
            None if !parent.path.is_empty() && parent.key(name).need == Need::Required => {
                self.missing::<()>(parent, name);
                table.broken = true;
            }
            None => {}
        }
        table
    }

    /// The tables of a list of tables.
    pub fn tables(&mut self, parent: &Table<'a>, name: &str) -> Option<Vec<Table<'a>>> {
        let items = match parent.get(name) {
            Some(Value::Array(_, items)) if (1..=1_000).contains(&items.len()) => items,
            Some(_) => return self.wrong(parent, name),
            None => return self.missing(parent, name),
        };
        let mut tables = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let table = Table {
                path: format!("{}[{index}]", parent.path_of(name)),
                pattern: format!("{}[]", join(&parent.pattern, name)),
                dict: item.as_dict(),
                broken: item.as_dict().is_none(),
            };
            if table.broken {
                self.wrong::<()>(parent, name);
            }
            self.refuse_unknown(&table);
            tables.push(table);
        }
        Some(tables)
    }

    /// A table that stands for any name: `fields.LastName`, under the pattern `fields.*`.
    pub fn entry(&mut self, parent: &Table<'a>, name: &str, dict: &'a Dict) -> Table<'a> {
        let table = Table {
            path: parent.path_of(name),
            pattern: join(&parent.pattern, "*"),
            dict: Some(dict),
            broken: false,
        };
        self.refuse_unknown(&table);
        table
    }

    /// A key that must be there, or has a default.
    pub fn required<T>(
        &mut self,
        table: &Table<'a>,
        name: &str,
        parse: impl Fn(&Given<'_>) -> Option<T>,
    ) -> Option<T> {
        self.optional(table, name, parse).flatten()
    }

    /// `Some(None)`: left out, as it may be.
    pub fn optional<T>(
        &mut self,
        table: &Table<'a>,
        name: &str,
        parse: impl Fn(&Given<'_>) -> Option<T>,
    ) -> Option<Option<T>> {
        if let Some(value) = table.get(name) {
            let origin = self.layers.origin(value, &table.path_of(name));
            let given = Given {
                value,
                textual: origin.layer != Layer::File,
            };
            return match parse(&given) {
                Some(parsed) => Some(Some(parsed)),
                None => self.wrong(table, name),
            };
        }
        match table.key(name).need {
            Need::Default(text) => {
                let value = parse_value(text).expect("defaults are TOML");
                Some(parse(&Given {
                    value: &value,
                    textual: false,
                }))
            }
            Need::Optional => Some(None),
            Need::Required => self.missing(table, name),
        }
    }

    /// A whole number, a duration in milliseconds or a size in bytes, within its key's range.
    pub fn number<T: TryFrom<u64>>(&mut self, table: &Table<'a>, name: &str) -> Option<T> {
        self.optional_number(table, name).flatten()
    }

    pub fn optional_number<T: TryFrom<u64>>(
        &mut self,
        table: &Table<'a>,
        name: &str,
    ) -> Option<Option<T>> {
        let kind = table.key(name).kind;
        self.optional(table, name, |given| {
            let (number, min, max) = match kind {
                Kind::Integer { min, max } => {
                    let (min, max) = (u64::try_from(min).ok()?, u64::try_from(max).ok()?);
                    (u64::try_from(given.integer()?).ok()?, min, max)
                }
                Kind::Duration { min, max } => (parse_duration_ms(given.text()?)?, min, max),
                Kind::Size { min, max } => {
                    let bytes = match given.text() {
                        Some(text) => parse_bytes(text)?,
                        None => u64::try_from(given.integer()?).ok()?,
                    };
                    (bytes, min, max)
                }
                _ => return None,
            };
            (min..=max).contains(&number).then_some(())?;
            T::try_from(number).ok()
        })
    }

    pub fn boolean(&mut self, table: &Table<'a>, name: &str) -> Option<bool> {
        self.required(table, name, |given| given.boolean())
    }

    /// A text that is not empty.
    pub fn text(&mut self, table: &Table<'a>, name: &str) -> Option<String> {
        self.required(table, name, |given| given.some_text())
    }

    pub fn path(&mut self, table: &Table<'a>, name: &str) -> Option<PathBuf> {
        self.text(table, name).map(PathBuf::from)
    }

    pub fn optional_path(&mut self, table: &Table<'a>, name: &str) -> Option<Option<PathBuf>> {
        Some(
            self.optional(table, name, |given| given.some_text())?
                .map(PathBuf::from),
        )
    }

    /// One of the key's words, turned into what it means. A word that only later versions know is
    /// refused as such.
    pub fn choice<T: Copy>(
        &mut self,
        table: &Table<'a>,
        name: &str,
        meanings: &[(&str, T)],
        later: &[&str],
    ) -> Option<T> {
        let word = table.get(name).and_then(Value::as_str);
        if let Some(word) = word.filter(|word| later.contains(word)) {
            let remedy = format!("use {}", table.key(name).kind);
            let rule = format!("{} is not available in this version", quote(word));
            return self.refuse(table, name, NOT_AVAILABLE, rule, remedy);
        }
        self.required(table, name, |given| {
            let word = given.text()?;
            meanings
                .iter()
                .find(|(known, _)| *known == word)
                .map(|(_, meaning)| *meaning)
        })
    }

    /// Notes that a key's value breaks the key's own rule.
    pub fn wrong<T>(&mut self, table: &Table<'a>, name: &str) -> Option<T> {
        let key = table.key(name);
        let is_text = table
            .get(name)
            .is_some_and(|value| value.as_str().is_some());
        let remedy = remedy(key, name, is_text);
        self.refuse(
            table,
            name,
            WRONG_VALUE,
            format!("must be {}", key.kind),
            remedy,
        )
    }

    /// Notes that a key which must be there is not.
    pub fn missing<T>(&mut self, table: &Table<'a>, name: &str) -> Option<T> {
        let key = table.key(name);
        let rule = format!("is missing; it must be {}", key.kind);
        let place = match (table.path.is_empty(), key.kind) {
            (true, _) => "add it".to_owned(),
            (_, Kind::Table) => format!("add {name} = {{ … }} to {}", table.path),
            _ => format!("add {name} = … to {}", table.path),
        };
        self.miss(table, name, rule, format!("{place}: {}", key.meaning))
    }

    /// The same with words of its own.
    pub fn miss<T>(
        &mut self,
        table: &Table<'a>,
        name: &str,
        rule: String,
        remedy: String,
    ) -> Option<T> {
        if !table.broken {
            let path = table.path_of(name);
            let origin = self.layers.origin_of_missing(&path);
            let mistake = Mistake {
                page: MISSING_KEY,
                path,
                origin: origin.text,
                rule,
                value: None,
                remedy,
            };
            self.placed.push(Placed {
                place: origin.place,
                mistake,
            });
        }
        None
    }

    /// Notes a mistake about a key's value.
    pub fn refuse<T>(
        &mut self,
        table: &Table<'a>,
        name: &str,
        page: &'static str,
        rule: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Option<T> {
        let path = table.path_of(name);
        let given = table.get(name);
        let origin = match given {
            Some(value) => self.layers.origin(value, &path),
            None => self.layers.origin_of_missing(&path),
        };
        let known = keys::find(&join(&table.pattern, name));
        // What an unknown key was given may be a secret under a misspelt name.
        let value = match known.map(|key| key.kind) {
            Some(Kind::Secret) => given.map(|_| REDACTED.to_owned()),
            None if page == UNKNOWN_KEY => None,
            // A table that could not be read as one may hold secrets.
            Some(Kind::Table | Kind::List(_)) => None,
            _ => given.and_then(show),
        };
        let (rule, remedy) = (rule.into(), remedy.into());
        let mistake = Mistake {
            page,
            path,
            origin: origin.text,
            rule,
            value,
            remedy,
        };
        self.placed.push(Placed {
            place: origin.place,
            mistake,
        });
        None
    }

    /// Notes that the file holds what it must not, though a later layer hides it.
    pub fn refuse_in_file(&mut self, path: String, page: &'static str, rule: &str, remedy: String) {
        let origin = self.layers.origin_of_missing(&path);
        let value = Some(REDACTED.to_owned());
        let rule = rule.to_owned();
        let mistake = Mistake {
            page,
            path,
            origin: origin.text,
            rule,
            value,
            remedy,
        };
        self.placed.push(Placed {
            place: origin.place,
            mistake,
        });
    }

    /// Refuses the keys that this version does not know or does not have.
    fn refuse_unknown(&mut self, table: &Table<'a>) {
        let known: Vec<&str> = keys::children(&table.pattern).collect();
        let Some(dict) = table.dict.filter(|_| !known.is_empty()) else {
            return;
        };
        for name in dict.keys() {
            let key = keys::find(&join(&table.pattern, name));
            match key.filter(|_| known.contains(&name.as_str())) {
                Some(_) => {}
                None => {
                    let remedy = suggest(&table.pattern, name, &known);
                    self.refuse::<()>(table, name, UNKNOWN_KEY, "is not a key", remedy);
                }
            }
        }
    }
}

impl Given<'_> {
    pub fn text(&self) -> Option<&str> {
        self.value.as_str()
    }

    pub fn some_text(&self) -> Option<String> {
        self.text()
            .filter(|text| !text.trim().is_empty())
            .map(str::to_owned)
    }

    pub fn integer(&self) -> Option<i64> {
        match self.value {
            Value::Num(_, Num::I64(number)) => Some(*number),
            Value::String(_, text) if self.textual => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub fn boolean(&self) -> Option<bool> {
        match self.value {
            Value::Bool(_, value) => Some(*value),
            Value::String(_, text) if self.textual => text.trim().parse().ok(),
            _ => None,
        }
    }

    pub fn scalar(&self) -> Option<Scalar> {
        match self.value {
            Value::String(_, text) => Some(Scalar::Text(text.clone())),
            Value::Num(_, Num::I64(number)) => Some(Scalar::Integer(*number)),
            Value::Num(_, Num::F64(number)) if number.is_finite() => Some(Scalar::Float(*number)),
            Value::Bool(_, value) => Some(Scalar::Boolean(*value)),
            _ => None,
        }
    }
}

/// A value as a mistake shows it: on one line, not too long, without passwords in URLs.
fn show(value: &Value) -> Option<String> {
    const LONGEST: usize = 80;
    match value {
        // A key's text where its file's path belongs.
        Value::String(_, text) if text.contains("-----BEGIN") => Some(REDACTED.to_owned()),
        Value::String(_, text) => {
            let redacted = redact_urls(text);
            let mut shown: String = redacted.chars().take(LONGEST).collect();
            if shown.len() < redacted.len() {
                shown.push('…');
            }
            Some(quote(&shown).replace('\n', " "))
        }
        Value::Bool(_, value) => Some(value.to_string()),
        Value::Num(_, Num::I64(number)) => Some(number.to_string()),
        Value::Num(_, Num::F64(number)) => Some(format!("{number:?}")),
        Value::Dict(..) => Some("{ … }".to_owned()),
        Value::Array(..) => Some("[ … ]".to_owned()),
        _ => None,
    }
}

fn remedy(key: &Key, name: &str, is_text: bool) -> String {
    let how = match key.kind {
        Kind::Integer { .. } => "give a whole number in this range, without quotes".to_owned(),
        Kind::Duration { .. } => {
            "write a whole number and its unit in quotes: \"250ms\", \"1s\", \"10m\"".to_owned()
        }
        Kind::Size { .. } => {
            "write a whole number and its unit in quotes: \"64KiB\", \"1MiB\", \"1GiB\"".to_owned()
        }
        Kind::Boolean => "write it without quotes".to_owned(),
        Kind::Table => format!("write its keys under [{}]", key.path),
        Kind::List(_) | Kind::Mixed(_) => format!("{name}: {}", key.meaning),
        _ if is_text => format!("{name}: {}", key.meaning),
        _ => format!("write it in quotes; {name}: {}", key.meaning),
    };
    match key.need {
        Need::Default(default) => format!("{how}; the default is {default}"),
        _ => how,
    }
}

/// What an unknown key may have been meant to be.
fn suggest(pattern: &str, name: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|key| {
            (
                strsim::damerau_levenshtein(key, &name.to_ascii_lowercase()),
                *key,
            )
        })
        .min()
        .filter(|(distance, key)| *distance <= 1.max(key.len() / 3));
    if let Some((_, key)) = nearest {
        return format!("did you mean {key}?");
    }
    let elsewhere = keys::KEYS.iter().find(|key| {
        !key.path.contains('*')
            && key
                .path
                .rsplit_once('.')
                .is_some_and(|(_, leaf)| leaf == name)
    });
    match elsewhere.and_then(|key| key.path.rsplit_once('.')) {
        Some((section, _)) if section != pattern => format!("it belongs in [{section}]"),
        _ => format!("leave it out; known here: {}", known.join(", ")),
    }
}
