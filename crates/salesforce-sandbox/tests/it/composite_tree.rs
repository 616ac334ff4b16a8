//! `/composite/tree/Lead`: up to 200 new leads, all or none (facts 4).
use salesforce_sandbox::{Action, Endpoint, Fault};
use serde_json::{Value, json};

use crate::harness::{Answer, Org, check_error};

const TREE: &str = "/services/data/v67.0/composite/tree/Lead";

fn record(reference: &str, more: Value) -> Value {
    let mut record = json!({ "attributes": { "type": "Lead", "referenceId": reference }, "LastName": "Doe", "Company": "Acme" });
    record
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    record
}

fn post(org: &Org, records: &[Value]) -> Answer {
    org.ask("POST", TREE)
        .json(&json!({ "records": records }))
        .send()
}

#[track_caller]
fn check_refused(org: &Org, records: &[Value], expected: &[(&str, Value)]) {
    let answer = post(org, records);
    assert_eq!(answer.status, 400, "{}", answer.json());
    let results: Vec<Value> = expected
        .iter()
        .map(|(reference, errors)| json!({ "referenceId": reference, "errors": errors }))
        .collect();
    assert_eq!(
        answer.json(),
        json!({ "hasErrors": true, "results": results })
    );
    assert_eq!(org.sandbox.stats().leads, 0);
}

fn error(code: &str, message: &str, fields: &[&str]) -> Value {
    json!({ "statusCode": code, "message": message, "fields": fields })
}

#[test]
fn records_are_created_together_and_told_by_their_reference_ids() {
    let org = Org::demo();
    let answer = post(
        &org,
        &[
            record("r1", json!({})),
            record("r2", json!({ "MySQL_Id__c": "2" })),
        ],
    );
    assert_eq!(answer.status, 201);
    let leads = org.sandbox.leads();
    let expected = json!({ "hasErrors": false, "results": [
        { "referenceId": "r1", "id": leads[0].id }, { "referenceId": "r2", "id": leads[1].id },
    ] });
    assert_eq!(answer.json(), expected);
    let stats = org.sandbox.stats();
    assert_eq!((stats.records_created, stats.api_calls), (2, 1));
}

#[test]
fn one_refused_record_undoes_all_and_is_the_only_one_told() {
    let org = Org::demo();
    let email = error(
        "INVALID_EMAIL_ADDRESS",
        "Email: invalid email address: 123",
        &["Email"],
    );
    let unknown = error(
        "INVALID_FIELD",
        "No such column 'Leads' on sobject of type Lead",
        &[],
    );
    let children = json!({ "Leads": { "records": [record("r4", json!({}))] } });
    check_refused(
        &org,
        &[
            record("r1", json!({})),
            record("r2", json!({ "Email": "123" })),
            record("r3", children),
        ],
        &[("r2", json!([email])), ("r3", json!([unknown]))],
    );
    let other = record(
        "r1",
        json!({ "attributes": { "type": "Account", "referenceId": "r1" } }),
    );
    let untyped = record("r2", json!({ "attributes": { "referenceId": "r2" } }));
    check_refused(
        &org,
        &[other, untyped],
        &[
            (
                "r1",
                json!([error(
                    "INVALID_TYPE",
                    "sObject type 'Account' is not supported.",
                    &[]
                )]),
            ),
            (
                "r2",
                json!([error(
                    "INVALID_INPUT",
                    "Include an entity type for each record in the request.",
                    &[]
                )]),
            ),
        ],
    );
}

#[test]
fn every_record_needs_a_reference_id_of_its_own() {
    let org = Org::demo();
    let twice = |reference: &str| {
        let found = format!("Duplicate ReferenceId found: {reference}");
        json!([
            error(
                "INVALID_INPUT",
                "Duplicate ReferenceId provided in the request.",
                &[]
            ),
            error("PROCESSING_HALTED", &found, &[]),
        ])
    };
    let records = ["a", "b", "a", "c", "b", "a"].map(|reference| record(reference, json!({})));
    check_refused(&org, &records, &[("a", twice("a")), ("b", twice("b"))]);
    let without = record("a", json!({ "attributes": { "type": "Lead" } }));
    check_error(
        &post(&org, &[record("b", json!({})), without]),
        400,
        "INVALID_INPUT",
        "Include a reference ID for each record in the request.",
    );
}

#[test]
fn trees_have_1_to_200_records_and_exist_since_version_34() {
    let org = Org::demo();
    let many: Vec<Value> = (0..201)
        .map(|n| record(&format!("r{n}"), json!({})))
        .collect();
    check_error(
        &post(&org, &many),
        400,
        "EXCEEDED_ID_LIMIT",
        "record limit reached. cannot submit more than 200 records into this call",
    );
    check_error(
        &post(&org, &[]),
        400,
        "REQUIRED_FIELD_MISSING",
        "At least 1 record is required",
    );
    assert_eq!(post(&org, &many[..200]).status, 201);
    let at = |path: &str| {
        org.ask("POST", path)
            .json(&json!({ "records": [record("a", json!({}))] }))
            .send()
    };
    assert_eq!(at("/services/data/v34.0/composite/tree/Lead").status, 201);
    for path in [
        "/services/data/v33.0/composite/tree/Lead",
        "/services/data/v67.0/composite/tree/Account",
        "/services/data/v67.0/composite/tree",
    ] {
        check_error(
            &at(path),
            404,
            "NOT_FOUND",
            "The requested resource does not exist",
        );
    }
    check_error(&org.get(TREE), 405, "METHOD_NOT_ALLOWED", "");
}

#[test]
fn a_tree_meets_the_faults_of_composite_calls() {
    let org = Org::demo();
    org.sandbox.faults().add(
        Fault::new(Action::Html {
            status: 503,
            commit: true,
        })
        .on(Endpoint::Composite)
        .times(1),
    );
    assert_eq!(post(&org, &[record("a", json!({}))]).status, 503);
    assert_eq!(org.sandbox.stats().leads, 1);
}
