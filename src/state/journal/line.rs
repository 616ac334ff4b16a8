//! Lines back to values. Texts are borrowed from the line where they hold no escapes, so that a
//! start can read a whole segment in a moment.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::value::RawValue;

use crate::core::acts::{Act, ActKind};
use crate::core::bulk::BulkJob;
use crate::core::change::{ChangeId, Operation, RouteId, Transaction};
use crate::core::entry::{Attempt, Commit, Entry, Image, ServiceEvent, SkipRule, Subject};
use crate::core::letters::{KeyHash, OpenLetter};
use crate::core::outcome::{ErrorClass, RecordError};
use crate::core::position::{Checkpoint, TransactionId};
use crate::core::schema::{TableName, TableSchema};
use crate::core::snapshot::Snapshot;
use crate::core::time::Micros;

/// A text, borrowed where it can be. (serde borrows a bare `Cow`, but not one in an `Option`.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::state) struct Text<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// The rule of a skipped line that speaks of one record, and has its key in a personal line.
const WHERE: &str = "where";

/// Every field that an entry line may have; its kind decides which there are.
#[derive(Debug, serde::Deserialize)]
pub(in crate::state) struct EntryLine<'a> {
    #[serde(borrow)]
    pub t: Text<'a>,
    #[serde(borrow, default)]
    pub route: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub tx: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub table: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub schema: Option<Text<'a>>,
    #[serde(default)]
    pub row: Option<u64>,
    #[serde(borrow, default)]
    pub op: Option<Text<'a>>,
    #[serde(default)]
    pub committed: Option<i64>,
    #[serde(default)]
    pub captured: Option<i64>,
    #[serde(default)]
    pub parked: Option<u64>,
    #[serde(default)]
    pub batch: Option<u64>,
    #[serde(default)]
    pub attempt: Option<u32>,
    #[serde(default)]
    pub sent: Option<i64>,
    #[serde(default)]
    pub answered: Option<i64>,
    #[serde(borrow, default)]
    pub id: Option<Text<'a>>,
    #[serde(default)]
    pub created: Option<bool>,
    #[serde(default)]
    pub letter: Option<u64>,
    #[serde(borrow, default)]
    pub class: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub code: Option<Text<'a>>,
    #[serde(default)]
    pub serial: Option<u64>,
    #[serde(default)]
    pub unknown: Option<bool>,
    #[serde(borrow, default)]
    pub by: Option<&'a RawValue>,
    #[serde(default)]
    pub rows: Option<u32>,
    #[serde(borrow, default)]
    pub rule: Option<Text<'a>>,
    #[serde(default)]
    pub event: Option<ServiceEvent>,
    /// Of a line that was carried out of a dropped segment: the line itself.
    #[serde(borrow, default)]
    pub line: Option<&'a RawValue>,
    /// Of it, its commit's number.
    #[serde(default)]
    pub n: Option<u64>,
    #[serde(default)]
    pub at: Option<i64>,
    /// Of it, where it stood.
    #[serde(default)]
    pub segment: Option<u64>,
    #[serde(default)]
    pub offset: Option<u64>,
    /// The digest of the personal line.
    #[serde(borrow, default)]
    pub x: Option<Text<'a>>,
    /// Of a dead letter: the hash of its key.
    #[serde(default)]
    pub key: Option<KeyHash>,
    /// Nothing older of its key was on its way then.
    #[serde(default)]
    pub last: bool,
    /// On a dead letter that was replayed and refused again.
    #[serde(default)]
    pub replayed: bool,
    /// Who asked for it.
    #[serde(borrow, default)]
    pub author: Option<Text<'a>>,
    /// What was asked for.
    #[serde(default)]
    pub act: Option<ActKind>,
}

#[derive(Debug, serde::Deserialize)]
pub(in crate::state) struct PersonalLine<'a> {
    #[serde(borrow)]
    pub x: Option<Personal<'a>>,
}

#[derive(Debug, serde::Deserialize)]
pub(in crate::state) struct Personal<'a> {
    /// The external id.
    #[serde(borrow)]
    pub k: Text<'a>,
    /// The e-mail's keyed hash in hex.
    #[serde(borrow, default)]
    pub e: Option<Text<'a>>,
    /// The payload, as the policy left it.
    #[serde(borrow, default)]
    pub f: Option<&'a RawValue>,
    /// The payload's salted hash.
    #[serde(borrow, default)]
    pub h: Option<Text<'a>>,
    /// The e-mail itself.
    #[serde(borrow, default)]
    pub m: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub row: Option<&'a RawValue>,
    #[serde(default)]
    pub errors: Vec<RecordError>,
    /// Fields that a person edited: as they were, and as they are.
    #[serde(borrow, default)]
    pub before: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub after: Option<&'a RawValue>,
    /// Why a dead letter was discarded.
    #[serde(borrow, default)]
    pub reason: Option<Text<'a>>,
}

#[derive(Debug, serde::Deserialize)]
pub(in crate::state) struct CommitLine {
    pub n: u64,
    /// First commit of the write that this one was part of: once a later write exists, all of an
    /// earlier one was durable.
    pub group: u64,
    pub lines: u64,
    pub at: i64,
    #[serde(default)]
    pub calls: u64,
    #[serde(default)]
    pub checkpoint: Option<Checkpoint>,
    #[serde(default)]
    pub snapshot: Option<Snapshot>,
    #[serde(default)]
    pub schemas: Vec<TableSchema>,
    #[serde(default)]
    pub jobs: Vec<BulkJob>,
}

impl CommitLine {
    pub(super) fn into_commit(self, entries: Vec<Entry>) -> Commit {
        Commit {
            entries,
            checkpoint: self.checkpoint,
            snapshot: self.snapshot,
            schemas: self.schemas,
            jobs: self.jobs,
            api_calls: self.calls,
            at: Micros(self.at),
        }
    }
}

/// Turns lines into entries; tables and transactions that repeat are shared.
#[derive(Debug)]
pub(super) struct Decoder {
    table: Option<(String, Arc<TableName>)>,
    transaction: Option<Arc<Transaction>>,
    pub(super) nothing: Arc<Image>,
}

impl Decoder {
    pub(super) fn new() -> Self {
        let empty: Arc<str> = Arc::from("");
        let nothing = Image {
            key: Arc::clone(&empty),
            payload: empty,
            email: None,
            row: None,
        };
        Self {
            table: None,
            transaction: None,
            nothing: Arc::new(nothing),
        }
    }

    /// The entry, as far as the books need it: without image, errors and other texts. `Ok(None)`
    /// is a kind of line that this version does not know, and passes over.
    pub(super) fn entry(
        &mut self,
        line: &EntryLine<'_>,
        route_id: &mut impl FnMut(&str) -> RouteId,
    ) -> Result<Option<Entry>, &'static str> {
        let kind = match &*line.t.0 {
            known @ ("delivered" | "dead_letter" | "superseded" | "parked" | "retried"
            | "unanswered") => known,
            "skipped" if line.rule.as_ref().is_some_and(|rule| rule.0 == WHERE) => {
                let subject = self.subject(line, Arc::clone(&self.nothing), route_id)?;
                return Ok(Some(Entry::Filtered { subject }));
            }
            "skipped" => {
                let (id, operation) = self.change(line, route_id)?;
                let rows = line.rows.ok_or("a skipped line has no rows")?;
                let rule = match line.rule.as_ref().map(|rule| &*rule.0) {
                    Some("operation_not_routed") => SkipRule::OperationNotRouted,
                    Some("superseded") => SkipRule::Superseded,
                    Some("converted") => SkipRule::Converted,
                    Some("unchanged") => SkipRule::Unchanged,
                    _ => return Err("a skipped line has an unknown rule"),
                };
                // One that was sent names its call, and may have been parked.
                if let Some(attempt) = attempt(line) {
                    let subject = self.subject(line, Arc::clone(&self.nothing), route_id)?;
                    return Ok(Some(Entry::SkippedRecord {
                        subject,
                        rule,
                        code: String::new(),
                        attempt,
                    }));
                }
                return Ok(Some(Entry::Skipped {
                    id,
                    rows,
                    operation,
                    rule,
                }));
            }
            "service" => {
                let event = line.event.ok_or("a service line has no event")?;
                return Ok(Some(Entry::Service {
                    event,
                    detail: String::new(),
                }));
            }
            "act" => return act(line).map(Some),
            "edited" | "replayed" | "discarded" | "outdated" => {
                return self.letter_step(line, route_id).map(Some);
            }
            _ => return Ok(None),
        };
        let subject = self.subject(line, Arc::clone(&self.nothing), route_id)?;
        let attempt = attempt(line);
        Ok(Some(match kind {
            "delivered" => Entry::Delivered {
                subject,
                salesforce_id: String::new(),
                created: line
                    .created
                    .ok_or("a delivered line does not say if it created")?,
                attempt: attempt.ok_or("a delivered line has no attempt")?,
            },
            "dead_letter" => Entry::DeadLettered {
                subject,
                letter: line.letter.ok_or("a dead letter has no number")?,
                class: class(line)?,
                code: String::new(),
                errors: Vec::new(),
                attempt,
                open: OpenLetter {
                    key: line.key,
                    last: line.last,
                },
            },
            "superseded" => {
                let by = subject.id.clone();
                Entry::Superseded { subject, by }
            }
            "parked" => {
                let (serial, unknown) = parked(line)?;
                Entry::Parked {
                    subject,
                    serial,
                    unknown,
                }
            }
            "retried" => Entry::Retried {
                subject,
                class: class(line)?,
                code: String::new(),
                attempt: attempt.ok_or("a retried line has no attempt")?,
            },
            _ => Entry::Unanswered {
                subject,
                batch: line.batch.ok_or("an unanswered line has no batch")?,
                sent_at: Micros(line.sent.unwrap_or_default()),
            },
        }))
    }

    /// The record that a line speaks of, with the image given.
    pub(super) fn subject(
        &mut self,
        line: &EntryLine<'_>,
        image: Arc<Image>,
        route_id: &mut impl FnMut(&str) -> RouteId,
    ) -> Result<Subject, &'static str> {
        let (id, operation) = self.change(line, route_id)?;
        let captured_at = Micros(
            line.captured
                .ok_or("a line does not say when it was captured")?,
        );
        Ok(Subject {
            id,
            operation,
            image,
            captured_at,
            parked: line.parked,
            // A dead letter's own line gives its number; only one that came before is of a replay.
            letter: line
                .letter
                .filter(|_| line.t.0 != "dead_letter" || line.replayed),
        })
    }

    pub(super) fn change(
        &mut self,
        line: &EntryLine<'_>,
        route_id: &mut impl FnMut(&str) -> RouteId,
    ) -> Result<(ChangeId, Operation), &'static str> {
        let route = route_id(&line.route.as_ref().ok_or("a line has no route")?.0);
        let id: TransactionId = line
            .tx
            .as_ref()
            .and_then(|text| text.0.parse().ok())
            .ok_or("a line has no readable transaction")?;
        let committed_at = Micros(line.committed.unwrap_or_default());
        let transaction = match &self.transaction {
            Some(last) if last.id == id && last.committed_at == committed_at => Arc::clone(last),
            _ => Arc::new(Transaction { id, committed_at }),
        };
        self.transaction = Some(Arc::clone(&transaction));
        let table = self.table_name(line)?;
        let operation = match line.op.as_ref().map(|op| &*op.0) {
            Some("insert") => Operation::Insert,
            Some("update") => Operation::Update,
            Some("delete") => Operation::Delete,
            _ => return Err("a line has an unknown operation"),
        };
        let row = line.row.ok_or("a line has no row")?;
        Ok((
            ChangeId {
                transaction,
                table,
                row,
                route,
            },
            operation,
        ))
    }

    fn table_name(&mut self, line: &EntryLine<'_>) -> Result<Arc<TableName>, &'static str> {
        let text = &*line.table.as_ref().ok_or("a line has no table")?.0;
        if let Some((last, table)) = &self.table
            && last == text
        {
            return Ok(Arc::clone(table));
        }
        let (schema, table) = match &line.schema {
            Some(schema) => text
                .strip_prefix(&*schema.0)
                .and_then(|rest| rest.strip_prefix('.'))
                .map(|table| (&*schema.0, table)),
            None => text.split_once('.'),
        }
        .ok_or("a line has no readable table")?;
        let table = Arc::new(TableName {
            schema: schema.to_owned(),
            table: table.to_owned(),
        });
        self.table = Some((text.to_owned(), Arc::clone(&table)));
        Ok(table)
    }
}

/// Serial of a parked line, and whether Salesforce may have the record.
pub(super) fn parked(line: &EntryLine<'_>) -> Result<(u64, bool), &'static str> {
    Ok((
        line.serial.ok_or("a parked line has no serial")?,
        line.unknown.unwrap_or_default(),
    ))
}

fn act(line: &EntryLine<'_>) -> Result<Entry, &'static str> {
    let text = |text: &Text<'_>| text.0.to_string();
    Ok(Entry::Act(Act {
        kind: line.act.ok_or("an act does not say what was asked")?,
        author: (line.author.as_ref().map(text)).ok_or("an act has no author")?,
        route: line.route.as_ref().map(text),
        reason: String::new(),
    }))
}

fn attempt(line: &EntryLine<'_>) -> Option<Attempt> {
    Some(Attempt {
        batch: line.batch?,
        number: line.attempt?,
        sent_at: Micros(line.sent?),
        answered_at: Micros(line.answered?),
    })
}

fn class(line: &EntryLine<'_>) -> Result<ErrorClass, &'static str> {
    let word = line.class.as_ref().ok_or("a line has no class")?;
    let known = ErrorClass::ALL
        .into_iter()
        .find(|class| class.as_str() == word.0);
    known.ok_or("a line has an unknown class")
}
