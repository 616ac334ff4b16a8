//! Dead letters as a list for people: one page of those that were refused alike, each as it stands
//! now; and what became of a letter that is closed. Only the page's letters are read from the
//! journal.

use std::io::BufRead;

use serde::Deserialize;

use super::IndexHandle;
use super::letters::{edits, with_edits};
use super::query::{DeadLetterFilter, RawJson, TraceEvent};
use super::view::Letter;
use crate::core::mapping::edited_fields;
use crate::core::outcome::RecordError;
use crate::core::time::Micros;
use crate::state::error::Error;
use crate::state::journal::segment_file::SegmentFile;
use crate::state::journal::segments::{list_segments, present_path};

/// A header holds the books of all routes; most are far smaller.
const HEADER_BYTES: usize = 64 * 1024;

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct LetterPage {
    /// How many there are on all pages.
    pub total: u64,
    /// Since when the oldest of all waits.
    pub oldest: Option<Micros>,
    /// The highest number of all: what comes later has a higher one.
    pub last: u64,
    pub letters: Vec<WaitingLetter>,
}

/// An open dead letter as it stands now.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitingLetter {
    pub number: u64,
    pub route: String,
    pub class: String,
    pub code: String,
    pub fields: Vec<String>,
    pub at: Micros,
    /// The external id; empty when the person was erased.
    pub key: String,
    /// With everything that people have edited; `None` when it was erased.
    pub payload: Option<Box<RawJson>>,
    /// The row that the mapping refused, as it was kept.
    pub row: Option<Box<RawJson>>,
    /// Fields edited since it was refused last.
    pub edited: Vec<String>,
    pub errors: Vec<RecordError>,
}

/// The part of a segment's header that says where the journal begins.
#[derive(Deserialize)]
struct Beginning {
    opened_at: Micros,
    /// Commits before it.
    commits: u64,
}

impl IndexHandle {
    /// Letters that the filter admits, by number, and how many there are in all.
    pub fn letter_page(
        &self,
        filter: &DeadLetterFilter,
        limit: usize,
        offset: usize,
    ) -> Result<LetterPage, Error> {
        let (mut total, mut last, mut oldest, mut found) = (0_u64, 0, None, Vec::new());
        let visited = self.shared.read().visit_letters(|number, letter| {
            if filter.admits(&letter) {
                let place = usize::try_from(total).unwrap_or(usize::MAX);
                (total, last) = (total + 1, last.max(number));
                oldest = Some(oldest.map_or(letter.at, |known: Micros| known.min(letter.at)));
                if place >= offset && found.len() < limit {
                    found.push((number, letter));
                }
            }
            true
        });
        visited.map_err(|failure| self.shared.report(failure))?;
        let letters = found.into_iter();
        let letters = letters.map(|(number, letter)| self.waiting(number, letter));
        Ok(LetterPage {
            total,
            oldest,
            last,
            letters: letters.collect::<Result<_, _>>()?,
        })
    }

    fn waiting(&self, number: u64, letter: Letter) -> Result<WaitingLetter, Error> {
        let latest = self.read_place(letter.last_at())?;
        let since = self.events_at(&letter.all_now_at(&letter.since))?;
        let personal = latest.and_then(|event| event.personal);
        let personal = personal.unwrap_or_default();
        let edits = edits(&since);
        let fields = personal.fields.as_ref();
        Ok(WaitingLetter {
            number,
            payload: fields.and_then(|fields| with_edits(fields.get(), &edits)),
            row: personal.source_row.filter(|row| row.get() != "null"),
            edited: edited_fields(&edits).into_iter().collect(),
            key: personal.key,
            errors: personal.errors,
            route: letter.route,
            class: letter.class,
            code: letter.code,
            fields: letter.fields,
            at: letter.at,
        })
    }

    pub fn is_letter_open(&self, number: u64) -> Result<bool, Error> {
        Ok(self.open_letter(number)?.is_some())
    }

    /// Everything that happened to a letter, open or closed, in the order of time; empty when
    /// nothing is known of this number.
    pub fn letter_steps(&self, number: u64) -> Result<Vec<TraceEvent>, Error> {
        let of_letter = |event: &TraceEvent| event.letter == Some(number);
        self.events(self.names.letter(number), of_letter)
    }

    /// When the oldest part of the journal begins, if retention has dropped what was before it;
    /// `None`: nothing was dropped.
    pub fn kept_since(&self) -> Result<Option<Micros>, Error> {
        let segments = list_segments(&self.journal)?;
        let Some(first) = segments.first().copied() else {
            return Ok(None);
        };
        let path = present_path(&self.journal, first);
        let read_error = |source| Error::read(&path, source);
        let file = match SegmentFile::open(&self.journal, first) {
            Ok(file) => file,
            // Dropped in this moment.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(read_error(source)),
        };
        let mut line = Vec::new();
        let mut reader = file.reader(0, u64::MAX, HEADER_BYTES);
        reader.read_until(b'\n', &mut line).map_err(read_error)?;
        // One that is not written out yet has nothing before it that anybody could miss.
        let beginning = serde_json::from_slice::<Beginning>(&line).ok();
        let dropped = beginning.filter(|beginning| beginning.commits > 0);
        Ok(dropped.map(|beginning| beginning.opened_at))
    }
}
