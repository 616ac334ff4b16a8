//! Child processes with deadlines.
//!
//! Owns spawning so that a child ends with us, signals, and waiting without waiting for ever. The standard library has
//! neither signals other than kill nor a wait with a deadline, and this crate forbids unsafe code; hence the shell's
//! `kill` and the short pauses.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Long enough to cost nothing, short enough not to be felt.
const PAUSE: Duration = Duration::from_millis(15);

#[derive(Debug, Clone, Copy)]
pub(in crate::rehearsal) enum Signal {
    Terminate,
    Freeze,
    Continue,
}

/// A moment that ends a wait.
#[derive(Debug, Clone, Copy)]
pub(in crate::rehearsal) struct Deadline(Instant);

impl Deadline {
    #[allow(
        clippy::disallowed_methods,
        reason = "a rehearsal waits for real processes in real time"
    )]
    pub(in crate::rehearsal) fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    /// For one try without waiting.
    pub(in crate::rehearsal) fn now() -> Self {
        Self::after(Duration::ZERO)
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "a rehearsal waits for real processes in real time"
    )]
    pub(in crate::rehearsal) fn is_over(self) -> bool {
        Instant::now() >= self.0
    }
}

/// A command whose process the kernel kills when ours ends, by `setpriv --pdeathsig` (util-linux). Where that is
/// missing, a parent that is killed leaves its server running. To be spawned by [`spawn`].
pub(in crate::rehearsal) fn tied_to_us(program: &Path) -> Command {
    let setpriv = ["/usr/bin/setpriv", "/bin/setpriv"]
        .into_iter()
        .find(|path| Path::new(path).exists());
    let mut command = match setpriv {
        None => Command::new(program),
        Some(setpriv) => {
            let mut tied = Command::new(setpriv);
            tied.args(["--pdeathsig", "KILL"]).arg(program);
            tied
        }
    };
    // A group of its own: Ctrl-C in a terminal is for us, and we stop the server in order.
    command.process_group(0);
    command
}

/// Spawns a child.
///
/// `PR_SET_PDEATHSIG` fires when the *thread* that spawned the child ends (prctl(2)). Callers may live on short-lived
/// threads (a test, a blocking pool), so one thread that lives as long as the process does all the spawning.
pub(in crate::rehearsal) fn spawn(command: Command) -> io::Result<Child> {
    static KEEPER: OnceLock<SyncSender<Request>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        // Rendezvous: a caller waits for its child anyway.
        let (sender, requests) = sync_channel::<Request>(0);
        std::thread::spawn(move || {
            for (mut command, reply) in requests {
                // A caller that has gone away drops the child's handle with the reply.
                let _ = reply.send(command.spawn());
            }
        });
        sender
    });
    let gone = || io::Error::other("the thread that starts processes has ended");
    let (reply, child) = sync_channel(1);
    keeper.send((command, reply)).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

type Request = (Command, SyncSender<io::Result<Child>>);

/// Sends all output to a file and takes away stdin: a server must not write into a terminal or read from it.
pub(in crate::rehearsal) fn log_output_to(command: &mut Command, file: &Path) -> io::Result<()> {
    let output = OpenOptions::new().create(true).append(true).open(file)?;
    command
        .stdin(Stdio::null())
        .stderr(output.try_clone()?)
        .stdout(output);
    Ok(())
}

pub(in crate::rehearsal) fn send(child: &Child, signal: Signal) -> io::Result<()> {
    let name = match signal {
        Signal::Terminate => "TERM",
        Signal::Freeze => "STOP",
        Signal::Continue => "CONT",
    };
    // The shell's own `kill`: the program of that name is missing on small images. The child is not reaped yet, so
    // its id is still its own.
    let status = Command::new("sh")
        .args(["-c", "kill -s \"$0\" \"$1\"", name, &child.id().to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("kill -s {name} failed")))
    }
}

/// A lock between processes, held until the answer is dropped or its process ends, however it ends. `None` when the
/// file cannot be made or somebody else holds it until the deadline.
pub(in crate::rehearsal) fn lock(path: &Path, deadline: Deadline) -> Option<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .ok()?;
    loop {
        match file.try_lock() {
            Ok(()) => return Some(file),
            Err(TryLockError::WouldBlock) if !deadline.is_over() => pause(),
            Err(_) => return None,
        }
    }
}

pub(in crate::rehearsal) fn is_running(child: &mut Child) -> bool {
    matches!(child.try_wait(), Ok(None))
}

/// Whether the child ended before the deadline.
pub(in crate::rehearsal) fn wait(child: &mut Child, deadline: Deadline) -> bool {
    wait_for_status(child, deadline).is_some()
}

pub(in crate::rehearsal) fn wait_for_status(
    child: &mut Child,
    deadline: Deadline,
) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if !deadline.is_over() => pause(),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// `kill -9`, then reaps; gives up at the deadline (a process stuck in the kernel).
pub(in crate::rehearsal) fn kill(child: &mut Child, deadline: Deadline) {
    // Fails only for a child that has ended already.
    let _ = child.kill();
    wait(child, deadline);
}

/// The one place that waits by the clock: another process's progress has no event to wait for.
pub(in crate::rehearsal) fn pause() {
    std::thread::sleep(PAUSE);
}
