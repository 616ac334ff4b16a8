//! XA transactions: prepared is not committed, across cuts, restarts and `kill -9`.

use leadstream::core::change::Change;
use leadstream::rehearsal::MysqlOptions;
use leadstream::rehearsal::service::wait_until;
use salesforce_sandbox::OrgConfig;

use super::stream::{Source, Stream, check_tables};
use crate::harness::{Build, PATIENCE, World, source};

fn options(gtid_mode: bool) -> MysqlOptions {
    MysqlOptions {
        gtid_mode,
        ..super::options()
    }
}

/// Prepares an insert of that row.
fn prepare(source: &Source, xid: &str, id: u32) {
    source.run(&[
        &format!("XA START '{xid}'"),
        &format!("INSERT INTO tx.leads VALUES ({id}, 'by {xid}')"),
        &format!("INSERT INTO tx.other VALUES ({id}, 'by {xid}')"),
        &format!("XA END '{xid}'"),
        &format!("XA PREPARE '{xid}'"),
    ]);
}

fn commit(source: &Source, xid: &str) {
    decide(source, &format!("XA COMMIT '{xid}'"));
}

fn roll_back(source: &Source, xid: &str) {
    decide(source, &format!("XA ROLLBACK '{xid}'"));
}

/// Whoever prepared it must have left it: MariaDB takes a moment for that.
#[track_caller]
fn decide(source: &Source, statement: &str) {
    let mut session = source.session();
    let decided = wait_until(PATIENCE, || session.try_run(statement).ok());
    assert!(decided.is_some(), "{statement}");
    session.close();
}

fn insert(source: &Source, id: u32) {
    source.run(&[&format!("INSERT INTO tx.leads VALUES ({id}, 'plain')")]);
}

/// Without a repeat: after a restart without GTIDs rows behind an undecided transaction come again,
/// and the books know them by their names.
fn once(lives: Vec<Vec<Change>>) -> Vec<Change> {
    let mut rows: Vec<Change> = Vec::new();
    for row in lives.into_iter().flatten() {
        let known = rows.iter().any(|known| known.id == row.id);
        if !known {
            rows.push(row);
        }
    }
    rows
}

#[test]
fn prepared_rows_come_at_their_commit_across_cuts_and_restarts() {
    for &gtid_mode in source::gtid_modes() {
        let source = Source::start(options(gtid_mode));
        let mut stream = Stream::start(&source);
        insert(&source, 1);
        prepare(&source, "a", 2);
        prepare(&source, "b", 3);
        insert(&source, 4);
        prepare(&source, "c", 5);
        let mark = source.mark();
        stream.read_to(mark);
        assert_eq!(stream.ids("leads"), ["1", "4"], "prepared is not committed");

        // The connection is lost in between; what was prepared is read again, the rest is not.
        source.cut_streams();
        commit(&source, "a");
        roll_back(&source, "c");
        let mark = source.mark();
        stream.read_to(mark);
        assert!(stream.reconnects > 0);
        assert_eq!(stream.ids("leads"), ["1", "4", "2"]);

        // A restart, with one undecided, from what is durable.
        let (first, checkpoint) = stream.end();
        let mut stream = Stream::resume(&source, checkpoint);
        insert(&source, 6);
        commit(&source, "b");
        // The name is free again.
        prepare(&source, "b", 7);
        roll_back(&source, "b");
        prepare(&source, "b", 8);
        commit(&source, "b");
        let mark = source.mark();
        stream.read_to(mark);
        let second = stream.end();
        let ids: Vec<u64> = second.0.iter().map(|row| row.id.row).collect();
        assert!(ids.iter().all(|row| *row == 0), "{ids:?}");

        // All is decided: the next life has nothing to read again.
        let mut stream = Stream::resume(&source, second.1.clone());
        let mark = source.mark();
        stream.read_to(mark);
        let (third, end) = stream.end();
        assert_eq!(third.len(), 1, "only the mark: {third:?}");
        assert!(end.inside.is_empty());
        check_tables("xa", &source, &once(vec![first, second.0, third]));
    }
}

#[test]
fn other_forms_of_xa_are_told_apart() {
    let source = Source::start(options(true));
    let mut stream = Stream::start(&source);
    source.run(&[
        "XA START 'one'",
        "INSERT INTO tx.leads VALUES (1, 'one phase')",
        "XA END 'one'",
        "XA COMMIT 'one' ONE PHASE",
    ]);
    source.run(&[
        "SET SESSION binlog_transaction_compression = ON",
        "XA START 'packed', 'branch', 7",
        "INSERT INTO tx.leads VALUES (2, 'packed')",
        "SAVEPOINT a",
        "INSERT INTO tx.leads VALUES (3, 'undone')",
        "ROLLBACK TO a",
        "UPDATE tx.leads SET note = 'packed and changed' WHERE id = 2",
        "XA END 'packed', 'branch', 7",
        "XA PREPARE 'packed', 'branch', 7",
        "XA COMMIT 'packed', 'branch', 7",
    ]);
    // Never prepared, and nothing routed.
    source.run(&[
        "XA START 'gone'",
        "INSERT INTO tx.leads VALUES (4, 'gone')",
        "XA END 'gone'",
        "XA ROLLBACK 'gone'",
        "XA START 'other'",
        "INSERT INTO tx.other VALUES (5, 'elsewhere')",
        "XA END 'other'",
        "XA PREPARE 'other'",
    ]);
    let mark = source.mark();
    stream.read_to(mark);
    let rows = stream.rows.len();
    let (first, checkpoint) = stream.end();
    check_tables("xa", &source, &first);
    assert_eq!(rows, 4);
    // What holds no routed rows holds nothing back.
    let executed = source.texts("SELECT @@GLOBAL.gtid_executed").remove(0);
    let position = checkpoint.position.to_string();
    assert_eq!(
        position.trim_start_matches("mariadb:"),
        executed.replace('\n', "")
    );
}

#[test]
fn more_than_may_be_held_stops_the_stream_and_nothing_is_lost() {
    let source = Source::start(options(true));
    let mut stream = Stream::start(&source);
    source.run(&[
        "XA START 'large'",
        "INSERT INTO tx.leads VALUES (1, REPEAT('x', 2000000))",
        "XA END 'large'",
        "XA PREPARE 'large'",
    ]);
    let error = stream.read_to_stop();
    assert_eq!(error.page(), "LS1056", "{error}");
    assert!(error.remedy().contains("source.prepared_bytes"));
    roll_back(&source, "large");
}

#[test]
fn kill_nine_between_prepare_and_commit_counts_every_row_once() {
    for &gtid_mode in source::gtid_modes() {
        let mysql = MysqlOptions {
            gtid_mode,
            ..MysqlOptions::default()
        };
        let mut world = World::with(Build::Release, mysql, OrgConfig::default());
        let run = |world: &mut World, statements: &[String]| {
            world.with_form(async |form| {
                for statement in statements {
                    form.execute(statement).await?;
                }
                Ok(())
            });
        };
        let prepared = |xid: &str| -> Vec<String> {
            let insert = format!(
                "INSERT INTO crm.leads (last_name, company, email) \
                 VALUES ('Xa', 'Branch', '{xid}@mail.example')"
            );
            [
                format!("XA START '{xid}'"),
                insert.clone(),
                insert,
                format!("XA END '{xid}'"),
                format!("XA PREPARE '{xid}'"),
            ]
            .into()
        };
        world.start();
        world.insert(50, 5);
        run(&mut world, &prepared("a"));
        run(&mut world, &prepared("b"));
        world.insert(50, 5);
        world.wait_settled();
        world.kill();
        run(&mut world, &["XA COMMIT 'a'".to_owned()]);
        world.insert(50, 5);
        world.start();
        world.expect(2);
        world.wait_settled();
        world.kill();
        world.start();
        run(&mut world, &["XA ROLLBACK 'b'".to_owned()]);
        world.insert(50, 5);
        assert_eq!(world.judge().rows, 202);
    }
}
