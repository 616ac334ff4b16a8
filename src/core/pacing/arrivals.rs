//! How fast a route's records come, and how many of them should leave together.
//!
//! Arrivals are taken for memoryless: how long nothing came says nothing about when something will,
//! so the best rule that sees only the past is a number of records to wait for, and that number
//! depends on the rate alone. The rate is measured over the last hundred records, however long they
//! took: a surge is seen within seconds, and a quiet night is not mistaken for a trend.

use std::collections::VecDeque;

use crate::core::time::Tick;

/// Enough for a rate that is right to 10 %: the number of records goes with its root.
const MEASURED_OVER: usize = 100;

/// Before anything is known, one record a minute.
const PRIOR_MS: u64 = 60_000;

/// More than 4,000 records a second need not be told apart: full calls leave anyway.
const SHORTEST_SPAN_MS: u64 = 25;

/// A wait that nobody notices beside the call itself: in a flood it fills the calls.
const UNNOTICED_MS: u64 = 50;

/// Fractional parts of its multiples are spread evenly: thresholds between two numbers alternate.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

#[derive(Debug)]
pub(super) struct Arrivals {
    recent: VecDeque<Tick>,
    started: Tick,
    batches: u64,
}

/// When a queue's records leave, as long as no other arrives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Linger {
    /// Records per root of records a second.
    scale: f64,
    arrivals: f64,
    since: Tick,
    prior_ms: u64,
    /// In 0..1: rounds the threshold down or up.
    dither: f64,
    unnoticed_ms: u64,
    max_records: usize,
    /// The oldest record waits no longer, whatever has come.
    pub max_age_ms: u64,
}

impl Arrivals {
    pub(super) fn new(started: Tick) -> Self {
        Self {
            recent: VecDeque::with_capacity(MEASURED_OVER),
            started,
            batches: 0,
        }
    }

    pub(super) fn note(&mut self, at: Tick) {
        if self.recent.len() == MEASURED_OVER {
            self.recent.pop_front();
        }
        self.recent.push_back(at);
    }

    pub(super) fn note_batch(&mut self) {
        self.batches += 1;
    }

    pub(super) fn linger(
        &self,
        scale: f64,
        max_age_ms: u64,
        unstretched_ms: u64,
        max_records: usize,
    ) -> Linger {
        let full = self.recent.len() == MEASURED_OVER;
        let oldest = self.recent.front().copied();
        Linger {
            scale,
            arrivals: self.recent.len() as f64 + if full { 0.0 } else { 1.0 },
            since: oldest.filter(|_| full).unwrap_or(self.started),
            prior_ms: if full { 0 } else { PRIOR_MS },
            dither: (self.batches as f64 * GOLDEN).fract(),
            unnoticed_ms: UNNOTICED_MS.min(unstretched_ms),
            max_records,
            max_age_ms,
        }
    }
}

impl Linger {
    /// A queue that waits for nothing but age and size.
    #[must_use]
    pub fn by_age(max_age_ms: u64, max_records: usize) -> Self {
        Self {
            scale: f64::INFINITY,
            arrivals: 1.0,
            since: Tick(0),
            prior_ms: PRIOR_MS,
            dither: 0.0,
            unnoticed_ms: 0,
            max_records,
            max_age_ms,
        }
    }

    /// Records a second.
    #[must_use]
    pub fn rate(&self, now: Tick) -> f64 {
        let span = (now.since(self.since) + self.prior_ms).max(SHORTEST_SPAN_MS);
        self.arrivals * 1e3 / span as f64
    }

    /// Whether `waiting` records leave now, the oldest of which came at `first`.
    #[must_use]
    pub fn is_due(&self, waiting: usize, first: Tick, now: Tick) -> bool {
        let age = now.since(first);
        if waiting >= self.max_records || age >= self.max_age_ms {
            return true;
        }
        let rate = self.rate(now);
        let wanted = self.scale * rate.sqrt();
        let unnoticed = rate * self.unnoticed_ms as f64 / 1e3;
        let enough = |threshold: f64| threshold.max(1.0) + self.dither < waiting as f64 + 1.0;
        enough(wanted) && (age >= self.unnoticed_ms || enough(unnoticed))
    }

    /// When they leave if nothing else comes: the rate falls while nothing does.
    #[must_use]
    pub fn due_at(&self, waiting: usize, first: Tick) -> Tick {
        let by_age = first.plus(self.max_age_ms);
        let room = waiting as f64 + 1.0 - self.dither;
        if waiting >= self.max_records {
            return first;
        }
        // Both thresholds fall as the rate does; each is solved for the span at which it is met.
        let wanted_span = 1e3 * self.arrivals * (self.scale / room).powi(2);
        let unnoticed_span = self.arrivals * self.unnoticed_ms as f64 / room;
        let at = |span_ms: f64| {
            // The cast saturates: an infinite wait is bounded by age.
            let span = (span_ms.floor() as u64).saturating_add(2);
            self.since.plus(span.saturating_sub(self.prior_ms))
        };
        let unnoticed = at(unnoticed_span).min(first.plus(self.unnoticed_ms));
        at(wanted_span).max(unnoticed).min(by_age)
    }
}
