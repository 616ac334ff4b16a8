//! The session: one cached token, one login at a time, and no storm of logins.
//!
//! Invariants:
//! - A token is replaced only by a caller whose own token was refused, and only while that token
//!   is still the cached one: twenty calls refused together cost one login.
//! - A failed login is remembered. Until its pause is over every caller gets that failure without
//!   a request; the pause doubles from failure to failure up to five minutes.
//! - A token that was refused before Salesforce ever took it counts as a failed login from the
//!   second time on, so that an org which refuses every session costs one login per pause.
//!
//! It does not refresh ahead of time: token answers carry no lifetime (salesforce-facts 0.6).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use jiff::fmt::rfc2822;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::grant::{self, Grant};
use super::http::{Ask, Body, Http};
use super::limits::Counters;
use super::{classify, pages};
use crate::core::outcome::{Disposition, ErrorClass, RequestFailure};
use crate::core::time::Micros;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A login is a small request; it need not wait as long as a batch.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(60);

/// A session with Salesforce.
pub(super) struct Token {
    pub bearer: HeaderValue,
    /// Scheme and host for API calls.
    pub instance: Url,
    /// The id of the integration user, when the login told.
    pub user: Option<String>,
    accepted: AtomicBool,
}

impl Token {
    /// Salesforce answered a call that carried it.
    pub fn accept(&self) {
        self.accepted.store(true, Ordering::Relaxed);
    }
}

pub(super) struct Session {
    grant: Grant,
    token_url: Url,
    https_only: bool,
    clock: fn() -> Micros,
    current: RwLock<Option<Arc<Token>>>,
    gate: Mutex<Gate>,
}

/// Held while logging in; says whether a login may be tried.
#[derive(Default)]
struct Gate {
    failures: u32,
    /// Tokens in a row that were refused before they were ever taken.
    refused: u32,
    closed: Option<(Instant, RequestFailure)>,
    /// Salesforce's clock minus ours, once it has told that they differ.
    skew_seconds: i64,
}

impl Gate {
    fn remembered(&self, now: Instant) -> Option<RequestFailure> {
        let (until, failure) = self.closed.as_ref()?;
        (now < *until).then(|| failure.clone())
    }

    fn close(&mut self, now: Instant, failure: RequestFailure) {
        let pause = FIRST_PAUSE
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST_PAUSE);
        let asked = Duration::from_millis(failure.retry_after_ms.unwrap_or(0));
        self.failures = self.failures.saturating_add(1);
        self.closed = Some((now + pause.max(asked), failure));
    }

    /// Notes that a cached token was refused. True when that makes a new login pointless for now.
    fn refuse(&mut self, was_accepted: bool) -> bool {
        if was_accepted {
            self.refused = 0;
            self.failures = 0;
        } else {
            self.refused = self.refused.saturating_add(1);
        }
        self.refused > 1
    }
}

impl Session {
    pub fn new(grant: Grant, token_url: Url, https_only: bool, clock: fn() -> Micros) -> Session {
        let (current, gate) = (RwLock::default(), Mutex::default());
        Session {
            grant,
            token_url,
            https_only,
            clock,
            current,
            gate,
        }
    }

    /// The cached token, or a new one.
    pub async fn token(
        &self,
        http: &Http,
        counters: &Counters,
    ) -> Result<Arc<Token>, RequestFailure> {
        if let Some(token) = self.current() {
            return Ok(token);
        }
        let mut gate = self.gate.lock().await;
        match self.current() {
            Some(token) => Ok(token),
            None => self.login(&mut gate, http, counters).await,
        }
    }

    /// A token in place of `stale`, which Salesforce refused.
    pub async fn renew(
        &self,
        http: &Http,
        counters: &Counters,
        stale: &Arc<Token>,
    ) -> Result<Arc<Token>, RequestFailure> {
        let mut gate = self.gate.lock().await;
        match self.current() {
            Some(token) if !Arc::ptr_eq(&token, stale) => return Ok(token),
            Some(_) => {
                self.store(None);
                if gate.refuse(stale.accepted.load(Ordering::Relaxed)) {
                    let failure = session_refused();
                    tracing::warn!(page = failure.page, "fresh sessions are refused, waiting");
                    gate.close(Instant::now(), failure.clone());
                    return Err(failure);
                }
            }
            None => {}
        }
        if gate.remembered(Instant::now()).is_none() {
            counters.refresh();
        }
        self.login(&mut gate, http, counters).await
    }

    /// The id of the integration user, while there is a session and its login told.
    pub fn user(&self) -> Option<String> {
        self.current()?.user.clone()
    }

    async fn login(
        &self,
        gate: &mut Gate,
        http: &Http,
        counters: &Counters,
    ) -> Result<Arc<Token>, RequestFailure> {
        if let Some(failure) = gate.remembered(Instant::now()) {
            return Err(failure);
        }
        let mut result = self.attempt(gate, http, counters).await;
        if result.as_ref().is_err_and(grant::is_expired_assertion) {
            // Perhaps it was delayed on the way, or our clock is wrong by what we now know.
            result = self.attempt(gate, http, counters).await;
        }
        match result {
            Ok(token) => {
                gate.closed = None;
                self.store(Some(Arc::clone(&token)));
                tracing::info!(
                    instance = token.instance.host_str(),
                    "logged in to salesforce"
                );
                Ok(token)
            }
            Err(failure) => {
                tracing::warn!(page = failure.page, code = failure.code, "login failed");
                gate.close(Instant::now(), failure.clone());
                Err(failure)
            }
        }
    }

    /// One token request.
    async fn attempt(
        &self,
        gate: &mut Gate,
        http: &Http,
        counters: &Counters,
    ) -> Result<Arc<Token>, RequestFailure> {
        http.ready().await;
        let ours = (self.clock)().0.div_euclid(1_000_000);
        let form = self
            .grant
            .form(ours + gate.skew_seconds)
            .map_err(|_| unsigned())?;
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, kind);
        let ask = Ask {
            method: Method::POST,
            url: self.token_url.clone(),
            headers,
            body: Some(Body::Whole(Bytes::copy_from_slice(
                form.expose().as_bytes(),
            ))),
            timeout: Some(LOGIN_TIMEOUT),
        };
        counters.login();
        let answer = http
            .exchange(ask)
            .await
            // A login that may have happened harms nobody.
            .map_err(|broken| RequestFailure {
                unknown: false,
                ..broken.failure()
            })?;
        if answer.status != 200 || answer.html {
            let failure = grant::refusal(&answer);
            if grant::is_expired_assertion(&failure)
                && let Some(theirs) = answer.date.as_deref().and_then(seconds_of)
            {
                gate.skew_seconds = theirs - (self.clock)().0.div_euclid(1_000_000);
                tracing::warn!(
                    seconds = gate.skew_seconds,
                    "salesforce's clock differs from ours"
                );
            }
            return Err(failure);
        }
        let granted = grant::decode(&answer.body, self.https_only)?;
        let bearer = format!("Bearer {}", granted.access_token.expose());
        let mut bearer = HeaderValue::try_from(bearer).map_err(|_| unsigned())?;
        bearer.set_sensitive(true);
        let accepted = AtomicBool::new(false);
        Ok(Arc::new(Token {
            bearer,
            instance: granted.instance,
            user: granted.user,
            accepted,
        }))
    }

    /// Of the cached token.
    pub fn instance_url(&self) -> Option<String> {
        let token = self.current()?;
        Some(token.instance.origin().ascii_serialization())
    }

    fn current(&self) -> Option<Arc<Token>> {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn store(&self, token: Option<Arc<Token>>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = token;
    }
}

/// Seconds since 1970 of an HTTP date.
fn seconds_of(date: &str) -> Option<i64> {
    rfc2822::parse(date)
        .ok()
        .map(|zoned| zoned.timestamp().as_second())
}

pub(super) fn session_refused() -> RequestFailure {
    let whole = grant::whole(
        ErrorClass::Auth,
        Disposition::Backoff,
        pages::SESSION_REFUSED,
    );
    classify::failure(whole, "INVALID_SESSION_ID", "")
}

/// The key signed at the start, so this does not happen; if it does, it is no reason to die.
fn unsigned() -> RequestFailure {
    let whole = grant::whole(ErrorClass::Auth, Disposition::Pause, pages::CONNECTOR);
    classify::failure(whole, "login", "the login could not be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_between_failed_logins_grows_and_is_capped() {
        let (mut gate, start) = (Gate::default(), Instant::now());
        assert_eq!(gate.remembered(start), None);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            gate.close(start, session_refused());
            pauses.push((gate.closed.as_ref().unwrap().0 - start).as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(
            gate.remembered(start + Duration::from_secs(299)),
            Some(session_refused())
        );
        assert_eq!(gate.remembered(start + Duration::from_secs(300)), None);
    }

    #[test]
    fn a_longer_wait_that_is_asked_for_is_kept() {
        let (mut gate, start) = (Gate::default(), Instant::now());
        let failure = RequestFailure {
            retry_after_ms: Some(60_000),
            ..session_refused()
        };
        gate.close(start, failure);
        assert!(gate.remembered(start + Duration::from_secs(59)).is_some());
        assert!(gate.remembered(start + Duration::from_secs(60)).is_none());
    }

    #[test]
    fn fresh_tokens_may_be_refused_once() {
        let mut gate = Gate::default();
        assert!(!gate.refuse(true));
        assert!(!gate.refuse(false));
        assert!(gate.refuse(false));
        assert!(!gate.refuse(true));
    }

    #[test]
    fn http_dates_are_read() {
        assert_eq!(seconds_of("Thu, 01 Jan 1970 00:01:40 GMT"), Some(100));
        assert_eq!(seconds_of("yesterday"), None);
    }
}
