//! The ledger against a naive model: random streams, random order of outcomes.

use proptest::prelude::*;

use super::*;
use crate::core::change::RouteId;
use crate::core::position::{FilePosition, Gtid, GtidSet, Gtids, Position, TransactionId};

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

fn gtid(number: u64) -> Gtid {
    format!("{UUID}:{number}").parse().unwrap()
}

fn start() -> Checkpoint {
    Checkpoint {
        server_uuid: UUID.into(),
        position: Position::Gtid(GtidSet::default()),
        end: FilePosition {
            file: "binlog.000001".into(),
            offset: 4,
        },
        inside: Default::default(),
    }
}

fn change(transaction: u64, row: u64) -> ChangeId {
    ChangeId {
        transaction: Arc::new(Transaction {
            id: TransactionId::Gtid(gtid(transaction)),
            committed_at: Micros(transaction as i64),
        }),
        table: Arc::new(TableName {
            schema: "crm".into(),
            table: "leads".into(),
        }),
        row,
        route: RouteId(0),
    }
}

fn end_of(transaction: u64) -> Advance {
    let mut gtids = GtidSet::default();
    gtids.insert(&gtid(transaction));
    Advance {
        gtids: Gtids::MySql(gtids),
        end: FilePosition {
            file: "binlog.000001".into(),
            offset: transaction * 100,
        },
    }
}

#[test]
fn the_checkpoint_stands_inside_a_transaction_that_is_half_settled() {
    let mut ledger = Ledger::new(start());
    let slots: Vec<Slot> = (0..3)
        .map(|row| ledger.open(&change(1, row), 1, true))
        .collect();
    ledger.advance(end_of(1));
    ledger.settle(slots[1]);
    assert_eq!(ledger.take_checkpoint(), None);
    ledger.settle(slots[0]);
    let checkpoint = ledger.take_checkpoint().unwrap();
    assert!(checkpoint.covers(&change(1, 1)) && !checkpoint.covers(&change(1, 2)));
    ledger.settle(slots[2]);
    let checkpoint = ledger.take_checkpoint().unwrap();
    assert!(checkpoint.inside.is_empty() && checkpoint.covers(&change(1, 2)));
}

#[test]
fn a_row_is_behind_us_only_when_its_last_route_is() {
    let mut ledger = Ledger::new(start());
    let first = ledger.open(&change(1, 0), 1, false);
    let second = ledger.open(&change(1, 0), 1, true);
    ledger.settle(first);
    assert!(!ledger.checkpoint().covers(&change(1, 0)));
    ledger.settle(second);
    assert!(ledger.checkpoint().covers(&change(1, 0)));
}

#[test]
fn a_restart_takes_its_turn_in_the_streams_order_and_keeps_what_it_does_not_cover() {
    let other = "3e11fa47-71ca-11e1-9e33-c80aa9429563";
    let elsewhere = |last: u64| {
        let mut gtids = GtidSet::default();
        gtids.insert_interval(&gtid(1).source, 1, last);
        Checkpoint {
            server_uuid: other.into(),
            position: Position::Gtid(gtids),
            ..start()
        }
    };
    // Another server takes over inside the first transaction.
    let mut ledger = Ledger::new(start());
    let first = ledger.open(&change(1, 0), 1, true);
    ledger.restart(Checkpoint {
        position: Position::Gtid(GtidSet::default()),
        ..elsewhere(0)
    });
    let second = ledger.open(&change(1, 1), 1, true);
    assert_eq!(ledger.checkpoint().server_uuid, UUID);
    ledger.settle(first);
    assert_eq!(ledger.checkpoint().server_uuid, other);
    assert!(ledger.checkpoint().covers(&change(1, 0)));
    assert!(!ledger.checkpoint().covers(&change(1, 1)));
    // History is lost up to the third, this one included.
    ledger.restart(elsewhere(3));
    assert!(!ledger.checkpoint().covers(&change(3, 0)));
    ledger.settle(second);
    assert_eq!(ledger.checkpoint(), &elsewhere(3));
    assert!(ledger.has_moved() && ledger.is_empty());
}

#[test]
fn another_order_of_transactions_leaves_several_half_behind_us_and_none_is_forgotten() {
    let mut ledger = Ledger::new(start());
    let settled = |ledger: &mut Ledger, number: u64, row: u64| {
        let slot = ledger.open(&change(number, row), 1, true);
        ledger.settle(slot);
    };
    // Two rows of the first are settled; the server that takes over sends others before it.
    settled(&mut ledger, 1, 0);
    settled(&mut ledger, 1, 1);
    ledger.restart(start());
    settled(&mut ledger, 2, 0);
    ledger.advance(end_of(2));
    settled(&mut ledger, 3, 0);
    let covers = |ledger: &Ledger, number, row| ledger.checkpoint().covers(&change(number, row));
    for row in 0..3 {
        assert_eq!(covers(&ledger, 1, row), row < 2, "row {row} of the first");
        assert_eq!(covers(&ledger, 3, row), row < 1, "row {row} of the third");
    }
    assert!(covers(&ledger, 2, 0));
    // A third server, and the first goes on; then its end comes.
    ledger.restart(ledger.checkpoint().clone());
    settled(&mut ledger, 1, 2);
    assert!(covers(&ledger, 1, 2) && !covers(&ledger, 1, 3) && covers(&ledger, 3, 0));
    ledger.advance(end_of(1));
    assert!(covers(&ledger, 1, 3) && covers(&ledger, 3, 0) && !covers(&ledger, 3, 1));
    ledger.advance(end_of(3));
    assert!(ledger.checkpoint().inside.is_empty());
}

#[test]
fn a_place_that_holds_the_checkpoint_keeps_what_was_begun_before_it() {
    let mut ledger = Ledger::new(start());
    let slot = ledger.open(&change(1, 0), 1, true);
    ledger.settle(slot);
    ledger.restart(start());
    ledger.hold(Some(start().position));
    assert!(ledger.is_held() && ledger.checkpoint().covers(&change(1, 0)));
    ledger.advance(end_of(1));
    ledger.hold(None);
    assert!(!ledger.is_held() && ledger.checkpoint().covers(&change(1, 9)));
    assert!(ledger.checkpoint().inside.is_empty());
}

#[test]
fn rows_at_places_of_a_history_that_is_over_are_no_rows_of_the_next() {
    let place = |offset: u64| FilePosition {
        file: "binlog.000001".into(),
        offset,
    };
    let at = |offset: u64| Checkpoint {
        position: Position::File(place(offset)),
        ..start()
    };
    let mut begun = change(1, 0);
    begun.transaction = Arc::new(Transaction {
        id: TransactionId::File(place(500)),
        committed_at: Micros(0),
    });
    let mut ledger = Ledger::new(at(500));
    let slot = ledger.open(&begun, 1, true);
    ledger.settle(slot);
    assert!(ledger.checkpoint().covers(&begun));
    // The binlog begins anew, and another transaction will stand there.
    ledger.restart(at(4));
    assert!(!ledger.checkpoint().covers(&begun));
}

#[test]
#[should_panic(expected = "settled twice")]
fn settling_twice_is_a_bug() {
    let mut ledger = Ledger::new(start());
    ledger.open(&change(1, 0), 1, true);
    let slot = ledger.open(&change(1, 1), 1, true);
    ledger.settle(slot);
    ledger.settle(slot);
}

proptest! {
    #[test]
    fn the_checkpoint_covers_exactly_the_settled_prefix(
        sizes in prop::collection::vec(0_u64..5, 1..12),
        order in prop::collection::vec(any::<u32>(), 60),
    ) {
        let mut ledger = Ledger::new(start());
        let mut rows = Vec::new();
        for (index, size) in sizes.iter().enumerate() {
            let number = index as u64 + 1;
            for row in 0..*size {
                rows.push((ledger.open(&change(number, row), 1, true), change(number, row), false));
            }
            ledger.advance(end_of(number));
        }
        let mut open: Vec<usize> = (0..rows.len()).collect();
        for pick in order {
            if open.is_empty() { break; }
            let index = open.swap_remove(pick as usize % open.len());
            ledger.settle(rows[index].0);
            rows[index].2 = true;
            let prefix = rows.iter().take_while(|row| row.2).count();
            for (position, (_, id, _)) in rows.iter().enumerate() {
                prop_assert_eq!(ledger.checkpoint().covers(id), position < prefix);
            }
            let oldest = rows.iter().find(|row| !row.2).map(|row| row.1.transaction.committed_at);
            prop_assert_eq!(ledger.oldest_unsettled(), oldest);
        }
        for index in open { ledger.settle(rows[index].0); }
        prop_assert!(ledger.is_empty());
        let all: GtidSet = format!("{UUID}:1-{}", sizes.len()).parse().unwrap();
        prop_assert_eq!(&ledger.checkpoint().position, &Position::Gtid(all));
    }
}

#[test]
fn a_held_checkpoint_waits_and_then_is_where_the_stream_has_come_to() {
    let place = |offset: u64| FilePosition {
        file: "binlog.000001".into(),
        offset,
    };
    let end = |offset: u64| Advance {
        gtids: Gtids::None,
        end: place(offset),
    };
    let row = |offset: u64, row: u64| {
        let mut id = change(1, row);
        id.transaction = Arc::new(Transaction {
            id: TransactionId::File(place(offset)),
            committed_at: Micros(0),
        });
        id
    };
    let mut checkpoint = start();
    checkpoint.position = Position::File(place(4));
    let mut ledger = Ledger::new(checkpoint);

    let before = ledger.open(&row(4, 0), 1, true);
    ledger.advance(end(100));
    ledger.hold(Some(Position::File(place(100))));
    ledger.advance(end(200));
    let behind = ledger.open(&row(200, 0), 1, true);
    ledger.settle(behind);
    assert_eq!(ledger.checkpoint().end, place(4), "nothing is passed yet");
    ledger.settle(before);
    assert_eq!(ledger.checkpoint().position, Position::File(place(100)));
    assert!(
        ledger.checkpoint().inside.is_empty(),
        "rows behind do not show"
    );
    ledger.advance(end(300));

    // Another one was prepared at 250; the first is decided.
    ledger.hold(Some(Position::File(place(250))));
    assert_eq!(ledger.checkpoint().position, Position::File(place(250)));
    ledger.advance(end(400));
    assert_eq!(ledger.checkpoint().end, place(250));
    ledger.hold(None);
    assert_eq!(ledger.checkpoint().position, Position::File(place(400)));
    ledger.advance(end(500));
    assert_eq!(ledger.checkpoint().end, place(500));
}
