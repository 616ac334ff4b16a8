//! The journal's housekeeping, on a thread of its own and behind everything else: looks how much
//! of the disk is left, packs closed segments, and drops those whose time is over.
//!
//! It changes closed segments alone; what it wants in the journal it asks the writer for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;

use super::progress::Progress;
use super::segment_file::SegmentFile;
use super::segments::{list_segments, packed_path, segment_path};
use super::{Journal, Request, frames};
use crate::failpoint;
use crate::state::StateSettings;
use crate::state::error::Error;
use crate::state::folder::{FolderLock, sync_folder};
use crate::state::room::{Disk, LOOK_EVERY, Room};

/// Looks between two attempts at what failed, and between two searches for what is too old.
const LOOKS_BETWEEN: u32 = 60;
/// Frames between two looks at the disk while a segment is packed.
const FRAMES_BETWEEN_LOOKS: u32 = 64;
const READ_BYTES: usize = 128 << 10;
/// Everything else goes first.
const NICE: i32 = 10;

/// The running housekeeping.
pub(in crate::state) struct Keeper {
    thread: JoinHandle<()>,
}

/// What the thread works with.
pub(super) struct Work {
    pub folder: PathBuf,
    pub progress: Arc<Progress>,
    pub disk: Arc<Disk>,
    pub requests: SyncSender<Request>,
    pub retention_ms: Option<u64>,
    pub max_bytes: Option<u64>,
    /// The last trouble; each is reported once.
    pub reported: Option<String>,
    pub _lock: Arc<FolderLock>,
}

impl Keeper {
    /// Starts the thread; it ends with the journal's progress.
    pub(in crate::state) fn start(
        folder: PathBuf,
        settings: &StateSettings,
        journal: &Journal,
        disk: &Arc<Disk>,
        lock: &Arc<FolderLock>,
    ) -> Result<Self, Error> {
        let work = Work {
            folder,
            progress: Arc::clone(&journal.handle.progress),
            disk: Arc::clone(disk),
            requests: journal.handle.requests.clone(),
            retention_ms: settings.retention_ms,
            max_bytes: settings.max_journal_bytes,
            reported: None,
            _lock: Arc::clone(lock),
        };
        let thread = std::thread::Builder::new()
            .name("journal-keeper".to_owned())
            .spawn(move || work.run())
            .map_err(|source| Error::Thread {
                name: "journal-keeper",
                source: Arc::new(source),
            })?;
        Ok(Self { thread })
    }

    /// Waits for the thread, which stops within a frame or a commit.
    pub(in crate::state) fn join(self) {
        // A panic in there has been reported by its thread; what it left is seen to at a start.
        let _ = self.thread.join();
    }
}

impl Work {
    fn run(mut self) {
        // On Linux the priority is the thread's own. Without it, it is only less polite.
        let _ = rustix::process::setpriority_process(None, NICE);
        let (mut kept_at, mut looks) = (None, 0);
        loop {
            let newest = self.progress.stats().segment;
            looks += 1;
            if kept_at != Some(newest) || looks >= LOOKS_BETWEEN {
                looks = 0;
                kept_at = Some(newest);
                let kept = self.pack_all(newest).and_then(|()| self.drop_old());
                match kept {
                    Ok(()) => self.reported = None,
                    Err(error) => self.report(&error),
                }
            }
            if self.progress.wait_closing(LOOK_EVERY) {
                return;
            }
            self.disk.look();
        }
    }

    fn report(&mut self, error: &Error) {
        let text = error.to_string();
        let ended = matches!(error, Error::Stopped) || self.progress.is_closing();
        if !ended && self.reported.as_ref() != Some(&text) {
            tracing::warn!(error = %text, cause = ?std::error::Error::source(error), page = error.page(), "an old segment of the journal stays as it is");
            self.reported = Some(text);
        }
    }

    fn pack_all(&self, newest: u64) -> Result<(), Error> {
        for segment in list_segments(&self.folder)? {
            let plain = segment_path(&self.folder, segment);
            // Packing needs room before it makes room.
            if segment >= newest || !plain.exists() || self.disk.room() == Room::Full {
                continue;
            }
            let mut frames = 0;
            let go_on = || {
                frames += 1;
                if frames % FRAMES_BETWEEN_LOOKS == 0 {
                    self.disk.look();
                }
                !self.progress.is_closing()
            };
            let guard = self.progress.replace_closed_segments();
            let saved = match pack_segment(&self.folder, segment, go_on) {
                Ok(saved) => saved,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
                Err(source) => {
                    return Err(Error::Keep {
                        path: plain,
                        source: Arc::new(source),
                    });
                }
            };
            drop(guard);
            self.progress.update(|stats| {
                stats.bytes = stats.bytes.saturating_sub(saved);
            });
            tracing::debug!(segment, saved, "a segment of the journal is packed");
        }
        Ok(())
    }
}

/// Packs one closed segment and deletes its plain file; says how many bytes that saved. A crash
/// leaves the plain file, or both, and the plain one counts.
pub(super) fn pack_segment(
    folder: &Path,
    segment: u64,
    go_on: impl FnMut() -> bool,
) -> io::Result<u64> {
    let (plain, packed) = (segment_path(folder, segment), packed_path(folder, segment));
    let temporary = packed.with_extension("zst.new");
    let written = write_packed(&plain, &temporary, go_on);
    if let Err(error) = written {
        // What there is of it is of no use, and takes room.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    failpoint::hit("journal.pack.after_temp");
    fs::rename(&temporary, &packed)?;
    failpoint::hit("journal.pack.after_rename");
    sync_folder(folder)?;
    let saved = fs::metadata(&plain)?
        .len()
        .saturating_sub(fs::metadata(&packed)?.len());
    fs::remove_file(&plain)?;
    failpoint::hit("journal.pack.after_delete");
    Ok(saved)
}

fn write_packed(plain: &Path, temporary: &Path, go_on: impl FnMut() -> bool) -> io::Result<()> {
    let output = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(temporary)?;
    let mut output = BufWriter::with_capacity(READ_BYTES, output);
    frames::pack(&mut File::open(plain)?, &mut output, go_on)?;
    let output = output
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    output.sync_all()?;
    // It is all that will be left.
    let mut wanted = BufReader::with_capacity(READ_BYTES, File::open(plain)?);
    let mut found = SegmentFile::open_packed(temporary)?.reader(0, u64::MAX, READ_BYTES);
    loop {
        let (left, right) = (wanted.fill_buf()?, found.fill_buf()?);
        let length = left.len().min(right.len());
        if left[..length] != right[..length] || left.is_empty() != right.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "what was packed does not come out again",
            ));
        }
        if length == 0 {
            return Ok(());
        }
        wanted.consume(length);
        found.consume(length);
    }
}
