//! JSON bodies in general: broken text, flags, lists that stay bounded.
//!
//! Invariant: of a list no more is kept than may be in it and one more, whatever its length in the text.
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};

use crate::org::Refusal;
use crate::value::convert::Failure;

/// Room made for a list before its length is known: a full collections call.
const LIKELY_LENGTH: usize = 200;

/// Parses a body that holds no records.
pub(crate) fn parse_plain<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    parse(body, &Failure::default(), PhantomData)
}

pub(crate) fn parse<'a, S: DeserializeSeed<'a>>(
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
        let (line, column) = failure.place().unwrap_or((error.line(), error.column()));
        let place = format!("at [line:{line}, column:{column}]");
        match failure.take() {
            Some(refusal) if refusal.code == "JSON_PARSER_ERROR" => Refusal {
                message: format!("{} {place}", refusal.message),
                ..refusal
            },
            // A text is read as a whole before its fields are looked at.
            Some(refusal) => syntax_error(body).unwrap_or(refusal),
            None if error.is_eof() => Refusal::parser(format!("Unexpected end-of-input {place}")),
            None if error.is_data() => Refusal::parser(format!("{} {place}", data_error(&error))),
            None => Refusal::parser(format!("Unexpected character {place}")),
        }
    })
}

/// What makes a text no JSON, if anything does.
fn syntax_error(body: &[u8]) -> Option<Refusal> {
    let error = serde_json::from_slice::<IgnoredAny>(body).err()?;
    let what = if error.is_eof() {
        "Unexpected end-of-input"
    } else {
        "Unexpected character"
    };
    let (line, column) = (error.line(), error.column());
    Some(Refusal::parser(format!(
        "{what} at [line:{line}, column:{column}]"
    )))
}

/// What is wrong with well-formed JSON; serde tells the name of an unknown field in its text alone.
fn data_error(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let unknown = text
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split_once('`'));
    match unknown {
        Some((name, _)) => format!("Unrecognized field \"{name}\""),
        None => "Cannot deserialize the request body".into(),
    }
}

/// A boolean as clients write it: `true`, `"true"` in any case, `1`; null is false.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flag(pub(crate) bool);

impl Flag {
    pub(crate) fn from_text(text: &str) -> Option<Flag> {
        match text.trim() {
            "1" => Some(Flag(true)),
            "0" | "" => Some(Flag(false)),
            text if text.eq_ignore_ascii_case("true") => Some(Flag(true)),
            text if text.eq_ignore_ascii_case("false") => Some(Flag(false)),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Flag, D::Error> {
        deserializer.deserialize_any(FlagVisitor)
    }
}

struct FlagVisitor;

impl Visitor<'_> for FlagVisitor {
    type Value = Flag;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a boolean")
    }

    fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<Flag, E> {
        Ok(Flag(flag))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Flag, E> {
        Flag::from_text(text).ok_or_else(|| E::custom("not a boolean"))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Flag, E> {
        match number {
            0 => Ok(Flag(false)),
            1 => Ok(Flag(true)),
            _ => Err(E::custom("not a boolean")),
        }
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Flag, E> {
        Ok(Flag(false))
    }
}

/// A list of which at most one element more than `N` is kept, so that it can be told to be too long.
#[derive(Debug)]
pub(crate) struct AtMost<T, const N: usize>(pub(crate) Vec<T>);

impl<T, const N: usize> AtMost<T, N> {
    pub(crate) fn is_too_long(&self) -> bool {
        self.0.len() > N
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for AtMost<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seed = ListSeed {
            most: N,
            element: PhantomData::<T>,
        };
        seed.deserialize(deserializer).map(AtMost)
    }
}

/// A list whose elements are deserialized by clones of `element`, up to one more than `most`.
pub(crate) struct ListSeed<S> {
    pub(crate) most: usize,
    pub(crate) element: S,
}

impl<'de, S: DeserializeSeed<'de> + Clone> DeserializeSeed<'de> for ListSeed<S> {
    type Value = Vec<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, S: DeserializeSeed<'de> + Clone> Visitor<'de> for ListSeed<S> {
    type Value = Vec<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::with_capacity(self.most.min(LIKELY_LENGTH));
        while list.len() <= self.most {
            match seq.next_element_seed(self.element.clone())? {
                Some(element) => list.push(element),
                None => return Ok(list),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(list)
    }
}
