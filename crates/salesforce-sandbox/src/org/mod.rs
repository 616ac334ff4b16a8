//! The state of the org and the rules for changing it.
//!
//! Invariants: leads are changed under one lock that is held for the write alone (never across an await, never
//! while a request is parsed or a reply is built from anything but the leads themselves).
pub(crate) mod id;
mod index;
mod leads;
mod refusal;
mod sessions;
mod snapshot;
mod transaction;
mod upsert;
mod usage;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use leads::{LeadStore, Matches};
pub(crate) use refusal::Refusal;
pub(crate) use sessions::Sessions;
pub use snapshot::LeadSnapshot;
pub(crate) use snapshot::row_json;
pub(crate) use transaction::Transaction;
pub(crate) use upsert::{Draft, Outcome, Target, WriteOptions, look};
pub(crate) use usage::Usage;

use crate::clock::Clock;
use crate::config::OrgConfig;
use crate::faults::Faults;
use crate::oauth::RegisteredApp;
use crate::schema::Schema;
use crate::watch::Watch;

/// One org: everything that outlives a request.
pub(crate) struct Org {
    pub(crate) config: OrgConfig,
    pub(crate) apps: Vec<RegisteredApp>,
    pub(crate) schema: Schema,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) watch: Watch,
    leads: Mutex<LeadStore>,
    sessions: Mutex<Sessions>,
    usage: Mutex<Usage>,
}

impl Org {
    /// The configuration has been checked.
    pub(crate) fn new(config: OrgConfig) -> Org {
        let schema = Schema::new(&config);
        Org {
            apps: config.apps.iter().map(RegisteredApp::new).collect(),
            leads: Mutex::new(LeadStore::new(&schema)),
            schema,
            clock: Clock::new(),
            faults: Faults::default(),
            watch: Watch::new(config.request_log_entries, config.request_log_keys),
            sessions: Mutex::new(Sessions::default()),
            usage: Mutex::new(Usage::default()),
            config,
        }
    }

    /// Idle time after which sessions die.
    pub(crate) fn idle_micros(&self) -> Option<u64> {
        self.config
            .session_idle_seconds
            .map(|seconds| seconds.saturating_mul(1_000_000))
    }

    pub(crate) fn leads(&self) -> MutexGuard<'_, LeadStore> {
        lock(&self.leads)
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        lock(&self.sessions)
    }

    pub(crate) fn usage(&self) -> MutexGuard<'_, Usage> {
        lock(&self.usage)
    }
}

/// A panic under one of these locks is a bug that its request reports; the org goes on with what is there.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
