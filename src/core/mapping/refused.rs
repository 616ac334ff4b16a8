//! What a row holds for a field that the mapping has refused: such a letter carries its row, and
//! the refused value stands in the row alone.
//!
//! It is told as the text that the mapping tried to send. What is worked out of several columns has
//! no one value, so its columns are named instead.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::computed::Recipe;
use super::convert::text_of;
use super::letter::kept_row;
use super::{Plan, PlannedField, PlannedSource};
use crate::core::source_row::{Kept, SourceRow};
use crate::core::value::Value;
use crate::core::value::text::hex_text;

/// What fills a field, as far as a row can show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum FieldOrigin {
    Column {
        column: String,
        trim: bool,
        /// A SET for a multi-select picklist: its commas become semicolons.
        is_set: bool,
    },
    /// A template or an expression.
    Computed { columns: Vec<String> },
    /// Nothing of the row: a constant.
    #[default]
    Constant,
}

/// What was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    Text(String),
    ComputedFrom(Vec<String>),
}

/// A row as it was kept, opened once for all of its fields.
#[derive(Debug)]
pub struct KeptRow(SourceRow);

impl Plan {
    /// `None` when the mapping has no such field.
    #[must_use]
    pub fn origin(&self, field: &str) -> Option<FieldOrigin> {
        let mut fields = self.fields.iter();
        let field = fields.find(|known| known.name.eq_ignore_ascii_case(field))?;
        Some(self.origin_of(field))
    }

    fn origin_of(&self, field: &PlannedField) -> FieldOrigin {
        let name = |index: usize| self.columns.get(index).cloned().unwrap_or_default();
        match &field.source {
            PlannedSource::Constant(_) => FieldOrigin::Constant,
            PlannedSource::Column { index, .. } => FieldOrigin::Column {
                column: name(*index),
                trim: field.trim,
                is_set: field.is_set,
            },
            PlannedSource::Computed {
                recipe: Recipe::Map(map),
                ..
            } => FieldOrigin::Column {
                column: name(map.index),
                trim: map.trim,
                is_set: false,
            },
            PlannedSource::Computed { uses, .. } => FieldOrigin::Computed {
                columns: uses.columns.iter().map(|(_, name)| name.clone()).collect(),
            },
        }
    }

    /// The texts that were refused, of the fields that are neither in the payload nor edited, as
    /// JSON strings by name; nothing when the row cannot be read.
    #[must_use]
    pub fn refused(&self, row: &str, settled: &BTreeSet<String>) -> BTreeMap<String, String> {
        let Some(row) = KeptRow::read(row) else {
            return BTreeMap::new();
        };
        let fields = self.fields.iter().filter(|it| !settled.contains(&it.name));
        let texts = fields.filter_map(|field| match row.refused(&self.origin_of(field))? {
            Refused::Text(text) => Some((field.name.clone(), text)),
            Refused::ComputedFrom(_) => None,
        });
        texts.collect()
    }
}

impl KeptRow {
    /// `None` when it is no kept row.
    #[must_use]
    pub fn read(json: &str) -> Option<Self> {
        kept_row(json).ok().map(Self)
    }

    /// What it holds for such a field; `None` when that is nothing, or cannot be read.
    #[must_use]
    pub fn refused(&self, origin: &FieldOrigin) -> Option<Refused> {
        match origin {
            FieldOrigin::Constant => None,
            FieldOrigin::Computed { columns } => Some(Refused::ComputedFrom(columns.clone())),
            FieldOrigin::Column {
                column,
                trim,
                is_set,
            } => {
                let Kept::Value(value) = self.0.column(column)? else {
                    return None;
                };
                let text = shown(value);
                let text = if *trim { text.trim() } else { &text };
                if text.trim().is_empty() {
                    return None;
                }
                Some(Refused::Text(match is_set {
                    true => text.replace(',', ";"),
                    false => text.to_owned(),
                }))
            }
        }
    }

    /// Its columns with their values as text; those that the row image left out are not there.
    #[must_use]
    pub fn texts(&self) -> Vec<(String, String)> {
        let columns = self.0.columns.iter().zip(&self.0.values);
        let texts = columns.filter_map(|(name, kept)| {
            let text = match kept {
                Kept::Value(value) => shown(value),
                Kept::Unreadable => "(cannot be read)".to_owned(),
                Kept::Absent => return None,
            };
            Some((name.to_string(), text))
        });
        texts.collect()
    }
}

/// NULL is an empty text.
fn shown(value: &Value) -> String {
    match (text_of(value), value) {
        (Some(text), _) => text,
        (None, Value::Bytes(bytes)) => format!("0x{}", hex_text(bytes)),
        (None, _) => String::new(),
    }
}

#[cfg(test)]
mod tests;
