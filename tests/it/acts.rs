//! What an operator asks: a paused route sends nothing, through a crash too, until it is resumed;
//! and who asked is told.

use leadstream::core::acts::OperatorPause;
use leadstream::runtime::route_acts::RouteActed;
use leadstream::state::Activity;

use crate::harness::{Build, World};

fn acted(world: &World, arguments: &[&str]) -> RouteActed {
    let answer = world.command(arguments);
    serde_json::from_value(answer.json()).unwrap_or_else(|_| panic!("{answer:?}"))
}

#[test]
fn a_paused_route_waits_through_a_crash_and_resumed_sends_everything_once() {
    let mut world = World::new(Build::Failpoints);
    world.start();
    world.insert(5, 5);
    let status = world.wait_settled();
    let route = status.routes[0].name.clone();
    let reason = "the org is being moved, ask Grace";
    let pause = ["--json", "pause", route.as_str(), "--reason", reason];
    let paused = acted(&world, &pause);
    assert!(paused.changed, "{paused:?}");
    let again = acted(&world, &["--json", "pause", &route, "--reason", "again"]);
    assert!(!again.changed, "{again:?}");
    assert_eq!(again.pause.as_ref().unwrap().reason, reason);
    let unknown = world.command(&["pause", "no_such_route", "--reason", "x"]);
    assert!(format!("{unknown:?}").contains("LS6071"), "{unknown:?}");
    let silent = world.command(&["pause", &route, "--reason", " "]);
    assert!(format!("{silent:?}").contains("LS6072"), "{silent:?}");

    world.insert(7, 7);
    let waits = |status: &leadstream::runtime::status::Status| {
        let route = &status.routes[0];
        route.totals.parked == 7 && route.in_flight == 0 && route.balances
    };
    world.wait_for_status("what comes to be kept on disk", waits);
    world.kill();
    world.start();
    let status = world.wait_for_status("it to wait still", waits);
    assert_eq!(
        status.routes[0].operator_pause, None,
        "anybody sees this one"
    );
    let shown = world.command(&["--json", "status"]).json();
    let still = &shown["routes"][0]["operator_pause"];
    let still: OperatorPause = serde_json::from_value(still.clone()).expect("a pause");
    assert_eq!(still.reason, reason);
    assert_eq!(Some(&still), paused.pause.as_ref());
    let trouble = status.routes[0].trouble.as_ref().unwrap();
    assert_eq!(
        (trouble.page.as_str(), trouble.since),
        ("LS6070", still.since)
    );
    let metrics = world.get("/metrics").unwrap().1;
    let gauge = format!("leadstream_delivery_paused{{route=\"{route}\"}} 1");
    assert!(metrics.contains(&gauge), "{metrics}");
    assert_eq!(world.org.leads().len(), 5, "nothing was sent");
    let shown = world.command(&["status"]);
    assert!(shown.data().contains(reason), "{shown:?}");
    let anybody = world.get("/api/v1/status").unwrap().1;
    assert!(anybody.contains("LS6070"), "{anybody}");
    assert!(
        !anybody.contains(reason) && !anybody.contains("\"author\""),
        "{anybody}"
    );

    assert!(acted(&world, &["--json", "resume", &route]).changed);
    assert!(!acted(&world, &["--json", "resume", &route]).changed);
    let status = world.wait_settled();
    assert_eq!(status.routes[0].totals.created, 12, "each of them once");
    assert_eq!(world.org.leads().len(), 12);

    let told = world.command(&["--json", "audit", "activity", "--author", &still.author]);
    let acts: Vec<Activity> = told
        .data()
        .lines()
        .map(|line| serde_json::from_str(line).expect("an act"))
        .collect();
    let what: Vec<(&str, &str)> = acts
        .iter()
        .map(|act| (act.what.as_str(), act.reason.as_str()))
        .collect();
    assert_eq!(what, [("resume_route", ""), ("pause_route", reason)]);
    assert!(
        acts.iter()
            .all(|act| act.route.as_deref() == Some(route.as_str()))
    );
    let nobody = world.command(&["--json", "audit", "activity", "--author", "nobody"]);
    assert_eq!(nobody.data(), "");
}
