//! The `salesforce-sandbox` binary: parse, run, exit code.
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use salesforce_sandbox::command::{self, SandboxArgs};

/// A Salesforce org in one process, for demos, tests and rehearsals.
#[derive(Parser)]
#[command(name = "salesforce-sandbox", version, about, long_about = command::LONG_ABOUT, after_long_help = command::AFTER_LONG_HELP)]
struct Arguments {
    #[command(flatten)]
    sandbox: SandboxArgs,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match command::run(&arguments.sandbox) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut text = format!("salesforce-sandbox: {error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(next) = cause {
                text.push_str(&format!(": {next}"));
                cause = next.source();
            }
            if let Some(remedy) = error.remedy() {
                text.push_str(&format!("\n  {remedy}"));
            }
            // Nothing is left to tell when stderr itself is gone.
            let _ = writeln!(std::io::stderr(), "{text}");
            if error.is_configuration() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
