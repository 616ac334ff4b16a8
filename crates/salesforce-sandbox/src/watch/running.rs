//! Calls in progress, by the time they have been running: only long ones count against the limit (facts 6.3).
use std::collections::BTreeSet;

/// A call counts as long from here on.
const LONG_MICROS: u64 = 20_000_000;

/// The calls that are in progress.
#[derive(Debug, Default)]
pub(super) struct Running {
    /// (when it started, a number that tells apart those of the same microsecond).
    calls: BTreeSet<(u64, u64)>,
    last_serial: u64,
}

/// Names one call in progress.
pub(super) type Place = (u64, u64);

impl Running {
    /// A call starts, unless `most_long` run for long already.
    pub(super) fn start(&mut self, now_micros: u64, most_long: u64) -> Option<Place> {
        if self.long(now_micros) >= most_long {
            return None;
        }
        self.last_serial += 1;
        let place = (now_micros, self.last_serial);
        self.calls.insert(place);
        Some(place)
    }

    pub(super) fn end(&mut self, place: Place) {
        self.calls.remove(&place);
    }

    /// Calls that have been running for 20 seconds or longer.
    pub(super) fn long(&self, now_micros: u64) -> u64 {
        match now_micros.checked_sub(LONG_MICROS) {
            Some(latest) => self.calls.range(..=(latest, u64::MAX)).count() as u64,
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_of_20_seconds_and_more_are_in_the_way() {
        let mut running = Running::default();
        let first = running.start(0, 1).unwrap();
        let second = running.start(5, 1).unwrap();
        assert_eq!(running.long(LONG_MICROS - 1), 0);
        assert!(running.start(LONG_MICROS - 1, 1).is_some());
        assert_eq!(running.long(LONG_MICROS), 1);
        assert!(running.start(LONG_MICROS, 1).is_none());
        assert!(running.start(LONG_MICROS, 2).is_some());
        running.end(first);
        assert!(running.start(LONG_MICROS, 1).is_some());
        running.end(second);
        assert_eq!(running.long(LONG_MICROS + 5), 0);
    }
}
