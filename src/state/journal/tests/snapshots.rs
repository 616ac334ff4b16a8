//! A snapshot's rows in the journal: settled ahead until its progress passes them, over restarts and
//! new segments.

use super::*;
use crate::core::change::{ChangeId, Transaction};
use crate::core::entry::Subject;
use crate::core::position::{SnapshotRow, TransactionId};
use crate::core::snapshot::{
    ChunkEnd, KeyBound, KeyPart, SettledRow, Snapshot, SnapshotReason, SnapshotState, TableSnapshot,
};

fn running(number: u64) -> Snapshot {
    Snapshot {
        number,
        reason: SnapshotReason::Requested,
        started_at: Micros(NOON),
        ended_at: None,
        state: SnapshotState::Running,
        tables: vec![TableSnapshot {
            table: (*table()).clone(),
            routes: vec!["leads".into()],
            condition: Some("id > 5".into()),
            after: None,
            chunks: 0,
            rows: 0,
            overtaken: 0,
            estimated_rows: Some(10),
            finished: false,
        }],
        settled: Vec::new(),
    }
}

fn end(last: bool) -> ChunkEnd {
    ChunkEnd {
        snapshot: 1,
        table: 0,
        after: Some(KeyBound {
            columns: vec!["id".into(), "token".into()],
            values: vec![KeyPart::Int(7), KeyPart::Bytes("00ff".into())],
        }),
        rows: 2,
        overtaken: 1,
        last,
    }
}

fn row(snapshot: u64, key: &str, parked: Option<u64>) -> Subject {
    let number = key.len() as u64;
    Subject {
        id: ChangeId {
            transaction: Arc::new(Transaction {
                id: TransactionId::Snapshot(SnapshotRow {
                    snapshot,
                    key: key.into(),
                }),
                committed_at: Micros(NOON),
            }),
            ..change(number, 0, 0)
        },
        parked,
        letter: None,
        ..subject(number, 0, 0)
    }
}

fn delivered_row(snapshot: u64, key: &str, parked: Option<u64>) -> Entry {
    Entry::Delivered {
        subject: row(snapshot, key, parked),
        salesforce_id: salesforce_id(1),
        created: true,
        attempt: attempt(1),
    }
}

fn progress(snapshot: &Snapshot, entries: Vec<Entry>) -> Commit {
    Commit {
        snapshot: Some(snapshot.clone()),
        ..commit(entries, 1)
    }
}

/// Keys of the rows that a restart must not count again.
#[track_caller]
fn check_ahead(bench: &Bench, wanted: &[&str]) {
    let recovered = bench.recover().unwrap();
    let mut keys: Vec<String> = recovered
        .settled_ahead
        .iter()
        .map(|id| id.transaction.to_string())
        .collect();
    keys.sort_unstable();
    assert_eq!(keys, wanted);
}

#[test]
fn settled_rows_of_a_chunk_are_kept_until_its_progress_passes_them() {
    let mut bench = Bench::new(PayloadPolicy::Masked);
    let mut snapshot = running(1);
    bench.write(&[progress(&snapshot, vec![])]);
    bench.write(&[commit(vec![delivered_row(1, "a", None)], 1)]);
    let parked = Entry::Parked {
        subject: row(1, "b,c:d", None),
        serial: 1,
        unknown: false,
    };
    bench.write(&[commit(vec![parked], 1)]);
    check_ahead(&bench, &["snapshot:1:a", "snapshot:1:b,c:d"]);

    // An estimate is no progress; a new segment carries the rows on.
    snapshot.tables[0].estimated_rows = Some(12);
    bench.write(&[progress(&snapshot, vec![])]);
    bench.roll();
    check_ahead(&bench, &["snapshot:1:a", "snapshot:1:b,c:d"]);
    let recovered = bench.recover().unwrap();
    assert_eq!(recovered.snapshot, Some(snapshot.clone()));
    assert_eq!(recovered.parked[0].oldest_committed(), None);

    // The commit that settles the chunk's last row may carry its progress.
    snapshot.finish_chunk(&end(false), Micros(NOON + 5));
    snapshot.settled = vec![SettledRow {
        table: "shop.leads".into(),
        route: "leads".into(),
        key: "a".into(),
    }];
    bench.write(&[progress(&snapshot, vec![delivered_row(1, "e", None)])]);
    check_ahead(&bench, &[]);
    // What leaves parking later belongs to a chunk that is behind us.
    bench.write(&[commit(vec![delivered_row(1, "b,c:d", Some(1))], 1)]);
    check_ahead(&bench, &[]);
    let recovered = bench.recover().unwrap();
    assert_eq!(recovered.snapshot, Some(snapshot));
    assert!(recovered.parked.is_empty());
    assert_eq!(recovered.totals["leads"].created, 3);
}

#[test]
fn the_end_of_a_snapshot_forgets_its_rows_and_those_that_come_after() {
    for state in [
        SnapshotState::Cancelled,
        SnapshotState::Failed {
            page: "LS1012".into(),
            text: "no key".into(),
        },
    ] {
        let mut bench = Bench::new(PayloadPolicy::Masked);
        let mut snapshot = running(1);
        bench.write(&[progress(&snapshot, vec![])]);
        bench.write(&[commit(vec![delivered_row(1, "a", None)], 1)]);
        snapshot.end(state, Micros(NOON + 9));
        bench.write(&[progress(&snapshot, vec![])]);
        bench.write(&[commit(vec![delivered_row(1, "b", None)], 1)]);
        check_ahead(&bench, &[]);
        bench.write(&[progress(&running(2), vec![])]);
        let late = vec![delivered_row(1, "c", None), delivered_row(2, "d", None)];
        bench.write(&[commit(late, 1)]);
        bench.roll();
        check_ahead(&bench, &["snapshot:2:d"]);
        let recovered = bench.recover().unwrap();
        assert_eq!(recovered.snapshot.unwrap().number, 2);
    }
}
