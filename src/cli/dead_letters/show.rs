//! `leadstream dead-letters show`: one dead letter with all that happened to it.

use clap::Args;
use serde_json::Value;

use super::super::read::StateArgument;
use super::super::time::moment;
use super::super::{FAILURE, Failed, Global};
use super::read;
use crate::cli::printer::Printer;
use crate::core::mapping::KeptRow;
use crate::core::time::Micros;
use crate::delivery;
use crate::operator::LetterQuestion;
use crate::runtime::letters::{not_open, sheet};

#[derive(Args)]
pub struct Arguments {
    /// The dead letter's number
    number: u64,
    #[command(flatten)]
    state: StateArgument,
}

pub fn run(global: &Global, arguments: &Arguments, printer: &Printer) -> Result<(), Failed> {
    let number = arguments.number;
    let what = LetterQuestion::Show { number };
    let story = read(global, &arguments.state, what, printer, |index| {
        index.letter_story(number)
    })?;
    if story.is_null() {
        let declined = not_open(number);
        printer.error(Some(&declined.page), &declined.text, Some(&declined.remedy));
        return Err(Failed::Said(FAILURE));
    }
    if global.json {
        printer.json(&story)?;
        return Ok(());
    }
    print(&story, printer)?;
    Ok(())
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    let list = value.get(name).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

fn at(value: &Value) -> String {
    let at = value.get("at").and_then(Value::as_i64).unwrap_or_default();
    moment(Micros(at))
}

fn print(story: &Value, printer: &Printer) -> std::io::Result<()> {
    let number = story.get("letter").and_then(Value::as_u64);
    printer.data(&format!(
        "dead letter {} of route {}, open since {}",
        number.unwrap_or_default(),
        text(story, "route"),
        at(story)
    ))?;
    printer.data(&format!("  key         {}", text(story, "key")))?;
    let id = text(story, "salesforce_id");
    let id = if id.is_empty() { "not known" } else { id };
    printer.data(&format!("  Salesforce  {id}"))?;
    let code = text(story, "code");
    printer.data(&format!("  cause       {code} ({})", text(story, "class")))?;
    printer.data(&format!("  what to do  {}", delivery::explain(code)))?;
    printer.data("")?;
    for step in list(story, "steps") {
        print_step(step, printer)?;
    }
    printer.data("")?;
    let Some(payload) = story.get("payload").filter(|payload| !payload.is_null()) else {
        return printer.data("its payload was erased: it can be discarded, not sent");
    };
    let edited = list(story, "edited");
    let objected = list(story, "fields");
    let mut rows: Vec<Vec<String>> = sheet::cells(&payload.to_string())
        .into_iter()
        .map(|(name, cell)| {
            let is_in = |names: &[Value]| names.iter().any(|it| it.as_str() == Some(&*name));
            let mut note = Vec::new();
            if is_in(edited) {
                note.push("edited");
            }
            if is_in(objected) {
                note.push("objected to");
            }
            vec![format!("  {name}"), cell, note.join(", ")]
        })
        .collect();
    let refused = story.get("refused").map(Value::to_string);
    let refused = sheet::cells(&refused.unwrap_or_default()).into_iter();
    rows.extend(refused.map(|(name, cell)| vec![format!("  {name}"), cell, "refused".to_owned()]));
    printer.table(&["  field", "as it is now", ""], &rows)?;
    if story.get("has_row").and_then(Value::as_bool) == Some(true) {
        printer.data("")?;
        printer.data("it carries the row that was not mapped: a replay maps it anew")?;
        let row = list(story, "steps").iter().rev().find_map(|step| {
            let row = step.get("personal")?.get("source_row")?;
            KeptRow::read(&row.to_string())
        });
        let texts = row.map(|row| row.texts()).unwrap_or_default().into_iter();
        let columns = texts.map(|(name, value)| vec![format!("  {name}"), value]);
        printer.table(
            &["  column", "as it was in the database"],
            &columns.collect::<Vec<_>>(),
        )?;
    }
    Ok(())
}

fn print_step(step: &Value, printer: &Printer) -> std::io::Result<()> {
    let personal = step.get("personal").filter(|personal| !personal.is_null());
    let author = text(step, "author");
    let what = match text(step, "kind") {
        "dead_letter" => match step.get("attempt").and_then(Value::as_u64) {
            Some(attempt) => format!("refused by Salesforce at attempt {attempt}"),
            None => "refused by the mapping, never sent".to_owned(),
        },
        "edited" => format!("edited by {author}"),
        "replayed" => format!("replay asked for by {author}"),
        other => other.to_owned(),
    };
    printer.data(&format!("  {}  {what}", at(step)))?;
    let Some(personal) = personal else {
        return Ok(());
    };
    for error in list(personal, "errors") {
        let (code, message) = (text(error, "code"), text(error, "message"));
        printer.data(&format!("      {code}: {message}"))?;
    }
    let cells = |name: &str| {
        let fields = personal.get(name).map(Value::to_string);
        sheet::cells(&fields.unwrap_or_default())
    };
    let (before, after) = (cells("before"), cells("after"));
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let shown = |cell: Option<&String>| match cell {
            Some(cell) => format!("{cell:?}"),
            None => "(not sent)".to_owned(),
        };
        let (old, new) = (shown(before.get(name)), shown(after.get(name)));
        printer.data(&format!("      {name}: {old} becomes {new}"))?;
    }
    Ok(())
}
