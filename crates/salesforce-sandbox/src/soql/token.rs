//! The words of a query: a text of bounded length into tokens with their places.
//!
//! Invariant: tokens are slices of the query; nothing is copied, and every byte of a query is looked at once.
use super::SoqlError;

/// Longest query (facts of the SOQL reference: 100,000 characters).
pub(crate) const MAX_QUERY_CHARACTERS: usize = 100_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or a keyword.
    Word,
    Number,
    /// `2026-01-01`, not yet checked to be a day.
    Date,
    /// `2026-01-01T…`, not yet checked.
    DateTime,
    /// Quoted; the text holds the quotes and the escapes.
    Text,
    Symbol,
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'q> {
    pub(crate) kind: Kind,
    pub(crate) text: &'q str,
    /// Byte offset into the query.
    pub(crate) at: usize,
}

impl Token<'_> {
    /// Keywords are not case sensitive.
    pub(crate) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    pub(crate) fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    /// The refusal of a token that may not stand where it stands.
    pub(crate) fn unexpected(&self) -> SoqlError {
        let shown = match self.kind {
            Kind::End => "<EOF>",
            _ => self.text,
        };
        SoqlError::malformed(format!("unexpected token: '{shown}'"), self.at)
    }
}

/// Splits a query; the last token is [`Kind::End`].
pub(crate) fn tokens(query: &str) -> Result<Vec<Token<'_>>, SoqlError> {
    // A text of that many bytes has no more characters; counting is for the rest.
    if query.len() > MAX_QUERY_CHARACTERS && query.chars().count() > MAX_QUERY_CHARACTERS {
        let text =
            format!("SOQL statements cannot be longer than {MAX_QUERY_CHARACTERS} characters.");
        return Err(SoqlError::whole("MALFORMED_QUERY", text));
    }
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = query[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let token = token(query, at, first)?;
        at += token.text.len();
        found.push(token);
    }
    found.push(Token {
        kind: Kind::End,
        text: "",
        at: query.len(),
    });
    Ok(found)
}

/// The token that starts at `at` with `first`; it is never empty.
fn token(query: &str, at: usize, first: char) -> Result<Token<'_>, SoqlError> {
    let rest = &query[at..];
    let (kind, length) = match first {
        'A'..='Z' | 'a'..='z' | '_' => {
            let part_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            (Kind::Word, run(rest, part_of_word))
        }
        '\'' => match quoted(rest) {
            Some(length) => (Kind::Text, length),
            None => {
                let text = "Invalid string literal: the closing quote is missing.";
                return Err(SoqlError::malformed(text, at));
            }
        },
        '0'..='9' => number_or_date(rest),
        '+' | '-' if rest[1..].starts_with(|c: char| c.is_ascii_digit() || c == '.') => {
            (Kind::Number, 1 + number(&rest[1..]))
        }
        _ => (Kind::Symbol, symbol(rest, first)),
    };
    // Every branch ends at a character it has looked at, so the slice exists.
    let text = rest.get(..length).unwrap_or(rest);
    Ok(Token { kind, text, at })
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// Bytes up to and with the closing quote.
fn quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn number_or_date(text: &str) -> (Kind, usize) {
    let b = text.as_bytes();
    let is_digit = |at: usize| b.get(at).is_some_and(u8::is_ascii_digit);
    let is_date = (0..4).all(is_digit) && b.get(4) == Some(&b'-') && is_digit(5);
    if !is_date {
        return (Kind::Number, number(text));
    }
    let length = run(text, |c| c.is_ascii_alphanumeric() || "-+:.".contains(c));
    let kind = if text[..length].contains(['T', 't']) {
        Kind::DateTime
    } else {
        Kind::Date
    };
    (kind, length)
}

/// Digits, a fraction, an exponent; letters right behind belong to it and make it no number.
fn number(text: &str) -> usize {
    let mut before = ' ';
    let mut length = 0;
    for c in text.chars() {
        let sign_of_exponent = matches!(c, '+' | '-') && matches!(before, 'e' | 'E');
        if !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || sign_of_exponent) {
            break;
        }
        before = c;
        length += c.len_utf8();
    }
    length
}

fn symbol(text: &str, first: char) -> usize {
    let two = ["!=", "<>", "<=", ">="];
    if two.iter().any(|symbol| text.starts_with(symbol)) {
        2
    } else {
        first.len_utf8()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: &[(Kind, &str)]) {
        let found = tokens(query).unwrap();
        let found: Vec<(Kind, &str)> = found.iter().map(|t| (t.kind, t.text)).collect();
        let mut expected = expected.to_vec();
        expected.push((Kind::End, ""));
        assert_eq!(found, expected, "{query}");
    }

    #[test]
    fn words_numbers_dates_texts_and_symbols_are_told_apart() {
        use Kind::{Date, DateTime, Number, Symbol, Text, Word};
        check(
            "SELECT Owner.Name,Score__c",
            &[
                (Word, "SELECT"),
                (Word, "Owner"),
                (Symbol, "."),
                (Word, "Name"),
                (Symbol, ","),
                (Word, "Score__c"),
            ],
        );
        check(
            "a>=-1.5e+3",
            &[(Word, "a"), (Symbol, ">="), (Number, "-1.5e+3")],
        );
        check(
            "<>!=<=<",
            &[
                (Symbol, "<>"),
                (Symbol, "!="),
                (Symbol, "<="),
                (Symbol, "<"),
            ],
        );
        check("2026-01-01)", &[(Date, "2026-01-01"), (Symbol, ")")]);
        check(
            "2026-01-01T00:00:00.000+02:00 x",
            &[(DateTime, "2026-01-01T00:00:00.000+02:00"), (Word, "x")],
        );
        check(r"'it\'s' 'é'", &[(Text, r"'it\'s'"), (Text, "'é'")]);
        check(
            "LAST_N_DAYS:7",
            &[(Word, "LAST_N_DAYS"), (Symbol, ":"), (Number, "7")],
        );
        check("\u{a0}é\t", &[(Symbol, "é")]);
        check("", &[]);
    }

    #[test]
    fn an_open_quote_and_a_query_of_over_100_000_characters_are_refused() {
        assert!(tokens("'abc").is_err());
        assert!(tokens("'abc\\'").is_err());
        assert!(tokens(&"é".repeat(MAX_QUERY_CHARACTERS)).is_ok());
        assert!(tokens(&"é".repeat(MAX_QUERY_CHARACTERS + 1)).is_err());
    }
}
