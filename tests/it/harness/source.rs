//! Which server the rows of a world come from: MySQL, or MariaDB when `LEADSTREAM_TEST_SOURCE` says so; and what both
//! call by different names.
//!
//! `make test` runs the suite once with each; the second run leaves out what `ONE_SOURCE` in the Makefile names, with the
//! reason.

use leadstream::rehearsal::mysql::ServerKind;
use leadstream::rehearsal::{MysqlOptions, MysqlServer};

/// # Panics
/// When the variable names neither.
pub fn kind() -> ServerKind {
    match std::env::var("LEADSTREAM_TEST_SOURCE").as_deref() {
        Err(_) | Ok("" | "mysql") => ServerKind::MySql,
        Ok("mariadb") => ServerKind::MariaDb,
        Ok(other) => panic!("LEADSTREAM_TEST_SOURCE is {other:?}, neither mysql nor mariadb"),
    }
}

/// Starts a server of its own.
pub fn start(kind: ServerKind, mut options: MysqlOptions) -> MysqlServer {
    let install = match kind {
        ServerKind::MySql => MysqlServer::locate(),
        ServerKind::MariaDb => {
            options.extra_args = mariadb_arguments(&options.extra_args);
            MysqlServer::locate_mariadb()
        }
    };
    let install = install.expect("a server: run `make setup`");
    MysqlServer::start(&install, options).expect("the server starts")
}

/// Starts one of the kind that the rows of this run come from.
pub fn start_here(options: MysqlOptions) -> MysqlServer {
    start(kind(), options)
}

/// Whether servers have their places as GTIDs, and as files: MariaDB has no other way than GTIDs.
pub fn gtid_modes() -> &'static [bool] {
    match kind() {
        ServerKind::MySql => &[true, false],
        ServerKind::MariaDb => &[true],
    }
}

/// What MySQL does by itself, and the options that have other names; the last one counts.
fn mariadb_arguments(arguments: &[String]) -> Vec<String> {
    let defaults = [
        "--log-slave-updates=ON",
        "--binlog-expire-logs-seconds=2592000",
        "--log-bin-compress-min-len=10",
    ];
    let known = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--innodb-redo-log-capacity"))
        .map(|argument| argument.replace("--log-replica-updates", "--log-slave-updates"));
    defaults
        .map(str::to_owned)
        .into_iter()
        .chain(known)
        .collect()
}

/// MySQL's words, MariaDB's words.
const WORDS: [(&str, &str); 9] = [
    ("SHOW BINARY LOG STATUS", "SHOW MASTER STATUS"),
    ("RESET BINARY LOGS AND GTIDS", "RESET MASTER"),
    ("cte_max_recursion_depth", "max_recursive_iterations"),
    (" transaction_isolation =", " tx_isolation ="),
    (
        "SET SESSION binlog_transaction_compression",
        "SET GLOBAL log_bin_compress",
    ),
    (
        "SET GLOBAL binlog_expire_logs_auto_purge = OFF",
        "SET GLOBAL binlog_expire_logs_seconds = 0",
    ),
    (
        "SELECT @@server_uuid",
        "SELECT CONCAT('mariadb:', @@server_id)",
    ),
    (
        "SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '')",
        "SELECT CONCAT('mariadb:', @@GLOBAL.gtid_binlog_pos)",
    ),
    (
        "SELECT @@GLOBAL.gtid_executed",
        "SELECT @@GLOBAL.gtid_binlog_pos",
    ),
];

/// A statement as this kind of server understands it.
pub fn spoken(kind: ServerKind, statement: &str) -> String {
    match kind {
        ServerKind::MySql => statement.to_owned(),
        ServerKind::MariaDb => WORDS
            .iter()
            .fold(statement.to_owned(), |text, (mysql, mariadb)| {
                text.replace(mysql, mariadb)
            }),
    }
}
