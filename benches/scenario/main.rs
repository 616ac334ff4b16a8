//! The scenario, measured: leadstream alone in 0.2 CPU and 1 GB, MySQL and the sandbox outside, at
//! the peak of 10,000 leads an hour and behind a backlog. Prints one table and holds it against
//! the targets.
//!
//! `make scenario` runs it. Without a part's name it does nothing, so that `make bench` stays short.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a bench may fail by panicking, speak on the terminal, and read its environment"
)]

#[path = "../end_to_end/backlog.rs"]
mod backlog;
mod confine;
#[path = "../end_to_end/machine.rs"]
mod machine;
#[path = "../end_to_end/report.rs"]
mod report;
#[path = "../end_to_end/stage.rs"]
mod stage;

use std::process::ExitCode;
use std::time::Duration;

use backlog::{Backlog, ROWS_AT_ONCE, catch_up};
use clap::{Parser, ValueEnum};
use confine::{Group, Throttled};
use leadstream::core::time::Micros;
use leadstream::rehearsal::leads::{Form, People};
use leadstream::runtime::clock;
use report::{line, spread};
use stage::{Service, Stage};

const CPUS: f64 = 0.2;
const MEMORY_BYTES: u64 = 1 << 30;
const PEAK_LEADS: u64 = 10_000;
const DAY_LEADS: u64 = 30_000;
const HOUR: f64 = 3_600.0;
/// One in so many is a lead that must be set aside.
const INVALID_ONE_IN: u64 = 100;
/// COMMIT to accepted, 99 of 100 leads, over the sandbox's delay: it waits before it accepts.
const P99_AT_MOST: f64 = 1.5;
const RESIDENT_MIB_AT_MOST: f64 = 64.0;
const CATCH_UP_AT_LEAST: f64 = 2_000.0;
/// Leads of one look at what the sandbox has.
const PAGE: u64 = 5_000;

#[derive(Parser)]
struct Arguments {
    /// What to run; nothing without it.
    part: Option<Part>,
    /// Minutes of the peak's real rate, in `peak`
    #[arg(long, default_value_t = 3)]
    minutes: u64,
    /// How much faster than real time the compressed hour of `peak`, or the day, goes
    #[arg(long, default_value_t = 10.0)]
    speed: f64,
    /// What each reply of the sandbox takes
    #[arg(long, default_value_t = 200)]
    delay_ms: u64,
    /// Rows of the backlog; 0: none
    #[arg(long, default_value_t = 100_000)]
    backlog: u64,
    /// Without a control group: the figures are then not those of 0.2 CPU
    #[arg(long)]
    without_limits: bool,
    /// Cargo says it to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Part {
    /// Minutes at the real rate, the whole hour faster, the backlog
    Peak,
    /// The hour as long as it is, the backlog
    Hour,
    /// 30,000 leads of a day, 10,000 of them in its busiest hour, faster; 2.4 hours at ten-fold speed
    Day,
}

/// Leads that come at random moments, so many a second on average, one stretch after the other.
struct Stretch {
    leads: u64,
    seconds: f64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Some(part) = arguments.part else {
        println!("the scenario is for `make scenario`");
        return ExitCode::SUCCESS;
    };
    let group = match Group::new(CPUS, MEMORY_BYTES) {
        _ if arguments.without_limits => None,
        Ok(group) => Some(group),
        Err(error) => {
            eprintln!(
                "cannot make a control group of {CPUS} CPU and 1 GB below /sys/fs/cgroup: {error}. \
                 Run as root where it is mounted writable, or say --without-limits"
            );
            return ExitCode::FAILURE;
        }
    };
    println!("{}", machine::describe());
    match &group {
        Some(group) => println!(
            "leadstream in {CPUS} CPU and 1 GB (cgroup v{}); MySQL and the sandbox outside",
            group.version()
        ),
        None => println!("WITHOUT LIMITS: these are not the figures of {CPUS} CPU"),
    }
    let mut stage = Stage::set_up();
    if let Some(group) = &group {
        let folder = stage.folder.path();
        stage.launcher = group.launcher(folder, &stage::program()).unwrap();
    }
    let mut form = stage.form().await;
    stage.sandbox.delay(arguments.delay_ms);
    let mut held = true;
    let delay = Duration::from_millis(arguments.delay_ms);
    for (name, stretches) in streams(part, &arguments) {
        let group = group.as_ref();
        held &= stream(&mut stage, &mut form, group, &name, &stretches, delay).await;
    }
    if part != Part::Day && arguments.backlog > 0 {
        held &= behind(&mut stage, &mut form, group.as_ref(), &arguments).await;
    }
    stage.mysql.stop().unwrap();
    drop(stage);
    println!(
        "\n{}",
        if held {
            "every target is held"
        } else {
            "A TARGET IS MISSED"
        }
    );
    if held {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn streams(part: Part, arguments: &Arguments) -> Vec<(String, Vec<Stretch>)> {
    let speed = arguments.speed;
    let one = |leads, seconds| vec![Stretch { leads, seconds }];
    match part {
        Part::Hour => vec![("the peak hour, all of it".to_owned(), one(PEAK_LEADS, HOUR))],
        Part::Peak => {
            let minutes = arguments.minutes;
            vec![
                (
                    format!("the peak's rate for {minutes} min"),
                    one(PEAK_LEADS * minutes / 60, minutes as f64 * 60.0),
                ),
                (
                    format!("the peak hour's leads, {speed} times as fast"),
                    one(PEAK_LEADS, HOUR / speed),
                ),
            ]
        }
        Part::Day => {
            let quiet = (DAY_LEADS - PEAK_LEADS) / 23;
            let hours = (0..24).map(|hour| Stretch {
                leads: if hour == 10 { PEAK_LEADS } else { quiet },
                seconds: HOUR / speed,
            });
            vec![(format!("the day, {speed} times as fast"), hours.collect())]
        }
    }
}

/// People fill in the form, each in a transaction of its own; whether the targets hold.
async fn stream(
    stage: &mut Stage,
    form: &mut Form,
    group: Option<&Group>,
    name: &str,
    stretches: &[Stretch],
    delay: Duration,
) -> bool {
    let state = stage.new_state();
    let mut service = stage.start(&state, &[("LEADSTREAM_BATCH__MAX_AGE", "1s")]);
    service.wait_until_streaming();
    let arrived = stage.sandbox.count();
    let mut people = People::new(11, INVALID_ONE_IN);
    let mut committed = Vec::new();
    let (first_spent, began) = (stage.spent(&service), clock::wall());
    let throttled = group.map(Group::throttled).unwrap_or_default();
    let begin = tokio::time::Instant::now();
    let mut due = 0.0;
    let mut base = 0.0;
    for stretch in stretches {
        let mean = stretch.seconds / stretch.leads as f64;
        due = f64::max(due, base);
        base += stretch.seconds;
        for _ in 0..stretch.leads {
            // The waiting times of a Poisson process are exponential.
            let uniform = (people.below(1 << 30) + 1) as f64 / (1_u64 << 30) as f64;
            due -= mean * uniform.ln();
            tokio::time::sleep_until(begin + Duration::from_secs_f64(due)).await;
            let id = form.submit(&[people.next_lead()]).await.unwrap();
            committed.push((id, clock::wall()));
        }
    }
    let seconds = clock::wall().seconds_since(began);
    let spent = stage.spent(&service);
    let throttled = since(throttled, group.map(Group::throttled).unwrap_or_default());
    let count = committed.len() as u64;
    let status = service.wait_for("an outcome of every lead", |status| {
        let route = &status.routes[0];
        route.captured == count && route.in_flight == 0 && route.totals.parked == 0
    });
    let route = &status.routes[0];
    stage.sandbox.wait_for(arrived + route.totals.delivered());
    let ages = ages(stage, arrived, &committed, delay);
    let p99 = ages[(ages.len() - 1) * 99 / 100];

    println!("\n{name}: {count} leads in {seconds:.0} s, batch.max_age = 1s");
    line("COMMIT to accepted, over the delay", spread(ages));
    let cpu = (spent.leadstream - first_spent.leadstream).as_secs_f64();
    let share = cpu / seconds * 100.0;
    line("CPU", format!("{cpu:.1} s, {share:.1} % of one core"));
    say(throttled);
    let peak = resident(&service);
    line("API calls", status.delivery.api_calls_made.to_string());
    let budget = status.delivery.budget.as_ref();
    let left = budget.and_then(|it| it.limit.map(|limit| limit.saturating_sub(it.used)));
    line(
        "calls left of 24 hours, the reserve apart",
        left.map_or("not known".to_owned(), |left| left.to_string()),
    );
    let totals = &route.totals;
    line(
        "books",
        format!(
            "{} captured = {} delivered + {} dead letters + {} skipped{}",
            route.captured,
            totals.delivered(),
            totals.dead_letters_open,
            totals.skipped_total(),
            if route.balances {
                ""
            } else {
                ": THEY DO NOT BALANCE"
            }
        ),
    );
    let balanced = route.balances && stage.sandbox.count() - arrived == totals.delivered();
    service.stop();
    target("p99", p99 <= P99_AT_MOST)
        & target("resident memory", peak <= RESIDENT_MIB_AT_MOST)
        & target("books", balanced)
}

/// From COMMIT to accepted without the delay, of each lead that arrived, sorted.
fn ages(stage: &Stage, arrived: u64, committed: &[(u64, Micros)], delay: Duration) -> Vec<f64> {
    let moments: std::collections::HashMap<String, Micros> = committed
        .iter()
        .map(|(id, at)| (id.to_string(), *at))
        .collect();
    let end = stage.sandbox.count();
    let mut ages = Vec::new();
    for offset in (arrived..end).step_by(usize::try_from(PAGE).unwrap()) {
        for lead in stage.sandbox.leads(offset, PAGE.min(end - offset)) {
            let key = lead.fields["MySQL_Id__c"].as_str().unwrap();
            let age = Micros(lead.created_micros).seconds_since(moments[key]);
            ages.push(age - delay.as_secs_f64());
        }
    }
    ages.sort_by(f64::total_cmp);
    ages
}

/// A backlog, by calls alone and as it ships; whether the targets hold.
async fn behind(
    stage: &mut Stage,
    form: &mut Form,
    group: Option<&Group>,
    arguments: &Arguments,
) -> bool {
    let mut held = true;
    for bulk_from in ["off", "10000"] {
        let before = group.map(Group::throttled).unwrap_or_default();
        let backlog = Backlog {
            rows: arguments.backlog,
            rows_per_commit: ROWS_AT_ONCE,
            bulk_from,
            calls: "4",
            reply_ms: arguments.delay_ms,
        };
        let rate = catch_up(stage, form, &backlog).await;
        say(since(
            before,
            group.map(Group::throttled).unwrap_or_default(),
        ));
        held &= target("catch-up", rate >= CATCH_UP_AT_LEAST);
    }
    held
}

fn since(before: Throttled, now: Throttled) -> Throttled {
    Throttled {
        periods: now.periods - before.periods,
        throttled: now.throttled - before.throttled,
        waited: now.waited.saturating_sub(before.waited),
    }
}

fn say(throttled: Throttled) {
    let Throttled {
        periods,
        throttled,
        waited,
    } = throttled;
    line(
        "held back by the limit",
        format!(
            "in {throttled} of {periods} periods, {:.1} s",
            waited.as_secs_f64()
        ),
    );
}

fn resident(service: &Service) -> f64 {
    let peak = machine::peak_mib(service.id());
    let now = machine::resident_mib(service.id());
    line(
        "resident, at most",
        format!("{peak:.1} MiB, {now:.1} at the end"),
    );
    peak
}

fn target(what: &str, held: bool) -> bool {
    if !held {
        println!("  MISSED: {what}");
    }
    held
}
