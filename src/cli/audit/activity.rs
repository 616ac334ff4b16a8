//! `leadstream audit activity`: who did what, newest first.

use clap::Args;

use super::period::PeriodArguments;
use crate::cli::printer::Printer;
use crate::cli::read::StateArgument;
use crate::cli::time::moment;
use crate::cli::{Failed, Global, ledger};
use crate::runtime::clock;
use crate::state::{Activity, ActivityQuestion};

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    period: PeriodArguments,
    /// What this person did, and nobody else
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// How many acts are told, the newest first
    #[arg(long, value_name = "COUNT", default_value_t = 1_000,
        value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    #[command(flatten)]
    state: StateArgument,
}

/// Acts that are read at once.
const PAGE: usize = 500;

pub fn run(global: &Global, arguments: &Arguments, printer: &Printer) -> Result<(), Failed> {
    let period = arguments.period.read(clock::wall(), printer)?;
    let (ledger, _) = ledger::open(global, &arguments.state, printer)?;
    let mut question = ActivityQuestion {
        since: Some(period.since),
        until: Some(period.until),
        before: None,
        author: arguments.author.clone(),
        limit: PAGE,
    };
    let mut told = 0_u64;
    let mut left_out = false;
    'pages: loop {
        let page = ledger
            .activity(&question)
            .map_err(|error| ledger::refused(&error, printer))?;
        for act in page.acts.iter().filter(|act| act.at < period.until) {
            if told == arguments.limit {
                left_out = true;
                break 'pages;
            }
            told += 1;
            if global.json {
                printer.json(act)?;
            } else {
                printer.data(&line(act))?;
            }
        }
        question.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    if left_out {
        printer.note(&format!(
            "the newest {told} are told, older ones are left out: --limit, --since and --until tell others"
        ));
    }
    if told == 0 && !global.json {
        printer.note("nobody did anything in that time");
    }
    Ok(())
}

fn line(act: &Activity) -> String {
    let mut text = format!("{}  {}  {}", moment(act.at), act.author, act.what);
    if let Some(route) = &act.route {
        text.push_str(&format!("  route {route}"));
    }
    match (act.letter, act.count) {
        (Some(letter), 1) => text.push_str(&format!("  dead letter {letter}")),
        (Some(letter), count) => {
            text.push_str(&format!("  {count} dead letters from number {letter} on"));
        }
        (None, 1) => {}
        (None, count) => text.push_str(&format!("  {count} lines")),
    }
    if !act.reason.is_empty() {
        text.push_str(&format!("  because: {}", act.reason));
    }
    text
}
