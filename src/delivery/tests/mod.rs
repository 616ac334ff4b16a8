//! Delivery against a scripted server: sessions, headers, bodies, and what is unknown when.
//! Nothing here sleeps; the one test of a timeout lets a very short one pass.

mod bulk;
mod calls;
mod scripted;
mod session;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use self::scripted::{Reply, Seen, Server};
use super::*;
use crate::core::outcome::RequestFailure;

const NOW: i64 = 1_790_000_000;
const ID: &str = "00Q5g00000AbCdEEAV";
const EXPIRED: &str =
    r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;

/// A clock that ticks one microsecond a reading.
fn clock() -> Micros {
    static TICKS: AtomicI64 = AtomicI64::new(0);
    Micros(NOW * 1_000_000 + TICKS.fetch_add(1, Ordering::Relaxed))
}

/// An RSA key made for this run.
fn key() -> &'static (String, Vec<u8>) {
    static KEY: OnceLock<(String, Vec<u8>)> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<_> = text
            .as_bytes()
            .chunks(64)
            .map(|l| std::str::from_utf8(l).unwrap())
            .collect();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            lines.join("\n")
        );
        (pem, pair.public_key().as_ref().to_vec())
    })
}

fn settings(url: &str) -> OrgSettings {
    OrgSettings {
        login_url: url.to_string(),
        api_version: "67.0".to_string(),
        auth: Auth::ClientCredentials {
            client_id: "invented-client".to_string(),
            client_secret: Secret::new("invented-secret"),
        },
        requests_per_second: 100_000,
        max_in_flight: 64,
        request_timeout_ms: 60_000,
        connect_timeout_ms: 10_000,
        compress: true,
    }
}

fn jwt(url: &str, audience: Option<&str>) -> OrgSettings {
    let auth = Auth::Jwt {
        client_id: "invented-client".to_string(),
        username: "integration@example.invalid".to_string(),
        private_key_pem: Secret::new(key().0.as_str()),
        audience: audience.map(str::to_string),
    };
    OrgSettings {
        auth,
        ..settings(url)
    }
}

fn org(server: &Server) -> Org {
    Org::new(settings(&server.url), clock).unwrap()
}

fn token(name: &str, host: &str) -> Reply {
    Reply::Json(
        200,
        format!(r#"{{"access_token":"00D!{name}","instance_url":"{host}","token_type":"Bearer"}}"#),
    )
}

/// The address that the request was sent to.
fn host(seen: &Seen) -> String {
    format!("http://{}", seen.header("host").unwrap())
}

fn call(records: usize) -> UpsertCall {
    UpsertCall {
        object: "Lead".into(),
        external_id: "MySQL_Id__c".into(),
        auto_assign: AutoAssign::Off,
        on_duplicate: OnDuplicate::DeadLetter,
        show_matches: false,
        records: (0..records)
            .map(|n| UpsertRecord {
                key: n.to_string().into(),
                payload: r#"{"LastName":"Invented","Company":"Example"}"#.into(),
            })
            .collect(),
    }
}

fn delivered(count: usize) -> Reply {
    let one = |at: usize| {
        let id = match at {
            0 => ID.to_owned(),
            _ => format!("{}{at:04}", &ID[..11]),
        };
        format!(r#"{{"id":"{id}","success":true,"errors":[],"created":true}}"#)
    };
    let all: Vec<String> = (0..count).map(one).collect();
    Reply::Json(200, format!("[{}]", all.join(",")))
}

/// Logs in with token `T`, answers calls by `answer`.
async fn answering<R>(answer: R) -> Server
where
    R: Fn() -> Reply + Send + Sync + 'static,
{
    Server::start(move |seen| {
        let reply = if seen.is_login() {
            token("T", &host(&seen))
        } else {
            answer()
        };
        async move { reply }
    })
    .await
}

#[track_caller]
fn failure(report: CallReport) -> RequestFailure {
    match report.outcome {
        CallOutcome::Failed(failure) => failure,
        CallOutcome::Answered(_) => panic!("answered"),
    }
}
