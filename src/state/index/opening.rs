//! Opening the database: for as long as that takes, but noted when it takes too long; and only where
//! the journal still holds what the index was made from.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use super::database::{Database, Failure};
use super::view::{Mark, View};
use crate::state::journal::segments::segment_path;

/// Ten million entries open in 8 s from a cold disk (store-facts); whatever takes this long hangs.
pub(super) const OPEN_LIMIT: Duration = Duration::from_secs(120);

/// What a sealed line ends with: its chain in 64 hex digits, the brace and the newline.
const SEAL_BYTES: u64 = 64 + 3;

/// Opens the database and loads what it says. When it takes longer than `limit` a file beside it
/// is left, so that the next start begins anew; this one waits on, because a database that is
/// given up while it is being opened may still write into its folder.
pub(super) fn open_view(folder: &Path, limit: Duration) -> Result<View, Failure> {
    let opened = folder.to_owned();
    let open = move || Database::open(&opened).and_then(View::load);
    noting_a_hang(&hang_note(folder), limit, open)
}

/// Whether an earlier life saw the database hang, and did not see it open.
pub(super) fn hung_before(folder: &Path) -> bool {
    hang_note(folder).exists()
}

/// After the database was set aside.
pub(super) fn forget_hang(folder: &Path) -> io::Result<()> {
    match fs::remove_file(hang_note(folder)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn hang_note(folder: &Path) -> PathBuf {
    folder.with_extension("hung")
}

fn noting_a_hang<T: Send + 'static>(
    note: &Path,
    limit: Duration,
    open: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let (answer, answered) = sync_channel(1);
    std::thread::Builder::new()
        .name("index-open".to_owned())
        .spawn(move || {
            // Nobody waits any more when the process ends.
            let _ = answer.send(open());
        })?;
    let ended = || Err(Failure("opening it panicked".to_owned()));
    match answered.recv_timeout(limit) {
        Ok(result) => return result,
        Err(RecvTimeoutError::Disconnected) => return ended(),
        Err(RecvTimeoutError::Timeout) => {}
    }
    tracing::error!(
        seconds = limit.as_secs(),
        page = "LS3071",
        "the index does not open; the next start rebuilds it, delivery is not affected"
    );
    File::create(note)?;
    let result = answered.recv().unwrap_or_else(|_| ended());
    fs::remove_file(note)?;
    result
}

/// Whether the journal's segment ends a run with this mark's chain at this mark's place: if not,
/// the journal is another one than the index was made from, of a backup perhaps. A segment that
/// is not there in plain cannot say no.
pub(super) fn is_of_this_journal(journal: &Path, mark: &Mark) -> io::Result<bool> {
    let Some(at) = mark.offset.checked_sub(SEAL_BYTES) else {
        // It stands before all segments.
        return Ok(true);
    };
    let mut file = match File::open(segment_path(journal, mark.segment)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    file.seek(SeekFrom::Start(at))?;
    let mut seal = Vec::new();
    file.take(SEAL_BYTES).read_to_end(&mut seal)?;
    Ok(seal == format!("{}\"}}\n", mark.chain).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opening_that_hangs_is_noted_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join("index");
        let note = hang_note(&index);
        let (go_on, goes_on) = sync_channel(1);
        let noted = note.clone();
        let opener = move || {
            // Hangs until it has been noted.
            goes_on.recv().unwrap();
            Ok(noted.exists())
        };
        let waiting = std::thread::spawn({
            let note = note.clone();
            move || noting_a_hang(&note, Duration::ZERO, opener)
        });
        while !hung_before(&index) {
            std::thread::yield_now();
        }
        go_on.send(()).unwrap();
        assert_eq!(waiting.join().unwrap(), Ok(true));
        assert!(!hung_before(&index));
    }

    #[test]
    fn an_opening_that_panics_is_a_failure() {
        let note = Path::new("/nowhere/index.hung");
        let result: Result<(), _> = noting_a_hang(note, OPEN_LIMIT, || panic!("as sled does"));
        assert!(result.is_err());
    }
}
