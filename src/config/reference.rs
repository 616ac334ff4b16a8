//! `docs/configuration.md`: the prose of `reference.txt`, with a table of the keys of each section
//! from [`KEYS`].

use std::fmt::Write as _;

use super::keys::{KEYS, Key, Need};

const PROSE: &str = include_str!("reference.txt");

/// The page, as it stands in `docs/configuration.md`.
#[must_use]
pub fn page() -> String {
    let mut page = String::new();
    for line in PROSE.lines() {
        match section_of(line) {
            Some(section) => page += &table(section),
            None => page += line,
        }
        page.push('\n');
    }
    page
}

/// A line that is nothing but `{{section}}` stands for that section's table.
fn section_of(line: &str) -> Option<&str> {
    let section = line.strip_prefix("{{")?.strip_suffix("}}")?;
    KEYS.iter()
        .any(|key| key.path == section)
        .then_some(section)
}

fn table(section: &str) -> String {
    let mut table =
        "| key | type | default | must be | since | what it does |\n|---|---|---|---|---|---|"
            .to_owned();
    for key in KEYS.iter().filter(|key| is_under(key, section)) {
        let default = match key.need {
            Need::Required => "required".to_owned(),
            Need::Optional => "none".to_owned(),
            Need::Default(default) => format!("`{default}`"),
        };
        // Writing to a text cannot fail.
        let _ = write!(
            table,
            "\n| `{}` | {} | {default} | {} | 0.1 | {} |",
            key.path,
            key.kind.name(),
            key.kind,
            key.meaning
        );
    }
    table
}

fn is_under(key: &Key, section: &str) -> bool {
    let rest = key.path.strip_prefix(section);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
