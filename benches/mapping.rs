//! What mapping costs: one row of the demo's table to the record that is sent, by the shipped
//! mapping of 14 fields.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench may fail by panicking"
)]

mod lead;

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn mapping(criterion: &mut Criterion) {
    let plan = lead::plan();
    let row = lead::Rows::new(&plan).row(4_711);
    let mut group = criterion.benchmark_group("mapping");
    group
        .sample_size(30)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .throughput(Throughput::Elements(1));
    group.bench_function("one lead", |bencher| {
        bencher.iter(|| plan.map(black_box(&row)).unwrap());
    });
    group.finish();
}

criterion_group!(benches, mapping);
criterion_main!(benches);
