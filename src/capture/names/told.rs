//! One column as `information_schema` tells it, and whether a table map's column can be it.

use std::collections::HashMap;

use mysql_async::consts::ColumnType;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use crate::capture::charset;
use crate::capture::connection::query_error;
use crate::capture::error::Error;
use crate::capture::mariadb::TextType;
use crate::capture::schema::labels;
use crate::capture::settings::SourceSettings;
use crate::core::schema::TableName;

#[derive(Debug)]
pub(in crate::capture) struct Told {
    pub(in crate::capture) name: String,
    /// As the server prints it.
    declared: String,
    shape: Option<Shape>,
    pub(in crate::capture) unsigned: bool,
    /// One of the column's charset.
    pub(in crate::capture) collation: u16,
    /// In UTF-8. `None`: the server does not print them letter by letter.
    pub(in crate::capture) labels: Option<Vec<Vec<u8>>>,
}

/// What a table map says of such a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    kind: ColumnType,
    size: Size,
}

/// What a table map's metadata says of a column's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// Nothing beyond the type.
    Fixed,
    /// Bytes of a length, or digits of a second.
    First(u64),
    /// Bytes of an index or of a bitmap.
    Second(u64),
    /// Digits, and those behind the point.
    Decimal(u64, u64),
    Bits(u64),
    /// The longest text in bytes, of CHAR and of VARCHAR.
    Filled(u64),
    Varying(u64),
}

/// What `information_schema` says of one column.
#[derive(Clone, Debug, Default)]
struct Declared {
    data_type: String,
    column_type: String,
    charset: Option<String>,
    max_bytes: u64,
    precision: u64,
    scale: u64,
    fraction: u64,
}

/// Reads the columns of a table. `None` = not there, or not visible.
pub(super) async fn read(
    conn: &mut Conn,
    settings: &SourceSettings,
    table: &TableName,
    collations: &HashMap<String, u16>,
) -> Result<Option<Vec<Told>>, Error> {
    let failed = |error| query_error(settings, "read the table's columns", error);
    let rows: Vec<Row> = conn
        .exec(
            "SELECT column_name AS column_name, data_type AS data_type, \
             column_type AS column_type, character_set_name AS character_set_name, \
             CAST(character_octet_length AS UNSIGNED) AS max_bytes, \
             CAST(numeric_precision AS UNSIGNED) AS numeric_digits, \
             CAST(numeric_scale AS UNSIGNED) AS scale_digits, \
             CAST(datetime_precision AS UNSIGNED) AS fraction \
             FROM information_schema.columns WHERE table_schema = ? AND table_name = ? \
             ORDER BY ordinal_position",
            (&table.schema, &table.table),
        )
        .await
        .map_err(failed)?;
    let told = rows.into_iter().map(|mut row| {
        let mut text = |name: &str| -> Option<String> {
            let value: Option<Option<Vec<u8>>> = row.take_opt(name).and_then(Result::ok);
            let bytes = value.flatten()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let name = text("column_name").unwrap_or_default();
        let mut declared = Declared {
            data_type: text("data_type").unwrap_or_default().to_ascii_lowercase(),
            column_type: text("column_type").unwrap_or_default(),
            charset: text("character_set_name"),
            ..Declared::default()
        };
        let mut number = |name: &str| -> u64 {
            let value: Option<Option<u64>> = row.take_opt(name).and_then(Result::ok);
            value.flatten().unwrap_or(0)
        };
        declared.max_bytes = number("max_bytes");
        declared.precision = number("numeric_digits");
        declared.scale = number("scale_digits");
        declared.fraction = number("fraction");
        Told::of(name, declared, collations)
    });
    let told: Vec<Told> = told.collect();
    Ok(Some(told).filter(|told| !told.is_empty()))
}

/// A collation of each charset, to name the charset by.
pub(super) async fn collations(
    conn: &mut Conn,
    settings: &SourceSettings,
) -> Result<HashMap<String, u16>, Error> {
    let rows: Vec<(String, u16)> = conn
        .query(
            "SELECT character_set_name, CAST(MIN(id) AS UNSIGNED) \
             FROM information_schema.collations \
             WHERE id IS NOT NULL AND character_set_name IS NOT NULL GROUP BY character_set_name",
        )
        .await
        .map_err(|error| query_error(settings, "read the server's charsets", error))?;
    Ok(rows.into_iter().collect())
}

impl Told {
    fn of(name: String, declared: Declared, collations: &HashMap<String, u16>) -> Self {
        let printed = &declared.column_type;
        let is_lossy = printed.contains('?') && may_exceed(declared.charset.as_deref());
        let is_exact = !is_lossy && !printed.contains('\\');
        let texts = labels(&declared.column_type);
        let shape = shape(&declared, texts.len() as u64);
        let collation = declared.charset.as_ref().map_or(charset::BINARY, |name| {
            collations
                .get(name)
                .copied()
                .unwrap_or(charset::NO_COLLATION)
        });
        let texts = texts.into_iter().map(String::into_bytes).collect();
        Self {
            name,
            unsigned: declared
                .column_type
                .to_ascii_lowercase()
                .contains("unsigned"),
            shape,
            collation,
            labels: is_exact.then_some(texts),
            declared: declared.column_type,
        }
    }

    /// Holds a table map's column against this one.
    pub(in crate::capture) fn check(
        &self,
        kind: ColumnType,
        meta: &[u8],
        is_compressed: bool,
    ) -> Result<(), String> {
        let fits = self
            .shape
            .is_some_and(|shape| shape.fits(kind, meta, is_compressed));
        if fits {
            return Ok(());
        }
        // The column's type without its labels: they are data of a kind.
        let declared = self.declared.split('(').next().unwrap_or_default();
        Err(format!(
            "column {:?} is {declared} now, and {kind:?} of another size or type there",
            self.name
        ))
    }

    /// Its labels, empty where they are not known; `None` = it is neither ENUM nor SET. With true
    /// for a SET.
    pub(in crate::capture) fn labels_of_kind(&self) -> Option<(bool, Vec<Vec<u8>>)> {
        let is_set = match self.shape?.kind {
            ColumnType::MYSQL_TYPE_SET => true,
            ColumnType::MYSQL_TYPE_ENUM => false,
            _ => return None,
        };
        Some((is_set, self.labels.clone().unwrap_or_default()))
    }

    /// Whether the sign that a table map gives is this column's.
    pub(in crate::capture) fn has_sign(&self, kind: ColumnType, unsigned: bool) -> bool {
        use ColumnType as T;
        let is_integer = matches!(
            kind,
            T::MYSQL_TYPE_TINY
                | T::MYSQL_TYPE_SHORT
                | T::MYSQL_TYPE_INT24
                | T::MYSQL_TYPE_LONG
                | T::MYSQL_TYPE_LONGLONG
        );
        !is_integer || unsigned == self.unsigned
    }
}

/// Whether labels of that charset may hold what `information_schema` prints as a question mark: it
/// speaks UTF-8 of three bytes.
fn may_exceed(charset: Option<&str>) -> bool {
    matches!(
        charset,
        Some("utf8mb4" | "utf16" | "utf16le" | "utf32" | "gb18030")
    )
}

fn shape(declared: &Declared, labels: u64) -> Option<Shape> {
    use ColumnType as T;
    use Size as S;
    let is = |kind, size| Some(Shape { kind, size });
    match declared.data_type.as_str() {
        "tinyint" => is(T::MYSQL_TYPE_TINY, S::Fixed),
        "smallint" => is(T::MYSQL_TYPE_SHORT, S::Fixed),
        "mediumint" => is(T::MYSQL_TYPE_INT24, S::Fixed),
        "int" => is(T::MYSQL_TYPE_LONG, S::Fixed),
        "bigint" => is(T::MYSQL_TYPE_LONGLONG, S::Fixed),
        "float" => is(T::MYSQL_TYPE_FLOAT, S::Fixed),
        "double" => is(T::MYSQL_TYPE_DOUBLE, S::Fixed),
        "decimal" => is(
            T::MYSQL_TYPE_NEWDECIMAL,
            S::Decimal(declared.precision, declared.scale),
        ),
        "date" => is(T::MYSQL_TYPE_DATE, S::Fixed),
        "datetime" => is(T::MYSQL_TYPE_DATETIME2, S::First(declared.fraction)),
        "timestamp" => is(T::MYSQL_TYPE_TIMESTAMP2, S::First(declared.fraction)),
        "time" => is(T::MYSQL_TYPE_TIME2, S::First(declared.fraction)),
        "year" => is(T::MYSQL_TYPE_YEAR, S::Fixed),
        "bit" => is(T::MYSQL_TYPE_BIT, S::Bits(declared.precision)),
        "char" | "binary" => is(T::MYSQL_TYPE_STRING, S::Filled(declared.max_bytes)),
        "varchar" | "varbinary" => is(T::MYSQL_TYPE_VARCHAR, S::Varying(declared.max_bytes)),
        "tinytext" | "tinyblob" => is(T::MYSQL_TYPE_BLOB, S::First(1)),
        "text" | "blob" => is(T::MYSQL_TYPE_BLOB, S::First(2)),
        "mediumtext" | "mediumblob" => is(T::MYSQL_TYPE_BLOB, S::First(3)),
        "longtext" | "longblob" => is(T::MYSQL_TYPE_BLOB, S::First(4)),
        "json" => is(T::MYSQL_TYPE_JSON, S::Fixed),
        "vector" => is(T::MYSQL_TYPE_VECTOR, S::Fixed),
        "enum" => is(
            T::MYSQL_TYPE_ENUM,
            S::Second(if labels < 256 { 1 } else { 2 }),
        ),
        "set" => {
            let bytes = labels.div_ceil(8);
            is(
                T::MYSQL_TYPE_SET,
                S::Second(if bytes > 4 { 8 } else { bytes }),
            )
        }
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
        | "multipolygon" | "geomcollection" | "geometrycollection" => {
            is(T::MYSQL_TYPE_GEOMETRY, S::Fixed)
        }
        name => match TextType::of_name(name)? {
            TextType::Inet4 => is(T::MYSQL_TYPE_STRING, S::Filled(4)),
            TextType::Uuid | TextType::Inet6 => is(T::MYSQL_TYPE_STRING, S::Filled(16)),
        },
    }
}

impl Shape {
    fn fits(self, kind: ColumnType, meta: &[u8], is_compressed: bool) -> bool {
        let first = meta.first().copied().unwrap_or(0);
        let second = meta.get(1).copied().unwrap_or(0);
        let is_date =
            kind == ColumnType::MYSQL_TYPE_NEWDATE && self.kind == ColumnType::MYSQL_TYPE_DATE;
        if kind != self.kind && !is_date {
            return false;
        }
        let (one, two) = (u64::from(first), u64::from(second));
        match self.size {
            Size::Fixed => true,
            Size::First(bytes) => one == bytes,
            Size::Second(bytes) => two == bytes,
            Size::Decimal(digits, behind) => (one, two) == (digits, behind),
            Size::Bits(bits) => two * 8 + one == bits,
            // Two bits of the length hide in the type byte (MySQL bug 37426).
            Size::Filled(bytes) => two | (u64::from(first & 0x30) ^ 0x30) << 4 == bytes,
            // A compressed one has a head of its own.
            Size::Varying(bytes) => {
                let found = u64::from(u16::from_le_bytes([first, second]));
                found == bytes || (is_compressed && found == bytes + 1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(data_type: &str, column_type: &str, declared: Declared) -> Told {
        let declared = Declared {
            data_type: data_type.to_owned(),
            column_type: column_type.to_owned(),
            ..declared
        };
        let collations = HashMap::from([("latin1".to_owned(), 8)]);
        Told::of("c".to_owned(), declared, &collations)
    }

    #[track_caller]
    fn check(told: &Told, kind: ColumnType, meta: &[u8], fits: bool) {
        let checked = told.check(kind, meta, false);
        assert_eq!(checked.is_ok(), fits, "{told:?} {kind:?} {meta:?}");
    }

    #[test]
    fn types_and_sizes_are_compared() {
        use ColumnType as T;
        let whole = told("int", "int unsigned", Declared::default());
        assert!(whole.unsigned && whole.has_sign(T::MYSQL_TYPE_LONG, true));
        assert!(!whole.has_sign(T::MYSQL_TYPE_LONG, false));
        check(&whole, T::MYSQL_TYPE_LONG, &[], true);
        check(&whole, T::MYSQL_TYPE_LONGLONG, &[], false);
        let bytes = |max_bytes| Declared {
            max_bytes,
            ..Declared::default()
        };
        let varying = told("varchar", "varchar(75)", bytes(300));
        check(&varying, T::MYSQL_TYPE_VARCHAR, &[44, 1], true);
        check(&varying, T::MYSQL_TYPE_VARCHAR, &[45, 1], false);
        let filled = told("char", "char(255)", bytes(1020));
        check(&filled, T::MYSQL_TYPE_STRING, &[0xCE, 0xFC], true);
        check(&filled, T::MYSQL_TYPE_STRING, &[0xFE, 0xFC], false);
        let decimal = Declared {
            precision: 10,
            scale: 2,
            ..Declared::default()
        };
        let decimal = told("decimal", "decimal(10,2)", decimal);
        check(&decimal, T::MYSQL_TYPE_NEWDECIMAL, &[10, 2], true);
        check(&decimal, T::MYSQL_TYPE_NEWDECIMAL, &[10, 3], false);
        let unknown = told("novelty", "novelty", Declared::default());
        check(&unknown, T::MYSQL_TYPE_LONG, &[], false);
    }

    #[test]
    fn labels_that_are_not_printed_exactly_are_not_told() {
        let of = |column_type: &str, charset: &str| {
            let declared = Declared {
                charset: Some(charset.to_owned()),
                ..Declared::default()
            };
            told("enum", column_type, declared)
        };
        let labels = |told: Told| told.labels.map(|labels| labels.len());
        assert_eq!(labels(of("enum('a','it''s')", "latin1")), Some(2));
        assert_eq!(labels(of("enum('a?')", "latin1")), Some(1));
        assert_eq!(labels(of("enum('a?')", "utf8mb4")), None);
        assert_eq!(labels(of("enum('a\\\\b')", "latin1")), None);
        assert_eq!(of("enum('a')", "latin1").collation, 8);
        assert_eq!(of("enum('a')", "own").collation, charset::NO_COLLATION);
    }
}
