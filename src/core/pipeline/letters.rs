//! Dead letters on their way out again: a replay leases them a few at a time, each becomes a
//! record like any other, and its outcome closes the letter or leaves it open.
//!
//! A letter that is leased stays open in the books, so that neither a cancelled replay nor a crash
//! loses one. It is not parked: it is durable already. Nothing newer of its key is overtaken: while
//! anything of the scope waits on disk or is held, no letter of the scope is leased.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::{Effect, Pipeline};
use crate::core::batching::Record;
use crate::core::change::RouteId;
use crate::core::entry::{Entry, Subject};
use crate::core::letters::{
    Declined, LetterName, LetterRead, LetterRecord, ReplayOrder, ReplayProgress,
};
use crate::core::mapping::MappedLetter as Mapped;
use crate::core::time::{Now, Tick};

/// Letters in memory at a time: few enough to cost little, enough for full batches.
const LEASED: usize = 400;
/// Read together: a call's worth.
const READ_AT_ONCE: usize = 200;

/// What comes in about dead letters.
#[derive(Debug)]
pub enum LetterInput {
    /// Send these again. One replay runs at a time: another takes the place of one that is over.
    Replay(ReplayOrder),
    /// Lease no more; what is on its way gets its outcome.
    CancelReplay,
    /// Leased letters, looked up.
    Read(Vec<LetterRead>),
    Edit {
        number: u64,
        /// The external id's value.
        key: Arc<str>,
        author: String,
        /// JSON objects of the changed fields.
        before: Arc<str>,
        after: Arc<str>,
    },
    Discard {
        /// Numbers with the external id's value.
        letters: Vec<(u64, Arc<str>)>,
        author: String,
        reason: String,
    },
}

/// An open letter, as far as the pipeline knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterState {
    pub route: String,
    /// It is being read or sent: it can be neither edited nor discarded.
    pub leased: bool,
}

/// A replay, running or over.
#[derive(Debug)]
pub(super) struct Replay {
    order: ReplayOrder,
    /// By route.
    waiting: Vec<VecDeque<u64>>,
    pub(super) reading: BTreeSet<u64>,
    /// Of those being read: something of their key was delivered meanwhile.
    pub(super) passed: BTreeSet<u64>,
    under_way: BTreeSet<u64>,
    delivered: u64,
    refused: u64,
    closed: u64,
    declined: Vec<(u64, Declined)>,
    cancelled: bool,
    /// Asked to end: what cannot go out at once goes no more.
    ending: bool,
    /// The commit that holds the last of its outcomes.
    pub(super) ends_in_commit: u64,
}

impl Replay {
    fn is_over(&self) -> bool {
        self.waiting.iter().all(VecDeque::is_empty)
            && self.reading.is_empty()
            && self.under_way.is_empty()
    }

    fn leased(&self) -> usize {
        self.reading.len() + self.under_way.len()
    }

    /// Notes the outcome of a letter that was on its way.
    pub(super) fn note(&mut self, number: u64, entry: &Entry) {
        if !self.under_way.remove(&number) {
            return;
        }
        match entry {
            Entry::Delivered { .. } => self.delivered += 1,
            Entry::DeadLettered { .. } => self.refused += 1,
            _ => self.closed += 1,
        }
    }
}

impl Pipeline {
    pub(super) fn take_letter_input(&mut self, input: LetterInput, now: Now) {
        match input {
            LetterInput::Replay(order) => self.begin_replay(order),
            LetterInput::CancelReplay => self.cancel_replay(),
            LetterInput::Read(letters) => {
                for read in letters {
                    self.take_letter(read, now);
                }
            }
            LetterInput::Edit {
                number,
                key,
                author,
                before,
                after,
            } => {
                if let Some(letter) = self.name_of_letter(number, key) {
                    // Read back only once it is on disk.
                    self.edits_in_commit = self.commits_made + 1;
                    self.entries.push(Entry::Edited {
                        letter,
                        author,
                        before,
                        after,
                    });
                }
            }
            LetterInput::Discard {
                letters,
                author,
                reason,
            } => {
                for (number, key) in letters {
                    if let Some(letter) = self.name_of_letter(number, key) {
                        self.entries.push(Entry::Discarded {
                            letter,
                            author: author.clone(),
                            reason: reason.clone(),
                        });
                    }
                }
            }
        }
    }

    /// Nothing of a letter that is leased: its outcome is on its way.
    fn name_of_letter(&self, number: u64, key: Arc<str>) -> Option<LetterName> {
        let route = self.route_of_letter(number)?;
        (!self.is_leased(number)).then_some(LetterName { number, route, key })
    }

    fn is_leased(&self, number: u64) -> bool {
        self.replay.as_ref().is_some_and(|replay| {
            replay.reading.contains(&number) || replay.under_way.contains(&number)
        })
    }

    pub(super) fn is_under_way(&self, number: u64) -> bool {
        let replay = self.replay.as_ref();
        replay.is_some_and(|replay| replay.under_way.contains(&number))
    }

    fn route_of_letter(&self, number: u64) -> Option<RouteId> {
        let index = self.routes.iter().position(|it| it.letters.is_open(number));
        index.and_then(|index| u16::try_from(index).ok().map(RouteId))
    }

    /// An open letter of a route of this configuration; `None` of any other.
    #[must_use]
    pub fn letter(&self, number: u64) -> Option<LetterState> {
        let route = self.route_of_letter(number)?;
        Some(LetterState {
            route: self.routes[usize::from(route.0)].name.clone(),
            leased: self.is_leased(number),
        })
    }

    /// The routes by number, with what tells which of them write the same records.
    #[must_use]
    pub fn scopes(&self) -> Vec<(String, u16)> {
        let routes = self.routes.iter();
        routes.map(|it| (it.name.clone(), it.scope)).collect()
    }

    /// The last replay since the start, running or over.
    #[must_use]
    pub fn replay(&self) -> Option<ReplayProgress> {
        let replay = self.replay.as_ref()?;
        Some(ReplayProgress {
            running: self.is_replaying(),
            cancelled: replay.cancelled,
            author: replay.order.author.to_string(),
            asked: replay.order.letters.len() as u64,
            waiting: replay.waiting.iter().map(|it| it.len() as u64).sum(),
            under_way: replay.leased() as u64,
            delivered: replay.delivered,
            refused: replay.refused,
            closed: replay.closed,
            declined_count: replay.declined.len() as u64,
            declined: if self.is_replaying() {
                Vec::new()
            } else {
                replay.declined.clone()
            },
        })
    }

    /// Whether a replay is under way: until its outcomes are durable.
    #[must_use]
    pub fn is_replaying(&self) -> bool {
        let durable = self.commits_durable;
        let replay = self.replay.as_ref();
        replay.is_some_and(|replay| !replay.is_over() || replay.ends_in_commit > durable)
    }

    fn begin_replay(&mut self, order: ReplayOrder) {
        let mut replay = Replay {
            waiting: vec![VecDeque::new(); self.routes.len()],
            reading: BTreeSet::new(),
            passed: BTreeSet::new(),
            under_way: BTreeSet::new(),
            delivered: 0,
            refused: 0,
            closed: 0,
            declined: Vec::new(),
            cancelled: false,
            ending: false,
            ends_in_commit: 0,
            order,
        };
        for number in &replay.order.letters {
            match self.route_of_letter(*number) {
                Some(route) => replay.waiting[usize::from(route.0)].push_back(*number),
                None => replay.declined.push((*number, Declined::NotOpen)),
            }
        }
        self.replay = Some(replay);
    }

    fn cancel_replay(&mut self) {
        if let Some(replay) = &mut self.replay {
            replay.ending = true;
            let waiting = replay.waiting.iter_mut().flat_map(|it| it.drain(..));
            let before = replay.declined.len();
            replay
                .declined
                .extend(waiting.map(|number| (number, Declined::Cancelled)));
            replay.cancelled |= replay.declined.len() > before;
        }
    }

    /// Whether something of the scope waits that may be newer than a letter of it.
    pub(super) fn has_waiting(&self, scope: u16) -> bool {
        let mut routes = self.routes.iter().filter(|route| route.scope == scope);
        self.is_scope_paused(scope) || routes.any(|route| route.blocks() || !route.held.is_empty())
    }

    /// Leases the next letters of a replay, as far as there is something to do with them.
    pub(super) fn lease_letters(&mut self, now: Tick, effects: &mut Vec<Effect>) {
        let Some(replay) = &self.replay else { return };
        let is_busy = !replay.reading.is_empty() || replay.leased() + READ_AT_ONCE > LEASED;
        if is_busy
            || self.commits_durable < self.edits_in_commit
            || !self.org.admits(now)
            || self.is_held_by_pace()
        {
            return;
        }
        let ready = |index: &usize| {
            let route = &self.routes[*index];
            route.circuit.admits(now) && !self.has_waiting(route.scope)
        };
        let index = (0..self.routes.len())
            .filter(|index| !replay.waiting[*index].is_empty())
            .find(ready);
        let Some((index, replay)) = index.zip(self.replay.as_mut()) else {
            return;
        };
        let waiting = &mut replay.waiting[index];
        let numbers: Vec<u64> = waiting.drain(..waiting.len().min(READ_AT_ONCE)).collect();
        replay.reading.extend(&numbers);
        let passed = self.freshly_delivered.since(self.commits_durable);
        replay
            .passed
            .extend(passed.filter(|it| numbers.contains(it)));
        effects.push(Effect::ReadLetters(numbers));
    }

    /// Routes with letters that wait for their circuit.
    pub(super) fn replaying_routes(&self) -> impl Iterator<Item = RouteId> {
        let waiting = self.replay.iter().flat_map(|it| (0_u16..).zip(&it.waiting));
        waiting
            .filter(|(_, letters)| !letters.is_empty())
            .map(|(index, _)| RouteId(index))
    }

    fn take_letter(&mut self, read: LetterRead, now: Now) {
        let number = read.number;
        let Some(replay) = &mut self.replay else {
            return;
        };
        if !replay.reading.remove(&number) {
            return;
        }
        let passed = replay.passed.remove(&number);
        let force = replay.order.force;
        let record = self.route_of_letter(number).ok_or(Declined::NotOpen);
        let record = record.and(read.found);
        let last = self.routes.iter().find_map(|it| it.letters.get(number));
        let last = last.is_some_and(|letter| letter.last);
        let taken = record.and_then(|record| {
            if (record.newer_delivered || passed) && !force {
                return Err(Declined::NewerDelivered);
            }
            if record.history_gone && !last && !force {
                return Err(Declined::HistoryGone);
            }
            self.send_letter(record, force, now)
        });
        let Some(replay) = &mut self.replay else {
            return;
        };
        match taken {
            Ok(Taken::UnderWay) => drop(replay.under_way.insert(number)),
            Ok(Taken::Closed) => replay.closed += 1,
            Ok(Taken::NotYet(_)) if replay.ending => {
                replay.cancelled = true;
                replay.declined.push((number, Declined::Cancelled));
            }
            Ok(Taken::NotYet(route)) => replay.waiting[usize::from(route.0)].push_front(number),
            Err(declined) => replay.declined.push((number, declined)),
        }
    }

    fn send_letter(
        &mut self,
        letter: LetterRecord,
        force: bool,
        now: Now,
    ) -> Result<Taken, Declined> {
        let (number, unclear) = (letter.number, letter.unclear);
        let id = letter.subject.id.route;
        let scope = self.scope_of(id);
        if self.has_waiting(scope) {
            return Ok(Taken::NotYet(id));
        }
        let plan = Arc::clone(&self.routes[usize::from(id.0)].plan);
        if letter.subject.image.key.is_empty() && !force {
            return Err(Declined::KeyUnknown);
        }
        let mut subject = Subject {
            parked: None,
            letter: Some(number),
            ..letter.subject.clone()
        };
        let image = match plan.map_letter(&letter).map_err(Declined::Unmappable)? {
            Mapped::Image(image) => image,
            Mapped::LeftOut(image) => {
                self.note_replayed(number, id, &image.key);
                subject.image = Arc::new(image);
                self.entries.push(Entry::Filtered { subject });
                return Ok(Taken::Closed);
            }
        };
        let key = plan.comparable_key(&image.key);
        subject.image = Arc::new(image);
        let record = Record {
            subject,
            slot: None,
            attempts: 0,
            unknown: false,
            unknown_until: Tick(0),
            failed_at: None,
            charge: 0,
            since: now.tick,
            scope,
            key,
            absorbed: Vec::new(),
        };
        // What waits for its key is older only if it is an older letter. In a lane a job may be at
        // work on it, so that even force has to wait.
        if self.is_in_lane(&record) {
            return Err(Declined::NewerOnItsWay);
        }
        if !force
            && self
                .planner
                .holds_newer_than_letter(scope, &record.key, &record.subject.id)
        {
            return Err(Declined::NewerOnItsWay);
        }
        let key = Arc::clone(&record.subject.image.key);
        self.note_replayed(number, id, &key);
        if unclear {
            self.doubt_letter(&record);
        }
        self.admit_now(record);
        Ok(Taken::UnderWay)
    }

    fn note_replayed(&mut self, number: u64, route: RouteId, key: &Arc<str>) {
        let replay = self.replay.as_ref();
        let author = replay.map_or_else(String::new, |it| it.order.author.to_string());
        let key = Arc::clone(key);
        self.entries.push(Entry::Replayed {
            letter: LetterName { number, route, key },
            author,
        });
    }
}

/// What became of a letter that was read.
enum Taken {
    UnderWay,
    /// By the route's filter.
    Closed,
    NotYet(RouteId),
}
