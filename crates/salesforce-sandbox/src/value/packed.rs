//! Accepted values of one lead in a few bytes: the store holds millions of leads.
//!
//! Layout: for each field in ascending order of its number: varint number, tag, payload. Nulls are not stored.
use std::borrow::Cow;

use super::Value;

const FALSE: u8 = 0;
const TRUE: u8 = 1;
const INT: u8 = 2;
const NUMBER: u8 = 3;
const DATE: u8 = 4;
const DATETIME: u8 = 5;
const TEXT: u8 = 6;

/// Encodes values that are sorted by field number; nulls are left out.
pub(crate) fn encode(values: &[(u16, Value<'_>)]) -> Box<[u8]> {
    let size = values
        .iter()
        .map(|(_, value)| {
            12 + if let Value::Text(text) = value {
                text.len()
            } else {
                0
            }
        })
        .sum();
    let mut bytes = Vec::with_capacity(size);
    for (field, value) in values {
        let tag = match value {
            Value::Null => continue,
            Value::Boolean(false) => FALSE,
            Value::Boolean(true) => TRUE,
            Value::Int(_) => INT,
            Value::Number(_) => NUMBER,
            Value::Date(_) => DATE,
            Value::DateTime(_) => DATETIME,
            Value::Text(_) => TEXT,
        };
        push_varint(&mut bytes, usize::from(*field));
        bytes.push(tag);
        match value {
            Value::Null | Value::Boolean(_) => {}
            Value::Int(number) | Value::DateTime(number) => {
                bytes.extend_from_slice(&number.to_le_bytes())
            }
            Value::Number(number) => bytes.extend_from_slice(&number.to_le_bytes()),
            Value::Date(days) => bytes.extend_from_slice(&days.to_le_bytes()),
            Value::Text(text) => {
                push_varint(&mut bytes, text.len());
                bytes.extend_from_slice(text.as_bytes());
            }
        }
    }
    bytes.into_boxed_slice()
}

/// Decodes in ascending order of field number. Bytes come from [`encode`] only.
pub(crate) fn decode(bytes: &[u8]) -> Decoder<'_> {
    Decoder { rest: bytes }
}

pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(head)
    }

    fn varint(&mut self) -> Option<usize> {
        let mut value = 0;
        for shift in (0..usize::BITS).step_by(7) {
            let byte = self.take(1)?[0];
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        Some(value)
    }

    fn eight(&mut self) -> Option<[u8; 8]> {
        self.take(8)?.try_into().ok()
    }
}

impl<'a> Iterator for Decoder<'a> {
    type Item = (u16, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let field = u16::try_from(self.varint()?).ok()?;
        let value = match self.take(1)?[0] {
            FALSE => Value::Boolean(false),
            TRUE => Value::Boolean(true),
            INT => Value::Int(i64::from_le_bytes(self.eight()?)),
            NUMBER => Value::Number(f64::from_le_bytes(self.eight()?)),
            DATE => Value::Date(i32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            DATETIME => Value::DateTime(i64::from_le_bytes(self.eight()?)),
            _ => {
                let length = self.varint()?;
                Value::Text(Cow::Borrowed(std::str::from_utf8(self.take(length)?).ok()?))
            }
        };
        Some((field, value))
    }
}

fn push_varint(bytes: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_survives_packing_and_nulls_are_dropped() {
        let values = vec![
            (0, Value::Text("Zoë".into())),
            (3, Value::Boolean(true)),
            (4, Value::Boolean(false)),
            (5, Value::Int(-7)),
            (127, Value::Number(1.5)),
            (128, Value::Date(-1)),
            (300, Value::DateTime(1_767_225_600_000)),
            (301, Value::Text("x".repeat(32_000).into())),
        ];
        let mut with_null = values.clone();
        with_null.insert(1, (2, Value::Null));
        assert_eq!(decode(&encode(&with_null)).collect::<Vec<_>>(), values);
    }
}
