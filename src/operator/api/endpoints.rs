//! The table of the API: every endpoint, who may use it, what it takes and what it answers.

use axum::http::Method;
use serde_json::{Value, json};

use super::parameters::{Kind, Parameter};
use super::requests::{
    activity, discard, edit, filter, forget, import, letters, log_level, named, number, pause,
    replay, set_log_level, snapshot,
};
use super::serving::Call;
use crate::core::report::SlotLength;
use crate::operator::access::Role;
use crate::operator::history::KEPT_MINUTES;
use crate::operator::problem::Problem;
use crate::operator::{LetterQuestion, LogLevelQuestion, Query, ReportQuestion};
use crate::runtime::period::PeriodText;

/// One method of one path.
pub(super) struct Endpoint {
    pub method: Method,
    /// Below `/api/v1`.
    pub path: &'static str,
    /// `None`: anybody.
    pub role: Option<Role>,
    pub summary: &'static str,
    pub in_path: &'static [Parameter],
    pub in_query: &'static [Parameter],
    /// The schema of the body.
    pub body: Option<&'static str>,
    /// The schema of the answer.
    pub answer: &'static str,
    pub work: Work,
    /// From the question's answer to this one's.
    pub shape: fn(Value) -> Value,
}

/// What is done.
#[derive(Clone, Copy)]
pub(super) enum Work {
    Ask(fn(&Call) -> Result<Query, Problem>),
    /// The published status, for whoever asks.
    Status,
    Listen,
    Document,
}

/// Most letters on a page: each is read from the journal.
const MAX_PAGE: u64 = 200;
const PAGE: u64 = 50;
/// Most rows of a preview.
const MAX_ROWS: u64 = 100;
const ROWS: u64 = 10;

const NUMBER: Parameter = Parameter {
    name: "number",
    kind: Kind::Count(1, u64::MAX),
    about: "The dead letter's number",
};
const ROUTE_NAME: Parameter = Parameter {
    name: "route",
    kind: Kind::Text,
    about: "The route's name",
};
const FILTER: [Parameter; 5] = [
    text("route", "Of this route alone"),
    text("class", "Of this class of error, `data` for example"),
    text("code", "With this code of Salesforce or the mapping"),
    text("field", "At this field, in any case of letters"),
    Parameter {
        name: "first_field",
        kind: Kind::AnyText,
        about: "With this field as the first one that was objected to, as in groups; empty: none",
    },
];

const ACTIVITY: [Parameter; 4] = [
    text("since", "From this moment on: 2026-11-23T08:00:00Z"),
    text("author", "By this person alone"),
    Parameter {
        name: "before",
        kind: Kind::Count(1, u64::MAX),
        about: "What is older than this commit",
    },
    Parameter {
        name: "limit",
        kind: Kind::Count(1, 1_000),
        about: "How many; 100 without it",
    },
];

const fn text(name: &'static str, about: &'static str) -> Parameter {
    Parameter {
        name,
        kind: Kind::Text,
        about,
    }
}

const BASE: Endpoint = Endpoint {
    method: Method::GET,
    path: "",
    role: Some(Role::Viewer),
    summary: "",
    in_path: &[],
    in_query: &[],
    body: None,
    answer: "",
    work: Work::Document,
    shape: |value| value,
};

pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        path: "/openapi.json",
        role: None,
        summary: "This API as an OpenAPI document",
        answer: "Document",
        work: Work::Document,
        ..BASE
    },
    Endpoint {
        path: "/status",
        role: None,
        summary: "Position, lag, books, budget, troubles; nothing personal",
        answer: "Status",
        work: Work::Status,
        ..BASE
    },
    Endpoint {
        path: "/events",
        summary: "The status whenever it changes, at most once a second, as server-sent events",
        answer: "Status",
        work: Work::Listen,
        ..BASE
    },
    Endpoint {
        path: "/history",
        summary: "Counts of the last minutes, a point a minute; begins anew with the process",
        in_query: &[Parameter {
            name: "minutes",
            kind: Kind::Count(1, KEPT_MINUTES as u64),
            about: "How far back; 60 without it",
        }],
        answer: "History",
        work: Work::Ask(|call| {
            let minutes = call.given.count("minutes").unwrap_or(60);
            let minutes = usize::try_from(minutes).unwrap_or(KEPT_MINUTES);
            Ok(Query::History { minutes })
        }),
        ..BASE
    },
    Endpoint {
        path: "/leads",
        summary: "The story of a lead, by one of its names",
        in_query: &[
            text("key", "Its external id"),
            text("salesforce_id", "15 or 18 characters"),
            text("email", "In any case of letters"),
        ],
        answer: "Trace",
        work: Work::Ask(|call| {
            let name = |name: &str| call.given.text(name);
            let what = named(name("key"), name("salesforce_id"), name("email"))?;
            Ok(Query::Trace { what })
        }),
        shape: |value| json!({ "steps": value }),
        ..BASE
    },
    Endpoint {
        path: "/dead-letters",
        summary: "Dead letters that wait, by number, a page at a time",
        in_query: &[
            FILTER[0],
            FILTER[1],
            FILTER[2],
            FILTER[3],
            FILTER[4],
            Parameter {
                name: "limit",
                kind: Kind::Count(1, MAX_PAGE),
                about: "Letters on a page; 50 without it",
            },
            Parameter {
                name: "after",
                kind: Kind::Count(0, u64::MAX),
                about: "The page behind this one: what `next` says",
            },
        ],
        answer: "DeadLetterPage",
        work: Work::Ask(|call| {
            let limit = call.given.count("limit").unwrap_or(PAGE);
            letters(LetterQuestion::Page {
                filter: filter(call),
                limit: usize::try_from(limit).unwrap_or(1),
                after: call.given.count("after").unwrap_or(0),
            })
        }),
        ..BASE
    },
    Endpoint {
        path: "/dead-letters/groups",
        summary: "How many dead letters of each kind wait, the most frequent first",
        in_query: &FILTER,
        answer: "DeadLetterGroups",
        work: Work::Ask(|call| {
            letters(LetterQuestion::Groups {
                filter: filter(call),
            })
        }),
        shape: |value| json!({ "groups": value }),
        ..BASE
    },
    Endpoint {
        path: "/dead-letters/{number}",
        summary: "One open dead letter with all that happened to it",
        in_path: &[NUMBER],
        answer: "DeadLetterStory",
        work: Work::Ask(|call| {
            letters(LetterQuestion::Show {
                number: number(call),
            })
        }),
        ..BASE
    },
    Endpoint {
        method: Method::POST,
        path: "/dead-letters/{number}/edit",
        role: Some(Role::Operator),
        summary: "Changes fields of a dead letter, or only checks them; nothing is sent. Twice the \
                  same changes nothing more",
        in_path: &[NUMBER],
        body: Some("Edit"),
        answer: "Edited",
        work: Work::Ask(edit),
        ..BASE
    },
    Endpoint {
        method: Method::POST,
        path: "/dead-letters/import",
        role: Some(Role::Operator),
        summary: "Changes fields of many dead letters, or only checks them. Twice the same changes \
                  nothing more",
        body: Some("Import"),
        answer: "Imported",
        work: Work::Ask(import),
        shape: |value| json!({ "rows": value }),
        ..BASE
    },
    Endpoint {
        method: Method::POST,
        path: "/dead-letters/replay",
        role: Some(Role::Operator),
        summary: "Begins to send dead letters again; one replay at a time",
        body: Some("Replay"),
        answer: "ReplayProgress",
        work: Work::Ask(replay),
        ..BASE
    },
    Endpoint {
        method: Method::POST,
        path: "/dead-letters/discard",
        role: Some(Role::Operator),
        summary: "Closes dead letters without sending them; the reason stays in the journal",
        body: Some("Discard"),
        answer: "Discarded",
        work: Work::Ask(discard),
        shape: |value| json!({ "discarded": value }),
        ..BASE
    },
    Endpoint {
        path: "/replay",
        summary: "How the last replay stands; null before the first since the start",
        answer: "MaybeReplayProgress",
        work: Work::Ask(|_| letters(LetterQuestion::ReplayStatus)),
        ..BASE
    },
    Endpoint {
        method: Method::DELETE,
        path: "/replay",
        role: Some(Role::Operator),
        summary: "Ends the replay: what is on its way gets its outcome, the rest stays",
        answer: "ReplayProgress",
        work: Work::Ask(|_| letters(LetterQuestion::ReplayCancel)),
        ..BASE
    },
    Endpoint {
        path: "/snapshot",
        summary: "The last snapshot, running or not; null when there was none",
        answer: "MaybeSnapshot",
        work: Work::Ask(|_| Ok(Query::SnapshotStatus)),
        ..BASE
    },
    Endpoint {
        method: Method::POST,
        path: "/snapshot",
        role: Some(Role::Operator),
        summary: "Begins to carry rows that exist already; one snapshot at a time",
        body: Some("SnapshotStart"),
        answer: "SnapshotStarted",
        work: Work::Ask(snapshot),
        ..BASE
    },
    Endpoint {
        method: Method::DELETE,
        path: "/snapshot",
        role: Some(Role::Operator),
        summary: "Ends the snapshot; what it has handed over stays",
        answer: "MaybeSnapshot",
        work: Work::Ask(|_| Ok(Query::SnapshotCancel)),
        ..BASE
    },
    Endpoint {
        path: "/routes",
        summary: "Every route's mapping, with the types on both sides and what changed in Salesforce",
        answer: "Routes",
        work: Work::Ask(|_| Ok(Query::Routes)),
        ..BASE
    },
    Endpoint {
        method: Method::POST,
        path: "/routes/{route}/pause",
        role: Some(Role::Operator),
        summary: "The route takes rows in and sends none, across restarts, until it is resumed",
        in_path: &[ROUTE_NAME],
        body: Some("Pause"),
        answer: "RouteActed",
        work: Work::Ask(pause),
        ..BASE
    },
    Endpoint {
        method: Method::POST,
        path: "/routes/{route}/resume",
        role: Some(Role::Operator),
        summary: "A paused route goes on: what waited goes first",
        in_path: &[ROUTE_NAME],
        answer: "RouteActed",
        work: Work::Ask(|call| {
            let route = call.given.in_path("route");
            Ok(Query::ResumeRoute { route })
        }),
        ..BASE
    },
    Endpoint {
        path: "/activity",
        summary: "Who did what, newest first; `next` is the `before` of what is older",
        in_query: &ACTIVITY,
        answer: "ActivityPage",
        work: Work::Ask(activity),
        ..BASE
    },
    Endpoint {
        path: "/routes/{route}/fields",
        summary: "What Salesforce says of the fields that a route writes",
        in_path: &[ROUTE_NAME],
        answer: "RouteFields",
        work: Work::Ask(|call| {
            let route = call.given.in_path("route");
            Ok(Query::Fields { route })
        }),
        ..BASE
    },
    Endpoint {
        path: "/routes/{route}/preview",
        summary: "What would become of the newest rows of a route; writes nothing",
        in_path: &[ROUTE_NAME],
        in_query: &[Parameter {
            name: "rows",
            kind: Kind::Count(1, MAX_ROWS),
            about: "How many; 10 without it",
        }],
        answer: "Preview",
        work: Work::Ask(|call| {
            let rows = call.given.count("rows").unwrap_or(ROWS);
            Ok(Query::Preview {
                route: call.given.in_path("route"),
                rows: u32::try_from(rows).unwrap_or(1),
                masked: !call.sees_people,
            })
        }),
        ..BASE
    },
    Endpoint {
        method: Method::POST,
        path: "/describe",
        role: Some(Role::Operator),
        summary: "Describes the routes' objects again; may be repeated",
        answer: "Described",
        work: Work::Ask(|_| Ok(Query::Describe)),
        ..BASE
    },
    Endpoint {
        path: "/report",
        summary: "What became of the leads of a period, counted from the journal; one at a time",
        in_query: &[
            text("day", "One whole day: 2026-11-22, today or yesterday"),
            text(
                "since",
                "Instead: from this moment on; 24 hours ago without it",
            ),
            text("until", "Up to this moment, not included; now without it"),
            text(
                "utc_offset",
                "What days and moments without a zone mean: +02:00; UTC without it",
            ),
            text("route", "Of this route alone"),
            Parameter {
                name: "by",
                kind: Kind::OneOf(&["hour", "day"]),
                about: "Broken down by; hours up to three days, else days",
            },
        ],
        answer: "Report",
        work: Work::Ask(|call| {
            let text = |name: &str| call.given.text(name);
            let by = text("by").map(|by| match by.as_str() {
                "day" => SlotLength::Day,
                _ => SlotLength::Hour,
            });
            let what = ReportQuestion {
                period: PeriodText {
                    since: text("since"),
                    until: text("until"),
                    day: text("day"),
                    utc_offset: text("utc_offset"),
                },
                by,
                route: text("route"),
            };
            Ok(Query::Report { what })
        }),
        ..BASE
    },
    Endpoint {
        method: Method::POST,
        path: "/people/forget",
        role: Some(Role::Admin),
        summary: "Tells what is kept of a person, and with `erase` takes it out of everything; may \
                  be repeated",
        body: Some("Forget"),
        answer: "Holding",
        work: Work::Ask(forget),
        ..BASE
    },
    Endpoint {
        path: "/log-level",
        summary: "How much is logged, and what the configuration says",
        answer: "LogLevel",
        work: Work::Ask(|_| Ok(log_level(LogLevelQuestion::Show))),
        shape: |mut value| {
            if let Some(level) = value.as_object_mut() {
                level.remove("before");
            }
            value
        },
        ..BASE
    },
    Endpoint {
        method: Method::POST,
        path: "/log-level",
        role: Some(Role::Operator),
        summary: "Logs by other directives until a restart; may be repeated",
        body: Some("LogLevelSet"),
        answer: "LogLevelChanged",
        work: Work::Ask(set_log_level),
        ..BASE
    },
    Endpoint {
        method: Method::DELETE,
        path: "/log-level",
        role: Some(Role::Operator),
        summary: "Logs as the configuration says again; may be repeated",
        answer: "LogLevelChanged",
        work: Work::Ask(|_| Ok(log_level(LogLevelQuestion::Reset))),
        ..BASE
    },
];
