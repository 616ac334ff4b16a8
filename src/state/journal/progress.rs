//! How far the journal has come, for those that follow it: the index, the metrics, and whoever
//! waits for either.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::core::time::Micros;

/// The journal's size and age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalStats {
    /// Segments on disk.
    pub segments: u64,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Number of the last durable commit.
    pub last_commit: u64,
    /// When that commit was made, by its own time.
    pub durable_at: Micros,
    /// The newest segment, and how much of it is durable.
    pub segment: u64,
    pub segment_bytes: u64,
}

#[derive(Debug, Default)]
pub(in crate::state) struct Progress {
    now: Mutex<Now>,
    changed: Condvar,
    /// Held by whoever replaces closed segments: packing, erasing, dropping.
    closed_segments: Mutex<()>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Now {
    stats: JournalStats,
    closing: bool,
    /// How often [`Progress::wake`] was called.
    woken: u64,
}

impl Progress {
    pub(in crate::state) fn stats(&self) -> JournalStats {
        self.lock().stats
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut JournalStats)) {
        change(&mut self.lock().stats);
        self.changed.notify_all();
    }

    /// Lets those that wait look at what else there is to do.
    pub(in crate::state) fn wake(&self) {
        self.lock().woken += 1;
        self.changed.notify_all();
    }

    /// Tells those that follow to finish.
    pub(in crate::state) fn close(&self) {
        self.lock().closing = true;
        self.changed.notify_all();
    }

    pub(in crate::state) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    /// Keeps closed segments as they are, but for whoever holds this.
    pub(in crate::state) fn replace_closed_segments(&self) -> MutexGuard<'_, ()> {
        let guard = self.closed_segments.lock();
        guard.unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the journal closes, or time is up; true when it closes.
    pub(super) fn wait_closing(&self, timeout: Duration) -> bool {
        let still = |now: &mut Now| !now.closing;
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, still);
        waited.unwrap_or_else(PoisonError::into_inner).0.closing
    }

    /// Waits until something behind `commit` is durable, the journal closes, or time is up.
    pub(in crate::state) fn wait_beyond(&self, commit: u64, timeout: Duration) -> JournalStats {
        let woken = self.lock().woken;
        let still =
            |now: &mut Now| now.stats.last_commit <= commit && !now.closing && now.woken == woken;
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, still);
        waited.unwrap_or_else(PoisonError::into_inner).0.stats
    }

    /// Numbers stay good when another thread panicked with the lock in hand.
    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
