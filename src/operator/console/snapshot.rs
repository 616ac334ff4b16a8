//! `/snapshot`: the rows that are there already, read beside the stream: start, watch, cancel.

use askama::Template;
use axum::Form;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use super::asked::ask;
use super::health::Tone;
use super::page::{Frame, render};
use super::words::{self, count, percent, span};
use crate::core::snapshot::{SnapshotReason, SnapshotState};
use crate::core::time::Micros;
use crate::operator::View;
use crate::operator::access::{Identity, Role};
use crate::operator::problem::Problem;
use crate::operator::questions::{Query, SnapshotStarted};
use crate::runtime::status::{SnapshotStatus, SnapshotTableStatus};

#[derive(Template)]
#[template(path = "console/snapshot.html")]
struct Page {
    frame: Frame,
    last: Option<Last>,
    routes: Vec<String>,
}

/// The last snapshot, running or not.
struct Last {
    number: u64,
    tone: Tone,
    says: &'static str,
    why: &'static str,
    running: bool,
    started_at: Micros,
    ended_at: Option<Micros>,
    took: Option<String>,
    progress: String,
    percent: Option<u64>,
    waiting: Option<String>,
    /// Page, text and remedy of a failure.
    failure: Option<(String, String, String)>,
    tables: Vec<Table>,
}

struct Table {
    name: String,
    routes: String,
    rows: String,
    overtaken: String,
    estimated: String,
    state: &'static str,
    percent: Option<u64>,
}

pub(super) fn router() -> Router<View> {
    Router::new()
        .route("/snapshot", get(show).post(start))
        .route("/snapshot/cancel", post(cancel))
}

async fn show(State(view): State<View>, who: Identity) -> Result<Response, Problem> {
    let last: Option<SnapshotStatus> = ask(&view, &who, Query::SnapshotStatus).await?;
    let status = view.published.read();
    Ok(render(&Page {
        frame: Frame::new("Snapshot", "/snapshot", who),
        last: last.map(|it| Last::new(&it)),
        routes: status.routes.iter().map(|it| it.name.clone()).collect(),
    }))
}

async fn start(
    State(view): State<View>,
    who: Identity,
    Form(given): Form<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    who.require(Role::Operator)?;
    let mut routes = Vec::new();
    let mut condition = None;
    for (name, value) in given {
        match name.as_str() {
            "route" => routes.push(value),
            "condition" => condition = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let query = Query::SnapshotStart {
        routes: (!routes.is_empty()).then_some(routes),
        condition: condition.filter(|it| !it.is_empty()),
    };
    let SnapshotStarted { .. } = ask(&view, &who, query).await?;
    Ok(Redirect::to("/snapshot").into_response())
}

async fn cancel(State(view): State<View>, who: Identity) -> Result<Response, Problem> {
    who.require(Role::Operator)?;
    let _: Option<SnapshotStatus> = ask(&view, &who, Query::SnapshotCancel).await?;
    Ok(Redirect::to("/snapshot").into_response())
}

impl Last {
    fn new(status: &SnapshotStatus) -> Self {
        let (tone, says) = match status.state {
            SnapshotState::Running => (Tone::Good, "running"),
            SnapshotState::Finished => (Tone::Good, "finished"),
            SnapshotState::Cancelled => (Tone::Warn, "cancelled"),
            SnapshotState::Failed { .. } => (Tone::Bad, "failed, waits for a person"),
        };
        let failure = match &status.state {
            SnapshotState::Failed { page, text } => {
                let remedy = status.remedy.clone().unwrap_or_default();
                Some((page.clone(), text.clone(), remedy))
            }
            _ => None,
        };
        let running = status.is_running();
        let whole = status.estimated_rows.filter(|_| running);
        Self {
            number: status.number,
            tone,
            says,
            why: match status.reason {
                SnapshotReason::Requested => "it was asked for",
                SnapshotReason::FirstStart => "the first start reads all rows",
                SnapshotReason::HistoryLost => "the binlog's history was lost",
            },
            running,
            started_at: status.started_at,
            ended_at: status.ended_at,
            took: status
                .ended_at
                .map(|ended| span(ended.seconds_since(status.started_at))),
            progress: progress(status),
            percent: whole.map(|whole| percent(status.rows_read, whole)),
            waiting: status.waiting.clone().filter(|_| running),
            failure,
            tables: status.tables.iter().map(Table::new).collect(),
        }
    }
}

fn progress(status: &SnapshotStatus) -> String {
    let read = count(status.rows_read);
    if !status.is_running() {
        return format!("{read} rows read");
    }
    let mut text = match status.estimated_rows {
        Some(rows) => format!("{read} of about {} rows read", count(rows)),
        None => format!("{read} rows read"),
    };
    if let Some(rate) = status.rows_per_second {
        text.push_str(&format!(", {} a second", count(rate as u64)));
    }
    if let Some(left) = status.seconds_left {
        text.push_str(&format!(", {} left", span(left)));
    }
    text
}

impl Table {
    fn new(table: &SnapshotTableStatus) -> Self {
        let read = table.rows + table.overtaken;
        Self {
            name: table.table.clone(),
            routes: table.routes.join(", "),
            rows: count(table.rows),
            overtaken: count(table.overtaken),
            estimated: table.estimated_rows.map_or("-".to_owned(), count),
            state: match (table.finished, table.chunks) {
                (true, _) => "read",
                (false, 0) => "waits",
                (false, _) => "begun",
            },
            percent: match table.estimated_rows {
                _ if table.finished => Some(100),
                // By statistics, which may be far off.
                Some(rows) => Some(percent(read, rows).min(99)),
                None => None,
            },
        }
    }
}

#[cfg(test)]
mod tests;
