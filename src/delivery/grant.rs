//! The two OAuth grants: the form that asks for a token, the token in the answer, and what a
//! refusal means. Pure but for the signature.
//!
//! Invariant: neither form nor token is ever printed; failures quote Salesforce's `error` word
//! only when it is a word, and its description never, since it is free text.
//! Source: salesforce-facts section 1.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::codes::Whole;
use super::http::Answer;
use super::{Auth, Error, classify, pages, wire};
use crate::core::outcome::{Disposition, ErrorClass, RequestFailure};
use crate::core::secret::Secret;

/// Salesforce takes an assertion for three to five minutes.
const ASSERTION_SECONDS: i64 = 180;

pub(super) enum Grant {
    Jwt {
        client_id: String,
        username: String,
        audience: String,
        key: EncodingKey,
    },
    ClientCredentials {
        client_id: String,
        client_secret: Secret,
    },
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
}

/// A token, and the address that API calls must use.
pub(super) struct Granted {
    pub access_token: Secret,
    pub instance: Url,
    /// The id of the user, when the answer tells it.
    pub user: Option<String>,
}

impl Grant {
    /// Takes the settings; signs once for trial, so that a bad key is found at the start.
    pub fn new(auth: Auth, login_origin: String) -> Result<Grant, Error> {
        let grant = match auth {
            Auth::Jwt {
                client_id,
                username,
                private_key_pem,
                audience,
            } => {
                let key = EncodingKey::from_rsa_pem(private_key_pem.expose().as_bytes()).map_err(
                    |source| Error::PrivateKey {
                        source: source.into(),
                    },
                )?;
                let audience = audience.unwrap_or(login_origin);
                Grant::Jwt {
                    client_id,
                    username,
                    audience,
                    key,
                }
            }
            Auth::ClientCredentials {
                client_id,
                client_secret,
            } => Grant::ClientCredentials {
                client_id,
                client_secret,
            },
        };
        grant.form(0).map_err(|source| Error::PrivateKey {
            source: source.into(),
        })?;
        Ok(grant)
    }

    /// The body of the token request. `now_seconds` is Salesforce's time as well as we know it.
    pub fn form(&self, now_seconds: i64) -> Result<Secret, jsonwebtoken::errors::Error> {
        let mut form = String::with_capacity(1024);
        match self {
            Grant::Jwt {
                client_id,
                username,
                audience,
                key,
            } => {
                let exp = now_seconds + ASSERTION_SECONDS;
                let claims = Claims {
                    iss: client_id,
                    sub: username,
                    aud: audience,
                    exp,
                };
                let assertion = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, key)?;
                push_pair(
                    &mut form,
                    "grant_type",
                    "urn:ietf:params:oauth:grant-type:jwt-bearer",
                );
                push_pair(&mut form, "assertion", &assertion);
            }
            Grant::ClientCredentials {
                client_id,
                client_secret,
            } => {
                push_pair(&mut form, "grant_type", "client_credentials");
                push_pair(&mut form, "client_id", client_id);
                push_pair(&mut form, "client_secret", client_secret.expose());
            }
        }
        Ok(Secret::new(form))
    }
}

fn push_pair(form: &mut String, name: &str, value: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if !form.is_empty() {
        form.push('&');
    }
    form.push_str(name);
    form.push('=');
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            form.push(char::from(byte));
        } else {
            form.push('%');
            form.push(char::from(HEX[usize::from(byte >> 4)]));
            form.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// Reads a token answer of status 200.
pub(super) fn decode(body: &[u8], https_only: bool) -> Result<Granted, RequestFailure> {
    #[derive(Deserialize)]
    struct Wire {
        access_token: String,
        instance_url: String,
        /// An address that ends in the ids of org and user.
        #[serde(default)]
        id: Option<String>,
    }
    let unusable = |detail| {
        let whole = whole(ErrorClass::Auth, Disposition::Pause, pages::LOGIN_ANSWER);
        classify::failure(whole, "login_answer", detail)
    };
    let told: Wire =
        serde_json::from_slice(body).map_err(|_| unusable("it holds no token and address"))?;
    let instance = Url::parse(&told.instance_url)
        .ok()
        .filter(Url::has_host)
        .ok_or_else(|| unusable("its instance_url is not an address"))?;
    match instance.scheme() {
        "https" => {}
        "http" if !https_only => {}
        _ => return Err(unusable("its instance_url is not https")),
    }
    if told.access_token.is_empty() || !told.access_token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(unusable("its token is not one"));
    }
    Ok(Granted {
        access_token: Secret::new(told.access_token),
        instance,
        user: told.id.and_then(|id| wire::full_id(id.rsplit('/').next()?)),
    })
}

/// True when Salesforce took our assertion for expired: clock or delay, one fresh one may pass.
pub(super) fn is_expired_assertion(failure: &RequestFailure) -> bool {
    failure.page == pages::CLOCK_SKEW
}

/// What a refused token request means.
pub(super) fn refusal(answer: &Answer) -> RequestFailure {
    #[derive(Deserialize)]
    struct Wire {
        error: String,
        #[serde(default)]
        error_description: Option<String>,
    }
    let mut failure = match serde_json::from_slice::<Wire>(&answer.body) {
        Ok(wire) => {
            let description = wire
                .error_description
                .unwrap_or_default()
                .to_ascii_lowercase();
            let code = classify::clean_code(wire.error);
            classify::failure(meaning(&code, &description), &code, &code)
        }
        Err(_) => without_reason(answer),
    };
    failure.retry_after_ms = answer.retry_after_ms;
    failure
}

fn without_reason(answer: &Answer) -> RequestFailure {
    let status = answer.status;
    let overloaded = matches!(status, 408 | 420 | 429 | 500..);
    if answer.html || overloaded || (301..400).contains(&status) {
        let failure = answer.failure();
        // A login that may have happened harms nobody.
        return RequestFailure {
            unknown: false,
            ..failure
        };
    }
    let whole = whole(ErrorClass::Auth, Disposition::Pause, pages::LOGIN_ANSWER);
    classify::failure(
        whole,
        &format!("HTTP_{status}"),
        &format!("HTTP {status} without a reason"),
    )
}

fn meaning(code: &str, description: &str) -> Whole {
    // Of class Auth, because it concerns the org as a whole and no route's mapping.
    let refused = |page| whole(ErrorClass::Auth, Disposition::Pause, page);
    let says = |text: &str| description.contains(text);
    match code {
        "invalid_grant" if says("approved this consumer") => refused(pages::NOT_APPROVED),
        "invalid_grant" if says("audience") => refused(pages::AUDIENCE),
        "invalid_grant" if says("expired authorization code") => {
            whole(ErrorClass::Auth, Disposition::Pause, pages::CLOCK_SKEW)
        }
        "invalid_grant" if says("invalid assertion") => refused(pages::KEY_MISMATCH),
        "invalid_grant" if says("not supported on this domain") => refused(pages::WRONG_DOMAIN),
        "invalid_grant" if says("no client credentials user") => refused(pages::NO_RUN_AS),
        "invalid_grant" if says("authentication failure") => refused(pages::USER_REFUSED),
        "invalid_app_access" => refused(pages::NOT_APPROVED),
        "invalid_client_id" => refused(pages::UNKNOWN_CLIENT),
        "invalid_client" => refused(pages::WRONG_SECRET),
        "inactive_user" | "inactive_org" => refused(pages::USER_REFUSED),
        "rate_limit_exceeded" | "server_error" | "unknown_error" => {
            whole(ErrorClass::Auth, Disposition::Backoff, pages::LOGIN_BUSY)
        }
        _ => whole(ErrorClass::Auth, Disposition::Pause, pages::LOGIN_REFUSED),
    }
}

/// A login is never half done for us: nothing of it is unknown.
pub(super) fn whole(class: ErrorClass, disposition: Disposition, page: &'static str) -> Whole {
    Whole {
        class,
        disposition,
        unknown: false,
        page,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            html: body.starts_with('<'),
            retry_after_ms: None,
            locator: None,
            date: None,
            last_modified: None,
            body: body.as_bytes().to_vec(),
        }
    }

    #[track_caller]
    fn check(error: &str, description: &str, disposition: Disposition, page: &str) {
        let body = serde_json::json!({"error": error, "error_description": description});
        let failure = refusal(&answer(400, &body.to_string()));
        assert_eq!(
            (failure.disposition, failure.page),
            (disposition, page),
            "{error}: {description}"
        );
        assert!(!failure.unknown);
        assert_eq!(failure.code, error);
        assert!(description.is_empty() || !failure.text.contains(description));
    }

    #[test]
    fn every_refusal_has_its_page() {
        use Disposition::{Backoff, Pause};
        check(
            "invalid_grant",
            "user hasn't approved this consumer",
            Pause,
            pages::NOT_APPROVED,
        );
        check(
            "invalid_app_access",
            "user is not admin approved to access this app",
            Pause,
            pages::NOT_APPROVED,
        );
        check(
            "invalid_grant",
            "Audience validation failed",
            Pause,
            pages::AUDIENCE,
        );
        check(
            "invalid_grant",
            "audience is invalid",
            Pause,
            pages::AUDIENCE,
        );
        check(
            "invalid_grant",
            "expired authorization code",
            Pause,
            pages::CLOCK_SKEW,
        );
        check(
            "invalid_grant",
            "invalid assertion",
            Pause,
            pages::KEY_MISMATCH,
        );
        check(
            "invalid_grant",
            "request not supported on this domain",
            Pause,
            pages::WRONG_DOMAIN,
        );
        check(
            "invalid_grant",
            "no client credentials user enabled",
            Pause,
            pages::NO_RUN_AS,
        );
        check(
            "invalid_grant",
            "authentication failure",
            Pause,
            pages::USER_REFUSED,
        );
        check(
            "invalid_grant",
            "expired access/refresh token",
            Pause,
            pages::LOGIN_REFUSED,
        );
        check("invalid_grant", "", Pause, pages::LOGIN_REFUSED);
        check(
            "invalid_client_id",
            "client identifier invalid",
            Pause,
            pages::UNKNOWN_CLIENT,
        );
        check(
            "invalid_client",
            "invalid client credentials",
            Pause,
            pages::WRONG_SECRET,
        );
        check(
            "unsupported_grant_type",
            "grant type not supported",
            Pause,
            pages::LOGIN_REFUSED,
        );
        check("invalid_request", "", Pause, pages::LOGIN_REFUSED);
        check("inactive_user", "", Pause, pages::USER_REFUSED);
        check("inactive_org", "", Pause, pages::USER_REFUSED);
        for busy in ["rate_limit_exceeded", "server_error", "unknown_error"] {
            check(busy, "", Backoff, pages::LOGIN_BUSY);
        }
    }

    #[test]
    fn refusals_without_a_reason_do_not_break() {
        let page = |status, body| refusal(&answer(status, body)).page;
        assert_eq!(
            page(400, r#"{"error":"invalid_grant"}"#),
            pages::LOGIN_REFUSED
        );
        assert_eq!(page(404, ""), pages::LOGIN_ANSWER);
        assert_eq!(page(503, "<html>"), pages::GATEWAY);
        assert_eq!(page(503, ""), pages::UNAVAILABLE);
        assert_eq!(page(302, ""), pages::REDIRECT);
        assert!(!refusal(&answer(503, "")).unknown);
    }

    #[test]
    fn the_address_in_a_token_answer_must_be_safe() {
        let body = |url: &str| format!(r#"{{"access_token":"00D!x","instance_url":"{url}"}}"#);
        assert!(decode(body("https://a.my.salesforce.com").as_bytes(), true).is_ok());
        assert!(decode(body("http://127.0.0.1:1").as_bytes(), false).is_ok());
        for url in ["http://a.my.salesforce.com", "file:///etc", "", "data:x"] {
            let failure = decode(body(url).as_bytes(), true).err().unwrap();
            assert_eq!(failure.page, pages::LOGIN_ANSWER, "{url}");
        }
        let spaced = r#"{"access_token":"a b","instance_url":"https://a.example"}"#;
        assert!(decode(spaced.as_bytes(), true).is_err());
        assert!(decode(b"{}", true).is_err());
    }

    #[test]
    fn form_values_are_percent_encoded() {
        let grant = Grant::ClientCredentials {
            client_id: "3MVG9.a_b-c~".to_string(),
            client_secret: Secret::new("p+ä&= /"),
        };
        assert_eq!(
            grant.form(0).unwrap().expose(),
            "grant_type=client_credentials&client_id=3MVG9.a_b-c~&client_secret=p%2B%C3%A4%26%3D%20%2F"
        );
    }
}
