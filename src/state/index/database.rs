//! sled, with the guards that make it fit for an index. Nothing outside this file calls it
//! unguarded: whatever it does, a panic included, comes out as a [`Failure`], and the index is
//! rebuilt from the journal.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use sled::{Batch, Db, IVec};

use crate::failpoint;

/// sled reclaims space on its own ticks, for up to half the time between two; each tick syncs its
/// file, work or no work. Rarer ones let the file grow, more frequent ones keep an idle service
/// busy (at 10 ms it used 0.9 % of a core) and compete with the journal's syncs.
const FLUSH_EVERY_MS: u64 = 100;
/// Bounds sled's page cache, not its memory: that follows the number of keys.
const CACHE_BYTES: u64 = 8 << 20;
/// Of every value; a change means a rebuild.
const VALUE_VERSION: u8 = 1;
const VALUE_HEAD: usize = 9;
/// Begins the names of databases that were set aside.
const ASIDE: &str = "index.damaged-";

/// Why the index cannot be used; for the log and for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure(pub String);

pub(super) struct Database {
    db: Db,
    /// Our own handle on sled's data, because its flush is no fsync.
    data: File,
}

impl From<sled::Error> for Failure {
    fn from(error: sled::Error) -> Self {
        Failure(error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure(error.to_string())
    }
}

impl Database {
    /// Opens or creates the database in `folder`.
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        guarded(|| {
            if folder.is_dir() {
                delete_unfinished_snapshots(folder)?;
            } else {
                // sled would let everybody look into it.
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(folder)?;
            }
            let db = sled::Config::new()
                .path(folder)
                .cache_capacity(CACHE_BYTES)
                .flush_every_ms(Some(FLUSH_EVERY_MS))
                .open()?;
            let data = File::open(folder.join("db"))?;
            File::open(folder.join("conf"))?.sync_all()?;
            data.sync_all()?;
            File::open(folder)?.sync_all()?;
            if let Some(parent) = folder.parent() {
                File::open(parent)?.sync_all()?;
            }
            Ok(Self { db, data })
        })
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        guarded(|| match self.db.get(key)? {
            Some(value) => Ok(Some(open_value(&value)?.to_vec())),
            None => Ok(None),
        })
    }

    /// Applies all changes or none; a sync makes them durable.
    pub(super) fn apply(&self, changes: Changes) -> Result<(), Failure> {
        failpoint::hit("index.before_apply");
        guarded(|| Ok(self.db.apply_batch(changes.0)?))?;
        failpoint::hit("index.after_apply");
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), Failure> {
        guarded(|| {
            self.db.flush()?;
            Ok(self.data.sync_data()?)
        })?;
        failpoint::hit("index.after_sync");
        Ok(())
    }

    /// What sled takes for the values; its snapshots beside them are small.
    pub(super) fn bytes(&self) -> Result<u64, Failure> {
        Ok(self.data.metadata()?.len())
    }

    /// Calls `visit` with the pairs from `from` on, in the order of their keys, until it returns
    /// false or the keys no longer begin with `prefix`.
    pub(super) fn visit(
        &self,
        from: &[u8],
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        guarded(|| {
            for pair in self.db.range(from..) {
                let (key, value) = pair?;
                if !key.starts_with(prefix) || !visit(&key, open_value(&value)?)? {
                    break;
                }
            }
            Ok(())
        })
    }

    /// The last pair at or before `key` that begins with `prefix`.
    pub(super) fn last_at(&self, key: &[u8], prefix: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        guarded(|| match self.db.range(..=key).next_back() {
            Some(pair) => Ok(Some(pair?.0.to_vec()).filter(|key| key.starts_with(prefix))),
            None => Ok(None),
        })
    }

    /// Lets go of sled; it may panic in this too.
    pub(super) fn close(self) {
        let _ = guarded(|| {
            drop(self);
            Ok(())
        });
    }
}

/// Changes that go together.
#[derive(Default)]
pub(super) struct Changes(Batch);

impl Changes {
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) {
        let mut sealed = Vec::with_capacity(VALUE_HEAD + value.len());
        sealed.push(VALUE_VERSION);
        sealed.extend_from_slice(&xxhash_rust::xxh3::xxh3_64(value).to_le_bytes());
        sealed.extend_from_slice(value);
        self.0.insert(IVec::from(key), sealed);
    }

    pub(super) fn delete(&mut self, key: &[u8]) {
        self.0.remove(IVec::from(key));
    }
}

fn open_value(value: &[u8]) -> Result<&[u8], Failure> {
    let broken = || Failure("a value does not match its checksum".to_owned());
    let (head, value) = value.split_at_checked(VALUE_HEAD).ok_or_else(broken)?;
    if head[0] != VALUE_VERSION {
        return Err(Failure(format!("values have version {}", head[0])));
    }
    if head[1..] != xxhash_rust::xxh3::xxh3_64(value).to_le_bytes() {
        return Err(broken());
    }
    Ok(value)
}

/// A kill or a full disk while sled writes a snapshot leaves a file that keeps it from opening
/// ever again; without that file it opens with all its data.
fn delete_unfinished_snapshots(folder: &Path) -> io::Result<()> {
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "generating")
        {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// sled answers damage with a panic.
fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Failure("the database panicked".to_owned())))
}

/// Deletes a database, and those that were moved out of the way.
pub(super) fn delete(folder: &Path) -> io::Result<()> {
    let parent = folder.parent().unwrap_or(folder);
    for file in fs::read_dir(parent)? {
        let file = file?;
        let name = file.file_name();
        let aside = name.to_str().is_some_and(|name| name.starts_with(ASIDE));
        if aside || file.path() == folder {
            fs::remove_dir_all(file.path())?;
        }
    }
    File::open(parent)?.sync_all()
}

/// Moves a database out of the way for a person to look at; the one moved before is deleted.
pub(super) fn set_aside(folder: &Path) -> io::Result<Option<PathBuf>> {
    if !folder.exists() {
        return Ok(None);
    }
    let parent = folder.parent().unwrap_or(folder);
    let mut last = 0;
    for file in fs::read_dir(parent)? {
        let file = file?;
        let name = file.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(ASIDE));
        if let Some(number) = number.and_then(|number| number.parse::<u64>().ok()) {
            last = last.max(number);
            fs::remove_dir_all(file.path())?;
        }
    }
    let aside = parent.join(format!("{ASIDE}{}", last + 1));
    fs::rename(folder, &aside)?;
    File::open(parent)?.sync_all()?;
    Ok(Some(aside))
}
