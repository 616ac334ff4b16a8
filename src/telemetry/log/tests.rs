//! Tests of the log: its two forms, its spans, and a level that changes.

use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::*;

/// What was written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

/// A log of its own, in this thread, while `work` runs.
fn logged(json: bool, level: &str, work: impl FnOnce(&Control)) -> Vec<String> {
    let log = LogSettings {
        json,
        level: level.to_owned(),
    };
    let written = Written::default();
    let writer = written.clone();
    let (subscriber, apply) = subscriber(&log, false, move || writer.clone());
    let control = Control {
        configured: level.to_owned(),
        now: Mutex::new(level.to_owned()),
        apply,
    };
    tracing::subscriber::with_default(subscriber, || work(&control));
    written.lines()
}

fn send() {
    let pipeline = tracing::info_span!("pipeline");
    let batch = tracing::info_span!(parent: &pipeline, "batch", batch_id = 7, object = "Lead", op = "upsert");
    let request = tracing::info_span!(parent: &batch, "request", attempt = 1);
    request.in_scope(|| tracing::warn!(page = "LS2001", "a call failed"));
}

#[test]
fn a_json_line_is_one_object_with_its_spans_from_the_outside_in() {
    let lines = logged(true, "info", |_| send());
    let [line] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["fields"]["message"], "a call failed");
    assert_eq!(line["fields"]["page"], "LS2001");
    assert!(line["timestamp"].is_string());
    let spans = serde_json::json!([
        {"name": "pipeline"},
        {"name": "batch", "batch_id": 7, "object": "Lead", "op": "upsert"},
        {"name": "request", "attempt": 1},
    ]);
    assert_eq!(line["spans"], spans);
}

#[test]
fn a_line_for_people_names_its_spans_before_its_text() {
    let lines = logged(false, "info", |_| send());
    let [line] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    let spans = "pipeline:batch{batch_id=7 object=\"Lead\" op=\"upsert\"}:request{attempt=1}:";
    assert!(line.contains(spans), "{line}");
    assert!(line.contains("WARN"), "{line}");
    assert!(line.ends_with("a call failed page=\"LS2001\""), "{line}");
}

#[test]
fn spans_that_nothing_shows_are_not_made() {
    for level in ["off", "error"] {
        let lines = logged(true, level, |_| {
            let span = tracing::info_span!("batch", batch_id = 7);
            assert!(span.is_disabled(), "{level}");
            send();
        });
        assert!(lines.is_empty(), "{lines:?}");
    }
}

#[test]
fn the_level_changes_while_the_process_runs_and_goes_back() {
    let lines = logged(true, "warn", |control| {
        tracing::debug!("too early");
        let level = control.change(Some("debug"), "anna").unwrap();
        let expected = LogLevel {
            configured: "warn".to_owned(),
            before: "warn".to_owned(),
            now: "debug".to_owned(),
        };
        assert_eq!(level, expected);
        assert_eq!(control.level().now, "debug");
        tracing::debug!("in time");
        let level = control.change(None, "anna").unwrap();
        assert_eq!((&*level.before, &*level.now), ("debug", "warn"));
        tracing::debug!("too late");
    });
    let said: Vec<String> = lines
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["fields"].clone())
        .map(|fields| format!("{} {}", fields["message"], fields["author"]))
        .collect();
    let changed = "\"the log level is changed, until a restart\" \"anna\"";
    assert_eq!(said, [changed, "\"in time\" null", changed]);
}

#[test]
fn what_is_no_level_changes_nothing() {
    logged(true, "info", |control| {
        for wrong in ["inof", "", "info,a[b=warn", "leadstream"] {
            let refused = control.change(Some(wrong), "anna");
            assert_eq!(refused, Err(LogLevelFault::NotDirectives), "{wrong}");
        }
        assert_eq!(control.level().now, "info");
    });
    assert!(
        !are_directives("info\n,debug"),
        "a line of the log is one line"
    );
    assert!(!are_directives("info,".repeat(300).trim_end_matches(',')));
    assert!(are_directives("warn,leadstream::capture=debug"));
}

#[test]
fn a_second_start_changes_nothing() {
    let log = |json, level: &str| LogSettings {
        json,
        level: level.to_owned(),
    };
    init(&log(true, "off"));
    init(&log(false, "not=a=level"));
    assert_eq!(level().unwrap().configured, "off");
}
