//! leadstream itself, as a process of its own: what a demo and the tests start, ask, stop and kill.
//!
//! Looks at it from the outside only: its exit code, its log, its HTTP port.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use super::process::{self, Deadline, Signal};

/// A running `leadstream run`; killed when dropped.
pub struct ServiceProcess {
    child: Child,
    log: PathBuf,
}

/// How to start it.
#[derive(Clone, Debug)]
pub struct ServiceOptions {
    /// The binary.
    pub program: PathBuf,
    pub config: PathBuf,
    /// `LEADSTREAM_…` variables.
    pub environment: Vec<(String, String)>,
    /// Where its stderr is appended.
    pub log: PathBuf,
}

impl ServiceProcess {
    /// Starts it; does not wait for anything.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start(options: &ServiceOptions) -> io::Result<Self> {
        let mut command = process::tied_to_us(&options.program);
        command.arg("run").arg("--config").arg(&options.config);
        command.envs(
            options
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        );
        process::log_output_to(&mut command, &options.log)?;
        Ok(Self {
            child: process::spawn(command)?,
            log: options.log.clone(),
        })
    }

    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to stderr.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn is_running(&mut self) -> bool {
        process::is_running(&mut self.child)
    }

    /// SIGTERM, without waiting.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn terminate(&mut self) -> io::Result<()> {
        process::send(&self.child, Signal::Terminate)
    }

    /// Its exit status, if it ends within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        process::wait_for_status(&mut self.child, Deadline::after(limit))
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        process::kill(&mut self.child, Deadline::after(Duration::from_secs(10)));
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        if self.is_running() {
            self.kill();
        }
    }
}

/// GETs a path from a leadstream on this machine: status code and body.
///
/// # Errors
/// When nobody listens, or the answer is no HTTP.
pub fn get(port: u16, path: &str) -> io::Result<(u16, String)> {
    exchange(port, "GET", path, "")
}

/// Sends JSON to an HTTP port of this machine; gives the status code and the body.
///
/// # Errors
/// As [`get`].
pub fn send(port: u16, method: &str, path: &str, json: &str) -> io::Result<(u16, String)> {
    exchange(port, method, path, json)
}

fn exchange(port: u16, method: &str, path: &str, json: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{json}",
        json.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let bad = || io::Error::other("no HTTP answer");
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(bad)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or_else(bad)?;
    Ok((status, body.to_owned()))
}

/// Waits until `probe` gives something, for at most `limit`; pauses between tries, because the
/// processes that are watched have no other way to say that they got there.
pub fn wait_until<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Deadline::after(limit);
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if deadline.is_over() {
            return None;
        }
        process::pause();
    }
}

/// A free port on the loopback address; somebody else may take it before it is used.
///
/// # Errors
/// When none can be bound.
pub fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?
        .local_addr()?
        .port())
}

/// Puts the annotated configuration into a folder, for a service that runs elsewhere.
///
/// # Errors
/// When the file cannot be written.
pub fn write_config(folder: &Path) -> io::Result<PathBuf> {
    let path = folder.join("leadstream.toml");
    std::fs::write(&path, include_str!("../../config/leadstream.toml"))?;
    Ok(path)
}
