//! Who did what, asked of the running service or of the folder.

use super::audit::{self, Ledger};
use super::erasure::Eraser;
use super::error::Error;
use super::journal::activity::activity;
pub use super::journal::activity::{Activity, ActivityPage, ActivityQuestion};

impl Eraser {
    /// One page of what people did, beside the running pipeline.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn activity(&self, question: &ActivityQuestion) -> Result<ActivityPage, Error> {
        let (folder, through) = self.journal.durable();
        activity(folder, Some(through), self.keys.as_deref(), question)
    }
}

impl Ledger {
    /// One page of what people did.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn activity(&self, question: &ActivityQuestion) -> Result<ActivityPage, audit::Error> {
        let walk = self.walk();
        let keys = self.keys.as_deref();
        Ok(activity(&walk.folder, walk.through, keys, question)?)
    }
}
