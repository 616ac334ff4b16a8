//! Filters, expressions, templates, value maps and cut texts, from their specs to payloads.

use super::*;

fn expression(field: &str, text: &str) -> FieldSpec {
    FieldSpec {
        source: FieldSource::Expression {
            text: text.into(),
            default: None,
        },
        ..from_column(field, "")
    }
}

fn template(field: &str, text: &str) -> FieldSpec {
    FieldSpec {
        source: FieldSource::Template {
            text: text.into(),
            default: None,
        },
        ..from_column(field, "")
    }
}

fn map(field: &str, column: &str, pairs: &[(&str, &str)], unmapped: Unmapped) -> FieldSpec {
    let pair = |(key, value): &(&str, &str)| ((*key).into(), Scalar::Text((*value).into()));
    FieldSpec {
        source: FieldSource::Map {
            column: column.into(),
            pairs: pairs.iter().map(pair).collect(),
            unmapped,
            default: None,
        },
        ..from_column(field, "")
    }
}

fn wide() -> ObjectDescribe {
    let mut object = object(&[]);
    object.fields.push(field("Active__c", FieldKind::Boolean));
    let score = FieldKind::Int { digits: 8 };
    object.fields.push(field("Score__c", score));
    let email = FieldKind::Email { max_chars: 10 };
    object.fields.push(field("Email", email));
    object
}

/// Of `spec` a plan, of the row (id, name, company, …) the payload.
fn plan_of(fields: Vec<FieldSpec>) -> Plan {
    compile(&spec(fields), &table(), &wide()).unwrap()
}

fn row(plan: &Plan, values: &[(&str, Option<Value>)]) -> Change {
    let value = |column: &String| {
        let found = values.iter().find(|(name, _)| name == column);
        found.map_or(Some(Value::Null), |(_, value)| value.clone())
    };
    change(plan.columns.iter().map(value).collect())
}

fn text(text: &str) -> Option<Value> {
    Some(Value::Text(text.into()))
}

#[track_caller]
fn check(fields: Vec<FieldSpec>, values: &[(&str, Option<Value>)], expected: &str) {
    let plan = plan_of(fields);
    let mut values = values.to_vec();
    values.push(("id", Some(Value::UInt(1))));
    let payload = match plan.map(&row(&plan, &values)) {
        Ok(image) => image.payload.to_string(),
        Err(unmappable) => unmappable.problems[0].code.clone(),
    };
    assert_eq!(payload, expected);
}

#[test]
fn expressions_fill_fields_with_their_types() {
    let fields = || {
        vec![
            expression("LastName", "name + ', ' + coalesce(company, '-')"),
            expression("Active__c", "company == null"),
            expression("Score__c", "size(name)"),
            expression("Birthday__c", "born"),
        ]
    };
    let born = Some(Value::Date(Date {
        year: 1990,
        month: 2,
        day: 28,
    }));
    check(
        fields(),
        &[("name", text("Äda")), ("born", born)],
        r#"{"LastName":"Äda, -","Active__c":true,"Score__c":3,"Birthday__c":"1990-02-28"}"#,
    );
    check(fields(), &[], "EXPRESSION_FAILED");
}

#[test]
fn templates_take_null_for_empty_and_are_trimmed() {
    let fields = || {
        vec![
            template("LastName", "{name} {company}"),
            template("Company", "{{{id}}}"),
        ]
    };
    check(
        fields(),
        &[("name", text("Ada"))],
        r#"{"LastName":"Ada","Company":"{1}"}"#,
    );
    check(fields(), &[], r#"{"LastName":null,"Company":"{1}"}"#);
}

#[test]
fn value_maps_translate_keep_replace_or_refuse() {
    let pairs = [("DE", "Germany"), ("AT", "Austria")];
    let fields = |unmapped| vec![map("Company", "company", &pairs, unmapped)];
    let germany = r#"{"Company":"Germany"}"#;
    check(
        fields(Unmapped::DeadLetter),
        &[("company", text(" DE "))],
        germany,
    );
    check(
        fields(Unmapped::DeadLetter),
        &[("company", text("de"))],
        "VALUE_NOT_MAPPED",
    );
    check(fields(Unmapped::DeadLetter), &[], r#"{"Company":null}"#);
    check(
        fields(Unmapped::Keep),
        &[("company", text("FR"))],
        r#"{"Company":"FR"}"#,
    );
    let other = Unmapped::Otherwise(Scalar::Text("Other".into()));
    check(
        fields(other.clone()),
        &[("company", text("FR"))],
        r#"{"Company":"Other"}"#,
    );
    check(fields(other), &[], r#"{"Company":null}"#);
}

#[test]
fn long_texts_are_cut_between_characters_and_only_where_that_is_asked_for() {
    let long = "ä".repeat(79) + "  " + "z";
    let values = [("name", text(&long))];
    check(
        vec![from_column("LastName", "name")],
        &values,
        "STRING_TOO_LONG",
    );
    let cut = FieldSpec {
        on_too_long: Some(OnTooLong::Truncate),
        ..from_column("LastName", "name")
    };
    let expected = format!(r#"{{"LastName":"{}"}}"#, "ä".repeat(79));
    check(vec![cut], &values, &expected);

    let mut of_route = spec(vec![
        from_column("LastName", "name"),
        from_column("Email", "company"),
    ]);
    of_route.on_too_long = OnTooLong::Truncate;
    let plan = compile(&of_route, &table(), &wide()).unwrap();
    let long_mail = row(
        &plan,
        &[
            ("id", Some(Value::Int(1))),
            ("company", text("ada@lovelace.example")),
        ],
    );
    let problems = plan.map(&long_mail).unwrap_err().problems;
    assert_eq!(
        problems[0].code, "STRING_TOO_LONG",
        "an address is never cut"
    );
}

#[test]
fn what_a_row_image_lacks_leaves_the_field_alone_or_holds_the_record_back() {
    let fields = vec![
        template("LastName", "{id} {name} {company}"),
        expression("Score__c", "size(name)"),
    ];
    let plan = plan_of(fields);
    let update = |name: Option<Value>, company: Option<Value>| {
        let id = Some(Value::UInt(7));
        let mut change = row(&plan, &[("id", id), ("name", name), ("company", company)]);
        change.operation = Operation::Update;
        plan.map(&change)
    };
    assert_eq!(&*update(None, None).unwrap().payload, "{}");
    let whole = update(text("a"), text("b")).unwrap();
    assert_eq!(&*whole.payload, r#"{"LastName":"7 a b","Score__c":1}"#);
    let held = update(None, text("b")).unwrap_err().problems;
    assert_eq!(held[0].code, "INCOMPLETE_ROW");
    assert!(held[0].message.contains("lacks name"), "{held:?}");
}

#[test]
fn a_filter_says_yes_no_or_that_it_cannot_say() {
    let mut filtered = spec(vec![from_column("LastName", "name")]);
    filtered.filter = Some("company == 'Acme' || born > \"2000-01-01\"".into());
    let plan = compile(&filtered, &table(), &wide()).unwrap();
    assert_eq!(plan.columns, ["id", "name", "company", "born"]);
    let of = |company: Option<Value>, born: Option<Value>| {
        let id = ("id", Some(Value::UInt(1)));
        let row = row(&plan, &[id, ("company", company), ("born", born)]);
        plan.leaves_out(&row)
    };
    let born = |year| {
        Some(Value::Date(Date {
            year,
            month: 1,
            day: 2,
        }))
    };
    assert_eq!(of(text("Acme"), Some(Value::Null)), Ok(false));
    assert_eq!(of(text("Acme"), None), Ok(false));
    assert_eq!(of(text("Other"), born(2001)), Ok(false));
    assert_eq!(of(text("Other"), born(1999)), Ok(true));
    for (born, reason) in [(Some(Value::Null), "born is NULL"), (None, "lacks born")] {
        let undecided = of(text("Secret"), born).unwrap_err();
        let problem = &undecided.problems[0];
        assert_eq!(problem.code, "FILTER_UNDECIDED");
        assert!(
            problem.message.starts_with("route[0].where says neither"),
            "{problem:?}"
        );
        assert!(problem.message.contains(reason), "{problem:?}");
        assert!(!problem.message.contains("Secret"), "{problem:?}");
        assert_eq!(&*undecided.image.key, "1");
        assert!(undecided.image.row.unwrap().contains("Secret"));
    }
}

#[test]
fn mistakes_point_into_the_configuration() {
    let mut bad = spec(vec![
        expression("LastName", "'a' + nmae"),
        expression("Birthday__c", "size(name)"),
        expression("Score__c", "name + "),
        expression("Active__c", "name + 1"),
        template("Company", "{nmae}"),
    ]);
    bad.filter = Some("size(name)".into());
    let mistakes = compile(&bad, &table(), &wide()).unwrap_err();
    let found: Vec<(&str, &str)> = mistakes
        .iter()
        .map(|mistake| (mistake.page, mistake.path.as_str()))
        .collect();
    let expected = [
        ("LS5001", "route[0].fields.LastName.expression"),
        ("LS5004", "route[0].fields.Birthday__c.expression"),
        ("LS4020", "route[0].fields.Score__c.expression"),
        ("LS4021", "route[0].fields.Active__c.expression"),
        ("LS5001", "route[0].fields.Company.template"),
        ("LS4021", "route[0].where"),
    ];
    assert_eq!(found, expected, "{mistakes:#?}");
    assert_eq!(mistakes[0].text, "column 7: unknown column \"nmae\"");
    assert_eq!(mistakes[0].remedy, "did you mean \"name\"?");
}

#[test]
fn maps_and_cuts_that_cannot_be_meant_are_refused() {
    let truncate = |name: &str, column: &str| FieldSpec {
        on_too_long: Some(OnTooLong::Truncate),
        ..from_column(name, column)
    };
    let bad = spec(vec![
        map(
            "Score__c",
            "name",
            &[("a", "1"), ("b", "many")],
            Unmapped::Keep,
        ),
        map("LastName", "photo", &[("a", "b")], Unmapped::DeadLetter),
        map("Company", "id", &[("one", "b")], Unmapped::DeadLetter),
        truncate("Email", "company"),
    ]);
    let mistakes = compile(&bad, &table(), &wide()).unwrap_err();
    let found: Vec<(&str, &str)> = mistakes
        .iter()
        .map(|mistake| (mistake.page, mistake.path.as_str()))
        .collect();
    let expected = [
        ("LS5007", "route[0].fields.Score__c.map.b"),
        ("LS4023", "route[0].fields.LastName.map"),
        ("LS4023", "route[0].fields.Company.map"),
        ("LS4024", "route[0].fields.Email.on_too_long"),
    ];
    assert_eq!(found, expected, "{mistakes:#?}");
}

#[test]
fn a_filter_outlives_a_column_that_is_gone() {
    let mut filtered = spec(vec![from_column("LastName", "name")]);
    filtered.filter = Some("price > 99.8999".into());
    let (plan, overlooked) = compile_assuming(&filtered, &table(), &wide()).unwrap();
    assert_eq!(overlooked.len(), 1);
    // Its type is not known, and the row's own value is compared as what it is.
    let price = |text: &str| Some(Value::Decimal(text.into()));
    let left_out = |value| {
        let id = ("id", Some(Value::UInt(1)));
        plan.leaves_out(&row(&plan, &[id, ("price", value)]))
    };
    assert_eq!(left_out(price("99.9")), Ok(false));
    assert_eq!(left_out(price("99.8")), Ok(true));
    assert!(left_out(text("cheap")).is_err());
}
