//! A MySQL or MariaDB server of our own, for the demo, the tests and the benches.
//!
//! Owns: finding a MySQL of 8.0 or newer or a MariaDB of 10.5 or newer, initialising its data directory, starting, freezing, killing, restarting
//! and stopping it. Invariants: every wait has a deadline; the server listens on loopback only; it ends with our
//! process even when that is killed (`setpriv --pdeathsig`, where present); a temporary folder is removed with its
//! server. It runs as whoever runs us and needs neither root nor a chroot: a Debian root that `make setup` unpacked is
//! entered through that root's own dynamic loader.
//!
//! Deliberately not here: SQL (callers bring their client) and servers that somebody else runs. A test that is given
//! `LEADSTREAM_TEST_MYSQL_URL` uses that server instead of this module, and says so when it needs a restart.
//!
//! Initialising takes seconds and its result is always the same, so the first run keeps a pristine copy in `.tools/`
//! and every later server starts from a copy of that.

mod home;
mod install;
mod mariadb;

use std::fs;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::process::{self, Deadline, Signal};
use home::Home;
pub use install::{MysqlInstall, MysqlVersion, ServerKind};

/// Starting on a machine that compiles on all cores took up to 8 s; recovery after a kill adds to that.
const START_DEADLINE: Duration = Duration::from_secs(90);
/// A server with a connected binlog reader takes about 8 s to end; a busy machine several times that.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
/// The kernel ends a killed process at once, unless it hangs in a disk write.
const KILL_DEADLINE: Duration = Duration::from_secs(10);
/// Below the range that Linux hands out for outgoing connections (32768 and up), so that a restarted server finds its
/// port free again.
const PORTS: std::ops::Range<u16> = 21_000..32_000;
/// Somebody else may take the chosen port before the server does.
const PORT_ATTEMPTS: u32 = 5;

/// How a server is to be started. The default suits the product: GTIDs, row format, full row metadata.
#[derive(Debug, Clone)]
pub struct MysqlOptions {
    /// Where the server keeps everything; created and initialised when empty. An empty path means a temporary folder,
    /// which is removed together with the server.
    pub data_dir: PathBuf,
    /// `None`: a free port.
    pub port: Option<u16>,
    pub server_id: u32,
    /// MariaDB always has GTIDs.
    pub gtid_mode: bool,
    /// Of MariaDB's GTIDs.
    pub gtid_domain: u32,
    /// `ROW`, `STATEMENT` or `MIXED`.
    pub binlog_format: &'static str,
    pub row_metadata_full: bool,
    /// Appended last, so they win over ours: `--binlog-row-image=MINIMAL`.
    pub extra_args: Vec<String>,
}

impl Default for MysqlOptions {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::new(),
            port: None,
            server_id: 1,
            gtid_mode: true,
            gtid_domain: 0,
            binlog_format: "ROW",
            row_metadata_full: true,
            extra_args: Vec::new(),
        }
    }
}

/// A running (or killed, or stopped) MySQL server; dropping it kills it.
#[derive(Debug)]
pub struct MysqlServer {
    install: MysqlInstall,
    options: MysqlOptions,
    home: Home,
    port: u16,
    child: Option<Child>,
}

/// What can go wrong on the way to a running server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("found no usable MySQL server ({looked_at}); {}", REMEDY_SETUP)]
    NotFound { looked_at: String },
    #[error(
        "found no usable MariaDB server ({looked_at}); run `make setup`, or name an unpacked root in LEADSTREAM_MARIADB_ROOT"
    )]
    NoMariaDb { looked_at: String },
    #[error("cannot run {}", program.display())]
    Run { program: PathBuf, source: io::Error },
    #[error("cannot prepare {}", path.display())]
    Prepare { path: PathBuf, source: io::Error },
    #[error("{} holds files but no data directory of this server; name an empty or a new folder", path.display())]
    ForeignFolder { path: PathBuf },
    #[error("no port between {} and {} is free on 127.0.0.1; stop what occupies them or name a port", PORTS.start, PORTS.end)]
    NoFreePort,
    #[error("mysqld ended while {during}: {log_tail}; its whole log is {}", log.display())]
    Ended {
        during: &'static str,
        log_tail: String,
        log: PathBuf,
    },
    #[error("mysqld was not done after {waited_s} s while {during}; its log is {}", log.display())]
    TooSlow {
        during: &'static str,
        waited_s: u64,
        log: PathBuf,
    },
    #[error("cannot signal mysqld (process {pid})")]
    Signal { pid: u32, source: io::Error },
    #[error("this MySQL server is not running; start it with restart")]
    NotRunning,
}

const REMEDY_SETUP: &str = "run `make setup`, or put mysqld 8.0 or newer on the PATH, or name an unpacked root in LEADSTREAM_MYSQL_ROOT";

impl MysqlServer {
    /// Looks for `LEADSTREAM_MYSQL_ROOT`, then for a `mysqld` on the PATH (8.0 or newer, not MariaDB), then for
    /// `.tools/mysql-root` from the current folder upwards.
    pub fn locate() -> Result<MysqlInstall, Error> {
        install::locate()
    }

    /// Looks for `LEADSTREAM_MARIADB_ROOT`, then for `.tools/mariadb-root` from the current folder upwards.
    pub fn locate_mariadb() -> Result<MysqlInstall, Error> {
        install::locate_mariadb()
    }

    /// Starts a server and returns when it answers.
    pub fn start(install: &MysqlInstall, options: MysqlOptions) -> Result<Self, Error> {
        let home = Home::create(&options.data_dir)?;
        let mut server = Self {
            install: install.clone(),
            options,
            home,
            port: 0,
            child: None,
        };
        let started = server.begin();
        if started.is_err() {
            server.home.keep_logs();
        }
        started.map(|()| server)
    }

    pub fn kind(&self) -> ServerKind {
        self.install.kind()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's process, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// `mysql://USER@127.0.0.1:PORT`; a fresh server knows `root`, without a password.
    pub fn url(&self, user: &str) -> String {
        format!("mysql://{user}@127.0.0.1:{}", self.port)
    }

    /// The server's own folder: binlogs, TLS certificates (`ca.pem`), tables.
    pub fn data_dir(&self) -> PathBuf {
        self.home.data()
    }

    /// The server's socket.
    pub fn socket_path(&self) -> PathBuf {
        self.home.socket()
    }

    /// The server's error log.
    pub fn log_path(&self) -> PathBuf {
        self.home.log()
    }

    pub fn is_running(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Orderly shutdown; a server that has not ended after 30 s is killed. No error when it is not running.
    pub fn stop(&mut self) -> Result<(), Error> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        // A frozen process would never see the request to end.
        let asked = process::send(&child, Signal::Continue)
            .and_then(|()| process::send(&child, Signal::Terminate));
        if asked.is_err() || !process::wait(&mut child, Deadline::after(STOP_DEADLINE)) {
            process::kill(&mut child, Deadline::after(KILL_DEADLINE));
        }
        asked.map_err(|source| Error::Signal {
            pid: child.id(),
            source,
        })
    }

    /// `kill -9`: nothing is flushed, connections break at once.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            process::kill(&mut child, Deadline::after(KILL_DEADLINE));
        }
    }

    /// Stops the server if it runs and starts it again: same port, same data. Works after [`Self::kill`], too.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop()?;
        self.launch()
    }

    /// `SIGSTOP`: connections stay open and nothing answers, as with a hanging machine.
    pub fn freeze(&self) -> Result<(), Error> {
        self.signal(Signal::Freeze)
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) -> Result<(), Error> {
        self.signal(Signal::Continue)
    }

    fn signal(&self, signal: Signal) -> Result<(), Error> {
        let child = self.child.as_ref().ok_or(Error::NotRunning)?;
        process::send(child, signal).map_err(|source| Error::Signal {
            pid: child.id(),
            source,
        })
    }

    fn begin(&mut self) -> Result<(), Error> {
        self.fill_data_dir()?;
        let Some(port) = self.options.port else {
            return self.launch_on_a_free_port();
        };
        self.port = port;
        self.launch()
    }

    /// Somebody else may take a port between our look and the server's; then another one is tried.
    fn launch_on_a_free_port(&mut self) -> Result<(), Error> {
        let mut attempts = 1..PORT_ATTEMPTS;
        loop {
            self.port = free_port()?;
            match self.launch() {
                Err(Error::Ended { log_tail, .. })
                    if log_tail.contains("Address already in use") && attempts.next().is_some() => {
                }
                launched => return launched,
            }
        }
    }

    fn fill_data_dir(&self) -> Result<(), Error> {
        let data = self.home.data();
        let system_tables = match self.kind() {
            ServerKind::MySql => "mysql.ibd",
            ServerKind::MariaDb => "mysql/global_priv.frm",
        };
        if data.join(system_tables).exists() {
            return Ok(());
        }
        if fs::read_dir(&data).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::ForeignFolder { path: data });
        }
        self.install.initialise(&data)
    }

    fn launch(&mut self) -> Result<(), Error> {
        // Left over from a killed server; the socket's lock holds a process id that may belong to anybody by now.
        // Two servers on one folder are not a danger: InnoDB locks its files.
        for stale in [
            self.home.pid_file(),
            self.home.socket(),
            self.home.socket_lock(),
        ] {
            if let Err(source) = fs::remove_file(&stale)
                && source.kind() != io::ErrorKind::NotFound
            {
                return Err(Error::Prepare {
                    path: stale,
                    source,
                });
            }
        }
        let log_start = fs::metadata(self.home.log()).map_or(0, |file| file.len());
        let mut child = process::spawn(self.command()?).map_err(|source| Error::Run {
            program: self.install.program().to_owned(),
            source,
        })?;
        let answered = self.wait_until_it_answers(&mut child, log_start);
        if answered.is_err() {
            process::kill(&mut child, Deadline::after(KILL_DEADLINE));
        } else {
            self.child = Some(child);
        }
        answered
    }

    fn command(&self) -> Result<Command, Error> {
        let options = &self.options;
        let mut command = self.install.mysqld();
        command
            .arg(format!("--datadir={}", self.home.data().display()))
            .arg(format!("--socket={}", self.home.socket().display()))
            .arg(format!("--pid-file={}", self.home.pid_file().display()))
            .arg(format!("--log-error={}", self.home.log().display()))
            .arg(format!("--port={}", self.port))
            .arg(format!("--server-id={}", options.server_id))
            .args([
                "--bind-address=127.0.0.1",
                "--secure-file-priv=",
                "--log-bin=binlog",
                "--binlog-row-image=FULL",
            ]);
        command.args(match self.kind() {
            ServerKind::MySql => mysql_options(options),
            ServerKind::MariaDb => mariadb::options(options),
        });
        // MariaDB takes the temporary tables of others in it away when it starts.
        if let Some(own) = self.home.log().parent() {
            command.arg(format!("--tmpdir={}", own.display()));
        }
        if options.row_metadata_full {
            command.arg("--binlog-row-metadata=FULL");
        }
        // Small and quick: a rehearsal survives kill -9, which needs no fsync; it need not survive a power loss.
        command.args([
            "--innodb-flush-log-at-trx-commit=2",
            "--sync-binlog=0",
            "--innodb-doublewrite=OFF",
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-buffer-size=4M",
            "--innodb-adaptive-hash-index=OFF",
            "--innodb-read-io-threads=1",
            "--innodb-write-io-threads=1",
            "--innodb-purge-threads=1",
            "--loose-innodb-page-cleaners=1",
            "--table-open-cache=200",
            "--table-definition-cache=400",
            "--performance-schema=OFF",
            // It spins while a server with much to flush shuts down.
            "--event-scheduler=OFF",
        ]);
        command.args(&options.extra_args);
        process::log_output_to(&mut command, &self.home.output()).map_err(|source| {
            Error::Prepare {
                path: self.home.output(),
                source,
            }
        })?;
        Ok(command)
    }

    /// The server has no way of telling us that it is ready, so its files and its port are asked again and again.
    /// A port that answers is not enough (it may be another server's): the process-id file is written after the port
    /// was bound, so both together mean that this server answers there.
    fn wait_until_it_answers(&self, child: &mut Child, log_start: u64) -> Result<(), Error> {
        let deadline = Deadline::after(START_DEADLINE);
        loop {
            if !process::is_running(child) {
                let log_tail = log_errors(&self.home.log(), log_start);
                return Err(Error::Ended {
                    during: "it started",
                    log_tail,
                    log: self.home.log(),
                });
            }
            if self.home.pid_file().exists() && greets(self.port) {
                return Ok(());
            }
            if deadline.is_over() {
                let waited_s = START_DEADLINE.as_secs();
                return Err(Error::TooSlow {
                    during: "it started",
                    waited_s,
                    log: self.home.log(),
                });
            }
            process::pause();
        }
    }
}

impl Drop for MysqlServer {
    fn drop(&mut self) {
        self.kill();
        self.home.remove_what_is_temporary();
    }
}

/// The options of a run that MariaDB has not, or that it calls otherwise.
fn mysql_options(options: &MysqlOptions) -> Vec<String> {
    // Since 9.x GTIDs may be on by default.
    let gtids = if options.gtid_mode { "ON" } else { "OFF" };
    let mut arguments = vec![
        "--loose-mysqlx=OFF".to_owned(),
        "--log-error-verbosity=2".to_owned(),
        "--loose-innodb-redo-log-capacity=128M".to_owned(),
        format!("--gtid-mode={gtids}"),
        format!("--enforce-gtid-consistency={gtids}"),
    ];
    // ROW is the default of every version that we accept, and naming it is deprecated.
    if options.binlog_format != "ROW" {
        arguments.push(format!("--binlog-format={}", options.binlog_format));
    }
    arguments
}

fn free_port() -> Result<u16, Error> {
    // Each process begins elsewhere, so that builds side by side seldom try the same port at the same moment.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let span = u32::from(PORTS.end - PORTS.start);
    let begin = std::process::id().wrapping_mul(97);
    for _ in 0..span {
        let step = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % span;
        let Ok(step) = u16::try_from(step) else {
            continue;
        };
        let port = PORTS.start + step;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(Error::NoFreePort)
}

/// Whether something at the port sends the first byte of a greeting, as MySQL does without being asked.
fn greets(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let patience = Duration::from_secs(2);
    let Ok(mut stream) = TcpStream::connect_timeout(&address, patience) else {
        return false;
    };
    let mut first = [0_u8; 1];
    stream.set_read_timeout(Some(patience)).is_ok() && stream.read_exact(&mut first).is_ok()
}

/// The errors that the server wrote to its log since `start` (a byte offset), shortened for one message.
fn log_errors(log: &Path, start: u64) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let fresh = usize::try_from(start)
        .ok()
        .and_then(|start| bytes.get(start..))
        .unwrap_or_default();
    let text = String::from_utf8_lossy(fresh);
    let errors: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_once("[ERROR] ").map(|(_, message)| message))
        .take(4)
        .collect();
    if errors.is_empty() {
        "it logged no error".to_owned()
    } else {
        errors.join("; ")
    }
}

#[cfg(test)]
mod tests;
