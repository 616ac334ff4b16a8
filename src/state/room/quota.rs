//! A disk of a chosen size, for tests: a file `quota` in the state folder holds the number of bytes
//! that the journal and the reserve may take together. Built in with the failpoints alone, so that
//! the service's own binary can be tested with a disk that fills; a small file system would need
//! rights that not every machine gives.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Bytes left of the quota; `None` without one.
pub(super) fn free(root: &Path) -> Option<u64> {
    let text = fs::read_to_string(root.join("quota")).ok()?;
    let quota: u64 = text.trim().parse().ok()?;
    let length = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    let mut used = length(&root.join("reserve"));
    for file in fs::read_dir(root.join("journal")).into_iter().flatten() {
        used += file.map_or(0, |file| length(&file.path()));
    }
    Some(quota.saturating_sub(used))
}

/// Writes as far as the quota goes, as a full disk does.
pub(super) struct Metered<'a> {
    pub file: &'a mut File,
    pub root: &'a Path,
}

impl Write for Metered<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let free = free(self.root).unwrap_or(u64::MAX);
        let fits = usize::try_from(free).unwrap_or(usize::MAX).min(bytes.len());
        if fits == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write(&bytes[..fits])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
