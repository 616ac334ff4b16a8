//! A route's records on their way by Bulk: gathered on disk, their keys known, one job at a time.
//!
//! Invariant: a key's records are in the lane, or elsewhere (planner, parking), or the older ones
//! elsewhere and the newer ones in the lane; never the other way round, so that what is in the lane
//! may be overtaken by every record whose key it does not hold.

use std::collections::{HashSet, VecDeque};

use super::backlog::Backlog;
use super::job::Job;
use super::{BulkSettings, LaneSpan, key_number};
use crate::core::batching::Record;
use crate::core::entry::ParkedSpan;
use crate::core::outcome::RequestFailure;
use crate::core::time::{Micros, Tick};

#[derive(Debug, Default)]
pub struct Lane {
    /// Taken in, not yet on its way to the journal.
    entering: VecDeque<Record>,
    /// On its way: the first serial and how many, and when the oldest was committed on the source.
    committing: VecDeque<(u64, u64, Option<Micros>)>,
    gathered: Vec<LaneSpan>,
    /// Since when something is gathered.
    since: Option<Tick>,
    /// It waits for no company.
    is_ready: bool,
    /// Of all of the above.
    keys: HashSet<u64>,
    /// Their keys are being read.
    scanning: Option<Vec<LaneSpan>>,
    /// Parked spans before this serial may hold newer records of keys in here.
    pub scanned_until: u64,
    pub job: Option<Job>,
    /// The commit that the job's newest results went into.
    pub settled_in: u64,
    pub backlog: Backlog,
    pub suspension: Option<Suspension>,
}

/// Jobs do not work out: calls for a while.
#[derive(Clone, Debug)]
pub struct Suspension {
    /// `None`: rows wait that are not mapped.
    pub failure: Option<RequestFailure>,
    pub until: Tick,
    /// Times in a row.
    pub attempt: u32,
}

impl Lane {
    /// Whether a record of this key is in here.
    #[must_use]
    pub fn holds(&self, key: u64) -> bool {
        let in_job = |job: &Job| job.keys().is_some_and(|keys| keys.contains(&key));
        self.keys.contains(&key) || self.job.as_ref().is_some_and(in_job)
    }

    /// Whether its keys are not known yet: then it may hold any.
    #[must_use]
    pub fn blocks(&self) -> bool {
        let unknown = |job: &Job| job.keys().is_none();
        self.scanning.is_some() || self.job.as_ref().is_some_and(unknown)
    }

    pub fn enter(&mut self, record: Record) {
        self.keys.insert(key_number(&record.key));
        self.entering.push_back(record);
    }

    /// Takes what enters now, a few at a time. A full lane takes no more of the stream, which waits
    /// in memory then; a snapshot's chunk is taken whole, because it is the last one.
    pub fn take_entering(&mut self, limit: usize, settings: &BulkSettings) -> Vec<Record> {
        let full = self.on_disk() >= settings.job_records || self.bytes() >= settings.job_bytes;
        let free = |record: &Record| !full || record.subject.id.transaction.id.is_snapshot();
        let count = self.entering.iter().take(limit).take_while(|r| free(r));
        let count = count.count();
        self.entering.drain(..count).collect()
    }

    pub fn note_committing(&mut self, first: u64, count: u64, oldest: Option<Micros>) {
        self.committing.push_back((first, count, oldest));
    }

    /// Takes a span that the journal wrote, if it is one of its own.
    pub fn note_durable(&mut self, span: &ParkedSpan, now: Tick) -> bool {
        let Some((first, count, _)) = self.committing.front_mut() else {
            return false;
        };
        if *first != span.first {
            return false;
        }
        *first += u64::from(span.count);
        *count = count.saturating_sub(u64::from(span.count));
        if *count == 0 {
            self.committing.pop_front();
        }
        self.since.get_or_insert(now);
        self.gathered.push(LaneSpan {
            span: span.clone(),
            settled: Default::default(),
        });
        true
    }

    /// Records on their way to the journal.
    #[must_use]
    pub fn committing(&self) -> u64 {
        self.committing.iter().map(|(_, count, _)| count).sum()
    }

    #[must_use]
    pub fn entering(&self) -> usize {
        self.entering.len()
    }

    /// Records that wait for the next job.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.on_disk() + self.entering.len() as u64
    }

    fn on_disk(&self) -> u64 {
        let gathered: u64 = self.gathered.iter().map(LaneSpan::left).sum();
        gathered + self.committing()
    }

    #[must_use]
    pub fn gathered(&self) -> &[LaneSpan] {
        &self.gathered
    }

    #[must_use]
    pub fn is_full(&self, settings: &BulkSettings) -> bool {
        self.waiting() >= settings.job_records || self.bytes() >= settings.job_bytes
    }

    /// Bytes on disk that wait for the next job.
    fn bytes(&self) -> u64 {
        self.gathered.iter().map(|it| it.span.bytes).sum()
    }

    /// Records on disk without an outcome, those of the job included.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.spans().map(LaneSpan::left).sum::<u64>() + self.committing()
    }

    /// Bytes on disk, those of the job included.
    #[must_use]
    pub fn all_bytes(&self) -> u64 {
        self.spans().map(|it| it.span.bytes).sum()
    }

    fn spans(&self) -> impl Iterator<Item = &LaneSpan> {
        let scanning = self.scanning.iter().flatten();
        let job = self.job.iter().flat_map(Job::spans);
        job.chain(scanning).chain(&self.gathered)
    }

    /// The lowest serial in here.
    #[must_use]
    pub fn first_serial(&self) -> Option<u64> {
        self.spans().map(|it| it.span.first).min()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entering.is_empty() && self.committing.is_empty() && self.spans().next().is_none()
    }

    /// When the oldest record of the stream in here was committed on the source.
    #[must_use]
    pub fn oldest(&self) -> Option<Micros> {
        let on_disk = self.spans().filter_map(|it| it.span.oldest_committed());
        let committing = self.committing.iter().filter_map(|(_, _, oldest)| *oldest);
        on_disk.chain(committing).min()
    }

    /// Takes spans over whose keys must be read first.
    pub fn scan(&mut self, spans: Vec<LaneSpan>, until: u64) {
        self.scanned_until = until;
        self.scanning = Some(spans);
    }

    #[must_use]
    pub fn is_scanning(&self) -> bool {
        self.scanning.is_some()
    }

    /// Gives back what was taken over.
    pub fn give_back_scanned(&mut self) -> Vec<LaneSpan> {
        self.scanning.take().unwrap_or_default()
    }

    /// The keys of what was taken over.
    pub fn note_scanned(&mut self, keys: Vec<u64>) {
        self.keys.extend(keys);
        if let Some(spans) = self.scanning.take() {
            self.gathered.extend(spans);
            // It has waited for long.
            self.since.get_or_insert(Tick(0));
            self.is_ready = true;
        }
    }

    /// Whether what is gathered should become a job now.
    #[must_use]
    pub fn is_due(&self, settings: &BulkSettings, now: Tick) -> bool {
        self.is_full(settings) || self.due_at(settings).is_some_and(|due| due <= now)
    }

    #[must_use]
    pub fn due_at(&self, settings: &BulkSettings) -> Option<Tick> {
        let since = self.since.filter(|_| !self.gathered.is_empty());
        let wait = if self.is_ready { 0 } else { settings.gather_ms };
        since.map(|since| since.plus(wait))
    }

    /// Takes all that is gathered, with its keys; what enters begins the next one.
    pub fn take_gathered(&mut self) -> (Vec<LaneSpan>, HashSet<u64>) {
        self.since = None;
        self.is_ready = false;
        let entering = self.entering.iter();
        let rest = entering.map(|record| key_number(&record.key)).collect();
        let keys = std::mem::replace(&mut self.keys, rest);
        (std::mem::take(&mut self.gathered), keys)
    }
}
