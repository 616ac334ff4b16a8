//! One job: what was asked for, how far it is, what it left.
//!
//! Invariants: rows are written and their fates noted under the job's lock, and only while it is InProgress, so that
//! an abort never falls between the two. Whoever holds this lock may take that of the leads, never the reverse.
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::ledger::Ledger;
use super::query::QueryResults;
use super::request::{IngestRequest, QueryRequest};
use super::results::IngestResults;
use super::state::{self, JobState};
use crate::org::{Refusal, lock};

/// What a job is to do.
#[derive(Debug)]
pub(super) enum Definition {
    Ingest(IngestRequest),
    Query {
        request: QueryRequest,
        /// The object it reads, as the API names it.
        object: String,
    },
}

/// A job that is gone while it was worked on: aborted or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

/// A job.
#[derive(Debug)]
pub(crate) struct Job {
    pub(super) number: u64,
    /// API version it was created with.
    pub(super) version: u32,
    /// Number of the user who created it.
    pub(super) created_by: usize,
    pub(super) created_micros: i64,
    pub(super) definition: Definition,
    progress: Mutex<Progress>,
}

/// How far a job is.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) state: JobState,
    pub(super) modified_micros: i64,
    pub(super) error_message: Option<String>,
    pub(super) processed: u64,
    pub(super) failed: u64,
    /// Monotonic.
    started_micros: Option<u64>,
    pub(super) total_micros: u64,
    pub(super) active_micros: u64,
    /// Forgotten once a client has seen that it ended.
    pub(super) vanishes_when_seen: bool,
    deleted: bool,
    content: Option<Bytes>,
    ledger: Ledger,
    /// What the results of a running query take by now.
    growing_bytes: usize,
    results: Results,
}

/// What a job left; ingest jobs have results even when they never ran.
#[derive(Debug, Clone)]
pub(super) enum Results {
    None,
    Ingest(Arc<IngestResults>),
    Query(Arc<QueryResults>),
}

/// Now, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) wall_micros: i64,
    pub(crate) monotonic_micros: u64,
}

impl Job {
    pub(super) fn new(
        number: u64,
        definition: Definition,
        version: u32,
        created_by: usize,
        now: Moment,
    ) -> Job {
        let state = match definition {
            Definition::Ingest(_) => JobState::Open,
            Definition::Query { .. } => JobState::UploadComplete,
        };
        Job {
            number,
            version,
            created_by,
            created_micros: now.wall_micros,
            definition,
            progress: Mutex::new(Progress {
                state,
                modified_micros: now.wall_micros,
                error_message: None,
                processed: 0,
                failed: 0,
                started_micros: None,
                total_micros: 0,
                active_micros: 0,
                vanishes_when_seen: false,
                deleted: false,
                content: None,
                ledger: Ledger::default(),
                growing_bytes: 0,
                results: Results::None,
            }),
        }
    }

    /// Looks at the progress under the lock.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Progress) -> T) -> T {
        look(&lock(&self.progress))
    }

    /// Bytes kept for it.
    pub(super) fn stored_bytes(&self) -> usize {
        self.look(|progress| match &progress.results {
            Results::None => {
                let content = progress.content.as_ref().map_or(0, Bytes::len);
                content + progress.ledger.bytes() + progress.growing_bytes
            }
            Results::Ingest(results) => results.stored_bytes(),
            Results::Query(results) => results.stored_bytes(),
        })
    }

    /// Takes the data, once.
    pub(crate) fn upload(&self, content: Bytes, now: Moment) -> Result<(), Refusal> {
        let mut progress = lock(&self.progress);
        progress.check_lives()?;
        progress.state.check_upload(progress.content.is_some())?;
        progress.content = Some(content);
        progress.modified_micros = now.wall_micros;
        Ok(())
    }

    /// Closes or aborts, as a client asks; the new state.
    pub(crate) fn request_state(&self, wanted: &str, now: Moment) -> Result<JobState, Refusal> {
        let mut progress = lock(&self.progress);
        progress.check_lives()?;
        let next = progress.state.requested(wanted)?;
        if next == JobState::UploadComplete && progress.content.is_none() {
            return Err(state::invalid("No data were uploaded to the job.".into()));
        }
        if next.is_terminal() {
            self.end_locked(&mut progress, next, None, None, now);
        } else {
            progress.state = next;
            progress.modified_micros = now.wall_micros;
        }
        Ok(next)
    }

    /// Marks it as deleted, so that its processing finds it gone.
    pub(super) fn delete(&self) -> Result<(), Refusal> {
        let mut progress = lock(&self.progress);
        progress.check_lives()?;
        progress.state.check_delete()?;
        progress.deleted = true;
        Ok(())
    }

    /// Deletes it whatever its state; whoever works on it stops at the next chunk.
    pub(super) fn forget(&self) {
        let mut progress = lock(&self.progress);
        progress.deleted = true;
        if !progress.state.is_terminal() {
            progress.state = JobState::Aborted;
        }
    }

    /// From UploadComplete to InProgress; the data of an ingest job.
    pub(super) fn begin(&self, now: Moment, vanishes_when_seen: bool) -> Result<Bytes, Gone> {
        let mut progress = lock(&self.progress);
        if progress.deleted || progress.state != JobState::UploadComplete {
            return Err(Gone);
        }
        progress.state = JobState::InProgress;
        progress.modified_micros = now.wall_micros;
        progress.started_micros = Some(now.monotonic_micros);
        progress.vanishes_when_seen = vanishes_when_seen;
        Ok(progress.content.clone().unwrap_or_default())
    }

    /// Whether there still is something to work on.
    pub(super) fn check_in_progress(&self) -> Result<(), Gone> {
        self.look(|progress| match progress.state {
            JobState::InProgress => Ok(()),
            _ => Err(Gone),
        })
    }

    /// Hands over the rows that the scan found; there is room for their fates.
    pub(super) fn set_ledger(&self, mut ledger: Ledger) -> Result<(), Gone> {
        let mut progress = lock(&self.progress);
        if progress.state != JobState::InProgress {
            return Err(Gone);
        }
        ledger.begin();
        progress.ledger = ledger;
        Ok(())
    }

    /// Notes what the results of a query take; there is room for them.
    pub(super) fn set_growing_bytes(&self, bytes: usize) -> Result<(), Gone> {
        let mut progress = lock(&self.progress);
        if progress.state != JobState::InProgress {
            return Err(Gone);
        }
        progress.growing_bytes = bytes;
        Ok(())
    }

    /// Room for error texts that it should have before that many rows are written.
    pub(super) fn text_bytes_wanted(&self, rows: usize) -> usize {
        self.look(|progress| progress.ledger.text_bytes_wanted(rows))
    }

    /// Lets error texts take that many bytes more.
    pub(super) fn grant_text_bytes(&self, bytes: usize) {
        lock(&self.progress).ledger.grant_text_bytes(bytes);
    }

    /// Writes rows and notes their fates, unless the job was aborted meanwhile. `write` gets the ledger.
    pub(super) fn write_rows<T>(
        &self,
        now: Moment,
        write: impl FnOnce(&mut Ledger) -> T,
    ) -> Result<T, Gone> {
        let mut progress = lock(&self.progress);
        if progress.state != JobState::InProgress {
            return Err(Gone);
        }
        let written = write(&mut progress.ledger);
        progress.processed = progress.ledger.processed();
        progress.failed = progress.ledger.failed();
        progress.modified_micros = now.wall_micros;
        Ok(written)
    }

    /// Adds to the time it was worked on.
    pub(super) fn worked(&self, micros: u64) {
        lock(&self.progress).active_micros += micros;
    }

    /// Ends a job that is InProgress; false when it was aborted before.
    pub(super) fn end(
        &self,
        error_message: Option<String>,
        query_results: Option<QueryResults>,
        now: Moment,
    ) -> bool {
        let mut progress = lock(&self.progress);
        if progress.state != JobState::InProgress {
            return false;
        }
        let state = match error_message {
            None => JobState::JobComplete,
            Some(_) => JobState::Failed,
        };
        self.end_locked(&mut progress, state, error_message, query_results, now);
        true
    }

    /// The results of a job that has ended.
    pub(super) fn results(&self) -> Result<Results, Refusal> {
        let progress = lock(&self.progress);
        progress.check_lives()?;
        progress.state.check_results()?;
        Ok(progress.results.clone())
    }

    fn end_locked(
        &self,
        progress: &mut Progress,
        state: JobState,
        error_message: Option<String>,
        query_results: Option<QueryResults>,
        now: Moment,
    ) {
        progress.state = state;
        progress.modified_micros = now.wall_micros;
        progress.error_message = error_message;
        progress.growing_bytes = 0;
        progress.total_micros = progress
            .started_micros
            .map_or(0, |started| now.monotonic_micros.saturating_sub(started));
        let content = progress.content.take().unwrap_or_default();
        progress.results = match &self.definition {
            Definition::Ingest(request) => Results::Ingest(Arc::new(IngestResults::new(
                content,
                request.dialect,
                std::mem::take(&mut progress.ledger),
                self.number,
            ))),
            Definition::Query { .. } => match query_results {
                Some(results) => {
                    progress.processed = results.rows() as u64;
                    Results::Query(Arc::new(results))
                }
                None => Results::None,
            },
        };
    }
}

impl Progress {
    fn check_lives(&self) -> Result<(), Refusal> {
        if self.deleted {
            return Err(Refusal::not_found());
        }
        Ok(())
    }

    /// Where a chunk of the running job begins in the data.
    pub(super) fn chunk_start(&self, chunk: usize) -> usize {
        self.ledger.chunk_start(chunk)
    }

    /// Rows the upload is known to hold.
    pub(super) fn rows(&self) -> u64 {
        match &self.results {
            Results::Ingest(results) => results.rows() as u64,
            Results::Query(results) => results.rows() as u64,
            Results::None => self.ledger.rows() as u64,
        }
    }
}
