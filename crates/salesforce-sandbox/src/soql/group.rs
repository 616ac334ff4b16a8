//! Grouping and aggregates: `COUNT`, `COUNT_DISTINCT`, `MIN`, `MAX`, `SUM`, `AVG`.
//!
//! Nulls are not aggregated, and are a group of their own. Rows whose keys differ in case alone are one group, shown
//! as the first of them (inference), unless the field is case sensitive. Memory is bounded by what is distinct in
//! the rows.
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::ast::Function;
use super::budget::{Budget, bytes_of, steps_of};
use super::order::{Key, compare};
use super::plan::{Aggregate, Grouping, Plan, Row, Slot};
use crate::org::fold;
use crate::value::Value;

/// The groups of the rows seen so far.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    by_key: HashMap<String, usize>,
    groups: Vec<Group>,
    /// Held by all groups together.
    bytes: u64,
}

/// Bytes of a group, and of a text in a set, without what they hold.
const GROUP_BYTES: u64 = 128;
const MEMBER_BYTES: u64 = 48;

#[derive(Debug)]
struct Group {
    keys: Vec<Value<'static>>,
    totals: Vec<Total>,
}

#[derive(Debug)]
enum Total {
    Count(i64),
    Distinct(HashSet<String>),
    Sum {
        sum: f64,
        count: u64,
        mean: bool,
    },
    Extreme {
        best: Value<'static>,
        wanted: Ordering,
    },
}

impl Groups {
    /// Adds a row to its group.
    pub(crate) fn add(&mut self, grouping: &Grouping, row: &impl Row) {
        let mut name = String::new();
        for key in &grouping.keys {
            push_key(&mut name, &row.value(key.path), key.case_sensitive);
        }
        let name_bytes = name.capacity() as u64;
        let place = *self.by_key.entry(name).or_insert_with(|| {
            let keys = grouping.keys.iter();
            let group = Group {
                keys: keys.map(|key| row.value(key.path).into_owned()).collect(),
                totals: grouping.aggregates.iter().map(Total::new).collect(),
            };
            self.bytes += group.bytes() + name_bytes;
            self.groups.push(group);
            self.groups.len() - 1
        });
        if let Some(group) = self.groups.get_mut(place) {
            for (aggregate, total) in grouping.aggregates.iter().zip(&mut group.totals) {
                let grown = match aggregate.path {
                    Some(path) => total.add(&row.value(path), aggregate.case_sensitive),
                    None => total.add(&Value::Boolean(true), false),
                };
                self.bytes += grown;
            }
        }
    }

    /// Bytes held: what bounds the memory of a query.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The groups that `HAVING` leaves, sorted and cut; each with the values of the SELECT list in its order. Not all
    /// of them, when the budget is over.
    pub(crate) fn finish(
        mut self,
        plan: &Plan,
        grouping: &Grouping,
        budget: &Budget,
    ) -> Vec<Vec<Value<'static>>> {
        if grouping.keys.is_empty() && self.groups.is_empty() {
            self.groups.push(Group {
                keys: Vec::new(),
                totals: grouping.aggregates.iter().map(Total::new).collect(),
            });
        }
        let mut sorted: Vec<(Vec<Key>, Vec<Value<'static>>)> = Vec::new();
        for group in self.groups {
            let mut values = group.keys;
            values.extend(group.totals.into_iter().map(Total::value));
            let read = |slot: Slot| {
                let value = values.get(slot.0).map_or(Value::Null, Value::as_borrowed);
                budget.spend(steps_of(&value));
                value
            };
            let holds = grouping.having.holds(&read, budget);
            if budget.is_over() {
                return Vec::new();
            }
            if holds {
                let sorts = grouping.order.iter();
                let keys: Vec<Key> = sorts.map(|sort| sort.key(&read, budget)).collect();
                self.bytes += keys.iter().map(Key::bytes).sum::<u64>();
                budget.hold(self.bytes);
                sorted.push((keys, values));
            }
        }
        if !grouping.order.is_empty() && !budget.spend_on_sorting(sorted.len(), self.bytes) {
            return Vec::new();
        }
        sorted.sort_by(|(left, _), (right, _)| compare(&grouping.order, left, right));
        let shown = |values: Vec<Value<'static>>| {
            let columns = grouping.columns.iter();
            columns
                .map(|(_, slot)| values.get(slot.0).cloned().unwrap_or(Value::Null))
                .collect()
        };
        let rows = sorted.into_iter().map(|(_, values)| shown(values));
        plan.cut(rows.collect())
    }
}

impl Group {
    fn bytes(&self) -> u64 {
        let values = self.keys.len() * size_of::<Value<'static>>();
        let totals = self.totals.len() * size_of::<Total>();
        let texts: u64 = self.keys.iter().map(bytes_of).sum();
        GROUP_BYTES + (values + totals) as u64 + texts
    }
}

/// Appends what tells a value from others; a length keeps neighbours apart.
fn push_key(name: &mut String, value: &Value<'_>, case_sensitive: bool) {
    match value.key_text() {
        None => name.push('-'),
        Some(text) => {
            let text = fold(case_sensitive, &text);
            name.push_str(&text.len().to_string());
            name.push(':');
            name.push_str(&text);
        }
    }
}

impl Total {
    fn new(aggregate: &Aggregate) -> Total {
        match aggregate.function {
            Function::Count => Total::Count(0),
            Function::CountDistinct => Total::Distinct(HashSet::new()),
            Function::Sum | Function::Avg => Total::Sum {
                sum: 0.0,
                count: 0,
                mean: aggregate.function == Function::Avg,
            },
            Function::Min | Function::Max => Total::Extreme {
                best: Value::Null,
                wanted: match aggregate.function {
                    Function::Min => Ordering::Less,
                    _ => Ordering::Greater,
                },
            },
        }
    }

    /// Takes a value in; the bytes that are held more than before.
    fn add(&mut self, value: &Value<'_>, case_sensitive: bool) -> u64 {
        if value.is_null() {
            return 0;
        }
        match self {
            Total::Count(count) => *count += 1,
            Total::Distinct(seen) => {
                let text = value.key_text().unwrap_or_default();
                let text = fold(case_sensitive, &text);
                if !seen.contains(text.as_ref()) {
                    let bytes = MEMBER_BYTES + text.len() as u64;
                    seen.insert(text.into_owned());
                    return bytes;
                }
            }
            Total::Sum { sum, count, .. } => {
                *sum += number(value);
                *count += 1;
            }
            Total::Extreme { best, wanted } => {
                if best.is_null() || order(value, best, case_sensitive) == *wanted {
                    let more = bytes_of(value).saturating_sub(bytes_of(best));
                    *best = value.clone().into_owned();
                    return more;
                }
            }
        }
        0
    }

    fn value(self) -> Value<'static> {
        match self {
            Total::Count(count) => Value::Int(count),
            Total::Distinct(seen) => Value::Int(i64::try_from(seen.len()).unwrap_or(i64::MAX)),
            Total::Sum { count: 0, .. } => Value::Null,
            Total::Sum { sum, count, mean } => {
                let divisor = if mean { count as f64 } else { 1.0 };
                Value::Number(sum / divisor)
            }
            Total::Extreme { best, .. } => best,
        }
    }
}

fn number(value: &Value<'_>) -> f64 {
    match value {
        Value::Int(number) => *number as f64,
        Value::Number(number) => *number,
        // Only numeric fields are summed.
        _ => 0.0,
    }
}

fn order(left: &Value<'_>, right: &Value<'_>, case_sensitive: bool) -> Ordering {
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => fold(case_sensitive, a).cmp(&fold(case_sensitive, b)),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::DateTime(a), Value::DateTime(b)) => a.cmp(b),
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        (a, b) => number(a).total_cmp(&number(b)),
    }
}
