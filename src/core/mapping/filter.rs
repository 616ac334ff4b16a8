//! `where`: which rows a route carries at all.
//!
//! A row of which the filter says no is skipped by a named rule. A row of which it says nothing,
//! because a column is NULL or left out of the row image, is never skipped and never sent: it
//! becomes a dead letter that says why.

use super::computed::problem;
use super::expression::{Computed, Expression};
use super::{Plan, Unmappable};
use crate::core::change::Change;
use crate::core::entry::Image;

/// A route's filter, ready for rows.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub(super) expression: Expression,
    /// SQL that holds for every row of which it does not say no.
    pub(super) necessary: Option<String>,
    /// Key path, for problems: `route[0].where`.
    pub(super) path: String,
}

impl Plan {
    /// Whether the route's filter leaves a row out.
    ///
    /// # Errors
    /// The filter can say neither yes nor no.
    pub fn leaves_out(&self, change: &Change) -> Result<bool, Unmappable> {
        let Some(filter) = &self.filter else {
            return Ok(false);
        };
        let reason = match filter.expression.evaluate(&change.values) {
            Ok(Computed::Bool(carried)) => return Ok(!carried),
            Ok(_) => filter.expression.failure(&change.values).reason,
            Err(failure) => failure.reason,
        };
        let message = format!("{} says neither yes nor no: {reason}", filter.path);
        let mut undecided = problem("FILTER_UNDECIDED", message, "");
        undecided.fields.clear();
        // What the row would have been, as far as it can be mapped.
        let (mut image, mut problems) = match self.map(change) {
            Ok(image) => (image, Vec::new()),
            Err(unmappable) => (unmappable.image, unmappable.problems),
        };
        image.row = Some(self.source_row(change).into());
        problems.insert(0, undecided);
        Err(Unmappable { image, problems })
    }

    /// SQL that holds for every row that the filter does not leave out, if anything of it can be said
    /// in SQL: what a snapshot need not read.
    #[must_use]
    pub fn necessary_condition(&self) -> Option<&str> {
        self.filter.as_ref()?.necessary.as_deref()
    }

    /// What is kept of a row that the filter leaves out: its key, by which it can be found.
    #[must_use]
    pub fn key_alone(&self, change: &Change) -> Image {
        Image {
            key: self.key(change, &mut Vec::new()).into(),
            payload: "".into(),
            email: None,
            row: None,
        }
    }
}
