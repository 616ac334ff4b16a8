//! What rows may run into although the mapping fits: no mistake, because each row may be good, but
//! worth to be known before the first one is not.

use super::{FieldSource, MappingSpec, Mistake, OnTooLong};
use crate::core::describe::{FieldDescribe, FieldKind, ObjectDescribe};
use crate::core::schema::{Column, ColumnKind, TableSchema};

const CREATE_ONLY: &str = "LS4041";
const COLUMN_LONGER: &str = "LS4042";
const RESTRICTED: &str = "LS4043";
const KEY: &str = "LS4044";

/// As many labels as a line can name.
const LABELS_NAMED: usize = 5;

/// Everything of a mapping that rows may run into, in the order of the config.
#[must_use]
pub fn advise(spec: &MappingSpec, table: &TableSchema, object: &ObjectDescribe) -> Vec<Mistake> {
    let mut advice = Vec::new();
    let mut say = |page, path: &str, text: String, remedy: String| {
        advice.push(Mistake {
            page,
            path: format!("{}.{path}", spec.path),
            text,
            remedy,
        });
    };
    let key = table
        .column(&spec.key_column)
        .zip(object.field(&spec.external_id));
    if let Some((column, field)) = key {
        for (text, remedy) in about_key(column, field) {
            say(KEY, "external_id", text, remedy);
        }
        if let Some(text) = longer(column, field) {
            let remedy = "use a shorter key column, or make the field longer in Salesforce";
            let text = format!("{text}, and a key is never cut");
            say(COLUMN_LONGER, "external_id", text, remedy.to_owned());
        }
    }
    for wanted in &spec.fields {
        let Some(field) = object.field(&wanted.field) else {
            continue;
        };
        let path = format!("fields.{}", wanted.field);
        if field.createable && !field.updateable {
            let text = format!(
                "{} can be set when a record is made, and not be changed later: a record that is \
                 there already is refused",
                field.name
            );
            let remedy = "grant edit access to the field, or take it out of the route";
            say(CREATE_ONLY, &path, text, remedy.to_owned());
        }
        let FieldSource::Column { name, .. } = &wanted.source else {
            continue;
        };
        let Some(column) = table.column(name) else {
            continue;
        };
        if let Some((text, remedy)) = restricted(column, field) {
            say(RESTRICTED, &path, text, remedy);
        } else if let Some(text) = longer(column, field) {
            let (text, remedy) = match wanted.on_too_long.unwrap_or(spec.on_too_long) {
                OnTooLong::DeadLetter => (
                    format!("{text}: longer values become dead letters"),
                    "make the field longer in Salesforce, or set on_too_long = \"truncate\"",
                ),
                OnTooLong::Truncate => (
                    format!("{text}: longer values are cut"),
                    "make the field longer in Salesforce, if nothing may be lost",
                ),
            };
            say(COLUMN_LONGER, &path, text, remedy.to_owned());
        }
    }
    advice
}

fn about_key(column: &Column, field: &FieldDescribe) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if column.nullable {
        found.push((
            format!(
                "column {:?} may be NULL: a row without a key becomes a dead letter",
                column.name
            ),
            "declare the column NOT NULL, or use the primary key".to_owned(),
        ));
    }
    if field.unique && !field.case_sensitive && matches!(column.kind, ColumnKind::Text { .. }) {
        found.push((
            format!(
                "{} is compared without case: keys that differ only in case are one record",
                field.name
            ),
            format!(
                "tick \"case sensitive\" on {}, unless the column is compared without case too",
                field.name
            ),
        ));
    }
    found
}

fn longer(column: &Column, field: &FieldDescribe) -> Option<String> {
    let ColumnKind::Text { max_chars: given } = column.kind else {
        return None;
    };
    let (FieldKind::Text { max_chars } | FieldKind::Email { max_chars }) = field.kind else {
        return None;
    };
    (given > u64::from(max_chars)).then(|| {
        format!(
            "column {:?} holds up to {given} characters, {} takes {max_chars}",
            column.name, field.name
        )
    })
}

fn restricted(column: &Column, field: &FieldDescribe) -> Option<(String, String)> {
    let (FieldKind::Picklist {
        restricted: Some(values),
        ..
    }
    | FieldKind::MultiPicklist {
        restricted: Some(values),
        ..
    }) = &field.kind
    else {
        return None;
    };
    let ColumnKind::Enum { labels } = &column.kind else {
        return Some((
            format!(
                "{} is a restricted picklist of {} values, and column {:?} may hold others: \
                 these become dead letters",
                field.name,
                values.len(),
                column.name
            ),
            "map the column's values with `map` and `otherwise`, or add them to the picklist"
                .to_owned(),
        ));
    };
    let known = |label: &&String| values.iter().any(|value| value.eq_ignore_ascii_case(label));
    let unknown: Vec<&str> = labels
        .iter()
        .filter(|label| !known(label))
        .map(String::as_str)
        .collect();
    let named = unknown.get(..LABELS_NAMED).unwrap_or(&unknown).join(", ");
    let more = match unknown.len().saturating_sub(LABELS_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!unknown.is_empty()).then(|| {
        (
            format!(
                "column {:?} has labels that the restricted picklist {} does not list: {named}{more}",
                column.name, field.name
            ),
            "add them to the picklist, or map them with `map`".to_owned(),
        )
    })
}

#[cfg(test)]
mod tests;
