//! Questions about dead letters: which are open, how many of each kind, the story of one, and one
//! as it is to be sent again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::IndexHandle;
use super::kinds::largest_first;
use super::query::{DeadLetterFilter, RawJson, TraceEvent};
use super::view::Letter;
use crate::core::change::{ChangeId, Operation, RouteId, Transaction};
use crate::core::entry::{Image, Subject};
use crate::core::letters::{Declined, FieldEdits, LetterRead, LetterRecord, is_surely_before};
use crate::core::mapping::{edited_fields, read_fields};
use crate::core::schema::TableName;
use crate::core::time::Micros;
use crate::state::error::Error;
use crate::state::journal::segments::list_segments;

/// Open dead letters that were refused alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterGroup {
    pub route: String,
    pub class: String,
    pub code: String,
    /// The first field that was objected to; empty when none was named.
    pub field: String,
    pub count: u64,
    /// Since when the oldest of them waits.
    pub oldest: Micros,
}

/// One open dead letter with all that happened to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LetterStory {
    pub letter: u64,
    pub route: String,
    pub class: String,
    pub code: String,
    pub fields: Vec<String>,
    /// When it became a letter.
    pub at: Micros,
    /// The external id.
    pub key: String,
    /// If the record is known in Salesforce.
    pub salesforce_id: Option<String>,
    /// What the next replay sends, but for what a mapping makes anew; `None` when it was erased.
    pub payload: Option<Box<RawJson>>,
    /// Fields that people have changed since it was last refused.
    pub edited: Vec<String>,
    /// It carries the row that the mapping refused.
    pub has_row: bool,
    /// That row; it stands in the steps too, so that it is not told twice.
    #[serde(skip)]
    pub row: Option<Box<RawJson>>,
    /// As it was refused first, every edit, every replay, every refusal after that.
    pub steps: Vec<TraceEvent>,
}

impl IndexHandle {
    /// Waits until everything that is durable now has been applied; false when the time is up.
    #[must_use]
    pub fn catch_up(&self, timeout: Duration) -> bool {
        let last = self.lag().last_commit;
        self.wait_applied(last, timeout)
    }

    /// Numbers of open letters, rising.
    pub fn letter_numbers(&self, filter: &DeadLetterFilter) -> Result<Vec<u64>, Error> {
        let mut numbers = Vec::new();
        let visited = self.shared.read().visit_letters(|number, letter| {
            if filter.admits(&letter) {
                numbers.push(number);
            }
            true
        });
        visited.map_err(|failure| self.shared.report(failure))?;
        Ok(numbers)
    }

    /// Open letters by what was wrong, the most frequent first.
    pub fn letter_groups(&self, filter: &DeadLetterFilter) -> Result<Vec<LetterGroup>, Error> {
        match self.shared.read().kinds.groups(filter) {
            Some(groups) => Ok(groups),
            None => self.count_letters(filter),
        }
    }

    /// The same, letter by letter.
    pub(in crate::state) fn count_letters(
        &self,
        filter: &DeadLetterFilter,
    ) -> Result<Vec<LetterGroup>, Error> {
        let mut groups: BTreeMap<[String; 4], (u64, Micros)> = BTreeMap::new();
        let visited = self.shared.read().visit_letters(|_, letter| {
            if filter.admits(&letter) {
                let field = letter.fields.into_iter().next().unwrap_or_default();
                let kind = [letter.route, letter.class, letter.code, field];
                let group = groups.entry(kind).or_insert((0, letter.at));
                *group = (group.0 + 1, group.1.min(letter.at));
            }
            true
        });
        visited.map_err(|failure| self.shared.report(failure))?;
        let groups: Vec<LetterGroup> = groups
            .into_iter()
            .map(
                |([route, class, code, field], (count, oldest))| LetterGroup {
                    route,
                    class,
                    code,
                    field,
                    count,
                    oldest,
                },
            )
            .collect();
        Ok(largest_first(groups))
    }

    /// Everything about one open letter; `None` when it is not open.
    pub fn letter_story(&self, number: u64) -> Result<Option<LetterStory>, Error> {
        let Some(letter) = self.open_letter(number)? else {
            return Ok(None);
        };
        let latest = self.read_place(letter.last_at())?;
        let mut steps = self.events_at(&letter.all_now_at(&letter.history))?;
        let since = self.events_at(&letter.all_now_at(&letter.since))?;
        let personal = latest.as_ref().and_then(|event| event.personal.as_ref());
        let key = personal.map(|part| part.key.clone()).unwrap_or_default();
        let row = personal.and_then(|part| part.source_row.clone());
        let row = row.filter(|row| row.get() != "null");
        let edits = edits(&since);
        let payload = personal.and_then(|part| part.fields.as_ref());
        let payload = payload.and_then(|fields| with_edits(fields.get(), &edits));
        steps.extend(latest);
        steps.extend(since);
        let mut of_key = Vec::new();
        if !key.is_empty() {
            of_key = self.trace_key(&key)?;
        }
        let salesforce_id = of_key
            .into_iter()
            .rev()
            .find_map(|event| event.salesforce_id);
        Ok(Some(LetterStory {
            letter: number,
            route: letter.route,
            class: letter.class,
            code: letter.code,
            fields: letter.fields,
            at: letter.at,
            key,
            salesforce_id,
            payload,
            edited: edited_fields(&edits).into_iter().collect(),
            has_row: row.is_some(),
            row,
            steps,
        }))
    }

    /// Letters as they are to be sent again; `routes` are the process's, by number, with their scopes.
    #[must_use]
    pub fn read_letters(&self, numbers: &[u64], routes: &[(String, u16)]) -> Vec<LetterRead> {
        // Without a list nothing is known to be there.
        let oldest = list_segments(&self.journal).ok();
        let oldest = oldest.and_then(|segments| segments.first().copied());
        let oldest = oldest.unwrap_or(u64::MAX);
        let read = |number: &u64| {
            LetterRead {
            number: *number,
            found: self.read_letter(*number, routes, oldest).unwrap_or_else(|error| {
                tracing::warn!(letter = number, %error, page = error.page(), "a dead letter cannot be read");
                Err(Declined::Unreadable)
            }),
        }
        };
        numbers.iter().map(read).collect()
    }

    fn read_letter(
        &self,
        number: u64,
        routes: &[(String, u16)],
        oldest_segment: u64,
    ) -> Result<Result<LetterRecord, Declined>, Error> {
        let Some(letter) = self.open_letter(number)? else {
            return Ok(Err(Declined::NotOpen));
        };
        let Some(place) = routes.iter().position(|(name, _)| *name == letter.route) else {
            return Ok(Err(Declined::NoRoute));
        };
        let scope = routes[place].1;
        let route = RouteId(u16::try_from(place).unwrap_or(u16::MAX));
        let Some(latest) = self.read_place(letter.last_at())? else {
            return Ok(Err(Declined::Unreadable));
        };
        let since = self.events_at(&letter.all_now_at(&letter.since))?;
        let Some(subject) = subject(&latest, route) else {
            return Ok(Err(Declined::Unreadable));
        };
        let (segment, offset) = *letter
            .history
            .first()
            .unwrap_or(&(letter.segment, letter.offset));
        let first = (u64::from(segment), u64::from(offset));
        // A route that is gone may have written the same records.
        let in_scope = |event: &TraceEvent| {
            let mut known = routes.iter();
            let known = known.find(|(name, _)| Some(name) == event.route.as_ref());
            known.is_none_or(|(_, other)| *other == scope)
        };
        let is_newer = |event: &TraceEvent| {
            let other = change(event, route);
            event.kind == "delivered"
                && in_scope(event)
                && (event.segment, event.offset) > first
                && other.is_none_or(|other| !is_surely_before(&other, &subject.id))
        };
        let of_key = match &*subject.image.key {
            "" => Vec::new(),
            key => self.trace_key(key)?,
        };
        let replayed = since.iter().position(|event| event.kind == "replayed");
        let edited_after = |at: usize| since.iter().skip(at).any(|event| event.kind == "edited");
        Ok(Ok(LetterRecord {
            number,
            edits: edits(&since),
            unclear: replayed.is_some_and(edited_after),
            newer_delivered: of_key.iter().any(is_newer),
            history_gone: first.0 < oldest_segment,
            subject,
        }))
    }

    pub(super) fn open_letter(&self, number: u64) -> Result<Option<Letter>, Error> {
        let letter = self.shared.read().letter(number);
        letter.map_err(|failure| self.shared.report(failure))
    }

    pub(super) fn events_at(&self, places: &[(u32, u32)]) -> Result<Vec<TraceEvent>, Error> {
        let events = places.iter();
        let events = events.map(|place| self.read_place(*place));
        events.filter_map(Result::transpose).collect()
    }
}

pub(super) fn edits(steps: &[TraceEvent]) -> Vec<FieldEdits> {
    let personal = steps.iter().filter_map(|step| step.personal.as_ref());
    let edit = personal.filter_map(|part| {
        Some(FieldEdits {
            before: part.before.as_ref()?.get().into(),
            after: part.after.as_ref()?.get().into(),
        })
    });
    edit.collect()
}

pub(super) fn with_edits(payload: &str, edits: &[FieldEdits]) -> Option<Box<RawJson>> {
    let mut fields = read_fields(payload)?;
    for edit in edits {
        edit.apply(&mut fields)?;
    }
    let text = serde_json::to_string(&fields).ok()?;
    RawJson::new(text).map(Box::new)
}

/// The change that a line names.
fn change(line: &TraceEvent, route: RouteId) -> Option<ChangeId> {
    let text = line.table.as_deref()?;
    let (schema, table) = match &line.schema {
        Some(schema) => (
            schema.as_str(),
            text.strip_prefix(schema.as_str())?.strip_prefix('.')?,
        ),
        None => text.split_once('.')?,
    };
    Some(ChangeId {
        transaction: Arc::new(Transaction {
            id: line.transaction.as_ref()?.parse().ok()?,
            committed_at: line.committed_at.unwrap_or_default(),
        }),
        table: Arc::new(TableName {
            schema: schema.to_owned(),
            table: table.to_owned(),
        }),
        row: line.row?,
        route,
    })
}

/// The record that a dead letter's line speaks of; `None` when its person was erased.
fn subject(line: &TraceEvent, route: RouteId) -> Option<Subject> {
    let personal = line.personal.as_ref()?;
    let payload = personal.fields.as_ref().map(|fields| fields.get());
    let row = personal.source_row.as_ref().map(|row| row.get());
    Some(Subject {
        id: change(line, route)?,
        operation: match line.operation.as_deref()? {
            "insert" => Operation::Insert,
            "update" => Operation::Update,
            "delete" => Operation::Delete,
            _ => return None,
        },
        image: Arc::new(Image {
            key: personal.key.as_str().into(),
            payload: payload
                .filter(|text| *text != "null")
                .unwrap_or_default()
                .into(),
            email: None,
            row: row.filter(|text| *text != "null").map(Arc::from),
        }),
        captured_at: line.captured_at.unwrap_or_default(),
        parked: None,
        letter: None,
    })
}
