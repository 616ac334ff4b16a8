//! One Bulk job, from its file to its results: a pure state machine.
//!
//! File, create, id durable, upload, close, polls, result sets, records settled span by span.
//! Nothing of a job is written before it is closed, so until then it is given up without harm; from
//! then on only its end tells what became of its records, and every failure is tried again. A restart
//! goes on at the first poll.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::{BulkJob, BulkNews, BulkStep, JobFault, JobProgress, LaneSpan};
use crate::core::outcome::{ErrorClass, RequestFailure};
use crate::core::retry::{Backoff, Jitter};
use crate::core::time::{Micros, Tick};

/// Between two polls lies half the time since the job was closed, within these bounds: a job costs
/// few calls however long it takes, and its results come half as late at most.
const POLL_MIN_MS: u64 = 1_000;
const POLL_MAX_MS: u64 = 120_000;

/// Successful, failed, unprocessed.
const RESULT_SETS: u64 = 3;

#[derive(Debug)]
pub struct Job {
    number: u64,
    route: String,
    spans: Vec<LaneSpan>,
    /// Without an outcome when it began here.
    records: u64,
    /// Numbers of its keys; `None` until they are read after a restart.
    keys: Option<HashSet<u64>>,
    id: Option<Arc<str>>,
    left_out: BTreeSet<u64>,
    /// Rows in the upload; `None` after a restart.
    sent: Option<u64>,
    at: Micros,
    stage: Stage,
    /// An order is being carried out.
    busy: bool,
    due: Tick,
    closed_at: Tick,
    failures: u32,
    processed: u64,
    has_results: bool,
    /// Why it is given up, or failed as a whole.
    failure: Option<RequestFailure>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Scan,
    Spool,
    Create,
    /// The id becomes durable.
    Record,
    Upload,
    Close,
    Poll,
    Collect,
    Settle(usize),
    Abort,
    Over,
}

/// What the pipeline must do about news.
#[derive(Debug, PartialEq)]
pub enum Turn {
    GoOn,
    /// Salesforce answered, and the job goes on.
    Reached,
    /// Make the id durable, then [`Job::note_recorded`].
    Record,
    /// The call failed as any other would: the circuit is to know.
    Failed(RequestFailure),
    /// Nothing is left to do.
    Over,
}

impl Job {
    #[must_use]
    pub fn new(number: u64, route: String, spans: Vec<LaneSpan>, keys: HashSet<u64>) -> Self {
        Self {
            number,
            route,
            records: spans.iter().map(LaneSpan::left).sum(),
            spans,
            keys: Some(keys),
            id: None,
            left_out: BTreeSet::new(),
            sent: None,
            at: Micros(0),
            stage: Stage::Spool,
            busy: false,
            due: Tick(0),
            closed_at: Tick(0),
            failures: 0,
            processed: 0,
            has_results: false,
            failure: None,
        }
    }

    /// A job that a restart found.
    #[must_use]
    pub fn adopt(job: &BulkJob, spans: Vec<LaneSpan>) -> Self {
        Self {
            keys: None,
            id: Some(job.id.as_str().into()),
            left_out: job.left_out.iter().copied().collect(),
            at: job.at,
            stage: Stage::Scan,
            ..Self::new(job.number, job.route.clone(), spans, HashSet::new())
        }
    }

    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    #[must_use]
    pub fn id(&self) -> Option<&Arc<str>> {
        self.id.as_ref()
    }

    #[must_use]
    pub fn keys(&self) -> Option<&HashSet<u64>> {
        self.keys.as_ref()
    }

    #[must_use]
    pub fn spans(&self) -> &[LaneSpan] {
        &self.spans
    }

    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Rows that Salesforce has done, as it last said.
    #[must_use]
    pub fn processed(&self) -> u64 {
        self.processed
    }

    /// Records without an outcome, those left out included.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.spans.iter().map(LaneSpan::left).sum()
    }

    /// Records at its beginning.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    #[must_use]
    pub fn failure(&self) -> Option<&RequestFailure> {
        self.failure.as_ref()
    }

    /// When its upload was about to begin.
    #[must_use]
    pub fn at(&self) -> Micros {
        self.at
    }

    /// Whether its results were read.
    #[must_use]
    pub fn has_results(&self) -> bool {
        self.has_results
    }

    #[must_use]
    pub fn was_left_out(&self, serial: u64) -> bool {
        self.left_out.contains(&serial)
    }

    /// As it is made durable; `None` while Salesforce does not know it.
    #[must_use]
    pub fn durable(&self, ended: bool) -> Option<BulkJob> {
        let mut serials: Vec<(u64, u64)> = Vec::new();
        for LaneSpan { span, .. } in self.spans.iter().filter(|_| !ended) {
            let (first, last) = (span.first, span.first + u64::from(span.count) - 1);
            match serials.last_mut() {
                Some((_, end)) if *end + 1 == first => *end = last,
                _ => serials.push((first, last)),
            }
        }
        Some(BulkJob {
            number: self.number,
            route: self.route.clone(),
            id: self.id.as_ref()?.to_string(),
            serials,
            left_out: self.left_out.iter().copied().filter(|_| !ended).collect(),
            at: self.at,
            ended,
        })
    }

    /// How many calls to Salesforce its next step makes, as far as can be told before.
    #[must_use]
    pub fn calls(&self) -> u64 {
        match self.stage {
            Stage::Create | Stage::Upload | Stage::Close | Stage::Poll | Stage::Abort => 1,
            Stage::Collect => RESULT_SETS,
            Stage::Scan | Stage::Spool | Stage::Record | Stage::Settle(_) | Stage::Over => 0,
        }
    }

    /// Its results are entered, span by span.
    #[must_use]
    pub fn is_settling(&self) -> bool {
        matches!(self.stage, Stage::Settle(_))
    }

    /// When the next step is due; `None` while one is under way or something else is awaited.
    #[must_use]
    pub fn due_at(&self) -> Option<Tick> {
        let waits = self.busy || matches!(self.stage, Stage::Record | Stage::Over);
        (!waits).then_some(self.due)
    }

    /// The next step, once it is due. `avoid` gives the numbers of keys that an older record elsewhere
    /// has.
    pub fn take_step(&mut self, avoid: impl FnOnce() -> HashSet<u64>) -> Option<BulkStep> {
        let id = self.id.clone();
        let step = match self.stage {
            Stage::Scan => BulkStep::Scan(self.spans.clone()),
            Stage::Spool => BulkStep::Spool {
                spans: self.spans.clone(),
                avoid: avoid(),
            },
            Stage::Create => BulkStep::Create,
            Stage::Upload => BulkStep::Upload(id?),
            Stage::Close => BulkStep::Close(id?),
            Stage::Poll => BulkStep::Poll(id?),
            Stage::Collect => BulkStep::Collect {
                id: id?,
                sent: self.sent,
            },
            Stage::Settle(place) => BulkStep::Settle(self.spans.get(place)?.clone()),
            Stage::Abort => BulkStep::Abort(id?),
            Stage::Record | Stage::Over => return None,
        };
        self.busy = true;
        Some(step)
    }

    /// The id is on disk.
    pub fn note_recorded(&mut self) {
        if self.stage == Stage::Record {
            self.stage = Stage::Upload;
        }
    }

    /// Takes what came of the last step, pieces apart.
    pub fn take(
        &mut self,
        news: BulkNews,
        now: (Tick, Micros),
        backoff: Backoff,
        jitter: &mut Jitter,
    ) -> Turn {
        self.busy = false;
        let (tick, wall) = now;
        if !matches!(news, BulkNews::Failed { .. }) {
            self.failures = 0;
            self.due = tick;
        }
        match (self.stage, news) {
            (Stage::Scan, BulkNews::Scanned(keys)) => {
                // Rows without a key were not taken into a job.
                self.keys = Some(keys.into_iter().flatten().collect());
                self.closed_at = tick;
                self.stage = Stage::Poll;
                Turn::GoOn
            }
            (Stage::Spool, BulkNews::Spooled { records, left_out }) => {
                self.sent = Some(records);
                self.left_out = left_out;
                if records == 0 {
                    return self.end();
                }
                self.stage = Stage::Create;
                Turn::GoOn
            }
            (Stage::Create, BulkNews::Created(id)) => {
                self.id = Some(id);
                self.at = wall;
                self.stage = Stage::Record;
                Turn::Record
            }
            (Stage::Upload, BulkNews::Done) => {
                self.stage = Stage::Close;
                Turn::Reached
            }
            (Stage::Close, BulkNews::Done) => {
                self.closed_at = tick;
                self.poll_later(tick);
                Turn::Reached
            }
            (Stage::Abort, BulkNews::Done) => self.end(),
            (
                Stage::Poll,
                BulkNews::State {
                    progress,
                    processed,
                    failure,
                },
            ) => {
                self.processed = processed;
                match progress {
                    JobProgress::Ended => {
                        self.failure = failure;
                        self.stage = Stage::Collect;
                    }
                    // Closing it was not heard.
                    JobProgress::Open if self.sent.is_some() => self.stage = Stage::Close,
                    // What it holds of its file, nobody knows.
                    JobProgress::Open => self.stage = Stage::Abort,
                    JobProgress::Working => self.poll_later(tick),
                }
                Turn::Reached
            }
            (Stage::Collect, BulkNews::Collected(_)) => {
                self.has_results = true;
                self.stage = Stage::Settle(0);
                Turn::Reached
            }
            (_, BulkNews::Failed { kind, failure }) => {
                self.take_failure(kind, failure, tick, backoff, jitter)
            }
            // An answer to what was not asked says nothing.
            _ => Turn::GoOn,
        }
    }

    /// Enters the serials of a span that have their outcome now; the next span's turn.
    pub fn note_settled(&mut self, settled: impl IntoIterator<Item = u64>) -> Turn {
        self.busy = false;
        let Stage::Settle(place) = self.stage else {
            return Turn::GoOn;
        };
        if let Some(span) = self.spans.get_mut(place) {
            span.settled.extend(settled);
        }
        self.stage = Stage::Settle(place + 1);
        if place + 1 >= self.spans.len() {
            return self.end();
        }
        Turn::GoOn
    }

    /// Its results are not to be trusted as they are: the rest goes back.
    pub fn give_up(&mut self, failure: RequestFailure) -> Turn {
        self.busy = false;
        self.failure = Some(failure);
        self.end()
    }

    /// The spans that have records without an outcome.
    #[must_use]
    pub fn into_rest(self) -> Vec<LaneSpan> {
        let spans = self.spans.into_iter();
        spans.filter(|span| span.left() > 0).collect()
    }

    fn end(&mut self) -> Turn {
        self.stage = Stage::Over;
        Turn::Over
    }

    fn poll_later(&mut self, now: Tick) {
        self.stage = Stage::Poll;
        let wait = now.since(self.closed_at) / 2;
        self.due = now.plus(wait.clamp(POLL_MIN_MS, POLL_MAX_MS));
    }

    fn take_failure(
        &mut self,
        kind: JobFault,
        failure: RequestFailure,
        now: Tick,
        backoff: Backoff,
        jitter: &mut Jitter,
    ) -> Turn {
        self.failures += 1;
        self.due = now.plus(backoff.delay_ms(self.failures, jitter));
        let passes = matches!(
            failure.class,
            ErrorClass::Network
                | ErrorClass::Unavailable
                | ErrorClass::Auth
                | ErrorClass::Concurrency
        );
        match (self.stage, kind) {
            (Stage::Scan | Stage::Spool | Stage::Create, JobFault::File) => self.give_up(failure),
            (Stage::Create, _) if !passes => self.give_up(failure),
            (Stage::Upload, JobFault::File) => {
                self.failure = Some(failure);
                self.stage = Stage::Abort;
                Turn::GoOn
            }
            // Salesforce ends a job that it does not know as it likes: nothing runs any more.
            (Stage::Upload | Stage::Close | Stage::Poll | Stage::Collect, JobFault::Gone) => {
                self.give_up(failure)
            }
            (Stage::Upload, _) => {
                // A second upload is not allowed: another job, with the same records. Whatever is
                // in this one, it is not what was meant.
                self.sent = None;
                self.stage = Stage::Abort;
                if passes {
                    return Turn::Failed(failure);
                }
                self.failure = Some(failure);
                Turn::Reached
            }
            (Stage::Close | Stage::Poll | Stage::Collect, JobFault::WrongState) => {
                self.poll_later(now);
                Turn::Reached
            }
            // It was not closed: at worst it stays open, and is dropped after a day.
            (Stage::Abort, JobFault::Gone) => self.end(),
            (Stage::Abort, JobFault::WrongState) => {
                self.poll_later(now);
                Turn::Reached
            }
            _ => Turn::Failed(failure),
        }
    }
}
