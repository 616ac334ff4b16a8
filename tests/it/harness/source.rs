//! Which server the rows of a world come from: MySQL, or MariaDB when `LEADSTREAM_TEST_SOURCE` says so.
//!
//! `make test` runs the suite once with each; the second run leaves out the groups that `ONE_SOURCE` in the Makefile
//! names. Of these, `mysql_alone` and `mariadb` name their server, so that they are the same in any run; `failover` and
//! `positions` speak of MySQL's GTIDs, file positions and replication, `connection` of its certificates and logins,
//! `stall` of its settings, and `statements` of XA transactions, which stop the stream on MariaDB.

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
pub fn start(kind: ServerKind, options: MysqlOptions) -> MysqlServer {
    let install = match kind {
        ServerKind::MySql => MysqlServer::locate(),
        ServerKind::MariaDb => MysqlServer::locate_mariadb(),
    };
    let install = install.expect("a server: run `make setup`");
    MysqlServer::start(&install, options).expect("the server starts")
}
