//! The only reader of the system's clocks.
#![allow(
    clippy::disallowed_methods,
    reason = "the one place of the org that reads clocks"
)]
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Reads monotonic time since its own creation, and wall-clock time.
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock {
            origin: Instant::now(),
        }
    }

    /// Microseconds since the org was started.
    pub(crate) fn monotonic_micros(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Microseconds since 1970-01-01 UTC.
    pub(crate) fn wall_micros(&self) -> i64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }

    /// The instant `timeout` from now, for deadlines.
    pub(crate) fn deadline(timeout: std::time::Duration) -> Instant {
        let now = Instant::now();
        // A century stands for ever where the sum does not fit.
        now.checked_add(timeout)
            .unwrap_or_else(|| now + std::time::Duration::from_secs(3_155_760_000))
    }

    /// What is left until `deadline`.
    pub(crate) fn left_until(deadline: Instant) -> std::time::Duration {
        deadline.saturating_duration_since(Instant::now())
    }
}
