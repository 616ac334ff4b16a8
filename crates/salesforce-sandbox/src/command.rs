//! The command line of the sandbox, reusable by a host program as a subcommand.
//!
//! Owns: the arguments, the one line on stdout, the wait for SIGTERM or SIGINT.
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::{Error, OrgConfig, Sandbox};

/// The long help text of the binary.
pub const LONG_ABOUT: &str = "\
A Salesforce org in one process: OAuth (JWT bearer, client credentials), describe, single and \
collection upserts of Leads, limits, and faults on demand.

It prints one line with its base URL on stdout and runs until SIGTERM or SIGINT. Everything is kept \
in memory and gone afterwards.

Without --config it is the demo org: client id `leadstream-demo`, client secret \
`leadstream-demo-secret`, user `integration@leadstream.example`, external id field `MySQL_Id__c`.

On a loopback address it also shows a page (GET /) and answers the control endpoints: GET \
/__sandbox lists them, GET /__sandbox/stats, /__sandbox/leads, /__sandbox/requests, and GET, POST, \
DELETE /__sandbox/faults are the first of them.";

/// Arguments of the sandbox command.
#[derive(Debug, Clone, clap::Args)]
pub struct SandboxArgs {
    /// Address to listen on; port 0 takes a free port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// The org's configuration (TOML); the demo org when absent.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Runs the sandbox until SIGTERM or SIGINT.
pub fn run(arguments: &SandboxArgs) -> Result<(), Error> {
    let config = match &arguments.config {
        Some(path) => OrgConfig::load(path)?,
        None => OrgConfig::default(),
    };
    serve_until_signal(arguments.listen, config)
}

/// Serves an org until SIGTERM or SIGINT; prints `salesforce sandbox listening on URL` on stdout once it answers.
///
/// Blocks the calling thread and needs no runtime.
pub fn serve_until_signal(listen: SocketAddr, config: OrgConfig) -> Result<(), Error> {
    let sandbox = Sandbox::start(listen, config)?;
    let signal = sandbox.signal()?;
    let mut stdout = std::io::stdout();
    writeln!(
        stdout,
        "salesforce sandbox listening on {}",
        sandbox.base_url()
    )
    .and_then(|()| stdout.flush())
    .map_err(Error::Announce)?;
    tell_seeds(&sandbox);
    // A closed channel means that the runtime is gone, which ends the service just the same.
    let _ = signal.recv();
    sandbox.stop();
    Ok(())
}

/// Tells the seeds of configured faults, so that a run can be repeated.
fn tell_seeds(sandbox: &Sandbox) {
    for status in sandbox.faults().list() {
        if let (Some(share), Some(seed)) = (status.fault.probability, status.fault.seed) {
            // A closed stderr is no reason not to serve.
            let _ = writeln!(
                std::io::stderr(),
                "fault {} acts with probability {share}, seed {seed}",
                status.id.0
            );
        }
    }
}
