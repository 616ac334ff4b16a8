//! Personal lines under a key: `{"x":{"i":"<key>","c":"<base64>"}}` in the place of what stands
//! behind `x`. The digest in the entry line is that of the sealed line, so that whoever has no key
//! can verify all the same. The keys behind which a snapshot goes on are sealed as well, where they
//! stand in commits and headers.

use std::borrow::Cow;

use serde::Deserialize;

use super::personal::PERSONAL_START;
use crate::core::snapshot::{KeyBound, KeyPart, Snapshot};
use crate::state::keyring::{ID_DIGITS, Keyring};

const SEALED_START: &[u8] = b"{\"x\":{\"i\":\"";

/// A line that is sealed with a key that is not at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::state) struct Closed {
    /// The key's name.
    pub id: String,
}

#[derive(Deserialize)]
struct SealedLine<'a> {
    #[serde(borrow)]
    x: Sealed<'a>,
}

/// Neither part ever holds an escape.
#[derive(Deserialize)]
struct Sealed<'a> {
    i: &'a str,
    c: &'a str,
}

/// Seals a personal line; `None` when the cipher fails.
pub(super) fn seal_line(keys: &Keyring, line: &mut Vec<u8>) -> Option<()> {
    let plain = line.strip_prefix(PERSONAL_START)?.strip_suffix(b"}")?;
    let sealed = keys.seal(plain)?;
    line.clear();
    line.extend_from_slice(SEALED_START);
    line.extend_from_slice(keys.id().as_bytes());
    line.extend_from_slice(b"\",\"c\":\"");
    line.extend_from_slice(sealed.as_bytes());
    line.extend_from_slice(b"\"}}");
    Some(())
}

/// A personal line in clear, whether it was sealed or not.
pub(in crate::state) fn open_line<'a>(
    keys: Option<&Keyring>,
    line: &'a [u8],
) -> Result<Cow<'a, [u8]>, Closed> {
    if !line.starts_with(SEALED_START) {
        return Ok(Cow::Borrowed(line));
    }
    let Ok(SealedLine { x: sealed }) = serde_json::from_slice::<SealedLine<'_>>(line) else {
        return Ok(Cow::Borrowed(line));
    };
    let plain = keys.and_then(|keys| keys.open(sealed.i, sealed.c));
    let plain = plain.ok_or_else(|| Closed {
        id: sealed.i.chars().take(ID_DIGITS).collect(),
    })?;
    Ok(Cow::Owned([PERSONAL_START, &plain, b"}"].concat()))
}

/// Seals the keys behind which a snapshot goes on. One that is sealed with this key already stays as
/// it stands, because headers repeat it. `None` when the cipher fails, or one is sealed otherwise.
pub(super) fn seal_places(keys: &Keyring, snapshot: &mut Snapshot) -> Option<()> {
    for bound in bounds(snapshot) {
        match &bound.values[..] {
            [KeyPart::Sealed { i, .. }] if i == keys.id() => continue,
            [KeyPart::Sealed { .. }] => return None,
            _ => {}
        }
        let plain = serde_json::to_vec(&bound.values).ok()?;
        let sealed = KeyPart::Sealed {
            i: keys.id().to_owned(),
            c: keys.seal(&plain)?,
        };
        bound.values = vec![sealed];
    }
    Some(())
}

/// Opens what [`seal_places`] sealed, under whichever key.
pub(super) fn open_places(keys: Option<&Keyring>, snapshot: &mut Snapshot) -> Result<(), Closed> {
    for bound in bounds(snapshot) {
        let [KeyPart::Sealed { i, c }] = &bound.values[..] else {
            continue;
        };
        let plain = keys.and_then(|keys| keys.open(i, c));
        let values = plain.and_then(|plain| serde_json::from_slice(&plain).ok());
        bound.values = values.ok_or_else(|| Closed {
            id: i.chars().take(ID_DIGITS).collect(),
        })?;
    }
    Ok(())
}

fn bounds(snapshot: &mut Snapshot) -> impl Iterator<Item = &mut KeyBound> {
    let tables = snapshot.tables.iter_mut();
    tables.filter_map(|table| table.after.as_mut())
}
