//! Why a record was refused, in plain words: what is wrong, what to do, and who can. For people who
//! know their leads and need not know what leadstream is made of.
//!
//! In what is said, `{a value}` stands for the field's name, and for `a value` where no field is
//! named.

use super::desk::visible;

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    SalesOperations,
    Administrator,
    MappingOwner,
}

impl Who {
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Who::SalesOperations => "Sales operations",
            Who::Administrator => "Your Salesforce administrator",
            Who::MappingOwner => "Whoever looks after leadstream's mapping",
        }
    }
}

/// A cause, told of one field or of none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Ends a heading such as `214 leads: State is not in the list`; no full stop.
    pub says: String,
    /// Sentences.
    pub todo: &'static str,
    pub who: Who,
}

/// The words for a code, for its class where the code is not known, and for anything at all; the
/// field by its API name.
#[must_use]
pub fn cause(class: &str, code: &str, field: &str) -> Cause {
    let same = |known: &str| known.eq_ignore_ascii_case(code);
    let by_code = CODES.iter().find(|words| same(words.0));
    let by_class = || CLASSES.iter().find(|words| words.0 == class);
    let (_, says, todo, who) = by_code.or_else(by_class).unwrap_or(&ANY);
    Cause {
        says: visible(&told_of(says, &label(field))),
        todo,
        who: *who,
    }
}

/// A field's name as people know it, made of its API name: `LastName` is `Last Name`, `Plan__c` is
/// `Plan`.
#[must_use]
pub fn label(field: &str) -> String {
    let name = field.strip_suffix("__c").unwrap_or(field).replace('_', " ");
    let mut label = String::new();
    let mut before = ' ';
    for c in name.chars() {
        if c.is_uppercase() && before.is_lowercase() {
            label.push(' ');
        }
        label.push(c);
        before = c;
    }
    label.trim().to_owned()
}

fn told_of(says: &str, field: &str) -> String {
    let parts = says.split_once('{').and_then(|(before, rest)| {
        rest.split_once('}')
            .map(|(word, after)| (before, word, after))
    });
    match parts {
        Some((before, word, after)) => {
            let word = if field.is_empty() { word } else { field };
            format!("{before}{word}{after}")
        }
        None => says.to_owned(),
    }
}

type Words = (&'static str, &'static str, &'static str, Who);

const OPS: Who = Who::SalesOperations;
const ADMIN: Who = Who::Administrator;
const MAPPING: Who = Who::MappingOwner;

const AGAIN: &str = "Send it again. If it comes back, ask your Salesforce administrator.";
const ALLOW: &str = "Ask the administrator to allow it for the integration user, then send again.";
const LATER: &str = "Wait a while, then send again.";
const TRIGGER: &str =
    "Ask the administrator to look at the automation named in the message, then send again.";
const REPORT: &str = "Show the message to whoever looks after leadstream.";

const ANY: Words = (
    "",
    "Salesforce refused it; its message says why",
    "Read the message of one of them. Mend the value if it names one, or show the message to your \
     Salesforce administrator, then send again.",
    OPS,
);

/// Where the code says nothing to us.
const CLASSES: &[Words] = &[
    ("network", "Salesforce could not be reached", LATER, ADMIN),
    ("unavailable", "Salesforce could not do it", AGAIN, ADMIN),
    (
        "quota",
        "The daily number of calls to Salesforce was used up",
        LATER,
        ADMIN,
    ),
    ("concurrency", "Salesforce was too busy", LATER, ADMIN),
    (
        "auth",
        "Salesforce did not accept the sign-in",
        REPORT,
        ADMIN,
    ),
    (
        "configuration",
        "Salesforce is not set up for it",
        "Read the message of one of them and show it to your Salesforce administrator, then send again.",
        ADMIN,
    ),
    (
        "contention",
        "Something else was changing the same record",
        AGAIN,
        OPS,
    ),
    (
        "data",
        "{A value} was refused",
        "Read the message of one of them, correct the value and send again.",
        OPS,
    ),
    (
        "duplicate",
        "Salesforce already has this person",
        "Merge with the record that is there, or discard.",
        OPS,
    ),
    (
        "mapping",
        "{A value} could not be prepared for Salesforce",
        "Correct the value here. If it comes back with other leads, the mapping must be changed.",
        MAPPING,
    ),
    ("unknown", ANY.1, ANY.2, OPS),
];

#[rustfmt::skip]
const CODES: &[Words] = &[
    // The record's own data.
    ("REQUIRED_FIELD_MISSING", "{A required field} is empty", "Fill it in, then send again.", OPS),
    ("STRING_TOO_LONG", "{A text} is too long", "Shorten it, then send again.", OPS),
    ("INVALID_EMAIL_ADDRESS", "{An address} is not an e-mail address", "Correct the address, or leave it empty, then send again.", OPS),
    ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "{A value} is not in the list", "Choose a value of the list for all of them, or ask the administrator to add the value to the list.", OPS),
    ("INVALID_TYPE_ON_FIELD_IN_RECORD", "{A value} is of the wrong kind", "Enter a value of the kind that the field takes, then send again.", OPS),
    ("NUMBER_OUTSIDE_VALID_RANGE", "{A number} is too big", "Correct the number, then send again.", OPS),
    ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "{A value} breaks a rule of your Salesforce org", "The message is the rule's own. Correct the value, then send again.", OPS),
    ("FIELD_FILTER_VALIDATION_EXCEPTION", "{A value} is not allowed by a filter of your Salesforce org", "Choose a value that the filter allows, then send again.", OPS),
    ("FIELD_INTEGRITY_EXCEPTION", "{A value} does not go with another one", "Often state and country: use the names of the org's list, then send again.", OPS),
    ("TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET", "{A text} has characters that Salesforce cannot store", "Take them out, then send again.", OPS),
    ("JSON_PARSER_ERROR", "{A value} cannot be read by Salesforce", "Often a date or a number: correct it, then send again.", OPS),
    ("MALFORMED_ID", "{An id} is not an id of Salesforce", "Correct the id, then send again.", OPS),
    ("INVALID_ID_FIELD", "{An id} is not an id of Salesforce", "Correct the id, then send again.", OPS),
    ("INVALID_CROSS_REFERENCE_KEY", "{An id} names a record that does not exist", "Often the owner or the record type: correct the id, then send again.", OPS),
    ("MISSING_ARGUMENT", "The key is empty, so nobody can say which lead it is", "Give the row a key in the database; this one can only be discarded.", MAPPING),
    // What is there already.
    ("DUPLICATES_DETECTED", "Salesforce already has this person", "Merge with the lead or contact that is there, or discard.", OPS),
    ("DUPLICATE_VALUE", "{A value} belongs to another record already", "Change the value, or merge the two records, then send again.", OPS),
    ("DUPLICATE_EXTERNAL_ID", "Several records in Salesforce carry the same key", "Merge them, then send again. The administrator should make the key field unique.", OPS),
    ("CANNOT_UPDATE_CONVERTED_LEAD", "The lead has been converted and can no longer be changed", "Update the contact by hand, or discard.", OPS),
    ("ENTITY_IS_DELETED", "The record is in Salesforce's recycle bin", "Restore it and send again, or discard.", OPS),
    ("ENTITY_IS_LOCKED", "The record is locked by an approval", "Finish the approval, then send again.", OPS),
    ("ENTITY_IS_ARCHIVED", "The record is archived", "Ask the administrator to restore it, then send again.", ADMIN),
    ("INACTIVE_OWNER_OR_USER", "The owner is not an active user", "Choose another owner, or ask the administrator to activate the user, then send again.", ADMIN),
    ("TRANSFER_REQUIRES_READ", "The new owner may not see leads", "Choose another owner, or ask the administrator to allow it, then send again.", ADMIN),
    // The org's automation.
    ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "An Apex trigger of your Salesforce org failed", TRIGGER, ADMIN),
    ("CANNOT_EXECUTE_FLOW_TRIGGER", "A flow of your Salesforce org failed", TRIGGER, ADMIN),
    ("FLOW_EXCEPTION", "A flow of your Salesforce org failed", TRIGGER, ADMIN),
    ("SELF_REFERENCE_FROM_TRIGGER", "An Apex trigger of your Salesforce org writes the record that fired it", TRIGGER, ADMIN),
    ("MIXED_DML_OPERATION", "An Apex trigger of your Salesforce org writes what it may not write together", TRIGGER, ADMIN),
    ("TXN_SECURITY_NO_ACCESS", "A security policy of your Salesforce org forbids it", ALLOW, ADMIN),
    ("TXN_SECURITY_APEX_ERROR", "A security policy of your Salesforce org failed", TRIGGER, ADMIN),
    ("TXN_SECURITY_RUNTIME_ERROR", "A security policy of your Salesforce org failed", TRIGGER, ADMIN),
    ("TXN_SECURITY_METERING_ERROR", "A security policy of your Salesforce org could not be judged", AGAIN, ADMIN),
    // Rights and settings.
    ("INSUFFICIENT_ACCESS", "The integration user may not do this", ALLOW, ADMIN),
    ("INSUFFICIENT_ACCESS_OR_READONLY", "The integration user may not change this record", ALLOW, ADMIN),
    ("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "The integration user may not see a record that this one refers to", ALLOW, ADMIN),
    ("INVALID_FIELD_FOR_INSERT_UPDATE", "The integration user may not write {a field}", ALLOW, ADMIN),
    ("INVALID_FIELD", "Salesforce does not know {a field}, or the integration user cannot see it", "Ask the administrator whether the field is there and may be seen; else the mapping must be changed.", ADMIN),
    ("INVALID_TYPE", "Salesforce does not know the object, or the integration user cannot see it", ALLOW, ADMIN),
    ("NOT_FOUND", "Salesforce does not know the object or its key field", ALLOW, ADMIN),
    ("INVALIDENTITY", "Salesforce does not know the object", REPORT, MAPPING),
    ("INVALID_EXTERNAL_ID_FIELD_NAME", "Salesforce does not know the key field", REPORT, MAPPING),
    ("INVALID_ENTITY_FOR_UPSERT", "Salesforce cannot take records of this kind by key", REPORT, MAPPING),
    ("INVALID_ASSIGNMENT_RULE", "The assignment rule does not exist", REPORT, MAPPING),
    ("INVALID_VERSION", "Salesforce does not know the version of its interface that is set", REPORT, MAPPING),
    ("UNSUPPORTED_API_VERSION", "Salesforce no longer serves the version of its interface that is set", REPORT, MAPPING),
    ("GONE", "Salesforce no longer serves the version of its interface that is set", REPORT, MAPPING),
    ("METHOD_NOT_ALLOWED", "Salesforce does not take this kind of call", REPORT, MAPPING),
    ("UNSUPPORTED_MEDIA_TYPE", "Salesforce could not take the form of the call", REPORT, MAPPING),
    ("INVALID_AUTH_HEADER", "Salesforce could not read the sign-in", REPORT, MAPPING),
    ("INVALID_SESSION_ID", "The session with Salesforce ended", AGAIN, ADMIN),
    // The org as a whole.
    ("STORAGE_LIMIT_EXCEEDED", "Your Salesforce org's storage is full", "Ask the administrator to free some, then send again.", ADMIN),
    ("EXCEEDED_QUOTA", "Your Salesforce org's storage is full", "Ask the administrator to free some, then send again.", ADMIN),
    ("LICENSE_LIMIT_EXCEEDED", "Your Salesforce org's licences are used up", "Ask the administrator, then send again.", ADMIN),
    ("API_DISABLED_FOR_ORG", "Your Salesforce org does not allow access by programs", ALLOW, ADMIN),
    ("API_CURRENTLY_DISABLED", "Salesforce had switched access by programs off for a while", LATER, ADMIN),
    ("FUNCTIONALITY_NOT_ENABLED", "A feature is switched off in your Salesforce org", ALLOW, ADMIN),
    ("FEATURENOTENABLED", "A feature is switched off in your Salesforce org", ALLOW, ADMIN),
    ("ORG_LOCKED", "Your Salesforce org is locked", "The administrator must ask Salesforce.", ADMIN),
    ("TRIAL_EXPIRED", "Your Salesforce org's trial has ended", "The administrator must ask Salesforce.", ADMIN),
    ("INVALID_OPERATION_WITH_EXPIRED_PASSWORD", "The integration user's password has expired", "Ask the administrator to set a new one, then send again.", ADMIN),
    ("LOGIN_DURING_RESTRICTED_DOMAIN", "The integration user may not sign in from this address", ALLOW, ADMIN),
    ("LOGIN_DURING_RESTRICTED_TIME", "The integration user may not sign in at that hour", ALLOW, ADMIN),
    ("INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "Salesforce was closed for maintenance", LATER, ADMIN),
    ("REQUEST_LIMIT_EXCEEDED", "The daily number of calls to Salesforce was used up", LATER, ADMIN),
    ("EXCEEDEDQUOTA", "The daily amount of bulk loading was used up", LATER, ADMIN),
    // What passes by itself, and came back all the same.
    ("UNABLE_TO_LOCK_ROW", "Something else was changing the same record", AGAIN, OPS),
    ("ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE", "Something else was changing the same record", AGAIN, OPS),
    ("TOOMANYLOCKFAILURE", "Something else was changing the same records", AGAIN, OPS),
    ("SERVER_UNAVAILABLE", "Salesforce was not available", AGAIN, ADMIN),
    ("INTERNAL_ERROR", "Salesforce failed inside", "Send it again. If it comes back, the administrator can give Salesforce's support the number in the message.", ADMIN),
    ("UNKNOWN_EXCEPTION", "Salesforce failed inside", "Send it again. If it comes back, the administrator can give Salesforce's support the number in the message.", ADMIN),
    ("INTERNALSERVERERROR", "Salesforce failed inside", AGAIN, ADMIN),
    ("REQUEST_RUNNING_TOO_LONG", "It took Salesforce too long", AGAIN, ADMIN),
    ("QUERY_TIMEOUT", "It took Salesforce too long", AGAIN, ADMIN),
    ("TIMEOUT", "It took Salesforce too long", AGAIN, ADMIN),
    ("TOO_MANY_APEX_REQUESTS", "Salesforce was too busy", AGAIN, ADMIN),
    ("ALL_OR_NONE_OPERATION_ROLLED_BACK", "Another record failed and took this one with it", AGAIN, OPS),
    ("PROCESSING_HALTED", "Another record failed and took this one with it", AGAIN, OPS),
    ("EXCEEDED_ID_LIMIT", "Too many records went out together", AGAIN, MAPPING),
    ("EXCEEDED_MAX_SIZE_REQUEST", "Too much went out together", AGAIN, MAPPING),
    ("LIMIT_EXCEEDED", "A limit of your Salesforce org was reached", AGAIN, ADMIN),
    ("INVALIDBATCH", "Salesforce could not take the file it was in", REPORT, MAPPING),
    ("INVALIDJOB", "Salesforce refused the bulk load it was in", REPORT, MAPPING),
    ("INVALIDJOBSTATE", "The bulk load it was in had ended already", AGAIN, MAPPING),
    ("CLIENTINPUTERROR", "Salesforce could not take the file it was in", REPORT, MAPPING),
    // Found here, before anything was sent.
    ("KEY_NOT_IN_ROW_IMAGE", "The database did not say which lead was changed", "Ask the database's owner to log whole rows (binlog_row_image = FULL); discard this one, the lead's next change has everything.", MAPPING),
    ("INCOMPLETE_ROW", "The database did not tell all that {a field} is made of", "Ask the database's owner to log whole rows (binlog_row_image = FULL). Enter the value by hand meanwhile.", MAPPING),
    ("EXPRESSION_FAILED", "{A field} could not be computed", "Enter the value by hand and send again; the mapping's expression should be changed.", MAPPING),
    ("VALUE_NOT_MAPPED", "{A field} has a value that the mapping does not know", "Choose the right value here and send again; the value should be added to the mapping.", MAPPING),
    ("FILTER_UNDECIDED", "The route's filter could not say whether this lead is wanted", "The filter must be changed; then send again, or discard.", MAPPING),
    ("UNREADABLE_ROW", "What the database sent cannot be read any more", "It cannot be sent: find the lead in Salesforce and correct it by hand, then discard.", MAPPING),
    ("PROTOCOL", "Salesforce's answer could not be understood", AGAIN, ADMIN),
    ("NO_RESULT", "Salesforce gave no answer for this record", AGAIN, ADMIN),
];

#[cfg(test)]
mod tests;
