//! All records of an object in 35 bytes each: enough to tell which rows need a closer look, and
//! which records no row belongs to.
//!
//! Keys are told apart by 96 bits of a digest: among ten million records two that pass for one are
//! less likely than one in 10^14. Records by 64 bits of theirs: a change that is overlooked is one in
//! 10^19.

/// A key's digest, the fingerprint, and the first 15 characters of the id.
type Entry = ([u8; KEY], [u8; 8], [u8; ID]);

const KEY: usize = 12;
const ID: usize = 15;

/// Built once from all records, then met by row after row.
#[derive(Debug, Default)]
pub struct Sieve {
    entries: Vec<Entry>,
    /// One bit an entry.
    met: Vec<u64>,
}

/// What the sieve says of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    Nothing,
    /// A record of this key with other values, or it was met before.
    Other,
    Same,
}

impl Sieve {
    #[must_use]
    pub fn with_room(records: usize) -> Self {
        Self {
            entries: Vec::with_capacity(records),
            met: Vec::new(),
        }
    }

    pub fn add(&mut self, key: &str, fingerprint: u64, id: &str) {
        let mut short = [0; ID];
        for (to, from) in short.iter_mut().zip(id.bytes()) {
            *to = from;
        }
        self.entries
            .push((digest(key), fingerprint.to_le_bytes(), short));
    }

    /// To be called between the last record and the first row.
    pub fn close(&mut self) {
        self.entries.sort_unstable();
        self.met = vec![0; self.entries.len().div_ceil(64)];
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Notes that a row of this key is there; with `None` for a row that is not compared.
    pub fn meet(&mut self, key: &str, fingerprint: Option<u64>) -> Met {
        let key = digest(key);
        let first = self.entries.partition_point(|(known, ..)| *known < key);
        let mut found = Met::Nothing;
        let same = self.entries[first..]
            .iter()
            .take_while(|(known, ..)| *known == key);
        for (at, (_, known, _)) in (first..).zip(same) {
            let bit = 1 << (at % 64);
            let before = self.met.get(at / 64).is_some_and(|word| word & bit != 0);
            let equal = fingerprint.is_none_or(|it| it.to_le_bytes() == *known);
            // Two records of one key, or two rows, want a closer look.
            found = match found {
                Met::Nothing if equal && !before => Met::Same,
                _ => Met::Other,
            };
            if let Some(word) = self.met.get_mut(at / 64) {
                *word |= bit;
            }
        }
        found
    }

    /// The ids of records that no row was met for: 15 characters each.
    pub fn unmet(&self) -> impl Iterator<Item = String> {
        let met = |at: usize| {
            self.met
                .get(at / 64)
                .is_some_and(|word| word & (1 << (at % 64)) != 0)
        };
        let entries = self.entries.iter().enumerate();
        entries
            .filter(move |(at, _)| !met(*at))
            .map(|(_, (_, _, id))| id.iter().map(|byte| char::from(*byte)).collect())
    }
}

fn digest(key: &str) -> [u8; KEY] {
    let mut short = [0; KEY];
    short.copy_from_slice(&blake3::hash(key.as_bytes()).as_bytes()[..KEY]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_records_take_thirty_five_megabytes() {
        assert_eq!(size_of::<Entry>(), 35);
    }

    #[test]
    fn it_tells_rows_and_records_apart() {
        let mut sieve = Sieve::with_room(4);
        for (key, fingerprint) in [("a", 1), ("b", 2), ("c", 3), ("twice", 4), ("twice", 4)] {
            sieve.add(key, fingerprint, &format!("00Q00000000000{key}"));
        }
        sieve.close();
        assert_eq!(sieve.meet("a", Some(1)), Met::Same);
        assert_eq!(sieve.meet("a", Some(1)), Met::Other, "two rows of one key");
        assert_eq!(sieve.meet("b", Some(9)), Met::Other);
        assert_eq!(sieve.meet("missing", Some(1)), Met::Nothing);
        assert_eq!(sieve.meet("twice", Some(4)), Met::Other);
        let unmet: Vec<String> = sieve.unmet().collect();
        assert_eq!(unmet, ["00Q00000000000c"]);
        assert_eq!(sieve.meet("c", None), Met::Same);
        assert_eq!(sieve.unmet().count(), 0);
    }
}
