//! Collects stream items into pieces of about one size and notes with each piece how far the stream
//! is once it has been handed on.

use std::collections::VecDeque;
use std::mem::size_of;

use super::progress::Progress;
use crate::core::change::{Change, StreamItem, Unmapped};
use crate::core::source_row::Kept;
use crate::core::value::Value;

/// Where the window does not say how large a piece may be.
pub(super) const PIECE_BYTES: usize = 64 * 1024;
/// Each piece wakes its receiver, which costs more than ten rows do; beyond this size that is no
/// longer felt.
const LARGEST_BYTES: usize = 256 * 1024;
/// The window's grain.
const PIECES_OF_A_WINDOW: usize = 16;

pub(super) struct Piece {
    pub(super) items: Vec<StreamItem>,
    pub(super) bytes: usize,
    /// True once all of its items are behind us.
    pub(super) progress: Progress,
}

pub(super) struct Pieces {
    items: Vec<StreamItem>,
    bytes: usize,
    full_at: usize,
    ready: VecDeque<Piece>,
}

impl Default for Pieces {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            bytes: 0,
            full_at: PIECE_BYTES,
            ready: VecDeque::new(),
        }
    }
}

impl Pieces {
    /// Of a size that suits a window of so many bytes.
    pub(super) fn for_window(bytes: u32) -> Self {
        let full_at = bytes as usize / PIECES_OF_A_WINDOW;
        Self {
            full_at: full_at.min(LARGEST_BYTES),
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, item: StreamItem) {
        self.bytes += bytes_of(&item);
        self.items.push(item);
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.full_at
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Closes the piece at hand, if there is anything in it.
    pub(super) fn cut(&mut self, progress: impl FnOnce() -> Progress) {
        if self.items.is_empty() {
            return;
        }
        // The next piece will most likely hold as many items as this one.
        let next = Vec::with_capacity(self.items.len());
        let items = std::mem::replace(&mut self.items, next);
        let bytes = std::mem::take(&mut self.bytes);
        self.ready.push_back(Piece {
            items,
            bytes,
            progress: progress(),
        });
    }

    pub(super) fn pop(&mut self) -> Option<Piece> {
        self.ready.pop_front()
    }
}

/// What an item holds in memory, heap included.
pub(super) fn bytes_of(item: &StreamItem) -> usize {
    let heap = match item {
        StreamItem::Row(Change { values, .. }) => {
            let texts: usize = values.iter().flatten().map(Value::heap_bytes).sum();
            texts + values.len() * size_of::<Option<Value>>()
        }
        // Rows of several routes share it; each is charged, because each is parked.
        StreamItem::Unmapped(Unmapped { row, .. }) => row
            .values
            .iter()
            .map(|kept| match kept {
                Kept::Value(value) => size_of::<Kept>() + value.heap_bytes(),
                Kept::Absent | Kept::Unreadable => size_of::<Kept>(),
            })
            .sum(),
        StreamItem::Skipped(_) | StreamItem::Altered(_) | StreamItem::KeyChanged(_) => 0,
        // One source with one interval is the rule.
        StreamItem::Advance(_)
        | StreamItem::Hold(_)
        | StreamItem::Restart(_)
        | StreamItem::ChunkEnd(_) => 128,
    };
    size_of::<StreamItem>() + heap
}
