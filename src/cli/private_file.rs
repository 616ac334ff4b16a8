//! Files that commands write for whoever ran them: personal values may stand in them.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// An empty file for its owner alone. One that was there keeps no wider mode, which another program may
/// have given it; what is no file, such as `/dev/stdout`, keeps its own.
///
/// # Errors
/// When it cannot be made, emptied or shut.
pub fn create(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let file = options.open(path)?;
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_others_could_read_they_can_read_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("letters.csv");
        std::fs::write(&path, "as it was before").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        create(&path).unwrap().write_all(b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        create(Path::new("/dev/null")).unwrap();
        let mode = std::fs::metadata("/dev/null").unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o666);
    }
}
