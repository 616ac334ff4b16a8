//! MariaDB as the source: its GTIDs, what is compressed, its types, and what ends a stream. What it
//! has in common with MySQL is tested by the whole suite (`LEADSTREAM_TEST_SOURCE=mariadb`).

use std::collections::BTreeMap;

use leadstream::rehearsal::MysqlOptions;
use leadstream::rehearsal::mysql::ServerKind;
use leadstream::rehearsal::service::wait_until;
use salesforce_sandbox::OrgConfig;

use crate::harness::{Build, PATIENCE, World};

fn world(extra_args: &[&str]) -> World {
    let options = MysqlOptions {
        extra_args: extra_args.iter().map(|&text| text.to_owned()).collect(),
        ..MysqlOptions::default()
    };
    World::of(
        ServerKind::MariaDb,
        Build::Release,
        options,
        OrgConfig::default(),
    )
}

/// Waits until the stream is down for this reason, and says so in these words.
#[track_caller]
fn stands_with(world: &mut World, page: &str, words: &[&str]) {
    let status = world.wait_for_status(page, |status| {
        let trouble = &status.source.trouble;
        trouble.as_ref().is_some_and(|trouble| trouble.page == page)
    });
    assert!(!status.source.connected, "{status:?}");
    let trouble = status.source.trouble.expect("a reason");
    let whole = format!("{} | {}", trouble.text, trouble.remedy);
    for word in words {
        assert!(whole.contains(word), "{whole:?} does not say {word:?}");
    }
}

#[test]
fn two_domains_are_followed_across_kills_by_the_last_gtid_of_each() {
    let mut world = world(&[]);
    let answer = world.command(&["check"]);
    assert_eq!(answer.code, 0, "{}", answer.stdout);
    world.set("source.start", "earliest");
    world.insert(40, 10);
    world.start();
    for _ in 0..2 {
        // For the connections that come.
        world.execute(&["SET GLOBAL gtid_domain_id = 5"]);
        world.insert(60, 3);
        world.kill();
        // While nobody reads, both domains go on, over a new file.
        world.insert(30, 1);
        world.execute(&["FLUSH BINARY LOGS", "SET GLOBAL gtid_domain_id = 0"]);
        world.insert(30, 1);
        world.start();
    }
    let judgement = world.judge();
    assert_eq!(judgement.delivered.len(), 280);
    let mut by_domain: BTreeMap<&str, usize> = BTreeMap::new();
    for (transaction, ..) in judgement.journal.finals.keys() {
        let (domain, _) = transaction.split_once('-').unwrap();
        *by_domain.entry(domain).or_default() += 1;
    }
    assert_eq!(by_domain, [("0", 100), ("5", 180)].into());
}

#[test]
fn a_compressed_binlog_and_compressed_columns_arrive_whole() {
    let mut world = world(&["--log-bin-compress=ON", "--log-bin-compress-min-len=10"]);
    world.execute(&["ALTER TABLE crm.leads MODIFY last_name VARCHAR(80) COMPRESSED"]);
    world.start();
    world.insert(300, 100);
    world.insert(20, 1);
    world.kill();
    world.insert(100, 50);
    world.start();
    assert_eq!(world.judge().delivered.len(), 420);
}

#[test]
fn a_uuid_and_an_address_arrive_as_select_prints_them() {
    let mut world = world(&[]);
    world.execute(&[
        "ALTER TABLE crm.leads ADD COLUMN token UUID DEFAULT UUID(), \
         ADD COLUMN address INET6 DEFAULT '2001:db8::7:0:1'",
    ]);
    world.edit_config("Phone = \"phone\"", "Phone = \"token\"");
    world.edit_config("Country = \"country\"", "Country = \"address\"");
    let answer = world.command(&["check"]);
    assert_eq!(answer.code, 0, "{}", answer.stdout);
    world.start();
    world.insert(20, 5);
    world.wait_settled();
    let sql = "SELECT CONCAT(id, ' ', token, ' ', address) FROM crm.leads";
    let mut expected = world.with_form(async |form| form.texts(sql).await);
    expected.sort();
    let mut found: Vec<String> = Vec::new();
    for lead in world.org.leads() {
        let text = |name: &str| lead.fields[name].as_str().unwrap().to_owned();
        found.push(format!(
            "{} {} {}",
            text("MySQL_Id__c"),
            text("Phone"),
            text("Country")
        ));
    }
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn what_was_purged_before_it_was_read_ends_the_stream() {
    let mut world = world(&[]);
    world.start();
    world.insert(10, 1);
    world.wait_settled();
    world.stop();
    world.execute(&["FLUSH BINARY LOGS"]);
    world.insert(10, 1);
    world.execute(&["FLUSH BINARY LOGS"]);
    // A file stays while the server still has a reader of it that has gone.
    let purged = wait_until(PATIENCE, || {
        world.execute(&["PURGE BINARY LOGS TO 'binlog.000003'"]);
        (!world.mysql.data_dir().join("binlog.000002").exists()).then_some(())
    });
    assert!(purged.is_some(), "the files are kept");
    world.spawn();
    stands_with(&mut world, "LS1020", &["purged"]);
    world.stop();
    // Earliest is what is left: nothing of the table, and no error.
    std::fs::remove_dir_all(world.state()).unwrap();
    world.set("source.start", "earliest");
    world.start();
    let late = world.insert(5, 1);
    let status = world.wait_for_status("the late rows", |status| {
        status.routes[0].totals.delivered() >= 5
    });
    assert_eq!(status.routes[0].captured, late.len() as u64);
}

#[test]
fn a_server_with_another_history_ends_the_stream() {
    let mut world = world(&[]);
    world.start();
    world.insert(10, 1);
    world.wait_settled();
    world.stop();
    // Restored from nothing, it gives out the same numbers again, by another id.
    world.execute(&["RESET MASTER", "SET GLOBAL server_id = 9"]);
    world.insert(20, 1);
    world.spawn();
    stands_with(
        &mut world,
        "LS1027",
        &["GTID 0-1-", "higher sequence numbers"],
    );
}

#[test]
fn a_sequence_number_that_falls_ends_the_stream_before_its_rows_are_left_out() {
    let mut world = world(&["--gtid-strict-mode=OFF"]);
    let answer = world.command(&["check"]);
    assert!(answer.data().contains("warning[LS1073]"), "{answer:?}");
    world.start();
    world.insert(10, 1);
    world.wait_settled();
    world.with_form(async |form| {
        form.execute("SET SESSION gtid_seq_no = 3").await?;
        form.execute("INSERT INTO crm.leads (last_name, email) VALUES ('Low', 'low@x.example')")
            .await
    });
    stands_with(
        &mut world,
        "LS1070",
        &["0-1-3 at binlog.000001:", "follows 0-1-", "gtid_seq_no"],
    );
}
