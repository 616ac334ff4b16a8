//! The ledger as a comparison asks it: of the running service, or of the folder at rest.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::ledger::RESTARTS;
use crate::cli::printer::Printer;
use crate::cli::{FAILURE, Failed};
use crate::core::reconcile::Step;
use crate::core::snapshot::SnapshotState;
use crate::operator::{Query, Reply, SnapshotStarted, ask};
use crate::runtime::Error;
use crate::runtime::commands::Declined;
use crate::runtime::reconcile::{Ledger, Progress, SnapshotEnd};
use crate::runtime::status::{SnapshotStatus, Status};
use crate::state::{self, Reader, TraceQuery};

/// Who answers.
pub enum Answering {
    Service(PathBuf),
    Folder(Box<Reader>),
}

/// The service on this folder, or the folder itself.
pub fn open(path: &Path, printer: &Printer) -> Result<Answering, Failed> {
    match ask(path, &Query::Status) {
        Ok(Some(_)) => Ok(Answering::Service(path.to_owned())),
        Ok(None) => {
            let reader = state::open_reader(path).map_err(Error::State)?;
            let last = reader.recovered().last_commit;
            let caught_up = reader
                .index()
                .wait_caught_up(last, RESTARTS, |applied, last| {
                    printer.progress("commits in the index", applied, Some(last));
                });
            printer.progress_done();
            if !caught_up {
                printer.note("the index has not caught up with the journal: explanations may miss");
            }
            Ok(Answering::Folder(Box::new(reader)))
        }
        Err(error) => {
            let declined = no_answer(path, &error);
            printer.error(Some(&declined.page), &declined.text, Some(&declined.remedy));
            Err(Failed::Said(FAILURE))
        }
    }
}

impl Answering {
    pub fn is_service(&self) -> bool {
        matches!(self, Answering::Service(_))
    }
}

fn no_answer(path: &Path, error: &std::io::Error) -> Declined {
    Declined {
        page: "LS6002".to_owned(),
        text: format!("the service on {} does not answer: {error}", path.display()),
        remedy: "see whether it hangs, and as which user it runs".to_owned(),
    }
}

/// What the service answers; a service that has gone meanwhile is a failure.
fn asked<T: DeserializeOwned>(path: &Path, query: &Query) -> Result<T, Declined> {
    let value = match ask(path, query) {
        Ok(Some(Reply::Value(value))) => value,
        Ok(Some(Reply::Failure(failure))) => {
            return Err(Declined {
                page: failure.page,
                text: failure.text,
                remedy: failure.remedy,
            });
        }
        Ok(None) => return Err(Declined::not_now("it has stopped meanwhile")),
        Err(error) => return Err(no_answer(path, &error)),
    };
    read(value)
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, Declined> {
    serde_json::from_value(value).map_err(|error| Declined {
        page: "LS6004".to_owned(),
        text: format!("the answer cannot be read: {error}"),
        remedy: "use the leadstream command line of the same version".to_owned(),
    })
}

impl Ledger for Answering {
    fn story(&self, key: &str) -> Result<Vec<Step>, Declined> {
        let what = TraceQuery::Key(key.to_owned());
        match self {
            Answering::Service(path) => asked(path, &Query::Trace { what }),
            Answering::Folder(reader) => {
                let events = reader.index().trace(&what).map_err(of_state)?;
                read(serde_json::to_value(events).unwrap_or_default())
            }
        }
    }

    fn progress(&self) -> Result<Progress, Declined> {
        match self {
            Answering::Service(path) => {
                let status: Status = asked(path, &Query::Status)?;
                let state = &status.state;
                let budget = status.delivery.budget.as_ref();
                let daily = budget.and_then(|it| Some(it.limit?.saturating_sub(it.used)));
                let hourly = budget.and_then(|it| {
                    let limit = it.hourly_limit?;
                    Some(limit.saturating_sub(it.used_last_hour))
                });
                Ok(Progress {
                    running: true,
                    last_commit: state.last_commit,
                    index_applied: match state.index_rebuilding {
                        true => 0,
                        false => state.index_applied,
                    },
                    checkpoint: status.checkpoint.map(|checkpoint| checkpoint.position),
                    affordable: daily.into_iter().chain(hourly).min(),
                })
            }
            Answering::Folder(reader) => {
                let checkpoint = reader.recovered().checkpoint.as_ref();
                Ok(Progress {
                    running: false,
                    checkpoint: checkpoint.map(|checkpoint| checkpoint.position.clone()),
                    last_commit: reader.recovered().last_commit,
                    index_applied: reader.recovered().last_commit,
                    affordable: None,
                })
            }
        }
    }

    fn take_call(&self) -> Result<(), Declined> {
        match self {
            Answering::Service(path) => {
                asked::<u64>(path, &Query::SpendCalls { calls: 1 }).map(|_| ())
            }
            Answering::Folder(_) => Ok(()),
        }
    }

    fn start_snapshot(&self, route: &str, condition: String) -> Result<u64, Declined> {
        match self {
            Answering::Service(path) => {
                let query = Query::SnapshotStart {
                    routes: Some(vec![route.to_owned()]),
                    condition: Some(condition),
                };
                asked::<SnapshotStarted>(path, &query).map(|started| started.number)
            }
            Answering::Folder(_) => Err(Declined::not_now("none runs")),
        }
    }

    fn snapshot(&self) -> Result<Option<(u64, Option<SnapshotEnd>)>, Declined> {
        let Answering::Service(path) = self else {
            return Ok(None);
        };
        let status: Option<SnapshotStatus> = asked(path, &Query::SnapshotStatus)?;
        Ok(status.map(|status| {
            let end = match status.state {
                SnapshotState::Running => None,
                SnapshotState::Finished => Some(SnapshotEnd::Finished),
                SnapshotState::Cancelled => {
                    Some(SnapshotEnd::Otherwise("it was cancelled".to_owned()))
                }
                SnapshotState::Failed { page, text } => {
                    Some(SnapshotEnd::Otherwise(format!("{text} [{page}]")))
                }
            };
            (status.number, end)
        }))
    }
}

fn of_state(error: state::Error) -> Declined {
    Declined {
        page: error.page().to_owned(),
        text: error.to_string(),
        remedy: error.remedy().to_string(),
    }
}
