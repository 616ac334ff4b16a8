//! Rows of a table that lacks a column which a route wants: kept whole, by name, for the time when
//! the route's mapping fits again. Routes that lack nothing get their values as ever.

use std::sync::Arc;

use super::columns::Column;
use super::decode::Cell;
use super::error::Error;
use super::pieces::Pieces;
use super::routing::{Plan, Table, same_column};
use super::rows::Cells;
use crate::core::change::{Change, ChangeId, Operation, SkippedRows, StreamItem, Unmapped};
use crate::core::entry::SkipRule;
use crate::core::schema::TableName;
use crate::core::source_row::{Kept, Lack, SourceRow};
use crate::core::time::Micros;
use crate::core::value::Value;

/// Stands for the place of a column that is not there; no row image has it.
pub(super) const NOWHERE: usize = usize::MAX;

/// How the rows of such a table map are read.
pub(super) struct Whole {
    /// By slot: what is wrong with it.
    lacks: Vec<Option<Arc<Lack>>>,
    names: Arc<[Arc<str>]>,
    /// By column; `None` = nothing can read it.
    cells: Vec<Option<Cell>>,
}

/// Where the wanted columns of a table map are.
#[derive(Default)]
pub(super) struct Places {
    /// By slot: the column and its decoder, or [`NOWHERE`].
    pub(super) cells: Vec<(usize, Cell)>,
    /// Set when a slot's column is missing or cannot be read.
    pub(super) whole: Option<Box<Whole>>,
}

/// A row's name and kind, shared by what becomes of it.
#[derive(Clone)]
pub(super) struct Head {
    pub(super) id: ChangeId,
    pub(super) operation: Operation,
    pub(super) captured_at: Micros,
}

/// Finds the wanted columns among those of a table map.
pub(super) fn place(routed: &Table, columns: &[Column]) -> Places {
    let table = &*routed.name;
    let mut lacks = Vec::with_capacity(routed.columns.len());
    let cells = routed
        .columns
        .iter()
        .map(|wanted| {
            let found = find(table, wanted, columns);
            let (place, lack) = match found {
                Ok(place) => (place, None),
                Err(lack) => ((NOWHERE, Cell::Year), Some(Arc::new(lack))),
            };
            lacks.push(lack);
            place
        })
        .collect();
    let whole = lacks.iter().any(Option::is_some).then(|| {
        let names = columns.iter().map(|column| Arc::from(&*column.name));
        Box::new(Whole {
            lacks,
            names: names.collect(),
            cells: columns.iter().map(|c| c.cell(table).ok()).collect(),
        })
    });
    Places { cells, whole }
}

fn find(table: &TableName, wanted: &str, columns: &[Column]) -> Result<(usize, Cell), Lack> {
    let same = |column: &Column| same_column(&column.name, wanted);
    let Some(index) = columns.iter().position(same) else {
        let names = columns.iter().map(|column| column.name.as_str());
        return Err(Lack::absent(table, wanted, names));
    };
    let unreadable = |error: Error| Lack::unreadable(table, wanted, &error.to_string());
    Ok((index, columns[index].cell(table).map_err(unreadable)?))
}

impl Whole {
    /// Reads all of a row, and fills the slots of the columns that are there. The error names the
    /// slot whose value cannot be decoded.
    pub(super) fn read(
        &self,
        operation: Operation,
        wanted: &[(usize, Cell)],
        mut row: Cells,
        present: &[bool],
        slots: &mut [Option<Value>],
    ) -> Result<SourceRow, (usize, String)> {
        let mut values = Vec::with_capacity(self.cells.len());
        for (column, cell) in self.cells.iter().enumerate() {
            let raw = row.get_mut(column).and_then(Option::take);
            let is_present = present.get(column).copied().unwrap_or(false);
            values.push(match (raw, cell) {
                // An update leaves out what did not change; an insert what took its default, which
                // is not known later: the caller enters those that are known now.
                (None, _) if !is_present && operation == Operation::Insert => Kept::Unreadable,
                (None, _) if !is_present => Kept::Absent,
                (_, None) => Kept::Unreadable,
                (None, Some(_)) => Kept::Value(Value::Null),
                (Some(raw), Some(cell)) => match cell.decode(raw) {
                    Ok(value) => Kept::Value(value),
                    Err(reason) => match wanted.iter().position(|(place, _)| *place == column) {
                        Some(slot) => return Err((slot, reason)),
                        None => Kept::Unreadable,
                    },
                },
            });
        }
        for (slot, (column, _)) in slots.iter_mut().zip(wanted) {
            *slot = match values.get(*column) {
                Some(Kept::Value(value)) => Some(value.clone()),
                _ => None,
            };
        }
        Ok(SourceRow {
            columns: Arc::clone(&self.names),
            values,
        })
    }

    /// One item per route of the table.
    pub(super) fn carry(
        &self,
        pieces: &mut Pieces,
        head: &Head,
        plan: &Plan,
        slots: &[Option<Value>],
        row: SourceRow,
    ) {
        let row = Arc::new(row);
        for (index, step) in plan.steps.iter().enumerate() {
            let id = ChangeId {
                route: step.route,
                ..head.id.clone()
            };
            let last_of_row = index + 1 == plan.steps.len();
            let mut lacks = step.values.iter().map(|(slot, _)| &self.lacks[*slot]);
            pieces.push(if !step.carries {
                StreamItem::Skipped(SkippedRows {
                    id,
                    last_of_row,
                    rows: 1,
                    operation: head.operation,
                    rule: SkipRule::OperationNotRouted,
                })
            } else if let Some(lack) = lacks.find_map(Option::as_ref) {
                StreamItem::Unmapped(Unmapped {
                    id,
                    last_of_row,
                    operation: head.operation,
                    row: Arc::clone(&row),
                    lack: Arc::clone(lack),
                    captured_at: head.captured_at,
                })
            } else {
                let values = step.values.iter().map(|(slot, _)| slots[*slot].clone());
                StreamItem::Row(Change {
                    id,
                    last_of_row,
                    operation: head.operation,
                    values: values.collect(),
                    captured_at: head.captured_at,
                })
            });
        }
    }
}
