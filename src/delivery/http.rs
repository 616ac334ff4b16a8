//! One HTTP exchange: the client, its timeouts, the rate limit, and what broke when it broke.
//!
//! Invariants: every request waits for the rate limiter; redirects are never followed (a PATCH
//! would change its meaning, and a token could leave for another host); an answer larger than
//! [`MAX_ANSWER_BYTES`] is not read, unless piece by piece. reqwest and governor stop here: the rest
//! of delivery sees [`Ask`], [`Incoming`], [`Answer`] and [`Broken`].
//! Proxies come from the usual environment variables (`HTTPS_PROXY`, `NO_PROXY`), as people expect
//! of a service behind a corporate proxy; with plain http, which is the sandbox near by, none is used.
//! It does not retry. The client itself sends again only what the other side provably never
//! processed (a kept-alive connection that was closed before a byte went out).

use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Stream, try_unfold};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, LAST_MODIFIED, RETRY_AFTER,
};
use reqwest::{Client, Method, Response, Url, redirect};
use tokio::task::spawn_blocking;

use super::codes::Whole;
use super::{classify, limits, pages};
use crate::core::outcome::{Disposition, ErrorClass, RequestFailure};

/// Far above any describe or any answer for 200 records.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// A wait that somebody asks of us is believed up to here: Salesforce documents no `Retry-After`, so
/// it is a gateway's, and a lead is not to wait a day for that.
const MAX_RETRY_AFTER_MS: u64 = 15 * 60 * 1000;

/// Idle connections are probed, so that a dead one is found before a batch is lost on it.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

pub(super) struct Http {
    client: Client,
    limiter: DefaultDirectRateLimiter,
}

/// Of a file, read and sent at once.
const PIECE_BYTES: usize = 64 * 1024;

/// What a request carries. Clones are cheap, so that a call can be made again.
#[derive(Clone)]
pub(super) enum Body {
    Whole(Bytes),
    /// A file of so many bytes, read while it is sent, from its beginning each time.
    File(Arc<dyn UploadFile>, u64),
}

/// What an upload reads, from its beginning each time it is opened.
pub trait UploadFile: Send + Sync {
    /// # Errors
    /// When it is not there.
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;
}

impl UploadFile for PathBuf {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(self)?))
    }
}

/// What to send.
pub(super) struct Ask {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<Body>,
    /// Shorter than the client's own, when given.
    pub timeout: Option<Duration>,
}

/// An answer whose body is still to be read.
pub(super) struct Incoming {
    pub status: u16,
    /// As far as the headers tell.
    pub html: bool,
    pub retry_after_ms: Option<u64>,
    /// Used and limit, when the answer told.
    pub org_usage: Option<(u32, u32)>,
    date: Option<String>,
    last_modified: Option<String>,
    locator: Option<String>,
    response: Response,
}

/// What came back, whole.
pub(super) struct Answer {
    pub status: u16,
    pub html: bool,
    pub retry_after_ms: Option<u64>,
    /// The other side's clock, as it wrote it.
    pub date: Option<String>,
    /// When the resource last changed, as the other side wrote it.
    pub last_modified: Option<String>,
    /// Where the next page of a query job begins.
    pub locator: Option<String>,
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// Nothing was sent.
    Connect,
    /// Nothing was sent: the other side could not prove who it is.
    Certificate,
    /// Sent, as far as we know.
    Timeout,
    Cut,
    TooLarge,
    /// The file to send cannot be read, or is shorter than was told; the other side did not get it.
    File,
}

impl Http {
    pub fn new(
        requests_per_second: NonZeroU32,
        max_in_flight: usize,
        request_timeout: Duration,
        connect_timeout: Duration,
        https_only: bool,
    ) -> Result<Http, reqwest::Error> {
        let mut builder = Client::builder();
        if !https_only {
            // No certificates either, so that a slim image without any still reaches the sandbox.
            builder = builder.no_proxy().tls_certs_only([]);
        }
        let client = builder
            .user_agent(concat!("leadstream/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .https_only(https_only)
            .gzip(true)
            .timeout(request_timeout)
            .connect_timeout(connect_timeout)
            .pool_max_idle_per_host(max_in_flight.max(1))
            .pool_idle_timeout(Duration::from_secs(90))
            .tcp_nodelay(true)
            .tcp_keepalive(KEEP_ALIVE)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE)
            .build()?;
        Ok(Http {
            client,
            limiter: RateLimiter::direct(Quota::per_second(requests_per_second)),
        })
    }

    /// Waits until the rate allows one more request.
    pub async fn ready(&self) {
        self.limiter.until_ready().await;
    }

    /// Sends and reads the whole answer. Call [`Http::ready`] before.
    pub async fn exchange(&self, ask: Ask) -> Result<Answer, Broken> {
        self.send(ask).await?.whole().await
    }

    /// Sends and reads the answer's headers. Call [`Http::ready`] before.
    pub async fn send(&self, ask: Ask) -> Result<Incoming, Broken> {
        let mut request = self
            .client
            .request(ask.method, ask.url)
            .headers(ask.headers);
        match ask.body {
            Some(Body::Whole(bytes)) => request = request.body(bytes),
            Some(Body::File(file, length)) => {
                let open = spawn_blocking(move || file.open()).await;
                let file = open.map_err(|_| Broken::File)?.map_err(|_| Broken::File)?;
                request = request
                    .header(CONTENT_LENGTH, length)
                    .body(reqwest::Body::wrap_stream(pieces(file, length)));
            }
            None => {}
        }
        if let Some(timeout) = ask.timeout {
            request = request.timeout(timeout);
        }
        let response = request.send().await.map_err(|error| Broken::of(&error))?;
        let headers = response.headers();
        let text = |value: Option<&HeaderValue>| {
            value
                .and_then(|value| value.to_str().ok())
                .map(str::to_string)
        };
        let retry_after_ms = text(headers.get(RETRY_AFTER))
            .and_then(|value| value.trim().parse::<u64>().ok())
            .map(|seconds| seconds.saturating_mul(1000).min(MAX_RETRY_AFTER_MS));
        let org_usage = text(headers.get("sforce-limit-info"))
            .and_then(|value| limits::decode_limit_info(&value));
        let date = text(headers.get(DATE));
        let last_modified = text(headers.get(LAST_MODIFIED));
        let locator = text(headers.get("sforce-locator"));
        let html = text(headers.get(CONTENT_TYPE)).is_some_and(|value| {
            value
                .trim_start()
                .to_ascii_lowercase()
                .starts_with("text/html")
        });
        Ok(Incoming {
            status: response.status().as_u16(),
            html,
            retry_after_ms,
            org_usage,
            date,
            last_modified,
            locator,
            response,
        })
    }
}

/// A file in pieces, as many bytes as were promised.
fn pieces(
    file: Box<dyn Read + Send>,
    length: u64,
) -> impl Stream<Item = Result<Bytes, Unreadable>> {
    try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let most = left.min(PIECE_BYTES as u64);
        let read = spawn_blocking(move || {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let read = file.by_ref().take(most).read_to_end(&mut piece);
            read.map(|_| (piece, file))
        });
        let (piece, file) = read
            .await
            .map_err(io::Error::other)
            .and_then(|read| read)
            .map_err(Unreadable)?;
        if piece.is_empty() {
            return Err(Unreadable(io::ErrorKind::UnexpectedEof.into()));
        }
        let left = left.saturating_sub(piece.len() as u64);
        Ok(Some((piece.into(), (file, left))))
    })
}

/// Ours, so that it is told from what breaks on the way.
#[derive(Debug, thiserror::Error)]
#[error("the file to send cannot be read")]
struct Unreadable(#[source] io::Error);

impl Incoming {
    pub async fn whole(mut self) -> Result<Answer, Broken> {
        let mut body = Vec::new();
        while let Some(chunk) = self.piece().await? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(Broken::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: self.status,
            html: self.html || body.trim_ascii_start().starts_with(b"<"),
            retry_after_ms: self.retry_after_ms,
            date: self.date,
            last_modified: self.last_modified,
            locator: self.locator,
            body,
        })
    }

    /// The next piece of the body; `None` at its end.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, Broken> {
        self.response
            .chunk()
            .await
            .map_err(|error| Broken::of_body(&error))
    }
}

impl Answer {
    /// The failure that this answer is.
    pub fn failure(&self) -> RequestFailure {
        classify::request(self.status, self.html, &self.body, self.retry_after_ms)
    }
}

impl Broken {
    fn of(error: &reqwest::Error) -> Broken {
        if error.is_builder() {
            // Refused on our side, such as plain http where https is due.
            return Broken::Connect;
        }
        if causes(error).any(|cause| cause.is::<Unreadable>()) {
            return Broken::File;
        }
        if error.is_connect() {
            return if is_certificate(error) {
                Broken::Certificate
            } else {
                Broken::Connect
            };
        }
        if error.is_timeout() {
            Broken::Timeout
        } else {
            Broken::Cut
        }
    }

    fn of_body(error: &reqwest::Error) -> Broken {
        if error.is_timeout() {
            Broken::Timeout
        } else {
            Broken::Cut
        }
    }

    /// False when the other side cannot have seen the request.
    pub fn was_sent(self) -> bool {
        match self {
            Broken::Connect | Broken::Certificate | Broken::File => false,
            Broken::Timeout | Broken::Cut | Broken::TooLarge => true,
        }
    }

    pub fn failure(self) -> RequestFailure {
        let (disposition, page, code) = match self {
            Broken::Connect => (Disposition::Backoff, pages::CONNECT, "connect"),
            Broken::Certificate => (Disposition::Pause, pages::CERTIFICATE, "certificate"),
            Broken::Timeout => (Disposition::Backoff, pages::TIMEOUT, "timeout"),
            Broken::Cut => (Disposition::Backoff, pages::CUT, "cut"),
            Broken::TooLarge => return classify::protocol("answer is too large"),
            Broken::File => (Disposition::Backoff, pages::BULK_FILE, "file"),
        };
        let unknown = self.was_sent();
        let whole = Whole {
            class: ErrorClass::Network,
            disposition,
            unknown,
            page,
        };
        classify::failure(whole, code, "")
    }
}

/// Looks for the TLS library's verdict on a certificate in the chain of causes.
fn is_certificate(error: &(dyn Error + 'static)) -> bool {
    causes(error)
        .find_map(|cause| cause.downcast_ref::<rustls::Error>())
        .is_some_and(|tls| matches!(tls, rustls::Error::InvalidCertificate(_)))
}

/// An error and all that it rests on.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&inner| {
        // `source` of an io::Error skips what it wraps, and TLS wraps twice.
        match inner
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(wrapped) => Some(wrapped),
            None => inner.source(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_found_under_two_wrappings() {
        let wrapped =
            |tls: rustls::Error| io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        let bad = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert!(is_certificate(&wrapped(bad)));
        assert!(!is_certificate(&wrapped(rustls::Error::DecryptError)));
        assert!(!is_certificate(&io::Error::from(
            io::ErrorKind::ConnectionRefused
        )));
    }
}
