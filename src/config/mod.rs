//! The configuration: defaults, overlaid by a TOML file, by the environment, by flags; checked
//! whole before anything starts.
//!
//! Owns the keys ([`keys::KEYS`] is the one list that reader, printer and documentation share),
//! their rules and their mistakes. All mistakes are reported at once. Secrets come from files or the
//! environment, are held as [`Secret`] and never printed.
//!
//! It does not look at MySQL or Salesforce: whether a table or a field exists is for `leadstream
//! check`. figment and toml stop at this module's edge.

mod address;
mod check;
pub mod keys;
mod layers;
mod leads;
mod load;
mod mistake;
mod operator;
mod pace;
mod print;
mod reader;
mod recipes;
pub mod reference;
mod route;
mod salesforce;
pub mod schema;
mod secrets;
mod source;
mod toml_text;
mod units;

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::core::pacing::QuietHours;
use crate::core::schema::TableName;
use crate::core::secret::Secret;

pub use crate::capture::{
    ClientCertificate, Compression, OnHistoryLost, SnapshotSettings, Start, Tls, TlsMode,
};
pub use crate::core::mapping::{FieldSource, OnTooLong, Scalar};
pub use crate::core::pipeline::OnConverted;
pub use crate::delivery::{Auth, OnDuplicate};
pub use crate::operator::TlsFiles;
pub use crate::state::PayloadPolicy;
pub use load::{load, load_from, load_text, no_colour};
pub use mistake::{Mistake, Mistakes};

/// The whole configuration, every rule kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub source: Source,
    pub snapshot: SnapshotSettings,
    pub salesforce: Salesforce,
    /// Never empty; a route's place is its `RouteId`.
    pub routes: Vec<Route>,
    pub batch: Batch,
    pub pace: Pace,
    pub retry: Retry,
    pub state: State,
    pub operator: Operator,
    pub log: Log,
}

/// The MySQL server that is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// A name or an address, IPv6 without brackets.
    pub host: String,
    pub port: u16,
    /// Instead of host and port.
    pub socket: Option<PathBuf>,
    pub user: String,
    /// Empty only when none was given, which only a loopback host allows.
    pub password: Secret,
    pub tls: Tls,
    pub compression: Compression,
    /// `None`: derived from the source and the state folder.
    pub server_id: Option<u32>,
    pub start: Start,
    pub on_history_lost: OnHistoryLost,
    pub heartbeat_ms: u64,
    pub connect_timeout_ms: u64,
    pub observe_interval_ms: u64,
    pub stall_timeout_ms: u64,
    /// Bytes of captured rows held in memory before capture waits.
    pub window_bytes: u32,
    /// Bytes of prepared XA transactions held in memory until they are decided.
    pub prepared_bytes: u32,
}

/// The org that is written to.
#[derive(Clone, Debug, PartialEq)]
pub struct Salesforce {
    /// `https://host[:port]` without a slash at its end; plain http for a loopback host only.
    pub login_url: String,
    /// `67.0`, without the `v`.
    pub api_version: String,
    pub auth: Auth,
    pub request_timeout_ms: u64,
    pub connect_timeout_ms: u64,
    /// Whether request bodies are gzipped.
    pub compress: bool,
}

/// One table's way into one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Unique; names the route in the journal, so that it outlives a reordering of the file.
    pub name: String,
    pub table: TableName,
    pub operations: Operations,
    pub object: String,
    pub external_id: ExternalId,
    pub auto_assign: AutoAssign,
    pub on_converted: OnConverted,
    pub on_duplicate: OnDuplicate,
    /// In the file's order; no two differ only in case; the external id is not among them.
    pub fields: Vec<FieldMapping>,
    /// The rows that are carried, as a CEL expression that can be read; all without one.
    pub filter: Option<String>,
    pub on_too_long: OnTooLong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operations {
    pub insert: bool,
    pub update: bool,
    pub delete: bool,
}

/// The unique field that upserts go by, and the column that fills it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalId {
    pub field: String,
    pub column: String,
}

/// Whether Salesforce's assignment rules run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AutoAssign {
    Off,
    On,
    /// The rule of that id, 15 or 18 characters.
    Rule(String),
}

#[derive(Clone, Debug, PartialEq)]
pub struct FieldMapping {
    /// The field's API name.
    pub field: String,
    pub source: FieldSource,
    /// White space around a text is cut off.
    pub trim: bool,
    /// `None`: as the route says.
    pub on_too_long: Option<OnTooLong>,
    /// Its key, for mistakes that only show against Salesforce: `route[0].fields.LastName`.
    pub path: String,
}

/// When a batch is closed: whichever limit comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub max_records: usize,
    pub max_bytes: usize,
    /// 0: as soon as a call may be made.
    pub max_age_ms: u64,
    /// Never below `max_age_ms`.
    pub max_age_stretched_ms: u64,
}

/// How hard Salesforce may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    pub requests_per_second: u32,
    pub max_in_flight: usize,
    /// Without it the org's own allowance counts.
    pub daily_calls: Option<u64>,
    pub reserve_percent: u8,
    pub hourly_calls: Option<u64>,
    pub quiet_hours: QuietHours,
    /// Records that wait from which Bulk is used; `None`: never.
    pub bulk_from: Option<u64>,
}

/// How failures are tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    pub base_ms: u64,
    /// Never below `base_ms`.
    pub cap_ms: u64,
    /// Of one record, the first included.
    pub record_attempts: u32,
    /// Salesforce down so long: what waits is parked.
    pub park_after_ms: u64,
}

/// The folder that holds journal and index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub path: PathBuf,
    pub max_parked_bytes: u64,
    pub payload: PayloadPolicy,
    /// `None`: for ever.
    pub audit_retention_ms: Option<u64>,
    /// `None`: no bound.
    pub max_journal_bytes: Option<u64>,
    /// `None`: personal values stand in clear.
    pub encryption_key_file: Option<PathBuf>,
}

/// The operator's HTTP port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Beyond loopback only with `token_file` and `tls`.
    pub listen: SocketAddr,
    /// Hashes of the tokens that let people and programs in; without it nobody can sign in.
    pub token_file: Option<PathBuf>,
    pub tls: Option<TlsFiles>,
    /// How long calls in flight are waited for when the service stops.
    pub shutdown_grace_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    /// Directives of tracing's `EnvFilter`, checked: `info,leadstream::capture=debug`.
    pub level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Human,
    Json,
}

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--config`; `None`: the usual places.
    pub config: Option<PathBuf>,
    /// Each `--set KEY=VALUE`: `batch.max_age=0s`.
    pub set: Vec<String>,
}

#[cfg(test)]
mod tests;
