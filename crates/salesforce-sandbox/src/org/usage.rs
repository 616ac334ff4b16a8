//! What is used up of the allocations of the rolling 24 hours.
//!
//! Owns the counter of one allocation ([`Usage`], by the minute: what is counted leaves the window at most a minute
//! early, never late) and the set of them that an org keeps ([`Meters`]).
use std::collections::VecDeque;

const MICROS_PER_SLOT: u64 = 60_000_000;
/// 24 hours.
const SLOTS: u64 = 24 * 60;

/// A counter over the rolling 24 hours; it holds 1,440 slots at most.
#[derive(Debug, Default, Clone)]
pub(crate) struct Usage {
    /// (minute since the start, count), oldest first.
    slots: VecDeque<(u64, u64)>,
    used: u64,
}

impl Usage {
    /// What the last 24 hours used.
    pub(crate) fn used(&mut self, now_micros: u64) -> u64 {
        let now = now_micros / MICROS_PER_SLOT;
        while let Some((oldest, count)) = self.slots.front().copied()
            && oldest + SLOTS <= now
        {
            self.used -= count;
            self.slots.pop_front();
        }
        self.used
    }

    /// Counts one and says how many there are now.
    pub(crate) fn count(&mut self, now_micros: u64) -> u64 {
        self.count_many(1, now_micros)
    }

    /// Counts several and says how many there are now.
    pub(crate) fn count_many(&mut self, more: u64, now_micros: u64) -> u64 {
        self.used(now_micros);
        // A sum that does not fit stays at the most that does, in all three places alike.
        let more = more.min(u64::MAX - self.used);
        let now = now_micros / MICROS_PER_SLOT;
        match self.slots.back_mut() {
            Some((newest, count)) if *newest == now => *count += more,
            _ => self.slots.push_back((now, more)),
        }
        self.used += more;
        self.used
    }
}

/// The daily calls; the jobs of the Bulk API count what they use themselves.
#[derive(Debug, Default)]
pub(crate) struct Meters {
    /// Calls of all apps, and of those integrations that nobody sees.
    pub(crate) api_calls: Usage,
    /// By number of the app.
    by_app: Vec<Usage>,
}

impl Meters {
    /// The calls of one app.
    pub(crate) fn app(&mut self, app: usize) -> &mut Usage {
        if app >= self.by_app.len() {
            self.by_app.resize_with(app + 1, Usage::default);
        }
        &mut self.by_app[app]
    }
}

/// Room for so many leads: a record counts as 2 KB, whatever is in it.
pub(crate) fn leads_in(storage_mb: u64) -> u64 {
    storage_mb.saturating_mul(512)
}

/// Megabytes that so many leads take, rounded up.
pub(crate) fn storage_mb(leads: u64) -> u64 {
    leads.div_ceil(512)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000;

    #[test]
    fn calls_leave_the_window_after_24_hours() {
        let mut usage = Usage::default();
        assert_eq!(usage.count(0), 1);
        assert_eq!(usage.count(HOUR), 2);
        assert_eq!(usage.used(24 * HOUR - 1), 2);
        assert_eq!(usage.used(24 * HOUR), 1);
        assert_eq!(usage.used(25 * HOUR), 0);
    }

    #[test]
    fn calls_leave_the_window_by_the_minute() {
        let mut usage = Usage::default();
        usage.count_many(3, 0);
        usage.count_many(2, MICROS_PER_SLOT - 1);
        usage.count_many(4, MICROS_PER_SLOT);
        assert_eq!(usage.used(24 * HOUR - 1), 9);
        assert_eq!(usage.used(24 * HOUR), 4);
        assert_eq!(usage.used(24 * HOUR + MICROS_PER_SLOT), 0);
    }

    #[test]
    fn a_counter_never_overflows_and_holds_a_day_of_slots_at_most() {
        let mut usage = Usage::default();
        for minute in 0..5_000 {
            usage.count_many(u64::MAX / 2, minute * MICROS_PER_SLOT);
            assert!(usage.slots.len() <= SLOTS as usize);
        }
        assert_eq!(usage.used(u64::MAX), 0);
    }
}
