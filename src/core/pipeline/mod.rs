//! The heart: every decision between a captured row and its final outcome.
//!
//! [`Pipeline::step`] takes one input and both clocks and returns effects; the driver carries them
//! out. Invariants, held by the model test beside this file:
//! - every captured row is entered into the books exactly once, in the same commit that settles it;
//! - a checkpoint never passes a row that is neither settled nor parked;
//! - at most one record per external id is in flight;
//! - while records of a route are parked on disk, no newer record of the route overtakes them; of
//!   those on their way by Bulk, whose keys are known, no newer one of the same key;
//! - the next chunk of a snapshot is asked for only when the one before is durable.

mod answers;
mod bulk;
mod bulk_results;
mod doubt;
mod intake;
mod letters;
mod open_letters;
mod operator;
mod pace;
mod pause;
mod policy;
mod refit;
mod refusals;
mod setup;
mod snapshots;
mod view;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

pub use bulk::{BulkView, JobView};
use doubt::Doubt;
use letters::Replay;
pub use letters::{LetterInput, LetterState};
use open_letters::{FreshlyDelivered, LettersByKey};
use pace::Pace;
use pause::Pause;
pub use pause::RoutePause;
pub use policy::{OnConverted, RoutePolicy};
pub use refit::Misfit;
pub use setup::{PipelineSettings, RouteSetup};
pub use snapshots::SnapshotInput;
pub use view::{PipelineView, RouteView, Trouble};

use super::acts::{Act, OperatorPause};
use super::batching::{Handle, Planner, Record};
use super::bulk::lane::Lane;
use super::bulk::{BulkAnswer, BulkJob, BulkOrder};
use super::change::{Chunk, RouteId};
use super::circuit::Circuit;
use super::entry::{
    Commit, Entry, Image, ParkedRecord, ParkedSpan, Recovered, ServiceEvent, StoredChangeId, Totals,
};
use super::letters::{KeySecret, OpenLetters};
use super::mapping::Plan;
use super::outcome::{CallId, CallOutcome};
use super::parking::Parking;
use super::position::Checkpoint;
use super::retry::Jitter;
use super::schema::TableName;
use super::settlement::Ledger;
use super::snapshot::SnapshotOrder;
use super::time::{Micros, Now, Tick};
use snapshots::{Snapshots, settled_before};

#[derive(Debug)]
pub enum Input {
    Captured(Chunk),
    Answered {
        call: CallId,
        outcome: CallOutcome,
        sent_at: Micros,
        answered_at: Micros,
        api_calls: u32,
    },
    /// A commit is on disk; the spans are those of the records that it parked.
    Durable {
        parked: Vec<ParkedSpan>,
    },
    ParkedRead {
        span: ParkedSpan,
        records: Vec<ParkedRecord>,
    },
    Snapshot(SnapshotInput),
    Letters(LetterInput),
    /// What came of a [`BulkOrder`].
    Bulk(BulkAnswer),
    /// The object was described again: a mapping for what comes, or why there is none.
    Refit {
        route: RouteId,
        mapping: Result<Arc<Plan>, Misfit>,
    },
    /// A person asked for something that was done, or is done with it.
    Act(Act),
    /// Something the driver wants in the journal.
    Note {
        event: ServiceEvent,
        detail: String,
    },
    Timer,
    /// Take nothing more, send nothing more, let what is in flight come back.
    Stop,
    /// What is still in flight is given up.
    GraceOver,
}

#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "most effects are commits, and none is kept"
)]
pub enum Effect {
    Send(Call),
    /// Make durable, then give `release` bytes back to the capture window and answer
    /// [`Input::Durable`].
    Commit {
        commit: Commit,
        release: u32,
    },
    /// Give bytes back at once: they belong to rows that needed no entry.
    Release(u32),
    ReadParked {
        span: ParkedSpan,
        settled: BTreeSet<u64>,
    },
    /// Answer with [`LetterInput::Read`].
    ReadLetters(Vec<u64>),
    /// For the reader of snapshots.
    Order(SnapshotOrder),
    /// Answered by [`Input::Bulk`].
    Bulk(BulkOrder),
}

/// One request to make.
#[derive(Debug)]
pub struct Call {
    pub id: CallId,
    pub route: RouteId,
    pub records: Vec<Arc<Image>>,
}

/// Parked records in one commit at most: a span is read back whole, so this bounds its memory.
const PARK_AT_ONCE: usize = 1_000;

/// Nothing is parked while so many commits are on their way to the disk.
const PARKING_COMMITS: u64 = 64;

/// Slots in the ledger at most: one row that hangs must not let the rows behind it, settled long
/// ago, pile up in memory.
const MAX_SLOTS: usize = 100_000;

/// A checkpoint that moved without any outcome (other tables' transactions) is committed this
/// often at most: nothing but a restart's re-reading hangs on it.
const CHECKPOINT_EVERY_MS: u64 = 1_000;

#[derive(Debug)]
pub struct Pipeline {
    settings: PipelineSettings,
    routes: Vec<Route>,
    planner: Planner,
    ledger: Ledger,
    /// The org as a whole; each route has one of its own for its configuration.
    org: Circuit,
    calls: HashMap<CallId, Flight>,
    /// Calls that may be in flight: less than configured after trouble.
    allowed_in_flight: usize,
    /// Without it nothing is counted, and batches close by size and age alone.
    pace: Option<Pace>,
    jitter: Jitter,
    next_batch: u64,
    next_letter: u64,
    letter_secret: KeySecret,
    letters_by_key: LettersByKey,
    replay: Option<Replay>,
    freshly_delivered: FreshlyDelivered,
    /// The commit that holds the last edit of a letter.
    edits_in_commit: u64,
    next_parked: u64,
    settled_ahead: HashSet<StoredChangeId>,
    doubt: Doubt,
    snapshots: Snapshots,
    /// Collected during a step.
    entries: Vec<Entry>,
    /// Likewise: Bulk jobs for the next commit.
    jobs: Vec<BulkJob>,
    /// Jobs whose ids the commit of that number makes durable.
    jobs_awaited: VecDeque<(u64, u64)>,
    /// Jobs that are over, for the driver to clear away.
    forgotten: Vec<BulkOrder>,
    release: u32,
    release_now: u32,
    /// Bytes of the window that unsettled records hold.
    charged: u64,
    api_calls: u64,
    /// Calls that Salesforce answered: evidence that it is there.
    answers: u64,
    /// A route was refused for its configuration: its object may have changed.
    asks_describe: bool,
    /// Whether the next probe of an open circuit should be something that has not failed yet.
    probe_fresh: bool,
    /// Commits handed over, and how many of them are durable: both in their order.
    commits_made: u64,
    commits_durable: u64,
    committed_at: Tick,
    /// When it was last seen to what is due.
    pumped_at: Tick,
    stopping: bool,
    /// The disk is nearly full: nothing is begun.
    disk_low: bool,
}

#[derive(Debug)]
struct Route {
    name: String,
    table: TableName,
    plan: Arc<Plan>,
    scope: u16,
    updates: bool,
    totals: Totals,
    letters: OpenLetters,
    captured: u64,
    /// Updates of this process that changed the external id.
    key_changes: u64,
    /// From the stream, neither settled nor parked.
    in_flight: u64,
    circuit: Circuit,
    parking: Parking,
    lane: Lane,
    /// Whether a Bulk job can do what its calls do.
    bulk: bool,
    /// Waits until everything parked on disk is read back.
    held: VecDeque<Held>,
    /// Set while its rows lack a column.
    pause: Option<Pause>,
    /// Set while its mapping does not fit its object.
    misfit: Option<Pause>,
    /// Set while an operator keeps it from sending.
    operator: Option<OperatorPause>,
    policy: RoutePolicy,
    refused: refusals::Run,
}

/// A record behind what is parked.
#[derive(Debug)]
struct Held {
    record: Record,
    /// Of a row that is not mapped: the columns that it has.
    shape: Option<Arc<[Arc<str>]>>,
}

#[derive(Debug)]
struct Flight {
    route: RouteId,
    batch: u64,
    records: Vec<Handle>,
    sent_at: Micros,
}

impl Pipeline {
    /// Builds the pipeline on what a start recovered. `checkpoint` is where the stream goes on.
    #[must_use]
    pub fn new(
        settings: PipelineSettings,
        routes: Vec<RouteSetup>,
        recovered: &Recovered,
        checkpoint: Checkpoint,
    ) -> Self {
        let routes: Vec<Route> = routes
            .into_iter()
            .map(|setup| {
                let totals = recovered
                    .totals
                    .get(&setup.name)
                    .cloned()
                    .unwrap_or_default();
                let mut parking = Parking::default();
                let lane = bulk::adopt(&setup.name, recovered);
                for span in recovered.parked.iter().filter(|span| {
                    span.route == setup.name && !recovered.jobs.iter().any(|job| job.holds(span))
                }) {
                    let end = span.first + u64::from(span.count);
                    let settled = recovered.parked_settled.range(span.first..end).copied();
                    parking.restore(span.clone(), settled);
                }
                let letters = recovered.letters.get(&setup.name);
                Route {
                    letters: letters.cloned().unwrap_or_default(),
                    captured: totals.accounted(),
                    key_changes: 0,
                    totals,
                    in_flight: 0,
                    circuit: Circuit::default(),
                    parking,
                    lane,
                    bulk: setup.bulk,
                    held: VecDeque::new(),
                    pause: setup.lack.map(Pause::expected),
                    misfit: None,
                    operator: recovered.pauses.get(&setup.name).cloned(),
                    name: setup.name,
                    table: setup.table,
                    plan: setup.plan,
                    scope: setup.scope,
                    policy: RoutePolicy::default(),
                    refused: refusals::Run::default(),
                    updates: setup.updates,
                }
            })
            .collect();
        Self {
            planner: Planner::new(settings.batch, routes.len()),
            ledger: Ledger::new(checkpoint),
            org: Circuit::default(),
            calls: HashMap::new(),
            allowed_in_flight: settings.max_in_flight,
            pace: None,
            jitter: Jitter::new(settings.jitter_seed),
            next_batch: recovered.next_batch,
            next_letter: recovered.next_letter,
            letter_secret: recovered.letter_secret,
            letters_by_key: open_letters::by_key(&routes),
            replay: None,
            freshly_delivered: FreshlyDelivered::default(),
            edits_in_commit: 0,
            next_parked: recovered.next_parked,
            settled_ahead: recovered
                .settled_ahead
                .iter()
                .cloned()
                .chain(recovered.snapshot.iter().flat_map(settled_before))
                .collect(),
            doubt: Doubt::new(recovered, settings.window_bytes),
            snapshots: Snapshots::restore(recovered.snapshot.clone()),
            entries: Vec::new(),
            jobs: Vec::new(),
            jobs_awaited: VecDeque::new(),
            forgotten: Vec::new(),
            release: 0,
            release_now: 0,
            charged: 0,
            api_calls: 0,
            answers: 0,
            asks_describe: false,
            probe_fresh: false,
            commits_made: 0,
            commits_durable: 0,
            committed_at: Tick(0),
            pumped_at: Tick(0),
            stopping: false,
            disk_low: false,
            settings,
            routes,
        }
    }

    /// Takes one input and says what must be done now.
    pub fn step(&mut self, input: Input, now: Now) -> Vec<Effect> {
        self.doubt.begin(now);
        match input {
            Input::Captured(chunk) => self.take_chunk(chunk, now),
            Input::Answered {
                call,
                outcome,
                sent_at,
                answered_at,
                api_calls,
            } => {
                self.api_calls += u64::from(api_calls);
                self.note_spent(&outcome, api_calls);
                self.take_answer(call, outcome, sent_at, answered_at, now);
            }
            Input::Durable { parked } => {
                self.commits_durable += 1;
                self.snapshots.note_durable(self.commits_durable);
                self.note_jobs_durable();
                for span in parked {
                    if let Some(route) = self.routes.iter_mut().find(|r| r.name == span.route)
                        && !route.lane.note_durable(&span, now.tick)
                    {
                        route.parking.note_durable(span);
                    }
                }
            }
            Input::ParkedRead { span, records } => self.take_parked(span, records, now),
            Input::Snapshot(input) => self.take_snapshot_input(input, now),
            Input::Letters(input) => self.take_letter_input(input, now),
            Input::Bulk(answer) => self.take_bulk(answer, now),
            Input::Refit { route, mapping } => self.take_mapping(route, mapping, now),
            Input::Note { event, detail } => self.entries.push(Entry::Service { event, detail }),
            Input::Act(act) => self.take_act(act, now),
            Input::Timer => {}
            Input::Stop => self.stopping = true,
            Input::GraceOver => self.give_up_calls(),
        }
        self.pump(now)
    }

    /// Whether, after [`Input::Stop`], nothing is in flight and everything is durable.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopping && self.calls.is_empty() && self.commits_durable == self.commits_made
    }

    fn pump(&mut self, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.pumped_at = now.tick;
        if !self.stopping && !self.disk_low {
            self.keep_pace(now);
            self.planner.wake(now.tick);
            self.park_what_waits(now, &mut effects);
            self.park_behind_pauses(now, &mut effects);
            self.run_bulk(now, &mut effects);
            self.read_parked(now.tick, &mut effects);
            self.release_held();
            self.lease_letters(now.tick, &mut effects);
            self.planner
                .set_pressed(self.charged >= u64::from(self.settings.window_bytes) / 2);
            self.set_lingers();
            self.dispatch(now, &mut effects);
        }
        self.finish_chunks(now);
        let quiet_commit = self.ledger.has_moved()
            && (self.stopping || now.tick.since(self.committed_at) >= CHECKPOINT_EVERY_MS);
        if !self.entries.is_empty()
            || !self.jobs.is_empty()
            || quiet_commit
            || self.snapshots.is_urgent()
        {
            self.commit(now, &mut effects);
        }
        self.take_orders(&mut effects);
        if self.release_now > 0 {
            effects.push(Effect::Release(std::mem::take(&mut self.release_now)));
        }
        effects
    }

    fn commit(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let entries = std::mem::take(&mut self.entries);
        let entries = self.enter_steps(entries);
        self.commits_made += 1;
        let commit = Commit {
            entries,
            checkpoint: self.ledger.take_checkpoint(),
            snapshot: self.snapshots.take_change(self.commits_made),
            schemas: Vec::new(),
            jobs: self.take_jobs(),
            api_calls: std::mem::take(&mut self.api_calls),
            at: now.wall,
        };
        self.committed_at = now.tick;
        effects.push(Effect::Commit {
            commit,
            release: std::mem::take(&mut self.release),
        });
    }

    fn dispatch(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.must_note_start_first() {
            return;
        }
        while self.calls.len() < self.allowed_in_flight && self.may_spend(now) {
            let (org, routes) = (&self.org, &self.routes);
            let admits = |route: RouteId| {
                org.admits(now.tick) && routes[usize::from(route.0)].admits(now.tick)
            };
            // One record can make every call with it fail. Probing with something else in turns
            // tells that from an org that is down.
            let own_open = || routes.iter().any(|route| route.circuit.open().is_some());
            let probing = org.open().is_some() || own_open();
            let Some(batch) =
                self.planner
                    .take_batch(now.tick, probing && self.probe_fresh, admits)
            else {
                return;
            };
            self.probe_fresh ^= probing;
            self.note_batch(batch.route);
            self.org.note_sent();
            self.routes[usize::from(batch.route.0)].circuit.note_sent();
            let id = CallId(self.next_batch);
            let records = batch
                .records
                .iter()
                .map(|handle| Arc::clone(&self.planner.record(*handle).subject.image))
                .collect();
            let flight = Flight {
                route: batch.route,
                batch: id.0,
                records: batch.records,
                sent_at: now.wall,
            };
            self.next_batch += 1;
            self.calls.insert(id, flight);
            effects.push(Effect::Send(Call {
                id,
                route: batch.route,
                records,
            }));
        }
    }

    /// The next moment at which time alone changes something.
    #[must_use]
    pub fn next_wake(&self, now: Tick) -> Option<Tick> {
        if self.stopping {
            return None;
        }
        if self.disk_low {
            // What is due waits for room, which wakes by itself.
            let moved = self.ledger.has_moved();
            return moved.then(|| self.committed_at.plus(CHECKPOINT_EVERY_MS));
        }
        let mut wakes = Vec::new();
        // What was due by the last step has been seen to, and waits for something else than time.
        // What became due since then has not: it must wake us, though it is past.
        let seen = self.pumped_at.min(now);
        let circuits = || self.routes.iter().map(|r| &r.circuit).chain([&self.org]);
        let admits_from = |route: RouteId| {
            let own = self.routes[usize::from(route.0)].admits_from()?;
            Some(own.max(self.org.admits_from()?).max(self.paced_from()))
        };
        // The commit that it waits for wakes by itself.
        if self.calls.len() < self.allowed_in_flight && !self.must_note_start_first() {
            wakes.extend(self.planner.next_due(admits_from));
            let unread = (0_u16..)
                .zip(&self.routes)
                .filter(|(_, route)| route.parking.has_unread())
                .filter_map(|(index, _)| admits_from(RouteId(index)));
            let letters = self.replaying_routes().filter_map(admits_from);
            wakes.extend(unread.chain(letters).filter(|at| *at > seen));
        }
        let waiting = !self.planner.is_empty() || self.routes.iter().any(|r| !r.held.is_empty());
        if waiting {
            wakes.extend(
                circuits()
                    .filter_map(|circuit| circuit.open())
                    .map(|open| open.since.plus(self.settings.park_after_ms))
                    .filter(|at| *at > seen),
            );
        }
        wakes.extend(self.pace_wakes(waiting).filter(|at| *at > seen));
        wakes.extend(self.bulk_wakes(seen));
        if self.ledger.has_moved() {
            wakes.push(self.committed_at.plus(CHECKPOINT_EVERY_MS));
        }
        wakes.into_iter().min()
    }

    /// Whether more of the stream should be taken in.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.ledger.len() < MAX_SLOTS && !self.disk_low
    }

    /// Notes whether the disk has room. Without it nothing is taken in, sent or parked; what is in
    /// flight comes back and is entered.
    pub fn note_disk(&mut self, low: bool) {
        self.disk_low = low;
    }

    fn route(&mut self, id: RouteId) -> &mut Route {
        &mut self.routes[usize::from(id.0)]
    }

    fn parked_bytes(&self) -> u64 {
        let bytes = |route: &Route| route.parking.bytes() + route.lane.all_bytes();
        self.routes.iter().map(bytes).sum()
    }
}

#[cfg(test)]
mod filtering;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod tests;
