//! The journal's own thread: the only one that writes segments.
//!
//! It takes what waits as one write and one sync, and answers each commit only then. The first
//! failure ends it: what a failed sync has dropped cannot be known, so it is never tried again.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::books::JournalState;
use super::encode::Encoder;
use super::progress::Progress;
use super::segments::begin_segment;
use super::{CommitReceipt, Done, Request};
use crate::core::entry::Commit;
use crate::failpoint;
use crate::state::error::Error;
use crate::state::folder::FolderLock;

/// Bounds of one write, so that the first commit in it does not wait for long.
const GROUP_COMMITS: usize = 64;
const GROUP_BYTES: usize = 4 << 20;
const DAY_MICROS: i64 = 86_400_000_000;

pub(super) struct Writer {
    pub folder: PathBuf,
    pub file: File,
    pub path: PathBuf,
    /// Durable length of the segment.
    pub length: u64,
    /// Of it, the header: a large one must not make every commit begin a segment.
    pub header_bytes: u64,
    /// Commits in the segment.
    pub commits: u64,
    pub segment_bytes: u64,
    pub state: JournalState,
    pub encoder: Encoder,
    pub progress: Arc<Progress>,
    /// Held until the thread ends, even when the store was dropped without being closed.
    pub _lock: Arc<FolderLock>,
}

type Answers = Vec<(CommitReceipt, Done)>;

impl Writer {
    /// Serves until told to stop, or until nobody is left to ask.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        let mut held = None;
        loop {
            let request = match held.take() {
                Some(request) => request,
                None => match requests.recv() {
                    Ok(Request::Commit(request)) => *request,
                    Ok(Request::Stop) | Err(_) => break,
                },
            };
            let mut stop = false;
            if let Err(error) = self.serve_group(request, requests, &mut held, &mut stop) {
                tracing::error!(error = %error, page = error.page(), "the journal has stopped");
                if let Some((_, done)) = held {
                    done(Err(error.clone()));
                }
                if !stop {
                    refuse_all(requests, &error);
                }
                return;
            }
            if stop {
                break;
            }
        }
        while let Ok(request) = requests.try_recv() {
            if let Request::Commit(request) = request {
                (request.1)(Err(Error::Stopped));
            }
        }
    }

    /// Makes `first` durable with what waits behind it. What must go to the next segment is put
    /// into `held`.
    fn serve_group(
        &mut self,
        first: (Commit, Done),
        requests: &Receiver<Request>,
        held: &mut Option<(Commit, Done)>,
        stop: &mut bool,
    ) -> Result<(), Error> {
        if self.is_full_for(&first.0)
            && let Err(error) = self.roll(&first.0)
        {
            first.1(Err(error.clone()));
            return Err(error);
        }
        let group = self.state.last_commit + 1;
        let mut answers = Answers::new();
        self.push(first, group, &mut answers);
        while answers.len() < GROUP_COMMITS && self.encoder.out.len() < GROUP_BYTES {
            match requests.try_recv() {
                Ok(Request::Commit(request)) if self.is_full_for(&request.0) => {
                    *held = Some(*request);
                    break;
                }
                Ok(Request::Commit(request)) => self.push(*request, group, &mut answers),
                Ok(Request::Stop) => {
                    *stop = true;
                    break;
                }
                Err(_) => break,
            }
        }
        if answers.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.write_group() {
            for (_, done) in answers {
                done(Err(error.clone()));
            }
            return Err(error);
        }
        for (receipt, done) in answers {
            done(Ok(receipt));
        }
        Ok(())
    }

    fn push(&mut self, (commit, done): (Commit, Done), group: u64, answers: &mut Answers) {
        match self
            .encoder
            .push_commit(&mut self.state, &commit, self.length, group)
        {
            Ok(parked) => {
                self.commits += 1;
                answers.push((
                    CommitReceipt {
                        commit: self.state.last_commit,
                        parked,
                    },
                    done,
                ));
            }
            Err(error) => done(Err(error)),
        }
    }

    fn write_group(&mut self) -> Result<(), Error> {
        failpoint::hit("journal.before_write");
        let written = match self.encoder.write_to(&mut self.file) {
            Ok(written) => written,
            Err(source) => {
                // Nothing of it was acknowledged; without it the journal ends where it was good.
                let _ = self.file.set_len(self.length);
                let (path, source) = (self.path.clone(), Arc::new(source));
                return Err(if is_full(&source) {
                    Error::DiskFull { path, source }
                } else {
                    Error::Write { path, source }
                });
            }
        };
        failpoint::hit("journal.after_write");
        self.file.sync_data().map_err(|source| {
            let (path, source) = (self.path.clone(), Arc::new(source));
            if is_full(&source) {
                Error::DiskFull { path, source }
            } else {
                Error::Sync { path, source }
            }
        })?;
        failpoint::hit("journal.after_sync");
        self.length += written;
        let (commit, at) = (self.state.last_commit, self.state.last_at);
        let (segment, length) = (self.state.segment, self.length);
        self.progress.update(|stats| {
            stats.bytes += written;
            stats.last_commit = commit;
            stats.durable_at = at;
            stats.segment = segment;
            stats.segment_bytes = length;
        });
        Ok(())
    }

    /// Whether this commit belongs into a new segment: the size is reached, its day is over, or an
    /// older version began this one, whose readers would not be told what they cannot read.
    fn is_full_for(&self, commit: &Commit) -> bool {
        let day = |at: i64| at.div_euclid(DAY_MICROS);
        let runs = self.length - self.header_bytes + self.encoder.out.len() as u64;
        !self.state.is_marked
            || self.commits > 0
                && (runs >= self.segment_bytes || day(commit.at.0) > day(self.state.last_at.0))
    }

    fn roll(&mut self, commit: &Commit) -> Result<(), Error> {
        let (file, path, length) = begin_segment(&self.folder, &mut self.state, commit.at)?;
        (self.file, self.path, self.length, self.commits) = (file, path, length, 0);
        self.header_bytes = length;
        self.progress.update(|stats| {
            stats.segments += 1;
            stats.bytes += length;
        });
        Ok(())
    }
}

/// Opens the segment that recovery found, at the end of what is good in it, and cuts off the rest.
pub(super) fn open_for_append(path: &std::path::Path, good: u64, torn: u64) -> io::Result<File> {
    let mut file = File::options().write(true).open(path)?;
    if torn > 0 {
        file.set_len(good)?;
    }
    // What is good may have been read from memory only: a crash of the process leaves it there.
    file.sync_all()?;
    file.seek(SeekFrom::Start(good))?;
    Ok(file)
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn refuse_all(requests: &Receiver<Request>, error: &Error) {
    while let Ok(Request::Commit(request)) = requests.recv() {
        (request.1)(Err(error.clone()));
    }
}
