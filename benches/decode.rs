//! Rows per second from binlog bytes to core values: CRC, table map, mysql_cdc, values.
//!
//! The fixture holds 400 leads of a realistic table in one transaction, as MySQL 9.7 wrote them.

#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use leadstream::capture::{RoutedTable, TableRoute, replay};
use leadstream::core::change::{RouteId, StreamItem};
use leadstream::core::position::{Checkpoint, FilePosition, Position};
use leadstream::core::schema::TableName;
use leadstream::core::time::Micros;

const BINLOG: &[u8] = include_bytes!("../tests/fixtures/leads.binlog");
const ROWS: u64 = 400;

fn table(columns: &[&str]) -> RoutedTable {
    let route = TableRoute {
        name: "leads".to_owned(),
        route: RouteId(0),
        insert: true,
        update: false,
        delete: false,
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
    };
    let name = TableName {
        schema: "shop".to_owned(),
        table: "leads".to_owned(),
    };
    RoutedTable {
        name,
        routes: vec![route],
    }
}

fn checkpoint() -> Checkpoint {
    let end = FilePosition {
        file: "binlog.000001".into(),
        offset: 4,
    };
    let position = Position::Gtid(Default::default());
    Checkpoint {
        server_uuid: String::new(),
        position,
        end,
        inside: Default::default(),
    }
}

fn clock() -> Micros {
    Micros(0)
}

fn decode(criterion: &mut Criterion) {
    let all = [table(&[
        "id",
        "first_name",
        "last_name",
        "company",
        "email",
        "phone",
        "country",
        "source",
        "score",
        "created_at",
    ])];
    let some = [table(&["id", "last_name", "company", "email"])];
    let mut group = criterion.benchmark_group("decode");
    group
        .sample_size(30)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .throughput(Throughput::Elements(ROWS));
    for (name, tables) in [("ten_of_ten_columns", &all), ("four_of_ten_columns", &some)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut rows = 0;
                replay(BINLOG, tables, checkpoint(), clock, |items, _| {
                    let is_row = |item: &&StreamItem| matches!(item, StreamItem::Row(_));
                    rows += black_box(items).iter().filter(is_row).count();
                })
                .unwrap();
                assert_eq!(rows as u64, ROWS);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
