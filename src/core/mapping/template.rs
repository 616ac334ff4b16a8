//! Templates: a text with columns in braces, `{first_name} {last_name}`.

/// A piece of a template: text as it stands, or a column's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    Column(String),
}

/// Longest template, in bytes.
const LONGEST: usize = 4_000;

/// Takes a template apart. `{{` and `}}` stand for braces.
///
/// # Errors
/// Where it cannot be read, and why.
pub fn parse(source: &str) -> Result<Vec<Piece>, String> {
    if source.len() > LONGEST {
        return Err(format!("the template has more than {LONGEST} bytes"));
    }
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut chars = source.chars().enumerate().peekable();
    while let Some((index, char)) = chars.next() {
        let place = index + 1;
        let doubled = chars.next_if(|(_, next)| *next == char && matches!(char, '{' | '}'));
        match char {
            '{' | '}' if doubled.is_some() => text.push(char),
            '}' => {
                return Err(format!(
                    "column {place}: a brace closes that none opened; write }}}} for a brace"
                ));
            }
            '{' => {
                let mut name = String::new();
                loop {
                    match chars.next() {
                        Some((_, '}')) => break,
                        Some((_, '{')) | None => {
                            return Err(format!(
                                "column {place}: the brace is not closed; write {{{{ for a brace"
                            ));
                        }
                        Some((_, char)) => name.push(char),
                    }
                }
                let name = name.trim();
                if name.is_empty() {
                    return Err(format!("column {place}: no column stands in the braces"));
                }
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Column(name.to_owned()));
            }
            _ => text.push(char),
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    if !pieces.iter().any(|piece| matches!(piece, Piece::Column(_))) {
        return Err("no column stands in it; write { constant = \"…\" }".to_owned());
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str) -> Result<String, String> {
        let pieces = parse(source)?;
        let show = |piece: &Piece| match piece {
            Piece::Text(text) => format!("'{text}'"),
            Piece::Column(name) => format!("<{name}>"),
        };
        Ok(pieces.iter().map(show).collect())
    }

    #[track_caller]
    fn check(source: &str, expected: &str) {
        assert_eq!(shown(source).as_deref(), Ok(expected), "{source}");
    }

    #[test]
    fn columns_stand_in_braces_and_doubled_braces_are_braces() {
        check("{a}", "<a>");
        check("{a} {b}", "<a>' '<b>");
        check("Ä {first name}!", "'Ä '<first name>'!'");
        check("{{{a}}}", "'{'<a>'}'");
        check("{{}} { a }", "'{} '<a>");
    }

    #[test]
    fn what_cannot_be_read_is_pointed_at() {
        for (source, part) in [
            ("", "no column"),
            ("text", "constant"),
            ("{{a}}", "constant"),
            ("Ä {a", "column 3: the brace is not closed"),
            ("{a{b}", "column 1"),
            ("{a} }", "column 5: a brace closes"),
            ("{ }", "column 1: no column"),
            (&"{a}".repeat(2_000), "more than 4000 bytes"),
        ] {
            let text = shown(source).unwrap_err();
            assert!(text.contains(part), "{source}: {text}");
        }
    }
}
