//! What the README promises: its configuration can be used as it stands, knows every key, and its tests exist.
use std::io::Write;
use std::path::Path;

use salesforce_sandbox::{Error, OrgConfig};

const README: &str = include_str!("../../README.md");

fn configuration() -> String {
    section("## Configure it")
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn section(heading: &str) -> &'static str {
    let from = README.find(heading).unwrap() + heading.len();
    let rest = &README[from..];
    rest.find("\n## ").map_or(rest, |end| &rest[..end])
}

#[track_caller]
fn load(text: &str) -> Result<OrgConfig, Error> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    OrgConfig::load(file.path())
}

#[test]
fn its_configuration_can_be_used_as_it_stands() {
    let config = load(&configuration())
        .unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)));
    assert_eq!(config.mistakes(), Vec::<String>::new());
}

#[test]
fn its_configuration_names_every_key() {
    let error = load("no_such_key = 1\n").unwrap_err();
    let told = std::error::Error::source(&error).unwrap().to_string();
    let keys: Vec<&str> = told.split('`').skip(3).step_by(2).collect();
    assert!(keys.len() > 40, "{told}");
    let text = configuration();
    let missing: Vec<&&str> = keys
        .iter()
        .filter(|key| !text.contains(&format!("{key} = ")) && !text.contains(&format!("[{key}]")))
        .collect();
    assert_eq!(missing, Vec::<&&str>::new());
}

#[test]
fn every_row_of_its_tables_names_tests_that_exist() {
    let mut rows = 0;
    for line in section("## What is implemented").lines() {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [_, _, tests, _] = cells.as_slice() else {
            continue;
        };
        if *tests == "tests" {
            continue;
        }
        rows += 1;
        for test in tests.split(", ") {
            // `unit (cell)` names a module beside the code, of which there may be several in parentheses.
            let name = test.split(" (").next().unwrap().trim_end_matches("/*");
            let is_unit = name == "unit" || test.ends_with(')');
            let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
            let exists = base.join(format!("{name}.rs")).exists() || base.join(name).is_dir();
            assert!(is_unit || exists || name == "–", "{test}: {line}");
        }
    }
    assert!(rows > 80, "{rows} rows");
}
