//! The planner: when batches close, and that a key never travels twice.

use super::*;
use crate::core::change::{Operation, Transaction};
use crate::core::entry::Image;
use crate::core::position::{FilePosition, TransactionId};
use crate::core::schema::TableName;
use crate::core::time::Micros;

fn record(route: u16, key: &str, row: u64, since: u64) -> Record {
    let place = FilePosition {
        file: "binlog.000001".into(),
        offset: 4,
    };
    Record {
        subject: Subject {
            id: ChangeId {
                transaction: Arc::new(Transaction {
                    id: TransactionId::File(place),
                    committed_at: Micros(0),
                }),
                table: Arc::new(TableName {
                    schema: "crm".into(),
                    table: "leads".into(),
                }),
                row,
                route: RouteId(route),
            },
            operation: Operation::Insert,
            image: Arc::new(Image {
                key: key.into(),
                payload: "{}".into(),
                email: None,
                row: None,
            }),
            captured_at: Micros(0),
            parked: None,
            letter: None,
        },
        slot: Some(Slot(row)),
        attempts: 0,
        unknown: false,
        unknown_until: Tick(0),
        failed_at: None,
        charge: 1,
        since: Tick(since),
        scope: 0,
        key: key.into(),
        absorbed: Vec::new(),
    }
}

fn planner(routes: usize) -> Planner {
    Planner::new(
        BatchLimits {
            max_records: 3,
            max_bytes: 10_000,
            max_age_ms: 50,
        },
        routes,
    )
}

fn rows(planner: &Planner, batch: &Batch) -> Vec<u64> {
    batch
        .records
        .iter()
        .map(|handle| planner.record(*handle).subject.id.row)
        .collect()
}

#[test]
fn a_batch_closes_by_count_at_once_and_by_age_when_due() {
    let mut planner = planner(1);
    for row in 0..4 {
        planner.admit(record(0, &row.to_string(), row, 10));
    }
    let full = planner.take_batch(Tick(10), false, |_| true).unwrap();
    assert_eq!(rows(&planner, &full), [0, 1, 2]);
    assert_eq!(planner.take_batch(Tick(59), false, |_| true), None);
    assert_eq!(planner.next_due(|_| Some(Tick(0))), Some(Tick(60)));
    let aged = planner.take_batch(Tick(60), false, |_| true).unwrap();
    assert_eq!(rows(&planner, &aged), [3]);
}

#[test]
fn a_batch_closes_by_bytes_and_a_huge_record_travels_alone() {
    let mut planner = Planner::new(
        BatchLimits {
            max_records: 9,
            max_bytes: 150,
            max_age_ms: 0,
        },
        1,
    );
    for row in 0..3 {
        planner.admit(record(0, &row.to_string(), row, 0));
    }
    let mut huge = record(0, "huge", 3, 0);
    huge.subject.image = Arc::new(Image {
        payload: "x".repeat(900).into(),
        ..huge.subject.image.as_ref().clone()
    });
    planner.admit(huge);
    let mut batches = Vec::new();
    while let Some(batch) = planner.take_batch(Tick(0), false, |_| true) {
        batches.push(rows(&planner, &batch));
    }
    assert_eq!(batches, [vec![0, 1], vec![2], vec![3]]);
}

#[test]
fn a_newer_image_takes_the_place_of_an_unsent_one() {
    let mut planner = planner(1);
    planner.admit(record(0, "a", 0, 0));
    planner.admit(record(0, "b", 1, 0));
    let replaced = planner.admit(record(0, "a", 2, 9)).unwrap();
    assert_eq!((replaced.older[0].subject.id.row, replaced.by.row), (0, 2));
    let batch = planner.take_batch(Tick(50), false, |_| true).unwrap();
    assert_eq!(rows(&planner, &batch), [2, 1]);
}

#[test]
fn a_newer_image_waits_behind_one_that_was_sent() {
    let mut planner = planner(1);
    planner.admit(record(0, "a", 0, 0));
    let first = planner.take_batch(Tick(50), false, |_| true).unwrap();
    planner.admit(record(0, "a", 1, 60));
    let replaced = planner.admit(record(0, "a", 2, 60)).unwrap();
    assert_eq!(
        replaced.older[0].subject.id.row, 1,
        "of two that wait the newer is kept"
    );
    assert_eq!(planner.take_batch(Tick(500), false, |_| true), None);
    planner.retry(RouteId(0), first.records.clone(), Tick(700));
    assert_eq!(planner.take_batch(Tick(600), false, |_| true), None);
    let again = planner.take_batch(Tick(700), false, |_| true).unwrap();
    assert_eq!(rows(&planner, &again), [0]);
    planner.remove(again.records[0]);
    let next = planner.take_batch(Tick(700), false, |_| true).unwrap();
    assert_eq!(rows(&planner, &next), [2]);
    planner.remove(next.records[0]);
    assert!(planner.is_empty());
}

#[test]
fn routes_that_share_a_scope_share_its_keys() {
    let mut planner = planner(2);
    planner.admit(record(0, "a", 0, 0));
    assert_eq!(
        planner.admit(record(1, "a", 1, 0)),
        None,
        "never replaced across routes"
    );
    let batch = planner.take_batch(Tick(90), false, |_| true).unwrap();
    assert_eq!(batch.route, RouteId(0));
    assert_eq!(planner.take_batch(Tick(90), false, |_| true), None);
    planner.remove(batch.records[0]);
    assert_eq!(
        planner.take_batch(Tick(90), false, |_| true).unwrap().route,
        RouteId(1)
    );
}

#[test]
fn draining_takes_what_is_not_in_flight_and_keeps_what_waits_behind_it() {
    let mut planner = planner(1);
    planner.admit(record(0, "a", 0, 0));
    let flying = planner.take_batch(Tick(50), false, |_| true).unwrap();
    planner.admit(record(0, "a", 1, 0));
    planner.admit(record(0, "b", 2, 0));
    planner.admit(record(0, "c", 3, 0));
    let drained: Vec<u64> = planner
        .drain(RouteId(0), 1)
        .iter()
        .map(|r| r.subject.id.row)
        .collect();
    assert_eq!(drained, [2]);
    planner.retry(RouteId(0), flying.records, Tick(0));
    let drained: Vec<u64> = planner
        .drain(RouteId(0), 9)
        .iter()
        .map(|r| r.subject.id.row)
        .collect();
    assert_eq!(
        drained,
        [0, 1, 3],
        "the newer image of a parked one is parked behind it"
    );
    assert!(planner.is_empty());
}

#[test]
fn nothing_waits_for_company_that_cannot_come() {
    let mut planner = planner(1);
    planner.admit(record(0, "a", 0, 10));
    assert_eq!(planner.take_batch(Tick(10), false, |_| true), None);
    planner.set_pressed(true);
    assert_eq!(planner.next_due(|_| Some(Tick(0))), Some(Tick(10)));
    assert!(planner.take_batch(Tick(10), false, |_| true).is_some());
}

#[test]
fn an_image_behind_a_record_from_parking_can_be_parked_in_its_turn() {
    let mut planner = planner(1);
    planner.admit(Record {
        slot: None,
        ..record(0, "a", 0, 0)
    });
    let read_back = planner.take_batch(Tick(50), false, |_| true).unwrap();
    planner.admit(record(0, "a", 1, 60));
    assert!(planner.holds_unparked(0, &"a".into()));
    let drained: Vec<u64> = planner
        .drain(RouteId(0), 9)
        .iter()
        .map(|r| r.subject.id.row)
        .collect();
    assert_eq!(drained, [1]);
    assert!(!planner.holds_unparked(0, &"a".into()));
    planner.remove(read_back.records[0]);
    assert!(planner.is_empty());
}

#[test]
fn something_fresh_goes_first_when_asked_for() {
    let mut planner = planner(1);
    planner.admit(record(0, "a", 0, 0));
    let failed = planner.take_batch(Tick(50), false, |_| true).unwrap();
    planner.retry(RouteId(0), failed.records, Tick(0));
    planner.admit(record(0, "b", 1, 0));
    let batch = planner.take_batch(Tick(50), true, |_| true).unwrap();
    assert_eq!(rows(&planner, &batch), [1]);
    let batch = planner.take_batch(Tick(50), true, |_| true).unwrap();
    assert_eq!(rows(&planner, &batch), [0]);
}

fn with_payload(mut record: Record, payload: &str) -> Record {
    record.subject.image = Arc::new(Image {
        payload: payload.into(),
        ..record.subject.image.as_ref().clone()
    });
    record
}

#[test]
fn what_a_newer_image_leaves_out_is_carried_with_it_until_one_speaks_of_all() {
    let mut planner = planner(1);
    planner.admit(with_payload(record(0, "a", 0, 0), r#"{"A":1,"B":1}"#));
    let partial = with_payload(record(0, "a", 1, 0), r#"{"B":2}"#);
    assert_eq!(planner.admit(partial), None);
    let partial = with_payload(record(0, "a", 2, 0), r#"{"C":3}"#);
    assert_eq!(planner.admit(partial), None);
    let batch = planner.take_batch(Tick(50), false, |_| true).unwrap();
    let carried = planner.record(batch.records[0]);
    assert_eq!(&*carried.subject.image.payload, r#"{"A":1,"B":2,"C":3}"#);
    let absorbed = |record: &Record| -> Vec<u64> {
        record.absorbed.iter().map(|r| r.subject.id.row).collect()
    };
    assert_eq!(absorbed(carried), [0, 1]);

    let mut planner = self::planner(1);
    planner.admit(with_payload(record(0, "a", 0, 0), r#"{"A":1}"#));
    planner.admit(with_payload(record(0, "a", 1, 0), r#"{"B":2}"#));
    let whole = with_payload(record(0, "a", 2, 0), r#"{"A":3,"B":3}"#);
    let replaced = planner.admit(whole).unwrap();
    let rows: Vec<u64> = replaced.older.iter().map(|r| r.subject.id.row).collect();
    assert_eq!(rows, [0, 1]);
    let batch = planner.take_batch(Tick(50), false, |_| true).unwrap();
    assert_eq!(absorbed(planner.record(batch.records[0])), [0; 0]);
}

#[test]
fn what_salesforce_may_have_goes_again_as_it_was() {
    let mut planner = planner(1);
    planner.admit(Record {
        unknown: true,
        ..record(0, "a", 0, 0)
    });
    assert_eq!(planner.admit(record(0, "a", 1, 0)), None);
    let first = planner.take_batch(Tick(50), false, |_| true).unwrap();
    assert_eq!(rows(&planner, &first), [0]);
}

#[test]
fn a_key_that_rests_lets_newer_images_gather_and_others_pass() {
    let mut planner = planner(1);
    planner.admit(record(0, "a", 0, 0));
    let first = planner.take_batch(Tick(50), false, |_| true).unwrap();
    planner.admit(record(0, "a", 1, 60));
    planner.rest(0, &"a".into(), Tick(900));
    planner.remove(first.records[0]);
    planner.admit(record(0, "b", 2, 100));
    let replaced = planner.admit(record(0, "a", 3, 100)).unwrap();
    assert_eq!(replaced.older[0].subject.id.row, 1);
    planner.wake(Tick(899));
    let other = planner.take_batch(Tick(899), false, |_| true).unwrap();
    assert_eq!(rows(&planner, &other), [2]);
    planner.remove(other.records[0]);
    assert_eq!(planner.next_due(|_| Some(Tick(0))), Some(Tick(900)));
    planner.wake(Tick(900));
    let rested = planner.take_batch(Tick(900), false, |_| true).unwrap();
    assert_eq!(rows(&planner, &rested), [3]);
    planner.remove(rested.records[0]);
    assert!(!planner.knows(0, &"a".into()));
}

#[test]
fn a_key_rests_without_a_record_and_a_resting_record_can_be_parked() {
    let mut planner = planner(1);
    planner.rest(0, &"a".into(), Tick(900));
    planner.rest(0, &"a".into(), Tick(500));
    planner.admit(record(0, "a", 0, 0));
    planner.wake(Tick(600));
    assert_eq!(planner.take_batch(Tick(600), false, |_| true), None);
    let drained = planner.drain(RouteId(0), 9);
    assert_eq!(drained.len(), 1);
    assert!(planner.is_empty());
    assert!(planner.knows(0, &"a".into()), "it rests all the same");
}
