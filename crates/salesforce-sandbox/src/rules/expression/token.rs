//! From the text of a condition to its words.

/// One word, with its place for error messages.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Characters before it, counted from 1.
    pub(super) column: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A field, a function, or a word of the language.
    Word(String),
    Number(f64),
    Text(String),
    /// `=`, `<=`, `(` and their like.
    Sign(&'static str),
}

/// Longer ones first: `<=` is not `<` and `=`.
const SIGNS: [&str; 11] = ["==", "!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", ","];

/// Splits a text; the error names the column.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut column = 1;
    loop {
        let trimmed = rest.trim_start();
        column += chars(rest) - chars(trimmed);
        rest = trimmed;
        let Some(first) = rest.chars().next() else {
            return Ok(tokens);
        };
        let (kind, length) = if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign))
        {
            (Kind::Sign(sign), sign.len())
        } else if first == '"' || first == '\'' {
            quoted(rest, first).ok_or(format!("the text at column {column} does not end"))?
        } else if first.is_ascii_digit() || first == '-' {
            number(rest).ok_or(format!("there is no number at column {column}"))?
        } else if first.is_alphabetic() || first == '_' {
            let word: String = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            let length = word.len();
            (Kind::Word(word), length)
        } else {
            return Err(format!("`{first}` at column {column} means nothing"));
        };
        tokens.push(Token { kind, column });
        let (taken, left) = rest.split_at(length);
        column += chars(taken);
        rest = left;
    }
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// A text between quotes; a backslash takes the next character as it is.
fn quoted(rest: &str, quote: char) -> Option<(Kind, usize)> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => text.push(characters.next()?.1),
            c if c == quote => return Some((Kind::Text(text), at + c.len_utf8())),
            c => text.push(c),
        }
    }
    None
}

fn number(rest: &str) -> Option<(Kind, usize)> {
    let length = rest
        .bytes()
        .enumerate()
        .take_while(|(at, c)| c.is_ascii_digit() || *c == b'.' || (*c == b'-' && *at == 0))
        .count();
    let number: f64 = rest.get(..length)?.parse().ok()?;
    Some((Kind::Number(number), length))
}
