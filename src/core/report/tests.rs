//! Counting, on invented steps.

use std::sync::Arc;

use super::*;
use crate::core::change::{ChangeId, Operation, RouteId, Transaction};
use crate::core::entry::{Attempt, Image};
use crate::core::letters::{LetterName, OpenLetter};
use crate::core::outcome::ErrorClass;
use crate::core::schema::TableName;

/// 2026-09-21T14:13:20Z.
const START: i64 = 1_790_000_000_000_000;
const SECOND: i64 = 1_000_000;

fn id(number: u64, transaction: &str, committed_at: i64) -> ChangeId {
    ChangeId {
        transaction: Arc::new(Transaction {
            id: transaction.parse().unwrap(),
            committed_at: Micros(committed_at),
        }),
        table: Arc::new(TableName {
            schema: "crm".into(),
            table: "leads".into(),
        }),
        row: number,
        route: RouteId(0),
    }
}

fn subject(number: u64, transaction: &str, committed_at: i64) -> Subject {
    Subject {
        id: id(number, transaction, committed_at),
        operation: Operation::Insert,
        image: Arc::new(Image {
            key: number.to_string().into(),
            payload: "{}".into(),
            email: None,
            row: None,
        }),
        captured_at: Micros(committed_at),
        parked: None,
        letter: None,
    }
}

/// A record that was committed at the start and accepted so much later.
fn delivered(subject: Subject, created: bool, took: i64) -> Entry {
    let committed = subject.id.transaction.committed_at.0;
    Entry::Delivered {
        subject,
        salesforce_id: String::new(),
        created,
        attempt: Attempt {
            batch: 1,
            number: 1,
            sent_at: Micros(committed),
            answered_at: Micros(committed + took),
        },
    }
}

fn of_stream(number: u64) -> Subject {
    subject(number, "file:binlog.000001:4", START)
}

fn letter(number: u64) -> Subject {
    Subject {
        letter: Some(number),
        ..of_stream(number)
    }
}

fn refused(subject: Subject) -> Entry {
    Entry::DeadLettered {
        letter: 1,
        open: OpenLetter {
            key: None,
            last: true,
        },
        class: ErrorClass::Data,
        code: String::new(),
        errors: Vec::new(),
        attempt: None,
        subject,
    }
}

fn frame(by: SlotLength, hours: i64) -> Frame {
    Frame {
        since: Micros(START),
        until: Micros(START + hours * HOUR_MICROS),
        by,
        utc_offset: 0,
    }
}

fn tally(entries: &[(i64, Entry)], frame: Frame) -> Report {
    let mut tally = Tally::new(frame);
    for (at, entry) in entries {
        tally.enter(Step {
            at: Micros(*at),
            route: "leads",
            entry,
            code: "INVALID_EMAIL_ADDRESS",
        });
    }
    tally.finish()
}

#[test]
fn every_change_is_captured_once_whatever_way_it_goes() {
    let parked = |serial: u64| Entry::Parked {
        subject: of_stream(serial),
        serial,
        unknown: false,
    };
    let from_parking = Subject {
        parked: Some(1),
        ..of_stream(2)
    };
    let named = || LetterName {
        number: 1,
        route: RouteId(0),
        key: "1".into(),
    };
    let entries = [
        delivered(of_stream(1), true, SECOND),
        parked(1),
        delivered(from_parking, false, SECOND),
        parked(2),
        refused(of_stream(3)),
        Entry::Edited {
            letter: named(),
            author: "ann".into(),
            before: "{}".into(),
            after: "{}".into(),
        },
        Entry::Replayed {
            letter: named(),
            author: "ann".into(),
        },
        refused(letter(3)),
        delivered(letter(3), true, 90_000 * SECOND),
        refused(of_stream(4)),
        Entry::Discarded {
            letter: named(),
            author: "ann".into(),
            reason: "a test".into(),
        },
        refused(of_stream(5)),
        Entry::LetterOutdated {
            letter: named(),
            by: id(6, "file:binlog.000001:4", START),
        },
        Entry::Skipped {
            id: id(7, "file:binlog.000001:4", START),
            rows: 5,
            operation: Operation::Delete,
            rule: SkipRule::OperationNotRouted,
        },
        Entry::Filtered {
            subject: of_stream(12),
        },
    ];
    let entries: Vec<(i64, Entry)> = entries.into_iter().map(|entry| (START, entry)).collect();
    let total = tally(&entries, frame(SlotLength::Hour, 1)).total;
    // 1; two parked; three rejected; five skipped rows and a filtered one.
    assert_eq!(total.captured, 1 + 2 + 3 + 6);
    assert_eq!((total.created, total.updated, total.mended), (2, 1, 1));
    assert_eq!((total.rejected, total.rejected_again), (3, 1));
    assert_eq!((total.edited, total.replayed, total.discarded), (1, 1, 1));
    assert_eq!((total.parked, total.left_parking), (2, 1));
    assert_eq!(total.skipped_total(), 7);
    // The books of the period: what came is where it went, or is still there.
    let open = total.rejected - total.mended - total.discarded - total.skipped["superseded"];
    let still_parked = total.parked - total.left_parking;
    assert_eq!(
        total.captured,
        total.delivered() + total.skipped_total() + total.discarded + open + still_parked
    );
    let causes = [Cause {
        class: "data".into(),
        code: "INVALID_EMAIL_ADDRESS".into(),
        count: 3,
    }];
    assert_eq!(total.causes, causes);
    // A person's patience is no latency.
    assert_eq!(total.latency.unwrap().count, 2);
}

#[test]
fn latency_and_freshness_are_of_the_stream() {
    let mut entries = Vec::new();
    for number in 1..=1_000 {
        let took = number as i64 * SECOND / 10;
        entries.push((START, delivered(of_stream(number), true, took)));
    }
    entries.push((START, delivered(of_stream(1_001), true, 4_000 * SECOND)));
    // A clock that is ahead of ours, and a row that a snapshot read.
    entries.push((START, delivered(of_stream(1_002), true, -SECOND)));
    let old = subject(1, "snapshot:1:7", START - 1_000 * DAY_MICROS);
    entries.push((START, delivered(old, true, 1_000 * DAY_MICROS)));
    let latency = tally(&entries, frame(SlotLength::Hour, 1))
        .total
        .latency
        .unwrap();
    assert_eq!(latency.count, 1_002);
    let near = |value: f64, wanted: f64| (value - wanted).abs() <= wanted / 100.0;
    assert!(near(latency.p50, 50.0), "{latency:?}");
    assert!(near(latency.p90, 90.1), "{latency:?}");
    assert!(near(latency.max, 4_000.0), "{latency:?}");
    assert_eq!(
        (
            latency.within_1_min,
            latency.within_5_min,
            latency.within_1_hour
        ),
        (601, 1_001, 1_001)
    );
}

#[test]
fn steps_fall_into_the_slots_of_the_zone_and_the_period_has_ends() {
    let at = |offset: i64| (START + offset, delivered(of_stream(1), true, SECOND));
    let entries = [at(-1), at(0), at(HOUR_MICROS), at(2 * HOUR_MICROS)];
    let report = tally(&entries, frame(SlotLength::Hour, 2));
    let created: Vec<u64> = report
        .slots
        .iter()
        .map(|slot| slot.figures.created)
        .collect();
    // 14:00, 15:00 and 16:00, of which the last ends at 16:13:20.
    assert_eq!(created, [1, 1, 0]);
    assert_eq!(report.total.created, 2);
    let east = Frame {
        utc_offset: 2 * 3_600,
        ..frame(SlotLength::Day, 24)
    };
    let report = tally(&[at(0), at(8 * HOUR_MICROS)], east);
    let created: Vec<u64> = report
        .slots
        .iter()
        .map(|slot| slot.figures.created)
        .collect();
    // 22:13 UTC is past midnight two hours further east.
    assert_eq!(created, [1, 1]);
    assert_eq!(report.slots[1].start.0 % DAY_MICROS, 22 * HOUR_MICROS);
}

#[test]
fn a_report_of_too_many_slots_is_refused() {
    assert!(frame(SlotLength::Hour, 2_399).check().is_ok());
    let error = frame(SlotLength::Hour, 2_400).check().unwrap_err();
    assert_eq!(error.slots, 2_401);
    assert!(frame(SlotLength::Day, 24 * 2_300).check().is_ok());
}

#[test]
fn causes_without_end_are_counted_together() {
    let mut tally = Tally::new(frame(SlotLength::Hour, 1));
    let entry = refused(of_stream(1));
    for number in 0..2_000 {
        tally.enter(Step {
            at: Micros(START),
            route: "leads",
            entry: &entry,
            code: &format!("CODE_{number}"),
        });
    }
    let causes = tally.finish().total.causes;
    assert!(causes.len() <= MAX_CAUSES + 1, "{}", causes.len());
    assert_eq!(causes.iter().map(|cause| cause.count).sum::<u64>(), 2_000);
    assert_eq!(causes[0].code, "other");
}
