//! MySQL's binary JSON as JSON text, letter by letter as `SELECT` prints it.
//!
//! The bytes are walked with mysql_common's reader; numbers keep their type (an exact decimal is
//! printed as a number), dates and opaque values become strings, as on the server.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use mysql_async::consts::ColumnType;
use mysql_common::binlog::decimal::Decimal;
use mysql_common::binlog::jsonb::{ObjectKey, OpaqueValue, Value as Jsonb};
use mysql_common::io::ParseBuf;
use mysql_common::proto::MyDeserialize;

use crate::core::value::text::{date_text, datetime_text, double_text, time_text};
use crate::core::value::{Date, DateTime};

/// The server refuses documents that are nested more deeply (`JSON_DOCUMENT_MAX_DEPTH`).
const DEPTH_MAX: u32 = 100;
/// A byte becomes at most six (`\\u0000`), a tiny array's element a few more. Offsets that point to
/// one place many times over would make more of it.
const TEXT_PER_BYTE: usize = 16;

/// The text of one JSON column's bytes.
pub(super) fn text(bytes: &[u8]) -> Result<String, String> {
    let value = Jsonb::deserialize((), &mut ParseBuf(bytes)).map_err(io)?;
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
        Jsonb::I16(value) => out.push_str(&value.to_string()),
        Jsonb::U16(value) => out.push_str(&value.to_string()),
        Jsonb::I32(value) => out.push_str(&value.to_string()),
        Jsonb::U32(value) => out.push_str(&value.to_string()),
        Jsonb::I64(value) => out.push_str(&value.to_string()),
        Jsonb::U64(value) => out.push_str(&value.to_string()),
        Jsonb::F64(value) => double(out, value)?,
        Jsonb::String(value) => string(out, value.str_raw())?,
        Jsonb::SmallArray(array) => list(out, array.iter().map(|v| v.map_err(io)), limits)?,
        Jsonb::LargeArray(array) => list(out, array.iter().map(|v| v.map_err(io)), limits)?,
        Jsonb::SmallObject(object) => entries(out, object.iter().map(|e| e.map_err(io)), limits)?,
        Jsonb::LargeObject(object) => entries(out, object.iter().map(|e| e.map_err(io)), limits)?,
        Jsonb::Opaque(value) => opaque(out, &value)?,
    }
    Ok(())
}

fn io(error: std::io::Error) -> String {
    error.to_string()
}

/// A double always looks like one: `1.0`, not `1`.
fn double(out: &mut String, value: f64) -> Result<(), String> {
    if !value.is_finite() {
        return Err("a json number is not finite".to_owned());
    }
    let text = double_text(value);
    out.push_str(&text);
    if !text.contains(['.', 'e']) {
        out.push_str(".0");
    }
    Ok(())
}

fn string(out: &mut String, bytes: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "a json string is not utf-8".to_owned())?;
    out.push_str(&serde_json::to_string(text).map_err(|error| error.to_string())?);
    Ok(())
}

/// A value of an SQL type that JSON does not have.
fn opaque(out: &mut String, value: &OpaqueValue<'_>) -> Result<(), String> {
    let (kind, data) = (value.value_type(), value.data_raw());
    let packed = || {
        let bytes = data.first_chunk::<8>();
        bytes
            .map(|bytes| i64::from_le_bytes(*bytes))
            .ok_or_else(|| "a date or time in json is too short".to_owned())
    };
    let text = match kind {
        ColumnType::MYSQL_TYPE_NEWDECIMAL => {
            out.push_str(&decimal(data)?);
            return Ok(());
        }
        ColumnType::MYSQL_TYPE_DATE => date_text(moment(packed()?).date),
        ColumnType::MYSQL_TYPE_DATETIME | ColumnType::MYSQL_TYPE_TIMESTAMP => {
            datetime_text(&moment(packed()?), 6)
        }
        ColumnType::MYSQL_TYPE_TIME => time_text(duration(packed()?), 6),
        _ => format!("base64:type{}:{}", kind as u8, BASE64_STANDARD.encode(data)),
    };
    string(out, text.as_bytes())
}

/// Precision, scale, and the packed digits.
fn decimal(data: &[u8]) -> Result<String, String> {
    match data {
        [precision @ 1..=65, scale, ..] if scale <= precision => Decimal::read_packed(data, false)
            .map(|decimal| decimal.to_string())
            .map_err(io),
        _ => Err("a decimal in json has impossible digits".to_owned()),
    }
}

/// 17 bits year and month, 5 day, 5 hour, 6 minute, 6 second, 24 microseconds
/// (`TIME_from_longlong_datetime_packed`).
fn moment(packed: i64) -> DateTime {
    let packed = packed.unsigned_abs();
    let whole = packed >> 24;
    let year_month = (whole >> 22) & 0x1_FFFF;
    DateTime {
        date: Date {
            year: (year_month / 13) as u16,
            month: (year_month % 13) as u8,
            day: ((whole >> 17) & 0x1F) as u8,
        },
        hour: ((whole >> 12) & 0x1F) as u8,
        minute: ((whole >> 6) & 0x3F) as u8,
        second: (whole & 0x3F) as u8,
        micros: (packed & 0xFF_FFFF) as u32,
    }
}

/// 10 bits hour, 6 minute, 6 second, 24 microseconds; the whole is negated for a negative time
/// (`TIME_from_longlong_time_packed`).
fn duration(packed: i64) -> i64 {
    let (negative, packed) = (packed < 0, packed.unsigned_abs());
    let whole = packed >> 24;
    let (hour, minute, second) = ((whole >> 12) & 0x3FF, (whole >> 6) & 0x3F, whole & 0x3F);
    let seconds = (hour * 60 + minute) * 60 + second;
    let micros = (seconds * 1_000_000 + (packed & 0xFF_FFFF)) as i64;
    if negative { -micros } else { micros }
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

fn entries<'a>(
    out: &mut String,
    entries: impl Iterator<Item = Result<(ObjectKey<'a>, Jsonb<'a>), String>>,
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
mod tests;
