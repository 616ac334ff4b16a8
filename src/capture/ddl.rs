//! Statements that change tables themselves: which routed tables, and what happens to them.
//!
//! Reads only as much grammar as names need: comments (what `/*!` and `/*M!` hold is code), quoted
//! names, default schemas, lists. A statement that is not understood names no table; nothing that
//! must not be missed hangs on this alone, because rows carry the shape of their table.

use super::routing::Routing;
use crate::core::change::Altered;

/// The routed tables that a statement changes, by index, each once.
pub(super) fn altered(text: &[u8], schema: &[u8], routing: &Routing) -> Vec<(usize, Altered)> {
    let mut tokens = Tokens { rest: text };
    let mut found = Found {
        schema,
        routing,
        tables: Vec::new(),
    };
    let Some(Token::Word(verb)) = tokens.next() else {
        return Vec::new();
    };
    let tokens: Vec<Token> = match verb.to_ascii_uppercase().as_slice() {
        // A table's definition can be long; its head is enough for all but ALTER.
        b"CREATE" => tokens.take(32).collect(),
        b"ALTER" | b"DROP" | b"RENAME" | b"TRUNCATE" => tokens.collect(),
        _ => return Vec::new(),
    };
    let cursor = &mut Cursor { tokens: &tokens };
    // None = it ended before the names did.
    let _ = match verb.to_ascii_uppercase().as_slice() {
        b"CREATE" => found.create(cursor),
        b"ALTER" => found.alter(cursor),
        b"DROP" => found.drop(cursor),
        b"RENAME" => found.rename(cursor),
        _ => found.truncate(cursor),
    };
    found.tables
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(Vec<u8>),
    /// A quoted name.
    Name(Vec<u8>),
    /// A text in quotes; what it holds does not matter.
    Text,
    Sign(u8),
}

pub(super) struct Tokens<'t> {
    pub(super) rest: &'t [u8],
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        self.skip_blanks();
        let (first, rest) = self.rest.split_first()?;
        match first {
            b'`' | b'"' => {
                let (name, rest) = quoted(rest, *first, false);
                self.rest = rest;
                Some(Token::Name(name))
            }
            b'\'' => {
                self.rest = quoted(rest, b'\'', true).1;
                Some(Token::Text)
            }
            byte if is_word(*byte) => {
                let length = self.rest.iter().take_while(|byte| is_word(**byte)).count();
                let (word, rest) = self.rest.split_at(length);
                self.rest = rest;
                Some(Token::Word(word.to_vec()))
            }
            sign => {
                self.rest = rest;
                Some(Token::Sign(*sign))
            }
        }
    }
}

impl Tokens<'_> {
    fn skip_blanks(&mut self) {
        loop {
            let text = self.rest.trim_ascii_start();
            self.rest = text;
            let line = text.starts_with(b"#")
                || text.starts_with(b"--") && text.get(2).is_none_or(u8::is_ascii_whitespace);
            if let Some(rest) = text.strip_prefix(b"/*M!").or(text.strip_prefix(b"/*!")) {
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                self.rest = &rest[digits..];
            } else if text.starts_with(b"/*") {
                self.rest = behind(text, b"*/");
            } else if line {
                self.rest = behind(text, b"\n");
            } else if let Some(rest) = text.strip_prefix(b"*/") {
                // The end of a comment that was code.
                self.rest = rest;
            } else {
                return;
            }
        }
    }
}

fn behind<'t>(text: &'t [u8], end: &[u8]) -> &'t [u8] {
    let at = text.windows(end.len()).position(|window| window == end);
    at.map_or(&[], |at| &text[at + end.len()..])
}

/// What stands before the closing quote, and what comes behind it; a doubled quote is one of its
/// own.
fn quoted(mut text: &[u8], quote: u8, escapes: bool) -> (Vec<u8>, &[u8]) {
    let mut inner = Vec::new();
    while let Some((byte, rest)) = text.split_first() {
        text = rest;
        if *byte == quote {
            match rest.split_first() {
                Some((next, behind)) if *next == quote => text = behind,
                _ => return (inner, rest),
            }
        } else if escapes && *byte == b'\\' {
            text = rest.get(1..).unwrap_or_default();
        }
        inner.push(*byte);
    }
    (inner, text)
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'@') || !byte.is_ascii()
}

struct Cursor<'t> {
    tokens: &'t [Token],
}

impl Cursor<'_> {
    fn next(&mut self) -> Option<&Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn peek_word(&self) -> Option<Vec<u8>> {
        match self.tokens.first()? {
            Token::Word(word) => Some(word.to_ascii_uppercase()),
            _ => None,
        }
    }

    /// Passes over the word, if it is next.
    fn word(&mut self, word: &str) -> bool {
        let is_next = self.peek_word().is_some_and(|next| next == word.as_bytes());
        if is_next {
            self.tokens = &self.tokens[1..];
        }
        is_next
    }

    fn words(&mut self, words: &[&str]) {
        for word in words {
            self.word(word);
        }
    }

    fn sign(&mut self, sign: u8) -> bool {
        let is_next = self.tokens.first() == Some(&Token::Sign(sign));
        if is_next {
            self.tokens = &self.tokens[1..];
        }
        is_next
    }

    /// `table` or `schema.table`.
    fn name(&mut self) -> Option<(Option<Vec<u8>>, Vec<u8>)> {
        let first = self.part()?;
        if self.sign(b'.') {
            return Some((Some(first), self.part()?));
        }
        Some((None, first))
    }

    fn part(&mut self) -> Option<Vec<u8>> {
        match self.next()? {
            Token::Word(name) | Token::Name(name) => Some(name.clone()),
            Token::Text | Token::Sign(_) => None,
        }
    }

    /// MariaDB: how long to wait for a lock.
    fn patience(&mut self) {
        if self.word("WAIT") {
            self.next();
        }
        self.word("NOWAIT");
    }
}

struct Found<'r> {
    schema: &'r [u8],
    routing: &'r Routing,
    tables: Vec<(usize, Altered)>,
}

impl Found<'_> {
    fn note(&mut self, name: (Option<Vec<u8>>, Vec<u8>), what: Altered) {
        let schema = name.0.as_deref().unwrap_or(self.schema);
        if let Some(table) = self.routing.find(schema, &name.1)
            && !self.tables.iter().any(|(known, _)| *known == table)
        {
            self.tables.push((table, what));
        }
    }

    fn create(&mut self, at: &mut Cursor<'_>) -> Option<()> {
        at.words(&["OR", "REPLACE"]);
        if !at.word("TABLE") {
            return None;
        }
        at.words(&["IF", "NOT", "EXISTS"]);
        self.note(at.name()?, Altered::Created);
        Some(())
    }

    fn alter(&mut self, at: &mut Cursor<'_>) -> Option<()> {
        at.words(&["ONLINE", "IGNORE"]);
        if !at.word("TABLE") {
            return None;
        }
        at.words(&["IF", "EXISTS"]);
        let table = at.name()?;
        at.patience();
        let mut names = vec![table];
        let mut what = Altered::Changed;
        let mut depth = 0_u32;
        // Commas part the specifications; the first follows the name itself.
        let mut begins = true;
        while !at.tokens.is_empty() {
            if begins && at.word("RENAME") {
                let of_a_part = ["COLUMN", "INDEX", "KEY"]
                    .iter()
                    .any(|word| at.peek_word().is_some_and(|next| next == word.as_bytes()));
                if !of_a_part {
                    at.words(&["TO", "AS"]);
                    at.sign(b'=');
                    names.push(at.name()?);
                    what = Altered::Renamed;
                }
            } else if begins && at.word("EXCHANGE") {
                while !at.word("TABLE") {
                    at.next()?;
                }
                names.push(at.name()?);
            }
            begins = false;
            match at.next() {
                Some(Token::Sign(b'(')) => depth += 1,
                Some(Token::Sign(b')')) => depth = depth.saturating_sub(1),
                Some(Token::Sign(b',')) => begins = depth == 0,
                _ => {}
            }
        }
        for name in names {
            self.note(name, what);
        }
        Some(())
    }

    fn drop(&mut self, at: &mut Cursor<'_>) -> Option<()> {
        if at.word("DATABASE") || at.word("SCHEMA") {
            at.words(&["IF", "EXISTS"]);
            let schema = at.part()?;
            let tables: Vec<Vec<u8>> = self
                .routing
                .names()
                .map(|name| name.table.as_bytes().to_vec())
                .collect();
            for table in tables {
                self.note((Some(schema.clone()), table), Altered::Dropped);
            }
            return Some(());
        }
        if !at.word("TABLE") && !at.word("TABLES") {
            return None;
        }
        at.words(&["IF", "EXISTS"]);
        loop {
            self.note(at.name()?, Altered::Dropped);
            if !at.sign(b',') {
                return Some(());
            }
        }
    }

    fn rename(&mut self, at: &mut Cursor<'_>) -> Option<()> {
        if !at.word("TABLE") && !at.word("TABLES") {
            return None;
        }
        at.words(&["IF", "EXISTS"]);
        loop {
            self.note(at.name()?, Altered::Renamed);
            at.patience();
            if !at.word("TO") {
                return None;
            }
            self.note(at.name()?, Altered::Renamed);
            if !at.sign(b',') {
                return Some(());
            }
        }
    }

    fn truncate(&mut self, at: &mut Cursor<'_>) -> Option<()> {
        at.word("TABLE");
        self.note(at.name()?, Altered::Truncated);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::settings::RoutedTable;
    use crate::core::schema::TableName;

    fn routing() -> Routing {
        let table = |schema: &str, table: &str| RoutedTable {
            name: TableName {
                schema: schema.to_owned(),
                table: table.to_owned(),
            },
            routes: Vec::new(),
        };
        Routing::new(
            &[
                table("shop", "leads"),
                table("shop", "odd `name"),
                table("crm", "leads"),
            ],
            false,
        )
    }

    #[track_caller]
    fn check(text: &str, expected: &[(usize, Altered)]) {
        let found = altered(text.as_bytes(), b"shop", &routing());
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn each_kind_of_statement_names_its_table() {
        check("CREATE TABLE leads (a int)", &[(0, Altered::Created)]);
        check("ALTER TABLE leads ADD b int", &[(0, Altered::Changed)]);
        check("DROP TABLE leads", &[(0, Altered::Dropped)]);
        check("TRUNCATE leads", &[(0, Altered::Truncated)]);
        check("truncate table crm.leads", &[(2, Altered::Truncated)]);
        check("RENAME TABLE leads TO l2", &[(0, Altered::Renamed)]);
        check("DROP DATABASE IF EXISTS crm", &[(2, Altered::Dropped)]);
    }

    #[test]
    fn names_are_found_quoted_qualified_and_behind_comments() {
        check(
            "/* gh-ost */ alter /*!80000 online */ table `crm`.`leads` add x int",
            &[(2, Altered::Changed)],
        );
        check("DROP TABLE `odd ``name`", &[(1, Altered::Dropped)]);
        check("-- x\nTRUNCATE\tshop . leads", &[(0, Altered::Truncated)]);
        check("# x\nDROP TABLE \"leads\"", &[(0, Altered::Dropped)]);
        check(
            "DROP TABLE `crm`.`leads` /* generated by server */",
            &[(2, Altered::Dropped)],
        );
    }

    #[test]
    fn lists_and_swaps_name_every_table() {
        check(
            "DROP TABLE IF EXISTS other, leads, crm.leads CASCADE",
            &[(0, Altered::Dropped), (2, Altered::Dropped)],
        );
        check(
            "rename table shop.leads to shop._leads_del, shop._leads_gho to shop.leads",
            &[(0, Altered::Renamed)],
        );
        check(
            "RENAME TABLE a TO leads, b WAIT 5 TO crm.leads",
            &[(0, Altered::Renamed), (2, Altered::Renamed)],
        );
        check(
            "ALTER TABLE l2 ADD COLUMN a DECIMAL(1,2), RENAME TO leads",
            &[(0, Altered::Renamed)],
        );
        check("ALTER TABLE l2 RENAME crm.leads", &[(2, Altered::Renamed)]);
        check(
            "ALTER TABLE l2 EXCHANGE PARTITION p0 WITH TABLE leads",
            &[(0, Altered::Changed)],
        );
    }

    #[test]
    fn the_dialect_of_mariadb_is_read_too() {
        check(
            "CREATE OR REPLACE TABLE leads (a int)",
            &[(0, Altered::Created)],
        );
        check(
            "ALTER ONLINE TABLE leads WAIT 10 RENAME COLUMN a TO b",
            &[(0, Altered::Changed)],
        );
        check(
            "ALTER TABLE IF EXISTS leads NOWAIT DROP COLUMN IF EXISTS a",
            &[(0, Altered::Changed)],
        );
        check(
            "CREATE TABLE /*M!100301 IF NOT EXISTS */ leads LIKE x",
            &[(0, Altered::Created)],
        );
    }

    #[test]
    fn other_statements_and_other_tables_name_none() {
        for text in [
            "",
            "ALTER",
            "ALTER TABLE",
            "DROP TABLE `never closed",
            "CREATE TABLE other (leads int)",
            "ALTER TABLE other COMMENT 'RENAME TO leads'",
            "ALTER TABLE other RENAME COLUMN leads TO l2",
            "ALTER TABLE other ADD a int DEFAULT '\\'', ADD leads int",
            "CREATE TEMPORARY TABLE leads (a int)",
            "CREATE VIEW leads AS SELECT 1",
            "CREATE DATABASE shop",
            "DROP VIEW leads",
            "DROP TABLE nowhere.leads",
            "ALTER USER leads ACCOUNT LOCK",
            "GRANT ALL ON leads TO x",
            "/* never closed",
        ] {
            check(text, &[]);
        }
    }
}
