//! Dropping the oldest segment: what of it is still needed goes into the running segment first,
//! then the drop itself is noted, then the file goes. A crash in between leaves the segment, and
//! it is dropped again.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, TrySendError, sync_channel};
use std::time::Duration;

use super::Request;
use super::keeper::Work;
use super::kept::{Holds, RawLine, letter_kept, segment_dropped};
use super::line::EntryLine;
use super::recover::{SegmentStart, segment_start};
use super::scan::{Run, RunReader, ScanError};
use super::segment_file::SegmentFile;
use super::segments::{list_segments, packed_path, present_path, segment_path};
use crate::core::time::Micros;
use crate::failpoint;
use crate::state::error::Error;
use crate::state::folder::sync_folder;
use crate::state::room::LOOK_EVERY;

/// Lines carried in one commit, and their bytes: the pipeline's commits wait behind it.
const CARRIED_LINES: usize = 200;
const CARRIED_BYTES: usize = 1 << 20;
const READ_BYTES: usize = 128 << 10;

/// Times by which a segment's age is judged: the journal's own, as its commits tell them.
struct Clocks {
    /// Of the last commit.
    durable: Micros,
    /// Of the last commit before the newest segment.
    before_newest: Micros,
}

impl Clocks {
    /// Segments close every day. So the newest one begins soon after the one before ended, unless
    /// the service was away or the clock was set: then nothing is dropped before another day has
    /// begun, because a clock that is wrong for an hour must not cost the audit trail.
    const BELIEVED: Duration = Duration::from_secs(2 * 86_400);

    fn is_older(&self, last_at: Micros, longest_ms: u64) -> bool {
        let believed = i64::try_from(Self::BELIEVED.as_micros()).unwrap_or(i64::MAX);
        let bound = self.before_newest.0.saturating_add(believed);
        let age_ms = self.durable.0.min(bound).saturating_sub(last_at.0) / 1_000;
        age_ms > i64::try_from(longest_ms).unwrap_or(i64::MAX)
    }
}

impl Work {
    /// Drops segments from the oldest on while they may go.
    pub(super) fn drop_old(&self) -> Result<(), Error> {
        if self.retention_ms.is_none() && self.max_bytes.is_none() {
            return Ok(());
        }
        loop {
            let segments = list_segments(&self.folder)?;
            let &[oldest, next, ..] = segments.as_slice() else {
                return Ok(());
            };
            let start = segment_start(&self.folder, next)?;
            let newest = segments.last().copied().unwrap_or(next);
            let stats = self.progress.stats();
            let clocks = Clocks {
                durable: stats.durable_at,
                before_newest: segment_start(&self.folder, newest)?.last_at,
            };
            let too_old = self
                .retention_ms
                .is_some_and(|longest| clocks.is_older(start.last_at, longest));
            let reason = match self.max_bytes {
                _ if too_old => "age",
                Some(most) if stats.bytes > most => "size",
                _ => return Ok(()),
            };
            let Some(holds) = self.holds() else {
                return Ok(());
            };
            if holds.oldest_parked.is_some_and(|held| held <= oldest) {
                tracing::debug!(segment = oldest, "kept for its parked records");
                return Ok(());
            }
            if !self.drop_segment(oldest, &start, &holds, reason)? {
                return Ok(());
            }
        }
    }

    /// False when the journal has ended meanwhile.
    fn drop_segment(
        &self,
        segment: u64,
        next: &SegmentStart,
        holds: &Holds,
        reason: &str,
    ) -> Result<bool, Error> {
        let path = present_path(&self.folder, segment);
        if !self.carry_letters(segment, holds)? {
            return Ok(false);
        }
        let line = segment_dropped(segment, next.commits, next.last_at, next.prev, reason);
        if !self.journal(vec![line])? {
            return Ok(false);
        }
        failpoint::hit("journal.drop.after_note");
        let _guard = self.progress.replace_closed_segments();
        let bytes = fs::metadata(&path).map_or(0, |file| file.len());
        let paths = [
            segment_path(&self.folder, segment),
            packed_path(&self.folder, segment),
        ];
        for path in &paths {
            match fs::remove_file(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(|source| keep_error(path, source))?,
            }
        }
        sync_folder(&self.folder).map_err(|source| keep_error(&self.folder, source))?;
        self.progress.update(|stats| {
            stats.bytes = stats.bytes.saturating_sub(bytes);
            stats.segments = stats.segments.saturating_sub(1);
        });
        tracing::info!(segment, reason, chain = %next.prev, "dropped the oldest segment of the journal");
        Ok(true)
    }

    /// Writes the steps of open dead letters in this segment anew.
    fn carry_letters(&self, segment: u64, holds: &Holds) -> Result<bool, Error> {
        let path = present_path(&self.folder, segment);
        let start = segment_start(&self.folder, segment)?;
        let file = SegmentFile::open(&self.folder, segment)
            .map_err(|source| Error::read(&path, source))?;
        let reader = file.reader(start.offset, u64::MAX, READ_BYTES);
        let mut runs = RunReader::new(reader, start.chain, start.offset, 2);
        let (mut lines, mut bytes) = (Vec::new(), 0);
        loop {
            let run = match runs.next_run() {
                Ok(run) => run,
                Err(ScanError::Io(source)) => return Err(Error::read(&path, source)),
                Err(ScanError::Fault(fault)) => {
                    return Err(Error::Damaged {
                        file: path,
                        line: fault.line,
                        byte: fault.byte,
                        reason: fault.reason,
                    });
                }
            };
            let ended = run.is_none();
            for line in run.iter().flat_map(|run| kept_lines(run, segment, holds)) {
                bytes += line.entry.len() + line.personal.as_ref().map_or(0, Vec::len);
                lines.push(line);
            }
            let full = lines.len() >= CARRIED_LINES || bytes >= CARRIED_BYTES;
            if full || (ended && !lines.is_empty()) {
                bytes = 0;
                if !self.journal(std::mem::take(&mut lines))? {
                    return Ok(false);
                }
            }
            if ended {
                return Ok(true);
            }
        }
    }

    /// Asks the writer; `None` when the journal has ended.
    fn holds(&self) -> Option<Holds> {
        let (answer, answered) = sync_channel(1);
        self.send(Request::Holds(answer))?;
        self.wait_for(&answered)
    }

    /// Makes lines durable; false when the journal has ended.
    fn journal(&self, lines: Vec<RawLine>) -> Result<bool, Error> {
        let (answer, answered) = sync_channel(1);
        let done = Box::new(move |result| {
            // It has room for the one answer.
            let _ = answer.try_send(result);
        });
        if self.send(Request::Lines(lines, done)).is_none() {
            return Ok(false);
        }
        match self.wait_for(&answered) {
            Some(result) => result.map(|_| true),
            None => Ok(false),
        }
    }

    /// Hands a request over once the queue has room.
    fn send(&self, mut request: Request) -> Option<()> {
        loop {
            match self.requests.try_send(request) {
                Ok(()) => return Some(()),
                Err(TrySendError::Disconnected(_)) => return None,
                Err(TrySendError::Full(back)) => request = back,
            }
            if self.progress.wait_closing(LOOK_EVERY) {
                return None;
            }
            self.disk.look();
        }
    }

    fn wait_for<T>(&self, answered: &std::sync::mpsc::Receiver<T>) -> Option<T> {
        loop {
            match answered.recv_timeout(LOOK_EVERY) {
                Ok(answer) => return Some(answer),
                Err(RecvTimeoutError::Timeout) if !self.progress.is_closing() => self.disk.look(),
                Err(_) => return None,
            }
        }
    }
}

/// What of a run must outlive its segment.
fn kept_lines(run: &Run<'_>, segment: u64, holds: &Holds) -> Vec<RawLine> {
    const OF_LETTERS: [&[u8]; 4] = [
        b"{\"t\":\"dead_letter\"",
        b"{\"t\":\"edited\"",
        b"{\"t\":\"replayed\"",
        b"{\"t\":\"letter_kept\"",
    ];
    let mut kept = Vec::new();
    for raw in run.entries() {
        if !OF_LETTERS.iter().any(|kind| raw.line.starts_with(kind)) {
            continue;
        }
        // The chain holds it, so it is what some version wrote; one without a number is no letter.
        let Ok(line) = serde_json::from_slice::<EntryLine<'_>>(raw.line) else {
            continue;
        };
        let Some(letter) = line.letter.filter(|letter| holds.is_open(*letter)) else {
            continue;
        };
        kept.push(if line.line.is_some() {
            // Carried before: it says itself where it comes from.
            RawLine {
                entry: raw.line.to_vec(),
                personal: raw.personal.map(<[u8]>::to_vec),
            }
        } else {
            let place = (segment, raw.offset);
            let commit = (run.commit.n, Micros(run.commit.at));
            let digest = line.x.as_ref().map(|digest| &*digest.0);
            letter_kept(raw.line, letter, place, commit, raw.personal, digest)
        });
    }
    kept
}

fn keep_error(path: &std::path::Path, source: io::Error) -> Error {
    Error::Keep {
        path: path.to_owned(),
        source: Arc::new(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 86_400_000;

    #[test]
    fn a_clock_that_jumps_ages_nothing_until_another_day_begins() {
        let day = |day: i64| Micros(day * 86_400_000_000);
        let check = |durable, before_newest, last_at, expected: bool| {
            let clocks = Clocks {
                durable: day(durable),
                before_newest: day(before_newest),
            };
            let older = clocks.is_older(day(last_at), 90 * DAY_MS);
            assert_eq!(older, expected, "{durable} {before_newest} {last_at}");
        };
        check(100, 99, 9, true);
        check(100, 99, 10, false);
        // The clock jumps by years and begins a segment; the next day begins another.
        check(5_000, 99, 95, false);
        check(5_001, 5_000, 95, true);
        // It goes back.
        check(-1_000, 99, 95, false);
        check(
            i64::MAX / DAY_MS as i64 / 1_001,
            i64::MIN / DAY_MS as i64 / 1_001,
            1,
            false,
        );
    }
}
