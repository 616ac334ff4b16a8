//! Faults of any kind on bulk jobs: by time, on streamed results, on what is held and reset.
use std::time::Duration;

use salesforce_sandbox::{Action, Endpoint, Fault, JobState, OrgSnapshot};
use serde_json::json;

use super::client::{INGEST, numbered, path, upsert};
use crate::harness::{Org, PATIENCE, lead};

fn results(id: &str) -> String {
    format!("{}/successfulResults", path(id))
}

#[test]
fn results_that_are_sent_in_pieces_can_be_spoilt_like_any_reply() {
    let org = Org::demo();
    let id = org.run_job(&upsert(), numbered(0, 500));
    let whole = org.get(&results(&id));
    assert_eq!(whole.status, 200);
    let spoil = |action| {
        let fault = Fault::new(action).on(Endpoint::BulkResults).times(1);
        org.sandbox.faults().add(fault);
        org.get(&results(&id))
    };
    let trickled = spoil(Action::Trickle {
        bytes: 20_000,
        milliseconds: 1,
    });
    assert_eq!(trickled.body, whole.body);
    let truncated = spoil(Action::Truncate {});
    let announced: usize = truncated.header("content-length").unwrap().parse().unwrap();
    assert_eq!(announced, whole.body.len());
    assert_eq!(truncated.body, whole.body[..announced / 2]);
    let corrupt = spoil(Action::Corrupt {});
    assert_eq!(corrupt.body, whole.body[..announced / 2]);
    assert_eq!(org.get(&results(&id)).body, whole.body);
}

#[test]
fn faults_of_jobs_begin_and_end_by_the_orgs_clock() {
    let org = Org::demo();
    let fail = Action::BulkFail {
        after_rows: 0,
        message: "Timeout : x".into(),
    };
    org.sandbox
        .faults()
        .add(Fault::new(fail).after_seconds(60).for_seconds(60));
    let state = |first: usize| {
        org.job(&org.run_job(&upsert(), numbered(first, first + 2)))
            .state
    };
    assert_eq!(state(0), JobState::JobComplete);
    org.sandbox.advance_clock(Duration::from_secs(60));
    assert_eq!(state(2), JobState::Failed);
    org.sandbox.advance_clock(Duration::from_secs(60));
    assert_eq!(state(4), JobState::JobComplete);
}

#[test]
fn a_held_job_is_listed_and_released_among_the_held_requests() {
    let org = Org::demo();
    let hold = Fault::new(Action::BulkHold { after_rows: 3 });
    org.sandbox.faults().add(hold);
    let id = org.start_job(&upsert(), numbered(0, 5));
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    let held = org.sandbox.faults().held().pop().unwrap();
    assert_eq!((held.method.as_str(), held.records), ("JOB", 5));
    assert_eq!(held.path, format!("/jobs/ingest/{id}"));
    assert_eq!(org.show("page.json")["jobs"][0]["state"], "InProgress");
    let ids = json!({ "ids": [held.id] });
    let released = org.control("POST", "release").json(&ids).send();
    assert_eq!(released.json(), json!({ "released": 1 }));
    org.wait_for_ended(1);
    assert_eq!(org.job(&id).state, JobState::JobComplete);
}

#[test]
fn a_row_that_is_refused_by_its_code_alone_has_the_usual_text() {
    let org = Org::demo();
    org.upsert(&[lead("k1")]);
    let id_of_lead = org.sandbox.leads()[0].id.clone();
    let locked = json!({ "on": "bulk", "keys": ["k1"], "action": {
        "kind": "record_error", "status_code": "UNABLE_TO_LOCK_ROW",
    } });
    assert_eq!(
        org.control("POST", "faults").json(&locked).send().status,
        201
    );
    let id = org.run_job(
        &upsert(),
        "MySQL_Id__c,LastName,Company\nk1,Doe,Acme\nk2,Doe,Acme\n",
    );
    let failed = org.get(&format!("{}/failedResults", path(&id)));
    let text = String::from_utf8(failed.body).unwrap();
    let expected = format!(
        "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: {id_of_lead}:--"
    );
    assert!(text.contains(&expected), "{text}");
    assert_eq!(org.job(&id).records_failed, 1);
}

#[test]
fn a_reset_org_has_no_jobs_and_those_in_progress_write_no_more() {
    let org = Org::demo();
    let done = org.run_job(&upsert(), numbered(0, 2));
    org.sandbox
        .faults()
        .add(Fault::new(Action::BulkHold { after_rows: 200 }).times(1));
    let running = org.start_job(&upsert(), numbered(100, 900));
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    org.sandbox.use_up(0, 40);
    let before: OrgSnapshot = serde_json::from_value(org.show("snapshot")).unwrap();
    assert_eq!(before.jobs, org.sandbox.jobs());
    assert_eq!(before.jobs.len(), 2);
    assert_eq!(before.overview.usage.bulk_batches.used, 42);
    org.sandbox.reset();
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 0));
    assert_eq!(org.sandbox.usage().bulk_batches.used, 0);
    let org = Org {
        token: org.log_in(),
        ..org
    };
    for id in [done, running] {
        assert_eq!(org.get(&path(&id)).status, 404);
    }
    assert_eq!(org.get(INGEST).json()["records"], json!([]));
    // A job that follows is worked on, and nothing of the earlier one is written with it.
    org.run_job(&upsert(), numbered(0, 3));
    assert_eq!(org.sandbox.stats().leads, 3);
    assert_eq!(org.sandbox.stats().bulk_records_processed, 3);
}
