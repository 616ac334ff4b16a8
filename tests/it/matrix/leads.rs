//! What is peculiar to leads, by the org's own rules: conversion, duplicate rules, record types,
//! owners, states and countries, picklists.

use std::collections::BTreeMap;

use leadstream::rehearsal::MysqlOptions;
use salesforce_sandbox::rules::{DuplicateAction, DuplicateRule, Owner, RecordType};
use salesforce_sandbox::{LeadSnapshot, OrgConfig};

use super::quick_world;
use crate::harness::{Build, World};

const OWNER: &str = "005Hp00000000ZzIAI";
const GONE: &str = "005Hp00000000ZyIAI";

fn rule(field: &str, action: DuplicateAction) -> DuplicateRule {
    DuplicateRule {
        match_fields: vec![field.to_owned()],
        action,
        ..DuplicateRule::default()
    }
}

fn org() -> OrgConfig {
    OrgConfig {
        duplicate_rules: vec![
            rule("Email", DuplicateAction::Alert),
            rule("Phone", DuplicateAction::Block),
        ],
        owners: [(OWNER, true), (GONE, false)]
            .map(|(id, active)| Owner {
                id: id[..15].to_owned(),
                active,
            })
            .into(),
        record_types: vec![RecordType {
            name: "Partner".to_owned(),
            developer_name: Some("Partner_Lead".to_owned()),
            ..RecordType::default()
        }],
        state_country_picklists: true,
        ..OrgConfig::default()
    }
}

/// A row by its key, with what differs from a sound one.
fn row(key: u32, differing: &[(&str, &str)]) -> String {
    let mut values = BTreeMap::from([
        ("last_name", format!("Name {key}")),
        ("company", "Acme".to_owned()),
        ("email", format!("p{key}@mail.example")),
        ("phone", format!("+00 555 {key}")),
        ("country", "Germany".to_owned()),
        ("plan", "Team".to_owned()),
        ("owner", OWNER.to_owned()),
    ]);
    for (column, value) in differing {
        values.insert(column, (*value).to_owned());
    }
    let columns: Vec<&str> = values.keys().copied().collect();
    let values: Vec<String> = values.values().map(|value| format!("'{value}'")).collect();
    format!(
        "INSERT INTO crm.leads (id, {}) VALUES ({key}, {})",
        columns.join(", "),
        values.join(", ")
    )
}

fn insert(world: &mut World, rows: &[String]) {
    let statements: Vec<&str> = rows.iter().map(String::as_str).collect();
    world.execute(&statements);
    world.expect_also(rows.len() as u64);
    world.wait_settled();
}

/// Class and code of the open dead letters, by key.
fn set_aside(world: &World) -> BTreeMap<String, (String, String)> {
    let arguments = ["dead-letters", "list", "--limit", "1000", "--json"];
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let listed = world.command(&arguments).json();
    let rows = listed.as_array().expect("a list").iter();
    rows.map(|row| {
        let key = text(&row["event"]["personal"]["key"]);
        (key, (text(&row["class"]), text(&row["code"])))
    })
    .collect()
}

/// What the last dead letter of a key says.
fn said_against(world: &World, key: &str) -> String {
    let told = world.command(&["trace", "--key", key, "--json"]).json();
    let events = told.as_array().expect("a list");
    let errors = events.iter().map(|event| &event["personal"]["errors"][0]);
    let mut messages = errors.filter_map(|error| error["message"].as_str());
    messages.next_back().unwrap_or_default().to_owned()
}

fn lead(world: &World, key: u32) -> Option<LeadSnapshot> {
    let key = key.to_string();
    let mut leads = world.org.leads().into_iter();
    leads.find(|lead| lead.fields["MySQL_Id__c"] == key.as_str())
}

#[test]
fn the_rules_for_leads_are_kept_as_each_route_says() {
    let world = World::with(Build::Release, MysqlOptions::default(), org());
    let mut world = quick_world(world);
    world.execute(&["ALTER TABLE crm.leads ADD COLUMN owner VARCHAR(18)"]);
    world.edit_config(
        "LeadSource = { constant = \"Web\" }",
        "OwnerId = \"owner\"\nRecordTypeId = { record_type = \"Partner_Lead\" }",
    );
    world.start();
    // By default a person decides.
    insert(&mut world, &[row(1, &[]), row(2, &[])]);
    let first = lead(&world, 1).expect("it is delivered");
    assert_eq!(first.fields["OwnerId"], OWNER);
    let kind = first.fields["RecordTypeId"].as_str().unwrap();
    assert!(kind.starts_with("012"), "{kind}");
    world.org.administrator().convert(&first.id).unwrap();
    world.execute(&["DELETE FROM crm.leads WHERE id = 1"]);
    insert(
        &mut world,
        &[
            row(1, &[]),
            row(12, &[("email", "P2@mail.example")]),
            row(13, &[("phone", "+00 555 2")]),
            row(14, &[("country", "Atlantis")]),
            row(15, &[("plan", "Gold")]),
            row(16, &[("owner", GONE)]),
            row(17, &[("owner", "nobody")]),
            row(18, &[("owner", "005Hp00000009Zz")]),
        ],
    );
    let said = |class: &str, code: &str| (class.to_owned(), code.to_owned());
    let mut expected = BTreeMap::from(
        [
            ("1", said("data", "CANNOT_UPDATE_CONVERTED_LEAD")),
            ("12", said("duplicate", "DUPLICATES_DETECTED")),
            ("13", said("duplicate", "DUPLICATES_DETECTED")),
            ("14", said("data", "FIELD_INTEGRITY_EXCEPTION")),
            (
                "15",
                said("mapping", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
            ),
            ("16", said("configuration", "INACTIVE_OWNER_OR_USER")),
            ("17", said("mapping", "INVALID_TYPE_ON_FIELD_IN_RECORD")),
            ("18", said("data", "INVALID_CROSS_REFERENCE_KEY")),
        ]
        .map(|(key, said)| (key.to_owned(), said)),
    );
    assert_eq!(set_aside(&world), expected);
    // Whoever decides sees what the rule found, which a collection's answer does not say.
    let found = lead(&world, 2).unwrap().id;
    for (key, kind) in [("12", "alerts"), ("13", "blocks")] {
        let message = said_against(&world, key);
        assert!(
            message.contains(kind) && message.contains(&found),
            "{key}: {message}"
        );
    }
    assert!(world.stop().success(), "{}", world.log());

    // The same again where the route passes it over.
    world.edit_config("on_converted = \"dead_letter\"", "on_converted = \"skip\"");
    world.edit_config("on_duplicate = \"dead_letter\"", "on_duplicate = \"allow\"");
    world.start();
    world.execute(&["DELETE FROM crm.leads WHERE id = 1"]);
    insert(
        &mut world,
        &[
            row(1, &[]),
            row(22, &[("email", "p2@mail.example")]),
            row(23, &[("phone", "+00 555 2")]),
        ],
    );
    expected.insert("23".to_owned(), said("duplicate", "DUPLICATES_DETECTED"));
    assert_eq!(set_aside(&world), expected);
    assert!(
        lead(&world, 22).is_some(),
        "a rule that only alerts is passed over"
    );
    let status = world.status().unwrap();
    let totals = &status.routes[0].totals;
    assert!(status.routes[0].balances, "{totals:?}");
    assert_eq!(
        serde_json::to_value(&totals.skipped).unwrap()["converted"],
        1
    );
    let story = world.command(&["trace", "1"]);
    assert!(story.data().contains("skipped: converted"), "{story:?}");
}
