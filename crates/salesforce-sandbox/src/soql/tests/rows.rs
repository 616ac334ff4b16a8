//! What queries find in three leads, how they sort and group them, and which rows they need to look at.
use super::*;

fn text(text: &'static str) -> Value<'static> {
    Value::Text(text.into())
}

fn moment(text: &str) -> Value<'static> {
    Value::DateTime(calendar::parse_datetime(text).unwrap())
}

fn day(text: &str) -> Value<'static> {
    Value::Date(calendar::parse_date(text).unwrap())
}

fn leads(objects: &Objects) -> Vec<Plain<'_>> {
    let rows = vec![
        vec![
            ("Id", text("00QHp0000000001MAA")),
            ("LastName", text("Doe")),
            ("Company", text("Acme")),
            ("Score__c", Value::Number(1.5)),
            ("NumberOfEmployees", Value::Int(10)),
            ("Newsletter__c", Value::Boolean(true)),
            ("Birthday__c", day("2026-01-14")),
            ("CreatedDate", moment("2026-01-14T10:00:00Z")),
            ("Plan__c", text("Team")),
            ("Owner.Name", text("Ada")),
        ],
        vec![
            ("Id", text("00QHp0000000002MAA")),
            ("LastName", text("doe")),
            ("Company", text("100% Beta_1")),
            ("Score__c", Value::Number(-2.0)),
            ("Newsletter__c", Value::Boolean(false)),
            ("Birthday__c", day("2026-01-13")),
            ("CreatedDate", moment("2026-01-13T23:59:59.999Z")),
            ("Plan__c", text("Free")),
            ("Owner.Name", text("Zoe")),
        ],
        vec![
            ("Id", text("00QHp0000000003MAA")),
            ("LastName", text("Öz'gür")),
            ("Company", text("Gamma")),
            ("NumberOfEmployees", Value::Int(30)),
            ("Newsletter__c", Value::Boolean(false)),
            ("CreatedDate", moment("2025-12-31T00:00:00Z")),
            ("Plan__c", text("Unheard of")),
        ],
    ];
    rows.into_iter()
        .map(|values| Plain::new(objects, values))
        .collect()
}

#[track_caller]
fn check_found(tail: &str, expected: &[usize]) {
    let objects = Objects::demo();
    let text = format!("SELECT Id FROM Lead l {tail}");
    let plan = objects
        .plan(&text)
        .unwrap_or_else(|error| panic!("{}", error.refusal(&text).message));
    assert_eq!(run(&plan, &leads(&objects)), expected, "{tail}");
}

#[test]
fn comparisons_of_text_ignore_case_and_an_empty_text_is_null() {
    for (tail, expected) in [
        ("", &[0, 1, 2][..]),
        ("WHERE LastName = 'DOE'", &[0, 1]),
        ("WHERE LastName != 'doe'", &[2]),
        ("WHERE l.LastName = 'öz\\'GÜR'", &[2]),
        ("WHERE Lead.LastName > 'e'", &[2]),
        ("WHERE lastname <= 'DOE'", &[0, 1]),
        ("WHERE Title = ''", &[0, 1, 2]),
        ("WHERE Title = null", &[0, 1, 2]),
        ("WHERE Title != null", &[]),
        ("WHERE Title < 'x'", &[]),
        ("WHERE Title > null", &[]),
        ("WHERE Plan__c = 'team'", &[0]),
    ] {
        check_found(tail, expected);
    }
}

#[test]
fn not_equal_and_not_in_take_nulls_in() {
    for (tail, expected) in [
        ("WHERE Score__c != 1.5", &[1, 2][..]),
        ("WHERE Score__c <> -2", &[0, 2]),
        ("WHERE Score__c NOT IN (1.5, -2)", &[2]),
        ("WHERE Score__c NOT IN (1.5, null)", &[1]),
        ("WHERE Score__c IN (null, 1.5)", &[0, 2]),
        ("WHERE Company IN ('ACME', 'gamma')", &[0, 2]),
        ("WHERE Company NOT IN ('ACME', 'gamma')", &[1]),
        ("WHERE NOT Score__c < 0", &[0, 2]),
        (
            "WHERE (NOT Company LIKE 'a%') AND Newsletter__c = false",
            &[1, 2],
        ),
    ] {
        check_found(tail, expected);
    }
}

#[test]
fn numbers_booleans_and_ids_are_compared_as_what_they_are() {
    for (tail, expected) in [
        ("WHERE Score__c > -2.5e0 AND Score__c < 2", &[0, 1][..]),
        ("WHERE NumberOfEmployees >= 10", &[0, 2]),
        ("WHERE NumberOfEmployees = 30.0", &[2]),
        ("WHERE Newsletter__c = TRUE", &[0]),
        ("WHERE Newsletter__c != true", &[1, 2]),
        ("WHERE Id = '00QHp0000000002MAA'", &[1]),
        ("WHERE Id = '00QHp0000000002'", &[1]),
        (
            "WHERE Id IN ('00QHp0000000003', '00QHp0000000001MAA')",
            &[0, 2],
        ),
    ] {
        check_found(tail, expected);
    }
}

#[test]
fn dates_and_datetimes_are_compared_with_days_and_spans_of_days() {
    for (tail, expected) in [
        ("WHERE Birthday__c = 2026-01-14", &[0][..]),
        ("WHERE Birthday__c < 2026-01-14", &[1]),
        ("WHERE Birthday__c = TODAY", &[0]),
        ("WHERE Birthday__c = YESTERDAY", &[1]),
        ("WHERE Birthday__c = LAST_N_DAYS:1", &[0, 1]),
        ("WHERE Birthday__c > TODAY", &[]),
        ("WHERE CreatedDate = TODAY", &[0]),
        ("WHERE CreatedDate < TODAY", &[1, 2]),
        ("WHERE CreatedDate <= YESTERDAY", &[1, 2]),
        ("WHERE CreatedDate >= THIS_WEEK", &[0, 1]),
        ("WHERE CreatedDate = LAST_YEAR", &[2]),
        ("WHERE CreatedDate != THIS_MONTH", &[2]),
        ("WHERE CreatedDate = 2026-01-14T12:00:00+02:00", &[0]),
        ("WHERE CreatedDate > 2026-01-13T23:59:59.998Z", &[0, 1]),
        (
            "WHERE CreatedDate IN (2025-12-31T00:00:00Z, TODAY)",
            &[0, 2],
        ),
    ] {
        check_found(tail, expected);
    }
}

#[test]
fn like_matches_with_wildcards_and_escapes() {
    for (tail, expected) in [
        ("WHERE Company LIKE 'a%'", &[0][..]),
        ("WHERE Company LIKE '%A'", &[2]),
        (r"WHERE Company LIKE '100\%%'", &[1]),
        (r"WHERE Company LIKE '%a\_1'", &[1]),
        ("WHERE Company LIKE '_amma'", &[2]),
        (r"WHERE Company = '100\% Beta\_1'", &[1]),
        ("WHERE Title LIKE '%'", &[]),
        (r"WHERE LastName = '\u00d6z\'g\u00fcr'", &[2]),
    ] {
        check_found(tail, expected);
    }
}

#[test]
fn conditions_are_joined_by_and_or_not_and_parentheses() {
    for (tail, expected) in [
        (
            "WHERE LastName = 'Doe' AND Score__c > 0 AND Company = 'Acme'",
            &[0][..],
        ),
        ("WHERE Company = 'Acme' OR Company = 'Gamma'", &[0, 2]),
        (
            "WHERE (Company = 'Acme' OR Company = 'Gamma') AND Score__c = null",
            &[2],
        ),
        ("WHERE NOT (Company = 'Acme' OR Company = 'Gamma')", &[1]),
        ("WHERE ((NOT (((Company = 'Acme')))))", &[1, 2]),
    ] {
        check_found(tail, expected);
    }
}

#[test]
fn rows_are_sorted_with_nulls_first_unless_told_and_then_cut() {
    for (tail, expected) in [
        ("ORDER BY Score__c", &[2, 1, 0][..]),
        ("ORDER BY Score__c DESC", &[2, 0, 1]),
        ("ORDER BY Score__c ASC NULLS LAST", &[1, 0, 2]),
        ("ORDER BY Score__c DESC NULLS LAST", &[0, 1, 2]),
        ("ORDER BY LastName, Company DESC", &[0, 1, 2]),
        ("ORDER BY LastName DESC, CreatedDate ASC", &[2, 1, 0]),
        // As the values of the picklist are listed, not by alphabet; unknown ones last.
        ("ORDER BY Plan__c", &[1, 0, 2]),
        ("ORDER BY Owner.Name NULLS LAST", &[0, 1, 2]),
        ("ORDER BY Newsletter__c DESC", &[0, 1, 2]),
        ("LIMIT 2", &[0, 1]),
        ("LIMIT 2 OFFSET 1", &[1, 2]),
        ("OFFSET 2", &[2]),
        ("LIMIT 0", &[]),
        ("ORDER BY Id LIMIT 1 OFFSET 2000", &[]),
    ] {
        check_found(tail, expected);
    }
}

#[test]
fn fields_of_parents_are_reached_one_level_up() {
    for (tail, expected) in [
        ("WHERE Owner.Name = 'ada'", &[0][..]),
        ("WHERE l.Owner.Name != 'ada'", &[1, 2]),
        ("WHERE Lead.Owner.Username = null", &[0, 1, 2]),
        ("WHERE CreatedBy.IsActive = true", &[]),
        ("WHERE LastModifiedBy.Name LIKE 'x%'", &[]),
    ] {
        check_found(tail, expected);
    }
}

#[test]
fn clauses_without_effect_are_accepted() {
    for tail in [
        "USING SCOPE everything",
        "WITH SECURITY_ENFORCED",
        "WHERE Id != null WITH USER_MODE ORDER BY Id LIMIT 10",
        "WITH SYSTEM_MODE",
        "LIMIT 10 FOR VIEW",
        "FOR REFERENCE",
        "FOR VIEW, FOR REFERENCE",
    ] {
        check_found(tail, &[0, 1, 2]);
    }
}

#[track_caller]
fn check_columns(query: &str, expected: &[&str]) {
    let objects = Objects::demo();
    let plan = objects.plan(query).unwrap();
    assert_eq!(plan.column_names(), expected, "{query}");
}

#[test]
fn columns_have_their_canonical_names_in_the_order_of_the_list() {
    check_columns(
        "select company, l.ID, owner.USERNAME, Lead.createdby.name from lead as l",
        &["Company", "Id", "Owner.Username", "CreatedBy.Name"],
    );
    check_columns(
        "SELECT FIELDS(CUSTOM), Id FROM Lead LIMIT 200",
        &[
            "MySQL_Id__c",
            "Score__c",
            "Signup_At__c",
            "Birthday__c",
            "Newsletter__c",
            "Plan__c",
            "Id",
        ],
    );
    check_columns("SELECT COUNT() FROM Lead", &[]);
    check_columns(
        "SELECT LeadSource, COUNT(Id), MAX(Score__c) top, Owner.Name who, MIN(Company) FROM Lead GROUP BY LeadSource, Owner.Name",
        &["LeadSource", "expr0", "top", "who", "expr1"],
    );
    let objects = Objects::demo();
    let all = objects
        .plan("SELECT FIELDS(ALL) FROM Lead LIMIT 1")
        .unwrap();
    assert_eq!(all.column_names().len(), objects.lead.fields().count());
    let standard = objects.plan("SELECT FIELDS(STANDARD) FROM Lead").unwrap();
    assert!(
        standard
            .column_names()
            .iter()
            .all(|name| !name.ends_with("__c"))
    );
}

#[track_caller]
fn check_groups(query: &str, expected: &[&str]) {
    let objects = Objects::demo();
    let plan = objects
        .plan(query)
        .unwrap_or_else(|error| panic!("{}", error.refusal(query).message));
    let Output::Groups(grouping) = &plan.output else {
        panic!("no groups: {query}");
    };
    let mut groups = Groups::default();
    for row in leads(&objects) {
        if plan.filter.holds(&|path| row.value(path), &plenty()) {
            groups.add(grouping, &row);
        }
    }
    let rows = groups.finish(&plan, grouping, &plenty());
    let shown: Vec<String> = rows
        .iter()
        .map(|row| {
            let values: Vec<String> = row
                .iter()
                .map(|value| value.to_json().to_string())
                .collect();
            values.join(" ")
        })
        .collect();
    assert_eq!(shown, expected, "{query}");
}

#[test]
fn aggregates_are_computed_over_groups() {
    for (query, expected) in [
        (
            "SELECT COUNT(Id), COUNT(Score__c), COUNT_DISTINCT(LastName), MIN(Score__c), MAX(Company), SUM(NumberOfEmployees), AVG(Score__c) FROM Lead",
            &["3 2 2 -2.0 \"Gamma\" 40.0 -0.25"][..],
        ),
        (
            "SELECT COUNT(Id), SUM(Score__c), MAX(Birthday__c) FROM Lead WHERE Company = 'nobody'",
            &["0 null null"],
        ),
        (
            "SELECT MIN(CreatedDate) FROM Lead",
            &["\"2025-12-31T00:00:00.000+0000\""],
        ),
        (
            "SELECT LastName, COUNT(Id) n FROM Lead GROUP BY LastName",
            &["\"Doe\" 2", "\"Öz'gür\" 1"],
        ),
        (
            "SELECT LastName FROM Lead GROUP BY LastName HAVING COUNT(Id) > 1",
            &["\"Doe\""],
        ),
        (
            "SELECT LastName, COUNT() FROM Lead GROUP BY LastName ORDER BY COUNT(Id), LastName",
            &["\"Öz'gür\" 1", "\"Doe\" 2"],
        ),
        (
            "SELECT Company FROM Lead GROUP BY Company ORDER BY Company DESC LIMIT 1 OFFSET 1",
            &["\"Acme\""],
        ),
        (
            "SELECT Birthday__c, MAX(Score__c) FROM Lead GROUP BY Birthday__c ORDER BY Birthday__c NULLS LAST",
            &["\"2026-01-13\" -2.0", "\"2026-01-14\" 1.5", "null null"],
        ),
        (
            "SELECT COUNT(Id) FROM Lead GROUP BY Newsletter__c HAVING Newsletter__c = false AND MIN(LastName) LIKE 'd%'",
            &["2"],
        ),
        (
            "SELECT COUNT(Id) FROM Lead WHERE Company = 'nobody' GROUP BY Newsletter__c",
            &[],
        ),
    ] {
        check_groups(query, expected);
    }
}

#[test]
fn ids_and_keys_are_looked_up_instead_of_searched() {
    let objects = Objects::demo();
    let key = objects.lead.find("MySQL_Id__c").unwrap();
    let email = objects.lead.find("Email").unwrap();
    let keys = |field, keys: &[&str]| Access::Keys {
        field,
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
    };
    for (tail, expected) in [
        (
            "Id = '00QHp0000000002MAA'",
            Access::Ids(vec!["00QHp0000000002".into()]),
        ),
        ("MySQL_Id__c = 'A1' AND Score__c > 1", keys(key, &["a1"])),
        (
            "Email IN ('a@example.com')",
            keys(email, &["a@example.com"]),
        ),
        (
            "(Company = 'x' OR Title = 'y') AND (MySQL_Id__c IN ('1'))",
            keys(key, &["1"]),
        ),
        ("MySQL_Id__c = '1' OR Company = 'x'", Access::All),
        ("MySQL_Id__c = null", Access::All),
        ("MySQL_Id__c IN ('1', null)", Access::All),
        ("MySQL_Id__c NOT IN ('1')", Access::All),
        ("MySQL_Id__c != '1'", Access::All),
        ("MySQL_Id__c LIKE '1'", Access::All),
        ("NOT MySQL_Id__c = '1'", Access::All),
        ("Company = 'x'", Access::All),
        ("Owner.Username = 'x'", Access::All),
    ] {
        let plan = objects
            .plan(&format!("SELECT Id FROM Lead WHERE {tail}"))
            .unwrap();
        assert_eq!(plan.access, expected, "{tail}");
    }
    let plan = objects
        .plan("SELECT Id FROM User WHERE Username = 'x'")
        .unwrap();
    assert_eq!(plan.access, Access::All);
}
