//! The command line of the sandbox, reusable by a host program as a subcommand.
//!
//! Owns: the arguments, the lines on stdout, the wait for SIGTERM or SIGINT. Invariant: the first line on stdout is
//! `salesforce sandbox listening on URL`, printed once the org answers there; programs wait for it.
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::{Error, Listen, OrgConfig, Sandbox, Tls};

/// The long help text of the binary.
pub const LONG_ABOUT: &str = "\
A Salesforce org in one process, for demos, tests and rehearsals. It speaks the HTTP API of a real
org, so that a program can be pointed at it instead: its base URL is login URL and instance URL.

What is there:
  Logging in   OAuth 2.0 (JWT bearer, client credentials, authorization code with PKCE, refresh
               token, password), SOAP login, userinfo, revoke, introspect
  REST API     /services/data/v31.0 to v67.0: describe, records by id and by external id, limits
  SOQL         /services/data/v67.0/query
  Composite    collections of up to 200 records, composite, batch, graph, tree
  Bulk 2.0     /services/data/v67.0/jobs/ingest and jobs/query
  The org      types, picklists, validation, duplicate and assignment rules, triggers, row locks,
               recycle bin, quotas: as configured
  Faults       refusals, delays, cut connections, spent quotas: what a client has to survive

Everything is kept in memory and gone afterwards. Without --config it is the demo org: client id
`leadstream-demo`, client secret `leadstream-demo-secret`, user `integration@leadstream.example`,
external id field `MySQL_Id__c` of Lead. Its app has no key, so JWT logins need a --config with a
public_key_pem. It takes 115,000 calls in 24 hours and refuses those beyond.

It prints `salesforce sandbox listening on URL` as its first line once it answers, and runs until
SIGTERM or SIGINT.";

/// What follows the options in the long help text.
pub const AFTER_LONG_HELP: &str = "\
Control endpoints, for whoever runs the sandbox; a web page at / of their address shows them:
  GET /__sandbox                       the complete list of them
  GET /__sandbox/stats                 counters
  GET /__sandbox/leads                 contents
  GET /__sandbox/requests              the request log
  GET, POST, DELETE /__sandbox/faults  what shall go wrong
  POST /__sandbox/step, /release       holds every reply; lets held ones go on
  POST /__sandbox/clock                moves the org's clock forward
  POST /__sandbox/reset                as at the start
They answer on loopback addresses only. When the org listens elsewhere, give them an address of
their own with --control.

Examples:
  The demo org, plain HTTP:
    salesforce-sandbox
  HTTPS with a certificate made at the start, which clients are told to trust:
    salesforce-sandbox --listen 127.0.0.1:8443 --tls-self-signed org.pem
    curl --cacert org.pem https://127.0.0.1:8443/services/data
  In a container, HTTP and HTTPS, controlled from inside of it:
    salesforce-sandbox --listen 0.0.0.0:8080 --listen-tls 0.0.0.0:8443 \\
      --tls-self-signed /shared/org.pem --tls-name salesforce --control 127.0.0.1:8081
  A first login:
    curl http://127.0.0.1:8080/services/oauth2/token -d grant_type=client_credentials \\
      -d client_id=leadstream-demo -d client_secret=leadstream-demo-secret

  The next request for records is answered with 503; a day passes:
    curl http://127.0.0.1:8080/__sandbox/faults -H 'Content-Type: application/json' \\
      -d '{\"on\": \"collections\", \"times\": 1, \"action\": {\"kind\": \"html\", \"status\": 503}}'
    curl http://127.0.0.1:8080/__sandbox/clock -d '{\"advance_seconds\": 86400}'

Exit code: 0 after a signal, 1 when it could not serve, 2 for mistakes in options, configuration or certificates.";

/// Arguments of the sandbox command.
#[derive(Debug, Clone, clap::Args)]
pub struct SandboxArgs {
    #[command(flatten)]
    pub serving: ServingArgs,
    /// The org's configuration (TOML); the demo org when absent.
    ///
    /// Users, apps and their keys, fields, picklists, rules, limits, faults. The README describes every key under
    /// "Configure it".
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Where and how to serve.
#[derive(Debug, Clone, clap::Args)]
pub struct ServingArgs {
    /// Address to listen on, such as 127.0.0.1:8080 or localhost:8080; port 0 takes a free port.
    ///
    /// HTTPS when a certificate is given and --listen-tls is not, otherwise plain HTTP.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080", value_parser = address)]
    pub listen: SocketAddr,
    /// Further address, for HTTPS; --listen then stays plain HTTP.
    #[arg(long, value_name = "ADDRESS", requires = "certificate", value_parser = address)]
    pub listen_tls: Option<SocketAddr>,
    /// Certificate for HTTPS, with the rest of its chain (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key", group = "certificate")]
    pub tls_certificate: Option<PathBuf>,
    /// Private key of the certificate (PEM, not encrypted).
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// Make a certificate and write it (PEM) to FILE, for clients to trust.
    ///
    /// It is good for localhost, 127.0.0.1, ::1 and the addresses listened on, and made anew at each start.
    #[arg(long, value_name = "FILE", group = "certificate")]
    pub tls_self_signed: Option<PathBuf>,
    /// Further host name or IP address that the made certificate is good for; may be repeated.
    ///
    /// Such as the name that other containers know this one by.
    #[arg(long, value_name = "NAME", requires = "tls_self_signed")]
    pub tls_name: Vec<String>,
    /// Loopback address of its own for the control endpoints and their web page.
    ///
    /// Plain HTTP. The other addresses then do not answer them.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub control: Option<SocketAddr>,
}

/// `IP:PORT`, or `localhost:PORT` for 127.0.0.1.
fn address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    numeric
        .parse()
        .map_err(|_| "write it as IP:PORT, such as 127.0.0.1:8080, or as localhost:PORT".into())
}

impl ServingArgs {
    /// The listeners asked for.
    #[must_use]
    pub fn listen(&self) -> Listen {
        let tls = match (&self.tls_certificate, &self.tls_key, &self.tls_self_signed) {
            (Some(certificate), Some(key), _) => Some(Tls::Files {
                certificate: certificate.clone(),
                key: key.clone(),
            }),
            (_, _, Some(_)) => Some(Tls::SelfSigned {
                names: self.tls_name.clone(),
            }),
            _ => None,
        };
        let listen = match (tls, self.listen_tls) {
            (None, _) => Listen::http(self.listen),
            (Some(tls), None) => Listen::https(self.listen, tls),
            (Some(tls), Some(address)) => Listen::http(self.listen).and_https(address, tls),
        };
        match self.control {
            Some(address) => listen.control(address),
            None => listen,
        }
    }
}

/// Runs the sandbox until SIGTERM or SIGINT.
pub fn run(arguments: &SandboxArgs) -> Result<(), Error> {
    let config = match &arguments.config {
        Some(path) => OrgConfig::load(path)?,
        None => OrgConfig::default(),
    };
    serve(&arguments.serving, config)
}

/// Serves an org as the arguments say until SIGTERM or SIGINT.
///
/// Prints `salesforce sandbox listening on URL` on stdout once it answers, then a line for each further address. A
/// certificate that was made is in its file by then. Blocks the calling thread and needs no runtime.
pub fn serve(arguments: &ServingArgs, config: OrgConfig) -> Result<(), Error> {
    let sandbox = Sandbox::start_with(arguments.listen(), config)?;
    if let (Some(path), Some(pem)) = (&arguments.tls_self_signed, sandbox.certificate_pem()) {
        write_certificate(path, pem)?;
    }
    let extras = match arguments.control {
        Some(_) => sandbox.control_url(),
        None => None,
    };
    serve_started(sandbox, extras)
}

/// Serves an org over plain HTTP until SIGTERM or SIGINT; prints `salesforce sandbox listening on URL` on stdout once
/// it answers.
///
/// Blocks the calling thread and needs no runtime.
pub fn serve_until_signal(listen: SocketAddr, config: OrgConfig) -> Result<(), Error> {
    serve_started(Sandbox::start(listen, config)?, None)
}

fn serve_started(sandbox: Sandbox, control: Option<String>) -> Result<(), Error> {
    let signal = sandbox.signal()?;
    let mut lines = format!("salesforce sandbox listening on {}\n", sandbox.base_url());
    for url in sandbox.base_urls().iter().skip(1) {
        lines.push_str(&format!("also listening on {url}\n"));
    }
    if let Some(url) = control {
        lines.push_str(&format!("control endpoints on {url}/__sandbox/\n"));
    }
    let mut stdout = std::io::stdout();
    stdout
        .write_all(lines.as_bytes())
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

fn write_certificate(path: &Path, pem: &str) -> Result<(), Error> {
    std::fs::write(path, pem).map_err(|source| Error::WriteCertificate {
        path: path.into(),
        source,
    })
}
