//! The token endpoint's grants, one function each.
use super::approvals::Found;
use super::apps::{self, Client, RegisteredApp, yields_refresh_token};
use super::parameters::Parameters;
use super::password::{self, PasswordLogin};
use super::{GrantRefusal, Granted, admit, check_org, check_policy, jwt, refuse};
use crate::clock::Clock;
use crate::org::{ApprovalId, Identity, Opening, Org};

const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// An assertion of a real client has a few hundred bytes; one of this size is an attack or a mistake.
const MAX_ASSERTION_BYTES: usize = 64 * 1024;

/// A token request, decoded.
pub(crate) struct GrantRequest<'a> {
    pub(crate) parameters: &'a Parameters,
    /// The value of the Authorization header.
    pub(crate) authorization: Option<&'a str>,
    /// The Host header, without port.
    pub(crate) host: &'a str,
    /// URLs under which this org is known.
    pub(crate) own_urls: &'a [String],
}

impl GrantRequest<'_> {
    fn client<'o>(&self, org: &'o Org) -> Result<Client<'o>, GrantRefusal> {
        Client::of(org, self.parameters, self.authorization)
    }
}

/// Decides a token request.
pub(crate) fn grant(org: &Org, request: &GrantRequest<'_>) -> Result<Granted, GrantRefusal> {
    check_org(org)?;
    match request.parameters.get("grant_type") {
        Some(JWT_GRANT) => jwt_bearer(org, request),
        Some("client_credentials") => client_credentials(org, request),
        Some("password") => password_grant(org, request),
        Some("authorization_code") => authorization_code(org, request),
        Some("refresh_token") => refresh_token(org, request),
        // Also the answer to a body of another content type, in which Salesforce sees no grant type.
        Some(_) | None => Err(refuse("unsupported_grant_type", "grant type not supported")),
    }
}

fn jwt_bearer(org: &Org, request: &GrantRequest<'_>) -> Result<Granted, GrantRefusal> {
    let invalid = || refuse("invalid_grant", "invalid assertion");
    let assertion = request.parameters.required("assertion")?;
    if assertion.len() > MAX_ASSERTION_BYTES {
        return Err(invalid());
    }
    let token = jwt::parse(assertion).ok_or_else(invalid)?;
    let (number, app) = apps::find(org, &token.claims.issuer)?;
    let key = app.key.as_ref().ok_or_else(invalid)?;
    if token.algorithm != "RS256" || !key.verifies(token.signed, &token.signature) {
        return Err(invalid());
    }
    if !is_for_us(org, request.own_urls, &token.claims.audiences) {
        return Err(refuse("invalid_grant", "audience is invalid"));
    }
    // A client takes the time from its own clock, which does not move when the org's is moved forward. The org's is
    // never behind it, so what is fresh by the org's clock is fresh by the client's too.
    let now_seconds = Clock::outside_wall_micros() / 1_000_000;
    let leeway = i64::try_from(org.config.jwt_expiry_leeway_seconds).unwrap_or(i64::MAX);
    if token.claims.expires_at_seconds.saturating_add(leeway) < now_seconds {
        return Err(refuse("invalid_grant", "expired authorization code"));
    }
    let user = approved_user(org, number, app, &token.claims.subject)?;
    admit(org, user)?;
    Ok(Granted {
        is_signed: false,
        ..granted(number, user, app.plain_scope(), None)
    })
}

/// The user, who must have approved the app before, or an administrator must have.
fn approved_user(
    org: &Org,
    number: usize,
    app: &RegisteredApp,
    username: &str,
) -> Result<usize, GrantRefusal> {
    let not_approved = || refuse("invalid_grant", "user hasn't approved this consumer");
    let user = org.users.find(username).ok_or_else(not_approved)?;
    check_policy(app, user)?;
    if app.is_pre_approved_for(user) || org.approvals().has_approved(number, user) {
        Ok(user)
    } else {
        Err(not_approved())
    }
}

fn client_credentials(org: &Org, request: &GrantRequest<'_>) -> Result<Granted, GrantRefusal> {
    // At the shared login hosts there is no user to run as (facts 1.3).
    let is_shared = |host: &&str| host.eq_ignore_ascii_case(request.host);
    if ["login.salesforce.com", "test.salesforce.com"]
        .iter()
        .any(is_shared)
    {
        return Err(refuse(
            "invalid_grant",
            "request not supported on this domain",
        ));
    }
    let client = request.client(org)?;
    client.must_know_secret()?;
    let user = client
        .app
        .user
        .ok_or_else(|| refuse("invalid_grant", "no client credentials user enabled"))?;
    admit(org, user)?;
    Ok(granted(client.number, user, client.app.plain_scope(), None))
}

fn password_grant(org: &Org, request: &GrantRequest<'_>) -> Result<Granted, GrantRefusal> {
    let failure = || refuse("invalid_grant", "authentication failure");
    let client = request.client(org)?;
    client.check_secret()?;
    let login = PasswordLogin {
        username: request.parameters.required("username")?,
        password: request.parameters.required("password")?,
        organization_id: None,
    };
    if !org.config.password_grant {
        return Err(failure());
    }
    let user = password::prove(org, &login).map_err(|_| failure())?;
    check_policy(client.app, user)?;
    admit(org, user)?;
    Ok(granted(client.number, user, client.app.plain_scope(), None))
}

fn authorization_code(org: &Org, request: &GrantRequest<'_>) -> Result<Granted, GrantRefusal> {
    let client = request.client(org)?;
    client.check_secret()?;
    let text = request.parameters.required("code")?;
    let redirect_uri = request.parameters.required("redirect_uri")?;
    let now = org.clock.monotonic_micros();
    let expired = || refuse("invalid_grant", "expired authorization code");
    let found = org.approvals().find_code(text, now);
    let code = match found {
        Found::Fresh(code) if code.app == client.number => code,
        Found::Dead => return Err(expired()),
        Found::Fresh(_) | Found::Unknown => {
            return Err(refuse("invalid_grant", "invalid authorization code"));
        }
    };
    if code.redirect_uri != redirect_uri {
        return Err(refuse(
            "redirect_uri_mismatch",
            "redirect_uri must match configuration",
        ));
    }
    if let Some(challenge) = &code.challenge {
        let verifier = request.parameters.get("code_verifier").unwrap_or_default();
        if !challenge.is_met_by(verifier) {
            return Err(refuse("invalid_grant", "invalid code verifier"));
        }
    }
    admit(org, code.user)?;
    if !org.approvals().spend_code(text) {
        return Err(expired());
    }
    Ok(web_login(org, client.number, code.user, code.scope))
}

fn refresh_token(org: &Org, request: &GrantRequest<'_>) -> Result<Granted, GrantRefusal> {
    let dead = || refuse("invalid_grant", "expired access/refresh token");
    let client = request.client(org)?;
    client.check_secret()?;
    let text = request.parameters.required("refresh_token")?;
    let now = org.clock.monotonic_micros();
    let token = org
        .approvals()
        .refresh_token(text)
        .filter(|token| token.app == client.number)
        .filter(|token| is_fresh(client.app, token.issued_micros, now))
        .cloned()
        .ok_or_else(dead)?;
    check_policy(client.app, token.user)?;
    admit(org, token.user)?;
    let rotated = if client.app.config.rotate_refresh_tokens {
        Some(org.approvals().rotate(text).ok_or_else(dead)?)
    } else {
        None
    };
    Ok(Granted {
        refresh_token: rotated,
        ..granted(client.number, token.user, token.scope, Some(token.id))
    })
}

/// The grant of a user who logged in at a browser: with a refresh token where the scope says so.
pub(super) fn web_login(org: &Org, app: usize, user: usize, scope: String) -> Granted {
    if !yields_refresh_token(&scope) {
        return granted(app, user, scope, None);
    }
    let now = org.clock.monotonic_micros();
    let (text, id, dropped) = org
        .approvals()
        .issue_refresh_token(app, user, scope.clone(), now);
    if let Some(dropped) = dropped {
        org.sessions().revoke_approval(dropped);
    }
    Granted {
        refresh_token: Some(text),
        ..granted(app, user, scope, Some(id))
    }
}

fn granted(app: usize, user: usize, scope: String, approval: Option<ApprovalId>) -> Granted {
    Granted {
        app,
        user,
        opening: Opening {
            identity: Identity {
                user,
                app: Some(app),
            },
            scope,
            approval,
        },
        refresh_token: None,
        is_signed: true,
    }
}

pub(super) fn is_fresh(app: &RegisteredApp, issued_micros: u64, now_micros: u64) -> bool {
    app.config.refresh_token_seconds.is_none_or(|seconds| {
        now_micros.saturating_sub(issued_micros) < seconds.saturating_mul(1_000_000)
    })
}

fn is_for_us(org: &Org, own_urls: &[String], audiences: &[String]) -> bool {
    let known = [
        "https://login.salesforce.com",
        "https://test.salesforce.com",
    ]
    .into_iter()
    .chain(own_urls.iter().map(String::as_str))
    .chain(org.config.audiences.iter().map(String::as_str));
    audiences
        .iter()
        .any(|audience| known.clone().any(|url| same_site(url, audience)))
}

/// Same URL but for a trailing slash or the token path, which some clients send as the audience.
fn same_site(url: &str, audience: &str) -> bool {
    let site = audience
        .trim_end_matches('/')
        .trim_end_matches("/services/oauth2/token");
    site.trim_end_matches('/')
        .eq_ignore_ascii_case(url.trim_end_matches('/'))
}
