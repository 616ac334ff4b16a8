//! Rows that a route's filter leaves out, or can say nothing of: how they are booked.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tests::{ROUTES, settings, table};
use super::*;
use crate::core::change::{Change, ChangeId, Operation, StreamItem, Transaction, Unmapped};
use crate::core::entry::{ParkedRecord, SkipRule, Totals};
use crate::core::mapping::tests::plan_with_filter;
use crate::core::position::{FilePosition, GtidSet, Position, TransactionId};
use crate::core::source_row::{Kept, Lack, SourceRow};
use crate::core::value::Value;

const NOW: Now = Now {
    tick: Tick(0),
    wall: Micros(0),
};

fn pipeline(recovered: &Recovered) -> Pipeline {
    let checkpoint = Checkpoint {
        server_uuid: String::new(),
        position: Position::Gtid(GtidSet::default()),
        end: place(4),
        inside: Default::default(),
    };
    let setup = RouteSetup {
        name: ROUTES[0].into(),
        table: TableName::clone(&table(ROUTES[0])),
        plan: Arc::new(plan_with_filter("name == \"carried\"")),
        scope: 0,
        updates: false,
        bulk: true,
        lack: None,
    };
    Pipeline::new(settings(1), vec![setup], recovered, checkpoint)
}

fn place(offset: u64) -> FilePosition {
    FilePosition {
        file: "binlog.000001".into(),
        offset,
    }
}

fn id(number: u64) -> ChangeId {
    ChangeId {
        transaction: Arc::new(Transaction {
            id: TransactionId::File(place(number)),
            committed_at: Micros(0),
        }),
        table: table(ROUTES[0]),
        row: 0,
        route: RouteId(0),
    }
}

fn captured(number: u64, name: Value) -> StreamItem {
    StreamItem::Row(Change {
        id: id(number),
        last_of_row: true,
        operation: Operation::Insert,
        values: [Some(Value::UInt(number)), Some(name)].into(),
        captured_at: Micros(0),
    })
}

/// What the steps so far made durable.
fn entries(effects: Vec<Effect>) -> Vec<Entry> {
    let commits = effects.into_iter().filter_map(|effect| match effect {
        Effect::Commit { commit, .. } => Some(commit.entries),
        _ => None,
    });
    commits.flatten().collect()
}

fn books(entries: &[Entry]) -> Totals {
    let mut totals = Totals::default();
    entries.iter().for_each(|entry| totals.apply(entry));
    totals
}

#[test]
fn what_the_filter_leaves_out_is_skipped_by_its_rule_and_what_it_cannot_say_is_kept() {
    let mut pipeline = pipeline(&Recovered::default());
    let items = vec![
        captured(1, Value::Text("secret".into())),
        captured(2, Value::Text("carried".into())),
        captured(3, Value::Decimal("1".into())),
    ];
    let chunk = Chunk { items, bytes: 300 };
    let mut effects = pipeline.step(Input::Captured(chunk), NOW);
    effects.extend(pipeline.step(Input::Timer, NOW));

    let entries = entries(effects);
    let totals = books(&entries);
    assert_eq!(totals.skipped, BTreeMap::from([(SkipRule::Where, 1)]));
    assert_eq!(totals.dead_lettered["mapping"], 1);
    let view = pipeline.view();
    let route = &view.routes[0];
    assert_eq!(
        route.captured - totals.accounted(),
        route.in_flight,
        "the books balance: the row in the middle is on its way"
    );
    assert_eq!(route.in_flight, 1);
    let filtered = entries.iter().find_map(|entry| match entry {
        Entry::Filtered { subject } => Some(subject),
        _ => None,
    });
    let image = &filtered.unwrap().image;
    assert_eq!(
        (&*image.key, &*image.payload),
        ("1", ""),
        "its key alone is kept"
    );
    assert!(image.row.is_none() && image.email.is_none());
}

#[test]
fn a_row_that_waited_is_asked_too_and_leaves_parking() {
    let table = table(ROUTES[0]);
    let lack = Arc::new(Lack::absent(&table, "name", std::iter::empty()));
    let waiting = Unmapped {
        id: id(1),
        last_of_row: true,
        operation: Operation::Insert,
        row: Arc::new(SourceRow {
            columns: ["id".into(), "name".into()].into(),
            values: vec![
                Kept::Value(Value::UInt(1)),
                Kept::Value(Value::Text("not carried".into())),
            ],
        }),
        lack,
        captured_at: Micros(0),
    };
    let mut before = pipeline(&Recovered::default());
    let items = vec![StreamItem::Unmapped(waiting)];
    let chunk = Chunk { items, bytes: 100 };
    let first = entries(before.step(Input::Captured(chunk), NOW));
    let parked = first.iter().find_map(|entry| match entry {
        Entry::Parked {
            subject, serial, ..
        } => Some((subject.clone(), *serial)),
        _ => None,
    });
    let (subject, serial) = parked.expect("a row without its column is parked");
    let mut totals = books(&first);
    assert_eq!(totals.parked, 1);

    let span = ParkedSpan {
        route: ROUTES[0].into(),
        first: serial,
        count: 1,
        bytes: 100,
        place: (1, 0),
        oldest: Micros(0),
    };
    let recovered = Recovered {
        totals: [(ROUTES[0].to_owned(), totals.clone())].into(),
        parked: vec![span.clone()],
        next_parked: serial + 1,
        ..Recovered::default()
    };
    let mut after = pipeline(&recovered);
    after.step(Input::Timer, NOW);
    let records = vec![ParkedRecord {
        serial,
        subject,
        unknown: false,
    }];
    let second = entries(after.step(Input::ParkedRead { span, records }, NOW));
    second.iter().for_each(|entry| totals.apply(entry));
    assert_eq!((totals.parked, totals.skipped[&SkipRule::Where]), (0, 1));
    assert!(
        second
            .iter()
            .any(|entry| entry.leaves_parking() == Some(serial))
    );
}
