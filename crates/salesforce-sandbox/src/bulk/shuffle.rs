//! An order that nobody can rely on, yet the same on every run (facts 0.10).

/// A permutation of `0..count` that needs no memory: never the natural order when there are two or more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shuffle {
    count: u64,
    step: u64,
    offset: u64,
}

impl Shuffle {
    pub(super) fn new(count: usize, seed: u64) -> Shuffle {
        let count = count as u64;
        let mixed = mix(seed ^ count);
        // Any step without a common divisor visits every place once; an offset other than 0 moves the first one.
        let mut step = if count > 1 { mixed % count } else { 0 };
        while count > 1 && gcd(step, count) != 1 {
            step = (step + 1) % count;
        }
        let offset = if count > 1 {
            1 + mix(mixed) % (count - 1)
        } else {
            0
        };
        Shuffle {
            count,
            step,
            offset,
        }
    }

    /// What stands at `place`; `place` is below the count.
    pub(super) fn at(self, place: usize) -> usize {
        if self.count < 2 {
            return place;
        }
        let product = u128::from(place as u64) * u128::from(self.step) + u128::from(self.offset);
        (product % u128::from(self.count)) as usize
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The finaliser of SplitMix64: neighbouring seeds give unrelated orders.
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_comes_once_and_the_natural_order_never() {
        for count in 0..150_usize {
            for seed in 0..20 {
                let shuffle = Shuffle::new(count, seed);
                let order: Vec<usize> = (0..count).map(|place| shuffle.at(place)).collect();
                let mut sorted = order.clone();
                sorted.sort_unstable();
                let natural: Vec<usize> = (0..count).collect();
                assert_eq!(sorted, natural, "{count} {seed}");
                assert!(count < 2 || order != natural, "{count} {seed}");
            }
        }
    }

    #[test]
    fn the_seed_decides() {
        let order = |seed| -> Vec<usize> {
            let shuffle = Shuffle::new(100, seed);
            (0..100).map(|place| shuffle.at(place)).collect()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }
}
