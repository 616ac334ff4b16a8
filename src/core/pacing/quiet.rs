//! Hours of the day in which nothing is sent.

use crate::core::time::Micros;

const DAY_MINUTES: i64 = 24 * 60;
const MINUTE_MICROS: i64 = 60_000_000;

/// Minutes of the day, `from` included, `to` not; over midnight when `to` comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietSpan {
    pub from_minute: u16,
    pub to_minute: u16,
}

/// The spans and the clock they are meant by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuietHours {
    pub spans: Vec<QuietSpan>,
    /// Minutes that the clock is ahead of UTC. Fixed: a span that moved with summer time could not
    /// be read off the configuration.
    pub utc_offset_minutes: i16,
}

impl QuietHours {
    /// When the quiet ends that reigns now, following spans that touch.
    #[must_use]
    pub fn quiet_until(&self, now: Micros) -> Option<Micros> {
        let mut at = now;
        for _ in 0..=self.spans.len() {
            match self.ends(at) {
                Some(end) => at = end,
                None => break,
            }
        }
        (at > now).then_some(at)
    }

    fn ends(&self, at: Micros) -> Option<Micros> {
        let minute = at.0.div_euclid(MINUTE_MICROS);
        let of_day = (minute + i64::from(self.utc_offset_minutes)).rem_euclid(DAY_MINUTES);
        let lasts = self.spans.iter().filter_map(|span| {
            let from = i64::from(span.from_minute);
            let length = (i64::from(span.to_minute) - from).rem_euclid(DAY_MINUTES);
            let into = (of_day - from).rem_euclid(DAY_MINUTES);
            (into < length).then_some(length - into)
        });
        let lasts = lasts.max()?;
        Some(Micros((minute + lasts) * MINUTE_MICROS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(spans: &[(u16, u16)], utc_offset_minutes: i16) -> QuietHours {
        QuietHours {
            spans: spans
                .iter()
                .map(|&(from_minute, to_minute)| QuietSpan {
                    from_minute,
                    to_minute,
                })
                .collect(),
            utc_offset_minutes,
        }
    }

    #[track_caller]
    fn check(hours: &QuietHours, minute: i64, until: Option<i64>) {
        let day = 20_000 * DAY_MINUTES;
        let found = hours.quiet_until(Micros((day + minute) * MINUTE_MICROS + 7));
        assert_eq!(
            found,
            until.map(|end| Micros((day + end) * MINUTE_MICROS)),
            "minute {minute}"
        );
    }

    #[test]
    fn a_span_over_midnight_is_quiet_on_both_sides_of_it() {
        let night = hours(&[(22 * 60, 6 * 60)], 0);
        check(&night, 21 * 60 + 59, None);
        check(&night, 22 * 60, Some(30 * 60));
        check(&night, 5 * 60 + 59, Some(6 * 60));
        check(&night, 6 * 60, None);
    }

    #[test]
    fn spans_are_meant_by_the_given_clock() {
        let noon = hours(&[(12 * 60, 13 * 60)], 120);
        check(&noon, 10 * 60, Some(11 * 60));
        check(&noon, 12 * 60, None);
        check(&hours(&[(0, 60)], -300), 5 * 60 + 30, Some(6 * 60));
    }

    #[test]
    fn spans_that_touch_end_together() {
        check(&hours(&[(60, 120), (120, 180)], 0), 90, Some(180));
    }
}
