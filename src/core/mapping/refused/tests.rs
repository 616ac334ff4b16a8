//! What is told of refused values, by what fills the field.

use super::*;

const ROW: &str = r#"{"id":{"int":7},"state":{"text":" Bayern "},"born":{"date":[1815,12,10]},"topics":{"text":"a,b"},"blank":{"text":"  "},"none":null,"photo":{"bytes":"00ff"},"gone":"absent","odd":"unreadable"}"#;

fn column(name: &str) -> FieldOrigin {
    FieldOrigin::Column {
        column: name.into(),
        trim: true,
        is_set: name == "topics",
    }
}

#[track_caller]
fn check(name: &str, expected: Option<&str>) {
    let row = KeptRow::read(ROW).unwrap();
    let expected = expected.map(|text| Refused::Text(text.to_owned()));
    assert_eq!(row.refused(&column(name)), expected, "{name}");
}

#[test]
fn a_refused_value_reads_as_the_mapping_tried_to_send_it() {
    check("state", Some("Bayern"));
    check("STATE", Some("Bayern"));
    check("born", Some("1815-12-10"));
    check("topics", Some("a;b"));
    check("photo", Some("0x00ff"));
    for nothing in ["blank", "none", "gone", "odd", "unknown"] {
        check(nothing, None);
    }
    let computed = FieldOrigin::Computed {
        columns: vec!["state".into(), "born".into()],
    };
    let row = KeptRow::read(ROW).unwrap();
    let from = Refused::ComputedFrom(vec!["state".into(), "born".into()]);
    assert_eq!(row.refused(&computed), Some(from));
    assert_eq!(row.refused(&FieldOrigin::Constant), None);
    let texts: BTreeMap<String, String> = row.texts().into_iter().collect();
    assert_eq!(texts["state"], " Bayern ");
    assert_eq!(
        (texts["none"].as_str(), &*texts["odd"]),
        ("", "(cannot be read)")
    );
    assert!(!texts.contains_key("gone"));
    assert!(KeptRow::read("[]").is_none());
}

#[test]
fn what_is_sent_or_edited_is_not_refused() {
    let plan = crate::core::mapping::tests::plan_of_column("name");
    let row = r#"{"id":{"int":7},"name":{"text":"Doe"}}"#;
    let refused = plan.refused(row, &BTreeSet::new());
    assert_eq!(refused, BTreeMap::from([("LastName".into(), "Doe".into())]));
    let settled = BTreeSet::from(["LastName".to_owned()]);
    assert_eq!(plan.refused(row, &settled), BTreeMap::new());
    // As versions before 0.2 kept it.
    let texts = plan.refused(r#"{"id":"7","name":"Doe"}"#, &BTreeSet::new());
    assert_eq!(texts["LastName"], "Doe");
    assert_eq!(plan.refused("no row", &BTreeSet::new()), BTreeMap::new());
}
