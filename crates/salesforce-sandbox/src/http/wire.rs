//! Connections that can be cut from outside.
//!
//! Invariant: once a connection is cut, nothing more is read from it or written to it.
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::org::lock;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// An orderly close, as when the server stops.
    Close = 1,
    /// A reset, as when something in between dies.
    Reset = 2,
}

#[derive(Debug, Default)]
struct WireState {
    cut: AtomicU8,
    reader: Mutex<Option<Waker>>,
}

/// Cuts one connection.
#[derive(Debug, Clone)]
pub(crate) struct WireHandle {
    state: Arc<WireState>,
}

impl WireHandle {
    pub(crate) fn cut(&self, how: Cut) {
        self.state.cut.store(how as u8, Ordering::Release);
        if let Some(waker) = lock(&self.state.reader).take() {
            waker.wake();
        }
    }
}

/// All connections of a listener.
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

    fn add(&self, state: &Arc<WireState>) {
        let mut open = lock(&self.open);
        open.retain(|state| state.strong_count() > 0);
        open.push(Arc::downgrade(state));
    }
}

/// Accepts connections and registers them.
pub(crate) struct WireListener {
    pub(crate) listener: TcpListener,
    pub(crate) wires: Wires,
}

impl Listener for WireListener {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        // The listener of the runtime knows which errors to sit out.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Without it small replies wait for the client's delayed acknowledgement; it is an optimisation, so no error.
        let _ = stream.set_nodelay(true);
        let state = Arc::new(WireState::default());
        self.wires.add(&state);
        (Wire { stream, state }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, WireListener>> for WireHandle {
    fn connect_info(stream: IncomingStream<'_, WireListener>) -> WireHandle {
        WireHandle {
            state: Arc::clone(&stream.io().state),
        }
    }
}

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    state: Arc<WireState>,
}

impl Wire {
    fn check(&self) -> io::Result<()> {
        match self.state.cut.load(Ordering::Acquire) {
            0 => Ok(()),
            _ => Err(io::ErrorKind::ConnectionReset.into()),
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
        // Registered before the check, so that a cut in between still wakes.
        *lock(&self.state.reader) = Some(cx.waker().clone());
        self.check()?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
