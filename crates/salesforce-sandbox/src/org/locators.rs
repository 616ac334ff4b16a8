//! Results that clients have not read to their end: query locators.
//!
//! Invariants: at most [`MAX_LOCATORS`] and [`MAX_PLACES`] together; the oldest gives way. A locator dies after 15
//! minutes without use (SOAP API guide; newer releases keep them longer, so a client may rely on less than that).
use std::collections::VecDeque;

use super::{Selection, id};

const IDLE_MICROS: u64 = 15 * 60 * 1_000_000;
/// Results kept at the same time. Salesforce itself stopped at 10 for each user until API version 56.
const MAX_LOCATORS: usize = 100;
/// Rows of all kept results together, four bytes each.
const MAX_PLACES: usize = 20_000_000;

#[derive(Debug)]
struct Locator {
    number: u64,
    selection: Selection,
    /// Rows of a page, unless a later request wants another size.
    batch: usize,
    last_used_micros: u64,
}

/// All living locators of an org.
#[derive(Debug, Default)]
pub(crate) struct Locators {
    /// Oldest first.
    living: VecDeque<Locator>,
    opened: u64,
}

impl Locators {
    /// Keeps a result; the answer is its locator, 18 characters.
    pub(crate) fn open(&mut self, selection: Selection, batch: usize, now_micros: u64) -> String {
        self.drop_expired(now_micros);
        let number = self.opened;
        self.opened += 1;
        self.living.push_back(Locator {
            number,
            selection,
            batch,
            last_used_micros: now_micros,
        });
        while self.living.len() > 1
            && (self.living.len() > MAX_LOCATORS || self.places() > MAX_PLACES)
        {
            self.living.pop_front();
        }
        id::locator(number)
    }

    /// The result behind a locator and its page size; its idle time starts anew.
    pub(crate) fn find(&mut self, locator: &str, now_micros: u64) -> Option<(Selection, usize)> {
        self.drop_expired(now_micros);
        let found = self
            .living
            .iter_mut()
            .find(|living| id::fifteen(&id::locator(living.number)) == id::fifteen(locator))?;
        found.last_used_micros = now_micros;
        Some((found.selection.clone(), found.batch))
    }

    fn places(&self) -> usize {
        self.living
            .iter()
            .map(|living| living.selection.len())
            .sum()
    }

    fn drop_expired(&mut self, now_micros: u64) {
        self.living
            .retain(|living| now_micros.saturating_sub(living.last_used_micros) < IDLE_MICROS);
    }
}
