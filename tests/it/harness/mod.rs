//! A world to test in: a real MySQL, a Salesforce org, and leadstream as a process of its own that
//! can be asked, stopped and killed; and an oracle that compares what all three hold.

mod answer;
mod cluster;
pub mod journal;
mod oracle;
pub mod prometheus;
mod proxy;
pub mod source;
mod switchboard;
pub mod tap;

use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use leadstream::core::position::Position;
use leadstream::rehearsal::leads::{Form, Lead, People};
use leadstream::rehearsal::mysql::ServerKind;
use leadstream::rehearsal::service::{ServiceOptions, free_port, get, wait_until, write_config};
use leadstream::rehearsal::{MysqlOptions, MysqlServer, ServiceProcess, replication};
use leadstream::runtime::status::Status;
use salesforce_sandbox::rules::ValidationRule;
use salesforce_sandbox::{OrgConfig, Sandbox};

pub use answer::Answer;
pub use cluster::Cluster;
pub use oracle::{Judgement, SnapshotJudgement};
pub use proxy::Proxy;

/// Nothing in a test takes longer, on the slowest machine that builds beside it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Of the lead that follows all others.
const LAST_EMAIL: &str = "the-last-one@mail.example";

/// Which binary runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// The one that ships.
    Release,
    /// The test build, with failpoints compiled in.
    Failpoints,
}

pub struct World {
    pub mysql: MysqlServer,
    pub org: Sandbox,
    pub people: People,
    pub settings: Vec<(String, String)>,
    forgotten: Vec<String>,
    pub port: u16,
    folder: tempfile::TempDir,
    build: Build,
    service: Option<ServiceProcess>,
    runtime: tokio::runtime::Runtime,
    inserted: u64,
    /// What was committed, for the oracle: key, last name and e-mail of each row.
    committed: &'static str,
}

/// Of tables whose rows stay as they were inserted.
const ROWS_OF_LEADS: &str =
    "SELECT CONCAT_WS('\u{1f}', id, IFNULL(last_name, ''), email) FROM crm.leads";

impl World {
    /// A world with the demo's table and org; leadstream is not started.
    pub fn new(build: Build) -> Self {
        Self::with(build, MysqlOptions::default(), OrgConfig::default())
    }

    pub fn with(build: Build, mysql: MysqlOptions, org: OrgConfig) -> Self {
        Self::of(source::kind(), build, mysql, org)
    }

    /// A world whose rows come from a server of this kind, whatever the others' come from.
    pub fn of(kind: ServerKind, build: Build, mysql: MysqlOptions, org: OrgConfig) -> Self {
        let mysql = source::start(kind, mysql);
        let org = Sandbox::start("127.0.0.1:0".parse().unwrap(), org).expect("the org starts");
        let mut world = Self {
            mysql,
            org,
            people: People::new(1, 0),
            settings: Vec::new(),
            forgotten: Vec::new(),
            port: free_port().unwrap(),
            folder: tempfile::Builder::new().prefix("ls-").tempdir().unwrap(),
            build,
            service: None,
            runtime: tokio::runtime::Runtime::new().unwrap(),
            inserted: 0,
            committed: ROWS_OF_LEADS,
        };
        write_config(world.folder.path()).unwrap();
        world.with_form(async |_| Ok(()));
        world
    }

    /// Overrides one key for the services started from now on: `batch.max_age`, `0s`.
    pub fn set(&mut self, key: &str, value: &str) {
        let name = format!("LEADSTREAM_{}", key.to_uppercase().replace('.', "__"));
        self.settings.retain(|(known, _)| *known != name);
        self.settings.push((name, value.to_owned()));
    }

    /// An org that refuses leads whose last name begins with "Reject".
    pub fn refusing() -> Self {
        let org = OrgConfig {
            validation_rules: vec![ValidationRule {
                name: "No_Rejects".to_owned(),
                active: true,
                condition: "LastName begins 'Reject'".to_owned(),
                message: "this name is not wanted".to_owned(),
                field: Some("LastName".to_owned()),
            }],
            ..OrgConfig::default()
        };
        let mut world = Self::with(Build::Failpoints, MysqlOptions::default(), org);
        world.set("batch.max_age", "10ms");
        world
    }

    /// Tells the oracle where committed rows are noted, when the table itself does not show them:
    /// key, last name and e-mail, joined by U+001F.
    pub fn count_by(&mut self, committed: &'static str) {
        self.committed = committed;
    }

    /// Takes one of the world's own variables away.
    pub fn forget(&mut self, key: &str) {
        let name = format!("LEADSTREAM_{}", key.to_uppercase().replace('.', "__"));
        self.forgotten.push(name);
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("leadstream.toml")
    }

    pub fn program(&self) -> PathBuf {
        let test_build = PathBuf::from(env!("CARGO_BIN_EXE_leadstream"));
        match self.build {
            Build::Failpoints => test_build,
            Build::Release => {
                let release = test_build.parent().unwrap().with_file_name("release");
                let program = release.join("leadstream");
                assert!(program.exists(), "{}: run `make test`", program.display());
                program
            }
        }
    }

    /// The variables that a process of leadstream needs here.
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut environment: Vec<(String, String)> = [
            ("LEADSTREAM_SOURCE__URL", self.mysql.url("root")),
            ("LEADSTREAM_SALESFORCE__LOGIN_URL", self.org.base_url()),
            (
                "LEADSTREAM_SALESFORCE__AUTH__CLIENT_SECRET",
                "leadstream-demo-secret".to_owned(),
            ),
            ("LEADSTREAM_STATE__PATH", self.state().display().to_string()),
            (
                "LEADSTREAM_OPERATOR__LISTEN",
                format!("127.0.0.1:{}", self.port),
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        environment.retain(|(known, _)| !self.forgotten.contains(known));
        for (name, value) in &self.settings {
            environment.retain(|(known, _)| known != name);
            environment.push((name.clone(), value.clone()));
        }
        environment
    }

    /// Starts leadstream without waiting for it.
    pub fn spawn(&mut self) {
        let options = ServiceOptions {
            program: self.program(),
            config: self.config(),
            environment: self.environment(),
            log: self.folder.path().join("leadstream.log"),
        };
        self.service = Some(ServiceProcess::start(&options).expect("leadstream can be started"));
    }

    /// Starts leadstream and waits until it streams.
    #[track_caller]
    pub fn start(&mut self) {
        self.spawn();
        self.wait_for_status("the stream to stand", |status| status.source.connected);
    }

    /// Runs a verb to its end, in the world's environment.
    pub fn command(&self, arguments: &[&str]) -> Answer {
        Answer::from(self.prepare(arguments).output().expect("timeout(1)"))
    }

    /// The same through the shell, where `$0` is the program: for pipes.
    pub fn shell(&self, script: &str) -> Answer {
        let mut command = Command::new("bash");
        command.args(["-c", script]).arg(self.program());
        command.envs(self.environment());
        Answer::from(command.output().expect("bash(1)"))
    }

    fn prepare(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        // A verb that hangs ends with 137, which no test expects.
        command.args(["--signal=KILL", "60"]).arg(self.program());
        command.args(arguments).arg("--config").arg(self.config());
        command.envs(self.environment());
        command
    }

    /// Changes the configuration file.
    #[track_caller]
    pub fn edit_config(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        assert!(text.contains(from), "the configuration has no {from:?}");
        std::fs::write(self.config(), text.replacen(from, to, 1)).unwrap();
    }

    /// Takes the changes back.
    pub fn restore_config(&self) {
        write_config(self.folder.path()).unwrap();
    }

    /// What the operator answers on a path; `None` when nobody listens.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        get(self.port, path).ok()
    }

    pub fn service(&mut self) -> &mut ServiceProcess {
        self.service.as_mut().expect("leadstream was started")
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.service().kill();
        self.service = None;
    }

    /// SIGTERM; its exit status.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.service().terminate().unwrap();
        let status = self.service().wait(PATIENCE);
        let Some(status) = status else {
            panic!("leadstream did not stop:\n{}", self.log());
        };
        self.service = None;
        status
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("leadstream.log")).unwrap_or_default()
    }

    pub fn status(&self) -> Option<Status> {
        let (code, body) = get(self.port, "/api/v1/status").ok()?;
        (code == 200).then(|| serde_json::from_str(&body).expect("the status is JSON of its shape"))
    }

    #[track_caller]
    pub fn wait_for_status(&mut self, what: &str, done: impl Fn(&Status) -> bool) -> Status {
        let mut last = None;
        let found = wait_until(PATIENCE, || {
            let running = self
                .service
                .as_mut()
                .is_some_and(ServiceProcess::is_running);
            assert!(running, "leadstream ended:\n{}", self.log());
            last = self.status();
            last.clone().filter(&done)
        });
        match found {
            Some(status) => status,
            None => panic!("waited in vain for {what}:\n{last:#?}\n{}", self.log()),
        }
    }

    /// Waits until every inserted row has its outcome.
    #[track_caller]
    pub fn wait_settled(&mut self) -> Status {
        let inserted = self.inserted;
        self.wait_for_status("every row to have its outcome", move |status| {
            let captured: u64 = status.routes.iter().map(|route| route.captured).sum();
            captured >= inserted
                && status
                    .routes
                    .iter()
                    .all(|r| r.in_flight == 0 && r.totals.parked == 0)
        })
    }

    /// Waits until everything that the server has executed is read and has its outcome.
    #[track_caller]
    pub fn wait_caught_up(&mut self) -> Status {
        let sql = "SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '')";
        let sql = source::spoken(self.mysql.kind(), sql);
        let texts = self.with_form(async |form| form.texts(&sql).await);
        let executed: Position = texts[0].parse().expect("a position");
        self.wait_for_status("everything to be read", move |status| {
            let read = status.checkpoint.as_ref().map(|at| &at.position);
            read == Some(&executed) && status.routes.iter().all(|route| route.in_flight == 0)
        })
    }

    /// Works with the form that leads are entered in.
    pub fn with_form<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Form) -> Result<T, mysql_async::Error>,
    ) -> T {
        let url = self.mysql.url("root");
        self.runtime.block_on(async {
            let mut form = Form::open(&url).await.expect("MySQL answers");
            work(&mut form).await.expect("MySQL does as it is told")
        })
    }

    /// Runs statements as root.
    pub fn execute(&mut self, statements: &[&str]) {
        let kind = self.mysql.kind();
        let statements: Vec<String> = statements
            .iter()
            .map(|text| source::spoken(kind, text))
            .collect();
        self.with_form(async move |form| {
            for statement in statements {
                form.execute(&statement).await?;
            }
            Ok(())
        });
    }

    /// The binlog file that is written to.
    pub fn newest_file(&self) -> String {
        let query = source::spoken(self.mysql.kind(), "SHOW BINARY LOG STATUS");
        self.wait_for(replication::text(&self.mysql, &query))
    }

    /// Removes everything from the binlog that was written up to now.
    #[track_caller]
    pub fn purge(&self) {
        self.wait_for(replication::execute(&self.mysql, &["FLUSH BINARY LOGS"]));
        let file = self.newest_file();
        let purge = format!("PURGE BINARY LOGS TO '{file}'");
        // MariaDB keeps a file while it has a reader of it that has gone, and says nothing.
        let purged = wait_until(PATIENCE, || {
            self.wait_for(replication::execute(&self.mysql, &[&purge]));
            let oldest = self.wait_for(replication::text(&self.mysql, "SHOW BINARY LOGS"));
            (oldest == file).then_some(())
        });
        assert!(purged.is_some(), "the files are kept");
    }

    /// Rows that a test inserted by itself.
    pub fn expect_also(&mut self, rows: u64) {
        self.inserted += rows;
    }

    /// Waits for what servers are told to do.
    pub fn wait_for<T>(&self, work: impl Future<Output = Result<T, mysql_async::Error>>) -> T {
        let done = self.runtime.block_on(work);
        done.expect("MySQL does as it is told")
    }

    /// Inserts leads of the world's people, `at_once` in a transaction.
    pub fn insert(&mut self, count: usize, at_once: usize) -> Vec<Lead> {
        let leads: Vec<Lead> = (0..count).map(|_| self.people.next_lead()).collect();
        self.insert_leads(&leads, at_once);
        leads
    }

    pub fn insert_leads(&mut self, leads: &[Lead], at_once: usize) {
        let pieces: Vec<Vec<Lead>> = leads.chunks(at_once).map(<[Lead]>::to_vec).collect();
        self.with_form(async move |form| {
            for piece in pieces {
                form.submit(&piece).await?;
            }
            Ok(())
        });
        self.inserted += leads.len() as u64;
    }

    /// Rows that a test committed itself, for [`World::wait_settled`].
    pub fn expect(&mut self, rows: u64) {
        self.inserted += rows;
    }

    /// Stops leadstream in good order, then lets the oracle judge.
    #[track_caller]
    pub fn judge(&mut self) -> Judgement {
        let status = self.wait_settled();
        assert!(self.stop().success(), "a clean end:\n{}", self.log());
        oracle::judge(self, &status)
    }

    /// Waits until the snapshot is over and the stream has brought a last lead, stops leadstream in
    /// good order, then lets the oracle judge.
    #[track_caller]
    pub fn judge_snapshot(&mut self) -> SnapshotJudgement {
        self.wait_for_status("the snapshot's end", |status| {
            let snapshot = status.snapshot.as_ref();
            snapshot.is_some_and(|snapshot| !snapshot.is_running())
        });
        let mut last = self.people.next_lead();
        last.last_name = Some("Last".to_owned());
        last.email = LAST_EMAIL.to_owned();
        self.insert_leads(&[last], 1);
        // By its key: a list of all would be old when it is made.
        let came = wait_until(PATIENCE, || {
            let found = self.org.leads_by_key("Email", [LAST_EMAIL]);
            found.is_some_and(|found| !found.is_empty()).then_some(())
        });
        assert!(came.is_some(), "the last lead never came:\n{}", self.log());
        // What was published before may not know of it yet.
        let since_1970 = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let arrived_at = i64::try_from(since_1970.as_micros()).unwrap();
        let status = self.wait_for_status("every row to have its outcome", move |status| {
            let settled = |r: &leadstream::runtime::status::RouteStatus| {
                r.in_flight == 0 && r.totals.parked == 0
            };
            status.as_of.0 > arrived_at && status.routes.iter().all(settled)
        });
        assert!(self.stop().success(), "a clean end:\n{}", self.log());
        oracle::judge_snapshot(self, &status)
    }
}

/// For processes that are made to die.
impl World {
    fn is_dead(&mut self) -> bool {
        !self.service().is_running()
    }

    /// Waits until it streams or has died.
    pub fn wait_until_started_or_dead(&mut self) {
        let over = wait_until(PATIENCE, || {
            let streams = self.status().is_some_and(|status| status.source.connected);
            (streams || self.is_dead()).then_some(())
        });
        assert!(over.is_some(), "neither started nor dead:\n{}", self.log());
    }

    /// Waits until what was inserted is settled or it has died.
    pub fn wait_progress_or_dead(&mut self) {
        let inserted = self.inserted;
        let over = wait_until(PATIENCE, || {
            let settled = self.status().is_some_and(|status| {
                status
                    .routes
                    .iter()
                    .map(|r| r.captured - r.in_flight)
                    .sum::<u64>()
                    >= inserted
            });
            (settled || self.is_dead()).then_some(())
        });
        assert!(
            over.is_some(),
            "neither progress nor death:\n{}",
            self.log()
        );
    }
}
