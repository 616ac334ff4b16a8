//! JSON bodies of records, parsed once, straight into typed values.
//!
//! Owns the request-level refusals of a body: broken JSON, unknown fields, literals that do not convert (facts 3.5).
use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::org::Refusal;
use crate::schema::Schema;
use crate::value::Value;
use crate::value::convert::{Failure, FieldValue};

/// One record of a body.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// `attributes.type`.
    pub(super) object: Option<Cow<'a, str>>,
    /// In the order of the text; a field may appear twice, the later one counts.
    pub(super) values: Vec<(u16, Value<'a>)>,
}

/// The body of a collections call.
#[derive(Debug)]
pub(super) struct Collection<'a> {
    pub(super) all_or_none: bool,
    pub(super) records: Option<Vec<Record<'a>>>,
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
        },
    )
}

/// Parses the body of a collections call.
pub(super) fn parse_collection<'a>(
    schema: &Schema,
    body: &'a [u8],
) -> Result<Collection<'a>, Refusal> {
    let failure = Failure::default();
    parse(
        body,
        &failure,
        CollectionSeed {
            schema,
            failure: &failure,
        },
    )
}

fn parse<'a, S: DeserializeSeed<'a>>(
    body: &'a [u8],
    failure: &Failure,
    seed: S,
) -> Result<S::Value, Refusal> {
    if body.iter().all(u8::is_ascii_whitespace) {
        let text = "The HTTP entity body is required, but this request has no entity body.";
        return Err(Refusal::parser(text));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let parsed = seed
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    parsed.map_err(|error| {
        let place = format!("at [line:{}, column:{}]", error.line(), error.column());
        match failure.take() {
            Some(refusal) if refusal.code == "JSON_PARSER_ERROR" => Refusal {
                message: format!("{} {place}", refusal.message),
                ..refusal
            },
            Some(refusal) => refusal,
            None if error.is_eof() => Refusal::parser(format!("Unexpected end-of-input {place}")),
            None => Refusal::parser(format!("Unexpected character {place}")),
        }
    })
}

struct CollectionSeed<'s> {
    schema: &'s Schema,
    failure: &'s Failure,
}

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
                "allOrNone" => collection.all_or_none = map.next_value()?,
                "records" => {
                    let seed = RecordsSeed {
                        schema: self.schema,
                        failure: self.failure,
                    };
                    collection.records = Some(map.next_value_seed(seed)?);
                }
                other => {
                    let text = format!("Unrecognized field \"{other}\"");
                    return Err(self.failure.raise(Refusal::parser(text)));
                }
            }
        }
        Ok(collection)
    }
}

struct RecordsSeed<'s> {
    schema: &'s Schema,
    failure: &'s Failure,
}

impl<'de> DeserializeSeed<'de> for RecordsSeed<'_> {
    type Value = Vec<Record<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RecordsSeed<'_> {
    type Value = Vec<Record<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut records = Vec::with_capacity(200);
        while let Some(record) = seq.next_element_seed(RecordSeed {
            schema: self.schema,
            failure: self.failure,
        })? {
            records.push(record);
        }
        Ok(records)
    }
}

struct RecordSeed<'s> {
    schema: &'s Schema,
    failure: &'s Failure,
}

impl<'de> DeserializeSeed<'de> for RecordSeed<'_> {
    type Value = Record<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RecordSeed<'_> {
    type Value = Record<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut record = Record {
            object: None,
            values: Vec::with_capacity(8),
        };
        while let Some(key) = map.next_key_seed(NameSeed {
            schema: self.schema,
            failure: self.failure,
        })? {
            match key {
                Name::Attributes => record.object = map.next_value::<Attributes<'de>>()?.kind,
                Name::Field(number) => {
                    let field = self.schema.field(number);
                    let value = map.next_value_seed(FieldValue {
                        field,
                        failure: self.failure,
                    })?;
                    record.values.push((number, value));
                }
            }
        }
        Ok(record)
    }
}

#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

enum Name {
    Attributes,
    Field(u16),
}

/// Resolves a field's name without keeping it.
struct NameSeed<'s> {
    schema: &'s Schema,
    failure: &'s Failure,
}

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
        self.schema.find(name).map(Name::Field).ok_or_else(|| {
            let text = format!("No such column '{name}' on sobject of type Lead");
            self.failure.raise(Refusal::new("INVALID_FIELD", text))
        })
    }
}
