//! Whether a command that a document gives is one that the program takes.

use clap::error::ErrorKind;

use super::markdown::Document;
use super::{Complaint, complaint};

/// Words in prose that begin with our name and are no command.
const NO_COMMANDS: &[(&str, &str)] = &[(
    "leadstream name of an encryption key",
    "a context for deriving keys",
)];

/// Where the command stands. A block is to be typed as it stands; a span in prose names a command
/// and may leave out what it needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Block,
    Prose,
}

/// Commands of the program itself, and targets of `make`.
pub fn check(document: &Document, targets: &[String]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut astray = Vec::new();
    let mut look = |line: usize, command: &str, place: Place| {
        if let Err(why) = parse(command, place, targets) {
            complaints.push(complaint(document, line, format!("`{command}`: {why}")));
        }
    };
    for block in document.blocks.iter().filter(|it| is_shell(&it.language)) {
        for (number, line) in block.text.lines().enumerate() {
            look(block.line + number, line, Place::Block);
        }
    }
    // Such a line lost its indentation: it is shown as prose, run on with the next.
    for line in &document.prose {
        let is_ours = line.text.starts_with("leadstream ") || line.text.starts_with("make ");
        // Words in a row, then a remark: nobody writes prose so.
        let is_remarked = line.text.contains("   # ");
        if is_remarked || (is_ours && parse(&line.text, Place::Block, targets).is_ok()) {
            let text = format!("`{}` is a command outside a block", line.text);
            astray.push(complaint(document, line.line, text));
        }
    }
    for span in &document.spans {
        if NO_COMMANDS.iter().any(|(words, _)| *words == span.text) {
            continue;
        }
        look(span.line, &span.text, Place::Prose);
    }
    complaints.extend(astray);
    complaints
}

fn is_shell(language: &str) -> bool {
    matches!(language, "" | "console" | "sh" | "bash" | "shell")
}

/// A line that is no command of ours is none of our concern.
fn parse(line: &str, place: Place, targets: &[String]) -> Result<(), String> {
    let words = words(line);
    let mut words = words.as_slice();
    while words.first().is_some_and(|word| is_before(word)) {
        words = &words[1..];
    }
    let Some((name, rest)) = words.split_first() else {
        return Ok(());
    };
    match name.rsplit('/').next() {
        Some("leadstream") if *name != "/leadstream" => parse_ours(rest, place),
        Some("make") => parse_make(rest, targets, place),
        Some("cargo") => parse_cargo(rest),
        _ => Ok(()),
    }
}

/// What may stand before the name of a command.
fn is_before(word: &str) -> bool {
    let assigned = word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
    });
    assigned || ["$", "sudo", "exec", "time"].contains(&word)
}

fn parse_make(words: &[String], targets: &[String], place: Place) -> Result<(), String> {
    for word in words {
        let is_option = word.starts_with('-') || word.contains('=');
        if !is_option && !targets.contains(word) {
            return Err(format!("the Makefile has no target {word}"));
        }
    }
    if words.is_empty() && place == Place::Block {
        return Err("names no target".to_owned());
    }
    Ok(())
}

/// The bench that `--bench` names, and the group of tests behind `--test it`, must be there.
fn parse_cargo(words: &[String]) -> Result<(), String> {
    let package = super::package();
    let there = |folder: &str, name: &str| {
        let path = package.join(folder);
        path.join(format!("{name}.rs")).exists() || path.join(name).is_dir()
    };
    for (at, word) in words.iter().enumerate() {
        let next = words.get(at + 1).map_or("", String::as_str);
        let group = words.get(at + 2).map_or("", String::as_str);
        let group = group.split("::").next().unwrap_or_default();
        if word == "--bench" && !there("benches", next) {
            return Err(format!("there is no bench {next}"));
        }
        let is_group = word == "--test" && next == "it" && !group.is_empty();
        if is_group && !group.starts_with('-') && !there("tests/it", group) {
            return Err(format!("there is no tests/it/{group}.rs"));
        }
    }
    Ok(())
}

fn parse_ours(words: &[String], place: Place) -> Result<(), String> {
    // Prose of ours may go on after the name: `leadstream` alone, or `leadstream 0.1.0`.
    if words.is_empty() {
        return Ok(());
    }
    for words in alternatives(words) {
        let line = std::iter::once("leadstream".to_owned()).chain(words);
        match leadstream::cli::definition().try_get_matches_from(line) {
            Ok(_) => {}
            Err(error) => match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {}
                ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                | ErrorKind::MissingRequiredArgument
                | ErrorKind::MissingSubcommand
                | ErrorKind::InvalidValue
                | ErrorKind::ValueValidation
                    if place == Place::Prose => {}
                _ => return Err(error.to_string().lines().next().unwrap_or("?").to_owned()),
            },
        }
    }
    Ok(())
}

/// `state verify|backup` is two commands; the value of `--format csv|jsonl` is one of two.
fn alternatives(words: &[String]) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = vec![Vec::new()];
    for word in words {
        let choices: Vec<&str> = word.split('|').collect();
        all = all
            .iter()
            .flat_map(|before| {
                choices.iter().map(|choice| {
                    let mut line = before.clone();
                    line.push((*choice).to_owned());
                    line
                })
            })
            .collect();
    }
    all
}

/// Words as a shell cuts them, up to a comment, a pipe or a redirection; brackets around what may
/// be left out are taken off, and placeholders stand for something.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut quote: Option<char> = None;
    let mut quoted = false;
    for c in line.chars().chain([' ']) {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.push(c),
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                quoted = true;
            }
            None if c.is_whitespace() => {
                if quoted {
                    words.push(std::mem::take(&mut word));
                } else if !word.is_empty() {
                    if word.starts_with('#') || ["|", ">", ">>", "&&", ";"].contains(&word.as_str())
                    {
                        return words;
                    }
                    let end = word.ends_with(';');
                    words.extend(filled(&word, words.last()));
                    word.clear();
                    if end {
                        return words;
                    }
                }
                quoted = false;
            }
            None => word.push(c),
        }
    }
    words
}

/// What a placeholder stands for: `N` for a number, `MOMENT` and `…` for a moment where one is due.
fn filled(word: &str, before: Option<&String>) -> Option<String> {
    let word = word.trim_start_matches('[').trim_end_matches(';');
    let word = word.trim_end_matches('…').trim_end_matches(']');
    if word.is_empty() && before.is_none_or(|it| !it.starts_with("--")) {
        return None;
    }
    let due = before.map_or("", String::as_str);
    Some(match (word, due) {
        ("N" | "NUMBER" | "SECONDS", _) => "1".to_owned(),
        ("MOMENT" | "", "--since" | "--until") => "1d".to_owned(),
        ("ROLE", _) => "viewer".to_owned(),
        ("FIELD=VALUE", _) => "LastName=Doe".to_owned(),
        (word, _) => word.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(line: &str, place: Place) {
        let targets = ["demo".to_owned()];
        assert!(parse(line, place, &targets).is_err(), "{line} passed");
    }

    #[track_caller]
    fn taken(line: &str, place: Place) {
        let targets = ["demo".to_owned()];
        assert_eq!(parse(line, place, &targets), Ok(()), "{line}");
    }

    #[test]
    fn what_the_program_does_not_take_is_found() {
        refused("leadstream stauts", Place::Prose);
        refused("$ leadstream status --colour", Place::Block);
        refused("leadstream trace", Place::Block);
        refused("leadstream state verify|burn", Place::Prose);
    }

    #[test]
    fn what_it_takes_passes_with_comments_pipes_and_placeholders() {
        taken(
            "leadstream status | grep -A2 state     # what is wrong",
            Place::Block,
        );
        taken("leadstream preview [--rows N] [--masked]", Place::Block);
        taken(
            "leadstream audit export --since … --until … [--format csv|jsonl]",
            Place::Prose,
        );
        taken("leadstream trace", Place::Prose);
        taken(
            "LEADSTREAM_SOAK=1 target/release/leadstream run --config a.toml",
            Place::Block,
        );
        taken(
            "leadstream pause leads --reason \"a # in quotes\"",
            Place::Block,
        );
        taken("cat leadstream", Place::Block);
    }

    #[test]
    fn benches_and_groups_of_tests_that_are_not_there_are_found() {
        refused("cargo bench --bench end_to_begin", Place::Block);
        refused(
            "LEADSTREAM_SOAK=1 cargo test --test it powerlos",
            Place::Prose,
        );
        taken(
            "cargo bench --bench end_to_end --bench pacing",
            Place::Block,
        );
        taken("cargo test --test it transactions::memory", Place::Block);
        taken("cargo test --lib", Place::Prose);
    }

    #[test]
    fn a_command_that_lost_its_indentation_is_found() {
        let text = "## How to look\nleadstream status   # as it is\n    leadstream check\n";
        let found = check(&Document::read("a.md", text), &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        let text = "leadstream reads one file.\n\n    leadstream check\n";
        assert_eq!(check(&Document::read("a.md", text), &[]), []);
    }

    #[test]
    fn a_target_that_the_makefile_lacks_is_found() {
        refused("make dmeo", Place::Prose);
        taken("make demo SECONDS=30", Place::Block);
    }
}
