//! Binlogs recorded from MariaDB 10.11 (`tests/fixtures/mariadb.sql`), read through [`replay`];
//! damage is done to their bytes.

use std::sync::Arc;

use mysql_common::binlog::EventStreamReader;
use mysql_common::binlog::consts::BinlogVersion;

use super::*;
use crate::capture::assembler::Assembler;
use crate::capture::error::Error;
use crate::capture::progress::Progress;
use crate::capture::replay::replay;
use crate::capture::routing::Routing;
use crate::capture::settings::{RoutedTable, TableRoute};
use crate::capture::testing::short;
use crate::core::change::{RouteId, StreamItem};
use crate::core::position::{
    Checkpoint, FilePosition, Gtids, Inside, MariaDbPosition, Position, TransactionId,
};
use crate::core::schema::TableName;
use crate::core::time::Micros;
use crate::core::value::Value;

const PLAIN: &[u8] = include_bytes!("../../../tests/fixtures/mariadb.binlog");
const COMPRESSED: &[u8] = include_bytes!("../../../tests/fixtures/mariadb_compressed.binlog");
const TYPES: &[u8] = include_bytes!("../../../tests/fixtures/mariadb_types.binlog");

fn table(name: &str, columns: &[&str]) -> RoutedTable {
    RoutedTable {
        name: TableName {
            schema: "shop".to_owned(),
            table: name.to_owned(),
        },
        routes: vec![TableRoute {
            name: name.to_owned(),
            route: RouteId(0),
            insert: true,
            update: true,
            delete: true,
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        }],
    }
}

fn at(position: &str) -> Checkpoint {
    Checkpoint {
        server_uuid: "mariadb:1".to_owned(),
        position: position.parse().unwrap(),
        end: FilePosition {
            file: "binlog.000001".into(),
            offset: 4,
        },
        inside: Default::default(),
    }
}

fn read(
    binlog: &[u8],
    table: RoutedTable,
    from: Checkpoint,
) -> (Vec<StreamItem>, Result<(), Error>) {
    let mut all = Vec::new();
    let result = replay(
        binlog,
        &[table],
        from,
        || Micros(7),
        |items, _| all.extend(items),
    );
    (all, result)
}

/// One line per item: `0-1-4/0 Insert Ada`, `to 0-1-5`.
fn lines(items: &[StreamItem]) -> Vec<String> {
    items
        .iter()
        .filter(|item| !matches!(item, StreamItem::Altered(_)))
        .map(|item| match item {
            StreamItem::Row(change) => {
                let id = &change.id;
                let values: Vec<String> = change.values.iter().map(short).collect();
                let transaction = &id.transaction.id;
                format!(
                    "{transaction}/{} {:?} {}",
                    id.row,
                    change.operation,
                    values.join(" ")
                )
            }
            StreamItem::Skipped(skipped) => {
                let id = &skipped.id;
                let rule = skipped.rule.as_str();
                format!("{}/{} {rule}", id.transaction.id, id.row)
            }
            StreamItem::Advance(advance) => match &advance.gtids {
                Gtids::MariaDb(position) => format!("to {position}"),
                other => format!("{other:?}"),
            },
            other => format!("{other:?}"),
        })
        .collect()
}

const LEADS: [&str; 10] = [
    "to 0-1-3",
    "0-1-4/0 Insert 1 Ada",
    "0-1-4/1 Insert 2 Grüße",
    "to 0-1-4",
    "to 0-1-5",
    "7-1-1/0 Insert 3 Bob",
    "7-1-1/1 unchanged",
    "to 7-1-1",
    "to 0-1-6",
    "0-1-7/0 Delete 1 Ada",
];

#[test]
fn transactions_of_two_domains_become_rows_and_advances() {
    let (items, result) = read(PLAIN, table("leads", &["id", "name"]), at("mariadb:"));
    result.unwrap();
    let lines = lines(&items);
    assert_eq!(lines[..10], LEADS);
    // XA transactions, a rollback and a table without transactions, none of them routed; then the next file.
    assert_eq!(
        lines[10..],
        [
            "to 0-1-7",
            "to 0-1-14",
            "0-1-15/0 Insert 4 Cyd",
            "to 0-1-15",
            "None"
        ]
    );
    let row = items.iter().find_map(|item| match item {
        StreamItem::Row(row) => Some(row),
        _ => None,
    });
    let row = row.unwrap();
    let seconds = u32::from_le_bytes(*PLAIN[868..].first_chunk().unwrap());
    assert_eq!(
        row.id.transaction.committed_at,
        Micros(i64::from(seconds) * 1_000_000)
    );
}

#[test]
fn a_table_without_transactions_ends_with_its_commit() {
    let (items, result) = read(PLAIN, table("mem", &["id"]), at("mariadb:"));
    result.unwrap();
    let found = lines(&items);
    assert!(found.contains(&"0-1-14/0 Insert 1".to_owned()), "{found:?}");
    assert!(found.contains(&"to 0-1-14".to_owned()), "{found:?}");
}

#[test]
fn rows_of_an_xa_transaction_come_with_its_commit_and_a_place_is_held_before_it() {
    let (items, result) = read(PLAIN, table("orders", &["id"]), at("mariadb:"));
    result.unwrap();
    let lines = lines(&items);
    let first = lines
        .iter()
        .position(|line| line.starts_with("Hold"))
        .unwrap();
    for (line, expected) in lines[first - 1..].iter().zip(XA) {
        assert!(
            line.starts_with(expected),
            "{line} is not {expected}: {lines:#?}"
        );
    }
}

/// Committed; rolled back; committed without a prepare.
const XA: [&str; 11] = [
    "to 0-1-7,7-1-1",
    "Hold(Some(MariaDb(",
    "None",
    "0-1-9/0 Insert 3",
    "to 0-1-9",
    "Hold(None)",
    "Hold(Some(MariaDb(",
    "None",
    "to 0-1-11",
    "Hold(None)",
    "0-1-12/0 Insert 5",
];

/// What is read again from a held place must be what was read.
#[test]
fn what_is_read_again_from_a_held_place_must_lead_to_where_we_were() {
    let routing = || Arc::new(Routing::new(&[table("leads", &["id"])], false));
    for (position, page) in [
        ("mariadb:0-1-3,7-1-1", None),
        ("mariadb:0-2-3", Some("LS1027")),
        ("mariadb:7-1-9", None),
        ("mariadb:7-2-1", Some("LS1027")),
    ] {
        let mut progress = Progress::from(at(position));
        progress.held = Some(Position::MariaDb(MariaDbPosition::default()));
        let start = progress.end.clone();
        let mut assembler = Assembler::new(routing(), progress, start, || Micros(0));
        let mut reader = EventStreamReader::new(BinlogVersion::Version4);
        let mut input = &PLAIN[4..];
        let mut found = None;
        while let Some(event) = reader.read(&mut input).unwrap() {
            if let Err(error) = assembler.accept(&event) {
                found = Some(error.page());
                break;
            }
        }
        assert_eq!(found, page, "{position}");
    }
}

#[test]
fn another_server_is_told_with_what_is_held() {
    let mut progress = Progress::from(at("mariadb:0-1-3"));
    progress.held = Some(Position::MariaDb(MariaDbPosition::default()));
    let start = progress.end.clone();
    let routing = Arc::new(Routing::new(&[table("leads", &["id"])], false));
    let mut assembler = Assembler::new(routing, progress, start, || Micros(0));
    assembler.read_from("mariadb:2");
    let mut reader = EventStreamReader::new(BinlogVersion::Version4);
    let mut input = &PLAIN[4..];
    while let Some(event) = reader.read(&mut input).unwrap() {
        assembler.accept(&event).unwrap();
    }
    assembler.flush();
    let piece = assembler.pop().unwrap();
    let told = piece
        .items
        .iter()
        .position(|item| matches!(item, StreamItem::Restart(_)));
    let next = &piece.items[told.unwrap() + 1];
    assert!(matches!(next, StreamItem::Hold(Some(_))), "{next:?}");
}

#[test]
fn a_transaction_that_was_half_handed_on_goes_on_inside() {
    let mut from = at("mariadb:0-1-3");
    let transaction: TransactionId = "7-1-1".parse().unwrap();
    let rows = [("shop.leads".to_owned(), 1)].into();
    from.inside.set(Inside { transaction, rows });
    // The server would send what follows the position: cut out 0-1-1 to 0-1-3.
    let mut binlog = PLAIN[..325].to_vec();
    binlog.extend_from_slice(&PLAIN[868..]);
    let (items, result) = read(&binlog, table("leads", &["id", "name"]), from);
    result.unwrap();
    assert_eq!(
        lines(&items)[..5],
        [LEADS[1], LEADS[2], LEADS[3], LEADS[4], LEADS[6]]
    );
}

#[test]
fn a_sequence_number_that_does_not_rise_stops_the_stream_before_its_rows() {
    for (position, found, last) in [
        ("mariadb:0-1-3,7-1-1", "0-1-1", "0-1-3"),
        ("mariadb:0-9-1", "0-1-1", "0-9-1"),
        ("mariadb:7-1-5", "7-1-1", "7-1-5"),
    ] {
        let (_, result) = read(PLAIN, table("leads", &["id"]), at(position));
        match result {
            Err(Error::SequenceFell {
                found: f, last: l, ..
            }) => {
                assert_eq!((f.as_str(), l.as_str()), (found, last));
            }
            other => panic!("{position}: {other:?}"),
        }
    }
    // Among transactions without routed rows, which are merged and not yet behind us.
    let mut binlog = PLAIN[..1448].to_vec();
    binlog.extend_from_slice(&PLAIN[1189..1448]);
    let (items, result) = read(&binlog, table("none", &["id"]), at("mariadb:"));
    assert_eq!(result.unwrap_err().page(), "LS1070");
    assert_eq!(lines(&items), ["to 0-1-5"]);
}

#[test]
fn a_checkpoint_of_another_kind_is_refused() {
    let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5";
    for position in [uuid, "file:binlog.000001:4"] {
        let (_, result) = read(PLAIN, table("leads", &["id"]), at(position));
        assert_eq!(result.unwrap_err().page(), "LS1071", "{position}");
    }
}

#[test]
fn compressed_events_become_what_they_were() {
    let leads = table("leads", &["id", "name", "note"]);
    let (items, result) = read(COMPRESSED, leads, at("mariadb:0-1-15,7-1-1"));
    // The last transaction is a statement, compressed too.
    assert_eq!(result.unwrap_err().page(), "LS1044");
    let found = lines(&items);
    assert_eq!(
        found,
        [
            "0-1-16/0 Insert 5 [60] [2000]",
            "0-1-16/1 Insert 6 Dan [200]",
            "to 0-1-16",
            "to 0-1-17",
            "0-1-18/0 Update 4 Cyd [300]",
            "0-1-18/1 Update 5 [60] [300]",
            "0-1-18/2 Update 6 Dan [300]",
            "to 0-1-18",
            "0-1-19/0 Delete 4 Cyd [300]",
            "0-1-19/1 Delete 5 [60] [300]",
            "0-1-19/2 Delete 6 Dan [300]",
            "to 0-1-19",
            "to 0-1-20",
        ]
    );
}

/// Where the compressed rows event of 0-1-16 begins and ends.
const ROWS: std::ops::Range<usize> = 630..723;

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xEDB8_8320 * (sum & 1))
        })
    })
}

/// Changes an event's body and makes its checksum right again.
fn with_body(change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut binlog = COMPRESSED.to_vec();
    let body = ROWS.start..ROWS.end - 4;
    change(&mut binlog[body.clone()]);
    let sum = crc32(&binlog[body]);
    binlog[ROWS.end - 4..ROWS.end].copy_from_slice(&sum.to_le_bytes());
    binlog
}

#[test]
fn damage_is_found_by_the_checksum() {
    for offset in [ROWS.start + 19, ROWS.start + 50, 355 + 19, 528 + 30] {
        let mut binlog = COMPRESSED.to_vec();
        binlog[offset] ^= 1;
        let leads = table("leads", &["id"]);
        let (_, result) = read(&binlog, leads, at("mariadb:0-1-15"));
        assert_eq!(result.unwrap_err().page(), "LS1040", "byte {offset}");
    }
}

#[test]
fn no_damage_behind_a_right_checksum_makes_rows_or_a_panic() {
    let (good, _) = read(
        COMPRESSED,
        table("leads", &["id", "note"]),
        at("mariadb:0-1-15"),
    );
    // Behind the head of 19, the id and flags of 8, the columns' number and their bitmap.
    for offset in 19 + 10..ROWS.len() - 4 {
        for bit in 0..8 {
            let binlog = with_body(|body| body[offset] ^= 1 << bit);
            let leads = table("leads", &["id", "note"]);
            let (items, result) = read(&binlog, leads, at("mariadb:0-1-15"));
            let page = result.unwrap_err().page();
            // zlib's own checksum stands at the end of the stream; a frame's head has spare bits.
            assert!(
                page == "LS1048" || items == good,
                "byte {offset} bit {bit}: {page}, {items:?}"
            );
        }
    }
}

#[test]
fn a_claimed_length_allocates_nothing() {
    // Four bytes of length instead of two, which then name 2 GiB and more.
    let binlog = with_body(|body| {
        body[19 + 10] = 0x84;
        body[19 + 11..19 + 15].copy_from_slice(&[0x80, 0, 0, 0]);
    });
    let (_, result) = read(&binlog, table("leads", &["id"]), at("mariadb:0-1-15"));
    match result {
        Err(Error::Event { reason, .. }) => assert!(reason.contains("too many"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

fn types(columns: &[&str]) -> Vec<StreamItem> {
    let (items, result) = read(TYPES, table("types", columns), at("mariadb:0-1-21"));
    result.unwrap();
    items
}

/// The values of one column, over the first rows.
fn column(name: &str, rows: usize) -> Vec<String> {
    let items = types(&[name]);
    let values = items.iter().filter_map(|item| match item {
        StreamItem::Row(change) => Some(short(&change.values[0])),
        _ => None,
    });
    values.take(rows).collect()
}

#[test]
fn values_are_those_that_were_inserted() {
    assert_eq!(column("id", 1), ["UInt(18446744073709551615)"]);
    assert_eq!(column("y", 3), ["Year(2026)", "Year(0)", "null"]);
    // Behind a YEAR, a BIT and a POINT: signs must not shift.
    assert_eq!(column("su", 2), ["UInt(65535)", "UInt(0)"]);
    assert_eq!(column("ti", 2), ["-1", "1"]);
    assert_eq!(column("bi", 2), ["Bit(21)", "Bit(0)"]);
    assert_eq!(column("mi", 2), ["-2", "8388607"]);
    assert_eq!(
        column("d", 2),
        ["Decimal(\"-1234.50\")", "Decimal(\"0.00\")"]
    );
    assert_eq!(column("e", 2), ["ß", "null"]);
    assert_eq!(column("s", 2), ["x,y", ""]);
    // JSON is text here.
    assert_eq!(column("j", 2), ["{\"a\": 1}", "null"]);
    assert_eq!(column("f", 1), ["Float(1.5)"]);
    assert_eq!(column("db", 1), ["Double(-2.25)"]);
    assert_eq!(column("gen", 2), ["0", "2"]);
    assert_eq!(column("inv", 1), ["5"]);
    // Charsets are counted over compressed columns, too.
    assert_eq!(column("ch", 2), ["ähm", ""]);
    let micros = 1_795_375_221_987_000_i64;
    assert_eq!(
        column("ts", 2),
        [format!("Timestamp({micros})"), "null".to_owned()]
    );
    let longest = (838 * 3600 + 59 * 60 + 59) * 1_000_000_i64;
    let times = [
        format!("Time({})", -3_723_450_000_i64),
        format!("Time({longest})"),
    ];
    assert_eq!(column("tm", 2), times);
}

#[test]
fn compressed_columns_are_unpacked() {
    let items = types(&["c", "t", "v", "bl"]);
    let mut rows = items.iter().filter_map(|item| match item {
        StreamItem::Row(change) => Some(change.values.to_vec()),
        _ => None,
    });
    let text = |text: String| Some(Value::Text(text));
    let bytes = |bytes: &[u8]| Some(Value::Bytes(bytes.to_vec()));
    assert_eq!(
        rows.next().unwrap(),
        [
            text("äbc".repeat(30)),
            text("ü".repeat(500)),
            bytes(&[b'v'; 40]),
            bytes(&[b'b'; 100]),
        ]
    );
    let short = [
        text("short".to_owned()),
        text("a".to_owned()),
        bytes(b"v"),
        bytes(b""),
    ];
    assert_eq!(rows.next().unwrap(), short);
    assert_eq!(rows.next().unwrap(), [const { Some(Value::Null) }; 4]);
}

#[test]
fn damaged_compressed_values_are_refused() {
    assert_eq!(unpack_column(Vec::new()), Ok(Vec::new()));
    assert_eq!(unpack_column(b"\0x".to_vec()), Ok(b"x".to_vec()));
    // "x" 500 times, as the server wrote it.
    let good = [
        0x8a, 0x01, 0xf4, 0xab, 0xa8, 0x18, 0x05, 0x23, 0x0d, 0x00, 0x00,
    ];
    assert_eq!(unpack_column(good.to_vec()), Ok(vec![b'x'; 500]));
    for length in 1..good.len() - 1 {
        assert!(unpack_column(good[..length].to_vec()).is_err(), "{length}");
    }
    for (byte, value) in [(0, 0x9a), (0, 0x88), (0, 0x8f), (2, 0xf3), (2, 0xf5)] {
        let mut bad = good;
        bad[byte] = value;
        assert!(unpack_column(bad.to_vec()).is_err(), "{byte} {value:#x}");
    }
}

#[test]
fn uuids_and_addresses_become_the_text_that_select_prints() {
    let items = types(&["u", "i6", "i4", "b"]);
    let mut found = Vec::new();
    for item in &items {
        let StreamItem::Row(change) = item else {
            continue;
        };
        let kinds = [TextType::Uuid, TextType::Inet6, TextType::Inet4];
        let texts: Vec<String> = change.values[..3]
            .iter()
            .zip(kinds)
            .map(|(value, kind)| match value {
                Some(Value::Bytes(bytes)) => kind.text(bytes.clone()).unwrap(),
                other => short(other),
            })
            .collect();
        found.push(texts.join(" "));
    }
    assert_eq!(
        found,
        [
            "123e4567-e89b-12d3-a456-426655440000 2001:db8::1 10.1.2.3",
            "0189d0f4-5e0a-7cc3-98c4-dc0c0c07398f :: 0.0.0.0",
            "00000000-0000-0000-0000-000000000000 ::ffff:192.0.2.1 null",
            "null ::192.0.2.1 null",
            "null 1:0:0:2::3 null",
            "null ::0.1.0.2 null",
            "null 1::2:3:4:5:6:7 null",
        ]
    );
    assert!(TextType::Inet4.text(vec![0; 5]).is_err());
}

#[test]
fn dates_in_the_old_format_are_refused_with_the_reason() {
    let (_, result) = read(TYPES, table("old", &["id"]), at("mariadb:0-1-21"));
    match result {
        Err(Error::ColumnType { column, kind, .. }) => {
            assert_eq!(column, "dt");
            assert!(kind.contains("mysql56_temporal_format"), "{kind}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_that_lacks_a_domain_or_is_behind_in_one_is_told_by_name() {
    let position = |text: &str| match format!("mariadb:{text}").parse() {
        Ok(Position::MariaDb(position)) => position,
        other => panic!("{other:?}"),
    };
    let ours = position("0-1-10,1-2-5");
    for (theirs, missing) in [
        ("0-3-10,1-2-6,9-9-9", ""),
        ("0-1-9,1-2-5", "0-1-10"),
        ("0-1-11", "1-2-5"),
        ("", "0-1-10,1-2-5"),
    ] {
        assert_eq!(
            history::lacking(&position(theirs), &ours).to_string(),
            missing,
            "{theirs}"
        );
    }
}
