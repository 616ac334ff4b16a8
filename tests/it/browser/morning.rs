//! The morning of somebody in sales operations.

use leadstream::operator::Role;
use salesforce_sandbox::LeadSnapshot;
use serde_json::Value;

use super::crm::{Row, crm, token};
use super::script::Script;
use crate::harness::{Build, World};

fn lead(world: &World, key: u64) -> Option<LeadSnapshot> {
    let found = world
        .org
        .leads_by_key("MySQL_Id__c", [key.to_string().as_str()]);
    found.unwrap().into_iter().next()
}

fn text(lead: &LeadSnapshot, field: &str) -> String {
    let value = lead.fields.get(field).and_then(Value::as_str);
    value.unwrap_or_default().to_owned()
}

#[test]
fn a_sales_operations_morning() {
    let mut world = crm(Build::Failpoints);
    let operator = token(&mut world, "morgan", Role::Operator);
    let viewer = token(&mut world, "vera", Role::Viewer);
    world.start();
    let people = ["Ada", "Björn", "Chloé", "Dmitri", "Élodie", "Fatou", "Hana"];
    let mut rows: Vec<Row> = people.map(|name| Row::new(name).state("Bayern")).into();
    rows.push(Row::new("Kenji").plan("Platinum"));
    rows.push(Row::new("Nobody").email("asdf"));
    rows.extend(["Lucía", "Mehmet", "Nia"].map(Row::new));
    super::crm::insert(&mut world, &rows);
    world.wait_settled();
    let refused = rows.len() - 3;
    assert_eq!(world.org.leads().len(), 3, "{refused} are refused");

    let told = Script::new("morning", &world)
        .with("token", operator)
        .with("viewer", viewer)
        .run();

    // What the browser showed is so.
    for key in 1..=7 {
        let lead = lead(&world, key).unwrap_or_else(|| panic!("{key} did not arrive"));
        assert_eq!(text(&lead, "State__c"), "Bavaria");
    }
    let kenji = lead(&world, 8).expect("it arrived");
    assert_eq!(text(&kenji, "Plan__c"), "Enterprise");
    assert!(lead(&world, 9).is_none(), "it was discarded");
    let ada = lead(&world, 1).unwrap();
    let link = told["link"].as_str().unwrap();
    assert!(link.ends_with(&ada.id) || link.contains(&ada.id), "{link}");
    let status = world.status().unwrap();
    let totals = &status.routes[0].totals;
    assert_eq!((totals.dead_letters_open, totals.discarded), (0, 1));
    assert!(status.routes[0].balances, "{:?}", status.routes[0]);
    let log = world.log();
    for personal in ["Kenji", "kenji@", "asdf", "a test of the form"] {
        assert!(!log.contains(personal), "{personal} in the log");
    }
}
