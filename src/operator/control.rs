//! The control socket: one JSON line asks, one JSON line answers. For the command line beside a
//! running service; only the owner of the state folder can reach it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

use super::peer::author;
use super::questions::{Failure, Query, Reply, answer};
use super::{SOCKET, View};

/// Longest question: numbers of half a million dead letters.
const MAX_QUESTION_BYTES: u64 = 4 << 20;

/// Longest answer that a client reads: some 10,000 dead letters.
const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// As long as axum pauses on the HTTP port.
const AFTER_A_FAILED_ACCEPT: Duration = Duration::from_secs(1);

/// The index answers in milliseconds; a service that is stopped in a debugger does not.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A snapshot is looked at by MySQL before it begins.
const START_WITHIN: Duration = Duration::from_secs(120);

/// A hundred thousand letters are discarded one by one.
const LETTERS_WITHIN: Duration = Duration::from_secs(900);

/// All of the journal is read, and parts of it are written.
const FORGET_WITHIN: Duration = Duration::from_secs(1800);

/// All of the index is read.
const SUMS_WITHIN: Duration = Duration::from_secs(120);

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
        Query::SnapshotStart { .. } | Query::Describe | Query::Preview { .. } => START_WITHIN,
        Query::IndexSums => SUMS_WITHIN,
        Query::Letters { .. } => LETTERS_WITHIN,
        Query::Forget { .. } => FORGET_WITHIN,
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
            let author = author(&stream);
            let (read, mut write) = stream.into_split();
            let mut question = String::new();
            let mut reader = tokio::io::BufReader::new(read.take(MAX_QUESTION_BYTES));
            if reader.read_line(&mut question).await.is_err() {
                return;
            }
            let reply = match serde_json::from_str::<Query>(&question) {
                Ok(query) => answer(query, view, &author).await,
                Err(error) => Reply::Failure(Failure {
                    page: "LS6004".to_owned(),
                    text: format!("the question cannot be read: {error}"),
                    remedy: "use the leadstream command line of the same version".to_owned(),
                }),
            };
            let mut reply = serde_json::to_vec(&reply).unwrap_or_default();
            reply.push(b'\n');
            // A client that went away wants no answer.
            let _ = write.write_all(&reply).await;
        });
    }
}
