//! Logging in (facts 1).
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use salesforce_sandbox::{AppConfig, OrgConfig, Sandbox};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::harness::{Answer, Ask, Org, check_error};

const AUDIENCE: &str = "https://login.salesforce.com";

struct JwtOrg {
    sandbox: Sandbox,
    key: KeyPair,
}

fn pem(kind: &str, der: &[u8]) -> String {
    format!(
        "-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n",
        STANDARD.encode(der)
    )
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut element = vec![tag, 0x82, (content.len() >> 8) as u8, content.len() as u8];
    element.extend(content);
    element
}

/// A certificate with everything before the key in place; nobody verifies its signature.
fn certificate(key: &[u8]) -> Vec<u8> {
    let version = [0xa0, 3, 2, 1, 2];
    let serial = [2, 1, 1];
    let tbs = [
        &version[..],
        &serial,
        &der(0x30, &[]),
        &der(0x30, &[]),
        &der(0x30, &[]),
        &der(0x30, &[]),
        key,
    ]
    .concat();
    der(
        0x30,
        &[der(0x30, &tbs), der(0x30, &[]), vec![3, 1, 0]].concat(),
    )
}

impl JwtOrg {
    fn start(as_certificate: bool) -> JwtOrg {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        // SubjectPublicKeyInfo around the PKCS#1 key: rsaEncryption, NULL.
        let algorithm = [
            0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1, 5, 0,
        ];
        let bits = [&[0_u8][..], key.public_key().as_ref()].concat();
        let spki = der(0x30, &[&algorithm[..], &der(3, &bits)].concat());
        let pem = if as_certificate {
            pem("CERTIFICATE", &certificate(&spki))
        } else {
            pem("PUBLIC KEY", &spki)
        };
        let app = AppConfig {
            public_key_pem: Some(pem),
            ..AppConfig::default()
        };
        let config = OrgConfig {
            apps: vec![app],
            ..OrgConfig::default()
        };
        JwtOrg {
            sandbox: Sandbox::start("127.0.0.1:0".parse().unwrap(), config).unwrap(),
            key,
        }
    }

    fn sign(&self, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!(
            "{}.{}",
            part(&json!({ "alg": "RS256", "typ": "JWT" })),
            part(claims)
        );
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text.as_bytes(),
                &mut signature,
            )
            .unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn log_in(&self, assertion: &str) -> Answer {
        let form = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}"
        );
        Ask::new(self.sandbox.address(), "POST", "/services/oauth2/token")
            .body("application/x-www-form-urlencoded", form)
            .send()
    }
}

fn now_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn claims(exp: Value) -> Value {
    json!({ "iss": "leadstream-demo", "sub": "integration@leadstream.example", "aud": AUDIENCE, "exp": exp })
}

#[track_caller]
fn check_refused(answer: &Answer, error: &str, description: &str) {
    assert_eq!(
        answer.status,
        400,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    assert_eq!(
        answer.json(),
        json!({ "error": error, "error_description": description })
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn a_jwt_signed_with_the_registered_key_or_certificate_opens_a_session() {
    for as_certificate in [false, true] {
        let org = JwtOrg::start(as_certificate);
        let answer = org.log_in(&org.sign(&claims(json!(now_seconds() + 180))));
        assert_eq!(
            answer.status,
            200,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        let body = answer.json();
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["instance_url"], org.sandbox.base_url());
        assert_eq!(body["scope"], "api id");
        for absent in ["refresh_token", "expires_in", "issued_at", "signature"] {
            assert_eq!(body.get(absent), None, "{absent}");
        }
        let id: Vec<&str> = body["id"].as_str().unwrap().rsplitn(3, '/').collect();
        assert!(id[0].starts_with("005") && id[0].len() == 18, "{id:?}");
        assert!(id[1].starts_with("00D") && id[1].len() == 18, "{id:?}");
        let token = body["access_token"].as_str().unwrap();
        let (org_id, secret) = token.split_once('!').unwrap();
        assert_eq!((org_id.len(), secret.len()), (15, 95));
        let limits = Ask::new(org.sandbox.address(), "GET", "/services/data/v67.0/limits");
        assert_eq!(
            limits
                .header("Authorization", &format!("Bearer {token}"))
                .send()
                .status,
            200
        );
    }
}

#[test]
fn the_expiry_of_a_jwt_may_be_a_string_milliseconds_or_now() {
    let org = JwtOrg::start(false);
    let now = now_seconds();
    for exp in [
        json!(now),
        json!((now + 180).to_string()),
        json!((now + 300) * 1000),
        json!(now + 300),
    ] {
        assert_eq!(
            org.log_in(&org.sign(&claims(exp.clone()))).status,
            200,
            "{exp}"
        );
    }
    let expired = org.log_in(&org.sign(&claims(json!(now - 3600))));
    check_refused(&expired, "invalid_grant", "expired authorization code");
}

#[test]
fn the_audience_may_be_a_login_host_or_the_org_itself_and_nothing_else() {
    let org = JwtOrg::start(false);
    let with_audience = |aud: &str| {
        let mut claims = claims(json!(now_seconds() + 60));
        claims["aud"] = json!(aud);
        org.log_in(&org.sign(&claims))
    };
    for aud in [
        AUDIENCE,
        "https://test.salesforce.com",
        &org.sandbox.base_url(),
        "https://login.salesforce.com/",
    ] {
        assert_eq!(with_audience(aud).status, 200, "{aud}");
    }
    check_refused(
        &with_audience("https://elsewhere.example"),
        "invalid_grant",
        "audience is invalid",
    );
}

#[test]
fn a_jwt_with_a_wrong_key_issuer_user_or_algorithm_is_refused() {
    let org = JwtOrg::start(false);
    let good = claims(json!(now_seconds() + 60));
    let with = |name: &str, value: &str| {
        let mut claims = good.clone();
        claims[name] = json!(value);
        org.log_in(&org.sign(&claims))
    };
    check_refused(
        &with("iss", "unknown"),
        "invalid_client_id",
        "client identifier invalid",
    );
    check_refused(
        &with("sub", "other@leadstream.example"),
        "invalid_grant",
        "user hasn't approved this consumer",
    );
    let stranger = JwtOrg::start(false);
    check_refused(
        &org.log_in(&stranger.sign(&good)),
        "invalid_grant",
        "invalid assertion",
    );
    check_refused(&org.log_in("no.jwt"), "invalid_grant", "invalid assertion");
    let unsigned = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(json!({ "alg": "none" }).to_string()),
        URL_SAFE_NO_PAD.encode(good.to_string())
    );
    check_refused(&org.log_in(&unsigned), "invalid_grant", "invalid assertion");
}

#[test]
fn client_credentials_are_taken_from_the_form_or_from_basic_authentication() {
    let org = Org::demo();
    let basic = STANDARD.encode("leadstream-demo:leadstream-demo-secret");
    let answer = org
        .ask_anonymously("POST", "/services/oauth2/token")
        .header("Authorization", &format!("Basic {basic}"))
        .body(
            "application/x-www-form-urlencoded",
            "grant_type=client_credentials",
        )
        .send();
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!(
        body["access_token"],
        org.token.as_str(),
        "a repeated login gets the living session"
    );
    assert!(body["issued_at"].as_str().unwrap().parse::<u64>().unwrap() > 1_500_000_000_000);
    assert_eq!(body["api_instance_url"], body["instance_url"]);
    assert_eq!(body.get("expires_in"), None);
    assert_eq!(org.sandbox.stats().logins, 2);
}

#[test]
fn a_repeated_login_opens_another_session_when_the_org_does_not_reuse_them() {
    let org = Org::with(OrgConfig {
        reuse_sessions: false,
        ..OrgConfig::default()
    });
    assert_ne!(org.log_in(), org.token);
    assert_eq!(
        org.get("/services/data/v67.0/limits").status,
        200,
        "the first one still lives"
    );
}

#[test]
fn unusable_token_requests_are_refused_with_the_documented_errors() {
    let org = Org::demo();
    let check = |form: &str, error: &str, description: &str| {
        check_refused(&org.login_form(form), error, description);
    };
    check(
        "grant_type=password&username=a",
        "unsupported_grant_type",
        "grant type not supported",
    );
    check(
        "grant_type=client_credentials&client_id=x",
        "invalid_client_id",
        "client identifier invalid",
    );
    check(
        "grant_type=client_credentials&client_id=leadstream-demo&client_secret=x",
        "invalid_client",
        "invalid client credentials",
    );
    check(
        "x=y",
        "invalid_request",
        "missing required parameter: grant_type",
    );
    let at_login_host = org
        .ask_anonymously("POST", "/services/oauth2/token")
        .header("Host", "login.salesforce.com")
        .body(
            "application/x-www-form-urlencoded",
            "grant_type=client_credentials&client_id=leadstream-demo",
        )
        .send();
    check_refused(
        &at_login_host,
        "invalid_grant",
        "request not supported on this domain",
    );
    check_error(
        &org.ask_anonymously("GET", "/services/oauth2/token").send(),
        405,
        "METHOD_NOT_ALLOWED",
        "HTTP Method",
    );
    let nobody = AppConfig {
        username: String::new(),
        ..AppConfig::default()
    };
    let sandbox = Sandbox::start(
        "127.0.0.1:0".parse().unwrap(),
        OrgConfig {
            apps: vec![nobody],
            ..OrgConfig::default()
        },
    )
    .unwrap();
    let form = "grant_type=client_credentials&client_id=leadstream-demo&client_secret=leadstream-demo-secret";
    let answer = Ask::new(sandbox.address(), "POST", "/services/oauth2/token")
        .body("application/x-www-form-urlencoded", form)
        .send();
    check_refused(
        &answer,
        "invalid_grant",
        "no client credentials user enabled",
    );
}

#[test]
fn a_revoked_session_is_answered_with_401_until_the_next_login() {
    let mut org = Org::demo();
    let userinfo = org.get("/services/oauth2/userinfo");
    assert_eq!(
        userinfo.json()["preferred_username"],
        "integration@leadstream.example"
    );
    org.sandbox.revoke_sessions();
    let limits = "/services/data/v67.0/limits";
    check_error(
        &org.get(limits),
        401,
        "INVALID_SESSION_ID",
        "Session expired or invalid",
    );
    let dead = std::mem::take(&mut org.token);
    org.token = org.log_in();
    assert_ne!(org.token, dead);
    assert_eq!(org.get(limits).status, 200);
    let form = format!("token={}", org.token.replace('!', "%21"));
    let revoke = org
        .ask_anonymously("POST", "/services/oauth2/revoke")
        .body("application/x-www-form-urlencoded", form);
    assert_eq!(revoke.send().status, 200);
    check_error(
        &org.get(limits),
        401,
        "INVALID_SESSION_ID",
        "Session expired or invalid",
    );
}

#[test]
fn an_idle_session_dies_at_once_when_no_idleness_is_allowed() {
    let org = Org::with(OrgConfig {
        session_idle_seconds: Some(0),
        ..OrgConfig::default()
    });
    check_error(
        &org.get("/services/data/v67.0/limits"),
        401,
        "INVALID_SESSION_ID",
        "Session expired or invalid",
    );
}
