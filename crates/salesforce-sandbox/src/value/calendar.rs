//! Dates and datetimes: the strict ISO 8601 forms Salesforce takes and the one it gives (facts 9.1).

/// The first and the last day that fields hold, in days since 1970-01-01: years 1700 to 4000.
const STORED_DAYS: std::ops::RangeInclusive<i32> =
    days_from_civil(1700, 1, 1)..=days_from_civil(4000, 12, 31);
const MILLIS_PER_DAY: i64 = 86_400_000;

/// Parses `YYYY-MM-DD` into days since 1970-01-01.
pub(crate) fn parse_date(text: &str) -> Option<i32> {
    let b = text.as_bytes();
    if b.len() != 10 || b[4] != b'-' || b[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(&b[0..4])?, digits(&b[5..7])?, digits(&b[8..10])?);
    if year < 1 || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    Some(days_from_civil(year, month, day))
}

/// Parses a date as it is written to a field: a zone may follow, which does not move the day.
pub(crate) fn parse_date_to_store(text: &str) -> Option<i32> {
    let (date, zone) = text.split_at_checked(10)?;
    if !zone.is_empty() {
        offset_seconds(zone.as_bytes())?;
    }
    parse_date(date)
}

/// Whether a field of type date can hold the day.
pub(crate) fn is_stored_day(days: i32) -> bool {
    STORED_DAYS.contains(&days)
}

/// Whether a field of type datetime can hold the moment.
pub(crate) fn is_stored_moment(millis: i64) -> bool {
    i32::try_from(millis.div_euclid(MILLIS_PER_DAY)).is_ok_and(is_stored_day)
}

/// As error messages show moments: `Fri Jan 01 00:00:00 GMT 1600`.
pub(crate) fn format_for_errors(millis: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let days = i32::try_from(millis.div_euclid(MILLIS_PER_DAY)).unwrap_or(0);
    let of_day = millis.rem_euclid(MILLIS_PER_DAY) / 1000;
    let (year, month, day) = civil_from_days(days);
    // 1970-01-01 was a Thursday.
    let weekday = DAYS[days.rem_euclid(7) as usize];
    let month = MONTHS[(month - 1).clamp(0, 11) as usize];
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{weekday} {month} {day:02} {hour:02}:{minute:02}:{second:02} GMT {year:04}")
}

/// Parses `YYYY-MM-DDThh:mm:ss[.fff…](Z|±hh:mm|±hhmm)` into milliseconds since 1970-01-01 UTC.
pub(crate) fn parse_datetime(text: &str) -> Option<i64> {
    let b = text.as_bytes();
    if b.len() < 20 || b[10] != b'T' || b[13] != b':' || b[16] != b':' {
        return None;
    }
    let days = parse_date(text.get(..10)?)?;
    let (hour, minute, second) = (
        digits(&b[11..13])?,
        digits(&b[14..16])?,
        digits(&b[17..19])?,
    );
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut rest = &b[19..];
    let mut millis = 0;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let count = fraction.iter().take_while(|c| c.is_ascii_digit()).count();
        if count == 0 {
            return None;
        }
        for place in 0..3 {
            millis = millis * 10 + i64::from(fraction[..count].get(place).map_or(0, |c| c - b'0'));
        }
        rest = &fraction[count..];
    }
    let seconds =
        i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second) - offset_seconds(rest)?;
    Some((i64::from(days) * 86_400 + seconds) * 1000 + millis)
}

/// `YYYY-MM-DD`.
pub(crate) fn format_date(days: i32) -> String {
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `YYYY-MM-DDThh:mm:ss.fff+0000`: the offset has no colon.
pub(crate) fn format_datetime(millis: i64) -> String {
    let days = i32::try_from(millis.div_euclid(86_400_000)).unwrap_or(0);
    let of_day = millis.rem_euclid(86_400_000);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, milli) = (of_day / 1000 % 60, of_day % 1000);
    format!(
        "{}T{hour:02}:{minute:02}:{second:02}.{milli:03}+0000",
        format_date(days)
    )
}

fn offset_seconds(zone: &[u8]) -> Option<i64> {
    let (sign, rest) = match zone.split_first()? {
        (b'Z', []) => return Some(0),
        (b'+', rest) => (1, rest),
        (b'-', rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest {
        [_, _, b':', _, _] => (digits(&rest[..2])?, digits(&rest[3..])?),
        [_, _, _, _] => (digits(&rest[..2])?, digits(&rest[2..])?),
        _ => return None,
    };
    (hours <= 18 && minutes <= 59)
        .then(|| sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60))
}

fn digits(bytes: &[u8]) -> Option<i32> {
    bytes.iter().try_fold(0, |sum, c| {
        c.is_ascii_digit().then(|| sum * 10 + i32::from(c - b'0'))
    })
}

fn days_in(year: i32, month: i32) -> i32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

// Howard Hinnant's civil calendar algorithms: years begin in March so that the leap day comes last.
pub(crate) const fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

pub(crate) fn civil_from_days(days: i32) -> (i32, i32, i32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i32::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, shown: Option<&str>) {
        assert_eq!(
            parse_datetime(text).map(format_datetime).as_deref(),
            shown,
            "{text}"
        );
    }

    #[test]
    fn datetimes_are_taken_with_z_or_an_offset_and_shown_in_utc_with_milliseconds() {
        check("2026-01-01T00:00:00Z", Some("2026-01-01T00:00:00.000+0000"));
        check(
            "2024-02-29T23:59:59.123456+02:00",
            Some("2024-02-29T21:59:59.123+0000"),
        );
        check(
            "1969-12-31T20:00:00.5-0430",
            Some("1970-01-01T00:30:00.500+0000"),
        );
    }

    #[test]
    fn datetimes_without_a_zone_or_with_a_space_are_refused() {
        for text in [
            "2026-01-01 00:00:00",
            "2026-01-01T00:00:00",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_zone_may_follow_a_date_and_does_not_move_it() {
        let day = parse_date("2026-01-01");
        for text in [
            "2026-01-01",
            "2026-01-01Z",
            "2026-01-01+0200",
            "2026-01-01-11:00",
        ] {
            assert_eq!(parse_date_to_store(text), day, "{text}");
        }
        for text in ["", "2026-01-01T00:00:00Z", "2026-01-01 ", "2026-01-0ü"] {
            assert_eq!(parse_date_to_store(text), None, "{text}");
        }
    }

    #[test]
    fn fields_hold_the_years_1700_to_4000() {
        let stored = |text| is_stored_day(parse_date(text).unwrap());
        assert!(stored("1700-01-01") && stored("4000-12-31"));
        assert!(!stored("1699-12-31") && !stored("4001-01-01"));
        let moment = |text| is_stored_moment(parse_datetime(text).unwrap());
        assert!(moment("4000-12-31T23:59:59Z") && !moment("4000-12-31T23:59:59-01:00"));
        let shown = format_for_errors(parse_datetime("1600-01-01T07:08:09Z").unwrap());
        assert_eq!(shown, "Sat Jan 01 07:08:09 GMT 1600");
    }

    #[test]
    fn dates_round_trip_and_impossible_ones_are_refused() {
        for text in ["1700-01-01", "1999-12-31", "2000-02-29", "4000-12-31"] {
            assert_eq!(parse_date(text).map(format_date).as_deref(), Some(text));
        }
        for text in [
            "2023-02-29",
            "0000-00-00",
            "2026-13-01",
            "2026-1-1",
            "26-01-01",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
