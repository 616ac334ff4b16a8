//! `/report`: what became of the leads of a day, counted from the journal; as a page, and to take
//! along as CSV, JSON or a page of its own.

use askama::Template;
use axum::Router;
use axum::extract::{Query as Parameters, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::chart::{Chart, Slot};
use super::page::{Frame, render};
use super::words::{self, count, day};
use crate::core::report::{Figures, Slot as ReportSlot};
use crate::core::time::Micros;
use crate::operator::View;
use crate::operator::access::Identity;
use crate::operator::problem::Problem;
use crate::operator::report::figures::{self, books, lines, row_cells, slot_name, title};
use crate::operator::report::{ReportQuestion, html, make};
use crate::runtime::moments::duration;
use crate::runtime::period::PeriodText;
use crate::state::audit::PeriodReport;

const DAY_MICROS: i64 = 86_400_000_000;

#[derive(Template)]
#[template(path = "console/report.html")]
struct Page {
    frame: Frame,
    /// As it stands in the form.
    day: String,
    today: String,
    before: Option<String>,
    after: Option<String>,
    report: Result<Shown, Problem>,
}

struct Shown {
    title: String,
    tiles: Vec<(&'static str, String, String)>,
    chart: Chart,
    lines: Vec<(&'static str, String, String)>,
    causes: Vec<(String, String, String)>,
    heads: Vec<&'static str>,
    routes: Vec<(String, Vec<(&'static str, String)>)>,
    slots: Vec<(String, Vec<(&'static str, String)>)>,
    book_heads: Vec<&'static str>,
    books: Vec<(String, Vec<(&'static str, String)>)>,
    commit: u64,
    chain: String,
}

#[derive(Deserialize)]
struct Asked {
    /// `2026-11-22`; today without one.
    day: Option<String>,
}

#[derive(Deserialize)]
struct Wanted {
    day: String,
    format: String,
}

pub(super) fn router() -> Router<View> {
    Router::new()
        .route("/report", get(show))
        .route("/report/file", get(file))
}

async fn show(
    State(view): State<View>,
    Parameters(asked): Parameters<Asked>,
    who: Identity,
) -> Response {
    let now = (view.clock)();
    let today = day(now);
    let wanted = asked.day.filter(|it| !it.is_empty());
    let wanted = wanted.unwrap_or_else(|| today.clone());
    let report = make(of_day(&wanted), &view).await.map_err(Problem::from);
    let neighbour = |days: i64| {
        let report = report.as_ref().ok()?;
        let at = Micros(report.report.frame.since.0 + days * DAY_MICROS);
        (at <= now).then(|| day(at))
    };
    let (before, after) = (neighbour(-1), neighbour(1));
    let status = match &report {
        Ok(_) => StatusCode::OK,
        Err(problem) => StatusCode::from_u16(problem.status).unwrap_or_default(),
    };
    let page = Page {
        frame: Frame::new("Report", "/report", who),
        day: wanted,
        today,
        before,
        after,
        report: report.map(|report| Shown::new(&report)),
    };
    (status, render(&page)).into_response()
}

async fn file(
    State(view): State<View>,
    Parameters(wanted): Parameters<Wanted>,
    _who: Identity,
) -> Result<Response, Problem> {
    let report = make(of_day(&wanted.day), &view)
        .await
        .map_err(Problem::from)?;
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!(%error, "a report cannot be written");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "LS6004",
            "the report failed inside",
            "ask again; the service's log says more",
        )
    };
    let (kind, extension, text) = match wanted.format.as_str() {
        "csv" => {
            let text = figures::csv(&report).map_err(|error| failed(&error))?;
            ("text/csv; charset=utf-8", "csv", text)
        }
        "json" => {
            let text = serde_json::to_string(&report).map_err(|error| failed(&error))?;
            ("application/json", "json", text)
        }
        "html" => {
            let text = html::page(&report, (view.clock)()).map_err(|error| failed(&error))?;
            ("text/html; charset=utf-8", "html", text)
        }
        _ => return Err(Problem::not_found("a report is had as csv, json or html")),
    };
    // Of the report and not of the address: a header is no place for what somebody typed.
    let name = format!("leads-{}.{extension}", day(report.report.frame.since));
    let head = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    Ok((head, text).into_response())
}

fn of_day(day: &str) -> ReportQuestion {
    ReportQuestion {
        period: PeriodText {
            day: Some(day.to_owned()),
            ..PeriodText::default()
        },
        ..ReportQuestion::default()
    }
}

impl Shown {
    fn new(report: &PeriodReport) -> Self {
        let (all, ledger) = (&report.report, &report.ledger);
        let name = |slot: &ReportSlot| {
            let name = slot_name(slot.start, all.frame.by, all.frame.utc_offset);
            // The day stands above.
            name.get(11..).unwrap_or(&name).to_owned()
        };
        let heads = figures::HEADS.to_vec();
        let cells = |figures: &Figures| heads.iter().copied().zip(row_cells(figures)).collect();
        let (mut book_heads, book_rows) = books(report);
        book_heads.remove(0);
        let book = |row: Vec<String>| {
            let mut cells = row.into_iter();
            let name = cells.next().unwrap_or_default();
            (name, book_heads.iter().copied().zip(cells).collect())
        };
        let bar = |slot: &ReportSlot| Slot {
            start: slot.start,
            captured: slot.figures.captured,
            delivered: slot.figures.delivered(),
            dead_letters: slot.figures.rejected,
        };
        let bars: Vec<Slot> = all.slots.iter().map(bar).collect();
        let busy = all.slots.iter();
        let busy = busy.filter(|slot| slot.figures != Figures::default());
        Self {
            title: title(report),
            tiles: tiles(&all.total),
            chart: Chart::new("On this day", &bars, all.frame.until),
            lines: lines(&all.total)
                .into_iter()
                .map(|(name, number, what)| (name, count(number), what))
                .collect(),
            causes: all
                .total
                .causes
                .iter()
                .map(|it| (it.code.clone(), it.class.clone(), count(it.count)))
                .collect(),
            routes: all
                .routes
                .iter()
                .map(|(name, figures)| (name.clone(), cells(figures)))
                .collect(),
            slots: busy
                .map(|slot| (name(slot), cells(&slot.figures)))
                .collect(),
            books: book_rows.into_iter().map(book).collect(),
            heads,
            book_heads,
            commit: ledger.commit,
            chain: ledger.chain.to_string(),
        }
    }
}

fn tiles(total: &Figures) -> Vec<(&'static str, String, String)> {
    let latency = total.latency.as_ref();
    vec![
        ("Came in", count(total.captured), String::new()),
        (
            "Delivered",
            count(total.delivered()),
            format!(
                "{} created, {} updated",
                count(total.created),
                count(total.updated)
            ),
        ),
        (
            "Refused",
            count(total.rejected),
            format!("{} mended", count(total.mended)),
        ),
        (
            "Half of them within",
            latency.map_or_else(|| "-".to_owned(), |it| duration(it.p50)),
            latency.map_or_else(String::new, |it| {
                format!("99 % within {}", duration(it.p99))
            }),
        ),
        ("Calls to Salesforce", count(total.api_calls), String::new()),
    ]
}

#[cfg(test)]
mod tests;
