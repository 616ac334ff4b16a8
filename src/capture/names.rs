//! What table maps lack when `binlog_row_metadata` is not FULL: names, signs, charsets, labels.
//!
//! They are read from `information_schema`, which shows a table as it is now. Invariant: a book is
//! used only for rows with no statement between them and the moment when it was read that may have
//! altered the table. Up to the end of the binlog at that moment [`skim`] has looked; behind it,
//! whoever reads the stream says what passes. A false alarm costs a look, an alarm missed would
//! misread rows: so whatever names the table counts, understood or not.
//!
//! Does not see what was never logged (`SET sql_log_bin = 0`); the widths of the columns are
//! compared, their meaning cannot be.

mod skim;
mod told;

use std::sync::{Arc, Mutex, PoisonError};

pub(super) use skim::learn;
pub(super) use told::Told;

use super::error::Error;
use crate::core::position::FilePosition;
use crate::core::schema::TableName;

/// What is known of the routed tables' columns, by the table's index. Without any, no table is
/// watched, and all of them are unread.
#[derive(Default)]
pub(super) struct Names {
    watched: Vec<TableName>,
    books: Vec<Book>,
    /// Where the first statement that may have altered the table ends.
    met: Vec<Option<FilePosition>>,
}

#[derive(Clone)]
pub(super) enum Book {
    /// Not read, or not since the table was altered.
    Unread,
    /// The table is not there, or not visible.
    Missing { user: String },
    /// All columns in the order of the table.
    Told(Arc<[Told]>),
    /// The table was altered between here and where it was read: just before this place.
    Altered(FilePosition),
}

impl Names {
    pub(super) fn watching(tables: impl Iterator<Item = TableName>) -> Self {
        let watched: Vec<TableName> = tables.collect();
        Self {
            books: vec![Book::Unread; watched.len()],
            met: vec![None; watched.len()],
            watched,
        }
    }

    pub(super) fn book(&self, table: usize) -> &Book {
        self.books.get(table).unwrap_or(&Book::Unread)
    }

    /// A statement that is no change of rows passes. True when a book does not hold any more.
    pub(super) fn pass(&mut self, statement: &[u8], at: &FilePosition) -> bool {
        let mut is_met = false;
        for (index, table) in self.watched.iter().enumerate() {
            let book = &mut self.books[index];
            if matches!(book, Book::Missing { .. }) {
                // It may have made the table.
                *book = Book::Unread;
                is_met = true;
            }
            if may_alter(statement, table) {
                is_met = true;
                *book = Book::Unread;
                self.met[index].get_or_insert_with(|| at.clone());
            }
        }
        is_met
    }
}

/// Why the rows of a table map without names are not read.
#[derive(Clone, Debug)]
pub(super) enum Unnamed {
    Unread,
    Missing { user: String },
    Altered(FilePosition),
    Unlike(String),
}

impl Unnamed {
    pub(super) fn error(&self, table: &TableName, position: FilePosition) -> Error {
        let table = table.clone();
        match self {
            Unnamed::Unread => Error::NamesMissing { table, position },
            Unnamed::Missing { user } => Error::TableMissing {
                table,
                user: user.clone(),
                suggestion: None,
            },
            Unnamed::Altered(altered) => Error::NamesAltered {
                table,
                position,
                altered: altered.clone(),
            },
            Unnamed::Unlike(reason) => Error::NamesUnlike {
                table,
                position,
                reason: reason.clone(),
            },
        }
    }
}

/// Whether the next session is to learn names, and for which place it was last asked.
#[derive(Default)]
pub(super) struct Wanted(Mutex<Option<FilePosition>>);

impl Wanted {
    pub(super) fn is_set(&self) -> bool {
        self.lock().is_some()
    }

    /// Asks for names, if that can help: at one place a second time it cannot.
    pub(super) fn ask(&self, error: &Error) -> bool {
        let Error::NamesMissing { table, position } = error else {
            return false;
        };
        let last = self.lock().replace(position.clone());
        let helps = last.as_ref() != Some(position);
        if helps {
            tracing::info!(
                "rows of {table} at {position} have no column names: they are read from \
                 information_schema, and the binlog is looked through for changes of the table"
            );
        }
        helps
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<FilePosition>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Statements that never change a table's columns.
const HARMLESS: [&[u8]; 15] = [
    b"TRUNCATE",
    b"ANALYZE",
    b"OPTIMIZE",
    b"CHECK",
    b"GRANT",
    b"REVOKE",
    b"FLUSH",
    b"INSERT",
    b"REPLACE",
    b"UPDATE",
    b"DELETE",
    b"LOAD",
    b"SAVEPOINT",
    b"ROLLBACK",
    b"COMMIT",
];

/// Whether a statement may have changed the columns of that table: it names the table, or all of
/// its schema, anywhere. Quotes, comments and charsets are not looked at; where names cannot be
/// compared byte by byte, every statement counts.
fn may_alter(statement: &[u8], table: &TableName) -> bool {
    let mut words = statement
        .split(|byte| !is_word(*byte))
        .filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default();
    let second = words.next().unwrap_or_default();
    // A comment in front hides the verb: then it counts.
    let begins = statement.trim_ascii_start().starts_with(first);
    let is_harmless = match first.to_ascii_uppercase().as_slice() {
        // Without OR REPLACE: the table was not there, or nothing happens. What took a table of
        // that name away counts by itself.
        b"CREATE" => [&b"TABLE"[..], b"TEMPORARY"]
            .iter()
            .any(|word| second.eq_ignore_ascii_case(word)),
        b"DROP" => second.eq_ignore_ascii_case(b"TEMPORARY"),
        verb => HARMLESS.contains(&verb),
    };
    if begins && is_harmless {
        return false;
    }
    let is_plain = |name: &str| {
        let plain = |byte: u8| is_word(byte) || matches!(byte, b'-' | b' ' | b'.');
        !name.is_empty() && name.bytes().all(plain)
    };
    if !is_plain(&table.table) || names(statement, table.table.as_bytes()) {
        return true;
    }
    let is_of_schema = [second]
        .into_iter()
        .chain(words)
        .any(|word| word.eq_ignore_ascii_case(b"DATABASE") || word.eq_ignore_ascii_case(b"SCHEMA"));
    is_of_schema && (!is_plain(&table.schema) || names(statement, table.schema.as_bytes()))
}

/// Whether the name stands in the text by itself, in any case.
fn names(text: &[u8], name: &[u8]) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_none_or(|byte| !is_word(*byte));
    text.windows(name.len()).enumerate().any(|(start, window)| {
        window.eq_ignore_ascii_case(name)
            && is_edge(start.checked_sub(1).and_then(|before| text.get(before)))
            && is_edge(text.get(start + name.len()))
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')
}

#[cfg(test)]
mod tests {
    use mysql_common::binlog::EventStreamReader;
    use mysql_common::binlog::consts::BinlogVersion;

    use super::*;
    use crate::capture::assembler::Assembler;
    use crate::capture::progress::Progress;
    use crate::capture::routing::Routing;
    use crate::capture::settings::{RoutedTable, TableRoute};
    use crate::core::change::RouteId;
    use crate::core::position::{Checkpoint, GtidSet, Position};
    use crate::core::time::Micros;

    #[track_caller]
    fn check(statement: &str, expected: bool) {
        let table = TableName {
            schema: "shop".to_owned(),
            table: "leads".to_owned(),
        };
        assert_eq!(
            may_alter(statement.as_bytes(), &table),
            expected,
            "{statement}"
        );
    }

    #[test]
    fn whatever_names_the_table_may_have_altered_it() {
        for statement in [
            "ALTER TABLE leads ADD a INT",
            "alter table `shop`.`Leads` drop a",
            "RENAME TABLE a TO\nleads",
            "/* x */ ALTER TABLE leads ADD a INT",
            "/*!80000 ALTER TABLE leads ADD a INT */",
            "ALTER TABLE other EXCHANGE PARTITION p WITH TABLE leads",
            "SOMETHING NEW WITH leads",
            "SET STATEMENT max_statement_time = 9 FOR ALTER TABLE leads ADD a INT",
            "DROP DATABASE shop",
            "CREATE OR REPLACE TABLE leads (a INT)",
            "DROP TABLE leads",
            "DROP SCHEMA IF EXISTS `shop`",
            // The last byte of a character in some charset may look like anything.
            "ALTER TABLE \u{e9}leads ADD a INT",
        ] {
            check(statement, true);
        }
    }

    #[test]
    fn other_tables_and_statements_about_rows_alter_nothing() {
        for statement in [
            "ALTER TABLE leads_archive ADD a INT",
            "CREATE TABLE `_leads_gho` (a INT)",
            "TRUNCATE leads",
            "CREATE TABLE IF NOT EXISTS shop.leads (a INT)",
            "DROP TEMPORARY TABLE IF EXISTS leads",
            "ANALYZE TABLE leads",
            "GRANT SELECT ON leads TO x",
            "CREATE DATABASE other",
            "ALTER TABLE shop.other ADD a INT",
            "",
        ] {
            check(statement, false);
        }
    }

    #[test]
    fn a_name_that_cannot_be_compared_byte_by_byte_is_always_meant() {
        let table = TableName {
            schema: "shop".to_owned(),
            table: "l\u{e9}ads".to_owned(),
        };
        assert!(may_alter(b"ALTER TABLE l\xe9ads ADD a INT", &table));
        assert!(!may_alter(b"TRUNCATE l\xe9ads", &table));
    }

    #[test]
    fn a_place_is_asked_for_once() {
        let at = |offset| Error::NamesMissing {
            table: TableName {
                schema: "shop".to_owned(),
                table: "leads".to_owned(),
            },
            position: FilePosition {
                file: "binlog.000001".into(),
                offset,
            },
        };
        let wanted = Wanted::default();
        assert!(!wanted.ask(&Error::Disconnected) && !wanted.is_set());
        assert!(wanted.ask(&at(4)) && wanted.is_set());
        assert!(!wanted.ask(&at(4)));
        assert!(wanted.ask(&at(9)));
    }

    /// Reads the recorded binlog of a server with MINIMAL, whose one table has this book.
    fn page_with(book: Book) -> &'static str {
        const UNNAMED: &[u8] = include_bytes!("../../tests/fixtures/unnamed.binlog");
        let name = TableName {
            schema: "shop".to_owned(),
            table: "ops".to_owned(),
        };
        let route = TableRoute {
            route: RouteId(0),
            name: "ops".to_owned(),
            insert: true,
            update: false,
            delete: false,
            columns: vec!["id".to_owned()],
        };
        let table = RoutedTable {
            name: name.clone(),
            routes: vec![route],
        };
        let start = FilePosition {
            file: "binlog.000001".into(),
            offset: 4,
        };
        let progress = Progress::from(Checkpoint {
            server_uuid: "server".to_owned(),
            position: Position::Gtid(GtidSet::default()),
            end: start.clone(),
            inside: Default::default(),
        });
        let routing = Arc::new(Routing::new(&[table], false));
        let mut assembler = Assembler::new(routing, progress, start, || Micros(0));
        assembler.maps.names = Names::watching([name].into_iter());
        assembler.maps.names.books[0] = book;
        let mut reader = EventStreamReader::new(BinlogVersion::Version4);
        let mut input = &UNNAMED[4..];
        while let Some(event) = reader.read(&mut input).unwrap() {
            if let Err(error) = assembler.accept(&event) {
                return error.page();
            }
        }
        "none"
    }

    #[test]
    fn rows_without_names_stop_the_stream_unless_they_are_told() {
        let altered = FilePosition {
            file: "binlog.000009".into(),
            offset: 4,
        };
        let user = "reader".to_owned();
        assert_eq!(page_with(Book::Unread), "LS1050");
        assert_eq!(page_with(Book::Altered(altered)), "LS1017");
        assert_eq!(page_with(Book::Told(Arc::new([]))), "LS1016");
        // It is made on the way, so it is to be read anew.
        assert_eq!(page_with(Book::Missing { user }), "LS1050");
    }
}
