//! The rules of the source tree that the compiler does not know, checked by reading the sources as text.
//!
//! Each check is a pure function from files (path, text) to complaints, and each has a test that shows that it can
//! fail. When one of them complains, the code is wrong or the rule is: change the rule here, openly, with its reason.

mod rules;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use rules::{Complaint, File};

/// All files below `folder` with this extension, their paths relative to the package.
fn files(folder: &str, extension: &str) -> Vec<File> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![package.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let text = fs::read_to_string(&path).expect("a readable file");
                let path = path.strip_prefix(package).expect("below the package");
                found.push(File {
                    path: path.to_string_lossy().into_owned(),
                    text,
                });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn product() -> Vec<File> {
    let files = files("src", "rs");
    assert!(!files.is_empty(), "the sources were not found");
    files
}

/// The sources of the product, the sandbox and the tests.
fn everything() -> Vec<File> {
    ["src", "crates", "tests", "benches"]
        .into_iter()
        .flat_map(|folder| files(folder, "rs"))
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
fn modules_depend_one_way_only() {
    check(
        product()
            .iter()
            .flat_map(rules::one_way_dependencies)
            .collect(),
    );
}

#[test]
fn the_core_is_pure() {
    check(product().iter().flat_map(rules::core_purity).collect());
}

#[test]
fn vendor_types_stop_at_their_modules_edge() {
    check(product().iter().flat_map(rules::vendor_edges).collect());
}

#[test]
fn files_are_short_or_say_why_not() {
    check(everything().iter().flat_map(rules::file_sizes).collect());
}

#[test]
fn every_error_code_has_a_page_and_every_page_a_code() {
    check(rules::error_pages(&product(), &files("docs/errors", "md")));
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    check(everything().iter().flat_map(rules::opening_docs).collect());
}

#[test]
fn nothing_waits_by_the_clock() {
    let files: Vec<File> = [files("src", "rs"), files("tests", "rs")].concat();
    check(rules::sleeps(&files, rules::SLEEPS_ALLOWED));
}

#[test]
fn the_sandbox_is_an_independent_opinion() {
    let manifests = files("crates", "toml");
    assert!(!manifests.is_empty(), "the sandbox was not found");
    check(
        everything()
            .iter()
            .chain(&manifests)
            .flat_map(rules::sandbox_independence)
            .collect(),
    );
}

#[test]
fn modules_are_domain_nouns() {
    check(everything().iter().flat_map(rules::module_names).collect());
}
