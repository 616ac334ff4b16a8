//! Refusals that arrive record by record and yet concern the org: a maintenance window, a full
//! storage, a permission that was taken away. They pause delivery; as dead letters they would fill
//! the queue with records that have nothing wrong with them.

use crate::core::outcome::{Disposition, ErrorClass, RecordResult, Rejection, RequestFailure};

/// So many records refused alike in one call are no coincidence.
const ALIKE: usize = 10;

/// Codes that speak of the org even when they stand alone (REST guide, "Status codes and error
/// responses").
const OF_THE_ORG: &[&str] = &[
    "STORAGE_LIMIT_EXCEEDED",
    "LICENSE_LIMIT_EXCEEDED",
    "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE",
];

/// The failure that a call's results amount to, if all of its records were refused alike and not
/// for their own sake.
pub(super) fn of_the_whole_org(results: &[RecordResult]) -> Option<RequestFailure> {
    let mut rejections = results.iter().map(|result| match result {
        RecordResult::Rejected(rejection) => Some(rejection),
        RecordResult::Delivered { .. } => None,
    });
    let first = rejections.next()??;
    if !rejections.all(|other| other.is_some_and(|other| other.code == first.code)) {
        return None;
    }
    let alone = OF_THE_ORG.contains(&first.code.as_str());
    (alone || results.len() >= ALIKE).then(|| failure(first))?
}

fn failure(rejection: &Rejection) -> Option<RequestFailure> {
    let (page, disposition) = match rejection.class {
        ErrorClass::Quota => ("LS2050", Disposition::Pause),
        ErrorClass::Concurrency => ("LS2051", Disposition::Backoff),
        ErrorClass::Unavailable => ("LS2040", Disposition::Backoff),
        ErrorClass::Configuration if OF_THE_ORG.contains(&rejection.code.as_str()) => {
            ("LS2065", Disposition::Pause)
        }
        ErrorClass::Configuration => ("LS2064", Disposition::Pause),
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
        text: "every record of a call is refused alike".to_owned(),
        disposition,
        unknown: false,
        retry_after_ms: None,
    })
}
