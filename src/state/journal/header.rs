//! The first line of a segment: everything that a start needs, so that it reads no older segment.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ahead::AheadRows;
use super::chain::{Chain, seal, split_seal};
use crate::core::acts::OperatorPauses;
use crate::core::bulk::BulkJob;
use crate::core::entry::{ParkedSpan, Totals};
use crate::core::letters::{KeyHash, OpenLetter};
use crate::core::position::Checkpoint;
use crate::core::schema::TableSchema;
use crate::core::snapshot::Snapshot;
use crate::core::time::Micros;
use crate::state::error::Error;

/// Of the journal's format; `docs/journal.md` describes it.
pub(super) const VERSION: u32 = 1;

/// What has come to the format since its first version and cannot be passed over: whoever does not
/// know one of these reads no segment that names it. Every new segment names all of them.
pub(super) const FEATURES: [&str; 7] = [
    "snapshots",
    "insides",
    "bulk_jobs",
    // The rules `converted`, `unchanged` and `where` of skipped lines.
    "skip_rules",
    // The service events `object_altered` and `checkpoint_set`.
    "object_events",
    LETTERS,
    // Lines of the kind `act`: whoever passed them over would send what an operator paused.
    "acts",
];

/// Headers say which dead letters are open, and letters can close.
const LETTERS: &str = "letters";

/// Named only by segments whose personal lines are sealed.
pub(super) const ENCRYPTION: &str = "encryption";

/// Named with it: the keys behind which a snapshot goes on are sealed, too.
pub(super) const SEALED_PLACES: &str = "sealed_places";

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub t: String,
    pub version: u32,
    /// Features that a reader must know to read on; a reader that does not, stops here.
    #[serde(default)]
    pub requires: Vec<String>,
    /// Set when personal lines are encrypted: which key, and how.
    #[serde(default)]
    pub encryption: Option<Encryption>,
    pub segment: u64,
    pub opened_at: Micros,
    /// Names the store for ever: 128 random bits.
    pub store: String,
    /// The chain at the end of the segment before.
    pub prev: Chain,
    /// Number of the last commit before this segment.
    pub commits: u64,
    pub last_at: Micros,
    pub next: NextNumbers,
    pub checkpoint: Option<Checkpoint>,
    pub totals: BTreeMap<String, Totals>,
    pub settled_ahead: Vec<AheadRows>,
    pub parked: Vec<ParkedSpan>,
    /// Intervals of serials, both ends included.
    pub parked_settled: Vec<(u64, u64)>,
    /// Hours since 1970 with the calls in them.
    pub api_calls: Vec<(i64, u64)>,
    /// Bulk jobs that have not ended.
    #[serde(default)]
    pub jobs: Vec<BulkJob>,
    /// Routes that an operator paused.
    #[serde(default)]
    pub pauses: OperatorPauses,
    /// The last snapshot, running or not; nothing when there was none.
    #[serde(default)]
    pub snapshot: Vec<Snapshot>,
    /// What routed tables looked like when they were last read.
    #[serde(default)]
    pub schemas: Vec<TableSchema>,
    /// When it was last noted that a call has no answer, or that a life ended without a word.
    #[serde(default)]
    pub unanswered_at: Option<Micros>,
    /// The service runs: it has noted its start and no stop since. Journals from before this was
    /// noted do not tell, and a crash is the safe guess.
    #[serde(default = "not_told")]
    pub running: bool,
    /// Open dead letters by route.
    #[serde(default)]
    pub letters: BTreeMap<String, Vec<StoredLetter>>,
}

/// An open dead letter: its number, its key's hash, and whether it was the last of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredLetter(pub u64, pub Option<KeyHash>, pub bool);

impl From<StoredLetter> for OpenLetter {
    fn from(StoredLetter(_, key, last): StoredLetter) -> Self {
        OpenLetter { key, last }
    }
}

impl From<(u64, &OpenLetter)> for StoredLetter {
    fn from((number, letter): (u64, &OpenLetter)) -> Self {
        Self(number, letter.key, letter.last)
    }
}

fn not_told() -> bool {
    true
}

/// Which cipher personal lines are sealed with, and under which key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Encryption {
    pub cipher: String,
    pub key: String,
}

/// The numbers that are given out next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NextNumbers {
    pub parked: u64,
    pub letter: u64,
    pub batch: u64,
}

/// Only what decides whether the rest can be read.
#[derive(Deserialize)]
struct Version {
    version: u32,
    #[serde(default)]
    requires: Vec<String>,
}

impl Header {
    /// Whether it says which dead letters are open; those of older versions do not.
    pub(super) fn names_letters(&self) -> bool {
        self.requires.iter().any(|known| known == LETTERS)
    }

    /// The header's line with its newline, and the chain behind it.
    pub(super) fn encode(&self) -> Result<(Vec<u8>, Chain), serde_json::Error> {
        let mut line = serde_json::to_vec(self)?;
        line.pop();
        let chain = seal(&mut line, 0, &self.prev, b"");
        Ok((line, chain))
    }

    /// Reads a header's line (without newline), checks its seal and that we may read on.
    pub(super) fn decode(file: &Path, line: &[u8]) -> Result<(Header, Chain), Error> {
        let damaged = |reason| Error::Damaged {
            file: file.to_owned(),
            line: 1,
            byte: 0,
            reason,
        };
        let (body, claimed) = split_seal(line).ok_or_else(|| damaged("the header has no seal"))?;
        // The version is read before the seal is checked: a later one may seal differently.
        if let Ok(version) = serde_json::from_slice::<Version>(line) {
            let unsupported = |needs: String| Error::Unsupported {
                file: file.to_owned(),
                needs,
            };
            if version.version > VERSION {
                return Err(unsupported(format!("journal format {}", version.version)));
            }
            let unknown: Vec<String> = version
                .requires
                .into_iter()
                .filter(|feature| {
                    let feature = feature.as_str();
                    ![ENCRYPTION, SEALED_PLACES].contains(&feature) && !FEATURES.contains(&feature)
                })
                .collect();
            if !unknown.is_empty() {
                return Err(unsupported(unknown.join(", ")));
            }
        }
        let header: Header =
            serde_json::from_slice(line).map_err(|_| damaged("the header cannot be understood"))?;
        let chain = header.prev.next(b"", body);
        if chain != claimed {
            return Err(damaged("the header does not match its seal"));
        }
        Ok((header, chain))
    }
}
