//! What Salesforce may still be working on, of this life or an earlier one, and what must therefore
//! wait on routes that carry updates: a newer image must not be overtaken by an older one.
//!
//! A call that was not answered may be carried out until Salesforce ends it. Within one life the
//! records of such a call are known, and their keys rest. Of an earlier life that ended without a
//! word it is known only what it can have sent: rows that it can have read and that are not
//! settled. The first of them for each key goes at once, as it was read, and its key rests. Routes
//! of inserts alone do not wait: an insert is the whole record.
//! `docs/decisions/0009-updates-wait-for-what-may-be-under-way.md` has the reasons.

use super::Pipeline;
use super::answers::SALESFORCE_WORKS_AT_MOST_MS;
use crate::core::batching::{Handle, Record};
use crate::core::change::{Operation, RouteId};
use crate::core::entry::Recovered;
use crate::core::time::{Micros, Now, Tick};

/// The source's clock may run ahead of ours by so much, and a row that an earlier life read still
/// counts as one.
const CLOCKS_DIFFER_AT_MOST_MICROS: i64 = 60_000_000;

/// A row's share of the window is told from the chunk that it came in, and chunks are cut anew.
const SHARES_DIFFER_AT_MOST: u64 = 2;

#[derive(Debug)]
pub(super) struct Doubt {
    /// The last life ended without a word.
    crashed: bool,
    /// A snapshot ran when it ended: a chunk's rows, which are older than the stream, may have been
    /// under way.
    in_snapshot: bool,
    unanswered_at: Option<Micros>,
    /// What is left of the window that the last life can have filled with rows of the stream.
    bytes_left: u64,
    /// Parked records below this serial were there before this life.
    parked_before: u64,
    times: Option<Times>,
}

#[derive(Clone, Copy, Debug)]
struct Times {
    started_at: Micros,
    /// What the last life sent is over by then.
    over: Tick,
    /// No update goes before.
    updates_from: Tick,
}

impl Doubt {
    pub(super) fn new(recovered: &Recovered, window_bytes: u32) -> Self {
        let running = recovered.snapshot.as_ref().is_some_and(|s| s.is_running());
        Self {
            crashed: recovered.crashed,
            in_snapshot: running,
            unanswered_at: recovered.unanswered_at,
            bytes_left: u64::from(window_bytes) * SHARES_DIFFER_AT_MOST,
            parked_before: recovered.next_parked,
            times: None,
        }
    }

    /// Notes when this life began; later calls change nothing.
    pub(super) fn begin(&mut self, now: Now) {
        if self.times.is_some() {
            return;
        }
        let over = now.tick.plus(SALESFORCE_WORKS_AT_MOST_MS);
        let of_unanswered = self.unanswered_at.map_or(Tick(0), |at| {
            // A clock that was set back must not make it wait for ever.
            let passed = now.wall.0.saturating_sub(at.0).max(0).unsigned_abs() / 1_000;
            now.tick
                .plus(SALESFORCE_WORKS_AT_MOST_MS.saturating_sub(passed))
        });
        let of_snapshot = if self.crashed && self.in_snapshot {
            over
        } else {
            Tick(0)
        };
        self.times = Some(Times {
            started_at: now.wall,
            over,
            updates_from: of_unanswered.max(of_snapshot),
        });
    }

    /// Whether an earlier life can have sent a row of the stream that is read now; until when it
    /// may be under way.
    fn sent_before(&mut self, record: &Record, now: Now) -> Option<Tick> {
        let times = self.times?;
        let transaction = &record.subject.id.transaction;
        if !self.crashed || now.tick >= times.over || transaction.id.is_snapshot() {
            return None;
        }
        let bytes = u64::from(record.charge);
        let left = self.bytes_left.checked_sub(bytes);
        self.bytes_left = left.unwrap_or(0);
        let latest = times.started_at.0 + CLOCKS_DIFFER_AT_MOST_MICROS;
        (left.is_some() && transaction.committed_at.0 <= latest).then_some(times.over)
    }
}

impl Pipeline {
    /// Whether a route of the scope carries updates.
    pub(super) fn carries_updates(&self, scope: u16) -> bool {
        let mut routes = self.routes.iter().filter(|route| route.scope == scope);
        routes.any(|route| route.updates)
    }

    pub(super) fn scope_of(&self, route: RouteId) -> u16 {
        self.routes[usize::from(route.0)].scope
    }

    /// Whether the journal does not know of this life yet. Should it end before that, nobody could
    /// tell that it had sent anything.
    pub(super) fn must_note_start_first(&self) -> bool {
        let is_unknown = self.commits_made > 0 && self.commits_durable == 0;
        is_unknown && self.routes.iter().any(|route| route.updates)
    }

    /// A row of the stream, or of a snapshot, is about to be taken in.
    pub(super) fn doubt_read_again(&mut self, record: &mut Record, now: Now) {
        let sent_before = self.doubt.sent_before(record, now);
        if !self.carries_updates(record.scope) {
            return;
        }
        self.doubt(record, sent_before, now);
    }

    /// `sent_before`: until when an earlier sending of this very record may be under way.
    fn doubt(&mut self, record: &mut Record, sent_before: Option<Tick>, now: Now) {
        if self.rests_as_update(record, now) {
            // It does not go at once, and so not before its own earlier sending is over either.
            let until = sent_before.unwrap_or(Tick(0));
            self.planner.rest(record.scope, &record.key, until);
        } else if let Some(until) = sent_before {
            self.doubt_first(record, until);
        }
    }

    /// Lets an update's key rest while a call of an earlier life may be under way for it.
    fn rests_as_update(&mut self, record: &Record, now: Now) -> bool {
        let from = self.doubt.times.map_or(Tick(0), |times| times.updates_from);
        let waits = record.subject.operation == Operation::Update && now.tick < from;
        if waits {
            self.planner.rest(record.scope, &record.key, from);
        }
        waits
    }

    /// A record was read back from parking.
    pub(super) fn doubt_parked(&mut self, record: &mut Record, now: Now) {
        if !self.carries_updates(record.scope) {
            return;
        }
        let doubt = &self.doubt;
        let over = doubt.times.map_or(Tick(0), |times| times.over);
        let is_older = record.subject.parked < Some(doubt.parked_before);
        let sent_before = (doubt.crashed && now.tick < over).then_some(over);
        if record.unknown {
            record.unknown_until = now.tick.plus(SALESFORCE_WORKS_AT_MOST_MS);
        } else if is_older {
            self.doubt(record, sent_before, now);
        }
    }

    /// An earlier life may have sent this letter as it was before it was edited: the key rests until
    /// that is over.
    pub(super) fn doubt_letter(&mut self, record: &Record) {
        let over = self.doubt.times.map_or(Tick(0), |times| times.over);
        if self.doubt.crashed {
            self.planner.rest(record.scope, &record.key, over);
        }
    }

    /// Marks the first record of its key as one that Salesforce may have.
    fn doubt_first(&mut self, record: &mut Record, until: Tick) {
        if !self.planner.knows(record.scope, &record.key) {
            record.unknown = true;
            record.unknown_until = until;
        }
    }

    /// A record is about to be taken out for good: newer images of its key wait until nothing of
    /// it can be under way any more.
    pub(super) fn let_rest(&mut self, handle: Handle) {
        let record = self.planner.record(handle);
        let until = record.unknown_until;
        if until > Tick(0) && self.carries_updates(record.scope) {
            let key = std::sync::Arc::clone(&record.key);
            self.planner.rest(record.scope, &key, until);
        }
    }
}
