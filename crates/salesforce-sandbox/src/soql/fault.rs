//! What is wrong with a query, and how Salesforce shows it: the words around the place, a caret, row and column.
use crate::org::Refusal;

/// Words of the query that are shown before and after the one at fault.
const WORDS_AROUND: usize = 2;
/// Characters shown at most on either side, whatever the words are.
const MAX_SHOWN: usize = 120;

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

/// The tail of `text` that holds its last words.
fn last_words(text: &str) -> &str {
    let mut words = 0;
    let mut inside = false;
    for (count, (start, c)) in text.char_indices().rev().enumerate() {
        if is_gap(c) {
            words += usize::from(inside);
            inside = false;
        } else {
            inside = true;
        }
        if words == WORDS_AROUND || count == MAX_SHOWN {
            return text.get(start + c.len_utf8()..).unwrap_or_default();
        }
    }
    text
}

/// The head of `text` that holds the word at fault and the next ones.
fn first_words(text: &str) -> &str {
    let mut words = 0;
    let mut inside = false;
    for (count, (start, c)) in text.char_indices().enumerate() {
        if is_gap(c) {
            words += usize::from(inside);
            inside = false;
        } else {
            inside = true;
        }
        if words > WORDS_AROUND || count == MAX_SHOWN {
            return text.get(..start).unwrap_or_default();
        }
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
    fn the_place_is_shown_with_two_words_on_either_side() {
        check(
            "SELECT Foo FROM Lead",
            7,
            "\nSELECT Foo FROM Lead\n       ^\nERROR at Row:1:Column:8\nwrong",
        );
        check(
            "SELECT Id,Name,Foo,Title,Company,Phone FROM Lead",
            15,
            "\nId,Name,Foo,Title,Company\n        ^\nERROR at Row:1:Column:16\nwrong",
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
