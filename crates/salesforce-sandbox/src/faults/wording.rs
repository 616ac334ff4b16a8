//! How the platform usually words the refusal of a record (facts 7.1), for faults that name a code alone.

/// The usual text of a code and the fields that it names; `{id}` is the lead's id. A code that nobody knows gets a
/// text of its own, since clients must not depend on either.
pub(super) fn usual(code: &str) -> (&'static str, &'static [&'static str]) {
    match code {
        "UNABLE_TO_LOCK_ROW" => (
            "unable to obtain exclusive access to this record or 1 records: {id}",
            &[],
        ),
        "UNKNOWN_EXCEPTION" | "INTERNAL_ERROR" => (
            "An unexpected error occurred. Please include this ErrorId if you contact support: \
             1234567890-12345 (1234567890)",
            &[],
        ),
        "REQUEST_RUNNING_TOO_LONG" | "QUERY_TIMEOUT" => (
            "Your request was running for too long, and has been stopped.",
            &[],
        ),
        "TOO_MANY_APEX_REQUESTS" => ("Too many Apex requests; try again later.", &[]),
        "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE" => (
            "Salesforce is in read-only mode because of maintenance.",
            &[],
        ),
        "INSUFFICIENT_ACCESS"
        | "INSUFFICIENT_ACCESS_OR_READONLY"
        | "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY" => {
            ("insufficient access rights on object id", &[])
        }
        "STORAGE_LIMIT_EXCEEDED" | "EXCEEDED_QUOTA" => ("storage limit exceeded", &[]),
        "REQUIRED_FIELD_MISSING" => ("Required fields are missing: [Company]", &["Company"]),
        "STRING_TOO_LONG" => (
            "First Name: data value too large: XXXXX (max length=40)",
            &["FirstName"],
        ),
        "INVALID_EMAIL_ADDRESS" => ("Email: invalid email address: foo@", &["Email"]),
        "FIELD_CUSTOM_VALIDATION_EXCEPTION" => ("The administrator's own text.", &[]),
        "FIELD_INTEGRITY_EXCEPTION" => (
            "There's a problem with this country, even though it may appear correct. Please select a \
             country/territory from the list of valid countries.: Country",
            &["Country"],
        ),
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST" => (
            "Status: bad value for restricted picklist field: Foo",
            &["Status"],
        ),
        "INVALID_TYPE_ON_FIELD_IN_RECORD" => (
            "Annual Revenue: value not of required type: abc",
            &["AnnualRevenue"],
        ),
        "INVALID_FIELD_FOR_INSERT_UPDATE" => (
            "Unable to create/update fields: Jigsaw. Please check the security settings of this field and verify \
             that it is read/write for your profile or permission set.",
            &["Jigsaw"],
        ),
        "DUPLICATES_DETECTED" => ("Use one of these records?", &[]),
        "DUPLICATE_VALUE" => (
            "duplicate value found: <unknown> duplicates value on record with id: <unknown>",
            &[],
        ),
        "DUPLICATE_EXTERNAL_ID" => (
            "External Id: more than one record found for external id field: [{id}, 00QHp00000000ZzMAI]",
            &[],
        ),
        "MALFORMED_ID" => ("Owner ID: id value of incorrect type: 005", &["OwnerId"]),
        "INVALID_CROSS_REFERENCE_KEY" => ("invalid cross reference id", &[]),
        "INACTIVE_OWNER_OR_USER" => (
            "operation performed with inactive user [005000000000000AAA] as owner of lead",
            &[],
        ),
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" => (
            "LeadTrigger: execution of BeforeInsert caused by: System.LimitException: Too many SOQL queries: 101",
            &[],
        ),
        "CANNOT_EXECUTE_FLOW_TRIGGER" | "FLOW_EXCEPTION" => (
            "We can't save this record because the flow failed. Give your administrator these details.",
            &[],
        ),
        "CANNOT_UPDATE_CONVERTED_LEAD" => ("cannot reference converted lead", &[]),
        "ENTITY_IS_DELETED" => ("entity is deleted", &[]),
        "ENTITY_IS_LOCKED" => ("the entity is locked for editing", &[]),
        "ALL_OR_NONE_OPERATION_ROLLED_BACK" => (
            "Record rolled back because not all records were valid and the request was using AllOrNone header",
            &[],
        ),
        _ => less_usual(code),
    }
}

/// What facts 7.1 has without a text, or without one of its own: the usual wording (inference).
fn less_usual(code: &str) -> (&'static str, &'static [&'static str]) {
    match code {
        "SERVER_UNAVAILABLE" => ("Server Unavailable", &[]),
        "REQUEST_LIMIT_EXCEEDED" => ("TotalRequests Limit exceeded.", &[]),
        "INVALID_SESSION_ID" => ("Session expired or invalid", &[]),
        "INVALID_AUTH_HEADER" => ("INVALID_HEADER_TYPE", &[]),
        "API_DISABLED_FOR_ORG" => ("The REST API is not enabled for this Organization.", &[]),
        "API_CURRENTLY_DISABLED" => (
            "API is currently disabled because of a system problem.",
            &[],
        ),
        "FUNCTIONALITY_NOT_ENABLED" | "FEATURENOTENABLED" => {
            ("This feature is not enabled for this organization.", &[])
        }
        "ORG_LOCKED" => ("The organization is locked.", &[]),
        "TRIAL_EXPIRED" => ("The trial of this organization has expired.", &[]),
        "ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE" => {
            ("Entity has been modified since it was read.", &[])
        }
        "TXN_SECURITY_NO_ACCESS" => (
            "The operation you requested was blocked due to a transaction security policy.",
            &[],
        ),
        "TXN_SECURITY_APEX_ERROR"
        | "TXN_SECURITY_RUNTIME_ERROR"
        | "TXN_SECURITY_METERING_ERROR" => (
            "The transaction security policy could not be evaluated.",
            &[],
        ),
        "LICENSE_LIMIT_EXCEEDED" => ("license limit exceeded", &[]),
        "FIELD_FILTER_VALIDATION_EXCEPTION" => (
            "Value does not exist or does not match filter criteria.",
            &[],
        ),
        "NUMBER_OUTSIDE_VALID_RANGE" => (
            "Employees: value outside of valid range on numeric field: 999999999",
            &["NumberOfEmployees"],
        ),
        "JSON_PARSER_ERROR" => ("Unexpected character at [line:1, column:1]", &[]),
        "TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET" => {
            ("text data outside of the supported character set", &[])
        }
        "INVALID_FIELD" => ("No such column 'Foo__c' on sobject of type Lead", &[]),
        "INVALID_TYPE" => ("sObject type 'Foo' is not supported.", &[]),
        "NOT_FOUND" => ("The requested resource does not exist", &[]),
        "INVALID_EXTERNAL_ID_FIELD_NAME" => (
            "Field name provided, Foo__c does not match an External ID for Lead",
            &[],
        ),
        "INVALID_ENTITY_FOR_UPSERT" => ("Upsert is not supported for this object.", &[]),
        "INVALID_ID_FIELD" => ("invalid record id", &["Id"]),
        "TRANSFER_REQUIRES_READ" => (
            "The new owner must have read permission on this record.",
            &["OwnerId"],
        ),
        "INVALID_ASSIGNMENT_RULE" => ("The assignment rule is invalid.", &[]),
        "SELF_REFERENCE_FROM_TRIGGER" => ("The record is currently being saved by a trigger.", &[]),
        "MIXED_DML_OPERATION" => (
            "DML operation on setup object is not permitted after you have updated a non-setup object (or vice versa)",
            &[],
        ),
        "ENTITY_IS_ARCHIVED" => ("entity is archived", &[]),
        "PROCESSING_HALTED" => (
            "The transaction was rolled back since another operation in it failed.",
            &[],
        ),
        "MISSING_ARGUMENT" => ("External Id not specified", &[]),
        "LIMIT_EXCEEDED" => ("limit exceeded", &[]),
        "EXCEEDED_ID_LIMIT" => (
            "record limit reached. cannot submit more than 200 records into this call",
            &[],
        ),
        "EXCEEDED_MAX_SIZE_REQUEST" => ("The request exceeds the maximum size of 50 MB.", &[]),
        _ => ("The record could not be saved.", &[]),
    }
}

/// The description of a token error that has only one (facts 1.6).
pub(super) fn of_token_error(error: &str) -> Option<&'static str> {
    Some(match error {
        "invalid_app_access" => "user is not admin approved to access this app",
        "invalid_client_id" => "client identifier invalid",
        "invalid_client" => "invalid client credentials",
        "unsupported_grant_type" => "grant type not supported",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::org::id;

    #[test]
    fn several_records_are_shown_with_a_label_and_two_ids() {
        let (text, _) = usual("DUPLICATE_EXTERNAL_ID");
        let ids = text.split(['[', ']']).nth(1).unwrap();
        let (first, second) = ids.split_once(", ").unwrap();
        assert!(text.starts_with("External Id: "));
        assert_eq!(first, "{id}");
        assert_eq!(id::eighteen(&second[..15]), second);
    }

    #[test]
    fn every_code_that_rows_can_have_is_worded() {
        for code in [
            "SERVER_UNAVAILABLE",
            "QUERY_TIMEOUT",
            "INVALID_FIELD",
            "MISSING_ARGUMENT",
            "NUMBER_OUTSIDE_VALID_RANGE",
            "INVALID_ID_FIELD",
            "ENTITY_IS_ARCHIVED",
            "TXN_SECURITY_NO_ACCESS",
            "EXCEEDED_QUOTA",
            "LIMIT_EXCEEDED",
            "PROCESSING_HALTED",
            "FIELD_FILTER_VALIDATION_EXCEPTION",
        ] {
            assert_ne!(usual(code), usual("NOBODY_KNOWS"), "{code}");
        }
    }
}
