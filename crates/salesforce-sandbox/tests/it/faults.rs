//! Faults by library call and by control endpoint.
use std::thread;
use std::time::{Duration, Instant};

use salesforce_sandbox::{Action, Endpoint, Fault, FaultStatus, Outage, RequestRecord, Stats};
use serde_json::{Value, json};

use crate::harness::{
    Answer, Ask, Org, PATIENCE, check_accepted, check_error, check_refused, lead,
};

const LIMITS: &str = "/services/data/v67.0/limits";

fn record_error(code: &str) -> Action {
    Action::RecordError {
        status_code: code.into(),
        message: "as told".into(),
        fields: vec!["Company".into()],
    }
}

/// Sends on a thread of its own.
fn in_background(ask: Ask) -> thread::JoinHandle<Answer> {
    thread::spawn(move || ask.send())
}

#[test]
fn chosen_records_are_refused_as_often_as_told() {
    let org = Org::demo();
    org.sandbox.faults().add(
        Fault::new(record_error("UNABLE_TO_LOCK_ROW"))
            .keys(["2"])
            .times(2),
    );
    for _ in 0..2 {
        let results = org.upsert(&[lead("1"), lead("2")]);
        assert_eq!(results[0]["success"], true);
        check_refused(&results[1], "UNABLE_TO_LOCK_ROW", "as told", &["Company"]);
    }
    check_accepted(&org.upsert(&[lead("2")])[0], true);
    let single = "/services/data/v67.0/sobjects/Lead/MySQL_Id__c/3";
    org.sandbox
        .faults()
        .add(Fault::new(record_error("UNKNOWN_EXCEPTION")).on(Endpoint::Single));
    check_error(
        &org.patch(single, &json!({ "LastName": "Doe", "Company": "Acme" })),
        400,
        "UNKNOWN_EXCEPTION",
        "as told",
    );
    check_accepted(&org.upsert(&[lead("3")])[0], true);
}

#[test]
fn a_poisonous_key_makes_the_whole_request_a_400() {
    let org = Org::demo();
    org.sandbox
        .faults()
        .add(Fault::new(Action::Poison { message: None }).keys(["13"]));
    let answer = org.collection(&[lead("12"), lead("13")]).send();
    check_error(
        &answer,
        400,
        "JSON_PARSER_ERROR",
        "Cannot deserialize instance of datetime from VALUE_STRING value",
    );
    assert_eq!(org.sandbox.stats().leads, 0);
    check_accepted(&org.upsert(&[lead("12")])[0], true);
}

#[test]
fn any_refusal_can_be_told_for_the_next_requests() {
    let org = Org::demo();
    let refuse = |message: &str| Action::Refuse {
        status: 403,
        code: "REQUEST_LIMIT_EXCEEDED".into(),
        message: message.into(),
    };
    let text = "ConcurrentRequests (Concurrent API Requests) Limit exceeded.";
    org.sandbox
        .faults()
        .add(Fault::new(refuse(text)).times(1).on(Endpoint::Collections));
    assert_eq!(org.get(LIMITS).status, 200);
    check_error(
        &org.collection(&[lead("1")]).send(),
        403,
        "REQUEST_LIMIT_EXCEEDED",
        text,
    );
    check_accepted(&org.upsert(&[lead("1")])[0], true);
}

#[test]
fn a_session_can_expire_for_one_reply_or_for_good() {
    let org = Org::demo();
    org.sandbox.faults().add(
        Fault::new(Action::SessionExpired {
            revoke: false,
            message: None,
        })
        .times(1),
    );
    check_error(
        &org.get(LIMITS),
        401,
        "INVALID_SESSION_ID",
        "Session expired or invalid",
    );
    assert_eq!(org.get(LIMITS).status, 200);
    org.sandbox.faults().add(
        Fault::new(Action::SessionExpired {
            revoke: true,
            message: None,
        })
        .times(1),
    );
    for _ in 0..2 {
        check_error(
            &org.get(LIMITS),
            401,
            "INVALID_SESSION_ID",
            "Session expired or invalid",
        );
    }
    assert_ne!(org.log_in(), org.token);
}

#[test]
fn token_requests_can_be_refused() {
    let org = Org::demo();
    let action = Action::TokenError {
        error: "invalid_app_access".into(),
        description: Some("user is not admin approved to access this app".into()),
    };
    org.sandbox.faults().add(Fault::new(action).times(1));
    assert_eq!(
        org.get(LIMITS).status,
        200,
        "it is for the token endpoint alone"
    );
    let answer = org.login_form("grant_type=client_credentials");
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (400, &json!("invalid_app_access"))
    );
    org.sandbox.faults().add(
        Fault::new(Action::TokenError {
            error: "server_error".into(),
            description: None,
        })
        .times(1),
    );
    assert_eq!(
        org.login_form("grant_type=client_credentials").json(),
        json!({ "error": "server_error" })
    );
    assert_eq!(org.log_in(), org.token);
}

#[test]
fn a_gateway_page_comes_before_or_after_the_commit() {
    let org = Org::demo();
    for (commit, leads) in [(false, 0), (true, 1)] {
        org.sandbox.faults().add(
            Fault::new(Action::Html {
                status: 503,
                commit,
            })
            .times(1),
        );
        let answer = org.collection(&[lead("1")]).send();
        assert_eq!(answer.status, 503);
        assert!(answer.body.starts_with(b"<html>"));
        assert_eq!(org.sandbox.stats().leads, leads);
    }
    check_accepted(&org.upsert(&[lead("1")])[0], false);
}

#[test]
fn a_connection_is_cut_before_or_after_the_commit() {
    let org = Org::demo();
    for (commit, leads) in [(false, 0), (true, 1)] {
        org.sandbox
            .faults()
            .add(Fault::new(Action::Drop { commit }).times(1));
        assert!(org.collection(&[lead("1")]).try_send().is_err());
        assert_eq!(org.sandbox.stats().leads, leads);
        let log = org.sandbox.requests();
        let entry = log.last().unwrap();
        assert_eq!(
            (entry.status, entry.committed_monotonic_micros.is_some()),
            (None, commit)
        );
    }
    check_accepted(&org.upsert(&[lead("1")])[0], false);
}

#[test]
fn an_org_that_is_down_resets_connections_or_answers_503() {
    let org = Org::demo();
    let reset = org.sandbox.faults().add(Fault::new(Action::Down {
        outage: Outage::Reset,
    }));
    assert!(org.ask("GET", LIMITS).try_send().is_err());
    assert!(
        org.ask_anonymously("GET", "/services/data")
            .try_send()
            .is_err()
    );
    assert!(org.sandbox.faults().remove(reset));
    assert!(!org.sandbox.faults().remove(reset));
    org.sandbox.faults().add(
        Fault::new(Action::Down {
            outage: Outage::Unavailable,
        })
        .on(Endpoint::Other),
    );
    assert_eq!(org.get(LIMITS).status, 503);
    check_accepted(&org.upsert(&[lead("1")])[0], true);
    assert_eq!(
        org.sandbox.stats().api_calls,
        1,
        "what did not get through costs nothing"
    );
}

#[test]
fn a_delay_adds_to_the_reply_time() {
    let org = Org::demo();
    org.sandbox.faults().add(
        Fault::new(Action::Delay {
            milliseconds: 60,
            after_commit: false,
        })
        .times(1),
    );
    org.sandbox.faults().add(
        Fault::new(Action::Delay {
            milliseconds: 40,
            after_commit: true,
        })
        .times(1),
    );
    let start = Instant::now();
    org.upsert(&[lead("1")]);
    assert!(
        start.elapsed() >= Duration::from_millis(100),
        "{:?}",
        start.elapsed()
    );
    let entry = org.sandbox.requests().pop().unwrap();
    let committed = entry.committed_monotonic_micros.unwrap();
    assert!(committed - entry.arrived_monotonic_micros >= 60_000);
    assert!(entry.answered_monotonic_micros - committed >= 40_000);
}

#[test]
fn held_replies_go_out_one_by_one_in_the_order_of_arrival() {
    let org = Org::demo();
    org.sandbox
        .faults()
        .add(Fault::new(Action::Hold { after_commit: true }).on(Endpoint::Collections));
    let first = in_background(org.collection(&[lead("1")]));
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    let second = in_background(org.collection(&[lead("2")]));
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 2));
    assert_eq!(
        org.sandbox.stats().leads,
        2,
        "they are held after the commit"
    );
    assert_eq!(org.sandbox.stats().max_concurrent_calls, 2);
    assert_eq!(org.sandbox.faults().release(1), 1);
    assert_eq!(first.join().unwrap().status, 200);
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    org.sandbox.faults().clear();
    assert_eq!(second.join().unwrap().status, 200);
    let stats = org.sandbox.stats();
    assert_eq!((stats.held_requests, stats.max_concurrent_per_key), (0, 1));
}

#[test]
fn a_request_held_before_its_commit_has_written_nothing_yet() {
    let org = Org::demo();
    let hold = org.sandbox.faults().add(
        Fault::new(Action::Hold {
            after_commit: false,
        })
        .times(1),
    );
    let held = in_background(org.collection(&[lead("1")]));
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    assert_eq!(org.sandbox.stats().leads, 0);
    assert!(org.sandbox.faults().remove(hold), "disarming releases");
    check_accepted(&held.join().unwrap().json()[0], true);
}

#[test]
fn the_loser_of_a_race_for_a_new_key_gets_duplicate_value_and_wins_when_it_retries() {
    let org = Org::demo();
    org.sandbox.faults().add(
        Fault::new(Action::Hold {
            after_commit: false,
        })
        .times(1),
    );
    let slow = in_background(org.collection(&[lead("raced")]));
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    check_accepted(&org.upsert(&[lead("raced")])[0], true);
    assert_eq!(
        org.sandbox.stats().max_concurrent_per_key,
        2,
        "the log shows that the key was in two calls at once"
    );
    org.sandbox.faults().release_all();
    let holder = org.sandbox.leads()[0].id.clone();
    let text =
        format!("duplicate value found: MySQL_Id__c duplicates value on record with id: {holder}");
    check_refused(
        &slow.join().unwrap().json()[0],
        "DUPLICATE_VALUE",
        &text,
        &[],
    );
    check_accepted(&org.upsert(&[lead("raced")])[0], false);
}

#[test]
fn a_client_that_goes_away_does_not_stop_what_it_asked_for() {
    use std::io::Write;
    let org = Org::demo();
    org.sandbox.faults().add(
        Fault::new(Action::Hold {
            after_commit: false,
        })
        .times(1),
    );
    let mut stream = std::net::TcpStream::connect(org.sandbox.address()).unwrap();
    stream
        .write_all(&org.collection(&[lead("1")]).bytes(true))
        .unwrap();
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    drop(stream);
    // Other traffic gives the org the time to notice that the client is gone.
    for _ in 0..20 {
        assert_eq!(org.get(LIMITS).status, 200);
    }
    org.sandbox.faults().release_all();
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.leads == 1));
}

#[test]
fn faults_can_be_armed_listed_and_cleared_over_http() {
    let org = Org::demo();
    let control =
        |method: &str, path: &str| org.ask_anonymously(method, &format!("/__sandbox/{path}"));
    let fault = json!({
        "on": "collections", "times": 1, "keys": ["2"],
        "action": { "kind": "record_error", "status_code": "UNABLE_TO_LOCK_ROW", "message": "as told" },
    });
    let added = control("POST", "faults").json(&fault).send();
    assert_eq!((added.status, added.json()), (201, json!({ "id": 1 })));
    let kinds = [
        json!({ "kind": "delay", "milliseconds": 0 }),
        json!({ "kind": "session_expired" }),
        json!({ "kind": "refuse", "status": 403, "code": "X", "message": "x" }),
        json!({ "kind": "token_error", "error": "server_error" }),
        json!({ "kind": "html" }),
        json!({ "kind": "drop", "commit": true }),
        json!({ "kind": "poison" }),
        json!({ "kind": "down", "outage": "reset" }),
        json!({ "kind": "hold" }),
    ];
    for action in kinds {
        let spent = json!({ "times": 0, "action": action });
        assert_eq!(
            control("POST", "faults").json(&spent).send().status,
            201,
            "{action}"
        );
    }
    check_refused(
        &org.upsert(&[lead("1"), lead("2")])[1],
        "UNABLE_TO_LOCK_ROW",
        "as told",
        &[],
    );
    let list: Vec<FaultStatus> =
        serde_json::from_value(control("GET", "faults").send().json()).unwrap();
    assert_eq!((list.len(), list[0].hits, list[1].hits), (10, 1, 0));
    assert_eq!(control("DELETE", "faults/2").send().status, 204);
    assert_eq!(control("DELETE", "faults/2").send().status, 404);
    assert_eq!(control("DELETE", "faults").send().status, 204);
    assert_eq!(control("GET", "faults").send().json(), json!([]));
    let misspelt = json!({ "time": 1, "action": { "kind": "html" } });
    check_error(
        &control("POST", "faults").json(&misspelt).send(),
        400,
        "INVALID_ARGUMENT",
        "time: unknown field `time`, expected one of `on`",
    );
    check_error(
        &control("POST", "faults").body("text/plain", "{}").send(),
        415,
        "UNSUPPORTED_MEDIA_TYPE",
        "",
    );
}

#[test]
fn held_replies_can_be_released_and_sessions_revoked_over_http() {
    let org = Org::demo();
    let control =
        |method: &str, path: &str| org.ask_anonymously(method, &format!("/__sandbox/{path}"));
    org.sandbox
        .faults()
        .add(Fault::new(Action::Hold { after_commit: true }).times(2));
    let held = in_background(org.ask("GET", LIMITS));
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    assert_eq!(
        control("POST", "release")
            .json(&json!({ "count": 5 }))
            .send()
            .json(),
        json!({ "released": 1 })
    );
    assert_eq!(held.join().unwrap().status, 200);
    assert_eq!(
        control("POST", "release").send().json(),
        json!({ "released": 0 })
    );
    assert_eq!(control("DELETE", "sessions").send().status, 204);
    org.sandbox.faults().clear();
    assert_eq!(org.get(LIMITS).status, 401);
}

#[test]
fn contents_log_and_counters_are_shown_over_http_and_not_disturbed_by_looking() {
    let org = Org::demo();
    org.sandbox.faults().add(
        Fault::new(Action::Down {
            outage: Outage::Reset,
        })
        .skip(3),
    );
    let bad = json!({ "attributes": { "type": "Lead" }, "MySQL_Id__c": "2" });
    let answer = org
        .collection(&[lead("1"), bad, lead("3")])
        .header("Sforce-Call-Options", "client=test")
        .send();
    assert_eq!(answer.status, 200);
    let show = |path: &str| -> Value {
        org.ask_anonymously("GET", &format!("/__sandbox/{path}"))
            .send()
            .json()
    };
    let stats: Stats = serde_json::from_value(show("stats")).unwrap();
    assert_eq!(stats, org.sandbox.stats());
    assert_eq!(
        (
            stats.leads,
            stats.records_rejected,
            stats.requests,
            stats.logins
        ),
        (2, 1, 2, 1)
    );
    let log: Vec<RequestRecord> = serde_json::from_value(show("requests")).unwrap();
    assert_eq!(log, org.sandbox.requests());
    let entry = &log[1];
    assert_eq!(
        (
            entry.sequence,
            entry.method.as_str(),
            entry.status,
            entry.records
        ),
        (2, "PATCH", Some(200), 3)
    );
    assert_eq!(entry.keys, ["1", "3"]);
    assert_eq!(entry.call_options.as_deref(), Some("client=test"));
    assert!(entry.arrived_monotonic_micros <= entry.answered_monotonic_micros);
    assert!(entry.arrived_wall_micros > 1_600_000_000_000_000);
    let leads = show("leads");
    assert_eq!(leads, serde_json::to_value(org.sandbox.leads()).unwrap());
    assert_eq!(show("leads?offset=1&limit=1"), json!([leads[1]]));
}
