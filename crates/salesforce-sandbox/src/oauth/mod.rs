//! The token endpoint: who may log in, and with which proof (salesforce-facts 1).
//!
//! Owns the grants and their refusals; knows nothing of HTTP beyond decoded form fields. Sessions live in `org`.
mod jwt;
mod key;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::config::AppConfig;
use crate::org::Org;
use key::PublicKey;

pub(crate) const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// An app with its key parsed.
pub(crate) struct RegisteredApp {
    pub(crate) client_id: String,
    client_secret: Option<String>,
    pub(crate) username: String,
    key: Option<PublicKey>,
}

impl RegisteredApp {
    pub(crate) fn new(config: &AppConfig) -> RegisteredApp {
        RegisteredApp {
            client_id: config.client_id.clone(),
            client_secret: config.client_secret.clone(),
            username: config.username.clone(),
            // The configuration was checked before, so a key that is there parses.
            key: config
                .public_key_pem
                .as_deref()
                .and_then(|pem| PublicKey::parse(pem).ok()),
        }
    }
}

/// Says why a PEM text is no usable key.
pub(crate) fn check_public_key(pem: &str) -> Result<(), String> {
    PublicKey::parse(pem).map(|_| ())
}

/// A refused grant: `error` and `error_description` (facts 1.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GrantRefusal {
    pub(crate) error: String,
    pub(crate) description: Option<String>,
}

fn refuse(error: &str, description: &str) -> GrantRefusal {
    GrantRefusal {
        error: error.into(),
        description: Some(description.into()),
    }
}

/// Which grant succeeded, for which app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) app: usize,
    pub(crate) jwt: bool,
}

/// A token request, decoded.
pub(crate) struct GrantRequest<'a> {
    pub(crate) form: &'a [(String, String)],
    /// The value of the Authorization header.
    pub(crate) authorization: Option<&'a str>,
    /// The Host header, without port.
    pub(crate) host: &'a str,
    /// URLs under which this org is known.
    pub(crate) own_urls: &'a [String],
}

impl GrantRequest<'_> {
    fn field(&self, name: &str) -> Option<&str> {
        self.form
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Decides a token request.
pub(crate) fn grant(org: &Org, request: &GrantRequest<'_>) -> Result<Granted, GrantRefusal> {
    match request.field("grant_type") {
        Some(JWT_GRANT) => {
            let assertion = request.field("assertion").ok_or_else(|| {
                refuse("invalid_request", "missing required parameter: assertion")
            })?;
            jwt_bearer(org, assertion, request.own_urls).map(|app| Granted { app, jwt: true })
        }
        Some("client_credentials") => {
            client_credentials(org, request).map(|app| Granted { app, jwt: false })
        }
        Some(_) => Err(refuse("unsupported_grant_type", "grant type not supported")),
        None => Err(refuse(
            "invalid_request",
            "missing required parameter: grant_type",
        )),
    }
}

fn jwt_bearer(org: &Org, assertion: &str, own_urls: &[String]) -> Result<usize, GrantRefusal> {
    let invalid = || refuse("invalid_grant", "invalid assertion");
    let token = jwt::parse(assertion).ok_or_else(invalid)?;
    let (number, app) = find_app(org, &token.claims.issuer)?;
    let key = app.key.as_ref().ok_or_else(invalid)?;
    if token.algorithm != "RS256" || !key.verifies(token.signed, &token.signature) {
        return Err(invalid());
    }
    let known = [
        "https://login.salesforce.com",
        "https://test.salesforce.com",
    ]
    .into_iter()
    .chain(own_urls.iter().map(String::as_str))
    .chain(org.config.audiences.iter().map(String::as_str));
    let audience_is_known = token
        .claims
        .audiences
        .iter()
        .any(|aud| known.clone().any(|url| same_site(url, aud)));
    if !audience_is_known {
        return Err(refuse("invalid_grant", "audience is invalid"));
    }
    let now_seconds = org.clock.wall_micros() / 1_000_000;
    let leeway = i64::try_from(org.config.jwt_expiry_leeway_seconds).unwrap_or(i64::MAX);
    if token.claims.expires_at_seconds.saturating_add(leeway) < now_seconds {
        return Err(refuse("invalid_grant", "expired authorization code"));
    }
    if token.claims.subject != app.username {
        return Err(refuse(
            "invalid_grant",
            "user hasn't approved this consumer",
        ));
    }
    Ok(number)
}

fn client_credentials(org: &Org, request: &GrantRequest<'_>) -> Result<usize, GrantRefusal> {
    // At the shared login hosts there is no user to run as (facts 1.3).
    if matches!(request.host, "login.salesforce.com" | "test.salesforce.com") {
        return Err(refuse(
            "invalid_grant",
            "request not supported on this domain",
        ));
    }
    let basic = request.authorization.and_then(basic_credentials);
    let (client_id, secret) = match (&basic, request.field("client_id")) {
        (Some((id, secret)), _) => (id.as_str(), secret.as_str()),
        (None, Some(id)) => (id, request.field("client_secret").unwrap_or_default()),
        (None, None) => return Err(refuse("invalid_client_id", "client identifier invalid")),
    };
    let (number, app) = find_app(org, client_id)?;
    if app.client_secret.as_deref() != Some(secret) {
        return Err(refuse("invalid_client", "invalid client credentials"));
    }
    if app.username.is_empty() {
        return Err(refuse(
            "invalid_grant",
            "no client credentials user enabled",
        ));
    }
    Ok(number)
}

fn find_app<'o>(org: &'o Org, client_id: &str) -> Result<(usize, &'o RegisteredApp), GrantRefusal> {
    org.apps
        .iter()
        .enumerate()
        .find(|(_, app)| app.client_id == client_id)
        .ok_or_else(|| refuse("invalid_client_id", "client identifier invalid"))
}

fn basic_credentials(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    text.split_once(':')
        .map(|(id, secret)| (id.into(), secret.into()))
}

/// Same URL but for a trailing slash or the token path, which some clients send as the audience.
fn same_site(url: &str, audience: &str) -> bool {
    let site = audience
        .trim_end_matches('/')
        .trim_end_matches("/services/oauth2/token");
    site.trim_end_matches('/')
        .eq_ignore_ascii_case(url.trim_end_matches('/'))
}

/// Entry points for the fuzz targets.
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing {
    pub(crate) fn proofs(text: &str) {
        let _ = super::jwt::parse(text);
        let _ = super::basic_credentials(text);
        let _ = super::check_public_key(text);
    }
}
