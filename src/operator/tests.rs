//! What tests of the operator's side look at: a status, and a view of a new state folder.

use std::path::Path;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::runtime::commands::Command;
use crate::runtime::status::Status;
use crate::state::{DEFAULT_SEGMENT_BYTES, PayloadPolicy, StateSettings, Store};

/// 2026-11-23T12:00:00Z.
pub const NOON: i64 = 1_795_435_200_000_000;

/// A service with one route.
pub fn status(captured: u64, created: u64, open: u64, calls: u64) -> Status {
    let status = json!({
        "version": "0", "pid": 1, "started_at": NOON, "as_of": NOON, "stage": "running",
        "source": {"connected": true, "server_version": null, "reconnects": 0, "trouble": null,
            "stopped": false},
        "delivery": {"calls_in_flight": 0, "allowed_in_flight": 1, "trouble": null,
            "api_calls_made": calls, "api_used": null, "api_limit": null, "logins": 1},
        "routes": [{"name": "leads", "captured": captured, "in_flight": 0, "balances": true,
            "trouble": null, "object": "Lead", "totals": {"created": created, "dead_letters_open": open,
            "dead_lettered": {"validation": open}}}],
        "oldest_unsettled": Value::Null, "checkpoint": null, "checkpoint_at": null,
        "state": {"journal_bytes": 0, "journal_segments": 1, "last_commit": 1, "index_applied": 1,
            "index_rebuilding": false, "index_bytes": 0, "parked_bytes": 0, "records": 0},
    });
    serde_json::from_value(status).unwrap()
}

/// A view of an empty state, and the side that commands go to.
pub fn view(folder: &Path) -> (View, Store, mpsc::Receiver<Command>) {
    let settings = StateSettings {
        path: folder.to_owned(),
        payload: PayloadPolicy::Full,
        segment_bytes: DEFAULT_SEGMENT_BYTES,
        reserve_bytes: 0,
        retention_ms: None,
        max_journal_bytes: None,
        encryption_key_file: None,
        routes: Vec::new(),
    };
    let (store, _) = Store::open(settings).unwrap();
    let (commands, taken) = Commands::channel();
    let view = View {
        published: Published::new(status(1, 1, 0, 0)),
        index: store.index(),
        eraser: store.eraser(),
        commands,
        metrics: Metrics::new("0").unwrap(),
        history: History::default(),
        events: Events::default(),
        clock: || Micros(NOON),
    };
    (view, store, taken)
}

/// Files of the tests that `docs/security.md` names.
const HELD_BY: [&str; 11] = [
    include_str!("access/tests.rs"),
    include_str!("server/tests.rs"),
    include_str!("api/tests.rs"),
    include_str!("api/tests/pauses.rs"),
    include_str!("api/tests/repeated.rs"),
    include_str!("api/tests/seen.rs"),
    include_str!("console/routes/tests.rs"),
    include_str!("console/desk/tests/looking.rs"),
    include_str!("access/sessions.rs"),
    include_str!("../telemetry/log/tests.rs"),
    include_str!("../../tests/it/access.rs"),
];

#[test]
fn every_attempt_has_the_tests_that_the_page_names() {
    let page = include_str!("../../docs/security.md");
    let (_, held) = page.split_once("| attempt | tests that hold it |").unwrap();
    let (held, _) = held.split_once("\n\n").unwrap();
    let rows: Vec<&str> = held.lines().skip(2).collect();
    assert!(rows.len() >= 12, "the table is not read: {rows:?}");
    for row in rows {
        let mut names = row.split('`').skip(1).step_by(2).peekable();
        assert!(names.peek().is_some(), "nothing holds {row}");
        for name in names {
            let head = format!("fn {name}()");
            let found = HELD_BY.iter().any(|text| text.contains(&head));
            assert!(found, "there is no test {name}");
        }
    }
}
