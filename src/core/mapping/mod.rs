//! Columns to fields: a plan compiled once from the route's config, the table and Salesforce's
//! describe, then run for every change.
//!
//! What can be known before the first row is a [`Mistake`] of the plan; what only a row can show is
//! a [`Problem`] of that row, found before it costs a call. Problems carry the codes that Salesforce
//! would use for the same fault, so that a cause has one name wherever it is found.

mod advice;
mod compile;
mod computed;
mod convert;
mod edit;
mod expression;
mod filter;
mod fit;
mod letter;
mod outline;
mod proposal;
mod refused;
mod template;

use std::sync::Arc;

pub use advice::advise;
pub use compile::{Mistake, compile, compile_assuming, nearest};
pub use convert::write_string as write_json_string;
pub use edit::{EditRefusal, FieldEdit, NewValue, check_edit};
pub use expression::parse as parse_expression;
pub use expression::{Fault as ExpressionFault, Parsed as ParsedExpression};
pub use letter::{Fields, MappedLetter, edited_fields, read_fields};
pub use outline::{ColumnOutline, FieldOutline, MadeBy, Outline, outline};
pub use proposal::{NoProposal, Proposal, ProposedField, propose};
pub use refused::{FieldOrigin, KeptRow, Refused};
pub use template::{Piece as TemplatePiece, parse as parse_template};

use self::computed::{Made, Recipe, Uses};
use self::filter::Filter;

use super::change::{Change, Operation};
use super::describe::FieldKind;
use super::entry::Image;
use super::outcome::RecordError;
use super::schema::TableName;
use super::source_row::{Kept, SourceRow};
use super::value::Value;

/// One route's mapping as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct MappingSpec {
    pub route: String,
    pub table: TableName,
    pub object: String,
    /// API name of the external id field, and the column that gives its value.
    pub external_id: String,
    pub key_column: String,
    pub fields: Vec<FieldSpec>,
    /// The rows that are carried, as a CEL expression; all without one.
    pub filter: Option<String>,
    /// What becomes of texts that are too long, where a field does not say otherwise.
    pub on_too_long: OnTooLong,
    /// Key path of the route in the config, for mistakes: `route[0]`.
    pub path: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FieldSpec {
    pub field: String,
    pub source: FieldSource,
    pub trim: bool,
    /// `None`: as the route says.
    pub on_too_long: Option<OnTooLong>,
}

/// What becomes of a text that is longer than its field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTooLong {
    #[default]
    DeadLetter,
    /// Cut between two characters; only where what is left is still the same thing.
    Truncate,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FieldSource {
    Column {
        name: String,
        default: Option<Scalar>,
    },
    Constant(Scalar),
    /// The record type of this developer name.
    RecordType(String),
    /// A column through a table of values.
    Map {
        column: String,
        pairs: Vec<(String, Scalar)>,
        unmapped: Unmapped,
        default: Option<Scalar>,
    },
    /// Text with columns in braces.
    Template {
        text: String,
        default: Option<Scalar>,
    },
    /// CEL.
    Expression {
        text: String,
        default: Option<Scalar>,
    },
}

/// What becomes of a value that a value map does not list.
#[derive(Clone, Debug, PartialEq)]
pub enum Unmapped {
    DeadLetter,
    /// It is sent as it is.
    Keep,
    Otherwise(Scalar),
}

impl FieldSource {
    /// The columns that it names; none of what cannot be read.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        match self {
            FieldSource::Column { name, .. } => vec![name.clone()],
            FieldSource::Constant(_) | FieldSource::RecordType(_) => Vec::new(),
            FieldSource::Map { column, .. } => vec![column.clone()],
            FieldSource::Template { text, .. } => {
                let pieces = template::parse(text).unwrap_or_default();
                let column = |piece| match piece {
                    TemplatePiece::Column(name) => Some(name),
                    TemplatePiece::Text(_) => None,
                };
                pieces.into_iter().filter_map(column).collect()
            }
            FieldSource::Expression { text, .. } => expression_columns(text),
        }
    }
}

/// The columns that an expression names; none of one that cannot be read.
#[must_use]
pub fn expression_columns(source: &str) -> Vec<String> {
    parse_expression(source)
        .map(|parsed| parsed.columns())
        .unwrap_or_default()
}

#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
}

/// A mapping that fits both sides.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The columns that capture must give, in this order.
    pub columns: Vec<String>,
    pub object: Arc<str>,
    pub external_id: Arc<str>,
    /// False when Salesforce matches keys without case: `A1` and `a1` are then one record.
    pub key_case_sensitive: bool,
    key_column: usize,
    key_max_chars: u32,
    fields: Vec<PlannedField>,
    filter: Option<Filter>,
}

#[derive(Clone, Debug)]
struct PlannedField {
    name: String,
    /// The name as it stands in a payload: `"LastName":`.
    json_name: String,
    label: String,
    kind: FieldKind,
    required: bool,
    nillable: bool,
    /// The column is a SET that goes into a multi-select picklist.
    is_set: bool,
    trim: bool,
    /// The characters to which a text is cut.
    cut: Option<u32>,
    source: PlannedSource,
}

#[derive(Clone, Debug)]
enum PlannedSource {
    /// Index into the change's values, and the JSON text that stands in for NULL or empty.
    Column {
        index: usize,
        default: Option<String>,
    },
    /// JSON text.
    Constant(String),
    Computed {
        recipe: Recipe,
        uses: Uses,
        default: Option<String>,
    },
}

/// A row that cannot become a valid record; `image` holds what could be mapped and the source row.
#[derive(Clone, Debug, PartialEq)]
pub struct Unmappable {
    pub image: Image,
    pub problems: Vec<Problem>,
}

/// One thing wrong with one row.
pub type Problem = RecordError;

impl Plan {
    /// Maps one change.
    ///
    /// # Errors
    /// [`Unmappable`] with every problem of the row, when there is one.
    pub fn map(&self, change: &Change) -> Result<Image, Unmappable> {
        let mut problems = Vec::new();
        let key = self.key(change, &mut problems);
        let mut payload = String::with_capacity(48 * self.fields.len());
        let mut email = None;
        payload.push('{');
        for field in &self.fields {
            let rollback = payload.len();
            if payload.len() > 1 {
                payload.push(',');
            }
            payload.push_str(&field.json_name);
            let start = payload.len();
            match field.write(change, &mut payload) {
                Ok(true) => {}
                // Absent from the row image: the field is left alone.
                Ok(false) => payload.truncate(rollback),
                Err(problem) => {
                    payload.truncate(rollback);
                    problems.push(problem);
                    continue;
                }
            }
            if matches!(field.kind, FieldKind::Email { .. }) && email.is_none() {
                email = payload
                    .get(start..)
                    .and_then(|json| json.strip_prefix('"')?.strip_suffix('"'))
                    .map(Arc::from);
            }
        }
        payload.push('}');
        let mut image = Image {
            key: key.into(),
            payload: payload.into(),
            email,
            row: None,
        };
        if problems.is_empty() {
            return Ok(image);
        }
        image.row = Some(self.source_row(change).into());
        Err(Unmappable { image, problems })
    }

    fn key(&self, change: &Change, problems: &mut Vec<Problem>) -> String {
        let value = change.values.get(self.key_column).and_then(Option::as_ref);
        let text = value.and_then(convert::key_text).unwrap_or_default();
        if value.is_none() && change.operation == Operation::Update {
            problems.push(Problem {
                code: "KEY_NOT_IN_ROW_IMAGE".into(),
                message: format!(
                    "{} is not in the update's row image: nobody can tell whose update it is; with \
                     binlog_row_image = FULL the next one has it",
                    self.external_id
                ),
                fields: vec![self.external_id.to_string()],
            });
        } else if text.is_empty() {
            problems.push(Problem {
                code: "MISSING_ARGUMENT".into(),
                message: format!(
                    "{} is empty: a record without a key cannot be sent",
                    self.external_id
                ),
                fields: vec![self.external_id.to_string()],
            });
        } else if text.chars().count() > self.key_max_chars as usize {
            problems.push(Problem {
                code: "STRING_TOO_LONG".into(),
                message: format!(
                    "{}: the key is longer than {} characters",
                    self.external_id, self.key_max_chars
                ),
                fields: vec![self.external_id.to_string()],
            });
        }
        text
    }

    /// The row's columns as a JSON object, kept with a dead letter so that a mended mapping can
    /// try again: lossless, as [`SourceRow::to_json`] writes it.
    fn source_row(&self, change: &Change) -> String {
        let kept = |value: &Option<Value>| value.clone().map_or(Kept::Absent, Kept::Value);
        let row = SourceRow {
            columns: self.columns.iter().map(|name| Arc::from(&**name)).collect(),
            values: change.values.iter().map(kept).collect(),
        };
        row.to_json()
    }
}

impl PlannedField {
    /// Appends the field's JSON value; `Ok(false)` when the row image does not have the column.
    fn write(&self, change: &Change, out: &mut String) -> Result<bool, Problem> {
        let is_insert = change.operation == Operation::Insert;
        let (index, default) = match &self.source {
            PlannedSource::Constant(json) => {
                out.push_str(json);
                return Ok(true);
            }
            PlannedSource::Column { index, default } => (*index, default),
            PlannedSource::Computed {
                recipe,
                uses,
                default,
            } => {
                let null = Value::Null;
                return match recipe.make(&self.name, uses, &change.values, is_insert)? {
                    Made::Value(value) => self.write_value(&value, default, out),
                    Made::Json(json) => {
                        out.push_str(&json);
                        Ok(true)
                    }
                    Made::Nothing if is_insert && (default.is_some() || self.required) => {
                        self.write_value(&null, default, out)
                    }
                    Made::Nothing => Ok(false),
                };
            }
        };
        // A row image may leave columns out (MINIMAL): an update then leaves the field alone, an
        // insert has no older value that could stand.
        let value = match change.values.get(index) {
            Some(Some(value)) => value,
            _ if is_insert && (default.is_some() || self.required) => &Value::Null,
            _ => return Ok(false),
        };
        // A MySQL SET joins its labels by commas, Salesforce by semicolons; in any other text a
        // comma is a comma.
        let labels = match value {
            Value::Text(text) if self.is_set && text.contains(',') => {
                Some(Value::Text(text.replace(',', ";")))
            }
            _ => None,
        };
        self.write_value(labels.as_ref().unwrap_or(value), default, out)
    }

    fn write_value(
        &self,
        value: &Value,
        default: &Option<String>,
        out: &mut String,
    ) -> Result<bool, Problem> {
        let start = out.len();
        match convert::write_value(value, &self.kind, self.trim, out) {
            Ok(()) => {}
            Err(convert::Fault::TooLong) if let Some(max_chars) = self.cut => {
                convert::write_cut(value, max_chars, self.trim, out);
            }
            Err(fault) => return Err(fault.problem(&self.name, &self.label, &self.kind)),
        }
        if out.get(start..) == Some("null") {
            if let Some(default) = default {
                out.truncate(start);
                out.push_str(default);
            } else if !self.nillable && !self.required {
                // A literal null where the type knows none (a boolean, above all) makes Salesforce
                // refuse the whole request; without the field its default stands.
                return Ok(false);
            } else if self.required {
                return Err(Problem {
                    code: "REQUIRED_FIELD_MISSING".into(),
                    message: format!("{} is required, and the column is empty", self.name),
                    fields: vec![self.name.clone()],
                });
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
pub(crate) mod tests;
