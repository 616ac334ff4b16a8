//! Commits through the journal's thread, and starts after whatever happened.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::sample::*;
use super::*;
use crate::core::entry::{Entry, ParkedRecord};

pub(super) const DAY: i64 = 86_400_000_000;

#[test]
fn commits_are_numbered_in_order_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let (store, recovered) = open(folder.path());
    assert_eq!(recovered.last_commit, 0);
    assert_eq!(
        (
            recovered.next_parked,
            recovered.next_letter,
            recovered.next_batch
        ),
        (1, 1, 1)
    );

    let commits = (1..=200)
        .map(|n| commit(vec![delivered(n, n)], n as i64))
        .collect();
    let receipts = commit_all(&store, commits);
    for (number, receipt) in receipts.iter().enumerate() {
        assert_eq!(receipt.as_ref().unwrap().commit, number as u64 + 1);
    }
    assert_eq!(store.journal().stats().last_commit, 200);
    let id = store.id().to_owned();
    store.close().unwrap();

    let (store, recovered) = open(folder.path());
    assert_eq!(recovered.last_commit, 200);
    assert_eq!(recovered.totals["leads"].created, 200);
    assert_eq!(store.id(), id);
    assert_eq!(
        store
            .recovered_api_calls()
            .iter()
            .map(|(_, calls)| calls)
            .sum::<u64>(),
        200
    );
    store.close().unwrap();
}

#[test]
fn only_the_owner_may_read_the_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    open(&path).0.close().unwrap();
    let mode = |name: &str| fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("."), 0o700);
    assert_eq!(mode("journal"), 0o700);
    assert_eq!(mode("journal/00000001.jsonl"), 0o600);
    assert_eq!(mode("index.key"), 0o600);
    assert_eq!(mode("lock"), 0o600);
}

#[test]
fn a_folder_in_use_is_refused_with_the_process_that_uses_it() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    for refused in [
        Store::open(settings(folder.path())).map(drop),
        open_reader(folder.path()).map(drop),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.page(), "LS3001");
        assert!(
            error.to_string().contains(&std::process::id().to_string()),
            "{error}"
        );
        assert!(error.remedy().contains("leadstream status"));
    }
    store.close().unwrap();
    open(folder.path()).0.close().unwrap();
}

#[test]
fn a_reader_changes_no_journal() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(
        open_reader(folder.path()),
        Err(Error::Missing { .. })
    ));
    let (store, _) = open(folder.path());
    commit_one(&store, commit(every_kind(), 0));
    store.close().unwrap();
    let segment = folder.path().join("journal/00000001.jsonl");
    let mut bytes = fs::read(&segment).unwrap();
    bytes.extend_from_slice(b"{\"t\":\"deliv");
    fs::write(&segment, &bytes).unwrap();

    let reader = open_reader(folder.path()).unwrap();
    assert_eq!(
        (
            reader.recovered().last_commit,
            reader.recovered().torn_bytes
        ),
        (1, 11)
    );
    assert!(reader.index().wait_applied(1, LONG));
    assert_eq!(
        reader
            .index()
            .trace(&TraceQuery::Key("L-00000001".into()))
            .unwrap()
            .len(),
        1
    );
    reader.close();
    assert_eq!(fs::read(&segment).unwrap(), bytes);

    let (store, recovered) = open(folder.path());
    assert_eq!(recovered.torn_bytes, 11);
    commit_one(&store, commit(vec![delivered(9, 9)], 1));
    store.close().unwrap();
    assert_eq!(open(folder.path()).1.last_commit, 2);
}

#[test]
fn parked_records_come_back_as_they_went() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let mut entries = vec![delivered(1, 1)];
    entries.extend((1..=3).map(|n| parked(n + 10, n, 0)));
    entries.extend((4..=5).map(|n| parked(n + 10, n, 1)));
    let receipt = commit_one(&store, commit(entries.clone(), 0));

    let shapes: Vec<_> = receipt
        .parked
        .iter()
        .map(|s| (s.route.as_str(), s.first, s.count))
        .collect();
    assert_eq!(shapes, [("leads", 1, 3), ("partners", 4, 2)]);
    let expected: Vec<ParkedRecord> = entries
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Parked {
                subject,
                serial,
                unknown,
            } => Some(ParkedRecord {
                serial,
                subject,
                unknown,
            }),
            _ => None,
        })
        .collect();
    let read = |store: &Store, settled: &BTreeSet<u64>| -> Vec<ParkedRecord> {
        let spans = receipt.parked.iter();
        spans
            .flat_map(|span| store.journal().read_parked(span, settled).unwrap())
            .collect()
    };
    assert_eq!(read(&store, &BTreeSet::new()), expected);
    store.close().unwrap();

    let (store, recovered) = open(folder.path());
    assert_eq!(recovered.parked, receipt.parked);
    let settled = [2, 4].into();
    let left: Vec<u64> = read(&store, &settled)
        .iter()
        .map(|record| record.serial)
        .collect();
    assert_eq!(left, [1, 3, 5]);

    let mut strange = receipt.parked[0].clone();
    strange.place.1 += 1;
    let error = store.journal().read_parked(&strange, &settled).unwrap_err();
    assert_eq!(error.page(), "LS3015");
    strange.route = "gone".into();
    let error = store.journal().read_parked(&strange, &settled).unwrap_err();
    assert_eq!(error.page(), "LS3014");
    store.close().unwrap();
}

#[test]
fn a_commit_for_an_unknown_route_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let results = commit_all(
        &store,
        vec![
            commit(vec![delivered(1, 1)], 0),
            commit(vec![parked(2, 1, 9)], 1),
            commit(vec![delivered(3, 2)], 2),
        ],
    );
    let failed: Vec<_> = results
        .iter()
        .filter_map(|result| result.as_ref().err())
        .collect();
    assert_eq!(
        (results.len(), failed.len(), failed[0].page()),
        (3, 1, "LS3014")
    );
    assert_eq!(store.journal().stats().last_commit, 2);
    store.close().unwrap();
}

#[test]
fn a_closed_journal_refuses_commits() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    let journal = store.journal();
    store.close().unwrap();
    let (answers, answered) = mpsc::sync_channel(1);
    journal.submit(
        commit(vec![], 0),
        Box::new(move |result| answers.send(result.unwrap_err()).unwrap()),
    );
    assert_eq!(answered.recv_timeout(LONG).unwrap().page(), "LS3011");
}

#[test]
fn segments_roll_by_size_and_by_day_and_keep_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    let mut small = settings(folder.path());
    small.segment_bytes = 20_000;
    let (store, _) = Store::open(small.clone()).unwrap();
    let commits = (1..=300).map(|n| Commit {
        checkpoint: Some(checkpoint(n)),
        ..commit(vec![delivered(n, n)], n as i64)
    });
    let commits = commits.collect();
    assert!(commit_all(&store, commits).iter().all(Result::is_ok));
    let by_size = store.journal().stats().segments;
    assert!(by_size > 5, "{by_size}");
    commit_one(&store, commit(vec![delivered(301, 9)], DAY));
    // A clock that was set back opens no segment.
    commit_one(&store, commit(vec![delivered(302, 9)], 0));
    assert_eq!(store.journal().stats().segments, by_size + 1);
    assert!(store.index().wait_applied(302, LONG));
    store.close().unwrap();

    let (store, recovered) = Store::open(small).unwrap();
    assert_eq!(recovered.totals["leads"].created, 302);
    // The index follows the chain from the first segment to the last.
    fs::remove_dir_all(folder.path().join("index")).unwrap_or_default();
    store.close().unwrap();
    let reader = open_reader(folder.path()).unwrap();
    assert!(reader.index().wait_applied(302, LONG));
    assert_eq!(
        reader
            .index()
            .trace(&TraceQuery::Key("L-00000007".into()))
            .unwrap()
            .len(),
        1
    );
    reader.close();
}

/// What each moment of beginning a segment leaves on disk, and what a start makes of it.
#[test]
fn a_crash_at_any_step_of_a_roll_leaves_a_good_journal() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    commit_one(&store, commit(every_kind(), 0));
    store.close().unwrap();
    let journal = folder.path().join("journal");
    let first = fs::read(journal.join("00000001.jsonl")).unwrap();
    let (store, before) = open(folder.path());
    commit_one(&store, commit(vec![delivered(40, 9)], DAY));
    store.close().unwrap();
    let after = open(folder.path()).1;
    let second = fs::read(journal.join("00000002.jsonl")).unwrap();
    let header = second.iter().position(|byte| *byte == b'\n').unwrap() + 1;

    let states: [(&str, &[u8], &Recovered); 5] = [
        ("00000002.jsonl.new", b"", &before),
        ("00000002.jsonl.new", &second[..header / 2], &before),
        ("00000002.jsonl.new", &second[..header], &before),
        ("00000002.jsonl", &second[..header], &before),
        ("00000002.jsonl", &second, &after),
    ];
    for (name, bytes, expected) in states {
        fs::remove_file(journal.join("00000002.jsonl")).unwrap_or_default();
        // The one before may have been packed meanwhile, as it is only behind a durable commit.
        fs::remove_file(journal.join("00000001.jsonl.zst")).unwrap_or_default();
        fs::write(journal.join("00000001.jsonl"), &first).unwrap();
        fs::write(journal.join(name), bytes).unwrap();
        let (store, recovered) = open(folder.path());
        assert_eq!(recovered, *expected, "{name} {}", bytes.len());
        let receipt = commit_one(&store, commit(vec![delivered(41, 10)], DAY));
        assert_eq!(receipt.commit, expected.last_commit + 1);
        store.close().unwrap();
        assert_eq!(open(folder.path()).1.last_commit, receipt.commit);
        assert!(!journal.join("00000002.jsonl.new").exists());
    }
}

#[test]
fn a_failed_write_stops_the_journal_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = open(folder.path());
    commit_one(&store, commit(vec![delivered(1, 1)], 0));
    // The next segment cannot be begun where a folder stands in its way.
    fs::create_dir_all(folder.path().join("journal/00000002.jsonl/x")).unwrap();
    let results = commit_all(
        &store,
        (1..=3)
            .map(|n| commit(vec![delivered(n, 2)], DAY))
            .collect(),
    );
    for result in results {
        let error = result.unwrap_err();
        assert_eq!((error.page(), error.is_fatal()), ("LS3010", true));
    }
    store.close().unwrap();
    fs::remove_dir_all(folder.path().join("journal/00000002.jsonl")).unwrap();
    assert_eq!(open(folder.path()).1.last_commit, 1);
}

#[test]
fn every_error_has_its_page() {
    let pages = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors");
    let source = include_str!("../error.rs");
    let codes: Vec<&str> = source
        .match_indices("\"LS30")
        .map(|(at, _)| &source[at + 1..at + 7])
        .collect();
    assert_eq!(codes.len(), 24);
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
    for code in codes {
        assert!(
            pages.join(format!("{code}.md")).is_file(),
            "{code} has no page"
        );
    }
}
