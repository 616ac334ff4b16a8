//! MySQL's binary JSON as JSON text, spaced as `SELECT` prints it.
//!
//! The bytes are walked with mysql_common's reader; numbers keep their type (an exact decimal is
//! printed as a number), dates and opaque values become strings, as on the server.

use std::fmt::Write;

use mysql_common::binlog::jsonb::{JsonDom, JsonNumber, JsonScalar, Value as Jsonb};
use mysql_common::io::ParseBuf;
use mysql_common::proto::MyDeserialize;

/// MySQL nests no deeper (`JSON_DOCUMENT_MAX_DEPTH`).
const DEPTH_MAX: u32 = 100;
/// A byte becomes at most six (`\\u0000`), a tiny array's element a few more. Offsets that point to
/// one place many times over would make more of it.
const TEXT_PER_BYTE: usize = 16;

/// The text of one JSON column's bytes.
pub(super) fn text(bytes: &[u8]) -> Result<String, String> {
    let value = Jsonb::deserialize((), &mut ParseBuf(bytes)).map_err(|error| error.to_string())?;
    let mut out = String::with_capacity(bytes.len() + bytes.len() / 4);
    let limits = Limits {
        depth: DEPTH_MAX,
        bytes: (bytes.len() + 4) * TEXT_PER_BYTE,
    };
    write(&mut out, value, limits)?;
    Ok(out)
}

#[derive(Clone, Copy)]
struct Limits {
    depth: u32,
    bytes: usize,
}

impl Limits {
    fn deeper(mut self) -> Result<Self, String> {
        self.depth = self
            .depth
            .checked_sub(1)
            .ok_or("its json is nested too deep")?;
        Ok(self)
    }
}

fn write(out: &mut String, value: Jsonb<'_>, limits: Limits) -> Result<(), String> {
    if out.len() > limits.bytes {
        return Err("its json refers to itself".to_owned());
    }
    match value {
        Jsonb::Null => out.push_str("null"),
        Jsonb::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Jsonb::I16(value) => number(out, value),
        Jsonb::U16(value) => number(out, value),
        Jsonb::I32(value) => number(out, value),
        Jsonb::U32(value) => number(out, value),
        Jsonb::I64(value) => number(out, value),
        Jsonb::U64(value) => number(out, value),
        Jsonb::F64(value) => double(out, value)?,
        Jsonb::String(value) => string(out, value.str_raw())?,
        Jsonb::SmallArray(array) => list(out, array.iter().map(|value| value.map_err(io)), limits)?,
        Jsonb::LargeArray(array) => list(out, array.iter().map(|value| value.map_err(io)), limits)?,
        Jsonb::SmallObject(object) => {
            object_of(out, object.iter().map(|entry| entry.map_err(io)), limits)?
        }
        Jsonb::LargeObject(object) => {
            object_of(out, object.iter().map(|entry| entry.map_err(io)), limits)?
        }
        opaque @ Jsonb::Opaque(_) => match opaque.parse().map_err(io)? {
            JsonDom::Scalar(JsonScalar::Number(JsonNumber::Decimal(value))) => {
                number(out, value);
            }
            JsonDom::Scalar(JsonScalar::DateTime(value)) => {
                string(out, format!("{value:.6}").as_bytes())?;
            }
            JsonDom::Scalar(JsonScalar::Opaque(value)) => {
                string(out, value.to_string().as_bytes())?
            }
            _ => return Err("an opaque json value has a form that is not known".to_owned()),
        },
    }
    Ok(())
}

fn io(error: std::io::Error) -> String {
    error.to_string()
}

fn number(out: &mut String, value: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{value}");
}

fn double(out: &mut String, value: f64) -> Result<(), String> {
    let value = serde_json::Number::from_f64(value).ok_or("a json number is not finite")?;
    number(out, value);
    Ok(())
}

fn string(out: &mut String, bytes: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "a json string is not utf-8".to_owned())?;
    out.push_str(&serde_json::to_string(text).map_err(|error| error.to_string())?);
    Ok(())
}

fn list<'a>(
    out: &mut String,
    values: impl Iterator<Item = Result<Jsonb<'a>, String>>,
    limits: Limits,
) -> Result<(), String> {
    let limits = limits.deeper()?;
    out.push('[');
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write(out, value?, limits)?;
    }
    out.push(']');
    Ok(())
}

fn object_of<'a>(
    out: &mut String,
    entries: impl Iterator<
        Item = Result<(mysql_common::binlog::jsonb::ObjectKey<'a>, Jsonb<'a>), String>,
    >,
    limits: Limits,
) -> Result<(), String> {
    let limits = limits.deeper()?;
    out.push('{');
    for (index, entry) in entries.enumerate() {
        let (key, value) = entry?;
        if index > 0 {
            out.push_str(", ");
        }
        string(out, key.value_raw())?;
        out.push_str(": ");
        write(out, value, limits)?;
    }
    out.push('}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_null_and_literals_are_words() {
        assert_eq!(text(&[]).as_deref(), Ok("null"));
        assert_eq!(text(&[4, 1]).as_deref(), Ok("true"));
        assert_eq!(text(&[5, 0xFF, 0xFF]).as_deref(), Ok("-1"));
        assert_eq!(text(&[12, 3, b'a', b'"', b'b']).as_deref(), Ok(r#""a\"b""#));
    }

    #[test]
    fn what_is_nested_too_deep_or_refers_to_one_place_many_times_is_refused() {
        // One element, at offset 4 + 3 of the array that holds it.
        let mut nested = vec![2];
        for _ in 0..2_000 {
            let inner = [1, 0, 7, 0, 2, 7, 0];
            nested.extend(inner);
        }
        assert!(text(&nested).is_err());
        // Each level holds the next one eight times.
        let mut repeated = vec![2];
        for _ in 0..12 {
            repeated.extend([8, 0, 28, 0]);
            for _ in 0..8 {
                repeated.extend([2, 28, 0]);
            }
        }
        assert!(text(&repeated).is_err());
    }

    #[test]
    fn an_unknown_type_is_an_error() {
        assert!(text(&[0x30, 0]).is_err());
    }
}
