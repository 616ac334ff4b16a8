//! What a start does when the world is not as it must be: what a person must mend ends it with one
//! clear error each, what only time can mend is waited for, visibly; and where a first start begins.

use std::fs;

use leadstream::rehearsal::mysql::ServerKind;
use leadstream::rehearsal::service::wait_until;
use leadstream::runtime::status::Stage;
use salesforce_sandbox::{CustomField, OrgConfig, Sandbox};

use crate::harness::{Answer, Build, PATIENCE, World};

/// Stand in the environment of the worlds below, and must stand nowhere else.
const SECRETS: [&str; 3] = ["leadstream-demo-secret", "right-horse", "wrong-horse"];

const FAILURE: i32 = 1;
const USAGE: i32 = 2;

/// Runs a verb and wants exactly these errors: pages, and what the texts and remedies say.
#[track_caller]
fn check(world: &World, verb: &str, code: i32, expected: &[(&str, &[&str])]) -> Answer {
    let answer = world.command(&[verb]);
    println!("--- {verb} exits {}\n{}", answer.code, answer.stderr);
    for secret in SECRETS {
        let all = format!("{}{}", answer.stdout, answer.stderr);
        assert!(!all.contains(secret), "{secret} is shown: {all}");
    }
    assert_eq!(answer.code, code, "{}", answer.stderr);
    let said = answer.errors();
    let pages: Vec<&str> = said.iter().map(|said| said.page.as_str()).collect();
    let wanted: Vec<&str> = expected.iter().map(|(page, _)| *page).collect();
    assert_eq!(pages, wanted, "{}", answer.stderr);
    for (said, (_, words)) in said.iter().zip(expected) {
        let whole = format!("{} | {}", said.text, said.remedy);
        for word in *words {
            assert!(whole.contains(word), "{whole:?} does not say {word:?}");
        }
    }
    answer
}

/// Runs `check` and wants it to fail with exactly these pages.
#[track_caller]
fn check_finds(world: &World, expected: &[&str]) {
    let answer = world.command(&["check"]);
    println!("{}", answer.stdout);
    assert_eq!(answer.code, FAILURE, "{answer:?}");
    assert_eq!(answer.stderr, "", "its findings are data");
    let lines: Vec<&str> = answer.stdout.lines().collect();
    let mut pages = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        if let Some((page, _)) = line
            .strip_prefix("failed[")
            .and_then(|line| line.split_once(']'))
        {
            pages.push(page);
            let next = lines.get(number + 1).copied().unwrap_or_default();
            assert!(next.trim_start().starts_with("remedy: "), "{line}\n{next}");
        }
    }
    assert_eq!(pages, expected, "{}", answer.stdout);
    for secret in SECRETS {
        assert!(!answer.stdout.contains(secret), "{}", answer.stdout);
    }
}

#[test]
fn what_mysql_lacks_ends_a_start_with_its_remedy() {
    let mut world = World::new(Build::Release);
    world.execute(&[
        "CREATE USER 'reader'@'%' IDENTIFIED BY 'right-horse'",
        "GRANT SELECT ON crm.* TO 'reader'@'%'",
    ]);
    let url = world.mysql.url("reader");
    world.set("source.url", &url);
    world.set("source.password", "wrong-horse");
    check(
        &world,
        "run",
        FAILURE,
        &[("LS1004", &["\"reader\"", "source.password_file"])],
    );
    check_finds(&world, &["LS1004"]);

    // Both grants are missing, and one statement mends both.
    world.set("source.password", "right-horse");
    let grant = "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'reader'@'%'";
    check(&world, "run", FAILURE, &[("LS1007", &[grant])]);
    check_finds(&world, &["LS1007", "LS1007"]);
    world.execute(&[
        "GRANT REPLICATION CLIENT ON *.* TO 'reader'@'%'",
        "REVOKE SELECT ON crm.* FROM 'reader'@'%'",
    ]);
    let select = "GRANT SELECT ON `crm`.`leads` TO 'reader'@'%'";
    check(
        &world,
        "run",
        FAILURE,
        &[
            ("LS1007", &["read the binlog", grant]),
            ("LS1011", &[select]),
        ],
    );
    check_finds(&world, &["LS1007", "LS1011"]);
    // The remedies are enough, word for word.
    world.execute(&[grant, select]);
    let answer = world.command(&["check"]);
    assert_eq!(answer.code, 0, "{}", answer.stdout);

    world.execute(&[
        "SET GLOBAL binlog_format = STATEMENT",
        "SET GLOBAL binlog_row_metadata = MINIMAL",
    ]);
    // MariaDB has no SET PERSIST.
    let (page, format) = match world.mysql.kind() {
        ServerKind::MySql => ("LS1010", "SET PERSIST binlog_format = ROW"),
        ServerKind::MariaDb => ("LS1072", "SET GLOBAL binlog_format = ROW"),
    };
    check(
        &world,
        "run",
        FAILURE,
        &[(page, &["STATEMENT", "\"ROW\"", format])],
    );
    check_finds(&world, &[page]);
    world.execute(&[format]);
    // Names that are not in the binlog cost something, and are got elsewhere.
    let answer = world.command(&["check"]);
    assert_eq!(answer.code, 0, "{}", answer.stdout);
    assert!(answer.stdout.contains("warning[LS1018]"), "{answer:?}");
}

#[test]
fn what_the_mapping_or_the_org_lacks_ends_a_start_with_its_remedy() {
    let mut world = World::new(Build::Release);
    world.edit_config("\"last_name\"", "\"last_nam\"");
    let column: &[&str] = &[
        "route[0].fields.LastName",
        "crm.leads has no column \"last_nam\"",
        "did you mean \"last_name\"?",
    ];
    check(&world, "run", USAGE, &[("LS5001", column)]);
    check_finds(&world, &["LS5001"]);

    world.edit_config("Phone =", "Fone__c =");
    let field: &[&str] = &["route[0].fields.Fone__c", "Lead has no field \"Fone__c\""];
    check(
        &world,
        "run",
        USAGE,
        &[("LS5001", column), ("LS5002", field)],
    );
    check_finds(&world, &["LS5001", "LS5002"]);

    world.restore_config();
    world.edit_config("LastName = \"last_name\"\n", "");
    let required: &[&str] = &["Lead requires LastName", "add LastName = "];
    check(&world, "run", USAGE, &[("LS5003", required)]);
    check_finds(&world, &["LS5003"]);

    world.restore_config();
    world.edit_config("object = \"Lead\"", "object = \"Leed\"");
    check(
        &world,
        "run",
        FAILURE,
        &[("LS2061", &["cannot describe Leed", "route's object"])],
    );
    check_finds(&world, &["LS2061"]);

    world.restore_config();
    world.edit_config("table = \"crm.leads\"", "table = \"crm.lead\"");
    check(
        &world,
        "run",
        FAILURE,
        &[("LS1011", &["crm.lead ", "did you mean \"crm.leads\"?"])],
    );

    world.restore_config();
    world.set("salesforce.auth.client_secret", "wrong-horse");
    check(
        &world,
        "run",
        FAILURE,
        &[("LS2017", &["client secret", "copy the consumer secret"])],
    );
    check_finds(&world, &["LS2017"]);

    // An org whose administrator forgot to tick Unique.
    world.set("salesforce.auth.client_secret", SECRETS[0]);
    let mut org = OrgConfig::default();
    let ours = |field: &&mut CustomField| field.name == "MySQL_Id__c";
    org.fields.iter_mut().find(ours).unwrap().unique = false;
    let org = Sandbox::start("127.0.0.1:0".parse().unwrap(), org).unwrap();
    world.set("salesforce.login_url", &org.base_url());
    let unique: &[&str] = &["route[0].external_id.field", "MySQL_Id__c", "Unique"];
    check(&world, "run", USAGE, &[("LS5006", unique)]);
    check_finds(&world, &["LS5006"]);
}

#[test]
fn mistakes_in_the_configuration_are_told_all_at_once_with_their_places() {
    let mut world = World::new(Build::Release);
    for verb in ["run", "check", "status"] {
        world.edit_config("[batch]\n", "[batch\n");
        let line: &[&str] = &["leadstream.toml:"];
        check(&world, verb, USAGE, &[("LS4002", line)]);
        world.restore_config();
    }
    world.edit_config("max_records = 200", "max_record = 200");
    let unknown: &[&str] = &["batch.max_record", "leadstream.toml:", "max_records"];
    check(&world, "run", USAGE, &[("LS4003", unknown)]);

    world.edit_config("name = \"leads\"\n", "");
    world.set("retry.cap", "soon");
    world.set("salesforce.auth.client_secret", "");
    check(
        &world,
        "run",
        USAGE,
        &[
            ("LS4005", &["route[0].name", "is missing"]),
            ("LS4003", unknown),
            ("LS4006", &["LEADSTREAM_SALESFORCE__AUTH__CLIENT_SECRET"]),
            ("LS4004", &["retry.cap", "LEADSTREAM_RETRY__CAP"]),
        ],
    );
    let nowhere = world.config().with_file_name("nowhere.toml");
    let nowhere = format!("$0 run --config {}", nowhere.display());
    let answer = world.shell(&nowhere);
    assert_eq!(answer.code, USAGE);
    assert_eq!(answer.errors()[0].page, "LS4001", "{}", answer.stderr);
}

#[test]
fn a_folder_or_a_port_in_use_ends_a_second_start() {
    let mut world = World::new(Build::Release);
    world.start();
    let pid = world.service().id().to_string();
    let (port, state) = (world.port, world.state().display().to_string());
    check(
        &world,
        "run",
        FAILURE,
        &[("LS6001", &[&port.to_string(), "operator.listen"])],
    );
    world.set("operator.listen", "127.0.0.1:0");
    check(
        &world,
        "run",
        FAILURE,
        &[("LS3001", &[&state, &pid, "leadstream status"])],
    );
    // The first one did not notice.
    world.insert(10, 10);
    assert_eq!(world.judge().delivered.len(), 10);
}

#[test]
fn a_start_waits_for_mysql_and_salesforce_and_says_for_whom() {
    let mut world = World::new(Build::Release);
    world.set("retry.base", "100ms");
    world.set("retry.cap", "500ms");
    world.start();
    world.insert(20, 10);
    world.wait_settled();
    world.stop();
    world.mysql.stop().unwrap();
    world.org.stop_listening();
    fs::remove_dir_all(world.state().join("index")).unwrap();
    world.spawn();
    wait_not_ready(&mut world, "starting, waits for MySQL: cannot connect to");
    // The index is built meanwhile, and that is seen.
    let status = world.wait_for_status("the index to be there", |status| {
        status.state.index_applied == status.state.last_commit && status.state.journal_bytes > 0
    });
    assert_eq!(status.stage, Stage::Starting);
    let (_, metrics) = world.get("/metrics").unwrap();
    assert!(
        metrics.contains("\nleadstream_index_lag_commits 0\n"),
        "{metrics}"
    );
    let status = world.command(&["status"]);
    let status = status.data();
    for words in [
        "is starting",
        "[LS1002]",
        "remedy: check that MySQL",
        "  20 ",
    ] {
        assert!(status.contains(words), "no {words:?} in\n{status}");
    }
    // The books are known before the first byte from MySQL.
    let (_, metrics) = world.get("/metrics").unwrap();
    assert!(metrics.contains("leadstream_changes_captured_total{route=\"leads\"} 20"));
    world.mysql.restart().unwrap();
    wait_not_ready(&mut world, "starting, waits for Salesforce: ");
    let status = world.command(&["status"]);
    assert!(status.data().contains("[LS2030]"), "{}", status.stdout);
    assert!(!status.data().contains("[LS1002]"), "{}", status.stdout);
    assert_eq!(world.get("/livez").unwrap().0, 200);
    world.org.resume_listening().unwrap();
    world.insert(20, 10);
    assert_eq!(world.judge().delivered.len(), 40);
    let log = world.log();
    for words in ["waiting for MySQL: ", "waiting for Salesforce: "] {
        assert!(log.contains(words), "no {words:?} in\n{log}");
    }
    assert!(!log.contains(" ERROR "), "{log}");
}

#[track_caller]
fn wait_not_ready(world: &mut World, reason: &str) {
    let mut last = None;
    let found = wait_until(PATIENCE, || {
        last = world.get("/readyz");
        let (code, text) = last.as_ref()?;
        (*code == 503 && text.contains(reason)).then_some(())
    });
    assert!(found.is_some(), "{last:?} is not {reason:?}");
}

#[test]
fn earliest_reads_what_was_there_before_and_now_does_not() {
    let mut world = World::new(Build::Release);
    world.insert(30, 10);
    // Now: a first start that is killed before a row came keeps its place.
    world.start();
    world.kill();
    let late = world.insert(5, 5);
    world.start();
    let status = world.wait_for_status("the late rows", |status| {
        status.routes[0].totals.delivered() >= 5
    });
    assert_eq!(status.routes[0].captured, 5);
    let mut emails: Vec<String> = Vec::new();
    for lead in world.org.leads() {
        emails.push(lead.fields["Email"].as_str().unwrap().to_owned());
    }
    emails.sort();
    let mut expected: Vec<String> = late.iter().map(|lead| lead.email.clone()).collect();
    expected.sort();
    assert_eq!(emails, expected);
    world.stop();

    // Earliest, with a state folder of its own: everything, and what is known is only updated.
    std::fs::remove_dir_all(world.state()).unwrap();
    world.set("source.start", "earliest");
    world.start();
    let status = world.wait_settled();
    assert_eq!(status.routes[0].totals.created, 30);
    assert_eq!(status.routes[0].totals.updated, 5);
    assert_eq!(world.judge().delivered.len(), 35);
}
