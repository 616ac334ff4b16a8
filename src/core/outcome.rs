//! What became of a call to Salesforce, and of each record in it.
//!
//! Delivery describes and classifies; the pipeline reacts. A call's answer carries exactly one
//! [`RecordResult`] per record, in the call's order: a different number is a protocol error and
//! arrives as [`CallOutcome::Failed`].

/// Numbers calls within one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

#[derive(Clone, Debug, PartialEq)]
pub enum CallOutcome {
    /// Salesforce answered for each record.
    Answered(Vec<RecordResult>),
    /// The request as a whole failed; nothing is known per record.
    Failed(RequestFailure),
}

#[derive(Clone, Debug, PartialEq)]
pub enum RecordResult {
    Delivered {
        /// 18 characters.
        id: String,
        created: bool,
    },
    Rejected(Rejection),
}

/// Why Salesforce refused one record. `errors` is never empty; `code` and `class` are those of the
/// worst.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub class: ErrorClass,
    pub code: String,
    pub disposition: Disposition,
    pub errors: Vec<RecordError>,
}

/// One error as Salesforce gave it. The message may echo the value: it is personal data.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RecordError {
    pub code: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

/// A request that failed as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFailure {
    pub class: ErrorClass,
    /// `LS####`, the page that tells the operator what to do.
    pub page: &'static str,
    /// Salesforce's code, or a short word for what happened below HTTP (`timeout`, `connect`).
    pub code: String,
    /// What to show an operator: free of values and secrets.
    pub text: String,
    pub disposition: Disposition,
    /// True when Salesforce may have committed all the same: the same image must be sent again
    /// before a newer one.
    pub unknown: bool,
    /// What Salesforce asked us to wait, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

impl RequestFailure {
    /// Text and code in one line; the code only where the text does not name it.
    #[must_use]
    pub fn line(&self) -> String {
        if self.text.contains(&self.code) {
            self.text.clone()
        } else {
            format!("{}: {}", self.code, self.text)
        }
    }
}

/// What to do about a failure; judged by what sending the same again would bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// It will pass by itself: the same again after a growing, capped delay, without end for
    /// requests, up to `record_attempts` for records.
    Backoff,
    /// One of the records poisons the request, or it is too big: the same in smaller pieces.
    Split,
    /// The same record fails again: a person must mend it.
    DeadLetter,
    /// Nothing will pass until an administrator acts: wait long, probe rarely, say what to do.
    Pause,
}

/// Families of failure; label of the error metrics, so their number is fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorClass {
    /// Could not reach Salesforce, or the connection broke.
    Network,
    /// Salesforce is overloaded, in maintenance or broken inside.
    Unavailable,
    /// Daily calls are used up.
    Quota,
    /// Too many calls at once.
    Concurrency,
    /// Login or session.
    Auth,
    /// Org, user or mapping set up wrongly.
    Configuration,
    /// Locks, races, transient limits of one record.
    Contention,
    /// The record's own data.
    Data,
    /// Duplicate rules and unique fields.
    Duplicate,
    /// The record cannot be converted or fails the mapping's checks; never sent.
    Mapping,
    /// Something we do not understand: an unknown code, an answer that breaks the protocol.
    Unknown,
}

impl ErrorClass {
    pub const ALL: [ErrorClass; 11] = [
        ErrorClass::Network,
        ErrorClass::Unavailable,
        ErrorClass::Quota,
        ErrorClass::Concurrency,
        ErrorClass::Auth,
        ErrorClass::Configuration,
        ErrorClass::Contention,
        ErrorClass::Data,
        ErrorClass::Duplicate,
        ErrorClass::Mapping,
        ErrorClass::Unknown,
    ];

    /// The label's value, and the word in the journal.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorClass::Network => "network",
            ErrorClass::Unavailable => "unavailable",
            ErrorClass::Quota => "quota",
            ErrorClass::Concurrency => "concurrency",
            ErrorClass::Auth => "auth",
            ErrorClass::Configuration => "configuration",
            ErrorClass::Contention => "contention",
            ErrorClass::Data => "data",
            ErrorClass::Duplicate => "duplicate",
            ErrorClass::Mapping => "mapping",
            ErrorClass::Unknown => "unknown",
        }
    }
}
