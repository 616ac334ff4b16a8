//! Stories of records that are refused: by configuration, by a code that nobody knows, because the
//! lead is converted, because the call ran too long.

use super::*;

fn refused(class: ErrorClass, code: &str, disposition: Disposition) -> RecordResult {
    RecordResult::Rejected(Rejection {
        class,
        code: code.into(),
        disposition,
        errors: vec![RecordError {
            code: code.into(),
            message: String::new(),
            fields: Vec::new(),
        }],
    })
}

fn refuse_all(
    class: ErrorClass,
    code: &str,
    disposition: Disposition,
) -> impl Fn(&Call) -> CallOutcome {
    move |call| {
        let results = call
            .records
            .iter()
            .map(|_| refused(class, code, disposition));
        CallOutcome::Answered(results.collect())
    }
}

fn patient() -> Stage {
    let mut stage = Stage::new();
    stage.pipeline.settings.park_after_ms = u64::MAX / 2;
    stage
}

#[test]
fn a_route_whose_records_are_all_refused_by_configuration_waits() {
    let mut stage = patient();
    stage.capture(0..50);
    let code = "INACTIVE_OWNER_OR_USER";
    let fate = refuse_all(ErrorClass::Configuration, code, Disposition::DeadLetter);
    for _ in 0..60 {
        stage.answer(&fate);
    }
    let view = stage.pipeline.view();
    let trouble = view.routes[0]
        .trouble
        .as_ref()
        .expect("the route is paused");
    assert_eq!(
        (trouble.failure.page, trouble.failure.code.as_str()),
        ("LS2096", code)
    );
    assert!(view.org_trouble.is_none(), "the org is there");
    let early = stage.dead_letters().len();
    assert!(early < 10, "{early} were set aside before it showed");
    while stage.delivered() < 50 - early {
        assert!(stage.answer(accept), "it stopped trying");
    }
    assert!(stage.pipeline.view().routes[0].trouble.is_none());
}

#[test]
fn the_records_beside_a_full_storage_have_their_outcome() {
    let mut stage = patient();
    stage.capture(0..5);
    stage.answer(|call| {
        let result = |image: &Arc<Image>| match image.key.as_ref() {
            "3" => refused(
                ErrorClass::Configuration,
                "STORAGE_LIMIT_EXCEEDED",
                Disposition::DeadLetter,
            ),
            key => RecordResult::Delivered {
                id: format!("00Q{key:0>15}"),
                created: true,
            },
        };
        CallOutcome::Answered(call.records.iter().map(result).collect())
    });
    assert_eq!(stage.delivered(), 4);
    assert!(stage.dead_letters().is_empty());
    assert_eq!(
        stage.pipeline.view().routes[0]
            .trouble
            .as_ref()
            .map(|t| t.failure.page),
        Some("LS2065")
    );
    while stage.delivered() < 5 {
        assert!(stage.answer(accept), "it stopped trying");
    }
}

#[test]
fn a_code_that_nobody_knows_is_tried_once_more() {
    let mut stage = patient();
    stage.pipeline.settings.record_attempts = 7;
    stage.capture(0..1);
    let sent = std::cell::Cell::new(0);
    let fate = refuse_all(ErrorClass::Unknown, "OF_NEXT_YEAR", Disposition::Backoff);
    while stage.dead_letters().is_empty() {
        assert!(stage.answer(|call| {
            sent.set(sent.get() + 1);
            fate(call)
        }));
    }
    assert_eq!(sent.get(), 2);
}

#[test]
fn a_record_in_an_approval_is_asked_for_slowly() {
    let mut stage = patient();
    stage.capture(0..1);
    let fate = refuse_all(
        ErrorClass::Contention,
        "ENTITY_IS_LOCKED",
        Disposition::Backoff,
    );
    stage.answer(&fate);
    let retried = |entry: &Entry| matches!(entry, Entry::Retried { .. });
    assert!(stage.entries.iter().any(retried));
    let wake = stage.pipeline.next_wake(Tick(stage.tick)).unwrap();
    let cap = stage.pipeline.settings.backoff.cap_ms;
    assert!(wake.0 - stage.tick >= cap / 2, "it asks again at once");
}

#[test]
fn changes_of_converted_leads_are_skipped_where_the_route_says_so() {
    let fate = refuse_all(
        ErrorClass::Data,
        "CANNOT_UPDATE_CONVERTED_LEAD",
        Disposition::DeadLetter,
    );
    let mut stage = patient();
    stage.capture(0..1);
    stage.answer(&fate);
    assert_eq!(stage.dead_letters(), ["0"]);
    let mut stage = patient();
    stage.pipeline.routes[0].policy.on_converted = OnConverted::Skip;
    stage.capture(0..1);
    stage.answer(&fate);
    assert!(stage.dead_letters().is_empty());
    let route = stage.pipeline.view().routes.remove(0);
    assert!(route.balances(), "{route:?}");
    assert_eq!(route.totals.skipped_total(), 1);
}

#[test]
fn the_pieces_of_a_call_that_ran_too_long_wait() {
    let mut stage = patient();
    stage.capture(0..4);
    let too_long = |_: &Call| {
        CallOutcome::Failed(RequestFailure {
            class: ErrorClass::Unavailable,
            page: "LS2042",
            code: "REQUEST_RUNNING_TOO_LONG".into(),
            text: String::new(),
            disposition: Disposition::Split,
            unknown: true,
            retry_after_ms: None,
        })
    };
    while stage.calls.is_empty() {
        stage.tick += 10;
        stage.step(Input::Timer);
    }
    stage.answer(too_long);
    assert!(stage.calls.is_empty(), "Salesforce may still be at work");
    while stage.delivered() < 4 {
        assert!(stage.answer(accept), "it stopped trying");
    }
    assert!(stage.dead_letters().is_empty());
}
