//! What the service shows of itself: one value, published by the driver, read by everybody else.
//! Durable and in-memory facts are named apart.

mod bulk;
mod snapshot;

use std::sync::{Arc, RwLock};

use serde::{Deserialize, Serialize};

use crate::core::acts::OperatorPause;
use crate::core::entry::Totals;
use crate::core::position::Checkpoint;
use crate::core::time::Micros;
use crate::runtime::clock;
use crate::state::Room;

pub use bulk::{BulkJobStatus, BulkStatus};
pub use snapshot::{SnapshotStatus, SnapshotTableStatus};

/// The service at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub pid: u32,
    pub started_at: Micros,
    /// When this was true.
    pub as_of: Micros,
    pub stage: Stage,
    pub source: SourceStatus,
    pub delivery: DeliveryStatus,
    pub routes: Vec<RouteStatus>,
    /// The last one, running or not.
    #[serde(default)]
    pub snapshot: Option<SnapshotStatus>,
    /// When the oldest row without an outcome was committed; `None` when there is none. Rows of
    /// snapshots do not count.
    pub oldest_unsettled: Option<Micros>,
    /// The last one that is on disk.
    pub checkpoint: Option<Checkpoint>,
    pub checkpoint_at: Option<Micros>,
    /// Something of the stream waits for the checkpoint to pass it.
    #[serde(default)]
    pub checkpoint_waits: bool,
    pub state: StateStatus,
    /// The disk of the state folder.
    #[serde(default)]
    pub disk: DiskStatus,
}

/// Where the service is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    Starting,
    Running,
    Stopping,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SourceStatus {
    pub connected: bool,
    pub server_version: Option<String>,
    pub reconnects: u64,
    /// Why the stream is down, or why capture stopped.
    pub trouble: Option<TroubleStatus>,
    /// Capture waits for a person.
    pub stopped: bool,
    /// The server's binlog grows, and no event comes.
    #[serde(default)]
    pub stalled: bool,
    /// Times the stream was opened anew for that.
    #[serde(default)]
    pub stalls: u64,
    /// Of the server's binlog, not read yet; `None`: not known.
    #[serde(default)]
    pub behind_bytes: Option<u64>,
    /// How long the server still keeps what is not read; `None`: not known, or for ever.
    #[serde(default)]
    pub retention_left_seconds: Option<i64>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DeliveryStatus {
    pub calls_in_flight: usize,
    pub allowed_in_flight: usize,
    /// Why nothing is sent to the org.
    pub trouble: Option<TroubleStatus>,
    pub api_calls_made: u64,
    pub api_used: Option<u64>,
    pub api_limit: Option<u64>,
    pub logins: u64,
    /// Calls as a resource: what is spent, what is left, how long it lasts.
    #[serde(default)]
    pub budget: Option<BudgetStatus>,
    /// Where the org's pages are; `None` before the first login.
    #[serde(default)]
    pub instance_url: Option<String>,
}

/// Calls of ours, over a rolling 24 hours.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BudgetStatus {
    pub used: u64,
    pub used_last_hour: u64,
    /// Without the reserve; `None` while neither the configuration nor Salesforce has told one.
    pub limit: Option<u64>,
    pub hourly_limit: Option<u64>,
    /// Kept back, and spent only on what is nearly an hour old.
    pub reserve: u64,
    /// Calls of everybody else in the org.
    pub used_by_others: u64,
    /// When it is spent if calls go on as in the last hour; `None`: it lasts.
    pub lasts_until: Option<Micros>,
    /// When the first calls leave the 24 hours.
    pub calls_return_at: Option<Micros>,
    /// How long the oldest record of a batch may wait for company now.
    pub max_age_ms: u64,
    /// That is longer than `batch.max_age`.
    pub stretched: bool,
    /// Nothing leaves until then.
    pub held_until: Option<Micros>,
}

/// Something that is wrong, with what to do about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TroubleStatus {
    pub page: String,
    pub text: String,
    pub remedy: String,
    pub since: Micros,
    /// Tries so far.
    pub attempt: u32,
    pub next_try: Option<Micros>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RouteStatus {
    pub name: String,
    pub captured: u64,
    pub in_flight: u64,
    pub totals: Totals,
    pub balances: bool,
    pub trouble: Option<TroubleStatus>,
    /// What goes by Bulk, if anything does.
    #[serde(default)]
    pub bulk: Option<BulkStatus>,
    /// An operator paused it, or one that writes the same records. It names people: a status that is
    /// shown to anybody goes without, and `operator` adds it where it is known who asks.
    #[serde(default, skip_serializing)]
    pub operator_pause: Option<OperatorPause>,
    /// API name of what it writes in Salesforce.
    #[serde(default)]
    pub object: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StateStatus {
    pub journal_bytes: u64,
    pub journal_segments: u64,
    /// Free on the disk beside the reserve, at the last look.
    #[serde(default)]
    pub free_bytes: Option<u64>,
    pub last_commit: u64,
    pub index_applied: u64,
    pub index_rebuilding: bool,
    pub index_bytes: u64,
    pub parked_bytes: u64,
    /// Records in memory.
    pub records: usize,
}

/// Whether the disk of the state folder has room.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DiskStatus {
    pub room: Room,
    /// Why nothing is sent for want of room.
    pub trouble: Option<TroubleStatus>,
}

impl SourceStatus {
    /// Shows a trouble; one that goes on keeps its beginning.
    pub fn set_trouble(&mut self, mut trouble: TroubleStatus) {
        if let Some(known) = &self.trouble {
            trouble.since = known.since;
        }
        self.trouble = Some(trouble);
    }
}

impl Status {
    /// Seconds that the oldest row without an outcome has been waiting at `now`.
    #[must_use]
    pub fn lag_seconds(&self, now: Micros) -> f64 {
        self.oldest_unsettled
            .map_or(0.0, |oldest| now.seconds_since(oldest).max(0.0))
    }

    /// Ready = the stream stands, and nothing waits for a person. Salesforce being away is no
    /// reason: taking this instance out of service would not bring it back.
    #[must_use]
    pub fn not_ready_because(&self) -> Option<String> {
        match self.stage {
            Stage::Starting => {
                let waits_for = |side: &str, trouble: &Option<TroubleStatus>| {
                    trouble
                        .as_ref()
                        .map(|trouble| format!("starting, waits for {side}: {}", trouble.text))
                };
                waits_for("MySQL", &self.source.trouble)
                    .or_else(|| waits_for("Salesforce", &self.delivery.trouble))
                    .or_else(|| Some("starting".to_owned()))
            }
            Stage::Stopping => Some("stopping".to_owned()),
            Stage::Running if self.disk.room != Room::Enough => {
                Some("state: the disk has no room, nothing is sent (LS3030)".to_owned())
            }
            Stage::Running if self.source.stopped || !self.source.connected => {
                let Some(trouble) = &self.source.trouble else {
                    return Some("capture: connecting".to_owned());
                };
                let seconds = self.as_of.seconds_since(trouble.since).max(0.0);
                Some(format!("capture: {} (for {seconds:.0} s)", trouble.text))
            }
            // The stream may stand again; only an event proves that it works.
            Stage::Running if self.source.stalled => {
                Some("capture: the server's binlog grows, but no event comes (LS1034)".to_owned())
            }
            Stage::Running => None,
        }
    }
}

/// The published status; cheap to clone, cheap to read.
#[derive(Clone, Debug)]
pub struct Published(Arc<RwLock<Arc<Status>>>);

impl Published {
    #[must_use]
    pub fn new(status: Status) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(status))))
    }

    pub fn publish(&self, status: Status) {
        // A reader that panicked cannot have left half a pointer behind.
        *self
            .0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(status);
    }

    #[must_use]
    pub fn read(&self) -> Arc<Status> {
        Arc::clone(
            &self
                .0
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }

    /// Publishes the last status with a change.
    pub fn update(&self, change: impl FnOnce(&mut Status)) {
        // Under the lock: the driver is not the only one who changes it.
        let mut published = self
            .0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut status = Status::clone(&published);
        change(&mut status);
        status.as_of = clock::wall();
        *published = Arc::new(status);
    }
}
