//! `leadstream dead-letters edit` and `discard`.

use clap::Args;

use super::super::read::StateArgument;
use super::super::{Failed, Global, USAGE};
use super::{SelectionArguments, command, confirm, parse};
use crate::cli::printer::Printer;
use crate::operator::LetterQuestion;
use crate::runtime::letters::{Change, Edited, Wanted};

#[derive(Args)]
pub struct EditArguments {
    /// The dead letter's number
    number: u64,
    /// Fields and their new values
    #[arg(value_name = "FIELD=VALUE")]
    changes: Vec<String>,
    /// A field that is not to be sent at all; may be repeated
    #[arg(long, value_name = "FIELD")]
    unset: Vec<String>,
    /// Fields and values as one JSON object; null empties a field
    #[arg(long, value_name = "OBJECT")]
    fields: Option<String>,
    /// Only say whether it would be accepted
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    state: StateArgument,
}

#[derive(Args)]
pub struct DiscardArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// Why; it stands in the journal for ever
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    reason: String,
    /// Do not ask, however many they are
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    state: StateArgument,
}

pub fn edit(global: &Global, arguments: &EditArguments, printer: &Printer) -> Result<(), Failed> {
    // Keys of the configuration have dots, names of fields have none: `--set` serves both.
    let (keys, fields): (Vec<String>, Vec<String>) =
        global.set.iter().cloned().partition(|given| is_key(given));
    let global = &Global {
        config: global.config.clone(),
        set: keys,
        json: global.json,
    };
    let changes = match changes(arguments, &fields) {
        Ok(changes) if !changes.is_empty() => changes,
        Ok(_) => {
            printer.error(None, "what is to be changed? Give FIELD=VALUE", None);
            return Err(Failed::Said(USAGE));
        }
        Err(text) => {
            printer.error(None, &text, None);
            return Err(Failed::Said(USAGE));
        }
    };
    let what = LetterQuestion::Edit {
        number: arguments.number,
        changes,
        seen: None,
        check_only: arguments.check,
    };
    let value = command(global, &arguments.state, what, printer)?;
    if global.json {
        printer.json(&value)?;
        return Ok(());
    }
    let edited: Edited = parse(value)?;
    let number = edited.letter;
    printer.data(&match (edited.changed.is_empty(), arguments.check) {
        (true, _) => format!("dead letter {number}: every field is so already"),
        (false, true) => format!(
            "dead letter {number}: this would be accepted: {}",
            edited.changed.join(", ")
        ),
        (false, false) => format!(
            "dead letter {number} is changed: {}; send it with: leadstream dead-letters replay \
             {number}",
            edited.changed.join(", ")
        ),
    })?;
    Ok(())
}

fn is_key(given: &str) -> bool {
    given
        .split_once('=')
        .is_some_and(|(name, _)| name.contains('.'))
}

fn changes(arguments: &EditArguments, set: &[String]) -> Result<Vec<Change>, String> {
    let mut changes = Vec::new();
    for given in arguments.changes.iter().chain(set) {
        let Some((field, value)) = given.split_once('=').filter(|(field, _)| !field.is_empty())
        else {
            return Err(format!("{given:?} is not FIELD=VALUE"));
        };
        changes.push(Change {
            field: field.trim().to_owned(),
            value: Some(Wanted::Text(value.to_owned())),
        });
    }
    if let Some(object) = &arguments.fields {
        let fields = crate::core::mapping::read_fields(object)
            .ok_or_else(|| "--fields takes one JSON object, such as {\"Fax\":null}".to_owned())?;
        changes.extend(fields.into_iter().map(|(field, json)| Change {
            field,
            value: Some(Wanted::Json(json.get().to_owned())),
        }));
    }
    changes.extend(arguments.unset.iter().map(|field| Change {
        field: field.clone(),
        value: None,
    }));
    let mut seen = std::collections::BTreeSet::new();
    match changes
        .iter()
        .find(|it| !seen.insert(it.field.to_lowercase()))
    {
        Some(twice) => Err(format!("{} is given twice", twice.field)),
        None => Ok(changes),
    }
}

pub fn discard(
    global: &Global,
    arguments: &DiscardArguments,
    printer: &Printer,
) -> Result<(), Failed> {
    let selection = arguments.selection.selection(printer)?;
    let state = &arguments.state;
    let asked = (arguments.yes, "Discard");
    confirm(global, state, &selection, asked, printer)?;
    let what = LetterQuestion::Discard {
        selection,
        reason: arguments.reason.clone(),
    };
    let value = command(global, state, what, printer)?;
    if global.json {
        printer.json(&serde_json::json!({ "discarded": value }))?;
        return Ok(());
    }
    let count: u64 = parse(value)?;
    let noun = if count == 1 {
        "letter is"
    } else {
        "letters are"
    };
    printer.data(&format!("{count} dead {noun} discarded"))?;
    Ok(())
}
