//! The life of one org: start, stop, refuse connections for a while.
//!
//! Invariants: the org's contents outlive its listeners; once `stop_listening` has returned, a new connection is
//! refused and no request on an old one is served. The org has its own runtime, so callers need none.
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

use crate::bulk::{self, JobSnapshot};
use crate::faults::Faults;
use crate::http::arrival::Role;
use crate::http::door::{Door, House, Opened};
use crate::http::intake::Room;
use crate::http::wire::{Cut, Wires};
use crate::org::{Administrator, LeadSnapshot, Org, OrgSnapshot, UsageReport, lock};
use crate::tls::{Identity, Tls};
use crate::watch::{RequestRecord, Stats};
use crate::{Error, Listen, OrgConfig};

/// Enough to serve while one request waits for the lock; the sandbox shares its machine with what it tests.
const WORKER_THREADS: usize = 2;
/// The control endpoints have places of their own, so that they answer when the org's are all taken.
const CONTROL_CONNECTIONS: usize = 64;

/// A running org. Dropping it stops it.
pub struct Sandbox {
    org: Arc<Org>,
    /// At least one; the first is the one that is talked of.
    doors: Vec<Door>,
    listening: Mutex<Vec<Opened>>,
    control: Option<Door>,
    control_opened: Mutex<Option<Opened>>,
    certificate_pem: Option<String>,
    runtime: Option<Runtime>,
}

impl Sandbox {
    /// Binds (port 0 takes a free one) and serves plain HTTP on its own threads.
    pub fn start(listen: SocketAddr, config: OrgConfig) -> Result<Sandbox, Error> {
        Sandbox::start_with(Listen::http(listen), config)
    }

    /// The same with more to say of the listeners: TLS, several of them, control endpoints of their own.
    pub fn start_with(listen: Listen, config: OrgConfig) -> Result<Sandbox, Error> {
        let mistakes = config.mistakes();
        if !mistakes.is_empty() {
            return Err(Error::Config { mistakes });
        }
        if let Some(address) = listen.control
            && !address.ip().is_loopback()
        {
            return Err(Error::ControlNotLoopback { address });
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKER_THREADS)
            .thread_name("salesforce-sandbox")
            .enable_all()
            .build()
            .map_err(Error::Runtime)?;
        let org = Arc::new(Org::new(config));
        let identities = identities(&listen, &org)?;
        let certificate_pem = identities
            .iter()
            .flatten()
            .map(|identity| identity.certificate_pem.clone())
            .next();
        let house = house(&org);
        let apart = listen.control.is_some();
        let mut doors = Vec::new();
        let mut listeners = Vec::new();
        for ((address, _), identity) in listen.doors.iter().zip(identities) {
            let (listener, address) = bind(*address)?;
            listeners.push(listener);
            let role = match address.ip().is_loopback() && !apart {
                true => Role::OrgAndControl,
                false => Role::Org,
            };
            doors.push(Door {
                address,
                tls: identity.map(|identity| identity.config),
                role,
                house: house.clone(),
            });
        }
        let control = listen
            .control
            .map(|address| open_control(address, &house, &runtime))
            .transpose()?;
        let (control, control_opened) = control.unzip();
        let sandbox = Sandbox {
            org,
            doors,
            listening: Mutex::new(Vec::new()),
            control,
            control_opened: Mutex::new(control_opened),
            certificate_pem,
            runtime: Some(runtime),
        };
        if let Some(runtime) = &sandbox.runtime {
            runtime.spawn(bulk::work(Arc::clone(&sandbox.org)));
        }
        sandbox.open(listeners)?;
        Ok(sandbox)
    }

    /// Where it listens; the first address when there are several.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.doors[0].address
    }

    /// `http://ADDRESS` or `https://ADDRESS`; of the first listener when there are several.
    #[must_use]
    pub fn base_url(&self) -> String {
        self.doors[0].url()
    }

    /// The base URLs of all listeners, in the order in which they were asked for.
    #[must_use]
    pub fn base_urls(&self) -> Vec<String> {
        self.doors.iter().map(Door::url).collect()
    }

    /// The base URL of the control endpoints: of their own listener, or of the first that answers them too; none when
    /// all listeners can be reached from elsewhere.
    #[must_use]
    pub fn control_url(&self) -> Option<String> {
        match &self.control {
            Some(door) => Some(door.url()),
            None => self
                .doors
                .iter()
                .find(|door| door.role == Role::OrgAndControl)
                .map(Door::url),
        }
    }

    /// PEM of the certificate (and its chain) of the first HTTPS listener, for clients that have to trust it.
    #[must_use]
    pub fn certificate_pem(&self) -> Option<&str> {
        self.certificate_pem.as_deref()
    }

    /// The faults to arm and disarm.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.org.faults
    }

    /// What others do to leads while a client is not looking.
    #[must_use]
    pub fn administrator(&self) -> Administrator<'_> {
        Administrator::new(&self.org)
    }

    /// All leads, oldest first.
    #[must_use]
    pub fn leads(&self) -> Vec<LeadSnapshot> {
        self.org.leads().snapshot(&self.org.schema, 0, usize::MAX)
    }

    /// The lead of an id.
    #[must_use]
    pub fn lead(&self, id: &str) -> Option<LeadSnapshot> {
        self.org.lead(id)
    }

    /// The leads whose field (an external id or Email) holds one of the keys, in the order of the keys; none when the
    /// field is no key.
    pub fn leads_by_key<'k>(
        &self,
        field: &str,
        keys: impl IntoIterator<Item = &'k str>,
    ) -> Option<Vec<LeadSnapshot>> {
        self.org.leads_by_key(field, keys)
    }

    /// Everything that the org holds but for its request log.
    #[must_use]
    pub fn snapshot(&self) -> OrgSnapshot {
        self.org.snapshot()
    }

    /// What is used of the limits.
    #[must_use]
    pub fn usage(&self) -> UsageReport {
        self.org.usage()
    }

    /// Uses up daily API calls and Bulk batches, as other integrations of the org would.
    pub fn use_up(&self, api_calls: u64, bulk_batches: u64) {
        self.org.use_up(api_calls, bulk_batches);
    }

    /// Deletes every lead for good.
    pub fn empty(&self) {
        self.org.empty();
    }

    /// Makes the org what it was at its start, but for the clock, which never goes back, and for ids, which are never
    /// given twice. Requests in progress go on, those that were held among them; bulk jobs do not.
    pub fn reset(&self) {
        self.org.reset();
    }

    /// All bulk jobs that are still known, oldest first.
    #[must_use]
    pub fn jobs(&self) -> Vec<JobSnapshot> {
        self.org.bulk.snapshots(self.org.now())
    }

    /// The request log, in the order of the answers.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.org.watch.log()
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.org.watch.stats()
    }

    /// Blocks until the predicate holds for the counters; false when the time is up first.
    pub fn wait_for(&self, timeout: Duration, predicate: impl Fn(&Stats) -> bool) -> bool {
        self.org.watch.wait_for(timeout, predicate)
    }

    /// Moves the org's clock forward: sessions idle, quotas recover, jobs expire.
    pub fn advance_clock(&self, by: Duration) {
        self.org.clock.advance(by);
    }

    /// Ends every session, as an administrator does.
    pub fn revoke_sessions(&self) {
        self.org.sessions().revoke_all();
    }

    /// Refuses connections and cuts those that are open; contents, sessions and faults are kept, and control endpoints
    /// with a listener of their own go on answering.
    pub fn stop_listening(&self) {
        let opened = std::mem::take(&mut *lock(&self.listening));
        if opened.is_empty() {
            return;
        }
        opened.into_iter().for_each(Opened::close);
        self.doors[0].house.wires.cut_all(Cut::Close);
    }

    /// Listens again on the same addresses. Does nothing while it listens.
    pub fn resume_listening(&self) -> Result<(), Error> {
        if !lock(&self.listening).is_empty() {
            return Ok(());
        }
        let listeners = self
            .doors
            .iter()
            .map(|door| bind(door.address).map(|(listener, _)| listener))
            .collect::<Result<Vec<_>, Error>>()?;
        self.open(listeners)
    }

    /// Stops the org for good; its contents are gone.
    pub fn stop(self) {
        drop(self);
    }

    /// A channel that yields once SIGTERM or SIGINT arrives; both are caught from now on.
    pub(crate) fn signal(&self) -> Result<Receiver<()>, Error> {
        let (sender, receiver) = sync_channel(1);
        let Some(runtime) = &self.runtime else {
            return Ok(receiver);
        };
        let _context = runtime.enter();
        let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signals)?;
        runtime.spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // The receiver is gone only when nobody waits any more.
            let _ = sender.send(());
        });
        Ok(receiver)
    }

    /// One listener for each door.
    fn open(&self, listeners: Vec<TcpListener>) -> Result<(), Error> {
        let Some(runtime) = &self.runtime else {
            return Ok(());
        };
        let mut listening = lock(&self.listening);
        for (door, listener) in self.doors.iter().zip(listeners) {
            match door.open(listener, runtime.handle()) {
                Ok(opened) => listening.push(opened),
                Err(source) => {
                    listening.drain(..).for_each(Opened::close);
                    let address = door.address;
                    return Err(Error::Listen { address, source });
                }
            }
        }
        Ok(())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop_listening();
        if let (Some(door), Some(opened)) = (&self.control, lock(&self.control_opened).take()) {
            opened.close();
            door.house.wires.cut_all(Cut::Close);
        }
        self.org.faults.clear();
        if let Some(runtime) = self.runtime.take() {
            // Does not block, so that a sandbox may be dropped inside of another runtime.
            runtime.shutdown_background();
        }
    }
}

/// Of each door, none for plain HTTP. What is made is made once and for all doors.
fn identities(listen: &Listen, org: &Org) -> Result<Vec<Option<Identity>>, Error> {
    let addresses: Vec<IpAddr> = listen
        .doors
        .iter()
        .map(|(address, _)| address.ip())
        .collect();
    let now = org.clock.wall_micros();
    let mut made: Option<Identity> = None;
    listen
        .doors
        .iter()
        .map(|(_, tls)| match (tls, &made) {
            (None, _) => Ok(None),
            (Some(Tls::SelfSigned { .. }), Some(made)) => Ok(Some(made.clone())),
            (Some(tls), _) => {
                let identity = tls.identity(&addresses, now)?;
                if matches!(tls, Tls::SelfSigned { .. }) {
                    made = Some(identity.clone());
                }
                Ok(Some(identity))
            }
        })
        .collect()
}

fn house(org: &Arc<Org>) -> House {
    let serving = &org.config.serving;
    let room = Room::new(
        serving.max_buffered_bytes,
        org.config
            .max_request_bytes
            .max(org.config.max_bulk_upload_bytes()),
        Duration::from_millis(serving.request_body_timeout_ms),
    );
    House {
        org: Arc::clone(org),
        wires: Wires::default(),
        places: Arc::new(Semaphore::new(serving.max_connections)),
        room: Arc::new(room),
    }
}

fn open_control(
    address: SocketAddr,
    house: &House,
    runtime: &Runtime,
) -> Result<(Door, Opened), Error> {
    let (listener, address) = bind(address)?;
    let door = Door {
        address,
        tls: None,
        role: Role::Control,
        house: House {
            wires: Wires::default(),
            places: Arc::new(Semaphore::new(CONTROL_CONNECTIONS)),
            ..house.clone()
        },
    };
    let opened = door
        .open(listener, runtime.handle())
        .map_err(|source| Error::Listen { address, source })?;
    Ok((door, opened))
}

/// Binds; the address with the port that was taken.
fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let listen_error = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(listen_error)?;
    let bound = listener.local_addr().map_err(listen_error)?;
    Ok((listener, bound))
}
