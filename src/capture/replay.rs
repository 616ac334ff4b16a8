//! Reads a binlog file instead of a connection: the same decoding, for tests and benches.
//!
//! Takes the whole file as bytes; nothing bounds its memory. Not for production.

use std::sync::Arc;

use mysql_async::binlog::BinlogVersion;
use mysql_async::binlog::events::TransactionPayloadEvent;
use mysql_common::binlog::{BinlogFileHeader, EventStreamReader};

use super::assembler::Assembler;
use super::error::Error;
use super::progress::Progress;
use super::routing::Routing;
use super::settings::RoutedTable;
use crate::core::change::StreamItem;
use crate::core::position::{Checkpoint, FilePosition};
use crate::core::time::Micros;

const TRANSACTION_PAYLOAD: u8 = 40;

/// The stream items of a binlog file behind `checkpoint`, piece by piece.
///
/// # Errors
/// What live capture would stop at; what came before it has been passed on.
pub fn replay(
    binlog: &[u8],
    tables: &[RoutedTable],
    checkpoint: Checkpoint,
    clock: fn() -> Micros,
    mut each: impl FnMut(Vec<StreamItem>, usize),
) -> Result<(), Error> {
    let at = FilePosition {
        file: Arc::clone(&checkpoint.end.file),
        offset: 4,
    };
    let routing = Arc::new(Routing::new(tables, false));
    let mut assembler = Assembler::new(routing, Progress::from(checkpoint), at, clock);
    let mut reader = EventStreamReader::new(BinlogVersion::Version4);
    let broken = |error: std::io::Error| Error::StreamBroken {
        source: Box::new(error),
    };
    let mut input = binlog;
    BinlogFileHeader::read(&mut input).map_err(broken)?;
    let mut accepted = Ok(());
    while accepted.is_ok() {
        let Some(event) = reader.read(&mut input).map_err(broken)? else {
            break;
        };
        accepted = assembler.accept(&event);
        if accepted.is_ok() && event.header().event_type_raw() == TRANSACTION_PAYLOAD {
            let payload: TransactionPayloadEvent<'_> = event.read_event().map_err(broken)?;
            let mut inner = payload.decompressed().map_err(broken)?;
            while accepted.is_ok() {
                let Some(event) = reader.read_decompressed(&mut inner).map_err(broken)? else {
                    break;
                };
                accepted = assembler.accept(&event);
            }
        }
        while let Some(piece) = assembler.pop() {
            each(piece.items, piece.bytes);
        }
    }
    assembler.flush();
    while let Some(piece) = assembler.pop() {
        each(piece.items, piece.bytes);
    }
    accepted
}
