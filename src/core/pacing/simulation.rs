//! Days that pass in milliseconds: arrivals, the rules that could send them, and what each costs.
//!
//! A call is answered at once here: what is measured is the wait that a rule adds. Days are made
//! from a seed and are the same each time.

mod compare;
mod days;

pub use compare::{FixedRule, best_knowing_all, fixed};
pub use days::Day;

use std::collections::VecDeque;

use super::{OrgUsage, PaceSettings, Pacing, QuietHours};
use crate::core::time::{Micros, Now, Tick};

/// What a rule made of a day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    pub calls: u64,
    /// Most calls of ours in any 24 hours.
    pub most_in_a_day: u64,
    pub most_in_an_hour: u64,
    pub records: usize,
    pub mean_ms: f64,
    pub p50_ms: u64,
    pub p99_ms: u64,
    pub max_ms: u64,
    /// Records that were not sent by the end.
    pub left: usize,
    /// Calls of the whole org in the last 24 hours, at their most.
    pub org_used: u64,
    /// Calls in each hour, and the mean wait of the records that came in it.
    pub hours: Vec<(u64, f64)>,
}

/// The scenario's budget: 15,000 calls, a fifth of them kept back.
#[must_use]
pub fn scenario_settings() -> PaceSettings {
    PaceSettings {
        daily_calls: Some(15_000),
        reserve_percent: 20,
        hourly_calls: None,
        quiet: QuietHours::default(),
        max_age_ms: 1_000,
        max_age_stretched_ms: 60_000,
        max_records: 200,
    }
}

/// The start of the simulated time: a Monday, midnight.
const EPOCH_MICROS: i64 = 1_750_032_000_000_000;

/// Puts a day's arrivals through pacing.
#[must_use]
pub fn paced(settings: &PaceSettings, day: &Day) -> Report {
    let now_at = |ms: u64| Now {
        tick: Tick(ms),
        wall: Micros(EPOCH_MICROS + i64::try_from(ms).unwrap_or(i64::MAX / 1_000) * 1_000),
    };
    let before: Vec<(Micros, u64)> = day
        .calls_before
        .iter()
        .map(|(hours_ago, calls)| (Micros(EPOCH_MICROS - hours_ago * 3_600_000_000), *calls))
        .collect();
    let mut pacing = Pacing::new(settings.clone(), 1, &before, now_at(0));
    let mut sends = Sends::new(day);
    let mut waiting: VecDeque<u64> = VecDeque::new();
    let mut arrivals = day.arrivals_ms.iter().copied().peekable();
    let mut held_until: u64 = 0;
    let mut now_ms = 0;
    loop {
        let due = waiting.front().map(|first| {
            let due = pacing.linger(0).due_at(waiting.len(), Tick(*first)).0;
            // A plan made anew may find that more should leave.
            due.min(now_ms + 60_000).max(held_until)
        });
        let Some(next) = arrivals.peek().copied().into_iter().chain(due).min() else {
            break;
        };
        now_ms = next.max(now_ms);
        if now_ms >= day.length_ms {
            break;
        }
        while arrivals.peek().is_some_and(|at| *at <= now_ms) {
            arrivals.next();
            waiting.push_back(now_ms);
            pacing.note_arrival(0, true, Tick(now_ms));
        }
        let now = now_at(now_ms);
        if let Some(limit) = day.org_limit {
            let used = sends.org_used(now_ms);
            pacing.note_usage(OrgUsage { used, limit }, now.wall);
        }
        pacing.advance(now);
        while let Some(first) = waiting.front() {
            let linger = pacing.linger(0);
            if now_ms < held_until || !linger.is_due(waiting.len(), Tick(*first), now.tick) {
                break;
            }
            let committed = now_at(*first).wall;
            if let Some(hold) = pacing.hold(Some(committed), now.wall) {
                let wait = (hold.until.0 - now.wall.0).max(1_000) as u64;
                held_until = now_ms + wait.div_ceil(1_000);
                break;
            }
            let count = waiting.len().min(settings.max_records);
            pacing.note_sent(0);
            pacing.note_answered(1);
            sends.send(now_ms, waiting.drain(..count));
        }
    }
    sends.report(waiting.len() + arrivals.count())
}

/// What was sent when.
struct Sends<'a> {
    day: &'a Day,
    calls_ms: Vec<u64>,
    waits: Vec<(u64, u64)>,
    org_used: u64,
}

impl<'a> Sends<'a> {
    fn new(day: &'a Day) -> Self {
        Self {
            day,
            calls_ms: Vec::new(),
            waits: Vec::with_capacity(day.arrivals_ms.len()),
            org_used: 0,
        }
    }

    fn send(&mut self, at_ms: u64, records: impl Iterator<Item = u64>) {
        self.calls_ms.push(at_ms);
        self.waits.extend(records.map(|came| (came, at_ms - came)));
        self.org_used = self.org_used.max(self.org_used(at_ms));
    }

    /// Calls of the whole org in the last 24 hours.
    fn org_used(&self, now_ms: u64) -> u64 {
        let since = now_ms.saturating_sub(DAY_MS);
        let first = self.calls_ms.partition_point(|at| *at < since);
        let own = (self.calls_ms.len() - first) as u64;
        let hours = now_ms as f64 / HOUR_MS as f64;
        let before = self.day.calls_before.iter();
        let before: u64 = before
            .filter(|(ago, _)| *ago as f64 + hours < 24.0)
            .map(|(_, calls)| calls)
            .sum();
        own + before + (self.day.others)(hours)
    }

    /// Most calls in any such span.
    fn most_within(&self, span_ms: u64) -> u64 {
        let mut first = 0;
        let mut most = 0;
        for (index, at) in self.calls_ms.iter().enumerate() {
            while self.calls_ms[first] + span_ms <= *at {
                first += 1;
            }
            most = most.max(index + 1 - first);
        }
        most as u64
    }

    fn report(mut self, left: usize) -> Report {
        let mut hours = vec![(0, 0.0); (self.day.length_ms / HOUR_MS) as usize];
        let mut came = vec![0_u64; hours.len()];
        for at in &self.calls_ms {
            hours[(at / HOUR_MS) as usize].0 += 1;
        }
        for (at, wait) in &self.waits {
            let hour = (at / HOUR_MS) as usize;
            hours[hour].1 += *wait as f64;
            came[hour] += 1;
        }
        for (hour, came) in hours.iter_mut().zip(came) {
            hour.1 /= came.max(1) as f64;
        }
        let most_in_a_day = self.most_within(DAY_MS);
        let most_in_an_hour = self.most_within(HOUR_MS);
        let mut waits: Vec<u64> = self.waits.drain(..).map(|(_, wait)| wait).collect();
        waits.sort_unstable();
        let sum: u64 = waits.iter().sum();
        let at = |percent: usize| {
            let index = (waits.len() * percent / 100).min(waits.len().saturating_sub(1));
            waits.get(index).copied().unwrap_or(0)
        };
        Report {
            calls: self.calls_ms.len() as u64,
            most_in_a_day,
            most_in_an_hour,
            records: waits.len(),
            mean_ms: sum as f64 / waits.len().max(1) as f64,
            p50_ms: at(50),
            p99_ms: at(99),
            max_ms: at(100),
            left,
            org_used: self.org_used,
            hours,
        }
    }
}

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
