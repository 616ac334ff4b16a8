//! What a backlog costs by Bulk, and what happens to it when jobs do not work out.

use super::*;
use crate::core::bulk::{
    BulkAnswer, BulkJob, BulkNews, BulkOrder, BulkSettings, BulkStep, JobFault, JobProgress,
};
use crate::core::entry::{Image, ParkedRecord, Subject};
use crate::core::pacing::{PaceSettings, Pacing, QuietHours};

/// Records of a span, as they are parked at once.
const SPAN: u64 = 1_000;
/// How long Salesforce works on a job.
const WORK_MS: u64 = 600_000;

/// A start that finds so many parked spans.
struct Backlog {
    pipeline: Pipeline,
    tick: u64,
    orders: VecDeque<BulkOrder>,
    reads: usize,
    calls: u64,
    calls_at: Vec<(u64, u32)>,
    closed_at: u64,
    delivered: u64,
    jobs: Vec<BulkJob>,
    /// Every job fails when it is created.
    refused: bool,
}

fn record(serial: u64) -> ParkedRecord {
    let row = FilePosition {
        file: "binlog.000001".into(),
        offset: serial,
    };
    ParkedRecord {
        serial,
        subject: Subject {
            id: ChangeId {
                transaction: Arc::new(Transaction {
                    id: TransactionId::File(row),
                    committed_at: Micros(0),
                }),
                table: table(ROUTES[0]),
                row: 0,
                route: RouteId(0),
            },
            operation: Operation::Insert,
            image: Arc::new(Image {
                key: serial.to_string().into(),
                payload: "{\"LastName\":\"Doe\"}".into(),
                email: None,
                row: None,
            }),
            captured_at: Micros(0),
            parked: None,
            letter: None,
        },
        unknown: false,
    }
}

impl Backlog {
    fn new(spans: u64) -> Self {
        let parked = (0..spans).map(|span| ParkedSpan {
            route: ROUTES[0].into(),
            first: span * SPAN,
            count: SPAN as u32,
            bytes: SPAN * 400,
            place: (1, span),
            oldest: Micros(0),
        });
        let totals = Totals {
            parked: spans * SPAN,
            ..Totals::default()
        };
        let recovered = Recovered {
            parked: parked.collect(),
            next_parked: spans * SPAN,
            next_batch: 1,
            totals: [(ROUTES[0].to_owned(), totals)].into(),
            ..Recovered::default()
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
        let checkpoint = Checkpoint {
            server_uuid: String::new(),
            position: Position::Gtid(GtidSet::default()),
            end: FilePosition {
                file: "binlog.000001".into(),
                offset: 4,
            },
            inside: Default::default(),
        };
        let mut settings = settings(1);
        settings.bulk = BulkSettings::new(Some(10_000));
        settings.max_parked_bytes = u64::MAX;
        Self {
            pipeline: Pipeline::new(settings, vec![setup], &recovered, checkpoint),
            tick: 0,
            orders: VecDeque::new(),
            reads: 0,
            calls: 0,
            calls_at: Vec::new(),
            closed_at: 0,
            delivered: 0,
            jobs: Vec::new(),
            refused: false,
        }
    }

    fn with_budget(mut self, daily_calls: u64) -> Self {
        let settings = PaceSettings {
            daily_calls: Some(daily_calls),
            reserve_percent: 0,
            hourly_calls: None,
            quiet: QuietHours::default(),
            max_age_ms: 1_000,
            max_age_stretched_ms: 60_000,
            max_records: 200,
        };
        let pacing = Pacing::new(settings, 1, &[], Now::default());
        self.pipeline.settings.batch.max_records = 200;
        self.pipeline = self.pipeline.with_pacing(pacing);
        self
    }

    fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = Now {
                tick: Tick(self.tick),
                wall: Micros(self.tick as i64 * 1_000),
            };
            for effect in self.pipeline.step(input, now) {
                match effect {
                    Effect::Commit { commit, .. } => {
                        let delivered = |it: &&Entry| matches!(it, Entry::Delivered { .. });
                        self.delivered += commit.entries.iter().filter(delivered).count() as u64;
                        self.jobs.extend(commit.jobs);
                        inputs.push_back(Input::Durable { parked: Vec::new() });
                    }
                    Effect::Bulk(order) => self.orders.push_back(order),
                    Effect::ReadParked { .. } => self.reads += 1,
                    Effect::Send(_)
                    | Effect::Release(_)
                    | Effect::Order(_)
                    | Effect::ReadLetters(_) => {}
                }
            }
        }
    }

    /// Carries orders out, and lets time pass between them, until nothing is left to do.
    fn run(&mut self) {
        self.step(Input::Timer);
        loop {
            let Some(BulkOrder { route, job, step }) = self.orders.pop_front() else {
                let Some(wake) = self.pipeline.next_wake(Tick(self.tick)) else {
                    return;
                };
                self.tick = self.tick.max(wake.0);
                self.step(Input::Timer);
                continue;
            };
            let is_call = !matches!(
                step,
                BulkStep::Scan(_) | BulkStep::Spool { .. } | BulkStep::Settle(_)
            );
            let Some(news) = self.answer(step) else {
                continue;
            };
            let api_calls = u32::from(is_call) + u32::from(matches!(news, BulkNews::Collected(_)));
            self.calls += u64::from(api_calls);
            self.calls_at.push((self.tick, api_calls));
            let (sent_at, answered_at) = (Micros(0), Micros(0));
            self.step(Input::Bulk(BulkAnswer {
                route,
                job,
                news,
                sent_at,
                answered_at,
                api_calls,
            }));
            if self.refused && is_call {
                return;
            }
        }
    }

    fn answer(&mut self, step: BulkStep) -> Option<BulkNews> {
        Some(match step {
            BulkStep::Forget => return None,
            BulkStep::Scan(spans) => {
                let serials = spans.iter().map(|it| it.span.first);
                let keys = serials.flat_map(|first| first..first + SPAN);
                BulkNews::Scanned(Some(keys.collect()))
            }
            BulkStep::Spool { spans, .. } => BulkNews::Spooled {
                records: spans.len() as u64 * SPAN,
                left_out: BTreeSet::new(),
            },
            BulkStep::Create if self.refused => BulkNews::Failed {
                kind: JobFault::Request,
                failure: failure(ErrorClass::Configuration, false),
            },
            BulkStep::Create => BulkNews::Created("750000000000001AAA".into()),
            BulkStep::Close(_) => {
                self.closed_at = self.tick;
                BulkNews::Done
            }
            BulkStep::Upload(_) | BulkStep::Abort(_) => BulkNews::Done,
            BulkStep::Poll(_) => BulkNews::State {
                progress: if self.tick - self.closed_at >= WORK_MS {
                    JobProgress::Ended
                } else {
                    JobProgress::Working
                },
                processed: 0,
                failure: None,
            },
            BulkStep::Collect { sent, .. } => BulkNews::Collected(sent.unwrap()),
            BulkStep::Settle(span) => {
                let serials = span.span.first..span.span.first + SPAN;
                let joined = serials.map(|serial| {
                    let id = format!("00Q{serial:015}");
                    let created = true;
                    (
                        record(serial),
                        Some(RecordResult::Delivered { id, created }),
                    )
                });
                BulkNews::Piece(joined.collect())
            }
        })
    }
}

fn failure(class: ErrorClass, unknown: bool) -> RequestFailure {
    RequestFailure {
        class,
        page: "LS2085",
        code: "TEST".into(),
        text: "refused".into(),
        disposition: Disposition::Pause,
        unknown,
        retry_after_ms: None,
    }
}

#[test]
fn a_backlog_of_a_million_costs_few_calls_and_is_never_read_for_calls() {
    let spans = 1_000;
    let mut backlog = Backlog::new(spans);
    backlog.run();
    assert_eq!(backlog.delivered, spans * SPAN);
    assert_eq!(backlog.reads, 0, "spans were read for calls");
    assert!(backlog.calls <= 400, "{} calls", backlog.calls);
    let ended = backlog.jobs.iter().filter(|job| job.ended).count();
    assert_eq!(backlog.jobs.len(), 2 * ended, "{:?}", backlog.jobs);
    let view = backlog.pipeline.view();
    assert!(
        view.routes[0].balances() && view.parked_bytes == 0,
        "{view:?}"
    );
}

#[test]
fn when_jobs_are_refused_calls_take_their_place_for_a_while() {
    let mut backlog = Backlog::new(20);
    backlog.refused = true;
    backlog.run();
    let view = backlog.pipeline.view();
    let bulk = view.routes[0].bulk.as_ref().unwrap();
    assert_eq!(bulk.suspended.as_ref().unwrap().page, "LS2085");
    assert!(bulk.job.is_none() && backlog.jobs.is_empty(), "{bulk:?}");
    assert_eq!(backlog.reads, 1, "the first span is read for calls");
    assert_eq!(view.routes[0].totals.parked, 20 * SPAN);
}

#[test]
fn a_job_takes_what_calls_would_take_most_of_the_budget_for() {
    let spans = 6;
    let mut dear = Backlog::new(spans).with_budget(50);
    dear.run();
    assert_eq!(dear.delivered, spans * SPAN, "30 calls of 50 are too many");
    assert!(dear.calls < 25 && dear.reads == 0, "{} calls", dear.calls);
    let mut cheap = Backlog::new(spans).with_budget(1_000);
    cheap.step(Input::Timer);
    assert_eq!(
        (cheap.reads, cheap.orders.len()),
        (1, 0),
        "few calls of many"
    );
}

#[test]
fn a_job_keeps_to_the_budget_and_goes_on_when_calls_come_back() {
    const DAY_MS: u64 = 86_400_000;
    let spans = 6;
    let mut backlog = Backlog::new(spans).with_budget(8);
    backlog.run();
    assert_eq!(backlog.delivered, spans * SPAN);
    for (at, _) in &backlog.calls_at {
        let day = backlog
            .calls_at
            .iter()
            .filter(|(other, _)| (*at..at + DAY_MS).contains(other));
        let calls: u32 = day.map(|(_, calls)| calls).sum();
        assert!(calls <= 8, "{calls} calls in the day from {at} on");
    }
    assert!(backlog.tick > DAY_MS, "it had to wait");
}
