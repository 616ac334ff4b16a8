// Added by leadstream; see vendor/README.md.

//! Reads the large parts of packets straight into the packet, as their bytes come.
//!
//! mysql_common waits until a part of up to 16 MiB lies whole in the buffer that is read from, which
//! doubles to 32 MiB for it, and the packet's own buffer doubles as well, copied each time. A
//! compressed transaction of a million rows is one packet of several such parts.

use bytes::{Buf, BytesMut};
use mysql_common::{
    constants::MAX_PAYLOAD_LEN,
    proto::codec::{error::PacketCodecError, PacketCodec},
};

/// Length and sequence number.
const HEAD: usize = 4;
/// Smaller parts are left to mysql_common.
const LARGE: usize = 256 << 10;
/// What is read at once.
const READ: usize = 64 << 10;
/// Where in a part that begins an event the event's size lies: behind the part's head, the OK byte, and
/// the event's time, type and server.
const EVENT_SIZE_AT: usize = HEAD + 1 + 9;

/// The part that is being read.
#[derive(Debug, Default)]
pub(super) struct LargePart {
    /// Of its bytes, how many are still to come.
    left: usize,
    is_last: bool,
    /// With the compressed protocol the bytes that come are not the packet's.
    is_off: bool,
}

impl LargePart {
    pub(super) fn turn_off(&mut self) {
        self.is_off = true;
    }

    /// Moves what `src` has of a large part to `packet`. `None` if that is not what it begins with;
    /// otherwise whether the packet is whole.
    pub(super) fn decode(
        &mut self,
        codec: &mut PacketCodec,
        src: &mut BytesMut,
        packet: &mut Vec<u8>,
    ) -> Result<Option<bool>, PacketCodecError> {
        if self.left == 0 {
            match self.begin(codec, src, packet)? {
                None => return Ok(None),
                Some(false) => return Ok(Some(false)),
                Some(true) => {}
            }
        }
        let here = src.len().min(self.left);
        packet.extend_from_slice(&src[..here]);
        src.advance(here);
        self.left -= here;
        if self.left > 0 {
            src.reserve(READ.min(self.left));
        } else if !self.is_last {
            // The next part may have come already, and nobody asks again until more comes.
            return match self.decode(codec, src, packet)? {
                None => codec.decode(src, packet).map(Some),
                known => Ok(known),
            };
        }
        Ok(Some(self.left == 0))
    }

    /// `None` if no large part begins here, `Some(false)` if one does and too little of it came yet;
    /// otherwise takes its head, and makes the room that the packet will need.
    fn begin(
        &mut self,
        codec: &mut PacketCodec,
        src: &mut BytesMut,
        packet: &mut Vec<u8>,
    ) -> Result<Option<bool>, PacketCodecError> {
        let Some(&[a, b, c, sequence]) = src.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        if self.is_off || length < LARGE {
            return Ok(None);
        }
        if src.len() < EVENT_SIZE_AT + 4 {
            return Ok(Some(false));
        }
        if packet.len() + length > codec.max_allowed_packet {
            return Err(PacketCodecError::PacketTooLarge);
        }
        // Numbers are counted in there: a packet of one byte takes the place of the part.
        let mut counted = BytesMut::from(&[1, 0, 0, sequence, 0][..]);
        codec.decode(&mut counted, &mut Vec::new())?;
        self.left = length;
        self.is_last = length < MAX_PAYLOAD_LEN;
        let room = if packet.is_empty() && !self.is_last {
            event_size(src).clamp(length, codec.max_allowed_packet)
        } else {
            length
        };
        // Where there is not that much, the packet grows as it comes.
        let _ = packet.try_reserve_exact(room);
        src.advance(HEAD);
        Ok(Some(true))
    }
}

/// How long the packet is if it is an event whose size has come; otherwise something, or 0.
fn event_size(part: &BytesMut) -> usize {
    if part.get(HEAD) != Some(&0) {
        return 0;
    }
    let size = part.get(EVENT_SIZE_AT..).and_then(|bytes| bytes.first_chunk());
    size.map_or(0, |size| (u32::from_le_bytes(*size) as usize).saturating_add(1))
}

