//! What the index knows at a moment: the database, and on top of it what is not in there yet.
//! The thread of the index changes it; readers look at it under a lock.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::database::{Changes, Database, Failure};
use super::kept::{Moved, Orphans, Place, enter_kept};
use super::kinds::Kinds;
use super::runs::{self, Packed, RunInfo};
use crate::core::time::Micros;
use crate::state::journal::Chain;

const MARK: &[u8] = b"m";
const LETTERS: u8 = b'd';
const ORPHANS: &[u8] = b"o";

/// How far the journal has been applied: the place behind the last run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub store: String,
    pub segment: u64,
    pub offset: u64,
    pub commit: u64,
    pub chain: Chain,
}

/// An open dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Letter {
    pub route: String,
    pub class: String,
    pub code: String,
    pub fields: Vec<String>,
    /// When it became a letter.
    pub at: Micros,
    /// Where it was refused last.
    pub segment: u32,
    pub offset: u32,
    /// Edits and replays since then.
    #[serde(default)]
    pub since: Vec<(u32, u32)>,
    /// Earlier refusals and edits.
    #[serde(default)]
    pub history: Vec<(u32, u32)>,
    /// Steps that retention carried elsewhere.
    #[serde(default)]
    pub moved: Moved,
}

/// What a line says of a letter.
pub(super) enum LetterStep {
    Refused(Letter),
    /// Edited, or taken up by a replay.
    Touched(u32, u32),
    Closed,
    /// One of the others, carried from one place to another.
    Kept(Box<LetterStep>, (Place, Place)),
}

#[derive(Default)]
pub(super) struct View {
    pub db: Option<Database>,
    pub runs: Vec<RunInfo>,
    /// Entries that are in no run yet, as they came.
    pub buffer: Vec<Packed>,
    /// Letters since the last sync; `None` is one that was closed.
    pub letters: BTreeMap<u64, Option<Letter>>,
    /// Of all open letters.
    pub kinds: Kinds,
    pub mark: Option<Mark>,
    pub orphans: Orphans,
}

impl View {
    /// A database with all that it holds; its mark may be missing or too old to be of use.
    pub(super) fn load(db: Database) -> Result<Self, Failure> {
        let mark = match db.get(MARK)? {
            Some(text) => Some(parse(&text)?),
            None => None,
        };
        let runs = runs::read_runs(&db)?;
        let orphans = match db.get(ORPHANS)? {
            Some(text) => parse(&text)?,
            None => Orphans::new(),
        };
        let mut view = View {
            orphans,
            db: Some(db),
            runs,
            mark,
            ..View::default()
        };
        let mut kinds = Kinds::default();
        view.visit_letters(|_, letter| {
            kinds.open(&letter);
            true
        })?;
        view.kinds = kinds;
        Ok(view)
    }

    /// Entries with this hash, in the order of the journal.
    pub(super) fn find(&self, hash: u64) -> Result<Vec<Packed>, Failure> {
        let mut found: Vec<Packed> = self
            .buffer
            .iter()
            .copied()
            .filter(|entry| entry.hash == hash)
            .collect();
        if let Some(db) = &self.db {
            for run in &self.runs {
                runs::find(db, *run, hash, &mut found)?;
            }
        }
        found.sort_unstable_by_key(|entry| (entry.segment, entry.offset));
        found.dedup();
        Ok(found)
    }

    pub(super) fn apply_letter(&mut self, number: u64, step: LetterStep) -> Result<(), Failure> {
        match step {
            LetterStep::Refused(mut letter) => {
                if let Some(known) = self.letter(number)?
                    && (known.segment, known.offset) != (letter.segment, letter.offset)
                {
                    letter.at = known.at;
                    letter.history = known.history;
                    letter.history.push((known.segment, known.offset));
                    letter.history.extend(known.since);
                }
                self.open_letter(number, letter)
            }
            LetterStep::Touched(segment, offset) => {
                let Some(mut letter) = self.letter(number)? else {
                    // Should the letter come behind it, carried, it is needed.
                    self.orphans
                        .entry(number)
                        .or_default()
                        .push((segment, offset));
                    return Ok(());
                };
                if !letter.since.contains(&(segment, offset)) {
                    letter.since.push((segment, offset));
                }
                self.letters.insert(number, Some(letter));
                Ok(())
            }
            LetterStep::Closed => {
                self.orphans.remove(&number);
                self.close_letter(number)
            }
            LetterStep::Kept(step, places) => self.keep_letter(number, *step, places),
        }
    }

    fn keep_letter(
        &mut self,
        number: u64,
        step: LetterStep,
        places: (Place, Place),
    ) -> Result<(), Failure> {
        let known = self.letter(number)?;
        let orphans = match (&known, &step) {
            (None, LetterStep::Refused(_)) => self.orphans.remove(&number).unwrap_or_default(),
            _ => Vec::new(),
        };
        match enter_kept(known, step, places, orphans) {
            Some(letter) => self.open_letter(number, letter),
            // It was closed while it was carried.
            None => Ok(()),
        }
    }

    fn open_letter(&mut self, number: u64, letter: Letter) -> Result<(), Failure> {
        // Seen before only when a part of the journal is applied again.
        self.close_letter(number)?;
        self.kinds.open(&letter);
        self.letters.insert(number, Some(letter));
        Ok(())
    }

    fn close_letter(&mut self, number: u64) -> Result<(), Failure> {
        let Some(letter) = self.letter(number)? else {
            return Ok(());
        };
        self.kinds.close(&letter);
        self.letters.insert(number, None);
        Ok(())
    }

    pub(super) fn letter(&self, number: u64) -> Result<Option<Letter>, Failure> {
        if let Some(letter) = self.letters.get(&number) {
            return Ok(letter.clone());
        }
        match &self.db {
            Some(db) => db
                .get(&letter_key(number))?
                .map(|text| parse(&text))
                .transpose(),
            None => Ok(None),
        }
    }

    /// Calls `visit` with the open letters in the order of their numbers, until it returns false.
    pub(super) fn visit_letters(
        &self,
        mut visit: impl FnMut(u64, Letter) -> bool,
    ) -> Result<(), Failure> {
        let mut fresh = self.letters.iter().peekable();
        let mut going = true;
        if let Some(db) = &self.db {
            db.visit(&[LETTERS], &[LETTERS], |key, text| {
                let number = key.get(1..).and_then(|bytes| bytes.try_into().ok());
                let number = u64::from_be_bytes(
                    number.ok_or_else(|| Failure("a letter's key is too short".to_owned()))?,
                );
                while going
                    && let Some((other, letter)) = fresh.next_if(|(other, _)| **other < number)
                {
                    going = letter.clone().is_none_or(|letter| visit(*other, letter));
                }
                let fresher = fresh.next_if(|(other, _)| **other == number);
                let letter = match fresher {
                    Some((_, letter)) => letter.clone(),
                    None => Some(parse(text)?),
                };
                going = going && letter.is_none_or(|letter| visit(number, letter));
                Ok(going)
            })?;
        }
        while going && let Some((number, letter)) = fresh.next() {
            going = letter.clone().is_none_or(|letter| visit(*number, letter));
        }
        Ok(())
    }

    /// The changes that carry everything since the last sync into the database, with the mark.
    pub(super) fn changes(&self, mark: &Mark) -> Result<(Changes, Option<RunInfo>), Failure> {
        let mut changes = Changes::default();
        let mut entries = self.buffer.clone();
        entries.sort_unstable();
        entries.dedup();
        let run = (!entries.is_empty())
            .then(|| runs::put_run(&mut changes, runs::next_id(&self.runs), &entries));
        for (number, letter) in &self.letters {
            match letter {
                Some(letter) => changes.put(&letter_key(*number), &json(letter)?),
                None => changes.delete(&letter_key(*number)),
            }
        }
        changes.put(ORPHANS, &json(&self.orphans)?);
        changes.put(MARK, &json(mark)?);
        Ok((changes, run))
    }
}

fn letter_key(number: u64) -> Vec<u8> {
    let mut key = vec![LETTERS];
    key.extend_from_slice(&number.to_be_bytes());
    key
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value).map_err(|error| Failure(error.to_string()))
}

fn parse<T: for<'de> Deserialize<'de>>(text: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(text).map_err(|error| Failure(error.to_string()))
}
