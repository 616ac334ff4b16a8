//! Backlogs by Bulk: few calls, no record lost or sent twice however the process dies, and leads of
//! the stream that pass a job at work.

use leadstream::failpoint::BULK_NAMES;
use leadstream::rehearsal::leads::People;
use leadstream::rehearsal::service::wait_until;
use leadstream::runtime::status::Status;
use salesforce_sandbox::{Action, Endpoint, Fault};

use crate::harness::{Build, PATIENCE, World};

const ROWS: u64 = 10_000;

/// A table with rows in it that a first start brings over, by Bulk.
fn filled(rows: u64) -> World {
    let mut world = World::new(Build::Release);
    world.people = People::new(7, 40);
    world.insert(rows as usize, 1_000);
    world.set("source.start", "snapshot");
    world.set("snapshot.max_source_threads", "1000");
    world.set("pace.bulk_from", "1000");
    world
}

fn is_at_work(status: &Status) -> bool {
    let bulk = status.routes[0].bulk.as_ref();
    let job = bulk.and_then(|bulk| bulk.job.as_ref());
    job.is_some_and(|job| job.stage == "at work in Salesforce")
}

fn snapshot_ended(status: &Status) -> bool {
    status.snapshot.as_ref().is_some_and(|it| !it.is_running())
}

#[test]
fn a_filled_table_goes_by_bulk_while_a_lone_lead_passes_it_and_a_stop_leaves_the_job_at_work() {
    let mut world = filled(ROWS);
    let hold = Fault::new(Action::BulkHold { after_rows: 0 });
    let hold = world.org.faults().add(hold.on(Endpoint::Bulk));
    world.start();
    let status = world.wait_for_status("a job at work", |status| {
        snapshot_ended(status) && is_at_work(status)
    });
    let parked = status.routes[0].totals.parked;
    assert!(parked > ROWS / 2, "{parked} records are in the job");
    // A lead that comes now does not wait for it.
    let before = world.org.stats().records_upserted;
    world.insert(1, 1);
    let passed = world
        .org
        .wait_for(PATIENCE, |it| it.records_upserted > before);
    assert!(passed, "the lead waits:\n{}", world.log());
    assert!(is_at_work(&world.status().unwrap()));
    // Stopped and started, the service goes on with the same job.
    let made = world.org.jobs().len();
    assert!(world.stop().success());
    world.start();
    world.wait_for_status("the job to be taken up", is_at_work);
    world.org.faults().remove(hold);
    world.org.faults().release_all();
    world.wait_for_status("the job's end", |status| {
        status.routes[0].totals.parked == 0
    });
    let judgement = world.judge_snapshot();
    assert!(judgement.rows > ROWS / 2, "{} rows", judgement.rows);
    let jobs = world.org.jobs();
    assert_eq!(jobs.len(), made, "{jobs:?}");
    let records: u64 = jobs.iter().map(|job| job.records).sum();
    let calls = world.org.stats().api_calls;
    println!(
        "{records} records in {} jobs, {calls} calls in all",
        jobs.len()
    );
    assert!(records > ROWS / 2, "{records} records by Bulk");
    assert!(
        calls < ROWS / 200,
        "{calls} calls are no fewer than without"
    );
}

/// The rows of a backlog: small here, of the size that the guarantees speak of with `LEADSTREAM_SOAK`.
fn backlog_rows() -> u64 {
    match std::env::var_os("LEADSTREAM_SOAK") {
        Some(_) => 1_000_000,
        None => 20_000,
    }
}

#[test]
fn a_backlog_costs_few_calls() {
    let rows = backlog_rows();
    let mut world = filled(rows);
    world.start();
    for step in 1..=100 {
        let goal = rows * step / 100;
        world.wait_for_status("progress", |status| {
            let route = &status.routes[0];
            route.captured - route.in_flight - route.totals.parked >= goal
        });
    }
    // The binlog that filled the table lies before the first start.
    world.wait_for_status("nothing behind", |status| {
        status.source.behind_bytes == Some(0)
    });
    let judgement = world.judge_snapshot();
    assert_eq!(judgement.rows, rows);
    let (jobs, calls) = (world.org.jobs().len(), world.org.stats().api_calls);
    println!("{rows} rows: {calls} calls, {jobs} jobs");
    assert!(calls <= 400 && calls < rows / 200 / 2, "{calls} calls");
}

#[test]
fn a_death_at_any_step_of_a_job_loses_nothing_and_sends_nothing_twice() {
    let mut world = World::new(Build::Failpoints);
    world.people = People::new(5, 40);
    world.set("source.start", "earliest");
    world.set("pace.bulk_from", "100");
    // The probes of an outage read back twice what is in flight: the rest is for a job.
    world.set("batch.max_records", "20");
    world.set("pace.max_in_flight", "1");
    world.set("retry.park_after", "0s");
    world.set("retry.base", "20ms");
    world.set("retry.cap", "200ms");
    for name in BULK_NAMES {
        world.set("failpoint", name);
        world.start();
        world.org.stop_listening();
        // In small spans: a probe reads one whole, and what it has read goes by calls.
        for rows in (50..=400).step_by(50) {
            world.insert(50, 50);
            world.wait_for_status("the rows to be parked", |status| {
                status.routes[0].totals.parked + 40 >= rows
            });
        }
        world.org.resume_listening().unwrap();
        let died = wait_until(PATIENCE, || (!world.service().is_running()).then_some(()));
        let status = world.status();
        assert!(
            died.is_some(),
            "{name} was never reached:\n{status:#?}\n{}",
            world.log()
        );
        world.kill();
        world
            .settings
            .retain(|(key, _)| key != "LEADSTREAM_FAILPOINT");
        world.start();
        let judgement = world.judge();
        println!("{name}: {} rows", judgement.rows);
    }
}
