//! What is true of MySQL alone, whatever the other tests run on:
//!
//! - following a server without GTIDs: MariaDB always has them.

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
