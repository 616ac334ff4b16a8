//! Reply bodies that are made while they are sent, so that a large one never stands in memory as a whole.
use std::fmt;
use std::io::Write;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use axum::body::HttpBody;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::Frame;

use crate::org::lock;

type Source = Box<dyn Iterator<Item = Vec<u8>> + Send>;

/// A body in pieces.
pub(crate) struct Pieces {
    /// A body must be shareable between threads, though it is only ever read by one.
    source: Mutex<Source>,
    encoder: Option<GzEncoder<Vec<u8>>>,
    ended: bool,
}

impl Pieces {
    pub(super) fn new(source: impl Iterator<Item = Vec<u8>> + Send + 'static) -> Pieces {
        Pieces {
            source: Mutex::new(Box::new(source)),
            encoder: None,
            ended: false,
        }
    }

    /// Sends it compressed.
    pub(super) fn compress(&mut self) {
        self.encoder = Some(GzEncoder::new(Vec::new(), Compression::fast()));
    }

    /// All of it at once.
    pub(super) fn gather(mut self) -> Vec<u8> {
        let mut whole = Vec::new();
        while let Some(piece) = self.next() {
            whole.extend(piece);
        }
        whole
    }

    /// The next bytes to send; `None` at the end.
    fn next(&mut self) -> Option<Vec<u8>> {
        while !self.ended {
            let piece = lock(&self.source).next();
            self.ended = piece.is_none();
            let Some(encoder) = &mut self.encoder else {
                return piece;
            };
            // Writing into memory does not fail.
            let _ = match &piece {
                Some(piece) => encoder.write_all(piece),
                None => encoder.try_finish(),
            };
            let packed = std::mem::take(encoder.get_mut());
            if !packed.is_empty() {
                return Some(packed);
            }
        }
        None
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pieces")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.next().map(|piece| Ok(Frame::data(piece.into()))))
    }
}
