//! Writes under one lock that become visible together and can be undone together.
//!
//! Invariant: while a transaction lives nobody else sees or changes a lead. It never lives across an await.
use std::sync::MutexGuard;

use super::draft::Draft;
use super::leads::Lead;
use super::save::{self, Outcome, WriteOptions};
use super::{LeadStore, LockTicket, Org};
use crate::rules::Rules;
use crate::schema::Schema;

/// One lead as it was before a write; `None` where there was none.
pub(super) type Undo = Vec<(u32, Option<Lead>)>;

/// A run of writes.
pub(crate) struct Transaction<'o> {
    store: MutexGuard<'o, LeadStore>,
    schema: &'o Schema,
    rules: &'o Rules,
    /// Empty unless something may have to be undone.
    undo: Undo,
    revocable: bool,
    /// Number of the user who writes.
    user: u16,
    /// The rows that the writer holds.
    ticket: Option<LockTicket>,
}

impl<'o> Transaction<'o> {
    /// Waits for the lock. Only a `revocable` transaction can be rolled back as a whole.
    pub(crate) fn begin(org: &'o Org, revocable: bool) -> Transaction<'o> {
        let mut store = org.leads();
        store.empty_bin(org.clock.wall_micros());
        Transaction {
            store,
            schema: &org.schema,
            rules: &org.rules,
            undo: Undo::new(),
            revocable,
            user: 0,
            ticket: None,
        }
    }

    /// The same, in the name of a user; else it is the first one.
    pub(crate) fn by(self, user: u16) -> Self {
        Transaction { user, ..self }
    }

    /// The same, by somebody who holds rows.
    pub(crate) fn holding(self, ticket: Option<LockTicket>) -> Self {
        Transaction { ticket, ..self }
    }

    /// Writes the records in order; the outcomes are in the order of the drafts, one each.
    pub(crate) fn write(
        &mut self,
        drafts: Vec<Draft<'_>>,
        options: WriteOptions<'_>,
    ) -> Vec<Outcome> {
        let options = WriteOptions {
            user: self.user,
            ticket: self.ticket,
            ..options
        };
        let mark = self.undo.len();
        let keep = self.revocable || options.all_or_none || self.rules.triggers.any();
        let mut outcomes = save::save_all(
            &mut self.store,
            self.schema,
            self.rules,
            drafts,
            options,
            keep.then_some(&mut self.undo),
        );
        if options.all_or_none && outcomes.iter().any(|outcome| !outcome.is_written()) {
            self.undo_to(mark);
            for outcome in &mut outcomes {
                if outcome.is_written() {
                    *outcome = Outcome::Failed(vec![save::rolled_back()]);
                }
            }
        }
        if !self.revocable {
            self.undo.clear();
        }
        outcomes
    }

    /// Triggers that ran since this was asked last.
    pub(crate) fn take_trigger_runs(&mut self) -> u64 {
        std::mem::take(&mut self.store.trigger_runs)
    }

    /// The leads as this transaction sees them.
    pub(crate) fn store(&mut self) -> &mut LeadStore {
        &mut self.store
    }

    /// Undoes everything since the beginning of a revocable transaction.
    pub(crate) fn roll_back(&mut self) {
        self.undo_to(0);
    }

    fn undo_to(&mut self, mark: usize) {
        save::undo_to(&mut self.store, &mut self.undo, mark);
    }
}
