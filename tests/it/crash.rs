//! Promises 1, 2, 4 and 5: `kill -9` of leadstream at any moment loses nothing, repeats nothing in
//! effect, and leaves books that balance.

use leadstream::rehearsal::leads::People;
use salesforce_sandbox::{Action, Endpoint, Fault};

use crate::harness::{Build, PATIENCE, World};

/// Fixed here, many in a soak.
fn kills() -> usize {
    if std::env::var_os("LEADSTREAM_SOAK").is_some() {
        500
    } else {
        25
    }
}

#[test]
fn ten_thousand_leads_survive_kills_at_random_moments() {
    let seed = std::env::var("LEADSTREAM_SEED")
        .ok()
        .map_or(20_261_122, |s| s.parse().unwrap());
    println!("LEADSTREAM_SEED={seed}");
    let mut random = People::new(seed, 0);
    let mut world = World::new(Build::Release);
    world.people = People::new(seed, 50);
    // A little slower than this machine, so that a kill finds calls in flight.
    world.org.faults().add(
        Fault::new(Action::Delay {
            milliseconds: 15,
            after_commit: false,
        })
        .on(Endpoint::Collections),
    );
    world.org.faults().add(
        Fault::new(Action::Delay {
            milliseconds: 15,
            after_commit: true,
        })
        .on(Endpoint::Collections),
    );
    world.start();
    let per_life = 10_000 / kills();
    for _ in 0..kills() {
        let before = world.org.stats().records_upserted;
        world.insert(per_life, 97);
        let moment = before + random.below(per_life as u64);
        let reached = world
            .org
            .wait_for(PATIENCE, |stats| stats.records_upserted >= moment);
        assert!(reached, "no progress:\n{}", world.log());
        world.kill();
        world.start();
    }
    let judgement = world.judge();
    assert_eq!(judgement.rows, (per_life * kills()) as u64);
    assert!(
        !judgement.dead_letters.is_empty(),
        "some people fill the form in badly"
    );
}

#[test]
fn a_start_in_the_middle_of_a_large_transaction_goes_on_inside_it() {
    let mut world = World::new(Build::Release);
    let id = world.org.faults().add(
        Fault::new(Action::Hold { after_commit: true })
            .on(Endpoint::Collections)
            .skip(5),
    );
    world.start();
    world.insert(5_000, 5_000);
    // Five calls are answered, the others are committed and never answered.
    assert!(
        world
            .org
            .wait_for(PATIENCE, |stats| stats.held_requests == 4)
    );
    world.wait_for_status("the first rows to be durable", |status| {
        let mut inside = status.checkpoint.iter().flat_map(|it| it.inside.iter());
        inside.any(|inside| inside.rows.values().sum::<u64>() > 0)
    });
    world.kill();
    world.org.faults().remove(id);
    world.start();
    assert_eq!(world.judge().rows, 5_000);
}
