//! Building the index anew from the journal, beside the one that is there: it is replaced only once
//! the new one is whole, so that a disk that fills, a kill or a damaged journal leaves what was.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::{Error, Progress};
use crate::state::folder::{Folder, sync_folder};
use crate::state::index::{Index, delete_database};
use crate::state::journal::Opened;
use crate::state::journal::progress::Progress as Mark;
use crate::state::keyring::Keyring;

/// Builds the index from the journal and puts it in the place of the one that is there; how many
/// commits are in it. Needs the service stopped.
///
/// # Errors
/// When a service runs, or the index cannot be built; the old one is as it was then.
pub fn rebuild_index(
    path: &Path,
    keys: Option<&Arc<Keyring>>,
    progress: &mut Progress<'_>,
) -> Result<u64, Error> {
    let folder = Folder::new(path);
    let missing = || crate::state::Error::Missing {
        path: path.to_owned(),
    };
    if !folder.journal().is_dir() {
        return Err(missing().into());
    }
    let lock = Arc::new(folder.lock()?);
    let mark = Arc::new(Mark::default());
    let opened = Opened::read(&folder.journal(), &mark)?.ok_or_else(missing)?;
    let missing_key = opened.sealed_with.as_ref();
    if let Some(id) = missing_key.filter(|id| !keys.is_some_and(|keys| keys.knows(id))) {
        return Err(Error::State(crate::state::Error::KeyMissing {
            file: folder.journal(),
            id: id.clone(),
        }));
    }
    let key = folder.read_or_create_key()?;
    let failed = |source: io::Error| Error::Rebuild {
        reason: source.to_string(),
    };
    let new = folder.new_index();
    // Nobody but a rebuild that was cut off leaves one.
    remove_folder(&new).map_err(failed)?;
    let last = opened.recovered.last_commit;
    let index = Index::start(&folder, new.clone(), &opened.store, key, &mark, &lock, keys)?;
    let is_whole = index.handle.wait_caught_up(last, 0, &mut *progress);
    let came_to = index.handle.lag().applied_commit;
    if !index.finish() || !is_whole {
        // What it leaves, the next one takes away.
        let _ = delete_database(&new);
        let reason = match is_whole {
            true => "what was built could not be written".to_owned(),
            false => format!("it came to commit {came_to} of {last}"),
        };
        return Err(Error::Rebuild { reason });
    }
    // Between these two a start finds no index, and builds one in the background.
    remove_folder(&folder.index())
        .and_then(|()| fs::rename(&new, folder.index()))
        .and_then(|()| sync_folder(path))
        .map_err(failed)?;
    progress(last, last);
    Ok(last)
}

fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
