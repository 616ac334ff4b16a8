//! Dead letters in a person's hands: mended one by one and in a spreadsheet, sent again, discarded,
//! and what a crash, a cancelled replay and a newer image make of that.

use leadstream::rehearsal::service::wait_until;
use salesforce_sandbox::{Action, Endpoint, Fault, FaultId, LeadSnapshot};
use serde_json::Value;

use crate::harness::{Answer, PATIENCE, World};

const FAILURE: i32 = 1;
const USAGE: i32 = 2;

fn insert(world: &mut World, id: u64, last_name: Option<&str>) {
    let name = last_name.map_or("NULL".to_owned(), |name| format!("'{name}'"));
    let statement = format!(
        "INSERT INTO crm.leads (id, last_name, company, email, phone, plan) VALUES \
         ({id}, {name}, 'Acme', 'lead{id}@example.com', '+44 {id}', 'Team')"
    );
    world.execute(&[&statement]);
    world.expect(1);
}

#[track_caller]
fn check_refused(answer: &Answer, page: &str, text: &str) {
    assert_eq!(answer.code, FAILURE, "{answer:?}");
    let errors = answer.errors();
    assert_eq!(errors[0].page, page, "{errors:?}");
    assert!(errors[0].text.contains(text), "{errors:?}");
    assert!(!errors[0].remedy.is_empty());
}

fn letters(world: &World, more: &[&str]) -> Vec<Value> {
    let arguments = ["dead-letters", "list", "--json", "--limit", "1000"];
    let listed = world.command(&[&arguments, more].concat()).json();
    listed.as_array().unwrap().clone()
}

/// The number of the open letter of this key.
#[track_caller]
fn letter_of(world: &World, key: &str) -> String {
    let all = letters(world, &[]);
    let own = |row: &&Value| row["event"]["personal"]["key"] == key;
    let found = all.iter().find(own).unwrap_or_else(|| panic!("{all:?}"));
    found["letter"].to_string()
}

fn lead(world: &World, key: &str) -> Option<LeadSnapshot> {
    let found = world.org.leads_by_key("MySQL_Id__c", [key]);
    found.unwrap().into_iter().next()
}

/// What is published is a moment old.
#[track_caller]
fn wait_for_open(world: &mut World, letters: u64) {
    let what = format!("{letters} open letters");
    let status = world.wait_for_status(&what, |status| {
        status.routes[0].totals.dead_letters_open == letters
    });
    assert!(status.routes[0].balances, "{:?}", status.routes[0]);
}

fn open(world: &World) -> u64 {
    let status = world.status().unwrap();
    assert!(status.routes[0].balances, "{:?}", status.routes[0]);
    status.routes[0].totals.dead_letters_open
}

#[test]
fn a_person_mends_sends_and_discards_dead_letters() {
    let mut world = World::refusing();
    check_refused(
        &world.command(&["dead-letters", "replay", "1"]),
        "LS6005",
        "no service",
    );
    world.start();
    for (id, name) in [
        (1, Some("Reject A")),
        (2, Some("Reject B")),
        (3, None),
        (4, Some("Reject D")),
        (5, Some("Fine")),
    ] {
        insert(&mut world, id, name);
    }
    world.wait_settled();
    assert_eq!(open(&world), 4);

    let list = world.command(&["dead-letters", "list", "--limit", "1"]);
    for part in [
        "3 records of route leads: FIELD_CUSTOM_VALIDATION_EXCEPTION at LastName (data)",
        "1 record of route leads: REQUIRED_FIELD_MISSING at LastName (mapping)",
    ] {
        assert!(list.data().contains(part), "{}", list.stdout);
    }
    assert!(list.stderr.contains("1 of 4 are listed"), "{}", list.stderr);
    assert_eq!(letters(&world, &["--field", "lastname"]).len(), 4);
    assert_eq!(letters(&world, &["--class", "mapping"]).len(), 1);

    // Every mistake is told, with what is allowed; nothing is changed then.
    let one = letter_of(&world, "1");
    let edit = |world: &World, changes: &[&str]| {
        let arguments = ["dead-letters", "edit", one.as_str()];
        world.command(&[&arguments, changes].concat())
    };
    let wrong = edit(
        &world,
        &[
            "LastName=Doe",
            "Plan__c=Golden",
            "Birthday__c=soon",
            "Nmae=x",
        ],
    );
    check_refused(&wrong, "LS6011", "Team");
    for part in ["Plan__c: ", "Birthday__c: ", "2026-01-31", "Nmae: "] {
        assert!(wrong.errors()[0].text.contains(part), "{wrong:?}");
    }
    check_refused(&edit(&world, &["MySQL_Id__c=9"]), "LS6011", "external id");
    check_refused(
        &edit(&world, &["--unset", "LastName"]),
        "LS6011",
        "required",
    );
    assert_eq!(edit(&world, &[]).code, USAGE);
    check_refused(
        &world.command(&["dead-letters", "edit", "4711", "LastName=Doe"]),
        "LS6010",
        "4711",
    );
    let show = |world: &World, number: &str| {
        world
            .command(&["dead-letters", "show", number, "--json"])
            .json()
    };
    assert_eq!(show(&world, &one)["edited"], serde_json::json!([]));
    assert_eq!(show(&world, &one)["payload"]["LastName"], "Reject A");

    edit(
        &world,
        &[
            "--set",
            "lastname=Doe",
            "NumberOfEmployees=12",
            "--unset",
            "Phone",
        ],
    )
    .data();
    edit(&world, &["LastName=Dorn"]).data();
    let story = show(&world, &one);
    assert_eq!(story["payload"]["LastName"], "Dorn");
    assert_eq!(story["payload"]["NumberOfEmployees"], 12);
    assert_eq!(story["payload"].get("Phone"), None);
    assert!(lead(&world, "1").is_none(), "an edit sends nothing");

    // What is mended is taken, what is not is refused again under its number.
    let two = letter_of(&world, "2");
    let replay = world.command(&["dead-letters", "replay", &one, &two]);
    assert_eq!(replay.code, FAILURE, "{replay:?}");
    for part in ["delivered    1", "refused      1"] {
        assert!(replay.stdout.contains(part), "{}", replay.stdout);
    }
    let sent = lead(&world, "1").expect("it is in the org");
    assert_eq!(sent.fields["LastName"], "Dorn");
    wait_for_open(&mut world, 3);
    let again = show(&world, &two);
    let kinds = again["steps"].as_array().unwrap().iter();
    let kinds: Vec<&str> = kinds.map(|step| step["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["dead_letter", "replayed", "dead_letter"]);
    let text = world.command(&["dead-letters", "show", &two]);
    assert!(text.data().contains("refused by Salesforce at attempt 1"));
    let trace = world.command(&["trace", "1", "--json"]).json();
    let steps = trace.as_array().unwrap();
    let kinds: Vec<&Value> = steps.iter().map(|step| &step["kind"]).collect();
    assert_eq!(
        kinds,
        ["dead_letter", "edited", "edited", "replayed", "delivered"]
    );
    let author = steps[1]["author"].as_str().unwrap();
    assert!(!author.is_empty() && author != "unknown", "{author}");
    assert_eq!(steps[1]["personal"]["before"]["LastName"], "Reject A");
    assert_eq!(steps[4]["letter"].to_string(), one);

    // What the mapping refused is mapped anew, with what was edited.
    let three = letter_of(&world, "3");
    let refused = world.command(&["dead-letters", "replay", "--remap"]);
    assert_eq!(refused.code, FAILURE);
    assert!(
        refused.stdout.contains("the mapping refuses it"),
        "{refused:?}"
    );
    world
        .command(&["dead-letters", "edit", &three, "LastName=Known"])
        .data();
    world.command(&["dead-letters", "replay", "--remap"]).data();
    let mapped = lead(&world, "3").expect("it is in the org");
    assert_eq!(mapped.fields["Email"], "lead3@example.com");

    // A newer image of the same record makes the older letter needless.
    world.execute(&["DELETE FROM crm.leads WHERE id = 2"]);
    world.expect(1);
    insert(&mut world, 2, Some("Newer"));
    world.wait_settled();
    assert_eq!(open(&world), 1);
    check_refused(
        &world.command(&["dead-letters", "replay", &two]),
        "LS6010",
        &two,
    );
    let trace = world.command(&["trace", "2"]);
    assert!(trace.data().contains("outdated"), "{}", trace.stdout);

    let discard = |world: &World, more: &[&str]| {
        let arguments = ["dead-letters", "discard", "--all"];
        world.command(&[&arguments, more].concat())
    };
    assert_eq!(discard(&world, &[]).code, USAGE, "a reason is required");
    insert(&mut world, 6, Some("Reject F"));
    world.wait_settled();
    check_refused(
        &discard(&world, &["--reason", "tests"]),
        "LS6017",
        "2 dead letters",
    );
    discard(&world, &["--reason", "tests", "--yes"]).data();
    wait_for_open(&mut world, 0);
    let totals = world.status().unwrap().routes[0].totals.clone();
    assert_eq!((totals.discarded, totals.created), (2, 4));
    assert!(lead(&world, "4").is_none());
    let log = world.log();
    for personal in ["Dorn", "Reject A", "lead1@", "tests"] {
        assert!(!log.contains(personal), "{personal} in the log");
    }
    assert!(world.stop().success(), "{}", world.log());
}

/// Calls that carry leads wait for their answer from now on.
fn hold_calls(world: &World, after_commit: bool) -> FaultId {
    let held = Fault::new(Action::Hold { after_commit }).on(Endpoint::Collections);
    world.org.faults().add(held)
}

/// The first key of a call that waits for its answer.
#[track_caller]
fn wait_for_held(world: &World) -> String {
    let held = wait_until(PATIENCE, || {
        let held = world.org.faults().held();
        held.first().map(|call| call.keys[0].clone())
    });
    held.expect("a call is held")
}

#[test]
fn five_hundred_are_mended_in_a_spreadsheet_and_none_is_lost_on_the_way() {
    let mut world = World::refusing();
    world.start();
    let rows: Vec<String> = (1..=500)
        .map(|id| format!("({id}, 'Reject {id}', '=SUM(1)', 'lead{id}@example.com', '+44 {id}')"))
        .collect();
    let statement = format!(
        "INSERT INTO crm.leads (id, last_name, company, email, phone) VALUES {}",
        rows.join(", ")
    );
    world.execute(&[&statement]);
    world.expect(500);
    world.wait_settled();
    assert_eq!(open(&world), 500);

    let file = world.state().parent().unwrap().join("letters.csv");
    let path = file.to_str().unwrap();
    let export = [
        "dead-letters",
        "export",
        "--all",
        "--excel",
        "--output",
        path,
    ];
    world.command(&export).data();
    let sheet = std::fs::read_to_string(&file).unwrap();
    assert!(sheet.starts_with('\u{feff}') && sheet.lines().count() == 501);
    assert!(sheet.contains("'=SUM(1)") && !sheet.contains(",=SUM(1)"));
    // Untouched, it changes nothing.
    let import = |world: &World, more: &[&str]| {
        world.command(&[&["dead-letters", "import", path], more].concat())
    };
    let unchanged = import(&world, &[]);
    assert!(
        unchanged.data().contains("0 dead letters are changed"),
        "{unchanged:?}"
    );
    // One wrong cell keeps all of them back, and its line is told.
    let mended = sheet.replace("Reject ", "Mended ");
    let wrong = mended.replace("lead7@example.com", "lead7");
    std::fs::write(&file, wrong).unwrap();
    let answer = import(&world, &[]);
    check_refused(&answer, "LS6016", "1 of 500");
    let line = sheet.lines().position(|line| line.contains("lead7@"));
    let line = format!("line {}: dead letter", line.unwrap() + 1);
    assert!(answer.stderr.contains(&line), "{line}: {answer:?}");
    std::fs::write(&file, &mended).unwrap();
    let imported = import(&world, &["--json"]).json();
    assert_eq!(imported.as_array().unwrap().len(), 500);
    assert_eq!(imported[0]["changed"], serde_json::json!(["LastName"]));
    assert!(world.org.leads().is_empty(), "nothing is sent yet");
    // The same again changes nothing; what was exported before does not undo it.
    let again = import(&world, &[]);
    assert!(again.data().contains("0 dead letters are changed"));
    std::fs::write(&file, &sheet).unwrap();
    let stale = import(&world, &[]);
    check_refused(&stale, "LS6016", "500 of 500");
    assert!(
        stale.stderr.contains("has changed since you looked"),
        "{stale:?}"
    );

    let replay = ["dead-letters", "replay", "--all", "--background"];
    let held = hold_calls(&world, true);
    world.command(&replay).data();
    check_refused(&world.command(&replay), "LS6013", "one runs at a time");
    let on_its_way = letter_of(&world, &wait_for_held(&world));
    check_refused(
        &world.command(&["dead-letters", "edit", &on_its_way, "LastName=Late"]),
        "LS6012",
        "on its way",
    );
    // A crash in the middle leaves open what has no outcome, although Salesforce has it already.
    world.kill();
    world.org.faults().remove(held);
    assert!(!world.org.leads().is_empty());
    world.start();
    assert_eq!(open(&world), 500);

    // Cancelled in the middle: what is on its way arrives, the rest is open.
    let held = hold_calls(&world, false);
    world.command(&replay).data();
    wait_for_held(&world);
    world
        .command(&["dead-letters", "replay", "--cancel"])
        .data();
    world.org.faults().remove(held);
    let status = ["dead-letters", "replay", "--status", "--json"];
    let progress = wait_until(PATIENCE, || {
        let progress = world.command(&status).json();
        (progress["running"] == false).then_some(progress)
    });
    let progress = progress.expect("it ends");
    let count = |name: &str| progress[name].as_u64().unwrap();
    assert_eq!(count("delivered") + count("declined_count"), 500);
    assert!(count("delivered") > 0, "{progress}");
    assert!(count("declined_count") >= 100, "{progress}");
    wait_for_open(&mut world, count("declined_count"));
    world.command(&["dead-letters", "replay", "--all"]).data();
    wait_for_open(&mut world, 0);
    let leads = world.org.leads();
    assert_eq!(leads.len(), 500);
    let is_mended = |lead: &LeadSnapshot| {
        let name = lead.fields["LastName"].as_str().unwrap();
        name.starts_with("Mended ") && lead.fields["Company"] == "=SUM(1)"
    };
    assert!(leads.iter().all(is_mended));
    assert!(world.stop().success(), "{}", world.log());
}
