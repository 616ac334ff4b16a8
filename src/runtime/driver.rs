//! The only select loop. It decides nothing: inputs go to the pipeline, effects come back and are
//! carried out.
//!
//! The order of the arms is the order of importance: shutdown, then what is durable, then answers
//! from Salesforce, then parked records read back, then timers, then commands, then new changes. New
//! changes come last so that a flood of them never delays an outcome.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use prometheus::Histogram;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{Id, JoinSet};
use tracing::{Instrument, Span};

use super::commands::Command;
use super::shutdown::{self, Signal};
use super::status::{Published, Stage};
use super::{Error, clock};
use crate::capture::{CaptureEvent, SnapshotOrder};
use crate::core::entry::{Commit, Entry, ParkedRecord, ParkedSpan, ServiceEvent};
use crate::core::mapping::Plan;
use crate::core::outcome::{CallId, CallOutcome, Disposition, ErrorClass, RequestFailure};
use crate::core::pipeline::{Call, Effect, Input, Pipeline, SnapshotInput};
use crate::core::position::Checkpoint;
use crate::core::time::{Micros, Tick};
use crate::delivery::{AutoAssign, CallReport, OnDuplicate, Org, UpsertCall, UpsertRecord};
use crate::state::{CommitReceipt, IndexHandle, JournalHandle, Room, Spool};
use crate::telemetry::metrics::Metrics;
use budget::UsageQuestion;
use bulk::Bulk;
use describing::Descriptions;
use letters::Letters;
use reporting::source_trouble;
use snapshots::{SnapshotSource, Snapshots};

mod acts;
mod budget;
mod bulk;
pub(super) mod describing;
mod fields;
mod history;
mod letters;
pub(super) mod reporting;
mod room;
pub(super) mod schemas;
pub(super) mod snapshots;

/// What the loop needs from the outside.
pub(super) struct Parts {
    pub pipeline: Pipeline,
    pub journal: JournalHandle,
    pub index: IndexHandle,
    pub org: Org,
    pub spool: Spool,
    pub routes: Vec<RouteTarget>,
    pub window: Arc<Semaphore>,
    pub room: watch::Receiver<Room>,
    pub capture: mpsc::Receiver<CaptureEvent>,
    pub snapshot_orders: mpsc::Sender<SnapshotOrder>,
    pub snapshot_source: SnapshotSource,
    pub commands: mpsc::Receiver<Command>,
    pub capture_stop: shutdown::Trigger,
    pub signal: Signal,
    pub shutdown_grace_ms: u64,
    pub published: Published,
    pub metrics: Metrics,
    pub checkpoint: Checkpoint,
    pub schemas: schemas::Schemas,
}

/// Where a route's records go.
pub(super) struct RouteTarget {
    pub name: String,
    pub plan: Arc<Plan>,
    pub auto_assign: AutoAssign,
    pub on_duplicate: OnDuplicate,
}

/// Commits handed over and not yet durable: above it no new changes are taken. The journal's own
/// queue holds more, so that outcomes always find room.
const MAX_COMMITS_OUTSTANDING: usize = 256;

/// Wider than what can be outstanding.
const MAX_ANSWERS_OUTSTANDING: usize = 4 * MAX_COMMITS_OUTSTANDING;

/// The published status is at most this old.
const PUBLISH_EVERY_MS: u64 = 100;

/// With fewer calls left, none is spent on what duplicate rules found.
const CALLS_FOR_MATCHES: u64 = 100;

type Read = Result<(ParkedSpan, Vec<ParkedRecord>), crate::state::Error>;

struct Written {
    result: Result<CommitReceipt, crate::state::Error>,
    release: u32,
    checkpoint: Option<Checkpoint>,
    handed_over: Instant,
}

pub(super) struct Driver {
    parts: Parts,
    /// By `RouteId`: looking it up by name for each record would cost more than observing it.
    freshness: Vec<Histogram>,
    calls: JoinSet<(CallId, CallReport)>,
    call_of_task: HashMap<Id, (CallId, Span)>,
    /// Around the spans of batches.
    span: Span,
    reads: JoinSet<Read>,
    usage: UsageQuestion,
    snapshots: Snapshots,
    letters: Letters,
    bulk: Bulk,
    descriptions: Descriptions,
    written_sender: mpsc::Sender<Written>,
    written: mpsc::Receiver<Written>,
    commits_outstanding: usize,
    checkpoint_at: Option<Micros>,
    published_at: Tick,
    dirty: bool,
    capture_over: bool,
    noted_stop: bool,
}

impl Driver {
    pub fn new(parts: Parts, describing: describing::Describing) -> Self {
        let (written_sender, written) = mpsc::channel(MAX_ANSWERS_OUTSTANDING);
        let freshness = parts
            .routes
            .iter()
            .map(|route| parts.metrics.freshness.with_label_values(&[&route.name]))
            .collect();
        let mut driver = Self {
            bulk: Bulk::new(parts.spool.clone()),
            descriptions: Descriptions::new(describing),
            parts,
            freshness,
            calls: JoinSet::new(),
            call_of_task: HashMap::new(),
            span: tracing::info_span!("pipeline"),
            reads: JoinSet::new(),
            usage: UsageQuestion::default(),
            snapshots: Snapshots::default(),
            letters: Letters::default(),
            written_sender,
            written,
            commits_outstanding: 0,
            checkpoint_at: None,
            published_at: Tick(0),
            dirty: true,
            capture_over: false,
            noted_stop: false,
        };
        driver.note_calls_of_start();
        let recovered = driver.parts.pipeline.snapshot().cloned();
        driver.count_snapshots_from(recovered);
        driver
    }

    /// Runs until the wish to stop has been carried out.
    pub async fn run(mut self) -> Result<(), Error> {
        self.note_room();
        let detail = format!("leadstream {}", env!("CARGO_PKG_VERSION"));
        self.step(Input::Note {
            event: ServiceEvent::Started,
            detail,
        })?;
        self.step(Input::Snapshot(SnapshotInput::Resume))?;
        self.step(Input::Timer)?;
        // Whoever sees the stream stand is to see the rest as well.
        self.publish();
        let mut stopping = false;
        let mut grace_over: Option<Tick> = None;
        loop {
            if stopping && self.parts.pipeline.is_stopped() {
                if self.noted_stop {
                    self.publish();
                    return Ok(());
                }
                self.noted_stop = true;
                let detail = "asked to stop".to_owned();
                self.step(Input::Note {
                    event: ServiceEvent::Stopped,
                    detail,
                })?;
                continue;
            }
            let now = clock::tick();
            if self.dirty && now.since(self.published_at) >= PUBLISH_EVERY_MS {
                self.publish();
            }
            let wake = self.parts.pipeline.next_wake(now);
            let describe_at = self.descriptions.due();
            let publish_at = self.dirty.then(|| self.published_at.plus(PUBLISH_EVERY_MS));
            let takes_changes = !stopping
                && !self.capture_over
                && self.commits_outstanding < MAX_COMMITS_OUTSTANDING
                && self.parts.pipeline.has_room();
            tokio::select! {
                biased;
                () = shutdown::requested(&mut self.parts.signal), if !stopping => {
                    stopping = true;
                    grace_over = Some(now.plus(self.parts.shutdown_grace_ms));
                    self.parts.capture_stop.pull();
                    self.parts.published.update(|status| status.stage = Stage::Stopping);
                    tracing::info!(in_flight = self.calls.len(), "stopping: waiting for calls in flight");
                    self.step(Input::Stop)?;
                }
                Some(written) = self.written.recv() => self.take_written(written)?,
                Some(joined) = self.calls.join_next_with_id() => self.take_joined(joined)?,
                Some(read) = self.reads.join_next() => self.take_read(read)?,
                Some(read) = self.letters.reads.join_next() => self.take_letters(read)?,
                Some(told) = self.usage.asked.join_next() => self.take_usage(told)?,
                Some(step) = self.bulk.tasks.join_next() => self.take_bulk(step)?,
                Some(told) = self.descriptions.asked.join_next() => self.take_descriptions(told)?,
                () = until(grace_over) => {
                    grace_over = None;
                    tracing::warn!(calls = self.calls.len(), "grace is over: calls in flight are given up and will be repeated");
                    self.parts.journal.wait_for_room_no_longer();
                    self.step(Input::GraceOver)?;
                }
                Ok(()) = self.parts.room.changed() => self.take_room()?,
                () = until(wake) => self.step(Input::Timer)?,
                () = until(publish_at) => self.publish(),
                () = until(describe_at), if !stopping => self.ask_descriptions_by_time(),
                Some(checked) = self.snapshots.checks.join_next() => self.take_checked(checked)?,
                Some(command) = self.parts.commands.recv(), if !stopping => self.take_command(command)?,
                () = snapshots::room(&self.parts.snapshot_orders), if self.snapshots.owes_orders() => {
                    self.send_orders();
                }
                event = self.parts.capture.recv(), if takes_changes => self.take_event(event)?,
            }
        }
    }

    fn step(&mut self, input: Input) -> Result<(), Error> {
        let effects = self.parts.pipeline.step(input, clock::now());
        self.dirty = true;
        self.ask_usage();
        self.ask_descriptions_by_wish();
        for effect in effects {
            match effect {
                Effect::Send(call) => self.send(call),
                Effect::Commit { commit, release } => self.commit(commit, release)?,
                Effect::Release(bytes) => self.parts.window.add_permits(bytes as usize),
                Effect::ReadLetters(numbers) => self.read_letters(numbers),
                Effect::Order(order) => self.snapshots.note_order(order),
                Effect::Bulk(order) => self.carry_out(order),
                Effect::ReadParked { span, settled } => {
                    let journal = self.parts.journal.clone();
                    self.reads.spawn_blocking(move || {
                        let records = journal.read_parked(&span, &settled)?;
                        Ok((span, records))
                    });
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, call: Call) {
        let target = &self.parts.routes[usize::from(call.route.0)];
        let calls = self.parts.pipeline.affordable_calls();
        let span = tracing::info_span!(
            parent: &self.span,
            "batch",
            batch_id = call.id.0,
            object = &*target.plan.object,
            op = "upsert",
        );
        // Entered, not named as the parent: a JSON line lists the spans that are entered.
        span.in_scope(|| {
            tracing::debug!(route = target.name, records = call.records.len(), "sending");
        });
        let request = UpsertCall {
            object: Arc::clone(&target.plan.object),
            external_id: Arc::clone(&target.plan.external_id),
            auto_assign: target.auto_assign.clone(),
            on_duplicate: target.on_duplicate,
            show_matches: calls.is_none_or(|left| left >= CALLS_FOR_MATCHES),
            records: call
                .records
                .iter()
                .map(|image| UpsertRecord {
                    key: Arc::clone(&image.key),
                    payload: Arc::clone(&image.payload),
                })
                .collect(),
        };
        let org = self.parts.org.clone();
        let id = call.id;
        crate::failpoint::hit("driver.before_send");
        let work = async move { (id, org.upsert(request).await) };
        let task = self.calls.spawn(work.instrument(span.clone()));
        self.call_of_task.insert(task.id(), (id, span));
    }

    fn commit(&mut self, mut commit: Commit, release: u32) -> Result<(), Error> {
        // Its answer has a place before it is handed over: one that got lost would hold everything
        // up for ever.
        let answer = self
            .written_sender
            .clone()
            .try_reserve_owned()
            .map_err(|_| {
                Error::Commit(crate::state::Error::QueueFull {
                    capacity: MAX_ANSWERS_OUTSTANDING,
                })
            })?;
        self.parts.schemas.join(&mut commit);
        self.observe(&commit);
        let checkpoint = commit.checkpoint.clone();
        #[allow(
            clippy::disallowed_methods,
            reason = "a duration for a histogram, no decision"
        )]
        let handed_over = Instant::now();
        self.commits_outstanding += 1;
        self.letters.note_submitted();
        let done = move |result| {
            answer.send(Written {
                result,
                release,
                checkpoint,
                handed_over,
            });
        };
        self.parts.journal.submit(commit, Box::new(done));
        Ok(())
    }

    fn take_written(&mut self, written: Written) -> Result<(), Error> {
        self.commits_outstanding -= 1;
        let receipt = written.result.map_err(Error::Commit)?;
        crate::failpoint::hit("driver.after_commit");
        self.letters.note_durable();
        self.parts.metrics.commits.inc();
        self.parts
            .metrics
            .commit_duration
            .observe(written.handed_over.elapsed().as_secs_f64());
        if written.release > 0 {
            self.parts.window.add_permits(written.release as usize);
        }
        if let Some(checkpoint) = written.checkpoint {
            self.parts.checkpoint = checkpoint;
            self.checkpoint_at = Some(clock::wall());
        }
        self.step(Input::Durable {
            parked: receipt.parked,
        })
    }

    fn take_joined(
        &mut self,
        joined: Result<(Id, (CallId, CallReport)), tokio::task::JoinError>,
    ) -> Result<(), Error> {
        crate::failpoint::hit("driver.after_answer");
        let task = joined
            .as_ref()
            .map_or_else(tokio::task::JoinError::id, |(task, _)| *task);
        let Some((call, span)) = self.call_of_task.remove(&task) else {
            return Ok(());
        };
        let report = match joined {
            Ok((_, (_, report))) => report,
            Err(_) => {
                span.in_scope(|| {
                    tracing::error!("a call's task failed; its outcome is unknown");
                });
                lost_call()
            }
        };
        span.in_scope(|| self.observe_report(&report));
        self.note_usage();
        self.step(Input::Answered {
            call,
            outcome: report.outcome,
            sent_at: report.sent_at,
            answered_at: report.answered_at,
            api_calls: report.api_calls,
        })
    }

    fn take_read(&mut self, read: Result<Read, tokio::task::JoinError>) -> Result<(), Error> {
        match read {
            Ok(Ok((span, records))) => self.step(Input::ParkedRead { span, records }),
            Ok(Err(error)) => Err(Error::State(error)),
            Err(_) => Err(Error::ReadEnded),
        }
    }

    fn take_event(&mut self, event: Option<CaptureEvent>) -> Result<(), Error> {
        match event {
            Some(CaptureEvent::Chunk(chunk)) => {
                crate::failpoint::hit("driver.after_capture");
                return self.step(Input::Captured(chunk));
            }
            Some(CaptureEvent::Connected {
                server_version,
                file,
            }) => {
                tracing::info!(server_version, position = %file, "capture is streaming");
                return self.take_connected(server_version);
            }
            Some(CaptureEvent::Waiting(waiting)) => return self.take_waiting(waiting),
            Some(CaptureEvent::HistoryLost {
                error,
                page,
                from,
                to,
            }) => return self.take_history_lost(page, &error, &from, &to),
            Some(CaptureEvent::Reconnecting {
                error,
                page,
                remedy,
                attempt,
                delay_ms,
            }) => {
                let trouble = source_trouble(page, error, remedy, attempt, delay_ms);
                self.note_reconnect(trouble);
            }
            Some(CaptureEvent::Doubted { tables, passed }) => {
                self.parts.schemas.doubt(tables, passed);
            }
            Some(CaptureEvent::Snapshot(number, news)) => return self.take_news(number, news),
            Some(CaptureEvent::Stopped { error }) => {
                self.capture_over = true;
                self.note_capture_stopped(&error);
                let detail = format!("{}: {error}", error.page());
                return self.step(Input::Note {
                    event: ServiceEvent::CaptureStopped,
                    detail,
                });
            }
            None => return Err(Error::CaptureEnded),
        }
        Ok(())
    }
}

/// Waits for a tick, for ever without one.
async fn until(tick: Option<Tick>) {
    match tick {
        Some(tick) => tokio::time::sleep_until(clock::instant_of(tick).into()).await,
        None => std::future::pending().await,
    }
}

fn lost_call() -> CallReport {
    let now = clock::wall();
    CallReport {
        outcome: CallOutcome::Failed(RequestFailure {
            class: ErrorClass::Unknown,
            page: "LS6003",
            code: "TASK".to_owned(),
            text: "the call was lost inside leadstream".to_owned(),
            disposition: Disposition::Backoff,
            unknown: true,
            retry_after_ms: None,
        }),
        sent_at: now,
        answered_at: now,
        request_bytes: 0,
        api_calls: 0,
    }
}
