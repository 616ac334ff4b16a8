//! `leadstream init`: from a few flags to a configuration that runs, and what it says when a side is
//! not ready.

use crate::harness::{Build, World};

#[test]
fn a_table_and_an_org_become_a_configuration_that_runs() {
    let mut world = World::new(Build::Failpoints);
    let (source, org) = (world.mysql.url("root"), world.org.base_url());
    // What it writes is to do without them.
    world.forget("source.url");
    world.forget("salesforce.login_url");
    let output = world.state().with_file_name("first.toml");
    let file = output.display().to_string();
    let flags = [
        "init",
        "--source-url",
        &source,
        "--table",
        "crm.leads",
        "--login-url",
        &org,
        "--client-id",
        "leadstream-demo",
        "--output",
        &file,
    ];
    let answer = world.command(&flags);
    assert_eq!(answer.code, 0, "{answer:?}");
    for words in [
        "first.toml is written",
        "ready to run",
        "leadstream preview --config",
    ] {
        assert!(
            answer.stdout.contains(words),
            "{words} in\n{}",
            answer.stdout
        );
    }
    let text = std::fs::read_to_string(&output).unwrap();
    println!("{text}");
    for line in [
        "external_id = { field = \"MySQL_Id__c\", column = \"id\" }",
        "FirstName = \"first_name\"",
        "LastName = { column = \"last_name\", default = \"Unknown\" }",
        "Email = \"email\"",
        "NumberOfEmployees = \"employees\"",
        "AnnualRevenue = \"annual_revenue\"",
        "[operator]",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
    }
    assert!(!text.contains("secret\""), "{text}");

    // It does not overwrite what a person may have changed.
    let again = world.command(&flags);
    assert_eq!(again.code, 2, "{again:?}");
    assert!(again.stderr.contains("is there already"), "{again:?}");
    assert_eq!(std::fs::read_to_string(&output).unwrap(), text);
    let forced = world.command(&[&flags[..], &["--force", "--json"]].concat());
    assert_eq!(forced.json()["checks"]["ok"], true);

    // The service runs with it.
    std::fs::write(world.config(), text).unwrap();
    world.start();
    world.insert(3, 3);
    let status = world.wait_for_status("three leads", |status| {
        status.routes[0].totals.delivered() == 3
    });
    assert!(status.routes[0].balances);
}

#[test]
fn what_is_missing_on_either_side_is_said_with_what_to_do() {
    let mut world = World::new(Build::Failpoints);
    let source = world.mysql.url("root");
    let none = world.command(&["init", "--output", "/nowhere/at/all.toml"]);
    assert_eq!(none.code, 2, "{none:?}");
    assert!(
        none.stderr
            .contains("not given: --source-url, --table, --login-url, --client-id"),
        "{none:?}"
    );
    let output = world.state().with_file_name("first.toml");
    let file = output.display().to_string();
    world.forget("source.url");
    world.forget("salesforce.login_url");
    world.org.stop_listening();
    let base = world.org.base_url();
    let answer = world.command(&[
        "init",
        "--source-url",
        &source,
        "--table",
        "crm.leads",
        "--login-url",
        &base,
        "--client-id",
        "leadstream-demo",
        "--output",
        &file,
    ]);
    assert_eq!(answer.code, 1, "{answer:?}");
    for words in [
        "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'root'@'%';",
        "GRANT SELECT ON `crm`.`leads` TO 'root'@'%';",
        "make the Text(64) field MySQL_Id__c",
        "first.toml was not written",
    ] {
        assert!(
            answer.stdout.contains(words),
            "{words} in\n{}",
            answer.stdout
        );
    }
    assert!(!output.exists());
}
