//! What only a server's own stream can show, held against recorded binlogs.

use mysql_common::binlog::EventStreamReader;
use mysql_common::binlog::consts::BinlogVersion;

use super::*;
use crate::core::position::{Checkpoint, GtidSet};

const LEADS: &[u8] = include_bytes!("../../../tests/fixtures/leads.binlog");
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
        inside: None,
    });
    let routing = Arc::new(Routing::new(&[], false));
    Assembler::new(routing, progress, start, || Micros(0))
}

fn feed(assembler: &mut Assembler) -> Result<(), Error> {
    let mut reader = EventStreamReader::new(BinlogVersion::Version4);
    let mut input = &LEADS[MAGIC_BYTES..];
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
