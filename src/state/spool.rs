//! The files of Bulk uploads in `state/spool`: one a job, written once, durable before the upload
//! begins, deleted when the job is over.
//!
//! They hold nothing that the journal does not: a start deletes what it finds, because a job whose
//! upload had begun is given up or has its data in Salesforce. So where personal values are sealed,
//! each is sealed with a key of its own that nothing but this process's memory holds: in pieces, each
//! behind its length in four bytes.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::Error;
use super::folder::sync_folder;
use super::keyring::PassingKey;

/// Written to disk in pieces of this size.
const PIECE_BYTES: usize = 64 << 10;

#[derive(Clone, Debug)]
pub struct Spool {
    folder: Arc<Path>,
    sealed: bool,
}

/// A file that is being written.
#[derive(Debug)]
pub struct SpoolFile {
    file: File,
    path: PathBuf,
    folder: Arc<Path>,
    waiting: Vec<u8>,
    bytes: u64,
    key: Option<PassingKey>,
    pieces: u64,
}

/// A file that is on disk.
#[derive(Clone, Debug)]
pub struct Spooled {
    pub path: PathBuf,
    /// Of what was written, sealed or not.
    pub bytes: u64,
    key: Option<PassingKey>,
}

impl Spool {
    /// Makes the folder, empty and readable for its owner alone. Files that are `sealed` can be
    /// read by this process only.
    pub(super) fn open(folder: &Path, sealed: bool) -> Result<Self, Error> {
        let open = || -> io::Result<()> {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(0o700).create(folder)?;
            for file in fs::read_dir(folder)? {
                fs::remove_file(file?.path())?;
            }
            sync_folder(folder)
        };
        open().map_err(|source| Error::spool(folder, source))?;
        Ok(Self {
            folder: folder.into(),
            sealed,
        })
    }

    fn path(&self, job: u64) -> PathBuf {
        self.folder.join(format!("{job}.csv"))
    }

    /// Begins the file of a job, in the place of an older one.
    pub fn create(&self, job: u64) -> Result<SpoolFile, Error> {
        let path = self.path(job);
        let key = match self.sealed {
            true => Some(PassingKey::new().ok_or(Error::Unsealed)?),
            false => None,
        };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options
            .open(&path)
            .map_err(|source| Error::spool(&path, source))?;
        Ok(SpoolFile {
            file,
            path,
            folder: Arc::clone(&self.folder),
            waiting: Vec::new(),
            bytes: 0,
            key,
            pieces: 0,
        })
    }

    /// Deletes the file of a job, if there is one.
    pub fn remove(&self, job: u64) -> Result<(), Error> {
        let path = self.path(job);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(Error::spool(&path, source))
            }
            _ => Ok(()),
        }
    }
}

impl SpoolFile {
    /// What is to be written is appended to this buffer, then [`SpoolFile::flush_some`] called.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.waiting
    }

    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes + self.waiting.len() as u64
    }

    /// Writes what waits, when it is enough.
    pub fn flush_some(&mut self) -> Result<(), Error> {
        if self.waiting.len() < PIECE_BYTES {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Error> {
        let plain = self.waiting.len() as u64;
        let mut length = Vec::new();
        if let Some(key) = &self.key {
            let sealed = key.seal(self.pieces, &mut self.waiting);
            sealed.ok_or(Error::Unsealed)?;
            // A piece is little more than the row that made it long enough.
            let bytes = u32::try_from(self.waiting.len()).map_err(|_| Error::Unsealed)?;
            length.extend_from_slice(&bytes.to_le_bytes());
            self.pieces += 1;
        }
        let written = self.file.write_all(&length);
        written
            .and_then(|()| self.file.write_all(&self.waiting))
            .map_err(|source| Error::spool(&self.path, source))?;
        self.bytes += plain;
        self.waiting.clear();
        Ok(())
    }

    /// Makes the file and its name durable.
    pub fn finish(mut self) -> Result<Spooled, Error> {
        self.flush()?;
        let synced = self.file.sync_all();
        synced
            .and_then(|()| sync_folder(&self.folder))
            .map_err(|source| Error::spool(&self.path, source))?;
        Ok(Spooled {
            path: self.path,
            bytes: self.bytes,
            key: self.key,
        })
    }
}

impl Spooled {
    /// Reads what was written, from its beginning.
    ///
    /// # Errors
    /// When the file is not there; while reading, when it is not what was written.
    pub fn read(&self) -> io::Result<Box<dyn Read + Send>> {
        let file = File::open(&self.path)?;
        Ok(match &self.key {
            None => Box::new(file),
            Some(key) => Box::new(Unsealing {
                file: BufReader::new(file),
                key: key.clone(),
                piece: Vec::new(),
                at: 0,
                pieces: 0,
            }),
        })
    }
}

/// A sealed file, piece by piece.
struct Unsealing {
    file: BufReader<File>,
    key: PassingKey,
    piece: Vec<u8>,
    /// Up to where the piece was handed on.
    at: usize,
    pieces: u64,
}

impl Unsealing {
    /// Whether there is another piece.
    fn next(&mut self) -> io::Result<bool> {
        let mut length = [0; 4];
        match self.file.read_exact(&mut length) {
            Err(end) if end.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            other => other?,
        }
        let length = u64::from(u32::from_le_bytes(length));
        self.piece.clear();
        // No more is set aside than there is: the length may be damaged.
        (&mut self.file).take(length).read_to_end(&mut self.piece)?;
        let opened = self.key.open(self.pieces, &mut self.piece);
        opened.ok_or(io::ErrorKind::InvalidData)?;
        (self.at, self.pieces) = (0, self.pieces + 1);
        Ok(true)
    }
}

impl Read for Unsealing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            if !self.next()? {
                return Ok(0);
            }
        }
        let read = (&self.piece[self.at..]).read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_and_a_start_begins_with_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool");
        let spool = Spool::open(&path, false).unwrap();
        let mut file = spool.create(7).unwrap();
        for _ in 0..3 {
            let rows = vec![b'x'; PIECE_BYTES - 1];
            file.buffer().extend_from_slice(&rows);
            file.flush_some().unwrap();
        }
        assert_eq!(file.bytes(), 3 * (PIECE_BYTES as u64 - 1));
        let spooled = file.finish().unwrap();
        assert_eq!(fs::metadata(&spooled.path).unwrap().len(), spooled.bytes);
        Spool::open(&path, false).unwrap();
        assert!(!spooled.path.exists());
        spool.remove(7).unwrap();
    }

    #[test]
    fn a_sealed_file_is_read_by_its_writer_alone_and_never_read_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::open(&folder.path().join("spool"), true).unwrap();
        let rows = "Quackenbush,zebulon@quux.example\n".repeat(6_000);
        let mut file = spool.create(7).unwrap();
        for row in rows.as_bytes().chunks(1_000) {
            file.buffer().extend_from_slice(row);
            file.flush_some().unwrap();
        }
        let spooled = file.finish().unwrap();
        let text = |spooled: &Spooled| {
            let mut text = Vec::new();
            let read = spooled.read().unwrap().read_to_end(&mut text);
            read.map(|_| text)
        };
        assert_eq!(spooled.bytes, rows.len() as u64);
        assert_eq!(text(&spooled).unwrap(), rows.as_bytes());
        assert_eq!(text(&spooled).unwrap(), rows.as_bytes(), "it begins anew");

        let sealed = fs::read(&spooled.path).unwrap();
        assert!(!String::from_utf8_lossy(&sealed).contains("zebulon"));
        assert!(
            sealed.len() > rows.len() + 3 * (4 + 16),
            "length and tag of each piece"
        );
        for at in [0, 3, 4, 70_000, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            fs::write(&spooled.path, changed).unwrap();
            assert!(text(&spooled).is_err(), "byte {at}");
        }
        fs::write(&spooled.path, &sealed).unwrap();
        let other = spool.create(8).unwrap().finish().unwrap();
        fs::copy(&spooled.path, &other.path).unwrap();
        assert!(text(&other).is_err(), "the key of another file");
    }
}
