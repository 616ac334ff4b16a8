//! Faults that act by time, method or path, on chosen records, or that are known by name.
use std::time::Duration;

use salesforce_sandbox::{Action, Endpoint, Fault, RecordError};
use serde_json::{Value, json};

use crate::harness::{
    COLLECTIONS, Org, PATIENCE, check_accepted, check_error, check_refused, lead,
};

const LIMITS: &str = "/services/data/v67.0/limits";

fn arm(org: &Org, fault: &Value) -> Value {
    let answer = org.control("POST", "faults").json(fault).send();
    assert_eq!(answer.status, 201, "{fault}: {answer:?}");
    answer.json()
}

#[test]
fn failures_are_known_by_name_before_or_after_the_commit() {
    let org = Org::demo();
    let json_failures = [
        (
            "total_requests",
            403,
            "REQUEST_LIMIT_EXCEEDED",
            "TotalRequests Limit exceeded.",
        ),
        (
            "concurrent_requests",
            403,
            "REQUEST_LIMIT_EXCEEDED",
            "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
        ),
        (
            "concurrent_long_transactions",
            403,
            "REQUEST_LIMIT_EXCEEDED",
            "ConcurrentPerOrgLongTxn Limit exceeded",
        ),
        (
            "server_unavailable",
            503,
            "SERVER_UNAVAILABLE",
            "Server Unavailable",
        ),
        (
            "unexpected_error",
            500,
            "UNKNOWN_EXCEPTION",
            "An unexpected error occurred. Please include",
        ),
        (
            "running_too_long",
            400,
            "REQUEST_RUNNING_TOO_LONG",
            "Your request was running for too long",
        ),
        ("query_timeout", 400, "QUERY_TIMEOUT", ""),
        ("api_currently_disabled", 500, "API_CURRENTLY_DISABLED", ""),
        (
            "api_disabled_for_org",
            403,
            "API_DISABLED_FOR_ORG",
            "The REST API is not enabled for this",
        ),
        ("org_locked", 403, "ORG_LOCKED", ""),
        (
            "session_not_for_rest",
            401,
            "INVALID_SESSION_ID",
            "This session is not valid for use with",
        ),
        (
            "app_not_attached",
            401,
            "INVALID_SESSION_ID",
            "Connected app is not attached to Agent",
        ),
        ("version_retired", 410, "GONE", ""),
    ];
    for (n, (preset, status, code, message)) in json_failures.into_iter().enumerate() {
        for commit in [false, true] {
            let key = format!("{n}-{commit}");
            arm(
                &org,
                &json!({ "times": 1, "action": { "kind": "preset", "preset": preset, "commit": commit } }),
            );
            check_error(&org.collection(&[lead(&key)]).send(), status, code, message);
            let written = org
                .sandbox
                .leads_by_key("MySQL_Id__c", [key.as_str()])
                .unwrap();
            assert_eq!(written.len(), usize::from(commit), "{preset}");
        }
    }
    for (preset, status) in [
        ("no_route", 420),
        ("server_error", 500),
        ("bad_gateway", 502),
        ("maintenance", 503),
    ] {
        arm(
            &org,
            &json!({ "times": 1, "action": { "kind": "preset", "preset": preset } }),
        );
        let answer = org.get(LIMITS);
        assert_eq!(answer.status, status);
        assert!(answer.body.starts_with(b"<html>"), "{preset}");
        assert_eq!(
            answer.header("sforce-limit-info"),
            None,
            "a gateway knows of no limits"
        );
    }
}

#[test]
fn a_record_can_be_refused_for_several_reasons() {
    let org = Org::demo();
    let error = |status_code: &str, fields: &[&str]| RecordError {
        status_code: status_code.into(),
        message: String::new(),
        fields: fields.iter().map(|f| (*f).to_owned()).collect(),
    };
    let errors = vec![
        error("STRING_TOO_LONG", &[]),
        error("INVALID_EMAIL_ADDRESS", &["Email"]),
    ];
    org.sandbox
        .faults()
        .add(Fault::new(Action::RecordErrors { errors }).keys(["2"]));
    let results = org.upsert(&[lead("1"), lead("2")]);
    check_accepted(&results[0], true);
    assert_eq!(
        results[1],
        json!({ "success": false, "errors": [
            {
                "statusCode": "STRING_TOO_LONG",
                "message": "First Name: data value too large: XXXXX (max length=40)",
                "fields": ["FirstName"],
            },
            {
                "statusCode": "INVALID_EMAIL_ADDRESS",
                "message": "Email: invalid email address: foo@",
                "fields": ["Email"],
            },
        ] })
    );
    let single = "/services/data/v67.0/sobjects/Lead/MySQL_Id__c/2";
    let answer = org.patch(single, &json!({ "LastName": "Doe", "Company": "Acme" }));
    assert_eq!(
        (answer.status, answer.json().as_array().unwrap().len()),
        (400, 2)
    );
}

#[test]
fn a_code_alone_brings_its_usual_text_with_the_id_of_the_lead() {
    let org = Org::demo();
    org.upsert(&[lead("1")]);
    let id = org.sandbox.leads()[0].id.clone();
    arm(
        &org,
        &json!({ "action": { "kind": "record_error", "status_code": "UNABLE_TO_LOCK_ROW" } }),
    );
    let results = org.upsert(&[lead("1"), lead("new")]);
    let text =
        |id: &str| format!("unable to obtain exclusive access to this record or 1 records: {id}");
    check_refused(&results[0], "UNABLE_TO_LOCK_ROW", &text(&id), &[]);
    check_refused(&results[1], "UNABLE_TO_LOCK_ROW", &text("<unknown>"), &[]);
    org.sandbox.faults().clear();
    arm(
        &org,
        &json!({ "action": {
            "kind": "record_error", "status_code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "no {key}, {id}",
        } }),
    );
    check_refused(
        &org.upsert(&[lead("1")])[0],
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        &format!("no 1, {id}"),
        &[],
    );
}

#[test]
fn every_code_of_a_refused_record_can_be_had() {
    let codes = [
        "UNABLE_TO_LOCK_ROW",
        "INTERNAL_ERROR",
        "UNKNOWN_EXCEPTION",
        "REQUEST_RUNNING_TOO_LONG",
        "TOO_MANY_APEX_REQUESTS",
        "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE",
        "ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE",
        "INSUFFICIENT_ACCESS",
        "INSUFFICIENT_ACCESS_OR_READONLY",
        "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
        "TXN_SECURITY_NO_ACCESS",
        "STORAGE_LIMIT_EXCEEDED",
        "LICENSE_LIMIT_EXCEEDED",
        "REQUIRED_FIELD_MISSING",
        "STRING_TOO_LONG",
        "INVALID_EMAIL_ADDRESS",
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "FIELD_FILTER_VALIDATION_EXCEPTION",
        "FIELD_INTEGRITY_EXCEPTION",
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "INVALID_TYPE_ON_FIELD_IN_RECORD",
        "NUMBER_OUTSIDE_VALID_RANGE",
        "TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET",
        "INVALID_FIELD",
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        "DUPLICATES_DETECTED",
        "DUPLICATE_VALUE",
        "DUPLICATE_EXTERNAL_ID",
        "MALFORMED_ID",
        "INVALID_CROSS_REFERENCE_KEY",
        "INVALID_ID_FIELD",
        "INACTIVE_OWNER_OR_USER",
        "TRANSFER_REQUIRES_READ",
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
        "CANNOT_EXECUTE_FLOW_TRIGGER",
        "FLOW_EXCEPTION",
        "SELF_REFERENCE_FROM_TRIGGER",
        "MIXED_DML_OPERATION",
        "CANNOT_UPDATE_CONVERTED_LEAD",
        "ENTITY_IS_DELETED",
        "ENTITY_IS_LOCKED",
        "ENTITY_IS_ARCHIVED",
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "PROCESSING_HALTED",
        "MISSING_ARGUMENT",
        "LIMIT_EXCEEDED",
        "A_CODE_OF_TOMORROW",
    ];
    let org = Org::demo();
    for code in codes {
        org.sandbox.faults().add(
            Fault::new(Action::RecordError {
                status_code: code.into(),
                message: String::new(),
                fields: vec![],
            })
            .keys([code]),
        );
    }
    let results = org.upsert(&codes.map(lead));
    for (code, result) in codes.iter().zip(&results) {
        assert_eq!(result["success"], false, "{code}");
        assert_eq!(result["errors"][0]["statusCode"], *code);
        let message = result["errors"][0]["message"].as_str().unwrap();
        assert!(
            !message.is_empty() && !message.contains('{'),
            "{code}: {message}"
        );
    }
    assert_eq!(org.sandbox.stats().records_rejected, codes.len() as u64);
}

#[test]
fn a_fault_begins_ends_and_comes_back_by_the_orgs_clock() {
    let org = Org::demo();
    arm(
        &org,
        &json!({ "after_seconds": 60, "for_seconds": 10, "every_seconds": 3600, "action": { "kind": "html" } }),
    );
    let state = || org.show("faults")[0]["state"].clone();
    let advance = |seconds| org.sandbox.advance_clock(Duration::from_secs(seconds));
    assert_eq!((org.get(LIMITS).status, state()), (200, json!("waiting")));
    advance(60);
    assert_eq!((org.get(LIMITS).status, state()), (503, json!("active")));
    advance(10);
    assert_eq!((org.get(LIMITS).status, state()), (200, json!("waiting")));
    advance(3590);
    assert_eq!((org.get(LIMITS).status, state()), (503, json!("active")));
    org.sandbox.faults().clear();
    arm(
        &org,
        &json!({ "for_seconds": 5, "action": { "kind": "down", "outage": "unavailable" } }),
    );
    assert_eq!(org.get(LIMITS).status, 503);
    advance(5);
    assert_eq!((org.get(LIMITS).status, state()), (200, json!("spent")));
}

#[test]
fn a_fault_can_be_for_one_method_and_the_start_of_a_path() {
    let org = Org::demo();
    arm(
        &org,
        &json!({ "method": "get", "path": "/services/data/v67.0/limits", "action": { "kind": "html" } }),
    );
    assert_eq!(org.get(LIMITS).status, 503);
    assert_eq!(org.get("/services/data/v67.0/sobjects").status, 200);
    assert_eq!(org.get("/services/data/v66.0/limits").status, 200);
    assert_eq!(org.ask("POST", LIMITS).send().status, 405);
    check_accepted(&org.upsert(&[lead("1")])[0], true);
}

#[test]
fn what_is_refused_anyway_has_its_mishaps_too() {
    let org = Org::demo();
    arm(
        &org,
        &json!({ "on": "other", "action": { "kind": "html", "status": 502 } }),
    );
    for path in [
        "/services/data",
        "/services/data/v67.0/nowhere",
        "/services/data/v12.0/limits",
        "/nowhere",
    ] {
        assert_eq!(org.get(path).status, 502, "{path}");
    }
    assert_eq!(
        org.ask_anonymously("GET", LIMITS).send().status,
        502,
        "no session"
    );
    org.sandbox.faults().clear();
    arm(
        &org,
        &json!({ "on": "collections", "times": 1, "action": { "kind": "drop" } }),
    );
    let broken = org
        .ask("PATCH", COLLECTIONS)
        .body("application/json", "{")
        .try_send();
    assert!(broken.is_err());
    arm(
        &org,
        &json!({ "on": "token", "times": 1, "action": { "kind": "html" } }),
    );
    assert_eq!(org.login_form("grant_type=nonsense").status, 503);
    assert_eq!(org.login_form("grant_type=nonsense").status, 400);
}

#[test]
fn a_drawn_seed_is_told_and_repeats_the_run() {
    let org = Org::demo();
    let records: Vec<Value> = (0..200).map(|n| lead(&n.to_string())).collect();
    let fault = json!({ "probability": 0.3, "action": { "kind": "record_error", "status_code": "UNABLE_TO_LOCK_ROW" } });
    let refused = |fault: &Value| {
        let answer = arm(&org, fault);
        let picked: Vec<bool> = org
            .upsert(&records)
            .iter()
            .map(|r| r["success"] == false)
            .collect();
        org.sandbox.faults().clear();
        (answer["seed"].as_u64().unwrap(), picked)
    };
    let (seed, first) = refused(&fault);
    assert!((20..100).contains(&first.iter().filter(|x| **x).count()));
    let mut again = fault.clone();
    again["seed"] = json!(seed);
    assert_eq!(refused(&again), (seed, first.clone()));
    again["seed"] = json!(seed + 1);
    assert_ne!(refused(&again).1, first);
    let id = org
        .sandbox
        .faults()
        .add(Fault::new(Action::Pass {}).probability_of_any_seed(0.5));
    let status = org.sandbox.faults().list().pop().unwrap();
    assert_eq!((status.id, status.fault.seed.is_some()), (id, true));
}

#[test]
fn the_race_for_a_new_key_is_seen_on_the_single_endpoint_too() {
    let org = Org::demo();
    let path = "/services/data/v67.0/sobjects/Lead/MySQL_Id__c/raced";
    let fields = json!({ "LastName": "Doe", "Company": "Acme" });
    org.sandbox.faults().add(
        Fault::new(Action::Hold {
            after_commit: false,
        })
        .on(Endpoint::Single)
        .times(1),
    );
    let ask = org.ask("PATCH", path).json(&fields);
    let slow = std::thread::spawn(move || ask.send());
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    assert_eq!(org.patch(path, &fields).status, 201);
    org.sandbox.faults().release_all();
    check_error(
        &slow.join().unwrap(),
        400,
        "DUPLICATE_VALUE",
        "duplicate value found: MySQL_Id__c duplicates",
    );
    assert_eq!(org.patch(path, &fields).status, 200);
}

#[test]
fn a_fault_of_the_wrong_kind_panics_for_a_caller_and_is_400_over_http() {
    let org = Org::demo();
    let bad = Fault::new(Action::Html {
        status: 99,
        commit: false,
    })
    .probability(2.0, 0);
    let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        org.sandbox.faults().add(bad)
    }));
    let told = told.unwrap_err().downcast::<String>().unwrap();
    assert!(
        told.contains("probability: must be 0 to 1") && told.contains("action.status: must be"),
        "{told}"
    );
    let answer = org
        .control("POST", "faults")
        .json(&json!({ "probability": 2, "times": "x", "action": { "kind": "html", "stat": 1 } }))
        .send();
    let told = answer.json();
    let told: Vec<&str> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["message"].as_str().unwrap())
        .collect();
    assert_eq!(answer.status, 400);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("action.stat: unknown field `stat`, expected `status` or `commit`")
    );
    assert!(told[1].starts_with("times: must be a whole number, 0 or more, not \"x\""));
    let answer = org
        .control("POST", "faults")
        .json(&json!({ "probability": 2, "action": { "kind": "html", "status": 99 } }))
        .send();
    assert_eq!(
        (answer.status, answer.json().as_array().unwrap().len()),
        (400, 2)
    );
    for junk in ["", "{", "[]", "null", "\u{0}"] {
        let answer = org
            .control("POST", "faults")
            .body("application/json", junk)
            .send();
        assert_eq!(answer.status, 400, "{junk:?}");
    }
    assert_eq!(org.show("faults"), json!([]));
}

#[test]
fn faults_over_http_have_an_end() {
    let org = Org::demo();
    for _ in 0..1_000 {
        org.sandbox
            .faults()
            .add(Fault::new(Action::Pass {}).times(0));
    }
    let one_more = json!({ "action": { "kind": "pass" } });
    check_error(
        &org.control("POST", "faults").json(&one_more).send(),
        400,
        "INVALID_ARGUMENT",
        "1000 faults are armed",
    );
    assert_eq!(org.control("DELETE", "faults").send().status, 204);
    assert_eq!(arm(&org, &one_more), json!({ "id": 1_001 }));
}

#[test]
fn a_fault_can_be_for_each_kind_of_request_and_leaves_the_others_alone() {
    let org = Org::demo();
    let rest = "/services/data/v67.0";
    let kinds = [
        ("token", "POST", "/services/oauth2/token".to_owned()),
        ("login", "POST", "/services/oauth2/revoke".to_owned()),
        ("collections", "PATCH", COLLECTIONS.to_owned()),
        (
            "single",
            "PATCH",
            format!("{rest}/sobjects/Lead/MySQL_Id__c/1"),
        ),
        ("bulk_create", "POST", format!("{rest}/jobs/ingest")),
        (
            "bulk_upload",
            "PUT",
            format!("{rest}/jobs/ingest/750000000000001AAA/batches"),
        ),
        (
            "bulk_state",
            "PATCH",
            format!("{rest}/jobs/ingest/750000000000001AAA"),
        ),
        ("bulk_info", "GET", format!("{rest}/jobs/ingest")),
        (
            "bulk_results",
            "GET",
            format!("{rest}/jobs/ingest/750000000000001AAA/failedResults"),
        ),
        (
            "query",
            "GET",
            format!("{rest}/query?q=SELECT+Id+FROM+Lead"),
        ),
        ("other", "GET", format!("{rest}/limits")),
    ];
    for (on, _, _) in &kinds {
        arm(
            &org,
            &json!({ "on": on, "action": { "kind": "html", "status": 502 } }),
        );
        for (kind, method, path) in &kinds {
            let answer = org.ask(method, path).json(&json!({})).send();
            assert_eq!(
                answer.status == 502,
                on == kind,
                "{on} on {kind}: {}",
                answer.status
            );
        }
        org.sandbox.faults().clear();
    }
    arm(
        &org,
        &json!({ "on": "bulk", "action": { "kind": "html", "status": 502 } }),
    );
    for (kind, method, path) in &kinds {
        let answer = org.ask(method, path).json(&json!({})).send();
        assert_eq!(answer.status == 502, kind.starts_with("bulk"), "{kind}");
    }
}

#[test]
fn a_record_of_a_composite_call_that_is_all_or_none_is_refused_with_its_leads_id() {
    let org = Org::demo();
    org.upsert(&[lead("1")]);
    let id = org.sandbox.leads()[0].id.clone();
    arm(
        &org,
        &json!({ "on": "composite", "keys": ["1"], "path": "/services/data/v67.0/composite", "action": {
            "kind": "record_error", "status_code": "UNABLE_TO_LOCK_ROW",
        } }),
    );
    let part = |key: &str| {
        json!({
            "method": "PATCH", "referenceId": format!("r{key}"),
            "url": format!("/services/data/v67.0/sobjects/Lead/MySQL_Id__c/{key}"),
            "body": { "LastName": "Doe", "Company": "Acme" },
        })
    };
    for all_or_none in [true, false] {
        let body = json!({ "allOrNone": all_or_none, "compositeRequest": [part("2"), part("1")] });
        let answer = org
            .ask("POST", "/services/data/v67.0/composite")
            .json(&body)
            .send();
        assert_eq!(answer.status, 200, "{answer:?}");
        let parts = &answer.json()["compositeResponse"];
        assert_eq!(
            parts[1]["body"][0]["message"],
            format!("unable to obtain exclusive access to this record or 1 records: {id}"),
            "{parts}"
        );
        assert_eq!(org.sandbox.stats().leads, if all_or_none { 1 } else { 2 });
    }
    let fault = json!({ "times": 1, "action": { "kind": "result_count", "change": -1 } });
    org.sandbox.faults().clear();
    arm(&org, &fault);
    let body = json!({ "compositeRequest": [part("2"), part("1")] });
    let answer = org
        .ask("POST", "/services/data/v67.0/composite")
        .json(&body)
        .send();
    assert_eq!(
        answer.json()["compositeResponse"].as_array().unwrap().len(),
        1
    );
}
