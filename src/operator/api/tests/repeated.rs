//! `Idempotency-Key` at every endpoint that changes something: done once, answered alike, and the
//! key is nobody else's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::core::letters::ReplayProgress;
use crate::operator::View;
use crate::operator::console::bench::{Bench, lead};
use crate::runtime::commands::Commands;
use crate::runtime::letters::{Edited, LetterCommand, Letters, Selection};
use crate::runtime::route_acts::RouteActed;

/// What is sent to an endpoint, and another body that it would take.
struct Sent {
    method: &'static str,
    path: &'static str,
    body: &'static str,
    other: &'static str,
}

const fn sent(
    method: &'static str,
    path: &'static str,
    body: &'static str,
    other: &'static str,
) -> Sent {
    Sent {
        method,
        path,
        body,
        other,
    }
}

/// Every command but those of `NO_LOG`.
const COMMANDS: [Sent; 11] = [
    sent(
        "POST",
        "/dead-letters/{number}/edit",
        r#"{"fields": {"State": "CA"}}"#,
        r#"{"fields": {"State": "NY"}}"#,
    ),
    sent(
        "POST",
        "/dead-letters/import",
        r#"{"rows": [{"line": 1, "letter": 7, "cells": {"State": "CA"}}]}"#,
        r#"{"rows": [{"line": 1, "letter": 7, "cells": {"State": "NY"}}]}"#,
    ),
    sent(
        "POST",
        "/dead-letters/replay",
        r#"{"numbers": [7]}"#,
        r#"{"matching": {}}"#,
    ),
    sent(
        "POST",
        "/dead-letters/discard",
        r#"{"numbers": [7], "reason": "test data"}"#,
        r#"{"numbers": [7], "reason": "spam"}"#,
    ),
    sent("DELETE", "/replay", "", ""),
    sent("POST", "/snapshot", "{}", r#"{"routes": ["leads"]}"#),
    sent("DELETE", "/snapshot", "", ""),
    sent(
        "POST",
        "/routes/{route}/pause",
        r#"{"reason": "the org moves"}"#,
        r#"{"reason": "a fair"}"#,
    ),
    sent("POST", "/routes/{route}/resume", "", ""),
    sent("POST", "/describe", "", ""),
    sent(
        "POST",
        "/people/forget",
        r#"{"key": "L-1", "erase": true}"#,
        r#"{"key": "L-2", "erase": true}"#,
    ),
];

/// A test has no log of a service, so they are refused here; `tests/it/logs.rs` carries them out.
const NO_LOG: [(&str, &str, &str); 2] = [
    ("POST", "/log-level", r#"{"directives": "debug"}"#),
    ("DELETE", "/log-level", ""),
];

/// A driver that says yes, each time with another number.
async fn drive(mut commands: mpsc::Receiver<Command>, done: Arc<AtomicU64>) {
    while let Some(command) = commands.recv().await {
        let number = done.fetch_add(1, Ordering::SeqCst) + 1;
        let progress = ReplayProgress {
            running: true,
            cancelled: false,
            author: String::new(),
            asked: number,
            waiting: 0,
            under_way: 0,
            delivered: 0,
            refused: 0,
            closed: 0,
            declined_count: 0,
            declined: Vec::new(),
        };
        match command {
            Command::StartSnapshot { answer, .. }
            | Command::CancelSnapshot { answer, .. }
            | Command::Describe { answer, .. }
            | Command::Letters(LetterCommand::Discard { answer, .. }) => {
                answer.send(Ok(number)).unwrap();
            }
            Command::Letters(
                LetterCommand::Replay { answer, .. } | LetterCommand::CancelReplay { answer, .. },
            ) => answer.send(Ok(progress)).unwrap(),
            Command::Letters(LetterCommand::Edit { order, answer }) => {
                let edited = Edited {
                    letter: order.number,
                    changed: vec![number.to_string()],
                    before: "{}".to_owned(),
                    after: "{}".to_owned(),
                };
                answer.send(Ok(edited)).unwrap();
            }
            Command::Route(command) => {
                let acted = RouteActed {
                    route: number.to_string(),
                    changed: true,
                    pause: None,
                };
                command.answer.send(Ok(acted)).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The API over seven dead letters, with such a driver.
struct Repeating {
    router: Router,
    view: View,
    done: Arc<AtomicU64>,
    bench: Bench,
}

impl Repeating {
    fn new() -> Self {
        let bench = Bench::new((1..=7).map(lead).collect());
        let (commands, taken) = Commands::channel();
        let done = Arc::new(AtomicU64::new(0));
        tokio::spawn(drive(taken, Arc::clone(&done)));
        let view = View {
            commands,
            ..bench.view.clone()
        };
        Self {
            router: router().with_state(view.clone()),
            view,
            done,
            bench,
        }
    }

    /// Nothing of them waits: they may be erased.
    async fn close(&self, numbers: &[u64]) {
        let letters = Letters {
            index: self.bench.view.index.clone(),
            commands: self.bench.view.commands.clone(),
        };
        let these = Selection::Numbers(numbers.to_vec());
        letters.discard(these, "anna", "closed").await.unwrap();
    }

    /// What was done: commands, and commits of what needs no driver.
    fn done(&self) -> u64 {
        self.done.load(Ordering::SeqCst) + self.view.index.lag().last_commit
    }

    async fn send(&self, name: &str, (method, path, body): (&str, &str, &str)) -> (u16, Value) {
        let mut request = request(method, &filled(&format!("{ROOT}{path}")), body);
        let key = "018f-one-key".parse().unwrap();
        request.headers_mut().insert("idempotency-key", key);
        request.extensions_mut().insert(Identity {
            name: name.into(),
            role: Role::Admin,
            csrf: None,
        });
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await;
        let body = serde_json::from_slice(&body.unwrap()).unwrap();
        (status, body)
    }
}

#[test]
fn every_command_is_tried_twice() {
    let tried = COMMANDS.iter().map(|sent| (sent.method, sent.path));
    let tried: BTreeSet<_> = tried
        .chain(NO_LOG.iter().map(|(method, path, _)| (*method, *path)))
        .collect();
    let commands = ENDPOINTS.iter().filter(|it| it.method != Method::GET);
    let commands: BTreeSet<_> = commands.map(|it| (it.method.as_str(), it.path)).collect();
    assert_eq!(tried, commands);
}

#[tokio::test]
async fn every_command_with_a_key_is_carried_out_once() {
    for Sent {
        method,
        path,
        body,
        other,
    } in COMMANDS
    {
        let api = Repeating::new();
        if path == "/people/forget" {
            let (status, problem) = api.send("anna", (method, path, body)).await;
            assert_eq!((status, &problem["type"]), (422, &json!("LS3062")));
            api.close(&[1, 2]).await;
        }
        let before = api.done();
        let (status, first) = api.send("anna", (method, path, body)).await;
        assert_eq!(status, 200, "{method} {path}: {first}");
        let once = api.done();
        assert!(once > before, "{method} {path} did nothing");

        let (status, again) = api.send("anna", (method, path, body)).await;
        assert_eq!((status, again), (200, first), "{method} {path}");
        assert_eq!(api.done(), once, "{method} {path} was done twice");

        // The key with another body, and where there is none with another command.
        let elsewhere = match path {
            "/describe" => "/routes/{route}/resume",
            _ => "/describe",
        };
        let mut others = vec![("POST", elsewhere, "")];
        if other != body {
            others.push((method, path, other));
        }
        for another in others {
            let (status, problem) = api.send("anna", another).await;
            assert_eq!((status, &problem["type"]), (409, &json!("LS6062")));
            let title = problem["title"].as_str().unwrap();
            assert!(title.contains("with another command"), "{problem}");
        }
        assert_eq!(
            api.done(),
            once,
            "{method} {path}: what was refused was done"
        );

        // Somebody else's key is another key, though it is the same text.
        let (status, told) = api.send("bert", (method, path, other)).await;
        assert_eq!(status, 200, "{method} {path}: {told}");
        assert!(api.done() > once, "{method} {path}: keys are shared");
    }
}

#[tokio::test]
async fn a_refused_command_leaves_its_key_free() {
    let api = Repeating::new();
    for (method, path, body) in NO_LOG {
        for _ in 0..2 {
            let (status, problem) = api.send("anna", (method, path, body)).await;
            assert_eq!(
                problem["type"], "LS6004",
                "{method} {path}: {status} {problem}"
            );
        }
    }
    let (status, told) = api.send("anna", ("POST", "/describe", "")).await;
    assert_eq!(status, 200, "{told}");
}
