//! The store as a whole: threads, lock, segments that roll, and the index.

mod audit;
#[cfg(feature = "failpoints")]
mod crash;
mod golden;
mod index;
mod keeping;
mod letters;
mod personal;
mod size;
mod store;

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use super::journal::tests::sample;
use super::*;
use crate::core::entry::Commit;

/// Far more than anything takes; only a broken build waits this long.
pub(super) const LONG: Duration = Duration::from_secs(60);

pub(super) fn settings(path: &Path) -> StateSettings {
    StateSettings {
        path: path.to_owned(),
        payload: PayloadPolicy::Full,
        segment_bytes: DEFAULT_SEGMENT_BYTES,
        reserve_bytes: 0,
        retention_ms: None,
        max_journal_bytes: None,
        encryption_key_file: None,
        routes: sample::routes(),
    }
}

pub(super) fn open(path: &Path) -> (Store, Recovered) {
    Store::open(settings(path)).unwrap()
}

/// Submits all at once, and waits for each.
pub(super) fn commit_all(store: &Store, commits: Vec<Commit>) -> Vec<Result<CommitReceipt, Error>> {
    let count = commits.len();
    let (answers, answered) = mpsc::sync_channel(count);
    for commit in commits {
        let answers = answers.clone();
        store.journal().submit(
            commit,
            Box::new(move |result| answers.send(result).unwrap()),
        );
    }
    (0..count)
        .map(|_| answered.recv_timeout(LONG).unwrap())
        .collect()
}

pub(super) fn commit_one(store: &Store, commit: Commit) -> CommitReceipt {
    commit_all(store, vec![commit]).remove(0).unwrap()
}
