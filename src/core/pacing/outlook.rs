//! What the next 24 hours may bring: yesterday's hours where they are known, the mean of what is
//! known where not, and what is different now fades within the hour.

use super::plan::{Expected, FINE_SPANS, SPANS};
use super::window::{STEP_SECONDS, STEPS, Step};
use super::{HOUR_STEPS, Pacing};
use crate::core::time::Micros;

/// Steps of a half hour.
const HALF_HOUR: i64 = 6;
/// Now is the running step and so many before it.
const NOW_STEPS: i64 = 3;
/// How fast a difference from the usual is expected to pass.
const FADES_IN_SECONDS: f64 = 3_600.0;
/// What is known is taken for what came in so long, even if it was watched for less: what a start
/// finds waiting is no rate.
const CURRENT_OVER_SECONDS: f64 = 300.0;
const MEAN_OVER_SECONDS: f64 = 1_800.0;
const TRIMMED_FROM_SECONDS: f64 = 3.0 * 3_600.0;
/// Part of the calls that is not planned with: forecasts are wrong.
const SLACK: f64 = 0.002;

/// Per second.
#[derive(Clone, Copy)]
struct Pace {
    records: f64,
    demand: f64,
}

impl Pacing {
    pub(super) fn expected(&self, now: Micros) -> [Expected; SPANS] {
        let current = self.current(now);
        let mean = self.mean(now);
        let usual = |ahead: i64| self.yesterday(ahead).unwrap_or(mean);
        let usually_now = usual(0);
        let mut expected = [Expected::default(); SPANS];
        let may_spend = self.may_spend();
        let mut begin = 0;
        for (index, span) in expected.iter_mut().enumerate() {
            let end = begin + if index < FINE_SPANS { 1 } else { HALF_HOUR };
            let usual = usual(begin);
            let seconds = ((end - begin) * STEP_SECONDS) as f64;
            let middle = (begin * STEP_SECONDS) as f64 + seconds / 2.0;
            let still = (-middle / FADES_IN_SECONDS).exp();
            let blend = |usual: f64, current: f64, usually: f64| {
                (usual + (current - usually) * still).max(usual * 0.1) * seconds
            };
            span.records = blend(usual.records, current.records, usually_now.records);
            span.demand = blend(usual.demand, current.demand, usually_now.demand);
            span.may_spend = may_spend[end as usize];
            begin = end;
        }
        expected
    }

    /// Calls from now on until so many steps have passed, by their number.
    fn may_spend(&self) -> Vec<f64> {
        let left = |limit: u64, used: u64, back: u64| {
            limit as f64 * (1.0 - SLACK) - used as f64 - self.in_flight as f64 + back as f64
        };
        let others = self.used_by_others();
        let used = self.window.calls();
        let daily = self
            .window
            .returned(STEPS)
            .zip(0_i64..)
            .map(|(back, ahead)| {
                let others = others + self.others.grow_in(ahead * STEP_SECONDS);
                let limit = self.limit_beside(others);
                limit.map_or(f64::INFINITY, |limit| left(limit, used, back))
            });
        let in_hour = self.window.calls_in(HOUR_STEPS);
        let hourly = self.window.returned(HOUR_STEPS).zip(0_i64..);
        let hourly = hourly.map(|(back, ahead)| {
            // In each further hour the cap can be spent anew.
            let anew = (ahead - HOUR_STEPS).max(0) as f64 / HOUR_STEPS as f64;
            let cap = self.settings.hourly_calls;
            cap.map_or(f64::INFINITY, |cap| {
                left(cap, in_hour, back) + anew * cap as f64
            })
        });
        daily.zip(hourly).map(|(day, hour)| day.min(hour)).collect()
    }

    fn current(&self, now: Micros) -> Pace {
        let mut sum = self.window.running(now);
        for back in 1..=NOW_STEPS {
            sum = sum.and(self.window.back(back));
        }
        sum.over_at_least(CURRENT_OVER_SECONDS)
    }

    /// Over all that is known, but for the busiest hour: a surge that was is not expected again.
    fn mean(&self, now: Micros) -> Pace {
        let mut sum = self.window.running(now);
        let mut busiest = Step::default();
        for hour in 0..STEPS / HOUR_STEPS {
            let mut of_hour = Step::default();
            for back in 1..=HOUR_STEPS {
                of_hour = of_hour.and(self.window.back(hour * HOUR_STEPS + back));
            }
            sum = sum.and(of_hour);
            if of_hour.demand > busiest.demand {
                busiest = of_hour;
            }
        }
        if sum.seconds >= TRIMMED_FROM_SECONDS {
            sum = sum.without(busiest);
        }
        sum.over_at_least(MEAN_OVER_SECONDS)
    }

    /// The half hour that begins so many steps from now, a day before.
    fn yesterday(&self, ahead: i64) -> Option<Pace> {
        let mut sum = Step::default();
        for step in 1..=HALF_HOUR {
            let back = STEPS - ahead - step;
            sum = sum.and(self.window.back(back.max(0)));
        }
        let whole = (HALF_HOUR * STEP_SECONDS) as f64 - 1.0;
        (sum.seconds >= whole).then(|| sum.over_at_least(whole))
    }
}

impl Step {
    fn over_at_least(self, seconds: f64) -> Pace {
        let seconds = self.seconds.max(seconds);
        Pace {
            records: self.records as f64 / seconds,
            demand: self.demand / seconds,
        }
    }

    fn and(self, other: Step) -> Step {
        Step {
            calls: self.calls + other.calls,
            records: self.records + other.records,
            demand: self.demand + other.demand,
            seconds: self.seconds + other.seconds,
        }
    }

    fn without(self, other: Step) -> Step {
        Step {
            calls: self.calls - other.calls,
            records: self.records - other.records,
            demand: self.demand - other.demand,
            seconds: self.seconds - other.seconds,
        }
    }
}
