//! Bulk API 2.0: ingest and query jobs, from their creation to their results (facts 5).
//!
//! The map:
//! - `request`, `multipart`: what clients ask for; `state`: who may do what, and when.
//! - `jobs`: all jobs of an org; `job`: one of them; `info`: how it is shown; `limits`: what jobs may use up.
//! - `worker`: takes closed jobs; `ingest`: writes the rows of one; `query`: reads for one.
//! - `csv`, `dialect`, `header`, `cell`, `rows`: from bytes to records.
//! - `ledger`: what became of each row; `results`, `row_error`, `shuffle`: the files that tell it.
//!
//! Invariants: an upload is kept once, and a few bytes a row beside it; results are made from it anew each time.
mod cell;
mod csv;
mod dialect;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod header;
mod info;
mod ingest;
mod job;
mod jobs;
mod ledger;
mod limits;
pub(crate) mod multipart;
mod query;
pub(crate) mod request;
mod results;
mod row_error;
mod rows;
mod shuffle;
mod state;
mod worker;

pub use info::JobSnapshot;
pub(crate) use job::Moment;
pub(crate) use jobs::{Bulk, JobKind};
pub(crate) use limits::DAILY_QUERY_JOBS;
pub(crate) use query::check as check_query;
pub(crate) use results::ResultSet;
pub use state::JobState;
pub(crate) use worker::{count_end, work};
