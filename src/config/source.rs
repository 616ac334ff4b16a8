//! `[source]` and `[snapshot]`: the MySQL server, and what reading its existing rows may cost.

use std::path::Path;

use crate::core::secret::Secret;

use super::address::{MysqlUrl, MysqlUrlError, is_loopback, parse_mysql_url};
use super::layers::variable_name;
use super::mistake::{SECRET, WRONG_VALUE};
use super::reader::{Reader, Table};
use super::secrets::read_secret;
use super::{
    ClientCertificate, Compression, OnHistoryLost, SnapshotSettings, Source, Start, Tls, TlsMode,
};

const TLS_MODES: [(&str, TlsMode); 4] = [
    ("disabled", TlsMode::Disabled),
    ("required", TlsMode::Required),
    ("verify_ca", TlsMode::VerifyCa),
    ("verify_identity", TlsMode::VerifyIdentity),
];

pub(super) fn check_source<'a>(reader: &mut Reader<'a>, root: &Table<'a>) -> Option<Source> {
    let table = reader.table(root, "source");
    let url = check_url(reader, &table);
    let password = read_secret(reader, &table, "password");
    let password = match (&url, password) {
        (Some(url), Some(None)) if url.socket.is_none() && !is_loopback(&url.host) => reader.miss(
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
    let is_socket = url.as_ref().is_some_and(|url| url.socket.is_some());
    let tls = check_tls(reader, &table, is_socket);
    let compressions = [("none", Compression::None), ("zlib", Compression::Zlib)];
    let compression = reader.choice(&table, "compression", &compressions, &[]);
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
    let on_history_lost = reader.choice(
        &table,
        "on_history_lost",
        &[
            ("pause", OnHistoryLost::Pause),
            ("snapshot", OnHistoryLost::Snapshot),
        ],
        &[],
    );
    let heartbeat_ms = reader.number(&table, "heartbeat");
    let connect_timeout_ms = reader.number(&table, "connect_timeout");
    let observe_interval_ms = reader.number(&table, "observe_interval");
    let stall_timeout_ms = reader.number(&table, "stall_timeout");
    let window_bytes = reader.number(&table, "window_bytes");
    let prepared_bytes = reader.number(&table, "prepared_bytes");
    let MysqlUrl {
        user,
        host,
        port,
        socket,
    } = url?;
    Some(Source {
        host,
        port,
        socket,
        user,
        password: password?,
        tls: tls?,
        compression: compression?,
        server_id: server_id?,
        start: start?,
        on_history_lost: on_history_lost?,
        heartbeat_ms: heartbeat_ms?,
        connect_timeout_ms: connect_timeout_ms?,
        observe_interval_ms: observe_interval_ms?,
        stall_timeout_ms: stall_timeout_ms?,
        window_bytes: window_bytes?,
        prepared_bytes: prepared_bytes?,
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
            "must be mysql://user@host:port and nothing behind it (or mysql://user@/path/of/socket)",
            "name schema and table in each route (table = \"schema.table\"), options as keys of \
             source",
        ),
        Err(MysqlUrlError::Shape) => reader.wrong(table, "url"),
    }
}

fn check_tls<'a>(reader: &mut Reader<'a>, source: &Table<'a>, is_socket: bool) -> Option<Tls> {
    let table = reader.table(source, "tls");
    let mode = reader.choice(&table, "mode", &TLS_MODES, &[]);
    let ca_file = reader.optional_path(&table, "ca_file");
    let client = check_client_certificate(reader, &table, mode);
    if is_socket {
        let wants_tls = table.get("mode").is_some() && mode != Some(TlsMode::Disabled);
        if wants_tls || matches!(ca_file, Some(Some(_))) || matches!(client, Some(Some(_))) {
            return reader.refuse(
                source,
                "tls",
                WRONG_VALUE,
                "has no effect: what goes through a socket does not leave the machine, and is not \
                 encrypted",
                "leave tls out, or connect to a host",
            );
        }
        return Some(Tls {
            mode: TlsMode::Disabled,
            ca_file: None,
            client: None,
        });
    }
    match (mode, &ca_file) {
        (Some(TlsMode::Disabled | TlsMode::Required), Some(Some(_))) => {
            return reader.refuse(
                &table,
                "ca_file",
                WRONG_VALUE,
                "has no effect: this mode does not verify the server",
                "set mode = \"verify_identity\", or leave ca_file out",
            );
        }
        (Some(TlsMode::VerifyCa), Some(None)) => {
            return reader.refuse(
                &table,
                "mode",
                WRONG_VALUE,
                "verify_ca needs ca_file: with the public authorities, whoever has a certificate of \
                 any name could pose as the server",
                "name your authority's PEM file with ca_file, or set mode = \"verify_identity\"",
            );
        }
        (Some(_), Some(Some(path))) => {
            check_pem(
                reader,
                &table,
                "ca_file",
                path,
                CERTIFICATE,
                "the authority's certificate",
            )?;
        }
        _ => {}
    }
    Some(Tls {
        mode: mode?,
        ca_file: ca_file?,
        client: client?,
    })
}

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
/// Of every form that is not encrypted: PKCS#8, PKCS#1, SEC1.
const PRIVATE_KEY: &str = "PRIVATE KEY-----";

/// `Some(None)`: neither file is given.
fn check_client_certificate<'a>(
    reader: &mut Reader<'a>,
    table: &Table<'a>,
    mode: Option<TlsMode>,
) -> Option<Option<ClientCertificate>> {
    let cert = reader.optional_path(table, "cert_file");
    let key = reader.optional_path(table, "key_file");
    let (cert_file, key_file) = match (cert?, key?) {
        (None, None) => return Some(None),
        (Some(cert_file), Some(key_file)) => (cert_file, key_file),
        (cert, _) => {
            let (given, missing) = match cert {
                Some(_) => ("cert_file", "key_file"),
                None => ("key_file", "cert_file"),
            };
            let rule = format!("is of no use without {missing}");
            let remedy = "give both: certificate and private key belong together";
            return reader.refuse(table, given, WRONG_VALUE, rule, remedy);
        }
    };
    if mode == Some(TlsMode::Disabled) {
        return reader.refuse(
            table,
            "cert_file",
            WRONG_VALUE,
            "has no effect: nothing is encrypted in this mode",
            "set another mode, or leave cert_file and key_file out",
        );
    }
    let certificate = check_pem(
        reader,
        table,
        "cert_file",
        &cert_file,
        CERTIFICATE,
        "our certificate",
    );
    let key = check_pem(
        reader,
        table,
        "key_file",
        &key_file,
        PRIVATE_KEY,
        "its private key, without a passphrase",
    );
    certificate?;
    key?;
    Some(Some(ClientCertificate {
        cert_file,
        key_file,
    }))
}

/// Refuses a file that cannot be read or does not hold what it should.
fn check_pem<'a>(
    reader: &mut Reader<'a>,
    table: &Table<'a>,
    name: &str,
    path: &Path,
    mark: &str,
    what: &str,
) -> Option<()> {
    let rule = match (reader.read_file)(path) {
        Ok(text) if text.contains("ENCRYPTED") => "the key has a passphrase".to_owned(),
        Ok(text) if text.contains(mark) => return Some(()),
        Ok(_) if mark == CERTIFICATE => "the file holds no PEM certificate".to_owned(),
        Ok(_) => "the file holds no PEM private key".to_owned(),
        Err(error) => format!("the file cannot be read: {error}"),
    };
    let remedy = format!("name a readable PEM file with {what}");
    reader.refuse(table, name, WRONG_VALUE, rule, remedy)
}
