//! Rows as readers see them: stored values, derived ones, and those of the records that references lead to.
use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use super::implied::implied;
use super::leads::Lead;
use super::records::Records;
use super::{Org, id};
use crate::schema::{FieldType as T, ObjectKind, Schema};
use crate::soql::{Path, Row, Via};
use crate::value::{Value, packed};

/// One record of any object.
#[derive(Clone, Copy)]
pub(crate) enum RecordRow<'o> {
    Lead(LeadRow<'o>),
    Fixed {
        object: ObjectKind,
        values: &'o [Value<'static>],
        records: &'o Records,
    },
}

/// One lead.
#[derive(Clone, Copy)]
pub(crate) struct LeadRow<'o> {
    pub(crate) schema: &'o Schema,
    pub(crate) records: &'o Records,
    pub(crate) place: u32,
    pub(crate) lead: &'o Lead,
}

impl<'o> RecordRow<'o> {
    pub(crate) fn lead(org: &'o Org, place: u32, lead: &'o Lead) -> RecordRow<'o> {
        RecordRow::Lead(LeadRow {
            schema: &org.schema,
            records: &org.records,
            place,
            lead,
        })
    }

    /// The record at a place of an object that is not Lead.
    pub(crate) fn fixed(org: &'o Org, object: ObjectKind, place: u32) -> Option<RecordRow<'o>> {
        let values = org.records.table(object)?.get(place)?;
        Some(RecordRow::Fixed {
            object,
            values,
            records: &org.records,
        })
    }

    pub(crate) fn field(&self, number: u16) -> Value<'o> {
        match self {
            RecordRow::Lead(row) => row.field(number),
            RecordRow::Fixed { values, .. } => borrowed(values, number),
        }
    }

    /// A field as replies show it, compound ones included.
    pub(crate) fn json(&self, number: u16) -> Json {
        match self {
            RecordRow::Lead(row) => row.json(number),
            RecordRow::Fixed { .. } => self.field(number).to_json(),
        }
    }

    pub(crate) fn object(&self) -> ObjectKind {
        match self {
            RecordRow::Lead(_) => ObjectKind::Lead,
            RecordRow::Fixed { object, .. } => *object,
        }
    }

    /// Roughly the steps of reading one of its fields: those that it holds are looked through.
    pub(crate) fn read_steps(&self) -> u64 {
        match self {
            RecordRow::Lead(row) => 8 + (row.lead.packed.len() / 8) as u64,
            RecordRow::Fixed { .. } => 8,
        }
    }

    /// The record that a reference leads to, if this org has it.
    pub(crate) fn parent(&self, via: Via) -> Option<RecordRow<'o>> {
        let records = match self {
            RecordRow::Lead(row) => row.records,
            RecordRow::Fixed { records, .. } => records,
        };
        let Value::Text(id) = self.field(via.reference) else {
            return None;
        };
        let table = records.table(via.target)?;
        Some(RecordRow::Fixed {
            object: via.target,
            values: table.get(table.find(&id)?)?,
            records,
        })
    }
}

impl Row for RecordRow<'_> {
    fn value(&self, path: Path) -> Value<'_> {
        match path.via {
            None => self.field(path.field),
            Some(via) => match self.parent(via) {
                Some(parent) => parent.field(path.field),
                None => Value::Null,
            },
        }
    }
}

impl<'o> LeadRow<'o> {
    /// What the lead holds, or what the platform fills in.
    pub(crate) fn field(&self, number: u16) -> Value<'o> {
        let field = self.schema.field(number);
        match self.stored(number) {
            Some(Value::Text(id)) if field.kind == T::Reference && id.len() == 15 => {
                Value::Text(Cow::Owned(id::eighteen(&id)))
            }
            Some(value) => value,
            None => self.derived(number),
        }
    }

    /// A field as replies show it, compound ones included.
    pub(crate) fn json(&self, number: u16) -> Json {
        match self.schema.field(number).kind {
            T::Address => self.address(),
            _ => self.field(number).to_json(),
        }
    }

    fn address(&self) -> Json {
        let parts = self
            .schema
            .fields()
            .filter(|(_, field)| field.compound == Some("Address"));
        let mut object = Map::new();
        for (number, field) in parts {
            let mut key = field.name.clone();
            if let Some(first) = key.get_mut(..1) {
                first.make_ascii_lowercase();
            }
            object.insert(key, self.field(number).to_json());
        }
        if object.values().all(Json::is_null) {
            return Json::Null;
        }
        Json::Object(object)
    }

    fn stored(&self, number: u16) -> Option<Value<'o>> {
        packed::decode(&self.lead.packed)
            .find(|(found, _)| *found == number)
            .map(|(_, value)| value)
    }

    fn derived(&self, number: u16) -> Value<'o> {
        match self.schema.field(number).name.as_str() {
            "Id" => Value::Text(Cow::Owned(id::lead(self.place))),
            "Name" => self.full_name(),
            _ => implied(self.schema, number, Some(self.lead), self.lead.created_by),
        }
    }

    fn full_name(&self) -> Value<'o> {
        let part = |name| {
            let number = self.schema.standard(name)?;
            match self.stored(number) {
                Some(Value::Text(text)) => Some(text),
                _ => None,
            }
        };
        let parts = ["FirstName", "MiddleName", "LastName", "Suffix"].map(part);
        let mut present = parts.into_iter().flatten();
        match (present.next(), present.next()) {
            (None, _) => Value::Null,
            (Some(one), None) => Value::Text(one),
            (Some(first), Some(second)) => {
                let rest = present.map(|part| format!(" {part}"));
                Value::Text(Cow::Owned(format!(
                    "{first} {second}{}",
                    rest.collect::<String>()
                )))
            }
        }
    }
}

fn borrowed<'o>(values: &'o [Value<'static>], number: u16) -> Value<'o> {
    match values.get(usize::from(number)) {
        Some(Value::Text(text)) => Value::Text(Cow::Borrowed(text)),
        Some(other) => other.clone(),
        None => Value::Null,
    }
}
