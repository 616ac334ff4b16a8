//! Numbers, moments and spans of time as people read them on a page.

use crate::core::time::Micros;

/// `12,345`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 lead`, `214 leads`.
pub fn several(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// With a capital letter, and without a full stop.
pub fn sentence(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// `2026-11-23 05:41:17 UTC`: a second is enough for a page, and servers rarely share a zone.
pub fn moment(at: Micros) -> String {
    written(at, "%Y-%m-%d %H:%M:%S UTC")
}

/// `05:41`.
pub fn minute(at: Micros) -> String {
    written(at, "%H:%M")
}

/// `2026-11-23`.
pub fn day(at: Micros) -> String {
    written(at, "%Y-%m-%d")
}

/// For `<time datetime="…">`.
pub fn machine(at: Micros) -> String {
    written(at, "%Y-%m-%dT%H:%M:%SZ")
}

fn written(at: Micros, form: &str) -> String {
    match jiff::Timestamp::from_microsecond(at.0) {
        Ok(at) => at.strftime(form).to_string(),
        Err(_) => format!("{} µs", at.0),
    }
}

/// `under a second`, `8 s`, `3 min`, `2 h 5 min`, `3 d 4 h`.
pub fn span(seconds: f64) -> String {
    if seconds < 1.0 {
        return "under a second".to_owned();
    }
    let whole = seconds as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..600 => with_rest(whole / 60, "min", whole % 60, "s"),
        600..3600 => format!("{} min", whole / 60),
        3600..86_400 => with_rest(whole / 3600, "h", whole / 60 % 60, "min"),
        _ => with_rest(whole / 86_400, "d", whole / 3600 % 24, "h"),
    }
}

fn with_rest(number: u64, unit: &str, rest: u64, small: &str) -> String {
    match rest {
        0 => format!("{number} {unit}"),
        rest => format!("{number} {unit} {rest} {small}"),
    }
}

/// `3 min ago`, `in 2 h`; `just now` within two seconds.
pub fn relative(at: Micros, now: Micros) -> String {
    let seconds = now.seconds_since(at);
    match seconds {
        ..-2.0 => format!("in {}", span(-seconds)),
        -2.0..2.0 => "just now".to_owned(),
        _ => format!("{} ago", span(seconds)),
    }
}

/// `512 B`, `1.4 GiB`.
pub fn bytes(number: u64) -> String {
    let mut size = number as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1024.0 {
            return match unit {
                "B" => format!("{number} B"),
                _ => format!("{size:.1} {unit}"),
            };
        }
        size /= 1024.0;
    }
    format!("{size:.1} TiB")
}

/// Whole per cent, never 100 before all is there.
pub fn percent(part: u64, whole: u64) -> u64 {
    let percent = u128::from(part) * 100 / u128::from(whole.max(1));
    u64::try_from(percent).unwrap_or(u64::MAX)
}

/// A name as one segment of a path, or a value in a query.
pub fn segment(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas() {
        let read = [0, 999, 1_000, 2_700_000].map(count);
        assert_eq!(read, ["0", "999", "1,000", "2,700,000"]);
        assert_eq!(several(1, "lead", "leads"), "1 lead");
        assert_eq!(several(1_214, "lead", "leads"), "1,214 leads");
        assert_eq!(percent(99_999, 100_000), 99);
        assert_eq!([10, 1_536].map(bytes), ["10 B", "1.5 KiB"]);
    }

    #[test]
    fn spans_read_well_at_every_scale() {
        let read = [0.2, 8.9, 60.0, 200.0, 700.0, 7_500.0, 273_600.0].map(span);
        let expected = [
            "under a second",
            "8 s",
            "1 min",
            "3 min 20 s",
            "11 min",
            "2 h 5 min",
            "3 d 4 h",
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn moments_say_how_long_ago() {
        let at = |seconds: i64| Micros(seconds * 1_000_000);
        assert_eq!(relative(at(100), at(101)), "just now");
        assert_eq!(relative(at(100), at(160)), "1 min ago");
        assert_eq!(relative(at(160), at(100)), "in 1 min");
        assert_eq!(moment(at(1)), "1970-01-01 00:00:01 UTC");
        assert_eq!(machine(at(1)), "1970-01-01T00:00:01Z");
    }

    #[test]
    fn a_name_is_one_segment_whatever_is_in_it() {
        assert_eq!(segment("leads-2.x"), "leads-2.x");
        assert_eq!(segment("a/ü?&"), "a%2F%C3%BC%3F%26");
    }
}
