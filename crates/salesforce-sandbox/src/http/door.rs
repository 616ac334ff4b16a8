//! The listeners: accepting connections, up to as many as are allowed.
//!
//! Invariant: a connection that is accepted is registered before anything else can be accepted, so that whoever has
//! closed the listener can cut everything that came through it.
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::arrival::{Arrival, MAX_TURNS, Role, Scheme};
use super::connection;
use super::intake::Room;
use super::wire::{Wire, Wires};
use crate::org::Org;

/// After an error that is not of one connection alone, as when no file can be opened any more.
const PAUSE: Duration = Duration::from_millis(100);

/// A place to come in by.
#[derive(Clone)]
pub(crate) struct Door {
    /// With the port that was taken.
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) role: Role,
    pub(crate) house: House,
}

/// What doors share.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) org: Arc<Org>,
    pub(crate) wires: Wires,
    /// One for each connection allowed.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) room: Arc<Room>,
}

/// An open door.
pub(crate) struct Opened {
    stop: oneshot::Sender<()>,
    stopped: Receiver<()>,
}

impl Opened {
    /// Closes the door; new connections are refused once this has returned.
    pub(crate) fn close(self) {
        // Either side may be gone already when the runtime is; then nothing listens any more.
        let _ = self.stop.send(());
        let _ = self.stopped.recv();
    }
}

impl Door {
    /// `http://ADDRESS` or `https://ADDRESS`.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme().as_str(), self.address)
    }

    /// Lets clients in until it is closed.
    pub(crate) fn open(&self, listener: TcpListener, runtime: &Handle) -> io::Result<Opened> {
        listener.set_nonblocking(true)?;
        let _context = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (stop, stopping) = oneshot::channel();
        let (acknowledge, stopped) = sync_channel(1);
        let door = self.clone();
        runtime.spawn(async move {
            tokio::select! {
                () = door.accept(&listener) => {}
                _ = stopping => {}
            }
            drop(listener);
            // Nobody may be waiting to hear of it.
            let _ = acknowledge.send(());
        });
        Ok(Opened { stop, stopped })
    }

    fn scheme(&self) -> Scheme {
        match self.tls {
            Some(_) => Scheme::Https,
            None => Scheme::Http,
        }
    }

    async fn accept(&self, listener: &tokio::net::TcpListener) {
        loop {
            let places = Arc::clone(&self.house.places);
            let Ok(place) = places.acquire_owned().await else {
                // Nobody closes the semaphore.
                return;
            };
            match listener.accept().await {
                Ok((stream, _)) => self.admit(stream, place),
                Err(error) if is_of_one_connection(&error) => {}
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn admit(&self, stream: TcpStream, place: OwnedSemaphorePermit) {
        // Without it small replies wait for the client's delayed acknowledgement; it is an optimisation, so no error.
        let _ = stream.set_nodelay(true);
        let local = stream.local_addr().unwrap_or(self.address);
        let (wire, handle) = Wire::new(stream);
        self.house.wires.add(&handle);
        let arrival = Arc::new(Arrival {
            scheme: self.scheme(),
            role: self.role,
            local,
            wire: handle,
            room: Arc::clone(&self.house.room),
            turns: Arc::new(Semaphore::new(MAX_TURNS)),
            _place: place,
        });
        let org = Arc::clone(&self.house.org);
        tokio::spawn(connection::serve(wire, self.tls.clone(), org, arrival));
    }
}

/// The peer was gone before it was let in.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
