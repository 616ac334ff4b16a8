//! Whether a server's binlog is the one that was read, and goes on where we stopped.
//!
//! Asked before each dump, because a server does not say it by itself: a stream by GTID begins in
//! the newest file that has what we lack, and leaves out what seems to be behind us. No clock is
//! asked.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::connection::query_error;
use super::error::Error;
use super::mariadb;
use super::progress::Progress;
use super::server::{Server, files};
use super::settings::SourceSettings;
use crate::core::position::{FilePosition, Gtid, GtidSet};

/// Longer lists of GTIDs are cut in texts for people.
const GTIDS_SHOWN_MAX: usize = 1_000;
/// The place of a file's first event.
const FILE_START: u64 = 4;

/// Whether the server has executed all of `ours`, still has everything behind it, and logs all that
/// it executes.
pub(super) async fn check_gtids(
    conn: &mut Conn,
    settings: &SourceSettings,
    server: &Server,
    progress: &Progress,
    ours: &GtidSet,
) -> Result<(), Error> {
    let executed = executed(conn, settings).await?;
    let ahead = ours.without(&executed);
    if !ahead.is_empty() {
        return Err(lagging(conn, settings, server, &ahead).await?);
    }
    check_end(conn, settings, server, progress, ours).await?;
    // Before what is purged: such a replica counts all that it replicates as that.
    check_replica_logs(conn, settings, server).await?;
    let missing = server.gtid_set("gtid_purged")?.without(ours);
    if !missing.is_empty() {
        return Err(Error::HistoryLost {
            missing: shown(&missing),
        });
    }
    Ok(())
}

/// A replica that logs nothing of what it replicates has all GTIDs, and no rows.
pub(super) async fn check_replica_logs(
    conn: &mut Conn,
    settings: &SourceSettings,
    server: &Server,
) -> Result<(), Error> {
    let logs = server.get("log_replica_updates").to_owned() + server.get("log_slave_updates");
    if logs.to_ascii_uppercase().contains("OFF")
        && replication(conn, settings, server).await? != Replication::None
    {
        return Err(Error::ReplicaUnlogged);
    }
    Ok(())
}

async fn executed(conn: &mut Conn, settings: &SourceSettings) -> Result<GtidSet, Error> {
    let what = "read gtid_executed";
    // Asked by itself: `ours` may be younger than what the server said before.
    let text: Option<String> = conn
        .query_first("SELECT @@GLOBAL.gtid_executed")
        .await
        .map_err(|error| query_error(settings, what, error))?;
    text.unwrap_or_default()
        .parse()
        .map_err(|error| Error::Query {
            what,
            source: Box::new(error),
        })
}

/// What it means that the server lacks these.
pub(super) async fn lagging(
    conn: &mut Conn,
    settings: &SourceSettings,
    server: &Server,
    ahead: &GtidSet,
) -> Result<Error, Error> {
    let (transactions, text) = (ahead.count(), shown(ahead));
    if ahead.names_server(server.uuid()) {
        return Ok(Error::NumbersReused {
            transactions,
            ahead: text,
        });
    }
    Ok(match replication(conn, settings, server).await? {
        Replication::Running => Error::GtidsAhead {
            transactions,
            ahead: text,
        },
        Replication::None | Replication::Stopped => Error::ReplicaCutOff {
            transactions,
            ahead: text,
        },
    })
}

/// On the server that we read from last its binlog cannot end before our place, or hold something
/// else there, unless it was reset, restored, or lost its end in a crash. What is ours may stand
/// there where our place lags; see [`is_reused`].
async fn check_end(
    conn: &mut Conn,
    settings: &SourceSettings,
    server: &Server,
    progress: &Progress,
    ours: &GtidSet,
) -> Result<(), Error> {
    if server.uuid() != progress.server_uuid {
        return Ok(());
    }
    let end = &progress.end;
    let files = files(conn, settings).await?;
    let Some(first) = place_in(&files, end)? else {
        return Ok(());
    };
    // A stream by GTID begins in the newest file that has all we lack: files before it that hold
    // none, or nothing but transactions without a GTID, are left out in silence.
    for (index, (file, bytes)) in files[first..].iter().enumerate() {
        if *bytes > u64::from(u32::MAX) {
            return Ok(());
        }
        let (file, offset) = (
            file.as_str().into(),
            if index == 0 { end.offset } else { FILE_START },
        );
        match next_transaction(conn, settings, &FilePosition { file, offset }).await? {
            Next::Nothing => {}
            Next::Anonymous => {
                return Err(Error::GtidModeChanged {
                    found: "transactions without a gtid follow".to_owned(),
                });
            }
            Next::Gtid(gtid) if !ours.contains(&gtid) => return Ok(()),
            Next::NoEvent if index == 0 => {
                return Err(reused("its binlog holds something else at", end));
            }
            Next::Gtid(gtid) if index == 0 && is_reused(&gtid, end, server.uuid()) => {
                return Err(reused("its binlog holds something else at", end));
            }
            Next::Gtid(_) | Next::NoEvent => {}
        }
    }
    Ok(())
}

/// On the server that we read from last its binlog cannot end before our place.
pub(super) async fn check_length(
    conn: &mut Conn,
    settings: &SourceSettings,
    server: &Server,
    progress: &Progress,
) -> Result<(), Error> {
    if server.uuid() != progress.server_uuid {
        return Ok(());
    }
    let files = files(conn, settings).await?;
    place_in(&files, &progress.end).map(|_| ())
}

/// Which of the files our place is in; `None` = none any more.
fn place_in(files: &[(String, u64)], end: &FilePosition) -> Result<Option<usize>, Error> {
    let Some(first) = files.iter().position(|(file, _)| **file == *end.file) else {
        // Purged, or never written by this incarnation of the server.
        return match files.last() {
            Some((file, _)) if (file.len(), file.as_str()) < (end.file.len(), &*end.file) => {
                Err(reused("its binlog ends before", end))
            }
            _ => Ok(None),
        };
    };
    if files[first].1 < end.offset {
        return Err(reused("its binlog ends before", end));
    }
    Ok(Some(first))
}

/// Whether a transaction of ours right at our place shows that numbers were given out again.
///
/// A place lags where a stream was taken over from another server, at its file's start, and where
/// what was read there before comes in another order: both are other servers' transactions, or
/// stand at a file's start. What a server numbers itself comes in order.
fn is_reused(gtid: &Gtid, end: &FilePosition, server_uuid: &str) -> bool {
    let mut set = GtidSet::default();
    set.insert(gtid);
    end.offset > FILE_START && set.names_server(server_uuid)
}

fn reused(what: &str, end: &FilePosition) -> Error {
    Error::NumbersReused {
        transactions: 0,
        ahead: format!("{what} {end}, where it was read last"),
    }
}

/// Whether the file that our place is in is still the one that was read: after a reset another one
/// has its name.
pub(super) async fn check_file(
    conn: &mut Conn,
    settings: &SourceSettings,
    position: &FilePosition,
) -> Result<(), Error> {
    match next_transaction(conn, settings, position).await? {
        Next::NoEvent => Err(Error::FileReplaced {
            position: position.clone(),
        }),
        Next::Nothing | Next::Anonymous | Next::Gtid(_) => Ok(()),
    }
}

/// What begins at a place in a binlog.
#[derive(Debug, PartialEq)]
enum Next {
    /// No transaction, as far as it was looked.
    Nothing,
    Gtid(Gtid),
    Anonymous,
    /// The place is within an event.
    NoEvent,
}

async fn next_transaction(
    conn: &mut Conn,
    settings: &SourceSettings,
    place: &FilePosition,
) -> Result<Next, Error> {
    let what = "read the binlog at the checkpoint";
    // At a file's start two events come before its first transaction.
    let statement = format!(
        "SHOW BINLOG EVENTS IN '{}' FROM {} LIMIT 3",
        place.file.replace('\'', "''"),
        place.offset
    );
    match conn.query::<Row, _>(statement).await {
        Ok(rows) => Ok(rows
            .iter()
            .filter_map(|row| row.get_opt::<String, _>("Info").and_then(Result::ok))
            .find_map(|info| transaction_in(&info))
            .unwrap_or(Next::Nothing)),
        // ER_ERROR_WHEN_EXECUTING_COMMAND: what is read there is no event.
        Err(mysql_async::Error::Server(error)) if error.code == 1220 => Ok(Next::NoEvent),
        Err(error) => Err(query_error(settings, what, error)),
    }
}

/// `SET @@SESSION.GTID_NEXT= 'uuid:7'`
fn transaction_in(info: &str) -> Option<Next> {
    let (_, text) = info.split_once("GTID_NEXT= '")?;
    match text.split('\'').next()? {
        "ANONYMOUS" => Some(Next::Anonymous),
        gtid => gtid.parse().ok().map(Next::Gtid),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replication {
    /// Not a replica.
    None,
    Stopped,
    Running,
}

pub(super) async fn replication(
    conn: &mut Conn,
    settings: &SourceSettings,
    server: &Server,
) -> Result<Replication, Error> {
    if server.is_mariadb {
        return mariadb::replication(conn, settings).await;
    }
    // 8.4 knows the new name alone; the old one serves before.
    let (statement, receiver, applier) = if server.is_at_least((8, 1)) {
        (
            "SHOW REPLICA STATUS",
            "Replica_IO_Running",
            "Replica_SQL_Running",
        )
    } else {
        ("SHOW SLAVE STATUS", "Slave_IO_Running", "Slave_SQL_Running")
    };
    let rows: Vec<Row> = conn
        .query(statement)
        .await
        .map_err(|error| query_error(settings, "ask whether the server is a replica", error))?;
    let is_on = |row: &Row, column: &str| {
        let text: Option<String> = row.get_opt(column).and_then(Result::ok);
        text.is_some_and(|text| !text.eq_ignore_ascii_case("No"))
    };
    Ok(match rows.as_slice() {
        [] => Replication::None,
        rows if rows
            .iter()
            .any(|row| is_on(row, receiver) || is_on(row, applier)) =>
        {
            Replication::Running
        }
        _ => Replication::Stopped,
    })
}

fn shown(set: &GtidSet) -> String {
    let mut text = set.to_string();
    if text.len() > GTIDS_SHOWN_MAX {
        // The text is ASCII.
        text.truncate(GTIDS_SHOWN_MAX);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_known_by_how_its_event_is_described() {
        let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let next = |text: &str| transaction_in(&format!("SET @@SESSION.GTID_NEXT= '{text}'"));
        for text in [format!("{uuid}:7"), format!("{uuid}:blue:7")] {
            assert_eq!(next(&text), Some(Next::Gtid(text.parse().unwrap())));
        }
        assert_eq!(next("ANONYMOUS"), Some(Next::Anonymous));
        assert_eq!(transaction_in("BEGIN"), None);
    }

    #[test]
    fn what_is_ours_may_stand_at_our_place_but_not_as_the_servers_own() {
        let (own, other) = (
            "3e11fa47-71ca-11e1-9e33-c80aa9429562",
            "3e11fa47-71ca-11e1-9e33-c80aa9429563",
        );
        let reused = |source: &str, offset| {
            let end = FilePosition {
                file: "binlog.000003".into(),
                offset,
            };
            is_reused(&format!("{source}:7").parse().unwrap(), &end, own)
        };
        assert!(reused(own, 900), "a reset server counts anew");
        assert!(!reused(own, FILE_START), "just taken over");
        assert!(!reused(other, FILE_START), "just taken over");
        assert!(!reused(other, 900), "replicated in another order");
    }

    #[test]
    fn long_lists_of_gtids_are_cut() {
        let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let numbers: Vec<String> = (1..600).map(|n| (n * 2).to_string()).collect();
        let set: GtidSet = format!("{uuid}:{}", numbers.join(":")).parse().unwrap();
        assert!(shown(&set).len() < GTIDS_SHOWN_MAX + 10);
        assert_eq!(set.count(), 599);
    }
}
