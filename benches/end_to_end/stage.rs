//! What is measured, and what it is measured with: MySQL, the sandbox and leadstream, each a
//! process of its own.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use leadstream::rehearsal::leads::Form;
use leadstream::rehearsal::service::{
    ServiceOptions, free_port, get, send, wait_until, write_config,
};
use leadstream::rehearsal::{MysqlOptions, MysqlServer, ServiceProcess};
use leadstream::runtime::status::Status;
use salesforce_sandbox::{LeadSnapshot, Stats};

use super::machine;

/// The binary that is measured: the one that cargo built with this bench, by the release profile,
/// unless `LEADSTREAM_BENCH_PROGRAM` names another, to compare two builds.
pub fn program() -> PathBuf {
    let other = std::env::var_os("LEADSTREAM_BENCH_PROGRAM");
    let path = other.map_or(env!("CARGO_BIN_EXE_leadstream").into(), PathBuf::from);
    assert!(
        path.exists(),
        "{} is missing: `cargo build --release` builds it",
        path.display()
    );
    path
}

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// The outside world.
pub struct Stage {
    pub mysql: MysqlServer,
    pub sandbox: Salesforce,
    pub folder: tempfile::TempDir,
    /// What runs leadstream: the binary, or something that confines it first.
    pub launcher: PathBuf,
    services: usize,
}

/// `leadstream sandbox`; killed when dropped.
pub struct Salesforce {
    child: Child,
    pub port: u16,
}

/// `leadstream run` with the shipped configuration.
pub struct Service {
    process: ServiceProcess,
    port: u16,
}

/// CPU that each side has used so far.
#[derive(Clone, Copy)]
pub struct Spent {
    pub leadstream: Duration,
    pub mysql: Duration,
    pub sandbox: Duration,
}

impl Stage {
    pub fn set_up() -> Self {
        let install = MysqlServer::locate().unwrap_or_else(|error| panic!("{error}"));
        Self {
            mysql: MysqlServer::start(&install, MysqlOptions::default()).unwrap(),
            sandbox: Salesforce::start(),
            folder: tempfile::tempdir().unwrap(),
            launcher: program(),
            services: 0,
        }
    }

    pub async fn form(&self) -> Form {
        Form::open(&self.mysql.url("root")).await.unwrap()
    }

    /// Names a new state folder.
    pub fn new_state(&mut self) -> PathBuf {
        self.services += 1;
        self.folder.path().join(format!("state-{}", self.services))
    }

    /// Starts leadstream with the defaults, apart from where things are and what `settings` say.
    pub fn start(&self, state: &std::path::Path, settings: &[(&str, &str)]) -> Service {
        let port = free_port().unwrap();
        let own = [
            ("LEADSTREAM_SOURCE__URL", self.mysql.url("root")),
            (
                "LEADSTREAM_SALESFORCE__LOGIN_URL",
                format!("http://127.0.0.1:{}", self.sandbox.port),
            ),
            (
                "LEADSTREAM_SALESFORCE__AUTH__CLIENT_SECRET",
                "leadstream-demo-secret".to_owned(),
            ),
            ("LEADSTREAM_STATE__PATH", state.display().to_string()),
            ("LEADSTREAM_OPERATOR__LISTEN", format!("127.0.0.1:{port}")),
        ];
        let mut environment: Vec<(String, String)> =
            own.map(|(name, value)| (name.to_owned(), value)).into();
        let settings = settings.iter().map(|(n, v)| ((*n).into(), (*v).into()));
        environment.extend(settings);
        let options = ServiceOptions {
            program: self.launcher.clone(),
            config: write_config(self.folder.path()).unwrap(),
            environment,
            log: self.folder.path().join("leadstream.log"),
        };
        let process = ServiceProcess::start(&options).unwrap();
        Service { process, port }
    }

    pub fn spent(&self, service: &Service) -> Spent {
        Spent {
            leadstream: machine::cpu(service.id()),
            mysql: machine::cpu(self.mysql.id().unwrap()),
            sandbox: machine::cpu(self.sandbox.child.id()),
        }
    }
}

impl Salesforce {
    fn start() -> Self {
        let mut child = Command::new(program())
            .args(["sandbox", "--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line.trim().rsplit_once(':').unwrap().1.parse().unwrap();
        Self { child, port }
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, path: &str) -> T {
        let (status, body) = get(self.port, path).unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Lets every reply to a call wait so long.
    pub fn delay(&self, milliseconds: u64) {
        let fault = format!(
            r#"{{"on":"collections","action":{{"kind":"delay","milliseconds":{milliseconds}}}}}"#
        );
        let (status, body) = send(self.port, "POST", "/__sandbox/faults", &fault).unwrap();
        assert!(status < 300, "{status}: {body}");
    }

    /// Leads that the org has.
    pub fn count(&self) -> u64 {
        self.ask::<Stats>("/__sandbox/stats").leads
    }

    /// Leads from the `offset`-th on, in the order of their arrival.
    pub fn leads(&self, offset: u64, limit: u64) -> Vec<LeadSnapshot> {
        let path = format!("/__sandbox/leads?offset={offset}&limit={limit}");
        self.ask(&path)
    }

    pub fn wait_for(&self, leads: u64) {
        let arrived = wait_until(PATIENCE, || (self.count() >= leads).then_some(()));
        assert!(
            arrived.is_some(),
            "{} of {leads} leads arrived",
            self.count()
        );
    }
}

impl Drop for Salesforce {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Service {
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until its status is as wanted.
    pub fn wait_for(&mut self, what: &str, done: impl Fn(&Status) -> bool) -> Status {
        let process = &mut self.process;
        let mut seen = String::new();
        let found = wait_until(PATIENCE, || {
            assert!(process.is_running(), "leadstream ended:\n{}", process.log());
            (_, seen) = get(self.port, "/api/v1/status").ok()?;
            let status: Status = serde_json::from_str(&seen).unwrap();
            done(&status).then_some(status)
        });
        let in_vain = || panic!("waited in vain for {what}:\n{}\n{seen}", self.process.log());
        found.unwrap_or_else(in_vain)
    }

    pub fn wait_until_streaming(&mut self) -> Status {
        self.wait_for("the stream", |status| status.source.connected)
    }

    pub fn stop(mut self) {
        self.process.terminate().unwrap();
        let exit = self.process.wait(Duration::from_secs(30));
        assert!(
            exit.is_some_and(|exit| exit.success()),
            "{}",
            self.process.log()
        );
    }
}
