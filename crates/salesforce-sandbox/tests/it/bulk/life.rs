//! The life cycle of ingest jobs, and what is not allowed in which state (facts 5.1, 5.2).
use std::time::Duration;

use salesforce_sandbox::{Action, Endpoint, Fault, JobState, OrgConfig};
use serde_json::{Value, json};

use super::client::{INGEST, numbered, path, text, upsert, upsert_with};
use crate::harness::{Org, PATIENCE, check_error};

const HOUR: Duration = Duration::from_secs(3_600);

/// Creates a job that is held, InProgress, once that many rows are processed.
fn held(org: &Org, after_rows: u64, csv: String) -> String {
    org.sandbox
        .faults()
        .add(Fault::new(Action::BulkHold { after_rows }));
    let id = org.start_job(&upsert(), csv);
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    id
}

#[test]
fn a_job_goes_from_open_to_complete_and_tells_its_numbers() {
    let org = Org::demo();
    let created = org.ask("POST", INGEST).json(&upsert()).send();
    assert_eq!(created.status, 200);
    let job = created.json();
    let id = job["id"].as_str().unwrap().to_owned();
    assert_eq!((id.len(), &id[..3]), (18, "750"));
    let date = job["createdDate"].as_str().unwrap().to_owned();
    assert!(date.len() == 28 && date.ends_with(".000+0000"), "{date}");
    let user = job["createdById"].as_str().unwrap();
    assert!(user.starts_with("005") && user.len() == 18);
    let content_url = format!("services/data/v67.0/jobs/ingest/{id}/batches");
    let expected = json!({
        "id": id, "operation": "upsert", "object": "Lead", "createdById": user, "createdDate": date,
        "systemModstamp": job["systemModstamp"], "state": "Open", "externalIdFieldName": "MySQL_Id__c",
        "concurrencyMode": "Parallel", "contentType": "CSV", "apiVersion": 67.0, "contentUrl": content_url,
        "lineEnding": "LF", "columnDelimiter": "COMMA",
    });
    assert_eq!(job, expected);
    assert!(text(&created).contains("\"apiVersion\":67.0"));

    org.upload(&id, numbered(0, 3));
    assert_eq!(
        org.sandbox.stats().leads,
        0,
        "nothing starts before the close"
    );
    let closed = org.set_state(&id, "UploadComplete").json();
    assert_eq!(closed["state"], "UploadComplete");
    assert_eq!(closed.get("contentUrl"), None);
    org.wait_for_ended(1);

    let info = org.info(&id);
    assert_eq!(info["state"], "JobComplete");
    assert_eq!(info["jobType"], "V2Ingest");
    assert_eq!(info["numberRecordsProcessed"], 3);
    assert_eq!(info["numberRecordsFailed"], 0);
    for key in [
        "retries",
        "totalProcessingTime",
        "apiActiveProcessingTime",
        "apexProcessingTime",
    ] {
        assert!(info[key].is_u64(), "{key}: {info}");
    }
    assert_eq!(info.get("errorMessage"), None);
    assert_eq!(org.result_sizes(&id), (3, 0, 0));
    let stats = org.sandbox.stats();
    assert_eq!((stats.leads, stats.bulk_jobs_complete), (3, 1));
    assert_eq!(
        (stats.bulk_records_processed, stats.records_created),
        (3, 3)
    );
}

#[test]
fn every_call_costs_one_api_call_and_jobs_are_shown_to_tests() {
    let org = Org::demo();
    let id = org.run_job(&upsert(), numbered(0, 2));
    org.info(&id);
    org.result_sizes(&id);
    assert_eq!(org.sandbox.stats().api_calls, 7);
    let job = org.job(&id);
    assert_eq!(job.state, JobState::JobComplete);
    assert_eq!(
        (job.records, job.records_processed, job.records_failed),
        (2, 2, 0)
    );
    assert_eq!(
        (job.job_type.as_str(), job.operation.as_str()),
        ("V2Ingest", "upsert")
    );
    let shown = org.ask_anonymously("GET", "/__sandbox/jobs").send().json();
    assert_eq!(shown, serde_json::to_value([job]).unwrap());
    assert_eq!(shown[0]["state"], "JobComplete");
}

#[test]
fn creations_that_cannot_be_done_are_refused_with_codes_of_the_bulk_api() {
    let org = Org::demo();
    let create = |changes: Value| org.ask("POST", INGEST).json(&upsert_with(changes)).send();
    check_error(
        &create(json!({ "object": "Foo" })),
        400,
        "INVALIDENTITY",
        "",
    );
    check_error(&create(json!({ "operation": "x" })), 400, "INVALIDJOB", "");
    let hard = create(json!({ "operation": "hardDelete" }));
    check_error(&hard, 400, "FEATURENOTENABLED", "hardDelete operation");
    let blank = create(json!({ "externalIdFieldName": null }));
    check_error(&blank, 400, "INVALIDJOB", "External ID was blank for Lead.");
    let unknown = create(json!({ "nonsense": 1 }));
    check_error(&unknown, 400, "JSON_PARSER_ERROR", "Unrecognized field");
    let empty = org.ask("POST", INGEST).body("application/json", "").send();
    check_error(&empty, 400, "JSON_PARSER_ERROR", "The HTTP entity body");
    let xml = org
        .ask("POST", INGEST)
        .body("application/xml", "<x/>")
        .send();
    check_error(&xml, 415, "UNSUPPORTED_MEDIA_TYPE", "");
    let utf8 = org.ask("POST", INGEST);
    let utf8 = utf8.body("application/json; charset=utf-8", upsert().to_string());
    assert_eq!(utf8.send().status, 200);
    let old = "/services/data/v40.0/jobs/ingest";
    let old = org.ask("POST", old).json(&upsert()).send();
    check_error(&old, 404, "NOT_FOUND", "");
    assert_eq!(org.sandbox.jobs().len(), 1);
}

#[test]
fn data_are_taken_once_as_csv_and_only_while_the_job_is_open() {
    let org = Org::demo();
    let id = org.create_job(&upsert());
    let batches = format!("{}/batches", path(&id));
    let json = org.ask("PUT", &batches).body("application/json", "{}");
    check_error(&json.send(), 415, "UNSUPPORTED_MEDIA_TYPE", "");
    check_error(
        &org.ask("POST", &batches).body("text/csv", "x").send(),
        405,
        "METHOD_NOT_ALLOWED",
        "",
    );
    check_error(
        &org.set_state(&id, "UploadComplete"),
        400,
        "INVALIDJOBSTATE",
        "No data",
    );
    let charset = org.ask("PUT", &batches);
    let charset = charset
        .body("text/csv; charset=UTF-8", numbered(0, 1))
        .chunked();
    assert_eq!(charset.send().status, 201);
    let again = org.ask_upload(&id, numbered(1, 2)).send();
    check_error(&again, 400, "INVALIDJOBSTATE", "The data of the job");
    org.close(&id);
    org.wait_for_ended(1);
    let late = org.ask_upload(&id, numbered(1, 2)).send();
    check_error(&late, 400, "INVALIDJOBSTATE", "Data can be uploaded");
    assert_eq!(org.sandbox.stats().leads, 1);
}

#[test]
fn states_change_as_documented_and_in_no_other_way() {
    let org = Org::demo();
    let id = org.create_job(&upsert());
    for state in ["InProgress", "JobComplete", "Closed", "uploadcomplete", ""] {
        check_error(
            &org.set_state(&id, state),
            400,
            "INVALIDJOBSTATE",
            "The job state",
        );
    }
    let patch = org.patch(&path(&id), &json!({ "status": "Aborted" }));
    check_error(&patch, 400, "JSON_PARSER_ERROR", "Unrecognized field");
    assert_eq!(org.set_state(&id, "Aborted").json()["state"], "Aborted");
    for state in ["Aborted", "UploadComplete"] {
        check_error(
            &org.set_state(&id, state),
            400,
            "INVALIDJOBSTATE",
            "The state of",
        );
    }
    assert_eq!(org.result_sizes(&id), (0, 0, 0));
    let id = org.run_job(&upsert(), numbered(0, 1));
    check_error(
        &org.set_state(&id, "Aborted"),
        400,
        "INVALIDJOBSTATE",
        "The state of",
    );
    assert_eq!(org.sandbox.stats().bulk_jobs_aborted, 1);
}

#[test]
fn results_exist_after_the_end_only() {
    let org = Org::demo();
    let id = org.create_job(&upsert());
    let results = format!("{}/successfulResults", path(&id));
    check_error(
        &org.get(&results),
        400,
        "INVALIDJOBSTATE",
        "The job has no results",
    );
    let running = held(&org, 1, numbered(0, 3));
    let results = format!("{}/failedResults", path(&running));
    check_error(
        &org.get(&results),
        400,
        "INVALIDJOBSTATE",
        "The job has no results",
    );
    check_error(
        &org.get(&format!("{}/results", path(&id))),
        404,
        "NOT_FOUND",
        "",
    );
}

#[test]
fn an_abort_stops_a_running_job_and_its_files_hold_every_row_once() {
    let org = Org::demo();
    let id = held(&org, 250, numbered(0, 1_000));
    let info = org.info(&id);
    assert_eq!(info["state"], "InProgress");
    assert_eq!(info["numberRecordsProcessed"], 250);
    let delete = org.ask("DELETE", &path(&id)).send();
    check_error(&delete, 400, "INVALIDJOBSTATE", "A job that is InProgress");
    assert_eq!(org.set_state(&id, "Aborted").json()["state"], "Aborted");
    org.sandbox.faults().clear();
    org.wait_for_ended(1);
    assert_eq!(org.result_sizes(&id), (250, 0, 750));
    assert_eq!(org.info(&id)["numberRecordsProcessed"], 250);
    let mut all = org.result(&id, "successfulResults").column("MySQL_Id__c");
    all.extend(org.result(&id, "unprocessedrecords").column("MySQL_Id__c"));
    all.sort();
    let mut expected: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
    expected.sort();
    assert_eq!(all, expected);
    assert_eq!(org.sandbox.stats().leads, 250);
}

#[test]
fn requests_are_answered_while_a_job_is_held_and_other_jobs_go_on() {
    let org = Org::demo();
    let slow = held(&org, 10, numbered(0, 20));
    org.sandbox.faults().add(Fault::new(Action::BulkShuffle {}));
    let faults = org.sandbox.faults().list();
    org.upsert(&[crate::harness::lead("15")]);
    // The hold stays armed for other jobs, so it is disarmed by releasing both.
    let other = org.start_job(&upsert(), numbered(100, 120));
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 2));
    assert_eq!(faults.len(), 2);
    org.sandbox.faults().release_all();
    org.wait_for_ended(2);
    for id in [slow, other] {
        assert_eq!(org.result_sizes(&id), (20, 0, 0));
    }
    assert_eq!(org.sandbox.stats().leads, 40);
}

#[test]
fn jobs_are_deleted_unless_they_are_open_or_running() {
    let org = Org::demo();
    let open = org.create_job(&upsert());
    let delete = org.ask("DELETE", &path(&open)).send();
    check_error(&delete, 400, "INVALIDJOBSTATE", "A job that is Open");
    let id = org.run_job(&upsert(), numbered(0, 1));
    let deleted = org.ask("DELETE", &path(&id)).send();
    assert_eq!((deleted.status, text(&deleted)), (204, String::new()));
    for answer in [
        org.get(&path(&id)),
        org.get(&format!("{}/successfulResults", path(&id))),
        org.ask("DELETE", &path(&id)).send(),
        org.set_state(&id, "Aborted"),
        org.ask_upload(&id, "x").send(),
    ] {
        check_error(&answer, 404, "NOT_FOUND", "");
    }
    assert_eq!(org.sandbox.jobs().len(), 1);
    assert_eq!(org.sandbox.stats().leads, 1);
}

#[test]
fn ids_are_taken_with_15_and_18_characters_and_unknown_ones_are_404() {
    let org = Org::demo();
    let id = org.create_job(&upsert());
    assert_eq!(org.info(&id[..15])["id"], id);
    for unknown in [
        "750Hp0000000009",
        "00QHp0000000001",
        "x",
        "750Hp0000000001ZZZ",
        "%00",
    ] {
        check_error(&org.get(&path(unknown)), 404, "NOT_FOUND", "");
    }
    let query = format!("/services/data/v67.0/jobs/query/{id}");
    check_error(&org.get(&query), 404, "NOT_FOUND", "");
    for below in ["/x/y/z", "/classic"] {
        let path = format!("/services/data/v67.0/jobs{below}");
        check_error(&org.get(&path), 404, "NOT_FOUND", "");
    }
    let odd = format!("{}/batches/1", path(&id));
    check_error(&org.get(&odd), 404, "NOT_FOUND", "");
    check_error(
        &org.ask("PUT", INGEST).send(),
        405,
        "METHOD_NOT_ALLOWED",
        "",
    );
}

#[test]
fn an_open_job_is_dropped_after_a_day_and_an_ended_one_after_a_week() {
    let org = Org::demo();
    let open = org.create_job(&upsert());
    let ended = org.run_job(&upsert(), numbered(0, 1));
    org.sandbox.advance_clock(23 * HOUR);
    org.info(&open);
    org.sandbox.advance_clock(2 * HOUR);
    check_error(&org.get(&path(&open)), 404, "NOT_FOUND", "");
    org.sandbox.advance_clock(142 * HOUR);
    assert_eq!(org.result_sizes(&ended), (1, 0, 0));
    org.sandbox.advance_clock(2 * HOUR);
    check_error(&org.get(&path(&ended)), 404, "NOT_FOUND", "");
    let results = format!("{}/successfulResults", path(&ended));
    check_error(&org.get(&results), 404, "NOT_FOUND", "");
    assert_eq!(org.sandbox.jobs(), []);
}

#[test]
fn job_and_data_may_come_in_one_multipart_request() {
    let org = Org::with(OrgConfig {
        bulk_storage_bytes: 60_000,
        ..OrgConfig::default()
    });
    let multipart = |content: &str| {
        let body = format!(
            "--BND\r\nContent-Type: application/json\r\nContent-Disposition: form-data; name=\"job\"\r\n\r\n{}\r\n\
             --BND\r\nContent-Type: text/csv\r\nContent-Disposition: form-data; name=\"content\"; filename=\"c\"\r\n\r\n\
             {content}\r\n--BND--\r\n",
            upsert()
        );
        let ask = org.ask("POST", INGEST);
        ask.body("multipart/form-data; boundary=BND", body).send()
    };
    let answer = multipart(&numbered(0, 3));
    assert_eq!(answer.status, 200, "{}", text(&answer));
    assert_eq!(answer.json()["state"], "UploadComplete");
    org.wait_for_ended(1);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(org.result_sizes(&id), (3, 0, 0));
    check_error(
        &multipart(&"x".repeat(100_001)),
        400,
        "INVALIDJOB",
        "The content part",
    );
    let broken = org.ask("POST", INGEST);
    let broken = broken
        .body("multipart/form-data; boundary=BND", "--BND--")
        .send();
    check_error(&broken, 400, "INVALIDJOB", "The multipart body");
    let too_large = multipart(&"x".repeat(60_001));
    check_error(&too_large, 400, "EXCEEDEDQUOTA", "The data of all jobs");
    assert_eq!(org.sandbox.jobs().len(), 1, "refused ones leave no job");
}

#[test]
fn bulk_api_1_is_refused_in_its_own_way() {
    let org = Org::demo();
    let path = "/services/async/67.0/job";
    let dead = org
        .ask_anonymously("POST", path)
        .header("X-SFDC-Session", "x");
    let answer = dead.clone().body("application/xml", "<jobInfo/>").send();
    assert_eq!(answer.status, 400);
    assert!(text(&answer).contains("<exceptionCode>InvalidSessionId</exceptionCode>"));
    let answer = dead.json(&json!({})).send();
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["exceptionCode"], "InvalidSessionId");
    let living = org.ask_anonymously("POST", path);
    let answer = living
        .header("X-SFDC-Session", &org.token)
        .json(&json!({}))
        .send();
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["exceptionCode"], "FeatureNotEnabled");
    assert_eq!(org.sandbox.stats().api_calls, 1);
    org.sandbox.faults().add(
        Fault::new(Action::Html {
            status: 503,
            commit: false,
        })
        .on(Endpoint::Other),
    );
    assert_eq!(org.ask_anonymously("GET", path).send().status, 503);
}
