//! What can be judged without starting a server; `tests/it/rehearsal.rs` starts one.

use std::ffi::OsStr;
use std::fs;
use std::time::SystemTime;

use super::home::{SOCKET_PATH_MAX_BYTES, remove_abandoned, temporary_folder};
use super::install::{MysqlVersion, check_version, from_root, on_path};
use super::*;

#[track_caller]
fn check_accepted(answer: &str, major: u16, minor: u16, patch: u16) {
    assert_eq!(
        check_version(answer),
        Ok(MysqlVersion {
            major,
            minor,
            patch
        })
    );
}

#[track_caller]
fn check_refused(answer: &str, because: &str) {
    let reason = check_version(answer).expect_err("this server must not be used");
    assert!(reason.contains(because), "{reason}");
}

#[test]
fn servers_from_8_0_on_are_accepted() {
    check_accepted(
        "/x/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))\n",
        9,
        7,
        4,
    );
    check_accepted(
        "mysqld  Ver 8.0.36 for Linux on aarch64 (MySQL Community Server - GPL)",
        8,
        0,
        36,
    );
    check_accepted(
        "/usr/sbin/mysqld  Ver 8.4.10-0ubuntu0.1 for Linux on x86_64 ((Ubuntu))",
        8,
        4,
        10,
    );
    check_accepted(
        "mysqld  Ver 8.0.36-28 for Linux on x86_64 (Percona Server (GPL), Release 28)",
        8,
        0,
        36,
    );
}

#[test]
fn older_servers_and_mariadb_are_refused_with_the_reason() {
    check_refused("mysqld  Ver 5.7.44 for Linux on x86_64", "8.0 or newer");
    check_refused(
        "mysqld  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64",
        "MariaDB",
    );
    check_refused("mariadbd  Ver 11.4.2-MariaDB for Linux", "MariaDB");
    check_refused("", "does not name its version");
    check_refused("mysqld  Ver nine", "does not name its version");
    check_refused("mysqld  Ver 9.7", "does not name its version");
    check_refused("mysqld  Ver 99999.0.0", "does not name its version");
}

#[test]
fn mariadb_from_10_5_on_is_accepted_where_it_is_wanted_and_mysql_is_not() {
    let debian =
        "/x/mysqld  Ver 10.11.18-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)\n";
    let version = mariadb::check_version(debian).map(|version| version.to_string());
    assert_eq!(version.as_deref(), Ok("10.11.18"));
    for (answer, because) in [
        ("mysqld  Ver 10.4.34-MariaDB for Linux", "10.5 or newer"),
        (
            "mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))",
            "not MariaDB",
        ),
        ("mariadbd  Ver ten-MariaDB", "does not name its version"),
    ] {
        let reason = mariadb::check_version(answer).expect_err("this server must not be used");
        assert!(reason.contains(because), "{reason}");
    }
}

#[test]
fn a_root_without_a_server_or_a_loader_says_what_is_missing() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let reason =
        |root: &Path| from_root(root, ServerKind::MySql, None).expect_err("no server there");
    assert!(reason(&root.path().join("absent")).contains("No such file"));
    assert!(reason(root.path()).contains("usr/sbin/mysqld"));
    fs::create_dir_all(root.path().join("usr/sbin")).expect("a folder");
    fs::create_dir_all(root.path().join("usr/lib/x86_64-linux-gnu")).expect("a folder");
    fs::write(root.path().join("usr/sbin/mysqld"), "").expect("a file");
    assert!(reason(root.path()).contains("dynamic loader"));
}

#[test]
fn the_first_server_on_the_path_is_taken_and_relative_entries_are_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mysqld = folder.path().join("mysqld");
    fs::write(&mysqld, "").expect("a file");
    let search_path = format!(":relative:/nowhere:{}", folder.path().display());
    assert_eq!(on_path(OsStr::new(&search_path)), Some(mysqld));
}

#[test]
fn what_was_not_found_names_the_remedy() {
    let text = Error::NotFound {
        looked_at: "PATH: no mysqld".to_owned(),
    }
    .to_string();
    assert!(
        text.contains("make setup") && text.contains("PATH: no mysqld"),
        "{text}"
    );
}

#[test]
fn a_long_folder_gets_its_socket_elsewhere() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = Home::create(&folder.path().join("d".repeat(120))).expect("a home");
    assert!(
        home.socket().as_os_str().len() <= SOCKET_PATH_MAX_BYTES,
        "{}",
        home.socket().display()
    );
    assert!(home.temporary.is_none());
}

#[test]
fn a_temporary_home_goes_with_its_owner_and_a_given_one_stays() {
    let given = tempfile::tempdir().expect("a temporary folder");
    let (temporary, kept) = (
        Home::create(Path::new("")).expect("a home"),
        Home::create(given.path()).expect("a home"),
    );
    temporary.remove_what_is_temporary();
    kept.remove_what_is_temporary();
    assert!(!temporary.folder.exists());
    assert!(kept.data().exists());
}

#[test]
fn only_fresh_errors_are_quoted_from_the_log() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("mysqld.log");
    let old = "t 0 [ERROR] [MY-1] [Server] old\n";
    fs::write(
        &log,
        format!("{old}t 0 [System] fine\nt 0 [ERROR] [MY-2] [Server] new\n"),
    )
    .expect("a file");
    assert_eq!(log_errors(&log, old.len() as u64), "[MY-2] [Server] new");
    assert_eq!(log_errors(&log, 10_000), "it logged no error");
    assert_eq!(
        log_errors(&folder.path().join("absent"), 0),
        "it logged no error"
    );
}

#[test]
fn free_ports_differ_and_can_be_bound() {
    let (one, other) = (free_port().expect("a port"), free_port().expect("a port"));
    assert_ne!(one, other);
    TcpListener::bind((Ipv4Addr::LOCALHOST, one)).expect("free");
}

#[test]
fn a_killed_owners_folder_is_swept_and_a_living_or_young_one_is_not() {
    let folder_with_lock = |made: SystemTime| {
        let folder = temporary_folder().expect("a folder");
        let lock = fs::File::create(folder.join("lock")).expect("a file");
        lock.set_modified(made).expect("our own file");
        folder
    };
    let dead = folder_with_lock(SystemTime::UNIX_EPOCH);
    let living = folder_with_lock(SystemTime::UNIX_EPOCH);
    let held = process::lock(&living.join("lock"), Deadline::now()).expect("nobody holds it");
    let young = temporary_folder().expect("a folder");
    fs::write(young.join("lock"), "").expect("a file");

    remove_abandoned();

    assert!(!dead.exists());
    assert!(living.exists() && young.exists());
    drop(held);
    fs::remove_dir_all(living).expect("our own folder");
    fs::remove_dir_all(young).expect("our own folder");
}
