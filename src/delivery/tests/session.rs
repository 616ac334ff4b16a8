//! Tokens, logins and their refusals.

use std::sync::atomic::AtomicUsize;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::Barrier;

use super::*;
use crate::core::outcome::{Disposition, ErrorClass};

#[tokio::test]
async fn the_token_is_cached() {
    let server = answering(|| delivered(1)).await;
    let org = org(&server);
    org.login().await.unwrap();
    org.login().await.unwrap();
    for _ in 0..5 {
        assert!(matches!(
            org.upsert(call(1)).await.outcome,
            CallOutcome::Answered(_)
        ));
    }
    assert_eq!(server.logins(), 1);
    let login = server.seen().remove(0);
    assert_eq!(
        login.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(
        String::from_utf8(login.body).unwrap(),
        "grant_type=client_credentials&client_id=invented-client&client_secret=invented-secret"
    );
}

#[tokio::test]
async fn the_assertion_is_signed_and_names_the_audience() {
    let server = answering(|| delivered(1)).await;
    for (audience, expected) in [
        (None, server.url.as_str()),
        (
            Some("https://login.salesforce.com"),
            "https://login.salesforce.com",
        ),
    ] {
        Org::new(jwt(&server.url, audience), clock)
            .unwrap()
            .login()
            .await
            .unwrap();
        let form = String::from_utf8(server.seen().pop().unwrap().body).unwrap();
        let (grant, assertion) = form.split_once("&assertion=").unwrap();
        assert_eq!(
            grant,
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
        );
        let (signed, signature) = assertion.rsplit_once('.').unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &key().1)
            .verify(
                signed.as_bytes(),
                &URL_SAFE_NO_PAD.decode(signature).unwrap(),
            )
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
    let claims = URL_SAFE_NO_PAD
        .decode(assertion.split('.').nth(1).unwrap())
        .unwrap();
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
        Reply::With(
            400,
            headers,
            br#"{"error":"invalid_grant","error_description":"expired authorization code"}"#
                .to_vec(),
        )
    })
    .await;
    Org::new(jwt(&server.url, None), clock)
        .unwrap()
        .login()
        .await
        .unwrap();
    assert_eq!(server.logins(), 2);

    let stubborn = Server::start(|_| async {
        Reply::Json(
            400,
            r#"{"error":"invalid_grant","error_description":"expired authorization code"}"#
                .to_string(),
        )
    })
    .await;
    let failure = Org::new(jwt(&stubborn.url, None), clock)
        .unwrap()
        .login()
        .await
        .unwrap_err();
    assert_eq!(
        (failure.page, failure.disposition),
        (pages::CLOCK_SKEW, Disposition::Pause)
    );
    assert_eq!(stubborn.logins(), 2);
}

/// Tokens are `T1`, `T2`, …; calls with a token of `dead` are refused once `together` of them
/// have arrived, others are taken.
async fn expiring(dead: &'static [&'static str], together: usize, records: usize) -> Server {
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
            if dead
                .iter()
                .any(|name| bearer == format!("Bearer 00D!{name}"))
            {
                barrier.wait().await;
                return Reply::Json(401, EXPIRED.to_string());
            }
            delivered(records)
        }
    })
    .await
}

#[tokio::test]
async fn twenty_refused_calls_cost_one_login() {
    let server = expiring(&["T1"], 20, 1).await;
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
    assert_eq!(
        (usage.calls_made, usage.logins, usage.refreshes),
        (40, 2, 1)
    );
}

#[tokio::test]
async fn the_second_request_of_a_call_carries_the_same_headers_and_body() {
    let server = expiring(&["T1"], 1, 100).await;
    assert!(matches!(
        org(&server).upsert(call(100)).await.outcome,
        CallOutcome::Answered(_)
    ));
    assert_eq!(server.calls()[1].header("content-encoding"), Some("gzip"));
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
    let server = expiring(&["T1", "T2", "T3", "T4", "T5", "T6"], 1, 1).await;
    let org = org(&server);
    for _ in 0..50 {
        let failure = failure(org.upsert(call(1)).await);
        assert_eq!(
            (failure.class, failure.disposition),
            (ErrorClass::Auth, Disposition::Backoff)
        );
        assert_eq!(
            (failure.page, failure.unknown),
            (pages::SESSION_REFUSED, false)
        );
    }
    // The first, one renewal, and one more for each second that the test may have taken.
    assert!(server.logins() <= 4, "{} logins", server.logins());
}

#[tokio::test]
async fn a_failing_login_is_remembered() {
    let server = Server::start(|_| async {
        let headers = vec![("Retry-After", "3600".to_string())];
        Reply::With(
            400,
            headers,
            br#"{"error":"invalid_client","error_description":"invalid client credentials"}"#
                .to_vec(),
        )
    })
    .await;
    let org = org(&server);
    let first = org.login().await.unwrap_err();
    assert_eq!(
        (first.page, first.disposition),
        (pages::WRONG_SECRET, Disposition::Pause)
    );
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
    for message in [
        "This session is not valid for use with the REST API",
        "Connected app is not attached to Agent",
    ] {
        let body = serde_json::json!([{"message": message, "errorCode": "INVALID_SESSION_ID"}])
            .to_string();
        let server = answering(move || Reply::Json(401, body.clone())).await;
        let failure = failure(org(&server).upsert(call(1)).await);
        assert_eq!(
            (failure.page, failure.disposition),
            (pages::SESSION_INCURABLE, Disposition::Pause)
        );
        assert_eq!((server.logins(), server.calls().len()), (1, 1));
    }
}
