//! Parked records of one route: durable on disk, waiting for their turn, in the order they came.
//!
//! A queue of spans with a reading cursor. Records come off the disk a span at a time and go
//! through the planner like any other; a span is done when all of its records are settled. While
//! a span is unread no newer record of the route may pass it, because it may hold an older image
//! of the same key.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::bulk::LaneSpan;
use super::entry::ParkedSpan;
use super::time::Micros;

#[derive(Debug, Default)]
pub struct Parking {
    /// Durable, not yet read back.
    unread: VecDeque<ParkedSpan>,
    /// Serials that were settled before a restart: left out when their span is read.
    settled: BTreeSet<u64>,
    /// Handed to the journal, receipt not yet here.
    committing: u64,
    /// When the oldest of those was committed on the source, or one before them.
    oldest_committing: Option<Micros>,
    /// A span is being read; when its oldest row of the stream was committed, if it has one.
    reading: Option<Option<Micros>>,
    /// Read back and not settled, by the span's first serial.
    open: BTreeMap<u64, OpenSpan>,
    bytes: u64,
    /// How often unread records were refused, by serial, where they were.
    attempts: BTreeMap<u64, u32>,
}

#[derive(Debug)]
struct OpenSpan {
    left: u32,
    bytes: u64,
    oldest: Option<Micros>,
}

impl Parking {
    /// Takes over what a restart found.
    pub fn restore(&mut self, span: ParkedSpan, settled: impl Iterator<Item = u64>) {
        self.settled.extend(settled);
        self.bytes += span.bytes;
        self.unread.push_back(span);
    }

    /// Notes that `records` records are on their way to the journal.
    pub fn note_committing(&mut self, records: u64, oldest: Option<Micros>) {
        self.committing += records;
        self.oldest_committing = self.oldest_committing.into_iter().chain(oldest).min();
    }

    /// Takes the span that the journal wrote.
    pub fn note_durable(&mut self, span: ParkedSpan) {
        self.committing = self.committing.saturating_sub(u64::from(span.count));
        if self.committing == 0 {
            self.oldest_committing = None;
        }
        self.bytes += span.bytes;
        self.unread.push_back(span);
    }

    /// Records on their way to the journal: parked once they are durable.
    #[must_use]
    pub fn committing(&self) -> u64 {
        self.committing
    }

    /// Whether newer records of the route must stay behind what is on disk.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.committing > 0 || self.reading.is_some() || !self.unread.is_empty()
    }

    /// The first serial of the next span to read.
    #[must_use]
    pub fn next_serial(&self) -> Option<u64> {
        self.unread.front().map(|span| span.first)
    }

    /// Whether a span is being read.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// Whether a span waits to be read.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Records that wait to be read.
    #[must_use]
    pub fn unread(&self) -> u64 {
        let count: u64 = self.unread.iter().map(|it| u64::from(it.count)).sum();
        let (Some(first), Some(last)) = (self.unread.front(), self.unread.back()) else {
            return 0;
        };
        let end = last.first + u64::from(last.count);
        let settled = self.settled.range(first.first..end.max(first.first));
        count.saturating_sub(settled.count() as u64)
    }

    /// Hands spans from the front to a Bulk job, up to so many records and bytes, and none from this
    /// serial on.
    pub fn hand_over(&mut self, records: u64, bytes: u64, before: u64) -> Vec<LaneSpan> {
        let (mut handed, mut count, mut size) = (Vec::new(), 0, 0);
        while let Some(span) = self.unread.front()
            && span.first < before
            && count < records
            && size < bytes
            && let Some(span) = self.unread.pop_front()
        {
            let end = span.first + u64::from(span.count);
            let settled: BTreeSet<u64> = self.settled.range(span.first..end).copied().collect();
            for serial in &settled {
                self.settled.remove(serial);
            }
            count += u64::from(span.count);
            size += span.bytes;
            handed.push(LaneSpan { span, settled });
        }
        self.bytes = self.bytes.saturating_sub(size);
        handed
    }

    /// Takes back what did not go by Bulk: each span to its place, most often the front.
    pub fn take_back(&mut self, spans: Vec<LaneSpan>) {
        for LaneSpan { span, settled } in spans {
            self.bytes += span.bytes;
            self.settled.extend(settled);
            self.unread.push_back(span);
        }
        self.unread
            .make_contiguous()
            .sort_unstable_by_key(|span| span.first);
    }

    /// Notes that an unread record was refused so many times.
    pub fn note_attempts(&mut self, serial: u64, attempts: u32) {
        self.attempts.insert(serial, attempts);
    }

    /// How often a record was refused before; forgotten with the question.
    pub fn take_attempts(&mut self, serial: u64) -> u32 {
        self.attempts.remove(&serial).unwrap_or(0)
    }

    /// Likewise, and kept.
    #[must_use]
    pub fn attempts(&self, serial: u64) -> u32 {
        self.attempts.get(&serial).copied().unwrap_or(0)
    }

    /// Whether nothing is parked, on disk or read back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.blocks() && self.open.is_empty()
    }

    /// Bytes on disk that are not settled.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the next span to read, with the serials to leave out; one at a time, and only while
    /// few read records are still open, so that memory stays bounded.
    pub fn next_read(&mut self, open_limit: usize) -> Option<(ParkedSpan, BTreeSet<u64>)> {
        let open: usize = self.open.values().map(|span| span.left as usize).sum();
        if self.reading.is_some() || open >= open_limit {
            return None;
        }
        let span = self.unread.pop_front()?;
        self.reading = Some(span.oldest_committed());
        let end = span.first + u64::from(span.count);
        let settled = self.settled.range(span.first..end).copied().collect();
        Some((span, settled))
    }

    /// Takes a span back that was read and cannot be worked on yet.
    pub fn put_back(&mut self, span: ParkedSpan) {
        self.reading = None;
        self.unread.push_front(span);
    }

    /// Notes what came back from the disk.
    pub fn note_read(&mut self, span: &ParkedSpan, records: usize) {
        self.reading = None;
        let end = span.first + u64::from(span.count);
        let done: Vec<u64> = self.settled.range(span.first..end).copied().collect();
        for serial in done {
            self.settled.remove(&serial);
        }
        if records == 0 {
            self.bytes = self.bytes.saturating_sub(span.bytes);
            return;
        }
        let left = u32::try_from(records).unwrap_or(u32::MAX);
        self.open.insert(
            span.first,
            OpenSpan {
                left,
                bytes: span.bytes,
                oldest: span.oldest_committed(),
            },
        );
    }

    /// Notes that a record that was read back has its outcome.
    pub fn note_settled(&mut self, serial: u64) {
        let Some((first, span)) = self.open.range_mut(..=serial).next_back() else {
            return;
        };
        let first = *first;
        span.left -= 1;
        if span.left == 0 {
            self.bytes = self.bytes.saturating_sub(span.bytes);
            self.open.remove(&first);
        }
    }

    /// When the oldest parked record of the stream was committed; `None` when there is none.
    #[must_use]
    pub fn oldest(&self) -> Option<Micros> {
        let open = self.open.values().filter_map(|span| span.oldest);
        open.chain(self.unread.iter().find_map(ParkedSpan::oldest_committed))
            .chain(self.reading.flatten())
            .chain(self.oldest_committing)
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(first: u64, count: u32) -> ParkedSpan {
        ParkedSpan {
            route: "leads".into(),
            first,
            count,
            bytes: 10,
            place: (1, first),
            oldest: Micros(0),
        }
    }

    #[test]
    fn spans_come_back_in_order_and_are_done_when_their_records_are() {
        let mut parking = Parking::default();
        parking.note_committing(5, None);
        assert!(parking.blocks());
        parking.note_durable(span(0, 2));
        parking.note_durable(span(2, 3));
        let (first, _) = parking.next_read(100).unwrap();
        assert_eq!(first.first, 0);
        assert!(parking.next_read(100).is_none(), "one read at a time");
        parking.note_read(&first, 2);
        let (second, _) = parking.next_read(100).unwrap();
        parking.note_read(&second, 3);
        assert!(!parking.blocks() && !parking.is_empty());
        for serial in [4, 0, 3, 1, 2] {
            parking.note_settled(serial);
        }
        assert!(parking.is_empty());
        assert_eq!(parking.bytes(), 0);
    }

    #[test]
    fn the_oldest_is_known_on_the_way_to_the_disk_and_back() {
        let mut parking = Parking::default();
        parking.note_committing(2, Some(Micros(7)));
        assert_eq!(parking.oldest(), Some(Micros(7)));
        let span = ParkedSpan {
            oldest: Micros(7),
            ..span(0, 2)
        };
        parking.note_durable(span);
        assert_eq!(parking.oldest(), Some(Micros(7)));
        let (span, _) = parking.next_read(100).unwrap();
        assert_eq!(parking.oldest(), Some(Micros(7)));
        parking.note_read(&span, 2);
        assert_eq!(parking.oldest(), Some(Micros(7)));
        parking.note_settled(0);
        parking.note_settled(1);
        assert_eq!(parking.oldest(), None);
    }

    #[test]
    fn records_settled_before_a_restart_are_left_out() {
        let mut parking = Parking::default();
        parking.restore(span(0, 3), [1].into_iter());
        let (read, settled) = parking.next_read(100).unwrap();
        assert_eq!(settled.into_iter().collect::<Vec<_>>(), [1]);
        parking.note_read(&read, 2);
        parking.note_settled(2);
        parking.note_settled(0);
        assert!(parking.is_empty());
    }

    #[test]
    fn reading_stops_while_enough_is_open() {
        let mut parking = Parking::default();
        parking.note_committing(4, None);
        parking.note_durable(span(0, 2));
        parking.note_durable(span(2, 2));
        let (first, _) = parking.next_read(2).unwrap();
        parking.note_read(&first, 2);
        assert!(parking.next_read(2).is_none());
        parking.note_settled(0);
        assert!(parking.next_read(2).is_some());
    }
}
