//! Expressions over rows: what they give, what is refused before the first row, what it says.

use proptest::prelude::*;

use super::*;
use crate::core::mapping::nearest;
use crate::core::schema::ColumnKind;
use crate::core::value::{Date, DateTime};

fn columns() -> Vec<(&'static str, ColumnKind)> {
    let integer = |bytes, unsigned| ColumnKind::Integer { bytes, unsigned };
    vec![
        ("id", integer(8, true)),
        ("score", integer(4, false)),
        ("first_name", ColumnKind::Text { max_chars: 80 }),
        ("last_name", ColumnKind::Text { max_chars: 80 }),
        (
            "price",
            ColumnKind::Decimal {
                precision: 20,
                scale: 4,
            },
        ),
        ("weight", ColumnKind::Double),
        ("born", ColumnKind::Date),
        ("seen", ColumnKind::Timestamp),
        ("made", ColumnKind::DateTime),
        ("topics", ColumnKind::Set),
        ("photo", ColumnKind::Bytes),
        ("odd name", ColumnKind::Text { max_chars: 80 }),
        ("ratio", ColumnKind::Float),
        ("assumed", ColumnKind::Other(String::new())),
    ]
}

fn row() -> Vec<Option<Value>> {
    let text = |text: &str| Some(Value::Text(text.to_owned()));
    let date = Date {
        year: 2024,
        month: 2,
        day: 29,
    };
    let at = DateTime {
        date,
        hour: 10,
        minute: 0,
        second: 0,
        micros: 500_000,
    };
    vec![
        Some(Value::UInt(u64::MAX)),
        Some(Value::Int(-3)),
        text("Ada"),
        text("Lovelace"),
        Some(Value::Decimal("99.9000".into())),
        Some(Value::Double(0.1)),
        Some(Value::Date(date)),
        Some(Value::Timestamp(at.to_epoch())),
        Some(Value::DateTime(at)),
        text("a,b"),
        Some(Value::Bytes(vec![1])),
        text("x"),
        Some(Value::Float(0.1)),
        Some(Value::Decimal("5.00".into())),
    ]
}

fn compiled(source: &str) -> Result<Expression, Vec<Fault>> {
    let columns = columns();
    let parsed = parse(source).map_err(|fault| vec![fault])?;
    let mut column = |name: &str| {
        let found = columns.iter().position(|(known, _)| *known == name);
        let Some(index) = found else {
            let near = nearest(name, columns.iter().map(|(name, _)| *name));
            return Err(ColumnFault {
                text: format!("unknown column {name:?}"),
                remedy: near.map_or_else(String::new, |near| format!("did you mean {near:?}?")),
                is_unknown: true,
            });
        };
        let (name, kind) = &columns[index];
        if *name == "assumed" {
            return Ok((index, Type::Any));
        }
        match Type::of_column(kind) {
            Ok(kind) => Ok((index, kind)),
            Err(why) => Err(ColumnFault {
                text: format!("column {name:?} {why}"),
                remedy: String::new(),
                is_unknown: false,
            }),
        }
    };
    compile(parsed, &mut column)
        .map_err(|faults| faults.into_iter().map(|(_, fault)| fault).collect())
}

fn evaluated(source: &str, row: &[Option<Value>]) -> Result<Computed, Failure> {
    let expression = compiled(source).unwrap_or_else(|faults| panic!("{source}: {faults:#?}"));
    expression.evaluate(row)
}

#[track_caller]
fn gives(source: &str, expected: Computed) {
    assert_eq!(evaluated(source, &row()), Ok(expected), "{source}");
}

#[track_caller]
fn holds(source: &str) {
    gives(source, Computed::Bool(true));
}

#[track_caller]
fn text(source: &str, expected: &str) {
    gives(source, Computed::Value(Value::Text(expected.to_owned())));
}

#[test]
fn numbers_compare_exactly_whatever_their_types() {
    for source in [
        "price == 99.9",
        "price > 99.8999",
        "price < 99.9001",
        "99.9 == price",
        "price < 100",
        "100 > price",
        "price > 99",
        "price >= 99.9 && price <= 99.9",
        "price != 99.90001",
        "price in [1, 99.9]",
        "id == 18446744073709551615u",
        "id > 9223372036854775807",
        "score < 0 && score > -4",
        "score == -3.0",
        "score < id",
        "price > score",
        "weight == 0.1",
        "ratio == 0.1",
        "ratio == weight",
        "assumed == 5 && 5 == assumed && assumed < 5.5",
        "score + 1 == -2",
        "-score == 3",
        "int(price) == 99",
        "double(price) > 99.8",
    ] {
        holds(source);
    }
}

#[test]
fn decimals_beyond_any_float_are_told_apart() {
    let mut row = row();
    row[4] = Some(Value::Decimal("-12345678901234567890.0000000001".into()));
    let check = |source: &str, expected: bool| {
        let found = evaluated(source, &row);
        assert_eq!(found, Ok(Computed::Bool(expected)), "{source}");
    };
    check("price < -12345", true);
    check("price == -12345678901234567890.0", false);
    check("price > 0", false);
    row[4] = Some(Value::Decimal("-0.000".into()));
    assert_eq!(evaluated("price == 0", &row), Ok(Computed::Bool(true)));
}

#[test]
fn dates_compare_with_dates_and_with_texts_that_are_dates() {
    for source in [
        "born == \"2024-02-29\"",
        "born < seen",
        "seen == made",
        "seen > \"2024-02-29T10:00:00Z\"",
        "seen < \"2024-02-29T11:00:01+01:00\" && seen > \"2024-02-29T11:00:00+01:00\"",
        "\"2024-03-01\" > made",
        "born in [\"2024-02-28\", \"2024-02-29\"]",
        "timestamp(\"2024-02-29\") == born",
        "string(seen) == \"2024-02-29T10:00:00.500000Z\"",
    ] {
        holds(source);
    }
}

#[test]
fn texts_lists_and_conditions_work() {
    for source in [
        "first_name == \"Ada\" && last_name != \"ada\"",
        "first_name in [\"Bob\", \"Ada\"]",
        "\"b\" in topics && !(\"c\" in topics)",
        "last_name.startsWith(\"Love\") && last_name.endsWith(\"lace\") && last_name.contains(\"ela\")",
        "size(first_name) == 3 && first_name.size() == 3",
        "row[\"odd name\"] == \"x\" && row.score == -3",
        "score < 0 ? true : false",
        "int(\" 12 \") == 12",
        "score == 1 || first_name == \"Ada\"",
    ] {
        holds(source);
    }
    text("first_name + ' ' + last_name", "Ada Lovelace");
    text(
        "first_name.lowerAscii() + last_name.upperAscii()",
        "adaLOVELACE",
    );
    text(
        "last_name.substring(0, 4) + last_name.substring(99)",
        "Love",
    );
    text(
        "' a '.trim() + string(price) + string(score) + string(true)",
        "a99.9000-3true",
    );
    text("coalesce(first_name, 'x')", "Ada");
    gives("price", Computed::Value(Value::Decimal("99.9000".into())));
    gives("id", Computed::Value(Value::UInt(u64::MAX)));
    gives("null", Computed::Null);
}

#[test]
fn null_equals_null_alone_and_has_no_order() {
    let mut row = row();
    row[1] = Some(Value::Null);
    row[2] = Some(Value::Null);
    row[6] = Some(Value::Date(Date {
        year: 0,
        month: 0,
        day: 0,
    }));
    let check = |source: &str, expected: bool| {
        let found = evaluated(source, &row);
        assert_eq!(found, Ok(Computed::Bool(expected)), "{source}");
    };
    check("score == null && first_name == null && born == null", true);
    check("score == 1", false);
    check("score != 1", true);
    check("first_name in [\"Ada\"]", false);
    check("score != null && score > 5", false);
    check("score > 5 && score != null", false);
    check("score > 5 || last_name == \"Lovelace\"", true);
    check("coalesce(score, 7) > 5", true);
    let full = evaluated("coalesce(first_name, '') + last_name", &row);
    assert_eq!(full, Ok(Computed::Value(Value::Text("Lovelace".into()))));
    for source in [
        "score > 5",
        "first_name + last_name == ''",
        "score > 5 && last_name != ''",
    ] {
        let failure = evaluated(source, &row).unwrap_err();
        assert!(
            failure.reason.contains("is NULL in this row"),
            "{failure:?}"
        );
        assert!(!failure.reason.contains("Lovelace"), "{failure:?}");
    }
}

#[test]
fn what_the_row_image_lacks_is_decided_without_it_or_not_at_all() {
    let mut row = row();
    row[1] = None;
    let decided = evaluated("score > 5 || last_name == \"Lovelace\"", &row);
    assert_eq!(decided, Ok(Computed::Bool(true)));
    for source in ["score > 5", "score == null", "coalesce(score, 1) == 1"] {
        let failure = evaluated(source, &row).unwrap_err();
        assert!(
            failure.reason.contains("lacks score"),
            "{source}: {failure:?}"
        );
    }
    row[6] = Some(Value::Date(Date {
        year: 2024,
        month: 2,
        day: 0,
    }));
    let failure = evaluated("born > \"2024-01-01\"", &row).unwrap_err();
    assert!(
        failure
            .reason
            .contains("born holds a date that no calendar has")
    );
    for source in ["int(first_name) == 1", "id * 2u == 1u", "score / 0 == 1"] {
        let mut row = self::row();
        row[1] = Some(Value::Int(1));
        let failure = evaluated(source, &row).unwrap_err();
        assert!(!failure.reason.contains("Ada"), "{failure:?}");
    }
}

#[track_caller]
fn refused(source: &str, text: &str, remedy: &str) {
    let faults = compiled(source).expect_err(source);
    let fits = |fault: &Fault| fault.text.contains(text) && fault.remedy.contains(remedy);
    assert!(faults.iter().any(fits), "{source}: {faults:#?}");
}

#[test]
fn mistakes_are_found_before_the_first_row_and_point_at_their_place() {
    refused(
        "'a' + fist_name",
        "column 7: unknown column \"fist_name\"",
        "\"first_name\"",
    );
    refused("\"Ä\" == odd", "column 8: unknown column \"odd\"", "");
    refused(
        "score == 1 &&\n  scor == 2",
        "line 2, column 3: unknown column",
        "\"score\"",
    );
    refused(
        "photo == null",
        "column 1: column \"photo\" holds bytes",
        "",
    );
    refused(
        "score == \"1\"",
        "a whole number cannot be compared with text",
        "without quotes",
    );
    refused(
        "first_name == 1",
        "text cannot be compared with a whole number",
        "in quotes",
    );
    refused("score == true", "cannot be compared", "BOOL is a number");
    refused(
        "score && true",
        "column 1: true or false is needed",
        "column != 0",
    );
    refused("score < null", "cannot be compared with null", "!= null");
    refused(
        "first_name + score",
        "+ does not take text and a whole number",
        "string(",
    );
    refused("score + 1.5", "+ does not take", "double(");
    refused("price * 2", "* does not take", "DECIMAL is compared only");
    refused("born + 1", "+ does not take", "dates are compared only");
    refused("first_name - last_name", "- does not take text", "");
    refused(
        "born > \"yesterday\"",
        "column 8: the text is no date or time",
        "2026-01-31",
    );
    refused(
        "born in [\"2024-01-01\", \"x\"]",
        "column 24: the text is no date",
        "",
    );
    refused("first_name in \"Ada\"", "in needs a list", "[\"a\", \"b\"]");
    refused("score in [\"1\"]", "cannot be compared with text", "");
    refused("score in [1, \"1\"]", "the list holds", "one type");
    refused(
        "score > 1 ? \"a\" : 1",
        "gives text or a whole number",
        "one type",
    );
    refused(
        "first_name.startWith(\"A\")",
        "unknown function \"startWith\"",
        "\"startsWith\"",
    );
    refused(
        "first_name.matches(\"A*\")",
        "unknown function",
        "cost any time",
    );
    refused("[1].exists(x, x > 0)", "unknown", "");
    refused(
        "contains(first_name, \"a\")",
        "called another way",
        "text.contains(text)",
    );
    refused("size(1)", "size does not take a whole number", "size(text)");
    refused(
        "first_name.substring()",
        "another number of arguments",
        "substring(",
    );
    refused("coalesce(score, \"x\")", "values of one type", "coalesce(");
    refused("first_name.x", "\"x\" cannot be taken out", "stand alone");
    refused("first_name[0]", "nothing here can be indexed", "row[");
    refused("{\"a\": 1}", "no such form", "docs/mapping.md");
    refused("b\"ab\" == first_name", "bytes are not known", "");
}

#[test]
fn what_cannot_be_read_says_where_and_what_was_meant() {
    refused("", "empty", "");
    refused("score = 1", "column 7", "write ==");
    refused("score == 1 and id == 2", "column 12", "&&");
    refused("score == 1 or id == 2", "column 12", "||");
    refused("first_name LIKE 'a'", "column 12", "contains");
    refused("score is null", "column 7", "== null");
    refused("score == ", "column 10: not expected here: the end", "CEL");
    refused("first_name == \"x", "column 15", "close the text");
    refused("`odd name` == 1", "column 1", "row[");
    refused("package == 1", "column 1: reserved identifier", "row[");
    refused(
        "99999999999999999999 == score",
        "column 1: invalid int literal",
        "",
    );
}

#[test]
fn what_would_cost_too_much_is_refused() {
    refused(
        &"1 + ".repeat(600),
        "more than 2000 bytes",
        "generated column",
    );
    refused(
        &format!("{}1{}", "(".repeat(30), ")".repeat(30)),
        "more than 20 brackets",
        "flatter",
    );
    refused(
        &vec!["score"; 100].join(" + "),
        "more than 40 parts",
        "flatter",
    );
    assert!(compiled(&vec!["score == 1"; 30].join(" || ")).is_ok());
    // Nested without brackets.
    assert!(compiled(&format!("{}score == 1", "true ? true : ".repeat(140))).is_err());
    // Of signs in a row only whether they are odd counts.
    assert!(compiled(&format!("{}(score == 1)", "!".repeat(1_900))).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_makes_reading_or_checking_panic(source in "[a-z0-9_ '\"().,\\[\\]{}!?:<>=&|+*/%\\\\`ä\n-]{0,60}") {
        let _ = compiled(&source);
    }

    #[test]
    fn digits_compare_as_numbers_do(left in any::<i32>(), right in any::<i32>()) {
        let mut row = row();
        row[4] = Some(Value::Decimal(format!("{left}.00")));
        row[1] = Some(Value::Int(i64::from(right)));
        let found = evaluated("price < score", &row);
        prop_assert_eq!(found, Ok(Computed::Bool(left < right)));
    }
}
