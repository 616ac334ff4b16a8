//! `/activity`: who did what, newest first, as the journal has it.

use askama::Template;
use axum::extract::{Query as Parameters, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::Deserialize;

use super::asked::ask;
use super::page::{Frame, render};
use super::words;
use crate::core::time::Micros;
use crate::operator::LogLevelQuestion;
use crate::operator::View;
use crate::operator::access::{Identity, Role};
use crate::operator::mask;
use crate::operator::problem::Problem;
use crate::operator::questions::Query;
use crate::state::{Activity, ActivityPage, ActivityQuestion};
use crate::telemetry::LogLevel;

/// Acts on a page.
const ACTS: usize = 50;

const DAY_MICROS: i64 = 86_400_000_000;

#[derive(Template)]
#[template(path = "console/activity.html")]
struct ActivityList {
    frame: Frame,
    acts: Vec<Row>,
    author: String,
    periods: Vec<Choice>,
    /// The address of what is older.
    older: Option<String>,
    /// Older acts may follow although this page has none.
    looks_further: bool,
    /// All that is kept is asked for, and from its end on.
    is_all: bool,
    /// `None`: this process does not log by itself.
    level: Option<LogLevel>,
    /// It was changed just now.
    level_changed: bool,
}

struct Choice {
    name: &'static str,
    words: &'static str,
    chosen: bool,
}

struct Row {
    at: Micros,
    until: Option<Micros>,
    author: String,
    what: String,
    /// Where what it was done to is shown, and what that is called.
    link: Option<(String, String)>,
    reason: String,
}

#[derive(Deserialize)]
struct Shown {
    author: Option<String>,
    period: Option<String>,
    before: Option<u64>,
    level: Option<String>,
}

pub(super) fn router() -> Router<View> {
    Router::new()
        .route("/activity", get(list))
        .route("/activity/log-level", post(set_level))
}

async fn list(
    State(view): State<View>,
    Parameters(shown): Parameters<Shown>,
    who: Identity,
) -> Result<Response, Problem> {
    let asked = shown.period.as_deref();
    let known = PERIODS.iter().find(|(name, ..)| Some(*name) == asked);
    let (period, _, days) = *known.unwrap_or(&PERIODS[0]);
    let author = shown.author.unwrap_or_default().trim().to_owned();
    let now = (view.clock)();
    let what = ActivityQuestion {
        since: days.map(|days| Micros(now.0.saturating_sub(days * DAY_MICROS))),
        until: None,
        before: shown.before,
        author: (!author.is_empty()).then(|| author.clone()),
        limit: ACTS,
    };
    let page: ActivityPage = ask(&view, &who, Query::Activity { what }).await?;
    let what = LogLevelQuestion::Show;
    let level = ask(&view, &who, Query::LogLevel { what }).await.ok();
    let sees_people = who.sees_people();
    let acts: Vec<Row> = page
        .acts
        .into_iter()
        .map(|act| Row::of(act, sees_people))
        .collect();
    let older = page.next.map(|before| {
        let author = words::segment(&author);
        format!("/activity?period={period}&author={author}&before={before}")
    });
    Ok(render(&ActivityList {
        frame: Frame::new("Activity", "/activity", who),
        looks_further: acts.is_empty() && older.is_some(),
        is_all: days.is_none() && author.is_empty() && shown.before.is_none(),
        acts,
        author,
        periods: PERIODS
            .iter()
            .map(|(name, words, _)| Choice {
                name,
                words,
                chosen: *name == period,
            })
            .collect(),
        older,
        level_changed: shown.level.is_some(),
        level,
    }))
}

/// The form of the log level; its second button sends `reset`.
#[derive(Deserialize)]
struct Levelling {
    #[serde(default)]
    directives: String,
    reset: Option<String>,
}

async fn set_level(
    State(view): State<View>,
    who: Identity,
    Form(form): Form<Levelling>,
) -> Result<Response, Problem> {
    who.require(Role::Operator)?;
    let what = match form.reset {
        Some(_) => LogLevelQuestion::Reset,
        None => LogLevelQuestion::Set {
            directives: form.directives.trim().to_owned(),
        },
    };
    let _: LogLevel = ask(&view, &who, Query::LogLevel { what }).await?;
    Ok(Redirect::to("/activity?level=changed").into_response())
}

/// Periods by their names in the address, the words for them, and their days; the first is all
/// that is kept.
const PERIODS: [(&str, &str, Option<i64>); 4] = [
    ("all", "all that is kept", None),
    ("day", "the last 24 hours", Some(1)),
    ("week", "the last 7 days", Some(7)),
    ("month", "the last 30 days", Some(30)),
];

impl Row {
    fn of(act: Activity, sees_people: bool) -> Self {
        let link = match (act.letter, &act.route) {
            (Some(letter), _) => Some((
                format!("/attention/letter/{letter}"),
                match act.count {
                    0 | 1 => format!("dead letter {letter}"),
                    count => format!("{} dead letters, from {letter} on", words::count(count)),
                },
            )),
            (None, Some(route)) => Some((
                format!("/routes/{}", words::segment(route)),
                format!("route {route}"),
            )),
            (None, None) => None,
        };
        Self {
            at: act.at,
            until: (act.until != act.at).then_some(act.until),
            author: act.author,
            what: what(&act.what),
            link,
            reason: if sees_people || act.reason.is_empty() {
                act.reason
            } else {
                mask::text(&act.reason)
            },
        }
    }
}

/// An act in words; one of a later version by its own name.
fn what(kind: &str) -> String {
    match kind {
        "edited" => "Mended",
        "replayed" => "Sent again",
        "discarded" => "Discarded",
        "erased" => "Erased a person",
        "pause_route" => "Paused",
        "resume_route" => "Resumed",
        "start_snapshot" => "Started a snapshot",
        "cancel_snapshot" => "Cancelled the snapshot",
        "describe" => "Asked Salesforce to describe its objects",
        "cancel_replay" => "Stopped sending dead letters again",
        "set_checkpoint" => "Moved the checkpoint",
        "set_log_level" => "Changed the log level",
        other => other,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Console;
    use super::*;
    use crate::runtime::status::Stage;

    fn act(what: &str, letter: Option<u64>, count: u64, reason: &str) -> Row {
        let act = serde_json::json!({
            "at": 1_795_400_000_000_000_i64, "until": 1_795_400_000_000_000_i64, "author": "anna", "what": what,
            "route": "leads", "letter": letter, "count": count, "reason": reason, "commit": 7,
        });
        Row::of(serde_json::from_value(act).unwrap(), false)
    }

    #[test]
    fn acts_are_told_in_words_with_a_way_to_what_they_were_done_to() {
        let mended = act("edited", Some(17), 214, "");
        assert_eq!(mended.what, "Mended");
        let (to, name) = mended.link.unwrap();
        assert_eq!(to, "/attention/letter/17");
        assert_eq!(name, "214 dead letters, from 17 on");
        let paused = act("pause_route", None, 1, "Anna Example asked for it");
        assert_eq!(paused.link.unwrap().0, "/routes/leads");
        assert!(!paused.reason.contains("Example"), "{}", paused.reason);
        assert_eq!(act("a_later_one", None, 1, "").what, "a_later_one");
    }

    #[tokio::test]
    async fn nothing_done_yet_is_said_and_filters_are_kept() {
        let console = Console::new();
        let page = console
            .get("/activity?period=week&author=%3Cb%3E", Role::Viewer)
            .await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(
            page.text.contains("Nobody has done anything"),
            "{}",
            page.text
        );
        assert!(!page.text.contains("<b>"), "{}", page.text);
        assert!(page.text.contains("<option value=\"week\" selected>"));
        let page = console.get("/activity", Role::Viewer).await;
        page.says("Nobody has changed anything yet.");
        page.says_not("filters");
    }

    fn page(role: Role) -> String {
        let who = Identity {
            name: "anna".into(),
            role,
            csrf: Some("mark".into()),
        };
        let list = ActivityList {
            frame: Frame::new("Activity", "/activity", who),
            acts: Vec::new(),
            author: String::new(),
            periods: Vec::new(),
            older: None,
            looks_further: false,
            is_all: true,
            level: Some(LogLevel {
                configured: "info".to_owned(),
                before: "info".to_owned(),
                now: "<debug>".to_owned(),
            }),
            level_changed: true,
        };
        list.render().unwrap()
    }

    #[tokio::test]
    async fn the_log_level_is_shown_to_all_and_changed_by_operators() {
        let operator = page(Role::Operator);
        for part in [
            "action=\"/activity/log-level\"",
            "value=\"mark\"",
            "name=\"reset\"",
        ] {
            assert!(operator.contains(part), "{part}: {operator}");
        }
        let viewer = page(Role::Viewer);
        assert!(!viewer.contains("/activity/log-level"), "{viewer}");
        for page in [operator, viewer] {
            assert!(
                page.contains("debug") && !page.contains("<debug>"),
                "{page}"
            );
        }
        let console = Console::new();
        let refused = console.post("/activity/log-level", "directives=debug", Role::Viewer);
        assert_eq!(refused.await.status, 403);
        console.change(|status| status.stage = Stage::Stopping);
        let late = console.post("/activity/log-level", "directives=debug", Role::Operator);
        assert_eq!(late.await.status, 503, "nobody would journal it any more");
    }
}
