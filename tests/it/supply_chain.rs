//! What comes in with our dependencies, held to `deny.toml` without the tool that reads it: licences,
//! sources, crates that must not be there. Advisories need data from elsewhere: `make audit`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Packages and who needs whom, for this platform, as Cargo.lock has them.
fn metadata() -> Value {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: "));
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--offline", "--format-version", "1"])
        .args(["--filter-platform", host.unwrap()])
        .current_dir(ROOT)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn rules() -> toml::Table {
    let text = std::fs::read_to_string(Path::new(ROOT).join("deny.toml")).unwrap();
    toml::from_str(&text).unwrap()
}

/// Whether an SPDX expression can be kept with allowed licences alone.
fn is_allowed(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    // Old manifests write "MIT/Apache-2.0".
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let allowed = either(&mut words, allowed);
    allowed && words.next().is_none()
}

type Words<'w, 't> = &'w mut std::iter::Peekable<std::str::SplitWhitespace<'t>>;

fn either(words: Words<'_, '_>, allowed: &BTreeSet<&str>) -> bool {
    let mut holds = both(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        holds |= both(words, allowed);
    }
    holds
}

fn both(words: Words<'_, '_>, allowed: &BTreeSet<&str>) -> bool {
    let mut holds = licence(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        holds &= licence(words, allowed);
    }
    holds
}

fn licence(words: Words<'_, '_>, allowed: &BTreeSet<&str>) -> bool {
    match words.next() {
        Some("(") => {
            let holds = either(words, allowed);
            words.next() == Some(")") && holds
        }
        Some(name) => {
            let exception = words.next_if_eq(&"WITH").and_then(|_| words.next());
            let name = match exception {
                Some(exception) => format!("{name} WITH {exception}"),
                None => name.to_owned(),
            };
            allowed.contains(name.as_str())
        }
        None => false,
    }
}

#[test]
fn licences_and_sources_are_those_that_the_rules_allow() {
    let (data, rules) = (metadata(), rules());
    let allowed = rules["licenses"]["allow"].as_array().unwrap();
    let allowed: BTreeSet<&str> = allowed.iter().filter_map(|it| it.as_str()).collect();
    let mut seen = 0;
    for package in data["packages"].as_array().unwrap() {
        let name = format!("{} {}", package["name"], package["version"]);
        let licence = package["license"].as_str().unwrap_or("none");
        assert!(is_allowed(licence, &allowed), "{name}: {licence}");
        match package["source"].as_str() {
            // Ours, or vendored.
            None => {}
            Some(source) => assert!(source.starts_with("registry+"), "{name}: {source}"),
        }
        seen += 1;
    }
    assert!(seen > 300, "{seen} packages");
    assert!(!is_allowed("GPL-3.0-only", &allowed));
    assert!(!is_allowed("MIT AND GPL-3.0-only", &allowed));
    assert!(is_allowed("GPL-3.0-only OR MIT", &allowed));
    assert!(!is_allowed("(MIT OR ISC) AND GPL-3.0-only", &allowed));
    assert!(is_allowed(
        "(GPL-3.0-only OR MIT) AND Unicode-3.0",
        &allowed
    ));
}

#[test]
fn crates_that_must_not_come_in_did_not() {
    let (data, rules) = (metadata(), rules());
    let names: BTreeMap<&str, &str> = data["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (it["id"].as_str().unwrap(), it["name"].as_str().unwrap()))
        .collect();
    for rule in rules["bans"]["deny"].as_array().unwrap() {
        let banned = rule["crate"].as_str().unwrap();
        let wrappers: Vec<&str> = match rule.get("wrappers") {
            Some(wrappers) => wrappers
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|it| it.as_str())
                .collect(),
            None => Vec::new(),
        };
        for node in data["resolve"]["nodes"].as_array().unwrap() {
            let user = names[node["id"].as_str().unwrap()];
            for dependency in node["deps"].as_array().unwrap() {
                let name = names[dependency["pkg"].as_str().unwrap()];
                assert!(
                    name != banned || wrappers.contains(&user),
                    "{user} brings {banned}"
                );
            }
        }
    }
}
