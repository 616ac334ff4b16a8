//! Taking in the bodies of requests: within the limit, within the time, within the memory.
//!
//! Invariants: no body is read beyond the limit, packed or unpacked; the bodies of all requests together hold no more
//! than the room allows (a reservation precedes every growth). A request reserves small room at most once and large
//! room at most once, in this order and never the other way round, so that waiting for room cannot deadlock.
use std::io::{Cursor, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http_body::{Body, Frame};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::reply::Reply;
use crate::org::Refusal;

/// Bodies up to this size never wait for large ones.
const SMALL_BYTES: usize = 256 * 1024;
/// Room is counted in KiB, so that the largest reservation fits the semaphore's number.
const UNIT_BYTES: usize = 1024;
/// No call may take longer (facts 6.4).
const MAX_BODY_TIME: Duration = Duration::from_secs(600);

/// Memory for the bodies of requests.
#[derive(Debug)]
pub(crate) struct Room {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    large_units: u32,
    stall: Duration,
}

/// A body, and the room that it takes until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Payload {
    /// Unpacked.
    pub(crate) bytes: Bytes,
    /// Size as it came over the wire.
    pub(crate) packed_bytes: u64,
    pub(crate) taken: Taken,
}

/// A reservation.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    small: Option<OwnedSemaphorePermit>,
    large: Option<OwnedSemaphorePermit>,
}

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// The client went away.
    Gone,
    /// The client stopped sending.
    Stalled,
    /// Its framing is broken, as a chunk's size.
    Malformed,
    TooLarge,
    /// It is not what Content-Encoding says.
    Encoding,
    /// Nothing is known of what Content-Encoding says.
    UnknownEncoding,
}

impl ReadError {
    /// What its client is told; `limit` is in bytes.
    pub(crate) fn reply(self, limit: usize) -> Reply {
        match self {
            ReadError::Gone => Reply::cut(),
            ReadError::Stalled => Reply::html(408),
            ReadError::Malformed => Reply::html(400),
            ReadError::TooLarge => {
                let text = format!(
                    "Maximum size of request reached. Maximum size of request is {limit} bytes."
                );
                Reply::error(400, &Refusal::new("EXCEEDED_MAX_SIZE_REQUEST", text))
            }
            ReadError::Encoding => Reply::error(
                400,
                &Refusal::parser("The request body could not be unpacked."),
            ),
            ReadError::UnknownEncoding => {
                let text = "The content encoding of the request is not supported; use gzip, deflate or none.";
                Reply::error(415, &Refusal::new("UNSUPPORTED_MEDIA_TYPE", text))
            }
        }
    }
}

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    None,
    Gzip,
    Deflate,
}

impl Packing {
    fn of(headers: &HeaderMap) -> Result<Packing, ReadError> {
        let mut packing = Packing::None;
        for value in headers.get_all("content-encoding") {
            let text = value.to_str().map_err(|_| ReadError::UnknownEncoding)?;
            for name in text.split(',').map(str::trim).filter(|n| !n.is_empty()) {
                let next = match name.to_ascii_lowercase().as_str() {
                    "identity" => continue,
                    "gzip" | "x-gzip" => Packing::Gzip,
                    "deflate" => Packing::Deflate,
                    _ => return Err(ReadError::UnknownEncoding),
                };
                // Nobody packs twice, except to make a bomb.
                if packing != Packing::None {
                    return Err(ReadError::UnknownEncoding);
                }
                packing = next;
            }
        }
        Ok(packing)
    }
}

impl Room {
    /// Half of `total_bytes` for small bodies, half for large ones, and of both at least what one body of `limit` needs.
    /// A body may stand still for `stall`.
    pub(crate) fn new(total_bytes: usize, limit: usize, stall: Duration) -> Room {
        // A packed body may be in memory in both its forms.
        let small_units = units((total_bytes / 2).max(2 * SMALL_BYTES));
        let large_units = units((total_bytes / 2).max(limit.saturating_mul(2)));
        Room {
            small: Arc::new(Semaphore::new(small_units as usize)),
            large: Arc::new(Semaphore::new(large_units as usize)),
            large_units,
            stall,
        }
    }

    /// Reads and unpacks a body of at most `limit` bytes.
    pub(crate) async fn take<B>(
        &self,
        headers: &HeaderMap,
        body: B,
        limit: usize,
    ) -> Result<Payload, ReadError>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let packing = Packing::of(headers)?;
        // The framing, not the header: it is there for HTTP/2 too, and not when a chunked body contradicts it.
        let declared = body.size_hint().exact();
        if declared.is_some_and(|length| length > limit as u64) {
            return Err(ReadError::TooLarge);
        }
        if declared == Some(0) {
            return Ok(Payload::default());
        }
        let declared = declared.and_then(|length| usize::try_from(length).ok());
        let mut taken = Taken::default();
        self.reserve(&mut taken, declared, packing, limit).await;
        let packed = self
            .read(&mut taken, body, declared, packing, limit)
            .await?;
        let packed_bytes = packed.len() as u64;
        let bytes = match packing {
            Packing::None => packed,
            _ => self.unpack(&mut taken, packed, packing, limit).await?,
        };
        taken.shrink(bytes.len());
        Ok(Payload {
            bytes,
            packed_bytes,
            taken,
        })
    }

    /// Before the first byte: what a declared length needs, or what an undeclared one gets to begin with.
    async fn reserve(
        &self,
        taken: &mut Taken,
        declared: Option<usize>,
        packing: Packing,
        limit: usize,
    ) {
        match declared {
            Some(length) if length > SMALL_BYTES => {
                self.enlarge(taken, length, packing, limit).await
            }
            _ => {
                let unpacked = if packing == Packing::None {
                    0
                } else {
                    SMALL_BYTES
                };
                let wanted = declared.unwrap_or(SMALL_BYTES) + unpacked;
                let permit = Arc::clone(&self.small)
                    .acquire_many_owned(units(wanted))
                    .await;
                // The semaphore is never closed.
                taken.small = permit.ok();
            }
        }
    }

    /// Room for `bytes` as they come and, when they are packed, for as much as they may unpack to.
    async fn enlarge(&self, taken: &mut Taken, bytes: usize, packing: Packing, limit: usize) {
        let unpacked = if packing == Packing::None { 0 } else { limit };
        let wanted = units(bytes.saturating_add(unpacked)).min(self.large_units);
        // The semaphore is never closed.
        taken.large = Arc::clone(&self.large)
            .acquire_many_owned(wanted)
            .await
            .ok();
    }

    async fn read<B>(
        &self,
        taken: &mut Taken,
        mut body: B,
        declared: Option<usize>,
        packing: Packing,
        limit: usize,
    ) -> Result<Bytes, ReadError>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let end = Instant::now() + MAX_BODY_TIME;
        let mut bytes = Vec::with_capacity(declared.unwrap_or_default());
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx));
            let patience = end.min(Instant::now() + self.stall);
            let piece = match tokio::time::timeout_at(patience, frame).await {
                Err(_) => return Err(ReadError::Stalled),
                Ok(None) => break,
                Ok(Some(Err(error))) => return Err(classify(error.into().as_ref())),
                Ok(Some(Ok(frame))) => Frame::into_data(frame).unwrap_or_default(),
            };
            let length = bytes.len() + piece.len();
            if length > limit {
                return Err(ReadError::TooLarge);
            }
            if length > SMALL_BYTES && taken.large.is_none() {
                self.enlarge(taken, limit, packing, limit).await;
            }
            bytes.extend_from_slice(&piece);
        }
        // The content of a job is kept for days, and counted by its length.
        bytes.shrink_to_fit();
        Ok(bytes.into())
    }

    async fn unpack(
        &self,
        taken: &mut Taken,
        packed: Bytes,
        packing: Packing,
        limit: usize,
    ) -> Result<Bytes, ReadError> {
        let mut unpacking = Unpacking::new(packed, packing);
        if taken.large.is_none() {
            let small = SMALL_BYTES.min(limit.saturating_add(1));
            if unpacking.go_on(small)? {
                return Ok(unpacking.unpacked());
            }
            self.enlarge(taken, limit, Packing::None, limit).await;
        }
        // It takes a while; whatever else there is to do should not wait for it.
        let rest =
            tokio::task::spawn_blocking(move || match unpacking.go_on(limit.saturating_add(1)) {
                Ok(true) => Ok(unpacking.unpacked()),
                Ok(false) => Err(ReadError::TooLarge),
                Err(error) => Err(error),
            });
        // It neither panics nor is it aborted but with the whole runtime.
        rest.await.unwrap_or(Err(ReadError::Gone))
    }
}

/// A packed body on its way out of its packing.
struct Unpacking {
    decoder: Box<dyn Read + Send>,
    bytes: Vec<u8>,
}

impl Unpacking {
    fn new(packed: Bytes, packing: Packing) -> Unpacking {
        let zlib = is_zlib(&packed);
        let packed = Cursor::new(packed);
        Unpacking {
            decoder: match packing {
                Packing::None => Box::new(packed),
                Packing::Gzip => Box::new(MultiGzDecoder::new(packed)),
                Packing::Deflate if zlib => Box::new(ZlibDecoder::new(packed)),
                Packing::Deflate => Box::new(DeflateDecoder::new(packed)),
            },
            bytes: Vec::new(),
        }
    }

    /// Unpacks until there are `most` bytes; whether it came to the end before.
    fn go_on(&mut self, most: usize) -> Result<bool, ReadError> {
        let missing = most.saturating_sub(self.bytes.len()) as u64;
        self.decoder
            .by_ref()
            .take(missing)
            .read_to_end(&mut self.bytes)
            .map_err(|_| ReadError::Encoding)?;
        Ok(self.bytes.len() < most)
    }

    fn unpacked(mut self) -> Bytes {
        self.bytes.shrink_to_fit();
        self.bytes.into()
    }
}

impl Taken {
    /// Gives back what a body of `bytes` does not need.
    fn shrink(&mut self, bytes: usize) {
        let needed = units(bytes) as usize;
        let kept = match (&mut self.large, &mut self.small) {
            (Some(large), small) => {
                *small = None;
                large
            }
            (None, Some(small)) => small,
            (None, None) => return,
        };
        let surplus = kept.num_permits().saturating_sub(needed);
        drop(kept.split(surplus));
    }
}

/// `deflate` means zlib, but some clients send it bare. A zlib header names method 8 and is a multiple of 31.
fn is_zlib(packed: &[u8]) -> bool {
    match packed {
        [first, second, ..] => {
            first & 0x0f == 8 && (u32::from(*first) * 256 + u32::from(*second)).is_multiple_of(31)
        }
        _ => true,
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}

/// Broken framing is the client's mistake; everything else means that it is gone.
fn classify(error: &(dyn std::error::Error + 'static)) -> ReadError {
    let mut cause = Some(error);
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return match io.kind() {
                std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => {
                    ReadError::Malformed
                }
                _ => ReadError::Gone,
            };
        }
        cause = inner.source();
    }
    ReadError::Gone
}

#[cfg(test)]
mod tests;
