//! What Salesforce's descriptions do to routes: in the random model, and in stories.

use super::*;
use crate::core::mapping::tests::{plan_that_trims, plan_with_keys_by_case};

pub(super) fn misfit(text: &str) -> Misfit {
    Misfit {
        page: "LS5008",
        lack: Lack {
            column: "route[0].fields.LastName".to_owned(),
            text: text.to_owned(),
            remedy: String::new(),
        },
    }
}

/// A field goes away, or comes back.
pub(super) fn describe(world: &mut World, pipeline: &Pipeline) -> Input {
    let route = RouteId(world.random.below(2) as u16);
    let fits = !world.faults || world.random.below(2) == 0;
    let plan = Arc::clone(&pipeline.routes[usize::from(route.0)].plan);
    let mapping = if fits { Ok(plan) } else { Err(misfit("gone")) };
    Input::Refit { route, mapping }
}

/// A pipeline with a disk, whose steps are taken one by one.
struct Stage {
    pipeline: Pipeline,
    rows: u64,
    entries: Vec<Entry>,
    calls: Vec<Call>,
}

impl Stage {
    fn new() -> Self {
        let end = FilePosition {
            file: "binlog.000001".into(),
            offset: 4,
        };
        let checkpoint = Checkpoint {
            server_uuid: UUID.into(),
            position: Position::Gtid(GtidSet::default()),
            end,
            inside: Default::default(),
        };
        let setup = RouteSetup {
            name: ROUTES[0].into(),
            plan: Arc::new(simple_plan()),
            table: TableName::clone(&table(ROUTES[0])),
            scope: 0,
            updates: false,
            bulk: true,
            lack: None,
        };
        let mut settings = settings(1);
        settings.batch.max_age_ms = 0;
        Self {
            pipeline: Pipeline::new(settings, vec![setup], &Recovered::default(), checkpoint),
            rows: 0,
            entries: Vec::new(),
            calls: Vec::new(),
        }
    }

    /// Takes a step, makes durable what it says, and reads back what it asks for.
    fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = Now {
                tick: Tick(10_000),
                wall: Micros(0),
            };
            for effect in self.pipeline.step(input, now) {
                match effect {
                    Effect::ReadLetters(_) => unreachable!("nothing is replayed here"),
                    Effect::Send(call) => self.calls.push(call),
                    Effect::Commit { commit, .. } => {
                        let parked = spans_of(&commit);
                        self.entries.extend(commit.entries);
                        inputs.push_back(Input::Durable { parked });
                    }
                    Effect::ReadParked { span, settled } => {
                        let disk = self.entries.iter().filter_map(|entry| match entry {
                            Entry::Parked {
                                subject,
                                serial,
                                unknown,
                            } => Some(ParkedRecord {
                                serial: *serial,
                                subject: subject.clone(),
                                unknown: *unknown,
                            }),
                            _ => None,
                        });
                        let wanted = span.first..span.first + u64::from(span.count);
                        let records = disk
                            .filter(|it| wanted.contains(&it.serial))
                            .filter(|it| !settled.contains(&it.serial))
                            .collect();
                        inputs.push_back(Input::ParkedRead { span, records });
                    }
                    Effect::Release(_) | Effect::Order(_) | Effect::Bulk(_) => {}
                }
            }
        }
        assert!(self.pipeline.view().routes[0].balances());
    }

    fn capture(&mut self, name: &str) {
        self.rows += 1;
        let id = ChangeId {
            transaction: Arc::new(Transaction {
                id: TransactionId::Gtid(gtid(self.rows)),
                committed_at: Micros(0),
            }),
            table: table(ROUTES[0]),
            row: 0,
            route: RouteId(0),
        };
        let change = Change {
            id,
            last_of_row: true,
            operation: Operation::Insert,
            values: row_values(self.rows as i64, Some(&name.to_owned())),
            captured_at: Micros(0),
        };
        let items = vec![StreamItem::Row(change)];
        self.step(Input::Captured(Chunk { items, bytes: 100 }));
        self.step(Input::Timer);
    }

    fn refit(&mut self, mapping: Result<Plan, Misfit>) {
        let mapping = mapping.map(Arc::new);
        let route = RouteId(0);
        self.step(Input::Refit { route, mapping });
    }

    /// Answers what is in flight; the payloads that were taken.
    fn accept_all(&mut self) -> Vec<String> {
        let mut taken = Vec::new();
        while !self.calls.is_empty() {
            let call = self.calls.remove(0);
            taken.extend(call.records.iter().map(|image| image.payload.to_string()));
            let delivered = |image: &Arc<Image>| RecordResult::Delivered {
                id: format!("00Q{:0>15}", image.key),
                created: true,
            };
            let results = call.records.iter().map(delivered).collect();
            self.step(Input::Answered {
                call: call.id,
                outcome: CallOutcome::Answered(results),
                sent_at: Micros(0),
                answered_at: Micros(0),
                api_calls: 1,
            });
            self.step(Input::Timer);
        }
        taken
    }

    fn pause(&self) -> Option<RoutePause> {
        self.pipeline.view().routes.remove(0).pause
    }

    fn events(&self) -> Vec<ServiceEvent> {
        let event = |entry: &Entry| match entry {
            Entry::Service { event, .. } => Some(*event),
            _ => None,
        };
        self.entries.iter().filter_map(event).collect()
    }
}

fn payload(name: &str) -> String {
    format!("{{\"LastName\":\"{name}\"}}")
}

#[test]
fn rows_of_a_mapping_that_does_not_fit_are_kept_whole_and_mapped_when_it_fits_again() {
    let mut stage = Stage::new();
    stage.capture(" one ");
    assert_eq!(stage.calls.len(), 1, "under way before anything changes");
    stage.refit(Err(misfit("LastName is gone")));
    // Behind the call it cannot be parked yet: its key is not known.
    stage.capture(" two ");
    assert_eq!(stage.pipeline.view().routes[0].totals.parked, 0);
    assert_eq!(stage.accept_all(), [payload("one")]);
    stage.capture(" three ");
    let pause = stage.pause().unwrap();
    assert_eq!((pause.page, pause.holds_back), ("LS5008", true));
    assert_eq!(pause.text, "LastName is gone");
    assert_eq!(stage.pipeline.view().routes[0].totals.parked, 2);
    assert!(stage.calls.is_empty());

    // Said once, however often it is found.
    stage.refit(Err(misfit("LastName is gone")));
    stage.refit(Ok(plan_that_trims(false)));
    assert!(stage.pause().is_none());
    assert_eq!(stage.accept_all(), [payload(" two "), payload(" three ")]);
    let expected = [ServiceEvent::RoutePaused, ServiceEvent::RouteResumed];
    assert_eq!(stage.events(), expected);
    let view = stage.pipeline.view();
    assert_eq!((view.routes[0].totals.created, view.parked_bytes), (3, 0));
    assert!(view.routes[0].totals.dead_lettered.is_empty());
}

#[test]
fn a_row_that_never_came_to_the_disk_is_mapped_by_the_new_plan() {
    let mut stage = Stage::new();
    stage.capture(" one ");
    stage.refit(Err(misfit("LastName is gone")));
    stage.capture(" two ");
    stage.refit(Ok(plan_that_trims(false)));
    assert_eq!(stage.accept_all(), [payload("one"), payload(" two ")]);
    assert_eq!(stage.pipeline.view().routes[0].totals.created, 2);
}

#[test]
fn a_plan_that_changes_maps_what_comes_and_leaves_what_is_mapped() {
    let mut stage = Stage::new();
    stage.pipeline.allowed_in_flight = 0;
    stage.capture(" one ");
    stage.refit(Ok(plan_that_trims(false)));
    stage.capture(" two ");
    stage.pipeline.allowed_in_flight = 3;
    stage.step(Input::Timer);
    assert_eq!(stage.accept_all(), [payload("one"), payload(" two ")]);
    assert!(stage.events().is_empty());
}

#[test]
fn keys_that_compare_otherwise_wait_for_a_restart() {
    let mut stage = Stage::new();
    stage.refit(Ok(plan_with_keys_by_case(true)));
    assert_eq!(stage.pause().unwrap().page, "LS5009");
    stage.capture("one");
    assert!(stage.calls.is_empty());
    stage.refit(Ok(plan_with_keys_by_case(false)));
    assert!(stage.pause().is_none(), "it was set back");
    assert_eq!(stage.accept_all(), [payload("one")]);
}
