//! The alert rules that are shipped: promtool finds them sound, they fire when they should and only
//! then, and what they ask for is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const RULES: &str = include_str!("../../ops/prometheus/alerts.yml");

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// On the PATH, or as `make setup` unpacks it.
fn promtool() -> PathBuf {
    let ours = package().join(".tools/prometheus/promtool");
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&on_path)
        .map(|folder| folder.join("promtool"))
        .chain([ours])
        .find(|path| path.exists())
        .expect("promtool: run `make setup`")
}

#[track_caller]
fn promtool_accepts(arguments: &[&str]) {
    let output = Command::new(promtool())
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
fn alerts_ask_for_metrics_that_exist_and_name_runbooks_that_exist() {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let asked: BTreeSet<&str> = RULES
        .lines()
        .filter(|line| line.trim_start().starts_with("expr:"))
        .flat_map(|line| line.split(|c| !is_name(c)))
        .filter(|word| word.starts_with("leadstream_"))
        .collect();
    assert!(asked.len() > 5, "{asked:?}");
    let metrics = include_str!("../../docs/metrics.md");
    for name in asked {
        assert!(
            metrics.contains(&format!("`{name}`")),
            "{name} is no metric"
        );
    }
    let operations = include_str!("../../docs/operations.md");
    let headings: BTreeSet<String> = operations
        .lines()
        .filter_map(|line| {
            line.strip_prefix("## ")
                .or_else(|| line.strip_prefix("### "))
        })
        .map(|heading| heading.to_lowercase().replace(' ', "-"))
        .collect();
    let tests = include_str!("../../ops/prometheus/alerts_test.yml");
    for line in RULES.lines() {
        if let Some((_, place)) = line.split_once("runbook: docs/operations.md#") {
            assert!(headings.contains(place), "no section {place}");
        }
        if let Some((_, alert)) = line.split_once("- alert: ") {
            let fires = format!("alertname: {alert}\n        exp_alerts:");
            assert!(tests.contains(&fires), "no test in which {alert} fires");
        }
    }
}
