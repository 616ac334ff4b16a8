//! Rows that have their outcome although the checkpoint has not passed them yet. A restart reads
//! them again and must not count them again.
//!
//! A snapshot's rows are named by their keys and belong to no checkpoint. They are kept until the
//! snapshot's progress passes them; at most one chunk's are.
//!
//! Kept as intervals of rows per transaction, table and route, so that a transaction of a million
//! rows costs a few intervals, not a million names.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::core::change::RouteId;
use crate::core::entry::StoredChangeId;
use crate::core::position::{Checkpoint, TransactionId};
use crate::core::schema::TableName;

/// Pruning walks over everything, so it waits until there is this much more than after the last.
const PRUNE_SLACK: usize = 256;

/// Tables by number; a process sees few of them.
#[derive(Debug, Default)]
pub(super) struct Tables {
    known: Vec<(Arc<TableName>, u16)>,
    texts: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct SettledAhead {
    rows: HashMap<Key, Vec<(u64, u64)>>,
    tables: Tables,
    prune_at: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    transaction: TransactionId,
    table: u16,
    route: RouteId,
}

/// As stored in a segment's header; both ends of an interval belong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct AheadRows {
    pub transaction: TransactionId,
    pub table: String,
    pub route: String,
    pub rows: Vec<(u64, u64)>,
}

/// How much of a transaction's table lies behind a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coverage {
    All,
    Nothing,
    /// Rows before this one.
    Before(u64),
}

impl Tables {
    fn number(&mut self, table: &Arc<TableName>) -> u16 {
        // The same `Arc` is the common case; equal names behind another one are as good.
        if let Some((_, number)) = self
            .known
            .iter()
            .find(|(known, _)| Arc::ptr_eq(known, table))
        {
            return *number;
        }
        if let Some(place) = self.known.iter().position(|(known, _)| known == table) {
            self.known[place].0 = Arc::clone(table);
            return self.known[place].1;
        }
        let number = self.number_of_text(&table.to_string());
        self.known.push((Arc::clone(table), number));
        number
    }

    fn number_of_text(&mut self, text: &str) -> u16 {
        let place = self
            .texts
            .iter()
            .position(|known| known == text)
            .unwrap_or_else(|| {
                self.texts.push(text.to_owned());
                self.texts.len() - 1
            });
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    fn text(&self, number: u16) -> &str {
        self.texts
            .get(usize::from(number))
            .map_or("", String::as_str)
    }
}

impl SettledAhead {
    /// Adds `count` rows from `first`, unless the checkpoint covers them.
    pub(super) fn insert(
        &mut self,
        transaction: &TransactionId,
        table: &Arc<TableName>,
        route: RouteId,
        (first, count): (u64, u64),
        checkpoint: Option<&Checkpoint>,
    ) {
        let table = self.tables.number(table);
        let last = first.saturating_add(count.max(1) - 1);
        let first = match coverage(checkpoint, transaction, self.tables.text(table)) {
            Coverage::All => return,
            Coverage::Nothing => first,
            Coverage::Before(row) => first.max(row),
        };
        if first <= last {
            let key = Key {
                transaction: transaction.clone(),
                table,
                route,
            };
            insert_interval(self.rows.entry(key).or_default(), first, last);
        }
    }

    pub(super) fn restore(&mut self, ahead: &AheadRows, route: RouteId) {
        let table = self.tables.number_of_text(&ahead.table);
        let key = Key {
            transaction: ahead.transaction.clone(),
            table,
            route,
        };
        self.rows.entry(key).or_default().extend(&ahead.rows);
    }

    /// Drops what the checkpoint covers, when enough has gathered to be worth a walk.
    pub(super) fn prune_some(&mut self, checkpoint: Option<&Checkpoint>) {
        if self.rows.len() > self.prune_at {
            self.prune(checkpoint);
        }
    }

    pub(super) fn prune(&mut self, checkpoint: Option<&Checkpoint>) {
        let tables = &self.tables;
        self.rows.retain(|key, rows| {
            match coverage(checkpoint, &key.transaction, tables.text(key.table)) {
                Coverage::All => return false,
                Coverage::Nothing => {}
                Coverage::Before(row) => {
                    rows.retain(|(_, last)| *last >= row);
                    if let Some(interval) = rows.first_mut() {
                        interval.0 = interval.0.max(row);
                    }
                }
            }
            !rows.is_empty()
        });
        self.prune_at = self.rows.len() * 2 + PRUNE_SLACK;
    }

    /// Drops the rows of snapshots: their chunks are finished, and nothing reads them again.
    pub(super) fn forget_snapshots(&mut self) {
        self.rows.retain(|key, _| !key.transaction.is_snapshot());
    }

    /// Drops all others: the history that named them is over.
    pub(super) fn forget_stream(&mut self) {
        self.rows.retain(|key, _| key.transaction.is_snapshot());
    }

    /// In a fixed order, so that equal states are written alike.
    pub(super) fn stored(&self, routes: &[String]) -> Vec<AheadRows> {
        let mut all: Vec<AheadRows> = self
            .rows
            .iter()
            .map(|(key, rows)| AheadRows {
                transaction: key.transaction.clone(),
                table: self.tables.text(key.table).to_owned(),
                route: routes[usize::from(key.route.0)].clone(),
                rows: rows.clone(),
            })
            .collect();
        all.sort_unstable();
        all
    }

    /// Row by row, as the pipeline asks for them.
    pub(super) fn ids(&self, routes: &[String]) -> HashSet<StoredChangeId> {
        let mut ids = HashSet::new();
        for ahead in self.stored(routes) {
            for row in ahead.rows.iter().flat_map(|(first, last)| *first..=*last) {
                ids.insert(StoredChangeId {
                    transaction: ahead.transaction.clone(),
                    table: ahead.table.clone(),
                    row,
                    route: ahead.route.clone(),
                });
            }
        }
        ids
    }
}

/// [`Checkpoint::covers`] for all rows of a table in a transaction at once; a test holds the two
/// together.
fn coverage(checkpoint: Option<&Checkpoint>, transaction: &TransactionId, table: &str) -> Coverage {
    let Some(checkpoint) = checkpoint else {
        return Coverage::Nothing;
    };
    if let Some(inside) = checkpoint.inside.of(transaction) {
        return match inside.rows.get(table) {
            Some(rows) => Coverage::Before(*rows),
            None => Coverage::Nothing,
        };
    }
    if checkpoint.position.covers(transaction) {
        Coverage::All
    } else {
        Coverage::Nothing
    }
}

fn insert_interval(intervals: &mut Vec<(u64, u64)>, first: u64, last: u64) {
    let start = intervals.partition_point(|(_, end)| end.saturating_add(1) < first);
    let end = intervals.partition_point(|(begin, _)| *begin <= last.saturating_add(1));
    if start < end {
        intervals[start] = (
            intervals[start].0.min(first),
            intervals[end - 1].1.max(last),
        );
        intervals.drain(start + 1..end);
    } else {
        intervals.insert(start, (first, last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::change::{ChangeId, Transaction};
    use crate::core::position::Inside;
    use crate::core::time::Micros;

    #[test]
    fn coverage_agrees_with_the_checkpoint() {
        let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let id = |text: &str| text.parse::<TransactionId>().unwrap();
        let inside = |transaction: &str, rows: u64| Inside {
            transaction: id(transaction),
            rows: [("shop.leads".to_owned(), rows)].into(),
        };
        let gtid = |n: u64| format!("{uuid}:{n}");
        let file = |n: u64| format!("file:binlog.000001:{n}");
        let two = vec![inside(&gtid(8), 1), inside(&gtid(6), 4)];
        for (position, insides) in [
            (
                format!("{uuid}:1-5:7"),
                vec![vec![], vec![inside(&gtid(6), 2)], two],
            ),
            (file(500), vec![vec![], vec![inside(&file(500), 3)]]),
        ] {
            for insides in insides {
                let mut checkpoint = Checkpoint {
                    server_uuid: uuid.into(),
                    position: position.parse().unwrap(),
                    end: "binlog.000001:500".parse().unwrap(),
                    inside: Default::default(),
                };
                insides.into_iter().for_each(|it| checkpoint.inside.set(it));
                for transaction in (1..9).flat_map(|n| [gtid(n), file(n * 100)]) {
                    for table in ["leads", "others"] {
                        for row in 0..5 {
                            let table = TableName {
                                schema: "shop".into(),
                                table: table.into(),
                            };
                            let change = ChangeId {
                                transaction: Arc::new(Transaction {
                                    id: id(&transaction),
                                    committed_at: Micros(0),
                                }),
                                table: Arc::new(table.clone()),
                                row,
                                route: RouteId(0),
                            };
                            let mine = match coverage(
                                Some(&checkpoint),
                                &change.transaction.id,
                                &table.to_string(),
                            ) {
                                Coverage::All => true,
                                Coverage::Nothing => false,
                                Coverage::Before(rows) => row < rows,
                            };
                            assert_eq!(mine, checkpoint.covers(&change), "{transaction} {row}");
                        }
                    }
                }
            }
        }
    }
}
