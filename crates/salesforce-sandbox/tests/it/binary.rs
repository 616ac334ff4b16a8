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

#[test]
fn help_names_the_options_and_the_control_endpoints() {
    let output = start(&["--help"]).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "--listen",
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
