//! Proof keys for code exchange (RFC 7636), with the peculiarities of Salesforce.
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Longer than any verifier of a known client: jsforce sends 171 characters, the RFC allows 128.
const MAX_CHARACTERS: usize = 1024;

/// What the verifier must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    Plain(String),
    Sha256(String),
}

impl Challenge {
    /// `None` for an unknown method or a challenge that no verifier can meet. Salesforce takes a challenge for a hash
    /// unless told otherwise; clients such as jsforce send hashes without naming a method.
    pub(crate) fn parse(challenge: &str, method: Option<&str>) -> Option<Challenge> {
        let challenge = challenge.trim_end_matches('=');
        if challenge.is_empty() || challenge.len() > MAX_CHARACTERS || !is_plain(challenge) {
            return None;
        }
        match method.unwrap_or("S256") {
            "S256" => Some(Challenge::Sha256(challenge.to_owned())),
            "plain" => Some(Challenge::Plain(challenge.to_owned())),
            _ => None,
        }
    }

    pub(crate) fn is_met_by(&self, verifier: &str) -> bool {
        // The RFC allows `~` too; Salesforce refuses verifiers with it, which has broken clients that draw it.
        if verifier.len() > MAX_CHARACTERS || !is_plain(verifier) {
            return false;
        }
        match self {
            Challenge::Plain(wanted) => wanted == verifier,
            Challenge::Sha256(wanted) => {
                let hash = digest(&SHA256, verifier.as_bytes());
                *wanted == URL_SAFE_NO_PAD.encode(hash)
            }
        }
    }
}

fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_met_with_and_without_a_named_method() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let hash = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        for method in [None, Some("S256")] {
            let challenge = Challenge::parse(hash, method).unwrap();
            assert!(challenge.is_met_by(verifier));
            assert!(!challenge.is_met_by(hash));
            assert!(!challenge.is_met_by(""));
        }
        let plain = Challenge::parse(verifier, Some("plain")).unwrap();
        assert!(plain.is_met_by(verifier));
        assert!(!plain.is_met_by("other"));
    }

    #[test]
    fn tildes_unknown_methods_and_endless_texts_are_refused() {
        assert_eq!(Challenge::parse("abc", Some("S512")), None);
        assert_eq!(Challenge::parse("", None), None);
        assert_eq!(Challenge::parse("===", None), None);
        assert_eq!(Challenge::parse(&"a".repeat(1025), Some("plain")), None);
        let tilde = "a~b";
        let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, tilde.as_bytes()));
        assert!(!Challenge::parse(&hash, None).unwrap().is_met_by(tilde));
    }
}
