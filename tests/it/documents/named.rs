//! What a document names: other documents and their headings, metrics, error codes, files, tests.

use std::collections::BTreeMap;

use super::markdown::Document;
use super::{Complaint, complaint};

/// Words that look like metrics and are none.
const NO_METRICS: &[(&str, &str)] = &[
    ("leadstream_configuration", "a fuzz target"),
    ("leadstream_session", "the console's cookie"),
    ("leadstream_demo", "the demo's schema"),
];

/// Paths that exist only where something ran or was built, with what makes them.
const MADE_LATER: &[(&str, &str)] = &[
    ("fuzz/artifacts", "a failing input"),
    ("fuzz/target", "a build"),
    ("state", "a service"),
];

/// Documents whose paths begin elsewhere than at the root or beside them.
const ROOTED: &[(&str, &str)] = &[("vendor/README.md", "vendor/mysql_async/x")];

/// Links that lead nowhere: to no file, to no heading of it.
pub fn links(
    document: &Document,
    all: &BTreeMap<String, Document>,
    exists: &dyn Fn(&str) -> bool,
) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for link in &document.links {
        let target = link.text.split(' ').next().unwrap_or_default();
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path = if file.is_empty() {
            document.path.clone()
        } else {
            resolve(&document.path, file)
        };
        if !exists(&path) {
            complaints.push(complaint(
                document,
                link.line,
                format!("{target}: there is no {path}"),
            ));
        } else if !anchor.is_empty() {
            let known = all
                .get(&path)
                .is_some_and(|it| it.anchors.iter().any(|known| known == anchor));
            if !known {
                complaints.push(complaint(
                    document,
                    link.line,
                    format!("{path} has no heading #{anchor}"),
                ));
            }
        }
    }
    complaints
}

/// A relative path, seen from a document.
fn resolve(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Targets of a Makefile.
pub fn targets(makefile: &str) -> Vec<String> {
    let rules = makefile
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()) && !line.contains(":="));
    rules
        .filter_map(|line| line.split_once(':'))
        .flat_map(|(names, _)| names.split_whitespace())
        .map(str::to_owned)
        .collect()
}

/// Metrics that `docs/metrics.md` does not have.
pub fn metrics(document: &Document, known: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (number, line) in document.text.lines().enumerate() {
        for name in names(line, "leadstream_") {
            let bare = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .unwrap_or(name);
            let is_known = |name: &str| known.contains(&format!("`{name}`"));
            // `leadstream_budget_*` names all that begin so.
            let begins = name.ends_with('_') && known.contains(&format!("`{name}"));
            let excused = NO_METRICS.iter().any(|(excused, _)| *excused == name);
            if !is_known(name) && !is_known(bare) && !begins && !excused {
                complaints.push(complaint(
                    document,
                    number + 1,
                    format!("docs/metrics.md has no {name}"),
                ));
            }
        }
    }
    complaints
}

/// Words that begin so, and stand by themselves.
fn names<'a>(line: &'a str, beginning: &str) -> Vec<&'a str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    line.match_indices(beginning)
        .filter(|(at, _)| !line[..*at].ends_with(|c| is_word(c) || matches!(c, '/' | '-' | '.')))
        .map(|(at, _)| {
            let rest = &line[at..];
            &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())]
        })
        .filter(|name| name.len() > beginning.len())
        .collect()
}

/// Error codes without a page.
pub fn codes(document: &Document, exists: &dyn Fn(&str) -> bool) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (number, line) in document.text.lines().enumerate() {
        for name in names(line, "LS") {
            let digits = &name[2..];
            let is_code = digits.len() == 4 && digits.chars().all(|c| c.is_ascii_digit());
            // The ranges of the areas end where no code need be.
            let ends_a_range = digits.ends_with("99") || digits.ends_with("01");
            if is_code && !ends_a_range && !exists(&format!("docs/errors/{name}.md")) {
                complaints.push(complaint(
                    document,
                    number + 1,
                    format!("there is no docs/errors/{name}.md"),
                ));
            }
        }
    }
    complaints
}

/// Files and folders of the source tree that are not there.
pub fn paths(document: &Document, exists: &dyn Fn(&str) -> bool) -> Vec<Complaint> {
    const ROOTS: &[&str] = &[
        "src/", "tests/", "docs/", "crates/", "config/", "ops/", "scripts/", "fuzz/", "benches/",
        "vendor/", "state/", ".ci/",
    ];
    let mut complaints = Vec::new();
    for span in &document.spans {
        let text = span.text.trim_end_matches('/');
        // `fuzz/seeds/TARGET` stands for all of its kind.
        let (folder, name) = text.rsplit_once('/').unwrap_or(("", text));
        let stands_for_all = name.len() > 1 && name.chars().all(|c| c.is_ascii_uppercase());
        let text = if stands_for_all { folder } else { text };
        let is_path = ROOTS.iter().any(|root| text.starts_with(root))
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-'));
        let excused = MADE_LATER
            .iter()
            .any(|(made, _)| text == *made || text.starts_with(&format!("{made}/")));
        let here = resolve(&document.path, text);
        let rooted = ROOTED
            .iter()
            .any(|(path, root)| *path == document.path && exists(&resolve(root, text)));
        if is_path && !excused && !exists(text) && !exists(&here) && !rooted {
            complaints.push(complaint(
                document,
                span.line,
                format!("there is no {text}"),
            ));
        }
    }
    complaints
}

/// Tests that a document names and no source has: spans of four words and more, last after `::`.
pub fn tests_of(document: &Document, sources: &str) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for span in &document.spans {
        let name = span.text.rsplit("::").next().unwrap_or_default();
        let is_test = name.matches('_').count() >= 3
            && !name.starts_with("leadstream_")
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if is_test && !sources.contains(&format!("fn {name}(")) {
            complaints.push(complaint(
                document,
                span.line,
                format!("no source has a test {name}"),
            ));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document::read("docs/a.md", text)
    }

    fn lines(complaints: &[Complaint]) -> Vec<usize> {
        complaints.iter().map(|it| it.line).collect()
    }

    #[test]
    fn links_to_nowhere_are_found_and_others_are_not() {
        let text = "# One `two`: three\n\n[a](b.md), [a](../README.md#x)\n[a](#one-two-three) [a](#four)\n\n    [a](in-code.md)\n[a](https://example.org/no.md)\n";
        let all: BTreeMap<String, Document> = [
            ("docs/a.md".to_owned(), document(text)),
            ("README.md".to_owned(), Document::read("README.md", "# X\n")),
        ]
        .into();
        let exists = |path: &str| all.contains_key(path);
        let complaints = links(&all["docs/a.md"], &all, &exists);
        assert_eq!(lines(&complaints), [3, 4], "{complaints:?}");
    }

    #[test]
    fn metrics_that_no_one_counts_are_found() {
        let text = "`leadstream_a_total`, `leadstream_b_seconds_bucket`\n\n`leadstream_c`\n";
        let known = "| `leadstream_a_total` | `leadstream_b_seconds` |";
        assert_eq!(lines(&metrics(&document(text), known)), [3]);
    }

    #[test]
    fn codes_without_a_page_are_found() {
        let exists = |path: &str| path == "docs/errors/LS1020.md";
        let text = "LS1001 to LS1099: LS1020,\nLS1021";
        assert_eq!(lines(&codes(&document(text), &exists)), [2]);
    }

    #[test]
    fn files_and_tests_that_are_not_there_are_found() {
        let exists = |path: &str| path == "src/main.rs";
        let text = "`src/main.rs`, `state/journal/1`\n`src/mian.rs`\n`a_test_that_holds`\n`x::a_test_that_is_gone`";
        let document = document(text);
        assert_eq!(lines(&paths(&document, &exists)), [2]);
        let sources = "fn a_test_that_holds() {}";
        assert_eq!(lines(&tests_of(&document, sources)), [4]);
    }

    #[test]
    fn targets_are_rules_and_no_settings() {
        let makefile = "A := 1\n.PHONY: a\na: b c\n\tcmd x: y\nd: export E := 2\n";
        assert_eq!(targets(makefile), ["a"]);
    }
}
