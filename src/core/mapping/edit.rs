//! What a person wants a dead letter's field to be, held against Salesforce's describe before it is
//! accepted: an edit that Salesforce would refuse surely is refused here, with what is allowed.

use super::convert::{Fault, write_value};
use super::nearest;
use crate::core::describe::{FieldDescribe, FieldKind, ObjectDescribe};
use crate::core::value::Value;

/// What is wanted of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldEdit {
    pub field: String,
    pub value: NewValue,
}

#[derive(Clone, Debug, PartialEq)]
pub enum NewValue {
    /// Turned into the field's type; an empty text empties the field.
    Text(String),
    /// JSON `null`, a number or a truth value, as the text that it was given as.
    Json(String),
    /// The field is not sent at all.
    Unset,
}

/// Why an edit is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditRefusal {
    pub field: String,
    /// For the person who gave the value; it does not repeat it.
    pub text: String,
}

/// At most so many values of a picklist are listed.
const VALUES_LISTED: usize = 30;

/// The field's name as Salesforce writes it, and its JSON value; `None` for one that is not sent.
///
/// # Errors
/// Why the value cannot be that of the field, and what can.
pub fn check_edit(
    object: &ObjectDescribe,
    external_id: &str,
    edit: &FieldEdit,
) -> Result<(String, Option<String>), EditRefusal> {
    let refusal = |text: String| EditRefusal {
        field: edit.field.clone(),
        text,
    };
    let Some(field) = object.field(&edit.field) else {
        let names = object.fields.iter().map(|field| field.name.as_str());
        let hint = nearest(&edit.field, names)
            .map(|near| format!("; {near} perhaps?"))
            .unwrap_or_default();
        return Err(refusal(format!(
            "{} has no field of this name that the integration user can see{hint}",
            object.name
        )));
    };
    if field.name.eq_ignore_ascii_case(external_id) {
        return Err(refusal(
            "it is the external id, which names the record: another value would be another record"
                .to_owned(),
        ));
    }
    if !field.createable && !field.updateable {
        return Err(refusal(format!(
            "{} cannot be written, by Salesforce's rules or for want of a permission",
            field.label
        )));
    }
    let json = match &edit.value {
        NewValue::Unset if field.is_required() => {
            return Err(refusal(format!(
                "{} is required: it cannot be left out",
                field.label
            )));
        }
        NewValue::Unset => return Ok((field.name.clone(), None)),
        NewValue::Text(text) => json_of(field, &Value::Text(text.clone())),
        NewValue::Json(json) => value_of(json).and_then(|value| json_of(field, &value)),
    };
    let json = json.map_err(|fault| refusal(explain(fault, field)))?;
    if json == "null" {
        if field.is_required() {
            return Err(refusal(format!(
                "{} is required: it cannot be empty",
                field.label
            )));
        }
        if !field.nillable {
            return Err(refusal(format!(
                "{} cannot be empty; leave it out instead (--unset {})",
                field.label, field.name
            )));
        }
    }
    Ok((field.name.clone(), Some(json)))
}

fn json_of(field: &FieldDescribe, value: &Value) -> Result<String, Fault> {
    let mut json = String::new();
    write_value(value, &field.kind, true, &mut json)?;
    Ok(json)
}

fn value_of(json: &str) -> Result<Value, Fault> {
    match serde_json::from_str::<serde_json::Value>(json) {
        Ok(serde_json::Value::Null) => Ok(Value::Null),
        Ok(serde_json::Value::String(text)) => Ok(Value::Text(text)),
        Ok(serde_json::Value::Bool(flag)) => Ok(Value::Text(flag.to_string())),
        Ok(serde_json::Value::Number(_)) => Ok(Value::Text(json.trim().to_owned())),
        _ => Err(Fault::Type),
    }
}

/// What is wrong, and what is allowed.
fn explain(fault: Fault, field: &FieldDescribe) -> String {
    let label = &field.label;
    match (fault, &field.kind) {
        (
            Fault::Picklist,
            FieldKind::Picklist {
                restricted: Some(values),
                ..
            }
            | FieldKind::MultiPicklist {
                restricted: Some(values),
                ..
            },
        ) => {
            let listed: Vec<&str> = values
                .iter()
                .take(VALUES_LISTED)
                .map(String::as_str)
                .collect();
            let more = match values.len().saturating_sub(VALUES_LISTED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!(
                "{label} takes only the values of its picklist: {}{more}",
                listed.join(", ")
            )
        }
        (Fault::Type, FieldKind::Date) => {
            format!("{label} takes a date such as 2026-01-31")
        }
        (Fault::Type, FieldKind::DateTime) => {
            format!("{label} takes a date and time such as 2026-01-31T10:00:00Z")
        }
        (Fault::Type, FieldKind::Unsupported(kind)) => {
            format!("{label} is of the type {kind}, which cannot be given here")
        }
        (Fault::Type, kind) => format!("{label} takes {}", kind.word()),
        (Fault::TooLong, kind) => match kind.max_chars() {
            Some(max) => format!("{label} takes at most {max} characters"),
            None => format!("{label}: the text is too long"),
        },
        (Fault::Range, FieldKind::Number { precision, scale }) => format!(
            "{label} takes {} digits before the point and {scale} behind it",
            precision.saturating_sub(*scale)
        ),
        (Fault::Range, _) => format!("{label}: the number has too many digits"),
        (Fault::Email, _) => format!("{label} takes an e-mail address such as name@example.com"),
        (Fault::Date, _) => format!("{label}: no calendar has this date"),
        (Fault::Picklist, _) => format!("{label} takes only the values of its picklist"),
    }
}

#[cfg(test)]
mod tests;
