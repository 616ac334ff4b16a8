//! The only reader of the system's clocks, and an org's own time, which can be moved forward.
#![allow(
    clippy::disallowed_methods,
    reason = "the one place of the org that reads clocks"
)]
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A hundred years: further than any test needs, and no sum of times overflows.
pub(crate) const MAX_ADVANCE_SECONDS: u64 = 100 * 31_557_600;
const MAX_ADVANCE_MICROS: u64 = MAX_ADVANCE_SECONDS * 1_000_000;

/// Reads monotonic time since its own creation, and wall-clock time; both run ahead by what they were advanced.
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Instant,
    advanced_micros: AtomicU64,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock {
            origin: Instant::now(),
            advanced_micros: AtomicU64::new(0),
        }
    }

    /// Moves both clocks forward. They never go back: sessions, quotas and jobs rely on it.
    pub(crate) fn advance(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        let add = |before: u64| Some(before.saturating_add(micros).min(MAX_ADVANCE_MICROS));
        // The update never declines, so the result says nothing.
        let _ = self
            .advanced_micros
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
    }

    /// Whole seconds that both clocks were moved forward.
    pub(crate) fn advanced_seconds(&self) -> u64 {
        self.advanced_micros
            .load(Ordering::Acquire)
            .div_ceil(1_000_000)
    }

    /// Microseconds since the org was started.
    pub(crate) fn monotonic_micros(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros())
            .unwrap_or(u64::MAX)
            .saturating_add(self.advanced_micros.load(Ordering::Acquire))
    }

    /// Microseconds since 1970-01-01 UTC.
    pub(crate) fn wall_micros(&self) -> i64 {
        Clock::outside_wall_micros()
            .saturating_add_unsigned(self.advanced_micros.load(Ordering::Acquire))
    }

    /// Microseconds since 1970-01-01 UTC for the world outside, whose clocks do not move with the org's.
    pub(crate) fn outside_wall_micros() -> i64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }

    /// The instant `timeout` from now, for deadlines.
    pub(crate) fn deadline(timeout: Duration) -> Instant {
        let now = Instant::now();
        // A century stands for ever where the sum does not fit.
        now.checked_add(timeout)
            .unwrap_or_else(|| now + Duration::from_secs(3_155_760_000))
    }

    /// What is left until `deadline`.
    pub(crate) fn left_until(deadline: Instant) -> Duration {
        deadline.saturating_duration_since(Instant::now())
    }
}
