//! What people do to dead letters in the model world, and what must hold of it: a replay never
//! writes an older image over a newer one, a letter is closed once, and the books say so.

use super::*;
use crate::core::letters::{
    Declined, FieldEdits, LetterRead, LetterRecord, OpenLetters, ReplayOrder, is_surely_before,
};

/// A letter as the journal has it.
struct Found {
    /// As it was refused last.
    subject: Subject,
    edits: Vec<FieldEdits>,
    unclear: bool,
    newer: bool,
    open: bool,
}

impl World {
    /// The letters on disk, by number.
    fn letters(&self) -> BTreeMap<u64, Found> {
        let mut letters: BTreeMap<u64, Found> = BTreeMap::new();
        for entry in self.disk.iter().flat_map(|commit| &commit.entries) {
            if let Entry::Delivered { subject, .. } = entry {
                let key = &subject.image.key;
                for found in letters.values_mut() {
                    let own = &found.subject;
                    let before = is_surely_before(&subject.id, &own.id);
                    found.newer |= own.image.key == *key && !before;
                }
            }
            match entry {
                Entry::DeadLettered {
                    subject, letter, ..
                } => {
                    let newer = letters.get(letter).is_some_and(|known| known.newer);
                    let found = Found {
                        subject: subject.clone(),
                        edits: Vec::new(),
                        unclear: false,
                        newer,
                        open: true,
                    };
                    letters.insert(*letter, found);
                }
                Entry::Edited {
                    letter,
                    before,
                    after,
                    ..
                } => {
                    let found = letters.get_mut(&letter.number).unwrap();
                    found.edits.push(FieldEdits {
                        before: Arc::clone(before),
                        after: Arc::clone(after),
                    });
                }
                _ => {}
            }
            if let Some(found) = entry.closes_letter().and_then(|it| letters.get_mut(&it)) {
                assert!(std::mem::take(&mut found.open), "closed twice: {entry:?}");
            }
        }
        letters
    }

    /// As the store would look them up.
    pub(super) fn read_letters(&self, numbers: &[u64]) -> Vec<LetterRead> {
        let mut letters = self.letters();
        let read = |number: &u64| {
            let found = letters.remove(number).filter(|found| found.open);
            let found = found.ok_or(Declined::NotOpen).map(|found| LetterRecord {
                number: *number,
                subject: found.subject,
                edits: found.edits,
                unclear: found.unclear,
                newer_delivered: found.newer,
                history_gone: false,
            });
            LetterRead {
                number: *number,
                found,
            }
        };
        numbers.iter().map(read).collect()
    }

    /// Somebody takes dead letters up.
    pub(super) fn mend(&mut self, pipeline: &Pipeline) -> Input {
        let letters = self.letters();
        let free = |number: &u64| pipeline.letter(*number).is_some_and(|it| !it.leased);
        let open: Vec<u64> = letters.keys().copied().filter(free).collect();
        if open.is_empty() {
            return Input::Timer;
        }
        let picked = open[self.random.below(open.len() as u64) as usize];
        let found = &letters[&picked];
        let key = Arc::clone(&found.subject.image.key);
        let author = "anna".to_owned();
        Input::Letters(match self.random.below(8) {
            0 if pipeline.is_replaying() => LetterInput::CancelReplay,
            0 if self.faults => LetterInput::Discard {
                letters: vec![(picked, key)],
                author,
                reason: "a test".to_owned(),
            },
            1 | 2 if !key.is_empty() => {
                let name = format!("e{}", self.random.below(1 << 30));
                let payload = format!("{{\"LastName\":\"{name}\"}}");
                let place = place_of(&found.subject);
                self.edited.push((key.to_string(), place, payload.clone()));
                LetterInput::Edit {
                    number: picked,
                    key,
                    author,
                    before: r#"{"LastName":""}"#.into(),
                    after: payload.into(),
                }
            }
            _ if pipeline.is_replaying() => return Input::Timer,
            3 => LetterInput::Replay(order(vec![picked])),
            _ => LetterInput::Replay(order(open)),
        })
    }
}

fn order(letters: Vec<u64>) -> ReplayOrder {
    ReplayOrder {
        letters,
        author: "anna".into(),
        force: false,
    }
}

/// Payloads of a key that people wrote of this place or a later one.
pub(super) fn edited_since(
    edited: &[(String, (u64, u64), String)],
    key: &str,
    place: (u64, u64),
) -> Vec<String> {
    edited
        .iter()
        .filter(|(own, at, _)| own == key && *at >= place)
        .map(|(_, _, payload)| payload.clone())
        .collect()
}

/// A letter's life: opened once, closed at most once, and open is what the books count.
pub(super) fn check(entries: &[&Entry], end: &Recovered) {
    let mut open: BTreeSet<u64> = BTreeSet::new();
    for entry in entries {
        if let Entry::DeadLettered {
            letter, subject, ..
        } = entry
        {
            assert_eq!(open.insert(*letter), subject.letter.is_none(), "{entry:?}");
        }
        if let Some(letter) = entry.closes_letter() {
            assert!(open.remove(&letter), "it was not open: {entry:?}");
        }
        if let Entry::Parked { subject, .. } = entry {
            assert_eq!(subject.letter, None, "a letter is durable as it is");
        }
    }
    let counted: u64 = end.totals.values().map(|it| it.dead_letters_open).sum();
    assert_eq!(counted, open.len() as u64);
    let known = end.letters.values().flat_map(OpenLetters::iter);
    let known: BTreeSet<u64> = known.map(|(number, _)| number).collect();
    assert_eq!(known, open);
}
