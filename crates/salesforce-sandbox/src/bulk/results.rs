//! The three result files of an ingest job (facts 5.3), made by reading the upload once more, piece by piece.
//!
//! Invariants: each row is in exactly one of the three files, or in none when the day's allocation had no room for it;
//! the rows come in an order that is not the upload's, but the same every time.
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::csv::{Reader, Row, write_cell, write_row};
use super::dialect::Dialect;
use super::header;
use super::ledger::{CHUNK_ROWS, Fate, Ledger};
use super::shuffle::Shuffle;
use crate::org::id;

/// Roughly how much is made at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Which of the three files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResultSet {
    Successful,
    Failed,
    Unprocessed,
}

impl ResultSet {
    /// By the last segment of the path, in any case (facts 5.3).
    pub(crate) fn parse(segment: &str) -> Option<ResultSet> {
        [
            ("successfulResults", ResultSet::Successful),
            ("failedResults", ResultSet::Failed),
            ("unprocessedrecords", ResultSet::Unprocessed),
        ]
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(segment))
        .map(|(_, set)| set)
    }

    fn leading_columns(self) -> &'static [&'static str] {
        match self {
            ResultSet::Successful => &["sf__Id", "sf__Created"],
            ResultSet::Failed => &["sf__Id", "sf__Error"],
            ResultSet::Unprocessed => &[],
        }
    }

    fn holds(self, fate: Fate) -> bool {
        match fate {
            Fate::Created(_) | Fate::Changed(_) => self == ResultSet::Successful,
            Fate::Failed { .. } => self == ResultSet::Failed,
            Fate::Unprocessed => self == ResultSet::Unprocessed,
            Fate::Unlisted => false,
        }
    }
}

/// An ingest job's upload and the fates of its rows, after its end.
#[derive(Debug)]
pub(crate) struct IngestResults {
    content: Bytes,
    dialect: Dialect,
    /// Decides about the order.
    seed: u64,
    /// A job that ended before its rows were counted gets its ledger when somebody asks for it; without fates it is
    /// small.
    ledger: OnceLock<Ledger>,
}

impl IngestResults {
    pub(super) fn new(
        content: Bytes,
        dialect: Dialect,
        mut ledger: Ledger,
        seed: u64,
    ) -> IngestResults {
        ledger.close();
        let results = IngestResults {
            content,
            dialect,
            seed,
            ledger: OnceLock::new(),
        };
        if ledger.rows() > 0 {
            // The lock is new, so it is empty.
            let _ = results.ledger.set(ledger);
        }
        results
    }

    pub(super) fn rows(&self) -> usize {
        self.ledger.get().map_or(0, Ledger::rows)
    }

    pub(super) fn stored_bytes(&self) -> usize {
        self.content.len() + self.ledger.get().map_or(0, Ledger::bytes)
    }

    fn ledger(&self) -> &Ledger {
        self.ledger.get_or_init(|| {
            let (_, start) = header::names_of(&self.content, self.dialect);
            let mut reader = Reader::new(&self.content, start, self.dialect);
            let mut ledger = Ledger::new(0);
            let mut row = Row::default();
            while reader.read(&mut row) {
                ledger.push_row(row.start);
            }
            ledger.seal();
            ledger
        })
    }
}

/// One result file, piece by piece.
pub(crate) struct ResultFile {
    results: Arc<IngestResults>,
    set: ResultSet,
    columns: usize,
    /// The header row, until it was given out.
    header: Option<Vec<u8>>,
    /// Chunks given out so far.
    chunk: usize,
    order: Shuffle,
    rows: Vec<(usize, Row)>,
}

impl ResultFile {
    pub(super) fn new(results: Arc<IngestResults>, set: ResultSet) -> ResultFile {
        let (names, _) = header::names_of(&results.content, results.dialect);
        let leading = set.leading_columns().iter().copied();
        let columns: Vec<&str> = leading.chain(names.iter().map(String::as_str)).collect();
        let header = (!columns.is_empty()).then(|| {
            let mut row = Vec::new();
            write_row(&mut row, results.dialect, columns);
            row
        });
        ResultFile {
            order: Shuffle::new(results.ledger().chunks(), results.seed),
            results,
            set,
            columns: names.len(),
            header,
            chunk: 0,
            rows: Vec::new(),
        }
    }

    /// Whether it is worth sending it while it is made.
    pub(crate) fn is_large(&self) -> bool {
        self.results.content.len() > 16 * PIECE_BYTES
    }

    /// The rows of a chunk that belong into this file, in their order.
    fn write_chunk(&mut self, chunk: usize, out: &mut Vec<u8>) {
        let results = Arc::clone(&self.results);
        let ledger = results.ledger();
        let first = chunk * CHUNK_ROWS;
        let last = (first + CHUNK_ROWS).min(ledger.rows());
        // Without a header there are no columns to show.
        let has_columns = self.columns > 0 || self.set != ResultSet::Unprocessed;
        if !has_columns || !(first..last).any(|row| self.set.holds(ledger.fate(row))) {
            return;
        }
        let mut reader = Reader::new(&results.content, ledger.chunk_start(chunk), results.dialect);
        let mut row = Row::default();
        self.rows.clear();
        for number in first..last {
            if !reader.read(&mut row) {
                break;
            }
            if self.set.holds(ledger.fate(number)) {
                self.rows.push((number, row.clone()));
            }
        }
        let order = Shuffle::new(self.rows.len(), results.seed ^ chunk as u64);
        for place in 0..self.rows.len() {
            let (number, row) = &self.rows[order.at(place)];
            self.write_one(ledger, *number, row, out);
        }
    }

    fn write_one(&self, ledger: &Ledger, number: usize, row: &Row, out: &mut Vec<u8>) {
        let delimiter = self.results.dialect.delimiter.byte();
        let (place, told) = match ledger.fate(number) {
            Fate::Created(place) => (Some(place), "true"),
            Fate::Changed(place) => (Some(place), "false"),
            Fate::Failed { text, place } => (place, ledger.text(text)),
            Fate::Unprocessed | Fate::Unlisted => (None, ""),
        };
        let mut first = true;
        if self.set != ResultSet::Unprocessed {
            let id = place.map(id::lead).unwrap_or_default();
            write_cell(out, id.as_bytes());
            out.push(delimiter);
            write_cell(out, told.as_bytes());
            first = false;
        }
        for column in 0..self.columns {
            if !first {
                out.push(delimiter);
            }
            first = false;
            match row.cells.get(column) {
                Some(cell) => write_cell(out, cell.text(&self.results.content).as_bytes()),
                None => write_cell(out, b""),
            }
        }
        out.extend_from_slice(self.results.dialect.ending.bytes());
    }
}

impl Iterator for ResultFile {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let chunks = self.results.ledger().chunks();
        let mut piece = self.header.take().unwrap_or_default();
        while self.chunk < chunks && piece.len() < PIECE_BYTES {
            let chunk = self.order.at(self.chunk);
            self.chunk += 1;
            self.write_chunk(chunk, &mut piece);
        }
        (!piece.is_empty()).then_some(piece)
    }
}
