//! What the shim has noted, and running a process under it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// One change to the folder, as the process made it.
#[derive(Debug)]
pub struct Note {
    pub descriptor: i32,
    pub change: Change,
}

#[derive(Debug)]
pub enum Change {
    Open {
        path: String,
        created: bool,
        truncated: bool,
    },
    Copy {
        of: i32,
    },
    Write {
        at: usize,
        data: Vec<u8>,
    },
    Truncate {
        length: usize,
    },
    Sync,
    Rename {
        from: String,
        to: String,
    },
    Link {
        from: String,
        to: String,
    },
    Remove {
        path: String,
    },
    MakeFolder {
        path: String,
    },
    /// A change of this file that was made to fail.
    Fault {
        path: String,
    },
}

impl Note {
    /// Which file's change was made to fail.
    pub fn fault(&self) -> Option<&str> {
        match &self.change {
            Change::Fault { path } => Some(path),
            _ => None,
        }
    }
}

/// Which changes are to fail: see `shim.c`.
#[derive(Clone, Debug)]
pub struct Failing {
    pub kind: char,
    pub first: u64,
    pub count: u64,
    pub errno: i32,
    pub part: &'static str,
}

/// Runs a test of this binary again as a child whose changes below `root` are noted in `log`.
pub fn run(test: &str, root: &Path, log: &Path, failing: Option<&Failing>, task: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("LD_PRELOAD", shim())
        .env("LEADSTREAM_SHIM_ROOT", root)
        .env("LEADSTREAM_SHIM_LOG", log)
        .env("LEADSTREAM_POWERLOSS", task);
    if let Some(failing) = failing {
        let Failing {
            kind,
            first,
            count,
            errno,
            part,
        } = failing;
        command.env(
            "LEADSTREAM_SHIM_FAIL",
            format!("{kind}:{first}:{count}:{errno}:{part}"),
        );
    }
    command.output().unwrap()
}

/// The shim, built once; a machine without a C compiler fails the test.
fn shim() -> &'static Path {
    static SHIM: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = SHIM.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shim.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/powerloss/shim.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-o"])
            .args([&path, &source])
            .output()
            .expect("a C compiler, cc");
        let said = String::from_utf8_lossy(&built.stderr).into_owned();
        assert!(built.status.success(), "{said}");
        (folder, path)
    });
    path
}

const HEAD_BYTES: usize = 29;

/// Reads what the shim has written.
pub fn read(log: &Path) -> Vec<Note> {
    let bytes = std::fs::read(log).unwrap();
    let (mut rest, mut notes) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let (head, after) = rest.split_at(HEAD_BYTES);
        let number = |from: usize, length: usize| {
            let mut wide = [0; 8];
            wide[..length].copy_from_slice(&head[from..from + length]);
            u64::from_le_bytes(wide) as usize
        };
        let descriptor = i32::from_le_bytes(head[1..5].try_into().unwrap());
        let at = number(5, 8);
        let (path, after) = after.split_at(number(13, 4));
        let (other, after) = after.split_at(number(17, 4));
        let (data, after) = after.split_at(number(21, 8));
        rest = after;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (path, other) = (text(path), text(other));
        let change = match head[0] {
            1 => Change::Open {
                path,
                created: at & 1 != 0,
                truncated: at & 2 != 0,
            },
            2 => Change::Copy { of: at as i32 },
            3 => Change::Write {
                at,
                data: data.to_vec(),
            },
            4 => Change::Truncate { length: at },
            5 => Change::Sync,
            6 => Change::Rename {
                from: path,
                to: other,
            },
            7 | 9 => Change::Remove { path },
            8 => Change::MakeFolder { path },
            10 => Change::Link {
                from: path,
                to: other,
            },
            11 => Change::Fault { path },
            other => panic!("a note of kind {other}"),
        };
        notes.push(Note { descriptor, change });
    }
    notes
}
