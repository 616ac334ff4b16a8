//! Salesforce's error codes as data: what each means for a record, for a whole request, and for
//! the person who mends it. Sorted by code. Source: salesforce-facts section 7.
//!
//! The vocabulary is one, the levels are two: `statusCode` inside a record's result, `errorCode`
//! for the request. Codes whose meaning hangs on the message are refined in `classify`.
//! This table does not decide policies (converted leads, duplicates): those codes dead-letter, and
//! the pipeline applies the route's policy by code.

use super::pages;
use crate::core::outcome::{Disposition, ErrorClass};
use Disposition::{Backoff, DeadLetter, Pause, Split};
use ErrorClass::{
    Auth, Concurrency, Configuration, Contention, Data, Duplicate, Quota, Unavailable,
};

/// What a code means when it stands for the whole request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub class: ErrorClass,
    pub disposition: Disposition,
    /// Salesforce may have committed all the same.
    pub unknown: bool,
    pub page: &'static str,
}

pub(super) struct Rule {
    pub code: &'static str,
    pub record: (ErrorClass, Disposition),
    /// `None`: the HTTP status decides.
    pub request: Option<Whole>,
    /// For people, in one line.
    pub explain: &'static str,
}

const fn pause(page: &'static str) -> Option<Whole> {
    Some(Whole {
        class: Configuration,
        disposition: Pause,
        unknown: false,
        page,
    })
}

const fn backoff(class: ErrorClass, unknown: bool, page: &'static str) -> Option<Whole> {
    Some(Whole {
        class,
        disposition: Backoff,
        unknown,
        page,
    })
}

const fn split(class: ErrorClass, unknown: bool, page: &'static str) -> Option<Whole> {
    Some(Whole {
        class,
        disposition: Split,
        unknown,
        page,
    })
}

/// The rule of a code, if it is listed.
pub(super) fn find(code: &str) -> Option<&'static Rule> {
    RULES
        .binary_search_by(|rule| rule.code.cmp(code))
        .ok()
        .map(|at| &RULES[at])
}

/// What a person should do about a record that Salesforce refused with this code.
#[must_use]
pub fn explain(code: &str) -> &'static str {
    find(code).map_or(
        "Salesforce's message says why; mend the record and replay it, or ask an administrator.",
        |rule| rule.explain,
    )
}

macro_rules! rules {
    ($($code:ident $class:ident $disposition:ident $request:expr, $explain:literal;)*) => {
        pub(super) const RULES: &[Rule] = &[$(Rule {
            code: stringify!($code),
            record: ($class, $disposition),
            request: $request,
            explain: $explain,
        }),*];
    };
}

rules! {
    ALL_OR_NONE_OPERATION_ROLLED_BACK Contention Backoff None,
        "Another record of the call failed and took this one with it; it is sent again by itself.";
    API_CURRENTLY_DISABLED Unavailable Backoff backoff(Unavailable, false, pages::UNAVAILABLE),
        "Salesforce has switched its API off for a while; it is sent again by itself.";
    API_DISABLED_FOR_ORG Configuration DeadLetter pause(pages::ORG_DISABLED),
        "The org has no API access: an administrator must enable it.";
    CANNOT_EXECUTE_FLOW_TRIGGER Configuration Backoff None,
        "A flow of the org failed on this record: an administrator must look at the flow, then replay.";
    CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY Configuration DeadLetter None,
        "A trigger of the org failed on this record: an administrator must look at the Apex code, then replay.";
    CANNOT_UPDATE_CONVERTED_LEAD Data DeadLetter None,
        "The lead has been converted and can no longer be changed: update the contact by hand, or discard.";
    DUPLICATES_DETECTED Duplicate DeadLetter None,
        "A duplicate rule found the same person: merge with the existing lead, or discard.";
    DUPLICATE_EXTERNAL_ID Configuration DeadLetter split(Data, false, pages::POISON),
        "Several leads carry this external id: merge them, and make the field unique.";
    DUPLICATE_VALUE Duplicate DeadLetter None,
        "Another record already has the value of a unique field: change the value, or merge.";
    ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE Contention Backoff None,
        "The lead changed in the same moment; it is sent again by itself.";
    ENTITY_IS_ARCHIVED Contention Backoff None,
        "The lead is archived: restore it, then replay.";
    ENTITY_IS_DELETED Data DeadLetter None,
        "The lead is in the recycle bin: restore it and replay, or discard.";
    ENTITY_IS_LOCKED Contention Backoff None,
        "An approval process holds the lead: finish the approval, then replay.";
    EXCEEDEDQUOTA Quota DeadLetter Some(Whole { class: Quota, disposition: Pause, unknown: false, page: pages::BULK_QUOTA }),
        "The org's Bulk allowance of the last 24 hours is used up: replay later.";
    EXCEEDED_ID_LIMIT Data Split split(Data, false, pages::TOO_BIG),
        "Too many records in one call; it is sent again in smaller pieces.";
    EXCEEDED_MAX_SIZE_REQUEST Data Split split(Data, false, pages::TOO_BIG),
        "The call was too big; it is sent again in smaller pieces.";
    EXCEEDED_QUOTA Configuration DeadLetter pause(pages::STORAGE),
        "The org's storage is full: an administrator must free some, then replay.";
    FEATURENOTENABLED Configuration DeadLetter pause(pages::ORG_DISABLED),
        "A feature is switched off in the org: an administrator must enable it, then replay.";
    FIELD_CUSTOM_VALIDATION_EXCEPTION Data DeadLetter None,
        "A validation rule of the org refused the values: the message is its author's; mend the values.";
    FIELD_FILTER_VALIDATION_EXCEPTION Data DeadLetter None,
        "A lookup filter refused the value: choose one that the filter allows.";
    FIELD_INTEGRITY_EXCEPTION Data DeadLetter None,
        "A value does not go with another, often state and country: use names or codes of the org's list.";
    FLOW_EXCEPTION Configuration Backoff None,
        "A flow of the org failed on this record: an administrator must look at the flow, then replay.";
    FUNCTIONALITY_NOT_ENABLED Configuration DeadLetter pause(pages::ORG_DISABLED),
        "A feature is switched off in the org: an administrator must enable it, then replay.";
    GONE Configuration DeadLetter pause(pages::API_VERSION),
        "The API version is no longer served: set a newer one.";
    INACTIVE_OWNER_OR_USER Configuration DeadLetter None,
        "The owner is an inactive user: choose another owner or activate the user, then replay.";
    INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE Unavailable Backoff backoff(Unavailable, false, pages::UNAVAILABLE),
        "The org is read-only during maintenance; it is sent again by itself.";
    INSUFFICIENT_ACCESS Configuration DeadLetter pause(pages::PERMISSION),
        "The integration user may not do this: an administrator must grant it, then replay.";
    INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY Configuration DeadLetter pause(pages::PERMISSION),
        "The integration user may not see a record that this one refers to: grant it, then replay.";
    INSUFFICIENT_ACCESS_OR_READONLY Configuration DeadLetter pause(pages::PERMISSION),
        "The integration user may not change this lead: check sharing and permissions, then replay.";
    INTERNAL_ERROR Unavailable Backoff backoff(Unavailable, true, pages::UNAVAILABLE),
        "Salesforce failed inside: replay; if it lasts, give its support the id in the message.";
    INVALIDBATCH Configuration DeadLetter pause(pages::BULK_REFUSED),
        "Salesforce could not take the file of the Bulk job: correct the route, then replay.";
    INVALIDENTITY Configuration DeadLetter pause(pages::OBJECT),
        "Salesforce does not know the object: correct the route.";
    INVALIDJOB Configuration DeadLetter pause(pages::BULK_REFUSED),
        "Salesforce refused the Bulk job: correct the route, then replay.";
    INVALIDJOBSTATE Contention Backoff backoff(Contention, false, pages::BULK_STATE),
        "The Bulk job was in another state; the record is sent again by itself.";
    INVALID_ASSIGNMENT_RULE Configuration DeadLetter pause(pages::ASSIGNMENT_RULE),
        "The assignment rule does not exist: correct the route's setting.";
    INVALID_AUTH_HEADER Auth DeadLetter Some(Whole { class: Auth, disposition: Pause, unknown: false, page: pages::CONNECTOR }),
        "Salesforce could not read the authorisation: report it.";
    INVALID_CROSS_REFERENCE_KEY Data DeadLetter None,
        "The record refers to one that does not exist, often owner or record type: correct the id.";
    INVALID_EMAIL_ADDRESS Data DeadLetter None,
        "The e-mail address is not one: correct it or leave it empty.";
    INVALID_ENTITY_FOR_UPSERT Configuration DeadLetter pause(pages::OBJECT),
        "This object cannot be upserted: correct the route.";
    INVALID_EXTERNAL_ID_FIELD_NAME Configuration DeadLetter pause(pages::OBJECT),
        "The external id field does not exist: correct the route.";
    INVALID_FIELD Configuration DeadLetter pause(pages::FIELD),
        "Salesforce does not know a field, or the user cannot see it: correct the route or the permissions.";
    INVALID_FIELD_FOR_INSERT_UPDATE Configuration DeadLetter pause(pages::FIELD),
        "The integration user may not write a field: grant edit access or take it out of the route.";
    INVALID_ID_FIELD Data DeadLetter None,
        "An id is not one: correct it.";
    INVALID_OPERATION_WITH_EXPIRED_PASSWORD Configuration DeadLetter pause(pages::ORG_DISABLED),
        "The integration user's password has expired: set a new one.";
    INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST Data DeadLetter None,
        "The value is not in the picklist: choose one that is, or add it to the list.";
    INVALID_SESSION_ID Auth Backoff backoff(Auth, false, pages::SESSION_REFUSED),
        "The session ended; it is renewed by itself.";
    INVALID_TYPE Configuration DeadLetter pause(pages::OBJECT),
        "Salesforce does not know the object, or the user cannot see it: correct the route or the permissions.";
    INVALID_TYPE_ON_FIELD_IN_RECORD Data DeadLetter None,
        "A value is not of the field's type: correct it.";
    INVALID_VERSION Configuration DeadLetter pause(pages::API_VERSION),
        "The API version does not exist: set another.";
    JSON_PARSER_ERROR Data DeadLetter split(Data, false, pages::POISON),
        "Salesforce could not read a value, often a date or a number: correct it.";
    LICENSE_LIMIT_EXCEEDED Configuration DeadLetter pause(pages::STORAGE),
        "The org's licences are used up: an administrator must act, then replay.";
    LIMIT_EXCEEDED Data Split split(Data, false, pages::TOO_BIG),
        "The call was too big for a limit of the org; it is sent again in smaller pieces.";
    LOGIN_DURING_RESTRICTED_DOMAIN Configuration DeadLetter pause(pages::ORG_DISABLED),
        "The integration user may not log in from this address: widen the IP ranges.";
    LOGIN_DURING_RESTRICTED_TIME Configuration DeadLetter pause(pages::ORG_DISABLED),
        "The integration user may not log in at this hour: widen the login hours.";
    MALFORMED_ID Data DeadLetter None,
        "An id is not one, or is of another object: correct it.";
    METHOD_NOT_ALLOWED Configuration DeadLetter pause(pages::CONNECTOR),
        "Salesforce does not take this kind of call: report it.";
    MISSING_ARGUMENT Data DeadLetter None,
        "The external id is empty: give the row one.";
    MIXED_DML_OPERATION Configuration DeadLetter None,
        "A trigger of the org writes what it may not write together: an administrator must mend it, then replay.";
    NOT_FOUND Configuration DeadLetter pause(pages::OBJECT),
        "Object or external id field do not exist, or the user cannot see them.";
    NUMBER_OUTSIDE_VALID_RANGE Data DeadLetter None,
        "A number is too big for its field: correct it.";
    ORG_LOCKED Configuration DeadLetter pause(pages::ORG_DISABLED),
        "The org is locked: an administrator must ask Salesforce.";
    PROCESSING_HALTED Contention Backoff None,
        "Another part of the call failed and took this one with it; it is sent again by itself.";
    QUERY_TIMEOUT Unavailable Split split(Unavailable, true, pages::TOO_LONG),
        "It took Salesforce too long; it is sent again in smaller pieces.";
    REQUEST_LIMIT_EXCEEDED Quota Backoff Some(Whole { class: Quota, disposition: Pause, unknown: false, page: pages::QUOTA }),
        "A limit of the org was reached; it is sent again by itself.";
    REQUEST_RUNNING_TOO_LONG Unavailable Split split(Unavailable, true, pages::TOO_LONG),
        "It took Salesforce too long; it is sent again in smaller pieces.";
    REQUIRED_FIELD_MISSING Data DeadLetter None,
        "A required field is empty: fill it, or give the route a default.";
    SELF_REFERENCE_FROM_TRIGGER Configuration DeadLetter None,
        "A trigger of the org writes the record that fired it: an administrator must mend it, then replay.";
    SERVER_UNAVAILABLE Unavailable Backoff backoff(Unavailable, true, pages::UNAVAILABLE),
        "Salesforce was unavailable; it is sent again by itself.";
    STORAGE_LIMIT_EXCEEDED Configuration DeadLetter pause(pages::STORAGE),
        "The org's storage is full: an administrator must free some, then replay.";
    STRING_TOO_LONG Data DeadLetter None,
        "A text is longer than its field: shorten it, or let the route truncate.";
    TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET Data DeadLetter None,
        "A text holds characters that Salesforce cannot store: remove them.";
    TOO_MANY_APEX_REQUESTS Concurrency Backoff backoff(Concurrency, false, pages::CONCURRENCY),
        "Too much Apex code ran in the org at once; it is sent again by itself.";
    TRANSFER_REQUIRES_READ Configuration DeadLetter None,
        "The new owner may not read leads: grant it or choose another owner, then replay.";
    TRIAL_EXPIRED Configuration DeadLetter pause(pages::ORG_DISABLED),
        "The org's trial has ended.";
    TXN_SECURITY_APEX_ERROR Configuration DeadLetter pause(pages::PERMISSION),
        "A transaction security policy failed: an administrator must look at it, then replay.";
    TXN_SECURITY_METERING_ERROR Unavailable Backoff backoff(Unavailable, false, pages::UNAVAILABLE),
        "A transaction security policy could not be judged; it is sent again by itself.";
    TXN_SECURITY_NO_ACCESS Configuration DeadLetter pause(pages::PERMISSION),
        "A transaction security policy forbids this: an administrator must allow it, then replay.";
    TXN_SECURITY_RUNTIME_ERROR Configuration DeadLetter pause(pages::PERMISSION),
        "A transaction security policy failed: an administrator must look at it, then replay.";
    UNABLE_TO_LOCK_ROW Contention Backoff backoff(Contention, false, pages::CONTENTION),
        "Something else wrote to the same records; it is sent again by itself.";
    UNKNOWN_EXCEPTION Unavailable Backoff backoff(Unavailable, true, pages::UNAVAILABLE),
        "Salesforce failed inside: replay; if it lasts, give its support the id in the message.";
    UNSUPPORTED_API_VERSION Configuration DeadLetter pause(pages::API_VERSION),
        "The API version is not served: set another.";
    UNSUPPORTED_MEDIA_TYPE Configuration DeadLetter pause(pages::CONNECTOR),
        "Salesforce could not take the kind of body: report it.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_rule_is_found() {
        for pair in RULES.windows(2) {
            assert!(
                pair[0].code < pair[1].code,
                "{} stands before {}",
                pair[0].code,
                pair[1].code
            );
        }
        for rule in RULES {
            assert_eq!(find(rule.code).map(|found| found.code), Some(rule.code));
            assert!(rule.explain.ends_with('.'), "{}", rule.code);
        }
        assert!(find("NO_SUCH_CODE").is_none());
    }

    #[test]
    fn an_unlisted_code_still_has_an_explanation() {
        assert!(explain("NO_SUCH_CODE").contains("message"));
        assert!(explain("STRING_TOO_LONG").contains("shorten"));
    }

    #[test]
    fn no_record_pauses_by_itself() {
        assert!(RULES.iter().all(|rule| rule.record.1 != Pause));
    }
}
