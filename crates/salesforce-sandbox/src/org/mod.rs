//! The state of the org and the rules for changing it.
//!
//! Invariants: leads are changed under one lock that is held for the write alone (never across an await, never
//! while a request is parsed or a reply is built from anything but the leads themselves). A composite call that is all
//! or none is the exception: a part that refers to an earlier one is parsed, and every part answered, under the lock.
mod administrator;
mod browse;
mod draft;
pub(crate) mod id;
mod implied;
mod index;
mod leads;
mod locators;
mod locks;
mod meanwhile;
pub(crate) mod opaque;
mod overview;
mod query;
mod records;
mod recycle_bin;
mod refusal;
mod row;
mod save;
mod sessions;
mod snapshot;
mod transaction;
mod usage;
mod users;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

pub use administrator::{Administrator, Refused};
pub(crate) use draft::{Draft, Target, look};
pub(crate) use index::fold;
pub(crate) use leads::{LeadStore, Matches};
pub(crate) use locators::Locators;
pub(crate) use locks::{LockTicket, is_locked};
pub use overview::{Allowance, OrgSnapshot, Overview, UsageReport};
#[cfg(feature = "fuzzing")]
pub(crate) use query::fuzz_query;
pub(crate) use query::{
    QueryResult, Selection, Visibility, prepare_export, prepare_query, run_query,
};
pub(crate) use records::Records;
pub(crate) use refusal::Refusal;
pub(crate) use row::RecordRow;
pub(crate) use save::{Outcome, WriteOptions, ambiguous};
pub(crate) use sessions::{ApprovalId, Identity, Lifetimes, Opening, Sessions};
pub use snapshot::LeadSnapshot;
pub(crate) use transaction::Transaction;
pub(crate) use usage::{Meters, Usage, leads_in, storage_mb};
pub(crate) use users::{PasswordCheck, User, Users};

use recycle_bin::RecycleBin;

use crate::bulk::{Bulk, Moment};
use crate::clock::Clock;
use crate::config::OrgConfig;
use crate::faults::Faults;
use crate::oauth::{Approvals, LoginRate, RegisteredApp};
use crate::rules::Rules;
use crate::schema::{ReadOnlySchemas, Schema};
use crate::watch::Watch;

/// One org: everything that outlives a request.
pub(crate) struct Org {
    pub(crate) config: OrgConfig,
    pub(crate) apps: Vec<RegisteredApp>,
    pub(crate) users: Users,
    /// The fields of Lead.
    pub(crate) schema: Schema,
    pub(crate) rules: Rules,
    pub(crate) read_only_schemas: ReadOnlySchemas,
    pub(crate) records: Records,
    /// Wall clock, microseconds since 1970-01-01 UTC: since then schema and read-only records are what they are.
    pub(crate) started_micros: i64,
    pub(crate) clock: Arc<Clock>,
    pub(crate) faults: Faults,
    pub(crate) watch: Watch,
    pub(crate) bulk: Bulk,
    leads: Mutex<LeadStore>,
    /// Long queries in progress, each of which holds the leads or waits for them.
    long_queries: AtomicUsize,
    /// Told whenever a request lets go of rows.
    pub(crate) rows_released: Notify,
    live_leads: Arc<AtomicU64>,
    sessions: Mutex<Sessions>,
    approvals: Mutex<Approvals>,
    login_rate: Mutex<LoginRate>,
    meters: Mutex<Meters>,
    locators: Mutex<Locators>,
}

impl Org {
    /// The configuration has been checked.
    pub(crate) fn new(config: OrgConfig) -> Org {
        let schema = Schema::new(&config);
        let rules = Rules::compile(&config, &schema).expect("the configuration has been checked");
        let keys = rules
            .duplicates
            .iter()
            .map(|rule| rule.key().clone())
            .collect();
        let bin = RecycleBin::new(config.recycle_bin_days, config.recycle_bin_leads);
        let read_only_schemas = ReadOnlySchemas::new();
        let clock = Arc::new(Clock::new());
        let room = config.data_storage_mb.map_or(u64::MAX, leads_in);
        let started_micros = clock.wall_micros();
        let users = Users::new(&config);
        let micros = |seconds: u64| seconds.saturating_mul(1_000_000);
        let lifetimes = Lifetimes {
            idle_micros: config.session_idle_seconds.map(micros),
            whole_micros: config.session_lifetime_seconds.map(micros),
        };
        let leads = LeadStore::new(&schema, keys, bin).with_room(room);
        let org = Org {
            apps: config
                .apps
                .iter()
                .map(|app| RegisteredApp::new(app, &users))
                .collect(),
            live_leads: leads.counter(),
            leads: Mutex::new(leads),
            long_queries: AtomicUsize::new(0),
            rows_released: Notify::new(),
            schema,
            rules,
            records: Records::new(&config, &users, &read_only_schemas, started_micros),
            users,
            read_only_schemas,
            started_micros,
            faults: Faults::new(Arc::clone(&clock)),
            clock,
            watch: Watch::new(config.request_log_entries, config.request_log_keys),
            bulk: Bulk::new(
                config.daily_bulk_batches,
                config.daily_bulk_records,
                config.bulk_storage_bytes,
            ),
            sessions: Mutex::new(Sessions::new(lifetimes)),
            approvals: Mutex::new(Approvals::default()),
            login_rate: Mutex::new(LoginRate::default()),
            meters: Mutex::new(Meters::default()),
            locators: Mutex::new(Locators::default()),
            config,
        };
        org.arm_configured();
        org
    }

    /// Now, by both clocks.
    pub(crate) fn now(&self) -> Moment {
        Moment {
            wall_micros: self.clock.wall_micros(),
            monotonic_micros: self.clock.monotonic_micros(),
        }
    }

    pub(crate) fn leads(&self) -> MutexGuard<'_, LeadStore> {
        if self.is_in_long_query() {
            meanwhile::aside(|| lock(&self.leads))
        } else {
            lock(&self.leads)
        }
    }

    /// Says that the leads will be held for long, until the answer is dropped.
    pub(crate) fn long_query(&self) -> LongQuery<'_> {
        self.long_queries.fetch_add(1, Ordering::AcqRel);
        LongQuery(&self.long_queries)
    }

    pub(crate) fn is_in_long_query(&self) -> bool {
        self.long_queries.load(Ordering::Acquire) > 0
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        lock(&self.sessions)
    }

    /// Live leads, without waiting for their lock; those of a transaction in progress are among them.
    pub(crate) fn lead_count(&self) -> u64 {
        self.live_leads.load(Ordering::Acquire)
    }

    /// Deletes every lead for good.
    pub(crate) fn empty(&self) {
        self.leads().clear();
        self.watch.count(|stats| stats.leads = self.lead_count());
    }

    /// As it was at its start, but for the clock, which never goes back, and for ids, which are never given twice.
    /// Requests in progress go on, those that were held among them; bulk jobs do not.
    pub(crate) fn reset(&self) {
        // Jobs first: one that a fault holds must not go on to its next rows.
        self.bulk.clear();
        self.faults.clear();
        self.sessions().revoke_all();
        *self.approvals() = Approvals::default();
        *self.login_rate() = LoginRate::default();
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

    pub(crate) fn approvals(&self) -> MutexGuard<'_, Approvals> {
        lock(&self.approvals)
    }

    pub(crate) fn login_rate(&self) -> MutexGuard<'_, LoginRate> {
        lock(&self.login_rate)
    }

    pub(crate) fn locators(&self) -> MutexGuard<'_, Locators> {
        lock(&self.locators)
    }
}

/// While it lives, whoever waits for the leads leaves its thread to others.
pub(crate) struct LongQuery<'o>(&'o AtomicUsize);

impl Drop for LongQuery<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A panic under one of these locks is a bug that its request reports; the org goes on with what is there.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
