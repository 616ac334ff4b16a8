//! What a check of the ledger, a report on it or a copy of it can come to. Each variant names the
//! first place that does not hold; its page in `docs/errors` says what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::state::error::Error as StateError;

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the journal does not verify at {file} line {line} (byte {byte}): {what}")]
    Broken {
        file: PathBuf,
        /// From 1.
        line: u64,
        byte: u64,
        what: String,
    },
    #[error("segment {missing} of the journal is missing before {file}")]
    Missing { missing: u64, file: PathBuf },
    #[error(
        "the books in the header of {file} are not what the lines before it come to: {fields} differ"
    )]
    Books { file: PathBuf, fields: String },
    #[error("no commit of this journal has the chain head {head}")]
    Head { head: String },
    #[error("the index is not what the journal says: {what}")]
    Index { what: String },
    #[error("the target {path} exists already")]
    Exists { path: PathBuf },
    #[error("the target {path} lies in the state folder that it is to be a copy of")]
    Inside { path: PathBuf },
    #[error("cannot write the backup to {path}")]
    Backup {
        path: PathBuf,
        source: Arc<io::Error>,
    },
    #[error("the index was not rebuilt: {reason}")]
    Rebuild { reason: String },
    #[error("cannot write what was asked for")]
    Output { source: Arc<io::Error> },
}

impl Error {
    /// The page in `docs/errors` that explains it.
    #[must_use]
    pub fn page(&self) -> &'static str {
        match self {
            Error::State(error) => error.page(),
            Error::Broken { .. } => "LS3050",
            Error::Missing { .. } => "LS3051",
            Error::Books { .. } => "LS3052",
            Error::Head { .. } => "LS3053",
            Error::Index { .. } => "LS3054",
            Error::Exists { .. } | Error::Inside { .. } | Error::Backup { .. } => "LS3055",
            Error::Rebuild { .. } => "LS3056",
            Error::Output { .. } => "LS6021",
        }
    }

    /// What to do about it, in one sentence.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Error::State(error) => error.remedy(),
            Error::Broken { .. } | Error::Missing { .. } | Error::Books { .. } => {
                "keep a copy of the state folder as it is, verify the last backup, and find out who \
                 or what changed the file; nothing was changed by this check"
            }
            Error::Head { .. } => {
                "see that the head is noted whole and belongs to this store and to its kept period; if \
                 so, what was written up to then has been changed since"
            }
            Error::Index { .. } => {
                "stop the service and run `leadstream state rebuild`; delivery does not depend on it"
            }
            Error::Inside { .. } => {
                "name a folder outside of it, on another disk if there is one: what loses the one \
                 would lose the other"
            }
            Error::Exists { .. } => "name a folder that does not exist yet",
            Error::Backup { .. } => {
                "check space and permissions of the target's disk, then try again"
            }
            Error::Rebuild { .. } => {
                "check space and health of the state folder's disk, then try again; the old index is \
                 as it was"
            }
            Error::Output { .. } => "check space and permissions of the file or its folder",
        }
    }

    pub(in crate::state) fn backup(path: &Path, source: io::Error) -> Self {
        Error::Backup {
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }
}
