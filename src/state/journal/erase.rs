//! Taking a person out of closed segments: `{"x":null}` and spaces stand where a personal line
//! stood, so that no byte behind it moves and the chain still verifies.
//!
//! A segment is written anew under another name and renamed, packed or not: a crash leaves the old
//! one or the new one, and to begin again is always right.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use super::kept::RawLine;
use super::line::{EntryLine, Personal, PersonalLine};
use super::personal::{ERASED, PERSONAL_START, is_erased};
use super::recover::SegmentRuns;
use super::scan::RawEntry;
use super::sealed::{Closed, open_line};
use super::segment_file::SegmentFile;
use super::segments::{list_segments, packed_path, present_path, segment_path};
use super::text::{push_field, push_number};
use super::{CommitReceipt, JournalHandle, Request, frames};
use crate::core::time::Micros;
use crate::failpoint;
use crate::state::error::Error;
use crate::state::folder::sync_folder;
use crate::state::keyring::Keyring;

const READ_BYTES: usize = 256 << 10;

/// Decides from an entry line, and from its personal line in clear, whether that one must go.
pub(in crate::state) type IsMeant<'a> = dyn Fn(&EntryLine<'_>, &Personal<'_>) -> bool + 'a;

/// That somebody was erased; it does not say who.
fn erased_line(author: &str, at: Micros, lines: u64) -> RawLine {
    let mut entry = b"{\"t\":\"erased\"".to_vec();
    push_number(&mut entry, "at", at.0);
    push_field(&mut entry, "author", author);
    push_number(&mut entry, "lines", lines);
    entry.push(b'}');
    RawLine {
        entry,
        personal: None,
    }
}

impl JournalHandle {
    /// Notes an erasure in a segment that begins with it, so that all segments before are closed.
    pub(in crate::state) fn note_erasure(
        &self,
        author: &str,
        at: Micros,
        lines: u64,
    ) -> Result<CommitReceipt, Error> {
        let (answer, answered) = sync_channel(1);
        let done = Box::new(move |result| {
            // It has room for the one answer.
            let _ = answer.try_send(result);
        });
        let line = erased_line(author, at, lines);
        let request = Request::Fresh(vec![line], done);
        self.requests.send(request).map_err(|_| Error::Stopped)?;
        answered.recv().map_err(|_| Error::Stopped)?
    }

    /// The journal's folder, and its last durable commit.
    pub(in crate::state) fn durable(&self) -> (&std::path::Path, u64) {
        (&self.folder, self.progress.stats().last_commit)
    }

    /// Dead letters that are open now.
    pub(in crate::state) fn open_letters(&self) -> Result<std::collections::BTreeSet<u64>, Error> {
        let (answer, answered) = sync_channel(1);
        let request = Request::Holds(answer);
        self.requests.send(request).map_err(|_| Error::Stopped)?;
        let holds = answered.recv().map_err(|_| Error::Stopped)?;
        Ok(holds.open_letters)
    }

    /// Hands over every entry of every segment up to what is durable, with its personal line in
    /// clear.
    pub(in crate::state) fn each_entry(
        &self,
        keys: Option<&Keyring>,
        mut take: impl FnMut(u64, Micros, &EntryLine<'_>, Option<&Personal<'_>>),
    ) -> Result<(), Error> {
        let through = self.progress.stats().last_commit;
        for segment in list_segments(&self.folder)? {
            let path = present_path(&self.folder, segment);
            let mut runs = match SegmentRuns::open(&self.folder, segment) {
                Ok(runs) => runs,
                // Retention was quicker.
                Err(Error::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    continue;
                }
                Err(error) => return Err(error),
            };
            let (mut closed, mut beyond) = (None, false);
            let read = runs.each(&path, |run| {
                // What the writer is at may be half there.
                if run.commit.n > through {
                    beyond = true;
                    return Err("it is not durable yet");
                }
                for raw in run.entries() {
                    let told = tell(keys, raw, |line, personal| {
                        take(segment, Micros(run.commit.at), line, personal);
                    });
                    if let Err(missing) = told {
                        closed = Some(missing);
                        return Err("it is encrypted");
                    }
                }
                beyond = run.commit.n == through;
                if beyond { Err("the end") } else { Ok(()) }
            });
            if let Some(Closed { id }) = closed {
                return Err(Error::KeyMissing { file: path, id });
            }
            if beyond {
                break;
            }
            read?;
        }
        Ok(())
    }

    /// Blanks what is meant in all segments before the newest; how many lines that were.
    pub(in crate::state) fn erase(
        &self,
        keys: Option<&Keyring>,
        is_meant: &IsMeant<'_>,
    ) -> Result<u64, Error> {
        let newest = self.progress.stats().segment;
        let mut lines = 0;
        for segment in list_segments(&self.folder)? {
            if segment >= newest {
                break;
            }
            let _guard = self.progress.replace_closed_segments();
            let path = present_path(&self.folder, segment);
            match erase_segment(&self.folder, segment, keys, is_meant) {
                Ok(erased) => lines += erased,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => {
                    let source = Arc::new(source);
                    return Err(Error::Erase { path, source });
                }
            }
        }
        Ok(lines)
    }
}

/// Hands over an entry, unless no version that we know wrote it.
fn tell(
    keys: Option<&Keyring>,
    raw: RawEntry<'_>,
    take: impl FnOnce(&EntryLine<'_>, Option<&Personal<'_>>),
) -> Result<(), Closed> {
    let Some(line) = entry_line(raw.line) else {
        return Ok(());
    };
    let opened = raw.personal.map(|personal| open_line(keys, personal));
    let opened = opened.transpose()?;
    let personal = opened.as_deref().and_then(personal_of);
    take(&line, personal.as_ref());
    Ok(())
}

/// An entry line; of one that retention carried on, the line itself.
fn entry_line(line: &[u8]) -> Option<EntryLine<'_>> {
    let line: EntryLine<'_> = serde_json::from_slice(line).ok()?;
    match line.line {
        Some(kept) => serde_json::from_str(kept.get()).ok(),
        None => Some(line),
    }
}

fn personal_of(line: &[u8]) -> Option<Personal<'_>> {
    serde_json::from_slice::<PersonalLine<'_>>(line).ok()?.x
}

/// Blanks what is meant in one closed segment; nothing is written when there is nothing.
pub(super) fn erase_segment(
    folder: &Path,
    segment: u64,
    keys: Option<&Keyring>,
    is_meant: &IsMeant<'_>,
) -> io::Result<u64> {
    let (plain, packed) = (segment_path(folder, segment), packed_path(folder, segment));
    if plain.exists() && packed.exists() {
        // Packing was interrupted: the plain one counts, and the other would keep what goes.
        fs::remove_file(&packed)?;
        sync_folder(folder)?;
    }
    let is_packed = !plain.exists();
    let open = || -> io::Result<_> {
        let reader = SegmentFile::open(folder, segment)?.reader(0, u64::MAX, READ_BYTES);
        Ok(Blanking::new(reader, keys, is_meant))
    };
    let mut look = open()?;
    io::copy(&mut look, &mut io::sink())?;
    if look.blanked == 0 {
        return Ok(0);
    }
    let target = if is_packed { packed } else { plain };
    let temporary = target.with_extension(if is_packed { "zst.new" } else { "jsonl.new" });
    let mut blanking = open()?;
    let written = write(&mut blanking, &temporary, is_packed);
    if let Err(error) = written {
        // It holds what others of the segment are, and takes room.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    failpoint::hit("journal.erase.after_temp");
    fs::rename(&temporary, &target)?;
    failpoint::hit("journal.erase.after_rename");
    sync_folder(folder)?;
    Ok(blanking.blanked)
}

fn write(input: &mut impl Read, temporary: &Path, is_packed: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut output = BufWriter::with_capacity(READ_BYTES, options.open(temporary)?);
    if is_packed {
        frames::pack(input, &mut output, || true)?;
    } else {
        io::copy(input, &mut output)?;
    }
    let output: File = output
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    output.sync_all()
}

/// Reads a segment as it is to be: line by line, with the meant ones blank.
struct Blanking<'a, R> {
    input: BufReader<R>,
    keys: Option<&'a Keyring>,
    is_meant: &'a IsMeant<'a>,
    entry: Vec<u8>,
    line: Vec<u8>,
    used: usize,
    blanked: u64,
}

impl<'a, R: Read> Blanking<'a, R> {
    fn new(input: R, keys: Option<&'a Keyring>, is_meant: &'a IsMeant<'a>) -> Self {
        Self {
            input: BufReader::with_capacity(READ_BYTES, input),
            keys,
            is_meant,
            entry: Vec::new(),
            line: Vec::new(),
            used: 0,
            blanked: 0,
        }
    }

    fn next_line(&mut self) -> io::Result<()> {
        std::mem::swap(&mut self.entry, &mut self.line);
        self.line.clear();
        self.used = 0;
        self.input.read_until(b'\n', &mut self.line)?;
        if self.line.starts_with(PERSONAL_START) && self.must_go()? {
            let end = self.line.len() - usize::from(self.line.ends_with(b"\n"));
            if let Some((head, rest)) = self.line[..end].split_at_mut_checked(ERASED.len()) {
                head.copy_from_slice(ERASED);
                rest.fill(b' ');
                self.blanked += 1;
            }
        }
        Ok(())
    }

    fn must_go(&self) -> io::Result<bool> {
        let personal = self.line.trim_ascii_end();
        if is_erased(personal) {
            return Ok(false);
        }
        let Some(entry) = entry_line(self.entry.trim_ascii_end()) else {
            return Ok(false);
        };
        let opened = open_line(self.keys, personal).map_err(|closed| {
            let text = format!("it is encrypted under the key {}", closed.id);
            io::Error::new(io::ErrorKind::PermissionDenied, text)
        })?;
        Ok(personal_of(&opened).is_some_and(|personal| (self.is_meant)(&entry, &personal)))
    }
}

impl<R: Read> Read for Blanking<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.used == self.line.len() {
            self.next_line()?;
        }
        let waiting = &self.line[self.used..];
        let length = waiting.len().min(buffer.len());
        buffer[..length].copy_from_slice(&waiting[..length]);
        self.used += length;
        Ok(length)
    }
}
