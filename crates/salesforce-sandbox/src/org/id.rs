//! Record ids: 15 case-sensitive characters, or 18 with a checksum.
//!
//! Invariant: a lead's id and its place in the store convert into each other, so no map of ids is kept.

use crate::schema::ObjectKind;

/// The org, and the user that every app runs as unless told otherwise.
pub(crate) const ORG: &str = "00DHp000001SbxOMAS";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECKSUM: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
/// Key prefix of leads and the instance this org pretends to live on.
const LEAD: &str = "00QHp";
const USER: &str = "005Hp";
const RECORD_TYPE: &str = "012Hp";
const ASSIGNMENT_RULE: &str = "01QHp";
/// The record type of leads that have none of their own.
pub(crate) const MASTER_RECORD_TYPE: &str = "012000000000000AAA";
const JOB: &str = "750Hp";
const GROUP: &str = "00GHp";
const LOCATOR: &str = "01gHp";
const PROFILE: &str = "00eHp";

/// The 18-character id of the lead at `place`.
pub(crate) fn lead(place: u32) -> String {
    build(LEAD, u64::from(place) + 1)
}

/// The 18-character id of the user with that number.
pub(crate) fn user(number: usize) -> String {
    build(USER, number as u64 + 1)
}

/// The 18-character id of the profile with that number.
pub(crate) fn profile(number: usize) -> String {
    build(PROFILE, number as u64 + 1)
}

/// Whether a text of 15 or 18 characters names this 18-character id.
pub(crate) fn is_same(id: &str, text: &str) -> bool {
    text == id || (text.len() == 15 && id.get(..15) == Some(text))
}

/// The 18-character id of the queue with that number.
pub(crate) fn group(number: usize) -> String {
    build(GROUP, number as u64 + 1)
}

/// The 18-character id of the query locator with that number.
pub(crate) fn locator(number: u64) -> String {
    build(LOCATOR, number.saturating_add(1))
}

/// The 18-character id of the record type with that number.
pub(crate) fn record_type(number: usize) -> String {
    build(RECORD_TYPE, number as u64 + 1)
}

/// The 18-character id of the assignment rule with that number.
pub(crate) fn assignment_rule(number: usize) -> String {
    build(ASSIGNMENT_RULE, number as u64 + 1)
}

/// The key prefix of the records of an object.
pub(crate) fn prefix(object: &str) -> Option<&'static str> {
    Some(match object {
        "Account" => "001",
        "Contact" => "003",
        "DandBCompany" => "06E",
        "Group" => "00G",
        "Individual" => "0PK",
        "Lead" => "00Q",
        "Opportunity" => "006",
        "RecordType" => "012",
        "User" => "005",
        _ => return None,
    })
}

/// The 18-character id of the record that a conversion made of the lead at `place`.
pub(crate) fn converted(object: &str, place: u32) -> String {
    let prefix = prefix(object).unwrap_or("000");
    build(&format!("{prefix}Hp"), u64::from(place) + 1)
}

/// The 18-character org id, with its checksum computed.
pub(crate) fn org() -> String {
    with_checksum(&ORG[..15])
}

/// The 18-character id of the bulk job with that number.
pub(crate) fn job(number: u64) -> String {
    build(JOB, number)
}

/// The place of the lead with this id (15 or 18 characters), if it is one this org could have given out.
pub(crate) fn parse_lead(text: &str) -> Option<u32> {
    u32::try_from(parse(LEAD, text)?.checked_sub(1)?).ok()
}

/// The number of the bulk job with this id (15 or 18 characters).
pub(crate) fn parse_job(text: &str) -> Option<u64> {
    parse(JOB, text)
}

/// The kind of record that has ids like this one.
pub(crate) fn object_of(text: &str) -> Option<ObjectKind> {
    let mut all = ObjectKind::PUBLIC.into_iter();
    all.find(|object| {
        object
            .key_prefix()
            .is_some_and(|prefix| text.starts_with(prefix))
    })
}

/// 15 letters and digits, or 18 with the right checksum.
pub(crate) fn is_well_formed(text: &str) -> bool {
    let plain = text.bytes().all(|c| c.is_ascii_alphanumeric());
    plain
        && (text.len() == 15
            || (text.len() == 18 && with_checksum(&text[..15]).eq_ignore_ascii_case(text)))
}

fn parse(prefix: &str, text: &str) -> Option<u64> {
    if !is_well_formed(text) || !text.starts_with(prefix) {
        return None;
    }
    text.as_bytes()[prefix.len()..15]
        .iter()
        .try_fold(0_u64, |sum, c| {
            let digit = ALPHABET.iter().position(|a| a == c)? as u64;
            sum.checked_mul(62)?.checked_add(digit)
        })
}

/// The part of an id that tells it from others: 15 characters, or all of a shorter text.
pub(crate) fn fifteen(text: &str) -> &str {
    text.get(..15).unwrap_or(text)
}

/// An id with its checksum; a text that is no id stays as it is.
pub(crate) fn eighteen(text: &str) -> String {
    match text.get(..15) {
        Some(fifteen) => with_checksum(fifteen),
        None => text.to_owned(),
    }
}

fn build(prefix: &str, mut number: u64) -> String {
    let mut bytes = [b'0'; 15];
    bytes[..prefix.len()].copy_from_slice(prefix.as_bytes());
    for place in (prefix.len()..15).rev() {
        bytes[place] = ALPHABET[(number % 62) as usize];
        number /= 62;
    }
    let mut text = String::with_capacity(18);
    text.extend(bytes.iter().map(|b| char::from(*b)));
    push_checksum(&mut text);
    text
}

fn with_checksum(fifteen: &str) -> String {
    let mut text = String::with_capacity(18);
    text.push_str(fifteen);
    push_checksum(&mut text);
    text
}

/// One character per five: bit n says that the nth of them is a capital letter.
fn push_checksum(text: &mut String) {
    let mut sums = [0_usize; 3];
    for (i, c) in text.bytes().take(15).enumerate() {
        sums[i / 5] |= usize::from(c.is_ascii_uppercase()) << (i % 5);
    }
    text.extend(sums.map(|sum| char::from(CHECKSUM[sum])));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_convert_to_places_and_back_with_15_and_18_characters() {
        for place in [0, 1, 61, 62, 5_000_000, u32::MAX - 1] {
            let id = lead(place);
            assert_eq!(id.len(), 18);
            assert_eq!(parse_lead(&id), Some(place));
            assert_eq!(parse_lead(&id[..15]), Some(place));
        }
    }

    #[test]
    fn a_known_id_has_the_documented_checksum() {
        assert_eq!(with_checksum("001A0000006Vm9r"), "001A0000006Vm9rIAC");
    }

    #[test]
    fn ids_with_a_wrong_checksum_or_of_another_object_are_refused() {
        assert_eq!(parse_lead("00QHp0000000001ZZZ"), None);
        assert_eq!(parse_lead(&user(0)), None);
        assert!(!is_well_formed("00Q"));
    }
}
