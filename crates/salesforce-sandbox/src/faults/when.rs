//! The times at which a fault acts, and its draws: both can be repeated.
use super::{Fault, FaultState};

const MICROS: u64 = 1_000_000;

/// Whether a fault that was armed at `armed_micros` acts now, by time alone.
pub(super) fn state(fault: &Fault, armed_micros: u64, now_micros: u64) -> FaultState {
    let start = armed_micros.saturating_add(fault.after_seconds.saturating_mul(MICROS));
    let Some(elapsed) = now_micros.checked_sub(start) else {
        return FaultState::Waiting;
    };
    let Some(lasts) = fault.for_seconds.map(|s| s.saturating_mul(MICROS)) else {
        return FaultState::Active;
    };
    match fault.every_seconds.map(|s| s.saturating_mul(MICROS)) {
        None if elapsed < lasts => FaultState::Active,
        None => FaultState::Spent,
        Some(period) if elapsed % period.max(1) < lasts => FaultState::Active,
        Some(_) => FaultState::Waiting,
    }
}

/// Whether a text belongs to a share of all texts. The same seed and text always give the same answer.
pub(super) fn is_drawn(seed: u64, text: &str, share: f64) -> bool {
    // FNV-1a over the text, then the finaliser of splitmix64, which spreads what few different bytes leave together.
    let mut hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash = hash.wrapping_add(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    ((hash >> 11) as f64 / (1_u64 << 53) as f64) < share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Action;

    #[track_caller]
    fn check(fault: &Fault, armed: u64, expected: &[(u64, FaultState)]) {
        for (second, state_then) in expected {
            let now = (armed + second) * MICROS;
            assert_eq!(
                state(fault, armed * MICROS, now),
                *state_then,
                "second {second}"
            );
        }
    }

    #[test]
    fn a_fault_acts_from_its_start_for_its_time_and_again_after_its_period() {
        use FaultState::{Active, Spent, Waiting};
        let fault = Fault::new(Action::Pass {});
        check(&fault, 0, &[(0, Active), (1_000_000, Active)]);
        let later = fault.clone().after_seconds(10);
        check(
            &later,
            7,
            &[(0, Waiting), (9, Waiting), (10, Active), (999, Active)],
        );
        let short = later.for_seconds(5);
        check(
            &short,
            7,
            &[(9, Waiting), (10, Active), (14, Active), (15, Spent)],
        );
        let again = short.every_seconds(60);
        let expected = [
            (14, Active),
            (15, Waiting),
            (69, Waiting),
            (70, Active),
            (75, Waiting),
        ];
        check(&again, 7, &expected);
    }

    #[test]
    fn times_that_do_not_fit_do_not_overflow() {
        let fault = Fault::new(Action::Pass {})
            .after_seconds(u64::MAX)
            .for_seconds(u64::MAX)
            .every_seconds(u64::MAX);
        assert_eq!(state(&fault, u64::MAX, 5), FaultState::Waiting);
        assert_eq!(state(&fault, u64::MAX, u64::MAX), FaultState::Active);
    }

    #[test]
    fn a_draw_is_the_same_on_every_machine() {
        let drawn: Vec<u32> = (0..40_u32)
            .filter(|n| is_drawn(7, &n.to_string(), 0.2))
            .collect();
        assert_eq!(drawn, [7, 9, 11, 19, 33, 34, 35]);
        assert!(!is_drawn(7, "x", 0.0));
        assert!(is_drawn(7, "x", 1.0));
    }

    #[test]
    fn a_share_is_met_for_any_seed() {
        for seed in [0, 1, 2, 12_345, u64::MAX] {
            let drawn = (0..10_000)
                .filter(|n| is_drawn(seed, &n.to_string(), 0.1))
                .count();
            assert!((850..1150).contains(&drawn), "seed {seed}: {drawn}");
        }
    }
}
