//! Whether a route's stream is behind so far that jobs save calls.
//!
//! Nobody tells how much is still to come, so it is judged like a fare against a season ticket: once
//! a number of records has come under pressure, at least as many are expected to follow. It is over
//! when little comes although there is room.

use crate::core::time::Tick;

/// How long the inflow is measured.
const LOOK_MS: u64 = 2_000;

/// Less than one full call of records a second.
const TRICKLE: u64 = 400;

#[derive(Debug, Default)]
pub struct Backlog {
    /// Came while the window was half full or more, without a break.
    pressed: u64,
    since: Option<Tick>,
    looked_at: Tick,
    came: u64,
}

impl Backlog {
    /// Notes a record of the stream; `pressed`: the window is half full.
    pub fn note(&mut self, pressed: bool, from: u64, now: Tick) {
        self.came += 1;
        if self.since.is_some() {
            return;
        }
        self.pressed = if pressed { self.pressed + 1 } else { 0 };
        if self.pressed >= from {
            self.since = Some(now);
            self.looked_at = now;
            self.came = 0;
        }
    }

    /// Since when it lasts.
    #[must_use]
    pub fn since(&self) -> Option<Tick> {
        self.since
    }

    /// Sees whether it is over; `hampered`: we keep the stream from coming.
    pub fn look(&mut self, hampered: bool, now: Tick) {
        if self.since.is_none() || now.since(self.looked_at) < LOOK_MS {
            return;
        }
        if self.came < TRICKLE && !hampered {
            *self = Self::default();
        } else {
            self.came = 0;
            self.looked_at = now;
        }
    }

    /// When to look next.
    #[must_use]
    pub fn next_look(&self) -> Option<Tick> {
        self.since.map(|_| self.looked_at.plus(LOOK_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_that_lasts_is_a_backlog_and_a_trickle_ends_it() {
        let mut backlog = Backlog::default();
        for _ in 0..99 {
            backlog.note(true, 100, Tick(1));
        }
        backlog.note(false, 100, Tick(1));
        for _ in 0..99 {
            backlog.note(true, 100, Tick(1));
        }
        assert_eq!(backlog.since(), None, "the pressure had a break");
        backlog.note(true, 100, Tick(2));
        assert_eq!(backlog.since(), Some(Tick(2)));
        for _ in 0..TRICKLE {
            backlog.note(false, 100, Tick(3));
        }
        backlog.look(false, Tick(2 + LOOK_MS));
        assert!(backlog.since().is_some(), "much came");
        backlog.look(true, Tick(2 + 2 * LOOK_MS));
        assert!(backlog.since().is_some(), "nothing could come");
        backlog.look(false, Tick(2 + 3 * LOOK_MS));
        assert_eq!(backlog.since(), None);
    }
}
