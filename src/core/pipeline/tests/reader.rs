//! The model world's reader of snapshots. It releases a chunk only at the end of a transaction, and
//! only where the stream has passed everything that any life has brought: a chunk is read from a
//! server that is at least there.

use super::*;
use crate::core::position::SnapshotRow;
use crate::core::snapshot::{
    ChunkEnd, KeyBound, KeyPart, Snapshot, SnapshotReason, SnapshotRequest,
};

/// Rows of a chunk at most.
const CHUNK_ROWS: usize = 3;

/// What one life of the process knows of its stream and its snapshot.
pub(super) struct Reader {
    running: Option<Snapshot>,
    /// The next chunk may enter the stream.
    may_release: bool,
    after: Option<i64>,
    /// Number of the last transaction that was wholly handed on.
    passed: u64,
    at_boundary: bool,
}

/// A snapshot's row as it was handed on.
#[derive(Debug)]
pub(super) struct Emitted {
    pub key: i64,
    pub passed: u64,
    pub name: Option<String>,
}

impl Reader {
    pub(super) fn new(checkpoint: &Checkpoint) -> Self {
        let Position::Gtid(set) = &checkpoint.position else {
            unreachable!()
        };
        let passed = set.iter().map(|(_, ranges)| ranges[0].1).max().unwrap_or(0);
        Self {
            running: None,
            may_release: false,
            after: None,
            passed,
            at_boundary: checkpoint.inside.is_empty(),
        }
    }

    pub(super) fn note_drained(&mut self, item: &StreamItem, floor: &mut u64) {
        match item {
            StreamItem::Advance(advance) => {
                self.passed = advance.end.offset / 10;
                self.at_boundary = true;
            }
            StreamItem::Row(change) if !change.id.transaction.id.is_snapshot() => {
                self.at_boundary = false;
                *floor = (*floor).max(self.passed + 1);
            }
            StreamItem::Unmapped(_) => {
                self.at_boundary = false;
                *floor = (*floor).max(self.passed + 1);
            }
            _ => {}
        }
        *floor = (*floor).max(self.passed);
    }

    pub(super) fn take(&mut self, order: SnapshotOrder, disk: &[Commit]) {
        let durable = disk.iter().rev().find_map(|commit| commit.snapshot.clone());
        match order {
            SnapshotOrder::Run(snapshot) => {
                assert_eq!(durable.unwrap().number, snapshot.number, "durable first");
                self.after = key_of(snapshot.tables[0].after.as_ref());
                self.running = Some(snapshot);
                self.may_release = true;
            }
            SnapshotOrder::ChunkDurable => {
                let durable = &durable.unwrap().tables[0];
                if !durable.finished {
                    let durable = key_of(durable.after.as_ref());
                    assert_eq!(durable, self.after, "the chunk's progress is not durable");
                }
                assert!(!self.may_release, "no chunk is under way");
                self.may_release = true;
            }
            SnapshotOrder::Cancel => self.running = None,
        }
    }

    /// The next chunk's items, if one can be released here.
    pub(super) fn release(&mut self, world: &mut World) -> Vec<StreamItem> {
        let ready = self.may_release && self.at_boundary && self.passed >= world.floor;
        let Some(snapshot) = self.running.as_ref().filter(|_| ready) else {
            return Vec::new();
        };
        let opened = self.passed.saturating_sub(world.random.below(3));
        let table = world.table_at(self.passed);
        let rest = |after: Option<i64>| {
            table
                .iter()
                .filter(move |(key, _)| Some(**key) > after || after.is_none())
        };
        let chunk: Vec<(i64, Option<String>)> = rest(self.after)
            .take(CHUNK_ROWS)
            .map(|(key, name)| (*key, name.clone()))
            .collect();
        let mut items = Vec::new();
        let mut overtaken = 0;
        let end = chunk.last().map(|(key, _)| *key);
        for (key, name) in chunk {
            if world.changed_between(key, opened, self.passed) {
                overtaken += 1;
                continue;
            }
            let row = SnapshotRow {
                snapshot: snapshot.number,
                key: key.to_string().into(),
            };
            let transaction = Transaction {
                id: TransactionId::Snapshot(row),
                committed_at: Micros(-1),
            };
            items.push(StreamItem::Row(Change {
                id: ChangeId {
                    transaction: Arc::new(transaction),
                    table: table_name(),
                    row: 0,
                    route: RouteId(0),
                },
                last_of_row: true,
                operation: Operation::Insert,
                values: row_values(key, name.as_ref()),
                captured_at: Micros(self.passed as i64),
            }));
            world.emitted.push(Emitted {
                key,
                passed: self.passed,
                name,
            });
        }
        let last = rest(end.or(self.after)).next().is_none();
        self.after = end.or(self.after);
        items.push(StreamItem::ChunkEnd(ChunkEnd {
            snapshot: snapshot.number,
            table: 0,
            after: end.map(|key| KeyBound {
                columns: vec!["id".into()],
                values: vec![KeyPart::Int(key)],
            }),
            rows: items.len() as u64,
            overtaken,
            last,
        }));
        self.may_release = false;
        if last {
            self.running = None;
        }
        items
    }
}

fn table_name() -> Arc<TableName> {
    table(ROUTES[0])
}

fn key_of(bound: Option<&KeyBound>) -> Option<i64> {
    match bound?.values.first()? {
        KeyPart::Int(key) => Some(*key),
        _ => unreachable!(),
    }
}

pub(super) fn request() -> SnapshotRequest {
    SnapshotRequest {
        reason: SnapshotReason::Requested,
        routes: Some(vec![ROUTES[0].to_owned()]),
        condition: None,
    }
}

impl World {
    /// The snapshot's table, as it was after that many transactions.
    fn table_at(&self, passed: u64) -> BTreeMap<i64, Option<String>> {
        let mut table = self.initial.clone();
        for row in self.history[..passed as usize].iter().flatten() {
            if row.route == 0 {
                table.insert(row.key, row.name.clone());
            }
        }
        table
    }

    fn changed_between(&self, key: i64, after: u64, through: u64) -> bool {
        self.history[after as usize..through as usize]
            .iter()
            .flatten()
            .any(|row| row.route == 0 && row.key == key)
    }
}
