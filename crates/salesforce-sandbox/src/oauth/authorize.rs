//! The authorize endpoint: logins at a browser, without the browser's pages.
//!
//! There is no login page: whoever asks is taken for the user named by `login_hint`, else for the one the app runs as,
//! and that user approves at once. So an authorization ends in a redirect, or in an error that may not be redirected.
use super::approvals::Code;
use super::apps::{self, RegisteredApp};
use super::challenge::Challenge;
use super::grants::web_login;
use super::parameters::Parameters;
use super::redirect;
use super::{GrantRefusal, Granted, admit, check_org, check_policy, refuse};
use crate::org::Org;

/// How an authorization ends.
pub(crate) enum Authorization {
    /// An error that is shown, because nobody knows whether the callback URL is to be trusted.
    Shown(GrantRefusal),
    /// A code, or an error, in the callback URL.
    Redirect(String),
    /// A login of the user-agent flow: its reply goes into the fragment of the callback URL.
    Token {
        granted: Granted,
        redirect_uri: String,
        state: Option<String>,
    },
}

/// Decides a request to the authorize endpoint.
pub(crate) fn authorize(org: &Org, parameters: &Parameters) -> Authorization {
    let (number, app) = match apps::find(org, parameters.get("client_id").unwrap_or_default()) {
        Ok(found) => found,
        Err(refusal) => return Authorization::Shown(refusal),
    };
    let Some(redirect_uri) = parameters.get("redirect_uri") else {
        return Authorization::Shown(refuse("redirect_uri_missing", "redirect_uri not provided"));
    };
    if !app.allows_redirect_to(redirect_uri) {
        return Authorization::Shown(refuse(
            "redirect_uri_mismatch",
            "redirect_uri must match configuration",
        ));
    }
    let state = parameters.get("state");
    let in_fragment = parameters.get("response_type") == Some("token");
    let decided = if in_fragment {
        token(org, number, app, parameters)
    } else {
        code(org, number, app, parameters, redirect_uri).map(Decided::Code)
    };
    let answer = match &decided {
        Ok(Decided::Token(granted)) => {
            return Authorization::Token {
                granted: granted.clone(),
                redirect_uri: redirect_uri.to_owned(),
                state: state.map(str::to_owned),
            };
        }
        Ok(Decided::Code(code)) => vec![("code", code.as_str())],
        Err(refusal) => vec![
            ("error", refusal.error.as_str()),
            (
                "error_description",
                refusal.description.as_deref().unwrap_or_default(),
            ),
        ],
    };
    let answer = answer
        .into_iter()
        .chain(state.map(|state| ("state", state)));
    Authorization::Redirect(redirect::with_answer(redirect_uri, in_fragment, answer))
}

enum Decided {
    Code(String),
    Token(Granted),
}

/// The web-server flow.
fn code(
    org: &Org,
    number: usize,
    app: &RegisteredApp,
    parameters: &Parameters,
    redirect_uri: &str,
) -> Result<String, GrantRefusal> {
    if parameters.get("response_type") != Some("code") {
        return Err(refuse(
            "unsupported_response_type",
            "response type not supported",
        ));
    }
    let challenge = match parameters.get("code_challenge") {
        Some(challenge) => Some(
            Challenge::parse(challenge, parameters.get("code_challenge_method"))
                .ok_or_else(|| refuse("invalid_request", "invalid code challenge"))?,
        ),
        None if app.config.require_pkce => {
            return Err(refuse("invalid_request", "missing required code challenge"));
        }
        None => None,
    };
    let (user, scope) = approve(org, app, parameters)?;
    let code = Code {
        app: number,
        user,
        scope,
        redirect_uri: redirect_uri.to_owned(),
        challenge,
    };
    let now = org.clock.monotonic_micros();
    Ok(org.approvals().issue_code(code, now))
}

/// The user-agent flow.
fn token(
    org: &Org,
    number: usize,
    app: &RegisteredApp,
    parameters: &Parameters,
) -> Result<Decided, GrantRefusal> {
    let (user, scope) = approve(org, app, parameters)?;
    admit(org, user)?;
    Ok(Decided::Token(web_login(org, number, user, scope)))
}

/// The user who approves, and the scope.
fn approve(
    org: &Org,
    app: &RegisteredApp,
    parameters: &Parameters,
) -> Result<(usize, String), GrantRefusal> {
    check_org(org)?;
    let scope = app
        .scope(parameters.get("scope"))
        .ok_or_else(|| refuse("invalid_scope", "the requested scope is not allowed"))?;
    let user = match parameters.get("login_hint") {
        Some(username) => org.users.find(username),
        None => app.user,
    };
    let user = user.ok_or_else(|| refuse("access_denied", "end-user denied authorization"))?;
    if !org.users.get(user).is_some_and(|user| user.active) {
        return Err(refuse("inactive_user", "user is inactive"));
    }
    // The same policy as at the token endpoint, which has another name for it.
    check_policy(app, user).map_err(|refusal| GrantRefusal {
        error: "OAUTH_APP_ACCESS_DENIED".into(),
        ..refusal
    })?;
    Ok((user, scope))
}
