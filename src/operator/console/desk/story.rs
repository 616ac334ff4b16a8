//! The life of a lead as a story: under each change of the database what became of it, in
//! sentences, with moments and the time between them.

use std::collections::BTreeMap;

use super::shown::{Eyes, duration, label, link_to_org, visible};
use crate::core::mapping::KeptRow;
use crate::core::time::Micros;
use crate::operator::console::causes::cause;
use crate::operator::console::words::{machine, moment};
use crate::operator::mask;
use crate::runtime::letters::sheet;
use crate::runtime::status::Status;
use crate::state::{PersonalPart, RawJson, TraceEvent};

/// The beginning of what names a snapshot's row where others name their transaction.
const SNAPSHOT: &str = "snapshot:";

/// Changes that are told of one lead; a page with thousands helps nobody.
const CHANGES_TOLD: usize = 100;

/// One record, and all that is known of it.
pub struct Lead {
    /// As the asker may see it; empty when the person was erased.
    pub key: String,
    pub salesforce_id: Option<String>,
    pub link: Option<String>,
    /// Dead letters that wait.
    pub open: Vec<u64>,
    /// Earlier changes that are not told.
    pub left_out: usize,
    pub changes: Vec<Change>,
}

/// One change in the database.
pub struct Change {
    pub title: String,
    /// Table, row and transaction.
    pub place: String,
    pub route: String,
    pub steps: Vec<Step>,
}

pub struct Step {
    pub at: String,
    pub machine_at: String,
    /// Since the step before.
    pub gap: String,
    /// A class of the style sheet: `good`, `bad`, `warn` or none.
    pub tone: &'static str,
    pub what: String,
    pub letter: Option<u64>,
    pub facts: Vec<(String, String)>,
    /// A field, what it was, what it became.
    pub edits: Vec<(String, String, String)>,
    pub errors: Vec<String>,
    /// Where it stands in the ledger.
    pub written: String,
}

/// Tells the steps, which are in the order of time; the lead that something happened to last comes
/// first.
pub fn tell(events: &[TraceEvent], open: &[u64], status: &Status, eyes: Eyes) -> Vec<Lead> {
    let mut by_key: BTreeMap<&str, Vec<&TraceEvent>> = BTreeMap::new();
    for event in events {
        let key = event.personal.as_ref().map_or("", |part| part.key.as_str());
        by_key.entry(key).or_default().push(event);
    }
    let mut leads: Vec<(Micros, Lead)> = by_key
        .into_iter()
        .map(|(key, events)| {
            let last = events.iter().map(|event| event.at).max();
            let lead = lead(key, &events, open, status, eyes);
            (last.unwrap_or_default(), lead)
        })
        .collect();
    leads.sort_by_key(|(last, _)| std::cmp::Reverse(*last));
    leads.into_iter().map(|(_, lead)| lead).collect()
}

fn lead(key: &str, events: &[&TraceEvent], open: &[u64], status: &Status, eyes: Eyes) -> Lead {
    let known = |event: &&TraceEvent| {
        let id = event.salesforce_id.clone()?;
        Some((id, event.route.clone().unwrap_or_default()))
    };
    let found = events.iter().rev().find_map(known);
    let link = found
        .as_ref()
        .and_then(|(id, route)| link_to_org(status, route, id));
    let mut letters: Vec<u64> = events.iter().filter_map(|event| event.letter).collect();
    letters.sort_unstable();
    letters.dedup();
    letters.retain(|letter| open.contains(letter));
    let mut changes = changes(events, eyes);
    let left_out = changes.len().saturating_sub(CHANGES_TOLD);
    changes.drain(..left_out);
    Lead {
        key: eyes.value(key),
        salesforce_id: found.map(|(id, _)| visible(&id)),
        link,
        open: letters,
        left_out,
        changes,
    }
}

/// The changes that these steps belong to, in the order of time.
pub fn changes(events: &[&TraceEvent], eyes: Eyes) -> Vec<Change> {
    let mut told = Telling {
        changes: Vec::new(),
        name: None,
        before: None,
        payload: None,
        eyes,
    };
    for event in events {
        told.event(event);
    }
    told.changes
}

struct Telling {
    changes: Vec<Change>,
    /// Of the change that is told of: table, row, transaction, route.
    name: Option<[String; 4]>,
    before: Option<Micros>,
    /// Told once.
    payload: Option<String>,
    eyes: Eyes,
}

impl Telling {
    fn event(&mut self, event: &TraceEvent) {
        self.begin_change(event);
        if let (Some(sent), Some(_)) = (event.sent_at, event.batch) {
            let what = match event.attempt {
                Some(attempt) if attempt > 1 => {
                    format!("It was sent to Salesforce, for the {attempt}. time.")
                }
                _ => "It was sent to Salesforce.".to_owned(),
            };
            self.step(sent, "", what);
        }
        let (tone, mut what) = outcome(event);
        let at = event.answered_at.unwrap_or(event.at);
        if event.kind == "delivered"
            && let Some(committed) = event.committed_at
        {
            let took = duration(at.seconds_since(committed));
            let since = if is_snapshot(event) {
                "the snapshot read it"
            } else {
                "the change"
            };
            what.push_str(&format!(" That was {took} after {since}."));
        }
        self.step(at, tone, what);
        let payload = self.payload.clone();
        let (eyes, said) = (self.eyes, &mut self.payload);
        let Some(step) = self.changes.last_mut().and_then(|it| it.steps.last_mut()) else {
            return;
        };
        step.letter = event.letter;
        step.written = format!(
            "commit {}, segment {} at byte {}",
            event.commit, event.segment, event.offset
        );
        if let Some(end) = &event.read_up_to {
            let end = visible(end);
            step.written.push_str(&format!(", binlog read up to {end}"));
        }
        if let Some(personal) = &event.personal {
            let fields = personal
                .fields
                .as_ref()
                .map(|fields| fields.get().to_owned());
            let fresh = fields.is_some() && fields != payload;
            if fresh {
                *said = fields;
            }
            details(step, personal, event, fresh, eyes);
        }
    }

    fn begin_change(&mut self, event: &TraceEvent) {
        let (Some(table), Some(transaction)) = (&event.table, &event.transaction) else {
            if self.changes.is_empty() {
                self.push("What was done by hand".to_owned(), String::new(), event);
            }
            return;
        };
        let row = event.row.unwrap_or_default().to_string();
        let route = event.route.clone().unwrap_or_default();
        let name = [table.clone(), row, transaction.clone(), route];
        if self.name.as_ref() == Some(&name) {
            return;
        }
        let table = visible(table);
        let transaction = match self.eyes.sees_people {
            true => visible(transaction),
            false => visible(&mask::transaction(transaction)),
        };
        let title = if is_snapshot(event) {
            format!("Read from {table} by a snapshot")
        } else {
            match event.operation.as_deref() {
                Some("insert") => format!("Added to {table}"),
                Some("update") => format!("Changed in {table}"),
                Some("delete") => format!("Deleted from {table}"),
                _ => format!("A change of {table}"),
            }
        };
        let place = if is_snapshot(event) {
            transaction
        } else {
            format!("row {} of transaction {transaction}", name[1])
        };
        (self.before, self.payload) = (None, None);
        self.push(title, place, event);
        self.name = Some(name);
        if let Some(committed) = event.committed_at {
            let what = if is_snapshot(event) {
                "A snapshot read it from the database."
            } else {
                "It was committed in the database."
            };
            self.step(committed, "", what.to_owned());
        }
        if let Some(captured) = event.captured_at {
            self.step(captured, "", "leadstream picked it up.".to_owned());
        }
    }

    fn push(&mut self, title: String, place: String, event: &TraceEvent) {
        self.changes.push(Change {
            title,
            place,
            route: visible(event.route.as_deref().unwrap_or_default()),
            steps: Vec::new(),
        });
    }

    fn step(&mut self, at: Micros, tone: &'static str, what: String) {
        let gap = match self.before.map(|before| at.seconds_since(before)) {
            // Nothing to tell; or the clocks of two machines, or one that was set back.
            Some(seconds) if seconds >= 0.001 => format!("{} later", duration(seconds)),
            _ => String::new(),
        };
        self.before = Some(at);
        let Some(change) = self.changes.last_mut() else {
            return;
        };
        change.steps.push(Step {
            at: moment(at),
            machine_at: machine(at),
            gap,
            tone,
            what,
            letter: None,
            facts: Vec::new(),
            edits: Vec::new(),
            errors: Vec::new(),
            written: String::new(),
        });
    }
}

fn is_snapshot(event: &TraceEvent) -> bool {
    let name = event.transaction.as_deref();
    name.is_some_and(|name| name.starts_with(SNAPSHOT))
}

fn details(step: &mut Step, personal: &PersonalPart, event: &TraceEvent, fresh: bool, eyes: Eyes) {
    if fresh {
        step.facts = facts(personal.fields.as_deref(), eyes);
    }
    if !step.facts.is_empty() || event.kind == "dead_letter" {
        let row = personal.source_row.as_deref();
        let row = row.and_then(|row| KeptRow::read(row.get()));
        let texts = row.map_or_else(Vec::new, |row| row.texts());
        let row = texts.into_iter().map(|(name, value)| {
            let name = format!("{} in the database", visible(&name));
            (name, eyes.value(&value))
        });
        step.facts.extend(row);
    }
    step.errors = messages(personal, eyes);
    let (before, after) = (personal.before.as_deref(), personal.after.as_deref());
    step.edits = edits(before, after, eyes);
    if let Some(reason) = &personal.reason {
        step.facts.push(("Reason".to_owned(), eyes.value(reason)));
    }
}

/// Salesforce's own words, which may repeat the value.
pub fn messages(personal: &PersonalPart, eyes: Eyes) -> Vec<String> {
    let errors = personal.errors.iter();
    let told = errors.map(|error| {
        if eyes.sees_people {
            format!("{}: {}", visible(&error.code), visible(&error.message))
        } else {
            visible(&error.code)
        }
    });
    told.collect()
}

/// A JSON object's fields by name.
fn facts(json: Option<&RawJson>, eyes: Eyes) -> Vec<(String, String)> {
    shown(sheet::cells(json.map_or("{}", RawJson::get)), eyes)
}

/// Names with values.
pub fn shown(cells: BTreeMap<String, String>, eyes: Eyes) -> Vec<(String, String)> {
    let fact = |(name, value): (String, String)| (visible(&name), eyes.value(&value));
    cells.into_iter().map(fact).collect()
}

fn edits(
    before: Option<&RawJson>,
    after: Option<&RawJson>,
    eyes: Eyes,
) -> Vec<(String, String, String)> {
    let cells = |json: Option<&RawJson>| sheet::cells(json.map_or("{}", RawJson::get));
    let (before, after) = (cells(before), cells(after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let shown = |cell: Option<&String>| match cell.map(String::as_str) {
        None => "not sent".to_owned(),
        Some("") => "empty".to_owned(),
        Some(cell) => format!("“{}”", eyes.value(cell)),
    };
    let edit = |name: &&String| {
        (
            label(name),
            shown(before.get(*name)),
            shown(after.get(*name)),
        )
    };
    names.iter().map(edit).collect()
}

/// A class of the style sheet, and a sentence.
fn outcome(event: &TraceEvent) -> (&'static str, String) {
    let class = event.class.as_deref().unwrap_or_default();
    let code = event.code.as_deref().unwrap_or_default();
    let author = visible(event.author.as_deref().unwrap_or("somebody"));
    let errors = event.personal.as_ref().map(|part| part.errors.as_slice());
    let mut fields = errors
        .unwrap_or_default()
        .iter()
        .flat_map(|error| &error.fields);
    let field = fields.next().map_or("", String::as_str);
    let says = cause(class, code, field).says;
    let told = match event.kind.as_str() {
        "delivered" => {
            let verb = match event.created {
                Some(true) => "created the record",
                _ => "updated the record",
            };
            let settles = event.letter.map_or_else(String::new, |letter| {
                format!(", which settles dead letter {letter}")
            });
            return ("good", format!("Salesforce {verb}{settles}."));
        }
        "dead_letter" if event.attempt.is_some() => {
            return (
                "bad",
                format!("Salesforce refused it. {says}. It waits for a person."),
            );
        }
        "dead_letter" => {
            return (
                "bad",
                format!("It was not sent. {says}. It waits for a person."),
            );
        }
        "retried" => {
            let told = format!("Salesforce could not take it yet. {says}. It is tried again.");
            return ("warn", told);
        }
        "edited" => format!("{author} changed it."),
        "replayed" => format!("{author} sent it again."),
        "discarded" => return ("warn", format!("{author} discarded it: it is not sent.")),
        "outdated" => "A newer change of the same record reached Salesforce: nothing is left to \
                       mend."
            .to_owned(),
        "parked" => "It waits on disk for its turn; nothing of it can get lost.".to_owned(),
        "superseded" => {
            "A newer change of the same record took its place before it was sent.".to_owned()
        }
        "skipped" => match event.rule.as_deref().unwrap_or_default() {
            "where" => "The route's filter leaves it out.".to_owned(),
            "operation_not_routed" => "Changes of this kind are not carried.".to_owned(),
            "converted" => "The lead is converted, and is left as it is.".to_owned(),
            "unchanged" => "Nothing that Salesforce gets was changed.".to_owned(),
            other => format!("It was left out ({}).", visible(other)),
        },
        "unanswered" => {
            let told = "leadstream stopped before Salesforce had answered; it was sent again.";
            return ("warn", told.to_owned());
        }
        other => visible(other),
    };
    ("", told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_in_a_snapshots_name_is_for_those_who_see_people() {
        let event = TraceEvent {
            kind: "dead_letter".to_owned(),
            table: Some("shop.leads".to_owned()),
            transaction: Some("snapshot:3:77001".to_owned()),
            ..TraceEvent::default()
        };
        let place = |sees_people| changes(&[&event], Eyes { sees_people })[0].place.clone();
        assert_eq!(place(true), "snapshot:3:77001");
        assert_eq!(place(false), "snapshot:3:•••");
    }
}
