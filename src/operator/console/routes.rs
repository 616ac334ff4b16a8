//! `/routes` and `/routes/{name}`: each mapping with the types of both sides, how its route does,
//! and rows looked at through it.

use askama::Template;
use axum::extract::{Path, Query as Parameters, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use serde::Deserialize;

use super::asked::ask;
use super::health::Tone;
use super::page::{Frame, render};
use super::words;
use crate::core::mapping::{FieldOutline, Outline};
use crate::core::time::Micros;
use crate::operator::View;
use crate::operator::access::{Identity, Role};
use crate::operator::mask;
use crate::operator::problem::Problem;
use crate::operator::questions::{Described, Query};
use crate::runtime::preview::{Fate, Judged, RowReport};
use crate::runtime::route_acts::{MAX_REASON_BYTES, RouteActed};
use crate::runtime::routes::{ObjectChange, RouteOutlines};
use crate::runtime::status::RouteStatus;

/// Rows that are looked at: what a person reads.
const ROWS: u32 = 10;

/// Values of a restricted picklist that are shown.
const VALUES: usize = 12;

#[derive(Template)]
#[template(path = "console/routes.html")]
struct ListPage {
    frame: Frame,
    routes: Vec<ListRow>,
    /// Why mappings cannot be told.
    missing: Option<Problem>,
}

struct ListRow {
    status: RouteStatus,
    state: Condition,
    way: String,
}

/// How a route does, in a word.
struct Condition {
    tone: Tone,
    word: &'static str,
}

#[derive(Template)]
#[template(path = "console/route.html")]
struct RoutePage {
    frame: Frame,
    status: RouteStatus,
    state: Condition,
    outline: Option<Outline>,
    missing: Option<Problem>,
    changes: Vec<ObjectChange>,
    now: Micros,
    sample: Sample,
    /// Of a description that was asked for just now.
    described: Option<u64>,
    /// What was done just now.
    done: Option<Done>,
    sees_people: bool,
}

enum Sample {
    NotAsked,
    Rows(Judged),
    Declined(Problem),
}

#[derive(Deserialize)]
struct Shown {
    /// Asks for sample rows.
    rows: Option<String>,
    described: Option<u64>,
    done: Option<Done>,
}

/// What an operator did to the route, as the address says it.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Done {
    Paused,
    Resumed,
}

pub(super) fn router() -> Router<View> {
    Router::new()
        .route("/routes", get(list))
        .route("/routes/{name}", get(one))
        .route("/routes/{name}/describe", post(describe))
        .route("/routes/{name}/pause", post(pause))
        .route("/routes/{name}/resume", post(resume))
}

async fn list(State(view): State<View>, who: Identity) -> Response {
    let status = view.published.read();
    let (outlines, missing) = match ask::<RouteOutlines>(&view, &who, Query::Routes).await {
        Ok(outlines) => (outlines.routes, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    let row = |route: &RouteStatus| {
        let outline = outlines.iter().find(|it| it.route == route.name);
        ListRow {
            status: route.clone(),
            state: Condition::of(route),
            way: outline.map_or_else(
                || format!("to {}", route.object),
                |it| format!("{} to {}", it.table, it.object),
            ),
        }
    };
    render(&ListPage {
        frame: Frame::new("Routes", "/routes", who),
        routes: status.routes.iter().map(row).collect(),
        missing,
    })
}

async fn one(
    State(view): State<View>,
    Path(name): Path<String>,
    Parameters(shown): Parameters<Shown>,
    who: Identity,
) -> Result<Response, Problem> {
    let status = known(&view, &name)?;
    let (outline, changes, missing) = match ask::<RouteOutlines>(&view, &who, Query::Routes).await {
        Ok(outlines) => {
            let outline = outlines.routes.into_iter().find(|it| it.route == name);
            (outline, outlines.changes, None)
        }
        Err(problem) => (None, Vec::new(), Some(problem)),
    };
    let sample = match shown.rows {
        None => Sample::NotAsked,
        Some(_) => match ask::<Judged>(&view, &who, newest_rows(&name, &who)).await {
            Ok(judged) => Sample::Rows(judged),
            Err(problem) => Sample::Declined(problem),
        },
    };
    let object = &status.object;
    let changes = changes.into_iter().filter(|it| it.object == *object);
    Ok(render(&RoutePage {
        state: Condition::of(&status),
        changes: changes.collect(),
        sees_people: who.sees_people(),
        frame: Frame::new(format!("Route {name}"), "/routes", who),
        status,
        outline,
        missing,
        now: (view.clock)(),
        sample,
        described: shown.described,
        done: shown.done,
    }))
}

/// Masked where they are read: values that this person may not see do not come so far.
fn newest_rows(route: &str, who: &Identity) -> Query {
    Query::Preview {
        route: route.to_owned(),
        rows: ROWS,
        masked: !who.sees_people(),
    }
}

async fn describe(
    State(view): State<View>,
    Path(name): Path<String>,
    who: Identity,
) -> Result<Response, Problem> {
    who.require(Role::Operator)?;
    known(&view, &name)?;
    let Described { changed } = ask(&view, &who, Query::Describe).await?;
    Ok(back(&name, &format!("?described={changed}")))
}

/// The form of a pause.
#[derive(Deserialize)]
struct Pausing {
    #[serde(default)]
    reason: String,
}

async fn pause(
    State(view): State<View>,
    Path(name): Path<String>,
    who: Identity,
    Form(form): Form<Pausing>,
) -> Result<Response, Problem> {
    who.require(Role::Operator)?;
    known(&view, &name)?;
    let query = Query::PauseRoute {
        route: name.clone(),
        reason: form.reason.trim().to_owned(),
    };
    let _: RouteActed = ask(&view, &who, query).await?;
    Ok(back(&name, "?done=paused"))
}

async fn resume(
    State(view): State<View>,
    Path(name): Path<String>,
    who: Identity,
) -> Result<Response, Problem> {
    who.require(Role::Operator)?;
    known(&view, &name)?;
    let query = Query::ResumeRoute {
        route: name.clone(),
    };
    let _: RouteActed = ask(&view, &who, query).await?;
    Ok(back(&name, "?done=resumed"))
}

fn known(view: &View, name: &str) -> Result<RouteStatus, Problem> {
    let status = view.published.read();
    let found = status.routes.iter().find(|route| route.name == name);
    found
        .cloned()
        .ok_or_else(|| Problem::not_found("there is no route of that name"))
}

fn back(name: &str, query: &str) -> Response {
    Redirect::to(&format!("/routes/{}{query}", words::segment(name))).into_response()
}

impl Condition {
    fn of(route: &RouteStatus) -> Self {
        let (tone, word) = match (&route.trouble, &route.bulk) {
            (_, _) if route.operator_pause.is_some() => (Tone::Warn, "paused"),
            (Some(_), _) => (Tone::Warn, "waits"),
            (None, Some(_)) => (Tone::Good, "flows, by Bulk"),
            (None, None) => (Tone::Good, "flows"),
        };
        Self { tone, word }
    }
}

impl RoutePage {
    /// Whether the route itself was paused, and not one that it waits behind.
    fn is_paused(&self) -> bool {
        self.status.operator_pause.is_some()
    }

    fn why_paused(&self) -> String {
        match &self.status.operator_pause {
            Some(pause) if self.sees_people => pause.reason.clone(),
            Some(pause) => mask::text(&pause.reason),
            None => String::new(),
        }
    }

    /// What of a restricted picklist is shown.
    fn values(field: &FieldOutline) -> String {
        let shown: Vec<&str> = field
            .values
            .iter()
            .take(VALUES)
            .map(String::as_str)
            .collect();
        match field.values.len().saturating_sub(VALUES) {
            0 => shown.join(", "),
            more => format!("{}, and {more} more", shown.join(", ")),
        }
    }

    fn key(row: &RowReport) -> String {
        match &row.key {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    fn fate(row: &RowReport) -> Condition {
        let (tone, word) = match row.fate {
            Fate::Send => (Tone::Good, "would be sent"),
            Fate::Reject => (Tone::Bad, "would be refused"),
            Fate::LeaveOut => (Tone::Warn, "left out by the filter"),
        };
        Condition { tone, word }
    }
}

#[cfg(test)]
mod tests;
