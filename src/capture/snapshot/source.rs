//! The connection that a snapshot reads on, apart from the stream's: how it is set up, and how a
//! chunk, a condition and the end of the binlog are asked for.
//!
//! Takes no lock: each chunk is one consistent, nonlocking SELECT, and nothing is held between two.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Params, Row};
use tokio::time::{Instant, sleep, timeout};

use super::chunk::ReadRow;
use super::gate::Brought;
use super::key::{Key, quoted_table, row_name, table_error};
use super::query::Query;
use super::values::value;
use crate::capture::charset::Numbering;
use crate::capture::connection::{connect, query_error};
use crate::capture::error::Error;
use crate::capture::server::Server;
use crate::capture::settings::{SourceSettings, Start};
use crate::core::position::{Checkpoint, FilePosition, GtidSet, Position};
use crate::core::schema::TableName;
use crate::core::snapshot::{KeyBound, TableSnapshot};
use crate::core::value::Value;

/// A chunk that takes longer is given up and read again: its condition finds too little, or the
/// server is in trouble.
pub(super) const STATEMENT_SECONDS: u64 = 600;
/// The server ends the statement by itself; this is for a server that does not answer at all.
pub(super) const GRACE: Duration = Duration::from_secs(30);

/// Between a transaction's way into the binlog and its visibility, on a server that cannot be asked
/// (MySQL without GTIDs), lies its commit in memory: microseconds, and the acknowledgement of a
/// semi-synchronous replica.
const VISIBLE_WITHIN: Duration = Duration::from_millis(100);
const VISIBLE_AGAIN: Duration = Duration::from_millis(2);
const WHAT_IS_VISIBLE: &str = "wait until what was read is visible";

/// A connection, and the server behind it.
pub(super) struct Source {
    pub(super) conn: Conn,
    pub(super) server: Server,
    settings: SourceSettings,
}

/// What one SELECT gave.
pub(super) struct Rows {
    pub(super) rows: Vec<ReadRow>,
    /// Behind the last of them.
    pub(super) after: Option<KeyBound>,
    /// The table holds no further row.
    pub(super) last: bool,
    pub(super) bytes: usize,
}

impl Source {
    pub(super) async fn connect(settings: &SourceSettings) -> Result<Self, Error> {
        let mut conn = connect(settings).await?;
        let waited_ms = settings.connect_timeout_ms;
        let limit = Duration::from_millis(waited_ms);
        let server = timeout(limit, async {
            let server = Server::ask(&mut conn, settings).await?;
            prepare(&mut conn, settings, &server).await?;
            Ok(server)
        })
        .await
        .unwrap_or(Err(Error::Silent { waited_ms }))?;
        let mut settings = settings.clone();
        settings.start = Start::Now;
        Ok(Self {
            conn,
            server,
            settings,
        })
    }

    /// Waits a while until a SELECT sees all that the stream had brought; false when it does not
    /// yet. A server may send a transaction before its own readers see it.
    pub(super) async fn sees(&mut self, brought: &Brought) -> Result<bool, Error> {
        // Less than what one step may take.
        let patience = Duration::from_millis(self.settings.connect_timeout_ms.max(2) / 2);
        match &brought.position {
            Position::Gtid(gtids) => self.shows_gtids(gtids, patience).await,
            Position::MariaDb(_) => self.shows_place(&brought.end, patience).await,
            // Nothing can be asked.
            Position::File(_) => {
                sleep(VISIBLE_WITHIN).await;
                Ok(true)
            }
        }
    }

    async fn shows_gtids(&mut self, gtids: &GtidSet, patience: Duration) -> Result<bool, Error> {
        let has_timed_out: Option<Option<i64>> = self
            .conn
            .exec_first(
                "SELECT WAIT_FOR_EXECUTED_GTID_SET(?, ?)",
                (gtids.to_string(), patience.as_secs_f64()),
            )
            .await
            .map_err(|error| query_error(&self.settings, WHAT_IS_VISIBLE, error))?;
        Ok(has_timed_out.flatten() == Some(0))
    }

    /// MariaDB says what a consistent snapshot holds, as a place in its binlog. What one holds, every
    /// later SELECT sees.
    async fn shows_place(&mut self, end: &FilePosition, patience: Duration) -> Result<bool, Error> {
        let until = Instant::now() + patience;
        loop {
            let holds = self
                .snapshot_place()
                .await
                .map_err(|error| query_error(&self.settings, WHAT_IS_VISIBLE, error))?;
            if holds.is_some_and(|holds| !holds.is_before(end)) {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
            sleep(VISIBLE_AGAIN).await;
        }
    }

    async fn snapshot_place(&mut self) -> Result<Option<FilePosition>, mysql_async::Error> {
        let conn = &mut self.conn;
        conn.query_drop("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            .await?;
        let told: Vec<(String, String)> = conn
            .query(
                "SHOW STATUS WHERE Variable_name IN \
                 ('binlog_snapshot_file', 'binlog_snapshot_position')",
            )
            .await?;
        conn.query_drop("COMMIT").await?;
        let of = |name: &str| {
            told.iter()
                .find(|(told, _)| told.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_str())
        };
        let file = of("binlog_snapshot_file").filter(|file| !file.is_empty());
        let offset = of("binlog_snapshot_position").and_then(|offset| offset.parse().ok());
        Ok(file.zip(offset).map(|(file, offset)| FilePosition {
            file: file.into(),
            offset,
        }))
    }

    /// The end of the server's binlog.
    pub(super) async fn end(&mut self) -> Result<Checkpoint, Error> {
        self.server
            .resolve_start(&mut self.conn, &self.settings)
            .await
    }

    /// How many rows a table holds, by the server's statistics.
    pub(super) async fn estimate(&mut self, table: &TableName) -> Result<Option<u64>, Error> {
        let rows: Option<Option<u64>> = self
            .conn
            .exec_first(
                "SELECT CAST(table_rows AS UNSIGNED) FROM information_schema.tables \
                 WHERE table_schema = ? AND table_name = ?",
                (&table.schema, &table.table),
            )
            .await
            .map_err(|error| query_error(&self.settings, "estimate the table's rows", error))?;
        Ok(rows.flatten())
    }

    /// The column that the table itself stamps with the moment of a row's last change, else of its
    /// writing.
    pub(super) async fn stamped_column(
        &mut self,
        table: &TableName,
    ) -> Result<Option<String>, Error> {
        self.conn
            .exec_first(
                "SELECT column_name FROM information_schema.columns \
                 WHERE table_schema = ? AND table_name = ? AND data_type = 'timestamp' \
                 AND (LOWER(extra) LIKE '%on update current_timestamp%' \
                 OR LOWER(column_default) LIKE 'current_timestamp%') \
                 ORDER BY LOWER(extra) LIKE '%on update%' DESC, ordinal_position LIMIT 1",
                (&table.schema, &table.table),
            )
            .await
            .map_err(|error| query_error(&self.settings, "look for a stamped column", error))
    }

    /// Whether the condition can be used, before anything depends on it. It is the operator's own
    /// SQL and may hold values: of what the server says about it, only the number is told.
    pub(super) async fn check_condition(
        &mut self,
        table: &TableName,
        condition: &str,
    ) -> Result<(), Error> {
        let refused = |reason: String| Error::SnapshotCondition {
            table: table.clone(),
            reason,
        };
        // Alone, so that it is one expression; then in brackets, as it will stand.
        for condition in [format!("{condition}\n"), format!("({condition}\n)")] {
            let statement = format!("SELECT 1 FROM {} WHERE {condition}", quoted_table(table));
            let prepared = match self.conn.prep(statement).await {
                Ok(prepared) => prepared,
                Err(mysql_async::Error::Server(server)) if !is_passing(server.code) => {
                    return Err(refused(match server.code {
                        1054 => "it names a column that the table does not have".to_owned(),
                        1064 => "it is not a SQL expression (server error 1064)".to_owned(),
                        code => format!("server error {code}, sqlstate {}", server.state),
                    }));
                }
                Err(error) => return Err(table_error(&self.settings, table, error)),
            };
            let parameters = prepared.num_params();
            self.conn
                .close(prepared)
                .await
                .map_err(|error| query_error(&self.settings, "check the condition", error))?;
            if parameters > 0 {
                return Err(refused("it holds a ? outside of quotes".to_owned()));
            }
        }
        Ok(())
    }

    /// Reads a chunk of at most `limit` rows and about `bytes_max` bytes, but at least one row.
    pub(super) async fn read(
        &mut self,
        query: &Query<'_>,
        table: &TableSnapshot,
        after: Option<&KeyBound>,
        limit: u64,
        bytes_max: usize,
    ) -> Result<Rows, Error> {
        let parameters = match after {
            None => Vec::new(),
            Some(bound) => query
                .parameters(bound)
                .ok_or_else(|| Error::SnapshotPlace {
                    table: table.table.clone(),
                })?,
        };
        let sql = query.sql(after.is_some(), limit);
        let waited = Duration::from_secs(STATEMENT_SECONDS) + GRACE;
        let read = fetch(
            &mut self.conn,
            (&self.settings, &self.server.collations),
            query,
            sql,
            parameters,
            bytes_max,
        );
        let mut rows = timeout(waited, read).await.unwrap_or_else(|_| {
            let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            Err(Error::Silent { waited_ms })
        })?;
        rows.last &= (rows.rows.len() as u64) < limit;
        Ok(rows)
    }
}

/// Not the condition's fault: the connection, the server's state, a lock, a privilege, or time.
fn is_passing(code: u16) -> bool {
    matches!(
        code,
        1021 | 1037..=1041
            | 1044
            | 1049
            | 1053
            | 1142
            | 1143
            | 1146
            | 1152..=1161
            | 1184
            | 1203
            | 1205
            | 1213
            | 1226
            | 1290
            | 1317
            | 1836
            | 1927
            | 1969
            | 3024
            | 3169
    )
}

async fn prepare(conn: &mut Conn, settings: &SourceSettings, server: &Server) -> Result<(), Error> {
    let longest = if server.version.to_ascii_lowercase().contains("mariadb") {
        format!("max_statement_time = {STATEMENT_SECONDS}")
    } else {
        format!("max_execution_time = {}", STATEMENT_SECONDS * 1_000)
    };
    for statement in [
        "SET NAMES utf8mb4".to_owned(),
        // Without a charset for results the server sends each column in its own.
        format!(
            "SET SESSION character_set_results = NULL, time_zone = '+00:00', sql_mode = '', \
             autocommit = 1, {longest}"
        ),
        // A chunk sees what is committed; a condition's functions can change nothing.
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ ONLY".to_owned(),
    ] {
        conn.query_drop(statement)
            .await
            .map_err(|error| query_error(settings, "set up a snapshot's connection", error))?;
    }
    Ok(())
}

async fn fetch(
    conn: &mut Conn,
    (settings, numbering): (&SourceSettings, &Numbering),
    query: &Query<'_>,
    sql: String,
    parameters: Vec<mysql_async::Value>,
    bytes_max: usize,
) -> Result<Rows, Error> {
    let failed = |error| chunk_error(settings, query, error);
    let parameters = if parameters.is_empty() {
        Params::Empty
    } else {
        Params::Positional(parameters)
    };
    let mut result = conn.exec_iter(sql, parameters).await.map_err(failed)?;
    let mut rows = Vec::new();
    let (mut after, mut bytes, mut last) = (None, 0, true);
    while let Some(row) = result.next().await.map_err(failed)? {
        let (row, bound) = read_row(query, row, numbering)?;
        bytes += row.name.len() + row.values.iter().map(Value::heap_bytes).sum::<usize>();
        bytes += row.values.len() * size_of::<Value>();
        rows.push(row);
        after = Some(bound);
        if bytes >= bytes_max {
            // What is left of the result is thrown away as it comes.
            last = false;
            break;
        }
    }
    result.drop_result().await.map_err(failed)?;
    Ok(Rows {
        rows,
        after,
        last,
        bytes,
    })
}

fn chunk_error(settings: &SourceSettings, query: &Query<'_>, error: mysql_async::Error) -> Error {
    match error {
        // 1054: a column is gone, and the server's text names it, or one of the condition's.
        mysql_async::Error::Server(server) if server.code == 1054 => {
            let named = query
                .columns
                .iter()
                .find(|column| server.message.contains(&format!("'{column}'")));
            match named {
                Some(column) => Error::ColumnMissing {
                    table: query.table.clone(),
                    column: column.clone(),
                    suggestion: None,
                    position: None,
                },
                None => Error::SnapshotCondition {
                    table: query.table.clone(),
                    reason: "it names a column that the table does not have".to_owned(),
                },
            }
        }
        // 1176: the index that the rows are read by is gone.
        mysql_async::Error::Server(server) if server.code == 1176 => Error::SnapshotPlace {
            table: query.table.clone(),
        },
        // A condition that stumbles over a row stumbles again; its values stay where they are.
        mysql_async::Error::Server(server)
            if query.condition.is_some() && !is_passing(server.code) =>
        {
            Error::SnapshotCondition {
                table: query.table.clone(),
                reason: format!("server error {}, sqlstate {}", server.code, server.state),
            }
        }
        error => table_error(settings, query.table, error),
    }
}

pub(super) fn read_row(
    query: &Query<'_>,
    mut row: Row,
    numbering: &Numbering,
) -> Result<(ReadRow, KeyBound), Error> {
    let columns = row.columns();
    let (wanted, key) = (query.columns.len(), &query.key.columns);
    let undecodable = |index: usize, reason: String| Error::SnapshotValue {
        table: query.table.clone(),
        column: columns
            .get(index)
            .map(|column| column.name_str().into_owned())
            .unwrap_or_default(),
        reason,
    };
    let broken = || "the answer has another form than expected".to_owned();
    let mut read = |index: usize| {
        let column = columns.get(index).ok_or_else(broken)?;
        let raw: mysql_async::Value = row.take(index).ok_or_else(broken)?;
        Ok((column, raw))
    };
    let mut values = Vec::with_capacity(wanted);
    for index in 0..wanted {
        let decoded = read(index).and_then(|(column, raw)| value(column, raw, numbering));
        values.push(decoded.map_err(|reason| undecodable(index, reason))?);
    }
    let (mut names, mut bound) = (Vec::new(), Vec::new());
    for (at, key_column) in key.iter().enumerate() {
        let index = wanted + at;
        let decoded = read(index)
            .and_then(|(column, raw)| value(column, raw, numbering))
            .map_err(|reason| undecodable(index, reason))?;
        let (_, raw) =
            read(wanted + key.len() + at).map_err(|reason| undecodable(index, reason))?;
        let part = key_column
            .part(&raw, &decoded)
            .ok_or_else(|| undecodable(index, "it cannot be a bound".to_owned()))?;
        bound.push(part);
        names.push(decoded);
    }
    let name =
        row_name(&names).ok_or_else(|| undecodable(wanted, "it cannot name a row".to_owned()))?;
    let bound = KeyBound {
        columns: query.key.names(),
        values: bound,
    };
    Ok((ReadRow { name, values }, bound))
}

/// What a snapshot of a table needs, asked before it begins.
pub(super) async fn check(
    source: &mut Source,
    table: &TableName,
    condition: Option<&str>,
) -> Result<Key, Error> {
    let settings = source.settings.clone();
    let key = Key::read(&mut source.conn, &settings, table).await?;
    if let Some(condition) = condition {
        source.check_condition(table, condition).await?;
    }
    Ok(key)
}
