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
use crate::state::room::check_quota;

const SUFFIX: &str = ".jsonl";
/// Of one that is packed.
const PACKED_SUFFIX: &str = ".jsonl.zst";
const TEMPORARY_SUFFIXES: [&str; 2] = [".jsonl.new", ".jsonl.zst.new"];

pub(in crate::state) fn segment_path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{segment:08}{SUFFIX}"))
}

/// Where a segment lies once it is packed.
pub(in crate::state) fn packed_path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{segment:08}{PACKED_SUFFIX}"))
}

/// The file that a segment is in now.
pub(in crate::state) fn present_path(folder: &Path, segment: u64) -> PathBuf {
    let plain = segment_path(folder, segment);
    let packed = packed_path(folder, segment);
    if !plain.exists() && packed.exists() {
        packed
    } else {
        plain
    }
}

/// Numbers of the segments there are, packed or not, rising.
pub(in crate::state) fn list_segments(folder: &Path) -> Result<Vec<u64>, Error> {
    let read = || -> io::Result<Vec<u64>> {
        let mut segments = Vec::new();
        for file in fs::read_dir(folder)? {
            let name = file?.file_name();
            let number = name.to_str().and_then(|name| {
                name.strip_suffix(SUFFIX)
                    .or_else(|| name.strip_suffix(PACKED_SUFFIX))
            });
            segments.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        segments.sort_unstable();
        segments.dedup();
        Ok(segments)
    };
    read().map_err(|source| Error::read(folder, source))
}

/// Deletes what an unfinished beginning or packing of a segment left.
pub(super) fn delete_unfinished(folder: &Path) -> Result<(), Error> {
    let delete = || -> io::Result<()> {
        for file in fs::read_dir(folder)? {
            let file = file?;
            if file.file_name().to_str().is_some_and(|name| {
                TEMPORARY_SUFFIXES
                    .iter()
                    .any(|suffix| name.ends_with(suffix))
            }) {
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
    let unnamed = |source: io::Error| Error::Roll {
        path: path.clone(),
        source: Arc::new(source),
    };
    // Until it has its name nothing hangs on it: without room it can be begun again.
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::DiskFull {
            path: path.clone(),
            source: Arc::new(source),
        },
        _ => unnamed(source),
    };
    let (line, chain) = header.encode().map_err(|source| failed(source.into()))?;
    let temporary = path.with_extension("jsonl.new");
    let root = folder.parent().unwrap_or(folder);
    let written =
        check_quota(root, line.len() as u64).and_then(|()| write_new_file(&temporary, &line));
    let file = written.map_err(|source| {
        // What there is of it takes room.
        let _ = fs::remove_file(&temporary);
        failed(source)
    })?;
    failpoint::hit("journal.roll.after_temp");
    fs::rename(&temporary, &path).map_err(failed)?;
    failpoint::hit("journal.roll.after_rename");
    sync_folder(folder).map_err(unnamed)?;
    failpoint::hit("journal.roll.after_folder_sync");
    state.segment = header.segment;
    state.chain = chain;
    state.is_marked = true;
    Ok((file, path, line.len() as u64))
}
