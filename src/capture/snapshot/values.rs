//! From the rows of a SELECT to values: the same, bit by bit, as the binlog gives for these rows.
//!
//! That rests on how the connection is set up (`source.rs`): the binary protocol, so that a FLOAT
//! is exact; no charset conversion, so that text goes through our own tables; UTC, so that a
//! TIMESTAMP is what is stored.

use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::{Column, Value as Raw};

use crate::capture::charset::{self, Charset, Numbering};
use crate::core::value::{Date, DateTime, Value};

/// One column's value, or why there is none.
pub(super) fn value(column: &Column, raw: Raw, numbering: &Numbering) -> Result<Value, String> {
    use ColumnType as T;
    let flags = column.flags();
    let labels = flags.intersects(ColumnFlags::ENUM_FLAG | ColumnFlags::SET_FLAG);
    Ok(match (column.column_type(), raw) {
        (_, Raw::NULL) => Value::Null,
        (T::MYSQL_TYPE_YEAR, raw) => {
            let year = u16::try_from(integer(&raw)?).map_err(|_| form())?;
            Value::Year(year)
        }
        (
            T::MYSQL_TYPE_TINY
            | T::MYSQL_TYPE_SHORT
            | T::MYSQL_TYPE_INT24
            | T::MYSQL_TYPE_LONG
            | T::MYSQL_TYPE_LONGLONG,
            raw,
        ) => {
            let number = integer(&raw)?;
            if flags.contains(ColumnFlags::UNSIGNED_FLAG) {
                Value::UInt(u64::try_from(number).map_err(|_| form())?)
            } else {
                Value::Int(i64::try_from(number).map_err(|_| form())?)
            }
        }
        (T::MYSQL_TYPE_FLOAT, Raw::Float(number)) => Value::Float(number),
        (T::MYSQL_TYPE_DOUBLE, Raw::Double(number)) => Value::Double(number),
        (T::MYSQL_TYPE_DECIMAL | T::MYSQL_TYPE_NEWDECIMAL, Raw::Bytes(bytes)) => {
            let text = String::from_utf8(bytes).map_err(|_| form())?;
            Value::Decimal(without_zerofill(text))
        }
        (T::MYSQL_TYPE_DATE | T::MYSQL_TYPE_NEWDATE, Raw::Date(year, month, day, ..)) => {
            Value::Date(Date { year, month, day })
        }
        (T::MYSQL_TYPE_DATETIME | T::MYSQL_TYPE_DATETIME2, raw) => {
            Value::DateTime(date_time(&raw)?)
        }
        (T::MYSQL_TYPE_TIMESTAMP | T::MYSQL_TYPE_TIMESTAMP2, raw) => timestamp(date_time(&raw)?)?,
        (
            T::MYSQL_TYPE_TIME | T::MYSQL_TYPE_TIME2,
            Raw::Time(negative, days, hours, minutes, seconds, micros),
        ) => {
            let hours = i64::from(days) * 24 + i64::from(hours);
            let seconds = (hours * 60 + i64::from(minutes)) * 60 + i64::from(seconds);
            let total = seconds * 1_000_000 + i64::from(micros);
            Value::Time(if negative { -total } else { total })
        }
        (T::MYSQL_TYPE_BIT, Raw::Bytes(bytes)) if bytes.len() <= 8 => Value::Bit(
            bytes
                .iter()
                .fold(0, |value, byte| value << 8 | u64::from(*byte)),
        ),
        (T::MYSQL_TYPE_JSON, Raw::Bytes(bytes)) => Value::Json(Charset::Utf8.decode(bytes)?),
        (T::MYSQL_TYPE_GEOMETRY | T::MYSQL_TYPE_VECTOR, Raw::Bytes(bytes)) => Value::Bytes(bytes),
        (
            T::MYSQL_TYPE_STRING
            | T::MYSQL_TYPE_VAR_STRING
            | T::MYSQL_TYPE_VARCHAR
            | T::MYSQL_TYPE_ENUM
            | T::MYSQL_TYPE_SET
            | T::MYSQL_TYPE_TINY_BLOB
            | T::MYSQL_TYPE_BLOB
            | T::MYSQL_TYPE_MEDIUM_BLOB
            | T::MYSQL_TYPE_LONG_BLOB,
            Raw::Bytes(bytes),
        ) => match column.character_set() {
            // ENUM and SET of charset binary hold text all the same.
            charset::BINARY if labels => Value::Text(Charset::Utf8.decode(bytes)?),
            charset::BINARY => Value::Bytes(bytes),
            collation => {
                let charset = charset::of_collation(numbering.resolve(collation))
                    .map_err(|charset| format!("the charset {charset} is not supported"))?;
                Value::Text(charset.decode(bytes)?)
            }
        },
        _ => return Err(form()),
    })
}

fn form() -> String {
    "it has another form than its type".to_owned()
}

fn integer(raw: &Raw) -> Result<i128, String> {
    match raw {
        Raw::Int(number) => Ok(i128::from(*number)),
        Raw::UInt(number) => Ok(i128::from(*number)),
        _ => Err(form()),
    }
}

fn date_time(raw: &Raw) -> Result<DateTime, String> {
    match *raw {
        Raw::Date(year, month, day, hour, minute, second, micros) => Ok(DateTime {
            date: Date { year, month, day },
            hour,
            minute,
            second,
            micros,
        }),
        _ => Err(form()),
    }
}

/// The zero timestamp is no moment, and stays the zeros that it is.
fn timestamp(moment: DateTime) -> Result<Value, String> {
    let Date { year, month, day } = moment.date;
    if (year, month, day) == (0, 0, 0) {
        return Ok(Value::DateTime(moment));
    }
    let part = |number: u8| i8::try_from(number).map_err(|_| form());
    let civil = jiff::civil::DateTime::new(
        i16::try_from(year).map_err(|_| form())?,
        part(month)?,
        part(day)?,
        part(moment.hour)?,
        part(moment.minute)?,
        part(moment.second)?,
        i32::try_from(moment.micros).map_err(|_| form())? * 1_000,
    )
    .map_err(|_| form())?;
    let zoned = civil
        .to_zoned(jiff::tz::TimeZone::UTC)
        .map_err(|_| form())?;
    Ok(Value::Timestamp(zoned.timestamp().as_microsecond()))
}

/// ZEROFILL pads a DECIMAL for display only.
fn without_zerofill(text: String) -> String {
    let digits = text.bytes().take_while(|byte| *byte == b'0').count();
    if digits == 0 || text == "0" {
        return text;
    }
    // One zero stays before the point.
    let rest = &text[digits..];
    if rest.is_empty() || rest.starts_with('.') {
        format!("0{rest}")
    } else {
        rest.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zerofill_is_for_display_only() {
        for (padded, plain) in [
            ("00012.50", "12.50"),
            ("0.50", "0.50"),
            ("000.50", "0.50"),
            ("0", "0"),
            ("000", "0"),
            ("-1.5", "-1.5"),
        ] {
            assert_eq!(without_zerofill(padded.to_owned()), plain);
        }
    }

    #[test]
    fn the_zero_timestamp_stays_zero_and_others_are_moments() {
        let raw = Raw::Date(0, 0, 0, 0, 0, 0, 0);
        assert!(matches!(
            timestamp(date_time(&raw).unwrap()).unwrap(),
            Value::DateTime(_)
        ));
        let raw = Raw::Date(1970, 1, 1, 0, 0, 1, 5);
        assert_eq!(
            timestamp(date_time(&raw).unwrap()).unwrap(),
            Value::Timestamp(1_000_005)
        );
        assert!(timestamp(date_time(&Raw::Date(1970, 13, 1, 0, 0, 0, 0)).unwrap()).is_err());
    }
}
