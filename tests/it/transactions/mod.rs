//! Every form a transaction can take, on a real server: what is captured is what was committed, or
//! the stream stops and says where and why.

mod first_start;
mod memory;
mod stream;
mod xa;

use leadstream::rehearsal::MysqlOptions;

use stream::{Source, Stream, check_tables};

/// What is written otherwise on another kind of server.
mod dialect {
    pub const COMPRESSED: &str = "SET SESSION binlog_transaction_compression = ON";
    pub const PLAIN: &str = "SET SESSION binlog_transaction_compression = OFF";
}

fn options() -> MysqlOptions {
    MysqlOptions {
        extra_args: [
            "--max-allowed-packet=1G",
            "--innodb-redo-log-capacity=512M",
            "--secure-file-priv=",
        ]
        .map(str::to_owned)
        .into(),
        ..MysqlOptions::default()
    }
}

/// Statements of one session each; rows in `leads` and the other routed tables are compared after
/// each case.
const FORMS: &[(&str, &[&str])] = &[
    (
        "savepoints",
        &[
            "BEGIN",
            "INSERT INTO tx.leads VALUES (1, 'kept')",
            "SAVEPOINT a",
            "INSERT INTO tx.leads VALUES (2, 'gone')",
            "INSERT INTO tx.other VALUES (2, 'gone')",
            "ROLLBACK TO a",
            "SAVEPOINT b",
            "INSERT INTO tx.leads VALUES (3, 'kept')",
            "RELEASE SAVEPOINT b",
            "COMMIT",
        ],
    ),
    (
        "rolled back, empty and read-only transactions",
        &[
            "BEGIN",
            "INSERT INTO tx.leads VALUES (10, 'gone')",
            "ROLLBACK",
            "BEGIN",
            "COMMIT",
            "BEGIN",
            "SELECT COUNT(*) FROM tx.leads",
            "UPDATE tx.leads SET note = 'x' WHERE id = -1",
            "COMMIT",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT",
            "COMMIT",
        ],
    ),
    (
        "statements that insert in other ways",
        &[
            "INSERT INTO tx.other VALUES (30, 'a'), (31, 'b')",
            "INSERT INTO tx.leads SELECT id, note FROM tx.other WHERE id BETWEEN 30 AND 31",
            "REPLACE INTO tx.leads VALUES (30, 'replaced'), (32, 'new')",
            "INSERT INTO tx.leads VALUES (31, 'x'), (33, 'new') ON DUPLICATE KEY UPDATE note = 'updated'",
            "INSERT IGNORE INTO tx.leads VALUES (30, 'ignored'), (34, 'new')",
            "SELECT id, note FROM tx.leads WHERE id BETWEEN 30 AND 34 INTO OUTFILE '/tmp/ls-PORT.txt'",
            "DELETE FROM tx.leads WHERE id BETWEEN 30 AND 34",
            "LOAD DATA INFILE '/tmp/ls-PORT.txt' INTO TABLE tx.leads",
            "LOAD DATA INFILE '/tmp/ls-PORT.txt' REPLACE INTO TABLE tx.leads (id, @n) SET note = CONCAT(@n, '!')",
        ],
    ),
    (
        "partitions",
        &[
            "INSERT INTO tx.parts VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')",
            "UPDATE tx.parts SET note = 'moved' WHERE id = 3",
            "DELETE FROM tx.parts WHERE id = 4",
            "ALTER TABLE tx.parts ADD PARTITION PARTITIONS 2",
            "INSERT INTO tx.parts VALUES (5, 'e'), (6, 'f')",
            "ALTER TABLE tx.parts REMOVE PARTITIONING",
            "INSERT INTO tx.parts VALUES (7, 'g')",
        ],
    ),
    (
        "triggers and procedures",
        &[
            "CREATE TRIGGER tx.copy AFTER INSERT ON tx.other FOR EACH ROW \
             INSERT INTO tx.leads VALUES (NEW.id, CONCAT('of ', NEW.note))",
            "INSERT INTO tx.other VALUES (40, 'trigger'), (41, 'trigger')",
            "DROP TRIGGER tx.copy",
            "CREATE PROCEDURE tx.two() BEGIN INSERT INTO tx.leads VALUES (42, 'call'); \
             INSERT INTO tx.leads VALUES (43, 'call'); END",
            "CALL tx.two()",
            "BEGIN",
            "CALL tx.two2()",
            "COMMIT",
            "CREATE FUNCTION tx.f() RETURNS INT DETERMINISTIC MODIFIES SQL DATA \
             BEGIN INSERT INTO tx.leads VALUES (44, 'function'); RETURN 1; END",
            "SELECT tx.f()",
        ],
    ),
    (
        "DDL in between",
        &[
            "BEGIN",
            "INSERT INTO tx.leads VALUES (50, 'committed by the DDL')",
            "CREATE TABLE tx.more (id INT)",
            "INSERT INTO tx.leads VALUES (51, 'autocommit')",
            "BEGIN",
            "INSERT INTO tx.leads VALUES (52, 'kept')",
            "CREATE TEMPORARY TABLE tx.temp (id INT)",
            "INSERT INTO tx.temp VALUES (1)",
            "INSERT INTO tx.leads SELECT 53, 'from temp' FROM tx.temp",
            "DROP TEMPORARY TABLE tx.temp",
            "COMMIT",
            "CREATE TABLE tx.made AS SELECT id, note FROM tx.leads WHERE id < 52",
            "DROP TABLE tx.more, tx.made",
            "FLUSH BINARY LOGS",
            "ANALYZE TABLE tx.leads",
        ],
    ),
    (
        "one transaction over many tables",
        &[
            "BEGIN",
            "INSERT INTO tx.leads VALUES (60, 'a'), (61, 'b')",
            "INSERT INTO tx.child VALUES (1, 'of 60', 60), (2, 'of 61', 61)",
            "INSERT INTO tx.parts VALUES (60, 'c')",
            "UPDATE tx.leads JOIN tx.parts ON tx.parts.id = tx.leads.id \
             SET tx.leads.note = 'both', tx.parts.note = 'both'",
            "DELETE tx.parts, tx.child FROM tx.parts JOIN tx.child ON tx.child.parent = tx.parts.id",
            "INSERT INTO tx.leads VALUES (62, 'c')",
            "COMMIT",
        ],
    ),
];

/// What a server with GTIDs refuses to run.
const FORMS_WITHOUT_GTIDS: &[(&str, &[&str])] = &[(
    "tables of two engines in one transaction",
    &[
        "BEGIN",
        "INSERT INTO tx.leads VALUES (20, 'innodb')",
        "INSERT INTO tx.old VALUES (20, 'myisam')",
        "INSERT INTO tx.leads VALUES (21, 'innodb')",
        "COMMIT",
        "BEGIN",
        "INSERT INTO tx.old VALUES (22, 'stays, whatever comes')",
        "INSERT INTO tx.leads VALUES (22, 'gone')",
        "INSERT INTO tx.old VALUES (23, 'stays, too')",
        "ROLLBACK",
        "INSERT INTO tx.old VALUES (24, 'alone'), (25, NULL)",
    ],
)];

#[test]
fn what_is_captured_is_what_was_committed_in_every_form_plain_and_compressed() {
    check_forms(options(), FORMS);
}

#[test]
fn tables_of_two_engines_may_share_a_transaction() {
    let mysql = MysqlOptions {
        gtid_mode: false,
        ..options()
    };
    check_forms(mysql, FORMS_WITHOUT_GTIDS);
}

fn check_forms(mysql: MysqlOptions, forms: &[(&str, &[&str])]) {
    let source = Source::start(mysql);
    let port = source.server.port().to_string();
    for (session, shift) in [(dialect::PLAIN, 0), (dialect::COMPRESSED, 1)] {
        for (case, statements) in forms {
            empty(&source);
            let start = Stream::start(&source);
            let (_, checkpoint) = start.end();
            let mut connection = source.session();
            connection.run(session);
            for statement in *statements {
                let statement = statement.replace("PORT", &format!("{port}-{shift}"));
                // A procedure that is not there fails, inside a transaction that goes on.
                if connection.try_run(&statement).is_err() {
                    assert!(statement.contains("two2"), "{case}: {statement}");
                }
            }
            connection.close();
            let mark = source.mark();
            let mut stream = Stream::resume(&source, checkpoint);
            stream.read_to(mark);
            check_tables(case, &source, &stream.end().0);
        }
        for shift in 0..=shift {
            let _ = std::fs::remove_file(format!("/tmp/ls-{port}-{shift}.txt"));
        }
    }
}

/// Takes the rows and what a case made away, before the stream starts.
fn empty(source: &Source) {
    source.run(&[
        "DELETE FROM tx.child",
        "DELETE FROM tx.leads",
        "DELETE FROM tx.parts",
        "DELETE FROM tx.old",
        "DELETE FROM tx.marks",
        "DELETE FROM tx.other",
        "DROP PROCEDURE IF EXISTS tx.two",
        "DROP FUNCTION IF EXISTS tx.f",
        "ALTER TABLE tx.parts PARTITION BY HASH (id) PARTITIONS 4",
    ]);
}

#[test]
fn what_a_foreign_key_cascades_to_is_captured() {
    let source = Source::start(options());
    let mut stream = Stream::start(&source);
    source.run(&[
        "INSERT INTO tx.leads VALUES (1, 'a'), (2, 'b')",
        "INSERT INTO tx.child VALUES (1, 'of 1', 1), (2, 'of 2', 2)",
        "DELETE FROM tx.leads WHERE id = 1",
    ]);
    let mark = source.mark();
    stream.read_to(mark);
    // Since MySQL 9.6 the server makes these changes itself, above the storage engine, so they are
    // logged. Before (and on MariaDB) the engine makes them, and no binlog has them.
    assert_eq!(stream.ids("child"), ["1", "2", "1"]);
    check_tables("cascade", &source, &stream.end().0);
}

#[test]
fn events_over_sixteen_megabytes_pass_in_tables_that_are_routed_and_that_are_not() {
    let source = Source::start(options());
    for session in [dialect::PLAIN, dialect::COMPRESSED] {
        empty(&source);
        let (_, checkpoint) = Stream::start(&source).end();
        let mut connection = source.session();
        connection.run(session);
        for statement in [
            "BEGIN",
            "INSERT INTO tx.leads VALUES (1, 'before')",
            "INSERT INTO tx.other VALUES (1, REPEAT('0123456789abcdef', 1310720))",
            "INSERT INTO tx.leads VALUES (2, REPEAT('fedcba9876543210', 1310720))",
            // Exactly at the borders of the protocol's packets, and what does not compress.
            "INSERT INTO tx.leads VALUES (3, REPEAT('x', 16777215)), (4, REPEAT('y', 16777150))",
            "INSERT INTO tx.leads SELECT id + 10, note FROM tx.leads WHERE id IN (1, 2)",
            "UPDATE tx.leads SET note = CONCAT(note, '!') WHERE id = 2",
            "INSERT INTO tx.leads VALUES (5, 'after')",
            "COMMIT",
        ] {
            connection.run(statement);
        }
        connection.close();
        let mark = source.mark();
        let mut stream = Stream::resume(&source, checkpoint);
        stream.read_to(mark);
        check_tables(session, &source, &stream.end().0);
    }
}

#[test]
fn fifty_thousand_rows_in_one_transaction_flow_through_a_cut_and_a_restart() {
    let source = Source::start(options());
    for session in [dialect::PLAIN, dialect::COMPRESSED] {
        empty(&source);
        let mut stream = Stream::start(&source);
        let mut connection = source.session();
        connection.run(session);
        connection.run("USE tx");
        connection.run("SET SESSION cte_max_recursion_depth = 1000000");
        connection.run(
            "INSERT INTO tx.leads WITH RECURSIVE n (i) AS \
             (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) \
             SELECT i, CONCAT('lead number ', i, ' of 50000') FROM n",
        );
        connection.close();
        stream.read_until("some rows", |stream| stream.rows.len() > 7_000);
        source.cut_streams();
        stream.read_until("more rows", |stream| stream.rows.len() > 22_000);
        let (mut rows, checkpoint) = stream.end();
        assert!(!checkpoint.inside.is_empty(), "{checkpoint:?}");
        let mark = source.mark();
        let mut stream = Stream::resume(&source, checkpoint);
        stream.read_to(mark);
        rows.extend(stream.end().0);
        check_tables(session, &source, &rows);
    }
}

#[test]
fn a_change_logged_as_a_statement_stops_the_stream_with_its_place_and_remedy() {
    let source = Source::start(options());
    source.run(&[
        "CREATE DATABASE elsewhere",
        "CREATE TABLE elsewhere.other (id INT PRIMARY KEY, note TEXT)",
        "CREATE TABLE tx.watched (id INT PRIMARY KEY)",
        "CREATE VIEW tx.open_ones AS SELECT * FROM tx.leads",
        "CREATE TRIGGER tx.follow AFTER INSERT ON tx.watched FOR EACH ROW \
         INSERT INTO tx.leads VALUES (NEW.id, 'by a trigger')",
    ]);
    let changes = [
        "INSERT INTO tx.leads VALUES (1, 'a')",
        "UPDATE tx.leads SET note = 'b' WHERE id = 1",
        "DELETE FROM tx.leads WHERE id = 1",
        "REPLACE INTO tx.leads VALUES (2, 'c')",
        "INSERT INTO tx.leads SELECT id + 100, note FROM tx.other",
        "UPDATE tx.open_ones SET note = 'c'",
        "INSERT INTO tx.watched VALUES (300)",
    ];
    for change in changes {
        let mark = source.mark();
        let mut stream = Stream::start(&source);
        // Sessions that only name it, or write elsewhere, stop nothing.
        source.run(&[
            "SET SESSION binlog_format = 'STATEMENT'",
            "INSERT INTO elsewhere.other VALUES (1, 'x') ON DUPLICATE KEY UPDATE note = 'y'",
            "SET SESSION binlog_format = 'ROW'",
        ]);
        source.run(&["SET SESSION binlog_format = 'STATEMENT'", change]);
        let error = stream.read_to_stop();
        assert_eq!(error.page(), "LS1044", "{change}: {error}");
        assert!(error.to_string().contains("binlog."), "{error}");
        assert!(
            error.remedy().contains("binlog_format"),
            "{}",
            error.remedy()
        );
        assert!(stream.ids("marks").is_empty(), "{mark}");
    }
}

#[test]
fn what_a_session_does_not_log_is_not_captured() {
    let source = Source::start(options());
    let mut stream = Stream::start(&source);
    source.run(&[
        "SET SESSION sql_log_bin = 0",
        "INSERT INTO tx.leads VALUES (1, 'unlogged')",
        "SET SESSION sql_log_bin = 1",
        "INSERT INTO tx.leads VALUES (2, 'logged')",
    ]);
    let mark = source.mark();
    stream.read_to(mark);
    assert_eq!(stream.ids("leads"), ["2"]);
}
