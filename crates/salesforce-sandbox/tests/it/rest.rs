//! The front door: versions, sessions, unknown things, sizes, encodings (facts 0.14, 1.7, 6, 8).
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use salesforce_sandbox::OrgConfig;
use serde_json::json;

use crate::harness::{COLLECTIONS, Org, check_accepted, check_error, lead};

#[test]
fn the_list_of_versions_needs_no_session_and_carries_no_limit_header() {
    let org = Org::demo();
    let answer = org.ask_anonymously("GET", "/services/data").send();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("sforce-limit-info"), None);
    let list = answer.json();
    assert_eq!(
        list[0],
        json!({ "label": "Summer '14", "url": "/services/data/v31.0", "version": "31.0" })
    );
    assert_eq!(
        list[36],
        json!({ "label": "Summer '26", "url": "/services/data/v67.0", "version": "67.0" })
    );
    assert_eq!(list[35]["label"], "Spring '26");
    assert_eq!(list[34]["label"], "Winter '26");
}

#[test]
fn callable_versions_answer_retired_ones_are_gone_and_future_ones_unknown() {
    let org = Org::demo();
    for version in ["v31.0", "v45.0", "v67.0"] {
        let map = org.get(&format!("/services/data/{version}"));
        assert_eq!(map.status, 200);
        assert_eq!(
            map.json()["sobjects"],
            format!("/services/data/{version}/sobjects")
        );
    }
    check_error(
        &org.get("/services/data/v30.0/limits"),
        410,
        "GONE",
        "API version 30.0",
    );
    for version in ["v68.0", "67.0", "v67", "latest"] {
        let answer = org.get(&format!("/services/data/{version}/limits"));
        check_error(
            &answer,
            404,
            "NOT_FOUND",
            "The requested resource does not exist",
        );
    }
}

#[test]
fn calls_without_a_usable_session_are_refused_with_401() {
    let org = Org::demo();
    let path = "/services/data/v67.0/limits";
    let with = |value: &str| {
        org.ask_anonymously("GET", path)
            .header("Authorization", value)
            .send()
    };
    check_error(
        &org.ask_anonymously("GET", path).send(),
        401,
        "INVALID_SESSION_ID",
        "Session expired or invalid",
    );
    check_error(
        &with("Bearer 00D!nobody"),
        401,
        "INVALID_SESSION_ID",
        "Session expired or invalid",
    );
    check_error(
        &with("nonsense"),
        401,
        "INVALID_AUTH_HEADER",
        "INVALID_HEADER_TYPE",
    );
    assert_eq!(with(&format!("OAuth {}", org.token)).status, 200);
}

#[test]
fn unknown_resources_methods_and_content_types_are_refused_as_json_arrays() {
    let org = Org::demo();
    for path in [
        "/nowhere",
        "/services/data/v67.0/nowhere",
        "/services/data/v67.0/sobjects/Account",
        "/services/data/v67.0/composite/sobjects/Account/MySQL_Id__c",
        "/services/data/v67.0/sobjects/Lead/a/b/c",
    ] {
        check_error(
            &org.ask("PATCH", path).json(&json!({})).send(),
            404,
            "NOT_FOUND",
            "The requested resource does not exist",
        );
    }
    let answer = org.ask("PUT", COLLECTIONS).json(&json!({})).send();
    check_error(
        &answer,
        405,
        "METHOD_NOT_ALLOWED",
        "HTTP Method 'PUT' not allowed. Allowed are PATCH",
    );
    assert_eq!(answer.header("allow"), Some("PATCH"));
    for path in [
        COLLECTIONS,
        "/services/data/v67.0/sobjects/Lead/MySQL_Id__c/1",
    ] {
        let answer = org.ask("PATCH", path).body("text/plain", "{}").send();
        check_error(&answer, 415, "UNSUPPORTED_MEDIA_TYPE", "The content type");
    }
}

#[test]
fn bodies_are_taken_chunked_and_packed_and_replies_are_packed_on_request() {
    let org = Org::demo();
    let records: Vec<_> = (0..50).map(|n| lead(&n.to_string())).collect();
    let body = json!({ "records": records }).to_string();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_bytes()).unwrap();
    let answer = org
        .ask("PATCH", COLLECTIONS)
        .header("Content-Encoding", "gzip")
        .header("Accept-Encoding", "deflate, gzip;q=0.5")
        .body("application/json; charset=utf-8", encoder.finish().unwrap())
        .chunked()
        .send();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    GzDecoder::new(&answer.body[..])
        .read_to_string(&mut text)
        .unwrap();
    let results: serde_json::Value = serde_json::from_str(&text).unwrap();
    check_accepted(&results[49], true);
    assert_eq!(
        org.sandbox
            .requests()
            .last()
            .unwrap()
            .content_encoding
            .as_deref(),
        Some("gzip")
    );
    let broken = org
        .ask("PATCH", COLLECTIONS)
        .header("Content-Encoding", "gzip")
        .body("application/json", body)
        .send();
    check_error(
        &broken,
        400,
        "JSON_PARSER_ERROR",
        "The request body could not be unpacked",
    );
}

#[test]
fn bodies_over_the_limit_are_refused_packed_or_not() {
    let org = Org::with(OrgConfig {
        max_request_bytes: 1000,
        ..OrgConfig::default()
    });
    let large = json!({ "records": [lead(&"x".repeat(2000))] }).to_string();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(large.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    assert!(packed.len() < 1000);
    let ask = || org.ask("PATCH", COLLECTIONS);
    for answer in [
        ask().body("application/json", large.clone()).send(),
        ask().body("application/json", large).chunked().send(),
        ask()
            .header("Content-Encoding", "gzip")
            .body("application/json", packed)
            .send(),
    ] {
        check_error(
            &answer,
            400,
            "EXCEEDED_MAX_SIZE_REQUEST",
            "Maximum size of request reached",
        );
    }
    assert_eq!(org.sandbox.stats().leads, 0);
}

#[test]
fn uris_and_headers_over_the_limit_are_refused() {
    let org = Org::demo();
    let long = format!("/services/data/v67.0/limits?x={}", "y".repeat(16_384));
    check_error(&org.get(&long), 414, "URI_TOO_LONG", "");
    let headers = org
        .ask("GET", "/services/data/v67.0/limits")
        .header("X-Much", &"y".repeat(16_384))
        .send();
    check_error(&headers, 431, "REQUEST_HEADER_FIELDS_TOO_LARGE", "");
}

#[test]
fn pretty_printing_indents_with_a_space_before_the_colon() {
    let org = Org::demo();
    let answer = org
        .ask("GET", "/services/data/v67.0/limits")
        .header("X-PrettyPrint", "1")
        .send();
    assert!(
        String::from_utf8(answer.body)
            .unwrap()
            .contains("\n  \"DailyApiRequests\" : {")
    );
}
