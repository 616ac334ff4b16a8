//! How long to wait before the same again: a pure function of the attempt and a jitter seed.

/// Exponential backoff between `base_ms` and `cap_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub base_ms: u64,
    pub cap_ms: u64,
}

impl Backoff {
    /// Milliseconds before attempt `attempt + 1`, `attempt` counting failures from 1. Between half
    /// and all of `base * 2^(attempt - 1)`, capped: the spread keeps many clients from knocking at
    /// once, the lower half keeps a floor under the pause.
    #[must_use]
    pub fn delay_ms(self, attempt: u32, jitter: &mut Jitter) -> u64 {
        let doublings = attempt.saturating_sub(1).min(32);
        let full = self
            .base_ms
            .saturating_mul(1_u64 << doublings)
            .min(self.cap_ms)
            .max(1);
        let half = full / 2;
        half + jitter.below(full - half + 1)
    }
}

/// A small deterministic source of jitter (xorshift64*), seeded from outside so that the core stays
/// pure. Not for secrets.
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // The generator is stuck at 0.
        Self(seed | 1)
    }

    /// A number in `0..bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let spread = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D);
        if bound == 0 { 0 } else { spread % bound }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_the_cap_and_never_leave_their_band() {
        let backoff = Backoff {
            base_ms: 500,
            cap_ms: 60_000,
        };
        let mut jitter = Jitter::new(7);
        for attempt in 1..80 {
            let full = 500_u64
                .saturating_mul(1 << (attempt - 1).min(20))
                .min(60_000);
            let delay = backoff.delay_ms(attempt, &mut jitter);
            assert!(
                delay >= full / 2 && delay <= full,
                "attempt {attempt}: {delay} of {full}"
            );
        }
    }
}
