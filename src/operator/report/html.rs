//! A report as one page that needs nothing else: no script, no font, no image from anywhere.

use askama::Template;

use super::figures::{books, count, lines, local, row_cells, share, slot_name, title, zone};
use crate::core::report::{Figures, SlotLength};
use crate::core::time::Micros;
use crate::runtime::moments::{duration, moment};
use crate::state::audit::PeriodReport;

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    title: String,
    made_at: String,
    by: &'static str,
    zone: String,
    tiles: Vec<Tile>,
    lines: Vec<Line>,
    latency: Vec<Tile>,
    chart: Chart,
    causes: Vec<[String; 3]>,
    heads: Vec<&'static str>,
    routes: Vec<Vec<String>>,
    slots: Vec<Vec<String>>,
    book_heads: Vec<&'static str>,
    books: Vec<Vec<String>>,
    kept_from: Option<String>,
    store: String,
    commit: String,
    commit_at: String,
    chain: String,
}

/// A figure that is seen first.
struct Tile {
    name: &'static str,
    value: String,
    what: String,
}

struct Line {
    name: &'static str,
    number: String,
    what: String,
}

/// Bars of delivered and rejected records by slot, in units of the drawing.
struct Chart {
    bars: Vec<Bar>,
    marks: Vec<Mark>,
    levels: Vec<Level>,
}

struct Bar {
    x: String,
    width: String,
    delivered: Part,
    rejected: Part,
    tip: String,
}

struct Part {
    y: String,
    height: String,
}

/// A slot's name under its bar.
struct Mark {
    x: String,
    text: String,
}

/// A line across, with its number.
struct Level {
    y: String,
    text: String,
}

/// The drawing, and where its bars stand.
const LEFT: f64 = 80.0;
const RIGHT: f64 = 952.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 258.0;
/// As many names as stand side by side on a telephone.
const MARKS: usize = 6;

pub fn page(report: &PeriodReport, now: Micros) -> std::io::Result<String> {
    let (all, ledger) = (&report.report, &report.ledger);
    let offset = all.frame.utc_offset;
    let by = match all.frame.by {
        SlotLength::Hour => "hour",
        SlotLength::Day => "day",
    };
    let named = |name: String, figures: &Figures| {
        let mut row = vec![name];
        row.extend(row_cells(figures));
        row
    };
    let (book_heads, book_rows) = books(report);
    let mut heads = vec![""];
    heads.extend(super::figures::HEADS);
    let page = Page {
        title: title(report),
        made_at: moment(now),
        by,
        zone: zone(offset),
        tiles: tiles(&all.total),
        lines: lines(&all.total)
            .into_iter()
            .map(|(name, number, what)| Line {
                name,
                number: count(number),
                what,
            })
            .collect(),
        latency: latency(&all.total),
        chart: chart(report),
        causes: all
            .total
            .causes
            .iter()
            .map(|cause| [count(cause.count), cause.code.clone(), cause.class.clone()])
            .collect(),
        heads,
        routes: if all.routes.len() > 1 {
            let routes = all.routes.iter();
            routes
                .map(|(name, figures)| named(name.clone(), figures))
                .collect()
        } else {
            Vec::new()
        },
        slots: all
            .slots
            .iter()
            .filter(|slot| slot.figures != Figures::default())
            .map(|slot| named(slot_name(slot.start, all.frame.by, offset), &slot.figures))
            .collect(),
        book_heads,
        books: book_rows,
        kept_from: ledger.begins_at.map(|at| local(at, offset)),
        store: ledger.store.clone(),
        commit: count(ledger.commit),
        commit_at: moment(ledger.at),
        chain: ledger.chain.to_string(),
    };
    page.render().map_err(std::io::Error::other)
}

fn tiles(total: &Figures) -> Vec<Tile> {
    let tile = |name, value, what: &str| Tile {
        name,
        value,
        what: what.to_owned(),
    };
    let mut tiles = vec![
        tile(
            "captured",
            count(total.captured),
            "changes that entered the books",
        ),
        tile(
            "delivered",
            count(total.delivered()),
            "accepted by Salesforce",
        ),
        tile("rejected", count(total.rejected), "new dead letters"),
    ];
    if let Some(latency) = &total.latency {
        tiles.push(tile(
            "half within",
            duration(latency.p50),
            "of the commit in MySQL",
        ));
        let fresh = share(latency.within_1_min, latency.count);
        tiles.push(tile("fresh", fresh, "accepted within a minute"));
    }
    tiles
}

fn latency(total: &Figures) -> Vec<Tile> {
    let Some(latency) = &total.latency else {
        return Vec::new();
    };
    let tile = |name, value| Tile {
        name,
        value,
        what: String::new(),
    };
    vec![
        tile("p50", duration(latency.p50)),
        tile("p90", duration(latency.p90)),
        tile("p99", duration(latency.p99)),
        tile("p99.9", duration(latency.p999)),
        tile("max", duration(latency.max)),
        tile("within 1 min", share(latency.within_1_min, latency.count)),
        tile("within 5 min", share(latency.within_5_min, latency.count)),
        tile(
            "within the hour",
            share(latency.within_1_hour, latency.count),
        ),
        tile("measured", count(latency.count)),
    ]
}

fn chart(report: &PeriodReport) -> Chart {
    let (frame, slots) = (&report.report.frame, &report.report.slots);
    let of = |figures: &Figures| figures.delivered() + figures.rejected;
    let most = slots
        .iter()
        .map(|slot| of(&slot.figures))
        .max()
        .unwrap_or(0);
    let top = round_up(most);
    let y = |number: u64| BOTTOM - (BOTTOM - TOP) * number as f64 / top as f64;
    let step = (RIGHT - LEFT) / slots.len().max(1) as f64;
    let part = |from: u64, to: u64| Part {
        y: format!("{:.1}", y(to)),
        height: format!("{:.1}", y(from) - y(to)),
    };
    let bars = slots.iter().enumerate().map(|(place, slot)| {
        let (delivered, rejected) = (slot.figures.delivered(), slot.figures.rejected);
        Bar {
            x: format!("{:.2}", LEFT + place as f64 * step + step * 0.1),
            width: format!("{:.2}", step * 0.8),
            delivered: part(0, delivered),
            rejected: part(delivered, delivered + rejected),
            tip: format!(
                "{}: {} delivered, {} rejected",
                slot_name(slot.start, frame.by, frame.utc_offset),
                count(delivered),
                count(rejected)
            ),
        }
    });
    let every = slots.len().div_ceil(MARKS).max(1);
    let is_short = frame.by == SlotLength::Hour && slots.len() <= 24;
    let marks = slots
        .iter()
        .enumerate()
        .step_by(every)
        .map(|(place, slot)| {
            let name = slot_name(slot.start, frame.by, frame.utc_offset);
            // `2026-11-22 08:00`: the year stands above, and within a day so does the date.
            let from = if is_short { 11 } else { 5 };
            Mark {
                x: format!("{:.1}", LEFT + (place as f64 + 0.5) * step),
                text: name.get(from..).unwrap_or(&name).to_owned(),
            }
        });
    let mut levels = vec![0, top / 2, top];
    levels.dedup();
    Chart {
        bars: bars.collect(),
        marks: marks.collect(),
        levels: levels
            .into_iter()
            .map(|level| Level {
                y: format!("{:.1}", y(level)),
                text: count(level),
            })
            .collect(),
    }
}

/// The next number that reads well: 2, 4, 6, 10, 20, 40, 60, 100, …
fn round_up(number: u64) -> u64 {
    let mut step = 1;
    loop {
        for nice in [2, 4, 6, 10] {
            if number <= nice * step {
                return nice * step;
            }
        }
        step *= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_a_number_that_reads_well() {
        let rounded = [0, 2, 3, 7, 11, 450, 10_001].map(round_up);
        assert_eq!(rounded, [2, 2, 4, 10, 20, 600, 20_000]);
    }
}
