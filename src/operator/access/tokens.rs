//! The tokens that count now: the token file, read again when it has changed.
//!
//! Fails closed: while the file cannot be used, no token is taken, because one that was revoked in
//! it would be otherwise. The log says why.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::token_file::{self, Entry, Error};
use crate::core::time::Micros;
use crate::operator::stamp::Stamp;

/// So long a revoked token may still be taken.
const LOOK_EVERY_MICROS: i64 = 1_000_000;

pub(super) struct Tokens {
    path: Option<PathBuf>,
    seen: Mutex<Seen>,
}

struct Seen {
    stamp: Option<Stamp>,
    looked_at: Micros,
    entries: Arc<[Entry]>,
}

impl Tokens {
    /// Reads the file; without one there are no tokens.
    ///
    /// # Errors
    /// When the file is there and cannot be used.
    pub fn open(path: Option<&Path>, now: Micros) -> Result<Self, Error> {
        let (stamp, entries) = match path {
            Some(path) => {
                let stamp = Stamp::of(path);
                if stamp.is_none() {
                    tracing::warn!(
                        path = %path.display(),
                        "there is no token file yet: nobody can sign in before `leadstream token new`"
                    );
                }
                (stamp, token_file::read(path)?)
            }
            None => (None, Vec::new()),
        };
        Ok(Self {
            path: path.map(Path::to_owned),
            seen: Mutex::new(Seen {
                stamp,
                looked_at: now,
                entries: entries.into(),
            }),
        })
    }

    /// Where tokens would stand; `None` when the configuration names no file.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub fn is_empty(&self, now: Micros) -> bool {
        self.current(now).is_empty()
    }

    /// The entry of this hash, if it counts now.
    pub fn find(&self, hash: blake3::Hash, now: Micros) -> Option<Entry> {
        // Hashes are compared in constant time, and all of them, so that the time tells nothing.
        let mut found = None;
        for entry in self.current(now).iter() {
            if entry.hash == hash {
                found = Some(entry.clone());
            }
        }
        found.filter(|entry| !entry.is_expired(now))
    }

    fn current(&self, now: Micros) -> Arc<[Entry]> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.0 - seen.looked_at.0;
        if let Some(path) = &self.path
            && !(0..LOOK_EVERY_MICROS).contains(&age)
        {
            seen.looked_at = now;
            let stamp = Stamp::of(path);
            if stamp != seen.stamp {
                seen.stamp = stamp;
                seen.entries = again(path);
            }
        }
        Arc::clone(&seen.entries)
    }
}

fn again(path: &Path) -> Arc<[Entry]> {
    match token_file::read(path) {
        Ok(entries) => {
            tracing::info!(tokens = entries.len(), "the token file was read again");
            entries.into()
        }
        Err(error) => {
            let why = crate::runtime::with_causes(&error);
            tracing::error!(
                page = error.page(),
                error = why,
                remedy = error.remedy(),
                "no token is taken until the token file is mended"
            );
            Vec::new().into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::access::Role;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_changed_file_counts_after_a_second_and_a_broken_one_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let (token, _) = token_file::add(&path, "anna", Role::Viewer, None).unwrap();
        let hash = token_file::hash(token.expose());
        let tokens = Tokens::open(Some(&path), Micros(0)).unwrap();
        assert!(tokens.find(hash, Micros(1)).is_some());
        assert!(
            tokens
                .find(token_file::hash("ls_x"), Micros(SECOND))
                .is_none()
        );

        let (later, _) = token_file::add(&path, "bert", Role::Admin, None).unwrap();
        let later = token_file::hash(later.expose());
        assert!(tokens.find(later, Micros(2 * SECOND - 1)).is_none());
        assert!(tokens.find(later, Micros(2 * SECOND)).is_some());

        token_file::revoke(&path, "anna").unwrap();
        assert!(tokens.find(hash, Micros(4 * SECOND)).is_none());
        std::fs::write(&path, "nonsense\n").unwrap();
        assert!(tokens.find(later, Micros(6 * SECOND)).is_none());
        std::fs::remove_file(&path).unwrap();
        assert!(tokens.find(later, Micros(8 * SECOND)).is_none());
        let (back, _) = token_file::add(&path, "bert", Role::Admin, None).unwrap();
        let back = token_file::hash(back.expose());
        assert!(tokens.find(back, Micros(10 * SECOND)).is_some());
    }

    #[test]
    fn an_expired_token_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let end = Micros(5 * SECOND);
        let (token, _) = token_file::add(&path, "anna", Role::Viewer, Some(end)).unwrap();
        let hash = token_file::hash(token.expose());
        let tokens = Tokens::open(Some(&path), Micros(0)).unwrap();
        assert!(tokens.find(hash, Micros(end.0 - 1)).is_some());
        assert!(tokens.find(hash, end).is_none());
    }
}
