//! One HTTP exchange: the client, its timeouts, the rate limit, and what broke when it broke.
//!
//! Invariants: every request waits for the rate limiter; redirects are never followed (a PATCH
//! would change its meaning, and a token could leave for another host); an answer larger than
//! [`MAX_ANSWER_BYTES`] is not read. reqwest and governor stop here: the rest of delivery sees
//! [`Ask`], [`Answer`] and [`Broken`].
//! Proxies come from the usual environment variables (`HTTPS_PROXY`, `NO_PROXY`), as people expect
//! of a service behind a corporate proxy; with plain http, which is the sandbox near by, none is used.
//! It does not retry. The client itself sends again only what the other side provably never
//! processed (a kept-alive connection that was closed before a byte went out).

use std::error::Error;
use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, Url, redirect};

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

/// What to send.
pub(super) struct Ask {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
    /// Shorter than the client's own, when given.
    pub timeout: Option<Duration>,
}

/// What came back, whole.
pub(super) struct Answer {
    pub status: u16,
    pub html: bool,
    pub retry_after_ms: Option<u64>,
    /// Used and limit, when the answer told.
    pub org_usage: Option<(u32, u32)>,
    /// The other side's clock, as it wrote it.
    pub date: Option<String>,
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
        let mut request = self
            .client
            .request(ask.method, ask.url)
            .headers(ask.headers);
        if let Some(body) = ask.body {
            request = request.body(body);
        }
        if let Some(timeout) = ask.timeout {
            request = request.timeout(timeout);
        }
        let mut response = request.send().await.map_err(|error| Broken::of(&error))?;
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
        let html = text(headers.get(CONTENT_TYPE)).is_some_and(|value| {
            value
                .trim_start()
                .to_ascii_lowercase()
                .starts_with("text/html")
        });
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| Broken::of_body(&error))?
        {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(Broken::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let html = html || body.trim_ascii_start().starts_with(b"<");
        Ok(Answer {
            status,
            html,
            retry_after_ms,
            org_usage,
            date,
            body,
        })
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
            Broken::Connect | Broken::Certificate => false,
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
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(tls) = inner.downcast_ref::<rustls::Error>() {
            return matches!(tls, rustls::Error::InvalidCertificate(_));
        }
        // `source` of an io::Error skips what it wraps, and TLS wraps twice.
        cause = match inner
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
        {
            Some(wrapped) => Some(wrapped),
            None => inner.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use std::io;

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
