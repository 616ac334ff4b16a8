//! The control socket: one JSON line asks, one JSON line answers. For the command line beside a
//! running service; only the owner of the state folder can reach it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::{SOCKET, View};
use crate::runtime::commands::{Answer, Command, Declined};
use crate::runtime::status::Stage;
use crate::state::{DeadLetterFilter, TraceQuery};

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
}

/// What a started snapshot is answered with.
#[derive(Debug, Serialize, Deserialize)]
pub struct SnapshotStarted {
    pub number: u64,
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

/// Longest question: names of a thousand routes and a condition, with room.
const MAX_QUESTION_BYTES: u64 = 256 * 1024;

/// Longest answer that a client reads: some 10,000 dead letters.
const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// As long as axum pauses on the HTTP port.
const AFTER_A_FAILED_ACCEPT: Duration = Duration::from_secs(1);

/// The index answers in milliseconds; a service that is stopped in a debugger does not.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A snapshot is looked at by MySQL before it begins.
const START_WITHIN: Duration = Duration::from_secs(120);

/// Asks the service that runs on this state folder; `None` when none answers there.
///
/// # Errors
/// When a service is there and its answer cannot be had or read.
pub fn ask(state: &Path, query: &Query) -> std::io::Result<Option<Reply>> {
    let mut stream = match UnixStream::connect(state.join(SOCKET)) {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let within = match query {
        Query::SnapshotStart { .. } => START_WITHIN,
        _ => ANSWER_WITHIN,
    };
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    let mut question = serde_json::to_vec(query)?;
    question.push(b'\n');
    stream.write_all(&question)?;
    let mut answer = String::new();
    BufReader::new(std::io::Read::take(stream, MAX_ANSWER_BYTES)).read_line(&mut answer)?;
    Ok(Some(serde_json::from_str(&answer)?))
}

pub(super) async fn serve(listener: UnixListener, view: View) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Out of files, most likely: others will be closed.
            Err(error) => {
                tracing::error!(%error, "a question on the control socket was lost");
                tokio::time::sleep(AFTER_A_FAILED_ACCEPT).await;
                continue;
            }
        };
        let view = view.clone();
        tokio::spawn(async move {
            let (read, mut write) = stream.into_split();
            let mut question = String::new();
            let mut reader = tokio::io::BufReader::new(read.take(MAX_QUESTION_BYTES));
            if reader.read_line(&mut question).await.is_err() {
                return;
            }
            let Some(reply) = answer(&question, view).await else {
                return;
            };
            let mut reply = serde_json::to_vec(&reply).unwrap_or_default();
            reply.push(b'\n');
            // A client that went away wants no answer.
            let _ = write.write_all(&reply).await;
        });
    }
}

/// `None` when answering failed inside.
async fn answer(question: &str, view: View) -> Option<Reply> {
    match serde_json::from_str::<Query>(question) {
        Ok(Query::SnapshotStart { routes, condition }) => {
            Some(start(view, routes, condition).await)
        }
        Ok(Query::SnapshotCancel) => Some(cancel(view).await),
        // The index reads from disk.
        Ok(query) => tokio::task::spawn_blocking(move || reply(&query, &view))
            .await
            .ok(),
        Err(error) => Some(Reply::Failure(Failure {
            page: "LS6004".to_owned(),
            text: format!("the question cannot be read: {error}"),
            remedy: "use the leadstream command line of the same version".to_owned(),
        })),
    }
}

async fn start(view: View, routes: Option<Vec<String>>, condition: Option<String>) -> Reply {
    let started = command(&view, |answer| Command::StartSnapshot {
        routes,
        condition,
        answer,
    });
    match started.await {
        Ok(number) => value(Ok(SnapshotStarted { number })),
        Err(declined) => declined.into(),
    }
}

async fn cancel(view: View) -> Reply {
    match command(&view, |answer| Command::CancelSnapshot { answer }).await {
        Ok(_) => value(Ok(&view.published.read().snapshot)),
        Err(declined) => declined.into(),
    }
}

/// Nobody takes commands before the stream stands, so nothing waits for it.
async fn command(view: &View, command: impl FnOnce(Answer) -> Command) -> Result<u64, Declined> {
    match view.published.read().stage {
        Stage::Running => {}
        Stage::Starting => return Err(Declined::not_now("it is starting")),
        Stage::Stopping => return Err(Declined::not_now("it is stopping")),
    }
    view.commands.ask(command).await
}

impl From<Declined> for Reply {
    fn from(declined: Declined) -> Self {
        let Declined { page, text, remedy } = declined;
        Reply::Failure(Failure { page, text, remedy })
    }
}

fn reply(query: &Query, view: &View) -> Reply {
    match query {
        Query::Status => value(Ok(&*view.published.read())),
        Query::SnapshotStatus => value(Ok(&view.published.read().snapshot)),
        Query::Trace { what } => value(view.index.trace(what)),
        Query::DeadLetters {
            filter,
            limit,
            offset,
        } => value(view.index.dead_letters(filter, *limit, *offset)),
        Query::SnapshotStart { .. } | Query::SnapshotCancel => {
            Declined::not_now("commands go another way").into()
        }
    }
}

fn value(result: Result<impl Serialize, crate::state::Error>) -> Reply {
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
