//! What the org itself makes of records: values, keys, rules, locks, the recycle bin.
mod addresses;
mod assignment;
mod duplicates;
mod keys;
mod memory;
mod others;
mod ownership;
mod recycle_bin;
mod row_locks;
mod triggers;
mod validation;
mod values;

use salesforce_sandbox::OrgConfig;
use serde_json::{Value, json};

use crate::harness::Org;

const LEAD: &str = "/services/data/v67.0/sobjects/Lead";
const BY_KEY: &str = "/services/data/v67.0/sobjects/Lead/MySQL_Id__c";

/// An org as a file would configure it.
#[track_caller]
fn org(configuration: &str) -> Org {
    let config: OrgConfig = toml::from_str(configuration).unwrap_or_else(|e| panic!("{e}"));
    Org::with(config)
}

/// The fields of the lead with this key, as the REST API shows them.
#[track_caller]
fn shown(org: &Org, key: &str) -> Value {
    let answer = org.get(&format!("{BY_KEY}/{key}"));
    assert_eq!(answer.status, 200);
    answer.json()
}

/// The id of the lead with this key.
#[track_caller]
fn id_of(org: &Org, key: &str) -> String {
    shown(org, key)["Id"].as_str().unwrap().to_owned()
}

/// Upserts one record by its key and returns its result.
#[track_caller]
fn save(org: &Org, key: &str, fields: Value) -> Value {
    org.upsert(&[crate::harness::lead_with(key, fields)])[0].clone()
}

/// A body of a single-record call that passes every check.
fn body(fields: Value) -> Value {
    let mut body = json!({ "LastName": "Doe", "Company": "Acme" });
    let more = fields.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(more);
    body
}
