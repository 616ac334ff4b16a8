//! The days that pacing is held to, and its single decisions.

use super::simulation::{Day, FixedRule, best_knowing_all, fixed, paced, scenario_settings};
use super::*;

/// What the best rule that sees only the past takes on average: a number of records for each of the
/// two rates of the scenario's day, at 12,000 calls.
const BEST_SEEING_THE_PAST_MS: f64 = 1_630.0;

const MINUTE_MICROS: i64 = 60_000_000;
const HOUR_MICROS: i64 = 60 * MINUTE_MICROS;
const NOON: Micros = Micros(1_750_032_000_000_000 + 12 * HOUR_MICROS);

fn at(minutes: i64) -> Now {
    Now {
        tick: Tick(minutes as u64 * 60_000),
        wall: Micros(NOON.0 + minutes * MINUTE_MICROS),
    }
}

fn pacing(settings: &PaceSettings, calls: &[(Micros, u64)]) -> Pacing {
    Pacing::new(settings.clone(), 1, calls, at(0))
}

#[test]
fn the_scenarios_day_is_within_its_calls_and_near_the_best_rule() {
    for seed in 1..=3 {
        let day = paced(&scenario_settings(), &Day::scenario(seed, 1));
        assert!(day.most_in_a_day <= 12_000, "seed {seed}: {day:?}");
        assert!(day.p99_ms <= 30_000, "seed {seed}: {day:?}");
        let bound = 1.15 * BEST_SEEING_THE_PAST_MS;
        assert!(day.mean_ms <= bound, "seed {seed}: {day:?}");
        assert!(day.left <= 10, "seed {seed}: {day:?}");
    }
}

#[test]
fn the_days_after_know_when_the_busy_hour_comes() {
    let days = paced(&scenario_settings(), &Day::with_peak(4, 2, 22));
    assert!(days.most_in_a_day <= 12_000, "{days:?}");
    let of = |hours: std::ops::Range<usize>| {
        let hours = &days.hours[hours];
        let records = |hour: usize| {
            if hour == 22 {
                10_000.0
            } else {
                20_000.0 / 23.0
            }
        };
        let waits = hours.iter().enumerate();
        let waits: f64 = waits.map(|(hour, (_, mean))| mean * records(hour)).sum();
        waits / 30_000.0
    };
    let (first, second) = (of(0..24), of(24..48));
    assert!(second <= 1.15 * BEST_SEEING_THE_PAST_MS, "{second}");
    assert!(second < first, "{second} after {first}");
}

#[test]
fn what_the_days_are_held_against_is_what_it_should_be() {
    let day = Day::scenario(1, 1);
    let near = |found: f64, wanted: f64| {
        assert!((found / wanted - 1.0).abs() < 0.03, "{found} for {wanted}");
    };
    near(best_knowing_all(&day, 12_000).mean_ms, 740.0);
    let by_hour = |hour: u64| if hour % 24 == 10 { 5 } else { 2 };
    let best = fixed(&FixedRule::Count(by_hour), &day);
    near(best.mean_ms, BEST_SEEING_THE_PAST_MS);
    near(best.calls as f64, 12_000.0);
    near(
        fixed(&FixedRule::Linger { ms: 3_400 }, &day).mean_ms,
        2_380.0,
    );
}

#[test]
fn with_calls_in_plenty_every_record_leaves_at_once() {
    let settings = PaceSettings {
        daily_calls: Some(100_000),
        ..scenario_settings()
    };
    let day = paced(&settings, &Day::scenario(1, 1));
    assert_eq!((day.max_ms, day.left), (0, 0));
}

#[test]
fn with_few_calls_no_record_waits_longer_than_the_stretched_age() {
    let settings = PaceSettings {
        daily_calls: Some(5_000),
        ..scenario_settings()
    };
    let day = paced(&settings, &Day::scenario(1, 1));
    assert!(day.most_in_a_day <= 4_000, "{day:?}");
    let longest = day.max_ms;
    assert!((30_000..=60_000).contains(&longest), "{longest}");
}

#[test]
fn a_budget_that_is_nearly_spent_lasts_until_calls_come_back() {
    let day = Day::nearly_spent(1);
    let report = paced(&scenario_settings(), &day);
    assert!(report.org_used <= 12_000, "{report:?}");
    assert!(report.max_ms <= 10 * 60_000, "{report:?}");
    let fewest = report.hours.iter().map(|(calls, _)| *calls).min();
    assert!(fewest >= Some(30), "it stopped: {report:?}");
}

#[test]
fn another_tool_gets_its_calls_and_the_org_stays_under_its_limit() {
    let report = paced(&scenario_settings(), &Day::eaten(1));
    assert!(report.org_used <= 15_000, "{report:?}");
    // It slows down while the other grows, instead of stopping when it has grown.
    assert!(report.left <= 300, "{report:?}");
    assert!(report.max_ms <= 20 * 60_000, "{report:?}");
}

#[test]
fn no_hour_has_more_calls_than_its_cap() {
    let settings = PaceSettings {
        hourly_calls: Some(600),
        ..scenario_settings()
    };
    let report = paced(&settings, &Day::scenario(2, 1));
    assert!(report.most_in_an_hour <= 600, "{report:?}");
    assert!(report.most_in_an_hour > 500, "{report:?}");
    assert!(report.max_ms <= 10 * 60_000, "{report:?}");
}

#[test]
fn nothing_leaves_in_quiet_hours() {
    let settings = PaceSettings {
        quiet: QuietHours {
            spans: vec![QuietSpan {
                from_minute: 22 * 60,
                to_minute: 6 * 60,
            }],
            utc_offset_minutes: 0,
        },
        ..scenario_settings()
    };
    let report = paced(&settings, &Day::scenario(1, 1));
    for (hour, (calls, _)) in report.hours.iter().enumerate() {
        assert_eq!(*calls == 0, !(6..22).contains(&hour), "hour {hour}");
    }
}

/// 80 calls take 16,000 records: the rest waits, and some of it has 20 calls more.
#[test]
fn the_reserve_goes_to_what_is_nearly_an_hour_old() {
    let settings = PaceSettings {
        daily_calls: Some(100),
        ..scenario_settings()
    };
    let report = paced(&settings, &Day::flat(1));
    assert_eq!(report.most_in_a_day, 100);
    let mut pacing = pacing(&settings, &[(Micros(NOON.0 - HOUR_MICROS), 80)]);
    let young = Some(Micros(NOON.0 - 30 * MINUTE_MICROS));
    let old = Some(Micros(NOON.0 - 51 * MINUTE_MICROS));
    let hold = pacing.hold(young, NOON).unwrap();
    assert_eq!(hold.reason, HoldReason::Daily);
    assert_eq!(hold.until, Micros(NOON.0 + 20 * MINUTE_MICROS));
    assert_eq!(pacing.hold(old, NOON), None);
    for _ in 0..20 {
        pacing.note_sent(0);
    }
    assert!(pacing.hold(old, NOON).is_some(), "more than the budget");
    // With the reserve spent as well, growing old helps nobody.
    let hold = pacing.hold(young, NOON).unwrap();
    assert!(hold.until.seconds_since(NOON) > 20.0 * 3_600.0, "{hold:?}");
}

#[test]
fn calls_of_before_the_start_count_until_they_are_a_day_old() {
    let settings = scenario_settings();
    let mut pacing = pacing(&settings, &[(Micros(NOON.0 - 2 * HOUR_MICROS), 12_000)]);
    let hold = pacing.hold(None, NOON).unwrap();
    let day_old = Micros(NOON.0 + 22 * HOUR_MICROS);
    assert_eq!(hold.until, Micros(day_old.0 + 5 * MINUTE_MICROS));
    assert_eq!(pacing.affordable(), Some(0));
    let again = at(22 * 60 + 5);
    pacing.advance(again);
    assert_eq!(pacing.hold(None, again.wall), None);
    assert_eq!(pacing.affordable(), Some(12_000));
}

#[test]
fn others_live_on_the_reserve_and_then_on_ours() {
    let settings = PaceSettings {
        daily_calls: None,
        ..scenario_settings()
    };
    let mut pacing = pacing(&settings, &[]);
    assert_eq!(pacing.affordable(), None, "nothing is known");
    let limit = 15_000;
    for (used, ours) in [(0, 12_000), (3_000, 12_000), (5_000, 10_000), (15_001, 0)] {
        pacing.note_usage(OrgUsage { used, limit }, NOON);
        assert_eq!(pacing.affordable(), Some(ours), "others used {used}");
    }
    let hold = pacing.hold(None, NOON).unwrap();
    assert_eq!(hold.reason, HoldReason::Others);
    assert_eq!(hold.until, Micros(NOON.0 + 5 * MINUTE_MICROS));
}

#[test]
fn the_forecast_says_when_the_calls_are_spent() {
    let mut pacing = pacing(
        &scenario_settings(),
        &[(Micros(NOON.0 - 3 * HOUR_MICROS), 9_000)],
    );
    assert_eq!(pacing.view(NOON).lasts_until, None);
    // 1,000 in an hour: the other 2,000 last for two.
    for minute in 1..=60 {
        pacing.advance(at(minute));
        pacing.note_other_calls(1_000 / 60);
    }
    let now = at(60).wall;
    let until = pacing.view(now).lasts_until.unwrap();
    let minutes = until.seconds_since(now) / 60.0;
    assert!((110.0..=140.0).contains(&minutes), "{minutes}");
}

#[test]
fn a_clock_that_is_set_back_frees_no_calls() {
    let mut pacing = pacing(&scenario_settings(), &[]);
    pacing.note_other_calls(12_000);
    let yesterday = Micros(NOON.0 - 30 * HOUR_MICROS);
    pacing.advance(Now {
        tick: Tick(1),
        wall: yesterday,
    });
    assert!(pacing.hold(None, yesterday).is_some());
}

#[test]
fn a_wake_finds_something_due() {
    let mut pacing = pacing(
        &scenario_settings(),
        &[(Micros(NOON.0 - HOUR_MICROS), 8_000)],
    );
    let mut jitter = crate::core::retry::Jitter::new(5);
    let mut now = 0;
    for _ in 0..5_000 {
        now += jitter.below(9_000);
        pacing.note_arrival(0, true, Tick(now));
        let wall = Micros(NOON.0 + now as i64 * 1_000);
        let tick = Tick(now);
        pacing.advance(Now { tick, wall });
        pacing.note_sent(0);
        pacing.note_answered(1);
        let waiting = 1 + jitter.below(6) as usize;
        let linger = pacing.linger(0);
        let due = linger.due_at(waiting, tick);
        assert!(linger.is_due(waiting, tick, due.max(tick)), "{linger:?}");
        if due.0 > now + 3 {
            let early = Tick(due.0 - 3);
            assert!(!linger.is_due(waiting, tick, early), "{linger:?}");
        }
    }
}

#[test]
fn a_flood_fills_its_calls_even_with_calls_in_plenty() {
    let settings = PaceSettings {
        daily_calls: Some(10_000_000),
        ..scenario_settings()
    };
    let mut pacing = pacing(&settings, &[]);
    for index in 0..200 {
        pacing.note_arrival(0, true, Tick(60_000 + index / 10));
    }
    let now = Tick(60_020);
    let linger = pacing.linger(0);
    assert!(!linger.is_due(50, now, now), "{linger:?}");
    assert!(linger.is_due(50, now, now.plus(50)), "unnoticed is 50 ms");
}

#[test]
fn a_snapshot_is_no_forecast() {
    let scale_after = |usual: bool| {
        let mut pacing = pacing(&scenario_settings(), &[]);
        for minute in 0..60 {
            for _ in 0..10_000 {
                pacing.note_arrival(0, usual, at(minute).tick);
            }
            pacing.advance(at(minute));
        }
        pacing.advance(at(24 * 60 - 30));
        pacing.plan.scale
    };
    assert!(scale_after(true) > 1.0, "{}", scale_after(true));
    assert!(scale_after(false) < 0.1, "{}", scale_after(false));
}
