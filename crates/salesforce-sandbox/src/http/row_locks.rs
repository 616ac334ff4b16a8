//! Rows that a request holds from its arrival to its commit, and how others wait for them (facts 10).
//!
//! Only a request that waits before its commit (a `delay` or `hold` fault) holds rows: between others no time passes.
//! Invariant: a request takes all its rows at once or none, so no two requests wait for each other.
use std::time::Duration;

use crate::org::{Draft, LockTicket, Org, is_locked};

/// The rows of a request; dropped, they are free.
pub(super) struct RowLocks<'o> {
    org: &'o Org,
    pub(super) ticket: LockTicket,
}

impl Drop for RowLocks<'_> {
    fn drop(&mut self) {
        self.org.leads().locks.give_back(self.ticket);
        self.org.rows_released.notify_waiters();
    }
}

/// Takes the rows that records are meant for, those of all parts of a call. Waits for those that other requests hold, for as long as the org is
/// configured to; then the records that still want one are refused.
///
/// `waits` says that time passes before this request commits. Without it, and while nobody holds anything, there is
/// nothing to take; nor is there for a request that writes no records, which does not even look at the leads.
pub(super) async fn take<'o>(
    org: &'o Org,
    parts: &mut [&mut [Draft<'_>]],
    waits: bool,
) -> Option<RowLocks<'o>> {
    if parts.iter().all(|drafts| drafts.is_empty()) {
        return None;
    }
    if !waits && !org.leads().locks.any_by_requests() {
        return None;
    }
    let mut ticket = try_take(org, parts, false);
    if ticket.is_none() {
        let wait = Duration::from_millis(org.config.lock_wait_ms);
        org.watch.count(|stats| stats.row_lock_waits += 1);
        // Running out of time is no error here: what is still wanted is then refused below.
        let waited = tokio::time::timeout(wait, wait_for_rows(org, parts)).await;
        org.watch.count(|stats| stats.row_lock_waits -= 1);
        ticket = waited.ok().or_else(|| try_take(org, parts, true));
    }
    ticket.map(|ticket| RowLocks { org, ticket })
}

async fn wait_for_rows(org: &Org, parts: &mut [&mut [Draft<'_>]]) -> LockTicket {
    loop {
        let mut released = std::pin::pin!(org.rows_released.notified());
        // Listens before it looks, so that no release is missed in between.
        released.as_mut().enable();
        if let Some(ticket) = try_take(org, parts, false) {
            return ticket;
        }
        released.await;
    }
}

/// Takes all rows or, unless `refuse`, none; with it, records whose rows are taken are refused.
fn try_take(org: &Org, parts: &mut [&mut [Draft<'_>]], refuse: bool) -> Option<LockTicket> {
    let mut store = org.leads();
    let mut places = Vec::new();
    for draft in parts.iter_mut().flat_map(|drafts| drafts.iter_mut()) {
        let Some(place) = draft.place(&mut store, &org.schema) else {
            continue;
        };
        if !store.locks.is_taken(place) {
            places.push(place);
        } else if refuse {
            draft.refuse(vec![is_locked(place)]);
        } else {
            return None;
        }
    }
    Some(store.locks.take(places))
}
