//! What `/composite` refuses, as a whole or in part, and its limits (facts 4).
use salesforce_sandbox::OrgConfig;
use serde_json::{Value, json};

use crate::composite::{check_failed, check_rolled_back, check_status, doe, part, post, responses};
use crate::harness::{Org, check_error, lead_with};

const COMPOSITE: &str = "/services/data/v67.0/composite";
const LEAD: &str = "/services/data/v67.0/sobjects/Lead";
const UPSERT: &str = "/services/data/v67.0/composite/sobjects/Lead/MySQL_Id__c";
const INSERT: &str = "/services/data/v67.0/composite/sobjects";

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
    let must = "The request must hold a list compositeRequest";
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
    check_failed(&call(&deep("\"@{a.id}\"")), 400, "PROCESSING_HALTED", "");
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

#[test]
fn replies_are_bounded_too() {
    let org = Org::demo();
    org.upsert(&[lead_with("1", json!({ "Description": "x".repeat(32_000) }))]);
    let id = org.sandbox.leads()[0].id.clone();
    let many = |count: usize| json!({ "ids": vec![id.as_str(); count], "fields": ["Description"] });
    let path = format!("{INSERT}/Lead");
    let alone = org.ask("POST", &path).json(&many(1700)).send();
    check_error(
        &alone,
        400,
        "LIMIT_EXCEEDED",
        "The reply would be larger than 50 MB.",
    );
    let parts = [
        part("a", "POST", &path, many(1000)),
        part("b", "POST", &path, many(1000)),
        part("c", "POST", LEAD, doe()),
    ];
    let answered = responses(&org, false, &parts);
    assert_eq!(answered[0]["body"].as_array().unwrap().len(), 1000);
    check_failed(
        &answered[1],
        400,
        "LIMIT_EXCEEDED",
        "The reply would be larger",
    );
    check_status(&answered[2], 201);
}
