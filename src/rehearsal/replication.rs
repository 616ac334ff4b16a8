//! Replication between servers of our own, by GTID: one follows another, waits, catches up, takes
//! over.
//!
//! Every statement that must not count as a change of the server's own leaves its binlog alone.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, Row};

use super::MysqlServer;
use super::mysql::ServerKind;

/// What a replica waits for before the caller is told that it does not come.
const CATCH_UP_SECONDS: u32 = 60;

/// Makes `replica` follow `source` from the beginning, and start.
///
/// # Errors
/// When one of them does not do as it is told.
pub async fn follow(replica: &MysqlServer, source: &MysqlServer) -> Result<(), mysql_async::Error> {
    let port = source.port();
    let change = match replica.kind() {
        ServerKind::MySql => format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {port}, \
             SOURCE_USER = 'root', SOURCE_PASSWORD = '', SOURCE_AUTO_POSITION = 1, \
             GET_SOURCE_PUBLIC_KEY = 1, SOURCE_CONNECT_RETRY = 1, SOURCE_RETRY_COUNT = 1000"
        ),
        // Behind what it has, replicated or written by itself when it was the primary.
        ServerKind::MariaDb => format!(
            "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, \
             MASTER_USER = 'root', MASTER_PASSWORD = '', MASTER_USE_GTID = current_pos, \
             MASTER_CONNECT_RETRY = 1"
        ),
    };
    execute(replica, &["STOP REPLICA", &change, "START REPLICA"]).await
}

/// Waits until `replica` has executed all that `source` has now.
///
/// # Errors
/// When it does not, or one of them cannot be asked.
pub async fn catch_up(
    replica: &MysqlServer,
    source: &MysqlServer,
) -> Result<(), mysql_async::Error> {
    let (executed, wait) = match source.kind() {
        ServerKind::MySql => ("gtid_executed", "WAIT_FOR_EXECUTED_GTID_SET"),
        ServerKind::MariaDb => ("gtid_binlog_pos", "MASTER_GTID_WAIT"),
    };
    let set = text(source, &format!("SELECT @@GLOBAL.{executed}")).await?;
    let wait = format!("SELECT {wait}('{set}', {CATCH_UP_SECONDS})");
    match text(replica, &wait).await?.as_str() {
        "0" => Ok(()),
        _ => Err(mysql_async::Error::Other(
            "the replica did not catch up".into(),
        )),
    }
}

/// Ends its replication: it is a server of its own from now on.
///
/// # Errors
/// When it does not do as it is told.
pub async fn promote(replica: &MysqlServer) -> Result<(), mysql_async::Error> {
    execute(replica, &["STOP REPLICA", "RESET REPLICA ALL"]).await
}

/// Runs statements one after the other in one session.
///
/// # Errors
/// The first that fails.
pub async fn execute(server: &MysqlServer, statements: &[&str]) -> Result<(), mysql_async::Error> {
    let mut connection = connect(server).await?;
    for statement in statements {
        connection.query_drop(*statement).await?;
    }
    connection.disconnect().await
}

/// The first column of a query's first row, as text; empty without a row.
///
/// # Errors
/// When the server cannot be asked.
pub async fn text(server: &MysqlServer, query: &str) -> Result<String, mysql_async::Error> {
    let mut connection = connect(server).await?;
    let row: Option<Row> = connection.query_first(query).await?;
    connection.disconnect().await?;
    let first = row.and_then(|row| row.get_opt(0)).and_then(Result::ok);
    Ok(first.unwrap_or_default())
}

async fn connect(server: &MysqlServer) -> Result<Conn, mysql_async::Error> {
    let url = server.url("root");
    let options = Opts::from_url(&url)?;
    Conn::new(options).await
}
