use std::collections::BTreeMap;

use super::*;

/// The annotated file promises to hold every key with its default.
#[test]
fn the_annotated_file_names_every_key_with_its_default() {
    let text = include_str!("../../../config/leadstream.toml");
    for key in keys::KEYS.iter().filter(|key| key.kind != keys::Kind::Later) {
        let name = key.path.rsplit('.').next().unwrap();
        let variable = layers::variable_name(key.path);
        assert!(
            text.contains(name) && (key.kind != keys::Kind::Secret || text.contains(&variable)),
            "{}",
            key.path
        );
        // mode's default is told in words: the demo needs another.
        if let (keys::Need::Default(default), false) = (key.need, key.path.contains(['*'])) {
            let stands = text.contains(&format!("\n{name} = {default}\n"));
            assert!(stands || key.path == "source.tls.mode", "{}", key.path);
        }
    }
}

#[test]
fn every_key_stands_in_the_documentation_as_it_is() {
    let text = include_str!("../../../docs/configuration.md");
    for key in keys::KEYS {
        let default = match key.need {
            keys::Need::Required => "required".to_owned(),
            keys::Need::Optional => "none".to_owned(),
            keys::Need::Default(default) => format!("`{default}`"),
        };
        let row = match key.kind {
            keys::Kind::Later => format!("| `{}` | {} |", key.path, key.meaning),
            kind => format!(
                "| `{}` | {} | {default} | {kind} | 0.1 | {} |",
                key.path,
                kind.name(),
                key.meaning
            ),
        };
        assert!(text.contains(&row), "docs/configuration.md misses this row:\n{row}");
    }
}

#[test]
fn keys_are_unique_and_each_default_keeps_its_own_rule() {
    let mut seen = BTreeMap::new();
    for key in keys::KEYS {
        assert!(seen.insert(key.path, ()).is_none(), "{}", key.path);
    }
    // The defaults are read by the code that reads the file.
    sound(SOUND, &[], &[]);
}

#[test]
fn every_page_exists() {
    let pages =
        [UNREADABLE, NOT_TOML, UNKNOWN_KEY, WRONG_VALUE, MISSING_KEY, SECRET, NOT_AVAILABLE];
    for page in pages {
        let path = format!("{}/docs/errors/{page}.md", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(text.starts_with(&format!("# {page}: ")), "{path}");
    }
}
