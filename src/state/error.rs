//! What can go wrong with the durable state. Each variant names the operation that failed; its
//! page in `docs/errors` says what to do.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A failure of the journal, the index or their folder. Cloneable, because one failed write
/// answers every commit that was part of it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error("the state folder {path} is in use by process {pid}")]
    Locked { path: PathBuf, pid: String },
    #[error("cannot prepare the state folder {path}")]
    Folder {
        path: PathBuf,
        source: Arc<io::Error>,
    },
    #[error("there is no state in {path}")]
    Missing { path: PathBuf },
    #[error("the journal is damaged at {file} line {line} (byte {byte}): {reason}")]
    Damaged {
        file: PathBuf,
        line: u64,
        byte: u64,
        reason: &'static str,
    },
    #[error("{file} was written by a newer version: it needs {needs}")]
    Unsupported { file: PathBuf, needs: String },
    #[error("cannot read the journal at {path}")]
    Read {
        path: PathBuf,
        source: Arc<io::Error>,
    },
    #[error("cannot write the journal at {path}")]
    Write {
        path: PathBuf,
        source: Arc<io::Error>,
    },
    #[error("cannot make the journal durable at {path}")]
    Sync {
        path: PathBuf,
        source: Arc<io::Error>,
    },
    #[error("the disk is full: the journal at {path} cannot grow")]
    DiskFull {
        path: PathBuf,
        source: Arc<io::Error>,
    },
    #[error("cannot begin the journal segment {path}")]
    Roll {
        path: PathBuf,
        source: Arc<io::Error>,
    },
    #[error("the journal has stopped and takes no more commits")]
    Stopped,
    #[error("more than {capacity} commits wait for the journal")]
    QueueFull { capacity: usize },
    #[error("cannot use the index key {path}")]
    IndexKey {
        path: PathBuf,
        source: Arc<io::Error>,
    },
    #[error("the route {route} is not in the configuration")]
    UnknownRoute { route: String },
    #[error("parked records {first} to {last} cannot be read from {file}: {reason}")]
    Parked {
        file: PathBuf,
        first: u64,
        last: u64,
        reason: &'static str,
    },
    #[error("the spool of Bulk uploads, {path}, cannot be used")]
    Spool {
        path: PathBuf,
        source: Arc<io::Error>,
    },
    #[error("the index is not available ({reason}); it is being rebuilt from the journal")]
    Index { reason: String },
    #[error("cannot pack or drop {path}")]
    Keep {
        path: PathBuf,
        source: Arc<io::Error>,
    },
    #[error("the key file {path} cannot be used: {reason}")]
    KeyFile { path: PathBuf, reason: String },
    #[error("{file} is encrypted under the key {id}, which is not at hand")]
    KeyMissing { file: PathBuf, id: String },
    #[error("personal values could not be encrypted")]
    Unsealed,
    #[error("cannot erase from {path}")]
    Erase {
        path: PathBuf,
        source: Arc<io::Error>,
    },
    #[error("{waiting} of this person still wait to be delivered or mended")]
    Waiting { waiting: String },
    #[error("cannot start the thread {name}")]
    Thread {
        name: &'static str,
        source: Arc<io::Error>,
    },
}

impl Error {
    /// The page in `docs/errors` that explains this failure.
    #[must_use]
    pub fn page(&self) -> &'static str {
        match self {
            Error::Locked { .. } => "LS3001",
            Error::Folder { .. } => "LS3002",
            Error::Missing { .. } => "LS3003",
            Error::Damaged { .. } => "LS3004",
            Error::Unsupported { .. } => "LS3005",
            Error::Read { .. } => "LS3006",
            Error::Write { .. } => "LS3007",
            Error::Sync { .. } => "LS3008",
            Error::DiskFull { .. } => "LS3009",
            Error::Roll { .. } => "LS3010",
            Error::Stopped => "LS3011",
            Error::QueueFull { .. } => "LS3012",
            Error::IndexKey { .. } => "LS3013",
            Error::UnknownRoute { .. } => "LS3014",
            Error::Parked { .. } => "LS3015",
            Error::Index { .. } => "LS3016",
            Error::Spool { .. } => "LS3020",
            Error::Thread { .. } => "LS3017",
            Error::KeyFile { .. } => "LS3060",
            Error::KeyMissing { .. } => "LS3061",
            Error::Waiting { .. } => "LS3062",
            Error::Erase { .. } => "LS3063",
            Error::Unsealed => "LS3064",
            Error::Keep { .. } => "LS3031",
        }
    }

    /// What to do about it, in one sentence.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Error::Locked { .. } => {
                "ask the running service with `leadstream status`, or stop it first"
            }
            Error::Folder { .. } => {
                "make sure that the folder can be created and is writable for this user"
            }
            Error::Missing { .. } => {
                "check `state.path`; the service creates the state at its first start"
            }
            Error::Damaged { .. } => {
                "keep a copy of the folder, then restore the journal from a backup; nothing was changed"
            }
            Error::Unsupported { .. } => "run the version that wrote it, or a newer one",
            Error::Read { .. } => "check the disk and the permissions of the state folder",
            Error::Write { .. } | Error::Sync { .. } => {
                "check the disk; restart once it is healthy: what was acknowledged is safe"
            }
            Error::DiskFull { .. } | Error::Roll { .. } => {
                "free space on the disk of the state folder, then restart"
            }
            Error::Stopped => "see the error that stopped the journal, further up in the log",
            Error::QueueFull { .. } => {
                "check the disk's latency; please report it if the disk is well"
            }
            Error::IndexKey { .. } => {
                "restore `index.key` from a backup, or move it away and rebuild the index"
            }
            Error::UnknownRoute { .. } => {
                "add the route to the configuration again until its records are settled"
            }
            Error::Spool { .. } => {
                "free space on the disk, and make `spool` in the state folder writable for this user"
            }
            Error::Keep { .. } => {
                "none is needed while there is room: it is tried again; check the disk and the permissions of the state folder if it stays"
            }
            Error::Parked { .. } => "restore the journal segment from a backup",
            Error::Index { .. } => {
                "wait until the rebuild has finished; delivery goes on meanwhile"
            }
            Error::Thread { .. } => "raise the limit of threads or processes for this user",
            Error::KeyFile { .. } => {
                "give `state.encryption_key_file` a file of mode 0600 or 0400 with 32 bytes a line, such as `openssl rand -hex 32` writes"
            }
            Error::KeyMissing { .. } => {
                "keep every key in `state.encryption_key_file`, the newest in the first line, older ones below it"
            }
            Error::Unsealed => "restart the service; please report it",
            Error::Waiting { .. } => {
                "wait until parked records are delivered, mend or discard the dead letters (`leadstream dead-letters`), then ask again"
            }
            Error::Erase { .. } => {
                "free space on the disk of the state folder, check its permissions, then ask again: it goes on where it stopped"
            }
        }
    }

    /// Whether the failure means that nothing more can be made durable.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(
            self,
            Error::Write { .. }
                | Error::Sync { .. }
                | Error::DiskFull { .. }
                | Error::Roll { .. }
                | Error::Stopped
                | Error::Unsealed
        )
    }

    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Error::Read {
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }

    pub(super) fn spool(path: &Path, source: io::Error) -> Self {
        Error::Spool {
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }

    pub(super) fn folder(path: &Path, source: io::Error) -> Self {
        Error::Folder {
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }
}
