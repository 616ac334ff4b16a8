//! MariaDB's own events (160 to 171): transactions opened by its GTIDs, compressed events turned
//! into the plain ones.
//!
//! Invariant: a sequence number that does not rise in its domain stops the stream. By number alone
//! such a transaction would count as read, and its rows would be left out.

use std::sync::Arc;

use flate2::Crc;
use mysql_async::binlog::events::{BinlogEventHeader, Event};

use super::compressed::unpack_event;
use crate::capture::assembler::Assembler;
use crate::capture::error::Error;
use crate::capture::table_map::{Found, table_id};
use crate::capture::xa::Branch;
use crate::core::position::{FilePosition, MariaDbGtid, Position, TransactionId};
use crate::core::time::Micros;

/// `log_event.h` of MariaDB 10.11.
mod kind {
    pub(super) const ANNOTATE_ROWS: u8 = 160;
    pub(super) const BINLOG_CHECKPOINT: u8 = 161;
    pub(super) const GTID: u8 = 162;
    pub(super) const GTID_LIST: u8 = 163;
    pub(super) const START_ENCRYPTION: u8 = 164;
    pub(super) const QUERY_COMPRESSED: u8 = 165;
    pub(super) const WRITE_ROWS_COMPRESSED_V1: u8 = 166;
    pub(super) const UPDATE_ROWS_COMPRESSED_V1: u8 = 167;
    pub(super) const DELETE_ROWS_COMPRESSED_V1: u8 = 168;
    pub(super) const WRITE_ROWS_COMPRESSED: u8 = 169;
    pub(super) const UPDATE_ROWS_COMPRESSED: u8 = 170;
    pub(super) const DELETE_ROWS_COMPRESSED: u8 = 171;
}

/// Only one event follows: DDL, or a statement outside of a transaction.
const FL_STANDALONE: u8 = 1;
const FL_PREPARED_XA: u8 = 64;

/// Whether an event type is one of MariaDB's own.
pub(in crate::capture) fn is_own(kind: u8) -> bool {
    (kind::ANNOTATE_ROWS..=kind::DELETE_ROWS_COMPRESSED).contains(&kind)
}

impl Assembler {
    /// Reads one of MariaDB's own events.
    pub(in crate::capture) fn mariadb_event(&mut self, event: &Event) -> Result<(), Error> {
        let number = event.header().event_type_raw();
        let plain = match number {
            kind::GTID => return self.begin_mariadb(event),
            // What the server noted for itself, and the text of a statement whose rows follow. The
            // server sends decrypted events; a file that is read encrypted fails at its checksums.
            kind::ANNOTATE_ROWS
            | kind::BINLOG_CHECKPOINT
            | kind::GTID_LIST
            | kind::START_ENCRYPTION => return Ok(()),
            kind::QUERY_COMPRESSED => plain_query(event.data()).map(|data| (2, data)),
            kind::WRITE_ROWS_COMPRESSED_V1
            | kind::UPDATE_ROWS_COMPRESSED_V1
            | kind::DELETE_ROWS_COMPRESSED_V1
            | kind::WRITE_ROWS_COMPRESSED
            | kind::UPDATE_ROWS_COMPRESSED
            | kind::DELETE_ROWS_COMPRESSED => {
                let id = table_id(event.data()).unwrap_or_default();
                // The rows of others are not worth the unpacking.
                if matches!(self.maps.find(id), Found::Unrouted) {
                    return Ok(());
                }
                plain_rows(event.data(), number).map(|data| (plain_kind(number), data))
            }
            event => {
                return Err(Error::UnknownEvent {
                    event,
                    position: self.at().clone(),
                });
            }
        };
        let (kind, data) = plain.map_err(|reason| self.undecodable(event, reason))?;
        let plain = replaced(event, kind, &data)
            .map_err(|error| self.undecodable(event, error.to_string()))?;
        if kind == 2 {
            self.query(&plain)
        } else {
            self.rows(&plain)
        }
    }

    fn begin_mariadb(&mut self, event: &Event) -> Result<(), Error> {
        self.close_implicit()?;
        let header = event.header();
        let (gtid, flags) = read_gtid(event.data(), header.server_id())
            .ok_or_else(|| self.undecodable(event, "it is too short"))?;
        let Position::MariaDb(read) = &self.progress.position else {
            return Err(Error::OtherKind {
                expected: "MySQL",
                found: "MariaDB",
            });
        };
        let last = self.seen.last(gtid.domain);
        if let Some(last) = last.filter(|last| gtid.sequence <= last.sequence) {
            return Err(Error::SequenceFell {
                found: gtid.to_string(),
                last: last.to_string(),
                position: self.at().clone(),
            });
        }
        // What is read again must lead to where we were: the server compared only the place that
        // it was asked for, and what lies behind that is known by its number alone.
        let reads_again =
            |ours: &&MariaDbGtid| last.is_none_or(|last| last.sequence < ours.sequence);
        let ours = read.last(gtid.domain).filter(reads_again);
        if let Some(ours) = ours.filter(|ours| gtid.sequence >= ours.sequence && gtid != **ours) {
            return Err(Error::NumbersReused {
                transactions: 1,
                ahead: ours.to_string(),
            });
        }
        let is_prepared = flags & FL_PREPARED_XA != 0;
        let before = is_prepared.then(|| self.seen.clone());
        self.seen.insert(gtid);
        let committed_at = Micros(i64::from(header.timestamp()) * 1_000_000);
        let start = FilePosition {
            file: Arc::clone(&self.at().file),
            offset: self
                .at()
                .offset
                .saturating_sub(u64::from(header.event_size())),
        };
        self.open_transaction(TransactionId::MariaDb(gtid), start, committed_at)?;
        if let Some(open) = &mut self.open {
            // There is no BEGIN: the flag says whether an end will come.
            open.begun = flags & FL_STANDALONE == 0;
            open.xa = before.map(Branch::unnamed);
        }
        Ok(())
    }
}

/// Sequence number, domain and flags; what may follow (the group commit's id, the XA transaction's
/// name) is not needed.
fn read_gtid(data: &[u8], server: u32) -> Option<(MariaDbGtid, u8)> {
    let (sequence, rest) = data.split_first_chunk()?;
    let (domain, rest) = rest.split_first_chunk()?;
    let gtid = MariaDbGtid {
        domain: u32::from_le_bytes(*domain),
        server,
        sequence: u64::from_le_bytes(*sequence),
    };
    Some((gtid, *rest.first()?))
}

/// The type of the event that this one would be without compression.
fn plain_kind(kind: u8) -> u8 {
    match kind {
        kind::WRITE_ROWS_COMPRESSED_V1..=kind::DELETE_ROWS_COMPRESSED_V1 => {
            kind - kind::WRITE_ROWS_COMPRESSED_V1 + 23
        }
        _ => kind - kind::WRITE_ROWS_COMPRESSED + 30,
    }
}

/// Only the statement's text is compressed; it stands last.
fn plain_query(data: &[u8]) -> Result<Vec<u8>, String> {
    let head = || -> Option<usize> {
        let schema = usize::from(*data.get(8)?);
        let status = u16::from_le_bytes([*data.get(11)?, *data.get(12)?]);
        Some(13 + usize::from(status) + schema + 1)
    };
    unpack_behind(data, head())
}

/// Only the rows are compressed; they stand behind the bitmaps of the columns.
fn plain_rows(data: &[u8], kind: u8) -> Result<Vec<u8>, String> {
    let head = || -> Option<usize> {
        let mut head = 8;
        if kind >= kind::WRITE_ROWS_COMPRESSED {
            let extra = u16::from_le_bytes([*data.get(8)?, *data.get(9)?]);
            head += usize::from(extra.max(2));
        }
        let (columns, length) = match *data.get(head)? {
            columns @ 0..=250 => (u16::from(columns), 1),
            252 => {
                let columns = [*data.get(head + 1)?, *data.get(head + 2)?];
                (u16::from_le_bytes(columns), 3)
            }
            // MariaDB allows 4,096 columns.
            _ => return None,
        };
        let bitmaps = match kind {
            kind::UPDATE_ROWS_COMPRESSED_V1 | kind::UPDATE_ROWS_COMPRESSED => 2,
            _ => 1,
        };
        Some(head + length + bitmaps * usize::from(columns).div_ceil(8))
    };
    unpack_behind(data, head())
}

fn unpack_behind(data: &[u8], head: Option<usize>) -> Result<Vec<u8>, String> {
    let parts = head.and_then(|head| data.split_at_checked(head));
    let (head, packed) = parts.ok_or("it is too short")?;
    let mut plain = head.to_vec();
    unpack_event(packed, &mut plain)?;
    Ok(plain)
}

/// The same event with another type and body. Its checksum was compared before; the new one is
/// none, and is not looked at again.
pub(super) fn replaced(event: &Event, kind: u8, data: &[u8]) -> std::io::Result<Event> {
    let header = event.header();
    let checksum: &[u8] = if event.checksum().is_some() {
        &[0; 4]
    } else {
        &[]
    };
    let size = u32::try_from(BinlogEventHeader::LEN + data.len() + checksum.len())
        .map_err(std::io::Error::other)?;
    let mut bytes = Vec::with_capacity(size as usize);
    bytes.extend(header_bytes(&header, kind, size));
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(checksum);
    Event::read(event.fde(), bytes.as_slice())
}

fn header_bytes(header: &BinlogEventHeader, kind: u8, size: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BinlogEventHeader::LEN);
    bytes.extend(header.timestamp().to_le_bytes());
    bytes.push(kind);
    bytes.extend(header.server_id().to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes.extend(header.log_pos().to_le_bytes());
    bytes.extend(header.flags_raw().to_le_bytes());
    bytes
}

/// How many bytes at the end of an event are a checksum that nobody took for one: MariaDB begins a
/// dump with a rotation that has a checksum, before it has said that its events have them.
pub(in crate::capture) fn unread_checksum(event: &Event) -> usize {
    let header = event.header();
    let Some((body, found)) = event.data().split_last_chunk::<4>() else {
        return 0;
    };
    if event.checksum().is_some() {
        return 0;
    }
    let mut sum = Crc::new();
    sum.update(&header_bytes(
        &header,
        header.event_type_raw(),
        header.event_size(),
    ));
    sum.update(body);
    if sum.sum() == u32::from_le_bytes(*found) {
        found.len()
    } else {
        0
    }
}
