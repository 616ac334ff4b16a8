//! The state folder: where things lie, who may read them, and the lock that keeps it to one
//! process.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::error::Error;

/// A lock that was just given up may take a moment to be gone: tries, 50 ms apart.
const LOCK_TRIES: u32 = 21;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Names within the state folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) root: PathBuf,
}

/// Held for as long as the state is open; the kernel gives it up with the process.
#[derive(Debug)]
pub(super) struct FolderLock {
    _file: File,
}

impl Folder {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    pub(super) fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    /// Where an index is built beside the one that it is to replace.
    pub(super) fn new_index(&self) -> PathBuf {
        self.root.join("index-new")
    }

    pub(super) fn spool(&self) -> PathBuf {
        self.root.join("spool")
    }

    pub(super) fn index_key(&self) -> PathBuf {
        self.root.join("index.key")
    }

    /// Makes the folders that are missing, readable for their owner alone, and their names durable:
    /// what is synced in a folder is lost with the folder's own name.
    pub(super) fn create(&self) -> Result<(), Error> {
        let journal = self.journal();
        let new = journal.ancestors().take_while(|path| !path.exists());
        // The state's own name is synced always: a life that made it may have ended before that.
        let synced = new.count().max(2);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&journal)
            .and_then(|()| {
                let mut folders = journal.ancestors().skip(1).take(synced);
                folders.try_for_each(sync_name)
            })
            .map_err(|source| Error::folder(&journal, source))
    }

    /// Takes the lock, waiting about a second for one that is being given up.
    pub(super) fn lock(&self) -> Result<FolderLock, Error> {
        let path = self.root.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|source| Error::folder(&path, source))?;
        for attempt in 1..=LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => {
                    let pid = std::process::id().to_string();
                    file.set_len(0)
                        .and_then(|()| file.write_all(pid.as_bytes()))
                        .map_err(|source| Error::folder(&path, source))?;
                    return Ok(FolderLock { _file: file });
                }
                Err(TryLockError::WouldBlock) if attempt < LOCK_TRIES => {
                    std::thread::sleep(LOCK_PAUSE);
                }
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(source)) => return Err(Error::folder(&path, source)),
            }
        }
        let mut pid = String::new();
        // The message is only less precise when the number cannot be read.
        let _ = file
            .seek(SeekFrom::Start(0))
            .and_then(|_| file.take(20).read_to_string(&mut pid));
        let pid = pid.trim();
        let pid = if pid.is_empty() { "(unknown)" } else { pid };
        Err(Error::Locked {
            path: self.root.clone(),
            pid: pid.to_owned(),
        })
    }

    /// The key that e-mail addresses are hashed with; made once, never changed.
    pub(super) fn read_or_create_key(&self) -> Result<[u8; 32], Error> {
        let path = self.index_key();
        let error = |source: io::Error| Error::IndexKey {
            path: path.clone(),
            source: Arc::new(source),
        };
        match fs::read(&path) {
            Ok(bytes) => <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| {
                error(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the key must be 32 bytes",
                ))
            }),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                let mut key = [0; 32];
                rand::fill(&mut key);
                let temporary = path.with_extension("tmp");
                write_new_file(&temporary, &key)
                    .and_then(|_| fs::rename(&temporary, &path))
                    .and_then(|()| sync_folder(&self.root))
                    .map_err(error)?;
                Ok(key)
            }
            Err(source) => Err(error(source)),
        }
    }
}

/// Creates (or replaces) a file for its owner alone, and makes its contents durable. The caller
/// makes its name durable.
pub(super) fn write_new_file(path: &Path, contents: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(contents)?;
    file.sync_all()?;
    Ok(file)
}

/// Makes the names in a folder durable that may be somebody else's, who need not let us read it.
fn sync_name(path: &Path) -> io::Result<()> {
    let here = Path::new(".");
    let path = if path.as_os_str().is_empty() {
        here
    } else {
        path
    };
    match sync_folder(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        other => other,
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
