//! Whether a row, or a group, fulfils a condition.
//!
//! Null handling: a comparison with a null value is false, but `!=` and `NOT IN`, which are true unless null itself is
//! what they exclude. `NOT` turns around whatever its condition says, for null values too (inference). Text is
//! compared without regard to case unless its field is case sensitive.
use std::cmp::Ordering;
use std::collections::HashSet;

use super::budget::Budget;
use super::literal::{self, Piece};
use crate::org::fold;
use crate::value::Value;

/// A condition over subjects that are read from a row ([`Path`](super::plan::Path)) or a group
/// ([`Slot`](super::plan::Slot)).
#[derive(Debug, Clone, Default)]
pub(crate) enum Filter<S> {
    #[default]
    Always,
    All(Vec<Filter<S>>),
    Any(Vec<Filter<S>>),
    Not(Box<Filter<S>>),
    Test(Test<S>),
}

#[derive(Debug, Clone)]
pub(crate) struct Test<S> {
    pub(crate) subject: S,
    pub(crate) case_sensitive: bool,
    pub(crate) ask: Ask,
}

#[derive(Debug, Clone)]
pub(crate) enum Ask {
    Compare(Comparison, Operand),
    OneOf { negated: bool, list: List },
    Like(Vec<Piece>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What a value is compared with; its kind fits the subject's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    Null,
    /// Folded, unless the subject is case sensitive.
    Text(String),
    /// The 15 characters that make an id.
    Id(String),
    Number(f64),
    Boolean(bool),
    /// Days or milliseconds: `start` belongs to it, `end` does not.
    Span {
        start: i64,
        end: i64,
    },
}

/// The right side of `IN`.
#[derive(Debug, Clone, Default)]
pub(crate) struct List {
    null: bool,
    texts: HashSet<String>,
    ids: HashSet<String>,
    others: Vec<Operand>,
}

impl List {
    pub(crate) fn new(operands: Vec<Operand>) -> List {
        let mut list = List::default();
        for operand in operands {
            match operand {
                Operand::Null => list.null = true,
                Operand::Text(text) => {
                    list.texts.insert(text);
                }
                Operand::Id(id) => {
                    list.ids.insert(id);
                }
                other => list.others.push(other),
            }
        }
        list
    }

    /// The ids, if the list has nothing else.
    pub(crate) fn only_ids(&self) -> Option<&HashSet<String>> {
        let alone = !self.null && self.texts.is_empty() && self.others.is_empty();
        alone.then_some(&self.ids)
    }

    /// The elements as keys of an index, if it has them all: an index holds no nulls.
    pub(crate) fn keys(&self) -> Option<Vec<String>> {
        if self.null || !self.ids.is_empty() {
            return None;
        }
        let others: Option<Vec<String>> = self.others.iter().map(Operand::key).collect();
        let mut keys = others?;
        keys.extend(self.texts.iter().cloned());
        Some(keys)
    }

    fn contains(&self, value: &Value<'_>, case_sensitive: bool) -> bool {
        if value.is_null() {
            return self.null;
        }
        if let Value::Text(text) = value {
            let is_id =
                !self.ids.is_empty() && text.get(..15).is_some_and(|id| self.ids.contains(id));
            return is_id
                || (!self.texts.is_empty()
                    && self.texts.contains(fold(case_sensitive, text).as_ref()));
        }
        self.others
            .iter()
            .any(|operand| operand.place(value, case_sensitive) == Some(Ordering::Equal))
    }
}

impl Operand {
    /// As a key of an index.
    pub(crate) fn key(&self) -> Option<String> {
        match self {
            Operand::Text(text) => Some(text.clone()),
            Operand::Number(number) => Value::Number(*number).key_text().map(Into::into),
            Operand::Null | Operand::Id(_) | Operand::Boolean(_) | Operand::Span { .. } => None,
        }
    }

    /// Where the value lies, seen from this operand; nowhere when one of them is null.
    fn place(&self, value: &Value<'_>, case_sensitive: bool) -> Option<Ordering> {
        Some(match (value, self) {
            (Value::Text(text), Operand::Text(wanted)) => {
                fold(case_sensitive, text).as_ref().cmp(wanted)
            }
            (Value::Text(text), Operand::Id(wanted)) => text.get(..15)?.cmp(wanted),
            (Value::Boolean(flag), Operand::Boolean(wanted)) => flag.cmp(wanted),
            // Not by total order: positive and negative zero are one number.
            (Value::Int(number), Operand::Number(wanted)) => {
                (*number as f64).partial_cmp(wanted)?
            }
            (Value::Number(number), Operand::Number(wanted)) => number.partial_cmp(wanted)?,
            (Value::Date(days), Operand::Span { start, end }) => {
                place_in(i64::from(*days), *start, *end)
            }
            (Value::DateTime(millis), Operand::Span { start, end }) => {
                place_in(*millis, *start, *end)
            }
            _ => return None,
        })
    }
}

fn place_in(moment: i64, start: i64, end: i64) -> Ordering {
    if moment < start {
        Ordering::Less
    } else if moment < end {
        Ordering::Equal
    } else {
        Ordering::Greater
    }
}

impl Comparison {
    fn holds(self, value: &Value<'_>, operand: &Operand, case_sensitive: bool) -> bool {
        if *operand == Operand::Null || value.is_null() {
            let same = (*operand == Operand::Null) == value.is_null();
            return match self {
                Comparison::Equal => same,
                Comparison::NotEqual => !same,
                Comparison::Less
                | Comparison::LessOrEqual
                | Comparison::Greater
                | Comparison::GreaterOrEqual => false,
            };
        }
        let place = operand.place(value, case_sensitive);
        match self {
            Comparison::Equal => place == Some(Ordering::Equal),
            Comparison::NotEqual => place != Some(Ordering::Equal),
            Comparison::Less => place == Some(Ordering::Less),
            Comparison::LessOrEqual => matches!(place, Some(Ordering::Less | Ordering::Equal)),
            Comparison::Greater => place == Some(Ordering::Greater),
            Comparison::GreaterOrEqual => {
                matches!(place, Some(Ordering::Greater | Ordering::Equal))
            }
        }
    }
}

impl<S: Copy> Filter<S> {
    /// Whether the row or group behind `read`, which charges for itself, fulfils the condition; no matter which, when
    /// the budget is over.
    pub(crate) fn holds<'v>(&self, read: &impl Fn(S) -> Value<'v>, budget: &Budget) -> bool {
        match self {
            Filter::Always => true,
            Filter::All(all) => all.iter().all(|filter| filter.holds(read, budget)),
            Filter::Any(any) => any.iter().any(|filter| filter.holds(read, budget)),
            Filter::Not(inner) => !inner.holds(read, budget),
            Filter::Test(test) => {
                // Nothing is looked at any more.
                !budget.is_over() && test.holds(&read(test.subject), budget)
            }
        }
    }
}

impl<S> Filter<S> {
    /// Roughly the steps that a row takes, to tell small queries from large ones.
    pub(crate) fn weight(&self) -> u64 {
        match self {
            Filter::Always => 1,
            Filter::All(inner) | Filter::Any(inner) => inner.iter().map(Filter::weight).sum(),
            Filter::Not(inner) => inner.weight(),
            Filter::Test(test) => match &test.ask {
                Ask::Compare(..) => 10,
                Ask::OneOf { list, .. } => 10 + list.others.len() as u64,
                Ask::Like(pattern) => 10 + 10 * pattern.len() as u64,
            },
        }
    }
}

impl<S> Test<S> {
    fn holds(&self, value: &Value<'_>, budget: &Budget) -> bool {
        match &self.ask {
            Ask::Compare(comparison, operand) => {
                comparison.holds(value, operand, self.case_sensitive)
            }
            Ask::OneOf { negated, list } => {
                budget.spend(list.others.len() as u64);
                list.contains(value, self.case_sensitive) != *negated
            }
            Ask::Like(pattern) => match value {
                Value::Text(text) => literal::matches(pattern, text, self.case_sensitive, budget),
                _ => false,
            },
        }
    }
}
