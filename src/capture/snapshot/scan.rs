//! A table read for a comparison: chunk by chunk by its key, or chosen rows once more.
//!
//! Reads as a snapshot does, value for value, with its limits and its throttle, on a connection of
//! its own and without a lock. It orders nothing and hands nothing to the stream. A lost connection
//! is opened anew, some times, because a chunk that was read can be read again.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Params, Row};
use tokio::time::timeout;

use super::key::{Key, KeyColumn, quoted, quoted_table, table_error};
use super::query::{Order, Query};
use super::source::{GRACE, STATEMENT_SECONDS, Source, read_row};
use super::throttle;
use super::words;
use crate::capture::error::Error;
use crate::capture::session::in_time;
use crate::capture::settings::SourceSettings;
use crate::core::position::Position;
use crate::core::schema::TableName;
use crate::core::snapshot::{KeyBound, KeyPart};
use crate::core::value::Value;

/// What is read of a table.
#[derive(Clone, Debug)]
pub struct ScanSpec {
    pub table: TableName,
    /// Of each row, in this order.
    pub columns: Vec<String>,
    /// Only the rows for which all of these hold.
    pub narrow: Vec<Narrow>,
}

/// A part of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Narrow {
    /// SQL of a person, as it stands behind WHERE.
    Condition(String),
    /// The rows with this key and those behind it; for keys of one column.
    FromKey(String),
    /// Stamped by the table itself at this moment or later: seconds since 1970 in UTC.
    Since(i64),
}

/// A row as it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct ScannedRow {
    /// What it is asked for by again.
    pub place: Vec<KeyPart>,
    pub values: Vec<Value>,
}

/// A reading of one table.
pub struct Scan {
    settings: SourceSettings,
    spec: ScanSpec,
    key: Key,
    condition: Option<String>,
    source: Option<Source>,
    after: Option<KeyBound>,
    /// The last row that was there at the beginning: a table that grows as fast as it is read has an end.
    last: Option<KeyBound>,
    rows: u64,
    finished: bool,
}

/// A chunk, or a group of rows, is asked for so often before the failure is told.
const TRIES: u32 = 5;
/// Between two tries, and while the source is busy.
const PAUSE: Duration = Duration::from_secs(1);
/// Rows asked for by name with one statement.
const NAMED: usize = 500;

impl Scan {
    /// Checks what is asked for; reads no row.
    ///
    /// # Errors
    /// The table has no key to read it by, or a part of it cannot be told from the rest.
    pub async fn open(settings: &SourceSettings, spec: ScanSpec) -> Result<Self, Error> {
        let mut source = Source::connect(settings).await?;
        let key = in_time(settings, Key::read(&mut source.conn, settings, &spec.table)).await?;
        let mut clauses = Vec::new();
        for narrow in &spec.narrow {
            clauses.push(match narrow {
                Narrow::Condition(condition) => {
                    in_time(settings, source.check_condition(&spec.table, condition)).await?;
                    // The line break ends a comment that the condition may end with.
                    format!("({condition}\n)")
                }
                Narrow::FromKey(from) => {
                    words::from_key(&key, from).ok_or_else(|| Error::ScanKey {
                        table: spec.table.clone(),
                    })?
                }
                Narrow::Since(seconds) => {
                    let column = in_time(settings, source.stamped_column(&spec.table)).await?;
                    let column = column.ok_or_else(|| Error::ScanStamp {
                        table: spec.table.clone(),
                    })?;
                    format!("{} >= FROM_UNIXTIME({seconds})", quoted(&column))
                }
            });
        }
        Ok(Self {
            rows: u64::from(settings.snapshot.chunk_rows.max(1)),
            settings: settings.clone(),
            spec,
            key,
            condition: (!clauses.is_empty()).then(|| clauses.join(" AND ")),
            source: Some(source),
            after: None,
            last: None,
            finished: false,
        })
    }

    /// How many rows there are, by the server's statistics: of the whole table.
    ///
    /// # Errors
    /// The server cannot be asked.
    pub async fn estimate(&mut self) -> Result<Option<u64>, Error> {
        let table = self.spec.table.clone();
        let settings = self.settings.clone();
        let source = self.source().await?;
        in_time(&settings, source.estimate(&table)).await
    }

    /// The next rows in the order of the key, up to the last that was there when the first was asked
    /// for; `None` behind it.
    ///
    /// # Errors
    /// What passes is tried again some times.
    pub async fn next(&mut self) -> Result<Option<Vec<ScannedRow>>, Error> {
        if self.finished {
            return Ok(None);
        }
        let mut tried = 0;
        let rows = loop {
            tried += 1;
            match self.read_next().await {
                Ok(rows) => break rows,
                Err(error) if tried < TRIES && !error.is_permanent() => self.recover().await,
                Err(error) => return Err(error),
            }
        };
        let Some(last) = rows.last() else {
            self.finished = true;
            return Ok(None);
        };
        self.after = Some(self.bound(&last.place));
        let count = rows.len() as u64;
        let bytes: usize = rows.iter().map(heap_bytes).sum();
        let most = u64::from(self.settings.snapshot.chunk_rows.max(1));
        let each = (bytes as u64).checked_div(count).unwrap_or(0).max(1);
        self.rows = (u64::from(self.settings.snapshot.chunk_bytes) / each).clamp(1, most);
        tokio::time::sleep(self.settings.snapshot.duration(count)).await;
        Ok(Some(rows))
    }

    /// These rows as they are now, whatever part of the table is read; those that are gone are
    /// missing. In no order.
    ///
    /// # Errors
    /// As [`Scan::next`].
    pub async fn look(&mut self, places: &[Vec<KeyPart>]) -> Result<Vec<ScannedRow>, Error> {
        let mut found = Vec::new();
        for group in places.chunks(NAMED) {
            let mut tried = 0;
            found.extend(loop {
                tried += 1;
                match self.read_named(group).await {
                    Ok(rows) => break rows,
                    Err(error) if tried < TRIES && !error.is_permanent() => self.recover().await,
                    Err(error) => return Err(error),
                }
            });
        }
        Ok(found)
    }

    /// Where the server's binlog ends now: everything that was read stands before it.
    ///
    /// # Errors
    /// The server cannot be asked.
    pub async fn end(&mut self) -> Result<Position, Error> {
        let settings = self.settings.clone();
        let source = self.source().await?;
        let end = in_time(&settings, source.end()).await?;
        Ok(end.position)
    }

    /// SQL by which a snapshot finds exactly these rows, with no personal value in it.
    #[must_use]
    pub fn condition_for(&self, places: &[Vec<KeyPart>]) -> Option<String> {
        words::among(&self.key, places)
    }

    /// The one column of the key, if it has one.
    #[must_use]
    pub fn key_column(&self) -> Option<&str> {
        match self.key.columns.as_slice() {
            [KeyColumn { name, .. }] => Some(name),
            _ => None,
        }
    }

    /// The place of the row with this key, where the key is one column of integers or texts.
    #[must_use]
    pub fn place_of(&self, key: &str) -> Option<Vec<KeyPart>> {
        words::part_of(&self.key, key).map(|part| vec![part])
    }

    async fn read_next(&mut self) -> Result<Vec<ScannedRow>, Error> {
        self.hold_back().await?;
        if self.last.is_none() {
            let last = self.read_chunk(Order::Falling, 1).await?;
            let Some(last) = last.first() else {
                return Ok(Vec::new());
            };
            self.last = Some(self.bound(&last.place));
        }
        self.read_chunk(Order::Rising, self.rows).await
    }

    async fn read_chunk(&mut self, order: Order, rows: u64) -> Result<Vec<ScannedRow>, Error> {
        let query = Query {
            table: &self.spec.table,
            key: &self.key,
            columns: &self.spec.columns,
            condition: self.condition.as_deref(),
        };
        let mut parameters = Vec::new();
        for bound in self.after.iter().chain(&self.last) {
            let of_bound = query.parameters(bound);
            parameters.extend(of_bound.ok_or_else(|| Error::SnapshotPlace {
                table: self.spec.table.clone(),
            })?);
        }
        let sql = query.sql_in_order(self.after.is_some(), self.last.is_some(), order, rows);
        self.fetch(sql, parameters).await
    }

    async fn read_named(&mut self, places: &[Vec<KeyPart>]) -> Result<Vec<ScannedRow>, Error> {
        let columns = &self.key.columns;
        let (mut clauses, mut parameters) = (Vec::new(), Vec::new());
        for place in places {
            let mut parts = Vec::new();
            for (column, part) in columns.iter().zip(place) {
                parts.push(format!(
                    "{} = {}",
                    quoted(&column.name),
                    column.placeholder()
                ));
                let parameter = column.parameter(part);
                parameters.push(parameter.ok_or_else(|| Error::SnapshotPlace {
                    table: self.spec.table.clone(),
                })?);
            }
            clauses.push(format!("({})", parts.join(" AND ")));
        }
        let mut selected: Vec<String> = self.spec.columns.iter().map(|it| quoted(it)).collect();
        selected.extend(columns.iter().map(|column| quoted(&column.name)));
        selected.extend(columns.iter().map(KeyColumn::selected));
        let sql = format!(
            "SELECT {} FROM {} WHERE {}",
            selected.join(", "),
            quoted_table(&self.spec.table),
            clauses.join(" OR "),
        );
        self.fetch(sql, parameters).await
    }

    async fn fetch(
        &mut self,
        sql: String,
        parameters: Vec<mysql_async::Value>,
    ) -> Result<Vec<ScannedRow>, Error> {
        self.source().await?;
        let Self {
            settings,
            spec,
            key,
            source,
            ..
        } = self;
        // It was opened just now; without one there is nothing to read.
        let Some(source) = source else {
            return Ok(Vec::new());
        };
        let query = Query {
            table: &spec.table,
            key,
            columns: &spec.columns,
            condition: None,
        };
        let parameters = match parameters.is_empty() {
            true => Params::Empty,
            false => Params::Positional(parameters),
        };
        let waited = Duration::from_secs(STATEMENT_SECONDS) + GRACE;
        let read = async {
            let failed = |error| table_error(settings, &spec.table, error);
            // The binary protocol, in which a FLOAT is exact.
            let rows: Vec<Row> = source.conn.exec(sql, parameters).await.map_err(failed)?;
            let numbering = &source.server.collations;
            rows.into_iter()
                .map(|row| {
                    let (row, bound) = read_row(&query, row, numbering)?;
                    Ok(ScannedRow {
                        place: bound.values,
                        values: row.values,
                    })
                })
                .collect()
        };
        timeout(waited, read).await.unwrap_or_else(|_| {
            let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            Err(Error::Silent { waited_ms })
        })
    }

    async fn hold_back(&mut self) -> Result<(), Error> {
        let settings = self.settings.clone();
        loop {
            let source = self.source().await?;
            let reason = in_time(&settings, throttle::reason_to_wait(source, &settings)).await?;
            let Some(reason) = reason else { return Ok(()) };
            tracing::debug!(reason, "the comparison waits");
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn recover(&mut self) {
        self.source = None;
        tokio::time::sleep(PAUSE).await;
    }

    async fn source(&mut self) -> Result<&mut Source, Error> {
        let source = match self.source.take() {
            Some(source) => source,
            None => Source::connect(&self.settings).await?,
        };
        Ok(self.source.insert(source))
    }

    fn bound(&self, place: &[KeyPart]) -> KeyBound {
        KeyBound {
            columns: self.key.names(),
            values: place.to_vec(),
        }
    }
}

fn heap_bytes(row: &ScannedRow) -> usize {
    let values = row.values.iter().map(Value::heap_bytes).sum::<usize>();
    values + row.values.len() * size_of::<Value>()
}
