//! What to do about each [`Error`], with the SQL to run where there is some.

use super::error::{CertificateFault, Error};

/// Past what cannot be read there is no command yet; a fresh start is safe, because records that are
/// sent again update the same leads.
const SKIP: &str = "once it is clear what the transaction changed, FLUSH BINARY LOGS, move the state \
                    folder away (keep it: it is the audit trail), start with source.start = \"now\" \
                    and bring what was left out with leadstream snapshot start";

const START_OVER: &str = "move the state folder away (keep it: it is the audit trail) and start with \
                          source.start = \"earliest\": records that are sent again update the same leads";

/// Goes on without what is lost; needs no command.
const SNAPSHOT: &str = "set source.on_history_lost = \"snapshot\" and restart leadstream: it goes on \
                        at the server's present end and reads the routed tables anew";

impl Error {
    /// What a person should do, in one or two sentences.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Error::ResolveHost { host, .. } => {
                format!("check the host in source.url and the name service: {host:?} is not known")
            }
            Error::Connect { place, .. } if place.starts_with('/') => format!(
                "check that MySQL runs, that its socket is {place} (SELECT @@socket), and that this \
                 user may open it"
            ),
            Error::Connect { place, .. } => format!(
                "check that MySQL listens on {place} (bind_address) and that no firewall is in between"
            ),
            Error::ConnectTimeout { place, .. } => {
                format!("check that packets to {place} are not dropped by a firewall")
            }
            Error::AccessDenied { user, .. } => format!(
                "check the password (source.password_file or LEADSTREAM_SOURCE__PASSWORD), that \
                 the account may log in from this host, and whether it demands encryption \
                 (source.tls.mode) or a client certificate (source.tls.cert_file): \
                 SELECT user, host, plugin, ssl_type FROM mysql.user WHERE user = '{user}'"
            ),
            Error::Tls { .. } => "check tls.mode and tls.ca_file against the server's certificate; \
                 `SHOW VARIABLES LIKE 'ssl_%'` shows what the server uses"
                .to_owned(),
            Error::Certificate { host, fault } => certificate_remedy(host, fault),
            Error::AuthPlugin { user, .. } => format!(
                "ALTER USER '{user}'@'%' IDENTIFIED WITH caching_sha2_password BY '…' (MariaDB: \
                 IDENTIFIED VIA mysql_native_password USING PASSWORD('…'))"
            ),
            Error::Privilege { grants, .. } => format!("run as an administrator: {grants}"),
            Error::Query { .. } => "look at the cause; it is tried again until it works".to_owned(),
            Error::ServerVersion { .. } => {
                "use MySQL 8.0 or later, or MariaDB 10.5 or later".to_owned()
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
                "let source.url lead to a server that still has them (it goes on by itself), or \
                 {SNAPSHOT}; and keep binlogs longer (binlog_expire_logs_seconds); missing: {missing}"
            ),
            Error::GtidsAhead { ahead, .. } => format!(
                "nothing, if the replica catches up: it is waited for; SHOW REPLICA STATUS on it says \
                 how far it is; missing there: {ahead}"
            ),
            Error::NumbersReused { ahead, .. } => format!(
                "the server was reset or restored, or lost transactions in a crash; let source.url \
                 lead to a server that has them and restart leadstream, or compare what was lost, \
                 then {START_OVER}; missing: {ahead}"
            ),
            Error::ReplicaCutOff { ahead, .. } => format!(
                "start the server's replication, or let source.url lead to a server that has them; if \
                 no server has them any more, compare what was lost, then {START_OVER}; missing: \
                 {ahead}"
            ),
            Error::ReplicaUnlogged => {
                "read from its source, or start the replica with log_replica_updates = ON (the default \
                 since 8.0)"
                    .to_owned()
            }
            Error::OtherServer { .. } => format!(
                "connect to the server that the checkpoint was taken on, or {START_OVER}"
            ),
            Error::FileGone { .. } => {
                format!("{SNAPSHOT}; and keep binlogs longer (binlog_expire_logs_seconds)")
            }
            Error::FileShort { .. } => format!(
                "the server lost the end of its binlog in a crash (sync_binlog is not 1?); compare \
                 what it lost, then {START_OVER}"
            ),
            Error::FileReplaced { .. } => format!(
                "the server's binlog was reset (RESET BINARY LOGS AND GTIDS); {START_OVER}"
            ),
            Error::GtidModeChanged { .. } => format!(
                "if nothing was written since, SET PERSIST gtid_mode back step by step and it goes on \
                 by itself; else {SNAPSHOT}"
            ),
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
            Error::Stalled { .. } => {
                "nothing, if it passes: the stream is opened anew until events come; else look for \
                 what lies between (a proxy, a firewall) and for the dump thread in SHOW PROCESSLIST"
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
            Error::XaTooLarge { bytes, .. } => format!(
                "raise source.prepared_bytes (to {} or more) and start again; XA COMMIT or XA ROLLBACK \
                 what XA RECOVER lists as prepared and was forgotten",
                u64::from(*bytes) * 2
            ),
            Error::XaPrepared { .. } => {
                "XA COMMIT or XA ROLLBACK what XA RECOVER lists; it goes on by itself".to_owned()
            }
            Error::XaUnseen { user } => format!(
                "GRANT XA_RECOVER_ADMIN ON *.* TO '{user}'@'%', or see to it that XA RECOVER lists \
                 nothing when leadstream starts for the first time"
            ),
            Error::Payload { .. } => {
                format!("read from another replica if this one's file is damaged; else {SKIP}")
            }
            Error::PayloadSize { .. } => {
                format!("read from another replica if this one's file is damaged; else write the row in smaller parts; {SKIP}")
            }
            Error::Event { .. } => format!("update leadstream; if that does not help, {SKIP}"),
            Error::Value { table, column, .. } => format!(
                "look at what {column:?} of {table} held there (mysqlbinlog -v shows it); {SKIP}"
            ),
            Error::NamesMissing { .. } => {
                format!("SET PERSIST binlog_row_metadata = FULL; what was written before has no names: {SKIP}")
            }
            Error::NamesAltered { table, altered, .. } => format!(
                "SET PERSIST binlog_row_metadata = FULL (MariaDB: SET GLOBAL, and in the configuration \
                 file) and FLUSH BINARY LOGS; then move the state folder away (keep it: it is the audit \
                 trail) and start with source.start = \"snapshot\", which reads {table} as it is: \
                 records that are sent again update the same leads; rows that were deleted before \
                 {altered} are only in the binlog"
            ),
            Error::NamesUnlike { table, .. } => format!(
                "GRANT SELECT ON `{}`.`{}`, all columns of it, and look for an ALTER TABLE that was not \
                 logged (sql_log_bin = 0) or a server whose schema differs; then SET PERSIST \
                 binlog_row_metadata = FULL, and {START_OVER}",
                table.schema, table.table
            ),
            Error::MetadataNotFull { .. } => {
                "SET PERSIST binlog_row_metadata = FULL (MariaDB: SET GLOBAL, and in the configuration \
                 file); sessions that are open keep the old value"
                    .to_owned()
            }
            Error::RowImage { .. } => {
                "SET PERSIST binlog_row_image = FULL; sessions that are open keep the old value"
                    .to_owned()
            }
            Error::UpdateKey { route, .. } => format!(
                "SET PERSIST binlog_row_image = FULL (sessions that are open keep the old value), or use \
                 the table's primary key as external id of route {route}"
            ),
            Error::RowsUncounted { .. } | Error::ImageIncomplete { .. } => {
                format!("SET PERSIST binlog_row_image = FULL, and find the session that changed it; then {SKIP}")
            }
            Error::TransactionBroken { .. } => {
                format!("look at the server's error log: its binlog has half a transaction; {SKIP}")
            }
            Error::SequenceFell { .. } => format!(
                "a session set gtid_seq_no, or two servers wrote one domain: SET GLOBAL gtid_strict_mode \
                 = ON, a domain of its own for each server that is written to (gtid_domain_id), and \
                 compare what both hold; then {START_OVER}"
            ),
            Error::OtherKind { .. } => format!(
                "connect to the server that the checkpoint was taken on, or {START_OVER}"
            ),
            Error::MariaDbSetting { name, needed, .. } => match *name {
                "log_bin" => "start the server with --log-bin (MariaDB has it off by default)".to_owned(),
                _ => format!(
                    "SET GLOBAL {name} = {needed}, and the same in the server's configuration file; \
                     sessions that are open keep the old value"
                ),
            },
            Error::GtidStrictOff { .. } => {
                "SET GLOBAL gtid_strict_mode = ON, and the same in the server's configuration file".to_owned()
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
            Error::ScanKey { .. } => {
                "give a value of the table's key; of a key of several columns, or of another kind \
                 than integers, texts, dates and UUIDs, use --where instead"
                    .to_owned()
            }
            Error::ScanStamp { .. } => {
                "use --where with a column of yours, or --from-key; a TIMESTAMP column with \
                 DEFAULT CURRENT_TIMESTAMP would do"
                    .to_owned()
            }
            Error::SnapshotPlace { .. } => {
                "start again with leadstream snapshot start: rows that were sent already update the \
                 same leads"
                    .to_owned()
            }
            Error::RetentionShort { .. } => {
                "SET PERSIST binlog_expire_logs_seconds = 604800 (MariaDB: SET GLOBAL, and in the \
                 configuration file; before 10.6 expire_logs_days = 7)"
                    .to_owned()
            }
            Error::GtidModeOff { .. } => {
                "SET PERSIST gtid_mode = ON (by way of OFF_PERMISSIVE and ON_PERMISSIVE)".to_owned()
            }
            Error::ChecksumOff { .. } => "SET PERSIST binlog_checksum = CRC32".to_owned(),
            Error::TlsUnverified => {
                "use tls.mode = \"verify_identity\" with tls.ca_file (or \"verify_ca\", when the \
                 certificate does not name the host)"
                    .to_owned()
            }
            Error::ClearText { .. } => {
                "use tls.mode = \"verify_identity\": without encryption rows can be read on the way, \
                 and whoever poses as the server is given the password (a full login of \
                 caching_sha2_password takes the server's key on trust)"
                    .to_owned()
            }
        }
    }
}

fn certificate_remedy(host: &str, fault: &CertificateFault) -> String {
    match fault {
        CertificateFault::UnknownAuthority => {
            "name the PEM file of the authority that signed it with source.tls.ca_file (MySQL's own \
             is ca.pem in its data directory); if that is done already, somebody else may be answering"
                .to_owned()
        }
        CertificateFault::OtherName => format!(
            "give the server a certificate whose subject alternative name is {host:?}, or connect by a \
             name that it has, or set source.tls.mode = \"verify_ca\" (MySQL's self-made certificates \
             carry no name)"
        ),
        CertificateFault::Expired => {
            "renew the server's certificate, then ALTER INSTANCE RELOAD TLS; check this machine's clock"
                .to_owned()
        }
        CertificateFault::NotYetValid => {
            "check the clocks of this machine and of the one that made the certificate".to_owned()
        }
        CertificateFault::Other(_) => {
            "give the server a certificate that is good: X.509 version 3, RSA of 2048 bits or more, \
             or elliptic"
                .to_owned()
        }
    }
}
