//! A mapping as people read it: each field with what it is made of, and the types on both sides.

use serde::{Deserialize, Serialize};

use super::{FieldSource, FieldSpec, MappingSpec};
use crate::core::describe::{FieldDescribe, FieldKind, ObjectDescribe};
use crate::core::schema::{ColumnKind, TableSchema};

/// One route's mapping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    pub route: String,
    /// `schema.table`.
    pub table: String,
    pub object: String,
    /// The rows that are carried, as a CEL expression; all without one.
    pub filter: Option<String>,
    /// The external id first, then in the order of the config.
    pub fields: Vec<FieldOutline>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldOutline {
    /// API name.
    pub field: String,
    /// As Salesforce's pages call it; `None`: the field is not there, or cannot be seen.
    pub label: Option<String>,
    /// `text, up to 80 characters`; `None` like the label.
    pub salesforce_type: Option<String>,
    /// Must be given when a record is created.
    pub required: bool,
    /// It finds the record.
    pub external_id: bool,
    pub made_by: MadeBy,
    /// What it is made of.
    pub columns: Vec<ColumnOutline>,
    /// The constant, the template or the expression; nothing for a column.
    pub recipe: Option<String>,
    /// What a restricted picklist takes.
    pub values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MadeBy {
    Column,
    Constant,
    RecordType,
    Map,
    Template,
    Expression,
}

impl MadeBy {
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            MadeBy::Column => "column",
            MadeBy::Constant => "constant",
            MadeBy::RecordType => "record type",
            MadeBy::Map => "value map",
            MadeBy::Template => "template",
            MadeBy::Expression => "expression",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnOutline {
    pub name: String,
    /// `VARCHAR or TEXT, up to 80 characters`; `None`: the table has no such column.
    pub mysql_type: Option<String>,
    pub nullable: bool,
}

/// What is known of a route; either side may be missing.
#[must_use]
pub fn outline(
    spec: &MappingSpec,
    table: Option<&TableSchema>,
    object: Option<&ObjectDescribe>,
) -> Outline {
    let column = |name: &String| {
        let found = table.and_then(|table| table.column(name));
        ColumnOutline {
            name: name.clone(),
            mysql_type: found.map(|column| column_words(&column.kind)),
            nullable: found.is_some_and(|column| column.nullable),
        }
    };
    let describe = |name: &str| object.and_then(|object| object.field(name));
    let key = describe(&spec.external_id);
    let mut fields = vec![FieldOutline {
        columns: vec![column(&spec.key_column)],
        external_id: true,
        ..of_field(&spec.external_id, key)
    }];
    fields.extend(spec.fields.iter().map(|wanted| FieldOutline {
        made_by: made_by(&wanted.source),
        columns: wanted.source.columns().iter().map(column).collect(),
        recipe: recipe(wanted),
        ..of_field(&wanted.field, describe(&wanted.field))
    }));
    Outline {
        route: spec.route.clone(),
        table: spec.table.to_string(),
        object: spec.object.clone(),
        filter: spec.filter.clone(),
        fields,
    }
}

fn of_field(name: &str, described: Option<&FieldDescribe>) -> FieldOutline {
    let values = match described.map(|field| &field.kind) {
        Some(
            FieldKind::Picklist { restricted, .. } | FieldKind::MultiPicklist { restricted, .. },
        ) => restricted.clone().unwrap_or_default(),
        _ => Vec::new(),
    };
    FieldOutline {
        field: described.map_or(name, |field| &field.name).to_owned(),
        label: described.map(|field| field.label.clone()),
        salesforce_type: described.map(|field| field_words(&field.kind)),
        required: described.is_some_and(FieldDescribe::is_required),
        external_id: false,
        made_by: MadeBy::Column,
        columns: Vec::new(),
        recipe: None,
        values,
    }
}

fn made_by(source: &FieldSource) -> MadeBy {
    match source {
        FieldSource::Column { .. } => MadeBy::Column,
        FieldSource::Constant(_) => MadeBy::Constant,
        FieldSource::RecordType(_) => MadeBy::RecordType,
        FieldSource::Map { .. } => MadeBy::Map,
        FieldSource::Template { .. } => MadeBy::Template,
        FieldSource::Expression { .. } => MadeBy::Expression,
    }
}

fn recipe(field: &FieldSpec) -> Option<String> {
    match &field.source {
        FieldSource::Column { .. } => None,
        FieldSource::Constant(value) => Some(scalar(value)),
        FieldSource::RecordType(name) => Some(name.clone()),
        FieldSource::Map { pairs, .. } => Some(format!("{} values", pairs.len())),
        FieldSource::Template { text, .. } | FieldSource::Expression { text, .. } => {
            Some(text.clone())
        }
    }
}

fn scalar(value: &super::Scalar) -> String {
    match value {
        super::Scalar::Text(text) => text.clone(),
        super::Scalar::Integer(number) => number.to_string(),
        super::Scalar::Float(number) => number.to_string(),
        super::Scalar::Boolean(value) => value.to_string(),
    }
}

/// A column's type in the words of MySQL.
#[must_use]
pub fn column_words(kind: &ColumnKind) -> String {
    match kind {
        ColumnKind::Integer { bytes, unsigned } => {
            let name = match bytes {
                1 => "TINYINT",
                2 => "SMALLINT",
                3 => "MEDIUMINT",
                8 => "BIGINT",
                _ => "INT",
            };
            let sign = if *unsigned { " UNSIGNED" } else { "" };
            format!("{name}{sign}")
        }
        ColumnKind::Decimal { precision, scale } => format!("DECIMAL({precision},{scale})"),
        ColumnKind::Float => "FLOAT".to_owned(),
        ColumnKind::Double => "DOUBLE".to_owned(),
        ColumnKind::Text { max_chars } => format!("text, up to {max_chars} characters"),
        ColumnKind::Bytes => "BINARY or BLOB".to_owned(),
        ColumnKind::Uuid => "UUID".to_owned(),
        ColumnKind::Date => "DATE".to_owned(),
        ColumnKind::DateTime => "DATETIME".to_owned(),
        ColumnKind::Timestamp => "TIMESTAMP".to_owned(),
        ColumnKind::Time => "TIME".to_owned(),
        ColumnKind::Year => "YEAR".to_owned(),
        ColumnKind::Enum { labels } => format!("ENUM of {} values", labels.len()),
        ColumnKind::Set => "SET".to_owned(),
        ColumnKind::Bit { bits } => format!("BIT({bits})"),
        ColumnKind::Json => "JSON".to_owned(),
        ColumnKind::Other(name) => name.clone(),
    }
}

/// A field's type in the words of Salesforce's set-up pages.
#[must_use]
pub fn field_words(kind: &FieldKind) -> String {
    let picklist = |name: &str, restricted: &Option<Vec<String>>| match restricted {
        Some(values) => format!("{name}, restricted to {} values", values.len()),
        None => format!("{name}, any value"),
    };
    match kind {
        FieldKind::Text { max_chars } => format!("text, up to {max_chars} characters"),
        FieldKind::Email { max_chars } => format!("email, up to {max_chars} characters"),
        FieldKind::Picklist { restricted, .. } => picklist("picklist", restricted),
        FieldKind::MultiPicklist { restricted, .. } => {
            picklist("multi-select picklist", restricted)
        }
        FieldKind::Boolean => "checkbox".to_owned(),
        FieldKind::Int { digits } => format!("whole number, up to {digits} digits"),
        FieldKind::Number { precision, scale } => {
            let whole = precision.saturating_sub(*scale);
            format!("number, {whole} digits before the point and {scale} behind it")
        }
        FieldKind::Date => "date".to_owned(),
        FieldKind::DateTime => "date and time".to_owned(),
        FieldKind::Time => "time".to_owned(),
        FieldKind::Reference => "lookup (Salesforce id)".to_owned(),
        FieldKind::Unsupported(name) => format!("{name}, which cannot be written"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::mapping::{OnTooLong, Scalar};
    use crate::core::schema::{Column, ColumnDefault, TableName};

    fn spec() -> MappingSpec {
        let column = |field: &str, name: &str| FieldSpec {
            field: field.into(),
            source: FieldSource::Column {
                name: name.into(),
                default: None,
            },
            trim: true,
            on_too_long: None,
        };
        let mut source = column("LeadSource", "x");
        source.source = FieldSource::Constant(Scalar::Text("web".into()));
        MappingSpec {
            route: "leads".into(),
            table: TableName {
                schema: "crm".into(),
                table: "leads".into(),
            },
            object: "Lead".into(),
            external_id: "Key__c".into(),
            key_column: "id".into(),
            fields: vec![column("status", "STATE"), column("Gone__c", "gone"), source],
            filter: None,
            on_too_long: OnTooLong::DeadLetter,
            path: "route[0]".into(),
        }
    }

    fn table() -> TableSchema {
        let column = |name: &str, kind, nullable| Column {
            name: name.into(),
            kind,
            nullable,
            primary_key: !nullable,
            default: ColumnDefault::None,
        };
        let id = ColumnKind::Integer {
            bytes: 4,
            unsigned: true,
        };
        TableSchema {
            name: spec().table,
            columns: vec![
                column("id", id, false),
                column("state", ColumnKind::Text { max_chars: 20 }, true),
            ],
        }
    }

    fn object() -> ObjectDescribe {
        let field = FieldDescribe {
            name: "Status".into(),
            label: "Lead Status".into(),
            kind: FieldKind::Picklist {
                max_chars: 255,
                restricted: Some(vec!["Open".into(), "Closed".into()]),
            },
            nillable: false,
            defaulted_on_create: false,
            createable: true,
            updateable: true,
            external_id: false,
            unique: false,
            case_sensitive: false,
            id_lookup: false,
        };
        ObjectDescribe {
            name: "Lead".into(),
            createable: true,
            updateable: true,
            fields: vec![field],
            record_types: Vec::new(),
        }
    }

    #[test]
    fn both_sides_are_named_and_what_is_missing_is_seen() {
        let outline = outline(&spec(), Some(&table()), Some(&object()));
        let names: Vec<&str> = outline.fields.iter().map(|it| it.field.as_str()).collect();
        assert_eq!(names, ["Key__c", "Status", "Gone__c", "LeadSource"]);
        let [key, status, gone, source] = &outline.fields[..] else {
            panic!("four fields");
        };
        assert!(key.external_id && !status.external_id);
        assert_eq!(key.columns[0].mysql_type.as_deref(), Some("INT UNSIGNED"));
        assert_eq!(status.label.as_deref(), Some("Lead Status"));
        assert!(status.required);
        assert_eq!(
            status.salesforce_type.as_deref(),
            Some("picklist, restricted to 2 values")
        );
        assert_eq!(status.values, ["Open", "Closed"]);
        assert!(status.columns[0].nullable);
        assert_eq!((&gone.label, &gone.columns[0].mysql_type), (&None, &None));
        assert_eq!(source.made_by, MadeBy::Constant);
        assert_eq!(source.recipe.as_deref(), Some("web"));
    }

    #[test]
    fn numbers_say_what_fits() {
        let number = FieldKind::Number {
            precision: 18,
            scale: 2,
        };
        assert_eq!(
            field_words(&number),
            "number, 16 digits before the point and 2 behind it"
        );
    }
}
