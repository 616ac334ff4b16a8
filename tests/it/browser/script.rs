//! The running of a script of `tests/browser`: what it is given, its time limit, its word.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Map, Value};

use crate::harness::World;

/// Longest that a script may take on a loaded machine, in seconds; only a failing test waits for it.
const LIMIT: &str = "120";
/// In the order in which scripts/setup.sh looks for one.
const BROWSERS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// A script, and what it is given.
pub struct Script {
    name: &'static str,
    given: Map<String, Value>,
}

impl Script {
    pub fn new(name: &'static str, world: &World) -> Self {
        let console = format!("http://127.0.0.1:{}", world.port);
        Self {
            name,
            given: Map::new(),
        }
        .with("console", console)
    }

    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.given.insert(name.to_owned(), value.into());
        self
    }

    /// Runs it to its end and returns what it reports: the JSON on the last line of its output.
    #[track_caller]
    pub fn run(self) -> Value {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let packages = package.join(".tools/browser");
        let scripts = package.join("tests/browser");
        for needed in ["playwright-core", "axe-core"] {
            let path = packages.join("node_modules").join(needed);
            assert!(path.exists(), "{}: run `make setup`", path.display());
        }
        let scratch = tempfile::tempdir().unwrap();
        let given = self
            .with("packages", packages.display().to_string())
            .with("chromium", chromium().display().to_string())
            .with("screenshots", screenshots().display().to_string());
        let script = scripts.join(given.name).with_extension("mjs");
        // Killed, node takes the browser with it: its pipe ends.
        let output = Command::new("timeout")
            .args(["--signal=KILL", LIMIT, "node"])
            .arg(&script)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", scratch.path())
            .env("TMPDIR", scratch.path())
            .env("GIVEN", Value::Object(given.given).to_string())
            .stdin(Stdio::null())
            .output()
            .expect("timeout(1)");
        let [said, errors] =
            [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        assert!(
            output.status.success(),
            "{} ({})\n{said}\n{errors}",
            script.display(),
            output.status
        );
        let (told, reported) = said.trim_end().rsplit_once('\n').unwrap_or(("", &said));
        println!("{told}");
        serde_json::from_str(reported.trim()).unwrap_or_else(|_| panic!("no report:\n{said}"))
    }
}

/// Named by `LEADSTREAM_CHROMIUM`, or on the PATH.
#[track_caller]
fn chromium() -> PathBuf {
    let named = std::env::var("LEADSTREAM_CHROMIUM").ok();
    let names: Vec<&str> = named.as_deref().map_or(BROWSERS.into(), |name| vec![name]);
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&on_path).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|path| path.exists())
        .expect("Chromium: run `make setup`")
}

/// Where a person looks at what the browser saw.
pub fn screenshots() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
