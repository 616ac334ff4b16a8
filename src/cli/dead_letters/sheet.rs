//! `leadstream dead-letters export` and `import`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::super::read::StateArgument;
use super::super::{FAILURE, Failed, Global, private_file};
use super::{SelectionArguments, command, parse, read};
use crate::cli::printer::Printer;
use crate::operator::LetterQuestion;
use crate::runtime::letters::sheet::{self, Line, Row, RowReport};
use crate::runtime::letters::{Selection, not_open};

#[derive(Args)]
pub struct ExportArguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// The file to write [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Begin with a byte order mark, by which Excel knows UTF-8
    #[arg(long)]
    excel: bool,
    #[command(flatten)]
    state: StateArgument,
}

#[derive(Args)]
pub struct ImportArguments {
    /// The file that export wrote, mended; `-` is stdin
    file: PathBuf,
    /// Only say what would be changed
    #[arg(long)]
    check: bool,
    /// Take what is right, though other lines are wrong; without it a wrong line keeps all back
    #[arg(long)]
    partial: bool,
    /// Send those that were changed
    #[arg(long, conflicts_with = "check")]
    replay: bool,
    #[command(flatten)]
    state: StateArgument,
}

/// Letters in one question.
const AT_ONCE: usize = 100;

/// A question's size: the service reads no longer one.
const QUESTION_BYTES: usize = 128 * 1024;

pub fn export(
    global: &Global,
    arguments: &ExportArguments,
    printer: &Printer,
) -> Result<(), Failed> {
    let state = &arguments.state;
    let numbers: Vec<u64> = match arguments.selection.selection(printer)? {
        Selection::Numbers(numbers) => numbers,
        Selection::Matching(filter) => {
            let what = LetterQuestion::Numbers {
                filter: filter.clone(),
            };
            let numbers = read(global, state, what, printer, |index| {
                index.letter_numbers(&filter)
            });
            parse(numbers?)?
        }
    };
    let mut lines = Vec::with_capacity(numbers.len());
    for part in numbers.chunks(AT_ONCE) {
        let what = LetterQuestion::Stories {
            numbers: part.to_vec(),
        };
        let stories = read(global, state, what, printer, |index| {
            let stories = part.iter().map(|number| index.letter_story(*number));
            stories.collect::<Result<Vec<_>, _>>()
        })?;
        for (number, story) in part.iter().zip(parse::<Vec<Value>>(stories)?) {
            if story.is_null() {
                // Those of a filter may have been closed meanwhile.
                if arguments.selection.numbers.contains(number) {
                    let declined = not_open(*number);
                    printer.error(Some(&declined.page), &declined.text, Some(&declined.remedy));
                    return Err(Failed::Said(FAILURE));
                }
                continue;
            }
            lines.push(line(*number, &story));
        }
        printer.progress("read", lines.len() as u64, Some(numbers.len() as u64));
    }
    printer.progress_done();
    let mut text = Vec::new();
    sheet::write(&lines, arguments.excel, &mut text)
        .map_err(|error| Failed::Output(io::Error::other(error)))?;
    match &arguments.output {
        Some(path) => {
            // It holds people's data.
            private_file::create(path).and_then(|mut file| file.write_all(&text))?;
            printer.note(&format!(
                "{} dead letters are in {}; mend them there, then: leadstream dead-letters import {}",
                lines.len(),
                path.display(),
                path.display()
            ));
        }
        None => printer.data(String::from_utf8_lossy(&text).trim_end_matches('\n'))?,
    }
    Ok(())
}

fn line(number: u64, story: &Value) -> Line {
    let text = |name: &str| {
        let text = story.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let steps = story.get("steps").and_then(Value::as_array);
    let steps = steps.map_or(0, Vec::len);
    let payload = story.get("payload").map(Value::to_string);
    let mut fields = sheet::cells(&payload.unwrap_or_default());
    // Known to the service alone, which has the mapping.
    let refused = story.get("refused").map(Value::to_string);
    fields.extend(sheet::cells(&refused.unwrap_or_default()));
    Line {
        fixed: [
            number.to_string(),
            text("route"),
            text("key"),
            text("class"),
            text("code"),
            message(story),
            steps.to_string(),
        ],
        fields,
    }
}

/// What was said against it last.
fn message(story: &Value) -> String {
    let steps = story.get("steps").and_then(Value::as_array);
    let mut steps = steps.into_iter().flatten().rev();
    let errors = steps.find_map(|step| {
        let errors = step.get("personal")?.get("errors")?.as_array()?;
        (!errors.is_empty()).then_some(errors)
    });
    let messages = errors.into_iter().flatten();
    let messages = messages.filter_map(|error| error.get("message")?.as_str());
    messages.collect::<Vec<_>>().join("; ")
}

pub fn import(
    global: &Global,
    arguments: &ImportArguments,
    printer: &Printer,
) -> Result<(), Failed> {
    let wrong = |text: String| {
        let remedy = "mend the file, or export anew; nothing was changed";
        printer.error(Some("LS6016"), &text, Some(remedy));
        Failed::Said(FAILURE)
    };
    let file = arguments.file.display();
    let text = read_text(&arguments.file).map_err(|error| wrong(format!("{file}: {error}")))?;
    let rows = sheet::read(&text).map_err(|bad| wrong(format!("{file}: {bad}")))?;
    // All is checked before anything is changed.
    let checked = ask(global, arguments, rows.clone(), true, printer)?;
    let bad: Vec<&RowReport> = checked.iter().filter(|it| it.wrong.is_some()).collect();
    note_wrong(&bad, printer);
    if !bad.is_empty() && !arguments.partial && !arguments.check {
        return Err(wrong(format!(
            "{} of {} lines are wrong; --partial takes the others",
            bad.len(),
            rows.len()
        )));
    }
    let to_change: BTreeMap<u64, &RowReport> = checked
        .iter()
        .filter(|it| it.wrong.is_none() && !it.changed.is_empty())
        .map(|it| (it.letter, it))
        .collect();
    let reports = if arguments.check {
        checked.clone()
    } else {
        let rows = rows.into_iter();
        let rows = rows.filter(|row| to_change.contains_key(&row.letter));
        ask(global, arguments, rows.collect(), false, printer)?
    };
    // What happened to a letter between the check and the change.
    let late: Vec<&RowReport> = match arguments.check {
        true => Vec::new(),
        false => reports.iter().filter(|it| it.wrong.is_some()).collect(),
    };
    note_wrong(&late, printer);
    let is_changed = |it: &&RowReport| it.wrong.is_none() && !it.changed.is_empty();
    let changed: Vec<u64> = reports
        .iter()
        .filter(is_changed)
        .map(|it| it.letter)
        .collect();
    if global.json {
        printer.json(&reports)?;
    } else {
        let verb = if arguments.check { "would be" } else { "are" };
        printer.data(&format!(
            "{} dead letters {verb} changed, {} lines are wrong, {} change nothing",
            changed.len(),
            bad.len() + late.len(),
            checked.len() - bad.len() - to_change.len()
        ))?;
    }
    if arguments.replay && !changed.is_empty() {
        let what = LetterQuestion::Replay {
            selection: Selection::Numbers(changed),
            force: false,
        };
        let progress = parse(command(global, &arguments.state, what, printer)?)?;
        super::replay::follow(global, &arguments.state, progress, printer)?;
    }
    if bad.is_empty() && late.is_empty() {
        Ok(())
    } else {
        Err(Failed::Said(FAILURE))
    }
}

fn note_wrong(reports: &[&RowReport], printer: &Printer) {
    for report in reports {
        let why = report.wrong.as_deref().unwrap_or_default();
        printer.note(&format!(
            "line {}: dead letter {}: {why}",
            report.line, report.letter
        ));
    }
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    if path == Path::new("-") {
        io::stdin().read_to_string(&mut text)?;
    } else {
        File::open(path)?.read_to_string(&mut text)?;
    }
    Ok(text)
}

/// Asks about rows, a question's worth at a time.
fn ask(
    global: &Global,
    arguments: &ImportArguments,
    rows: Vec<Row>,
    check_only: bool,
    printer: &Printer,
) -> Result<Vec<RowReport>, Failed> {
    let all = rows.len() as u64;
    let mut reports = Vec::with_capacity(rows.len());
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let (mut part, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next_if(|row| {
            let own: usize = row
                .cells
                .iter()
                .map(|(name, cell)| name.len() + cell.len() + 8)
                .sum();
            bytes += own;
            part.is_empty() || bytes < QUESTION_BYTES && part.len() < AT_ONCE
        }) {
            part.push(row);
        }
        let what = LetterQuestion::Import {
            rows: part,
            check_only,
        };
        let asked = command(global, &arguments.state, what, printer);
        let value = asked.inspect_err(|_| {
            if !check_only && !reports.is_empty() {
                printer.note(&format!(
                    "{} of {all} lines were taken before that; the same import again takes the rest",
                    reports.len()
                ));
            }
        })?;
        reports.extend(parse::<Vec<RowReport>>(value)?);
        let what = if check_only { "checked" } else { "changed" };
        printer.progress(what, reports.len() as u64, Some(all));
    }
    printer.progress_done();
    Ok(reports)
}
