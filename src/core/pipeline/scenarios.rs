//! Single stories that the random model tells too rarely: one input after the other, by hand.

use std::sync::Arc;

use super::tests::{ROUTES, settings, table};
use super::*;
use crate::core::change::{Change, ChangeId, Operation, StreamItem, Transaction};
use crate::core::mapping::tests::simple_plan;
use crate::core::outcome::{CallOutcome, RequestFailure};
use crate::core::outcome::{Disposition, ErrorClass, RecordError, RecordResult, Rejection};
use crate::core::position::{FilePosition, GtidSet, Position, SnapshotRow, TransactionId};
use crate::core::snapshot::{ChunkEnd, Refusal, Snapshot, SnapshotReason, SnapshotRequest};
use crate::core::source_row::Lack;
use crate::core::value::Value;

mod bulk;
mod disk;
mod gaps;
mod letters;
mod parking_bound;

pub(super) struct Stage {
    pub(super) pipeline: Pipeline,
    pub(super) tick: u64,
    /// How long ago what is captured was committed.
    pub(super) age_ms: i64,
    rows: u64,
    pub(super) calls: Vec<Call>,
    pub(super) entries: Vec<Entry>,
    orders: Vec<SnapshotOrder>,
    letter_reads: Vec<Vec<u64>>,
    /// Commits that no story has called durable yet.
    unacknowledged: u64,
}

impl Stage {
    pub(super) fn new() -> Self {
        let end = FilePosition {
            file: "binlog.000001".into(),
            offset: 4,
        };
        let checkpoint = Checkpoint {
            server_uuid: String::new(),
            position: Position::Gtid(GtidSet::default()),
            end,
            inside: Default::default(),
        };
        let setup = RouteSetup {
            name: ROUTES[0].into(),
            table: TableName::clone(&table(ROUTES[0])),
            plan: Arc::new(simple_plan()),
            scope: 0,
            updates: false,
            bulk: true,
            lack: None,
        };
        let mut settings = settings(1);
        settings.max_in_flight = 1;
        settings.window_bytes = 1 << 20;
        Self {
            pipeline: Pipeline::new(settings, vec![setup], &Recovered::default(), checkpoint),
            tick: 0,
            age_ms: 0,
            rows: 0,
            calls: Vec::new(),
            entries: Vec::new(),
            orders: Vec::new(),
            letter_reads: Vec::new(),
            unacknowledged: 0,
        }
    }

    pub(super) fn step(&mut self, input: Input) {
        let now = Now {
            tick: Tick(self.tick),
            wall: Micros(i64::try_from(self.tick).unwrap() * 1_000),
        };
        for effect in self.pipeline.step(input, now) {
            match effect {
                Effect::Send(call) => self.calls.push(call),
                Effect::Commit { commit, .. } => {
                    self.unacknowledged += 1;
                    self.entries.extend(commit.entries);
                }
                Effect::Release(_) => {}
                Effect::Order(order) => self.orders.push(order),
                Effect::ReadLetters(numbers) => self.letter_reads.push(numbers),
                Effect::ReadParked { .. } | Effect::Bulk(_) => {
                    panic!("nothing is parked in these stories")
                }
            }
        }
    }

    /// Rows with keys from the given one on.
    pub(super) fn capture(&mut self, keys: std::ops::Range<i64>) {
        let read_at = self.tick as i64 * 1_000;
        let items = keys
            .map(|key| {
                self.rows += 1;
                StreamItem::Row(Change {
                    id: ChangeId {
                        transaction: Arc::new(Transaction {
                            id: TransactionId::File(FilePosition {
                                file: "binlog.000001".into(),
                                offset: self.rows,
                            }),
                            committed_at: Micros(read_at - self.age_ms * 1_000),
                        }),
                        table: table(ROUTES[0]),
                        row: 0,
                        route: RouteId(0),
                    },
                    last_of_row: true,
                    operation: Operation::Insert,
                    values: vec![Some(Value::Int(key)), Some(Value::Text("Doe".into()))].into(),
                    captured_at: Micros(read_at),
                })
            })
            .collect();
        self.step(Input::Captured(Chunk { items, bytes: 0 }));
    }

    /// Lets time pass until a call goes out, and answers it.
    pub(super) fn answer(&mut self, fate: impl Fn(&Call) -> CallOutcome) -> bool {
        if self.calls.is_empty() {
            let Some(wake) = self.pipeline.next_wake(Tick(self.tick)) else {
                return false;
            };
            self.tick = self.tick.max(wake.0);
            self.step(Input::Timer);
        }
        let Some(call) = self.calls.pop() else {
            return true;
        };
        let outcome = fate(&call);
        self.step(Input::Answered {
            call: call.id,
            outcome,
            sent_at: Micros(0),
            answered_at: Micros(0),
            api_calls: 1,
        });
        true
    }

    fn delivered(&self) -> usize {
        let delivered = |entry: &&Entry| matches!(entry, Entry::Delivered { .. });
        self.entries.iter().filter(delivered).count()
    }

    fn dead_letters(&self) -> Vec<String> {
        self.entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::DeadLettered { subject, .. } => Some(subject.image.key.to_string()),
                _ => None,
            })
            .collect()
    }
}

pub(super) fn accept(call: &Call) -> CallOutcome {
    let accepted = |image: &Arc<Image>| RecordResult::Delivered {
        id: format!("00Q{:0>15}", image.key),
        created: true,
    };
    CallOutcome::Answered(call.records.iter().map(accepted).collect())
}

fn broken(class: ErrorClass) -> CallOutcome {
    CallOutcome::Failed(RequestFailure {
        class,
        page: "LS2040",
        code: "UNKNOWN_EXCEPTION".into(),
        text: "it broke".into(),
        disposition: Disposition::Backoff,
        unknown: true,
        retry_after_ms: None,
    })
}

#[test]
fn a_record_that_breaks_every_call_is_set_aside_and_the_others_flow() {
    let mut stage = Stage::new();
    stage.pipeline.settings.park_after_ms = u64::MAX / 2;
    let fate = |call: &Call| {
        if call.records.iter().any(|image| image.key.as_ref() == "3") {
            broken(ErrorClass::Unavailable)
        } else {
            accept(call)
        }
    };
    // Each answer for others is the evidence that it is not the org.
    for start in 0..40 {
        stage.capture(start * 5..start * 5 + 5);
        for _ in 0..6 {
            stage.answer(fate);
        }
    }
    assert_eq!(stage.dead_letters(), ["3"]);
    assert_eq!(stage.delivered(), 199);
}

/// A driver that is busy with something else looks for the next wake a moment after it was due.
#[test]
fn what_becomes_due_between_two_steps_still_wakes() {
    let mut stage = Stage::new();
    stage.pipeline.settings.park_after_ms = 3;
    stage.pipeline.settings.backoff.base_ms = 1_000;
    stage.pipeline.settings.backoff.cap_ms = 1_000;
    stage.capture(0..1);
    while stage.pipeline.org.open().is_none() {
        stage.answer(|_| broken(ErrorClass::Unavailable));
    }
    let (failed, late) = (Tick(stage.tick), Tick(stage.tick + 5));
    assert_eq!(stage.pipeline.next_wake(failed), Some(failed.plus(3)));
    assert_eq!(stage.pipeline.next_wake(late), Some(failed.plus(3)));
    stage.tick = late.0;
    stage.step(Input::Timer);
    let is_parked = |entry: &Entry| matches!(entry, Entry::Parked { .. });
    assert!(stage.entries.iter().any(is_parked));
}

#[test]
fn an_org_that_is_down_sets_nobody_aside() {
    let mut stage = Stage::new();
    stage.pipeline.settings.park_after_ms = u64::MAX / 2;
    stage.capture(0..12);
    for _ in 0..500 {
        stage.answer(|_| broken(ErrorClass::Unavailable));
    }
    assert!(stage.dead_letters().is_empty());
    while stage.delivered() < 12 {
        assert!(stage.answer(accept), "it stopped trying");
    }
}

#[test]
fn a_record_is_shown_as_parked_once_that_is_durable() {
    let mut stage = Stage::new();
    stage.pipeline.settings.park_after_ms = 3;
    stage.pipeline.settings.backoff.base_ms = 1_000;
    stage.pipeline.settings.backoff.cap_ms = 1_000;
    stage.capture(0..1);
    while stage.pipeline.org.open().is_none() {
        stage.answer(|_| broken(ErrorClass::Unavailable));
    }
    stage.tick += 5;
    stage.step(Input::Timer);
    let shown = |stage: &Stage| {
        let route = stage.pipeline.view().routes.remove(0);
        assert!(route.balances(), "{route:?}");
        (route.totals.parked, route.in_flight)
    };
    assert_eq!(shown(&stage), (0, 1), "a crash would have it read again");
    let span = ParkedSpan {
        route: ROUTES[0].into(),
        first: 0,
        count: 1,
        bytes: 1,
        place: (0, 0),
        oldest: Micros(0),
    };
    stage.step(Input::Durable { parked: vec![span] });
    assert_eq!(shown(&stage), (1, 0));
}

#[test]
fn a_maintenance_window_pauses_and_sets_nobody_aside() {
    let mut stage = Stage::new();
    stage.pipeline.settings.park_after_ms = u64::MAX / 2;
    stage.capture(0..12);
    let code = "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE";
    let refuse = |call: &Call| {
        let refused = |_| {
            RecordResult::Rejected(Rejection {
                class: ErrorClass::Unavailable,
                code: code.into(),
                disposition: Disposition::Backoff,
                errors: vec![RecordError {
                    code: code.into(),
                    message: String::new(),
                    fields: Vec::new(),
                }],
            })
        };
        CallOutcome::Answered(call.records.iter().map(refused).collect())
    };
    for _ in 0..100 {
        stage.answer(refuse);
    }
    assert!(stage.pipeline.view().org_trouble.is_some());
    assert!(stage.dead_letters().is_empty());
    while stage.delivered() < 12 {
        assert!(stage.answer(accept), "it stopped trying");
    }
}

#[test]
fn a_refusal_that_may_be_its_own_unanswered_call_costs_no_attempt() {
    let mut stage = Stage::new();
    stage.pipeline.settings.park_after_ms = u64::MAX / 2;
    stage.capture(0..1);
    stage.answer(|_| broken(ErrorClass::Network));
    let collide = |call: &Call| {
        let collided = |_| {
            RecordResult::Rejected(Rejection {
                class: ErrorClass::Contention,
                code: "DUPLICATE_VALUE".into(),
                disposition: Disposition::Backoff,
                errors: vec![RecordError {
                    code: "DUPLICATE_VALUE".into(),
                    message: String::new(),
                    fields: Vec::new(),
                }],
            })
        };
        CallOutcome::Answered(call.records.iter().map(collided).collect())
    };
    while stage.tick < 500_000 {
        stage.answer(collide);
    }
    assert!(stage.dead_letters().is_empty());
    while stage.delivered() < 1 {
        assert!(stage.answer(accept), "it stopped trying");
    }
}

#[test]
fn a_pause_that_is_only_expected_ends_with_the_first_row_that_fits() {
    let mut stage = Stage::new();
    let table = table(ROUTES[0]);
    let lack = Lack::absent(&table, "name", std::iter::empty());
    stage.pipeline.routes[0].pause = Some(Pause::expected(lack));
    assert_eq!(
        stage.pipeline.view().routes[0].pause.as_ref().unwrap().page,
        "LS1015"
    );
    stage.capture(0..3);
    assert!(stage.pipeline.view().routes[0].pause.is_none());
    while stage.delivered() < 3 {
        assert!(stage.answer(accept), "it held rows up");
    }
    let resumed = |entry: &Entry| matches!(entry, Entry::Service { event, .. } if *event == ServiceEvent::RouteResumed);
    assert!(stage.entries.iter().any(resumed));
}

impl Stage {
    fn request() -> SnapshotRequest {
        SnapshotRequest {
            reason: SnapshotReason::Requested,
            routes: None,
            condition: None,
        }
    }

    fn plan(&self) -> Result<Snapshot, Refusal> {
        self.pipeline.plan_snapshot(&Self::request(), Micros(0))
    }

    fn start_snapshot(&mut self) -> u64 {
        let snapshot = self.plan().unwrap();
        let number = snapshot.number;
        self.step(Input::Snapshot(SnapshotInput::Start(snapshot)));
        number
    }

    /// Makes every commit durable.
    fn sync(&mut self) {
        while self.pipeline.commits_durable < self.pipeline.commits_made {
            self.step(Input::Durable { parked: Vec::new() });
        }
    }

    /// A chunk with these keys.
    fn chunk(&mut self, snapshot: u64, keys: std::ops::Range<i64>, last: bool) {
        let rows = keys.clone().count() as u64;
        let row = |key: i64| {
            StreamItem::Row(Change {
                id: ChangeId {
                    transaction: Arc::new(Transaction {
                        id: TransactionId::Snapshot(SnapshotRow {
                            snapshot,
                            key: key.to_string().into(),
                        }),
                        committed_at: Micros(-1),
                    }),
                    table: table(ROUTES[0]),
                    row: 0,
                    route: RouteId(0),
                },
                last_of_row: true,
                operation: Operation::Insert,
                values: vec![Some(Value::Int(key)), Some(Value::Text("Doe".into()))].into(),
                captured_at: Micros(0),
            })
        };
        let mut items: Vec<StreamItem> = keys.map(row).collect();
        items.push(StreamItem::ChunkEnd(ChunkEnd {
            snapshot,
            table: 0,
            after: None,
            rows,
            overtaken: 0,
            last,
        }));
        self.step(Input::Captured(Chunk { items, bytes: 0 }));
    }

    fn events(&self) -> Vec<ServiceEvent> {
        let events = self.entries.iter();
        events
            .filter_map(|entry| match entry {
                Entry::Service { event, .. } => Some(*event),
                _ => None,
            })
            .collect()
    }
}

#[test]
fn a_snapshot_goes_chunk_by_chunk_without_waiting_for_company_and_is_no_lag() {
    let mut stage = Stage::new();
    let number = stage.start_snapshot();
    assert!(stage.orders.is_empty(), "told before it is durable");
    stage.sync();
    assert!(matches!(&stage.orders[..], [SnapshotOrder::Run(run)] if run.number == number));
    assert_eq!(stage.plan(), Err(Refusal::Running { number }));

    stage.chunk(number, 0..2, false);
    assert_eq!(
        stage.calls.len(),
        1,
        "two of five records waited for company"
    );
    let view = stage.pipeline.view();
    assert_eq!(view.oldest_unsettled, None);
    assert!(!view.checkpoint_waits);
    assert_eq!(view.snapshot.unwrap().chunks(), 0);
    stage.answer(accept);
    assert_eq!(stage.orders.len(), 1, "told before it is durable");
    stage.sync();
    assert_eq!(stage.orders.pop(), Some(SnapshotOrder::ChunkDurable));

    // One that waits in memory for the stream's older row is not finished.
    stage.capture(10..11);
    stage.chunk(number, 2..2, true);
    stage.sync();
    assert_eq!(stage.orders.len(), 1);
    assert!(stage.pipeline.view().oldest_unsettled.is_some());
    stage.answer(accept);
    stage.sync();
    assert_eq!(stage.orders.pop(), Some(SnapshotOrder::ChunkDurable));
    let snapshot = stage.pipeline.snapshot().unwrap();
    assert!(!snapshot.is_running());
    assert_eq!((snapshot.chunks(), snapshot.rows()), (2, 2));
    assert_eq!(
        stage.events(),
        [
            ServiceEvent::SnapshotStarted,
            ServiceEvent::SnapshotFinished
        ]
    );
    assert_eq!(stage.plan().unwrap().number, number + 1);
}

#[test]
fn a_cancelled_snapshot_takes_no_more_rows_and_ends_once() {
    let mut stage = Stage::new();
    let number = stage.start_snapshot();
    stage.sync();
    stage.chunk(number, 0..2, false);
    stage.step(Input::Snapshot(SnapshotInput::Cancel));
    stage.step(Input::Snapshot(SnapshotInput::Cancel));
    let failed = SnapshotInput::Failed {
        page: "LS1012".into(),
        text: "too late".into(),
    };
    stage.step(Input::Snapshot(failed));
    stage.chunk(number, 2..4, false);
    stage.answer(accept);
    stage.sync();
    assert_eq!(stage.delivered(), 2, "what was on its way is delivered");
    assert!(stage.calls.is_empty());
    assert_eq!(stage.orders.last(), Some(&SnapshotOrder::Cancel));
    assert_eq!(
        stage.events(),
        [
            ServiceEvent::SnapshotStarted,
            ServiceEvent::SnapshotCancelled
        ]
    );
    for route in stage.pipeline.view().routes {
        assert!(route.balances() && route.in_flight == 0 && route.captured == 2);
    }
}

#[test]
fn a_snapshot_whose_routes_are_gone_is_cancelled_at_the_start() {
    let mut stage = Stage::new();
    let mut snapshot = stage.plan().unwrap();
    snapshot.tables[0].routes = vec!["renamed".into()];
    stage.pipeline.snapshots = Snapshots::restore(Some(snapshot));
    stage.step(Input::Snapshot(SnapshotInput::Resume));
    assert!(stage.orders.is_empty());
    assert!(stage.pipeline.running_snapshot().is_none());
    assert_eq!(stage.events(), [ServiceEvent::SnapshotCancelled]);
}

#[test]
fn a_snapshot_waits_while_salesforce_is_away() {
    let mut stage = Stage::new();
    stage.start_snapshot();
    stage.capture(0..1);
    stage.answer(|_| broken(ErrorClass::Network));
    stage.sync();
    assert!(stage.orders.is_empty(), "it would be read into an outage");
    assert!(stage.pipeline.view().snapshot_waits.is_some());
    while stage.delivered() < 1 {
        assert!(stage.answer(accept), "nothing wakes it");
    }
    assert_eq!(stage.orders.len(), 1, "it goes on with the first answer");
    assert!(stage.pipeline.view().snapshot_waits.is_none());
}

mod refused;
