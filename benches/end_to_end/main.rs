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

mod backlog;
mod machine;
mod report;
mod stage;

use std::time::Duration;

use backlog::{Backlog, ROWS_AT_ONCE, catch_up};
use leadstream::core::time::Micros;
use leadstream::rehearsal::leads::{Form, People};
use leadstream::runtime::clock;
use report::{line, spread};
use stage::{Service, Spent, Stage};

/// A backlog of the size that the targets speak of.
const ROWS: u64 = 200_000;
/// `pace.bulk_from` as it ships.
const BULK: &str = "10000";
/// As an org far away answers.
const SLOW_REPLY_MS: u64 = 200;
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
    for (rows_per_commit, bulk_from) in [(1, "off"), (ROWS_AT_ONCE, "off"), (ROWS_AT_ONCE, BULK)] {
        let backlog = Backlog {
            rows,
            rows_per_commit,
            bulk_from,
            calls: "4",
            reply_ms: 0,
        };
        catch_up(&mut stage, &mut form, &backlog).await;
    }
    single_leads(&mut stage, &mut form, if rows < ROWS { 100 } else { 300 }).await;
    steady_stream(&mut stage, &mut form).await;
    // Last, because the delay stays.
    stage.sandbox.delay(SLOW_REPLY_MS);
    for calls in ["1", "4", "16"] {
        let backlog = Backlog {
            rows: rows / 5,
            rows_per_commit: ROWS_AT_ONCE,
            bulk_from: "off",
            calls,
            reply_ms: SLOW_REPLY_MS,
        };
        catch_up(&mut stage, &mut form, &backlog).await;
    }
    stage.mysql.stop().unwrap();
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
