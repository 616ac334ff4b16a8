//! All jobs of an org: creating, finding, listing, forgetting.
//!
//! Invariants: numbers are never given out twice; what is forgotten is found by nobody any more; the bytes kept for
//! jobs stay below the configured bound, for which the oldest ended jobs are forgotten early.
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::{Notify, Semaphore};

use super::info::JobSnapshot;
use super::job::{Definition, Job, Moment, Progress, Results};
use super::limits::{Allocation, Daily, KEPT_MICROS, MAX_JOBS, OPEN_MICROS, PAGE_JOBS};
use super::query::{self, QueryPage};
use super::request::{IngestRequest, QueryRequest};
use super::results::{ResultFile, ResultSet};
use super::state::JobState;
use crate::org::{Refusal, id, lock};

/// Ingest or query: two lists that share their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobKind {
    Ingest,
    Query,
}

/// Part of a list of jobs.
#[derive(Debug)]
pub(crate) struct JobPage {
    pub(crate) records: Vec<serde_json::Value>,
    /// Number of the job after which the next page begins.
    pub(crate) next: Option<u64>,
}

/// The jobs of an org.
#[derive(Debug)]
pub(crate) struct Bulk {
    jobs: Mutex<Jobs>,
    queue: Mutex<VecDeque<Arc<Job>>>,
    pub(super) queued: Notify,
    /// One chunk of rows is written at a time, so that requests find a free thread.
    pub(super) turn: Semaphore,
    pub(super) query_turn: Semaphore,
    allocation: Mutex<Allocation>,
    daily: Daily,
    max_stored_bytes: usize,
}

#[derive(Debug, Default)]
struct Jobs {
    by_number: BTreeMap<u64, Arc<Job>>,
    last_number: u64,
}

impl Bulk {
    pub(crate) fn new(daily_batches: u64, daily_records: u64, max_stored_bytes: usize) -> Bulk {
        Bulk {
            jobs: Mutex::default(),
            queue: Mutex::default(),
            queued: Notify::new(),
            turn: Semaphore::new(1),
            query_turn: Semaphore::new(1),
            allocation: Mutex::default(),
            daily: Daily {
                batches: daily_batches,
                records: daily_records,
            },
            max_stored_bytes,
        }
    }

    /// A new, open ingest job.
    pub(crate) fn create_ingest(
        &self,
        request: IngestRequest,
        version: u32,
        user: usize,
        now: Moment,
    ) -> Result<Arc<Job>, Refusal> {
        if self.batches_used(now) >= self.daily.batches {
            return Err(exceeded(BATCHES_USED_UP));
        }
        self.create(Definition::Ingest(request), version, user, now)
    }

    /// A new query job, which starts at once.
    pub(crate) fn create_query(
        &self,
        request: QueryRequest,
        object: String,
        version: u32,
        user: usize,
        now: Moment,
    ) -> Result<Arc<Job>, Refusal> {
        if !lock(&self.allocation).take_query_job(now.monotonic_micros) {
            return Err(exceeded("Too many query jobs in the last 24 hours."));
        }
        let job = self.create(Definition::Query { request, object }, version, user, now)?;
        self.enqueue(&job);
        Ok(job)
    }

    fn create(
        &self,
        definition: Definition,
        version: u32,
        user: usize,
        now: Moment,
    ) -> Result<Arc<Job>, Refusal> {
        let mut jobs = lock(&self.jobs);
        jobs.sweep(now.wall_micros);
        if jobs.by_number.len() >= MAX_JOBS {
            let oldest = jobs
                .ended()
                .into_iter()
                .min_by_key(|(micros, _, _)| *micros);
            let (_, number, _) = oldest.ok_or_else(|| exceeded("Too many jobs."))?;
            jobs.by_number.remove(&number);
        }
        jobs.last_number += 1;
        let job = Arc::new(Job::new(jobs.last_number, definition, version, user, now));
        jobs.by_number.insert(job.number, Arc::clone(&job));
        Ok(job)
    }

    /// The job with this id (15 or 18 characters).
    pub(crate) fn find(&self, kind: JobKind, id: &str, now: Moment) -> Result<Arc<Job>, Refusal> {
        let number = id::parse_job(id).ok_or_else(Refusal::not_found)?;
        let mut jobs = lock(&self.jobs);
        let job = jobs.by_number.get(&number).map(Arc::clone);
        match job {
            Some(job) if is_over(&job, now.wall_micros) => {
                jobs.by_number.remove(&number);
                Err(Refusal::not_found())
            }
            Some(job) if job.is(kind) => Ok(job),
            _ => Err(Refusal::not_found()),
        }
    }

    /// What `GET` of the job answers.
    pub(crate) fn info(
        &self,
        kind: JobKind,
        id: &str,
        now: Moment,
    ) -> Result<serde_json::Value, Refusal> {
        let job = self.find(kind, id, now)?;
        let info = job.full_json();
        if job.look(|progress| progress.vanishes_when_seen && progress.state.is_terminal()) {
            lock(&self.jobs).by_number.remove(&job.number);
        }
        Ok(info)
    }

    /// Takes an upload, once there is room for it.
    pub(crate) fn upload(&self, job: &Job, content: Bytes, now: Moment) -> Result<(), Refusal> {
        self.keep(content.len(), now, || job.upload(content, now))?
    }

    /// Hands a closed job to the workers.
    pub(crate) fn enqueue(&self, job: &Arc<Job>) {
        lock(&self.queue).push_back(Arc::clone(job));
        self.queued.notify_one();
    }

    pub(super) fn next_queued(&self) -> Option<Arc<Job>> {
        lock(&self.queue).pop_front()
    }

    /// Forgets a job on a client's demand.
    pub(crate) fn delete(&self, kind: JobKind, id: &str, now: Moment) -> Result<(), Refusal> {
        let job = self.find(kind, id, now)?;
        job.delete()?;
        lock(&self.jobs).by_number.remove(&job.number);
        Ok(())
    }

    /// Forgets a job whatever its state.
    pub(crate) fn discard(&self, job: &Job) {
        job.forget();
        lock(&self.jobs).by_number.remove(&job.number);
    }

    /// Up to 1,000 jobs in the order of their creation, after the job of that number.
    pub(crate) fn page(&self, kind: JobKind, after: u64, now: Moment) -> JobPage {
        let found = {
            let mut jobs = lock(&self.jobs);
            jobs.sweep(now.wall_micros);
            let range = jobs.by_number.range(after.saturating_add(1)..);
            let found: Vec<Arc<Job>> = range
                .map(|(_, job)| job)
                .filter(|job| job.is(kind))
                .take(PAGE_JOBS + 1)
                .map(Arc::clone)
                .collect();
            found
        };
        let shown = &found[..found.len().min(PAGE_JOBS)];
        JobPage {
            records: shown.iter().map(|job| job.list_json()).collect(),
            next: (found.len() > PAGE_JOBS)
                .then(|| shown.last().map(|job| job.number))
                .flatten(),
        }
    }

    /// All jobs, oldest first.
    pub(crate) fn snapshots(&self, now: Moment) -> Vec<JobSnapshot> {
        let jobs: Vec<Arc<Job>> = {
            let mut jobs = lock(&self.jobs);
            jobs.sweep(now.wall_micros);
            jobs.by_number.values().map(Arc::clone).collect()
        };
        jobs.iter().map(|job| job.snapshot()).collect()
    }

    /// The newest jobs, newest first.
    pub(crate) fn newest(&self, most: usize, now: Moment) -> Vec<JobSnapshot> {
        let jobs: Vec<Arc<Job>> = {
            let mut jobs = lock(&self.jobs);
            jobs.sweep(now.wall_micros);
            let newest = jobs.by_number.values().rev().take(most);
            newest.map(Arc::clone).collect()
        };
        jobs.iter().map(|job| job.snapshot()).collect()
    }

    /// One of the three result files of an ingest job.
    pub(crate) fn result_file(
        &self,
        id: &str,
        set: ResultSet,
        now: Moment,
    ) -> Result<ResultFile, Refusal> {
        match self.find(JobKind::Ingest, id, now)?.results()? {
            Results::Ingest(results) => Ok(ResultFile::new(results, set)),
            Results::None | Results::Query(_) => Err(Refusal::not_found()),
        }
    }

    /// A page of a query job's rows.
    pub(crate) fn query_page(
        &self,
        id: &str,
        locator: Option<&str>,
        max_records: Option<&str>,
        now: Moment,
    ) -> Result<QueryPage, Refusal> {
        match self.find(JobKind::Query, id, now)?.results()? {
            Results::Query(results) => query::page(&results, locator, max_records),
            Results::None | Results::Ingest(_) => Err(Refusal::not_found()),
        }
    }

    /// Takes a batch of the day's allocation; the error is the job's `errorMessage`.
    pub(super) fn take_batch(&self, records: u64, now: Moment) -> Result<(), String> {
        let taken = lock(&self.allocation).take_batch(self.daily, records, now.monotonic_micros);
        if taken {
            return Ok(());
        }
        let text = if self.batches_used(now) >= self.daily.batches {
            BATCHES_USED_UP
        } else {
            "ApiBulkRecords Limit exceeded."
        };
        Err(format!("ExceededQuota : {text}"))
    }

    /// Counts batches that nobody made here.
    pub(crate) fn use_up_batches(&self, batches: u64, now: Moment) {
        lock(&self.allocation).use_up_batches(batches, now.monotonic_micros);
    }

    /// Forgets every job, whatever it is at, and what was used up.
    pub(crate) fn clear(&self) {
        lock(&self.queue).clear();
        let jobs = std::mem::take(&mut lock(&self.jobs).by_number);
        for job in jobs.values() {
            job.forget();
        }
        *lock(&self.allocation) = Allocation::default();
    }

    /// Batches of the last 24 hours.
    pub(crate) fn batches_used(&self, now: Moment) -> u64 {
        lock(&self.allocation).batches_used(now.monotonic_micros)
    }

    /// Query jobs of the last 24 hours.
    pub(crate) fn query_jobs_used(&self, now: Moment) -> u64 {
        lock(&self.allocation).query_jobs_used(now.monotonic_micros)
    }

    /// Keeps that many bytes more for a job, for which ended ones are forgotten, oldest first. Nobody else takes the
    /// room before `keep` has; it may lock the job.
    pub(super) fn keep<T>(
        &self,
        bytes: usize,
        now: Moment,
        keep: impl FnOnce() -> T,
    ) -> Result<T, Refusal> {
        let mut jobs = lock(&self.jobs);
        jobs.make_room(bytes, self.max_stored_bytes, now)?;
        Ok(keep())
    }
}

const BATCHES_USED_UP: &str = "ApiBatchItems Limit exceeded.";

fn exceeded(message: &str) -> Refusal {
    Refusal::new("EXCEEDEDQUOTA", message)
}

impl Job {
    fn is(&self, kind: JobKind) -> bool {
        match self.definition {
            Definition::Ingest(_) => kind == JobKind::Ingest,
            Definition::Query { .. } => kind == JobKind::Query,
        }
    }
}

impl Jobs {
    /// Drops what is over.
    fn sweep(&mut self, now_micros: i64) {
        self.by_number.retain(|_, job| !is_over(job, now_micros));
    }

    fn make_room(&mut self, bytes: usize, most: usize, now: Moment) -> Result<(), Refusal> {
        self.sweep(now.wall_micros);
        let sizes = self.by_number.values().map(|job| job.stored_bytes());
        let mut wanted = sizes.sum::<usize>().saturating_add(bytes);
        if wanted <= most {
            return Ok(());
        }
        let ended = self.ended();
        let freed: usize = ended.iter().map(|(_, _, bytes)| bytes).sum();
        if wanted.saturating_sub(freed) > most {
            return Err(exceeded("The data of all jobs together are too large."));
        }
        for (_, number, bytes) in ended {
            if wanted <= most {
                break;
            }
            self.by_number.remove(&number);
            wanted = wanted.saturating_sub(bytes);
        }
        Ok(())
    }

    /// Ended jobs by the time of their end, with their sizes; those without data come last.
    fn ended(&self) -> Vec<(i64, u64, usize)> {
        let mut ended: Vec<(i64, u64, usize)> = self
            .by_number
            .values()
            .filter_map(|job| {
                let ended = |progress: &Progress| {
                    let is_terminal = progress.state.is_terminal();
                    is_terminal.then_some(progress.modified_micros)
                };
                Some((job.look(ended)?, job.number, job.stored_bytes()))
            })
            .collect();
        ended.sort_unstable_by_key(|(micros, number, bytes)| (*bytes == 0, *micros, *number));
        ended
    }
}

/// Open for a day, or ended for a week (facts 5.2).
fn is_over(job: &Job, now_micros: i64) -> bool {
    job.look(|progress| match progress.state {
        JobState::Open => now_micros.saturating_sub(job.created_micros) > OPEN_MICROS,
        JobState::UploadComplete | JobState::InProgress => false,
        JobState::Aborted | JobState::JobComplete | JobState::Failed => {
            now_micros.saturating_sub(progress.modified_micros) > KEPT_MICROS
        }
    })
}
