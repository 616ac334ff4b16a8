//! Durations and sizes as people write them: `250ms`, `1m 30s`, `64KiB`. Units are always written,
//! so that nobody has to know whether a bare number means seconds or milliseconds.

const DURATIONS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

const SIZES: [(&str, u64); 5] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Milliseconds of `1s`, `250ms`, `1m30s`, `1m 30s`; `None` for anything else, `5` and `1.5s`
/// included.
#[must_use]
pub fn parse_duration_ms(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let (_, factor) = DURATIONS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(number.checked_mul(*factor)?)?;
        rest = after.trim_start();
    }
    Some(total)
}

/// The shortest single-unit text of a duration.
#[must_use]
pub fn format_duration_ms(millis: u64) -> String {
    if millis == 0 {
        return "0s".to_owned();
    }
    let (unit, factor) = DURATIONS
        .iter()
        .rev()
        .find(|(_, factor)| millis.is_multiple_of(*factor))
        .unwrap_or(&DURATIONS[0]);
    format!("{}{unit}", millis / factor)
}

/// Bytes of `64KiB`, `1 GiB`, `4096`, `4096B`; decimal units (`1MB`) are not taken, because half of
/// the world means 1,000,000 with them and the other half 1,048,576.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text.trim())?;
    let unit = unit.trim_start();
    if unit.is_empty() {
        return Some(number);
    }
    let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

/// The shortest text of a size.
#[must_use]
pub fn format_bytes(bytes: u64) -> String {
    let (unit, factor) = SIZES
        .iter()
        .rev()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor))
        .unwrap_or(&SIZES[0]);
    format!("{}{unit}", bytes / factor)
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_their_unit() {
        #[track_caller]
        fn check(text: &str, expected: Option<u64>) {
            assert_eq!(parse_duration_ms(text), expected, "{text:?}");
        }
        check("1s", Some(1_000));
        check("250ms", Some(250));
        check("10m", Some(600_000));
        check("1m30s", Some(90_000));
        check(" 1h 1s ", Some(3_601_000));
        check("0s", Some(0));
        check("5", None);
        check("1.5s", None);
        check("-1s", None);
        check("", None);
        check("s", None);
        check("1 fortnight", None);
        check("99999999999999999999s", None);
        check("18446744073709551615d", None);
    }

    #[test]
    fn sizes_are_binary() {
        #[track_caller]
        fn check(text: &str, expected: Option<u64>) {
            assert_eq!(parse_bytes(text), expected, "{text:?}");
        }
        check("64KiB", Some(65_536));
        check("1 GiB", Some(1 << 30));
        check("4096", Some(4_096));
        check("1MB", None);
        check("", None);
        check("KiB", None);
        check("99999999TiB", None);
    }

    #[test]
    fn texts_come_back_as_they_were_written() {
        for text in ["0s", "250ms", "1s", "25s", "10m", "1h", "1d"] {
            assert_eq!(format_duration_ms(parse_duration_ms(text).unwrap()), text);
        }
        for text in ["1B", "64KiB", "1MiB", "1GiB", "1TiB"] {
            assert_eq!(format_bytes(parse_bytes(text).unwrap()), text);
        }
    }
}
