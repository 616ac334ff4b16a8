//! Finds the file and the environment, and hands them to the check. The only place that reads the
//! process environment.

#![allow(
    clippy::disallowed_methods,
    reason = "this is the place that the ban on reading the environment points to"
)]

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use super::check;
use super::layers::{Layers, Placed};
use super::mistake::{Mistake, Mistakes, UNREADABLE, WRONG_VALUE};
use super::reader::Reader;
use super::{Config, Overrides};

/// Where the file is looked for when nobody names one, in this order.
pub const USUAL_PLACES: [&str; 2] = ["config/leadstream.toml", "/etc/leadstream/leadstream.toml"];

/// Reads and checks the configuration: defaults < file < environment < flags. Reads the secret
/// files that it names.
///
/// # Errors
/// Every mistake at once.
pub fn load(overrides: &Overrides) -> Result<Config, Mistakes> {
    let path = match &overrides.config {
        Some(path) => path.clone(),
        None => find_file()?,
    };
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Mistakes(vec![Mistake {
            page: UNREADABLE,
            path: String::new(),
            origin: path.display().to_string(),
            rule: format!("the configuration file cannot be read: {error}"),
            value: None,
            remedy: format!(
                "see that {} exists and may be read by this user, or name another with --config",
                absolute(&path).display()
            ),
        }])
    })?;
    let (environment, undecodable) = environment();
    let loaded = load_from(
        Some((&path, &text)),
        &environment,
        &overrides.set,
        &|path| std::fs::read_to_string(path),
    );
    match loaded {
        Ok(config) if undecodable.is_empty() => Ok(config),
        Ok(_) => Err(Mistakes(undecodable)),
        Err(Mistakes(mut mistakes)) => {
            mistakes.extend(undecodable);
            Err(Mistakes(mistakes))
        }
    }
}

/// Checks a file's text as if it stood there, with the environment of this process.
///
/// # Errors
/// Every mistake at once.
pub fn load_text(path: &Path, text: &str) -> Result<Config, Mistakes> {
    let (environment, _) = environment();
    load_from(Some((path, text)), &environment, &[], &|path| {
        std::fs::read_to_string(path)
    })
}

/// The same without files, environment or any other global state: what `read_file` gives is the
/// only thing read.
///
/// # Errors
/// Every mistake at once; a file that is not TOML is the only one, as it hides all others.
pub fn load_from(
    file_text: Option<(&Path, &str)>,
    environment: &[(String, String)],
    set: &[String],
    read_file: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Config, Mistakes> {
    let mut placed: Vec<Placed> = Vec::new();
    let layers = Layers::merge(file_text, environment, set, &mut placed)?;
    let mut reader = Reader::new(&layers, read_file);
    let config = check::check_config(&mut reader);
    placed.extend(reader.into_mistakes());
    placed.sort_by_key(|placed| placed.place);
    match config {
        Some(config) if placed.is_empty() => Ok(config),
        _ => {
            debug_assert!(!placed.is_empty(), "a config is refused with a reason");
            Err(Mistakes(
                placed.into_iter().map(|placed| placed.mistake).collect(),
            ))
        }
    }
}

/// Whether the user asks all programs to leave colours out (<https://no-color.org>).
#[must_use]
pub fn no_colour() -> bool {
    env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

fn find_file() -> Result<PathBuf, Mistakes> {
    let places = USUAL_PLACES.map(PathBuf::from);
    let looked = places
        .each_ref()
        .map(|path| absolute(path).display().to_string())
        .join(" and ");
    places
        .into_iter()
        .find(|path| path.exists())
        .ok_or_else(|| {
            Mistakes(vec![Mistake {
                page: UNREADABLE,
                path: String::new(),
                origin: String::new(),
                rule: "there is no configuration file".to_owned(),
                value: None,
                remedy: format!("name one with --config; it was looked for at {looked}"),
            }])
        })
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Our part of the environment. A value that is not UTF-8 is a mistake rather than a changed
/// password.
fn environment() -> (Vec<(String, String)>, Vec<Mistake>) {
    let mut known = Vec::new();
    let mut undecodable = Vec::new();
    for (name, value) in env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("LEADSTREAM_")) else {
            continue;
        };
        match value.into_string() {
            Ok(value) => known.push((name.to_owned(), value)),
            Err(_) => undecodable.push(Mistake {
                page: WRONG_VALUE,
                path: String::new(),
                origin: name.to_owned(),
                rule: "the variable's value is not UTF-8".to_owned(),
                value: None,
                remedy: "encode it as UTF-8, or put a secret into a file".to_owned(),
            }),
        }
    }
    (known, undecodable)
}
