//! A small reader of Rust sources: tokens without comments and strings, and the paths that the code names.
//!
//! It knows as much of the grammar as the tidy rules need: use trees, inline modules, `crate`, `self` and `super`.
//! What macros make of their input it cannot know.

/// A path that the code names, with `use` trees spelled out: `use a::{b, c::D as E}` names `a::b` and `a::c::D`.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    pub line: usize,
    /// Paths into the own crate begin with `crate`, whether they were written with `crate`, `super` or `self`.
    pub path: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// An identifier or a keyword, without the `r#` of raw ones.
    Word(String),
    /// `::`
    Step,
    Mark(char),
}

type Placed = (usize, Token);

/// The module that a file is, below the crate: `src/core/mapping/mod.rs` is `core`, `mapping`. The roots are nothing.
pub fn module_of(path: &str) -> Vec<String> {
    let inner = path.rsplit_once("src/").map_or(path, |(_, inner)| inner);
    let mut parts: Vec<String> = inner
        .trim_end_matches(".rs")
        .split('/')
        .map(str::to_owned)
        .collect();
    if parts.last().is_some_and(|last| last == "mod") || parts == ["lib"] || parts == ["main"] {
        parts.pop();
    }
    parts
}

/// All paths of two steps and more that a file names, and single names in `use`.
pub fn named(path: &str, text: &str) -> Vec<Named> {
    let tokens = tokens(text);
    let mut module = module_of(path);
    let mut found = Vec::new();
    // For each open brace: whether it opened an inline module.
    let mut braces: Vec<bool> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (line, token) = &tokens[at];
        match token {
            Token::Word(word) if word == "mod" => {
                if let (Some((_, Token::Word(name))), Some((_, Token::Mark('{')))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                {
                    module.push(name.clone());
                    braces.push(true);
                    at += 3;
                } else {
                    at += 1;
                }
            }
            Token::Word(word) if word == "use" => {
                at = tree(&tokens, at + 1, &[], &module, &mut found);
            }
            Token::Word(word) if word == "extern" => {
                if let (Some((_, Token::Word(second))), Some((_, Token::Word(name)))) =
                    (tokens.get(at + 1), tokens.get(at + 2))
                    && second == "crate"
                {
                    found.push(Named {
                        line: *line,
                        path: vec![name.clone()],
                    });
                    at += 3;
                } else {
                    at += 1;
                }
            }
            Token::Word(_) => {
                let (path, next) = simple_path(&tokens, at);
                if path.len() > 1 {
                    found.push(Named {
                        line: *line,
                        path: absolute(path, &module),
                    });
                }
                at = next;
            }
            Token::Mark('{') => {
                braces.push(false);
                at += 1;
            }
            Token::Mark('}') => {
                if braces.pop() == Some(true) {
                    module.pop();
                }
                at += 1;
            }
            Token::Step | Token::Mark(_) => at += 1,
        }
    }
    found
}

/// The names of the modules that a file declares inline or in files.
pub fn declared_modules(text: &str) -> Vec<(usize, String)> {
    let tokens = tokens(text);
    let pairs = tokens.windows(2);
    pairs
        .filter_map(|pair| match pair {
            [(line, Token::Word(word)), (_, Token::Word(name))] if word == "mod" => {
                Some((*line, name.clone()))
            }
            _ => None,
        })
        .collect()
}

fn simple_path(tokens: &[Placed], start: usize) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    let mut at = start;
    while let Some((_, Token::Word(word))) = tokens.get(at) {
        path.push(word.clone());
        at += 1;
        match tokens.get(at) {
            Some((_, Token::Step)) => at += 1,
            _ => break,
        }
    }
    (path, at)
}

/// Reads one use tree from `at`; returns where it ended.
fn tree(
    tokens: &[Placed],
    at: usize,
    prefix: &[String],
    module: &[String],
    found: &mut Vec<Named>,
) -> usize {
    // A leading `::` names a crate, as most first words do.
    let start = if matches!(tokens.get(at), Some((_, Token::Step))) {
        at + 1
    } else {
        at
    };
    let line = tokens.get(start).map_or(0, |(line, _)| *line);
    let (path, mut next) = simple_path(tokens, start);
    let mut whole = prefix.to_vec();
    whole.extend(
        path.iter()
            .filter(|word| *word != "self" || prefix.is_empty())
            .cloned(),
    );
    match tokens.get(next) {
        Some((_, Token::Mark('{'))) => {
            next += 1;
            while let Some((_, token)) = tokens.get(next) {
                match token {
                    Token::Mark('}') => return next + 1,
                    Token::Mark(',') => next += 1,
                    _ => next = tree(tokens, next, &whole, module, found).max(next + 1),
                }
            }
        }
        Some((_, Token::Mark('*'))) => {
            whole.push("*".to_owned());
            found.push(Named {
                line,
                path: absolute(whole, module),
            });
            next += 1;
        }
        _ => {
            if !whole.is_empty() {
                found.push(Named {
                    line,
                    path: absolute(whole, module),
                });
            }
            if let (Some((_, Token::Word(word))), Some((_, Token::Word(_)))) =
                (tokens.get(next), tokens.get(next + 1))
                && word == "as"
            {
                next += 2;
            }
        }
    }
    next
}

/// `self::a` and `super::a` inside module `m::n` are `crate::m::n::a` and `crate::m::a`.
fn absolute(path: Vec<String>, module: &[String]) -> Vec<String> {
    let ups = path
        .iter()
        .take_while(|word| *word == "super" || *word == "self")
        .count();
    if ups == 0 {
        return path;
    }
    let climbed = path[..ups].iter().filter(|word| *word == "super").count();
    let stay = module.len().saturating_sub(climbed);
    let mut whole = vec!["crate".to_owned()];
    whole.extend_from_slice(&module[..stay]);
    whole.extend_from_slice(&path[ups..]);
    whole
}

fn tokens(text: &str) -> Vec<Placed> {
    let mut reader = Reader {
        chars: text.chars().collect(),
        at: 0,
        line: 1,
    };
    let mut tokens = Vec::new();
    while let Some(c) = reader.peek(0) {
        let line = reader.line;
        match c {
            '/' if reader.peek(1) == Some('/') => reader.skip_while(|c| c != '\n'),
            '/' if reader.peek(1) == Some('*') => reader.skip_block_comment(),
            '"' => reader.skip_string(),
            '\'' => reader.skip_char_or_lifetime(),
            ':' if reader.peek(1) == Some(':') => {
                reader.advance(2);
                tokens.push((line, Token::Step));
            }
            c if c.is_alphabetic() || c == '_' => {
                let word = reader.word();
                match (word.as_str(), reader.peek(0), reader.peek(1)) {
                    ("r" | "br" | "cr", Some('"' | '#'), _) if reader.raw_string_follows() => {
                        reader.skip_raw_string()
                    }
                    ("r", Some('#'), _) => reader.advance(1),
                    // The string or character of a prefix is skipped in the next round.
                    ("b" | "c", Some('"' | '\''), _) => {}
                    _ => tokens.push((line, Token::Word(word))),
                }
            }
            c if c.is_ascii_digit() => reader.skip_while(|c| c.is_alphanumeric() || c == '_'),
            c => {
                reader.advance(1);
                if !c.is_whitespace() {
                    tokens.push((line, Token::Mark(c)));
                }
            }
        }
    }
    tokens
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    line: usize,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn advance(&mut self, count: usize) {
        for _ in 0..count {
            if self.peek(0) == Some('\n') {
                self.line += 1;
            }
            self.at += 1;
        }
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek(0).is_some_and(&wanted) {
            self.advance(1);
        }
    }

    fn word(&mut self) -> String {
        let start = self.at;
        self.skip_while(|c| c.is_alphanumeric() || c == '_');
        self.chars[start..self.at].iter().collect()
    }

    fn skip_block_comment(&mut self) {
        let mut depth = 0;
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('*')) => {
                    depth += 1;
                    self.advance(2);
                }
                ('*', Some('/')) => {
                    depth -= 1;
                    self.advance(2);
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.advance(1),
            }
        }
    }

    fn skip_string(&mut self) {
        self.advance(1);
        while let Some(c) = self.peek(0) {
            self.advance(if c == '\\' { 2 } else { 1 });
            if c == '"' {
                return;
            }
        }
    }

    fn raw_string_follows(&self) -> bool {
        self.chars[self.at..].iter().find(|c| **c != '#') == Some(&'"')
    }

    fn skip_raw_string(&mut self) {
        let start = self.at;
        self.skip_while(|c| c == '#');
        let hashes = self.at - start;
        self.advance(1);
        while let Some(c) = self.peek(0) {
            self.advance(1);
            if c == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                self.advance(hashes);
                return;
            }
        }
    }

    fn skip_char_or_lifetime(&mut self) {
        match (self.peek(1), self.peek(2)) {
            (Some('\\'), _) => {
                self.advance(3);
                self.skip_while(|c| c != '\'' && c != '\n');
                self.advance(1);
            }
            (Some(_), Some('\'')) => self.advance(3),
            _ => {
                self.advance(1);
                self.word();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[&str]) {
        let found: Vec<String> = named(path, text)
            .iter()
            .map(|named| named.path.join("::"))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn use_trees_are_spelled_out() {
        check(
            "src/a.rs",
            "use std::{fs, io::{self, Read as R}, net::*};\npub use ::b::C; use d;",
            &[
                "std::fs",
                "std::io",
                "std::io::Read",
                "std::net::*",
                "b::C",
                "d",
            ],
        );
    }

    #[test]
    fn relative_paths_become_absolute() {
        check(
            "src/a/b.rs",
            "use super::c::D; fn f() { super::super::e::g() }",
            &["crate::a::c::D", "crate::e::g"],
        );
        check(
            "src/a/mod.rs",
            "use super::e::G; use self::h::I;",
            &["crate::e::G", "crate::a::h::I"],
        );
        check(
            "src/a.rs",
            "mod tests { use super::*; mod x { use super::super::super::e::G; } } use super::f::H;",
            &["crate::a::*", "crate::e::G", "crate::f::H"],
        );
    }

    #[test]
    fn paths_in_code_count_and_single_words_do_not() {
        check(
            "src/a.rs",
            "fn f(x: crate::b::C) -> Vec<d::E> { let y = std::env::var(x); g(y) }",
            &["crate::b::C", "d::E", "std::env::var"],
        );
    }

    #[test]
    fn comments_strings_and_characters_are_no_code() {
        check(
            "src/a.rs",
            concat!(
                "// a::b\n/* c::d /* e::f */ g::h */ /// i::j\n",
                r###"let s = ("k::l \" m::n", r#"o::p " q::r"#, b"s::t", 'u', '\'', '"', '\u{1F600}'); "###,
                "fn z<'a>(x: &'a v::W) {}"
            ),
            &["v::W"],
        );
    }

    #[test]
    fn lines_are_counted_through_comments_and_strings() {
        let found = named("src/a.rs", "/*\n\n*/ \"\n\\\n\"; r\"\n\"; \nuse b::C;");
        assert_eq!(
            found,
            [Named {
                line: 7,
                path: vec!["b".to_owned(), "C".to_owned()]
            }]
        );
    }

    #[test]
    fn files_are_modules() {
        assert_eq!(
            module_of("src/core/mapping/plan.rs"),
            ["core", "mapping", "plan"]
        );
        assert_eq!(module_of("src/core/mod.rs"), ["core"]);
        assert!(module_of("src/lib.rs").is_empty() && module_of("src/main.rs").is_empty());
        assert_eq!(
            declared_modules("mod a; pub(crate) mod b { }"),
            [(1, "a".to_owned()), (1, "b".to_owned())]
        );
    }
}
