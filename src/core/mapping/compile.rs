//! The plan's making: every mistake of a mapping is found here, before the first row, all at once.

mod ids;
mod recipes;

use std::sync::Arc;

use super::convert;
use super::fit::check_fit;
use super::{FieldSource, MappingSpec, Plan, PlannedField, PlannedSource, Scalar};
use crate::core::describe::{FieldDescribe, FieldKind, ObjectDescribe};
use crate::core::schema::{ColumnKind, TableSchema};
use crate::core::value::Value;

/// A mapping that does not fit the table or the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// `LS####`.
    pub page: &'static str,
    /// Key path in the config: `route[0].fields.LastName`.
    pub path: String,
    pub text: String,
    pub remedy: String,
}

const UNKNOWN_COLUMN: &str = "LS5001";
const UNKNOWN_FIELD: &str = "LS5002";
const REQUIRED_UNMAPPED: &str = "LS5003";
const TYPES_DIFFER: &str = "LS5004";
const NOT_WRITABLE: &str = "LS5005";
const BAD_EXTERNAL_ID: &str = "LS5006";
const BAD_LITERAL: &str = "LS5007";
const OBJECT_NOT_WRITABLE: &str = "LS4040";

/// Compiles a route's mapping against what both sides look like now.
///
/// # Errors
/// Every mistake, in the order of the config.
pub fn compile(
    spec: &MappingSpec,
    table: &TableSchema,
    object: &ObjectDescribe,
) -> Result<Plan, Vec<Mistake>> {
    compile_with(spec, table, object, false).map(|(plan, _)| plan)
}

/// Compiles a mapping although the table lacks columns of it: these are taken to be of a fitting
/// type, for rows that waited or were written before. Gives the mistakes that were overlooked, too.
///
/// # Errors
/// Every other mistake.
pub fn compile_assuming(
    spec: &MappingSpec,
    table: &TableSchema,
    object: &ObjectDescribe,
) -> Result<(Plan, Vec<Mistake>), Vec<Mistake>> {
    compile_with(spec, table, object, true)
}

/// The kind of a column that is not there.
static ASSUMED: ColumnKind = ColumnKind::Other(String::new());

fn compile_with(
    spec: &MappingSpec,
    table: &TableSchema,
    object: &ObjectDescribe,
    assume: bool,
) -> Result<(Plan, Vec<Mistake>), Vec<Mistake>> {
    let mut compiler = Compiler {
        spec,
        table,
        object,
        columns: Vec::new(),
        mistakes: Vec::new(),
        assume,
        overlooked: Vec::new(),
    };
    compiler.object();
    let key = compiler.external_id();
    let fields: Vec<PlannedField> = spec
        .fields
        .iter()
        .filter_map(|field| compiler.field(field))
        .collect();
    compiler.required_fields();
    let filter = compiler.filter();
    let Compiler {
        columns,
        mistakes,
        overlooked,
        ..
    } = compiler;
    match key {
        Some((key_column, key_field)) if mistakes.is_empty() => {
            let plan = Plan {
                columns,
                object: object.name.as_str().into(),
                external_id: key_field.name.as_str().into(),
                // Salesforce compares without case only where the field is unique without case.
                key_case_sensitive: key_field.case_sensitive || !key_field.unique,
                key_column,
                key_max_chars: match key_field.kind {
                    FieldKind::Text { max_chars } | FieldKind::Email { max_chars } => max_chars,
                    _ => 255,
                },
                fields,
                filter,
            };
            Ok((plan, overlooked))
        }
        _ => Err(mistakes),
    }
}

struct Compiler<'a> {
    spec: &'a MappingSpec,
    table: &'a TableSchema,
    object: &'a ObjectDescribe,
    columns: Vec<String>,
    mistakes: Vec<Mistake>,
    /// Whether a column that is not there is a mistake that can be overlooked.
    assume: bool,
    overlooked: Vec<Mistake>,
}

impl<'a> Compiler<'a> {
    fn mistake(&mut self, page: &'static str, path: &str, text: String, remedy: String) {
        let path = format!("{}.{path}", self.spec.path);
        self.mistakes.push(Mistake {
            page,
            path,
            text,
            remedy,
        });
    }

    /// The place of a column among those that capture gives.
    fn column(&mut self, path: &str, name: &str) -> Option<(usize, &'a ColumnKind)> {
        let Some(column) = self.table.column(name) else {
            let near = nearest(
                name,
                self.table.columns.iter().map(|column| column.name.as_str()),
            );
            let overlooked = self.mistakes.len();
            self.mistake(
                UNKNOWN_COLUMN,
                path,
                format!("table {} has no column {name:?}", self.table.name),
                near.map_or_else(
                    || "name a column of the table".to_owned(),
                    |near| format!("did you mean {near:?}?"),
                ),
            );
            if !self.assume {
                return None;
            }
            self.overlooked.extend(self.mistakes.drain(overlooked..));
            return Some((self.place(name), &ASSUMED));
        };
        Some((self.place(&column.name), &column.kind))
    }

    fn place(&mut self, name: &str) -> usize {
        let known = self.columns.iter().position(|known| known == name);
        known.unwrap_or_else(|| {
            self.columns.push(name.to_owned());
            self.columns.len() - 1
        })
    }

    fn describe(&mut self, path: &str, name: &str) -> Option<&'a FieldDescribe> {
        let found = self.object.field(name);
        if found.is_none() {
            let near = nearest(
                name,
                self.object.fields.iter().map(|field| field.name.as_str()),
            );
            let hint = near
                .map(|near| format!("did you mean {near:?}? "))
                .unwrap_or_default();
            self.mistake(
                UNKNOWN_FIELD,
                path,
                format!(
                    "{} has no field {name:?} that the integration user can see",
                    self.object.name
                ),
                format!("{hint}create the field, or give the user's permission set access to it"),
            );
        }
        found
    }

    /// An upsert makes records and changes those that are there: a call that is repeated after a lost
    /// answer needs both rights.
    fn object(&mut self) {
        let right = match (self.object.createable, self.object.updateable) {
            (true, true) => return,
            (false, true) => "create",
            (true, false) => "edit",
            (false, false) => "create and edit",
        };
        let object = &self.object.name;
        let text = format!("the integration user may not {right} records of {object}");
        let remedy = format!("grant Create and Edit on {object} to the user's permission set");
        self.mistake(OBJECT_NOT_WRITABLE, "object", text, remedy);
    }

    fn external_id(&mut self) -> Option<(usize, &'a FieldDescribe)> {
        let spec = self.spec;
        let column = self.column("external_id.column", &spec.key_column);
        let field = self.describe("external_id.field", &spec.external_id)?;
        if !(field.external_id && field.unique) {
            self.mistake(
                BAD_EXTERNAL_ID,
                "external_id.field",
                format!("{} is not marked both External ID and Unique in Salesforce", field.name),
                "tick External ID and Unique on the field: without them a repeated call would make \
                 a second record"
                    .to_owned(),
            );
        }
        if !matches!(field.kind, FieldKind::Text { .. } | FieldKind::Email { .. }) {
            self.mistake(
                BAD_EXTERNAL_ID,
                "external_id.field",
                format!("{} holds {}, not text", field.name, field.kind.word()),
                "use a Text field as external id".to_owned(),
            );
        }
        let (index, kind) = column?;
        if *kind != ASSUMED
            && matches!(
                kind,
                ColumnKind::Float | ColumnKind::Double | ColumnKind::Json | ColumnKind::Other(_)
            )
        {
            self.mistake(
                BAD_EXTERNAL_ID,
                "external_id.column",
                format!(
                    "column {:?} has a type that gives no stable key",
                    spec.key_column
                ),
                "use a key of integers or text, best the table's primary key".to_owned(),
            );
        }
        Some((index, field))
    }

    fn field(&mut self, spec: &super::FieldSpec) -> Option<PlannedField> {
        let path = format!("fields.{}", spec.field);
        let column = match &spec.source {
            FieldSource::Column { name, .. } => Some(self.column(&path, name)?),
            FieldSource::Constant(_)
            | FieldSource::RecordType(_)
            | FieldSource::Map { .. }
            | FieldSource::Template { .. }
            | FieldSource::Expression { .. } => None,
        };
        let field = self.describe(&path, &spec.field)?;
        if field.name.eq_ignore_ascii_case(&self.spec.external_id) {
            self.mistake(
                BAD_EXTERNAL_ID,
                &path,
                format!("{} is the external id and is sent by itself", field.name),
                "remove it from the fields".to_owned(),
            );
            return None;
        }
        if !field.createable {
            self.mistake(
                NOT_WRITABLE,
                &path,
                format!("{} cannot be written by the integration user", field.name),
                "map another field, or grant edit access to it".to_owned(),
            );
            return None;
        }
        if let Some((_, kind)) = column
            && (*kind != ASSUMED || matches!(field.kind, FieldKind::Unsupported(_)))
            && let Err(misfit) = check_fit(kind, &field.kind)
        {
            let text = format!(
                "{} takes {}, its column is {}: {}",
                field.name,
                field.kind.word(),
                kind.word(),
                misfit.reason
            );
            self.mistake(TYPES_DIFFER, &path, text, misfit.remedy);
            return None;
        }
        let source = match &spec.source {
            FieldSource::Constant(scalar) => {
                PlannedSource::Constant(self.literal(&path, scalar, field)?)
            }
            FieldSource::RecordType(name) => {
                PlannedSource::Constant(self.record_type(&path, name, field)?)
            }
            FieldSource::Column { default, .. } => PlannedSource::Column {
                index: column?.0,
                default: match default {
                    Some(scalar) => Some(self.literal(&path, scalar, field)?),
                    None => None,
                },
            },
            FieldSource::Map { default, .. }
            | FieldSource::Template { default, .. }
            | FieldSource::Expression { default, .. } => {
                let (recipe, uses) = self.recipe(spec, field)?;
                let default = match default {
                    Some(scalar) => Some(self.literal(&path, scalar, field)?),
                    None => None,
                };
                PlannedSource::Computed {
                    recipe,
                    uses,
                    default,
                }
            }
        };
        let cut = self.cut(spec, field);
        let mut json_name = String::new();
        convert::write_string(&field.name, &mut json_name);
        json_name.push(':');
        Some(PlannedField {
            name: field.name.clone(),
            json_name,
            label: field.label.clone(),
            kind: field.kind.clone(),
            required: field.is_required(),
            is_set: matches!(
                (column, &field.kind),
                (Some((_, ColumnKind::Set)), FieldKind::MultiPicklist { .. })
            ),
            nillable: field.nillable && field.kind != FieldKind::Boolean,
            trim: spec.trim,
            cut,
            source,
        })
    }

    /// A constant or default as JSON text.
    fn literal(&mut self, path: &str, scalar: &Scalar, field: &FieldDescribe) -> Option<String> {
        if !self.check_id(path, scalar, field) {
            return None;
        }
        let value = match scalar {
            Scalar::Text(text) => Value::Text(text.clone()),
            Scalar::Integer(number) => Value::Int(*number),
            Scalar::Float(number) => Value::Double(*number),
            Scalar::Boolean(flag) => Value::Int(i64::from(*flag)),
        };
        let mut json = String::new();
        if let Err(fault) = convert::write_value(&value, &field.kind, true, &mut json) {
            let problem = fault.problem(&field.name, &field.label, &field.kind);
            self.mistake(
                BAD_LITERAL,
                path,
                problem.message,
                format!("{} takes {}", field.name, field.kind.word()),
            );
            return None;
        }
        if json == "null" && (!field.nillable || field.kind == FieldKind::Boolean) {
            self.mistake(
                BAD_LITERAL,
                path,
                format!("{} cannot be empty", field.name),
                format!("give {}", field.kind.word()),
            );
            return None;
        }
        Some(json)
    }

    fn required_fields(&mut self) {
        let mapped = |name: &str| {
            name.eq_ignore_ascii_case(&self.spec.external_id)
                || self
                    .spec
                    .fields
                    .iter()
                    .any(|field| field.field.eq_ignore_ascii_case(name))
        };
        let missing: Vec<String> = self
            .object
            .fields
            .iter()
            .filter(|field| field.is_required() && !mapped(&field.name))
            .map(|field| field.name.clone())
            .collect();
        for name in missing {
            self.mistake(
                REQUIRED_UNMAPPED,
                "fields",
                format!(
                    "{} requires {name}, and the route does not map it",
                    self.object.name
                ),
                format!("add {name} = \"<column>\" or {name} = {{ constant = \"…\" }}"),
            );
        }
    }
}

/// The name most like a misspelt one, if any is close.
pub fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let name = name.to_ascii_lowercase();
    names
        .map(|other| {
            (
                strsim::jaro_winkler(&name, &other.to_ascii_lowercase()),
                other,
            )
        })
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, other)| other)
}

impl Plan {
    /// The key as Salesforce compares it: what two records must share to be one.
    #[must_use]
    pub fn comparable_key(&self, key: &Arc<str>) -> Arc<str> {
        // Numbers and lower-case keys, which most are, need no copy.
        let folded = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
        if self.key_case_sensitive || key.bytes().all(folded) {
            Arc::clone(key)
        } else {
            key.to_lowercase().into()
        }
    }

    /// API names of the fields that payloads may have.
    pub fn field_names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }
}
