//! A chunk's rows between the SELECT and the stream, and the items that they become.

use std::collections::VecDeque;
use std::sync::Arc;

use super::gate::{Changed, Operations, pieces};
use crate::capture::settings::{RoutedTable, TableRoute};
use crate::core::change::{Change, ChangeId, Operation, RouteId, StreamItem, Transaction};
use crate::core::position::{SnapshotRow, TransactionId};
use crate::core::schema::TableName;
use crate::core::snapshot::ChunkEnd;
use crate::core::time::Micros;
use crate::core::value::Value;

/// What a row of the table is turned into: the wanted columns, and who takes which.
#[derive(Debug)]
pub(super) struct Takers {
    pub(super) table: Arc<TableName>,
    /// The union over the routes, in the order in which they are selected.
    pub(super) columns: Vec<String>,
    routes: Vec<Taker>,
}

#[derive(Debug)]
struct Taker {
    route: RouteId,
    carries: Operations,
    columns: Vec<usize>,
}

impl Takers {
    /// The routes of that name; `None` when the table has none of them any more.
    pub(super) fn new(table: &RoutedTable, routes: &[String]) -> Option<Self> {
        let mut columns: Vec<String> = Vec::new();
        let mut takers = Vec::new();
        for route in table.routes.iter().filter(|r| routes.contains(&r.name)) {
            let mut place = |wanted: &String| {
                columns
                    .iter()
                    .position(|column| column == wanted)
                    .unwrap_or_else(|| {
                        columns.push(wanted.clone());
                        columns.len() - 1
                    })
            };
            takers.push(Taker {
                route: route.route,
                carries: carried(route),
                columns: route.columns.iter().map(&mut place).collect(),
            });
        }
        (!takers.is_empty()).then(|| Self {
            table: Arc::new(table.name.clone()),
            columns,
            routes: takers,
        })
    }
}

fn carried(route: &TableRoute) -> Operations {
    let mut operations = Operations::default();
    for (operation, carries) in [
        (Operation::Insert, route.insert),
        (Operation::Update, route.update),
        (Operation::Delete, route.delete),
    ] {
        if carries {
            operations.insert(operation);
        }
    }
    operations
}

pub(super) struct ReadRow {
    /// Its key's values as text.
    pub(super) name: String,
    /// In the order of [`Takers::columns`].
    pub(super) values: Vec<Value>,
}

pub(super) struct ReadChunk {
    pub(super) takers: Arc<Takers>,
    pub(super) rows: Vec<ReadRow>,
    pub(super) read_at: Micros,
    /// With what is known before the stream is: the counts are filled in at the release.
    pub(super) end: ChunkEnd,
}

/// What enters the stream.
pub(super) struct Released {
    pub(super) items: Vec<StreamItem>,
}

impl ReadChunk {
    /// The chunk's items, in pieces, without what the stream has brought meanwhile.
    pub(super) fn release(self, changed: &Changed) -> VecDeque<(Vec<StreamItem>, usize)> {
        pieces(self.items(changed))
    }

    /// Whether an update that is not whole has overtaken a row of a route that carries updates: the
    /// row cannot be left out in its favour, and would come too late behind it.
    pub(super) fn meets_partial(&self, changed: &Changed) -> bool {
        let mut update = Operations::default();
        update.insert(Operation::Update);
        let is_partial = |row: &ReadRow| changed.get(&row.name).is_some_and(|c| c.is_partial());
        let mut takers = self.takers.routes.iter();
        takers.any(|taker| taker.carries.overlaps(update)) && self.rows.iter().any(is_partial)
    }

    fn items(self, changed: &Changed) -> Released {
        let Self {
            takers,
            rows,
            read_at,
            mut end,
        } = self;
        let mut items = Vec::with_capacity(rows.len() * takers.routes.len() + 1);
        for row in rows {
            let came = changed.get(&row.name).copied().unwrap_or_default();
            let kept: Vec<&Taker> = takers
                .routes
                .iter()
                .filter(|taker| !came.overlaps(taker.carries))
                .collect();
            if kept.is_empty() {
                end.overtaken += 1;
                continue;
            }
            end.rows += 1;
            let id = TransactionId::Snapshot(SnapshotRow {
                snapshot: end.snapshot,
                key: row.name.into(),
            });
            let transaction = Arc::new(Transaction {
                id,
                committed_at: read_at,
            });
            for (index, taker) in kept.iter().enumerate() {
                let values = taker
                    .columns
                    .iter()
                    .map(|column| row.values.get(*column).cloned())
                    .collect();
                items.push(StreamItem::Row(Change {
                    id: ChangeId {
                        transaction: Arc::clone(&transaction),
                        table: Arc::clone(&takers.table),
                        row: 0,
                        route: taker.route,
                    },
                    last_of_row: index + 1 == kept.len(),
                    operation: Operation::Insert,
                    values,
                    captured_at: read_at,
                }));
            }
        }
        items.push(StreamItem::ChunkEnd(end));
        Released { items }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> RoutedTable {
        let route = |id, name: &str, update| TableRoute {
            name: name.to_owned(),
            route: RouteId(id),
            insert: true,
            update,
            delete: false,
            columns: vec!["id".to_owned(), format!("of_{name}")],
        };
        RoutedTable {
            name: TableName {
                schema: "shop".to_owned(),
                table: "leads".to_owned(),
            },
            routes: vec![
                route(0, "inserts", false),
                route(1, "other", true),
                route(2, "updates", true),
            ],
        }
    }

    fn chunk(keys: &[&str]) -> ReadChunk {
        let names = ["inserts".to_owned(), "updates".to_owned()];
        let takers = Takers::new(&table(), &names).unwrap();
        assert_eq!(takers.columns, ["id", "of_inserts", "of_updates"]);
        let row = |key: &&str| ReadRow {
            name: (*key).to_owned(),
            values: (1..4).map(Value::Int).collect(),
        };
        ReadChunk {
            takers: Arc::new(takers),
            rows: keys.iter().map(row).collect(),
            read_at: Micros(9),
            end: ChunkEnd {
                snapshot: 1,
                table: 0,
                after: None,
                rows: 0,
                overtaken: 0,
                last: true,
            },
        }
    }

    fn lines(items: &[StreamItem]) -> Vec<String> {
        items
            .iter()
            .map(|item| match item {
                StreamItem::Row(change) => {
                    let TransactionId::Snapshot(row) = &change.id.transaction.id else {
                        panic!("{change:?}");
                    };
                    let values: Vec<_> = change.values.iter().flatten().collect();
                    let end = if change.last_of_row { "." } else { "" };
                    format!("{} to {} {values:?}{end}", row.key, change.id.route.0)
                }
                StreamItem::ChunkEnd(end) => format!("end {} {}", end.rows, end.overtaken),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_row_is_dropped_where_the_stream_brought_it_and_kept_elsewhere() {
        let mut changed = Changed::new();
        changed
            .entry("b".to_owned())
            .or_default()
            .insert(Operation::Update);
        changed
            .entry("c".to_owned())
            .or_default()
            .insert(Operation::Insert);
        changed
            .entry("d".to_owned())
            .or_default()
            .insert(Operation::Delete);
        let items = chunk(&["a", "b", "c", "d"]).items(&changed).items;
        assert_eq!(
            lines(&items),
            [
                "a to 0 [Int(1), Int(2)]",
                "a to 2 [Int(1), Int(3)].",
                "b to 0 [Int(1), Int(2)].",
                "d to 0 [Int(1), Int(2)]",
                "d to 2 [Int(1), Int(3)].",
                "end 3 1",
            ]
        );
    }

    #[test]
    fn a_row_that_a_partial_update_overtook_is_read_again() {
        let mut changed = Changed::new();
        let b = changed.entry("b".to_owned()).or_default();
        b.insert(Operation::Update);
        assert!(!chunk(&["a", "b"]).meets_partial(&changed));
        changed.entry("b".to_owned()).or_default().insert_partial();
        assert!(chunk(&["a", "b"]).meets_partial(&changed));
        assert!(!chunk(&["a"]).meets_partial(&changed));
    }

    #[test]
    fn a_table_that_lost_its_routes_has_no_takers() {
        assert!(Takers::new(&table(), &["gone".to_owned()]).is_none());
    }
}
