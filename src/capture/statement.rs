//! What a QUERY event says: transaction control, a change logged as text, or anything else.
//!
//! A heuristic in one direction only: a routed change logged as a statement must not pass. A view, a
//! trigger or a function hides which table is changed, so a change counts as one of a routed table
//! when it names it, or works in a routed schema or names one. A false alarm is possible (a name
//! inside a string, another table of the schema) and stops the stream with an error.

use super::ddl::{Token, Tokens, is_word};
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
    let body = text.trim_ascii_start();
    let mut tokens = Tokens { rest: body };
    let mut next = || loop {
        match tokens.next() {
            // SELECT may stand in brackets.
            Some(Token::Sign(b'(')) => {}
            Some(Token::Word(word)) => return word.to_ascii_uppercase(),
            Some(Token::Name(_) | Token::Text | Token::Sign(_)) | None => return Vec::new(),
        }
    };
    let (first, second) = (next(), next());
    let changed = || routed(text, schema, tables.clone());
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
        (verb, _) if changes_rows(verb) => changed(),
        // MariaDB runs what it analyzes, tables apart.
        (b"ANALYZE", b"TABLE" | b"LOCAL" | b"NO_WRITE_TO_BINLOG") => Statement::Other,
        (b"ANALYZE", _) => changed(),
        // MariaDB: settings for the one statement behind FOR.
        (b"SET", b"STATEMENT") if sets_for_change(body) => changed(),
        (b"CREATE", _) => filled(body, schema, tables),
        _ => Statement::Other,
    }
}

/// The default schema of an EXECUTE_LOAD_QUERY event: 13 bytes that it shares with QUERY and 13 of its own stand
/// before the status variables, which its name follows.
pub(super) fn schema_of_load(data: &[u8]) -> Option<&[u8]> {
    let length = usize::from(*data.get(8)?);
    let variables = usize::from(u16::from_le_bytes([*data.get(11)?, *data.get(12)?]));
    data.get(26 + variables..)?.get(..length)
}

/// By the statement's first word. SELECT and DO are logged when a function of theirs changes
/// something.
fn changes_rows(verb: &[u8]) -> bool {
    matches!(
        verb,
        b"INSERT"
            | b"REPLACE"
            | b"UPDATE"
            | b"DELETE"
            | b"LOAD"
            | b"WITH"
            | b"CALL"
            | b"SELECT"
            | b"DO"
    )
}

/// Whether any FOR of the statement is followed by what may change rows. A value may hold one, too.
fn sets_for_change(text: &[u8]) -> bool {
    let mut is_behind = false;
    for token in (Tokens { rest: text }) {
        match token {
            Token::Sign(b'(') => {}
            Token::Word(word) => {
                let word = word.to_ascii_uppercase();
                let creates_or_analyzes = matches!(&word[..], b"CREATE" | b"ANALYZE");
                if is_behind && (changes_rows(&word) || creates_or_analyzes) {
                    return true;
                }
                is_behind = word == b"FOR";
            }
            Token::Name(_) | Token::Text | Token::Sign(_) => is_behind = false,
        }
    }
    false
}

fn routed<'t>(
    text: &[u8],
    schema: &[u8],
    mut tables: impl Iterator<Item = &'t TableName> + Clone,
) -> Statement {
    let text = text.to_ascii_lowercase();
    let names_table = |table: &TableName| {
        let name = table.table.to_ascii_lowercase();
        occurrences(&text, name.as_bytes()).next().is_some()
    };
    let is_in_schema = |table: &TableName| {
        let name = table.schema.to_ascii_lowercase();
        // As a whole word: schemas have short names.
        schema.eq_ignore_ascii_case(name.as_bytes())
            || occurrences(&text, name.as_bytes()).any(|at| {
                let before = text[..at].last();
                let behind = text.get(at + name.len());
                !before.is_some_and(|byte| is_word(*byte))
                    && !behind.is_some_and(|byte| is_word(*byte))
            })
    };
    let by_name = tables.clone().position(names_table);
    by_name
        .or_else(|| tables.position(is_in_schema))
        .map_or(Statement::Other, Statement::RoutedChange)
}

fn occurrences<'a>(text: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let windows = text.windows(name.len().max(1)).enumerate();
    windows.filter_map(move |(at, window)| (window == name).then_some(at))
}

/// CREATE TABLE of a routed table out of a query: the rows that it brings are not logged as such.
fn filled<'t>(
    text: &[u8],
    schema: &[u8],
    mut tables: impl Iterator<Item = &'t TableName>,
) -> Statement {
    let mut tokens = Tokens { rest: text }.peekable();
    tokens.next();
    let is_word = |tokens: &mut std::iter::Peekable<Tokens<'_>>, wanted: &[u8]| {
        let is_wanted =
            |token: &Token| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(wanted));
        tokens.next_if(is_wanted).is_some()
    };
    for word in [&b"OR"[..], b"REPLACE"] {
        is_word(&mut tokens, word);
    }
    // A temporary one is no routed table.
    if !is_word(&mut tokens, b"TABLE") {
        return Statement::Other;
    }
    for word in [&b"IF"[..], b"NOT", b"EXISTS"] {
        is_word(&mut tokens, word);
    }
    let mut part = || match tokens.next() {
        Some(Token::Word(name) | Token::Name(name)) => Some(name),
        _ => None,
    };
    let Some(mut name) = part() else {
        return Statement::Other;
    };
    let mut schema = schema.to_vec();
    if tokens.next_if_eq(&Token::Sign(b'.')).is_some()
        && let Some(Token::Word(table) | Token::Name(table)) = tokens.next()
    {
        schema = std::mem::replace(&mut name, table);
    }
    let mut depth = 0_u32;
    let has_query = tokens.any(|token| match token {
        Token::Sign(b'(') => {
            depth += 1;
            false
        }
        Token::Sign(b')') => {
            depth = depth.saturating_sub(1);
            false
        }
        // In brackets VALUES belongs to a partition.
        Token::Word(word) => match &word.to_ascii_uppercase()[..] {
            b"SELECT" => true,
            b"TABLE" | b"VALUES" => depth == 0,
            _ => false,
        },
        Token::Name(_) | Token::Text | Token::Sign(_) => false,
    });
    let is_it = |table: &TableName| {
        table.schema.as_bytes().eq_ignore_ascii_case(&schema)
            && table.table.as_bytes().eq_ignore_ascii_case(&name)
    };
    let found = tables.position(is_it).filter(|_| has_query);
    found.map_or(Statement::Other, Statement::RoutedChange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Statement) {
        check_in("other", text, expected);
    }

    #[track_caller]
    fn check_in(schema: &str, text: &str, expected: Statement) {
        let tables = [("crm", "people"), ("shop", "leads")].map(|(schema, table)| TableName {
            schema: schema.to_owned(),
            table: table.to_owned(),
        });
        assert_eq!(
            classify(text.as_bytes(), schema.as_bytes(), tables.iter()),
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
        check("insert into leads values (1)", Statement::RoutedChange(1));
        check(
            "/* app */ -- x\n UPDATE shop.`LEADS` SET a = 1",
            Statement::RoutedChange(1),
        );
        check("/*!50100 DELETE FROM leads */", Statement::RoutedChange(1));
        check(
            "WITH x AS (SELECT 1) UPDATE leads SET a = 1",
            Statement::RoutedChange(1),
        );
        check(
            "LOAD DATA INFILE 'f' INTO TABLE leads",
            Statement::RoutedChange(1),
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
    fn a_change_that_works_in_a_routed_schema_or_names_one_counts() {
        for text in [
            "SELECT `shop`.`f`()",
            "DO f(1)",
            "INSERT INTO v_open VALUES (1)",
            "UPDATE triggered SET a = 1",
            "DELETE FROM `Triggered`",
            "REPLACE triggered VALUES (1)",
            "CALL refresh()",
            "WITH x AS (SELECT 1) DELETE FROM v_open",
        ] {
            check_in("Shop", text, Statement::RoutedChange(1));
        }
        for text in [
            "INSERT INTO shop.v_open VALUES (1)",
            "INSERT INTO `Shop` . `v_open` VALUES (1)",
            "UPDATE other.t, shop.triggered SET a = 1",
            "SELECT shop.f()",
        ] {
            check(text, Statement::RoutedChange(1));
        }
        check("INSERT INTO workshop.t VALUES (1)", Statement::Other);
        check("INSERT INTO shop_2.t VALUES (1)", Statement::Other);
        check_in("", "INSERT INTO mysql.beat VALUES (1)", Statement::Other);
    }

    #[test]
    fn what_mariadb_puts_in_front_of_a_change_hides_nothing() {
        for text in [
            "SET STATEMENT max_statement_time = 5 FOR INSERT INTO leads VALUES (1)",
            "set statement sort_buffer_size=1, x='a FOR b' for delete from shop.v_open",
            "SET /* x */ STATEMENT a = 1 FOR /*!50000 UPDATE */ leads SET a = 1",
            "SET STATEMENT a = 1 FOR CREATE TABLE leads SELECT 1",
            "ANALYZE UPDATE leads SET a = 1",
            "ANALYZE FORMAT=JSON DELETE FROM leads",
            "/*M!100100 INSERT */ INTO leads VALUES (1)",
        ] {
            check(text, Statement::RoutedChange(1));
        }
        check_in("shop", "ANALYZE TABLE leads", Statement::Other);
        check_in("shop", "ANALYZE LOCAL TABLE leads", Statement::Other);
        let alter = "SET STATEMENT a = 1 FOR ALTER TABLE leads ADD b INT";
        check_in("shop", alter, Statement::Other);
        check_in("shop", "SET PASSWORD FOR 'a' = 'b'", Statement::Other);
    }

    #[test]
    fn a_routed_table_that_is_created_with_rows_counts() {
        for text in [
            "CREATE TABLE leads SELECT * FROM old",
            "CREATE OR REPLACE TABLE `leads` (a INT) AS (SELECT 1)",
            "CREATE TABLE IF NOT EXISTS shop.leads (a INT) ENGINE = InnoDB TABLE old",
            "CREATE TABLE Leads VALUES ROW(1)",
        ] {
            check_in("shop", text, Statement::RoutedChange(1));
        }
        for text in [
            "CREATE TABLE leads (a INT) START TRANSACTION",
            "CREATE TABLE leads (`select` INT DEFAULT 'select', b INT) COMMENT 'table'",
            "CREATE TABLE leads (a INT) PARTITION BY RANGE (a) (PARTITION p VALUES LESS THAN (1))",
            "CREATE TABLE leads LIKE old",
            "CREATE TABLE copy SELECT * FROM leads",
            "CREATE TABLE other.leads SELECT 1",
            "CREATE TEMPORARY TABLE leads SELECT 1",
            "CREATE TRIGGER t BEFORE INSERT ON leads FOR EACH ROW INSERT INTO log SELECT 1",
            "CREATE VIEW v AS SELECT * FROM leads",
        ] {
            check_in("shop", text, Statement::Other);
        }
    }
}
