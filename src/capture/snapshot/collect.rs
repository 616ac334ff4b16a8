//! From a rows event to the names of the rows that it changes, while the gate is open.
//!
//! Reads the event a second time, beside the way that the rows take: it is done for the table of
//! the running snapshot alone, between the reading of a chunk and its release.

use std::collections::HashMap;
use std::io::Cursor;

use mysql_cdc::events::row_events::delete_rows_event::DeleteRowsEvent;
use mysql_cdc::events::row_events::mysql_value::MySqlValue;
use mysql_cdc::events::row_events::update_rows_event::UpdateRowsEvent;
use mysql_cdc::events::row_events::write_rows_event::WriteRowsEvent;
use mysql_cdc::events::table_map_event::TableMapEvent;

use super::gate::Gate;
use super::key::row_name;
use crate::capture::decode::Cell;
use crate::capture::table_map::Layout;
use crate::core::change::Operation;
use crate::core::schema::TableName;
use crate::core::value::Value;

type Cells = Vec<Option<MySqlValue>>;

/// A rows event that has been checked already: the parser panics on columns that do not fit.
pub(in crate::capture) struct RowsEvent<'e> {
    pub(in crate::capture) operation: Operation,
    pub(in crate::capture) version: u8,
    pub(in crate::capture) data: &'e [u8],
    pub(in crate::capture) maps: &'e HashMap<u64, TableMapEvent>,
}

const UNTOLD: &str = "a change came whose key is not in its row image";

impl Gate {
    /// Notes the keys of one event's rows, if this table is watched.
    pub(in crate::capture) fn collect(
        &self,
        layout: &Layout,
        table: &TableName,
        rows: &RowsEvent<'_>,
    ) {
        let Some(key) = self.watches(layout.table) else {
            return;
        };
        let cells: Option<Vec<(usize, Cell)>> = key
            .iter()
            .map(|column| layout.cell_of(column, table))
            .collect();
        match cells.and_then(|cells| names(&cells, rows, layout)) {
            Some((names, partial)) => self.note(names.into_iter(), rows.operation, partial),
            None => self.spoil(UNTOLD),
        }
    }
}

/// The names of all rows, before and after, and whether they are updates that leave wanted columns
/// out; `None` when a name cannot be told.
fn names(
    cells: &[(usize, Cell)],
    rows: &RowsEvent<'_>,
    layout: &Layout,
) -> Option<(Vec<String>, bool)> {
    let (version, maps) = (rows.version, rows.maps);
    let cursor = &mut Cursor::new(rows.data);
    let (mut names, mut partial) = (Vec::new(), false);
    match rows.operation {
        Operation::Insert => {
            let event = WriteRowsEvent::parse(cursor, maps, version).ok()?;
            for row in event.rows {
                names.push(row_name(&whole(key_of(cells, row.cells)?)?)?);
            }
        }
        Operation::Delete => {
            let event = DeleteRowsEvent::parse(cursor, maps, version).ok()?;
            for row in event.rows {
                names.push(row_name(&whole(key_of(cells, row.cells)?)?)?);
            }
        }
        Operation::Update => {
            let event = UpdateRowsEvent::parse(cursor, maps, version).ok()?;
            let images = event
                .columns_before_update
                .iter()
                .zip(&event.columns_after_update);
            let present: Vec<bool> = images.map(|(before, after)| *before || *after).collect();
            partial = layout.absent(&present).next().is_some();
            for row in event.rows {
                let before = whole(key_of(cells, row.before_update.cells)?)?;
                let after = key_of(cells, row.after_update.cells)?;
                // A column that the image after leaves out has not changed.
                let after: Vec<Value> = after
                    .into_iter()
                    .zip(&before)
                    .map(|(after, before)| after.unwrap_or_else(|| before.clone()))
                    .collect();
                if after != before {
                    names.push(row_name(&after)?);
                }
                names.push(row_name(&before)?);
            }
        }
    }
    Some((names, partial))
}

/// The key's values; `None` inside for a column that is not in the image: a key holds no NULL.
fn key_of(cells: &[(usize, Cell)], mut row: Cells) -> Option<Vec<Option<Value>>> {
    cells
        .iter()
        .map(|(column, cell)| match row.get_mut(*column)?.take() {
            Some(raw) => cell.decode(raw).ok().map(Some),
            None => Some(None),
        })
        .collect()
}

fn whole(key: Vec<Option<Value>>) -> Option<Vec<Value>> {
    key.into_iter().collect()
}
