//! Bulk API 2.0: ingest and query jobs (facts 5).
mod cell;
mod csv;
mod dialect;
mod header;
mod ledger;
mod row_error;
mod shuffle;
mod state;
pub use state::JobState;
