//! The state of the whole org at one moment, for those who watch it from outside.
use serde::{Deserialize, Serialize};

use super::{LeadSnapshot, Org, id, storage_mb};
use crate::bulk::JobSnapshot;
use crate::config::QuotaMode;
use crate::edition::Edition;
use crate::faults::{FaultStatus, HeldRequest};
use crate::watch::Stats;

/// What is used of something that is limited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    pub used: u64,
    pub max: u64,
}

/// What is used of an org's limits; those of a day are of the rolling 24 hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageReport {
    pub api_calls: Allowance,
    pub api_mode: QuotaMode,
    /// Calls at which the next one is refused; nothing is refused when absent.
    pub api_calls_refused_from: Option<u64>,
    /// Calls in progress for 20 seconds or more.
    pub long_calls: Allowance,
    pub bulk_batches: Allowance,
    pub data_storage_mb: Allowance,
}

/// The org without what it holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    pub org_id: String,
    pub edition: Option<Edition>,
    /// The field in which keys are looked up.
    pub key_field: String,
    /// The org's clock, microseconds since 1970-01-01 UTC.
    pub now_wall_micros: i64,
    /// Microseconds since the org was started, on the org's clock.
    pub now_monotonic_micros: u64,
    pub stats: Stats,
    pub usage: UsageReport,
    /// Sessions that live.
    pub sessions: u64,
    /// Whether single-step mode is on.
    pub stepping: bool,
    pub faults: Vec<FaultStatus>,
    pub held: Vec<HeldRequest>,
}

/// Everything that an org holds but for its request log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrgSnapshot {
    #[serde(flatten)]
    pub overview: Overview,
    /// Oldest first.
    pub leads: Vec<LeadSnapshot>,
    /// Oldest first.
    pub jobs: Vec<JobSnapshot>,
}

/// What `/limits` says where the configuration does not.
const DATA_STORAGE_MB: u64 = 10_240;

impl Org {
    pub(crate) fn data_storage_mb(&self) -> u64 {
        self.config.data_storage_mb.unwrap_or(DATA_STORAGE_MB)
    }

    /// Calls after which the next one is refused; nothing stops a soft allocation without a cap (facts 6.1).
    pub(crate) fn api_calls_refused_from(&self) -> Option<u64> {
        let limit = self.config.daily_api_requests;
        match self.config.daily_api_mode {
            QuotaMode::Hard => Some(limit),
            QuotaMode::Soft => self
                .config
                .daily_api_overshoot
                .map(|more| limit.saturating_add(more)),
        }
    }

    pub(crate) fn usage(&self) -> UsageReport {
        let now = self.clock.monotonic_micros();
        let leads = self.leads().count();
        let mut meters = self.meters();
        let of = |used, max| Allowance { used, max };
        UsageReport {
            api_calls: of(meters.api_calls.used(now), self.config.daily_api_requests),
            api_mode: self.config.daily_api_mode,
            api_calls_refused_from: self.api_calls_refused_from(),
            long_calls: of(
                self.watch.long_calls(now),
                self.config.concurrent_long_requests,
            ),
            bulk_batches: of(
                self.bulk.batches_used(self.now()),
                self.config.daily_bulk_batches,
            ),
            data_storage_mb: of(storage_mb(leads), self.data_storage_mb()),
        }
    }

    /// Counts calls and batches that nobody made here.
    pub(crate) fn use_up(&self, api_calls: u64, bulk_batches: u64) {
        let now = self.clock.monotonic_micros();
        self.meters().api_calls.count_many(api_calls, now);
        self.bulk.use_up_batches(bulk_batches, self.now());
    }

    pub(crate) fn overview(&self) -> Overview {
        let now = self.clock.monotonic_micros();
        let sessions = self.sessions().count(now);
        Overview {
            org_id: id::org(),
            edition: self.config.edition,
            key_field: self.usual_key().to_owned(),
            now_wall_micros: self.clock.wall_micros(),
            now_monotonic_micros: now,
            stats: self.watch.stats(),
            usage: self.usage(),
            sessions,
            stepping: self.faults.is_stepping(),
            faults: self.faults.list(),
            held: self.faults.held(),
        }
    }

    pub(crate) fn snapshot(&self) -> OrgSnapshot {
        let overview = self.overview();
        let leads = self.leads().snapshot(&self.schema, 0, usize::MAX);
        let jobs = self.bulk.snapshots(self.now());
        OrgSnapshot {
            overview,
            leads,
            jobs,
        }
    }
}
