//! The objects of an org: which fields they have, what each of them takes.
//!
//! Lead can be written and has fields of the configuration; the objects of `objects` can only be read.
//!
//! Invariants: field numbers are stable for the life of an org; only fields visible to the integration user are
//! in a `Schema`, so that a hidden field is the same as one that does not exist.
mod configured;
mod describe;
mod objects;
mod standard;

use std::collections::HashMap;

use serde::Deserialize;

use crate::config::{CustomField, OrgConfig};
use crate::org::id;

pub(crate) use configured::field_mistakes;
pub(crate) use describe::{basic_information, describe, global_entry};
pub(crate) use objects::{Catalog, ObjectKind, ReadOnlySchemas};
pub(crate) use standard::standard_fields;

/// The type of a field, spelt as describe spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    Id,
    #[serde(rename = "string", alias = "text")]
    Text,
    TextArea,
    Email,
    Phone,
    Url,
    Picklist,
    /// Several values of a list, separated by semicolons.
    MultiPicklist,
    Reference,
    Boolean,
    Int,
    Double,
    Currency,
    Percent,
    Date,
    DateTime,
    Address,
}

impl FieldType {
    /// The name in describe and in JSON parser messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            FieldType::Id => "id",
            FieldType::Text => "string",
            FieldType::TextArea => "textarea",
            FieldType::Email => "email",
            FieldType::Phone => "phone",
            FieldType::Url => "url",
            FieldType::Picklist => "picklist",
            FieldType::MultiPicklist => "multipicklist",
            FieldType::Reference => "reference",
            FieldType::Boolean => "boolean",
            FieldType::Int => "int",
            FieldType::Double => "double",
            FieldType::Currency => "currency",
            FieldType::Percent => "percent",
            FieldType::Date => "date",
            FieldType::DateTime => "datetime",
            FieldType::Address => "address",
        }
    }

    pub(crate) fn is_text(self) -> bool {
        use FieldType as T;
        matches!(
            self,
            T::Id
                | T::Text
                | T::TextArea
                | T::Email
                | T::Phone
                | T::Url
                | T::Picklist
                | T::MultiPicklist
                | T::Reference
        )
    }
}

/// One field of Lead.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) kind: FieldType,
    /// Characters.
    pub(crate) length: u32,
    /// Digits of an `int`.
    pub(crate) digits: u32,
    pub(crate) precision: u32,
    pub(crate) scale: u32,
    pub(crate) nillable: bool,
    pub(crate) createable: bool,
    pub(crate) updateable: bool,
    pub(crate) defaulted_on_create: bool,
    pub(crate) custom: bool,
    pub(crate) external_id: bool,
    pub(crate) unique: bool,
    pub(crate) case_sensitive: bool,
    pub(crate) id_lookup: bool,
    /// The first value is the default when the field is `defaulted_on_create`.
    pub(crate) picklist: Vec<String>,
    /// Values of the picklist that an administrator has retired.
    pub(crate) inactive: Vec<String>,
    pub(crate) restricted: bool,
    pub(crate) reference_to: Vec<&'static str>,
    pub(crate) compound: Option<&'static str>,
}

impl Field {
    /// Needs a value on insert (facts 9).
    pub(crate) fn required(&self) -> bool {
        self.createable && !self.nillable && !self.defaulted_on_create
    }

    /// May stand in an upsert URL (facts 9).
    pub(crate) fn is_upsert_key(&self) -> bool {
        self.external_id || self.id_lookup
    }

    /// Whether its keys are told apart by case: only a unique field can be blind to it (facts 0.11). E-mail addresses
    /// are compared in any case (inference).
    pub(crate) fn keys_mind_case(&self) -> bool {
        self.case_sensitive || (self.external_id && !self.unique && self.kind != FieldType::Email)
    }

    /// The active value of its picklist that this text names, in any case.
    pub(crate) fn picklist_value(&self, text: &str) -> Option<&str> {
        self.picklist
            .iter()
            .find(|value| value.eq_ignore_ascii_case(text))
            .map(String::as_str)
    }

    /// A text too long to be compared, sorted or grouped.
    fn is_long_text(&self) -> bool {
        self.kind == FieldType::TextArea && self.length > 255
    }

    /// May stand in WHERE.
    pub(crate) fn filterable(&self) -> bool {
        !self.is_long_text() && self.kind != FieldType::Address
    }

    /// May stand in ORDER BY.
    pub(crate) fn sortable(&self) -> bool {
        self.filterable()
    }

    /// May stand in GROUP BY.
    pub(crate) fn groupable(&self) -> bool {
        use FieldType as T;
        self.filterable()
            && !matches!(
                self.kind,
                T::Double | T::Currency | T::Percent | T::DateTime
            )
    }

    /// May be counted, and asked for its least and greatest value.
    pub(crate) fn aggregatable(&self) -> bool {
        self.filterable() && self.kind != FieldType::Boolean
    }

    /// The name under which the referred record's fields can be selected.
    pub(crate) fn relationship_name(&self) -> Option<&str> {
        (self.kind == FieldType::Reference).then(|| self.name.trim_end_matches("Id"))
    }

    /// The object that a reference leads to, when this org has it.
    pub(crate) fn parent_object(&self) -> Option<ObjectKind> {
        match self.reference_to.as_slice() {
            ["User"] => Some(ObjectKind::User),
            ["Profile"] => Some(ObjectKind::Profile),
            // What users and queues have in common.
            ["Group", "User"] => Some(ObjectKind::Name),
            _ => None,
        }
    }

    fn from_config(config: &CustomField) -> Field {
        let kind = config.kind;
        let number = matches!(
            kind,
            FieldType::Double | FieldType::Currency | FieldType::Percent
        );
        let custom = config.name.ends_with("__c");
        let label = config
            .label
            .clone()
            .unwrap_or_else(|| config.name.trim_end_matches("__c").replace('_', " "));
        Field {
            name: config.name.clone(),
            label,
            kind,
            length: if kind.is_text() { config.length } else { 0 },
            digits: if kind == FieldType::Int {
                config.precision
            } else {
                0
            },
            precision: if number { config.precision } else { 0 },
            scale: if number { config.scale } else { 0 },
            // A checkbox always has a value, and false when none is given.
            nillable: !config.required && kind != FieldType::Boolean,
            createable: true,
            updateable: true,
            defaulted_on_create: kind == FieldType::Boolean,
            custom,
            external_id: config.external_id,
            unique: config.unique,
            case_sensitive: config.case_sensitive,
            id_lookup: config.external_id,
            picklist: config.picklist_values.clone(),
            inactive: config.inactive_picklist_values.clone(),
            restricted: config.restricted_picklist,
            reference_to: Vec::new(),
            compound: None,
        }
    }
}

/// All visible fields of an object, by number and by name.
#[derive(Debug)]
pub(crate) struct Schema {
    fields: Vec<Field>,
    by_name: HashMap<Box<str>, u16>,
    by_folded_name: HashMap<Box<str>, u16>,
    known: KnownFields,
    /// Numbers of the fields that need a value on insert.
    required: Vec<u16>,
    unique: Vec<u16>,
    record_types: Vec<LeadRecordType>,
}

/// A record type of Lead.
#[derive(Debug, Clone)]
pub(crate) struct LeadRecordType {
    /// 18 characters.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) developer_name: String,
    pub(crate) active: bool,
    pub(crate) default: bool,
}

/// Numbers of the standard fields that rules of this crate look at; none for a hidden one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KnownFields {
    pub(crate) is_converted: Option<u16>,
    pub(crate) status: Option<u16>,
    pub(crate) owner: Option<u16>,
    pub(crate) record_type: Option<u16>,
    pub(crate) latitude: Option<u16>,
    pub(crate) longitude: Option<u16>,
    pub(crate) created_date: Option<u16>,
    pub(crate) created_by: Option<u16>,
    pub(crate) last_modified_date: Option<u16>,
    pub(crate) last_modified_by: Option<u16>,
}

impl Schema {
    /// The fields of Lead.
    pub(crate) fn new(config: &OrgConfig) -> Schema {
        let hidden = |name: &str| {
            config
                .hidden_fields
                .iter()
                .any(|h| h.eq_ignore_ascii_case(name))
        };
        let read_only = |name: &str| {
            config
                .read_only_fields
                .iter()
                .any(|r| r.eq_ignore_ascii_case(name))
        };
        let mut fields: Vec<Field> = standard_fields()
            .into_iter()
            .chain(standard::optional_fields(config))
            .chain(config.fields.iter().map(Field::from_config))
            .filter(|field| !hidden(&field.name))
            .collect();
        // Where names have more parts they are longer (facts 9.1).
        let more_parts = fields
            .iter()
            .any(|field| matches!(field.name.as_str(), "MiddleName" | "Suffix"));
        for field in &mut fields {
            if more_parts && field.name == "Name" {
                field.length = 203;
            }
            if read_only(&field.name) {
                (field.createable, field.updateable) = (false, false);
            }
            if config.allow_audit_fields && standard::AUDIT_FIELDS.contains(&field.name.as_str()) {
                field.createable = true;
            }
        }
        Schema {
            record_types: record_types(config),
            ..Schema::of(fields)
        }
    }

    fn of(fields: Vec<Field>) -> Schema {
        let mut by_name = HashMap::new();
        let mut by_folded_name = HashMap::new();
        for (number, field) in (0_u16..).zip(&fields) {
            by_name.insert(field.name.as_str().into(), number);
            by_folded_name.insert(field.name.to_ascii_lowercase().into(), number);
        }
        let number = |name: &str| by_name.get(name).copied();
        let known = KnownFields {
            is_converted: number("IsConverted"),
            status: number("Status"),
            owner: number("OwnerId"),
            record_type: number("RecordTypeId"),
            latitude: number("Latitude"),
            longitude: number("Longitude"),
            created_date: number("CreatedDate"),
            created_by: number("CreatedById"),
            last_modified_date: number("LastModifiedDate"),
            last_modified_by: number("LastModifiedById"),
        };
        let numbers = |wanted: fn(&Field) -> bool| {
            let all = (0_u16..).zip(&fields);
            all.filter(|(_, field)| wanted(field))
                .map(|(number, _)| number)
                .collect()
        };
        let required = numbers(Field::required);
        let unique = numbers(|field| field.unique);
        Schema {
            fields,
            by_name,
            by_folded_name,
            known,
            required,
            unique,
            record_types: Vec::new(),
        }
    }

    pub(crate) fn known(&self) -> KnownFields {
        self.known
    }

    /// Numbers of the fields that need a value on insert, in describe's order.
    pub(crate) fn required(&self) -> &[u16] {
        &self.required
    }

    /// Numbers of the fields whose values no two leads share.
    pub(crate) fn unique(&self) -> &[u16] {
        &self.unique
    }

    /// The record types of Lead besides the master, each with its id of 18 characters.
    pub(crate) fn record_types(&self) -> &[LeadRecordType] {
        &self.record_types
    }

    pub(crate) fn field(&self, number: u16) -> &Field {
        &self.fields[usize::from(number)]
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = (u16, &Field)> {
        (0_u16..).zip(&self.fields)
    }

    /// Field names are not case sensitive in the API.
    pub(crate) fn find(&self, name: &str) -> Option<u16> {
        self.by_name
            .get(name)
            .or_else(|| self.by_folded_name.get(name.to_ascii_lowercase().as_str()))
            .copied()
    }

    /// The number of a standard field that this crate itself relies on, unless it is hidden.
    pub(crate) fn standard(&self, name: &str) -> Option<u16> {
        self.by_name.get(name).copied()
    }
}

fn record_types(config: &OrgConfig) -> Vec<LeadRecordType> {
    let plain = |name: &str| {
        name.chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect()
    };
    let made = |(number, told): (usize, &crate::rules::RecordType)| LeadRecordType {
        id: match &told.id {
            Some(id) => id::eighteen(id),
            None => id::record_type(number),
        },
        name: told.name.clone(),
        developer_name: told
            .developer_name
            .clone()
            .unwrap_or_else(|| plain(&told.name)),
        active: told.active,
        default: told.default,
    };
    config.record_types.iter().enumerate().map(made).collect()
}
