//! Points of charts from statuses at given moments.

use super::*;
use crate::operator::tests::{NOON, status};

const SECOND: i64 = 1_000_000;
fn at(seconds: i64) -> Micros {
    Micros(NOON + seconds * SECOND)
}

#[test]
fn a_minute_counts_what_came_within_it() {
    let history = History::default();
    assert_eq!(history.points(60), []);
    history.observe(&status(1000, 900, 3, 50), at(10));
    history.observe(&status(1010, 905, 4, 52), at(59));
    history.observe(&status(1013, 905, 4, 52), at(61));
    let counted: Vec<[u64; 5]> = history
        .points(60)
        .iter()
        .map(|point| {
            let Point {
                captured,
                delivered,
                dead_letters,
                api_calls,
                dead_letters_open,
                ..
            } = *point;
            [
                captured,
                delivered,
                dead_letters,
                api_calls,
                dead_letters_open,
            ]
        })
        .collect();
    // What was there before the process is no news; nothing falls between two minutes.
    assert_eq!(counted, [[10, 5, 1, 2, 4], [3, 0, 0, 0, 4]]);
    assert_eq!(history.points(60)[1].at, at(60));
    assert_eq!(history.since(), Some(at(10)));
}

#[test]
fn a_minute_keeps_its_worst_delay() {
    let history = History::default();
    let waiting = Status {
        oldest_unsettled: Some(at(0)),
        ..status(1, 0, 0, 0)
    };
    history.observe(&waiting, at(30));
    history.observe(&status(1, 1, 0, 0), at(31));
    let point = &history.points(1)[0];
    assert_eq!((point.lag_seconds, point.lag_max_seconds), (0.0, 30.0));
}

#[test]
fn a_day_is_kept_and_no_more() {
    let history = History::default();
    let days = 2 * KEPT_MINUTES as i64;
    for minute in 0..days {
        history.observe(&status(minute as u64, 0, 0, 0), at(minute * 60));
    }
    let points = history.points(KEPT_MINUTES);
    assert_eq!(points.len(), KEPT_MINUTES);
    assert_eq!(points.last().unwrap().at, at((days - 1) * 60));
    assert_eq!(history.points(60).len(), 60);
    assert_eq!(history.points(usize::MAX).len(), KEPT_MINUTES + 1);
    assert!(points.iter().all(|point| point.captured == 1));
}

#[test]
fn a_clock_that_is_set_back_tells_no_minute_twice() {
    let history = History::default();
    history.observe(&status(1, 0, 0, 0), at(120));
    history.observe(&status(5, 0, 0, 0), at(0));
    history.observe(&status(6, 0, 0, 0), at(180));
    let points = history.points(60);
    let told: Vec<_> = points.iter().map(|p| (p.at, p.captured)).collect();
    assert_eq!(told, [(at(120), 4), (at(180), 1)]);
}

#[test]
fn minutes_that_nobody_watched_are_missing() {
    let history = History::default();
    history.observe(&status(1, 0, 0, 0), at(0));
    history.observe(&status(9, 0, 0, 0), at(600));
    let points = history.points(5);
    assert_eq!(points.len(), 1);
    assert_eq!(points[0].captured, 8);
}
