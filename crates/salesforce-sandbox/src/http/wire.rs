//! Connections that can be cut from outside and that know how long they have been waiting.
//!
//! Owns the TCP side of a connection, below TLS and HTTP. Invariants: once a connection is cut, nothing more is read
//! from it or written to it; a connection that is shut down reads what the peer still sends, so that the peer gets
//! the last reply instead of a reset.
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::org::lock;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// An orderly close, as when the server stops.
    Close = 1,
    /// A reset, as when something in between dies.
    Reset = 2,
}

/// What a connection waits for, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The head of a request; `heard` when some of it has come.
    Head { since: Instant, heard: bool },
    /// An answer that is being worked on.
    Work,
    /// The next request, or the client's taking of a reply; since bytes last went.
    Idle { since: Instant },
    /// The peer's end, after ours.
    Closing { since: Instant },
}

/// Times are milliseconds after `origin`, plus 1; 0 is never.
#[derive(Debug)]
struct WireState {
    origin: Instant,
    cut: AtomicU8,
    attendant: Mutex<Option<Waker>>,
    working: AtomicUsize,
    head: AtomicU64,
    heard: AtomicBool,
    moved: AtomicU64,
    closing: AtomicU64,
    multiplexed: AtomicBool,
}

impl WireState {
    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).map_or(u64::MAX, |millis| millis + 1)
    }

    fn instant(&self, mark: u64) -> Instant {
        let after = std::time::Duration::from_millis(mark.saturating_sub(1));
        self.origin.checked_add(after).unwrap_or(self.origin)
    }

    /// Bytes came while no request is being answered: they begin a head, unless requests share the connection.
    fn hear(&self) {
        if self.working.load(Ordering::Acquire) > 0 || self.multiplexed.load(Ordering::Relaxed) {
            return;
        }
        self.heard.store(true, Ordering::Relaxed);
        if self.head.load(Ordering::Relaxed) == 0 {
            self.head.store(self.now(), Ordering::Relaxed);
        }
    }
}

/// Cuts and watches one connection.
#[derive(Debug, Clone)]
pub(crate) struct WireHandle {
    state: Arc<WireState>,
}

impl WireHandle {
    /// Of a connection that has just been opened, or that there is none of.
    pub(crate) fn new() -> WireHandle {
        let state = Arc::new(WireState {
            origin: Instant::now(),
            cut: AtomicU8::new(0),
            attendant: Mutex::new(None),
            working: AtomicUsize::new(0),
            head: AtomicU64::new(1),
            heard: AtomicBool::new(false),
            moved: AtomicU64::new(1),
            closing: AtomicU64::new(0),
            multiplexed: AtomicBool::new(false),
        });
        WireHandle { state }
    }

    pub(crate) fn cut(&self, how: Cut) {
        self.state.cut.store(how as u8, Ordering::Release);
        if let Some(waker) = lock(&self.state.attendant).take() {
            waker.wake();
        }
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.state.cut.load(Ordering::Acquire) != 0
    }

    /// The task that has to hear of a cut.
    pub(crate) fn attend(&self, waker: &Waker) {
        let mut attendant = lock(&self.state.attendant);
        match &mut *attendant {
            Some(known) => known.clone_from(waker),
            None => *attendant = Some(waker.clone()),
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        let state = &self.state;
        let closing = state.closing.load(Ordering::Relaxed);
        if closing > 0 {
            let since = state.instant(closing);
            return Stage::Closing { since };
        }
        if state.working.load(Ordering::Acquire) > 0 {
            return Stage::Work;
        }
        match state.head.load(Ordering::Relaxed) {
            0 => Stage::Idle {
                since: state.instant(state.moved.load(Ordering::Relaxed)),
            },
            head => Stage::Head {
                since: state.instant(head),
                heard: state.heard.load(Ordering::Relaxed),
            },
        }
    }

    /// A request has come whole as to its head; it is worked on until the guard goes.
    pub(crate) fn work(&self) -> Working {
        self.state.working.fetch_add(1, Ordering::AcqRel);
        self.state.head.store(0, Ordering::Relaxed);
        self.state.heard.store(false, Ordering::Relaxed);
        Working {
            state: Arc::clone(&self.state),
        }
    }

    /// The handshake is over: what comes now is HTTP. Where requests share the connection, no byte of it tells
    /// whether a head has begun, so that only its idleness is watched.
    pub(crate) fn begin(&self, multiplexed: bool) {
        let now = self.state.now();
        self.state.multiplexed.store(multiplexed, Ordering::Relaxed);
        self.state.moved.store(now, Ordering::Relaxed);
        self.state.heard.store(false, Ordering::Relaxed);
        let head = if multiplexed { 0 } else { now };
        self.state.head.store(head, Ordering::Relaxed);
    }

    /// From now on only the end is waited for.
    pub(crate) fn close(&self) {
        let state = &self.state;
        if state.closing.load(Ordering::Relaxed) == 0 {
            state.closing.store(state.now(), Ordering::Relaxed);
        }
    }
}

/// Keeps a connection from being taken for idle.
pub(crate) struct Working {
    state: Arc<WireState>,
}

impl Drop for Working {
    fn drop(&mut self) {
        let state = &self.state;
        state.moved.store(state.now(), Ordering::Relaxed);
        state.working.fetch_sub(1, Ordering::AcqRel);
    }
}

/// All connections of the listeners that stop together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wires {
    open: Arc<Mutex<Vec<Weak<WireState>>>>,
}

impl Wires {
    pub(crate) fn cut_all(&self, how: Cut) {
        for state in lock(&self.open)
            .drain(..)
            .filter_map(|state| state.upgrade())
        {
            WireHandle { state }.cut(how);
        }
    }

    pub(crate) fn add(&self, handle: &WireHandle) {
        let mut open = lock(&self.open);
        open.retain(|state| state.strong_count() > 0);
        open.push(Arc::downgrade(&handle.state));
    }
}

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    state: Arc<WireState>,
    /// Our side is closed; what still comes is read and thrown away.
    shut: bool,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> (Wire, WireHandle) {
        let handle = WireHandle::new();
        let wire = Wire {
            stream,
            state: Arc::clone(&handle.state),
            shut: false,
        };
        (wire, handle)
    }

    /// The first byte, which stays to be read; none at the end of the stream.
    pub(crate) async fn first_byte(&self) -> io::Result<Option<u8>> {
        let mut byte = [0];
        let count = self.stream.peek(&mut byte).await?;
        Ok((count > 0).then_some(byte[0]))
    }

    fn check(&self) -> io::Result<()> {
        match self.state.cut.load(Ordering::Acquire) {
            0 => Ok(()),
            _ => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    fn note_written(&self, written: &Poll<io::Result<usize>>) {
        if matches!(written, Poll::Ready(Ok(count)) if *count > 0) {
            self.state.moved.store(self.state.now(), Ordering::Relaxed);
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.state.cut.load(Ordering::Acquire) == Cut::Reset as u8 {
            // Where it fails the client sees an orderly close, which is a cut connection all the same.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.state.hear();
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note_written(&written);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Ends our side, then waits for the peer's end: a socket that is closed over unread bytes resets the connection,
    /// which can overtake the reply. The connection's attendant bounds the wait.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        if !self.shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.shut = true;
            let state = Arc::clone(&self.state);
            WireHandle { state }.close();
        }
        let mut space = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note_written(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
