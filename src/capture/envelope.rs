//! What every event is held against before it is read: its checksum, its place, and whether it
//! belongs to the compressed transaction at hand.

use mysql_async::binlog::BinlogChecksumAlg;
use mysql_async::binlog::events::Event;

use super::error::Error;
use crate::core::position::FilePosition;

/// Event types by their number on the wire (`binlog_event.h`).
pub(super) mod kind {
    pub(in crate::capture) const STOP: u8 = 3;
    pub(in crate::capture) const QUERY: u8 = 2;
    pub(in crate::capture) const ROTATE: u8 = 4;
    pub(in crate::capture) const INTVAR: u8 = 5;
    pub(in crate::capture) const APPEND_BLOCK: u8 = 9;
    pub(in crate::capture) const DELETE_FILE: u8 = 11;
    pub(in crate::capture) const RAND: u8 = 13;
    pub(in crate::capture) const USER_VAR: u8 = 14;
    pub(in crate::capture) const FORMAT_DESCRIPTION: u8 = 15;
    pub(in crate::capture) const XID: u8 = 16;
    pub(in crate::capture) const BEGIN_LOAD_QUERY: u8 = 17;
    pub(in crate::capture) const EXECUTE_LOAD_QUERY: u8 = 18;
    pub(in crate::capture) const TABLE_MAP: u8 = 19;
    pub(in crate::capture) const INCIDENT: u8 = 26;
    pub(in crate::capture) const HEARTBEAT: u8 = 27;
    pub(in crate::capture) const IGNORABLE: u8 = 28;
    pub(in crate::capture) const ROWS_QUERY: u8 = 29;
    pub(in crate::capture) const GTID: u8 = 33;
    pub(in crate::capture) const ANONYMOUS_GTID: u8 = 34;
    pub(in crate::capture) const PREVIOUS_GTIDS: u8 = 35;
    pub(in crate::capture) const TRANSACTION_CONTEXT: u8 = 36;
    pub(in crate::capture) const VIEW_CHANGE: u8 = 37;
    pub(in crate::capture) const XA_PREPARE: u8 = 38;
    pub(in crate::capture) const TRANSACTION_PAYLOAD: u8 = 40;
    pub(in crate::capture) const HEARTBEAT_V2: u8 = 41;
    pub(in crate::capture) const GTID_TAGGED: u8 = 42;
}

pub(super) struct Envelope {
    /// Where the last event ended.
    pub(super) at: FilePosition,
    /// Of the compressed transaction at hand: bytes of its events still to come.
    payload_left: u64,
}

impl Envelope {
    pub(super) fn new(at: FilePosition) -> Self {
        Self {
            at,
            payload_left: 0,
        }
    }

    /// Checks an event and follows its position.
    pub(super) fn open(&mut self, event: &Event) -> Result<(), Error> {
        if !self.enter_payload(event)? {
            self.check_sum(event)?;
            let header = event.header();
            let (kind, bytes) = (header.event_type_raw(), header.event_size());
            self.move_on(kind, bytes, header.log_pos());
        }
        Ok(())
    }

    /// The events of a compressed transaction of that size follow. The size itself needs no bound:
    /// they are unpacked one by one.
    pub(super) fn expect_payload(&mut self, bytes: u64) {
        self.payload_left = bytes;
    }

    /// Whether events of a compressed transaction are still to come.
    pub(super) fn is_in_payload(&self) -> bool {
        self.payload_left > 0
    }

    /// Whether this event came out of a compressed transaction. What must follow one is its
    /// events, all of them.
    fn enter_payload(&mut self, event: &Event) -> Result<bool, Error> {
        if self.payload_left == 0 {
            return Ok(false);
        }
        let header = event.header();
        let stands_outside = matches!(
            header.event_type_raw(),
            kind::GTID
                | kind::GTID_TAGGED
                | kind::ANONYMOUS_GTID
                | kind::PREVIOUS_GTIDS
                | kind::ROTATE
                | kind::FORMAT_DESCRIPTION
                | kind::HEARTBEAT
                | kind::HEARTBEAT_V2
                | kind::STOP
                | kind::TRANSACTION_PAYLOAD
        );
        let left = self
            .payload_left
            .checked_sub(u64::from(header.event_size()));
        match left {
            Some(left) if !stands_outside => self.payload_left = left,
            _ => {
                return Err(Error::Payload {
                    position: self.at.clone(),
                    reason: "its events are not all there".to_owned(),
                });
            }
        }
        Ok(true)
    }

    fn check_sum(&self, event: &Event) -> Result<(), Error> {
        let algorithm = event.footer().get_checksum_alg().ok().flatten();
        let Some(algorithm @ BinlogChecksumAlg::BINLOG_CHECKSUM_ALG_CRC32) = algorithm else {
            return Ok(());
        };
        let kind = event.header().event_type_raw();
        let right = event
            .checksum()
            .is_none_or(|found| u32::from_le_bytes(found) == event.calc_checksum(algorithm));
        if right {
            return Ok(());
        }
        Err(Error::Checksum {
            event: kind,
            position: self.at.clone(),
        })
    }

    /// Follows the position in 64 bits. The header carries the lower 32, and 0 in events made for
    /// the dump; no event is longer than 32 bits can say.
    fn move_on(&mut self, kind: u8, bytes: u32, log_pos: u32) {
        if matches!(kind, kind::ROTATE | kind::HEARTBEAT | kind::HEARTBEAT_V2) {
            return;
        }
        let lower = u64::from(u32::MAX);
        if log_pos == 0 {
            // An event may end where the lower bits begin anew. Left out, the transaction that it
            // begins would seem to lie before its place, and be passed over.
            let end = self.at.offset.saturating_add(u64::from(bytes));
            if end & lower == 0 {
                self.at.offset = end;
            }
            return;
        }
        let mut offset = (self.at.offset & !lower) | u64::from(log_pos);
        if offset < self.at.offset {
            offset = offset.saturating_add(1 << 32);
        }
        self.at.offset = offset;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: u64) -> Envelope {
        Envelope::new(FilePosition {
            file: "binlog.000001".into(),
            offset,
        })
    }

    #[test]
    fn places_beyond_4_gib_are_followed_event_by_event() {
        let mut envelope = at(4);
        let mut end = 4_u64;
        let mut bytes = 300_000_001_u64;
        while end < 20 << 30 {
            // Sizes of all kinds, the largest near what a packet may hold.
            bytes = (bytes * 48_271) % ((1 << 30) - 1);
            let bytes = u32::try_from(bytes.max(19)).unwrap();
            end += u64::from(bytes);
            envelope.move_on(kind::GTID, bytes, end as u32);
            assert_eq!(envelope.at.offset, end);
            // Made for the dump: they say nothing of the place.
            envelope.move_on(kind::HEARTBEAT, 47, 1_234);
            envelope.move_on(kind::FORMAT_DESCRIPTION, 122, 0);
            assert_eq!(envelope.at.offset, end);
        }
    }

    #[test]
    fn an_event_that_ends_at_4_gib_has_moved_on_although_its_header_says_0() {
        for turn in 1..4_u64 {
            let boundary = turn << 32;
            let mut envelope = at(boundary - 79);
            envelope.move_on(kind::ANONYMOUS_GTID, 79, 0);
            assert_eq!(envelope.at.offset, boundary);
            envelope.move_on(kind::QUERY, 100, 100);
            assert_eq!(envelope.at.offset, boundary + 100);
        }
    }
    #[test]
    fn a_place_that_no_file_reaches_does_not_overflow() {
        // A rotation may name any.
        let mut envelope = at(u64::MAX - 10);
        envelope.move_on(kind::QUERY, 100, 0);
        envelope.move_on(kind::QUERY, 100, 100);
        assert!(envelope.at.offset >= u64::MAX - 10);
    }
}
