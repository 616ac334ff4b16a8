//! `leadstream config print`: what is in effect, secrets hidden.

use clap::Subcommand;

use super::{Failed, Global, load};
use crate::cli::printer::Printer;

#[derive(Subcommand)]
pub enum Verb {
    /// Prints the configuration in effect as TOML, or JSON with --json; secrets are hidden
    Print,
}

pub fn run(global: &Global, verb: &Verb, printer: &Printer) -> Result<(), Failed> {
    let Verb::Print = verb;
    let config = load(global, printer)?;
    let text = config.print();
    if global.json {
        let value: toml::Table =
            toml::from_str(&text).map_err(|error| Failed::Output(std::io::Error::other(error)))?;
        printer.json(&value)?;
    } else {
        printer.data(text.trim_end())?;
    }
    Ok(())
}
