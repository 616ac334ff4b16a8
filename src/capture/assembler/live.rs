//! What only a server's own stream can show, held against recorded binlogs.

use mysql_common::binlog::EventStreamReader;
use mysql_common::binlog::consts::BinlogVersion;

use super::*;
use crate::capture::replay::replay_with_schemas;
use crate::capture::settings::{RoutedTable, TableRoute};
use crate::core::change::RouteId;
use crate::core::position::{Checkpoint, GtidSet};
use crate::core::schema::{Column, ColumnDefault, ColumnKind, TableName};

const LEADS: &[u8] = include_bytes!("../../../tests/fixtures/leads.binlog");
const OPERATIONS: &[u8] = include_bytes!("../../../tests/fixtures/operations.binlog");
/// A binlog file begins with these many bytes before its first event.
const MAGIC_BYTES: usize = 4;

fn assembler() -> Assembler {
    let start = FilePosition {
        file: "binlog.000001".into(),
        offset: 4,
    };
    let progress = Progress::from(Checkpoint {
        server_uuid: "first".to_owned(),
        position: Position::Gtid(GtidSet::default()),
        end: start.clone(),
        inside: Default::default(),
    });
    let routing = Arc::new(Routing::new(&[], false));
    Assembler::new(routing, progress, start, || Micros(0))
}

fn feed(assembler: &mut Assembler) -> Result<(), Error> {
    feed_from(LEADS, assembler)
}

fn feed_from(binlog: &[u8], assembler: &mut Assembler) -> Result<(), Error> {
    let mut reader = EventStreamReader::new(BinlogVersion::Version4);
    let mut input = &binlog[MAGIC_BYTES..];
    while let Some(event) = reader.read(&mut input).unwrap() {
        assembler.accept(&event)?;
    }
    assembler.flush();
    Ok(())
}

#[test]
fn a_number_that_a_server_sends_again_belongs_to_another_transaction() {
    let mut assembler = assembler();
    assembler.read_from("first");
    feed(&mut assembler).unwrap();
    let error = feed(&mut assembler).unwrap_err();
    assert_eq!(error.page(), "LS1027", "{error}");
}

#[test]
fn a_rotation_moves_the_end_to_the_next_file() {
    let mut assembler = assembler();
    feed(&mut assembler).unwrap();
    let mut items = Vec::new();
    while let Some(piece) = assembler.pop() {
        items.extend(piece.items);
    }
    let Some(StreamItem::Advance(last)) = items.last() else {
        panic!("{items:?}")
    };
    assert_eq!(last.end.to_string(), "binlog.000002:4");
}

#[test]
fn another_server_is_told_once_with_its_place() {
    let mut assembler = assembler();
    assembler.read_from("second");
    feed(&mut assembler).unwrap();
    let mut told = Vec::new();
    while let Some(piece) = assembler.pop() {
        for item in piece.items {
            if let StreamItem::Restart(checkpoint) = item {
                told.push((checkpoint.server_uuid, checkpoint.end.to_string()));
            }
        }
    }
    assert_eq!(told, [("second".to_owned(), "binlog.000002:4".to_owned())]);
}

/// The table of the recorded operations with the columns that a route wants, and a schema in which
/// they all have a default.
fn ops(columns: &[&str]) -> (RoutedTable, TableSchema) {
    let name = TableName {
        schema: "shop".to_owned(),
        table: "ops".to_owned(),
    };
    let route = TableRoute {
        name: "ops".to_owned(),
        route: RouteId(0),
        insert: true,
        update: false,
        delete: false,
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
    };
    let column = |column: &&str| Column {
        name: (*column).to_owned(),
        kind: ColumnKind::Text { max_chars: 80 },
        nullable: true,
        primary_key: false,
        default: ColumnDefault::Literal("by default".to_owned()),
    };
    let schema = TableSchema {
        name: name.clone(),
        columns: columns.iter().map(column).collect(),
    };
    let routes = vec![route];
    (RoutedTable { name, routes }, schema)
}

#[test]
fn a_table_that_was_altered_stays_in_doubt_over_connections() {
    let (table, schema) = ops(&["id"]);
    let routing = Arc::new(Routing::new(&[table], false));
    let connect = |progress| {
        let at = assembler().at().clone();
        Assembler::new(Arc::clone(&routing), progress, at, || Micros(0))
            .with_schemas(std::slice::from_ref(&schema), None)
    };
    let mut first = connect(assembler().progress);
    assert!(first.defaults.of(0).unwrap().schema_is_current);
    // Its first statement creates the table; a compressed transaction ends what can be read so.
    assert!(feed_from(OPERATIONS, &mut first).is_err());
    first.flush();
    let mut progress = None;
    while let Some(piece) = first.pop() {
        progress = Some(piece.progress);
    }
    assert!(
        !connect(progress.unwrap())
            .defaults
            .of(0)
            .unwrap()
            .schema_is_current
    );
}

#[test]
fn a_row_that_is_kept_whole_keeps_a_default_that_was_left_out() {
    let (table, schema) = ops(&["id", "name", "note", "gone"]);
    // Behind the statement that creates the table: its seventh transaction leaves columns out.
    let mut checkpoint = Checkpoint {
        server_uuid: "first".to_owned(),
        position: Position::Gtid(GtidSet::default()),
        end: assembler().at().clone(),
        inside: Default::default(),
    };
    let mut kept = Vec::new();
    let mut read = |checkpoint: &Checkpoint, schemas: &[TableSchema]| {
        kept.clear();
        let tables = std::slice::from_ref(&table);
        let each = |items: Vec<StreamItem>, _| kept.extend(items);
        let result = replay_with_schemas(
            OPERATIONS,
            tables,
            schemas,
            checkpoint.clone(),
            || Micros(0),
            each,
        );
        (result, kept.clone())
    };
    let (result, items) = read(&checkpoint, &[]);
    assert_eq!(result.unwrap_err().page(), "LS1052");
    let first = items.iter().find_map(|item| match item {
        StreamItem::Advance(advance) => Some(advance.clone()),
        _ => None,
    });
    checkpoint.advance(first.unwrap());
    let (result, items) = read(&checkpoint, std::slice::from_ref(&schema));
    result.unwrap();
    let rows: Vec<String> = items
        .iter()
        .filter_map(|item| match item {
            StreamItem::Unmapped(unmapped) => Some(unmapped.row.to_json()),
            _ => None,
        })
        .collect();
    let with_default = rows
        .iter()
        .filter(|row| row.matches("by default").count() == 2);
    assert_eq!(with_default.count(), 1, "{rows:?}");
}
