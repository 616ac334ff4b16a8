//! Reading a segment run by run, each checked against the chain before anything believes it.

use std::io::{self, BufRead};

use super::chain::{Chain, decode_hex, digest, split_seal};
use super::line::CommitLine;
use super::personal::{PERSONAL_START, is_erased};

pub(in crate::state) const COMMIT_START: &[u8] = b"{\"t\":\"commit\",";

/// Reads a segment from a place between two runs.
#[derive(Debug)]
pub(in crate::state) struct RunReader<R> {
    input: R,
    chain: Chain,
    /// Byte and line where the next run begins.
    at: u64,
    line: u64,
    bytes: Vec<u8>,
    entries: Vec<EntrySpan>,
    chained: Vec<u8>,
}

/// Where an entry stands within its run; ends are without newline.
#[derive(Clone, Copy, Debug)]
struct EntrySpan {
    entry: (usize, usize),
    personal: Option<(usize, usize)>,
}

/// One commit's lines, verified.
#[derive(Debug)]
pub(in crate::state) struct Run<'a> {
    /// Byte offset in the segment.
    pub start: u64,
    pub commit: CommitLine,
    /// The chain up to its end.
    pub chain: Chain,
    bytes: &'a [u8],
    entries: &'a [EntrySpan],
}

/// An entry within a run.
#[derive(Clone, Copy, Debug)]
pub(in crate::state) struct RawEntry<'a> {
    /// Byte offset in the segment.
    pub offset: u64,
    pub line: &'a [u8],
    pub personal: Option<&'a [u8]>,
}

/// The first place where a segment stops making sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) struct Fault {
    /// From 1.
    pub line: u64,
    pub byte: u64,
    pub reason: &'static str,
}

#[derive(Debug)]
pub(in crate::state) enum ScanError {
    Io(io::Error),
    Fault(Fault),
}

impl<'a> Run<'a> {
    pub(in crate::state) fn entries(&self) -> impl Iterator<Item = RawEntry<'a>> + use<'a> {
        let (bytes, start) = (self.bytes, self.start);
        self.entries.iter().map(move |span| RawEntry {
            offset: start + span.entry.0 as u64,
            line: &bytes[span.entry.0..span.entry.1],
            personal: span.personal.map(|(from, to)| &bytes[from..to]),
        })
    }
}

impl<R: BufRead> RunReader<R> {
    /// `line` is the number of the first line to be read, from 1; `at` its byte offset.
    pub(in crate::state) fn new(input: R, chain: Chain, at: u64, line: u64) -> Self {
        Self {
            input,
            chain,
            at,
            line,
            bytes: Vec::new(),
            entries: Vec::new(),
            chained: Vec::new(),
        }
    }

    /// Where the next run begins: behind the last one that was good.
    pub(in crate::state) fn at(&self) -> u64 {
        self.at
    }

    /// Number of the line with which the next run begins.
    pub(in crate::state) fn line(&self) -> u64 {
        self.line
    }

    /// The next run; `None` at the end of the input. After a fault the reader is of no more use.
    pub(in crate::state) fn next_run(&mut self) -> Result<Option<Run<'_>>, ScanError> {
        self.bytes.clear();
        self.entries.clear();
        self.chained.clear();
        let mut lines = 0;
        loop {
            let from = self.bytes.len();
            let read = self
                .input
                .read_until(b'\n', &mut self.bytes)
                .map_err(ScanError::Io)?;
            if read == 0 && from == 0 {
                return Ok(None);
            }
            let (number, byte) = (self.line + lines, self.at + from as u64);
            let fault = |reason| {
                Err(ScanError::Fault(Fault {
                    line: number,
                    byte,
                    reason,
                }))
            };
            if self.bytes.last() != Some(&b'\n') || read == 0 {
                return fault("the file ends within a commit");
            }
            let to = self.bytes.len() - 1;
            let line = &self.bytes[from..to];
            lines += 1;
            if line.starts_with(COMMIT_START) {
                let commit = match check_commit(line, &self.chain, &self.chained) {
                    Ok((commit, chain)) if commit.lines == self.entries.len() as u64 => {
                        self.chain = chain;
                        commit
                    }
                    Ok(_) => return fault("the commit's number of lines is wrong"),
                    Err(reason) => return fault(reason),
                };
                if awaits_personal(&self.bytes, &self.entries) {
                    return fault("a personal line is missing");
                }
                let start = self.at;
                self.at += self.bytes.len() as u64;
                self.line += lines;
                let (bytes, entries) = (&self.bytes[..], &self.entries[..]);
                return Ok(Some(Run {
                    start,
                    commit,
                    chain: self.chain,
                    bytes,
                    entries,
                }));
            }
            if line.starts_with(PERSONAL_START) {
                let Some(owner) = self
                    .entries
                    .last_mut()
                    .filter(|owner| owner.personal.is_none())
                else {
                    return fault("a personal line belongs to no entry");
                };
                let entry = &self.bytes[owner.entry.0..owner.entry.1];
                match matches_digest(entry, line) {
                    Ok(true) => {}
                    Ok(false) => return fault("a personal line belongs to no entry"),
                    Err(reason) => return fault(reason),
                }
                owner.personal = Some((from, to));
            } else {
                if awaits_personal(&self.bytes, &self.entries) {
                    return fault("a personal line is missing");
                }
                self.chained.extend_from_slice(&self.bytes[from..=to]);
                self.entries.push(EntrySpan {
                    entry: (from, to),
                    personal: None,
                });
            }
        }
    }
}

/// Whether the last entry promised a personal line that has not come.
fn awaits_personal(bytes: &[u8], entries: &[EntrySpan]) -> bool {
    entries.last().is_some_and(|last| {
        last.personal.is_none() && claimed_digest(&bytes[last.entry.0..last.entry.1]).is_some()
    })
}

/// Whether `personal` is the personal line of `entry`, whole or erased; false when the entry has
/// none.
pub(in crate::state) fn matches_digest(
    entry: &[u8],
    personal: &[u8],
) -> Result<bool, &'static str> {
    match claimed_digest(entry) {
        None => Ok(false),
        Some(claimed) if is_erased(personal) || claimed == digest(personal) => Ok(true),
        Some(_) => Err("a personal line does not match its digest"),
    }
}

/// The digest at the end of an entry line, when a personal line belongs to it.
fn claimed_digest(line: &[u8]) -> Option<[u8; 16]> {
    const MARK: &[u8] = b",\"x\":\"";
    let at = line.len().checked_sub(MARK.len() + 32 + 2)?;
    let hex = line[at..].strip_prefix(MARK)?.strip_suffix(b"\"}")?;
    let mut digest = [0; 16];
    decode_hex(hex, &mut digest)?;
    Some(digest)
}

fn check_commit(
    line: &[u8],
    previous: &Chain,
    entries: &[u8],
) -> Result<(CommitLine, Chain), &'static str> {
    let (body, claimed) = split_seal(line).ok_or("the commit line has no seal")?;
    let chain = previous.next(entries, body);
    if chain != claimed {
        return Err("the chain of hashes is broken");
    }
    let commit =
        serde_json::from_slice(line).map_err(|_| "the commit line cannot be understood")?;
    Ok((commit, chain))
}
