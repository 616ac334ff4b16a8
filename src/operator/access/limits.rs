//! How often an address, and all together, may fail to sign in.
//!
//! Tokens cannot be guessed; this keeps those who try from filling the log and taking the CPU. Each
//! address has a bucket of failures that fills again slowly. The table of addresses is bounded:
//! where it is full, the one that failed longest ago gives way, and the bucket of all still counts.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::core::time::Micros;

/// A person who mistypes needs a few.
const PER_ADDRESS: Bucket = Bucket::full(10.0, 1.0 / 6.0);
/// Many addresses at once are no people.
const IN_ALL: Bucket = Bucket::full(200.0, 10.0);
const MAX_ADDRESSES: usize = 4_096;

/// Failures that are left, and how many come back in a second.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Micros,
    size: f64,
    per_second: f64,
}

impl Bucket {
    const fn full(size: f64, per_second: f64) -> Self {
        Self {
            left: size,
            at: Micros(0),
            size,
            per_second,
        }
    }

    fn refill(&mut self, now: Micros) {
        let passed = now.seconds_since(self.at).max(0.0);
        self.left = (self.left + passed * self.per_second).min(self.size);
        self.at = now;
    }

    /// Seconds until one failure may be had; 0 when one may now.
    fn wait(&self) -> u64 {
        let missing = 1.0 - self.left;
        if missing <= 0.0 {
            0
        } else {
            (missing / self.per_second).ceil().max(1.0) as u64
        }
    }
}

pub(super) struct Limits {
    inner: Mutex<Inner>,
}

struct Inner {
    all: Bucket,
    addresses: HashMap<IpAddr, Bucket>,
}

impl Limits {
    pub fn new() -> Self {
        let inner = Inner {
            all: IN_ALL,
            addresses: HashMap::new(),
        };
        Self {
            inner: Mutex::new(inner),
        }
    }

    /// Seconds that this address must wait before it may try again; 0 when it may now.
    pub fn wait(&self, address: IpAddr, now: Micros) -> u64 {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.all.refill(now);
        let own = inner.addresses.get_mut(&of_one_customer(address));
        let own = own.map_or(0, |bucket| {
            bucket.refill(now);
            bucket.wait()
        });
        own.max(inner.all.wait())
    }

    /// Notes a failure.
    pub fn failed(&self, address: IpAddr, now: Micros) {
        let address = of_one_customer(address);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.all.refill(now);
        inner.all.left = (inner.all.left - 1.0).max(0.0);
        if inner.addresses.len() >= MAX_ADDRESSES && !inner.addresses.contains_key(&address) {
            let oldest = inner.addresses.iter().min_by_key(|(_, bucket)| bucket.at);
            if let Some(oldest) = oldest.map(|(address, _)| *address) {
                inner.addresses.remove(&oldest);
            }
        }
        let bucket = inner.addresses.entry(address).or_insert(PER_ADDRESS);
        bucket.refill(now);
        bucket.left = (bucket.left - 1.0).max(0.0);
    }
}

/// Whoever has one address of IPv6 has a whole /64 of them.
fn of_one_customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_fails_ten_times_waits_and_others_do_not() {
        let limits = Limits::new();
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        let now = Micros(1_000 * SECOND);
        for _ in 0..10 {
            assert_eq!(limits.wait(one, now), 0);
            limits.failed(one, now);
        }
        assert_eq!(limits.wait(one, now), 6);
        assert_eq!(limits.wait(other, now), 0);
        assert_eq!(limits.wait(one, Micros(now.0 + 6 * SECOND)), 0);
        // A clock that is set back frees nobody.
        limits.failed(one, Micros(now.0 + 6 * SECOND));
        assert_eq!(limits.wait(one, Micros(0)), 6);
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_count_as_one() {
        let limits = Limits::new();
        let now = Micros(0);
        for number in 0..10 {
            limits.failed(address(&format!("2001:db8::{number:x}")), now);
        }
        assert_ne!(limits.wait(address("2001:db8::ffff"), now), 0);
        assert_eq!(limits.wait(address("2001:db8:0:1::1"), now), 0);
        for _ in 0..10 {
            limits.failed(address("::ffff:192.0.2.1"), now);
        }
        assert_ne!(limits.wait(address("192.0.2.1"), now), 0);
    }

    #[test]
    fn many_addresses_together_are_held_too_and_take_bounded_memory() {
        let limits = Limits::new();
        for number in 0..2 * MAX_ADDRESSES as u32 {
            limits.failed(IpAddr::from(number.to_be_bytes()), Micros(0));
        }
        assert_eq!(limits.inner.lock().unwrap().addresses.len(), MAX_ADDRESSES);
        assert_ne!(limits.wait(address("203.0.113.9"), Micros(0)), 0);
        assert_eq!(limits.wait(address("203.0.113.9"), Micros(SECOND)), 0);
    }
}
