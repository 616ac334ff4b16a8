//! From binlog events to stream items: transactions opened and closed, rows handed on, places
//! counted. Knows no network and no clock of its own.
//!
//! Invariants: an event that may carry routed rows is decoded or it is an error, never skipped;
//! a checksum is compared before anything else is read; a transaction with routed rows gets its
//! own [`Advance`] right behind them, others are merged.

use std::collections::BTreeMap;
use std::sync::Arc;

use mysql_async::binlog::EventFlags;
use mysql_async::binlog::events::{
    Event, GtidEvent, QueryEvent, RotateEvent, TransactionPayloadEvent,
};

use super::envelope::{Envelope, kind};
use super::error::Error;
use super::pieces::{Piece, Pieces};
use super::progress::Progress;
use super::routing::Routing;
use super::snapshot::Gate;
use super::statement::{self, Statement};
use super::table_map::TableMaps;
use crate::core::change::{StreamItem, Transaction};
use crate::core::position::{
    Advance, FilePosition, Gtid, GtidSource, Gtids, Inside, Position, TransactionId,
};
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
    envelope: Envelope,
    merged: Gtids,
    merged_count: u32,
    merged_end: Option<FilePosition>,
}

/// The transaction that is being read.
pub(super) struct Open {
    pub(super) transaction: Arc<Transaction>,
    /// BEGIN was seen: it ends with COMMIT or XID, not with the next statement.
    begun: bool,
    pub(super) xa: bool,
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
        Self {
            routing,
            maps: TableMaps::default(),
            pieces: Pieces::default(),
            open: None,
            clock,
            progress,
            gate: None,
            envelope: Envelope::new(at),
            merged: Gtids::None,
            merged_count: 0,
            merged_end: None,
        }
    }

    pub(super) fn at(&self) -> &FilePosition {
        &self.envelope.at
    }

    /// Whether no transaction is half read.
    pub(super) fn is_between_transactions(&self) -> bool {
        self.open.is_none()
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
            kind::TABLE_MAP => {
                let at = self.envelope.at.clone();
                self.maps.accept(event, &self.routing, &at)
            }
            20..=25 | 30..=32 | 39 => self.rows(event),
            kind::XID => self.finish(),
            // Rows of an XA transaction were refused when they came.
            kind::XA_PREPARE => self.finish(),
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
            _ if header.flags().contains(EventFlags::LOG_EVENT_IGNORABLE_F) => Ok(()),
            event => Err(Error::UnknownEvent {
                event,
                position: self.envelope.at.clone(),
            }),
        }
    }

    fn undecodable(&self, event: &Event, reason: impl Into<String>) -> Error {
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
        if *rotate.name() != *self.envelope.at.file {
            self.envelope.at.file = rotate.name().into();
        }
        self.envelope.at.offset = rotate.position();
        self.maps.clear();
        Ok(())
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
            Position::File(_) => TransactionId::File(start),
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
        self.maps.start_transaction();
        self.open = Some(Open {
            transaction: Arc::new(Transaction {
                id,
                committed_at: Micros(micros),
            }),
            begun: false,
            xa: false,
            covered,
            has_routed_rows: false,
            rows: vec![0; count],
            handed_on,
        });
        Ok(())
    }

    /// A new transaction begins: the one before it must have ended, or have had nothing to end.
    fn close_implicit(&mut self) -> Result<(), Error> {
        match &self.open {
            None => Ok(()),
            Some(open) if open.begun || open.has_routed_rows => Err(Error::TransactionBroken {
                position: self.envelope.at.clone(),
            }),
            Some(_) => self.finish(),
        }
    }

    fn query(&mut self, event: &Event) -> Result<(), Error> {
        let query: QueryEvent<'_> = event
            .read_event()
            .map_err(|error| self.undecodable(event, error.to_string()))?;
        let text = query.query_raw();
        let statement = match text {
            b"BEGIN" => Statement::Begin,
            text => statement::classify(text, query.schema_raw(), self.routing.names()),
        };
        let has_routed_rows = self.open.as_ref().is_some_and(|open| open.has_routed_rows);
        let begun = self.open.as_ref().is_some_and(|open| open.begun);
        match statement {
            Statement::Begin | Statement::XaStart => {
                if let Some(open) = &mut self.open {
                    open.begun = true;
                    open.xa = statement == Statement::XaStart;
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
            Statement::Commit | Statement::Rollback | Statement::XaEnd => self.finish(),
            // Inside BEGIN and COMMIT a statement ends nothing: CREATE TABLE … SELECT.
            Statement::Other if begun => Ok(()),
            Statement::Other => self.finish(),
        }
    }

    /// LOAD DATA logged as a statement: its text is part of the event.
    fn load_query(&mut self, event: &Event) -> Result<(), Error> {
        let mut text = b"LOAD ".to_vec();
        text.extend_from_slice(event.data());
        match statement::classify(&text, b"", self.routing.names()) {
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
        self.envelope.expect_payload(bytes)?;
        if let Some(open) = &mut self.open {
            open.begun = true;
        }
        Ok(())
    }

    /// The open transaction has ended here.
    fn finish(&mut self) -> Result<(), Error> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        if open.covered {
            return Ok(());
        }
        self.progress.forget_inside(&open.transaction.id);
        if open.has_routed_rows {
            let mut gtids = Gtids::None;
            gtids.insert(&open.transaction.id);
            self.push_advance(Advance {
                gtids,
                end: self.envelope.at.clone(),
            });
            if self.pieces.is_full() {
                self.cut();
            }
            return Ok(());
        }
        self.merged.insert(&open.transaction.id);
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

    fn push_advance(&mut self, advance: Advance) {
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
mod tests;
