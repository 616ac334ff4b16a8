//! How sets of GTIDs differ: what one has and the other lacks, and how much that is.

use super::{GtidSet, GtidSource};

impl GtidSet {
    /// The GTIDs of this set that `other` does not have.
    #[must_use]
    pub fn without(&self, other: &GtidSet) -> GtidSet {
        let mut left = GtidSet::default();
        for (source, intervals) in &self.intervals {
            let taken = other.intervals.get(source).map_or(&[][..], Vec::as_slice);
            for (first, last) in intervals {
                let mut next = *first;
                // Intervals are sorted: those that end before this one cannot touch it.
                let start = taken.partition_point(|(_, end)| end < first);
                for (taken_first, taken_last) in &taken[start..] {
                    if taken_first > last || next > *last {
                        break;
                    }
                    left.insert_interval(source, next, taken_first.saturating_sub(1));
                    next = next.max(taken_last.saturating_add(1));
                }
                left.insert_interval(source, next, *last);
            }
        }
        left
    }

    /// How many GTIDs are in it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.intervals
            .values()
            .flatten()
            .fold(0, |sum, (first, last)| {
                sum.saturating_add((last - first).saturating_add(1))
            })
    }

    /// Whether it has GTIDs of that server, under any tag.
    #[must_use]
    pub fn names_server(&self, uuid: &str) -> bool {
        let Some(uuid) = super::parse_uuid(uuid) else {
            return false;
        };
        self.intervals
            .keys()
            .any(|source: &GtidSource| source.uuid == uuid)
    }
}
