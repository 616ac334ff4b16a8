//! Rows events of routed tables: decoded by mysql_cdc, spread over the table's routes.
//!
//! A row's ordinal counts all of its table's rows in the transaction, wanted or not, so it is the
//! same however often the transaction is read. Pieces are cut between rows only.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::Arc;

use mysql_async::binlog::events::Event;
use mysql_cdc::errors;
use mysql_cdc::events::row_events::delete_rows_event::DeleteRowsEvent;
use mysql_cdc::events::row_events::mysql_value::MySqlValue;
use mysql_cdc::events::row_events::row_data::UpdateRowData;
use mysql_cdc::events::row_events::update_rows_event::UpdateRowsEvent;
use mysql_cdc::events::row_events::write_rows_event::WriteRowsEvent;
use mysql_cdc::events::table_map_event::TableMapEvent;

use super::assembler::{Assembler, Open, snapshot};
use super::decode::Cell;
use super::error::Error;
use super::pieces::Pieces;
use super::routing::{Plan, Step, Table};
use super::row_guard;
use super::snapshot::RowsEvent;
use super::table_map::{Found, Layout, table_id};
use super::touched::{Changed, Touched};
use super::whole_rows::Head;
use crate::core::change::{Change, ChangeId, Operation, RouteId, SkippedRows, StreamItem};
use crate::core::entry::SkipRule;
use crate::core::position::{FilePosition, Position};
use crate::core::source_row::Kept;
use crate::core::value::Value;

/// Table id of an event without rows that only ends a statement.
const DUMMY_TABLE_ID: u64 = 0x00FF_FFFF;
const PARTIAL_UPDATE: u8 = 39;

/// A row as mysql_cdc gives it.
pub(super) type Cells = Vec<Option<MySqlValue>>;

/// The wanted images of one event's rows, with the columns that they carry.
struct Rows<'l> {
    operation: Operation,
    present: Vec<bool>,
    rows: Vec<Cells>,
    /// What an update changed, where that was asked for.
    touched: Option<Touched<'l>>,
}

impl Assembler {
    /// Reads one rows event of any version.
    pub(super) fn rows(&mut self, event: &Event) -> Result<(), Error> {
        let at = self.at().clone();
        let kind = event.header().event_type_raw();
        let broken = |reason: String| Error::Event {
            event: kind,
            position: at.clone(),
            reason,
        };
        let data = event.data();
        let id = table_id(data).ok_or_else(|| broken("it is too short".to_owned()))?;
        let (index, columns) = match self.maps.find(id) {
            Found::Routed(layout) => (layout.table, layout.columns),
            Found::Unrouted => return Ok(()),
            Found::Unknown if id == DUMMY_TABLE_ID => return Ok(()),
            Found::Unknown => return Err(broken("no table map came before it".to_owned())),
        };
        let name = Arc::clone(&self.routing.tables[index].name);
        let open = self
            .open
            .as_ref()
            .ok_or_else(|| broken("no transaction is open".to_owned()))?;
        if kind != PARTIAL_UPDATE {
            let head = match columns_of(data, kind) {
                Some((found, head)) if found == columns => head,
                _ => {
                    return Err(broken(
                        "its columns are not those of its table map".to_owned(),
                    ));
                }
            };
            row_guard::check(kind, data, head, id, &self.maps.rewritten).map_err(broken)?;
        }
        // Behind us with a GTID: decided too. By file position that is not certain.
        if !(open.covered && matches!(self.progress.position, Position::Gtid(_)))
            && self.keep(event, &name)?
        {
            return Ok(());
        }
        let Some(open) = self.open.as_mut().filter(|open| !open.covered) else {
            return Ok(());
        };
        if !std::mem::replace(&mut open.has_routed_rows, true) {
            self.push_merged();
        }

        let Assembler {
            routing,
            maps,
            pieces,
            open: Some(open),
            progress,
            defaults,
            clock,
            gate,
            ..
        } = self
        else {
            return Ok(());
        };
        let Found::Routed(layout) = maps.find(id) else {
            return Ok(());
        };
        let table = &routing.tables[index];
        if kind == PARTIAL_UPDATE {
            if table.plan(Operation::Update).any_carries {
                return Err(Error::PartialUpdate {
                    table: (*table.name).clone(),
                    position: at,
                });
            }
            let count = layout.count_partial(event).map_err(broken)?;
            skip(pieces, open, table, index, Operation::Update, count);
            return Ok(());
        }
        let compare = table.plan(Operation::Update).any_carries;
        let wanted = compare.then_some(&*layout.cells);
        let Rows {
            operation,
            present,
            rows,
            touched,
        } = decode(kind, data, &maps.rewritten, wanted).map_err(broken)?;
        if !present.contains(&true) {
            return Err(Error::RowsUncounted {
                table: (*table.name).clone(),
                position: at,
            });
        }
        if !table.plan(operation).any_carries {
            skip(pieces, open, table, index, operation, rows.len() as u64);
            return Ok(());
        }
        if let Some(unnamed) = &layout.unnamed {
            return Err(unnamed.error(&table.name, at));
        }
        let mut left_out = Vec::new();
        if operation == Operation::Insert {
            for slot in layout.absent(&present) {
                let told = defaults.of(index).and_then(|told| told.get(slot));
                let Some(value) = told else {
                    return Err(Error::ImageIncomplete {
                        table: (*table.name).clone(),
                        column: table.columns[slot].clone(),
                        position: at,
                    });
                };
                left_out.push((slot, value));
            }
        }
        if let Some(gate) = gate {
            let rows = RowsEvent {
                operation,
                version: version(kind),
                data,
                maps: &maps.rewritten,
            };
            gate.collect(layout, &table.name, &rows);
        }
        // A snapshot leaves out a row that the stream brings: there it must come, even unchanged.
        let is_watched = gate.as_ref().is_some_and(|g| g.watches(index).is_some());
        let is_whole = layout.absent(&present).next().is_none();
        let captured_at = clock();
        let mut slots: Vec<Option<Value>> = (0..layout.cells.len()).map(|_| None).collect();
        for (number, cells) in rows.into_iter().enumerate() {
            let row = open.rows[index];
            if row >= open.handed_on[index]
                && let Some(whole) = &layout.whole
            {
                let read = whole.read(operation, &layout.cells, cells, &present, &mut slots);
                let mut read = read.map_err(|(slot, reason)| Error::Value {
                    table: (*table.name).clone(),
                    column: table.columns[slot].clone(),
                    position: at.clone(),
                    reason,
                })?;
                let head = Head {
                    id: ChangeId {
                        transaction: Arc::clone(&open.transaction),
                        table: Arc::clone(&table.name),
                        row,
                        route: RouteId(0),
                    },
                    operation,
                    captured_at,
                };
                for (slot, value) in &left_out {
                    slots[*slot] = Some((*value).clone());
                    // Known now; who maps the row later cannot tell any more.
                    if let Some(kept) = read.values.get_mut(layout.cells[*slot].0) {
                        *kept = Kept::Value((*value).clone());
                    }
                }
                whole.carry(pieces, &head, table.plan(operation), &slots, read);
            } else if row >= open.handed_on[index] {
                read_row(layout, cells, &present, &mut slots, table, &at)?;
                for (slot, value) in &left_out {
                    slots[*slot] = Some((*value).clone());
                }
                let head = Head {
                    id: ChangeId {
                        transaction: Arc::clone(&open.transaction),
                        table: Arc::clone(&table.name),
                        row,
                        route: RouteId(0),
                    },
                    operation,
                    captured_at,
                };
                let changed = Changed {
                    slots: touched.as_ref().map(|touched| touched.of(number)),
                    comes_unchanged: is_watched && is_whole,
                };
                carry(pieces, head, table.plan(operation), &mut slots, &changed);
            }
            open.rows[index] = row + 1;
            if pieces.is_full() {
                pieces.cut(|| snapshot(Some(open), routing, progress));
            }
        }
        Ok(())
    }
}

/// Fills the slots with one row's values; absent columns stay `None`.
fn read_row(
    layout: &Layout,
    mut cells: Cells,
    present: &[bool],
    slots: &mut [Option<Value>],
    table: &Table,
    at: &FilePosition,
) -> Result<(), Error> {
    for (index, (column, cell)) in layout.cells.iter().enumerate() {
        let slot = &mut slots[index];
        if let Some(Some(raw)) = cells.get_mut(*column) {
            cell.decode_into(raw, slot).map_err(|reason| Error::Value {
                table: (*table.name).clone(),
                column: table.columns[index].clone(),
                position: at.clone(),
                reason,
            })?;
        } else {
            let is_present = present.get(*column).copied().unwrap_or(false);
            *slot = is_present.then_some(Value::Null);
        }
    }
    Ok(())
}

/// One item per route of a row that some route carries, and before it one for a key that an update
/// changed.
fn carry(
    pieces: &mut Pieces,
    head: Head,
    plan: &Plan,
    slots: &mut Vec<Option<Value>>,
    changed: &Changed<'_>,
) {
    // The last route takes the names of the row with it: whoever receives rows counts the same
    // references down at that moment, and each count waits for the other's.
    let Some((last, others)) = plan.steps.split_last() else {
        return;
    };
    for step in others {
        carry_to(step, pieces, head.clone(), false, slots, changed);
    }
    carry_to(last, pieces, head, true, slots, changed);
}

fn carry_to(
    step: &Step,
    pieces: &mut Pieces,
    head: Head,
    last_of_row: bool,
    slots: &mut Vec<Option<Value>>,
    changed: &Changed<'_>,
) {
    let Head {
        mut id,
        operation,
        captured_at,
    } = head;
    id.route = step.route;
    if changed.key_of(step) {
        pieces.push(StreamItem::KeyChanged(step.route));
    }
    pieces.push(if step.carries && changed.concerns(step) {
        let take = |(slot, last): &(usize, bool)| {
            if *last {
                slots[*slot].take()
            } else {
                slots[*slot].clone()
            }
        };
        let values = if step.takes_all {
            let next = (0..slots.len()).map(|_| None).collect();
            std::mem::replace(slots, next).into_boxed_slice()
        } else {
            step.values.iter().map(take).collect()
        };
        StreamItem::Row(Change {
            id,
            last_of_row,
            operation,
            values,
            captured_at,
        })
    } else {
        StreamItem::Skipped(SkippedRows {
            id,
            last_of_row,
            rows: 1,
            operation,
            rule: if step.carries {
                SkipRule::Unchanged
            } else {
                SkipRule::OperationNotRouted
            },
        })
    });
}

/// One item per route for `count` rows that no route carries.
fn skip(
    pieces: &mut Pieces,
    open: &mut Open,
    table: &Table,
    index: usize,
    operation: Operation,
    count: u64,
) {
    let end = open.rows[index] + count;
    let first = open.rows[index].max(open.handed_on[index]);
    open.rows[index] = end;
    // A rows event holds fewer than 2^32 rows: each takes at least a byte.
    let Some(rows) = end
        .checked_sub(first)
        .and_then(|rows| u32::try_from(rows).ok())
    else {
        return;
    };
    if rows == 0 {
        return;
    }
    let steps = &table.plan(operation).steps;
    for (index, step) in steps.iter().enumerate() {
        let id = ChangeId {
            transaction: Arc::clone(&open.transaction),
            table: Arc::clone(&table.name),
            row: first,
            route: step.route,
        };
        let last_of_row = index + 1 == steps.len();
        pieces.push(StreamItem::Skipped(SkippedRows {
            id,
            last_of_row,
            rows,
            operation,
            rule: SkipRule::OperationNotRouted,
        }));
    }
}

/// What mysql_cdc says, without asking OpenSSL for its words: that alone would link 4 MB of it into
/// a program which never uses it (`nm` then shows no symbol of it).
fn reason(error: errors::Error) -> String {
    match error {
        errors::Error::IoError(error) => error.to_string(),
        errors::Error::Utf8Error(error) => error.to_string(),
        errors::Error::FromUtf8Error(error) => error.to_string(),
        errors::Error::FromHexError(error) => error.to_string(),
        errors::Error::ParseIntError(error) => error.to_string(),
        errors::Error::ErrorStack(_) => "an error of OpenSSL".to_owned(),
        errors::Error::String(text) => text,
    }
}

/// The rows by mysql_cdc. The caller has made sure that the column count fits: it would panic.
fn decode<'l>(
    kind: u8,
    data: &[u8],
    maps: &HashMap<u64, TableMapEvent>,
    wanted: Option<&'l [(usize, Cell)]>,
) -> Result<Rows<'l>, String> {
    let cursor = &mut Cursor::new(data);
    Ok(match kind {
        23 | 30 => {
            let event = WriteRowsEvent::parse(cursor, maps, version(kind)).map_err(reason)?;
            let rows = event.rows.into_iter().map(|row| row.cells).collect();
            Rows {
                operation: Operation::Insert,
                present: event.columns_present,
                rows,
                touched: None,
            }
        }
        24 | 31 => {
            let event = UpdateRowsEvent::parse(cursor, maps, version(kind)).map_err(reason)?;
            let mut touched = wanted.map(Touched::new);
            if let Some(touched) = &mut touched {
                for row in &event.rows {
                    touched.note(
                        row,
                        &event.columns_before_update,
                        &event.columns_after_update,
                    );
                }
            }
            let mut present = event.columns_after_update;
            // A column that only the image before holds was not touched: the key, above all.
            let before_only: Vec<usize> = (0..present.len())
                .filter(|&column| !present[column] && event.columns_before_update[column])
                .collect();
            for column in &before_only {
                present[*column] = true;
            }
            let merge = |row: UpdateRowData| {
                let (mut cells, mut before) = (row.after_update.cells, row.before_update.cells);
                for column in &before_only {
                    cells[*column] = before[*column].take();
                }
                cells
            };
            let rows = event.rows.into_iter().map(merge).collect();
            Rows {
                operation: Operation::Update,
                present,
                rows,
                touched,
            }
        }
        25 | 32 => {
            let event = DeleteRowsEvent::parse(cursor, maps, version(kind)).map_err(reason)?;
            let rows = event.rows.into_iter().map(|row| row.cells).collect();
            Rows {
                operation: Operation::Delete,
                present: event.columns_present,
                rows,
                touched: None,
            }
        }
        _ => return Err("rows of this version are not known".to_owned()),
    })
}

/// Version 2 (30 to 32) has room for extra data in its head, version 1 (23 to 25) has none.
fn version(kind: u8) -> u8 {
    if kind >= 30 { 2 } else { 1 }
}

/// The number of columns that a rows event speaks of, and how many bytes come before what is behind
/// it.
fn columns_of(data: &[u8], kind: u8) -> Option<(usize, usize)> {
    let mut head = 8;
    if version(kind) == 2 {
        let extra = data.get(8..10)?;
        head += usize::from(u16::from_le_bytes([extra[0], extra[1]]).max(2));
    }
    let rest = data.get(head..)?;
    let (first, rest) = rest.split_first()?;
    Some(match first {
        0..=250 => (usize::from(*first), head + 1),
        252 => {
            let columns = u16::from_le_bytes(*rest.first_chunk()?);
            (usize::from(columns), head + 3)
        }
        // MySQL allows 4,096 columns.
        _ => return None,
    })
}
