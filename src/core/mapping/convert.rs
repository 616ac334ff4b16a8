//! Type-strict conversion of captured values to the JSON that Salesforce's parser takes.
//!
//! Strict means: a value that does not fit is a [`Fault`], never a guess, because one unconvertible
//! literal makes Salesforce refuse all 200 records of a request (REST guide, "Cannot deserialize
//! instance of ..."). Limits come from describe.

use std::fmt::Write;

use crate::core::describe::FieldKind;
use crate::core::outcome::RecordError;
use crate::core::value::text::{double_text, float_text, hex_text};
use crate::core::value::{Date, DateTime, Value};

/// Why a value does not fit its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The type, or the text, cannot become a value of the field's type.
    Type,
    TooLong,
    /// More digits than the field holds.
    Range,
    Email,
    Picklist,
    /// A date that no calendar has, zero and partial dates that are not all zero included.
    Date,
}

impl Fault {
    /// The problem in the words that a person reads; it names no value.
    pub fn problem(self, field: &str, label: &str, kind: &FieldKind) -> RecordError {
        let (code, message) = match self {
            Fault::Type => (
                "INVALID_TYPE_ON_FIELD_IN_RECORD",
                format!(
                    "{label}: the column's value cannot be turned into {}",
                    kind.word()
                ),
            ),
            Fault::TooLong => (
                "STRING_TOO_LONG",
                match kind.max_chars() {
                    Some(max) => format!("{label}: the text is longer than {max} characters"),
                    None => format!("{label}: the text is too long"),
                },
            ),
            Fault::Range => (
                "NUMBER_OUTSIDE_VALID_RANGE",
                format!("{label}: the number has too many digits"),
            ),
            Fault::Email => (
                "INVALID_EMAIL_ADDRESS",
                format!("{label}: this is not an e-mail address"),
            ),
            Fault::Picklist => (
                "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                format!("{label}: the value is not in the restricted picklist"),
            ),
            Fault::Date => (
                "INVALID_TYPE_ON_FIELD_IN_RECORD",
                format!("{label}: the column holds a date that no calendar has"),
            ),
        };
        RecordError {
            code: code.to_owned(),
            message,
            fields: vec![field.to_owned()],
        }
    }
}

impl FieldKind {
    /// The type in words, for messages.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            FieldKind::Text { .. } => "text",
            FieldKind::Email { .. } => "an e-mail address",
            FieldKind::Picklist { .. } => "a picklist value",
            FieldKind::MultiPicklist { .. } => "a list of picklist values",
            FieldKind::Boolean => "true or false",
            FieldKind::Int { .. } => "a whole number",
            FieldKind::Number { .. } => "a number",
            FieldKind::Date => "a date",
            FieldKind::DateTime => "a date and time",
            FieldKind::Time => "a time of day",
            FieldKind::Reference => "a Salesforce id",
            FieldKind::Unsupported(name) => name,
        }
    }

    pub(super) fn max_chars(&self) -> Option<u32> {
        match self {
            FieldKind::Text { max_chars }
            | FieldKind::Email { max_chars }
            | FieldKind::Picklist { max_chars, .. }
            | FieldKind::MultiPicklist { max_chars, .. } => Some(*max_chars),
            _ => None,
        }
    }
}

/// Appends `text` as a JSON string.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut clean = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[clean..index]);
        clean = index + 1;
        if escape.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[clean..]);
    out.push('"');
}

/// Appends the JSON form of `value` for a field of `kind`; NULL and empty text give `null`.
pub fn write_value(
    value: &Value,
    kind: &FieldKind,
    trim: bool,
    out: &mut String,
) -> Result<(), Fault> {
    if matches!(value, Value::Null) || is_zero_date(value) {
        out.push_str("null");
        return Ok(());
    }
    match kind {
        FieldKind::Text { .. }
        | FieldKind::Email { .. }
        | FieldKind::Picklist { .. }
        | FieldKind::MultiPicklist { .. }
        | FieldKind::Reference => return write_text(value, kind, trim, out),
        _ => {}
    }
    if let Value::Text(text) = value
        && text.trim().is_empty()
    {
        out.push_str("null");
        return Ok(());
    }
    match kind {
        FieldKind::Boolean => out.push_str(if boolean(value)? { "true" } else { "false" }),
        FieldKind::Int { digits } => {
            let number = integer(value)?;
            // describe gives 0 digits where only the 32-bit range bounds the field.
            let limit = if *digits == 0 {
                1 << 31
            } else {
                10_i128.pow((*digits).min(18))
            };
            if number.abs() >= limit {
                return Err(Fault::Range);
            }
            let _ = write!(out, "{number}");
        }
        FieldKind::Number { precision, scale } => write_number(value, *precision, *scale, out)?,
        FieldKind::Date => {
            let date = date(value)?;
            let _ = write!(
                out,
                "\"{:04}-{:02}-{:02}\"",
                date.year, date.month, date.day
            );
        }
        FieldKind::DateTime => write_datetime(value, out)?,
        FieldKind::Time => write_time(value, out)?,
        _ => return Err(Fault::Type),
    }
    Ok(())
}

/// The text of a key column's value; `None` where no stable text exists.
pub fn key_text(value: &Value) -> Option<String> {
    match value {
        Value::Float(_) | Value::Double(_) | Value::Json(_) => None,
        _ => text_of(value).map(|text| text.trim().to_owned()),
    }
}

/// A value as text; `None` for NULL and for bytes that are no UUID.
pub fn text_of(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bytes(bytes) => uuid_text(bytes)?,
        Value::Int(number) => number.to_string(),
        Value::UInt(number) | Value::Bit(number) => number.to_string(),
        Value::Float(number) => float_text(*number),
        Value::Double(number) => double_text(*number),
        Value::Decimal(text) | Value::Text(text) | Value::Json(text) => text.clone(),
        Value::Date(date) => format!("{:04}-{:02}-{:02}", date.year, date.month, date.day),
        Value::DateTime(at) => datetime_text(at, ""),
        Value::Timestamp(micros) => datetime_text(&DateTime::from_epoch(*micros)?, "Z"),
        Value::Time(micros) => time_text(*micros),
        Value::Year(year) => format!("{year:04}"),
    })
}

/// UUIDs are often kept as BINARY(16).
fn uuid_text(bytes: &[u8]) -> Option<String> {
    if bytes.len() != 16 {
        return None;
    }
    let hex = hex_text(bytes);
    Some(format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    ))
}

fn datetime_text(at: &DateTime, zone: &str) -> String {
    let Date { year, month, day } = at.date;
    let mut text = format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
        at.hour, at.minute, at.second
    );
    if at.micros > 0 {
        let _ = write!(text, ".{:06}", at.micros);
    }
    text.push_str(zone);
    text
}

fn time_text(micros: i64) -> String {
    let (sign, micros) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    let seconds = micros / 1_000_000;
    let mut text = format!(
        "{sign}{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    if !micros.is_multiple_of(1_000_000) {
        let _ = write!(text, ".{:06}", micros % 1_000_000);
    }
    text
}

fn write_text(value: &Value, kind: &FieldKind, trim: bool, out: &mut String) -> Result<(), Fault> {
    let owned;
    let text = match value {
        Value::Text(text) | Value::Json(text) | Value::Decimal(text) => text.as_str(),
        other => {
            owned = text_of(other).ok_or(Fault::Type)?;
            owned.as_str()
        }
    };
    let trimmed = text.trim();
    // Salesforce stores empty text as null, white space around it is trimmed there too.
    if trimmed.is_empty() {
        out.push_str("null");
        return Ok(());
    }
    let text = if trim { trimmed } else { text };
    // A text of n bytes has at most n characters: most need no counting.
    if let Some(max) = kind.max_chars()
        && text.len() > max as usize
        && text.chars().count() > max as usize
    {
        return Err(Fault::TooLong);
    }
    match kind {
        FieldKind::Email { .. } if !looks_like_email(trimmed) => return Err(Fault::Email),
        FieldKind::Picklist {
            restricted: Some(values),
            ..
        } if !values
            .iter()
            .any(|value| value.eq_ignore_ascii_case(trimmed)) =>
        {
            return Err(Fault::Picklist);
        }
        FieldKind::MultiPicklist { restricted, .. } => {
            if let Some(values) = restricted
                && !text
                    .split(';')
                    .all(|part| values.iter().any(|v| v.eq_ignore_ascii_case(part.trim())))
            {
                return Err(Fault::Picklist);
            }
            write_string(text, out);
            return Ok(());
        }
        FieldKind::Reference
            if !matches!(text.len(), 15 | 18)
                || !text.bytes().all(|b| b.is_ascii_alphanumeric()) =>
        {
            return Err(Fault::Type);
        }
        _ => {}
    }
    write_string(text, out);
    Ok(())
}

/// Appends the first `max_chars` characters of a text that is longer.
pub fn write_cut(value: &Value, max_chars: u32, trim: bool, out: &mut String) {
    let text = text_of(value).unwrap_or_default();
    let text = if trim { text.trim() } else { &text };
    let end = text.char_indices().nth(max_chars as usize);
    let cut = text.get(..end.map_or(text.len(), |(index, _)| index));
    let cut = cut.unwrap_or_default();
    // White space at the new end was inside before.
    write_string(if trim { cut.trim_end() } else { cut }, out);
}

/// Only what Salesforce surely refuses is refused here: a valid address must never be held back.
fn looks_like_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    !local.is_empty()
        && !local.contains('@')
        && domain.contains('.')
        && domain.split('.').all(|label| !label.is_empty())
        && !text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || matches!(c, ',' | ';'))
}

fn boolean(value: &Value) -> Result<bool, Fault> {
    match value {
        Value::Int(0) | Value::UInt(0) | Value::Bit(0) => Ok(false),
        Value::Int(1) | Value::UInt(1) | Value::Bit(1) => Ok(true),
        Value::Decimal(_) => match integer(value)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Fault::Type),
        },
        Value::Text(text) => match text.trim() {
            "0" => Ok(false),
            "1" => Ok(true),
            text if text.eq_ignore_ascii_case("true") => Ok(true),
            text if text.eq_ignore_ascii_case("false") => Ok(false),
            _ => Err(Fault::Type),
        },
        _ => Err(Fault::Type),
    }
}

fn integer(value: &Value) -> Result<i128, Fault> {
    match value {
        Value::Int(number) => Ok(i128::from(*number)),
        Value::UInt(number) | Value::Bit(number) => Ok(i128::from(*number)),
        Value::Year(year) => Ok(i128::from(*year)),
        Value::Decimal(text) | Value::Text(text) => {
            let text = text.trim();
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            if fraction.bytes().any(|b| b != b'0') {
                return Err(Fault::Type);
            }
            whole.parse().map_err(|_| Fault::Type)
        }
        Value::Double(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            Ok(*number as i128)
        }
        Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => Ok(*number as i128),
        _ => Err(Fault::Type),
    }
}

fn write_number(value: &Value, precision: u32, scale: u32, out: &mut String) -> Result<(), Fault> {
    let owned;
    let text = match value {
        Value::Decimal(text) | Value::Text(text) => text.trim(),
        Value::Int(_) | Value::UInt(_) | Value::Bit(_) => {
            owned = text_of(value).ok_or(Fault::Type)?;
            owned.as_str()
        }
        Value::Year(year) => {
            owned = year.to_string();
            owned.as_str()
        }
        // All digits, without an exponent.
        Value::Double(number) => {
            owned = number.to_string();
            owned.as_str()
        }
        Value::Float(number) => {
            owned = number.to_string();
            owned.as_str()
        }
        _ => return Err(Fault::Type),
    };
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !plain(whole) || !plain(fraction) {
        return Err(Fault::Type);
    }
    let whole = whole.trim_start_matches('0');
    if precision > 0 && whole.len() > precision.saturating_sub(scale) as usize {
        return Err(Fault::Range);
    }
    // Written again digit by digit, because JSON knows no `+1`, `007` or `.5`.
    if text.starts_with('-') {
        out.push('-');
    }
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    Ok(())
}

fn is_zero_date(value: &Value) -> bool {
    let zero = |date: &Date| (date.year, date.month, date.day) == (0, 0, 0);
    match value {
        Value::Date(date) => zero(date),
        Value::DateTime(at) => zero(&at.date),
        _ => false,
    }
}

fn checked(date: Date) -> Result<Date, Fault> {
    let leap = date.year.is_multiple_of(4)
        && (!date.year.is_multiple_of(100) || date.year.is_multiple_of(400));
    let days = match date.month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    // Salesforce's calendar: 1700-01-01 to 4000-12-31.
    if date.day == 0 || date.day > days || !(1700..=4000).contains(&date.year) {
        return Err(Fault::Date);
    }
    Ok(date)
}

fn date(value: &Value) -> Result<Date, Fault> {
    match value {
        Value::Date(date) => checked(*date),
        Value::DateTime(at) => checked(at.date),
        Value::Timestamp(micros) => DateTime::from_epoch(*micros)
            .map(|at| at.date)
            .ok_or(Fault::Date),
        Value::Text(text) => parse_date(text.trim()).ok_or(Fault::Type).and_then(checked),
        _ => Err(Fault::Type),
    }
}

pub(super) fn parse_date(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    Some(Date {
        year: number(text, 0..4)?,
        month: u8::try_from(number(text, 5..7)?).ok()?,
        day: u8::try_from(number(text, 8..10)?).ok()?,
    })
}

fn number(text: &str, range: std::ops::Range<usize>) -> Option<u16> {
    let digits = text.get(range)?;
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

/// A time of day; TIME is a duration in MySQL, and one below zero or of a day and more is none.
fn write_time(value: &Value, out: &mut String) -> Result<(), Fault> {
    let micros = match value {
        Value::Time(micros) => Some(*micros),
        Value::Text(text) => {
            // Any day will do to read the time by.
            let text = format!("2000-01-01 {}", text.trim());
            let (at, _) = parse_datetime(&text)
                .filter(|(_, zone)| *zone == "Z")
                .ok_or(Fault::Type)?;
            Some(at.to_epoch().rem_euclid(86_400_000_000))
        }
        _ => None,
    };
    let micros = micros
        .filter(|micros| (0..86_400_000_000).contains(micros))
        .ok_or(Fault::Type)?;
    let (seconds, millis) = (micros / 1_000_000, micros / 1_000 % 1_000);
    let _ = write!(
        out,
        "\"{:02}:{:02}:{:02}.{millis:03}Z\"",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    );
    Ok(())
}

fn write_datetime(value: &Value, out: &mut String) -> Result<(), Fault> {
    let (at, zone) = match value {
        // DATETIME has no zone; leadstream takes it for UTC (docs/configuration.md).
        Value::DateTime(at) => (*at, "Z"),
        Value::Timestamp(micros) => (DateTime::from_epoch(*micros).ok_or(Fault::Date)?, "Z"),
        Value::Date(date) => (
            DateTime {
                date: *date,
                hour: 0,
                minute: 0,
                second: 0,
                micros: 0,
            },
            "Z",
        ),
        Value::Text(text) => parse_datetime(text.trim()).ok_or(Fault::Type)?,
        _ => return Err(Fault::Type),
    };
    let Date { year, month, day } = checked(at.date)?;
    // Salesforce keeps milliseconds; MySQL's microseconds are cut, not rounded, so that a moment
    // never moves into the next second.
    let _ = write!(
        out,
        "\"{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}{zone}\"",
        at.hour,
        at.minute,
        at.second,
        at.micros / 1000
    );
    Ok(())
}

/// Reads `2026-01-31T10:00:00[.fff][Z|+01:00]`, a blank allowed for the `T`; without a zone it is
/// UTC.
pub(super) fn parse_datetime(text: &str) -> Option<(DateTime, &str)> {
    let date = parse_date(text.get(..10)?)?;
    let bytes = text.as_bytes();
    if bytes.len() < 19
        || !matches!(bytes[10], b'T' | b' ')
        || bytes[13] != b':'
        || bytes[16] != b':'
    {
        return None;
    }
    let part = |range| number(text, range).and_then(|n| u8::try_from(n).ok());
    let (hour, minute, second) = (part(11..13)?, part(14..16)?, part(17..19)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let rest = text.get(19..)?;
    let (micros, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let length = rest.bytes().take_while(u8::is_ascii_digit).count();
            let digits = rest
                .get(..length.min(6))
                .filter(|digits| !digits.is_empty())?;
            (format!("{digits:0<6}").parse().ok()?, rest.get(length..)?)
        }
        None => (0, rest),
    };
    let zone = match zone {
        "" | "Z" => "Z",
        _ => {
            let z = zone.as_bytes();
            let plain = z.len() == 6 && matches!(z[0], b'+' | b'-') && z[3] == b':';
            if !plain || number(zone, 1..3)? > 14 || number(zone, 4..6)? > 59 {
                return None;
            }
            zone
        }
    };
    Some((
        DateTime {
            date,
            hour,
            minute,
            second,
            micros,
        },
        zone,
    ))
}
