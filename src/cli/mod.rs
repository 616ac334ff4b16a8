//! The command line: one file per verb. Data goes to stdout, everything else to stderr; `--json`
//! everywhere. Verbs that read ask the running service through its control socket, and open the
//! state folder themselves only when none runs.

mod check;
mod config;
mod dead_letters;
mod demo;
mod preview;
pub mod printer;
mod read;
mod run;
mod sandbox;
mod snapshot;
mod status;
mod time;
mod trace;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Overrides};
use crate::runtime::{Error, with_causes};
use printer::Printer;

/// Keeps Salesforce in step with the leads in MySQL, within seconds, and knows what became of each.
#[derive(Parser)]
#[command(name = "leadstream", version, about, propagate_version = true)]
#[command(
    after_help = "Exit codes: 0 ok, 1 failure, 2 wrong usage or configuration.\n\
    Every error names a page LS####, which stands in docs/errors/."
)]
struct CommandLine {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Args)]
struct Global {
    /// The configuration file [default: config/leadstream.toml, then
    /// /etc/leadstream/leadstream.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets one key over file and environment, such as batch.max_age=0s; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Writes data as JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs the service until SIGTERM or Ctrl-C
    Run,
    /// Checks every precondition in MySQL, in Salesforce and of the mapping; exit 1 if one fails
    Check(check::Arguments),
    /// Shows what would become of the newest rows of each route; nothing is sent or written
    Preview(preview::Arguments),
    /// Shows position, lag, books, API budget and open dead letters
    Status(read::StateArgument),
    /// Tells the story of one lead
    Trace(trace::Arguments),
    /// Shows the records that wait for a person
    #[command(subcommand)]
    DeadLetters(dead_letters::Verb),
    /// Reads rows that are there already, beside the stream
    #[command(subcommand)]
    Snapshot(snapshot::Verb),
    /// Shows the configuration in effect
    #[command(subcommand)]
    Config(config::Verb),
    /// Runs a Salesforce org in this process, to rehearse against
    Sandbox(sandbox::Arguments),
    /// Shows everything at work: MySQL, the sandbox, a lead generator and leadstream
    Demo(demo::Arguments),
}

/// How a verb ended.
enum Failed {
    /// Said already; the code is left to give.
    Said(u8),
    Runtime(Box<Error>),
    Output(io::Error),
}

const FAILURE: u8 = 1;
const USAGE: u8 = 2;

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Failed::Output(error)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Runtime(Box::new(error))
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            // Nothing is left to tell it to when this fails.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let printer = Printer::new(line.global.json, !crate::config::no_colour());
    let result = match &line.verb {
        Verb::Run => run::run(&line.global, &printer),
        Verb::Check(arguments) => check::run(&line.global, arguments, &printer),
        Verb::Preview(arguments) => preview::run(&line.global, arguments, &printer),
        Verb::Status(state) => status::run(&line.global, state, &printer),
        Verb::Trace(arguments) => trace::run(&line.global, arguments, &printer),
        Verb::DeadLetters(verb) => dead_letters::run(&line.global, verb, &printer),
        Verb::Snapshot(verb) => snapshot::run(&line.global, verb, &printer),
        Verb::Config(verb) => config::run(&line.global, verb, &printer),
        Verb::Sandbox(arguments) => sandbox::run(arguments, &printer),
        Verb::Demo(arguments) => demo::run(arguments, &printer),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Said(code)) => ExitCode::from(code),
        Err(Failed::Runtime(error)) => {
            say(&error, &printer);
            ExitCode::from(if error.is_configuration() {
                USAGE
            } else {
                FAILURE
            })
        }
        Err(Failed::Output(error)) => {
            printer.failure(&error);
            ExitCode::from(FAILURE)
        }
    }
}

/// Loads the configuration, or says every mistake in it.
fn load(global: &Global, printer: &Printer) -> Result<Config, Failed> {
    let overrides = Overrides {
        config: global.config.clone(),
        set: global.set.clone(),
    };
    crate::config::load(&overrides).map_err(|mistakes| {
        for mistake in &mistakes.0 {
            let text = match mistake.origin.as_str() {
                "" => mistake.text(),
                origin => format!("{} (from {origin})", mistake.text()),
            };
            printer.error(Some(mistake.page), &text, Some(&mistake.remedy));
        }
        Failed::Said(USAGE)
    })
}

/// Says an error with its causes, its page and its remedy.
fn say(error: &Error, printer: &Printer) {
    if let Error::Mapping(mistakes) = error {
        for mistake in mistakes {
            let text = format!("{}: {}", mistake.path, mistake.text);
            printer.error(Some(mistake.page), &text, Some(&mistake.remedy));
        }
        return;
    }
    if let Error::Preflight(failures) = error {
        for failure in failures {
            let text = with_causes(failure);
            printer.error(Some(failure.page()), &text, Some(&failure.remedy()));
        }
        return;
    }
    printer.error(
        Some(error.page()),
        &with_causes(error),
        Some(&error.remedy()),
    );
}

/// A runtime for the verbs that need one.
fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("leadstream")
        .enable_all()
        .build()
        .map_err(Error::Runtime)
}
