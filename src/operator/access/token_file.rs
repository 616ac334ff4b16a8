//! The file of tokens: one a line, `name role hash [expires]`; empty lines and lines that begin
//! with `#` are passed over.
//!
//! Only hashes are kept. A token is 256 random bits, so one round of BLAKE3 is enough: a slow hash
//! protects what people make up, and nobody finds a random token by trying, however fast. Whoever
//! reads the file cannot sign in with it; who writes it can, so others than its owner may do
//! neither.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rustix::fs::FlockOperation;

use super::Role;
use crate::core::file_mode::is_private;
use crate::core::secret::Secret;
use crate::core::time::Micros;

/// What tokens begin with, so that people and scanners of leaked secrets know one.
const PREFIX: &str = "ls_";
const TOKEN_BYTES: usize = 32;
/// A thousand tokens take some 100 KiB.
const MAX_FILE_BYTES: u64 = 1 << 20;
const MAX_TOKENS: usize = 1_000;
const MAX_NAME: usize = 64;

const HEAD: &str = "# Tokens of leadstream's HTTP port: name, role, BLAKE3 hash, and when it ends.\n\
    # Written by `leadstream token`; read again as soon as it changes.\n";

/// One token, as much as is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: Arc<str>,
    pub role: Role,
    pub hash: blake3::Hash,
    /// `None`: never.
    pub expires: Option<Micros>,
}

impl Entry {
    #[must_use]
    pub fn is_expired(&self, now: Micros) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    fn line(&self) -> String {
        let Entry { name, role, .. } = self;
        let hash = self.hash.to_hex();
        match self.expires.map(shown) {
            Some(expires) => format!("{name} {role} {hash} {expires}\n"),
            None => format!("{name} {role} {hash}\n"),
        }
    }
}

/// Why a token file cannot be used. Holds nothing of its content but names.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the token file {path} cannot be read")]
    Read {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("the token file {path} cannot be written")]
    Write {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("the token file {path} has the mode {mode:04o}: others than its owner may use it")]
    Mode { path: String, mode: u32 },
    #[error("line {line} of the token file {path} cannot be used: {reason}")]
    Line {
        path: String,
        line: usize,
        reason: String,
    },
    #[error("a token named {name} is there already")]
    Taken { name: String },
    #[error("{0:?} cannot be a token's name")]
    Name(String),
    #[error("a token cannot end at that time")]
    Expiry,
}

impl Error {
    /// `LS####`.
    #[must_use]
    pub fn page(&self) -> &'static str {
        match self {
            Error::Read { .. } | Error::Write { .. } | Error::Mode { .. } | Error::Line { .. } => {
                "LS6054"
            }
            Error::Taken { .. } | Error::Name(_) | Error::Expiry => "LS6059",
        }
    }

    /// What to do.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Error::Read { .. } => {
                "let the user that runs leadstream read it, and nobody else".to_owned()
            }
            Error::Write { .. } => {
                "run this as the file's owner, who must be able to write its folder too".to_owned()
            }
            Error::Mode { path, .. } => format!("chmod 600 {path}"),
            Error::Line { .. } => {
                "a line is `name role hash [expires]`; make tokens with `leadstream token new`"
                    .to_owned()
            }
            Error::Taken { .. } => {
                "revoke it first with `leadstream token revoke`, or take another name".to_owned()
            }
            Error::Name(_) => {
                "take 1 to 64 letters, digits and any of . _ @ - for its name".to_owned()
            }
            Error::Expiry => "give 1 to 36500 days".to_owned(),
        }
    }
}

/// The hash that stands for a token.
#[must_use]
pub fn hash(token: &str) -> blake3::Hash {
    blake3::hash(token.as_bytes())
}

/// The tokens in a file; none when it is not there.
///
/// # Errors
/// When it cannot be read, others than its owner may read it, or a line is no token.
pub fn read(path: &Path) -> Result<Vec<Entry>, Error> {
    parse(path, &text_of(path)?)
}

/// Makes a token, and adds its hash to the file, which is made when it is not there.
///
/// # Errors
/// When the name is taken or none, or the file cannot be read or written.
pub fn add(
    path: &Path,
    name: &str,
    role: Role,
    expires: Option<Micros>,
) -> Result<(Secret, Entry), Error> {
    if !is_name(name) {
        return Err(Error::Name(name.to_owned()));
    }
    if expires.is_some_and(|at| Timestamp::from_microsecond(at.0).is_err()) {
        return Err(Error::Expiry);
    }
    let path = &followed(path);
    let _lock = lock(path)?;
    let text = text_of(path)?;
    let entries = parse(path, &text)?;
    if entries.iter().any(|entry| *entry.name == *name) {
        let name = name.to_owned();
        return Err(Error::Taken { name });
    }
    let mut bytes = [0; TOKEN_BYTES];
    rand::fill(&mut bytes);
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let entry = Entry {
        name: name.into(),
        role,
        hash: hash(&token),
        expires,
    };
    let mut text = if text.is_empty() {
        HEAD.to_owned()
    } else {
        text
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&entry.line());
    write(path, &text)?;
    Ok((Secret::new(token), entry))
}

/// Takes a token out of the file; whether it was there.
///
/// # Errors
/// When the file cannot be read or written.
pub fn revoke(path: &Path, name: &str) -> Result<bool, Error> {
    let path = &followed(path);
    let _lock = lock(path)?;
    let text = text_of(path)?;
    let entries = parse(path, &text)?;
    if !entries.iter().any(|entry| *entry.name == *name) {
        return Ok(false);
    }
    let kept: String = text
        .split_inclusive('\n')
        .filter(|line| line.split_whitespace().next() != Some(name))
        .collect();
    write(path, &kept)?;
    Ok(true)
}

/// A moment as it stands in the file, `2026-12-31T00:00:00Z`.
#[must_use]
pub fn shown(at: Micros) -> String {
    let seconds = Timestamp::from_second(at.0.div_euclid(1_000_000));
    seconds.map_or_else(|_| format!("{} µs", at.0), |at| at.to_string())
}

fn text_of(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::Read {
        path: path.display().to_string(),
        source,
    };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        opened => opened.map_err(failed)?,
    };
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o7777;
    let us = rustix::process::geteuid().as_raw();
    if !is_private(mode, metadata.uid(), us) {
        return Err(Error::Mode {
            path: path.display().to_string(),
            mode,
        });
    }
    let mut text = String::new();
    let read = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text);
    let long = || io::Error::other("it is longer than 1 MiB");
    match read.map_err(failed)? as u64 {
        0..=MAX_FILE_BYTES => Ok(text),
        _ => Err(failed(long())),
    }
}

fn parse(path: &Path, text: &str) -> Result<Vec<Entry>, Error> {
    let mut entries: Vec<Entry> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let found = entry(line).and_then(|entry| {
            if entries.iter().any(|known| known.name == entry.name) {
                return Err("its name stands in the file twice");
            }
            if entries.iter().any(|known| known.hash == entry.hash) {
                return Err("its hash stands in the file twice");
            }
            if entries.len() == MAX_TOKENS {
                return Err("there are more than 1000 tokens");
            }
            Ok(entry)
        });
        match found {
            Ok(entry) => entries.push(entry),
            Err(reason) => {
                return Err(Error::Line {
                    path: path.display().to_string(),
                    line: at + 1,
                    reason: reason.to_owned(),
                });
            }
        }
    }
    Ok(entries)
}

fn entry(line: &str) -> Result<Entry, &'static str> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (name, role, hash, expires) = match words[..] {
        [name, role, hash] => (name, role, hash, None),
        [name, role, hash, expires] => (name, role, hash, Some(expires)),
        _ => return Err("it has not three or four words"),
    };
    if !is_name(name) {
        return Err("its name is none");
    }
    let hash = blake3::Hash::from_hex(hash).map_err(|_| "its hash is not 64 hex digits")?;
    let expires = expires.map(|text| {
        let at: Timestamp = text
            .parse()
            .map_err(|_| "its end is not written like 2026-12-31T00:00:00Z")?;
        Ok::<_, &'static str>(Micros(at.as_microsecond()))
    });
    Ok(Entry {
        name: name.into(),
        role: role.parse()?,
        hash,
        expires: expires.transpose()?,
    })
}

/// What may stand as an author in the journal, in logs and in this file.
fn is_name(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '@' | '-');
    (1..=MAX_NAME).contains(&name.len()) && name.chars().all(known)
}

/// The file itself when the path is a link to it, so that the link stays one.
fn followed(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Keeps two commands from undoing each other's work: the file itself is replaced, so its folder
/// is locked.
fn lock(path: &Path) -> Result<File, Error> {
    let locked = File::open(folder(path)).and_then(|folder| {
        rustix::fs::flock(&folder, FlockOperation::LockExclusive)?;
        Ok(folder)
    });
    locked.map_err(|source| Error::Write {
        path: path.display().to_string(),
        source,
    })
}

/// Replaces the file whole, so that nobody reads half of it, and keeps its owner: root may make
/// tokens for a service that runs as another.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    let new = path.with_extension("new");
    let written = || -> io::Result<()> {
        let owner = std::fs::metadata(path).ok().map(|of| (of.uid(), of.gid()));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        // One that was left behind may have another mode.
        file.set_permissions(Permissions::from_mode(0o600))?;
        if let Some((uid, gid)) = owner {
            let made = file.metadata()?;
            if (made.uid(), made.gid()) != (uid, gid) {
                std::os::unix::fs::fchown(&file, Some(uid), Some(gid))?;
            }
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, path)?;
        File::open(folder(path))?.sync_all()
    };
    written().map_err(|source| Error::Write {
        path: path.display().to_string(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn a_token_is_made_listed_and_revoked_and_never_written_in_clear() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        assert_eq!(read(&path).unwrap(), []);
        let ends = Micros(1_798_675_200_000_000);
        let (token, made) = add(&path, "anna@example.com", Role::Operator, Some(ends)).unwrap();
        let (other, _) = add(&path, "grafana", Role::Viewer, None).unwrap();
        assert_ne!(token.expose(), other.expose());
        assert_eq!(token.expose().len(), 3 + 43);
        assert_eq!(made.hash, hash(token.expose()));

        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&token.expose()[3..]), "{text}");
        assert!(text.contains(" 2026-12-31T00:00:00Z\n"), "{text}");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        let found = read(&path).unwrap();
        assert_eq!(found[0], made);
        assert_eq!(found.len(), 2);

        let taken = add(&path, "grafana", Role::Admin, None);
        assert!(matches!(taken, Err(Error::Taken { .. })), "{taken:?}");
        assert!(revoke(&path, "anna@example.com").unwrap());
        assert!(!revoke(&path, "anna@example.com").unwrap());
        let names: Vec<_> = read(&path)
            .unwrap()
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        assert_eq!(names, ["grafana".into()]);
    }

    #[test]
    fn comments_outlive_changes_and_a_link_stays_a_link() {
        let (folder, path) = file("# our tokens, no line end", 0o600);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        add(&link, "a", Role::Viewer, None).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("# our tokens, no line end\na viewer "),
            "{text}"
        );
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        for mode in [0o640, 0o604, 0o620] {
            let (_folder, path) = file("", mode);
            let refused = read(&path);
            assert!(matches!(refused, Err(Error::Mode { .. })), "{mode:o}");
        }
        let (_folder, path) = file("", 0o400);
        assert_eq!(read(&path).unwrap(), []);
    }

    #[test]
    fn lines_that_are_no_token_are_named_and_not_shown() {
        #[track_caller]
        fn check(line: &str, reason: &str) {
            let (_folder, path) = file(&format!("# tokens\n\n{line}\n"), 0o600);
            let error = read(&path).unwrap_err();
            assert!(matches!(error, Error::Line { line: 3 | 4, .. }), "{error}");
            assert!(error.to_string().contains(reason), "{error}");
        }
        let hash = "a".repeat(64);
        check("anna", "three or four words");
        check(
            &format!("anna viewer {hash} 2026-12-31T00:00:00Z x"),
            "three or four words",
        );
        check(&format!("an/na viewer {hash}"), "name");
        check(
            &format!("anna root {hash}"),
            "a role is viewer, operator or admin",
        );
        check("anna viewer ls_abc", "64 hex digits");
        check(&format!("anna viewer {hash} tomorrow"), "2026-12-31");
        check(
            &format!("anna viewer {hash}\nanna viewer {}", "b".repeat(64)),
            "twice",
        );
        check(
            &format!("anna viewer {hash}\nbert viewer {hash}"),
            "hash stands in the file twice",
        );
    }

    #[test]
    fn names_that_could_break_a_line_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        for name in ["", "a b", "a\nb", "#a", "ä", &"a".repeat(65)] {
            let refused = add(&path, name, Role::Viewer, None);
            assert!(matches!(refused, Err(Error::Name(_))), "{name:?}");
        }
        assert!(!path.exists());
    }
}
