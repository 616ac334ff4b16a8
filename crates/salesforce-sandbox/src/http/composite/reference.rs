//! References from one subrequest to the answer of an earlier one: `@{id.path}` in URLs and in texts of bodies.
//!
//! A path is made of `.name` and `[index]`, compared exactly; it must lead to a text, a number, a boolean or null.
//! What is filled in goes into a URL as it is, without encoding, as clients of Salesforce have found (inference).
use std::collections::HashMap;

use serde_json::Value;

use crate::org::Refusal;

/// A stretch of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Plain(&'t str),
    Reference(Reference<'t>),
}

/// `@{whole}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reference<'t> {
    pub(super) whole: &'t str,
}

impl<'t> Reference<'t> {
    /// The reference id at its beginning.
    pub(super) fn name(self) -> &'t str {
        self.split().0
    }

    fn split(self) -> (&'t str, &'t str) {
        let end = self.whole.find(['.', '[']).unwrap_or(self.whole.len());
        self.whole.split_at(end)
    }
}

/// Takes a text apart; a reference that is not closed is plain text.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let start = match rest.find("@{") {
            Some(0) => {
                let Some(end) = rest.find('}') else {
                    return Some(Piece::Plain(std::mem::take(&mut rest)));
                };
                let whole = &rest[2..end];
                rest = &rest[end + 1..];
                return Some(Piece::Reference(Reference { whole }));
            }
            Some(start) => start,
            None => rest.len(),
        };
        let (plain, after) = rest.split_at(start);
        rest = after;
        Some(Piece::Plain(plain))
    })
}

/// All references in a text.
pub(super) fn references(text: &str) -> impl Iterator<Item = Reference<'_>> {
    pieces(text).filter_map(|piece| match piece {
        Piece::Plain(_) => None,
        Piece::Reference(reference) => Some(reference),
    })
}

/// Whether a text has any.
pub(super) fn has_references(text: &str) -> bool {
    references(text).next().is_some()
}

/// The answers that references may point into: those of successful subrequests.
#[derive(Debug, Default)]
pub(super) struct Answers<'p> {
    by_name: HashMap<&'p str, Value>,
}

impl<'p> Answers<'p> {
    pub(super) fn keep(&mut self, name: &'p str, answer: Value) {
        self.by_name.insert(name, answer);
    }

    /// The scalar that a reference leads to.
    fn find(&self, reference: Reference<'_>) -> Option<&Value> {
        let (name, mut path) = reference.split();
        let mut value = self.by_name.get(name)?;
        while let Some(first) = path.chars().next() {
            let after = &path[first.len_utf8()..];
            if first == '[' {
                let (index, rest) = after.split_once(']')?;
                value = value.get(index.parse::<usize>().ok()?)?;
                path = rest;
            } else {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let (key, rest) = after.split_at(end);
                value = value.get(key)?;
                path = rest;
            }
        }
        (!value.is_object() && !value.is_array()).then_some(value)
    }
}

/// Fills references in, within bounds.
pub(super) struct Filler<'f, 'p> {
    pub(super) answers: &'f Answers<'p>,
    /// Whether a reference to null stands for null; else it has no value.
    pub(super) takes_null: bool,
    /// Bytes that may still be made from references in this call.
    pub(super) room: &'f mut usize,
}

impl Filler<'_, '_> {
    /// A text with its references filled in; none when it is nothing but a reference to null.
    pub(super) fn text(&mut self, text: &str) -> Result<Option<String>, Refusal> {
        let mut filled = String::new();
        let mut only_null = true;
        for piece in pieces(text) {
            let found;
            let piece = match piece {
                Piece::Plain(plain) => plain,
                Piece::Reference(reference) => match self.answers.find(reference) {
                    Some(Value::String(value)) => value.as_str(),
                    Some(Value::Null) if self.takes_null => continue,
                    None | Some(Value::Null) => return Err(no_value(reference)),
                    Some(other) => {
                        found = other.to_string();
                        &found
                    }
                },
            };
            only_null = false;
            *self.room = self.room.checked_sub(piece.len()).ok_or_else(too_much)?;
            filled.push_str(piece);
        }
        Ok((!only_null || text.is_empty()).then_some(filled))
    }

    /// Valid JSON with the references in its texts filled in; names are left alone.
    pub(super) fn json(&mut self, json: &str) -> Result<String, Refusal> {
        let mut filled = String::with_capacity(json.len());
        let mut rest = json;
        while let Some(start) = rest.find('"') {
            let (plain, from_literal) = rest.split_at(start);
            let (literal, after) = from_literal.split_at(literal_end(from_literal));
            filled.push_str(plain);
            rest = after;
            let is_name = after.trim_start().starts_with(':');
            if is_name || !has_references(literal) {
                filled.push_str(literal);
                continue;
            }
            let text: String = serde_json::from_str(literal)
                .map_err(|_| Refusal::parser("Unexpected character in a text"))?;
            let text = self.text(&text)?.map_or(Value::Null, Value::String);
            filled.push_str(&text.to_string());
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

/// Where the text literal ends that `json` begins with.
fn literal_end(json: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in json.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    json.len()
}

fn no_value(reference: Reference<'_>) -> Refusal {
    let text = format!(
        "Invalid reference specified. No value for {} found in {}.",
        reference.whole,
        reference.name()
    );
    Refusal::new("PROCESSING_HALTED", text)
}

fn too_much() -> Refusal {
    let text = "The subrequests with their references filled in are larger than a request may be.";
    Refusal::new("EXCEEDED_MAX_SIZE_REQUEST", text)
}

/// Fills references into a text and, where it is JSON, into its texts, which leaves it JSON.
///
/// # Panics
/// When it does not.
#[cfg(feature = "fuzzing")]
pub(super) fn fuzz(text: &str) {
    let mut answers = Answers::default();
    answers.keep(
        "a",
        serde_json::json!({ "id": "\"\\@{a.id}", "list": [{ "n": 1 }], "none": null }),
    );
    let mut room = 1 << 16;
    let mut filler = Filler {
        answers: &answers,
        takes_null: true,
        room: &mut room,
    };
    let _ = filler.text(text);
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if let (true, Ok(filled)) = (is_json, filler.json(text)) {
        let after = serde_json::from_str::<serde::de::IgnoredAny>(&filled);
        assert!(after.is_ok(), "{text} became {filled}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answers() -> Answers<'static> {
        let mut answers = Answers::default();
        answers.keep("lead", json!({ "id": "00Q1", "Title": null, "Flag": true }));
        answers.keep("two", json!([{ "id": "00Q2" }, { "id": "00Q3", "n": 7 }]));
        answers.keep("page", json!({ "records": [{ "Id": "00Q4" }] }));
        answers
    }

    fn fill(text: &str, room: usize) -> Result<Option<String>, String> {
        let mut left = room;
        let mut filler = Filler {
            answers: &answers(),
            takes_null: true,
            room: &mut left,
        };
        filler.text(text).map_err(|refusal| refusal.message)
    }

    #[track_caller]
    fn check(text: &str, filled: &str) {
        assert_eq!(fill(text, 1000), Ok(Some(filled.into())), "{text}");
    }

    #[test]
    fn paths_lead_through_objects_and_lists_to_scalars() {
        check("@{lead.id}", "00Q1");
        check("a/@{two[1].id}/b@{two[0].id}", "a/00Q3/b00Q2");
        check("@{page.records[0].Id}", "00Q4");
        check("@{two[1].n}@{lead.Flag}", "7true");
        check("x@{lead.Title}y", "xy");
        assert_eq!(fill("@{lead.Title}", 0), Ok(None));
    }

    #[test]
    fn what_is_no_reference_stays_as_it_is() {
        for text in [
            "",
            "plain",
            "@",
            "@{",
            "@{lead.id",
            "{lead.id}",
            "é@é",
            "}@{",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn a_reference_without_a_scalar_behind_it_has_no_value() {
        for whole in [
            "",
            "lead",
            "lead.Id",
            "lead.",
            "two",
            "two[0]",
            "two[2].id",
            "two[-1].id",
            "two[x].id",
            "two[0",
            "two[].id",
            "none.id",
            "lead.id.x",
            "page.records",
            ".id",
            "[0]",
            "two[0]id]",
            "two[99999999999999999999].id",
            "é.é",
        ] {
            let refused = fill(&format!("x@{{{whole}}}"), 1000).unwrap_err();
            assert!(
                refused.starts_with("Invalid reference specified. No value for"),
                "{whole}: {refused}"
            );
        }
    }

    #[test]
    fn filling_in_stops_at_the_room_there_is() {
        assert_eq!(fill("ab@{lead.id}", 6), Ok(Some("ab00Q1".into())));
        assert!(fill("ab@{lead.id}", 5).is_err());
    }

    #[test]
    fn texts_anywhere_in_a_body_are_filled_in_and_all_else_is_left_as_it_is() {
        let check = |json: &str, filled: &str| {
            let mut room = 1000;
            let answers = answers();
            let mut filler = Filler {
                answers: &answers,
                takes_null: true,
                room: &mut room,
            };
            assert_eq!(filler.json(json).as_deref(), Ok(filled));
        };
        check(
            r#"{"@{lead.id}" : [{"a":"@{lead.id}"}, 1e400], "b":"@{lead.Title}"}"#,
            r#"{"@{lead.id}" : [{"a":"00Q1"}, 1e400], "b":null}"#,
        );
        check(
            r#"["\"@{lead.id}\\","\\","@{lead.id}"]"#,
            r#"["\"00Q1\\","\\","00Q1"]"#,
        );
        check(r#""@{lead.id}""#, r#""00Q1""#);
        for same in [
            "",
            "1",
            "[]",
            r#"{"a":"@{","b":"}"}"#,
            r#""\u0040{lead.id}""#,
            "\"",
        ] {
            check(same, same);
        }
    }

    #[test]
    fn what_is_filled_in_stays_one_text() {
        let mut answers = Answers::default();
        answers.keep("a", json!({ "b": "\",\"x\":\"\\@{a.b}" }));
        let mut room = 1000;
        let mut filler = Filler {
            answers: &answers,
            takes_null: true,
            room: &mut room,
        };
        let filled = filler.json(r#"{"t":"<@{a.b}>"}"#).unwrap();
        let value: Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(value, json!({ "t": "<\",\"x\":\"\\@{a.b}>" }));
    }
}
