//! Queries that are refused: code, wording, place.
use super::*;

#[track_caller]
fn check_refused(query: &str, code: &str, message: &str) {
    let error = Objects::demo().plan(query).unwrap_err();
    let refusal = error.refusal(query);
    assert_eq!(refusal.code, code, "{query}: {}", refusal.message);
    let last = refusal.message.rsplit('\n').next().unwrap();
    assert!(last.starts_with(message), "{query}: {last}");
}

#[test]
fn malformed_queries_are_refused_at_the_token_that_does_not_fit() {
    for (query, token) in [
        ("", "<EOF>"),
        ("SELECT", "<EOF>"),
        ("SELECT Id", "<EOF>"),
        ("SELECT FROM Lead", "FROM"),
        ("SELECT Id, FROM Lead", "FROM"),
        ("SELECT Id FORM Lead", "Lead"),
        ("SELECT Id FROM", "<EOF>"),
        ("SELECT Id FROM Lead WHERE", "<EOF>"),
        ("SELECT Id FROM Lead WHERE Id", "<EOF>"),
        ("SELECT Id FROM Lead WHERE Id ==", "="),
        ("SELECT Id FROM Lead WHERE Id = x", "x"),
        ("SELECT Id FROM Lead WHERE Id = :x", ":"),
        ("SELECT Id FROM Lead WHERE Title = \"x\"", "\""),
        ("SELECT Id FROM Lead WHERE Title = 'x' Title", "Title"),
        (
            "SELECT Id FROM Lead WHERE Title = 'a' AND Title = 'b' OR Title = 'c'",
            "OR",
        ),
        (
            "SELECT Id FROM Lead WHERE Title = 'a' OR Title = 'b' AND Title = 'c'",
            "AND",
        ),
        (
            "SELECT Id FROM Lead WHERE Title = 'a' AND NOT Title = 'b'",
            "NOT",
        ),
        (
            "SELECT Id FROM Lead WHERE NOT Title = 'a' AND Title = 'b'",
            "AND",
        ),
        ("SELECT Id FROM Lead WHERE (Title = 'a'", "<EOF>"),
        ("SELECT Id FROM Lead WHERE Title IN ()", ")"),
        ("SELECT Id FROM Lead WHERE Title IN ('a'", "<EOF>"),
        ("SELECT Id FROM Lead WHERE Title NOT LIKE 'a'", "LIKE"),
        (
            "SELECT Id FROM Lead WHERE Id IN (SELECT Id FROM Lead)",
            "SELECT",
        ),
        (
            "SELECT Id FROM Lead WHERE CreatedDate = 2026-13-01",
            "2026-13-01",
        ),
        (
            "SELECT Id FROM Lead WHERE CreatedDate > 2026-01-01T00:00:00",
            "2026-01-01T00:00:00",
        ),
        (
            "SELECT Id FROM Lead WHERE CreatedDate = LAST_N_DAYS",
            "LAST_N_DAYS",
        ),
        (
            "SELECT Id FROM Lead WHERE CreatedDate = LAST_N_DAYS:x",
            "LAST_N_DAYS",
        ),
        (
            "SELECT Id FROM Lead WHERE CreatedDate = THIS_DAY",
            "THIS_DAY",
        ),
        ("SELECT Id FROM Lead WHERE Score__c = 1x", "1x"),
        ("SELECT Id FROM Lead WHERE Score__c = 1e999", "1e999"),
        ("SELECT Id FROM Lead LIMIT", "<EOF>"),
        ("SELECT Id FROM Lead LIMIT -1", "-1"),
        ("SELECT Id FROM Lead LIMIT 1.5", "1.5"),
        (
            "SELECT Id FROM Lead LIMIT 99999999999999999999",
            "99999999999999999999",
        ),
        ("SELECT Id FROM Lead OFFSET 1 LIMIT 1", "LIMIT"),
        ("SELECT Id FROM Lead ORDER Id", "Id"),
        ("SELECT Id FROM Lead ORDER BY Id NULLS", "<EOF>"),
        ("SELECT Id FROM Lead GROUP BY ROLLUP(Title)", "ROLLUP"),
        (
            "SELECT TYPEOF Owner WHEN User THEN Id END FROM Lead",
            "WHEN",
        ),
        ("SELECT toLabel(Status) FROM Lead", "toLabel"),
        ("SELECT (SELECT Id FROM Contacts) FROM Lead", "("),
        ("SELECT Id FROM Lead, Lead.Owner o", ","),
        ("SELECT Id FROM Lead FOR UPDATE", "UPDATE"),
        ("SELECT Id FROM Lead WITH DATA CATEGORY x", "DATA"),
        ("SELECT Id FROM Lead;", ";"),
        ("DELETE FROM Lead", "DELETE"),
        ("SELECT FIELDS(SOME) FROM Lead", "SOME"),
        ("SELECT MAX() FROM Lead", ")"),
        ("SELECT Id FROM Lead é", "é"),
    ] {
        check_refused(
            query,
            "MALFORMED_QUERY",
            &format!("unexpected token: '{token}'"),
        );
    }
}

#[test]
fn unknown_names_are_refused_with_their_place() {
    for (query, code, message) in [
        (
            "SELECT Foo FROM Lead",
            "INVALID_FIELD",
            "No such column 'Foo' on entity 'Lead'. If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the appropriate names.",
        ),
        (
            "SELECT Id FROM Lead WHERE Foo = 'x'",
            "INVALID_FIELD",
            "No such column 'Foo' on entity 'Lead'.",
        ),
        (
            "SELECT Id FROM Lead ORDER BY Foo",
            "INVALID_FIELD",
            "No such column 'Foo' on entity 'Lead'.",
        ),
        (
            "SELECT Owner.Foo FROM Lead",
            "INVALID_FIELD",
            "No such column 'Foo' on entity 'Name'.",
        ),
        (
            "SELECT CreatedBy.Foo FROM Lead",
            "INVALID_FIELD",
            "No such column 'Foo' on entity 'User'.",
        ),
        (
            "SELECT Account.Name FROM Lead",
            "INVALID_FIELD",
            "Didn't understand relationship 'Account' in field path. If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship name.",
        ),
        (
            "SELECT Owner.Manager.Name FROM Lead",
            "INVALID_FIELD",
            "Didn't understand relationship 'Manager' in field path.",
        ),
        (
            "SELECT Id FROM Foo",
            "INVALID_TYPE",
            "sObject type 'Foo' is not supported. If you are attempting to use a custom object, be sure to append the '__c' after the entity name.",
        ),
        (
            "SELECT Id FROM Name",
            "INVALID_TYPE",
            "sObject type 'Name' is not supported.",
        ),
        (
            "SELECT Id FROM Lead USING SCOPE mine",
            "INVALID_QUERY_SCOPE",
            "invalid query scope: mine",
        ),
    ] {
        check_refused(query, code, message);
    }
    let query = "SELECT Foo FROM Lead";
    let shown = Objects::demo()
        .plan(query)
        .unwrap_err()
        .refusal(query)
        .message;
    let head = "\nSELECT Foo FROM Lead\n       ^\nERROR at Row:1:Column:8\nNo such column 'Foo'";
    assert!(shown.starts_with(head), "{shown}");
}

#[test]
fn values_of_the_wrong_type_are_refused() {
    let quoted = |field: &str, kind: &str, not: &str| {
        format!(
            "value of filter criterion for field '{field}' must be of type {kind} and should {not}be enclosed in quotes"
        )
    };
    for (condition, field, kind, not) in [
        ("Score__c = 'x'", "Score__c", "double", "not "),
        ("AnnualRevenue > '1'", "AnnualRevenue", "double", "not "),
        (
            "NumberOfEmployees = '1'",
            "NumberOfEmployees",
            "int",
            "not ",
        ),
        (
            "NumberOfEmployees = 1.5",
            "NumberOfEmployees",
            "int",
            "not ",
        ),
        ("Birthday__c = '2026-01-01'", "Birthday__c", "date", "not "),
        (
            "Birthday__c = 2026-01-01T00:00:00Z",
            "Birthday__c",
            "date",
            "not ",
        ),
        (
            "CreatedDate > '2026-01-01T00:00:00Z'",
            "CreatedDate",
            "dateTime",
            "not ",
        ),
        (
            "CreatedDate = 2026-01-01",
            "CreatedDate",
            "dateTime",
            "not ",
        ),
        ("Newsletter__c = 'true'", "Newsletter__c", "boolean", "not "),
        (
            "Newsletter__c IN (true, 1)",
            "Newsletter__c",
            "boolean",
            "not ",
        ),
        ("Title = 5", "Title", "string", ""),
        ("Title LIKE 5", "Title", "string", ""),
        ("Title = true", "Title", "string", ""),
        ("l.Owner.Name = TODAY", "l.Owner.Name", "string", ""),
    ] {
        let query = format!("SELECT Id FROM Lead l WHERE {condition}");
        check_refused(&query, "INVALID_FIELD", &quoted(field, kind, not));
    }
    for (condition, message) in [
        ("Id = 'abc'", "invalid ID field: abc"),
        (
            "OwnerId IN ('005Hp00000000ZZXXX')",
            "invalid ID field: 005Hp00000000ZZXXX",
        ),
        ("Id LIKE '00Q%'", "invalid operator on id field"),
        ("OwnerId > '005'", "invalid ID field: 005"),
        ("Newsletter__c > true", "invalid operator on boolean field"),
        ("Score__c LIKE '1%'", "invalid operator on number field"),
        (
            "CreatedDate LIKE '2026%'",
            "invalid operator on datetime field",
        ),
    ] {
        let query = format!("SELECT Id FROM Lead WHERE {condition}");
        check_refused(&query, "INVALID_QUERY_FILTER_OPERATOR", message);
    }
    check_refused(
        r"SELECT Id FROM Lead WHERE Title = 'a\x'",
        "MALFORMED_QUERY",
        r"Invalid string literal 'a\x'. Illegal character sequence '\x' in string literal.",
    );
}

#[test]
fn rules_of_the_language_are_held() {
    let malformed = "MALFORMED_QUERY";
    for (query, code, message) in [
        (
            "SELECT Id FROM Lead WHERE Description = 'x'",
            "INVALID_FIELD",
            "field 'Description' can not be filtered in a query call",
        ),
        (
            "SELECT Id FROM Lead WHERE Address != null",
            "INVALID_FIELD",
            "field 'Address' can not be filtered in a query call",
        ),
        (
            "SELECT Id FROM Lead ORDER BY Description",
            malformed,
            "field 'Description' can not be sorted in a query call",
        ),
        (
            "SELECT COUNT(Id) FROM Lead GROUP BY CreatedDate",
            malformed,
            "field 'CreatedDate' can not be grouped in a query call",
        ),
        (
            "SELECT Id, Title, id FROM Lead",
            "INVALID_FIELD",
            "duplicate field selected: id",
        ),
        (
            "SELECT Id x FROM Lead",
            malformed,
            "only aggregate expressions use field aliasing",
        ),
        (
            "SELECT Title, COUNT(Id) FROM Lead",
            malformed,
            "Field must be grouped or aggregated: Title",
        ),
        (
            "SELECT Title FROM Lead GROUP BY Company",
            malformed,
            "Field must be grouped or aggregated: Title",
        ),
        (
            "SELECT Title FROM Lead GROUP BY Title ORDER BY Company",
            malformed,
            "Ordered field must be grouped or aggregated: Company",
        ),
        (
            "SELECT Title FROM Lead GROUP BY Title HAVING Company = 'x'",
            malformed,
            "Having field must be grouped or aggregated: Company",
        ),
        (
            "SELECT Title FROM Lead GROUP BY Title HAVING COUNT(Id) = '1'",
            "INVALID_FIELD",
            "value of filter criterion for field 'COUNT' must be of type double",
        ),
        (
            "SELECT Id FROM Lead HAVING Id = null",
            malformed,
            "HAVING is allowed in grouped queries only",
        ),
        (
            "SELECT SUM(Title) FROM Lead",
            malformed,
            "field Title does not support aggregate operator SUM",
        ),
        (
            "SELECT MAX(Newsletter__c) FROM Lead",
            malformed,
            "field Newsletter__c does not support aggregate operator MAX",
        ),
        (
            "SELECT COUNT(Description) FROM Lead",
            malformed,
            "field Description does not support aggregate operator COUNT",
        ),
        (
            "SELECT COUNT(Id) FROM Lead LIMIT 5",
            malformed,
            "Non-grouped query that uses overall aggregate functions cannot also use LIMIT",
        ),
        (
            "SELECT COUNT() FROM Lead ORDER BY Id",
            malformed,
            "Non-grouped query that uses overall aggregate functions cannot also use ORDER BY",
        ),
        (
            "SELECT COUNT() FROM Lead GROUP BY Title",
            malformed,
            "Grouped query cannot use COUNT(), use COUNT(Id)",
        ),
        (
            "SELECT MIN(Title) a, MAX(Title) A FROM Lead",
            malformed,
            "duplicate alias: A",
        ),
        (
            "SELECT Id FROM Lead WHERE COUNT(Id) > 1",
            malformed,
            "Aggregate expressions are not allowed in the WHERE clause",
        ),
        (
            "SELECT Id FROM Lead ORDER BY COUNT(Id)",
            malformed,
            "Ordered field must be grouped or aggregated",
        ),
        (
            "SELECT FIELDS(ALL) FROM Lead",
            malformed,
            "The SOQL FIELDS function must have a LIMIT of at most 200",
        ),
        (
            "SELECT FIELDS(CUSTOM) FROM Lead LIMIT 201",
            malformed,
            "The SOQL FIELDS function must have a LIMIT of at most 200",
        ),
        (
            "SELECT FIELDS(ALL), COUNT(Id) FROM Lead GROUP BY Title LIMIT 5",
            malformed,
            "The SOQL FIELDS function is not supported in grouped queries",
        ),
        (
            "SELECT Id FROM Lead OFFSET 2001",
            "NUMBER_OUTSIDE_VALID_RANGE",
            "Maximum SOQL offset allowed is 2000",
        ),
        (
            "SELECT Id FROM Lead ALL ROWS",
            malformed,
            "ALL ROWS not allowed in this context",
        ),
    ] {
        check_refused(query, code, message);
    }
}

#[test]
fn deep_and_long_queries_are_refused_and_those_at_the_limit_are_not() {
    let nested = |depth: usize| {
        format!(
            "SELECT Id FROM Lead WHERE {}Title = 'x'{}",
            "(".repeat(depth),
            ")".repeat(depth)
        )
    };
    assert!(Objects::demo().plan(&nested(100)).is_ok());
    check_refused(
        &nested(101),
        "QUERY_TOO_COMPLICATED",
        "The query is too complicated",
    );
    check_refused(
        &nested(40_000),
        "QUERY_TOO_COMPLICATED",
        "The query is too complicated",
    );
    let long = format!(
        "SELECT Id FROM Lead WHERE Title IN ('{}')",
        "','".repeat(30_000)
    );
    assert!(Objects::demo().plan(&long).is_ok());
    let too_long = format!("SELECT Id FROM Lead{}", " ".repeat(100_000));
    check_refused(
        &too_long,
        "MALFORMED_QUERY",
        "SOQL statements cannot be longer than 100000 characters.",
    );
}

#[test]
fn lists_that_cost_memory_for_each_row_are_bounded() {
    let sorted = |count: usize| {
        format!(
            "SELECT Id FROM Lead ORDER BY {}",
            vec!["Id"; count].join(",")
        )
    };
    assert!(Objects::demo().plan(&sorted(32)).is_ok());
    check_refused(
        &sorted(33),
        "MALFORMED_QUERY",
        "A maximum of 32 fields is allowed here",
    );
    let grouped = format!("SELECT Id FROM Lead GROUP BY {}", vec!["Id"; 33].join(","));
    check_refused(
        &grouped,
        "MALFORMED_QUERY",
        "A maximum of 32 fields is allowed here",
    );
    let selected = format!("SELECT {} FROM Lead", vec!["Id"; 1_001].join(","));
    check_refused(
        &selected,
        "MALFORMED_QUERY",
        "A maximum of 1000 fields is allowed here",
    );
}

#[test]
fn a_hidden_field_does_not_exist() {
    let config = OrgConfig {
        hidden_fields: vec!["Score__c".into()],
        ..OrgConfig::default()
    };
    let objects = Objects {
        lead: Schema::new(&config),
        others: ReadOnlySchemas::new(),
    };
    for query in [
        "SELECT Score__c FROM Lead",
        "SELECT Id FROM Lead WHERE Score__c = 1",
        "SELECT Id FROM Lead ORDER BY Score__c",
        "SELECT MAX(Score__c) FROM Lead",
    ] {
        let message = objects.plan(query).unwrap_err().refusal(query).message;
        assert!(
            message.contains("No such column 'Score__c' on entity 'Lead'"),
            "{message}"
        );
    }
}
