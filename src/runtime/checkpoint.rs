//! Moves the checkpoint of a service that does not run, by a person's word.
//!
//! Everything that could go wrong later is asked first: whether the server is of the position's kind,
//! whether it has everything behind it, and whether rows would be read a second time. The move is one
//! commit of the journal, with the old place, the new one and who asked.

use serde::Serialize;
use tokio::sync::oneshot;

use super::commands::Declined;
use super::{Error, clock, wiring};
use crate::capture;
use crate::config::Config;
use crate::core::acts::{Act, ActKind};
use crate::core::entry::{Commit, Entry, ServiceEvent};
use crate::core::position::{Checkpoint, FilePosition, Position};
use crate::core::reconcile::has_passed;
use crate::state::Store;

/// What was done.
#[derive(Debug, Serialize)]
pub struct Moved {
    /// `None`: there was no checkpoint yet.
    pub from: Option<Position>,
    pub to: Position,
    /// Rows of what lies between are read again, and counted again.
    pub back: bool,
}

/// Why not.
pub enum Refused {
    Declined(Declined),
    Error(Error),
}

impl From<Declined> for Refused {
    fn from(declined: Declined) -> Self {
        Refused::Declined(declined)
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused::Error(error)
    }
}

/// A GTID set, a MariaDB position, or a place in a binlog file, as `status` and `checkpoint show`
/// print them; the word before a file or a MariaDB position may be left out.
///
/// # Errors
/// It is none of these.
pub fn parse(text: &str) -> Result<Position, Declined> {
    let text = text.trim();
    let plain = || text.parse::<Position>().ok();
    let file = || text.parse::<FilePosition>().ok().map(Position::File);
    let mariadb = || format!("mariadb:{text}").parse::<Position>().ok();
    let found = plain().or_else(file).or_else(mariadb);
    found.filter(|_| !text.is_empty()).ok_or_else(|| Declined {
        page: "LS6035".to_owned(),
        text: format!("{text:?} is no position"),
        remedy:
            "give a GTID set (SELECT @@gtid_executed), or FILE:OFFSET of a server without GTIDs"
                .to_owned(),
    })
}

/// Moves it; `author` is who asked, as the journal is to name them.
///
/// # Errors
/// A service runs, the server cannot go on from there, or rows would be read again and nobody said
/// that they may.
pub async fn set(
    config: &Config,
    position: Position,
    allow_recount: bool,
    author: &str,
) -> Result<Moved, Refused> {
    // First of all: it proves that no service runs.
    let (store, recovered) = Store::open(wiring::state_settings(config)).map_err(Error::State)?;
    let old = recovered.checkpoint;
    let settings = wiring::source_settings(config);
    let checkpoint = capture::checkpoint_at(&settings, position.clone())
        .await
        .map_err(Declined::from)?;
    let kinds = |old: &Checkpoint| {
        std::mem::discriminant(&old.position) == std::mem::discriminant(&position)
    };
    if !old.as_ref().is_none_or(kinds) {
        return Err(Declined {
            page: "LS6036".to_owned(),
            text: format!("the checkpoint is of another kind than {position}"),
            remedy: "give a position of the kind that `leadstream checkpoint show` prints"
                .to_owned(),
        }
        .into());
    }
    let goes_back = |old: &Checkpoint| !has_passed(&position, &old.position);
    let back = old.as_ref().is_some_and(goes_back);
    if back && !allow_recount {
        return Err(Declined {
            page: "LS6038".to_owned(),
            text: "the position lies before the checkpoint, at least in part: rows would be read, \
                   counted and sent a second time"
                .to_owned(),
            remedy: "use `leadstream snapshot start --where` for rows that are to be sent again; \
                     --allow-recount if it must be"
                .to_owned(),
        }
        .into());
    }
    let from = old.map(|old| old.position);
    let told = from.as_ref().map_or("none".to_owned(), Position::to_string);
    let detail = format!("from {told} to {position}, by {author}");
    let act = Entry::Act(Act {
        kind: ActKind::SetCheckpoint,
        author: author.to_owned(),
        route: None,
        reason: String::new(),
    });
    let commit = Commit {
        entries: vec![
            Entry::Service {
                event: ServiceEvent::CheckpointSet,
                detail,
            },
            act,
        ],
        checkpoint: Some(checkpoint),
        at: clock::wall(),
        ..Commit::default()
    };
    let (sender, receiver) = oneshot::channel();
    // The receiver waits right behind.
    let done = move |result| drop(sender.send(result));
    store.journal().submit(commit, Box::new(done));
    receiver
        .await
        .map_err(|_| Error::CaptureEnded)?
        .map_err(Error::Commit)?;
    store.close().map_err(Error::State)?;
    Ok(Moved {
        from,
        to: position,
        back,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_they_are_printed_and_without_their_word() {
        let gtids = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-9";
        assert_eq!(parse(gtids).unwrap().to_string(), gtids);
        for text in ["file:binlog.000002:157", "binlog.000002:157"] {
            assert_eq!(parse(text).unwrap().to_string(), "file:binlog.000002:157");
        }
        for text in ["mariadb:0-1-7", "0-1-7"] {
            assert_eq!(parse(text).unwrap().to_string(), "mariadb:0-1-7");
        }
        for wrong in ["", "now", "binlog.000002", ":5"] {
            assert_eq!(parse(wrong).unwrap_err().page, "LS6035", "{wrong}");
        }
    }
}
