//! The binary as a user starts it.
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use crate::harness::Ask;

fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_salesforce-sandbox"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn it_prints_its_address_serves_and_exits_0_on_sigterm() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"daily_api_requests = 7\n[[apps]]\nclient_id = \"a\"\nusername = \"u@leadstream.example\"\n").unwrap();
    let mut child = start(&[
        "--listen",
        "127.0.0.1:0",
        "--config",
        file.path().to_str().unwrap(),
    ]);
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let address = line
        .trim()
        .strip_prefix("salesforce sandbox listening on http://")
        .unwrap();
    assert_eq!(
        Ask::new(address.parse().unwrap(), "GET", "/services/data")
            .send()
            .status,
        200
    );
    let killed = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[test]
fn a_configuration_it_does_not_understand_is_exit_code_2_with_a_reason() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"dayly_api_requests = 7\n").unwrap();
    let output = start(&["--config", file.path().to_str().unwrap()])
        .wait_with_output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("dayly_api_requests")
    );
}

fn complaint(arguments: &[&str]) -> (Option<i32>, String) {
    let output = start(arguments).wait_with_output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn it_serves_https_with_a_certificate_that_it_made_and_has_a_control_address() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("org.pem");
    let any = "127.0.0.1:0";
    let mut child = start(&[
        "--listen",
        any,
        "--listen-tls",
        any,
        "--control",
        any,
        "--tls-self-signed",
        certificate.to_str().unwrap(),
        "--tls-name",
        "org.example",
    ]);
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let lines: Vec<String> = stdout.lines().take(3).map(Result::unwrap).collect();
    assert!(lines[0].starts_with("salesforce sandbox listening on http://127.0.0.1:"));
    assert!(lines[1].starts_with("also listening on https://127.0.0.1:"));
    let control = lines[2]
        .strip_prefix("control endpoints on http://")
        .and_then(|rest| rest.strip_suffix("/__sandbox/"))
        .unwrap();
    let pem = std::fs::read_to_string(&certificate).unwrap();
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");
    let stats = Ask::new(control.parse().unwrap(), "GET", "/__sandbox/stats").send();
    assert_eq!(stats.status, 200);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn each_mistake_in_the_options_is_told_with_its_remedy() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (code, text) = complaint(&["--listen", &taken]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&taken) && text.contains("port 0"), "{text}");

    let key = tempfile::NamedTempFile::new().unwrap();
    let key = key.path().to_str().unwrap();
    let any = "127.0.0.1:0";
    for (arguments, names) in [
        (
            &["--control", "0.0.0.0:0"][..],
            &["0.0.0.0:0", "loopback"][..],
        ),
        (
            &["--tls-certificate", "/nowhere.pem", "--tls-key", key],
            &["/nowhere.pem", "No such file"],
        ),
        (
            &["--tls-certificate", key, "--tls-key", key],
            &[key, "BEGIN CERTIFICATE"],
        ),
        (&["--tls-certificate", key], &["--tls-key"]),
        (&["--tls-key", key], &["--tls-certificate"]),
        (&["--listen-tls", any], &["--tls-self-signed"]),
        (&["--tls-name", "org.example"], &["--tls-self-signed"]),
        (
            &[
                "--tls-self-signed",
                key,
                "--tls-certificate",
                key,
                "--tls-key",
                key,
            ],
            &["cannot be used with"],
        ),
        (
            &["--tls-self-signed", "/nowhere/org.pem"],
            &["could not write", "/nowhere/org.pem"],
        ),
        (
            &["--tls-self-signed", key, "--tls-name", "m\u{fc}ller"],
            &["certificate for the names"],
        ),
    ] {
        let (code, text) = complaint(&[&["--listen", any], arguments].concat());
        assert_eq!(code, Some(2), "{arguments:?}: {text}");
        for name in names {
            assert!(text.contains(name), "{arguments:?}: {text}");
        }
    }
}

#[test]
fn help_names_the_options_and_the_control_endpoints() {
    let output = start(&["--help"]).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "--listen",
        "--listen-tls",
        "--tls-certificate",
        "--tls-self-signed",
        "--control",
        "--config",
        "/__sandbox/stats",
        "leadstream-demo",
    ] {
        assert!(text.contains(part), "{part}");
    }
}

#[test]
fn the_seeds_of_configured_faults_are_told_on_stderr() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"[[faults]]\nprobability = 0.25\naction = { kind = \"pass\" }\n")
        .unwrap();
    let config = file.path().to_str().unwrap();
    let mut child = start(&["--listen", "127.0.0.1:0", "--config", config]);
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let seed = line
        .trim()
        .strip_prefix("fault 1 acts with probability 0.25, seed ")
        .unwrap();
    assert!(seed.parse::<u64>().is_ok(), "{line}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn an_address_may_be_localhost_and_nothing_else_in_words() {
    let mut child = start(&["--listen", "localhost:0"]);
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        line.starts_with("salesforce sandbox listening on http://127.0.0.1:"),
        "{line}"
    );
    let (code, text) = complaint(&["--listen", "example.com:80"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("IP:PORT"), "{text}");
}
