//! What capture is told: where the source is, and which tables and columns are wanted.

use std::path::PathBuf;

use crate::core::change::RouteId;
use crate::core::schema::TableName;
use crate::core::secret::Secret;

#[derive(Clone, Debug)]
pub struct SourceSettings {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Secret,
    pub tls: Tls,
    /// Must differ from every other replica's; one is made up when it is not given.
    pub server_id: Option<u32>,
    /// How often an idle server says that it is alive; three of them missed end a connection.
    pub heartbeat_ms: u64,
    pub connect_timeout_ms: u64,
    pub backoff_base_ms: u64,
    pub backoff_cap_ms: u64,
    /// Where to begin without a checkpoint.
    pub start: Start,
    pub snapshot: SnapshotSettings,
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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Nothing is encrypted.
    Disabled,
    /// Encrypted, but anyone may pose as the server.
    Required,
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
    /// A change's values come in this order.
    pub columns: Vec<String>,
}
