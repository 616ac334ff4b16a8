//! What may be asked of the running service: typed commands to the driver, each with its answer.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, oneshot};

use super::errors::with_causes;
use super::fields::FieldsAnswer;
use super::letters::LetterCommand;
use super::preview::Sample;
use super::route_acts::RouteCommand;
use super::routes::RouteOutlines;
use crate::capture;
use crate::core::snapshot::Refusal;

/// Commands wait for the driver; each asker waits for its answer, so few ever queue.
const QUEUED: usize = 4;

/// The driver takes them between two steps.
#[derive(Debug)]
pub enum Command {
    /// Answered with the snapshot's number.
    StartSnapshot {
        /// Names; `None` is all routes.
        routes: Option<Vec<String>>,
        /// SQL, as it stands behind WHERE.
        condition: Option<String>,
        author: String,
        answer: Answer,
    },
    /// Answered with the snapshot's number.
    CancelSnapshot {
        author: String,
        answer: Answer,
    },
    /// Answered with the number of objects whose description changed.
    Describe {
        author: String,
        answer: Answer,
    },
    Letters(LetterCommand),
    Route(RouteCommand),
    /// Takes calls from the budget for something outside the pipeline. Answered with what is left
    /// beside the reserve.
    SpendCalls {
        calls: u64,
        answer: Answer,
    },
    /// What Salesforce says of a route's fields, as it was described last.
    Fields {
        route: String,
        answer: FieldsAnswer,
    },
    /// Answered with every route's mapping, and what has changed around it.
    Routes {
        answer: oneshot::Sender<Result<RouteOutlines, Declined>>,
    },
    /// Notes that the log level was changed. Answered once that is durable.
    NoteLogLevel {
        author: String,
        now: String,
        answer: Answer,
    },
    /// Answered with what rows of this route are looked at by.
    Sample {
        route: String,
        answer: oneshot::Sender<Result<Sample, Declined>>,
    },
}

pub type Answer = oneshot::Sender<Result<u64, Declined>>;

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Declined {
    pub page: String,
    pub text: String,
    pub remedy: String,
}

impl Declined {
    /// The service cannot take commands now, for this reason.
    #[must_use]
    pub fn not_now(reason: &str) -> Self {
        Self {
            page: "LS6006".to_owned(),
            text: format!("the service takes no commands now: {reason}"),
            remedy: "ask again when `leadstream status` shows it running and streaming".to_owned(),
        }
    }
}

impl From<Refusal> for Declined {
    fn from(refusal: Refusal) -> Self {
        Self {
            page: refusal.page().to_owned(),
            text: refusal.to_string(),
            remedy: refusal.remedy(),
        }
    }
}

impl From<capture::Error> for Declined {
    fn from(error: capture::Error) -> Self {
        Self {
            page: error.page().to_owned(),
            text: with_causes(&error),
            remedy: error.remedy(),
        }
    }
}

/// The asking side; cheap to clone.
#[derive(Clone, Debug)]
pub struct Commands {
    sender: mpsc::Sender<Command>,
    edits: Arc<Mutex<()>>,
}

impl Commands {
    /// Both sides.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<Command>) {
        let (sender, receiver) = mpsc::channel(QUEUED);
        let edits = Arc::default();
        (Self { sender, edits }, receiver)
    }

    /// A place among those that wait, so that what is done first is surely noted after it, while
    /// the service starts too.
    ///
    /// # Errors
    /// When too many wait, or the service ends.
    pub fn reserve(&self) -> Result<mpsc::Permit<'_, Command>, Declined> {
        self.sender.try_reserve().map_err(|error| match error {
            mpsc::error::TrySendError::Full(()) => Declined::not_now("too many commands wait"),
            mpsc::error::TrySendError::Closed(()) => Declined::not_now("it is stopping"),
        })
    }

    /// One edit at a time, from its look at the letter to its answer: nobody changes what another has
    /// just changed without having seen it.
    pub async fn one_edit(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.edits).lock_owned().await
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When the command is refused, or the service ends meanwhile.
    pub async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, Declined>>) -> Command,
    ) -> Result<T, Declined> {
        let (answer, answered) = oneshot::channel();
        let gone = || Declined::not_now("it is stopping");
        self.sender
            .send(command(answer))
            .await
            .map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}
