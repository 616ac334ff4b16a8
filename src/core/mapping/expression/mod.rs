//! Filters and computed fields: CEL expressions over a row's columns, read and checked once, then
//! evaluated for every row.
//!
//! The `cel` crate reads and evaluates; what it leaves open is decided here. Types are checked
//! before the first row, because every column has one. Comparisons are our own: exact for DECIMAL,
//! and never silently false because two types differ. What an expression may cost is bounded by its
//! length, its depth and the functions there are: nothing repeats, and nothing multiplies a text.

mod check;
mod functions;
mod kinds;
mod necessary;
mod read;
mod values;

use cel::Context;
use cel::parser::Expression as Tree;

pub(super) use check::{ColumnFault, Concerns, compile};
pub(super) use kinds::Type;
pub(super) use necessary::necessary;
pub use read::{Fault, Parsed, parse};

use self::values::Row;
use crate::core::value::Value;

/// An expression that fits its table.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    tree: Tree,
    /// What it gives.
    pub(super) gives: Type,
    /// The columns that it uses, by their places among the plan's.
    uses: Vec<Use>,
}

#[derive(Clone, Debug)]
struct Use {
    index: usize,
    name: String,
    kind: Type,
}

/// What a row makes of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Computed {
    Null,
    Bool(bool),
    Value(Value),
}

/// Why a row makes nothing of an expression, in words that hold no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: String,
}

impl Expression {
    /// The columns that it uses, by their places among the plan's.
    pub(super) fn columns(&self) -> impl Iterator<Item = usize> + '_ {
        self.uses.iter().map(|used| used.index)
    }

    /// Evaluates it over a row.
    ///
    /// # Errors
    /// It cannot be worked out: a column is NULL or absent where a value is needed, a number is out
    /// of range, a text is no number.
    pub(super) fn evaluate(&self, values: &[Option<Value>]) -> Result<Computed, Failure> {
        let row = Row {
            values,
            uses: &self.uses,
        };
        let mut context = Context::with_env(functions::environment());
        context.set_variable_resolver(&row);
        // The evaluator's own errors name values, so they are not passed on.
        let Ok(value) = cel::Value::resolve_val(&self.tree, &context) else {
            return Err(self.failure(values));
        };
        values::computed(value.as_ref()).ok_or_else(|| self.failure(values))
    }

    /// What in the row keeps the expression from having a value.
    pub(super) fn failure(&self, values: &[Option<Value>]) -> Failure {
        let named = |holds: &dyn Fn(Option<&Value>) -> bool| {
            let found = self.uses.iter().filter(|used| {
                let value = values.get(used.index).and_then(Option::as_ref);
                holds(value)
            });
            let names: Vec<&str> = found.map(|used| used.name.as_str()).collect();
            (!names.is_empty()).then(|| names.join(", "))
        };
        let absent = named(&|value| value.is_none());
        let partial = named(&|value| value.is_some_and(values::is_no_date));
        let null = named(&|value| value.is_some_and(values::is_null));
        let reason = if let Some(names) = absent {
            format!("the row image lacks {names} (binlog_row_image is not FULL)")
        } else if let Some(names) = partial {
            format!("{names} holds a date that no calendar has")
        } else if let Some(names) = null {
            format!("{names} is NULL in this row")
        } else {
            "a number is out of range, or a text is not what is read from it".to_owned()
        };
        Failure { reason }
    }
}

#[cfg(test)]
mod tests;
