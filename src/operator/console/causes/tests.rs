//! Every code has words of its own, and what nobody knows is still told clearly.

use super::*;
use crate::core::outcome::ErrorClass;

/// The codes that delivery judges: read as text, because the operator does not know delivery.
const JUDGED: &str = include_str!("../../../delivery/codes.rs");

fn every_code() -> impl Iterator<Item = &'static str> {
    let (_, table) = JUDGED.split_once("\nrules! {\n").unwrap();
    let words = table.lines().filter_map(|line| line.trim().split_once(' '));
    let codes = words.map(|(code, _)| code);
    codes.filter(|code| {
        code.bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
    })
}

/// What salesforce-facts section 7 names beside the codes that are judged one by one, and what the
/// mapping and the pipeline give.
const MORE: &[&str] = &[
    "InvalidBatch",
    "ClientInputError",
    "TooManyLockFailure",
    "Timeout",
    "InternalServerError",
    "ExceededQuota",
    "KEY_NOT_IN_ROW_IMAGE",
    "INCOMPLETE_ROW",
    "EXPRESSION_FAILED",
    "VALUE_NOT_MAPPED",
    "FILTER_UNDECIDED",
    "UNREADABLE_ROW",
    "PROTOCOL",
    "NO_RESULT",
];

#[test]
fn every_code_has_words_of_its_own() {
    assert!(every_code().count() > 75, "{}", every_code().count());
    for code in every_code().chain(MORE.iter().copied()) {
        let known = CODES.iter().filter(|it| it.0.eq_ignore_ascii_case(code));
        assert_eq!(known.count(), 1, "{code}");
        let told = cause("unknown", code, "State");
        assert_ne!(told.says, ANY.1, "{code}");
    }
    for class in ErrorClass::ALL {
        let known = CLASSES.iter().filter(|it| it.0 == class.as_str());
        assert_eq!(known.count(), 1, "{class:?}");
    }
}

#[test]
fn words_are_sentences_without_loose_ends() {
    for (code, says, todo, _) in CODES.iter().chain(CLASSES).chain([&ANY]) {
        assert!(todo.ends_with('.'), "{code}: {todo}");
        assert!(!says.ends_with('.'), "{code}: {says}");
        for field in ["", "Last Name"] {
            let told = told_of(says, field);
            assert!(!told.contains(['{', '}']), "{code}: {told}");
            let first = told.chars().next();
            assert!(first.is_some_and(char::is_uppercase), "{code}: {told}");
        }
    }
}

#[test]
fn a_cause_names_its_field_and_falls_back_to_its_class() {
    let picklist = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST";
    assert_eq!(
        cause("data", picklist, "State").says,
        "State is not in the list"
    );
    assert_eq!(
        cause("data", picklist, "").says,
        "A value is not in the list"
    );
    let new = cause("duplicate", "A_CODE_OF_NEXT_YEAR", "");
    assert_eq!(new.says, "Salesforce already has this person");
    let nothing = cause("a class of next year", "A_CODE_OF_NEXT_YEAR", "State");
    assert_eq!(nothing.says, ANY.1);
    assert_eq!(nothing.who.text(), "Sales operations");
}

#[test]
fn fields_read_as_people_name_them() {
    let read = ["LastName", "Plan__c", "MySQL_Id__c", "State", "", "<b>"].map(label);
    assert_eq!(read, ["Last Name", "Plan", "My SQL Id", "State", "", "<b>"]);
}
