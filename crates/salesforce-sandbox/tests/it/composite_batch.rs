//! `/composite/batch`: independent subrequests, each a call of its own (facts 4).
use salesforce_sandbox::{OrgConfig, QuotaMode};
use serde_json::{Value, json};

use crate::composite::doe;
use crate::harness::{Answer, Org, check_error, lead};

const BATCH: &str = "/services/data/v67.0/composite/batch";
const LEAD: &str = "v67.0/sobjects/Lead";

fn part(method: &str, url: &str, body: Value) -> Value {
    let mut part = json!({ "method": method, "url": url });
    if !body.is_null() {
        part["richInput"] = body;
    }
    part
}

fn post(org: &Org, halt: bool, parts: &[Value]) -> Answer {
    org.ask("POST", BATCH)
        .json(&json!({ "haltOnError": halt, "batchRequests": parts }))
        .send()
}

/// Sends a batch that is answered with 200 and returns `hasErrors` and its results.
#[track_caller]
fn results(org: &Org, halt: bool, parts: &[Value]) -> (bool, Vec<Value>) {
    let answer = post(org, halt, parts);
    assert_eq!(answer.status, 200, "{}", answer.json());
    let body = answer.json();
    let results = body["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), parts.len());
    (body["hasErrors"].as_bool().unwrap(), results)
}

#[track_caller]
fn check_refused(result: &Value, status: u16, code: &str) {
    assert_eq!(result["statusCode"], status, "{result}");
    assert_eq!(result["result"][0]["errorCode"], code, "{result}");
}

#[test]
fn subrequests_run_one_after_the_other_and_see_what_was_written() {
    let org = Org::demo();
    let key = format!("{LEAD}/MySQL_Id__c/1");
    let (has_errors, results) = results(
        &org,
        false,
        &[
            part("PATCH", &key, doe()),
            part("PATCH", &key, json!({ "Title": "@{a.id}" })),
            part("GET", &format!("{key}?fields=Title"), json!(null)),
            part("DELETE", &format!("/services/data/{key}"), json!(null)),
            part("GET", "/v34.0/limits", json!(null)),
        ],
    );
    assert!(!has_errors);
    let statuses: Vec<_> = results.iter().map(|r| r["statusCode"].clone()).collect();
    assert_eq!(statuses, [201, 200, 200, 204, 200]);
    assert_eq!(results[0]["result"]["created"], true);
    assert_eq!(
        results[2]["result"]["Title"], "@{a.id}",
        "there are no references in a batch"
    );
    assert_eq!(results[3], json!({ "statusCode": 204, "result": null }));
    let stats = org.sandbox.stats();
    assert_eq!((stats.api_calls, stats.requests, stats.leads), (5, 2, 0));
    let entry = org.sandbox.requests().pop().unwrap();
    assert_eq!((entry.records, entry.keys), (3, vec!["1".to_owned(); 3]));
}

#[test]
fn a_failure_leaves_the_others_alone_unless_the_batch_is_to_halt() {
    let parts = [
        part("POST", LEAD, doe()),
        part("POST", LEAD, json!({ "LastName": "Doe" })),
        part("POST", LEAD, doe()),
        part("GET", &format!("{LEAD}/nobody"), json!(null)),
    ];
    let org = Org::demo();
    let (has_errors, first) = results(&org, false, &parts);
    assert!(has_errors);
    assert_eq!(first[2]["statusCode"], 201);
    check_refused(&first[1], 400, "REQUIRED_FIELD_MISSING");
    check_refused(&first[3], 404, "NOT_FOUND");
    assert_eq!(
        (org.sandbox.stats().leads, org.sandbox.stats().api_calls),
        (2, 4)
    );
    let (has_errors, second) = results(&org, true, &parts);
    assert!(has_errors);
    assert_eq!(second[0]["statusCode"], 201);
    check_refused(&second[1], 400, "REQUIRED_FIELD_MISSING");
    for result in &second[2..] {
        check_refused(result, 412, "BATCH_PROCESSING_HALTED");
    }
    let stats = org.sandbox.stats();
    assert_eq!(stats.leads, 3, "what was done before stays");
    assert_eq!(stats.api_calls, 6, "what was not done is not counted");
}

#[test]
fn each_subrequest_counts_as_a_call_and_is_refused_when_there_are_none_left() {
    let with = |mode| {
        Org::with(OrgConfig {
            daily_api_requests: 3,
            daily_api_mode: mode,
            ..OrgConfig::default()
        })
    };
    let parts = vec![part("POST", LEAD, doe()); 5];
    let org = with(QuotaMode::Hard);
    let answer = post(&org, false, &parts);
    assert_eq!(answer.header("sforce-limit-info"), Some("api-usage=3/3"));
    let results = answer.json()["results"].clone();
    for result in &results.as_array().unwrap()[3..] {
        check_refused(result, 403, "REQUEST_LIMIT_EXCEEDED");
        assert_eq!(
            result["result"][0]["message"],
            "TotalRequests Limit exceeded."
        );
    }
    assert_eq!(results[2]["statusCode"], 201);
    assert_eq!(org.sandbox.stats().leads, 3);
    check_error(
        &post(&org, false, &parts),
        403,
        "REQUEST_LIMIT_EXCEEDED",
        "TotalRequests",
    );
    let halted = with(QuotaMode::Hard);
    let answer = post(&halted, true, &parts).json();
    check_refused(&answer["results"][3], 403, "REQUEST_LIMIT_EXCEEDED");
    check_refused(&answer["results"][4], 412, "BATCH_PROCESSING_HALTED");
    let soft = with(QuotaMode::Soft);
    assert_eq!(post(&soft, false, &parts).json()["hasErrors"], false);
    assert_eq!(soft.sandbox.stats().api_calls, 5);
}

#[test]
fn the_headers_of_the_batch_are_those_of_its_subrequests() {
    let org = Org::with(OrgConfig {
        assignment_rule_owner: Some("005Hp00000000ZZIAY".into()),
        ..OrgConfig::default()
    });
    let ask = |switch: &str| {
        org.ask("POST", BATCH)
            .header("Sforce-Auto-Assign", switch)
            .json(&json!({ "batchRequests": [part("POST", LEAD, doe())] }))
            .send()
            .json()
    };
    ask("FALSE");
    ask("TRUE");
    let owners: Vec<_> = org
        .sandbox
        .leads()
        .into_iter()
        .map(|l| l.fields.get("OwnerId").cloned())
        .collect();
    assert_eq!(owners, [None, Some(json!("005Hp00000000ZZIAY"))]);
}

#[test]
fn malformed_batches_are_refused_before_anything_is_done() {
    let org = Org::demo();
    let good = || part("POST", LEAD, doe());
    let with = |name: &str, value: Value| {
        let mut bad = good();
        bad[name] = value;
        json!({ "batchRequests": [good(), bad] })
    };
    let must = "The request must hold a list batchRequests";
    let url = "The url of a subrequest must start with a version from v34.0 to v67.0:";
    for (body, text) in [
        (json!({}), must),
        (json!({ "batchRequests": [] }), must),
        (
            json!({ "batchRequests": [good()], "allOrNone": true }),
            "Unrecognized field \"allOrNone\"",
        ),
        (with("body", json!({})), "Unrecognized field \"body\""),
        (
            with("referenceId", json!("a")),
            "Unrecognized field \"referenceId\"",
        ),
        (
            with("method", json!("get")),
            "The method of a subrequest is none of",
        ),
        (
            with("method", json!(null)),
            "Missing required field: method",
        ),
        (with("url", json!(null)), "Missing required field: url"),
        (with("url", json!("v33.0/limits")), url),
        (with("url", json!("v68.0/limits")), url),
        (with("url", json!("67.0/limits")), url),
        (with("url", json!("sobjects/Lead")), url),
        (
            with(
                "url",
                json!("https://org.example/services/data/v67.0/limits"),
            ),
            url,
        ),
        (with("url", json!("")), url),
        (
            with("binaryPartName", json!("x")),
            "Binary parts are not supported",
        ),
        (
            with("binaryPartNameAlias", json!("x")),
            "Binary parts are not supported",
        ),
    ] {
        let answer = org.ask("POST", BATCH).json(&body).send();
        check_error(&answer, 400, "JSON_PARSER_ERROR", text);
    }
    let many = vec![good(); 26];
    check_error(
        &post(&org, false, &many),
        400,
        "LIMIT_EXCEEDED",
        "The request can’t contain more than 25 operations.",
    );
    assert_eq!(org.sandbox.stats().leads, 0);
    assert_eq!(results(&org, false, &many[..25]).1.len(), 25);
}

#[test]
fn no_subrequest_may_be_of_a_later_version_than_its_batch() {
    let org = Org::demo();
    let ask = |version: &str, url: &str| {
        org.ask("POST", &format!("/services/data/{version}/composite/batch"))
            .json(&json!({ "batchRequests": [part("GET", url, json!(null))] }))
            .send()
    };
    assert_eq!(ask("v34.0", "v34.0/sobjects").status, 200);
    check_error(
        &ask("v34.0", "v35.0/sobjects"),
        400,
        "JSON_PARSER_ERROR",
        "The url of a subrequest",
    );
    check_error(&ask("v33.0", "v33.0/sobjects"), 404, "NOT_FOUND", "");
    let get = org.get(BATCH);
    check_error(&get, 405, "METHOD_NOT_ALLOWED", "");
    assert_eq!(get.header("allow"), Some("POST"));
}

#[test]
fn resources_that_are_no_part_of_a_batch_are_refused() {
    let org = Org::demo();
    let urls = [
        "v67.0/composite",
        "v67.0/composite/batch",
        "v67.0",
        "v67.0/jobs/ingest",
    ];
    let parts: Vec<Value> = urls.iter().map(|url| part("POST", url, doe())).collect();
    let (has_errors, results) = results(&org, false, &parts);
    assert!(has_errors);
    for result in &results {
        check_refused(result, 400, "PROCESSING_HALTED");
    }
    let collection = part(
        "PATCH",
        "v67.0/composite/sobjects/Lead/MySQL_Id__c",
        json!({ "records": [lead("1")] }),
    );
    let results = post(&org, false, &[collection]).json();
    assert_eq!(results["results"][0]["result"][0]["created"], true);
}
