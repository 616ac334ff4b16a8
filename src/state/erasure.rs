//! Erasing a person: who is meant, what there is of them, and that it goes from the journal and
//! the index. Works beside the running pipeline, which notices nothing of it.
//!
//! Idempotent: whatever moment a crash ends it at, the same again finishes it. Refused while
//! something of the person still has to be delivered or mended, because that needs the values.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::Error;
use super::index::{IndexHandle, TraceQuery};
use super::journal::JournalHandle;
use super::journal::line::{EntryLine, Personal};
use super::keyring::Keyring;
use crate::core::time::Micros;

/// Who is to be erased.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Person {
    pub what: TraceQuery,
    /// Of this route only: two routes may use one key for two people.
    pub route: Option<String>,
}

/// What the journal holds of a person in clear or sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// External ids.
    pub keys: BTreeSet<String>,
    /// Steps with values, by kind.
    pub steps: BTreeMap<String, u64>,
    pub first_at: Option<Micros>,
    pub last_at: Option<Micros>,
    pub open_letters: BTreeSet<u64>,
    /// Serials of parked records that still have to be delivered.
    pub parked: BTreeSet<u64>,
}

/// Does it; cheap to clone.
#[derive(Clone)]
pub struct Eraser {
    pub(super) journal: JournalHandle,
    pub(super) index: IndexHandle,
    pub(super) keys: Option<Arc<Keyring>>,
}

/// All that a person goes by.
struct Names {
    route: Option<String>,
    keys: BTreeSet<String>,
    email: Option<String>,
    email_hash: Option<String>,
    salesforce_id: Option<String>,
}

impl Holding {
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.steps.values().sum()
    }
}

impl Eraser {
    /// What there is of a person.
    ///
    /// # Errors
    /// When the journal cannot be read, or a key is missing.
    pub fn find(&self, person: &Person) -> Result<Holding, Error> {
        Ok(self.look(person)?.1)
    }

    /// Erases a person, and notes that `author` asked for it; what there was.
    ///
    /// # Errors
    /// When something of theirs still waits, or a segment cannot be read or written.
    pub fn erase(&self, person: &Person, author: &str, at: Micros) -> Result<Holding, Error> {
        let (names, holding) = self.look(person)?;
        refuse_waiting(&holding)?;
        if holding.lines() > 0 {
            self.journal.note_erasure(author, at, holding.lines())?;
            let is_meant =
                |line: &EntryLine<'_>, personal: &Personal<'_>| names.are_of(line, personal);
            self.journal.erase(self.keys.as_deref(), &is_meant)?;
        }
        let email = match &person.what {
            TraceQuery::Email(address) => Some(address.as_str()),
            TraceQuery::Key(_) | TraceQuery::SalesforceId(_) => None,
        };
        // Also after a crash behind the last segment, when the journal has nothing any more.
        if holding.lines() > 0 || self.index.knows(&names.keys, email)? {
            self.index.begin_anew();
        }
        Ok(holding)
    }

    fn look(&self, person: &Person) -> Result<(Names, Holding), Error> {
        let mut names = self.names(person);
        if names.keys.is_empty() {
            let mut keys = BTreeSet::new();
            self.journal
                .each_entry(self.keys.as_deref(), |_, _, line, personal| {
                    if let Some(personal) = personal
                        && !personal.k.0.is_empty()
                        && names.are_of(line, personal)
                    {
                        keys.insert(personal.k.0.to_string());
                    }
                })?;
            names.keys = keys;
        }
        let open = self.journal.open_letters()?;
        let mut holding = Holding {
            keys: names.keys.clone(),
            ..Holding::default()
        };
        self.journal
            .each_entry(self.keys.as_deref(), |_, at, line, personal| {
                let kind = &*line.t.0;
                if let Some(serial) = line.parked
                    && !matches!(kind, "retried" | "unanswered")
                {
                    holding.parked.remove(&serial);
                }
                if !personal.is_some_and(|personal| names.are_of(line, personal)) {
                    return;
                }
                *holding.steps.entry(kind.to_owned()).or_default() += 1;
                holding.first_at.get_or_insert(at);
                holding.last_at = Some(at);
                if kind == "parked" {
                    holding.parked.extend(line.serial);
                }
                let letter = line.letter.filter(|letter| open.contains(letter));
                holding.open_letters.extend(letter);
            })?;
        Ok((names, holding))
    }

    fn names(&self, person: &Person) -> Names {
        let mut names = Names {
            route: person.route.clone(),
            keys: BTreeSet::new(),
            email: None,
            email_hash: None,
            salesforce_id: None,
        };
        match &person.what {
            TraceQuery::Key(key) => {
                names.keys.insert(key.clone());
            }
            TraceQuery::Email(address) => {
                names.email = Some(address.trim().to_lowercase());
                names.email_hash = Some(self.index.email_hash(address));
            }
            TraceQuery::SalesforceId(id) => {
                names.salesforce_id = Some(id.get(..15).unwrap_or(id).to_owned());
            }
        }
        names
    }
}

impl Names {
    fn are_of(&self, line: &EntryLine<'_>, personal: &Personal<'_>) -> bool {
        let route = line.route.as_ref().map(|route| &*route.0);
        if self.route.is_some() && self.route.as_deref() != route {
            return false;
        }
        let id = line.id.as_ref().map(|id| id.0.get(..15).unwrap_or(&id.0));
        let hash = personal.e.as_ref().map(|hash| &*hash.0);
        self.keys.contains(&*personal.k.0)
            || (hash.is_some() && hash == self.email_hash.as_deref())
            || (id.is_some() && id == self.salesforce_id.as_deref())
            || personal.row.is_some_and(|row| self.are_in_row(row.get()))
    }

    /// A row that could not be mapped goes by no key: whatever column holds a name counts.
    fn are_in_row(&self, row: &str) -> bool {
        let Ok(Value::Object(columns)) = serde_json::from_str::<Value>(row) else {
            return false;
        };
        columns.values().any(|value| match value {
            // Typed: `{"text":"…"}`.
            Value::Object(typed) => typed.values().any(|value| self.is_name(value)),
            value => self.is_name(value),
        })
    }

    fn is_name(&self, value: &Value) -> bool {
        let text = match value {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return false,
        };
        let lower = text.to_lowercase();
        self.keys.contains(&text) || self.email.as_ref() == Some(&lower)
    }
}

fn refuse_waiting(holding: &Holding) -> Result<(), Error> {
    let mut waiting = Vec::new();
    if !holding.open_letters.is_empty() {
        waiting.push(format!("dead letters {}", list(&holding.open_letters)));
    }
    if !holding.parked.is_empty() {
        waiting.push(format!("{} parked records", holding.parked.len()));
    }
    if waiting.is_empty() {
        return Ok(());
    }
    Err(Error::Waiting {
        waiting: waiting.join(" and "),
    })
}

fn list(numbers: &BTreeSet<u64>) -> String {
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    numbers.join(", ")
}
