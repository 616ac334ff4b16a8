//! `leadstream sandbox`: a Salesforce org in this process.

use std::path::PathBuf;

use clap::Args;
use salesforce_sandbox::command::{self, ServingArgs};

use super::{FAILURE, Failed};
use crate::cli::printer::Printer;

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    serving: ServingArgs,
    /// What the org is made of, as TOML [default: the demo org]
    #[arg(long, value_name = "FILE")]
    org: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, printer: &Printer) -> Result<(), Failed> {
    let config = match &arguments.org {
        Some(path) => salesforce_sandbox::OrgConfig::load(path),
        None => Ok(salesforce_sandbox::OrgConfig::default()),
    };
    config
        .and_then(|config| command::serve(&arguments.serving, config))
        .map_err(|error| {
            printer.failure(&error);
            Failed::Said(FAILURE)
        })
}
