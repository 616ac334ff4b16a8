//! Positions on one server: tags, files that rotate on a quiet server, history that is purged,
//! reset, or numbered in another way.

use leadstream::rehearsal::{MysqlOptions, replication};

use crate::harness::{Build, Cluster, World, source};

const LEAD: &str = "INSERT INTO crm.leads (last_name, email) VALUES ('Tagged', 't@example.com')";

fn execute(world: &World, statements: &[&str]) {
    let spoken = |statement: &&str| source::spoken(world.mysql.kind(), statement);
    let statements: Vec<String> = statements.iter().map(spoken).collect();
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    world.wait_for(replication::execute(&world.mysql, &statements));
}

fn newest_file(world: &World) -> String {
    world.newest_file()
}

#[test]
fn tagged_gtids_are_carried_through_restarts_and_failovers() {
    let mut cluster = Cluster::new();
    cluster.world.start();
    let tagged = ["SET SESSION gtid_next = 'AUTOMATIC:blue'", LEAD, LEAD];
    let green = ["SET SESSION gtid_next = 'AUTOMATIC:green'", LEAD];
    let mut rows = 0;
    for round in 0..3 {
        cluster.world.insert(20, 10);
        cluster.execute_on_primary(&tagged);
        cluster.execute_on_primary(&green);
        cluster.world.insert(20, 10);
        rows += 43;
        let status = cluster.world.wait_for_status("the rows", |status| {
            status.routes[0].captured == rows && status.routes[0].in_flight == 0
        });
        match round {
            0 => {
                assert!(cluster.world.stop().success());
                // While it is away, under the tag alone.
                cluster.execute_on_primary(&green);
                rows += 1;
                cluster.world.start();
            }
            _ => {
                let position = status.checkpoint.unwrap().position.to_string();
                assert!(
                    position.contains(":blue:1-") && position.contains(":green:1-"),
                    "{position}"
                );
                cluster.catch_up(0);
                cluster.promote(0);
                cluster.lead_to_primary();
                cluster.follow(0);
            }
        }
    }
    cluster.world.expect_also(7 + 3);
    assert_eq!(cluster.world.judge().rows, rows);
}

/// Until the checkpoint is in the server's newest file; gives that file's name.
#[track_caller]
fn wait_for_the_newest_file(world: &mut World) -> String {
    let file = newest_file(world);
    world.wait_for_status("the checkpoint to be in the newest file", |status| {
        let checkpoint = status.checkpoint.as_ref();
        checkpoint.is_some_and(|checkpoint| *checkpoint.end.file == file)
    });
    file
}

#[track_caller]
fn a_quiet_server_rotates(options: MysqlOptions) {
    let mut world = World::with(Build::Release, options, Default::default());
    world.start();
    world.insert(10, 10);
    world.wait_settled();
    for _ in 0..3 {
        execute(&world, &["FLUSH BINARY LOGS"]);
        wait_for_the_newest_file(&mut world);
    }
    // So the older files are not needed any more.
    assert!(world.stop().success());
    world.purge();
    world.start();
    world.insert(10, 10);
    assert_eq!(world.judge().rows, 20);
}

#[test]
fn rotations_on_a_quiet_server_move_the_checkpoint() {
    a_quiet_server_rotates(MysqlOptions::default());
}

#[test]
fn rotations_on_a_quiet_server_without_gtids_move_the_checkpoint() {
    // A rotation while leadstream is down, and a purge up to it, would be lost history here: the
    // last one happens before the stop.
    let options = MysqlOptions {
        gtid_mode: false,
        ..MysqlOptions::default()
    };
    let mut world = World::with(Build::Release, options, Default::default());
    world.start();
    world.insert(10, 10);
    world.wait_settled();
    execute(&world, &["FLUSH BINARY LOGS"]);
    let file = wait_for_the_newest_file(&mut world);
    world.kill();
    execute(&world, &[&format!("PURGE BINARY LOGS TO '{file}'")]);
    world.insert(10, 10);
    world.start();
    assert_eq!(world.judge().rows, 20);
}

#[test]
fn purged_history_is_waited_for_until_a_server_has_it() {
    let mut cluster = Cluster::new();
    cluster.world.start();
    cluster.world.insert(100, 10);
    cluster.world.wait_settled();
    assert!(cluster.world.stop().success());
    cluster.world.insert(100, 10);
    cluster.catch_up(0);
    cluster.world.purge();
    cluster.world.spawn();
    let status = cluster.keeps_waiting("LS1020", 2);
    assert!(status.source.stopped, "a person is needed: {status:?}");
    assert!(
        status
            .source
            .trouble
            .unwrap()
            .remedy
            .contains("on_history_lost")
    );
    cluster.promote(0);
    cluster.lead_to_primary();
    let status = cluster.world.wait_settled();
    assert!(!status.source.stopped && status.source.trouble.is_none());
    assert_eq!(cluster.world.judge().rows, 200);
}

/// Starts on a history that was lost, and wants the stream to go on at its present end, once.
#[track_caller]
fn goes_on_at_the_present_end(world: &mut World) {
    world.set("source.on_history_lost", "snapshot");
    world.start();
    let captured = world.status().unwrap().routes[0].captured;
    execute(world, &[LEAD, LEAD]);
    let done = move |status: &leadstream::runtime::status::Status| {
        status.routes[0].captured >= captured + 2 && status.routes[0].in_flight == 0
    };
    world.wait_for_status("what is written from now on", done);
    let (_, metrics) = world.get("/metrics").unwrap();
    assert!(
        metrics.contains("leadstream_capture_history_lost_total 1\n"),
        "{metrics}"
    );
    wait_for_the_newest_file(world);
    world.kill();
    let before = world.log().matches("history lost").count();
    assert_eq!(before, 1, "{}", world.log());
    world.start();
    execute(world, &[LEAD]);
    world.wait_for_status("what is written after a crash", move |status| {
        status.routes[0].captured >= captured + 3 && status.routes[0].in_flight == 0
    });
    assert_eq!(world.log().matches("history lost").count(), 1);
    assert!(world.stop().success());
}

#[test]
fn purged_history_is_left_behind_when_the_config_says_so() {
    let mut world = World::new(Build::Release);
    world.start();
    world.insert(100, 10);
    world.wait_settled();
    assert!(world.stop().success());
    world.insert(100, 10);
    world.purge();
    goes_on_at_the_present_end(&mut world);
}

#[test]
fn a_purged_file_is_left_behind_when_the_config_says_so() {
    let options = MysqlOptions {
        gtid_mode: false,
        ..MysqlOptions::default()
    };
    let mut world = World::with(Build::Release, options, Default::default());
    world.start();
    world.insert(100, 10);
    world.wait_settled();
    assert!(world.stop().success());
    world.insert(100, 10);
    world.purge();
    world.spawn();
    world.wait_for_status("LS1023", |status| {
        let trouble = status.source.trouble.as_ref();
        status.source.stopped && trouble.is_some_and(|trouble| trouble.page == "LS1023")
    });
    world.kill();
    goes_on_at_the_present_end(&mut world);
}

#[test]
fn a_server_that_was_reset_is_never_streamed_from_again() {
    let mut cluster = Cluster::without_replication(MysqlOptions::default(), 0);
    cluster.world.set("source.on_history_lost", "snapshot");
    cluster.world.start();
    cluster.world.insert(100, 10);
    let before = cluster.world.wait_settled();
    execute(&cluster.world, &["RESET BINARY LOGS AND GTIDS"]);
    // The server leaves the stream standing, and sends nothing any more.
    cluster.lead_to_primary();
    cluster.wait_for_trouble("LS1027");
    // Now its numbers come to where we are, and would look like those that were read.
    cluster.world.insert(300, 2);
    let status = cluster.keeps_waiting("LS1027", 2);
    assert!(status.source.stopped, "a person is needed: {status:?}");
    assert_eq!(status.routes[0].captured, before.routes[0].captured);
}

/// The numbers of a reset server, or the length of its file, have passed those that were read.
#[track_caller]
fn a_reset_is_noticed_by_what_the_binlog_holds(options: MysqlOptions, page: &str) {
    let mut cluster = Cluster::without_replication(options, 0);
    cluster.world.start();
    cluster.world.insert(100, 10);
    cluster.world.wait_settled();
    assert!(cluster.world.stop().success());
    execute(&cluster.world, &["RESET BINARY LOGS AND GTIDS"]);
    cluster.world.insert(300, 2);
    cluster.world.spawn();
    let status = cluster.wait_for_trouble(page);
    assert!(status.source.stopped, "a person is needed: {status:?}");
    assert_eq!(status.routes[0].captured, 100);
}

#[test]
fn a_reset_while_leadstream_is_away_is_noticed() {
    a_reset_is_noticed_by_what_the_binlog_holds(MysqlOptions::default(), "LS1027");
}

#[test]
fn a_reset_while_leadstream_is_away_is_noticed_without_gtids() {
    let options = MysqlOptions {
        gtid_mode: false,
        ..MysqlOptions::default()
    };
    a_reset_is_noticed_by_what_the_binlog_holds(options, "LS1065");
}

#[test]
fn a_binlog_that_begins_anew_while_leadstream_is_away_is_noticed() {
    let mut cluster = Cluster::without_replication(MysqlOptions::default(), 0);
    cluster.world.start();
    cluster.world.insert(100, 10);
    execute(
        &cluster.world,
        &["FLUSH BINARY LOGS", "FLUSH BINARY LOGS", LEAD],
    );
    cluster.world.expect_also(1);
    cluster.world.wait_settled();
    assert!(cluster.world.stop().success());
    execute(&cluster.world, &["RESET BINARY LOGS AND GTIDS"]);
    // More transactions than before: by the numbers alone all would be well.
    cluster.world.insert(300, 2);
    cluster.world.spawn();
    cluster.keeps_waiting("LS1027", 2);
}

#[test]
fn gtids_switched_off_and_on_are_noticed_and_the_remedy_works() {
    let mut cluster = Cluster::without_replication(MysqlOptions::default(), 0);
    cluster.world.start();
    cluster.world.insert(100, 10);
    cluster.world.wait_settled();
    let modes = |modes: &[&str]| -> Vec<String> {
        let set = |mode: &&str| format!("SET GLOBAL gtid_mode = {mode}");
        modes.iter().map(set).collect()
    };
    let switch = |world: &World, names: &[&str]| {
        let statements = modes(names);
        let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
        execute(world, &statements);
    };
    switch(&cluster.world, &["ON_PERMISSIVE", "OFF_PERMISSIVE"]);
    execute(&cluster.world, &[LEAD]);
    cluster.wait_for_trouble("LS1024");
    let status = cluster.keeps_waiting("LS1024", 1);
    assert!(status.source.stopped, "{status:?}");
    // Back again: what was written meanwhile has no GTID and stands in the way.
    switch(&cluster.world, &["ON_PERMISSIVE", "ON"]);
    execute(&cluster.world, &[LEAD]);
    cluster.keeps_waiting("LS1024", 1);
    // The remedy that the error gives.
    assert!(cluster.world.stop().success());
    goes_on_at_the_present_end(&mut cluster.world);
    // Off for good: places are files from then on.
    switch(&cluster.world, &["ON_PERMISSIVE", "OFF_PERMISSIVE", "OFF"]);
    cluster.world.start();
    execute(&cluster.world, &[LEAD]);
    cluster
        .world
        .wait_for_status("a checkpoint by file", |status| {
            let checkpoint = status.checkpoint.as_ref();
            checkpoint
                .is_some_and(|checkpoint| checkpoint.position.to_string().starts_with("file:"))
        });
    // And a server that gets GTIDs later goes on by file.
    switch(&cluster.world, &["OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"]);
    let captured = cluster.world.status().unwrap().routes[0].captured;
    execute(&cluster.world, &[LEAD]);
    cluster
        .world
        .wait_for_status("a row with a GTID", move |status| {
            status.routes[0].captured > captured
        });
}
