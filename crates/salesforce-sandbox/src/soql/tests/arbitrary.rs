//! Whatever a query says: an answer or a refusal, never a panic.
use proptest::prelude::*;

use super::*;

/// Words that queries are made of, so that random ones get beyond the first token.
const VOCABULARY: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "AND",
    "OR",
    "NOT",
    "IN",
    "LIKE",
    "ORDER",
    "BY",
    "GROUP",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "NULLS",
    "FIRST",
    "LAST",
    "ASC",
    "DESC",
    "COUNT",
    "MAX",
    "SUM",
    "FIELDS",
    "ALL",
    "Lead",
    "l",
    "Id",
    "LastName",
    "Score__c",
    "CreatedDate",
    "Newsletter__c",
    "Owner",
    "Name",
    "Description",
    "null",
    "true",
    "TODAY",
    "LAST_N_DAYS",
    ":",
    "7",
    "-1.5e3",
    "2026-01-01",
    "2026-01-01T00:00:00Z",
    "'x'",
    "''",
    "'\\u00e9%'",
    "'\\q'",
    "'",
    "(",
    ")",
    ",",
    ".",
    "=",
    "!=",
    "<",
    ">=",
    "*",
    "é",
    "\n",
];

/// Goes the whole way of a query, as far as it gets.
fn answer(objects: &Objects, query: &str) {
    match objects.plan(query) {
        Err(error) => {
            let refusal = error.refusal(query);
            assert!(refusal.message.len() < query.len() + 1_000);
        }
        Ok(plan) => {
            let rows = [Plain::new(objects, Vec::new())];
            run(&plan, &rows);
            if let Output::Groups(grouping) = &plan.output {
                let mut groups = Groups::default();
                groups.add(grouping, &rows[0]);
                groups.finish(&plan, grouping, &plenty());
            }
        }
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}", tail in any::<String>()) {
        let objects = Objects::demo();
        answer(&objects, &text);
        answer(&objects, &tail);
        answer(&objects, &format!("SELECT Id FROM Lead WHERE {text}"));
    }

    #[test]
    fn no_order_of_words_panics(
        words in proptest::collection::vec(proptest::sample::select(VOCABULARY), 0..30),
        spaced in any::<bool>(),
    ) {
        let objects = Objects::demo();
        let text = words.join(if spaced { " " } else { "" });
        answer(&objects, &text);
        answer(&objects, &format!("SELECT Id FROM Lead {text}"));
        answer(&objects, &format!("SELECT Id FROM Lead WHERE LastName {text}"));
        answer(&objects, &format!("SELECT LastName, COUNT(Id) FROM Lead GROUP BY LastName {text}"));
    }
}
