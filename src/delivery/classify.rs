//! What a failure means: class and disposition of a record's errors and of a failed request.
//!
//! Judged by what sending the same again would bring. The table is `codes`; here are the three
//! codes that need their message read, the choice among several errors, and what a bare HTTP
//! status means. Pure.
//!
//! Invariant: a [`RequestFailure`]'s text holds codes, statuses and our own words; of Salesforce's
//! messages only API names of fields and objects that pass [`names_only`]. Messages of rejected
//! records are kept as they are, in [`RecordError::message`], which is personal data.

use super::codes::{self, Whole};
use super::{pages, wire};
use crate::core::outcome::{Disposition, ErrorClass, RecordError, Rejection, RequestFailure};

/// Stands in for a code that is missing or not a word.
const NO_CODE: &str = "NO_CODE";

/// A code as it may be shown and counted: a word of letters, digits and underscores.
pub(super) fn clean_code(code: String) -> String {
    let word = !code.is_empty()
        && code.len() <= 80
        && code
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if word { code } else { NO_CODE.to_string() }
}

/// Judges a record by its worst error; invents one if Salesforce gave none.
pub(super) fn record(mut errors: Vec<RecordError>, external_id: &str) -> Rejection {
    if errors.is_empty() {
        errors.push(RecordError {
            code: NO_CODE.to_string(),
            message: "Salesforce gave no reason".to_string(),
            fields: Vec::new(),
        });
    }
    let mut worst = (0, (ErrorClass::Unknown, Disposition::Backoff));
    for (at, error) in errors.iter().enumerate() {
        let judged = one_error(error, external_id);
        if at == 0 || severity(judged) > severity(worst.1) {
            worst = (at, judged);
        }
    }
    let (at, (class, disposition)) = worst;
    Rejection {
        class,
        code: errors[at].code.clone(),
        disposition,
        errors,
    }
}

/// Which of several errors decides: one that needs an administrator, then one that needs the data
/// mended (with it the record fails again, however the rest fares), then one that passes in
/// smaller pieces, then one that we do not know, then one that passes by itself.
fn severity((class, disposition): (ErrorClass, Disposition)) -> u8 {
    match (disposition, class) {
        (Disposition::Pause, _) => 5,
        (Disposition::DeadLetter, ErrorClass::Configuration) => 4,
        (Disposition::DeadLetter, _) => 3,
        (Disposition::Split, _) => 2,
        (Disposition::Backoff, ErrorClass::Unknown) => 1,
        (Disposition::Backoff, _) => 0,
    }
}

fn one_error(error: &RecordError, external_id: &str) -> (ErrorClass, Disposition) {
    let message = error.message.as_str();
    if is_batch_retries(message) {
        return (ErrorClass::Contention, Disposition::Split);
    }
    match error.code.as_str() {
        "DUPLICATE_VALUE" => duplicate_value(message, external_id),
        "REQUEST_LIMIT_EXCEEDED" if is_concurrency(message) => {
            (ErrorClass::Concurrency, Disposition::Backoff)
        }
        // Limits of the transaction, which the other 199 records helped to reach.
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
            if [
                "UNABLE_TO_LOCK_ROW",
                "Too many SOQL queries",
                "Apex CPU time limit exceeded",
                // Every limit of a transaction: queries, statements, rows, heap, CPU.
                "System.LimitException",
            ]
            .iter()
            .any(|cause| message.contains(cause)) =>
        {
            (ErrorClass::Contention, Disposition::Split)
        }
        code => codes::find(code).map_or((ErrorClass::Unknown, Disposition::Backoff), |rule| {
            rule.record
        }),
    }
}

/// Three different things share this code; only the message tells them apart.
fn duplicate_value(message: &str, external_id: &str) -> (ErrorClass, Disposition) {
    if message.contains("Duplicate external id specified") {
        // Twice in one call: apart from each other they pass.
        return (ErrorClass::Duplicate, Disposition::Split);
    }
    let field = message
        .strip_prefix("duplicate value found: ")
        .and_then(|rest| rest.split_once(" duplicates value on record"))
        .map(|(field, _)| field);
    match field {
        // The upsert lost a race against another insert of its key; the next one finds the row.
        Some(field) if field.eq_ignore_ascii_case(external_id) => {
            (ErrorClass::Contention, Disposition::Backoff)
        }
        Some(_) | None => (ErrorClass::Duplicate, Disposition::DeadLetter),
    }
}

/// One bad row makes the platform run the others again, three times at most; then all fail.
fn is_batch_retries(message: &str) -> bool {
    message.contains("Too many batch retries in the presence of Apex triggers")
}

fn is_concurrency(message: &str) -> bool {
    message.contains("Concurrent")
}

/// Judges an answer that is not the expected success.
pub(super) fn request(
    status: u16,
    html: bool,
    body: &[u8],
    retry_after_ms: Option<u64>,
) -> RequestFailure {
    let errors = if html {
        Vec::new()
    } else {
        wire::decode_errors(body)
    };
    let judged = errors
        .iter()
        .filter_map(|error| Some((error, by_code(error)?)))
        .reduce(|best, next| {
            if rank(&next.1) > rank(&best.1) {
                next
            } else {
                best
            }
        });
    let (code, whole, names) = match judged {
        Some((error, whole)) => (error.code.clone(), whole, names_only(&error.message)),
        None => {
            // A 400 that names no code is a gateway's: its batch has nothing wrong with it.
            let nameless = errors.iter().all(|error| error.code == NO_CODE);
            let foreign = html || (status == 400 && nameless);
            let code = match errors.into_iter().next() {
                Some(error) if error.code != NO_CODE => error.code,
                Some(_) | None if html => "HTML".to_string(),
                Some(_) | None => format!("HTTP_{status}"),
            };
            (code, by_status(status, foreign), None)
        }
    };
    let title = pages::title(whole.page);
    let text = match names {
        Some(names) => format!("{title}: HTTP {status} {code}: {names}"),
        None => format!("{title}: HTTP {status} {code}"),
    };
    RequestFailure {
        class: whole.class,
        page: whole.page,
        code,
        text,
        disposition: whole.disposition,
        unknown: whole.unknown,
        retry_after_ms,
    }
}

/// A failure in our own words; nothing of it comes from Salesforce.
pub(super) fn failure(whole: Whole, code: &str, detail: &str) -> RequestFailure {
    let title = pages::title(whole.page);
    let text = if detail.is_empty() {
        title.to_string()
    } else {
        format!("{title}: {detail}")
    };
    RequestFailure {
        class: whole.class,
        page: whole.page,
        code: code.to_string(),
        text,
        disposition: whole.disposition,
        unknown: whole.unknown,
        retry_after_ms: None,
    }
}

/// An answer that breaks the protocol: Salesforce may well have committed.
pub(super) fn protocol(detail: &str) -> RequestFailure {
    let whole = Whole {
        class: ErrorClass::Unknown,
        disposition: Disposition::Backoff,
        unknown: true,
        page: pages::PROTOCOL,
    };
    failure(whole, "protocol", detail)
}

/// A 401 that a new login cannot cure: asking for one would go on for ever.
fn is_incurable_message(message: &str) -> bool {
    message.contains("This session is not valid for use with the REST API")
        || message.contains("Connected app is not attached to Agent")
}

fn rank(whole: &Whole) -> u8 {
    match whole.disposition {
        Disposition::Pause => 3,
        Disposition::DeadLetter => 2,
        Disposition::Split => 1,
        Disposition::Backoff => 0,
    }
}

fn by_code(error: &RecordError) -> Option<Whole> {
    if is_incurable_message(&error.message) {
        return Some(Whole {
            class: ErrorClass::Auth,
            disposition: Disposition::Pause,
            unknown: false,
            page: pages::SESSION_INCURABLE,
        });
    }
    if error.code == "REQUEST_LIMIT_EXCEEDED" && is_concurrency(&error.message) {
        return Some(Whole {
            class: ErrorClass::Concurrency,
            disposition: Disposition::Backoff,
            unknown: false,
            page: pages::CONCURRENCY,
        });
    }
    if is_batch_retries(&error.message) {
        return Some(Whole {
            class: ErrorClass::Contention,
            disposition: Disposition::Split,
            unknown: false,
            page: pages::CONTENTION,
        });
    }
    codes::find(&error.code).and_then(|rule| rule.request)
}

fn by_status(status: u16, html: bool) -> Whole {
    let whole = |class, disposition, unknown, page| Whole {
        class,
        disposition,
        unknown,
        page,
    };
    match status {
        401 => whole(
            ErrorClass::Auth,
            Disposition::Backoff,
            false,
            pages::SESSION_REFUSED,
        ),
        301..=399 => whole(
            ErrorClass::Configuration,
            Disposition::Pause,
            false,
            pages::REDIRECT,
        ),
        _ if html => whole(
            ErrorClass::Unavailable,
            Disposition::Backoff,
            true,
            pages::GATEWAY,
        ),
        // 300: several leads of one key; alone, that record is found and dead-lettered.
        300 | 400 => whole(ErrorClass::Data, Disposition::Split, false, pages::POISON),
        403 => whole(
            ErrorClass::Configuration,
            Disposition::Pause,
            false,
            pages::PERMISSION,
        ),
        404 | 414 => whole(
            ErrorClass::Configuration,
            Disposition::Pause,
            false,
            pages::OBJECT,
        ),
        405 | 415 | 431 => whole(
            ErrorClass::Configuration,
            Disposition::Pause,
            false,
            pages::CONNECTOR,
        ),
        410 => whole(
            ErrorClass::Configuration,
            Disposition::Pause,
            false,
            pages::API_VERSION,
        ),
        413 => whole(ErrorClass::Data, Disposition::Split, false, pages::TOO_BIG),
        // Not Salesforce's, but gateways in front of it use it.
        429 => whole(
            ErrorClass::Concurrency,
            Disposition::Backoff,
            false,
            pages::CONCURRENCY,
        ),
        408 | 420 | 500..=599 => whole(
            ErrorClass::Unavailable,
            Disposition::Backoff,
            true,
            pages::UNAVAILABLE,
        ),
        200..=299 => whole(
            ErrorClass::Unknown,
            Disposition::Backoff,
            true,
            pages::PROTOCOL,
        ),
        _ => whole(
            ErrorClass::Unknown,
            Disposition::Backoff,
            false,
            pages::UNEXPLAINED,
        ),
    }
}

/// The part of a message that consists of API names alone, for the texts known to be so.
fn names_only(message: &str) -> Option<String> {
    let name = |text: &str| {
        !text.is_empty()
            && text.len() <= 80
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if let Some(rest) = message.strip_prefix("No such column '") {
        let (column, rest) = rest.split_once('\'')?;
        let object = rest.strip_prefix(" on sobject of type ")?;
        return (name(column) && name(object))
            .then(|| format!("no such column '{column}' on {object}"));
    }
    let rest = message.strip_prefix("Unable to create/update fields: ")?;
    let (fields, _) = rest.split_once(". Please check")?;
    fields
        .split(", ")
        .all(name)
        .then(|| format!("cannot write {fields}"))
}

#[cfg(test)]
mod tests;
