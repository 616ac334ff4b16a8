//! How a reply goes out: whole, in pieces, not to its end, or not at all.
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;

/// What becomes of a reply on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Whole,
    Paced(Pace),
    /// The connection is cut instead.
    Cut,
    /// The client waits for ever.
    Stall,
}

/// A body that takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// Bytes that go out at once.
    pub(crate) piece: usize,
    /// Between the pieces.
    pub(crate) pause: Duration,
    /// Only the first half goes out, though all of it was announced; then the connection breaks.
    pub(crate) cut_short: bool,
}

/// What breaks at once may not have been sent at all: the server puts the first bytes of a body together with the
/// headers, and lets go of both when the body fails.
const BEFORE_THE_BREAK: Duration = Duration::from_millis(20);

impl Default for Pace {
    fn default() -> Self {
        Pace {
            piece: usize::MAX,
            pause: Duration::ZERO,
            cut_short: false,
        }
    }
}

impl Pace {
    pub(super) fn body(self, bytes: Vec<u8>) -> Body {
        let announced = bytes.len() as u64;
        let mut left = Bytes::from(bytes);
        if self.cut_short {
            left.truncate(left.len() / 2);
        }
        Body::new(PacedBody {
            pace: self,
            left,
            announced,
            pausing: None,
        })
    }
}

struct PacedBody {
    pace: Pace,
    left: Bytes,
    /// Bytes that the client has yet to expect.
    announced: u64,
    pausing: Option<Pin<Box<Sleep>>>,
}

impl http_body::Body for PacedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(pausing) = &mut self.pausing {
            ready!(pausing.as_mut().poll(cx));
            self.pausing = None;
        }
        if self.left.is_empty() {
            return Poll::Ready(
                self.pace
                    .cut_short
                    .then(|| Err(io::ErrorKind::ConnectionAborted.into())),
            );
        }
        let size = self.pace.piece.clamp(1, self.left.len());
        let piece = self.left.split_to(size);
        self.announced -= piece.len() as u64;
        let pause = if !self.left.is_empty() {
            self.pace.pause
        } else if self.pace.cut_short {
            self.pace.pause.max(BEFORE_THE_BREAK)
        } else {
            Duration::ZERO
        };
        if !pause.is_zero() {
            self.pausing = Some(Box::pin(tokio::time::sleep(pause)));
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && !self.pace.cut_short
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}
