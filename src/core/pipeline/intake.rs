//! What comes into the pipeline: rows of the stream, records read back from parking; and what is
//! parked because nothing can leave.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Effect, Held, PARK_AT_ONCE, PARKING_COMMITS, Pipeline, Route};
use crate::core::batching::Record;
use crate::core::change::{Change, ChangeId, Chunk, RouteId, SkippedRows, StreamItem};
use crate::core::entry::{
    Entry, Image, ParkedRecord, ParkedSpan, ServiceEvent, StoredChangeId, Subject,
};
use crate::core::mapping::Unmappable;
use crate::core::outcome::{ErrorClass, RecordError};
use crate::core::position::{Checkpoint, Position};
use crate::core::settlement::Slot;
use crate::core::time::{Now, Tick};

impl Pipeline {
    pub(super) fn take_chunk(&mut self, chunk: Chunk, now: Now) {
        let rows = chunk
            .items
            .iter()
            .filter(|item| matches!(item, StreamItem::Row(_) | StreamItem::Unmapped(_)))
            .count();
        let share = chunk.bytes / u32::try_from(rows.max(1)).unwrap_or(u32::MAX);
        let mut charged = 0;
        for item in chunk.items {
            match item {
                StreamItem::Row(change) => {
                    charged += share;
                    self.take_change(change, share, now);
                }
                StreamItem::Unmapped(unmapped) => {
                    charged += share;
                    self.take_unmapped(unmapped, share, now);
                }
                StreamItem::Skipped(skipped) => self.take_skipped(skipped),
                StreamItem::KeyChanged(route) => self.route(route).key_changes += 1,
                StreamItem::Altered(alteration) => self.entries.push(Entry::Service {
                    event: ServiceEvent::TableAltered,
                    detail: alteration.to_string(),
                }),
                StreamItem::Advance(advance) => self.ledger.advance(advance),
                StreamItem::Hold(place) => self.ledger.hold(place),
                StreamItem::Restart(checkpoint) => {
                    self.forget_places(&checkpoint);
                    self.ledger.restart(checkpoint);
                }
                StreamItem::ChunkEnd(end) => {
                    self.hurry_chunk(&end, now);
                    self.ledger.end_chunk(end);
                }
            }
        }
        self.release_now += chunk.bytes - charged;
    }

    /// Where the binlog begins anew, places in files name other transactions than before: what was
    /// settled at them must not be taken for a row that is still to come.
    fn forget_places(&mut self, next: &Checkpoint) {
        if matches!(next.position, Position::File(_)) {
            self.settled_ahead.retain(|id| id.transaction.is_snapshot());
        }
    }

    /// Whether this change was settled before a restart, although the checkpoint is not past it.
    pub(super) fn was_settled(&mut self, id: &ChangeId) -> bool {
        if self.settled_ahead.is_empty() {
            return false;
        }
        let stored = StoredChangeId::new(id, &self.routes[usize::from(id.route.0)].name);
        self.settled_ahead.remove(&stored)
    }

    fn take_change(&mut self, change: Change, charge: u32, now: Now) {
        if self.snapshots.is_stale(&change.id) {
            self.release_now += charge;
            return;
        }
        if self.has_misfit(change.id.route) {
            return self.keep_whole(change, charge, now);
        }
        let slot = self.ledger.open(&change.id, 1, change.last_of_row);
        if self.was_settled(&change.id) {
            self.ledger.settle(slot);
            self.release_now += charge;
            return;
        }
        self.end_expected_pause(change.id.route);
        let route = &mut self.routes[usize::from(change.id.route.0)];
        route.captured += 1;
        match route.plan.leaves_out(&change) {
            Ok(false) => {}
            Ok(true) => {
                let image = route.plan.key_alone(&change);
                let subject = subject_of(change, image);
                self.entries.push(Entry::Filtered { subject });
                self.ledger.settle(slot);
                self.release += charge;
                return;
            }
            Err(undecided) => return self.refuse(change, undecided, slot, charge),
        }
        match route.plan.map(&change) {
            Ok(image) => {
                route.in_flight += 1;
                self.charged += u64::from(charge);
                let key = route.plan.comparable_key(&image.key);
                let scope = route.scope;
                let mut record = Record {
                    subject: subject_of(change, image),
                    slot: Some(slot),
                    attempts: 0,
                    unknown: false,
                    unknown_until: Tick(0),
                    failed_at: None,
                    charge,
                    since: now.tick,
                    scope,
                    key,
                    absorbed: Vec::new(),
                };
                self.doubt_read_again(&mut record, now);
                self.admit(record);
            }
            Err(unmappable) => self.refuse(change, unmappable, slot, charge),
        }
    }

    /// Writes a row down as a dead letter that was never sent.
    fn refuse(&mut self, change: Change, unmappable: Unmappable, slot: Slot, charge: u32) {
        let Unmappable { image, problems } = unmappable;
        self.set_aside_unmapped(subject_of(change, image), problems);
        self.ledger.settle(slot);
        self.release += charge;
    }

    /// A dead letter of a row that the mapping refused.
    pub(super) fn set_aside_unmapped(&mut self, subject: Subject, errors: Vec<RecordError>) {
        let code = errors.first().map(|p| p.code.clone()).unwrap_or_default();
        let letter = self.next_letter();
        let open = self.unsent_letter(&subject);
        self.entries.push(Entry::DeadLettered {
            subject,
            letter,
            class: ErrorClass::Mapping,
            code,
            errors,
            attempt: None,
            open,
        });
    }

    fn take_skipped(&mut self, skipped: SkippedRows) {
        let slot = self
            .ledger
            .open(&skipped.id, skipped.rows, skipped.last_of_row);
        self.ledger.settle(slot);
        if self.was_settled(&skipped.id) {
            return;
        }
        self.route(skipped.id.route).captured += u64::from(skipped.rows);
        self.entries.push(Entry::Skipped {
            id: skipped.id,
            rows: skipped.rows,
            operation: skipped.operation,
            rule: skipped.rule,
        });
    }

    pub(super) fn next_letter(&mut self) -> u64 {
        let letter = self.next_letter;
        self.next_letter += 1;
        letter
    }

    /// Takes a record in, behind whatever of its scope is parked: routes that share an external id
    /// may hold an older image of its key.
    fn admit(&mut self, record: Record) {
        let waits = |route: &Route| route.blocks() || !route.held.is_empty();
        let mut scope = self.routes.iter().filter(|r| r.scope == record.scope);
        if scope.any(waits) || self.is_scope_paused(record.scope) || self.is_in_other_lane(&record)
        {
            let shape = None;
            let held = &mut self.route(record.subject.id.route).held;
            held.push_back(Held { record, shape });
            return;
        }
        self.admit_now(record);
    }

    pub(super) fn admit_now(&mut self, record: Record) {
        let Some(record) = self.enter_lane(record) else {
            return;
        };
        self.note_arrival(&record);
        let Some(replaced) = self.planner.admit(record) else {
            return;
        };
        for older in replaced.older {
            self.supersede(older, replaced.by.clone());
        }
    }

    fn supersede(&mut self, older: Record, by: ChangeId) {
        self.note_settled(&older);
        self.entries.push(Entry::Superseded {
            subject: older.subject,
            by,
        });
    }

    /// Settles what lived on in a record that now has its outcome, or is on its way to the disk.
    pub(super) fn settle_absorbed(&mut self, absorbed: Vec<Record>, by: &ChangeId) {
        for older in absorbed {
            self.supersede(older, by.clone());
        }
    }

    /// Books a record out: its slot, its share of the window, its place in parking.
    pub(super) fn note_settled(&mut self, record: &Record) {
        let route = &mut self.routes[usize::from(record.subject.id.route.0)];
        if let Some(serial) = record.subject.parked {
            route.parking.note_settled(serial);
        }
        if let Some(slot) = record.slot {
            route.in_flight -= 1;
            self.ledger.settle(slot);
        }
        self.release += record.charge;
        self.charged -= u64::from(record.charge);
    }

    pub(super) fn take_parked(&mut self, span: ParkedSpan, records: Vec<ParkedRecord>, now: Now) {
        let Some(index) = self.routes.iter().position(|r| r.name == span.route) else {
            return;
        };
        let id = RouteId(u16::try_from(index).unwrap_or(u16::MAX));
        let route = &self.routes[index];
        let (plan, scope) = (Arc::clone(&route.plan), route.scope);
        if self.is_scope_shut(scope) {
            return self.route(id).parking.put_back(span);
        }
        if let Some(lack) = self.lack_of(&plan, &records) {
            return self.keep_waiting(id, span, &lack, now);
        }
        self.route(id).parking.note_read(&span, records.len());
        for mut parked in records {
            if parked.subject.image.source_row().is_some() {
                self.end_expected_pause(id);
            }
            let Some(subject) = self.map_waited(&plan, parked.serial, parked.subject) else {
                continue;
            };
            parked.subject = subject;
            let key = plan.comparable_key(&parked.subject.image.key);
            let mut record = Record {
                subject: Subject {
                    parked: Some(parked.serial),
                    ..parked.subject
                },
                slot: None,
                attempts: self.route(id).parking.take_attempts(parked.serial),
                unknown: parked.unknown,
                unknown_until: Tick(0),
                failed_at: None,
                charge: 0,
                since: now.tick,
                scope,
                key,
                absorbed: Vec::new(),
            };
            self.doubt_parked(&mut record, now);
            self.admit_now(record);
        }
    }

    pub(super) fn release_held(&mut self) {
        loop {
            let blocked = |scope: u16| {
                let mut routes = self.routes.iter().filter(|route| route.scope == scope);
                self.is_scope_paused(scope)
                    || self.waits_for_lane(scope)
                    || routes.any(Route::blocks)
            };
            // In the stream's order, across the routes of a scope.
            let next = self
                .routes
                .iter()
                .enumerate()
                .filter(|(_, route)| !route.held.is_empty() && !blocked(route.scope))
                .min_by_key(|(_, route)| route.held.front().and_then(|held| held.record.slot))
                .map(|(index, _)| index);
            let held = next.and_then(|index| self.routes[index].held.pop_front());
            let Some(held) = held else { return };
            self.admit_now(held.record);
        }
    }

    /// Reads parked records back as far as there is something to do with them.
    pub(super) fn read_parked(&mut self, now: Tick, effects: &mut Vec<Effect>) {
        let limit = self.settings.batch.max_records * self.settings.max_in_flight * 2;
        if !self.org.admits(now) || self.is_held_by_pace() {
            return;
        }
        for index in 0..self.routes.len() {
            if self.may_read(index)
                && self.routes[index].admits(now)
                && let Some((span, settled)) = self.routes[index].parking.next_read(limit)
            {
                effects.push(Effect::ReadParked { span, settled });
            }
        }
    }

    /// Whether a route's next span is the oldest of its scope, and no other of the scope is being
    /// read: what was parked first comes back first.
    pub(super) fn may_read(&self, index: usize) -> bool {
        let own = &self.routes[index];
        let Some(first) = own.parking.next_serial() else {
            return false;
        };
        if first >= self.waits_from(own.scope) || self.is_behind_lane(own.scope, first) {
            return false;
        }
        self.routes
            .iter()
            .filter(|route| route.scope == own.scope)
            .all(|route| {
                let older = route
                    .parking
                    .next_serial()
                    .is_some_and(|other| other < first);
                !older && !route.parking.is_reading()
            })
    }

    /// Parks what waits for a circuit that has been open, or a hold that has lasted, for long.
    pub(super) fn park_what_waits(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let after = self.settings.park_after_ms;
        for index in 0..self.routes.len() {
            let circuit = &self.routes[index].circuit;
            let closed = !self.org.open_for(after, now.tick) && !circuit.open_for(after, now.tick);
            let shut = self.routes[index].is_shut();
            if closed && !shut && !self.held_by_pace_for(after, now.tick) {
                continue;
            }
            // Bounded: what does not fit stays in memory, fills the window, and capture waits.
            while self.has_room_to_park() {
                let id = RouteId(u16::try_from(index).unwrap_or(u16::MAX));
                let mut records = self.planner.drain(id, PARK_AT_ONCE);
                // An older image of the key may still be in the planner, behind a call in flight:
                // it must be parked first.
                let free = self
                    .parkable(index)
                    .min(PARK_AT_ONCE.saturating_sub(records.len()));
                let held = self.routes[index].held.drain(..free);
                records.extend(held.map(|held| held.record));
                if records.is_empty() {
                    break;
                }
                self.park(id, records);
                self.commit(now, effects);
            }
        }
    }

    /// Whether one more span may be parked now. Bounded in commits too: rows that alternate between
    /// two routes are one span each, and the journal's queue is short. What is over the bound is
    /// parked when one of those commits is durable, which pumps again.
    pub(super) fn has_room_to_park(&self) -> bool {
        self.commits_made - self.commits_durable < PARKING_COMMITS
            && self.parked_bytes() < self.settings.max_parked_bytes
    }

    /// How many held records, from the front, have no older image of their key in memory that is
    /// not on disk yet.
    fn parkable(&self, index: usize) -> usize {
        let own = &self.routes[index];
        if self.is_scope_paused(own.scope) {
            // Across the routes of the scope, and apart from what is not mapped yet.
            return 0;
        }
        let others = self.routes.iter().enumerate();
        let elsewhere: HashSet<&Arc<str>> = others
            .filter(|(other, route)| *other != index && route.scope == own.scope)
            .flat_map(|(_, route)| route.held.iter().map(|held| &held.record.key))
            .collect();
        own.held
            .iter()
            .take_while(|Held { record, .. }| {
                !elsewhere.contains(&record.key)
                    && !self.is_in_lane(record)
                    && !self.planner.holds_unparked(record.scope, &record.key)
            })
            .count()
    }

    pub(super) fn park(&mut self, id: RouteId, records: Vec<Record>) {
        let of_stream = records
            .iter()
            .map(|record| &record.subject.id.transaction)
            .filter(|transaction| !transaction.id.is_snapshot());
        let oldest = of_stream.map(|transaction| transaction.committed_at).min();
        self.route(id)
            .parking
            .note_committing(records.len() as u64, oldest);
        self.enter_parked(id, records);
    }

    /// Books records over to parking, whatever waits there for them.
    pub(super) fn enter_parked(&mut self, id: RouteId, records: Vec<Record>) {
        let mut absorbed = Vec::new();
        for mut record in records {
            let older = std::mem::take(&mut record.absorbed);
            if !older.is_empty() {
                absorbed.push((older, record.subject.id.clone()));
            }
            let serial = self.next_parked;
            self.next_parked += 1;
            self.route(id).in_flight -= 1;
            if let Some(slot) = record.slot {
                self.ledger.settle(slot);
            }
            self.release += record.charge;
            self.charged -= u64::from(record.charge);
            self.entries.push(Entry::Parked {
                subject: record.subject,
                serial,
                unknown: record.unknown,
            });
        }
        // Behind the parked ones, which are one span as long as nothing comes between them.
        for (older, by) in absorbed {
            self.settle_absorbed(older, &by);
        }
    }
}

fn subject_of(change: Change, image: Image) -> Subject {
    Subject {
        id: change.id,
        operation: change.operation,
        image: Arc::new(image),
        captured_at: change.captured_at,
        parked: None,
        letter: None,
    }
}
