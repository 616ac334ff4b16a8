//! Table schemas from `information_schema`: what a table looks like now, for checks and mapping.
//!
//! Never used to decode rows: those carry their own names and types, of the moment they were
//! written; where they do not, `names` says what can be done.

mod defaults;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::connection::query_error;
use super::error::Error;
use super::mariadb::TextType;
use super::settings::SourceSettings;
use crate::core::schema::{Column, ColumnKind, TableName, TableSchema};

/// A table's schema, with the charset of each column that has one. `None` = not there, or not
/// visible to this user.
pub(super) async fn read(
    conn: &mut Conn,
    settings: &SourceSettings,
    name: &TableName,
) -> Result<Option<(TableSchema, Vec<Option<String>>)>, Error> {
    let rows: Vec<Row> = conn
        .exec(
            "SELECT column_name AS column_name, column_type AS column_type, \
             data_type AS data_type, is_nullable AS is_nullable, column_key AS column_key, \
             CAST(character_maximum_length AS UNSIGNED) AS max_chars, \
             CAST(numeric_precision AS UNSIGNED) AS numeric_digits, \
             CAST(numeric_scale AS UNSIGNED) AS scale_digits, \
             character_set_name AS character_set_name, \
             column_default AS column_default, extra AS extra, VERSION() AS version \
             FROM information_schema.columns WHERE table_schema = ? AND table_name = ? \
             ORDER BY ordinal_position",
            (&name.schema, &name.table),
        )
        .await
        .map_err(|error| query_error(settings, "read the table's columns", error))?;
    if rows.is_empty() {
        return Ok(None);
    }
    let (mut columns, mut charsets) = (Vec::new(), Vec::new());
    for mut row in rows {
        let mut text = |name: &str| -> Option<String> {
            let value: Option<Option<Vec<u8>>> = row.take_opt(name).and_then(Result::ok);
            value
                .flatten()
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        let declared = (text("column_default"), text("extra").unwrap_or_default());
        let is_mariadb = text("version").is_some_and(|version| version.contains("MariaDB"));
        let column_name = text("column_name").unwrap_or_default();
        let column_type = text("column_type").unwrap_or_default();
        let data_type = text("data_type").unwrap_or_default();
        let nullable = text("is_nullable").is_some_and(|value| value == "YES");
        let primary_key = text("column_key").is_some_and(|value| value == "PRI");
        charsets.push(text("character_set_name"));
        let mut number = |name: &str| -> u64 {
            let value: Option<Option<u64>> = row.take_opt(name).and_then(Result::ok);
            value.flatten().unwrap_or(0)
        };
        let numbers = Numbers {
            max_chars: number("max_chars"),
            precision: number("numeric_digits"),
            scale: number("scale_digits"),
        };
        let kind = kind(&data_type, &column_type, numbers);
        let default = defaults::classify(&defaults::Declared {
            text: declared.0.as_deref(),
            extra: &declared.1,
            nullable,
            is_mariadb,
        });
        let column = Column {
            name: column_name,
            kind,
            nullable,
            primary_key,
            default,
        };
        columns.push((column, defaults::Fill::of(&data_type, numbers.max_chars)));
    }
    defaults::read_literals(conn, settings, name, &mut columns).await?;
    let columns = columns.into_iter().map(|(column, _)| column).collect();
    Ok(Some((
        TableSchema {
            name: name.clone(),
            columns,
        },
        charsets,
    )))
}

/// The names of the tables in a schema, for suggestions.
pub(super) async fn tables(
    conn: &mut Conn,
    settings: &SourceSettings,
    schema: &str,
) -> Result<Vec<String>, Error> {
    conn.exec(
        "SELECT table_name AS table_name FROM information_schema.tables WHERE table_schema = ?",
        (schema,),
    )
    .await
    .map_err(|error| query_error(settings, "list the tables", error))
}

#[derive(Clone, Copy, Default)]
struct Numbers {
    max_chars: u64,
    precision: u64,
    scale: u64,
}

fn kind(data_type: &str, column_type: &str, numbers: Numbers) -> ColumnKind {
    let data_type = data_type.to_ascii_lowercase();
    let unsigned = column_type.to_ascii_lowercase().contains("unsigned");
    let integer = |bytes| ColumnKind::Integer { bytes, unsigned };
    match data_type.as_str() {
        // The format of before 5.6, which the binlog does not describe.
        _ if column_type.contains("mariadb-5.3") => ColumnKind::Other(column_type.to_owned()),
        "tinyint" => integer(1),
        "smallint" => integer(2),
        "mediumint" => integer(3),
        "int" | "integer" => integer(4),
        "bigint" => integer(8),
        "decimal" | "numeric" => ColumnKind::Decimal {
            precision: numbers.precision.min(65) as u8,
            scale: numbers.scale.min(30) as u8,
        },
        "float" => ColumnKind::Float,
        "double" => ColumnKind::Double,
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => ColumnKind::Text {
            max_chars: numbers.max_chars,
        },
        "binary" if column_type.eq_ignore_ascii_case("binary(16)") => ColumnKind::Uuid,
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => {
            ColumnKind::Bytes
        }
        "date" => ColumnKind::Date,
        "datetime" => ColumnKind::DateTime,
        "timestamp" => ColumnKind::Timestamp,
        "time" => ColumnKind::Time,
        "year" => ColumnKind::Year,
        "enum" => ColumnKind::Enum {
            labels: labels(column_type),
        },
        "set" => ColumnKind::Set,
        "bit" => ColumnKind::Bit {
            bits: numbers.precision.min(64) as u8,
        },
        "json" => ColumnKind::Json,
        _ => match TextType::of_name(&data_type) {
            Some(kind) => ColumnKind::Text {
                max_chars: kind.max_chars(),
            },
            None => ColumnKind::Other(data_type),
        },
    }
}

/// Labels of `enum('a','it''s')`.
pub(super) fn labels(column_type: &str) -> Vec<String> {
    let mut labels = Vec::new();
    let mut label: Option<String> = None;
    let mut chars = column_type.chars().peekable();
    while let Some(c) = chars.next() {
        match (&mut label, c) {
            (None, '\'') => label = Some(String::new()),
            (None, _) => {}
            (Some(text), '\'') if chars.peek() == Some(&'\'') => {
                text.push('\'');
                chars.next();
            }
            (Some(_), '\'') => labels.extend(label.take()),
            (Some(text), c) => text.push(c),
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_fall_into_their_families() {
        let of = |data_type, column_type| kind(data_type, column_type, Numbers::default());
        assert_eq!(
            of("int", "int unsigned"),
            ColumnKind::Integer {
                bytes: 4,
                unsigned: true
            }
        );
        assert_eq!(of("longblob", "longblob"), ColumnKind::Bytes);
        assert_eq!(of("binary", "binary(20)"), ColumnKind::Bytes);
        assert_eq!(of("binary", "binary(16)"), ColumnKind::Uuid);
        assert_eq!(of("point", "point"), ColumnKind::Other("point".to_owned()));
        let decimal = Numbers {
            max_chars: 0,
            precision: 12,
            scale: 2,
        };
        assert_eq!(
            kind("decimal", "decimal(12,2)", decimal),
            ColumnKind::Decimal {
                precision: 12,
                scale: 2
            }
        );
    }

    #[test]
    fn labels_may_hold_quotes_and_commas() {
        assert_eq!(
            labels("enum('a','it''s','x,y','')"),
            ["a", "it's", "x,y", ""]
        );
    }
}
