//! The state of the org and the rules for changing it.
//!
//! Invariants: leads are changed under one lock that is held for the write alone (never across an await, never
//! while a request is parsed or a reply is built from anything but the leads themselves). A composite call that is all
//! or none is the exception: a part that refers to an earlier one is parsed, and every part answered, under the lock.
pub(crate) mod id;
mod index;
mod leads;
pub(crate) mod opaque;
mod refusal;
mod sessions;
mod snapshot;
mod transaction;
mod upsert;
mod usage;
mod users;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use leads::{LeadStore, Matches};
pub(crate) use refusal::Refusal;
pub(crate) use sessions::{ApprovalId, Identity, Lifetimes, Opening, Sessions};
pub use snapshot::LeadSnapshot;
pub(crate) use snapshot::row_json;
pub(crate) use transaction::Transaction;
pub(crate) use upsert::{Draft, Outcome, Target, WriteOptions, look};
pub(crate) use usage::Usage;
pub(crate) use users::{PasswordCheck, User, Users};

use crate::clock::Clock;
use crate::config::OrgConfig;
use crate::faults::Faults;
use crate::oauth::{Approvals, LoginRate, RegisteredApp};
use crate::schema::Schema;
use crate::watch::Watch;

/// One org: everything that outlives a request.
pub(crate) struct Org {
    pub(crate) config: OrgConfig,
    pub(crate) apps: Vec<RegisteredApp>,
    pub(crate) users: Users,
    pub(crate) schema: Schema,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) watch: Watch,
    /// Whether the control endpoints answer; only on a loopback listener.
    pub(crate) control: bool,
    leads: Mutex<LeadStore>,
    sessions: Mutex<Sessions>,
    approvals: Mutex<Approvals>,
    login_rate: Mutex<LoginRate>,
    usage: Mutex<Usage>,
}

impl Org {
    /// The configuration has been checked.
    pub(crate) fn new(config: OrgConfig, control: bool) -> Org {
        let schema = Schema::new(&config);
        let users = Users::new(&config);
        let micros = |seconds: u64| seconds.saturating_mul(1_000_000);
        let lifetimes = Lifetimes {
            idle_micros: config.session_idle_seconds.map(micros),
            whole_micros: config.session_lifetime_seconds.map(micros),
        };
        Org {
            apps: config
                .apps
                .iter()
                .map(|app| RegisteredApp::new(app, &users))
                .collect(),
            users,
            leads: Mutex::new(LeadStore::new(&schema)),
            schema,
            clock: Clock::new(),
            faults: Faults::default(),
            watch: Watch::new(config.request_log_entries, config.request_log_keys),
            control,
            sessions: Mutex::new(Sessions::new(lifetimes)),
            approvals: Mutex::new(Approvals::default()),
            login_rate: Mutex::new(LoginRate::default()),
            usage: Mutex::new(Usage::default()),
            config,
        }
    }

    pub(crate) fn leads(&self) -> MutexGuard<'_, LeadStore> {
        lock(&self.leads)
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        lock(&self.sessions)
    }

    pub(crate) fn approvals(&self) -> MutexGuard<'_, Approvals> {
        lock(&self.approvals)
    }

    pub(crate) fn login_rate(&self) -> MutexGuard<'_, LoginRate> {
        lock(&self.login_rate)
    }

    pub(crate) fn usage(&self) -> MutexGuard<'_, Usage> {
        lock(&self.usage)
    }
}

/// A panic under one of these locks is a bug that its request reports; the org goes on with what is there.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
