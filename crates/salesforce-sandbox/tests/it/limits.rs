//! Daily calls, long calls, storage, and how they are told (facts 0.1, 6).
use std::io::Write;
use std::time::Duration;

use salesforce_sandbox::{Action, Edition, Endpoint, Error, Fault, OrgConfig, QuotaMode, Sandbox};
use serde_json::json;

use crate::harness::{Org, PATIENCE, check_accepted, check_error, check_refused, lead};

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

#[test]
fn an_overshot_soft_quota_ends_at_a_cap_that_nobody_is_told() {
    let org = Org::with(OrgConfig {
        daily_api_requests: 2,
        daily_api_mode: QuotaMode::Soft,
        daily_api_overshoot: Some(1),
        ..OrgConfig::default()
    });
    for used in 1..=3 {
        let answer = org.get(LIMITS);
        let told = format!("api-usage={used}/2");
        assert_eq!(
            (answer.status, answer.header("sforce-limit-info")),
            (200, Some(told.as_str()))
        );
    }
    check_error(
        &org.get(LIMITS),
        403,
        "REQUEST_LIMIT_EXCEEDED",
        "TotalRequests Limit exceeded.",
    );
    assert_eq!(org.sandbox.stats().quota_refusals, 1);
    assert_eq!(org.sandbox.usage().api_calls_refused_from, Some(3));
}

#[test]
fn calls_come_back_by_the_minute() {
    let org = Org::with(OrgConfig {
        daily_api_requests: 2,
        ..OrgConfig::default()
    });
    let minute = Duration::from_secs(60);
    assert_eq!(org.get(LIMITS).status, 200);
    org.sandbox.advance_clock(minute);
    assert_eq!(org.get(LIMITS).status, 200);
    assert_eq!(org.get(LIMITS).status, 403);
    org.sandbox
        .advance_clock(Duration::from_secs(24 * 3600) - minute);
    assert_eq!(
        org.get(LIMITS).status,
        200,
        "the first one has left the window"
    );
    assert_eq!(org.get(LIMITS).status, 403, "the second one has not");
    org.sandbox.advance_clock(minute);
    assert_eq!(org.get(LIMITS).status, 200);
}

#[test]
fn others_can_use_up_the_calls_of_the_day() {
    let org = Org::demo();
    let used = org
        .control("POST", "usage")
        .json(&json!({ "api_calls": 114_999, "bulk_batches": 7 }))
        .send();
    assert_eq!(
        used.json()["api_calls"],
        json!({ "used": 114_999, "max": 115_000 })
    );
    let limits = org.get(LIMITS).json();
    assert_eq!(limits["DailyApiRequests"]["Remaining"], 0);
    assert_eq!(
        limits["DailyBulkApiBatches"],
        json!({ "Max": 15_000, "Remaining": 14_993 })
    );
    check_error(
        &org.get(LIMITS),
        403,
        "REQUEST_LIMIT_EXCEEDED",
        "TotalRequests Limit exceeded.",
    );
    org.sandbox.use_up(u64::MAX, u64::MAX);
    assert_eq!(org.sandbox.usage().api_calls.used, u64::MAX);
    assert_eq!(org.get(LIMITS).status, 403);
}

#[test]
fn an_org_that_limits_apps_tells_each_its_own_part() {
    let org = Org::with(OrgConfig {
        daily_api_requests: 5_000,
        per_app_limit: Some(250),
        ..OrgConfig::default()
    });
    org.sandbox.use_up(8, 0);
    let answer = org.get(LIMITS);
    assert_eq!(
        answer.header("sforce-limit-info"),
        Some("api-usage=9/5000; per-app-api-usage=1/250(appName=leadstream-demo)")
    );
    assert_eq!(
        answer.json()["DailyApiRequests"],
        json!({ "Max": 5_000, "Remaining": 4_991, "leadstream-demo": { "Max": 250, "Remaining": 249 } })
    );
    let anonymous = org.ask_anonymously("GET", LIMITS).send();
    assert_eq!(
        anonymous.header("sforce-limit-info"),
        Some("api-usage=9/5000")
    );
}

#[test]
fn too_many_calls_that_run_for_20_seconds_refuse_every_new_one() {
    let org = Org::with(OrgConfig {
        concurrent_long_requests: 2,
        ..OrgConfig::default()
    });
    org.sandbox.faults().add(
        Fault::new(Action::Hold {
            after_commit: false,
        })
        .on(Endpoint::Collections)
        .times(2),
    );
    let clients: Vec<_> = ["1", "2"]
        .map(|key| {
            let ask = org.collection(&[lead(key)]);
            std::thread::spawn(move || ask.send())
        })
        .into();
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 2));
    org.sandbox.advance_clock(Duration::from_secs(19));
    assert_eq!(org.get(LIMITS).status, 200, "short calls are unlimited");
    org.sandbox.advance_clock(Duration::from_secs(1));
    let text = "ConcurrentRequests (Concurrent API Requests) Limit exceeded.";
    let used = org.sandbox.usage();
    assert_eq!((used.long_calls.used, used.long_calls.max), (2, 2));
    check_error(&org.get(LIMITS), 403, "REQUEST_LIMIT_EXCEEDED", text);
    check_error(
        &org.collection(&[lead("3")]).send(),
        403,
        "REQUEST_LIMIT_EXCEEDED",
        text,
    );
    assert_eq!(
        org.sandbox.usage().api_calls.used,
        used.api_calls.used,
        "a refused call costs nothing"
    );
    assert_eq!(org.sandbox.stats().concurrency_refusals, 2);
    assert_eq!(org.log_in(), org.token, "logins are no calls");
    org.sandbox.faults().release(1);
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.concurrent_calls == 1));
    assert_eq!(org.get(LIMITS).status, 200);
    org.sandbox.faults().release_all();
    for client in clients {
        assert_eq!(client.join().unwrap().status, 200);
    }
}

#[test]
fn records_are_counted_and_take_two_kilobytes_each() {
    let org = Org::demo();
    let records: Vec<_> = (0..200).map(|n| lead(&n.to_string())).collect();
    let storage = || org.get(LIMITS).json()["DataStorageMB"].clone();
    assert_eq!(storage(), json!({ "Max": 10_240, "Remaining": 10_240 }));
    org.upsert(&records);
    assert_eq!(storage(), json!({ "Max": 10_240, "Remaining": 10_239 }));
    let count = |query: &str| org.get(&format!("/services/data/v67.0/limits/recordCount{query}"));
    let leads = json!({ "sObjects": [{ "count": 200, "name": "Lead" }] });
    assert_eq!(count("").json(), leads);
    assert_eq!(count("?sObjects=Account,lead").json(), leads);
    assert_eq!(count("?sObjects=Account").json(), json!({ "sObjects": [] }));
    assert_eq!(
        org.get("/services/data/v39.0/limits/recordCount").status,
        404
    );
    assert_eq!(org.ask("POST", LIMITS).send().status, 405);
}

#[test]
fn full_storage_refuses_inserts_but_not_updates() {
    let org = Org::with(OrgConfig {
        data_storage_mb: Some(1),
        ..OrgConfig::default()
    });
    for start in [0, 200, 400] {
        let records: Vec<_> = (start..start + 200).map(|n| lead(&n.to_string())).collect();
        org.upsert(&records);
    }
    assert_eq!(org.sandbox.stats().leads, 512);
    let results = org.upsert(&[lead("0"), lead("new")]);
    check_accepted(&results[0], false);
    check_refused(
        &results[1],
        "STORAGE_LIMIT_EXCEEDED",
        "storage limit exceeded",
        &[],
    );
    assert_eq!(
        org.get(LIMITS).json()["DataStorageMB"],
        json!({ "Max": 1, "Remaining": 0 })
    );
    let gone = org.sandbox.leads()[0].id.clone();
    assert_eq!(
        org.ask(
            "DELETE",
            &format!("/services/data/v67.0/sobjects/Lead/{gone}")
        )
        .send()
        .status,
        204
    );
    check_accepted(&org.upsert(&[lead("new")])[0], true);
}

#[test]
fn older_versions_call_the_batches_of_a_day_requests() {
    let org = Org::demo();
    let old = org.get("/services/data/v48.0/limits").json();
    assert!(
        old["DailyBulkApiRequests"]["Remaining"].is_u64()
            && old.get("DailyBulkApiBatches").is_none()
    );
    let new = org.get("/services/data/v49.0/limits").json();
    assert!(
        new["DailyBulkApiBatches"]["Remaining"].is_u64()
            && new.get("DailyBulkApiRequests").is_none()
    );
    for name in [
        "DailyAsyncApexExecutions",
        "DailyBulkV2QueryJobs",
        "DailyWorkflowEmails",
        "DataStorageMB",
    ] {
        assert!(
            new[name]["Max"].is_u64() && new[name]["Remaining"].is_u64(),
            "{name}"
        );
    }
}

/// Loads a configuration from TOML.
fn load(text: &str) -> Result<OrgConfig, Error> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    OrgConfig::load(file.path())
}

#[test]
fn an_edition_brings_its_limits_and_what_is_said_wins() {
    let limits = |text: &str| {
        let config = load(text).unwrap();
        (
            config.daily_api_requests,
            config.daily_api_mode,
            config.concurrent_long_requests,
        )
    };
    use QuotaMode::{Hard, Soft};
    assert_eq!(limits(""), (115_000, Hard, 25));
    assert_eq!(limits("edition = \"developer\""), (15_000, Hard, 5));
    assert_eq!(
        limits("edition = \"enterprise\"\nuser_licences = 40"),
        (140_000, Soft, 25)
    );
    assert_eq!(limits("edition = \"professional\""), (115_000, Soft, 25));
    assert_eq!(
        limits("edition = \"unlimited\"\nuser_licences = 2"),
        (110_000, Soft, 25)
    );
    assert_eq!(
        limits("edition = \"performance\"\nuser_licences = 0"),
        (100_000, Soft, 25)
    );
    assert_eq!(limits("edition = \"sandbox\""), (5_000_000, Hard, 25));
    let said = "edition = \"developer\"\ndaily_api_requests = 9\ndaily_api_mode = \"soft\"";
    assert_eq!(limits(said), (9, Soft, 5));
    let here = OrgConfig::for_edition(Edition::Developer, None);
    assert_eq!(
        (here.daily_api_requests, here.concurrent_long_requests),
        (15_000, 5)
    );
    let org = Org::with(here);
    assert_eq!(
        org.get(LIMITS).header("sforce-limit-info"),
        Some("api-usage=1/15000")
    );
    assert_eq!(org.show("snapshot")["edition"], "developer");
    assert!(matches!(
        load("edition = \"free\""),
        Err(Error::ParseConfig { .. })
    ));
}

#[test]
fn limits_that_contradict_each_other_are_told() {
    let config = OrgConfig {
        daily_api_overshoot: Some(5),
        concurrent_long_requests: 0,
        user_licences: Some(3),
        ..OrgConfig::default()
    };
    assert_eq!(config.mistakes().len(), 3, "{:#?}", config.mistakes());
}

#[test]
fn faults_of_the_configuration_are_armed_from_the_start() {
    let config = load(
        "[[faults]]\non = \"collections\"\ntimes = 1\naction = { kind = \"html\", status = 502 }\n\
         [[faults]]\nprobability = 0.5\naction = { kind = \"record_error\", status_code = \"UNABLE_TO_LOCK_ROW\" }\n",
    );
    let org = Org::with(config.unwrap());
    assert_eq!(org.collection(&[lead("1")]).send().status, 502);
    let armed = org.sandbox.faults().list();
    assert_eq!((armed.len(), armed[0].hits), (2, 1));
    assert!(armed[1].fault.seed.is_some(), "a seed is drawn");
}

#[test]
fn mistakes_in_faults_of_the_configuration_name_fault_and_key() {
    let wrong = load(
        "[[faults]]\naction = { kind = \"html\", stat = 1 }\n[[faults]]\non = \"x\"\naction = { kind = \"pass\" }\n",
    );
    let Err(Error::ParseConfig { source, .. }) = wrong else {
        panic!("it must be refused: {wrong:?}")
    };
    let told = source.to_string();
    assert!(
        told.contains("faults[0].action.stat: unknown field `stat`"),
        "{told}"
    );
    assert!(
        told.contains("faults[1].on: unknown variant `x`, expected one of `all`"),
        "{told}"
    );
    let config = load("[[faults]]\nprobability = 7\naction = { kind = \"pass\" }\n").unwrap();
    let Err(Error::Config { mistakes }) = Sandbox::start("127.0.0.1:0".parse().unwrap(), config)
    else {
        panic!("it must be refused")
    };
    assert_eq!(mistakes, ["faults[0].probability: must be 0 to 1, not 7"]);
}
