//! `leadstream audit`: what an auditor asks. Reads the journal's files beside a running service.

mod activity;
mod export;
mod forget;
mod period;
mod report;
mod show;
mod verify;

pub use verify::tell;

use clap::Subcommand;

use super::{Failed, Global};
use crate::cli::printer::Printer;

#[derive(Subcommand)]
pub enum Verb {
    /// Counts what became of the leads of a period, by day or hour
    Report(report::Arguments),
    /// Writes every step of every record of a period
    Export(export::Arguments),
    /// Proves that nothing is missing and nothing was changed; exit 1 with the first broken place
    Verify(verify::Arguments),
    /// Tells who did what, newest first
    Activity(activity::Arguments),
    /// Takes a person out of everything that is kept, and notes that it was asked for
    Forget(forget::Arguments),
}

pub fn run(global: &Global, verb: &Verb, printer: &Printer) -> Result<(), Failed> {
    match verb {
        Verb::Report(arguments) => report::run(global, arguments, printer),
        Verb::Export(arguments) => export::run(global, arguments, printer),
        Verb::Verify(arguments) => verify::run(global, arguments, printer),
        Verb::Activity(arguments) => activity::run(global, arguments, printer),
        Verb::Forget(arguments) => forget::run(global, arguments, printer),
    }
}
