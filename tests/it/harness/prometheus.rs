//! A real Prometheus that scrapes a leadstream, with the rules and the scrape job that are shipped.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use leadstream::rehearsal::service::{free_port, wait_until};
use serde_json::Value;

use super::PATIENCE;

/// Prometheus' or its companion's binary: on the PATH, or as `make setup` unpacks it.
pub fn prometheus_tool(name: &str) -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/prometheus");
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&on_path)
        .chain([ours])
        .map(|folder| folder.join(name))
        .find(|path| path.exists())
        .unwrap_or_else(|| panic!("{name}: run `make setup`"))
}

pub struct Prometheus {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Prometheus {
    /// Scrapes the leadstream on that port, twice a second.
    pub fn start(target: u16) -> Self {
        let folder = tempfile::Builder::new().prefix("ls-prom-").tempdir();
        let folder = folder.unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/prometheus");
        for name in ["prometheus.yml", "alerts.yml"] {
            let text = std::fs::read_to_string(shipped.join(name)).unwrap();
            let text = text
                .replace("127.0.0.1:9464", &format!("127.0.0.1:{target}"))
                .replace("_interval: 15s", "_interval: 500ms");
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let port = free_port().unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let process = Command::new(prometheus_tool("prometheus"))
            .current_dir(folder.path())
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Prometheus starts");
        let mut prometheus = Self {
            process,
            port,
            folder,
        };
        let ready = wait_until(PATIENCE, || {
            let running = prometheus.process.try_wait().unwrap().is_none();
            assert!(running, "Prometheus ended:\n{}", prometheus.log());
            prometheus.get("/-/ready").filter(|(code, _)| *code == 200)
        });
        assert!(ready.is_some(), "not ready:\n{}", prometheus.log());
        prometheus
    }

    /// The samples that an expression gives now.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let path = format!("/api/v1/query?query={}", encoded(expression));
        let answer = self.ask(&path);
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"]["result"]
                .as_array()
                .cloned()
                .unwrap_or_default()),
            _ => Err(answer["error"].to_string()),
        }
    }

    /// The rules, with what came of their last evaluation.
    pub fn rules(&self) -> Vec<Value> {
        let answer = self.ask("/api/v1/rules");
        let groups = answer["data"]["groups"].as_array().expect("groups");
        let rules = groups
            .iter()
            .flat_map(|group| group["rules"].as_array().expect("rules").clone());
        rules.collect()
    }

    fn ask(&self, path: &str) -> Value {
        let (_, body) = self.get(path).expect("Prometheus answers");
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}"))
    }

    /// By HTTP 1.0, which has no chunks.
    fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .ok()?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let code = answer.split(' ').nth(1)?.parse().ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some((code, body.to_owned()))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}
