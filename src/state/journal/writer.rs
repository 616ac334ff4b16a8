//! The journal's own thread: the only one that writes segments.
//!
//! It takes what waits as one write and one sync, and answers each commit only then. The first
//! failure ends it: what a failed sync has dropped cannot be known, so it is never tried again. A
//! write that finds the disk full is no such failure: what it left behind the durable end is cut
//! off before anything is synced, and the same bytes are written again once there is room.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::books::JournalState;
use super::encode::Encoder;
use super::kept::RawLine;
use super::progress::Progress;
use super::segments::begin_segment;
use super::{CommitReceipt, Done, Request};
use crate::core::entry::Commit;
use crate::core::time::Micros;
use crate::failpoint;
use crate::state::error::Error;
use crate::state::folder::FolderLock;
use crate::state::room::{Disk, metered};

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
    pub disk: Arc<Disk>,
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
                    Ok(request) => request,
                    Err(_) => break,
                },
            };
            let served = match request {
                Request::Stop => break,
                Request::Holds(answer) => {
                    // Nobody waits for it any more, or it has room.
                    let _ = answer.try_send(self.state.holds());
                    Ok(())
                }
                Request::Lines(lines, done) => self.serve_lines(&lines, done, false),
                Request::Fresh(lines, done) => self.serve_lines(&lines, done, true),
                Request::Commit(request) => self.serve_group(*request, requests, &mut held),
            };
            if let Err(error) = served {
                tracing::error!(error = %error, page = error.page(), "the journal has stopped");
                let rest = held
                    .into_iter()
                    .chain(std::iter::from_fn(|| requests.recv().ok()));
                for request in rest.take_while(|request| !matches!(request, Request::Stop)) {
                    refuse(request, &error);
                }
                return;
            }
        }
        while let Ok(request) = requests.try_recv() {
            refuse(request, &Error::Stopped);
        }
    }

    /// Makes `first` durable with what waits behind it. What must go to the next segment, or is no
    /// commit, is put into `held`.
    fn serve_group(
        &mut self,
        first: (Commit, Done),
        requests: &Receiver<Request>,
        held: &mut Option<Request>,
    ) -> Result<(), Error> {
        if self.is_full_at(first.0.at)
            && let Err(error) = self.roll(first.0.at)
        {
            first.1(Err(error.clone()));
            return Err(error);
        }
        let group = self.state.last_commit + 1;
        let mut answers = Answers::new();
        self.push(first, group, &mut answers);
        while answers.len() < GROUP_COMMITS && self.encoder.out.len() < GROUP_BYTES {
            match requests.try_recv() {
                Ok(Request::Commit(request)) if !self.is_full_at(request.0.at) => {
                    self.push(*request, group, &mut answers);
                }
                Ok(other) => {
                    *held = Some(other);
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

    /// Makes lines durable that are no steps of records.
    fn serve_lines(&mut self, lines: &[RawLine], done: Done, fresh: bool) -> Result<(), Error> {
        let at = self.state.last_at;
        let written = if self.is_full_at(at) || (fresh && self.commits > 0) {
            self.roll(at)
        } else {
            Ok(())
        };
        let written = written.and_then(|()| {
            self.encoder.push_lines(&mut self.state, lines);
            self.commits += 1;
            self.write_group()
        });
        let commit = self.state.last_commit;
        let parked = Vec::new();
        done(written.clone().map(|()| CommitReceipt { commit, parked }));
        written
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
        let written = loop {
            let mut file = metered(self.disk.root(), &mut self.file);
            let written = self.encoder.write_to(&mut file);
            drop(file);
            match written {
                Ok(written) => break written,
                Err(source) => self.take_back(source)?,
            }
        };
        self.disk.note_written();
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

    /// Cuts off what a failed write left, and says whether to write the same again: after a full
    /// disk, once there may be room.
    fn take_back(&mut self, source: io::Error) -> Result<(), Error> {
        // Nothing of it was acknowledged; without it the journal ends where it was good.
        let cut = self
            .file
            .set_len(self.length)
            .and_then(|()| self.file.seek(SeekFrom::Start(self.length)));
        failpoint::hit("journal.after_cut");
        let (path, source) = (self.path.clone(), Arc::new(source));
        if !is_full(&source) {
            return Err(Error::Write { path, source });
        }
        if cut.is_ok() && self.disk.make_room() {
            return Ok(());
        }
        Err(Error::DiskFull { path, source })
    }

    /// Whether a commit of this time belongs into a new segment: the size is reached, its day is over, or an
    /// older version began this one, whose readers would not be told what they cannot read.
    fn is_full_at(&self, at: Micros) -> bool {
        let day = |at: i64| at.div_euclid(DAY_MICROS);
        let runs = self.length - self.header_bytes + self.encoder.out.len() as u64;
        !self.state.is_marked
            || self.commits > 0
                && (runs >= self.segment_bytes || day(at.0) > day(self.state.last_at.0))
    }

    fn roll(&mut self, at: Micros) -> Result<(), Error> {
        let (file, path, length) = loop {
            match begin_segment(&self.folder, &mut self.state, at) {
                Ok(begun) => break begun,
                Err(Error::DiskFull { .. }) if self.disk.make_room() => {}
                Err(error) => return Err(error),
            }
        };
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

fn refuse(request: Request, error: &Error) {
    match request {
        Request::Commit(request) => (request.1)(Err(error.clone())),
        Request::Lines(_, done) | Request::Fresh(_, done) => done(Err(error.clone())),
        Request::Holds(_) | Request::Stop => {}
    }
}
