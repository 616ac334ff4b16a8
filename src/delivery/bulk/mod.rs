//! Bulk API 2.0 ingest: one call each of a job's life, the file that is uploaded, the rows that
//! come back.
//!
//! The calls are methods of [`Org`](super::Org), on its session, its rate and its count of calls,
//! and like its others they make one attempt (one more with a new session after a 401):
//! `bulk_create`, `bulk_upload`, `bulk_close`, `bulk_state`, `bulk_results`, `bulk_find`,
//! `bulk_abort`, `bulk_delete`. Each is one API call, `bulk_find` one a page of the list. Uploads
//! and results, which may take minutes, take turns among themselves and leave the permits of
//! `max_in_flight` to the stream.
//!
//! Invariants: neither an upload nor a set of results is ever whole in memory; a row of a result is
//! given out only when it was read to its end, so those that were given out stay true when the rest
//! never comes; no key, value or message of Salesforce's is logged.
//!
//! It does not decide what goes into a job, poll, count results against what was sent, or send
//! anything again: the core does.

mod failure;
mod file;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod jobs;
mod results;
mod row_error;
mod transfer;

use std::fmt;
use std::sync::Arc;

use super::wire;
use crate::core::outcome::{RecordResult, RequestFailure};
use crate::core::time::Micros;

pub use file::{CsvHeader, HeaderFault, MAX_FILE_BYTES, NotForBulk};

/// What a job is to do: upsert by this field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BulkSpec {
    pub object: Arc<str>,
    /// API name of the external id field.
    pub external_id: Arc<str>,
    /// The id of an assignment rule. Without one no rule runs: unlike a call, a job knows no "the
    /// active rule", so a route with `AutoAssign::On` must not go by Bulk.
    pub assignment_rule: Option<Arc<str>>,
}

/// The id of a job, 18 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(Arc<str>);

impl JobId {
    /// `None` for what is not the id of a job.
    #[must_use]
    pub fn parse(text: &str) -> Option<JobId> {
        let full = wire::full_id(text)?;
        full.starts_with("750").then(|| JobId(full.into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a job is in its life. Source: salesforce-facts 5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Takes its data. Dropped by Salesforce after 24 hours.
    Open,
    UploadComplete,
    InProgress,
    /// Ended; says nothing about the rows.
    JobComplete,
    /// Ended; rows that were written stay written.
    Failed,
    /// Ended; rows that were written stay written.
    Aborted,
}

impl JobState {
    const ALL: [JobState; 6] = [
        JobState::Open,
        JobState::UploadComplete,
        JobState::InProgress,
        JobState::JobComplete,
        JobState::Failed,
        JobState::Aborted,
    ];

    /// As the API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Open => "Open",
            JobState::UploadComplete => "UploadComplete",
            JobState::InProgress => "InProgress",
            JobState::JobComplete => "JobComplete",
            JobState::Failed => "Failed",
            JobState::Aborted => "Aborted",
        }
    }

    /// Nothing changes any more; the result sets can be read, for seven days.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            JobState::JobComplete | JobState::Failed | JobState::Aborted => true,
            JobState::Open | JobState::UploadComplete | JobState::InProgress => false,
        }
    }
}

/// A job as Salesforce shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobStatus {
    pub state: JobState,
    /// Rows that were written or refused.
    pub processed: u64,
    /// Rows that were refused.
    pub failed: u64,
    /// Why the job as a whole failed, judged by what sending its unfinished rows again would bring.
    pub error: Option<RequestFailure>,
}

/// The three files that a job ends with. A row is in one of them, or in none when the day's batches
/// were used up. Source: salesforce-facts 5.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResultSet {
    Successful,
    Failed,
    /// Of jobs that failed or were aborted.
    Unprocessed,
}

impl ResultSet {
    pub const ALL: [ResultSet; 3] = [
        ResultSet::Successful,
        ResultSet::Failed,
        ResultSet::Unprocessed,
    ];

    /// The last part of the address.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ResultSet::Successful => "successfulResults",
            ResultSet::Failed => "failedResults",
            ResultSet::Unprocessed => "unprocessedrecords",
        }
    }
}

/// One row of a result set. They come in no order.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultRow {
    /// The external id's value, as it was uploaded.
    pub key: String,
    /// `None`: Salesforce did not get to it.
    pub result: Option<RecordResult>,
}

/// A job of ours in the list of jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundJob {
    pub id: JobId,
    pub state: JobState,
    /// By Salesforce's clock.
    pub created_at: Micros,
}

/// What came of a call about a job.
#[derive(Clone, Debug, PartialEq)]
pub struct BulkReport<T> {
    pub outcome: Result<T, JobFailure>,
    /// When the last request of the call left, after every wait for rate, turn and login.
    pub sent_at: Micros,
    /// When its answer was complete, or given up.
    pub answered_at: Micros,
    /// Of the body as sent, headers apart.
    pub request_bytes: u64,
    /// Requests of this call that Salesforce counts: 0 when it was never reached, 2 after a 401.
    pub api_calls: u32,
}

/// A call about a job that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFailure {
    pub kind: FailureKind,
    pub failure: RequestFailure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// Salesforce does not know the job (any more): results that were not read are lost, and what
    /// became of its rows is unknown.
    Gone,
    /// The job is not in a state in which this can be done: closed or aborted already, not yet
    /// ended. Its state tells.
    WrongState,
    /// The file of the upload cannot be read, or is not of the length that was told.
    File,
    /// As with any other call: the disposition says what to do about it.
    Request,
}
