//! What a query may still take: steps, which stand for time, and bytes held on its way.
//!
//! Invariant: whatever a query does as often as there are rows is charged, so that a budget bounds how long the lead
//! lock is held. A step is a few nanoseconds of an optimised build. Steps are counted and not timed, so that a query
//! has the same fate in every run.
use std::cell::Cell;

use super::plan::{Path, Row};
use crate::value::Value;

/// Bytes of text that are compared, folded or copied in one step.
const BYTES_PER_STEP: usize = 8;

/// Counts down.
#[derive(Debug)]
pub(crate) struct Budget {
    steps: Cell<u64>,
    bytes: u64,
    is_over: Cell<bool>,
}

impl Budget {
    pub(crate) fn new(steps: u64, bytes: u64) -> Budget {
        Budget {
            steps: Cell::new(steps),
            bytes,
            is_over: Cell::new(false),
        }
    }

    /// Takes steps; false when there were not so many left, and the query has to be given up.
    pub(crate) fn spend(&self, steps: u64) -> bool {
        match self.steps.get().checked_sub(steps) {
            Some(left) => {
                self.steps.set(left);
                true
            }
            None => {
                self.steps.set(0);
                self.is_over.set(true);
                false
            }
        }
    }

    /// Looks whether so many bytes may be held at the same time.
    pub(crate) fn hold(&self, bytes: u64) {
        if bytes > self.bytes {
            self.is_over.set(true);
        }
    }

    /// Takes the steps of sorting rows that hold so many bytes together; false when they must not be sorted.
    pub(crate) fn spend_on_sorting(&self, rows: usize, bytes: u64) -> bool {
        let rows = rows as u64;
        let rounds = u64::from(rows.max(1).ilog2()) + 1;
        self.spend(rounds.saturating_mul(rows.saturating_mul(4).saturating_add(bytes / 32)))
    }

    /// Whether the query has taken more than it may.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.get()
    }
}

/// Steps of handling a value once.
pub(super) fn steps_of(value: &Value<'_>) -> u64 {
    match value {
        Value::Text(text) => 1 + (text.len() / BYTES_PER_STEP) as u64,
        _ => 1,
    }
}

/// Bytes that a value takes in memory besides its own size.
pub(super) fn bytes_of(value: &Value<'_>) -> u64 {
    match value {
        Value::Text(text) => text.len() as u64,
        _ => 0,
    }
}

/// A row whose reading is charged.
pub(crate) struct Metered<'m, R> {
    pub(crate) row: &'m R,
    pub(crate) budget: &'m Budget,
    /// Steps of finding any value of this row.
    pub(crate) read_steps: u64,
}

impl<R: Row> Row for Metered<'_, R> {
    fn value(&self, path: Path) -> Value<'_> {
        let value = self.row.value(path);
        self.budget.spend(self.read_steps + steps_of(&value));
        value
    }
}
