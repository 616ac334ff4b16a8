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
            if is_number || is_text {
                ColumnDefault::Literal(String::new())
            } else {
                ColumnDefault::Expression
            }
        }
        Some(_) => ColumnDefault::Literal(String::new()),
    }
}

/// Fills in the literals. Where the server does not tell them, they count as not known.
pub(super) async fn read_literals(
    conn: &mut Conn,
    settings: &SourceSettings,
    table: &TableName,
    columns: &mut [(Column, bool)],
) -> Result<(), Error> {
    for (column, _) in columns.iter_mut() {
        let is_literal = matches!(column.default, ColumnDefault::Literal(_));
        if is_literal && matches!(column.kind, ColumnKind::Json | ColumnKind::Other(_)) {
            column.default = ColumnDefault::Expression;
        }
    }
    let literals: Vec<&mut (Column, bool)> = columns
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
    for (column, is_char) in literals {
        let text = texts
            .next()
            .and_then(|value| mysql_async::from_value_opt::<Option<String>>(value).ok());
        column.default = match text {
            Some(Some(text)) => literal(&column.kind, *is_char, text),
            Some(None) => ColumnDefault::Null,
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

fn literal(kind: &ColumnKind, is_char: bool, text: String) -> ColumnDefault {
    let text = match kind {
        ColumnKind::Timestamp => match moment(&text) {
            Some(text) => text,
            None => return ColumnDefault::Expression,
        },
        // A row holds CHAR without the blanks that fill it up.
        _ if is_char => text.trim_end_matches(' ').to_owned(),
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
        let literal = ColumnDefault::Literal(String::new());
        check(false, Some("x"), "", &literal);
        check(false, Some("NULL"), "INVISIBLE", &literal);
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
    fn moments_are_told_in_utc() {
        let check = |seconds, expected| assert_eq!(moment(seconds).as_deref(), expected);
        check("1577829600.500", Some("2019-12-31 22:00:00.500000"));
        check("0", Some("0000-00-00 00:00:00"));
        check("soon", None);
    }
}
