//! From a row of the upload to a record that can be written (facts 5.4).
use std::borrow::Cow;

use super::cell;
use super::csv::{Flaw, Row};
use super::header::Header;
use super::request::Operation;
use crate::org::{Draft, Refusal, Target, id};
use crate::schema::{FieldType, Schema};
use crate::value::Value;

/// Most characters of a cell and of a row (facts 5.5).
const MAX_CELL_CHARACTERS: usize = 131_072;
const MAX_ROW_CHARACTERS: usize = 400_000;

/// What turns the rows of one job into records.
pub(super) struct RowReader<'s> {
    schema: &'s Schema,
    operation: Operation,
    header: Header,
    id_column: Option<usize>,
}

/// A record, and the lead that its row names by id.
pub(super) type Record<'a> = (Draft<'a>, Option<u32>);

impl<'s> RowReader<'s> {
    pub(super) fn new(schema: &'s Schema, operation: Operation, header: Header) -> RowReader<'s> {
        RowReader {
            id_column: header.id_column(schema),
            schema,
            operation,
            header,
        }
    }

    /// The record of a row of `data`; refused already when the row breaks a rule.
    pub(super) fn record<'a>(&self, data: &'a [u8], row: &Row) -> Record<'a> {
        if let Err(refusal) = self.check(data, row) {
            return (Draft::refused(Target::New, refusal), None);
        }
        let id = match self.id_column.and_then(|column| row.cells.get(column)) {
            Some(cell) => cell.text(data),
            None => Cow::Borrowed(""),
        };
        let place = id::parse_lead(&id);
        let draft = match self.operation {
            Operation::Insert if !id.is_empty() => Draft::refused(
                Target::New,
                Refusal::record(
                    "INVALID_FIELD_FOR_INSERT_UPDATE",
                    "cannot specify Id in an insert call",
                    &["Id"],
                ),
            ),
            Operation::Insert => self.save(Target::New, data, row),
            Operation::Update => match self.named(&id, "an update") {
                Ok(place) => self.save(Target::Place(place), data, row),
                Err(refusal) => Draft::refused(Target::New, refusal),
            },
            Operation::Delete | Operation::HardDelete => match self.named(&id, "a delete") {
                Ok(place) => Draft::new(self.schema, Target::Place(place), Vec::new()),
                Err(refusal) => Draft::refused(Target::New, refusal),
            },
            Operation::Upsert(key) if self.schema.field(key).kind == FieldType::Id => {
                if id.is_empty() {
                    self.save(Target::New, data, row)
                } else {
                    match self.named(&id, "an upsert") {
                        Ok(place) => self.save(Target::Place(place), data, row),
                        Err(refusal) => Draft::refused(Target::New, refusal),
                    }
                }
            }
            Operation::Upsert(_) if !id.is_empty() => Draft::refused(
                Target::New,
                Refusal::record(
                    "INVALID_FIELD",
                    "The Id field should not be specified in the sobject data.",
                    &["Id"],
                ),
            ),
            Operation::Upsert(key) => {
                let value = Value::Null;
                self.save(Target::Key { field: key, value }, data, row)
            }
        };
        (draft, place)
    }

    /// What is wrong with the row whatever its values are.
    fn check(&self, data: &[u8], row: &Row) -> Result<(), Refusal> {
        let refuse = |text: String| Err(Refusal::new("ClientInputError", text));
        match row.flaw {
            Some(Flaw::Quote) => {
                return refuse("A quote in the row neither begins nor ends a field".into());
            }
            Some(Flaw::Unterminated) => {
                return refuse("A quoted field of the row has no closing quote".into());
            }
            None => {}
        }
        let raw = data.get(row.start..row.end).unwrap_or_default();
        let Ok(text) = std::str::from_utf8(raw) else {
            return Err(Refusal::new(
                "TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET",
                "The row is not UTF-8",
            ));
        };
        let (cells, columns) = (row.cells.len(), self.header.fields.len());
        if cells != columns {
            return refuse(format!("The row has {cells} fields, the header {columns}"));
        }
        // A text of that many bytes has no more characters; counting is for the rest.
        if raw.len() > MAX_ROW_CHARACTERS && text.chars().count() > MAX_ROW_CHARACTERS {
            return refuse(format!(
                "The row is longer than {MAX_ROW_CHARACTERS} characters"
            ));
        }
        if raw.len() > MAX_CELL_CHARACTERS {
            for (cell, field) in row.cells.iter().zip(&self.header.fields) {
                if cell.text(data).chars().count() > MAX_CELL_CHARACTERS {
                    let name = &self.schema.field(*field).name;
                    let text = format!("A field is longer than {MAX_CELL_CHARACTERS} characters");
                    return Err(Refusal::record("ClientInputError", text, &[name]));
                }
            }
        }
        Ok(())
    }

    /// The lead that a row must name.
    fn named(&self, id: &str, call: &str) -> Result<u32, Refusal> {
        if id.is_empty() || id == "#N/A" {
            let text = format!("Id not specified in {call} call");
            return Err(Refusal::new("MISSING_ARGUMENT", text));
        }
        id::parse_lead(id).ok_or_else(|| {
            let text = format!("Lead ID: id value of incorrect type: {id}");
            Refusal::record("MALFORMED_ID", text, &["Id"])
        })
    }

    /// A record with the values of the row; the value of a key comes from its column.
    fn save<'a>(&self, mut target: Target<'a>, data: &'a [u8], row: &Row) -> Draft<'a> {
        let mut values = Vec::with_capacity(row.cells.len() + 1);
        let mut refusals = Vec::new();
        for (column, (cell, number)) in row.cells.iter().zip(&self.header.fields).enumerate() {
            if Some(column) == self.id_column {
                continue;
            }
            match cell::convert(self.schema.field(*number), cell.text(data)) {
                Ok(None) => {}
                Ok(Some(found)) => match &mut target {
                    Target::Key { field, value } if field == number => *value = found,
                    _ => values.push((*number, found)),
                },
                Err(refusal) => refusals.push(refusal),
            }
        }
        if refusals.is_empty() {
            Draft::new(self.schema, target, values)
        } else {
            Draft::refused_for(target, refusals)
        }
    }
}
