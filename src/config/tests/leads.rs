//! A route's settings for leads.

use super::*;
use crate::config::{FieldSource, OnConverted, OnDuplicate};

const FIELDS: &str = "fields = { LastName = \"last_name\" }\n";

#[test]
fn leads_are_left_to_a_person_unless_the_route_says_otherwise() {
    let route = &sound(SOUND, &[], &[]).routes[0];
    assert_eq!(route.on_converted, OnConverted::DeadLetter);
    assert_eq!(route.on_duplicate, OnDuplicate::DeadLetter);
    let lines = format!("on_converted = \"skip\"\non_duplicate = \"allow\"\n{FIELDS}");
    let route = &sound(&SOUND.replace(FIELDS, &lines), &[], &[]).routes[0];
    assert_eq!(route.on_converted, OnConverted::Skip);
    assert_eq!(route.on_duplicate, OnDuplicate::Allow);
    check_more("on_converted = \"x\"", WRONG_VALUE, "route[0].on_converted");
    check_more("on_duplicate = true", WRONG_VALUE, "route[0].on_duplicate");
}

#[test]
fn duplicate_rules_need_a_version_that_knows_their_header() {
    let lines = format!("on_duplicate = \"allow\"\n{FIELDS}");
    let old = SOUND.replace(FIELDS, &lines);
    let mistake = check_in(&old, "51.0");
    assert_eq!(mistake.as_deref(), Some("salesforce.api_version"));
    assert_eq!(check_in(&old, "52.0"), None);
    assert_eq!(check_in(SOUND, "51.0"), None);
}

/// The path of the only mistake of this text with that version of the API.
fn check_in(text: &str, version: &str) -> Option<String> {
    let set = format!("salesforce.api_version={version}");
    let mistakes = load_text(text, &[], &[&set]).err()?;
    assert_eq!(mistakes.0.len(), 1, "{mistakes}");
    Some(mistakes.0[0].path.clone())
}

#[test]
fn a_record_type_stands_by_itself() {
    let named =
        "fields.RecordTypeId = { record_type = \"Partner\" }\nfields.LastName = \"last_name\"\n";
    let route = &sound(&SOUND.replace(FIELDS, named), &[], &[]).routes[0];
    let field = route
        .fields
        .iter()
        .find(|field| field.field == "RecordTypeId");
    assert_eq!(
        field.map(|field| &field.source),
        Some(&FieldSource::RecordType("Partner".to_owned()))
    );
    check_more(
        "fields.RecordTypeId = { record_type = \"Partner\", column = \"kind\" }",
        WRONG_VALUE,
        "route[0].fields.RecordTypeId.record_type",
    );
}
