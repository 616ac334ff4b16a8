//! Duplicate rules (facts 7.3, 8).
use serde_json::{Value, json};

use super::{BY_KEY, LEAD, body, id_of, org, save, shown};
use crate::harness::{check_accepted, check_refused, lead_with};

const ALERT: &str = "
    [[duplicate_rules]]
    match = ['Email']
";
const BLOCK: &str = "
    [[duplicate_rules]]
    name = 'Same_Person'
    match = ['FirstName', 'LastName', 'Company']
    action = 'block'
    message = 'We know this person.'
    matching_rule = 'By_Name'
";
const HEADER: &str = "Sforce-Duplicate-Rule-Header";

fn mail(address: &str) -> Value {
    json!({ "Email": address })
}

#[track_caller]
fn check_duplicate(result: &Value) {
    check_refused(
        result,
        "DUPLICATES_DETECTED",
        "Use one of these records?",
        &[],
    );
}

#[test]
fn an_upsert_that_would_insert_a_duplicate_is_refused() {
    let org = org(ALERT);
    check_accepted(&save(&org, "1", mail("ada@example.com")), true);
    check_duplicate(&save(&org, "2", mail("ADA@example.com")));
    check_accepted(&save(&org, "1", mail("ada@example.com")), false);
    check_accepted(&save(&org, "3", mail("grace@example.com")), true);
    check_accepted(&save(&org, "4", json!({})), true);
    check_accepted(&save(&org, "5", json!({})), true);
}

#[test]
fn a_single_record_is_told_which_leads_it_duplicates() {
    let org = org(ALERT);
    save(&org, "1", mail("ada@example.com"));
    let id = id_of(&org, "1");
    let answer = org.patch(&format!("{BY_KEY}/2"), &body(mail("ada@example.com")));
    assert_eq!(answer.status, 400);
    let expected = json!([{
        "duplicateResut": {
            "allowSave": true,
            "duplicateRule": "Lead_Duplicate_Rule_1",
            "duplicateRuleEntityType": "Lead",
            "errorMessage": "Use one of these records?",
            "matchResults": [{
                "entityType": "Lead", "errors": [], "matchEngine": "FuzzyMatchEngine",
                "matchRecords": [{
                    "additionalInformation": [], "fieldDiffs": [], "matchConfidence": 100.0,
                    "record": { "attributes": { "type": "Lead", "url": format!("{LEAD}/{id}") }, "Id": id },
                }],
                "rule": "Lead_Matching_Rule_1", "size": 1, "success": true,
            }],
        },
        "errorCode": "DUPLICATES_DETECTED",
        "message": "Use one of these records?",
    }]);
    assert_eq!(answer.json(), expected);
}

#[test]
fn the_key_of_the_details_can_be_spelt_right_and_the_leads_be_shown_in_full() {
    let org = org(&format!(
        "duplicate_result_key = 'duplicateResult'\n{ALERT}"
    ));
    save(&org, "1", mail("ada@example.com"));
    let answer = org
        .ask("PATCH", &format!("{BY_KEY}/2"))
        .header(HEADER, "includeRecordDetails=true")
        .json(&body(mail("ada@example.com")))
        .send();
    let error = answer.json()[0].clone();
    assert_eq!(error.get("duplicateResut"), None);
    let record = &error["duplicateResult"]["matchResults"][0]["matchRecords"][0]["record"];
    assert_eq!(record["Id"], id_of(&org, "1").as_str());
    assert_eq!(record["LastName"], "Doe");
    assert_eq!(record["Email"], "ada@example.com");
}

#[test]
fn the_client_may_save_past_an_alert_but_not_past_a_block() {
    let org = org(&format!("{ALERT}{BLOCK}"));
    let person = |email: &str, name: &str| json!({ "Email": email, "FirstName": name });
    save(&org, "1", person("ada@example.com", "Ada"));
    let send = |key: &str, fields: Value, header: &str| {
        let ask = org
            .collection(&[lead_with(key, fields)])
            .header(HEADER, header);
        ask.send().json()[0].clone()
    };
    let other = || person("ada@example.com", "Grace");
    check_duplicate(&send("2", other(), "allowSave=false"));
    let all = "allowSave=true, includeRecordDetails=true, runAsCurrentUser=true";
    check_accepted(&send("2", other(), all), true);
    check_accepted(&send("2", other(), "allowSave=true"), false);
    let result = send("3", person("new@example.com", "ADA"), "allowSave=true");
    check_refused(&result, "DUPLICATES_DETECTED", "We know this person.", &[]);
    let answer = org.patch(
        &format!("{BY_KEY}/3"),
        &body(person("new@example.com", " Ada ")),
    );
    let details = &answer.json()[0]["duplicateResut"];
    assert_eq!(details["allowSave"], false);
    assert_eq!(details["duplicateRule"], "Same_Person");
    assert_eq!(details["matchResults"][0]["rule"], "By_Name");
}

#[test]
fn the_header_is_known_since_version_52() {
    let org = org(ALERT);
    save(&org, "1", mail("ada@example.com"));
    for (version, status) in [(51, 400), (52, 201)] {
        let path = format!("/services/data/v{version}.0/composite/sobjects/Lead/MySQL_Id__c");
        let records = [lead_with(&version.to_string(), mail("ada@example.com"))];
        let ask = org.ask("PATCH", &path).header(HEADER, "allowSave=true");
        let answer = ask.json(&json!({ "records": records })).send();
        assert_eq!(answer.json()[0]["success"], version == 52);
        let path = format!("/services/data/v{version}.0/sobjects/Lead/MySQL_Id__c/2");
        let ask = org.ask("PATCH", &path).header(HEADER, "allowSave=true");
        assert_eq!(
            ask.json(&body(mail("ada@example.com"))).send().status,
            status
        );
    }
}

#[test]
fn updates_are_looked_at_when_they_change_the_fields_that_match() {
    let org = org(ALERT);
    save(&org, "1", mail("ada@example.com"));
    save(&org, "2", mail("grace@example.com"));
    check_duplicate(&save(&org, "2", mail("ada@example.com")));
    assert_eq!(shown(&org, "2")["Email"], "grace@example.com");
    check_accepted(&save(&org, "2", mail("GRACE@example.com")), false);
    check_accepted(&save(&org, "1", mail("alan@example.com")), false);
    check_accepted(&save(&org, "2", mail("ada@example.com")), false);
    let only_new = super::org(&format!("{ALERT} on_update = false"));
    save(&only_new, "1", mail("ada@example.com"));
    save(&only_new, "2", json!({}));
    check_accepted(&save(&only_new, "2", mail("ada@example.com")), false);
    check_duplicate(&save(&only_new, "3", mail("ada@example.com")));
    let only_old = super::org(&format!("{ALERT} on_create = false"));
    save(&only_old, "1", mail("ada@example.com"));
    check_accepted(&save(&only_old, "2", mail("ada@example.com")), true);
}

#[test]
fn records_of_one_call_are_not_held_against_each_other() {
    let org = org(ALERT);
    let same = || mail("ada@example.com");
    let results = org.upsert(&[lead_with("1", same()), lead_with("2", same())]);
    results
        .iter()
        .for_each(|result| check_accepted(result, true));
    let answer = org.patch(&format!("{BY_KEY}/3"), &body(same()));
    assert_eq!(
        answer.json()[0]["duplicateResut"]["matchResults"][0]["size"],
        2
    );
}

#[test]
fn deleted_leads_and_what_was_undone_are_nobodys_duplicates() {
    let org = org(ALERT);
    save(&org, "1", mail("ada@example.com"));
    let id = id_of(&org, "1");
    org.sandbox.administrator().delete(&id).unwrap();
    let bad = json!({ "Email": "ada@example.com", "Company": null });
    let answer = org.patch(
        crate::harness::COLLECTIONS,
        &json!({ "allOrNone": true,
                 "records": [lead_with("2", mail("ada@example.com")), lead_with("3", bad)] }),
    );
    assert_eq!(answer.json()[0]["success"], false);
    check_accepted(&save(&org, "4", mail("ada@example.com")), true);
    org.sandbox.administrator().undelete(&id).unwrap();
    let answer = org.patch(&format!("{BY_KEY}/5"), &body(mail("ada@example.com")));
    let matches = &answer.json()[0]["duplicateResut"]["matchResults"][0];
    assert_eq!(matches["size"], 2, "what is brought back counts again");
}

#[test]
fn validation_rules_come_before_duplicate_rules_and_those_before_uniqueness() {
    let org = org(&format!(
        "{ALERT}
        [[validation_rules]]
        name = 'No_Title'
        condition = 'Title = \"x\"'
        message = 'no'
        [[fields]]
        name = 'MySQL_Id__c'
        external_id = true
        unique = true
        [[fields]]
        name = 'Badge__c'
        unique = true
        "
    ));
    save(
        &org,
        "1",
        json!({ "Email": "ada@example.com", "Badge__c": "7" }),
    );
    let result = save(
        &org,
        "2",
        json!({ "Email": "ada@example.com", "Badge__c": "7", "Title": "x" }),
    );
    check_refused(&result, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no", &[]);
    check_duplicate(&save(
        &org,
        "2",
        json!({ "Email": "ada@example.com", "Badge__c": "7" }),
    ));
    let result = save(&org, "2", json!({ "Badge__c": "7" }));
    assert_eq!(result["errors"][0]["statusCode"], "DUPLICATE_VALUE");
}
