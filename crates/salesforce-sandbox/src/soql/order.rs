//! The order of rows and groups.
//!
//! Text is sorted without regard to case, picklists in the order of their values with unknown values behind them, ids
//! by character. Nulls come first unless told otherwise, whichever way the rest is sorted.
use std::cmp::Ordering;

use super::budget::Budget;
use crate::org::fold;
use crate::value::Value;

/// One element of `ORDER BY`.
#[derive(Debug, Clone)]
pub(crate) struct Sort<S> {
    pub(crate) subject: S,
    pub(crate) case_sensitive: bool,
    /// The values of a picklist, folded, in their order.
    pub(crate) ranks: Vec<String>,
    pub(crate) descending: bool,
    pub(crate) nulls_last: bool,
}

/// A value as it is sorted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Key {
    Null,
    Number(f64),
    /// Booleans, dates, datetimes.
    Whole(i64),
    /// Rank among the picklist's values, then text.
    Text(usize, String),
}

impl<S: Copy> Sort<S> {
    /// What a row is sorted by; `read` charges for itself.
    pub(crate) fn key<'v>(&self, read: &impl Fn(S) -> Value<'v>, budget: &Budget) -> Key {
        match read(self.subject) {
            Value::Null => Key::Null,
            Value::Boolean(flag) => Key::Whole(i64::from(flag)),
            Value::Int(number) => Key::Number(number as f64),
            Value::Number(number) => Key::Number(number),
            Value::Date(days) => Key::Whole(i64::from(days)),
            Value::DateTime(millis) => Key::Whole(millis),
            Value::Text(text) => {
                let folded = fold(self.case_sensitive, &text);
                budget.spend(self.ranks.len() as u64);
                let rank = self.ranks.iter().position(|value| *value == folded);
                Key::Text(rank.unwrap_or(self.ranks.len()), folded.into_owned())
            }
        }
    }
}

impl Key {
    /// Bytes that it takes in memory.
    pub(crate) fn bytes(&self) -> u64 {
        let text = match self {
            Key::Text(_, text) => text.capacity(),
            Key::Null | Key::Number(_) | Key::Whole(_) => 0,
        };
        (size_of::<Key>() + text) as u64
    }
}

/// Compares two rows by their keys, one for each element of `sorts`.
pub(crate) fn compare<S>(sorts: &[Sort<S>], left: &[Key], right: &[Key]) -> Ordering {
    let keys = left.iter().zip(right);
    sorts
        .iter()
        .zip(keys)
        .map(|(sort, (left, right))| compare_one(sort, left, right))
        .find(|ordering| ordering.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn compare_one<S>(sort: &Sort<S>, left: &Key, right: &Key) -> Ordering {
    let nulls = (*left == Key::Null).cmp(&(*right == Key::Null));
    if nulls.is_ne() {
        return if sort.nulls_last {
            nulls
        } else {
            nulls.reverse()
        };
    }
    let ordering = match (left, right) {
        (Key::Number(a), Key::Number(b)) => a.total_cmp(b),
        (Key::Whole(a), Key::Whole(b)) => a.cmp(b),
        (Key::Text(a, x), Key::Text(b, y)) => (a, x).cmp(&(b, y)),
        // One field has values of one kind.
        _ => Ordering::Equal,
    };
    if sort.descending {
        ordering.reverse()
    } else {
        ordering
    }
}
