//! JSON bodies of records, parsed once, straight into typed values.
//!
//! Owns the request-level refusals of a body: broken JSON, unknown fields, literals that do not convert (facts 3.5).
use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::{Flag, ListSeed, parse};
use crate::org::Refusal;
use crate::schema::Schema;
use crate::value::Value;
use crate::value::convert::{Failure, FieldValue};

/// Records of one collections or tree call (facts 3 and 4).
pub(super) const MAX_RECORDS: usize = 200;
/// The only object of this org.
const LEAD: &str = "Lead";

/// One record of a body.
#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    /// `attributes.type`.
    pub(super) object: Option<Cow<'a, str>>,
    /// `attributes.referenceId`.
    pub(super) reference: Option<Cow<'a, str>>,
    /// In the order of the text; a field may appear twice, the later one counts. Empty for other objects than leads.
    pub(super) values: Vec<(u16, Value<'a>)>,
    /// Why the record cannot be written though the request can be answered.
    pub(super) refusal: Option<Box<Refusal>>,
}

impl Record<'_> {
    pub(super) fn is_lead(&self) -> bool {
        self.object
            .as_deref()
            .is_some_and(|object| object.eq_ignore_ascii_case(LEAD))
    }
}

/// The body of a collections call.
#[derive(Debug)]
pub(super) struct Collection<'a> {
    pub(super) all_or_none: bool,
    /// At most one more than [`MAX_RECORDS`].
    pub(super) records: Option<Vec<Record<'a>>>,
}

/// What a name that is no field of Lead refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnknownField {
    /// As upserts and single records do (facts 3.5).
    Request,
    /// The record alone. Records of other objects are then passed over: their fields are none of this org's.
    Record,
}

/// Parses the body of a single-record call.
pub(super) fn parse_record<'a>(schema: &Schema, body: &'a [u8]) -> Result<Record<'a>, Refusal> {
    let failure = Failure::default();
    parse(
        body,
        &failure,
        RecordSeed {
            schema,
            failure: &failure,
            unknown: UnknownField::Request,
            body,
        },
    )
}

/// Parses the body of a collections call.
pub(super) fn parse_collection<'a>(
    schema: &Schema,
    body: &'a [u8],
    unknown: UnknownField,
) -> Result<Collection<'a>, Refusal> {
    let failure = Failure::default();
    parse(
        body,
        &failure,
        CollectionSeed(RecordSeed {
            schema,
            failure: &failure,
            unknown,
            body,
        }),
    )
}

struct CollectionSeed<'s>(RecordSeed<'s>);

impl<'de> DeserializeSeed<'de> for CollectionSeed<'_> {
    type Value = Collection<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for CollectionSeed<'_> {
    type Value = Collection<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `records`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut collection = Collection {
            all_or_none: false,
            records: None,
        };
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match key.as_ref() {
                "records" => {
                    let seed = ListSeed {
                        most: MAX_RECORDS,
                        element: self.0,
                    };
                    collection.records = Some(map.next_value_seed(seed)?);
                }
                name if name.eq_ignore_ascii_case("allOrNone") => {
                    collection.all_or_none = map.next_value::<Flag>()?.0;
                }
                other => {
                    let text = format!("Unrecognized field \"{other}\"");
                    return Err(self.0.failure.raise(Refusal::parser(text)));
                }
            }
        }
        Ok(collection)
    }
}

#[derive(Clone, Copy)]
struct RecordSeed<'s> {
    schema: &'s Schema,
    failure: &'s Failure,
    unknown: UnknownField,
    /// The whole text.
    body: &'s [u8],
}

impl<'de> DeserializeSeed<'de> for RecordSeed<'_> {
    type Value = Record<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self.unknown {
            UnknownField::Request => deserializer.deserialize_map(self),
            UnknownField::Record => self.look_first(<&'de RawValue>::deserialize(deserializer)?),
        }
    }
}

impl RecordSeed<'_> {
    /// Looks for the record's object before its fields, which may stand before it in the text.
    fn look_first<'de, E: serde::de::Error>(self, raw: &'de RawValue) -> Result<Record<'de>, E> {
        let attributes = serde_json::from_str::<Peek<'de>>(raw.get())
            .ok()
            .and_then(|peek| peek.attributes)
            .unwrap_or_default();
        let record = Record {
            object: attributes.kind,
            reference: attributes.reference,
            ..Record::default()
        };
        if record.object.is_some() && !record.is_lead() {
            return Ok(record);
        }
        let mut deserializer = serde_json::Deserializer::from_str(raw.get());
        deserializer.deserialize_map(self).map_err(|error| {
            let refusal = self
                .failure
                .take()
                .unwrap_or_else(|| Refusal::parser("Unexpected character"));
            self.failure.locate(self.place(raw, &error));
            self.failure.raise(refusal)
        })
    }

    /// Line and column in the whole text of an error in one record.
    fn place(self, record: &RawValue, error: &serde_json::Error) -> (usize, usize) {
        let start = (record.get().as_ptr() as usize).saturating_sub(self.body.as_ptr() as usize);
        let before = self.body.get(..start).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + error.line();
        let on_this_line = before
            .iter()
            .rev()
            .take_while(|byte| **byte != b'\n')
            .count();
        let column = error.column() + if error.line() == 1 { on_this_line } else { 0 };
        (line, column)
    }
}

#[derive(Deserialize)]
struct Peek<'a> {
    #[serde(borrow, default)]
    attributes: Option<Attributes<'a>>,
}

impl<'de> Visitor<'de> for RecordSeed<'_> {
    type Value = Record<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut record = Record {
            values: Vec::with_capacity(8),
            ..Record::default()
        };
        while let Some(key) = map.next_key_seed(NameSeed(self))? {
            match key {
                Name::Attributes => {
                    let attributes = map.next_value::<Attributes<'de>>()?;
                    record.object = attributes.kind;
                    record.reference = attributes.reference;
                }
                Name::Field(number) => {
                    let field = self.schema.field(number);
                    let value = map.next_value_seed(FieldValue {
                        field,
                        failure: self.failure,
                    })?;
                    record.values.push((number, value));
                }
                Name::Unknown(refusal) => {
                    map.next_value::<IgnoredAny>()?;
                    record.refusal.get_or_insert(refusal);
                }
            }
        }
        Ok(record)
    }
}

#[derive(Default, Deserialize)]
struct Attributes<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "referenceId")]
    reference: Option<Cow<'a, str>>,
}

enum Name {
    Attributes,
    Field(u16),
    Unknown(Box<Refusal>),
}

/// Resolves a field's name without keeping it.
struct NameSeed<'s>(RecordSeed<'s>);

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameSeed<'_> {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Name, E> {
        if name == "attributes" {
            return Ok(Name::Attributes);
        }
        if let Some(number) = self.0.schema.find(name) {
            return Ok(Name::Field(number));
        }
        let refusal = Refusal::no_such_column(name);
        match self.0.unknown {
            UnknownField::Request => Err(self.0.failure.raise(refusal)),
            UnknownField::Record => Ok(Name::Unknown(Box::new(refusal))),
        }
    }
}
