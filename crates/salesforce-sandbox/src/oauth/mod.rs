//! Who may log in, and with which proof (facts 1): grants and their refusals, approvals, passwords.
//!
//! Knows nothing of HTTP beyond decoded parameters. Sessions and users live in `org`.
mod approvals;
mod apps;
mod authorize;
mod challenge;
mod grants;
mod jwt;
mod key;
mod parameters;
mod password;
mod rate;
mod redirect;
mod tokens;

pub(crate) use approvals::Approvals;
pub(crate) use apps::RegisteredApp;
pub(crate) use authorize::{Authorization, authorize};
pub(crate) use grants::{GrantRequest, grant};
pub(crate) use parameters::{Parameters, encode_pairs};
pub(crate) use password::{PasswordLogin, PasswordRefusal, log_in as log_in_by_password};
pub(crate) use rate::LoginRate;
pub(crate) use redirect::{is_redirectable, with_answer};
pub(crate) use tokens::{introspect, revoke};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::org::{Opening, Org};

/// Says why a PEM text is no usable key.
pub(crate) fn check_public_key(pem: &str) -> Result<(), String> {
    key::PublicKey::parse(pem).map(|_| ())
}

/// A refused grant: `error` and `error_description` (facts 1.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GrantRefusal {
    pub(crate) error: String,
    pub(crate) description: Option<String>,
}

impl GrantRefusal {
    pub(crate) fn new(error: &str, description: impl Into<String>) -> GrantRefusal {
        GrantRefusal {
            error: error.into(),
            description: Some(description.into()),
        }
    }
}

fn refuse(error: &str, description: &str) -> GrantRefusal {
    GrantRefusal::new(error, description)
}

/// What a grant gives: the session to open, and what its reply tells besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Granted {
    /// Number of the app.
    pub(crate) app: usize,
    /// Number of the user.
    pub(crate) user: usize,
    pub(crate) opening: Opening,
    /// A refresh token that the client does not know yet.
    pub(crate) refresh_token: Option<String>,
    /// Whether the reply says when it was issued and proves it; that of the JWT grant does not (facts 1.2).
    pub(crate) is_signed: bool,
}

/// Opens the session of a login and counts it.
pub(crate) fn open_session(org: &Org, opening: Opening) -> String {
    let now = org.clock.monotonic_micros();
    let token = org.sessions().open(opening, org.config.reuse_sessions, now);
    org.watch.count(|stats| stats.logins += 1);
    token
}

/// The proof in token replies: HMAC-SHA256 of identity URL and time of issue, keyed with the consumer secret.
pub(crate) fn signature(app: &RegisteredApp, identity_url: &str, issued_at: &str) -> String {
    let secret = app.config.client_secret.as_deref().unwrap_or_default();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{identity_url}{issued_at}").as_bytes());
    STANDARD.encode(tag)
}

/// Whether the org lets anybody in.
fn check_org(org: &Org) -> Result<(), GrantRefusal> {
    if org.config.inactive_org {
        return Err(refuse("inactive_org", "organization is inactive"));
    }
    Ok(())
}

/// Lets a user in whose proof was right, and counts the login against the hourly limit.
fn admit(org: &Org, user: usize) -> Result<(), GrantRefusal> {
    if !org.users.get(user).is_some_and(|user| user.active) {
        return Err(refuse("inactive_user", "user is inactive"));
    }
    let now = org.clock.monotonic_micros();
    if !org
        .login_rate()
        .admit(user, org.config.logins_per_hour, now)
    {
        return Err(refuse("rate_limit_exceeded", "login rate exceeded"));
    }
    Ok(())
}

/// Refuses users whom an administrator has not let in, for apps that insist on it.
fn check_policy(app: &RegisteredApp, user: usize) -> Result<(), GrantRefusal> {
    if app.config.admin_approval && !app.is_pre_approved_for(user) {
        return Err(refuse(
            "invalid_app_access",
            "user is not admin approved to access this app",
        ));
    }
    Ok(())
}

/// Entry points for the fuzz targets.
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing {
    pub(crate) fn proofs(text: &str) {
        let _ = super::jwt::parse(text);
        let _ = super::apps::basic_credentials(text);
        let _ = super::check_public_key(text);
    }
}
