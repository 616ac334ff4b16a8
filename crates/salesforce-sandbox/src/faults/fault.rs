//! A fault: whom it is for, when and how often it acts. What it does is its [`Action`].
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Action;

/// Names one armed fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FaultId(pub u64);

/// Which requests a fault is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// Every request but those of the control endpoints.
    #[default]
    All,
    /// `POST /services/oauth2/token`.
    Token,
    /// Other ways in and out: authorize, revoke, introspect, SOAP. No session dies there.
    Login,
    /// Writes of `/composite/sobjects/…`.
    Collections,
    /// Writes of `/sobjects/Lead/…`.
    Single,
    /// Writes of `/composite`, `/composite/batch`, `/composite/graph` and `/composite/tree/…`. Actions on records,
    /// and `poison`, act on the subrequests that carry the record; so do those for `Collections` or `Single`.
    Composite,
    /// Everything below `/jobs`, the records of ingest jobs, and the jobs themselves.
    Bulk,
    /// `POST /jobs/…`.
    BulkCreate,
    /// `PUT /jobs/ingest/{id}/batches`.
    BulkUpload,
    /// `PATCH` and `DELETE` of a job.
    BulkState,
    /// `GET` of a job or of a list of jobs.
    BulkInfo,
    /// `GET` of results.
    BulkResults,
    /// `/query` and `/queryAll`, further pages included.
    Query,
    /// Everything else.
    Other,
}

/// One thing that shall go wrong.
///
/// With `keys` or `probability` a fault picks: actions on records pick records, all others pick requests that carry
/// a picked key (with `probability` alone and no keys in the request, the request itself is drawn).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    #[serde(default)]
    pub on: Endpoint,
    /// Requests of this method alone, in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Requests whose path, as sent, starts with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How often it acts, then it is spent; for ever when absent. Actions on records count for each key by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Matching requests that pass before it acts.
    #[serde(default)]
    pub skip: u64,
    /// Seconds on the org's clock from when it is armed until it acts for the first time.
    #[serde(default)]
    pub after_seconds: u64,
    /// Seconds on the org's clock for which it then acts; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_seconds: Option<u64>,
    /// Seconds from one such time to the next; there is only one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_seconds: Option<u64>,
    /// External ids (or lead ids) it is for, compared exactly; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
    /// Share of keys, 0 to 1; a key is in or out for good, by the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Which keys `probability` picks. When absent one is drawn as the fault is armed, and shown in the list of faults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Further headers of the replies that it acts on, such as `Retry-After`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    pub action: Action,
}

impl Endpoint {
    /// Whether a fault on this is for a request of that kind.
    pub(super) fn covers(self, other: Endpoint) -> bool {
        let part_of_bulk = matches!(
            other,
            Endpoint::BulkCreate
                | Endpoint::BulkUpload
                | Endpoint::BulkState
                | Endpoint::BulkInfo
                | Endpoint::BulkResults
        );
        self == Endpoint::All || self == other || (self == Endpoint::Bulk && part_of_bulk)
    }
}

impl Fault {
    /// A fault that acts on every request for ever.
    #[must_use]
    pub fn new(action: Action) -> Fault {
        Fault {
            on: Endpoint::All,
            method: None,
            path: None,
            times: None,
            skip: 0,
            after_seconds: 0,
            for_seconds: None,
            every_seconds: None,
            keys: None,
            probability: None,
            seed: None,
            headers: BTreeMap::new(),
            action,
        }
    }

    #[must_use]
    pub fn on(self, on: Endpoint) -> Fault {
        Fault { on, ..self }
    }

    /// Requests of this method alone.
    #[must_use]
    pub fn method(self, method: impl Into<String>) -> Fault {
        Fault {
            method: Some(method.into()),
            ..self
        }
    }

    /// Requests whose path starts with this.
    #[must_use]
    pub fn path(self, prefix: impl Into<String>) -> Fault {
        Fault {
            path: Some(prefix.into()),
            ..self
        }
    }

    #[must_use]
    pub fn times(self, times: u64) -> Fault {
        Fault {
            times: Some(times),
            ..self
        }
    }

    #[must_use]
    pub fn skip(self, skip: u64) -> Fault {
        Fault { skip, ..self }
    }

    /// Seconds on the org's clock until it acts.
    #[must_use]
    pub fn after_seconds(self, after_seconds: u64) -> Fault {
        Fault {
            after_seconds,
            ..self
        }
    }

    /// Seconds on the org's clock for which it acts.
    #[must_use]
    pub fn for_seconds(self, seconds: u64) -> Fault {
        Fault {
            for_seconds: Some(seconds),
            ..self
        }
    }

    /// Seconds on the org's clock from one time of acting to the next.
    #[must_use]
    pub fn every_seconds(self, seconds: u64) -> Fault {
        Fault {
            every_seconds: Some(seconds),
            ..self
        }
    }

    #[must_use]
    pub fn keys<K: Into<String>>(self, keys: impl IntoIterator<Item = K>) -> Fault {
        Fault {
            keys: Some(keys.into_iter().map(Into::into).collect()),
            ..self
        }
    }

    #[must_use]
    pub fn probability(self, probability: f64, seed: u64) -> Fault {
        Fault {
            probability: Some(probability),
            seed: Some(seed),
            ..self
        }
    }

    /// As [`Fault::probability`], with a seed that is drawn when the fault is armed.
    #[must_use]
    pub fn probability_of_any_seed(self, probability: f64) -> Fault {
        Fault {
            probability: Some(probability),
            seed: None,
            ..self
        }
    }

    /// A further header of the replies that it acts on.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Fault {
        self.headers.insert(name.into(), value.into());
        self
    }
}

/// Whether an armed fault acts at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultState {
    /// It acts on what it is for.
    #[default]
    Active,
    /// Its time has not come yet, or not again.
    Waiting,
    /// It acted as often as it should, or its time is over.
    Spent,
}

/// An armed fault and how often it acted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultStatus {
    pub id: FaultId,
    pub fault: Fault,
    /// Requests or records it acted on.
    pub hits: u64,
    #[serde(default)]
    pub state: FaultState,
}
