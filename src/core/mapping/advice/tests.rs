//! What is told of fields that fit and may still refuse rows.

use super::*;
use crate::core::mapping::FieldSpec;
use crate::core::schema::{ColumnDefault, TableName};

fn column(name: &str, kind: ColumnKind) -> Column {
    Column {
        name: name.to_owned(),
        kind,
        nullable: false,
        primary_key: false,
        default: ColumnDefault::None,
    }
}

fn field(name: &str, kind: FieldKind) -> FieldDescribe {
    FieldDescribe {
        name: name.to_owned(),
        label: name.to_owned(),
        kind,
        nillable: true,
        defaulted_on_create: false,
        createable: true,
        updateable: true,
        external_id: true,
        unique: true,
        case_sensitive: true,
        id_lookup: true,
    }
}

fn text(max_chars: u64) -> ColumnKind {
    ColumnKind::Text { max_chars }
}

fn number() -> ColumnKind {
    ColumnKind::Integer {
        bytes: 8,
        unsigned: true,
    }
}

fn enumeration(labels: &[&str]) -> ColumnKind {
    ColumnKind::Enum {
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
    }
}

fn plans(restricted: bool) -> FieldKind {
    FieldKind::Picklist {
        max_chars: 40,
        restricted: restricted.then(|| vec!["Free".to_owned(), "Team".to_owned()]),
    }
}

/// The pages and texts for a route of one field.
fn told(key: (Column, FieldDescribe), one: (Column, FieldDescribe)) -> Vec<(&'static str, String)> {
    let name = TableName {
        schema: "crm".to_owned(),
        table: "leads".to_owned(),
    };
    let spec = MappingSpec {
        route: "leads".to_owned(),
        table: name.clone(),
        object: "Lead".to_owned(),
        external_id: key.1.name.clone(),
        key_column: key.0.name.clone(),
        fields: vec![FieldSpec {
            field: one.1.name.clone(),
            source: FieldSource::Column {
                name: one.0.name.clone(),
                default: None,
            },
            trim: true,
            on_too_long: None,
        }],
        filter: None,
        on_too_long: OnTooLong::DeadLetter,
        path: "route[0]".to_owned(),
    };
    let table = TableSchema {
        name,
        columns: vec![key.0, one.0],
    };
    let object = ObjectDescribe {
        name: "Lead".to_owned(),
        createable: true,
        updateable: true,
        fields: vec![key.1, one.1],
        record_types: Vec::new(),
    };
    let advice = advise(&spec, &table, &object).into_iter();
    advice
        .map(|it| (it.page, format!("{}: {}", it.path, it.text)))
        .collect()
}

fn good_key() -> (Column, FieldDescribe) {
    let kind = FieldKind::Text { max_chars: 64 };
    (column("id", number()), field("Id__c", kind))
}

fn good_field() -> (Column, FieldDescribe) {
    let kind = FieldKind::Text { max_chars: 80 };
    (column("name", text(80)), field("Name", kind))
}

#[track_caller]
fn check(told: Vec<(&'static str, String)>, expected: &[(&str, &str)]) {
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for ((page, text), (expected, words)) in told.iter().zip(expected) {
        assert_eq!(page, expected, "{text}");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn what_fits_in_every_row_is_not_spoken_of() {
    check(told(good_key(), good_field()), &[]);
    let open = (column("plan", text(20)), field("Plan__c", plans(false)));
    check(told(good_key(), open), &[]);
    let listed = enumeration(&["Free", "Team"]);
    let listed = (column("plan", listed), field("Plan__c", plans(true)));
    check(told(good_key(), listed), &[]);
}

#[test]
fn longer_columns_and_fields_of_creation_are_told() {
    let longer = (column("name", text(81)), good_field().1);
    let words = "route[0].fields.Name: column \"name\" holds up to 81 characters, Name takes 80";
    check(told(good_key(), longer), &[("LS4042", words)]);
    let (name, mut created) = good_field();
    created.updateable = false;
    let words = "can be set when a record is made";
    check(told(good_key(), (name, created)), &[("LS4041", words)]);
}

#[test]
fn restricted_picklists_are_held_against_the_column() {
    let any = (column("plan", text(20)), field("Plan__c", plans(true)));
    let words = "a restricted picklist of 2 values";
    check(told(good_key(), any), &[("LS4043", words)]);
    let labels = enumeration(&["Free", "Gold", "a", "b", "c", "d", "e"]);
    let some = (column("plan", labels), field("Plan__c", plans(true)));
    let words = "does not list: Gold, a, b, c, d and 1 more";
    check(told(good_key(), some), &[("LS4043", words)]);
}

#[test]
fn keys_that_are_missing_alike_or_too_long_are_told() {
    let mut key = column("code", text(100));
    key.nullable = true;
    let mut field = good_key().1;
    field.case_sensitive = false;
    check(
        told((key, field), good_field()),
        &[
            ("LS4044", "may be NULL"),
            ("LS4044", "compared without case"),
            ("LS4042", "a key is never cut"),
        ],
    );
}
