//! How often one user may log in: 3,600 times in any 60 minutes (facts 1.6).
use std::collections::{HashMap, VecDeque};

const MICROS_PER_MINUTE: u64 = 60_000_000;
const MINUTES: u64 = 60;

/// Logins of the rolling hour, counted per user and minute: at most 61 numbers for each user.
#[derive(Debug, Default)]
pub(crate) struct LoginRate {
    users: HashMap<usize, Window>,
}

#[derive(Debug, Default)]
struct Window {
    /// (minute, logins), oldest first.
    minutes: VecDeque<(u64, u32)>,
    used: u32,
}

impl LoginRate {
    /// Counts one login, unless the user has used up the limit; 0 is no limit.
    pub(crate) fn admit(&mut self, user: usize, limit: u32, now_micros: u64) -> bool {
        if limit == 0 {
            return true;
        }
        let window = self.users.entry(user).or_default();
        let minute = now_micros / MICROS_PER_MINUTE;
        while let Some((oldest, logins)) = window.minutes.front().copied()
            && oldest + MINUTES <= minute
        {
            window.used -= logins;
            window.minutes.pop_front();
        }
        if window.used >= limit {
            return false;
        }
        match window.minutes.back_mut() {
            Some((newest, logins)) if *newest == minute => *logins += 1,
            _ => window.minutes.push_back((minute, 1)),
        }
        window.used += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_leave_the_window_after_an_hour_and_refused_ones_never_entered() {
        let mut rate = LoginRate::default();
        assert!(rate.admit(0, 2, 0));
        assert!(rate.admit(0, 2, 30 * MICROS_PER_MINUTE));
        assert!(!rate.admit(0, 2, 59 * MICROS_PER_MINUTE));
        assert!(rate.admit(1, 2, 59 * MICROS_PER_MINUTE));
        assert!(rate.admit(0, 2, 60 * MICROS_PER_MINUTE));
        assert!(!rate.admit(0, 2, 89 * MICROS_PER_MINUTE));
        assert!(rate.admit(0, 2, 90 * MICROS_PER_MINUTE));
        assert!((0..10_000).all(|_| rate.admit(2, 0, 0)), "0 is no limit");
    }
}
