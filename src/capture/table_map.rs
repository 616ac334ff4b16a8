//! Table maps of routed tables, rewritten so that mysql_cdc's cell parsers hand over raw bytes.
//!
//! Invariants: a rewritten map has exactly the widths of the real one, or building it fails;
//! columns are found by name, never by index; a map lives until its bytes change, the binlog
//! rotates, or more than [`MAPS_KEPT`] pile up.

use std::collections::{HashMap, HashSet};

use mysql_async::binlog::events::{
    Event, OptionalMetaExtractor, PartialUpdateRowsEvent, TableMapEvent,
};
use mysql_async::consts::ColumnType;
use mysql_cdc::events::table_map_event::TableMapEvent as CdcTableMap;

use super::charset::{self, Numbering};
use super::columns::{Column, Kind, Labels, width_of};
use super::decode::Cell;
use super::error::Error;
use super::mariadb::{self, TextTypes};
use super::names::{Book, Names, Told, Unnamed};
use super::routing::Routing;
use super::whole_rows::{NOWHERE, Places, Whole, place};
use crate::core::position::FilePosition;
use crate::core::schema::TableName;

/// More than one statement ever touches; every table re-open makes a new one.
const MAPS_KEPT: usize = 64;

#[derive(Default)]
pub(super) struct TableMaps {
    /// What mysql_cdc looks rows up in.
    pub(super) rewritten: HashMap<u64, CdcTableMap>,
    layouts: HashMap<u64, Layout>,
    /// What the table maps do not say.
    pub(super) text_types: TextTypes,
    /// What the table maps' collations are on this server.
    pub(super) collations: Numbering,
    /// Columns of table maps without names.
    pub(super) names: Names,
    /// Ids of the open transaction that no route reads.
    unrouted: HashSet<u64>,
}

/// How the rows of one table id are read.
pub(super) struct Layout {
    /// The routed table's index.
    pub(super) table: usize,
    pub(super) columns: usize,
    /// By slot: the column and its decoder.
    pub(super) cells: Vec<(usize, Cell)>,
    /// All columns of the table, wanted or not.
    named: Vec<Column>,
    /// Set when some of them are missing.
    pub(super) whole: Option<Box<Whole>>,
    /// Set when the columns have no names, and why: rows can be counted, not read.
    pub(super) unnamed: Option<Unnamed>,
    /// The event itself, to see whether it changed.
    event: Event,
}

impl Layout {
    /// The slots whose columns are not in the row image.
    pub(super) fn absent(&self, present: &[bool]) -> impl Iterator<Item = usize> {
        let is_absent =
            |column: usize| column != NOWHERE && !present.get(column).copied().unwrap_or(false);
        let slots = self.cells.iter().enumerate();
        slots.filter_map(move |(slot, (column, _))| is_absent(*column).then_some(slot))
    }

    /// Any column by name, with its decoder.
    pub(super) fn cell_of(&self, name: &str, table: &TableName) -> Option<(usize, Cell)> {
        let same = |column: &Column| super::routing::same_column(&column.name, name);
        let index = self.named.iter().position(same)?;
        Some((index, self.named.get(index)?.cell(table).ok()?))
    }

    /// How many rows a partial update holds; what is in them is not needed.
    pub(super) fn count_partial(&self, event: &Event) -> Result<u64, String> {
        let text = |error: std::io::Error| error.to_string();
        let map: TableMapEvent<'_> = self.event.read_event().map_err(text)?;
        let rows: PartialUpdateRowsEvent<'_> = event.read_event().map_err(text)?;
        let mut count = 0;
        for row in rows.rows(&map) {
            row.map_err(text)?;
            count += 1;
        }
        Ok(count)
    }
}

/// What is known of a table id.
pub(super) enum Found<'m> {
    Routed(&'m Layout),
    Unrouted,
    Unknown,
}

impl TableMaps {
    pub(super) fn clear(&mut self) {
        self.rewritten.clear();
        self.layouts.clear();
        self.unrouted.clear();
    }

    /// Table maps stand before the rows of each statement, so none outlives its transaction.
    pub(super) fn start_transaction(&mut self) {
        self.unrouted.clear();
        if self.layouts.len() > MAPS_KEPT {
            self.clear();
        }
    }

    pub(super) fn find(&self, table_id: u64) -> Found<'_> {
        match self.layouts.get(&table_id) {
            Some(layout) => Found::Routed(layout),
            None if self.unrouted.contains(&table_id) => Found::Unrouted,
            None => Found::Unknown,
        }
    }

    /// Rows of this table id are not read in the open transaction.
    pub(super) fn pass(&mut self, table_id: u64) {
        self.layouts.remove(&table_id);
        self.unrouted.insert(table_id);
    }

    /// Takes note of a table map event.
    pub(super) fn accept(
        &mut self,
        event: &Event,
        routing: &Routing,
        at: &FilePosition,
    ) -> Result<(), Error> {
        let broken = |reason: String| Error::Event {
            event: event.header().event_type_raw(),
            position: at.clone(),
            reason,
        };
        let data = event.data();
        let (id, schema, table) =
            read_names(data).ok_or_else(|| broken("it is too short".to_owned()))?;
        let Some(table) = routing.find(schema, table) else {
            self.pass(id);
            return Ok(());
        };
        if self
            .layouts
            .get(&id)
            .is_some_and(|layout| layout.event.data() == data)
        {
            return Ok(());
        }
        let plain = mariadb::plain(event).map_err(broken)?;
        let map: TableMapEvent<'_> = plain
            .event(event)
            .read_event()
            .map_err(|error| broken(error.to_string()))?;
        let routed = &routing.tables[table];
        let book = self.names.book(table);
        let Rewritten {
            map: rewritten,
            mut columns,
            unnamed,
        } = rewrite(
            id,
            &map,
            &routed.name,
            &broken,
            &plain,
            book,
            &self.collations,
        )?;
        for (index, column) in columns.iter_mut().enumerate() {
            let text = self.text_types.find(&routed.name, &column.name);
            column.form = plain.form(index, text);
        }
        let Places { cells, whole } = match unnamed {
            None => place(routed, &columns),
            Some(_) => Places::default(),
        };
        let layout = Layout {
            table,
            columns: columns.len(),
            cells,
            named: columns,
            whole,
            unnamed,
            event: event.clone(),
        };
        self.unrouted.remove(&id);
        self.rewritten.insert(id, rewritten);
        self.layouts.insert(id, layout);
        Ok(())
    }
}

/// Table id, schema and table of a table map's bytes.
fn read_names(data: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let id = table_id(data)?;
    let (schema, rest) = read_name(data.get(8..)?)?;
    let (table, _) = read_name(rest)?;
    Some((id, schema, table))
}

/// The table id that rows events and table maps begin with: 6 bytes.
pub(super) fn table_id(data: &[u8]) -> Option<u64> {
    let bytes = data.first_chunk::<6>()?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |id, byte| id << 8 | u64::from(*byte)),
    )
}

/// A length byte, the name, and a zero byte.
fn read_name(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_first()?;
    let length = usize::from(*length);
    Some((rest.get(..length)?, rest.get(length + 1..)?))
}

struct Rewritten {
    /// The map for mysql_cdc.
    map: CdcTableMap,
    /// The columns by their real types.
    columns: Vec<Column>,
    unnamed: Option<Unnamed>,
}

fn rewrite(
    id: u64,
    map: &TableMapEvent<'_>,
    table: &TableName,
    broken: &dyn Fn(String) -> Error,
    plain: &mariadb::Plain,
    book: &Book,
    numbering: &Numbering,
) -> Result<Rewritten, Error> {
    let text = |error: std::io::Error| broken(error.to_string());
    let meta = OptionalMetaExtractor::new(map.iter_optional_meta()).map_err(text)?;
    let mut unsigned = meta.iter_signedness();
    let mut collations = meta.iter_charset();
    let mut label_collations = meta.iter_enum_and_set_charset();
    let mut names = meta.iter_column_name().peekable();

    let count = usize::try_from(map.columns_count()).map_err(|error| broken(error.to_string()))?;
    let is_named = names.peek().is_some();
    let (told, mut unnamed) = if is_named {
        (None, None)
    } else {
        consult(book, count)
    };
    let mut labels = if is_named {
        Labels::read(map).map_err(broken)?
    } else {
        let kinds = told.unwrap_or_default().iter();
        Labels::told(count, kinds.filter_map(Told::labels_of_kind))
    };
    let (mut types, mut metadata) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let mut columns = Vec::with_capacity(count);
    for index in 0..count {
        let name = match names.next() {
            Some(name) => name.map_err(text)?.name().into_owned(),
            None if is_named => return Err(broken("a column has no name".to_owned())),
            None => told.map_or_else(
                || format!("#{}", index + 1),
                |told| told[index].name.clone(),
            ),
        };
        let told = told.map(|told| &told[index]);
        let unsupported = |kind: String| Error::ColumnType {
            table: table.clone(),
            column: name.clone(),
            kind,
        };
        let kind = map
            .get_column_type(index)
            .map_err(|error| unsupported(error.to_string()))?
            .ok_or_else(|| broken("a column has no type".to_owned()))?;
        let meta_bytes = map
            .get_column_metadata(index)
            .ok_or_else(|| broken("a column has no metadata".to_owned()))?;
        let sign = kind.is_numeric_type().then(|| unsigned.next()).flatten();
        let is_unsigned = sign.unwrap_or_else(|| told.is_some_and(|told| told.unsigned));
        if let Some(told) = told
            && unnamed.is_none()
        {
            let fits = told.check(kind, meta_bytes, plain.is_compressed(index));
            unnamed = fits.err().map(Unnamed::Unlike);
            if !told.has_sign(kind, is_unsigned) {
                let reason = format!("the sign of column {name:?} is another one");
                unnamed = Some(Unnamed::Unlike(reason));
            }
        }
        let otherwise = told.map_or(charset::BINARY, |told| told.collation);
        // The server lists VECTOR among the character columns; mysql_common does not know it.
        let collation = if kind.is_character_type()
            || kind == ColumnType::MYSQL_TYPE_VECTOR
            || plain.counts_as_character(kind)
        {
            collations
                .next()
                .transpose()
                .map_err(text)?
                .unwrap_or(otherwise)
        } else if kind.is_enum_or_set_type() && !is_named {
            charset::UTF8
        } else if kind.is_enum_or_set_type() {
            label_collations
                .next()
                .transpose()
                .map_err(text)?
                .unwrap_or(charset::BINARY)
        } else {
            charset::BINARY
        };
        let collation = numbering.resolve(collation);
        let width = width_of(kind, meta_bytes, is_unsigned, collation, &mut labels)
            .ok_or_else(|| unsupported(mariadb::describe_type(kind)))?;
        types.push(width.code);
        metadata.push(width.metadata);
        let labels_are_told = told.is_none_or(|told| told.labels.is_some());
        columns.push(Column {
            name,
            kind: match width.kind {
                Kind::Labels { .. } if !labels_are_told => Kind::LabelsUntold,
                kind => kind,
            },
            form: mariadb::Form::default(),
        });
    }
    let rewritten = CdcTableMap {
        table_id: id,
        database_name: table.schema.clone(),
        table_name: table.table.clone(),
        column_types: types,
        column_metadata: metadata,
        null_bitmap: Vec::new(),
        table_metadata: None,
    };
    Ok(Rewritten {
        map: rewritten,
        columns,
        unnamed,
    })
}

/// What is told of a table map's columns, or why nothing is.
fn consult(book: &Book, count: usize) -> (Option<&[Told]>, Option<Unnamed>) {
    let why = match book {
        Book::Told(told) if told.len() == count => return (Some(told), None),
        Book::Told(told) => {
            let columns = told.len();
            Unnamed::Unlike(format!("it has {columns} columns now and {count} there"))
        }
        Book::Unread => Unnamed::Unread,
        Book::Missing { user } => Unnamed::Missing { user: user.clone() },
        Book::Altered(at) => Unnamed::Altered(at.clone()),
    };
    (None, Some(why))
}
