//! The same rows through mysql_common's own decoder, and where it is known to say something else.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use leadstream::core::value::DateTime;
use leadstream::core::value::text::{datetime_text, double_text, hex_text, time_text};
use mysql_async::Value;
use mysql_common::binlog::consts::BinlogVersion;
use mysql_common::binlog::events::EventData;
use mysql_common::binlog::value::BinlogValue;
use mysql_common::binlog::{BinlogFileHeader, EventStreamReader};

use super::columns::{Column, Print};

/// By table and id, the last image of each row.
type Rows = BTreeMap<(String, i64), Vec<Option<BinlogValue<'static>>>>;

/// What mysql_common 0.37.3 says otherwise than the server; nothing else may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// -1 reads 16777215.
    MediumintWithoutSign,
    /// 0000 reads 1900.
    YearZero,
    /// The zero bytes at the end of a BINARY(n) are cut off by the server and not put back.
    BinaryUnpadded,
    /// Read as text where the server has a number.
    JsonDecimal,
    /// A negative TIME(1) or TIME(2) with a fraction overflows, and takes its event along.
    NegativeTime,
}

/// What was read of a binlog, and the tables whose rows ended in a panic.
#[derive(Default)]
pub struct Read {
    pub rows: Rows,
    pub given_up: BTreeSet<String>,
}

/// Reads a binlog file.
pub fn read(binlog: &[u8]) -> Read {
    let mut read = Read::default();
    let mut reader = EventStreamReader::new(BinlogVersion::Version4);
    let mut input = binlog;
    BinlogFileHeader::read(&mut input).unwrap();
    while let Some(event) = reader.read(&mut input).unwrap() {
        let Ok(Some(EventData::RowsEvent(data))) = event.read_data() else {
            continue;
        };
        let map = reader.get_tme(data.table_id()).unwrap();
        let table = map.table_name().into_owned();
        let images = catch_unwind(AssertUnwindSafe(|| {
            let images = data.rows(map).map(|row| row.unwrap().1.unwrap());
            images.collect::<Vec<_>>()
        }));
        let Ok(images) = images else {
            read.given_up.insert(table);
            continue;
        };
        for image in images {
            let values: Vec<_> = (0..image.len())
                .map(|index| image.as_ref(index).cloned().map(BinlogValue::into_owned))
                .collect();
            let Some(BinlogValue::Value(Value::Int(id))) = &values[0] else {
                panic!("the first column is the id: {:?}", values[0]);
            };
            read.rows.insert((table.clone(), *id), values);
        }
    }
    read
}

/// Compares with what the server stores; `Ok(Some(known))` is a difference that is explained.
pub fn compare(
    column: &Column,
    theirs: Option<&BinlogValue<'_>>,
    server: Option<&str>,
) -> Result<Option<Known>, String> {
    let found = match theirs {
        None | Some(BinlogValue::Value(Value::NULL)) => None,
        Some(BinlogValue::Jsonb(json)) => {
            let dom = json.clone().parse().map_err(|error| error.to_string())?;
            let server = server.ok_or("the server has NULL")?;
            let server: serde_json::Value = serde_json::from_str(server).unwrap();
            return same_json(&dom.into(), &server);
        }
        Some(value) => Some(stored(column, value)?),
    };
    if found.as_deref() == server {
        return Ok(None);
    }
    let (Some(found), Some(server)) = (&found, server) else {
        return Err(format!("{found:?}"));
    };
    let number = |text: &str| text.parse::<i64>().ok();
    let known = match column.family {
        "mediumint" if number(found) == number(server).map(|n| n + (1 << 24)) => {
            Known::MediumintWithoutSign
        }
        "year" if (found.as_str(), server) == ("1900", "0000") => Known::YearZero,
        "binary"
            if server.strip_prefix(found.as_str()).is_some_and(|rest| {
                rest.len().is_multiple_of(2) && rest.bytes().all(|byte| byte == b'0')
            }) =>
        {
            Known::BinaryUnpadded
        }
        _ => return Err(found.clone()),
    };
    Ok(Some(known))
}

fn stored(column: &Column, value: &BinlogValue<'_>) -> Result<String, String> {
    let BinlogValue::Value(value) = value else {
        return Err("a form that is not expected".to_owned());
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let number = |bytes: &mut dyn Iterator<Item = &u8>| {
        bytes
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
            .to_string()
    };
    Ok(match (column.print, value) {
        (_, Value::Int(number)) => number.to_string(),
        (_, Value::UInt(number)) => number.to_string(),
        (_, Value::Float(number)) => double_text(f64::from(*number)),
        (_, Value::Double(number)) => double_text(*number),
        (Print::Hex | Print::Text, Value::Bytes(bytes)) => hex_text(bytes),
        (Print::Number, Value::Bytes(bytes)) => number(&mut bytes.iter()),
        (Print::Labels, Value::Bytes(bytes)) => number(&mut bytes.iter().rev()),
        (Print::Moment(digits), Value::Bytes(bytes)) => moment(&text(bytes), digits)?,
        (_, Value::Bytes(bytes)) => text(bytes),
        (Print::Moment(digits), Value::Date(year, month, day, hour, minute, second, micros)) => {
            let at = DateTime {
                date: leadstream::core::value::Date {
                    year: *year,
                    month: *month,
                    day: *day,
                },
                hour: *hour,
                minute: *minute,
                second: *second,
                micros: *micros,
            };
            let text = datetime_text(&at, digits);
            if column.family == "date" {
                text[..10].to_owned()
            } else {
                text
            }
        }
        (Print::Moment(digits), Value::Time(negative, days, hours, minutes, seconds, micros)) => {
            let hours = i64::from(*days) * 24 + i64::from(*hours);
            let total = (hours * 60 + i64::from(*minutes)) * 60 + i64::from(*seconds);
            let micros = total * 1_000_000 + i64::from(*micros);
            time_text(if *negative { -micros } else { micros }, digits)
        }
        (_, value) => return Err(format!("{value:?}")),
    })
}

/// A TIMESTAMP: seconds since the epoch, with a fraction when there is one.
fn moment(text: &str, digits: u8) -> Result<String, String> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let seconds: i64 = seconds.parse().map_err(|_| text.to_owned())?;
    let micros: i64 = format!("{fraction:0<6}")
        .parse()
        .map_err(|_| text.to_owned())?;
    let at = match seconds * 1_000_000 + micros {
        0 => DateTime {
            date: leadstream::core::value::Date {
                year: 0,
                month: 0,
                day: 0,
            },
            hour: 0,
            minute: 0,
            second: 0,
            micros: 0,
        },
        micros => DateTime::from_epoch(micros).ok_or(text)?,
    };
    Ok(datetime_text(&at, digits))
}

fn same_json(
    theirs: &serde_json::Value,
    server: &serde_json::Value,
) -> Result<Option<Known>, String> {
    use serde_json::Value as J;
    match (theirs, server) {
        (J::Array(left), J::Array(right)) if left.len() == right.len() => {
            let mut known = None;
            for (left, right) in left.iter().zip(right) {
                known = known.or(same_json(left, right)?);
            }
            Ok(known)
        }
        (J::Object(left), J::Object(right)) if left.len() == right.len() => {
            let mut known = None;
            for (key, left) in left {
                let right = right.get(key).ok_or_else(|| format!("no {key:?}"))?;
                known = known.or(same_json(left, right)?);
            }
            Ok(known)
        }
        (J::String(text), J::Number(number)) if text.parse().ok() == number.as_f64() => {
            Ok(Some(Known::JsonDecimal))
        }
        (J::Number(left), J::Number(right)) if left.as_f64() == right.as_f64() => Ok(None),
        (left, right) if left == right => Ok(None),
        (left, _) => Err(left.to_string()),
    }
}

/// How many events hold rows that leave columns out.
pub fn count_partial(binlog: &[u8]) -> usize {
    let mut count = 0;
    let mut reader = EventStreamReader::new(BinlogVersion::Version4);
    let mut input = binlog;
    BinlogFileHeader::read(&mut input).unwrap();
    while let Some(event) = reader.read(&mut input).unwrap() {
        if let Ok(Some(EventData::RowsEvent(data))) = event.read_data() {
            let present = data.columns_after_image().map(|image| image.count_ones());
            count += usize::from(present != Some(data.num_columns() as usize));
        }
    }
    count
}
