//! What those rely on who read a table piece by piece: order and ranges of ids.
use serde_json::Value;

use crate::harness::{Org, lead};

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
