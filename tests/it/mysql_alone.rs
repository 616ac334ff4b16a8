//! What is true of MySQL alone, whatever the other tests run on:
//!
//! - following a server without GTIDs: MariaDB always has them;
//! - a user who may not see prepared XA transactions: on MariaDB everybody may.

use leadstream::rehearsal::MysqlOptions;
use leadstream::rehearsal::mysql::ServerKind;
use salesforce_sandbox::OrgConfig;

use crate::harness::{Build, World};

#[test]
fn a_server_without_gtids_is_followed_across_a_crash_and_a_rotation() {
    let options = MysqlOptions {
        gtid_mode: false,
        ..MysqlOptions::default()
    };
    let mut world = World::of(
        ServerKind::MySql,
        Build::Release,
        options,
        OrgConfig::default(),
    );
    let answer = world.command(&["check"]);
    assert!(answer.data().contains("warning[LS1061]"), "{answer:?}");
    world.set("source.start", "earliest");
    world.insert(50, 10);
    world.start();
    world.wait_settled();
    world.execute(&["FLUSH BINARY LOGS"]);
    world.insert(200, 1);
    world.kill();
    world.execute(&["FLUSH BINARY LOGS"]);
    world.insert(50, 10);
    world.start();
    world.wait_settled();
    world.kill();
    world.start();
    let judgement = world.judge();
    assert_eq!(judgement.delivered.len(), 300);
}

#[test]
fn a_user_who_may_not_see_prepared_xa_transactions_is_told_and_served() {
    let options = MysqlOptions::default();
    let mut world = World::of(
        ServerKind::MySql,
        Build::Release,
        options,
        OrgConfig::default(),
    );
    world.execute(&[
        "CREATE USER 'plain'@'%' IDENTIFIED BY ''",
        "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'plain'@'%'",
        "GRANT SELECT ON crm.leads TO 'plain'@'%'",
    ]);
    world.set("source.url", &world.mysql.url("plain"));
    let answer = world.command(&["check"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.data().contains("warning[LS1058]"), "{answer:?}");
    world.start();
    world.insert(20, 5);
    assert_eq!(world.judge().delivered.len(), 20);
    // The remedy is enough.
    world.execute(&["GRANT XA_RECOVER_ADMIN ON *.* TO 'plain'@'%'"]);
    let answer = world.command(&["check"]);
    assert!(!answer.data().contains("LS1058"), "{answer:?}");
}
