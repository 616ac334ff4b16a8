//! Every code and fault that Salesforce is known for, through real delivery: each record is
//! delivered once, or set aside with the right class and a remedy of its own.
//! Source of the codes: salesforce-facts section 7.

mod leads;
mod requests;
mod route;

use std::collections::BTreeMap;

use leadstream::delivery;
use salesforce_sandbox::{Action, Endpoint, Fault};

use crate::harness::{Build, World};

/// Attempts of one record in these tests.
const ATTEMPTS: u64 = 4;

/// A world in which nothing is waited for longer than it must.
fn quick_world(mut world: World) -> World {
    world.set("retry.base", "10ms");
    world.set("retry.cap", "100ms");
    world.set("retry.record_attempts", &ATTEMPTS.to_string());
    world.set("batch.max_age", "20ms");
    world
}

fn record_error(code: &str, message: &str) -> Fault {
    Fault::new(Action::RecordError {
        status_code: code.to_owned(),
        message: message.to_owned(),
        fields: Vec::new(),
    })
    .on(Endpoint::Collections)
}

/// What a record comes to that is refused with a code for ever.
struct Refusal {
    code: &'static str,
    /// Empty: the sandbox's usual one.
    message: &'static str,
    class: &'static str,
    /// Refusals that were tried again, before the one that set it aside.
    retried: u64,
}

const fn of(code: &'static str, class: &'static str, retried: u64) -> Refusal {
    said(code, "", class, retried)
}

const fn said(
    code: &'static str,
    message: &'static str,
    class: &'static str,
    retried: u64,
) -> Refusal {
    Refusal {
        code,
        message,
        class,
        retried,
    }
}

const PASSING: u64 = ATTEMPTS - 1;

#[rustfmt::skip]
const REFUSALS: &[Refusal] = &[
    // They pass by themselves, or did not in the attempts that a record has.
    of("UNABLE_TO_LOCK_ROW", "contention", PASSING),
    of("SERVER_UNAVAILABLE", "unavailable", PASSING),
    of("INTERNAL_ERROR", "unavailable", PASSING),
    of("UNKNOWN_EXCEPTION", "unavailable", PASSING),
    of("TOO_MANY_APEX_REQUESTS", "concurrency", PASSING),
    of("ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE", "contention", PASSING),
    of("API_CURRENTLY_DISABLED", "unavailable", PASSING),
    of("ENTITY_IS_LOCKED", "contention", PASSING),
    of("ENTITY_IS_ARCHIVED", "contention", PASSING),
    of("ALL_OR_NONE_OPERATION_ROLLED_BACK", "contention", PASSING),
    of("PROCESSING_HALTED", "contention", PASSING),
    said("DUPLICATE_VALUE", "duplicate value found: MySQL_Id__c duplicates value on record with id: 00Q000000000001", "contention", PASSING),
    said("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", "quota", PASSING),
    said("REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded", "concurrency", PASSING),
    // In smaller pieces, until they stand alone.
    of("REQUEST_RUNNING_TOO_LONG", "unavailable", PASSING),
    of("QUERY_TIMEOUT", "unavailable", PASSING),
    of("LIMIT_EXCEEDED", "data", PASSING),
    of("EXCEEDED_ID_LIMIT", "data", PASSING),
    of("EXCEEDED_MAX_SIZE_REQUEST", "data", PASSING),
    said("DUPLICATE_VALUE", "Duplicate external id specified: 1", "duplicate", PASSING),
    said("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "LeadTrigger: execution of BeforeInsert caused by: System.LimitException: Too many SOQL queries: 101", "contention", PASSING),
    said("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "LeadTrigger: execution of BeforeInsert caused by: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access", "contention", PASSING),
    said("UNKNOWN_EXCEPTION", "Too many batch retries in the presence of Apex triggers and partial failures.", "contention", PASSING),
    // Once more, then a person.
    of("A_CODE_OF_NEXT_YEAR", "unknown", 1),
    of("CANNOT_EXECUTE_FLOW_TRIGGER", "configuration", 1),
    of("FLOW_EXCEPTION", "configuration", 1),
    of("TXN_SECURITY_METERING_ERROR", "configuration", 1),
    // The record's own data.
    of("REQUIRED_FIELD_MISSING", "data", 0),
    of("STRING_TOO_LONG", "data", 0),
    of("INVALID_EMAIL_ADDRESS", "data", 0),
    of("FIELD_CUSTOM_VALIDATION_EXCEPTION", "data", 0),
    of("FIELD_FILTER_VALIDATION_EXCEPTION", "data", 0),
    of("FIELD_INTEGRITY_EXCEPTION", "data", 0),
    of("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "data", 0),
    of("INVALID_TYPE_ON_FIELD_IN_RECORD", "data", 0),
    of("NUMBER_OUTSIDE_VALID_RANGE", "data", 0),
    of("TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET", "data", 0),
    of("MALFORMED_ID", "data", 0),
    of("INVALID_CROSS_REFERENCE_KEY", "data", 0),
    of("INVALID_ID_FIELD", "data", 0),
    of("MISSING_ARGUMENT", "data", 0),
    of("CANNOT_UPDATE_CONVERTED_LEAD", "data", 0),
    of("ENTITY_IS_DELETED", "data", 0),
    of("DUPLICATES_DETECTED", "duplicate", 0),
    said("DUPLICATE_VALUE", "duplicate value found: Badge__c duplicates value on record with id: 00Q000000000001", "duplicate", 0),
    said("DUPLICATE_VALUE", "duplicate value found: <unknown> duplicates value on record with id: <unknown>", "duplicate", 0),
    // Configuration, that one record alone meets.
    of("INSUFFICIENT_ACCESS", "configuration", 0),
    of("INSUFFICIENT_ACCESS_OR_READONLY", "configuration", 0),
    of("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "configuration", 0),
    of("TXN_SECURITY_NO_ACCESS", "configuration", 0),
    of("TXN_SECURITY_APEX_ERROR", "configuration", 0),
    of("TXN_SECURITY_RUNTIME_ERROR", "configuration", 0),
    of("INVALID_FIELD", "configuration", 0),
    of("INVALID_FIELD_FOR_INSERT_UPDATE", "configuration", 0),
    of("DUPLICATE_EXTERNAL_ID", "configuration", 0),
    of("INACTIVE_OWNER_OR_USER", "configuration", 0),
    of("TRANSFER_REQUIRES_READ", "configuration", 0),
    of("SELF_REFERENCE_FROM_TRIGGER", "configuration", 0),
    of("MIXED_DML_OPERATION", "configuration", 0),
    said("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "LeadTrigger: execution of BeforeInsert caused by: System.NullPointerException", "configuration", 0),
];

#[test]
fn of_several_errors_on_one_record_the_worst_decides() {
    let mut world = quick_world(World::new(Build::Release));
    let error = |code: &str| salesforce_sandbox::RecordError {
        status_code: code.to_owned(),
        message: String::new(),
        fields: Vec::new(),
    };
    let several = |codes: &[&str]| {
        let errors = codes.iter().map(|code| error(code)).collect();
        Fault::new(Action::RecordErrors { errors }).on(Endpoint::Collections)
    };
    let faults = world.org.faults();
    let passing = ["UNABLE_TO_LOCK_ROW", "STRING_TOO_LONG", "QUERY_TIMEOUT"];
    faults.add(several(&passing).keys(["3"]));
    faults.add(several(&["STRING_TOO_LONG", "INACTIVE_OWNER_OR_USER"]).keys(["4"]));
    world.start();
    world.insert(10, 10);
    let judgement = world.judge();
    let said =
        |key: &str, class: &str, code: &str| (key.to_owned(), (class.to_owned(), code.to_owned()));
    let expected = [
        said("3", "data", "STRING_TOO_LONG"),
        said("4", "configuration", "INACTIVE_OWNER_OR_USER"),
    ];
    assert_eq!(judgement.journal.set_aside(), expected.into());
    assert_eq!(judgement.journal.retried, 0, "each of them needs a person");
}

#[test]
fn each_refused_record_is_tried_as_its_code_asks_and_set_aside_with_a_remedy() {
    let mut world = quick_world(World::new(Build::Release));
    // Keys of their own, among records that have nothing wrong with them.
    let keyed: Vec<(String, &Refusal)> = (1_u64..)
        .step_by(2)
        .map(|key| key.to_string())
        .zip(REFUSALS)
        .collect();
    // No rule objects here: nobody can say more about it.
    let silent = Action::Refuse {
        status: 400,
        code: "UNKNOWN_EXCEPTION".to_owned(),
        message: "An unexpected error occurred.".to_owned(),
    };
    world
        .org
        .faults()
        .add(Fault::new(silent).on(Endpoint::Composite));
    for (key, refusal) in &keyed {
        let fault = record_error(refusal.code, refusal.message).keys([key.as_str()]);
        world.org.faults().add(fault);
    }
    let passing = REFUSALS.iter().filter(|refusal| refusal.retried == PASSING);
    let healed: Vec<u64> = (150..)
        .zip(passing)
        .map(|(key, refusal)| {
            let fault = record_error(refusal.code, refusal.message).keys([key.to_string()]);
            world.org.faults().add(fault.times(1));
            key
        })
        .collect();
    world.start();
    world.insert(200, 200);
    world.wait_settled();
    let listed = world.command(&["dead-letters", "list", "--limit", "1000"]);
    for (_, refusal) in &keyed {
        let remedy = delivery::explain(refusal.code);
        let own = remedy != delivery::explain("UNLISTED") || refusal.class == "unknown";
        assert!(own, "{} has no remedy of its own", refusal.code);
        assert!(listed.data().contains(remedy), "{}", refusal.code);
    }
    let judgement = world.judge();
    let expected: BTreeMap<String, (String, String)> = keyed
        .iter()
        .map(|(key, refusal)| {
            (
                key.clone(),
                (refusal.class.to_owned(), refusal.code.to_owned()),
            )
        })
        .collect();
    assert_eq!(judgement.journal.set_aside(), expected);
    let retried = |key: &str| judgement.journal.retried_by_key.get(key).copied();
    for (key, refusal) in &keyed {
        let expected = (refusal.retried > 0).then_some(refusal.retried);
        assert_eq!(retried(key), expected, "{}", refusal.code);
    }
    // Those that pass in smaller pieces pass without a refusal of their own.
    for key in healed {
        assert!(retried(&key.to_string()) <= Some(1), "{key}");
    }
    assert_eq!(judgement.delivered.len(), 200 - keyed.len());
    let repeated = world
        .org
        .leads()
        .iter()
        .filter(|lead| lead.writes > 1)
        .count();
    assert_eq!(repeated, 0, "the others were sent once");
}
