//! MySQL: the connection, the binlog stream, decoding, and the checks before the start.
//!
//! Owns everything that touches MySQL; gives [`CaptureEvent`]s made of core values. One stream
//! feeds all routes, in binlog order, bounded by the window's bytes. What may carry a routed row
//! and cannot be decoded stops the stream; it is never skipped. The driver's types
//! (`mysql_async`, `mysql_cdc`) do not leave this module.
//!
//! Does not decide what is durable (the driver does), does not map values, and never logs any.

mod assembler;
mod charset;
mod columns;
mod connection;
mod ddl;
mod decode;
mod defaults;
mod dump;
mod envelope;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod history;
mod json;
mod lineage;
mod mariadb;
mod names;
mod observer;
mod pieces;
mod preflight;
mod prepared;
mod progress;
mod remedy;
mod replay;
mod routing;
mod row_guard;
mod rows;
mod schema;
mod server;
mod session;
mod settings;
mod snapshot;
mod statement;
mod supervisor;
mod table_map;
mod temporal;
#[cfg(test)]
mod testing;
mod tls;
mod touched;
mod watchdog;
mod whole_rows;
mod xa;

pub use error::{Error, Source};
pub use history::binlog_end;
pub use observer::{Observation, Retention};
pub use preflight::{Check, CheckResult, PreflightReport, preflight};
pub use replay::{replay, replay_with_schemas};
pub use session::{checkpoint_at, resolve_start};
pub use settings::{
    ClientCertificate, Compression, LiveSchemas, OnHistoryLost, RoutedTable, SnapshotSettings,
    SourceSettings, Start, TableRoute, Tls, TlsMode,
};
pub use snapshot::{Narrow, Scan, ScanSpec, ScannedRow, check_snapshot, newest_rows};
pub use supervisor::{Parts, derived_server_id, run};

use crate::core::change::Chunk;
use crate::core::position::{Checkpoint, FilePosition, Position};
use crate::core::schema::TableName;
pub use crate::core::snapshot::SnapshotOrder;

#[derive(Debug)]
pub enum CaptureEvent {
    Chunk(Chunk),
    Connected {
        server_version: String,
        file: FilePosition,
    },
    /// Lost, and tried again after `delay_ms`; logged already.
    Reconnecting {
        /// With its causes.
        error: String,
        page: &'static str,
        remedy: String,
        attempt: u32,
        delay_ms: u64,
    },
    /// The server and our place do not fit together for now. Looked at again after `delay_ms`,
    /// without end; logged already.
    Waiting(Waiting),
    /// What came next is gone from the server, and `source.on_history_lost` says to go on at its
    /// present end; the stream's [`Restart`](crate::core::change::StreamItem::Restart) follows.
    HistoryLost {
        /// With its causes.
        error: String,
        page: &'static str,
        from: Position,
        to: Checkpoint,
    },
    /// Statements came by that may have changed these tables since capture was started; what lies
    /// behind them follows.
    Doubted {
        tables: Vec<TableName>,
        /// Behind the last whole transaction before what follows.
        passed: Position,
    },
    /// Of the snapshot of that number, which runs beside the stream.
    Snapshot(u64, SnapshotNews),
    /// Stopped for good until a person acts; whoever takes it logs it. The last event.
    Stopped {
        error: Error,
    },
}

/// Why nothing is streamed although the server answers.
#[derive(Debug)]
pub struct Waiting {
    /// With its causes.
    pub error: String,
    pub page: &'static str,
    pub remedy: String,
    pub attempt: u32,
    pub delay_ms: u64,
    /// Time alone does not mend it.
    pub needs_person: bool,
    /// How many transactions were read that the server does not have.
    pub transactions_missing: u64,
}

/// What a snapshot's reader has to say, beside its rows.
#[derive(Debug)]
pub enum SnapshotNews {
    /// How many rows a table holds, by the server's statistics.
    Estimated { table: usize, rows: u64 },
    /// It pauses by itself; `None` = it goes on.
    Waiting { reason: Option<String> },
    /// It ends here; only a person can help.
    Failed { error: Error },
}

/// The candidate most like `wanted`, if one is near enough to be what was meant.
fn closest<'c>(wanted: &str, candidates: impl Iterator<Item = &'c str>) -> Option<String> {
    let wanted = wanted.to_lowercase();
    candidates
        .map(|candidate| {
            (
                strsim::jaro_winkler(&wanted, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate.to_owned())
}

/// An error with its causes in one line, for logs and status texts. The driver's errors print
/// their own causes, so what stands there already is not said again.
fn describe(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text.replace("Input/output error: ", "")
}
