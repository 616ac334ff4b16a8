//! Which values convert, which refuse their record, and how they are kept (facts 3.5, 7.1, 9.1).
use serde_json::{Value, json};

use super::{BY_KEY, LEAD, body, org, save, shown};
use crate::harness::{Org, check_accepted, check_refused};

#[track_caller]
fn check_refusal(fields: Value, code: &str, message: &str) {
    let org = Org::demo();
    let name = fields.as_object().unwrap().keys().next().unwrap().clone();
    check_refused(&save(&org, "1", fields), code, message, &[&name]);
}

#[test]
fn a_checkbox_cannot_be_empty_and_says_so_for_its_record_alone() {
    check_refusal(
        json!({ "Newsletter__c": null }),
        "INVALID_TYPE_ON_FIELD_IN_RECORD",
        "Newsletter: value not of required type: ",
    );
}

#[test]
fn dates_before_1700_and_after_4000_refuse_their_record() {
    check_refusal(
        json!({ "Birthday__c": "1699-12-31" }),
        "FIELD_INTEGRITY_EXCEPTION",
        "Birthday: invalid date: Thu Dec 31 00:00:00 GMT 1699",
    );
    check_refusal(
        json!({ "Signup_At__c": "4001-01-01T00:00:00Z" }),
        "FIELD_INTEGRITY_EXCEPTION",
        "Signup At: invalid date: Mon Jan 01 00:00:00 GMT 4001",
    );
    let org = Org::demo();
    let edge = json!({ "Birthday__c": "1700-01-01", "Signup_At__c": "4000-12-31T23:59:59.999Z" });
    check_accepted(&save(&org, "1", edge), true);
}

#[test]
fn datetimes_are_taken_in_every_documented_form_and_dates_with_a_zone() {
    let org = Org::demo();
    for (written, stored) in [
        ("2026-07-01T10:00:00Z", "2026-07-01T10:00:00.000+0000"),
        ("2026-07-01T10:00:00.5+0200", "2026-07-01T08:00:00.500+0000"),
        (
            "2026-07-01T10:00:00.123456-11:30",
            "2026-07-01T21:30:00.123+0000",
        ),
    ] {
        save(&org, "1", json!({ "Signup_At__c": written }));
        assert_eq!(shown(&org, "1")["Signup_At__c"], stored, "{written}");
    }
    for written in ["2026-07-01", "2026-07-01Z", "2026-07-01+0200"] {
        save(&org, "1", json!({ "Birthday__c": written }));
        assert_eq!(shown(&org, "1")["Birthday__c"], "2026-07-01", "{written}");
    }
}

#[test]
fn coordinates_have_ranges_and_come_in_pairs() {
    let org = Org::demo();
    let range = "value outside of valid range on numeric field";
    let result = save(&org, "1", json!({ "Latitude": -90.5, "Longitude": 0 }));
    let text = format!("Latitude: {range}: -90.5");
    check_refused(&result, "NUMBER_OUTSIDE_VALID_RANGE", &text, &["Latitude"]);
    let result = save(&org, "1", json!({ "Latitude": 0, "Longitude": 180.5 }));
    let text = format!("Longitude: {range}: 180.5");
    check_refused(&result, "NUMBER_OUTSIDE_VALID_RANGE", &text, &["Longitude"]);
    let missing = |result: &Value, name: &str| {
        let text = format!("{name} value is missing : {name}");
        check_refused(result, "FIELD_INTEGRITY_EXCEPTION", &text, &[name]);
    };
    missing(
        &save(&org, "1", json!({ "Latitude": -17.366_435 })),
        "Longitude",
    );
    missing(
        &save(&org, "1", json!({ "Longitude": -66.175_709 })),
        "Latitude",
    );
    let pair = json!({ "Latitude": -17.366_435, "Longitude": -66.175_709 });
    check_accepted(&save(&org, "1", pair), true);
    check_accepted(&save(&org, "1", json!({ "Latitude": 90 })), false);
    missing(&save(&org, "1", json!({ "Longitude": null })), "Longitude");
    let neither = json!({ "Latitude": null, "Longitude": null });
    check_accepted(&save(&org, "1", neither), false);
    check_accepted(&save(&org, "1", json!({ "Latitude": null })), false);
}

#[test]
fn any_text_is_kept_as_it_is_but_for_its_edges() {
    let org = Org::demo();
    let texts = ["tab\tand\nline", "👩‍👩‍👧 Zoë", "\u{feff}x", "e\u{301}"];
    for text in texts {
        check_accepted(&save(&org, "1", json!({ "City": text })), text == texts[0]);
        assert_eq!(shown(&org, "1")["City"], text);
    }
    // Halves of a character pair are no text.
    let bad = "{\"records\":[{\"attributes\":{\"type\":\"Lead\"},\"MySQL_Id__c\":\"1\",\"City\":\"\\ud800\"}]}";
    let ask = org.ask("PATCH", crate::harness::COLLECTIONS);
    let answer = ask.body("application/json", bad).send();
    crate::harness::check_error(&answer, 400, "JSON_PARSER_ERROR", "");
    let huge = "{\"records\":[{\"attributes\":{\"type\":\"Lead\"},\"MySQL_Id__c\":\"1\",\"AnnualRevenue\":1e999}]}";
    let ask = org.ask("PATCH", crate::harness::COLLECTIONS);
    let answer = ask.body("application/json", huge).send();
    crate::harness::check_error(&answer, 400, "JSON_PARSER_ERROR", "");
}

#[test]
fn numbers_of_every_type_have_their_ranges() {
    let org = org("
        [[fields]]
        name = 'MySQL_Id__c'
        external_id = true
        unique = true
        [[fields]]
        name = 'Share__c'
        type = 'percent'
        precision = 5
        scale = 2
        ");
    let result = save(&org, "1", json!({ "Share__c": 1000 }));
    let text = "Share: value outside of valid range on numeric field: 1000";
    check_refused(&result, "NUMBER_OUTSIDE_VALID_RANGE", text, &["Share__c"]);
    // Decimals beyond the scale are kept by the API.
    check_accepted(&save(&org, "1", json!({ "Share__c": 99.987_654 })), true);
    assert_eq!(shown(&org, "1")["Share__c"], 99.987_654);
    check_accepted(&save(&org, "1", json!({ "Share__c": "-0.0" })), false);
    assert_eq!(shown(&org, "1")["Share__c"], 0.0);
    check_accepted(
        &save(&org, "1", json!({ "NumberOfEmployees": 42.0 })),
        false,
    );
    assert_eq!(shown(&org, "1")["NumberOfEmployees"], 42);
}

#[test]
fn phones_and_urls_are_not_judged() {
    let org = Org::demo();
    let fields = json!({ "Phone": "none of your business", "Website": "::::" });
    check_accepted(&save(&org, "1", fields), true);
}

const PICKLISTS: &str = "
    [[fields]]
    name = 'MySQL_Id__c'
    external_id = true
    unique = true
    [[fields]]
    name = 'Plan__c'
    type = 'picklist'
    picklist_values = ['Free', 'Team']
    inactive_picklist_values = ['Gold']
    restricted_picklist = true
    [[fields]]
    name = 'Topics__c'
    type = 'multipicklist'
    picklist_values = ['Data', 'Cloud', 'Ops']
    restricted_picklist = true
    [[fields]]
    name = 'Tags__c'
    type = 'multipicklist'
";

#[test]
fn restricted_picklists_take_their_active_values_in_any_case() {
    let org = org(PICKLISTS);
    check_accepted(&save(&org, "1", json!({ "Plan__c": "tEAM" })), true);
    assert_eq!(shown(&org, "1")["Plan__c"], "Team");
    let result = save(&org, "1", json!({ "Plan__c": "Gold" }));
    let text = "Plan: bad value for restricted picklist field: Gold";
    check_refused(
        &result,
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        text,
        &["Plan__c"],
    );
    let describe = org.get(&format!("{LEAD}/describe")).json();
    let fields = describe["fields"].as_array().unwrap();
    let plan = fields.iter().find(|f| f["name"] == "Plan__c").unwrap();
    let values: Vec<(&Value, &Value)> = plan["picklistValues"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (&v["value"], &v["active"]))
        .collect();
    assert_eq!(
        values,
        [
            (&json!("Free"), &json!(true)),
            (&json!("Team"), &json!(true)),
            (&json!("Gold"), &json!(false))
        ]
    );
}

#[test]
fn multi_select_picklists_hold_each_value_once() {
    let org = org(PICKLISTS);
    let fields = json!({ "Topics__c": "cloud; Data;;Cloud", "Tags__c": "a;b;a" });
    check_accepted(&save(&org, "1", fields), true);
    let lead = shown(&org, "1");
    assert_eq!(
        (&lead["Topics__c"], &lead["Tags__c"]),
        (&json!("Cloud;Data"), &json!("a;b"))
    );
    let result = save(&org, "1", json!({ "Topics__c": "Data;Paper" }));
    let text = "Topics: bad value for restricted picklist field: Paper";
    check_refused(
        &result,
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        text,
        &["Topics__c"],
    );
    check_accepted(
        &save(&org, "1", json!({ "Topics__c": ";", "Tags__c": null })),
        false,
    );
    let lead = shown(&org, "1");
    assert_eq!(
        (&lead["Topics__c"], &lead["Tags__c"]),
        (&json!(null), &json!(null))
    );
}

#[test]
fn a_status_of_converted_leads_converts_nothing() {
    let converted = json!({ "Status": "Closed - Converted" });
    let org = Org::demo();
    check_accepted(&save(&org, "1", converted.clone()), true);
    assert_eq!(shown(&org, "1")["IsConverted"], false);
    let strict = super::org("refuse_converted_status = true");
    let result = save(&strict, "1", converted.clone());
    let text = "invalid status: Closed - Converted";
    check_refused(&result, "INVALID_STATUS", text, &["Status"]);
    check_accepted(&save(&strict, "1", json!({})), true);
    check_refused(
        &save(&strict, "1", converted),
        "INVALID_STATUS",
        text,
        &["Status"],
    );
    let both = json!({ "Status": "Closed - Converted", "IsConverted": true });
    check_accepted(&save(&strict, "2", both), true);
}

#[test]
fn several_reasons_of_one_step_are_told_together() {
    let org = Org::demo();
    let answer = org.patch(
        &format!("{BY_KEY}/1"),
        &body(json!({ "Company": null, "CreatedDate": "2026-01-01T00:00:00Z" })),
    );
    assert_eq!(answer.status, 400);
    let codes: Vec<Value> = answer
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["errorCode"].clone())
        .collect();
    assert_eq!(
        codes,
        ["INVALID_FIELD_FOR_INSERT_UPDATE", "REQUIRED_FIELD_MISSING"]
    );
}
