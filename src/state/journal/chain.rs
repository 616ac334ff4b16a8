//! The chain of BLAKE3 hashes that ties every line to all lines before it, and the digests that
//! tie a personal line to its entry.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What stands between a sealed line's own bytes and its seal.
pub(super) const SEAL: &[u8] = b",\"chain\":\"";

/// Length of a seal: the mark, 64 hex digits and `"}`.
const SEAL_BYTES: usize = SEAL.len() + 64 + 2;

/// The hash over everything up to here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Chain([u8; 32]);

impl Chain {
    /// The chain after one more run: its entry lines, and the sealing line up to its seal.
    pub(super) fn next(&self, entries: &[u8], sealing: &[u8]) -> Chain {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0).update(entries).update(sealing);
        Chain(*hasher.finalize().as_bytes())
    }

    pub(in crate::state) fn from_hex(text: &[u8]) -> Option<Chain> {
        let mut bytes = [0; 32];
        decode_hex(text, &mut bytes)?;
        Some(Chain(bytes))
    }
}

impl std::fmt::Display for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Chain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Chain::from_hex(text.as_bytes())
            .ok_or_else(|| serde::de::Error::custom("a chain is 64 hex digits"))
    }
}

/// Closes the sealing line that begins at `start` of `out`: its seal, its end and its newline.
pub(super) fn seal(out: &mut Vec<u8>, start: usize, previous: &Chain, entries: &[u8]) -> Chain {
    let chain = previous.next(entries, &out[start..]);
    out.extend_from_slice(SEAL);
    push_hex(out, &chain.0);
    out.extend_from_slice(b"\"}\n");
    chain
}

/// Splits a sealed line (without newline) into what is hashed and the chain it claims.
pub(super) fn split_seal(line: &[u8]) -> Option<(&[u8], Chain)> {
    let at = line.len().checked_sub(SEAL_BYTES)?;
    let (body, seal) = line.split_at(at);
    let hex = seal.strip_prefix(SEAL)?.strip_suffix(b"\"}")?;
    Some((body, Chain::from_hex(hex)?))
}

/// What an entry line keeps of its personal line.
pub(super) fn digest(personal: &[u8]) -> [u8; 16] {
    let hash = blake3::hash(personal);
    let mut digest = [0; 16];
    digest.copy_from_slice(&hash.as_bytes()[..16]);
    digest
}

pub(super) fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.extend_from_slice(&[
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ]);
    }
}

/// Fills `bytes` from exactly as many lower-case hex digits; upper case is not what we write.
pub(super) fn decode_hex(text: &[u8], bytes: &mut [u8]) -> Option<()> {
    if text.len() != bytes.len() * 2 {
        return None;
    }
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(())
}
