//! Filters and what fills fields: forms that are read, printed and refused.

use super::*;
use crate::core::mapping::{OnTooLong, Unmapped};

#[track_caller]
fn source_of(field: &str) -> FieldSource {
    let text = SOUND.replace(
        "fields = { LastName = \"last_name\" }",
        &format!("fields = {{ A__c = {field} }}"),
    );
    assert_ne!(text, SOUND);
    sound(&text, &[], &[]).routes[0].fields[0].source.clone()
}

#[test]
fn maps_templates_and_expressions_are_read() {
    let text = |text: &str| Scalar::Text(text.to_owned());
    assert_eq!(
        source_of(
            "{ column = \"c\", map = { DE = \"Germany\", yes = true }, otherwise = \"Other\" }"
        ),
        FieldSource::Map {
            column: "c".into(),
            pairs: vec![
                ("DE".into(), text("Germany")),
                ("yes".into(), Scalar::Boolean(true)),
            ],
            unmapped: Unmapped::Otherwise(text("Other")),
            default: None,
        }
    );
    let policy = |policy: &str| {
        let field = format!("{{ column = \"c\", map = {{ a = 1 }}{policy} }}");
        match source_of(&field) {
            FieldSource::Map { unmapped, .. } => unmapped,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(policy(""), Unmapped::DeadLetter);
    assert_eq!(policy(", on_unmapped = \"keep\""), Unmapped::Keep);
    assert_eq!(
        source_of("{ template = \"{a} {b}\", default = \"-\" }"),
        FieldSource::Template {
            text: "{a} {b}".into(),
            default: Some(text("-")),
        }
    );
    let expression = source_of("{ expression = \"a + b\" }");
    assert_eq!(expression.columns(), ["a", "b"]);
}

#[test]
fn a_filter_and_what_becomes_of_long_texts_are_read_and_printed() {
    let text = SOUND.replace(
        "fields = { LastName = \"last_name\" }",
        "where = '''a == \"x\"'''\non_too_long = \"truncate\"\nfields = { A__c = { column = \"a\", \
         on_too_long = \"dead_letter\" }, B__c = { column = \"b\", map = { \"1\" = \"x\" } }, C__c = { \
         template = \"{a}\", trim = false }, D__c = { expression = \"a + 'x'\", default = \"-\" } }",
    );
    let config = sound(&text, &[], &[]);
    let route = &config.routes[0];
    assert_eq!(route.filter.as_deref(), Some("a == \"x\""));
    assert_eq!(route.on_too_long, OnTooLong::Truncate);
    assert_eq!(route.fields[0].on_too_long, Some(OnTooLong::DeadLetter));
    assert_eq!(route.fields[1].on_too_long, None);
    // What is printed is read again as the same.
    let printed = config.print();
    let from = printed.find("[[route]]").unwrap();
    let to = printed[from..]
        .find("\n[batch]")
        .map_or(printed.len(), |end| from + end);
    let start = text.find("[[route]]").unwrap();
    let again = sound(
        &format!("{}{}", &text[..start], &printed[from..to]),
        &[],
        &[],
    );
    assert_eq!(again.routes, config.routes, "{printed}");
}

#[test]
fn forms_that_mean_nothing_are_refused_where_they_stand() {
    let refuse = |field: &str, page: &str, key: &str| {
        let from = "fields = { LastName = \"last_name\" }";
        let to = format!("fields = {{ A__c = {field} }}");
        check(from, &to, page, &format!("route[0].fields.A__c{key}"))
    };
    refuse(
        "{ column = \"a\", template = \"{b}\" }",
        WRONG_VALUE,
        ".template",
    );
    refuse("{ default = 1 }", WRONG_VALUE, "");
    refuse("{ constant = 1, default = 1 }", WRONG_VALUE, ".default");
    refuse(
        "{ template = \"{a}\", map = { a = 1 } }",
        WRONG_VALUE,
        ".map",
    );
    refuse(
        "{ column = \"a\", otherwise = 1 }",
        WRONG_VALUE,
        ".otherwise",
    );
    refuse("{ column = \"a\", map = {} }", WRONG_VALUE, ".map");
    refuse("{ column = \"a\", map = { b = [] } }", WRONG_VALUE, ".map");
    refuse(
        "{ column = \"a\", map = { b = 1 }, otherwise = 1, on_unmapped = \"keep\" }",
        WRONG_VALUE,
        ".on_unmapped",
    );
    refuse(
        "{ column = \"a\", on_too_long = \"cut\" }",
        WRONG_VALUE,
        ".on_too_long",
    );
    let mistake = refuse("{ expression = \"a = b\" }", "LS4020", ".expression");
    assert!(
        mistake.rule.contains("column 3") && mistake.remedy.contains("=="),
        "{mistake:?}"
    );
    let mistake = refuse("{ template = \"{a\" }", "LS4022", ".template");
    assert!(mistake.rule.contains("column 1"), "{mistake:?}");
    let mistake = check_more("where = \"a and b\"", "LS4020", "route[0].where");
    assert!(
        mistake.rule.contains("column 3") && mistake.remedy.contains("&&"),
        "{mistake:?}"
    );
}
