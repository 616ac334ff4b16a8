//! `leadstream completions` and `leadstream manual`: the command line told to shells and to man.

use std::io;
use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;

use super::{Failed, definition};
use crate::cli::printer::Printer;

#[derive(Args)]
pub struct Completions {
    /// Whose; bash: `source <(leadstream completions bash)`, or a file in
    /// /usr/share/bash-completion/completions
    shell: Shell,
}

#[derive(Args)]
pub struct Manual {
    /// Writes the pages of all verbs into this folder instead, which is made if it is missing
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

pub fn completions(arguments: &Completions, printer: &Printer) -> Result<(), Failed> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut definition(),
        "leadstream",
        &mut script,
    );
    print(script, printer)
}

pub fn manual(arguments: &Manual, printer: &Printer) -> Result<(), Failed> {
    if let Some(folder) = &arguments.to {
        let write = std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(definition(), folder));
        return write.map_err(|error| {
            let text = format!("cannot write the pages to {}: {error}", folder.display());
            let remedy = "check space and permissions of the folder";
            printer.error(Some("LS6021"), &text, Some(remedy));
            Failed::Said(super::FAILURE)
        });
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(definition()).render(&mut page)?;
    print(page, printer)
}

fn print(text: Vec<u8>, printer: &Printer) -> Result<(), Failed> {
    let text = String::from_utf8(text).map_err(io::Error::other)?;
    Ok(printer.data(text.trim_end())?)
}
