//! A disk that fills under the running service: nothing is lost, nothing is sent into the dark, and
//! it goes on by itself.

use leadstream::state::Room;

use crate::harness::{Build, World};

#[test]
fn a_full_disk_stops_sending_and_room_lets_it_go_on() {
    let mut world = World::new(Build::Failpoints);
    world.start();
    world.insert(20, 5);
    let before = world.wait_settled();
    assert_eq!(before.disk.room, Room::Enough);
    assert!(before.state.free_bytes.is_some());

    // Less than the reserve is free, and then not even that much.
    let quota = world.state().join("quota");
    std::fs::write(&quota, (before.state.journal_bytes + 1_000).to_string()).unwrap();
    let low = world.wait_for_status("sending has stopped", |status| {
        status.disk.room != Room::Enough
    });
    assert_eq!(low.disk.trouble.unwrap().page, "LS3030");
    let (code, reason) = world.get("/readyz").unwrap();
    assert_eq!(code, 503);
    assert!(reason.contains("LS3030"), "{reason}");
    let (_, metrics) = world.get("/metrics").unwrap();
    assert!(metrics.contains("leadstream_disk_low 1"), "{metrics}");
    world.insert(40, 10);

    std::fs::remove_file(&quota).unwrap();
    world.wait_for_status("there is room", |status| status.disk.room == Room::Enough);
    let judgement = world.judge();
    assert_eq!(judgement.rows, 60);
}
