//! `leadstream snapshot` beside a running service and at rest: what it starts, refuses and shows.
//! What a snapshot reads is another file's matter.

use leadstream::core::snapshot::{SnapshotReason, SnapshotState};
use leadstream::runtime::status::{SnapshotStatus, Status};

use crate::harness::{Answer, Build, World};

const FAILURE: i32 = 1;
const USAGE: i32 = 2;

/// A snapshot of this world takes half a minute: long enough to be looked at.
fn slow_world() -> World {
    let mut world = World::new(Build::Release);
    world.set("snapshot.chunk_rows", "10");
    world.set("snapshot.max_rows_per_second", "1");
    world
}

#[track_caller]
fn check_refused(answer: &Answer, page: &str) {
    assert_eq!(answer.code, FAILURE, "{answer:?}");
    assert_eq!(answer.stdout, "");
    let errors = answer.errors();
    assert_eq!(errors[0].page, page, "{errors:?}");
    assert!(!errors[0].remedy.is_empty());
}

fn shown(world: &World) -> (bool, Option<SnapshotStatus>) {
    let value = world.command(&["snapshot", "status", "--json"]).json();
    let service = value["service_running"].as_bool().unwrap();
    (
        service,
        serde_json::from_value(value["snapshot"].clone()).unwrap(),
    )
}

#[test]
fn snapshots_are_started_refused_shown_and_cancelled_and_survive_a_restart() {
    let mut world = slow_world();
    check_refused(&world.command(&["snapshot", "start"]), "LS6005");
    check_refused(&world.command(&["snapshot", "cancel"]), "LS6005");
    check_refused(&world.command(&["snapshot", "status"]), "LS3003");
    assert!(!world.state().exists());
    let answer = world.command(&["snapshot", "start", "--where", ""]);
    assert_eq!(answer.code, USAGE, "{answer:?}");

    world.start();
    world.insert(40, 40);
    world.wait_settled();
    assert_eq!(shown(&world), (true, None));
    check_refused(&world.command(&["snapshot", "cancel"]), "LS1083");
    let answer = world.command(&["snapshot", "start", "--route", "nobody"]);
    check_refused(&answer, "LS1081");
    assert_eq!(shown(&world), (true, None));

    let condition = "id > 0 AND 'ann@example.org' <> ''";
    let answer = world.command(&["snapshot", "start", "--where", condition]);
    assert!(answer.data().starts_with("snapshot 1 is started"));
    check_refused(&world.command(&["snapshot", "start"]), "LS1080");
    let (_, snapshot) = shown(&world);
    let snapshot = snapshot.unwrap();
    assert!(snapshot.is_running());
    assert_eq!(snapshot.number, 1);
    assert_eq!(snapshot.tables[0].table, "crm.leads");
    assert_eq!(snapshot.tables[0].routes, ["leads"]);
    let status = world.command(&["status"]);
    assert!(
        status
            .data()
            .contains("snapshot    snapshot 1 is running: "),
        "{}",
        status.stdout
    );
    let text = world.command(&["snapshot", "status"]);
    assert!(
        text.data()
            .starts_with("snapshot 1 is running; seen by the service"),
        "{}",
        text.stdout
    );
    let metrics = world.get("/metrics").unwrap().1;
    assert!(
        metrics.contains("\nleadstream_snapshot_running 1\n"),
        "{metrics}"
    );

    let answer = world.command(&["snapshot", "cancel"]);
    assert!(answer.data().starts_with("snapshot 1 is cancelled after "));
    let (_, snapshot) = shown(&world);
    assert_eq!(snapshot.unwrap().state, SnapshotState::Cancelled);
    let watched = world.command(&["snapshot", "status", "--watch"]);
    assert_eq!(watched.code, FAILURE, "it did not finish");
    assert!(watched.stdout.contains("was cancelled"));

    let answer = world.command(&["snapshot", "start", "--route", "leads", "--json"]);
    assert_eq!(answer.json()["number"], 2);
    // Told before it is on disk; a commit later it must be there.
    world.insert(10, 10);
    // Not by the number of captured rows: what the first snapshot has read counts there, too.
    world.wait_caught_up();
    world.kill();
    let (service, snapshot) = shown(&world);
    assert!(!service);
    let snapshot = snapshot.unwrap();
    assert!(snapshot.is_running());
    assert_eq!(snapshot.number, 2);
    let at_rest = world.command(&["snapshot", "status"]);
    let goes_on = "goes on with the next start";
    assert!(at_rest.data().contains(goes_on), "{}", at_rest.stdout);
    world.start();
    let resumed = |status: &Status| {
        let snapshot = status.snapshot.as_ref();
        snapshot.is_some_and(|snapshot| snapshot.number == 2 && snapshot.is_running())
    };
    world.wait_for_status("the snapshot to go on", resumed);
    world.command(&["snapshot", "cancel"]).data();
    assert!(world.stop().success());
    let log = world.log();
    assert!(log.contains("SnapshotStarted"), "{log}");
    assert!(!log.contains("ann@example.org"), "a condition in the log");
}

#[test]
fn a_first_start_may_begin_with_one_snapshot() {
    let mut world = slow_world();
    world.set("source.start", "snapshot");
    world.start();
    let (_, snapshot) = shown(&world);
    let snapshot = snapshot.unwrap();
    assert_eq!(snapshot.reason, SnapshotReason::FirstStart);
    assert_eq!(snapshot.number, 1);
    assert!(world.status().unwrap().checkpoint.is_some());
    world.kill();
    world.start();
    let (_, again) = shown(&world);
    assert_eq!(again.unwrap().number, 1, "it began only once");
    assert!(world.stop().success());
}
