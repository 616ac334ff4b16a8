//! The process dies at each failpoint; what it had acknowledged must be there afterwards.
//!
//! The parent runs this test binary again as the child that dies.

#![allow(clippy::disallowed_methods, reason = "the child is told where to work")]

use std::fs::{self, OpenOptions};
use std::io::Write;
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
