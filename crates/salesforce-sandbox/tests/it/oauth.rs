//! Logging in (facts 1).
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use salesforce_sandbox::{AppConfig, OrgConfig, Sandbox, UserConfig};
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
        JwtOrg::with(as_certificate, AppConfig::default(), OrgConfig::default())
    }

    fn with(as_certificate: bool, app: AppConfig, config: OrgConfig) -> JwtOrg {
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
            ..app
        };
        let config = OrgConfig {
            apps: vec![app],
            ..config
        };
        JwtOrg {
            sandbox: Sandbox::start("127.0.0.1:0".parse().unwrap(), config).unwrap(),
            key,
        }
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_as("RS256", &claims.to_string())
    }

    /// A token that is signed rightly, whatever its header and claims say.
    fn sign_as(&self, algorithm: &str, claims: &str) -> String {
        let header = json!({ "alg": algorithm, "typ": "JWT" });
        let text = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header.to_string()),
            URL_SAFE_NO_PAD.encode(claims)
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

#[test]
fn a_client_whose_clock_did_not_move_with_the_orgs_logs_in_all_the_same() {
    let org = JwtOrg::start(false);
    let day = json!({ "advance_seconds": 86_400 });
    let moved = Ask::new(org.sandbox.address(), "POST", "/__sandbox/clock").json(&day);
    assert_eq!(moved.send().status, 200);
    let now = now_seconds();
    for exp in [now, now + 180, now + 86_400 + 180] {
        assert_eq!(org.log_in(&org.sign(&claims(json!(exp)))).status, 200);
    }
    let expired = org.log_in(&org.sign(&claims(json!(now - 3600))));
    check_refused(&expired, "invalid_grant", "expired authorization code");
}

fn claims(exp: Value) -> Value {
    json!({ "iss": "leadstream-demo", "sub": "integration@leadstream.example", "aud": AUDIENCE, "exp": exp })
}

#[track_caller]
pub fn check_refused(answer: &Answer, error: &str, description: &str) {
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
    let claims = URL_SAFE_NO_PAD.encode(good.to_string());
    let unsigned = URL_SAFE_NO_PAD.encode(json!({ "alg": "none" }).to_string());
    let signed = org.sign(&good);
    let (text, signature) = signed.rsplit_once('.').unwrap();
    let nested = "[".repeat(10_000);
    for assertion in [
        format!("{unsigned}.{claims}."),
        format!("{unsigned}.{claims}.{signature}"),
        org.sign_as("HS256", &good.to_string()),
        org.sign_as("rs256", &good.to_string()),
        org.sign_as("RS256", "{}"),
        org.sign_as("RS256", "[]"),
        org.sign_as("RS256", &nested),
        format!("{text}."),
        format!("{text}.###"),
        format!("{text}.{}", signature.to_ascii_lowercase()),
        format!(".{signed}"),
        "..".to_owned(),
        "%C3%A9.%C3%A9.%C3%A9".to_owned(),
        "a".repeat(100_000),
    ] {
        check_refused(
            &org.log_in(&assertion),
            "invalid_grant",
            "invalid assertion",
        );
    }
    assert_eq!(org.log_in(&format!("{signed}==")).status, 200, "padded");
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
    for grant in [
        "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange",
        "device",
        "%ff%zz%",
        "",
    ] {
        check(
            &format!("grant_type={grant}&client_id=leadstream-demo"),
            "unsupported_grant_type",
            "grant type not supported",
        );
    }
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
    check("x=y", "unsupported_grant_type", "grant type not supported");
    check(
        "grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer",
        "invalid_request",
        "missing required parameter: assertion",
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
    for method in ["GET", "PUT", "DELETE"] {
        check_refused(
            &org.ask_anonymously(method, "/services/oauth2/token").send(),
            "invalid_request",
            "must use HTTP POST",
        );
    }
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

#[test]
fn a_jwt_may_say_more_than_it_must() {
    let org = JwtOrg::start(false);
    let mut claims = claims(json!(now_seconds() + 60));
    claims["nbf"] = json!(now_seconds() + 3600);
    claims["iat"] = json!("nonsense");
    claims["jti"] = json!([1]);
    claims["aud"] = json!(["https://elsewhere.example", AUDIENCE]);
    claims["sub"] = json!("Integration@Leadstream.EXAMPLE");
    assert_eq!(org.log_in(&org.sign(&claims)).status, 200);
}

#[test]
fn who_has_not_approved_an_app_is_refused_as_its_policy_says() {
    let second = "second@acme.example";
    let users = vec![UserConfig {
        username: second.into(),
        ..UserConfig::default()
    }];
    let log_in = |admin_approval: bool, approved: &[&str]| {
        let app = AppConfig {
            admin_approval,
            approved_users: approved.iter().map(|name| (*name).to_owned()).collect(),
            ..AppConfig::default()
        };
        let config = OrgConfig {
            users: users.clone(),
            ..OrgConfig::default()
        };
        let org = JwtOrg::with(false, app, config);
        let mut claims = claims(json!(now_seconds() + 60));
        claims["sub"] = json!(second);
        org.log_in(&org.sign(&claims))
    };
    check_refused(
        &log_in(false, &[]),
        "invalid_grant",
        "user hasn't approved this consumer",
    );
    check_refused(
        &log_in(true, &[]),
        "invalid_app_access",
        "user is not admin approved to access this app",
    );
    for admin_approval in [false, true] {
        let answer = log_in(admin_approval, &[second]);
        assert_eq!(answer.status, 200);
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        assert!(id.ends_with("/005Hp0000000002IAA"), "{id}");
    }
}

#[test]
fn a_token_reply_is_signed_with_the_consumer_secret() {
    let org = Org::demo();
    let body = org
        .login_form("grant_type=client_credentials&client_id=leadstream-demo&client_secret=leadstream-demo-secret")
        .json();
    let text = |name: &str| body[name].as_str().unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"leadstream-demo-secret");
    let signed = format!("{}{}", text("id"), text("issued_at"));
    let signature = STANDARD.decode(text("signature")).unwrap();
    hmac::verify(&key, signed.as_bytes(), &signature).unwrap();
}
