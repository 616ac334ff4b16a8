//! One entry of the request log, and the ticket that collects it while the request is in progress.
use serde::{Deserialize, Serialize};

/// One request, as the log keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestRecord {
    /// Number of the request in order of arrival, from 1.
    pub sequence: u64,
    pub method: String,
    /// As sent, without the query.
    pub path: String,
    /// Number of the reply in the order of replies, from 1.
    pub reply_sequence: u64,
    /// HTTP status; absent when the connection was cut instead, or the client left waiting.
    pub status: Option<u16>,
    /// Records in the request.
    pub records: u64,
    /// Keys of the records that were written, in the request's order.
    pub keys: Vec<String>,
    /// The header `Sforce-Auto-Assign`.
    pub auto_assign: Option<String>,
    /// The header `Sforce-Call-Options`.
    pub call_options: Option<String>,
    pub content_encoding: Option<String>,
    /// The header `Sforce-Duplicate-Rule-Header`.
    pub duplicate_rule: Option<String>,
    pub accept: Option<String>,
    pub user_agent: Option<String>,
    /// Body as received.
    pub body_bytes: u64,
    /// Microseconds since the org was started.
    pub arrived_monotonic_micros: u64,
    /// Microseconds since 1970-01-01 UTC.
    pub arrived_wall_micros: i64,
    /// Since the org was started; absent when nothing was committed.
    pub committed_monotonic_micros: Option<u64>,
    /// Since the org was started.
    pub answered_monotonic_micros: u64,
}

/// A request in progress.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) record: RequestRecord,
}

impl Ticket {
    /// Its number comes with its arrival.
    pub(crate) fn unnumbered(record: RequestRecord) -> Ticket {
        Ticket { record }
    }
}
