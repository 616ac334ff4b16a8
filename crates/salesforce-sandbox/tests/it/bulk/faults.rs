//! What goes wrong on demand (facts 12.1).
use salesforce_sandbox::{Action, Endpoint, Fault};
use serde_json::json;

use super::client::{INGEST, numbered, path, upsert};
use crate::harness::{Org, PATIENCE, check_error};

fn fail(after_rows: u64, message: &str) -> Action {
    Action::BulkFail {
        after_rows,
        message: message.into(),
    }
}

#[test]
fn a_job_can_fail_with_some_rows_written_some_refused_and_the_rest_untouched() {
    let org = Org::demo();
    let text = "TooManyLockFailure : Too many lock failures";
    org.sandbox
        .faults()
        .add(Fault::new(fail(350, text)).times(1));
    org.sandbox.faults().add(
        Fault::new(Action::RecordError {
            status_code: "UNABLE_TO_LOCK_ROW".into(),
            message:
                "unable to obtain exclusive access to this record or 1 records: 00QHp0000000001AAA"
                    .into(),
            fields: vec![],
        })
        .on(Endpoint::Bulk)
        .keys(["3", "201", "999"])
        .times(1),
    );
    let id = org.run_job(&upsert(), numbered(0, 1_000));
    let info = org.info(&id);
    assert_eq!(
        (&info["state"], &info["errorMessage"]),
        (&json!("Failed"), &json!(text))
    );
    assert_eq!(
        (
            &info["numberRecordsProcessed"],
            &info["numberRecordsFailed"]
        ),
        (&json!(350), &json!(2))
    );
    assert_eq!(org.result_sizes(&id), (348, 2, 650));
    let mut keys = Vec::new();
    for name in ["successfulResults", "failedResults", "unprocessedrecords"] {
        keys.extend(org.result(&id, name).column("MySQL_Id__c"));
    }
    keys.sort_by_key(|key| key.parse::<u32>().unwrap());
    assert_eq!(keys, (0..1_000).map(|n| n.to_string()).collect::<Vec<_>>());
    let failed = org.result(&id, "failedResults");
    assert_eq!(failed.column("MySQL_Id__c"), ["201", "3"]);
    assert_eq!(
        failed.column("sf__Error")[0],
        "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: 00QHp0000000001AAA:--"
    );
    let stats = org.sandbox.stats();
    assert_eq!(
        (stats.leads, stats.bulk_jobs_failed, stats.faults_applied),
        (348, 1, 3)
    );

    // What was not written is sent again; the locks are gone but for the row that was not reached.
    let again = org.run_job(&upsert(), numbered(0, 1_000));
    assert_eq!(org.result_sizes(&again), (999, 1, 0));
    let created = org
        .result(&again, "successfulResults")
        .column("sf__Created");
    assert_eq!(created.iter().filter(|c| *c == "false").count(), 348);
}

#[test]
fn any_job_failure_can_be_told_before_the_first_row_and_after_the_last() {
    let org = Org::demo();
    for (after_rows, sizes) in [(0, (0, 0, 5)), (5, (5, 0, 0)), (900, (5, 0, 0))] {
        let text = "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF";
        let fault = Fault::new(fail(after_rows, text)).times(1);
        org.sandbox.faults().add(fault);
        let id = org.run_job(&upsert(), numbered(0, 5));
        assert_eq!(org.info(&id)["errorMessage"], text);
        assert_eq!(org.result_sizes(&id), sizes, "{after_rows}");
    }
    let armed = json!({ "action": { "kind": "bulk_fail" }, "times": 1 });
    let answer = org
        .ask_anonymously("POST", "/__sandbox/faults")
        .json(&armed)
        .send();
    assert_eq!(answer.status, 201);
    let id = org.run_job(&upsert(), numbered(0, 5));
    assert_eq!(
        org.info(&id)["errorMessage"],
        "InternalServerError : Retried more than 20 times"
    );
}

#[test]
fn a_held_job_stays_in_progress_until_it_is_released() {
    let org = Org::demo();
    for after_rows in [0, 200, 201, 5_000] {
        let hold = org
            .sandbox
            .faults()
            .add(Fault::new(Action::BulkHold { after_rows }));
        let before = super::client::ended(&org.sandbox.stats());
        let id = org.start_job(&upsert(), numbered(0, 400));
        assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
        let info = org.info(&id);
        assert_eq!(info["state"], "InProgress");
        assert_eq!(info["numberRecordsProcessed"], after_rows.min(400));
        assert_eq!(org.sandbox.faults().release(1), 1);
        org.wait_for_ended(before + 1);
        assert_eq!(org.info(&id)["state"], "JobComplete");
        assert!(org.sandbox.faults().remove(hold));
    }
}

#[test]
fn chunks_may_be_processed_in_another_order() {
    let org = Org::demo();
    org.sandbox.faults().add(Fault::new(Action::BulkShuffle {}));
    org.sandbox.faults().add(Fault::new(fail(200, "x")));
    let id = org.run_job(&upsert(), numbered(0, 1_000));
    let first = org.result(&id, "successfulResults").column("MySQL_Id__c");
    let mut natural: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    natural.sort();
    assert_eq!(first.len(), 200);
    assert_ne!(first, natural, "another chunk came first");
}

#[test]
fn a_slow_job_ends_like_any_other() {
    let org = Org::demo();
    let slow = json!({ "action": { "kind": "bulk_delay", "milliseconds": 1 }, "on": "bulk" });
    let answer = org
        .ask_anonymously("POST", "/__sandbox/faults")
        .json(&slow)
        .send();
    assert_eq!(answer.status, 201);
    let id = org.run_job(&upsert(), numbered(0, 601));
    assert_eq!(org.result_sizes(&id), (601, 0, 0));
    assert!(org.info(&id)["totalProcessingTime"].as_u64() >= Some(4));
    assert_eq!(org.sandbox.faults().list()[0].hits, 1);
}

#[test]
fn a_job_can_vanish_once_its_end_was_seen() {
    let org = Org::demo();
    org.sandbox
        .faults()
        .add(Fault::new(Action::BulkExpire {}).times(1));
    let id = org.run_job(&upsert(), numbered(0, 1));
    assert_eq!(org.info(&id)["state"], "JobComplete");
    check_error(&org.get(&path(&id)), 404, "NOT_FOUND", "");
    check_error(
        &org.get(&format!("{}/successfulResults", path(&id))),
        404,
        "NOT_FOUND",
        "",
    );
    let kept = org.run_job(&upsert(), numbered(0, 1));
    org.info(&kept);
    org.info(&kept);
}

#[test]
fn each_kind_of_call_can_be_refused_by_itself() {
    let org = Org::demo();
    let refuse = |on| {
        let action = Action::Refuse {
            status: 500,
            code: "UNKNOWN_EXCEPTION".into(),
            message: "as told".into(),
        };
        org.sandbox.faults().add(Fault::new(action).on(on).times(1))
    };
    let id = org.create_job(&upsert());
    let batches = format!("{}/batches", path(&id));
    let results = format!("{}/successfulResults", path(&id));
    for (on, method, target) in [
        (Endpoint::BulkCreate, "POST", INGEST),
        (Endpoint::BulkUpload, "PUT", &batches),
        (Endpoint::BulkState, "PATCH", &path(&id)),
        (Endpoint::BulkState, "DELETE", &path(&id)),
        (Endpoint::BulkInfo, "GET", &path(&id)),
        (Endpoint::BulkInfo, "GET", INGEST),
        (Endpoint::BulkResults, "GET", &results),
        (Endpoint::Bulk, "GET", &results),
        (Endpoint::Bulk, "POST", INGEST),
        (Endpoint::All, "GET", &path(&id)),
    ] {
        refuse(on);
        let others = org.get("/services/data/v67.0/limits");
        assert_eq!(others.status == 200, on != Endpoint::All, "{on:?}");
        if on == Endpoint::All {
            continue;
        }
        let answer = org.ask(method, target).send();
        check_error(&answer, 500, "UNKNOWN_EXCEPTION", "as told");
    }
    assert_eq!(org.sandbox.jobs().len(), 1);
    assert_eq!(org.info(&id)["state"], "Open");
}

#[test]
fn an_upload_or_a_close_can_be_done_although_its_answer_is_lost() {
    let org = Org::demo();
    let cut = |on| {
        let fault = Fault::new(Action::Drop { commit: true });
        org.sandbox.faults().add(fault.on(on).times(1));
    };
    let id = org.create_job(&upsert());
    cut(Endpoint::BulkUpload);
    assert!(org.ask_upload(&id, numbered(0, 2)).try_send().is_err());
    let again = org.ask_upload(&id, numbered(0, 2)).send();
    check_error(&again, 400, "INVALIDJOBSTATE", "The data of the job");
    cut(Endpoint::BulkState);
    let close = org.ask("PATCH", &path(&id));
    let close = close.json(&json!({ "state": "UploadComplete" }));
    assert!(close.try_send().is_err());
    org.wait_for_ended(1);
    assert_eq!(org.result_sizes(&id), (2, 0, 0));
    org.sandbox.faults().add(
        Fault::new(Action::Drop { commit: false })
            .on(Endpoint::BulkCreate)
            .times(1),
    );
    let lost = org.ask("POST", INGEST).json(&upsert());
    assert!(lost.try_send().is_err());
    assert_eq!(org.sandbox.jobs().len(), 1);
}

#[test]
fn an_aborted_job_uses_up_no_faults_on_records() {
    let org = Org::demo();
    let hold = Fault::new(Action::BulkHold { after_rows: 200 });
    org.sandbox.faults().add(hold.times(1));
    let refusal = Action::RecordError {
        status_code: "UNABLE_TO_LOCK_ROW".into(),
        message: String::new(),
        fields: vec![],
    };
    // Not in the first chunk, but at the next draw.
    let refusal = Fault::new(refusal).on(Endpoint::Bulk).keys(["100"]);
    org.sandbox.faults().add(refusal.skip(1).times(1));
    let aborted = org.start_job(&upsert(), numbered(0, 400));
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    assert_eq!(org.set_state(&aborted, "Aborted").status, 200);
    org.sandbox.faults().release(1);
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 0));
    let next = org.run_job(&upsert(), numbered(100, 101));
    assert_eq!(org.result_sizes(&next), (0, 1, 0));
}
