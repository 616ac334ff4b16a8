//! RSA public keys from PEM: a bare key or the certificate that an administrator uploads to the app.
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const SEQUENCE: u8 = 0x30;
const EXPLICIT_VERSION: u8 = 0xa0;

/// A key that verifies RS256.
pub(super) struct PublicKey {
    key: ParsedPublicKey,
}

impl PublicKey {
    /// Takes `BEGIN CERTIFICATE`, `BEGIN PUBLIC KEY` or `BEGIN RSA PUBLIC KEY`.
    pub(super) fn parse(pem: &str) -> Result<PublicKey, String> {
        let (kind, der) = decode_pem(pem).ok_or("it is not PEM")?;
        let key = match kind {
            "CERTIFICATE" => {
                public_key_of_certificate(&der).ok_or("the certificate cannot be read")?
            }
            "PUBLIC KEY" | "RSA PUBLIC KEY" => &der[..],
            other => return Err(format!("it is a {other}, not a public key or certificate")),
        };
        let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
            .map_err(|_| "it is not an RSA key of 2048 to 8192 bits")?;
        Ok(PublicKey { key })
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

fn decode_pem(pem: &str) -> Option<(&str, Vec<u8>)> {
    let (_, rest) = pem.split_once("-----BEGIN ")?;
    let (kind, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    let body: String = body.split_whitespace().collect();
    Some((kind, STANDARD.decode(body).ok()?))
}

/// Walks Certificate > TBSCertificate to SubjectPublicKeyInfo (RFC 5280, 4.1).
fn public_key_of_certificate(der: &[u8]) -> Option<&[u8]> {
    let certificate = element(der)?;
    let tbs = element(certificate.content)?;
    let mut rest = tbs.content;
    if rest.first() == Some(&EXPLICIT_VERSION) {
        rest = element(rest)?.rest;
    }
    // serialNumber, signature, issuer, validity, subject
    for _ in 0..5 {
        rest = element(rest)?.rest;
    }
    let key = element(rest)?;
    (rest.first() == Some(&SEQUENCE)).then_some(key.whole)
}

struct Element<'a> {
    whole: &'a [u8],
    content: &'a [u8],
    rest: &'a [u8],
}

fn element(der: &[u8]) -> Option<Element<'_>> {
    let first = usize::from(*der.get(1)?);
    let (length, header) = if first < 0x80 {
        (first, 2)
    } else {
        let count = first & 0x7f;
        if count == 0 || count > 4 {
            return None;
        }
        let length = der
            .get(2..2 + count)?
            .iter()
            .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        (length, 2 + count)
    };
    let end = header.checked_add(length)?;
    Some(Element {
        whole: der.get(..end)?,
        content: der.get(header..end)?,
        rest: der.get(end..)?,
    })
}
