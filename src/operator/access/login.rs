//! `/login` and `/logout`: a person turns a token into a session, and ends it.

use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Deserialize;

use super::gate::{self, COOKIE, Gate, Peer};
use super::{Identity, origin};
use crate::operator::console::render;

/// The way in and out; whatever the state of the router that it is merged into.
pub fn router<S: Clone + Send + Sync + 'static>(gate: Arc<Gate>) -> Router<S> {
    Router::new()
        .route("/login", get(page).post(sign_in))
        .route("/logout", post(sign_out))
        .route("/assets/login.css", get(style))
        .with_state(gate)
}

#[derive(Template)]
#[template(path = "console/login.html")]
struct Page<'a> {
    next: &'a str,
    /// What is wrong, if anything.
    message: Option<&'a str>,
    /// There is nothing to sign in with yet.
    missing: Option<Missing>,
}

/// What must be done before anybody can sign in.
enum Missing {
    File,
    Token,
}

#[derive(Template)]
#[template(path = "console/link.html")]
struct Link<'a> {
    next: &'a str,
}

#[derive(Deserialize)]
struct Wanted {
    next: Option<String>,
    /// The session had ended when something was sent.
    ended: Option<String>,
}

#[derive(Deserialize)]
struct Filled {
    token: String,
    next: Option<String>,
}

/// `/login` with the page to go on to.
pub(super) fn path_with_next(next: &str) -> String {
    if next == "/" {
        return "/login".to_owned();
    }
    let mut path = "/login?next=".to_owned();
    for byte in next.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'.') {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}

/// A page that loads the wanted one anew. A browser that follows a link on another site keeps the
/// cookie back; when one of our own pages asks, it sends it.
pub(super) fn ask_again(wanted: &str) -> Response {
    render(&Link { next: wanted })
}

#[allow(clippy::unused_async, reason = "axum's handlers are async")]
async fn page(
    State(gate): State<Arc<Gate>>,
    who: Option<Extension<Identity>>,
    Query(Wanted { next, ended }): Query<Wanted>,
) -> Response {
    let next = wanted(next.as_deref());
    if who.is_some_and(|who| who.csrf.is_some()) {
        return Redirect::to(next).into_response();
    }
    let message = ended.map(|_| {
        "Your session has ended, and what you sent was not carried out. Sign in and do it again."
    });
    show(&gate, next, message, StatusCode::OK)
}

async fn sign_in(
    State(gate): State<Arc<Gate>>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    Form(Filled { token, next }): Form<Filled>,
) -> Response {
    let now = gate.now();
    let next = wanted(next.as_deref());
    let from = peer.map_or(IpAddr::from([0; 4]), |Extension(Peer(address))| address);
    let wait = gate.sign_ins.wait(from, now);
    if wait > 0 {
        gate.count("limited");
        let message = format!("Too many tokens were refused. Try again in {wait} s.");
        let mut page = show(&gate, next, Some(&message), StatusCode::TOO_MANY_REQUESTS);
        let headers = page.headers_mut();
        headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
        return page;
    }
    let Some(entry) = gate.entry_of(token.trim(), now) else {
        gate.sign_ins.failed(from, now);
        gate.count("refused");
        tracing::warn!(%from, "a sign-in was refused: its token is unknown, expired or revoked");
        let message = "This token is not accepted. It may be mistyped, expired or revoked.";
        return show(&gate, next, Some(message), StatusCode::UNAUTHORIZED);
    };
    // What the browser had before, whoever's it was, is over.
    if let Some(old) = gate::session_id(&headers) {
        gate.sessions.end(old);
    }
    gate.count("signed_in");
    tracing::info!(%from, name = &*entry.name, role = entry.role.name(), "signed in");
    let id = gate.sessions.begin(entry.hash, now);
    go_on(next, &cookie(id.expose(), "", gate.tls))
}

#[allow(clippy::unused_async, reason = "axum's handlers are async")]
async fn sign_out(
    State(gate): State<Arc<Gate>>,
    who: Option<Extension<Identity>>,
    headers: HeaderMap,
) -> Response {
    if let Some(id) = gate::session_id(&headers) {
        gate.sessions.end(id);
    }
    if let Some(who) = who {
        tracing::info!(name = &*who.name, "signed out");
    }
    go_on("/login", &cookie("", "; Max-Age=0", gate.tls))
}

#[allow(clippy::unused_async, reason = "axum's handlers are async")]
async fn style() -> impl IntoResponse {
    const STYLE: &str = include_str!("../../../templates/console/login.css");
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE)
}

fn wanted(next: Option<&str>) -> &str {
    next.and_then(origin::local_path).unwrap_or("/")
}

fn show(gate: &Gate, next: &str, message: Option<&str>, status: StatusCode) -> Response {
    let missing = match gate.tokens.path() {
        None => Some(Missing::File),
        Some(_) if gate.tokens.is_empty(gate.now()) => Some(Missing::Token),
        Some(_) => None,
    };
    let mut page = render(&Page {
        next,
        message,
        missing,
    });
    if page.status() == StatusCode::OK {
        *page.status_mut() = status;
    }
    page
}

/// Without an end of its own, so that it goes when the browser is closed.
fn cookie(value: &str, more: &str, tls: bool) -> String {
    let secure = if tls { "; Secure" } else { "" };
    format!("{COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/{secure}{more}")
}

fn go_on(next: &str, cookie: &str) -> Response {
    let mut answer = Redirect::to(next).into_response();
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}
