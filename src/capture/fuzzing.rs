//! What the fuzz targets call: the decoders as functions of bytes. Nothing may panic, hang, or
//! allocate by a number that was not compared with what is there.
//!
//! `mysql_common` and `mysql_cdc` may panic on events whose checksum is right and whose body is
//! not; the session's task survives that (LS1033). So do the targets; a panic of ours ends them.

use std::panic::{catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Once};

use flate2::Crc;

use super::settings::{RoutedTable, TableRoute};
use super::{json, replay};
use crate::core::change::RouteId;
use crate::core::position::{Checkpoint, FilePosition, GtidSet, MariaDbPosition, Position};
use crate::core::schema::TableName;
use crate::core::time::Micros;

const HEADER: usize = 19;
const CHECKSUM: usize = 4;
/// An anonymous transaction that was recorded from MySQL 9.7, without header and checksum.
const ANONYMOUS: [u8; 54] = {
    let mut body = [0; 54];
    body[25] = 2;
    body
};

/// A binlog's events behind its magic number. Checksums are put right, so that damage gets further.
pub fn events(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    let mut place = 0;
    while let Some(size) = bytes.get(place + 9..place + 13) {
        let size = u32::from_le_bytes([size[0], size[1], size[2], size[3]]) as usize;
        let Some(event) = bytes.get_mut(place..place.saturating_add(size)) else {
            break;
        };
        if size < HEADER + CHECKSUM {
            break;
        }
        let mut sum = Crc::new();
        sum.update(&event[..size - CHECKSUM]);
        event[size - CHECKSUM..].copy_from_slice(&sum.sum().to_le_bytes());
        place += size;
    }
    let mut binlog = b"\xFEbin".to_vec();
    binlog.extend(bytes);
    // Each kind of server is followed by a position of its own kind.
    read(&binlog, Position::File(start()));
    read(&binlog, Position::Gtid(GtidSet::default()));
    read(&binlog, Position::MariaDb(MariaDbPosition::default()));
}

/// What stands behind the names in a table map of `shop.ops`.
pub fn table_map(bytes: &[u8]) {
    let binlog = transaction(&[(19, &named(bytes))]);
    read(&binlog, Position::File(start()));
}

/// A table map as above, its length in two bytes before it; the kind of a rows event; its body
/// behind the table id.
pub fn rows(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (map, rest) = rest.split_at(length);
    let Some((kind, body)) = rest.split_first() else {
        return;
    };
    let mut event = vec![7, 0, 0, 0, 0, 0];
    event.extend(body);
    let binlog = transaction(&[(19, &named(map)), (*kind, &event)]);
    read(&binlog, Position::File(start()));
}

/// A JSON column's bytes.
pub fn jsonb(bytes: &[u8]) {
    tolerant(|| {
        let bytes = bytes.to_vec();
        let _ = json::text(&bytes);
    });
}

fn named(tail: &[u8]) -> Vec<u8> {
    let mut body = vec![7, 0, 0, 0, 0, 0, 1, 0];
    body.extend(b"\x04shop\0\x03ops\0");
    body.extend(tail);
    body
}

/// Those events between BEGIN and COMMIT, without checksums.
fn transaction(events: &[(u8, &[u8])]) -> Vec<u8> {
    let mut begin = vec![0; 13];
    begin.extend(b"\0BEGIN");
    let mut binlog = b"\xFEbin".to_vec();
    let mut put = |kind: u8, body: &[u8]| {
        let size = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
        binlog.extend([0, 0, 0, 0, kind, 1, 0, 0, 0]);
        binlog.extend(size.to_le_bytes());
        binlog.extend([0; 6]);
        binlog.extend(body);
    };
    put(34, &ANONYMOUS);
    put(2, &begin);
    for (kind, body) in events {
        put(*kind, body);
    }
    put(16, &[0; 8]);
    binlog
}

fn start() -> FilePosition {
    FilePosition {
        file: Arc::from("binlog.000001"),
        offset: 4,
    }
}

fn read(binlog: &[u8], position: Position) {
    let table = |name: &str, columns: &[&str]| RoutedTable {
        name: TableName {
            schema: "shop".to_owned(),
            table: name.to_owned(),
        },
        routes: vec![TableRoute {
            route: RouteId(0),
            name: name.to_owned(),
            insert: true,
            update: true,
            delete: true,
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        }],
    };
    let tables = [
        table("ops", &["id", "name", "note"]),
        table("types", &["id", "j", "de", "ts6", "e", "se", "b64", "last"]),
        table("leads", &["id", "company", "email", "created_at"]),
        table("old", &["id", "dt", "ts"]),
    ];
    let checkpoint = Checkpoint {
        server_uuid: String::new(),
        position,
        end: start(),
        inside: Default::default(),
    };
    tolerant(|| {
        let _ = replay(binlog, &tables, checkpoint, || Micros(0), |_, _| {});
    });
}

/// Runs it; a panic in the drivers' code is theirs, any other ends the process.
fn tolerant(run: impl FnOnce() + std::panic::UnwindSafe) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        // libFuzzer's: it tells and aborts.
        let fail = take_hook();
        set_hook(Box::new(move |panic| {
            let file = panic.location().map_or("", |location| location.file());
            if !file.contains("/mysql_common-") && !file.contains("/mysql_cdc-") {
                fail(panic);
            }
        }));
    });
    let _ = catch_unwind(run);
}
