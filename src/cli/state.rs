//! `leadstream state`: what leadstream keeps on disk, verified, copied, rebuilt.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::audit::tell;
use super::printer::Printer;
use super::read::StateArgument;
use super::{Failed, Global, ledger};
use crate::state::audit::rebuild_index;

#[derive(Subcommand)]
pub enum Verb {
    /// Verifies chain and books of a state folder, or of a backup; `audit verify` looks at the index
    /// too
    Verify(VerifyArguments),
    /// Copies the state to a new folder, beside the running service, and verifies the copy
    Backup(BackupArguments),
    /// Builds the index anew from the journal and replaces the old one with it; needs the service stopped
    Rebuild(StateArgument),
}

#[derive(Args)]
pub struct VerifyArguments {
    /// A chain head that was noted earlier must lie in the chain; may be repeated
    #[arg(long = "chain", value_name = "HEAD", value_parser = ledger::chain_head)]
    heads: Vec<String>,
    #[command(flatten)]
    state: StateArgument,
}

#[derive(Args)]
pub struct BackupArguments {
    /// The folder to make; it must not exist
    #[arg(value_name = "TARGET")]
    target: PathBuf,
    #[command(flatten)]
    state: StateArgument,
}

pub fn run(global: &Global, verb: &Verb, printer: &Printer) -> Result<(), Failed> {
    match verb {
        Verb::Verify(arguments) => verify(global, arguments, printer),
        Verb::Backup(arguments) => backup(global, arguments, printer),
        Verb::Rebuild(state) => rebuild(global, state, printer),
    }
}

fn verify(global: &Global, arguments: &VerifyArguments, printer: &Printer) -> Result<(), Failed> {
    let (ledger, _) = ledger::open(global, &arguments.state, printer)?;
    let mut progress = |done, total: u64| printer.progress("bytes verified", done, Some(total));
    let verified = ledger
        .verify(&arguments.heads, &mut progress)
        .map_err(|error| ledger::refused(&error, printer))?;
    printer.progress_done();
    if global.json {
        printer.json(&verified)?;
    } else {
        tell(&verified, arguments.heads.len(), printer)?;
    }
    Ok(())
}

fn backup(global: &Global, arguments: &BackupArguments, printer: &Printer) -> Result<(), Failed> {
    let (ledger, _) = ledger::open(global, &arguments.state, printer)?;
    let mut progress =
        |done, total: u64| printer.progress("copied and verified", done, Some(total));
    let made = ledger
        .back_up(&arguments.target, &mut progress)
        .map_err(|error| ledger::refused(&error, printer))?;
    printer.progress_done();
    if global.json {
        printer.json(&made)?;
    } else {
        let target = made.target.display();
        printer.data(&format!("backup     {target}, verified"))?;
        tell(&made.verified, 0, printer)?;
    }
    Ok(())
}

fn rebuild(global: &Global, state: &StateArgument, printer: &Printer) -> Result<(), Failed> {
    let path = state.path(global, printer)?;
    let keys = state.keys(global, printer)?;
    let mut progress =
        |done, total: u64| printer.progress("commits in the index", done, Some(total));
    let commits = rebuild_index(&path, keys.as_ref(), &mut progress)
        .map_err(|error| ledger::refused(&error, printer))?;
    printer.progress_done();
    if global.json {
        printer.json(&serde_json::json!({ "commits": commits }))?;
    } else {
        printer.data(&format!("the index is built anew from {commits} commits"))?;
    }
    Ok(())
}
