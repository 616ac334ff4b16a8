//! One column of a table map: which of mysql_cdc's parsers reads its bytes untouched, and how
//! they become a value.
//!
//! A type whose width is not certain is refused, used or not: every column behind it would be
//! read from the wrong place.

use mysql_async::binlog::events::{OptionalMetadataField, TableMapEvent};
use mysql_async::consts::ColumnType;
use mysql_common::proto::MySerialize;

use super::charset::{self, Charset};
use super::decode::Cell;
use super::error::Error;
use super::mariadb::Form;
use super::temporal::fraction_bytes;
use crate::core::schema::TableName;

/// mysql_cdc's codes of the types that we give columns.
mod cdc {
    pub(super) const TINY: u8 = 1;
    pub(super) const DATE: u8 = 10;
    pub(super) const BIT: u8 = 16;
    pub(super) const ENUM: u8 = 247;
    pub(super) const SET: u8 = 248;
    pub(super) const BLOB: u8 = 252;
}

/// A column as the real table map describes it; its decoder is made only when it is wanted.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) form: Form,
}

pub(super) enum Kind {
    Ready(Cell),
    Text {
        collation: u16,
    },
    Labels {
        collation: u16,
        labels: Vec<Vec<u8>>,
        set: bool,
    },
    /// Of an ENUM or SET; nobody says what they are.
    LabelsUntold,
    /// BINARY(n) and VARBINARY; CHAR-like ones lose trailing zero bytes on the way.
    Binary {
        pad_to: usize,
    },
}

impl Column {
    /// Its decoder, or why it has none.
    pub(super) fn cell(&self, table: &TableName) -> Result<Cell, Error> {
        let charset = |collation: u16| {
            charset::of_collation(collation).map_err(|charset| Error::Charset {
                table: table.clone(),
                column: self.name.clone(),
                charset,
            })
        };
        let cell = match &self.kind {
            Kind::Ready(cell) => cell.clone(),
            Kind::LabelsUntold => {
                return Err(Error::ColumnType {
                    table: table.clone(),
                    column: self.name.clone(),
                    kind: "enum or set with labels that the server does not print letter by letter"
                        .to_owned(),
                });
            }
            Kind::Binary { pad_to } => Cell::Bytes { pad_to: *pad_to },
            Kind::Text { collation } => Cell::Text(charset(*collation)?),
            Kind::Labels {
                collation,
                labels,
                set,
            } => {
                // ENUM and SET of charset binary hold text all the same.
                let charset = if *collation == charset::BINARY {
                    Charset::Utf8
                } else {
                    charset(*collation)?
                };
                let labels = labels
                    .iter()
                    .map(|label| charset.decode(label.clone()))
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|charset| Error::Charset {
                        table: table.clone(),
                        column: self.name.clone(),
                        charset,
                    })?;
                if *set {
                    Cell::Set(labels.into())
                } else {
                    Cell::Enum(labels.into())
                }
            }
        };
        Ok(self.form.apply(cell))
    }
}

pub(super) struct Width {
    pub(super) code: u8,
    pub(super) metadata: u16,
    pub(super) kind: Kind,
}

/// The table of binlog-facts: which of mysql_cdc's parsers reads how many bytes of this type.
pub(super) fn width_of(
    kind: ColumnType,
    meta: &[u8],
    unsigned: bool,
    collation: u16,
    labels: &mut Labels,
) -> Option<Width> {
    use ColumnType as T;
    let first = meta.first().copied().unwrap_or(0);
    let second = meta.get(1).copied().unwrap_or(0);
    let ready = |code: u8, metadata: u16, cell: Cell| {
        Some(Width {
            code,
            metadata,
            kind: Kind::Ready(cell),
        })
    };
    let integer = |bytes: u8| ready(kind as u8, 0, Cell::Int { bytes, unsigned });
    let packed = |whole: u8, cell: fn(u8) -> Cell| {
        (first <= 6)
            .then(|| {
                ready(
                    cdc::SET,
                    u16::from(whole + fraction_bytes(first)),
                    cell(first),
                )
            })
            .flatten()
    };
    let text = |prefix: u16, pad_to: usize| {
        let kind = if collation == charset::BINARY {
            Kind::Binary { pad_to }
        } else {
            Kind::Text { collation }
        };
        Some(Width {
            code: cdc::BLOB,
            metadata: prefix,
            kind,
        })
    };
    let prefix_of = |max_bytes: usize| if max_bytes < 256 { 1 } else { 2 };
    match kind {
        T::MYSQL_TYPE_TINY => integer(1),
        T::MYSQL_TYPE_SHORT => integer(2),
        T::MYSQL_TYPE_INT24 => integer(3),
        T::MYSQL_TYPE_LONG => integer(4),
        T::MYSQL_TYPE_LONGLONG => integer(8),
        T::MYSQL_TYPE_FLOAT if first == 4 => ready(kind as u8, 4, Cell::Float),
        T::MYSQL_TYPE_DOUBLE if first == 8 => ready(kind as u8, 8, Cell::Double),
        T::MYSQL_TYPE_NEWDECIMAL => (second <= first && first > 0)
            .then(|| {
                ready(
                    kind as u8,
                    u16::from_le_bytes([first, second]),
                    Cell::Decimal,
                )
            })
            .flatten(),
        T::MYSQL_TYPE_YEAR => ready(cdc::TINY, 0, Cell::Year),
        T::MYSQL_TYPE_DATE | T::MYSQL_TYPE_NEWDATE => ready(cdc::DATE, 0, Cell::Date),
        T::MYSQL_TYPE_TIMESTAMP2 => packed(4, Cell::Timestamp),
        T::MYSQL_TYPE_DATETIME2 => packed(5, Cell::DateTime),
        T::MYSQL_TYPE_TIME2 => packed(3, Cell::Time),
        T::MYSQL_TYPE_BIT => ready(cdc::BIT, u16::from_le_bytes([first, second]), Cell::Bit),
        T::MYSQL_TYPE_VARCHAR => text(
            prefix_of(usize::from(u16::from_le_bytes([first, second]))),
            0,
        ),
        T::MYSQL_TYPE_STRING => {
            // Two bits of the length hide in the type byte (MySQL bug 37426).
            let length = usize::from(second) | (usize::from(first & 0x30) ^ 0x30) << 4;
            text(prefix_of(length), length)
        }
        T::MYSQL_TYPE_BLOB if (1..=4).contains(&first) => text(u16::from(first), 0),
        T::MYSQL_TYPE_GEOMETRY | T::MYSQL_TYPE_VECTOR if (1..=4).contains(&first) => {
            ready(cdc::BLOB, u16::from(first), Cell::Bytes { pad_to: 0 })
        }
        T::MYSQL_TYPE_JSON if (1..=4).contains(&first) => {
            ready(cdc::BLOB, u16::from(first), Cell::Json)
        }
        T::MYSQL_TYPE_ENUM if (1..=2).contains(&second) => {
            let kind = Kind::Labels {
                collation,
                labels: labels.enums.next()?,
                set: false,
            };
            Some(Width {
                code: cdc::ENUM,
                metadata: u16::from(second),
                kind,
            })
        }
        T::MYSQL_TYPE_SET if (1..=8).contains(&second) => {
            let kind = Kind::Labels {
                collation,
                labels: labels.sets.next()?,
                set: true,
            };
            Some(Width {
                code: cdc::SET,
                metadata: u16::from(second),
                kind,
            })
        }
        _ => None,
    }
}

/// The labels of all ENUM and of all SET columns, in column order.
pub(super) struct Labels {
    enums: std::vec::IntoIter<Vec<Vec<u8>>>,
    sets: std::vec::IntoIter<Vec<Vec<u8>>>,
}

impl Labels {
    /// Of columns whose table map has none, as they were told otherwise; empty lists for the rest.
    pub(super) fn told(columns: usize, kinds: impl Iterator<Item = (bool, Vec<Vec<u8>>)>) -> Self {
        let (mut enums, mut sets) = (Vec::new(), Vec::new());
        for (is_set, labels) in kinds {
            if is_set { &mut sets } else { &mut enums }.push(labels);
        }
        enums.resize(columns, Vec::new());
        sets.resize(columns, Vec::new());
        Self {
            enums: enums.into_iter(),
            sets: sets.into_iter(),
        }
    }

    /// The driver's own reader allocates by the number of labels that is claimed, so it is not used.
    pub(super) fn read(map: &TableMapEvent<'_>) -> Result<Self, String> {
        let (mut enums, mut sets) = (Vec::new(), Vec::new());
        for field in map.iter_optional_meta() {
            let mut raw = Vec::new();
            let into = match field.map_err(|error| error.to_string())? {
                OptionalMetadataField::EnumStrValue(values) => {
                    values.serialize(&mut raw);
                    &mut enums
                }
                OptionalMetadataField::SetStrValue(values) => {
                    values.serialize(&mut raw);
                    &mut sets
                }
                _ => continue,
            };
            let mut rest = raw.as_slice();
            while !rest.is_empty() {
                let labels = read_labels(&mut rest);
                into.push(labels.ok_or("its labels reach beyond it")?);
            }
        }
        Ok(Self {
            enums: enums.into_iter(),
            sets: sets.into_iter(),
        })
    }
}

/// One column's: how many there are, then each with its length.
fn read_labels(rest: &mut &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut labels = Vec::new();
    for _ in 0..read_number(rest)? {
        let length = usize::try_from(read_number(rest)?).ok()?;
        let (label, behind) = rest.split_at_checked(length)?;
        labels.push(label.to_vec());
        *rest = behind;
    }
    Some(labels)
}

/// A length-encoded integer.
fn read_number(rest: &mut &[u8]) -> Option<u64> {
    let (first, behind) = rest.split_first()?;
    let width = match first {
        0..=250 => {
            *rest = behind;
            return Some(u64::from(*first));
        }
        252 => 2,
        253 => 3,
        254 => 8,
        251 | 255 => return None,
    };
    let (bytes, behind) = behind.split_at_checked(width)?;
    *rest = behind;
    let number = bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_by_their_lengths() {
        let mut rest = &b"\x02\x03new\x00\xFC\x01\x00\x01x"[..];
        let first = read_labels(&mut rest);
        assert_eq!(first, Some(vec![b"new".to_vec(), Vec::new()]));
        assert_eq!(read_labels(&mut rest), Some(vec![b"x".to_vec()]));
        assert!(rest.is_empty());
    }

    #[test]
    fn a_number_of_labels_that_is_only_claimed_allocates_nothing() {
        for claimed in [
            &b"\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01x"[..],
            &b"\xFE\x00\x00\x00\x00\x00\x01\x00\x00\x01x"[..],
            &b"\xFD\xFF\xFF\xFF"[..],
            &b"\x01\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFx"[..],
            &b"\xFF"[..],
        ] {
            assert_eq!(read_labels(&mut &*claimed), None);
        }
    }
}
