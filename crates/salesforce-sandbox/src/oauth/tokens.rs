//! What becomes of tokens once they are out: revocation and introspection.
use super::apps::Client;
use super::grants::is_fresh;
use super::parameters::Parameters;
use super::{GrantRefusal, refuse};
use crate::org::{Org, opaque};

/// Life that introspection tells of a session which the org lets live for ever: the default of Salesforce (facts 1.7).
const DEFAULT_SESSION_SECONDS: i64 = 7200;

/// Ends the session of an access token, or an approval with all sessions of it.
pub(crate) fn revoke(org: &Org, token: &str) -> Result<(), GrantRefusal> {
    if org.sessions().revoke(token) {
        return Ok(());
    }
    let approval = org.approvals().revoke(token);
    if let Some(approval) = approval {
        org.sessions().revoke_approval(approval);
        return Ok(());
    }
    if opaque::is_token(token) {
        Err(refuse("invalid_token", "invalid token"))
    } else {
        Err(refuse(
            "unsupported_token_type",
            "this token is not supported",
        ))
    }
}

/// What an app is told of a living token of its own.
pub(crate) struct Introspection {
    pub(crate) is_refresh_token: bool,
    pub(crate) scope: String,
    pub(crate) app: usize,
    pub(crate) user: usize,
    /// Seconds since 1970.
    pub(crate) issued_seconds: i64,
    /// `None` for a refresh token that lives until it is revoked.
    pub(crate) expires_seconds: Option<i64>,
}

/// Looks a token up for the app that asks; `None` when it is dead, unknown or another app's.
pub(crate) fn introspect(
    org: &Org,
    parameters: &Parameters,
    authorization: Option<&str>,
) -> Result<Option<Introspection>, GrantRefusal> {
    let client = Client::of(org, parameters, authorization)?;
    client.must_know_secret()?;
    let token = parameters.required("token")?;
    let now = org.clock.monotonic_micros();
    let wall = |micros: u64| {
        let age = i64::try_from(now.saturating_sub(micros)).unwrap_or(i64::MAX);
        org.clock.wall_micros().saturating_sub(age) / 1_000_000
    };
    let status = org.sessions().status(token, now);
    if let Some(status) = status {
        let idle = org
            .config
            .session_idle_seconds
            .map_or(DEFAULT_SESSION_SECONDS, seconds);
        let whole = org.config.session_lifetime_seconds.map(seconds);
        let expires = wall(status.last_used_micros).saturating_add(idle);
        let last = whole.map(|whole| wall(status.opened_micros).saturating_add(whole));
        return Ok(
            (status.identity.app == Some(client.number)).then(|| Introspection {
                is_refresh_token: false,
                scope: status.scope,
                app: client.number,
                user: status.identity.user,
                issued_seconds: wall(status.opened_micros),
                expires_seconds: Some(last.map_or(expires, |last| last.min(expires))),
            }),
        );
    }
    let approvals = org.approvals();
    let token = approvals
        .refresh_token(token)
        .filter(|token| token.app == client.number)
        .filter(|token| is_fresh(client.app, token.issued_micros, now));
    Ok(token.map(|token| {
        let issued = wall(token.issued_micros);
        let life = client.app.config.refresh_token_seconds.map(seconds);
        Introspection {
            is_refresh_token: true,
            scope: token.scope.clone(),
            app: token.app,
            user: token.user,
            issued_seconds: issued,
            expires_seconds: life.map(|life| issued.saturating_add(life)),
        }
    }))
}

fn seconds(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
