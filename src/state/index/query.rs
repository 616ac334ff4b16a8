//! Questions: the index says where to look, the journal says what happened. Nothing is answered
//! from the index alone, so a hash that two names share shows nobody the wrong lead.

use std::collections::BTreeSet;
use std::io::BufRead;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::kept::Place;
use super::view::Letter;
use super::{IndexHandle, short_id};
use crate::core::outcome::RecordError;
use crate::core::time::Micros;
use crate::state::error::Error;
use crate::state::journal::line::{CommitLine, EntryLine, Personal, PersonalLine, Text};
use crate::state::journal::scan::{COMMIT_START, matches_digest};
use crate::state::journal::sealed::open_line;
use crate::state::journal::segment_file::SegmentFile;
use crate::state::journal::segments::present_path;

/// Most steps and their commit lines lie closer together.
const READ_BYTES: usize = 16 * 1024;

/// What a lead is looked up by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceQuery {
    /// The external id.
    Key(String),
    /// 15 or 18 characters.
    SalesforceId(String),
    /// In any case.
    Email(String),
}

/// One step of a lead's life, as the journal has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TraceEvent {
    /// `delivered`, `dead_letter`, `superseded`, `skipped`, `parked`, `retried`, `unanswered`, or
    /// what a later version writes.
    pub kind: String,
    /// The commit that made it durable, and when that was.
    pub commit: u64,
    pub at: Micros,
    /// Where it stands: segment and byte.
    pub segment: u64,
    pub offset: u64,
    pub route: Option<String>,
    pub transaction: Option<String>,
    pub table: Option<String>,
    /// Where the table's name is to be split, when that is not plain.
    #[serde(skip)]
    pub schema: Option<String>,
    pub row: Option<u64>,
    pub operation: Option<String>,
    pub committed_at: Option<Micros>,
    pub captured_at: Option<Micros>,
    pub batch: Option<u64>,
    pub attempt: Option<u32>,
    pub sent_at: Option<Micros>,
    pub answered_at: Option<Micros>,
    pub salesforce_id: Option<String>,
    pub created: Option<bool>,
    pub letter: Option<u64>,
    pub class: Option<String>,
    pub code: Option<String>,
    /// Serial of the parked record that this step settled.
    pub parked: Option<u64>,
    /// Serial under which this step parked the record.
    pub serial: Option<u64>,
    pub unknown: Option<bool>,
    /// The change that superseded this one.
    pub by: Option<Box<RawJson>>,
    pub rows: Option<u32>,
    pub rule: Option<String>,
    /// Who asked for it, of steps that a person takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The end of what was done of the binlog when it was written down, where that moved with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_up_to: Option<String>,
    /// `None` when the person was erased, or when there is nothing personal about it.
    pub personal: Option<PersonalPart>,
}

/// What the journal keeps of a person in one step.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PersonalPart {
    pub key: String,
    /// Keyed hash of the e-mail address, in hex.
    pub email_hash: Option<String>,
    /// The payload as the policy left it.
    pub fields: Option<Box<RawJson>>,
    /// Its salted hash, where the policy is to keep no more.
    pub payload_hash: Option<String>,
    pub source_row: Option<Box<RawJson>>,
    pub errors: Vec<RecordError>,
    /// Edited fields as they were, and as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<RawJson>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Box<RawJson>>,
    /// Why a dead letter was discarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// JSON as it stands in the journal.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct RawJson(Box<RawValue>);

impl RawJson {
    pub(super) fn new(json: String) -> Option<Self> {
        RawValue::from_string(json).ok().map(Self)
    }

    #[must_use]
    pub fn get(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

/// Which dead letters to list; `None` is any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterFilter {
    pub route: Option<String>,
    pub class: Option<String>,
    pub code: Option<String>,
    /// A field that was objected to.
    #[serde(default)]
    pub field: Option<String>,
    /// The first field that was objected to, by which letters are grouped; empty: those that name
    /// none.
    #[serde(default)]
    pub first_field: Option<String>,
}

impl DeadLetterFilter {
    pub(super) fn admits(&self, letter: &Letter) -> bool {
        let is = |wanted: &Option<String>, have: &str| wanted.as_deref().is_none_or(|w| w == have);
        let objected =
            |wanted: &String| letter.fields.iter().any(|f| f.eq_ignore_ascii_case(wanted));
        is(&self.route, &letter.route)
            && is(&self.class, &letter.class)
            && is(&self.code, &letter.code)
            && self.field.as_ref().is_none_or(objected)
            && is(
                &self.first_field,
                letter.fields.first().map_or("", String::as_str),
            )
    }
}

/// A dead letter that waits for a person.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeadLetterRow {
    pub letter: u64,
    pub route: String,
    pub class: String,
    pub code: String,
    /// The fields that Salesforce or the mapping objected to.
    pub fields: Vec<String>,
    pub at: Micros,
    /// The whole step, with payload and errors.
    pub event: Option<TraceEvent>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetterCount {
    pub route: String,
    pub class: String,
    pub code: String,
    pub count: u64,
}

impl IndexHandle {
    /// A lead's whole story, in the order of time; empty when nothing is known.
    pub fn trace(&self, query: &TraceQuery) -> Result<Vec<TraceEvent>, Error> {
        let mut story = match query {
            TraceQuery::Key(key) => return self.trace_key(key),
            TraceQuery::SalesforceId(id) => {
                let matches = |event: &TraceEvent| {
                    event
                        .salesforce_id
                        .as_deref()
                        .is_some_and(|known| short_id(known) == short_id(id))
                };
                self.events(self.names.salesforce_id(id), matches)?
            }
            TraceQuery::Email(address) => {
                let (hash, hex) = self.names.email(address);
                let matches = |event: &TraceEvent| {
                    let known = event
                        .personal
                        .as_ref()
                        .and_then(|part| part.email_hash.as_deref());
                    known.is_none_or(|known| known == hex)
                };
                self.events(hash, matches)?
            }
        };
        // Retries and parking carry no id, so the story is that of the keys found.
        let keys = story.iter().filter_map(|event| event.personal.as_ref());
        let keys: BTreeSet<String> = keys.map(|part| part.key.clone()).collect();
        for key in keys.iter().filter(|key| !key.is_empty()) {
            story.extend(self.trace_key(key)?);
        }
        story.sort_by_key(|event| (event.segment, event.offset));
        story.dedup_by_key(|event| (event.segment, event.offset));
        Ok(story)
    }

    /// Dead letters that wait, by number, the oldest first.
    pub fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        limit: usize,
        offset: usize,
    ) -> Result<Vec<DeadLetterRow>, Error> {
        let (mut skip, mut letters) = (offset, Vec::new());
        if limit > 0 {
            let visited = self.shared.read().visit_letters(|number, letter| {
                if filter.admits(&letter) {
                    if skip > 0 {
                        skip -= 1;
                    } else {
                        letters.push((number, letter));
                    }
                }
                letters.len() < limit
            });
            visited.map_err(|failure| self.shared.report(failure))?;
        }
        letters
            .into_iter()
            .map(|(number, letter)| self.row(number, letter))
            .collect()
    }

    /// Dead letters that wait, by number, from behind `after` on; however many are closed meanwhile,
    /// pages that follow one another leave none out.
    pub fn dead_letters_after(
        &self,
        filter: &DeadLetterFilter,
        limit: usize,
        after: u64,
    ) -> Result<Vec<DeadLetterRow>, Error> {
        let mut letters = Vec::new();
        let visited = self.shared.read().visit_letters(|number, letter| {
            if number > after && letters.len() < limit && filter.admits(&letter) {
                letters.push((number, letter));
            }
            letters.len() < limit
        });
        visited.map_err(|failure| self.shared.report(failure))?;
        letters
            .into_iter()
            .map(|(number, letter)| self.row(number, letter))
            .collect()
    }

    /// One open dead letter.
    pub fn dead_letter(&self, number: u64) -> Result<Option<DeadLetterRow>, Error> {
        let letter = self.shared.read().letter(number);
        let letter = letter.map_err(|failure| self.shared.report(failure))?;
        letter.map(|letter| self.row(number, letter)).transpose()
    }

    /// Open dead letters by cause, the most frequent first.
    pub fn dead_letter_counts(&self) -> Result<Vec<DeadLetterCount>, Error> {
        let view = self.shared.read();
        let mut counts: Vec<DeadLetterCount> = Vec::new();
        // Kinds of one cause stand beside each other.
        for (kind, count) in view.kinds.counts() {
            let known = counts.last_mut().filter(|last| {
                (&last.route, &last.class, &last.code) == (&kind.route, &kind.class, &kind.code)
            });
            match known {
                Some(known) => known.count += count,
                None => counts.push(DeadLetterCount {
                    route: kind.route.clone(),
                    class: kind.class.clone(),
                    code: kind.code.clone(),
                    count,
                }),
            }
        }
        counts.sort_by_key(|count| std::cmp::Reverse(count.count));
        Ok(counts)
    }

    fn row(&self, letter: u64, found: Letter) -> Result<DeadLetterRow, Error> {
        let event = self.read_place(found.last_at())?;
        let Letter {
            route,
            class,
            code,
            fields,
            at,
            ..
        } = found;
        Ok(DeadLetterRow {
            letter,
            route,
            class,
            code,
            fields,
            at,
            event,
        })
    }

    pub(super) fn trace_key(&self, key: &str) -> Result<Vec<TraceEvent>, Error> {
        // A step without its person was erased; that it happened stays visible.
        let matches = |event: &TraceEvent| event.personal.as_ref().is_none_or(|p| p.key == key);
        self.events(self.names.key(key), matches)
    }

    /// The steps under a hash that are truly meant.
    pub(super) fn events(
        &self,
        hash: u64,
        matches: impl Fn(&TraceEvent) -> bool,
    ) -> Result<Vec<TraceEvent>, Error> {
        let places = self.shared.read().find(hash);
        let places = places.map_err(|failure| self.shared.report(failure))?;
        let mut events = Vec::with_capacity(places.len());
        for place in places {
            events.extend(
                self.read_event(place.segment, place.offset)?
                    .filter(&matches),
            );
        }
        Ok(events)
    }

    pub(super) fn read_place(&self, (segment, offset): Place) -> Result<Option<TraceEvent>, Error> {
        self.read_event(segment, offset)
    }

    /// The step at a place in the journal; `None` when its segment is gone.
    pub(super) fn read_event(
        &self,
        segment: u32,
        offset: u32,
    ) -> Result<Option<TraceEvent>, Error> {
        let path = present_path(&self.journal, u64::from(segment));
        let read_error = |source| Error::read(&path, source);
        let damaged = |reason| Error::Damaged {
            file: path.clone(),
            line: 0,
            byte: u64::from(offset),
            reason,
        };
        let file = match SegmentFile::open(&self.journal, u64::from(segment)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(read_error(source)),
        };
        let reader = file.reader(u64::from(offset), u64::MAX, READ_BYTES);
        let mut lines = reader.split(b'\n');
        let mut next = || match lines.next() {
            Some(line) => line.map_err(read_error),
            None => Err(damaged("the commit behind an entry is missing")),
        };
        let entry = next()?;
        let mut line = next()?;
        let personal = if matches_digest(&entry, &line).map_err(damaged)? {
            let opened = open_line(self.names.keys.as_deref(), &line);
            let opened = opened.map_err(|closed| Error::KeyMissing {
                file: path.clone(),
                id: closed.id,
            })?;
            let personal = serde_json::from_slice::<PersonalLine<'_>>(&opened)
                .map_err(|_| damaged("a personal line cannot be understood"))?;
            let personal = personal.x.map(personal_part);
            line = next()?;
            personal
        } else {
            None
        };
        while !line.starts_with(COMMIT_START) {
            line = next()?;
        }
        let mut parsed: EntryLine<'_> = serde_json::from_slice(&entry)
            .map_err(|_| damaged("an entry line cannot be understood"))?;
        let commit: CommitLine = serde_json::from_slice(&line)
            .map_err(|_| damaged("the commit line cannot be understood"))?;
        let mut place = (u64::from(segment), u64::from(offset));
        let mut read_up_to = commit
            .checkpoint
            .map(|checkpoint| checkpoint.end.to_string());
        let mut commit = (commit.n, commit.at);
        if let Some(kept) = parsed.line {
            // Carried here; told as it was, in its first place among the others.
            place = parsed.segment.zip(parsed.offset).unwrap_or(place);
            commit = parsed.n.zip(parsed.at).unwrap_or(commit);
            read_up_to = None;
            parsed = serde_json::from_str(kept.get())
                .map_err(|_| damaged("a line that was kept cannot be understood"))?;
        }
        let event = trace_event(parsed, commit, place, personal);
        Ok(Some(TraceEvent {
            read_up_to,
            ..event
        }))
    }
}

pub(in crate::state) fn trace_event(
    line: EntryLine<'_>,
    (commit, at): (u64, i64),
    (segment, offset): (u64, u64),
    personal: Option<PersonalPart>,
) -> TraceEvent {
    TraceEvent {
        kind: line.t.0.into_owned(),
        commit,
        at: Micros(at),
        segment,
        offset,
        route: owned(line.route),
        transaction: owned(line.tx),
        table: owned(line.table),
        schema: owned(line.schema),
        row: line.row,
        operation: owned(line.op),
        committed_at: line.committed.map(Micros),
        captured_at: line.captured.map(Micros),
        batch: line.batch,
        attempt: line.attempt,
        sent_at: line.sent.map(Micros),
        answered_at: line.answered.map(Micros),
        salesforce_id: owned(line.id),
        created: line.created,
        letter: line.letter,
        class: owned(line.class),
        code: owned(line.code),
        parked: line.parked,
        serial: line.serial,
        unknown: line.unknown,
        by: raw(line.by),
        rows: line.rows,
        rule: owned(line.rule),
        author: owned(line.author),
        read_up_to: None,
        personal,
    }
}

pub(in crate::state) fn personal_part(personal: Personal<'_>) -> PersonalPart {
    PersonalPart {
        key: personal.k.0.into_owned(),
        email_hash: owned(personal.e),
        fields: raw(personal.f),
        payload_hash: owned(personal.h),
        source_row: raw(personal.row),
        errors: personal.errors,
        before: raw(personal.before),
        after: raw(personal.after),
        reason: owned(personal.reason),
    }
}

fn owned(text: Option<Text<'_>>) -> Option<String> {
    text.map(|text| text.0.into_owned())
}

fn raw(json: Option<&RawValue>) -> Option<Box<RawJson>> {
    json.map(|json| Box::new(RawJson(json.to_owned())))
}
