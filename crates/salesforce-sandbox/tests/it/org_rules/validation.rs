//! Validation rules (facts 7.1).
use serde_json::{Value, json};

use super::{BY_KEY, body, org, save};
use crate::harness::{check_accepted, check_refused, lead_with};

const RULES: &str = "
    [[validation_rules]]
    name = 'Revenue_And_Postal_Code'
    condition = 'AnnualRevenue < 0 or (Country = \"DE\" and PostalCode = null)'
    message = 'Bitte Umsatz und Postleitzahl prüfen.'
    field = 'postalcode'
    [[validation_rules]]
    name = 'Keep_The_Title'
    condition = 'not is_new() and is_changed(Title) and prior(Title) != null'
    message = 'The title stays.'
    [[validation_rules]]
    name = 'Nobody'
    active = false
    condition = 'LastName != null'
    message = 'never'
";

#[track_caller]
fn check_postal_code(result: &Value) {
    let text = "Bitte Umsatz und Postleitzahl prüfen.";
    check_refused(
        result,
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        text,
        &["PostalCode"],
    );
}

#[test]
fn a_rule_refuses_the_records_it_describes_with_the_administrators_words() {
    let org = org(RULES);
    let results = org.upsert(&[
        lead_with("1", json!({ "AnnualRevenue": -1 })),
        lead_with("2", json!({ "Country": "DE" })),
        lead_with("3", json!({ "Country": "DE", "PostalCode": "10115" })),
        lead_with("4", json!({})),
    ]);
    check_postal_code(&results[0]);
    check_postal_code(&results[1]);
    check_accepted(&results[2], true);
    check_accepted(&results[3], true);
}

#[test]
fn a_rule_sees_the_lead_as_it_will_be_and_as_it_was() {
    let org = org(RULES);
    save(
        &org,
        "1",
        json!({ "Country": "DE", "PostalCode": "10115", "Title": "CTO" }),
    );
    check_postal_code(&save(&org, "1", json!({ "PostalCode": "  " })));
    check_accepted(
        &save(&org, "1", json!({ "Title": "CTO", "City": "Berlin" })),
        false,
    );
    let result = save(&org, "1", json!({ "Title": "CEO" }));
    check_refused(
        &result,
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "The title stays.",
        &[],
    );
    let both = save(&org, "1", json!({ "Title": null, "PostalCode": null }));
    let errors = both["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2, "every rule is asked: {both}");
}

#[test]
fn a_rule_refuses_a_single_record_with_400() {
    let org = org(RULES);
    let answer = org.patch(
        &format!("{BY_KEY}/1"),
        &body(json!({ "AnnualRevenue": -1 })),
    );
    assert_eq!(answer.status, 400);
    let expected = json!([{ "message": "Bitte Umsatz und Postleitzahl prüfen.",
                            "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "fields": ["PostalCode"] }]);
    assert_eq!(answer.json(), expected);
}

#[test]
fn a_rule_knows_the_values_that_nobody_wrote() {
    let org = org(
        "
        [[validation_rules]]
        name = 'Defaults'
        condition = 'Status != \"Open - Not Contacted\" or IsConverted or OwnerId = null or Newsletter__c'
        message = 'no'
        ",
    );
    check_accepted(&save(&org, "1", json!({})), true);
    let result = save(&org, "1", json!({ "Status": "Working - Contacted" }));
    check_refused(&result, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "no", &[]);
}

#[test]
fn mistakes_in_the_rules_keep_the_org_from_starting() {
    let config = toml::from_str(&RULES.replace("prior(Title)", "prior(Titel)")).unwrap();
    let error = match salesforce_sandbox::Sandbox::start("127.0.0.1:0".parse().unwrap(), config) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it starts"),
    };
    assert!(
        error.contains("validation_rules[1].condition: Lead has no field `Titel`"),
        "{error}"
    );
}

#[test]
fn an_all_or_none_call_is_undone_by_a_rule() {
    let org = org(RULES);
    let records = [
        lead_with("1", json!({})),
        lead_with("2", json!({ "AnnualRevenue": -1 })),
    ];
    let answer = org.patch(
        crate::harness::COLLECTIONS,
        &json!({ "allOrNone": true, "records": records }),
    );
    let results = answer.json();
    assert_eq!(
        results[0]["errors"][0]["statusCode"],
        "ALL_OR_NONE_OPERATION_ROLLED_BACK"
    );
    check_postal_code(&results[1]);
    assert_eq!(org.sandbox.stats().leads, 0);
}
