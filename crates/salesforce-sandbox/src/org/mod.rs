//! The state of the org and the rules for changing it.
//!
//! Invariants: leads are changed under one lock that is held for the write alone (never across an await, never
//! while a request is parsed or a reply is built from anything but the leads themselves).
mod administrator;
mod draft;
pub(crate) mod id;
mod implied;
mod index;
mod leads;
mod locks;
mod recycle_bin;
mod refusal;
mod save;
mod sessions;
mod snapshot;
mod transaction;
mod usage;

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

pub use administrator::{Administrator, Refused};
pub(crate) use draft::{Draft, Target, look};
pub(crate) use leads::{LeadStore, Matches};
pub(crate) use locks::{LockTicket, is_locked};
pub(crate) use refusal::Refusal;
pub(crate) use save::{Outcome, WriteOptions};
pub(crate) use sessions::Sessions;
pub use snapshot::LeadSnapshot;
pub(crate) use snapshot::row_json;
pub(crate) use transaction::Transaction;
pub(crate) use usage::Usage;

use recycle_bin::RecycleBin;

use crate::clock::Clock;
use crate::config::OrgConfig;
use crate::faults::Faults;
use crate::oauth::RegisteredApp;
use crate::rules::Rules;
use crate::schema::Schema;
use crate::watch::Watch;

/// One org: everything that outlives a request.
pub(crate) struct Org {
    pub(crate) config: OrgConfig,
    pub(crate) apps: Vec<RegisteredApp>,
    pub(crate) schema: Schema,
    pub(crate) rules: Rules,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) watch: Watch,
    /// Whether the control endpoints answer; only on a loopback listener.
    pub(crate) control: bool,
    leads: Mutex<LeadStore>,
    /// Told whenever a request lets go of rows.
    pub(crate) rows_released: Notify,
    sessions: Mutex<Sessions>,
    usage: Mutex<Usage>,
}

impl Org {
    /// The configuration has been checked.
    pub(crate) fn new(config: OrgConfig, control: bool) -> Org {
        let schema = Schema::new(&config);
        let rules = Rules::compile(&config, &schema).expect("the configuration has been checked");
        let keys = rules
            .duplicates
            .iter()
            .map(|rule| rule.key().clone())
            .collect();
        let bin = RecycleBin::new(config.recycle_bin_days, config.recycle_bin_leads);
        Org {
            apps: config.apps.iter().map(RegisteredApp::new).collect(),
            leads: Mutex::new(LeadStore::new(&schema, keys, bin)),
            rows_released: Notify::new(),
            schema,
            rules,
            clock: Clock::new(),
            faults: Faults::default(),
            watch: Watch::new(config.request_log_entries, config.request_log_keys),
            control,
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
