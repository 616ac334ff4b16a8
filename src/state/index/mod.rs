//! The index: answers what became of a lead, and which dead letters wait.
//!
//! Owns `state/index`, a sled database that is derived from the journal and worth nothing without
//! it: missing, damaged or of another journal, it is set aside and rebuilt in the background.
//! Invariants: it reads only what is durable in the journal; nothing waits for it; a failure in
//! here never reaches the journal.

mod database;
mod query;
mod runs;
mod tail;
mod view;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::sync::{RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use super::error::Error;
use super::folder::{Folder, FolderLock};
use super::journal::personal::email_hash;
use super::journal::progress::Progress;
use crate::core::time::Micros;
use database::Failure;
pub use query::{
    DeadLetterCount, DeadLetterFilter, DeadLetterRow, PersonalPart, RawJson, TraceEvent, TraceQuery,
};
use tail::Tail;
use view::View;

/// sled may take long over its last words, and on damage for ever.
const JOIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The read side of the index, for any thread.
#[derive(Clone)]
pub struct IndexHandle {
    shared: Arc<Shared>,
    progress: Arc<Progress>,
    names: Names,
    journal: Arc<Path>,
}

/// How far the index is behind the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct IndexLag {
    pub applied_commit: u64,
    pub last_commit: u64,
    /// It began anew and has not caught up yet: answers may be missing.
    pub rebuilding: bool,
}

/// A running index.
pub(super) struct Index {
    pub handle: IndexHandle,
    thread: JoinHandle<()>,
}

/// What is looked up is hashed with a secret of this store, so that the index gives no names away.
#[derive(Clone)]
struct Names {
    store: String,
    key: [u8; 32],
    seed: u64,
}

struct Shared {
    view: RwLock<View>,
    status: Mutex<Status>,
    changed: Condvar,
}

#[derive(Default)]
struct Status {
    applied: u64,
    synced: u64,
    rebuilding: bool,
    failed: Option<Failure>,
    ended: bool,
}

impl IndexHandle {
    #[must_use]
    pub fn lag(&self) -> IndexLag {
        let last_commit = self.progress.stats().last_commit;
        let status = self.shared.status();
        IndexLag {
            applied_commit: status.applied,
            last_commit,
            rebuilding: status.rebuilding,
        }
    }

    /// Blocks until the index has applied this commit; false when the time is up before.
    #[must_use]
    pub fn wait_applied(&self, commit: u64, timeout: Duration) -> bool {
        let behind = |status: &mut Status| status.applied < commit;
        let waited = self
            .shared
            .changed
            .wait_timeout_while(self.shared.status(), timeout, behind);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl Index {
    pub(super) fn start(
        folder: &Folder,
        store: &str,
        key: [u8; 32],
        progress: &Arc<Progress>,
        lock: &Arc<FolderLock>,
    ) -> Result<Index, Error> {
        let seed = blake3::derive_key("leadstream index names", &key);
        let seed = seed
            .iter()
            .take(8)
            .fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        let names = Names {
            store: store.to_owned(),
            key,
            seed,
        };
        let shared = Arc::new(Shared::new());
        let tail = Tail {
            journal: folder.journal(),
            folder: folder.index(),
            names: names.clone(),
            shared: Arc::clone(&shared),
            progress: Arc::clone(progress),
            synced_at: Micros(0),
            reported: None,
            worked: true,
            _lock: Arc::clone(lock),
        };
        let thread = std::thread::Builder::new()
            .name("index".to_owned())
            .spawn(move || tail.run())
            .map_err(|source| Error::Thread {
                name: "index",
                source: Arc::new(source),
            })?;
        let journal = folder.journal().into();
        let progress = Arc::clone(progress);
        Ok(Index {
            handle: IndexHandle {
                shared,
                progress,
                names,
                journal,
            },
            thread,
        })
    }

    /// Waits for the thread, which ends once the journal's progress is closed.
    pub(super) fn join(self) {
        let shared = &self.handle.shared;
        let going = |status: &mut Status| !status.ended;
        let waited = shared
            .changed
            .wait_timeout_while(shared.status(), JOIN_TIMEOUT, going);
        if waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
            // Nothing in there is worth a process that does not end.
            tracing::warn!("the index did not finish in time; it catches up at the next start");
            return;
        }
        // A panic in there has been reported by its thread, and costs nothing but a rebuild.
        let _ = self.thread.join();
    }
}

impl Shared {
    fn new() -> Self {
        let status = Mutex::new(Status::default());
        Self {
            view: RwLock::new(View::default()),
            status,
            changed: Condvar::new(),
        }
    }

    /// A panic under these locks is sled's, and what it left behind is checked when it is read.
    fn read(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn applied(&self) -> u64 {
        self.status().applied
    }

    fn is_rebuilding(&self) -> bool {
        self.status().rebuilding
    }

    fn set_applied(&self, applied: u64, rebuilding: bool) {
        let mut status = self.status();
        status.applied = applied;
        status.rebuilding = rebuilding;
        drop(status);
        self.changed.notify_all();
    }

    fn set_ended(&self) {
        self.status().ended = true;
        self.changed.notify_all();
    }

    fn synced(&self) -> u64 {
        self.status().synced
    }

    fn set_synced(&self, commit: u64) {
        self.status().synced = commit;
    }

    /// Notes that a reader met damage; the thread of the index takes it up.
    fn report(&self, failure: Failure) -> Error {
        let reason = failure.0.clone();
        self.status().failed = Some(failure);
        Error::Index { reason }
    }

    fn failure(&self) -> Option<Failure> {
        self.status().failed.take()
    }

    /// Forgets everything: the index begins anew.
    fn forget(&self) {
        let db = {
            let mut view = self.write();
            std::mem::take(&mut *view).db
        };
        if let Some(db) = db {
            db.close();
        }
        *self.status() = Status {
            rebuilding: true,
            ..Status::default()
        };
        self.changed.notify_all();
    }
}

impl Names {
    fn key(&self, key: &str) -> u64 {
        self.hash(b'k', key)
    }

    /// Ids come with 15 characters or with 18, of which the last three add nothing.
    fn salesforce_id(&self, id: &str) -> u64 {
        self.hash(b'i', short_id(id))
    }

    /// The hash of an address is what is indexed, so that the index holds no address.
    fn email_hash(&self, hex: &str) -> u64 {
        self.hash(b'e', hex)
    }

    /// What an address is indexed under, and its hash as the journal has it.
    fn email(&self, address: &str) -> (u64, String) {
        let hex = hex(&email_hash(&self.key, address));
        (self.email_hash(&hex), hex)
    }

    fn hash(&self, kind: u8, text: &str) -> u64 {
        let seed = self.seed ^ u64::from(kind);
        xxhash_rust::xxh3::xxh3_64_with_seed(text.as_bytes(), seed)
    }
}

fn short_id(id: &str) -> &str {
    id.get(..15).unwrap_or(id)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
