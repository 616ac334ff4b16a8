//! `leadstream reconcile` against the real three: what is changed behind its back is found, explained
//! and mended; what only is on its way raises no alarm; the budget is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use leadstream::rehearsal::leads::{Form, People};
use serde_json::{Value, json};

use crate::harness::{Answer, Build, World};

const FAILURE: i32 = 1;

/// The Salesforce id of the lead with this key.
#[track_caller]
fn id(world: &World, key: &str) -> String {
    let leads = world.org.leads();
    let lead = leads.iter().find(|it| it.fields["MySQL_Id__c"] == key);
    lead.unwrap_or_else(|| panic!("no lead {key}")).id.clone()
}

#[track_caller]
fn change(world: &World, key: &str, fields: Value) {
    let id = id(world, key);
    let changed = world.org.administrator();
    let changed = changed.change(&id, fields.as_object().unwrap());
    changed.expect("the org takes the change");
}

#[track_caller]
fn delete(world: &World, key: &str) {
    let deleted = world.org.administrator().delete(&id(world, key));
    deleted.expect("the lead can be deleted");
}

fn reconcile(world: &World, more: &[&str]) -> (i32, Value) {
    let arguments = [&["reconcile", "--json", "--show", "100"], more].concat();
    let answer = world.command(&arguments);
    assert!(!answer.stdout.is_empty(), "{answer:?}");
    let route = answer.json()["routes"][0].clone();
    (answer.code, route)
}

#[track_caller]
fn counts(route: &Value, expected: [u64; 4]) {
    let count = |name: &str| route[name].as_u64().unwrap_or_default();
    let found = ["missing", "different", "extra", "on_their_way"].map(count);
    assert_eq!(found, expected, "{route:#}");
}

/// What is said of a key: the difference, its reason, and the fields.
#[track_caller]
fn finding(route: &Value, key: &str) -> (String, String, Value) {
    let findings = route["findings"].as_array().unwrap();
    let found = findings.iter().find(|it| it["key"] == key);
    let found = found.unwrap_or_else(|| panic!("nothing of {key}: {route:#}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (
        text(&found["difference"]),
        text(&found["explanation"]["reason"]),
        found["fields"].clone(),
    )
}

#[track_caller]
fn check_refused(answer: &Answer, page: &str) {
    assert_eq!(answer.code, FAILURE, "{answer:?}");
    let errors = answer.errors();
    assert_eq!(errors[0].page, page, "{errors:?}");
}

#[test]
fn what_is_changed_behind_its_back_is_found_explained_and_mended() {
    let mut world = World::new(Build::Release);
    world.start();
    world.insert(60, 60);
    let mut nameless = world.people.next_lead();
    nameless.last_name = None;
    world.insert_leads(&[nameless], 1);
    world.wait_settled();
    let (code, route) = reconcile(&world, &[]);
    assert_eq!(code, FAILURE, "the dead letter is missing");
    counts(&route, [1, 0, 0, 0]);
    assert_eq!(route["equal"], 60, "{route:#}");
    assert_eq!(finding(&route, "61").1, "dead_letter");

    for key in ["3", "4", "60"] {
        delete(&world, key);
    }
    change(&world, "10", json!({"Company": "Somebody else"}));
    change(
        &world,
        "11",
        json!({"Company": "  Spaced  ", "AnnualRevenue": 1}),
    );
    change(&world, "12", json!({"MySQL_Id__c": "foreign"}));
    world.execute(&["DELETE FROM crm.leads WHERE id = 20"]);
    let before = world.wait_caught_up().delivery.budget.unwrap().used;

    let (code, route) = reconcile(&world, &[]);
    assert_eq!(code, FAILURE);
    counts(&route, [5, 2, 2, 0]);
    assert_eq!(
        (&route["rows"], &route["records"]),
        (&json!(60), &json!(57))
    );
    let missing = |reason: &str| ("missing".to_owned(), reason.to_owned(), Value::Null);
    for key in ["3", "4", "60", "12"] {
        assert_eq!(finding(&route, key), missing("deleted_there"), "{key}");
    }
    assert_eq!(finding(&route, "61"), missing("dead_letter"));
    let (kind, reason, fields) = finding(&route, "11");
    assert_eq!((&*kind, &*reason), ("different", "changed_since"));
    assert_eq!(fields, json!(["Company", "AnnualRevenue"]));
    assert_eq!(finding(&route, "10").2, json!(["Company"]));
    assert_eq!(finding(&route, "20").1, "row_gone");
    assert_eq!(finding(&route, "foreign").1, "never_ours");
    let budget = world.status().unwrap().delivery.budget.unwrap();
    assert!(budget.used >= before + 4, "its calls are in the budget");
    let told = world.command(&["reconcile"]);
    for words in [
        "waits for a person, as dead letter 1",
        "deleted in Salesforce since",
    ] {
        assert!(told.stdout.contains(words), "{}", told.stdout);
    }

    let (_, by_job) = reconcile(&world, &["--by", "bulk"]);
    counts(&by_job, [5, 2, 2, 0]);
    assert_eq!(by_job["equal"], route["equal"]);
    let (_, part) = reconcile(&world, &["--from-key", "55"]);
    assert_eq!((&part["rows"], &part["extra"]), (&json!(7), &Value::Null));
    counts(&part, [2, 0, 0, 0]);
    let (_, part) = reconcile(&world, &["--since", "1h"]);
    assert_eq!(part["rows"], 60, "the table stamps its rows");

    let (code, route) = reconcile(&world, &["--repair", "different"]);
    assert_eq!(code, FAILURE, "they were found");
    let repair = &route["repair"];
    assert_eq!(
        (&repair["rows"], &repair["left_alone"]),
        (&json!(6), &json!(1))
    );
    let (_, route) = reconcile(&world, &[]);
    counts(&route, [1, 0, 2, 0]);

    // The rest is for people; then all is well.
    world.execute(&["DELETE FROM crm.leads WHERE id = 61"]);
    delete(&world, "20");
    delete(&world, "foreign");
    let (code, route) = reconcile(&world, &[]);
    assert_eq!(code, 0, "{route:#}");
    assert_eq!(route["equal"], 59);
    let status = world.wait_caught_up();
    assert!(status.routes[0].balances, "{status:#?}");
    assert!(world.stop().success());
    let log = world.log();
    assert!(!log.contains("Somebody else"), "a value in the log");
}

#[test]
fn what_people_did_with_a_dead_letter_is_not_undone_by_a_repair() {
    let mut world = World::new(Build::Release);
    world.start();
    world.insert(3, 3);
    for _ in 0..2 {
        let mut nameless = world.people.next_lead();
        nameless.last_name = None;
        world.insert_leads(&[nameless], 1);
    }
    world.wait_settled();
    let one = ["dead-letters", "edit", "1", "LastName=Dorn"];
    world.command(&one).data();
    let two = ["dead-letters", "discard", "2", "--reason", "a test"];
    world.command(&two).data();
    let (code, route) = reconcile(&world, &["--repair", "different"]);
    assert_eq!(code, FAILURE, "they are missing");
    counts(&route, [2, 0, 0, 0]);
    assert_eq!(finding(&route, "4").1, "dead_letter");
    assert_eq!(finding(&route, "5").1, "discarded");
    let repair = &route["repair"];
    assert_eq!(
        (&repair["rows"], &repair["left_alone"]),
        (&json!(0), &json!(2))
    );
    let letter = world
        .command(&["dead-letters", "show", "1", "--json"])
        .json();
    assert_eq!(letter["payload"]["LastName"], "Dorn");
    assert_eq!(world.org.leads().len(), 3);
    assert!(world.stop().success());
}

#[test]
fn a_stream_that_writes_meanwhile_raises_no_alarm() {
    let mut world = World::new(Build::Release);
    world.edit_config(
        "operations = [\"insert\"]",
        "operations = [\"insert\", \"update\"]",
    );
    world.set("snapshot.chunk_rows", "100");
    world.start();
    world.insert(300, 100);
    world.wait_settled();
    let url = world.mysql.url("root");
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let writer = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async move {
            let mut form = Form::open(&url).await.unwrap();
            let mut people = People::new(77, 0);
            while !stopped.load(Ordering::Relaxed) {
                let leads = [people.next_lead(), people.next_lead()];
                form.submit(&leads).await.unwrap();
                let one = people.below(300) + 1;
                let update =
                    format!("UPDATE crm.leads SET employees = employees + 1 WHERE id = {one}");
                form.execute(&update).await.unwrap();
            }
        });
    });
    for _ in 0..2 {
        let (code, route) = reconcile(&world, &[]);
        let on_their_way = route["on_their_way"].as_u64().unwrap();
        counts(&route, [0, 0, 0, on_their_way]);
        assert_eq!(code, 0, "{route:#}");
        assert!(route["equal"].as_u64().unwrap() >= 300 - on_their_way);
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    world.wait_caught_up();
    let (code, route) = reconcile(&world, &[]);
    assert_eq!(code, 0, "{route:#}");
    assert_eq!(route["equal"], route["rows"], "{route:#}");
}

#[test]
fn the_budget_is_kept_and_a_service_at_rest_is_enough_to_look() {
    let mut world = World::new(Build::Release);
    world.start();
    world.insert(30, 30);
    world.wait_settled();
    check_refused(&world.command(&["reconcile", "--max-calls", "1"]), "LS6031");
    check_refused(&world.command(&["reconcile", "--max-calls", "2"]), "LS6030");
    check_refused(
        &world.command(&["reconcile", "--route", "nobody"]),
        "LS1081",
    );
    check_refused(
        &world.command(&["reconcile", "--from-key", "1 OR 1"]),
        "LS6033",
    );
    let used = world.org.usage().api_calls.used;
    assert!(world.stop().success());
    world.set("pace.daily_calls", &(used + 2).to_string());
    world.set("pace.reserve_percent", "0");
    world.start();
    let answer = world.command(&["reconcile"]);
    check_refused(&answer, "LS6030");
    assert!(world.stop().success());
    world.forget("pace.daily_calls");
    world.set("pace.daily_calls", "5000");

    check_refused(&world.command(&["reconcile", "--repair"]), "LS6005");
    let (code, route) = reconcile(&world, &[]);
    assert_eq!(code, 0, "{route:#}");
    world.insert(2, 2);
    delete(&world, "7");
    let answer = world.command(&["reconcile", "--json"]);
    let report = answer.json();
    assert_eq!(answer.code, FAILURE);
    assert_eq!(report["behind"], true, "{report:#}");
    counts(&report["routes"][0], [3, 0, 0, 0]);
}

#[test]
fn the_checkpoint_is_shown_and_moved_at_rest_and_back_only_when_told() {
    let mut world = World::new(Build::Release);
    world.start();
    world.insert(10, 10);
    world.wait_settled();
    let first = world.wait_caught_up().checkpoint.unwrap().position;
    let first = first.to_string();
    assert_eq!(world.command(&["checkpoint", "show"]).data().trim(), first);
    let answer = world.command(&["checkpoint", "set", &first]);
    assert_eq!((answer.code, &*answer.errors()[0].page), (2, "LS6037"));
    check_refused(
        &world.command(&["checkpoint", "set", &first, "--yes"]),
        "LS6039",
    );
    world.insert(5, 5);
    let end = world.wait_caught_up().checkpoint.unwrap().position;
    let end = end.to_string();
    assert!(world.stop().success());

    let answer = world.command(&["checkpoint", "set", "nowhere", "--yes"]);
    assert_eq!((answer.code, &*answer.errors()[0].page), (2, "LS6035"));
    let back = world.command(&["checkpoint", "set", &first, "--yes"]);
    check_refused(&back, "LS6038");
    let shown = world.command(&["checkpoint", "show", "--json"]).json();
    assert_eq!(shown["checkpoint"]["position"], end, "{shown:#}");

    // Forward over five rows: they are never read, and reconcile brings them.
    world.insert(5, 1);
    let sql = "SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '')";
    let sql = crate::harness::source::spoken(world.mysql.kind(), sql);
    let texts = world.with_form(async |form| form.texts(&sql).await);
    let moved = world.command(&["checkpoint", "set", &texts[0], "--yes"]);
    assert!(moved.data().contains(&end), "{moved:?}");
    world.start();
    world.insert(1, 1);
    let status = world.wait_caught_up();
    assert_eq!(status.routes[0].captured, 16);
    let (_, route) = reconcile(&world, &["--repair"]);
    counts(&route, [5, 0, 0, 0]);
    assert_eq!(finding(&route, "16").1, "unknown");
    let (code, route) = reconcile(&world, &[]);
    assert_eq!(code, 0, "{route:#}");
    assert!(world.stop().success());
    let told = world.command(&["checkpoint", "set", &first, "--yes", "--allow-recount"]);
    assert!(told.stderr.contains("counted and sent again"), "{told:?}");
}
