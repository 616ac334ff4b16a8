//! Letters as they would be sent.

use super::*;
use crate::core::change::{ChangeId, Operation, RouteId, Transaction};
use crate::core::entry::Subject;
use crate::core::mapping::tests::{plan_of_two, plan_with_filter, simple_plan};
use crate::core::position::{FilePosition, TransactionId};
use crate::core::schema::TableName;
use crate::core::time::Micros;

fn letter(payload: &str, row: Option<&str>, edits: &[(&str, &str)]) -> LetterRecord {
    let transaction = Transaction {
        id: TransactionId::File(FilePosition {
            file: "binlog.000001".into(),
            offset: 4,
        }),
        committed_at: Micros(0),
    };
    let table = TableName {
        schema: "crm".into(),
        table: "leads".into(),
    };
    LetterRecord {
        number: 17,
        subject: Subject {
            id: ChangeId {
                transaction: Arc::new(transaction),
                table: Arc::new(table),
                row: 0,
                route: RouteId(0),
            },
            operation: Operation::Insert,
            image: Arc::new(Image {
                key: "7".into(),
                payload: payload.into(),
                email: None,
                row: row.map(Arc::from),
            }),
            captured_at: Micros(0),
            parked: None,
            letter: None,
        },
        edits: edits
            .iter()
            .map(|(before, after)| FieldEdits {
                before: (*before).into(),
                after: (*after).into(),
            })
            .collect(),
        unclear: false,
        newer_delivered: false,
        history_gone: false,
    }
}

#[track_caller]
fn check(plan: &Plan, letter: &LetterRecord, expected: Result<&str, &str>) {
    match (plan.map_letter(letter), expected) {
        (Ok(MappedLetter::Image(image)), Ok(payload)) => {
            assert_eq!((image.key.as_ref(), image.payload.as_ref()), ("7", payload));
            assert_eq!(image.row, None);
        }
        (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
        (found, wanted) => panic!("{found:?}, not {wanted:?}"),
    }
}

#[test]
fn edits_stack_and_no_digit_is_lost() {
    let plan = simple_plan();
    let payload = r#"{"LastName":"Doe","Revenue":12345678901234567.890,"Fax":"1"}"#;
    let edits = [
        (r#"{"LastName":"Doe"}"#, r#"{"LastName":"Dorn"}"#),
        (r#"{"Fax":"1"}"#, "{}"),
        ("{}", r#"{"City":null}"#),
        (r#"{"LastName":"Dorn"}"#, r#"{"LastName":"Dorns"}"#),
    ];
    let expected = r#"{"City":null,"LastName":"Dorns","Revenue":12345678901234567.890}"#;
    check(&plan, &letter(payload, None, &edits), Ok(expected));
    let names: Vec<String> = edited_fields(&letter(payload, None, &edits).edits)
        .into_iter()
        .collect();
    assert_eq!(names, ["City", "Fax", "LastName"]);
    check(&plan, &letter("", None, &[]), Err("no JSON object"));
}

#[test]
fn a_row_is_mapped_anew_with_what_was_edited() {
    let row = r#"{"id":{"int":7},"name":{"text":"Doe"}}"#;
    check(
        &simple_plan(),
        &letter("{}", Some(row), &[]),
        Ok(r#"{"LastName":"Doe"}"#),
    );
    // As versions before wrote it.
    let texts = r#"{"id":"7","name":"Doe"}"#;
    check(
        &simple_plan(),
        &letter("{}", Some(texts), &[]),
        Ok(r#"{"LastName":"Doe"}"#),
    );
    let unnamed = letter("{}", Some(r#"{"id":{"int":7},"name":null}"#), &[]);
    check(&simple_plan(), &unnamed, Err("LastName is required"));
    let mended = letter(
        "{}",
        Some(r#"{"id":{"int":7},"name":null}"#),
        &[("{}", r#"{"LastName":"Dorn"}"#)],
    );
    check(&simple_plan(), &mended, Ok(r#"{"LastName":"Dorn"}"#));
    // The mapping of today needs a column that the row of then was not kept with.
    check(
        &plan_of_two(),
        &letter("{}", Some(row), &[]),
        Err("company"),
    );
}

#[test]
fn a_filter_leaves_out_what_nobody_has_edited() {
    let plan = plan_with_filter("name != \"Doe\"");
    let row = Some(r#"{"id":{"int":7},"name":{"text":"Doe"}}"#);
    let left = plan.map_letter(&letter("{}", row, &[])).unwrap();
    assert!(matches!(left, MappedLetter::LeftOut(image) if image.key.as_ref() == "7"));
    let edited = letter("{}", row, &[("{}", r#"{"LastName":"Dorn"}"#)]);
    check(&plan, &edited, Ok(r#"{"LastName":"Dorn"}"#));
}
