//! The rules themselves: pure functions from files to complaints.

use std::collections::BTreeSet;
use std::fmt;

use super::source::{declared_modules, module_of, named};

#[derive(Debug, Clone)]
pub struct File {
    /// Relative to the package, with `/`.
    pub path: String,
    pub text: String,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Complaint {
    path: String,
    line: usize,
    text: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

fn complaint(file: &File, line: usize, text: impl Into<String>) -> Complaint {
    Complaint {
        path: file.path.clone(),
        line,
        text: text.into(),
    }
}

/// Who may import whom, [`LEAVES`] apart. `lib.rs` and `main.rs` are no modules and may name all.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("capture", &["core"]),
    ("delivery", &["core"]),
    ("state", &["core"]),
    // Builds the checked structs that the modules define, so it names them.
    (
        "config",
        &["core", "capture", "delivery", "state", "operator"],
    ),
    (
        "runtime",
        &["core", "capture", "delivery", "state", "config"],
    ),
    // Of the runtime: what it publishes and the commands it takes; see NOT_FOR_THE_OPERATOR.
    ("operator", &["core", "state", "runtime"]),
    (
        "cli",
        &[
            "core",
            "capture",
            "delivery",
            "state",
            "config",
            "runtime",
            "operator",
            "rehearsal",
        ],
    ),
    // Looks at the product from the outside.
    ("rehearsal", &[]),
    ("telemetry", &[]),
    ("failpoint", &[]),
];

/// Modules that import nothing of ours and that all may use except the core, which is pure, and the rehearsal.
const LEAVES: &[&str] = &["telemetry", "failpoint"];

/// The operator reads a snapshot and sends commands; it never reaches into the loop.
const NOT_FOR_THE_OPERATOR: &[&str] = &["driver", "shutdown", "clock"];

pub fn one_way_dependencies(file: &File) -> Vec<Complaint> {
    let module = module_of(&file.path);
    let Some(own) = module.first() else {
        return Vec::new();
    };
    let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| name == own) else {
        return vec![complaint(
            file,
            1,
            format!("`{own}` is not in the table of modules (tests/it/tidy/rules.rs)"),
        )];
    };
    let may_use_leaves =
        !["core", "rehearsal"].contains(&own.as_str()) && !LEAVES.contains(&own.as_str());
    let is_test = is_test_file(file);
    let mut complaints = Vec::new();
    for used in named(&file.path, &file.text) {
        let [root, other, rest @ ..] = used.path.as_slice() else {
            continue;
        };
        if root != "crate" && root != "leadstream" || other == own {
            continue;
        }
        let rehearses = is_test && other == "rehearsal";
        let is_leaf = may_use_leaves && LEAVES.contains(&other.as_str());
        if !allowed.contains(&other.as_str()) && !rehearses && !is_leaf {
            complaints.push(complaint(
                file,
                used.line,
                format!("`{own}` must not import `{other}`"),
            ));
        } else if own == "operator"
            && other == "runtime"
            && rest
                .first()
                .is_some_and(|part| NOT_FOR_THE_OPERATOR.contains(&part.as_str()))
        {
            let path = used.path.join("::");
            complaints.push(complaint(
                file,
                used.line,
                format!("the operator must not reach into {path}"),
            ));
        }
    }
    complaints
}

/// Everything by which the world could reach the core: the beginnings of paths.
const IMPURE: &[(&[&str], &str)] = &[
    (&["tokio"], "the runtime"),
    (&["futures_util"], "the runtime"),
    (&["std", "fs"], "files"),
    (&["std", "os"], "files"),
    (&["std", "net"], "the network"),
    (&["axum"], "the network"),
    (&["std", "time", "Instant"], "the clock"),
    (&["std", "time", "SystemTime"], "the clock"),
    (&["std", "time", "*"], "the clock"),
    (&["jiff", "Timestamp", "now"], "the clock"),
    (&["jiff", "Zoned", "now"], "the clock"),
    (&["Timestamp", "now"], "the clock"),
    (&["Zoned", "now"], "the clock"),
    (&["Instant", "now"], "the clock"),
    (&["SystemTime", "now"], "the clock"),
    (&["rand"], "randomness"),
    (&["tracing"], "logging"),
    (&["prometheus"], "metrics"),
    (&["std", "env"], "the environment"),
    (&["std", "process"], "processes"),
    (&["std", "thread"], "threads"),
];

/// Naming these modules whole would open a way around [`IMPURE`]: `use std::time; time::Instant`.
const WHOLE_MODULES: &[&[&str]] = &[
    &["std"],
    &["std", "*"],
    &["std", "time"],
    &["std", "time", "self"],
];

pub fn core_purity(file: &File) -> Vec<Complaint> {
    if !file.path.starts_with("src/core/") && file.path != "src/core.rs" {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    for used in named(&file.path, &file.text) {
        let path: Vec<&str> = used.path.iter().map(String::as_str).collect();
        let shown = path.join("::");
        let impure = IMPURE.iter().find(|(start, _)| path.starts_with(start));
        if let Some((_, what)) = impure {
            // A random test takes its seed and its length from the environment.
            if *what == "the environment" && is_test_file(file) {
                continue;
            }
            complaints.push(complaint(
                file,
                used.line,
                format!("the core knows nothing of {what}: {shown}"),
            ));
        } else if WHOLE_MODULES.contains(&path.as_slice()) {
            complaints.push(complaint(
                file,
                used.line,
                format!("name what the core needs from {shown}, one by one"),
            ));
        }
    }
    complaints
}

/// Where a vendor's types may be named.
const VENDORS: &[(&str, &[&str])] = &[
    ("mysql_async", &["capture", "rehearsal"]),
    ("mysql_common", &["capture", "rehearsal"]),
    ("mysql_cdc", &["capture", "rehearsal"]),
    ("reqwest", &["delivery"]),
    ("governor", &["delivery"]),
    ("sled", &["state"]),
    ("cel", &["core"]),
];

pub fn vendor_edges(file: &File) -> Vec<Complaint> {
    let module = module_of(&file.path);
    let own = module.first().map_or("the root", String::as_str);
    let mut complaints = Vec::new();
    for used in named(&file.path, &file.text) {
        let vendor = VENDORS
            .iter()
            .find(|(vendor, _)| used.path.first().is_some_and(|first| first == vendor));
        if let Some((vendor, homes)) = vendor
            && !homes.contains(&own)
        {
            complaints.push(complaint(
                file,
                used.line,
                format!("`{vendor}` stops at the edge of {}", homes.join(", ")),
            ));
        }
    }
    complaints
}

const MOST_LINES: usize = 600;
const EXCUSE: &str = "Why this file is long:";

pub fn file_sizes(file: &File) -> Vec<Complaint> {
    let lines = file.text.lines().count();
    let excused = file.text.lines().take(15).any(|line| line.contains(EXCUSE));
    if lines <= MOST_LINES || excused || is_test_file(file) {
        return Vec::new();
    }
    let text = format!("{lines} lines; split it, or say `{EXCUSE}` in the first 15 lines");
    vec![complaint(file, MOST_LINES, text)]
}

pub fn error_pages(sources: &[File], pages: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let name = |page: &File| {
        page.path
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .trim_end_matches(".md")
            .to_owned()
    };
    let paged: BTreeSet<String> = pages.iter().map(name).collect();
    let mut used = BTreeSet::new();
    for file in sources {
        for (number, line) in file.text.lines().enumerate() {
            for code in codes(line) {
                if !paged.contains(&code) && !used.contains(&code) {
                    complaints.push(complaint(
                        file,
                        number + 1,
                        format!("{code} has no page docs/errors/{code}.md"),
                    ));
                }
                used.insert(code);
            }
        }
    }
    for page in pages {
        let name = name(page);
        let is_code = codes(&name).first() == Some(&name);
        if is_code && !used.contains(&name) {
            complaints.push(complaint(page, 1, format!("no source uses {name}")));
        } else if !is_code && !["README", "index"].contains(&name.as_str()) {
            complaints.push(complaint(page, 1, "is no error code"));
        }
    }
    complaints
}

/// `LS` and four digits that stand alone.
fn codes(line: &str) -> Vec<String> {
    let bytes = line.as_bytes();
    let word = |at: usize| {
        bytes
            .get(at)
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    let starts = line.match_indices("LS").map(|(at, _)| at);
    starts
        .filter(|&at| at == 0 || !word(at - 1))
        .filter(|&at| {
            (at + 2..at + 6).all(|digit| bytes.get(digit).is_some_and(u8::is_ascii_digit))
                && !word(at + 6)
        })
        .map(|at| line[at..at + 6].to_owned())
        .collect()
}

pub fn opening_docs(file: &File) -> Vec<Complaint> {
    let opening = file
        .text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with("#!"));
    if opening
        .is_some_and(|line| line.trim_start_matches("//!").len() > 1 && line.starts_with("//!"))
    {
        return Vec::new();
    }
    vec![complaint(
        file,
        1,
        "opens without a `//!` that says what it owns",
    )]
}

/// Files that may wait by the clock, each with its reason.
pub const SLEEPS_ALLOWED: &[(&str, &str)] = &[
    (
        "src/rehearsal/process.rs",
        "another process's start and end give no event to wait for",
    ),
    (
        "src/state/folder.rs",
        "a killed process's lock is freed by the kernel without telling anybody",
    ),
    (
        "src/capture/session.rs",
        "how long positions without rows wait for company",
    ),
    (
        "src/capture/supervisor.rs",
        "the backoff between connections",
    ),
    (
        "src/capture/prepared.rs",
        "a server gives no event when a prepared transaction is decided",
    ),
    (
        "src/capture/snapshot/mod.rs",
        "a snapshot's rate, its backoff, and the look at a busy server's load",
    ),
    (
        "src/capture/snapshot/source.rs",
        "a server gives no event when a commit becomes visible",
    ),
    (
        "src/operator/control.rs",
        "too many open files give no event when some are closed",
    ),
    (
        "src/operator/server.rs",
        "too many open files give no event when some are closed",
    ),
    (
        "src/runtime/service.rs",
        "the backoff while either side is away at the start",
    ),
    (
        "src/cli/snapshot.rs",
        "a person who watches a snapshot looks once in a second",
    ),
    (
        "src/capture/snapshot/scan.rs",
        "a comparison's rate, its backoff, and the look at a busy server's load",
    ),
    (
        "src/runtime/reconcile/asking.rs",
        "the backoff between two tries of a query",
    ),
    (
        "src/runtime/reconcile/looking.rs",
        "how far another process is gives no event to wait for",
    ),
    (
        "src/runtime/reconcile/mending.rs",
        "a snapshot of another process gives no event at its end",
    ),
];

pub fn sleeps(files: &[File], allowed: &[(&str, &str)]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut needed = BTreeSet::new();
    for file in files {
        for used in named(&file.path, &file.text) {
            let path: Vec<&str> = used.path.iter().map(String::as_str).collect();
            let waits = path.ends_with(&["thread", "sleep"])
                || path.ends_with(&["time", "sleep"])
                || path.ends_with(&["thread", "park_timeout"]);
            if waits && allowed.iter().any(|(path, _)| *path == file.path) {
                needed.insert(file.path.as_str());
            } else if waits {
                let shown = path.join("::");
                complaints.push(complaint(
                    file,
                    used.line,
                    format!("{shown}: wait for a condition, not for the clock"),
                ));
            }
        }
    }
    for (path, _) in allowed.iter().filter(|(path, _)| !needed.contains(path)) {
        let text = "is allowed to sleep and does not; take it off the list".to_owned();
        complaints.push(Complaint {
            path: (*path).to_owned(),
            line: 1,
            text,
        });
    }
    complaints
}

pub fn sandbox_independence(file: &File) -> Vec<Complaint> {
    let in_sandbox = file.path.starts_with("crates/salesforce-sandbox/");
    if file.path.ends_with("Cargo.toml") {
        let names_us = |line: &str| {
            let line = line.trim_start();
            line.starts_with("leadstream") || line.contains("\"leadstream\"")
        };
        let lines = file
            .text
            .lines()
            .enumerate()
            .filter(|(_, line)| in_sandbox && names_us(line));
        return lines
            .map(|(at, _)| complaint(file, at + 1, "the sandbox depends on nothing of ours"))
            .collect();
    }
    let outside = ["src/rehearsal/", "src/cli/", "tests/", "benches/"];
    let may_use_sandbox = in_sandbox || outside.iter().any(|folder| file.path.starts_with(folder));
    let mut complaints = Vec::new();
    for used in named(&file.path, &file.text) {
        match used.path.first().map(String::as_str) {
            Some("leadstream") if in_sandbox => {
                complaints.push(complaint(
                    file,
                    used.line,
                    "the sandbox imports nothing of ours",
                ));
            }
            Some("salesforce_sandbox") if !may_use_sandbox => {
                complaints.push(complaint(
                    file,
                    used.line,
                    "the product knows nothing of the sandbox",
                ));
            }
            _ => {}
        }
    }
    complaints
}

/// Names that say nothing of what is inside.
const NO_NAMES: &[&str] = &[
    "utils", "util", "common", "types", "helpers", "helper", "manager", "managers", "misc",
    "shared",
];

pub fn module_names(file: &File) -> Vec<Complaint> {
    let is_bad = |name: &str| NO_NAMES.contains(&name);
    let mut complaints = Vec::new();
    for part in file
        .path
        .trim_end_matches(".rs")
        .split('/')
        .filter(|part| is_bad(part))
    {
        complaints.push(complaint(
            file,
            1,
            format!("`{part}` is no name: say what is inside"),
        ));
    }
    for (line, name) in declared_modules(&file.text)
        .into_iter()
        .filter(|(_, name)| is_bad(name))
    {
        complaints.push(complaint(
            file,
            line,
            format!("`{name}` is no name: say what is inside"),
        ));
    }
    complaints
}

fn is_test_file(file: &File) -> bool {
    file.path.ends_with("/tests.rs")
        || file.path.contains("/tests/")
        || file.path.starts_with("tests/")
}

#[cfg(test)]
mod tests;
