//! One connection from its opening to its end: TLS, HTTP/1.1 or HTTP/2, and the time that each stage may take.
//!
//! Invariant: nothing that a client sends, or fails to send, keeps a connection for ever, except work that a fault
//! holds.
use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::arrival::{Arrival, MAX_TURNS};
use super::bare::{self, Speaking};
use super::wire::{Stage, Wire, WireHandle};
use crate::org::Org;
use crate::serving::ServingConfig;

/// Longest head of a request that is parsed at all; longer than what the org answers with a reasoned 414 or 431.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// What HTTP/1.1 reads and writes at a time; a call of 200 ordinary records fits.
const MAX_BUFFER_BYTES: usize = 128 * 1024;
/// How long a peer may take to close after us, or to take a last word.
const FAREWELL: Duration = Duration::from_secs(5);
/// The first byte of a TLS handshake.
const TLS_HANDSHAKE: u8 = 22;

/// Serves a connection until it ends. `handle` is that of `wire` and of `arrival`.
pub(crate) async fn serve(
    wire: Wire,
    tls: Option<Arc<ServerConfig>>,
    org: Arc<Org>,
    arrival: Arc<Arrival>,
) {
    let Some(config) = tls else {
        return serve_http1(wire, org, arrival).await;
    };
    let patience = Duration::from_millis(org.config.serving.tls_handshake_timeout_ms);
    let limits = Limits::of(&org.config.serving);
    let handshake = pin!(timeout(patience, shake_hands(wire, config)));
    let Some(Ok(Some(stream))) = attend(handshake, &arrival.wire, limits).await.done() else {
        return;
    };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        serve_http2(*stream, org, arrival).await;
    } else {
        serve_http1(*stream, org, arrival).await;
    }
}

type TlsStream = tokio_rustls::server::TlsStream<Wire>;

async fn shake_hands(mut wire: Wire, config: Arc<ServerConfig>) -> Option<Box<TlsStream>> {
    match wire.first_byte().await {
        Ok(Some(TLS_HANDSHAKE)) => TlsAcceptor::from(config)
            .accept(wire)
            .await
            .ok()
            .map(Box::new),
        Ok(Some(_)) => {
            // Whoever asks in plain HTTP can read this; who does not is no worse off than with a closed connection.
            let _ = wire
                .write_all(&bare::reply(400, Some(bare::HTTPS_ONLY)))
                .await;
            let _ = wire.shutdown().await;
            None
        }
        Ok(None) | Err(_) => None,
    }
}

async fn serve_http1<S>(stream: S, org: Arc<Org>, arrival: Arc<Arrival>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = Limits::of(&org.config.serving);
    let wire = arrival.wire.clone();
    wire.begin(false);
    let service = service_fn(move |request| answer(&org, &arrival, request));
    let mut connection = http1::Builder::new()
        // A client that has said all may close its side and still wants the answer.
        .half_close(true)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(MAX_BUFFER_BYTES)
        // Kept by `attend`, which knows an idle connection from an unfinished head.
        .header_read_timeout(None)
        .serve_connection(TokioIo::new(Speaking::new(stream)), service);
    match attend(&mut connection, &wire, limits).await {
        End::Done(_) | End::Cut => {}
        End::Late(Stage::Head { heard: true, .. }) => {
            let mut stream = connection.into_parts().io.into_inner();
            wire.close();
            let farewell = pin!(async {
                stream.write_all(&bare::reply(408, None)).await?;
                stream.shutdown().await
            });
            attend(farewell, &wire, limits).await;
        }
        End::Late(_) => {
            wire.close();
            Pin::new(&mut connection).graceful_shutdown();
            attend(&mut connection, &wire, limits).await;
        }
    }
}

async fn serve_http2(stream: TlsStream, org: Arc<Org>, arrival: Arc<Arrival>) {
    let limits = Limits::of(&org.config.serving);
    let wire = arrival.wire.clone();
    wire.begin(true);
    let service = service_fn(move |request| answer(&org, &arrival, request));
    let mut connection = pin!(
        http2::Builder::new(TokioExecutor::new())
            .max_concurrent_streams(MAX_TURNS as u32)
            .max_header_list_size(MAX_HEAD_BYTES as u32)
            .serve_connection(TokioIo::new(stream), service)
    );
    if let End::Late(_) = attend(connection.as_mut(), &wire, limits).await {
        wire.close();
        connection.as_mut().graceful_shutdown();
        attend(connection, &wire, limits).await;
    }
}

fn answer(
    org: &Arc<Org>,
    arrival: &Arc<Arrival>,
    request: axum::http::Request<Incoming>,
) -> impl Future<Output = Result<axum::response::Response, Infallible>> + Send + use<> {
    let working = arrival.wire.work();
    let (org, arrival) = (Arc::clone(org), Arc::clone(arrival));
    async move {
        let response = super::entry(org, arrival, request.map(Body::new)).await;
        drop(working);
        Ok(response)
    }
}

/// How long each stage may take.
#[derive(Debug, Clone, Copy)]
struct Limits {
    head: Duration,
    idle: Duration,
}

impl Limits {
    fn of(config: &ServingConfig) -> Limits {
        Limits {
            head: Duration::from_millis(config.request_head_timeout_ms),
            idle: Duration::from_millis(config.idle_timeout_ms),
        }
    }

    /// When a stage has lasted too long; work may take its time.
    fn end(self, stage: Stage) -> Option<Instant> {
        match stage {
            Stage::Work => None,
            Stage::Head { since, .. } => since.checked_add(self.head),
            Stage::Idle { since } => since.checked_add(self.idle),
            Stage::Closing { since } => since.checked_add(FAREWELL),
        }
    }
}

/// How the attended came to an end.
enum End<T> {
    Done(T),
    Cut,
    Late(Stage),
}

impl<T> End<T> {
    fn done(self) -> Option<T> {
        match self {
            End::Done(value) => Some(value),
            End::Cut | End::Late(_) => None,
        }
    }
}

fn attend<F: Future + Unpin>(future: F, wire: &WireHandle, limits: Limits) -> Attended<'_, F> {
    Attended {
        future,
        wire,
        limits,
        alarm: Box::pin(sleep_until(Instant::now())),
    }
}

/// Drives a connection's future until it is done, the connection is cut, or a stage lasts too long.
struct Attended<'w, F> {
    future: F,
    wire: &'w WireHandle,
    limits: Limits,
    alarm: Pin<Box<Sleep>>,
}

impl<F: Future + Unpin> Future for Attended<'_, F> {
    type Output = End<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        // Before the look at the cut, so that one in between still wakes.
        this.wire.attend(cx.waker());
        if this.wire.is_cut() {
            return Poll::Ready(End::Cut);
        }
        if let Poll::Ready(output) = Pin::new(&mut this.future).poll(cx) {
            return Poll::Ready(End::Done(output));
        }
        loop {
            let stage = this.wire.stage();
            let Some(end) = this.limits.end(stage) else {
                return Poll::Pending;
            };
            if end <= Instant::now() {
                return Poll::Ready(End::Late(stage));
            }
            // Most stages end in time: an alarm that rings too early is cheaper than one that is set anew each time.
            if this.alarm.is_elapsed() || end < this.alarm.deadline() {
                this.alarm.as_mut().reset(end);
            }
            if this.alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}
