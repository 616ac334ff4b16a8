//! Bulk jobs: what goes into one, how far it is, and what becomes of its records.
//!
//! A route's records for Bulk are parked like any others, but in its [`Lane`](lane::Lane), which
//! knows their keys: newer records of other keys pass them by calls. What the lane has gathered
//! becomes one [`Job`](job::Job) at a time. The pipeline drives both; the driver carries
//! [`BulkOrder`]s out and answers each with one [`BulkAnswer`].

pub mod backlog;
pub mod job;
pub mod lane;

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::change::RouteId;
use super::entry::{ParkedRecord, ParkedSpan};
use super::outcome::{RecordResult, RequestFailure};
use super::time::Micros;

/// When Bulk is used, and how much goes into one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkSettings {
    /// Records that wait, from which it is used; `None`: never.
    pub from: Option<u64>,
    /// A lane that holds so many is full. Its keys cost some 20 bytes each, twice: those of the job
    /// and those of the next one.
    pub job_records: u64,
    /// Likewise, in bytes of the journal.
    pub job_bytes: u64,
    /// What has been gathered waits so long for company.
    pub gather_ms: u64,
}

impl BulkSettings {
    /// As the service uses them.
    #[must_use]
    pub fn new(from: Option<u64>) -> Self {
        Self {
            from,
            job_records: 100_000,
            job_bytes: 64 << 20,
            gather_ms: 10_000,
        }
    }

    /// Fewer than these cost no more calls without a job.
    #[must_use]
    pub fn few(&self) -> u64 {
        self.from.unwrap_or(0) / 5
    }
}

/// Stands for a key in memory. Two keys with one number only wait for each other without need.
#[must_use]
pub fn key_number(comparable_key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(comparable_key.as_bytes());
    hasher.finish()
}

/// A job as it is made durable: before its data is uploaded, and when it has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkJob {
    /// One of the batches' numbers.
    pub number: u64,
    pub route: String,
    /// Salesforce's id.
    pub id: String,
    /// Intervals of the serials of its parked records, both ends included.
    pub serials: Vec<(u64, u64)>,
    /// Serials among them that are not in the upload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<u64>,
    pub at: Micros,
    /// Its results are entered; what had none is parked as before.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ended: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it so")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl BulkJob {
    /// Whether a span's records are among its own.
    #[must_use]
    pub fn holds(&self, span: &ParkedSpan) -> bool {
        let mut serials = self.serials.iter();
        serials.any(|(first, last)| (first..=last).contains(&&span.first))
    }
}

/// A span, and which of its records have their outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneSpan {
    pub span: ParkedSpan,
    pub settled: BTreeSet<u64>,
}

impl LaneSpan {
    /// Records without an outcome.
    #[must_use]
    pub fn left(&self) -> u64 {
        u64::from(self.span.count).saturating_sub(self.settled.len() as u64)
    }
}

/// One thing to do for a job.
#[derive(Debug)]
pub struct BulkOrder {
    pub route: RouteId,
    /// Zero, which no batch has: for the lane.
    pub job: u64,
    pub step: BulkStep,
}

#[derive(Debug)]
pub enum BulkStep {
    /// Read which keys these records have.
    Scan(Vec<LaneSpan>),
    /// Write the upload's file and make it durable. Left out are the keys to avoid, the second and
    /// later records of a key, and what a file cannot say.
    Spool {
        spans: Vec<LaneSpan>,
        avoid: HashSet<u64>,
    },
    Create,
    Upload(Arc<str>),
    Close(Arc<str>),
    Poll(Arc<str>),
    /// Read the result sets until everything sent is found (`None`: all of them) and keep them.
    Collect {
        id: Arc<str>,
        sent: Option<u64>,
    },
    /// Put these records and their results together.
    Settle(LaneSpan),
    Abort(Arc<str>),
    /// The job is over: delete its file and its results. Has no answer.
    Forget,
}

#[derive(Debug)]
pub struct BulkAnswer {
    pub route: RouteId,
    pub job: u64,
    pub news: BulkNews,
    pub sent_at: Micros,
    pub answered_at: Micros,
    pub api_calls: u32,
}

#[derive(Debug)]
pub enum BulkNews {
    /// Numbers of the keys; `None`: some are rows that are not mapped, whose keys nobody knows.
    Scanned(Option<Vec<u64>>),
    Spooled {
        records: u64,
        left_out: BTreeSet<u64>,
    },
    Created(Arc<str>),
    /// Uploaded, closed or aborted.
    Done,
    State {
        progress: JobProgress,
        /// Rows that were written or refused.
        processed: u64,
        /// Why the job as a whole failed.
        failure: Option<RequestFailure>,
    },
    /// How many rows have a result.
    Collected(u64),
    Piece(Vec<(ParkedRecord, Option<RecordResult>)>),
    Failed {
        kind: JobFault,
        failure: RequestFailure,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobProgress {
    /// Takes its data.
    Open,
    Working,
    /// Nothing changes any more.
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobFault {
    /// Salesforce does not know the job any more.
    Gone,
    /// The job's state does not allow it.
    WrongState,
    /// The file cannot be written or read here.
    File,
    Request,
}
