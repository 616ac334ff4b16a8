//! The key that a table is read by: which columns, how they compare, and how a row is named.
//!
//! The server compares, always: a bound is given back to it in the column's own type and collation,
//! so the order is the index's order whatever it is. A row's name is made of the values that the
//! binlog shows, so that a change in the stream and a row of a chunk meet under one name.

use std::fmt::Write;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use crate::capture::connection::query_error;
use crate::capture::error::Error;
use crate::capture::settings::SourceSettings;
use crate::core::schema::TableName;
use crate::core::snapshot::KeyPart;
use crate::core::value::Value;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// The index's name; the reading is bound to it.
    pub(super) index: String,
    pub(super) columns: Vec<KeyColumn>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyColumn {
    pub(super) name: String,
    pub(super) compared: Compared,
}

/// How a value is given back to the server so that it compares as the index does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    Integer,
    /// As a double; FLOAT too, which loses nothing by it.
    Real,
    /// Compared with a text, a decimal would be taken for a double.
    Decimal {
        precision: u64,
        scale: u64,
    },
    /// Unicode: the server turns it into the column's charset.
    Text,
    /// In the column's own bytes, because not every table of that charset has a way back.
    Encoded {
        charset: String,
        collation: String,
    },
    Bytes,
    /// Dates, times, UUID and the like: as they are printed.
    Printed,
    /// ENUM and SET are ordered by their number, not by their labels.
    Number,
    Bit,
}

impl Key {
    /// The primary key, else the shortest unique key whose columns are all NOT NULL.
    pub(super) async fn read(
        conn: &mut Conn,
        settings: &SourceSettings,
        table: &TableName,
    ) -> Result<Self, Error> {
        let indexes = indexes(conn, settings, table).await?;
        let Some((index, names)) = choose(indexes) else {
            return Err(Error::SnapshotKey {
                table: table.clone(),
            });
        };
        let rows: Vec<Row> = conn
            .exec(
                "SELECT column_name, data_type, character_set_name, collation_name, \
                 CAST(numeric_precision AS UNSIGNED), CAST(numeric_scale AS UNSIGNED) \
                 FROM information_schema.columns WHERE table_schema = ? AND table_name = ?",
                (&table.schema, &table.table),
            )
            .await
            .map_err(|error| query_error(settings, "read the table's columns", error))?;
        let columns: Vec<KeyColumn> = rows.into_iter().filter_map(column).collect();
        let find = |name: &String| columns.iter().find(|column| column.name == *name).cloned();
        let columns: Option<Vec<KeyColumn>> = names.iter().map(find).collect();
        columns
            .map(|columns| Self { index, columns })
            .ok_or_else(|| Error::SnapshotKey {
                table: table.clone(),
            })
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.columns
            .iter()
            .map(|column| column.name.clone())
            .collect()
    }
}

/// One unique index while it is being read: its columns in order, and whether it serves.
struct Index {
    name: String,
    columns: Vec<String>,
    serves: bool,
}

async fn indexes(
    conn: &mut Conn,
    settings: &SourceSettings,
    table: &TableName,
) -> Result<Vec<Index>, Error> {
    let name = quoted_table(table);
    let rows: Vec<Row> = conn
        .query(format!("SHOW INDEX FROM {name}"))
        .await
        .map_err(|error| table_error(settings, table, error))?;
    let mut indexes: Vec<Index> = Vec::new();
    for mut row in rows {
        let mut text = |name: &str| -> Option<String> {
            let value: Option<Option<Vec<u8>>> = row.take_opt(name).and_then(Result::ok);
            value
                .flatten()
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        let (Some(unique), Some(name)) = (text("Non_unique"), text("Key_name")) else {
            continue;
        };
        if unique != "0" {
            continue;
        }
        let column = text("Column_name");
        // A part of a column, an expression, NULL, or an index that may not be named in a hint.
        let serves = column.is_some()
            && text("Sub_part").is_none()
            && text("Null").is_none_or(|null| null != "YES")
            && text("Visible").is_none_or(|visible| visible == "YES")
            && text("Ignored").is_none_or(|ignored| ignored == "NO");
        match indexes.last_mut().filter(|index| index.name == name) {
            Some(index) => {
                index.columns.extend(column);
                index.serves &= serves;
            }
            None => indexes.push(Index {
                name,
                columns: column.into_iter().collect(),
                serves,
            }),
        }
    }
    Ok(indexes)
}

fn choose(indexes: Vec<Index>) -> Option<(String, Vec<String>)> {
    indexes
        .into_iter()
        .filter(|index| index.serves)
        .min_by_key(|index| {
            (
                index.name != "PRIMARY",
                index.columns.len(),
                index.name.clone(),
            )
        })
        .map(|index| (index.name, index.columns))
}

fn column(row: Row) -> Option<KeyColumn> {
    type Described = (
        String,
        Vec<u8>,
        Option<String>,
        Option<String>,
        Option<u64>,
        Option<u64>,
    );
    let (name, data_type, charset, collation, precision, scale): Described =
        mysql_async::from_row_opt(row).ok()?;
    let data_type = String::from_utf8_lossy(&data_type).to_ascii_lowercase();
    let compared = match data_type.as_str() {
        "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" | "year" => {
            Compared::Integer
        }
        "decimal" | "numeric" => Compared::Decimal {
            precision: precision.unwrap_or(65),
            scale: scale.unwrap_or(0),
        },
        "float" | "double" => Compared::Real,
        "enum" | "set" => Compared::Number,
        "bit" => Compared::Bit,
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => Compared::Bytes,
        _ => match (charset, collation) {
            (Some(charset), Some(collation))
                if !matches!(charset.as_str(), "utf8mb4" | "utf8mb3" | "utf8" | "ascii") =>
            {
                Compared::Encoded { charset, collation }
            }
            (Some(_), _) => Compared::Text,
            (None, _) => Compared::Printed,
        },
    };
    Some(KeyColumn { name, compared })
}

impl KeyColumn {
    /// What stands for the bound in the statement.
    pub(super) fn placeholder(&self) -> String {
        match &self.compared {
            Compared::Decimal { precision, scale } => {
                format!("CAST(? AS DECIMAL({precision},{scale}))")
            }
            Compared::Encoded { charset, collation } => {
                format!("CONVERT(UNHEX(?) USING {charset}) COLLATE {collation}")
            }
            Compared::Bytes => "UNHEX(?)".to_owned(),
            Compared::Integer
            | Compared::Real
            | Compared::Text
            | Compared::Printed
            | Compared::Number
            | Compared::Bit => "?".to_owned(),
        }
    }

    /// What is selected so that [`KeyColumn::part`] can be made of it.
    pub(super) fn selected(&self) -> String {
        let name = quoted(&self.name);
        match self.compared {
            Compared::Number => format!("CAST({name} AS UNSIGNED)"),
            _ => name,
        }
    }

    /// The bound of a row: `raw` is what the server gave for [`KeyColumn::selected`], `value` the
    /// column's value.
    pub(super) fn part(&self, raw: &mysql_async::Value, value: &Value) -> Option<KeyPart> {
        use mysql_async::Value as Raw;
        Some(match (&self.compared, raw, value) {
            (Compared::Integer, _, Value::Year(year)) => KeyPart::UInt(u64::from(*year)),
            (Compared::Integer | Compared::Number, Raw::Int(number), _) => KeyPart::Int(*number),
            (Compared::Integer | Compared::Number, Raw::UInt(number), _) => KeyPart::UInt(*number),
            (Compared::Bit, _, Value::Bit(bits)) => KeyPart::UInt(*bits),
            (Compared::Encoded { .. } | Compared::Bytes, Raw::Bytes(bytes), _) => {
                KeyPart::Bytes(hex(bytes))
            }
            (
                Compared::Real | Compared::Decimal { .. } | Compared::Text | Compared::Printed,
                ..,
            ) => KeyPart::Text(printed(value)?),
            _ => return None,
        })
    }

    /// A bound as a parameter; `None` when it belongs to another kind of column.
    pub(super) fn parameter(&self, part: &KeyPart) -> Option<mysql_async::Value> {
        use mysql_async::Value as Raw;
        Some(match (&self.compared, part) {
            (Compared::Integer | Compared::Number | Compared::Bit, KeyPart::Int(number)) => {
                Raw::Int(*number)
            }
            (Compared::Integer | Compared::Number | Compared::Bit, KeyPart::UInt(number)) => {
                Raw::UInt(*number)
            }
            (Compared::Real, KeyPart::Text(text)) => Raw::Double(text.parse().ok()?),
            (
                Compared::Decimal { .. } | Compared::Text | Compared::Printed,
                KeyPart::Text(text),
            ) => Raw::Bytes(text.clone().into_bytes()),
            (Compared::Encoded { .. } | Compared::Bytes, KeyPart::Bytes(hex)) => {
                Raw::Bytes(hex.clone().into_bytes())
            }
            _ => return None,
        })
    }
}

/// Digits of a row's name when it is a digest: 128 bits.
const DIGEST_DIGITS: usize = 32;

/// A row's name: its key's values as text, joined by commas. A key with texts or bytes in it may be
/// personal, and the name stands in the journal for ever: then it is a digest of that. `None` when
/// a value cannot be part of a key.
pub(super) fn row_name(values: &[Value]) -> Option<String> {
    let name = joined(values)?;
    let is_plain = |value: &Value| !matches!(value, Value::Text(_) | Value::Bytes(_));
    if values.iter().all(is_plain) {
        return Some(name);
    }
    let mut digest = blake3::hash(name.as_bytes()).to_hex().to_string();
    digest.truncate(DIGEST_DIGITS);
    Some(digest)
}

/// What stands in a text is escaped, so that no two keys print alike.
fn joined(values: &[Value]) -> Option<String> {
    let mut name = String::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            name.push(',');
        }
        match value {
            Value::Text(text) => {
                name.push_str(&text.replace('\\', "\\\\").replace(',', "\\,"));
            }
            value => name.push_str(&printed(value)?),
        }
    }
    Some(name)
}

/// A value as MySQL prints it; bytes in hex.
fn printed(value: &Value) -> Option<String> {
    let date = |date: &crate::core::value::Date| {
        format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
    };
    Some(match value {
        Value::Int(number) => number.to_string(),
        Value::UInt(number) | Value::Bit(number) => number.to_string(),
        Value::Float(number) => f64::from(*number).to_string(),
        Value::Double(number) => number.to_string(),
        Value::Decimal(text) | Value::Text(text) => text.clone(),
        Value::Bytes(bytes) => hex(bytes),
        Value::Date(day) => date(day),
        Value::DateTime(moment) => format!(
            "{} {:02}:{:02}:{:02}.{:06}",
            date(&moment.date),
            moment.hour,
            moment.minute,
            moment.second,
            moment.micros
        ),
        Value::Timestamp(micros) => {
            let moment = jiff::Timestamp::from_microsecond(*micros).ok()?;
            moment.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
        }
        Value::Time(micros) => {
            let sign = if *micros < 0 { "-" } else { "" };
            let (seconds, micros) = (
                micros.unsigned_abs() / 1_000_000,
                micros.unsigned_abs() % 1_000_000,
            );
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            format!(
                "{sign}{hours:02}:{minutes:02}:{:02}.{micros:06}",
                seconds % 60
            )
        }
        Value::Year(year) => format!("{year:04}"),
        Value::Json(_) | Value::Null => return None,
    })
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

pub(super) fn quoted_table(table: &TableName) -> String {
    format!("{}.{}", quoted(&table.schema), quoted(&table.table))
}

/// A failed statement on the table itself.
pub(super) fn table_error(
    settings: &SourceSettings,
    table: &TableName,
    error: mysql_async::Error,
) -> Error {
    let user = settings.user.clone();
    match error {
        // 1049 and 1146: the schema or the table is not there.
        mysql_async::Error::Server(server) if matches!(server.code, 1049 | 1146) => {
            Error::TableMissing {
                table: table.clone(),
                user,
                suggestion: None,
            }
        }
        mysql_async::Error::Server(server) if matches!(server.code, 1044 | 1142 | 1143) => {
            let grants = format!("GRANT SELECT ON {} TO '{user}'@'%'", quoted_table(table));
            Error::Privilege {
                user,
                what: "read the rows of a routed table",
                grants,
                source: Some(server.into()),
            }
        }
        error => query_error(settings, "read the rows of a routed table", error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(name: &str, columns: &[&str], serves: bool) -> Index {
        Index {
            name: name.to_owned(),
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            serves,
        }
    }

    #[test]
    fn the_primary_key_comes_first_then_the_shortest_unique_one() {
        let chosen = choose(vec![
            index("a", &["x"], true),
            index("PRIMARY", &["x", "y"], true),
        ]);
        assert_eq!(chosen.unwrap().0, "PRIMARY");
        let chosen = choose(vec![
            index("b", &["x"], true),
            index("a", &["x", "y"], true),
            index("0", &["z"], false),
        ]);
        assert_eq!(chosen.unwrap().0, "b");
        assert!(choose(vec![index("PRIMARY", &["x"], false)]).is_none());
    }

    #[test]
    fn no_two_rows_share_a_name() {
        let text = |text: &str| Value::Text(text.to_owned());
        let one = joined(&[text("a,b"), text("c")]).unwrap();
        let other = joined(&[text("a"), text("b,c")]).unwrap();
        assert_ne!(one, other);
        assert_eq!(one, "a\\,b,c");
        assert_ne!(
            joined(&[text("a\\"), text("b")]),
            joined(&[text("a\\,b"), text("")])
        );
        assert_eq!(
            joined(&[Value::Int(-1), Value::Bytes(vec![0, 255])]).unwrap(),
            "-1,00ff"
        );
    }

    #[test]
    fn a_name_gives_no_text_away() {
        let text = |text: &str| Value::Text(text.to_owned());
        let name = row_name(&[Value::Int(7), text("ada@example.com")]).unwrap();
        assert_eq!(name.len(), DIGEST_DIGITS);
        assert!(name.bytes().all(|digit| digit.is_ascii_hexdigit()));
        assert_ne!(row_name(&[text("a")]), row_name(&[text("b")]));
        assert_eq!(row_name(&[Value::Int(7), Value::UInt(8)]).unwrap(), "7,8");
    }

    #[test]
    fn times_are_printed_as_the_server_prints_them() {
        let longest = -(838 * 3600 + 59 * 60 + 59) * 1_000_000 - 1;
        assert_eq!(printed(&Value::Time(longest)).unwrap(), "-838:59:59.000001");
        assert_eq!(
            printed(&Value::Timestamp(1_123_456)).unwrap(),
            "1970-01-01 00:00:01.123456"
        );
    }

    #[test]
    fn a_bound_comes_back_as_the_parameter_that_it_was() {
        let column = |compared| KeyColumn {
            name: "k".to_owned(),
            compared,
        };
        let real = column(Compared::Real);
        let part = real
            .part(&mysql_async::Value::NULL, &Value::Float(0.1))
            .unwrap();
        assert_eq!(
            real.parameter(&part),
            Some(mysql_async::Value::Double(f64::from(0.1_f32)))
        );
        let bytes = column(Compared::Bytes);
        let raw = mysql_async::Value::Bytes(vec![0, 0xAB]);
        let part = bytes.part(&raw, &Value::Bytes(vec![0, 0xAB])).unwrap();
        assert_eq!(part, KeyPart::Bytes("00ab".to_owned()));
        // A bound of another kind of column is noticed, not guessed at.
        assert_eq!(column(Compared::Text).parameter(&part), None);
    }
}
