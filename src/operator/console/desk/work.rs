//! Changes of many dead letters: carried out on the server in small pieces, while a page shows how
//! far they are.
//!
//! One runs at a time. What it has changed is durable piece by piece; when the service stops, the
//! rest is left as it was, and only the page that showed it is gone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;

use super::asking::{ask, or_refused, remedy, still_open};
use super::given::Group;
use super::sending::{self, Sending};
use super::shown::{leads, visible};
use crate::core::letters::ReplayProgress;
use crate::operator::View;
use crate::operator::access::Identity;
use crate::operator::console::page::{Frame, render};
use crate::operator::following::follow;
use crate::operator::letters::LetterQuestion;
use crate::operator::questions::Failure;
use crate::runtime::letters::Selection;
use crate::runtime::letters::sheet::{Row, RowReport};

/// Letters in one piece: the driver has time for others in between.
const PIECE: usize = 50;

/// Works and orders that are remembered.
const REMEMBERED: usize = 50;

/// Letters that are named for each reason.
const NAMED: usize = 5;

/// What is to become of the letters.
#[derive(Clone, Debug)]
pub enum Task {
    Mend {
        field: String,
        label: String,
        value: String,
        /// And send them again, once they are mended.
        send: bool,
    },
    Discard {
        reason: String,
    },
}

/// How far it is.
#[derive(Clone, Debug, Default)]
struct Progress {
    done: u64,
    changed: u64,
    /// They were so already.
    same: u64,
    /// Reason, how many, and some of them.
    refused: BTreeMap<String, (u64, Vec<u64>)>,
    over: bool,
    /// Why it ended before its end, or was not sent.
    trouble: Option<String>,
    sent: bool,
}

pub struct Work {
    id: String,
    group: Group,
    task: Task,
    numbers: Vec<u64>,
    progress: Mutex<Progress>,
}

/// The console's works; its orders, so that one that is given twice is carried out once.
#[derive(Clone, Default)]
pub struct Works(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    works: VecDeque<Arc<Work>>,
    orders: VecDeque<String>,
}

impl Works {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this order was not given before.
    #[must_use]
    pub fn is_new(&self, order: &str) -> bool {
        let mut known = self.known();
        if known.orders.iter().any(|it| it == order) {
            return false;
        }
        known.orders.push_back(order.to_owned());
        if known.orders.len() > REMEMBERED {
            known.orders.pop_front();
        }
        true
    }

    fn find(&self, id: &str) -> Option<Arc<Work>> {
        let known = self.known();
        known.works.iter().find(|it| it.id == id).cloned()
    }

    /// Begins, unless this order was given already.
    ///
    /// # Errors
    /// When another is under way.
    pub fn start(
        &self,
        order: &str,
        group: Group,
        task: Task,
        numbers: Vec<u64>,
        (view, author): (View, Arc<str>),
    ) -> Result<(), Failure> {
        let mut known = self.known();
        if known.works.iter().any(|it| it.id == order) {
            return Ok(());
        }
        if known.works.iter().any(|it| !it.progress().over) {
            return Err(Failure {
                page: "LS6066".to_owned(),
                text: "another change of many dead letters is under way".to_owned(),
                remedy: "Wait until it is over, then try again; nothing was changed.".to_owned(),
            });
        }
        let work = Arc::new(Work {
            id: order.to_owned(),
            group,
            task,
            numbers,
            progress: Mutex::default(),
        });
        known.works.push_back(Arc::clone(&work));
        if known.works.len() > REMEMBERED {
            known.works.pop_front();
        }
        tokio::spawn(async move { work.run(&view, &author).await });
        Ok(())
    }
}

impl Work {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(&self, view: &View, author: &str) {
        let result = match &self.task {
            Task::Mend {
                field, value, send, ..
            } => self.mend(field, value, *send, view, author).await,
            Task::Discard { reason } => self.discard(reason, view, author).await,
        };
        let mut progress = self.progress();
        progress.over = true;
        if let Err(failure) = result {
            progress.trouble = Some(format!("{}. {}", failure.text, remedy(&failure)));
        }
    }

    async fn mend(
        &self,
        field: &str,
        value: &str,
        send: bool,
        view: &View,
        author: &str,
    ) -> Result<(), Failure> {
        let mut mended = Vec::new();
        for piece in self.numbers.chunks(PIECE) {
            let what = LetterQuestion::Import {
                rows: rows(piece, field, value),
                check_only: false,
            };
            let reports = ask::<Vec<RowReport>>(view, author, what).await?;
            // What is told here, the letters' own pages tell too.
            follow(view).await;
            let mut progress = self.progress();
            for report in reports {
                progress.done += 1;
                match report.wrong {
                    None if report.changed.is_empty() => progress.same += 1,
                    None => progress.changed += 1,
                    Some(why) => {
                        progress.refuse(why_refused(&why, field), report.letter);
                        continue;
                    }
                }
                mended.push(report.letter);
            }
        }
        let open = still_open(view, mended).await?;
        if send && !open.is_empty() {
            let what = LetterQuestion::Replay {
                selection: Selection::Numbers(open),
                force: false,
            };
            ask::<ReplayProgress>(view, author, what).await?;
            self.progress().sent = true;
        }
        Ok(())
    }

    async fn discard(&self, reason: &str, view: &View, author: &str) -> Result<(), Failure> {
        for piece in self.numbers.chunks(PIECE) {
            let asked = piece.len() as u64;
            let open = still_open(view, piece.to_vec()).await?;
            let mut discarded = 0;
            if !open.is_empty() {
                let what = LetterQuestion::Discard {
                    selection: Selection::Numbers(open),
                    reason: reason.to_owned(),
                };
                discarded = ask::<u64>(view, author, what).await?;
                follow(view).await;
            }
            let mut progress = self.progress();
            progress.done += asked;
            progress.changed += discarded;
            progress.same += asked - discarded.min(asked);
        }
        Ok(())
    }
}

impl Progress {
    fn refuse(&mut self, why: String, letter: u64) {
        let (count, named) = self.refused.entry(why).or_default();
        *count += 1;
        if named.len() < NAMED {
            named.push(letter);
        }
    }
}

/// Each letter with one value.
pub fn rows(letters: &[u64], field: &str, value: &str) -> Vec<Row> {
    let row = |(line, letter): (u64, &u64)| Row {
        line,
        letter: *letter,
        anyway: true,
        seen: None,
        cells: BTreeMap::from([(field.to_owned(), value.to_owned())]),
    };
    (1..).zip(letters).map(row).collect()
}

/// Why a value was not accepted, for the field that it stands beside.
pub fn why_refused(text: &str, field: &str) -> String {
    let text = text.strip_prefix("nothing was changed: ").unwrap_or(text);
    let text = text.strip_prefix(field).unwrap_or(text);
    let text = text.strip_prefix(": ").unwrap_or(text);
    // It is said in the words of the command line.
    let (text, _) = text
        .split_once("; leave it out instead")
        .unwrap_or((text, ""));
    visible(text)
}

#[derive(Template)]
#[template(path = "console/work.html")]
struct Page {
    frame: Frame,
    id: String,
    back: String,
    says: String,
    asked: u64,
    done: u64,
    over: bool,
    outcome: Vec<String>,
    refused: Vec<(String, String, Vec<u64>)>,
    trouble: Option<String>,
    sending: Option<Sending>,
}

pub async fn page(
    State(view): State<View>,
    Extension(works): Extension<Works>,
    who: Identity,
    Path(id): Path<String>,
) -> Response {
    let Some(work) = works.find(&id) else {
        let gone = Failure {
            page: "LS6067".to_owned(),
            text: "nothing is known of this change any more".to_owned(),
            remedy: "The service was started anew since. What was changed before stands in the \
                     activity; what was not still waits."
                .to_owned(),
        };
        return or_refused(&who, "/attention", Err(gone));
    };
    let progress = work.progress().clone();
    let sending = if progress.sent {
        sending::last(&view).await
    } else {
        None
    };
    let asked = work.numbers.len() as u64;
    let eyes = super::shown::Eyes::from(&who);
    let (title, says, done, same) = match &work.task {
        Task::Mend { label, value, .. } => (
            "Mending a group",
            format!(
                "{} is set to “{}” for {}.",
                label,
                eyes.value(value),
                leads(asked)
            ),
            "changed",
            "already so",
        ),
        Task::Discard { .. } => (
            "Discarding a group",
            format!("{} are discarded: they are not sent.", leads(asked)),
            "discarded",
            "not waiting any more, or on their way",
        ),
    };
    let mut outcome = Vec::new();
    for (count, word) in [(progress.changed, done), (progress.same, same)] {
        if count > 0 {
            outcome.push(format!("{} {word}", leads(count)));
        }
    }
    let refused = progress.refused.into_iter();
    let page = Page {
        frame: Frame::new(title, "/attention", who),
        id,
        back: work.group.address(),
        says,
        asked,
        done: progress.done,
        over: progress.over,
        outcome,
        refused: refused
            .map(|(why, (count, named))| (why, leads(count), named))
            .collect(),
        trouble: progress.trouble,
        sending,
    };
    render(&page)
}
