//! A reader that looks healthy and gets nothing: noticed by progress, not by being alive; and what
//! must not be taken for it.

use std::time::{Duration, Instant};

use leadstream::rehearsal::service::wait_until;
use salesforce_sandbox::{Action, Endpoint, Fault};

use crate::harness::{Build, PATIENCE, Proxy, World};

/// A world that is looked at often, and where a second without events is a stall.
fn watchful() -> World {
    let mut world = World::new(Build::Release);
    world.set("source.heartbeat", "200ms");
    world.set("source.observe_interval", "100ms");
    world.set("source.stall_timeout", "1s");
    world.set("retry.base", "100ms");
    world.set("retry.cap", "300ms");
    world
}

#[track_caller]
fn wait_for_readyz(world: &World, code: u16, words: &str) {
    let mut last = None;
    let found = wait_until(PATIENCE, || {
        last = world.get("/readyz");
        let (found, text) = last.as_ref()?;
        (*found == code && text.contains(words)).then_some(())
    });
    assert!(found.is_some(), "{last:?} is not {code} {words:?}");
}

#[test]
fn events_held_back_behind_heartbeats_are_a_stall_that_shows_and_mends_itself() {
    let mut world = watchful();
    let proxy = Proxy::start(world.mysql.port());
    world.set("source.url", &proxy.url("root"));
    world.start();
    world.insert(10, 10);
    world.wait_settled();
    wait_for_readyz(&world, 200, "ready");

    proxy.hold_events(true);
    world.insert(10, 5);
    let status = world.wait_for_status("the stall to be noticed", |status| status.source.stalled);
    assert!(proxy.held() > 0);
    assert_eq!(status.routes[0].captured, 10);
    wait_for_readyz(&world, 503, "capture: ");
    world.wait_for_status("a second try", |status| status.source.stalls >= 2);
    let (_, metrics) = world.get("/metrics").unwrap();
    assert!(
        metrics.contains("\nleadstream_capture_stalled 1\n"),
        "{metrics}"
    );
    assert!(
        !world.log().contains("LS1031"),
        "heartbeats came: {}",
        world.log()
    );
    assert!(world.log().contains("LS1034"), "{}", world.log());

    proxy.hold_events(false);
    world.wait_for_status("the stream to be well", |status| {
        status.source.connected && !status.source.stalled && status.routes[0].captured == 20
    });
    wait_for_readyz(&world, 200, "ready");
    assert_eq!(world.judge().delivered.len(), 20);
}

#[test]
fn a_killed_dump_thread_and_a_frozen_server_are_taken_up_again() {
    let mut world = watchful();
    world.start();
    world.insert(10, 10);
    world.wait_settled();
    let dumps = "SELECT CAST(id AS CHAR) FROM information_schema.processlist \
                 WHERE command LIKE 'Binlog Dump%'";
    let threads = world.with_form(async move |form| form.texts(dumps).await);
    assert_eq!(threads.len(), 1);
    world.execute(&[&format!("KILL {}", threads[0])]);
    world.insert(10, 10);
    let status = world.wait_settled();
    assert!(status.source.reconnects >= 1, "{status:?}");

    world.mysql.freeze().unwrap();
    world.wait_for_status("the silence to be noticed", |status| {
        !status.source.connected
    });
    world.mysql.thaw().unwrap();
    world.insert(10, 10);
    world.wait_settled();
    assert_eq!(world.judge().delivered.len(), 30);
}

#[test]
fn a_quiet_server_a_full_window_and_a_long_transaction_are_no_stall() {
    let mut world = watchful();
    world.set("source.stall_timeout", "500ms");
    world.set("source.window_bytes", "64KiB");
    world.start();
    world.insert(10, 10);
    world.wait_settled();
    // Quiet; then a new binlog file without anything of ours in it.
    watch(&mut world);
    world.execute(&[
        "FLUSH BINARY LOGS",
        "CREATE TABLE crm.other (id INT PRIMARY KEY)",
    ]);
    watch(&mut world);

    // A slow Salesforce holds the window; that is not the stream's fault.
    let slow = Fault::new(Action::Delay {
        milliseconds: 3_000,
        after_commit: false,
    });
    let slow = world.org.faults().add(slow.on(Endpoint::Collections));
    world.insert(8_000, 400);
    world.wait_for_status("the window to be full", |status| {
        status.delivery.calls_in_flight > 0 && status.routes[0].captured < 8_000
    });
    world.insert(400, 400);
    watch(&mut world);
    let status = world.status().unwrap();
    assert!(status.source.behind_bytes.unwrap() > 0, "{status:?}");
    world.org.faults().remove(slow);
    world.wait_settled();

    let rows = "INSERT INTO crm.leads (last_name, company, email) WITH RECURSIVE n AS (SELECT 1 AS i \
                UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT CONCAT('Long', i), 'Row Ltd', \
                CONCAT('long', i, '@example.com') FROM n";
    world.execute(&["SET SESSION cte_max_recursion_depth = 100000", rows]);
    let status = world.wait_for_status("one long transaction", |status| {
        status.routes[0].captured == 28_410
            && status.routes[0].in_flight == 0
            && status.source.retention_left_seconds == Some(2_592_000)
    });
    assert_eq!(status.source.stalls, 0, "{status:?}");
    assert_eq!(status.source.reconnects, 0, "{status:?}");
}

/// Looks for more than a time-out (six heartbeats, two seconds at least) whether it raises an alarm.
#[track_caller]
fn watch(world: &mut World) {
    let begun = Instant::now();
    let status = world.wait_for_status("time to pass", |_| {
        begun.elapsed() > Duration::from_millis(2_800)
    });
    assert_eq!(status.source.stalls, 0, "{status:?}\n{}", world.log());
    assert!(!status.source.stalled, "{status:?}");
}

#[test]
fn a_large_row_on_a_slow_line_is_neither_silence_nor_a_stall() {
    let mut world = watchful();
    let proxy = Proxy::start(world.mysql.port());
    world.set("source.url", &proxy.url("root"));
    world.execute(&["CREATE TABLE crm.files (id INT PRIMARY KEY, body LONGBLOB)"]);
    world.start();
    world.insert(10, 10);
    world.wait_settled();
    // Five seconds for one packet, where three heartbeats take less than one.
    proxy.drip(50);
    world.execute(&["INSERT INTO crm.files VALUES (1, REPEAT('x', 4000000))"]);
    world.insert(10, 10);
    let status = world.wait_settled();
    assert_eq!(status.source.reconnects, 0, "{}", world.log());
    assert_eq!(status.source.stalls, 0, "{status:?}");
    assert_eq!(world.judge().delivered.len(), 20);
}

#[test]
fn what_is_left_of_the_retention_goes_by_the_age_of_what_was_read() {
    let mut world = watchful();
    world.execute(&["SET GLOBAL binlog_expire_logs_seconds = 1000"]);
    world.start();
    world.insert(10, 10);
    world.wait_settled();
    let whole = |left: Option<i64>| left == Some(1_000);
    world.wait_for_status("all to be read", |status| {
        whole(status.source.retention_left_seconds)
    });

    // What was read last is ten minutes old, and what comes next does not get through.
    let proxy = Proxy::start(world.mysql.port());
    world.stop();
    world.set("source.url", &proxy.url("root"));
    world.start();
    world.execute(&[
        "SET TIMESTAMP = UNIX_TIMESTAMP() - 600",
        "CREATE TABLE crm.old (id INT PRIMARY KEY)",
    ]);
    world.wait_for_status("the old event", |status| {
        status.source.behind_bytes == Some(0)
    });
    proxy.hold_events(true);
    world.insert(1, 1);
    world.wait_for_status("less to be left", |status| {
        status.source.behind_bytes.is_some_and(|bytes| bytes > 0)
            && status
                .source
                .retention_left_seconds
                .is_some_and(|left| (300..=400).contains(&left))
    });
    proxy.hold_events(false);
    world.wait_for_status("all to be read", |status| {
        whole(status.source.retention_left_seconds)
    });

    // All is read, but a restart would have to begin at what is prepared and undecided.
    world.execute(&[
        "SET TIMESTAMP = UNIX_TIMESTAMP() - 600",
        "XA START 'held'",
        "INSERT INTO crm.leads (last_name, company, email) VALUES ('Held', 'Acme', 'h@example.com')",
        "XA END 'held'",
        "XA PREPARE 'held'",
    ]);
    world.wait_for_status("what is held to show", |status| {
        status.source.behind_bytes.is_some_and(|bytes| bytes > 0)
            && status
                .source
                .retention_left_seconds
                .is_some_and(|left| (300..=400).contains(&left))
    });
    world.execute(&["XA COMMIT 'held'"]);
    world.wait_for_status("nothing to be held", |status| {
        whole(status.source.retention_left_seconds)
    });

    world.execute(&["SET GLOBAL binlog_expire_logs_auto_purge = OFF"]);
    let endless = wait_until(PATIENCE, || {
        let (_, metrics) = world.get("/metrics")?;
        metrics
            .contains("\nleadstream_source_retention_left_seconds inf\n")
            .then_some(())
    });
    assert!(endless.is_some());
}
