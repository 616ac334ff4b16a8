//! Refusals that arrive record by record and yet concern the org or the route: a maintenance
//! window, a full storage, a permission that was taken away, an owner who left. They pause
//! delivery; as dead letters they would fill the queue with records that have nothing wrong with
//! them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::core::outcome::{Disposition, ErrorClass, RecordResult, Rejection, RequestFailure};

/// So many records refused alike are no coincidence.
const ALIKE: usize = 10;

/// Codes that speak of the org even when they stand alone (REST guide, "Status codes and error
/// responses").
const OF_THE_ORG: &[&str] = &[
    "STORAGE_LIMIT_EXCEEDED",
    "EXCEEDED_QUOTA",
    "LICENSE_LIMIT_EXCEEDED",
    "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE",
];

/// A record whose outcome may change by itself, but not for the better by asking again and again:
/// a code that nobody knows, or the org's own automation.
const ATTEMPTS_OF_THE_UNKNOWN: u32 = 2;

/// Records of a route that were refused with one configuration code since the last one that was
/// delivered: calls of a quiet route are too small to show it by themselves.
#[derive(Debug, Default)]
pub(super) struct Run {
    code: String,
    /// Their keys, as many as are needed: one record that is tried again and again is one record.
    keys: BTreeSet<Arc<str>>,
}

/// What the refusals of a call amount to together.
#[derive(Debug)]
pub(super) struct Together {
    pub failure: RequestFailure,
    /// The records with this code are concerned; the others have their own outcome.
    pub code: String,
}

impl Together {
    pub(super) fn concerns(&self, result: &RecordResult) -> bool {
        matches!(result, RecordResult::Rejected(rejection) if rejection.code == self.code)
    }
}

/// The failure that a call's refusals amount to, if they are not for the records' own sake.
pub(super) fn together(
    results: &[RecordResult],
    keys: &[Arc<str>],
    run: &mut Run,
) -> Option<Together> {
    let delivered = results
        .iter()
        .any(|result| matches!(result, RecordResult::Delivered { .. }));
    if delivered {
        *run = Run::default();
    }
    let rejections = || {
        results.iter().filter_map(|result| match result {
            RecordResult::Rejected(rejection) => Some(rejection),
            RecordResult::Delivered { .. } => None,
        })
    };
    let of_the_org = rejections().find(|rejection| OF_THE_ORG.contains(&rejection.code.as_str()));
    let found = of_the_org
        .or_else(|| most_by_configuration(results, keys, delivered, run))
        .or_else(|| all_alike(rejections(), results.len()))?;
    Some(Together {
        failure: failure(found)?,
        code: found.code.clone(),
    })
}

/// The code of configuration that most records of a call were refused with.
fn most_by_configuration<'r>(
    results: &'r [RecordResult],
    keys: &[Arc<str>],
    delivered: bool,
    run: &mut Run,
) -> Option<&'r Rejection> {
    let configuration = results
        .iter()
        .zip(keys)
        .filter_map(|(result, key)| match result {
            RecordResult::Rejected(r) if r.class == ErrorClass::Configuration => Some((r, key)),
            _ => None,
        });
    let of_code = |code: &str| {
        let code = code.to_owned();
        configuration.clone().filter(move |(r, _)| r.code == code)
    };
    let (most, _) = configuration
        .clone()
        .max_by_key(|(r, _)| of_code(&r.code).count())?;
    let mut refused = of_code(&most.code).count();
    let mut records = results.len();
    if !delivered {
        if run.code != most.code {
            *run = Run {
                code: most.code.clone(),
                ..Run::default()
            };
        }
        let here: BTreeSet<&Arc<str>> = of_code(&most.code).map(|(_, key)| key).collect();
        let before = run.keys.iter().filter(|key| !here.contains(key)).count();
        records += before;
        refused += before;
        let room = ALIKE.saturating_sub(run.keys.len());
        let new = here.into_iter().filter(|key| !run.keys.contains(*key));
        let new: Vec<Arc<str>> = new.take(room).cloned().collect();
        run.keys.extend(new);
    }
    (refused >= ALIKE && refused > records / 2).then_some(most)
}

/// The code that all records of a call were refused with.
fn all_alike<'r>(
    mut rejections: impl Iterator<Item = &'r Rejection> + Clone,
    records: usize,
) -> Option<&'r Rejection> {
    let refused = rejections.clone().count();
    let first = rejections.next()?;
    let alike = rejections.all(|other| other.code == first.code);
    (alike && refused == records && records >= ALIKE).then_some(first)
}

fn failure(rejection: &Rejection) -> Option<RequestFailure> {
    let (page, disposition) = match rejection.class {
        ErrorClass::Quota => ("LS2050", Disposition::Pause),
        ErrorClass::Concurrency => ("LS2051", Disposition::Backoff),
        ErrorClass::Unavailable => ("LS2040", Disposition::Backoff),
        ErrorClass::Configuration => (page_of(&rejection.code), Disposition::Pause),
        ErrorClass::Network
        | ErrorClass::Auth
        | ErrorClass::Contention
        | ErrorClass::Data
        | ErrorClass::Duplicate
        | ErrorClass::Mapping
        | ErrorClass::Unknown => return None,
    };
    Some(RequestFailure {
        class: rejection.class,
        page,
        code: rejection.code.clone(),
        // Salesforce's own text may echo a value.
        text: "most records are refused alike".to_owned(),
        disposition,
        unknown: false,
        retry_after_ms: None,
    })
}

/// The page of a code of configuration that concerns more than one record.
fn page_of(code: &str) -> &'static str {
    match code {
        "STORAGE_LIMIT_EXCEEDED" | "EXCEEDED_QUOTA" | "LICENSE_LIMIT_EXCEEDED" => "LS2065",
        "INVALID_FIELD" | "INVALID_FIELD_FOR_INSERT_UPDATE" => "LS2060",
        "INVALID_TYPE"
        | "NOT_FOUND"
        | "INVALID_EXTERNAL_ID_FIELD_NAME"
        | "INVALID_ENTITY_FOR_UPSERT" => "LS2061",
        "INVALID_ASSIGNMENT_RULE" => "LS2066",
        "INSUFFICIENT_ACCESS"
        | "INSUFFICIENT_ACCESS_OR_READONLY"
        | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
        | "TXN_SECURITY_NO_ACCESS"
        | "TXN_SECURITY_APEX_ERROR"
        | "TXN_SECURITY_RUNTIME_ERROR"
        | "TXN_SECURITY_METERING_ERROR" => "LS2064",
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
        | "CANNOT_EXECUTE_FLOW_TRIGGER"
        | "FLOW_EXCEPTION"
        | "SELF_REFERENCE_FROM_TRIGGER"
        | "MIXED_DML_OPERATION" => "LS2095",
        "INACTIVE_OWNER_OR_USER" | "TRANSFER_REQUIRES_READ" => "LS2096",
        "DUPLICATE_EXTERNAL_ID" => "LS2097",
        _ => "LS2098",
    }
}

/// How often a record is sent that is refused like this.
pub(super) fn most_attempts(rejection: &Rejection, configured: u32) -> u32 {
    match rejection.class {
        ErrorClass::Unknown | ErrorClass::Configuration => configured.min(ATTEMPTS_OF_THE_UNKNOWN),
        ErrorClass::Network
        | ErrorClass::Unavailable
        | ErrorClass::Quota
        | ErrorClass::Concurrency
        | ErrorClass::Auth
        | ErrorClass::Contention
        | ErrorClass::Data
        | ErrorClass::Duplicate
        | ErrorClass::Mapping => configured,
    }
}

/// Whether somebody must finish something first: asking soon is asking in vain.
pub(super) fn passes_slowly(code: &str) -> bool {
    matches!(code, "ENTITY_IS_LOCKED" | "ENTITY_IS_ARCHIVED")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::outcome::RecordError;

    fn rejected(class: ErrorClass, code: &str) -> RecordResult {
        RecordResult::Rejected(Rejection {
            class,
            code: code.to_owned(),
            disposition: Disposition::DeadLetter,
            errors: vec![RecordError {
                code: code.to_owned(),
                message: String::new(),
                fields: Vec::new(),
            }],
        })
    }

    fn delivered() -> RecordResult {
        RecordResult::Delivered {
            id: "00Q000000000001AAA".to_owned(),
            created: true,
        }
    }

    fn call(refused: usize, code: &str, class: ErrorClass, passed: usize) -> Vec<RecordResult> {
        let mut results = vec![rejected(class, code); refused];
        results.extend(std::iter::repeat_n(delivered(), passed));
        results
    }

    /// The results of records with keys from the given one on.
    fn told(results: &[RecordResult], first: usize, run: &mut Run) -> Option<Together> {
        let keys: Vec<Arc<str>> = (first..first + results.len())
            .map(|key| key.to_string().into())
            .collect();
        together(results, &keys, run)
    }

    #[track_caller]
    fn check(results: &[RecordResult], page: Option<&str>) {
        let found = told(results, 0, &mut Run::default());
        assert_eq!(found.as_ref().map(|found| found.failure.page), page);
    }

    #[test]
    fn most_of_a_call_by_configuration_is_not_the_records_fault() {
        let by = |refused, passed| {
            call(
                refused,
                "INSUFFICIENT_ACCESS",
                ErrorClass::Configuration,
                passed,
            )
        };
        check(&by(10, 0), Some("LS2064"));
        check(&by(101, 99), Some("LS2064"));
        check(&by(100, 100), None);
        check(&by(9, 0), None);
        check(&by(1, 199), None);
        let data = call(200, "STRING_TOO_LONG", ErrorClass::Data, 0);
        check(&data, None);
    }

    #[test]
    fn a_full_storage_shows_by_its_first_record() {
        let full = |passed| {
            call(
                1,
                "STORAGE_LIMIT_EXCEEDED",
                ErrorClass::Configuration,
                passed,
            )
        };
        check(&full(0), Some("LS2065"));
        check(&full(199), Some("LS2065"));
    }

    #[test]
    fn what_passes_by_itself_concerns_the_org_when_nothing_passes() {
        let busy = |refused, passed| {
            call(
                refused,
                "TOO_MANY_APEX_REQUESTS",
                ErrorClass::Concurrency,
                passed,
            )
        };
        check(&busy(10, 0), Some("LS2051"));
        check(&busy(199, 1), None);
    }

    #[test]
    fn small_calls_add_up_until_one_is_delivered() {
        let mut run = Run::default();
        let alone = call(1, "INACTIVE_OWNER_OR_USER", ErrorClass::Configuration, 0);
        for key in 0..9 {
            assert!(told(&alone, key, &mut run).is_none());
            // Tried again, it is still one record.
            assert!(told(&alone, key, &mut run).is_none());
        }
        let found = told(&alone, 9, &mut run).expect("ten in a row");
        assert_eq!(
            (found.failure.page, found.code.as_str()),
            ("LS2096", "INACTIVE_OWNER_OR_USER")
        );
        assert!(told(&[delivered()], 10, &mut run).is_none());
        assert!(told(&alone, 11, &mut run).is_none(), "it counts anew");
    }
}
