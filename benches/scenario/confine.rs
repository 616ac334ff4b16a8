//! A control group of our own (cgroups(7)), version 1 or 2: so much CPU, so much memory, and what
//! the kernel says of both.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PERIOD_US: u64 = 100_000;

/// Removed when dropped; what ran in it must have ended.
pub struct Group {
    cpu: PathBuf,
    memory: PathBuf,
    unified: bool,
}

/// Of the kernel's periods in which something ran, those in which the share was used up.
#[derive(Clone, Copy, Default)]
pub struct Throttled {
    pub periods: u64,
    pub throttled: u64,
    pub waited: Duration,
}

impl Group {
    /// Makes it below the root of the hierarchy that is mounted.
    pub fn new(cpus: f64, memory_bytes: u64) -> io::Result<Self> {
        let root = Path::new("/sys/fs/cgroup");
        let name = format!("leadstream-scenario-{}", std::process::id());
        let unified = root.join("cgroup.controllers").exists();
        let group = if unified {
            // Refused where the controllers are handed down already, or are not ours to hand down.
            let _ = fs::write(root.join("cgroup.subtree_control"), "+cpu +memory");
            Self {
                cpu: root.join(&name),
                memory: root.join(&name),
                unified,
            }
        } else {
            Self {
                cpu: root.join("cpu").join(&name),
                memory: root.join("memory").join(&name),
                unified,
            }
        };
        let quota = (cpus * PERIOD_US as f64).round() as u64;
        fs::create_dir(&group.cpu)?;
        if unified {
            fs::write(group.cpu.join("cpu.max"), format!("{quota} {PERIOD_US}"))?;
            fs::write(group.memory.join("memory.max"), memory_bytes.to_string())?;
        } else {
            fs::create_dir(&group.memory)?;
            fs::write(group.cpu.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
            fs::write(group.cpu.join("cpu.cfs_quota_us"), quota.to_string())?;
            let limit = group.memory.join("memory.limit_in_bytes");
            fs::write(limit, memory_bytes.to_string())?;
        }
        Ok(group)
    }

    pub fn version(&self) -> u8 {
        if self.unified { 2 } else { 1 }
    }

    /// A program that enters the group and then becomes `program`: it never runs outside.
    pub fn launcher(&self, folder: &Path, program: &Path) -> io::Result<PathBuf> {
        let path = folder.join("confined");
        let script = format!(
            "#!/bin/sh\nset -e\necho $$ > '{}'\necho $$ > '{}'\nexec '{}' \"$@\"\n",
            self.cpu.join("cgroup.procs").display(),
            self.memory.join("cgroup.procs").display(),
            program.display(),
        );
        fs::write(&path, script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
        Ok(path)
    }

    pub fn throttled(&self) -> Throttled {
        let text = fs::read_to_string(self.cpu.join("cpu.stat")).unwrap_or_default();
        let value = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse().ok())
                .unwrap_or(0)
        };
        Throttled {
            periods: value("nr_periods "),
            throttled: value("nr_throttled "),
            waited: if self.unified {
                Duration::from_micros(value("throttled_usec "))
            } else {
                Duration::from_nanos(value("throttled_time "))
            },
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.cpu);
        let _ = fs::remove_dir(&self.memory);
    }
}
