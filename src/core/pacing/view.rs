//! What pacing shows of itself.

use super::{HOUR_STEPS, Hold, OrgUsage, Pacing, window};
use crate::core::time::{Micros, Tick};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PaceView {
    /// Calls of ours in the last 24 hours.
    pub used: u64,
    pub used_last_hour: u64,
    /// As many may there be; `None` while nothing sets a limit.
    pub limit: Option<u64>,
    pub hourly_limit: Option<u64>,
    /// Kept back, and spent only on records that are nearly an hour old.
    pub reserve: u64,
    /// Calls of all others of the org.
    pub used_by_others: u64,
    pub org: Option<OrgUsage>,
    /// The oldest record of a batch waits at most so long now.
    pub max_age_ms: u64,
    /// Longer than it should be: the budget is short.
    pub stretched: bool,
    /// When the calls are spent if they go on as in the last hour; `None`: they last.
    pub lasts_until: Option<Micros>,
    /// Seconds until then; 24 hours when they last.
    pub lasts_seconds: f64,
    /// When the first calls of ours come back; `None` when there are none.
    pub returns_at: Option<Micros>,
    /// Why nothing leaves, and since when; set by whoever holds.
    pub hold: Option<(Hold, Tick)>,
}

const DAY_SECONDS: f64 = 86_400.0;

impl Pacing {
    #[must_use]
    pub fn view(&self, now: Micros) -> PaceView {
        let limit = self.limit();
        let lasts_until = self.lasts_until(now);
        PaceView {
            used: self.window.calls(),
            used_last_hour: self.window.calls_in(HOUR_STEPS),
            limit,
            hourly_limit: self.settings.hourly_calls,
            reserve: self
                .limit_with_reserve()
                .unwrap_or(0)
                .saturating_sub(limit.unwrap_or(0)),
            used_by_others: self.used_by_others(),
            org: self.org,
            max_age_ms: self.plan.max_age_ms,
            stretched: self.plan.max_age_ms > self.settings.max_age_ms,
            lasts_until,
            lasts_seconds: lasts_until.map_or(DAY_SECONDS, |at| at.seconds_since(now).max(0.0)),
            returns_at: (self.window.calls() > 0).then(|| self.window.returns_at(window::STEPS, 1)),
            hold: None,
        }
    }

    /// When the calls of 24 hours are spent if they go on as they did in the last hour.
    fn lasts_until(&self, now: Micros) -> Option<Micros> {
        let limit = self.limit()?;
        let used = self.window.calls() + self.in_flight;
        if used >= limit {
            return Some(now);
        }
        let running = self.window.running(now);
        let watched: f64 = (1..=HOUR_STEPS)
            .map(|back| self.window.back(back).seconds)
            .sum();
        let seconds = (watched + running.seconds).max(window::STEP_SECONDS as f64);
        let calls = self.window.calls_in(HOUR_STEPS);
        let by_step = calls as f64 / seconds * window::STEP_SECONDS as f64;
        let left = (limit - used) as f64;
        let mut ahead = self.window.returned(window::STEPS).zip(0_i64..);
        let (_, steps) =
            ahead.find(|(back, steps)| by_step * *steps as f64 - *back as f64 > left)?;
        Some(Micros(now.0 + steps * window::STEP_SECONDS * 1_000_000))
    }
}
