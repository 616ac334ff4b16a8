//! What a MariaDB server still has, and from where it is asked to send.
//!
//! A place is the last GTID of each domain. Whether it was purged, or belongs to a history that this
//! server never had, the server itself says when the dump begins.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use crate::capture::connection::query_error;
use crate::capture::error::Error;
use crate::capture::lineage::{self, Replication};
use crate::capture::progress::Progress;
use crate::capture::server::{Server, files};
use crate::capture::settings::{SourceSettings, Start};
use crate::core::position::{Checkpoint, FilePosition, MariaDbPosition, Position};

/// The place of the first event in a file.
const FIRST_EVENT: u64 = 4;

/// Where to begin without a checkpoint.
pub(in crate::capture) async fn resolve_start(
    server: &Server,
    conn: &mut Conn,
    settings: &SourceSettings,
) -> Result<Checkpoint, Error> {
    let (position, end) = match settings.start {
        // Asked first: what is committed between the two questions is then sent, not left out.
        Start::Now | Start::Snapshot => {
            (written(conn, settings).await?, end(conn, settings).await?)
        }
        Start::Earliest => {
            let file = files(conn, settings).await?.into_iter().next();
            let (file, _) = file.ok_or_else(no_binlog)?;
            let what = "read the start of the oldest binlog file";
            let statement = "SELECT BINLOG_GTID_POS(?, ?)";
            let text: Option<Option<String>> = conn
                .exec_first(statement, (&file, FIRST_EVENT))
                .await
                .map_err(|error| query_error(settings, what, error))?;
            let text = text.flatten().ok_or_else(|| Error::Query {
                what,
                source: format!("the server does not know {file}").into(),
            })?;
            let end = FilePosition {
                file: file.into(),
                offset: FIRST_EVENT,
            };
            (parse(&text, what)?, end)
        }
    };
    Ok(Checkpoint {
        server_uuid: server.uuid().to_owned(),
        position: Position::MariaDb(position),
        end,
        inside: Default::default(),
    })
}

/// The end of the binlog, for people.
pub(in crate::capture) async fn end(
    conn: &mut Conn,
    settings: &SourceSettings,
) -> Result<FilePosition, Error> {
    let what = "read the end of the binlog";
    let row: Option<Row> = conn
        .query_first("SHOW MASTER STATUS")
        .await
        .map_err(|error| query_error(settings, what, error))?;
    let mut row = row.ok_or_else(no_binlog)?;
    let malformed = || Error::Query {
        what,
        source: "the answer has another form than expected".into(),
    };
    let file: Option<String> = row.take_opt("File").and_then(Result::ok);
    let offset: Option<u64> = row.take_opt("Position").and_then(Result::ok);
    Ok(FilePosition {
        file: file.ok_or_else(malformed)?.into(),
        offset: offset.ok_or_else(malformed)?,
    })
}

fn no_binlog() -> Error {
    Error::MariaDbSetting {
        name: "log_bin",
        found: "OFF".to_owned(),
        needed: "ON",
    }
}

/// Everything that this server has in its binlog, as of now.
pub(in crate::capture) async fn written(
    conn: &mut Conn,
    settings: &SourceSettings,
) -> Result<MariaDbPosition, Error> {
    let what = "read gtid_binlog_pos";
    let text: Option<String> = conn
        .query_first("SELECT @@GLOBAL.gtid_binlog_pos")
        .await
        .map_err(|error| query_error(settings, what, error))?;
    parse(&text.unwrap_or_default(), what)
}

fn parse(text: &str, what: &'static str) -> Result<MariaDbPosition, Error> {
    text.parse().map_err(|error| Error::Query {
        what,
        source: Box::new(error),
    })
}

/// The position that a stream of MariaDB goes on from.
pub(in crate::capture) fn position(position: &Position) -> Result<&MariaDbPosition, Error> {
    match position {
        Position::MariaDb(position) => Ok(position),
        Position::Gtid(_) | Position::File(_) => Err(Error::OtherKind {
            expected: "MySQL",
            found: "MariaDB",
        }),
    }
}

/// Whether this server's binlog has all that was read, in every domain, and logs all that it
/// replicates.
pub(in crate::capture) async fn check_history(
    conn: &mut Conn,
    settings: &SourceSettings,
    server: &Server,
    progress: &Progress,
    ours: &MariaDbPosition,
) -> Result<(), Error> {
    // Without them it lacks for ever what it executes.
    lineage::check_replica_logs(conn, settings, server).await?;
    let theirs = written(conn, settings).await?;
    if !theirs.contains_position(ours) {
        return Err(lagging(conn, settings, server, &theirs, ours).await?);
    }
    lineage::check_length(conn, settings, server, progress).await
}

/// What it means that the server lacks some of ours.
pub(in crate::capture) async fn lagging(
    conn: &mut Conn,
    settings: &SourceSettings,
    server: &Server,
    theirs: &MariaDbPosition,
    ours: &MariaDbPosition,
) -> Result<Error, Error> {
    let missing = lacking(theirs, ours);
    let ahead = missing.to_string();
    let transactions = missing
        .iter()
        .map(|gtid| gtid.sequence - theirs.last(gtid.domain).map_or(0, |last| last.sequence))
        .sum();
    let own = server.get("server_id").parse().ok();
    if missing.iter().any(|gtid| Some(gtid.server) == own) {
        return Ok(Error::NumbersReused {
            transactions,
            ahead,
        });
    }
    Ok(match lineage::replication(conn, settings, server).await? {
        Replication::Running => Error::GtidsAhead {
            transactions,
            ahead,
        },
        Replication::None | Replication::Stopped => Error::ReplicaCutOff {
            transactions,
            ahead,
        },
    })
}

/// Whether it is a replica. `SHOW REPLICA STATUS` would tell more, and needs a privilege of its own.
pub(in crate::capture) async fn replication(
    conn: &mut Conn,
    settings: &SourceSettings,
) -> Result<Replication, Error> {
    let failed = |error| query_error(settings, "ask whether the server is a replica", error);
    let running: Option<(String, String)> = conn
        .query_first("SHOW GLOBAL STATUS LIKE 'Slaves_running'")
        .await
        .map_err(failed)?;
    if running.is_some_and(|(_, count)| count != "0") {
        return Ok(Replication::Running);
    }
    let replicated: Option<String> = conn
        .query_first("SELECT @@GLOBAL.gtid_slave_pos")
        .await
        .map_err(failed)?;
    Ok(match replicated.as_deref() {
        None | Some("") => Replication::None,
        Some(_) => Replication::Stopped,
    })
}

/// The last GTID of ours in each domain in which `theirs` is behind.
pub(super) fn lacking(theirs: &MariaDbPosition, ours: &MariaDbPosition) -> MariaDbPosition {
    let mut missing = MariaDbPosition::default();
    for gtid in ours.iter().filter(|gtid| !theirs.contains(gtid)) {
        missing.insert(*gtid);
    }
    missing
}

/// Says what kind of replica this is and where it is, before the dump is asked for.
pub(in crate::capture) async fn prepare(
    conn: &mut Conn,
    settings: &SourceSettings,
    ours: &MariaDbPosition,
) -> Result<(), Error> {
    // Capability 4: it knows MariaDB's GTIDs. Strict: a hole in the server's binlog is an error,
    // not a jump. The text of a position holds digits, dashes and commas only.
    let statement = format!(
        "SET @mariadb_slave_capability = 4, @slave_connect_state = '{ours}', \
         @slave_gtid_strict_mode = 1, @slave_gtid_ignore_duplicates = 0"
    );
    conn.query_drop(statement)
        .await
        .map_err(|error| query_error(settings, "say where to go on", error))
}

/// Whether the server's refusal (error 1236, in lower case) says that its binlog has another
/// history than ours (`sql_repl.cc`).
pub(in crate::capture) fn is_other_history(text: &str) -> bool {
    text.contains("which is not in the master's binlog")
        || text.contains("is missing the gtid") && text.contains("requested by the slave")
}
