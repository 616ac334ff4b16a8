//! What a start needs to know, kept current commit by commit. The writer keeps one to write the
//! next segment's header from; recovery rebuilds one from a header and the commits behind it. Both
//! go through [`JournalState::apply`], so they cannot disagree.

use std::collections::{BTreeMap, BTreeSet};

use super::ahead::SettledAhead;
use super::chain::Chain;
use super::header::{
    ENCRYPTION, Encryption, FEATURES, Header, NextNumbers, SEALED_PLACES, StoredLetter, VERSION,
};
use super::kept::Holds;
use crate::core::acts::{self, Act, OperatorPauses};
use crate::core::bulk::BulkJob;
use crate::core::change::{ChangeId, RouteId};
use crate::core::entry::{Commit, Entry, ParkedSpan, Recovered, ServiceEvent, Totals};
use crate::core::letters::{KeySecret, OpenLetters};
use crate::core::position::{Checkpoint, Position, TransactionId};
use crate::core::schema::TableSchema;
use crate::core::snapshot::Snapshot;
use crate::core::time::Micros;
use crate::state::keyring::CIPHER;

const HOUR_MICROS: i64 = 3_600_000_000;
/// Salesforce counts API calls over the last 24 hours.
const WINDOW_HOURS: i64 = 24;

#[derive(Debug)]
pub(super) struct JournalState {
    pub store: String,
    pub segment: u64,
    pub chain: Chain,
    pub last_commit: u64,
    pub last_at: Micros,
    /// The segment's header names all that commits of this version may hold.
    pub is_marked: bool,
    /// The name of the key that the segment's personal lines are sealed with.
    pub sealed_with: Option<String>,
    pub next: NextNumbers,
    pub checkpoint: Option<Checkpoint>,
    pub snapshot: Option<Snapshot>,
    schemas: Vec<TableSchema>,
    unanswered_at: Option<Micros>,
    running: bool,
    /// Names by [`RouteId`]: those of the config first, then those only the journal knows.
    pub routes: Vec<String>,
    totals: Vec<Totals>,
    letters: Vec<OpenLetters>,
    ahead: SettledAhead,
    /// By the serial of their first.
    parked: BTreeMap<u64, Span>,
    parked_settled: BTreeSet<u64>,
    /// Those that have not ended.
    jobs: Vec<BulkJob>,
    /// Routes that an operator paused.
    pauses: OperatorPauses,
    /// By hours since 1970.
    api_calls: BTreeMap<i64, u64>,
}

#[derive(Debug)]
struct Span {
    span: ParkedSpan,
    settled: u32,
}

impl JournalState {
    /// The state of a store that holds nothing yet.
    pub(super) fn new(store: String, routes: &[String]) -> Self {
        Self {
            store,
            segment: 0,
            chain: Chain::default(),
            last_commit: 0,
            last_at: Micros(0),
            is_marked: true,
            sealed_with: None,
            next: NextNumbers {
                parked: 1,
                letter: 1,
                batch: 1,
            },
            checkpoint: None,
            snapshot: None,
            schemas: Vec::new(),
            unanswered_at: None,
            running: false,
            routes: routes.to_vec(),
            totals: vec![Totals::default(); routes.len()],
            letters: vec![OpenLetters::default(); routes.len()],
            ahead: SettledAhead::default(),
            parked: BTreeMap::new(),
            parked_settled: BTreeSet::new(),
            jobs: Vec::new(),
            pauses: OperatorPauses::new(),
            api_calls: BTreeMap::new(),
        }
    }

    /// The state as a header tells it; `chain` is the header's own.
    pub(super) fn from_header(header: Header, chain: Chain, routes: &[String]) -> Self {
        let mut state = Self::new(header.store, routes);
        state.segment = header.segment;
        state.chain = chain;
        state.last_commit = header.commits;
        state.last_at = header.last_at;
        let sealed = header.encryption.is_some().then_some(SEALED_PLACES);
        state.is_marked = FEATURES
            .into_iter()
            .chain(sealed)
            .all(|feature| header.requires.iter().any(|known| known == feature));
        state.sealed_with = header.encryption.map(|encryption| encryption.key);
        state.next = header.next;
        state.checkpoint = header.checkpoint;
        state.snapshot = header.snapshot.into_iter().next_back();
        state.schemas = header.schemas;
        state.unanswered_at = header.unanswered_at;
        state.running = header.running;
        for (route, totals) in header.totals {
            let route = state.route_id(&route);
            state.totals[usize::from(route.0)] = totals;
        }
        for (route, letters) in header.letters {
            let route = state.route_id(&route);
            for letter in letters {
                state.letters[usize::from(route.0)].insert(letter.0, letter.into());
            }
        }
        for ahead in &header.settled_ahead {
            let route = state.route_id(&ahead.route);
            state.ahead.restore(ahead, route);
        }
        for span in header.parked {
            state.parked.insert(span.first, Span { span, settled: 0 });
        }
        for (first, last) in header.parked_settled {
            for serial in first..=last {
                state.settle_parked(serial);
            }
        }
        state.jobs = header.jobs;
        state.pauses = header.pauses;
        state.api_calls = header.api_calls.into_iter().collect();
        state
    }

    /// The header of the segment that comes next.
    pub(super) fn next_header(&mut self, opened_at: Micros) -> Header {
        self.ahead.prune(self.checkpoint.as_ref());
        Header {
            t: "segment".to_owned(),
            version: VERSION,
            requires: FEATURES
                .into_iter()
                .chain(
                    [ENCRYPTION, SEALED_PLACES]
                        .into_iter()
                        .filter(|_| self.sealed_with.is_some()),
                )
                .map(str::to_owned)
                .collect(),
            encryption: self.sealed_with.clone().map(|key| Encryption {
                cipher: CIPHER.to_owned(),
                key,
            }),
            segment: self.segment + 1,
            opened_at,
            store: self.store.clone(),
            prev: self.chain,
            commits: self.last_commit,
            last_at: self.last_at,
            next: self.next,
            checkpoint: self.checkpoint.clone(),
            totals: self.named_totals(),
            settled_ahead: self.ahead.stored(&self.routes),
            parked: self.spans(),
            parked_settled: intervals(&self.parked_settled),
            api_calls: self
                .api_calls
                .iter()
                .map(|(hour, calls)| (*hour, *calls))
                .collect(),
            jobs: self.jobs.clone(),
            pauses: self.pauses.clone(),
            snapshot: self.snapshot.clone().into_iter().collect(),
            schemas: self.schemas.clone(),
            unanswered_at: self.unanswered_at,
            running: self.running,
            letters: self.stored_letters(),
        }
    }

    /// The number that a route's name has here, given to it if it is new.
    pub(super) fn route_id(&mut self, name: &str) -> RouteId {
        let place = self
            .routes
            .iter()
            .position(|known| known == name)
            .unwrap_or_else(|| {
                self.routes.push(name.to_owned());
                self.totals.push(Totals::default());
                self.letters.push(OpenLetters::default());
                self.routes.len() - 1
            });
        // The config allows far fewer routes than numbers.
        RouteId(u16::try_from(place).unwrap_or(u16::MAX))
    }

    /// Enters a commit; `spans` are its parked records, `chain` the hash up to its end. Every
    /// route in it must be known by number.
    pub(super) fn apply(&mut self, commit: &Commit, spans: &[ParkedSpan], chain: Chain) {
        self.chain = chain;
        self.last_commit += 1;
        self.last_at = commit.at;
        let moved = commit.checkpoint.is_some();
        let is_over = self.begins_anew(commit.checkpoint.as_ref());
        if moved {
            self.checkpoint.clone_from(&commit.checkpoint);
        }
        for schema in &commit.schemas {
            self.schemas.retain(|known| known.name != schema.name);
            self.schemas.push(schema.clone());
        }
        for span in spans {
            self.next.parked = self.next.parked.max(span.first + u64::from(span.count));
            self.parked.insert(
                span.first,
                Span {
                    span: span.clone(),
                    settled: 0,
                },
            );
        }
        for entry in &commit.entries {
            self.apply_entry(entry);
            self.apply_life(entry, commit.at);
            if let Entry::Act(act) = entry {
                // The reason is personal: it stands in its line alone, and is read from there.
                let act = Act {
                    reason: String::new(),
                    ..act.clone()
                };
                acts::apply(&mut self.pauses, &act, commit.at);
            }
        }
        if is_over {
            // Behind the entries: those of the same commit are of the history that is over, too.
            self.ahead.forget_stream();
        }
        if let Some(snapshot) = &commit.snapshot {
            self.apply_snapshot(snapshot);
        }
        for job in &commit.jobs {
            self.next.batch = self.next.batch.max(job.number + 1);
            self.jobs.retain(|known| known.number != job.number);
            self.jobs
                .extend(Some(job).filter(|job| !job.ended).cloned());
        }
        if moved {
            self.ahead.prune_some(self.checkpoint.as_ref());
        }
        if commit.api_calls > 0 {
            let hour = commit.at.0.div_euclid(HOUR_MICROS);
            *self.api_calls.entry(hour).or_default() += commit.api_calls;
            self.api_calls = self.api_calls.split_off(&(hour - WINDOW_HOURS));
        }
    }

    /// What bears on calls whose answer nobody has.
    fn apply_life(&mut self, entry: &Entry, at: Micros) {
        let Entry::Service { event, .. } = entry else {
            if matches!(entry, Entry::Unanswered { .. }) {
                self.unanswered_at = Some(at);
            }
            return;
        };
        if *event == ServiceEvent::Started {
            // The life before ended without a word: what it had under way has no answer either.
            if std::mem::replace(&mut self.running, true) {
                self.unanswered_at = Some(at);
            }
        } else if *event == ServiceEvent::Stopped {
            self.running = false;
        }
    }

    /// Whether the binlog begins anew with this checkpoint: places in files that were settled ahead of
    /// the last one name other transactions from now on.
    fn begins_anew(&self, next: Option<&Checkpoint>) -> bool {
        let (Some(last), Some(next)) = (&self.checkpoint, next) else {
            return false;
        };
        match (&last.position, &next.position) {
            (Position::File(from), Position::File(to)) => {
                last.server_uuid != next.server_uuid || to.is_before(from)
            }
            _ => false,
        }
    }

    /// One chunk is under way at a time: what was settled up to here belongs to chunks that this
    /// progress has passed, and the snapshot that ended reads nothing again.
    fn apply_snapshot(&mut self, snapshot: &Snapshot) {
        let chunks = |known: &Snapshot| (known.number, known.chunks());
        let moved = self.snapshot.as_ref().map(chunks) != Some(chunks(snapshot));
        if moved || !snapshot.is_running() {
            self.ahead.forget_snapshots();
        }
        self.snapshot = Some(snapshot.clone());
    }

    /// Whether a restart may read this row again.
    fn may_come_again(&self, entry: &Entry, id: &ChangeId) -> bool {
        let TransactionId::Snapshot(row) = &id.transaction.id else {
            return true;
        };
        let running = self.snapshot.as_ref().filter(|known| known.is_running());
        // What leaves parking was noted when it was parked; its chunk may have been passed since.
        entry.leaves_parking().is_none()
            && running.is_some_and(|snapshot| snapshot.number == row.snapshot)
    }

    fn apply_entry(&mut self, entry: &Entry) {
        if let Some(route) = entry.route() {
            self.totals[usize::from(route.0)].apply(entry);
            self.letters[usize::from(route.0)].apply(entry);
        }
        if let Some(id) = entry.settles().filter(|id| self.may_come_again(entry, id)) {
            let rows = match entry {
                Entry::Skipped { rows, .. } => u64::from(*rows),
                _ => 1,
            };
            self.ahead.insert(
                &id.transaction.id,
                &id.table,
                id.route,
                (id.row, rows),
                self.checkpoint.as_ref(),
            );
        }
        let (settled, batch) = match entry {
            Entry::Delivered {
                subject, attempt, ..
            } => (subject.parked, Some(attempt.batch)),
            Entry::DeadLettered {
                subject,
                letter,
                attempt,
                ..
            } => {
                self.next.letter = self.next.letter.max(letter + 1);
                (subject.parked, attempt.map(|attempt| attempt.batch))
            }
            Entry::SkippedRecord {
                subject, attempt, ..
            } => (subject.parked, Some(attempt.batch)),
            Entry::Superseded { subject, .. } | Entry::Filtered { subject } => {
                (subject.parked, None)
            }
            Entry::Retried { attempt, .. } => (None, Some(attempt.batch)),
            Entry::Unanswered { batch, .. } => (None, Some(*batch)),
            Entry::Parked { .. }
            | Entry::Skipped { .. }
            | Entry::Service { .. }
            | Entry::Act(_)
            | Entry::Edited { .. }
            | Entry::Replayed { .. }
            | Entry::Discarded { .. }
            | Entry::LetterOutdated { .. } => (None, None),
        };
        if let Some(batch) = batch {
            self.next.batch = self.next.batch.max(batch + 1);
        }
        if let Some(serial) = settled {
            self.settle_parked(serial);
        }
    }

    /// Notes that a parked record has its outcome; forgets its span with the last of them.
    fn settle_parked(&mut self, serial: u64) {
        let Some((&first, span)) = self.parked.range_mut(..=serial).next_back() else {
            return;
        };
        let end = first + u64::from(span.span.count);
        if serial >= end || !self.parked_settled.insert(serial) {
            return;
        }
        span.settled += 1;
        if span.settled == span.span.count {
            self.parked.remove(&first);
            for serial in first..end {
                self.parked_settled.remove(&serial);
            }
        }
    }

    /// What the pipeline starts from.
    pub(super) fn recovered(&mut self, torn_bytes: u64) -> Recovered {
        self.ahead.prune(self.checkpoint.as_ref());
        Recovered {
            checkpoint: self.checkpoint.clone(),
            snapshot: self.snapshot.clone(),
            schemas: self.schemas.clone(),
            totals: self.named_totals(),
            letters: self.named_letters(),
            letter_secret: KeySecret::default(),
            settled_ahead: self.ahead.ids(&self.routes),
            parked: self.spans(),
            parked_settled: self.parked_settled.clone(),
            jobs: self.jobs.clone(),
            pauses: self.pauses.clone(),
            next_parked: self.next.parked,
            next_letter: self.next.letter,
            next_batch: self.next.batch,
            unanswered_at: self.unanswered_at,
            crashed: self.running,
            last_commit: self.last_commit,
            torn_bytes,
        }
    }

    /// The segments that parked records lie in.
    pub(super) fn parked_segments(&self) -> BTreeSet<u64> {
        let spans = self.parked.values();
        spans.map(|span| span.span.place.0).collect()
    }

    /// What segments must be kept for.
    pub(super) fn holds(&self) -> Holds {
        let segments = self.parked.values().map(|span| span.span.place.0);
        let letters = self.letters.iter().flat_map(|letters| letters.iter());
        Holds {
            open_letters: letters.map(|(number, _)| number).collect(),
            oldest_parked: segments.min(),
        }
    }

    /// Calls by hour over the last day: the hour's start, and how many.
    pub(super) fn api_calls(&self) -> Vec<(Micros, u64)> {
        self.api_calls
            .iter()
            .map(|(hour, calls)| (Micros(hour * HOUR_MICROS), *calls))
            .collect()
    }

    fn spans(&self) -> Vec<ParkedSpan> {
        self.parked.values().map(|span| span.span.clone()).collect()
    }

    /// Open dead letters by route; routes without any are left out.
    pub(super) fn named_letters(&self) -> BTreeMap<String, OpenLetters> {
        let named = self
            .routes
            .iter()
            .cloned()
            .zip(self.letters.iter().cloned());
        named.filter(|(_, letters)| !letters.is_empty()).collect()
    }

    fn stored_letters(&self) -> BTreeMap<String, Vec<StoredLetter>> {
        let stored = |letters: &OpenLetters| letters.iter().map(StoredLetter::from).collect();
        let named = self.routes.iter().cloned().zip(&self.letters);
        named
            .filter(|(_, letters)| !letters.is_empty())
            .map(|(route, letters)| (route, stored(letters)))
            .collect()
    }

    /// Enters what an older version wrote of letters, when its headers did not say which are open.
    pub(super) fn apply_letters(&mut self, entry: &Entry) {
        if let Some(route) = entry.route() {
            self.letters[usize::from(route.0)].apply(entry);
        }
    }

    /// Routes without any books are left out: a name in the config alone is not state.
    fn named_totals(&self) -> BTreeMap<String, Totals> {
        let named = self.routes.iter().cloned().zip(self.totals.iter().cloned());
        named
            .filter(|(_, totals)| *totals != Totals::default())
            .collect()
    }
}

fn intervals(serials: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut intervals: Vec<(u64, u64)> = Vec::new();
    for serial in serials {
        match intervals.last_mut() {
            Some((_, last)) if *last + 1 == *serial => *last = *serial,
            _ => intervals.push((*serial, *serial)),
        }
    }
    intervals
}
