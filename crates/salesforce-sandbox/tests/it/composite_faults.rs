//! Faults on composite calls and on the records inside of them.
use std::thread;

use salesforce_sandbox::{Action, Endpoint, Fault, Outage};
use serde_json::{Value, json};

use crate::composite::{check_failed, doe, part, post, responses};
use crate::harness::{Org, PATIENCE, check_accepted, check_error, check_refused, lead};

const LEAD: &str = "/services/data/v67.0/sobjects/Lead";
const UPSERT: &str = "/services/data/v67.0/composite/sobjects/Lead/MySQL_Id__c";

fn locked() -> Action {
    Action::RecordError {
        status_code: "UNABLE_TO_LOCK_ROW".into(),
        message: "as told".into(),
        fields: vec![],
    }
}

fn collection(id: &str, keys: &[&str]) -> Value {
    let records: Vec<Value> = keys.iter().map(|key| lead(key)).collect();
    part(id, "PATCH", UPSERT, json!({ "records": records }))
}

fn single(id: &str, key: &str) -> Value {
    part(id, "PATCH", &format!("{LEAD}/MySQL_Id__c/{key}"), doe())
}

#[test]
fn record_errors_find_their_records_in_whatever_subrequest_they_are() {
    for on in [Endpoint::All, Endpoint::Composite] {
        let org = Org::demo();
        org.sandbox
            .faults()
            .add(Fault::new(locked()).on(on).keys(["2", "3"]).times(1));
        let parts = [
            collection("many", &["1", "2"]),
            single("one", "3"),
            single("two", "4"),
        ];
        let first = responses(&org, false, &parts);
        check_accepted(&first[0]["body"][0], true);
        check_refused(&first[0]["body"][1], "UNABLE_TO_LOCK_ROW", "as told", &[]);
        check_failed(&first[1], 400, "UNABLE_TO_LOCK_ROW", "as told");
        assert_eq!(first[2]["httpStatusCode"], 201);
        assert_eq!(org.sandbox.stats().faults_applied, 2);
        let second = responses(&org, true, &parts);
        check_accepted(&second[0]["body"][1], true);
        assert_eq!(second[1]["httpStatusCode"], 201);
        assert_eq!(org.sandbox.stats().faults_applied, 2, "they are spent");
    }
}

#[test]
fn faults_on_collections_or_single_records_reach_into_composite_calls_for_records_alone() {
    let org = Org::demo();
    let refuse = Action::Refuse {
        status: 503,
        code: "SERVER_UNAVAILABLE".into(),
        message: "as told".into(),
    };
    org.sandbox
        .faults()
        .add(Fault::new(refuse.clone()).on(Endpoint::Collections));
    org.sandbox
        .faults()
        .add(Fault::new(locked()).on(Endpoint::Collections).keys(["1"]));
    org.sandbox
        .faults()
        .add(Fault::new(locked()).on(Endpoint::Single).keys(["2"]));
    let parts = [
        collection("many", &["1", "2"]),
        single("one", "2"),
        single("two", "1"),
    ];
    let answered = responses(&org, false, &parts);
    check_refused(
        &answered[0]["body"][0],
        "UNABLE_TO_LOCK_ROW",
        "as told",
        &[],
    );
    check_accepted(&answered[0]["body"][1], true);
    check_failed(&answered[1], 400, "UNABLE_TO_LOCK_ROW", "as told");
    assert_eq!(answered[2]["httpStatusCode"], 201);
    org.sandbox
        .faults()
        .add(Fault::new(refuse).on(Endpoint::Composite).keys(["5"]));
    assert_eq!(post(&org, false, &[single("a", "4")]).status, 200);
    check_error(
        &post(&org, false, &[single("a", "4"), single("b", "5")]),
        503,
        "SERVER_UNAVAILABLE",
        "as told",
    );
}

#[test]
fn a_record_that_is_told_apart_by_a_reference_meets_its_fault_too() {
    let org = Org::demo();
    org.upsert(&[lead("1")]);
    let id = org.sandbox.leads()[0].id.clone();
    org.sandbox
        .faults()
        .add(Fault::new(locked()).keys([id]).times(1));
    let parts = [
        part(
            "row",
            "GET",
            &format!("{LEAD}/MySQL_Id__c/1?fields=Id"),
            json!(null),
        ),
        part(
            "set",
            "PATCH",
            &format!("{LEAD}/@{{row.Id}}"),
            json!({ "Title": "CTO" }),
        ),
    ];
    check_failed(
        &responses(&org, true, &parts)[1],
        400,
        "UNABLE_TO_LOCK_ROW",
        "as told",
    );
    assert_eq!(responses(&org, true, &parts)[1]["httpStatusCode"], 204);
}

#[test]
fn a_poisonous_key_makes_its_subrequest_a_400() {
    let org = Org::demo();
    org.sandbox.faults().add(
        Fault::new(Action::Poison { message: None })
            .keys(["13"])
            .times(2),
    );
    let parts = [collection("a", &["12", "13"]), collection("b", &["14"])];
    let answered = responses(&org, false, &parts);
    check_failed(
        &answered[0],
        400,
        "JSON_PARSER_ERROR",
        "Cannot deserialize instance of datetime",
    );
    check_accepted(&answered[1]["body"][0], true);
    let undone = responses(&org, true, &parts);
    check_failed(&undone[0], 400, "JSON_PARSER_ERROR", "Cannot deserialize");
    check_failed(
        &undone[1],
        400,
        "PROCESSING_HALTED",
        "The transaction was rolled back",
    );
    assert_eq!(org.sandbox.stats().leads, 1);
    check_accepted(&responses(&org, true, &parts)[0]["body"][1], true);
}

#[test]
fn faults_on_the_whole_call_act_once() {
    let org = Org::demo();
    let hold = Fault::new(Action::Hold { after_commit: true }).on(Endpoint::Composite);
    org.sandbox.faults().add(hold);
    let parts = [single("a", "1"), single("b", "2"), collection("c", &["3"])];
    thread::scope(|scope| {
        let held = scope.spawn(|| responses(&org, false, &parts));
        assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
        assert_eq!(org.sandbox.stats().leads, 3);
        org.upsert(&[lead("4")]);
        assert_eq!(org.sandbox.faults().release(1), 1);
        assert_eq!(held.join().unwrap().len(), 3);
    });
    assert_eq!(org.sandbox.faults().list()[0].hits, 1);
    org.sandbox.faults().clear();
    for (commit, leads) in [(false, 4), (true, 5)] {
        let cut = Fault::new(Action::Drop { commit })
            .times(1)
            .on(Endpoint::Composite);
        org.sandbox.faults().add(cut);
        let body = json!({ "compositeRequest": [single("a", "5")] });
        let ask = org
            .ask("POST", "/services/data/v67.0/composite")
            .json(&body);
        assert!(ask.try_send().is_err());
        assert_eq!(org.sandbox.leads().len(), leads);
    }
    let expired = Fault::new(Action::SessionExpired {
        revoke: false,
        message: None,
    })
    .times(1)
    .on(Endpoint::Composite);
    org.sandbox.faults().add(expired);
    check_error(&post(&org, true, &parts), 401, "INVALID_SESSION_ID", "");
    let down = Action::Down {
        outage: Outage::Unavailable,
    };
    org.sandbox
        .faults()
        .add(Fault::new(down).on(Endpoint::Composite));
    assert_eq!(post(&org, true, &parts).status, 503);
    assert_eq!(
        org.get("/services/data/v67.0/composite").status,
        200,
        "looking is no composite call"
    );
}

#[test]
fn a_call_that_is_held_before_its_commit_loses_races_but_not_against_itself() {
    let org = Org::demo();
    let hold = Action::Hold {
        after_commit: false,
    };
    org.sandbox
        .faults()
        .add(Fault::new(hold).on(Endpoint::Composite).times(1));
    let parts = [
        single("a", "raced"),
        single("b", "own"),
        collection("c", &["own"]),
    ];
    let answered = thread::scope(|scope| {
        let slow = scope.spawn(|| responses(&org, false, &parts));
        assert!(org.sandbox.wait_for(PATIENCE, |s| s.held_requests == 1));
        check_accepted(&org.upsert(&[lead("raced")])[0], true);
        org.sandbox.faults().release_all();
        slow.join().unwrap()
    });
    check_failed(
        &answered[0],
        400,
        "DUPLICATE_VALUE",
        "duplicate value found: MySQL_Id__c",
    );
    assert_eq!(answered[1]["httpStatusCode"], 201);
    check_accepted(&answered[2]["body"][0], false);
    assert_eq!(org.sandbox.stats().max_concurrent_per_key, 2);
}
