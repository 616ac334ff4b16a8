//! Held requests: single-step mode, who waits, and letting them go on in any order.
use std::thread::{self, JoinHandle};
use std::time::Duration;

use salesforce_sandbox::{Action, Endpoint, Fault, HeldRequest};
use serde_json::json;

use crate::harness::{Answer, Ask, COLLECTIONS, Org, PATIENCE, check_accepted, lead};

const LIMITS: &str = "/services/data/v67.0/limits";

/// Sends on a thread of its own and returns when the org holds so many requests.
#[track_caller]
fn send_until_held(org: &Org, ask: Ask, held: u64) -> JoinHandle<Answer> {
    let client = thread::spawn(move || ask.send());
    assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == held));
    client
}

#[test]
fn single_step_mode_holds_every_reply_until_it_is_released() {
    let org = Org::demo();
    let on = org
        .control("POST", "step")
        .json(&json!({ "on": true }))
        .send();
    assert_eq!(
        (on.status, on.json()),
        (200, json!({ "on": true, "held": 0 }))
    );
    let again = org
        .control("POST", "step")
        .json(&json!({ "on": true }))
        .send();
    assert_eq!(again.status, 200);
    assert_eq!(
        org.sandbox.faults().list().len(),
        1,
        "it is a fault among others, once"
    );
    // A write, a read, a login, a refusal: all wait, after what they do is done.
    let write = send_until_held(&org, org.collection(&[lead("1")]), 1);
    assert_eq!(org.sandbox.stats().leads, 1);
    let read = send_until_held(&org, org.ask("GET", LIMITS), 2);
    let form = "grant_type=client_credentials&client_id=leadstream-demo&client_secret=leadstream-demo-secret";
    let login = org
        .ask_anonymously("POST", "/services/oauth2/token")
        .body("application/x-www-form-urlencoded", form);
    let login = send_until_held(&org, login, 3);
    let missing = send_until_held(&org, org.ask("GET", "/services/data/v67.0/nowhere"), 4);
    let unknown = send_until_held(&org, org.ask_anonymously("GET", LIMITS), 5);
    assert_eq!(org.show("step"), json!({ "on": true, "held": 5 }));
    for (client, status) in [
        (write, 200),
        (read, 200),
        (login, 200),
        (missing, 404),
        (unknown, 401),
    ] {
        assert_eq!(org.sandbox.faults().release(1), 1);
        assert_eq!(client.join().unwrap().status, status);
    }
    let last = send_until_held(&org, org.ask("GET", LIMITS), 1);
    let off = org
        .control("POST", "step")
        .json(&json!({ "on": false }))
        .send();
    assert_eq!(off.json(), json!({ "on": false, "held": 0 }));
    assert_eq!(last.join().unwrap().status, 200);
    assert_eq!(org.get(LIMITS).status, 200);
    assert!(org.sandbox.faults().list().is_empty());
}

#[test]
fn single_step_mode_ends_when_all_faults_are_disarmed_and_can_begin_anew() {
    let org = Org::demo();
    let faults = org.sandbox.faults();
    faults.set_step(true);
    assert!(faults.is_stepping());
    faults.clear();
    assert!(!faults.is_stepping());
    faults.set_step(false);
    assert_eq!(org.get(LIMITS).status, 200);
    faults.set_step(true);
    let client = send_until_held(&org, org.ask("GET", LIMITS), 1);
    faults.set_step(false);
    assert_eq!(client.join().unwrap().status, 200);
}

#[test]
fn held_requests_are_listed_and_released_out_of_order() {
    let org = Org::demo();
    org.sandbox.faults().add(
        Fault::new(Action::Hold {
            after_commit: false,
        })
        .on(Endpoint::Collections),
    );
    let records: Vec<_> = (0..25).map(|n| lead(&n.to_string())).collect();
    let first = send_until_held(&org, org.collection(&records), 1);
    org.sandbox.advance_clock(Duration::from_secs(5));
    let second = send_until_held(&org, org.collection(&[lead("b")]), 2);
    let third = send_until_held(&org, org.collection(&[lead("c")]), 3);
    let held: Vec<HeldRequest> = serde_json::from_value(org.show("held")).unwrap();
    assert_eq!(held, org.sandbox.faults().held());
    assert_eq!(held.iter().map(|h| h.id.0).collect::<Vec<_>>(), [1, 2, 3]);
    let (oldest, newest) = (&held[0], &held[2]);
    assert_eq!(
        (oldest.method.as_str(), oldest.path.as_str()),
        ("PATCH", COLLECTIONS)
    );
    assert_eq!(
        (oldest.records, oldest.keys.len(), oldest.committed),
        (25, 20, false)
    );
    assert_eq!(newest.keys, ["c"]);
    assert!(newest.since_monotonic_micros - oldest.since_monotonic_micros >= 5_000_000);

    let release = |body| org.control("POST", "release").json(&body).send().json();
    assert_eq!(release(json!({ "ids": [99] })), json!({ "released": 0 }));
    assert_eq!(release(json!({ "ids": [2, 2] })), json!({ "released": 1 }));
    check_accepted(&second.join().unwrap().json()[0], true);
    assert_eq!(
        release(json!({ "count": 1, "order": "newest" })),
        json!({ "released": 1 })
    );
    check_accepted(&third.join().unwrap().json()[0], true);
    assert_eq!(org.sandbox.stats().leads, 2, "the first one still waits");
    assert_eq!(release(json!({})), json!({ "released": 1 }));
    assert_eq!(first.join().unwrap().status, 200);
    assert_eq!(org.show("held"), json!([]));
}

#[test]
fn releasing_says_what_it_did_not_understand() {
    let org = Org::demo();
    let refused = |path: &str, body| {
        let answer = org.control("POST", path).json(&body).send();
        assert_eq!(answer.status, 400, "{answer:?}");
        answer.json()[0]["message"].as_str().unwrap().to_owned()
    };
    assert!(
        refused("release", json!({ "count": "1" })).starts_with("count: must be a whole number")
    );
    assert!(
        refused("release", json!({ "order": "last" })).contains("expected `oldest` or `newest`")
    );
    assert!(refused("release", json!({ "ids": [1], "count": 1 })).starts_with("ids: stands alone"));
    assert!(refused("release", json!({ "cuont": 1 })).starts_with("cuont: unknown field"));
    assert!(refused("step", json!({})).starts_with("missing field `on`"));
    assert!(refused("step", json!({ "on": 1 })).starts_with("on: must be true or false"));
    assert!(
        refused("clock", json!({ "advance_seconds": -1 }))
            .starts_with("advance_seconds: must be a whole number")
    );
}

#[test]
fn a_request_that_is_held_twice_waits_twice() {
    let org = Org::demo();
    for after_commit in [false, true] {
        org.sandbox
            .faults()
            .add(Fault::new(Action::Hold { after_commit }).times(1));
    }
    let client = send_until_held(&org, org.collection(&[lead("1")]), 1);
    assert_eq!(org.sandbox.stats().leads, 0);
    assert_eq!(org.sandbox.faults().release_newest(1), 1);
    assert!(
        org.sandbox
            .wait_for(PATIENCE, |s| s.leads == 1 && s.held_requests == 1)
    );
    assert!(org.sandbox.faults().held()[0].committed);
    assert!(
        org.sandbox
            .faults()
            .release_one(org.sandbox.faults().held()[0].id)
    );
    check_accepted(&client.join().unwrap().json()[0], true);
}
