//! Capture and decoding alone: what it costs to get rows of about 200 bytes out of a real MySQL's
//! binlog, next to the transport alone and to the rows of mysql_common on the same transport.
//! Prints one table.
//!
//! `LEADSTREAM_BENCH_ROWS=100000 cargo bench --bench capture` takes fewer rows.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench may fail by panicking, speak on the terminal, and read its environment"
)]

#[path = "../end_to_end/machine.rs"]
#[allow(dead_code, reason = "shared with a bench that asks for more")]
mod machine;

use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use leadstream::capture::{self, CaptureEvent, Observation};
use leadstream::config::{self, Config};
use leadstream::core::change::StreamItem;
use leadstream::rehearsal::{MysqlOptions, MysqlServer};
use leadstream::runtime::{clock, shutdown, wiring};
use mysql_async::binlog::EventType;
use mysql_async::binlog::events::{TableMapEvent, WriteRowsEvent};
use mysql_async::prelude::Queryable;
use mysql_async::{BinlogStream, BinlogStreamRequest, Conn, Opts};
use tokio::sync::{Semaphore, mpsc, watch};

/// As in the binary.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ROWS: u64 = 1_000_000;
/// Rows of one transaction.
const AT_ONCE: u64 = 1_000;
/// Each is measured so often, in turns; the best counts: a busy machine only adds.
const ROUNDS: usize = 3;
const WINDOW_BYTES: u32 = 16 << 20;

const CREATE: &str = "CREATE TABLE crm.leads (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, \
    first_name VARCHAR(40), last_name VARCHAR(80), company VARCHAR(255), email VARCHAR(120), \
    phone VARCHAR(40), country VARCHAR(80), employees INT UNSIGNED, \
    annual_revenue DECIMAL(18,2), newsletter TINYINT(1), score DOUBLE, plan VARCHAR(20), \
    birthday DATE, signed_up_at TIMESTAMP(6) NULL DEFAULT CURRENT_TIMESTAMP(6), \
    note VARCHAR(100)) CHARACTER SET utf8mb4";

const INSERT: &str = "INSERT INTO crm.leads (first_name, last_name, company, email, phone, \
    country, employees, annual_revenue, newsletter, score, plan, birthday, note) \
    SELECT CONCAT('Élodie', n), CONCAT('Castellanos', n), 'Blue Harbour Logistics & Sons', \
    CONCAT('elodie.castellanos.', n, '@example.com'), CONCAT('+49 30 555 ', n), 'Germany', n, \
    n * 1000.25, n % 2, n / 7, 'Enterprise', '1987-06-05', RPAD('', 27, 'note ') FROM numbers";

#[derive(Clone, Copy)]
struct Measured {
    wall: Duration,
    cpu: Duration,
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let rows = std::env::var("LEADSTREAM_BENCH_ROWS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(ROWS);
    println!("{}", machine::describe());
    let install = MysqlServer::locate().unwrap_or_else(|error| panic!("{error}"));
    let mut mysql = MysqlServer::start(&install, MysqlOptions::default()).unwrap();
    let url = mysql.url("root");
    let bytes = fill(&url, rows).await;
    let config = config(&url);
    let (mut transport, mut rows_of_common, mut ours) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        transport.push(measure(rows, carry(&url, rows)).await);
        rows_of_common.push(measure(rows, decode_by_mysql_common(&url, rows)).await);
        ours.push(measure(rows, capture_all(&config, rows)).await);
    }
    println!(
        "\ncapture alone, {rows} rows of {bytes} bytes in the binlog, {AT_ONCE} in a transaction"
    );
    line("transport alone (mysql_async)", best(&transport), rows);
    line(
        "transport and mysql_common's rows",
        best(&rows_of_common),
        rows,
    );
    line("capture: transport, mysql_cdc, values", best(&ours), rows);
    let share = best(&ours).cpu.as_secs_f64() / best(&rows_of_common).cpu.as_secs_f64();
    println!("  {:40} {share:.2}", "CPU, capture to mysql_common's rows");
    mysql.stop().unwrap();
}

/// Writes the rows; gives the bytes that one takes in the binlog.
async fn fill(url: &str, rows: u64) -> u64 {
    let mut conn = Conn::new(Opts::from_url(url).unwrap()).await.unwrap();
    for statement in [
        "CREATE DATABASE crm",
        CREATE,
        "SET SESSION cte_max_recursion_depth = 10000",
        "CREATE TEMPORARY TABLE crm.numbers (n INT PRIMARY KEY)",
        "USE crm",
    ] {
        conn.query_drop(statement).await.unwrap();
    }
    let numbers = format!(
        "INSERT INTO numbers WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t \
         WHERE n < {AT_ONCE}) SELECT n FROM t"
    );
    conn.query_drop(numbers).await.unwrap();
    let before = written(&mut conn).await;
    for _ in 0..rows / AT_ONCE {
        conn.query_drop(INSERT).await.unwrap();
    }
    (written(&mut conn).await - before) / rows
}

async fn written(conn: &mut Conn) -> u64 {
    let files: Vec<(String, u64, String)> = conn.query("SHOW BINARY LOGS").await.unwrap();
    files.iter().map(|(_, bytes, _)| bytes).sum()
}

fn config(url: &str) -> Config {
    let set = [
        format!("source.url={url}"),
        "source.start=earliest".to_owned(),
    ];
    let secret = "LEADSTREAM_SALESFORCE__AUTH__CLIENT_SECRET".to_owned();
    let environment = [(secret, "unused".to_owned())];
    let text = include_str!("../../config/leadstream.toml");
    config::load_from(
        Some((Path::new("leadstream.toml"), text)),
        &environment,
        &set,
        &|path| std::fs::read_to_string(path),
    )
    .unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

async fn measure(rows: u64, work: impl Future<Output = u64>) -> Measured {
    let (cpu, began) = (machine::cpu(std::process::id()), Instant::now());
    assert_eq!(work.await, rows);
    Measured {
        wall: began.elapsed(),
        cpu: machine::cpu(std::process::id()) - cpu,
    }
}

async fn stream(url: &str, server_id: u32) -> BinlogStream {
    let opts =
        mysql_async::OptsBuilder::from_opts(Opts::from_url(url).unwrap()).prefer_socket(false);
    let conn = Conn::new(opts).await.unwrap();
    conn.get_binlog_stream(BinlogStreamRequest::new(server_id))
        .await
        .unwrap()
}

/// Events as bytes, and nothing done with them.
async fn carry(url: &str, rows: u64) -> u64 {
    let mut stream = stream(url, 71).await;
    let mut transactions = 0;
    while transactions < rows / AT_ONCE {
        let event = black_box(stream.next().await.unwrap().unwrap());
        let kind = event.header().event_type().unwrap();
        transactions += u64::from(kind == EventType::XID_EVENT);
    }
    transactions * AT_ONCE
}

async fn decode_by_mysql_common(url: &str, rows: u64) -> u64 {
    let mut stream = stream(url, 72).await;
    let mut maps = HashMap::new();
    let mut seen = 0;
    while seen < rows {
        let event = stream.next().await.unwrap().unwrap();
        if event.header().event_type() == Ok(EventType::TABLE_MAP_EVENT) {
            let map: TableMapEvent<'_> = event.read_event().unwrap();
            maps.insert(map.table_id(), map.into_owned());
        }
        if event.header().event_type() != Ok(EventType::WRITE_ROWS_EVENT) {
            continue;
        }
        let event: WriteRowsEvent<'_> = event.read_event().unwrap();
        for row in event.rows(&maps[&event.table_id()]) {
            black_box(row.unwrap());
            seen += 1;
        }
    }
    seen
}

/// What the service does, up to where the pipeline begins.
async fn capture_all(config: &Config, rows: u64) -> u64 {
    let settings = wiring::source_settings(config);
    let checkpoint = capture::resolve_start(&settings).await.unwrap();
    let window = Arc::new(Semaphore::new(WINDOW_BYTES as usize));
    let (events, mut captured) = mpsc::channel(64);
    let (_orders, orders) = mpsc::channel(1);
    let (_stop, stopped) = shutdown::channel();
    let (observed, _observations) = watch::channel(Observation::default());
    let parts = capture::Parts {
        settings,
        tables: wiring::tables_by_config(config),
        checkpoint,
        schemas: Vec::new(),
        live: None,
        window: Arc::clone(&window),
        window_bytes: WINDOW_BYTES,
        events,
        orders,
        observed,
        clock: clock::wall,
    };
    let reader = tokio::spawn(capture::run(parts, stopped));
    let mut seen = 0;
    while seen < rows {
        match captured.recv().await.unwrap() {
            CaptureEvent::Chunk(chunk) => {
                seen += black_box(&chunk.items)
                    .iter()
                    .filter(|item| matches!(item, StreamItem::Row(_)))
                    .count() as u64;
                window.add_permits(chunk.bytes as usize);
            }
            // The table was made after the place where capture begins.
            CaptureEvent::Connected { .. } | CaptureEvent::Doubted { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    reader.abort();
    seen
}

fn best(rounds: &[Measured]) -> Measured {
    let wall = rounds.iter().map(|round| round.wall).min().unwrap();
    let cpu = rounds.iter().map(|round| round.cpu).min().unwrap();
    Measured { wall, cpu }
}

fn line(name: &str, measured: Measured, rows: u64) {
    let rate = rows as f64 / measured.wall.as_secs_f64();
    let cpu = measured.cpu.as_secs_f64() * 1e6 / rows as f64;
    println!("  {name:40} {rate:9.0} rows/s, {cpu:.2} µs CPU a row");
}
