//! Faults: what shall go wrong, where, how often, and for whom.
//!
//! Owns the vocabulary ([`Fault`], [`Action`]) and the list of armed faults. How a fault acts on a request is
//! decided in `plan`; how a request is held until released, in `hold`. Faults never touch the control endpoints.
mod hold;
mod job;
mod plan;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

pub(crate) use hold::{Holds, hold};
pub(crate) use job::JobPlan;
pub(crate) use plan::{After, Plan, Refuse};

use crate::org::{Refusal, lock};

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
    /// Everything else under `/services`.
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
    /// How often it acts, then it is spent; for ever when absent. Actions on records count for each key by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// Matching requests that pass before it acts.
    #[serde(default)]
    pub skip: u64,
    /// External ids (or lead ids) it is for, compared exactly; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
    /// Share of keys, 0 to 1; a key is in or out for good, by the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    #[serde(default)]
    pub seed: u64,
    pub action: Action,
}

impl Fault {
    /// A fault that acts on every request for ever.
    #[must_use]
    pub fn new(action: Action) -> Fault {
        Fault {
            on: Endpoint::All,
            times: None,
            skip: 0,
            keys: None,
            probability: None,
            seed: 0,
            action,
        }
    }

    #[must_use]
    pub fn on(self, on: Endpoint) -> Fault {
        Fault { on, ..self }
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
            seed,
            ..self
        }
    }
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// The reply takes that much longer; the commit happens before the wait, or after it.
    Delay {
        milliseconds: u64,
        #[serde(default)]
        after_commit: bool,
    },
    /// 401 `INVALID_SESSION_ID`; with `revoke` the session is really gone, else only this reply says so. The message
    /// may be one that no login cures (facts 1.7).
    SessionExpired {
        #[serde(default)]
        revoke: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Any request-level refusal, as a JSON array; nothing is written.
    Refuse {
        status: u16,
        code: String,
        message: String,
    },
    /// A refusal of the token endpoint.
    TokenError {
        error: String,
        description: Option<String>,
    },
    /// An HTML page as a gateway sends it; with `commit` the records are written first.
    Html {
        #[serde(default = "unavailable")]
        status: u16,
        #[serde(default)]
        commit: bool,
    },
    /// The connection is cut without a reply; with `commit` the records are written first.
    Drop {
        #[serde(default)]
        commit: bool,
    },
    /// Picked records are refused.
    RecordError {
        status_code: String,
        message: String,
        #[serde(default)]
        fields: Vec<String>,
    },
    /// Any picked key in a request makes the whole request a 400 `JSON_PARSER_ERROR`.
    Poison {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Nothing gets through, as during an outage.
    Down { outage: Outage },
    /// A bulk job ends `Failed` with this `errorMessage` once that many of its rows were processed (or all of them,
    /// when there are fewer). What was written stays written.
    BulkFail {
        #[serde(default)]
        after_rows: u64,
        #[serde(default = "retried_too_often")]
        message: String,
    },
    /// A bulk job waits, `InProgress`, until it is released; after that many of its rows.
    BulkHold {
        #[serde(default)]
        after_rows: u64,
    },
    /// A bulk job waits before each of its chunks of 200 rows.
    BulkDelay { milliseconds: u64 },
    /// The chunks of a bulk job are processed in another order than that of the upload.
    BulkShuffle,
    /// A bulk job and its results are gone once a client has seen that it ended, as if seven days had passed.
    BulkExpire,
    /// The reply waits until it is released, one by one or all; the commit happens before the wait, or after it.
    Hold {
        #[serde(default)]
        after_commit: bool,
    },
}

/// What an outage looks like. For refused connections see `Sandbox::stop_listening`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outage {
    /// The connection is reset.
    Reset,
    /// 503 with an HTML page.
    Unavailable,
}

/// An armed fault and how often it acted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultStatus {
    pub id: FaultId,
    pub fault: Fault,
    /// Requests or records it acted on.
    pub hits: u64,
}

/// The armed faults of an org.
#[derive(Debug, Default)]
pub struct Faults {
    armed: Mutex<plan::Armed>,
    /// Spares requests the lock while nothing is armed.
    any: AtomicBool,
    pub(crate) holds: Holds,
}

impl Faults {
    /// Arms a fault. Several act together: waits add up, and of refusals the earliest armed wins.
    pub fn add(&self, fault: Fault) -> FaultId {
        let mut armed = lock(&self.armed);
        let id = armed.add(fault);
        self.any.store(true, Ordering::Release);
        id
    }

    /// Disarms a fault and releases what it holds; false when there is none of that id.
    pub fn remove(&self, id: FaultId) -> bool {
        let mut armed = lock(&self.armed);
        let found = armed.remove(id);
        self.any.store(!armed.is_empty(), Ordering::Release);
        drop(armed);
        self.holds.release_of(id);
        found
    }

    /// Disarms everything and releases every held request.
    pub fn clear(&self) {
        let mut armed = lock(&self.armed);
        armed.clear();
        self.any.store(false, Ordering::Release);
        drop(armed);
        self.holds.release(usize::MAX);
    }

    /// The armed faults, spent ones included, in the order in which they were armed.
    #[must_use]
    pub fn list(&self) -> Vec<FaultStatus> {
        lock(&self.armed).list()
    }

    /// Lets up to `count` held requests go on, the longest held first; returns how many did.
    pub fn release(&self, count: usize) -> usize {
        self.holds.release(count)
    }

    /// Lets every held request go on; later ones are held again while the fault is armed.
    pub fn release_all(&self) -> usize {
        self.holds.release(usize::MAX)
    }

    pub(crate) fn is_armed(&self, id: FaultId) -> bool {
        lock(&self.armed).contains(id)
    }

    /// Whether an outage swallows this request, decided before anything of it is understood.
    pub(crate) fn outage(&self, endpoint: Endpoint) -> Option<Outage> {
        self.any
            .load(Ordering::Acquire)
            .then(|| lock(&self.armed).outage(endpoint))
            .flatten()
    }

    /// What happens to a request that carries these keys.
    pub(crate) fn plan(&self, endpoint: Endpoint, keys: &[&str]) -> Plan {
        if !self.any.load(Ordering::Acquire) {
            return Plan::default();
        }
        lock(&self.armed).plan(endpoint, keys)
    }

    /// What happens to a composite call as a whole, whose parts carry these keys.
    pub(crate) fn plan_composite(&self, keys: &[&str]) -> Plan {
        if !self.any.load(Ordering::Acquire) {
            return Plan::default();
        }
        lock(&self.armed).plan_composite(None, keys)
    }

    /// What happens to the records of one part of a composite call, and to nothing else.
    pub(crate) fn plan_part(&self, endpoint: Endpoint, keys: &[&str]) -> Plan {
        if !self.any.load(Ordering::Acquire) {
            return Plan::default();
        }
        lock(&self.armed).plan_composite(Some(endpoint), keys)
    }

    /// What happens to a bulk job that starts now.
    pub(crate) fn plan_job(&self) -> JobPlan {
        if !self.any.load(Ordering::Acquire) {
            return JobPlan::default();
        }
        lock(&self.armed).plan_job()
    }

    /// Which records with these keys a bulk job is refused, and why.
    pub(crate) fn plan_job_records(&self, keys: &[&str]) -> Vec<(usize, Refusal)> {
        if !self.any.load(Ordering::Acquire) {
            return Vec::new();
        }
        lock(&self.armed).plan_job_records(keys)
    }
}

fn unavailable() -> u16 {
    503
}

fn retried_too_often() -> String {
    "InternalServerError : Retried more than 20 times".into()
}
