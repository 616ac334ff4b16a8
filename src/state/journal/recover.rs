//! Starting from what is on disk: the newest segment alone, its header and the commits behind it.
//!
//! What lies behind the last good commit is a torn tail when it can be what an unfinished write
//! left. It is damage, and an error, when a later write exists: a write begins only once all
//! before it was durable.

use std::fs::{self, File};
use std::io::{self, BufRead, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::books::JournalState;
use super::chain::{Chain, split_seal};
use super::header::Header;
use super::letters::find_open_letters;
use super::line::{CommitLine, Decoder, EntryLine};
use super::scan::{COMMIT_START, Fault, Run, RunReader, ScanError};
use super::sealed::{Closed, open_places, seal_places};
use super::segment_file::{SegmentFile, SegmentReader};
use super::segments::{list_segments, present_path, segment_path};
use crate::core::entry::ParkedSpan;
use crate::core::time::Micros;
use crate::state::error::Error;
use crate::state::keyring::Keyring;

const READ_BYTES: usize = 256 * 1024;

/// A journal as it was found.
#[derive(Debug)]
pub(super) struct Found {
    pub state: JournalState,
    pub path: PathBuf,
    /// Length of the newest segment up to the end of its last good commit.
    pub good_bytes: u64,
    pub torn_bytes: u64,
    pub header_bytes: u64,
    /// Commits in the newest segment.
    pub commits: u64,
}

/// Reads the journal in `folder`; `None` when it holds no segment. Changes nothing.
pub(super) fn recover(folder: &Path, routes: &[String]) -> Result<Option<Found>, Error> {
    let Some(segment) = list_segments(folder)?.pop() else {
        return Ok(None);
    };
    let path = segment_path(folder, segment);
    let OpenSegment {
        reader,
        header,
        chain,
        bytes: header_bytes,
    } = open_segment(folder, segment)?;
    let damaged = |fault: Fault| Error::Damaged {
        file: path.clone(),
        line: fault.line,
        byte: fault.byte,
        reason: fault.reason,
    };
    if header.segment != segment {
        let reason = "the header belongs to another segment";
        return Err(damaged(Fault {
            line: 1,
            byte: 0,
            reason,
        }));
    }
    let first = header.commits;
    let names_letters = header.names_letters();
    let mut state = JournalState::from_header(header, chain, routes);
    if !names_letters {
        find_open_letters(folder, segment, &mut state)?;
    }
    let mut runs = RunReader::new(reader, chain, header_bytes, 2);
    let mut decoder = Decoder::new();
    let fault = loop {
        let at = runs.at();
        match runs.next_run() {
            Ok(None) => break None,
            Err(ScanError::Io(source)) => return Err(Error::read(&path, source)),
            Err(ScanError::Fault(fault)) => break Some((at, fault)),
            Ok(Some(run)) => {
                if let Err(reason) = apply_run(&mut state, &mut decoder, run) {
                    let line = line_of(&path, at)?;
                    return Err(damaged(Fault {
                        line,
                        byte: at,
                        reason,
                    }));
                }
            }
        }
    };
    let length = fs::metadata(&path)
        .map_err(|source| Error::read(&path, source))?
        .len();
    let good_bytes = fault.map_or(length, |(at, _)| at);
    if let Some((at, fault)) = fault
        && later_write_exists(&path, at, state.last_commit + 1)
            .map_err(|source| Error::read(&path, source))?
    {
        return Err(damaged(fault));
    }
    let commits = state.last_commit - first;
    let torn_bytes = length - good_bytes;
    Ok(Some(Found {
        state,
        path,
        good_bytes,
        torn_bytes,
        header_bytes,
        commits,
    }))
}

/// Makes sure that what a start may have to read back can be opened, and that what comes is sealed
/// with the newest key: a segment begun under another gets no more commits.
pub(super) fn check_keys(
    folder: &Path,
    state: &mut JournalState,
    keys: Option<&Keyring>,
) -> Result<(), Error> {
    let check = |segment: u64, id: &Option<String>| match id {
        Some(id) if !keys.is_some_and(|keys| keys.knows(id)) => Err(Error::KeyMissing {
            file: present_path(folder, segment),
            id: id.clone(),
        }),
        _ => Ok(()),
    };
    check(state.segment, &state.sealed_with)?;
    for segment in state.parked_segments() {
        let header = open_segment(folder, segment)?.header;
        check(segment, &header.encryption.map(|encryption| encryption.key))?;
    }
    if let Some(snapshot) = &mut state.snapshot {
        let segment = state.segment;
        let closed = |closed: Closed| Error::KeyMissing {
            file: present_path(folder, segment),
            id: closed.id,
        };
        let mut opened = snapshot.clone();
        open_places(keys, &mut opened).map_err(closed)?;
        // Under the newest key already, it stays as it stands.
        if let Some(keys) = keys
            && seal_places(keys, snapshot).is_none()
        {
            seal_places(keys, &mut opened).ok_or(Error::Unsealed)?;
            *snapshot = opened;
        }
    }
    let newest = keys.map(Keyring::id);
    if state.sealed_with.as_deref() != newest {
        state.sealed_with = newest.map(str::to_owned);
        state.is_marked = false;
    }
    Ok(())
}

/// Where a segment's first run begins, for those who follow it.
#[derive(Clone, Copy, Debug)]
pub(in crate::state) struct SegmentStart {
    pub chain: Chain,
    pub offset: u64,
    /// When it was begun.
    pub opened_at: Micros,
    /// Number and time of the last commit before it.
    pub commits: u64,
    pub last_at: Micros,
    /// The chain at the end of the segment before.
    pub prev: Chain,
}

pub(in crate::state) fn segment_start(folder: &Path, segment: u64) -> Result<SegmentStart, Error> {
    let start = open_segment(folder, segment)?;
    Ok(SegmentStart {
        chain: start.chain,
        offset: start.bytes,
        opened_at: start.header.opened_at,
        commits: start.header.commits,
        last_at: start.header.last_at,
        prev: start.header.prev,
    })
}

/// A segment's runs, read from its beginning.
pub(super) struct SegmentRuns(RunReader<SegmentReader>);

impl SegmentRuns {
    pub(super) fn open(folder: &Path, segment: u64) -> Result<Self, Error> {
        let segment = open_segment(folder, segment)?;
        let OpenSegment {
            reader,
            chain,
            bytes,
            ..
        } = segment;
        Ok(Self(RunReader::new(reader, chain, bytes, 2)))
    }

    /// Hands every run over, up to the first that is broken or that is refused.
    pub(super) fn each(
        &mut self,
        path: &Path,
        mut take: impl FnMut(&Run<'_>) -> Result<(), &'static str>,
    ) -> Result<(), Error> {
        loop {
            let at = self.0.at();
            let fault = match self.0.next_run() {
                Ok(None) => return Ok(()),
                Err(ScanError::Io(source)) => return Err(Error::read(path, source)),
                Err(ScanError::Fault(fault)) => fault,
                Ok(Some(run)) => match take(&run) {
                    Ok(()) => continue,
                    Err(reason) => Fault {
                        line: 0,
                        byte: at,
                        reason,
                    },
                },
            };
            return Err(Error::Damaged {
                file: path.to_owned(),
                line: fault.line,
                byte: fault.byte,
                reason: fault.reason,
            });
        }
    }
}

pub(super) struct OpenSegment {
    pub reader: SegmentReader,
    pub header: Header,
    pub chain: Chain,
    /// Of the header.
    pub bytes: u64,
}

/// Opens a segment and reads its header; the reader stands behind it.
pub(super) fn open_segment(folder: &Path, segment: u64) -> Result<OpenSegment, Error> {
    let path = &segment_path(folder, segment);
    let file = SegmentFile::open(folder, segment).map_err(|source| Error::read(path, source))?;
    let mut reader = file.reader(0, u64::MAX, READ_BYTES);
    let mut line = Vec::new();
    reader
        .read_until(b'\n', &mut line)
        .map_err(|source| Error::read(path, source))?;
    let bytes = line.len() as u64;
    if line.pop() != Some(b'\n') {
        let (file, reason) = (path.to_owned(), "the header is cut off");
        return Err(Error::Damaged {
            file,
            line: 1,
            byte: 0,
            reason,
        });
    }
    let (header, chain) = Header::decode(path, &line)?;
    Ok(OpenSegment {
        reader,
        header,
        chain,
        bytes,
    })
}

pub(super) fn apply_run(
    state: &mut JournalState,
    decoder: &mut Decoder,
    run: Run<'_>,
) -> Result<(), &'static str> {
    if run.commit.n != state.last_commit + 1 {
        return Err("commits are missing before this one");
    }
    let mut entries = Vec::with_capacity(run.commit.lines as usize);
    let mut spans = Spans::default();
    for raw in run.entries() {
        let line: EntryLine<'_> =
            serde_json::from_slice(raw.line).map_err(|_| "an entry line cannot be understood")?;
        let entry = decoder.entry(&line, &mut |name| state.route_id(name))?;
        if let Some(serial) = line.serial.filter(|_| line.t.0 == "parked") {
            let personal = raw.personal.map_or(0, |personal| personal.len() as u64 + 1);
            let route = line.route.as_ref().map_or("", |route| &*route.0);
            let of_snapshot = line
                .tx
                .as_ref()
                .is_some_and(|tx| tx.0.starts_with("snapshot:"));
            spans.push(
                route,
                serial,
                (state.segment, raw.offset),
                raw.line.len() as u64 + 1 + personal,
                (!of_snapshot).then(|| Micros(line.committed.unwrap_or_default())),
            );
        }
        entries.extend(entry);
    }
    let chain = run.chain;
    state.apply(&run.commit.into_commit(entries), &spans.done, chain);
    Ok(())
}

/// Gathers parked records into spans: one route, serials one by one, one piece of the file. A
/// snapshot's row comes without the time of its commit.
#[derive(Debug, Default)]
pub(super) struct Spans {
    pub done: Vec<ParkedSpan>,
}

impl Spans {
    pub(super) fn push(
        &mut self,
        route: &str,
        serial: u64,
        place: (u64, u64),
        bytes: u64,
        committed: Option<Micros>,
    ) {
        let committed = committed.unwrap_or(ParkedSpan::NOT_OF_THE_STREAM);
        match self.done.last_mut() {
            Some(span)
                if span.route == route
                    && span.first + u64::from(span.count) == serial
                    && (span.place.0, span.place.1 + span.bytes) == place =>
            {
                span.count += 1;
                span.bytes += bytes;
                span.oldest = span.oldest.min(committed);
            }
            _ => self.done.push(ParkedSpan {
                route: route.to_owned(),
                first: serial,
                count: 1,
                bytes,
                place,
                oldest: committed,
            }),
        }
    }
}

/// Whether a commit behind `at` belongs to a write that began after commit `broken` was durable.
pub(super) fn later_write_exists(path: &Path, at: u64, broken: u64) -> io::Result<bool> {
    let mut rest = Vec::new();
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(at))?;
    file.read_to_end(&mut rest)?;
    let mut from = 0;
    // A damaged newline must not hide a commit line, so it may begin anywhere.
    while let Some(found) = find(&rest[from..], COMMIT_START) {
        let line = &rest[from + found..];
        let end = line
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(line.len());
        let commit = split_seal(&line[..end])
            .and_then(|_| serde_json::from_slice::<CommitLine>(&line[..end]).ok());
        if commit.is_some_and(|commit| commit.n > broken && commit.group > broken) {
            return Ok(true);
        }
        from += found + COMMIT_START.len();
    }
    Ok(false)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut from = 0;
    // Braces are rare next to other bytes, so looking for the first one is quick enough.
    while let Some(next) = text.get(from..)?.iter().position(|byte| *byte == wanted[0]) {
        if text[from + next..].starts_with(wanted) {
            return Some(from + next);
        }
        from += next + 1;
    }
    None
}

/// Number of the line that begins at `byte`; only for messages.
fn line_of(path: &Path, byte: u64) -> Result<u64, Error> {
    let read = || -> io::Result<u64> {
        let mut before = Vec::new();
        File::open(path)?.take(byte).read_to_end(&mut before)?;
        Ok(before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1)
    };
    read().map_err(|source| Error::read(path, source))
}
