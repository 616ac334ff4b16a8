//! What follows when a server's history does not go on where ours ends: what is waited for, and how
//! the stream begins anew when what comes next is gone for good. Whether it does is for `lineage`.
//!
//! Invariants: nothing is streamed from a server that lacks a transaction that was read, because it
//! may give the same number to another one, and that would be skipped in silence. A server that was
//! seen to do so is not streamed from in this process any more.

use std::sync::{Mutex, PoisonError};

use mysql_async::ServerError;

use super::connection::connect;
use super::defaults::Doubted;
use super::error::Error;
use super::lineage::lagging;
use super::mariadb;
use super::prepared;
use super::progress::Progress;
use super::server::Server;
use super::session::{Abandoned, Context, in_time};
use super::settings::{OnHistoryLost, SourceSettings, Start};
use super::{CaptureEvent, describe};
use crate::core::change::{Chunk, StreamItem};
use crate::core::position::{Checkpoint, Position};

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
            Error::NumbersReused { .. }
            | Error::ReplicaCutOff { .. }
            | Error::ReplicaUnlogged
            | Error::XaPrepared { .. } => Some(Wait::ForPerson),
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
    pub(super) fn refuse(&self, server_uuid: &str) -> Result<(), Error> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((uuid, transactions, ahead)) if uuid == server_uuid => Err(Error::NumbersReused {
                transactions: *transactions,
                ahead: ahead.clone(),
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn note(&self, server_uuid: &str, error: &Error) {
        if let Error::NumbersReused {
            transactions,
            ahead,
        } = error
        {
            let entry = (server_uuid.to_owned(), *transactions, ahead.clone());
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(entry);
        }
    }
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
    context
        .gate
        .spoil("the stream went on behind a gap in the server's history");
    let mut progress = Progress::from(checkpoint);
    progress.keep_begun_before(context.shared.progress());
    // What happened to the tables in the gap was not seen.
    progress.doubted = Doubted::all(context.tables.len());
    context.shared.note(progress);
    Ok(None)
}

/// Whether the settings ask for that.
pub(super) fn begins_anew(settings: &SourceSettings, error: &Error) -> bool {
    error.loses_history() && settings.on_history_lost == OnHistoryLost::Snapshot
}

/// The end of the server's binlog.
///
/// # Errors
/// When the server cannot be asked.
pub async fn binlog_end(settings: &SourceSettings) -> Result<Position, Error> {
    let settings = SourceSettings {
        start: Start::Now,
        ..settings.clone()
    };
    let mut conn = connect(&settings).await?;
    let server = in_time(&settings, Server::ask(&mut conn, &settings)).await?;
    let end = in_time(&settings, server.resolve_start(&mut conn, &settings)).await?;
    Ok(end.position)
}

/// The server's present end, with everything behind it that was read elsewhere.
async fn present_end(context: &Context) -> Result<Checkpoint, Error> {
    let settings = SourceSettings {
        start: Start::Now,
        ..context.settings.clone()
    };
    let mut conn = connect(&settings).await?;
    let server = in_time(&settings, Server::ask(&mut conn, &settings)).await?;
    context.shared.condemned.refuse(server.uuid())?;
    let mut checkpoint = in_time(&settings, server.resolve_start(&mut conn, &settings)).await?;
    in_time(&settings, prepared::check_decided(&mut conn, &settings)).await?;
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
        inside: Default::default(),
    })
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
}
