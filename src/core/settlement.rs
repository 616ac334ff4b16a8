//! The ledger: outcomes arrive in any order, the checkpoint moves in the stream's order.
//!
//! Every item of the stream takes a slot. A slot is settled once its row has a final outcome or is
//! parked. The watermark passes settled slots from the front; the checkpoint is what lies behind
//! it. Nothing here is durable: the checkpoint becomes so with the commit that carries it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::change::{ChangeId, Transaction};
use super::position::{Advance, Checkpoint, InsideList, Position, TransactionId};
use super::schema::TableName;
use super::snapshot::ChunkEnd;
use super::time::Micros;

/// A slot's number: rises by one, never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u64);

#[derive(Debug)]
pub struct Ledger {
    checkpoint: Checkpoint,
    /// How far it will be once it is no longer held.
    beyond: Option<Checkpoint>,
    /// Whether the checkpoint moved since it was last taken.
    moved: bool,
    slots: VecDeque<Item>,
    /// Number of `slots[0]`.
    front: u64,
    /// The table last passed with its printed name: the next row is most often of the same table,
    /// and printing a name for each would cost more than the rest of the ledger.
    table: Option<(Arc<TableName>, String)>,
    /// Ends of a snapshot's chunks that the watermark has passed, not yet taken.
    finished: Vec<ChunkEnd>,
}

#[derive(Debug)]
enum Item {
    Rows {
        transaction: Arc<Transaction>,
        table: Arc<TableName>,
        /// Rows of the table that are behind us once this slot is; `None` when another route's
        /// slot for the same row follows.
        rows_done: Option<u64>,
        settled: bool,
    },
    Advance(Advance),
    Hold(Option<Position>),
    Restart(Checkpoint),
    /// A snapshot's row: it holds the watermark, but is no part of the stream's progress.
    SnapshotRow {
        settled: bool,
    },
    ChunkEnd(ChunkEnd),
}

impl Ledger {
    #[must_use]
    pub fn new(checkpoint: Checkpoint) -> Self {
        Self {
            checkpoint,
            beyond: None,
            moved: false,
            slots: VecDeque::new(),
            front: 0,
            table: None,
            finished: Vec::new(),
        }
    }

    /// Opens a slot for `rows` rows from `id.row` on.
    pub fn open(&mut self, id: &ChangeId, rows: u32, last_of_row: bool) -> Slot {
        let slot = Slot(self.front + self.slots.len() as u64);
        self.slots.push_back(match id.transaction.id {
            TransactionId::Snapshot(_) => Item::SnapshotRow { settled: false },
            _ => Item::Rows {
                transaction: Arc::clone(&id.transaction),
                table: Arc::clone(&id.table),
                rows_done: last_of_row.then(|| id.row + u64::from(rows)),
                settled: false,
            },
        });
        slot
    }

    /// Notes that a snapshot's chunk ends here.
    pub fn end_chunk(&mut self, end: ChunkEnd) {
        self.slots.push_back(Item::ChunkEnd(end));
        self.pass_settled();
    }

    /// The chunks that were finished since this was last called.
    pub fn take_finished(&mut self) -> Vec<ChunkEnd> {
        std::mem::take(&mut self.finished)
    }

    /// Notes that everything before is the whole of its transactions.
    pub fn advance(&mut self, advance: Advance) {
        self.slots.push_back(Item::Advance(advance));
        self.pass_settled();
    }

    /// From here on the checkpoint goes no further than `place`; `None` ends that.
    pub fn hold(&mut self, place: Option<Position>) {
        self.slots.push_back(Item::Hold(place));
        self.pass_settled();
    }

    /// Notes that the stream goes on at this checkpoint.
    pub fn restart(&mut self, checkpoint: Checkpoint) {
        self.slots.push_back(Item::Restart(checkpoint));
        self.pass_settled();
    }

    /// Settles a slot.
    ///
    /// # Panics
    /// When the slot is not open: each is settled exactly once.
    pub fn settle(&mut self, slot: Slot) {
        let index = slot
            .0
            .checked_sub(self.front)
            .and_then(|i| usize::try_from(i).ok());
        match index.and_then(|i| self.slots.get_mut(i)) {
            Some(Item::Rows { settled, .. } | Item::SnapshotRow { settled }) if !*settled => {
                *settled = true;
            }
            _ => panic!("slot {} is settled twice or was never opened", slot.0),
        }
        self.pass_settled();
    }

    fn pass_settled(&mut self) {
        while let Some(item) = self.slots.front() {
            let waits = matches!(
                item,
                Item::Rows { settled: false, .. } | Item::SnapshotRow { settled: false }
            );
            if waits {
                return;
            }
            let Some(item) = self.slots.pop_front() else {
                return;
            };
            self.front += 1;
            self.pass(item);
        }
    }

    fn pass(&mut self, item: Item) {
        match item {
            Item::Rows {
                rows_done: None, ..
            }
            | Item::SnapshotRow { .. } => return,
            Item::ChunkEnd(end) => return self.finished.push(end),
            // Never set inside a transaction to be taken back later: rows that it covers are no
            // longer remembered as settled ahead of it.
            Item::Rows { .. } if self.beyond.is_some() => return,
            Item::Rows {
                transaction,
                table,
                rows_done: Some(rows),
                ..
            } => {
                let done_of = self.checkpoint.inside.rows_mut(&transaction.id);
                let name = match &mut self.table {
                    Some((last, name)) if Arc::ptr_eq(last, &table) => name,
                    other => &mut other.insert((Arc::clone(&table), table.to_string())).1,
                };
                match done_of.get_mut(name) {
                    Some(done) => *done = rows,
                    None => {
                        done_of.insert(name.clone(), rows);
                    }
                }
            }
            Item::Advance(advance) => match &mut self.beyond {
                None => self.checkpoint.advance(advance),
                Some(beyond) => {
                    beyond.advance(advance);
                    return;
                }
            },
            Item::Hold(None) => match self.beyond.take() {
                None => return,
                Some(beyond) => self.checkpoint = beyond,
            },
            Item::Hold(Some(place)) => {
                if self.beyond.is_none() {
                    self.beyond = Some(self.checkpoint.clone());
                }
                if let Position::File(place) = &place {
                    self.checkpoint.end = place.clone();
                }
                self.checkpoint.inside.forget_covered(&place);
                self.checkpoint.position = place;
            }
            Item::Restart(checkpoint) => {
                // What was held before it belongs to a history that is over.
                self.beyond = None;
                // What is partly behind us stays so, unless all of it is now. Places in files mean
                // nothing in a history that begins anew.
                let mut inside = std::mem::take(&mut self.checkpoint.inside);
                inside.forget_covered(&checkpoint.position);
                if matches!(checkpoint.position, Position::File(_)) {
                    inside = InsideList::default();
                }
                self.checkpoint = Checkpoint {
                    inside,
                    ..checkpoint
                };
            }
        }
        self.moved = true;
    }

    /// The checkpoint, if it moved since this was last called.
    pub fn take_checkpoint(&mut self) -> Option<Checkpoint> {
        std::mem::take(&mut self.moved).then(|| self.checkpoint.clone())
    }

    #[must_use]
    pub fn has_moved(&self) -> bool {
        self.moved
    }

    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// When the oldest row of the stream that is not settled was committed; `None` when all are.
    #[must_use]
    pub fn oldest_unsettled(&self) -> Option<Micros> {
        self.slots.iter().find_map(|item| match item {
            Item::Rows {
                transaction,
                settled: false,
                ..
            } => Some(transaction.committed_at),
            Item::Rows { .. }
            | Item::Advance(_)
            | Item::Hold(_)
            | Item::Restart(_)
            | Item::SnapshotRow { .. }
            | Item::ChunkEnd(_) => None,
        })
    }

    /// Whether some of the stream waits for the watermark, if only behind a snapshot's rows.
    #[must_use]
    pub fn holds_stream(&self) -> bool {
        let of_stream = |item: &Item| matches!(item, Item::Rows { .. } | Item::Advance(_));
        self.slots.iter().any(of_stream)
    }

    /// Whether the checkpoint stays behind what has passed, because a transaction is undecided.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.beyond.is_some()
    }

    /// Slots not yet passed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

#[cfg(test)]
mod tests;
