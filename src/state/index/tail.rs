//! The thread of the index: follows the journal's files behind the durable mark, and never touches
//! what the pipeline works with, so that it cannot slow it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::database::{Failure, delete, set_aside};
use super::growth;
use super::kept::Moved;
use super::opening::{OPEN_LIMIT, forget_hang, hung_before, is_of_this_journal, open_view};
use super::runs::{self, Packed};
use super::view::{Letter, LetterStep, Mark};
use super::{ERASED, Names, Shared};
use crate::core::time::Micros;
use crate::state::error::Error;
use crate::state::folder::FolderLock;
use crate::state::journal::line::{EntryLine, PersonalLine, Text};
use crate::state::journal::progress::{JournalStats, Progress};
use crate::state::journal::scan::{Run, RunReader, ScanError};
use crate::state::journal::sealed::{Closed, open_line};
use crate::state::journal::segment_file::SegmentFile;
use crate::state::journal::segments::{list_segments, present_path};
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
    /// It takes more of the disk than it should; reported once.
    pub has_outgrown: bool,
    /// Whether it has caught up since it began, or has not failed yet.
    pub worked: bool,
    pub _lock: Arc<FolderLock>,
}

/// What a run adds: names with their places, and steps of dead letters.
type RunNews = (Vec<Packed>, Vec<(u64, LetterStep)>);

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
            if failure.0 == ERASED {
                tracing::info!("the index is built anew without the person who was erased");
                self.shared.forget();
                reason = Some(failure);
                continue;
            }
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
        if failed.as_ref().is_some_and(|failed| failed.0 == ERASED) {
            delete(&self.folder)?;
            forget_hang(&self.folder)?;
        } else if failed.is_some() || hung_before(&self.folder) {
            if let Some(aside) = set_aside(&self.folder)? {
                tracing::warn!(folder = %aside.display(), "set the damaged index aside");
            }
            forget_hang(&self.folder)?;
        }
        let mut view = open_view(&self.folder, OPEN_LIMIT)?;
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
        if !is_of_this_journal(&self.journal, mark)? {
            return differs("stands where the journal has something else");
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
            let path = present_path(&self.journal, mark.segment);
            let newest = mark.segment == stats.segment;
            let end = if newest {
                stats.segment_bytes
            } else if mark.segment == 0 {
                0
            } else {
                match SegmentFile::open(&self.journal, mark.segment) {
                    Ok(file) => file.len(),
                    // Retention was quicker.
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
                    Err(source) => {
                        self.report(&Error::read(&path, source));
                        0
                    }
                }
            };
            if mark.offset < end {
                match self.apply_part(&path, &mark, end) {
                    // Without the key nothing is passed over: with it the names can be had.
                    Err(Trouble::Journal(error))
                        if !newest && !matches!(error, Error::KeyMissing { .. }) =>
                    {
                        self.report(&error);
                    }
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
        let start = segment_start(&self.journal, segment).map_err(Trouble::Journal)?;
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
        let file = SegmentFile::open(&self.journal, mark.segment).map_err(read_error)?;
        let reader = file.reader(mark.offset, end, READ_BYTES);
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
            let read = Self::read_run(&self.names, &run, mark.segment);
            let (entries, letters) = read.map_err(|closed| {
                Trouble::Journal(Error::KeyMissing {
                    file: path.to_owned(),
                    id: closed.id,
                })
            })?;
            let mut view = self.shared.write();
            view.buffer.extend(entries);
            for (number, step) in letters {
                view.apply_letter(number, step)?;
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

    /// What a run adds to the index.
    pub(super) fn read_run(names: &Names, run: &Run<'_>, segment: u64) -> Result<RunNews, Closed> {
        let segment = u32::try_from(segment).unwrap_or(u32::MAX);
        let (mut entries, mut letters) = (Vec::new(), Vec::new());
        for raw in run.entries() {
            // What this version cannot read, it cannot be asked about either.
            let Ok(mut line) = serde_json::from_slice::<EntryLine<'_>>(raw.line) else {
                continue;
            };
            let offset = u32::try_from(raw.offset).unwrap_or(u32::MAX);
            let mut at = Micros(run.commit.at);
            let mut kept_from = None;
            if let Some(kept) = line.line {
                let place = line.segment.zip(line.offset);
                let place = place.and_then(|(segment, offset)| {
                    Some((u32::try_from(segment).ok()?, u32::try_from(offset).ok()?))
                });
                at = line.at.map_or(at, Micros);
                let (Some(place), Ok(inner)) = (place, serde_json::from_str(kept.get())) else {
                    continue;
                };
                (kept_from, line) = (Some(place), inner);
            }
            let letters_before = letters.len();
            let mut put = |hash| {
                entries.push(Packed {
                    hash,
                    segment,
                    offset,
                })
            };
            if let Some(id) = &line.id {
                put(names.salesforce_id(&id.0));
            }
            // So that a letter's number leads to what became of it when it is closed.
            if let Some(number) = line.letter {
                put(names.letter(number));
            }
            let opened = raw
                .personal
                .map(|line| open_line(names.keys.as_deref(), line));
            let opened = opened.transpose()?;
            let personal = opened
                .as_deref()
                .and_then(|text| serde_json::from_slice(text).ok());
            let personal = personal.and_then(|personal: PersonalLine<'_>| personal.x);
            if let Some(personal) = &personal {
                if !personal.k.0.is_empty() {
                    put(names.key(&personal.k.0));
                }
                if let Some(email) = &personal.e {
                    put(names.email_hash(&email.0));
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
                        at,
                        segment,
                        offset,
                        since: Vec::new(),
                        history: Vec::new(),
                        moved: Moved::default(),
                    };
                    letters.push((number, LetterStep::Refused(letter)));
                }
                ("edited" | "replayed", Some(number)) => {
                    letters.push((number, LetterStep::Touched(segment, offset)));
                }
                // A replay's outcome names its letter.
                (
                    "discarded" | "outdated" | "delivered" | "superseded" | "skipped",
                    Some(number),
                ) => {
                    letters.push((number, LetterStep::Closed));
                }
                _ => {}
            }
            if let Some(from) = kept_from {
                let kept = letters.drain(letters_before..).map(|(number, step)| {
                    let places = (from, (segment, offset));
                    (number, LetterStep::Kept(Box::new(step), places))
                });
                let kept: Vec<_> = kept.collect();
                letters.extend(kept);
            }
        }
        Ok((entries, letters))
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
        let bytes = db.bytes()?;
        self.shared.set_synced(mark.commit, bytes);
        let entries = view.runs.iter().map(|run| run.entries()).sum();
        let letters = view.kinds.total();
        let outgrown = growth::is_out_of_bounds(bytes, entries, letters);
        drop(view);
        if outgrown && !std::mem::replace(&mut self.has_outgrown, outgrown) {
            tracing::warn!(
                bytes,
                entries,
                page = "LS3070",
                "the index takes too much of the disk"
            );
        }
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
            // Without a list nothing is left out.
            let oldest = list_segments(&self.journal).ok();
            let oldest = oldest.and_then(|segments| segments.first().copied());
            let oldest = u32::try_from(oldest.unwrap_or(0)).unwrap_or(u32::MAX);
            let merged = runs::merge(db, &old, runs::next_id(&view.runs), oldest)?;
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
