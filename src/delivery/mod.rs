//! Everything that speaks HTTP to Salesforce: login, describe, limits, upsert by external id, jobs
//! of Bulk API 2.0.
//!
//! Delivery makes one attempt and says what came of it, in the core's words. It owns the session
//! (one login at a time, never a storm of them), the rate of requests, the number of calls in
//! flight, and the meaning of every answer.
//!
//! Invariants: an upsert is answered with exactly one result per record or with one failure; a
//! failure says whether Salesforce may have committed all the same; no token, key, payload or
//! message of Salesforce's is logged.
//!
//! It does not retry (except once, with a new session, after a 401), batch, bisect, dead-letter,
//! or keep two calls from carrying the same key: the core decides those. It imports only
//! `crate::core`.

mod auth;
pub mod bulk;
mod classify;
mod codes;
mod describe;
mod duplicates;
mod grant;
mod http;
mod limits;
mod matches;
mod org;
mod pages;
mod query;
mod query_job;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use crate::core::outcome::CallOutcome;
use crate::core::secret::Secret;
use crate::core::time::Micros;

pub use codes::explain;
pub use describe::Described;
pub use duplicates::OnDuplicate;
pub use http::UploadFile;
pub use limits::{Allowance, ApiUsage, Limits};
pub use org::Org;
pub use pages::{KEY_FILE, remedy};
pub use query::{NextPage, PAGE_ROWS, QueryPage, address_bytes, fits, literal};
pub use query_job::{JOB_PAGE_ROWS, JobPage, QueryJobState};
pub use wire::UpsertRecord;

/// Records that one call takes at most. Source: salesforce-facts 3.1.
pub const MAX_RECORDS_PER_CALL: usize = 200;

/// Salesforce works on a call for up to ten minutes; giving up early leaves outcomes unknown.
/// Source: salesforce-facts 10.
pub const DEFAULT_REQUEST_TIMEOUT_MS: u64 = 150_000;

pub const DEFAULT_CONNECT_TIMEOUT_MS: u64 = 10_000;

/// How to reach an org, and how hard to drive it.
#[derive(Clone, Debug)]
pub struct OrgSettings {
    /// Scheme and host, such as `https://example.my.salesforce.com`. Plain http is for the
    /// sandbox: with https here, everything else must be https too.
    pub login_url: String,
    /// Such as `67.0`.
    pub api_version: String,
    pub auth: Auth,
    /// Every HTTP request counts, logins too.
    pub requests_per_second: u32,
    /// API calls at the same time.
    pub max_in_flight: usize,
    /// For a whole exchange; not below 120 s outside tests.
    pub request_timeout_ms: u64,
    pub connect_timeout_ms: u64,
    /// Compress bodies above 1 KiB.
    pub compress: bool,
}

/// How to log in. Never by password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    Jwt {
        client_id: String,
        username: String,
        /// RSA, unencrypted, PKCS#8 or PKCS#1.
        private_key_pem: Secret,
        /// Scheme and host of `login_url` when absent.
        audience: Option<String>,
    },
    ClientCredentials {
        client_id: String,
        client_secret: Secret,
    },
}

/// Whether Salesforce runs lead assignment rules, which may overwrite the owner. Its own default
/// is on. Source: salesforce-facts 0.4 and 8.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AutoAssign {
    #[default]
    Off,
    On,
    /// The id of an assignment rule.
    Rule(Arc<str>),
}

/// One call: up to 200 records, each key once.
#[derive(Clone, Debug)]
pub struct UpsertCall {
    pub object: Arc<str>,
    /// API name of the external id field.
    pub external_id: Arc<str>,
    pub auto_assign: AutoAssign,
    pub on_duplicate: OnDuplicate,
    /// One more call may be made for what duplicate rules found.
    pub show_matches: bool,
    pub records: Vec<UpsertRecord>,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallReport {
    pub outcome: CallOutcome,
    /// When the last request of the call left, after every wait for rate, permit and login.
    pub sent_at: Micros,
    /// When its answer was complete, or given up.
    pub answered_at: Micros,
    /// Of the body on the wire.
    pub request_bytes: usize,
    /// Requests of this call that Salesforce counts: 0 when it was never reached, 2 after a 401.
    pub api_calls: u32,
}

/// A connection that cannot be set up. Texts hold no secrets.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("salesforce.login_url cannot be used: {reason}")]
    LoginUrl { reason: &'static str },
    #[error("the private key cannot sign a login")]
    PrivateKey {
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{setting} must be {rule}")]
    Setting {
        setting: &'static str,
        rule: &'static str,
    },
    #[error("the HTTPS client cannot be set up")]
    HttpClient {
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// The page that tells the operator what to do.
    #[must_use]
    pub fn page(&self) -> &'static str {
        match self {
            Error::LoginUrl { .. } => pages::LOGIN_URL,
            Error::PrivateKey { .. } => pages::PRIVATE_KEY,
            Error::Setting { .. } => pages::SETTINGS,
            Error::HttpClient { .. } => pages::HTTP_CLIENT,
        }
    }

    /// What to do, in one line.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        pages::remedy(self.page())
    }
}
