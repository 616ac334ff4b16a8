//! Delivery against a scripted server: sessions, headers, bodies, and what is unknown when.
//! Nothing here sleeps; the one test of a timeout lets a very short one pass.

use std::io::Read;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tokio::net::TcpListener;
use tokio::sync::Barrier;

use super::scripted::{Reply, Seen, Server};
use super::*;
use crate::core::outcome::{Disposition, ErrorClass, RecordResult, RequestFailure};

const NOW: i64 = 1_790_000_000;
const ID: &str = "00Q5g00000AbCdEEAV";
const EXPIRED: &str = r#"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#;

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
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).unwrap()).collect();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
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
    OrgSettings { auth, ..settings(url) }
}

fn org(server: &Server) -> Org {
    Org::new(settings(&server.url), clock).unwrap()
}

fn token(name: &str, host: &str) -> Reply {
    Reply::Json(200, format!(r#"{{"access_token":"00D!{name}","instance_url":"{host}","token_type":"Bearer"}}"#))
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
        records: (0..records)
            .map(|n| UpsertRecord {
                key: n.to_string().into(),
                payload: r#"{"LastName":"Invented","Company":"Example"}"#.into(),
            })
            .collect(),
    }
}

fn delivered(count: usize) -> Reply {
    let one = format!(r#"{{"id":"{ID}","success":true,"errors":[],"created":true}}"#);
    Reply::Json(200, format!("[{}]", vec![one; count].join(",")))
}

/// Logs in with token `T`, answers calls by `answer`.
async fn answering<R>(answer: R) -> Server
where
    R: Fn() -> Reply + Send + Sync + 'static,
{
    Server::start(move |seen| {
        let reply = if seen.is_login() { token("T", &host(&seen)) } else { answer() };
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

#[tokio::test]
async fn an_upsert_carries_headers_and_body_and_brings_results() {
    let server = answering(|| {
        let body = format!(r#"[{{"id":"{ID}","success":true,"created":true}},{{"success":false,"errors":[{{"statusCode":"STRING_TOO_LONG","message":"m","fields":[]}}]}}]"#);
        Reply::With(200, vec![("Sforce-Limit-Info", "api-usage=18/5000".to_string())], body.into_bytes())
    })
    .await;
    let org = org(&server);
    let report = org.upsert(call(2)).await;
    let CallOutcome::Answered(results) = report.outcome else { panic!("failed") };
    assert_eq!(results[0], RecordResult::Delivered { id: ID.to_string(), created: true });
    assert!(matches!(&results[1], RecordResult::Rejected(r) if r.code == "STRING_TOO_LONG"));
    assert_eq!(report.api_calls, 1);
    assert!(report.answered_at > report.sent_at);

    let seen = server.calls().remove(0);
    assert_eq!(seen.method, "PATCH");
    assert_eq!(seen.path, "/services/data/v67.0/composite/sobjects/Lead/MySQL_Id__c");
    assert_eq!(seen.header("authorization"), Some("Bearer 00D!T"));
    assert_eq!(seen.header("sforce-auto-assign"), Some("FALSE"));
    let client = concat!("leadstream/", env!("CARGO_PKG_VERSION"));
    assert_eq!(seen.header("sforce-call-options"), Some(format!("client={client}").as_str()));
    assert_eq!(seen.header("user-agent"), Some(client));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("content-encoding"), None);
    assert!(seen.header("accept-encoding").unwrap().contains("gzip"));
    assert_eq!(seen.body.len(), report.request_bytes);
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body["allOrNone"], false);
    assert_eq!(body["records"][1]["MySQL_Id__c"], "1");
    assert_eq!(
        org.usage(),
        ApiUsage { calls_made: 1, api_used: Some(18), api_limit: Some(5000), logins: 1, refreshes: 0 }
    );
}

#[tokio::test]
async fn a_long_body_goes_out_compressed_and_a_compressed_answer_is_read() {
    let server = answering(|| {
        let Reply::Json(_, body) = delivered(200) else { unreachable!() };
        let mut encoder = flate2::read::GzEncoder::new(body.as_bytes(), flate2::Compression::fast());
        let mut packed = Vec::new();
        encoder.read_to_end(&mut packed).unwrap();
        Reply::With(200, vec![("Content-Encoding", "gzip".to_string())], packed)
    })
    .await;
    let report = org(&server).upsert(call(200)).await;
    assert!(matches!(report.outcome, CallOutcome::Answered(results) if results.len() == 200));
    let seen = server.calls().remove(0);
    assert_eq!(seen.header("content-encoding"), Some("gzip"));
    assert_eq!(seen.body.len(), report.request_bytes);
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&seen.body[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, wire::encode_upsert("Lead", "MySQL_Id__c", &call(200).records).unwrap());
}

#[tokio::test]
async fn assignment_rules_run_only_when_asked_for() {
    let server = answering(|| delivered(1)).await;
    let org = org(&server);
    for auto_assign in [AutoAssign::On, AutoAssign::Rule("01Q5g00000AbCdE".into())] {
        let report = org.upsert(UpsertCall { auto_assign, ..call(1) }).await;
        assert!(matches!(report.outcome, CallOutcome::Answered(_)));
    }
    let sent: Vec<_> = server.calls().iter().map(|s| s.header("sforce-auto-assign").unwrap().to_string()).collect();
    assert_eq!(sent, ["TRUE", "01Q5g00000AbCdEEAV"]);
    let bad = failure(org.upsert(UpsertCall { auto_assign: AutoAssign::Rule("none".into()), ..call(1) }).await);
    assert_eq!((bad.page, bad.disposition), (pages::ASSIGNMENT_RULE, Disposition::Pause));
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn the_token_is_cached() {
    let server = answering(|| delivered(1)).await;
    let org = org(&server);
    org.login().await.unwrap();
    org.login().await.unwrap();
    for _ in 0..5 {
        assert!(matches!(org.upsert(call(1)).await.outcome, CallOutcome::Answered(_)));
    }
    assert_eq!(server.logins(), 1);
    let login = server.seen().remove(0);
    assert_eq!(login.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(
        String::from_utf8(login.body).unwrap(),
        "grant_type=client_credentials&client_id=invented-client&client_secret=invented-secret"
    );
}

#[tokio::test]
async fn the_assertion_is_signed_and_names_the_audience() {
    let server = answering(|| delivered(1)).await;
    for (audience, expected) in [(None, server.url.as_str()), (Some("https://login.salesforce.com"), "https://login.salesforce.com")] {
        Org::new(jwt(&server.url, audience), clock).unwrap().login().await.unwrap();
        let form = String::from_utf8(server.seen().pop().unwrap().body).unwrap();
        let (grant, assertion) = form.split_once("&assertion=").unwrap();
        assert_eq!(grant, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer");
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key().1)
            .verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap())
            .unwrap();
        let claims = claims(&form);
        assert_eq!(claims["aud"], expected);
        assert_eq!(claims["iss"], "invented-client");
        assert_eq!(claims["sub"], "integration@example.invalid");
        assert_eq!(claims["exp"], NOW + 180);
    }
}

fn claims(form: &str) -> serde_json::Value {
    let assertion = form.split_once("&assertion=").unwrap().1;
    let claims = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

#[tokio::test]
async fn an_expired_assertion_is_made_anew_once_by_salesforces_clock() {
    let server = Server::start(|seen| async move {
        let form = String::from_utf8(seen.body.clone()).unwrap();
        if claims(&form)["exp"].as_i64().unwrap() > NOW + 600 {
            return token("T", &host(&seen));
        }
        // 2026-09-21T14:13:20Z is NOW; this clock is 1,000 seconds ahead.
        let headers = vec![("Date", "Mon, 21 Sep 2026 14:30:00 GMT".to_string())];
        Reply::With(400, headers, br#"{"error":"invalid_grant","error_description":"expired authorization code"}"#.to_vec())
    })
    .await;
    Org::new(jwt(&server.url, None), clock).unwrap().login().await.unwrap();
    assert_eq!(server.logins(), 2);

    let stubborn = Server::start(|_| async {
        Reply::Json(400, r#"{"error":"invalid_grant","error_description":"expired authorization code"}"#.to_string())
    })
    .await;
    let failure = Org::new(jwt(&stubborn.url, None), clock).unwrap().login().await.unwrap_err();
    assert_eq!((failure.page, failure.disposition), (pages::CLOCK_SKEW, Disposition::Pause));
    assert_eq!(stubborn.logins(), 2);
}

/// Tokens are `T1`, `T2`, …; calls with a token of `dead` are refused once `together` of them
/// have arrived.
async fn expiring(dead: &'static [&'static str], together: usize) -> Server {
    let issued = Arc::new(AtomicUsize::new(0));
    let barrier = Arc::new(Barrier::new(together));
    Server::start(move |seen| {
        let (issued, barrier) = (Arc::clone(&issued), Arc::clone(&barrier));
        async move {
            if seen.is_login() {
                let n = issued.fetch_add(1, Ordering::SeqCst) + 1;
                return token(&format!("T{n}"), &host(&seen));
            }
            let bearer = seen.header("authorization").unwrap();
            if dead.iter().any(|name| bearer == format!("Bearer 00D!{name}")) {
                barrier.wait().await;
                return Reply::Json(401, EXPIRED.to_string());
            }
            delivered(1)
        }
    })
    .await
}

#[tokio::test]
async fn twenty_refused_calls_cost_one_login() {
    let server = expiring(&["T1"], 20).await;
    let org = org(&server);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let org = org.clone();
            tokio::spawn(async move { org.upsert(call(1)).await })
        })
        .collect();
    for call in calls {
        let report = call.await.unwrap();
        assert!(matches!(report.outcome, CallOutcome::Answered(_)));
        assert_eq!(report.api_calls, 2);
    }
    assert_eq!(server.logins(), 2);
    let usage = org.usage();
    assert_eq!((usage.calls_made, usage.logins, usage.refreshes), (40, 2, 1));
}

#[tokio::test]
async fn the_second_request_of_a_call_carries_the_same_headers_and_body() {
    let server = expiring(&["T1"], 1).await;
    assert!(matches!(org(&server).upsert(call(100)).await.outcome, CallOutcome::Answered(_) | CallOutcome::Failed(_)));
    let calls = server.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].body, calls[1].body);
    let rest = |seen: &Seen| {
        let mut headers = seen.headers.clone();
        headers.retain(|(name, _)| name != "authorization");
        headers.sort();
        headers
    };
    assert_eq!(rest(&calls[0]), rest(&calls[1]));
    assert_eq!(calls[1].header("sforce-auto-assign"), Some("FALSE"));
    assert_eq!(calls[1].header("authorization"), Some("Bearer 00D!T2"));
}

#[tokio::test]
async fn an_org_that_refuses_every_session_sees_no_storm() {
    let server = expiring(&["T1", "T2", "T3", "T4", "T5", "T6"], 1).await;
    let org = org(&server);
    for _ in 0..50 {
        let failure = failure(org.upsert(call(1)).await);
        assert_eq!((failure.class, failure.disposition), (ErrorClass::Auth, Disposition::Backoff));
        assert_eq!((failure.page, failure.unknown), (pages::SESSION_REFUSED, false));
    }
    // The first, one renewal, and one more for each second that the test may have taken.
    assert!(server.logins() <= 4, "{} logins", server.logins());
}

#[tokio::test]
async fn a_failing_login_is_remembered() {
    let server = Server::start(|_| async {
        let headers = vec![("Retry-After", "3600".to_string())];
        Reply::With(400, headers, br#"{"error":"invalid_client","error_description":"invalid client credentials"}"#.to_vec())
    })
    .await;
    let org = org(&server);
    let first = org.login().await.unwrap_err();
    assert_eq!((first.page, first.disposition), (pages::WRONG_SECRET, Disposition::Pause));
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let org = org.clone();
            tokio::spawn(async move { org.upsert(call(1)).await })
        })
        .collect();
    for call in calls {
        let report = call.await.unwrap();
        assert_eq!(report.api_calls, 0);
        assert_eq!(failure(report), first);
    }
    assert_eq!(server.seen().len(), 1);
    assert_eq!(org.usage().logins, 1);
}

#[tokio::test]
async fn sessions_that_a_login_cannot_cure_are_not_renewed() {
    for message in ["This session is not valid for use with the REST API", "Connected app is not attached to Agent"] {
        let body = serde_json::json!([{"message": message, "errorCode": "INVALID_SESSION_ID"}]).to_string();
        let server = answering(move || Reply::Json(401, body.clone())).await;
        let failure = failure(org(&server).upsert(call(1)).await);
        assert_eq!((failure.page, failure.disposition), (pages::SESSION_INCURABLE, Disposition::Pause));
        assert_eq!((server.logins(), server.calls().len()), (1, 1));
    }
}

#[tokio::test]
async fn answers_that_break_the_protocol_leave_the_outcome_open() {
    let server = answering(|| delivered(2)).await;
    let failure = failure(org(&server).upsert(call(3)).await);
    assert_eq!(failure.class, ErrorClass::Unknown);
    assert_eq!((failure.disposition, failure.unknown), (Disposition::Backoff, true));
    assert_eq!(failure.page, pages::PROTOCOL);
    assert!(failure.text.ends_with("answer has 2 results for 3 records"), "{}", failure.text);
}

#[tokio::test]
async fn a_failed_answer_is_classified() {
    let server = answering(|| {
        let headers = vec![("Retry-After", "30".to_string()), ("Sforce-Limit-Info", "api-usage=15000/15000".to_string())];
        Reply::With(403, headers, br#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#.to_vec())
    })
    .await;
    let org = org(&server);
    let failure = failure(org.upsert(call(1)).await);
    assert_eq!((failure.class, failure.disposition), (ErrorClass::Quota, Disposition::Pause));
    assert_eq!((failure.unknown, failure.retry_after_ms), (false, Some(30_000)));
    assert_eq!(org.usage().api_used, Some(15_000));
}

#[track_caller]
fn check_network(failure: &RequestFailure, page: &str, unknown: bool) {
    assert_eq!((failure.class, failure.disposition), (ErrorClass::Network, Disposition::Backoff));
    assert_eq!((failure.page, failure.unknown), (page, unknown));
}

#[tokio::test]
async fn a_cut_connection_leaves_the_outcome_open() {
    let cut = answering(|| Reply::Cut).await;
    let report = org(&cut).upsert(call(1)).await;
    assert_eq!(report.api_calls, 1);
    check_network(&failure(report), pages::CUT, true);
    // A write is not repeated behind our back.
    assert_eq!(cut.calls().len(), 1);
    let half = answering(|| Reply::Half).await;
    check_network(&failure(org(&half).upsert(call(1)).await), pages::CUT, true);
    check_network(&org(&half).describe("Lead").await.unwrap_err(), pages::CUT, false);
}

#[tokio::test]
async fn a_timeout_leaves_the_outcome_open() {
    let server = answering(|| Reply::Hang).await;
    let short = Org::new(OrgSettings { request_timeout_ms: 250, ..settings(&server.url) }, clock).unwrap();
    let report = short.upsert(call(1)).await;
    assert_eq!(report.api_calls, 1);
    check_network(&failure(report), pages::TIMEOUT, true);
}

/// An address where nobody listens.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn when_nothing_was_sent_nothing_is_unknown() {
    let dead = nowhere().await;
    let server = Server::start(move |_| {
        let reply = token("T", &dead);
        async move { reply }
    })
    .await;
    let org = org(&server);
    let report = org.upsert(call(1)).await;
    assert_eq!((report.api_calls, org.usage().calls_made), (0, 0));
    check_network(&failure(report), pages::CONNECT, false);

    let unreachable = Org::new(settings(&nowhere().await), clock).unwrap();
    check_network(&unreachable.login().await.unwrap_err(), pages::CONNECT, false);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = answering(|| Reply::With(302, vec![("Location", "/elsewhere".to_string())], Vec::new())).await;
    let failure = failure(org(&server).upsert(call(1)).await);
    assert_eq!((failure.page, failure.disposition), (pages::REDIRECT, Disposition::Pause));
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn calls_that_cannot_work_are_not_made() {
    let server = answering(|| delivered(1)).await;
    let org = org(&server);
    assert_eq!(org.upsert(call(0)).await.outcome, CallOutcome::Answered(Vec::new()));
    assert_eq!(failure(org.upsert(call(201)).await).disposition, Disposition::Split);
    let odd = UpsertCall { object: "Lead/../x".into(), ..call(1) };
    assert_eq!(failure(org.upsert(odd).await).page, pages::OBJECT);
    let mut bad = call(1);
    bad.records[0].payload = "null".into();
    let bad = failure(org.upsert(bad).await);
    assert_eq!((bad.class, bad.disposition), (ErrorClass::Mapping, Disposition::Split));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn describe_and_limits_are_read() {
    let server = Server::start(|seen| async move {
        match seen.path.as_str() {
            "/services/oauth2/token" => token("T", &host(&seen)),
            "/services/data/v67.0/sobjects/Lead/describe" => Reply::Json(200, r#"{"name":"Lead","createable":true,"updateable":true,"fields":[]}"#.to_string()),
            "/services/data/v67.0/limits" => Reply::Json(200, r#"{"DailyApiRequests":{"Max":15000,"Remaining":14998}}"#.to_string()),
            _ => Reply::Json(404, r#"[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}]"#.to_string()),
        }
    })
    .await;
    let org = org(&server);
    assert_eq!(org.describe("Lead").await.unwrap().name, "Lead");
    assert_eq!(org.limits().await.unwrap().daily_api_requests, Allowance { max: 15000, remaining: 14998 });
    assert_eq!(org.describe("Leed").await.unwrap_err().page, pages::OBJECT);
    assert!(server.calls().iter().all(|seen| seen.header("sforce-call-options").is_some()));
}

#[tokio::test]
async fn calls_in_flight_are_bounded() {
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
    let server = Server::start(move |seen| {
        let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
        async move {
            if seen.is_login() {
                return token("T", &host(&seen));
            }
            peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            now.fetch_sub(1, Ordering::SeqCst);
            delivered(1)
        }
    })
    .await;
    let org = Org::new(OrgSettings { max_in_flight: 3, ..settings(&server.url) }, clock).unwrap();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let org = org.clone();
            tokio::spawn(async move { org.upsert(call(1)).await })
        })
        .collect();
    for call in calls {
        assert!(matches!(call.await.unwrap().outcome, CallOutcome::Answered(_)));
    }
    assert!(most.load(Ordering::SeqCst) <= 3);
}

#[test]
fn settings_that_cannot_work_are_refused_with_a_page() {
    let page = |settings| Org::new(settings, clock).err().map(|error| error.page());
    let good = || settings("https://example.my.salesforce.com");
    assert_eq!(page(good()), None);
    for url in ["", "example.my.salesforce.com", "ftp://x", "https://u:p@x.example", "https://x.example/path", "https://x.example/?q"] {
        assert_eq!(page(OrgSettings { login_url: url.to_string(), ..good() }), Some(pages::LOGIN_URL), "{url}");
    }
    for version in ["", "67", "v67.0", "45.0", "67.1"] {
        assert_eq!(page(OrgSettings { api_version: version.to_string(), ..good() }), Some(pages::SETTINGS), "{version}");
    }
    assert_eq!(page(OrgSettings { requests_per_second: 0, ..good() }), Some(pages::SETTINGS));
    assert_eq!(page(OrgSettings { max_in_flight: 0, ..good() }), Some(pages::SETTINGS));
    for pem in ["", "not a key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        let mut settings = jwt("https://example.my.salesforce.com", None);
        let Auth::Jwt { private_key_pem, .. } = &mut settings.auth else { unreachable!() };
        *private_key_pem = Secret::new(pem);
        assert_eq!(page(settings), Some(pages::PRIVATE_KEY), "{pem}");
    }
}

#[test]
fn settings_do_not_print_their_secrets() {
    let text = format!("{:?}{:?}", settings("https://x.example"), jwt("https://x.example", None));
    assert!(!text.contains("invented-secret") && !text.contains("PRIVATE KEY"));
}
