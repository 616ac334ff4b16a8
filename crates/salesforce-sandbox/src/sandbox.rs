//! The life of one org: start, stop, refuse connections for a while.
//!
//! Invariants: the org's contents outlive its listener; once `stop_listening` has returned, a new connection is
//! refused and no request on an old one is served. The org has its own runtime, so callers need none.
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::bulk::{self, JobSnapshot};
use crate::faults::Faults;
use crate::http;
use crate::http::wire::{Cut, WireListener, Wires};
use crate::org::{Administrator, LeadSnapshot, Org, OrgSnapshot, UsageReport, lock};
use crate::watch::{RequestRecord, Stats};
use crate::{Error, OrgConfig};

/// Enough to serve while one request waits for the lock; the sandbox shares its machine with what it tests.
const WORKER_THREADS: usize = 2;

/// A running org. Dropping it stops it.
pub struct Sandbox {
    org: Arc<Org>,
    address: SocketAddr,
    wires: Wires,
    listening: Mutex<Option<Listening>>,
    runtime: Option<Runtime>,
}

struct Listening {
    stop: oneshot::Sender<()>,
    stopped: Receiver<()>,
}

impl Sandbox {
    /// Binds (port 0 takes a free one) and serves on its own threads.
    pub fn start(listen: SocketAddr, config: OrgConfig) -> Result<Sandbox, Error> {
        let mistakes = config.mistakes();
        if !mistakes.is_empty() {
            return Err(Error::Config { mistakes });
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKER_THREADS)
            .thread_name("salesforce-sandbox")
            .enable_all()
            .build()
            .map_err(Error::Runtime)?;
        let listen_error = |source| Error::Listen {
            address: listen,
            source,
        };
        let listener = TcpListener::bind(listen).map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let sandbox = Sandbox {
            org: Arc::new(Org::new(config, listen.ip().is_loopback())),
            address,
            wires: Wires::default(),
            listening: Mutex::new(None),
            runtime: Some(runtime),
        };
        if let Some(runtime) = &sandbox.runtime {
            runtime.spawn(bulk::work(Arc::clone(&sandbox.org)));
        }
        sandbox.serve(listener)?;
        Ok(sandbox)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://ADDRESS`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
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

    /// Refuses connections and cuts those that are open; contents, sessions and faults are kept.
    pub fn stop_listening(&self) {
        let Some(listening) = lock(&self.listening).take() else {
            return;
        };
        // Either side may be gone already when the runtime is; then nothing listens any more.
        let _ = listening.stop.send(());
        let _ = listening.stopped.recv();
        self.wires.cut_all(Cut::Close);
    }

    /// Listens again on the same address. Does nothing while it listens.
    pub fn resume_listening(&self) -> Result<(), Error> {
        if lock(&self.listening).is_some() {
            return Ok(());
        }
        let listener = TcpListener::bind(self.address).map_err(|source| Error::Listen {
            address: self.address,
            source,
        })?;
        self.serve(listener)
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

    fn serve(&self, listener: TcpListener) -> Result<(), Error> {
        let Some(runtime) = &self.runtime else {
            return Ok(());
        };
        let listen_error = |source| Error::Listen {
            address: self.address,
            source,
        };
        listener.set_nonblocking(true).map_err(listen_error)?;
        let _context = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).map_err(listen_error)?;
        let listener = WireListener {
            listener,
            wires: self.wires.clone(),
        };
        let service = http::service(Arc::clone(&self.org));
        let (stop, stopping) = oneshot::channel();
        let (acknowledge, stopped) = sync_channel(1);
        runtime.spawn(async move {
            let serving = async { axum::serve(listener, service).await };
            tokio::select! {
                _ = serving => {}
                _ = stopping => {}
            }
            // The listener is dropped by now; nobody may be waiting to hear of it.
            let _ = acknowledge.send(());
        });
        *lock(&self.listening) = Some(Listening { stop, stopped });
        Ok(())
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop_listening();
        self.org.faults.clear();
        if let Some(runtime) = self.runtime.take() {
            // Does not block, so that a sandbox may be dropped inside of another runtime.
            runtime.shutdown_background();
        }
    }
}
