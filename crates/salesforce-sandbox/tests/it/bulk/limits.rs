//! What jobs may use up (facts 5.3, 5.5).
use std::time::Duration;

use salesforce_sandbox::OrgConfig;
use serde_json::json;

use super::client::{INGEST, numbered, path, upsert};
use crate::harness::{Org, check_error};

const DAY: Duration = Duration::from_secs(24 * 3_600);

#[test]
fn rows_beyond_the_days_batches_appear_in_no_file() {
    let org = Org::with(OrgConfig {
        daily_bulk_batches: 2,
        ..OrgConfig::default()
    });
    let id = org.run_job(&upsert(), numbered(0, 20_500));
    let info = org.info(&id);
    assert_eq!(info["state"], "Failed");
    assert_eq!(
        info["errorMessage"],
        "ExceededQuota : ApiBatchItems Limit exceeded."
    );
    assert_eq!(info["numberRecordsProcessed"], 20_000);
    assert_eq!(org.result_sizes(&id), (20_000, 0, 0));
    assert_eq!(org.sandbox.stats().leads, 20_000);
    let limits = org.get("/services/data/v67.0/limits").json();
    assert_eq!(
        limits["DailyBulkApiBatches"],
        json!({ "Max": 2, "Remaining": 0 })
    );
    let refused = org.ask("POST", INGEST).json(&upsert()).send();
    check_error(
        &refused,
        400,
        "EXCEEDEDQUOTA",
        "ApiBatchItems Limit exceeded.",
    );

    org.sandbox.advance_clock(DAY);
    let id = org.run_job(&upsert(), numbered(20_000, 20_500));
    assert_eq!(org.result_sizes(&id), (500, 0, 0));
    let limits = org.get("/services/data/v67.0/limits").json();
    assert_eq!(limits["DailyBulkApiBatches"]["Remaining"], 1);
}

#[test]
fn the_days_records_are_limited_too() {
    let org = Org::with(OrgConfig {
        daily_bulk_records: 30,
        ..OrgConfig::default()
    });
    let first = org.run_job(&upsert(), numbered(0, 20));
    assert_eq!(org.info(&first)["state"], "JobComplete");
    let second = org.run_job(&upsert(), numbered(20, 31));
    let info = org.info(&second);
    assert_eq!(
        info["errorMessage"],
        "ExceededQuota : ApiBulkRecords Limit exceeded."
    );
    assert_eq!(org.result_sizes(&second), (0, 0, 0));
}

#[test]
fn an_upload_over_the_limit_is_refused_packed_or_not_and_the_job_stays_open() {
    let org = Org::with(OrgConfig {
        // 3,000 bytes as sent.
        max_bulk_content_bytes: 4_000,
        max_request_bytes: 1_000,
        ..OrgConfig::default()
    });
    let id = org.create_job(&upsert());
    let header = "MySQL_Id__c,LastName,Company\n";
    let large = format!("{header}{}", "x".repeat(3_001 - header.len()));
    let refused = "Maximum size of request reached. Maximum size of request is 3000 bytes.";
    for ask in [
        org.ask_upload(&id, large.clone()),
        org.ask_upload(&id, large.clone()).chunked(),
        org.ask_upload(&id, packed(&large))
            .header("Content-Encoding", "gzip"),
    ] {
        check_error(&ask.send(), 400, "EXCEEDED_MAX_SIZE_REQUEST", refused);
    }
    assert_eq!(org.info(&id)["state"], "Open");
    let fits = format!("{header}1,Doe,Acme\n{}", "\n".repeat(2_900));
    let ask = org.ask_upload(&id, packed(&fits));
    assert_eq!(ask.header("Content-Encoding", "gzip").send().status, 201);
    org.close(&id);
    org.wait_for_ended(1);
    assert_eq!(org.result_sizes(&id), (1, 0, 0));
}

#[test]
fn room_for_new_uploads_is_made_by_forgetting_ended_jobs_and_never_living_ones() {
    let rows = format!("{}{}", numbered(0, 10), "\n".repeat(20_000));
    let org = Org::with(OrgConfig {
        // Two uploads, what is noted of their rows, and what a running job may note of errors.
        bulk_storage_bytes: rows.len() * 2 + 6_000,
        ..OrgConfig::default()
    });
    let first = org.run_job(&upsert(), rows.clone());
    let second = org.run_job(&upsert(), rows.clone());
    let open = org.create_job(&upsert());
    org.upload(&open, rows.clone());
    check_error(&org.get(&path(&first)), 404, "NOT_FOUND", "");
    org.info(&second);
    let other = org.create_job(&upsert());
    org.upload(&other, rows.clone());
    check_error(&org.get(&path(&second)), 404, "NOT_FOUND", "");
    let last = org.create_job(&upsert());
    let refused = org.ask_upload(&last, rows).send();
    check_error(&refused, 400, "EXCEEDEDQUOTA", "The data of all jobs");
    org.info(&open);
}

#[test]
fn a_job_whose_rows_need_more_memory_than_there_is_fails_before_the_first_one() {
    // Two bytes a row: what is noted of them is larger than they are.
    let mut csv = "LastName\n".to_owned();
    csv.push_str(&"a\n".repeat(50_000));
    let org = Org::with(OrgConfig {
        bulk_storage_bytes: csv.len() * 3,
        ..OrgConfig::default()
    });
    let insert = json!({ "object": "Lead", "operation": "insert" });
    let id = org.run_job(&insert, csv);
    let info = org.info(&id);
    assert_eq!(info["state"], "Failed");
    assert_eq!(
        info["errorMessage"],
        "ExceededQuota : The data of all jobs together are too large."
    );
    assert_eq!(info["numberRecordsProcessed"], 0);
    assert_eq!(org.result_sizes(&id), (0, 0, 50_000));
    // What is noted of a job that fits does not outgrow the bound.
    let few = format!("LastName\n{}", "a\n".repeat(10_000));
    let id = org.run_job(&insert, few);
    assert_eq!(org.result_sizes(&id), (0, 10_000, 0));
    let errors = org.result(&id, "failedResults").column("sf__Error");
    assert!(errors[0].starts_with("REQUIRED_FIELD_MISSING:Required"));
}

fn packed(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}
