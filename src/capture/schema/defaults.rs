//! The constant defaults of a table's columns, as the server itself works them out.
//!
//! `information_schema` prints a default for people: a FLOAT rounded, a TIMESTAMP in the time zone
//! of whoever declared it. `DEFAULT(column)` of a row that does not exist gives the value itself.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::super::connection::query_error;
use super::super::error::Error;
use super::super::settings::SourceSettings;
use crate::core::schema::{Column, ColumnDefault, ColumnKind, TableName};
use crate::core::value::DateTime;
use crate::core::value::text::datetime_text;

/// What `information_schema` says of a column's default.
pub(super) struct Declared<'t> {
    pub(super) text: Option<&'t str>,
    pub(super) extra: &'t str,
    pub(super) nullable: bool,
    pub(super) is_mariadb: bool,
}

/// What a value is filled up with to its declared length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    No,
    /// CHAR.
    Blanks,
    /// BINARY, to that many bytes.
    Zeros(usize),
}

impl Fill {
    pub(super) fn of(data_type: &str, max_chars: u64) -> Self {
        match data_type.to_ascii_lowercase().as_str() {
            "char" => Fill::Blanks,
            "binary" => Fill::Zeros(usize::try_from(max_chars.min(255)).unwrap_or(0)),
            _ => Fill::No,
        }
    }
}

/// The default by its sort; the text of a literal is filled in by [`read_literals`].
pub(super) fn classify(declared: &Declared<'_>) -> ColumnDefault {
    let extra = declared.extra.to_ascii_lowercase();
    // GENERATED columns as well as defaults that are worked out (DEFAULT_GENERATED).
    if extra.contains("generated") || extra.contains("auto_increment") {
        return ColumnDefault::Expression;
    }
    match declared.text {
        None if declared.nullable => ColumnDefault::Null,
        None => ColumnDefault::None,
        // MariaDB prints an expression that gives the default, literals in quotes.
        Some("NULL") if declared.is_mariadb => ColumnDefault::Null,
        Some(text) if declared.is_mariadb => {
            let unsigned = text.strip_prefix('-').unwrap_or(text);
            let is_number = unsigned.starts_with(|c: char| c.is_ascii_digit())
                && unsigned
                    .chars()
                    .all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
            let is_text = text.len() > 1
                && text.starts_with('\'')
                && text.ends_with('\'')
                && !text[1..text.len() - 1]
                    .replace("\\'", "")
                    .replace("''", "")
                    .contains('\'');
            if (is_number || is_text) && declared.nullable {
                ColumnDefault::Literal(String::new())
            } else {
                ColumnDefault::Expression
            }
        }
        Some(text) => ColumnDefault::Literal(text.to_owned()),
    }
}

/// Fills in the literals. Where the server does not tell them, they count as not known.
pub(super) async fn read_literals(
    conn: &mut Conn,
    settings: &SourceSettings,
    table: &TableName,
    columns: &mut [(Column, Fill)],
) -> Result<(), Error> {
    for (column, _) in columns.iter_mut() {
        let is_literal = matches!(column.default, ColumnDefault::Literal(_));
        if is_literal && matches!(column.kind, ColumnKind::Json | ColumnKind::Other(_)) {
            column.default = ColumnDefault::Expression;
        }
    }
    ask(conn, settings, table, columns).await?;
    for (column, fill) in columns.iter_mut() {
        // The kind alone does not tell how long the empty value is.
        if column.default == ColumnDefault::None && column.kind == ColumnKind::Bytes {
            let zeros = match fill {
                Fill::Zeros(bytes) => *bytes,
                Fill::No | Fill::Blanks => 0,
            };
            column.default = ColumnDefault::Literal("00".repeat(zeros));
        }
    }
    Ok(())
}

async fn ask(
    conn: &mut Conn,
    settings: &SourceSettings,
    table: &TableName,
    columns: &mut [(Column, Fill)],
) -> Result<(), Error> {
    let literals: Vec<&mut (Column, Fill)> = columns
        .iter_mut()
        .filter(|(column, _)| matches!(column.default, ColumnDefault::Literal(_)))
        .collect();
    if literals.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = literals.iter().map(|(column, _)| printed(column)).collect();
    let statement = format!(
        "SELECT {} FROM (SELECT 1 AS one) AS one LEFT JOIN {}.{} ON FALSE",
        list.join(", "),
        quoted(&table.schema),
        quoted(&table.table)
    );
    let row: Option<Row> = match conn.query_first(statement).await {
        Ok(row) => row,
        // Without the right to read a column, say: the columns can be used, their defaults cannot.
        Err(mysql_async::Error::Server(_)) => None,
        Err(error) => return Err(query_error(settings, "read the columns' defaults", error)),
    };
    let mut texts = row.map(Row::unwrap).unwrap_or_default().into_iter();
    for (column, fill) in literals {
        let text = texts
            .next()
            .and_then(|value| mysql_async::from_value_opt::<Option<String>>(value).ok());
        column.default = match text {
            Some(Some(text)) => literal(&column.kind, *fill, text),
            // Of a row that does not exist the server tells the defaults of columns that may be
            // NULL only; of the others it says NULL.
            Some(None) => match &column.default {
                ColumnDefault::Literal(text) => declared(&column.kind, *fill, text),
                _ => ColumnDefault::Expression,
            },
            None => ColumnDefault::Expression,
        };
    }
    Ok(())
}

/// The expression that prints a column's default in a form that loses nothing.
fn printed(column: &Column) -> String {
    let default = format!("DEFAULT({})", quoted(&column.name));
    match column.kind {
        ColumnKind::Bytes | ColumnKind::Uuid => format!("HEX({default})"),
        ColumnKind::Bit { .. } => format!("{default} + 0"),
        ColumnKind::Float => format!("{default} * 1e0"),
        // Seconds since the epoch, whatever the session's time zone is.
        ColumnKind::Timestamp => format!("UNIX_TIMESTAMP({default})"),
        _ => default,
    }
}

/// The default as `information_schema` of MySQL prints it, where that loses nothing.
fn declared(kind: &ColumnKind, fill: Fill, text: &str) -> ColumnDefault {
    let text = match kind {
        ColumnKind::Bit { .. } => text
            .strip_prefix("b'")
            .and_then(|bits| bits.strip_suffix('\''))
            .and_then(|bits| u64::from_str_radix(bits, 2).ok())
            .map(|bits| bits.to_string()),
        ColumnKind::Bytes | ColumnKind::Uuid => {
            let digits = text.strip_prefix("0x").or(text.is_empty().then_some(""));
            digits.map(|digits| match fill {
                Fill::Zeros(bytes) => format!("{digits:0<width$}", width = 2 * bytes),
                Fill::No | Fill::Blanks => digits.to_owned(),
            })
        }
        ColumnKind::Float | ColumnKind::Timestamp => None,
        _ => return literal(kind, fill, text.to_owned()),
    };
    text.map_or(ColumnDefault::Expression, ColumnDefault::Literal)
}

fn literal(kind: &ColumnKind, fill: Fill, text: String) -> ColumnDefault {
    let text = match kind {
        ColumnKind::Timestamp => match moment(&text) {
            Some(text) => text,
            None => return ColumnDefault::Expression,
        },
        // A row holds CHAR without the blanks that fill it up.
        _ if fill == Fill::Blanks => text.trim_end_matches(' ').to_owned(),
        _ => text,
    };
    ColumnDefault::Literal(text)
}

/// The moment of a number of seconds such as `1577829600.500`; 0 is the zero timestamp.
fn moment(seconds: &str) -> Option<String> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let whole: i64 = whole.parse().ok()?;
    let micros: i64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    if whole == 0 && micros == 0 {
        return Some("0000-00-00 00:00:00".to_owned());
    }
    let at = DateTime::from_epoch(whole.checked_mul(1_000_000)?.checked_add(micros)?)?;
    Some(datetime_text(&at, 6))
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(is_mariadb: bool, text: Option<&str>, extra: &str, expected: &ColumnDefault) {
        let declared = Declared {
            text,
            extra,
            nullable: true,
            is_mariadb,
        };
        assert_eq!(classify(&declared), *expected, "{text:?} {extra}");
    }

    #[test]
    fn only_constants_count_as_known() {
        let literal = |text: &str| ColumnDefault::Literal(text.to_owned());
        check(false, Some("x"), "", &literal("x"));
        check(false, Some("NULL"), "INVISIBLE", &literal("NULL"));
        check(false, None, "", &ColumnDefault::Null);
        let expression = ColumnDefault::Expression;
        check(false, Some("(1 + 1)"), "DEFAULT_GENERATED", &expression);
        let on_update = "DEFAULT_GENERATED on update CURRENT_TIMESTAMP";
        check(false, Some("CURRENT_TIMESTAMP"), on_update, &expression);
        check(false, None, "VIRTUAL GENERATED", &expression);
        check(false, None, "auto_increment", &expression);
    }

    #[test]
    fn mariadb_prints_expressions_and_literals_in_quotes() {
        let literal = ColumnDefault::Literal(String::new());
        for text in ["'x'", "'it\\'s'", "5", "-1.5", "''"] {
            check(true, Some(text), "", &literal);
        }
        check(true, Some("NULL"), "", &ColumnDefault::Null);
        for text in [
            "current_timestamp()",
            "uuid()",
            "1 + 1",
            "concat('a','b')",
            "'a' + 'b'",
        ] {
            check(true, Some(text), "", &ColumnDefault::Expression);
        }
    }

    #[test]
    fn what_information_schema_prints_is_used_only_where_it_is_exact() {
        let literal = |text: &str| ColumnDefault::Literal(text.to_owned());
        let bits = ColumnKind::Bit { bits: 9 };
        assert_eq!(declared(&bits, Fill::No, "b'101'"), literal("5"));
        let bytes = ColumnKind::Bytes;
        assert_eq!(declared(&bytes, Fill::Zeros(3), "0x61"), literal("610000"));
        assert_eq!(declared(&bytes, Fill::No, "0x61"), literal("61"));
        let text = ColumnKind::Text { max_chars: 9 };
        assert_eq!(declared(&text, Fill::Blanks, "a "), literal("a"));
        let unknown = ColumnDefault::Expression;
        assert_eq!(declared(&ColumnKind::Float, Fill::No, "1.2"), unknown);
        let moment = "2020-01-01 00:00:00";
        assert_eq!(declared(&ColumnKind::Timestamp, Fill::No, moment), unknown);
    }

    #[test]
    fn moments_are_told_in_utc() {
        let check = |seconds, expected| assert_eq!(moment(seconds).as_deref(), expected);
        check("1577829600.500", Some("2019-12-31 22:00:00.500000"));
        check("0", Some("0000-00-00 00:00:00"));
        check("soon", None);
    }
}
