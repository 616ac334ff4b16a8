//! The folder in which one server keeps everything.
//!
//! Owns the names in it and its life: a given folder stays, a temporary one is for our user alone and goes with its
//! server; what a killed process left behind is swept by the next one. What MySQL puts into `data` is not its business.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::super::process::{self, Deadline};
use super::Error;

/// `sun_path` holds 108 bytes with its final zero (unix(7)); the server appends `.lock` to the name.
pub(super) const SOCKET_PATH_MAX_BYTES: usize = 100;

/// The folder of one server and the names in it.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) folder: PathBuf,
    socket: PathBuf,
    /// Only for a temporary folder: tells others that its owner lives.
    pub(super) temporary: Option<fs::File>,
}

impl Home {
    pub(super) fn create(wanted: &Path) -> Result<Self, Error> {
        let is_temporary = wanted.as_os_str().is_empty();
        let folder = if is_temporary {
            remove_abandoned();
            temporary_folder()?
        } else {
            wanted.to_owned()
        };
        let prepare = |source| Error::Prepare {
            path: folder.clone(),
            source,
        };
        fs::create_dir_all(folder.join("data")).map_err(prepare)?;
        let folder = folder.canonicalize().map_err(prepare)?;
        let temporary = if is_temporary {
            process::lock(&folder.join("lock"), Deadline::now())
        } else {
            None
        };
        let mut socket = folder.join("mysqld.sock");
        if socket.as_os_str().len() > SOCKET_PATH_MAX_BYTES {
            socket = Path::new("/tmp").join(format!("{}.sock", unique_name()));
        }
        Ok(Self {
            folder,
            socket,
            temporary,
        })
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("mysqld.log")
    }

    pub(super) fn output(&self) -> PathBuf {
        self.folder.join("mysqld.out")
    }

    pub(super) fn pid_file(&self) -> PathBuf {
        self.folder.join("mysqld.pid")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    pub(super) fn socket_lock(&self) -> PathBuf {
        let mut name = self.socket.clone().into_os_string();
        name.push(".lock");
        PathBuf::from(name)
    }

    /// After a failed start the error names a log, so a temporary folder keeps its logs; a later server sweeps them.
    pub(super) fn keep_logs(&mut self) {
        if self.temporary.take().is_some() {
            let _ = fs::remove_dir_all(self.data());
        }
    }

    /// What cannot be removed is left: this runs while something else may already be failing.
    pub(super) fn remove_what_is_temporary(&self) {
        for file in [self.socket(), self.socket_lock()] {
            let _ = fs::remove_file(file);
        }
        if self.temporary.is_some() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

const TEMPORARY_PREFIX: &str = "leadstream-mysql-";
const YOUNG: Duration = Duration::from_secs(60);

fn unique_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{TEMPORARY_PREFIX}{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

/// A new folder for our user alone. A process of our number may have left one behind: that one is never taken.
pub(super) fn temporary_folder() -> Result<PathBuf, Error> {
    loop {
        let folder = std::env::temp_dir().join(unique_name());
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => {
                return Err(Error::Prepare {
                    path: folder,
                    source,
                });
            }
        }
    }
}

/// Removes what killed processes left behind: temporary folders whose lock nobody holds.
pub(super) fn remove_abandoned() {
    for entry in fs::read_dir(std::env::temp_dir())
        .into_iter()
        .flatten()
        .flatten()
    {
        let is_ours = entry
            .file_name()
            .to_string_lossy()
            .starts_with(TEMPORARY_PREFIX);
        let lock = entry.path().join("lock");
        // A young one may be about to be locked.
        let age = fs::metadata(&lock)
            .and_then(|file| file.modified())
            .map(|made| made.elapsed());
        let is_old = matches!(age, Ok(Ok(age)) if age > YOUNG);
        if is_ours && is_old && process::lock(&lock, Deadline::now()).is_some() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
