//! Edits against describe.

use super::*;

fn field(name: &str, kind: FieldKind) -> FieldDescribe {
    FieldDescribe {
        name: name.into(),
        label: name.into(),
        kind,
        nillable: true,
        defaulted_on_create: false,
        createable: true,
        updateable: true,
        external_id: false,
        unique: false,
        case_sensitive: false,
        id_lookup: false,
    }
}

fn lead() -> ObjectDescribe {
    let values = Some(vec!["Hot".to_owned(), "Cold".to_owned()]);
    let fields = vec![
        field("Key__c", FieldKind::Text { max_chars: 64 }),
        FieldDescribe {
            nillable: false,
            ..field("LastName", FieldKind::Text { max_chars: 5 })
        },
        field("Email", FieldKind::Email { max_chars: 80 }),
        field(
            "Rating",
            FieldKind::Picklist {
                max_chars: 40,
                restricted: values,
            },
        ),
        FieldDescribe {
            nillable: false,
            defaulted_on_create: true,
            ..field("Optout", FieldKind::Boolean)
        },
        field("Employees", FieldKind::Int { digits: 8 }),
        field(
            "Revenue",
            FieldKind::Number {
                precision: 5,
                scale: 2,
            },
        ),
        field("Born", FieldKind::Date),
        FieldDescribe {
            createable: false,
            updateable: false,
            ..field("CreatedDate", FieldKind::DateTime)
        },
    ];
    ObjectDescribe {
        name: "Lead".into(),
        createable: true,
        updateable: true,
        fields,
        record_types: Vec::new(),
    }
}

#[track_caller]
fn check(name: &str, value: NewValue, expected: Result<Option<&str>, &str>) {
    let edit = FieldEdit {
        field: name.to_owned(),
        value,
    };
    match (check_edit(&lead(), "Key__c", &edit), expected) {
        (Ok((_, json)), Ok(wanted)) => assert_eq!(json.as_deref(), wanted, "{name}"),
        (Err(refusal), Err(part)) => {
            assert!(refusal.text.contains(part), "{name}: {}", refusal.text);
        }
        (found, wanted) => panic!("{name}: {found:?}, not {wanted:?}"),
    }
}

fn text(text: &str) -> NewValue {
    NewValue::Text(text.to_owned())
}

fn json(text: &str) -> NewValue {
    NewValue::Json(text.to_owned())
}

#[test]
fn texts_become_values_of_the_fields_type() {
    check("lastname", text(" Doe "), Ok(Some("\"Doe\"")));
    check("Employees", text("12"), Ok(Some("12")));
    check("Revenue", text("012.50"), Ok(Some("12.50")));
    check("Optout", text("TRUE"), Ok(Some("true")));
    check("Born", text("2026-01-31"), Ok(Some("\"2026-01-31\"")));
    check("Rating", text("hot"), Ok(Some("\"hot\"")));
    check("Rating", text(""), Ok(Some("null")));
    check("Rating", NewValue::Unset, Ok(None));
    check("Employees", json("12"), Ok(Some("12")));
    check("Optout", json("false"), Ok(Some("false")));
    check("Email", json("null"), Ok(Some("null")));
    check("Email", json("\"a@b.de\""), Ok(Some("\"a@b.de\"")));
}

#[test]
fn what_salesforce_would_refuse_is_refused_with_what_is_allowed() {
    check("LastName", text("Doedoe"), Err("at most 5 characters"));
    check("LastName", text(""), Err("cannot be empty"));
    check("LastName", NewValue::Unset, Err("cannot be left out"));
    check("Lastnam", text("Doe"), Err("LastName perhaps?"));
    check("Key__c", text("7"), Err("external id"));
    check("CreatedDate", text("2026-01-31"), Err("cannot be written"));
    check("Rating", text("Warm"), Err("Hot, Cold"));
    check("Optout", text(""), Err("--unset Optout"));
    check("Optout", text("perhaps"), Err("true or false"));
    check("Employees", text("many"), Err("a whole number"));
    check("Employees", text("123456789"), Err("too many digits"));
    check("Revenue", text("1234"), Err("3 digits before the point"));
    check("Born", text("tomorrow"), Err("2026-01-31"));
    check("Born", text("2026-02-30"), Err("no calendar"));
    check("Email", text("ada"), Err("name@example.com"));
    check("Email", json("{}"), Err("Email takes"));
}
