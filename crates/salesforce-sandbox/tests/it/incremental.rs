//! What those rely on who read a table piece by piece: order and ranges of ids, and stamps that every change moves.
use std::time::Duration;

use salesforce_sandbox::OrgConfig;
use serde_json::{Value, json};

use crate::harness::{Org, check_accepted, lead, lead_with};

fn query(org: &Org, resource: &str, soql: &str) -> Value {
    let answer = org.get(&format!(
        "/services/data/v67.0/{resource}?q={}",
        soql.replace(' ', "+")
            .replace('>', "%3E")
            .replace('<', "%3C")
    ));
    assert_eq!(answer.status, 200, "{soql}: {}", answer.json());
    answer.json()
}

fn column<'a>(found: &'a Value, name: &str) -> Vec<&'a str> {
    let records = found["records"].as_array().unwrap().iter();
    records
        .map(|record| record[name].as_str().unwrap())
        .collect()
}

#[test]
fn pages_by_id_hold_every_lead_once() {
    let org = Org::demo();
    let leads: Vec<Value> = (0..25).map(|n| lead(&format!("k{n}"))).collect();
    org.upsert(&leads);
    let (mut last, mut keys) = ("00Q000000000000".to_owned(), Vec::new());
    loop {
        let page =
            format!("SELECT Id, MySQL_Id__c FROM Lead WHERE Id > '{last}' ORDER BY Id LIMIT 10");
        let found = query(&org, "query", &page);
        let Some(id) = column(&found, "Id").last().map(|id| (*id).to_owned()) else {
            break;
        };
        keys.extend(column(&found, "MySQL_Id__c").into_iter().map(str::to_owned));
        last = id;
    }
    let expected: Vec<String> = (0..25).map(|n| format!("k{n}")).collect();
    assert_eq!(keys, expected);
    let all = query(&org, "query", "SELECT Id FROM Lead ORDER BY Id");
    let ids = column(&all, "Id");
    for (range, count) in [
        (format!("Id >= '{}' AND Id < '{}'", ids[3], ids[9]), 6),
        (format!("Id <= '{}'", &ids[3][..15]), 4),
        ("OwnerId > '005000000000000'".to_owned(), 25),
        ("OwnerId < '005000000000000'".to_owned(), 0),
    ] {
        let found = query(&org, "query", &format!("SELECT Id FROM Lead WHERE {range}"));
        assert_eq!(found["totalSize"], count, "{range}");
    }
}

/// Everything that tells when and by whom a lead was modified.
fn modification(org: &Org) -> Value {
    let fields = "SystemModstamp, LastModifiedDate, LastModifiedById, IsDeleted";
    let found = query(org, "queryAll", &format!("SELECT {fields} FROM Lead"));
    let mut record = found["records"][0].clone();
    record.as_object_mut().unwrap().remove("attributes");
    record
}

#[test]
fn a_deletion_and_its_undoing_are_modifications() {
    let org = Org::with(OrgConfig {
        allow_audit_fields: true,
        ..OrgConfig::default()
    });
    // Such a lead keeps what it was said of its last modification until it is modified.
    let long_ago = "2020-01-01T00:00:00.000+0000";
    let more = json!({
        "CreatedDate": long_ago,
        "LastModifiedDate": long_ago,
    });
    check_accepted(&org.upsert(&[lead_with("1", more)])[0], true);
    let created = modification(&org);
    assert_eq!(created["LastModifiedDate"], long_ago);
    let id = org.sandbox.leads()[0].id.clone();
    org.sandbox.advance_clock(Duration::from_secs(60));
    let path = format!("/services/data/v67.0/sobjects/Lead/{id}");
    assert_eq!(org.ask("DELETE", &path).send().status, 204);
    let deleted = modification(&org);
    assert_eq!(deleted["IsDeleted"], true);
    assert_eq!(deleted["LastModifiedDate"], deleted["SystemModstamp"]);
    assert!(deleted["SystemModstamp"].as_str() > created["SystemModstamp"].as_str());
    let since = created["SystemModstamp"].as_str().unwrap();
    let changed = format!(
        "SELECT Id FROM Lead WHERE SystemModstamp > {}",
        since.replace("+0000", "Z")
    );
    assert_eq!(query(&org, "queryAll", &changed)["totalSize"], 1);
    org.sandbox.advance_clock(Duration::from_secs(60));
    org.sandbox.administrator().undelete(&id).unwrap();
    let undeleted = modification(&org);
    assert_eq!(undeleted["IsDeleted"], false);
    assert!(undeleted["LastModifiedDate"].as_str() > deleted["LastModifiedDate"].as_str());
}

#[test]
fn a_deletion_that_was_rolled_back_was_none() {
    let org = Org::demo();
    org.upsert(&[lead("1")]);
    let before = modification(&org);
    let id = org.sandbox.leads()[0].id.clone();
    org.sandbox.advance_clock(Duration::from_secs(60));
    let ids = format!("{id},00Q000000000000AAA");
    let path = format!("/services/data/v67.0/composite/sobjects?ids={ids}&allOrNone=true");
    let results = org.ask("DELETE", &path).send().json();
    assert_eq!(results[1]["success"], false);
    assert_eq!(modification(&org), before);
}
