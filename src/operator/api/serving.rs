//! One request to one endpoint: who asks, what was sent, the question, its answer.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Query as UrlQuery, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::endpoints::{Endpoint, Work};
use super::parameters::{Given, bad};
use super::repeats::{Claimed, Repeats};
use super::{events, openapi};
use crate::operator::access::Identity;
use crate::operator::problem::Problem;
use crate::operator::questions::{Failure, Query, Reply, answer};
use crate::operator::{View, mask};

/// Numbers of a hundred thousand dead letters.
pub(super) const MAX_BODY_BYTES: usize = 1 << 20;

/// Each takes a connection and some KiB; more are people who forgot to close a window.
const MAX_LISTENERS: usize = 64;

const REPEAT_KEY: &str = "idempotency-key";

/// What requests share.
#[derive(Debug)]
pub(super) struct Serving {
    repeats: Repeats,
    pub listeners: Arc<Semaphore>,
}

impl Default for Serving {
    fn default() -> Self {
        Self {
            repeats: Repeats::default(),
            listeners: Arc::new(Semaphore::new(MAX_LISTENERS)),
        }
    }
}

/// What was sent to an endpoint.
#[derive(Debug)]
pub(super) struct Call {
    pub given: Given,
    pub body: Bytes,
    pub sees_people: bool,
}

pub(super) async fn serve(
    endpoint: &'static Endpoint,
    view: View,
    request: Request,
    serving: &Serving,
) -> Response {
    let answered = async {
        let (mut parts, body) = request.into_parts();
        let who = parts.extensions.get::<Identity>().cloned();
        if let Some(role) = endpoint.role {
            let who = who.as_ref().ok_or_else(Problem::unauthorized)?;
            who.require(role)?;
        }
        let given = parameters(endpoint, &mut parts).await?;
        match (endpoint.work, who) {
            (Work::Ask(make), Some(who)) => {
                let body = read_body(endpoint, &parts.headers, body).await?;
                let sees_people = who.sees_people();
                let call = Call {
                    given,
                    body,
                    sees_people,
                };
                let query = make(&call)?;
                let mut value = if endpoint.method == Method::GET {
                    ask(endpoint, query, view, &who.name).await?
                } else {
                    change(endpoint, query, view, &who, &parts, &call, serving).await?
                };
                if !sees_people {
                    mask::people(&mut value);
                }
                Ok(axum::Json(value).into_response())
            }
            (Work::Ask(_), None) => Err(Problem::unauthorized()),
            (Work::Status, _) => Ok(axum::Json(&*view.published.read()).into_response()),
            (Work::Listen, _) => events::listen(view, serving),
            (Work::Document, _) => Ok(openapi::document()),
        }
    };
    match answered.await {
        Ok(response) => response,
        Err(problem) => Problem::into_response(problem),
    }
}

async fn parameters(endpoint: &Endpoint, parts: &mut Parts) -> Result<Given, Problem> {
    let unreadable = || bad("the address cannot be read", "encode it as URLs are");
    let path = RawPathParams::from_request_parts(parts, &()).await;
    let path = path.map_err(|_| unreadable())?;
    let query = UrlQuery::<Vec<(String, String)>>::try_from_uri(&parts.uri);
    let UrlQuery(query) = query.map_err(|_| unreadable())?;
    if let Some((name, _)) = query
        .iter()
        .find(|(name, _)| endpoint.in_path.iter().any(|taken| taken.name == name))
    {
        return Err(bad(
            &format!("{name} belongs into the path"),
            "leave it out",
        ));
    }
    let mut sent = query;
    sent.extend(
        path.iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    Given::check(&[endpoint.in_path, endpoint.in_query], &sent)
}

async fn read_body(endpoint: &Endpoint, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    if endpoint.body.is_none() {
        return Ok(Bytes::new());
    }
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "LS6060",
            "the body is not said to be JSON",
            "send it with `Content-Type: application/json`",
        ));
    }
    let read = axum::body::to_bytes(body, MAX_BODY_BYTES).await;
    read.map_err(|_| {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "LS6060",
            "the body is too large, or ended before its end",
            &format!("send at most {MAX_BODY_BYTES} bytes; letters can be named by a filter"),
        )
    })
}

/// A command runs to its end though the one who asked goes away, so that it is not done by half.
async fn change(
    endpoint: &'static Endpoint,
    query: Query,
    view: View,
    who: &Identity,
    parts: &Parts,
    call: &Call,
    serving: &Serving,
) -> Result<Value, Problem> {
    let claim = match parts.headers.get(REPEAT_KEY) {
        None => None,
        Some(key) => {
            let key = key.to_str().unwrap_or_default();
            let mut hasher = blake3::Hasher::new();
            hasher.update(endpoint.method.as_str().as_bytes());
            hasher.update(parts.uri.path().as_bytes());
            hasher.update(&[0]);
            hasher.update(&call.body);
            match serving.repeats.claim(&who.name, key, hasher.finalize())? {
                Claimed::First(claim) => Some(claim),
                Claimed::Again(value) => return Ok(value),
            }
        }
    };
    let author = Arc::clone(&who.name);
    let carried_out = tokio::spawn(async move {
        let value = ask(endpoint, query, view, &author).await?;
        if let Some(claim) = claim {
            claim.answered(&value);
        }
        Ok(value)
    });
    carried_out.await.unwrap_or_else(|_| Err(failed_inside()))
}

async fn ask(
    endpoint: &Endpoint,
    query: Query,
    view: View,
    author: &str,
) -> Result<Value, Problem> {
    match answer(query, view, author).await {
        Reply::Value(value) => Ok((endpoint.shape)(value)),
        Reply::Failure(failure) => Err(refused(endpoint, failure)),
    }
}

/// What the path names is not there: that is 404, whatever else it is elsewhere.
fn refused(endpoint: &Endpoint, failure: Failure) -> Problem {
    let is_missing = failure.page == "LS6010" && endpoint.path.contains("{number}");
    let mut problem = Problem::from(failure);
    match problem.page.as_str() {
        "LS6010" if is_missing => problem.status = StatusCode::NOT_FOUND.as_u16(),
        "LS6020" => problem.status = StatusCode::BAD_REQUEST.as_u16(),
        "LS6063" => problem.status = StatusCode::SERVICE_UNAVAILABLE.as_u16(),
        _ => {}
    }
    problem
}

fn failed_inside() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "LS6004",
        "the command failed inside",
        "see the service's log; look whether it was carried out before you ask again",
    )
}
