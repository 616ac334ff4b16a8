//! From armed faults to what happens to one bulk job.
//!
//! A job is drawn once, when it starts; `times` and `skip` of its faults count jobs. Records are drawn chunk by chunk.
use std::time::Duration;

use super::armed::{Armed, ArmedFault};
use super::{Action, Endpoint, FaultId, Occasion, Plan};
use crate::org::Refusal;

/// A job has neither method nor path: faults that name one are for requests alone.
const JOB: Occasion<'static> = Occasion {
    endpoint: Endpoint::Bulk,
    method: "",
    path: "",
    keys: &[],
};

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
    pub(super) fn plan_job(&mut self, now_micros: u64) -> JobPlan {
        let mut plan = JobPlan::default();
        for armed in &mut self.faults {
            if armed.fault.action.is_on_jobs()
                && armed.is_for(&JOB, now_micros)
                && armed.draw::<&str>(&[])
            {
                plan.hits += 1;
                armed.act_on_job(&mut plan);
            }
        }
        plan
    }

    pub(super) fn plan_job_records(
        &mut self,
        keys: &[&str],
        now_micros: u64,
    ) -> Vec<(usize, Vec<Refusal>)> {
        let mut plan = Plan::default();
        for armed in &mut self.faults {
            if armed.fault.action.is_on_records() && armed.is_for(&JOB, now_micros) {
                armed.draw_records(keys, &self.hasher, &mut plan);
            }
        }
        plan.records
    }
}

impl ArmedFault {
    fn act_on_job(&self, plan: &mut JobPlan) {
        match &self.fault.action {
            Action::BulkFail {
                after_rows,
                message,
            } if plan.fail.is_none() => plan.fail = Some((*after_rows, message.clone())),
            Action::BulkHold { after_rows } => plan.holds.push((*after_rows, self.id)),
            Action::BulkDelay { milliseconds } => {
                let delay = Duration::from_millis(*milliseconds);
                plan.chunk_delay = plan.chunk_delay.saturating_add(delay);
            }
            Action::BulkShuffle {} => plan.shuffle = true,
            Action::BulkExpire {} => plan.expire = true,
            _ => {}
        }
    }
}
