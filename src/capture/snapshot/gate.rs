//! Where a snapshot's chunk meets the stream.
//!
//! The reader asks for the gate to be opened; from the next transaction's end on, the session notes
//! the keys of the rows that the stream changes. The reader then reads a chunk, asks the server for
//! the end of its binlog, and submits the chunk; once the session has read up to that end, the
//! chunk enters the stream, without the rows that the stream has brought meanwhile.
//!
//! Invariants: the gate outlives connections; a chunk is let in only by a session on the server
//! that it was read from; of a chunk that is let in, every piece is handed on exactly once, in
//! order, whatever becomes of the session in between.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::chunk::{ReadChunk, Released};
use crate::core::change::{Operation, StreamItem};
use crate::core::position::{FilePosition, Position};

/// Keys noted for one chunk, in bytes; beyond, it is read again later: memory stays bounded while a
/// statement changes the whole table. About 200,000 short keys.
const KEYS_BYTES_MAX: usize = 16 << 20;
/// What a key takes beside its text.
const KEY_OVERHEAD_BYTES: usize = 64;

/// What the session watches for while the gate is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::capture) struct Watch {
    /// Index of the routed table.
    pub(in crate::capture) table: usize,
    pub(in crate::capture) key: Vec<String>,
}

/// Operations that the stream has brought for a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Operations(u8);

impl Operations {
    pub(super) fn insert(&mut self, operation: Operation) {
        self.0 |= Self::bit(operation);
    }

    /// An update came that leaves wanted columns out: with it alone the row is not all there.
    pub(super) fn insert_partial(&mut self) {
        self.0 |= PARTIAL;
    }

    pub(super) fn is_partial(self) -> bool {
        self.0 & PARTIAL != 0
    }

    pub(super) fn overlaps(self, other: Operations) -> bool {
        self.0 & other.0 != 0
    }

    fn bit(operation: Operation) -> u8 {
        match operation {
            Operation::Insert => 1,
            Operation::Update => 2,
            Operation::Delete => 4,
        }
    }
}

const PARTIAL: u8 = 8;

/// The keys that the stream has changed since the gate was opened, by row name.
pub(super) type Changed = HashMap<String, Operations>;

/// What became of a submitted chunk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Released,
    /// It must be read again; the reason is for people.
    Discarded(&'static str),
}

/// Where a session is.
pub(in crate::capture) struct Place<'p> {
    pub(in crate::capture) server: &'p str,
    pub(in crate::capture) at: &'p FilePosition,
    /// The end of the binlog when it began. What lies before may have its outcome from an earlier
    /// life and so not come by this stream: no chunk may count on that.
    pub(in crate::capture) began: &'p FilePosition,
    /// What it has read, and where in the files that ends.
    pub(in crate::capture) read: (&'p Position, &'p FilePosition),
}

/// What the stream had brought at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Brought {
    pub(super) position: Position,
    /// The end of the last transaction, on the stream's server.
    pub(super) end: FilePosition,
}

#[derive(Default)]
pub(in crate::capture) struct Gate {
    state: Mutex<State>,
    /// Whether the state is one that the session must look at.
    calls: AtomicBool,
    session: Notify,
    reader: Notify,
}

#[derive(Default)]
enum State {
    #[default]
    Closed,
    Asked(Watch),
    Open(Open),
    Submitted(Open, Submitted),
    /// Entering the stream; with the bytes of each piece.
    Releasing(VecDeque<(Vec<StreamItem>, usize)>),
    Done(Outcome),
}

struct Open {
    watch: Watch,
    server: String,
    /// When it was opened.
    brought: Brought,
    changed: Changed,
    changed_bytes: usize,
    /// Why what was noted cannot be relied on.
    spoiled: Option<&'static str>,
}

struct Submitted {
    chunk: ReadChunk,
    /// The end of the server's binlog after the chunk was read.
    end: FilePosition,
}

/// For the session.
impl Gate {
    /// Whether [`Gate::attend`] has something to do. Costs next to nothing.
    pub(in crate::capture) fn calls(&self) -> bool {
        self.calls.load(Ordering::Acquire)
    }

    /// Waits for a call, when the server is quiet.
    pub(in crate::capture) async fn called(&self) {
        self.session.notified().await;
    }

    /// At a transaction's end: opens, or lets a chunk in. Then its pieces are there to be taken.
    pub(in crate::capture) fn attend(&self, place: &Place<'_>) {
        if place.at.is_before(place.began) {
            return;
        }
        let mut state = self.state();
        let next = match std::mem::take(&mut *state) {
            State::Asked(watch) => State::Open(Open {
                watch,
                server: place.server.to_owned(),
                brought: Brought {
                    position: place.read.0.clone(),
                    end: place.read.1.clone(),
                },
                changed: Changed::new(),
                changed_bytes: 0,
                spoiled: None,
            }),
            State::Submitted(open, _) if open.server != place.server => {
                State::Done(Outcome::Discarded("the stream moved to another server"))
            }
            // At once: the end may belong to a binlog that is gone.
            State::Submitted(
                Open {
                    spoiled: Some(reason),
                    ..
                },
                _,
            ) => State::Done(Outcome::Discarded(reason)),
            State::Submitted(open, submitted)
                if !place.at.is_before(&submitted.end)
                    && submitted.chunk.meets_partial(&open.changed) =>
            {
                State::Done(Outcome::Discarded(
                    "an update that leaves columns out came for one of its rows",
                ))
            }
            State::Submitted(open, submitted) if !place.at.is_before(&submitted.end) => {
                State::Releasing(submitted.chunk.release(&open.changed))
            }
            other => other,
        };
        self.set(state, next);
    }

    /// The bytes of the next piece of a chunk that is being let in.
    pub(in crate::capture) fn next_piece(&self) -> Option<usize> {
        match &*self.state() {
            State::Releasing(pieces) => pieces.front().map(|(_, bytes)| *bytes),
            _ => None,
        }
    }

    /// Takes that piece; it is handed on without a wait in between.
    pub(in crate::capture) fn take_piece(&self) -> Option<Vec<StreamItem>> {
        let mut state = self.state();
        let State::Releasing(pieces) = &mut *state else {
            return None;
        };
        let piece = pieces.pop_front().map(|(items, _)| items);
        if pieces.is_empty() {
            self.set(state, State::Done(Outcome::Released));
        }
        piece
    }

    /// Whether changed keys of this table are noted.
    pub(in crate::capture) fn watches(&self, table: usize) -> Option<Vec<String>> {
        match &*self.state() {
            State::Open(open) | State::Submitted(open, _)
                if open.watch.table == table && open.spoiled.is_none() =>
            {
                Some(open.watch.key.clone())
            }
            _ => None,
        }
    }

    /// Notes keys that the stream has changed.
    pub(super) fn note(
        &self,
        names: impl Iterator<Item = String>,
        operation: Operation,
        is_partial: bool,
    ) {
        let mut state = self.state();
        let (State::Open(open) | State::Submitted(open, _)) = &mut *state else {
            return;
        };
        for name in names {
            let bytes = name.len() + KEY_OVERHEAD_BYTES;
            let known = match open.changed.entry(name) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    open.changed_bytes += bytes;
                    new.insert(Operations::default())
                }
            };
            known.insert(operation);
            if is_partial {
                known.insert_partial();
            }
        }
        if open.changed_bytes > KEYS_BYTES_MAX {
            open.changed = Changed::new();
            open.spoiled = Some("the stream changed too many of the table's rows meanwhile");
        }
    }

    /// A change came whose key cannot be told.
    pub(in crate::capture) fn spoil(&self, reason: &'static str) {
        if let State::Open(open) | State::Submitted(open, _) = &mut *self.state() {
            open.changed = Changed::new();
            open.spoiled = Some(reason);
        }
    }
}

/// For the reader.
impl Gate {
    /// Opens the gate; gives what the stream had brought by then, whose rows are not noted.
    pub(super) async fn open(&self, watch: &Watch) -> Brought {
        loop {
            {
                let mut state = self.state();
                match &*state {
                    State::Open(open) if open.watch == *watch => return open.brought.clone(),
                    // What is left of a cancelled chunk goes first.
                    State::Releasing(_) => {}
                    State::Asked(asked) if asked == watch => {}
                    _ => {
                        *state = State::Asked(watch.clone());
                        drop(state);
                        self.call();
                    }
                }
            }
            self.reader.notified().await;
        }
    }

    /// Submits what was read since the gate is open, and waits for what becomes of it. `server` is
    /// where it was read, `end` the end of its binlog afterwards.
    pub(super) async fn submit(
        &self,
        chunk: ReadChunk,
        server: &str,
        end: FilePosition,
    ) -> Outcome {
        {
            let mut state = self.state();
            match std::mem::take(&mut *state) {
                State::Open(open) if open.server == server => {
                    *state = State::Submitted(open, Submitted { chunk, end });
                    drop(state);
                    self.call();
                }
                State::Open(_) => return Outcome::Discarded("the stream reads another server"),
                other => {
                    *state = other;
                    return Outcome::Discarded("the gate was not open");
                }
            }
        }
        loop {
            {
                let mut state = self.state();
                match std::mem::take(&mut *state) {
                    State::Done(outcome) => {
                        self.calls.store(false, Ordering::Release);
                        return outcome;
                    }
                    other => *state = other,
                }
            }
            self.reader.notified().await;
        }
    }

    /// Nothing is noted any more, and nothing waits to be let in. A chunk that has begun to enter
    /// the stream goes on entering it.
    pub(super) fn close(&self) {
        let mut state = self.state();
        if !matches!(&*state, State::Releasing(_)) {
            *state = State::Closed;
            self.calls.store(false, Ordering::Release);
        }
    }
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, mut state: MutexGuard<'_, State>, next: State) {
        let done = matches!(next, State::Open(_) | State::Done(_));
        let calls = matches!(next, State::Submitted(..) | State::Releasing(_));
        *state = next;
        self.calls.store(calls, Ordering::Release);
        drop(state);
        if done {
            self.reader.notify_one();
        }
    }

    fn call(&self) {
        self.calls.store(true, Ordering::Release);
        self.session.notify_one();
    }
}

/// Pieces of about the stream's own size.
pub(super) fn pieces(released: Released) -> VecDeque<(Vec<StreamItem>, usize)> {
    let mut pieces = VecDeque::new();
    let (mut items, mut bytes) = (Vec::new(), 0);
    for item in released.items {
        bytes += crate::capture::pieces::bytes_of(&item);
        items.push(item);
        if bytes >= crate::capture::pieces::PIECE_BYTES {
            pieces.push_back((std::mem::take(&mut items), std::mem::take(&mut bytes)));
        }
    }
    if !items.is_empty() {
        pieces.push_back((items, bytes));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::chunk::Takers;
    use super::*;
    use crate::capture::settings::{RoutedTable, TableRoute};
    use crate::capture::testing::at;
    use crate::core::change::RouteId;
    use crate::core::schema::TableName;
    use crate::core::snapshot::ChunkEnd;
    use crate::core::time::Micros;

    fn chunk() -> ReadChunk {
        let route = TableRoute {
            name: "leads".to_owned(),
            route: RouteId(0),
            insert: true,
            update: true,
            delete: false,
            columns: vec!["id".to_owned()],
        };
        let table = RoutedTable {
            name: TableName {
                schema: "shop".to_owned(),
                table: "leads".to_owned(),
            },
            routes: vec![route],
        };
        let takers = Takers::new(&table, &["leads".to_owned()]).unwrap();
        ReadChunk {
            takers: Arc::new(takers),
            rows: Vec::new(),
            read_at: Micros(0),
            end: ChunkEnd {
                snapshot: 1,
                table: 0,
                after: None,
                rows: 0,
                overtaken: 0,
                last: true,
            },
        }
    }

    fn attend(gate: &Gate, offset: u64) {
        attend_since(gate, 4, offset);
    }

    fn attend_since(gate: &Gate, began: u64, offset: u64) {
        gate.attend(&Place {
            server: "first",
            at: &at(offset),
            began: &at(began),
            read: (&Position::File(at(offset)), &at(offset)),
        });
    }

    /// What becomes of a chunk that was read when the server was at 500, by what `meanwhile` does.
    async fn outcome(meanwhile: impl FnOnce(&Gate)) -> Option<Outcome> {
        let gate = Gate::default();
        let watch = Watch {
            table: 0,
            key: vec!["id".to_owned()],
        };
        let (brought, ()) = tokio::join!(gate.open(&watch), async { attend(&gate, 100) });
        assert_eq!(brought.end, at(100), "as it was opened");
        let submitted = tokio::time::timeout(Duration::from_millis(50), async {
            tokio::join!(gate.submit(chunk(), "first", at(500)), async {
                meanwhile(&gate);
            })
            .0
        });
        submitted.await.ok()
    }

    /// A row of before may have been delivered by an earlier life: it is read again, not handed on
    /// again, and so does not keep a chunk from bringing its older image.
    #[tokio::test]
    async fn what_lies_before_a_sessions_beginning_opens_no_gate() {
        let gate = Gate::default();
        let watch = Watch {
            table: 0,
            key: vec!["id".to_owned()],
        };
        let (brought, ()) = tokio::join!(gate.open(&watch), async {
            attend_since(&gate, 300, 299);
            attend_since(&gate, 300, 300);
        });
        assert_eq!(brought.position, Position::File(at(300)));
    }

    #[tokio::test]
    async fn a_chunk_enters_where_it_was_read_and_a_spoiled_one_is_thrown_away_at_once() {
        let entered = outcome(|gate| {
            attend(gate, 500);
            while gate.take_piece().is_some() {}
        });
        assert_eq!(entered.await, Some(Outcome::Released));
        assert_eq!(outcome(|gate| attend(gate, 499)).await, None, "too early");
        let spoiled = outcome(|gate| {
            gate.spoil("for a reason");
            attend(gate, 101);
        });
        assert_eq!(spoiled.await, Some(Outcome::Discarded("for a reason")));
    }
}
