//! What was durable when somebody asks is in the answer: who has just read in the status that 500
//! dead letters wait finds all 500 of them.

use std::time::Duration;

use super::View;

/// The index follows within milliseconds, under full load within a second.
const MOMENT: Duration = Duration::from_secs(2);

/// Waits until the index has what is durable now. While it is rebuilt nobody is kept waiting:
/// that takes longer than a person has patience, and the status says so.
pub(super) async fn follow(view: &View) {
    let lag = view.index.lag();
    if lag.rebuilding || lag.applied_commit >= lag.last_commit {
        return;
    }
    let index = view.index.clone();
    // When the moment is over, the answer is of what is there.
    drop(tokio::task::spawn_blocking(move || index.wait_applied(lag.last_commit, MOMENT)).await);
}
