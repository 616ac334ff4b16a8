//! One Salesforce org: the calls that the service makes to it.
//!
//! Invariants: at most `max_in_flight` API calls at a time, each made once, and once more with a
//! new session when the first was refused with a 401; beside them at most one transfer, which is
//! what takes minutes; every request of a call carries the same headers. Whatever breaks after a request left is reported as unknown for writes.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Instrument;

use super::auth::{self, Session, Token};
use super::codes::Whole;
use super::grant::Grant;
use super::http::{Answer, Ask, Body, Http, Incoming};
use super::limits::Counters;
use super::{
    ApiUsage, AutoAssign, CallReport, Error, Limits, MAX_RECORDS_PER_CALL, OrgSettings, UpsertCall,
    classify, describe, limits, pages, wire,
};
use crate::core::describe::ObjectDescribe;
use crate::core::outcome::{CallOutcome, Disposition, ErrorClass, RecordResult, RequestFailure};
use crate::core::time::Micros;

/// A connection to an org; clones share it.
#[derive(Clone)]
pub struct Org(Arc<Inner>);

struct Inner {
    http: Http,
    session: Session,
    counters: Counters,
    permits: Semaphore,
    /// Transfers take turns, so that they never hold the permits of the stream.
    transfers: Semaphore,
    clock: fn() -> Micros,
    /// `/services/data/v67.0`
    base_path: String,
    compress: bool,
}

/// An upload or a download may take as long as Salesforce lets a request run.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(600);

/// One API call before it has a session.
pub(super) struct Call {
    pub method: Method,
    pub path: String,
    pub query: Option<String>,
    pub headers: HeaderMap,
    pub body: Option<Body>,
    /// It may take minutes.
    pub is_transfer: bool,
}

/// When and how often a call went out.
pub(super) struct Trail {
    pub sent_at: Micros,
    pub answered_at: Micros,
    pub api_calls: u32,
}

impl Org {
    /// Checks the settings; connects to nothing.
    ///
    /// # Errors
    /// When the address, the version, the key or a number cannot work.
    pub fn new(settings: OrgSettings, clock: fn() -> Micros) -> Result<Org, Error> {
        let login = check_login_url(&settings.login_url)?;
        let https_only = login.scheme() == "https";
        check_api_version(&settings.api_version)?;
        let above_zero = "above zero";
        let rate = NonZeroU32::new(settings.requests_per_second).ok_or(Error::Setting {
            setting: "requests_per_second",
            rule: above_zero,
        })?;
        for (setting, value) in [
            ("max_in_flight", settings.max_in_flight as u64),
            ("request_timeout", settings.request_timeout_ms),
            ("connect_timeout", settings.connect_timeout_ms),
        ] {
            if value == 0 {
                return Err(Error::Setting {
                    setting,
                    rule: above_zero,
                });
            }
        }
        let http = Http::new(
            rate,
            settings.max_in_flight,
            Duration::from_millis(settings.request_timeout_ms),
            Duration::from_millis(settings.connect_timeout_ms),
            https_only,
        )
        .map_err(|source| Error::HttpClient {
            source: source.into(),
        })?;
        let grant = Grant::new(settings.auth, login.origin().ascii_serialization())?;
        let mut token_url = login;
        token_url.set_path("/services/oauth2/token");
        Ok(Org(Arc::new(Inner {
            http,
            session: Session::new(grant, token_url, https_only, clock),
            counters: Counters::default(),
            permits: Semaphore::new(settings.max_in_flight.min(Semaphore::MAX_PERMITS)),
            transfers: Semaphore::new(1),
            clock,
            base_path: format!("/services/data/v{}", settings.api_version),
            compress: settings.compress,
        })))
    }

    /// Gets a session, or keeps the one there is. A failure is remembered for a growing pause.
    pub async fn login(&self) -> Result<(), RequestFailure> {
        self.0
            .session
            .token(&self.0.http, &self.0.counters)
            .await
            .map(|_| ())
    }

    /// What the integration user can see of an object. One API call.
    pub async fn describe(&self, object: &str) -> Result<ObjectDescribe, RequestFailure> {
        check_name(object)?;
        let body = self.read(&format!("/sobjects/{object}/describe")).await?;
        describe::decode(&body).map_err(|detail| read_only(classify::protocol(&detail)))
    }

    /// The org's limits. One API call.
    pub async fn limits(&self) -> Result<Limits, RequestFailure> {
        let body = self.read("/limits").await?;
        limits::decode_limits(&body).map_err(|detail| read_only(classify::protocol(&detail)))
    }

    /// Upserts up to 200 records, each key once, in one call.
    pub async fn upsert(&self, call: UpsertCall) -> CallReport {
        let mut trail = self.trail();
        let mut request_bytes = 0;
        let outcome = match self.try_upsert(&call, &mut trail, &mut request_bytes).await {
            Ok(results) => CallOutcome::Answered(results),
            Err(failure) => CallOutcome::Failed(failure),
        };
        tracing::debug!(
            object = &*call.object,
            records = call.records.len(),
            request_bytes,
            api_calls = trail.api_calls,
            micros = trail.answered_at.0 - trail.sent_at.0,
            failure = match &outcome {
                CallOutcome::Answered(_) => None,
                CallOutcome::Failed(failure) => Some(failure.code.as_str()),
            },
            "upsert"
        );
        let Trail {
            sent_at,
            answered_at,
            api_calls,
        } = trail;
        CallReport {
            outcome,
            sent_at,
            answered_at,
            request_bytes,
            api_calls,
        }
    }

    /// Where the org's API and pages are, as the last login told; without a slash at its end.
    #[must_use]
    pub fn instance_url(&self) -> Option<String> {
        self.0.session.instance_url()
    }

    /// A snapshot of what was used; takes no lock.
    #[must_use]
    pub fn usage(&self) -> ApiUsage {
        self.0.counters.snapshot()
    }

    async fn try_upsert(
        &self,
        call: &UpsertCall,
        trail: &mut Trail,
        request_bytes: &mut usize,
    ) -> Result<Vec<RecordResult>, RequestFailure> {
        let UpsertCall {
            object,
            external_id,
            auto_assign,
            on_duplicate,
            records,
            ..
        } = call;
        check_name(object)?;
        check_name(external_id)?;
        if records.is_empty() {
            return Ok(Vec::new());
        }
        if records.len() > MAX_RECORDS_PER_CALL {
            let detail = format!("{} records in one call", records.len());
            return Err(refused(
                ErrorClass::Data,
                Disposition::Split,
                pages::TOO_BIG,
                &detail,
            ));
        }
        let body = wire::encode_upsert(object, external_id, records).map_err(|at| {
            let detail = format!("payload of record {} is not an object", at + 1);
            refused(
                ErrorClass::Mapping,
                Disposition::Split,
                pages::CONNECTOR,
                &detail,
            )
        })?;
        let body = wire::finish(body, self.0.compress);
        *request_bytes = body.bytes.len();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if body.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.insert("sforce-auto-assign", auto_assign_header(auto_assign)?);
        if let Some(header) = on_duplicate.header() {
            headers.insert("sforce-duplicate-rule-header", header);
        }
        let request = Call {
            method: Method::PATCH,
            path: self.path(&format!("/composite/sobjects/{object}/{external_id}")),
            query: None,
            headers,
            body: Some(Body::Whole(body.bytes)),
            is_transfer: false,
        };
        let answer = self.make(&request, trail).await?;
        if answer.status != 200 || answer.html {
            return Err(answer.failure());
        }
        let mut results = wire::decode_answer(&answer.body, records.len(), external_id)
            .map_err(|detail| classify::protocol(&detail))?;
        self.show_matches(call, &mut results, trail).await;
        Ok(results)
    }

    async fn read(&self, path: &str) -> Result<Vec<u8>, RequestFailure> {
        let answer = self.get(path, HeaderMap::new()).await?;
        if answer.status != 200 || answer.html {
            return Err(read_only(answer.failure()));
        }
        Ok(answer.body)
    }

    /// Reads a resource, whatever the status of its answer.
    pub(super) async fn get(
        &self,
        path: &str,
        headers: HeaderMap,
    ) -> Result<Answer, RequestFailure> {
        let call = Call {
            method: Method::GET,
            path: self.path(path),
            query: None,
            headers,
            body: None,
            is_transfer: false,
        };
        let mut trail = self.trail();
        self.make(&call, &mut trail).await.map_err(read_only)
    }

    /// The address of a resource of the API.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.0.base_path)
    }

    /// The id of the integration user, once a login told.
    pub(super) fn user(&self) -> Option<String> {
        self.0.session.user()
    }

    pub(super) fn now(&self) -> Micros {
        (self.0.clock)()
    }

    pub(super) fn trail(&self) -> Trail {
        let now = self.now();
        Trail {
            sent_at: now,
            answered_at: now,
            api_calls: 0,
        }
    }

    /// Sends a call with the session, and once more with a new one when that was refused.
    pub(super) async fn make(
        &self,
        call: &Call,
        trail: &mut Trail,
    ) -> Result<Answer, RequestFailure> {
        let _permit = self.permit(call).await;
        let (incoming, token) = self.open(call, trail).await?;
        let answer = incoming.whole().await;
        trail.answered_at = self.now();
        let answer = answer.map_err(super::http::Broken::failure)?;
        if answer.status < 500 && !answer.html {
            token.accept();
        }
        Ok(answer)
    }

    /// The right to make a call, held until its answer was read.
    pub(super) async fn permit(&self, call: &Call) -> Option<SemaphorePermit<'_>> {
        let permits = if call.is_transfer {
            &self.0.transfers
        } else {
            &self.0.permits
        };
        // A semaphore is never closed; if it were, there is still nothing to protect.
        permits.acquire().await.ok()
    }

    /// The first half of [`Org::make`], for who holds a permit: up to the answer's body, and the
    /// session that it came by.
    pub(super) async fn open(
        &self,
        call: &Call,
        trail: &mut Trail,
    ) -> Result<(Incoming, Arc<Token>), RequestFailure> {
        let Inner {
            http,
            session,
            counters,
            clock,
            ..
        } = &*self.0;
        let mut token = session.token(http, counters).await?;
        let mut renewed = false;
        let mut attempt = 0_u32;
        loop {
            attempt += 1;
            let mut url = token.instance.clone();
            url.set_path(&call.path);
            url.set_query(call.query.as_deref());
            let mut headers = call.headers.clone();
            headers.insert(AUTHORIZATION, token.bearer.clone());
            headers.insert("sforce-call-options", call_options());
            let (method, body) = (call.method.clone(), call.body.clone());
            http.ready().await;
            trail.sent_at = clock();
            let ask = Ask {
                method,
                url,
                headers,
                body,
                timeout: call.is_transfer.then_some(TRANSFER_TIMEOUT),
            };
            let request = tracing::info_span!("request", attempt);
            let result = http.send(ask).instrument(request.clone()).await;
            trail.answered_at = clock();
            request.in_scope(|| {
                tracing::debug!(
                    status = result.as_ref().map_or(0, |incoming| incoming.status),
                    micros = trail.answered_at.0 - trail.sent_at.0,
                    "answered"
                );
            });
            if result
                .as_ref()
                .map_or_else(|broken| broken.was_sent(), |_| true)
            {
                trail.api_calls += 1;
                counters.call();
            }
            let incoming = result.map_err(super::http::Broken::failure)?;
            if let Some(org_usage) = incoming.org_usage {
                counters.org_usage(org_usage);
            }
            if incoming.status != 401 {
                return Ok((incoming, token));
            }
            let answer = incoming.whole().await;
            trail.answered_at = clock();
            let failure = answer.map_err(super::http::Broken::failure)?.failure();
            if failure.disposition != Disposition::Backoff {
                return Err(failure);
            }
            if renewed {
                return Err(auth::session_refused());
            }
            token = session.renew(http, counters, &token).await?;
            renewed = true;
        }
    }
}

fn call_options() -> HeaderValue {
    HeaderValue::from_static(concat!("client=leadstream/", env!("CARGO_PKG_VERSION")))
}

pub(super) fn auto_assign_header(auto_assign: &AutoAssign) -> Result<HeaderValue, RequestFailure> {
    match auto_assign {
        AutoAssign::Off => Ok(HeaderValue::from_static("FALSE")),
        AutoAssign::On => Ok(HeaderValue::from_static("TRUE")),
        AutoAssign::Rule(id) => wire::full_id(id)
            .and_then(|id| HeaderValue::try_from(id).ok())
            .ok_or_else(|| {
                let (class, page) = (ErrorClass::Configuration, pages::ASSIGNMENT_RULE);
                refused(class, Disposition::Pause, page, "it is not an id")
            }),
    }
}

/// A call that we do not make.
pub(super) fn refused(
    class: ErrorClass,
    disposition: Disposition,
    page: &'static str,
    detail: &str,
) -> RequestFailure {
    let whole = Whole {
        class,
        disposition,
        unknown: false,
        page,
    };
    classify::failure(whole, "not_sent", detail)
}

/// Nothing was written, so nothing is unknown.
pub(super) fn read_only(failure: RequestFailure) -> RequestFailure {
    RequestFailure {
        unknown: false,
        ..failure
    }
}

/// Names go into the address of a call: letters, digits and underscores only.
pub(super) fn check_name(name: &str) -> Result<(), RequestFailure> {
    let good = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if good {
        return Ok(());
    }
    let (class, page) = (ErrorClass::Configuration, pages::OBJECT);
    Err(refused(
        class,
        Disposition::Pause,
        page,
        "it is not an API name",
    ))
}

fn check_login_url(text: &str) -> Result<Url, Error> {
    let refuse = |reason| Error::LoginUrl { reason };
    let url = Url::parse(text.trim()).map_err(|_| refuse("it is not an absolute address"))?;
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err(refuse("it must start with https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("it must not hold a user or a password"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("it must be scheme and host alone"));
    }
    Ok(url)
}

fn check_api_version(version: &str) -> Result<(), Error> {
    let good = version.split_once('.').is_some_and(|(major, minor)| {
        minor == "0" && major.len() == 2 && major.parse::<u8>().is_ok_and(|major| major >= 46)
    });
    let rule = "a version such as 67.0, not below 46.0";
    good.then_some(()).ok_or(Error::Setting {
        setting: "api_version",
        rule,
    })
}
