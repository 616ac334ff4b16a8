//! What is different about MariaDB: its version, how its data directory is made, and its options.
//!
//! Its own `mariadb-install-db` is a shell script that looks for its server in fixed places, so its work is done here:
//! the server reads the statements that make its system tables, and ends.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::MysqlOptions;
use super::install::{MysqlVersion, parse_version};

/// The product asks for what 10.5 brought: column names in table maps.
const OLDEST: MysqlVersion = MysqlVersion {
    major: 10,
    minor: 5,
    patch: 0,
};

/// Beside `share`'s scripts; the help tables and the `sys` schema are left out.
const SCRIPTS: [&str; 3] = [
    "mysql_system_tables.sql",
    "mysql_performance_tables.sql",
    "mysql_system_tables_data.sql",
];

/// Reads the answer to `mysqld --version`; the error says why this server will not do.
pub(super) fn check_version(answer: &str) -> Result<MysqlVersion, String> {
    let answer = answer.trim();
    if !answer.to_ascii_lowercase().contains("mariadb") {
        return Err(format!("is not MariaDB ({answer})"));
    }
    let version = answer
        .split_once(" Ver ")
        .and_then(|(_, rest)| parse_version(rest));
    let version = version.ok_or_else(|| format!("does not name its version: {answer:?}"))?;
    if version < OLDEST {
        return Err(format!("is MariaDB {version}; 10.5 or newer is needed"));
    }
    Ok(version)
}

/// Makes `command` initialise `data`: `root` gets in from this machine, without a password.
pub(super) fn prepare(command: &mut Command, share: &Path, data: &Path) -> io::Result<()> {
    // With log_bin off and no privilege checks it reads statements, one a line, and ends.
    let mut text =
        "create database if not exists mysql;\nuse mysql;\nSET @auth_root_socket=NULL;\n"
            .as_bytes()
            .to_vec();
    for script in SCRIPTS {
        text.extend(fs::read(share.join(script))?);
    }
    // MySQL makes the folder itself.
    fs::create_dir_all(data)?;
    let script = script(data);
    fs::write(&script, text)?;
    command
        .arg("--bootstrap")
        .args([
            "--innodb-log-file-size=16M",
            "--innodb-autoextend-increment=4",
        ])
        .stdin(File::open(script)?);
    Ok(())
}

/// The statements that initialise `data`.
pub(super) fn script(data: &Path) -> PathBuf {
    data.with_extension("init.sql")
}

/// The options of a run that MySQL has not, or that it calls otherwise.
pub(super) fn options(options: &MysqlOptions) -> Vec<String> {
    vec![
        format!("--binlog-format={}", options.binlog_format),
        format!("--gtid-domain-id={}", options.gtid_domain),
        "--gtid-strict-mode=ON".to_owned(),
        // Its default is what MySQL 5.5 could do.
        "--binlog-checksum=CRC32".to_owned(),
        "--innodb-log-file-size=64M".to_owned(),
    ]
}
