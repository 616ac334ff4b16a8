//! A backlog, and how long leadstream takes to catch up with it.

use std::time::Duration;

use leadstream::core::position::{GtidSet, Position};
use leadstream::core::time::Micros;
use leadstream::rehearsal::leads::{Form, Lead, People};

use super::machine;
use super::report::line;
use super::stage::{Spent, Stage};

/// Rows of one statement while a backlog is written.
pub const ROWS_AT_ONCE: u64 = 200;

/// What is caught up with, and how.
pub struct Backlog {
    pub rows: u64,
    pub rows_per_commit: u64,
    pub bulk_from: &'static str,
    /// `pace.max_in_flight`.
    pub calls: &'static str,
    /// How long each reply takes beyond what the sandbox needs.
    pub reply_ms: u64,
}

/// A backlog that was written while leadstream was stopped; gives records a second.
pub async fn catch_up(stage: &mut Stage, form: &mut Form, backlog: &Backlog) -> f64 {
    let &Backlog {
        rows,
        rows_per_commit,
        bulk_from,
        calls,
        reply_ms,
    } = backlog;
    let settings = [
        ("LEADSTREAM_PACE__BULK_FROM", bulk_from),
        ("LEADSTREAM_PACE__MAX_IN_FLIGHT", calls),
    ];
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

    let mut service = stage.start(&state, &settings);
    let begin = Spent {
        leadstream: Duration::ZERO,
        ..stage.spent(&service)
    };
    let status = service.wait_for("the backlog's end", |status| {
        status.checkpoint.as_ref().map(|c| &c.position) == Some(&end)
            && status.state.index_applied == status.state.last_commit
            && status.routes[0].totals.delivered() == rows
    });
    let spent = stage.spent(&service);
    let route = &status.routes[0];
    assert_eq!(route.totals.delivered(), rows, "{route:?}");
    assert_eq!(stage.sandbox.count(), arrived + rows);
    let first = stage.sandbox.leads(arrived, 1)[0].created_micros;
    // Bulk has the checkpoint pass what is parked: then it is the status that says when all is there.
    let last = match bulk_from {
        "off" => status.checkpoint_at.unwrap(),
        _ => status.as_of,
    };
    let seconds = last.seconds_since(Micros(first));

    println!(
        "\ncatch-up, {rows} rows, {rows_per_commit} in a transaction, bulk_from = {bulk_from}, \
         {calls} calls at once, replies after {reply_ms} ms"
    );
    line(
        "first row accepted to last row durable",
        format!("{seconds:.2} s = {:.0} records/s", rows as f64 / seconds),
    );
    if reply_ms > 0 && bulk_from == "off" {
        // Before its reply the first call's records are there already.
        let at_once: f64 = calls.parse().unwrap();
        let least = rows as f64 / 200.0 / at_once * reply_ms as f64 / 1e3;
        let text = format!("{least:.2} s, {:.0} %", least / seconds * 100.0);
        line("the calls alone, their share of it", text);
    }
    cpu_per_record(begin, spent, rows);
    line(
        "leadstream, peak resident",
        format!("{:.1} MiB", machine::peak_mib(service.id())),
    );
    let journal = (status.state.journal_bytes - before) as f64 / rows as f64;
    line("journal", format!("{journal:.0} bytes/record"));
    line("API calls", status.delivery.api_calls_made.to_string());
    service.stop();
    rows as f64 / seconds
}

/// Everything that the server has committed.
async fn executed(form: &mut Form) -> GtidSet {
    let texts = form.texts("SELECT @@global.gtid_executed").await.unwrap();
    texts[0].replace('\n', "").parse().unwrap()
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
