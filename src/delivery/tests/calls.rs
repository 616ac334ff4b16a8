//! Calls: what goes out, what comes back, what breaks in between.

use std::io::Read;
use std::sync::atomic::AtomicUsize;

use tokio::net::TcpListener;

use super::*;
use crate::core::outcome::{Disposition, ErrorClass, RecordResult};

#[tokio::test]
async fn an_upsert_carries_headers_and_body_and_brings_results() {
    let server = answering(|| {
        let body = format!(r#"[{{"id":"{ID}","success":true,"created":true}},{{"success":false,"errors":[{{"statusCode":"STRING_TOO_LONG","message":"m","fields":[]}}]}}]"#);
        Reply::With(200, vec![("Sforce-Limit-Info", "api-usage=18/5000".to_string())], body.into_bytes())
    })
    .await;
    let org = org(&server);
    let report = org.upsert(call(2)).await;
    let CallOutcome::Answered(results) = report.outcome else {
        panic!("failed")
    };
    assert_eq!(
        results[0],
        RecordResult::Delivered {
            id: ID.to_string(),
            created: true
        }
    );
    assert!(matches!(&results[1], RecordResult::Rejected(r) if r.code == "STRING_TOO_LONG"));
    assert_eq!(report.api_calls, 1);
    assert!(report.answered_at > report.sent_at);

    let seen = server.calls().remove(0);
    assert_eq!(seen.method, "PATCH");
    assert_eq!(
        seen.path,
        "/services/data/v67.0/composite/sobjects/Lead/MySQL_Id__c"
    );
    assert_eq!(seen.header("authorization"), Some("Bearer 00D!T"));
    assert_eq!(seen.header("sforce-auto-assign"), Some("FALSE"));
    let client = concat!("leadstream/", env!("CARGO_PKG_VERSION"));
    assert_eq!(
        seen.header("sforce-call-options"),
        Some(format!("client={client}").as_str())
    );
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
        ApiUsage {
            calls_made: 1,
            api_used: Some(18),
            api_limit: Some(5000),
            logins: 1,
            refreshes: 0
        }
    );
}

#[tokio::test]
async fn a_long_body_goes_out_compressed_and_a_compressed_answer_is_read() {
    let server = answering(|| {
        let Reply::Json(_, body) = delivered(200) else {
            unreachable!()
        };
        let mut encoder =
            flate2::read::GzEncoder::new(body.as_bytes(), flate2::Compression::fast());
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
    flate2::read::GzDecoder::new(&seen.body[..])
        .read_to_end(&mut plain)
        .unwrap();
    assert_eq!(
        plain,
        wire::encode_upsert("Lead", "MySQL_Id__c", &call(200).records).unwrap()
    );
}

#[tokio::test]
async fn assignment_rules_run_only_when_asked_for() {
    let server = answering(|| delivered(1)).await;
    let org = org(&server);
    for auto_assign in [AutoAssign::On, AutoAssign::Rule("01Q5g00000AbCdE".into())] {
        let report = org
            .upsert(UpsertCall {
                auto_assign,
                ..call(1)
            })
            .await;
        assert!(matches!(report.outcome, CallOutcome::Answered(_)));
    }
    let sent: Vec<_> = server
        .calls()
        .iter()
        .map(|s| s.header("sforce-auto-assign").unwrap().to_string())
        .collect();
    assert_eq!(sent, ["TRUE", "01Q5g00000AbCdEEAV"]);
    let bad = failure(
        org.upsert(UpsertCall {
            auto_assign: AutoAssign::Rule("none".into()),
            ..call(1)
        })
        .await,
    );
    assert_eq!(
        (bad.page, bad.disposition),
        (pages::ASSIGNMENT_RULE, Disposition::Pause)
    );
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn answers_that_break_the_protocol_leave_the_outcome_open() {
    let server = answering(|| delivered(2)).await;
    let failure = failure(org(&server).upsert(call(3)).await);
    assert_eq!(failure.class, ErrorClass::Unknown);
    assert_eq!(
        (failure.disposition, failure.unknown),
        (Disposition::Backoff, true)
    );
    assert_eq!(failure.page, pages::PROTOCOL);
    assert!(
        failure.text.ends_with("answer has 2 results for 3 records"),
        "{}",
        failure.text
    );
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
    assert_eq!(
        (failure.class, failure.disposition),
        (ErrorClass::Quota, Disposition::Pause)
    );
    assert_eq!(
        (failure.unknown, failure.retry_after_ms),
        (false, Some(30_000))
    );
    assert_eq!(org.usage().api_used, Some(15_000));
}

#[track_caller]
fn check_network(failure: &RequestFailure, page: &str, unknown: bool) {
    assert_eq!(
        (failure.class, failure.disposition),
        (ErrorClass::Network, Disposition::Backoff)
    );
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
    check_network(
        &org(&half).describe("Lead").await.unwrap_err(),
        pages::CUT,
        false,
    );
}

#[tokio::test]
async fn a_timeout_leaves_the_outcome_open() {
    let server = answering(|| Reply::Hang).await;
    let short = Org::new(
        OrgSettings {
            request_timeout_ms: 250,
            ..settings(&server.url)
        },
        clock,
    )
    .unwrap();
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
    check_network(
        &unreachable.login().await.unwrap_err(),
        pages::CONNECT,
        false,
    );
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let server = answering(|| {
        Reply::With(
            302,
            vec![("Location", "/elsewhere".to_string())],
            Vec::new(),
        )
    })
    .await;
    let failure = failure(org(&server).upsert(call(1)).await);
    assert_eq!(
        (failure.page, failure.disposition),
        (pages::REDIRECT, Disposition::Pause)
    );
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn calls_that_cannot_work_are_not_made() {
    let server = answering(|| delivered(1)).await;
    let org = org(&server);
    assert_eq!(
        org.upsert(call(0)).await.outcome,
        CallOutcome::Answered(Vec::new())
    );
    assert_eq!(
        failure(org.upsert(call(201)).await).disposition,
        Disposition::Split
    );
    let odd = UpsertCall {
        object: "Lead/../x".into(),
        ..call(1)
    };
    assert_eq!(failure(org.upsert(odd).await).page, pages::OBJECT);
    let mut bad = call(1);
    bad.records[0].payload = "null".into();
    let bad = failure(org.upsert(bad).await);
    assert_eq!(
        (bad.class, bad.disposition),
        (ErrorClass::Mapping, Disposition::Split)
    );
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn duplicate_rules_are_passed_over_only_when_asked_for() {
    let server = answering(|| delivered(1)).await;
    let org = org(&server);
    for on_duplicate in [OnDuplicate::DeadLetter, OnDuplicate::Allow] {
        let call = UpsertCall {
            on_duplicate,
            ..call(1)
        };
        let report = org.upsert(call).await;
        assert!(matches!(report.outcome, CallOutcome::Answered(_)));
    }
    let calls = server.calls();
    let headers: Vec<Option<&str>> = calls
        .iter()
        .map(|sent| sent.header("sforce-duplicate-rule-header"))
        .collect();
    assert_eq!(headers, [None, Some("allowSave=true")]);
}

#[tokio::test]
async fn an_object_is_described_again_only_if_it_changed() {
    const SINCE: &str = "Mon, 23 Nov 2026 02:00:00 GMT";
    let server = Server::start(|seen| async move {
        if seen.is_login() {
            return token("T", &host(&seen));
        }
        if seen.header("if-modified-since") == Some(SINCE) {
            return Reply::With(304, Vec::new(), Vec::new());
        }
        let object = r#"{"name":"Lead","createable":true,"updateable":true,"fields":[]}"#;
        let headers = vec![("Last-Modified", SINCE.to_owned())];
        Reply::With(200, headers, object.as_bytes().to_vec())
    })
    .await;
    let org = org(&server);
    let first = org.describe_again("Lead", None).await.unwrap().unwrap();
    assert_eq!(
        (&*first.object.name, first.since.as_deref()),
        ("Lead", Some(SINCE))
    );
    let again = org.describe_again("Lead", first.since.as_deref()).await;
    assert_eq!(again.unwrap(), None);
    let other = org.describe_again("Lead", Some("Sun, 22 Nov 2026 02:00:00 GMT"));
    assert!(other.await.unwrap().is_some());
    assert_eq!(org.usage().calls_made, 3);
}

#[tokio::test]
async fn describe_and_limits_are_read() {
    let server = Server::start(|seen| async move {
        match seen.path.as_str() {
            "/services/oauth2/token" => token("T", &host(&seen)),
            "/services/data/v67.0/sobjects/Lead/describe" => Reply::Json(
                200,
                r#"{"name":"Lead","createable":true,"updateable":true,"fields":[]}"#.to_string(),
            ),
            "/services/data/v67.0/limits" => Reply::Json(
                200,
                r#"{"DailyApiRequests":{"Max":15000,"Remaining":14998}}"#.to_string(),
            ),
            _ => Reply::Json(
                404,
                r#"[{"message":"The requested resource does not exist","errorCode":"NOT_FOUND"}]"#
                    .to_string(),
            ),
        }
    })
    .await;
    let org = org(&server);
    assert_eq!(org.describe("Lead").await.unwrap().name, "Lead");
    assert_eq!(
        org.limits().await.unwrap().daily_api_requests,
        Allowance {
            max: 15000,
            remaining: 14998
        }
    );
    assert_eq!(org.describe("Leed").await.unwrap_err().page, pages::OBJECT);
    assert!(
        server
            .calls()
            .iter()
            .all(|seen| seen.header("sforce-call-options").is_some())
    );
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
    let org = Org::new(
        OrgSettings {
            max_in_flight: 3,
            ..settings(&server.url)
        },
        clock,
    )
    .unwrap();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let org = org.clone();
            tokio::spawn(async move { org.upsert(call(1)).await })
        })
        .collect();
    for call in calls {
        assert!(matches!(
            call.await.unwrap().outcome,
            CallOutcome::Answered(_)
        ));
    }
    assert!(most.load(Ordering::SeqCst) <= 3);
}

#[test]
fn settings_that_cannot_work_are_refused_with_a_page() {
    let page = |settings| Org::new(settings, clock).err().map(|error| error.page());
    let good = || settings("https://example.my.salesforce.com");
    assert_eq!(page(good()), None);
    for url in [
        "",
        "example.my.salesforce.com",
        "ftp://x",
        "https://u:p@x.example",
        "https://x.example/path",
        "https://x.example/?q",
    ] {
        assert_eq!(
            page(OrgSettings {
                login_url: url.to_string(),
                ..good()
            }),
            Some(pages::LOGIN_URL),
            "{url}"
        );
    }
    for version in ["", "67", "v67.0", "45.0", "67.1"] {
        assert_eq!(
            page(OrgSettings {
                api_version: version.to_string(),
                ..good()
            }),
            Some(pages::SETTINGS),
            "{version}"
        );
    }
    assert_eq!(
        page(OrgSettings {
            requests_per_second: 0,
            ..good()
        }),
        Some(pages::SETTINGS)
    );
    assert_eq!(
        page(OrgSettings {
            max_in_flight: 0,
            ..good()
        }),
        Some(pages::SETTINGS)
    );
    for pem in [
        "",
        "not a key",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        let mut settings = jwt("https://example.my.salesforce.com", None);
        let Auth::Jwt {
            private_key_pem, ..
        } = &mut settings.auth
        else {
            unreachable!()
        };
        *private_key_pem = Secret::new(pem);
        assert_eq!(page(settings), Some(pages::PRIVATE_KEY), "{pem}");
    }
}

#[test]
fn settings_do_not_print_their_secrets() {
    let text = format!(
        "{:?}{:?}",
        settings("https://x.example"),
        jwt("https://x.example", None)
    );
    assert!(!text.contains("invented-secret") && !text.contains("PRIVATE KEY"));
}

#[tokio::test]
async fn what_a_duplicate_rule_found_costs_one_more_call_where_that_is_allowed() {
    let refused = r#"[{"success":false,"errors":[{"statusCode":"DUPLICATES_DETECTED","message":"m","fields":[]}]},
        {"id":"00Q000000000002EAA","success":true,"errors":[],"created":true}]"#;
    let told = r#"{"compositeResponse":[{"httpStatusCode":400,"referenceId":"r0","body":[{"errorCode":
        "DUPLICATES_DETECTED","message":"m","duplicateResult":{"allowSave":false,"duplicateRule":"R",
        "matchResults":[{"matchRecords":[{"record":{"Id":"00Q000000000001AAA"}}]}]}}]}]}"#;
    let server = Server::start(move |seen| {
        let reply = match seen.path.rsplit('/').next() {
            Some("composite") => Reply::Json(200, told.to_owned()),
            Some("token") => token("T", &host(&seen)),
            _ => Reply::Json(200, refused.to_owned()),
        };
        async move { reply }
    })
    .await;
    let org = org(&server);
    for (show_matches, message, calls) in [
        (true, "m (R blocks; it found 00Q000000000001AAA)", 2),
        (false, "m", 1),
    ] {
        let report = org
            .upsert(UpsertCall {
                show_matches,
                ..call(2)
            })
            .await;
        let CallOutcome::Answered(results) = report.outcome else {
            panic!("{report:?}");
        };
        let RecordResult::Rejected(rejection) = &results[0] else {
            panic!("{results:?}");
        };
        assert_eq!(rejection.errors[0].message, message);
        assert_eq!(report.api_calls, calls);
        assert!(matches!(results[1], RecordResult::Delivered { .. }));
    }
    let asked = server.calls();
    let composite: serde_json::Value = serde_json::from_slice(&asked[1].body).unwrap();
    let request = &composite["compositeRequest"][0];
    assert_eq!(request["body"]["LastName"], "Invented");
    assert_eq!(request["httpHeaders"]["Sforce-Auto-Assign"], "FALSE");
    let url = request["url"].as_str().unwrap();
    assert!(url.ends_with("/sobjects/Lead/MySQL_Id__c/0"), "{url}");
}
