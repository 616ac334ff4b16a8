//! Everything that the control socket is asked, the API can be asked: each question has its
//! endpoint, or stands here with the reason why it has none.

use std::collections::BTreeSet;

use axum::body::Bytes;

use super::super::endpoints::Work;
use super::super::parameters::Given;
use super::super::serving::Call;
use super::*;
use crate::operator::{LetterQuestion, LogLevelQuestion, Query};

/// How the API asks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    By(&'static str, &'static str),
    /// Not at all, for this reason.
    Not(&'static str),
}

/// One match and one list of the same rows: a question that has no row does not compile.
macro_rules! ways {
    ($($question:pat => $way:expr,)*) => {
        fn way(query: &Query) -> Way {
            use LetterQuestion as Letter;
            use LogLevelQuestion as Level;
            match query { $($question => $way,)* }
        }
        const WAYS: &[Way] = &[$($way,)*];
    };
}

ways! {
    Query::Status => Way::By("GET", "/status"),
    Query::Trace { .. } => Way::By("GET", "/leads"),
    Query::DeadLetters { .. } => Way::Not("pages by offset for the command line; GET /dead-letters by number"),
    Query::SnapshotStatus => Way::By("GET", "/snapshot"),
    Query::SnapshotStart { .. } => Way::By("POST", "/snapshot"),
    Query::SnapshotCancel => Way::By("DELETE", "/snapshot"),
    Query::TrailStart => Way::Not("for `trace`, which says with it why a lead is not found"),
    Query::Durable => Way::Not("for tools beside the service that read its files; /status shows both"),
    Query::IndexSums => Way::Not("for `audit verify`, which compares the journal's files with it"),
    Query::Letters { what: Letter::Groups { .. } } => Way::By("GET", "/dead-letters/groups"),
    Query::Letters { what: Letter::Page { .. } } => Way::By("GET", "/dead-letters"),
    Query::Letters { what: Letter::Numbers { .. } } => Way::Not("for `export`; commands take the filter itself"),
    Query::Letters { what: Letter::Show { .. } } => Way::By("GET", "/dead-letters/{number}"),
    Query::Letters { what: Letter::Stories { .. } } => Way::Not("for `export`: many at once, each as /dead-letters/{number}"),
    Query::Letters { what: Letter::Replay { .. } } => Way::By("POST", "/dead-letters/replay"),
    Query::Letters { what: Letter::ReplayStatus } => Way::By("GET", "/replay"),
    Query::Letters { what: Letter::ReplayCancel } => Way::By("DELETE", "/replay"),
    Query::Letters { what: Letter::Edit { .. } } => Way::By("POST", "/dead-letters/{number}/edit"),
    Query::Letters { what: Letter::Discard { .. } } => Way::By("POST", "/dead-letters/discard"),
    Query::Letters { what: Letter::Import { .. } } => Way::By("POST", "/dead-letters/import"),
    Query::Describe => Way::By("POST", "/describe"),
    Query::SpendCalls { .. } => Way::Not("for `reconcile`, which spends calls on the same machine"),
    Query::Forget { .. } => Way::By("POST", "/people/forget"),
    Query::PauseRoute { .. } => Way::By("POST", "/routes/{route}/pause"),
    Query::ResumeRoute { .. } => Way::By("POST", "/routes/{route}/resume"),
    Query::Activity { .. } => Way::By("GET", "/activity"),
    Query::LogLevel { what: Level::Show } => Way::By("GET", "/log-level"),
    Query::LogLevel { what: Level::Set { .. } } => Way::By("POST", "/log-level"),
    Query::LogLevel { what: Level::Reset } => Way::By("DELETE", "/log-level"),
    Query::History { .. } => Way::By("GET", "/history"),
    Query::Report { .. } => Way::By("GET", "/report"),
    Query::Fields { .. } => Way::By("GET", "/routes/{route}/fields"),
    Query::Routes => Way::By("GET", "/routes"),
    Query::Preview { .. } => Way::By("GET", "/routes/{route}/preview"),
}

/// What an endpoint cannot do without.
pub(super) fn call(endpoint: &Endpoint) -> Call {
    let mut sent: Vec<(String, String)> = endpoint
        .in_path
        .iter()
        .map(|it| (it.name.to_owned(), "7".to_owned()))
        .collect();
    if endpoint.path == "/leads" {
        sent.push(("key".to_owned(), "7".to_owned()));
    }
    let body = match endpoint.body {
        Some("Edit") => r#"{"fields": {"Company": "Acme"}}"#,
        Some("Import") => r#"{"rows": []}"#,
        Some("Replay") => r#"{"numbers": [7]}"#,
        Some("Discard") => r#"{"numbers": [7], "reason": "test"}"#,
        Some("Forget") => r#"{"key": "7"}"#,
        Some("Pause") => r#"{"reason": "test"}"#,
        Some("LogLevelSet") => r#"{"directives": "debug"}"#,
        _ => "{}",
    };
    Call {
        given: Given::check(&[endpoint.in_path, endpoint.in_query], &sent).unwrap(),
        body: Bytes::from_static(body.as_bytes()),
        sees_people: true,
    }
}

#[test]
fn every_question_of_the_control_socket_has_its_endpoint_or_a_reason() {
    let mut by = BTreeSet::new();
    for way in WAYS {
        match way {
            Way::By(..) => assert!(by.insert(*way), "{way:?} is there twice"),
            Way::Not(reason) => assert!(!reason.is_empty()),
        }
    }
    let mut served = BTreeSet::new();
    for endpoint in ENDPOINTS {
        let here = Way::By(endpoint.method.as_str(), endpoint.path);
        match endpoint.work {
            Work::Ask(make) => {
                let query = make(&call(endpoint)).unwrap_or_else(|problem| {
                    panic!("{here:?}: {problem:?}");
                });
                assert_eq!(way(&query), here, "the endpoint asks something else");
                served.insert(here);
            }
            Work::Status => drop(served.insert(here)),
            Work::Listen | Work::Document => {}
        }
    }
    assert_eq!(by, served);
}
