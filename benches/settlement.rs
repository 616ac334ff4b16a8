//! What the core's books cost: a row's way through the ledger alone, and a chunk's way through the
//! whole pipeline (captured, mapped, sent, answered, committed, durable) without any IO.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench may fail by panicking"
)]

mod lead;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use lead::{NOON, Rows, UUID};
use leadstream::core::batching::BatchLimits;
use leadstream::core::bulk::BulkSettings;
use leadstream::core::change::{Chunk, StreamItem};
use leadstream::core::outcome::{CallOutcome, RecordResult};
use leadstream::core::pipeline::{Effect, Input, Pipeline, PipelineSettings, RouteSetup};
use leadstream::core::position::{Advance, Checkpoint, GtidSet, Gtids, Position};
use leadstream::core::retry::Backoff;
use leadstream::core::settlement::Ledger;
use leadstream::core::time::{Now, Tick};

/// Rows of a chunk, and records of a call.
const ROWS: u64 = 200;

fn settlement(criterion: &mut Criterion) {
    let plan = lead::plan();
    let rows = Rows::new(&plan);
    let mut group = criterion.benchmark_group("settlement");
    group
        .sample_size(30)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(4))
        .throughput(Throughput::Elements(ROWS));

    let mut ledger = Ledger::new(start());
    let mut next = 1;
    group.bench_function("ledger", |bencher| {
        let prepare = || {
            let first = next;
            next += ROWS;
            let ids = (first..next).map(|number| (rows.row(number).id, advance(number)));
            ids.collect::<Vec<_>>()
        };
        bencher.iter_batched(
            prepare,
            |rows| {
                let open = rows.into_iter().map(|(id, advance)| {
                    let slot = ledger.open(&id, 1, true);
                    ledger.advance(advance);
                    slot
                });
                let slots: Vec<_> = open.collect();
                for slot in slots {
                    ledger.settle(slot);
                }
                ledger.take_checkpoint()
            },
            BatchSize::LargeInput,
        );
    });

    let setup = RouteSetup {
        name: "leads".to_owned(),
        table: leadstream::core::schema::TableName {
            schema: "shop".into(),
            table: "leads".into(),
        },
        plan: Arc::new(plan.clone()),
        scope: 0,
        updates: false,
        bulk: true,
        lack: None,
    };
    let mut pipeline = Pipeline::new(settings(), vec![setup], &Default::default(), start());
    let mut next = 1;
    group.bench_function("pipeline", |bencher| {
        let prepare = || {
            let first = next;
            next += ROWS;
            chunk(&rows, first..next)
        };
        bencher.iter_batched(
            prepare,
            |chunk| drive(&mut pipeline, chunk),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

/// One chunk from capture to durable; the call and the commit succeed.
fn drive(pipeline: &mut Pipeline, chunk: Chunk) -> Vec<Effect> {
    let now = Now {
        tick: Tick(1),
        wall: NOON,
    };
    let effects = pipeline.step(Input::Captured(chunk), now);
    let sent = effects.into_iter().find_map(|effect| match effect {
        Effect::Send(call) => Some(call),
        _ => None,
    });
    let call = sent.expect("a full batch is sent at once");
    let delivered = RecordResult::Delivered {
        id: "00Q5g00000AbCdEEAV".to_owned(),
        created: true,
    };
    let answer = Input::Answered {
        call: call.id,
        outcome: CallOutcome::Answered(vec![delivered; call.records.len()]),
        sent_at: NOON,
        answered_at: NOON,
        api_calls: 1,
    };
    let effects = pipeline.step(answer, now);
    assert!(matches!(
        effects.as_slice(),
        [Effect::Commit { commit, .. }] if commit.entries.len() as u64 == ROWS
    ));
    pipeline.step(Input::Durable { parked: Vec::new() }, now);
    effects
}

/// Rows that were committed one by one.
fn chunk(rows: &Rows, numbers: Range<u64>) -> Chunk {
    let items = numbers.flat_map(|number| {
        [
            StreamItem::Row(rows.row(number)),
            StreamItem::Advance(advance(number)),
        ]
    });
    Chunk {
        items: items.collect(),
        bytes: 64 * 1024,
    }
}

fn advance(number: u64) -> Advance {
    Advance {
        gtids: Gtids::MySql(format!("{UUID}:{number}").parse().unwrap()),
        end: format!("binlog.000001:{}", number * 600).parse().unwrap(),
    }
}

fn start() -> Checkpoint {
    Checkpoint {
        server_uuid: UUID.to_owned(),
        position: Position::Gtid(GtidSet::default()),
        end: "binlog.000001:4".parse().unwrap(),
        inside: Default::default(),
    }
}

fn settings() -> PipelineSettings {
    PipelineSettings {
        batch: BatchLimits {
            max_records: 200,
            max_bytes: 1 << 20,
            max_age_ms: 1_000,
        },
        backoff: Backoff {
            base_ms: 500,
            cap_ms: 60_000,
        },
        record_attempts: 5,
        max_in_flight: 4,
        park_after_ms: 10_000,
        max_parked_bytes: 1 << 30,
        window_bytes: 4 << 20,
        bulk: BulkSettings::new(None),
        jitter_seed: 1,
    }
}

criterion_group!(benches, settlement);
criterion_main!(benches);
