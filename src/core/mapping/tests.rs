//! Plans against tables and describes that fit and do not fit; conversions value by value.

mod recipes;

use super::*;
use crate::core::change::{ChangeId, Operation, RouteId, Transaction};
use crate::core::describe::{FieldDescribe, ObjectDescribe, RecordType};
use crate::core::position::{FilePosition, TransactionId};
use crate::core::schema::{Column, ColumnDefault, ColumnKind, TableSchema};
use crate::core::time::Micros;
use crate::core::value::{Date, DateTime};

fn table_name() -> TableName {
    TableName {
        schema: "crm".into(),
        table: "leads".into(),
    }
}

fn column(name: &str, kind: ColumnKind) -> Column {
    Column {
        name: name.into(),
        kind,
        nullable: true,
        primary_key: name == "id",
        default: ColumnDefault::Null,
    }
}

fn table() -> TableSchema {
    let text = || ColumnKind::Text { max_chars: 255 };
    TableSchema {
        name: table_name(),
        columns: vec![
            column(
                "id",
                ColumnKind::Integer {
                    bytes: 8,
                    unsigned: true,
                },
            ),
            column("name", text()),
            column("company", text()),
            column("photo", ColumnKind::Bytes),
            column("born", ColumnKind::Date),
            column("topics", ColumnKind::Set),
        ],
    }
}

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

fn object(required: &[&str]) -> ObjectDescribe {
    let key = FieldDescribe {
        external_id: true,
        unique: true,
        id_lookup: true,
        ..field("MySQL_Id__c", FieldKind::Text { max_chars: 64 })
    };
    let mut fields = vec![
        key,
        field("LastName", FieldKind::Text { max_chars: 80 }),
        field("Company", FieldKind::Text { max_chars: 255 }),
        field("Birthday__c", FieldKind::Date),
        FieldDescribe {
            createable: false,
            ..field("CreatedDate", FieldKind::DateTime)
        },
    ];
    for field in &mut fields {
        field.nillable = !required.contains(&field.name.as_str());
    }
    ObjectDescribe {
        name: "Lead".into(),
        createable: true,
        updateable: true,
        fields,
        record_types: vec![RecordType {
            id: "012000000000001AAA".into(),
            developer_name: "Partner_Lead".into(),
            name: "Partner".into(),
        }],
    }
}

fn from_column(field: &str, name: &str) -> FieldSpec {
    let source = FieldSource::Column {
        name: name.into(),
        default: None,
    };
    FieldSpec {
        field: field.into(),
        source,
        trim: true,
        on_too_long: None,
    }
}

fn spec(fields: Vec<FieldSpec>) -> MappingSpec {
    MappingSpec {
        route: "leads".into(),
        table: table_name(),
        object: "Lead".into(),
        external_id: "MySQL_Id__c".into(),
        key_column: "id".into(),
        fields,
        filter: None,
        on_too_long: OnTooLong::DeadLetter,
        path: "route[0]".into(),
    }
}

/// Key from `id`, LastName (required) from `name`: for the tests of the pipeline.
pub(crate) fn simple_plan() -> Plan {
    plan_of_column("name")
}

/// The key from `id`, the last name from the column given.
pub(crate) fn plan_of_column(name: &str) -> Plan {
    let spec = spec(vec![from_column("LastName", name)]);
    compile(&spec, &table(), &object(&["LastName"])).unwrap()
}

/// The key from `id`, LastName (required) from `name`, Company from `company`.
pub(crate) fn plan_of_two() -> Plan {
    let spec = spec(vec![
        from_column("LastName", "name"),
        from_column("Company", "company"),
    ]);
    compile(&spec, &table(), &object(&["LastName"])).unwrap()
}

/// The same as [`simple_plan`], with white space cut off or not.
pub(crate) fn plan_that_trims(trim: bool) -> Plan {
    let mut spec = spec(vec![from_column("LastName", "name")]);
    spec.fields[0].trim = trim;
    compile(&spec, &table(), &object(&["LastName"])).unwrap()
}

/// The same as [`simple_plan`], with keys that are compared with case or without.
pub(crate) fn plan_with_keys_by_case(case_sensitive: bool) -> Plan {
    let mut object = object(&["LastName"]);
    object.fields[0].case_sensitive = case_sensitive;
    let spec = spec(vec![from_column("LastName", "name")]);
    compile(&spec, &table(), &object).unwrap()
}

/// The same as [`simple_plan`], with a filter.
pub(crate) fn plan_with_filter(filter: &str) -> Plan {
    let mut spec = spec(vec![from_column("LastName", "name")]);
    spec.filter = Some(filter.to_owned());
    compile(&spec, &table(), &object(&["LastName"])).unwrap()
}

#[test]
fn columns_that_are_gone_can_be_assumed_and_other_mistakes_cannot() {
    let mut spec = spec(vec![
        from_column("LastName", "nmae"),
        from_column("Birthday__c", "born_on"),
    ]);
    let (plan, overlooked) = compile_assuming(&spec, &table(), &object(&["LastName"])).unwrap();
    assert_eq!(plan.columns, ["id", "nmae", "born_on"]);
    let pages: Vec<&str> = overlooked.iter().map(|mistake| mistake.page).collect();
    assert_eq!(pages, ["LS5001", "LS5001"]);
    let values = [Value::UInt(1), Value::Text("Doe".into()), Value::Null];
    let image = plan.map(&change(values.map(Some).into())).unwrap();
    assert_eq!(&*image.key, "1");
    spec.key_column = "uuid".into();
    assert!(compile_assuming(&spec, &table(), &object(&["LastName"])).is_ok());
    spec.fields.push(from_column("Nowhere__c", "name"));
    let mistakes = compile_assuming(&spec, &table(), &object(&["LastName"])).unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert_eq!(mistakes[0].page, "LS5002");
}

fn change(values: Vec<Option<Value>>) -> Change {
    Change {
        id: ChangeId {
            transaction: Arc::new(Transaction {
                id: TransactionId::File(FilePosition {
                    file: "binlog.000001".into(),
                    offset: 4,
                }),
                committed_at: Micros(0),
            }),
            table: Arc::new(table_name()),
            row: 0,
            route: RouteId(0),
        },
        last_of_row: true,
        operation: Operation::Insert,
        values: values.into(),
        captured_at: Micros(0),
    }
}

#[track_caller]
fn check_mistakes(spec: &MappingSpec, object: &ObjectDescribe, expected: &[(&str, &str)]) {
    let mistakes = compile(spec, &table(), object).unwrap_err();
    let found: Vec<(&str, &str)> = mistakes.iter().map(|m| (m.page, m.path.as_str())).collect();
    assert_eq!(found, expected, "{mistakes:#?}");
}

#[test]
fn every_mistake_of_a_mapping_is_reported_at_once() {
    let fields = vec![
        from_column("LastName", "nmae"),
        from_column("Compani", "company"),
        from_column("CreatedDate", "born"),
        from_column("Birthday__c", "photo"),
    ];
    check_mistakes(
        &spec(fields),
        &object(&["LastName", "Company"]),
        &[
            ("LS5001", "route[0].fields.LastName"),
            ("LS5002", "route[0].fields.Compani"),
            ("LS5005", "route[0].fields.CreatedDate"),
            ("LS5004", "route[0].fields.Birthday__c"),
            ("LS5003", "route[0].fields"),
        ],
    );
}

#[test]
fn near_misses_are_named() {
    let mistakes = compile(
        &spec(vec![from_column("LastName", "nmae")]),
        &table(),
        &object(&[]),
    )
    .unwrap_err();
    assert_eq!(mistakes[0].remedy, "did you mean \"name\"?");
}

#[test]
fn an_external_id_must_be_unique() {
    let mut object = object(&[]);
    object.fields[0].unique = false;
    check_mistakes(
        &spec(vec![]),
        &object,
        &[("LS5006", "route[0].external_id.field")],
    );
}

#[test]
fn literals_are_checked_against_their_field() {
    let constant = |field: &str, scalar| FieldSpec {
        field: field.into(),
        source: FieldSource::Constant(scalar),
        trim: true,
        on_too_long: None,
    };
    let fields = vec![
        constant("Birthday__c", Scalar::Text("soon".into())),
        constant("LastName", Scalar::Text("x".repeat(81))),
    ];
    let expected = [
        ("LS5007", "route[0].fields.Birthday__c"),
        ("LS5007", "route[0].fields.LastName"),
    ];
    check_mistakes(&spec(fields), &object(&[]), &expected);
}

#[test]
fn record_types_and_owners_are_checked_as_ids() {
    let reference = |source: &str| FieldSpec {
        field: "RecordTypeId".into(),
        source: FieldSource::RecordType(source.into()),
        trim: true,
        on_too_long: None,
    };
    let constant = |field: &str, id: &str| FieldSpec {
        field: field.into(),
        source: FieldSource::Constant(Scalar::Text(id.into())),
        trim: true,
        on_too_long: None,
    };
    let mut object = object(&[]);
    for name in ["RecordTypeId", "OwnerId"] {
        object.fields.push(field(name, FieldKind::Reference));
    }
    let plan = compile(&spec(vec![reference("partner_lead")]), &table(), &object).unwrap();
    let image = plan.map(&change(vec![Some(Value::Int(7))])).unwrap();
    assert_eq!(
        image.payload.as_ref(),
        r#"{"RecordTypeId":"012000000000001AAA"}"#
    );
    let good = [
        constant("RecordTypeId", "012000000000001"),
        constant("OwnerId", "005000000000001AAA"),
    ];
    assert!(compile(&spec(good.into()), &table(), &object).is_ok());
    let path = "route[0].fields.RecordTypeId";
    check_mistakes(
        &spec(vec![reference("Partner")]),
        &object,
        &[("LS4030", path)],
    );
    let other = vec![constant("RecordTypeId", "012000000000002AAA")];
    check_mistakes(&spec(other), &object, &[("LS4030", path)]);
    let contact = vec![constant("OwnerId", "003000000000001AAA")];
    check_mistakes(
        &spec(contact),
        &object,
        &[("LS5007", "route[0].fields.OwnerId")],
    );
    let mut misplaced = reference("Partner_Lead");
    misplaced.field = "OwnerId".into();
    check_mistakes(
        &spec(vec![misplaced]),
        &object,
        &[("LS4030", "route[0].fields.OwnerId")],
    );
}

#[test]
fn a_row_becomes_key_and_payload() {
    let fields = vec![
        from_column("LastName", "name"),
        FieldSpec {
            field: "Company".into(),
            source: FieldSource::Column {
                name: "company".into(),
                default: Some(Scalar::Text("Unknown".into())),
            },
            trim: true,
            on_too_long: None,
        },
        from_column("Birthday__c", "born"),
    ];
    let plan = compile(&spec(fields), &table(), &object(&["LastName", "Company"])).unwrap();
    assert_eq!(plan.columns, ["id", "name", "company", "born"]);
    let image = plan
        .map(&change(vec![
            Some(Value::UInt(42)),
            Some(Value::Text(" O'Hara \"Jo\" ".into())),
            Some(Value::Text("  ".into())),
            Some(Value::Date(Date {
                year: 1990,
                month: 2,
                day: 28,
            })),
        ]))
        .unwrap();
    assert_eq!(image.key.as_ref(), "42");
    let expected = r#"{"LastName":"O'Hara \"Jo\"","Company":"Unknown","Birthday__c":"1990-02-28"}"#;
    assert_eq!(image.payload.as_ref(), expected);
}

#[test]
fn an_invalid_row_names_each_problem_and_keeps_the_row() {
    let plan = simple_plan();
    let unmappable = plan.map(&change(vec![
        Some(Value::Null),
        Some(Value::Text(" ".into())),
    ]));
    let unmappable = unmappable.unwrap_err();
    let codes: Vec<&str> = unmappable
        .problems
        .iter()
        .map(|p| p.code.as_str())
        .collect();
    assert_eq!(codes, ["MISSING_ARGUMENT", "REQUIRED_FIELD_MISSING"]);
    assert_eq!(
        unmappable.image.row.as_deref(),
        Some(r#"{"id":null,"name":{"text":" "}}"#)
    );
}

#[test]
fn keys_without_case_compare_without_case() {
    let plan = simple_plan();
    let comparable = |key: &str| plan.comparable_key(&key.into());
    assert_eq!(comparable("AbC"), comparable("aBc"));
    assert_eq!(comparable("ÄbC"), comparable("äbc"));
    assert_eq!(comparable("abc").as_ref(), "abc");
}

#[track_caller]
fn check(value: Value, kind: FieldKind, expected: Result<&str, convert::Fault>) {
    let mut json = String::new();
    let result = convert::write_value(&value, &kind, true, &mut json).map(|()| json.as_str());
    assert_eq!(result, expected, "{value:?} as {kind:?}");
    if let Ok(json) = result {
        serde_json::from_str::<serde_json::Value>(json).unwrap();
    }
}

#[test]
fn values_convert_strictly() {
    use convert::Fault;
    let text = |s: &str| Value::Text(s.into());
    let chars = |max_chars| FieldKind::Text { max_chars };
    check(text("a\u{1}\n"), chars(5), Ok("\"a\\u0001\""));
    check(text("äöü"), chars(3), Ok("\"äöü\""));
    check(text("äöüß"), chars(3), Err(Fault::TooLong));
    check(text("  "), chars(3), Ok("null"));
    check(Value::Bytes(vec![1]), chars(3), Err(Fault::Type));
    check(Value::Int(-5), chars(3), Ok("\"-5\""));
    let email = FieldKind::Email { max_chars: 80 };
    check(
        text("ann@example.org"),
        email.clone(),
        Ok("\"ann@example.org\""),
    );
    for bad in [
        "ann",
        "ann@",
        "@example.org",
        "ann@example",
        "a n@example.org",
        "a@b@c.d",
        "a@b..c",
    ] {
        check(text(bad), email.clone(), Err(Fault::Email));
    }
    let plan = FieldKind::Picklist {
        max_chars: 20,
        restricted: Some(vec!["Pro".into()]),
    };
    check(text("pro"), plan.clone(), Ok("\"pro\""));
    check(text("Gold"), plan, Err(Fault::Picklist));
    check(Value::Int(1), FieldKind::Boolean, Ok("true"));
    check(text("FALSE"), FieldKind::Boolean, Ok("false"));
    check(Value::Int(2), FieldKind::Boolean, Err(Fault::Type));
    let int = FieldKind::Int { digits: 8 };
    check(Value::Int(99_999_999), int.clone(), Ok("99999999"));
    check(Value::Int(100_000_000), int.clone(), Err(Fault::Range));
    check(Value::Decimal("12.00".into()), int.clone(), Ok("12"));
    check(
        Value::Decimal("12.50".into()),
        int.clone(),
        Err(Fault::Type),
    );
    check(text("12 people"), int, Err(Fault::Type));
    let money = FieldKind::Number {
        precision: 18,
        scale: 0,
    };
    check(
        Value::Decimal("-0012.50".into()),
        money.clone(),
        Ok("-12.50"),
    );
    check(text(".5"), money.clone(), Ok("0.5"));
    check(text("1e5"), money.clone(), Err(Fault::Type));
    check(
        Value::Decimal("1234567890123456789".into()),
        money,
        Err(Fault::Range),
    );
    let date = |year, month, day| Date { year, month, day };
    check(
        Value::Date(date(2024, 2, 29)),
        FieldKind::Date,
        Ok("\"2024-02-29\""),
    );
    check(
        Value::Date(date(2023, 2, 29)),
        FieldKind::Date,
        Err(Fault::Date),
    );
    check(Value::Date(date(0, 0, 0)), FieldKind::Date, Ok("null"));
    check(
        Value::Date(date(2023, 0, 1)),
        FieldKind::Date,
        Err(Fault::Date),
    );
    check(text("2023-13-01"), FieldKind::Date, Err(Fault::Date));
    let at = DateTime {
        date: date(2026, 1, 31),
        hour: 23,
        minute: 59,
        second: 59,
        micros: 999_999,
    };
    check(
        Value::DateTime(at),
        FieldKind::DateTime,
        Ok("\"2026-01-31T23:59:59.999Z\""),
    );
    check(
        Value::Timestamp(1_500),
        FieldKind::DateTime,
        Ok("\"1970-01-01T00:00:00.001Z\""),
    );
    check(
        Value::Timestamp(1_709_164_800_000_000),
        FieldKind::DateTime,
        Ok("\"2024-02-29T00:00:00.000Z\""),
    );
    check(
        text("2026-01-31 10:00:00.5+01:00"),
        FieldKind::DateTime,
        Ok("\"2026-01-31T10:00:00.500+01:00\""),
    );
    check(text("tomorrow"), FieldKind::DateTime, Err(Fault::Type));
    check(
        text("00Q000000000001"),
        FieldKind::Reference,
        Ok("\"00Q000000000001\""),
    );
    check(text("00Q"), FieldKind::Reference, Err(Fault::Type));
}

#[test]
fn a_null_is_never_sent_to_a_field_that_knows_none() {
    let mut object = object(&[]);
    object
        .fields
        .push(field("Newsletter__c", FieldKind::Boolean));
    let spec = spec(vec![
        from_column("LastName", "name"),
        from_column("Newsletter__c", "company"),
    ]);
    let plan = compile(&spec, &table(), &object).unwrap();
    let row = vec![
        Some(Value::UInt(1)),
        Some(Value::Text("Doe".into())),
        Some(Value::Null),
    ];
    let image = plan.map(&change(row)).unwrap();
    assert_eq!(image.payload.as_ref(), r#"{"LastName":"Doe"}"#);
}

#[test]
fn only_a_sets_commas_part_the_values_of_a_multi_select_picklist() {
    let mut object = object(&[]);
    let kind = FieldKind::MultiPicklist {
        max_chars: 100,
        restricted: None,
    };
    object.fields.push(field("Topics__c", kind.clone()));
    object.fields.push(field("Names__c", kind));
    let spec = spec(vec![
        from_column("Topics__c", "topics"),
        from_column("Names__c", "name"),
    ]);
    let plan = compile(&spec, &table(), &object).unwrap();
    let row = vec![
        Some(Value::UInt(1)),
        Some(Value::Text("a,b".into())),
        Some(Value::Text("Smith, John".into())),
    ];
    let image = plan.map(&change(row)).unwrap();
    assert_eq!(
        image.payload.as_ref(),
        r#"{"Topics__c":"a;b","Names__c":"Smith, John"}"#
    );
}

#[test]
fn an_empty_literal_is_refused_where_null_is_unknown() {
    let mut object = object(&[]);
    object
        .fields
        .push(field("Newsletter__c", FieldKind::Boolean));
    let constant = FieldSpec {
        field: "Newsletter__c".into(),
        source: FieldSource::Constant(Scalar::Text(String::new())),
        trim: true,
        on_too_long: None,
    };
    check_mistakes(
        &spec(vec![constant]),
        &object,
        &[("LS5007", "route[0].fields.Newsletter__c")],
    );
}
