//! A report's figures in words, its rows, and the whole as CSV.

use jiff::Timestamp;
use jiff::tz::Offset;

use crate::core::report::{Figures, Latency, SlotLength};
use crate::core::time::Micros;
use crate::runtime::moments::duration;
use crate::state::audit::PeriodReport;

/// `30,412`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `99.9 %`, rounded down: only all is 100.
pub fn share(part: u64, of: u64) -> String {
    if of == 0 {
        return "-".to_owned();
    }
    let tenths = u128::from(part) * 1000 / u128::from(of);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

/// `2026-11-22 08:00` in the report's own zone.
pub fn local(at: Micros, utc_offset: i32) -> String {
    let zone = Offset::from_seconds(utc_offset).unwrap_or(Offset::UTC);
    match Timestamp::from_microsecond(at.0) {
        Ok(at) => zone.to_datetime(at).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => at.0.to_string(),
    }
}

/// `UTC`, or `UTC+02:00`.
pub fn zone(utc_offset: i32) -> String {
    if utc_offset == 0 {
        return "UTC".to_owned();
    }
    let sign = if utc_offset < 0 { '-' } else { '+' };
    let minutes = utc_offset.abs() / 60;
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// A slot's name: its day, or its day and hour.
pub fn slot_name(start: Micros, by: SlotLength, utc_offset: i32) -> String {
    let text = local(start, utc_offset);
    match by {
        SlotLength::Hour => text,
        SlotLength::Day => text.chars().take(10).collect(),
    }
}

pub fn title(report: &PeriodReport) -> String {
    let frame = &report.report.frame;
    let route = report.route.as_ref();
    format!(
        "{} to {} {}{}",
        local(frame.since, frame.utc_offset),
        local(frame.until, frame.utc_offset),
        zone(frame.utc_offset),
        route.map_or_else(String::new, |route| format!(", route {route}"))
    )
}

/// Counts by rule: `superseded 12, where 3`.
pub fn skipped(figures: &Figures) -> String {
    let rules = figures.skipped.iter();
    let rules: Vec<String> = rules
        .map(|(rule, number)| format!("{rule} {}", count(*number)))
        .collect();
    rules.join(", ")
}

pub fn latency(latency: &Latency) -> String {
    let part = |name, seconds| format!("{name} {}", duration(seconds));
    [
        part("p50", latency.p50),
        part("p90", latency.p90),
        part("p99", latency.p99),
        part("p99.9", latency.p999),
        part("max", latency.max),
    ]
    .join(", ")
}

pub fn freshness(latency: &Latency) -> String {
    let within = |number, what| format!("{} within {what}", share(number, latency.count));
    [
        within(latency.within_1_min, "1 min"),
        within(latency.within_5_min, "5 min"),
        within(latency.within_1_hour, "the hour"),
    ]
    .join(", ")
}

/// The lines of the figures: name, number, explanation.
pub fn lines(figures: &Figures) -> Vec<(&'static str, u64, String)> {
    let of = |part: u64, what: &str| format!("{} {what}", count(part));
    let delivered = [
        of(figures.created, "created"),
        of(figures.updated, "updated"),
    ]
    .join(", ");
    let mut lines = vec![
        ("captured", figures.captured, String::new()),
        ("delivered", figures.delivered(), delivered),
        ("skipped", figures.skipped_total(), skipped(figures)),
        ("rejected", figures.rejected, "new dead letters".to_owned()),
    ];
    let optional = [
        (
            "mended",
            figures.mended,
            "dead letters that were delivered after all",
        ),
        (
            "refused again",
            figures.rejected_again,
            "replays that failed",
        ),
        ("edited", figures.edited, "edits of dead letters"),
        ("replayed", figures.replayed, "replays asked for"),
        (
            "discarded",
            figures.discarded,
            "dead letters given up, with a reason",
        ),
        ("parked", figures.parked, "kept here for a while"),
        (
            "left parking",
            figures.left_parking,
            "parked before, and done now",
        ),
        ("retried", figures.retried, "refusals for now, sent again"),
        (
            "unanswered",
            figures.unanswered,
            "sent and not answered when the service stopped",
        ),
    ];
    lines.extend(
        optional
            .into_iter()
            .filter(|(_, number, _)| *number > 0)
            .map(|(name, number, what)| (name, number, what.to_owned())),
    );
    if figures.api_calls > 0 {
        lines.push(("API calls", figures.api_calls, String::new()));
    }
    lines
}

/// Of a table of slots or routes, behind their names.
pub const HEADS: [&str; 11] = [
    "captured",
    "created",
    "updated",
    "skipped",
    "rejected",
    "mended",
    "p50",
    "p99",
    "max",
    "≤ 1 min",
    "calls",
];

/// One line of such a table.
pub fn row_cells(figures: &Figures) -> Vec<String> {
    let measured = |value: fn(&Latency) -> f64| {
        let latency = figures.latency.as_ref();
        latency.map_or_else(|| "-".to_owned(), |latency| duration(value(latency)))
    };
    let fresh = figures.latency.as_ref();
    vec![
        count(figures.captured),
        count(figures.created),
        count(figures.updated),
        count(figures.skipped_total()),
        count(figures.rejected),
        count(figures.mended),
        measured(|latency| latency.p50),
        measured(|latency| latency.p99),
        measured(|latency| latency.max),
        fresh.map_or_else(
            || "-".to_owned(),
            |latency| share(latency.within_1_min, latency.count),
        ),
        count(figures.api_calls),
    ]
}

/// Heads and rows of the books at the end.
pub fn books(report: &PeriodReport) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let books = report.ledger.books.iter();
    let rows = books.map(|(route, totals)| {
        vec![
            route.clone(),
            count(totals.accounted()),
            count(totals.delivered()),
            count(totals.skipped_total()),
            count(totals.discarded),
            count(totals.dead_letters_open),
            count(totals.parked),
        ]
    });
    let heads = vec![
        "route",
        "captured",
        "delivered",
        "skipped",
        "discarded",
        "open dead letters",
        "parked",
    ];
    (heads, rows.collect())
}

/// One line for each slot; durations in seconds, moments in RFC 3339.
pub fn csv(report: &PeriodReport) -> std::io::Result<String> {
    let frame = &report.report.frame;
    let zone = Offset::from_seconds(frame.utc_offset).unwrap_or(Offset::UTC);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "start",
        "captured",
        "created",
        "updated",
        "skipped",
        "rejected",
        "rejected_again",
        "mended",
        "edited",
        "replayed",
        "discarded",
        "parked",
        "left_parking",
        "retried",
        "unanswered",
        "api_calls",
        "measured",
        "mean_s",
        "p50_s",
        "p90_s",
        "p99_s",
        "p999_s",
        "max_s",
        "within_1_min",
        "within_5_min",
        "within_1_hour",
    ])?;
    for slot in &report.report.slots {
        let figures = &slot.figures;
        let start = Timestamp::from_microsecond(slot.start.0).map_or_else(
            |_| slot.start.0.to_string(),
            |at| at.display_with_offset(zone).to_string(),
        );
        let mut record = vec![start];
        record.extend(
            [
                figures.captured,
                figures.created,
                figures.updated,
                figures.skipped_total(),
                figures.rejected,
                figures.rejected_again,
                figures.mended,
                figures.edited,
                figures.replayed,
                figures.discarded,
                figures.parked,
                figures.left_parking,
                figures.retried,
                figures.unanswered,
                figures.api_calls,
            ]
            .map(|number| number.to_string()),
        );
        match &figures.latency {
            Some(it) => {
                record.push(it.count.to_string());
                let seconds = [it.mean, it.p50, it.p90, it.p99, it.p999, it.max];
                record.extend(seconds.map(|seconds| format!("{seconds:.6}")));
                let within = [it.within_1_min, it.within_5_min, it.within_1_hour];
                record.extend(within.map(|number| number.to_string()));
            }
            None => {
                record.push("0".to_owned());
                record.extend(std::iter::repeat_n(String::new(), 9));
            }
        }
        writer.write_record(&record)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| std::io::Error::other(error.to_string()))?;
    String::from_utf8(bytes).map_err(std::io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well_and_only_all_is_a_hundred_percent() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(share(9_999, 10_000), "99.9 %");
        assert_eq!(share(3, 3), "100.0 %");
        assert_eq!(share(0, 0), "-");
        assert_eq!(
            [0, 7_200, -19_800].map(zone),
            ["UTC", "UTC+02:00", "UTC-05:30"]
        );
    }
}
