//! What became of each row of an ingest job.
//!
//! Invariants: rows are numbered from 0 in the order of the upload; each has exactly one fate; `processed` counts
//! the rows that were written or refused, `failed` those refused. A ledger takes no more memory than [`Ledger::bytes`]
//! says: a few bytes for a chunk until the job begins, then [`ROW_BYTES`] a row whatever becomes of it, and for error
//! texts what it was granted.
use std::collections::HashMap;

/// Rows that are written in one transaction (facts 5.5).
pub(super) const CHUNK_ROWS: usize = 200;
/// What a row may take: its kind, its detail, and the lead that it named.
const ROW_BYTES: usize = size_of::<Kind>() + 2 * size_of::<u32>();
/// Texts that are looked up before they are stored once more; more of them, and long ones, are stored each by itself.
const SHARED_TEXTS: usize = 1_000;
const MAX_SHARED_BYTES: usize = 256;
/// What a text takes beside its bytes.
const TEXT_BYTES: usize = 2 * size_of::<(u32, u32)>();
/// What looking up a text takes beside its bytes.
const LOOKUP_BYTES: usize = 64;
/// Room that the texts of a row will do with, as a rule.
const USUAL_TEXT_BYTES: usize = 512;
/// Stands for no lead; no lead has that place.
const NO_PLACE: u32 = u32::MAX;

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
    Failed {
        /// Number of the error text.
        text: u32,
        /// The lead it is about, when the row named one.
        place: Option<u32>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unprocessed,
    Unlisted,
    Created,
    Changed,
    Failed,
}

/// The fates of a job's rows.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    rows: usize,
    /// Where each chunk of 200 rows begins in the data.
    chunk_starts: Vec<u32>,
    /// Empty until the job begins, like the details: all rows are unprocessed then.
    kinds: Vec<Kind>,
    /// A lead's place or an error text's number.
    details: Vec<u32>,
    /// The leads that refused rows named; empty as long as none did.
    named: Vec<u32>,
    texts: Texts,
    processed: u64,
    failed: u64,
}

/// Error texts, those that many rows share once.
#[derive(Debug, Default)]
struct Texts {
    whole: String,
    /// Where each begins, and its length.
    spans: Vec<(u32, u32)>,
    shared: HashMap<Box<str>, u32>,
    /// What they take, and may take.
    used: usize,
    granted: usize,
    /// No more is ever asked for.
    most: usize,
}

impl Ledger {
    /// For data of that many bytes; error texts may take as much again, then they lose their messages.
    pub(super) fn new(data_bytes: usize) -> Ledger {
        Ledger {
            texts: Texts {
                most: data_bytes.saturating_add(1 << 20),
                ..Texts::default()
            },
            ..Ledger::default()
        }
    }

    /// Adds a row that begins at that byte, before the job begins.
    pub(super) fn push_row(&mut self, start: usize) {
        if self.rows.is_multiple_of(CHUNK_ROWS) {
            // Uploads are far below 4 GiB; the configuration is checked for it.
            self.chunk_starts
                .push(u32::try_from(start).unwrap_or(u32::MAX));
        }
        self.rows += 1;
    }

    /// The scan is over: gives back what its growth took too much.
    pub(super) fn seal(&mut self) {
        self.chunk_starts.shrink_to_fit();
    }

    /// The job begins: makes room for the fates of all rows.
    pub(super) fn begin(&mut self) {
        self.kinds = vec![Kind::Unprocessed; self.rows];
        self.details = vec![0; self.rows];
    }

    /// The job is over: gives back what only its growth needed.
    pub(super) fn close(&mut self) {
        self.texts.close();
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Roughly what it takes in memory, and may take without being granted more.
    pub(super) fn bytes(&self) -> usize {
        let rows = if self.kinds.is_empty() {
            0
        } else {
            self.bytes_to_begin()
        };
        rows + self.chunk_starts.len() * size_of::<u32>() + self.texts.granted
    }

    /// What it takes more once the job has begun.
    pub(super) fn bytes_to_begin(&self) -> usize {
        self.rows * ROW_BYTES
    }

    /// Room for error texts that it should be granted before that many rows are written; 0 if it has enough.
    pub(super) fn text_bytes_wanted(&self, rows: usize) -> usize {
        let texts = &self.texts;
        let left = texts.granted.saturating_sub(texts.used);
        let usual = rows * USUAL_TEXT_BYTES;
        if left >= usual {
            return 0;
        }
        // In proportion, so that the texts are not copied for every chunk.
        let wanted = (usual - left).max(texts.used / 4);
        wanted.min(texts.most.saturating_sub(texts.granted))
    }

    pub(super) fn grant_text_bytes(&mut self, bytes: usize) {
        self.texts.granted += bytes;
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
            Some(Kind::Failed) => Fate::Failed {
                text: detail,
                place: self.named.get(row).copied().filter(|p| *p != NO_PLACE),
            },
        }
    }

    /// The error text of that number.
    pub(super) fn text(&self, number: u32) -> &str {
        self.texts.get(number)
    }

    pub(super) fn created(&mut self, row: usize, place: u32) {
        self.settle(row, Kind::Created, place);
    }

    pub(super) fn changed(&mut self, row: usize, place: u32) {
        self.settle(row, Kind::Changed, place);
    }

    pub(super) fn refused(&mut self, row: usize, text: &str, place: Option<u32>) {
        let number = self.texts.store(text);
        self.settle(row, Kind::Failed, number);
        self.failed += 1;
        let Some(place) = place else {
            return;
        };
        if self.named.is_empty() {
            self.named = vec![NO_PLACE; self.rows];
        }
        if let Some(named) = self.named.get_mut(row) {
            *named = place;
        }
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
}

impl Texts {
    fn get(&self, number: u32) -> &str {
        let span = self.spans.get(number as usize);
        span.and_then(|(start, length)| {
            let start = *start as usize;
            self.whole.get(start..start + *length as usize)
        })
        .unwrap_or("")
    }

    /// The number of a text, which may be the number of an earlier one that says the same.
    fn store(&mut self, text: &str) -> u32 {
        if let Some(number) = self.shared.get(text) {
            return *number;
        }
        let share = self.shared.len() < SHARED_TEXTS && text.len() <= MAX_SHARED_BYTES;
        if self.used + cost(text, share) > self.granted {
            return self.store_shortened(text);
        }
        self.append(text, share)
    }

    /// Only data made for it have that many different errors; their codes are still told. There are few codes, so
    /// these texts need no grant.
    fn store_shortened(&mut self, text: &str) -> u32 {
        let code = text.split(':').next().unwrap_or_default();
        let short =
            format!("{code}:the message is left out, this job has too many different ones:--");
        match self.shared.get(short.as_str()) {
            Some(number) => *number,
            None => self.append(&short, true),
        }
    }

    fn append(&mut self, text: &str, share: bool) -> u32 {
        self.used += cost(text, share);
        self.granted = self.granted.max(self.used);
        if self.whole.capacity() - self.whole.len() < text.len() {
            // As far as is granted, instead of twice as much as there is.
            let room = self.granted.saturating_sub(self.used) + text.len();
            self.whole.reserve_exact(room);
        }
        let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        let at = number(self.spans.len());
        self.spans
            .push((number(self.whole.len()), number(text.len())));
        self.whole.push_str(text);
        if share {
            self.shared.insert(text.into(), at);
        }
        at
    }

    fn close(&mut self) {
        self.shared = HashMap::new();
        self.whole.shrink_to_fit();
        self.spans.shrink_to_fit();
        self.used = self.whole.len() + self.spans.len() * size_of::<(u32, u32)>();
        self.granted = self.used;
    }
}

/// What a text takes in memory.
fn cost(text: &str, share: bool) -> usize {
    let lookup = if share { text.len() + LOOKUP_BYTES } else { 0 };
    text.len() + TEXT_BYTES + lookup
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
        assert!(ledger.bytes() < 100 + rows / 20, "{} bytes", ledger.bytes());
        ledger.begin();
        ledger.grant_text_bytes(ledger.text_bytes_wanted(CHUNK_ROWS));
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
                failed(0, None),
                failed(0, Some(9)),
                Fate::Unlisted,
                Fate::Unprocessed
            ]
        );
        assert_eq!((ledger.text(0), ledger.text(1)), ("A:x:--", ""));
        assert_eq!((ledger.processed(), ledger.failed()), (4, 2));
        assert_eq!(ledger.texts.whole, "A:x:--", "the same text is kept once");
    }

    #[test]
    fn chunks_of_200_rows_know_where_they_begin() {
        let ledger = ledger(401, 5_000);
        assert_eq!(ledger.chunks(), 3);
        let starts: Vec<usize> = (0..3).map(|chunk| ledger.chunk_start(chunk)).collect();
        assert_eq!(starts, [0, 2_000, 4_000]);
    }

    #[test]
    fn refused_rows_take_no_more_than_all_rows_may_and_texts_no_more_than_was_granted() {
        let rows = 30_000;
        let mut ledger = ledger(rows, 0);
        let before = ledger.bytes();
        assert!(before >= rows * ROW_BYTES);
        for row in 0..rows {
            ledger.refused(row, &format!("CODE:{}:--", row % 500), Some(7));
        }
        assert_eq!(ledger.bytes(), before);
        let takes = (ledger.details.capacity() + ledger.named.capacity()) * size_of::<u32>()
            + ledger.kinds.capacity()
            + ledger.texts.whole.capacity();
        assert!(takes <= before, "{takes} of {before}");
        ledger.close();
        assert!(ledger.bytes() < before);
        assert_eq!(ledger.fate(501), failed(1, Some(7)));
        assert_eq!(ledger.text(1), "CODE:1:--");
    }

    #[test]
    fn error_texts_stay_bounded_and_keep_their_codes() {
        let rows = 30_000;
        let mut ledger = ledger(rows, 0);
        for row in 0..rows {
            if row.is_multiple_of(CHUNK_ROWS) {
                ledger.grant_text_bytes(ledger.text_bytes_wanted(CHUNK_ROWS));
            }
            let text = format!("STRING_TOO_LONG:{row}{}:LastName --", "x".repeat(100));
            ledger.refused(row, &text, None);
        }
        assert!(ledger.texts.whole.capacity() < (1 << 20) + 500);
        assert!(ledger.texts.granted < (1 << 20) + 500);
        assert!(ledger.text(0).starts_with("STRING_TOO_LONG:0xx"));
        assert!(ledger.text(4_000).starts_with("STRING_TOO_LONG:4000xx"));
        let Fate::Failed { text, .. } = ledger.fate(29_999) else {
            panic!("it was refused");
        };
        let last = ledger.text(text);
        assert!(last.starts_with("STRING_TOO_LONG:the message"), "{last}");
        assert_eq!(ledger.failed(), 30_000);
    }

    fn failed(text: u32, place: Option<u32>) -> Fate {
        Fate::Failed { text, place }
    }
}
