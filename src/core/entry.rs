//! The steps of a record's life that are made durable, and the books that follow from them.
//!
//! The pipeline decides entries; the state area writes them as lines of the journal and gives back,
//! after a restart, what a start needs ([`Recovered`]). Totals change through [`Totals::apply`]
//! alone, so that the books in memory and the books on disk cannot disagree.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::acts::{Act, OperatorPauses};
use super::bulk::BulkJob;
use super::change::{ChangeId, Operation, RouteId};
use super::letters::{KeySecret, LetterName, OpenLetter, OpenLetters};
use super::outcome::{ErrorClass, RecordError};
use super::position::{Checkpoint, TransactionId};
use super::schema::TableSchema;
use super::snapshot::Snapshot;
use super::time::Micros;

/// What is made durable together: all of it, or nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Commit {
    pub entries: Vec<Entry>,
    /// Where a restart goes on; `None` leaves the last one standing.
    pub checkpoint: Option<Checkpoint>,
    /// The snapshot as it stands now, when it moved; `None` leaves the last one standing.
    pub snapshot: Option<Snapshot>,
    /// What these tables look like from now on; each takes the place of an older one of its name.
    pub schemas: Vec<TableSchema>,
    /// Bulk jobs that Salesforce knows from now on, or that have ended.
    pub jobs: Vec<BulkJob>,
    /// Calls that Salesforce counted since the last commit.
    pub api_calls: u64,
    pub at: Micros,
}

/// A record as mapped: what is sent under which key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The external id's value; empty when mapping failed before it was known.
    pub key: Arc<str>,
    /// A JSON object of the mapped fields without the external id: `{"LastName":"Doe"}`.
    pub payload: Arc<str>,
    /// The e-mail address among the fields, for the index.
    pub email: Option<Arc<str>>,
    /// A JSON object of the source columns, kept only when mapping failed: a mended mapping needs
    /// it.
    pub row: Option<Arc<str>>,
}

impl Image {
    /// A row that could not be mapped at all yet, as [`SourceRow`](super::source_row::SourceRow)
    /// writes it.
    #[must_use]
    pub fn of_source_row(row: String) -> Self {
        Self {
            key: Arc::from(""),
            payload: Arc::from(""),
            email: None,
            row: Some(row.into()),
        }
    }

    /// The source row, when it is all that there is: it must be mapped before it can be sent.
    #[must_use]
    pub fn source_row(&self) -> Option<&Arc<str>> {
        self.row.as_ref().filter(|_| self.payload.is_empty())
    }
}

/// The record that an entry speaks of.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    pub id: ChangeId,
    pub operation: Operation,
    pub image: Arc<Image>,
    pub captured_at: Micros,
    /// Set when the record was parked: its serial number there.
    pub parked: Option<u64>,
    /// Set when the record is the replay of a dead letter: the letter's number. Its change was
    /// settled when it became one.
    pub letter: Option<u64>,
}

/// One call's part in a record's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Numbers batches across restarts.
    pub batch: u64,
    /// From 1.
    pub number: u32,
    pub sent_at: Micros,
    pub answered_at: Micros,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    Delivered {
        subject: Subject,
        /// 18 characters.
        salesforce_id: String,
        created: bool,
        attempt: Attempt,
    },
    /// Waits for a person.
    DeadLettered {
        subject: Subject,
        /// Numbers dead letters for ever; shown to people.
        letter: u64,
        class: ErrorClass,
        code: String,
        errors: Vec<RecordError>,
        /// `None` when it was never sent.
        attempt: Option<Attempt>,
        open: OpenLetter,
    },
    /// A newer image of the same key took its place before it was sent.
    Superseded { subject: Subject, by: ChangeId },
    /// Rows that the route does not carry.
    Skipped {
        /// Of the first row.
        id: ChangeId,
        rows: u32,
        operation: Operation,
        rule: SkipRule,
    },
    /// Sent and refused, in a way that the route is set to pass over.
    SkippedRecord {
        subject: Subject,
        rule: SkipRule,
        code: String,
        attempt: Attempt,
    },
    /// The route's filter leaves it out; of its image the key alone is kept.
    Filtered { subject: Subject },
    /// Durable with us, goes on by itself; serials rise by one within the process and across
    /// restarts.
    Parked {
        subject: Subject,
        serial: u64,
        /// It was sent and not answered: Salesforce may have it.
        unknown: bool,
    },
    /// Refused for now, will be tried again.
    Retried {
        subject: Subject,
        class: ErrorClass,
        code: String,
        attempt: Attempt,
    },
    /// Sent, and not answered when the service stopped: it will be read and sent again.
    Unanswered {
        subject: Subject,
        batch: u64,
        sent_at: Micros,
    },
    /// Something that happened to the service as a whole.
    Service {
        event: ServiceEvent,
        /// For people; free of values and secrets.
        detail: String,
    },
    /// A person changed fields of an open dead letter; nothing was sent.
    Edited {
        letter: LetterName,
        author: String,
        /// A JSON object of the changed fields as they were; those that were not there are absent.
        before: Arc<str>,
        /// As they are now; those taken out are absent.
        after: Arc<str>,
    },
    /// A dead letter goes out again, on somebody's word.
    Replayed { letter: LetterName, author: String },
    /// A person decided that a dead letter is never sent.
    Discarded {
        letter: LetterName,
        author: String,
        /// What the person gave as the reason; it may name people.
        reason: String,
    },
    /// A newer image of the letter's key was delivered: nothing is left to mend.
    LetterOutdated { letter: LetterName, by: ChangeId },
    /// A person asked for something else.
    Act(Act),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipRule {
    /// The route's `operations` does not list it.
    OperationNotRouted,
    /// A newer image of its key took its place.
    Superseded,
    /// The lead is converted, and the route's `on_converted` is `skip`.
    Converted,
    /// An update that changed no column of the route.
    Unchanged,
    /// The route's filter says no.
    Where,
}

impl SkipRule {
    /// The label's value, and the word in the journal.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SkipRule::OperationNotRouted => "operation_not_routed",
            SkipRule::Superseded => "superseded",
            SkipRule::Converted => "converted",
            SkipRule::Unchanged => "unchanged",
            SkipRule::Where => "where",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceEvent {
    Started,
    Stopped,
    /// The place where `start = "now"` or `"earliest"` begins.
    StartResolved,
    CaptureStopped,
    /// It goes on after it waited for a person.
    CaptureResumed,
    /// The source no longer has what comes next; the stream goes on at its present end.
    HistoryLost,
    DeliveryPaused,
    DeliveryResumed,
    /// A statement created, altered, renamed, truncated or dropped a routed table.
    TableAltered,
    /// A route's rows lack a column of its mapping: they are kept until the mapping fits.
    RoutePaused,
    RouteResumed,
    SnapshotStarted,
    SnapshotFinished,
    SnapshotCancelled,
    SnapshotFailed,
    /// A Bulk job's id is known: its upload follows.
    BulkCreated,
    /// A Bulk job's results are entered.
    BulkFinished,
    /// A Bulk job came to nothing: its records go by calls, or by another job.
    BulkGivenUp,
    /// Salesforce describes an object otherwise than before.
    ObjectAltered,
    /// A person moved the checkpoint while no service ran.
    CheckpointSet,
}

/// One route's part of the books, over its whole life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    pub created: u64,
    pub updated: u64,
    pub skipped: BTreeMap<SkipRule, u64>,
    pub dead_letters_open: u64,
    pub discarded: u64,
    pub parked: u64,
    /// By class: dead letters ever written, open or not.
    pub dead_lettered: BTreeMap<String, u64>,
}

impl Totals {
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.created + self.updated
    }

    #[must_use]
    pub fn skipped_total(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// Everything that is accounted for: captured minus what is in flight.
    #[must_use]
    pub fn accounted(&self) -> u64 {
        self.delivered()
            + self.skipped_total()
            + self.dead_letters_open
            + self.discarded
            + self.parked
    }

    /// Enters one step into the books.
    pub fn apply(&mut self, entry: &Entry) {
        let settled = match entry {
            Entry::Delivered {
                subject, created, ..
            } => {
                if *created {
                    self.created += 1;
                } else {
                    self.updated += 1;
                }
                subject
            }
            // Refused again, it is the letter that it was.
            Entry::DeadLettered { subject, .. } if subject.letter.is_some() => return,
            Entry::DeadLettered { subject, class, .. } => {
                self.dead_letters_open += 1;
                *self
                    .dead_lettered
                    .entry(class.as_str().to_owned())
                    .or_default() += 1;
                subject
            }
            Entry::Superseded { subject, .. } => {
                *self.skipped.entry(SkipRule::Superseded).or_default() += 1;
                subject
            }
            Entry::Filtered { subject } => {
                *self.skipped.entry(SkipRule::Where).or_default() += 1;
                subject
            }
            Entry::Skipped { rows, rule, .. } => {
                *self.skipped.entry(*rule).or_default() += u64::from(*rows);
                return;
            }
            Entry::SkippedRecord { subject, rule, .. } => {
                *self.skipped.entry(*rule).or_default() += 1;
                subject
            }
            Entry::Parked { .. } => {
                self.parked += 1;
                return;
            }
            Entry::Discarded { .. } => {
                self.close_letter();
                self.discarded += 1;
                return;
            }
            Entry::LetterOutdated { .. } => {
                self.close_letter();
                *self.skipped.entry(SkipRule::Superseded).or_default() += 1;
                return;
            }
            Entry::Retried { .. }
            | Entry::Unanswered { .. }
            | Entry::Service { .. }
            | Entry::Act(_)
            | Entry::Edited { .. }
            | Entry::Replayed { .. } => return,
        };
        if settled.letter.is_some() {
            self.close_letter();
        }
        if settled.parked.is_some() {
            self.parked = self.parked.saturating_sub(1);
        }
    }

    fn close_letter(&mut self) {
        self.dead_letters_open = self.dead_letters_open.saturating_sub(1);
    }
}

impl Entry {
    /// The route whose books it changes.
    #[must_use]
    pub fn route(&self) -> Option<RouteId> {
        match self {
            Entry::Delivered { subject, .. }
            | Entry::DeadLettered { subject, .. }
            | Entry::Superseded { subject, .. }
            | Entry::SkippedRecord { subject, .. }
            | Entry::Filtered { subject }
            | Entry::Parked { subject, .. }
            | Entry::Retried { subject, .. }
            | Entry::Unanswered { subject, .. } => Some(subject.id.route),
            Entry::Skipped { id, .. } => Some(id.route),
            Entry::Edited { letter, .. }
            | Entry::Replayed { letter, .. }
            | Entry::Discarded { letter, .. }
            | Entry::LetterOutdated { letter, .. } => Some(letter.route),
            Entry::Service { .. } | Entry::Act(_) => None,
        }
    }

    /// The change that has its final outcome, or is parked, with this entry.
    #[must_use]
    pub fn settles(&self) -> Option<&ChangeId> {
        match self {
            Entry::Delivered { subject, .. }
            | Entry::DeadLettered { subject, .. }
            | Entry::Superseded { subject, .. }
            | Entry::SkippedRecord { subject, .. }
            | Entry::Filtered { subject }
            | Entry::Parked { subject, .. } => {
                // The change of a letter was settled when it became one.
                subject.letter.is_none().then_some(&subject.id)
            }
            Entry::Skipped { id, .. } => Some(id),
            Entry::Retried { .. }
            | Entry::Unanswered { .. }
            | Entry::Service { .. }
            | Entry::Act(_)
            | Entry::Edited { .. }
            | Entry::Replayed { .. }
            | Entry::Discarded { .. }
            | Entry::LetterOutdated { .. } => None,
        }
    }

    /// The dead letter that is open no longer with this entry.
    #[must_use]
    pub fn closes_letter(&self) -> Option<u64> {
        match self {
            Entry::Delivered { subject, .. }
            | Entry::Superseded { subject, .. }
            | Entry::SkippedRecord { subject, .. }
            | Entry::Filtered { subject } => subject.letter,
            Entry::Discarded { letter, .. } | Entry::LetterOutdated { letter, .. } => {
                Some(letter.number)
            }
            Entry::DeadLettered { .. }
            | Entry::Skipped { .. }
            | Entry::Parked { .. }
            | Entry::Retried { .. }
            | Entry::Unanswered { .. }
            | Entry::Service { .. }
            | Entry::Act(_)
            | Entry::Edited { .. }
            | Entry::Replayed { .. } => None,
        }
    }
}

impl Entry {
    /// The serial of the parked record that has its final outcome with this entry.
    #[must_use]
    pub fn leaves_parking(&self) -> Option<u64> {
        match self {
            Entry::Delivered { subject, .. }
            | Entry::DeadLettered { subject, .. }
            | Entry::Superseded { subject, .. }
            | Entry::SkippedRecord { subject, .. }
            | Entry::Filtered { subject } => subject.parked,
            Entry::Parked { .. }
            | Entry::Skipped { .. }
            | Entry::Retried { .. }
            | Entry::Unanswered { .. }
            | Entry::Service { .. }
            | Entry::Act(_)
            | Entry::Edited { .. }
            | Entry::Replayed { .. }
            | Entry::Discarded { .. }
            | Entry::LetterOutdated { .. } => None,
        }
    }
}

/// A change's name as it is stored: routes by name, because their numbers are a process's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StoredChangeId {
    pub transaction: TransactionId,
    /// `schema.table`.
    pub table: String,
    pub row: u64,
    pub route: String,
}

/// A run of parked records of one route in one commit; where they lie is the store's own matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedSpan {
    pub route: String,
    /// Serial of the first; the others follow one by one.
    pub first: u64,
    pub count: u32,
    /// What their payloads take on disk.
    pub bytes: u64,
    /// Segment and byte offset of the first.
    pub place: (u64, u64),
    /// When the oldest of them was committed on the source; [`ParkedSpan::NOT_OF_THE_STREAM`] when
    /// all are rows of a snapshot.
    pub oldest: Micros,
}

impl ParkedSpan {
    /// Later than everything, so that the oldest of several is that of a row of the stream.
    pub const NOT_OF_THE_STREAM: Micros = Micros(i64::MAX);

    /// When the oldest row of the stream among them was committed.
    #[must_use]
    pub fn oldest_committed(&self) -> Option<Micros> {
        Some(self.oldest).filter(|oldest| *oldest != Self::NOT_OF_THE_STREAM)
    }
}

/// A parked record, read back.
#[derive(Clone, Debug, PartialEq)]
pub struct ParkedRecord {
    pub serial: u64,
    pub subject: Subject,
    pub unknown: bool,
}

/// What the journal gives back at a start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovered {
    /// `None` on a first start.
    pub checkpoint: Option<Checkpoint>,
    /// The last snapshot, running or not.
    pub snapshot: Option<Snapshot>,
    /// What the routed tables looked like when they were last read.
    pub schemas: Vec<TableSchema>,
    /// By route name; routes that the config no longer has included.
    pub totals: BTreeMap<String, Totals>,
    /// Open dead letters, by route name like the totals.
    pub letters: BTreeMap<String, OpenLetters>,
    /// What their keys are hashed with.
    pub letter_secret: KeySecret,
    /// Settled or parked, but not covered by the checkpoint: read again, not counted again.
    pub settled_ahead: HashSet<StoredChangeId>,
    /// In the order of their serials, per route; some records in them may be settled already.
    pub parked: Vec<ParkedSpan>,
    pub parked_settled: BTreeSet<u64>,
    /// Bulk jobs that have not ended.
    pub jobs: Vec<BulkJob>,
    /// Routes that an operator paused; those that the config no longer has included.
    pub pauses: OperatorPauses,
    pub next_parked: u64,
    pub next_letter: u64,
    pub next_batch: u64,
    /// When it was last noted that a call has no answer, or that a life ended without a word:
    /// Salesforce may still be working on what was sent before.
    pub unanswered_at: Option<Micros>,
    /// The last life ended without a word: what it had under way is not known.
    pub crashed: bool,
    /// Number of the last commit; 0 when there is none.
    pub last_commit: u64,
    /// Bytes cut off the end because a crash left them unfinished.
    pub torn_bytes: u64,
}

impl StoredChangeId {
    #[must_use]
    pub fn new(id: &ChangeId, route: &str) -> Self {
        Self {
            transaction: id.transaction.id.clone(),
            table: id.table.to_string(),
            row: id.row,
            route: route.to_owned(),
        }
    }
}
