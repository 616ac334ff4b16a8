//! The MySQL server that the demo and the tests start: it starts, survives what is done to it, and leaves nothing.

use std::path::Path;
use std::time::Instant;

use leadstream::rehearsal::mysql::Error;
use leadstream::rehearsal::{MysqlOptions, MysqlServer};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};

async fn ask<T: mysql_async::prelude::FromValue + Send + 'static>(
    server: &MysqlServer,
    query: &str,
) -> Option<T> {
    let opts = Opts::from_url(&server.url("root")).expect("our own address");
    let mut conn = Conn::new(opts).await.expect("the server answers");
    let answer = conn.query_first::<T, _>(query).await;
    conn.disconnect().await.expect("a clean goodbye");
    answer.expect("the query is right")
}

#[tokio::test]
async fn a_server_of_our_own_survives_restart_and_kill() {
    // Given a server with one row.
    let install = MysqlServer::locate().expect("a MySQL server (make setup)");
    let began = Instant::now();
    let mut server = MysqlServer::start(
        &install,
        MysqlOptions {
            server_id: 7,
            ..MysqlOptions::default()
        },
    )
    .unwrap();
    println!(
        "MySQL {} started after {:?}",
        install.version(),
        began.elapsed()
    );
    assert_eq!(
        ask::<String>(&server, "SELECT @@gtid_mode")
            .await
            .as_deref(),
        Some("ON")
    );
    assert_eq!(
        ask::<String>(&server, "SELECT @@binlog_format")
            .await
            .as_deref(),
        Some("ROW")
    );
    assert_eq!(
        ask::<String>(&server, "SELECT @@binlog_row_metadata")
            .await
            .as_deref(),
        Some("FULL")
    );
    assert_eq!(ask::<u32>(&server, "SELECT @@server_id").await, Some(7));
    ask::<u32>(&server, "CREATE DATABASE crm").await;
    ask::<u32>(&server, "CREATE TABLE crm.leads (id INT PRIMARY KEY)").await;
    ask::<u32>(&server, "INSERT INTO crm.leads VALUES (1)").await;
    let (port, uuid) = (
        server.port(),
        ask::<String>(&server, "SELECT @@server_uuid").await,
    );

    // When it is restarted, killed and started again, with a row written in between.
    let began = Instant::now();
    server.restart().unwrap();
    println!("restarted after {:?}", began.elapsed());
    ask::<u32>(&server, "INSERT INTO crm.leads VALUES (2)").await;
    server.kill();
    assert!(!server.is_running());
    let began = Instant::now();
    server.restart().unwrap();
    println!("started {:?} after a kill", began.elapsed());

    // Then it is the same server with both rows.
    assert_eq!(server.port(), port);
    assert_eq!(ask::<String>(&server, "SELECT @@server_uuid").await, uuid);
    assert_eq!(
        ask::<u32>(&server, "SELECT COUNT(*) FROM crm.leads").await,
        Some(2)
    );

    // And nothing is left of it.
    let folder = server.data_dir();
    server.stop().unwrap();
    server.stop().expect("stopping twice is no error");
    drop(server);
    assert!(!folder.exists());
}

#[tokio::test]
async fn two_servers_side_by_side_are_strangers() {
    let install = MysqlServer::locate().expect("a MySQL server (make setup)");
    let options = || MysqlOptions {
        gtid_mode: false,
        binlog_format: "STATEMENT",
        ..MysqlOptions::default()
    };
    let one = MysqlServer::start(&install, options()).unwrap();
    let other = MysqlServer::start(&install, options()).unwrap();
    assert_ne!(one.port(), other.port());
    let uuid = "SELECT @@server_uuid";
    assert_ne!(
        ask::<String>(&one, uuid).await,
        ask::<String>(&other, uuid).await
    );
    assert_eq!(
        ask::<String>(&one, "SELECT @@gtid_mode").await.as_deref(),
        Some("OFF")
    );
    assert_eq!(
        ask::<String>(&one, "SELECT @@binlog_format")
            .await
            .as_deref(),
        Some("STATEMENT")
    );
}

#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let install = MysqlServer::locate().expect("a MySQL server (make setup)");
    let starter =
        std::thread::spawn(move || MysqlServer::start(&install, MysqlOptions::default()).unwrap());
    let mut server = starter.join().unwrap();
    assert!(server.is_running());
    server.freeze().unwrap();
    server.thaw().unwrap();
    server.restart().expect("a thawed server stops when asked");
}

#[test]
fn a_wrong_option_is_reported_with_the_servers_own_words() {
    let install = MysqlServer::locate().expect("a MySQL server (make setup)");
    let options = MysqlOptions {
        extra_args: vec!["--no-such-option".to_owned()],
        ..MysqlOptions::default()
    };
    let error = MysqlServer::start(&install, options).expect_err("mysqld refuses the option");
    assert!(error.to_string().contains("no-such-option"), "{error}");
    let Error::Ended { log, .. } = error else {
        panic!("{error:?}")
    };
    assert!(
        log.exists(),
        "the log that the error names is there to be read"
    );
    std::fs::remove_dir_all(log.parent().unwrap()).unwrap();
}

#[test]
fn a_folder_that_holds_something_else_is_not_touched() {
    let install = MysqlServer::locate().expect("a MySQL server (make setup)");
    let folder = tempfile::tempdir().unwrap();
    let precious = folder.path().join("data/precious.txt");
    std::fs::create_dir_all(precious.parent().unwrap_or(Path::new("/"))).unwrap();
    std::fs::write(&precious, "mine").unwrap();
    let options = MysqlOptions {
        data_dir: folder.path().to_owned(),
        ..MysqlOptions::default()
    };
    let error = MysqlServer::start(&install, options).expect_err("not a data directory");
    assert!(error.to_string().contains("no data directory"), "{error}");
    assert!(precious.exists());
}

#[test]
fn a_taken_port_is_reported_when_it_was_asked_for() {
    let install = MysqlServer::locate().expect("a MySQL server (make setup)");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = MysqlOptions {
        data_dir: folder.path().to_owned(),
        port: Some(taken.local_addr().unwrap().port()),
        ..MysqlOptions::default()
    };
    let error = MysqlServer::start(&install, options).expect_err("the port is ours");
    assert!(
        error.to_string().contains("Address already in use"),
        "{error}"
    );
}
