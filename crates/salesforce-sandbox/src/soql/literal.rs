//! Text escapes, `LIKE` patterns, and date literals such as `LAST_N_DAYS:7`.
//!
//! Days are those of UTC: the integration user's time zone. Weeks begin on Sunday, as for the locale en_US; fiscal
//! years are calendar years, as in an org that has not set its own.
use super::budget::Budget;
use crate::value::calendar;

/// A span of whole days that depends on today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Relative {
    unit: Unit,
    /// First unit of the span, counted from the current one.
    first: i64,
    /// Units in the span.
    count: i64,
    /// Days of the current unit that belong to the span beyond its units: `LAST_N_DAYS` includes today.
    through_today: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// Largest `n` in `LAST_N_DAYS:n` and its kin; more would leave the calendar.
const MAX_UNITS: i64 = 100_000;
/// Days on either side of 1970 beyond which no date is looked for (years before 1000 and after 5000).
const DAYS: std::ops::RangeInclusive<i64> = -354_285..=1_106_685;

impl Relative {
    /// The literal of that name; `n` is what stands behind the colon.
    pub(crate) fn named(name: &str, n: Option<i64>) -> Option<Relative> {
        let name = name.to_ascii_uppercase();
        match n {
            None => fixed(&name),
            Some(n) if (0..=MAX_UNITS).contains(&n) => counted(&name, n),
            Some(_) => None,
        }
    }

    /// Whether a literal of that name exists, with or without a number.
    pub(crate) fn takes_number(name: &str) -> bool {
        counted(&name.to_ascii_uppercase(), 1).is_some()
    }

    /// First day and the day after the last, as days since 1970-01-01.
    pub(crate) fn days(&self, today: i32) -> (i32, i32) {
        let today = i64::from(today);
        let start = unit_start(self.unit, today, self.first);
        let end = if self.through_today {
            today + 1
        } else {
            unit_start(self.unit, today, self.first + self.count)
        };
        (clamp(start), clamp(end))
    }
}

fn span(unit: Unit, first: i64, count: i64) -> Relative {
    Relative {
        unit,
        first,
        count,
        through_today: false,
    }
}

/// Today belongs to the days of `LAST_N_DAYS` (SOQL reference: the span is n + 1 days long).
fn last_days(n: i64) -> Relative {
    Relative {
        through_today: true,
        ..span(Unit::Day, -n, n)
    }
}

fn fixed(name: &str) -> Option<Relative> {
    Some(match name {
        "TODAY" => span(Unit::Day, 0, 1),
        "YESTERDAY" => span(Unit::Day, -1, 1),
        "TOMORROW" => span(Unit::Day, 1, 1),
        "LAST_90_DAYS" => last_days(90),
        "NEXT_90_DAYS" => span(Unit::Day, 1, 90),
        _ => {
            let (which, unit) = name.split_once('_')?;
            let first = match which {
                "THIS" => 0,
                "LAST" => -1,
                "NEXT" => 1,
                _ => return None,
            };
            span(unit_named(unit)?, first, 1)
        }
    })
}

fn counted(name: &str, n: i64) -> Option<Relative> {
    if let Some(units) = name.strip_prefix("LAST_N_") {
        return Some(match plural(units)? {
            Unit::Day => last_days(n),
            unit => span(unit, -n, n),
        });
    }
    if let Some(units) = name.strip_prefix("NEXT_N_") {
        return Some(span(plural(units)?, 1, n));
    }
    let units = name.strip_prefix("N_")?.strip_suffix("_AGO")?;
    Some(span(plural(units)?, -n, 1))
}

fn plural(units: &str) -> Option<Unit> {
    unit_named(units.strip_suffix('S')?).or(match units {
        "DAYS" => Some(Unit::Day),
        _ => None,
    })
}

fn unit_named(unit: &str) -> Option<Unit> {
    Some(match unit {
        "WEEK" => Unit::Week,
        "MONTH" => Unit::Month,
        "QUARTER" | "FISCAL_QUARTER" => Unit::Quarter,
        "YEAR" | "FISCAL_YEAR" => Unit::Year,
        _ => return None,
    })
}

/// The first day of the unit that lies `offset` units from today's.
fn unit_start(unit: Unit, today: i64, offset: i64) -> i64 {
    let months = |per_unit: i64| {
        let (year, month, _) = calendar::civil_from_days(clamp(today));
        let month = i64::from(year) * 12 + i64::from(month) - 1;
        let start = (month.div_euclid(per_unit) + offset) * per_unit;
        // Far beyond any stored date all starts may be the same one.
        let year = start.div_euclid(12).clamp(1000, 5000);
        let month = start.rem_euclid(12) + 1;
        i64::from(calendar::days_from_civil(
            i32::try_from(year).unwrap_or(5000),
            i32::try_from(month).unwrap_or(1),
            1,
        ))
    };
    match unit {
        Unit::Day => today + offset,
        // 1970-01-01 was a Thursday, four days after a Sunday.
        Unit::Week => today - (today + 4).rem_euclid(7) + offset * 7,
        Unit::Month => months(1),
        Unit::Quarter => months(3),
        Unit::Year => months(12),
    }
}

fn clamp(days: i64) -> i32 {
    i32::try_from(days.clamp(*DAYS.start(), *DAYS.end())).unwrap_or(0)
}

/// One element of a `LIKE` pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    One(char),
    /// `_`
    AnyOne,
    /// `%`
    AnyRun,
}

/// The text behind the escapes; the error is the escape that does not exist.
pub(crate) fn unescape(raw: &str) -> Result<String, String> {
    Ok(pieces(raw)?.into_iter().map(|(c, _)| c).collect())
}

/// The pattern behind the escapes: `\_` and `\%` stand for themselves.
pub(crate) fn pattern(raw: &str) -> Result<Vec<Piece>, String> {
    let mut pattern = Vec::with_capacity(raw.len());
    for (c, escaped) in pieces(raw)? {
        let piece = match c {
            '_' if !escaped => Piece::AnyOne,
            '%' if !escaped => Piece::AnyRun,
            c => Piece::One(c),
        };
        // Two runs in a row match what one does.
        if piece != Piece::AnyRun || pattern.last() != Some(&Piece::AnyRun) {
            pattern.push(piece);
        }
    }
    Ok(pattern)
}

/// Characters, and whether each was written as an escape.
fn pieces(raw: &str) -> Result<Vec<(char, bool)>, String> {
    let mut found = Vec::with_capacity(raw.len());
    let mut rest = raw.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            found.push((c, false));
            continue;
        }
        let c = rest.next().unwrap_or('\\');
        let meant = match c {
            'n' | 'N' => '\n',
            'r' | 'R' => '\r',
            't' | 'T' => '\t',
            'b' | 'B' => '\u{8}',
            'f' | 'F' => '\u{c}',
            '"' | '\'' | '\\' | '_' | '%' => c,
            'u' | 'U' => {
                let hex: String = rest.by_ref().take(4).collect();
                let code = (hex.len() == 4 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
                    .then(|| u32::from_str_radix(&hex, 16).ok())
                    .flatten();
                match code.and_then(char::from_u32) {
                    Some(meant) => meant,
                    None => return Err(format!("\\{c}{hex}")),
                }
            }
            other => return Err(format!("\\{other}")),
        };
        found.push((meant, true));
    }
    Ok(found)
}

/// Whether the whole of `text` fits the pattern; false when the budget ends before that is known.
///
/// Runs back and forth: the steps may be as many as the product of both lengths, each is charged.
pub(crate) fn matches(
    pattern: &[Piece],
    text: &str,
    case_sensitive: bool,
    budget: &Budget,
) -> bool {
    let same =
        |a: char, b: char| a == b || (!case_sensitive && a.to_lowercase().eq(b.to_lowercase()));
    let mut at = 0;
    let mut rest = text.chars();
    // Where to go on when what follows the last `%` does not fit: that run then takes one more character.
    let mut retry: Option<(usize, std::str::Chars<'_>)> = None;
    loop {
        if !budget.spend(1) {
            return false;
        }
        let before = rest.clone();
        let fits = match (pattern.get(at), rest.next()) {
            (None, None) => return true,
            (Some(Piece::AnyRun), _) => {
                at += 1;
                rest = before.clone();
                retry = Some((at, before));
                continue;
            }
            (Some(Piece::AnyOne), Some(_)) => true,
            (Some(Piece::One(wanted)), Some(c)) => same(*wanted, c),
            (None, Some(_)) | (Some(Piece::AnyOne | Piece::One(_)), None) => false,
        };
        if fits {
            at += 1;
            continue;
        }
        let Some((behind, from)) = &mut retry else {
            return false;
        };
        if from.next().is_none() {
            return false;
        }
        at = *behind;
        rest = from.clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_span(name: &str, n: Option<i64>, today: &str, expected: (&str, &str)) {
        let today = calendar::parse_date(today).unwrap();
        let (start, end) = Relative::named(name, n).unwrap().days(today);
        let shown = (calendar::format_date(start), calendar::format_date(end - 1));
        assert_eq!(
            (shown.0.as_str(), shown.1.as_str()),
            expected,
            "{name} {n:?}"
        );
    }

    #[test]
    fn date_literals_span_whole_days_weeks_months_quarters_and_years() {
        // A Wednesday.
        let today = "2026-01-14";
        for (name, first, last) in [
            ("TODAY", "2026-01-14", "2026-01-14"),
            ("yesterday", "2026-01-13", "2026-01-13"),
            ("TOMORROW", "2026-01-15", "2026-01-15"),
            ("THIS_WEEK", "2026-01-11", "2026-01-17"),
            ("LAST_WEEK", "2026-01-04", "2026-01-10"),
            ("NEXT_WEEK", "2026-01-18", "2026-01-24"),
            ("THIS_MONTH", "2026-01-01", "2026-01-31"),
            ("LAST_MONTH", "2025-12-01", "2025-12-31"),
            ("NEXT_MONTH", "2026-02-01", "2026-02-28"),
            ("LAST_QUARTER", "2025-10-01", "2025-12-31"),
            ("THIS_FISCAL_QUARTER", "2026-01-01", "2026-03-31"),
            ("NEXT_YEAR", "2027-01-01", "2027-12-31"),
            ("LAST_90_DAYS", "2025-10-16", "2026-01-14"),
            ("NEXT_90_DAYS", "2026-01-15", "2026-04-14"),
        ] {
            check_span(name, None, today, (first, last));
        }
        for (name, n, first, last) in [
            ("LAST_N_DAYS", 7, "2026-01-07", "2026-01-14"),
            ("NEXT_N_DAYS", 2, "2026-01-15", "2026-01-16"),
            ("N_DAYS_AGO", 3, "2026-01-11", "2026-01-11"),
            ("LAST_N_WEEKS", 2, "2025-12-28", "2026-01-10"),
            ("N_WEEKS_AGO", 1, "2026-01-04", "2026-01-10"),
            ("LAST_N_MONTHS", 2, "2025-11-01", "2025-12-31"),
            ("NEXT_N_QUARTERS", 1, "2026-04-01", "2026-06-30"),
            ("N_FISCAL_YEARS_AGO", 1, "2025-01-01", "2025-12-31"),
        ] {
            check_span(name, Some(n), today, (first, last));
        }
    }

    #[test]
    fn a_week_begins_on_sunday_and_leap_days_are_days() {
        check_span(
            "THIS_WEEK",
            None,
            "2026-01-11",
            ("2026-01-11", "2026-01-17"),
        );
        check_span(
            "THIS_WEEK",
            None,
            "2026-01-10",
            ("2026-01-04", "2026-01-10"),
        );
        check_span(
            "THIS_MONTH",
            None,
            "2024-02-29",
            ("2024-02-01", "2024-02-29"),
        );
    }

    #[test]
    fn literals_that_do_not_exist_are_not_found_and_huge_numbers_stay_in_the_calendar() {
        for (name, n) in [
            ("THIS_DAY", None),
            ("LAST_N_DAYS", None),
            ("TODAY", Some(1)),
            ("LAST_N_DAYS", Some(-1)),
            ("LAST_N_DAYS", Some(i64::MAX)),
            ("N_DAYS", Some(1)),
            ("", None),
        ] {
            assert_eq!(Relative::named(name, n), None, "{name} {n:?}");
        }
        for name in [
            "LAST_N_YEARS",
            "NEXT_N_YEARS",
            "N_MONTHS_AGO",
            "NEXT_N_WEEKS",
        ] {
            let (start, end) = Relative::named(name, Some(MAX_UNITS)).unwrap().days(20_000);
            assert!(start <= end, "{name}");
        }
    }

    #[test]
    fn escapes_stand_for_what_the_reference_says() {
        assert_eq!(
            unescape(r#"\n\r\t\b\f\"\'\\\_\%\u00e9Z"#).as_deref(),
            Ok("\n\r\t\u{8}\u{c}\"'\\_%éZ")
        );
        for bad in [r"\x", r"\u12", r"\ud800", r"\u+123"] {
            assert!(unescape(bad).is_err(), "{bad}");
        }
    }

    fn plenty() -> Budget {
        Budget::new(1_000, 0)
    }

    #[test]
    fn a_pattern_that_runs_back_and_forth_is_charged_for_every_step_and_stops_in_its_middle() {
        let pattern = pattern(&format!("%{}b%", "a".repeat(100))).unwrap();
        let text = "a".repeat(200);
        let steps = |budget: &Budget| matches(&pattern, &text, false, budget);
        let enough = Budget::new(15_300, 0);
        assert!(!steps(&enough));
        assert!(!enough.is_over());
        let too_small = Budget::new(10_000, 0);
        assert!(!steps(&too_small));
        assert!(too_small.is_over());
    }

    #[track_caller]
    fn check_like(raw: &str, text: &str, expected: bool) {
        let pattern = pattern(raw).unwrap();
        assert_eq!(
            matches(&pattern, text, false, &plenty()),
            expected,
            "{text} LIKE {raw}"
        );
    }

    #[test]
    fn patterns_match_the_whole_text_in_any_case() {
        for (raw, text, expected) in [
            ("a%", "Abc", true),
            ("a%", "bac", false),
            ("%c", "abC", true),
            ("%b%", "abc", true),
            ("_b_", "abc", true),
            ("_", "", false),
            ("%", "", true),
            ("", "", true),
            ("", "a", false),
            ("a%b%c", "aXbYbZc", true),
            ("a%b%c", "aXcYb", false),
            (r"100\%", "100%", true),
            (r"100\%", "1000", false),
            (r"a\_b", "a_b", true),
            (r"a\_b", "axb", false),
            ("Ä%", "äx", true),
            ("%%%_", "x", true),
            ("_%_", "x", false),
        ] {
            check_like(raw, text, expected);
        }
        assert!(!matches(&pattern("A").unwrap(), "a", true, &plenty()));
    }
}
