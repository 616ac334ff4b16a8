//! What comes back from Salesforce, and what follows from it.

use std::sync::Arc;

use super::refusals::{self, Together};
use super::{Flight, Pipeline};
use crate::core::batching::{Handle, Record};
use crate::core::change::RouteId;
use crate::core::entry::{Attempt, Entry, ServiceEvent};
use crate::core::outcome::{
    CallId, CallOutcome, Disposition, ErrorClass, RecordError, RecordResult, Rejection,
    RequestFailure,
};
use crate::core::time::{Micros, Now};

/// A request is ended by Salesforce after ten minutes (REST guide, limits); until then a call that
/// was not answered may still be at work.
pub(super) const SALESFORCE_WORKS_AT_MOST_MS: u64 = 600_000;

/// A record that collides with its own unanswered call waits as after this many attempts: long
/// enough not to knock all the time, short enough to be there when the call is over.
const WAIT_LIKE_ATTEMPT: u32 = 6;

/// After so many attempts the wait is as long as it gets.
const LONGEST_WAIT: u32 = 32;

/// When a call went out and came back.
#[derive(Clone, Copy)]
pub(super) struct Timing {
    batch: u64,
    sent_at: Micros,
    answered_at: Micros,
}

impl Pipeline {
    pub(super) fn take_answer(
        &mut self,
        call: CallId,
        outcome: CallOutcome,
        sent_at: Micros,
        answered_at: Micros,
        now: Now,
    ) {
        // A call that was given up at shutdown may still answer: its records are read again.
        let Some(flight) = self.calls.remove(&call) else {
            return;
        };
        let timing = Timing {
            batch: flight.batch,
            sent_at,
            answered_at,
        };
        match outcome {
            CallOutcome::Answered(results) if results.len() == flight.records.len() => {
                let key = |handle: &Handle| Arc::clone(&self.planner.record(*handle).key);
                let keys: Vec<Arc<str>> = flight.records.iter().map(key).collect();
                let run = &mut self.route(flight.route).refused;
                if let Some(together) = refusals::together(&results, &keys, run) {
                    return self.take_refusals_alike(flight, results, together, timing, now);
                }
                self.note_reachable(flight.route);
                self.take_results(flight, results, timing, now);
            }
            CallOutcome::Answered(results) => {
                let text = format!(
                    "the answer has {} results for {} records",
                    results.len(),
                    flight.records.len()
                );
                self.take_failure(flight, protocol_failure(text), timing, now);
            }
            CallOutcome::Failed(failure) => self.take_failure(flight, failure, timing, now),
        }
    }

    /// Those refused alike wait for the org or the route; the others have their outcome.
    fn take_refusals_alike(
        &mut self,
        flight: Flight,
        results: Vec<RecordResult>,
        together: Together,
        timing: Timing,
        now: Now,
    ) {
        let Flight {
            route,
            batch,
            records,
            sent_at,
        } = flight;
        let (mut alike, mut others, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
        for (handle, result) in records.into_iter().zip(results) {
            if together.concerns(&result) {
                alike.push(handle);
            } else {
                others.push(handle);
                outcomes.push(result);
            }
        }
        let part = |records| Flight {
            route,
            batch,
            records,
            sent_at,
        };
        self.take_results(part(others), outcomes, timing, now);
        self.take_failure(part(alike), together.failure, timing, now);
    }

    pub(super) fn note_reachable(&mut self, route: RouteId) {
        self.answers += 1;
        let closed_org = self.org.note_answer();
        let closed_route = self.route(route).circuit.note_answer();
        if closed_org || closed_route {
            let name = &self.routes[usize::from(route.0)].name;
            let detail = if closed_org {
                "Salesforce answers again".to_owned()
            } else {
                format!("route {name}")
            };
            self.entries.push(Entry::Service {
                event: ServiceEvent::DeliveryResumed,
                detail,
            });
        }
        if closed_org {
            // Everybody's backlog comes at once after an outage: start with one call and grow.
            self.allowed_in_flight = 1;
        } else if self.allowed_in_flight < self.settings.max_in_flight {
            self.allowed_in_flight += 1;
        }
    }

    fn take_results(
        &mut self,
        flight: Flight,
        results: Vec<RecordResult>,
        timing: Timing,
        now: Now,
    ) {
        let lone = flight.records.len() == 1;
        let mut pieces = Vec::new();
        let mut later: Vec<(u32, Handle)> = Vec::new();
        for (handle, result) in flight.records.into_iter().zip(results) {
            match result {
                RecordResult::Delivered { id, created } => {
                    let attempt = self.attempt(handle, timing);
                    let record = self.take_out(handle);
                    self.entries.push(Entry::Delivered {
                        subject: record.subject,
                        salesforce_id: id,
                        created,
                        attempt,
                    });
                }
                RecordResult::Rejected(rejection) => match rejection.disposition {
                    Disposition::DeadLetter | Disposition::Pause => {
                        if !self.skip_by_policy(handle, &rejection, timing) {
                            self.dead_letter(handle, rejection, timing);
                        }
                    }
                    Disposition::Split if !lone => {
                        self.planner.record_mut(handle).unknown = false;
                        pieces.push(handle);
                    }
                    Disposition::Backoff | Disposition::Split => {
                        let most =
                            refusals::most_attempts(&rejection, self.settings.record_attempts);
                        let slow = refusals::passes_slowly(&rejection.code);
                        let refused = self.note_refused(handle, rejection, most, timing, now);
                        if let Some(attempts) = refused {
                            let attempts = if slow { LONGEST_WAIT } else { attempts };
                            later.push((attempts, handle));
                        }
                    }
                },
            }
        }
        self.retry_in_halves(flight.route, pieces, now);
        // Records with the same number of attempts wait together, so that they cost one call.
        later.sort_by_key(|(attempts, _)| *attempts);
        for group in later.chunk_by(|a, b| a.0 == b.0) {
            let delay = self.settings.backoff.delay_ms(group[0].0, &mut self.jitter);
            let handles = group.iter().map(|(_, handle)| *handle).collect();
            self.planner
                .retry(flight.route, handles, now.tick.plus(delay));
        }
    }

    fn take_failure(&mut self, flight: Flight, failure: RequestFailure, timing: Timing, now: Now) {
        let route = flight.route;
        let culprit = self.note_failed(&flight, &failure, now);
        // Where updates are carried, a later life must know of it even if the next answer is good.
        if failure.unknown && (self.stopping || self.carries_updates(self.scope_of(route))) {
            self.note_unanswered(&flight);
        }
        if matches!(
            failure.disposition,
            Disposition::Split | Disposition::DeadLetter
        ) {
            self.note_reachable(route);
            match flight.records.as_slice() {
                [lone] => self.take_lone_failure(route, *lone, &failure, timing, now),
                // Salesforce may still be at work on it.
                _ if failure.unknown => self.retry_in_halves_later(route, flight.records, now),
                _ => self.retry_in_halves(route, flight.records, now),
            }
            return;
        }
        if culprit {
            return self.isolate(flight, &failure, timing, now);
        }
        self.open_circuit(route, failure, now);
        self.planner.retry(route, flight.records, now.tick);
    }

    /// A call failed for a reason that concerns the org, or the whole route.
    pub(super) fn open_circuit(&mut self, route: RouteId, failure: RequestFailure, now: Now) {
        if failure.class == ErrorClass::Concurrency {
            self.allowed_in_flight = (self.allowed_in_flight / 2).max(1);
        }
        let detail = failure.line();
        let backoff = self.settings.backoff;
        let own = &mut self.routes[usize::from(route.0)].circuit;
        let (circuit, other) = match failure.class {
            ErrorClass::Configuration => (own, &mut self.org),
            _ => (&mut self.org, own),
        };
        other.release_probe();
        if failure.class == ErrorClass::Configuration {
            // Salesforce is there; it is this route that it refuses.
            other.note_answer();
        }
        let of_configuration = failure.class == ErrorClass::Configuration;
        let opened = circuit.note_failure(failure, backoff, &mut self.jitter, now.tick);
        // Ever more rarely: a description that was right twice is hardly the reason.
        let attempt = circuit.open().map_or(0, |open| open.attempt);
        self.asks_describe |= of_configuration && attempt.is_power_of_two();
        if opened {
            self.entries.push(Entry::Service {
                event: ServiceEvent::DeliveryPaused,
                detail,
            });
        }
    }

    /// Marks the records of a failed call; returns whether the call itself seems to be at fault:
    /// it failed before, and other calls were answered in between.
    fn note_failed(&mut self, flight: &Flight, failure: &RequestFailure, now: Now) -> bool {
        let by_content = match failure.class {
            ErrorClass::Unavailable | ErrorClass::Unknown => true,
            ErrorClass::Network => failure.unknown,
            _ => false,
        };
        let mut again = false;
        for handle in &flight.records {
            let record = self.planner.record_mut(*handle);
            // Once Salesforce may have it, only an answer for the record says otherwise.
            record.unknown |= failure.unknown;
            if failure.unknown {
                record.unknown_until = now.tick.plus(SALESFORCE_WORKS_AT_MOST_MS);
            }
            if by_content {
                again |= record.failed_at.is_some_and(|at| at < self.answers);
                record.failed_at = Some(self.answers);
            }
        }
        again
    }

    /// Some record makes every call with it fail: smaller pieces, until it stands alone and its
    /// attempts are used up.
    fn isolate(&mut self, flight: Flight, failure: &RequestFailure, timing: Timing, now: Now) {
        let route = flight.route;
        self.org.release_probe();
        self.route(route).circuit.release_probe();
        if let [lone] = flight.records.as_slice() {
            return self.take_lone_failure(route, *lone, failure, timing, now);
        }
        self.retry_in_halves_later(route, flight.records, now);
    }

    fn retry_in_halves_later(&mut self, route: RouteId, mut records: Vec<Handle>, now: Now) {
        let second = records.split_off(records.len().div_ceil(2));
        for half in [records, second] {
            let delay = self.settings.backoff.delay_ms(1, &mut self.jitter);
            self.planner.retry(route, half, now.tick.plus(delay));
        }
    }

    /// The request was refused for what is in it, and there is one record in it.
    fn take_lone_failure(
        &mut self,
        route: RouteId,
        handle: Handle,
        failure: &RequestFailure,
        timing: Timing,
        now: Now,
    ) {
        let rejection = Rejection {
            class: failure.class,
            code: failure.code.clone(),
            disposition: failure.disposition,
            errors: vec![RecordError {
                code: failure.code.clone(),
                message: failure.text.clone(),
                fields: Vec::new(),
            }],
        };
        let final_answer = matches!(
            failure.disposition,
            Disposition::Split | Disposition::DeadLetter
        );
        if final_answer && !failure.unknown {
            self.dead_letter(handle, rejection, timing);
            return;
        }
        let most = self.settings.record_attempts;
        if let Some(attempts) = self.note_refused(handle, rejection, most, timing, now) {
            let delay = self.settings.backoff.delay_ms(attempts, &mut self.jitter);
            self.planner
                .retry(route, vec![handle], now.tick.plus(delay));
        }
    }

    fn retry_in_halves(&mut self, route: RouteId, mut records: Vec<Handle>, now: Now) {
        let second = records.split_off(records.len().div_ceil(2));
        self.planner.retry(route, records, now.tick);
        self.planner.retry(route, second, now.tick);
    }

    /// Counts a refusal that may pass; the number of attempts so far, or `None` when they are used
    /// up and the record is dead-lettered.
    fn note_refused(
        &mut self,
        handle: Handle,
        rejection: Rejection,
        most: u32,
        timing: Timing,
        now: Now,
    ) -> Option<u32> {
        let record = self.planner.record(handle);
        // Its first call may still be running in there, and be what it now collides with.
        let collides = matches!(
            rejection.class,
            ErrorClass::Contention | ErrorClass::Duplicate
        );
        let counts = !(collides && record.unknown && now.tick < record.unknown_until);
        let attempts = record.attempts + u32::from(counts);
        if attempts >= most {
            self.dead_letter(handle, rejection, timing);
            return None;
        }
        let attempt = self.attempt(handle, timing);
        let record = self.planner.record_mut(handle);
        record.attempts = attempts;
        let subject = record.subject.clone();
        self.entries.push(Entry::Retried {
            subject,
            class: rejection.class,
            code: rejection.code,
            attempt,
        });
        Some(if counts { attempts } else { WAIT_LIKE_ATTEMPT })
    }

    fn dead_letter(&mut self, handle: Handle, rejection: Rejection, timing: Timing) {
        let attempt = self.attempt(handle, timing);
        let record = self.take_out(handle);
        let open = self.sent_letter(&record.subject);
        let letter = match record.subject.letter {
            Some(letter) => letter,
            None => self.next_letter(),
        };
        self.entries.push(Entry::DeadLettered {
            subject: record.subject,
            letter,
            class: rejection.class,
            code: rejection.code,
            errors: rejection.errors,
            attempt: Some(attempt),
            open,
        });
    }

    pub(super) fn attempt(&self, handle: Handle, timing: Timing) -> Attempt {
        Attempt {
            batch: timing.batch,
            number: self.planner.record(handle).attempts + 1,
            sent_at: timing.sent_at,
            answered_at: timing.answered_at,
        }
    }

    pub(super) fn take_out(&mut self, handle: Handle) -> Record {
        self.let_rest(handle);
        let mut record = self.planner.remove(handle);
        let older = std::mem::take(&mut record.absorbed);
        self.settle_absorbed(older, &record.subject.id);
        self.note_settled(&record);
        record
    }

    /// Shutdown's grace is over: what is in flight is journalled as unanswered and read again.
    pub(super) fn give_up_calls(&mut self) {
        for (_, flight) in std::mem::take(&mut self.calls) {
            self.note_unanswered(&flight);
        }
    }

    fn note_unanswered(&mut self, flight: &Flight) {
        for handle in &flight.records {
            let subject = self.planner.record(*handle).subject.clone();
            self.entries.push(Entry::Unanswered {
                subject,
                batch: flight.batch,
                sent_at: flight.sent_at,
            });
        }
    }
}

/// The answer does not fit the request: what was committed is not known.
fn protocol_failure(text: String) -> RequestFailure {
    RequestFailure {
        class: ErrorClass::Unknown,
        page: "LS2080",
        code: "PROTOCOL".to_owned(),
        text,
        disposition: Disposition::Backoff,
        unknown: true,
        retry_after_ms: None,
    }
}
