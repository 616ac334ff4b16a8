//! Positions across servers: the primary dies, a replica takes over, lags, or never had what was
//! read. What was committed is captured once, or it is waited for and said why.

use leadstream::rehearsal::{MysqlOptions, replication};
use salesforce_sandbox::{Action, Endpoint, Fault};

use crate::harness::{Cluster, source};

/// So slow that what is inserted is still under way when something happens to MySQL.
fn slow() -> Fault {
    Fault::new(Action::Delay {
        milliseconds: 30,
        after_commit: true,
    })
    .on(Endpoint::Collections)
}

fn uuid(cluster: &Cluster) -> String {
    let server = &cluster.world.mysql;
    cluster.world.wait_for(replication::text(
        server,
        &source::spoken(server.kind(), "SELECT @@server_uuid"),
    ))
}

/// The number that stands before some words of a text.
fn number_before(text: &str, words: &str) -> u64 {
    let (head, _) = text.split_once(words).unwrap_or_default();
    let number = head.rsplit(' ').next().unwrap_or_default();
    number.parse().unwrap_or_default()
}

#[test]
fn a_primary_that_is_killed_is_followed_to_its_replica() {
    let mut cluster = Cluster::new();
    cluster.world.org.faults().add(slow());
    cluster.world.start();
    cluster.world.insert(2_000, 20);
    cluster.catch_up(0);
    cluster.world.mysql.kill();
    cluster.promote(0);
    cluster.lead_to_primary();
    cluster.world.insert(500, 10);
    let status = cluster.world.wait_settled();
    // The checkpoint is a place in the new primary's binlog, also for whoever reads the file.
    let checkpoint = status.checkpoint.unwrap();
    assert_eq!(checkpoint.server_uuid, uuid(&cluster));
    let query = format!("SHOW BINLOG EVENTS IN '{}' LIMIT 1", checkpoint.end.file);
    let server = &cluster.world.mysql;
    let file = cluster.world.wait_for(replication::text(server, &query));
    assert_eq!(file, *checkpoint.end.file);
    let judgement = cluster.world.judge();
    assert_eq!(judgement.rows, 2_500);
}

#[test]
fn a_failover_and_the_way_back_lose_and_repeat_nothing() {
    let mut cluster = Cluster::new();
    cluster.world.start();
    cluster.world.insert(300, 10);
    cluster.catch_up(0);
    cluster.promote(0);
    cluster.lead_to_primary();
    cluster.world.insert(300, 10);
    // The first primary follows the second one, and takes over again.
    cluster.follow(0);
    cluster.catch_up(0);
    cluster.world.wait_settled();
    cluster.promote(0);
    cluster.lead_to_primary();
    cluster.world.insert(300, 10);
    assert_eq!(cluster.world.judge().rows, 900);
}

#[test]
fn after_a_failover_to_a_quiet_server_it_is_connected_to_again() {
    let mut cluster = Cluster::new();
    cluster.world.start();
    cluster.world.insert(100, 10);
    cluster.catch_up(0);
    cluster.world.wait_settled();
    cluster.promote(0);
    cluster.lead_to_primary();
    let server = uuid(&cluster);
    cluster
        .world
        .wait_for_status("the checkpoint on the new server", |status| {
            let checkpoint = status.checkpoint.as_ref();
            checkpoint.is_some_and(|checkpoint| checkpoint.server_uuid == server)
        });
    // Nothing was written there but what was read elsewhere, and it stands behind our place.
    assert!(cluster.world.stop().success());
    cluster.world.start();
    cluster.world.insert(100, 10);
    assert_eq!(cluster.world.judge().rows, 200);
    assert!(
        !cluster.world.log().contains("LS1027"),
        "{}",
        cluster.world.log()
    );
}

#[test]
fn a_lagging_replica_is_waited_for_and_shown() {
    let mut cluster = Cluster::new();
    cluster.world.start();
    cluster.world.insert(100, 10);
    cluster.catch_up(0);
    cluster.execute(0, &["STOP REPLICA SQL_THREAD"]);
    cluster.world.insert(100, 10);
    let before = cluster.world.wait_settled();
    cluster.lead_to(0);
    let status = cluster.keeps_waiting("LS1021", 4);
    assert!(!status.source.stopped, "nobody is needed: {status:?}");
    let trouble = status.source.trouble.unwrap();
    let missing = number_before(&trouble.text, " transactions");
    assert!((10..15).contains(&missing), "{}", trouble.text);
    assert_eq!(status.routes[0].captured, before.routes[0].captured);
    assert_eq!(
        status.source.reconnects,
        before.source.reconnects + 1,
        "only the cut connection counts as one"
    );
    let (code, ready) = cluster.world.get("/readyz").unwrap();
    assert_eq!(code, 503);
    assert!(
        ready.contains(&trouble.text) && ready.contains("(for "),
        "{ready}"
    );
    let (_, metrics) = cluster.world.get("/metrics").unwrap();
    let line = format!("leadstream_capture_transactions_missing {missing}\n");
    assert!(metrics.contains(&line), "{metrics}");
    // A crash in the wait changes nothing.
    cluster.world.kill();
    cluster.world.spawn();
    cluster.wait_for_trouble("LS1021");
    cluster.execute(0, &["START REPLICA SQL_THREAD"]);
    cluster
        .world
        .wait_for_status("the replica to have caught up", |s| s.source.connected);
    cluster.promote(0);
    cluster.world.insert(100, 10);
    let logged = cluster.world.log().matches("waiting: the server").count();
    assert!((2..=4).contains(&logged), "{logged} lines for two waits");
    assert_eq!(cluster.world.judge().rows, 300);
}

#[test]
fn a_replica_with_another_history_is_never_streamed_from() {
    let mut cluster = Cluster::new();
    cluster.world.start();
    cluster.world.insert(100, 10);
    cluster.catch_up(0);
    cluster.execute(0, &["STOP REPLICA", "RESET REPLICA ALL"]);
    cluster.world.insert(100, 10);
    let before = cluster.world.wait_settled();
    // It goes its own way, with keys that the first primary used for others.
    let lead = "INSERT INTO crm.leads (last_name, email) VALUES ('Other', 'other@example.com')";
    cluster.execute(0, &[lead; 20]);
    cluster.lead_to(0);
    let status = cluster.keeps_waiting("LS1029", 3);
    assert!(status.source.stopped, "a person is needed: {status:?}");
    let trouble = status.source.trouble.unwrap();
    assert!(
        number_before(&trouble.text, " transactions") >= 10,
        "{trouble:?}"
    );
    assert_eq!(status.routes[0].captured, before.routes[0].captured);
    // The other replica has it all: it is noticed without a restart.
    cluster.catch_up(1);
    cluster.promote(1);
    cluster.lead_to_primary();
    cluster.world.insert(100, 10);
    let judgement = cluster.world.judge();
    assert_eq!(judgement.rows, 300);
    let events = &judgement.journal.events;
    for event in ["capture_stopped", "capture_resumed"] {
        assert!(events.iter().any(|known| known == event), "{events:?}");
    }
}

#[test]
fn leadstream_killed_in_a_failover_goes_on_at_the_other_server() {
    let mut cluster = Cluster::new();
    cluster.world.org.faults().add(slow());
    cluster.world.start();
    for round in 0..3 {
        // Counted before the inserts: on a busy machine they take longer than what they bring.
        let before = cluster.world.org.stats().records_upserted;
        // One large transaction, so that the checkpoint stands inside it.
        cluster.world.insert(1_000, 1_000);
        cluster.world.insert(200, 5);
        let reached = cluster
            .world
            .org
            .wait_for(crate::harness::PATIENCE, |stats| {
                stats.records_upserted > before + 100
            });
        assert!(reached, "no progress:\n{}", cluster.world.log());
        cluster.catch_up(0);
        cluster.promote(0);
        if round == 1 {
            cluster.lead_to_primary();
        }
        cluster.world.kill();
        cluster.lead_to_primary();
        cluster.world.insert(100, 5);
        cluster.world.start();
        cluster.follow(0);
    }
    assert_eq!(cluster.world.judge().rows, 3_900);
}

#[test]
fn without_gtids_another_server_is_refused() {
    let options = MysqlOptions {
        gtid_mode: false,
        ..MysqlOptions::default()
    };
    let mut cluster = Cluster::without_replication(options, 1);
    cluster.world.start();
    cluster.world.insert(100, 10);
    cluster.world.wait_settled();
    cluster.lead_to(0);
    let status = cluster.wait_for_trouble("LS1022");
    assert!(status.source.stopped);
    let first = cluster.world.mysql.port();
    assert!(cluster.world.stop().success());
    cluster.switchboard.point_at(first);
    cluster.world.insert(100, 10);
    cluster.world.start();
    assert_eq!(cluster.world.judge().rows, 200);
}

#[test]
fn a_replica_that_logs_nothing_of_its_source_is_not_streamed_from() {
    let options = MysqlOptions {
        extra_args: vec!["--log-replica-updates=OFF".to_owned()],
        ..MysqlOptions::default()
    };
    let mut cluster = Cluster::without_replication(options, 1);
    cluster.follow(0);
    cluster.catch_up(0);
    cluster.world.start();
    cluster.world.insert(100, 10);
    cluster.world.wait_settled();
    cluster.catch_up(0);
    // Nothing is purged there that was not read: only its setting tells.
    cluster.lead_to(0);
    cluster.keeps_waiting("LS1064", 2);
    cluster.world.insert(100, 10);
    cluster.lead_to_primary();
    assert_eq!(cluster.world.judge().rows, 200);
}
