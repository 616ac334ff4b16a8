//! Serves the port's router: how many connections there may be, and how long a client may take.
//!
//! A client that is slow costs a connection and nothing else: whoever does not finish a request, or
//! does not read the answer, is cut off. Answers that go on for ever, such as the stream of events,
//! are not limited as long as they are read.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use hyper::body::{Bytes, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tower::ServiceExt;

use super::access::gate::Peer;
use super::problem::Problem;
use super::tls::Certificates;

/// How much a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections in all. A console keeps one open for its events.
    pub connections: usize,
    /// Of one address; a proxy is one, with all the people behind it.
    pub connections_of_one: usize,
    /// From connecting, or from the last answer, to the end of a request's head.
    pub head: Duration,
    /// From the head to the end of the body.
    pub body: Duration,
    /// From the head to the beginning of the answer; what is asked goes on behind.
    pub answer: Duration,
    /// So long a client may take nothing of what it is sent.
    pub reading: Duration,
    /// What is being answered when the service ends.
    pub last_answers: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            connections_of_one: 256,
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            answer: Duration::from_secs(300),
            reading: Duration::from_secs(30),
            last_answers: Duration::from_secs(1),
        }
    }
}

/// Of a request's head, in bytes; browsers send 1 to 2 KiB.
const MAX_HEAD_BYTES: usize = 32 << 10;

/// As the control socket pauses.
const AFTER_A_FAILED_ACCEPT: Duration = Duration::from_secs(1);

/// Takes connections until `ending` says so; then those that are being answered may finish.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    certificates: Option<Certificates>,
    limits: Limits,
    ending: watch::Receiver<bool>,
) {
    let open = Arc::new(Mutex::new(HashMap::new()));
    let mut ended = ending.clone();
    let mut conversations = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Those that are over are let go.
            Some(_) = conversations.join_next() => continue,
            () = until(&mut ended) => break,
        };
        let (stream, from) = match accepted {
            Ok((stream, from)) => (stream, from.ip().to_canonical()),
            // Out of files, most likely: others will be closed.
            Err(error) => {
                tracing::error!(%error, "a connection to the operator's port was lost");
                tokio::time::sleep(AFTER_A_FAILED_ACCEPT).await;
                continue;
            }
        };
        let Some(place) = Place::take(&open, from, &limits) else {
            tracing::debug!(%from, "a connection was refused: there are too many");
            continue;
        };
        let acceptor = certificates
            .as_ref()
            .map(|certificates| certificates.acceptor(Instant::now()));
        let router = router.clone();
        let ending = ending.clone();
        conversations.spawn(async move {
            let _place = place;
            // Smaller answers than a packet must not wait for more.
            let _ = stream.set_nodelay(true);
            let stream = Impatient::new(stream, limits.reading);
            match acceptor {
                None => converse(stream, from, router, limits, ending).await,
                Some(acceptor) => match timeout(limits.head, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => converse(stream, from, router, limits, ending).await,
                    Ok(Err(error)) => tracing::debug!(%from, %error, "no TLS was agreed on"),
                    Err(_) => tracing::debug!(%from, "a client was too slow for TLS"),
                },
            }
        });
    }
    drop(listener);
    let last = async { while conversations.join_next().await.is_some() {} };
    // Streams of events have no end of their own.
    let _ = timeout(limits.last_answers, last).await;
}

/// Answers what comes on one connection.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    from: IpAddr,
    router: Router,
    limits: Limits,
    mut ending: watch::Receiver<bool>,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let router = router.clone();
        async move {
            let mut request =
                request.map(|body| Body::new(Prompt::new(body, Instant::now() + limits.body)));
            request.extensions_mut().insert(Peer(from));
            Ok::<Response, Infallible>(answer(router, request, limits.answer).await)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = until(&mut ending) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%from, %error, "a connection ended early");
    }
}

/// Waits for the end, or for its herald's.
async fn until(ending: &mut watch::Receiver<bool>) {
    let _ = ending.wait_for(|ending| *ending).await;
}

async fn answer(router: Router, request: Request, within: Duration) -> Response {
    match timeout(within, router.oneshot(request)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(never)) => match never {},
        Err(_) => Problem::new(
            axum::http::StatusCode::GATEWAY_TIMEOUT,
            "LS6058",
            "the answer takes too long",
            "what was asked for may go on: look whether it is done before asking again",
        )
        .into_response(),
    }
}

type Open = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// A connection's place among those that there may be; dropped, it is free.
struct Place {
    open: Open,
    from: IpAddr,
}

impl Place {
    fn take(open: &Open, from: IpAddr, limits: &Limits) -> Option<Self> {
        let mut counts = open.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = counts.values().sum();
        let own = counts.get(&from).copied().unwrap_or(0);
        if all >= limits.connections || own >= limits.connections_of_one {
            return None;
        }
        counts.insert(from, own + 1);
        let open = Arc::clone(open);
        Some(Self { open, from })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.from);
            }
        }
    }
}

/// A request's body that must be there in time.
struct Prompt {
    body: Incoming,
    deadline: Pin<Box<Sleep>>,
}

impl Prompt {
    fn new(body: Incoming, deadline: Instant) -> Self {
        Self {
            body,
            deadline: Box::pin(sleep_until(deadline)),
        }
    }
}

impl HttpBody for Prompt {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        match self.deadline.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Some(Err("the body takes too long".into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection whose other side must take what it is sent.
struct Impatient {
    stream: TcpStream,
    patience: Duration,
    /// While something waits to be taken.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    fn new(stream: TcpStream, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            deadline: None,
        }
    }

    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let patience = self.patience;
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + patience)));
        match deadline.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Impatient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
