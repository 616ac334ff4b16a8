//! A composite call whose reads fill the reply: later reads are refused, what was written is told.
use serde_json::{Value, json};

use crate::harness::{Org, lead, lead_with};

const ROOT: &str = "/services/data/v67.0";
const ROOM: usize = 50 * 1024 * 1024;

fn retrieve(ids: &[&str], field: &str) -> Value {
    json!({ "ids": ids, "fields": [field] })
}

fn part(method: &str, path: &str, name: &str, body: &Value) -> Value {
    json!({ "method": method, "url": format!("{ROOT}{path}"), "referenceId": name, "body": body })
}

#[test]
fn what_was_written_is_told_though_there_is_no_room_for_more_to_be_read() {
    let org = Org::demo();
    org.upsert(&[lead_with("1", json!({ "Description": "x".repeat(32_000) }))]);
    let id = org.sandbox.leads()[0].id.clone();
    let path = "/composite/sobjects/Lead";
    let bytes = |count: usize, field: &str| {
        let ids = vec![id.as_str(); count];
        let ask = org.ask("POST", &format!("{ROOT}{path}"));
        ask.json(&retrieve(&ids, field)).send().body.len()
    };
    // As many rows as fit, of so many bytes each behind so many others.
    let fill = |room: usize, field: &str| {
        let (one, two) = (bytes(1, field), bytes(2, field));
        let count = 1 + (room - one) / (two - one);
        (count, room - one - (count - 1) * (two - one))
    };
    let (large, left) = fill(ROOM, "Description");
    let (small, left) = fill(left, "Id");
    assert!(left < 1_000, "{left}");
    let more: Vec<Value> = (0..50)
        .map(|n| {
            let mut record = lead(&format!("w{n}"));
            record["attributes"] = json!({ "type": "Lead" });
            record
        })
        .collect();
    let large = retrieve(&vec![id.as_str(); large], "Description");
    let small = retrieve(&vec![id.as_str(); small], "Id");
    let one = retrieve(&[id.as_str()], "Description");
    let parts = [
        part("POST", path, "large", &large),
        part("POST", path, "small", &small),
        part(
            "PATCH",
            &format!("{path}/MySQL_Id__c"),
            "write",
            &json!({ "records": more }),
        ),
        part("POST", path, "read", &one),
    ];
    let call = org.ask("POST", &format!("{ROOT}/composite"));
    let answer = call
        .json(&json!({ "compositeRequest": parts }))
        .send()
        .json();
    let parts = &answer["compositeResponse"];
    let statuses: Vec<_> = (0..4)
        .map(|n| parts[n]["httpStatusCode"].as_u64())
        .collect();
    assert_eq!(statuses, [Some(200), Some(200), Some(200), Some(400)]);
    let written = parts[2]["body"].as_array().unwrap();
    assert_eq!(written.len(), 50);
    assert!(written.iter().all(|result| result["created"] == true));
    assert_eq!(parts[3]["body"][0]["errorCode"], "LIMIT_EXCEEDED");
    assert_eq!(org.sandbox.stats().leads, 51);
}
