//! The command line: one file per verb. Data goes to stdout, everything else to stderr; `--json`
//! everywhere. Verbs that read ask the running service through its control socket, and open the
//! state folder themselves only when none runs.

mod audit;
mod check;
mod checkpoint;
mod config;
mod dead_letters;
mod demo;
mod describe;
mod init;
mod ledger;
mod log_level;
mod preview;
pub mod printer;
mod private_file;
mod read;
mod reconcile;
mod route;
mod run;
mod sandbox;
mod shell;
mod snapshot;
mod state;
mod status;
mod token;
mod trace;

use crate::runtime::moments as time;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use rustix::fs::Mode;

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
    /// Writes a first configuration: looks at the table and at Salesforce, proposes a mapping, says
    /// what is to be done on both sides, and checks the result
    Init(Box<init::Arguments>),
    /// Runs the service until SIGTERM or Ctrl-C
    Run,
    /// Checks every precondition in MySQL, in Salesforce and of the mapping; exit 1 if one fails
    Check(check::Arguments),
    /// Shows what would become of the newest rows of each route; nothing is sent or written
    Preview(preview::Arguments),
    /// Shows position, lag, books, API budget and open dead letters
    Status(status::Arguments),
    /// Tells the story of one lead
    Trace(trace::Arguments),
    /// Shows and mends the records that wait for a person
    #[command(subcommand)]
    DeadLetters(dead_letters::Verb),
    /// Reads rows that are there already, beside the stream
    #[command(subcommand)]
    Snapshot(snapshot::Verb),
    /// Reports on a period, exports its steps, proves that nothing is missing or was changed
    #[command(subcommand)]
    Audit(audit::Verb),
    /// Verifies, backs up or rebuilds what leadstream keeps on disk
    #[command(subcommand)]
    State(state::Verb),
    /// Lets the running service read what Salesforce says of its objects now; it does so by itself
    /// every hour, and when records are refused for what may have changed
    Describe(read::StateArgument),
    /// Lets a route wait: it takes records in, keeps them on disk and sends none
    Pause(route::PauseArguments),
    /// Lets a paused route go on
    Resume(route::ResumeArguments),
    /// Shows where the stream goes on, or moves it
    #[command(subcommand)]
    Checkpoint(checkpoint::Verb),
    /// Compares MySQL, the ledger and Salesforce; exit 1 if they do not agree
    Reconcile(reconcile::Arguments),
    /// Shows how much the running service logs, or changes it until its restart
    LogLevel(log_level::Arguments),
    /// Shows the configuration in effect, what its keys mean, and their schema
    #[command(subcommand)]
    Config(config::Verb),
    /// Makes, lists and revokes the tokens that let people and programs in at the operator's port
    #[command(subcommand)]
    Token(token::Verb),
    /// Runs a Salesforce org in this process, to rehearse against
    Sandbox(sandbox::Arguments),
    /// Shows everything at work: MySQL, the sandbox, a lead generator and leadstream
    Demo(demo::Arguments),
    /// Prints a script by which a shell completes verbs and options
    Completions(shell::Completions),
    /// Prints the manual page, for man(1)
    Manual(shell::Manual),
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

/// What the command line takes, for whoever checks it or describes it.
#[must_use]
pub fn definition() -> clap::Command {
    CommandLine::command()
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
    if !matches!(line.verb, Verb::Demo(_) | Verb::Sandbox(_)) {
        // Whatever is written holds personal data or may, by sled too: it is its owner's alone.
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
    }
    let printer = Printer::new(line.global.json, !crate::config::no_colour());
    let result = match &line.verb {
        Verb::Init(arguments) => init::run(&line.global, arguments, &printer),
        Verb::Run => run::run(&line.global, &printer),
        Verb::Check(arguments) => check::run(&line.global, arguments, &printer),
        Verb::Preview(arguments) => preview::run(&line.global, arguments, &printer),
        Verb::Status(arguments) => status::run(&line.global, arguments, &printer),
        Verb::Trace(arguments) => trace::run(&line.global, arguments, &printer),
        Verb::DeadLetters(verb) => dead_letters::run(&line.global, verb, &printer),
        Verb::Snapshot(verb) => snapshot::run(&line.global, verb, &printer),
        Verb::Audit(verb) => audit::run(&line.global, verb, &printer),
        Verb::State(verb) => state::run(&line.global, verb, &printer),
        Verb::Describe(state) => describe::run(&line.global, state, &printer),
        Verb::Pause(arguments) => route::pause(&line.global, arguments, &printer),
        Verb::Resume(arguments) => route::resume(&line.global, arguments, &printer),
        Verb::Checkpoint(verb) => checkpoint::run(&line.global, verb, &printer),
        Verb::Reconcile(arguments) => reconcile::run(&line.global, arguments, &printer),
        Verb::LogLevel(arguments) => log_level::run(&line.global, arguments, &printer),
        Verb::Config(verb) => config::run(&line.global, verb, &printer),
        Verb::Token(verb) => token::run(&line.global, verb, &printer),
        Verb::Sandbox(arguments) => sandbox::run(arguments, &printer),
        Verb::Demo(arguments) => demo::run(arguments, &printer),
        Verb::Completions(arguments) => shell::completions(arguments, &printer),
        Verb::Manual(arguments) => shell::manual(arguments, &printer),
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
