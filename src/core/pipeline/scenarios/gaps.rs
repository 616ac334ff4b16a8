//! A binlog that begins anew, a checkpoint that is held, and routes that wait behind another's pause.

use super::*;
use crate::core::change::Unmapped;
use crate::core::source_row::Lack;
use crate::core::source_row::SourceRow;

fn place(offset: u64) -> FilePosition {
    FilePosition {
        file: "binlog.000001".into(),
        offset,
    }
}

#[test]
fn what_was_settled_at_places_of_a_history_that_is_over_swallows_no_new_row() {
    let mut stage = Stage::new();
    let settled = |transaction: TransactionId| StoredChangeId {
        transaction,
        table: table(ROUTES[0]).to_string(),
        row: 0,
        route: ROUTES[0].into(),
    };
    let of_snapshot = settled(TransactionId::Snapshot(SnapshotRow {
        snapshot: 1,
        key: "7".into(),
    }));
    stage.pipeline.settled_ahead =
        [settled(TransactionId::File(place(1))), of_snapshot.clone()].into();
    let again = Checkpoint {
        position: Position::File(place(0)),
        ..stage.pipeline.ledger.checkpoint().clone()
    };
    let items = vec![StreamItem::Restart(again)];
    stage.step(Input::Captured(Chunk { items, bytes: 0 }));
    stage.capture(0..1);
    assert_eq!(stage.pipeline.view().routes[0].captured, 1);
    while stage.delivered() < 1 {
        assert!(stage.answer(accept), "the row is not sent");
    }
    assert_eq!(stage.pipeline.settled_ahead, [of_snapshot].into());
}

#[test]
fn a_checkpoint_that_an_undecided_transaction_holds_shows_as_waiting() {
    let mut stage = Stage::new();
    let hold = |place: Option<FilePosition>| {
        let items = vec![StreamItem::Hold(place.map(Position::File))];
        Input::Captured(Chunk { items, bytes: 0 })
    };
    assert!(!stage.pipeline.view().checkpoint_waits);
    stage.step(hold(Some(place(4))));
    assert!(stage.pipeline.view().checkpoint_waits);
    stage.step(hold(None));
    assert!(!stage.pipeline.view().checkpoint_waits);
}

#[test]
fn routes_that_wait_behind_a_paused_one_say_so_and_an_expected_pause_holds_nothing_back() {
    let mut stage = Stage::new();
    let setup = |name: &str, scope: u16| RouteSetup {
        name: name.into(),
        table: TableName::clone(&table(name)),
        plan: Arc::new(simple_plan()),
        scope,
        updates: false,
        bulk: true,
        lack: None,
    };
    let mut expects = setup("expects", 1);
    let lack = Lack::absent(&table(ROUTES[0]), "phone", std::iter::empty());
    expects.lack = Some(lack.clone());
    let setups = vec![setup("one", 0), setup("other", 0), expects];
    let checkpoint = stage.pipeline.ledger.checkpoint().clone();
    stage.pipeline = Pipeline::new(settings(1), setups, &Recovered::default(), checkpoint);
    let unmapped = StreamItem::Unmapped(Unmapped {
        id: ChangeId {
            transaction: Arc::new(Transaction {
                id: TransactionId::File(place(4)),
                committed_at: Micros(0),
            }),
            table: table(ROUTES[0]),
            row: 0,
            route: RouteId(0),
        },
        last_of_row: true,
        operation: Operation::Insert,
        row: Arc::new(SourceRow {
            columns: Vec::new().into(),
            values: Vec::new(),
        }),
        lack: Arc::new(lack),
        captured_at: Micros(0),
    });
    let items = vec![unmapped];
    stage.step(Input::Captured(Chunk { items, bytes: 0 }));
    let view = stage.pipeline.view();
    let pause = |route: usize| view.routes[route].pause.as_ref().unwrap();
    assert!(pause(0).holds_back && !pause(0).text.contains("waits behind"));
    assert!(pause(1).holds_back);
    let text = &pause(1).text;
    assert!(text.starts_with("waits behind route one: "), "{text}");
    assert_eq!(pause(1).page, "LS1015");
    assert!(!pause(2).holds_back, "only expected");
}
