//! Nobody's name, address or telephone number stands where it must not: everything that full runs
//! write is searched for them, at the most talkative level there is.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use leadstream::failpoint::ERASING_NAMES;
use leadstream::rehearsal::MysqlOptions;
use leadstream::rehearsal::service::wait_until;
use salesforce_sandbox::OrgConfig;
use salesforce_sandbox::rules::ValidationRule;

use crate::harness::{Build, PATIENCE, World};

/// First name, last name, e-mail, telephone, company: nothing else in the world is called so.
type Person = [&'static str; 5];

const DELIVERED: [Person; 3] = [
    [
        "Zebulon",
        "Quackenbush",
        "zebulon.q@quux.example",
        "+99 5550101",
        "Quackery Ltd",
    ],
    [
        "Wilhelmina",
        "Vandersloot",
        "mina.sloot@quux.example",
        "+99 5550102",
        "Slootworks",
    ],
    [
        "Thaddeus",
        "Pumphrey",
        "thad.pum@quux.example",
        "+99 5550103",
        "Pumphrey & Co",
    ],
];

/// Refused by Salesforce with a message that has a value in it, by our mapping, or for its name.
const REFUSED: [Person; 3] = [
    [
        "Ottoline",
        "Fizzlewick",
        "ottoline.fizz@quux.example",
        "+99 5550201",
        "Rejected Fizz",
    ],
    [
        "Barnaby",
        "Grumbleton",
        "barnaby(at)quux",
        "+99 5550202",
        "Grumble Brothers",
    ],
    [
        "Philippa",
        "Snodgrass",
        "pip.snod@quux.example",
        "+99 5550203",
        "Snodgrass Mills",
    ],
];

fn world() -> World {
    let org = OrgConfig {
        validation_rules: vec![ValidationRule {
            name: "No_Fizz".to_owned(),
            active: true,
            condition: "Company begins 'Rejected'".to_owned(),
            message: "Ottoline Fizzlewick of Rejected Fizz (+99 5550201) is not wanted".to_owned(),
            field: Some("Company".to_owned()),
        }],
        ..OrgConfig::default()
    };
    let mut world = World::with(Build::Failpoints, MysqlOptions::default(), org);
    world.set("batch.max_age", "10ms");
    world.set("log.level", "trace");
    world
}

fn insert(world: &mut World, id: u64, person: &Person, plan: &str) {
    let [first, last, email, phone, company] = person;
    let statement = format!(
        "INSERT INTO crm.leads (id, first_name, last_name, company, email, phone, plan) VALUES \
         ({id}, '{first}', '{last}', '{company}', '{email}', '{phone}', '{plan}')"
    );
    world.execute(&[&statement]);
    world.expect(1);
}

/// Rows, refusals, a kill and a snapshot; what metrics and status said meanwhile.
fn live(world: &mut World) -> String {
    world.start();
    insert(world, 1, &DELIVERED[0], "Team");
    insert(world, 2, &REFUSED[0], "Team");
    insert(world, 3, &REFUSED[1], "Team");
    insert(world, 4, &REFUSED[2], "Plan of Snodgrass");
    world.wait_settled();
    insert(world, 5, &DELIVERED[1], "Team");
    world.kill();
    world.start();
    world.wait_settled();
    let mut said = world.command(&["snapshot", "start"]).stdout;
    insert(world, 6, &DELIVERED[2], "Team");
    let status = world.wait_for_status("the snapshot's end", |status| {
        let ended = status.snapshot.as_ref().is_some_and(|s| !s.is_running());
        ended && status.routes[0].in_flight == 0 && status.routes[0].totals.delivered() >= 3
    });
    assert!(status.routes[0].totals.dead_letters_open >= 3, "{status:?}");
    for path in ["/metrics", "/api/v1/status", "/readyz"] {
        let (code, body) = world.get(path).unwrap();
        assert_eq!(code, 200, "{path}");
        said.push_str(&body);
    }
    said.push_str(&world.command(&["status"]).stdout);
    said.push_str(&world.command(&["audit", "report"]).stdout);
    said
}

/// Every file below a folder, with what is in it; packed ones unpacked.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap();
        let mode = kind.permissions().mode() & 0o777;
        if kind.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
            found.extend(files(&path));
        } else if kind.is_file() {
            assert_eq!(mode, 0o600, "{}", path.display());
            let mut bytes = fs::read(&path).unwrap();
            if path.extension().is_some_and(|name| name == "zst") {
                bytes = zstd::decode_all(&bytes[..]).unwrap();
            }
            found.push((path, bytes));
        } else {
            assert_eq!(mode, 0o600, "the control socket {}", path.display());
        }
    }
    found
}

fn holds(bytes: &[u8], word: &str) -> bool {
    let word = word.to_lowercase();
    String::from_utf8_lossy(bytes)
        .to_lowercase()
        .contains(&word)
}

#[track_caller]
fn check_silent(what: &str, bytes: &[u8], people: &[Person]) {
    for word in people.iter().flatten() {
        if holds(bytes, word) {
            let text = String::from_utf8_lossy(bytes);
            let line = text.lines().find(|line| holds(line.as_bytes(), word));
            panic!("{what} has {word}: {line:?}");
        }
    }
}

fn everybody() -> Vec<Person> {
    [DELIVERED, REFUSED].concat()
}

/// Delivered people are nowhere on disk; refused ones in the journal alone, where docs/personal-data.md
/// says so.
fn check_in_clear(payload: &str) {
    let mut world = world();
    world.set("state.payload", payload);
    let said = live(&mut world);
    check_silent("what was said", said.as_bytes(), &everybody());
    check_silent("the log", world.log().as_bytes(), &everybody());
    let mut found: BTreeSet<&str> = BTreeSet::new();
    let files = files(&world.state());
    assert!(files.len() > 4, "{files:?}");
    for (path, bytes) in files {
        let name = path.display().to_string();
        check_silent(&name, &bytes, &DELIVERED);
        if name.contains("/journal/") {
            let words = REFUSED.iter().flatten().copied();
            found.extend(words.filter(|word| holds(&bytes, word)));
        } else {
            check_silent(&name, &bytes, &REFUSED);
        }
    }
    // The search finds what is there.
    assert!(
        found.contains("Fizzlewick") && found.contains("Snodgrass"),
        "{found:?}"
    );
}

#[test]
fn under_hash_only_open_dead_letters_hold_values() {
    check_in_clear("hash");
}

#[test]
fn under_masked_only_open_dead_letters_hold_values() {
    check_in_clear("masked");
}

#[test]
fn under_a_key_nothing_is_in_clear_and_a_person_is_erased_beside_the_running_service() {
    let mut world = world();
    let key_file = world.config().with_file_name("state.key");
    fs::write(&key_file, "5a".repeat(32)).unwrap();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o644)).unwrap();
    world.set("state.encryption_key_file", &key_file.display().to_string());
    world.set("state.payload", "full");
    world.set("log.format", "json");
    let refused = world.command(&["run"]);
    assert_eq!(refused.errors()[0].page, "LS3060", "{refused:?}");
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();

    let said = live(&mut world);

    check_silent("what was said", said.as_bytes(), &everybody());
    check_silent("the log", world.log().as_bytes(), &everybody());
    for (path, bytes) in files(&world.state()) {
        check_silent(&path.display().to_string(), &bytes, &everybody());
    }
    let shown = world.command(&["trace", DELIVERED[0][2]]);
    assert!(shown.data().contains(DELIVERED[0][1]), "{shown:?}");

    let waiting = world.command(&["audit", "forget", "2", "--yes"]);
    assert_eq!(waiting.errors()[0].page, "LS3062", "{waiting:?}");
    let unsure = world.command(&["audit", "forget", "--email", DELIVERED[0][2]]);
    assert_ne!(unsure.code, 0, "nobody confirmed it");
    let erased = world.command(&["audit", "forget", "--email", DELIVERED[0][2], "--yes"]);
    assert!(erased.data().contains("delivered"), "{erased:?}");
    let again = world.command(&["audit", "forget", "1", "--yes"]);
    assert!(again.stderr.contains("nothing is kept"), "{again:?}");
    let gone = wait_until(PATIENCE, || {
        let trace = world.command(&["trace", "1"]);
        let other = world.command(&["trace", "5"]);
        (trace.code == 1 && other.code == 0).then_some(())
    });
    assert!(gone.is_some(), "{}", world.log());
    let proof = world.command(&["audit", "verify"]);
    assert!(proof.data().contains("erased"), "{proof:?}");
    world.stop();

    // Without a service: the wrong key is told, the right one erases.
    fs::write(&key_file, "5b".repeat(32)).unwrap();
    let wrong = world.command(&["trace", "5"]);
    assert_eq!(wrong.errors()[0].page, "LS3061", "{wrong:?}");
    assert_eq!(world.command(&["run"]).errors()[0].page, "LS3061");
    fs::write(&key_file, "5a".repeat(32)).unwrap();
    // Whatever moment it is killed at, the next finishes it.
    for place in ERASING_NAMES {
        world.set("failpoint", place);
        let killed = world.command(&["audit", "forget", "5", "--yes"]);
        assert!(!killed.stdout.contains("erased"), "{killed:?}");
        world.command(&["state", "verify"]).data();
    }
    world.set("failpoint", "none");
    let alone = world.command(&["audit", "forget", "5", "--yes"]);
    assert_eq!(alone.code, 0, "{alone:?}");
    let told = world.command(&["audit", "forget", "5", "--yes"]);
    assert!(told.stderr.contains("nothing is kept"), "{told:?}");
    world.command(&["state", "verify"]).data();
    world.start();
    world.wait_settled();
}

/// The place of a snapshot by a personal primary key stands in commits, an upload's rows in the spool.
#[test]
fn under_a_key_places_of_snapshots_and_files_of_uploads_are_sealed_and_used_again() {
    const ROWS: u64 = 400;
    let mut world = world();
    let key_file = world.config().with_file_name("state.key");
    fs::write(&key_file, "5a".repeat(32)).unwrap();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
    world.set("state.encryption_key_file", &key_file.display().to_string());
    world.set("source.start", "snapshot");
    world.set("snapshot.chunk_rows", "10");
    world.set("snapshot.max_source_threads", "1000");
    world.set("pace.bulk_from", "100");
    let rows: Vec<String> = (1..=ROWS)
        .map(|id| format!("({id}, 'Quackenbush', 'Acme', 'zebulon{id:03}@quux.example', 'Team')"))
        .collect();
    let insert = format!(
        "INSERT INTO crm.leads (id, last_name, company, email, plan) VALUES {}",
        rows.join(",")
    );
    let key = "ALTER TABLE crm.leads MODIFY email VARCHAR(120) NOT NULL, ADD KEY (id), \
               DROP PRIMARY KEY, ADD PRIMARY KEY (email)";
    world.execute(&[key, &insert]);
    world.expect(ROWS);

    world.set("failpoint", "bulk.before_upload");
    world.spawn();
    let died = wait_until(PATIENCE, || (!world.service().is_running()).then_some(()));
    assert!(died.is_some(), "{}", world.log());

    let found = files(&world.state());
    for (path, bytes) in &found {
        let name = path.display().to_string();
        // Long enough that sealed values, which are letters by chance, do not spell one.
        for word in ["Quackenbush", "zebulon", "@quux.example"] {
            assert!(!holds(bytes, word), "{name} has {word}");
        }
    }
    let spooled = |(path, bytes): &&(PathBuf, Vec<u8>)| {
        path.parent()
            .is_some_and(|folder| folder.ends_with("spool"))
            && bytes.len() > 1_000
    };
    assert!(
        found.iter().any(|file| spooled(&file)),
        "no upload was under way"
    );
    let sealed = |(path, bytes): &(PathBuf, Vec<u8>)| {
        path.to_string_lossy().contains("/journal/")
            && holds(
                bytes,
                "\"after\":{\"columns\":[\"email\"],\"values\":[{\"sealed\":",
            )
    };
    assert!(found.iter().any(sealed), "no place was noted");

    // Both are read again: what comes goes on behind the place, and by another upload.
    world.set("failpoint", "none");
    world.start();
    let status = world.wait_for_status("the snapshot's end", |status| {
        let ended = status.snapshot.as_ref().is_some_and(|it| !it.is_running());
        ended && status.routes[0].totals.delivered() >= ROWS
    });
    assert_eq!(status.routes[0].totals.delivered(), ROWS, "each once");
    assert!(world.org.jobs().iter().any(|job| job.records > 0));
    world.stop();
    world.command(&["audit", "verify"]).data();
}
