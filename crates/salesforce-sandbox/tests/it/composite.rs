//! `/composite`: subrequests that refer to each other, all or none on demand (facts 4).
use salesforce_sandbox::{AppConfig, OrgConfig};
use serde_json::{Value, json};

use crate::harness::{Answer, Org, check_accepted, lead, lead_with};

const COMPOSITE: &str = "/services/data/v67.0/composite";
const LEAD: &str = "/services/data/v67.0/sobjects/Lead";
const UPSERT: &str = "/services/data/v67.0/composite/sobjects/Lead/MySQL_Id__c";
const INSERT: &str = "/services/data/v67.0/composite/sobjects";
const ROLLED_BACK: &str =
    "The transaction was rolled back since another operation in the same transaction failed.";

/// A subrequest; GET and DELETE without a body.
pub fn part(id: &str, method: &str, url: &str, body: Value) -> Value {
    let mut part = json!({ "referenceId": id, "method": method, "url": url });
    if !body.is_null() {
        part["body"] = body;
    }
    part
}

pub fn doe() -> Value {
    json!({ "LastName": "Doe", "Company": "Acme" })
}

pub fn post(org: &Org, all_or_none: bool, parts: &[Value]) -> Answer {
    org.ask("POST", COMPOSITE)
        .json(&json!({ "allOrNone": all_or_none, "compositeRequest": parts }))
        .send()
}

/// Sends a call that is answered with 200 and returns its responses.
#[track_caller]
pub fn responses(org: &Org, all_or_none: bool, parts: &[Value]) -> Vec<Value> {
    let answer = post(org, all_or_none, parts);
    assert_eq!(answer.status, 200, "{}", answer.json());
    let responses = answer.json()["compositeResponse"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(responses.len(), parts.len());
    for (response, part) in responses.iter().zip(parts) {
        assert_eq!(response["referenceId"], part["referenceId"]);
        assert_eq!(response.as_object().unwrap().len(), 4, "{response}");
    }
    responses
}

#[track_caller]
pub fn check_status(response: &Value, status: u16) {
    assert_eq!(response["httpStatusCode"], status, "{response}");
}

/// A subrequest that was refused as a whole.
#[track_caller]
pub fn check_failed(response: &Value, status: u16, code: &str, message: &str) {
    check_status(response, status);
    assert_eq!(response["httpHeaders"], json!({}), "{response}");
    let errors = response["body"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{response}");
    assert_eq!(errors[0]["errorCode"], code, "{response}");
    let text = errors[0]["message"].as_str().unwrap();
    assert!(text.starts_with(message), "{response}");
}

#[track_caller]
pub fn check_rolled_back(response: &Value) {
    check_failed(response, 400, "PROCESSING_HALTED", ROLLED_BACK);
    assert_eq!(response["body"][0].get("fields"), None);
}

#[test]
fn subrequests_use_what_earlier_ones_were_answered() {
    let org = Org::demo();
    let parts = [
        part("new", "POST", LEAD, doe()),
        part(
            "change",
            "PATCH",
            &format!("{LEAD}/@{{new.id}}"),
            json!({ "Title": "for @{new.id}" }),
        ),
        part(
            "show",
            "GET",
            &format!("{LEAD}/@{{new.id}}?fields=Title,LastName"),
            json!(null),
        ),
        part(
            "copy",
            "POST",
            LEAD,
            json!({ "LastName": "@{show.LastName}", "Company": "@{show.attributes.type}s of @{show.Title}" }),
        ),
        part(
            "gone",
            "DELETE",
            &format!("{LEAD}/@{{new.id}}"),
            json!(null),
        ),
    ];
    for all_or_none in [false, true] {
        let responses = responses(&org, all_or_none, &parts);
        let leads = org.sandbox.leads();
        let id = responses[0]["body"]["id"].as_str().unwrap();
        let made = json!({
            "body": { "id": id, "success": true, "errors": [] },
            "httpHeaders": { "Location": format!("{LEAD}/{id}") },
            "httpStatusCode": 201,
            "referenceId": "new",
        });
        assert_eq!(responses[0], made);
        let silent = json!({ "body": null, "httpHeaders": {}, "httpStatusCode": 204, "referenceId": "change" });
        assert_eq!(responses[1], silent);
        assert_eq!(responses[2]["body"]["Title"], format!("for {id}"));
        check_status(&responses[3], 201);
        check_status(&responses[4], 204);
        let copy = leads.last().unwrap();
        assert_eq!(copy.id, responses[3]["body"]["id"].as_str().unwrap());
        assert_eq!(copy.fields["Company"], format!("Leads of for {id}"));
        assert_eq!(copy.fields["LastName"], "Doe");
    }
    let stats = org.sandbox.stats();
    assert_eq!((stats.leads, stats.api_calls), (2, 2), "a call counts once");
    assert_eq!(
        (
            stats.records_created,
            stats.records_upserted,
            stats.records_rejected
        ),
        (4, 6, 0)
    );
    let log = org.sandbox.requests();
    let entry = log.last().unwrap();
    assert_eq!((entry.records, entry.keys.len()), (4, 4));
    assert!(entry.committed_monotonic_micros.is_some());
}

#[test]
fn references_lead_into_lists_and_take_numbers_and_booleans() {
    let org = Org::demo();
    let first = lead_with(
        "a",
        json!({ "NumberOfEmployees": 7, "Newsletter__c": true, "Score__c": 1.5 }),
    );
    let parts = [
        part(
            "both",
            "PATCH",
            UPSERT,
            json!({ "records": [first, lead("b")] }),
        ),
        part(
            "rows",
            "GET",
            "/services/data/v67.0/composite/sobjects/Lead?ids=@{both[1].id},@{both[0].id}&fields=NumberOfEmployees,Newsletter__c,Score__c",
            json!(null),
        ),
        part(
            "copy",
            "PATCH",
            &format!("{LEAD}/@{{both[1].id}}"),
            json!({
                "NumberOfEmployees": "@{rows[1].NumberOfEmployees}", "Newsletter__c": "@{rows[1].Newsletter__c}",
                "Score__c": "@{rows[1].Score__c}", "Title": "@{both[0].created}",
            }),
        ),
    ];
    let responses = responses(&org, false, &parts);
    check_accepted(&responses[0]["body"][1], true);
    check_status(&responses[2], 204);
    let fields = &org.sandbox.leads()[1].fields;
    assert_eq!(fields["NumberOfEmployees"], 7);
    assert_eq!(fields["Newsletter__c"], true);
    assert_eq!(fields["Score__c"], 1.5);
    assert_eq!(fields["Title"], "true");
}

#[test]
fn without_all_or_none_a_failure_halts_only_those_who_refer_to_it() {
    let org = Org::demo();
    let parts = [
        part("bad", "POST", LEAD, json!({ "LastName": "Doe" })),
        part(
            "needy",
            "PATCH",
            &format!("{LEAD}/@{{bad.id}}"),
            json!({ "Title": "CTO" }),
        ),
        part(
            "curious",
            "POST",
            LEAD,
            json!({ "LastName": "@{bad[0].errorCode}", "Company": "Acme" }),
        ),
        part("fine", "POST", LEAD, doe()),
        part(
            "late",
            "PATCH",
            &format!("{LEAD}/@{{fine.id}}"),
            json!({ "Title": "@{needy.id}" }),
        ),
        part(
            "mixed",
            "POST",
            INSERT,
            json!({ "records": [{ "attributes": { "type": "Lead" } }, lead("1")] }),
        ),
        part(
            "second",
            "GET",
            &format!("{LEAD}/@{{mixed[1].id}}"),
            json!(null),
        ),
        part(
            "first",
            "GET",
            &format!("{LEAD}/@{{mixed[0].id}}"),
            json!(null),
        ),
    ];
    let responses = responses(&org, false, &parts);
    check_failed(
        &responses[0],
        400,
        "REQUIRED_FIELD_MISSING",
        "Required fields are missing: [Company]",
    );
    let none = |path: &str, id: &str| {
        format!("Invalid reference specified. No value for {path} found in {id}.")
    };
    check_failed(
        &responses[1],
        400,
        "PROCESSING_HALTED",
        &none("bad.id", "bad"),
    );
    check_failed(
        &responses[2],
        400,
        "PROCESSING_HALTED",
        &none("bad[0].errorCode", "bad"),
    );
    check_status(&responses[3], 201);
    check_failed(
        &responses[4],
        400,
        "PROCESSING_HALTED",
        &none("needy.id", "needy"),
    );
    check_status(&responses[5], 200);
    check_status(&responses[6], 200);
    check_failed(
        &responses[7],
        400,
        "PROCESSING_HALTED",
        &none("mixed[0].id", "mixed"),
    );
    let stats = org.sandbox.stats();
    assert_eq!(
        (stats.leads, stats.records_created, stats.records_rejected),
        (2, 2, 2)
    );
}

#[test]
fn references_to_what_is_not_there_yet_or_not_at_all_are_halted() {
    let org = Org::demo();
    for path in [
        "later.id",
        "self.id",
        "none.id",
        "first.Id",
        "first",
        "first.id.x",
        "first[0]",
        "",
        "first.",
    ] {
        let parts = [
            part("first", "POST", LEAD, doe()),
            part("self", "GET", &format!("{LEAD}/@{{{path}}}"), json!(null)),
            part("later", "POST", LEAD, doe()),
        ];
        let responses = responses(&org, false, &parts);
        let text = format!("Invalid reference specified. No value for {path} found in ");
        check_failed(&responses[1], 400, "PROCESSING_HALTED", &text);
        check_status(&responses[2], 201);
    }
}

#[test]
fn a_reference_to_null_is_null_since_version_52() {
    let org = Org::demo();
    org.upsert(&[lead_with("1", json!({ "Title": "CTO" }))]);
    let id = org.sandbox.leads()[0].id.clone();
    let ask = |version: u32| {
        let parts = [
            part(
                "row",
                "GET",
                &format!("{LEAD}/{id}?fields=FirstName"),
                json!(null),
            ),
            part(
                "set",
                "PATCH",
                &format!("{LEAD}/{id}"),
                json!({ "Title": "@{row.FirstName}", "Company": "x@{row.FirstName}y" }),
            ),
        ];
        let path = format!("/services/data/v{version}.0/composite");
        let answer = org
            .ask("POST", &path)
            .json(&json!({ "compositeRequest": parts }))
            .send();
        answer.json()["compositeResponse"][1].clone()
    };
    check_failed(
        &ask(51),
        400,
        "PROCESSING_HALTED",
        "Invalid reference specified. No value for row.FirstName found in row.",
    );
    check_status(&ask(52), 204);
    let fields = &org.sandbox.leads()[0].fields;
    assert_eq!(
        (fields.get("Title"), &fields["Company"]),
        (None, &json!("xy"))
    );
}

#[test]
fn a_subrequest_answers_as_the_same_request_by_itself() {
    let org = Org::demo();
    org.upsert(&[lead("1")]);
    let id = org.sandbox.leads()[0].id.clone();
    for (method, url, body) in [
        ("GET", format!("{LEAD}/{id}"), json!(null)),
        ("GET", LEAD.to_owned(), json!(null)),
        ("GET", format!("{LEAD}/describe"), json!(null)),
        (
            "GET",
            "/services/data/v67.0/sobjects".to_owned(),
            json!(null),
        ),
        ("GET", format!("{LEAD}/MySQL_Id__c/none"), json!(null)),
        (
            "GET",
            "/services/data/v30.0/sobjects".to_owned(),
            json!(null),
        ),
        (
            "GET",
            "/services/data/v99.0/sobjects".to_owned(),
            json!(null),
        ),
        ("GET", "/services/data/".to_owned(), json!(null)),
        (
            "PATCH",
            format!("{LEAD}/MySQL_Id__c/1"),
            json!({ "Title": "" }),
        ),
        (
            "PATCH",
            "/services/data/v45.0/sobjects/Lead/MySQL_Id__c/1".to_owned(),
            json!({ "Title": "" }),
        ),
        (
            "PATCH",
            format!("{LEAD}/MySQL_Id__c/1"),
            json!({ "Birthday__c": "soon" }),
        ),
        (
            "PATCH",
            UPSERT.to_owned(),
            json!({ "records": [lead("1"), lead("1")] }),
        ),
        ("PUT", UPSERT.to_owned(), json!({})),
        ("POST", LEAD.to_owned(), json!(null)),
    ] {
        let mut ask = org.ask(method, &url);
        if body.is_null() {
            ask = ask.body("application/json", "");
        } else {
            ask = ask.json(&body);
        }
        let alone = ask.send();
        let response = &responses(&org, false, &[part("a", method, &url, body)])[0];
        if url == "/services/data/" {
            check_failed(
                response,
                404,
                "NOT_FOUND",
                "The requested resource does not exist",
            );
            continue;
        }
        check_status(response, alone.status);
        let body = if alone.body.is_empty() {
            json!(null)
        } else {
            alone.json()
        };
        assert_eq!(response["body"], body, "{method} {url}");
    }
    let limits = part("a", "GET", "/services/data/v67.0/limits", json!(null));
    check_status(&responses(&org, false, &[limits])[0], 200);
}

#[test]
fn headers_are_those_of_the_subrequest_alone() {
    let rule_owner = "005Hp00000000ZZIAY";
    let org = Org::with(OrgConfig {
        assignment_rule_owner: Some(rule_owner.into()),
        ..OrgConfig::default()
    });
    let mut switched_off = part("off", "POST", LEAD, doe());
    switched_off["httpHeaders"] = json!({ "sforce-auto-assign": "FALSE" });
    let mut wrong = part("wrong", "POST", LEAD, doe());
    wrong["httpHeaders"] = json!({ "Sforce-Auto-Assign": "maybe" });
    let parts = [part("on", "POST", LEAD, doe()), switched_off, wrong];
    let answer = org
        .ask("POST", COMPOSITE)
        .header("Sforce-Auto-Assign", "FALSE")
        .json(&json!({ "compositeRequest": parts }))
        .send()
        .json();
    check_failed(
        &answer["compositeResponse"][2],
        400,
        "INVALID_ASSIGNMENT_RULE",
        "",
    );
    let leads = org.sandbox.leads();
    assert_eq!(
        leads[0].fields["OwnerId"], rule_owner,
        "the call's own header is for the call"
    );
    assert_eq!(leads[1].fields.get("OwnerId"), None);
}

#[test]
fn writes_are_in_the_name_of_the_user_who_sends_the_call() {
    let app = |client_id: &str, username: &str| AppConfig {
        client_id: client_id.into(),
        username: username.into(),
        ..AppConfig::default()
    };
    let mut org = Org::with(OrgConfig {
        apps: vec![
            app("leadstream-demo", "one@acme.example"),
            app("second", "two@acme.example"),
        ],
        ..OrgConfig::default()
    });
    let form =
        "grant_type=client_credentials&client_id=second&client_secret=leadstream-demo-secret";
    org.token = org.login_form(form).json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    for all_or_none in [false, true] {
        let parts = [
            part("new", "POST", LEAD, doe()),
            part(
                "row",
                "GET",
                &format!("{LEAD}/@{{new.id}}?fields=CreatedById"),
                json!(null),
            ),
        ];
        let row = &responses(&org, all_or_none, &parts)[1]["body"];
        assert_eq!(row["CreatedById"], "005Hp0000000002IAA");
    }
}

#[test]
fn queries_are_subrequests_and_their_rows_can_be_referred_to() {
    let org = Org::demo();
    let query = "/services/data/v67.0/query?q=SELECT+Id,LastName+FROM+Lead+WHERE+MySQL_Id__c+=+'1'";
    for all_or_none in [false, true] {
        let parts = [
            part("up", "PATCH", UPSERT, json!({ "records": [lead("1")] })),
            part("found", "GET", query, json!(null)),
            part(
                "set",
                "PATCH",
                &format!("{LEAD}/@{{found.records[0].Id}}"),
                json!({ "Title": "@{found.totalSize} of @{found.records[0].LastName}" }),
            ),
            part(
                "again",
                "GET",
                "/services/data/v67.0/query?q=SELECT+Title+FROM+Lead+WHERE+Id+=+'@{up[0].id}'",
                json!(null),
            ),
        ];
        let responses = responses(&org, all_or_none, &parts);
        check_status(&responses[2], 204);
        assert_eq!(responses[3]["body"]["records"][0]["Title"], "1 of Doe");
    }
}

#[test]
fn subrequests_show_their_etags_and_what_is_known_already_is_no_failure() {
    let org = Org::demo();
    let describe = format!("{LEAD}/describe");
    let first = &responses(&org, true, &[part("a", "GET", &describe, json!(null))])[0];
    let headers = &first["httpHeaders"];
    assert!(
        headers["ETag"].is_string() && headers["Last-Modified"].is_string(),
        "{headers}"
    );
    let mut known = part("a", "GET", &describe, json!(null));
    known["httpHeaders"] = json!({ "If-Modified-Since": headers["Last-Modified"] });
    let second = responses(&org, true, &[known, part("b", "POST", LEAD, doe())]);
    assert_eq!(second[0]["body"], json!(null));
    check_status(&second[0], 304);
    check_status(&second[1], 201);
}
