//! Which dead letters are open, and what a delivered image makes of older letters of its key.
//!
//! Steps enter the books here, a commit's worth at a time, with the steps that follow from them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::{Pipeline, Route};
use crate::core::change::RouteId;
use crate::core::entry::{Entry, Subject};
use crate::core::letters::{KeyHash, LetterName, OpenLetter};

/// The open letters of this process's routes by what their keys hash to.
#[derive(Debug, Default)]
pub(super) struct LettersByKey(HashMap<(u16, KeyHash), Vec<(RouteId, u64)>>);

impl LettersByKey {
    fn insert(&mut self, scope: u16, route: RouteId, number: u64, key: Option<KeyHash>) {
        let Some(key) = key else { return };
        let letters = self.0.entry((scope, key)).or_default();
        if !letters.contains(&(route, number)) {
            letters.push((route, number));
        }
    }

    fn remove(&mut self, scope: u16, number: u64, key: Option<KeyHash>) {
        let Some(key) = key else { return };
        if let Some(letters) = self.0.get_mut(&(scope, key)) {
            letters.retain(|(_, known)| *known != number);
            if letters.is_empty() {
                self.0.remove(&(scope, key));
            }
        }
    }
}

/// What a start found.
pub(super) fn by_key(routes: &[Route]) -> LettersByKey {
    let mut by_key = LettersByKey::default();
    for (index, route) in (0_u16..).zip(routes) {
        for (number, letter) in route.letters.iter() {
            by_key.insert(route.scope, RouteId(index), number, letter.key);
        }
    }
    by_key
}

/// Letters of whose key something was delivered in a commit that is not durable yet: what is looked
/// up meanwhile does not know of it.
#[derive(Debug, Default)]
pub(super) struct FreshlyDelivered(VecDeque<(u64, u64)>);

impl FreshlyDelivered {
    /// Letters noted in commits behind the one given.
    pub(super) fn since(&mut self, durable: u64) -> impl Iterator<Item = u64> {
        self.forget(durable);
        self.0.iter().map(|(_, letter)| *letter)
    }

    fn forget(&mut self, durable: u64) {
        while self
            .0
            .pop_front_if(|(commit, _)| *commit <= durable)
            .is_some()
        {}
    }
}

impl Pipeline {
    fn letter_key(&self, subject: &Subject) -> Option<KeyHash> {
        let plan = &self.routes[usize::from(subject.id.route.0)].plan;
        self.letter_secret
            .hash(&plan.comparable_key(&subject.image.key))
    }

    /// A letter that Salesforce's answer made: of its key nothing older can be on its way.
    pub(super) fn sent_letter(&self, subject: &Subject) -> OpenLetter {
        OpenLetter {
            key: self.letter_key(subject),
            last: true,
        }
    }

    /// A letter that the mapping made: an older image of its key may be on its way still.
    pub(super) fn unsent_letter(&self, subject: &Subject) -> OpenLetter {
        let route = &self.routes[usize::from(subject.id.route.0)];
        let key = route.plan.comparable_key(&subject.image.key);
        let scope = route.scope;
        let mut routes = self.routes.iter().filter(|route| route.scope == scope);
        let waits = self.has_waiting(scope)
            || !self.are_lanes_empty(scope)
            || routes.any(|route| route.totals.parked > 0);
        OpenLetter {
            key: self.letter_key(subject),
            last: !waits && !self.planner.knows(scope, &key),
        }
    }

    /// Enters the steps of a commit into the books, with what follows from them: a letter whose key
    /// was delivered in a newer image is closed.
    pub(super) fn enter_steps(&mut self, mut entries: Vec<Entry>) -> Vec<Entry> {
        let mut behind = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let outdated = match entry {
                Entry::Delivered { subject, .. } => self.note_delivered(subject),
                _ => Vec::new(),
            };
            self.enter_step(entry);
            for step in &outdated {
                self.enter_step(step);
            }
            if !outdated.is_empty() {
                behind.push((index + 1, outdated));
            }
        }
        for (index, steps) in behind.into_iter().rev() {
            entries.splice(index..index, steps);
        }
        entries
    }

    fn enter_step(&mut self, entry: &Entry) {
        let Some(id) = entry.route() else { return };
        let route = &mut self.routes[usize::from(id.0)];
        let scope = route.scope;
        route.totals.apply(entry);
        let number = match entry {
            Entry::DeadLettered { letter, .. } => Some(*letter),
            _ => entry.closes_letter(),
        };
        let Some(number) = number else { return };
        let before = route.letters.get(number).and_then(|letter| letter.key);
        route.letters.apply(entry);
        let after = route.letters.get(number).map(|letter| letter.key);
        self.letters_by_key.remove(scope, number, before);
        if let Some(key) = after {
            self.letters_by_key.insert(scope, id, number, key);
        }
        if let Some(replay) = &mut self.replay {
            replay.ends_in_commit = self.commits_made + 1;
            replay.note(number, entry);
        }
    }

    /// The letters that are surely older than this delivered image of their key. Those that are
    /// being read, and are not, are marked: what was looked up is no longer true.
    fn note_delivered(&mut self, delivered: &Subject) -> Vec<Entry> {
        if self.letters_by_key.0.is_empty() {
            return Vec::new();
        }
        let scope = self.scope_of(delivered.id.route);
        let Some(key) = self.letter_key(delivered) else {
            return Vec::new();
        };
        let mut outdated = Vec::new();
        let letters = self.letters_by_key.0.get(&(scope, key));
        for (route, number) in letters.into_iter().flatten() {
            let letters = &self.routes[usize::from(route.0)].letters;
            let last = letters.get(*number).is_some_and(|letter| letter.last);
            // A replay is newer than what became a letter before it and was the last of its key.
            let replay_is_newer = delivered.letter.is_none_or(|replayed| *number < replayed);
            if last && replay_is_newer && !self.is_under_way(*number) {
                let letter = LetterName {
                    number: *number,
                    route: *route,
                    key: Arc::clone(&delivered.image.key),
                };
                let by = delivered.id.clone();
                outdated.push(Entry::LetterOutdated { letter, by });
            } else if delivered.letter.is_none_or(|replayed| replayed != *number) {
                let durable = self.commits_durable;
                let fresh = &mut self.freshly_delivered;
                fresh.forget(durable);
                fresh.0.push_back((self.commits_made + 1, *number));
                if let Some(replay) = &mut self.replay
                    && replay.reading.contains(number)
                {
                    replay.passed.insert(*number);
                }
            }
        }
        outdated
    }
}
