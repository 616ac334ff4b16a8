//! `/services/oauth2/*` and the identity URL on the wire.
use axum::http::{HeaderValue, header};
use serde_json::json;

use super::arrival::{self, Scheme};
use super::call::{Call, parse_form};
use super::faulted;
use super::reply::Reply;
use super::rest;
use crate::faults::Endpoint;
use crate::oauth::{self, GrantRefusal, GrantRequest};
use crate::org::{Org, id};

const SCOPE: &str = "api id";

/// `POST /services/oauth2/token`.
pub(super) async fn token(org: &Org, call: &mut Call) -> Reply {
    if call.request.method != "POST" {
        return Reply::method_not_allowed(&call.request.method, "POST");
    }
    let plan = org.faults.plan(Endpoint::Token, &[]);
    let token = call.token.as_deref();
    faulted::run(org, token, plan, || log_in(org, call)).await
}

/// `POST /services/oauth2/revoke`.
pub(super) fn revoke(org: &Org, call: &Call) -> Reply {
    let form = parse_form(&String::from_utf8_lossy(&call.request.body));
    let token = form
        .iter()
        .find(|(key, _)| key == "token")
        .map(|(_, value)| value.as_str())
        .or_else(|| call.request.query_value("token"));
    match token {
        Some(token) if org.sessions().revoke(token) => Reply::empty(200),
        _ => refused(
            "unsupported_token_type",
            Some("this token is not supported"),
        ),
    }
}

/// `GET /services/oauth2/userinfo`, and the identity URL of token replies.
pub(super) fn user_info(org: &Org, call: &mut Call) -> Reply {
    let app = match rest::authenticate(org, call) {
        Ok(app) => app,
        Err(reply) => return reply,
    };
    let base = call.base_url(org);
    let (org_id, user_id) = (id::org(), id::user(app));
    let username = &org.apps[app].username;
    Reply::json(
        200,
        &json!({
            "sub": format!("{base}/id/{org_id}/{user_id}"),
            "id": format!("{base}/id/{org_id}/{user_id}"),
            "user_id": user_id,
            "organization_id": org_id,
            "preferred_username": username,
            "username": username,
            "nickname": "integration",
            "name": "Integration User",
            "email": username,
            "email_verified": true,
            "user_type": "STANDARD",
            "active": true,
            "language": "en_US",
            "locale": "en_US",
            "zoneinfo": "UTC",
            "urls": { "rest": format!("{base}/services/data/v{{version}}/") },
        }),
    )
}

/// A refused token request: 400 with `error` and, mostly, `error_description` (facts 1.6).
pub(super) fn refused(error: &str, description: Option<&str>) -> Reply {
    let body = match description {
        Some(description) => json!({ "error": error, "error_description": description }),
        None => json!({ "error": error }),
    };
    no_store(Reply::json(400, &body))
}

fn log_in(org: &Org, call: &Call) -> Reply {
    let mut form = parse_form(&String::from_utf8_lossy(&call.request.body));
    form.extend(call.request.query.iter().cloned());
    let host = call.request.header("host").unwrap_or_default();
    let base = call.base_url(org);
    let mut own_urls = vec![base.clone(), format!("https://{host}")];
    if call.arrival.scheme == Scheme::Http {
        // The client may have asked for https of something in between that takes the TLS off.
        own_urls.push(format!("http://{host}"));
    }
    let request = GrantRequest {
        form: &form,
        authorization: call.request.header("authorization"),
        host: arrival::host(host),
        own_urls: &own_urls,
    };
    let granted = match oauth::grant(org, &request) {
        Ok(granted) => granted,
        Err(GrantRefusal { error, description }) => return refused(&error, description.as_deref()),
    };
    let idle_micros = org.idle_micros();
    let now = org.clock.monotonic_micros();
    let token = org
        .sessions()
        .open(granted.app, org.config.reuse_sessions, idle_micros, now);
    org.watch.count(|stats| stats.logins += 1);
    let mut body = json!({
        "access_token": token,
        "scope": SCOPE,
        "instance_url": base,
        "id": format!("{base}/id/{}/{}", id::org(), id::user(granted.app)),
        "token_type": "Bearer",
    });
    if !granted.jwt {
        body["signature"] = json!("c2FsZXNmb3JjZS1zYW5kYm94LXNpZ25hdHVyZS0wMDE=");
        body["issued_at"] = json!((org.clock.wall_micros() / 1000).to_string());
        body["api_instance_url"] = json!(base);
    }
    no_store(Reply::json(200, &body))
}

fn no_store(reply: Reply) -> Reply {
    reply
        .with(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .with(header::PRAGMA, HeaderValue::from_static("no-cache"))
}
