//! Promise 5 at each durability boundary: the process dies exactly there, and the next start finds
//! everything that was acknowledged.

use leadstream::failpoint::NAMES;
use leadstream::rehearsal::leads::People;

use crate::harness::{Build, World};

#[test]
fn a_death_at_any_durability_boundary_loses_nothing() {
    // One world goes through all of them: what one death left must also survive the next.
    let mut world = World::new(Build::Failpoints);
    world.people = People::new(5, 30);
    // A death before "now" is durable would begin behind the rows; that is no loss, but no test.
    world.set("source.start", "earliest");
    for name in NAMES {
        // At the first hit, and when work is under way.
        for hit in [1, 4] {
            die_at(&mut world, name, hit);
        }
    }
}

fn die_at(world: &mut World, name: &str, hit: u32) {
    world.set("failpoint", &format!("{name}:{hit}"));
    world.spawn();
    // Rows may come while it is dead already: they wait in the binlog.
    world.wait_until_started_or_dead();
    for _ in 0..6 {
        world.insert(60, 20);
        if !world.service().is_running() {
            break;
        }
        world.wait_progress_or_dead();
    }
    let died = !world.service().is_running();
    // A roll and the index's sync need more than a short life; the state's own tests show them.
    let must_die = !name.contains("roll") && !name.contains("index");
    assert!(
        died || !must_die,
        "{name}:{hit} was never reached:\n{}",
        world.log()
    );
    world.kill();
    world
        .settings
        .retain(|(key, _)| key != "LEADSTREAM_FAILPOINT");
    world.start();
    let judgement = world.judge();
    println!("{name}:{hit}: died {died}, {} rows", judgement.rows);
}
