//! Reads a binlog file instead of a connection: the same decoding, for tests and benches.
//!
//! Takes the whole file as bytes; nothing bounds its memory. Not for production.

use std::sync::Arc;

use mysql_async::{EventReader, Payload};

use super::assembler::Assembler;
use super::error::Error;
use super::progress::Progress;
use super::routing::Routing;
use super::settings::RoutedTable;
use crate::core::change::StreamItem;
use crate::core::position::{Checkpoint, FilePosition};
use crate::core::schema::TableSchema;
use crate::core::time::Micros;

const MAGIC: [u8; 4] = [0xFE, b'b', b'i', b'n'];

/// The stream items of a binlog file behind `checkpoint`, piece by piece.
///
/// # Errors
/// What live capture would stop at; what came before it has been passed on.
pub fn replay(
    binlog: &[u8],
    tables: &[RoutedTable],
    checkpoint: Checkpoint,
    clock: fn() -> Micros,
    each: impl FnMut(Vec<StreamItem>, usize),
) -> Result<(), Error> {
    replay_with_schemas(binlog, tables, &[], checkpoint, clock, each)
}

/// The same where it is known what the tables looked like at the checkpoint: rows may then leave
/// out what took a constant default.
///
/// # Errors
/// As above.
pub fn replay_with_schemas(
    binlog: &[u8],
    tables: &[RoutedTable],
    schemas: &[TableSchema],
    checkpoint: Checkpoint,
    clock: fn() -> Micros,
    mut each: impl FnMut(Vec<StreamItem>, usize),
) -> Result<(), Error> {
    let at = FilePosition {
        file: Arc::clone(&checkpoint.end.file),
        offset: 4,
    };
    let routing = Arc::new(Routing::new(tables, false));
    let mut assembler =
        Assembler::new(routing, Progress::from(checkpoint), at, clock).with_schemas(schemas, None);
    let mut accepted = read_file(binlog, &mut assembler, &mut each);
    if accepted.is_ok() && assembler.is_in_payload() {
        accepted = Err(assembler.payload_broken("its events are not all there".to_owned()));
    }
    assembler.flush();
    hand_on(&mut assembler, &mut each);
    accepted
}

fn read_file(
    binlog: &[u8],
    assembler: &mut Assembler,
    each: &mut impl FnMut(Vec<StreamItem>, usize),
) -> Result<(), Error> {
    let mut events = EventReader::new();
    let mut rest = binlog.strip_prefix(&MAGIC).ok_or(Error::StreamBroken {
        source: "this is no binlog".into(),
    })?;
    while !rest.is_empty() {
        let size = rest
            .get(9..13)
            .and_then(|size| size.try_into().ok())
            .map_or(0, u32::from_le_bytes);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        // What is left is shorter than it says: the reader has the words for it.
        let (bytes, behind) = rest.split_at(size.clamp(19, rest.len().max(19)).min(rest.len()));
        rest = behind;
        let read = events.read(bytes);
        let (event, packed) = read.map_err(|error| assembler.unreadable(error))?;
        let payload = packed
            .map(|packed| Payload::new(bytes.to_vec(), 0, packed))
            .transpose();
        let mut payload = payload.map_err(|error| assembler.unreadable(error))?;
        assembler.accept(&event)?;
        hand_on(assembler, each);
        while let Some(payload) = &mut payload {
            let read = payload.read(&events);
            let Some(event) = read.map_err(|error| assembler.unreadable(error))? else {
                break;
            };
            assembler.accept(&event)?;
            hand_on(assembler, each);
        }
    }
    Ok(())
}

fn hand_on(assembler: &mut Assembler, each: &mut impl FnMut(Vec<StreamItem>, usize)) {
    while let Some(piece) = assembler.pop() {
        each(piece.items, piece.bytes);
    }
}
