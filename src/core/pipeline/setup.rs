//! What the pipeline is built with: its settings, and its routes.

use std::sync::Arc;

use crate::core::batching::BatchLimits;
use crate::core::bulk::BulkSettings;
use crate::core::mapping::Plan;
use crate::core::retry::Backoff;
use crate::core::schema::TableName;
use crate::core::source_row::Lack;

#[derive(Clone, Copy, Debug)]
pub struct PipelineSettings {
    pub batch: BatchLimits,
    pub backoff: Backoff,
    pub record_attempts: u32,
    pub max_in_flight: usize,
    /// Salesforce unreachable for so long: what waits is parked.
    pub park_after_ms: u64,
    pub max_parked_bytes: u64,
    /// What capture may have outstanding: half of it unsettled, and batches leave without waiting.
    pub window_bytes: u32,
    pub bulk: BulkSettings,
    pub jitter_seed: u64,
}

/// What a route brings to the pipeline.
#[derive(Clone, Debug)]
pub struct RouteSetup {
    pub name: String,
    pub table: TableName,
    pub plan: Arc<Plan>,
    /// Equal for routes that write the same object by the same external id.
    pub scope: u16,
    /// It carries updates, so that a record may be sent in parts that must keep their order.
    pub updates: bool,
    /// Whether a Bulk job can do what its calls do.
    pub bulk: bool,
    /// A column of its mapping that the table does not have now.
    pub lack: Option<Lack>,
}
