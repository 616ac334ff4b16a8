//! What the service shows of a snapshot: how far it is, how fast, how long it still takes.

use serde::{Deserialize, Serialize};

use crate::core::snapshot::{Snapshot, SnapshotReason, SnapshotState};
use crate::core::time::Micros;

/// The last snapshot, running or not. Without its condition, which may hold values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotStatus {
    pub number: u64,
    pub reason: SnapshotReason,
    #[serde(flatten)]
    pub state: SnapshotState,
    pub started_at: Micros,
    pub ended_at: Option<Micros>,
    pub tables: Vec<SnapshotTableStatus>,
    /// Rows read in finished chunks: handed to the routes, or overtaken by the stream.
    pub rows_read: u64,
    /// How many there are in all, by the server's statistics; `None` while that is not known.
    pub estimated_rows: Option<u64>,
    pub rows_per_second: Option<f64>,
    pub seconds_left: Option<f64>,
    /// Why it pauses, if it does.
    pub waiting: Option<String>,
    /// What to do when it failed; known to the service that saw it fail.
    pub remedy: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SnapshotTableStatus {
    /// `schema.table`.
    pub table: String,
    pub routes: Vec<String>,
    pub chunks: u64,
    /// Handed to the routes.
    pub rows: u64,
    /// Left out because the stream brought them meanwhile.
    pub overtaken: u64,
    pub estimated_rows: Option<u64>,
    pub finished: bool,
}

impl SnapshotStatus {
    /// What the snapshot itself says; rate and pauses are known to its driver.
    #[must_use]
    pub fn new(snapshot: &Snapshot) -> Self {
        let tables: Vec<SnapshotTableStatus> = snapshot
            .tables
            .iter()
            .map(|table| SnapshotTableStatus {
                table: table.table.to_string(),
                routes: table.routes.clone(),
                chunks: table.chunks,
                rows: table.rows,
                overtaken: table.overtaken,
                estimated_rows: table.estimated_rows,
                finished: table.finished,
            })
            .collect();
        Self {
            number: snapshot.number,
            reason: snapshot.reason,
            state: snapshot.state.clone(),
            started_at: snapshot.started_at,
            ended_at: snapshot.ended_at,
            rows_read: tables.iter().map(SnapshotTableStatus::read).sum(),
            estimated_rows: tables.iter().map(SnapshotTableStatus::expected).sum(),
            tables,
            rows_per_second: None,
            seconds_left: None,
            waiting: None,
            remedy: None,
        }
    }

    /// With what was measured.
    #[must_use]
    pub fn at_rate(mut self, rows_per_second: Option<f64>) -> Self {
        let left = self
            .estimated_rows
            .map(|rows| rows.saturating_sub(self.rows_read));
        if self.is_running() {
            self.rows_per_second = rows_per_second;
            let rate = rows_per_second.filter(|rate| *rate > 0.0);
            self.seconds_left = left.zip(rate).map(|(left, rate)| left as f64 / rate);
        }
        self
    }

    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state == SnapshotState::Running
    }
}

impl SnapshotTableStatus {
    fn read(&self) -> u64 {
        self.rows + self.overtaken
    }

    /// Statistics may be far off: what was read already is the least there is, and a table that is
    /// finished has what was read.
    fn expected(&self) -> Option<u64> {
        if self.finished {
            return Some(self.read());
        }
        self.estimated_rows.map(|rows| rows.max(self.read()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::schema::TableName;
    use crate::core::snapshot::TableSnapshot;

    fn table(rows: u64, estimated_rows: Option<u64>, finished: bool) -> TableSnapshot {
        TableSnapshot {
            table: TableName {
                schema: "crm".into(),
                table: "leads".into(),
            },
            routes: vec!["leads".into()],
            condition: Some("email = 'ann@example.org'".into()),
            after: None,
            chunks: 1,
            rows,
            overtaken: 1,
            estimated_rows,
            finished,
        }
    }

    fn status(tables: Vec<TableSnapshot>) -> SnapshotStatus {
        SnapshotStatus::new(&Snapshot {
            number: 1,
            reason: SnapshotReason::Requested,
            started_at: Micros(0),
            ended_at: None,
            state: SnapshotState::Running,
            tables,
            settled: Vec::new(),
        })
    }

    #[test]
    fn what_is_left_follows_from_estimates_that_may_be_wrong() {
        let known = status(vec![table(99, Some(10), true), table(49, Some(150), false)]);
        assert_eq!((known.rows_read, known.estimated_rows), (150, Some(250)));
        assert_eq!(known.at_rate(Some(10.0)).seconds_left, Some(10.0));
        let passed = status(vec![table(99, Some(10), false)]);
        assert_eq!(passed.estimated_rows, Some(100));
        let unknown = status(vec![table(99, Some(10), true), table(0, None, false)]);
        assert_eq!(unknown.estimated_rows, None);
        assert_eq!(unknown.at_rate(Some(10.0)).seconds_left, None);
    }

    #[test]
    fn it_survives_json_and_shows_no_condition() {
        let status = status(vec![table(5, None, false)]).at_rate(Some(0.0));
        assert_eq!(status.seconds_left, None);
        let text = serde_json::to_string(&status).unwrap();
        assert!(!text.contains("ann@"), "{text}");
        assert!(text.contains("\"state\":\"running\""), "{text}");
        assert_eq!(
            serde_json::from_str::<SnapshotStatus>(&text).unwrap(),
            status
        );
    }
}
