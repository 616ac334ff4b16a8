//! A copy of the state that a service can start from, taken beside one that writes on.
//!
//! Closed segments are copied as they are (a file system that can share blocks does so), the open
//! one up to its last durable commit, and the key that e-mail addresses are hashed with. The index
//! is derived and stays behind; so does the spool, which a start empties. The copy is read back and
//! verified under a temporary name; only then does it get its own.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{Error, Ledger, Progress, Verified};
use crate::state::folder::{Folder, FolderLock, sync_folder};
use crate::state::journal::segments::{list_segments, packed_path, segment_path};
use crate::state::journal::verify::{NoWitness, verify};
use crate::state::journal::walk::{Walk, durable_end};

/// A backup that verifies.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct BackedUp {
    pub target: PathBuf,
    #[serde(flatten)]
    pub verified: Verified,
}

pub(super) fn back_up(
    ledger: &Ledger,
    target: &Path,
    progress: &mut Progress<'_>,
) -> Result<BackedUp, Error> {
    if fs::symlink_metadata(target).is_ok() {
        return Err(Error::Exists {
            path: target.to_owned(),
        });
    }
    if is_inside(target, &ledger.folder.root) {
        return Err(Error::Inside {
            path: target.to_owned(),
        });
    }
    let mut unfinished = target.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    // Another backup to this target may be at it.
    let lock = begin(&unfinished)?;
    let copied = copy(ledger, &unfinished, progress).and_then(|verified| {
        let finish = || -> io::Result<()> {
            // A rename would replace an empty folder without a word.
            if fs::symlink_metadata(target).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(&unfinished, target)?;
            let parent = target.parent().filter(|path| !path.as_os_str().is_empty());
            sync_folder(parent.unwrap_or(Path::new(".")))
        };
        finish().map_err(|source| Error::backup(target, source))?;
        Ok(BackedUp {
            target: target.to_owned(),
            verified,
        })
    });
    if copied.is_err() {
        // What it leaves, the next one takes away.
        let _ = fs::remove_dir_all(&unfinished);
    }
    drop(lock);
    copied.map_err(|error| match error {
        // What the copy grew in is gone.
        Error::Backup { source, .. } => Error::Backup {
            path: target.to_owned(),
            source,
        },
        other => other,
    })
}

/// Makes the folder that the copy grows in, and locks it; what a backup that was cut off left there
/// is removed.
fn begin(unfinished: &Path) -> Result<FolderLock, Error> {
    let failed = |source| Error::backup(unfinished, source);
    let folder = Folder::new(unfinished);
    let mut builder = DirBuilder::new();
    builder.mode(0o700).recursive(true);
    builder.create(unfinished).map_err(failed)?;
    let lock = folder.lock()?;
    for left in fs::read_dir(unfinished).map_err(failed)? {
        let left = left.map_err(failed)?;
        match left.file_type().map_err(failed)?.is_dir() {
            true => fs::remove_dir_all(left.path()).map_err(failed)?,
            false if left.file_name() == "lock" => {}
            false => fs::remove_file(left.path()).map_err(failed)?,
        }
    }
    Ok(lock)
}

/// Whether the target would lie in the folder that it is a copy of: what loses the one would lose
/// the other.
fn is_inside(target: &Path, root: &Path) -> bool {
    let absolute = std::path::absolute(target).unwrap_or_else(|_| target.to_owned());
    // The target is not there yet; the nearest folder that is tells where links lead.
    let real = absolute
        .ancestors()
        .find_map(|path| path.canonicalize().ok());
    match (real, root.canonicalize()) {
        (Some(real), Ok(root)) => real.starts_with(root),
        _ => false,
    }
}

fn copy(ledger: &Ledger, root: &Path, progress: &mut Progress<'_>) -> Result<Verified, Error> {
    let failed = |source| Error::backup(root, source);
    let target = Folder::new(root);
    let mut builder = DirBuilder::new();
    builder.mode(0o700).recursive(true);
    builder.create(target.journal()).map_err(failed)?;
    let walk = ledger.walk();
    let (newest, end) = durable_end(&walk)?;
    let mut segments = list_segments(&walk.folder)?;
    segments.retain(|segment| *segment <= newest);
    let total = segments.len() as u64 + 1;
    for (done, segment) in segments.into_iter().enumerate() {
        progress(done as u64, total);
        let limit = (segment == newest).then_some(end);
        // It may be packed in the meantime.
        for name in [segment_path, packed_path] {
            let from = name(&walk.folder, segment);
            let to = name(&target.journal(), segment);
            match copy_file(&from, &to, limit) {
                Ok(()) => break,
                // Should neither be there, its retention was over.
                Err(source) if source.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(Error::backup(&to, source)),
            }
        }
    }
    let (from, to) = (ledger.folder.index_key(), target.index_key());
    match copy_file(&from, &to, None) {
        // Without one, the copy's first start makes its own.
        Err(source) if source.kind() == io::ErrorKind::NotFound => {}
        other => other.map_err(|source| Error::backup(&to, source))?,
    }
    sync_folder(&target.journal()).map_err(failed)?;
    sync_folder(root).map_err(failed)?;
    let copied = Walk {
        folder: target.journal(),
        through: None,
    };
    verify(&copied, &[], &mut NoWitness, progress)
}

/// Copies a file, or its first `limit` bytes, for its owner alone, and makes it durable.
fn copy_file(from: &Path, to: &Path, limit: Option<u64>) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    match limit {
        // The kernel copies, or shares the blocks, where it can.
        None => io::copy(&mut source, &mut target)?,
        Some(limit) => io::copy(&mut BufReader::new(source).take(limit), &mut target)?,
    };
    target.sync_all()
}
