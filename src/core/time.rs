//! Two kinds of time, never mixed: wall-clock moments for people and audit, monotonic ticks for
//! durations. Both arrive from `runtime::clock`; the core never reads a clock.

use serde::{Deserialize, Serialize};

/// A moment on the wall clock: microseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Micros(pub i64);

impl Micros {
    /// Seconds from `earlier` to `self`; negative when the clock was set back in between.
    #[must_use]
    pub fn seconds_since(self, earlier: Micros) -> f64 {
        (self.0 - earlier.0) as f64 / 1e6
    }
}

/// A monotonic moment: milliseconds since the process started. Only differences mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

impl Tick {
    /// The moment `millis` milliseconds later; saturates.
    #[must_use]
    pub fn plus(self, millis: u64) -> Tick {
        Tick(self.0.saturating_add(millis))
    }

    /// Milliseconds since `earlier`; 0 when `earlier` lies ahead.
    #[must_use]
    pub fn since(self, earlier: Tick) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Both clocks, read once per step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    pub tick: Tick,
    pub wall: Micros,
}
