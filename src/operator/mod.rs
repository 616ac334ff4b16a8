//! The operator's side: health and metrics over HTTP, and the control socket for the command line.
//!
//! Runs on a thread and a runtime of its own, so that it answers while the pipeline is busy. It
//! reads the published status and the index, and hands commands to the driver; it decides nothing.

mod access;
mod api;
mod console;
mod control;
mod events;
mod following;
mod forget;
mod headers;
pub mod history;
mod http;
mod letters;
mod log_level;
pub mod mask;
mod peer;
mod problem;
mod questions;
pub mod report;
mod route_acts;
mod routes;
mod scrape;
mod server;
mod stamp;
mod tls;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

pub use access::{Role, token_file};
pub use control::ask;
pub use events::Events;
pub use forget::ForgetQuestion;
pub use history::History;
pub use letters::LetterQuestion;
pub use log_level::LogLevelQuestion;
pub use peer::own_name;
pub use questions::{Described, Failure, Query, Reply, SnapshotStarted};
pub use report::ReportQuestion;
pub use tls::TlsFiles;

use access::gate::{Gate, Reach};
use tls::Certificates;

use crate::core::time::Micros;
use crate::runtime::Error;
use crate::runtime::commands::Commands;
use crate::runtime::status::Published;
use crate::state::{Eraser, IndexHandle};
use crate::telemetry::metrics::Metrics;

/// What the operator reads, and whom it hands commands to.
#[derive(Clone)]
pub struct View {
    pub published: Published,
    pub index: IndexHandle,
    pub eraser: Eraser,
    pub commands: Commands,
    pub metrics: Metrics,
    /// Taken here, drawn by the console.
    pub history: History,
    /// Told by the API.
    pub events: Events,
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

/// Who may use the port, and how it is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Without one nobody can sign in.
    pub token_file: Option<PathBuf>,
    /// Without them it speaks plain HTTP.
    pub tls: Option<TlsFiles>,
}

/// Whether the port could be encrypted with these files.
///
/// # Errors
/// When they cannot be read, or do not belong together.
pub fn check_certificate(files: &TlsFiles) -> Result<(), Error> {
    Certificates::open(files.clone())
        .map(drop)
        .map_err(certificate)
}

fn certificate(error: tls::Error) -> Error {
    Error::Certificate(Box::new(error))
}

/// The running operator; dropped, it ends.
pub struct Operator {
    stop: watch::Sender<bool>,
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
    /// When the socket or the thread cannot be made, or token file or certificate cannot be used.
    pub fn start(port: Port, state: &Path, access: Access, view: View) -> Result<Self, Error> {
        let door = Door::open(port, access, &view)?;
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
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::Builder::new()
            .name("operator".to_owned())
            .spawn(move || {
                runtime.block_on(serve(door, listener, view, stopped));
            })
            .map_err(Error::Runtime)?;
        Ok(Self {
            stop,
            thread: Some(thread),
            socket,
        })
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.stop.send_replace(true);
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

/// What the port is served with.
struct Door {
    port: Port,
    gate: Gate,
    certificates: Option<Certificates>,
}

impl Door {
    fn open(port: Port, access: Access, view: &View) -> Result<Self, Error> {
        let Access { token_file, tls } = access;
        let reach = Reach {
            loopback: port.address.ip().is_loopback(),
            tls: tls.is_some(),
        };
        let outcomes = view.metrics.sign_ins.clone();
        let gate = Gate::open(token_file.as_deref(), reach, outcomes, view.clock);
        let gate = gate.map_err(|error| Error::TokenFile {
            page: error.page(),
            remedy: error.remedy(),
            source: Box::new(error),
        })?;
        let certificates = tls.map(Certificates::open).transpose();
        let certificates = certificates.map_err(certificate)?;
        Ok(Self {
            port,
            gate,
            certificates,
        })
    }
}

async fn serve(
    door: Door,
    socket: std::os::unix::net::UnixListener,
    view: View,
    mut stopped: watch::Receiver<bool>,
) {
    let Door {
        port,
        gate,
        certificates,
    } = door;
    let listeners = TcpListener::from_std(port.listener)
        .and_then(|tcp| UnixListener::from_std(socket).map(|unix| (tcp, unix)));
    let (tcp, unix) = match listeners {
        Ok(listeners) => listeners,
        Err(error) => {
            tracing::error!(%error, "the operator cannot listen");
            return;
        }
    };
    let mut stopped_looking = stopped.clone();
    let router = http::router(view.clone(), gate);
    let http = server::serve(
        tcp,
        router,
        certificates,
        server::Limits::default(),
        stopped.clone(),
    );
    let looks = async {
        tokio::select! {
            () = look_on(&view) => {}
            _ = stopped_looking.wait_for(|stopped| *stopped) => {}
        }
    };
    let control = async {
        tokio::select! {
            () = control::serve(unix, view.clone()) => {}
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    };
    tokio::join!(looks, http, control);
}

/// Often enough that a minute's worst delay is seen.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Enters the published status into the history, for charts, and tells those who listen.
async fn look_on(view: &View) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        looks.tick().await;
        let status = view.published.read();
        view.history.observe(&status, (view.clock)());
        view.events.observe(&status);
    }
}

#[cfg(test)]
mod tests;
