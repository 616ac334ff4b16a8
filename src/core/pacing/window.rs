//! The last 24 hours in steps of five minutes: calls of ours, records that came, and how they came.
//!
//! Invariant: a call is counted for at least 24 hours. The step it was made in leaves as a whole, so
//! it may be counted for five minutes longer: the sum is never too low.

use std::collections::VecDeque;

use crate::core::time::Micros;

pub(super) const STEP_SECONDS: i64 = 300;
/// Of 24 hours.
pub(super) const STEPS: i64 = 288;
const STEP_MICROS: i64 = STEP_SECONDS * 1_000_000;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Step {
    pub calls: u64,
    pub records: u64,
    /// Sum over the routes of the square root of records times seconds: what calls are spent by.
    pub demand: f64,
    /// Seconds of it that we have seen.
    pub seconds: f64,
}

#[derive(Debug)]
pub(super) struct Window {
    /// The newest last; 24 hours and the step that is running.
    steps: VecDeque<Step>,
    /// Number of the newest since 1970.
    newest: i64,
    /// Records of the running step by route.
    arrivals: Vec<u64>,
    /// When the running step began, or our watching if that was later.
    since: Micros,
    /// Sum over all steps: it is asked for with each call.
    calls: u64,
}

impl Window {
    pub(super) fn new(routes: usize, now: Micros) -> Self {
        Self {
            steps: VecDeque::from([Step::default()]),
            newest: step_of(now),
            arrivals: vec![0; routes],
            since: now,
            calls: 0,
        }
    }

    /// Puts calls in that were made before the process started, latest at `at`.
    pub(super) fn restore(&mut self, at: Micros, calls: u64) {
        let back = (self.newest - step_of(at)).clamp(0, STEPS);
        let back = usize::try_from(back).unwrap_or(0);
        while self.steps.len() <= back {
            self.steps.push_front(Step::default());
        }
        let index = self.steps.len() - 1 - back;
        self.steps[index].calls += calls;
        self.calls += calls;
    }

    /// Goes on to `now`. A clock that was set back leaves everything where it is.
    pub(super) fn advance(&mut self, now: Micros) {
        let number = step_of(now);
        if number <= self.newest {
            return;
        }
        let end = Micros((self.newest + 1) * STEP_MICROS);
        let (demand, seconds) = (self.running_demand(end), self.running_seconds(end));
        if let Some(running) = self.steps.back_mut() {
            running.demand = demand;
            running.seconds = seconds;
        }
        self.arrivals.fill(0);
        // Steps in which nobody looked were still watched: nothing came.
        for _ in 0..(number - self.newest).min(STEPS + 1) {
            self.steps.push_back(Step {
                seconds: STEP_SECONDS as f64,
                ..Step::default()
            });
        }
        if let Some(running) = self.steps.back_mut() {
            running.seconds = 0.0;
        }
        while self.steps.len() as i64 > STEPS + 1 {
            self.calls -= self.steps.pop_front().map_or(0, |step| step.calls);
        }
        self.newest = number;
        self.since = Micros(number * STEP_MICROS);
    }

    pub(super) fn note_arrival(&mut self, route: usize) {
        self.arrivals[route] += 1;
        if let Some(running) = self.steps.back_mut() {
            running.records += 1;
        }
    }

    pub(super) fn note_calls(&mut self, calls: u64) {
        if let Some(running) = self.steps.back_mut() {
            running.calls += calls;
        }
        self.calls += calls;
    }

    /// Calls of ours in the last `steps` steps and in the running one.
    pub(super) fn calls_in(&self, steps: i64) -> u64 {
        (0..=steps).map(|back| self.back(back).calls).sum()
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    /// Calls that the last `steps` steps lose within each number of steps from now, from 0 to 288.
    pub(super) fn returned(&self, steps: i64) -> impl Iterator<Item = u64> {
        (0..=STEPS).scan(0, move |returned, ahead| {
            if (1..=steps + 1).contains(&ahead) {
                *returned += self.back(steps + 1 - ahead).calls;
            }
            Some(*returned)
        })
    }

    /// When `calls` of the last `steps` steps will have left, if nothing is added.
    pub(super) fn returns_at(&self, steps: i64, calls: u64) -> Micros {
        let mut left = 0;
        for back in (0..=steps).rev() {
            left += self.back(back).calls;
            if left >= calls {
                return Micros((self.newest - back + steps + 1) * STEP_MICROS);
            }
        }
        Micros((self.newest + steps + 1) * STEP_MICROS)
    }

    /// The step that many before the running one.
    pub(super) fn back(&self, back: i64) -> Step {
        usize::try_from(back)
            .ok()
            .and_then(|back| (self.steps.len() - 1).checked_sub(back))
            .map_or(Step::default(), |index| self.steps[index])
    }

    /// The running step as it is by now.
    pub(super) fn running(&self, now: Micros) -> Step {
        Step {
            demand: self.running_demand(now),
            seconds: self.running_seconds(now),
            ..self.back(0)
        }
    }

    fn running_seconds(&self, now: Micros) -> f64 {
        now.seconds_since(self.since)
            .clamp(0.0, STEP_SECONDS as f64)
    }

    fn running_demand(&self, now: Micros) -> f64 {
        let seconds = self.running_seconds(now);
        let roots = self.arrivals.iter();
        roots.map(|count| (*count as f64 * seconds).sqrt()).sum()
    }
}

fn step_of(at: Micros) -> i64 {
    at.0.div_euclid(STEP_MICROS)
}
