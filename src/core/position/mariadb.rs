//! MariaDB's GTIDs: `domain-server-sequence`. A place in a source's history is the last GTID of
//! each domain; everything before it in its domain is behind us.
//!
//! Sequence numbers rise within a domain only where the servers hold to it (`gtid_strict_mode`), so
//! whoever reads a stream checks that they do: [`MariaDbPosition::follows`].

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::ParseError;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MariaDbGtid {
    pub domain: u32,
    pub server: u32,
    /// From 1.
    pub sequence: u64,
}

/// Per replication domain, the last GTID that is behind us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MariaDbPosition {
    last: BTreeMap<u32, MariaDbGtid>,
}

impl MariaDbPosition {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    /// The last GTID of a domain.
    #[must_use]
    pub fn last(&self, domain: u32) -> Option<&MariaDbGtid> {
        self.last.get(&domain)
    }

    /// Whether this GTID, by its domain and sequence number, is behind us.
    #[must_use]
    pub fn contains(&self, gtid: &MariaDbGtid) -> bool {
        self.last(gtid.domain)
            .is_some_and(|last| gtid.sequence <= last.sequence)
    }

    /// Whether every domain of `other` is at least as far here.
    #[must_use]
    pub fn contains_position(&self, other: &MariaDbPosition) -> bool {
        other.iter().all(|gtid| self.contains(gtid))
    }

    /// Whether this GTID comes behind everything of its domain.
    #[must_use]
    pub fn follows(&self, gtid: &MariaDbGtid) -> bool {
        !self.contains(gtid)
    }

    /// Moves a domain on; never back.
    pub fn insert(&mut self, gtid: MariaDbGtid) {
        if self.follows(&gtid) {
            self.last.insert(gtid.domain, gtid);
        }
    }

    /// Moves every domain on to where it is in `other`.
    pub fn extend(&mut self, other: &MariaDbPosition) {
        other.iter().for_each(|gtid| self.insert(*gtid));
    }

    /// By domain.
    pub fn iter(&self) -> impl Iterator<Item = &MariaDbGtid> {
        self.last.values()
    }
}

impl fmt::Display for MariaDbGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.domain, self.server, self.sequence)
    }
}

impl fmt::Display for MariaDbPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, gtid) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            gtid.fmt(f)?;
        }
        Ok(())
    }
}

impl FromStr for MariaDbGtid {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError {
            what: "a MariaDB GTID",
            text: text.to_owned(),
        };
        let mut parts = text.trim().split('-');
        let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok());
        let (domain, server, sequence) = (number(), number(), number());
        if parts.next().is_some() {
            return Err(error());
        }
        let narrow = |number: Option<u64>| number.and_then(|n| u32::try_from(n).ok());
        Ok(Self {
            domain: narrow(domain).ok_or_else(error)?,
            server: narrow(server).ok_or_else(error)?,
            sequence: sequence.filter(|n| *n > 0).ok_or_else(error)?,
        })
    }
}

impl FromStr for MariaDbPosition {
    type Err = ParseError;

    /// Reads what `@@gtid_binlog_pos` prints: `0-1-100,1-2-5`, white space allowed. A domain that
    /// is named twice (servers print that when it was written by two) stands at the higher number.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut position = Self::default();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            position.insert(part.parse()?);
        }
        Ok(position)
    }
}
