//! The service's memory while it reads what is larger than its memory: it must not follow the size
//! of a transaction, packed or not, nor that of a backlog.
//!
//! Small here, of the size that the targets speak of with `LEADSTREAM_SOAK`;
//! `LEADSTREAM_MEMORY_ROWS` sets the number of rows.

use leadstream::rehearsal::MysqlOptions;
use salesforce_sandbox::OrgConfig;

use super::dialect;
use crate::harness::{Build, World, source};

/// The target of docs/performance.md.
const BOUND_MIB: u64 = 128;
/// What a service that has seen a quarter of the rows may still grow by. The allocator's holes between
/// what the index takes and frees need most of it, and most of it within the first million rows.
const GROWTH_MIB: u64 = 32;

fn rows(soak: u64) -> u64 {
    let rows = std::env::var("LEADSTREAM_MEMORY_ROWS").ok();
    match rows.map(|rows| rows.parse().expect("a number of rows")) {
        Some(rows) => rows,
        None if std::env::var_os("LEADSTREAM_SOAK").is_some() => soak,
        None => 24_000,
    }
}

/// The most that was ever resident, in MiB (proc(5)).
fn peak_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB").trim();
    kib.parse::<u64>().unwrap() / 1024
}

/// A world whose server takes large transactions quickly.
fn world() -> World {
    let mysql = MysqlOptions {
        extra_args: [
            "--max-allowed-packet=1G",
            "--innodb-redo-log-capacity=1G",
            "--binlog-cache-size=4M",
            "--innodb-flush-log-at-trx-commit=0",
            "--sync-binlog=0",
        ]
        .map(str::to_owned)
        .into(),
        ..MysqlOptions::default()
    };
    World::with(Build::Release, mysql, OrgConfig::default())
}

/// Statements that commit that many rows: one transaction, or many of 1,000.
fn fill(world: &mut World, session: &str, rows: u64, in_one: bool) {
    let columns = "first_name, last_name, company, email, phone, country, employees, plan";
    let at_once = 1_000;
    let session = source::spoken(world.mysql.kind(), session);
    world.with_form(async |form| {
        form.execute(&session).await?;
        if in_one {
            form.execute("BEGIN").await?;
        }
        for piece in 0..rows / at_once {
            let values: Vec<String> = (0..at_once)
                .map(|row| {
                    let n = piece * at_once + row;
                    let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    format!(
                        "('Person {mixed:x}','Last {n}','Company {mixed} and {} sons, of long standing',\
                         'person{n}@{mixed:x}.example','+00 555 {n:07}','Kenya',{},'Team')",
                        mixed % 977,
                        n % 5_000
                    )
                })
                .collect();
            form.execute(&format!(
                "INSERT INTO crm.leads ({columns}) VALUES {}",
                values.join(",")
            ))
            .await?;
        }
        if in_one {
            form.execute("COMMIT").await?;
        }
        Ok(())
    });
}

/// Lets leadstream read all of it, and holds its memory against the bounds.
#[track_caller]
fn check(case: &str, world: &mut World, rows: u64) {
    world.spawn();
    let mut quarter = 0;
    for step in 1..=100 {
        let goal = rows * step / 100;
        world.wait_for_status("progress", |status| {
            status
                .routes
                .iter()
                .map(|route| route.captured - route.in_flight)
                .sum::<u64>()
                >= goal
        });
        if step == 25 {
            quarter = peak_mib(world.service().id());
        }
    }
    let peak = peak_mib(world.service().id());
    println!("{case}: {rows} rows, resident at most {peak} MiB, {quarter} MiB after a quarter");
    assert!(peak <= BOUND_MIB, "{case}: {peak} MiB");
    assert!(
        peak <= quarter + GROWTH_MIB,
        "{case}: from {quarter} to {peak} MiB"
    );
}

#[test]
fn memory_does_not_follow_the_size_of_a_transaction() {
    for (case, session) in [
        ("one transaction", dialect::PLAIN),
        ("one compressed transaction", dialect::COMPRESSED),
    ] {
        let rows = rows(1_000_000);
        let mut world = world();
        world.set("source.start", "earliest");
        fill(&mut world, session, rows, true);
        check(case, &mut world, rows);
    }
}

#[test]
fn memory_does_not_follow_the_size_of_a_backlog() {
    let rows = rows(5_000_000);
    let mut world = world();
    world.set("source.start", "earliest");
    fill(&mut world, dialect::PLAIN, rows, false);
    check("a backlog", &mut world, rows);
}
