//! How many records there are of each object.
use serde_json::json;

use crate::harness::{Org, check_error, lead};

const PATH: &str = "/services/data/v67.0/limits/recordCount";

#[test]
fn records_are_counted_for_each_object() {
    let org = Org::demo();
    org.upsert(&[lead("1"), lead("2"), lead("3")]);
    let all = org.get(PATH).json();
    let counts = all["sObjects"].as_array().unwrap();
    assert!(counts.contains(&json!({ "count": 3, "name": "Lead" })));
    assert!(counts.contains(&json!({ "count": 1, "name": "Organization" })));
    let some = org.get(&format!("{PATH}?sObjects=lead,Nope,User")).json();
    let expected =
        json!({ "sObjects": [{ "count": 3, "name": "Lead" }, { "count": 1, "name": "User" }] });
    assert_eq!(some, expected);
}

#[test]
fn record_counts_are_for_reading() {
    let org = Org::demo();
    let answer = org.ask("POST", PATH).json(&json!({})).send();
    check_error(&answer, 405, "METHOD_NOT_ALLOWED", "");
}
