//! Personal lines: the only place in the journal where a person's data stands.
//!
//! Each carries a random salt, so that the digest in its entry line tells nothing once the line
//! has been erased; erasing puts `{"x":null}` and spaces in its place.

use super::chain::push_hex;
use super::text::{push_field, push_string};
use crate::core::entry::Image;
use crate::core::outcome::RecordError;

/// What the journal keeps of a delivered record's payload. Dead letters and parked records always
/// keep all of it: their replay needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PayloadPolicy {
    /// Names of the fields; of each text its first character and its length.
    #[default]
    Masked,
    Full,
    /// A salted hash, by which a payload at hand can be told to be the same.
    Hash,
}

/// What of an image goes into a personal line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// The key and the e-mail's hash alone.
    Names,
    Payload(PayloadPolicy),
    /// All of it, so that the image can be made again.
    Everything,
}

pub(super) const PERSONAL_START: &[u8] = b"{\"x\":";
pub(super) const ERASED: &[u8] = b"{\"x\":null}";

/// Whether this personal line was erased: such a line matches every digest.
pub(super) fn is_erased(line: &[u8]) -> bool {
    line.strip_prefix(ERASED)
        .is_some_and(|rest| rest.iter().all(|byte| *byte == b' '))
}

/// Appends a personal line that holds nothing but what a person typed as the reason of an act.
pub(super) fn push_reason(out: &mut Vec<u8>, reason: &str) {
    let mut salt = [0; 16];
    rand::fill(&mut salt);
    out.extend_from_slice(b"{\"x\":{\"s\":\"");
    push_hex(out, &salt);
    out.push(b'"');
    push_field(out, "k", "");
    push_field(out, "reason", reason);
    out.extend_from_slice(b"}}");
}

/// Appends a personal line without its newline.
pub(super) fn push_personal(
    out: &mut Vec<u8>,
    index_key: &[u8; 32],
    image: &Image,
    errors: &[RecordError],
    keep: Keep,
) {
    let mut salt = [0; 16];
    rand::fill(&mut salt);
    out.extend_from_slice(b"{\"x\":{\"s\":\"");
    push_hex(out, &salt);
    out.push(b'"');
    push_field(out, "k", &image.key);
    if let Some(email) = image.email.as_deref() {
        out.extend_from_slice(b",\"e\":\"");
        push_hex(out, &email_hash(index_key, email));
        out.push(b'"');
    }
    match keep {
        Keep::Names => {}
        Keep::Payload(PayloadPolicy::Masked) => {
            out.extend_from_slice(b",\"f\":");
            push_masked(out, &image.payload);
        }
        Keep::Payload(PayloadPolicy::Full) => {
            out.extend_from_slice(b",\"f\":");
            push_object(out, &image.payload);
        }
        Keep::Payload(PayloadPolicy::Hash) => {
            let mut hasher = blake3::Hasher::new();
            hasher.update(&salt).update(image.payload.as_bytes());
            out.extend_from_slice(b",\"h\":\"");
            push_hex(out, &hasher.finalize().as_bytes()[..16]);
            out.push(b'"');
        }
        Keep::Everything => {
            out.extend_from_slice(b",\"f\":");
            push_object(out, &image.payload);
            if let Some(email) = image.email.as_deref() {
                push_field(out, "m", email);
            }
            if let Some(row) = image.row.as_deref() {
                out.extend_from_slice(b",\"row\":");
                push_object(out, row);
            }
        }
    }
    if !errors.is_empty() {
        out.extend_from_slice(b",\"errors\":[");
        for (index, error) in errors.iter().enumerate() {
            out.extend_from_slice(if index == 0 {
                b"{\"code\":"
            } else {
                b",{\"code\":"
            });
            push_string(out, &error.code);
            push_field(out, "message", &error.message);
            if !error.fields.is_empty() {
                out.extend_from_slice(b",\"fields\":[");
                for (index, field) in error.fields.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    push_string(out, field);
                }
                out.push(b']');
            }
            out.push(b'}');
        }
        out.push(b']');
    }
    out.extend_from_slice(b"}}");
}

/// The keyed hash that stands for an e-mail address, whatever its case.
pub(in crate::state) fn email_hash(key: &[u8; 32], email: &str) -> [u8; 8] {
    let email = email.trim();
    let hash = if email.bytes().any(|byte| byte.is_ascii_uppercase()) || !email.is_ascii() {
        blake3::keyed_hash(key, email.to_lowercase().as_bytes())
    } else {
        blake3::keyed_hash(key, email.as_bytes())
    };
    let mut short = [0; 8];
    short.copy_from_slice(&hash.as_bytes()[..8]);
    short
}

/// Appends JSON text that must stay on one line. An empty text, as an image without a payload has
/// it, becomes an empty text again when it is read.
fn push_object(out: &mut Vec<u8>, json: &str) {
    if json.is_empty() {
        out.extend_from_slice(b"null");
    } else if json.bytes().any(|byte| byte == b'\n' || byte == b'\r') {
        // Within JSON a bare line break is white space only.
        out.extend(
            json.bytes()
                .map(|b| if b == b'\n' || b == b'\r' { b' ' } else { b }),
        );
    } else {
        out.extend_from_slice(json.as_bytes());
    }
}

/// Appends the object with its texts masked: `"Doe"` becomes `"D…3"`, numbers `"#"`, booleans
/// `"?"`, what lies deeper `"{}"`. What is no flat object of fields becomes `null`.
fn push_masked(out: &mut Vec<u8>, payload: &str) {
    let start = out.len();
    if mask_fields(out, payload.as_bytes()).is_none() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

fn mask_fields(out: &mut Vec<u8>, json: &[u8]) -> Option<()> {
    let mut at = skip_space(json, 0);
    if json.get(at) != Some(&b'{') {
        return None;
    }
    out.push(b'{');
    at = skip_space(json, at + 1);
    if json.get(at) == Some(&b'}') {
        out.push(b'}');
        return Some(());
    }
    loop {
        let end = skip_text(json, at)?;
        out.extend_from_slice(&json[at..end]);
        at = skip_space(json, end);
        if json.get(at) != Some(&b':') {
            return None;
        }
        out.push(b':');
        at = mask_value(out, json, skip_space(json, at + 1))?;
        at = skip_space(json, at);
        match json.get(at)? {
            b',' => out.push(b','),
            b'}' => {
                out.push(b'}');
                return Some(());
            }
            _ => return None,
        }
        at = skip_space(json, at + 1);
    }
}

fn mask_value(out: &mut Vec<u8>, json: &[u8], at: usize) -> Option<usize> {
    match json.get(at)? {
        b'"' => {
            let end = skip_text(json, at)?;
            mask_text(out, &json[at + 1..end - 1]);
            Some(end)
        }
        b'{' | b'[' => {
            out.extend_from_slice(b"\"{}\"");
            skip_nested(json, at)
        }
        b'n' => {
            out.extend_from_slice(b"null");
            Some(at + 4)
        }
        b't' => {
            out.extend_from_slice(b"\"?\"");
            Some(at + 4)
        }
        b'f' => {
            out.extend_from_slice(b"\"?\"");
            Some(at + 5)
        }
        _ => {
            out.extend_from_slice(b"\"#\"");
            let number =
                |b: &u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E');
            Some(at + json[at..].iter().take_while(|b| number(b)).count().max(1))
        }
    }
}

/// `text` is what stands between the quotes, escapes as they are.
fn mask_text(out: &mut Vec<u8>, text: &[u8]) {
    let escapes = text.contains(&b'\\');
    let chars = if escapes {
        serde_json::from_slice::<String>(&[b"\"", text, b"\""].concat())
            .map_or(text.len(), |plain| plain.chars().count())
    } else {
        text.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
    };
    out.push(b'"');
    let first = text
        .iter()
        .skip(1)
        .take_while(|byte| **byte & 0xC0 == 0x80)
        .count()
        + 1;
    match text.first() {
        // An escaped first character tells less than it costs to keep.
        None | Some(b'\\') => {}
        Some(_) => out.extend_from_slice(&text[..first]),
    }
    out.extend_from_slice("…".as_bytes());
    out.extend_from_slice(itoa::Buffer::new().format(chars).as_bytes());
    out.push(b'"');
}

fn skip_space(json: &[u8], at: usize) -> usize {
    at + json[at.min(json.len())..]
        .iter()
        .take_while(|b| b.is_ascii_whitespace())
        .count()
}

/// The place behind the text that begins at `at`.
fn skip_text(json: &[u8], at: usize) -> Option<usize> {
    if json.get(at) != Some(&b'"') {
        return None;
    }
    let mut at = at + 1;
    loop {
        match json.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn skip_nested(json: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_u32;
    loop {
        match json.get(at)? {
            b'"' => at = skip_text(json, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth -= 1;
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(payload: &str, masked: &str) {
        let mut out = Vec::new();
        push_masked(&mut out, payload);
        assert_eq!(String::from_utf8(out).unwrap(), masked);
    }

    #[test]
    fn masking_keeps_names_first_characters_and_lengths() {
        check(
            r#"{"LastName":"Doe","Rating":null}"#,
            r#"{"LastName":"D…3","Rating":null}"#,
        );
        check(
            r#"{ "A" : "Ünal" , "B":-1.5e3,"C":true}"#,
            r##"{"A":"Ü…4","B":"#","C":"?"}"##,
        );
        check(
            r#"{"A":"","B":"x\"y","C":"\u00e9t"}"#,
            r#"{"A":"…0","B":"x…3","C":"…2"}"#,
        );
        check(r#"{"A":{"b":["}"]},"C":[1]}"#, r#"{"A":"{}","C":"{}"}"#);
        check("{}", "{}");
        for broken in [
            "",
            "[]",
            "{",
            r#"{"A"}"#,
            r#"{"A":"#,
            r#"{"A":"b"#,
            r#"{"A":"\"#,
        ] {
            check(broken, "null");
        }
    }

    #[test]
    fn emails_hash_alike_whatever_their_case() {
        let key = [7; 32];
        assert_eq!(
            email_hash(&key, " Ada@Example.COM "),
            email_hash(&key, "ada@example.com")
        );
        assert_ne!(
            email_hash(&key, "ada@example.com"),
            email_hash(&[8; 32], "ada@example.com")
        );
    }
}
