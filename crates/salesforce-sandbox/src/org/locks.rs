//! Which leads are locked: by requests that wait before they commit, by an administrator, by an approval process.
//!
//! Invariant: a request's locks go when its guard does (see `http::row_locks`), however it ends.
use std::collections::{HashMap, HashSet};

use super::{Refusal, id};

/// Names the request that holds locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LockTicket(u64);

/// The locks of an org.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    requests: HashMap<u32, LockTicket>,
    /// Held from outside: writes still to be refused, or all until it is released.
    held: HashMap<u32, Option<u32>>,
    approvals: HashSet<u32>,
    last_ticket: u64,
}

impl Locks {
    /// Whether nothing at all is locked.
    pub(crate) fn are_none(&self) -> bool {
        self.requests.is_empty() && self.held.is_empty() && self.approvals.is_empty()
    }

    /// Whether any request holds a lock.
    pub(crate) fn any_by_requests(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Whether a request holds this lead.
    pub(crate) fn is_taken(&self, place: u32) -> bool {
        self.requests.contains_key(&place)
    }

    /// Locks leads for a request.
    pub(crate) fn take(&mut self, places: impl IntoIterator<Item = u32>) -> LockTicket {
        self.last_ticket += 1;
        let ticket = LockTicket(self.last_ticket);
        for place in places {
            self.requests.entry(place).or_insert(ticket);
        }
        ticket
    }

    /// Lets go of all that a request holds.
    pub(crate) fn give_back(&mut self, ticket: LockTicket) {
        self.requests.retain(|_, holder| *holder != ticket);
    }

    /// Lets go of everything; what requests held is nobody's.
    pub(crate) fn clear(&mut self) {
        self.requests.clear();
        self.held.clear();
        self.approvals.clear();
    }

    /// Holds a lead for so many refused writes, or until it is released.
    pub(crate) fn hold(&mut self, place: u32, writes: Option<u32>) {
        if writes == Some(0) {
            self.held.remove(&place);
        } else {
            self.held.insert(place, writes);
        }
    }

    pub(crate) fn release(&mut self, place: u32) {
        self.held.remove(&place);
    }

    /// Locks a lead as an approval process does, or ends that.
    pub(crate) fn set_approval(&mut self, place: u32, locked: bool) {
        if locked {
            self.approvals.insert(place);
        } else {
            self.approvals.remove(&place);
        }
    }

    /// Why this lead cannot be written now by the holder of `ticket`, if so; counts the refusal.
    pub(crate) fn refusal(&mut self, place: u32, ticket: Option<LockTicket>) -> Option<Refusal> {
        if let Some(left) = self.held.get_mut(&place) {
            if let Some(left) = left {
                *left -= 1;
                if *left == 0 {
                    self.held.remove(&place);
                }
            }
            return Some(is_locked(place));
        }
        let holder = self.requests.get(&place).copied();
        if holder.is_some() && holder != ticket {
            return Some(is_locked(place));
        }
        self.approvals
            .contains(&place)
            .then(|| Refusal::new("ENTITY_IS_LOCKED", "the entity is locked for editing"))
    }
}

/// What a write says that has waited for a row in vain (facts 7.1).
pub(crate) fn is_locked(place: u32) -> Refusal {
    Refusal::new(
        "UNABLE_TO_LOCK_ROW",
        format!(
            "unable to obtain exclusive access to this record or 1 records: {}",
            id::lead(place)
        ),
    )
}
