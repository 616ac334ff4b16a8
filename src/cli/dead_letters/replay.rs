//! `leadstream dead-letters replay`: asks for it, shows how it gets on, and ends it on Ctrl-C.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use clap::Args;

use super::super::read::StateArgument;
use super::super::{FAILURE, Failed, Global, runtime};
use super::{SelectionArguments, command, confirm, parse};
use crate::cli::printer::Printer;
use crate::core::letters::ReplayProgress;
use crate::operator::LetterQuestion;
use crate::runtime::letters::Selection;

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    selection: SelectionArguments,
    /// All that the mapping has refused, and that carry their row: they are mapped anew, which a
    /// changed mapping may do better
    #[arg(long, conflicts_with_all = ["numbers", "class"])]
    remap: bool,
    /// Send them although something newer of the same record was delivered since: the older image
    /// is written over the newer one
    #[arg(long)]
    force: bool,
    /// Do not ask before --force
    #[arg(long)]
    yes: bool,
    /// Do not wait for the end
    #[arg(long)]
    background: bool,
    /// Shows how the last replay stands
    #[arg(long, conflicts_with_all = ["numbers", "all", "remap", "force", "background"])]
    status: bool,
    /// Ends the replay that runs: what is on its way gets its outcome, the rest stays open
    #[arg(long, conflicts_with_all = ["numbers", "all", "remap", "force", "background", "status"])]
    cancel: bool,
    #[command(flatten)]
    state: StateArgument,
}

/// As shells tell it.
const INTERRUPTED: u8 = 130;

/// Letters named with one reason.
const NAMED: usize = 20;

const LOOK_EVERY: Duration = Duration::from_millis(200);

pub fn run(global: &Global, arguments: &Arguments, printer: &Printer) -> Result<(), Failed> {
    let state = &arguments.state;
    if arguments.cancel {
        let value = command(global, state, LetterQuestion::ReplayCancel, printer)?;
        return print(global, &parse(value)?, printer);
    }
    if arguments.status {
        let value = command(global, state, LetterQuestion::ReplayStatus, printer)?;
        return match parse::<Option<ReplayProgress>>(value)? {
            Some(progress) => print(global, &progress, printer),
            None => {
                printer.note("nothing was replayed since the service started");
                Ok(())
            }
        };
    }
    let selection = if arguments.remap {
        let mut filter = arguments.selection.filter.filter();
        filter.class = Some("mapping".to_owned());
        Selection::Matching(filter)
    } else {
        arguments.selection.selection(printer)?
    };
    if arguments.force {
        let asked = (arguments.yes, "Write over what is newer, with");
        confirm(global, state, &selection, asked, printer)?;
    }
    let what = LetterQuestion::Replay {
        selection,
        force: arguments.force,
    };
    let progress: ReplayProgress = parse(command(global, state, what, printer)?)?;
    if arguments.background {
        printer.note("it goes on in the service; see `leadstream dead-letters replay --status`");
        return print(global, &progress, printer);
    }
    follow(global, state, progress, printer)
}

/// Looks until it is over; the first Ctrl-C ends it, and it is still followed to its end.
pub(super) fn follow(
    global: &Global,
    state: &StateArgument,
    mut progress: ReplayProgress,
    printer: &Printer,
) -> Result<(), Failed> {
    // Room for those that are heeded: the first ends the replay, the second this process.
    let (sender, interrupts) = sync_channel(2);
    let runtime = runtime(1)?;
    runtime.spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if sender.try_send(()).is_err() {
                return;
            }
        }
    });
    let mut cancelled = false;
    while progress.running {
        let done = progress.asked - progress.waiting - progress.under_way;
        printer.progress("replayed", done, Some(progress.asked));
        if interrupts.recv_timeout(LOOK_EVERY).is_ok() {
            if cancelled {
                // Whoever cannot wait for what is on its way finds it by --status.
                return Err(Failed::Said(INTERRUPTED));
            }
            cancelled = true;
            printer.note("the replay is ended: what is on its way gets its outcome");
            command(global, state, LetterQuestion::ReplayCancel, printer)?;
        }
        let value = command(global, state, LetterQuestion::ReplayStatus, printer)?;
        match parse(value)? {
            Some(now) => progress = now,
            // The service was started anew meanwhile: what had no outcome is open.
            None => {
                printer.progress_done();
                printer.note("the service was restarted: what had no outcome is open, as before");
                return Err(Failed::Said(FAILURE));
            }
        }
    }
    printer.progress_done();
    print(global, &progress, printer)?;
    if progress.refused + progress.declined_count > 0 {
        return Err(Failed::Said(FAILURE));
    }
    Ok(())
}

fn print(global: &Global, progress: &ReplayProgress, printer: &Printer) -> Result<(), Failed> {
    if global.json {
        printer.json(progress)?;
        return Ok(());
    }
    printer.data(&format!("asked for    {}", progress.asked))?;
    let counts = [
        ("waiting", progress.waiting),
        ("on the way", progress.under_way),
        ("delivered", progress.delivered),
        ("refused", progress.refused),
        ("closed", progress.closed),
        ("not sent", progress.declined_count),
    ];
    for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        let more = match name {
            "refused" => "; see `leadstream dead-letters list`",
            "closed" => ": left out by the route's filter, or a newer image took their place",
            _ => "",
        };
        printer.data(&format!("{name:<12} {count}{more}"))?;
    }
    let mut reasons: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (letter, declined) in &progress.declined {
        reasons.entry(declined.text()).or_default().push(*letter);
    }
    for (reason, letters) in reasons {
        let named: Vec<String> = letters.iter().take(NAMED).map(u64::to_string).collect();
        let more = match letters.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more, which --json lists"),
        };
        printer.data(&format!("  {}{more}: {reason}", named.join(", ")))?;
    }
    Ok(())
}
