//! Snapshots: existing rows, read in primary-key chunks beside the stream.
//!
//! A chunk enters the stream at the place where the stream has passed what the chunk has seen, and
//! is finished when all of its rows are settled or parked. A restart goes on behind the last
//! finished chunk: its rows are read again, and those that were settled are not counted again,
//! because a snapshot's row is named by snapshot and primary key.

mod request;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use request::{Refusal, SnapshotRequest, plan};

use super::schema::TableName;
use super::time::Micros;

/// One snapshot, with its progress; at most one runs at a time. Durable with each finished chunk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// From 1, never used twice in a state folder.
    pub number: u64,
    pub reason: SnapshotReason,
    pub started_at: Micros,
    /// When it reached its end, whichever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Micros>,
    pub state: SnapshotState,
    /// One after the other, in this order.
    pub tables: Vec<TableSnapshot>,
    /// Rows that were settled before a crash and not met again in a chunk since: rows that came in
    /// before them have pushed them out of the chunk that they were read in at first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settled: Vec<SettledRow>,
}

/// A row that has its outcome although its chunk is not finished.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SettledRow {
    /// `schema.table`.
    pub table: String,
    pub route: String,
    /// As in [`SnapshotRow`](super::position::SnapshotRow).
    pub key: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotReason {
    /// `leadstream snapshot start`.
    Requested,
    /// `source.start = "snapshot"`.
    FirstStart,
    /// `source.on_history_lost = "snapshot"`.
    HistoryLost,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum SnapshotState {
    Running,
    Finished,
    Cancelled,
    /// Only a person can help; the texts are free of values.
    Failed {
        page: String,
        text: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSnapshot {
    pub table: TableName,
    /// Names of the routes that its rows go to.
    pub routes: Vec<String>,
    /// SQL, as it stands behind WHERE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Behind the last row of the last finished chunk; `None` before the first, and when nothing is
    /// read any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<KeyBound>,
    pub chunks: u64,
    /// Rows that were handed to the routes in finished chunks.
    pub rows: u64,
    /// Rows of finished chunks that the stream had changed meanwhile: they came by the stream.
    pub overtaken: u64,
    /// By the server's statistics, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimated_rows: Option<u64>,
    pub finished: bool,
}

impl TableSnapshot {
    /// A table of which nothing is read yet.
    #[must_use]
    pub fn new(table: TableName, routes: Vec<String>, condition: Option<String>) -> Self {
        Self {
            table,
            routes,
            condition,
            after: None,
            chunks: 0,
            rows: 0,
            overtaken: 0,
            estimated_rows: None,
            finished: false,
        }
    }
}

/// A place between two rows of a table: behind the row with these key values. Named by its columns,
/// because values alone would fit another key as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredBound")]
pub struct KeyBound {
    /// The key's, in its order; empty in a journal that was written before they were noted.
    pub columns: Vec<String>,
    pub values: Vec<KeyPart>,
}

/// The forms that journals hold.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredBound {
    Named {
        columns: Vec<String>,
        values: Vec<KeyPart>,
    },
    Unnamed(Vec<KeyPart>),
}

impl From<StoredBound> for KeyBound {
    fn from(stored: StoredBound) -> Self {
        let (columns, values) = match stored {
            StoredBound::Named { columns, values } => (columns, values),
            StoredBound::Unnamed(values) => (Vec::new(), values),
        };
        Self { columns, values }
    }
}

/// A primary-key column's value, in the form in which it is given back to the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPart {
    Int(i64),
    UInt(u64),
    /// Character types; also decimals and temporal types, as the server prints them.
    Text(String),
    /// Binary types, in hex.
    Bytes(String),
    /// All of a key's values, as a journal with a key file holds them: the sealing key's name, and
    /// the sealed text. No place to read from before it is opened.
    Sealed {
        i: String,
        c: String,
    },
}

/// Stands behind the last row of a chunk in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkEnd {
    pub snapshot: u64,
    /// Index in [`Snapshot::tables`].
    pub table: usize,
    /// Behind the chunk's last row; `None` when the table holds no further row.
    pub after: Option<KeyBound>,
    pub rows: u64,
    pub overtaken: u64,
    /// The table's last chunk.
    pub last: bool,
}

/// What the reader of snapshots is to do; its chunks come through the stream, as items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotOrder {
    /// Begin, or go on behind its last finished chunk.
    Run(Snapshot),
    /// Its last chunk is finished and durable: the next one may enter the stream.
    ChunkDurable,
    Cancel,
}

/// For people, without its condition: that may hold values.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "snapshot {} of ", self.number)?;
        for (index, table) in self.tables.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{}", table.table)?;
        }
        Ok(())
    }
}

impl Snapshot {
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state == SnapshotState::Running
    }

    /// Rows that were handed to the routes in finished chunks.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// Chunks that are finished.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.tables.iter().map(|table| table.chunks).sum()
    }

    /// Leaves out what the config no longer has: `routes` names each route with its table. True
    /// when something changed; with no table left to read, the snapshot is cancelled.
    pub fn restrict<'r>(
        &mut self,
        routes: impl Iterator<Item = (&'r str, &'r TableName)> + Clone,
        now: Micros,
    ) -> bool {
        let mut changed = false;
        for table in self.tables.iter_mut().filter(|table| !table.finished) {
            let before = table.routes.len();
            let own = &table.table;
            table
                .routes
                .retain(|name| routes.clone().any(|(known, of)| known == name && of == own));
            changed |= table.routes.len() != before;
            table.finished = table.routes.is_empty();
            if table.finished {
                table.after = None;
            }
        }
        if changed && self.is_running() && self.tables.iter().all(|table| table.finished) {
            self.end(SnapshotState::Cancelled, now);
        }
        changed
    }

    /// Ends it; what was delivered stays delivered.
    pub fn end(&mut self, state: SnapshotState, now: Micros) {
        self.settled.clear();
        for table in &mut self.tables {
            table.after = None;
        }
        self.state = state;
        self.ended_at = Some(now);
    }

    /// The table that is being read.
    #[must_use]
    pub fn current(&self) -> Option<(usize, &TableSnapshot)> {
        if !self.is_running() {
            return None;
        }
        self.tables
            .iter()
            .enumerate()
            .find(|(_, table)| !table.finished)
    }

    /// Enters a finished chunk; ends the snapshot with its last table.
    pub fn finish_chunk(&mut self, end: &ChunkEnd, now: Micros) {
        let Some(table) = self.tables.get_mut(end.table) else {
            return;
        };
        table.chunks += 1;
        table.rows += end.rows;
        table.overtaken += end.overtaken;
        if end.after.is_some() {
            table.after.clone_from(&end.after);
        }
        table.finished |= end.last;
        if table.finished {
            // A key may be personal data, and nothing is read behind it any more.
            table.after = None;
        }
        if self.is_running() && self.tables.iter().all(|table| table.finished) {
            self.end(SnapshotState::Finished, now);
        }
    }
}
