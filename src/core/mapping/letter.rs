//! A dead letter as it would be sent now: mapped anew where only the mapping has refused it, with
//! everything that people have edited.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::value::RawValue;

use super::{Plan, Unmappable};
use crate::core::change::Change;
use crate::core::describe::FieldKind;
use crate::core::entry::Image;
use crate::core::letters::{FieldEdits, LetterRecord};
use crate::core::source_row::{Kept, SourceRow};
use crate::core::value::Value;

/// A payload's fields by name, each with its JSON text as it stands: no digit of a number is lost.
pub type Fields = BTreeMap<String, Box<RawValue>>;

/// What a letter has become.
#[derive(Clone, Debug, PartialEq)]
pub enum MappedLetter {
    Image(Image),
    /// The route's filter leaves it out now; of its image the key alone is left.
    LeftOut(Image),
}

impl Plan {
    /// What is to be sent for a letter.
    ///
    /// # Errors
    /// Why the mapping refuses it still; the text names no value.
    pub fn map_letter(&self, letter: &LetterRecord) -> Result<MappedLetter, String> {
        let image = &letter.subject.image;
        let Some(row) = &image.row else {
            return self.edited(Arc::clone(&image.key), &image.payload, &letter.edits);
        };
        let edited = edited_fields(&letter.edits);
        let subject = &letter.subject;
        let values = kept_row(row).map_err(str::to_owned).and_then(|row| {
            let picked = row.pick(&subject.id.table, &self.columns);
            picked.map_err(|lack| lack.text)
        })?;
        let change = Change {
            id: subject.id.clone(),
            last_of_row: true,
            operation: subject.operation,
            values,
            captured_at: subject.captured_at,
        };
        let mapped = match self.leaves_out(&change) {
            // Whoever edits a letter wants it to be sent.
            Ok(true) if edited.is_empty() => {
                return Ok(MappedLetter::LeftOut(self.key_alone(&change)));
            }
            Ok(_) => self.map(&change),
            Err(undecided) => Err(undecided),
        };
        let image = match mapped {
            Ok(image) => image,
            Err(Unmappable { image, problems }) => {
                let is_mended = |fields: &[String]| {
                    !fields.is_empty() && fields.iter().all(|field| edited.contains(field))
                };
                let left = problems.iter().find(|problem| !is_mended(&problem.fields));
                match left {
                    Some(problem) => return Err(problem.message.clone()),
                    None => image,
                }
            }
        };
        self.edited(image.key, &image.payload, &letter.edits)
    }

    fn edited(
        &self,
        key: Arc<str>,
        payload: &str,
        edits: &[FieldEdits],
    ) -> Result<MappedLetter, String> {
        if key.is_empty() {
            return Err(format!("{} is empty", self.external_id));
        }
        let unreadable = "what was kept of it is no JSON object";
        let mut fields = read_fields(payload).ok_or(unreadable)?;
        for edit in edits {
            edit.apply(&mut fields).ok_or(unreadable)?;
        }
        let email = self.fields.iter().find_map(|field| {
            let json = fields.get(&field.name)?.get();
            matches!(field.kind, FieldKind::Email { .. }).then_some(())?;
            json.strip_prefix('"')?.strip_suffix('"').map(Arc::from)
        });
        let payload = serde_json::to_string(&fields).map_err(|_| unreadable)?;
        Ok(MappedLetter::Image(Image {
            key,
            payload: payload.into(),
            email,
            row: None,
        }))
    }
}

impl FieldEdits {
    /// Carries the edit out; `None` when it cannot be read.
    pub fn apply(&self, fields: &mut Fields) -> Option<()> {
        for name in read_fields(&self.before)?.into_keys() {
            fields.remove(&name);
        }
        fields.extend(read_fields(&self.after)?);
        Some(())
    }
}

/// A payload's fields; `None` when it is no JSON object.
#[must_use]
pub fn read_fields(payload: &str) -> Option<Fields> {
    serde_json::from_str(payload).ok()
}

/// The names of the fields that these edits have touched.
#[must_use]
pub fn edited_fields(edits: &[FieldEdits]) -> BTreeSet<String> {
    let texts = edits.iter().flat_map(|edit| [&edit.before, &edit.after]);
    let fields = texts.filter_map(|text| read_fields(text));
    fields.flat_map(Fields::into_keys).collect()
}

/// A letter's row, as this version or one before 0.2 wrote it.
pub(super) fn kept_row(row: &str) -> Result<SourceRow, &'static str> {
    SourceRow::from_json(row).or_else(|_| row_of_texts(row))
}

/// A row as versions before 0.2 kept it: every value as a text.
fn row_of_texts(row: &str) -> Result<SourceRow, &'static str> {
    let texts: BTreeMap<String, Option<String>> =
        serde_json::from_str(row).map_err(|_| "a kept row is no JSON object of texts")?;
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for (name, text) in texts {
        columns.push(Arc::from(name));
        values.push(match text.as_deref() {
            None => Kept::Value(Value::Null),
            // What it held was not kept.
            Some("(binary)") => Kept::Unreadable,
            Some(text) => Kept::Value(Value::Text(text.to_owned())),
        });
    }
    Ok(SourceRow {
        columns: columns.into(),
        values,
    })
}

#[cfg(test)]
mod tests;
