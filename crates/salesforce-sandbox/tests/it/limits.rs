//! Daily calls and how they are told (facts 0.1, 6.1, 6.2).
use salesforce_sandbox::{OrgConfig, QuotaMode};
use serde_json::json;

use crate::harness::{Org, check_error, lead};

const LIMITS: &str = "/services/data/v67.0/limits";

#[test]
fn every_reply_tells_the_calls_used_failures_too() {
    let org = Org::demo();
    assert_eq!(
        org.get(LIMITS).header("sforce-limit-info"),
        Some("api-usage=1/115000")
    );
    let missing = org.get("/services/data/v67.0/nowhere");
    assert_eq!(
        (missing.status, missing.header("sforce-limit-info")),
        (404, Some("api-usage=2/115000"))
    );
    let limits = org.get(LIMITS).json();
    assert_eq!(
        limits["DailyApiRequests"],
        json!({ "Max": 115_000, "Remaining": 114_997 })
    );
    assert!(limits["DailyBulkApiBatches"]["Remaining"].is_u64());
}

#[test]
fn a_call_of_200_records_costs_as_much_as_any_other() {
    let org = Org::demo();
    let records: Vec<_> = (0..200).map(|n| lead(&n.to_string())).collect();
    org.upsert(&records);
    assert_eq!(org.sandbox.stats().api_calls, 1);
}

#[test]
fn a_spent_quota_refuses_every_call_with_403_and_is_not_overdrawn() {
    let org = Org::with(OrgConfig {
        daily_api_requests: 2,
        ..OrgConfig::default()
    });
    assert_eq!(org.get(LIMITS).json()["DailyApiRequests"]["Remaining"], 1);
    org.upsert(&[lead("1")]);
    for _ in 0..2 {
        let answer = org.collection(&[lead("2")]).send();
        check_error(
            &answer,
            403,
            "REQUEST_LIMIT_EXCEEDED",
            "TotalRequests Limit exceeded.",
        );
        assert_eq!(answer.header("sforce-limit-info"), Some("api-usage=2/2"));
        assert_eq!(answer.header("retry-after"), None);
    }
    assert_eq!(org.sandbox.stats().leads, 1);
    assert_eq!(org.log_in(), org.token, "logging in costs no call");
}

#[test]
fn a_soft_quota_is_counted_but_not_enforced() {
    let config = OrgConfig {
        daily_api_requests: 1,
        daily_api_mode: QuotaMode::Soft,
        ..OrgConfig::default()
    };
    let org = Org::with(config);
    org.upsert(&[lead("1")]);
    let answer = org.get(LIMITS);
    assert_eq!(
        (answer.status, answer.header("sforce-limit-info")),
        (200, Some("api-usage=2/1"))
    );
}

#[test]
fn calls_come_back_after_24_hours_on_a_clock_that_tests_move() {
    let org = Org::with(OrgConfig {
        daily_api_requests: 1,
        ..OrgConfig::default()
    });
    assert_eq!(org.get("/services/data/v67.0/limits").status, 200);
    assert_eq!(org.get("/services/data/v67.0/limits").status, 403);
    org.sandbox
        .advance_clock(std::time::Duration::from_secs(23 * 3600));
    assert_eq!(org.get("/services/data/v67.0/limits").status, 403);
    let moved = org
        .ask_anonymously("POST", "/__sandbox/clock")
        .json(&serde_json::json!({ "advance_seconds": 3600 }))
        .send();
    assert_eq!(moved.status, 200);
    assert_eq!(org.get("/services/data/v67.0/limits").status, 200);
}
