//! From binlog events to stream items: transactions opened and closed, rows handed on, places
//! counted. Knows no network and no clock of its own.
//!
//! Invariants: an event that may carry routed rows is decoded or it is an error, never skipped;
//! a checksum is compared before anything else is read; a transaction with routed rows gets its
//! own [`Advance`] right behind them, others are merged.

use std::collections::BTreeMap;
use std::sync::Arc;

use mysql_async::BrokenEvent;
use mysql_async::binlog::EventFlags;
use mysql_async::binlog::events::{
    Event, GtidEvent, QueryEvent, RotateEvent, TransactionPayloadEvent,
};

use super::ddl;
use super::defaults::Known;
use super::envelope::{Envelope, kind};
use super::error::Error;
use super::history;
use super::mariadb;
use super::pieces::{Piece, Pieces};
use super::progress::Progress;
use super::routing::Routing;
use super::settings::LiveSchemas;
use super::snapshot::Gate;
use super::statement::{self, Statement};
use super::table_map::{Found, TableMaps, table_id};
use super::xa::{Branch, Undecided};
use crate::core::change::{Alteration, StreamItem, Transaction};
use crate::core::position::{
    Advance, FilePosition, Gtid, GtidSource, Gtids, Inside, MariaDbPosition, Position,
    TransactionId,
};
use crate::core::schema::TableSchema;
use crate::core::time::Micros;

/// Transactions without routed rows that share one [`Advance`] at most.
const MERGED_MAX: u32 = 1_000;

pub(super) struct Assembler {
    pub(super) routing: Arc<Routing>,
    pub(super) maps: TableMaps,
    pub(super) pieces: Pieces,
    pub(super) open: Option<Open>,
    pub(super) clock: fn() -> Micros,
    pub(super) progress: Progress,
    /// Of a snapshot that runs beside the stream.
    pub(super) gate: Option<Arc<Gate>>,
    pub(super) undecided: Undecided,
    /// MariaDB's last GTIDs that this stream has brought, what is behind us included.
    pub(super) seen: MariaDbPosition,
    pub(super) defaults: Known,
    envelope: Envelope,
    pub(super) merged: Gtids,
    merged_count: u32,
    merged_end: Option<FilePosition>,
    /// Another server than before; told as soon as it says where in its binlog it begins.
    taken_over: bool,
    /// A server sends it, without what it was told to be behind us; a file holds that, too.
    is_live: bool,
}

/// The transaction that is being read.
pub(super) struct Open {
    pub(super) transaction: Arc<Transaction>,
    /// BEGIN was seen: it ends with COMMIT or XID, not with the next statement.
    pub(super) begun: bool,
    /// Where it begins.
    pub(super) start: FilePosition,
    pub(super) xa: Option<Branch>,
    /// It is behind us already and only passes by.
    pub(super) covered: bool,
    pub(super) has_routed_rows: bool,
    /// Per routed table: rows seen, and rows that were handed on before this connection.
    pub(super) rows: Vec<u64>,
    pub(super) handed_on: Vec<u64>,
}

impl Assembler {
    /// Goes on behind `progress`; `at` is where the stream will begin.
    pub(super) fn new(
        routing: Arc<Routing>,
        progress: Progress,
        at: FilePosition,
        clock: fn() -> Micros,
    ) -> Self {
        let seen = match progress.held.as_ref().unwrap_or(&progress.position) {
            Position::MariaDb(asked_for) => asked_for.clone(),
            Position::Gtid(_) | Position::File(_) => MariaDbPosition::default(),
        };
        Self {
            seen,
            defaults: Known::default(),
            routing,
            maps: TableMaps::default(),
            pieces: Pieces::default(),
            open: None,
            clock,
            progress,
            gate: None,
            undecided: Undecided::at_most(u32::MAX),
            envelope: Envelope::new(at),
            merged: Gtids::None,
            merged_count: 0,
            merged_end: None,
            taken_over: false,
            is_live: false,
        }
    }

    /// Says which server this is: checkpoints from here on are places in its binlog.
    pub(super) fn read_from(&mut self, server_uuid: &str) {
        self.is_live = true;
        if self.progress.server_uuid != server_uuid {
            server_uuid.clone_into(&mut self.progress.server_uuid);
            self.taken_over = true;
        }
    }

    /// Tells what routed tables look like: needed where row images leave columns out.
    pub(super) fn with_schemas(
        mut self,
        schemas: &[TableSchema],
        live: Option<&LiveSchemas>,
    ) -> Self {
        self.defaults = Known::of_tables(&self.routing, schemas, live, &self.progress.doubted);
        self
    }

    pub(super) fn at(&self) -> &FilePosition {
        &self.envelope.at
    }

    /// Whether no transaction is half read.
    pub(super) fn is_between_transactions(&self) -> bool {
        self.open.is_none()
    }

    /// Whether events of a compressed transaction are still to come.
    pub(super) fn is_in_payload(&self) -> bool {
        self.envelope.is_in_payload()
    }

    pub(super) fn payload_broken(&self, reason: String) -> Error {
        Error::Payload {
            position: self.envelope.at.clone(),
            reason,
        }
    }

    /// Why the driver could not split the stream here.
    pub(super) fn unreadable(&self, error: std::io::Error) -> Error {
        let position = self.envelope.at.clone();
        if error.kind() == std::io::ErrorKind::FileTooLarge {
            return Error::PayloadSize {
                position,
                bytes: mysql_async::EVENT_BYTES_MAX,
            };
        }
        let broken = error
            .get_ref()
            .and_then(|cause| cause.downcast_ref::<BrokenEvent>());
        match broken {
            Some(broken) if broken.event_type != kind::TRANSACTION_PAYLOAD => Error::Event {
                event: broken.event_type,
                position,
                reason: broken.reason.clone(),
            },
            Some(broken) => self.payload_broken(broken.reason.clone()),
            // All of a compressed transaction is in memory: the network has no part in this.
            None if self.is_in_payload() => self.payload_broken(error.to_string()),
            None => Error::StreamBroken {
                source: Box::new(error),
            },
        }
    }

    /// Whether anything but merged advances waits to be handed on.
    pub(super) fn holds_items(&self) -> bool {
        !self.pieces.is_empty()
    }

    pub(super) fn holds_advance(&self) -> bool {
        self.merged_count > 0
    }

    /// The next piece that is ready to be handed on.
    pub(super) fn pop(&mut self) -> Option<Piece> {
        self.pieces.pop()
    }

    /// Makes everything that is held ready.
    pub(super) fn flush(&mut self) {
        self.push_merged();
        self.cut();
    }

    pub(super) fn cut(&mut self) {
        let (open, routing, progress) = (self.open.as_ref(), &self.routing, &self.progress);
        self.pieces.cut(|| snapshot(open, routing, progress));
    }

    /// Reads one event. After an error the stream must not be read on.
    pub(super) fn accept(&mut self, event: &Event) -> Result<(), Error> {
        let header = event.header();
        let kind = header.event_type_raw();
        self.envelope.open(event)?;
        match kind {
            kind::GTID | kind::GTID_TAGGED | kind::ANONYMOUS_GTID => self.begin(event),
            kind::QUERY => self.query(event),
            kind::TABLE_MAP => self.table_map(event),
            20..=25 | 30..=32 | 39 => self.rows(event),
            kind::XID => self.finish(),
            kind::XA_PREPARE => self.prepare(event),
            kind::TRANSACTION_PAYLOAD => self.payload(event),
            kind::ROTATE => self.rotate(event),
            kind::FORMAT_DESCRIPTION => {
                self.maps.clear();
                Ok(())
            }
            kind::EXECUTE_LOAD_QUERY => self.load_query(event),
            kind::INCIDENT => Err(Error::Incident {
                position: self.envelope.at.clone(),
            }),
            kind::STOP
            | kind::INTVAR
            | kind::APPEND_BLOCK
            | kind::DELETE_FILE
            | kind::RAND
            | kind::USER_VAR
            | kind::BEGIN_LOAD_QUERY
            | kind::HEARTBEAT
            | kind::HEARTBEAT_V2
            | kind::IGNORABLE
            | kind::ROWS_QUERY
            | kind::PREVIOUS_GTIDS
            | kind::TRANSACTION_CONTEXT
            | kind::VIEW_CHANGE => Ok(()),
            _ if mariadb::is_own(kind) => self.mariadb_event(event),
            _ if header.flags().contains(EventFlags::LOG_EVENT_IGNORABLE_F) => Ok(()),
            event => Err(Error::UnknownEvent {
                event,
                position: self.envelope.at.clone(),
            }),
        }
    }

    pub(super) fn undecodable(&self, event: &Event, reason: impl Into<String>) -> Error {
        Error::Event {
            event: event.header().event_type_raw(),
            position: self.envelope.at.clone(),
            reason: reason.into(),
        }
    }

    fn rotate(&mut self, event: &Event) -> Result<(), Error> {
        let rotate: RotateEvent<'_> = event
            .read_event()
            .map_err(|error| self.undecodable(event, error.to_string()))?;
        let unread = mariadb::unread_checksum(event);
        let name = rotate.name_raw();
        let name = String::from_utf8_lossy(&name[..name.len().saturating_sub(unread)]);
        if *name != *self.envelope.at.file {
            self.envelope.at.file = (*name).into();
        }
        self.envelope.at.offset = rotate.position();
        self.maps.clear();
        self.follow_rotation();
        Ok(())
    }

    fn table_map(&mut self, event: &Event) -> Result<(), Error> {
        // What is behind us may have a form that is not read: nothing of it is needed. Of an XA
        // branch it may be.
        let passes = |open: &Open| open.covered && open.xa.is_none();
        if self.open.as_ref().is_some_and(passes)
            && let Some(id) = table_id(event.data())
        {
            self.maps.pass(id);
            return Ok(());
        }
        self.maps.accept(event, &self.routing, &self.envelope.at)?;
        if let Some(Found::Routed(layout)) = table_id(event.data()).map(|id| self.maps.find(id)) {
            let name = Arc::clone(&self.routing.tables[layout.table].name);
            self.keep(event, &name)?;
        }
        Ok(())
    }

    /// A new file moves the end on although nothing happened in it: the old one may be purged.
    fn follow_rotation(&mut self) {
        let at = &self.envelope.at;
        if std::mem::take(&mut self.taken_over) {
            self.progress.end = at.clone();
            self.pieces.push(history::taken_over(&self.progress));
            // It does not know of what is undecided.
            if let Some(held) = self.progress.held.clone() {
                self.pieces.push(StreamItem::Hold(Some(held)));
            }
            return;
        }
        // At its start a stream may lie in an older file, and then it passes what is behind us.
        let end = self.merged_end.as_ref().unwrap_or(&self.progress.end);
        let is_later = (end.file.len(), &end.file) < (at.file.len(), &at.file);
        if is_later && self.open.is_none() {
            self.merged_end = Some(at.clone());
            self.merged_count += 1;
        }
    }

    fn begin(&mut self, event: &Event) -> Result<(), Error> {
        self.close_implicit()?;
        let header = event.header();
        let start = FilePosition {
            file: Arc::clone(&self.envelope.at.file),
            offset: self
                .envelope
                .at
                .offset
                .saturating_sub(u64::from(header.event_size())),
        };
        let gtid_event: GtidEvent = event
            .read_event()
            .map_err(|error| self.undecodable(event, error.to_string()))?;
        let has_gtid = header.event_type_raw() != kind::ANONYMOUS_GTID;
        let id = match &self.progress.position {
            Position::File(_) => TransactionId::File(start.clone()),
            Position::Gtid(_) if has_gtid => {
                let tag = gtid_event.tag().map(|tag| Arc::from(&**tag));
                let source = GtidSource {
                    uuid: gtid_event.sid(),
                    tag,
                };
                TransactionId::Gtid(Gtid {
                    source,
                    number: gtid_event.gno(),
                })
            }
            Position::Gtid(_) | Position::MariaDb(_) => {
                return Err(Error::GtidModeChanged {
                    found: "anonymous transactions".to_owned(),
                });
            }
        };
        // 55 bits; the highest one only says that an original timestamp follows.
        let moment = |raw: u64| Some(raw & ((1 << 55) - 1)).filter(|micros| *micros > 0);
        let micros = moment(gtid_event.original_commit_timestamp())
            .or_else(|| moment(gtid_event.immediate_commit_timestamp()))
            .and_then(|micros| i64::try_from(micros).ok())
            .unwrap_or(i64::from(header.timestamp()) * 1_000_000);
        self.open_transaction(id, start, Micros(micros))
    }

    /// Rows that follow belong to this transaction.
    pub(super) fn open_transaction(
        &mut self,
        id: TransactionId,
        start: FilePosition,
        committed_at: Micros,
    ) -> Result<(), Error> {
        let count = self.routing.tables.len();
        let handed_on = match self.progress.inside(&id) {
            None => vec![0; count],
            Some(inside) => {
                let rows = |table: &str| inside.rows.get(table).copied().unwrap_or(0);
                self.routing
                    .tables
                    .iter()
                    .map(|table| rows(&table.text))
                    .collect()
            }
        };
        let covered = self.progress.inside(&id).is_none() && self.progress.covers(&id);
        if covered
            && self.is_live
            && let TransactionId::Gtid(gtid) = &id
        {
            // It leaves out what we have: this is another transaction of that number.
            return Err(Error::NumbersReused {
                transactions: 1,
                ahead: format!("{gtid} came again before {}", self.envelope.at),
            });
        }
        self.maps.start_transaction();
        self.defaults.enter(&id);
        self.open = Some(Open {
            transaction: Arc::new(Transaction { id, committed_at }),
            begun: false,
            start,
            xa: None,
            covered,
            has_routed_rows: false,
            rows: vec![0; count],
            handed_on,
        });
        Ok(())
    }

    /// A new transaction begins: the one before it must have ended, or have had nothing to end.
    pub(super) fn close_implicit(&mut self) -> Result<(), Error> {
        match &self.open {
            None => Ok(()),
            Some(open) if open.begun || open.has_routed_rows => Err(Error::TransactionBroken {
                position: self.envelope.at.clone(),
            }),
            Some(_) => self.finish(),
        }
    }

    pub(super) fn query(&mut self, event: &Event) -> Result<(), Error> {
        let query: QueryEvent<'_> = event
            .read_event()
            .map_err(|error| self.undecodable(event, error.to_string()))?;
        let text = query.query_raw();
        let statement = match text {
            b"BEGIN" => Statement::Begin,
            text => statement::classify(text, query.schema_raw(), self.routing.names()),
        };
        let has_routed_rows = self.open.as_ref().is_some_and(|open| {
            open.has_routed_rows || open.xa.as_ref().is_some_and(Branch::holds_rows)
        });
        if statement == Statement::Other {
            // By the bare name: a statement that is not understood counts, too.
            if self.open.as_ref().is_none_or(|open| !open.covered) {
                self.defaults.doubt(&self.routing, text);
                if self.maps.names.pass(text, &self.envelope.at) {
                    self.maps.clear();
                }
                self.progress.doubted = self.defaults.doubted();
            }
            self.note_alterations(text, query.schema_raw());
        }
        let begun = self.open.as_ref().is_some_and(|open| open.begun);
        match statement {
            Statement::Begin | Statement::XaStart => {
                if let Some(open) = &mut self.open {
                    open.begun = true;
                    if statement == Statement::XaStart && open.xa.is_none() {
                        open.xa = Some(Branch::new(text));
                    }
                }
                Ok(())
            }
            Statement::RoutedChange(table) => Err(Error::StatementLogged {
                table: self.routing.tables[table].text.clone(),
                position: self.envelope.at.clone(),
            }),
            Statement::Rollback | Statement::RollbackToSavepoint if has_routed_rows => {
                Err(Error::TransactionBroken {
                    position: self.envelope.at.clone(),
                })
            }
            Statement::RollbackToSavepoint | Statement::Savepoint => Ok(()),
            Statement::XaCommit => self.decide(text, true),
            Statement::XaRollback => self.decide(text, false),
            Statement::Commit | Statement::Rollback => self.finish(),
            // Inside BEGIN and COMMIT a statement ends nothing: CREATE TABLE … SELECT.
            Statement::Other if begun => Ok(()),
            Statement::Other => self.finish(),
        }
    }

    /// Statements that change routed tables themselves are part of the story, though no row comes
    /// of them.
    fn note_alterations(&mut self, text: &[u8], schema: &[u8]) {
        if self.open.as_ref().is_none_or(|open| open.covered) {
            return;
        }
        for (table, what) in ddl::altered(text, schema, &self.routing) {
            self.pieces.push(StreamItem::Altered(Alteration {
                table: Arc::clone(&self.routing.tables[table].name),
                what,
                at: self.envelope.at.clone(),
            }));
        }
    }

    /// LOAD DATA logged as a statement: its text is part of the event.
    fn load_query(&mut self, event: &Event) -> Result<(), Error> {
        let data = event.data();
        let mut text = b"LOAD ".to_vec();
        text.extend_from_slice(data);
        let schema = statement::schema_of_load(data)
            .ok_or_else(|| self.undecodable(event, "its default schema cannot be read"))?;
        match statement::classify(&text, schema, self.routing.names()) {
            Statement::RoutedChange(table) => Err(Error::StatementLogged {
                table: self.routing.tables[table].text.clone(),
                position: self.envelope.at.clone(),
            }),
            _ => Ok(()),
        }
    }

    fn payload(&mut self, event: &Event) -> Result<(), Error> {
        let payload: TransactionPayloadEvent<'_> = event
            .read_event()
            .map_err(|error| self.undecodable(event, error.to_string()))?;
        let bytes = match payload.uncompressed_size() {
            0 => payload.payload_size(),
            bytes => bytes,
        };
        self.envelope.expect_payload(bytes);
        if let Some(open) = &mut self.open {
            open.begun = true;
        }
        Ok(())
    }

    /// The open transaction has ended here.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        self.finish_with(None)
    }

    /// The same, and with it what was prepared under another name.
    pub(super) fn finish_with(&mut self, prepared: Option<&TransactionId>) -> Result<(), Error> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        // Rows of an XA transaction that ends as none.
        if open.xa.as_ref().is_some_and(Branch::holds_rows) {
            return Err(Error::TransactionBroken {
                position: self.envelope.at.clone(),
            });
        }
        if open.covered {
            return Ok(());
        }
        self.progress.forget_inside(&open.transaction.id);
        if open.has_routed_rows {
            let mut gtids = Gtids::None;
            for id in [Some(&open.transaction.id), prepared].into_iter().flatten() {
                gtids.insert(id);
            }
            self.push_advance(Advance {
                gtids,
                end: self.envelope.at.clone(),
            });
            if self.pieces.is_full() {
                self.cut();
            }
            return Ok(());
        }
        for id in [Some(&open.transaction.id), prepared].into_iter().flatten() {
            self.merged.insert(id);
        }
        self.merged_count += 1;
        self.merged_end = Some(self.envelope.at.clone());
        if self.merged_count >= MERGED_MAX {
            self.flush();
        }
        Ok(())
    }

    /// Transactions without routed rows come before whatever is pushed next.
    pub(super) fn push_merged(&mut self) {
        let Some(end) = self.merged_end.take() else {
            return;
        };
        let gtids = std::mem::take(&mut self.merged);
        self.merged_count = 0;
        self.push_advance(Advance { gtids, end });
    }

    /// On one server the end never goes back: what is read once more, because it was undecided,
    /// lies before it.
    pub(super) fn push_advance(&mut self, mut advance: Advance) {
        if advance.end.is_before(&self.progress.end) {
            advance.end.clone_from(&self.progress.end);
        }
        self.progress.advance(&advance);
        self.pieces.push(StreamItem::Advance(advance));
    }
}

/// How far the stream is once every item pushed so far has been handed on.
pub(super) fn snapshot(open: Option<&Open>, routing: &Routing, progress: &Progress) -> Progress {
    let mut progress = progress.clone();
    let Some(open) = open else { return progress };
    let rows: BTreeMap<String, u64> = routing
        .tables
        .iter()
        .zip(open.rows.iter().zip(&open.handed_on))
        .map(|(table, (rows, handed_on))| (table.text.clone(), *rows.max(handed_on)))
        .filter(|(_, rows)| *rows > 0)
        .collect();
    if !rows.is_empty() && !open.covered {
        progress.set_inside(Inside {
            transaction: open.transaction.id.clone(),
            rows,
        });
    }
    progress
}

#[cfg(test)]
mod live;
#[cfg(test)]
mod tests;
