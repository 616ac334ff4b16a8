//! What to do about each [`Error`], with the SQL to run where there is some.

use super::error::Error;

/// Past what cannot be read there is no command yet; a fresh start is safe, because records that are
/// sent again update the same leads.
const SKIP: &str = "once it is clear what the transaction changed, FLUSH BINARY LOGS, move the state \
                    folder away (keep it: it is the audit trail), start with source.start = \"now\" \
                    and insert again what was left out";

const START_OVER: &str = "move the state folder away (keep it: it is the audit trail) and start with \
                          source.start = \"earliest\": records that are sent again update the same leads";

impl Error {
    /// What a person should do, in one or two sentences.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Error::ResolveHost { host, .. } => {
                format!("check the host in source.url and the name service: {host:?} is not known")
            }
            Error::Connect { host, port, .. } => format!(
                "check that MySQL listens on {host}:{port} (bind_address) and that no firewall is in between"
            ),
            Error::ConnectTimeout { host, port, .. } => {
                format!("check that packets to {host}:{port} are not dropped by a firewall")
            }
            Error::AccessDenied { user, .. } => format!(
                "check the password (source.password_file or LEADSTREAM_SOURCE__PASSWORD) and that \
                 the account may log in from this host: \
                 SELECT user, host, plugin FROM mysql.user WHERE user = '{user}'"
            ),
            Error::Tls { .. } => "check tls.mode and tls.ca_file against the server's certificate; \
                 `SHOW VARIABLES LIKE 'ssl_%'` shows what the server uses"
                .to_owned(),
            Error::Privilege { grants, .. } => format!("run as an administrator: {grants}"),
            Error::Query { .. } => "look at the cause; it is tried again until it works".to_owned(),
            Error::ServerVersion { .. } => {
                "use MySQL 8.0 or later; MariaDB is not supported yet".to_owned()
            }
            Error::ServerSetting { name, needed, .. } => match *name {
                "log_bin" => "start the server with --log-bin (it is on by default since 8.0)".to_owned(),
                _ => format!("SET PERSIST {name} = {needed}; sessions that are open keep the old value"),
            },
            Error::TableMissing { table, suggestion: Some(suggestion), .. } => {
                format!("did you mean \"{}.{suggestion}\"?", table.schema)
            }
            Error::TableMissing { table, user, suggestion: None } => format!(
                "check the route's table name, or GRANT SELECT ON `{}`.`{}` TO '{user}'@'%'",
                table.schema, table.table
            ),
            Error::ColumnMissing { column, suggestion, .. } => match suggestion {
                Some(suggestion) => format!("did you mean {suggestion:?} instead of {column:?}?"),
                None => format!("add the column {column:?} or take it out of the route"),
            },
            Error::ColumnType { table, column, .. } => format!(
                "take column {column:?} out of {table}, or route another table; every column of a \
                 routed table must be readable, used or not"
            ),
            Error::Charset { table, column, .. } => format!(
                "ALTER TABLE `{}`.`{}` so that {column:?} uses utf8mb4, or take it out of the route",
                table.schema, table.table
            ),
            Error::HistoryLost { missing } => format!(
                "keep binlogs longer (binlog_expire_logs_seconds), {START_OVER}; missing: {missing}"
            ),
            Error::GtidsAhead { ahead } => format!(
                "the server went back in time (restored, or a replica that lost transactions was \
                 promoted); compare both, then {START_OVER}; ahead: {ahead}"
            ),
            Error::OtherServer { .. } => format!(
                "connect to the server that the checkpoint was taken on, or {START_OVER}"
            ),
            Error::FileGone { .. } => {
                format!("keep binlogs longer (binlog_expire_logs_seconds), {START_OVER}")
            }
            Error::FileShort { .. } => format!(
                "the server lost the end of its binlog in a crash (sync_binlog is not 1?); compare \
                 what it lost, then {START_OVER}"
            ),
            Error::GtidModeChanged { .. } => {
                format!("SET PERSIST gtid_mode = ON (by way of ON_PERMISSIVE), or {START_OVER}")
            }
            Error::ServerIdTaken { server_id, .. } => format!(
                "give every replica its own id: change source.server_id ({server_id} is used twice), \
                 or stop the second leadstream; `SHOW REPLICAS` lists them"
            ),
            Error::DumpRefused { .. } => {
                "look at the cause and at the server's error log; it is tried again until it works"
                    .to_owned()
            }
            Error::Disconnected | Error::Silent { .. } | Error::StreamBroken { .. } => {
                "nothing, if it passes: the stream is taken up again where it stopped; else look at \
                 the server and the network"
                    .to_owned()
            }
            Error::Panicked { .. } => {
                "keep the server's binlog file and report it: an event has a form that is not known"
                    .to_owned()
            }
            Error::Checksum { position, .. } => format!(
                "check the file on the server: mysqlbinlog --verify-binlog-checksum {}; read from \
                 another replica if it is damaged",
                position.file
            ),
            Error::UnknownEvent { .. } => {
                format!("update leadstream; if that does not help, {SKIP}")
            }
            Error::Incident { .. } => format!("the server lost events; {SKIP}"),
            Error::PartialUpdate { .. } => {
                format!("SET PERSIST binlog_row_value_options = ''; then {SKIP}")
            }
            Error::StatementLogged { .. } => format!(
                "SET PERSIST binlog_format = ROW, and find the session that changed it; then {SKIP}"
            ),
            Error::XaRows { .. } => {
                format!("XA transactions on routed tables are not supported yet; {SKIP}")
            }
            Error::Payload { .. } => {
                format!("read from another replica if this one's file is damaged; else {SKIP}")
            }
            Error::PayloadSize { .. } => {
                format!("write smaller transactions or SET PERSIST binlog_transaction_compression = OFF; {SKIP}")
            }
            Error::Event { .. } => format!("update leadstream; if that does not help, {SKIP}"),
            Error::Value { table, column, .. } => format!(
                "look at what {column:?} of {table} held there (mysqlbinlog -v shows it); {SKIP}"
            ),
            Error::NamesMissing { .. } => {
                format!("SET PERSIST binlog_row_metadata = FULL; what was written before has no names: {SKIP}")
            }
            Error::ImageIncomplete { .. } => {
                format!("SET PERSIST binlog_row_image = FULL, and find the session that changed it; then {SKIP}")
            }
            Error::TransactionBroken { .. } => {
                format!("look at the server's error log: its binlog has half a transaction; {SKIP}")
            }
            Error::SnapshotKey { table } => format!(
                "add a key: ALTER TABLE `{}`.`{}` ADD COLUMN id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT \
                 PRIMARY KEY (INVISIBLE hides it from SELECT *); or leave the table's routes out: \
                 leadstream snapshot start --route NAME; the stream itself needs no key",
                table.schema, table.table
            ),
            Error::SnapshotCondition { table, .. } => format!(
                "try it first: SELECT COUNT(*) FROM `{}`.`{}` WHERE <the condition>; then start the \
                 snapshot again",
                table.schema, table.table
            ),
            Error::SnapshotRoute { .. } => {
                "put the route back into the configuration and start again with leadstream snapshot \
                 start, or let it be"
                    .to_owned()
            }
            Error::SnapshotValue { table, column, .. } => format!(
                "look at what {column:?} of {table} holds; take the column out of the route, or leave \
                 such rows out with leadstream snapshot start --where"
            ),
            Error::SnapshotPlace { .. } => {
                "start again with leadstream snapshot start: rows that were sent already update the \
                 same leads"
                    .to_owned()
            }
            Error::RetentionShort { .. } => {
                "SET PERSIST binlog_expire_logs_seconds = 604800".to_owned()
            }
            Error::GtidModeOff { .. } => {
                "SET PERSIST gtid_mode = ON (by way of OFF_PERMISSIVE and ON_PERMISSIVE)".to_owned()
            }
            Error::ChecksumOff { .. } => "SET PERSIST binlog_checksum = CRC32".to_owned(),
            Error::TlsUnverified => {
                "use tls.mode = \"verify_identity\" with tls.ca_file".to_owned()
            }
        }
    }
}
