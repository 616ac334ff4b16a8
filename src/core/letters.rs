//! Dead letters that wait for a person: which are open, and what the books must know of each.
//!
//! The pipeline and the journal both keep [`OpenLetters`] through [`OpenLetters::apply`] alone, so
//! that what is open cannot differ between memory and disk. A letter that is being replayed stays
//! open until its outcome: a crash in between leaves it where it was.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::change::{ChangeId, RouteId};
use super::entry::{Entry, Subject};
use super::position::TransactionId;

/// What stands for a record's key where the key itself must not stand: equal for keys that name
/// one record in Salesforce.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyHash(pub u64);

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl std::str::FromStr for KeyHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = (text.len() == 16).then(|| u64::from_str_radix(text, 16));
        match number {
            Some(Ok(number)) => Ok(Self(number)),
            _ => Err("a key's hash has 16 hex digits"),
        }
    }
}

impl Serialize for KeyHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Makes [`KeyHash`]es; a secret of the store, so that they give no key away.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct KeySecret(pub [u8; 32]);

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(..)")
    }
}

impl KeySecret {
    /// The hash of a key as Salesforce compares it; none of an empty key, which names nothing.
    #[must_use]
    pub fn hash(&self, comparable_key: &str) -> Option<KeyHash> {
        if comparable_key.is_empty() {
            return None;
        }
        let hash = blake3::keyed_hash(&self.0, comparable_key.as_bytes());
        let first = hash.as_bytes().first_chunk().copied().unwrap_or_default();
        Some(KeyHash(u64::from_be_bytes(first)))
    }
}

/// What is known of an open letter without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenLetter {
    /// `None` when its key is empty, or was written by a version that noted no hashes.
    pub key: Option<KeyHash>,
    /// When it became a letter nothing older of its key was on its way: whatever of the key comes
    /// from the source and is delivered afterwards is newer.
    pub last: bool,
}

/// One route's open letters by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenLetters(BTreeMap<u64, OpenLetter>);

impl OpenLetters {
    /// Enters one step.
    pub fn apply(&mut self, entry: &Entry) {
        if let Entry::DeadLettered { letter, open, .. } = entry {
            // Refused again, it is what it was: when it became a letter decides what is newer.
            let last = self.0.get(letter).map_or(open.last, |known| known.last);
            self.0.insert(*letter, OpenLetter { last, ..*open });
        } else if let Some(letter) = entry.closes_letter() {
            self.0.remove(&letter);
        }
    }

    pub fn insert(&mut self, number: u64, letter: OpenLetter) {
        self.0.insert(number, letter);
    }

    #[must_use]
    pub fn get(&self, number: u64) -> Option<&OpenLetter> {
        self.0.get(&number)
    }

    #[must_use]
    pub fn is_open(&self, number: u64) -> bool {
        self.0.contains_key(&number)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u64, &OpenLetter)> {
        self.0.iter().map(|(number, letter)| (*number, letter))
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A letter as an entry names it that is about the letter itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterName {
    pub number: u64,
    pub route: RouteId,
    /// The external id's value, by which the lead's story is found.
    pub key: Arc<str>,
}

/// Whether one change came before another beyond doubt: only within one source's own count, because
/// names do not tell the order across a failover.
#[must_use]
pub fn is_surely_before(first: &ChangeId, second: &ChangeId) -> bool {
    let earlier_row = first.table == second.table && first.row < second.row;
    let in_order = |a: u64, b: u64| a < b || a == b && earlier_row;
    match (&first.transaction.id, &second.transaction.id) {
        (TransactionId::Gtid(a), TransactionId::Gtid(b)) => {
            a.source == b.source && in_order(a.number, b.number)
        }
        (TransactionId::MariaDb(a), TransactionId::MariaDb(b)) => {
            (a.domain, a.server) == (b.domain, b.server) && in_order(a.sequence, b.sequence)
        }
        _ => false,
    }
}

/// An open letter, read back.
#[derive(Clone, Debug, PartialEq)]
pub struct LetterRecord {
    pub number: u64,
    /// As it was refused last.
    pub subject: Subject,
    /// Edits since then, oldest first.
    pub edits: Vec<FieldEdits>,
    /// A replay took it up since then and left no outcome: what it was then, Salesforce may have.
    pub unclear: bool,
    /// Something of its key was delivered since, and is not surely older.
    pub newer_delivered: bool,
    /// Retention has taken a part of the journal since it became a letter: what was delivered meanwhile
    /// may have stood there.
    pub history_gone: bool,
}

/// One edit: JSON objects of the changed fields. One that was not there is absent in `before`, one
/// that was taken out is absent in `after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldEdits {
    pub before: Arc<str>,
    pub after: Arc<str>,
}

/// What a person asks to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayOrder {
    /// Numbers, each once, rising.
    pub letters: Vec<u64>,
    pub author: Arc<str>,
    /// Send it although something newer of its key was delivered, or is on its way.
    pub force: bool,
}

/// A leased letter, looked up: as it stands now, or why it cannot be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct LetterRead {
    pub number: u64,
    pub found: Result<LetterRecord, Declined>,
}

/// Why one letter of a replay was not sent. It stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Declined {
    /// It is closed, or never was.
    NotOpen,
    NewerDelivered,
    /// When it became a letter, older images of its key were on their way, and what was delivered since
    /// is not in the journal any more.
    HistoryGone,
    NewerOnItsWay,
    /// Its key was not known when it became a letter: nobody can say what was delivered since.
    KeyUnknown,
    /// The configuration has no route of that name any more.
    NoRoute,
    /// Its payload was erased, or cannot be read.
    Unreadable,
    /// The present mapping refuses it, for this reason; it names no value.
    Unmappable(String),
    Cancelled,
    /// The index, which knows where letters stand, has not caught up with the journal.
    IndexBehind,
}

impl Declined {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let text = match self {
            Declined::Unmappable(why) => return format!("the mapping refuses it: {why}"),
            Declined::NotOpen => {
                "it is not open (any more), or its route is not in the configuration"
            }
            Declined::NewerDelivered => {
                "a newer image of the same record was delivered since; --force sends the older one \
                 over it, discard closes the letter"
            }
            Declined::HistoryGone => {
                "whether something newer of the record was delivered since stood in a part of the journal \
                 that retention has dropped; look at the record, then --force sends it, or discard closes \
                 the letter"
            }
            Declined::NewerOnItsWay => {
                "another image of the same record is on its way, and this one is not surely the \
                 newer: ask again when that has its outcome"
            }
            Declined::KeyUnknown => {
                "its key was not known when it became a letter, so that nobody can say whether \
                 something newer of the record was delivered since; --force sends it all the same"
            }
            Declined::NoRoute => "its route is not in the configuration any more",
            Declined::Unreadable => {
                "its payload cannot be read: it was erased, or the journal is damaged there"
            }
            Declined::Cancelled => "the replay was cancelled before its turn",
            Declined::IndexBehind => {
                "the index has not caught up with the journal: ask again when `leadstream status` \
                 shows that it has"
            }
        };
        text.to_owned()
    }
}

/// How a replay stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayProgress {
    pub running: bool,
    pub cancelled: bool,
    pub author: String,
    /// Letters asked for.
    pub asked: u64,
    /// Not begun.
    pub waiting: u64,
    /// Read, or sent and not answered.
    pub under_way: u64,
    pub delivered: u64,
    /// Refused again: open under the numbers that they have.
    pub refused: u64,
    /// Closed without being sent: by a filter, or by a newer image that took their place.
    pub closed: u64,
    /// Not sent.
    pub declined_count: u64,
    /// What was not sent, and why; only once the replay is over.
    pub declined: Vec<(u64, Declined)>,
}
