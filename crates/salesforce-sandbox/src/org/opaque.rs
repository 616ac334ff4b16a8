//! Opaque texts that stand for something the org remembers: access tokens, refresh tokens, authorization codes.
use aws_lc_rs::rand;

use super::id;

/// Characters of an access token after the `!` (facts 1.2).
const ACCESS_CHARACTERS: usize = 95;
const REFRESH_CHARACTERS: usize = 80;
const CODE_CHARACTERS: usize = 84;
/// What refresh tokens and codes begin with.
const REFRESH_PREFIX: &str = "5Aep861";
const CODE_PREFIX: &str = "aPrx";
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";

/// `{15-character org id}!{95 characters}` (facts 1.2).
pub(crate) fn access_token() -> String {
    let org = id::org();
    random(&format!("{}!", &org[..15]), ACCESS_CHARACTERS)
}

pub(crate) fn refresh_token() -> String {
    random(REFRESH_PREFIX, REFRESH_CHARACTERS)
}

/// Ends with `==`, which a client must percent-encode when it sends the code back.
pub(crate) fn authorization_code() -> String {
    let mut code = random(CODE_PREFIX, CODE_CHARACTERS);
    code.push_str("==");
    code
}

/// Whether the text has the shape of an access or refresh token, living or not.
pub(crate) fn is_token(text: &str) -> bool {
    text.starts_with(REFRESH_PREFIX) || text.get(15..16) == Some("!")
}

fn random(prefix: &str, characters: usize) -> String {
    let mut random = vec![0_u8; characters];
    rand::fill(&mut random).expect("the system's random source works");
    let mut text = String::with_capacity(prefix.len() + characters + 2);
    text.push_str(prefix);
    text.extend(
        random
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(byte % 64)])),
    );
    text
}
