//! What journal and index say of themselves, as status and metrics show it: by the driver, and
//! before there is one, however long a start waits for MySQL or Salesforce.

use std::convert::Infallible;
use std::time::Duration;

use super::status::{Published, StateStatus};
use crate::state::{IndexHandle, JournalHandle};
use crate::telemetry::metrics::Metrics;

const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Moves the metrics, too. What only the pipeline knows (parked bytes, records) stays 0.
pub(super) fn look(journal: &JournalHandle, index: &IndexHandle, metrics: &Metrics) -> StateStatus {
    let (stats, lag, free_bytes) = (journal.stats(), index.lag(), journal.free_bytes());
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    metrics.journal_bytes.set(signed(stats.bytes));
    metrics.journal_segments.set(signed(stats.segments));
    metrics.free_bytes.set(signed(free_bytes.unwrap_or(0)));
    let behind = lag.last_commit.saturating_sub(lag.applied_commit);
    metrics.index_lag.set(signed(behind));
    metrics.index_bytes.set(signed(lag.bytes));
    metrics.index_rebuilding.set(i64::from(lag.rebuilding));
    StateStatus {
        journal_bytes: stats.bytes,
        journal_segments: stats.segments,
        free_bytes,
        last_commit: stats.last_commit,
        index_applied: lag.applied_commit,
        index_rebuilding: lag.rebuilding,
        index_bytes: lag.bytes,
        ..StateStatus::default()
    }
}

/// Shows it anew every second, until it is dropped.
pub(super) async fn keep_showing(
    journal: &JournalHandle,
    index: &IndexHandle,
    metrics: &Metrics,
    published: &Published,
) -> Infallible {
    let mut ticks = tokio::time::interval(LOOK_AGAIN);
    loop {
        ticks.tick().await;
        let state = look(journal, index, metrics);
        published.update(|status| status.state = state);
    }
}
