//! Watching the org: counters, the request log, and waiting for a condition on the counters.
//!
//! Invariants: counters never go back (but for `leads`, `concurrent_calls`, `held_requests` and `row_lock_waits`) until
//! they are reset;
//! a request's records are counted after they are committed, so whoever sees the count finds the leads.
//! The log is bounded by requests and by keys.
mod record;
mod running;
mod select;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use record::RequestRecord;
pub(crate) use record::Ticket;
pub(crate) use select::{Selection, StatusFilter};

use crate::clock::Clock;
use crate::org::lock;
use running::{Place, Running};

/// Counters of an org since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Leads in the org now.
    pub leads: u64,
    /// Records written, by insert or by update.
    pub records_upserted: u64,
    /// Records written by insert.
    pub records_created: u64,
    /// Records refused one by one; records of refused requests are not counted.
    pub records_rejected: u64,
    /// Requests that arrived, without those of the control endpoints.
    pub requests: u64,
    /// Requests that were answered or cut.
    pub replies: u64,
    /// Successful token requests.
    pub logins: u64,
    /// Calls counted against the daily allocation.
    pub api_calls: u64,
    /// Calls to the REST API in progress now.
    pub concurrent_calls: u64,
    pub max_concurrent_calls: u64,
    /// Most calls ever in progress at once that carried the same key. A client that keeps order never exceeds 1.
    pub max_concurrent_per_key: u64,
    /// Requests and bulk jobs held by a fault now.
    pub held_requests: u64,
    /// Faults that acted, once for each request, record or bulk job.
    pub faults_applied: u64,
    /// Requests that wait now for rows that others hold.
    pub row_lock_waits: u64,
    /// Triggers that ran, once for each trigger and attempt at saving.
    pub trigger_runs: u64,
    /// Calls refused because the day's allocation was used up.
    pub quota_refusals: u64,
    /// Calls refused because too many were running for long.
    pub concurrency_refusals: u64,
    /// Bulk jobs that ended, by their terminal state.
    pub bulk_jobs_complete: u64,
    pub bulk_jobs_failed: u64,
    pub bulk_jobs_aborted: u64,
    /// Rows of bulk jobs written or refused; they are counted among the other records too.
    pub bulk_records_processed: u64,
    /// Rows of bulk jobs refused.
    pub bulk_records_failed: u64,
}

#[derive(Debug, Default)]
struct Inner {
    stats: Stats,
    running: Running,
    /// By hash of the key; 64 bits make a collision among thousands of keys in flight a matter of luck beyond reason.
    in_flight: HashMap<u64, u64>,
    log: VecDeque<RequestRecord>,
    keys_in_log: usize,
    last_sequence: u64,
    last_reply: u64,
}

/// Counters and log of an org.
#[derive(Debug)]
pub(crate) struct Watch {
    inner: Mutex<Inner>,
    changed: Condvar,
    hasher: RandomState,
    log_entries: usize,
    log_keys: usize,
}

impl Watch {
    pub(crate) fn new(log_entries: usize, log_keys: usize) -> Watch {
        Watch {
            inner: Mutex::default(),
            changed: Condvar::new(),
            hasher: RandomState::new(),
            log_entries,
            log_keys,
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        lock(&self.inner).stats
    }

    pub(crate) fn log(&self) -> Vec<RequestRecord> {
        self.select(&Selection::default())
    }

    /// Entries of the log.
    pub(crate) fn select(&self, selection: &Selection<'_>) -> Vec<RequestRecord> {
        selection.of(lock(&self.inner).log.iter())
    }

    /// Forgets the log and starts to count anew. What is in progress, and the numbering of requests, go on.
    pub(crate) fn reset(&self) {
        let mut inner = lock(&self.inner);
        inner.stats = Stats {
            concurrent_calls: inner.stats.concurrent_calls,
            max_concurrent_calls: inner.stats.concurrent_calls,
            held_requests: inner.stats.held_requests,
            row_lock_waits: inner.stats.row_lock_waits,
            ..Stats::default()
        };
        inner.log.clear();
        inner.keys_in_log = 0;
        drop(inner);
        self.changed.notify_all();
    }

    /// Changes counters and wakes those who wait for them.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut lock(&self.inner).stats);
        self.changed.notify_all();
    }

    /// Blocks until the predicate holds; false when the time is up first.
    pub(crate) fn wait_for(&self, timeout: Duration, predicate: impl Fn(&Stats) -> bool) -> bool {
        let deadline = Clock::deadline(timeout);
        let mut inner: MutexGuard<'_, Inner> = lock(&self.inner);
        loop {
            if predicate(&inner.stats) {
                return true;
            }
            let left = Clock::left_until(deadline);
            if left.is_zero() {
                return false;
            }
            inner = self
                .changed
                .wait_timeout(inner, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// A request arrived.
    pub(crate) fn arrive(&self, ticket: &mut Ticket) {
        let mut inner = lock(&self.inner);
        inner.stats.requests += 1;
        inner.last_sequence += 1;
        ticket.record.sequence = inner.last_sequence;
        drop(inner);
        self.changed.notify_all();
    }

    /// A request was answered, or its connection cut.
    pub(crate) fn finish(&self, mut record: RequestRecord) {
        let mut inner = lock(&self.inner);
        inner.stats.replies += 1;
        inner.last_reply += 1;
        record.reply_sequence = inner.last_reply;
        if self.log_entries > 0 {
            inner.keys_in_log += record.keys.len();
            inner.log.push_back(record);
            while inner.log.len() > self.log_entries
                || (inner.keys_in_log > self.log_keys && inner.log.len() > 1)
            {
                let gone = inner.log.pop_front().map_or(0, |oldest| oldest.keys.len());
                inner.keys_in_log -= gone;
            }
        }
        drop(inner);
        self.changed.notify_all();
    }

    /// Counts a call of the REST API as in progress until the guard is dropped; none when `most_long` calls have
    /// been in progress for 20 seconds or more (facts 6.3).
    pub(crate) fn enter_call(&self, now_micros: u64, most_long: u64) -> Option<CallGuard<'_>> {
        let mut inner = lock(&self.inner);
        let place = inner.running.start(now_micros, most_long)?;
        let stats = &mut inner.stats;
        stats.concurrent_calls += 1;
        stats.max_concurrent_calls = stats.max_concurrent_calls.max(stats.concurrent_calls);
        drop(inner);
        self.changed.notify_all();
        Some(CallGuard { watch: self, place })
    }

    /// Calls that have been in progress for 20 seconds or more.
    pub(crate) fn long_calls(&self, now_micros: u64) -> u64 {
        lock(&self.inner).running.long(now_micros)
    }

    /// Counts keys as in progress until the guard is dropped; a key twice in one call counts once.
    pub(crate) fn enter_keys<'k>(&self, keys: impl IntoIterator<Item = &'k str>) -> KeyGuard<'_> {
        let mut hashes: Vec<u64> = keys
            .into_iter()
            .filter(|key| !key.is_empty())
            .map(|key| self.hasher.hash_one(key))
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        let mut inner = lock(&self.inner);
        let mut most = inner.stats.max_concurrent_per_key;
        for hash in &hashes {
            let count = inner.in_flight.entry(*hash).or_insert(0);
            *count += 1;
            most = most.max(*count);
        }
        inner.stats.max_concurrent_per_key = most;
        KeyGuard {
            watch: self,
            hashes,
        }
    }
}

/// A call in progress.
pub(crate) struct CallGuard<'w> {
    watch: &'w Watch,
    place: Place,
}

impl Drop for CallGuard<'_> {
    fn drop(&mut self) {
        let mut inner = lock(&self.watch.inner);
        inner.running.end(self.place);
        inner.stats.concurrent_calls -= 1;
        drop(inner);
        self.watch.changed.notify_all();
    }
}

/// Keys in progress.
pub(crate) struct KeyGuard<'w> {
    watch: &'w Watch,
    hashes: Vec<u64>,
}

impl Drop for KeyGuard<'_> {
    fn drop(&mut self) {
        let mut inner = lock(&self.watch.inner);
        for hash in &self.hashes {
            if let Some(count) = inner.in_flight.get_mut(hash) {
                *count -= 1;
                if *count == 0 {
                    inner.in_flight.remove(hash);
                }
            }
        }
    }
}
