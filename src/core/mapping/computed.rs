//! Fields that are more than a column: value maps, templates and expressions, row by row.
//!
//! A field whose columns a row image leaves out is left alone; one that lacks only some of them
//! cannot be worked out, and the record is held back rather than sent with half a value.

use std::collections::HashMap;

use super::Problem;
use super::convert::text_of;
use super::expression::{Computed, Expression};
use crate::core::value::Value;

/// What fills a field, ready for rows.
#[derive(Clone, Debug)]
pub(super) enum Recipe {
    Map(ValueMap),
    Template(Vec<TemplatePart>),
    Expression {
        expression: Expression,
        /// Key path, for problems: `route[0].fields.Name.expression`.
        path: String,
    },
}

/// Column to field by a table of values.
#[derive(Clone, Debug)]
pub(super) struct ValueMap {
    pub(super) index: usize,
    pub(super) trim: bool,
    /// The column's text, and JSON text for the field.
    pub(super) pairs: HashMap<String, String>,
    pub(super) unmapped: PlannedUnmapped,
    pub(super) path: String,
}

/// What becomes of a value that the map does not list.
#[derive(Clone, Debug)]
pub(super) enum PlannedUnmapped {
    DeadLetter,
    Keep,
    /// JSON text.
    Otherwise(String),
}

#[derive(Clone, Debug)]
pub(super) enum TemplatePart {
    Text(String),
    Column(usize),
}

/// Columns of a field that some row images lack.
#[derive(Clone, Debug, Default)]
pub(super) struct Uses {
    /// By their places among the plan's, with their names; the primary key is not among them: it
    /// stands in every row image, changed or not.
    pub(super) columns: Vec<(usize, String)>,
}

/// What a recipe makes of a row.
#[derive(Debug)]
pub(super) enum Made {
    /// A value that is converted as a column's would be.
    Value(Value),
    /// JSON text as it is sent.
    Json(String),
    /// The row image has none of the columns.
    Nothing,
}

impl Uses {
    /// Which of the columns a row lacks: none, all, or some, by name.
    fn lacking(&self, values: &[Option<Value>]) -> Lacking {
        let lacks = |index: usize| values.get(index).is_none_or(Option::is_none);
        let absent: Vec<&str> = self
            .columns
            .iter()
            .filter(|(index, _)| lacks(*index))
            .map(|(_, name)| name.as_str())
            .collect();
        if absent.is_empty() {
            Lacking::None
        } else if absent.len() == self.columns.len() {
            Lacking::All
        } else {
            Lacking::Some(absent.join(", "))
        }
    }
}

enum Lacking {
    None,
    All,
    Some(String),
}

impl Recipe {
    /// Works the field out.
    ///
    /// # Errors
    /// The problem of the row, which names no value.
    pub(super) fn make(
        &self,
        field: &str,
        uses: &Uses,
        values: &[Option<Value>],
        is_insert: bool,
    ) -> Result<Made, Problem> {
        match uses.lacking(values) {
            Lacking::None => {}
            Lacking::All if !is_insert => return Ok(Made::Nothing),
            // An insert has no older value of the field: what it lacks counts as empty.
            Lacking::All | Lacking::Some(_) if is_insert && self.takes_gaps() => {}
            Lacking::All => return Ok(Made::Nothing),
            Lacking::Some(names) => {
                let message = format!(
                    "{field}: the row image lacks {names} (binlog_row_image is not FULL), so the \
                     field cannot be worked out"
                );
                return Err(problem("INCOMPLETE_ROW", message, field));
            }
        }
        match self {
            Recipe::Map(map) => map.make(field, values),
            Recipe::Template(parts) => Ok(Made::Value(Value::Text(fill(parts, values)))),
            Recipe::Expression { expression, path } => match expression.evaluate(values) {
                Ok(Computed::Null) => Ok(Made::Value(Value::Null)),
                Ok(Computed::Bool(flag)) => Ok(Made::Value(Value::Int(i64::from(flag)))),
                Ok(Computed::Value(value)) => Ok(Made::Value(value)),
                Err(failure) => {
                    let message = format!("{path} has no value: {}", failure.reason);
                    Err(problem("EXPRESSION_FAILED", message, field))
                }
            },
        }
    }

    fn takes_gaps(&self) -> bool {
        matches!(self, Recipe::Template(_))
    }
}

impl ValueMap {
    fn make(&self, field: &str, values: &[Option<Value>]) -> Result<Made, Problem> {
        let Some(Some(value)) = values.get(self.index) else {
            return Ok(Made::Nothing);
        };
        let text = text_of(value);
        let text = text
            .as_deref()
            .map(|text| if self.trim { text.trim() } else { text });
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
            // Empty as NULL is, unless the map has a word for it.
            let empty = self.pairs.get("").cloned();
            return Ok(empty.map_or(Made::Value(Value::Null), Made::Json));
        };
        if let Some(json) = self.pairs.get(text) {
            return Ok(Made::Json(json.clone()));
        }
        match &self.unmapped {
            PlannedUnmapped::Otherwise(json) => Ok(Made::Json(json.clone())),
            PlannedUnmapped::Keep => Ok(Made::Value(value.clone())),
            PlannedUnmapped::DeadLetter => {
                let message = format!("{field}: {} does not list the column's value", self.path);
                Err(problem("VALUE_NOT_MAPPED", message, field))
            }
        }
    }
}

fn fill(parts: &[TemplatePart], values: &[Option<Value>]) -> String {
    let mut text = String::new();
    for part in parts {
        match part {
            TemplatePart::Text(part) => text.push_str(part),
            TemplatePart::Column(index) => {
                let value = values.get(*index).and_then(Option::as_ref);
                if let Some(value) = value.and_then(text_of) {
                    text.push_str(&value);
                }
            }
        }
    }
    text
}

pub(super) fn problem(code: &str, message: String, field: &str) -> Problem {
    Problem {
        code: code.to_owned(),
        message,
        fields: vec![field.to_owned()],
    }
}
