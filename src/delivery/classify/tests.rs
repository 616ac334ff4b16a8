//! Every code of the facts, and every status, with what it must lead to.

use super::*;
use Disposition::{Backoff, DeadLetter, Pause, Split};
use ErrorClass::{
    Auth, Concurrency, Configuration, Contention, Data, Duplicate, Quota, Unavailable, Unknown,
};

const KEY: &str = "MySQL_Id__c";

fn error(code: &str, message: &str) -> RecordError {
    RecordError {
        code: code.to_string(),
        message: message.to_string(),
        fields: Vec::new(),
    }
}

#[track_caller]
fn check_record(code: &str, message: &str, class: ErrorClass, disposition: Disposition) {
    let rejection = record(vec![error(code, message)], KEY);
    assert_eq!(
        (rejection.class, rejection.disposition),
        (class, disposition),
        "{code}: {message}"
    );
    assert_eq!(rejection.code, code);
}

#[test]
fn record_codes_that_pass_by_themselves() {
    for (code, class) in [
        ("UNABLE_TO_LOCK_ROW", Contention),
        ("SERVER_UNAVAILABLE", Unavailable),
        ("INTERNAL_ERROR", Unavailable),
        ("UNKNOWN_EXCEPTION", Unavailable),
        ("TOO_MANY_APEX_REQUESTS", Concurrency),
        (
            "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE",
            Unavailable,
        ),
        ("ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE", Contention),
        ("API_CURRENTLY_DISABLED", Unavailable),
        ("TXN_SECURITY_METERING_ERROR", Configuration),
        ("CANNOT_EXECUTE_FLOW_TRIGGER", Configuration),
        ("FLOW_EXCEPTION", Configuration),
        ("ENTITY_IS_LOCKED", Contention),
        ("ENTITY_IS_ARCHIVED", Contention),
        ("ALL_OR_NONE_OPERATION_ROLLED_BACK", Contention),
        ("PROCESSING_HALTED", Contention),
        ("INVALID_SESSION_ID", Auth),
        ("A_CODE_OF_NEXT_YEAR", Unknown),
    ] {
        check_record(code, "", class, Backoff);
    }
}

#[test]
fn record_codes_that_pass_in_smaller_pieces() {
    for (code, class) in [
        ("REQUEST_RUNNING_TOO_LONG", Unavailable),
        ("QUERY_TIMEOUT", Unavailable),
        ("LIMIT_EXCEEDED", Data),
        ("EXCEEDED_ID_LIMIT", Data),
        ("EXCEEDED_MAX_SIZE_REQUEST", Data),
    ] {
        check_record(code, "", class, Split);
    }
}

#[test]
fn record_codes_that_need_the_data_mended() {
    for (code, class) in [
        ("REQUIRED_FIELD_MISSING", Data),
        ("STRING_TOO_LONG", Data),
        ("INVALID_EMAIL_ADDRESS", Data),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", Data),
        ("FIELD_FILTER_VALIDATION_EXCEPTION", Data),
        ("FIELD_INTEGRITY_EXCEPTION", Data),
        ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", Data),
        ("INVALID_TYPE_ON_FIELD_IN_RECORD", Data),
        ("NUMBER_OUTSIDE_VALID_RANGE", Data),
        ("JSON_PARSER_ERROR", Data),
        ("TEXT_DATA_OUTSIDE_SUPPORTED_CHARSET", Data),
        ("MALFORMED_ID", Data),
        ("INVALID_CROSS_REFERENCE_KEY", Data),
        ("INVALID_ID_FIELD", Data),
        ("CANNOT_UPDATE_CONVERTED_LEAD", Data),
        ("ENTITY_IS_DELETED", Data),
        ("MISSING_ARGUMENT", Data),
        ("DUPLICATES_DETECTED", Duplicate),
    ] {
        check_record(code, "", class, DeadLetter);
    }
}

#[test]
fn record_codes_that_need_an_administrator() {
    for code in [
        "API_DISABLED_FOR_ORG",
        "FUNCTIONALITY_NOT_ENABLED",
        "FEATURENOTENABLED",
        "ORG_LOCKED",
        "TRIAL_EXPIRED",
        "INVALID_OPERATION_WITH_EXPIRED_PASSWORD",
        "LOGIN_DURING_RESTRICTED_DOMAIN",
        "LOGIN_DURING_RESTRICTED_TIME",
        "INSUFFICIENT_ACCESS",
        "INSUFFICIENT_ACCESS_OR_READONLY",
        "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
        "TXN_SECURITY_NO_ACCESS",
        "TXN_SECURITY_APEX_ERROR",
        "TXN_SECURITY_RUNTIME_ERROR",
        "STORAGE_LIMIT_EXCEEDED",
        "EXCEEDED_QUOTA",
        "LICENSE_LIMIT_EXCEEDED",
        "INVALID_FIELD",
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        "INVALID_TYPE",
        "NOT_FOUND",
        "INVALID_EXTERNAL_ID_FIELD_NAME",
        "INVALID_ENTITY_FOR_UPSERT",
        "DUPLICATE_EXTERNAL_ID",
        "INACTIVE_OWNER_OR_USER",
        "TRANSFER_REQUIRES_READ",
        "INVALID_ASSIGNMENT_RULE",
        "SELF_REFERENCE_FROM_TRIGGER",
        "MIXED_DML_OPERATION",
        "METHOD_NOT_ALLOWED",
        "UNSUPPORTED_MEDIA_TYPE",
        "INVALID_VERSION",
        "GONE",
    ] {
        check_record(code, "", Configuration, DeadLetter);
    }
}

#[test]
fn three_codes_are_told_apart_by_their_message() {
    let on = |field: &str| {
        format!(
            "duplicate value found: {field} duplicates value on record with id: 00Q000000000001"
        )
    };
    check_record("DUPLICATE_VALUE", &on(KEY), Contention, Backoff);
    check_record("DUPLICATE_VALUE", &on("mysql_id__c"), Contention, Backoff);
    check_record("DUPLICATE_VALUE", &on("Badge__c"), Duplicate, DeadLetter);
    check_record("DUPLICATE_VALUE", &on("<unknown>"), Duplicate, DeadLetter);
    check_record("DUPLICATE_VALUE", "", Duplicate, DeadLetter);
    check_record(
        "DUPLICATE_VALUE",
        "Duplicate external id specified: 42",
        Duplicate,
        Split,
    );

    let trigger =
        |cause: &str| format!("LeadTrigger: execution of BeforeInsert caused by: {cause}");
    let code = "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY";
    check_record(
        code,
        &trigger("UNABLE_TO_LOCK_ROW, unable to obtain"),
        Contention,
        Split,
    );
    check_record(
        code,
        &trigger("System.LimitException: Too many SOQL queries: 101"),
        Contention,
        Split,
    );
    check_record(
        code,
        &trigger("System.LimitException: Apex CPU time limit exceeded"),
        Contention,
        Split,
    );
    check_record(
        code,
        &trigger("System.LimitException: Too many DML statements: 151"),
        Contention,
        Split,
    );
    check_record(
        code,
        &trigger("System.NullPointerException"),
        Configuration,
        DeadLetter,
    );

    let code = "REQUEST_LIMIT_EXCEEDED";
    check_record(
        code,
        "ConcurrentPerOrgLongTxn Limit exceeded",
        Concurrency,
        Backoff,
    );
    check_record(code, "TotalRequests Limit exceeded.", Quota, Backoff);

    let text = "Too many batch retries in the presence of Apex triggers and partial failures.";
    check_record("UNKNOWN_EXCEPTION", text, Contention, Split);
    check_record("TOO_MANY_RETRIES", text, Contention, Split);
}

#[track_caller]
fn check_worst(codes: &[&str], worst: &str) {
    let forward: Vec<_> = codes.iter().map(|code| error(code, "")).collect();
    let backward: Vec<_> = forward.iter().rev().cloned().collect();
    for errors in [forward, backward] {
        let rejection = record(errors.clone(), KEY);
        assert_eq!(rejection.code, worst);
        assert_eq!(rejection.errors, errors);
    }
}

#[test]
fn of_several_errors_the_worst_decides() {
    check_worst(
        &["UNABLE_TO_LOCK_ROW", "STRING_TOO_LONG"],
        "STRING_TOO_LONG",
    );
    check_worst(&["QUERY_TIMEOUT", "STRING_TOO_LONG"], "STRING_TOO_LONG");
    check_worst(&["STRING_TOO_LONG", "INVALID_FIELD"], "INVALID_FIELD");
    check_worst(&["UNABLE_TO_LOCK_ROW", "QUERY_TIMEOUT"], "QUERY_TIMEOUT");
    check_worst(&["UNABLE_TO_LOCK_ROW", "NEVER_HEARD_OF"], "NEVER_HEARD_OF");
    let equal = record(
        vec![error("STRING_TOO_LONG", ""), error("MISSING_ARGUMENT", "")],
        KEY,
    );
    assert_eq!(equal.code, "STRING_TOO_LONG");
}

#[track_caller]
fn check_request(
    status: u16,
    code: &str,
    message: &str,
    expected: (ErrorClass, Disposition, bool, &str),
) -> RequestFailure {
    let body = serde_json::json!([{"message": message, "errorCode": code}]).to_string();
    let failure = request(status, false, body.as_bytes(), None);
    let got = (
        failure.class,
        failure.disposition,
        failure.unknown,
        failure.page,
    );
    assert_eq!(got, expected, "{status} {code} {message}");
    assert_eq!(failure.code, code);
    failure
}

#[test]
fn request_codes() {
    for (status, code, message, expected) in [
        (
            401,
            "INVALID_SESSION_ID",
            "Session expired or invalid",
            (Auth, Backoff, false, pages::SESSION_REFUSED),
        ),
        (
            401,
            "INVALID_SESSION_ID",
            "This session is not valid for use with the REST API",
            (Auth, Pause, false, pages::SESSION_INCURABLE),
        ),
        (
            403,
            "INVALID_SESSION_ID",
            "Connected app is not attached to Agent",
            (Auth, Pause, false, pages::SESSION_INCURABLE),
        ),
        (
            401,
            "INVALID_AUTH_HEADER",
            "",
            (Auth, Pause, false, pages::CONNECTOR),
        ),
        (
            403,
            "REQUEST_LIMIT_EXCEEDED",
            "TotalRequests Limit exceeded.",
            (Quota, Pause, false, pages::QUOTA),
        ),
        (
            403,
            "REQUEST_LIMIT_EXCEEDED",
            "a text of next year",
            (Quota, Pause, false, pages::QUOTA),
        ),
        (
            403,
            "REQUEST_LIMIT_EXCEEDED",
            "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
            (Concurrency, Backoff, false, pages::CONCURRENCY),
        ),
        (
            403,
            "REQUEST_LIMIT_EXCEEDED",
            "ConcurrentPerOrgLongTxn Limit exceeded",
            (Concurrency, Backoff, false, pages::CONCURRENCY),
        ),
        (
            503,
            "SERVER_UNAVAILABLE",
            "Server Unavailable",
            (Unavailable, Backoff, true, pages::UNAVAILABLE),
        ),
        (
            500,
            "INTERNAL_ERROR",
            "",
            (Unavailable, Backoff, true, pages::UNAVAILABLE),
        ),
        (
            500,
            "UNKNOWN_EXCEPTION",
            "",
            (Unavailable, Backoff, true, pages::UNAVAILABLE),
        ),
        (
            400,
            "QUERY_TIMEOUT",
            "",
            (Unavailable, Split, true, pages::TOO_LONG),
        ),
        (
            503,
            "REQUEST_RUNNING_TOO_LONG",
            "",
            (Unavailable, Split, true, pages::TOO_LONG),
        ),
        (
            400,
            "UNABLE_TO_LOCK_ROW",
            "",
            (Contention, Backoff, false, pages::CONTENTION),
        ),
        (
            503,
            "API_CURRENTLY_DISABLED",
            "",
            (Unavailable, Backoff, false, pages::UNAVAILABLE),
        ),
        (
            403,
            "API_DISABLED_FOR_ORG",
            "The REST API is not enabled for this Organization.",
            (Configuration, Pause, false, pages::ORG_DISABLED),
        ),
        (
            403,
            "ORG_LOCKED",
            "",
            (Configuration, Pause, false, pages::ORG_DISABLED),
        ),
        (
            400,
            "INVALID_FIELD",
            "The Id field should not be specified in the sobject data.",
            (Configuration, Pause, false, pages::FIELD),
        ),
        (
            400,
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "",
            (Configuration, Pause, false, pages::FIELD),
        ),
        (
            404,
            "NOT_FOUND",
            "The requested resource does not exist",
            (Configuration, Pause, false, pages::OBJECT),
        ),
        (
            400,
            "INVALID_TYPE",
            "",
            (Configuration, Pause, false, pages::OBJECT),
        ),
        (
            400,
            "INVALID_EXTERNAL_ID_FIELD_NAME",
            "",
            (Configuration, Pause, false, pages::OBJECT),
        ),
        (
            400,
            "INVALID_ENTITY_FOR_UPSERT",
            "",
            (Configuration, Pause, false, pages::OBJECT),
        ),
        (
            400,
            "INVALID_ASSIGNMENT_RULE",
            "",
            (Configuration, Pause, false, pages::ASSIGNMENT_RULE),
        ),
        (
            403,
            "INSUFFICIENT_ACCESS",
            "",
            (Configuration, Pause, false, pages::PERMISSION),
        ),
        (
            400,
            "STORAGE_LIMIT_EXCEEDED",
            "",
            (Configuration, Pause, false, pages::STORAGE),
        ),
        (
            405,
            "METHOD_NOT_ALLOWED",
            "",
            (Configuration, Pause, false, pages::CONNECTOR),
        ),
        (
            410,
            "GONE",
            "",
            (Configuration, Pause, false, pages::API_VERSION),
        ),
        (
            400,
            "JSON_PARSER_ERROR",
            "Cannot deserialize instance of datetime",
            (Data, Split, false, pages::POISON),
        ),
        (
            400,
            "A_CODE_OF_NEXT_YEAR",
            "",
            (Data, Split, false, pages::POISON),
        ),
        (
            400,
            "REQUIRED_FIELD_MISSING",
            "",
            (Data, Split, false, pages::POISON),
        ),
        (
            400,
            "EXCEEDED_ID_LIMIT",
            "",
            (Data, Split, false, pages::TOO_BIG),
        ),
        (
            413,
            "EXCEEDED_MAX_SIZE_REQUEST",
            "",
            (Data, Split, false, pages::TOO_BIG),
        ),
        (
            403,
            "A_CODE_OF_NEXT_YEAR",
            "",
            (Configuration, Pause, false, pages::PERMISSION),
        ),
        (
            503,
            "A_CODE_OF_NEXT_YEAR",
            "",
            (Unavailable, Backoff, true, pages::UNAVAILABLE),
        ),
    ] {
        check_request(status, code, message, expected);
    }
}

#[test]
fn statuses_without_a_code() {
    for (status, expected) in [
        (300, (Data, Split, false, pages::POISON)),
        (302, (Configuration, Pause, false, pages::REDIRECT)),
        (400, (Unavailable, Backoff, true, pages::GATEWAY)),
        (401, (Auth, Backoff, false, pages::SESSION_REFUSED)),
        (403, (Configuration, Pause, false, pages::PERMISSION)),
        (404, (Configuration, Pause, false, pages::OBJECT)),
        (410, (Configuration, Pause, false, pages::API_VERSION)),
        (413, (Data, Split, false, pages::TOO_BIG)),
        (415, (Configuration, Pause, false, pages::CONNECTOR)),
        (418, (Unknown, Backoff, false, pages::UNEXPLAINED)),
        (420, (Unavailable, Backoff, true, pages::UNAVAILABLE)),
        (429, (Concurrency, Backoff, false, pages::CONCURRENCY)),
        (500, (Unavailable, Backoff, true, pages::UNAVAILABLE)),
        (502, (Unavailable, Backoff, true, pages::UNAVAILABLE)),
        (503, (Unavailable, Backoff, true, pages::UNAVAILABLE)),
    ] {
        let failure = request(status, false, b"", Some(7000));
        let got = (
            failure.class,
            failure.disposition,
            failure.unknown,
            failure.page,
        );
        assert_eq!(got, expected, "{status}");
        assert_eq!(failure.code, format!("HTTP_{status}"));
        assert_eq!(failure.retry_after_ms, Some(7000));
    }
}

#[test]
fn web_pages_of_gateways_leave_the_outcome_open() {
    for status in [200, 403, 404, 502, 503] {
        let failure = request(status, true, b"<html>", None);
        assert_eq!(
            (failure.page, failure.unknown),
            (pages::GATEWAY, true),
            "{status}"
        );
        assert_eq!(
            (failure.disposition, failure.code.as_str()),
            (Backoff, "HTML")
        );
    }
}

#[test]
fn texts_hold_api_names_but_never_values() {
    let pause = |page| (Configuration, Pause, false, page);
    let message = "No such column 'Foo__c' on sobject of type Lead";
    let got = check_request(400, "INVALID_FIELD", message, pause(pages::FIELD)).text;
    assert!(
        got.ends_with("HTTP 400 INVALID_FIELD: no such column 'Foo__c' on Lead"),
        "{got}"
    );
    let message =
        "Unable to create/update fields: Foo__c, Bar__c. Please check the security settings";
    let got = check_request(
        400,
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        message,
        pause(pages::FIELD),
    )
    .text;
    assert!(got.ends_with("cannot write Foo__c, Bar__c"), "{got}");

    let secret = "Žofie Nováková";
    let message = format!("No such column '{secret}' on sobject of type Lead");
    let got = check_request(400, "INVALID_FIELD", &message, pause(pages::FIELD)).text;
    assert!(!got.contains(secret), "{got}");
    let message =
        format!(r#"Cannot deserialize instance of datetime from VALUE_STRING value "{secret}""#);
    let got = check_request(
        400,
        "JSON_PARSER_ERROR",
        &message,
        (Data, Split, false, pages::POISON),
    )
    .text;
    assert!(!got.contains(secret), "{got}");
    let body = format!(r#"[{{"errorCode":"{secret}","message":"{secret}"}}]"#);
    let failure = request(400, false, body.as_bytes(), None);
    assert_eq!(failure.code, "HTTP_400");
    assert!(!failure.text.contains(secret));
}

#[test]
fn of_several_request_errors_the_worst_decides() {
    let body = br#"[{"errorCode":"JSON_PARSER_ERROR","message":""},{"errorCode":"INVALID_FIELD","message":""}]"#;
    assert_eq!(request(400, false, body, None).code, "INVALID_FIELD");
}
