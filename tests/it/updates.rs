//! Routes that carry updates: a lead is what its row is, from whole and from minimal row images, and
//! a killed process leaves nothing behind that a later image could lose to.

use std::collections::BTreeMap;

use leadstream::rehearsal::service::wait_until;
use salesforce_sandbox::{Action, Endpoint, Fault};

use crate::harness::{Build, PATIENCE, World};

fn world() -> World {
    let mut world = World::new(Build::Release);
    world.edit_config(
        "operations = [\"insert\"]",
        "operations = [\"insert\", \"update\"]",
    );
    world.set("batch.max_age", "20ms");
    world.execute(&["ALTER TABLE crm.leads ADD COLUMN note VARCHAR(40)"]);
    world.start();
    world.insert(20, 20);
    world.wait_settled();
    world
}

/// By key: last name, company and e-mail in the table.
fn rows(world: &mut World) -> BTreeMap<String, Vec<String>> {
    let sql = "SELECT CONCAT_WS('\u{1f}', id, last_name, IFNULL(company, 'Unknown'), email) FROM crm.leads";
    let texts = world.with_form(async |form| form.texts(sql).await);
    let split = |text: &String| text.split('\u{1f}').map(str::to_owned).collect::<Vec<_>>();
    let rows = texts.iter().map(split);
    rows.map(|row| (row[0].clone(), row[1..].to_vec()))
        .collect()
}

/// The same in Salesforce.
fn leads(world: &World) -> BTreeMap<String, Vec<String>> {
    let leads = world.org.leads();
    let leads = leads.iter().map(|lead| {
        let text = |name: &str| lead.fields[name].as_str().unwrap_or_default().to_owned();
        let fields = ["LastName", "Company", "Email"].map(text).to_vec();
        (text("MySQL_Id__c"), fields)
    });
    leads.collect()
}

#[test]
fn a_lead_becomes_what_its_row_becomes_and_what_is_not_mapped_costs_no_call() {
    let mut world = world();
    world.execute(&[
        "UPDATE crm.leads SET last_name = CONCAT('Whole', id) WHERE id <= 10",
        "UPDATE crm.leads SET note = 'called' WHERE id <= 6",
        "SET SESSION binlog_row_image = MINIMAL",
        "UPDATE crm.leads SET company = CONCAT('Minimal', id) WHERE id > 5",
        // One image that only both updates make.
        "UPDATE crm.leads SET email = CONCAT('e', id, '@example.com') WHERE id > 5",
        "UPDATE crm.leads SET note = 'called again' WHERE id <= 4",
        "UPDATE crm.leads SET company = NULL WHERE id = 20",
        "DELETE FROM crm.leads WHERE id = 1",
    ]);
    let status = world.wait_caught_up();
    let books = &status.routes[0];
    let skipped = |rule: &str| {
        let totals = serde_json::to_value(&books.totals.skipped).unwrap();
        totals[rule].as_u64().unwrap_or(0)
    };
    assert!(books.balances, "{books:?}");
    assert_eq!(skipped("unchanged"), 10, "{books:?}");
    assert_eq!(skipped("operation_not_routed"), 1, "{books:?}");
    assert_eq!(books.captured, 20 + 10 + 15 + 15 + 10 + 1 + 1);
    assert_eq!(books.totals.dead_letters_open, 0);
    let mut found = leads(&world);
    assert!(found.remove("1").is_some(), "deletes are not carried");
    assert_eq!(found["20"][1], "Unknown", "the default for NULL");
    assert_eq!(found, rows(&mut world));

    // A key that changes is another record; one that is only named again is none.
    world.execute(&[
        "UPDATE crm.leads SET id = 900 WHERE id = 2",
        "SET SESSION binlog_row_image = MINIMAL",
        "UPDATE crm.leads SET id = 901 WHERE id = 3",
        "UPDATE crm.leads SET last_name = 'Same' WHERE id = 4",
    ]);
    world.wait_caught_up();
    let found = leads(&world);
    assert!(["2", "900", "4"].iter().all(|key| found.contains_key(*key)));
    let counted = "leadstream_key_changes_total{route=\"leads\"} 2\n";
    let counted = wait_until(PATIENCE, || {
        let (_, metrics) = world.get("/metrics")?;
        metrics.contains(counted).then_some(())
    });
    assert!(counted.is_some(), "{:?}", world.get("/metrics"));
}

#[test]
fn after_a_kill_what_may_be_under_way_goes_first_and_newer_images_wait() {
    let mut world = world();
    let hold = world.org.faults().add(
        Fault::new(Action::Hold {
            after_commit: false,
        })
        .on(Endpoint::Collections),
    );
    world.execute(&[
        "UPDATE crm.leads SET last_name = CONCAT('First', id) WHERE id <= 10",
        "SET SESSION binlog_row_image = MINIMAL",
        "UPDATE crm.leads SET last_name = CONCAT('First', id) WHERE id > 10",
    ]);
    let held = |stats: &salesforce_sandbox::Stats| stats.held_requests > 0;
    assert!(world.org.wait_for(PATIENCE, held), "{}", world.log());
    world.kill();
    world.org.faults().remove(hold);
    world.start();
    world.wait_caught_up();
    assert_eq!(leads(&world), rows(&mut world));

    // The call of the first life may still come: nothing newer goes, other leads do.
    world.execute(&["UPDATE crm.leads SET last_name = 'Second' WHERE id = 1"]);
    world.insert(1, 1);
    let arrived = wait_until(PATIENCE, || (leads(&world).len() == 21).then_some(()));
    assert!(arrived.is_some(), "{}", world.log());
    let status = world.wait_for_status("the newer image alone to wait", |status| {
        status.routes[0].in_flight == 1
    });
    assert!(status.routes[0].balances, "{status:?}");
    assert_eq!(leads(&world)["1"][0], "First1");
    // It is not lost by a stop either.
    assert!(world.stop().success());
}
