//! What the store is given to keep: commits that a seed brings back, and what must be known after each of them.
//! The folders in `tests/golden` were made by it: what it draws from the dice must stay as it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use leadstream::core::change::{ChangeId, Operation, RouteId, Transaction};
use leadstream::core::entry::{
    Attempt, Commit, Entry, Image, ServiceEvent, SkipRule, Subject, Totals,
};
use leadstream::core::letters::OpenLetter;
use leadstream::core::outcome::{ErrorClass, RecordError};
use leadstream::core::position::{Checkpoint, Position};
use leadstream::core::schema::TableName;
use leadstream::core::snapshot::{Snapshot, SnapshotReason, SnapshotState};
use leadstream::core::time::Micros;

use crate::second_opinion::dice::Dice;

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const NOON: i64 = 1_790_000_000_000_000;
pub const ROUTE: &str = "leads";

/// The script up to a commit, and what follows from it.
pub struct Script {
    dice: Dice,
    pub commits: u64,
    now: i64,
    pub next_lead: u64,
    next_letter: u64,
    next_serial: u64,
    /// Serial and lead of what waits.
    pub parked: VecDeque<(u64, u64)>,
    pub letters: BTreeSet<u64>,
    pub totals: Totals,
    pub checkpoint: Option<Checkpoint>,
    pub snapshot: Option<Snapshot>,
    /// The steps of each lead, with the commit of each.
    pub stories: BTreeMap<u64, Vec<(&'static str, u64)>>,
}

impl Script {
    pub fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            commits: 0,
            now: NOON,
            next_lead: 1,
            next_letter: 1,
            next_serial: 1,
            parked: VecDeque::new(),
            letters: BTreeSet::new(),
            totals: Totals::default(),
            checkpoint: None,
            snapshot: None,
            stories: BTreeMap::new(),
        }
    }

    /// As it stands after so many commits.
    pub fn after(seed: u64, commits: u64) -> Self {
        let mut script = Self::new(seed);
        while script.commits < commits {
            script.next();
        }
        script
    }

    pub fn next(&mut self) -> Commit {
        self.commits += 1;
        self.now += 200_000 + self.dice.below(2_500_000) as i64;
        match self.dice.below(60) {
            0 => self.now += 86_400_000_000,
            1 => self.now -= 3_600_000_000,
            _ => {}
        }
        let mut entries = Vec::new();
        for _ in 0..1 + self.dice.below(6) {
            let entry = self.entry();
            self.totals.apply(&entry);
            entries.push(entry);
        }
        let mut commit = Commit {
            entries,
            api_calls: 1,
            at: Micros(self.now),
            ..Commit::default()
        };
        if self.dice.below(3) > 0 {
            let through = self.next_lead;
            self.checkpoint = Some(Checkpoint {
                server_uuid: UUID.into(),
                position: Position::Gtid(format!("{UUID}:1-{through}").parse().unwrap()),
                end: "binlog.000007:4711".parse().unwrap(),
                inside: Default::default(),
            });
            commit.checkpoint = self.checkpoint.clone();
        }
        if self.dice.below(8) == 0 {
            self.snapshot = Some(Snapshot {
                number: self.commits,
                reason: SnapshotReason::Requested,
                started_at: Micros(self.now),
                ended_at: None,
                state: SnapshotState::Running,
                tables: Vec::new(),
                settled: Vec::new(),
            });
            commit.snapshot = self.snapshot.clone();
        }
        commit
    }

    fn entry(&mut self) -> Entry {
        match self.dice.below(10) {
            0 => {
                let subject = self.new_subject("dead_letter");
                let letter = self.next_letter;
                self.next_letter += 1;
                self.letters.insert(letter);
                Entry::DeadLettered {
                    subject,
                    letter,
                    class: ErrorClass::Data,
                    code: "INVALID_EMAIL_ADDRESS".into(),
                    errors: vec![RecordError {
                        code: "INVALID_EMAIL_ADDRESS".into(),
                        message: "Email: invalid email address".into(),
                        fields: vec!["Email".into()],
                    }],
                    open: OpenLetter::default(),
                    attempt: Some(self.attempt()),
                }
            }
            1 | 2 => {
                let subject = self.new_subject("parked");
                let serial = self.next_serial;
                self.next_serial += 1;
                self.parked.push_back((serial, self.next_lead - 1));
                Entry::Parked {
                    subject,
                    serial,
                    unknown: false,
                }
            }
            3 if !self.parked.is_empty() => {
                let (serial, lead) = self.parked.pop_front().unwrap();
                let mut subject = self.subject(lead, "delivered");
                subject.parked = Some(serial);
                self.delivered(subject, lead)
            }
            4 => Entry::Retried {
                subject: self.new_subject("retried"),
                class: ErrorClass::Contention,
                code: "UNABLE_TO_LOCK_ROW".into(),
                attempt: self.attempt(),
            },
            5 => {
                let subject = self.new_subject("superseded");
                let by = change(self.next_lead, 7);
                Entry::Superseded { subject, by }
            }
            6 => Entry::Skipped {
                id: change(self.next_lead, 9),
                rows: 3,
                operation: Operation::Delete,
                rule: SkipRule::OperationNotRouted,
            },
            7 if self.dice.below(4) == 0 => Entry::Service {
                event: ServiceEvent::DeliveryPaused,
                detail: "a test".into(),
            },
            _ => {
                let subject = self.new_subject("delivered");
                let lead = self.next_lead - 1;
                self.delivered(subject, lead)
            }
        }
    }

    fn delivered(&self, subject: Subject, lead: u64) -> Entry {
        Entry::Delivered {
            subject,
            salesforce_id: salesforce_id(lead),
            created: true,
            attempt: self.attempt(),
        }
    }

    fn attempt(&self) -> Attempt {
        Attempt {
            batch: self.commits,
            number: 1,
            sent_at: Micros(self.now - 200_000),
            answered_at: Micros(self.now),
        }
    }

    fn new_subject(&mut self, step: &'static str) -> Subject {
        let lead = self.next_lead;
        self.next_lead += 1;
        self.subject(lead, step)
    }

    fn subject(&mut self, lead: u64, step: &'static str) -> Subject {
        let story = self.stories.entry(lead).or_default();
        story.push((step, self.commits));
        // Most leads are small, some reach over several pages.
        let note = match self.dice.below(12) {
            0 => 9_000,
            1 => 3_000,
            length => 20 * length,
        };
        let note = "n".repeat(note);
        let email = email(lead);
        Subject {
            id: change(lead, 0),
            operation: Operation::Insert,
            image: Arc::new(Image {
                key: key(lead).into(),
                payload: format!("{{\"LastName\":\"L\",\"Note\":\"{note}\"}}").into(),
                email: Some(email.into()),
                row: None,
            }),
            captured_at: Micros(self.now - 300_000),
            parked: None,
            letter: None,
        }
    }
}

pub fn key(lead: u64) -> String {
    format!("L-{lead:08}")
}

pub fn email(lead: u64) -> String {
    format!("ada.{lead}@example.com")
}

pub fn salesforce_id(lead: u64) -> String {
    format!("00Q5g00000{lead:05}EAX")
}

fn change(lead: u64, row: u64) -> ChangeId {
    ChangeId {
        transaction: Arc::new(Transaction {
            id: format!("{UUID}:{lead}").parse().unwrap(),
            committed_at: Micros(NOON + lead as i64 * 1_371),
        }),
        table: Arc::new(TableName {
            schema: "shop".into(),
            table: "leads".into(),
        }),
        row,
        route: RouteId(0),
    }
}
