//! Refusals that hit most of a batch for a reason that no record can help: the route waits, says
//! why, and sets nobody aside.

use super::{quick_world, record_error};
use crate::harness::{Build, World};

const CAUSES: &[(&str, &str)] = &[
    ("STORAGE_LIMIT_EXCEEDED", "LS2065"),
    ("EXCEEDED_QUOTA", "LS2065"),
    ("LICENSE_LIMIT_EXCEEDED", "LS2065"),
    (
        "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE",
        "LS2040",
    ),
    ("INSUFFICIENT_ACCESS_OR_READONLY", "LS2064"),
    ("INVALID_FIELD_FOR_INSERT_UPDATE", "LS2060"),
    ("CANNOT_EXECUTE_FLOW_TRIGGER", "LS2095"),
    ("INACTIVE_OWNER_OR_USER", "LS2096"),
    ("DUPLICATE_EXTERNAL_ID", "LS2097"),
    ("FUNCTIONALITY_NOT_ENABLED", "LS2098"),
];

#[test]
fn most_of_a_batch_refused_by_configuration_pauses_the_route() {
    let mut world = quick_world(World::new(Build::Release));
    world.start();
    for (at, (code, page)) in CAUSES.iter().enumerate() {
        // Three of twenty pass, whatever the others meet.
        let keys = (1..=17).map(|key| (at * 20 + key).to_string());
        let fault = world.org.faults().add(record_error(code, "").keys(keys));
        world.insert(20, 20);
        let shown = world.wait_for_status(&format!("{code} to be shown"), |status| {
            let route = status.routes[0].trouble.as_ref();
            let troubles = [route, status.delivery.trouble.as_ref()];
            troubles
                .into_iter()
                .flatten()
                .any(|trouble| trouble.page == *page)
        });
        assert_eq!(shown.routes[0].totals.dead_letters_open, 0, "{code}");
        let troubles = [&shown.routes[0].trouble, &shown.delivery.trouble];
        let trouble = troubles.into_iter().flatten().next().unwrap();
        assert!(trouble.text.contains(code), "{trouble:?}");
        assert!(!trouble.remedy.contains("see the page"), "{trouble:?}");
        world.org.faults().remove(fault);
        world.wait_settled();
    }
    assert_eq!(world.judge().delivered.len(), 20 * CAUSES.len());
}
