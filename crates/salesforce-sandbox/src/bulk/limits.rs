//! What jobs may use up: batches and records of the rolling 24 hours, and room (facts 5.5).
use crate::org::Usage;

/// Rows of an internal batch, and how many chunks of one transaction that is (facts 5.5).
pub(super) const BATCH_ROWS: usize = 10_000;
/// A job that stays open that long is dropped, and one that ended is forgotten after that long (facts 5.2).
pub(super) const OPEN_MICROS: i64 = 24 * 3_600 * 1_000_000;
pub(super) const KEPT_MICROS: i64 = 7 * OPEN_MICROS;
/// Jobs that are kept at once; the sandbox's own bound.
pub(super) const MAX_JOBS: usize = 50_000;
/// Jobs on a page of a list (facts 5.1).
pub(super) const PAGE_JOBS: usize = 1_000;
/// Query jobs of the rolling 24 hours (inference: the figure in `/limits`).
pub(crate) const DAILY_QUERY_JOBS: u64 = 10_000;

/// Used up in the last 24 hours.
#[derive(Debug, Default)]
pub(super) struct Allocation {
    batches: Usage,
    records: Usage,
    query_jobs: Usage,
}

/// What a day allows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Daily {
    pub(super) batches: u64,
    pub(super) records: u64,
}

impl Allocation {
    /// Takes a batch of that many records; false when the day's batches or records are used up.
    pub(super) fn take_batch(&mut self, daily: Daily, records: u64, now_micros: u64) -> bool {
        let enough = self.batches.used(now_micros) < daily.batches
            && self.records.used(now_micros).saturating_add(records) <= daily.records;
        if enough {
            self.batches.count(now_micros);
            self.records.count_many(records, now_micros);
        }
        enough
    }

    /// Takes a query job; false when the day's are used up.
    pub(super) fn take_query_job(&mut self, now_micros: u64) -> bool {
        let enough = self.query_jobs.used(now_micros) < DAILY_QUERY_JOBS;
        if enough {
            self.query_jobs.count(now_micros);
        }
        enough
    }

    pub(super) fn use_up_batches(&mut self, batches: u64, now_micros: u64) {
        self.batches.count_many(batches, now_micros);
    }

    pub(super) fn batches_used(&mut self, now_micros: u64) -> u64 {
        self.batches.used(now_micros)
    }

    pub(super) fn query_jobs_used(&mut self, now_micros: u64) -> u64 {
        self.query_jobs.used(now_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3_600 * 1_000_000;

    #[test]
    fn batches_and_records_are_taken_until_either_is_used_up_and_come_back_after_a_day() {
        let mut allocation = Allocation::default();
        let daily = Daily {
            batches: 3,
            records: 150,
        };
        assert!(allocation.take_batch(daily, 100, 0));
        assert!(!allocation.take_batch(daily, 51, 0), "too many records");
        assert!(allocation.take_batch(daily, 50, 0));
        assert!(allocation.take_batch(daily, 0, 0));
        assert!(!allocation.take_batch(daily, 0, 0), "too many batches");
        assert_eq!(allocation.batches_used(0), 3);
        assert!(allocation.take_batch(daily, 150, DAY));
    }
}
