//! What comes back from Bulk jobs: each record's result is entered as a call's would be; what has
//! none, or may be tried again, is parked as before and goes by calls, or by another job when it is
//! much.

use std::sync::Arc;

use super::{Pipeline, refusals};
use crate::core::bulk::job::{Job, Turn};
use crate::core::bulk::lane::Suspension;
use crate::core::bulk::{BulkAnswer, BulkNews, BulkOrder, BulkStep};
use crate::core::change::RouteId;
use crate::core::entry::{Attempt, Entry, ParkedRecord, ServiceEvent, Subject};
use crate::core::outcome::{Disposition, ErrorClass, RecordResult, RequestFailure};
use crate::core::time::{Micros, Now};

/// How long calls are used after a job that did not work out; doubles with each.
const SUSPENDED_MS: u64 = 60_000;
const SUSPENDED_AT_MOST_MS: u64 = 3_600_000;

/// When a job's records left and when their results came.
#[derive(Clone, Copy)]
struct Timing {
    batch: u64,
    sent_at: Micros,
    answered_at: Micros,
}

impl Pipeline {
    pub(super) fn take_bulk(&mut self, answer: BulkAnswer, now: Now) {
        let index = usize::from(answer.route.0);
        // A call that Salesforce refused because there are none left has cost none.
        let spent = match &answer.news {
            BulkNews::Failed { failure, .. } if failure.class == ErrorClass::Quota => 0,
            _ => u64::from(answer.api_calls),
        };
        let Some(route) = self.routes.get_mut(index) else {
            return;
        };
        if answer.job == 0 {
            match answer.news {
                BulkNews::Scanned(Some(keys)) => route.lane.note_scanned(keys),
                _ => {
                    route.parking.take_back(route.lane.give_back_scanned());
                    route.lane.suspension = Some(Suspension {
                        failure: None,
                        until: now.tick.plus(SUSPENDED_MS),
                        attempt: 0,
                    });
                }
            }
            return;
        }
        let Some(job) = route.lane.job.as_mut() else {
            return;
        };
        if job.number() != answer.job {
            return;
        }
        let calls = job.calls();
        let turn = match answer.news {
            BulkNews::Piece(records) => {
                let timing = Timing {
                    batch: job.number(),
                    sent_at: job.at(),
                    answered_at: answer.answered_at,
                };
                self.take_piece(answer.route, records, timing, now)
            }
            news => {
                let time = (now.tick, now.wall);
                job.take(news, time, self.settings.backoff, &mut self.jitter)
            }
        };
        if calls > 0 {
            self.note_job_answered(calls, spent);
        }
        if calls > 0 && !matches!(turn, Turn::Failed(_)) {
            self.note_reachable(answer.route);
        }
        match turn {
            Turn::GoOn | Turn::Reached => {}
            Turn::Record => self.record_job(answer.route),
            Turn::Failed(failure) => self.open_circuit(answer.route, failure, now),
            Turn::Over => self.end_job(answer.route, now),
        }
    }

    fn record_job(&mut self, route: RouteId) {
        let Some(job) = &self.routes[usize::from(route.0)].lane.job else {
            return;
        };
        self.jobs.extend(job.durable(false));
        self.entries.push(Entry::Service {
            event: ServiceEvent::BulkCreated,
            detail: format!("{}: {} records", self.name_of(route, job), job.left()),
        });
    }

    fn name_of(&self, route: RouteId, job: &Job) -> String {
        let name = &self.routes[usize::from(route.0)].name;
        let id = job.id().map(|id| format!(" ({id})")).unwrap_or_default();
        format!("route {name}: Bulk job {}{id}", job.number())
    }

    /// Enters the results of one span.
    fn take_piece(
        &mut self,
        id: RouteId,
        records: Vec<(ParkedRecord, Option<RecordResult>)>,
        timing: Timing,
        now: Now,
    ) -> Turn {
        let Some(job) = &self.routes[usize::from(id.0)].lane.job else {
            return Turn::GoOn;
        };
        let sent = records.into_iter().filter_map(|(record, result)| {
            let result = result.filter(|_| !job.was_left_out(record.serial))?;
            Some((record, result))
        });
        let (records, results): (Vec<ParkedRecord>, Vec<RecordResult>) = sent.unzip();
        let mut settled = Vec::new();
        let key = |record: &ParkedRecord| Arc::clone(&record.subject.image.key);
        let keys: Vec<Arc<str>> = records.iter().map(key).collect();
        let together = refusals::together(&results, &keys, &mut self.route(id).refused);
        for (record, result) in records.into_iter().zip(results) {
            let waits = together.as_ref().is_some_and(|it| it.concerns(&result));
            let serial = record.serial;
            if !waits && self.take_result(id, record, result, timing) {
                settled.push(serial);
            }
        }
        if let Some(together) = together {
            self.open_circuit(id, together.failure, now);
        }
        let next_commit = self.commits_made + 1;
        let lane = &mut self.route(id).lane;
        lane.settled_in = next_commit;
        match &mut lane.job {
            Some(job) => job.note_settled(settled),
            None => Turn::GoOn,
        }
    }

    /// Returns whether the record has its outcome.
    fn take_result(
        &mut self,
        id: RouteId,
        record: ParkedRecord,
        result: RecordResult,
        timing: Timing,
    ) -> bool {
        let serial = record.serial;
        let number = self.route(id).parking.attempts(serial) + 1;
        let attempt = Attempt {
            batch: timing.batch,
            number,
            sent_at: timing.sent_at,
            answered_at: timing.answered_at,
        };
        let subject = Subject {
            parked: Some(serial),
            ..record.subject
        };
        let rejection = match result {
            RecordResult::Delivered {
                id: salesforce_id,
                created,
            } => {
                self.route(id).parking.take_attempts(serial);
                self.entries.push(Entry::Delivered {
                    subject,
                    salesforce_id,
                    created,
                    attempt,
                });
                return true;
            }
            RecordResult::Rejected(rejection) => rejection,
        };
        let passes = matches!(
            rejection.disposition,
            Disposition::Backoff | Disposition::Split
        );
        let most = refusals::most_attempts(&rejection, self.settings.record_attempts);
        if passes && number < most {
            self.route(id).parking.note_attempts(serial, number);
            self.entries.push(Entry::Retried {
                subject,
                class: rejection.class,
                code: rejection.code,
                attempt,
            });
            return false;
        }
        self.route(id).parking.take_attempts(serial);
        if let Some(rule) = self.route(id).policy.skips(&rejection) {
            self.entries.push(Entry::SkippedRecord {
                subject,
                rule,
                code: rejection.code,
                attempt,
            });
            return true;
        }
        let letter = self.next_letter();
        let open = self.sent_letter(&subject);
        self.entries.push(Entry::DeadLettered {
            subject,
            letter,
            class: rejection.class,
            code: rejection.code,
            errors: rejection.errors,
            attempt: Some(attempt),
            open,
        });
        true
    }

    /// What has no outcome is parked again, before everything newer.
    fn end_job(&mut self, id: RouteId, now: Now) {
        let route = &mut self.routes[usize::from(id.0)];
        let Some(job) = route.lane.job.take() else {
            return;
        };
        let name = self.name_of(id, &job);
        let (left, all) = (job.left(), job.records());
        let failure = job.failure().cloned();
        // A job that settled little would be followed by one that settles little.
        let failure = failure.or_else(|| (job.has_results() && left > all / 2).then(no_results));
        let (event, detail) = match &failure {
            Some(failure) => (
                ServiceEvent::BulkGivenUp,
                format!(
                    "{name}: {}: {}: {left} of {all} records are sent again",
                    failure.page,
                    failure.line()
                ),
            ),
            None => (
                ServiceEvent::BulkFinished,
                format!("{name}: {left} of {all} records are sent again"),
            ),
        };
        self.entries.push(Entry::Service { event, detail });
        self.jobs.extend(job.durable(true));
        self.forgotten.push(BulkOrder {
            route: id,
            job: job.number(),
            step: BulkStep::Forget,
        });
        let route = self.route(id);
        route.lane.suspension = failure.filter(|_| left > 0).map(|failure| {
            let before = route.lane.suspension.as_ref().map_or(0, |it| it.attempt);
            let wait = SUSPENDED_MS << before.min(10);
            Suspension {
                failure: Some(failure),
                until: now.tick.plus(wait.min(SUSPENDED_AT_MOST_MS)),
                attempt: before + 1,
            }
        });
        route.parking.take_back(job.into_rest());
    }
}

fn no_results() -> RequestFailure {
    RequestFailure {
        class: ErrorClass::Unknown,
        page: "LS2101",
        code: "NO_RESULT".to_owned(),
        text: "most records of the job came without an outcome".to_owned(),
        disposition: Disposition::Backoff,
        unknown: true,
        retry_after_ms: None,
    }
}
