//! JWTs, read by hand: the claims that matter, with the tolerance real clients need (facts 0.7 and 1.2).
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// A JWT whose signature has not been verified yet.
pub(super) struct Token<'a> {
    pub(super) algorithm: String,
    pub(super) claims: Claims,
    /// The bytes under the signature.
    pub(super) signed: &'a [u8],
    pub(super) signature: Vec<u8>,
}

pub(super) struct Claims {
    pub(super) issuer: String,
    pub(super) subject: String,
    /// `aud` may be a string or a list of them.
    pub(super) audiences: Vec<String>,
    pub(super) expires_at_seconds: i64,
}

/// Parses `header.claims.signature`; `None` for anything that is no JWT or lacks a claim.
pub(super) fn parse(text: &str) -> Option<Token<'_>> {
    let (signed, signature) = text.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header = decode(header)?;
    let claims = decode(claims)?;
    let text_claim = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let audiences = match claims.get("aud")? {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        _ => return None,
    };
    Some(Token {
        algorithm: header.get("alg")?.as_str()?.to_owned(),
        claims: Claims {
            issuer: text_claim("iss")?,
            subject: text_claim("sub").or_else(|| text_claim("prn"))?,
            audiences,
            expires_at_seconds: expiry_seconds(claims.get("exp")?)?,
        },
        signed: signed.as_bytes(),
        signature: URL_SAFE_NO_PAD
            .decode(signature.trim_end_matches('='))
            .ok()?,
    })
}

fn decode(part: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// A number or a numeric string, in seconds or in milliseconds.
fn expiry_seconds(exp: &Value) -> Option<i64> {
    let number = match exp {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse::<f64>().ok()?,
        _ => return None,
    };
    if !number.is_finite() {
        return None;
    }
    // Seconds of this size lie in the year 5138; milliseconds of it in 1973.
    let seconds = if number > 1e11 {
        number / 1000.0
    } else {
        number
    };
    Some(seconds as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_read_as_number_or_string_in_seconds_or_milliseconds() {
        for exp in [
            "1767225600",
            "\"1767225600\"",
            "1767225600000",
            "\"1767225600000\"",
            "1767225600.5",
        ] {
            assert_eq!(
                expiry_seconds(&serde_json::from_str(exp).unwrap()),
                Some(1_767_225_600),
                "{exp}"
            );
        }
        for exp in ["null", "\"soon\"", "\"inf\"", "\"NaN\"", "{}"] {
            assert_eq!(
                expiry_seconds(&serde_json::from_str(exp).unwrap()),
                None,
                "{exp}"
            );
        }
    }
}
