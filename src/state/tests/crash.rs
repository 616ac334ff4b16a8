//! The process dies at each failpoint; what it had acknowledged must be there afterwards.
//!
//! The parent runs this test binary again as the child that dies.

#![allow(clippy::disallowed_methods, reason = "the child is told where to work")]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use super::sample::*;
use super::*;

const FOLDER: &str = "LEADSTREAM_TEST_FOLDER";
const COMMITS: u64 = 120;

#[test]
#[ignore = "only the child of the test below"]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let mut small = settings(&folder.join("state"));
    small.segment_bytes = 20_000;
    let (store, _) = Store::open(small).unwrap();
    let mut acknowledged = OpenOptions::new()
        .append(true)
        .create(true)
        .open(folder.join("acknowledged"))
        .unwrap();
    for number in 1..=COMMITS {
        let mut commit = commit(vec![delivered(number, number)], number as i64 * 6_000_000);
        commit.checkpoint = Some(checkpoint(number));
        let receipt = commit_one(&store, commit);
        writeln!(acknowledged, "{}", receipt.commit).unwrap();
        // The index follows closely, so that its failpoints are hit too.
        assert!(store.index().wait_applied(receipt.commit, LONG));
    }
    store.close().unwrap();
}

#[test]
fn a_death_at_any_failpoint_loses_nothing_acknowledged() {
    // Those of other areas are shown on the whole service.
    let own = |name: &&&str| name.starts_with("journal.") || name.starts_with("index.");
    for name in crate::failpoint::NAMES.iter().filter(own) {
        for hit in [1, 2, 3] {
            let folder = tempfile::tempdir().unwrap();
            let status = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "state::tests::crash::child", "--ignored"])
                .env(FOLDER, folder.path())
                .env("LEADSTREAM_FAILPOINT", format!("{name}:{hit}"))
                .output()
                .unwrap()
                .status;
            assert!(!status.success(), "{name}:{hit} was never hit");
            let acknowledged =
                fs::read_to_string(folder.path().join("acknowledged")).unwrap_or_default();
            let acknowledged = acknowledged.lines().count() as u64;

            let (store, recovered) = open(&folder.path().join("state"));
            let last = recovered.last_commit;
            assert!(
                last == acknowledged || last == acknowledged + 1,
                "{name}:{hit}: {last} of {acknowledged}"
            );
            if last > 0 {
                assert_eq!(recovered.totals["leads"].created, last);
            }
            let receipt = commit_one(&store, commit(vec![delivered(500, 500)], 0));
            assert!(store.index().wait_applied(receipt.commit, LONG));
            for number in (1..=last).chain([500]) {
                let key = TraceQuery::Key(format!("L-{number:08}"));
                assert_eq!(store.index().trace(&key).unwrap().len(), 1, "{name}:{hit}");
            }
            store.close().unwrap();
        }
    }
}

/// Open dead letter 1, then days of deliveries; only the newest segment is to be left in the end.
fn keep_house(folder: &Path, first_day: i64) -> (Store, u64) {
    let mut small = settings(&folder.join("state"));
    small.segment_bytes = 20_000;
    small.max_journal_bytes = Some(1);
    small.reserve_bytes = 1_000;
    let (store, recovered) = Store::open(small).unwrap();
    let mut number = recovered
        .totals
        .get("leads")
        .map_or(0, |leads| leads.created);
    if recovered.next_letter == 1 {
        let letter = dead_letter(1_000, 1, "STRING_TOO_LONG");
        commit_one(&store, commit(vec![letter], 0));
    }
    for day in first_day..first_day + 3 {
        for _ in 0..2 {
            number += 1;
            let entry = delivered(number, number);
            commit_one(&store, commit(vec![entry], day * 86_400_000_000));
        }
    }
    for _ in 0..LONG.as_millis() / 20 {
        if store.journal().stats().segments == 1 {
            break;
        }
        store
            .progress
            .wait_beyond(u64::MAX - 1, Duration::from_millis(20));
    }
    assert_eq!(store.journal().stats().segments, 1);
    (store, number)
}

#[test]
#[ignore = "only the child of the test below"]
fn keeping_child() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let (store, number) = keep_house(folder, 0);
    // The rest is for the failpoint of a full disk.
    let quota = store.journal().stats().bytes + 50;
    fs::write(folder.join("state/quota"), quota.to_string()).unwrap();
    let entry = delivered(number + 1, number + 1);
    commit_one(&store, commit(vec![entry], 2 * 86_400_000_000));
}

#[test]
fn a_death_at_any_step_of_housekeeping_loses_nothing() {
    for name in crate::failpoint::KEEPING_NAMES {
        let folder = tempfile::tempdir().unwrap();
        let died = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "state::tests::crash::keeping_child", "--ignored"])
            .env(FOLDER, folder.path())
            .env("LEADSTREAM_FAILPOINT", name)
            .output()
            .unwrap();
        // Not by a panic: by the failpoint.
        assert_eq!(died.status.signal(), Some(6), "{name} was never hit");
        let _ = fs::remove_file(folder.path().join("state/quota"));

        let (store, number) = keep_house(folder.path(), 3);
        let last = store.journal().stats().last_commit;
        assert!(store.index().wait_applied(last, LONG));
        let story = store.index().letter_story(1).unwrap().unwrap();
        assert_eq!(story.steps.len(), 1, "{name}");
        assert_eq!(story.key, "L-00001000");
        let key = TraceQuery::Key(format!("L-{number:08}"));
        assert_eq!(store.index().trace(&key).unwrap().len(), 1, "{name}");
        store.close().unwrap();
        let leads = &open(&folder.path().join("state")).1.totals["leads"];
        assert_eq!((leads.created, leads.dead_letters_open), (number, 1));
    }
}
