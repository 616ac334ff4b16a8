//! Moments and durations as people read them. UTC, because servers and auditors rarely share a zone.

use crate::core::time::Micros;

/// `2026-11-22 12:00:00.123 UTC`.
pub fn moment(at: Micros) -> String {
    match jiff::Timestamp::from_microsecond(at.0) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S%.3f UTC").to_string(),
        Err(_) => format!("{} µs", at.0),
    }
}

/// `0.8 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
pub fn duration(seconds: f64) -> String {
    if seconds < 0.0995 {
        return format!("{:.0} ms", seconds.max(0.0) * 1000.0);
    }
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds as u64;
    match whole {
        0..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {} min", whole / 3600, whole / 60 % 60),
        _ => format!("{} d {} h", whole / 86_400, whole / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well_at_every_scale() {
        let read: Vec<String> = [0.0, 0.012, 0.5, 59.94, 200.0, 7_500.0, 273_600.0]
            .map(duration)
            .into_iter()
            .collect();
        let expected = [
            "0 ms",
            "12 ms",
            "0.5 s",
            "59.9 s",
            "3 min 20 s",
            "2 h 5 min",
            "3 d 4 h",
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn moments_are_utc_with_milliseconds() {
        assert_eq!(moment(Micros(1_500_000)), "1970-01-01 00:00:01.500 UTC");
    }
}
