//! What a QUERY event says: transaction control, a change logged as text, or anything else.
//!
//! A heuristic in one direction only: a routed change logged as a statement must not pass; a
//! false alarm is possible (a table name inside a string) and stops the stream with an error.

use crate::core::schema::TableName;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statement {
    Begin,
    Commit,
    Rollback,
    /// Undoes part of what was logged.
    RollbackToSavepoint,
    Savepoint,
    XaStart,
    /// Of a transaction that was prepared before, as is the next one.
    XaCommit,
    XaRollback,
    /// A change of a routed table, by its index, without rows.
    RoutedChange(usize),
    /// DDL, changes of other tables, and the rest.
    Other,
}

/// Reads a statement with its default schema.
pub(super) fn classify<'t>(
    text: &[u8],
    schema: &[u8],
    tables: impl Iterator<Item = &'t TableName> + Clone,
) -> Statement {
    let body = strip_comments(text);
    let mut words = body
        .split(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'))
        .filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default().to_ascii_uppercase();
    let second = words.next().unwrap_or_default().to_ascii_uppercase();
    match (&first[..], &second[..]) {
        (b"BEGIN", _) | (b"START", b"TRANSACTION") => Statement::Begin,
        (b"COMMIT", _) => Statement::Commit,
        (b"ROLLBACK", b"TO") => Statement::RollbackToSavepoint,
        (b"ROLLBACK", _) => Statement::Rollback,
        (b"SAVEPOINT" | b"RELEASE", _) => Statement::Savepoint,
        (b"XA", b"START" | b"BEGIN") => Statement::XaStart,
        (b"XA", b"END") => Statement::Savepoint,
        (b"XA", b"COMMIT") => Statement::XaCommit,
        (b"XA", b"ROLLBACK") => Statement::XaRollback,
        (b"INSERT" | b"REPLACE" | b"UPDATE" | b"DELETE" | b"LOAD" | b"WITH" | b"CALL", _) => {
            routed(body, tables)
        }
        // A function that changes something: which table it changes cannot be seen, so its schema
        // decides too.
        (b"SELECT" | b"DO", _) => {
            let by_schema = tables
                .clone()
                .position(|table| table.schema.as_bytes().eq_ignore_ascii_case(schema));
            by_schema.map_or_else(|| routed(body, tables), Statement::RoutedChange)
        }
        _ => Statement::Other,
    }
}

fn routed<'t>(text: &[u8], mut tables: impl Iterator<Item = &'t TableName>) -> Statement {
    let text = text.to_ascii_lowercase();
    let mentioned = |table: &TableName| {
        let name = table.table.to_ascii_lowercase();
        !name.is_empty()
            && text
                .windows(name.len())
                .any(|window| window == name.as_bytes())
    };
    tables
        .position(mentioned)
        .map_or(Statement::Other, Statement::RoutedChange)
}

/// Drops white space, opening brackets and comments in front; what a `/*!` comment holds is code.
fn strip_comments(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii_start();
        if let Some(rest) = text.strip_prefix(b"(") {
            text = rest;
        } else if let Some(rest) = text.strip_prefix(b"/*!") {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            text = &rest[digits..];
        } else if text.starts_with(b"/*") {
            let Some(end) = text.windows(2).skip(2).position(|pair| pair == b"*/") else {
                return &[];
            };
            text = &text[end + 4..];
        } else if text.starts_with(b"#") || text.starts_with(b"--") {
            let Some(end) = text.iter().position(|byte| *byte == b'\n') else {
                return &[];
            };
            text = &text[end + 1..];
        } else {
            return text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Statement) {
        let tables = [TableName {
            schema: "shop".to_owned(),
            table: "leads".to_owned(),
        }];
        assert_eq!(
            classify(text.as_bytes(), b"other", tables.iter()),
            expected,
            "{text}"
        );
    }

    #[test]
    fn transaction_control_is_told_apart() {
        check("BEGIN", Statement::Begin);
        check("COMMIT", Statement::Commit);
        check("rollback", Statement::Rollback);
        check("ROLLBACK TO `a`", Statement::RollbackToSavepoint);
        check("SAVEPOINT `a`", Statement::Savepoint);
        check("XA START X'31',X'',1", Statement::XaStart);
        check("XA END X'31',X'',1", Statement::Savepoint);
        check("XA COMMIT X'31',X'',1", Statement::XaCommit);
        check("XA ROLLBACK X'31',X'',1", Statement::XaRollback);
    }

    #[test]
    fn a_change_of_a_routed_table_is_seen_behind_comments_and_in_any_case() {
        check("insert into leads values (1)", Statement::RoutedChange(0));
        check(
            "/* app */ -- x\n UPDATE shop.`LEADS` SET a = 1",
            Statement::RoutedChange(0),
        );
        check("/*!50100 DELETE FROM leads */", Statement::RoutedChange(0));
        check(
            "WITH x AS (SELECT 1) UPDATE leads SET a = 1",
            Statement::RoutedChange(0),
        );
        check(
            "LOAD DATA INFILE 'f' INTO TABLE leads",
            Statement::RoutedChange(0),
        );
    }

    #[test]
    fn ddl_and_other_tables_pass() {
        check("CREATE TABLE leads (a int)", Statement::Other);
        check("TRUNCATE leads", Statement::Other);
        check("INSERT INTO orders VALUES (1)", Statement::Other);
        check("SELECT f(1)", Statement::Other);
        check("", Statement::Other);
        check("/* never closed", Statement::Other);
    }

    #[test]
    fn a_function_call_in_a_routed_schema_counts_as_a_change() {
        let tables = [TableName {
            schema: "shop".to_owned(),
            table: "leads".to_owned(),
        }];
        let statement = classify(b"SELECT `shop`.`f`()", b"shop", tables.iter());
        assert_eq!(statement, Statement::RoutedChange(0));
    }
}
