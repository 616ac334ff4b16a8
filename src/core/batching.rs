//! The planner: which records go into which call, and when.
//!
//! A batch closes at its record count, its bytes, or when its route has lingered long enough, which
//! pacing decides. Per external id at most one record is under way; a newer image of a key waits
//! behind it, or, while the older one is still unsent, takes its place with what both say. A key
//! may have to rest for a while after its record is out. The planner decides nothing about failures.

mod draining;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::change::{ChangeId, RouteId};
use super::coalescing::coalesce;
use super::entry::Subject;
use super::letters::is_surely_before;
use super::pacing::Linger;
use super::settlement::Slot;
use super::time::Tick;

/// Limits of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    pub max_records: usize,
    pub max_bytes: usize,
    pub max_age_ms: u64,
}

/// A record on its way.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub subject: Subject,
    /// Its slot in the ledger; `None` when it comes from parking, where its slot is long passed.
    pub slot: Option<Slot>,
    /// Times it was sent and refused for itself.
    pub attempts: u32,
    /// It was sent and not answered: Salesforce may have it.
    pub unknown: bool,
    /// Until then Salesforce may still be working on it.
    pub unknown_until: Tick,
    /// How many calls had been answered when a call with it last failed as a whole.
    pub failed_at: Option<u64>,
    /// Its share of the capture window, in bytes.
    pub charge: u32,
    pub since: Tick,
    /// Routes that write the same object by the same external id share a scope: a key of theirs
    /// names one record in Salesforce.
    pub scope: u16,
    /// The key as Salesforce compares it.
    pub key: Arc<str>,
    /// Older images that live on in this one alone, oldest first: until it is out, they are not.
    pub absorbed: Vec<Record>,
}

/// A record's place in the planner, valid until it is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(u32);

/// A batch that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    pub route: RouteId,
    pub records: Vec<Handle>,
}

/// Unsent records whose place a newer image took, and of which nothing is left to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Replaced {
    /// Oldest first.
    pub older: Vec<Record>,
    pub by: ChangeId,
}

#[derive(Debug)]
pub struct Planner {
    limits: BatchLimits,
    records: Vec<Option<Record>>,
    free: Vec<Handle>,
    queues: Vec<Queue>,
    keys: HashMap<Key, KeyState>,
    /// Keys that rest, and until when; whether a record of them is in here or not.
    rests: HashMap<Key, Tick>,
    /// The same by time.
    rests_by_end: BTreeMap<Tick, Vec<Key>>,
    retries: VecDeque<Retry>,
    /// The route to look at first, so that none starves.
    turn: usize,
    /// Nothing more can come before something leaves: waiting for company is in vain.
    pressed: bool,
}

#[derive(Debug)]
struct Queue {
    handles: VecDeque<Handle>,
    bytes: usize,
    linger: Linger,
    /// Nothing that came up to then waits for company.
    hurry: Option<Tick>,
}

/// A scope, and a key as Salesforce compares it.
type Key = (u16, Arc<str>);

#[derive(Debug)]
struct KeyState {
    /// The record that is queued, at rest, in retry or in flight.
    holder: Handle,
    /// Never sent: a newer image may take its place.
    replaceable: bool,
    /// In no queue until the key's rest is over.
    at_rest: bool,
    waiting: VecDeque<Handle>,
}

#[derive(Debug)]
struct Retry {
    route: RouteId,
    records: Vec<Handle>,
    not_before: Tick,
}

/// What a record adds to a request beside its key and payload: attributes, the key's name, commas.
const OVERHEAD_BYTES: usize = 64;

impl Queue {
    fn new(limits: BatchLimits) -> Self {
        Self {
            handles: VecDeque::new(),
            bytes: 0,
            linger: Linger::by_age(limits.max_age_ms, limits.max_records),
            hurry: None,
        }
    }
}

impl Record {
    fn request_bytes(&self) -> usize {
        self.subject.image.payload.len() + self.subject.image.key.len() + OVERHEAD_BYTES
    }
}

impl Planner {
    #[must_use]
    pub fn new(limits: BatchLimits, routes: usize) -> Self {
        Self {
            limits,
            records: Vec::new(),
            free: Vec::new(),
            queues: (0..routes).map(|_| Queue::new(limits)).collect(),
            keys: HashMap::new(),
            rests: HashMap::new(),
            rests_by_end: BTreeMap::new(),
            retries: VecDeque::new(),
            turn: 0,
            pressed: false,
        }
    }

    /// Takes a record in; gives back those whose place it took, if it speaks of all their fields.
    pub fn admit(&mut self, record: Record) -> Option<Replaced> {
        let key = (record.scope, Arc::clone(&record.key));
        let Some(state) = self.keys.get(&key) else {
            let handle = self.store(record);
            let state = KeyState {
                holder: handle,
                replaceable: false,
                at_rest: false,
                waiting: VecDeque::new(),
            };
            self.keys.insert(key.clone(), state);
            self.line_up(&key, false);
            return None;
        };
        let last = match state.waiting.back() {
            Some(last) => Some(*last),
            // What came before the rest began may go; what comes now may not go with it.
            None if self.rests.contains_key(&key) && !state.at_rest => None,
            None => state.replaceable.then_some(state.holder),
        };
        // Only within a route: each route keeps its own books and its own fields. What Salesforce
        // may have goes again as it was.
        let last = last.filter(|last| {
            let last = self.record(*last);
            let same_route = last.subject.id.route == record.subject.id.route;
            same_route && !last.unknown && !record.unknown
        });
        if let Some(last) = last {
            return self.replace(last, record);
        }
        let handle = self.store(record);
        if let Some(state) = self.keys.get_mut(&key) {
            state.waiting.push_back(handle);
        }
        None
    }

    /// The newer image takes the older one's place in line, so that it is not sent any later, and
    /// takes over what it does not speak of itself.
    fn replace(&mut self, handle: Handle, mut record: Record) -> Option<Replaced> {
        let by = record.subject.id.clone();
        let older = self.record(handle);
        let coalesced = coalesce(&older.subject.image, &record.subject.image);
        record.subject.image = coalesced.image;
        record.since = older.since;
        let route = usize::from(older.subject.id.route.0);
        let (old_bytes, new_bytes) = (older.request_bytes(), record.request_bytes());
        let is_queued = self
            .keys
            .get(&(older.scope, Arc::clone(&older.key)))
            .is_some_and(|state| state.holder == handle && !state.at_rest);
        if is_queued {
            let queue = &mut self.queues[route];
            queue.bytes = queue.bytes + new_bytes - old_bytes;
        }
        let mut older = std::mem::replace(self.record_mut(handle), record);
        let mut replaced = std::mem::take(&mut older.absorbed);
        replaced.push(older);
        if coalesced.covers {
            let older = replaced;
            return Some(Replaced { older, by });
        }
        self.record_mut(handle).absorbed = replaced;
        None
    }

    /// Puts a key's holder into its queue, or lets it rest with its key.
    fn line_up(&mut self, key: &Key, front: bool) {
        let rests = self.rests.contains_key(key);
        let Some(state) = self.keys.get(key) else {
            return;
        };
        let holder = state.holder;
        let replaceable = !self.record(holder).unknown;
        if !rests {
            self.enqueue(holder, front);
        }
        if let Some(state) = self.keys.get_mut(key) {
            state.at_rest = rests;
            state.replaceable = replaceable;
        }
    }

    /// Whether a record of this key is in here, or the key rests.
    #[must_use]
    pub fn knows(&self, scope: u16, key: &Arc<str>) -> bool {
        let key = (scope, Arc::clone(key));
        self.keys.contains_key(&key) || self.rests.contains_key(&key)
    }

    /// From now on nothing new of this key is sent until then.
    pub fn rest(&mut self, scope: u16, key: &Arc<str>, until: Tick) {
        let key = (scope, Arc::clone(key));
        let known = self.rests.entry(key.clone()).or_insert(Tick(0));
        if *known < until {
            *known = until;
            self.rests_by_end.entry(until).or_default().push(key);
        }
    }

    /// Ends the rests that are over.
    pub fn wake(&mut self, now: Tick) {
        while let Some(first) = self.rests_by_end.first_entry() {
            if *first.key() > now {
                return;
            }
            let (until, keys) = first.remove_entry();
            for key in keys {
                // One that was told to rest for longer goes on resting.
                if self.rests.get(&key) != Some(&until) {
                    continue;
                }
                self.rests.remove(&key);
                if self.keys.get(&key).is_some_and(|state| state.at_rest) {
                    self.line_up(&key, true);
                }
            }
        }
    }

    fn store(&mut self, record: Record) -> Handle {
        if let Some(handle) = self.free.pop() {
            self.records[handle.0 as usize] = Some(record);
            return handle;
        }
        let handle =
            Handle(u32::try_from(self.records.len()).expect("the window holds fewer records"));
        self.records.push(Some(record));
        handle
    }

    fn enqueue(&mut self, handle: Handle, front: bool) {
        let record = self.record(handle);
        let (route, bytes) = (
            usize::from(record.subject.id.route.0),
            record.request_bytes(),
        );
        let queue = &mut self.queues[route];
        queue.bytes += bytes;
        if front {
            queue.handles.push_front(handle);
        } else {
            queue.handles.push_back(handle);
        }
    }

    /// Tells whether the capture window is so full that no batch should wait for company.
    pub fn set_pressed(&mut self, pressed: bool) {
        self.pressed = pressed;
    }

    /// No record of this route that came up to now waits for company any longer.
    pub fn hurry(&mut self, route: RouteId, now: Tick) {
        self.queues[usize::from(route.0)].hurry = Some(now);
    }

    /// How the records of this route wait for company from now on.
    pub fn set_linger(&mut self, route: RouteId, linger: Linger) {
        self.queues[usize::from(route.0)].linger = linger;
    }

    /// Whether the records of this queue wait for no company.
    fn hurries(&self, queue: &Queue, first: Handle) -> bool {
        let hurried = queue
            .hurry
            .is_some_and(|until| self.record(first).since <= until);
        self.pressed || hurried
    }

    /// Whether a record of this key is in here that came from the stream, in flight or not. One
    /// that came from parking does not count: it is on disk before anything that is parked now.
    #[must_use]
    pub fn holds_unparked(&self, scope: u16, key: &Arc<str>) -> bool {
        let Some(state) = self.keys.get(&(scope, Arc::clone(key))) else {
            return false;
        };
        let mut handles = state.waiting.iter().chain([&state.holder]);
        handles.any(|handle| self.record(*handle).slot.is_some())
    }

    /// Whether any record of this key is in here.
    #[must_use]
    pub fn holds(&self, scope: u16, key: &Arc<str>) -> bool {
        self.keys.contains_key(&(scope, Arc::clone(key)))
    }

    /// The keys of a scope that are in here.
    pub fn keys_of(&self, scope: u16) -> impl Iterator<Item = &Arc<str>> {
        let keys = self.keys.keys();
        keys.filter(move |(own, _)| *own == scope)
            .map(|(_, key)| key)
    }

    /// Whether a record of this key is in here that is not surely an older letter.
    #[must_use]
    pub fn holds_newer_than_letter(&self, scope: u16, key: &Arc<str>, letter: &ChangeId) -> bool {
        let Some(state) = self.keys.get(&(scope, Arc::clone(key))) else {
            return false;
        };
        let mut handles = state.waiting.iter().chain([&state.holder]);
        handles.any(|handle| {
            let other = &self.record(*handle).subject;
            other.letter.is_none() || !is_surely_before(&other.id, letter)
        })
    }

    /// Whether any record of the scope is in here that came from the stream.
    #[must_use]
    pub fn holds_unparked_of(&self, scope: u16) -> bool {
        let mut records = self.records.iter().flatten();
        records.any(|record| record.scope == scope && record.slot.is_some())
    }

    /// The record behind a handle.
    ///
    /// # Panics
    /// When the record was taken out before: handles are not kept beyond that.
    #[must_use]
    pub fn record(&self, handle: Handle) -> &Record {
        self.records[handle.0 as usize]
            .as_ref()
            .expect("a handle names a stored record")
    }

    pub fn record_mut(&mut self, handle: Handle) -> &mut Record {
        self.records[handle.0 as usize]
            .as_mut()
            .expect("a handle names a stored record")
    }

    /// Takes a batch that is due, of a route that `admits`; what was sent before goes first, unless
    /// something fresh is asked for and there is some.
    pub fn take_batch(
        &mut self,
        now: Tick,
        fresh_first: bool,
        admits: impl Fn(RouteId) -> bool,
    ) -> Option<Batch> {
        if fresh_first && let Some(batch) = self.take_fresh(now, &admits) {
            return Some(batch);
        }
        let due = self
            .retries
            .iter()
            .position(|r| r.not_before <= now && admits(r.route));
        if let Some(retry) = due.and_then(|index| self.retries.remove(index)) {
            return Some(Batch {
                route: retry.route,
                records: retry.records,
            });
        }
        self.take_fresh(now, &admits)
    }

    fn take_fresh(&mut self, now: Tick, admits: &impl Fn(RouteId) -> bool) -> Option<Batch> {
        let count = self.queues.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            let route = RouteId(u16::try_from(index).unwrap_or(u16::MAX));
            if self.is_due(index, now) && admits(route) {
                self.turn = (index + 1) % count;
                return Some(Batch {
                    route,
                    records: self.fill(index),
                });
            }
        }
        None
    }

    fn is_due(&self, route: usize, now: Tick) -> bool {
        let queue = &self.queues[route];
        let Some(first) = queue.handles.front() else {
            return false;
        };
        queue.handles.len() >= self.limits.max_records
            || queue.bytes >= self.limits.max_bytes
            || self.hurries(queue, *first)
            || queue
                .linger
                .is_due(queue.handles.len(), self.record(*first).since, now)
    }

    fn fill(&mut self, route: usize) -> Vec<Handle> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < self.limits.max_records {
            let Some(handle) = self.queues[route].handles.front().copied() else {
                break;
            };
            let size = self.record(handle).request_bytes();
            // A record larger than the limit travels alone.
            if !batch.is_empty() && bytes + size > self.limits.max_bytes {
                break;
            }
            bytes += size;
            self.queues[route].handles.pop_front();
            self.queues[route].bytes -= size;
            self.pin(handle);
            batch.push(handle);
        }
        batch
    }

    /// From now on no newer image may take this record's place.
    fn pin(&mut self, handle: Handle) {
        let record = self.record(handle);
        let key = (record.scope, Arc::clone(&record.key));
        if let Some(state) = self.keys.get_mut(&key) {
            state.replaceable = false;
        }
    }

    /// Puts sent records back, to go out again as one batch, not before the given moment.
    pub fn retry(&mut self, route: RouteId, records: Vec<Handle>, not_before: Tick) {
        if !records.is_empty() {
            self.retries.push_back(Retry {
                route,
                records,
                not_before,
            });
        }
    }

    /// Takes a record out for good; the next image of its key, if one waits, moves up.
    pub fn remove(&mut self, handle: Handle) -> Record {
        let record = self.take(handle);
        let key = (record.scope, Arc::clone(&record.key));
        let next = self
            .keys
            .get_mut(&key)
            .and_then(|state| state.waiting.pop_front());
        match (next, self.keys.get_mut(&key)) {
            (Some(next), Some(state)) => {
                state.holder = next;
                self.line_up(&key, true);
            }
            _ => {
                self.keys.remove(&key);
            }
        }
        record
    }

    fn take(&mut self, handle: Handle) -> Record {
        self.free.push(handle);
        self.records[handle.0 as usize]
            .take()
            .expect("a handle names a stored record")
    }

    /// When the next batch or retry falls due by time alone, given from when on each route admits
    /// calls (`None`: only an answer can say).
    #[must_use]
    pub fn next_due(&self, admits_from: impl Fn(RouteId) -> Option<Tick>) -> Option<Tick> {
        let ages = self.queues.iter().enumerate().filter_map(|(index, queue)| {
            let first = queue.handles.front()?;
            let route = RouteId(u16::try_from(index).unwrap_or(u16::MAX));
            let since = self.record(*first).since;
            let due = if self.hurries(queue, *first) {
                since
            } else {
                queue.linger.due_at(queue.handles.len(), since)
            };
            Some(due.max(admits_from(route)?))
        });
        let retries = self
            .retries
            .iter()
            .filter_map(|retry| Some(retry.not_before.max(admits_from(retry.route)?)));
        let rests = self.rests_by_end.keys().next().copied();
        ages.chain(retries).chain(rests).min()
    }

    /// Records that are queued, waiting or in retry or in flight.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len() - self.free.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests;
