//! Existing rows all the way to Salesforce: a first start on a filled table beside a writer, kills,
//! outages of both sides, and what a person may ask for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use leadstream::rehearsal::leads::{Form, People};
use salesforce_sandbox::{Action, Endpoint, Fault};

use crate::harness::{Build, PATIENCE, World};

/// A world whose table is filled before leadstream's first start, which begins with it.
fn filled(rows: usize, seed: u64) -> World {
    let mut world = World::new(Build::Release);
    world.people = People::new(seed, 40);
    world.insert(rows, 500);
    world.set("source.start", "snapshot");
    world.set("snapshot.chunk_rows", "200");
    world.set("snapshot.max_source_threads", "1000");
    world
}

/// Inserts, updates and deletes until it is told to stop; never touches what the oracle compares.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Writer {
    fn start(world: &World, seed: u64, rows: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (over, url) = (Arc::clone(&stop), world.mysql.url("root"));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let mut people = People::new(seed, 40);
                let mut form = None;
                let mut changes = 0;
                while !over.load(Ordering::Relaxed) {
                    // MySQL may be away meanwhile; what it did not take was not committed.
                    let Some(open) = &mut form else {
                        form = Form::open(&url).await.ok();
                        continue;
                    };
                    let id = 1 + people.below(rows);
                    let done = match people.below(4) {
                        0 => open.submit(&[people.next_lead()]).await.map(|_| ()),
                        1 if id.is_multiple_of(5) => {
                            open.execute(&format!("DELETE FROM crm.leads WHERE id = {id}"))
                                .await
                        }
                        _ => {
                            let number = people.below(10_000_000);
                            let sql = format!(
                                "UPDATE crm.leads SET phone = '+00 555 {number:07}' WHERE id = {id}"
                            );
                            open.execute(&sql).await
                        }
                    };
                    match done {
                        Ok(()) => changes += 1,
                        Err(_) => form = None,
                    }
                }
                changes
            })
        });
        Self { stop, thread }
    }

    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn seed() -> u64 {
    let seed = std::env::var("LEADSTREAM_SEED");
    let seed = seed.map_or(20_261_122, |seed| seed.parse().unwrap());
    println!("LEADSTREAM_SEED={seed}");
    seed
}

fn slow_down(world: &World) {
    let fault = Fault::new(Action::Delay {
        milliseconds: 20,
        after_commit: true,
    });
    world.org.faults().add(fault.on(Endpoint::Collections));
}

#[test]
fn a_first_start_brings_what_is_there_while_a_writer_goes_on() {
    let seed = seed();
    let mut world = filled(4_000, seed);
    let writer = Writer::start(&world, seed, 4_000);
    world.start();
    let status = world.wait_for_status("the snapshot's end", |status| {
        status.snapshot.as_ref().is_some_and(|s| !s.is_running())
    });
    let changes = writer.stop();
    assert!(changes > 50, "{changes} changes");
    let snapshot = status.snapshot.unwrap();
    assert!(snapshot.estimated_rows.is_some(), "{snapshot:?}");
    let judgement = world.judge_snapshot();
    assert!(
        judgement.rows > 3_000,
        "{} rows by the snapshot",
        judgement.rows
    );
    assert!(
        !judgement.dead_letters.is_empty(),
        "some people fill the form in badly"
    );
    // A later start does not begin again.
    world.start();
    let again = world.wait_for_status("the status", |status| status.snapshot.is_some());
    assert_eq!(again.snapshot.unwrap().number, snapshot.number);
}

#[test]
fn a_snapshot_survives_kills_at_random_moments() {
    let seed = seed();
    let kills = if std::env::var_os("LEADSTREAM_SOAK").is_some() {
        60
    } else {
        4
    };
    let mut random = People::new(seed, 0);
    let mut world = filled(6_000, seed);
    slow_down(&world);
    let writer = Writer::start(&world, seed, 6_000);
    world.start();
    for _ in 0..kills {
        let moment = world.org.stats().records_upserted + random.below(6_000 / kills);
        let reached = world
            .org
            .wait_for(PATIENCE, |stats| stats.records_upserted >= moment);
        assert!(reached, "no progress:\n{}", world.log());
        world.kill();
        world.start();
    }
    writer.stop();
    let judgement = world.judge_snapshot();
    assert!(
        judgement.rows > 4_000,
        "{} rows by the snapshot",
        judgement.rows
    );
}

#[test]
fn mysql_restarts_in_the_middle_of_a_snapshot() {
    let seed = seed();
    let mut world = filled(3_000, seed);
    slow_down(&world);
    world.start();
    let writer = Writer::start(&world, seed, 3_000);
    let some = |status: &leadstream::runtime::status::Status| {
        status.snapshot.as_ref().is_some_and(|s| s.rows_read >= 600)
    };
    world.wait_for_status("the first chunks", some);
    world.mysql.restart().unwrap();
    world.insert(100, 10);
    world.mysql.kill();
    world.mysql.restart().unwrap();
    let status = world.wait_for_status("the snapshot's end", |status| {
        status.snapshot.as_ref().is_some_and(|s| !s.is_running())
    });
    assert!(status.source.reconnects >= 1, "{status:?}");
    writer.stop();
    world.judge_snapshot();
}

#[test]
fn salesforce_is_away_in_the_middle_of_a_snapshot() {
    let seed = seed();
    let mut world = filled(3_000, seed);
    world.set("retry.park_after", "300ms");
    world.set("retry.cap", "1s");
    slow_down(&world);
    world.start();
    assert!(
        world
            .org
            .wait_for(PATIENCE, |stats| stats.records_upserted > 500)
    );
    world.org.stop_listening();
    // What is under way is parked, and the reader brings no more: the table would fill the disk.
    let status = world.wait_for_status("rows to be parked", |status| {
        let snapshot = status.snapshot.as_ref();
        let waits = snapshot.is_some_and(|snapshot| snapshot.waiting.is_some());
        let route = &status.routes[0];
        waits && route.totals.parked > 0 && route.in_flight == 0
    });
    assert!(status.snapshot.unwrap().rows_read < 3_000);
    world.kill();
    world.org.resume_listening().unwrap();
    world.start();
    let judgement = world.judge_snapshot();
    assert!(judgement.journal.parked_ever > 0);
    assert_eq!(judgement.rows, 3_000);
}

#[test]
fn a_first_start_waits_for_a_table_with_a_key() {
    let mut world = filled(100, 1);
    let statement = "ALTER TABLE crm.leads MODIFY id BIGINT UNSIGNED, DROP PRIMARY KEY";
    world.with_form(async |form| form.execute(statement).await);
    let answer = world.command(&["check"]);
    let told = format!("{}{}", answer.stdout, answer.stderr);
    assert!(answer.code == 1 && told.contains("LS1085"), "{answer:?}");

    // Once the first start is behind it, nothing begins by itself any more: a warning is enough.
    let statement = "ALTER TABLE crm.leads ADD PRIMARY KEY (id)";
    world.with_form(async |form| form.execute(statement).await);
    world.set("source.start", "now");
    world.start();
    let stands = |status: &leadstream::runtime::status::Status| status.checkpoint.is_some();
    world.wait_for_status("a place", stands);
    assert!(world.stop().success());
    world.set("source.start", "snapshot");
    let statement = "ALTER TABLE crm.leads MODIFY id BIGINT UNSIGNED, DROP PRIMARY KEY";
    world.with_form(async |form| form.execute(statement).await);
    let answer = world.command(&["check"]);
    let told = format!("{}{}", answer.stdout, answer.stderr);
    assert!(answer.code == 0 && told.contains("LS1085"), "{answer:?}");
    world.start();
    world.wait_for_status("the stream", |status| status.source.connected);
    assert!(world.log().contains("LS1095"), "{}", world.log());
}

#[test]
fn a_quiet_table_of_many_chunks_is_read_at_once() {
    let mut world = filled(2_000, 3);
    // A batch would wait this long for company; a chunk's end does not.
    world.set("batch.max_age", "30s");
    world.set("snapshot.chunk_rows", "100");
    world.start();
    let over = leadstream::rehearsal::service::wait_until(Duration::from_secs(60), || {
        let status = world.status()?;
        let snapshot = status.snapshot?;
        (!snapshot.is_running()).then_some(snapshot)
    });
    let snapshot = over.expect("twenty chunks take less than a minute");
    assert_eq!(snapshot.tables[0].chunks, 21);
    world.set("batch.max_age", "0s");
    assert!(world.stop().success());
    world.start();
    assert_eq!(world.judge_snapshot().rows, 2_000);
}

#[test]
fn a_person_asks_for_some_rows_beside_a_backlog_and_thinks_better_of_the_rest() {
    let mut world = World::new(Build::Release);
    world.people = People::new(5, 0);
    world.set("snapshot.chunk_rows", "100");
    world.set("snapshot.max_source_threads", "1000");
    world.insert(1_000, 500);
    slow_down(&world);
    world.start();
    let refused = |answer: &crate::harness::Answer, page: &str| {
        assert_eq!(answer.code, 1, "{answer:?}");
        assert_eq!(answer.errors()[0].page, page, "{answer:?}");
    };
    // What cannot be begun is said before anything is.
    let answer = world.command(&[
        "snapshot",
        "start",
        "--where",
        "e_mail = 'ada@mail.example'",
    ]);
    refused(&answer, "LS1086");
    assert!(!world.log().contains("ada@"), "a condition in the log");
    assert!(world.status().unwrap().snapshot.is_none());
    // The stream has a backlog while the rows that were there before it are read.
    world.insert(3_000, 300);
    let answer = world.command(&["snapshot", "start", "--where", "id % 2 = 0 AND id <= 1000"]);
    answer.data();
    world.wait_for_status("the snapshot's end", |status| {
        status.snapshot.as_ref().is_some_and(|s| !s.is_running())
    });
    let delivered = |world: &World| -> Vec<u64> {
        let key = |lead: &salesforce_sandbox::LeadSnapshot| {
            lead.fields["MySQL_Id__c"]
                .as_str()
                .unwrap()
                .parse()
                .unwrap()
        };
        world.org.leads().iter().map(key).collect()
    };
    let before: Vec<u64> = delivered(&world)
        .into_iter()
        .filter(|id| *id <= 1_000)
        .collect();
    assert_eq!(before.len(), 500);
    assert!(before.iter().all(|id| id % 2 == 0), "{before:?}");

    // The rest is asked for, slowly, and cancelled; what came stays, and the books balance.
    world.set("snapshot.max_rows_per_second", "100");
    assert!(world.stop().success());
    world.start();
    world.command(&["snapshot", "start"]).data();
    let some = |status: &leadstream::runtime::status::Status| {
        status.snapshot.as_ref().is_some_and(|s| s.rows_read >= 200)
    };
    world.wait_for_status("some chunks", some);
    world.command(&["snapshot", "cancel"]).data();
    let status = world.wait_for_status("rest", |status| {
        status.routes[0].in_flight == 0 && status.snapshot.as_ref().is_some_and(|s| !s.is_running())
    });
    assert!(status.routes[0].balances, "{status:?}");
    assert!(delivered(&world).len() < 4_000);
    // Nothing of it comes any more, and a new one brings all.
    world.set("snapshot.max_rows_per_second", "100000");
    assert!(world.stop().success());
    world.start();
    world.command(&["snapshot", "start"]).data();
    world.wait_for_status("the end", |status| {
        let snapshot = status.snapshot.as_ref();
        snapshot.is_some_and(|s| s.number == 3 && !s.is_running())
    });
    assert_eq!(delivered(&world).len(), 4_000);

    let statement = "ALTER TABLE crm.leads MODIFY id BIGINT UNSIGNED, DROP PRIMARY KEY";
    world.with_form(async |form| form.execute(statement).await);
    refused(&world.command(&["snapshot", "start"]), "LS1085");
}
