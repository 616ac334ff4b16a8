//! `[batch]` and `[pace]`: how records are put together, and what calls may be spent on them.

use super::mistake::WRONG_VALUE;
use super::reader::{Given, Reader, Table};
use super::units::format_duration_ms;
use super::{Batch, Pace};
use crate::core::pacing::{QuietHours, QuietSpan};

pub(super) fn check_batch<'a>(reader: &mut Reader<'a>, root: &Table<'a>) -> Option<Batch> {
    let table = reader.table(root, "batch");
    let max_records = reader.number(&table, "max_records");
    let max_bytes = reader.number(&table, "max_bytes");
    let max_age_ms: Option<u64> = reader.number(&table, "max_age");
    let stretched_ms: Option<u64> = reader.number(&table, "max_age_stretched");
    if let (Some(age), Some(stretched)) = (max_age_ms, stretched_ms)
        && stretched < age
        && table.get("max_age_stretched").is_some()
    {
        return reader.refuse(
            &table,
            "max_age_stretched",
            WRONG_VALUE,
            format!(
                "must not be below batch.max_age, {}",
                format_duration_ms(age)
            ),
            "give it at least as much, or leave it out",
        );
    }
    Some(Batch {
        max_records: max_records?,
        max_bytes: max_bytes?,
        max_age_ms: max_age_ms?,
        // Its default does not forbid a longer max_age.
        max_age_stretched_ms: stretched_ms?.max(max_age_ms?),
    })
}

pub(super) fn check_pace<'a>(reader: &mut Reader<'a>, root: &Table<'a>) -> Option<Pace> {
    let table = reader.table(root, "pace");
    let requests_per_second = reader.number(&table, "requests_per_second");
    let max_in_flight = reader.number(&table, "max_in_flight");
    let daily_calls = reader.optional_number(&table, "daily_calls");
    let reserve_percent = reader.number(&table, "reserve_percent");
    let hourly_calls = reader.optional_number(&table, "hourly_calls");
    let spans = reader.required(&table, "quiet_hours", |given| {
        let spans = given.value.as_array()?.iter();
        spans.map(|span| quiet_span(span.as_str()?)).collect()
    });
    let utc_offset_minutes = reader.required(&table, "utc_offset", |given| {
        utc_offset_minutes(given.text()?)
    });
    let bulk_from = reader.required(&table, "bulk_from", bulk_from);
    Some(Pace {
        requests_per_second: requests_per_second?,
        max_in_flight: max_in_flight?,
        daily_calls: daily_calls?,
        reserve_percent: reserve_percent?,
        hourly_calls: hourly_calls?,
        quiet_hours: QuietHours {
            spans: spans?,
            utc_offset_minutes: utc_offset_minutes?,
        },
        bulk_from: bulk_from?,
    })
}

fn bulk_from(given: &Given<'_>) -> Option<Option<u64>> {
    if given.text() == Some("off") {
        return Some(None);
    }
    let records = u64::try_from(given.integer()?).ok()?;
    (100..=100_000_000)
        .contains(&records)
        .then_some(Some(records))
}

/// As it is written: `22:00-06:00`.
pub(super) fn print_quiet_span(span: QuietSpan) -> String {
    let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    format!("{}-{}", time(span.from_minute), time(span.to_minute))
}

pub(super) fn print_utc_offset(minutes: i16) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.unsigned_abs();
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

fn quiet_span(text: &str) -> Option<QuietSpan> {
    let (from, to) = text.split_once('-')?;
    let (from_minute, to_minute) = (minute_of_day(from)?, minute_of_day(to)? % DAY_MINUTES);
    (from_minute < DAY_MINUTES && from_minute != to_minute).then_some(QuietSpan {
        from_minute,
        to_minute,
    })
}

fn utc_offset_minutes(text: &str) -> Option<i16> {
    let (sign, time) = match text.split_at_checked(1)? {
        ("+", time) => (1, time),
        ("-", time) => (-1, time),
        _ => return None,
    };
    let minutes = minute_of_day(time).filter(|minutes| *minutes <= FARTHEST_OFFSET)?;
    Some(sign * i16::try_from(minutes).ok()?)
}

const DAY_MINUTES: u16 = 24 * 60;
/// Of the places on earth, in minutes.
const FARTHEST_OFFSET: u16 = 14 * 60;

/// `00:00` to `24:00`.
fn minute_of_day(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= DAY_MINUTES).then_some(minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_quiet_is_read_strictly_and_printed_as_it_was() {
        for text in ["22:00-06:00", "00:30-01:15"] {
            assert_eq!(print_quiet_span(quiet_span(text).unwrap()), text);
        }
        let to_midnight = quiet_span("22:00-24:00").unwrap();
        assert_eq!(print_quiet_span(to_midnight), "22:00-00:00");
        for text in [
            "22-06",
            "22:00-25:00",
            "24:00-06:00",
            "6:00-7:00",
            "08:00-08:00",
            "08:60-09:00",
            "",
        ] {
            assert_eq!(quiet_span(text), None, "{text}");
        }
    }

    #[test]
    fn an_offset_is_read_strictly_and_printed_as_it_was() {
        for (text, minutes) in [("+02:00", 120), ("-05:30", -330), ("+00:00", 0)] {
            assert_eq!(utc_offset_minutes(text), Some(minutes));
            assert_eq!(print_utc_offset(minutes), text);
        }
        for text in ["02:00", "+2:00", "+15:00", "Z", "", "é02:00"] {
            assert_eq!(utc_offset_minutes(text), None, "{text}");
        }
    }
}
