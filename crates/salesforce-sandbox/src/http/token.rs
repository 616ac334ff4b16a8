//! `/services/oauth2/*` on the wire: tokens, their revocation and introspection, logins at a browser.
use axum::http::{HeaderValue, header};
use serde_json::{Value, json};

use super::call::{Call, Request};
use super::faulted;
use super::identity;
use super::parameters::{self, Format, no_store, parameters};
use super::reply::Reply;
use crate::faults::Endpoint;
use crate::oauth::{self, Authorization, GrantRefusal, GrantRequest, Granted};
use crate::org::{Org, Refusal, id};

/// Answers `/services/oauth2/{resource}`.
pub(super) async fn answer(org: &Org, call: &mut Call, resource: &str) -> Reply {
    match resource {
        "token" => {
            let plan = org.faults.plan(&call.occasion(Endpoint::Token));
            faulted::run(org, None, plan, || token(org, &call.request)).await
        }
        "userinfo" => identity::user_info(org, call).await,
        "authorize" => planned(org, call, || authorize(org, &call.request)).await,
        "revoke" => planned(org, call, || revoke(org, &call.request)).await,
        "introspect" => planned(org, call, || introspect(org, &call.request)).await,
        "keys" => identity::keys(),
        _ => Reply::error(404, &Refusal::not_found()),
    }
}

/// A refused token request (facts 1.6), as a fault has it.
pub(super) fn refused(error: &str, description: Option<&str>) -> Reply {
    Format::Json.refusal(&GrantRefusal {
        error: error.to_owned(),
        description: description.map(str::to_owned),
    })
}

async fn planned(org: &Org, call: &Call, work: impl FnOnce() -> Reply + Send) -> Reply {
    let plan = org.faults.plan(&call.occasion(Endpoint::Login));
    faulted::run(org, None, plan, work).await
}

/// `POST /services/oauth2/token`.
fn token(org: &Org, request: &Request) -> Reply {
    let parameters = parameters(request);
    let host = request.header("host").unwrap_or_default();
    let base = request.base_url(org);
    let own_urls = [
        base.clone(),
        format!("http://{host}"),
        format!("https://{host}"),
    ];
    let grant = GrantRequest {
        parameters: &parameters,
        authorization: request.header("authorization"),
        host: host.rsplit_once(':').map_or(host, |(name, _)| name),
        own_urls: &own_urls,
    };
    let format = Format::of(request, &parameters);
    let granted = must_post(request).and_then(|()| oauth::grant(org, &grant));
    match granted {
        Ok(granted) => format.reply(200, "OAuth", &told(org, &base, granted)),
        Err(refusal) => format.refusal(&refusal),
    }
}

/// Opens the session of a grant; what its client is told of it.
fn told(org: &Org, base: &str, granted: Granted) -> Value {
    let identity_url = format!("{base}/id/{}/{}", id::org(), id::user(granted.user));
    let scope = granted.opening.scope.clone();
    let mut body = json!({
        "access_token": oauth::open_session(org, granted.opening),
        "scope": scope,
        "instance_url": base,
        "id": identity_url,
        "token_type": "Bearer",
    });
    if granted.is_signed {
        let issued_at = (org.clock.wall_micros() / 1000).to_string();
        if let Some(app) = org.apps.get(granted.app) {
            body["signature"] = oauth::signature(app, &identity_url, &issued_at).into();
        }
        body["issued_at"] = issued_at.into();
        body["api_instance_url"] = base.into();
    }
    if let Some(token) = granted.refresh_token {
        body["refresh_token"] = token.into();
    }
    body
}

/// `GET` or `POST /services/oauth2/revoke`.
fn revoke(org: &Org, request: &Request) -> Reply {
    let parameters = parameters(request);
    match parameters
        .required("token")
        .and_then(|token| oauth::revoke(org, token))
    {
        Ok(()) => no_store(Reply::empty(200)),
        Err(refusal) => Format::of(request, &parameters).refusal(&refusal),
    }
}

/// `POST /services/oauth2/introspect`.
fn introspect(org: &Org, request: &Request) -> Reply {
    let parameters = parameters(request);
    let format = Format::of(request, &parameters);
    let found = must_post(request)
        .and_then(|()| oauth::introspect(org, &parameters, request.header("authorization")));
    let known = match found {
        Ok(Some(known)) => known,
        Ok(None) => return format.reply(200, "OAuth", &json!({ "active": false })),
        Err(refusal) => return format.refusal(&refusal),
    };
    let base = request.base_url(org);
    let kind = if known.is_refresh_token {
        "refresh_token"
    } else {
        "access_token"
    };
    let mut body = json!({
        "active": true,
        "scope": known.scope,
        "client_id": org.apps.get(known.app).map(|app| &app.config.client_id),
        "username": org.users.get(known.user).map(|user| &user.username),
        "sub": format!("{base}/id/{}/{}", id::org(), id::user(known.user)),
        "token_type": kind,
        "iat": known.issued_seconds,
        "nbf": known.issued_seconds,
    });
    if let Some(expires) = known.expires_seconds {
        body["exp"] = expires.into();
    }
    format.reply(200, "OAuth", &body)
}

/// `GET` or `POST /services/oauth2/authorize`.
fn authorize(org: &Org, request: &Request) -> Reply {
    let parameters = parameters(request);
    let location = match oauth::authorize(org, &parameters) {
        Authorization::Shown(refusal) => {
            let description = refusal.description.as_deref().unwrap_or_default();
            let shown = [
                ("error", refusal.error.as_str()),
                ("error_description", description),
            ];
            return parameters::text(400, oauth::encode_pairs(shown));
        }
        Authorization::Redirect(location) => location,
        Authorization::Token {
            granted,
            redirect_uri,
            state,
        } => {
            let mut told = told(org, &request.base_url(org), granted);
            if let Some(state) = state {
                told["state"] = state.into();
            }
            let answer = told.as_object().into_iter().flatten();
            let answer = answer.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
            oauth::with_answer(&redirect_uri, true, answer)
        }
    };
    match HeaderValue::from_str(&location) {
        Ok(location) => no_store(Reply::empty(302).with(header::LOCATION, location)),
        // Callback URLs are visible ASCII and answers are percent-encoded, so it is one.
        Err(_) => Reply::error(404, &Refusal::not_found()),
    }
}

fn must_post(request: &Request) -> Result<(), GrantRefusal> {
    if request.method == "POST" {
        Ok(())
    } else {
        Err(GrantRefusal::new("invalid_request", "must use HTTP POST"))
    }
}
