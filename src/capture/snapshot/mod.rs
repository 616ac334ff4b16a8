//! Snapshots: existing rows, read in chunks by primary key beside the stream, on a connection of
//! their own.
//!
//! The reader obeys orders and says what it waits for; how far a snapshot is, the driver knows. A
//! chunk enters the stream through the [`Gate`], and the next one only after that chunk is durable.
//! What passes (a lost connection, a statement that took too long) is tried again, visibly; what
//! only a person can mend ends the snapshot, not the stream.

mod chunk;
mod collect;
mod gate;
mod key;
mod query;
mod sample;
mod scan;
mod source;
mod throttle;
mod values;
mod words;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use mysql_async::Conn;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::error::Error;
use super::session::{Context, in_time};
use super::settings::{RoutedTable, SnapshotSettings, SourceSettings};
use super::supervisor::panicked;
use super::{CaptureEvent, SnapshotNews, SnapshotOrder, describe};
use crate::core::schema::TableName;
use crate::core::snapshot::{ChunkEnd, KeyBound, Snapshot, TableSnapshot};
use chunk::{ReadChunk, Takers};
pub(super) use collect::RowsEvent;
use gate::{Brought, Outcome, Watch};
pub(super) use gate::{Gate, Place};
use key::Key;
use query::Query;
pub use sample::newest_rows;
pub use scan::{Narrow, Scan, ScanSpec, ScannedRow};
use source::Source;

/// Looks again after this while the source is busy.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A chunk that is not taken up within this is worth telling.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);
/// Chunks in a row that had to be thrown away before that is worth telling.
const DISCARDS_TOLD: u32 = 3;

/// Whether this snapshot can begin: each of its tables has a key to read it by, may be read, and
/// knows what the condition names.
///
/// # Errors
/// The first reason why not.
pub async fn check_snapshot(
    settings: &SourceSettings,
    tables: &[RoutedTable],
    snapshot: &Snapshot,
) -> Result<(), Error> {
    // Somebody waits for the answer: many tables must not add up to many patiences.
    let waited_ms = settings.connect_timeout_ms.saturating_mul(3);
    timeout(
        Duration::from_millis(waited_ms),
        check_tables(settings, tables, snapshot),
    )
    .await
    .unwrap_or(Err(Error::Silent { waited_ms }))
}

async fn check_tables(
    settings: &SourceSettings,
    tables: &[RoutedTable],
    snapshot: &Snapshot,
) -> Result<(), Error> {
    let mut source = Source::connect(settings).await?;
    for table in snapshot.tables.iter().filter(|table| !table.finished) {
        let routed = tables.iter().find(|routed| routed.name == table.table);
        if routed.is_none_or(|routed| Takers::new(routed, &table.routes).is_none()) {
            return Err(Error::SnapshotRoute {
                table: table.table.clone(),
            });
        }
        let condition = table.condition.as_deref();
        in_time(
            settings,
            source::check(&mut source, &table.table, condition),
        )
        .await?;
    }
    // The server closes its side too; there is nothing to do about a failure here.
    let _ = source.conn.disconnect().await;
    Ok(())
}

/// The name of the key that a table would be read by.
pub(super) async fn check_key(
    conn: &mut Conn,
    settings: &SourceSettings,
    table: &TableName,
) -> Result<String, Error> {
    let key = Key::read(conn, settings, table).await?;
    Ok(format!(
        "read by {} ({})",
        key.index,
        key.names().join(", ")
    ))
}

/// Reads one snapshot after the other, as ordered; ends when nobody is left to order.
pub(super) async fn run(context: Arc<Context>, mut orders: mpsc::Receiver<SnapshotOrder>) {
    let mut next = None;
    loop {
        let snapshot = match next.take() {
            Some(snapshot) => snapshot,
            None => match orders.recv().await {
                Some(SnapshotOrder::Run(snapshot)) => snapshot,
                Some(SnapshotOrder::ChunkDurable | SnapshotOrder::Cancel) => continue,
                None => return,
            },
        };
        // One chunk may be on its way to durability.
        let room = Semaphore::new(1);
        let reader = Reader {
            context: &context,
            room: &room,
            limits: context.settings.snapshot,
            snapshot: snapshot.number,
            source: None,
            attempt: 0,
            discards: 0,
            panics: 0,
            waiting: false,
        };
        let mut reading = Box::pin(reader.run(&snapshot));
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(SnapshotOrder::ChunkDurable) => room.add_permits(1),
                    Some(SnapshotOrder::Cancel) => break,
                    Some(SnapshotOrder::Run(snapshot)) => {
                        next = Some(snapshot);
                        break;
                    }
                    None => return,
                },
                () = reading.as_mut() => break,
            }
        }
        drop(reading);
        context.gate.close();
    }
}

/// Why a snapshot's reading ends early.
enum End {
    /// Nobody listens any more.
    Abandoned,
    Failed(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        End::Failed(error)
    }
}

struct Reader<'r> {
    context: &'r Context,
    room: &'r Semaphore,
    limits: SnapshotSettings,
    snapshot: u64,
    source: Option<Source>,
    /// Failures in a row.
    attempt: u32,
    /// Chunks in a row that were thrown away.
    discards: u32,
    /// Since a chunk was read.
    panics: u32,
    /// Whether the last news was that it waits.
    waiting: bool,
}

/// A table while it is read.
struct Reading<'t> {
    index: usize,
    table: &'t TableSnapshot,
    /// Of the routed table.
    routed: usize,
    takers: Arc<Takers>,
    /// Known from the first look on; must stay what it is.
    key: Option<Key>,
    after: Option<KeyBound>,
    /// Rows to ask for: fewer where they are wide.
    rows: u64,
    /// Whether the table has been read to its end.
    finished: bool,
}

impl Reading<'_> {
    /// What was asked for, and what the routes' filters leave of it.
    fn condition(&self, settings: &SourceSettings) -> Option<String> {
        let mut filters = settings.snapshot_filters.iter();
        let filter = filters.find(|(table, _)| *table == self.table.table);
        let filter = filter.map(|(_, filter)| filter.as_str());
        match (self.table.condition.as_deref(), filter) {
            // The line break ends a comment that the condition may end with.
            (Some(condition), Some(filter)) => Some(format!("({condition}\n) AND {filter}")),
            (condition, filter) => condition.or(filter).map(str::to_owned),
        }
    }
}

impl Reader<'_> {
    async fn run(mut self, snapshot: &Snapshot) {
        for (index, table) in snapshot.tables.iter().enumerate() {
            if table.finished {
                continue;
            }
            match self.read_table(index, table).await {
                Ok(()) => {}
                Err(End::Abandoned) => return,
                Err(End::Failed(error)) => {
                    let _ = self.tell(SnapshotNews::Failed { error }).await;
                    return;
                }
            }
        }
    }

    async fn read_table(&mut self, index: usize, table: &TableSnapshot) -> Result<(), End> {
        let gone = || Error::SnapshotRoute {
            table: table.table.clone(),
        };
        let tables: &[RoutedTable] = &self.context.tables;
        let routed = tables
            .iter()
            .position(|routed| routed.name == table.table)
            .ok_or_else(gone)?;
        let takers = Takers::new(&tables[routed], &table.routes).ok_or_else(gone)?;
        let mut reading = Reading {
            index,
            table,
            routed,
            takers: Arc::new(takers),
            key: None,
            after: table.after.clone(),
            rows: u64::from(self.limits.chunk_rows.max(1)),
            finished: false,
        };
        while !reading.finished {
            // The driver may panic on what it gets, and what was read before must not go with it.
            let read = AssertUnwindSafe(self.read_chunk(&mut reading)).catch_unwind();
            let read = match read.await {
                Ok(read) => read,
                Err(panic) => {
                    self.panics = self.panics.saturating_add(1);
                    Err(End::Failed(panicked(&*panic, self.panics)))
                }
            };
            match read {
                Ok(()) => {}
                Err(End::Failed(error)) if !error.is_permanent() => {
                    self.context.gate.close();
                    self.source = None;
                    self.back_off(&error).await?;
                }
                Err(end) => return Err(end),
            }
        }
        Ok(())
    }

    async fn read_chunk(&mut self, reading: &mut Reading<'_>) -> Result<(), End> {
        let settings = &self.context.settings;
        if self.source.is_none() {
            self.source = Some(Source::connect(settings).await?);
        }
        self.hold_back().await?;
        let estimated = reading.key.is_some() || reading.table.estimated_rows.is_some();
        let Some(source) = &mut self.source else {
            return Ok(());
        };
        let condition = match &reading.key {
            None => reading.table.condition.as_deref(),
            Some(_) => None,
        };
        let check = source::check(source, &reading.table.table, condition);
        let key = in_time(settings, check).await?;
        if reading.key.as_ref().is_some_and(|known| *known != key) {
            return Err(End::Failed(Error::SnapshotPlace {
                table: reading.table.table.clone(),
            }));
        }
        if !estimated {
            let rows = in_time(settings, source.estimate(&reading.table.table)).await?;
            if let Some(rows) = rows {
                let table = reading.index;
                self.tell(SnapshotNews::Estimated { table, rows }).await?;
            }
        }
        let condition = reading.condition(settings);
        let key = &*reading.key.insert(key);

        let watch = Watch {
            table: reading.routed,
            key: key.names(),
        };
        let gate = &self.context.gate;
        let brought = gate.open(&watch).await;
        self.wait_until_visible(&brought).await?;
        let Some(source) = &mut self.source else {
            return Ok(());
        };
        let query = Query {
            table: &reading.table.table,
            key,
            columns: &reading.takers.columns,
            condition: condition.as_deref(),
        };
        let rows = source
            .read(
                &query,
                reading.table,
                reading.after.as_ref(),
                reading.rows,
                self.limits.chunk_bytes as usize,
            )
            .await?;
        let end = in_time(settings, source.end()).await?;
        let (count, bytes) = (rows.rows.len() as u64, rows.bytes);
        let (after, last) = (rows.after.clone(), rows.last);
        let chunk = ReadChunk {
            takers: Arc::clone(&reading.takers),
            rows: rows.rows,
            read_at: (self.context.clock)(),
            end: ChunkEnd {
                snapshot: self.snapshot,
                table: reading.index,
                after: rows.after,
                rows: 0,
                overtaken: 0,
                last,
            },
        };
        // Closed never: the semaphore lives as long as the reading.
        let Ok(room) = self.room.acquire().await else {
            return Err(End::Abandoned);
        };
        let pause = tokio::time::sleep(self.limits.duration(count));
        let submitted = gate.submit(chunk, &end.server_uuid, end.end);
        let (outcome, ()) = tokio::join!(self.until_taken(submitted), pause);
        let outcome = outcome?;
        match outcome {
            Outcome::Released => {
                // Given back by the order that says that the chunk is durable.
                room.forget();
                if let Some(after) = after {
                    reading.after = Some(after);
                }
                reading.finished = last;
                reading.rows = self.rows_at_once(count, bytes);
                (self.attempt, self.discards, self.panics) = (0, 0, 0);
                self.go_on().await
            }
            Outcome::Discarded(reason) => {
                drop(room);
                // A row that changes all the time holds up fewer others so.
                reading.rows = (reading.rows / 2).max(1);
                self.read_again(reason).await
            }
        }
    }

    /// Else a row could be read as it was before a change that the stream has brought already, and
    /// enter behind it.
    async fn wait_until_visible(&mut self, brought: &Brought) -> Result<(), End> {
        let settings = &self.context.settings;
        loop {
            let Some(source) = &mut self.source else {
                return Ok(());
            };
            if in_time(settings, source.sees(brought)).await? {
                return self.go_on().await;
            }
            let reason = "the server does not show yet what the stream has brought";
            self.wait(Some(reason.to_owned())).await?;
            // This connection may still lead to a server that the stream has left.
            self.source = Some(Source::connect(settings).await?);
        }
    }

    /// As many rows as fit a chunk's bytes, by the last chunk's measure.
    fn rows_at_once(&self, rows: u64, bytes: usize) -> u64 {
        let most = u64::from(self.limits.chunk_rows.max(1));
        match (bytes as u64).checked_div(rows) {
            Some(each) if each > 0 => (u64::from(self.limits.chunk_bytes) / each).clamp(1, most),
            _ => most,
        }
    }

    async fn hold_back(&mut self) -> Result<(), End> {
        loop {
            let Some(source) = &mut self.source else {
                return Ok(());
            };
            let settings = &self.context.settings;
            match in_time(settings, throttle::reason_to_wait(source, settings)).await? {
                None => return self.go_on().await,
                reason => self.wait(reason).await?,
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// What becomes of a chunk; says so when the stream takes long to come to where it was read.
    async fn until_taken(
        &mut self,
        submitted: impl Future<Output = Outcome>,
    ) -> Result<Outcome, End> {
        let mut submitted = std::pin::pin!(submitted);
        loop {
            if let Ok(outcome) = timeout(TAKEN_WITHIN, submitted.as_mut()).await {
                return Ok(outcome);
            }
            let reason = "the stream has not come yet to where the last chunk was read";
            self.wait(Some(reason.to_owned())).await?;
        }
    }

    async fn read_again(&mut self, reason: &'static str) -> Result<(), End> {
        self.context.gate.close();
        self.discards = self.discards.saturating_add(1);
        tracing::debug!(
            snapshot = self.snapshot,
            reason,
            "a chunk is thrown away and read again"
        );
        // The reader's own connection may lead to another server than the stream's.
        self.source = None;
        if self.discards >= DISCARDS_TOLD {
            self.wait(Some(format!("a chunk is read again: {reason}")))
                .await?;
        }
        tokio::time::sleep(self.delay(self.discards)).await;
        Ok(())
    }

    async fn back_off(&mut self, error: &Error) -> Result<(), End> {
        self.attempt = self.attempt.saturating_add(1);
        let delay = self.delay(self.attempt);
        let text = describe(error);
        let (page, attempt) = (error.page(), self.attempt);
        tracing::warn!(page, attempt, "a snapshot waits for the source: {text}");
        self.wait(Some(text)).await?;
        tokio::time::sleep(delay).await;
        Ok(())
    }

    fn delay(&self, attempt: u32) -> Duration {
        let settings = &self.context.settings;
        let (base, cap) = (settings.backoff_base_ms, settings.backoff_cap_ms);
        let doubled = base.saturating_mul(1 << attempt.saturating_sub(1).min(32));
        Duration::from_millis(doubled.min(cap))
    }

    async fn wait(&mut self, reason: Option<String>) -> Result<(), End> {
        self.waiting = reason.is_some();
        self.tell(SnapshotNews::Waiting { reason }).await
    }

    async fn go_on(&mut self) -> Result<(), End> {
        if self.waiting && self.attempt == 0 && self.discards == 0 {
            self.wait(None).await?;
        }
        Ok(())
    }

    async fn tell(&self, news: SnapshotNews) -> Result<(), End> {
        self.context
            .events
            .send(CaptureEvent::Snapshot(self.snapshot, news))
            .await
            .map_err(|_| End::Abandoned)
    }
}

#[cfg(test)]
mod tests;
