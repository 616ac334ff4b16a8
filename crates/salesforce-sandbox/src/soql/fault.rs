//! What is wrong with a query, and how Salesforce shows it: the words around the place, a caret, row and column.
use crate::org::Refusal;

/// Characters shown at most before the place and from it on, in whole words: what replies of real orgs come to
/// (inference).
const SHOWN_BEFORE: usize = 32;
const SHOWN_AFTER: usize = 44;

/// Why a query is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SoqlError {
    code: &'static str,
    message: String,
    /// Byte offset into the query; absent when the query as a whole is at fault.
    at: Option<usize>,
}

impl SoqlError {
    /// An error at a place of the query.
    pub(crate) fn new(code: &'static str, message: impl Into<String>, at: usize) -> SoqlError {
        SoqlError {
            code,
            message: message.into(),
            at: Some(at),
        }
    }

    /// An error of the query as a whole.
    pub(crate) fn whole(code: &'static str, message: impl Into<String>) -> SoqlError {
        SoqlError {
            code,
            message: message.into(),
            at: None,
        }
    }

    pub(crate) fn malformed(message: impl Into<String>, at: usize) -> SoqlError {
        SoqlError::new("MALFORMED_QUERY", message, at)
    }

    pub(crate) fn invalid_field(message: impl Into<String>, at: usize) -> SoqlError {
        SoqlError::new("INVALID_FIELD", message, at)
    }

    /// The refusal with its place in `query` drawn.
    pub(crate) fn refusal(&self, query: &str) -> Refusal {
        let message = match self.at {
            Some(at) => format!("{}{}", place(query, at), self.message),
            None => self.message.clone(),
        };
        Refusal::new(self.code, message)
    }
}

/// `\n{words}\n{blanks}^\nERROR at Row:1:Column:8\n`.
fn place(query: &str, at: usize) -> String {
    let mut at = at.min(query.len());
    while !query.is_char_boundary(at) {
        at -= 1;
    }
    let (before, after) = query.split_at(at);
    let row = before.matches('\n').count() + 1;
    let line_before = before.rsplit('\n').next().unwrap_or_default();
    let line_after = after.split('\n').next().unwrap_or_default();
    let shown_before = last_words(line_before);
    let shown_after = first_words(line_after);
    let column = line_before.chars().count() + 1;
    let blanks = " ".repeat(shown_before.chars().count());
    format!("\n{shown_before}{shown_after}\n{blanks}^\nERROR at Row:{row}:Column:{column}\n")
}

fn is_gap(c: char) -> bool {
    c.is_whitespace() || c == ','
}

/// The tail of `text`, which begins with a whole word.
fn last_words(text: &str) -> &str {
    let mut shown = "";
    let mut after = ' ';
    for (count, (start, c)) in text.char_indices().rev().enumerate() {
        if count == SHOWN_BEFORE {
            return if is_gap(c) && !is_gap(after) {
                text.get(start + c.len_utf8()..).unwrap_or_default()
            } else {
                shown
            };
        }
        if is_gap(c) && !is_gap(after) {
            shown = text.get(start + c.len_utf8()..).unwrap_or_default();
        }
        after = c;
    }
    text
}

/// The head of `text`, which ends with a whole word; a word that is too long is cut.
fn first_words(text: &str) -> &str {
    let mut end = None;
    let mut before = ' ';
    for (count, (start, c)) in text.char_indices().enumerate() {
        let ends_word = is_gap(c) && !is_gap(before);
        if ends_word {
            end = Some(start);
        }
        if count == SHOWN_AFTER {
            return text.get(..end.unwrap_or(start)).unwrap_or_default();
        }
        before = c;
    }
    text.trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, at: usize, shown: &str) {
        let refusal = SoqlError::malformed("wrong", at).refusal(query);
        assert_eq!(refusal.message, shown);
    }

    #[test]
    fn the_place_is_shown_with_the_words_around_it() {
        check(
            "SELECT Foo FROM Lead",
            7,
            "\nSELECT Foo FROM Lead\n       ^\nERROR at Row:1:Column:8\nwrong",
        );
        check(
            "SELECT CreatedById,LastModifiedById,Product__c,Name,Company,Phone,MobilePhone,Title FROM Lead",
            36,
            "\nCreatedById,LastModifiedById,Product__c,Name,Company,Phone,MobilePhone\n                             ^\nERROR at Row:1:Column:37\nwrong",
        );
        check(
            "SELECT Id\nFROM Bär WHERE",
            15,
            "\nFROM Bär WHERE\n     ^\nERROR at Row:2:Column:6\nwrong",
        );
    }

    #[test]
    fn any_place_of_any_query_can_be_shown() {
        let long = "x".repeat(5_000);
        for query in ["", "\n\n", "ä,ö ü", long.as_str()] {
            for at in [0, 1, 2, 3, 1_000, usize::MAX] {
                let refusal = SoqlError::malformed("wrong", at).refusal(query);
                assert!(refusal.message.len() < 600, "{}", refusal.message);
                assert!(refusal.message.ends_with("wrong"));
            }
        }
    }
}
