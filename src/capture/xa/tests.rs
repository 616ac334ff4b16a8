//! A recorded XA transaction, and the ledger behind it.

use std::sync::Arc;

use super::*;
use crate::capture::replay::replay;
use crate::capture::settings::{RoutedTable, TableRoute};
use crate::capture::testing::from_start;
use crate::core::change::{Change, RouteId};
use crate::core::position::{Checkpoint, FilePosition};
use crate::core::settlement::Ledger;
use crate::core::time::Micros;

const XA: &[u8] = include_bytes!("../../../tests/fixtures/xa.binlog");
/// In the fixture, just behind the event that prepares the transaction.
const PREPARED: usize = 1_097;

/// Reads the file and settles everything at once: the rows, and where a restart would begin.
fn read(binlog: &[u8], checkpoint: Checkpoint) -> (Vec<Change>, Checkpoint) {
    let route = TableRoute {
        name: "ops".to_owned(),
        route: RouteId(0),
        insert: true,
        update: true,
        delete: true,
        columns: vec!["id".to_owned()],
    };
    let tables = [RoutedTable {
        name: TableName {
            schema: "shop".to_owned(),
            table: "ops".to_owned(),
        },
        routes: vec![route],
    }];
    let mut ledger = Ledger::new(checkpoint.clone());
    let mut rows = Vec::new();
    let mut each = |items: Vec<StreamItem>| {
        for item in items {
            match item {
                StreamItem::Row(change) => {
                    let slot = ledger.open(&change.id, 1, change.last_of_row);
                    ledger.settle(slot);
                    rows.push(change);
                }
                StreamItem::Advance(advance) => ledger.advance(advance),
                StreamItem::Hold(place) => ledger.hold(place),
                StreamItem::Altered(_) | StreamItem::KeyChanged(_) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    replay(
        binlog,
        &tables,
        checkpoint,
        || Micros(0),
        |items, _| each(items),
    )
    .unwrap();
    (rows, ledger.checkpoint().clone())
}

/// The recording ends with a new file.
const NEXT_FILE: &str = "binlog.000002:4";

fn numbers(checkpoint: &Checkpoint) -> String {
    match &checkpoint.position {
        Position::Gtid(set) => {
            let text = set.to_string();
            text.split_once(':').unwrap_or_default().1.to_owned()
        }
        Position::File(position) => position.to_string(),
        Position::MariaDb(_) => String::new(),
    }
}

#[test]
fn rows_of_a_prepared_transaction_come_with_its_commit_and_bear_its_name() {
    for gtids in [true, false] {
        let (rows, checkpoint) = read(XA, from_start(gtids));
        assert_eq!(rows.len(), 2);
        let id = &rows[1].id;
        match &id.transaction.id {
            TransactionId::Gtid(gtid) => assert_eq!(gtid.number, 4),
            TransactionId::File(position) => assert_eq!(position.offset, 1_097),
            other => panic!("{other:?}"),
        }
        assert_eq!(id.row, 0);
        assert_eq!(numbers(&checkpoint), if gtids { "1-5" } else { NEXT_FILE });
    }
}

#[test]
fn the_checkpoint_stays_before_what_is_undecided_and_a_restart_reads_it_again() {
    for gtids in [true, false] {
        let (rows, held) = read(&XA[..PREPARED], from_start(gtids));
        assert_eq!(rows.len(), 1, "only the row that was committed");
        assert_eq!(
            numbers(&held),
            if gtids { "1-2" } else { "binlog.000001:678" }
        );
        let (rows, checkpoint) = read(XA, held);
        assert_eq!(rows.len(), 1, "only the row that was prepared");
        assert_eq!(numbers(&checkpoint), if gtids { "1-5" } else { NEXT_FILE });
    }
}

#[test]
fn what_is_prepared_and_read_once_more_does_not_move_the_end_back() {
    let (_, mut held) = read(&XA[..PREPARED], from_start(true));
    let later = FilePosition {
        file: Arc::from("binlog.000001"),
        offset: 5_000,
    };
    held.end = later.clone();
    let (_, again) = read(&XA[..PREPARED], held);
    assert_eq!(again.end, later);
}

#[test]
fn a_transaction_is_known_by_its_name_in_any_spelling() {
    let name = b"X'6F6E65',X'',1";
    assert_eq!(*xid_of(b"XA START X'6f6e65',X'',1"), name[..]);
    assert_eq!(*xid_of(b"XA COMMIT X'6f6e65',X'',1 ONE PHASE"), name[..]);
    assert_eq!(*xid_of(b"xa rollback x'6F6E65', X'', 1"), name[..]);
    assert_eq!(*xid_of(b"XA"), b""[..]);
}
