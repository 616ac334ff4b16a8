//! Parses the command line, runs the verb, gives its exit code: 0 ok, 1 failure, 2 usage or config.

use std::process::ExitCode;

fn main() -> ExitCode {
    leadstream::cli::main()
}
