//! Carries out what the pipeline orders for Bulk jobs: beside the loop, each order with one answer.
//!
//! Keeps what is too large for the pipeline between two orders: where a job's file lies, and the
//! results that were read, a few bytes each, until they are joined with the records span by span.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use tokio::task::{JoinError, JoinSet};
use tracing::Instrument;

use super::{Driver, Error, RouteTarget};
use crate::core::bulk::{
    BulkAnswer, BulkNews, BulkOrder, BulkStep, JobFault, JobProgress, LaneSpan, key_number,
};
use crate::core::change::RouteId;
use crate::core::entry::ParkedRecord;
use crate::core::mapping::Plan;
use crate::core::outcome::{Disposition, ErrorClass, RecordResult, Rejection, RequestFailure};
use crate::core::pipeline::Input;
use crate::core::time::Micros;
use crate::delivery::bulk::{
    BulkReport, BulkSpec, CsvHeader, FailureKind, JobFailure, JobId, JobState, MAX_FILE_BYTES,
    ResultRow, ResultSet,
};
use crate::delivery::{AutoAssign, Org, UploadFile};
use crate::runtime::clock;
use crate::state::{self, JournalHandle, Spool, Spooled};

/// The driver's part in Bulk jobs.
pub(super) struct Bulk {
    pub tasks: JoinSet<Result<Finished, state::Error>>,
    spool: Spool,
    files: HashMap<u64, Spooled>,
    results: HashMap<u64, Arc<Results>>,
}

/// An order that was carried out.
pub(super) struct Finished {
    answer: BulkAnswer,
    keep: Keep,
}

enum Keep {
    Nothing,
    File(Spooled),
    Results(Results),
}

/// By the number of the key, which is one of a kind among a job's rows.
type Results = HashMap<u64, Told>;

/// A result in few bytes: most are successes.
enum Told {
    Delivered {
        id: [u8; 18],
        created: bool,
    },
    Rejected(Box<Rejection>),
    Unprocessed,
    /// Told twice, in two ways: it is not known.
    Contradicted,
}

/// What an order works with.
struct Worker {
    org: Org,
    journal: JournalHandle,
    spool: Spool,
    plan: Arc<Plan>,
    assignment_rule: Option<Arc<str>>,
    job: u64,
    file: Option<Spooled>,
    results: Option<Arc<Results>>,
}

/// What came of an order, and the calls that it took.
struct Outcome {
    news: BulkNews,
    keep: Keep,
    sent_at: Micros,
    answered_at: Micros,
    api_calls: u32,
}

impl UploadFile for Spooled {
    fn open(&self) -> std::io::Result<Box<dyn std::io::Read + Send>> {
        self.read()
    }
}

impl Bulk {
    pub(super) fn new(spool: Spool) -> Self {
        Self {
            tasks: JoinSet::new(),
            spool,
            files: HashMap::new(),
            results: HashMap::new(),
        }
    }

    /// Bytes of the files on disk.
    pub(super) fn spool_bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }

    fn forget(&mut self, job: u64) {
        self.results.remove(&job);
        if self.files.remove(&job).is_some()
            && let Err(error) = self.spool.remove(job)
        {
            tracing::warn!(page = error.page(), remedy = error.remedy(), "{error}");
        }
    }
}

impl Driver {
    pub(super) fn carry_out(&mut self, order: BulkOrder) {
        let BulkOrder { route, job, step } = order;
        if matches!(step, BulkStep::Forget) {
            return self.bulk.forget(job);
        }
        let target: &RouteTarget = &self.parts.routes[usize::from(route.0)];
        let worker = Worker {
            org: self.parts.org.clone(),
            journal: self.parts.journal.clone(),
            spool: self.bulk.spool.clone(),
            plan: Arc::clone(&target.plan),
            assignment_rule: match &target.auto_assign {
                AutoAssign::Rule(id) => Some(Arc::clone(id)),
                AutoAssign::Off | AutoAssign::On => None,
            },
            job,
            file: self.bulk.files.get(&job).cloned(),
            results: self.bulk.results.get(&job).cloned(),
        };
        let span = tracing::info_span!(
            parent: &self.span,
            "batch",
            batch_id = job,
            object = &*target.plan.object,
            op = op(&step),
        );
        let work = async move {
            let Outcome {
                news,
                keep,
                sent_at,
                answered_at,
                api_calls,
            } = worker.carry_out(step).await?;
            let answer = BulkAnswer {
                route,
                job,
                news,
                sent_at,
                answered_at,
                api_calls,
            };
            Ok(Finished { answer, keep })
        };
        self.bulk.tasks.spawn(work.instrument(span));
    }

    pub(super) fn take_bulk(
        &mut self,
        joined: Result<Result<Finished, state::Error>, JoinError>,
    ) -> Result<(), Error> {
        let Finished { answer, keep } = match joined {
            Ok(finished) => finished.map_err(Error::State)?,
            Err(_) => return Err(Error::ReadEnded),
        };
        match keep {
            Keep::Nothing => {}
            Keep::File(file) => {
                self.bulk.files.insert(answer.job, file);
            }
            Keep::Results(results) => {
                self.bulk.results.insert(answer.job, Arc::new(results));
            }
        }
        self.observe_bulk(&answer);
        self.step(Input::Bulk(answer))
    }

    fn observe_bulk(&self, answer: &BulkAnswer) {
        let BulkNews::Failed { failure, .. } = &answer.news else {
            return;
        };
        let class = failure.class.as_str();
        let errors = &self.parts.metrics.errors;
        errors.with_label_values(&["request", class]).inc();
        let RouteId(route) = answer.route;
        let route = &self.parts.routes[usize::from(route)].name;
        tracing::warn!(
            page = failure.page,
            code = failure.code,
            route,
            job = answer.job,
            "a step of a Bulk job failed: {}",
            failure.text
        );
    }
}

impl Worker {
    async fn carry_out(self, step: BulkStep) -> Result<Outcome, state::Error> {
        match step {
            BulkStep::Scan(spans) => {
                let news = local(move || self.scan(&spans)).await?;
                Ok(Outcome::local(news, Keep::Nothing))
            }
            BulkStep::Spool { spans, avoid } => {
                let (news, keep) = local(move || self.write_file(&spans, &avoid)).await?;
                Ok(Outcome::local(news, keep))
            }
            BulkStep::Settle(span) => {
                let news = local(move || self.join(&span)).await?;
                Ok(Outcome::local(news, Keep::Nothing))
            }
            BulkStep::Create => {
                crate::failpoint::hit("bulk.before_create");
                let report = self.org.bulk_create(&self.spec()).await;
                crate::failpoint::hit("bulk.after_create");
                Ok(Outcome::of(report, |id| {
                    BulkNews::Created(id.as_str().into())
                }))
            }
            BulkStep::Upload(id) => Ok(self.upload(&id).await),
            BulkStep::Close(id) => {
                let Some(id) = JobId::parse(&id) else {
                    return Ok(no_id());
                };
                let report = self.org.bulk_close(&id).await;
                crate::failpoint::hit("bulk.after_close");
                Ok(Outcome::of(report, |_| BulkNews::Done))
            }
            BulkStep::Abort(id) => {
                let Some(id) = JobId::parse(&id) else {
                    return Ok(no_id());
                };
                Ok(Outcome::of(self.org.bulk_abort(&id).await, |_| {
                    BulkNews::Done
                }))
            }
            BulkStep::Poll(id) => {
                let Some(id) = JobId::parse(&id) else {
                    return Ok(no_id());
                };
                let report = self.org.bulk_state(&id).await;
                Ok(Outcome::of(report, |status| BulkNews::State {
                    progress: match status.state {
                        JobState::Open => JobProgress::Open,
                        state if state.is_terminal() => JobProgress::Ended,
                        _ => JobProgress::Working,
                    },
                    processed: status.processed,
                    failure: status.error,
                }))
            }
            BulkStep::Collect { id, sent } => Ok(self.collect(&id, sent).await),
            // Done by the driver itself.
            BulkStep::Forget => Ok(Outcome::local(BulkNews::Done, Keep::Nothing)),
        }
    }

    fn spec(&self) -> BulkSpec {
        BulkSpec {
            object: Arc::clone(&self.plan.object),
            external_id: Arc::clone(&self.plan.external_id),
            assignment_rule: self.assignment_rule.clone(),
        }
    }

    fn number_of(&self, key: &Arc<str>) -> u64 {
        key_number(&self.plan.comparable_key(key))
    }

    fn scan(&self, spans: &[LaneSpan]) -> Result<BulkNews, state::Error> {
        let mut keys = Vec::new();
        for LaneSpan { span, settled } in spans {
            for record in self.journal.read_parked(span, settled)? {
                let image = &record.subject.image;
                if image.source_row().is_some() {
                    return Ok(BulkNews::Scanned(None));
                }
                keys.push(self.number_of(&image.key));
            }
        }
        Ok(BulkNews::Scanned(Some(keys)))
    }

    fn write_file(
        &self,
        spans: &[LaneSpan],
        avoid: &HashSet<u64>,
    ) -> Result<(BulkNews, Keep), state::Error> {
        let unwritten = |text: String| {
            let failure = file_failure(text);
            let kind = JobFault::File;
            (BulkNews::Failed { kind, failure }, Keep::Nothing)
        };
        let header = match CsvHeader::new(&self.plan.external_id, self.plan.field_names()) {
            Ok(header) => header,
            Err(fault) => return Ok(unwritten(fault.to_string())),
        };
        let mut file = match self.spool.create(self.job) {
            Ok(file) => file,
            Err(error) => return Ok(unwritten(error.to_string())),
        };
        header.write(file.buffer());
        let (mut seen, mut left_out, mut records) = (HashSet::new(), BTreeSet::new(), 0);
        for LaneSpan { span, settled } in spans {
            for ParkedRecord {
                serial, subject, ..
            } in self.journal.read_parked(span, settled)?
            {
                let image = &subject.image;
                let number = self.number_of(&image.key);
                let before = file.buffer().len();
                let fits = !avoid.contains(&number)
                    && seen.insert(number)
                    && header
                        .write_row(&image.key, &image.payload, file.buffer())
                        .is_ok();
                if !fits || file.bytes() > MAX_FILE_BYTES {
                    file.buffer().truncate(before);
                    left_out.insert(serial);
                    continue;
                }
                records += 1;
                if let Err(error) = file.flush_some() {
                    return Ok(unwritten(error.to_string()));
                }
            }
        }
        match file.finish() {
            Ok(file) => Ok((BulkNews::Spooled { records, left_out }, Keep::File(file))),
            Err(error) => Ok(unwritten(error.to_string())),
        }
    }

    async fn upload(&self, id: &str) -> Outcome {
        let (Some(id), Some(file)) = (JobId::parse(id), self.file.clone()) else {
            return no_id();
        };
        let bytes = file.bytes;
        crate::failpoint::hit("bulk.before_upload");
        let report = self.org.bulk_upload(&id, Arc::new(file), bytes).await;
        crate::failpoint::hit("bulk.after_upload");
        Outcome::of(report, |()| BulkNews::Done)
    }

    /// Reads result sets until every row that was sent is found.
    async fn collect(&self, id: &str, sent: Option<u64>) -> Outcome {
        let Some(id) = JobId::parse(id) else {
            return no_id();
        };
        // Known before, so that it never stands beside a copy of half its size while it grows.
        let known = usize::try_from(sent.unwrap_or(0)).unwrap_or(0);
        let mut results = Results::with_capacity(known);
        let mut calls = 0;
        let mut first = None;
        for set in ResultSet::ALL {
            let (plan, all) = (&self.plan, &mut results);
            let report = self
                .org
                .bulk_results(&id, set, &self.plan.external_id, |rows| {
                    for row in rows {
                        enter(row, plan, all);
                    }
                    std::future::ready(())
                })
                .await;
            crate::failpoint::hit("bulk.between_sets");
            calls += report.api_calls;
            let sent_at = *first.get_or_insert(report.sent_at);
            let outcome = Outcome::of(report, BulkNews::Collected);
            if matches!(outcome.news, BulkNews::Failed { .. }) {
                return Outcome {
                    api_calls: calls,
                    ..outcome
                };
            }
            let found = results.len() as u64;
            if set == ResultSet::Unprocessed || sent.is_some_and(|sent| found >= sent) {
                return Outcome {
                    news: BulkNews::Collected(found),
                    keep: Keep::Results(results),
                    sent_at,
                    api_calls: calls,
                    ..outcome
                };
            }
        }
        no_id()
    }

    fn join(&self, span: &LaneSpan) -> Result<BulkNews, state::Error> {
        let records = self.journal.read_parked(&span.span, &span.settled)?;
        let joined = records.into_iter().map(|record| {
            let number = self.number_of(&record.subject.image.key);
            let told = self.results.as_ref().and_then(|it| it.get(&number));
            let result = told.and_then(Told::result);
            (record, result)
        });
        Ok(BulkNews::Piece(joined.collect()))
    }
}

/// Enters one row of a result set.
fn enter(row: ResultRow, plan: &Plan, results: &mut Results) {
    let key: Arc<str> = row.key.into();
    let told = match row.result {
        Some(RecordResult::Delivered { id, created }) => match id.as_bytes().try_into() {
            Ok(id) => Told::Delivered { id, created },
            Err(_) => Told::Contradicted,
        },
        Some(RecordResult::Rejected(rejection)) => Told::Rejected(Box::new(rejection)),
        None => Told::Unprocessed,
    };
    let number = key_number(&plan.comparable_key(&key));
    if results.insert(number, told).is_some() {
        results.insert(number, Told::Contradicted);
    }
}

impl Told {
    fn result(&self) -> Option<RecordResult> {
        match self {
            Told::Delivered { id, created } => Some(RecordResult::Delivered {
                id: String::from_utf8_lossy(id).into_owned(),
                created: *created,
            }),
            Told::Rejected(rejection) => Some(RecordResult::Rejected((**rejection).clone())),
            Told::Unprocessed | Told::Contradicted => None,
        }
    }
}

impl Outcome {
    fn local(news: BulkNews, keep: Keep) -> Self {
        let now = clock::wall();
        Self {
            news,
            keep,
            sent_at: now,
            answered_at: now,
            api_calls: 0,
        }
    }

    fn of<T>(report: BulkReport<T>, news: impl FnOnce(T) -> BulkNews) -> Self {
        let news = match report.outcome {
            Ok(value) => news(value),
            Err(JobFailure { kind, failure }) => {
                let kind = match kind {
                    FailureKind::Gone => JobFault::Gone,
                    FailureKind::WrongState => JobFault::WrongState,
                    FailureKind::File => JobFault::File,
                    FailureKind::Request => JobFault::Request,
                };
                BulkNews::Failed { kind, failure }
            }
        };
        Self {
            news,
            keep: Keep::Nothing,
            sent_at: report.sent_at,
            answered_at: report.answered_at,
            api_calls: report.api_calls,
        }
    }
}

/// Runs what reads and writes files off the loop's threads.
async fn local<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, state::Error> + Send + 'static,
) -> Result<T, state::Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(state::Error::Stopped),
    }
}

/// A job without what its step needs: it is not known to us any more.
fn no_id() -> Outcome {
    let failure = file_failure("the job's id or file is not known".to_owned());
    let kind = JobFault::Gone;
    Outcome::local(BulkNews::Failed { kind, failure }, Keep::Nothing)
}

fn file_failure(text: String) -> RequestFailure {
    RequestFailure {
        class: ErrorClass::Unknown,
        page: "LS2100",
        code: "SPOOL".to_owned(),
        text,
        disposition: Disposition::Backoff,
        unknown: false,
        retry_after_ms: None,
    }
}

/// A step's name in the log.
fn op(step: &BulkStep) -> &'static str {
    match step {
        BulkStep::Scan(_) => "bulk_scan",
        BulkStep::Spool { .. } => "bulk_spool",
        BulkStep::Create => "bulk_create",
        BulkStep::Upload(_) => "bulk_upload",
        BulkStep::Close(_) => "bulk_close",
        BulkStep::Poll(_) => "bulk_poll",
        BulkStep::Collect { .. } => "bulk_collect",
        BulkStep::Settle(_) => "bulk_settle",
        BulkStep::Abort(_) => "bulk_abort",
        BulkStep::Forget => "bulk_forget",
    }
}
