//! The ledger as an auditor sees it, beside a running service: figures that are those of the oracle,
//! a proof, a copy that a service starts from.

use serde_json::Value;

use crate::harness::{Answer, World};

const FAILURE: i32 = 1;
const USAGE: i32 = 2;

/// Rows with these names, and rows that no route carries.
fn insert(world: &mut World, names: &[&str]) {
    for (id, name) in (1..).zip(names) {
        let statement = format!(
            "INSERT INTO crm.leads (last_name, company, email, phone, plan) VALUES \
             ('{name}', 'Acme', 'lead{id}@example.com', '+44 {id}', 'Team')"
        );
        world.execute(&[&statement]);
    }
    world.expect(names.len() as u64);
}

#[track_caller]
fn check_fails(answer: &Answer, page: &str) {
    assert_eq!(answer.code, FAILURE, "{answer:?}");
    assert_eq!(answer.errors()[0].page, page, "{answer:?}");
}

/// Calls in the commit lines of the journal, by docs/journal.md alone.
fn calls_noted(world: &World) -> u64 {
    let journal = std::fs::read_dir(world.state().join("journal")).unwrap();
    let texts = journal.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let calls = |text: String| {
        let lines = text
            .lines()
            .filter(|line| line.starts_with("{\"t\":\"commit\""));
        let commits = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        commits
            .filter_map(|commit| commit["calls"].as_u64())
            .sum::<u64>()
    };
    let calls = texts.map(calls).sum();
    assert!(calls > 0);
    calls
}

fn report(world: &World) -> Value {
    world.command(&["audit", "report", "--json"]).json()
}

#[test]
fn an_auditor_counts_proves_and_copies_beside_the_service() {
    let mut world = World::refusing();
    world.start();
    let mut names = vec!["Reject A", "Reject B", "Reject C"];
    names.extend(["Fine"; 37]);
    insert(&mut world, &names);
    world.wait_settled();

    // Every figure is the oracle's.
    let first = report(&world);
    let judgement = world.judge();
    let total = &first["total"];
    assert_eq!(total["captured"], judgement.rows);
    assert_eq!(total["created"], judgement.delivered.len());
    assert_eq!(total["rejected"], judgement.dead_letters.len());
    assert_eq!(total["latency"]["count"], judgement.delivered.len());
    let cause = &total["causes"][0];
    assert_eq!(cause["code"], "FIELD_CUSTOM_VALIDATION_EXCEPTION");
    assert_eq!(
        (&cause["class"], &cause["count"]),
        (&"data".into(), &3.into())
    );
    assert_eq!(total["api_calls"], calls_noted(&world));
    let slots = first["slots"].as_array().unwrap();
    let created: u64 = slots
        .iter()
        .map(|slot| slot["created"].as_u64().unwrap())
        .sum();
    assert_eq!(created, judgement.delivered.len() as u64);
    assert_eq!(first["ledger"]["books"]["leads"]["created"], created);

    // The oracle has stopped it. A person mends one and gives one up.
    world.start();
    let list = world.command(&["dead-letters", "list", "--json"]).json();
    // Their numbers are in the order in which Salesforce's answers came.
    let letter = |key: &str| {
        let mut rows = list.as_array().unwrap().iter();
        let row = rows.find(|row| row["event"]["personal"]["key"] == key);
        row.expect("a letter of this key")["letter"].to_string()
    };
    let edit = ["dead-letters", "edit", &letter("1"), "LastName=Doe"];
    world.command(&edit).data();
    world
        .command(&["dead-letters", "replay", &letter("1")])
        .data();
    world
        .command(&[
            "dead-letters",
            "discard",
            &letter("2"),
            "--reason",
            "a test",
        ])
        .data();
    let second = report(&world);
    let total = &second["total"];
    for (figure, count) in [
        ("captured", 40),
        ("created", 38),
        ("mended", 1),
        ("rejected", 3),
        ("edited", 1),
        ("replayed", 1),
        ("discarded", 1),
    ] {
        assert_eq!(total[figure], count, "{figure}: {total}");
    }
    assert_eq!(total["latency"]["count"], 37, "a person's patience is none");

    // The other forms have the same figures.
    let text = world.command(&["audit", "report"]);
    println!("$ leadstream audit report\n{}", text.stdout);
    for words in [
        "captured                40",
        "38 created, 0 updated",
        "37 of the stream",
    ] {
        assert!(text.data().contains(words), "{words} in\n{}", text.stdout);
    }
    let csv = world.command(&["audit", "report", "--by", "day", "--format", "csv"]);
    let sheet: Vec<&str> = csv.data().lines().collect();
    let column = |name: &str| {
        let place = sheet[0].split(',').position(|head| head == name).unwrap();
        let cells = sheet[1..]
            .iter()
            .map(|line| line.split(',').nth(place).unwrap());
        cells.map(|cell| cell.parse::<u64>().unwrap()).sum::<u64>()
    };
    assert_eq!((column("captured"), column("mended")), (40, 1));
    let page = world.state().with_file_name("report.html");
    let output = page.to_str().unwrap();
    world
        .command(&["audit", "report", "--format", "html", "--output", output])
        .data();
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("<svg") && html.contains("FIELD_CUSTOM_VALIDATION_EXCEPTION"));
    assert!(!html.contains("<script") && !html.contains("Reject A"));
    let wrong = world.command(&["audit", "report", "--since", "last tuesday"]);
    assert_eq!(wrong.code, USAGE);
    assert_eq!(wrong.errors()[0].page, "LS6020");

    // Each step once; names of persons only when they are asked for.
    let export = world.command(&["audit", "export"]);
    let steps: Vec<Value> = export
        .data()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &str| steps.iter().filter(|step| step["kind"] == kind).count();
    assert_eq!(
        (of("delivered"), of("dead_letter"), of("discarded")),
        (38, 3, 1)
    );
    assert!(!export.stdout.contains("Reject"), "{}", export.stdout);
    let personal = world.command(&["audit", "export", "--personal", "--format", "csv"]);
    assert!(personal.data().contains("Reject A"));

    // The proof holds, from the heads of both reports on.
    let head = |report: &Value| report["ledger"]["chain"].as_str().unwrap().to_owned();
    let heads = [head(&first), head(&second)];
    let proof = [
        "audit", "verify", "--chain", &heads[0], "--chain", &heads[1],
    ];
    let verified = world.command(&proof);
    println!("$ leadstream audit verify\n{}", verified.stdout);
    assert!(verified.data().contains("as the journal has them"));
    let other = heads[0].replace(|digit: char| digit.is_ascii_digit(), "0");
    check_fails(
        &world.command(&["audit", "verify", "--chain", &other]),
        "LS3053",
    );
    let trace = world.command(&["trace", "1"]);
    println!("$ leadstream trace 1\n{}", trace.stdout);
    for words in [
        "committed in MySQL",
        "sent again by",
        "which closes dead letter",
    ] {
        assert!(trace.data().contains(words), "{words} in\n{}", trace.stdout);
    }

    copy_and_start_from_it(&mut world);
}

/// A backup beside the service; then the state folder is lost.
fn copy_and_start_from_it(world: &mut World) {
    let copy = world.state().with_file_name("copy");
    let copy_text = copy.to_str().unwrap().to_owned();
    let made = world
        .command(&["state", "backup", &copy_text, "--json"])
        .json();
    assert_eq!(made["totals"]["leads"]["created"], 38);
    check_fails(&world.command(&["state", "backup", &copy_text]), "LS3055");
    check_fails(&world.command(&["state", "rebuild"]), "LS3001");
    insert(world, &["Later"; 10]);
    world.wait_settled();
    assert!(world.stop().success());
    world.command(&["state", "rebuild"]).data();
    world.command(&["audit", "verify"]).data();
    let proof = world.command(&["state", "verify", "--state", &copy_text]);
    assert!(proof.data().contains("none changed"), "{}", proof.stdout);

    // What came after the copy is read again and upserted again: the same leads, once each.
    let ids = |world: &World| {
        let mut ids: Vec<String> = world.org.leads().into_iter().map(|lead| lead.id).collect();
        ids.sort();
        ids
    };
    let before = ids(world);
    assert_eq!(before.len(), 48);
    world.set("state.path", &copy_text);
    world.start();
    let status = world.wait_for_status("what came after the copy", |status| {
        status.routes[0].totals.delivered() == 48 && status.routes[0].in_flight == 0
    });
    assert_eq!(status.routes[0].totals.updated, 10);
    assert!(status.routes[0].balances);
    assert_eq!(ids(world), before);
    world.command(&["audit", "verify"]).data();
}
