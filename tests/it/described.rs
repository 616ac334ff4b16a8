//! Salesforce's schema changes while the service runs: the route waits, says why, and goes on by
//! itself when its mapping fits again.

use leadstream::runtime::status::Status;
use salesforce_sandbox::{OrgConfig, Sandbox};

use crate::harness::{Build, World};

/// Another org at the same address: as if an administrator had changed this one.
fn replace_org(world: &mut World, config: OrgConfig) {
    let address = world.org.address();
    world.org.stop_listening();
    world.org = Sandbox::start(address, config).expect("the org starts again");
}

#[test]
fn a_field_that_goes_away_makes_its_route_wait_until_it_is_back() {
    let mut world = World::new(Build::Failpoints);
    world.set("retry.cap", "1s");
    world.set("retry.base", "100ms");
    world.start();
    world.insert(5, 5);
    world.wait_settled();
    let without = OrgConfig {
        hidden_fields: vec!["Phone".to_owned()],
        ..OrgConfig::default()
    };
    replace_org(&mut world, without);
    world.insert(5, 5);
    let page = |status: &Status| {
        let trouble = status.routes[0].trouble.as_ref();
        trouble.map(|trouble| trouble.page.clone())
    };
    let status = world.wait_for_status("the mapping to be found unfit", |status| {
        page(status).as_deref() == Some("LS5008")
    });
    let trouble = status.routes[0].trouble.as_ref().unwrap();
    for part in ["Lead has changed", "route[0].fields.Phone", "LS5002"] {
        assert!(trouble.text.contains(part), "{trouble:?}");
    }
    world.insert(5, 5);
    world.wait_for_status("what comes to be kept on disk", |status| {
        status.routes[0].totals.parked == 10
    });
    let again = world.command(&["describe"]);
    assert!(again.data().contains("no object has changed"), "{again:?}");

    replace_org(&mut world, OrgConfig::default());
    let status = world.wait_settled();
    assert_eq!(page(&status), None, "{status:?}");
    let totals = &status.routes[0].totals;
    assert_eq!((totals.created, totals.dead_letters_open), (15, 0));
    assert_eq!(world.org.leads().len(), 10, "each of them once");
}
