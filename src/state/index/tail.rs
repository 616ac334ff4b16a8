//! The thread of the index: follows the journal's files behind the durable mark, and never touches
//! what the pipeline works with, so that it cannot slow it.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::database::{Database, Failure, set_aside};
use super::runs::{self, Packed};
use super::view::{Letter, Mark, View};
use super::{Names, Shared};
use crate::core::time::Micros;
use crate::state::error::Error;
use crate::state::folder::FolderLock;
use crate::state::journal::line::{EntryLine, PersonalLine, Text};
use crate::state::journal::progress::{JournalStats, Progress};
use crate::state::journal::scan::{Run, RunReader, ScanError};
use crate::state::journal::segments::{list_segments, segment_path};
use crate::state::journal::{Chain, segment_start};

/// Entries in memory that make a run.
const BUFFER_ENTRIES: usize = 20_000;
/// What was applied is durable after this, so that a start has little to catch up.
const SYNC_EVERY: Duration = Duration::from_secs(5);
/// Between attempts that fail one after the other.
const RETRY_AFTER: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 128 * 1024;

pub(super) struct Tail {
    pub journal: PathBuf,
    pub folder: PathBuf,
    pub names: Names,
    pub shared: Arc<Shared>,
    pub progress: Arc<Progress>,
    /// Commit time of the last sync.
    pub synced_at: Micros,
    /// The last trouble with the journal; each is reported once.
    pub reported: Option<String>,
    /// Whether it has caught up since it began, or has not failed yet.
    pub worked: bool,
    pub _lock: Arc<FolderLock>,
}

/// Tells that the thread has ended, however it did.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.set_ended();
    }
}

/// Why following the journal stopped.
enum Trouble {
    /// sled failed: set it aside and begin anew.
    Index(Failure),
    /// The journal cannot be read here; the index cannot mend that.
    Journal(Error),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Trouble::Index(failure)
    }
}

impl Tail {
    pub(super) fn run(mut self) {
        let _ended = Ended(Arc::clone(&self.shared));
        let mut reason = None;
        loop {
            let failed = reason.take();
            let work = AssertUnwindSafe(|| self.begin(failed).and_then(|()| self.follow()));
            let failure = match catch_unwind(work) {
                Ok(Ok(())) => break,
                Ok(Err(failure)) => failure,
                Err(_) => Failure("its thread panicked".to_owned()),
            };
            tracing::error!(
                reason = %failure.0,
                page = "LS3016",
                "the index failed and is rebuilt from the journal; delivery is not affected"
            );
            self.shared.forget();
            if !std::mem::replace(&mut self.worked, false) {
                // It failed anew before it had caught up: the disk is full, or worse.
                self.progress.wait_beyond(u64::MAX, RETRY_AFTER);
            }
            if self.progress.is_closing() {
                break;
            }
            reason = Some(failure);
        }
        let db = self.shared.write().db.take();
        if let Some(db) = db {
            db.close();
        }
    }

    /// Opens the database, a new one when the old one failed or does not fit the journal.
    fn begin(&mut self, failed: Option<Failure>) -> Result<(), Failure> {
        if failed.is_some()
            && let Some(aside) = set_aside(&self.folder)?
        {
            tracing::warn!(folder = %aside.display(), "set the damaged index aside");
        }
        let mut view = Database::open(&self.folder).and_then(View::load)?;
        if let Some(mark) = &view.mark
            && let Err(failure) = self.check_mark(mark)
        {
            if let Some(db) = view.db.take() {
                db.close();
            }
            return Err(failure);
        }
        let last = self.progress.stats().last_commit;
        let applied = view.mark.as_ref().map_or(0, |mark| mark.commit);
        let rebuilding = view.mark.is_none() && last > 0;
        self.synced_at = self.progress.stats().durable_at;
        *self.shared.write() = view;
        self.shared.set_applied(applied, rebuilding);
        Ok(())
    }

    /// A mark that the journal does not reach, or of another journal, makes the index worthless.
    fn check_mark(&self, mark: &Mark) -> Result<(), Failure> {
        let stats = self.progress.stats();
        let differs = |what: &str| Err(Failure(format!("its mark {what}")));
        if mark.store != self.names.store {
            return differs("belongs to another journal");
        }
        let (segment, bytes) = (stats.segment, stats.segment_bytes);
        if mark.commit > stats.last_commit
            || mark.segment > segment
            || (mark.segment == segment && mark.offset > bytes)
        {
            return differs("is newer than the journal");
        }
        Ok(())
    }

    /// Applies what comes until the journal closes.
    fn follow(&mut self) -> Result<(), Failure> {
        loop {
            let stats = self.progress.stats();
            match self.catch_up(&stats) {
                Ok(()) => {
                    self.worked = true;
                    self.shared.set_applied(self.shared.applied(), false);
                }
                Err(Trouble::Index(failure)) => return Err(failure),
                Err(Trouble::Journal(error)) => self.report(&error),
            }
            if let Some(failure) = self.shared.failure() {
                return Err(failure);
            }
            if self.progress.is_closing() {
                return self.sync();
            }
            let waited = self.progress.wait_beyond(stats.last_commit, SYNC_EVERY);
            if waited.last_commit == stats.last_commit {
                self.sync()?;
            }
        }
    }

    /// Applies everything that is durable.
    fn catch_up(&mut self, stats: &JournalStats) -> Result<(), Trouble> {
        while self.shared.applied() < stats.last_commit && !self.progress.is_closing() {
            let mark = match &self.shared.read().mark {
                Some(mark) => mark.clone(),
                None => Mark {
                    store: self.names.store.clone(),
                    segment: 0,
                    offset: 0,
                    commit: 0,
                    chain: Chain::default(),
                },
            };
            let path = segment_path(&self.journal, mark.segment);
            let newest = mark.segment == stats.segment;
            let end = if newest {
                stats.segment_bytes
            } else if mark.segment == 0 {
                0
            } else {
                std::fs::metadata(&path)
                    .map_err(|source| unreadable(&path, source))?
                    .len()
            };
            if mark.offset < end {
                match self.apply_part(&path, &mark, end) {
                    Err(Trouble::Journal(error)) if !newest => self.report(&error),
                    other => {
                        other?;
                        continue;
                    }
                }
            }
            if newest {
                return Ok(());
            }
            self.next_segment(&mark)?;
        }
        Ok(())
    }

    /// Goes to the beginning of the next segment there is.
    fn next_segment(&mut self, mark: &Mark) -> Result<(), Trouble> {
        let segments = list_segments(&self.journal).map_err(Trouble::Journal)?;
        let Some(segment) = segments.into_iter().find(|segment| *segment > mark.segment) else {
            return Err(Failure("the journal's next segment is missing".to_owned()).into());
        };
        let path = segment_path(&self.journal, segment);
        let start = segment_start(&path).map_err(Trouble::Journal)?;
        let (offset, commit, chain) = (start.offset, start.commits, start.chain);
        let mark = Mark {
            store: mark.store.clone(),
            segment,
            offset,
            commit,
            chain,
        };
        self.shared.write().mark = Some(mark);
        let rebuilding = self.shared.is_rebuilding();
        self.shared.set_applied(commit, rebuilding);
        Ok(())
    }

    /// Applies the runs of a segment from the mark to `end`.
    fn apply_part(&mut self, path: &Path, mark: &Mark, end: u64) -> Result<(), Trouble> {
        let read_error = |source| unreadable(path, source);
        let mut file = File::open(path).map_err(read_error)?;
        file.seek(SeekFrom::Start(mark.offset))
            .map_err(read_error)?;
        let reader = BufReader::with_capacity(READ_BYTES, file.take(end - mark.offset));
        // The line's number serves messages only, and is not known here.
        let mut runs = RunReader::new(reader, mark.chain, mark.offset, 1);
        loop {
            let run = match runs.next_run() {
                Ok(Some(run)) => run,
                Ok(None) => return Ok(()),
                Err(ScanError::Io(source)) => return Err(read_error(source)),
                Err(ScanError::Fault(fault)) => {
                    return Err(Trouble::Journal(Error::Damaged {
                        file: path.to_owned(),
                        line: 0,
                        byte: fault.byte,
                        reason: fault.reason,
                    }));
                }
            };
            let (commit, at, chain) = (run.commit.n, Micros(run.commit.at), run.chain);
            let (entries, letters) = self.read_run(&run, mark.segment);
            let mut view = self.shared.write();
            view.buffer.extend(entries);
            for (number, letter) in letters {
                match letter {
                    Some(letter) => view.open_letter(number, letter)?,
                    None => view.close_letter(number)?,
                }
            }
            if let Some(mark) = &mut view.mark {
                (mark.offset, mark.commit, mark.chain) = (runs.at(), commit, chain);
            }
            let full = view.buffer.len() >= BUFFER_ENTRIES;
            drop(view);
            let rebuilding = self.shared.is_rebuilding();
            self.shared.set_applied(commit, rebuilding);
            let waited = at.0.saturating_sub(self.synced_at.0);
            if full || (!rebuilding && waited >= SYNC_EVERY.as_micros() as i64) {
                self.sync()?;
                self.synced_at = at;
            }
            if self.progress.is_closing() {
                return Ok(());
            }
        }
    }

    fn read_run(&self, run: &Run<'_>, segment: u64) -> (Vec<Packed>, Vec<(u64, Option<Letter>)>) {
        let segment = u32::try_from(segment).unwrap_or(u32::MAX);
        let (mut entries, mut letters) = (Vec::new(), Vec::new());
        for raw in run.entries() {
            // What this version cannot read, it cannot be asked about either.
            let Ok(line) = serde_json::from_slice::<EntryLine<'_>>(raw.line) else {
                continue;
            };
            let offset = u32::try_from(raw.offset).unwrap_or(u32::MAX);
            let mut put = |hash| {
                entries.push(Packed {
                    hash,
                    segment,
                    offset,
                })
            };
            if let Some(id) = &line.id {
                put(self.names.salesforce_id(&id.0));
            }
            let personal = raw
                .personal
                .and_then(|text| serde_json::from_slice(text).ok());
            let personal = personal.and_then(|personal: PersonalLine<'_>| personal.x);
            if let Some(personal) = &personal {
                if !personal.k.0.is_empty() {
                    put(self.names.key(&personal.k.0));
                }
                if let Some(email) = &personal.e {
                    put(self.names.email_hash(&email.0));
                }
            }
            let text = |text: &Option<Text<'_>>| {
                text.as_ref()
                    .map_or_else(String::new, |text| text.0.to_string())
            };
            match (&*line.t.0, line.letter) {
                ("dead_letter", Some(number)) => {
                    let errors = personal.map(|personal| personal.errors).unwrap_or_default();
                    let letter = Letter {
                        route: text(&line.route),
                        class: text(&line.class),
                        code: text(&line.code),
                        fields: errors.into_iter().flat_map(|error| error.fields).collect(),
                        at: Micros(run.commit.at),
                        segment,
                        offset,
                    };
                    letters.push((number, Some(letter)));
                }
                ("discarded" | "replayed", Some(number)) => letters.push((number, None)),
                _ => {}
            }
        }
        (entries, letters)
    }

    /// Makes durable what was applied, and merges runs when there are many.
    fn sync(&mut self) -> Result<(), Failure> {
        let view = self.shared.read();
        let (Some(db), Some(mark)) = (&view.db, &view.mark) else {
            return Ok(());
        };
        if view.buffer.is_empty() && view.letters.is_empty() && self.shared.synced() == mark.commit
        {
            return Ok(());
        }
        let (changes, run) = view.changes(mark)?;
        db.apply(changes)?;
        db.sync()?;
        self.shared.set_synced(mark.commit);
        drop(view);
        let mut view = self.shared.write();
        view.runs.extend(run);
        view.buffer.clear();
        view.letters.clear();
        drop(view);
        self.merge()
    }

    fn merge(&self) -> Result<(), Failure> {
        loop {
            let view = self.shared.read();
            let Some(old) = runs::mergeable(&view.runs) else {
                return Ok(());
            };
            let Some(db) = &view.db else { return Ok(()) };
            let merged = runs::merge(db, &old, runs::next_id(&view.runs))?;
            drop(view);
            let mut view = self.shared.write();
            view.runs.retain(|run| !old.contains(run));
            view.runs.push(merged);
            drop(view);
            let view = self.shared.read();
            if let Some(db) = &view.db {
                runs::delete_runs(db, &old)?;
            }
        }
    }

    /// A damaged segment is reported once; what lies in others can still be found.
    fn report(&mut self, error: &Error) {
        let text = error.to_string();
        if self.reported.as_ref() != Some(&text) {
            tracing::error!(error = %text, page = error.page(), "the index cannot read the journal");
            self.reported = Some(text);
        }
    }
}

fn unreadable(path: &Path, source: std::io::Error) -> Trouble {
    Trouble::Journal(Error::Read {
        path: path.to_owned(),
        source: Arc::new(source),
    })
}
