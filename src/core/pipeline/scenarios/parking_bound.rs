//! Two routes share the bound of what may be parked, and one of them waits for a mapping.

use super::*;
use crate::core::change::Unmapped;
use crate::core::position::{Advance, Gtids};
use crate::core::source_row::Lack;
use crate::core::source_row::{Kept, SourceRow};

/// On disk, of each record.
const BYTES: u64 = 1_000;
/// In the window, of each row.
const CHARGE: u32 = 10;

struct Both {
    pipeline: Pipeline,
    rows: u64,
    released: u32,
    calls: Vec<Call>,
    commits: VecDeque<Commit>,
    delivered: Vec<String>,
    parked: Vec<u64>,
    checkpoint: u64,
}

fn file(offset: u64) -> FilePosition {
    FilePosition {
        file: "binlog.000001".into(),
        offset,
    }
}

impl Both {
    fn new(max_parked_bytes: u64, scopes: [u16; 2]) -> Self {
        let setup = |index: usize| RouteSetup {
            name: ROUTES[index].into(),
            table: TableName::clone(&table(ROUTES[index])),
            plan: Arc::new(simple_plan()),
            scope: scopes[index],
            updates: false,
            bulk: true,
            lack: None,
        };
        let mut settings = settings(1);
        settings.max_parked_bytes = max_parked_bytes;
        settings.window_bytes = 1 << 20;
        let end = file(4);
        let checkpoint = Checkpoint {
            server_uuid: String::new(),
            position: Position::File(end.clone()),
            end,
            inside: Default::default(),
        };
        let setups = vec![setup(0), setup(1)];
        Self {
            pipeline: Pipeline::new(settings, setups, &Recovered::default(), checkpoint),
            rows: 0,
            released: 0,
            calls: Vec::new(),
            commits: VecDeque::new(),
            delivered: Vec::new(),
            parked: Vec::new(),
            checkpoint: 0,
        }
    }

    fn step(&mut self, input: Input, tick: u64) {
        let now = Now {
            tick: Tick(tick),
            wall: Micros(0),
        };
        for effect in self.pipeline.step(input, now) {
            match effect {
                Effect::Send(call) => self.calls.push(call),
                Effect::Commit { commit, release } => {
                    self.released += release;
                    self.commits.push_back(commit);
                }
                Effect::Release(bytes) => self.released += bytes,
                Effect::Order(_) => {}
                Effect::ReadParked { .. } | Effect::Bulk(_) | Effect::ReadLetters(_) => {
                    panic!("what waits for a mapping stays on disk")
                }
            }
        }
    }

    /// A transaction of one row of the paused route and one of the other.
    fn capture(&mut self) {
        self.rows += 1;
        let transaction = Arc::new(Transaction {
            id: TransactionId::File(file(self.rows * 10)),
            committed_at: Micros(0),
        });
        let id = |route: u16| ChangeId {
            transaction: Arc::clone(&transaction),
            table: table(ROUTES[usize::from(route)]),
            row: 0,
            route: RouteId(route),
        };
        let key = i64::try_from(self.rows).unwrap();
        let values = [Value::Int(key), Value::Text("Doe".into())];
        let row = SourceRow {
            columns: ["id", "renamed"].map(Arc::from).into(),
            values: values.clone().map(Kept::Value).into(),
        };
        let lack = Lack::absent(&table(ROUTES[0]), "name", std::iter::empty());
        let items = vec![
            StreamItem::Unmapped(Unmapped {
                id: id(0),
                last_of_row: true,
                operation: Operation::Insert,
                row: Arc::new(row),
                lack: Arc::new(lack),
                captured_at: Micros(0),
            }),
            StreamItem::Row(Change {
                id: id(1),
                last_of_row: true,
                operation: Operation::Insert,
                values: values.map(Some).into(),
                captured_at: Micros(0),
            }),
            StreamItem::Advance(Advance {
                gtids: Gtids::None,
                end: file(self.rows * 10 + 9),
            }),
        ];
        let bytes = 2 * CHARGE;
        self.step(Input::Captured(Chunk { items, bytes }), 0);
    }

    /// Everything that can be done now: calls are answered well, commits become durable.
    fn run(&mut self) {
        for tick in 1..200 {
            self.step(Input::Timer, tick * 50);
            while let Some(call) = self.calls.pop() {
                let input = Input::Answered {
                    outcome: accept(&call),
                    call: call.id,
                    sent_at: Micros(0),
                    answered_at: Micros(0),
                    api_calls: 1,
                };
                self.step(input, tick * 50);
            }
            while let Some(commit) = self.commits.pop_front() {
                self.write(commit, tick * 50);
            }
        }
    }

    fn write(&mut self, commit: Commit, tick: u64) {
        let mut spans = Vec::new();
        for entry in &commit.entries {
            match entry {
                Entry::Parked {
                    subject, serial, ..
                } => {
                    self.parked.push(*serial);
                    spans.push(ParkedSpan {
                        route: ROUTES[usize::from(subject.id.route.0)].into(),
                        first: *serial,
                        count: 1,
                        bytes: BYTES,
                        place: (0, *serial),
                        oldest: Micros(0),
                    });
                }
                Entry::Delivered { subject, .. } => {
                    assert_eq!(subject.id.route, RouteId(1), "it has no mapping");
                    self.delivered.push(subject.image.key.to_string());
                }
                _ => {}
            }
        }
        if let Some(checkpoint) = &commit.checkpoint {
            self.checkpoint = checkpoint.end.offset;
        }
        self.step(Input::Durable { parked: spans }, tick);
    }
}

#[test]
fn a_paused_route_that_fills_the_disks_share_does_not_stop_the_other_and_loses_nothing() {
    const ROWS: u64 = 40;
    let mut both = Both::new(10 * BYTES, [0, 1]);
    for _ in 0..ROWS {
        both.capture();
        both.run();
    }
    // The bound holds: a span goes beyond it at most, and here each is one record.
    assert_eq!(both.parked, (0..10).collect::<Vec<u64>>());
    let view = both.pipeline.view();
    assert_eq!(view.parked_bytes, 10 * BYTES);
    let paused = &view.routes[0];
    assert!(paused.pause.is_some());
    assert_eq!((paused.totals.parked, paused.in_flight), (10, ROWS - 10));
    // The other route has its own way to Salesforce and went it to the end.
    let all: Vec<String> = (1..=ROWS).map(|key| key.to_string()).collect();
    assert_eq!(both.delivered, all);
    assert_eq!(
        (view.routes[1].in_flight, view.routes[1].totals.parked),
        (0, 0)
    );
    assert!(view.routes.iter().all(RouteView::balances));
    // What is in memory alone is read again after a restart, and fills the window until then.
    assert_eq!(both.checkpoint, 10 * 10 + 9);
    let held = CHARGE * u32::try_from(ROWS - 10).unwrap();
    let captured = 2 * CHARGE * u32::try_from(ROWS).unwrap();
    assert_eq!(captured - both.released, held);
}

#[test]
fn routes_of_one_scope_wait_together_in_order_when_the_bound_is_reached() {
    const ROWS: u64 = 12;
    let mut both = Both::new(10 * BYTES, [0, 0]);
    for _ in 0..ROWS {
        both.capture();
        both.run();
    }
    // What is newer than the paused route's oldest row may be of the same record.
    assert!(both.delivered.is_empty(), "{:?}", both.delivered);
    let view = both.pipeline.view();
    let parked: Vec<u64> = view
        .routes
        .iter()
        .map(|route| route.totals.parked)
        .collect();
    assert_eq!(parked, [5, 5], "by turns, as they came");
    assert!(view.routes.iter().all(RouteView::balances));
    assert_eq!(both.checkpoint, 5 * 10 + 9);
}
