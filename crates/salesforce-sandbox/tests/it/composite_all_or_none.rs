//! `/composite` with `allOrNone`: undone as one, unseen until it is done (facts 4).
use std::thread;

use serde_json::{Value, json};

use crate::composite::{check_rolled_back, check_status, doe, part, responses};
use crate::harness::{Org, check_accepted, check_refused, lead};

const LEAD: &str = "/services/data/v67.0/sobjects/Lead";
const UPSERT: &str = "/services/data/v67.0/composite/sobjects/Lead/MySQL_Id__c";
const INSERT: &str = "/services/data/v67.0/composite/sobjects";

#[test]
fn with_all_or_none_one_failure_undoes_everything_and_stops_the_rest() {
    let org = Org::demo();
    org.upsert(&[lead("old")]);
    let before = org.sandbox.leads();
    let id = &before[0].id;
    let good = |n: usize| {
        [
            part(&format!("new{n}"), "POST", LEAD, doe()),
            part(
                &format!("set{n}"),
                "PATCH",
                &format!("{LEAD}/{id}"),
                json!({ "Title": "CTO" }),
            ),
            part(
                &format!("many{n}"),
                "POST",
                INSERT,
                json!({ "records": [lead(&format!("{n}"))] }),
            ),
        ]
    };
    let failures = [
        (
            part("bad", "POST", LEAD, json!({ "LastName": "Doe" })),
            "REQUIRED_FIELD_MISSING",
        ),
        (
            part("bad", "GET", &format!("{LEAD}/@{{new1.none}}"), json!(null)),
            "PROCESSING_HALTED",
        ),
        (
            part("bad", "GET", &format!("{LEAD}/nobody"), json!(null)),
            "NOT_FOUND",
        ),
        (
            part(
                "bad",
                "PATCH",
                &format!("{LEAD}/{id}"),
                json!({ "Foo__c": 1 }),
            ),
            "INVALID_FIELD",
        ),
    ];
    for (bad, code) in failures {
        let mut parts = good(1).to_vec();
        parts.push(bad);
        parts.extend(good(2));
        parts.push(part("gone", "DELETE", &format!("{LEAD}/{id}"), json!(null)));
        let responses = responses(&org, true, &parts);
        for (i, response) in responses.iter().enumerate() {
            if i == 3 {
                assert_eq!(response["body"][0]["errorCode"], code, "{response}");
            } else {
                check_rolled_back(response);
            }
        }
        assert_eq!(org.sandbox.leads(), before);
    }
    let log = org.sandbox.requests();
    let entry = log.last().unwrap();
    assert_eq!((entry.records, &entry.keys), (3, &vec![]));
    assert_eq!(entry.committed_monotonic_micros, None);
    let stats = org.sandbox.stats();
    assert_eq!(
        (stats.leads, stats.records_created, stats.records_upserted),
        (1, 1, 1)
    );
    let after = responses(&org, true, &good(3));
    check_status(&after[2], 200);
    assert_eq!(
        org.sandbox.stats().leads,
        3,
        "what was undone is not in the way"
    );
}

#[test]
fn the_outer_flag_overrides_the_inner_one_but_inner_results_may_still_say_success() {
    let all = |outer: bool, inner: bool| {
        let org = Org::demo();
        let records = [
            lead("1"),
            json!({ "attributes": { "type": "Lead" }, "LastName": "Doe" }),
        ];
        let parts = [
            part(
                "many",
                "POST",
                INSERT,
                json!({ "allOrNone": inner, "records": records }),
            ),
            part("one", "POST", LEAD, doe()),
        ];
        (responses(&org, outer, &parts), org.sandbox.leads().len())
    };
    let missing = "Required fields are missing: [Company]";
    let check = |outer: bool, inner: bool, leads: usize| {
        let (responses, kept) = all(outer, inner);
        check_status(&responses[0], 200);
        let results = &responses[0]["body"];
        check_refused(&results[1], "REQUIRED_FIELD_MISSING", missing, &["Company"]);
        if inner {
            assert_eq!(
                results[0]["errors"][0]["statusCode"],
                "ALL_OR_NONE_OPERATION_ROLLED_BACK"
            );
        } else {
            assert_eq!(results[0]["success"], true, "although it may be undone");
        }
        if outer {
            check_rolled_back(&responses[1]);
        } else {
            check_status(&responses[1], 201);
        }
        assert_eq!(kept, leads, "outer {outer}, inner {inner}");
    };
    check(false, false, 2);
    check(false, true, 1);
    check(true, true, 0);
    check(true, false, 0);
}

#[test]
fn nobody_sees_a_call_with_all_or_none_half_done() {
    let org = Org::demo();
    let parts: Vec<Value> = (0..5)
        .map(|n| {
            let records: Vec<Value> = (0..40).map(|k| lead(&format!("{n}-{k}"))).collect();
            part(
                &format!("r{n}"),
                "PATCH",
                UPSERT,
                json!({ "records": records }),
            )
        })
        .chain([part("bad", "POST", LEAD, json!({}))])
        .collect();
    thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    (0..20).for_each(|_| check_rolled_back(&responses(&org, true, &parts)[0]))
                })
            })
            .collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            assert_eq!(org.sandbox.leads().len(), 0);
        }
    });
    assert_eq!(org.sandbox.stats().records_created, 0);
}

#[test]
fn five_collections_of_200_are_one_call() {
    let org = Org::demo();
    let parts: Vec<Value> = (0..5)
        .map(|n| {
            let records: Vec<Value> = (0..200).map(|k| lead(&format!("{n}-{k}"))).collect();
            part(
                &format!("r{n}"),
                "PATCH",
                UPSERT,
                json!({ "records": records }),
            )
        })
        .collect();
    let responses = responses(&org, true, &parts);
    check_accepted(&responses[4]["body"][199], true);
    let stats = org.sandbox.stats();
    assert_eq!((stats.leads, stats.api_calls), (1000, 1));
    let log = org.sandbox.requests();
    assert_eq!(log.last().unwrap().keys.len(), 1000);
}
