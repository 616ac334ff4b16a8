// Added by leadstream; see vendor/README.md.

//! Splits what the server sends into events, and compressed transactions into theirs.
//!
//! Nothing is unpacked whole, nothing is allocated by a length that was not compared with what is
//! there, and what cannot be read is an error, never nothing.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::mem::take;

use mysql_common::binlog::events::{Event, FormatDescriptionEvent};
use mysql_common::binlog::consts::{BinlogChecksumAlg, BinlogVersion, EventType};

const HEADER: usize = 19;
const CHECKSUM: usize = 4;
/// What `max_allowed_packet` can be at most; the server sends no larger event.
pub const EVENT_BYTES_MAX: u64 = 1 << 30;
/// A buffer that one large event has blown up is not kept.
const SCRATCH_KEPT: usize = 1 << 20;
/// Packed bytes are freed in pieces of this size, or in so many pieces if that makes larger ones.
const PIECE: usize = 1 << 20;
const PIECES: usize = 64;
const ZSTD: u64 = 0;
const PLAIN: u64 = 255;

/// An event that cannot be read, as the cause inside an [`io::Error`].
#[derive(Debug)]
pub struct BrokenEvent {
    /// Its type, as far as it is known.
    pub event_type: u8,
    pub reason: String,
}

impl std::fmt::Display for BrokenEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "event type {}: {}", self.event_type, self.reason)
    }
}

impl std::error::Error for BrokenEvent {}

fn broken(event_type: u8, reason: impl Into<String>) -> io::Error {
    let reason = reason.into();
    io::Error::new(ErrorKind::InvalidData, BrokenEvent { event_type, reason })
}

/// Reads one event after the other; remembers how they are laid out.
#[derive(Debug)]
pub struct EventReader {
    fde: FormatDescriptionEvent<'static>,
    /// The same for events inside compressed transactions, which have no checksums (WL#3549).
    unpacked: FormatDescriptionEvent<'static>,
}

/// Where in an event's bytes a compressed transaction lies.
#[derive(Debug)]
pub struct Packed {
    start: usize,
    end: usize,
    algorithm: u64,
    /// Once unpacked.
    bytes: u64,
}

impl EventReader {
    pub fn new() -> Self {
        Self::with(FormatDescriptionEvent::new(BinlogVersion::Version4))
    }

    fn with(fde: FormatDescriptionEvent<'static>) -> Self {
        let mut footer = fde.footer();
        footer.set_checksum_enabled(false);
        let unpacked = fde.clone().with_footer(footer);
        Self { fde, unpacked }
    }

    /// Reads the event that all of `bytes` is. That of a compressed transaction comes without its
    /// payload, which lies where [`Packed`] says.
    pub fn read(&mut self, bytes: &[u8]) -> io::Result<(Event, Option<Packed>)> {
        let (event_type, size) = head(bytes).ok_or_else(|| broken(0, "it is too short"))?;
        if size != bytes.len() as u64 {
            return Err(broken(
                event_type,
                format!("it says {size} bytes, these are {}", bytes.len()),
            ));
        }
        let is_fde = event_type == EventType::FORMAT_DESCRIPTION_EVENT as u8;
        let least = if is_fde { HEADER + 62 } else { HEADER };
        let has_checksum = self.checksum() == Some(BinlogChecksumAlg::BINLOG_CHECKSUM_ALG_CRC32);
        if bytes.len() < least + if has_checksum { CHECKSUM } else { 0 } {
            return Err(broken(event_type, "it is too short"));
        }
        if event_type == EventType::TRANSACTION_PAYLOAD_EVENT as u8 {
            return self.read_packed(bytes, has_checksum);
        }
        let event = Event::read(&self.fde, bytes)?;
        if is_fde {
            if event.footer().get_checksum_alg().is_err() {
                return Err(broken(event_type, "its checksums are of an unknown kind"));
            }
            let fde = event.read_event::<FormatDescriptionEvent<'_>>()?;
            *self = Self::with(fde.into_owned().with_footer(event.footer()));
        }
        Ok((event, None))
    }

    fn checksum(&self) -> Option<BinlogChecksumAlg> {
        self.fde.footer().get_checksum_alg().ok().flatten()
    }

    /// The checksum is compared here, because the event is handed out without most of its bytes
    /// and gets a checksum of what is left.
    fn read_packed(
        &self,
        bytes: &[u8],
        has_checksum: bool,
    ) -> io::Result<(Event, Option<Packed>)> {
        let event_type = EventType::TRANSACTION_PAYLOAD_EVENT as u8;
        let mut end = bytes.len();
        let mut is_right = true;
        if has_checksum {
            end -= CHECKSUM;
            is_right = crc32fast::hash(&bytes[..end]).to_le_bytes() == bytes[end..];
        }
        let packed = find_payload(&bytes[..end])
            .ok_or_else(|| broken(event_type, "its head cannot be read"))?;

        let mut short = bytes[..HEADER].to_vec();
        short.extend([2]);
        put_field(&mut short, packed.algorithm);
        short.extend([3]);
        put_field(&mut short, packed.bytes);
        short.extend([1, 1, 0, 0]);
        let size = (short.len() + if has_checksum { CHECKSUM } else { 0 }) as u32;
        short[9..13].copy_from_slice(&size.to_le_bytes());
        if has_checksum {
            let sum = crc32fast::hash(&short);
            short.extend(if is_right { sum } else { !sum }.to_le_bytes());
        }
        let event = Event::read(&self.fde, &short[..])?;
        Ok((event, Some(packed)))
    }
}

impl Default for EventReader {
    fn default() -> Self {
        Self::new()
    }
}

/// The events of one compressed transaction, unpacked one by one.
pub struct Payload {
    reader: Box<dyn BufRead + Send + Sync>,
    /// Of the unpacked bytes, how many are still to come.
    left: u64,
    scratch: Vec<u8>,
}

impl Payload {
    /// Reads from `source`, which holds the bytes that [`EventReader::read`] was given from
    /// `offset` on. They are taken out of it, and freed as they are read.
    pub fn new<B>(mut source: B, offset: usize, packed: Packed) -> io::Result<Self>
    where
        B: AsMut<Vec<u8>>,
    {
        let mut bytes = take(source.as_mut());
        bytes.truncate(offset + packed.end);
        bytes.drain(..(offset + packed.start).min(bytes.len()));
        let pieces = Pieces::cut(bytes);
        let reader: Box<dyn BufRead + Send + Sync> = match packed.algorithm {
            ZSTD => Box::new(BufReader::new(zstd::Decoder::with_buffer(pieces)?)),
            PLAIN => Box::new(pieces),
            other => {
                let event_type = EventType::TRANSACTION_PAYLOAD_EVENT as u8;
                return Err(broken(event_type, format!("compression {other} is not known")));
            }
        };
        Ok(Self {
            reader,
            left: packed.bytes,
            scratch: Vec::new(),
        })
    }

    /// The next event; `None` once all of them, and nothing else, came.
    pub fn read(&mut self, events: &EventReader) -> io::Result<Option<Event>> {
        let event_type = EventType::TRANSACTION_PAYLOAD_EVENT as u8;
        if self.left == 0 {
            return if self.reader.fill_buf()?.is_empty() {
                Ok(None)
            } else {
                Err(broken(event_type, "it holds more than it says"))
            };
        }
        if self.scratch.capacity() > SCRATCH_KEPT {
            self.scratch = Vec::new();
        }
        self.scratch.resize(HEADER, 0);
        self.reader.read_exact(&mut self.scratch)?;
        let (inner, size) = head(&self.scratch).ok_or_else(|| broken(0, "it is too short"))?;
        if size > EVENT_BYTES_MAX {
            return Err(io::Error::from(ErrorKind::FileTooLarge));
        }
        if inner == event_type || size < HEADER as u64 || size > self.left {
            return Err(broken(event_type, "an event in it has an impossible head"));
        }
        let body = size - HEADER as u64;
        let read = (&mut self.reader).take(body).read_to_end(&mut self.scratch)?;
        if read as u64 != body {
            return Err(broken(event_type, "it ends too early"));
        }
        self.left -= size;
        Event::read(&events.unpacked, &self.scratch[..]).map(Some)
    }
}

/// Bytes that are freed piece by piece, as they are read: packed, a transaction of a million rows is
/// larger than all else that is in memory.
struct Pieces {
    /// The last one first.
    pieces: Vec<Vec<u8>>,
    /// How much of the first one was read.
    at: usize,
}

impl Pieces {
    /// Cut from the end, so that the whole shrinks where it is and hardly anything is there twice.
    fn cut(mut bytes: Vec<u8>) -> Self {
        let size = PIECE.max(bytes.len() / PIECES);
        let mut pieces = Vec::new();
        while bytes.len() > size {
            pieces.push(bytes.split_off(bytes.len() - size));
            bytes.shrink_to_fit();
        }
        pieces.push(bytes);
        Self { pieces, at: 0 }
    }
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.pieces.last().is_some_and(|piece| piece.len() <= self.at) {
            self.pieces.pop();
            self.at = 0;
        }
        let first = self.pieces.last();
        Ok(first.and_then(|piece| piece.get(self.at..)).unwrap_or_default())
    }

    fn consume(&mut self, bytes: usize) {
        self.at += bytes;
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Payload").field("left", &self.left).finish()
    }
}

/// Type and size of the event that begins here.
fn head(bytes: &[u8]) -> Option<(u8, u64)> {
    let header = bytes.first_chunk::<HEADER>()?;
    let size = u32::from_le_bytes([header[9], header[10], header[11], header[12]]);
    Some((header[4], u64::from(size)))
}

/// Fields of type, length and value, until type 0; then the payload, to the end.
fn find_payload(bytes: &[u8]) -> Option<Packed> {
    let mut rest = bytes.get(HEADER..)?;
    let (mut size, mut algorithm, mut unpacked) = (None, None, None);
    loop {
        let field = length_encoded(&mut rest)?;
        if field == 0 {
            break;
        }
        let length = usize::try_from(length_encoded(&mut rest)?).ok()?;
        let mut value = rest.get(..length)?;
        rest = &rest[length..];
        match field {
            1 => size = Some(length_encoded(&mut value)?),
            2 => algorithm = Some(length_encoded(&mut value)?),
            3 => unpacked = Some(length_encoded(&mut value)?),
            _ => {}
        }
    }
    let algorithm = algorithm?;
    if size? != rest.len() as u64 {
        return None;
    }
    Some(Packed {
        start: bytes.len() - rest.len(),
        end: bytes.len(),
        algorithm,
        bytes: if algorithm == PLAIN { size? } else { unpacked? },
    })
}

fn length_encoded(bytes: &mut &[u8]) -> Option<u64> {
    let (first, rest) = bytes.split_first()?;
    let width = match first {
        252 => 2,
        253 => 3,
        254 => 8,
        251 | 255 => return None,
        value => {
            *bytes = rest;
            return Some(u64::from(*value));
        }
    };
    let mut value = [0; 8];
    value[..width].copy_from_slice(rest.get(..width)?);
    *bytes = &rest[width..];
    Some(u64::from_le_bytes(value))
}

/// Length and value of a field.
fn put_field(out: &mut Vec<u8>, value: u64) {
    out.extend([9, 254]);
    out.extend(value.to_le_bytes());
}
