//! Updates against a model world: rows that are whole or leave columns out, a Salesforce that
//! carries out what it did not answer at any time up to ten minutes later, a process that is killed
//! or stopped. When all is over, every record must be what its row is, field by field. Seeds are
//! printed; `LEADSTREAM_SEED` repeats one.

use super::super::answers::SALESFORCE_WORKS_AT_MOST_MS;
use super::*;
use crate::core::mapping::tests::plan_of_two;

const KEYS: u64 = 4;
const ROW_BYTES: u32 = 100;

/// A transaction of one row.
#[derive(Clone, Debug)]
struct Event {
    key: u64,
    operation: Operation,
    /// Of `name` and `company`; `None` = left out of the image.
    columns: [Option<String>; 2],
    committed_at: Micros,
}

#[derive(Default)]
struct World {
    tick: u64,
    history: Vec<Event>,
    /// What each row is now.
    rows: BTreeMap<u64, [String; 2]>,
    salesforce: BTreeMap<String, BTreeMap<String, String>>,
    /// What Salesforce will do yet, and when.
    late: Vec<(u64, Vec<Arc<Image>>)>,
    disk: Vec<Commit>,
    writing: VecDeque<Commit>,
    faults: bool,
}

/// One life of the process.
struct Life {
    pipeline: Pipeline,
    /// Index of the next event to be read.
    next: usize,
    flying: Vec<(Call, u64)>,
    reads: VecDeque<(ParkedSpan, BTreeSet<u64>)>,
    /// Bytes of the window in use.
    used: u32,
}

impl World {
    fn now(&self) -> Now {
        Now {
            tick: Tick(self.tick),
            wall: Micros(self.tick as i64 * 1_000),
        }
    }

    /// The source commits a transaction.
    fn write(&mut self, random: &mut Jitter) {
        let key = random.below(KEYS);
        let mut fresh = || format!("v{}", random.below(1 << 40));
        let new = [fresh(), fresh()];
        let (operation, columns) = match self.rows.get(&key) {
            None => (Operation::Insert, new.map(Some)),
            Some(_) if random.below(3) == 0 => (Operation::Update, new.map(Some)),
            Some(_) => {
                let mut columns = new.map(Some);
                columns[random.below(2) as usize] = None;
                (Operation::Update, columns)
            }
        };
        let row = self.rows.entry(key).or_default();
        for (value, column) in row.iter_mut().zip(&columns) {
            column.iter().for_each(|new| value.clone_from(new));
        }
        self.history.push(Event {
            key,
            operation,
            columns,
            committed_at: self.now().wall,
        });
    }

    fn apply(&mut self, images: &[Arc<Image>]) {
        for image in images {
            let fields: BTreeMap<String, String> = serde_json::from_str(&image.payload).unwrap();
            let record = self.salesforce.entry(image.key.to_string()).or_default();
            record.extend(fields);
        }
    }

    /// What Salesforce has been working on and is done with by now.
    fn land(&mut self) {
        let (due, later) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|(at, _)| *at <= self.tick);
        self.late = later;
        let mut due: Vec<(u64, Vec<Arc<Image>>)> = due;
        due.sort_by_key(|(at, _)| *at);
        for (_, images) in due {
            self.apply(&images);
        }
    }

    /// Nobody waits for this call any more: it is carried out at some time, or never.
    fn lose(&mut self, call: Call, sent: u64, random: &mut Jitter) {
        let at = match random.below(4) {
            0 => return,
            1 => self.tick,
            _ => sent + random.below(SALESFORCE_WORKS_AT_MOST_MS),
        };
        self.late.push((at.max(self.tick), call.records));
    }

    fn start(&self, seed: u64) -> Life {
        let state = recovered(&self.disk);
        let checkpoint = state.checkpoint.clone().unwrap_or(Checkpoint {
            server_uuid: UUID.into(),
            position: Position::Gtid(GtidSet::default()),
            end: place(0),
            inside: Default::default(),
        });
        let next = usize::try_from(checkpoint.end.offset).unwrap();
        let setup = RouteSetup {
            name: ROUTES[0].into(),
            table: TableName::clone(&table(ROUTES[0])),
            plan: Arc::new(plan_of_two()),
            scope: 0,
            updates: true,
            bulk: false,
            lack: None,
        };
        let settings = PipelineSettings {
            record_attempts: 1_000,
            max_parked_bytes: 1_000_000,
            ..settings(seed)
        };
        Life {
            pipeline: Pipeline::new(settings, vec![setup], &state, checkpoint),
            next,
            flying: Vec::new(),
            reads: VecDeque::new(),
            used: 0,
        }
    }

    fn read(&self, index: usize) -> Vec<StreamItem> {
        let event = &self.history[index];
        let number = index as u64 + 1;
        let [name, company] = event.columns.clone().map(|value| value.map(Value::Text));
        let change = Change {
            id: ChangeId {
                transaction: Arc::new(Transaction {
                    id: TransactionId::Gtid(gtid(number)),
                    committed_at: event.committed_at,
                }),
                table: table(ROUTES[0]),
                row: 0,
                route: RouteId(0),
            },
            last_of_row: true,
            operation: event.operation,
            values: [Some(Value::Int(event.key as i64)), name, company].into(),
            captured_at: self.now().wall,
        };
        let mut gtids = GtidSet::default();
        gtids.insert(&gtid(number));
        let advance = Advance {
            gtids: Gtids::MySql(gtids),
            end: place(number),
        };
        vec![StreamItem::Row(change), StreamItem::Advance(advance)]
    }

    fn parked(&self, span: &ParkedSpan, settled: &BTreeSet<u64>) -> Vec<ParkedRecord> {
        let wanted = span.first..span.first + u64::from(span.count);
        let entries = self.disk.iter().flat_map(|commit| &commit.entries);
        let record = |entry: &Entry| match entry {
            Entry::Parked {
                subject,
                serial,
                unknown,
            } if wanted.contains(serial) && !settled.contains(serial) => Some(ParkedRecord {
                serial: *serial,
                subject: subject.clone(),
                unknown: *unknown,
            }),
            _ => None,
        };
        entries.filter_map(record).collect()
    }

    fn step(&mut self, life: &mut Life, input: Input) {
        for effect in life.pipeline.step(input, self.now()) {
            match effect {
                Effect::Send(call) => {
                    for image in &call.records {
                        let same = |(other, _): &(Call, u64)| {
                            other.records.iter().any(|known| known.key == image.key)
                        };
                        assert!(!life.flying.iter().any(same), "{} twice", image.key);
                    }
                    life.flying.push((call, self.tick));
                }
                Effect::Commit { commit, release } => {
                    // Given back when it is durable; sooner only lets more be read.
                    life.used -= release;
                    self.writing.push_back(commit);
                }
                Effect::Release(bytes) => life.used -= bytes,
                Effect::ReadParked { span, settled } => life.reads.push_back((span, settled)),
                Effect::Order(_) => {}
                Effect::ReadLetters(_) => unreachable!("nothing is replayed here"),
                Effect::Bulk(_) => unreachable!("not where updates are carried"),
            }
        }
        for route in &life.pipeline.view().routes {
            assert!(route.balances(), "books: {route:?}");
        }
    }

    fn answer(&mut self, life: &mut Life, random: &mut Jitter) -> Input {
        let pick = random.below(life.flying.len() as u64) as usize;
        let (call, sent) = life.flying.swap_remove(pick);
        let id = call.id;
        let fate = if self.faults { random.below(10) } else { 9 };
        let outcome = match fate {
            0 | 1 => {
                self.lose(call, sent, random);
                CallOutcome::Failed(failure(true))
            }
            2 => CallOutcome::Failed(failure(false)),
            _ => {
                let refuses = fate == 3;
                let results = call.records.iter().map(|image| {
                    if refuses && random.below(2) == 0 {
                        return RecordResult::Rejected(rejection());
                    }
                    self.apply(std::slice::from_ref(image));
                    RecordResult::Delivered {
                        id: format!("00Q{:0>15}", image.key),
                        created: false,
                    }
                });
                CallOutcome::Answered(results.collect())
            }
        };
        let wall = self.now().wall;
        Input::Answered {
            call: id,
            outcome,
            sent_at: wall,
            answered_at: wall,
            api_calls: 1,
        }
    }

    /// Runs one life; returns whether it came to rest.
    fn live(&mut self, steps: u64, writes: bool, random: &mut Jitter) -> bool {
        let mut life = self.start(random.below(u64::MAX));
        let window = settings(0).window_bytes;
        let (event, detail) = (ServiceEvent::Started, String::new());
        self.step(&mut life, Input::Note { event, detail });
        for _ in 0..steps {
            self.tick += random.below(15);
            if self.faults && random.below(100) == 0 {
                self.tick += random.below(300_000);
            }
            self.land();
            if writes && random.below(8) == 0 {
                self.write(random);
            }
            let has_room = life.used + ROW_BYTES <= window;
            let input = match random.below(6) {
                0 | 1 if has_room && life.next < self.history.len() => {
                    let items = self.read(life.next);
                    life.next += 1;
                    life.used += ROW_BYTES;
                    let bytes = ROW_BYTES;
                    Input::Captured(Chunk { items, bytes })
                }
                2 | 3 if !life.flying.is_empty() => self.answer(&mut life, random),
                4 if !self.writing.is_empty() => {
                    let commit = self.writing.pop_front().unwrap();
                    let parked = spans_of(&commit);
                    self.disk.push(commit);
                    Input::Durable { parked }
                }
                5 if !life.reads.is_empty() => {
                    let (span, settled) = life.reads.pop_front().unwrap();
                    let records = self.parked(&span, &settled);
                    Input::ParkedRead { span, records }
                }
                _ => {
                    let wake = life.pipeline.next_wake(Tick(self.tick));
                    let wake = wake.filter(|_| life.flying.is_empty() && !self.faults);
                    self.tick = self.tick.max(wake.map_or(0, |wake| wake.0));
                    Input::Timer
                }
            };
            self.step(&mut life, input);
            let settled = life.pipeline.view().routes.iter().all(|route| {
                route.in_flight == 0 && route.totals.parked == 0 && life.flying.is_empty()
            });
            if !self.faults && settled && life.next == self.history.len() && self.writing.is_empty()
            {
                return true;
            }
        }
        if random.below(3) == 0 {
            self.stop(&mut life);
        }
        for (call, sent) in life.flying {
            self.lose(call, sent, random);
        }
        self.writing.clear();
        false
    }

    /// In order, with calls in flight given up.
    fn stop(&mut self, life: &mut Life) {
        self.step(life, Input::Stop);
        self.step(life, Input::GraceOver);
        let (event, detail) = (ServiceEvent::Stopped, String::new());
        self.step(life, Input::Note { event, detail });
        self.disk.extend(self.writing.drain(..));
    }
}

fn place(offset: u64) -> FilePosition {
    FilePosition {
        file: "binlog.000001".into(),
        offset,
    }
}

fn failure(unknown: bool) -> RequestFailure {
    RequestFailure {
        class: ErrorClass::Network,
        page: "LS2010",
        code: "TEST".into(),
        text: "cut".into(),
        disposition: Disposition::Backoff,
        unknown,
        retry_after_ms: None,
    }
}

fn rejection() -> Rejection {
    Rejection {
        class: ErrorClass::Contention,
        code: "TEST".into(),
        disposition: Disposition::Backoff,
        errors: vec![RecordError {
            code: "TEST".into(),
            message: String::new(),
            fields: vec![],
        }],
    }
}

fn storm(seed: u64) {
    let mut random = Jitter::new(seed);
    let mut world = World {
        faults: true,
        ..World::default()
    };
    for _ in 0..random.below(5) + 1 {
        let steps = random.below(200);
        world.live(steps, true, &mut random);
    }
    world.faults = false;
    assert!(world.live(20_000, false, &mut random), "it did not rest");
    world.tick += SALESFORCE_WORKS_AT_MOST_MS;
    world.land();

    let mut finals: BTreeMap<TransactionId, u32> = BTreeMap::new();
    for entry in world.disk.iter().flat_map(|commit| &commit.entries) {
        match entry {
            Entry::Delivered { subject, .. } | Entry::Superseded { subject, .. } => {
                let id = subject.id.transaction.id.clone();
                *finals.entry(id).or_default() += 1;
            }
            Entry::DeadLettered { errors, .. } => panic!("a dead letter: {errors:?}"),
            _ => {}
        }
    }
    assert_eq!(finals.len(), world.history.len(), "each has an outcome");
    assert!(finals.values().all(|count| *count == 1), "{finals:?}");
    for (key, [name, company]) in &world.rows {
        let record = &world.salesforce[&key.to_string()];
        let held = [record.get("LastName"), record.get("Company")];
        assert_eq!(held, [Some(name), Some(company)], "key {key}");
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test's own switches")]
fn every_record_ends_as_its_row_is_field_by_field() {
    if let Ok(seed) = std::env::var("LEADSTREAM_SEED") {
        return storm(seed.parse().unwrap());
    }
    let count = if std::env::var_os("LEADSTREAM_SOAK").is_some() {
        50_000
    } else {
        500
    };
    for seed in 1..=count {
        let outcome = std::panic::catch_unwind(|| storm(seed));
        assert!(outcome.is_ok(), "failed with LEADSTREAM_SEED={seed}");
    }
}
