//! The budget of calls, end to end: it outlives a crash, it stops delivery and says until when, and
//! delivery goes on by itself.

use salesforce_sandbox::{Action, Endpoint, Fault, Preset};

use crate::harness::{Build, World};

#[test]
fn total_requests_exceeded_stops_says_until_when_and_goes_on_by_itself() {
    let mut world = World::new(Build::Release);
    world.set("retry.base", "100ms");
    world.set("retry.cap", "1s");
    world.start();
    world.insert(20, 20);
    world.wait_settled();
    let refused = Fault::new(Action::Preset {
        preset: Preset::TotalRequests,
        commit: false,
    });
    let fault = world.org.faults().add(refused.on(Endpoint::Collections));
    world.insert(40, 20);
    let status = world.wait_for_status("delivery to stop", |status| {
        let trouble = status.delivery.trouble.as_ref();
        trouble.is_some_and(|trouble| trouble.page == "LS2050")
    });
    let trouble = status.delivery.trouble.unwrap();
    assert!(trouble.next_try >= Some(trouble.since), "{trouble:?}");
    let budget = status.delivery.budget.unwrap();
    assert!(budget.calls_return_at > Some(trouble.since), "{budget:?}");
    assert!(budget.limit.is_some(), "{budget:?}");
    let told = world.command(&["status"]);
    for words in ["[LS2050]", "next at", "calls come back from"] {
        assert!(told.stdout.contains(words), "{}", told.stdout);
    }
    world.org.faults().remove(fault);
    world.wait_settled();
    assert_eq!(world.judge().delivered.len(), 60);
}

#[test]
fn a_spent_budget_stays_spent_across_a_crash_and_parks_what_waits() {
    let mut world = World::new(Build::Release);
    world.set("batch.max_records", "1");
    world.set("pace.daily_calls", "30");
    world.set("pace.reserve_percent", "0");
    world.set("retry.park_after", "200ms");
    world.start();
    world.insert(60, 10);
    let is_held = |status: &leadstream::runtime::status::Status| {
        let trouble = status.delivery.trouble.as_ref();
        trouble.is_some_and(|trouble| trouble.page == "LS2090")
            && status.routes[0].totals.parked > 0
            && status.routes[0].in_flight == 0
    };
    let held = world.wait_for_status("the budget to be spent", is_held);
    let delivered = held.routes[0].totals.delivered();
    let org = world.org.usage().api_calls;
    assert!(org.used <= 30, "{org:?}");
    assert!(delivered > 0 && delivered <= 30, "{held:?}");
    let budget = held.delivery.budget.unwrap();
    let hours = budget
        .held_until
        .unwrap()
        .seconds_since(held.oldest_unsettled.unwrap())
        / 3600.0;
    assert!((22.0..=26.0).contains(&hours), "until in {hours} hours");
    world.kill();
    world.start();
    let again = world.wait_for_status("the budget to be known still", is_held);
    assert_eq!(again.routes[0].totals.delivered(), delivered);
    world.kill();
    world.set("pace.daily_calls", "1000");
    world.start();
    world.wait_settled();
    assert_eq!(world.judge().delivered.len(), 60);
}
