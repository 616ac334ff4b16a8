//! The whole way, measured: a real MySQL, leadstream and a Salesforce sandbox, each a process of
//! its own on this machine, and what they need for a backlog, for single leads, for a steady
//! stream and for nothing at all. Prints one table.
//!
//! `LEADSTREAM_BENCH_ROWS=20000 cargo bench --bench end_to_end` makes the backlogs smaller.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench may fail by panicking, speak on the terminal, and read its environment"
)]

mod machine;
mod stage;

use std::time::Duration;

use leadstream::core::position::{GtidSet, Position};
use leadstream::core::time::Micros;
use leadstream::rehearsal::leads::{Form, Lead, People};
use leadstream::runtime::clock;
use stage::{Service, Spent, Stage};

/// A backlog of the size that the targets speak of.
const ROWS: u64 = 200_000;
/// Rows of one statement while a backlog is written.
const ROWS_AT_ONCE: u64 = 200;
/// Leads of the steady stream in a second, and for how long: 18 times the scenario's peak.
const STEADY_PER_SECOND: u64 = 50;
const STEADY_SECONDS: u64 = 20;
const IDLE: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let rows = std::env::var("LEADSTREAM_BENCH_ROWS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(ROWS);
    println!("{}", machine::describe());
    let mut stage = Stage::set_up();
    let mut form = stage.form().await;
    catch_up(&mut stage, &mut form, rows, 1).await;
    catch_up(&mut stage, &mut form, rows, ROWS_AT_ONCE).await;
    single_leads(&mut stage, &mut form, if rows < ROWS { 100 } else { 300 }).await;
    steady_stream(&mut stage, &mut form).await;
    stage.mysql.stop().unwrap();
}

/// A backlog that was written while leadstream was stopped.
async fn catch_up(stage: &mut Stage, form: &mut Form, rows: u64, rows_per_commit: u64) {
    let state = stage.new_state();
    let mut service = stage.start(&state, &[]);
    let before = service.wait_until_streaming().state.journal_bytes;
    service.stop();
    let arrived = stage.sandbox.count();
    let mut people = People::new(rows_per_commit, 0);
    for _ in 0..rows.div_ceil(ROWS_AT_ONCE) {
        let leads: Vec<Lead> = (0..ROWS_AT_ONCE).map(|_| people.next_lead()).collect();
        if rows_per_commit == 1 {
            form.submit_one_by_one(&leads).await.unwrap();
        } else {
            form.submit(&leads).await.unwrap();
        }
    }
    let rows = rows.div_ceil(ROWS_AT_ONCE) * ROWS_AT_ONCE;
    let end = Position::Gtid(executed(form).await);

    let mut service = stage.start(&state, &[]);
    let begin = Spent {
        leadstream: Duration::ZERO,
        ..stage.spent(&service)
    };
    let status = service.wait_for("the backlog's end", |status| {
        status.checkpoint.as_ref().map(|c| &c.position) == Some(&end)
            && status.state.index_applied == status.state.last_commit
    });
    let spent = stage.spent(&service);
    let route = &status.routes[0];
    assert_eq!(route.totals.delivered(), rows, "{route:?}");
    assert_eq!(stage.sandbox.count(), arrived + rows);
    let first = stage.sandbox.leads(arrived, 1)[0].created_micros;
    let seconds = status.checkpoint_at.unwrap().seconds_since(Micros(first));

    println!("\ncatch-up, {rows} rows, {rows_per_commit} in a transaction");
    line(
        "first row accepted to last row durable",
        format!("{seconds:.2} s = {:.0} records/s", rows as f64 / seconds),
    );
    cpu_per_record(begin, spent, rows);
    line(
        "leadstream, peak resident",
        format!("{:.1} MiB", machine::peak_mib(service.id())),
    );
    let journal = (status.state.journal_bytes - before) as f64 / rows as f64;
    line("journal", format!("{journal:.0} bytes/record"));
    line("API calls", status.delivery.api_calls_made.to_string());
    service.stop();
}

/// Everything that the server has committed.
async fn executed(form: &mut Form) -> GtidSet {
    let texts = form.texts("SELECT @@global.gtid_executed").await.unwrap();
    texts[0].replace('\n', "").parse().unwrap()
}

/// One lead at a time, each sent at once.
async fn single_leads(stage: &mut Stage, form: &mut Form, count: u64) {
    let state = stage.new_state();
    let mut service = stage.start(&state, &[("LEADSTREAM_BATCH__MAX_AGE", "0s")]);
    service.wait_until_streaming();
    let arrived = stage.sandbox.count();
    let mut people = People::new(3, 0);
    let mut moments = Vec::new();
    for number in 1..=count {
        let lead = people.next_lead();
        let before = clock::wall();
        form.submit(&[lead]).await.unwrap();
        moments.push((before, clock::wall()));
        stage.sandbox.wait_for(arrived + number);
    }
    let leads = stage.sandbox.leads(arrived, count);
    let since = |moment: fn(&(Micros, Micros)) -> Micros| {
        let pairs = leads.iter().zip(&moments);
        pairs
            .map(|(lead, at)| Micros(lead.created_micros).seconds_since(moment(at)))
            .collect()
    };
    println!("\nsingle leads, one at a time, batch.max_age = 0s, {count} of them");
    line("COMMIT returned to accepted", spread(since(|at| at.1)));
    line("INSERT sent to accepted", spread(since(|at| at.0)));
    service.stop();
}

/// A stream at an even pace with the shipped settings, and then nothing.
async fn steady_stream(stage: &mut Stage, form: &mut Form) {
    let state = stage.new_state();
    let mut service = stage.start(&state, &[]);
    service.wait_until_streaming();
    let arrived = stage.sandbox.count();
    let mut people = People::new(4, 0);
    let (begin, began) = (stage.spent(&service), clock::wall());
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / STEADY_PER_SECOND));
    let mut committed = Vec::new();
    for _ in 0..STEADY_PER_SECOND * STEADY_SECONDS {
        ticks.tick().await;
        form.submit(&[people.next_lead()]).await.unwrap();
        committed.push(clock::wall());
    }
    let count = committed.len() as u64;
    stage.sandbox.wait_for(arrived + count);
    let seconds = clock::wall().seconds_since(began);
    let spent = stage.spent(&service);
    let leads = stage.sandbox.leads(arrived, count);
    let pairs = leads.iter().zip(&committed);
    let ages = pairs.map(|(lead, at)| Micros(lead.created_micros).seconds_since(*at));

    println!(
        "\nsteady stream, {STEADY_PER_SECOND} leads/s for {STEADY_SECONDS} s, batch.max_age = 1s"
    );
    line("COMMIT returned to accepted", spread(ages.collect()));
    share(&service, begin, spent, seconds);

    let (begin, began) = (stage.spent(&service), clock::wall());
    tokio::time::sleep(IDLE).await;
    let seconds = clock::wall().seconds_since(began);
    println!("\nnothing to do for {} s", IDLE.as_secs());
    share(&service, begin, stage.spent(&service), seconds);
    service.stop();
}

fn cpu_per_record(begin: Spent, end: Spent, rows: u64) {
    let each = |from: Duration, to: Duration| (to - from).as_secs_f64() * 1e6 / rows as f64;
    let text = format!(
        "leadstream {:.1} µs, mysqld {:.1} µs, sandbox {:.1} µs",
        each(begin.leadstream, end.leadstream),
        each(begin.mysql, end.mysql),
        each(begin.sandbox, end.sandbox),
    );
    line("CPU for a record", text);
}

fn share(service: &Service, begin: Spent, end: Spent, seconds: f64) {
    let percent = |from: Duration, to: Duration| (to - from).as_secs_f64() * 100.0 / seconds;
    let text = format!(
        "leadstream {:.1} %, mysqld {:.1} %, sandbox {:.1} %",
        percent(begin.leadstream, end.leadstream),
        percent(begin.mysql, end.mysql),
        percent(begin.sandbox, end.sandbox),
    );
    line("CPU, of one core", text);
    line(
        "leadstream, resident",
        format!("{:.1} MiB", machine::resident_mib(service.id())),
    );
}

/// Percentiles of durations in seconds, printed in milliseconds.
fn spread(mut seconds: Vec<f64>) -> String {
    seconds.sort_by(f64::total_cmp);
    let last = seconds.len() - 1;
    let at = |percent: usize| seconds[last * percent / 100] * 1e3;
    format!(
        "p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
        at(50),
        at(90),
        at(99),
        at(100)
    )
}

fn line(name: &str, value: String) {
    println!("  {name:40} {value}");
}
