//! API calls of the rolling 24 hours, counted per hour.
use std::collections::VecDeque;

const MICROS_PER_HOUR: u64 = 3_600_000_000;
const HOURS: u64 = 24;

/// Calls counted against the daily allocation.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    /// (hour since the start, calls), oldest first.
    hours: VecDeque<(u64, u64)>,
    used: u64,
}

impl Usage {
    /// Calls of the last 24 hours.
    pub(crate) fn used(&mut self, now_micros: u64) -> u64 {
        let hour = now_micros / MICROS_PER_HOUR;
        while let Some((oldest, calls)) = self.hours.front().copied()
            && oldest + HOURS <= hour
        {
            self.used -= calls;
            self.hours.pop_front();
        }
        self.used
    }

    /// Counts one call.
    pub(crate) fn count(&mut self, now_micros: u64) -> u64 {
        self.count_many(1, now_micros)
    }

    /// Counts that many.
    pub(crate) fn count_many(&mut self, count: u64, now_micros: u64) -> u64 {
        self.used(now_micros);
        let hour = now_micros / MICROS_PER_HOUR;
        match self.hours.back_mut() {
            Some((newest, calls)) if *newest == hour => *calls += count,
            _ => self.hours.push_back((hour, count)),
        }
        self.used += count;
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_leave_the_window_after_24_hours() {
        let mut usage = Usage::default();
        assert_eq!(usage.count(0), 1);
        assert_eq!(usage.count(MICROS_PER_HOUR), 2);
        assert_eq!(usage.used(24 * MICROS_PER_HOUR - 1), 2);
        assert_eq!(usage.used(24 * MICROS_PER_HOUR), 1);
        assert_eq!(usage.used(25 * MICROS_PER_HOUR), 0);
    }
}
