//! What the driver carries between Salesforce's use of calls and pacing: the usage that answers
//! tell, and the question for it when no answer comes.

use tokio::task::{JoinError, JoinSet};

use super::Driver;
use crate::core::pacing::{OrgUsage, PaceView};
use crate::core::pipeline::Input;
use crate::core::time::{Micros, Tick};
use crate::runtime::commands::Declined;
use crate::runtime::status::{BudgetStatus, TroubleStatus};
use crate::runtime::{Error, clock};
use crate::telemetry::metrics::Metrics;

/// The question for the org's use; one at a time.
#[derive(Default)]
pub(super) struct UsageQuestion {
    pub asked: JoinSet<bool>,
}

impl Driver {
    /// Calls that were made before the loop began (logins do not count, describes do).
    pub(super) fn note_calls_of_start(&mut self) {
        let calls = self.parts.org.usage().calls_made;
        self.parts.pipeline.note_other_calls(calls);
        self.note_usage();
    }

    /// Hands on what the last answer told of the org.
    pub(super) fn note_usage(&mut self) {
        let usage = self.parts.org.usage();
        if let (Some(used), Some(limit)) = (usage.api_used, usage.api_limit) {
            let usage = OrgUsage { used, limit };
            self.parts.pipeline.note_usage(usage, clock::now());
        }
    }

    /// Asks for the limits when pacing waits for others: no answer of ours would tell.
    pub(super) fn ask_usage(&mut self) {
        if self.parts.pipeline.take_usage_wish() && self.usage.asked.is_empty() {
            let org = self.parts.org.clone();
            self.usage.asked.spawn(async move {
                let limits = org.limits().await;
                if let Err(failure) = &limits {
                    tracing::debug!("the org's limits cannot be read: {}", failure.text);
                }
                limits.is_ok()
            });
        }
    }

    /// Takes calls for something outside the pipeline, such as a comparison beside it: never from
    /// the reserve.
    pub(super) fn spend_calls(&mut self, calls: u64) -> Result<u64, Declined> {
        let left = self.parts.pipeline.affordable_calls();
        if left.is_some_and(|left| left < calls) {
            return Err(Declined {
                page: "LS6030".to_owned(),
                text: "the budget has no call left beside its reserve".to_owned(),
                remedy: "wait until calls come back: `leadstream status` says when".to_owned(),
            });
        }
        self.parts.pipeline.note_other_calls(calls);
        Ok(left.map_or(u64::MAX, |left| left - calls))
    }

    pub(super) fn take_usage(&mut self, told: Result<bool, JoinError>) -> Result<(), Error> {
        self.parts.pipeline.note_other_calls(1);
        if told.unwrap_or(false) {
            self.note_usage();
        }
        self.step(Input::Timer)
    }

    /// Publishes pacing's figures as metrics, and gives them for the status.
    pub(super) fn observe_budget(&self, wall: Micros) -> Option<BudgetStatus> {
        let view = self.parts.pipeline.pace_view(wall)?;
        show(&view, &self.parts.metrics);
        Some(BudgetStatus {
            used: view.used,
            used_last_hour: view.used_last_hour,
            limit: view.limit,
            hourly_limit: view.hourly_limit,
            reserve: view.reserve,
            used_by_others: view.used_by_others,
            lasts_until: view.lasts_until,
            calls_return_at: view.returns_at,
            max_age_ms: view.max_age_ms,
            stretched: view.stretched,
            held_until: view.hold.map(|(hold, _)| hold.until),
        })
    }

    /// Why pacing lets nothing out, if it does not.
    pub(super) fn hold_trouble(&self, tick: Tick, wall: Micros) -> Option<TroubleStatus> {
        let (hold, since) = self.parts.pipeline.pace_view(wall)?.hold?;
        let ago = i64::try_from(tick.since(since)).unwrap_or(0) * 1_000;
        Some(TroubleStatus {
            page: hold.reason.page().to_owned(),
            text: hold.reason.text().to_owned(),
            remedy: hold.reason.remedy().to_owned(),
            since: Micros(wall.0 - ago),
            // Nothing is tried: it ends by the clock.
            attempt: 0,
            next_try: Some(hold.until),
        })
    }
}

fn show(view: &PaceView, metrics: &Metrics) {
    let gauge = |calls: u64| i64::try_from(calls).unwrap_or(i64::MAX);
    metrics.budget_used.set(gauge(view.used));
    metrics.budget_limit.set(gauge(view.limit.unwrap_or(0)));
    metrics.budget_lasts.set(view.lasts_seconds);
    metrics.max_age.set(view.max_age_ms as f64 / 1e3);
    metrics.budget_held.set(i64::from(view.hold.is_some()));
}
