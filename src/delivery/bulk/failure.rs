//! What a failed call about a job means, and what the message of a failed job means. Pure.
//!
//! Invariant: of Salesforce's messages only the code and API names of fields get out.
//! Source: salesforce-facts 5.2, 5.5 and 7.1.

use super::{FailureKind, JobFailure};
use crate::core::outcome::{Disposition, ErrorClass, RequestFailure};
use crate::delivery::codes::Whole;
use crate::delivery::http::Answer;
use crate::delivery::{classify, pages};

impl From<RequestFailure> for JobFailure {
    fn from(failure: RequestFailure) -> JobFailure {
        let kind = match failure.page {
            pages::BULK_STATE => FailureKind::WrongState,
            pages::BULK_FILE => FailureKind::File,
            _ => FailureKind::Request,
        };
        JobFailure { kind, failure }
    }
}

/// What an answer means that is not the expected success of a call about an existing job.
pub(super) fn of_job(answer: &Answer) -> JobFailure {
    let failure = answer.failure();
    if answer.status != 404 || failure.code != "NOT_FOUND" {
        return failure.into();
    }
    let whole = Whole {
        class: ErrorClass::Unknown,
        disposition: Disposition::Backoff,
        unknown: true,
        page: pages::BULK_GONE,
    };
    JobFailure {
        kind: FailureKind::Gone,
        failure: classify::failure(whole, &failure.code, ""),
    }
}

/// Why a job failed: its `errorMessage`, `Code : text`, judged by what sending the rows again that
/// it did not finish would bring.
pub(super) fn of_message(message: &str) -> RequestFailure {
    let (code, text) = message.split_once(':').unwrap_or((message, ""));
    let (code, text) = (classify::clean_code(code.trim().to_string()), text.trim());
    let whole = |class, disposition, page| Whole {
        class,
        disposition,
        unknown: false,
        page,
    };
    use Disposition::{Backoff, Pause, Split};
    use ErrorClass::{Configuration, Contention, Quota, Unavailable, Unknown};
    let plain = code.replace('_', "").to_ascii_uppercase();
    let (whole, detail) = match plain.as_str() {
        "INVALIDBATCH" => match unknown_field(text) {
            Some(field) => (
                whole(Configuration, Pause, pages::FIELD),
                format!("no such field '{field}'"),
            ),
            None => (
                whole(Configuration, Pause, pages::BULK_REFUSED),
                String::new(),
            ),
        },
        "CLIENTINPUTERROR" => (whole(Configuration, Pause, pages::CONNECTOR), String::new()),
        "INVALIDENTITY" => (whole(Configuration, Pause, pages::OBJECT), String::new()),
        "FEATURENOTENABLED" => (
            whole(Configuration, Pause, pages::ORG_DISABLED),
            String::new(),
        ),
        "INVALIDJOB" => (
            whole(Configuration, Pause, pages::BULK_REFUSED),
            String::new(),
        ),
        "EXCEEDEDQUOTA" => (whole(Quota, Pause, pages::BULK_QUOTA), String::new()),
        "TOOMANYLOCKFAILURE" => (whole(Contention, Split, pages::BULK_FAILED), String::new()),
        "TIMEOUT" => (whole(Unavailable, Split, pages::BULK_FAILED), String::new()),
        "INTERNALSERVERERROR" => {
            // "Retried more than 20 times": the platform gave up on one of its batches.
            let disposition = if text.contains("Retried more than") {
                Split
            } else {
                Backoff
            };
            (
                whole(Unavailable, disposition, pages::BULK_FAILED),
                String::new(),
            )
        }
        _ => (whole(Unknown, Backoff, pages::UNEXPLAINED), String::new()),
    };
    let detail = match (detail.is_empty(), code.as_str()) {
        (false, _) => format!("{code}: {detail}"),
        (true, code) => code.to_string(),
    };
    classify::failure(whole, &code, &detail)
}

/// The field in `Field name not found : Foo__c`.
fn unknown_field(text: &str) -> Option<&str> {
    let (said, field) = text.split_once(':')?;
    let field = field.trim();
    let name = !field.is_empty()
        && field.len() <= 80
        && field
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.');
    (said.trim() == "Field name not found" && name).then_some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, page: &str, disposition: Disposition, text: &str) {
        let failure = of_message(message);
        assert_eq!(
            (failure.page, failure.disposition),
            (page, disposition),
            "{message}"
        );
        assert!(failure.text.ends_with(text), "{}", failure.text);
        assert!(!failure.text.contains("Sofia"), "{}", failure.text);
        assert!(!failure.unknown);
    }

    #[test]
    fn a_failed_job_is_judged_by_its_message() {
        use Disposition::{Backoff, Pause, Split};
        check(
            "InvalidBatch : Field name not found : Foo__c",
            pages::FIELD,
            Pause,
            "InvalidBatch: no such field 'Foo__c'",
        );
        check(
            "InvalidBatch : Field name not found : Sofia Novak",
            pages::BULK_REFUSED,
            Pause,
            ": InvalidBatch",
        );
        check(
            "ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is LF",
            pages::CONNECTOR,
            Pause,
            ": ClientInputError",
        );
        check(
            "ExceededQuota : ApiBatchItems Limit exceeded.",
            pages::BULK_QUOTA,
            Pause,
            ": ExceededQuota",
        );
        check(
            "TooManyLockFailure : Too many lock failure (200) Trying again later.",
            pages::BULK_FAILED,
            Split,
            ": TooManyLockFailure",
        );
        check(
            "InternalServerError : Retried more than 20 times",
            pages::BULK_FAILED,
            Split,
            ": InternalServerError",
        );
        check(
            "InternalServerError : something else",
            pages::BULK_FAILED,
            Backoff,
            ": InternalServerError",
        );
        check("Timeout", pages::BULK_FAILED, Split, ": Timeout");
        check("Sofia went away", pages::UNEXPLAINED, Backoff, ": NO_CODE");
        check("", pages::UNEXPLAINED, Backoff, ": NO_CODE");
    }
}
