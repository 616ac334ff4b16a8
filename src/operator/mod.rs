//! The operator's side: health and metrics over HTTP, and the control socket for the command line.
//!
//! Runs on a thread and a runtime of its own, so that it answers while the pipeline is busy. It
//! reads the published status and the index, and hands commands to the driver; it decides nothing.

mod control;
mod http;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::oneshot;

pub use control::{Failure, Query, Reply, SnapshotStarted, ask};

use crate::core::time::Micros;
use crate::runtime::Error;
use crate::runtime::commands::Commands;
use crate::runtime::status::Published;
use crate::state::IndexHandle;
use crate::telemetry::metrics::Metrics;

/// What the operator reads, and whom it hands commands to.
#[derive(Clone)]
pub struct View {
    pub published: Published,
    pub index: IndexHandle,
    pub commands: Commands,
    pub metrics: Metrics,
    pub clock: fn() -> Micros,
}

/// The bound port: taken first of all, because nothing can mend a port in use.
pub struct Port {
    listener: std::net::TcpListener,
    address: SocketAddr,
}

impl Port {
    /// Binds the operator's address.
    ///
    /// # Errors
    /// When it is taken or not allowed.
    pub fn bind(address: SocketAddr) -> Result<Self, Error> {
        let failed = |source| Error::Listen {
            address: address.to_string(),
            source,
        };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The running operator; dropped, it ends.
pub struct Operator {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    socket: PathBuf,
}

/// The control socket's name within the state folder.
pub const SOCKET: &str = "control.sock";

impl Operator {
    /// Serves on the port and on `state/control.sock`. The caller holds the state's lock, so a
    /// socket left behind by a killed process is surely nobody's.
    ///
    /// # Errors
    /// When the socket or the thread cannot be made.
    pub fn start(port: Port, state: &Path, view: View) -> Result<Self, Error> {
        let socket = state.join(SOCKET);
        let failed = |source| Error::ControlSocket {
            path: socket.display().to_string(),
            source,
        };
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => {}
        }
        let listener = std::os::unix::net::UnixListener::bind(&socket).map_err(failed)?;
        restrict(&socket).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::Runtime)?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("operator".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    tokio::select! {
                        _ = stopped => {}
                        () = serve(port, listener, view) => {}
                    }
                });
            })
            .map_err(Error::Runtime)?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
            socket,
        })
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Only the owner may ask.
fn restrict(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

async fn serve(port: Port, socket: std::os::unix::net::UnixListener, view: View) {
    let listeners = TcpListener::from_std(port.listener)
        .and_then(|tcp| UnixListener::from_std(socket).map(|unix| (tcp, unix)));
    let (tcp, unix) = match listeners {
        Ok(listeners) => listeners,
        Err(error) => {
            tracing::error!(%error, "the operator cannot listen");
            return;
        }
    };
    tokio::join!(http::serve(tcp, view.clone()), control::serve(unix, view));
}
