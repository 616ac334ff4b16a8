//! When a snapshot holds back: while the source is busy or a replica lags, and by a rate.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::source::Source;
use crate::capture::connection::query_error;
use crate::capture::error::Error;
use crate::capture::server::Server;
use crate::capture::settings::{SnapshotSettings, SourceSettings};

impl SnapshotSettings {
    /// How long a chunk of so many rows must take.
    pub(super) fn duration(&self, rows: u64) -> Duration {
        match self.max_rows_per_second {
            Some(rate) => Duration::from_secs_f64(rows as f64 / f64::from(rate.max(1))),
            None => Duration::ZERO,
        }
    }
}

/// Why no chunk should be read now.
pub(super) async fn reason_to_wait(
    source: &mut Source,
    settings: &SourceSettings,
) -> Result<Option<String>, Error> {
    let limits = &settings.snapshot;
    let running = running(&mut source.conn, settings).await?;
    let limit = limits.max_source_threads;
    if running > u64::from(limit) {
        return Ok(Some(format!(
            "{running} threads are running on the source, more than \
             snapshot.max_source_threads = {limit}"
        )));
    }
    let limit = limits.max_replica_lag_ms;
    if let Some(lag) = lag(&mut source.conn, &source.server).await
        && lag.saturating_mul(1_000) > limit
    {
        return Ok(Some(format!(
            "the source is a replica and {lag} s behind, more than \
             snapshot.max_replica_lag = {limit} ms"
        )));
    }
    Ok(None)
}

async fn running(conn: &mut Conn, settings: &SourceSettings) -> Result<u64, Error> {
    let row: Option<(String, u64)> = conn
        .query_first("SHOW GLOBAL STATUS LIKE 'Threads_running'")
        .await
        .map_err(|error| query_error(settings, "read the source's load", error))?;
    Ok(row.map_or(0, |(_, running)| running))
}

/// Of a source that is a replica itself. What cannot be told (no right to ask, replication stopped)
/// is no reason to wait for ever.
async fn lag(conn: &mut Conn, server: &Server) -> Option<u64> {
    let maria = server.version.to_ascii_lowercase().contains("mariadb");
    let statement = if maria {
        "SHOW SLAVE STATUS"
    } else {
        "SHOW REPLICA STATUS"
    };
    let rows: Vec<Row> = conn.query(statement).await.ok()?;
    rows.into_iter()
        .filter_map(|mut row| {
            ["Seconds_Behind_Source", "Seconds_Behind_Master"]
                .into_iter()
                .find_map(|name| row.take_opt::<Option<u64>, _>(name))
                .and_then(Result::ok)
                .flatten()
        })
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_sets_how_long_a_chunk_takes() {
        let mut limits = SnapshotSettings {
            chunk_rows: 1,
            chunk_bytes: 1,
            max_rows_per_second: Some(500),
            max_source_threads: 1,
            max_replica_lag_ms: 1,
        };
        assert_eq!(limits.duration(1_000), Duration::from_secs(2));
        limits.max_rows_per_second = None;
        assert_eq!(limits.duration(1_000), Duration::ZERO);
    }
}
