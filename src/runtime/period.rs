//! Periods that reports are asked for: moments and days as people write them, in UTC unless they
//! say otherwise.

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::core::report::{Frame, SlotLength};
use crate::core::time::Micros;

/// How to write what cannot be read.
pub const REMEDY: &str = "write moments as 2026-11-22, 2026-11-22T08:00, 2026-11-22T08:00:00Z, or \
                          24h or 7d for that long ago";

/// Up to this length it is broken down by hours, if nobody says otherwise.
const HOURS_UP_TO_MICROS: i64 = 3 * 86_400_000_000;

/// As it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PeriodText {
    /// `None`: 24 hours ago.
    pub since: Option<String>,
    /// `None`: now.
    pub until: Option<String>,
    /// One whole day, instead of both.
    pub day: Option<String>,
    /// `None`: UTC.
    pub utc_offset: Option<String>,
}

/// A period, its end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub since: Micros,
    pub until: Micros,
    pub zone: Offset,
}

impl Period {
    /// Cut into days or hours.
    ///
    /// # Errors
    /// When these are more than a report holds.
    pub fn frame(&self, by: Option<SlotLength>) -> Result<Frame, String> {
        let Period { since, until, zone } = *self;
        let short = until.0 - since.0 <= HOURS_UP_TO_MICROS;
        let by = by.unwrap_or(if short {
            SlotLength::Hour
        } else {
            SlotLength::Day
        });
        let frame = Frame {
            since,
            until,
            by,
            utc_offset: zone.seconds(),
        };
        frame.check().map_err(|error| error.to_string())?;
        Ok(frame)
    }
}

impl PeriodText {
    /// # Errors
    /// What is wrong with it; [`REMEDY`] says how to mend it.
    pub fn parse(&self, now: Micros) -> Result<Period, String> {
        if self.day.is_some() && (self.since.is_some() || self.until.is_some()) {
            return Err("either a day or a beginning and an end".to_owned());
        }
        let zone = self.utc_offset.as_deref().unwrap_or("Z");
        let zone = offset(zone).ok_or_else(|| format!("{zone:?} is no offset from UTC"))?;
        let read =
            |text: &String| moment(text, now, zone).ok_or_else(|| format!("{text:?} is no moment"));
        let (since, until) = match (&self.day, &self.since) {
            (Some(day), _) => {
                let first = date(day, now, zone).ok_or_else(|| format!("{day:?} is no day"))?;
                let next = first.tomorrow().map_err(|error| error.to_string())?;
                let start =
                    |date: Date| civil(date.to_datetime(jiff::civil::Time::midnight()), zone);
                let range = || format!("{day:?} is no day");
                (
                    start(first).ok_or_else(range)?,
                    start(next).ok_or_else(range)?,
                )
            }
            (None, since) => {
                let since = since.clone().unwrap_or_else(|| "24h".to_owned());
                let until = self.until.as_ref().map(&read).transpose()?;
                (read(&since)?, until.unwrap_or(now))
            }
        };
        if since >= until {
            return Err("the period ends before it begins".to_owned());
        }
        Ok(Period { since, until, zone })
    }
}

fn offset(text: &str) -> Option<Offset> {
    if matches!(text, "Z" | "z" | "UTC" | "utc") {
        return Some(Offset::UTC);
    }
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    if !(0..=14).contains(&hours) || !(0..60).contains(&minutes) {
        return None;
    }
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

fn timestamp(at: Micros) -> Option<Timestamp> {
    Timestamp::from_microsecond(at.0).ok()
}

fn civil(at: DateTime, zone: Offset) -> Option<Micros> {
    Some(Micros(zone.to_timestamp(at).ok()?.as_microsecond()))
}

fn date(text: &str, now: Micros, zone: Offset) -> Option<Date> {
    let today = zone.to_datetime(timestamp(now)?).date();
    match text {
        "today" => Some(today),
        "yesterday" => today.yesterday().ok(),
        other => other.parse().ok(),
    }
}

fn moment(text: &str, now: Micros, zone: Offset) -> Option<Micros> {
    if text == "now" {
        return Some(now);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(Micros(at.as_microsecond()));
    }
    if let Some(day) = date(text, now, zone) {
        // A date and time parses as a date too, and would lose its time.
        if !text.contains(['T', ' ']) {
            return civil(day.to_datetime(jiff::civil::Time::midnight()), zone);
        }
    }
    if let Ok(at) = text.parse::<DateTime>() {
        return civil(at, zone);
    }
    let ago: Span = text.parse().ok()?;
    let now = timestamp(now)?.to_zoned(TimeZone::UTC);
    Some(Micros(
        now.checked_sub(ago.abs())
            .ok()?
            .timestamp()
            .as_microsecond(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_435_200_000_000; // 2026-11-23T12:00:00Z

    #[track_caller]
    fn check(
        since: Option<&str>,
        until: Option<&str>,
        day: Option<&str>,
        zone: &str,
        is: [&str; 2],
    ) {
        let arguments = PeriodText {
            since: since.map(str::to_owned),
            until: until.map(str::to_owned),
            day: day.map(str::to_owned),
            utc_offset: Some(zone.to_owned()),
        };
        let period = arguments.parse(Micros(NOW)).unwrap();
        let shown = [period.since, period.until].map(|at| timestamp(at).unwrap().to_string());
        assert_eq!(shown, is);
    }

    #[test]
    fn moments_are_read_as_people_write_them() {
        let noon = "2026-11-23T12:00:00Z";
        check(None, None, None, "+00:00", ["2026-11-22T12:00:00Z", noon]);
        check(
            Some("7d"),
            None,
            None,
            "UTC",
            ["2026-11-16T12:00:00Z", noon],
        );
        check(
            Some("2026-11-22"),
            Some("2026-11-22T08:30"),
            None,
            "+02:00",
            ["2026-11-21T22:00:00Z", "2026-11-22T06:30:00Z"],
        );
        check(
            Some("2026-11-22T08:00:00-05:00"),
            Some("now"),
            None,
            "Z",
            ["2026-11-22T13:00:00Z", noon],
        );
        check(
            None,
            None,
            Some("yesterday"),
            "-05:30",
            ["2026-11-22T05:30:00Z", "2026-11-23T05:30:00Z"],
        );
    }

    #[test]
    fn what_is_no_period_is_said_to_be_none() {
        let wrong = |since: &str, until: &str, zone: &str| {
            let arguments = PeriodText {
                since: Some(since.to_owned()),
                until: Some(until.to_owned()),
                day: None,
                utc_offset: Some(zone.to_owned()),
            };
            arguments.parse(Micros(NOW)).unwrap_err()
        };
        assert!(wrong("last tuesday", "now", "Z").contains("no moment"));
        assert!(wrong("now", "2026-11-01", "Z").contains("before it begins"));
        assert!(wrong("1h", "now", "+25:00").contains("no offset"));
    }
}
