//! Places in a source's history: GTIDs and their sets, binlog files, checkpoints.
//!
//! A [`Checkpoint`] says which changes are behind us, and only that. It never orders GTIDs of
//! different sources, because the server does not either.

mod arithmetic;
mod inside;
mod mariadb;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use inside::{Inside, InsideList};
pub use mariadb::{MariaDbGtid, MariaDbPosition};

use super::change::ChangeId;

/// The server part of a GTID: UUID and, since MySQL 8.3, an optional tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GtidSource {
    pub uuid: [u8; 16],
    /// Lower case, at most 32 characters (MySQL 9 manual, "GTID format").
    pub tag: Option<Arc<str>>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gtid {
    pub source: GtidSource,
    /// From 1.
    pub number: u64,
}

/// A set of GTIDs: per source, sorted intervals that neither touch nor overlap; both ends belong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GtidSet {
    intervals: BTreeMap<GtidSource, Vec<(u64, u64)>>,
}

/// A byte offset in a binlog file. Offsets are 64 bit: files may pass 4 GiB.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePosition {
    pub file: Arc<str>,
    pub offset: u64,
}

/// What names a transaction: its GTID, or where it starts in the binlog of a server without GTIDs.
/// A row of a snapshot belongs to no transaction and is named by its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransactionId {
    Gtid(Gtid),
    MariaDb(MariaDbGtid),
    File(FilePosition),
    Snapshot(SnapshotRow),
}

/// A row as a snapshot found it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotRow {
    /// The snapshot's number.
    pub snapshot: u64,
    /// The primary key's values as text, joined by commas.
    pub key: Arc<str>,
}

/// Where to go on reading: everything in it is behind us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    Gtid(GtidSet),
    MariaDb(MariaDbPosition),
    File(FilePosition),
}

/// The GTIDs of transactions that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Gtids {
    /// Of a server without GTIDs.
    #[default]
    None,
    MySql(GtidSet),
    MariaDb(MariaDbPosition),
}

/// Progress of the stream by one transaction, or by several without routed rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advance {
    pub gtids: Gtids,
    /// Just behind the transaction's last event.
    pub end: FilePosition,
}

/// All that a restart needs to go on without a gap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// `@@server_uuid` of the server it was read from; decides whether a file position means
    /// anything.
    pub server_uuid: String,
    pub position: Position,
    /// The file position that belongs to `position`, for people and for retention checks; present
    /// with GTIDs too, but meaningless on another server.
    pub end: FilePosition,
    /// Transactions that are partly behind us.
    #[serde(default, skip_serializing_if = "InsideList::is_empty")]
    pub inside: InsideList,
}

/// A position, GTID or GTID set that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {what} from {text:?}")]
pub struct ParseError {
    pub what: &'static str,
    pub text: String,
}

impl Checkpoint {
    /// Whether this change is behind the checkpoint.
    #[must_use]
    pub fn covers(&self, id: &ChangeId) -> bool {
        let transaction = &id.transaction.id;
        if let Some(inside) = self.inside.of(transaction) {
            return inside
                .rows
                .get(&id.table.to_string())
                .is_some_and(|rows| id.row < *rows);
        }
        self.position.covers(transaction)
    }

    /// Moves on by what the stream has passed.
    pub fn advance(&mut self, advance: Advance) {
        self.position.advance(&advance);
        self.end = advance.end;
        self.inside.forget_covered(&self.position);
    }
}

impl TransactionId {
    /// Whether it names a row of a snapshot, and no transaction.
    #[must_use]
    pub fn is_snapshot(&self) -> bool {
        matches!(self, TransactionId::Snapshot(_))
    }
}

impl Position {
    /// Whether all of this transaction is behind us. A snapshot's rows never are: its own progress
    /// says how far it is.
    #[must_use]
    pub fn covers(&self, transaction: &TransactionId) -> bool {
        match (self, transaction) {
            (Position::Gtid(set), TransactionId::Gtid(gtid)) => set.contains(gtid),
            (Position::MariaDb(position), TransactionId::MariaDb(gtid)) => position.contains(gtid),
            // File names carry a rising number of fixed width, so they compare as text; the width
            // grows past 999999, where the longer name is the later one.
            (Position::File(end), TransactionId::File(start)) => start.is_before(end),
            _ => false,
        }
    }

    /// Moves on by what the stream has passed.
    pub fn advance(&mut self, advance: &Advance) {
        match (self, &advance.gtids) {
            (Position::Gtid(set), Gtids::MySql(gtids)) => set.extend(gtids),
            (Position::MariaDb(position), Gtids::MariaDb(gtids)) => position.extend(gtids),
            (Position::File(position), _) => position.clone_from(&advance.end),
            // Capture refuses a stream whose kind is not that of the position it goes on at.
            (Position::Gtid(_) | Position::MariaDb(_), _) => {}
        }
    }
}

impl FilePosition {
    /// Whether this place lies before `other` in the same server's binlog.
    #[must_use]
    pub fn is_before(&self, other: &FilePosition) -> bool {
        (self.file.len(), &self.file, self.offset) < (other.file.len(), &other.file, other.offset)
    }
}

impl Gtids {
    /// Adds a transaction's GTID, if it has one.
    pub fn insert(&mut self, transaction: &TransactionId) {
        match (&mut *self, transaction) {
            (Gtids::MySql(set), TransactionId::Gtid(gtid)) => set.insert(gtid),
            (Gtids::MariaDb(position), TransactionId::MariaDb(gtid)) => position.insert(*gtid),
            (_, TransactionId::Gtid(gtid)) => {
                let mut set = GtidSet::default();
                set.insert(gtid);
                *self = Gtids::MySql(set);
            }
            (_, TransactionId::MariaDb(gtid)) => {
                let mut position = MariaDbPosition::default();
                position.insert(*gtid);
                *self = Gtids::MariaDb(position);
            }
            (_, TransactionId::File(_) | TransactionId::Snapshot(_)) => {}
        }
    }
}

impl GtidSet {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }

    #[must_use]
    pub fn contains(&self, gtid: &Gtid) -> bool {
        self.intervals.get(&gtid.source).is_some_and(|intervals| {
            let next = intervals.partition_point(|(first, _)| *first <= gtid.number);
            next > 0 && intervals[next - 1].1 >= gtid.number
        })
    }

    /// Whether every GTID of `other` is in this set.
    #[must_use]
    pub fn contains_set(&self, other: &GtidSet) -> bool {
        other.intervals.iter().all(|(source, wanted)| {
            let Some(have) = self.intervals.get(source) else {
                return false;
            };
            wanted.iter().all(|(first, last)| {
                let next = have.partition_point(|(start, _)| start <= first);
                next > 0 && have[next - 1].1 >= *last
            })
        })
    }

    pub fn insert(&mut self, gtid: &Gtid) {
        self.insert_interval(&gtid.source, gtid.number, gtid.number);
    }

    /// Adds every GTID of `other`.
    pub fn extend(&mut self, other: &GtidSet) {
        for (source, intervals) in &other.intervals {
            for (first, last) in intervals {
                self.insert_interval(source, *first, *last);
            }
        }
    }

    /// Adds `first..=last`; does nothing when `first > last`.
    pub fn insert_interval(&mut self, source: &GtidSource, first: u64, last: u64) {
        if first > last {
            return;
        }
        // The entry is looked up first so that the common case clones no source.
        let intervals = match self.intervals.get_mut(source) {
            Some(intervals) => intervals,
            None => self.intervals.entry(source.clone()).or_default(),
        };
        // Everything from `start` to before `end` touches or overlaps the new interval.
        let start = intervals.partition_point(|(_, have_last)| have_last.saturating_add(1) < first);
        let end =
            intervals.partition_point(|(have_first, _)| *have_first <= last.saturating_add(1));
        if start < end {
            let merged = (
                intervals[start].0.min(first),
                intervals[end - 1].1.max(last),
            );
            intervals[start] = merged;
            intervals.drain(start + 1..end);
        } else {
            intervals.insert(start, (first, last));
        }
    }

    /// Sources with their intervals, both ends included.
    pub fn iter(&self) -> impl Iterator<Item = (&GtidSource, &[(u64, u64)])> {
        self.intervals
            .iter()
            .map(|(source, intervals)| (source, intervals.as_slice()))
    }
}

impl fmt::Display for GtidSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.uuid.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        match &self.tag {
            Some(tag) => write!(f, ":{tag}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.number)
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (source, intervals)) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{source}")?;
            for (first, last) in intervals {
                if first == last {
                    write!(f, ":{first}")?;
                } else {
                    write!(f, ":{first}-{last}")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for FilePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransactionId::Gtid(gtid) => gtid.fmt(f),
            TransactionId::MariaDb(gtid) => gtid.fmt(f),
            TransactionId::File(position) => write!(f, "file:{position}"),
            TransactionId::Snapshot(row) => write!(f, "snapshot:{}:{}", row.snapshot, row.key),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Gtid(set) => set.fmt(f),
            Position::MariaDb(position) => write!(f, "mariadb:{position}"),
            Position::File(position) => write!(f, "file:{position}"),
        }
    }
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths = [8, 4, 4, 4, 12];
    if groups.len() != lengths.len() || groups.iter().zip(lengths).any(|(g, l)| g.len() != l) {
        return None;
    }
    let digits = groups.concat();
    let mut uuid = [0; 16];
    for (index, byte) in uuid.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(uuid)
}

fn is_tag(text: &str) -> bool {
    text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

impl FromStr for GtidSet {
    type Err = ParseError;

    /// Reads what `@@gtid_executed` prints: `uuid:1-5:7,uuid:tag:1-3`, white space allowed.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError {
            what: "a GTID set",
            text: text.to_owned(),
        };
        let mut set = GtidSet::default();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let mut pieces = part.split(':').map(str::trim);
            let uuid = pieces.next().and_then(parse_uuid).ok_or_else(error)?;
            let mut source = GtidSource { uuid, tag: None };
            let mut intervals = 0;
            for piece in pieces {
                if is_tag(piece) {
                    source.tag = Some(piece.to_ascii_lowercase().into());
                    continue;
                }
                let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
                let first: u64 = first.trim().parse().map_err(|_| error())?;
                let last: u64 = last.trim().parse().map_err(|_| error())?;
                if first == 0 || first > last {
                    return Err(error());
                }
                set.insert_interval(&source, first, last);
                intervals += 1;
            }
            if intervals == 0 {
                return Err(error());
            }
        }
        Ok(set)
    }
}

impl FromStr for Gtid {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError {
            what: "a GTID",
            text: text.to_owned(),
        };
        let (source, number) = text.rsplit_once(':').ok_or_else(error)?;
        let (uuid, tag) = match source.split_once(':') {
            Some((uuid, tag)) if is_tag(tag) => (uuid, Some(tag.to_ascii_lowercase().into())),
            Some(_) => return Err(error()),
            None => (source, None),
        };
        let uuid = parse_uuid(uuid).ok_or_else(error)?;
        let number = number.parse().ok().filter(|n| *n > 0).ok_or_else(error)?;
        Ok(Gtid {
            source: GtidSource { uuid, tag },
            number,
        })
    }
}

impl FromStr for FilePosition {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError {
            what: "a binlog position",
            text: text.to_owned(),
        };
        let (file, offset) = text.rsplit_once(':').ok_or_else(error)?;
        if file.is_empty() {
            return Err(error());
        }
        Ok(FilePosition {
            file: file.into(),
            offset: offset.parse().map_err(|_| error())?,
        })
    }
}

impl FromStr for TransactionId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if let Some(position) = text.strip_prefix("file:") {
            return Ok(TransactionId::File(position.parse()?));
        }
        if let Some(row) = text.strip_prefix("snapshot:") {
            let error = || ParseError {
                what: "a snapshot's row",
                text: text.to_owned(),
            };
            let (snapshot, key) = row.split_once(':').ok_or_else(error)?;
            return Ok(TransactionId::Snapshot(SnapshotRow {
                snapshot: snapshot.parse().map_err(|_| error())?,
                key: key.into(),
            }));
        }
        // MySQL's have a colon before the number, MariaDB's none at all.
        if text.contains(':') {
            Ok(TransactionId::Gtid(text.parse()?))
        } else {
            Ok(TransactionId::MariaDb(text.parse()?))
        }
    }
}

impl FromStr for Position {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if let Some(position) = text.strip_prefix("file:") {
            return Ok(Position::File(position.parse()?));
        }
        match text.strip_prefix("mariadb:") {
            Some(position) => Ok(Position::MariaDb(position.parse()?)),
            None => Ok(Position::Gtid(text.parse()?)),
        }
    }
}

macro_rules! serde_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(GtidSet, TransactionId, Position, FilePosition);

#[cfg(test)]
mod tests;
