//! Snapshots: which one runs, what its reader is told, and when its progress becomes durable.
//!
//! The reader is told only what is on disk: that a snapshot begins once the commit with it is
//! durable, that a chunk is finished once the commit with its progress is. So nothing of a chunk is
//! settled before the chunk before it is durable, and the journal can forget a chunk's rows with it. A
//! chunk that is read again after a crash may be another one, because rows have come in meanwhile: what
//! it does not bring again of what was settled goes on as a part of the snapshot.

use super::{Effect, Pipeline, Route};
use crate::core::change::{ChangeId, RouteId};
use crate::core::entry::{Entry, ServiceEvent, StoredChangeId};
use crate::core::position::{SnapshotRow, TransactionId};
use crate::core::snapshot::{
    ChunkEnd, Refusal, SettledRow, Snapshot, SnapshotOrder, SnapshotRequest, SnapshotState, plan,
};
use crate::core::time::{Micros, Now};

/// What happens to a snapshot, its rows apart.
#[derive(Debug)]
pub enum SnapshotInput {
    /// Go on with what a restart found, as far as the config still has it.
    Resume,
    /// As [`Pipeline::plan_snapshot`] gave it.
    Start(Snapshot),
    Cancel,
    /// How many rows a table holds, by the server's statistics.
    Estimated {
        table: usize,
        rows: u64,
    },
    /// Only a person can help; the texts are free of values.
    Failed {
        page: String,
        text: String,
    },
}

#[derive(Debug, Default)]
pub(super) struct Snapshots {
    /// Running or not.
    last: Option<Snapshot>,
    /// The next commit carries it.
    changed: bool,
    /// It does not wait for anything else to be committed.
    urgent: bool,
    /// What the reader is told once the next commit is durable.
    owed: Option<Owed>,
    /// What it is told once the commit of that number is durable.
    awaited: Option<(u64, Owed)>,
    orders: Vec<SnapshotOrder>,
}

#[derive(Clone, Copy, Debug)]
enum Owed {
    Run,
    ChunkDurable,
}

impl Snapshots {
    pub(super) fn restore(last: Option<Snapshot>) -> Self {
        Self {
            last,
            ..Self::default()
        }
    }

    fn running(&self) -> Option<&Snapshot> {
        self.last.as_ref().filter(|snapshot| snapshot.is_running())
    }

    /// Whether this is a row of a snapshot that has ended: nobody waits for it any more.
    pub(super) fn is_stale(&self, id: &ChangeId) -> bool {
        match &id.transaction.id {
            TransactionId::Snapshot(row) => self
                .running()
                .is_none_or(|snapshot| snapshot.number != row.snapshot),
            _ => false,
        }
    }

    pub(super) fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// The snapshot for the commit of this number, if it moved.
    pub(super) fn take_change(&mut self, commit: u64) -> Option<Snapshot> {
        if let Some(owed) = self.owed.take() {
            self.awaited = Some((commit, owed));
        }
        self.urgent = false;
        std::mem::take(&mut self.changed).then(|| self.last.clone())?
    }

    /// Every commit up to this number is durable.
    pub(super) fn note_durable(&mut self, commit: u64) {
        if self.awaited.is_none_or(|(awaited, _)| awaited > commit) {
            return;
        }
        match self.awaited.take() {
            Some((_, Owed::ChunkDurable)) => self.orders.push(SnapshotOrder::ChunkDurable),
            Some((_, Owed::Run)) => {
                let run = self.running().cloned().map(SnapshotOrder::Run);
                self.orders.extend(run);
            }
            None => {}
        }
    }

    fn change(&mut self, owed: Option<Owed>) {
        self.changed = true;
        self.urgent = true;
        self.owed = owed;
    }

    fn end(&mut self, state: SnapshotState, now: Micros) -> bool {
        let Some(snapshot) = self.last.as_mut().filter(|snapshot| snapshot.is_running()) else {
            return false;
        };
        snapshot.end(state, now);
        self.awaited = None;
        self.orders.clear();
        self.change(None);
        true
    }
}

/// The names of the rows that a running snapshot keeps as settled.
pub(super) fn settled_before(snapshot: &Snapshot) -> impl Iterator<Item = StoredChangeId> {
    snapshot.settled.iter().map(|row| StoredChangeId {
        transaction: TransactionId::Snapshot(SnapshotRow {
            snapshot: snapshot.number,
            key: row.key.as_str().into(),
        }),
        table: row.table.clone(),
        row: 0,
        route: row.route.clone(),
    })
}

fn settled_row(id: &StoredChangeId, number: u64) -> Option<SettledRow> {
    match &id.transaction {
        TransactionId::Snapshot(row) if row.snapshot == number => Some(SettledRow {
            table: id.table.clone(),
            route: id.route.clone(),
            key: row.key.to_string(),
        }),
        _ => None,
    }
}

impl Pipeline {
    /// Plans a snapshot; [`SnapshotInput::Start`] begins it.
    ///
    /// # Errors
    /// When one is running already, or the request names what there is not.
    pub fn plan_snapshot(
        &self,
        request: &SnapshotRequest,
        now: Micros,
    ) -> Result<Snapshot, Refusal> {
        if let Some(running) = self.running_snapshot() {
            let number = running.number;
            return Err(Refusal::Running { number });
        }
        let last = self.snapshots.last.as_ref();
        let number = last.map_or(0, |snapshot| snapshot.number) + 1;
        let routes = self.routes.iter();
        let routes = routes.map(|route| (route.name.as_str(), &route.table));
        plan(number, routes, request, now)
    }

    /// The snapshot that is running.
    #[must_use]
    pub fn running_snapshot(&self) -> Option<&Snapshot> {
        self.snapshots.running()
    }

    /// The last snapshot, running or not.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshots.last.as_ref()
    }

    pub(super) fn take_snapshot_input(&mut self, input: SnapshotInput, now: Now) {
        match input {
            SnapshotInput::Resume => self.resume_snapshot(now),
            SnapshotInput::Start(snapshot) => {
                if self.running_snapshot().is_none() {
                    self.note_snapshot(ServiceEvent::SnapshotStarted, &snapshot, "");
                    self.snapshots.last = Some(snapshot);
                    self.snapshots.change(Some(Owed::Run));
                }
            }
            SnapshotInput::Cancel => {
                if self.snapshots.end(SnapshotState::Cancelled, now.wall) {
                    self.snapshots.orders.push(SnapshotOrder::Cancel);
                    self.note_end(ServiceEvent::SnapshotCancelled);
                }
            }
            SnapshotInput::Failed { page, text } => {
                if self
                    .snapshots
                    .end(SnapshotState::Failed { page, text }, now.wall)
                {
                    self.note_end(ServiceEvent::SnapshotFailed);
                }
            }
            SnapshotInput::Estimated { table, rows } => {
                let snapshots = &mut self.snapshots;
                let tables = snapshots.last.as_mut().map(|last| &mut last.tables);
                if let Some(table) = tables.and_then(|tables| tables.get_mut(table)) {
                    table.estimated_rows = Some(rows);
                    // Only people look at it: any commit that comes will do.
                    snapshots.changed = true;
                }
            }
        }
    }

    fn resume_snapshot(&mut self, now: Now) {
        let last = self.snapshots.last.as_mut();
        let Some(snapshot) = last.filter(|snapshot| snapshot.is_running()) else {
            return;
        };
        let routes = self.routes.iter();
        let routes = routes.map(|route| (route.name.as_str(), &route.table));
        let changed = snapshot.restrict(routes, now.wall);
        let running = snapshot.is_running().then(|| snapshot.clone());
        if changed {
            self.snapshots.change(None);
        }
        match running {
            Some(running) => self.snapshots.orders.push(SnapshotOrder::Run(running)),
            None => self.note_end(ServiceEvent::SnapshotCancelled),
        }
    }

    /// The chunk's records leave without waiting for company: the next chunk waits for them.
    pub(super) fn hurry_chunk(&mut self, end: &ChunkEnd, now: Now) {
        let table = self
            .running_snapshot()
            .filter(|snapshot| snapshot.number == end.snapshot)
            .and_then(|snapshot| snapshot.tables.get(end.table));
        let Some(table) = table else { return };
        let routes: Vec<RouteId> = (0_u16..)
            .zip(&self.routes)
            .filter(|(_, route)| table.routes.contains(&route.name))
            .map(|(index, _)| RouteId(index))
            .collect();
        for route in routes {
            self.planner.hurry(route, now.tick);
        }
    }

    /// Enters the chunks that the watermark has passed.
    pub(super) fn finish_chunks(&mut self, now: Now) {
        for end in self.ledger.take_finished() {
            let running = self.snapshots.last.as_mut();
            let running =
                running.filter(|snapshot| snapshot.is_running() && snapshot.number == end.snapshot);
            let Some(snapshot) = running else { continue };
            // What the chunk did not bring again is still ahead; what it brought is forgotten.
            let left = self.settled_ahead.iter();
            snapshot.settled = left
                .filter_map(|id| settled_row(id, end.snapshot))
                .collect();
            snapshot.settled.sort_unstable();
            snapshot.finish_chunk(&end, now.wall);
            let finished = !snapshot.is_running();
            self.snapshots.change(Some(Owed::ChunkDurable));
            if finished {
                self.note_end(ServiceEvent::SnapshotFinished);
            }
        }
    }

    pub(super) fn take_orders(&mut self, effects: &mut Vec<Effect>) {
        let waits = self.snapshot_waits().is_some();
        let orders = std::mem::take(&mut self.snapshots.orders);
        for order in orders {
            if waits && order != SnapshotOrder::Cancel {
                self.snapshots.orders.push(order);
            } else {
                effects.push(Effect::Order(order));
            }
        }
    }

    /// Why the reader is told nothing more for now: what it would read could not leave, but fill the
    /// disk, and newer rows of the stream would wait behind it. It passes by an answer of Salesforce
    /// or a read from disk, never by time alone.
    pub(super) fn snapshot_waits(&self) -> Option<&'static str> {
        let (_, table) = self.running_snapshot()?.current()?;
        // An open circuit that nothing waits for would never be probed: then a chunk is the probe.
        let waits = |route: &Route| {
            route.in_flight > 0 || !route.parking.is_empty() || !route.lane.is_empty()
        };
        let held = self.org.open().is_some() || self.is_held_by_pace();
        if held && self.routes.iter().any(waits) {
            return Some("Salesforce does not take records");
        }
        let routes = self.routes.iter();
        let mut own = routes.filter(|route| table.routes.contains(&route.name));
        own.find_map(|route| {
            let mut scope = self.routes.iter().filter(|it| it.scope == route.scope);
            if self.is_scope_unfit(route.scope) {
                return Some("the mapping of a route of the table does not fit Salesforce");
            }
            if self.is_scope_paused_by_operator(route.scope) {
                return Some("an operator paused a route of the table");
            }
            if route.circuit.open().is_some() && waits(route) {
                Some("Salesforce does not take records of a route of the table")
            } else if scope.any(Route::blocks) {
                Some("records of a route of the table are parked and go first")
            } else if route.lane.is_full(&self.settings.bulk) {
                Some("a Bulk job is at work, and there is enough for the next one")
            } else {
                None
            }
        })
    }

    fn note_end(&mut self, event: ServiceEvent) {
        let Some(snapshot) = self.snapshots.last.clone() else {
            return;
        };
        let overtaken: u64 = snapshot.tables.iter().map(|table| table.overtaken).sum();
        let mut more = format!(
            ": {} rows handed on, {overtaken} overtaken",
            snapshot.rows()
        );
        if let SnapshotState::Failed { page, text } = &snapshot.state {
            more.push_str(&format!("; {page}: {text}"));
        }
        self.note_snapshot(event, &snapshot, &more);
    }

    fn note_snapshot(&mut self, event: ServiceEvent, snapshot: &Snapshot, more: &str) {
        let detail = format!("{snapshot}{more}");
        self.entries.push(Entry::Service { event, detail });
    }
}
