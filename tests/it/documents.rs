//! What the documents say, held against what there is: links and anchors, commands, configurations,
//! SQL, JSON, metrics, error codes, files and tests that they name.
//!
//! Each check is a pure function from a document to complaints, with a test that shows that it can
//! fail. What is not meant to hold stands in a list here, with its reason.

mod commands;
mod markdown;
mod named;
mod snippets;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use leadstream::rehearsal::{MysqlOptions, replication};

use crate::harness;
use markdown::Document;

/// Not ours, or made by tools.
const LEFT_OUT: &[&str] = &[
    "target",
    ".tools",
    ".git",
    "node_modules",
    "vendor/mysql_async",
];

/// What every file with a certificate or a key holds that a configuration names.
const PEM: &str = concat!(
    include_str!("../fixtures/certificates/server.pem"),
    include_str!("../fixtures/certificates/server-key.pem")
);

#[derive(Debug, PartialEq, Eq)]
struct Complaint {
    path: String,
    line: usize,
    text: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

fn complaint(document: &Document, line: usize, text: String) -> Complaint {
    Complaint {
        path: document.path.clone(),
        line,
        text,
    }
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All documents, by their path.
fn documents() -> BTreeMap<String, Document> {
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = vec![package().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable folder").path();
            let name = path.strip_prefix(package()).expect("below the package");
            let name = name.to_string_lossy().into_owned();
            if LEFT_OUT.iter().any(|left| Path::new(&name).ends_with(left)) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "md") {
                let text = fs::read_to_string(&path).expect("a readable file");
                found.insert(name.clone(), Document::read(&name, &text));
            }
        }
    }
    assert!(
        found.contains_key("README.md"),
        "the documents were not found"
    );
    found
}

/// Every document that says how things are; the history of changes says how they were.
fn of_today() -> Vec<Document> {
    documents()
        .into_iter()
        .filter(|(path, _)| path != "CHANGELOG.md")
        .map(|(_, document)| document)
        .collect()
}

#[track_caller]
fn check(complaints: Vec<Complaint>) {
    let lines: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    assert!(
        lines.is_empty(),
        "{} complaint(s):\n{}",
        lines.len(),
        lines.join("\n")
    );
}

#[test]
fn every_link_leads_somewhere() {
    let documents = documents();
    let exists = |path: &str| package().join(path).exists();
    let complaints = documents
        .values()
        .flat_map(|document| named::links(document, &documents, &exists));
    check(complaints.collect());
}

#[test]
fn every_command_is_one_that_the_program_takes() {
    let makefile = fs::read_to_string(package().join("Makefile")).expect("a Makefile");
    let targets = named::targets(&makefile);
    assert!(targets.contains(&"demo".to_owned()), "{targets:?}");
    let documents = of_today();
    let complaints = documents
        .iter()
        .flat_map(|document| commands::check(document, &targets));
    check(complaints.collect());
}

#[test]
fn every_configuration_that_is_shown_can_be_loaded() {
    let readme = fs::read_to_string(package().join("README.md")).expect("a README");
    let base = snippets::first_toml(&Document::read("README.md", &readme)).expect("a block");
    let documents = of_today();
    let mut looked_at = 0;
    let complaints = documents
        .iter()
        .flat_map(|document| snippets::configurations(document, &base, &mut looked_at))
        .collect();
    check(complaints);
    assert!(looked_at >= 6, "{looked_at} blocks of TOML were found");
}

#[test]
fn every_piece_of_json_and_every_diagram_can_be_read() {
    let documents = of_today();
    check(documents.iter().flat_map(snippets::json).collect());
    check(documents.iter().flat_map(snippets::diagrams).collect());
}

#[test]
fn what_is_named_exists() {
    let metrics = fs::read_to_string(package().join("docs/metrics.md")).expect("the metrics");
    let exists = |path: &str| package().join(path).exists();
    let documents = of_today();
    let complaints = documents.iter().flat_map(|document| {
        let mut all = named::metrics(document, &metrics);
        all.extend(named::codes(document, &exists));
        all.extend(named::paths(document, &exists));
        all
    });
    check(complaints.collect());
}

#[test]
fn the_tests_that_stand_behind_a_promise_exist() {
    let document = documents().remove("docs/guarantees.md").expect("promises");
    let mut sources = String::new();
    let mut folders: Vec<PathBuf> = ["src", "tests", "crates"]
        .map(|it| package().join(it))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                sources.push_str(&fs::read_to_string(&path).expect("a readable file"));
            }
        }
    }
    check(named::tests_of(&document, &sources));
}

#[test]
fn the_statements_for_mysql_are_mysqls() {
    let documents = documents();
    let statements: Vec<String> = snippets::statements(&documents["README.md"])
        .into_iter()
        .map(|it| it.replace('…', "correct horse 1"))
        .collect();
    assert!(statements.len() >= 5, "{statements:?}");
    let mysql = harness::tap::start_mysql(MysqlOptions::default());
    let mut all = vec![
        "CREATE DATABASE IF NOT EXISTS crm",
        "CREATE TABLE IF NOT EXISTS crm.leads (id BIGINT PRIMARY KEY)",
    ];
    all.extend(statements.iter().map(String::as_str));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let done = runtime.block_on(replication::execute(&mysql, &all));
    done.expect("MySQL takes what the README gives");
}
