//! Which server the rows of a world come from: MySQL, or MariaDB when `LEADSTREAM_TEST_SOURCE` says so.
//!
//! `make test` runs the suite once with each. What is only true of one of them is in the modules `mysql_alone` and
//! `mariadb`, whose worlds name their server, and which the second run leaves out because the first one has run them.

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
