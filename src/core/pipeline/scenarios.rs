//! Single stories that the random model tells too rarely: one input after the other, by hand.

use std::sync::Arc;

use super::tests::{ROUTES, settings, table};
use super::*;
use crate::core::change::{Change, ChangeId, Operation, StreamItem, Transaction};
use crate::core::mapping::tests::simple_plan;
use crate::core::outcome::{CallOutcome, RequestFailure};
use crate::core::outcome::{Disposition, ErrorClass, RecordError, RecordResult, Rejection};
use crate::core::position::{FilePosition, GtidSet, Position, TransactionId};
use crate::core::value::Value;

struct Stage {
    pipeline: Pipeline,
    tick: u64,
    rows: u64,
    calls: Vec<Call>,
    entries: Vec<Entry>,
    orders: Vec<SnapshotOrder>,
}

impl Stage {
    fn new() -> Self {
        let end = FilePosition {
            file: "binlog.000001".into(),
            offset: 4,
        };
        let checkpoint = Checkpoint {
            server_uuid: String::new(),
            position: Position::Gtid(GtidSet::default()),
            end,
            inside: None,
        };
        let setup = RouteSetup {
            name: ROUTES[0].into(),
            table: TableName::clone(&table(ROUTES[0])),
            plan: Arc::new(simple_plan()),
            scope: 0,
        };
        let mut settings = settings(1);
        settings.max_in_flight = 1;
        settings.window_bytes = 1 << 20;
        Self {
            pipeline: Pipeline::new(settings, vec![setup], &Recovered::default(), checkpoint),
            tick: 0,
            rows: 0,
            calls: Vec::new(),
            entries: Vec::new(),
            orders: Vec::new(),
        }
    }

    fn step(&mut self, input: Input) {
        let now = Now {
            tick: Tick(self.tick),
            wall: Micros(0),
        };
        for effect in self.pipeline.step(input, now) {
            match effect {
                Effect::Send(call) => self.calls.push(call),
                Effect::Commit { commit, .. } => self.entries.extend(commit.entries),
                Effect::Release(_) => {}
                Effect::Order(order) => self.orders.push(order),
                Effect::ReadParked { .. } => panic!("nothing is parked in these stories"),
            }
        }
    }

    /// Rows with keys from the given one on.
    fn capture(&mut self, keys: std::ops::Range<i64>) {
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
                            committed_at: Micros(0),
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
            })
            .collect();
        self.step(Input::Captured(Chunk { items, bytes: 0 }));
    }

    /// Lets time pass until a call goes out, and answers it.
    fn answer(&mut self, fate: impl Fn(&Call) -> CallOutcome) -> bool {
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

fn accept(call: &Call) -> CallOutcome {
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
