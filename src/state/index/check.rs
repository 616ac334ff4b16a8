//! Whether the index holds what the journal says: both sides are added up segment by segment, so
//! that millions of entries are compared in a few numbers and in any order.
//!
//! A sum is of hashes, so two sides that differ have the same one only by a chance of one in 2^64.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::runs::{self, Packed};
use super::tail::Tail;
use super::view::{LetterStep, View};
use super::{IndexHandle, Names};
use crate::state::error::Error;
use crate::state::journal::scan::Run;
use crate::state::journal::sealed::Closed;
use crate::state::journal::verify::Witness;
use crate::state::keyring::Keyring;

/// How many there are, and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    pub count: u64,
    pub sum: u64,
}

/// What an index holds, or what it should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexSums {
    /// Of the store that it is the index of.
    pub store: String,
    /// The last commit in it.
    pub commit: u64,
    /// Entries by segment.
    pub segments: BTreeMap<u32, Sum>,
    /// Numbers of open dead letters.
    pub letters: Sum,
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(xxhash_rust::xxh3::xxh3_64(bytes));
    }
}

impl IndexSums {
    fn enter(&mut self, entry: Packed) {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&entry.hash.to_le_bytes());
        bytes[8..].copy_from_slice(&entry.offset.to_le_bytes());
        self.segments.entry(entry.segment).or_default().add(&bytes);
    }

    /// The first thing in which an index differs from what it should hold; segments that the
    /// journal no longer has do not count.
    #[must_use]
    pub fn difference(&self, should: &IndexSums) -> Option<String> {
        if self.store != should.store {
            return Some("it belongs to another store".to_owned());
        }
        if self.commit > should.commit {
            return Some(format!(
                "it knows commit {}, and the journal ends with commit {}",
                self.commit, should.commit
            ));
        }
        let nothing = Sum::default();
        for (segment, wanted) in &should.segments {
            let found = self.segments.get(segment).unwrap_or(&nothing);
            if found != wanted {
                return Some(match found.count == wanted.count {
                    true => format!("entries of segment {segment} lead to other places"),
                    false => format!(
                        "it has {} entries of segment {segment}, and the journal {}",
                        found.count, wanted.count
                    ),
                });
            }
        }
        if self.letters != should.letters {
            return Some(format!(
                "it has {} open dead letters, and the journal {}",
                self.letters.count, should.letters.count
            ));
        }
        None
    }
}

impl IndexHandle {
    /// What the index holds now.
    pub fn sums(&self) -> Result<IndexSums, Error> {
        let sums = sums(&self.shared.read());
        sums.map_err(|failure| self.shared.report(failure))
    }
}

fn sums(view: &View) -> Result<IndexSums, super::Failure> {
    let mut sums = IndexSums::default();
    if let Some(mark) = &view.mark {
        sums.store.clone_from(&mark.store);
        sums.commit = mark.commit;
    }
    let mut fresh = view.buffer.clone();
    fresh.sort_unstable();
    fresh.dedup();
    for entry in fresh {
        sums.enter(entry);
    }
    if let Some(db) = &view.db {
        for run in &view.runs {
            runs::visit(db, *run, |entry| sums.enter(entry))?;
        }
    }
    view.visit_letters(|number, _| {
        sums.letters.add(&number.to_le_bytes());
        true
    })?;
    Ok(sums)
}

/// What an index of this journal should hold, added up as the journal is read.
pub(in crate::state) struct Expected {
    names: Names,
    /// The last commit that counts.
    through: u64,
    open: BTreeSet<u64>,
    /// A key that was missing.
    closed: Option<Closed>,
    sums: IndexSums,
}

impl Expected {
    pub(in crate::state) fn new(key: [u8; 32], through: u64, keys: Option<&Arc<Keyring>>) -> Self {
        Self {
            names: Names::new("", key, keys),
            through,
            open: BTreeSet::new(),
            closed: None,
            sums: IndexSums::default(),
        }
    }

    /// A key without which the names in the journal could not be read.
    pub(in crate::state) fn missing_key(&self) -> Option<String> {
        self.closed.as_ref().map(|closed| closed.id.clone())
    }

    /// The sums, for the store of this name.
    pub(in crate::state) fn finish(mut self, store: &str) -> IndexSums {
        store.clone_into(&mut self.sums.store);
        for number in &self.open {
            self.sums.letters.add(&number.to_le_bytes());
        }
        self.sums
    }
}

impl Witness for Expected {
    fn begin(&mut self, open: BTreeSet<u64>) {
        self.open = open;
    }

    fn run(&mut self, segment: u64, run: &Run<'_>) {
        if run.commit.n > self.through {
            return;
        }
        self.sums.commit = run.commit.n;
        let (mut entries, letters) = match Tail::read_run(&self.names, run, segment) {
            Ok(read) => read,
            Err(closed) => {
                self.closed = Some(closed);
                return;
            }
        };
        // Should a line name one thing twice, the index keeps it once.
        entries.sort_unstable();
        entries.dedup();
        for entry in entries {
            self.sums.enter(entry);
        }
        for (number, step) in letters {
            match step {
                LetterStep::Refused(_) => {
                    self.open.insert(number);
                }
                LetterStep::Closed => {
                    self.open.remove(&number);
                }
                // What retention carries is known already.
                LetterStep::Touched(..) | LetterStep::Kept(..) => {}
            }
        }
    }
}
