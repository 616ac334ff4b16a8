//! `[source]` and `[snapshot]`: the MySQL server, and what reading its existing rows may cost.

use crate::core::secret::Secret;

use super::address::{MysqlUrl, MysqlUrlError, is_loopback, parse_mysql_url};
use super::layers::variable_name;
use super::mistake::{SECRET, WRONG_VALUE};
use super::reader::{Reader, Table};
use super::secrets::read_secret;
use super::{SnapshotSettings, Source, Start, Tls, TlsMode};

const TLS_MODES: [(&str, TlsMode); 3] = [
    ("disabled", TlsMode::Disabled),
    ("required", TlsMode::Required),
    ("verify_identity", TlsMode::VerifyIdentity),
];

pub(super) fn check_source<'a>(reader: &mut Reader<'a>, root: &Table<'a>) -> Option<Source> {
    let table = reader.table(root, "source");
    let url = check_url(reader, &table);
    let password = read_secret(reader, &table, "password");
    let password = match (&url, password) {
        (Some(url), Some(None)) if !is_loopback(&url.host) => reader.miss(
            &table,
            "password_file",
            "is missing; only a MySQL on this machine may be used without a password".to_owned(),
            format!(
                "add password_file = \"…\" to source, or set {}",
                variable_name("source.password")
            ),
        ),
        (_, password) => password.map(|password| password.unwrap_or_else(|| Secret::new(""))),
    };
    let tls = check_tls(reader, &table);
    let server_id = reader.optional_number(&table, "server_id");
    let start = reader.choice(
        &table,
        "start",
        &[
            ("now", Start::Now),
            ("earliest", Start::Earliest),
            ("snapshot", Start::Snapshot),
        ],
        &[],
    );
    let heartbeat_ms = reader.number(&table, "heartbeat");
    let connect_timeout_ms = reader.number(&table, "connect_timeout");
    let window_bytes = reader.number(&table, "window_bytes");
    let MysqlUrl { user, host, port } = url?;
    Some(Source {
        host,
        port,
        user,
        password: password?,
        tls: tls?,
        server_id: server_id?,
        start: start?,
        heartbeat_ms: heartbeat_ms?,
        connect_timeout_ms: connect_timeout_ms?,
        window_bytes: window_bytes?,
    })
}

pub(super) fn check_snapshot<'a>(
    reader: &mut Reader<'a>,
    root: &Table<'a>,
) -> Option<SnapshotSettings> {
    let table = reader.table(root, "snapshot");
    let chunk_rows = reader.number(&table, "chunk_rows");
    let chunk_bytes = reader.number(&table, "chunk_bytes");
    let max_rows_per_second = reader.optional_number(&table, "max_rows_per_second");
    let max_source_threads = reader.number(&table, "max_source_threads");
    let max_replica_lag_ms = reader.number(&table, "max_replica_lag");
    Some(SnapshotSettings {
        chunk_rows: chunk_rows?,
        chunk_bytes: chunk_bytes?,
        max_rows_per_second: max_rows_per_second?,
        max_source_threads: max_source_threads?,
        max_replica_lag_ms: max_replica_lag_ms?,
    })
}

fn check_url<'a>(reader: &mut Reader<'a>, table: &Table<'a>) -> Option<MysqlUrl> {
    let text = reader.text(table, "url")?;
    match parse_mysql_url(&text) {
        Ok(url) => Some(url),
        Err(MysqlUrlError::Password) => reader.refuse(
            table,
            "url",
            SECRET,
            "a password must not stand in the URL",
            format!(
                "write mysql://user@host:port; give the password with password_file or {}",
                variable_name("source.password")
            ),
        ),
        Err(MysqlUrlError::Tail) => reader.refuse(
            table,
            "url",
            WRONG_VALUE,
            "must be mysql://user@host:port and nothing behind it",
            "name schema and table in each route (table = \"schema.table\"), options as keys of \
             source",
        ),
        Err(MysqlUrlError::Shape) => reader.wrong(table, "url"),
    }
}

fn check_tls<'a>(reader: &mut Reader<'a>, source: &Table<'a>) -> Option<Tls> {
    let table = reader.table(source, "tls");
    let mode = reader.choice(&table, "mode", &TLS_MODES, &["verify_ca"]);
    let ca_file = reader.optional_path(&table, "ca_file");
    if let (Some(mode), Some(Some(path))) = (mode, &ca_file) {
        if matches!(mode, TlsMode::Disabled | TlsMode::Required) {
            return reader.refuse(
                &table,
                "ca_file",
                WRONG_VALUE,
                "has no effect: this mode does not verify the server",
                "set mode = \"verify_identity\", or leave ca_file out",
            );
        }
        let rule = match (reader.read_file)(path) {
            Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => None,
            Ok(_) => Some("the file holds no PEM certificate".to_owned()),
            Err(error) => Some(format!("the file cannot be read: {error}")),
        };
        if let Some(rule) = rule {
            let remedy = "name a readable PEM file with the authority's certificate";
            return reader.refuse(&table, "ca_file", WRONG_VALUE, rule, remedy);
        }
    }
    Some(Tls {
        mode: mode?,
        ca_file: ca_file?,
    })
}
