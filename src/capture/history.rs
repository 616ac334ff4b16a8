//! Whether a server's history goes on where ours ends; what is waited for when it does not; and how
//! the stream begins anew when what comes next is gone for good.
//!
//! Invariants: nothing is streamed from a server that lacks a transaction that was read, because it
//! may give the same number to another one, and that would be skipped in silence. A server that was
//! seen to do so is not streamed from in this process any more. No clock is asked.

use std::sync::{Mutex, PoisonError};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, ServerError};

use super::connection::{connect, query_error};
use super::error::Error;
use super::mariadb;
use super::progress::Progress;
use super::server::{Server, files};
use super::session::{Abandoned, Context, in_time};
use super::settings::{OnHistoryLost, SourceSettings, Start};
use super::{CaptureEvent, describe};
use crate::core::change::{Chunk, StreamItem};
use crate::core::position::{Checkpoint, GtidSet, Position};

/// Longer lists of GTIDs are cut in texts for people.
const GTIDS_SHOWN_MAX: usize = 1_000;

/// What is waited for, without end and visibly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// A replica catches up by itself.
    ForReplica,
    /// A person has to mend it, here or on the server; it is noticed when that is done.
    ForPerson,
}

impl Wait {
    /// The longest pause between two looks: a login and some small queries each.
    pub(super) fn pause_ms_max(self) -> u64 {
        match self {
            Wait::ForReplica => 2_000,
            Wait::ForPerson => 10_000,
        }
    }
}

impl Error {
    /// Whether the server and our place do not fit together for now.
    pub(super) fn wait(&self) -> Option<Wait> {
        match self {
            Error::GtidsAhead { .. } => Some(Wait::ForReplica),
            Error::NumbersReused { .. } | Error::ReplicaCutOff { .. } | Error::ReplicaUnlogged => {
                Some(Wait::ForPerson)
            }
            error if error.loses_history() => Some(Wait::ForPerson),
            _ => None,
        }
    }

    /// Whether what comes next cannot be had from this server any more.
    pub(super) fn loses_history(&self) -> bool {
        matches!(
            self,
            Error::HistoryLost { .. } | Error::FileGone { .. } | Error::GtidModeChanged { .. }
        )
    }

    /// How many transactions were read that the server does not have.
    pub(super) fn transactions_missing(&self) -> u64 {
        match self {
            Error::GtidsAhead { transactions, .. }
            | Error::NumbersReused { transactions, .. }
            | Error::ReplicaCutOff { transactions, .. } => *transactions,
            _ => 0,
        }
    }
}

/// The server that was seen to give out numbers again: by the time it has come to where we are, it
/// would look sound.
#[derive(Default)]
pub(super) struct Condemned(Mutex<Option<(String, u64, String)>>);

impl Condemned {
    pub(super) fn refuse(&self, server: &Server) -> Result<(), Error> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((uuid, transactions, ahead)) if uuid == server.uuid() => {
                Err(Error::NumbersReused {
                    transactions: *transactions,
                    ahead: ahead.clone(),
                })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn note(&self, server: &Server, error: &Error) {
        if let Error::NumbersReused {
            transactions,
            ahead,
        } = error
        {
            let entry = (server.uuid().to_owned(), *transactions, ahead.clone());
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(entry);
        }
    }
}

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
    check_end(conn, settings, server, progress).await?;
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
async fn lagging(
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

/// On the server that we read from last its binlog cannot end before our place, unless it was reset,
/// restored, or lost its end in a crash.
pub(super) async fn check_end(
    conn: &mut Conn,
    settings: &SourceSettings,
    server: &Server,
    progress: &Progress,
) -> Result<(), Error> {
    if server.uuid() != progress.server_uuid {
        return Ok(());
    }
    let end = &progress.end;
    let files = files(conn, settings).await?;
    let short = match files.iter().find(|(file, _)| **file == *end.file) {
        Some((_, bytes)) => *bytes < end.offset,
        // Purged, or never written by this incarnation of the server.
        None => files
            .last()
            .is_some_and(|(file, _)| (file.len(), file.as_str()) < (end.file.len(), &*end.file)),
    };
    if short {
        return Err(Error::NumbersReused {
            transactions: 0,
            ahead: format!("its binlog ends before {end}, where it was read last"),
        });
    }
    Ok(())
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
    // 8.4 knows the new name alone; the old one serves before.
    if server.is_mariadb {
        return mariadb::replication(conn, settings).await;
    }
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

/// Why a server refuses a dump, when it is our place; the server has one number for all causes.
pub(super) fn refusal(server: &ServerError) -> Option<Error> {
    let text = server.message.to_ascii_lowercase();
    let message = || server.message.clone();
    if text.contains("purged") {
        Some(Error::HistoryLost { missing: message() })
    } else if text.contains("could not find first log file") {
        Some(Error::FileGone { file: message() })
    } else if text.contains("has more gtids than") || mariadb::is_other_history(&text) {
        // The server compares the numbers of its own.
        Some(Error::NumbersReused {
            transactions: 0,
            ahead: message(),
        })
    } else if text.contains("cannot replicate anonymous transaction")
        || text.contains("cannot replicate gtid-transaction")
        || text.contains("auto_position mode")
    {
        Some(Error::GtidModeChanged { found: message() })
    } else {
        None
    }
}

/// Goes on at the server's present end, because what comes next is lost: tells so, and lets the
/// stream begin anew there, in its order. Snapshots bring what may be missing; that is the driver's
/// matter.
pub(super) async fn begin_anew(
    context: &Context,
    lost: &Error,
) -> Result<Option<Error>, Abandoned> {
    let checkpoint = match present_end(context).await {
        Ok(checkpoint) => checkpoint,
        Err(error) => return Ok(Some(error)),
    };
    let event = CaptureEvent::HistoryLost {
        error: describe(lost),
        page: lost.page(),
        from: context.shared.progress().position,
        to: checkpoint.clone(),
    };
    context.events.send(event).await.map_err(|_| Abandoned)?;
    let restart = CaptureEvent::Chunk(Chunk {
        items: vec![StreamItem::Restart(checkpoint.clone())],
        bytes: 0,
    });
    context.events.send(restart).await.map_err(|_| Abandoned)?;
    context.shared.note(Progress::from(checkpoint));
    Ok(None)
}

/// Whether the settings ask for that.
pub(super) fn begins_anew(settings: &SourceSettings, error: &Error) -> bool {
    error.loses_history() && settings.on_history_lost == OnHistoryLost::Snapshot
}

/// The server's present end, with everything behind it that was read elsewhere.
async fn present_end(context: &Context) -> Result<Checkpoint, Error> {
    let settings = SourceSettings {
        start: Start::Now,
        ..context.settings.clone()
    };
    let mut conn = connect(&settings).await?;
    let server = in_time(&settings, Server::ask(&mut conn, &settings)).await?;
    context.shared.condemned.refuse(&server)?;
    let mut checkpoint = in_time(&settings, server.resolve_start(&mut conn, &settings)).await?;
    let progress = context.shared.progress();
    match (&mut checkpoint.position, &progress.position) {
        (Position::Gtid(now), Position::Gtid(ours)) => {
            // Else they would come again, and be counted again.
            let ahead = ours.without(now);
            if !ahead.is_empty() {
                return Err(lagging(&mut conn, &settings, &server, &ahead).await?);
            }
        }
        (Position::MariaDb(now), Position::MariaDb(ours)) if !now.contains_position(ours) => {
            return Err(mariadb::lagging(&mut conn, &settings, &server, now, ours).await?);
        }
        (Position::File(_), Position::File(_)) if server.uuid() != progress.server_uuid => {
            return Err(Error::OtherServer {
                expected: progress.server_uuid,
                found: server.uuid().to_owned(),
            });
        }
        _ => {}
    }
    Ok(checkpoint)
}

/// A checkpoint that says: the same history, read from another server from now on.
pub(super) fn taken_over(progress: &Progress) -> StreamItem {
    StreamItem::Restart(Checkpoint {
        server_uuid: progress.server_uuid.clone(),
        position: progress.position.clone(),
        end: progress.end.clone(),
        inside: None,
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

    fn said(message: &str) -> Option<&'static str> {
        let error = ServerError {
            code: 1236,
            message: message.to_owned(),
            state: "HY000".to_owned(),
        };
        refusal(&error).map(|error| error.page())
    }

    #[test]
    fn a_refused_dump_is_understood_by_what_the_server_says() {
        for (page, message) in [
            (
                Some("LS1020"),
                "Cannot replicate because the source purged required binary logs.",
            ),
            (
                Some("LS1023"),
                "Could not find first log file name in binary log index file",
            ),
            (
                Some("LS1027"),
                "Replica has more GTIDs than the source has, using the source's SERVER_UUID.",
            ),
            (
                Some("LS1024"),
                "Cannot replicate anonymous transaction when AUTO_POSITION = 1, at file f, \
                 position 4.",
            ),
            (
                Some("LS1024"),
                "The replication sender thread cannot start in AUTO_POSITION mode: this server \
                 has GTID_MODE = OFF instead of ON.",
            ),
            (
                Some("LS1020"),
                "Could not find GTID state requested by slave in any binlog files. Probably the \
                 slave state is too old and required binlog files have been purged.",
            ),
            (
                Some("LS1027"),
                "Error: connecting slave requested to start from GTID 0-1-5, which is not in the \
                 master's binlog",
            ),
            (
                Some("LS1027"),
                "The binlog on the master is missing the GTID 0-1-5 requested by the slave (even \
                 though both a prior and a subsequent sequence number does exist), and GTID strict \
                 mode is enabled",
            ),
            (None, "bogus data in log event"),
        ] {
            assert_eq!(said(message), page, "{message}");
        }
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
