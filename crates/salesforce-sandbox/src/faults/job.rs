//! From armed faults to what happens to one bulk job.
//!
//! A job is drawn once, when it starts; `times` and `skip` of its faults count jobs. Records are drawn chunk by chunk.
use std::time::Duration;

use super::plan::{Armed, ArmedFault};
use super::{Action, Endpoint, FaultId, Plan};
use crate::org::Refusal;

/// What happens to one bulk job.
#[derive(Debug, Default)]
pub(crate) struct JobPlan {
    /// (rows processed before, the fault that holds it).
    pub(crate) holds: Vec<(u64, FaultId)>,
    /// (rows processed before, `errorMessage`).
    pub(crate) fail: Option<(u64, String)>,
    pub(crate) chunk_delay: Duration,
    pub(crate) shuffle: bool,
    pub(crate) expire: bool,
    pub(crate) hits: u64,
}

impl Armed {
    pub(super) fn plan_job(&mut self) -> JobPlan {
        let mut plan = JobPlan::default();
        for armed in &mut self.faults {
            if armed.is_for_jobs() && armed.is_for(Endpoint::Bulk) && armed.draw(&[]) {
                plan.hits += 1;
                armed.act_on_job(&mut plan);
            }
        }
        plan
    }

    pub(super) fn plan_job_records(&mut self, keys: &[&str]) -> Vec<(usize, Refusal)> {
        let mut plan = Plan::default();
        for armed in &mut self.faults {
            if armed.is_for(Endpoint::Bulk) {
                armed.draw_records(keys, &mut plan);
            }
        }
        plan.records
    }
}

impl ArmedFault {
    /// Whether it acts on bulk jobs as such, and not on requests or records.
    pub(super) fn is_for_jobs(&self) -> bool {
        matches!(
            self.fault.action,
            Action::BulkFail { .. }
                | Action::BulkHold { .. }
                | Action::BulkDelay { .. }
                | Action::BulkShuffle
                | Action::BulkExpire
        )
    }

    fn act_on_job(&self, plan: &mut JobPlan) {
        match &self.fault.action {
            Action::BulkFail {
                after_rows,
                message,
            } if plan.fail.is_none() => plan.fail = Some((*after_rows, message.clone())),
            Action::BulkHold { after_rows } => plan.holds.push((*after_rows, self.id)),
            Action::BulkDelay { milliseconds } => {
                plan.chunk_delay += Duration::from_millis(*milliseconds);
            }
            Action::BulkShuffle => plan.shuffle = true,
            Action::BulkExpire => plan.expire = true,
            _ => {}
        }
    }
}
