//! `/composite`: subrequests that refer to each other, all or none on demand (facts 4).
use std::thread;

use salesforce_sandbox::OrgConfig;
use serde_json::{Value, json};

use crate::harness::{Answer, Org, check_accepted, check_error, check_refused, lead, lead_with};

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
fn check_status(response: &Value, status: u16) {
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
fn check_rolled_back(response: &Value) {
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
fn with_all_or_none_one_failure_undoes_everything_and_stops_the_rest() {
    let org = Org::demo();
    org.upsert(&[lead("old")]);
    let before = org.sandbox.leads();
    let id = &before[0].id;
    let good = |n: usize| {
        [
            part(&format!("new{n}"), "POST", LEAD, doe()),
            part(
                &format!("set{n}"),
                "PATCH",
                &format!("{LEAD}/{id}"),
                json!({ "Title": "CTO" }),
            ),
            part(
                &format!("many{n}"),
                "POST",
                INSERT,
                json!({ "records": [lead(&format!("{n}"))] }),
            ),
        ]
    };
    let failures = [
        (
            part("bad", "POST", LEAD, json!({ "LastName": "Doe" })),
            "REQUIRED_FIELD_MISSING",
        ),
        (
            part("bad", "GET", &format!("{LEAD}/@{{new1.none}}"), json!(null)),
            "PROCESSING_HALTED",
        ),
        (
            part("bad", "GET", &format!("{LEAD}/nobody"), json!(null)),
            "NOT_FOUND",
        ),
        (
            part(
                "bad",
                "PATCH",
                &format!("{LEAD}/{id}"),
                json!({ "Foo__c": 1 }),
            ),
            "INVALID_FIELD",
        ),
    ];
    for (bad, code) in failures {
        let mut parts = good(1).to_vec();
        parts.push(bad);
        parts.extend(good(2));
        parts.push(part("gone", "DELETE", &format!("{LEAD}/{id}"), json!(null)));
        let responses = responses(&org, true, &parts);
        for (i, response) in responses.iter().enumerate() {
            if i == 3 {
                assert_eq!(response["body"][0]["errorCode"], code, "{response}");
            } else {
                check_rolled_back(response);
            }
        }
        assert_eq!(org.sandbox.leads(), before);
    }
    let log = org.sandbox.requests();
    let entry = log.last().unwrap();
    assert_eq!((entry.records, &entry.keys), (3, &vec![]));
    assert_eq!(entry.committed_monotonic_micros, None);
    let stats = org.sandbox.stats();
    assert_eq!(
        (stats.leads, stats.records_created, stats.records_upserted),
        (1, 1, 1)
    );
    let after = responses(&org, true, &good(3));
    check_status(&after[2], 200);
    assert_eq!(
        org.sandbox.stats().leads,
        3,
        "what was undone is not in the way"
    );
}

#[test]
fn the_outer_flag_overrides_the_inner_one_but_inner_results_may_still_say_success() {
    let all = |outer: bool, inner: bool| {
        let org = Org::demo();
        let records = [
            lead("1"),
            json!({ "attributes": { "type": "Lead" }, "LastName": "Doe" }),
        ];
        let parts = [
            part(
                "many",
                "POST",
                INSERT,
                json!({ "allOrNone": inner, "records": records }),
            ),
            part("one", "POST", LEAD, doe()),
        ];
        (responses(&org, outer, &parts), org.sandbox.leads().len())
    };
    let missing = "Required fields are missing: [Company]";
    let check = |outer: bool, inner: bool, leads: usize| {
        let (responses, kept) = all(outer, inner);
        check_status(&responses[0], 200);
        let results = &responses[0]["body"];
        check_refused(&results[1], "REQUIRED_FIELD_MISSING", missing, &["Company"]);
        if inner {
            assert_eq!(
                results[0]["errors"][0]["statusCode"],
                "ALL_OR_NONE_OPERATION_ROLLED_BACK"
            );
        } else {
            assert_eq!(results[0]["success"], true, "although it may be undone");
        }
        if outer {
            check_rolled_back(&responses[1]);
        } else {
            check_status(&responses[1], 201);
        }
        assert_eq!(kept, leads, "outer {outer}, inner {inner}");
    };
    check(false, false, 2);
    check(false, true, 1);
    check(true, true, 0);
    check(true, false, 0);
}

#[test]
fn nobody_sees_a_call_with_all_or_none_half_done() {
    let org = Org::demo();
    let parts: Vec<Value> = (0..5)
        .map(|n| {
            let records: Vec<Value> = (0..40).map(|k| lead(&format!("{n}-{k}"))).collect();
            part(
                &format!("r{n}"),
                "PATCH",
                UPSERT,
                json!({ "records": records }),
            )
        })
        .chain([part("bad", "POST", LEAD, json!({}))])
        .collect();
    thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    (0..20).for_each(|_| check_rolled_back(&responses(&org, true, &parts)[0]))
                })
            })
            .collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            assert_eq!(org.sandbox.leads().len(), 0);
        }
    });
    assert_eq!(org.sandbox.stats().records_created, 0);
}

#[test]
fn five_collections_of_200_are_one_call() {
    let org = Org::demo();
    let parts: Vec<Value> = (0..5)
        .map(|n| {
            let records: Vec<Value> = (0..200).map(|k| lead(&format!("{n}-{k}"))).collect();
            part(
                &format!("r{n}"),
                "PATCH",
                UPSERT,
                json!({ "records": records }),
            )
        })
        .collect();
    let responses = responses(&org, true, &parts);
    check_accepted(&responses[4]["body"][199], true);
    let stats = org.sandbox.stats();
    assert_eq!((stats.leads, stats.api_calls), (1000, 1));
    let log = org.sandbox.requests();
    assert_eq!(log.last().unwrap().keys.len(), 1000);
}

#[test]
fn too_many_subrequests_are_answered_with_one_result_of_none_of_them() {
    let org = Org::demo();
    let check = |parts: &[Value], text: &str| {
        let answer = post(&org, true, parts);
        assert_eq!(answer.status, 200);
        let expected = json!({ "compositeResponse": [{
            "body": [{ "errorCode": "LIMIT_EXCEEDED", "message": text }],
            "httpHeaders": {}, "httpStatusCode": 400, "referenceId": null,
        }] });
        assert_eq!(answer.json(), expected);
    };
    let many: Vec<Value> = (0..26)
        .map(|n| part(&format!("r{n}"), "POST", LEAD, doe()))
        .collect();
    check(&many, "The request can’t contain more than 25 operations.");
    assert_eq!(responses(&org, true, &many[..25]).len(), 25);
    let id = org.sandbox.leads()[0].id.clone();
    let urls = [
        UPSERT.to_owned(),
        format!("{INSERT}?ids={id}"),
        "/services/data/v67.0/query?q=x".to_owned(),
        "/services/data/v66.0/queryAll/?q=x".to_owned(),
        format!("{INSERT}/Lead?ids={id}&fields=Id"),
        "/services/data/v67.0/query/0r8".to_owned(),
    ];
    let mut mixed: Vec<Value> = urls
        .iter()
        .enumerate()
        .map(|(n, url)| part(&format!("r{n}"), "GET", url, json!(null)))
        .collect();
    check(
        &mixed,
        "The request can’t contain more than 5 query and collection operations.",
    );
    mixed[5] = part("r5", "GET", &format!("{LEAD}/{id}"), json!(null));
    assert_eq!(
        post(&org, false, &mixed).json()["compositeResponse"]
            .as_array()
            .unwrap()
            .len(),
        6
    );
    assert_eq!(org.sandbox.stats().leads, 25);
}

#[test]
fn ill_formed_reference_ids_refuse_the_call_since_version_52_and_lead_nowhere_before() {
    let org = Org::demo();
    let ask = |version: u32, id: &str| {
        let parts = [
            part(id, "POST", LEAD, doe()),
            part("after", "GET", &format!("{LEAD}/@{{{id}.id}}"), json!(null)),
        ];
        org.ask("POST", &format!("/services/data/v{version}.0/composite"))
            .json(&json!({ "compositeRequest": parts }))
            .send()
    };
    for id in ["_a", "a-b", "a[1]", "a.b", "é", "", " a"] {
        let text = format!(
            "Provided referenceId ('{id}') must start with a letter or a number, and it can contain only letters, \
             numbers and underscores ('_')."
        );
        check_error(&ask(52, id), 400, "JSON_PARSER_ERROR", &text);
        let before = ask(51, id).json();
        assert_eq!(before["compositeResponse"][0]["referenceId"], id);
        check_status(&before["compositeResponse"][0], 201);
        let halted = format!("Invalid reference specified. No value for {id}.id found in");
        check_failed(
            &before["compositeResponse"][1],
            400,
            "PROCESSING_HALTED",
            &halted,
        );
    }
    for id in ["a", "1", "A_1_"] {
        let fine = ask(67, id).json();
        check_status(&fine["compositeResponse"][1], 200);
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
fn what_the_text_of_a_call_is_wrong_in_refuses_it_before_anything_is_done() {
    let org = Org::demo();
    let good = || part("a", "POST", LEAD, doe());
    let with = |name: &str, value: Value| {
        let mut bad = part("b", "POST", LEAD, doe());
        bad[name] = value;
        json!({ "compositeRequest": [good(), bad] })
    };
    let without = |name: &str| {
        let mut bad = part("b", "POST", LEAD, doe());
        bad.as_object_mut().unwrap().remove(name);
        json!({ "compositeRequest": [good(), bad] })
    };
    let must = "The request must hold a list `compositeRequest`";
    let method = "The method of a subrequest is none of DELETE, GET, PATCH, POST, PUT:";
    let url = "The url of a subrequest must start with /services/data/vXX.X/:";
    for (body, text) in [
        (json!({}), must),
        (json!({ "compositeRequest": [] }), must),
        (json!({ "compositeRequest": null }), must),
        (json!({ "compositeRequest": {} }), "Cannot deserialize"),
        (json!({ "compositeRequest": [7] }), "Cannot deserialize"),
        (
            json!({ "compositeRequest": [good()], "allOrNone": "maybe" }),
            "Cannot deserialize",
        ),
        (
            json!({ "compositeRequest": [good()], "haltOnError": true }),
            "Unrecognized field \"haltOnError\"",
        ),
        (json!([good()]), "Cannot deserialize"),
        (
            with("richInput", json!({})),
            "Unrecognized field \"richInput\"",
        ),
        (with("referenceId", json!("a")), "Duplicate referenceId: a"),
        (
            without("referenceId"),
            "Missing required field: referenceId",
        ),
        (without("method"), "Missing required field: method"),
        (without("url"), "Missing required field: url"),
        (with("method", json!("post")), method),
        (with("method", json!("OPTIONS")), method),
        (
            with(
                "url",
                json!("https://org.example/services/data/v67.0/limits"),
            ),
            url,
        ),
        (with("url", json!("v67.0/limits")), url),
        (with("url", json!("/services/oauth2/token")), url),
        (
            with("httpHeaders", json!({ "Accept": "x" })),
            "The header Accept can't be specified",
        ),
        (
            with("httpHeaders", json!({ "AUTHORIZATION": "x" })),
            "The header AUTHORIZATION can't",
        ),
        (
            with("httpHeaders", json!({ "content-type": "x" })),
            "The header content-type can't",
        ),
        (
            with("httpHeaders", json!({ "a b": "x" })),
            "The header a b of a subrequest is malformed",
        ),
        (
            with("httpHeaders", json!({ "a": "x\ny" })),
            "The header a of a subrequest is malformed",
        ),
        (
            with("httpHeaders", json!({ "a": "x".repeat(17_000) })),
            "The headers of a subrequest are longer",
        ),
        (with("httpHeaders", json!(["a"])), "Cannot deserialize"),
    ] {
        let answer = org.ask("POST", COMPOSITE).json(&body).send();
        check_error(&answer, 400, "JSON_PARSER_ERROR", text);
    }
    let raw = |text: &str| {
        org.ask("POST", COMPOSITE)
            .body("application/json", text)
            .send()
    };
    check_error(
        &raw(""),
        400,
        "JSON_PARSER_ERROR",
        "The HTTP entity body is required",
    );
    check_error(
        &raw("{\"compositeRequest\":["),
        400,
        "JSON_PARSER_ERROR",
        "Unexpected end-of-input",
    );
    check_error(
        &raw("{\"compositeRequest\":[}"),
        400,
        "JSON_PARSER_ERROR",
        "Unexpected character",
    );
    let unlabelled = org.ask("POST", COMPOSITE).body("text/plain", "{}").send();
    check_error(&unlabelled, 415, "UNSUPPORTED_MEDIA_TYPE", "");
    assert_eq!(org.sandbox.stats().leads, 0);
    let flags = json!({ "allOrNone": "TRUE", "collateSubrequests": false, "compositeRequest": [good(), part("b", "POST", LEAD, json!({}))] });
    let answer = org.ask("POST", COMPOSITE).json(&flags).send().json();
    check_rolled_back(&answer["compositeResponse"][0]);
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
fn resources_that_are_no_part_of_a_call_are_refused() {
    let org = Org::demo();
    for below in [
        "composite",
        "composite/batch",
        "composite/tree/Lead",
        "jobs/ingest",
        "nowhere",
    ] {
        let url = format!("/services/data/v67.0/{below}");
        let response = &responses(&org, false, &[part("a", "POST", &url, doe())])[0];
        check_failed(
            response,
            400,
            "PROCESSING_HALTED",
            &format!("The resource /{below} is not supported"),
        );
    }
    let url = format!("{LEAD}/{}", "x".repeat(17_000));
    let response = &responses(&org, false, &[part("a", "GET", &url, json!(null))])[0];
    check_failed(response, 414, "URI_TOO_LONG", "");
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
fn what_references_multiply_to_is_bounded() {
    let org = Org::with(OrgConfig {
        max_request_bytes: 60_000,
        ..OrgConfig::default()
    });
    org.upsert(&[lead_with("1", json!({ "Description": "x".repeat(30_000) }))]);
    let id = org.sandbox.leads()[0].id.clone();
    let show = part(
        "row",
        "GET",
        &format!("{LEAD}/{id}?fields=Description"),
        json!(null),
    );
    let twice = part(
        "twice",
        "PATCH",
        &format!("{LEAD}/{id}"),
        json!({ "Description": "@{row.Description}" }),
    );
    let mut thrice = twice.clone();
    thrice["referenceId"] = json!("thrice");
    let bomb = part(
        "bomb",
        "PATCH",
        &format!("{LEAD}/{id}"),
        json!({ "Description": "@{row.Description}".repeat(2000) }),
    );
    let responses = responses(&org, false, &[show, twice, thrice, bomb]);
    check_status(&responses[1], 204);
    check_failed(&responses[2], 400, "EXCEEDED_MAX_SIZE_REQUEST", "");
    check_failed(&responses[3], 400, "EXCEEDED_MAX_SIZE_REQUEST", "");
}

#[test]
fn bodies_of_any_depth_are_answered() {
    let org = Org::demo();
    let deep = |inner: &str| format!("{}{inner}{}", "[".repeat(200_000), "]".repeat(200_000));
    let call = |body: &str| {
        let text = format!(
            "{{\"compositeRequest\":[{{\"referenceId\":\"a\",\"method\":\"POST\",\"url\":\"{LEAD}\",\"body\":{body}}}]}}"
        );
        let answer = org
            .ask("POST", COMPOSITE)
            .body("application/json", text)
            .send();
        answer.json()["compositeResponse"][0].clone()
    };
    check_failed(&call(&deep("1")), 400, "JSON_PARSER_ERROR", "");
    check_failed(&call(&deep("\"@{a.id}\"")), 400, "JSON_PARSER_ERROR", "");
    let field = format!("{{\"Title\":{}}}", deep("1"));
    check_failed(
        &call(&field),
        400,
        "JSON_PARSER_ERROR",
        "Cannot deserialize instance of string",
    );
}

#[test]
fn the_resources_of_the_family_are_listed_as_each_version_has_them() {
    let org = Org::demo();
    let list = org.get(COMPOSITE);
    assert_eq!(
        list.json(),
        json!({ "tree": format!("{COMPOSITE}/tree"), "batch": format!("{COMPOSITE}/batch"),
                "sobjects": format!("{COMPOSITE}/sobjects"), "graph": format!("{COMPOSITE}/graph") })
    );
    let names = |version: u32| {
        let json = org
            .get(&format!("/services/data/v{version}.0/composite"))
            .json();
        json.as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(names(34), ["batch", "tree"]);
    assert_eq!(names(42), ["batch", "sobjects", "tree"]);
    assert_eq!(org.get("/services/data/v33.0/composite").status, 404);
    let body = json!({ "compositeRequest": [part("a", "GET", LEAD, json!(null))] });
    let post = |version: u32| {
        org.ask("POST", &format!("/services/data/v{version}.0/composite"))
            .json(&body)
            .send()
    };
    assert_eq!((post(38).status, post(37).status), (200, 405));
    let other = org.ask("PATCH", COMPOSITE).json(&body).send();
    check_error(&other, 405, "METHOD_NOT_ALLOWED", "");
    assert_eq!(other.header("allow"), Some("GET,HEAD,POST"));
}
