//! Failures of whole requests: every record arrives all the same, once.

use salesforce_sandbox::{Action, Endpoint, Fault, FaultState, Preset};

use super::quick_world;
use crate::harness::{Build, World};

const PRESETS: [Preset; 17] = [
    Preset::TotalRequests,
    Preset::ConcurrentRequests,
    Preset::ConcurrentLongTransactions,
    Preset::ServerUnavailable,
    Preset::UnexpectedError,
    Preset::RunningTooLong,
    Preset::QueryTimeout,
    Preset::ApiCurrentlyDisabled,
    Preset::ApiDisabledForOrg,
    Preset::OrgLocked,
    Preset::SessionNotForRest,
    Preset::AppNotAttached,
    Preset::VersionRetired,
    Preset::NoRoute,
    Preset::ServerError,
    Preset::BadGateway,
    Preset::Maintenance,
];

fn refuse(status: u16, code: &str, message: &str) -> Action {
    Action::Refuse {
        status,
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

/// Everything that can become of a call but a timeout, which takes longer than a test may.
fn actions() -> Vec<Action> {
    let mut actions = Vec::new();
    for preset in PRESETS {
        for commit in [false, true] {
            actions.push(Action::Preset { preset, commit });
        }
    }
    for commit in [false, true] {
        actions.push(Action::Drop { commit });
        actions.push(Action::Html {
            status: 400,
            commit,
        });
    }
    let retries = "Too many batch retries in the presence of Apex triggers and partial failures.";
    actions.extend([
        Action::Truncate {},
        Action::Corrupt {},
        Action::ResultCount { change: -1 },
        Action::ResultCount { change: 1 },
        Action::SessionExpired {
            revoke: false,
            message: None,
        },
        Action::SessionExpired {
            revoke: true,
            message: None,
        },
        Action::Redirect {
            location: "https://other.example".to_owned(),
            status: 302,
        },
        refuse(400, "UNKNOWN_EXCEPTION", retries),
        refuse(
            400,
            "UNABLE_TO_LOCK_ROW",
            "unable to obtain exclusive access",
        ),
        refuse(
            400,
            "INVALID_FIELD",
            "No such column 'X__c' on sobject of type Lead",
        ),
        refuse(403, "TXN_SECURITY_NO_ACCESS", "a policy"),
        refuse(404, "NOT_FOUND", "The requested resource does not exist"),
        refuse(413, "EXCEEDED_MAX_SIZE_REQUEST", "too big"),
        refuse(400, "LIMIT_EXCEEDED", "too much"),
        refuse(500, "A_CODE_OF_NEXT_YEAR", "?"),
        refuse(409, "A_CODE_OF_NEXT_YEAR", "?"),
        refuse(429, "TOO_MANY", "a proxy's"),
    ]);
    actions
}

#[test]
fn every_failure_of_a_request_passes_and_every_record_arrives() {
    let mut world = quick_world(World::new(Build::Release));
    // Five failures may meet one record.
    world.set("retry.record_attempts", "20");
    world.start();
    let actions = actions();
    for group in actions.chunks(5) {
        for action in group {
            let fault = Fault::new(action.clone()).on(Endpoint::Collections);
            world.org.faults().add(fault.times(1));
        }
        world.insert(12, 4);
        world.wait_settled();
    }
    let met = world.org.faults().list();
    let met = met
        .iter()
        .filter(|fault| fault.state == FaultState::Spent)
        .count();
    assert_eq!(met, actions.len(), "each of them was met");
    let judgement = world.judge();
    assert!(
        judgement.dead_letters.is_empty(),
        "{:?}",
        judgement.dead_letters
    );
    assert!(
        judgement
            .journal
            .events
            .iter()
            .any(|event| event == "delivery_paused")
    );
}

#[test]
fn poison_is_found_among_many_and_nobody_else_is_sent_twice() {
    let mut world = quick_world(World::new(Build::Release));
    let poison = ["3", "77", "78", "400"];
    let fault = Fault::new(Action::Poison { message: None }).on(Endpoint::Collections);
    world.org.faults().add(fault.keys(poison));
    world.start();
    world.insert(400, 400);
    let judgement = world.judge();
    let set_aside: Vec<_> = judgement.journal.set_aside().into_iter().collect();
    let expected = |key: &str| {
        let said = ("data".to_owned(), "JSON_PARSER_ERROR".to_owned());
        (key.to_owned(), said)
    };
    assert_eq!(set_aside, ["3", "400", "77", "78"].map(expected));
    assert_eq!(judgement.delivered.len(), 396);
    let repeated = world
        .org
        .leads()
        .iter()
        .filter(|lead| lead.writes > 1)
        .count();
    assert_eq!(repeated, 0);
}
