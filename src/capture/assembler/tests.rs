//! Binlogs recorded from MySQL 9.7, read through [`replay`]; damage is done to their bytes.

use std::collections::BTreeMap;

use super::*;
use crate::capture::replay::replay;
use crate::capture::settings::{RoutedTable, TableRoute};
use crate::capture::testing::{from_start, short};
use crate::core::change::{Altered, RouteId};
use crate::core::position::{Checkpoint, Inside};
use crate::core::schema::TableName;
use crate::core::source_row::SourceRow;
use crate::core::value::{Date, DateTime, Value};

const TYPES: &[u8] = include_bytes!("../../../tests/fixtures/types.binlog");
const LEADS: &[u8] = include_bytes!("../../../tests/fixtures/leads.binlog");
const OPERATIONS: &[u8] = include_bytes!("../../../tests/fixtures/operations.binlog");
const XA: &[u8] = include_bytes!("../../../tests/fixtures/xa.binlog");
const STATEMENT: &[u8] = include_bytes!("../../../tests/fixtures/statement.binlog");
const UNNAMED: &[u8] = include_bytes!("../../../tests/fixtures/unnamed.binlog");

fn route(id: u16, operations: &str, columns: &[&str]) -> TableRoute {
    TableRoute {
        name: format!("route{id}"),
        route: RouteId(id),
        insert: operations.contains('i'),
        update: operations.contains('u'),
        delete: operations.contains('d'),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
    }
}

fn table(name: &str, routes: Vec<TableRoute>) -> RoutedTable {
    let name = TableName {
        schema: "shop".to_owned(),
        table: name.to_owned(),
    };
    RoutedTable { name, routes }
}

fn read(
    binlog: &[u8],
    tables: &[RoutedTable],
    checkpoint: Checkpoint,
) -> (Vec<StreamItem>, Result<(), Error>) {
    let mut all = Vec::new();
    let result = replay(
        binlog,
        tables,
        checkpoint,
        || Micros(7),
        |items, _| all.extend(items),
    );
    // What happened to the tables is a story of its own.
    all.retain(|item| !matches!(item, StreamItem::Altered(_)));
    (all, result)
}

/// One line per item: short enough to compare whole streams.
fn lines(items: &[StreamItem]) -> Vec<String> {
    let number = |id: &TransactionId| match id {
        TransactionId::Gtid(gtid) => gtid.number.to_string(),
        TransactionId::File(_) => "f".to_owned(),
        TransactionId::MariaDb(gtid) => gtid.sequence.to_string(),
        TransactionId::Snapshot(row) => row.key.to_string(),
    };
    let line = |item: &StreamItem| match item {
        StreamItem::Row(change) => {
            let values: Vec<String> = change.values.iter().map(short).collect();
            let id = &change.id;
            let end = if change.last_of_row { "." } else { "" };
            let operation = change.operation;
            format!(
                "{} row {} route {} {operation:?} {}{end}",
                number(&id.transaction.id),
                id.row,
                id.route.0,
                values.join(" ")
            )
        }
        StreamItem::Unmapped(unmapped) => {
            let (id, operation) = (&unmapped.id, unmapped.operation);
            let end = if unmapped.last_of_row { "." } else { "" };
            format!(
                "{} row {} route {} {operation:?} lacks {}: {}{end}",
                number(&id.transaction.id),
                id.row,
                id.route.0,
                unmapped.lack.column,
                unmapped.row.to_json()
            )
        }
        StreamItem::Altered(alteration) => format!("{:?}", alteration.what),
        StreamItem::Skipped(rows) => {
            let id = &rows.id;
            let end = if rows.last_of_row { "." } else { "" };
            let (operation, count) = (rows.operation, rows.rows);
            format!(
                "{} row {} route {} skipped {operation:?} x{count}{end}",
                number(&id.transaction.id),
                id.row,
                id.route.0
            )
        }
        StreamItem::Advance(advance) => {
            let text = match &advance.gtids {
                Gtids::MySql(set) => set.to_string(),
                Gtids::None | Gtids::MariaDb(_) => String::new(),
            };
            let (_, numbers) = text.split_once(':').unwrap_or_default();
            format!("advance {numbers}")
        }
        StreamItem::KeyChanged(route) => format!("key of route {} changed", route.0),
        StreamItem::Hold(place) => format!("hold {place:?}"),
        StreamItem::Restart(checkpoint) => format!("restart at {}", checkpoint.end),
        StreamItem::ChunkEnd(end) => format!("chunk of table {} ends", end.table),
    };
    items.iter().map(line).collect()
}

/// The values of one column, over all rows.
fn column(name: &str) -> Vec<Option<Value>> {
    let (items, result) = read(
        TYPES,
        &[table("types", vec![route(0, "i", &[name])])],
        from_start(true),
    );
    result.unwrap();
    let value = |item: StreamItem| match item {
        StreamItem::Row(change) => change.values.into_vec().pop(),
        _ => None,
    };
    items.into_iter().filter_map(value).collect()
}

#[track_caller]
fn check(name: &str, first: Value, second: Value) {
    let values = column(name);
    assert_eq!(values.len(), 4);
    assert_eq!(values[0], Some(first), "{name}, first row");
    assert_eq!(values[1], Some(second), "{name}, second row");
    assert_eq!(values[2], Some(Value::Null), "{name}, third row");
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn decimal(text: &str) -> Value {
    Value::Decimal(text.to_owned())
}

#[test]
fn numbers_of_every_type_arrive_as_the_server_holds_them() {
    check("t1", Value::Int(-1), Value::Int(1));
    check("t1u", Value::UInt(255), Value::UInt(0));
    check("s2", Value::Int(-32_768), Value::Int(1));
    check("m3", Value::Int(-1), Value::Int(8_388_607));
    check("m3u", Value::UInt(16_777_215), Value::UInt(0));
    check("i4", Value::Int(-2_147_483_648), Value::Int(0));
    check("i4u", Value::UInt(4_294_967_295), Value::UInt(0));
    check("b8", Value::Int(i64::MIN), Value::Int(0));
    check("b8u", Value::UInt(u64::MAX), Value::UInt(0));
    check("y", Value::Year(0), Value::Year(2155));
    check("de", decimal("-1234567890.12"), decimal("0.00"));
    check("d0", decimal("-0.00001"), decimal("0.50000"));
    check("f", Value::Float(1.5), Value::Float(0.0));
    check("d", Value::Double(-2.25e300), Value::Double(0.0));
    check("bi", Value::Bit(1), Value::Bit(0));
    check("b10", Value::Bit(513), Value::Bit(0));
    check("b64", Value::Bit(0x8000_0000_0000_0001), Value::Bit(0));
    let digits = "-12345678901234567890123456789012345.123456789012345678901234567891";
    check(
        "deneg",
        decimal(digits),
        decimal("0.000000000000000000000000000000"),
    );
}

#[test]
fn texts_of_every_charset_and_bytes_arrive_whole() {
    check("c", text("ch"), text(""));
    check("cl", text("long char"), text(""));
    check("v", text("Zoë 🚀"), text(""));
    check("v1", text("Zoë €"), text(""));
    check("vu", text("Zoë"), text(""));
    check("vw", text("Привет"), text(""));
    check("lt", text("utf16 🚀"), text(""));
    let key = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 0, 0];
    check("bn", Value::Bytes(key.to_vec()), Value::Bytes(vec![0; 16]));
    check(
        "vb",
        Value::Bytes(vec![0, 255, 0]),
        Value::Bytes(Vec::new()),
    );
    check("bl", Value::Bytes(vec![0, 255]), Value::Bytes(Vec::new()));
}

#[test]
fn columns_behind_a_vector_keep_their_charset() {
    assert_eq!(column("gs")[..2], [Some(text("x-1")), Some(text("x1"))]);
    check("last", text("end"), text(""));
}

#[test]
fn enum_and_set_arrive_as_their_labels() {
    check("e", text("it's, cold"), text(""));
    check("e1", text("ü"), text(""));
    check("se", text("a,c"), text(""));
}

#[test]
fn dates_and_times_arrive_with_their_fraction_and_oddities() {
    let date = |year, month, day| Date { year, month, day };
    let zero = DateTime {
        date: date(0, 0, 0),
        hour: 0,
        minute: 0,
        second: 0,
        micros: 0,
    };
    let evening = DateTime {
        date: date(2026, 2, 28),
        hour: 23,
        minute: 59,
        second: 58,
        micros: 123_456,
    };
    let last = DateTime {
        date: date(9999, 12, 31),
        hour: 23,
        minute: 59,
        second: 59,
        micros: 999_999,
    };
    check(
        "dt",
        Value::Date(date(2026, 2, 28)),
        Value::Date(date(0, 0, 0)),
    );
    check(
        "dtt",
        Value::DateTime(DateTime {
            micros: 0,
            ..evening
        }),
        Value::DateTime(zero),
    );
    let partial = DateTime {
        date: date(2026, 0, 0),
        ..zero
    };
    check(
        "dtt3",
        Value::DateTime(DateTime {
            micros: 123_000,
            ..evening
        }),
        Value::DateTime(partial),
    );
    check("dtt6", Value::DateTime(evening), Value::DateTime(last));
    check(
        "ts",
        Value::Timestamp(1_772_323_198_000_000),
        Value::DateTime(zero),
    );
    check(
        "ts1",
        Value::Timestamp(1_772_323_198_500_000),
        Value::Timestamp(1_100_000),
    );
    assert_eq!(
        column("ts6")[0],
        Some(Value::Timestamp(2_147_483_647_999_999))
    );
    let longest = 3_020_399_000_000;
    check("ti", Value::Time(-longest), Value::Time(longest));
    check("ti2", Value::Time(-1_100_000), Value::Time(0));
    check("ti4", Value::Time(-45_296_789_100), Value::Time(1_000_000));
    check("ti6", Value::Time(-1), Value::Time(longest));
}

#[test]
fn json_arrives_as_text_with_numbers_unchanged() {
    let values = column("j");
    let first = r#"{"a": {"k": 18446744073709551615}, "b": [1, -2, 3.5, true, null, "q\"x"], "dd": 1.0, "big": 1e100}"#;
    assert_eq!(values[0], Some(Value::Json(first.to_owned())));
    let Some(Value::Json(last)) = &values[3] else {
        panic!("{:?}", values[3])
    };
    for part in [
        r#""dec": 1.10"#,
        r#""date": "2026-01-02""#,
        r#""t": "-10:00:00.000000""#,
    ] {
        assert!(last.contains(part), "{part} in {last}");
    }
}

#[test]
fn quiet_transactions_share_an_advance_and_rows_have_their_own() {
    let ops = [table("ops", vec![route(0, "i", &["id", "name", "note"])])];
    let (items, result) = read(OPERATIONS, &ops, from_start(true));
    // Transaction 7 was written with binlog_row_image = MINIMAL: name and note are not in it.
    let error = result.unwrap_err();
    assert!(
        matches!(&error, Error::ImageIncomplete { column, .. } if column == "name"),
        "{error:?}"
    );
    assert_eq!(
        lines(&items),
        [
            "advance 1",
            "2 row 0 route 0 Insert 1 a x.",
            "2 row 1 route 0 Insert 2 b null.",
            "2 row 2 route 0 Insert 3 c z.",
            "advance 2",
            "3 row 0 route 0 Insert 4 d .",
            "3 row 1 route 0 skipped Update x2.",
            "3 row 3 route 0 skipped Delete x1.",
            "3 row 4 route 0 Insert 5 e last.",
            "advance 3",
            "advance 4-5",
            "6 row 0 route 0 Insert 6 packed [500].",
            "6 row 1 route 0 Insert 7 packed [500].",
            "advance 6",
        ]
    );
}

#[test]
fn a_row_without_columns_that_nobody_wants_is_complete() {
    let ops = [table("ops", vec![route(0, "i", &["id"])])];
    let (items, result) = read(OPERATIONS, &ops, from_start(true));
    result.unwrap();
    assert_eq!(
        lines(&items)[13..],
        [
            "advance 6",
            "7 row 0 route 0 Insert 8.",
            "advance 7",
            "advance 8-9",
            "10 row 0 route 0 Insert 9.",
            "advance 10",
            "advance 11-12",
        ]
    );
}

#[test]
fn every_route_of_a_table_gets_an_item_per_row() {
    let routes = vec![route(0, "iu", &["name", "id"]), route(1, "d", &["id"])];
    let (items, _) = read(OPERATIONS, &[table("ops", routes)], from_start(true));
    let lines = lines(&items);
    let third: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .filter(|line| line.starts_with("3 "))
        .collect();
    assert_eq!(
        third,
        [
            "3 row 0 route 0 Insert d 4",
            "3 row 0 route 1 skipped Insert x1.",
            "3 row 1 route 0 Update B 2",
            "3 row 1 route 1 skipped Update x1.",
            "3 row 2 route 0 Update B 3",
            "3 row 2 route 1 skipped Update x1.",
            "3 row 3 route 0 skipped Delete x1",
            "3 row 3 route 1 Delete 1.",
            "3 row 4 route 0 Insert e 5",
            "3 row 4 route 1 skipped Insert x1.",
        ]
    );
}

#[test]
fn a_checkpoint_inside_a_transaction_goes_on_behind_the_rows_it_names() {
    let ops = [table("ops", vec![route(0, "i", &["id"])])];
    let (items, _) = read(OPERATIONS, &ops, from_start(true));
    let third = items.iter().find_map(|item| match item {
        StreamItem::Row(change) if change.id.row == 4 => Some(change.id.transaction.id.clone()),
        _ => None,
    });
    let mut checkpoint = from_start(true);
    if let (Position::Gtid(set), Some(TransactionId::Gtid(gtid))) =
        (&mut checkpoint.position, &third)
    {
        set.insert_interval(&gtid.source, 1, 2);
    }
    let rows = BTreeMap::from([("shop.ops".to_owned(), 2)]);
    checkpoint.inside.set(Inside {
        transaction: third.unwrap(),
        rows,
    });
    let (items, result) = read(OPERATIONS, &ops, checkpoint);
    result.unwrap();
    assert_eq!(
        lines(&items)[..4],
        [
            "3 row 2 route 0 skipped Update x1.",
            "3 row 3 route 0 skipped Delete x1.",
            "3 row 4 route 0 Insert 5.",
            "advance 3",
        ]
    );
}

#[test]
fn without_gtids_a_transaction_is_named_by_where_it_starts() {
    let ops = [table("ops", vec![route(0, "i", &["id"])])];
    let (items, result) = read(OPERATIONS, &ops, from_start(false));
    result.unwrap();
    let ends: Vec<FilePosition> = items
        .iter()
        .filter_map(|item| match item {
            StreamItem::Advance(advance) => Some(advance.end.clone()),
            _ => None,
        })
        .collect();
    let StreamItem::Row(first) = &items[1] else {
        panic!("{:?}", items[1])
    };
    assert_eq!(
        first.id.transaction.id,
        TransactionId::File(ends[0].clone())
    );
    // Taken up again there, the same stream follows.
    let mut checkpoint = from_start(false);
    checkpoint.position = Position::File(ends[1].clone());
    let (rest, result) = read(OPERATIONS, &ops, checkpoint);
    result.unwrap();
    assert_eq!(lines(&rest), lines(&items)[5..]);
}

#[test]
fn the_commit_time_is_the_servers_to_the_microsecond() {
    let (items, _) = read(
        TYPES,
        &[table("types", vec![route(0, "i", &["id"])])],
        from_start(true),
    );
    let StreamItem::Row(change) = &items[1] else {
        panic!("{:?}", items[1])
    };
    let micros = change.id.transaction.committed_at.0;
    assert!(
        micros > 1_700_000_000_000_000 && micros % 1_000_000 != 0,
        "{micros}"
    );
    assert_eq!(change.captured_at, Micros(7));
}

#[test]
fn a_large_transaction_comes_in_pieces_of_bounded_size() {
    let leads = [table(
        "leads",
        vec![route(0, "i", &["id", "company", "email", "created_at"])],
    )];
    let mut pieces = Vec::new();
    let checkpoint = from_start(true);
    replay(
        LEADS,
        &leads,
        checkpoint,
        || Micros(0),
        |items, bytes| pieces.push((items.len(), bytes)),
    )
    .unwrap();
    let total: usize = pieces.iter().map(|(items, _)| items).sum();
    // 400 rows, the end of their transaction, the rotation behind it.
    assert_eq!(total, 402);
    assert!(pieces.len() > 1, "{pieces:?}");
    assert!(
        pieces.iter().all(|(_, bytes)| *bytes < 68 * 1024),
        "{pieces:?}"
    );
}

#[test]
fn what_cannot_be_trusted_stops_the_stream_with_its_reason() {
    let ops = [table("ops", vec![route(0, "i", &["id"])])];
    let page = |binlog: &[u8], tables: &[RoutedTable]| {
        let (items, result) = read(binlog, tables, from_start(true));
        (items.len(), result.unwrap_err().page())
    };
    assert_eq!(
        page(STATEMENT, &ops),
        (3, "LS1044"),
        "a change logged as a statement, of another table of the schema even"
    );
    assert_eq!(page(UNNAMED, &ops).1, "LS1050", "a table map without names");
}

#[test]
fn rows_that_lack_a_column_are_kept_whole_and_other_routes_get_theirs() {
    let routes = |second: &str| {
        let fits = route(0, "i", &["id", "name"]);
        [table("ops", vec![fits, route(1, "i", &["id", second])])]
    };
    // Both end at the same insert, whose image leaves a column out.
    let (mapped, result) = read(OPERATIONS, &routes("name"), from_start(true));
    assert_eq!(result.unwrap_err().page(), "LS1052");
    let (kept, result) = read(OPERATIONS, &routes("nmae"), from_start(true));
    assert_eq!(result.unwrap_err().page(), "LS1052");
    assert_eq!(mapped.len(), kept.len());
    let mut rows = 0;
    for (mapped, kept) in mapped.iter().zip(&kept) {
        let StreamItem::Unmapped(kept) = kept else {
            assert_eq!(mapped, kept, "what does not lack anything is as ever");
            continue;
        };
        rows += 1;
        let StreamItem::Row(mapped) = mapped else {
            panic!("{mapped:?}");
        };
        assert_eq!(
            (mapped.id.route, kept.lack.column.as_str()),
            (RouteId(1), "nmae")
        );
        assert!(kept.lack.remedy.contains("\"name\""), "{:?}", kept.lack);
        assert_eq!(mapped.id, kept.id);
        assert_eq!(mapped.last_of_row, kept.last_of_row);
        // Mapped later by the right name, it gives the same values.
        let columns = ["id", "name"].map(str::to_owned);
        let back = SourceRow::from_json(&kept.row.to_json()).unwrap();
        assert_eq!(
            back.pick(&kept.id.table, &columns),
            Ok(mapped.values.clone())
        );
        assert!(
            kept.row.column("note").is_some(),
            "columns that nobody wanted"
        );
    }
    assert!(rows > 0);
}

#[test]
fn changes_of_other_tables_stop_nothing() {
    let other = [table("elsewhere", vec![route(0, "i", &["id"])])];
    let mut far = other.clone();
    far[0].name.schema = "far".to_owned();
    for (binlog, routed) in [
        (XA, &other),
        // What is logged as a statement may change any table of its schema.
        (STATEMENT, &far),
        (UNNAMED, &other),
        (TYPES, &other),
    ] {
        let (items, result) = read(binlog, routed, from_start(true));
        result.unwrap();
        assert!(
            items
                .iter()
                .all(|item| matches!(item, StreamItem::Advance(_)))
        );
    }
}

#[test]
fn a_flipped_bit_anywhere_is_an_error_and_never_a_different_row() {
    let ops = [table("ops", vec![route(0, "i", &["id", "name", "note"])])];
    let whole = lines(&read(OPERATIONS, &ops, from_start(true)).0);
    // Behind the format description, whose own damage changes how the rest is split.
    let mut offset = 130;
    while offset < OPERATIONS.len() {
        let mut damaged = OPERATIONS.to_vec();
        damaged[offset] ^= 0x10;
        let outcome = std::panic::catch_unwind(|| read(&damaged, &ops, from_start(true)));
        // A wrong length makes the driver panic; live, that is a reconnect.
        if let Ok((items, result)) = outcome {
            let read = lines(&items);
            assert!(result.is_err(), "offset {offset} went unnoticed");
            let common = whole.iter().zip(&read).filter(|(a, b)| a == b).count();
            assert!(common + 1 >= read.len(), "offset {offset}: {read:?}");
        }
        offset += 37;
    }
}

#[test]
fn statements_that_change_a_routed_table_are_told_with_their_place() {
    let ops = [table("ops", vec![route(0, "i", &["id"])])];
    let mut told = Vec::new();
    let each = |items: Vec<StreamItem>, _| {
        told.extend(items.into_iter().filter_map(|item| match item {
            StreamItem::Altered(alteration) => Some(alteration),
            _ => None,
        }));
    };
    let _ = replay(OPERATIONS, &ops, from_start(true), || Micros(7), each);
    assert_eq!(told[0].what, Altered::Created, "{told:?}");
    let text = told[0].to_string();
    assert!(
        text.starts_with("table shop.ops was created just before binlog.000001:"),
        "{text}"
    );
}
