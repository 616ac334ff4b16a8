//! What can be told of rules without an org around them.
use super::{
    AssignmentEntry, AssignmentRule, Country, DuplicateOptions, DuplicateRule, MatchKey, Owner,
    RecordType, Rules, State, Trigger, ValidationRule, built_in_countries, duplicate,
};
use crate::config::OrgConfig;
use crate::org::id;
use crate::schema::Schema;
use crate::value::Value;

#[track_caller]
fn check_header(text: &str, version: u32, expected: [bool; 3]) {
    let [allow_save, include_record_details, run_as_current_user] = expected;
    let wanted = DuplicateOptions {
        allow_save,
        include_record_details,
        run_as_current_user,
    };
    assert_eq!(DuplicateOptions::parse(text, version), wanted, "{text}");
}

#[test]
fn the_duplicate_rule_header_is_read_with_either_separator_and_in_any_case() {
    check_header("allowSave=true", 67, [true, false, false]);
    check_header(
        "allowSave=true; includeRecordDetails=true; runAsCurrentUser=true",
        52,
        [true, true, true],
    );
    check_header(
        "ALLOWSAVE = True,includerecorddetails=FALSE",
        67,
        [true, false, false],
    );
    check_header("allowSave", 67, [false; 3]);
    check_header("allowSave=1", 67, [false; 3]);
    check_header(";;=;,useSFDCAPIDuplicate=true", 67, [false; 3]);
    check_header("", 67, [false; 3]);
    check_header("allowSave=true", 51, [false; 3]);
    check_header("allowSave=true", 0, [true, false, false]);
}

fn key(schema: &Schema, names: &[&str]) -> MatchKey {
    let rule = DuplicateRule {
        match_fields: names.iter().map(|name| (*name).into()).collect(),
        ..DuplicateRule::default()
    };
    let mut mistakes = Vec::new();
    let compiled = duplicate::compile(&[rule], schema, &mut mistakes);
    assert_eq!(mistakes, [] as [String; 0]);
    compiled[0].key().clone()
}

#[test]
fn leads_match_whatever_the_case_and_the_blanks_but_not_without_a_value() {
    let schema = Schema::new(&OrgConfig::default());
    let names = key(&schema, &["FirstName", "LastName"]);
    let first = schema.find("FirstName").unwrap();
    let of = |given: Option<&'static str>, family: &'static str| {
        names.of(|field| match given {
            Some(given) if field == first => Value::Text(given.into()),
            None if field == first => Value::Null,
            _ => Value::Text(family.into()),
        })
    };
    assert_eq!(
        of(Some("Ada  MARIA"), "Lovelace"),
        of(Some("ada maria"), "LOVELACE")
    );
    assert_ne!(
        of(Some("Ada"), "Maria Lovelace"),
        of(Some("Ada Maria"), "Lovelace")
    );
    assert_eq!(of(None, "Lovelace"), None);
}

#[track_caller]
fn check_mistakes(config: OrgConfig, expected: &[&str]) {
    let mistakes = config.mistakes();
    for wanted in expected {
        assert!(
            mistakes.iter().any(|m| m.contains(wanted)),
            "{wanted}: {mistakes:?}"
        );
    }
    assert_eq!(mistakes.len(), expected.len(), "{mistakes:?}");
}

#[test]
fn every_mistake_in_the_rules_is_told_at_once_and_by_its_key() {
    check_mistakes(
        OrgConfig {
            validation_rules: vec![
                ValidationRule {
                    active: false,
                    condition: "City =".into(),
                    ..ValidationRule::default()
                },
                ValidationRule {
                    condition: "City = null".into(),
                    message: "no".into(),
                    field: Some("Town".into()),
                    ..ValidationRule::default()
                },
            ],
            duplicate_rules: vec![
                DuplicateRule::default(),
                DuplicateRule {
                    match_fields: vec!["Nowhere".into(), "Id".into()],
                    ..DuplicateRule::default()
                },
            ],
            triggers: vec![Trigger {
                on: Vec::new(),
                fails_when: Some("1".into()),
                from_attempt: 4,
                ..Trigger::default()
            }],
            ..OrgConfig::default()
        },
        &[
            "validation_rules[0].message is empty",
            "validation_rules[0].condition: a field or a constant",
            "validation_rules[1].field: Lead has no field `Town`",
            "duplicate_rules[0].match is empty",
            "duplicate_rules[1].match: Lead has no field `Nowhere`",
            "duplicate_rules[1].match: Lead has no field `Id`",
            "triggers[0].on is empty",
            "triggers[0].from_attempt must be 1 to 3",
            "triggers[0].fails_when: a comparison",
        ],
    );
    check_mistakes(
        OrgConfig {
            assignment_rule_owner: Some("somebody".into()),
            assignment_rules: vec![
                AssignmentRule {
                    id: Some("00Q".into()),
                    active: true,
                    entries: vec![AssignmentEntry {
                        condition: Some("City".into()),
                        owner: id::record_type(0),
                    }],
                    ..AssignmentRule::default()
                },
                AssignmentRule {
                    active: true,
                    ..AssignmentRule::default()
                },
            ],
            owners: vec![Owner::default()],
            record_types: vec![
                RecordType {
                    id: Some("x".into()),
                    default: true,
                    ..RecordType::default()
                },
                RecordType {
                    name: "Partner".into(),
                    default: true,
                    ..RecordType::default()
                },
            ],
            countries: vec![Country {
                code: "DE".into(),
                name: "Germany".into(),
                states: vec![State::default()],
            }],
            ..OrgConfig::default()
        },
        &[
            "assignment_rule_owner `somebody` is no id that begins with 005 or 00G",
            "assignment_rules[0].id `00Q` is no id that begins with 01Q",
            "assignment_rules[0].entries[0].owner",
            "assignment_rules[0].entries[0].condition: a comparison",
            "assignment_rules: only one can be active",
            "owners[0].id",
            "record_types[0].name is empty",
            "record_types[0].id",
            "record_types: only one can be the default",
            "countries[0]: a country or state lacks its code or its name",
        ],
    );
}

#[test]
fn the_header_chooses_the_assignment_rule() {
    let rule = |active| AssignmentRule {
        active,
        entries: vec![AssignmentEntry {
            condition: None,
            owner: id::user(0),
        }],
        ..AssignmentRule::default()
    };
    let config = OrgConfig {
        assignment_rules: vec![rule(false), rule(true)],
        ..OrgConfig::default()
    };
    let rules = Rules::compile(&config, &Schema::new(&config))
        .unwrap()
        .assignments;
    let chosen = |header: Option<&str>| {
        rules
            .for_header(header)
            .map(|rule| rule.map(|rule| format!("{rule:?}")))
            .map_err(|refusal| refusal.code)
    };
    let active = chosen(None).unwrap();
    assert!(active.is_some());
    assert_eq!(chosen(Some(" TRUE ")).unwrap(), active);
    assert_eq!(chosen(Some("False")).unwrap(), None);
    let by_id = chosen(Some(&id::assignment_rule(0)[..15])).unwrap();
    assert!(
        by_id.is_some() && by_id != active,
        "inactive rules run by their id"
    );
    assert_eq!(chosen(Some(&id::assignment_rule(1))).unwrap(), active);
    for wrong in ["maybe", "01Q", &id::assignment_rule(2), &id::user(0), ""] {
        assert_eq!(
            chosen(Some(wrong)).unwrap_err(),
            "INVALID_ASSIGNMENT_RULE",
            "{wrong}"
        );
    }
    let none = OrgConfig::default();
    let none = Rules::compile(&none, &Schema::new(&none))
        .unwrap()
        .assignments;
    assert!(none.for_header(None).unwrap().is_none());
    assert!(none.by_id(&id::assignment_rule(0)).is_err());
}

#[test]
fn built_in_countries_have_codes_of_their_own() {
    let countries = built_in_countries();
    for (i, country) in countries.iter().enumerate() {
        assert!(
            countries[..i].iter().all(|c| c.code < country.code),
            "{}",
            country.code
        );
        let states = &country.states;
        for (n, state) in states.iter().enumerate() {
            let others = &states[..n];
            assert!(
                others
                    .iter()
                    .all(|s| s.code != state.code && s.name != state.name)
            );
        }
    }
}
