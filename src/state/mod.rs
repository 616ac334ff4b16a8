//! What survives: the journal, which everything durable goes through, and the index, which
//! answers questions about it.
//!
//! Owns the state folder, its lock and everything in it. The pipeline starts from the journal
//! alone; the index follows in the background and can be thrown away at any time. Vendor types
//! (sled) stop here. This area decides nothing: commits come in as the core made them.

mod error;
mod folder;
mod index;
mod journal;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::Error;
pub use index::{
    DeadLetterCount, DeadLetterFilter, DeadLetterRow, IndexHandle, IndexLag, PersonalPart, RawJson,
    TraceEvent, TraceQuery,
};
pub use journal::{CommitReceipt, Done, JournalHandle, JournalStats, PayloadPolicy};

use crate::core::entry::Recovered;
use crate::core::time::Micros;
use folder::Folder;
use index::Index;
use journal::progress::Progress;
use journal::{Journal, Opened};

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
    /// Route names by `RouteId`.
    pub routes: Vec<String>,
}

/// The state, opened for the service: holds the lock, runs the journal and the index.
pub struct Store {
    journal: JournalHandle,
    index: IndexHandle,
    threads: Option<(Journal, Index)>,
    progress: Arc<Progress>,
    api_calls: Vec<(Micros, u64)>,
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
}

impl Store {
    /// Locks the folder, recovers the journal and starts the threads. Creates what is missing.
    pub fn open(mut settings: StateSettings) -> Result<(Store, Recovered), Error> {
        settings.segment_bytes = settings.segment_bytes.min(MAX_SEGMENT_BYTES);
        let folder = Folder::new(&settings.path);
        folder.create()?;
        let lock = Arc::new(folder.lock()?);
        let key = folder.read_or_create_key()?;
        let progress = Arc::new(Progress::default());
        let (journal, opened) = Journal::open(
            folder.journal(),
            &settings,
            key,
            wall_clock(),
            &progress,
            &lock,
        )?;
        let Opened {
            recovered,
            api_calls,
            store: id,
            ..
        } = opened;
        let index = Index::start(&folder, &id, key, &progress, &lock)?;
        let (handle, index_handle) = (journal.handle.clone(), index.handle.clone());
        let threads = Some((journal, index));
        let store = Store {
            journal: handle,
            index: index_handle,
            threads,
            progress,
            api_calls,
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
        let Some((journal, index)) = self.threads.take() else {
            return Ok(());
        };
        let closed = journal.close();
        self.progress.close();
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
        recovered,
        store: id,
        ..
    } = opened;
    let index = Index::start(&folder, &id, key, &progress, &lock)?;
    Ok(Reader {
        recovered,
        index: index.handle.clone(),
        thread: Some(index),
        progress,
        id,
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
