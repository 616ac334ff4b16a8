//! What is in the recycle bin, in the order of its deletion, and how long it stays (facts 10; the days are general
//! knowledge of the platform).
use std::collections::VecDeque;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Deleted leads by the time of their deletion. An entry whose lead was brought back is stale; whoever takes it out
/// has to look.
#[derive(Debug)]
pub(crate) struct RecycleBin {
    /// (place, microseconds since 1970-01-01 UTC), oldest first.
    queue: VecDeque<(u32, i64)>,
    keep_micros: i64,
    capacity: usize,
}

impl RecycleBin {
    pub(crate) fn new(days: u32, capacity: usize) -> RecycleBin {
        RecycleBin {
            queue: VecDeque::new(),
            keep_micros: i64::from(days).saturating_mul(MICROS_PER_DAY),
            capacity,
        }
    }

    pub(crate) fn take_in(&mut self, place: u32, deleted_micros: i64) {
        self.queue.push_back((place, deleted_micros));
    }

    pub(crate) fn clear(&mut self) {
        self.queue.clear();
    }

    /// Takes out the oldest entry if it is too old, or too much.
    pub(crate) fn overdue(&mut self, now_micros: i64) -> Option<(u32, i64)> {
        let (_, deleted_micros) = self.queue.front()?;
        let is_old = now_micros.saturating_sub(*deleted_micros) >= self.keep_micros;
        (is_old || self.queue.len() > self.capacity)
            .then(|| self.queue.pop_front())
            .flatten()
    }
}
