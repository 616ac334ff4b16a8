//! Which server programs to run, and the pristine data directory they begin with.
//!
//! Owns finding a server, judging its version, composing the command that runs it, and the template. A template is
//! complete or absent: it is initialised under another name and renamed at the end.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::super::process::{self, Deadline};
use super::{Error, log_errors, mariadb};

/// The product asks for what 8.0 brought: `binlog_row_metadata`, commit timestamps, atomic DDL.
const OLDEST: MysqlVersion = MysqlVersion {
    major: 8,
    minor: 0,
    patch: 0,
};
/// Measured: 4 to 6 s beside a compiler on two cores.
const INITIALISE_DEADLINE: Duration = Duration::from_secs(180);
/// Measured: 0.1 s. A first run from a cold disk reads 80 MB.
const VERSION_DEADLINE: Duration = Duration::from_secs(30);

/// Whose server it is: they differ in how they are initialised and in many of their options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    MySql,
    MariaDb,
}

/// A server program that was found and asked for its version.
#[derive(Debug, Clone)]
pub struct MysqlInstall {
    kind: ServerKind,
    programs: Programs,
    version: MysqlVersion,
    /// Where the template is kept; `None` (no clone around us): each data directory is initialised anew.
    tools: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MysqlVersion {
    pub major: u16,
    pub minor: u16,
    pub patch: u16,
}

#[derive(Debug, Clone)]
enum Programs {
    /// A `mysqld` that the system installed.
    System { mysqld: PathBuf },
    /// A Debian root unpacked into a folder: its programs run with its own libraries, beside the system's.
    Root {
        root: PathBuf,
        loader: PathBuf,
        mysqld: PathBuf,
    },
}

pub(super) fn locate() -> Result<MysqlInstall, Error> {
    let tools = tools_folder();
    let mut looked_at = Vec::new();
    let named = variable("LEADSTREAM_MYSQL_ROOT").map(PathBuf::from);
    if let Some(root) = &named {
        return from_root(root, ServerKind::MySql, tools.as_deref()).map_err(|reason| {
            Error::NotFound {
                looked_at: format!("LEADSTREAM_MYSQL_ROOT={}: {reason}", root.display()),
            }
        });
    }
    match on_path(&variable("PATH").unwrap_or_default()) {
        None => looked_at.push("PATH: no mysqld".to_owned()),
        Some(mysqld) => {
            let shown = mysqld.display().to_string();
            let programs = Programs::System { mysqld };
            match MysqlInstall::ask(programs, ServerKind::MySql, tools.as_deref()) {
                Ok(install) => return Ok(install),
                Err(reason) => looked_at.push(format!("{shown}: {reason}")),
            }
        }
    }
    let root = tools.as_ref().map(|tools| tools.join("mysql-root"));
    match root {
        None => looked_at.push("no .tools folder here or above".to_owned()),
        Some(root) => match from_root(&root, ServerKind::MySql, tools.as_deref()) {
            Ok(install) => return Ok(install),
            Err(reason) => looked_at.push(format!("{}: {reason}", root.display())),
        },
    }
    Err(Error::NotFound {
        looked_at: looked_at.join("; "),
    })
}

/// A system's own MariaDB is not looked for: one place less that differs from machine to machine.
pub(super) fn locate_mariadb() -> Result<MysqlInstall, Error> {
    let tools = tools_folder();
    let named = variable("LEADSTREAM_MARIADB_ROOT").map(PathBuf::from);
    let root = named.or_else(|| tools.as_ref().map(|tools| tools.join("mariadb-root")));
    let not_found = |looked_at| Error::NoMariaDb { looked_at };
    let root = root.ok_or_else(|| not_found("no .tools folder here or above".to_owned()))?;
    from_root(&root, ServerKind::MariaDb, tools.as_deref())
        .map_err(|reason| not_found(format!("{}: {reason}", root.display())))
}

impl MysqlInstall {
    pub fn kind(&self) -> ServerKind {
        self.kind
    }

    pub fn version(&self) -> MysqlVersion {
        self.version
    }

    pub(super) fn program(&self) -> &Path {
        match &self.programs {
            Programs::System { mysqld } | Programs::Root { mysqld, .. } => mysqld,
        }
    }

    /// `mysqld` with what every run of it needs; no configuration file of the machine is read.
    pub(super) fn mysqld(&self) -> Command {
        let mut command = self.programs.command();
        command.arg("--no-defaults");
        if let Programs::Root { root, .. } = &self.programs {
            let share = self.share();
            command
                .arg(format!("--basedir={}", root.join("usr").display()))
                .arg(format!("--lc-messages-dir={}", share.display()))
                .arg(format!(
                    "--character-sets-dir={}",
                    share.join("charsets").display()
                ))
                .arg(format!(
                    "--plugin-dir={}",
                    root.join("usr/lib/mysql/plugin").display()
                ));
        }
        if we_are_root() {
            // mysqld refuses to run as root unless that is said.
            command.arg("--user=root");
        }
        command
    }

    /// Makes the data directory `data`, which must be absent or empty: a copy of the template where there is one.
    /// It is complete or absent: an interrupted start leaves nothing that the next one would take for a server's data.
    pub(super) fn initialise(&self, data: &Path) -> Result<(), Error> {
        let unfinished = data.with_extension("unfinished");
        let prepare = |source| Error::Prepare {
            path: unfinished.clone(),
            source,
        };
        remove_folder(&unfinished).map_err(prepare)?;
        match self.template() {
            Some(template) => copy_folder(&template, &unfinished).map_err(prepare)?,
            None => self.initialise_anew(&unfinished)?,
        }
        fs::rename(&unfinished, data).map_err(prepare)
    }

    /// The template's folder, made now if it is missing; `None` if it cannot be kept (no clone, a read-only one).
    fn template(&self) -> Option<PathBuf> {
        let tools = self.tools.as_ref()?;
        let kind = match self.kind {
            ServerKind::MySql => "mysql",
            ServerKind::MariaDb => "mariadb",
        };
        let name = format!("{kind}-template-{}", self.version);
        let template = tools.join(&name);
        if template.is_dir() {
            return Some(template);
        }
        // Tests start servers side by side, in several processes; one of them makes the template.
        let _lock = process::lock(
            &tools.join("mysql-template.lock"),
            Deadline::after(INITIALISE_DEADLINE),
        )?;
        if template.is_dir() {
            return Some(template);
        }
        let unfinished = tools.join(format!("{name}.unfinished"));
        let made = remove_folder(&unfinished).is_ok()
            && self.initialise_anew(&unfinished).is_ok()
            && self.forget_identity(&unfinished).is_ok()
            && fs::rename(&unfinished, &template).is_ok();
        made.then_some(template)
    }

    /// Each copy of a template must make up its own server_uuid; MariaDB has none.
    fn forget_identity(&self, data: &Path) -> io::Result<()> {
        match self.kind {
            ServerKind::MySql => fs::remove_file(data.join("auto.cnf")),
            ServerKind::MariaDb => Ok(()),
        }
    }

    fn initialise_anew(&self, data: &Path) -> Result<(), Error> {
        let log = data.with_extension("init.log");
        let prepare = |source| Error::Prepare {
            path: log.clone(),
            source,
        };
        // A log of an earlier try would be read as this one's.
        match fs::remove_file(&log) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(prepare(source)),
            _ => {}
        }
        let mut command = self.mysqld();
        command
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--log-error={}", log.display()))
            .arg("--skip-log-bin")
            .args([
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-doublewrite=OFF",
            ])
            .args(["--innodb-buffer-pool-size=64M", "--performance-schema=OFF"]);
        process::log_output_to(&mut command, &log).map_err(prepare)?;
        match self.kind {
            ServerKind::MySql => {
                command.args([
                    "--initialize-insecure",
                    "--loose-innodb-redo-log-capacity=16M",
                ]);
            }
            ServerKind::MariaDb => {
                mariadb::prepare(&mut command, &self.share(), data).map_err(prepare)?;
            }
        }
        let mut child = process::spawn(command).map_err(|source| Error::Run {
            program: self.program().to_owned(),
            source,
        })?;
        let during = "it initialised its data directory";
        match process::wait_for_status(&mut child, Deadline::after(INITIALISE_DEADLINE)) {
            Some(status) if status.success() => {
                let _ = fs::remove_file(&log);
                let _ = fs::remove_file(mariadb::script(data));
                Ok(())
            }
            Some(_) => Err(Error::Ended {
                during,
                log_tail: log_errors(&log, 0),
                log,
            }),
            None => {
                process::kill(&mut child, Deadline::after(Duration::from_secs(10)));
                Err(Error::TooSlow {
                    during,
                    waited_s: INITIALISE_DEADLINE.as_secs(),
                    log,
                })
            }
        }
    }

    /// Where the server's messages, character sets and system tables are kept.
    fn share(&self) -> PathBuf {
        match &self.programs {
            Programs::System { .. } => PathBuf::from("/usr/share/mysql"),
            Programs::Root { root, .. } => root.join("usr/share/mysql"),
        }
    }

    fn ask(programs: Programs, kind: ServerKind, tools: Option<&Path>) -> Result<Self, String> {
        let mut command = programs.command();
        command
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child =
            process::spawn(command).map_err(|error| format!("cannot be run: {error}"))?;
        // One line: it fits the pipe's buffer, so the child never waits for us.
        if !process::wait(&mut child, Deadline::after(VERSION_DEADLINE)) {
            process::kill(&mut child, Deadline::after(VERSION_DEADLINE));
            return Err("does not answer --version".to_owned());
        }
        let output = child
            .wait_with_output()
            .map_err(|error| format!("cannot be read: {error}"))?;
        let answer = String::from_utf8_lossy(&output.stdout);
        let version = match kind {
            ServerKind::MySql => check_version(&answer)?,
            ServerKind::MariaDb => mariadb::check_version(&answer)?,
        };
        Ok(Self {
            kind,
            programs,
            version,
            tools: tools.map(Path::to_owned),
        })
    }
}

impl Programs {
    fn command(&self) -> Command {
        match self {
            Self::System { mysqld } => process::tied_to_us(mysqld),
            Self::Root { loader, mysqld, .. } => {
                let mut command = process::tied_to_us(loader);
                command
                    .arg("--library-path")
                    .arg(loader.parent().unwrap_or(Path::new("/")))
                    .arg(mysqld);
                command
            }
        }
    }
}

impl fmt::Display for MysqlVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Reads the answer to `mysqld --version`; the error says why this server will not do.
pub(super) fn check_version(answer: &str) -> Result<MysqlVersion, String> {
    let answer = answer.trim();
    if answer.to_ascii_lowercase().contains("mariadb") {
        return Err(format!("is MariaDB, not MySQL ({answer})"));
    }
    let version = answer
        .split_once(" Ver ")
        .and_then(|(_, rest)| parse_version(rest));
    let version = version.ok_or_else(|| format!("does not name its version: {answer:?}"))?;
    if version < OLDEST {
        return Err(format!("is MySQL {version}; 8.0 or newer is needed"));
    }
    Ok(version)
}

pub(super) fn parse_version(text: &str) -> Option<MysqlVersion> {
    let numbers = text
        .trim_start()
        .split(|c: char| !(c.is_ascii_digit() || c == '.'))
        .next()?;
    let mut parts = numbers.split('.').map(|part| part.parse::<u16>().ok());
    let version = MysqlVersion {
        major: parts.next()??,
        minor: parts.next()??,
        patch: parts.next()??,
    };
    Some(version)
}

/// The first `mysqld` on a search path.
pub(super) fn on_path(search_path: &OsStr) -> Option<PathBuf> {
    // Debian installs servers where only root's PATH looks.
    let system = [
        PathBuf::from("/usr/sbin"),
        PathBuf::from("/usr/local/mysql/bin"),
    ];
    std::env::split_paths(search_path)
        .chain(system)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("mysqld"))
        .find(|path| path.is_file())
}

pub(super) fn from_root(
    root: &Path,
    kind: ServerKind,
    tools: Option<&Path>,
) -> Result<MysqlInstall, String> {
    let root = root.canonicalize().map_err(|error| error.to_string())?;
    let mysqld = root.join("usr/sbin/mysqld");
    if !mysqld.is_file() {
        return Err("holds no usr/sbin/mysqld".to_owned());
    }
    let loader = loader_of(&root).ok_or("holds no dynamic loader (usr/lib/*/ld-linux-*)")?;
    MysqlInstall::ask(
        Programs::Root {
            root,
            loader,
            mysqld,
        },
        kind,
        tools,
    )
}

/// `usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2` and its like on other processors; the libraries lie beside it.
fn loader_of(root: &Path) -> Option<PathBuf> {
    let folders = fs::read_dir(root.join("usr/lib")).ok()?;
    let architectures = folders
        .flatten()
        .filter(|folder| folder.file_name().to_string_lossy().ends_with("-linux-gnu"));
    architectures
        .filter_map(|folder| fs::read_dir(folder.path()).ok())
        .flat_map(|files| files.flatten())
        .find(|file| file.file_name().to_string_lossy().starts_with("ld-linux"))
        .map(|file| file.path())
}

/// `.tools` in the current folder or above; else in the package that cargo runs.
fn tools_folder() -> Option<PathBuf> {
    let here = std::env::current_dir().ok();
    let package = variable("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let folders = [here, package];
    folders
        .iter()
        .flatten()
        .flat_map(|start| start.ancestors())
        .map(|folder| folder.join(".tools"))
        .find(|tools| tools.is_dir())
}

#[allow(
    clippy::disallowed_methods,
    reason = "where a rehearsal finds its tools is no setting of the product"
)]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn we_are_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|us| us.uid() == 0)
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
