//! What an auditor asks of the state: figures and steps of a period, proof that nothing is missing
//! or was changed, a copy that can be kept elsewhere.
//!
//! Everything here reads the journal's files by itself, beside a running service and without its
//! help, and never beyond what is durable. Only [`rebuild_index`] changes something, and needs the
//! service stopped.

mod backup;
mod error;
mod rebuild;

use std::path::Path;
use std::sync::Arc;

pub use backup::BackedUp;
pub use error::Error;
pub use rebuild::rebuild_index;

use super::folder::Folder;
use super::index::{Expected, IndexSums};
use super::journal::Chain;
pub use super::journal::figures::{LedgerEnd, PeriodReport};
pub use super::journal::steps::{ExportedStep, Wanted};
pub use super::journal::verify::Verified;
use super::journal::verify::{NoWitness, verify};
pub use super::journal::walk::Progress;
use super::journal::walk::Walk;
use super::keyring::Keyring;
use crate::core::report::Frame;

/// The state folder as an auditor reads it.
#[derive(Clone, Debug)]
pub struct Ledger {
    folder: Folder,
    /// The last commit that the running service calls durable; `None` when none runs.
    through: Option<u64>,
    pub(super) keys: Option<Arc<Keyring>>,
}

impl Ledger {
    /// # Errors
    /// When there is no journal.
    pub fn open(path: &Path, through: Option<u64>) -> Result<Self, Error> {
        let folder = Folder::new(path);
        if !folder.journal().is_dir() {
            return Err(Error::State(super::Error::Missing {
                path: path.to_owned(),
            }));
        }
        Ok(Self {
            folder,
            through,
            keys: None,
        })
    }

    /// Beside the process that writes it, up to what is durable now.
    pub(in crate::state) fn beside(journal: &Path, through: u64) -> Option<Self> {
        Some(Self {
            folder: Folder::new(journal.parent()?),
            through: Some(through),
            keys: None,
        })
    }

    /// The same with the keys of what is sealed; without them all but values can be read.
    #[must_use]
    pub fn with_keys(self, keys: Option<Arc<Keyring>>) -> Self {
        Self { keys, ..self }
    }

    pub(super) fn walk(&self) -> Walk {
        Walk {
            folder: self.folder.journal(),
            through: self.through,
        }
    }

    /// Verifies the chain and the books. Each of `heads`, 64 hex digits, must lie in the chain.
    ///
    /// # Errors
    /// With the first place that does not hold.
    pub fn verify(&self, heads: &[String], progress: &mut Progress<'_>) -> Result<Verified, Error> {
        verify(&self.walk(), &chains(heads)?, &mut NoWitness, progress)
    }

    /// The same, and that the index, of which these are the sums, holds what the journal says up to
    /// where it has come.
    ///
    /// # Errors
    /// With the first place that does not hold.
    pub fn verify_with_index(
        &self,
        heads: &[String],
        sums: &IndexSums,
        progress: &mut Progress<'_>,
    ) -> Result<Verified, Error> {
        let key = self.folder.read_or_create_key()?;
        let mut expected = Expected::new(key, sums.commit, self.keys.as_ref());
        let verified = verify(&self.walk(), &chains(heads)?, &mut expected, progress)?;
        if let Some(id) = expected.missing_key() {
            let file = self.folder.journal();
            return Err(Error::State(super::Error::KeyMissing { file, id }));
        }
        match sums.difference(&expected.finish(&verified.store)) {
            None => Ok(verified),
            Some(what) => Err(Error::Index { what }),
        }
    }

    /// The figures of a period, of one route when it is named.
    ///
    /// # Errors
    /// When the journal cannot be read, or does not verify.
    pub fn report(
        &self,
        frame: Frame,
        route: Option<&str>,
        progress: &mut Progress<'_>,
    ) -> Result<PeriodReport, Error> {
        super::journal::figures::report(&self.walk(), frame, route, progress)
    }

    /// Hands over every step of a period, in the order of the journal.
    ///
    /// # Errors
    /// When the journal cannot be read, or does not verify; or what `take` says.
    pub fn export(
        &self,
        wanted: Wanted,
        take: &mut dyn FnMut(ExportedStep) -> Result<std::ops::ControlFlow<()>, Error>,
        progress: &mut Progress<'_>,
    ) -> Result<(), Error> {
        super::journal::steps::export(&self.walk(), wanted, self.keys.as_deref(), take, progress)
    }

    /// Copies the state to `target`, which must not exist, and verifies the copy.
    ///
    /// # Errors
    /// When it cannot be read, written or does not verify; nothing is left at `target` then.
    pub fn back_up(&self, target: &Path, progress: &mut Progress<'_>) -> Result<BackedUp, Error> {
        backup::back_up(self, target, progress)
    }
}

fn chains(heads: &[String]) -> Result<Vec<Chain>, Error> {
    let chain = |head: &String| {
        let text = head.trim().to_ascii_lowercase();
        Chain::from_hex(text.as_bytes()).ok_or_else(|| Error::Head { head: head.clone() })
    };
    heads.iter().map(chain).collect()
}
