//! Odd questions and mistaken ones: each gets an answer that says what is wrong, or the one that the platform gives.
use serde_json::{Value, json};

use crate::harness::{COLLECTIONS, Org, check_accepted, check_error, lead_with};

const LEADS: &str = "/services/data/v67.0/sobjects/Lead";

#[track_caller]
fn told(org: &Org, path: &str, body: &Value) -> String {
    let answer = org.control("POST", path).json(body).send();
    assert_eq!(answer.status, 400, "{answer:?}");
    answer.json()[0]["message"].as_str().unwrap().to_owned()
}

#[test]
fn mistakes_in_control_requests_name_key_and_range() {
    let org = Org::demo();
    assert_eq!(
        told(&org, "clock", &json!({ "advance_seconds": -1 })),
        "advance_seconds: must be a whole number, 0 or more, not -1"
    );
    assert!(
        told(
            &org,
            "clock",
            &json!({ "advance_seconds": 3_155_760_001_u64 })
        )
        .starts_with("advance_seconds: must be 0 to 3155760000, not 3155760001")
    );
    assert_eq!(
        told(&org, "usage", &json!({ "api_calls": 1_000_000_001 })),
        "api_calls: must be 0 to 1000000000, not 1000000001"
    );
    assert_eq!(
        told(&org, "leads/00Q/lock", &json!({ "writes": "x" })),
        "writes: must be a whole number from 0 to 4294967295, not \"x\""
    );
    for path in ["leads/xx/convert", "leads/xx/undelete"] {
        let answer = org.control("POST", path).send();
        check_error(&answer, 404, "NOT_FOUND", "there is no lead xx");
    }
    check_error(
        &org.control("GET", "leads/xx").send(),
        404,
        "NOT_FOUND",
        "there is no lead xx",
    );
}

#[test]
fn the_clock_goes_no_further_than_a_century_and_tells_the_time_in_words() {
    let org = Org::demo();
    let advanced = org
        .control("POST", "clock")
        .json(&json!({ "advance_seconds": 3_155_760_000_u64 }))
        .send();
    assert_eq!(advanced.status, 200);
    let now = org.show("clock")["now"].as_str().unwrap().to_owned();
    assert!(now.starts_with("21") && now.contains('T'), "{now}");
    assert!(
        told(&org, "clock", &json!({ "advance_seconds": 1 }))
            .starts_with("advance_seconds: must be 0 to 0")
    );
}

#[test]
fn a_truncated_body_is_no_json_whatever_its_fields_are() {
    let org = Org::demo();
    let send = |method: &str, path: &str, body: &str| {
        org.ask(method, path).body("application/json", body).send()
    };
    for body in ["{\"foo\":", "{\"foo\":1", "{\"foo\":1,,}"] {
        check_error(
            &send("POST", LEADS, body),
            400,
            "JSON_PARSER_ERROR",
            "Unexpected",
        );
    }
    let list = "{\"records\":[{\"attributes\":{\"type\":\"Lead\"},\"foo\":1}";
    check_error(
        &send("PATCH", COLLECTIONS, list),
        400,
        "JSON_PARSER_ERROR",
        "Unexpected end-of-input",
    );
    check_error(
        &send("POST", LEADS, "{\"foo\":1}"),
        400,
        "INVALID_FIELD",
        "No such column 'foo'",
    );
}

#[test]
fn a_number_of_18_digits_fits_and_nul_characters_are_left_out() {
    let org = Org::demo();
    let more = json!({ "AnnualRevenue": 999_999_999_999_999_999_u64, "Title": "a\u{0}b\u{0}" });
    check_accepted(&org.upsert(&[lead_with("1", more)])[0], true);
    let lead = org.get(&format!("{LEADS}/MySQL_Id__c/1")).json();
    assert_eq!(lead["AnnualRevenue"].as_f64(), Some(1e18));
    assert_eq!(lead["Title"], "ab");
    let long = json!({ "AnnualRevenue": 2e18 });
    let refused = &org.upsert(&[lead_with("2", long)])[0];
    assert_eq!(
        refused["errors"][0]["statusCode"],
        "NUMBER_OUTSIDE_VALID_RANGE"
    );
}

#[test]
fn keys_that_no_text_can_be_are_not_found() {
    let org = Org::demo();
    for key in ["a%00", "%FF%FE", "%0A"] {
        let answer = org.patch(
            &format!("{LEADS}/MySQL_Id__c/{key}"),
            &json!({ "LastName": "Doe", "Company": "Acme" }),
        );
        check_error(
            &answer,
            404,
            "NOT_FOUND",
            "The requested resource does not exist",
        );
    }
    assert_eq!(org.show("leads"), json!([]));
}

#[test]
fn urls_in_answers_lead_somewhere_or_to_a_plain_404() {
    let org = Org::demo();
    let jobs = org.get("/services/data/v67.0/jobs");
    assert_eq!(jobs.status, 200);
    for (_, url) in jobs.json().as_object().unwrap() {
        assert_eq!(org.get(url.as_str().unwrap()).status, 200, "{url}");
    }
    let described = org.get(&format!("{LEADS}/describe")).json();
    for (name, url) in described["urls"].as_object().unwrap() {
        let answer = org.get(url.as_str().unwrap());
        match name.as_str() {
            "rowTemplate" => {}
            "layouts" | "compactLayouts" => {
                check_error(
                    &answer,
                    404,
                    "NOT_FOUND",
                    "The requested resource does not exist",
                );
            }
            _ => assert_eq!(answer.status, 200, "{name}"),
        }
    }
    let fields = described["fields"].as_array().unwrap();
    for field in fields {
        assert_eq!(field["aiPredictionField"], false);
        assert_eq!(field.as_object().unwrap().len(), 57, "{field}");
    }
}

#[test]
fn a_full_name_is_longer_where_names_have_more_parts() {
    let length = |config: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, config.as_bytes()).unwrap();
        let org = Org::with(salesforce_sandbox::OrgConfig::load(file.path()).unwrap());
        let described = org.get(&format!("{LEADS}/describe")).json();
        let fields = described["fields"].as_array().unwrap();
        let name = fields.iter().find(|field| field["name"] == "Name").unwrap();
        name["length"].clone()
    };
    assert_eq!(length("fields = []"), 121);
    assert_eq!(length("[[fields]]\nname = 'MiddleName'\nlength = 40"), 203);
}

#[test]
fn a_token_error_says_what_it_usually_says() {
    let org = Org::demo();
    let answered = |action: Value| {
        let fault = json!({ "on": "token", "times": 1, "action": action });
        assert_eq!(
            org.control("POST", "faults").json(&fault).send().status,
            201
        );
        org.login_form("grant_type=client_credentials").json()
    };
    assert_eq!(
        answered(json!({ "kind": "token_error", "error": "invalid_client_id" })),
        json!({ "error": "invalid_client_id", "error_description": "client identifier invalid" })
    );
    assert_eq!(
        answered(
            json!({ "kind": "token_error", "error": "invalid_client_id", "description": null })
        ),
        json!({ "error": "invalid_client_id" })
    );
    assert_eq!(
        answered(json!({ "kind": "token_error", "error": "server_error" })),
        json!({ "error": "server_error" })
    );
}
