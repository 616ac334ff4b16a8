//! The days that rules are tried on.

use super::HOUR_MS;
use crate::core::retry::Jitter;

/// Records that come, and what else uses the calls.
#[derive(Clone, Debug)]
pub struct Day {
    pub name: &'static str,
    /// In order.
    pub arrivals_ms: Vec<u64>,
    pub length_ms: u64,
    /// Calls of ours before it began: hours ago, and how many.
    pub calls_before: Vec<(i64, u64)>,
    /// What the org allows in 24 hours, when it says so.
    pub org_limit: Option<u64>,
    /// Calls of others in the last 24 hours, by hours since the start.
    pub others: fn(f64) -> u64,
}

impl Day {
    /// Memoryless arrivals; `rate` gives records an hour by the hour.
    #[must_use]
    pub fn poisson(name: &'static str, hours: u64, seed: u64, rate: impl Fn(u64) -> f64) -> Self {
        let mut random = Random::new(seed);
        let mut arrivals_ms = Vec::new();
        for hour in 0..hours {
            let each_ms = HOUR_MS as f64 / rate(hour).max(1e-9);
            let mut at = random.exponential() * each_ms;
            while at < HOUR_MS as f64 {
                arrivals_ms.push(hour * HOUR_MS + at as u64);
                at += random.exponential() * each_ms;
            }
        }
        Self {
            name,
            arrivals_ms,
            length_ms: hours * HOUR_MS,
            calls_before: Vec::new(),
            org_limit: None,
            others: |_| 0,
        }
    }

    /// 30,000 leads, 10,000 of them in one hour; `days` of them.
    #[must_use]
    pub fn scenario(seed: u64, days: u64) -> Self {
        Self::with_peak(seed, days, 10)
    }

    /// The scenario's day with its busy hour at another time.
    #[must_use]
    pub fn with_peak(seed: u64, days: u64, peak: u64) -> Self {
        let rate = |hour: u64| {
            if hour % 24 == peak {
                10_000.0
            } else {
                20_000.0 / 23.0
            }
        };
        Self::poisson("scenario", 24 * days, seed, rate)
    }

    #[must_use]
    pub fn flat(seed: u64) -> Self {
        Self::poisson("flat", 24, seed, |_| 1_250.0)
    }

    /// The scenario's day, and 100,000 more within a minute of the afternoon.
    #[must_use]
    pub fn burst(seed: u64) -> Self {
        let mut day = Self::scenario(seed, 1);
        day.name = "burst";
        let start = 15 * HOUR_MS;
        day.arrivals_ms
            .extend((0..100_000).map(|index| start + index * 60_000 / 100_000));
        day.arrivals_ms.sort_unstable();
        day
    }

    /// 11,000 of the calls were spent in the hours before.
    #[must_use]
    pub fn nearly_spent(seed: u64) -> Self {
        let mut day = Self::scenario(seed, 1);
        day.name = "nearly spent";
        day.calls_before = (1..=11).map(|ago| (ago, 1_000)).collect();
        day
    }

    /// Another tool begins in the morning and makes 400 calls an hour.
    #[must_use]
    pub fn eaten(seed: u64) -> Self {
        let mut day = Self::scenario(seed, 1);
        day.name = "another tool";
        day.org_limit = Some(15_000);
        day.others = |hours| ((hours - 6.0).max(0.0) * 400.0) as u64;
        day
    }
}

struct Random(Jitter);

impl Random {
    fn new(seed: u64) -> Self {
        let mut source = Jitter::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        // The first numbers of neighbouring seeds are alike.
        for _ in 0..16 {
            source.below(1);
        }
        Self(source)
    }

    /// With a mean of 1.
    fn exponential(&mut self) -> f64 {
        const BITS: u64 = 1 << 52;
        let uniform = (self.0.below(BITS) + 1) as f64 / BITS as f64;
        -uniform.ln()
    }
}
