//! How many open dead letters there are of each kind, and since when: kept up as letters open and
//! close, so that a page which asks every second reads none of them.

use std::collections::BTreeMap;

use super::letters::LetterGroup;
use super::query::DeadLetterFilter;
use super::view::Letter;
use crate::core::time::Micros;

/// Letters that were refused alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub route: String,
    pub class: String,
    pub code: String,
    /// The first field that was objected to; empty when none was named.
    pub field: String,
}

impl Kind {
    fn of(letter: &Letter) -> Self {
        Self {
            route: letter.route.clone(),
            class: letter.class.clone(),
            code: letter.code.clone(),
            field: letter.fields.first().cloned().unwrap_or_default(),
        }
    }

    fn is_admitted(&self, filter: &DeadLetterFilter) -> bool {
        let is = |wanted: &Option<String>, have: &str| wanted.as_deref().is_none_or(|w| w == have);
        is(&filter.route, &self.route)
            && is(&filter.class, &self.class)
            && is(&filter.code, &self.code)
            && is(&filter.first_field, &self.field)
    }
}

/// For each kind, how many letters wait since each moment. Those of one commit share theirs.
/// Nothing is kept that is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds(BTreeMap<Kind, BTreeMap<Micros, u64>>);

impl Kinds {
    pub(super) fn open(&mut self, letter: &Letter) {
        let since = self.0.entry(Kind::of(letter)).or_default();
        *since.entry(letter.at).or_default() += 1;
    }

    pub(super) fn close(&mut self, letter: &Letter) {
        let kind = Kind::of(letter);
        let Some(since) = self.0.get_mut(&kind) else {
            return;
        };
        if let Some(count) = since.get_mut(&letter.at) {
            *count -= 1;
            if *count == 0 {
                since.remove(&letter.at);
            }
        }
        if since.is_empty() {
            self.0.remove(&kind);
        }
    }

    /// Open letters of all kinds.
    pub(super) fn total(&self) -> u64 {
        self.counts().map(|(_, count)| count).sum()
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = (&Kind, u64)> {
        self.0
            .iter()
            .map(|(kind, since)| (kind, since.values().sum()))
    }

    /// Groups that the filter admits, the largest first; `None` when letters must be looked at one by
    /// one, because it asks for a field that need not be their first.
    pub(super) fn groups(&self, filter: &DeadLetterFilter) -> Option<Vec<LetterGroup>> {
        if filter.field.is_some() {
            return None;
        }
        let admitted = self.0.iter().filter(|(kind, _)| kind.is_admitted(filter));
        let groups = admitted.filter_map(|(kind, since)| {
            let kind = kind.clone();
            Some(LetterGroup {
                route: kind.route,
                class: kind.class,
                code: kind.code,
                field: kind.field,
                count: since.values().sum(),
                oldest: *since.keys().next()?,
            })
        });
        Some(largest_first(groups.collect()))
    }
}

/// Groups of one size keep their order.
pub(super) fn largest_first(mut groups: Vec<LetterGroup>) -> Vec<LetterGroup> {
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::kept::Moved;
    use super::super::view::{LetterStep, View};
    use super::*;

    fn refused(cause: u8, place: u32) -> LetterStep {
        let fields = match cause % 3 {
            0 => Vec::new(),
            1 => vec!["State".to_owned()],
            _ => vec!["Email".to_owned(), "State".to_owned()],
        };
        LetterStep::Refused(Letter {
            route: format!("route{}", cause % 2),
            class: "data".to_owned(),
            code: format!("CODE_{}", cause % 4),
            fields,
            at: Micros(i64::from(place / 4)),
            segment: 1,
            offset: place,
            since: Vec::new(),
            history: Vec::new(),
            moved: Moved::default(),
        })
    }

    fn step(kind: u8, place: u32) -> LetterStep {
        match kind {
            0..12 => refused(kind, place),
            12..14 => LetterStep::Touched(1, place),
            14..17 => LetterStep::Closed,
            _ => {
                let carried = Box::new(refused(kind, place));
                LetterStep::Kept(carried, ((1, place / 2), (2, place)))
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_up_is_what_a_count_of_all_letters_says(
            steps in prop::collection::vec((1..12_u64, 0..22_u8), 1..120)
        ) {
            let mut view = View::default();
            for (place, (number, kind)) in (1..).zip(steps) {
                view.apply_letter(number, step(kind, place)).unwrap();
                let mut counted = Kinds::default();
                view.visit_letters(|_, letter| {
                    counted.open(&letter);
                    true
                })
                .unwrap();
                prop_assert_eq!(&view.kinds, &counted);
            }
        }
    }
}
