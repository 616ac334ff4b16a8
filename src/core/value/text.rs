//! Values as text: what `SELECT` prints, and back again.
//!
//! Floating numbers are printed as the server's `my_gcvt` does it: the shortest digits that give
//! the same number back, with an exponent outside 15 places. A FLOAT keeps all of its digits here,
//! where `SELECT` rounds to six.

use super::{Date, DateTime, Value};
use crate::core::schema::ColumnKind;

/// Places before and behind the point beyond which the server prints an exponent (`DBL_DIG`).
const PLACES_MAX: i32 = 15;

/// A DOUBLE as the server prints it: `0.1`, `1e16`, `-1.5e-16`.
#[must_use]
pub fn double_text(number: f64) -> String {
    layout(&format!("{number:e}"))
}

/// A FLOAT in the same form, with all the digits that make it up.
#[must_use]
pub fn float_text(number: f32) -> String {
    layout(&format!("{number:e}"))
}

/// Lays out what Rust prints as `-1.25e3`: the digits are the shortest in both worlds.
fn layout(scientific: &str) -> String {
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        // Not finite; no column holds such a number.
        return scientific.to_owned();
    };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let digits = mantissa.replace('.', "");
    // The number is 0.DIGITS times ten to this power.
    let Some(point) = exponent.parse::<i32>().ok().map(|exponent| exponent + 1) else {
        return scientific.to_owned();
    };
    if digits == "0" {
        return format!("{sign}0");
    }
    if !(1 - PLACES_MAX..=PLACES_MAX).contains(&point) {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        return format!("{sign}{first}{dot}{rest}e{}", point - 1);
    }
    let length = digits.len();
    match usize::try_from(point) {
        Ok(places) if places >= length => {
            format!("{sign}{digits}{}", "0".repeat(places - length))
        }
        Ok(places) if places > 0 => format!("{sign}{}.{}", &digits[..places], &digits[places..]),
        _ => {
            let zeros = "0".repeat(point.unsigned_abs() as usize);
            format!("{sign}0.{zeros}{digits}")
        }
    }
}

/// `2026-01-31`.
#[must_use]
pub fn date_text(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
}

/// `2026-01-31 10:00:00` with as many digits behind the point as the column has.
#[must_use]
pub fn datetime_text(at: &DateTime, digits: u8) -> String {
    format!(
        "{} {:02}:{:02}:{:02}{}",
        date_text(at.date),
        at.hour,
        at.minute,
        at.second,
        fraction(u64::from(at.micros), digits)
    )
}

/// `-838:59:59` with as many digits behind the point as the column has.
#[must_use]
pub fn time_text(micros: i64, digits: u8) -> String {
    let (sign, micros) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    let seconds = micros / 1_000_000;
    format!(
        "{sign}{:02}:{:02}:{:02}{}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        fraction(micros % 1_000_000, digits)
    )
}

fn fraction(micros: u64, digits: u8) -> String {
    if digits == 0 {
        return String::new();
    }
    let all = format!("{micros:06}");
    format!(".{}", all.get(..usize::from(digits)).unwrap_or(&all))
}

/// Bytes in hex, as `HEX()` prints them but in lower case.
#[must_use]
pub fn hex_text(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl Value {
    /// What `SELECT` prints in a session whose time zone is UTC, `digits` being the column's
    /// digits behind the point; of bytes and bits `HEX()` and `+0`. `None` is NULL.
    #[must_use]
    pub fn select_text(&self, digits: u8) -> Option<String> {
        Some(match self {
            Value::Null => return None,
            Value::Int(number) => number.to_string(),
            Value::UInt(number) | Value::Bit(number) => number.to_string(),
            Value::Float(number) => float_text(*number),
            Value::Double(number) => double_text(*number),
            Value::Decimal(text) | Value::Text(text) | Value::Json(text) => text.clone(),
            Value::Bytes(bytes) => hex_text(bytes),
            Value::Date(date) => date_text(*date),
            Value::DateTime(at) => datetime_text(at, digits),
            Value::Timestamp(micros) => datetime_text(&DateTime::from_epoch(*micros)?, digits),
            Value::Time(micros) => time_text(*micros, digits),
            Value::Year(year) => format!("{year:04}"),
        })
    }

    /// The value of a column of this kind that `SELECT` prints so, in the forms of
    /// [`Value::select_text`]. `None` when the text is no such value.
    #[must_use]
    pub fn from_select(kind: &ColumnKind, text: &str) -> Option<Self> {
        Some(match kind {
            ColumnKind::Integer { unsigned: true, .. } => Value::UInt(text.parse().ok()?),
            ColumnKind::Integer { .. } => Value::Int(text.parse().ok()?),
            ColumnKind::Decimal { .. } => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                let plain = |c: char| c.is_ascii_digit() || c == '.';
                if digits.is_empty() || !digits.chars().all(plain) {
                    return None;
                }
                Value::Decimal(text.to_owned())
            }
            // Printed with the digits of a DOUBLE, so that nothing was rounded on the way.
            ColumnKind::Float => Value::Float(text.parse::<f64>().ok()? as f32),
            ColumnKind::Double => Value::Double(text.parse().ok()?),
            ColumnKind::Text { .. } | ColumnKind::Enum { .. } | ColumnKind::Set => {
                Value::Text(text.to_owned())
            }
            ColumnKind::Bytes | ColumnKind::Uuid => Value::Bytes(from_hex(text)?),
            ColumnKind::Date => Value::Date(parse_date(text)?),
            ColumnKind::DateTime => Value::DateTime(parse_datetime(text)?),
            ColumnKind::Timestamp => match parse_datetime(text)? {
                zero if zero.date.year == 0 => Value::DateTime(zero),
                at => Value::Timestamp(at.to_epoch()),
            },
            ColumnKind::Time => Value::Time(parse_time(text)?),
            ColumnKind::Year => Value::Year(text.parse().ok()?),
            ColumnKind::Bit { .. } => Value::Bit(text.parse().ok()?),
            ColumnKind::Json | ColumnKind::Other(_) => return None,
        })
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

fn parse_date(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    Some(Date {
        year: parts.next()?.parse().ok()?,
        month: parts.next()?.parse().ok()?,
        day: parts.next()?.parse().ok()?,
    })
}

fn parse_datetime(text: &str) -> Option<DateTime> {
    let (date, time) = text.split_once(' ')?;
    let micros = parse_time(time)?;
    let seconds = micros / 1_000_000;
    Some(DateTime {
        date: parse_date(date)?,
        hour: u8::try_from(seconds / 3600).ok()?,
        minute: u8::try_from(seconds / 60 % 60).ok()?,
        second: u8::try_from(seconds % 60).ok()?,
        micros: u32::try_from(micros % 1_000_000).ok()?,
    })
}

fn parse_time(text: &str) -> Option<i64> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.splitn(3, ':');
    let mut part = || parts.next()?.parse::<i64>().ok();
    let seconds = (part()? * 60 + part()?) * 60 + part()?;
    if fraction.len() > 6 {
        return None;
    }
    let micros = seconds * 1_000_000 + format!("{fraction:0<6}").parse::<i64>().ok()?;
    Some(if negative { -micros } else { micros })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floating_numbers_are_laid_out_as_the_server_does() {
        // Read off MySQL 9.7.4.
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (-1.5, "-1.5"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e15, "1e15"),
            (1_234_567_890_123_456.0, "1.234567890123456e15"),
            (1e-14, "0.00000000000001"),
            (1e-15, "0.000000000000001"),
            (1e-16, "1e-16"),
            (1.797_693_134_862_315_7e308, "1.7976931348623157e308"),
            (5e-324, "5e-324"),
        ] {
            assert_eq!(double_text(number), text);
        }
        assert_eq!(float_text(16_777_216.0), "16777216");
        assert_eq!(float_text(0.1), "0.1");
    }

    #[track_caller]
    fn check(kind: &ColumnKind, text: &str, digits: u8) {
        let value = Value::from_select(kind, text).expect(text);
        assert_eq!(value.select_text(digits).as_deref(), Some(text));
    }

    #[test]
    fn what_was_printed_reads_back_as_it_was() {
        let signed = ColumnKind::Integer {
            bytes: 8,
            unsigned: false,
        };
        check(&signed, "-9223372036854775808", 0);
        let decimal = ColumnKind::Decimal {
            precision: 10,
            scale: 3,
        };
        check(&decimal, "-0.500", 0);
        check(&ColumnKind::Double, "1e300", 0);
        check(&ColumnKind::Bytes, "00ff61", 0);
        check(&ColumnKind::Date, "2020-00-00", 0);
        check(&ColumnKind::DateTime, "9999-12-31 23:59:59.99", 2);
        check(&ColumnKind::Timestamp, "1970-01-01 00:00:01.000001", 6);
        check(&ColumnKind::Timestamp, "0000-00-00 00:00:00", 0);
        check(&ColumnKind::Timestamp, "2024-02-29 23:59:59", 0);
        check(&ColumnKind::Time, "-838:59:59", 0);
        check(&ColumnKind::Time, "-00:00:00.5", 1);
        check(&ColumnKind::Year, "0000", 0);
        check(&ColumnKind::Bit { bits: 64 }, "18446744073709551615", 0);
    }

    #[test]
    fn what_no_column_prints_is_none() {
        for (kind, text) in [
            (ColumnKind::Bytes, "0g"),
            (ColumnKind::Date, "soon"),
            (ColumnKind::Time, "1:2"),
            (ColumnKind::Json, "{}"),
        ] {
            assert_eq!(Value::from_select(&kind, text), None, "{text}");
        }
    }
}
