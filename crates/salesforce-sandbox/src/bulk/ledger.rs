//! What became of each row of an ingest job, in five bytes a row.
//!
//! Invariants: rows are numbered from 0 in the order of the upload; each has exactly one fate; `processed` counts
//! the rows that were written or refused, `failed` those refused.
use std::collections::HashMap;

/// Rows that are written in one transaction (facts 5.5).
pub(super) const CHUNK_ROWS: usize = 200;
/// Texts that are looked up before they are stored once more; more of them are stored each by itself.
const SHARED_TEXTS: usize = 1_000;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Not looked at yet, or never.
    Unprocessed,
    /// Beyond the day's allocation: it appears in no result (facts 5.3).
    Unlisted,
    Created(u32),
    /// Updated or deleted.
    Changed(u32),
    /// Number of the failure.
    Failed(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unprocessed,
    Unlisted,
    Created,
    Changed,
    Failed,
}

#[derive(Debug, Clone, Copy)]
struct Failure {
    start: u32,
    length: u32,
    /// The lead it is about, when the row named one.
    place: Option<u32>,
}

/// The fates of a job's rows.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    kinds: Vec<Kind>,
    /// A lead's place or a failure's number.
    details: Vec<u32>,
    /// Where each chunk of 200 rows begins in the data.
    chunk_starts: Vec<u32>,
    failures: Vec<Failure>,
    texts: String,
    shared: HashMap<Box<str>, (u32, u32)>,
    max_text_bytes: usize,
    processed: u64,
    failed: u64,
}

impl Ledger {
    /// For data of that many bytes; error texts may take as much again, then they lose their messages.
    pub(super) fn new(data_bytes: usize) -> Ledger {
        Ledger {
            max_text_bytes: data_bytes.saturating_add(1 << 20),
            ..Ledger::default()
        }
    }

    /// Adds a row that begins at that byte.
    pub(super) fn push_row(&mut self, start: usize) {
        if self.kinds.len().is_multiple_of(CHUNK_ROWS) {
            // Uploads are far below 4 GiB; the configuration is checked for it.
            self.chunk_starts
                .push(u32::try_from(start).unwrap_or(u32::MAX));
        }
        self.kinds.push(Kind::Unprocessed);
        self.details.push(0);
    }

    /// The scan is over: gives back what its growth took too much.
    pub(super) fn seal(&mut self) {
        self.kinds.shrink_to_fit();
        self.details.shrink_to_fit();
        self.chunk_starts.shrink_to_fit();
    }

    pub(super) fn rows(&self) -> usize {
        self.kinds.len()
    }

    /// Roughly what it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let row = size_of::<Kind>() + size_of::<u32>();
        self.kinds.len() * row + self.failures.len() * size_of::<Failure>() + self.texts.len()
    }

    pub(super) fn chunks(&self) -> usize {
        self.chunk_starts.len()
    }

    /// Where the chunk begins in the data.
    pub(super) fn chunk_start(&self, chunk: usize) -> usize {
        self.chunk_starts.get(chunk).map_or(0, |s| *s as usize)
    }

    pub(super) fn processed(&self) -> u64 {
        self.processed
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    pub(super) fn fate(&self, row: usize) -> Fate {
        let detail = self.details.get(row).copied().unwrap_or_default();
        match self.kinds.get(row) {
            None | Some(Kind::Unprocessed) => Fate::Unprocessed,
            Some(Kind::Unlisted) => Fate::Unlisted,
            Some(Kind::Created) => Fate::Created(detail),
            Some(Kind::Changed) => Fate::Changed(detail),
            Some(Kind::Failed) => Fate::Failed(detail),
        }
    }

    /// The text of a failure and the lead it is about.
    pub(super) fn failure(&self, number: u32) -> (&str, Option<u32>) {
        let Some(failure) = self.failures.get(number as usize) else {
            return ("", None);
        };
        let (start, end) = (
            failure.start as usize,
            (failure.start + failure.length) as usize,
        );
        (self.texts.get(start..end).unwrap_or(""), failure.place)
    }

    pub(super) fn created(&mut self, row: usize, place: u32) {
        self.settle(row, Kind::Created, place);
    }

    pub(super) fn changed(&mut self, row: usize, place: u32) {
        self.settle(row, Kind::Changed, place);
    }

    pub(super) fn refused(&mut self, row: usize, text: &str, place: Option<u32>) {
        let number = u32::try_from(self.failures.len()).unwrap_or(u32::MAX);
        let (start, length) = self.store(text);
        self.failures.push(Failure {
            start,
            length,
            place,
        });
        self.settle(row, Kind::Failed, number);
        self.failed += 1;
    }

    /// The day's allocation was used up before this row.
    pub(super) fn unlisted(&mut self, row: usize) {
        if let Some(kind) = self.kinds.get_mut(row) {
            *kind = Kind::Unlisted;
        }
    }

    fn settle(&mut self, row: usize, kind: Kind, detail: u32) {
        if let (Some(k), Some(d)) = (self.kinds.get_mut(row), self.details.get_mut(row)) {
            *k = kind;
            *d = detail;
            self.processed += 1;
        }
    }

    fn store(&mut self, text: &str) -> (u32, u32) {
        if let Some(place) = self.shared.get(text) {
            return *place;
        }
        if self.texts.len() + text.len() > self.max_text_bytes {
            return self.store_shortened(text);
        }
        let place = self.append(text);
        if self.shared.len() < SHARED_TEXTS {
            self.shared.insert(text.into(), place);
        }
        place
    }

    /// Only data made for it have that many different errors; their codes are still told.
    fn store_shortened(&mut self, text: &str) -> (u32, u32) {
        let code = text.split(':').next().unwrap_or_default();
        let short =
            format!("{code}:the message is left out, this job has too many different ones:--");
        if let Some(place) = self.shared.get(short.as_str()) {
            return *place;
        }
        let place = self.append(&short);
        self.shared.insert(short.into(), place);
        place
    }

    fn append(&mut self, text: &str) -> (u32, u32) {
        let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let place = (number(self.texts.len()), number(text.len()));
        self.texts.push_str(text);
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(rows: usize, data_bytes: usize) -> Ledger {
        let mut ledger = Ledger::new(data_bytes);
        for row in 0..rows {
            ledger.push_row(row * 10);
        }
        ledger.seal();
        ledger
    }

    #[test]
    fn each_row_has_one_fate_and_the_counts_agree() {
        let mut ledger = ledger(6, 100);
        ledger.created(0, 7);
        ledger.changed(1, 8);
        ledger.refused(2, "A:x:--", None);
        ledger.refused(3, "A:x:--", Some(9));
        ledger.unlisted(4);
        let fates: Vec<Fate> = (0..6).map(|row| ledger.fate(row)).collect();
        assert_eq!(
            fates,
            [
                Fate::Created(7),
                Fate::Changed(8),
                Fate::Failed(0),
                Fate::Failed(1),
                Fate::Unlisted,
                Fate::Unprocessed
            ]
        );
        assert_eq!(ledger.failure(0), ("A:x:--", None));
        assert_eq!(ledger.failure(1), ("A:x:--", Some(9)));
        assert_eq!((ledger.processed(), ledger.failed()), (4, 2));
        assert_eq!(ledger.texts, "A:x:--", "the same text is kept once");
    }

    #[test]
    fn chunks_of_200_rows_know_where_they_begin() {
        let ledger = ledger(401, 5_000);
        assert_eq!(ledger.chunks(), 3);
        let starts: Vec<usize> = (0..3).map(|chunk| ledger.chunk_start(chunk)).collect();
        assert_eq!(starts, [0, 2_000, 4_000]);
    }

    #[test]
    fn error_texts_stay_bounded_and_keep_their_codes() {
        let rows = 30_000;
        let mut ledger = ledger(rows, 0);
        for row in 0..rows {
            let text = format!("STRING_TOO_LONG:{row}{}:LastName --", "x".repeat(100));
            ledger.refused(row, &text, None);
        }
        assert!(ledger.texts.len() < (1 << 20) + 200);
        assert!(ledger.failure(0).0.starts_with("STRING_TOO_LONG:0xx"));
        let last = ledger.failure(29_999).0;
        assert!(last.starts_with("STRING_TOO_LONG:the message"), "{last}");
        assert_eq!(ledger.failed(), 30_000);
    }
}
