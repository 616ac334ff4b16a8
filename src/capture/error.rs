//! What can go wrong between MySQL and us: one variant per operation that failed, its page, its
//! remedy, and whether trying again can help.
//!
//! Texts never hold row values, statements or secrets. Reactions are judged here once, in
//! [`Error::is_permanent`]; the supervisor only obeys.

use crate::core::position::FilePosition;
use crate::core::schema::TableName;

/// The cause, boxed so that the driver's own types stay inside this module.
pub type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot resolve the host name {host:?}")]
    ResolveHost { host: String, source: Source },
    #[error("cannot connect to {place}")]
    Connect { place: String, source: Source },
    #[error("no answer from {place} within {waited_ms} ms")]
    ConnectTimeout { place: String, waited_ms: u64 },
    #[error("mysql refused the login of user {user:?}")]
    AccessDenied { user: String, source: Source },
    #[error("cannot encrypt the connection to {place}")]
    Tls { place: String, source: Source },
    #[error("the server's certificate is refused: {fault}")]
    Certificate {
        /// The name that was asked for.
        host: String,
        fault: CertificateFault,
    },
    #[error("the login of user {user:?} goes by {plugin}, which is not supported")]
    AuthPlugin { user: String, plugin: String },
    #[error("user {user:?} lacks a privilege needed to {what}")]
    Privilege {
        user: String,
        what: &'static str,
        grants: String,
        source: Option<Source>,
    },
    #[error("cannot {what}")]
    Query { what: &'static str, source: Source },
    #[error("server version {version} is not supported yet")]
    ServerVersion { version: String },
    #[error("server setting {name} is {found:?}, needed is {needed:?}")]
    ServerSetting {
        name: &'static str,
        found: String,
        needed: &'static str,
    },
    #[error("table {table} does not exist or is not visible to user {user:?}")]
    TableMissing {
        table: TableName,
        user: String,
        suggestion: Option<String>,
    },
    #[error("table {table} has no column {column:?}{}", at(.position))]
    ColumnMissing {
        table: TableName,
        column: String,
        suggestion: Option<String>,
        position: Option<FilePosition>,
    },
    #[error("column {column:?} of {table} has the type {kind}, which is not supported")]
    ColumnType {
        table: TableName,
        column: String,
        kind: String,
    },
    #[error("column {column:?} of {table} has the charset {charset}, which is not supported")]
    Charset {
        table: TableName,
        column: String,
        charset: String,
    },

    #[error("the server purged transactions that were not read yet")]
    HistoryLost { missing: String },
    #[error("the server lacks {} that were read already", transactions_text(*.transactions))]
    GtidsAhead { transactions: u64, ahead: String },
    #[error("the server gives out numbers again of {} that were read already", transactions_text(*.transactions))]
    NumbersReused { transactions: u64, ahead: String },
    #[error(
        "the server lacks {} that were read already, and no replication brings them",
        transactions_text(*.transactions)
    )]
    ReplicaCutOff { transactions: u64, ahead: String },
    #[error("the server is a replica and does not log what it replicates")]
    ReplicaUnlogged,
    #[error("the file position belongs to server {expected}, this is server {found}")]
    OtherServer { expected: String, found: String },
    #[error("binlog file {file} is no longer on the server")]
    FileGone { file: String },
    #[error("the checkpoint does not go with the server's gtid_mode: {found}")]
    GtidModeChanged { found: String },
    #[error("another replica with server id {server_id} took over the stream")]
    ServerIdTaken { server_id: u32, source: Source },
    #[error("the server refused to stream its binlog")]
    DumpRefused { source: Source },
    #[error("the position {position} lies behind the end of the file ({bytes} bytes)")]
    FileShort { position: FilePosition, bytes: u64 },
    #[error("no transaction ends at {position}: it is another file of that name")]
    FileReplaced { position: FilePosition },

    #[error("the server closed the stream")]
    Disconnected,
    #[error("nothing heard from the server for {waited_ms} ms, heartbeats included")]
    Silent { waited_ms: u64 },
    #[error("the stream broke")]
    StreamBroken { source: Source },
    #[error("the server's binlog grew, but no event has come for {waited_ms} ms")]
    Stalled { waited_ms: u64 },
    #[error("reading the stream panicked ({times} times at this position)")]
    Panicked { message: String, times: u32 },

    #[error("checksum of event type {event} at {position} is wrong")]
    Checksum { event: u8, position: FilePosition },
    #[error("event type {event} at {position} is not known and not marked ignorable")]
    UnknownEvent { event: u8, position: FilePosition },
    #[error("the server logged an incident at {position}: events are missing from its binlog")]
    Incident { position: FilePosition },
    #[error("partial json updates of {table} at {position} cannot be read")]
    PartialUpdate {
        table: TableName,
        position: FilePosition,
    },
    #[error("a change of {table} at {position} was logged as a statement, without its rows")]
    StatementLogged {
        table: String,
        position: FilePosition,
    },
    #[error(
        "undecided xa transactions hold more than {bytes} bytes; the last was of {table} at {position}"
    )]
    XaTooLarge {
        table: TableName,
        position: FilePosition,
        bytes: u32,
    },
    #[error(
        "{count} xa transactions are prepared: their rows lie before the place to begin at, and would \
         be missed"
    )]
    XaPrepared { count: usize },
    #[error("user {user:?} may not see whether xa transactions are prepared")]
    XaUnseen { user: String },
    #[error("the compressed transaction at {position} cannot be unpacked: {reason}")]
    Payload {
        position: FilePosition,
        reason: String,
    },
    #[error("an event of the compressed transaction at {position} is larger than {bytes} bytes")]
    PayloadSize { position: FilePosition, bytes: u64 },
    #[error("event type {event} at {position} cannot be decoded: {reason}")]
    Event {
        event: u8,
        position: FilePosition,
        reason: String,
    },
    #[error("column {column:?} of {table} at {position} cannot be decoded: {reason}")]
    Value {
        table: TableName,
        column: String,
        position: FilePosition,
        reason: String,
    },
    #[error("table map of {table} at {position} has no column names")]
    NamesMissing {
        table: TableName,
        position: FilePosition,
    },
    #[error(
        "rows of {table} at {position} have no column names, and the table was altered just before {altered}: what it looked like is not known"
    )]
    NamesAltered {
        table: TableName,
        position: FilePosition,
        altered: FilePosition,
    },
    #[error(
        "rows of {table} at {position} have no column names, and are not of the table as it is: {reason}"
    )]
    NamesUnlike {
        table: TableName,
        position: FilePosition,
        reason: String,
    },
    #[error(
        "binlog_row_metadata is {found:?}: rows say neither the names of their columns nor all of their types"
    )]
    MetadataNotFull { found: String },
    #[error(
        "a row of {table} at {position} leaves out column {column:?}, and what it took instead is not known"
    )]
    ImageIncomplete {
        table: TableName,
        column: String,
        position: FilePosition,
    },
    #[error("the transaction before {position} was rolled back or has no end")]
    TransactionBroken { position: FilePosition },

    #[error("rows of {table} at {position} were written without any column: nobody can count them")]
    RowsUncounted {
        table: TableName,
        position: FilePosition,
    },
    #[error("binlog_row_image is {found:?}: rows leave out what took its default")]
    RowImage { found: String },
    #[error(
        "binlog_row_image is {found:?}, and the key of route {route}, column {column:?} of {table}, is not in its primary key: updates leave it out"
    )]
    UpdateKey {
        table: TableName,
        route: String,
        column: String,
        found: String,
    },
    #[error("table {table} has no primary key and no unique key without NULLs to read it by")]
    SnapshotKey { table: TableName },
    #[error("the snapshot's condition cannot be used on {table}: {reason}")]
    SnapshotCondition { table: TableName, reason: String },
    #[error("no route that the snapshot of {table} was started for is in the configuration")]
    SnapshotRoute { table: TableName },
    #[error("column {column:?} of a row of {table} cannot be read: {reason}")]
    SnapshotValue {
        table: TableName,
        column: String,
        reason: String,
    },
    #[error("the key of {table} is another one than when its last rows were read")]
    SnapshotPlace { table: TableName },
    #[error("{table} cannot be read from that key on")]
    ScanKey { table: TableName },
    #[error("{table} has no column that the server stamps by itself")]
    ScanStamp { table: TableName },

    #[error("transaction {found} at {position} follows {last}: its sequence number does not rise")]
    SequenceFell {
        found: String,
        last: String,
        position: FilePosition,
    },
    #[error("the checkpoint was taken on {expected}, this server is {found}")]
    OtherKind {
        expected: &'static str,
        found: &'static str,
    },
    #[error("server setting {name} is {found:?}, needed is {needed:?}")]
    MariaDbSetting {
        name: &'static str,
        found: String,
        needed: &'static str,
    },
    #[error("gtid_strict_mode is {found:?}: a sequence number that does not rise ends the stream")]
    GtidStrictOff { found: String },
    #[error("binlogs are kept for {seconds} s only")]
    RetentionShort { seconds: u64 },
    #[error("gtid_mode is {found:?}: a failover to another server cannot be followed")]
    GtidModeOff { found: String },
    #[error("binlog_checksum is {found:?}: damage on the way goes unnoticed")]
    ChecksumOff { found: String },
    #[error("the connection is encrypted, but the server's certificate is not verified")]
    TlsUnverified,
    #[error("the connection to {place} is not encrypted")]
    ClearText { place: String },
}

/// Why a server's certificate was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    #[error("it is not of an authority that is trusted")]
    UnknownAuthority,
    #[error("it does not name this host")]
    OtherName,
    #[error("it has expired")]
    Expired,
    #[error("it is not valid yet")]
    NotYetValid,
    #[error("{0}")]
    Other(String),
}

fn transactions_text(count: u64) -> String {
    match count {
        0 => "transactions".to_owned(),
        1 => "1 transaction".to_owned(),
        count => format!("{count} transactions"),
    }
}

fn at(position: &Option<FilePosition>) -> String {
    position
        .as_ref()
        .map(|position| format!(" at {position}"))
        .unwrap_or_default()
}

impl Error {
    /// The page in `docs/errors` that explains this failure.
    #[must_use]
    pub fn page(&self) -> &'static str {
        match self {
            Error::ResolveHost { .. } => "LS1001",
            Error::Connect { .. } => "LS1002",
            Error::ConnectTimeout { .. } => "LS1003",
            Error::AccessDenied { .. } => "LS1004",
            Error::Tls { .. } => "LS1005",
            Error::AuthPlugin { .. } => "LS1006",
            Error::Privilege { .. } => "LS1007",
            Error::Query { .. } => "LS1008",
            Error::ServerVersion { .. } => "LS1009",
            Error::ServerSetting { .. } => "LS1010",
            Error::TableMissing { .. } => "LS1011",
            Error::ColumnMissing { .. } => "LS1012",
            Error::ColumnType { .. } => "LS1013",
            Error::Charset { .. } => "LS1014",
            Error::NamesUnlike { .. } => "LS1016",
            Error::NamesAltered { .. } => "LS1017",
            Error::MetadataNotFull { .. } => "LS1018",
            Error::HistoryLost { .. } => "LS1020",
            Error::GtidsAhead { .. } => "LS1021",
            Error::OtherServer { .. } => "LS1022",
            Error::FileGone { .. } => "LS1023",
            Error::GtidModeChanged { .. } => "LS1024",
            Error::ServerIdTaken { .. } => "LS1025",
            Error::DumpRefused { .. } => "LS1026",
            Error::NumbersReused { .. } => "LS1027",
            Error::FileShort { .. } => "LS1028",
            Error::ReplicaCutOff { .. } => "LS1029",
            Error::Disconnected => "LS1030",
            Error::Silent { .. } => "LS1031",
            Error::StreamBroken { .. } => "LS1032",
            Error::Panicked { .. } => "LS1033",
            Error::Stalled { .. } => "LS1034",
            Error::Certificate { .. } => "LS1035",
            Error::Checksum { .. } => "LS1040",
            Error::UnknownEvent { .. } => "LS1041",
            Error::Incident { .. } => "LS1042",
            Error::PartialUpdate { .. } => "LS1043",
            Error::StatementLogged { .. } => "LS1044",
            Error::Payload { .. } => "LS1046",
            Error::PayloadSize { .. } => "LS1047",
            Error::Event { .. } => "LS1048",
            Error::Value { .. } => "LS1049",
            Error::NamesMissing { .. } => "LS1050",
            Error::TransactionBroken { .. } => "LS1051",
            Error::ImageIncomplete { .. } => "LS1052",
            Error::RowImage { .. } => "LS1053",
            Error::UpdateKey { .. } => "LS1066",
            Error::RowsUncounted { .. } => "LS1054",
            Error::XaTooLarge { .. } => "LS1056",
            Error::XaPrepared { .. } => "LS1057",
            Error::XaUnseen { .. } => "LS1058",
            Error::SequenceFell { .. } => "LS1070",
            Error::OtherKind { .. } => "LS1071",
            Error::MariaDbSetting { .. } => "LS1072",
            Error::GtidStrictOff { .. } => "LS1073",
            Error::SnapshotKey { .. } => "LS1085",
            Error::SnapshotCondition { .. } => "LS1086",
            Error::SnapshotRoute { .. } => "LS1087",
            Error::SnapshotValue { .. } => "LS1088",
            Error::SnapshotPlace { .. } => "LS1089",
            Error::ScanKey { .. } => "LS6033",
            Error::ScanStamp { .. } => "LS6032",
            Error::RetentionShort { .. } => "LS1060",
            Error::GtidModeOff { .. } => "LS1061",
            Error::ChecksumOff { .. } => "LS1062",
            Error::TlsUnverified => "LS1063",
            Error::ClearText { .. } => "LS1067",
            Error::ReplicaUnlogged => "LS1064",
            Error::FileReplaced { .. } => "LS1065",
        }
    }

    /// Whether only a person can mend it; everything else is tried again with backoff.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Error::ResolveHost { .. }
            | Error::Connect { .. }
            | Error::ConnectTimeout { .. }
            // A rotated password reaches the server and us at different moments.
            | Error::AccessDenied { .. }
            | Error::Tls { .. }
            // A renewed certificate, and an account that is mended, are seen at the next try.
            | Error::Certificate { .. }
            | Error::AuthPlugin { .. }
            | Error::Stalled { .. }
            | Error::ClearText { .. }
            | Error::Privilege { .. }
            | Error::Query { .. }
            // These are waited for, visibly: `history` says for whom.
            | Error::HistoryLost { .. }
            | Error::GtidsAhead { .. }
            | Error::NumbersReused { .. }
            | Error::ReplicaCutOff { .. }
            | Error::ReplicaUnlogged
            | Error::FileGone { .. }
            | Error::GtidModeChanged { .. }
            | Error::ServerIdTaken { .. }
            | Error::DumpRefused { .. }
            | Error::Disconnected
            | Error::Silent { .. }
            | Error::StreamBroken { .. }
            | Error::RetentionShort { .. }
            | Error::GtidModeOff { .. }
            | Error::ChecksumOff { .. }
            | Error::RowImage { .. }
            | Error::MetadataNotFull { .. }
            | Error::GtidStrictOff { .. }
            | Error::XaPrepared { .. }
            | Error::XaUnseen { .. }
            | Error::TlsUnverified => false,
            Error::Panicked { times, .. } => *times >= 3,
            Error::ServerVersion { .. }
            | Error::ServerSetting { .. }
            | Error::MariaDbSetting { .. }
            | Error::SequenceFell { .. }
            | Error::OtherKind { .. }
            | Error::TableMissing { .. }
            | Error::ColumnMissing { .. }
            | Error::ColumnType { .. }
            | Error::Charset { .. }
            | Error::OtherServer { .. }
            | Error::FileShort { .. }
            | Error::FileReplaced { .. }
            | Error::Checksum { .. }
            | Error::UnknownEvent { .. }
            | Error::Incident { .. }
            | Error::PartialUpdate { .. }
            | Error::StatementLogged { .. }
            | Error::XaTooLarge { .. }
            | Error::Payload { .. }
            | Error::PayloadSize { .. }
            | Error::Event { .. }
            | Error::Value { .. }
            | Error::NamesMissing { .. }
            | Error::NamesAltered { .. }
            | Error::NamesUnlike { .. }
            | Error::ImageIncomplete { .. }
            | Error::UpdateKey { .. }
            | Error::RowsUncounted { .. }
            | Error::TransactionBroken { .. }
            | Error::SnapshotKey { .. }
            | Error::SnapshotCondition { .. }
            | Error::SnapshotRoute { .. }
            | Error::SnapshotValue { .. }
            | Error::SnapshotPlace { .. }
            | Error::ScanKey { .. }
            | Error::ScanStamp { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn every_code_has_its_page_and_every_page_its_code() {
        // A route that waits for its columns, and a snapshot that cannot be planned, are no failures
        // of the stream: the core says so; one that will not come the runtime.
        let sources = [
            include_str!("error.rs"),
            include_str!("../core/pipeline/pause.rs"),
            include_str!("../core/snapshot/request.rs"),
            include_str!("../runtime/first_start.rs"),
        ];
        let codes: BTreeSet<String> = sources
            .into_iter()
            .flat_map(|text| text.split('"'))
            .filter(|text| text.len() == 6 && text.starts_with("LS10"))
            .map(str::to_owned)
            .collect();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors");
        let pages: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("LS10"))
            .map(|name| name.trim_end_matches(".md").to_owned())
            .collect();
        assert_eq!(codes, pages);
    }
}
