//! The log of a running service: JSON with the spans of the batch, at a level that is changed while
//! it runs.

use leadstream::rehearsal::service::wait_until;
use serde_json::{Value, json};

use crate::harness::{Build, PATIENCE, World};

/// The lines with this message, each an object; every line of the log must be one.
fn lines(world: &World, message: &str) -> Vec<Value> {
    let log = world.log();
    let all = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
    all.filter(|line| line["fields"]["message"] == message)
        .collect()
}

#[test]
fn a_batch_is_followed_by_its_spans_once_the_level_lets_it_through() {
    let mut world = World::new(Build::Release);
    world.set("log.format", "json");
    world.start();
    world.insert(3, 3);
    world.wait_settled();
    assert!(lines(&world, "answered").is_empty(), "not at info");
    let asked = world.command(&["log-level", "--json"]);
    let level = json!({"configured": "info", "before": "info", "now": "info"});
    assert_eq!(asked.json(), level);

    let set = world.command(&["log-level", "info,leadstream=debug"]);
    assert_eq!(set.code, 0, "{set:?}");
    assert_eq!(set.stdout, "info,leadstream=debug\n");
    assert!(set.stderr.contains("it was info"), "{set:?}");
    world.insert(3, 3);
    world.wait_settled();
    let answered = wait_until(PATIENCE, || {
        let of_batch = |line: &Value| line["spans"][1]["op"] == "upsert";
        lines(&world, "answered").into_iter().find(of_batch)
    });
    let sending = lines(&world, "sending");
    assert_eq!(sending[0]["spans"][1]["name"], "batch", "{sending:?}");
    let answered = answered.expect("a request in its batch");
    let batch_id = answered["spans"][1]["batch_id"].as_u64();
    assert!(batch_id.is_some_and(|id| id > 0), "{answered}");
    let spans = json!([
        {"name": "pipeline"},
        {"name": "batch", "batch_id": batch_id, "object": "Lead", "op": "upsert"},
        {"name": "request", "attempt": 1},
    ]);
    assert_eq!(answered["spans"], spans);
    assert_eq!(answered["level"], "DEBUG");
    assert_eq!(answered["fields"]["status"], 200);

    let wrong = world.command(&["log-level", "lots"]);
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert_eq!(wrong.errors()[0].page, "LS4004", "{wrong:?}");
    let back = world.command(&["log-level", "--reset", "--json"]);
    assert_eq!(back.json()["before"], "info,leadstream=debug");
    assert_eq!(back.json()["now"], "info");
    let changes = lines(&world, "the log level is changed, until a restart");
    assert_eq!(changes.len(), 2);
    let author = changes[0]["fields"]["author"].as_str().unwrap();
    assert!(!author.is_empty(), "who changed it");
    let acts = world.command(&["--json", "audit", "activity", "--limit", "1"]);
    assert!(acts.stderr.contains("older ones are left out"), "{acts:?}");
    let reset = acts.json();
    assert_eq!(
        (&reset["what"], &reset["reason"]),
        (&json!("set_log_level"), &json!("info"))
    );
    assert_eq!(reset["author"], author, "the journal names who did it");
    world.judge();
}
