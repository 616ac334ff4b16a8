//! Triggers, and the three attempts at saving what did not fail (facts 3.4, 7.1).
use serde_json::{Value, json};

use super::{BY_KEY, body, org, save, shown};
use crate::harness::{
    COLLECTIONS, Org, check_accepted, check_error, check_refused, lead, lead_with,
};

const CODE: &str = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY";
const TOO_MANY: &str =
    "Too many batch retries in the presence of Apex triggers and partial failures.";

fn titled(key: &str, title: &str) -> Value {
    lead_with(key, json!({ "Title": title }))
}

fn trigger(title: &str, from_attempt: u8, more: &str) -> String {
    format!(
        "
        [[triggers]]
        name = 'T{from_attempt}'
        fails_when = 'Title = \"{title}\"'
        message = 'System.Oops: {title}'
        from_attempt = {from_attempt}
        {more}
        "
    )
}

#[track_caller]
fn check_failed(result: &Value, trigger: &str, event: &str, text: &str) {
    let message = format!("{trigger}: execution of {event} caused by: {text}");
    check_refused(result, CODE, &message, &[]);
}

#[test]
fn a_trigger_that_fails_nothing_runs_once_for_each_event_of_a_call() {
    let org = org("[[triggers]]");
    org.upsert(&[lead("1"), lead("2")]);
    assert_eq!(org.sandbox.stats().trigger_runs, 1);
    org.upsert(&[lead("2"), lead("3")]);
    assert_eq!(
        org.sandbox.stats().trigger_runs,
        3,
        "one of inserts, one of updates"
    );
    let id = shown(&org, "1")["Id"].as_str().unwrap().to_owned();
    org.sandbox.administrator().delete(&id).unwrap();
    assert_eq!(org.sandbox.stats().trigger_runs, 3);
}

#[test]
fn without_triggers_a_refused_record_costs_the_others_no_second_attempt() {
    let org = Org::demo();
    let results = org.upsert(&[lead("1"), lead_with("2", json!({ "Company": null }))]);
    check_accepted(&results[0], true);
    assert_eq!(org.sandbox.stats().trigger_runs, 0);
    assert!(
        org.sandbox.leads()[0].id.ends_with("001MAA"),
        "no place was given up"
    );
}

#[test]
fn what_a_trigger_fails_is_set_aside_and_the_others_are_saved_again() {
    let org = org(&trigger("bad", 1, ""));
    let results = org.upsert(&[lead("1"), titled("2", "bad"), lead("3")]);
    check_accepted(&results[0], true);
    check_failed(&results[1], "T1", "BeforeInsert", "System.Oops: bad");
    check_accepted(&results[2], true);
    let stats = org.sandbox.stats();
    assert_eq!(
        (stats.trigger_runs, stats.leads, stats.records_rejected),
        (2, 2, 1)
    );
    let results = org.upsert(&[titled("1", "bad"), lead("3")]);
    check_failed(&results[0], "T1", "BeforeUpdate", "System.Oops: bad");
    assert_eq!(
        org.sandbox
            .leads()
            .iter()
            .map(|l| l.writes)
            .collect::<Vec<_>>(),
        [1, 2]
    );
}

#[test]
fn any_other_failure_makes_the_triggers_run_again_too() {
    let org = org("[[triggers]]");
    let results = org.upsert(&[lead("1"), lead_with("2", json!({ "Email": "foo@" }))]);
    check_accepted(&results[0], true);
    assert_eq!(
        results[1]["errors"][0]["statusCode"],
        "INVALID_EMAIL_ADDRESS"
    );
    assert_eq!(org.sandbox.stats().trigger_runs, 2);
}

#[test]
fn a_second_attempt_may_fail_some_more() {
    let org = org(&format!(
        "{}{}",
        trigger("bad", 1, ""),
        trigger("late", 2, "")
    ));
    let results = org.upsert(&[lead("1"), titled("2", "bad"), titled("3", "late")]);
    check_accepted(&results[0], true);
    check_failed(&results[1], "T1", "BeforeInsert", "System.Oops: bad");
    check_failed(&results[2], "T2", "BeforeInsert", "System.Oops: late");
    assert_eq!(
        org.sandbox.stats().trigger_runs,
        6,
        "two triggers, three attempts"
    );
    assert_eq!(shown(&org, "1")["LastName"], "Doe");
}

#[test]
fn a_third_attempt_that_fails_fails_all() {
    let rules = [
        trigger("bad", 1, ""),
        trigger("late", 2, ""),
        trigger("latest", 3, ""),
    ]
    .concat();
    let org = org(&rules);
    org.upsert(&[lead("old")]);
    let call = || {
        org.upsert(&[
            lead("1"),
            titled("2", "bad"),
            titled("3", "late"),
            titled("4", "latest"),
            titled("old", "new title"),
        ])
    };
    for result in call() {
        check_refused(&result, CODE, TOO_MANY, &[]);
    }
    assert_eq!(org.sandbox.stats().leads, 1);
    let old = &org.sandbox.leads()[0];
    assert_eq!(
        (old.writes, old.fields.get("Title")),
        (1, None),
        "nothing of it is left"
    );
    assert_eq!(call(), call(), "the same call ends the same way");
    // In smaller pieces the good ones get through.
    check_accepted(
        &org.upsert(&[lead("1"), titled("old", "new title")])[0],
        true,
    );
}

#[test]
fn an_exception_that_nobody_catches_fails_every_record_of_the_run() {
    let org = org(&trigger("bad", 1, "failure = 'chunk'"));
    org.upsert(&[lead("old")]);
    let results = org.upsert(&[lead("1"), titled("2", "bad"), lead("old")]);
    check_failed(&results[0], "T1", "BeforeInsert", "System.Oops: bad");
    check_failed(&results[1], "T1", "BeforeInsert", "System.Oops: bad");
    check_accepted(&results[2], false);
}

#[test]
fn an_added_error_looks_like_a_validation_rule() {
    let org = org(&trigger("bad", 1, "failure = 'add_error'"));
    let result = save(&org, "1", json!({ "Title": "bad" }));
    check_refused(
        &result,
        "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        "System.Oops: bad",
        &[],
    );
}

#[test]
fn a_flow_fails_its_record_in_its_own_words() {
    let org = org(&trigger("bad", 1, "failure = 'flow'"));
    let results = org.upsert(&[titled("1", "bad"), lead("2")]);
    let text = "We can't save this record because the \u{201c}T1\u{201d} process failed. Give your Salesforce admin \
                these details. System.Oops: bad";
    check_refused(&results[0], "CANNOT_EXECUTE_FLOW_TRIGGER", text, &[]);
    check_accepted(&results[1], true);
}

#[test]
fn triggers_after_the_save_undo_it_for_what_they_fail() {
    let rules = trigger("bad", 1, "on = ['after_insert', 'after_update']");
    let org = org(&rules);
    let results = org.upsert(&[lead("1"), titled("2", "bad"), lead("3")]);
    check_accepted(&results[0], true);
    check_failed(&results[1], "T1", "AfterInsert", "System.Oops: bad");
    check_accepted(&results[2], true);
    let results = org.upsert(&[titled("1", "bad")]);
    check_failed(&results[0], "T1", "AfterUpdate", "System.Oops: bad");
    let leads = org.sandbox.leads();
    assert_eq!(
        (leads.len(), leads[0].writes, leads[0].fields.get("Title")),
        (2, 1, None)
    );
    let single = org.patch(&format!("{BY_KEY}/4"), &body(json!({ "Title": "bad" })));
    check_error(
        &single,
        400,
        CODE,
        "T1: execution of AfterInsert caused by: System.Oops: bad",
    );
    assert_eq!(org.sandbox.stats().leads, 2);
    check_accepted(&save(&org, "2", json!({})), true);
}

#[test]
fn triggers_see_what_changes() {
    let org = org("
        [[triggers]]
        on = ['after_update']
        fails_when = 'is_changed(Title) and prior(Title) = \"CTO\"'
        ");
    save(&org, "1", json!({ "Title": "CTO" }));
    check_accepted(&save(&org, "1", json!({ "City": "Bonn" })), false);
    let result = save(&org, "1", json!({ "Title": "CEO" }));
    let text = "System.NullPointerException: Attempt to de-reference a null object";
    check_failed(&result, "LeadTrigger", "AfterUpdate", text);
}

#[test]
fn an_all_or_none_call_has_one_attempt() {
    let org = org(&format!(
        "{}{}",
        trigger("bad", 1, ""),
        trigger("late", 1, "on = ['after_insert']")
    ));
    for title in ["bad", "late"] {
        let records = [lead("1"), titled("2", title)];
        let body = json!({ "allOrNone": true, "records": records });
        let results = org.patch(COLLECTIONS, &body).json();
        assert_eq!(
            results[0]["errors"][0]["statusCode"],
            "ALL_OR_NONE_OPERATION_ROLLED_BACK"
        );
        assert_eq!(results[1]["errors"][0]["statusCode"], CODE);
    }
    // The run after the insert comes only when the one before it failed nothing.
    assert_eq!(
        (org.sandbox.stats().leads, org.sandbox.stats().trigger_runs),
        (0, 3)
    );
}
