//! `leadstream preview`: what a person sees of rows before anything is sent, and that nothing is.

use crate::harness::{Build, World};

fn insert(last_name: &str, plan: &str, employees: &str) -> String {
    format!(
        "INSERT INTO crm.leads (first_name, last_name, company, country, plan, employees, email, \
         annual_revenue) \
         VALUES ('Ada', {last_name}, 'Acme', 'DE', '{plan}', {employees}, 'ada@example.com', 9007199254740993.25)"
    )
}

#[test]
fn rows_show_what_would_become_of_them_and_nothing_is_sent_or_written() {
    let mut world = World::new(Build::Failpoints);
    world.edit_config(
        "auto_assign = false",
        "auto_assign = false\nwhere = 'employees > 10'",
    );
    world.execute(&[
        &insert("'Oldest'", "Free", "11"),
        &insert("'Byron'", "Free", "11"),
        &insert("'Small'", "Free", "10"),
        &insert("NULL", "Platinum", "12"),
        &insert("'Unknown'", "Free", "NULL"),
    ]);

    let answer = world.command(&["preview", "--rows", "4"]);
    println!("{}", answer.stdout);
    let shown = answer.data();
    assert!(shown.lines().all(|line| line.chars().count() <= 80));
    for words in [
        "route leads: crm.leads to Lead by MySQL_Id__c",
        "4 newest rows: 1 would be sent, 2 rejected, 1 left out by `where`",
        "warning[LS4042] route[0].fields.Email",
        "key 4: would be REJECTED before a call",
        "REQUIRED_FIELD_MISSING: LastName is required",
        "key 3: would be left out by `where`",
        "FILTER_UNDECIDED",
        "<- first_name",
        "\"Byron\"",
        // More digits than a double has.
        "9007199254740993.25",
    ] {
        assert!(shown.contains(words), "{words} in\n{shown}");
    }
    assert!(!shown.contains("Oldest"), "{shown}");

    let answer = world.command(&["preview", "--json", "--masked", "--route", "leads"]);
    assert!(!answer.data().contains("Byron") && !answer.stdout.contains("ada@"));
    let report = answer.json();
    let route = &report["routes"][0];
    assert_eq!(route["rows_read"], 5);
    let fates: Vec<&str> = route["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["fate"].as_str().unwrap())
        .collect();
    assert_eq!(fates, ["reject", "reject", "leave_out", "send", "send"]);
    let sent = &route["rows"][3];
    assert_eq!(sent["key"], "(text, 1 characters)");
    let field = |name: &str| {
        let fields = sent["fields"].as_array().unwrap();
        fields.iter().find(|field| field["field"] == name).unwrap()
    };
    assert_eq!(field("LastName")["from"], "last_name");
    assert_eq!(field("LastName")["value"], "(text, 5 characters)");
    assert_eq!(field("LeadSource")["value"], "Web");
    let problems = route["rows"][1]["problems"].as_array().unwrap();
    assert!(problems.iter().all(|it| it["remedy"].is_string()));
    assert_eq!(problems[0]["columns"][0], "last_name");

    assert!(world.org.leads().is_empty());
    assert!(!world.state().exists(), "preview wrote a state");

    // Beside a running service, which keeps its lock.
    world.set("batch.max_age", "10ms");
    world.start();
    assert_eq!(world.command(&["preview", "--rows", "1"]).code, 0);
}

#[test]
fn what_stands_in_the_way_is_said_with_its_remedy() {
    let world = World::new(Build::Failpoints);
    assert!(
        world
            .command(&["preview"])
            .data()
            .contains("the table is empty")
    );

    let answer = world.command(&["preview", "--route", "laeds"]);
    assert_eq!(answer.code, 2);
    assert_eq!(answer.errors()[0].page, "LS4004");
    assert_eq!(world.command(&["preview", "--rows", "1001"]).code, 2);

    world.edit_config("Phone = \"phone\"", "Phone = \"phonee\"");
    let answer = world.command(&["preview"]);
    assert_eq!(answer.code, 1, "{answer:?}");
    for words in [
        "failed[LS5001] route[0].fields.Phone",
        "remedy: did you mean",
    ] {
        assert!(answer.stdout.contains(words), "{answer:?}");
    }

    world.org.stop_listening();
    let answer = world.command(&["preview", "--json"]);
    assert_eq!(answer.code, 1, "{answer:?}");
    let failures = &answer.json()["routes"][0]["failures"];
    assert!(failures[0]["page"].as_str().unwrap().starts_with("LS20"));
}
