//! Rows that requests and others hold (facts 7.1, 10).
use std::thread;

use salesforce_sandbox::{Action, Fault, FaultId, OrgConfig};
use serde_json::{Value, json};

use super::{BY_KEY, id_of, save, shown};
use crate::harness::{
    Answer, Ask, Org, PATIENCE, check_accepted, check_error, check_refused, lead, lead_with,
};

fn with_wait(lock_wait_ms: u64) -> Org {
    Org::with(OrgConfig {
        lock_wait_ms,
        ..OrgConfig::default()
    })
}

fn in_background(ask: Ask) -> thread::JoinHandle<Answer> {
    thread::spawn(move || ask.send())
}

/// Holds the next request that carries the key, before its commit.
fn hold(org: &Org, key: &str) -> FaultId {
    let action = Action::Hold {
        after_commit: false,
    };
    org.sandbox
        .faults()
        .add(Fault::new(action).keys([key]).times(1))
}

#[track_caller]
fn check_locked(result: &Value, id: &str) {
    let text = format!("unable to obtain exclusive access to this record or 1 records: {id}");
    check_refused(result, "UNABLE_TO_LOCK_ROW", &text, &[]);
}

fn titled(key: &str, title: &str) -> Value {
    lead_with(key, json!({ "Title": title }))
}

#[test]
fn a_second_write_of_a_row_waits_for_the_first_and_comes_after_it() {
    let org = with_wait(3_600_000);
    org.upsert(&[lead("1"), lead("2")]);
    hold(&org, "1");
    let first = in_background(org.collection(&[titled("1", "first"), titled("2", "first")]));
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    let second = in_background(org.collection(&[titled("2", "second")]));
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.row_lock_waits == 1));
    check_accepted(&org.upsert(&[lead("3")])[0], true);
    assert_eq!(
        shown(&org, "2")["Title"],
        json!(null),
        "readers do not wait"
    );
    org.sandbox.faults().release_all();
    check_accepted(&first.join().unwrap().json()[0], false);
    check_accepted(&second.join().unwrap().json()[0], false);
    assert_eq!(org.sandbox.stats().row_lock_waits, 0);
    assert_eq!(shown(&org, "2")["Title"], "second");
    assert_eq!(shown(&org, "1")["Title"], "first");
}

#[test]
fn after_the_wait_only_the_locked_records_are_refused() {
    let org = with_wait(0);
    org.upsert(&[lead("1"), lead("2")]);
    let id = id_of(&org, "1");
    hold(&org, "1");
    let first = in_background(org.collection(&[titled("1", "first")]));
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    let results = org.upsert(&[titled("1", "second"), titled("2", "second"), lead("3")]);
    check_locked(&results[0], &id);
    check_accepted(&results[1], false);
    check_accepted(&results[2], true);
    let single = org.patch(&format!("{BY_KEY}/1"), &json!({ "Title": "second" }));
    check_error(
        &single,
        400,
        "UNABLE_TO_LOCK_ROW",
        "unable to obtain exclusive access",
    );
    let delete = org.ask("DELETE", &format!("{BY_KEY}/1")).send();
    assert_eq!(delete.json()[0]["errorCode"], "UNABLE_TO_LOCK_ROW");
    org.sandbox.faults().release_all();
    check_accepted(&first.join().unwrap().json()[0], false);
    check_accepted(&org.upsert(&[titled("1", "third")])[0], false);
    assert_eq!(shown(&org, "1")["Title"], "third");
}

#[test]
fn rows_are_free_again_when_a_request_ends_without_writing() {
    let org = with_wait(0);
    org.upsert(&[lead("1")]);
    // The record is refused after the request has taken its row.
    hold(&org, "1");
    let first = in_background(org.collection(&[lead_with("1", json!({ "Company": null }))]));
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    let locked = org.upsert(&[lead("1")]);
    assert_eq!(locked[0]["errors"][0]["statusCode"], "UNABLE_TO_LOCK_ROW");
    org.sandbox.faults().release_all();
    assert_eq!(first.join().unwrap().json()[0]["success"], false);
    check_accepted(&org.upsert(&[lead("1")])[0], false);
}

#[test]
fn requests_that_want_each_others_rows_do_not_wait_for_ever() {
    let org = with_wait(3_600_000);
    org.upsert(&[lead("1"), lead("2")]);
    hold(&org, "1");
    let first = in_background(org.collection(&[titled("1", "a"), titled("2", "a")]));
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    hold(&org, "2");
    let second = in_background(org.collection(&[titled("2", "b"), titled("1", "b")]));
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.row_lock_waits == 1));
    let third = in_background(org.collection(&[titled("1", "c")]));
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.row_lock_waits == 2));
    org.sandbox.faults().clear();
    for call in [first, second, third] {
        check_accepted(&call.join().unwrap().json()[0], false);
    }
    assert_eq!(org.sandbox.leads()[0].writes, 4);
}

#[test]
fn a_composite_call_holds_the_rows_of_all_its_parts_and_is_not_in_its_own_way() {
    let org = with_wait(0);
    org.upsert(&[lead("1"), lead("2"), lead("3")]);
    let part = |name: &str, key: &str| {
        let url = format!("{BY_KEY}/{key}");
        json!({ "method": "PATCH", "referenceId": name, "url": url, "body": { "Title": name } })
    };
    let mut last = part("third", "1");
    last["body"]["City"] = json!("@{first.id}");
    let parts = json!({ "allOrNone": true, "compositeRequest": [part("first", "1"), part("second", "2"), last] });
    let call = org
        .ask("POST", "/services/data/v67.0/composite")
        .json(&parts);
    let action = Action::Hold {
        after_commit: false,
    };
    org.sandbox.faults().add(Fault::new(action).times(1));
    let held = in_background(call);
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
    let results = org.upsert(&[lead("1"), lead("2"), lead("3")]);
    let written: Vec<bool> = results.iter().map(|r| r["success"] == true).collect();
    assert_eq!(written, [false, false, true]);
    org.sandbox.faults().release_all();
    let answers = held.join().unwrap().json()["compositeResponse"].clone();
    for answer in answers.as_array().unwrap() {
        assert_eq!(answer["httpStatusCode"], 200, "{answers}");
    }
    assert_eq!(shown(&org, "1")["Title"], "third");
}

#[test]
fn others_hold_a_row_for_some_writes_or_until_they_let_go() {
    let org = Org::demo();
    org.upsert(&[lead("1")]);
    let id = id_of(&org, "1");
    let administrator = org.sandbox.administrator();
    administrator.lock(&id, Some(2)).unwrap();
    for _ in 0..2 {
        check_locked(&save(&org, "1", json!({})), &id);
    }
    check_accepted(&save(&org, "1", json!({})), false);
    let control = |method: &str, path: &str| {
        let path = format!("/__sandbox/leads/{id}/{path}");
        org.ask_anonymously(method, &path)
    };
    assert_eq!(control("POST", "lock").send().status, 204);
    for _ in 0..3 {
        check_locked(&save(&org, "1", json!({})), &id);
    }
    assert_eq!(control("DELETE", "lock").send().status, 204);
    check_accepted(&save(&org, "1", json!({})), false);
    assert_eq!(
        control("POST", "lock")
            .json(&json!({ "writes": 1 }))
            .send()
            .status,
        204
    );
    check_locked(&save(&org, "1", json!({})), &id);
    check_accepted(&save(&org, "1", json!({})), false);
    let wrong = control("POST", "lock").json(&json!({ "write": 1 })).send();
    check_error(&wrong, 400, "INVALID_ARGUMENT", "write: unknown field");
}

#[test]
fn an_approval_process_locks_a_lead_until_it_ends() {
    let org = Org::demo();
    org.upsert(&[lead("1")]);
    let id = id_of(&org, "1");
    let control = |method: &str| {
        let path = format!("/__sandbox/leads/{id}/approval");
        org.ask_anonymously(method, &path).send().status
    };
    assert_eq!(control("POST"), 204);
    let text = "the entity is locked for editing";
    check_refused(&save(&org, "1", json!({})), "ENTITY_IS_LOCKED", text, &[]);
    assert_eq!(control("DELETE"), 204);
    check_accepted(&save(&org, "1", json!({})), false);
}
