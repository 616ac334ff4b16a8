//! What a server says about itself, and whether it can give what is still missing.
//!
//! Asked at the start and after each reconnect: behind a name there may be another server than
//! before.

use std::collections::HashMap;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::charset::Numbering;
use super::connection::query_error;
use super::error::Error;
use super::lineage;
use super::mariadb;
use super::progress::Progress;
use super::settings::{SourceSettings, Start};
use crate::core::position::{Checkpoint, FilePosition, GtidSet, Position};

/// Global variables, by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    pub(super) version: String,
    pub(super) is_mariadb: bool,
    pub(super) collations: Numbering,
    variables: HashMap<String, String>,
}

impl Server {
    pub(super) async fn ask(conn: &mut Conn, settings: &SourceSettings) -> Result<Self, Error> {
        let failed = |error| query_error(settings, "read the server's settings", error);
        let version: Option<String> = conn.query_first("SELECT VERSION()").await.map_err(failed)?;
        let rows: Vec<(String, String)> = conn
            .query(
                "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('server_uuid', 'gtid_mode', \
                 'gtid_purged', 'log_bin', 'binlog_format', \
                 'log_replica_updates', 'log_slave_updates', \
                 'binlog_row_metadata', 'binlog_row_image', 'binlog_row_value_options', \
                 'binlog_checksum', 'binlog_expire_logs_seconds', 'binlog_expire_logs_auto_purge', \
                 'expire_logs_days', \
                 'lower_case_table_names', 'version_comment', 'server_id', 'gtid_strict_mode')",
            )
            .await
            .map_err(failed)?;
        let variables = rows
            .into_iter()
            .map(|(k, v)| (k.to_ascii_lowercase(), v))
            .collect();
        let mut server = Self::new(version.unwrap_or_default(), variables);
        server.check_version()?;
        if !server.is_mariadb {
            server.collations = Numbering::ask(conn, settings).await?;
        }
        Ok(server)
    }

    fn new(version: String, mut variables: HashMap<String, String>) -> Self {
        let comment = variables.get("version_comment").map_or("", String::as_str);
        let is_mariadb = [version.as_str(), comment]
            .iter()
            .any(|text| text.to_ascii_lowercase().contains("mariadb"));
        if is_mariadb {
            // It has none; with GTIDs nothing is decided by it.
            let id = variables.get("server_id").map_or("", String::as_str);
            variables.insert("server_uuid".to_owned(), format!("mariadb:{id}"));
        }
        Self {
            version,
            is_mariadb,
            collations: Numbering::default(),
            variables,
        }
    }

    /// MySQL 8.0 or later, MariaDB 10.5 or later.
    fn check_version(&self) -> Result<(), Error> {
        let oldest = if self.is_mariadb { (10, 5) } else { (8, 0) };
        match self.numbers() {
            Some(numbers) if numbers >= oldest => Ok(()),
            _ => Err(Error::ServerVersion {
                version: self.version.clone(),
            }),
        }
    }

    fn numbers(&self) -> Option<(u32, u32)> {
        let mut parts = self.version.split(|c: char| !c.is_ascii_digit());
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }

    pub(super) fn is_at_least(&self, version: (u32, u32)) -> bool {
        self.numbers() >= Some(version)
    }

    /// Empty when the server does not have it.
    pub(super) fn get(&self, name: &str) -> &str {
        self.variables.get(name).map_or("", String::as_str)
    }

    pub(super) fn uuid(&self) -> &str {
        self.get("server_uuid")
    }

    pub(super) fn has_gtids(&self) -> bool {
        self.get("gtid_mode").eq_ignore_ascii_case("ON")
    }

    /// How long binlogs are kept; `None`: until a person deletes them.
    pub(super) fn retention_seconds(&self) -> Option<u64> {
        let purges = !self
            .get("binlog_expire_logs_auto_purge")
            .eq_ignore_ascii_case("OFF");
        let seconds = match self.get("binlog_expire_logs_seconds") {
            // MariaDB before 10.6 counts whole days.
            "" => self
                .get("expire_logs_days")
                .parse::<u64>()
                .ok()
                .map(|days| days * 86_400),
            seconds => seconds.parse().ok(),
        };
        seconds.filter(|seconds| purges && *seconds > 0)
    }

    pub(super) fn folds_table_names(&self) -> bool {
        !matches!(self.get("lower_case_table_names"), "" | "0")
    }

    pub(super) fn gtid_set(&self, name: &'static str) -> Result<GtidSet, Error> {
        self.get(name).parse().map_err(|error| Error::Query {
            what: "read the server's gtid sets",
            source: Box::new(error),
        })
    }

    /// Where to begin without a checkpoint.
    pub(super) async fn resolve_start(
        &self,
        conn: &mut Conn,
        settings: &SourceSettings,
    ) -> Result<Checkpoint, Error> {
        if self.is_mariadb {
            return mariadb::resolve_start(self, conn, settings).await;
        }
        let (end, gtids) = match settings.start {
            Start::Now | Start::Snapshot => self.now(conn, settings).await?,
            Start::Earliest => {
                let file = files(conn, settings).await?.into_iter().next();
                let (file, _) = file.ok_or(Error::ServerSetting {
                    name: "log_bin",
                    found: "OFF".to_owned(),
                    needed: "ON",
                })?;
                (
                    FilePosition {
                        file: file.into(),
                        offset: 4,
                    },
                    self.gtid_set("gtid_purged")?,
                )
            }
        };
        let position = if self.has_gtids() {
            Position::Gtid(gtids)
        } else {
            Position::File(end.clone())
        };
        Ok(Checkpoint {
            server_uuid: self.uuid().to_owned(),
            position,
            end,
            inside: Default::default(),
        })
    }

    /// The end of the binlog with the GTIDs before it, of one moment.
    pub(super) async fn now(
        &self,
        conn: &mut Conn,
        settings: &SourceSettings,
    ) -> Result<(FilePosition, GtidSet), Error> {
        let statement = if self.numbers() >= Some((8, 2)) {
            "SHOW BINARY LOG STATUS"
        } else {
            "SHOW MASTER STATUS"
        };
        let what = "read the end of the binlog";
        let row: Option<Row> = conn
            .query_first(statement)
            .await
            .map_err(|error| query_error(settings, what, error))?;
        let mut row = row.ok_or(Error::ServerSetting {
            name: "log_bin",
            found: "OFF".to_owned(),
            needed: "ON",
        })?;
        let malformed = || Error::Query {
            what,
            source: "the answer has another form than expected".into(),
        };
        let file: String = row
            .take_opt("File")
            .and_then(Result::ok)
            .ok_or_else(malformed)?;
        let offset: u64 = row
            .take_opt("Position")
            .and_then(Result::ok)
            .ok_or_else(malformed)?;
        let gtids: String = row
            .take_opt("Executed_Gtid_Set")
            .and_then(Result::ok)
            .ok_or_else(malformed)?;
        let gtids = gtids.parse().map_err(|error| Error::Query {
            what,
            source: Box::new(error),
        })?;
        Ok((
            FilePosition {
                file: file.into(),
                offset,
            },
            gtids,
        ))
    }

    /// Whether everything after `progress` can still be had from this server, and nothing before
    /// it would come again under another name.
    pub(super) async fn check_history(
        &self,
        conn: &mut Conn,
        settings: &SourceSettings,
        progress: &Progress,
    ) -> Result<(), Error> {
        if self.is_mariadb {
            let ours = mariadb::position(&progress.position)?;
            return mariadb::check_history(conn, settings, self, progress, ours).await;
        }
        match &progress.position {
            Position::Gtid(set) => {
                if !self.has_gtids() {
                    let found = self.get("gtid_mode").to_owned();
                    return Err(Error::GtidModeChanged { found });
                }
                lineage::check_gtids(conn, settings, self, progress, set).await
            }
            Position::MariaDb(_) => Err(Error::OtherKind {
                expected: "MariaDB",
                found: "MySQL",
            }),
            Position::File(position) => {
                if self.uuid() != progress.server_uuid {
                    return Err(Error::OtherServer {
                        expected: progress.server_uuid.clone(),
                        found: self.uuid().to_owned(),
                    });
                }
                let files = files(conn, settings).await?;
                match files.iter().find(|(file, _)| **file == *position.file) {
                    Some((_, bytes)) if *bytes < position.offset => Err(Error::FileShort {
                        position: position.clone(),
                        bytes: *bytes,
                    }),
                    Some(_) => {
                        lineage::check_file(conn, settings, position).await?;
                        lineage::check_replica_logs(conn, settings, self).await
                    }
                    None => Err(Error::FileGone {
                        file: position.file.to_string(),
                    }),
                }
            }
        }
    }
}

/// The server's binlog files with their sizes, oldest first.
pub(super) async fn files(
    conn: &mut Conn,
    settings: &SourceSettings,
) -> Result<Vec<(String, u64)>, Error> {
    let rows: Vec<Row> = conn
        .query("SHOW BINARY LOGS")
        .await
        .map_err(|error| query_error(settings, "list the binlog files", error))?;
    Ok(rows
        .into_iter()
        .filter_map(|mut row| {
            let file = row.take_opt(0).and_then(Result::ok)?;
            Some((file, row.take_opt(1).and_then(Result::ok)?))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(version: &str) -> Server {
        Server::new(version.to_owned(), HashMap::new())
    }

    #[test]
    fn mysql_from_8_0_and_mariadb_from_10_5_on_are_accepted_and_everything_else_refused() {
        for version in [
            "8.0.11",
            "8.4.3-log",
            "9.7.4-2",
            "10.0.0",
            "10.5.0-MariaDB",
            "10.11.18-MariaDB-0+deb12u1-log",
            "11.4.2-MariaDB-ubu2404",
        ] {
            assert!(server(version).check_version().is_ok(), "{version}");
        }
        for version in ["5.7.44-log", "10.4.34-MariaDB-log", "5.5.68-MariaDB", ""] {
            assert!(server(version).check_version().is_err(), "{version}");
        }
    }

    #[test]
    fn mariadb_is_known_by_its_comment_too_and_named_by_its_server_id() {
        let variables = [("version_comment", "MariaDB Server"), ("server_id", "7")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let server = Server::new("10.11.18-log".to_owned(), variables.into());
        assert!(server.is_mariadb);
        assert_eq!(server.uuid(), "mariadb:7");
    }

    #[test]
    fn how_long_binlogs_are_kept_is_known_in_seconds_or_in_days() {
        let kept = |variables: &[(&str, &str)]| {
            let variables = variables.iter();
            let variables =
                variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            Server::new("10.5.29-MariaDB".to_owned(), variables.collect()).retention_seconds()
        };
        assert_eq!(kept(&[("expire_logs_days", "7")]), Some(604_800));
        assert_eq!(kept(&[("expire_logs_days", "0")]), None);
        let both = ("expire_logs_days", "1.500000");
        assert_eq!(
            kept(&[both, ("binlog_expire_logs_seconds", "129600")]),
            Some(129_600)
        );
        let never = ("binlog_expire_logs_auto_purge", "OFF");
        assert_eq!(
            kept(&[never, ("binlog_expire_logs_seconds", "129600")]),
            None
        );
        assert_eq!(kept(&[]), None);
    }
}
