//! What survives: the journal, which everything durable goes through, and the index, which
//! answers questions about it.
//!
//! Owns the state folder, its lock and everything in it. The pipeline starts from the journal
//! alone; the index follows in the background and can be thrown away at any time. Vendor types
//! (sled) stop here. This area decides nothing: commits come in as the core made them.

mod activity;
pub mod audit;
mod erasure;
mod error;
mod folder;
mod index;
mod journal;
mod keyring;
mod room;
mod spool;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use activity::{Activity, ActivityPage, ActivityQuestion};
pub use erasure::{Eraser, Holding, Person};
pub use error::Error;
pub use index::{
    DeadLetterCount, DeadLetterFilter, DeadLetterRow, IndexHandle, IndexLag, IndexSums,
    LetterGroup, LetterPage, LetterStory, PersonalPart, RawJson, TraceEvent, TraceQuery,
    TrailStart, WaitingLetter,
};
pub use journal::{CommitReceipt, Done, JournalHandle, JournalStats, PayloadPolicy};
pub use keyring::Keyring;
pub use room::Room;
pub use spool::{Spool, SpoolFile, Spooled};

use crate::core::entry::Recovered;
use crate::core::letters::KeySecret;
use crate::core::time::Micros;
use folder::Folder;
use index::Index;
use journal::activity::read_reasons;
use journal::progress::Progress;
use journal::{Journal, Keeper, Opened};
use room::Disk;

/// A segment of this size is recovered in a fraction of a second, and a day of the scenario's
/// leads fits into one.
pub const DEFAULT_SEGMENT_BYTES: u64 = 32 << 20;
/// Places within a segment are 32 bit in the index; a write of one group must fit on top.
pub const MAX_SEGMENT_BYTES: u64 = 2 << 30;

#[derive(Clone, Debug)]
pub struct StateSettings {
    pub path: PathBuf,
    pub payload: PayloadPolicy,
    /// A segment that has reached this size is closed; at most [`MAX_SEGMENT_BYTES`].
    pub segment_bytes: u64,
    /// Set aside for the outcomes of calls in flight when the disk fills; 0: no reserve.
    pub reserve_bytes: u64,
    /// Segments older than this leave the journal; `None`: none does for its age.
    pub retention_ms: Option<u64>,
    /// While the journal takes more than this, its oldest segments leave it.
    pub max_journal_bytes: Option<u64>,
    /// Keys that personal values are sealed with; `None`: they stand in clear.
    pub encryption_key_file: Option<PathBuf>,
    /// Route names by `RouteId`.
    pub routes: Vec<String>,
}

/// The state, opened for the service: holds the lock, runs the journal and the index.
pub struct Store {
    journal: JournalHandle,
    index: IndexHandle,
    threads: Option<(Journal, Index, Keeper)>,
    progress: Arc<Progress>,
    api_calls: Vec<(Micros, u64)>,
    spool: Spool,
    keys: Option<Arc<Keyring>>,
    id: String,
}

/// The state, opened to be read while no service runs: holds the lock, changes nothing but the
/// index.
pub struct Reader {
    recovered: Recovered,
    index: IndexHandle,
    thread: Option<Index>,
    progress: Arc<Progress>,
    id: String,
    missing_key: Option<Error>,
}

impl Store {
    /// Locks the folder, recovers the journal and starts the threads. Creates what is missing.
    pub fn open(mut settings: StateSettings) -> Result<(Store, Recovered), Error> {
        settings.segment_bytes = settings.segment_bytes.min(MAX_SEGMENT_BYTES);
        let keys = read_keys(settings.encryption_key_file.as_deref())?;
        let folder = Folder::new(&settings.path);
        folder.create()?;
        let lock = Arc::new(folder.lock()?);
        let key = folder.read_or_create_key()?;
        let spool = Spool::open(&folder.spool(), keys.is_some())?;
        let progress = Arc::new(Progress::default());
        let disk = Arc::new(Disk::open(&settings.path, settings.reserve_bytes));
        let (journal, opened) = Journal::open(
            folder.journal(),
            &settings,
            (key, keys.as_ref()),
            wall_clock(),
            &progress,
            &disk,
            &lock,
        )?;
        let Opened {
            mut recovered,
            api_calls,
            store: id,
            ..
        } = opened;
        recovered.letter_secret = letter_secret(&key);
        read_reasons(&folder.journal(), keys.as_deref(), &mut recovered.pauses);
        let index = Index::start(
            &folder,
            folder.index(),
            &id,
            key,
            &progress,
            &lock,
            keys.as_ref(),
        )?;
        let (handle, index_handle) = (journal.handle.clone(), index.handle.clone());
        let keeper = Keeper::start(folder.journal(), &settings, &journal, &disk, &lock)?;
        let threads = Some((journal, index, keeper));
        let store = Store {
            journal: handle,
            index: index_handle,
            threads,
            progress,
            api_calls,
            spool,
            keys,
            id,
        };
        Ok((store, recovered))
    }

    #[must_use]
    pub fn journal(&self) -> JournalHandle {
        self.journal.clone()
    }

    #[must_use]
    pub fn index(&self) -> IndexHandle {
        self.index.clone()
    }

    /// Takes people out of what is kept.
    #[must_use]
    pub fn eraser(&self) -> Eraser {
        Eraser {
            journal: self.journal(),
            index: self.index(),
            keys: self.keys.clone(),
        }
    }

    /// Where the files of Bulk uploads lie.
    #[must_use]
    pub fn spool(&self) -> Spool {
        self.spool.clone()
    }

    /// Names this store for ever: 32 hex digits, made at its creation.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Calls to Salesforce in the 24 hours before the start: the hour's beginning, and how many.
    #[must_use]
    pub fn recovered_api_calls(&self) -> &[(Micros, u64)] {
        &self.api_calls
    }

    /// Makes durable what was submitted, ends the threads and gives up the lock.
    pub fn close(mut self) -> Result<(), Error> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), Error> {
        let Some((journal, index, keeper)) = self.threads.take() else {
            return Ok(());
        };
        let closed = journal.close();
        self.progress.close();
        keeper.join();
        index.join();
        closed
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            tracing::error!(error = %error, page = error.page(), "the state was not closed well");
        }
    }
}

/// Opens the state to read it; fails when a service runs or when there is no state.
pub fn open_reader(path: &Path) -> Result<Reader, Error> {
    open_reader_with(path, None)
}

/// The same with the keys of what is sealed. Without them the journal alone can be read: see
/// [`Reader::needs_no_key`].
pub fn open_reader_with(path: &Path, keys: Option<Arc<Keyring>>) -> Result<Reader, Error> {
    let folder = Folder::new(path);
    let missing = || Error::Missing {
        path: path.to_owned(),
    };
    if !folder.journal().is_dir() {
        return Err(missing());
    }
    let lock = Arc::new(folder.lock()?);
    let progress = Arc::new(Progress::default());
    let opened = Opened::read(&folder.journal(), &progress)?.ok_or_else(missing)?;
    let key = folder.read_or_create_key()?;
    let Opened {
        mut recovered,
        store: id,
        sealed_with,
        ..
    } = opened;
    read_reasons(&folder.journal(), keys.as_deref(), &mut recovered.pauses);
    let missing_key = sealed_with.filter(|id| !keys.as_ref().is_some_and(|keys| keys.knows(id)));
    let index = Index::start(
        &folder,
        folder.index(),
        &id,
        key,
        &progress,
        &lock,
        keys.as_ref(),
    )?;
    Ok(Reader {
        recovered,
        index: index.handle.clone(),
        thread: Some(index),
        progress,
        id,
        missing_key: missing_key.map(|id| Error::KeyMissing {
            file: folder.journal(),
            id,
        }),
    })
}

impl Reader {
    /// What a start of the service would begin with.
    #[must_use]
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// May still be catching up: see [`IndexHandle::wait_applied`].
    #[must_use]
    pub fn index(&self) -> IndexHandle {
        self.index.clone()
    }

    #[must_use]
    pub fn journal_stats(&self) -> JournalStats {
        self.progress.stats()
    }

    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether the index can be asked: without the key it cannot follow what is sealed.
    ///
    /// # Errors
    /// Names the key that is missing.
    pub fn needs_no_key(&self) -> Result<(), Error> {
        self.missing_key.clone().map_or(Ok(()), Err)
    }

    /// Ends the thread of the index and gives up the lock, as dropping it does.
    pub fn close(self) {}
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.progress.close();
        if let Some(index) = self.thread.take() {
            index.join();
        }
    }
}

/// Opens the state for an [`Eraser`] while no service runs.
pub fn open_to_erase(path: &Path, encryption_key_file: Option<PathBuf>) -> Result<Store, Error> {
    if !Folder::new(path).journal().is_dir() {
        return Err(Error::Missing {
            path: path.to_owned(),
        });
    }
    let settings = StateSettings {
        path: path.to_owned(),
        payload: PayloadPolicy::default(),
        segment_bytes: DEFAULT_SEGMENT_BYTES,
        reserve_bytes: 0,
        retention_ms: None,
        max_journal_bytes: None,
        encryption_key_file,
        routes: Vec::new(),
    };
    Ok(Store::open(settings)?.0)
}

/// The keys of a file, when there is one.
///
/// # Errors
/// When the file cannot be used.
pub fn read_keys(file: Option<&Path>) -> Result<Option<Arc<Keyring>>, Error> {
    file.map(|file| Keyring::read(file).map(Arc::new))
        .transpose()
}

/// What keys of dead letters are hashed with: a key of its own, so that its hashes tell nothing
/// about those of the index.
fn letter_secret(key: &[u8; 32]) -> KeySecret {
    KeySecret(blake3::derive_key("leadstream keys of dead letters", key))
}

/// Only for the header of a new store; everything later is told the time with its commit.
#[allow(
    clippy::disallowed_methods,
    reason = "a new store notes once when it was made"
)]
fn wall_clock() -> Micros {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Micros(now.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(0)))
}

#[cfg(test)]
mod tests;
