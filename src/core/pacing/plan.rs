//! From what the day may bring to the price of a call.
//!
//! Waiting for `n` records that come at a rate `l` makes each wait `(n - 1) / 2l` on average and
//! costs `l / n` calls a second. The least total wait for a number of calls has `n = scale *
//! sqrt(l)` with one `scale` for the whole day: busy hours get calls by the root of their rate. The
//! scale is the smallest with which the calls suffice at every moment of the next 24 hours, those
//! that the rolling window gives back included: so it rises early, and not at the end.

/// The next half hour by its steps, because what the window gives back at its end cannot be spent
/// at its beginning; then half hours, up to 24 hours.
pub(super) const SPANS: usize = FINE_SPANS + 47;
pub(super) const FINE_SPANS: usize = 6;

/// No record waits longer while there are calls: ten minutes are left of the hour.
pub(super) const LONGEST_AGE_MS: u64 = 50 * 60 * 1_000;

/// With it every queue waits for full calls or for age.
const LARGEST_SCALE: f64 = 1e4;
const SMALLEST_SCALE: f64 = 1e-2;

/// A shorter wait for the last record is worth so much of the mean.
const SHORTER_AGE_WORTH: f64 = 1.01;

/// What is expected of a part of the next 24 hours.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Expected {
    pub records: f64,
    /// The sum over the routes of the root of records times seconds.
    pub demand: f64,
    /// Calls that may have been made by its end, from now on.
    pub may_spend: f64,
}

/// How calls are spent until the next look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plan {
    pub scale: f64,
    pub max_age_ms: u64,
}

pub(super) struct Ages {
    pub wanted_ms: u64,
    pub stretched_ms: u64,
}

impl Plan {
    pub(super) fn solve(expected: &[Expected; SPANS], ages: &Ages, max_records: usize) -> Plan {
        let fits = |scale: f64, age_ms: u64| {
            let mut spent = 0.0;
            expected.iter().all(|span| {
                spent += span.calls(scale, age_ms, max_records);
                spent <= span.may_spend
            })
        };
        let stretched = ages.stretched_ms.max(ages.wanted_ms);
        if fits(0.0, ages.wanted_ms) {
            return Plan {
                scale: 0.0,
                max_age_ms: ages.wanted_ms,
            };
        }
        let Some(scale) = least_scale(|scale| fits(scale, stretched)) else {
            return Plan {
                scale: LARGEST_SCALE,
                max_age_ms: least_age(stretched, |age| fits(LARGEST_SCALE, age)),
            };
        };
        let mut age = ages.wanted_ms.max(1_000);
        while age < stretched {
            let dearer = scale * SHORTER_AGE_WORTH;
            if fits(dearer, age) {
                return Plan {
                    scale: dearer,
                    max_age_ms: age,
                };
            }
            age *= 2;
        }
        Plan {
            scale,
            max_age_ms: stretched,
        }
    }
}

impl Expected {
    /// What this part costs: a batch is one record and those that follow it, up to the
    /// threshold or the age.
    fn calls(&self, scale: f64, age_ms: u64, max_records: usize) -> f64 {
        if self.records <= 0.0 || self.demand <= 0.0 {
            return 0.0;
        }
        // The root of the rate, of one route if several share the demand alike.
        let root = self.records / self.demand;
        let wanted = (scale * root).min(max_records as f64) - 1.0;
        if wanted <= 0.0 {
            return self.records;
        }
        let in_age = root * root * age_ms as f64 / 1e3;
        let follow = if wanted <= 1.0 {
            wanted * -(-in_age).exp_m1()
        } else {
            // The mean of the lesser of a Poisson number and the threshold, to a few percent.
            let power = 1.5 * wanted.sqrt();
            (in_age.powf(-power) + wanted.powf(-power)).powf(-1.0 / power)
        };
        self.records / (1.0 + follow)
    }
}

/// The smallest scale that fits, to half a percent.
fn least_scale(fits: impl Fn(f64) -> bool) -> Option<f64> {
    if !fits(LARGEST_SCALE) {
        return None;
    }
    let (mut low, mut high) = (SMALLEST_SCALE, LARGEST_SCALE);
    while high > low * 1.005 {
        let middle = (low * high).sqrt();
        if fits(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

fn least_age(stretched_ms: u64, fits: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (stretched_ms, LONGEST_AGE_MS.max(stretched_ms));
    while high > low + 1_000 {
        let middle = low.midpoint(high);
        if fits(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}
