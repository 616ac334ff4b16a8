//! Conditional requests: `If-Modified-Since`, `If-Unmodified-Since`, `If-None-Match` (facts 8).
//!
//! HTTP dates have whole seconds, so a time is compared without its fraction. A date that cannot be read counts as
//! absent. There is no optimistic locking by ETag for leads: their rows show one, but no condition looks at it.
use axum::http::{HeaderValue, header};

use super::call::Request;
use super::reply::Reply;
use crate::org::Refusal;
use crate::value::calendar;

const SECONDS_PER_DAY: i64 = 86_400;
/// The first day of 1970 was a Thursday.
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The state of what is asked for.
pub(super) struct Stamp {
    /// With its quotes.
    pub(super) etag: String,
    /// Wall clock, microseconds since 1970-01-01 UTC.
    pub(super) modified_micros: i64,
    /// Whether `If-None-Match` is looked at.
    pub(super) matched_by_etag: bool,
}

/// Answers what the request's conditions make of `reply`: itself with its stamp, 304, or 412.
pub(super) fn answer(request: &Request, stamp: &Stamp, reply: impl FnOnce() -> Reply) -> Reply {
    let modified = stamp.modified_micros.div_euclid(1_000_000);
    let reply = if unmodified_since(request).is_some_and(|until| modified > until) {
        return Reply::error(412, &Refusal::precondition());
    } else if is_known(request, stamp, modified) {
        Reply::empty(304)
    } else {
        reply()
    };
    if !matches!(reply.status, 200 | 304) {
        return reply;
    }
    let date = HeaderValue::from_str(&format_http_date(modified));
    let etag = HeaderValue::from_str(&stamp.etag);
    match (date, etag) {
        (Ok(date), Ok(etag)) => reply
            .with(header::LAST_MODIFIED, date)
            .with(header::ETAG, etag),
        // Both are made of plain characters.
        _ => reply,
    }
}

/// The time, in seconds since 1970-01-01 UTC, after which the client wants no change to have happened.
pub(super) fn unmodified_since(request: &Request) -> Option<i64> {
    parse_http_date(request.header("if-unmodified-since")?)
}

/// Whether the client has this state already; an ETag decides alone where there is one.
fn is_known(request: &Request, stamp: &Stamp, modified: i64) -> bool {
    if stamp.matched_by_etag
        && let Some(known) = request.header("if-none-match")
    {
        let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        return known
            .split(',')
            .any(|tag| tag.trim() == "*" || plain(tag) == stamp.etag);
    }
    request
        .header("if-modified-since")
        .and_then(parse_http_date)
        .is_some_and(|since| modified <= since)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
fn format_http_date(seconds: i64) -> String {
    let days = seconds.div_euclid(SECONDS_PER_DAY);
    let of_day = seconds.rem_euclid(SECONDS_PER_DAY);
    let (year, month, day) = calendar::civil_from_days(i32::try_from(days).unwrap_or(0));
    let weekday = DAYS[usize::try_from(days.rem_euclid(7)).unwrap_or(0)];
    let month = MONTHS[usize::try_from(month - 1).unwrap_or(0) % 12];
    format!(
        "{weekday}, {day:02} {month} {year:04} {:02}:{:02}:{:02} GMT",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// Seconds since 1970-01-01 UTC.
fn parse_http_date(text: &str) -> Option<i64> {
    let (weekday, rest) = text.trim().split_once(", ")?;
    if !DAYS.contains(&weekday) {
        return None;
    }
    let parts: Vec<&str> = rest.split(' ').collect();
    let [day, month, year, time, "GMT"] = parts.as_slice() else {
        return None;
    };
    let month = MONTHS.iter().position(|name| name == month)? + 1;
    let days = calendar::parse_date(&format!("{year}-{month:02}-{day}"))?;
    let of_day = calendar::parse_datetime(&format!("1970-01-01T{time}Z"))? / 1000;
    Some(i64::from(days) * SECONDS_PER_DAY + of_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_dates_are_read_and_written() {
        for (text, seconds) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199),
        ] {
            assert_eq!(parse_http_date(text), Some(seconds), "{text}");
            assert_eq!(format_http_date(seconds), text);
        }
        for text in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "2026-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
    }
}
