//! The command line and the operator's port, beside a running service and at rest: what an engineer
//! reads, what a program parses, and what nobody may see.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use leadstream::rehearsal::leads::{Lead, People};
use leadstream::rehearsal::service::wait_until;
use leadstream::runtime::status::Status;
use serde_json::Value;

use crate::harness::{Build, PATIENCE, World};

const FAILURE: i32 = 1;
const USAGE: i32 = 2;

#[test]
fn check_of_a_good_world_reads_well_and_parses() {
    let mut world = World::new(Build::Release);
    world.set("source.tls.mode", "disabled");
    let answer = world.command(&["check"]);
    println!("{}", answer.stdout);
    assert_eq!(answer.stderr, "");
    let lines: Vec<&str> = answer.data().lines().collect();
    let (last, lines) = lines.split_last().unwrap();
    assert_eq!(*last, "ready to run");
    let is_remedy = |line: &&&str| line.trim_start().starts_with("remedy: ");
    for line in lines.iter().filter(|line| !is_remedy(line)) {
        // What single rows of the demo may run into is told, and stops nobody.
        let is_advice = line.starts_with("warning[LS404");
        assert!(line.starts_with("ok ") || is_advice, "{line}");
        assert!(!line.ends_with(": "), "says nothing: {line}");
    }
    let checks = lines.iter().filter(|line| !is_remedy(line)).count();
    for area in ["config", "mysql", "salesforce", "mapping"] {
        let of_area = |line: &&&str| line.split_whitespace().nth(1) == Some(area);
        assert!(lines.iter().any(|line| of_area(&line)), "{area}");
    }

    let answer = world.command(&["check", "--json"]);
    let report = answer.json();
    assert_eq!(report["ok"], true);
    assert_eq!(report["checks"].as_array().unwrap().len(), checks);

    // Offline nobody is asked, so nobody can be missed.
    world.mysql.stop().unwrap();
    world.org.stop_listening();
    let answer = world.command(&["check", "--offline"]);
    assert_eq!(answer.data().lines().count(), 2, "{}", answer.stdout);
    let answer = world.command(&["check", "--json"]);
    assert_eq!(answer.code, FAILURE);
    let report = answer.json();
    assert_eq!(report["ok"], false);
    let failed = report["checks"].as_array().unwrap().iter();
    let failed = failed.filter(|line| line["result"] == "failed");
    for line in failed.clone() {
        assert!(line["page"].is_string() && line["remedy"].is_string());
    }
    assert_eq!(failed.count(), 2, "{report}");
}

#[test]
fn usage_help_and_configuration_are_told_without_a_world() {
    let world = World::new(Build::Release);
    for verb in [
        &["run"][..],
        &["check"],
        &["preview"],
        &["status"],
        &["trace"],
        &["dead-letters", "list"],
        &["snapshot", "start"],
        &["snapshot", "status"],
        &["snapshot", "cancel"],
        &["config", "print"],
        &["sandbox"],
        &["demo"],
    ] {
        let arguments: Vec<&str> = verb.iter().copied().chain(["--help"]).collect();
        let answer = world.command(&arguments);
        assert!(answer.data().contains("Usage: leadstream"), "{verb:?}");
        assert_eq!(answer.stderr, "");
    }
    for wrong in [
        &["start"][..],
        &["trace"],
        &["dead-letters"],
        &["snapshot"],
        &["check", "--no-such"],
        &["dead-letters", "list", "--limit", "many"],
    ] {
        let answer = world.command(wrong);
        assert_eq!(answer.code, USAGE, "{wrong:?}");
        assert_eq!(answer.stdout, "");
        assert!(answer.stderr.starts_with("error: "), "{}", answer.stderr);
        assert!(!answer.stderr.contains("panicked"), "{}", answer.stderr);
    }

    let answer = world.command(&["config", "print"]);
    assert!(!answer.data().contains("leadstream-demo-secret"));
    assert!(answer.stdout.contains("max_age = \"1s\""));
    let answer = world.command(&["config", "print", "--json"]);
    assert!(!answer.data().contains("leadstream-demo-secret"));
    assert_eq!(answer.json()["batch"]["max_records"], 200);

    // What is asked of a folder without a state is no crash and no new folder.
    let answer = world.command(&["status"]);
    assert_eq!(answer.code, FAILURE);
    assert_eq!(answer.errors()[0].page, "LS3003");
    assert!(!world.state().exists());

    // A reader that has enough is no failure.
    let config = world.config().display().to_string();
    for verb in ["--help", "config print", "config print --json"] {
        let script = format!("\"$0\" {verb} --config {config} | head -1; exit ${{PIPESTATUS[0]}}");
        let answer = world.shell(&script);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert_eq!(answer.stderr, "");
    }
}

#[test]
fn the_sandbox_tells_its_address_and_ends_when_it_is_told_to() {
    let world = World::new(Build::Release);
    // Reads the line, asks the org, ends it, and gives its exit code.
    let script = "coproc \"$0\" sandbox --listen 127.0.0.1:0; read -r line <&\"${COPROC[0]}\"
        echo \"$line\"; address=${line##*http://}
        exec 3<>\"/dev/tcp/${address%:*}/${address#*:}\" && echo connected
        kill -TERM \"$COPROC_PID\"; wait \"$COPROC_PID\"";
    let answer = world.shell(script);
    assert_eq!(answer.code, 0, "{answer:?}");
    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert!(lines[0].starts_with("salesforce sandbox listening on http://127.0.0.1:"));
    assert_eq!(lines[1], "connected");
    let port = world.org.address().port();
    let script = format!("\"$0\" sandbox --listen 127.0.0.1:{port}");
    let answer = world.shell(&script);
    assert_eq!(answer.code, FAILURE);
    assert!(answer.stderr.starts_with("error"), "{}", answer.stderr);
    assert!(
        answer.stderr.contains(&port.to_string()),
        "{}",
        answer.stderr
    );
}

#[test]
fn status_trace_and_dead_letters_answer_beside_a_service_and_at_rest() {
    let mut world = World::new(Build::Release);
    let mut people = People::new(5, 0);
    let mut leads: Vec<Lead> = (0..20).map(|_| people.next_lead()).collect();
    // Two that leadstream refuses, for one cause each; the ids are 1 to 20.
    leads[3].last_name = None;
    leads[7].last_name = None;
    leads[9].plan = "Platinum".to_owned();
    world.start();
    world.insert_leads(&leads, 20);
    world.wait_settled();
    let running = world.command(&["status"]);
    println!("$ leadstream status\n{}", running.stdout);
    for words in [
        "is running, pid ",
        "seen by the service at ",
        "streaming from MySQL ",
        "none: every captured row has its outcome",
        "balance",
        "3 dead letters wait for a person: leadstream dead-letters list",
    ] {
        assert!(running.data().contains(words), "{words}");
    }
    let ready = world.command(&["status", "--ready"]);
    assert_eq!(ready.data(), "ready\n");
    let mut by_command = world.command(&["status", "--json"]).json();
    // Who paused a route is told to those alone who are known by name.
    let routes = by_command["routes"].as_array_mut().unwrap();
    for route in routes {
        let pause = route.as_object_mut().unwrap().remove("operator_pause");
        assert_eq!(pause, Some(Value::Null));
    }
    let status: Status = serde_json::from_value(by_command.clone()).unwrap();
    assert_eq!(status.routes[0].captured, 20);
    let (_, by_port) = world.get("/api/v1/status").unwrap();
    let by_port: Value = serde_json::from_str(&by_port).unwrap();
    for part in ["pid", "version", "routes", "checkpoint"] {
        assert_eq!(by_command[part], by_port[part], "{part}");
    }

    // A key, a Salesforce id and an e-mail address lead to the same story.
    let id = world.org.leads()[0].id.clone();
    let email = leads[0].email.clone();
    let by_key = world.command(&["trace", "1"]);
    println!("$ leadstream trace 1\n{}", by_key.stdout);
    assert!(by_key.data().contains(&format!("created {id}")));
    for what in [&id, &id[..15], &email, &email.to_uppercase()] {
        let answer = world.command(&["trace", what]);
        assert_eq!(answer.data(), by_key.stdout, "{what}");
    }
    let events = world.command(&["trace", "1", "--json"]).json();
    assert_eq!(events[0]["kind"], "delivered");
    assert_eq!(events[0]["salesforce_id"], id.as_str());
    let rejected = world.command(&["trace", "4"]);
    println!("$ leadstream trace 4\n{}", rejected.stdout);
    assert!(rejected.data().contains("REQUIRED_FIELD_MISSING"));
    let unknown = world.command(&["trace", "4711"]);
    assert_eq!(unknown.code, FAILURE);
    assert_eq!(unknown.stdout, "");
    assert!(unknown.stderr.contains("4711"), "{}", unknown.stderr);

    let list = world.command(&["dead-letters", "list"]);
    println!("$ leadstream dead-letters list\n{}", list.stdout);
    for words in [
        "2 records of route leads: REQUIRED_FIELD_MISSING",
        "1 record of route leads: INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "what to do: ",
    ] {
        assert!(list.data().contains(words), "{words} in\n{}", list.stdout);
    }
    check_letters(&world, &[], 3);
    check_letters(&world, &["--code", "REQUIRED_FIELD_MISSING"], 2);
    check_letters(&world, &["--route", "leads", "--limit", "1"], 1);
    check_letters(&world, &["--offset", "2"], 1);
    check_letters(&world, &["--class", "duplicate"], 0);
    check_letters(&world, &["--route", "nobody"], 0);

    // At rest the folder answers the same; and says that it is the folder.
    assert!(world.stop().success());
    let at_rest = world.command(&["status"]);
    println!("$ leadstream status\n{}", at_rest.stdout);
    assert!(
        at_rest
            .data()
            .starts_with("no service runs on this state folder")
    );
    assert!(at_rest.stdout.contains("3 dead letters wait"));
    let ready = world.command(&["status", "--ready"]);
    assert_eq!(ready.code, FAILURE);
    assert!(
        ready.stdout.starts_with("not ready: no service runs"),
        "{}",
        ready.stdout
    );
    let ready = world.command(&["status", "--ready", "--json"]);
    assert_eq!(
        (ready.code, &ready.json()["ready"]),
        (FAILURE, &Value::Bool(false))
    );
    let status = world.command(&["status", "--json"]).json();
    assert_eq!(status["running"], false);
    assert_eq!(status["routes"]["leads"]["created"], 17);
    assert_eq!(world.command(&["trace", &email]).data(), by_key.stdout);
    assert_eq!(world.command(&["dead-letters", "list"]).data(), list.stdout);
    let config = world.config().display().to_string();
    let state = world.state().display().to_string();
    for verb in ["status", "trace 1", "dead-letters list"] {
        let script = format!(
            "\"$0\" {verb} --config {config} --state {state} | head -1; exit ${{PIPESTATUS[0]}}"
        );
        let answer = world.shell(&script);
        assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{verb}");
        assert_eq!(answer.stdout.lines().count(), 1, "{verb}");
    }
}

#[track_caller]
fn check_letters(world: &World, filter: &[&str], count: usize) {
    let mut arguments = vec!["dead-letters", "list", "--json"];
    arguments.extend(filter);
    let answer = world.command(&arguments);
    let letters = answer.json();
    assert_eq!(letters.as_array().unwrap().len(), count, "{filter:?}");
}

/// Prometheus text, read by the rules of its format: samples by name and labels.
struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    #[track_caller]
    fn take(world: &World) -> Self {
        let (code, text) = world.get("/metrics").expect("the operator answers");
        assert_eq!(code, 200);
        let mut samples = BTreeMap::new();
        let (mut helped, mut typed) = (BTreeSet::new(), BTreeMap::new());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help text");
                assert!(helped.insert(name.to_owned()), "two helps: {line}");
                assert!(!help.is_empty(), "{line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                assert!(helped.contains(name), "a type before its help: {line}");
                let counter = kind == "counter";
                assert_eq!(counter, name.ends_with("_total"), "{line}");
                assert!(counter || ["gauge", "histogram"].contains(&kind), "{line}");
                let twice = typed.insert(name.to_owned(), kind.to_owned());
                assert_eq!(twice, None, "{line}");
            } else {
                let (series, value) = line.rsplit_once(' ').expect("a sample");
                let name = series.split('{').next().unwrap();
                let family = ["_bucket", "_sum", "_count"]
                    .iter()
                    .filter_map(|end| name.strip_suffix(end))
                    .find(|family| typed.get(*family).is_some_and(|kind| kind == "histogram"))
                    .unwrap_or(name);
                assert!(typed.contains_key(family), "no type: {line}");
                let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(name.chars().all(good), "{line}");
                assert!(series == name || series.ends_with("\"}"), "{line}");
                let value: f64 = value.parse().expect("a number");
                // What only the server can say is not known before it was asked.
                let may_be_unknown = name.starts_with("leadstream_source_");
                let is_known = value.is_finite() && value >= 0.0;
                assert!(is_known || may_be_unknown, "{line}");
                let twice = samples.insert(series.to_owned(), value);
                assert_eq!(twice, None, "a series twice: {line}");
            }
        }
        Self(samples)
    }

    #[track_caller]
    fn get(&self, series: &str) -> f64 {
        let found = self.0.get(series);
        *found.unwrap_or_else(|| panic!("no {series} in {:#?}", self.0))
    }

    /// All series of a name, summed.
    fn sum(&self, name: &str) -> f64 {
        let ours = |series: &str| series.split('{').next() == Some(name);
        self.0.iter().filter(|(s, _)| ours(s)).map(|(_, v)| v).sum()
    }

    /// The books, all of them.
    fn books(&self) -> [f64; 7] {
        [
            "leadstream_changes_captured_total",
            "leadstream_records_delivered_total",
            "leadstream_records_skipped_total",
            "leadstream_records_discarded_total",
            "leadstream_dead_letters_open",
            "leadstream_records_parked",
            "leadstream_records_in_flight",
        ]
        .map(|name| self.sum(name))
    }
}

#[test]
fn the_metrics_are_the_books_and_start_from_what_is_durable() {
    let mut world = World::new(Build::Release);
    world.people = People::new(11, 12);
    world.start();
    world.insert(500, 25);
    world.wait_settled();
    // A scrape reads what was published, at most a tenth of a second ago.
    let settled = |scrape: &Scrape| scrape.sum("leadstream_changes_captured_total") >= 500.0;
    let scrape = wait_until(PATIENCE, || Some(Scrape::take(&world)).filter(settled)).unwrap();
    let status = world.status().unwrap();
    let totals = &status.routes[0].totals;
    let [captured, delivered, rest @ ..] = scrape.books();
    assert_eq!(captured, status.routes[0].captured as f64);
    assert_eq!(delivered, totals.delivered() as f64);
    assert_eq!(rest[2], totals.dead_letters_open as f64);
    assert!(rest[2] > 10.0, "some people fill the form in badly");
    assert_eq!(captured, delivered + rest.iter().sum::<f64>(), "{rest:?}");
    let set_aside = scrape.sum("leadstream_records_dead_lettered_total");
    assert_eq!(set_aside, rest[2]);
    for (series, value) in [
        ("leadstream_books_balanced{route=\"leads\"}", 1.0),
        ("leadstream_capture_connected", 1.0),
        ("leadstream_capture_stopped", 0.0),
        ("leadstream_lag_seconds", 0.0),
        ("leadstream_snapshot_running", 0.0),
        ("leadstream_checkpoint_age_seconds", 0.0),
        ("leadstream_delivery_paused{route=\"leads\"}", 0.0),
        ("leadstream_delivery_paused{route=\"*\"}", 0.0),
        (
            "leadstream_freshness_seconds_count{route=\"leads\"}",
            delivered,
        ),
    ] {
        assert_eq!(scrape.get(series), value, "{series}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let build = format!("leadstream_build_info{{version=\"{version}\"}}");
    assert_eq!(scrape.get(&build), 1.0);
    for positive in [
        "leadstream_checkpoint_timestamp_seconds",
        "leadstream_journal_bytes",
        "leadstream_journal_commits_total",
        "leadstream_api_calls_total",
        "leadstream_api_limit_calls",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
    ] {
        assert!(scrape.get(positive) > 0.0, "{positive}");
    }
    // No name of a series and no label may come from a row.
    for series in scrape.0.keys() {
        let rest = series.split('{').nth(1).unwrap_or_default();
        for label in rest.split(',').filter(|label| !label.is_empty()) {
            let name = label.split('=').next().unwrap();
            let known = [
                "route", "outcome", "rule", "class", "stage", "table", "version", "le",
            ];
            assert!(known.contains(&name), "{series}");
        }
    }

    // The next life goes on counting, before and after it streams.
    let before = scrape.books();
    assert!(world.stop().success());
    world.start();
    assert_eq!(Scrape::take(&world).books(), before);
    world.insert(10, 10);
    world.wait_settled();
    let counts = |scrape: &Scrape| scrape.books()[0] == before[0] + 10.0;
    assert!(wait_until(PATIENCE, || Some(Scrape::take(&world)).filter(counts)).is_some());
    world.judge();
}

#[test]
fn an_outage_shows_in_lag_and_readiness_and_passes() {
    let mut world = World::new(Build::Release);
    world.set("source.heartbeat", "200ms");
    world.set("source.connect_timeout", "500ms");
    world.set("retry.base", "100ms");
    world.set("retry.cap", "500ms");
    world.set("retry.park_after", "200ms");
    world.start();
    world.insert(20, 20);
    world.wait_settled();
    assert_eq!(world.get("/readyz").unwrap(), (200, "ready\n".to_owned()));

    // Salesforce away: still ready, because nobody else could do better; the lag shows it.
    world.org.stop_listening();
    world.insert(20, 20);
    world.wait_for_status("the leads to be parked", |status| {
        status.routes[0].totals.parked == 20
    });
    let lag = |world: &World| Scrape::take(world).get("leadstream_lag_seconds");
    let first = lag(&world);
    assert!(first > 0.0);
    let risen = wait_until(PATIENCE, || (lag(&world) > first + 0.2).then_some(()));
    assert!(risen.is_some(), "parked records are lag too");
    let scrape = Scrape::take(&world);
    assert_eq!(
        scrape.get("leadstream_records_parked{route=\"leads\"}"),
        20.0
    );
    assert_eq!(scrape.get("leadstream_delivery_paused{route=\"*\"}"), 1.0);
    // Parked rows do not hold the checkpoint up.
    assert_eq!(scrape.get("leadstream_checkpoint_age_seconds"), 0.0);
    assert_eq!(world.get("/readyz").unwrap().0, 200);
    let status = world.command(&["status"]);
    println!("{}", status.stdout);
    for words in ["PAUSED", "[LS2030]", "remedy: ", "lag         "] {
        assert!(status.data().contains(words), "{words}");
    }
    // The lag outlives a start that waits for Salesforce.
    world.kill();
    world.spawn();
    let known = wait_until(PATIENCE, || {
        let (_, text) = world.get("/readyz")?;
        text.contains("waits for Salesforce").then_some(())
    });
    assert!(known.is_some(), "{}", world.log());
    assert!(lag(&world) > first);
    world.org.resume_listening().unwrap();
    world.wait_settled();
    let over = wait_until(PATIENCE, || (lag(&world) == 0.0).then_some(()));
    assert!(over.is_some(), "the lag is over");

    // MySQL hangs, then goes, then is back.
    world.mysql.freeze().unwrap();
    wait_not_ready(&world);
    let status = world.command(&["status"]);
    println!("{}", status.stdout);
    assert!(status.data().contains("not connected"));
    world.mysql.thaw().unwrap();
    wait_ready(&world);
    world.mysql.kill();
    wait_not_ready(&world);
    assert_eq!(world.get("/livez").unwrap(), (200, "alive\n".to_owned()));
    // First the stream broke, then nobody answers.
    let told = wait_until(PATIENCE, || {
        let status = world.command(&["status"]);
        status.data().contains("[LS1002]").then_some(status)
    });
    println!("{}", told.expect("the reason is told").stdout);
    world.mysql.restart().unwrap();
    wait_ready(&world);
    world.insert(20, 20);
    assert_eq!(world.judge().delivered.len(), 60);
}

#[track_caller]
fn wait_not_ready(world: &World) {
    let gone = wait_until(PATIENCE, || {
        let (code, text) = world.get("/readyz")?;
        (code == 503 && text.starts_with("not ready: capture: ")).then_some(())
    });
    assert!(gone.is_some(), "{:?}", world.get("/readyz"));
}

#[track_caller]
fn wait_ready(world: &World) {
    let ready = wait_until(PATIENCE, || (world.get("/readyz")?.0 == 200).then_some(()));
    assert!(ready.is_some(), "{:?}", world.get("/readyz"));
}

#[test]
fn no_person_shows_in_log_metrics_or_status_and_the_state_is_its_owners_alone() {
    let mut world = World::new(Build::Release);
    world.set("log.level", "debug");
    world.people = People::new(17, 8);
    world.start();
    let leads = world.insert(500, 25);
    world.wait_settled();
    // A record that Salesforce refuses with the values in its message.
    let (_, metrics) = world.get("/metrics").unwrap();
    let (_, status) = world.get("/api/v1/status").unwrap();
    let at_rest = world.state();
    check_modes(&at_rest);
    let judgement = world.judge();
    assert!(judgement.dead_letters.len() > 20, "{judgement:?}");
    let log = world.log();
    let speaks = |line: &str| line.contains("DEBUG") && line.contains("leadstream::");
    assert!(log.lines().any(speaks), "it speaks at debug");
    let shown = [("log", &log), ("metrics", &metrics), ("status", &status)];
    for lead in &leads {
        let names = [Some(lead.first_name.as_str()), lead.last_name.as_deref()];
        let values = [Some(lead.email.as_str()), Some(lead.phone.as_str())];
        for value in names.into_iter().chain(values).flatten() {
            for (place, text) in shown {
                let found = text.lines().find(|line| has_word(line, value));
                assert_eq!(found, None, "{value:?} stands in the {place}");
            }
        }
    }
}

/// Whether the value stands there as a word: `Nia` is not in `Slovenia`.
fn has_word(line: &str, value: &str) -> bool {
    line.match_indices(value).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + value.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

/// Folders 0700, files and the socket 0600; sled makes its files as it likes, in a folder that is
/// closed.
#[track_caller]
fn check_modes(folder: &Path) {
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder), 0o700, "{}", folder.display());
    let (mut seen, index) = (0, folder.join("index"));
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            seen += 1;
            if path.is_dir() {
                assert_eq!(mode(&path), 0o700, "{}", path.display());
                if path != index {
                    folders.push(path);
                }
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
            }
        }
    }
    assert!(seen > 4, "nothing was looked at");
    assert!(folder.join("control.sock").exists());
}
