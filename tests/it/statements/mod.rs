//! Promise 1 against everything at once: thousands of random statements of every kind that a
//! database sees, while leadstream and the servers are stopped, killed, started again and take each
//! other's place. What was captured must be what was committed, whatever the seed.
//!
//! A trigger notes every inserted row in a table that no route reads, in the row's own
//! transaction: that is what was committed, however the row was changed or removed afterwards.

mod script;

use script::{Script, Step};

use crate::harness::{Cluster, source};

const NOTE: &str = "CREATE TABLE crm.noted (id BIGINT UNSIGNED PRIMARY KEY, \
    last_name VARCHAR(80), email VARCHAR(120)) CHARACTER SET utf8mb4";
const ORDERS: &str = "CREATE TABLE crm.orders (id INT AUTO_INCREMENT PRIMARY KEY, note TEXT)";
const TRIGGER: &str = "CREATE TRIGGER crm.note AFTER INSERT ON crm.leads FOR EACH ROW \
    INSERT INTO crm.noted VALUES (NEW.id, NEW.last_name, NEW.email)";
const COMMITTED: &str =
    "SELECT CONCAT_WS('\u{1f}', id, IFNULL(last_name, ''), email) FROM crm.noted";

/// Statements of one seed.
const STATEMENTS: usize = 10_000;

/// Fixed here, many in a soak; one by itself to look into a failure.
fn seeds() -> Vec<u64> {
    if let Ok(seed) = std::env::var("LEADSTREAM_SEED") {
        return vec![seed.parse().expect("LEADSTREAM_SEED is a number")];
    }
    let count = if std::env::var_os("LEADSTREAM_SOAK").is_some() {
        25
    } else {
        2
    };
    // The generator takes odd ones.
    (0..count).map(|number| 20_261_123 + 2 * number).collect()
}

#[test]
fn what_was_captured_is_what_was_committed_after_random_statements() {
    for seed in seeds() {
        println!("LEADSTREAM_SEED={seed}");
        run(seed);
    }
}

fn run(seed: u64) {
    let mut cluster = Cluster::with_replicas(1);
    let world = &mut cluster.world;
    let kind = world.mysql.kind();
    world.count_by(COMMITTED);
    world.with_form(async |form| {
        form.execute(NOTE).await?;
        form.execute(ORDERS).await?;
        form.execute(TRIGGER).await
    });
    world.start();
    let mut script = Script::new(seed, STATEMENTS);
    let mut done = 0;
    while let Some(step) = script.next() {
        let world = &mut cluster.world;
        match step {
            Step::Statements(statements) => {
                done += statements.len();
                // A session of its own: what one leaves behind (an open transaction, a session's
                // settings, a prepared XA transaction) is the server's to deal with.
                world.with_form(async |form| {
                    for statement in &statements {
                        form.execute(&source::spoken(kind, statement)).await?;
                    }
                    Ok(())
                });
            }
            Step::StopLeadstream => {
                assert!(world.stop().success(), "a clean end:\n{}", world.log());
                world.start();
            }
            Step::KillLeadstream => {
                world.kill();
                world.start();
            }
            Step::KillLeadstreamAndLeaveItDown(statements) => {
                world.kill();
                done += statements.len();
                world.with_form(async |form| {
                    for statement in &statements {
                        form.execute(&source::spoken(kind, statement)).await?;
                    }
                    Ok(())
                });
                world.start();
            }
            Step::RestartMysql => world.mysql.restart().unwrap(),
            Step::KillMysql => {
                world.mysql.kill();
                world.mysql.restart().unwrap();
            }
            Step::FailOver { kill } => {
                cluster.catch_up(0);
                if kill {
                    cluster.world.mysql.kill();
                }
                cluster.promote(0);
                cluster.lead_to_primary();
                if kill {
                    cluster.others[0].restart().unwrap();
                }
                cluster.follow(0);
            }
        }
    }
    assert!(done >= STATEMENTS, "{done} statements");
    let world = &mut cluster.world;
    world.wait_caught_up();
    let judgement = world.judge();
    println!(
        "{done} statements: {} rows committed, {} delivered, {} set aside, {} skipped",
        judgement.rows,
        judgement.delivered.len(),
        judgement.dead_letters.len(),
        judgement.journal.skipped_rows,
    );
    assert!(judgement.rows > 1_000 && judgement.journal.skipped_rows > 100);
}
