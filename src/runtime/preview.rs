//! What would become of rows that are there, by the real mapping, with nothing sent and nothing
//! written: for the command line without a service, and for a running one's console.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use serde_json::value::{RawValue, to_raw_value};

use super::commands::Declined;
use crate::capture::{self, SourceSettings};
use crate::core::change::Change;
use crate::core::entry::Image;
use crate::core::mapping::{FieldSource, FieldSpec, MappingSpec, Plan, Problem};
use crate::core::value::Value;
use crate::delivery;

/// Rows of one route, judged.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Judged {
    pub rows_read: usize,
    pub would_send: usize,
    pub would_reject: usize,
    pub left_out: usize,
    pub rows: Vec<RowReport>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    Send,
    Reject,
    LeaveOut,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct RowReport {
    pub key: Json,
    pub fate: Fate,
    /// In the order of the config; a field that would not be sent is not there.
    pub fields: Vec<FieldReport>,
    pub problems: Vec<ProblemReport>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct FieldReport {
    pub field: String,
    pub from: String,
    /// As it stands in the payload, digit for digit.
    pub value: Box<RawValue>,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ProblemReport {
    pub code: String,
    pub text: String,
    pub fields: Vec<String>,
    /// The columns that the fields are made of.
    pub columns: Vec<String>,
    pub remedy: String,
}

/// Where a running service's rows are looked at: what its driver gives for one route.
#[derive(Debug)]
pub struct Sample {
    pub settings: Arc<SourceSettings>,
    pub spec: MappingSpec,
    pub plan: Arc<Plan>,
}

impl Sample {
    /// The newest rows, judged; `masked` shows only of what kind the values are. Reads MySQL on a
    /// connection of its own.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn look(&self, rows: u32, masked: bool) -> Result<Judged, Declined> {
        let (table, columns) = (&self.spec.table, &self.plan.columns);
        let read = capture::newest_rows(&self.settings, table, columns, rows).await;
        let mut judged = Judged::default();
        judged.take(&self.spec, &self.plan, read?, masked);
        Ok(judged)
    }
}

impl Judged {
    pub fn take(&mut self, spec: &MappingSpec, plan: &Plan, rows: Vec<Vec<Value>>, masked: bool) {
        self.rows_read = rows.len();
        for values in rows {
            let row = RowReport::new(
                spec,
                plan,
                &Change::of_read_row(spec.table.clone(), values),
                masked,
            );
            match row.fate {
                Fate::Send => self.would_send += 1,
                Fate::Reject => self.would_reject += 1,
                Fate::LeaveOut => self.left_out += 1,
            }
            self.rows.push(row);
        }
    }
}

impl RowReport {
    fn new(spec: &MappingSpec, plan: &Plan, change: &Change, masked: bool) -> Self {
        let (fate, image, problems) = match plan.leaves_out(change) {
            Ok(true) => (Fate::LeaveOut, plan.key_alone(change), Vec::new()),
            Ok(false) => match plan.map(change) {
                Ok(image) => (Fate::Send, image, Vec::new()),
                Err(unmappable) => (Fate::Reject, unmappable.image, unmappable.problems),
            },
            Err(undecided) => (Fate::Reject, undecided.image, undecided.problems),
        };
        let key = Json::from(&*image.key);
        Self {
            key: if masked { mask(&key) } else { key },
            fate,
            fields: fields(spec, &image, masked),
            problems: problems
                .into_iter()
                .map(|problem| ProblemReport::new(spec, problem))
                .collect(),
        }
    }
}

fn fields(spec: &MappingSpec, image: &Image, masked: bool) -> Vec<FieldReport> {
    // Of a row that is left out nothing is mapped; else the payload is ours, and is an object.
    let payload: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(&image.payload).unwrap_or_default();
    let report = |wanted: &FieldSpec| {
        let (name, value) = payload
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(&wanted.field))?;
        let is_ours = matches!(
            wanted.source,
            FieldSource::Constant(_) | FieldSource::RecordType(_)
        );
        Some(FieldReport {
            field: name.clone(),
            from: from(&wanted.source),
            value: match masked && !is_ours {
                true => masked_value(value),
                false => value.clone(),
            },
        })
    };
    spec.fields.iter().filter_map(report).collect()
}

/// What a field is made of, in a few words.
fn from(source: &FieldSource) -> String {
    let columns = || source.columns().join(", ");
    match source {
        FieldSource::Column { name, .. } => name.clone(),
        FieldSource::Constant(_) => "(constant)".to_owned(),
        FieldSource::RecordType(_) => "(record type)".to_owned(),
        FieldSource::Map { column, .. } => format!("{column} (map)"),
        FieldSource::Template { .. } => format!("{} (template)", columns()),
        FieldSource::Expression { .. } => format!("{} (expression)", columns()),
    }
}

fn masked_value(value: &RawValue) -> Box<RawValue> {
    let value: Json = serde_json::from_str(value.get()).unwrap_or_default();
    // What cannot be masked is not shown.
    to_raw_value(&mask(&value)).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// Of what kind a value is; that one is missing is no secret.
fn mask(value: &Json) -> Json {
    match value {
        Json::Null => Json::Null,
        Json::Bool(_) => "(true or false)".into(),
        Json::Number(_) => "(number)".into(),
        Json::String(text) => format!("(text, {} characters)", text.chars().count()).into(),
        Json::Array(_) | Json::Object(_) => "(more than one value)".into(),
    }
}

impl ProblemReport {
    fn new(spec: &MappingSpec, problem: Problem) -> Self {
        let mut columns = Vec::new();
        for field in &problem.fields {
            if field.eq_ignore_ascii_case(&spec.external_id) {
                columns.push(spec.key_column.clone());
            }
            let wanted = spec.fields.iter();
            let of_field = wanted.filter(|it| it.field.eq_ignore_ascii_case(field));
            columns.extend(of_field.flat_map(|it| it.source.columns()));
        }
        Self {
            remedy: delivery::explain(&problem.code).to_owned(),
            code: problem.code,
            text: problem.message,
            fields: problem.fields,
            columns,
        }
    }
}
