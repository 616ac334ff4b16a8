//! The alert rules that are shipped: promtool finds them sound, they fire when they should and only
//! then, and what they ask for is there.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::harness::prometheus::prometheus_tool;

const RULES: &str = include_str!("../../ops/prometheus/alerts.yml");

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn promtool_accepts(arguments: &[&str]) {
    let output = Command::new(prometheus_tool("promtool"))
        .args(arguments)
        .current_dir(package().join("ops/prometheus"))
        .output()
        .expect("promtool runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn promtool_finds_the_alert_rules_sound_and_they_fire_when_they_should() {
    promtool_accepts(&["check", "rules", "alerts.yml"]);
    promtool_accepts(&["test", "rules", "alerts_test.yml"]);
}

#[test]
fn alerts_ask_for_metrics_that_exist() {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let asked: BTreeSet<&str> = RULES
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with('#') && !line.starts_with("summary"))
        .flat_map(|line| line.split(|c| !is_name(c)))
        .filter(|word| word.starts_with("leadstream_"))
        .map(|name| name.trim_end_matches("_count"))
        .collect();
    assert!(asked.len() > 20, "{asked:?}");
    let metrics = include_str!("../../docs/metrics.md");
    for name in asked {
        assert!(
            metrics.contains(&format!("`{name}`")),
            "{name} is no metric"
        );
    }
}

/// Each alert with the lines of its rule.
fn alerts() -> Vec<(&'static str, &'static str)> {
    let rules = RULES.split("- alert: ").skip(1);
    rules
        .map(|rule| rule.split_once('\n').expect("a name and a rule"))
        .collect()
}

#[test]
fn each_alert_is_tested_for_firing_and_for_not_firing() {
    let tests = include_str!("../../ops/prometheus/alerts_test.yml");
    let (_, well) = tests
        .split_once("- name: all is well")
        .expect("the first test");
    let (well, _) = well.split_once("- name: ").expect("others follow");
    assert!(alerts().len() > 20);
    for (alert, rule) in alerts() {
        let fires = format!("alertname: {alert}\n        exp_alerts:");
        assert!(tests.contains(&fires), "no test in which {alert} fires");
        let silent = format!("alertname: {alert}}}");
        assert!(well.contains(&silent), "no test in which {alert} is silent");
        for severity in rule.split("severity: ").skip(1) {
            let known = severity.starts_with("page\n") || severity.starts_with("ticket\n");
            assert!(known, "{alert}: {severity}");
        }
    }
}

#[test]
fn each_alert_has_a_runbook_that_names_it_and_each_runbook_an_alert() {
    let folder = package().join("docs/runbooks");
    let index = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let mut used = BTreeSet::from(["README.md".to_owned()]);
    for (alert, rule) in alerts() {
        let place = rule
            .lines()
            .find_map(|line| line.trim().strip_prefix("runbook_url: docs/runbooks/"));
        let name = place.unwrap_or_else(|| panic!("{alert} has no runbook_url"));
        let page = std::fs::read_to_string(folder.join(name));
        let page = page.unwrap_or_else(|_| panic!("{alert}: no page {name}"));
        assert!(page.contains(&format!("`{alert}`")), "{name}: {alert}");
        for heading in ["What it means", "How to look", "How to mend"] {
            let (_, section) = page
                .split_once(&format!("\n## {heading}\n"))
                .unwrap_or_else(|| panic!("{name} has no section {heading}"));
            let words = section.split("\n## ").next().unwrap_or_default();
            assert!(words.split_whitespace().count() > 5, "{name}: {heading}");
        }
        let listed = index
            .lines()
            .any(|line| line.contains(&format!("`{alert}`")) && line.contains(name));
        assert!(listed, "README.md does not list {alert}");
        used.insert(name.to_owned());
    }
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(used.contains(&name), "{name} belongs to no alert");
    }
}
