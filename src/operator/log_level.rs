//! The question how much the service logs, and the command that changes it until a restart.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::View;
use super::questions::{Failure, Reply, value};
use crate::runtime::commands::{Command, Declined};
use crate::runtime::status::Stage;
use crate::telemetry::{LogLevel, LogLevelFault, change_level, level};

/// Who asks next finds the change among the acts; a disk that writes nothing holds up no change.
const NOTED_WITHIN: Duration = Duration::from_secs(2);

/// What the command line may ask of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum LogLevelQuestion {
    Show,
    /// Directives as in `log.level`.
    Set {
        directives: String,
    },
    /// Back to what the configuration says.
    Reset,
}

/// Answered with a [`LogLevel`]. Nothing waits for the pipeline: it works while the service starts,
/// too, and the change is journalled once it runs.
pub(super) async fn answer(question: &LogLevelQuestion, view: &View, author: &str) -> Reply {
    let directives = match question {
        LogLevelQuestion::Show => return told(level().ok_or(LogLevelFault::NotOurs)),
        LogLevelQuestion::Set { directives } => Some(directives.as_str()),
        LogLevelQuestion::Reset => None,
    };
    let change = || change_level(directives, author);
    change_and_note(view, author, change).await
}

/// Changes nothing that could not be noted.
async fn change_and_note(
    view: &View,
    author: &str,
    change: impl FnOnce() -> Result<LogLevel, LogLevelFault>,
) -> Reply {
    let stage = view.published.read().stage;
    if stage == Stage::Stopping {
        return Declined::not_now("it is stopping").into();
    }
    let place = match view.commands.reserve() {
        Ok(place) => place,
        Err(declined) => return declined.into(),
    };
    let level = match change() {
        Ok(level) if level.now == level.before => return told(Ok(level)),
        Ok(level) => level,
        Err(fault) => return told(Err(fault)),
    };
    let (answer, noted) = tokio::sync::oneshot::channel();
    place.send(Command::NoteLogLevel {
        author: author.to_owned(),
        now: level.now.clone(),
        answer,
    });
    if stage == Stage::Running {
        // Noted or not yet: the level is changed.
        let _ = tokio::time::timeout(NOTED_WITHIN, noted).await;
    }
    told(Ok(level))
}

fn told(answered: Result<LogLevel, LogLevelFault>) -> Reply {
    match answered {
        Ok(level) => value(Ok(level)),
        Err(fault) => Reply::Failure(failure(fault)),
    }
}

fn failure(fault: LogLevelFault) -> Failure {
    let (page, remedy) = match fault {
        LogLevelFault::NotDirectives => (
            "LS4004",
            "give a level such as debug, or info,leadstream::delivery=debug",
        ),
        LogLevelFault::NotOurs => ("LS6004", "ask a service that `leadstream run` started"),
    };
    Failure {
        page: page.to_owned(),
        text: fault.to_string(),
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::tests::view;

    fn changed(before: &str, now: &str) -> Result<LogLevel, LogLevelFault> {
        Ok(LogLevel {
            configured: "info".to_owned(),
            before: before.to_owned(),
            now: now.to_owned(),
        })
    }

    #[tokio::test]
    async fn a_change_is_noted_with_its_author_and_one_that_changes_nothing_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (view, _store, mut commands) = view(folder.path());
        let asked = change_and_note(&view, "anna", || changed("info", "debug"));
        let driven = async {
            let Some(Command::NoteLogLevel {
                author,
                now,
                answer,
            }) = commands.recv().await
            else {
                panic!("it was not noted");
            };
            answer.send(Ok(0)).unwrap();
            (author, now)
        };
        let (reply, noted) = tokio::join!(asked, driven);
        assert!(matches!(reply, Reply::Value(level) if level["now"] == "debug"));
        assert_eq!(noted, ("anna".to_owned(), "debug".to_owned()));
        change_and_note(&view, "anna", || changed("debug", "debug")).await;
        change_and_note(&view, "anna", || Err(LogLevelFault::NotDirectives)).await;
        assert!(commands.try_recv().is_err(), "nothing was changed");
    }

    #[tokio::test]
    async fn while_it_starts_changes_wait_to_be_noted_and_what_could_not_be_is_not_done() {
        let folder = tempfile::tempdir().unwrap();
        let (view, _store, mut commands) = view(folder.path());
        let mut status = (*view.published.read()).clone();
        status.stage = Stage::Starting;
        view.published.publish(status);
        let mut changes = 0;
        let declined = loop {
            let before = changes;
            let reply = change_and_note(&view, "anna", || {
                changes += 1;
                changed("info", "debug")
            });
            match reply.await {
                Reply::Value(_) => assert!(changes < 100, "there is no end"),
                Reply::Failure(failure) => {
                    assert_eq!(changes, before, "it was changed all the same");
                    break failure;
                }
            }
        };
        assert_eq!(declined.page, "LS6006");
        let mut noted = 0;
        while commands.try_recv().is_ok() {
            noted += 1;
        }
        assert_eq!(noted, changes);
    }
}
