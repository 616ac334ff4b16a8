//! The keys that personal values are sealed with, and the file that they come from.
//!
//! AES-256-GCM-SIV of aws-lc: a nonce that comes twice gives away no more than that two texts are
//! the same, and no two are, because each carries a salt. Keys never leave this file.
//! [`PassingKey`] seals what this process alone reads again.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::Error;
use crate::core::file_mode::is_private;

/// The name of the cipher in headers.
pub(super) const CIPHER: &str = "AES-256-GCM-SIV";
const KEY_BYTES: usize = 32;
/// Of a key's name, in hex digits.
pub(super) const ID_DIGITS: usize = 16;
/// A file of a thousand keys is a mistake.
const MAX_FILE_BYTES: u64 = 64 << 10;
const MAX_KEYS: usize = 100;

/// Keys to open with, of which the first seals.
pub struct Keyring {
    keys: Vec<(String, LessSafeKey)>,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.keys.iter().map(|(id, _)| id);
        f.debug_list().entries(ids).finish()
    }
}

impl Keyring {
    /// Reads a key file: 32 bytes a line, as 64 hex digits or in base64, the newest first; empty
    /// lines and lines that begin with `#` are passed over.
    ///
    /// # Errors
    /// When it cannot be read, others than its owner may read it, or a line is no key.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let unusable = |reason: String| Error::KeyFile {
            path: path.to_owned(),
            reason,
        };
        let us = rustix::process::geteuid().as_raw();
        let read = || -> io::Result<(u32, bool, String)> {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            let mode = metadata.permissions().mode();
            let private = is_private(mode, metadata.uid(), us);
            let mut text = String::new();
            file.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
            Ok((mode, private, text))
        };
        let (mode, private, text) = read().map_err(|error| unusable(error.to_string()))?;
        if !private {
            return Err(unusable(format!(
                "its mode is {:04o}: others than its owner may use it",
                mode & 0o7777
            )));
        }
        Self::parse(&text).map_err(|reason| unusable(reason.to_owned()))
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let lines = text.lines().map(str::trim);
        let mut keys: Vec<(String, LessSafeKey)> = Vec::new();
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let key = decode(line).ok_or("a line is no key of 32 bytes in hex or base64")?;
            let id = id_of(&key);
            if keys.iter().any(|(known, _)| *known == id) {
                return Err("a key stands in it twice");
            }
            let key = UnboundKey::new(&AES_256_GCM_SIV, &key).map_err(|_| "a key is refused")?;
            keys.push((id, LessSafeKey::new(key)));
        }
        match keys.len() {
            0 => Err("there is no key in it"),
            1..=MAX_KEYS => Ok(Self { keys }),
            _ => Err("there are more than 100 keys in it"),
        }
    }

    /// The name of the key that seals; it tells nothing about the key.
    pub(super) fn id(&self) -> &str {
        self.keys.first().map_or("", |(id, _)| id)
    }

    pub(super) fn knows(&self, id: &str) -> bool {
        self.keys.iter().any(|(known, _)| known == id)
    }

    /// Seals a text for good: base64 of nonce, sealed text and tag. `None` only when the cipher
    /// fails, which it does for no text of a length that fits into memory.
    pub(super) fn seal(&self, plain: &[u8]) -> Option<String> {
        let (_, key) = self.keys.first()?;
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce);
        let mut sealed = plain.to_vec();
        let number = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(number, Aad::empty(), &mut sealed)
            .ok()?;
        sealed.splice(..0, nonce);
        Some(STANDARD.encode(sealed))
    }

    /// Opens what was sealed with the key of this name; `None` when it is not there, or does not
    /// fit.
    pub(super) fn open(&self, id: &str, sealed: &str) -> Option<Vec<u8>> {
        let (_, key) = self.keys.iter().find(|(known, _)| known == id)?;
        let mut bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = key.open_in_place(nonce, Aad::empty(), text).ok()?;
        Some(plain.to_vec())
    }
}

/// A key that is made for one file, held in memory alone and gone with the process. Pieces are
/// numbered, so that none can be moved or left out.
#[derive(Clone)]
pub(super) struct PassingKey(Arc<LessSafeKey>);

impl fmt::Debug for PassingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PassingKey")
    }
}

impl PassingKey {
    /// `None` only when the cipher fails.
    pub(super) fn new() -> Option<Self> {
        let mut key = [0; KEY_BYTES];
        rand::fill(&mut key);
        let key = UnboundKey::new(&AES_256_GCM_SIV, &key).ok()?;
        Some(Self(Arc::new(LessSafeKey::new(key))))
    }

    /// Seals a piece in its place; each number once.
    pub(super) fn seal(&self, number: u64, piece: &mut Vec<u8>) -> Option<()> {
        let sealed = self
            .0
            .seal_in_place_append_tag(numbered(number), Aad::empty(), piece);
        sealed.ok()
    }

    /// Opens a piece in its place.
    pub(super) fn open(&self, number: u64, piece: &mut Vec<u8>) -> Option<()> {
        let opened = self
            .0
            .open_in_place(numbered(number), Aad::empty(), piece)
            .ok()?
            .len();
        piece.truncate(opened);
        Some(())
    }
}

fn numbered(number: u64) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[..8].copy_from_slice(&number.to_le_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// The name of a key: the beginning of a hash that nothing else is made with.
fn id_of(key: &[u8; KEY_BYTES]) -> String {
    let hash = blake3::derive_key("leadstream name of an encryption key", key);
    hash.iter()
        .take(ID_DIGITS / 2)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn decode(line: &str) -> Option<[u8; KEY_BYTES]> {
    let bytes = if line.len() == 2 * KEY_BYTES && line.is_ascii() {
        let pairs = (0..KEY_BYTES).map(|at| u8::from_str_radix(&line[2 * at..2 * at + 2], 16));
        pairs.collect::<Result<Vec<u8>, _>>().ok()?
    } else {
        STANDARD.decode(line).ok()?
    };
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const LONG: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, Result<Keyring, Error>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let read = Keyring::read(&path);
        (folder, read)
    }

    #[test]
    fn the_newest_key_seals_and_older_ones_still_open() {
        let older = file(OLD, 0o600).1.unwrap();
        let sealed = older.seal(b"Ada Lovelace").unwrap();
        let newest = STANDARD.encode([7; 32]);
        let text = format!("# since May\n{newest}\n\n{OLD}\n");
        let both = file(&text, 0o400).1.unwrap();

        assert_ne!(both.id(), older.id());
        assert_eq!(both.open(older.id(), &sealed).unwrap(), b"Ada Lovelace");
        let newer = both.seal(b"Ada Lovelace").unwrap();
        assert_eq!(older.open(both.id(), &newer), None);
        assert_eq!(older.open(older.id(), &newer), None);
        assert_ne!(both.seal(b"Ada Lovelace").unwrap(), newer);
    }

    #[test]
    fn what_was_changed_is_not_opened() {
        let keys = file(OLD, 0o600).1.unwrap();
        let sealed = STANDARD.decode(keys.seal(b"Ada").unwrap()).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(keys.open(keys.id(), &STANDARD.encode(changed)), None);
        }
        for cut in ["", "AAAA", "no base64"] {
            assert_eq!(keys.open(keys.id(), cut), None);
        }
    }

    #[test]
    fn a_key_file_is_its_owners_alone_and_holds_keys() {
        let twice = format!("{OLD}\n{OLD}");
        let cases = [
            (OLD, 0o640, "mode is 0640"),
            (OLD, 0o604, "mode is 0604"),
            ("", 0o600, "no key in it"),
            ("# nothing", 0o600, "no key in it"),
            (&OLD[1..], 0o600, "is no key"),
            (LONG, 0o600, "is no key"),
            (&twice, 0o600, "twice"),
        ];
        for (text, mode, reason) in cases {
            let error = file(text, mode).1.unwrap_err();
            assert_eq!(error.page(), "LS3060");
            let said = error.to_string();
            assert!(said.contains(reason) && !said.contains(&OLD[..8]), "{said}");
        }
        let missing = Keyring::read(Path::new("/nowhere/key")).unwrap_err();
        assert_eq!(missing.page(), "LS3060");
    }
}
