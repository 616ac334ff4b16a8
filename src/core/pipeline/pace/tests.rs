//! Stories of a pipeline that has a budget.

use super::*;
use crate::core::outcome::{Disposition, RequestFailure};
use crate::core::pacing::{PaceSettings, QuietHours, QuietSpan};
use crate::core::pipeline::scenarios::{Stage, accept};
use crate::core::pipeline::{Call, Input};

const HOUR_MS: u64 = 3_600_000;

fn stage(change: impl FnOnce(&mut PaceSettings)) -> Stage {
    let mut stage = Stage::new();
    stage.pipeline.settings.park_after_ms = u64::MAX / 2;
    let mut settings = PaceSettings {
        daily_calls: Some(100_000),
        reserve_percent: 0,
        hourly_calls: None,
        quiet: QuietHours::default(),
        max_age_ms: 1_000,
        max_age_stretched_ms: 60_000,
        max_records: 1,
    };
    change(&mut settings);
    let pacing = Pacing::new(settings, 1, &[], Now::default());
    let empty = Stage::new().pipeline;
    let pipeline = std::mem::replace(&mut stage.pipeline, empty);
    stage.pipeline = pipeline.with_pacing(pacing);
    stage
}

fn until_delivered(stage: &mut Stage, count: usize, fate: impl Fn(&Call) -> CallOutcome) {
    let delivered = |entries: &[Entry]| {
        let delivered = entries.iter();
        let delivered = delivered.filter(|entry| matches!(entry, Entry::Delivered { .. }));
        delivered.count()
    };
    for _ in 0..2_000 {
        if delivered(&stage.entries) >= count {
            return;
        }
        stage.answer(&fate);
    }
    panic!("{} of {count} were delivered", delivered(&stage.entries));
}

fn events(stage: &Stage) -> Vec<ServiceEvent> {
    let events = stage.entries.iter().filter_map(|entry| match entry {
        Entry::Service { event, .. } => Some(*event),
        _ => None,
    });
    events.collect()
}

#[test]
fn with_calls_in_plenty_a_lone_record_waits_for_nothing() {
    let mut stage = stage(|_| {});
    stage.tick = HOUR_MS;
    stage.capture(0..1);
    assert_eq!(stage.calls.len(), 1, "max_age is a bound, not a wait");
}

#[test]
fn a_spent_budget_holds_until_calls_come_back_and_then_goes_on() {
    let mut stage = stage(|settings| settings.daily_calls = Some(1));
    stage.capture(0..1);
    until_delivered(&mut stage, 1, accept);
    let spent_at = stage.tick;
    stage.tick += 1_000;
    stage.capture(1..2);
    assert_eq!(stage.calls.len(), 0);
    let at = Micros(stage.tick as i64 * 1_000);
    let (hold, _) = stage.pipeline.pace_view(at).unwrap().hold.unwrap();
    assert_eq!(hold.reason, HoldReason::Daily);
    until_delivered(&mut stage, 2, accept);
    let waited = stage.tick - spent_at;
    assert!((24 * HOUR_MS..25 * HOUR_MS).contains(&waited), "{waited}");
    let held = [ServiceEvent::DeliveryPaused, ServiceEvent::DeliveryResumed];
    assert_eq!(events(&stage), held);
    let at = Micros(stage.tick as i64 * 1_000);
    assert_eq!(stage.pipeline.pace_view(at).unwrap().hold, None);
}

#[test]
fn a_quiet_hour_is_kept_and_ends_by_the_clock() {
    let mut stage = stage(|settings| {
        settings.quiet.spans = vec![QuietSpan {
            from_minute: 0,
            to_minute: 90,
        }];
    });
    stage.capture(0..3);
    assert_eq!(stage.calls.len(), 0);
    until_delivered(&mut stage, 3, accept);
    let end = HOUR_MS + HOUR_MS / 2;
    assert!((end..end + 1_000).contains(&stage.tick), "{}", stage.tick);
}

#[test]
fn calls_that_salesforce_refused_for_lack_of_calls_are_not_counted() {
    let mut stage = stage(|settings| settings.daily_calls = Some(10));
    stage.capture(0..1);
    let refused = |_: &Call| {
        CallOutcome::Failed(RequestFailure {
            class: ErrorClass::Quota,
            page: "LS2050",
            code: "REQUEST_LIMIT_EXCEEDED".into(),
            text: "TotalRequests Limit exceeded.".into(),
            disposition: Disposition::Pause,
            unknown: false,
            retry_after_ms: None,
        })
    };
    for _ in 0..60 {
        stage.answer(refused);
    }
    until_delivered(&mut stage, 1, accept);
    assert_eq!(stage.pipeline.affordable_calls(), Some(9));
}

#[test]
fn what_others_have_used_is_asked_for_and_when_it_fell_delivery_goes_on() {
    let mut stage = stage(|settings| settings.daily_calls = None);
    let usage = |stage: &mut Stage, used| {
        let tick = Tick(stage.tick);
        let wall = Micros(stage.tick as i64 * 1_000);
        let usage = OrgUsage { used, limit: 100 };
        stage.pipeline.note_usage(usage, Now { tick, wall });
    };
    usage(&mut stage, 100);
    stage.capture(0..1);
    assert_eq!(stage.calls.len(), 0);
    assert!(stage.pipeline.take_usage_wish(), "nothing else would tell");
    assert!(!stage.pipeline.take_usage_wish(), "once is enough");
    usage(&mut stage, 10);
    until_delivered(&mut stage, 1, accept);
    assert!(stage.tick <= 2 * LOOK_EVERY_MS, "{}", stage.tick);
}

#[test]
fn what_is_caught_up_with_is_no_forecast() {
    let max_age = |age_ms| {
        let mut stage = stage(|settings| settings.daily_calls = Some(1_000));
        stage.age_ms = age_ms;
        for burst in 0..20 {
            stage.tick = 1_000 * burst as u64;
            stage.capture(burst * 100..(burst + 1) * 100);
        }
        stage.tick += 2 * HOUR_MS / 60;
        stage.step(Input::Timer);
        stage.pipeline.pace_view(Micros(0)).unwrap().max_age_ms
    };
    assert!(max_age(0) > 1_000, "two thousand in twenty seconds go on");
    assert_eq!(max_age(HOUR_MS as i64), 1_000, "an old backlog ends");
}
