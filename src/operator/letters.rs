//! Questions and commands about dead letters on the control socket.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::View;
use super::following::follow;
use super::questions::{Reply, check_stage, failed_inside, value};
use crate::runtime::commands::Declined;
use crate::runtime::letters::refusals::Refusals;
use crate::runtime::letters::sheet::{self, Row};
use crate::runtime::letters::{Change, Letters, Selection};
use crate::state::{DeadLetterFilter, DeadLetterRow, LetterStory};

/// What the command line may ask of dead letters.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum LetterQuestion {
    /// How many of each kind wait.
    Groups {
        filter: DeadLetterFilter,
    },
    /// Those that wait, by number, from behind `after` on.
    Page {
        filter: DeadLetterFilter,
        limit: usize,
        after: u64,
    },
    /// The numbers of those that wait.
    Numbers {
        filter: DeadLetterFilter,
    },
    Show {
        number: u64,
    },
    /// Several, `null` for one that is not open.
    Stories {
        numbers: Vec<u64>,
    },
    Replay {
        selection: Selection,
        force: bool,
    },
    ReplayStatus,
    ReplayCancel,
    Edit {
        number: u64,
        changes: Vec<Change>,
        /// Steps that the asker has seen: with others it is refused.
        #[serde(default)]
        seen: Option<u64>,
        check_only: bool,
    },
    Discard {
        selection: Selection,
        reason: String,
    },
    /// Rows of a spreadsheet: what would be changed, or is.
    Import {
        rows: Vec<Row>,
        check_only: bool,
    },
}

/// What [`LetterQuestion::Page`] is answered with.
#[derive(Debug, Serialize)]
pub struct LettersAfter {
    pub letters: Vec<DeadLetterRow>,
    /// The number to go on behind; `None` on the last page.
    pub next: Option<u64>,
}

/// What [`LetterQuestion::Show`] is answered with.
#[derive(Debug, Serialize)]
pub struct LetterTold {
    #[serde(flatten)]
    pub story: LetterStory,
    /// Values that the mapping refused, by field: they are in the row, not in the payload.
    pub refused: BTreeMap<String, String>,
}

async fn told(story: LetterStory, refusals: &mut Refusals<'_>) -> LetterTold {
    let refused = refusals.of(&story).await;
    LetterTold { story, refused }
}

pub(super) async fn answer(question: LetterQuestion, view: View, author: &str) -> Reply {
    let letters = Letters {
        index: view.index.clone(),
        commands: view.commands.clone(),
    };
    let changes = !matches!(
        question,
        LetterQuestion::Groups { .. }
            | LetterQuestion::Page { .. }
            | LetterQuestion::Numbers { .. }
            | LetterQuestion::Show { .. }
            | LetterQuestion::Stories { .. }
    );
    if !changes {
        follow(&view).await;
    } else if let Err(declined) = check_stage(&view) {
        return declined.into();
    }
    match question {
        LetterQuestion::Groups { filter } => {
            let index = view.index;
            let asked = tokio::task::spawn_blocking(move || index.letter_groups(&filter));
            asked.await.map_or_else(|_| failed_inside(), value)
        }
        LetterQuestion::Page {
            filter,
            limit,
            after,
        } => {
            let index = view.index;
            let asked = move || {
                // One more than wanted tells whether there is another page.
                let more = limit.saturating_add(1);
                let mut letters = index.dead_letters_after(&filter, more, after)?;
                let is_last = letters.len() <= limit;
                letters.truncate(limit);
                let next = letters.last().map(|letter| letter.letter);
                let next = next.filter(|_| !is_last);
                Ok(LettersAfter { letters, next })
            };
            let asked = tokio::task::spawn_blocking(asked);
            asked.await.map_or_else(|_| failed_inside(), value)
        }
        LetterQuestion::Numbers { filter } => {
            let index = view.index;
            let asked = tokio::task::spawn_blocking(move || index.letter_numbers(&filter));
            asked.await.map_or_else(|_| failed_inside(), value)
        }
        LetterQuestion::Show { number } => {
            let told = match letters.show(number).await {
                Ok(story) => Ok(told(story, &mut Refusals::new(&letters)).await),
                Err(declined) => Err(declined),
            };
            reply(told)
        }
        LetterQuestion::Stories { numbers } => {
            let index = view.index;
            let asked = tokio::task::spawn_blocking(move || {
                let stories = numbers.into_iter().map(|number| index.letter_story(number));
                stories.collect::<Result<Vec<_>, _>>()
            });
            let stories = match asked.await {
                Ok(Ok(stories)) => stories,
                Ok(Err(error)) => return value(Err::<(), _>(error)),
                Err(_) => return failed_inside(),
            };
            let mut refusals = Refusals::new(&letters);
            let mut all = Vec::with_capacity(stories.len());
            for story in stories {
                all.push(match story {
                    Some(story) => Some(told(story, &mut refusals).await),
                    None => None,
                });
            }
            value(Ok(all))
        }
        LetterQuestion::Replay { selection, force } => {
            reply(letters.replay(selection, author, force).await)
        }
        LetterQuestion::ReplayStatus => reply(letters.progress().await),
        LetterQuestion::ReplayCancel => reply(letters.cancel(author).await),
        LetterQuestion::Edit {
            number,
            changes,
            seen,
            check_only,
        } => reply(
            letters
                .edit(number, changes, seen, author, check_only)
                .await,
        ),
        LetterQuestion::Discard { selection, reason } => {
            reply(letters.discard(selection, author, &reason).await)
        }
        LetterQuestion::Import { rows, check_only } => {
            reply(Ok(sheet::import(&letters, rows, author, check_only).await))
        }
    }
}

fn reply(result: Result<impl Serialize, Declined>) -> Reply {
    match result {
        Ok(found) => value(Ok(found)),
        Err(declined) => declined.into(),
    }
}
