//! The layer before all routes: finds out who asks, or turns the request away.
//!
//! In this order: the host that was meant, who asks, whether the path needs to know, and for what
//! changes something by a session whether one of our own pages asked. Handlers behind it find an
//! [`Identity`] in the request's extensions and check nothing but its role.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use axum::RequestExt;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use futures_util::StreamExt;
use prometheus::IntCounterVec;
use serde::Deserialize;

use super::Identity;
use super::limits::Limits;
use super::login;
use super::origin;
use super::sessions::Sessions;
use super::token_file::{self, Entry};
use super::tokens::Tokens;
use crate::core::time::Micros;
use crate::operator::problem::Problem;

/// The session's cookie.
pub(super) const COOKIE: &str = "leadstream_session";

/// Of a form that changes something; the longest holds one lead's values.
pub const MAX_FORM_BYTES: usize = 1 << 20;

/// Longer than any token or session that we make.
const MAX_SECRET: usize = 200;

/// Whom a connection comes from; put into the request's extensions by the server.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Everything that decides who gets in.
pub struct Gate {
    pub(super) tokens: Tokens,
    pub(super) sessions: Sessions,
    /// Failures to sign in, apart from those of programs: one program with an old token must not
    /// keep people out.
    pub(super) sign_ins: Limits,
    bearers: Limits,
    pub(super) outcomes: IntCounterVec,
    pub(super) tls: bool,
    loopback: bool,
    clock: fn() -> Micros,
}

/// How the port is reached.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// By this machine alone.
    pub loopback: bool,
    pub tls: bool,
}

impl Gate {
    /// # Errors
    /// When the token file is there and cannot be used.
    pub fn open(
        token_file: Option<&Path>,
        reach: Reach,
        outcomes: IntCounterVec,
        clock: fn() -> Micros,
    ) -> Result<Self, token_file::Error> {
        let Reach { loopback, tls } = reach;
        Ok(Self {
            tokens: Tokens::open(token_file, clock())?,
            sessions: Sessions::new(),
            sign_ins: Limits::new(),
            bearers: Limits::new(),
            outcomes,
            tls,
            loopback,
            clock,
        })
    }

    pub(in crate::operator) fn speaks_tls(&self) -> bool {
        self.tls
    }

    pub(super) fn now(&self) -> Micros {
        (self.clock)()
    }

    pub(super) fn count(&self, outcome: &str) {
        self.outcomes.with_label_values(&[outcome]).inc();
    }

    /// The token's entry, if it counts now.
    pub(super) fn entry_of(&self, token: &str, now: Micros) -> Option<Entry> {
        let plausible = token.len() <= MAX_SECRET;
        let hash = token_file::hash(if plausible { token } else { "" });
        self.tokens.find(hash, now).filter(|_| plausible)
    }

    /// Who the session's cookie stands for. Its role is what the token file says now.
    pub(super) fn by_session(&self, headers: &HeaderMap, now: Micros) -> Option<Identity> {
        let id = session_id(headers)?;
        let session = self.sessions.find(id, now)?;
        let Some(entry) = self.tokens.find(session.token, now) else {
            self.sessions.end(id);
            return None;
        };
        Some(Identity {
            name: entry.name,
            role: entry.role,
            csrf: Some(session.csrf),
        })
    }

    /// Who the bearer token stands for. Wrong, expired and revoked ones get the same answer.
    fn by_bearer(&self, token: &str, from: IpAddr, now: Micros) -> Result<Identity, Refused> {
        // A good token is taken even when others from its address failed: it cannot be guessed, and
        // one program that is wrong must not stop the others beside it.
        if let Some(entry) = self.entry_of(token, now) {
            return Ok(Identity {
                name: entry.name,
                role: entry.role,
                csrf: None,
            });
        }
        let wait = self.bearers.wait(from, now);
        if wait > 0 {
            self.count("token_limited");
            return Err(Refused::TooMany { wait });
        }
        self.bearers.failed(from, now);
        self.count("token_refused");
        tracing::warn!(%from, "a token was refused: it is unknown, expired or revoked");
        Err(Refused::Unknown)
    }
}

/// Why a bearer token is not taken.
enum Refused {
    Unknown,
    /// Seconds to wait.
    TooMany {
        wait: u64,
    },
}

/// The layer itself.
pub async fn guard(State(gate): State<Arc<Gate>>, mut request: Request, next: Next) -> Response {
    if gate.loopback && !origin::is_for_loopback(request.uri(), request.headers()) {
        return Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "LS6058",
            "this port is asked by another name than this machine's own",
            "ask for 127.0.0.1 or localhost; a proxy before the port must send one of them as Host",
        )
        .into_response();
    }
    let now = gate.now();
    let path = request.uri().path();
    let open = is_open(path);
    let found = match bearer(request.headers()) {
        Some(token) if !open => match gate.by_bearer(token, peer(&request), now) {
            Ok(identity) => Some(identity),
            Err(Refused::Unknown) => return unauthorized(),
            Err(Refused::TooMany { wait }) => return too_many(wait),
        },
        Some(_) => None,
        None => gate.by_session(request.headers(), now),
    };
    let Some(identity) = found else {
        if !open {
            return turn_away(&request);
        }
        if path == "/login" && !is_safe(request.method()) && !origin::is_ours(request.headers()) {
            return foreign();
        }
        return next.run(request).await;
    };
    if path == "/login" {
        if !is_safe(request.method()) && !origin::is_ours(request.headers()) {
            return foreign();
        }
    } else if identity.csrf.is_some() && !is_safe(request.method()) {
        request = match check_csrf(request, identity.csrf.as_deref().unwrap_or_default()).await {
            Ok(request) => request,
            Err(refusal) => return refusal,
        };
    }
    request.extensions_mut().insert(identity);
    next.run(request).await
}

/// What shows nothing that needs protection, and the way in.
fn is_open(path: &str) -> bool {
    matches!(
        path,
        "/livez" | "/readyz" | "/metrics" | "/api/v1/status" | "/api/v1/openapi.json" | "/login"
    ) || path.starts_with("/assets/")
        || path.starts_with("/favicon")
}

fn is_safe(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

fn peer(request: &Request) -> IpAddr {
    let peer = request.extensions().get::<Peer>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(address)| *address)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    // What is not text is no token of ours, and is refused as such.
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| std::str::from_utf8(token).unwrap_or_default().trim())
}

pub(super) fn session_id(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).into_iter();
    let mut cookies = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, id) = cookies.find(|(name, _)| *name == COOKIE)?;
    (id.len() <= MAX_SECRET).then_some(id)
}

/// Nobody is known: programs are told so, people are shown the way in.
fn turn_away(request: &Request) -> Response {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        return unauthorized();
    }
    if !is_safe(request.method()) {
        // What was sent is lost, and the person must know.
        return Redirect::to("/login?ended=1").into_response();
    }
    let wanted = request.uri().path_and_query().map(|wanted| wanted.as_str());
    let wanted = wanted.and_then(origin::local_path).unwrap_or("/");
    if origin::is_followed_link(request.headers()) {
        return login::ask_again(wanted);
    }
    Redirect::to(&login::path_with_next(wanted)).into_response()
}

/// Checks that one of our own pages sent this; gives the request back as it was.
async fn check_csrf(request: Request, expected: &str) -> Result<Request, Response> {
    if !origin::is_ours(request.headers()) {
        return Err(foreign());
    }
    if let Some(sent) = request.headers().get("x-csrf-token") {
        let is_same = is_same(sent.as_bytes(), expected.as_bytes());
        return if is_same { Ok(request) } else { Err(forged()) };
    }
    let kind = request.headers().get(header::CONTENT_TYPE);
    let is_form = kind
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if !is_form {
        return Err(forged());
    }
    let (parts, body) = request.into_parts();
    let body = collect(body).await?;
    let mut copy = Request::new(Body::from(body.clone()));
    *copy.method_mut() = Method::POST;
    copy.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    let sent: Result<axum::Form<CsrfField>, _> = copy.extract().await;
    match sent {
        Ok(axum::Form(CsrfField { csrf })) if is_same(csrf.as_bytes(), expected.as_bytes()) => {
            Ok(Request::from_parts(parts, Body::from(body)))
        }
        _ => Err(forged()),
    }
}

#[derive(Deserialize)]
struct CsrfField {
    csrf: String,
}

async fn collect(body: Body) -> Result<axum::body::Bytes, Response> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(piece) = stream.next().await {
        let Ok(piece) = piece else {
            return Err(StatusCode::BAD_REQUEST.into_response());
        };
        if bytes.len() + piece.len() > MAX_FORM_BYTES {
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "LS6058",
                "the form is longer than 1 MiB",
                "send less at once",
            )
            .into_response());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.into())
}

/// In the same time wherever they differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    blake3::hash(one) == blake3::hash(other)
}

fn unauthorized() -> Response {
    let realm = HeaderValue::from_static("Bearer realm=\"leadstream\"");
    ([(header::WWW_AUTHENTICATE, realm)], Problem::unauthorized()).into_response()
}

fn foreign() -> Response {
    tracing::warn!("a change was refused: a page of another site asked for it");
    Problem::new(
        StatusCode::FORBIDDEN,
        "LS6056",
        "another site's page asked for this",
        "do it on the console's own pages",
    )
    .into_response()
}

fn forged() -> Response {
    tracing::warn!("a change was refused: it came without its page's mark");
    Problem::new(
        StatusCode::FORBIDDEN,
        "LS6056",
        "this came without the mark of the page that it should come from",
        "load the page again and send it from there; programs use a token instead of a session",
    )
    .into_response()
}

fn too_many(wait: u64) -> Response {
    let problem = Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "LS6057",
        "too many tokens were refused",
        "see that the right token is sent; then try again after the seconds of Retry-After",
    );
    ([(header::RETRY_AFTER, HeaderValue::from(wait))], problem).into_response()
}
