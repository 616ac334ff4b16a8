//! The journal: an append-only file of JSON Lines that everything durable goes through.
//!
//! Owns the segments in `state/journal`; `docs/journal.md` describes their format. Invariants: a
//! commit is whole or not there; it is acknowledged only when durable; one thread writes. It does
//! not answer questions about records: the index does.

pub(in crate::state) mod activity;
mod ahead;
mod books;
mod chain;
mod encode;
mod erase;
pub(in crate::state) mod figures;
mod frames;
mod header;
mod keeper;
mod kept;
mod letters;
pub(in crate::state) mod line;
mod parked;
pub(in crate::state) mod personal;
pub(in crate::state) mod progress;
mod recover;
mod retention;
pub(in crate::state) mod scan;
pub(in crate::state) mod sealed;
pub(in crate::state) mod segment_file;
pub(in crate::state) mod segments;
pub(in crate::state) mod steps;
mod text;
pub(in crate::state) mod verify;
pub(in crate::state) mod walk;
mod writer;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use tokio::sync::watch;

use crate::core::entry::{Commit, ParkedRecord, ParkedSpan, Recovered};
use crate::core::time::Micros;

use super::StateSettings;
use super::error::Error;
use super::folder::FolderLock;
use super::keyring::Keyring;
use super::room::{Disk, Room};
use books::JournalState;
pub(in crate::state) use chain::Chain;
use encode::Encoder;
pub(super) use keeper::Keeper;
use kept::{Holds, RawLine};
pub use personal::PayloadPolicy;
pub use progress::JournalStats;
use progress::Progress;
use recover::recover;
pub(in crate::state) use recover::segment_start;
use writer::{Writer, open_for_append};

/// Commits that may wait. The pipeline bounds what it has outstanding far below this.
const QUEUE_COMMITS: usize = 4096;

/// Called once a commit is durable, or has failed.
pub type Done = Box<dyn FnOnce(Result<CommitReceipt, Error>) + Send>;

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitReceipt {
    pub commit: u64,
    /// Where its parked records lie, in the order of their serials.
    pub parked: Vec<ParkedSpan>,
}

enum Request {
    Commit(Box<(Commit, Done)>),
    /// Lines that are no steps of the pipeline's, as a commit of their own.
    Lines(Vec<RawLine>, Done),
    /// The same in a segment that begins with them.
    Fresh(Vec<RawLine>, Done),
    /// What segments must be kept for.
    Holds(SyncSender<Holds>),
    Stop,
}

/// The way to the journal, for any thread.
#[derive(Clone)]
pub struct JournalHandle {
    requests: SyncSender<Request>,
    folder: Arc<Path>,
    routes: Arc<[String]>,
    progress: Arc<Progress>,
    disk: Arc<Disk>,
    keys: Option<Arc<Keyring>>,
}

/// A running journal.
pub(super) struct Journal {
    pub handle: JournalHandle,
    thread: JoinHandle<()>,
}

/// A journal as a start finds it.
pub(super) struct Opened {
    pub recovered: Recovered,
    /// Calls to Salesforce by hour over the last day: the hour's start, and how many.
    pub api_calls: Vec<(Micros, u64)>,
    pub store: String,
    pub stats: JournalStats,
    /// The key that the newest segment is sealed with.
    pub sealed_with: Option<String>,
}

impl JournalHandle {
    /// Queues a commit and returns at once. `done` is called on the journal's thread when the
    /// commit is durable or has failed; on the caller's when it cannot even be queued.
    pub fn submit(&self, commit: Commit, done: Done) {
        let request = Request::Commit(Box::new((commit, done)));
        let (request, error) = match self.requests.try_send(request) {
            Ok(()) => return,
            Err(TrySendError::Full(request)) => (
                request,
                Error::QueueFull {
                    capacity: QUEUE_COMMITS,
                },
            ),
            Err(TrySendError::Disconnected(request)) => (request, Error::Stopped),
        };
        if let Request::Commit(request) = request {
            (request.1)(Err(error));
        }
    }

    /// Reads parked records back; those in `settled`, and those erased, are left out.
    pub fn read_parked(
        &self,
        span: &ParkedSpan,
        settled: &BTreeSet<u64>,
    ) -> Result<Vec<ParkedRecord>, Error> {
        let place = (&*self.folder, &*self.routes);
        parked::read_parked(place, self.keys.as_deref(), span, settled)
    }

    #[must_use]
    pub fn stats(&self) -> JournalStats {
        self.progress.stats()
    }

    /// Follows whether the disk has room: while it has not enough, nothing new is to be begun.
    #[must_use]
    pub fn follow_room(&self) -> watch::Receiver<Room> {
        self.disk.follow()
    }

    /// Bytes free beside the reserve; `None` when the disk does not tell.
    #[must_use]
    pub fn free_bytes(&self) -> Option<u64> {
        self.disk.free()
    }

    /// Commits that wait for room on the disk fail from now on, because the process is to end.
    pub fn wait_for_room_no_longer(&self) {
        self.disk.give_up();
    }
}

impl Journal {
    /// Recovers the journal in `folder`, or begins it, and starts its thread.
    pub(super) fn open(
        folder: PathBuf,
        settings: &StateSettings,
        (index_key, keys): ([u8; 32], Option<&Arc<Keyring>>),
        now: Micros,
        progress: &Arc<Progress>,
        disk: &Arc<Disk>,
        lock: &Arc<FolderLock>,
    ) -> Result<(Journal, Opened), Error> {
        segments::delete_unfinished(&folder)?;
        let mut torn = 0;
        let (mut state, file, path, (length, header_bytes), commits) = match recover(
            &folder,
            &settings.routes,
        )? {
            Some(mut found) => {
                recover::check_keys(&folder, &mut found.state, keys.map(|keys| &**keys))?;
                torn = found.torn_bytes;
                let file =
                    open_for_append(&found.path, found.good_bytes, torn).map_err(|source| {
                        Error::Write {
                            path: found.path.clone(),
                            source: Arc::new(source),
                        }
                    })?;
                if torn > 0 {
                    let file = found.path.display();
                    tracing::warn!(bytes = torn, %file, "cut off what an unfinished write had left");
                }
                let sizes = (found.good_bytes, found.header_bytes);
                (found.state, file, found.path, sizes, found.commits)
            }
            None => {
                let store = format!("{:032x}", rand::random::<u128>());
                let mut state = JournalState::new(store, &settings.routes);
                state.sealed_with = keys.map(|keys| keys.id().to_owned());
                let (file, path, length) = segments::begin_segment(&folder, &mut state, now)?;
                (state, file, path, (length, length), 0)
            }
        };
        let mut opened = Opened::new(&folder, &mut state, length, torn)?;
        if let Some(snapshot) = &mut opened.recovered.snapshot {
            let closed = |closed: sealed::Closed| Error::KeyMissing {
                file: path.clone(),
                id: closed.id,
            };
            sealed::open_places(keys.map(|keys| &**keys), snapshot).map_err(closed)?;
        }
        progress.update(|stats| *stats = opened.stats);
        let mut encoder = Encoder::new(settings.payload, index_key, &settings.routes);
        encoder.keys = keys.cloned();
        let writer = Writer {
            folder: folder.clone(),
            file,
            path,
            length,
            header_bytes,
            commits,
            segment_bytes: settings.segment_bytes,
            state,
            encoder,
            progress: Arc::clone(progress),
            disk: Arc::clone(disk),
            _lock: Arc::clone(lock),
        };
        let (requests, queue) = sync_channel(QUEUE_COMMITS);
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(&queue))
            .map_err(|source| Error::Thread {
                name: "journal",
                source: Arc::new(source),
            })?;
        let handle = JournalHandle {
            requests,
            folder: folder.into(),
            routes: settings.routes.clone().into(),
            progress: Arc::clone(progress),
            disk: Arc::clone(disk),
            keys: keys.cloned(),
        };
        Ok((Journal { handle, thread }, opened))
    }

    /// Finishes what was submitted before, and ends the thread.
    pub(super) fn close(self) -> Result<(), Error> {
        self.handle.disk.give_up();
        // It fails when the thread has ended already.
        let _ = self.handle.requests.send(Request::Stop);
        self.thread.join().map_err(|_| Error::Stopped)
    }
}

impl Opened {
    /// What is there, without changing or starting anything; `None` when there is no journal.
    pub(super) fn read(folder: &Path, progress: &Progress) -> Result<Option<Opened>, Error> {
        let Some(mut found) = recover(folder, &[])? else {
            return Ok(None);
        };
        let opened = Opened::new(folder, &mut found.state, found.good_bytes, found.torn_bytes)?;
        progress.update(|stats| *stats = opened.stats);
        Ok(Some(opened))
    }

    fn new(folder: &Path, state: &mut JournalState, length: u64, torn: u64) -> Result<Self, Error> {
        let segments = segments::list_segments(folder)?;
        let mut bytes = 0;
        for segment in &segments {
            let path = segments::present_path(folder, *segment);
            bytes += std::fs::metadata(&path)
                .map_err(|source| Error::read(&path, source))?
                .len();
        }
        let stats = JournalStats {
            segments: segments.len() as u64,
            bytes,
            last_commit: state.last_commit,
            durable_at: state.last_at,
            segment: state.segment,
            segment_bytes: length,
        };
        let recovered = state.recovered(torn);
        Ok(Opened {
            recovered,
            api_calls: state.api_calls(),
            store: state.store.clone(),
            stats,
            sealed_with: state.sealed_with.clone(),
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
