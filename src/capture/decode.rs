//! From what mysql_cdc read to a [`Value`]: signs, charsets, labels, dates, JSON.
//!
//! Every cell type of a rewritten table map has its counterpart here; a mismatch is an error, not
//! a guess.

use std::sync::Arc;

use mysql_cdc::events::row_events::mysql_value::MySqlValue;

use super::charset::Charset;
use super::mariadb::{self, TextType};
use super::{json, temporal};
use crate::core::value::{Date, Value};

/// How one column's raw value becomes a [`Value`].
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Int {
        bytes: u8,
        unsigned: bool,
    },
    Float,
    Double,
    Decimal,
    Text(Charset),
    /// Padded with zero bytes to that length: the server cuts those of BINARY(n) off.
    Bytes {
        pad_to: usize,
    },
    Json,
    Date,
    /// With its number of digits after the point, as the two below.
    DateTime(u8),
    Timestamp(u8),
    Time(u8),
    Year,
    Bit,
    Enum(Arc<[String]>),
    Set(Arc<[String]>),
    /// MariaDB's UUID, INET4 and INET6.
    AsText(TextType),
    /// Of a column that MariaDB compresses.
    Compressed(Box<Cell>),
}

impl Cell {
    /// The value, or why there is none.
    pub(super) fn decode(&self, mut raw: MySqlValue) -> Result<Value, String> {
        let mut slot = None;
        self.decode_into(&mut raw, &mut slot)?;
        slot.ok_or_else(|| "it has no value".to_owned())
    }

    /// Takes the value out of `raw` into the slot, or says why there is none. In place: values that
    /// travel by return cost a stall for each of their copies, a fifth of capture's time.
    pub(super) fn decode_into(
        &self,
        raw: &mut MySqlValue,
        slot: &mut Option<Value>,
    ) -> Result<(), String> {
        let value = match (self, raw) {
            (Cell::Text(Charset::Utf8), MySqlValue::Blob(bytes)) => {
                let text = String::from_utf8(std::mem::take(bytes));
                Value::Text(text.map_err(|_| "its bytes are not utf-8".to_owned())?)
            }
            (Cell::Text(charset), MySqlValue::Blob(bytes)) => {
                Value::Text(charset.decode(std::mem::take(bytes))?)
            }
            (Cell::Int { bytes, unsigned }, raw) => integer(*bytes, *unsigned, raw)?,
            (Cell::Timestamp(digits), MySqlValue::Set(raw)) => temporal::timestamp(*raw, *digits),
            (Cell::DateTime(digits), MySqlValue::Set(raw)) => temporal::date_time(*raw, *digits),
            (Cell::Time(digits), MySqlValue::Set(raw)) => temporal::time(*raw, *digits),
            (Cell::Date, MySqlValue::Date(date)) => Value::Date(Date {
                year: date.year,
                month: date.month,
                day: date.day,
            }),
            (Cell::Decimal, MySqlValue::Decimal(text)) => Value::Decimal(std::mem::take(text)),
            (Cell::Bytes { pad_to }, MySqlValue::Blob(bytes)) => {
                if bytes.len() < *pad_to {
                    bytes.resize(*pad_to, 0);
                }
                Value::Bytes(std::mem::take(bytes))
            }
            (Cell::Json, MySqlValue::Blob(bytes)) => Value::Json(json::text(bytes)?),
            (Cell::Enum(labels), MySqlValue::Enum(index)) => {
                Value::Text(enum_label(labels, *index)?)
            }
            (Cell::Set(labels), MySqlValue::Set(bits)) => Value::Text(set_labels(labels, *bits)?),
            (Cell::Float, MySqlValue::Float(value)) => Value::Float(*value),
            (Cell::Double, MySqlValue::Double(value)) => Value::Double(*value),
            (Cell::Year, MySqlValue::TinyInt(0)) => Value::Year(0),
            (Cell::Year, MySqlValue::TinyInt(years)) => Value::Year(1900 + u16::from(*years)),
            (Cell::Bit, MySqlValue::Bit(bits)) => {
                // Most significant first, at most 64 of them.
                Value::Bit(
                    bits.iter()
                        .fold(0, |value, bit| value << 1 | u64::from(*bit)),
                )
            }
            (Cell::AsText(kind), MySqlValue::Blob(bytes)) => {
                Value::Text(kind.text(std::mem::take(bytes))?)
            }
            (Cell::Compressed(cell), MySqlValue::Blob(bytes)) => {
                let mut unpacked = MySqlValue::Blob(mariadb::unpack_column(std::mem::take(bytes))?);
                return cell.decode_into(&mut unpacked, slot);
            }
            _ => return Err("its bytes have another form than its type".to_owned()),
        };
        *slot = Some(value);
        Ok(())
    }
}

fn integer(bytes: u8, unsigned: bool, raw: &MySqlValue) -> Result<Value, String> {
    let bits = match *raw {
        MySqlValue::TinyInt(value) => u64::from(value),
        MySqlValue::SmallInt(value) => u64::from(value),
        MySqlValue::MediumInt(value) | MySqlValue::Int(value) => u64::from(value),
        MySqlValue::BigInt(value) => value,
        _ => return Err("its bytes have another form than its type".to_owned()),
    };
    if unsigned {
        return Ok(Value::UInt(bits));
    }
    // Moves the sign to the top bit and back, so that MEDIUMINT is extended as well.
    let shift = 64 - 8 * u32::from(bytes);
    Ok(Value::Int(((bits << shift) as i64) >> shift))
}

/// Index 0 is what MySQL stores for an invalid value: the empty text.
fn enum_label(labels: &[String], index: u32) -> Result<String, String> {
    match index {
        0 => Ok(String::new()),
        index => labels
            .get(index as usize - 1)
            .cloned()
            .ok_or_else(|| format!("enum index {index} has no label")),
    }
}

fn set_labels(labels: &[String], bits: u64) -> Result<String, String> {
    if labels.len() < 64 && bits >> labels.len() != 0 {
        return Err("a set member has no label".to_owned());
    }
    let mut text = String::new();
    for (index, label) in labels.iter().enumerate() {
        if bits >> index & 1 == 1 {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(label);
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(cell: &Cell, raw: MySqlValue, expected: Value) {
        assert_eq!(cell.decode(raw), Ok(expected));
    }

    #[test]
    fn integers_of_every_width_carry_their_sign() {
        let signed = |bytes| Cell::Int {
            bytes,
            unsigned: false,
        };
        check(&signed(1), MySqlValue::TinyInt(0xFF), Value::Int(-1));
        check(
            &signed(2),
            MySqlValue::SmallInt(0x8000),
            Value::Int(-32_768),
        );
        check(&signed(3), MySqlValue::MediumInt(0xFF_FFFF), Value::Int(-1));
        check(
            &signed(3),
            MySqlValue::MediumInt(0x7F_FFFF),
            Value::Int(8_388_607),
        );
        check(&signed(4), MySqlValue::Int(0xFFFF_FFFE), Value::Int(-2));
        check(
            &signed(8),
            MySqlValue::BigInt(1 << 63),
            Value::Int(i64::MIN),
        );
        let unsigned = Cell::Int {
            bytes: 3,
            unsigned: true,
        };
        check(
            &unsigned,
            MySqlValue::MediumInt(0xFF_FFFF),
            Value::UInt(0xFF_FFFF),
        );
    }

    #[test]
    fn year_zero_is_not_1900() {
        check(&Cell::Year, MySqlValue::TinyInt(0), Value::Year(0));
        check(&Cell::Year, MySqlValue::TinyInt(1), Value::Year(1901));
        check(&Cell::Year, MySqlValue::TinyInt(255), Value::Year(2155));
    }

    #[test]
    fn enum_and_set_become_labels_and_unknown_members_are_refused() {
        let labels: Arc<[String]> = ["new", "hot", "cold"].map(str::to_owned).into();
        let one = Cell::Enum(Arc::clone(&labels));
        check(&one, MySqlValue::Enum(2), Value::Text("hot".to_owned()));
        check(&one, MySqlValue::Enum(0), Value::Text(String::new()));
        assert!(one.decode(MySqlValue::Enum(4)).is_err());
        let many = Cell::Set(labels);
        check(
            &many,
            MySqlValue::Set(0b101),
            Value::Text("new,cold".to_owned()),
        );
        check(&many, MySqlValue::Set(0), Value::Text(String::new()));
        assert!(many.decode(MySqlValue::Set(0b1000)).is_err());
    }

    #[test]
    fn binary_is_padded_to_its_declared_length() {
        let cell = Cell::Bytes { pad_to: 4 };
        check(
            &cell,
            MySqlValue::Blob(vec![1]),
            Value::Bytes(vec![1, 0, 0, 0]),
        );
        let free = Cell::Bytes { pad_to: 0 };
        check(&free, MySqlValue::Blob(vec![1]), Value::Bytes(vec![1]));
    }

    #[test]
    fn bits_are_read_from_the_top() {
        check(
            &Cell::Bit,
            MySqlValue::Bit(vec![true, false, true]),
            Value::Bit(5),
        );
    }

    #[test]
    fn a_form_that_does_not_fit_the_type_is_refused() {
        assert!(Cell::Date.decode(MySqlValue::Float(1.0)).is_err());
    }
}
