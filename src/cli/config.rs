//! `leadstream config`: what is in effect, secrets hidden; every key, for people and for editors.

use clap::Subcommand;

use super::{Failed, Global, load};
use crate::cli::printer::Printer;
use crate::config::{reference, schema};

#[derive(Subcommand)]
pub enum Verb {
    /// Prints the configuration in effect as TOML, or JSON with --json; secrets are hidden
    Print,
    /// Prints a JSON Schema of the configuration file, by which editors complete and check it
    Schema,
    /// Prints what every key means, its default and its rule, as Markdown
    Reference,
}

pub fn run(global: &Global, verb: &Verb, printer: &Printer) -> Result<(), Failed> {
    match verb {
        Verb::Print => print(global, printer)?,
        Verb::Schema => printer.data(&format!("{:#}", schema::schema()))?,
        Verb::Reference => printer.data(reference::page().trim_end())?,
    }
    Ok(())
}

fn print(global: &Global, printer: &Printer) -> Result<(), Failed> {
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
