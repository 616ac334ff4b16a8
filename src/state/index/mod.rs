//! The index: answers what became of a lead, and which dead letters wait.
//!
//! Owns `state/index`, a sled database that is derived from the journal and worth nothing without
//! it: missing, damaged or of another journal, it is set aside and rebuilt in the background.
//! Invariants: it reads only what is durable in the journal; nothing waits for it; a failure in
//! here never reaches the journal.

mod check;
mod database;
mod growth;
mod kept;
mod kinds;
mod letters;
mod opening;
mod query;
mod runs;
mod tail;
mod trail;
mod view;
mod waiting;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::sync::{RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use super::audit::Ledger;
use super::error::Error;
use super::folder::{Folder, FolderLock};
use super::journal::personal::email_hash;
use super::journal::progress::Progress;
use super::keyring::Keyring;
use crate::core::time::Micros;
pub(in crate::state) use check::Expected;
pub use check::IndexSums;
use database::Failure;
pub use letters::{LetterGroup, LetterStory};
pub use query::{
    DeadLetterCount, DeadLetterFilter, DeadLetterRow, PersonalPart, RawJson, TraceEvent, TraceQuery,
};
pub(in crate::state) use query::{personal_part, trace_event};
use tail::Tail;
pub use trail::TrailStart;
use view::View;
pub use waiting::{LetterPage, WaitingLetter};

/// Deletes a database, and those that were set aside.
pub(super) fn delete_database(folder: &Path) -> std::io::Result<()> {
    database::delete(folder)
}

/// Why an index is thrown away that is well.
const ERASED: &str = "a person was erased";

/// How often an index that catches up is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Ten seconds: an index that works comes further in far less.
const LOOKS_AT_STANDSTILL: u32 = 50;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IndexLag {
    pub applied_commit: u64,
    pub last_commit: u64,
    /// It began anew and has not caught up yet: answers may be missing.
    pub rebuilding: bool,
    /// What it takes on disk, as of its last sync.
    pub bytes: u64,
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
    /// Opens what is sealed in the journal.
    keys: Option<Arc<Keyring>>,
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
    bytes: u64,
    failed: Option<Failure>,
    /// How often it began anew since it was started.
    restarts: u32,
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
            bytes: status.bytes,
        }
    }

    /// The ledger that this index is made from, up to what is durable now; without the keys of what
    /// is sealed. `None` when the journal lies in no folder.
    #[must_use]
    pub fn ledger(&self) -> Option<Ledger> {
        Ledger::beside(&self.journal, self.progress.stats().last_commit)
    }

    /// An address as the journal's personal lines have it.
    pub(super) fn email_hash(&self, address: &str) -> String {
        self.names.email(address).1
    }

    /// Whether one of these names leads anywhere.
    pub(super) fn knows(
        &self,
        keys: &BTreeSet<String>,
        email: Option<&str>,
    ) -> Result<bool, Error> {
        let keys = keys.iter().map(|key| self.names.key(key));
        let mut hashes = keys.chain(email.map(|address| self.names.email(address).0));
        let view = self.shared.read();
        let found = hashes.try_fold(false, |known, hash| {
            Ok(known || !view.find(hash)?.is_empty())
        });
        drop(view);
        found.map_err(|failure| self.shared.report(failure))
    }

    /// Throws the database away, because it holds what must go, and builds it anew in the
    /// background.
    pub(super) fn begin_anew(&self) {
        self.shared.status().failed = Some(Failure(ERASED.to_owned()));
        self.progress.wake();
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

impl IndexHandle {
    /// Blocks for as long as the index comes closer to this commit, and tells where it is; false
    /// once it stands still, or has begun anew more often than `restarts`: the disk is full, or
    /// worse.
    #[must_use]
    pub fn wait_caught_up(
        &self,
        commit: u64,
        restarts: u32,
        mut progress: impl FnMut(u64, u64),
    ) -> bool {
        let (mut before, mut looks) = (0, 0);
        while !self.wait_applied(commit, LOOK_AGAIN) {
            let status = self.shared.status();
            let (applied, has_failed) =
                (status.applied, status.restarts > restarts || status.ended);
            drop(status);
            looks = if applied == before { looks + 1 } else { 0 };
            if has_failed || looks >= LOOKS_AT_STANDSTILL {
                return false;
            }
            before = applied;
            progress(applied, commit);
        }
        true
    }
}

impl Index {
    /// Closes the journal's mark, waits for the thread and what it writes last; whether all of it is
    /// on the disk.
    pub(super) fn finish(self) -> bool {
        let shared = Arc::clone(&self.handle.shared);
        let last = self.handle.lag().last_commit;
        self.handle.progress.close();
        let has_ended = self.join();
        let status = shared.status();
        has_ended && status.restarts == 0 && status.synced >= last
    }

    pub(super) fn start(
        folder: &Folder,
        database: PathBuf,
        store: &str,
        key: [u8; 32],
        progress: &Arc<Progress>,
        lock: &Arc<FolderLock>,
        keys: Option<&Arc<Keyring>>,
    ) -> Result<Index, Error> {
        let names = Names::new(store, key, keys);
        let shared = Arc::new(Shared::new());
        let tail = Tail {
            journal: folder.journal(),
            folder: database,
            names: names.clone(),
            shared: Arc::clone(&shared),
            progress: Arc::clone(progress),
            synced_at: Micros(0),
            reported: None,
            has_outgrown: false,
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
    ///
    /// False when it does not end: it may still write.
    pub(super) fn join(self) -> bool {
        let shared = &self.handle.shared;
        let going = |status: &mut Status| !status.ended;
        let waited = shared
            .changed
            .wait_timeout_while(shared.status(), JOIN_TIMEOUT, going);
        if waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
            // Nothing in there is worth a process that does not end.
            tracing::warn!("the index did not finish in time; it catches up at the next start");
            return false;
        }
        // A panic in there has been reported by its thread, and costs nothing but a rebuild.
        let _ = self.thread.join();
        true
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

    fn set_synced(&self, commit: u64, bytes: u64) {
        let mut status = self.status();
        (status.synced, status.bytes) = (commit, bytes);
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
        let mut status = self.status();
        *status = Status {
            rebuilding: true,
            restarts: status.restarts + 1,
            ..Status::default()
        };
        drop(status);
        self.changed.notify_all();
    }
}

impl Names {
    fn new(store: &str, key: [u8; 32], keys: Option<&Arc<Keyring>>) -> Self {
        let seed = blake3::derive_key("leadstream index names", &key);
        let seed = seed
            .iter()
            .take(8)
            .fold(0, |seed, byte| seed << 8 | u64::from(*byte));
        Self {
            store: store.to_owned(),
            key,
            seed,
            keys: keys.cloned(),
        }
    }

    fn key(&self, key: &str) -> u64 {
        self.hash(b'k', key)
    }

    /// Ids come with 15 characters or with 18, of which the last three add nothing.
    fn salesforce_id(&self, id: &str) -> u64 {
        self.hash(b'i', short_id(id))
    }

    fn letter(&self, number: u64) -> u64 {
        self.hash(b'l', &number.to_string())
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
