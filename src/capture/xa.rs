//! XA transactions: their rows come when one is prepared, and count when it is committed.
//!
//! Rows of routed tables are kept as the events that brought them and decoded at the XA COMMIT,
//! under its name. Until then the prepare stays out of the checkpoint: its GTID is left out of the
//! set; a file position, and MariaDB's last GTIDs, are held before it ([`StreamItem::Hold`]). So a
//! restart, and a connection that is taken up again, reads it once more, and with a held place all
//! that came behind it, too. One without routed rows holds nothing.

use mysql_async::binlog::events::Event;

use super::assembler::{Assembler, Open};
use super::envelope::kind;
use super::error::Error;
use super::watchdog::Held;
use crate::core::change::StreamItem;
use crate::core::position::{Advance, Gtids, MariaDbPosition, Position, TransactionId};
use crate::core::schema::TableName;

/// The transaction that is being read is an XA branch.
pub(super) struct Branch {
    /// As the server writes it: `X'6f6e65',X'',1`. MariaDB tells it when the branch is prepared.
    xid: Box<[u8]>,
    /// What MariaDB had sent before it.
    before: Option<MariaDbPosition>,
    held: Vec<Event>,
    bytes: usize,
}

/// Prepared, and neither committed nor rolled back.
struct Prepared {
    branch: Branch,
    id: TransactionId,
    /// Where the stream must be taken up to see it again; a GTID set says so by itself.
    before: Option<Position>,
    place: Held,
}

pub(super) struct Undecided {
    /// In the stream's order.
    prepared: Vec<Prepared>,
    /// The open branch is counted, too.
    bytes: usize,
    bytes_max: u32,
}

impl Undecided {
    pub(super) fn at_most(bytes_max: u32) -> Self {
        Self {
            prepared: Vec::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// What came, and stays out of the checkpoint until it is decided.
    pub(super) fn gtids(&self) -> Gtids {
        let mut gtids = Gtids::None;
        for prepared in &self.prepared {
            gtids.insert(&prepared.id);
        }
        gtids
    }

    /// Where the first of it lies.
    pub(super) fn oldest(&self) -> Option<&Held> {
        self.prepared.first().map(|prepared| &prepared.place)
    }
}

impl Branch {
    /// What `XA START …` begins.
    pub(super) fn new(statement: &[u8]) -> Self {
        Self {
            xid: xid_of(statement),
            before: None,
            held: Vec::new(),
            bytes: 0,
        }
    }

    /// One of MariaDB, which has no statement that begins it.
    pub(super) fn unnamed(before: MariaDbPosition) -> Self {
        Self {
            before: Some(before),
            ..Self::new(b"")
        }
    }

    pub(super) fn holds_rows(&self) -> bool {
        !self.held.is_empty()
    }
}

impl Assembler {
    /// Keeps an event of the open branch; false when the open transaction is none. The caller
    /// makes sure that it is about a routed table.
    pub(super) fn keep(&mut self, event: &Event, table: &TableName) -> Result<bool, Error> {
        let Some(Open {
            xa: Some(branch), ..
        }) = &mut self.open
        else {
            return Ok(false);
        };
        let bytes = size_of::<Event>() + event.data().len();
        branch.bytes += bytes;
        self.undecided.bytes += bytes;
        if self.undecided.bytes > self.undecided.bytes_max as usize {
            return Err(Error::XaTooLarge {
                table: table.clone(),
                position: self.at().clone(),
                bytes: self.undecided.bytes_max,
            });
        }
        branch.held.push(event.clone());
        Ok(true)
    }

    /// XA PREPARE, or XA COMMIT … ONE PHASE.
    pub(super) fn prepare(&mut self, event: &Event) -> Result<(), Error> {
        let Some(one_phase) = event.data().first().map(|flag| *flag != 0) else {
            return Err(self.undecodable(event, "it is too short"));
        };
        let branch = self.open.as_mut().and_then(|open| open.xa.take());
        let Some(mut branch) = branch.filter(Branch::holds_rows) else {
            return self.finish();
        };
        if branch.before.is_some() {
            branch.xid = prepared_xid(event.data())
                .ok_or_else(|| self.undecodable(event, "its name is cut off"))?;
        }
        if one_phase {
            self.undecided.bytes -= branch.bytes;
            self.decode_held(branch)?;
            return self.finish();
        }
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        // Prepared twice under one name: it is the same one, read again.
        self.take_prepared(&branch.xid);
        let place = Held {
            at: open.start.clone(),
            written_at: event.header().timestamp(),
        };
        let before = match (&self.progress.position, branch.before.take()) {
            (Position::File(_), _) => Some(Position::File(open.start)),
            (Position::MariaDb(_), Some(before)) => Some(Position::MariaDb(before)),
            (Position::MariaDb(_), None) => {
                return Err(self.undecodable(event, "its GTID does not say so"));
            }
            (Position::Gtid(_), _) => None,
        };
        self.undecided.prepared.push(Prepared {
            branch,
            id: open.transaction.id.clone(),
            before,
            place,
        });
        if !open.covered {
            self.push_merged();
            self.push_hold();
            // Read once more, it lies behind us.
            if self.progress.end.is_before(self.at()) {
                self.push_advance(Advance {
                    gtids: Gtids::None,
                    end: self.at().clone(),
                });
            }
        }
        Ok(())
    }

    /// XA COMMIT or XA ROLLBACK of a prepared transaction.
    pub(super) fn decide(&mut self, statement: &[u8], is_commit: bool) -> Result<(), Error> {
        let Some(prepared) = self.take_prepared(&xid_of(statement)) else {
            // It had no routed rows.
            return self.finish();
        };
        if is_commit {
            self.decode_held(prepared.branch)?;
        }
        let covered = self.open.as_ref().is_none_or(|open| open.covered);
        self.finish_with(Some(&prepared.id))?;
        if !covered {
            self.push_merged();
            self.push_hold();
        }
        Ok(())
    }

    /// The rows of a branch become those of the open transaction.
    fn decode_held(&mut self, branch: Branch) -> Result<(), Error> {
        for event in &branch.held {
            if event.header().event_type_raw() == kind::TABLE_MAP {
                let at = self.at().clone();
                self.maps.accept(event, &self.routing, &at)?;
            } else {
                self.rows(event)?;
            }
        }
        Ok(())
    }

    fn take_prepared(&mut self, xid: &[u8]) -> Option<Prepared> {
        let all = &mut self.undecided.prepared;
        let place = all.iter().position(|known| *known.branch.xid == *xid)?;
        let prepared = all.remove(place);
        self.undecided.bytes -= prepared.branch.bytes;
        Some(prepared)
    }

    /// Says how far the checkpoint may go now, if that changed.
    fn push_hold(&mut self) {
        let first = self.undecided.prepared.first();
        let before = first.and_then(|prepared| prepared.before.clone());
        if self.progress.held != before {
            self.progress.held.clone_from(&before);
            self.pieces.push(StreamItem::Hold(before));
        }
    }
}

/// What stands behind `XA START`, `XA COMMIT` or `XA ROLLBACK`.
fn xid_of(statement: &[u8]) -> Box<[u8]> {
    statement
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .skip(2)
        .take_while(|word| !word.eq_ignore_ascii_case(b"ONE"))
        .flatten()
        .map(u8::to_ascii_uppercase)
        .collect()
}

/// The same, of the event that prepares it: two lengths between a number and the bytes.
fn prepared_xid(data: &[u8]) -> Option<Box<[u8]>> {
    let number = |at: usize| {
        let bytes = data.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let (format, global, branch) = (number(1)?, number(5)?, number(9)?);
    let (global, branch) = (usize::try_from(global).ok()?, usize::try_from(branch).ok()?);
    let names = data.get(13..)?;
    let (global, names) = names.split_at_checked(global)?;
    let branch = names.get(..branch)?;
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|b| format!("{b:02X}")).collect() };
    let text = format!("X'{}',X'{}',{format}", hex(global), hex(branch));
    Some(text.into_bytes().into())
}

#[cfg(test)]
mod tests;
