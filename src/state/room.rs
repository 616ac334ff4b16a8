//! What is left of the disk, and the reserve on it.
//!
//! `state/reserve` is a preallocated file that holds nothing. Sending stops while there is still
//! room beside it ([`Room::Low`]); should others fill the disk all the same, it is given back, so
//! that the outcomes of calls in flight can be written. Nothing here decides what stops.

#[cfg(any(test, feature = "failpoints"))]
mod quota;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;
use tokio::sync::watch;

/// How often the disk is looked at, and a write on a full one tried again.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Whether the disk of the state folder has room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    #[default]
    Enough,
    /// Nothing new is to be begun: what is left is for the outcomes of what is under way.
    Low,
    /// Commits wait for room.
    Full,
}

/// Room and reserve of one state folder.
pub(in crate::state) struct Disk {
    root: PathBuf,
    reserve: PathBuf,
    /// 0 does without a reserve, and without looking.
    reserve_bytes: u64,
    now: Mutex<Now>,
    changed: Condvar,
    published: watch::Sender<Room>,
}

#[derive(Debug, Default)]
struct Now {
    /// The reserve is on the disk, whole.
    reserved: bool,
    /// A write waits for room.
    full: bool,
    room: Room,
    free: Option<u64>,
    /// Whoever waits for room is to give up.
    given_up: bool,
    /// A trouble with the reserve is reported once.
    reported: bool,
}

impl Disk {
    /// Looks at the disk for the first time, and sets the reserve aside.
    pub(in crate::state) fn open(root: &Path, reserve_bytes: u64) -> Self {
        let disk = Self {
            root: root.to_owned(),
            reserve: root.join("reserve"),
            reserve_bytes,
            now: Mutex::default(),
            changed: Condvar::new(),
            published: watch::Sender::new(Room::Enough),
        };
        disk.look();
        disk
    }

    /// Follows the room; a change may be seen late, but is seen.
    pub(in crate::state) fn follow(&self) -> watch::Receiver<Room> {
        self.published.subscribe()
    }

    /// Bytes that are free for this user beside the reserve, at the last look; `None` when the
    /// disk does not tell.
    pub(in crate::state) fn free(&self) -> Option<u64> {
        self.now().free
    }

    pub(in crate::state) fn root(&self) -> &Path {
        &self.root
    }

    pub(in crate::state) fn room(&self) -> Room {
        self.now().room
    }

    /// Looks how much is left, and takes the reserve back once there is room for it.
    pub(in crate::state) fn look(&self) {
        if self.reserve_bytes == 0 {
            return;
        }
        let mut now = self.now();
        now.free = free_bytes(&self.root);
        // A disk that does not tell is taken for one with room: its errors tell.
        let free = now.free.unwrap_or(u64::MAX);
        let twice = self.reserve_bytes.saturating_mul(2);
        if !now.reserved && free >= twice {
            self.take_reserve(&mut now);
        }
        // As much again must be free beside it before sending goes on; it stops at the half of
        // that, so that it does not flutter.
        let enough = match now.room {
            Room::Enough => free >= self.reserve_bytes / 2,
            Room::Low | Room::Full => free >= self.reserve_bytes,
        };
        self.settle(&mut now, enough);
    }

    /// A write found the disk full. True: there may be room now, try again. Waits a moment where
    /// nothing could be done, and is false once nobody is to wait any longer.
    pub(in crate::state) fn make_room(&self) -> bool {
        let mut now = self.now();
        if now.given_up || self.reserve_bytes == 0 {
            return false;
        }
        if now.reserved {
            now.reserved = false;
            let emptied = OpenOptions::new()
                .write(true)
                .open(&self.reserve)
                .and_then(|file| file.set_len(0).and_then(|()| file.sync_all()));
            self.settle(&mut now, false);
            if emptied.is_ok() {
                tracing::warn!("the disk is full: the reserve is used");
                return true;
            }
        }
        if !std::mem::replace(&mut now.full, true) {
            tracing::error!(
                page = "LS3030",
                "the disk is full: commits wait for room, nothing is lost"
            );
        }
        self.settle(&mut now, false);
        let waits = |now: &mut Now| now.full && !now.given_up;
        let waited = self.changed.wait_timeout_while(now, LOOK_EVERY, waits);
        !waited.unwrap_or_else(PoisonError::into_inner).0.given_up
    }

    /// A write found room.
    pub(in crate::state) fn note_written(&self) {
        let mut now = self.now();
        if std::mem::replace(&mut now.full, false) {
            tracing::info!("the disk has room again: commits go on");
            self.settle(&mut now, false);
        }
    }

    /// Whoever waits for room fails from now on: the process is to end.
    pub(in crate::state) fn give_up(&self) {
        self.now().given_up = true;
        self.changed.notify_all();
    }

    fn settle(&self, now: &mut Now, enough: bool) {
        let room = match (now.full, now.reserved && enough) {
            (true, _) => Room::Full,
            (false, true) => Room::Enough,
            (false, false) => Room::Low,
        };
        if std::mem::replace(&mut now.room, room) != room {
            match room {
                Room::Enough => tracing::info!("the disk of the state folder has room"),
                Room::Low => tracing::warn!(
                    page = "LS3030",
                    free = now.free,
                    "the disk of the state folder is nearly full: nothing is sent until there is room"
                ),
                Room::Full => {}
            }
            self.published.send_replace(room);
        }
    }

    fn take_reserve(&self, now: &mut Now) {
        match allocate(&self.reserve, self.reserve_bytes) {
            Ok(()) => {
                now.reserved = true;
                now.reported = false;
                now.free = free_bytes(&self.root);
            }
            Err(error) => {
                if !std::mem::replace(&mut now.reported, true) {
                    let file = self.reserve.display();
                    tracing::warn!(%error, %file, page = "LS3030", "the reserve cannot be set aside");
                }
            }
        }
    }

    /// Numbers stay good when another thread panicked with the lock in hand.
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a segment is written through.
#[cfg(any(test, feature = "failpoints"))]
pub(in crate::state) fn metered<'a>(root: &'a Path, file: &'a mut File) -> impl Write + 'a {
    quota::Metered { file, root }
}

/// What a segment is written through.
#[cfg(not(any(test, feature = "failpoints")))]
pub(in crate::state) fn metered<'a>(_root: &'a Path, file: &'a mut File) -> impl Write + 'a {
    file
}

/// Whether a new file of this size finds room, as far as tests bound it.
pub(in crate::state) fn check_quota(root: &Path, bytes: u64) -> io::Result<()> {
    #[cfg(any(test, feature = "failpoints"))]
    if quota::free(root).is_some_and(|free| free < bytes) {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let _ = (root, bytes);
    Ok(())
}

fn free_bytes(path: &Path) -> Option<u64> {
    #[cfg(any(test, feature = "failpoints"))]
    if let Some(free) = quota::free(path) {
        return Some(free);
    }
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Makes `path` a file of this size whose blocks are taken.
fn allocate(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    file.set_len(0)?;
    let taken = match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => fill(&mut file, bytes),
        taken => taken.map_err(io::Error::from),
    };
    let synced = taken.and_then(|()| file.sync_all());
    if synced.is_err() {
        // A part of it would only be in the way.
        let _ = file.set_len(0);
    }
    synced
}

/// For file systems that cannot allocate.
fn fill(file: &mut File, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; 64 << 10];
    let mut left = bytes;
    while left > 0 {
        let piece = left.min(zeros.len() as u64);
        file.write_all(&zeros[..piece as usize])?;
        left -= piece;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_takes_room_and_is_given_back_once() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path(), 1 << 20);
        let reserve = folder.path().join("reserve");
        assert_eq!(disk.room(), Room::Enough);
        let size = || std::fs::metadata(&reserve).unwrap().len();
        assert_eq!(size(), 1 << 20);

        assert!(disk.make_room(), "the reserve is there to be used");
        assert_eq!((disk.room(), size()), (Room::Low, 0));
        // Nothing is left to give back: it waits, and only whoever gives up is told so.
        assert!(disk.make_room());
        assert_eq!(disk.room(), Room::Full);
        disk.look();
        assert_eq!(disk.room(), Room::Full, "only a write ends it");
        disk.note_written();
        disk.look();
        assert_eq!((disk.room(), size()), (Room::Enough, 1 << 20));
        disk.give_up();
        assert!(!disk.make_room());
    }

    #[test]
    fn a_disk_without_room_for_the_reserve_is_low_from_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path(), 1 << 60);
        assert_eq!(disk.room(), Room::Low);
        assert_eq!(*disk.follow().borrow(), Room::Low);
    }
}
