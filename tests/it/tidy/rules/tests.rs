//! Each rule lets good code pass and can fail: a rule that cannot fail checks nothing.

use super::*;

fn file(path: &str, text: &str) -> File {
    File {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

#[track_caller]
fn check_good(rule: impl Fn(&File) -> Vec<Complaint>, path: &str, text: &str) {
    assert_eq!(rule(&file(path, text)), []);
}

#[track_caller]
fn check_bad(rule: impl Fn(&File) -> Vec<Complaint>, path: &str, text: &str, words: &str) {
    let complaints = rule(&file(path, text));
    let shown: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    assert!(
        shown.iter().any(|complaint| complaint.contains(words)),
        "{shown:?} lacks {words:?}"
    );
}

#[test]
fn dependencies() {
    let rule = one_way_dependencies;
    check_good(
        rule,
        "src/core/batching.rs",
        "use crate::core::change::Change; use super::pacing; use std::fmt;",
    );
    check_good(
        rule,
        "src/capture/stream.rs",
        "use crate::core::Change; use crate::telemetry::names; use super::decode;",
    );
    check_good(
        rule,
        "src/runtime/driver.rs",
        "use crate::{capture, core::Change, delivery::{self, Client}, state};",
    );
    check_good(
        rule,
        "src/operator/api.rs",
        "use crate::runtime::published::Snapshot;",
    );
    check_good(
        rule,
        "src/capture/tests.rs",
        "use crate::rehearsal::MysqlServer;",
    );
    check_good(
        rule,
        "src/lib.rs",
        "pub use crate::core::Change; pub use delivery::Client;",
    );
    check_good(
        rule,
        "src/capture/stream.rs",
        "// use crate::delivery::Client;\n/// [`crate::delivery::Client`]\nfn f() {}",
    );

    check_bad(
        rule,
        "src/core/batching.rs",
        "use crate::telemetry::names;",
        "must not import `telemetry`",
    );
    check_bad(
        rule,
        "src/capture/stream.rs",
        "use crate::{core::Change, delivery::Client};",
        "`delivery`",
    );
    check_bad(
        rule,
        "src/state/store.rs",
        "fn f(x: &crate::capture::Stream) {}",
        "`capture`",
    );
    check_bad(
        rule,
        "src/delivery/mod.rs",
        "use super::state::Store;",
        "`state`",
    );
    check_bad(
        rule,
        "src/delivery/bulk.rs",
        "mod tests { use super::super::super::state::Store; }",
        "`state`",
    );
    check_bad(
        rule,
        "src/capture/stream.rs",
        "use crate::rehearsal::MysqlServer;",
        "`rehearsal`",
    );
    check_bad(
        rule,
        "src/operator/api.rs",
        "use crate::capture::Stream;",
        "`capture`",
    );
    check_bad(
        rule,
        "src/operator/api.rs",
        "use crate::runtime::driver::Driver;",
        "reach into",
    );
    check_bad(
        rule,
        "src/rehearsal/mysql.rs",
        "use crate::core::Change;",
        "`core`",
    );
    check_bad(
        rule,
        "src/state/store.rs",
        "use leadstream::capture::Stream;",
        "`capture`",
    );
    check_good(
        rule,
        "src/state/store.rs",
        "use crate::{failpoint, telemetry::names};",
    );
    check_bad(
        rule,
        "src/telemetry/names.rs",
        "use crate::failpoint::hit;",
        "`failpoint`",
    );
    check_bad(
        rule,
        "src/rehearsal/mod.rs",
        "use crate::telemetry::names;",
        "`telemetry`",
    );
    check_bad(rule, "src/novelty.rs", "fn f() {}", "table of modules");
    assert_eq!(
        rule(&file("src/core/a.rs", "\n\nuse crate::cli::Verb;"))[0].line,
        3
    );
}

#[test]
fn purity() {
    let rule = core_purity;
    check_good(
        rule,
        "src/core/retry.rs",
        "use std::time::Duration; use std::{fmt, collections::BTreeMap};",
    );
    check_good(
        rule,
        "src/core/retry.rs",
        "// tokio::spawn\nconst TEXT: &str = \"std::fs::read\";",
    );
    check_good(rule, "src/runtime/clock.rs", "use std::time::Instant;");

    check_bad(
        rule,
        "src/core/retry.rs",
        "use std::time::{Duration, Instant};",
        "the clock",
    );
    check_bad(
        rule,
        "src/core/retry.rs",
        "fn f() { std::time::SystemTime::now(); }",
        "the clock",
    );
    check_bad(
        rule,
        "src/core/retry.rs",
        "use std::time; fn f() { time::Instant::now(); }",
        "one by one",
    );
    check_bad(rule, "src/core/retry.rs", "use std::time::*;", "the clock");
    check_bad(
        rule,
        "src/core/retry.rs",
        "use jiff::Timestamp; fn f() { Timestamp::now(); }",
        "the clock",
    );
    check_bad(
        rule,
        "src/core/mapping/plan.rs",
        "use tokio::sync::mpsc;",
        "the runtime",
    );
    check_bad(rule, "src/core/mod.rs", "use std::{fs, fmt};", "files");
    check_bad(
        rule,
        "src/core/mod.rs",
        "use std::net::TcpStream;",
        "the network",
    );
    check_bad(rule, "src/core/mod.rs", "use rand::Rng;", "randomness");
    check_bad(
        rule,
        "src/core.rs",
        "fn f() { tracing::info!(\"x\") }",
        "logging",
    );
    check_bad(
        rule,
        "src/core.rs",
        "fn f() { std::env::var(\"X\") }",
        "the environment",
    );
}

#[test]
fn vendors() {
    let rule = vendor_edges;
    check_good(
        rule,
        "src/capture/connection.rs",
        "use mysql_async::Conn; use mysql_cdc::events;",
    );
    check_good(rule, "src/rehearsal/mysql.rs", "use mysql_async::Conn;");
    check_good(
        rule,
        "src/delivery/client.rs",
        "use reqwest::Client; use governor::Quota;",
    );
    check_good(rule, "src/state/index/mod.rs", "use sled::Db;");

    check_bad(
        rule,
        "src/runtime/driver.rs",
        "use mysql_async::Conn;",
        "`mysql_async`",
    );
    check_bad(
        rule,
        "src/core/change.rs",
        "fn f(x: mysql_cdc::Event) {}",
        "`mysql_cdc`",
    );
    check_bad(
        rule,
        "src/capture/stream.rs",
        "pub use reqwest;",
        "`reqwest`",
    );
    check_bad(
        rule,
        "src/core/pacing.rs",
        "extern crate governor;",
        "`governor`",
    );
    check_bad(
        rule,
        "src/operator/api.rs",
        "use ::sled::{Db, Tree};",
        "`sled`",
    );
    check_bad(rule, "src/main.rs", "fn f(x: sled::Db) {}", "`sled`");
}

#[test]
fn sizes() {
    let long = "fn f() {}\n".repeat(MOST_LINES + 1);
    check_good(file_sizes, "src/a.rs", &"fn f() {}\n".repeat(MOST_LINES));
    check_good(
        file_sizes,
        "src/a.rs",
        &format!("//! A.\n//! Why this file is long: one table.\n{long}"),
    );
    check_good(file_sizes, "src/a/tests.rs", &long);

    check_bad(file_sizes, "src/a.rs", &long, "601 lines");
    check_bad(
        file_sizes,
        "src/a.rs",
        &format!("{long}// Why this file is long: said too late"),
        "602 lines",
    );
}

#[test]
fn error_codes() {
    let source = |text| [file("src/a.rs", text)];
    let page = [file("docs/errors/LS1001.md", "")];
    assert_eq!(
        error_pages(
            &source("const CODE: &str = \"LS1001\"; // XLS2000 LS20000 LS200"),
            &page
        ),
        []
    );
    assert_eq!(error_pages(&[], &[file("docs/errors/README.md", "")]), []);

    let rule = |sources: &File| error_pages(std::slice::from_ref(sources), &page);
    check_bad(
        rule,
        "src/a.rs",
        "\"LS1001\" \"LS1002\"",
        "LS1002 has no page",
    );
    check_bad(rule, "src/a.rs", "fn f() {}", "no source uses LS1001");
    let stray = [file("docs/errors/oops.md", "")];
    assert_eq!(error_pages(&[], &stray)[0].text, "is no error code");
}

#[test]
fn openings() {
    check_good(opening_docs, "src/a.rs", "//! Owns the a.\nfn f() {}");
    check_good(opening_docs, "src/a.rs", "#![allow(x)]\n\n//! Owns the a.");

    check_bad(
        opening_docs,
        "src/a.rs",
        "use b::C;\n//! too late",
        "opens without",
    );
    check_bad(
        opening_docs,
        "src/a.rs",
        "/// of an item\nfn f() {}",
        "opens without",
    );
    check_bad(opening_docs, "src/a.rs", "//!\nfn f() {}", "opens without");
    check_bad(opening_docs, "src/a.rs", "", "opens without");
}

#[test]
fn waiting() {
    let rule = |file: &File| sleeps(std::slice::from_ref(file), &[]);
    check_good(
        rule,
        "src/a.rs",
        "// thread::sleep\nfn f() { tokio::time::sleep_until(x); tokio::time::timeout(x, y) }",
    );

    check_bad(
        rule,
        "src/a.rs",
        "fn f() { std::thread::sleep(x) }",
        "not for the clock",
    );
    check_bad(
        rule,
        "tests/it/a.rs",
        "use tokio::time::{self, sleep};",
        "not for the clock",
    );
    check_bad(
        rule,
        "src/a.rs",
        "use tokio::time; fn f() { time::sleep(x) }",
        "not for the clock",
    );
    let allowed = |file: &File| sleeps(std::slice::from_ref(file), &[("src/a.rs", "because")]);
    check_good(allowed, "src/a.rs", "fn f() { std::thread::sleep(x) }");
    check_bad(
        allowed,
        "src/b.rs",
        "fn f() { std::thread::sleep(x) }",
        "not for the clock",
    );
    check_bad(allowed, "src/a.rs", "fn f() {}", "take it off");
}

#[test]
fn independence() {
    let rule = sandbox_independence;
    check_good(
        rule,
        "crates/salesforce-sandbox/src/lib.rs",
        "use axum::Router;",
    );
    check_good(
        rule,
        "crates/salesforce-sandbox/Cargo.toml",
        "# leadstream uses this\nname = \"salesforce-sandbox\"",
    );
    check_good(rule, "src/cli/demo.rs", "use salesforce_sandbox::Org;");
    check_good(rule, "tests/it/crash.rs", "use salesforce_sandbox::Org;");

    check_bad(
        rule,
        "crates/salesforce-sandbox/src/lib.rs",
        "use leadstream::core::Change;",
        "nothing of ours",
    );
    check_bad(
        rule,
        "crates/salesforce-sandbox/Cargo.toml",
        "leadstream = { path = \"../..\" }",
        "nothing of ours",
    );
    check_bad(
        rule,
        "crates/salesforce-sandbox/Cargo.toml",
        "x = { package = \"leadstream\" }",
        "nothing of ours",
    );
    check_bad(
        rule,
        "src/delivery/client.rs",
        "use salesforce_sandbox::Org;",
        "knows nothing",
    );
}

#[test]
fn names() {
    check_good(
        module_names,
        "src/core/batching.rs",
        "mod tests; mod plan {}",
    );

    check_bad(module_names, "src/core/utils.rs", "", "`utils`");
    check_bad(module_names, "src/common/mod.rs", "", "`common`");
    check_bad(
        module_names,
        "src/core/batching.rs",
        "pub(crate) mod helpers { }",
        "`helpers`",
    );
}
