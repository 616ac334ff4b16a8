//! Failures of whole requests that Salesforce is known for, in its own words.
use serde::{Deserialize, Serialize};

/// A failure by name, so that nobody has to look up its status, code and text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// The day's calls are used up: 403 (facts 6.3).
    TotalRequests,
    /// Too many calls run for long: 403 (facts 6.3).
    ConcurrentRequests,
    /// Too many Apex transactions run for long: 403 (facts 6.3).
    ConcurrentLongTransactions,
    /// 503 `SERVER_UNAVAILABLE` (facts 7.1).
    ServerUnavailable,
    /// 500 `UNKNOWN_EXCEPTION` with an ErrorId (facts 7.1).
    UnexpectedError,
    /// 400 `REQUEST_RUNNING_TOO_LONG`; with `commit` the outcome was a success that nobody hears of (facts 7.1).
    RunningTooLong,
    /// 400 `QUERY_TIMEOUT` (facts 6.4).
    QueryTimeout,
    /// 500 `API_CURRENTLY_DISABLED` (facts 7.1).
    ApiCurrentlyDisabled,
    /// 403 `API_DISABLED_FOR_ORG` (facts 7.1).
    ApiDisabledForOrg,
    /// 403 `ORG_LOCKED` (facts 7.1).
    OrgLocked,
    /// A 401 that no new login cures (facts 1.7).
    SessionNotForRest,
    /// Another such (facts 1.7).
    AppNotAttached,
    /// 410, as for a retired version (head of the facts).
    VersionRetired,
    /// 420: the edge has no route for the host; a page (facts 6.5).
    NoRoute,
    /// 500 as a page (facts 6.5).
    ServerError,
    /// 502: the edge could not reach the instance; a page (facts 6.5).
    BadGateway,
    /// 503 as a page, as during maintenance (facts 6.5).
    Maintenance,
}

/// What a preset answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Saying {
    Json {
        status: u16,
        code: &'static str,
        message: &'static str,
    },
    Html(u16),
}

impl Preset {
    pub(super) fn saying(self) -> Saying {
        let json = |status, code, message| Saying::Json {
            status,
            code,
            message,
        };
        let limit = |message| json(403, "REQUEST_LIMIT_EXCEEDED", message);
        match self {
            Preset::TotalRequests => limit("TotalRequests Limit exceeded."),
            Preset::ConcurrentRequests => {
                limit("ConcurrentRequests (Concurrent API Requests) Limit exceeded.")
            }
            Preset::ConcurrentLongTransactions => limit("ConcurrentPerOrgLongTxn Limit exceeded"),
            Preset::ServerUnavailable => json(503, "SERVER_UNAVAILABLE", "Server Unavailable"),
            Preset::UnexpectedError => json(
                500,
                "UNKNOWN_EXCEPTION",
                "An unexpected error occurred. Please include this ErrorId if you contact support: \
                 1234567890-12345 (1234567890)",
            ),
            Preset::RunningTooLong => json(
                400,
                "REQUEST_RUNNING_TOO_LONG",
                "Your request was running for too long, and has been stopped.",
            ),
            Preset::QueryTimeout => json(
                400,
                "QUERY_TIMEOUT",
                "Your query request was running for too long.",
            ),
            Preset::ApiCurrentlyDisabled => json(
                500,
                "API_CURRENTLY_DISABLED",
                "API is currently disabled because of a system problem.",
            ),
            Preset::ApiDisabledForOrg => json(
                403,
                "API_DISABLED_FOR_ORG",
                "The REST API is not enabled for this Organization.",
            ),
            Preset::OrgLocked => json(403, "ORG_LOCKED", "The organization is locked."),
            Preset::SessionNotForRest => json(
                401,
                "INVALID_SESSION_ID",
                "This session is not valid for use with the REST API",
            ),
            Preset::AppNotAttached => json(
                401,
                "INVALID_SESSION_ID",
                "Connected app is not attached to Agent",
            ),
            Preset::VersionRetired => json(
                410,
                "GONE",
                "The requested API version is retired and no longer supported.",
            ),
            Preset::NoRoute => Saying::Html(420),
            Preset::ServerError => Saying::Html(500),
            Preset::BadGateway => Saying::Html(502),
            Preset::Maintenance => Saying::Html(503),
        }
    }
}
