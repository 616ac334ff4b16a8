//! The only reader of the clocks.

#![allow(
    clippy::disallowed_methods,
    reason = "this is the place that the ban points to"
)]

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::core::time::{Micros, Now, Tick};

fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

/// Both clocks.
#[must_use]
pub fn now() -> Now {
    Now {
        tick: tick(),
        wall: wall(),
    }
}

/// The monotonic clock: milliseconds since the first call.
#[must_use]
pub fn tick() -> Tick {
    Tick(u64::try_from(origin().elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// The wall clock.
#[must_use]
pub fn wall() -> Micros {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// The instant of a tick, for timers.
#[must_use]
pub fn instant_of(tick: Tick) -> Instant {
    origin() + Duration::from_millis(tick.0)
}
