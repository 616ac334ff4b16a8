//! Parses the command line, runs the verb, gives its exit code: 0 ok, 1 failure, 2 usage or config.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

// Rows are made on one thread and freed on others: glibc's arenas then spend half of capture's CPU
// on their locks (docs/performance.md, "The allocator").
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    leadstream::cli::main()
}
