//! What Salesforce says of the fields that a route writes: what forms are made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::commands::Declined;
use crate::core::describe::{FieldDescribe, FieldKind, ObjectDescribe};
use crate::core::mapping::{FieldOrigin, KeptRow, Plan, Refused};

pub type FieldsAnswer = oneshot::Sender<Result<RouteFields, Declined>>;

/// A route's fields as the object was described last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteFields {
    pub route: String,
    /// API name.
    pub object: String,
    pub external_id: String,
    /// In the order of the mapping; those that the integration user cannot see are left out.
    pub fields: Vec<RouteField>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteField {
    /// API name, as payloads spell it.
    pub name: String,
    pub label: String,
    /// It cannot be empty, nor left out of a new record.
    pub required: bool,
    pub nillable: bool,
    pub writable: bool,
    /// What the mapping fills it with: a letter that was refused before it was sent has the
    /// value in its row alone.
    #[serde(default)]
    pub origin: FieldOrigin,
    #[serde(flatten)]
    pub widget: Widget,
}

/// How a value is entered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "widget", rename_all = "snake_case")]
pub enum Widget {
    Text {
        max_chars: u32,
    },
    Email {
        max_chars: u32,
    },
    /// One of these.
    Choice {
        values: Vec<String>,
    },
    /// Several of these, joined by semicolons.
    Choices {
        values: Vec<String>,
    },
    Checkbox,
    /// Digits before the point and behind it.
    Number {
        before: u32,
        behind: u32,
    },
    Date,
    DateTime,
    Time,
    /// An id of Salesforce, 15 or 18 characters.
    Id,
    /// It cannot be entered.
    Nothing {
        kind: String,
    },
}

impl RouteFields {
    #[must_use]
    pub fn new(route: &str, plan: &Plan, object: &ObjectDescribe) -> Self {
        let fields = plan.field_names();
        let fields = fields.filter_map(|name| {
            let origin = plan.origin(name).unwrap_or_default();
            Some(RouteField::new(name, object.field(name)?, origin))
        });
        Self {
            route: route.to_owned(),
            object: object.name.clone(),
            external_id: plan.external_id.to_string(),
            fields: fields.collect(),
        }
    }

    /// Salesforce compares names without case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&RouteField> {
        let mut fields = self.fields.iter();
        fields.find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// What the mapping refused of a letter's row, by field: all that is neither in the payload
    /// nor edited. Nothing when the row cannot be read.
    #[must_use]
    pub fn refused(
        &self,
        row: &str,
        is_settled: impl Fn(&str) -> bool,
    ) -> BTreeMap<String, Refused> {
        let Some(row) = KeptRow::read(row) else {
            return BTreeMap::new();
        };
        let fields = self.fields.iter().filter(|it| !is_settled(&it.name));
        let refused = fields.filter_map(|field| {
            let refused = row.refused(&field.origin)?;
            Some((field.name.clone(), refused))
        });
        refused.collect()
    }
}

impl RouteField {
    fn new(name: &str, field: &FieldDescribe, origin: FieldOrigin) -> Self {
        Self {
            name: name.to_owned(),
            label: field.label.clone(),
            required: field.is_required(),
            nillable: field.nillable,
            writable: field.createable || field.updateable,
            origin,
            widget: widget(&field.kind),
        }
    }
}

fn widget(kind: &FieldKind) -> Widget {
    let text = |max_chars: u32| Widget::Text { max_chars };
    match kind {
        FieldKind::Text { max_chars } => text(*max_chars),
        FieldKind::Email { max_chars } => Widget::Email {
            max_chars: *max_chars,
        },
        FieldKind::Picklist {
            max_chars,
            restricted,
        } => match restricted {
            Some(values) => Widget::Choice {
                values: values.clone(),
            },
            // Any text is taken.
            None => text(*max_chars),
        },
        FieldKind::MultiPicklist {
            max_chars,
            restricted,
        } => match restricted {
            Some(values) => Widget::Choices {
                values: values.clone(),
            },
            None => text(*max_chars),
        },
        FieldKind::Boolean => Widget::Checkbox,
        FieldKind::Int { digits } => Widget::Number {
            before: *digits,
            behind: 0,
        },
        FieldKind::Number { precision, scale } => Widget::Number {
            before: precision.saturating_sub(*scale),
            behind: *scale,
        },
        FieldKind::Date => Widget::Date,
        FieldKind::DateTime => Widget::DateTime,
        FieldKind::Time => Widget::Time,
        FieldKind::Reference => Widget::Id,
        FieldKind::Unsupported(kind) => Widget::Nothing { kind: kind.clone() },
    }
}
