//! What `source.start = "snapshot"` still means once the first start is behind us.

use crate::capture::{self, OnHistoryLost, Start};
use crate::core::entry::Recovered;

/// A first start is behind us, and nothing has read the rows of before it.
const PAGE: &str = "LS1095";

/// Says so when a snapshot is configured that will not come any more.
pub(super) fn warn_of_unread_rows(start: Start, recovered: &Recovered) {
    if rows_stay_unread(start, recovered) {
        tracing::warn!(
            page = PAGE,
            remedy = "leadstream snapshot start",
            "source.start = \"snapshot\" counts at a first start only: this state folder has a place \
             already and never had a snapshot, so rows from before that place stay unread"
        );
    }
}

fn rows_stay_unread(start: Start, recovered: &Recovered) -> bool {
    start == Start::Snapshot && recovered.checkpoint.is_some() && recovered.snapshot.is_none()
}

/// Whether a start goes on without the key that a snapshot reads a table by: that of a first start
/// is behind us, and none is begun when history is lost.
#[must_use]
pub fn needs_no_key(
    error: &capture::Error,
    has_started: bool,
    on_history_lost: OnHistoryLost,
) -> bool {
    let lacks_key = matches!(error, capture::Error::SnapshotKey { .. });
    lacks_key && has_started && on_history_lost != OnHistoryLost::Snapshot
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::position::{Checkpoint, FilePosition, GtidSet, Position};
    use crate::core::schema::TableName;
    use crate::core::snapshot::{Snapshot, SnapshotReason, SnapshotState};
    use crate::core::time::Micros;

    #[test]
    fn rows_stay_unread_when_a_snapshot_is_asked_for_after_the_first_start() {
        let mut recovered = Recovered::default();
        assert!(!rows_stay_unread(Start::Snapshot, &recovered));
        let end = FilePosition {
            file: "binlog.000001".into(),
            offset: 4,
        };
        recovered.checkpoint = Some(Checkpoint {
            server_uuid: String::new(),
            position: Position::Gtid(GtidSet::default()),
            end,
            inside: Default::default(),
        });
        assert!(rows_stay_unread(Start::Snapshot, &recovered));
        assert!(!rows_stay_unread(Start::Now, &recovered));
        recovered.snapshot = Some(Snapshot {
            number: 1,
            reason: SnapshotReason::Requested,
            started_at: Micros(0),
            ended_at: None,
            state: SnapshotState::Finished,
            tables: Vec::new(),
            settled: Vec::new(),
        });
        assert!(!rows_stay_unread(Start::Snapshot, &recovered));
    }

    #[test]
    fn a_key_is_needed_where_a_snapshot_may_still_begin_by_itself() {
        let table = TableName {
            schema: "crm".to_owned(),
            table: "leads".to_owned(),
        };
        let error = capture::Error::SnapshotKey { table };
        assert!(needs_no_key(&error, true, OnHistoryLost::Pause));
        assert!(!needs_no_key(&error, false, OnHistoryLost::Pause));
        assert!(!needs_no_key(&error, true, OnHistoryLost::Snapshot));
        let other = capture::Error::Silent { waited_ms: 1 };
        assert!(!needs_no_key(&other, true, OnHistoryLost::Pause));
    }
}
