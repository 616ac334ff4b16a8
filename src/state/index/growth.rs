//! Whether the database takes more of the disk than what is in it explains. sled reclaims what it
//! no longer needs on its own ticks; when these came too rarely in a burst it never gives it back.

/// Below this nobody needs to care.
const FREE_BYTES: u64 = 64 << 20;
/// In rest it settles at about 1.6 times (store-facts).
const MOST_TIMES: u64 = 4;
/// An entry of a run, and its share of a block's key and checksum.
const ENTRY_BYTES: u64 = 17;
/// An open dead letter, roughly.
const LETTER_BYTES: u64 = 300;

pub(super) fn is_out_of_bounds(bytes: u64, entries: u64, letters: u64) -> bool {
    let live = entries * ENTRY_BYTES + letters * LETTER_BYTES;
    bytes > FREE_BYTES.max(live * MOST_TIMES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_large_index_that_holds_little_is_out_of_bounds() {
        assert!(!is_out_of_bounds(60 << 20, 1, 0));
        assert!(is_out_of_bounds(70 << 20, 1, 0));
        assert!(is_out_of_bounds(400 << 20, 3_000_000, 1_000));
        assert!(!is_out_of_bounds(150 << 20, 3_000_000, 1_000));
    }
}
