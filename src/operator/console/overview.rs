//! `/`: is it well, how far behind, what comes in and goes out, the books, the budget, and what
//! needs a person.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::chart::{Chart, Slot};
use super::health::{self, AT_RISK_SECONDS, Headline, Trouble};
use super::page::{Frame, render};
use super::waiting;
use super::words::{self, count, moment, percent, relative, span};
use crate::core::time::Micros;
use crate::operator::View;
use crate::operator::access::Identity;
use crate::operator::history::Point;
use crate::runtime::status::{BudgetStatus, DeliveryStatus, RouteStatus, Status};

/// Groups of dead letters on the first page: the rest is a click away.
const GROUPS: usize = 5;

const MINUTE_MICROS: i64 = 60_000_000;
const HOUR_MINUTES: usize = 60;
const DAY_MINUTES: usize = 24 * 60;
/// A bar of the day's chart.
const DAY_STEP: usize = 15;

/// Of a budget, from which on it is shown as a warning.
const NEARLY_SPENT_PERCENT: u64 = 80;

#[derive(Template)]
#[template(path = "console/overview.html")]
struct Page {
    frame: Frame,
    headline: Headline,
    troubles: Vec<Trouble>,
    now: Micros,
    tiles: Vec<Tile>,
    hour: Chart,
    day: Chart,
    /// When the charts begin, if that is within the day.
    watched_since: Option<Micros>,
    books: Vec<BookRow>,
    sum: Option<BookRow>,
    budget: Vec<Fact>,
    budget_part: Option<Part>,
    groups: Vec<waiting::Group>,
    /// Groups that are not shown.
    more_groups: usize,
    /// Dead letters, by the books.
    open: u64,
    /// Why the dead letters cannot be listed.
    groups_missing: Option<String>,
    version: String,
    running_since: Micros,
}

/// A figure that is seen first.
struct Tile {
    name: &'static str,
    value: String,
    note: String,
    /// A class, or nothing.
    tone: &'static str,
    link: Option<&'static str>,
}

struct Fact {
    name: &'static str,
    value: String,
}

/// How much of the budget is spent.
struct Part {
    used: u64,
    limit: u64,
    percent: u64,
    warns: bool,
}

struct BookRow {
    name: String,
    captured: u64,
    delivered: u64,
    skipped: u64,
    discarded: u64,
    open: u64,
    parked: u64,
    in_flight: u64,
    balances: bool,
}

pub(super) fn router() -> Router<View> {
    Router::new().route("/", get(overview))
}

async fn overview(State(view): State<View>, who: Identity) -> Response {
    let status = view.published.read();
    let now = (view.clock)();
    let (mut groups, groups_missing) = match waiting::groups(&view).await {
        Ok(groups) => (groups, None),
        Err(text) => (Vec::new(), Some(text)),
    };
    let more_groups = groups.len().saturating_sub(GROUPS);
    groups.truncate(GROUPS);
    let troubles = health::troubles(&status, now);
    let points = view.history.points(DAY_MINUTES);
    let day_ago = Micros(now.0 - DAY_MINUTES as i64 * MINUTE_MICROS);
    let hour = slots(&points, now, HOUR_MINUTES, 1);
    let books: Vec<BookRow> = status.routes.iter().map(BookRow::new).collect();
    let page = Page {
        frame: Frame::new("Overview", "/", who),
        headline: health::headline(&status, &troubles, now),
        tiles: tiles(&status, &hour, now),
        troubles,
        now,
        hour: Chart::new("In the last hour", &hour, now),
        day: Chart::new(
            "In the last day",
            &slots(&points, now, DAY_MINUTES, DAY_STEP),
            now,
        ),
        watched_since: view.history.since().filter(|since| *since > day_ago),
        sum: (books.len() > 1).then(|| BookRow::sum(&books)),
        books,
        budget: budget(&status.delivery, now),
        budget_part: part(&status.delivery),
        groups,
        more_groups,
        open: status
            .routes
            .iter()
            .map(|it| it.totals.dead_letters_open)
            .sum(),
        groups_missing,
        version: status.version.clone(),
        running_since: status.started_at,
    };
    render(&page)
}

fn tiles(status: &Status, hour: &[Slot], now: Micros) -> Vec<Tile> {
    let lag = status.lag_seconds(now);
    let sum = |of: fn(&RouteStatus) -> u64| status.routes.iter().map(of).sum::<u64>();
    let open = sum(|route| route.totals.dead_letters_open);
    let (in_flight, parked) = (
        sum(|route| route.in_flight),
        sum(|route| route.totals.parked),
    );
    let delivered: u64 = hour.iter().map(|slot| slot.delivered).sum();
    let came: u64 = hour.iter().map(|slot| slot.captured).sum();
    vec![
        Tile {
            name: "Behind MySQL",
            value: match status.oldest_unsettled {
                None => "0 s".to_owned(),
                Some(_) if lag < 1.0 => "< 1 s".to_owned(),
                Some(_) => span(lag),
            },
            note: match status.oldest_unsettled {
                None => "nothing waits".to_owned(),
                Some(oldest) => format!("the oldest is of {}", moment(oldest)),
            },
            tone: match lag {
                AT_RISK_SECONDS.. => "bad",
                _ => "",
            },
            link: None,
        },
        Tile {
            name: "Delivered in the last hour",
            value: count(delivered),
            note: format!("{} came in", count(came)),
            tone: "",
            link: None,
        },
        Tile {
            name: "On their way",
            value: count(in_flight + parked),
            note: match parked {
                0 => "none parked".to_owned(),
                parked => format!("{} parked on disk", count(parked)),
            },
            tone: "",
            link: None,
        },
        Tile {
            name: "Need a person",
            value: count(open),
            note: match open {
                0 => "no dead letters".to_owned(),
                _ => "dead letters".to_owned(),
            },
            tone: if open > 0 { "warn" } else { "" },
            link: (open > 0).then_some("/attention"),
        },
    ]
}

/// Of a period of `minutes` that ends now, in steps; minutes that nobody watched are empty.
fn slots(points: &[Point], now: Micros, minutes: usize, step: usize) -> Vec<Slot> {
    let length = step as i64 * MINUTE_MICROS;
    let last = now.0.div_euclid(length);
    let places = (minutes / step) as i64;
    let first = last - places + 1;
    let mut slots: Vec<Slot> = (first..=last)
        .map(|place| Slot {
            start: Micros(place * length),
            ..Slot::default()
        })
        .collect();
    for point in points {
        let place = usize::try_from(point.at.0.div_euclid(length) - first);
        if let Some(slot) = place.ok().and_then(|place| slots.get_mut(place)) {
            slot.captured += point.captured;
            slot.delivered += point.delivered;
            slot.dead_letters += point.dead_letters;
        }
    }
    slots
}

impl BookRow {
    fn new(route: &RouteStatus) -> Self {
        let totals = &route.totals;
        Self {
            name: route.name.clone(),
            captured: route.captured,
            delivered: totals.delivered(),
            skipped: totals.skipped_total(),
            discarded: totals.discarded,
            open: totals.dead_letters_open,
            parked: totals.parked,
            in_flight: route.in_flight,
            balances: route.balances,
        }
    }

    fn sum(rows: &[Self]) -> Self {
        let of = |part: fn(&Self) -> u64| rows.iter().map(part).sum::<u64>();
        Self {
            name: "All routes".to_owned(),
            captured: of(|row| row.captured),
            delivered: of(|row| row.delivered),
            skipped: of(|row| row.skipped),
            discarded: of(|row| row.discarded),
            open: of(|row| row.open),
            parked: of(|row| row.parked),
            in_flight: of(|row| row.in_flight),
            balances: rows.iter().all(|row| row.balances),
        }
    }
}

fn part(delivery: &DeliveryStatus) -> Option<Part> {
    let budget = delivery.budget.as_ref();
    let (used, limit) = match budget.and_then(|it| it.limit.map(|limit| (it.used, limit))) {
        Some(own) => own,
        None => delivery.api_used.zip(delivery.api_limit)?,
    };
    let percent = percent(used, limit);
    Some(Part {
        used,
        limit,
        percent,
        warns: percent >= NEARLY_SPENT_PERCENT,
    })
}

fn budget(delivery: &DeliveryStatus, now: Micros) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut fact = |name, value| facts.push(Fact { name, value });
    if let Some(budget) = &delivery.budget {
        fact("Forecast", forecast(budget, now));
        let hourly = budget.hourly_limit;
        fact(
            "In the last hour",
            match hourly {
                Some(limit) => format!("{} of {}", count(budget.used_last_hour), count(limit)),
                None => count(budget.used_last_hour),
            },
        );
        fact("Kept back as a reserve", count(budget.reserve));
        fact("Used by others in the org", count(budget.used_by_others));
        if budget.stretched {
            fact(
                "Saving",
                format!(
                    "records wait up to {} for company, to need fewer calls",
                    span(budget.max_age_ms as f64 / 1000.0)
                ),
            );
        }
    }
    if let Some((used, limit)) = delivery.api_used.zip(delivery.api_limit) {
        fact(
            "The whole org, by Salesforce",
            format!("{} of {} in 24 h", count(used), count(limit)),
        );
    }
    fact(
        "Calls in flight",
        format!(
            "{} of {} at most",
            delivery.calls_in_flight, delivery.allowed_in_flight
        ),
    );
    facts
}

fn forecast(budget: &BudgetStatus, now: Micros) -> String {
    if let Some(until) = budget.held_until {
        return format!(
            "nothing leaves until {} ({})",
            moment(until),
            relative(until, now)
        );
    }
    match (budget.limit, budget.lasts_until) {
        (None, _) => "no limit is known".to_owned(),
        (Some(_), None) => "it lasts, at the pace of the last hour".to_owned(),
        (Some(_), Some(until)) => format!(
            "spent {} at the pace of the last hour, at {}",
            relative(until, now),
            moment(until)
        ),
    }
}

#[cfg(test)]
mod tests;
