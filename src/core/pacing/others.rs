//! How fast the calls of everybody else grow.

use std::collections::VecDeque;

use crate::core::time::Micros;

const NOTED_EVERY_SECONDS: f64 = 1_800.0;
/// For half a day.
const KEPT: usize = 25;
const HOUR_SECONDS: i64 = 3_600;
const GO_ON_SECONDS: i64 = 4 * HOUR_SECONDS;

#[derive(Debug, Default)]
pub(super) struct Others {
    /// Their calls of the last 24 hours, oldest first; the last one is the newest look.
    noted: VecDeque<(Micros, u64)>,
}

impl Others {
    pub(super) fn note(&mut self, used: u64, now: Micros) {
        let count = self.noted.len();
        // The newest look moves on until it is far enough from the one before.
        if count >= 2 {
            let (before, _) = self.noted[count - 2];
            if now.seconds_since(before) < NOTED_EVERY_SECONDS {
                self.noted[count - 1] = (now, used);
                return;
            }
        }
        if count == KEPT {
            self.noted.pop_front();
        }
        self.noted.push_back((now, used));
    }

    /// Calls by which they are expected to grow: as in the same time before, because what has gone
    /// on for long will; and for some hours at least as in the last one.
    pub(super) fn grow_in(&self, seconds: i64) -> u64 {
        let lately = self.grown_in(HOUR_SECONDS);
        let hours = seconds.min(GO_ON_SECONDS) as f64 / HOUR_SECONDS as f64;
        // The cast saturates.
        self.grown_in(seconds).max(lately * hours) as u64
    }

    fn grown_in(&self, seconds: i64) -> f64 {
        let Some((now, used)) = self.noted.back() else {
            return 0.0;
        };
        let since = Micros(now.0 - seconds * 1_000_000);
        let after = self.noted.partition_point(|(at, _)| *at <= since);
        let then = match after.checked_sub(1).map(|before| self.noted[before]) {
            None => self.noted[0].1 as f64,
            Some((at, then)) => {
                let (next_at, next) = self.noted[after.min(self.noted.len() - 1)];
                let gap = next_at.seconds_since(at);
                let part = if gap > 0.0 {
                    since.seconds_since(at) / gap
                } else {
                    0.0
                };
                then as f64 + (next as f64 - then as f64) * part
            }
        };
        (*used as f64 - then).max(0.0)
    }
}
