//! The state of the org and the rules for changing it.
//!
//! Invariants: leads are changed under one lock that is held for the write alone (never across an await, never
//! while a request is parsed or a reply is built from anything but the leads themselves). Whoever holds it takes no
//! lock of `watch`; the other way round is allowed.
mod browse;
pub(crate) mod id;
mod index;
mod leads;
mod overview;
mod refusal;
mod sessions;
mod snapshot;
mod transaction;
mod upsert;
mod usage;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use leads::{LeadStore, Matches};
pub use overview::{Allowance, OrgSnapshot, Overview, UsageReport};
pub(crate) use refusal::Refusal;
pub(crate) use sessions::Sessions;
pub use snapshot::LeadSnapshot;
pub(crate) use snapshot::row_json;
pub(crate) use transaction::Transaction;
pub(crate) use upsert::{Draft, Outcome, Target, WriteOptions, look};
pub(crate) use usage::{Meters, leads_in, storage_mb};

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
    pub(crate) clock: Arc<Clock>,
    pub(crate) faults: Faults,
    pub(crate) watch: Watch,
    /// Whether the control endpoints answer; only on a loopback listener.
    pub(crate) control: bool,
    leads: Mutex<LeadStore>,
    sessions: Mutex<Sessions>,
    meters: Mutex<Meters>,
}

impl Org {
    /// The configuration has been checked.
    pub(crate) fn new(config: OrgConfig, control: bool) -> Org {
        let schema = Schema::new(&config);
        let clock = Arc::new(Clock::new());
        let faults = Faults::new(Arc::clone(&clock));
        let room = config.data_storage_mb.map_or(u64::MAX, leads_in);
        let org = Org {
            apps: config.apps.iter().map(RegisteredApp::new).collect(),
            leads: Mutex::new(LeadStore::new(&schema).with_room(room)),
            schema,
            clock,
            faults,
            watch: Watch::new(config.request_log_entries, config.request_log_keys),
            control,
            sessions: Mutex::new(Sessions::default()),
            meters: Mutex::new(Meters::default()),
            config,
        };
        org.arm_configured();
        org
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

    /// Deletes every lead for good.
    pub(crate) fn empty(&self) {
        self.leads().clear();
        self.watch.count(|stats| stats.leads = self.leads().count());
    }

    /// As it was at its start, but for the clock, which never goes back, and for ids, which are never given twice.
    /// Requests in progress go on, those that were held among them.
    pub(crate) fn reset(&self) {
        self.faults.clear();
        self.sessions().revoke_all();
        *self.meters() = Meters::default();
        self.leads().clear();
        self.watch.reset();
        self.arm_configured();
    }

    fn arm_configured(&self) {
        for fault in &self.config.faults {
            self.faults.add_sound(fault.clone());
        }
    }

    pub(crate) fn meters(&self) -> MutexGuard<'_, Meters> {
        lock(&self.meters)
    }
}

/// A panic under one of these locks is a bug that its request reports; the org goes on with what is there.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
