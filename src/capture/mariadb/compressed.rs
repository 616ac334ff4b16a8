//! MariaDB's two ways of compressing: whole bodies of events (`log_bin_compress`) and values of
//! columns that are declared `COMPRESSED`.
//!
//! Invariant: nothing is allocated by a length that is only claimed; what unpacks to another
//! length than the claimed one is refused.

use std::io::{self, Read};

use flate2::read::{DeflateDecoder, ZlibDecoder};

/// As for MySQL's compressed transactions: unpacked in one piece, so more than this is refused.
const UNPACKED_BYTES_MAX: u64 = 1 << 30;

/// Appends what a compressed part of an event holds (`log_event.cc`, `binlog_buf_uncompress`): a
/// head with bit 7 set, the algorithm in bits 4 to 6 (0 is zlib) and in bits 0 to 2 how many bytes
/// the unpacked length has; that length, most significant byte first; a zlib stream.
pub(super) fn unpack_event(packed: &[u8], into: &mut Vec<u8>) -> Result<(), String> {
    let (head, rest) = packed.split_first().ok_or("it is too short")?;
    if head & 0xF8 != 0x80 {
        return Err(format!("its compression {head:#04x} is not known"));
    }
    let (bytes, rest) = read_length(rest, usize::from(head & 7)).ok_or("it is too short")?;
    inflate(ZlibDecoder::new(rest), bytes, into)
}

/// The value of a compressed column (`field_comp.cc`): a head with the method in bits 4 to 7 (0 is
/// not compressed, 8 is zlib), raw deflate instead of zlib's frame if bit 3 is set, and in bits 0
/// to 2 how many bytes the unpacked length has. An empty value has no head.
pub(in crate::capture) fn unpack_column(mut packed: Vec<u8>) -> Result<Vec<u8>, String> {
    let Some(head) = packed.first().copied() else {
        return Ok(packed);
    };
    match head >> 4 {
        0 => {
            packed.remove(0);
            Ok(packed)
        }
        8 => {
            let cut = || "its compressed bytes are cut off".to_owned();
            let (bytes, rest) = read_length(&packed[1..], usize::from(head & 7)).ok_or_else(cut)?;
            let mut value = Vec::new();
            if head & 8 == 0 {
                inflate(ZlibDecoder::new(rest), bytes, &mut value)?;
            } else {
                inflate(DeflateDecoder::new(rest), bytes, &mut value)?;
            }
            Ok(value)
        }
        method => Err(format!("its compression method {method} is not known")),
    }
}

/// A number of one to four bytes, most significant first.
fn read_length(data: &[u8], bytes: usize) -> Option<(u64, &[u8])> {
    if !(1..=4).contains(&bytes) {
        return None;
    }
    let (length, rest) = data.split_at_checked(bytes)?;
    let length = length
        .iter()
        .fold(0, |length, byte| length << 8 | u64::from(*byte));
    Some((length, rest))
}

fn inflate(stream: impl Read, bytes: u64, into: &mut Vec<u8>) -> Result<(), String> {
    if bytes > UNPACKED_BYTES_MAX {
        return Err(format!("it unpacks to {bytes} bytes, too many"));
    }
    let failed = |error: io::Error| format!("it cannot be unpacked: {error}");
    // One byte more than claimed would show, and is never reached in good data.
    let found = stream.take(bytes + 1).read_to_end(into).map_err(failed)?;
    if u64::try_from(found) == Ok(bytes) {
        Ok(())
    } else {
        Err(format!(
            "it does not unpack to the {bytes} bytes that it names"
        ))
    }
}
