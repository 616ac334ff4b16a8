//! What a stored lead costs beyond its data. Not a gate: run it by hand in release mode with `--ignored`.
use std::io::Write;

use salesforce_sandbox::OrgConfig;
use serde_json::{Value, json};

use crate::harness::{Org, lead_with};

const LEADS: usize = 1_000_000;

/// Prints the growth of the resident set for a million leads, in all and beyond the bytes of their values.
#[test]
#[ignore = "a measurement, not a check"]
fn a_million_leads() {
    let org = Org::with(OrgConfig {
        daily_api_requests: 1_000_000,
        request_log_entries: 0,
        ..OrgConfig::default()
    });
    org.upsert(&[record(LEADS)]);
    let before = resident_bytes();
    let mut data = 0;
    for call in 0..LEADS / 200 {
        let records: Vec<Value> = (0..200).map(|n| record(call * 200 + n)).collect();
        data += records.iter().map(bytes_of).sum::<usize>();
        org.upsert(&records);
    }
    let grown = resident_bytes() - before;
    assert_eq!(org.sandbox.stats().leads, LEADS as u64 + 1);
    let each = |bytes: usize| bytes / LEADS;
    let line = format!(
        "{} bytes per lead, {} of them data, {} beyond\n",
        each(grown),
        each(data),
        each(grown.saturating_sub(data))
    );
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

fn record(number: usize) -> Value {
    let fields = json!({ "FirstName": "Ada", "Email": "ada@example.com", "Phone": "+49 30 1234567",
                         "Title": "Head of Operations", "Newsletter__c": true, "Score__c": 12.5,
                         "Signup_At__c": "2026-03-29T02:30:00.123Z", "Plan__c": "Team" });
    lead_with(&format!("shop-{number}"), fields)
}

/// Texts by their bytes, everything else as eight.
fn bytes_of(record: &Value) -> usize {
    let fields = record.as_object().unwrap().iter();
    fields
        .filter(|(name, _)| *name != "attributes")
        .map(|(_, value)| value.as_str().map_or(8, str::len))
        .sum()
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kilobytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1024
}
