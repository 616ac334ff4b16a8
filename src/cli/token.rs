//! `leadstream token`: who may use the operator's port. Works on the token file itself, whether a
//! service runs or not; one that runs reads the file again within a second.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::time::moment;
use super::{FAILURE, Failed, Global, load, with_causes};
use crate::cli::printer::Printer;
use crate::core::time::Micros;
use crate::operator::{Role, token_file};
use crate::runtime::clock;

#[derive(Subcommand)]
pub enum Verb {
    /// Makes a token and prints it, this once; the file keeps its hash alone
    New(NewArguments),
    /// Shows whose tokens there are
    List(FileArgument),
    /// Takes a token away; its sessions end, too
    Revoke(RevokeArguments),
}

#[derive(Args)]
pub struct NewArguments {
    /// Whose it is: it stands in the journal as the author of what is changed
    #[arg(value_name = "NAME")]
    name: String,
    /// viewer looks, with personal values masked; operator sees them and changes things; admin also
    /// erases people
    #[arg(long, value_name = "ROLE", value_parser = ["viewer", "operator", "admin"])]
    role: String,
    /// Ends after so many days [default: never]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(i64).range(1..=36_500))]
    days: Option<i64>,
    #[command(flatten)]
    file: FileArgument,
}

#[derive(Args)]
pub struct RevokeArguments {
    /// Whose it is
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    file: FileArgument,
}

#[derive(Args)]
pub struct FileArgument {
    /// The token file, instead of the one that the configuration names
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

const MICROS_PER_DAY: i64 = 86_400_000_000;

pub fn run(global: &Global, verb: &Verb, printer: &Printer) -> Result<(), Failed> {
    match verb {
        Verb::New(arguments) => new(global, arguments, printer),
        Verb::List(file) => list(global, file, printer),
        Verb::Revoke(arguments) => revoke(global, arguments, printer),
    }
}

fn new(global: &Global, arguments: &NewArguments, printer: &Printer) -> Result<(), Failed> {
    let path = arguments.file.path(global, printer)?;
    let role: Role = arguments.role.parse().unwrap_or(Role::Viewer);
    let expires = arguments
        .days
        .map(|days| Micros(clock::wall().0 + days * MICROS_PER_DAY));
    let (token, entry) = token_file::add(&path, &arguments.name, role, expires)
        .map_err(|error| refused(&error, printer))?;
    if global.json {
        printer.json(&json!({
            "name": &*entry.name,
            "role": entry.role,
            "expires": entry.expires.map(token_file::shown),
            "token": token.expose(),
        }))?;
        return Ok(());
    }
    printer.note(&format!(
        "{} may use the port as {} {}; this is the token, shown this once:",
        entry.name,
        entry.role,
        match entry.expires {
            Some(at) => format!("until {}", moment(at)),
            None => "until it is revoked".to_owned(),
        }
    ));
    printer.data(token.expose())?;
    Ok(())
}

fn list(global: &Global, file: &FileArgument, printer: &Printer) -> Result<(), Failed> {
    let path = file.path(global, printer)?;
    let entries = token_file::read(&path).map_err(|error| refused(&error, printer))?;
    let now = clock::wall();
    if global.json {
        let entries: Vec<_> = entries
            .iter()
            .map(|entry| {
                json!({
                    "name": &*entry.name,
                    "role": entry.role,
                    "expires": entry.expires.map(token_file::shown),
                    "expired": entry.is_expired(now),
                })
            })
            .collect();
        printer.json(&entries)?;
        return Ok(());
    }
    let rows: Vec<Vec<String>> = entries
        .iter()
        .map(|entry| {
            let ends = match entry.expires {
                Some(at) if entry.is_expired(now) => format!("ended {}", moment(at)),
                Some(at) => moment(at),
                None => "never".to_owned(),
            };
            vec![entry.name.to_string(), entry.role.to_string(), ends]
        })
        .collect();
    if rows.is_empty() {
        printer.note(&format!("there is no token in {}", path.display()));
    }
    printer.table(&["name", "role", "ends"], &rows)?;
    Ok(())
}

/// Succeeds when nobody has that token afterwards, so that a script may say it twice; a name that
/// was mistyped is told.
fn revoke(global: &Global, arguments: &RevokeArguments, printer: &Printer) -> Result<(), Failed> {
    let path = arguments.file.path(global, printer)?;
    let name = &arguments.name;
    let revoked = token_file::revoke(&path, name).map_err(|error| refused(&error, printer))?;
    if global.json {
        printer.json(&json!({ "name": name, "revoked": revoked }))?;
    } else if revoked {
        printer.data(&format!("the token of {name} is revoked"))?;
    } else {
        printer.note(&format!(
            "there is no token named {name} in {}",
            path.display()
        ));
    }
    Ok(())
}

impl FileArgument {
    fn path(&self, global: &Global, printer: &Printer) -> Result<PathBuf, Failed> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        load(global, printer)?.operator.token_file.ok_or_else(|| {
            let remedy = "set operator.token_file, or name the file with --file";
            printer.error(
                Some("LS6054"),
                "the configuration names no token file",
                Some(remedy),
            );
            Failed::Said(FAILURE)
        })
    }
}

fn refused(error: &token_file::Error, printer: &Printer) -> Failed {
    printer.error(
        Some(error.page()),
        &with_causes(error),
        Some(&error.remedy()),
    );
    Failed::Said(FAILURE)
}
