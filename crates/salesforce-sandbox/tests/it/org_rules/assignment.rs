//! Assignment rules (facts 0.4, 8).
use serde_json::{Value, json};

use super::{org, shown};
use crate::harness::{Org, check_error, check_refused, lead_with};

const QUEUE: &str = "00GHp0000000001";
const USER: &str = "005Hp0000000U01";
const DEFAULT: &str = "005Hp0000000U02";
const OTHER: &str = "005Hp0000000U03";

fn rules() -> Org {
    org(&format!(
        "
        assignment_rule_owner = '{DEFAULT}'
        [[assignment_rules]]
        id = '01QHp00000Inact'
        [[assignment_rules.entries]]
        owner = '{OTHER}'
        [[assignment_rules]]
        id = '01QHp0000Active'
        active = true
        [[assignment_rules.entries]]
        condition = 'Country in (\"DE\", \"AT\")'
        owner = '{QUEUE}'
        [[assignment_rules.entries]]
        condition = 'AnnualRevenue >= 1000000'
        owner = '{USER}'
        "
    ))
}

#[track_caller]
fn check_owner(org: &Org, fields: Value, header: Option<&str>, owner: &str) {
    let mut ask = org.collection(&[lead_with("1", fields)]);
    if let Some(header) = header {
        ask = ask.header("Sforce-Auto-Assign", header);
    }
    let answer = ask.send();
    assert_eq!(answer.json()[0]["success"], true, "{}", answer.json());
    let found = shown(org, "1")["OwnerId"].as_str().unwrap().to_owned();
    assert_eq!((found.len(), &found[..15]), (18, owner));
}

#[test]
fn the_first_entry_that_applies_gives_the_owner_on_create_and_on_update() {
    let org = rules();
    check_owner(
        &org,
        json!({ "Country": "DE", "AnnualRevenue": 2e6 }),
        None,
        QUEUE,
    );
    check_owner(&org, json!({ "Country": "FR" }), Some("TRUE"), USER);
    check_owner(&org, json!({ "AnnualRevenue": 5 }), None, DEFAULT);
    check_owner(
        &org,
        json!({ "Country": "AT", "OwnerId": USER }),
        None,
        QUEUE,
    );
}

#[test]
fn the_header_switches_rules_off_or_names_one() {
    let org = rules();
    check_owner(&org, json!({ "OwnerId": USER }), Some("false"), USER);
    check_owner(
        &org,
        json!({ "Country": "DE" }),
        Some("01QHp00000Inact"),
        OTHER,
    );
    check_owner(&org, json!({}), Some("False"), OTHER);
    for wrong in ["01QHp0000000Not", "maybe", "005Hp0000000U01"] {
        let ask = org.collection(&[lead_with("1", json!({}))]);
        let answer = ask.header("Sforce-Auto-Assign", wrong).send();
        let text = format!("invalid assignment rule: {wrong}");
        check_error(&answer, 400, "INVALID_ASSIGNMENT_RULE", &text);
    }
    assert_eq!(
        org.sandbox.leads()[0].writes,
        3,
        "refused calls write nothing"
    );
}

#[test]
fn without_a_rule_nothing_is_assigned_and_no_rule_is_known() {
    let org = Org::demo();
    let ask = org.collection(&[lead_with("1", json!({}))]);
    let answer = ask.header("Sforce-Auto-Assign", "01QHp0000000001").send();
    check_error(&answer, 400, "INVALID_ASSIGNMENT_RULE", "");
    org.upsert(&[lead_with("1", json!({}))]);
    assert_eq!(shown(&org, "1")["OwnerId"], shown(&org, "1")["CreatedById"]);
}

#[test]
fn an_inactive_owner_fails_what_is_assigned_to_it() {
    let org = org(&format!(
        "
        assignment_rule_owner = '{DEFAULT}'
        [[owners]]
        id = '{DEFAULT}'
        active = false
        "
    ));
    let result = &org.upsert(&[lead_with("1", json!({}))])[0];
    let error = &result["errors"][0];
    assert_eq!(error["statusCode"], "INACTIVE_OWNER_OR_USER");
    let answer = org
        .collection(&[lead_with("1", json!({}))])
        .header("Sforce-Auto-Assign", "FALSE")
        .send();
    assert_eq!(answer.json()[0]["success"], true);
    assert_eq!(org.sandbox.stats().leads, 1);
}

#[test]
fn rules_are_asked_after_the_record_was_judged() {
    let org = org(&format!(
        "
        assignment_rule_owner = '{USER}'
        [[validation_rules]]
        name = 'No_Queue'
        condition = 'OwnerId begins \"00G\"'
        message = 'no'
        [[owners]]
        id = '{QUEUE}'
        "
    ));
    let result = &org.upsert(&[lead_with("1", json!({ "OwnerId": QUEUE }))])[0];
    check_refused(result, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no", &[]);
}
