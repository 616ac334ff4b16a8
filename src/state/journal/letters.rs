//! Lines about dead letters themselves: who edited, replayed or discarded one, and which became
//! outdated. And which letters were open in journals whose headers did not say so yet.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::books::JournalState;
use super::chain::push_hex;
use super::encode::Encoder;
use super::line::{Decoder, EntryLine, Text};
use super::recover::SegmentRuns;
use super::segments::{list_segments, present_path};
use super::text::{push_field, push_name, push_number};
use crate::core::change::{ChangeId, RouteId, Transaction};
use crate::core::entry::Entry;
use crate::core::letters::LetterName;
use crate::core::schema::TableName;
use crate::core::time::Micros;
use crate::state::error::Error;

impl Encoder {
    /// Appends the fields of a line about a letter and makes its personal line ready; false when
    /// the entry is of another kind.
    pub(super) fn push_letter_step(&mut self, entry: &Entry) -> bool {
        match entry {
            Entry::Edited {
                letter,
                author,
                before,
                after,
            } => {
                self.push_letter("edited", letter, Some(author));
                for (name, fields) in [("before", before), ("after", after)] {
                    push_name(&mut self.personal, name);
                    self.personal.extend_from_slice(fields.as_bytes());
                }
            }
            Entry::Replayed { letter, author } => {
                self.push_letter("replayed", letter, Some(author));
            }
            Entry::Discarded {
                letter,
                author,
                reason,
            } => {
                self.push_letter("discarded", letter, Some(author));
                push_field(&mut self.personal, "reason", reason);
            }
            Entry::LetterOutdated { letter, by } => {
                self.push_letter("outdated", letter, None);
                push_name(&mut self.out, "by");
                self.out.extend_from_slice(b"{\"route\":");
                self.push_id(by);
                push_number(&mut self.out, "committed", by.transaction.committed_at.0);
                self.out.push(b'}');
            }
            Entry::Delivered { .. }
            | Entry::DeadLettered { .. }
            | Entry::Superseded { .. }
            | Entry::Skipped { .. }
            | Entry::SkippedRecord { .. }
            | Entry::Filtered { .. }
            | Entry::Parked { .. }
            | Entry::Retried { .. }
            | Entry::Unanswered { .. }
            | Entry::Act(_)
            | Entry::Service { .. } => return false,
        }
        self.personal.extend_from_slice(b"}}");
        true
    }

    fn push_letter(&mut self, kind: &str, letter: &LetterName, author: Option<&String>) {
        let out = &mut self.out;
        out.extend_from_slice(b"{\"t\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"route\":");
        match self.routes.get(usize::from(letter.route.0)) {
            Some(text) => out.extend_from_slice(text),
            None => out.extend_from_slice(b"null"),
        }
        push_number(out, "letter", letter.number);
        if let Some(author) = author {
            push_field(out, "author", author);
        }
        let mut salt = [0; 16];
        rand::fill(&mut salt);
        self.personal.extend_from_slice(b"{\"x\":{\"s\":\"");
        push_hex(&mut self.personal, &salt);
        self.personal.push(b'"');
        push_field(&mut self.personal, "k", &letter.key);
    }
}

/// A change as another line names it.
#[derive(Deserialize)]
struct Newer<'a> {
    #[serde(borrow)]
    route: Text<'a>,
    #[serde(borrow)]
    tx: Text<'a>,
    #[serde(borrow)]
    table: Text<'a>,
    #[serde(borrow, default)]
    schema: Option<Text<'a>>,
    row: u64,
    #[serde(default)]
    committed: i64,
}

impl Decoder {
    /// A line about a letter, without what is personal.
    pub(super) fn letter_step(
        &mut self,
        line: &EntryLine<'_>,
        route_id: &mut impl FnMut(&str) -> RouteId,
    ) -> Result<Entry, &'static str> {
        let route = line.route.as_ref().ok_or("a line has no route")?;
        let letter = LetterName {
            number: line.letter.ok_or("a line names no dead letter")?,
            route: route_id(&route.0),
            key: Arc::clone(&self.nothing.key),
        };
        let author = || match &line.author {
            Some(author) => Ok(author.0.to_string()),
            None => Err("a line does not say who asked for it"),
        };
        Ok(match &*line.t.0 {
            "edited" => Entry::Edited {
                letter,
                author: author()?,
                before: Arc::clone(&self.nothing.payload),
                after: Arc::clone(&self.nothing.payload),
            },
            "replayed" => Entry::Replayed {
                letter,
                author: author()?,
            },
            "discarded" => Entry::Discarded {
                letter,
                author: author()?,
                reason: String::new(),
            },
            _ => Entry::LetterOutdated {
                letter,
                by: newer(line, route_id).ok_or("a line has no readable newer change")?,
            },
        })
    }
}

fn newer(line: &EntryLine<'_>, route_id: &mut impl FnMut(&str) -> RouteId) -> Option<ChangeId> {
    let newer: Newer<'_> = serde_json::from_str(line.by?.get()).ok()?;
    let text = &*newer.table.0;
    let (schema, table) = match &newer.schema {
        Some(schema) => (
            &*schema.0,
            text.strip_prefix(&*schema.0)?.strip_prefix('.')?,
        ),
        None => text.split_once('.')?,
    };
    Some(ChangeId {
        transaction: Arc::new(Transaction {
            id: newer.tx.0.parse().ok()?,
            committed_at: Micros(newer.committed),
        }),
        table: Arc::new(TableName {
            schema: schema.to_owned(),
            table: table.to_owned(),
        }),
        row: newer.row,
        route: route_id(&newer.route.0),
    })
}

/// Looks through the segments before `newest` for dead letters, for a journal whose headers do not
/// say which are open: nothing could close one then. What cannot be read there is passed over with
/// a warning, as a start needs nothing else of it.
pub(super) fn find_open_letters(
    folder: &Path,
    newest: u64,
    state: &mut JournalState,
) -> Result<(), Error> {
    tracing::info!(
        "the journal is of a version that did not note open dead letters; all of it is read once"
    );
    for segment in list_segments(folder)? {
        if segment >= newest {
            break;
        }
        if let Err(error) = find_in_segment(folder, segment, state) {
            tracing::warn!(%error, page = error.page(), "dead letters of this segment are not found");
        }
    }
    Ok(())
}

fn find_in_segment(folder: &Path, segment: u64, state: &mut JournalState) -> Result<(), Error> {
    let path = present_path(folder, segment);
    let mut runs = SegmentRuns::open(folder, segment)?;
    let mut decoder = Decoder::new();
    runs.each(&path, |run| {
        for raw in run.entries() {
            // Most lines need no look at all.
            if !raw.line.starts_with(b"{\"t\":\"dead_letter\"") {
                continue;
            }
            let line: EntryLine<'_> = serde_json::from_slice(raw.line)
                .map_err(|_| "an entry line cannot be understood")?;
            if let Some(entry) = decoder.entry(&line, &mut |name| state.route_id(name))? {
                state.apply_letters(&entry);
            }
        }
        Ok(())
    })
}
