//! Lines that the journal writes about itself: what of a dropped segment is still needed, and that
//! it was dropped. They change nothing in the books; versions that do not know them pass over them.

use std::collections::BTreeSet;

use super::books::JournalState;
use super::chain::{Chain, seal};
use super::encode::Encoder;
use super::text::{push_field, push_name, push_number};
use crate::core::entry::Commit;
use crate::core::time::Micros;

/// An entry line and its personal line, as they go into the journal; without newlines.
#[derive(Debug)]
pub(super) struct RawLine {
    pub entry: Vec<u8>,
    pub personal: Option<Vec<u8>>,
}

/// What keeps segments from being dropped, or must be carried out of them first.
#[derive(Debug, Default)]
pub(super) struct Holds {
    /// Dead letters that are open: their steps must not go.
    pub open_letters: BTreeSet<u64>,
    /// The oldest segment with parked records that are not all settled.
    pub oldest_parked: Option<u64>,
}

impl Holds {
    /// Whether this dead letter is open.
    pub(super) fn is_open(&self, letter: u64) -> bool {
        self.open_letters.contains(&letter)
    }
}

/// A step of an open dead letter, on its way out of a segment that is dropped. `line` is its entry
/// line, `n` and `at` are its commit's.
pub(super) fn letter_kept(
    line: &[u8],
    letter: u64,
    (segment, offset): (u64, u64),
    (n, at): (u64, Micros),
    personal: Option<&[u8]>,
    digest: Option<&str>,
) -> RawLine {
    let mut entry = b"{\"t\":\"letter_kept\"".to_vec();
    push_number(&mut entry, "letter", letter);
    push_number(&mut entry, "segment", segment);
    push_number(&mut entry, "offset", offset);
    push_number(&mut entry, "n", n);
    push_number(&mut entry, "at", at.0);
    push_name(&mut entry, "line");
    entry.extend_from_slice(line);
    if let Some(digest) = digest {
        push_field(&mut entry, "x", digest);
    }
    entry.push(b'}');
    RawLine {
        entry,
        personal: personal.map(<[u8]>::to_vec),
    }
}

/// That a segment was dropped, with what proves the rest: the chain at its end.
pub(super) fn segment_dropped(
    segment: u64,
    commits: u64,
    last_at: Micros,
    chain: Chain,
    reason: &str,
) -> RawLine {
    let mut entry = b"{\"t\":\"segment_dropped\"".to_vec();
    push_number(&mut entry, "segment", segment);
    push_number(&mut entry, "commits", commits);
    push_number(&mut entry, "last_at", last_at.0);
    push_field(&mut entry, "reason", reason);
    push_name(&mut entry, "prev");
    // A chain is a text of hex digits.
    let _ = serde_json::to_writer(&mut entry, &chain);
    entry.push(b'}');
    RawLine {
        entry,
        personal: None,
    }
}

impl Encoder {
    /// Appends lines as a run of their own and enters it into the state.
    pub(super) fn push_lines(&mut self, state: &mut JournalState, lines: &[RawLine]) {
        self.chained.clear();
        for line in lines {
            let start = self.out.len();
            self.out.extend_from_slice(&line.entry);
            self.out.push(b'\n');
            self.chained.extend_from_slice(&self.out[start..]);
            if let Some(personal) = &line.personal {
                self.out.extend_from_slice(personal);
                self.out.push(b'\n');
            }
        }
        let commit = Commit {
            at: state.last_at,
            ..Commit::default()
        };
        let (start, number) = (self.out.len(), state.last_commit + 1);
        self.push_commit_line(&commit, None, lines.len(), number, number);
        let chain = seal(&mut self.out, start, &state.chain, &self.chained);
        state.apply(&commit, &[], chain);
    }
}
