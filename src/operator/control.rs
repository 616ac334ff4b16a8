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

/// Longest question: an e-mail address or a key, with room.
const MAX_QUESTION_BYTES: u64 = 16 * 1024;

/// Longest answer that a client reads: some 10,000 dead letters.
const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// As long as axum pauses on the HTTP port.
const AFTER_A_FAILED_ACCEPT: Duration = Duration::from_secs(1);

/// The index answers in milliseconds; a service that is stopped in a debugger does not.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

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
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
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
            let reply = tokio::task::spawn_blocking(move || answer(&question, &view)).await;
            let Ok(mut reply) = reply else { return };
            reply.push(b'\n');
            // A client that went away wants no answer.
            let _ = write.write_all(&reply).await;
        });
    }
}

fn answer(question: &str, view: &View) -> Vec<u8> {
    let reply = match serde_json::from_str::<Query>(question) {
        Ok(query) => reply(&query, view),
        Err(error) => Reply::Failure(Failure {
            page: "LS6004".to_owned(),
            text: format!("the question cannot be read: {error}"),
            remedy: "use the leadstream command line of the same version".to_owned(),
        }),
    };
    serde_json::to_vec(&reply).unwrap_or_default()
}

fn reply(query: &Query, view: &View) -> Reply {
    match query {
        Query::Status => value(Ok(&*view.published.read())),
        Query::Trace { what } => value(view.index.trace(what)),
        Query::DeadLetters {
            filter,
            limit,
            offset,
        } => value(view.index.dead_letters(filter, *limit, *offset)),
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
