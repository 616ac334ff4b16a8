//! Names of segments, and beginning a new one so that a crash at any moment leaves a good journal.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::books::JournalState;
use crate::core::time::Micros;
use crate::failpoint;
use crate::state::error::Error;
use crate::state::folder::{sync_folder, write_new_file};

const SUFFIX: &str = ".jsonl";
const TEMPORARY_SUFFIX: &str = ".jsonl.new";

pub(in crate::state) fn segment_path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{segment:08}{SUFFIX}"))
}

/// Numbers of the segments there are, rising.
pub(in crate::state) fn list_segments(folder: &Path) -> Result<Vec<u64>, Error> {
    let read = || -> io::Result<Vec<u64>> {
        let mut segments = Vec::new();
        for file in fs::read_dir(folder)? {
            let name = file?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
            segments.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        segments.sort_unstable();
        Ok(segments)
    };
    read().map_err(|source| Error::read(folder, source))
}

/// Deletes what an unfinished beginning of a segment left.
pub(super) fn delete_unfinished(folder: &Path) -> Result<(), Error> {
    let delete = || -> io::Result<()> {
        for file in fs::read_dir(folder)? {
            let file = file?;
            if file
                .file_name()
                .to_str()
                .is_some_and(|name| name.ends_with(TEMPORARY_SUFFIX))
            {
                fs::remove_file(file.path())?;
            }
        }
        Ok(())
    };
    delete().map_err(|source| Error::read(folder, source))
}

/// Begins the next segment. Under its temporary name until its header is durable: a segment with
/// a name is a segment with a header.
pub(super) fn begin_segment(
    folder: &Path,
    state: &mut JournalState,
    opened_at: Micros,
) -> Result<(File, PathBuf, u64), Error> {
    let header = state.next_header(opened_at);
    let path = segment_path(folder, header.segment);
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::DiskFull {
            path: path.clone(),
            source: Arc::new(source),
        },
        _ => Error::Roll {
            path: path.clone(),
            source: Arc::new(source),
        },
    };
    let (line, chain) = header.encode().map_err(|source| failed(source.into()))?;
    let temporary = path.with_extension("jsonl.new");
    let file = write_new_file(&temporary, &line).map_err(failed)?;
    failpoint::hit("journal.roll.after_temp");
    fs::rename(&temporary, &path).map_err(failed)?;
    failpoint::hit("journal.roll.after_rename");
    sync_folder(folder).map_err(failed)?;
    failpoint::hit("journal.roll.after_folder_sync");
    state.segment = header.segment;
    state.chain = chain;
    state.is_marked = true;
    Ok((file, path, line.len() as u64))
}
