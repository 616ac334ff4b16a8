//! An org that a client's script talks to, and the running of that script: its environment, its time limit, its word.
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use salesforce_sandbox::{AppConfig, Listen, OrgConfig, Sandbox, Tls, UserConfig};
use serde_json::Value;
use tempfile::TempDir;

/// Longest that a script may take on a loaded machine; only a failing test waits for it.
const LIMIT: Duration = Duration::from_secs(60);
const PRIVATE_KEY: &str = "app.key";
const CERTIFICATE: &str = "org.pem";
const REMEDY: &str = "run `make setup`, which installs it";

pub const CLIENT_ID: &str = "leadstream-demo";
pub const CLIENT_SECRET: &str = "leadstream-demo-secret";
pub const USERNAME: &str = "integration@leadstream.example";
// XML and forms have to quote some of it.
const PASSWORD: &str = "pass & <word>+1";
const SECURITY_TOKEN: &str = "Tok3nTok3nTok3nTok3nTok3";
/// Whom the assignment rule gives every lead, in orgs that have one.
pub const RULE_OWNER: &str = "005Hp00000000ZZIAY";

/// An org with one rule of each kind that a client can run into.
pub const RULES: &str = r#"
    [[duplicate_rules]]
    match = ["Email"]
    [[validation_rules]]
    name = "Revenue"
    condition = "AnnualRevenue < 0"
    message = "Revenue cannot be negative."
    field = "AnnualRevenue"
    [[triggers]]
    name = "LeadTrigger"
    fails_when = 'Title = "Troll"'
    message = "System.DmlException: no trolls"
"#;

/// How a client reaches the org.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    Http,
    /// With a certificate that the client is told to trust, and that it verifies.
    Tls,
}

/// Whose scripts.
#[derive(Debug, Clone, Copy)]
pub enum Client {
    Jsforce,
    SimpleSalesforce,
}

impl Client {
    fn wires(self) -> &'static [Wire] {
        match self {
            Client::Jsforce => &[Wire::Http, Wire::Tls],
            // It knows nothing but https.
            Client::SimpleSalesforce => &[Wire::Tls],
        }
    }
}

pub struct ClientOrg {
    pub sandbox: Sandbox,
    /// Holds the private key of the app, the org's certificate, and whatever a script writes.
    folder: TempDir,
}

impl ClientOrg {
    /// An org with an app that has both a secret and a key.
    #[track_caller]
    pub fn start(wire: Wire, config: OrgConfig) -> ClientOrg {
        let keys = app_keys();
        let apps = config.apps.into_iter().map(|app| AppConfig {
            public_key_pem: Some(keys.public_pem.clone()),
            ..app
        });
        let user = UserConfig {
            username: USERNAME.into(),
            password: Some(PASSWORD.into()),
            security_token: Some(SECURITY_TOKEN.into()),
            ..UserConfig::default()
        };
        let config = OrgConfig {
            apps: apps.collect(),
            users: vec![user],
            ..config
        };
        let address = "127.0.0.1:0".parse().unwrap();
        let listen = match wire {
            Wire::Http => Listen::http(address),
            Wire::Tls => Listen::https(address, Tls::SelfSigned { names: vec![] }),
        };
        let sandbox = Sandbox::start_with(listen, config).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(PRIVATE_KEY), &keys.private_pem).unwrap();
        if let Some(certificate) = sandbox.certificate_pem() {
            std::fs::write(folder.path().join(CERTIFICATE), certificate).unwrap();
        }
        ClientOrg { sandbox, folder }
    }

    /// Runs a script to its end and returns what it reports: the JSON on the last line of its output, or null.
    #[track_caller]
    pub fn run(&self, client: Client, script: &str) -> Value {
        let base_url = self.sandbox.base_url();
        let mut command = command(client, script);
        if self.sandbox.certificate_pem().is_some() {
            let certificate = self.folder.path().join(CERTIFICATE);
            command
                .env("SANDBOX_CA", &certificate)
                .env("NODE_EXTRA_CA_CERTS", &certificate);
        }
        command
            .env("SANDBOX_URL", &base_url)
            .env("CLIENT_ID", CLIENT_ID)
            .env("CLIENT_SECRET", CLIENT_SECRET)
            .env("USERNAME", USERNAME)
            .env("PASSWORD", PASSWORD)
            .env("SECURITY_TOKEN", SECURITY_TOKEN)
            .env("RULE_OWNER", RULE_OWNER)
            .env("PRIVATE_KEY_FILE", self.folder.path().join(PRIVATE_KEY))
            .env("HOME", self.folder.path())
            .env("TMPDIR", self.folder.path());
        let (ended_well, output, errors) = run_to_end(command);
        assert!(
            ended_well,
            "{client:?} {script} against {base_url}\n--- stdout\n{output}\n--- stderr\n{errors}"
        );
        let last = output.trim_end().lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or(Value::Null)
    }

    /// Statuses of the requests of this method whose path ends so, in the order of their arrival.
    pub fn statuses(&self, method: &str, path_end: &str) -> Vec<Option<u16>> {
        let mut requests = self.sandbox.requests();
        requests.sort_by_key(|request| request.sequence);
        requests
            .iter()
            .filter(|request| request.method == method && request.path.ends_with(path_end))
            .map(|request| request.status)
            .collect()
    }

    /// The values of a field over all leads, oldest first; null where a lead has none.
    pub fn values(&self, field: &str) -> Vec<Value> {
        let leads = self.sandbox.leads();
        leads
            .iter()
            .map(|lead| lead.fields.get(field).cloned().unwrap_or_default())
            .collect()
    }
}

/// Runs the script over every wire that the client knows, each time against a fresh org, and checks that org afterwards.
#[track_caller]
pub fn over_every_wire(
    client: Client,
    script: &str,
    config: impl Fn() -> OrgConfig,
    check: impl Fn(&ClientOrg, &Value),
) {
    for &wire in client.wires() {
        let org = ClientOrg::start(wire, config());
        let report = org.run(client, script);
        check(&org, &report);
    }
}

/// The interpreter with the script, in an environment that holds nothing of this machine but the way to programs.
#[track_caller]
fn command(client: Client, script: &str) -> Command {
    let sandbox = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = installed();
    let scripts = sandbox.join("tests/clients");
    let (interpreter, arguments) = match client {
        Client::Jsforce => {
            let folder = scripts.join("jsforce");
            let script = folder.join(format!("{script}.mjs"));
            (PathBuf::from("node"), vec![folder.join("run.mjs"), script])
        }
        Client::SimpleSalesforce => {
            let folder = scripts.join("simple_salesforce");
            let python = installed.join("venv/bin/python");
            (python, vec![folder.join(format!("{script}.py"))])
        }
    };
    let mut command = Command::new(interpreter);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        // Sources stay as they are checked out.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("CLIENTS", installed)
        .args(arguments);
    command
}

/// Where `make setup` puts the clients.
#[track_caller]
fn installed() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools/clients");
    for needed in ["node_modules/jsforce/package.json", "venv/bin/python"] {
        let path = folder.join(needed);
        assert!(path.exists(), "{} is missing: {REMEDY}", path.display());
    }
    folder.canonicalize().unwrap()
}

/// Whether it ended with exit code 0 in time, and what it printed on stdout and stderr.
#[track_caller]
fn run_to_end(mut command: Command) -> (bool, String, String) {
    let deadline = Instant::now() + LIMIT;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{}: {e}: {REMEDY}", command.get_program().display()));
    let output = collect(child.stdout.take().unwrap());
    let errors = collect(child.stderr.take().unwrap());
    let [early_output, early_errors] = [&output, &errors].map(|pipe| {
        pipe.recv_timeout(deadline.saturating_duration_since(Instant::now()))
            .ok()
    });
    let in_time = early_output.is_some() && early_errors.is_some();
    if !in_time {
        // It may have ended in between; then there is nothing to kill.
        let _ = child.kill();
    }
    let status = child.wait().unwrap();
    let whole = |early: Option<String>, pipe: Receiver<String>| {
        early.or_else(|| pipe.recv().ok()).unwrap_or_default()
    };
    let mut errors = whole(early_errors, errors);
    if !in_time {
        errors.push_str(&format!("\n(killed after {} s)", LIMIT.as_secs()));
    }
    (
        in_time && status.success(),
        whole(early_output, output),
        errors,
    )
}

/// Reads a pipe to its end in a thread of its own, so that neither pipe of a child fills up unread.
fn collect(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What could be read until then is shown.
        let _ = pipe.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

struct AppKeys {
    private_pem: String,
    public_pem: String,
}

/// One pair for all orgs of a test run: making it is the slow part.
fn app_keys() -> &'static AppKeys {
    static KEYS: OnceLock<AppKeys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        AppKeys {
            private_pem: pem("PRIVATE KEY", private.as_ref()),
            public_pem: pem("PUBLIC KEY", public.as_ref()),
        }
    })
}

fn pem(kind: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let lines: Vec<&str> = base64
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n",
        lines.join("\n")
    )
}
