//! Audits of a store at work: the index held against the journal, backups beside a writer.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use super::sample::*;
use super::*;
use crate::state::audit::{Error as AuditError, Ledger, Verified, rebuild_index};
use crate::state::index::IndexSums;

fn small(path: &Path) -> StateSettings {
    StateSettings {
        segment_bytes: 20_000,
        ..settings(path)
    }
}

fn write(store: &Store, from: u64, to: u64) {
    let commits = (from..=to)
        .map(|n| {
            let entry = match n % 10 {
                0 => dead_letter(n, n / 10, "INVALID_EMAIL_ADDRESS"),
                _ => delivered(n, n),
            };
            commit(vec![entry], n as i64)
        })
        .collect();
    for receipt in commit_all(store, commits) {
        receipt.unwrap();
    }
}

fn verified(path: &Path, through: Option<u64>, sums: &IndexSums) -> Result<Verified, AuditError> {
    Ledger::open(path, through)
        .unwrap()
        .verify_with_index(&[], sums, &mut |_, _| {})
}

#[test]
fn the_index_is_held_against_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(small(folder.path())).unwrap();
    write(&store, 1, 400);
    assert!(store.index().wait_applied(400, LONG));
    let sums = store.index().sums().unwrap();
    assert_eq!((sums.commit, sums.letters.count), (400, 40));
    let verified_now = verified(folder.path(), Some(400), &sums).unwrap();
    assert_eq!(verified_now.open_dead_letters, 40);
    // The journal may be ahead of what the index said, but not behind.
    write(&store, 401, 405);
    verified(folder.path(), Some(405), &sums).unwrap();

    let said = |sums: &IndexSums| {
        let error = verified(folder.path(), Some(405), sums).unwrap_err();
        assert_eq!(error.page(), "LS3054");
        error.to_string()
    };
    let mut fewer = sums.clone();
    fewer.segments.get_mut(&1).unwrap().count -= 1;
    assert!(said(&fewer).contains("of segment 1"), "{}", said(&fewer));
    let mut elsewhere = sums.clone();
    elsewhere.segments.get_mut(&2).unwrap().sum ^= 1;
    assert!(said(&elsewhere).contains("segment 2 lead to other places"));
    let mut letters = sums.clone();
    letters.letters.count += 1;
    assert!(said(&letters).contains("41 open dead letters"));
    let mut newer = sums.clone();
    newer.commit = 406;
    assert!(said(&newer).contains("knows commit 406"));
    store.close().unwrap();
}

#[test]
fn an_index_that_was_merged_reopened_and_rebuilt_is_still_right() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(small(folder.path())).unwrap();
    write(&store, 1, 300);
    let refused = rebuild_index(folder.path(), None, &mut |_, _| {}).unwrap_err();
    assert_eq!(refused.page(), "LS3001");
    store.close().unwrap();
    let sums = || {
        let reader = open_reader(folder.path()).unwrap();
        assert!(reader.index().wait_applied(300, LONG));
        reader.index().sums().unwrap()
    };
    let before = sums();
    verified(folder.path(), None, &before).unwrap();
    fs::write(folder.path().join("index/db"), b"nothing of the kind").unwrap();
    let mut seen = Vec::new();
    let built = rebuild_index(folder.path(), None, &mut |done, total| {
        seen.push((done, total))
    });
    assert_eq!(built.unwrap(), 300);
    assert_eq!(seen.last(), Some(&(300, 300)));
    assert_eq!(sums(), before);
    let names = fs::read_dir(folder.path()).unwrap();
    let names = names.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert!(!names.into_iter().any(|name| name.contains("damaged")));
}

#[test]
fn of_two_backups_to_one_target_the_second_is_refused_and_the_first_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (state, target) = (folder.path().join("state"), folder.path().join("backup"));
    let (store, _) = Store::open(small(&state)).unwrap();
    write(&store, 1, 200);
    store.close().unwrap();
    let ledger = Ledger::open(&state, None).unwrap();
    let mut second = None;
    let made = ledger.back_up(&target, &mut |_, _| {
        second.get_or_insert_with(|| ledger.back_up(&target, &mut |_, _| {}));
    });
    assert_eq!(made.unwrap().verified.last_commit, 200);
    let refused = second.unwrap().unwrap_err();
    assert_eq!(refused.page(), "LS3001", "{refused}");
    assert!(
        refused.to_string().contains("backup.unfinished"),
        "{refused}"
    );
}

#[test]
fn a_backup_beside_a_writer_is_whole_and_a_service_starts_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let target = folder.path().join("backup");
    let (store, _) = Store::open(small(&state)).unwrap();
    write(&store, 1, 200);
    let stop = AtomicBool::new(false);
    let durable = store.journal().stats().last_commit;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = 201;
            while !stop.load(Ordering::Relaxed) && next < 5_000 {
                write(&store, next, next + 9);
                next += 10;
            }
        });
        let ledger = Ledger::open(&state, Some(durable)).unwrap();
        let made = ledger.back_up(&target, &mut |_, _| {});
        stop.store(true, Ordering::Relaxed);
        let made = made.unwrap();
        assert_eq!(made.verified.last_commit, durable);
        let again = ledger.back_up(&target, &mut |_, _| {}).unwrap_err();
        assert_eq!(again.page(), "LS3055");
        let inside = state.join("journal/none/yet");
        let inside = ledger.back_up(&inside, &mut |_, _| {}).unwrap_err();
        assert_eq!(inside.page(), "LS3055");
        assert!(inside.to_string().contains("lies in"), "{inside}");
    });
    let id = store.id().to_owned();
    store.close().unwrap();
    assert!(!folder.path().join("backup.unfinished").exists());
    assert_eq!(
        fs::read(state.join("index.key")).unwrap(),
        fs::read(target.join("index.key")).unwrap()
    );
    let (restored, recovered) = Store::open(small(&target)).unwrap();
    assert_eq!((recovered.last_commit, recovered.torn_bytes), (durable, 0));
    assert_eq!(restored.id(), id);
    assert_eq!(recovered.totals["leads"].dead_letters_open, 20);
    write(&restored, 201, 210);
    assert!(restored.index().wait_applied(durable + 10, LONG));
    let sums = restored.index().sums().unwrap();
    restored.close().unwrap();
    verified(&target, None, &sums).unwrap();
}

#[test]
fn a_backup_of_a_damaged_journal_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let (store, _) = open(&state);
    write(&store, 1, 20);
    write(&store, 21, 40);
    store.close().unwrap();
    let segment = state.join("journal/00000001.jsonl");
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 4;
    bytes[middle] ^= 4;
    fs::write(&segment, &bytes).unwrap();
    let target = folder.path().join("backup");
    let error = Ledger::open(&state, None)
        .unwrap()
        .back_up(&target, &mut |_, _| {})
        .unwrap_err();
    assert_eq!(error.page(), "LS3050");
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
