//! The checks of `leadstream check` on MySQL's side: each precondition by name, with its remedy.
//!
//! Reads only. All checks run even when some fail; only without a login is there nothing to ask.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use tokio::time::timeout;

use super::charset;
use super::closest;
use super::connection::{connect, missing_privilege, query_error};
use super::error::Error;
use super::lineage::check_replica_logs;
use super::mariadb;
use super::prepared;
use super::schema;
use super::server::{Server, files};
use super::settings::{OnHistoryLost, RoutedTable, SourceSettings, Start, TlsMode};
use super::snapshot;
use crate::core::schema::{ColumnKind, TableSchema};

/// Below this an outage of one day over a weekend loses history.
const RETENTION_SECONDS_MIN: u64 = 86_400;

#[derive(Debug, Default)]
pub struct PreflightReport {
    pub checks: Vec<Check>,
    /// Of the routed tables that could be read.
    pub tables: Vec<TableSchema>,
}

#[derive(Debug)]
pub struct Check {
    /// Stable and short: `binlog_format`, `table shop.leads`.
    pub name: String,
    pub result: CheckResult,
}

#[derive(Debug)]
pub enum CheckResult {
    /// With what was found.
    Passed(String),
    /// Works, but something is at risk.
    Warning(Error),
    Failed(Error),
}

impl PreflightReport {
    #[must_use]
    pub fn is_ok(&self) -> bool {
        !self
            .checks
            .iter()
            .any(|check| matches!(check.result, CheckResult::Failed(_)))
    }

    pub(super) fn add(&mut self, name: impl Into<String>, result: CheckResult) {
        self.checks.push(Check {
            name: name.into(),
            result,
        });
    }

    fn add_result(&mut self, name: impl Into<String>, result: Result<String, Error>) {
        self.add(
            name,
            result.map_or_else(CheckResult::Failed, CheckResult::Passed),
        );
    }
}

/// Checks everything that streaming these tables needs.
pub async fn preflight(settings: &SourceSettings, tables: &[RoutedTable]) -> PreflightReport {
    // A dozen small queries: a path that goes silent among them gives no other sign.
    let waited_ms = settings.connect_timeout_ms.saturating_mul(3);
    let limit = Duration::from_millis(waited_ms);
    timeout(limit, look(settings, tables))
        .await
        .unwrap_or_else(|_| {
            let mut report = PreflightReport::default();
            let silent = CheckResult::Failed(Error::Silent { waited_ms });
            report.add("connection", silent);
            report
        })
}

async fn look(settings: &SourceSettings, tables: &[RoutedTable]) -> PreflightReport {
    let mut report = PreflightReport::default();
    let mut conn = match connect(settings).await {
        Ok(conn) => conn,
        Err(error) => {
            report.add("connection", CheckResult::Failed(error));
            return report;
        }
    };
    let place = format!("{} as {}", settings.place(), settings.user);
    report.add("connection", CheckResult::Passed(place));
    check_tls(settings, &mut report);
    match Server::ask(&mut conn, settings).await {
        Ok(server) => {
            report.add("version", CheckResult::Passed(server.version.clone()));
            check_settings(&server, tables, &mut report);
            check_retention(&server, &mut report);
            let logs = check_replica_logs(&mut conn, settings, &server).await;
            report.add_result(
                "replica",
                logs.map(|()| "what it executes is logged".to_owned()),
            );
            check_privileges(&mut conn, settings, &mut report).await;
            let prepared = prepared::look(&mut conn, settings).await;
            report.add("xa transactions", prepared);
            for table in tables {
                check_table(&mut conn, settings, table, &mut report).await;
            }
            check_update_keys(server.get("binlog_row_image"), tables, &mut report);
            let after_loss = settings.on_history_lost == OnHistoryLost::Snapshot;
            if settings.start == Start::Snapshot || after_loss {
                check_snapshots(&mut conn, settings, &mut report).await;
            }
        }
        Err(error) => report.add("version", CheckResult::Failed(error)),
    }
    // The server closes its side too; there is nothing to do about a failure here.
    let _ = conn.disconnect().await;
    report
}

fn check_tls(settings: &SourceSettings, report: &mut PreflightReport) {
    let result = match settings.tls.mode {
        TlsMode::Disabled if settings.socket.is_some() => {
            CheckResult::Passed("a socket: nothing leaves the machine".to_owned())
        }
        TlsMode::Disabled if settings.leaves_the_machine() => {
            let place = settings.place();
            CheckResult::Warning(Error::ClearText { place })
        }
        TlsMode::Disabled => CheckResult::Passed("disabled".to_owned()),
        TlsMode::VerifyCa => CheckResult::Passed("authority verified, any name".to_owned()),
        TlsMode::Required => CheckResult::Warning(Error::TlsUnverified),
        TlsMode::VerifyIdentity => CheckResult::Passed("certificate verified".to_owned()),
    };
    report.add("tls", result);
}

fn check_settings(server: &Server, tables: &[RoutedTable], report: &mut PreflightReport) {
    if server.is_mariadb {
        return mariadb::check_settings(server, report);
    }
    let mut expect = |name: &'static str, needed: &'static str| {
        let found = server.get(name).to_owned();
        let result = if found.eq_ignore_ascii_case(needed) {
            CheckResult::Passed(found)
        } else {
            CheckResult::Failed(Error::ServerSetting {
                name,
                found,
                needed,
            })
        };
        report.add(name, result);
    };
    expect("log_bin", "ON");
    expect("binlog_format", "ROW");
    let updates = tables
        .iter()
        .flat_map(|table| &table.routes)
        .any(|route| route.update || route.delete);
    if updates {
        expect("binlog_row_value_options", "");
    }
    check_metadata(server, report);
    let found = server.get("binlog_row_image").to_owned();
    let result = if found.eq_ignore_ascii_case("FULL") {
        CheckResult::Passed(found)
    } else {
        CheckResult::Warning(Error::RowImage { found })
    };
    report.add("binlog_row_image", result);
    let found = server.get("gtid_mode").to_owned();
    let result = if server.has_gtids() {
        CheckResult::Passed(found)
    } else {
        CheckResult::Warning(Error::GtidModeOff { found })
    };
    report.add("gtid_mode", result);
    let found = server.get("binlog_checksum").to_owned();
    let result = if found.eq_ignore_ascii_case("CRC32") {
        CheckResult::Passed(found)
    } else {
        CheckResult::Warning(Error::ChecksumOff { found })
    };
    report.add("binlog_checksum", result);
}

pub(super) fn check_metadata(server: &Server, report: &mut PreflightReport) {
    let found = server.get("binlog_row_metadata").to_owned();
    let result = if found.eq_ignore_ascii_case("FULL") {
        CheckResult::Passed(found)
    } else {
        CheckResult::Warning(Error::MetadataNotFull { found })
    };
    report.add("binlog_row_metadata", result);
}

fn check_retention(server: &Server, report: &mut PreflightReport) {
    let result = match server.retention_seconds() {
        None => CheckResult::Passed("kept until purged by hand".to_owned()),
        Some(seconds) if seconds < RETENTION_SECONDS_MIN => {
            CheckResult::Warning(Error::RetentionShort { seconds })
        }
        Some(seconds) => CheckResult::Passed(match seconds / RETENTION_SECONDS_MIN {
            1 => format!("kept for {} hours", seconds / 3600),
            days => format!("kept for {days} days"),
        }),
    };
    report.add("binlog retention", result);
}

async fn check_privileges(
    conn: &mut Conn,
    settings: &SourceSettings,
    report: &mut PreflightReport,
) {
    let client = files(conn, settings).await.map(|files| match files.len() {
        1 => "granted, 1 binlog file is kept".to_owned(),
        files => format!("granted, {files} binlog files are kept"),
    });
    report.add_result("privilege replication client", client);
    let what = "read its own grants";
    let grants: Result<Vec<Row>, _> = conn.query("SHOW GRANTS").await;
    let result = match grants {
        Err(error) => Err(query_error(settings, what, error)),
        Ok(rows) => {
            let text: Vec<String> = rows
                .into_iter()
                .filter_map(|mut row| row.take_opt(0).and_then(Result::ok))
                .collect();
            if text.iter().any(|grant| grants_replication(grant)) {
                Ok("granted".to_owned())
            } else {
                Err(missing_privilege(settings, "read the binlog", None))
            }
        }
    };
    report.add_result("privilege replication slave", result);
}

/// Whether one line of `SHOW GRANTS` gives the right to read the binlog. Roles that are active by
/// default are resolved by the server.
fn grants_replication(grant: &str) -> bool {
    let upper = grant.to_ascii_uppercase();
    upper.contains(" ON *.* ")
        && (upper.contains("REPLICATION SLAVE") || upper.starts_with("GRANT ALL PRIVILEGES"))
}

async fn check_table(
    conn: &mut Conn,
    settings: &SourceSettings,
    table: &RoutedTable,
    report: &mut PreflightReport,
) {
    let name = format!("table {}", table.name);
    let read = match schema::read(conn, settings, &table.name).await {
        Ok(read) => read,
        Err(error) => return report.add(name, CheckResult::Failed(error)),
    };
    let Some((schema, charsets)) = read else {
        let missing = Error::TableMissing {
            table: table.name.clone(),
            user: settings.user.clone(),
            suggestion: near_table(conn, settings, table).await,
        };
        return report.add(name, CheckResult::Failed(missing));
    };
    let found = format!("{} columns", schema.columns.len());
    report.add(name, CheckResult::Passed(found));
    check_columns(table, &schema, &charsets, report);
    report.tables.push(schema);
}

/// Rows that are there are read by a key: at a first start, or when history is lost.
async fn check_snapshots(conn: &mut Conn, settings: &SourceSettings, report: &mut PreflightReport) {
    let tables: Vec<_> = report
        .tables
        .iter()
        .map(|table| table.name.clone())
        .collect();
    for table in tables {
        let key = snapshot::check_key(conn, settings, &table).await;
        report.add_result(format!("snapshot of {table}"), key);
    }
}

fn check_columns(
    table: &RoutedTable,
    schema: &TableSchema,
    charsets: &[Option<String>],
    report: &mut PreflightReport,
) {
    let mut wanted: Vec<&String> = table
        .routes
        .iter()
        .flat_map(|route| &route.columns)
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    let mut failures = Vec::new();
    for column in &wanted {
        let Some(found) = schema.column(column) else {
            let names = schema.columns.iter().map(|column| column.name.as_str());
            failures.push(Error::ColumnMissing {
                table: table.name.clone(),
                column: (*column).clone(),
                suggestion: closest(column, names),
                position: None,
            });
            continue;
        };
        if let ColumnKind::Other(kind) = &found.kind
            && !matches!(kind.as_str(), "vector")
            && !is_geometry(kind)
        {
            failures.push(Error::ColumnType {
                table: table.name.clone(),
                column: (*column).clone(),
                kind: kind.clone(),
            });
        }
        let index = schema
            .columns
            .iter()
            .position(|column| std::ptr::eq(column, found));
        let charset = index
            .and_then(|index| charsets.get(index))
            .and_then(Option::as_ref);
        if let Some(charset) = charset.filter(|name| charset::of_name(name).is_none()) {
            failures.push(Error::Charset {
                table: table.name.clone(),
                column: (*column).clone(),
                charset: charset.clone(),
            });
        }
    }
    let name = format!("columns of {}", table.name);
    if failures.is_empty() {
        report.add(
            name,
            CheckResult::Passed(format!("{} columns used", wanted.len())),
        );
        return;
    }
    for failure in failures {
        report.add(name.clone(), CheckResult::Failed(failure));
    }
}

/// With a minimal image an update names its row by the primary key alone.
fn check_update_keys(image: &str, tables: &[RoutedTable], report: &mut PreflightReport) {
    let keeps_columns = ["FULL", "NOBLOB"];
    if keeps_columns
        .iter()
        .any(|kept| image.eq_ignore_ascii_case(kept))
    {
        return;
    }
    for table in tables {
        let Some(schema) = report.tables.iter().find(|known| known.name == table.name) else {
            continue;
        };
        let lost: Vec<Error> = table
            .routes
            .iter()
            .filter(|route| route.update)
            .filter_map(|route| Some((route, schema.column(route.columns.first()?)?)))
            .filter(|(_, key)| !key.primary_key)
            .map(|(route, key)| Error::UpdateKey {
                table: table.name.clone(),
                route: route.name.clone(),
                column: key.name.clone(),
                found: image.to_owned(),
            })
            .collect();
        for error in lost {
            let name = format!("updates of {}", table.name);
            report.add(name, CheckResult::Failed(error));
        }
    }
}

/// Spatial types arrive as their bytes.
fn is_geometry(kind: &str) -> bool {
    matches!(
        kind,
        "geometry"
            | "point"
            | "linestring"
            | "polygon"
            | "multipoint"
            | "multilinestring"
            | "multipolygon"
            | "geomcollection"
            | "geometrycollection"
    )
}

async fn near_table(
    conn: &mut Conn,
    settings: &SourceSettings,
    table: &RoutedTable,
) -> Option<String> {
    let names = schema::tables(conn, settings, &table.name.schema)
        .await
        .ok()?;
    closest(&table.name.table, names.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_whose_images_leave_the_key_out_are_refused() {
        use crate::capture::settings::TableRoute;
        use crate::core::change::RouteId;
        use crate::core::schema::{Column, ColumnDefault, TableName};
        let column = |name: &str, primary_key| Column {
            name: name.to_owned(),
            kind: ColumnKind::Json,
            nullable: false,
            primary_key,
            default: ColumnDefault::None,
        };
        let name = TableName {
            schema: "crm".to_owned(),
            table: "leads".to_owned(),
        };
        let codes = |image: &str, key: &str, update| -> Vec<&'static str> {
            let mut report = PreflightReport::default();
            report.tables.push(TableSchema {
                name: name.clone(),
                columns: vec![column("id", true), column("code", false)],
            });
            let route = TableRoute {
                name: "leads".to_owned(),
                route: RouteId(0),
                insert: true,
                update,
                delete: false,
                columns: vec![key.to_owned(), "id".to_owned()],
            };
            let table = RoutedTable {
                name: name.clone(),
                routes: vec![route],
            };
            check_update_keys(image, &[table], &mut report);
            let failed = report
                .checks
                .iter()
                .filter_map(|check| match &check.result {
                    CheckResult::Failed(error) => Some(error.page()),
                    _ => None,
                });
            failed.collect()
        };
        assert_eq!(codes("MINIMAL", "code", true), ["LS1066"]);
        for (image, key, update) in [
            ("FULL", "code", true),
            ("NOBLOB", "code", true),
            ("MINIMAL", "id", true),
            ("MINIMAL", "code", false),
        ] {
            assert_eq!(codes(image, key, update), [""; 0], "{image} {key}");
        }
    }

    #[test]
    fn the_right_to_read_the_binlog_is_found_among_grants() {
        for grant in [
            "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO `a`@`%`",
            "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION",
        ] {
            assert!(grants_replication(grant), "{grant}");
        }
        for grant in [
            "GRANT REPLICATION CLIENT ON *.* TO `a`@`%`",
            "GRANT ALL PRIVILEGES ON `shop`.* TO `a`@`%`",
        ] {
            assert!(!grants_replication(grant), "{grant}");
        }
    }
}
