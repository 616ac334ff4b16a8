//! `leadstream sandbox`: a Salesforce org in this process.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::{FAILURE, Failed};
use crate::cli::printer::Printer;

#[derive(Args)]
pub struct Arguments {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
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
        .and_then(|config| {
            salesforce_sandbox::command::serve_until_signal(arguments.listen, config)
        })
        .map_err(|error| {
            printer.failure(&error);
            Failed::Said(FAILURE)
        })
}
