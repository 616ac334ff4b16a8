//! A mapping with everything in it, from MySQL to Salesforce: by the snapshot and by the stream.

use leadstream::core::entry::SkipRule;
use salesforce_sandbox::LeadSnapshot;

use crate::harness::{Build, World};

const LONG: &str =
    "Lovelace-Lovelace-Lovelace-Lovelace-Lovelace-Lovelace-Lovelace-Lovelace-Lovelac";

fn insert(last_name: &str, employees: &str, revenue: &str) -> String {
    format!(
        "INSERT INTO crm.leads (first_name, last_name, company, country, plan, employees, \
         annual_revenue, birthday) VALUES ('Ada', '{last_name}', 'Acme', 'DE', 'Team', {employees}, \
         {revenue}, '1999-12-31')"
    )
}

fn field<'l>(lead: &'l LeadSnapshot, name: &str) -> &'l str {
    lead.fields[name].as_str().unwrap_or_default()
}

#[test]
fn filters_expressions_templates_maps_and_cuts_work_from_end_to_end() {
    let mut world = World::new(Build::Failpoints);
    world.set("batch.max_age", "10ms");
    world.set("source.start", "snapshot");
    for (from, to) in [
        (
            "auto_assign = false",
            "auto_assign = false\nwhere = '''employees > 10 && annual_revenue >= 99.9 && birthday < \
             \"2000-01-01\"'''",
        ),
        ("Birthday__c = \"birthday\"\n", ""),
        (
            "FirstName = \"first_name\"",
            "FirstName = { template = \"{first_name} ({plan}){phone}\" }",
        ),
        (
            "LastName = \"last_name\"",
            "LastName = { expression = \"last_name + string(employees)\", on_too_long = \"truncate\" }",
        ),
        (
            "Country = \"country\"",
            "Country = { column = \"country\", map = { DE = \"Germany\" } }",
        ),
    ] {
        world.edit_config(from, to);
    }
    world.execute(&[
        &insert("Byron", "11", "99.90"),
        &insert("Small", "10", "99.90"),
    ]);
    world.start();
    let status = world.wait_for_status("the snapshot's end", |status| {
        let snapshot = status.snapshot.as_ref();
        snapshot.is_some_and(|snapshot| !snapshot.is_running())
    });
    // What the filter surely leaves out is not read.
    assert_eq!(status.snapshot.as_ref().unwrap().rows_read, 1);
    world.execute(&[
        &insert(LONG, "12", "1000"),
        &insert("Poor", "11", "99.89"),
        &insert("Unknown", "NULL", "99.90"),
    ]);

    let status = world.wait_for_status("four rows with their outcomes", |status| {
        let route = &status.routes[0];
        route.captured == 4 && route.in_flight == 0 && route.totals.parked == 0
    });
    let route = &status.routes[0];
    assert!(route.balances, "{route:?}");
    assert_eq!(route.totals.created, 2);
    assert_eq!(route.totals.skipped[&SkipRule::Where], 1);
    assert_eq!(route.totals.dead_lettered["mapping"], 1);
    let leads = world.org.leads();
    let named = |name: &str| {
        let lead = leads.iter().find(|lead| field(lead, "LastName") == name);
        lead.unwrap_or_else(|| panic!("{name} is not in Salesforce: {leads:#?}"))
    };
    let byron = named("Byron11");
    assert_eq!(field(byron, "FirstName"), "Ada (Team)");
    assert_eq!(field(byron, "Country"), "Germany");
    let cut = format!("{LONG}1");
    assert_eq!(cut.len(), 80);
    named(&cut);

    let left_out = world.command(&["trace", "4"]);
    assert!(
        left_out.stdout.contains("left out by the route's filter"),
        "{left_out:?}"
    );
    assert!(!left_out.stdout.contains("Poor"), "{left_out:?}");
    let undecided = world.command(&["trace", "5"]);
    assert!(
        undecided.stdout.contains("FILTER_UNDECIDED"),
        "{undecided:?}"
    );
    assert!(
        undecided.stdout.contains("employees is NULL"),
        "{undecided:?}"
    );
    let (_, metrics) = world.get("/metrics").unwrap();
    let counted = "leadstream_records_skipped_total{route=\"leads\",rule=\"where\"} 1";
    assert!(metrics.contains(counted), "{metrics}");

    // A snapshot does not even read what the filter surely leaves out, as far as SQL can tell.
    let mut wanted = Vec::new();
    world.with_form(async |form| {
        let count = "SELECT COUNT(*) FROM crm.leads WHERE employees > 10 OR employees IS NULL";
        wanted = form.texts(count).await?;
        Ok(())
    });
    world.command(&["snapshot", "start"]);
    let status = world.wait_for_status("the snapshot's end", |status| {
        status.snapshot.as_ref().is_some_and(|it| !it.is_running())
    });
    let read = status.snapshot.unwrap().tables[0].rows;
    assert_eq!(read.to_string(), wanted[0]);
    assert!(
        read < 5,
        "{read} rows: the one with few employees is not read"
    );
}
