//! What may be asked of the running service, and how each question is answered: by the control
//! socket for the command line, by the HTTP API and by the console alike.

use serde::{Deserialize, Serialize};

use super::View;
use super::following::follow;
use super::forget::{self, ForgetQuestion};
use super::history;
use super::letters::{self, LetterQuestion};
use super::log_level::{self, LogLevelQuestion};
use super::report::{self, ReportQuestion};
use super::route_acts;
use super::routes;
use crate::runtime::commands::{Answer, Command, Declined};
use crate::runtime::route_acts::RouteWish;
use crate::runtime::status::Stage;
use crate::state::{ActivityQuestion, DeadLetterFilter, TraceQuery};

/// What the command line may ask.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Query {
    Status,
    Trace {
        what: TraceQuery,
    },
    DeadLetters {
        filter: DeadLetterFilter,
        limit: usize,
        offset: usize,
    },
    /// The last snapshot, or `null`.
    SnapshotStatus,
    SnapshotStart {
        routes: Option<Vec<String>>,
        condition: Option<String>,
    },
    SnapshotCancel,
    /// Where the audit trail begins: what ended before is not known any more.
    TrailStart,
    /// How far the journal is durable at this moment, and the index applied.
    Durable,
    /// What the index holds, added up.
    IndexSums,
    Letters {
        what: LetterQuestion,
    },
    /// Describe the routes' objects again.
    Describe,
    /// Takes API calls from the budget, for a comparison beside the service.
    SpendCalls {
        calls: u64,
    },
    Forget {
        what: ForgetQuestion,
    },
    /// The route takes records in and sends none, until it is resumed.
    PauseRoute {
        route: String,
        reason: String,
    },
    ResumeRoute {
        route: String,
    },
    /// Who did what, newest first.
    Activity {
        what: ActivityQuestion,
    },
    /// How much is logged, and by what from now on.
    LogLevel {
        what: LogLevelQuestion,
    },
    /// Points of the last minutes, for charts.
    History {
        minutes: usize,
    },
    /// The figures of a period, counted from the journal.
    Report {
        what: ReportQuestion,
    },
    /// What Salesforce says of the fields that a route writes.
    Fields {
        route: String,
    },
    /// Every route's mapping, with types on both sides.
    Routes,
    /// What would become of a route's newest rows; masked, only of what kind their values are.
    Preview {
        route: String,
        rows: u32,
        masked: bool,
    },
}

/// What a started snapshot is answered with.
#[derive(Debug, Serialize, Deserialize)]
pub struct SnapshotStarted {
    pub number: u64,
}

/// What [`Query::Describe`] is answered with.
#[derive(Debug, Serialize, Deserialize)]
pub struct Described {
    /// Objects whose description changed.
    pub changed: u64,
}

/// The answer: a value in the shape of the question's own JSON output, or a failure.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Value(serde_json::Value),
    Failure(Failure),
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Failure {
    pub page: String,
    pub text: String,
    pub remedy: String,
}

/// The one way in which questions are answered and commands carried out, whoever asks and however.
/// `author` goes into the journal with what is changed.
pub(super) async fn answer(query: Query, view: View, author: &str) -> Reply {
    match query {
        Query::SnapshotStart { routes, condition } => start(view, routes, condition, author).await,
        Query::SnapshotCancel => cancel(view, author).await,
        Query::Forget { what } => forget::answer(what, view, author).await,
        Query::Letters { what } => letters::answer(what, view, author).await,
        Query::Describe => describe(view, author).await,
        Query::PauseRoute { route, reason } => {
            route_acts::answer(view, route, RouteWish::Pause(reason), author).await
        }
        Query::ResumeRoute { route } => {
            route_acts::answer(view, route, RouteWish::Resume, author).await
        }
        Query::Report { what } => report::answer(what, &view).await,
        // In memory.
        Query::Status => route_acts::status(&view),
        Query::History { minutes } => value(Ok(history::told(&view.history, minutes))),
        Query::SpendCalls { calls } => spend(view, calls).await,
        Query::LogLevel { what } => log_level::answer(&what, &view, author).await,
        Query::Fields { route } => fields(view, route).await,
        Query::Routes => routes::outlines(&view).await,
        Query::Preview {
            route,
            rows,
            masked,
        } => routes::preview(&view, route, rows, masked).await,
        query => {
            if matches!(query, Query::Trace { .. } | Query::DeadLetters { .. }) {
                follow(&view).await;
            }
            // The index reads from disk.
            tokio::task::spawn_blocking(move || reply(&query, &view))
                .await
                .unwrap_or_else(|_| failed_inside())
        }
    }
}

async fn start(
    view: View,
    routes: Option<Vec<String>>,
    condition: Option<String>,
    author: &str,
) -> Reply {
    let author = author.to_owned();
    let started = command(&view, |answer| Command::StartSnapshot {
        routes,
        condition,
        author,
        answer,
    });
    match started.await {
        Ok(number) => value(Ok(SnapshotStarted { number })),
        Err(declined) => declined.into(),
    }
}

async fn cancel(view: View, author: &str) -> Reply {
    let author = author.to_owned();
    match command(&view, |answer| Command::CancelSnapshot { author, answer }).await {
        Ok(_) => value(Ok(&view.published.read().snapshot)),
        Err(declined) => declined.into(),
    }
}

async fn describe(view: View, author: &str) -> Reply {
    let author = author.to_owned();
    match command(&view, |answer| Command::Describe { author, answer }).await {
        Ok(changed) => value(Ok(Described { changed })),
        Err(declined) => declined.into(),
    }
}

async fn spend(view: View, calls: u64) -> Reply {
    match command(&view, |answer| Command::SpendCalls { calls, answer }).await {
        Ok(left) => value(Ok(left)),
        Err(declined) => declined.into(),
    }
}

async fn fields(view: View, route: String) -> Reply {
    let asked = async {
        check_stage(&view)?;
        let ask = |answer| Command::Fields { route, answer };
        view.commands.ask(ask).await
    };
    match asked.await {
        Ok(fields) => value(Ok(fields)),
        Err(declined) => declined.into(),
    }
}

/// Nobody takes commands before the stream stands, so nothing waits for it.
async fn command(view: &View, command: impl FnOnce(Answer) -> Command) -> Result<u64, Declined> {
    check_stage(view)?;
    view.commands.ask(command).await
}

/// Whether commands are taken now.
pub(super) fn check_stage(view: &View) -> Result<(), Declined> {
    match view.published.read().stage {
        Stage::Running => Ok(()),
        Stage::Starting => Err(Declined::not_now("it is starting")),
        Stage::Stopping => Err(Declined::not_now("it is stopping")),
    }
}

impl From<Declined> for Reply {
    fn from(declined: Declined) -> Self {
        let Declined { page, text, remedy } = declined;
        Reply::Failure(Failure { page, text, remedy })
    }
}

fn reply(query: &Query, view: &View) -> Reply {
    match query {
        Query::SnapshotStatus => value(Ok(&view.published.read().snapshot)),
        Query::Trace { what } => value(view.index.trace(what)),
        Query::DeadLetters {
            filter,
            limit,
            offset,
        } => value(view.index.dead_letters(filter, *limit, *offset)),
        Query::Activity { what } => value(view.eraser.activity(what)),
        Query::TrailStart => value(view.index.trail_start()),
        Query::Durable => value(Ok(view.index.lag())),
        Query::IndexSums => value(view.index.sums()),
        Query::SnapshotStart { .. }
        | Query::SnapshotCancel
        | Query::Describe
        | Query::SpendCalls { .. }
        | Query::Letters { .. }
        | Query::PauseRoute { .. }
        | Query::ResumeRoute { .. }
        | Query::Status
        | Query::History { .. }
        | Query::Report { .. }
        | Query::Fields { .. }
        | Query::Routes
        | Query::Preview { .. }
        | Query::Forget { .. }
        | Query::LogLevel { .. } => Declined::not_now("commands go another way").into(),
    }
}

pub(super) fn value(result: Result<impl Serialize, crate::state::Error>) -> Reply {
    let failure = |page: &str, text: String, remedy: String| {
        Reply::Failure(Failure {
            page: page.to_owned(),
            text,
            remedy,
        })
    };
    match result.map(serde_json::to_value) {
        Ok(Ok(value)) => Reply::Value(value),
        Ok(Err(error)) => failure("LS6004", error.to_string(), String::new()),
        Err(error) => failure(error.page(), error.to_string(), error.remedy().to_string()),
    }
}

pub(super) fn failed_inside() -> Reply {
    Reply::Failure(Failure {
        page: "LS6004".to_owned(),
        text: "the question failed inside".to_owned(),
        remedy: "ask again; the service's log says more".to_owned(),
    })
}
