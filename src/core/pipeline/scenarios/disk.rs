//! A disk that is nearly full: nothing is begun, what is under way comes back.

use super::*;

#[test]
fn without_room_nothing_is_begun_and_what_is_under_way_is_entered() {
    let mut stage = Stage::new();
    stage.capture(0..1);
    stage.tick += 10_000;
    stage.step(Input::Timer);
    assert_eq!(stage.calls.len(), 1);

    stage.pipeline.note_disk(true);
    assert!(!stage.pipeline.has_room());
    stage.capture(1..4);
    assert!(stage.answer(accept), "the call under way comes back");
    assert_eq!(stage.delivered(), 1);
    // Long enough for batches to close and for what waits to be parked.
    for _ in 0..50 {
        stage.tick += 60_000;
        stage.step(Input::Timer);
    }
    assert!(stage.calls.is_empty(), "nothing is sent");
    assert_eq!(stage.delivered(), 1);
    let wake = stage.pipeline.next_wake(Tick(stage.tick));
    assert!(
        wake.is_none_or(|at| at > Tick(stage.tick)),
        "it would spin: {wake:?}"
    );

    stage.pipeline.note_disk(false);
    assert!(stage.pipeline.has_room());
    stage.step(Input::Timer);
    while stage.delivered() < 4 {
        assert!(stage.answer(accept), "nothing wakes it");
    }
    for route in stage.pipeline.view().routes {
        assert!(route.balances() && route.in_flight == 0 && route.captured == 4);
    }
}
