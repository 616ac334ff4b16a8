//! What capture is told: where the source is, and which tables and columns are wanted.

use std::path::PathBuf;

use crate::core::change::RouteId;
use crate::core::position::Position;
use crate::core::schema::{TableName, TableSchema};
use crate::core::secret::Secret;

#[derive(Clone, Debug)]
pub struct SourceSettings {
    pub host: String,
    pub port: u16,
    /// Instead of host and port; nothing is encrypted then, because nothing leaves the machine.
    pub socket: Option<PathBuf>,
    pub user: String,
    pub password: Secret,
    pub tls: Tls,
    /// What the connection itself compresses, both ways.
    pub compression: Compression,
    /// Must differ from every other replica's; without it one is derived.
    pub server_id: Option<u32>,
    /// How often an idle server says that it is alive; three of them missed end a connection.
    pub heartbeat_ms: u64,
    pub connect_timeout_ms: u64,
    /// How often the server is asked on a connection of its own how far it is.
    pub observe_interval_ms: u64,
    /// So long may the server's binlog grow without that an event arrives.
    pub stall_timeout_ms: u64,
    pub backoff_base_ms: u64,
    pub backoff_cap_ms: u64,
    /// Where to begin without a checkpoint.
    pub start: Start,
    /// What XA transactions that are prepared and undecided may hold together.
    pub prepared_bytes: u32,
    pub on_history_lost: OnHistoryLost,
    pub snapshot: SnapshotSettings,
    /// SQL by table: rows for which it does not hold are of no use to any route, and are not read by
    /// snapshots.
    pub snapshot_filters: Vec<(TableName, String)>,
}

impl SourceSettings {
    /// A server on this machine, unencrypted and without a password, with the patience of a test:
    /// for rehearsals, tests and benches.
    #[must_use]
    pub fn rehearsed(port: u16, user: &str) -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port,
            socket: None,
            user: user.to_owned(),
            password: Secret::new(""),
            tls: Tls {
                mode: TlsMode::Disabled,
                ca_file: None,
                client: None,
            },
            compression: Compression::None,
            server_id: None,
            heartbeat_ms: 1_000,
            connect_timeout_ms: 30_000,
            observe_interval_ms: 1_000,
            stall_timeout_ms: 60_000,
            backoff_base_ms: 20,
            backoff_cap_ms: 200,
            start: Start::Now,
            prepared_bytes: 1 << 20,
            on_history_lost: OnHistoryLost::Pause,
            snapshot: SnapshotSettings {
                chunk_rows: 1_000,
                chunk_bytes: 1 << 20,
                max_rows_per_second: None,
                max_source_threads: 100,
                max_replica_lag_ms: 60_000,
            },
            snapshot_filters: Vec::new(),
        }
    }

    /// Where the server is, for messages.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.socket {
            Some(path) => path.display().to_string(),
            None if self.host.contains(':') => format!("[{}]:{}", self.host, self.port),
            None => format!("{}:{}", self.host, self.port),
        }
    }

    /// Whether the way to the server can be listened to.
    pub(super) fn leaves_the_machine(&self) -> bool {
        let is_loopback = self.host.eq_ignore_ascii_case("localhost")
            || self
                .host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        self.socket.is_none() && !is_loopback
    }
}

/// What happens when the server no longer has what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnHistoryLost {
    /// Wait, visibly, until it has it again or a person has decided.
    Pause,
    /// Go on at the present end, and read the routed tables anew.
    Snapshot,
}

/// How much a snapshot may ask of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotSettings {
    /// Rows of a chunk at most.
    pub chunk_rows: u32,
    /// Bytes of a chunk's values, about: a chunk ends with the row that reaches it.
    pub chunk_bytes: u32,
    pub max_rows_per_second: Option<u32>,
    /// It pauses while more of the server's threads than this are at work.
    pub max_source_threads: u32,
    /// It pauses while the server, itself a replica, is further behind than this.
    pub max_replica_lag_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the next transaction to be committed.
    Now,
    /// With the oldest transaction that the server still has.
    Earliest,
    /// As [`Start::Now`], and with the rows that are there already.
    Snapshot,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    pub mode: TlsMode,
    /// Roots to trust instead of the public ones; PEM or DER.
    pub ca_file: Option<PathBuf>,
    /// What we show of ourselves, for accounts that demand it.
    pub client: Option<ClientCertificate>,
}

/// PEM files: our certificate with its chain, and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Zlib,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Nothing is encrypted.
    Disabled,
    /// Encrypted, but anyone may pose as the server.
    Required,
    /// Encrypted, and the certificate must be of a trusted authority, whatever name it carries.
    VerifyCa,
    /// Encrypted, and the certificate must be trusted and name the host.
    VerifyIdentity,
}

/// A table that at least one route reads.
#[derive(Clone, Debug)]
pub struct RoutedTable {
    pub name: TableName,
    pub routes: Vec<TableRoute>,
}

#[derive(Clone, Debug)]
pub struct TableRoute {
    pub route: RouteId,
    /// As in the config.
    pub name: String,
    pub insert: bool,
    pub update: bool,
    pub delete: bool,
    /// A change's values come in this order; the external id's column is the first.
    pub columns: Vec<String>,
}

/// What routed tables looked like when capture was started.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveSchemas {
    /// The binlog's end, asked for before the tables were looked at: statements up to there are in
    /// them, and they hold behind it until a statement changes the table.
    pub behind: Position,
    pub tables: Vec<TableSchema>,
}
