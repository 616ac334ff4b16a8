//! How far the stream has been handed on, within this process.
//!
//! Not what is durable: that is the driver's checkpoint. Capture resumes here after a lost
//! connection, so nothing is handed on twice while the process lives.

use super::defaults::Doubted;
use crate::core::position::{
    Advance, Checkpoint, FilePosition, Inside, InsideList, Position, TransactionId,
};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Progress {
    pub(super) server_uuid: String,
    /// Whole transactions that are behind us.
    pub(super) position: Position,
    pub(super) end: FilePosition,
    /// Where the stream must be taken up, before `position`: a transaction that was prepared there
    /// is undecided.
    pub(super) held: Option<Position>,
    /// Transactions that are partly behind us.
    pub(super) insides: InsideList,
    /// Routed tables that may look otherwise than when capture was started: a statement
    /// that is behind us named them. The next connection knows no more about them than this one.
    pub(super) doubted: Doubted,
}

impl From<Checkpoint> for Progress {
    fn from(checkpoint: Checkpoint) -> Self {
        Self {
            server_uuid: checkpoint.server_uuid,
            position: checkpoint.position,
            end: checkpoint.end,
            held: None,
            insides: checkpoint.inside,
            doubted: Doubted::default(),
        }
    }
}

impl Progress {
    pub(super) fn advance(&mut self, advance: &Advance) {
        self.position.advance(advance);
        self.end = advance.end.clone();
    }

    /// Whether all of this transaction is behind us.
    pub(super) fn covers(&self, id: &TransactionId) -> bool {
        self.position.covers(id)
    }

    pub(super) fn inside(&self, id: &TransactionId) -> Option<&Inside> {
        self.insides.of(id)
    }

    pub(super) fn set_inside(&mut self, inside: Inside) {
        self.insides.set(inside);
    }

    /// After a gap: what was begun before it may still come. Places in files mean nothing any more.
    pub(super) fn keep_begun_before(&mut self, before: Progress) {
        if !matches!(self.position, Position::File(_)) {
            self.insides = before.insides;
            self.insides.forget_covered(&self.position);
        }
    }

    pub(super) fn forget_inside(&mut self, id: &TransactionId) {
        self.insides.forget(id);
    }
}
