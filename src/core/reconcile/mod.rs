//! Whether MySQL and Salesforce hold the same: what is compared, what differs, and why.
//!
//! Pure: rows and records come in, judgements go out. Memory is bounded: of a whole object only a
//! [`Sieve`] is kept, 35 bytes a record, and of what differs no more than its places. A judgement is
//! made only of a row that stood still while Salesforce was asked ([`judge`]), so a stream that writes
//! meanwhile raises no false alarm.

mod canonical;
mod explain;
mod sieve;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub use canonical::canonical;
pub use explain::{Explanation, Reason, Step, explain};
pub use sieve::{Met, Sieve};

use super::describe::{FieldKind, ObjectDescribe};
use super::mapping::MappingSpec;
use super::position::Position;

/// A field whose values are compared.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedField {
    /// As Salesforce spells it.
    pub name: String,
    pub kind: FieldKind,
}

/// What is compared of a route: its mapped fields, less those that nobody can change.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub object: String,
    pub key: ComparedField,
    /// Whether `A1` and `a1` are two records.
    pub key_case_sensitive: bool,
    pub fields: Vec<ComparedField>,
}

/// A row as it would be sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// The record's fields by name.
    Record(Map<String, Value>),
    /// The route's filter leaves it out.
    LeftOut,
    /// It cannot become a valid record.
    Invalid,
}

/// What one row comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Equal,
    /// The route does not send it, whatever Salesforce has.
    NotSent,
    Missing,
    /// The names of the fields.
    Different(Vec<String>),
    /// It changed while it was looked at.
    Moving,
}

/// In which way MySQL and Salesforce do not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// In MySQL, not in Salesforce.
    Missing,
    Different,
    /// In Salesforce under our external id, not in MySQL.
    Extra,
    /// One of the first two, and it goes on by itself.
    OnItsWay,
}

impl Comparison {
    /// `None` when Salesforce shows no field of the external id's name.
    #[must_use]
    pub fn new(spec: &MappingSpec, object: &ObjectDescribe) -> Option<Self> {
        let key = object.field(&spec.external_id)?;
        let compared = |name: &String| {
            let field = object.field(name)?;
            let fixed = matches!(field.kind, FieldKind::Unsupported(_)) || !field.updateable;
            let is_key = field.name == key.name;
            (!fixed && !is_key).then(|| ComparedField {
                name: field.name.clone(),
                kind: field.kind.clone(),
            })
        };
        Some(Self {
            object: object.name.clone(),
            key: ComparedField {
                name: key.name.clone(),
                kind: key.kind.clone(),
            },
            key_case_sensitive: key.case_sensitive,
            fields: spec
                .fields
                .iter()
                .filter_map(|field| compared(&field.field))
                .collect(),
        })
    }

    /// The key in the form in which it compares.
    #[must_use]
    pub fn key_of(&self, value: &Value) -> Option<String> {
        let key = canonical(&self.key.kind, value)?;
        Some(match self.key_case_sensitive {
            true => key,
            false => key.to_lowercase(),
        })
    }

    /// The fields of a payload, by Salesforce's names.
    #[must_use]
    pub fn payload(&self, payload: &str) -> Map<String, Value> {
        // Ours, and an object.
        let given: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(payload).unwrap_or_default();
        let field = |field: &ComparedField| {
            let mut names = given.iter();
            let (_, value) = names.find(|(name, _)| name.eq_ignore_ascii_case(&field.name))?;
            // A number keeps its digits as text: it is compared as a decimal, not as a double.
            let text = value.get();
            let value = match field.kind {
                FieldKind::Int { .. } | FieldKind::Number { .. } if text != "null" => {
                    Value::String(text.trim_matches('"').to_owned())
                }
                _ => serde_json::from_str(text).unwrap_or_default(),
            };
            Some((field.name.clone(), value))
        };
        self.fields.iter().filter_map(field).collect()
    }

    /// The compared values of a record as one number; the same for two records that agree in all
    /// of them. A field that has no value and one that is not given are the same.
    #[must_use]
    pub fn fingerprint(&self, record: &Map<String, Value>) -> u64 {
        let mut sum = 0_u64;
        for (index, field) in (0_u64..).zip(&self.fields) {
            let value = record.get(&field.name);
            let Some(value) = value.and_then(|value| canonical(&field.kind, value)) else {
                continue;
            };
            let mut hasher = blake3::Hasher::new();
            hasher.update(&index.to_le_bytes()).update(value.as_bytes());
            let mut bytes = [0; 8];
            hasher.finalize_xof().fill(&mut bytes);
            sum = sum.wrapping_add(u64::from_le_bytes(bytes));
        }
        sum
    }

    /// The fields in which a record differs from what would be sent. What would not be sent is
    /// Salesforce's own.
    #[must_use]
    pub fn differing(&self, ours: &Map<String, Value>, theirs: &Map<String, Value>) -> Vec<String> {
        let differs = |field: &&ComparedField| {
            let Some(ours) = ours.get(&field.name) else {
                return false;
            };
            let theirs = theirs.get(&field.name).unwrap_or(&Value::Null);
            canonical(&field.kind, ours) != canonical(&field.kind, theirs)
        };
        let fields = self.fields.iter().filter(differs);
        fields.map(|field| field.name.clone()).collect()
    }
}

/// What a row comes to of which Salesforce was asked between two looks; `None` is a row that is not
/// there.
#[must_use]
pub fn judge(
    comparison: &Comparison,
    before: Option<&Expected>,
    theirs: Option<&Map<String, Value>>,
    after: Option<&Expected>,
) -> Verdict {
    if before != after {
        return Verdict::Moving;
    }
    match (before, theirs) {
        // Gone since it was found, or as good as never there.
        (None | Some(Expected::LeftOut), _) => Verdict::NotSent,
        (Some(Expected::Invalid), Some(_)) => Verdict::NotSent,
        (Some(_), None) => Verdict::Missing,
        (Some(Expected::Record(ours)), Some(theirs)) => match comparison.differing(ours, theirs) {
            fields if fields.is_empty() => Verdict::Equal,
            fields => Verdict::Different(fields),
        },
    }
}

/// Whether everything up to `place` is behind `checkpoint`; false too where nobody can tell.
#[must_use]
pub fn has_passed(checkpoint: &Position, place: &Position) -> bool {
    match (checkpoint, place) {
        (Position::Gtid(have), Position::Gtid(wanted)) => have.contains_set(wanted),
        (Position::MariaDb(have), Position::MariaDb(wanted)) => have.contains_position(wanted),
        (Position::File(have), Position::File(wanted)) => !have.is_before(wanted),
        _ => false,
    }
}

/// Calls that a comparison of this many records and rows takes at least: to count them, and the
/// pages of `page_rows`.
#[must_use]
pub fn calls_for(records: u64, page_rows: u64) -> u64 {
    records.div_ceil(page_rows.max(1)).max(1)
}

#[cfg(test)]
mod tests;
