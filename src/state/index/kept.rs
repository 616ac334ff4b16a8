//! Steps of dead letters that retention carried into a newer segment. A letter goes on naming its
//! steps by the places where they stood first, which keep their order; beside them it notes where
//! they stand now.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::view::{Letter, LetterStep};

/// Segment and byte.
pub(super) type Place = (u32, u32);

/// Places that are not where they were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moved(Vec<(Place, Place)>);

/// Steps of letters that are not known yet: an index that is built anew meets an edit in the middle
/// of the journal before the letter itself, which was carried to its end.
pub(super) type Orphans = BTreeMap<u64, Vec<Place>>;

impl Moved {
    fn note(&mut self, from: Place, to: Place) {
        self.0.retain(|(known, _)| *known != from);
        self.0.push((from, to));
    }
}

impl Letter {
    /// Where a step of this letter stands now.
    pub(super) fn now_at(&self, place: Place) -> Place {
        let moved = self.moved.0.iter().find(|(from, _)| *from == place);
        moved.map_or(place, |(_, to)| *to)
    }

    /// Where its last refusal stands now.
    pub(super) fn last_at(&self) -> Place {
        self.now_at((self.segment, self.offset))
    }

    pub(super) fn all_now_at(&self, places: &[Place]) -> Vec<Place> {
        places.iter().map(|place| self.now_at(*place)).collect()
    }

    fn knows(&self, place: Place) -> bool {
        (self.segment, self.offset) == place
            || self.since.contains(&place)
            || self.history.contains(&place)
    }
}

/// Enters a step that was carried from one place to another; `None` when its letter is not known,
/// and the step does not tell what it is.
pub(super) fn enter_kept(
    known: Option<Letter>,
    step: LetterStep,
    (from, to): (Place, Place),
    orphans: Vec<Place>,
) -> Option<Letter> {
    let mut letter = match (known, step) {
        (None, LetterStep::Refused(mut letter)) => {
            (letter.segment, letter.offset) = from;
            letter.since = orphans;
            letter.since.sort_unstable();
            letter
        }
        (None, _) => return None,
        (Some(letter), _) if letter.knows(from) => letter,
        (Some(mut letter), LetterStep::Refused(refused)) => {
            let own = (letter.segment, letter.offset);
            letter.at = letter.at.min(refused.at);
            if from < own {
                letter.history.push(from);
            } else {
                letter.history.push(own);
                let (before, since) = letter.since.iter().partition(|step| **step < from);
                letter.history.extend::<Vec<Place>>(before);
                letter.since = since;
                (letter.segment, letter.offset) = from;
                (letter.class, letter.code) = (refused.class, refused.code);
                letter.fields = refused.fields;
            }
            letter
        }
        (Some(mut letter), _) => {
            if from < (letter.segment, letter.offset) {
                letter.history.push(from);
            } else {
                letter.since.push(from);
            }
            letter
        }
    };
    letter.history.sort_unstable();
    letter.since.sort_unstable();
    letter.moved.note(from, to);
    Some(letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Micros;

    fn refused(place: Place, code: &str) -> LetterStep {
        LetterStep::Refused(Letter {
            route: "leads".to_owned(),
            class: "data".to_owned(),
            code: code.to_owned(),
            fields: Vec::new(),
            at: Micros(i64::from(place.0)),
            segment: place.0,
            offset: place.1,
            since: Vec::new(),
            history: Vec::new(),
            moved: Moved::default(),
        })
    }

    fn touched(place: Place) -> LetterStep {
        LetterStep::Touched(place.0, place.1)
    }

    fn letter(step: LetterStep) -> Letter {
        match step {
            LetterStep::Refused(letter) => letter,
            _ => panic!("it is another step"),
        }
    }

    #[test]
    fn a_known_step_stays_what_it_is_and_is_read_elsewhere() {
        let known = letter(refused((1, 10), "A"));
        let kept = enter_kept(
            Some(known),
            refused((9, 50), "A"),
            ((1, 10), (9, 50)),
            Vec::new(),
        );
        let kept = kept.unwrap();
        assert_eq!((kept.segment, kept.offset), (1, 10));
        assert_eq!(kept.last_at(), (9, 50));
        // Carried again, from its first place once more.
        let again = enter_kept(
            Some(kept),
            refused((12, 7), "A"),
            ((1, 10), (12, 7)),
            Vec::new(),
        );
        assert_eq!(again.unwrap().last_at(), (12, 7));
    }

    #[test]
    fn an_index_built_anew_puts_carried_steps_where_they_belong() {
        // Segment 1, dropped, had: refused A, edited, refused B. Segment 2 has an edit.
        let from = |at| (1, at);
        let orphans = vec![(2, 5)];
        let first = enter_kept(None, refused((9, 1), "A"), (from(10), (9, 1)), orphans);
        let edited = enter_kept(first, touched((9, 2)), (from(20), (9, 2)), Vec::new());
        let second = enter_kept(edited, refused((9, 3), "B"), (from(30), (9, 3)), Vec::new());
        let built = second.unwrap();
        assert_eq!((built.segment, built.offset), (1, 30));
        assert_eq!((built.code.as_str(), built.last_at()), ("B", (9, 3)));
        assert_eq!(built.history, [(1, 10), (1, 20)]);
        assert_eq!(built.all_now_at(&built.history), [(9, 1), (9, 2)]);
        assert_eq!(
            built.since,
            [(2, 5)],
            "the edit belongs to the last refusal"
        );

        // Known by a later refusal already: the carried one is its past.
        let known = letter(refused((2, 40), "C"));
        let built = enter_kept(
            Some(known),
            refused((1, 10), "A"),
            ((1, 10), (9, 1)),
            Vec::new(),
        );
        let built = built.unwrap();
        assert_eq!((built.code.as_str(), built.last_at()), ("C", (2, 40)));
        assert_eq!(built.history, [(1, 10)]);
        assert_eq!(built.at, Micros(1));
        assert!(enter_kept(None, touched((9, 2)), ((1, 20), (9, 2)), Vec::new()).is_none());
    }
}
