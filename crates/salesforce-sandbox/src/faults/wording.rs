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
        "REQUEST_RUNNING_TOO_LONG" => (
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
        "STORAGE_LIMIT_EXCEEDED" => ("storage limit exceeded", &[]),
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
            "more than one record found for external id field: [{id}]",
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
        _ => ("The record could not be saved.", &[]),
    }
}
