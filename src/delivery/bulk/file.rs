//! The file of an upload: a header, then one row a record, made from the payloads of the stream.
//!
//! Source: salesforce-facts 5.4 and 5.5. Rows end in LF; texts are always quoted, and nothing else
//! is. A field that a payload lacks is an empty cell, which leaves the field alone, as the missing
//! key of a payload does. Null is `#N/A`; so is a blank text, which a payload stores as null.
//!
//! Invariant: what a row of a file does to a lead is what its payload would do in a call, or
//! [`NotForBulk`] says why there is no such row; then the buffer is as it was.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Of one job's file. Salesforce takes 150 MB after encoding it in base64.
pub const MAX_FILE_BYTES: u64 = 100_000_000;

const MAX_HEADER_CHARS: usize = 32_000;
const MAX_COLUMNS: usize = 5_000;
const MAX_CELL_CHARS: usize = 131_072;
const MAX_ROW_CHARS: usize = 400_000;

/// How a cell says null; a text that reads so cannot be stored.
const NULL: &str = "#N/A";

/// The columns of a file: the external id, then the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvHeader {
    columns: Vec<Box<str>>,
}

/// Why fields cannot be the columns of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    #[error("{0:?} is not the API name of a field")]
    Name(String),
    #[error("field {0} is there twice")]
    Twice(String),
    #[error("a Bulk file holds {MAX_COLUMNS} fields and {MAX_HEADER_CHARS} characters of names")]
    TooMany,
}

/// Why a record cannot go by Bulk. It can go by a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotForBulk {
    #[error("the text of {field} is {NULL}, which Bulk takes for null")]
    Null { field: String },
    #[error("{field} holds a character that a Bulk file cannot carry")]
    Character { field: String },
    #[error("{field} is longer than {MAX_CELL_CHARS} characters")]
    Cell { field: String },
    #[error("the record is longer than {MAX_ROW_CHARS} characters")]
    Row,
    #[error("{field} holds an object or a list")]
    Nested { field: String },
    #[error("{field} is not a column of the file")]
    Column { field: String },
    #[error("the external id is empty")]
    Key,
    #[error("the payload is not an object of fields")]
    Payload,
}

impl CsvHeader {
    /// Columns for an external id and the fields of a route, in any order, each once.
    ///
    /// # Errors
    /// When Salesforce would not take them as a header.
    pub fn new<'a>(
        external_id: &'a str,
        fields: impl IntoIterator<Item = &'a str>,
    ) -> Result<CsvHeader, HeaderFault> {
        let mut columns: Vec<Box<str>> = Vec::new();
        let mut chars = 0;
        for name in std::iter::once(external_id).chain(fields) {
            let good = !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !good {
                return Err(HeaderFault::Name(name.to_owned()));
            }
            if columns.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                return Err(HeaderFault::Twice(name.to_owned()));
            }
            chars += name.len() + 1;
            if chars > MAX_HEADER_CHARS || columns.len() == MAX_COLUMNS {
                return Err(HeaderFault::TooMany);
            }
            columns.push(name.into());
        }
        Ok(CsvHeader { columns })
    }

    /// Appends the first row of the file.
    pub fn write(&self, out: &mut Vec<u8>) {
        for (at, name) in self.columns.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(name.as_bytes());
        }
        out.push(b'\n');
    }

    /// Appends the row of one record: the external id's value, and a JSON object of its fields.
    ///
    /// # Errors
    /// When the record would not arrive as it is; nothing is appended then.
    pub fn write_row(&self, key: &str, payload: &str, out: &mut Vec<u8>) -> Result<(), NotForBulk> {
        let start = out.len();
        let written = self.try_write_row(key, payload, out);
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    fn try_write_row(&self, key: &str, payload: &str, out: &mut Vec<u8>) -> Result<(), NotForBulk> {
        let cells = self.cells(payload)?;
        if key.trim().is_empty() {
            return Err(NotForBulk::Key);
        }
        let start = out.len();
        push_text(&self.columns[0], key, out)?;
        for (name, cell) in self.columns.iter().zip(cells).skip(1) {
            out.push(b',');
            let Some(json) = cell.map(RawValue::get) else {
                continue;
            };
            match json.as_bytes().first() {
                Some(b'"') => push_text(name, &text_of(json)?, out)?,
                Some(b'n') => out.extend_from_slice(NULL.as_bytes()),
                Some(b'{' | b'[') => {
                    return Err(NotForBulk::Nested {
                        field: name.to_string(),
                    });
                }
                _ => out.extend_from_slice(json.as_bytes()),
            }
        }
        out.push(b'\n');
        // Most rows have fewer bytes than they may have characters and need no counting.
        let row = &out[start..];
        if row.len() > MAX_ROW_CHARS && chars(row) > MAX_ROW_CHARS {
            return Err(NotForBulk::Row);
        }
        Ok(())
    }

    /// The payload's values in the order of the columns. Column 0 stays empty.
    fn cells<'p>(&self, payload: &'p str) -> Result<Vec<Option<&'p RawValue>>, NotForBulk> {
        let mut cells = vec![None; self.columns.len()];
        let mut stranger = None;
        let fields = Fields {
            columns: &self.columns,
            cells: &mut cells,
            stranger: &mut stranger,
        };
        let mut json = serde_json::Deserializer::from_str(payload);
        fields
            .deserialize(&mut json)
            .and_then(|()| json.end())
            .map_err(|_| NotForBulk::Payload)?;
        match stranger {
            Some(field) => Err(NotForBulk::Column { field }),
            None => Ok(cells),
        }
    }
}

/// The text of a JSON string.
fn text_of(json: &str) -> Result<Cow<'_, str>, NotForBulk> {
    if json.contains('\\') {
        return serde_json::from_str(json)
            .map(Cow::Owned)
            .map_err(|_| NotForBulk::Payload);
    }
    json.get(1..json.len().saturating_sub(1))
        .map(Cow::Borrowed)
        .ok_or(NotForBulk::Payload)
}

fn push_text(field: &str, text: &str, out: &mut Vec<u8>) -> Result<(), NotForBulk> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        out.extend_from_slice(NULL.as_bytes());
        return Ok(());
    }
    // White space around a text is trimmed by the platform, and who knows in which order.
    if trimmed.eq_ignore_ascii_case(NULL) {
        let field = field.to_owned();
        return Err(NotForBulk::Null { field });
    }
    if text.len() > MAX_CELL_CHARS && chars(text.as_bytes()) > MAX_CELL_CHARS {
        let field = field.to_owned();
        return Err(NotForBulk::Cell { field });
    }
    if text.contains('\0') {
        let field = field.to_owned();
        return Err(NotForBulk::Character { field });
    }
    out.push(b'"');
    for (at, part) in text.split('"').enumerate() {
        if at > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
    Ok(())
}

/// Characters of UTF-8 text.
fn chars(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count()
}

/// A field's name, not copied unless it is escaped.
#[derive(serde::Deserialize)]
struct Name<'p>(#[serde(borrow)] Cow<'p, str>);

/// Sorts the values of a JSON object into the columns of their names.
struct Fields<'a, 'p> {
    columns: &'a [Box<str>],
    cells: &'a mut [Option<&'p RawValue>],
    /// The first name that is no column.
    stranger: &'a mut Option<String>,
}

impl<'p> DeserializeSeed<'p> for Fields<'_, 'p> {
    type Value = ();

    fn deserialize<D: Deserializer<'p>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'p> Visitor<'p> for Fields<'_, 'p> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'p>>(self, mut map: A) -> Result<(), A::Error> {
        // Payloads keep the route's order, so the next column is nearly always the one.
        let mut next = 1;
        while let Some(Name(name)) = map.next_key::<Name<'p>>()? {
            let value: &'p RawValue = map.next_value()?;
            let is_it = |at: usize| self.columns.get(at).is_some_and(|column| **column == *name);
            let found = if is_it(next) {
                Some(next)
            } else {
                (1..self.columns.len()).find(|&at| is_it(at))
            };
            match found {
                Some(at) => {
                    self.cells[at] = Some(value);
                    next = at + 1;
                }
                None => {
                    self.stranger.get_or_insert_with(|| name.into_owned());
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
