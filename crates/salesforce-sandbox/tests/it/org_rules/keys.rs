//! Keys: unique or not, of text or of numbers, with and without regard to case (facts 0.11, 0.12, 3.1, 10).
use salesforce_sandbox::{Action, Fault};
use serde_json::{Value, json};

use super::{LEAD, body, org};
use crate::harness::{Org, PATIENCE, check_accepted, check_error, check_refused};

const KEYS: &str = "
    [[fields]]
    name = 'Sensitive__c'
    external_id = true
    unique = true
    case_sensitive = true
    [[fields]]
    name = 'Plain__c'
    external_id = true
    [[fields]]
    name = 'Number__c'
    type = 'double'
    external_id = true
    unique = true
    [[fields]]
    name = 'Badge__c'
    unique = true
    label = 'Badge No'
";

#[track_caller]
fn upsert(org: &Org, field: &str, records: &[Value]) -> Vec<Value> {
    let records: Vec<Value> = records
        .iter()
        .map(|record| {
            let mut record = body(record.clone());
            record["attributes"] = json!({ "type": "Lead" });
            record
        })
        .collect();
    let path = format!("/services/data/v67.0/composite/sobjects/Lead/{field}");
    let answer = org.patch(&path, &json!({ "records": records }));
    assert_eq!(answer.status, 200);
    answer.json().as_array().unwrap().clone()
}

#[test]
fn only_a_unique_key_can_be_blind_to_case() {
    let org = org(KEYS);
    for field in ["Sensitive__c", "Plain__c"] {
        let results = upsert(
            &org,
            field,
            &[json!({ field: "key" }), json!({ field: "KEY" })],
        );
        results
            .iter()
            .for_each(|result| check_accepted(result, true));
        check_accepted(&upsert(&org, field, &[json!({ field: "KEY" })])[0], false);
    }
    assert_eq!(org.sandbox.stats().leads, 4);
    // Queries mind the case of unique fields alone.
    let count = |field: &str| {
        let path = format!("/services/data/v67.0/query?q=SELECT+Id+FROM+Lead+WHERE+{field}='key'");
        org.get(&path).json()["totalSize"].clone()
    };
    assert_eq!(
        (count("Plain__c"), count("Sensitive__c")),
        (json!(2), json!(1))
    );
}

#[test]
fn numbers_are_one_key_however_they_are_written() {
    let org = org(KEYS);
    check_accepted(
        &upsert(&org, "Number__c", &[json!({ "Number__c": 42 })])[0],
        true,
    );
    for same in [json!(42.0), json!("42"), json!(4.2e1), json!("42.00")] {
        check_accepted(
            &upsert(&org, "Number__c", &[json!({ "Number__c": same })])[0],
            false,
        );
    }
    for same in ["42", "42.0", "4.2e1"] {
        let path = format!("{LEAD}/Number__c/{same}");
        assert_eq!(org.patch(&path, &json!({ "Title": "CTO" })).status, 200);
    }
    let twice = [json!({ "Number__c": 7 }), json!({ "Number__c": 7.0 })];
    for result in upsert(&org, "Number__c", &twice) {
        let text = "Duplicate external id specified: 7";
        check_refused(&result, "DUPLICATE_VALUE", text, &["Number__c"]);
    }
    check_error(
        &org.patch(&format!("{LEAD}/Number__c/many"), &body(json!({}))),
        404,
        "NOT_FOUND",
        "Provided external ID field does not exist or is not accessible: many",
    );
}

#[test]
fn a_unique_value_belongs_to_one_lead_whatever_the_key_was() {
    let org = org(KEYS);
    let first = upsert(
        &org,
        "Plain__c",
        &[json!({ "Plain__c": "1", "Badge__c": "B7" })],
    );
    let id = first[0]["id"].as_str().unwrap();
    let text = format!("duplicate value found: Badge__c duplicates value on record with id: {id}");
    let results = upsert(
        &org,
        "Plain__c",
        &[
            json!({ "Plain__c": "2", "Badge__c": "b7" }),
            json!({ "Plain__c": "3", "Badge__c": "B8" }),
        ],
    );
    check_refused(&results[0], "DUPLICATE_VALUE", &text, &[]);
    check_accepted(&results[1], true);
    // The second record of a call finds the first in its way.
    let results = upsert(
        &org,
        "Plain__c",
        &[
            json!({ "Plain__c": "4", "Badge__c": "B9" }),
            json!({ "Plain__c": "5", "Badge__c": "B9" }),
        ],
    );
    check_accepted(&results[0], true);
    assert_eq!(results[1]["errors"][0]["statusCode"], "DUPLICATE_VALUE");
    // Given up, it is free.
    let results = upsert(
        &org,
        "Plain__c",
        &[
            json!({ "Plain__c": "1", "Badge__c": null }),
            json!({ "Plain__c": "2", "Badge__c": "B7" }),
        ],
    );
    check_accepted(&results[0], false);
    check_accepted(&results[1], true);
}

#[test]
fn both_callers_of_a_race_for_a_key_that_is_not_unique_insert() {
    let org = org(KEYS);
    let fault = Fault::new(Action::Hold {
        after_commit: false,
    });
    org.sandbox.faults().add(fault.times(1));
    let path = format!("{LEAD}/Plain__c/raced");
    let ask = org.ask("PATCH", &path).json(&body(json!({})));
    let slow = {
        let ask = ask.clone();
        std::thread::spawn(move || ask.send())
    };
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    assert_eq!(ask.send().status, 201);
    org.sandbox.faults().release_all();
    assert_eq!(slow.join().unwrap().status, 201);
    let again = ask.send();
    assert_eq!(
        (again.status, again.json().as_array().unwrap().len()),
        (300, 2)
    );
    let result = &upsert(&org, "Plain__c", &[json!({ "Plain__c": "raced" })])[0];
    let error = &result["errors"][0];
    assert_eq!(error["statusCode"], "DUPLICATE_EXTERNAL_ID");
    let text = error["message"].as_str().unwrap();
    assert!(text.starts_with("Plain: more than one record found for external id field: [00Q"));
}

#[test]
fn an_e_mail_address_is_a_key_in_any_case_and_not_unique() {
    let org = org(KEYS);
    let path = format!("{LEAD}/Email/Ada@Example.com");
    assert_eq!(org.patch(&path, &body(json!({}))).status, 201);
    let other = format!("{LEAD}/Email/ada@example.com");
    assert_eq!(org.patch(&other, &json!({ "Title": "CTO" })).status, 200);
    let created = org
        .ask("POST", LEAD)
        .json(&body(json!({ "Email": "ada@example.com" })))
        .send();
    assert_eq!(created.status, 201);
    assert_eq!(org.patch(&other, &json!({})).status, 300);
}

#[test]
fn a_key_of_very_many_leads_is_told_in_part() {
    let org = org(KEYS);
    for _ in 0..2 {
        let records: Vec<Value> = (0..200)
            .map(|n| json!({ "Number__c": n + org.sandbox.stats().leads as i64, "Plain__c": "same" }))
            .collect();
        upsert(&org, "Number__c", &records);
    }
    let answer = org.patch(&format!("{LEAD}/Plain__c/same"), &json!({}));
    assert_eq!(
        (answer.status, answer.json().as_array().unwrap().len()),
        (300, 200)
    );
}
