//! What conditions say of leads, and which texts are no conditions.
use std::collections::HashMap;

use super::{Expression, Sight};
use crate::config::OrgConfig;
use crate::schema::Schema;
use crate::value::Value;

struct Lead {
    before: Option<HashMap<u16, Value<'static>>>,
    after: HashMap<u16, Value<'static>>,
}

impl Sight for Lead {
    fn value(&self, field: u16) -> Value<'_> {
        self.after.get(&field).cloned().unwrap_or(Value::Null)
    }

    fn prior(&self, field: u16) -> Option<Value<'_>> {
        let before = self.before.as_ref()?;
        Some(before.get(&field).cloned().unwrap_or(Value::Null))
    }

    fn is_new(&self) -> bool {
        self.before.is_none()
    }
}

fn schema() -> Schema {
    Schema::new(&OrgConfig::default())
}

fn values(schema: &Schema, list: &[(&str, Value<'static>)]) -> HashMap<u16, Value<'static>> {
    list.iter()
        .map(|(name, value)| (schema.find(name).unwrap(), value.clone()))
        .collect()
}

fn text(text: &str) -> Value<'static> {
    Value::Text(text.to_owned().into())
}

#[track_caller]
fn check(condition: &str, expected: bool) {
    let schema = schema();
    let before = values(
        &schema,
        &[("City", text("Bonn")), ("Company", text("Acme"))],
    );
    let after = values(
        &schema,
        &[
            ("City", text("Köln")),
            ("Company", text("Acme")),
            ("Country", text("DE")),
            ("AnnualRevenue", Value::Number(-5.0)),
            ("NumberOfEmployees", Value::Int(12)),
            ("Newsletter__c", Value::Boolean(true)),
            ("Birthday__c", Value::Date(10_957)),
            ("Signup_At__c", Value::DateTime(946_684_800_000)),
        ],
    );
    let lead = Lead {
        before: Some(before),
        after,
    };
    let compiled = Expression::compile(condition, &schema).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(compiled.holds(&lead), expected, "{condition}");
}

#[track_caller]
fn check_mistake(condition: &str, expected: &str) {
    let mistake = Expression::compile(condition, &schema()).unwrap_err();
    assert!(mistake.contains(expected), "{condition}: {mistake}");
}

#[test]
fn comparisons_of_every_type() {
    check("AnnualRevenue < 0", true);
    check("AnnualRevenue >= -5", true);
    check("NumberOfEmployees = 12.0", true);
    check("NumberOfEmployees <> 12", false);
    check("13 > NumberOfEmployees", true);
    check("City = \"Köln\"", true);
    check("city == 'köln'", false);
    check("Country in (\"AT\", 'DE')", true);
    check("NumberOfEmployees in (1, 2)", false);
    check("Newsletter__c", true);
    check("Newsletter__c = false", false);
    check("Birthday__c = '2000-01-01'", true);
    check("'2000-01-02' <= Birthday__c", false);
    check("Signup_At__c > '1999-12-31T23:59:59+01:00'", true);
}

#[test]
fn null_equals_null_alone_and_has_no_order() {
    check("PostalCode = null", true);
    check("PostalCode = \"\"", true);
    check("City != null", true);
    check("PostalCode != 'x'", true);
    check("PostalCode < 'x' or PostalCode >= 'x'", false);
    check("PostalCode in ('x', null)", true);
    check("Score__c > 0 or Score__c <= 0", false);
}

#[test]
fn and_binds_closer_than_or_and_not_closest() {
    check("true = true or true = false and true = false", true);
    check("(true = true or true = false) and true = false", false);
    check("not Newsletter__c or City = 'Köln'", true);
    check("NOT (Newsletter__c OR City = 'Köln')", false);
    check(
        "AnnualRevenue < 0 or (Country = \"DE\" and PostalCode = null)",
        true,
    );
}

#[test]
fn texts_are_searched() {
    check("City contains 'öl'", true);
    check("City begins 'K'", true);
    check("City ends 'K'", false);
    check("PostalCode contains '1'", false);
    check("Company = 'Ac\\me'", true);
}

#[test]
fn functions_look_at_the_write() {
    check("is_changed(City)", true);
    check("is_changed(Company)", false);
    check("is_changed(PostalCode)", false);
    check("prior(City) = 'Bonn'", true);
    check("prior(Country) = null", true);
    check("length(City) = 4 and length(PostalCode) = 0", true);
    check("is_new()", false);
    let schema = schema();
    let new = Lead {
        before: None,
        after: values(&schema, &[("City", text("Bonn"))]),
    };
    let holds = |text| Expression::compile(text, &schema).unwrap().holds(&new);
    assert!(holds(
        "is_new() and not is_changed(City) and prior(City) = null"
    ));
}

#[test]
fn what_is_no_condition_is_told_with_its_place() {
    check_mistake("", "expected at the end");
    check_mistake("City", "a comparison was expected at the end");
    check_mistake("City = ", "a field or a constant was expected at the end");
    check_mistake("City = 'x", "does not end");
    check_mistake("City = 1", "column 1 is of different types");
    check_mistake("City = 'x' or AnnualRevenue = 'x'", "column 15");
    check_mistake("Newsletter__c < true", "no order");
    check_mistake("City < null", "no order");
    check_mistake("Nowhere = 1", "no field `Nowhere`");
    check_mistake("Address = null", "no field `Address`");
    check_mistake("half(City) = 1", "no function `half`");
    check_mistake("length(AnnualRevenue) = 1", "only texts have a length");
    check_mistake("City = 'x' City", "the end was expected at column 12");
    check_mistake("(City = 'x'", "`)` was expected at the end");
    check_mistake("City in ()", "expected at column 10");
    check_mistake("City in (1)", "type of what is before it");
    check_mistake("City contains Company", "looked for in a text");
    check_mistake("AnnualRevenue = 1.2.3", "no number at column 17");
    check_mistake("City = #", "`#` at column 8");
    check_mistake("Birthday__c = 'tomorrow'", "different types");
}

#[test]
fn no_text_exhausts_the_stack_or_panics() {
    check_mistake(&"(".repeat(9_000), "levels deep");
    check_mistake(&"not ".repeat(2_000), "levels deep");
    check_mistake(&"x".repeat(10_001), "at most 10000 bytes");
    let schema = schema();
    let alphabet = [
        "(", ")", "City", "=", "<", "'", "\\", "and", "or", "not", "in", ",", "1", "-", ".", "ü",
        "null", "length", "\u{0}", " ",
    ];
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..12 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            text.push_str(alphabet[(state >> 33) as usize % alphabet.len()]);
        }
        if let Ok(condition) = Expression::compile(&text, &schema) {
            let nobody = Lead {
                before: None,
                after: HashMap::new(),
            };
            // Its value does not matter; having one does.
            let _ = condition.holds(&nobody);
        }
    }
}
