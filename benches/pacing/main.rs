//! Simulated days: what each rule makes of them, as a table, and as the plot of `docs/pacing.md`.
//!
//! The same seed gives the same day, so the figures are those of the document. `cargo bench --bench
//! pacing -- --plot docs/pacing.svg` writes the plot anew.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a bench prints and may fail by panicking"
)]

mod plot;

use leadstream::core::pacing::PaceSettings;
use leadstream::core::pacing::simulation::{
    Day, FixedRule, Report, best_knowing_all, fixed, paced, scenario_settings,
};

const SEED: u64 = 1;

fn main() {
    let settings = scenario_settings();
    let day = Day::scenario(SEED, 1);
    println!("## The scenario's day: 30,000 leads, 10,000 of them from 10:00 to 11:00\n");
    head();
    let ours = paced(&settings, &day);
    row("pacing, first day", &ours, Some(12_000));
    let days = paced(&settings, &Day::scenario(SEED, 4));
    row(
        "pacing, four days in a row (calls of the fullest 24 h)",
        &fullest(&days),
        Some(12_000),
    );
    let by_hour = |hour: u64| if hour % 24 == 10 { 5 } else { 2 };
    let past = fixed(&FixedRule::Count(by_hour), &day);
    row(
        "best rule that sees the past and knows the rates",
        &past,
        Some(12_000),
    );
    let all = best_knowing_all(&day, 12_000);
    row("optimum that knows every arrival", &all, Some(12_000));
    let linger = fixed(&FixedRule::Linger { ms: 3_400 }, &day);
    row("fixed linger, 3.4 s", &linger, Some(12_000));
    for (name, ms) in [
        ("micro-batches, 1 s", 1_000),
        ("micro-batches, 60 s", 60_000),
        ("hourly polling", 3_600_000),
    ] {
        row(name, &fixed(&FixedRule::Every { ms }, &day), Some(12_000));
    }
    println!("\n## The same day with other budgets (a fifth in reserve)\n");
    head();
    for calls in [2_000, 5_000, 10_000, 15_000, 25_000, 50_000, 100_000] {
        let settings = PaceSettings {
            daily_calls: Some(calls),
            ..settings.clone()
        };
        let report = paced(&settings, &day);
        row(&format!("{calls} calls"), &report, Some(calls * 4 / 5));
    }
    println!("\n## Other days (15,000 calls, a fifth in reserve)\n");
    head();
    let flat = paced(&settings, &Day::flat(SEED));
    row("flat: 1,250 leads an hour", &flat, Some(12_000));
    let burst = paced(&settings, &Day::burst(SEED));
    row(
        "the scenario, and 100,000 within a minute",
        &burst,
        Some(12_000),
    );
    let spent = paced(&settings, &Day::nearly_spent(SEED));
    row("11,000 calls spent in the hours before", &spent, None);
    let eaten = paced(&settings, &Day::eaten(SEED));
    row(
        "another tool makes 400 calls an hour from 6:00",
        &eaten,
        None,
    );
    println!(
        "\nThe whole org was at {} of 12,000 and {} of 15,000 calls at most in the last two.",
        spent.org_used, eaten.org_used
    );
    let mut arguments = std::env::args().skip_while(|argument| argument != "--plot");
    if let Some(path) = arguments.nth(1) {
        std::fs::write(&path, plot::draw(&day, &ours, &spent, &eaten)).unwrap();
        println!("\nwritten: {path}");
    }
}

/// The report of many days with the calls of 24 hours.
fn fullest(report: &Report) -> Report {
    Report {
        calls: report.most_in_a_day,
        ..report.clone()
    }
}

fn head() {
    println!("| rule | calls | left of the budget | mean | p50 | p99 | longest |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
}

fn row(name: &str, report: &Report, budget: Option<u64>) {
    let left = budget.map_or("".to_owned(), |budget| {
        match budget.checked_sub(report.calls) {
            Some(left) => left.to_string(),
            None => format!("over by {}", report.calls - budget),
        }
    });
    println!(
        "| {name} | {} | {left} | {} | {} | {} | {} |",
        report.calls,
        seconds(report.mean_ms),
        seconds(report.p50_ms as f64),
        seconds(report.p99_ms as f64),
        seconds(report.max_ms as f64),
    );
}

fn seconds(ms: f64) -> String {
    match ms {
        ..100_000.0 => format!("{:.2} s", ms / 1e3),
        _ => format!("{:.0} min", ms / 6e4),
    }
}
