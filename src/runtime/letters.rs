//! What people do with dead letters: select, look at, edit, replay, discard. Free of socket and
//! terminal: whoever asks, and however, comes through here.

pub mod refusals;
pub mod sheet;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::commands::{Command, Commands, Declined};
use crate::core::letters::{ReplayOrder, ReplayProgress};
use crate::core::mapping::{FieldEdit, NewValue};
use crate::state::{self, DeadLetterFilter, IndexHandle, LetterStory};

/// The index follows within milliseconds; while it is rebuilt, nothing is changed on its word.
const CATCH_UP: Duration = Duration::from_secs(10);

/// Letters discarded in one commit.
const DISCARDED_AT_ONCE: usize = 200;

/// Which letters are meant.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    Numbers(Vec<u64>),
    /// All that the filter admits.
    Matching(DeadLetterFilter),
}

/// What is to become of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub field: String,
    /// `None`: it is not sent at all.
    pub value: Option<Wanted>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    Text(String),
    Json(String),
}

/// An edit on its way to the driver.
#[derive(Debug)]
pub struct EditOrder {
    pub number: u64,
    pub key: String,
    /// As it stands now: a JSON object.
    pub payload: Option<String>,
    /// The row that the mapping refused.
    pub row: Option<String>,
    /// Fields edited already.
    pub edited: Vec<String>,
    pub changes: Vec<FieldEdit>,
    pub author: String,
    /// Say whether it would be accepted, and change nothing.
    pub check_only: bool,
}

/// An edit that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edited {
    pub letter: u64,
    /// Names of the fields whose value is another than before.
    pub changed: Vec<String>,
    /// JSON objects of these fields as they were and as they are.
    pub before: String,
    pub after: String,
}

pub type EditAnswer = oneshot::Sender<Result<Edited, Declined>>;

/// What the driver does with dead letters.
#[derive(Debug)]
pub enum LetterCommand {
    Replay {
        order: ReplayOrder,
        answer: oneshot::Sender<Result<ReplayProgress, Declined>>,
    },
    CancelReplay {
        author: String,
        answer: oneshot::Sender<Result<ReplayProgress, Declined>>,
    },
    /// The last replay since the start.
    ReplayStatus {
        answer: oneshot::Sender<Result<Option<ReplayProgress>, Declined>>,
    },
    Edit {
        order: EditOrder,
        answer: EditAnswer,
    },
    /// Those that are not open, or are on their way, are left out; answered with the number of
    /// letters discarded.
    Discard {
        letters: Vec<(u64, Arc<str>)>,
        author: String,
        reason: String,
        answer: oneshot::Sender<Result<u64, Declined>>,
    },
}

/// Dead letters of a running service.
#[derive(Clone)]
pub struct Letters {
    pub index: IndexHandle,
    pub commands: Commands,
}

impl Letters {
    /// The story of one open letter.
    ///
    /// # Errors
    /// When it is not open, or cannot be read.
    pub async fn show(&self, number: u64) -> Result<LetterStory, Declined> {
        let story = self.ask_index(move |index| index.letter_story(number));
        story.await?.ok_or_else(|| not_open(number))
    }

    /// Sends letters again. Returns at once: [`Letters::progress`] tells how it stands.
    ///
    /// # Errors
    /// When one of the numbers is not open, nothing matches, or a replay runs already.
    pub async fn replay(
        &self,
        selection: Selection,
        author: &str,
        force: bool,
    ) -> Result<ReplayProgress, Declined> {
        let order = ReplayOrder {
            letters: self.select(selection).await?,
            author: author.into(),
            force,
        };
        let command = |answer| Command::Letters(LetterCommand::Replay { order, answer });
        self.commands.ask(command).await
    }

    /// Ends a replay: what is on its way gets its outcome, the rest stays as it is.
    ///
    /// # Errors
    /// When none runs.
    pub async fn cancel(&self, author: &str) -> Result<ReplayProgress, Declined> {
        let author = author.to_owned();
        let command = |answer| Command::Letters(LetterCommand::CancelReplay { author, answer });
        self.commands.ask(command).await
    }

    /// How the last replay stands.
    ///
    /// # Errors
    /// When the service takes no questions.
    pub async fn progress(&self) -> Result<Option<ReplayProgress>, Declined> {
        let command = |answer| Command::Letters(LetterCommand::ReplayStatus { answer });
        self.commands.ask(command).await
    }

    /// Changes fields of one letter, or says what would be changed. Nothing is sent. `seen` is the number
    /// of steps that the asker has seen.
    ///
    /// # Errors
    /// What is wrong with which field, and what is allowed there; that there are other steps than `seen`.
    pub async fn edit(
        &self,
        number: u64,
        changes: Vec<Change>,
        seen: Option<u64>,
        author: &str,
        check_only: bool,
    ) -> Result<Edited, Declined> {
        let _one = self.commands.one_edit().await;
        let story = self.show(number).await?;
        let steps = story.steps.len() as u64;
        if let Some(seen) = seen.filter(|seen| *seen != steps) {
            return Err(Declined {
                page: "LS6018".to_owned(),
                text: format!(
                    "dead letter {number} has changed since you looked: it had {seen} steps, and has {steps}"
                ),
                remedy: "look again, or export anew, and change what still needs it".to_owned(),
            });
        }
        let Some(payload) = story.payload else {
            return Err(Declined {
                page: "LS3040".to_owned(),
                text: format!("what was kept of dead letter {number} cannot be read"),
                remedy: "it was erased, or was never mapped: discard it, or replay it with a \
                         mapping that fits"
                    .to_owned(),
            });
        };
        let order = EditOrder {
            number,
            key: story.key,
            payload: Some(payload.get().to_owned()),
            row: story.row.map(|row| row.get().to_owned()),
            edited: story.edited,
            changes: changes.into_iter().map(field_edit).collect(),
            author: author.to_owned(),
            check_only,
        };
        let command = |answer| Command::Letters(LetterCommand::Edit { order, answer });
        self.commands.ask(command).await
    }

    /// Closes letters without sending them; gives the number of those that were.
    ///
    /// # Errors
    /// When one of the numbers is not open, or nothing matches.
    pub async fn discard(
        &self,
        selection: Selection,
        author: &str,
        reason: &str,
    ) -> Result<u64, Declined> {
        let numbers = self.select(selection).await?;
        let mut discarded = 0;
        for part in numbers.chunks(DISCARDED_AT_ONCE) {
            let part = part.to_vec();
            let letters = self.ask_index(move |index| {
                let key = |number: u64| {
                    let row = index.dead_letter(number)?;
                    let personal = row.and_then(|row| row.event?.personal);
                    let key = personal.map_or_else(String::new, |personal| personal.key);
                    Ok((number, Arc::from(key)))
                };
                part.into_iter().map(key).collect()
            });
            let letters: Vec<(u64, Arc<str>)> = letters.await?;
            let (author, reason) = (author.to_owned(), reason.to_owned());
            let command = |answer| {
                Command::Letters(LetterCommand::Discard {
                    letters,
                    author,
                    reason,
                    answer,
                })
            };
            discarded += self.commands.ask(command).await?;
        }
        Ok(discarded)
    }

    /// Numbers, each once, rising.
    async fn select(&self, selection: Selection) -> Result<Vec<u64>, Declined> {
        let numbers = match selection {
            Selection::Numbers(mut numbers) => {
                numbers.sort_unstable();
                numbers.dedup();
                let wanted = numbers.clone();
                let missing = self.ask_index(move |index| {
                    for number in wanted {
                        if index.dead_letter(number)?.is_none() {
                            return Ok(Some(number));
                        }
                    }
                    Ok(None)
                });
                if let Some(number) = missing.await? {
                    return Err(not_open(number));
                }
                numbers
            }
            Selection::Matching(filter) => {
                let numbers = self.ask_index(move |index| index.letter_numbers(&filter));
                numbers.await?
            }
        };
        if numbers.is_empty() {
            return Err(Declined {
                page: "LS6010".to_owned(),
                text: "no open dead letter is among those asked for".to_owned(),
                remedy: "see what waits with `leadstream dead-letters list`".to_owned(),
            });
        }
        Ok(numbers)
    }

    /// Asks an index that has caught up.
    async fn ask_index<T: Send + 'static>(
        &self,
        question: impl FnOnce(&IndexHandle) -> Result<T, state::Error> + Send + 'static,
    ) -> Result<T, Declined> {
        let index = self.index.clone();
        let asked = tokio::task::spawn_blocking(move || {
            if !index.catch_up(CATCH_UP) {
                return Err(index_behind(&index));
            }
            question(&index).map_err(|error| Declined {
                page: error.page().to_owned(),
                text: error.to_string(),
                remedy: error.remedy().to_string(),
            })
        });
        match asked.await {
            Ok(answer) => answer,
            Err(_) => Err(Declined::not_now("the question failed inside")),
        }
    }
}

fn field_edit(change: Change) -> FieldEdit {
    FieldEdit {
        field: change.field,
        value: match change.value {
            Some(Wanted::Text(text)) => NewValue::Text(text),
            Some(Wanted::Json(json)) => NewValue::Json(json),
            None => NewValue::Unset,
        },
    }
}

/// The letter is closed, or never was.
#[must_use]
pub fn not_open(number: u64) -> Declined {
    Declined {
        page: "LS6010".to_owned(),
        text: format!("there is no open dead letter {number}"),
        remedy: "see what waits with `leadstream dead-letters list`; what became of a closed one, \
                 `leadstream trace` tells by its key"
            .to_owned(),
    }
}

fn index_behind(index: &IndexHandle) -> Declined {
    let lag = index.lag();
    let behind = lag.last_commit.saturating_sub(lag.applied_commit);
    Declined {
        page: "LS6015".to_owned(),
        text: format!(
            "the index is {behind} commits behind the journal: it does not know all dead letters yet"
        ),
        remedy:
            "ask again when `leadstream status` shows that it has caught up; nothing was changed"
                .to_owned(),
    }
}
