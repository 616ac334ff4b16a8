//! The dashboard and the alerts against a real Prometheus that scrapes a running leadstream: no query
//! fails, and none asks for what is not there.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use leadstream::rehearsal::service::wait_until;
use serde_json::Value;

use crate::harness::prometheus::{Prometheus, prometheus_tool};
use crate::harness::{Build, PATIENCE, World};

const DASHBOARD: &str = include_str!("../../ops/grafana/leadstream.json");

/// Series that appear with their first event, which this test does not bring about.
const MAY_BE_ABSENT: [&str; 3] = [
    "leadstream_bulk_jobs_total",
    "leadstream_snapshot_rows_total",
    "leadstream_operator_sign_ins_total",
];

/// Prometheus' client library says that a scrape of this size is no work at all; we promise 5 ms.
const SCRAPE_SECONDS: f64 = 0.005;

/// A service that has delivered, refused, left out and seen a key change.
fn world() -> World {
    let mut world = World::new(Build::Release);
    world.edit_config(
        "operations = [\"insert\"]",
        "operations = [\"insert\", \"update\"]",
    );
    world.set("batch.max_age", "20ms");
    world.start();
    let mut nameless = world.people.next_lead();
    nameless.last_name = None;
    world.insert_leads(&[nameless], 1);
    world.insert(20, 20);
    world.execute(&[
        "UPDATE crm.leads SET id = 1000 WHERE id = 2",
        "DELETE FROM crm.leads WHERE id = 3",
    ]);
    world.wait_caught_up();
    world
}

/// Every query of the dashboard, as Grafana sends it when all instances and routes are chosen.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            found.push((panel["title"].clone(), target["expr"].clone()));
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        found.push((annotation["name"].clone(), annotation["expr"].clone()));
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let Some(query) = variable["query"]["query"].as_str() else {
            continue;
        };
        let names = query
            .strip_prefix("label_values(")
            .and_then(|rest| rest.strip_suffix(')'))
            .expect("what Grafana asks for labels with");
        let (metric, label) = names.split_once(", ").unwrap();
        let query = format!("count by ({label}) ({metric})");
        found.push((variable["name"].clone(), query.into()));
    }
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let filled = |expression: &Value| {
        text(expression)
            .replace("$instance", ".*")
            .replace("$route", ".*")
            .replace("$__rate_interval", "15s")
            .replace("$__range", "15s")
    };
    found
        .iter()
        .map(|(title, expression)| (text(title), filled(expression)))
        .collect()
}

/// Columns that a row of panels has.
const COLUMNS: u64 = 24;

#[test]
fn panels_have_a_place_an_id_and_a_unit_of_their_own() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut places = BTreeSet::new();
    let mut ids = BTreeSet::new();
    let mut rows = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64()), "{title}: its id is taken");
        let [x, y, w, h] =
            ["x", "y", "w", "h"].map(|name| panel["gridPos"][name].as_u64().unwrap());
        assert!(x + w <= COLUMNS, "{title} is beyond the edge");
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(places.insert(place), "{title} lies over another");
        }
        if panel["type"] == "row" {
            rows.push(title);
        } else if panel["type"] != "table" || title.starts_with("Books") {
            let unit = &panel["fieldConfig"]["defaults"]["unit"];
            assert!(unit.is_string(), "{title} has no unit");
        }
    }
    let expected = "Freshness, Flow, Books, Errors, Budget of API calls, Source, State, Process";
    assert_eq!(rows.join(", "), expected);
}

/// The metrics that an expression names.
fn metrics(expression: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    expression
        .split(|c| !is_name(c))
        .filter(|word| word.starts_with("leadstream_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

fn may_be_absent(expression: &str) -> bool {
    MAY_BE_ABSENT.iter().any(|name| expression.contains(name))
}

#[test]
fn every_query_of_dashboard_and_alerts_is_answered_by_a_real_prometheus() {
    let mut world = world();
    let prometheus = Prometheus::start(world.port);
    let scraped_thrice = "count_over_time(leadstream_build_info[1m]) >= 3";
    let ask = |expression: &str| prometheus.query(expression).unwrap_or_default();
    let begun = wait_until(PATIENCE, || ask(scraped_thrice).pop());
    assert!(begun.is_some(), "it is not scraped");
    // Something for rates to see.
    world.insert(20, 20);
    world.wait_caught_up();
    let delivered = "sum(leadstream_records_delivered_total) >= 40";
    let seen = wait_until(PATIENCE, || ask(delivered).pop());
    assert!(seen.is_some(), "{:?}", world.get("/metrics"));

    let mut wrong = Vec::new();
    let mut asked = metrics("");
    for (title, expression) in queries() {
        assert!(!expression.contains('$'), "{title}: {expression}");
        asked.append(&mut metrics(&expression));
        // It is about when the process started, and that was before the first scrape.
        let is_event = title == "Starts";
        match prometheus.query(&expression) {
            Err(error) => wrong.push(format!("{title}: {expression}: {error}")),
            Ok(samples) if samples.is_empty() && !may_be_absent(&expression) && !is_event => {
                wrong.push(format!("{title}: {expression}: no data"));
            }
            Ok(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    check_rules(&prometheus, &mut asked);
    for name in &asked {
        let there = !ask(&format!("{{__name__=~\"{name}\"}}")).is_empty();
        assert!(there || may_be_absent(name), "{name} is not there");
    }
    check_all_are_asked_for(&asked);
    let fastest = ask("min_over_time(scrape_duration_seconds{job=\"leadstream\"}[1m])");
    let seconds = fastest[0]["value"][1].as_str().unwrap();
    println!("a scrape took {seconds} s, seen by Prometheus");
    assert!(
        seconds.parse::<f64>().unwrap() <= SCRAPE_SECONDS,
        "{seconds}"
    );
    check_form(&world.get("/metrics").expect("the port answers").1);
}

/// Prometheus evaluates them all, and nothing pages although a lead was refused and a key was
/// changed.
#[track_caller]
fn check_rules(prometheus: &Prometheus, asked: &mut BTreeSet<String>) {
    let evaluated = wait_until(PATIENCE, || {
        let rules = prometheus.rules();
        let known = rules.iter().all(|rule| rule["health"] != "unknown");
        known.then_some(rules)
    });
    let rules = evaluated.expect("every rule is evaluated");
    let shipped = include_str!("../../ops/prometheus/alerts.yml");
    assert_eq!(rules.len(), shipped.matches("- alert: ").count());
    for rule in rules {
        let name = rule["name"].as_str().unwrap();
        assert_eq!(rule["health"], "ok", "{name}: {rule}");
        asked.append(&mut metrics(rule["query"].as_str().unwrap()));
        if rule["labels"]["severity"] == "page" {
            assert_eq!(rule["state"], "inactive", "{name}: {rule}");
        }
    }
}

/// What nobody looks at need not be measured.
#[track_caller]
fn check_all_are_asked_for(asked: &BTreeSet<String>) {
    let document = include_str!("../../docs/metrics.md");
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
    let unseen: Vec<&str> = rows
        .filter_map(|row| Some(row.split_once('`')?.0))
        .filter(|name| !asked.contains(*name) && !asked.contains(&format!("{name}_bucket")))
        .collect();
    assert!(unseen.is_empty(), "on no panel and in no alert: {unseen:?}");
}

/// Prometheus' own opinion on names, units and help.
#[track_caller]
fn check_form(scraped: &str) {
    let mut promtool = Command::new(prometheus_tool("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
    let mut input = promtool.stdin.take().expect("piped");
    input.write_all(scraped.as_bytes()).unwrap();
    drop(input);
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}
