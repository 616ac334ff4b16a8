//! What was captured: changes, the transactions they belong to, and how far the stream has come.

use std::sync::Arc;

use super::entry::SkipRule;
use super::position::{Advance, Checkpoint, FilePosition, Position, SnapshotRow, TransactionId};
use super::schema::TableName;
use super::snapshot::ChunkEnd;
use super::source_row::{Lack, SourceRow};
use super::time::Micros;
use super::value::Value;

/// A route's place in the checked config: `0` is the first. Valid for one process only; whatever
/// is stored names the route instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub u16);

/// A transaction on the source, shared by all of its changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    pub id: TransactionId,
    /// When it was committed on the server that first executed it.
    pub committed_at: Micros,
}

/// Names one row of one table in one transaction, for ever: the same however often it is read.
/// With the route it is the identity that the books count by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeId {
    pub transaction: Arc<Transaction>,
    pub table: Arc<TableName>,
    /// 0-based count of this table's rows within the transaction, in binlog order, all operations.
    pub row: u64,
    pub route: RouteId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    Insert,
    Update,
    Delete,
}

/// One row that a route asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub id: ChangeId,
    /// True on the last of the routes that this row goes to; only then is the row behind us.
    pub last_of_row: bool,
    pub operation: Operation,
    /// In the order of the route's columns; `None` = absent from the row image (MINIMAL), which is
    /// not the same as [`Value::Null`].
    pub values: Box<[Option<Value>]>,
    pub captured_at: Micros,
}

impl Change {
    /// A row that was read from its table to be looked at, as a snapshot would hand it over. It names
    /// no change that was captured.
    #[must_use]
    pub fn of_read_row(table: TableName, values: Vec<Value>) -> Self {
        let id = TransactionId::Snapshot(SnapshotRow {
            snapshot: 0,
            key: Arc::from(""),
        });
        Self {
            id: ChangeId {
                transaction: Arc::new(Transaction {
                    id,
                    committed_at: Micros(0),
                }),
                table: Arc::new(table),
                row: 0,
                route: RouteId(0),
            },
            last_of_row: true,
            operation: Operation::Insert,
            values: values.into_iter().map(Some).collect(),
            captured_at: Micros(0),
        }
    }
}

/// Rows of a routed table that a route leaves out, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedRows {
    /// Of the first of them.
    pub id: ChangeId,
    pub last_of_row: bool,
    /// How many rows in a row, `id.row` upwards.
    pub rows: u32,
    pub operation: Operation,
    pub rule: SkipRule,
}

/// One row that a route asked for and that has not all of the route's columns: it is kept whole
/// until the mapping fits it again.
#[derive(Clone, Debug, PartialEq)]
pub struct Unmapped {
    pub id: ChangeId,
    pub last_of_row: bool,
    pub operation: Operation,
    /// Shared by the routes that cannot map it.
    pub row: Arc<SourceRow>,
    pub lack: Arc<Lack>,
    pub captured_at: Micros,
}

/// A statement that changed a routed table as a whole; no row comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alteration {
    pub table: Arc<TableName>,
    pub what: Altered,
    /// The end of the statement's event.
    pub at: FilePosition,
}

/// What a statement did to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Altered {
    Created,
    Changed,
    /// Its name went to another table, or another table's name came to it.
    Renamed,
    Truncated,
    Dropped,
}

impl std::fmt::Display for Alteration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self.what {
            Altered::Created => "created",
            Altered::Changed => "altered",
            Altered::Renamed => "renamed",
            Altered::Truncated => "truncated",
            Altered::Dropped => "dropped",
        };
        write!(f, "table {} was {what} just before {}", self.table, self.at)
    }
}

/// The stream, in binlog order.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamItem {
    Row(Change),
    Unmapped(Unmapped),
    Skipped(SkippedRows),
    /// The row that follows is an update of this route that changed the column of its external id:
    /// what stood under the old one in Salesforce stays there as it is.
    KeyChanged(RouteId),
    Altered(Alteration),
    /// The end of one transaction, or of several without routed rows: all of them are behind us
    /// once everything before this item is.
    Advance(Advance),
    /// From here on the checkpoint goes no further than that place, although the stream does: a
    /// transaction that was prepared there is undecided. `None` = it follows the stream again.
    Hold(Option<Position>),
    /// The stream goes on here, at a place that does not follow from the one before: history was
    /// lost, or another server with the same history took over. Its `inside` is not looked at.
    Restart(Checkpoint),
    /// The end of a snapshot's chunk: finished once everything before this item is settled.
    ChunkEnd(ChunkEnd),
}

/// A piece of the stream; transactions may span pieces.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    pub items: Vec<StreamItem>,
    /// What the window was charged for it; given back when all its rows are durable.
    pub bytes: u32,
}
