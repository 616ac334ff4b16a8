//! Who gets in at the operator's port of the real service, and who does not; what each attempt is
//! answered in detail is tested beside the code (src/operator/access/tests.rs, server/tests.rs).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use leadstream::rehearsal::service::wait_until;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::harness::{Answer, Build, PATIENCE, World};

const OF_LOOPBACK: &str = "Host: 127.0.0.1\r\nConnection: close\r\n";

/// Sends a request as it is; gives the whole answer.
fn say(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    rest(&mut stream)
}

fn rest(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    // A connection that is reset has ended, too.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn get(port: u16, path: &str, header: &str) -> String {
    say(
        port,
        &format!("GET {path} HTTP/1.1\r\n{OF_LOOPBACK}{header}\r\n"),
    )
}

fn post(port: u16, path: &str, header: &str, form: &str) -> String {
    let length = form.len();
    say(
        port,
        &format!(
            "POST {path} HTTP/1.1\r\n{OF_LOOPBACK}{header}\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
        ),
    )
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

#[test]
fn a_token_lets_in_until_it_is_revoked_and_nothing_else_does() {
    let mut world = World::new(Build::Failpoints);
    let tokens = world.state().with_file_name("tokens");
    world.set("operator.token_file", tokens.to_str().unwrap());
    world.start();
    let port = world.port;

    let made = world.command(&["token", "new", "anna", "--role", "operator"]);
    assert_eq!(made.code, 0, "{made:?}");
    let token = made.stdout.trim();
    let bearer = format!("Authorization: Bearer {token}\r\n");
    // A token that is not known yet is refused; soon with 429, as one that is guessed.
    let is_in = |header: &str| match status(&get(port, "/api/v1/none", header)) {
        "401" | "429" => None,
        other => Some(other.to_owned()),
    };
    assert_eq!(is_in(""), None);
    let found = wait_until(PATIENCE, || is_in(&bearer));
    assert_eq!(found.as_deref(), Some("404"), "known, and asks for nothing");
    assert_eq!(status(&get(port, "/livez", "")), "200");
    assert_eq!(status(&get(port, "/attention", "")), "303");

    let answer = post(
        port,
        "/login",
        "",
        &format!("token={token}&next=//evil.example"),
    );
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    assert!(answer.contains("\r\nlocation: /\r\n"), "{answer}");
    let (_, cookie) = answer.split_once("leadstream_session=").unwrap();
    let (cookie, _) = cookie.split_once(';').unwrap();
    let session = format!("Cookie: leadstream_session={cookie}\r\n");
    assert_eq!(is_in(&session).as_deref(), Some("404"));
    let answer = post(port, "/logout", &session, "csrf=guessed");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let rebound = say(
        port,
        "GET /livez HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
    );
    assert!(rebound.starts_with("HTTP/1.1 421"), "{rebound}");
    let traversal = get(port, "/assets/../../../../etc/passwd", "");
    assert!(traversal.starts_with("HTTP/1.1 404"), "{traversal}");
    let head = format!("X-Long: {}\r\n", "a".repeat(100_000));
    assert_ne!(status(&get(port, "/livez", &head)), "200");
    let refused: Vec<_> = (0..12)
        .map(|number| post(port, "/login", "", &format!("token=ls_guess{number}")))
        .collect();
    assert!(refused[0].starts_with("HTTP/1.1 401"), "{}", refused[0]);
    assert!(refused[11].starts_with("HTTP/1.1 429"), "{}", refused[11]);
    let metrics = get(port, "/metrics", "");
    let counted = "leadstream_operator_sign_ins_total{outcome=\"signed_in\"} 1";
    assert!(metrics.contains(counted), "{metrics}");

    let revoked = world.command(&["token", "revoke", "anna"]);
    assert_eq!(revoked.code, 0, "{revoked:?}");
    for header in [&bearer, &session] {
        let shut = wait_until(PATIENCE, || is_in(header).is_none().then_some(()));
        assert!(shut.is_some(), "a revoked token ends what it let in");
    }
    let log = world.log();
    assert!(log.contains("signed in"), "{log}");
    assert!(!log.contains(token) && !log.contains(cookie), "{log}");
    assert!(world.stop().success());

    // The same port, encrypted.
    let (trusted, files) = certify(&tokens);
    world.set("operator.tls", &files);
    world.spawn();
    let answer = wait_until(PATIENCE, || get_encrypted(port, &trusted));
    let answer = answer.expect("TLS is spoken").to_lowercase();
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert!(answer.contains("strict-transport-security: "), "{answer}");
    assert!(!get(port, "/livez", "").contains("HTTP"));
    assert!(world.stop().success());
}

/// Puts a certificate and its key beside a file; gives it, and the setting that names both.
fn certify(beside: &Path) -> (CertificateDer<'static>, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (cert_file, key_file) = (beside.with_extension("pem"), beside.with_extension("key"));
    std::fs::write(&cert_file, cert.pem()).unwrap();
    std::fs::write(&key_file, signing_key.serialize_pem()).unwrap();
    let files = format!("{{ cert_file = {cert_file:?}, key_file = {key_file:?} }}");
    (cert.der().clone(), files)
}

fn get_encrypted(port: u16, trusted: &CertificateDer<'static>) -> Option<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(client, stream);
    let request = format!("GET /livez HTTP/1.1\r\n{OF_LOOPBACK}\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    Some(rest(&mut stream))
}

/// Runs a verb on a token file, without configuration or service.
fn token(file: &Path, arguments: &[&str]) -> Answer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leadstream"));
    command.arg("token").args(arguments).arg("--file").arg(file);
    Answer::from(command.output().unwrap())
}

#[test]
fn tokens_are_made_listed_and_revoked_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    let made = token(&file, &["new", "anna", "--role", "viewer", "--days", "30"]);
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.stdout.starts_with("ls_"), "{made:?}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(made.stdout.trim()), "{text}");

    let taken = token(&file, &["new", "anna", "--role", "admin"]);
    assert_eq!(taken.code, 1, "{taken:?}");
    assert!(taken.stderr.contains("error[LS6059]"), "{taken:?}");
    let wrong = token(&file, &["new", "bert", "--role", "root"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");

    let made = token(&file, &["new", "grafana", "--role", "viewer", "--json"]);
    let made: serde_json::Value = serde_json::from_str(&made.stdout).unwrap();
    assert_eq!(made["role"], "viewer");
    assert!(
        made["expires"].is_null() && made["token"].is_string(),
        "{made}"
    );
    let listed = token(&file, &["list"]);
    assert!(
        listed.stdout.contains("grafana  viewer  never"),
        "{listed:?}"
    );
    let listed = token(&file, &["list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed[0]["name"], "anna");
    assert_eq!(listed[0]["expired"], false);

    for revoked in [true, false] {
        let answer = token(&file, &["revoke", "anna", "--json"]);
        assert_eq!(answer.code, 0, "{answer:?}");
        let answer: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
        assert_eq!(answer["revoked"], revoked);
    }
    let mistyped = token(&file, &["revoke", "gravana"]);
    assert!(
        mistyped.stderr.contains("no token named gravana"),
        "{mistyped:?}"
    );

    std::fs::write(&file, "nonsense\n").unwrap();
    let broken = token(&file, &["list"]);
    assert_eq!(broken.code, 1, "{broken:?}");
    assert!(
        broken.stderr.contains("error[LS6054]: line 1"),
        "{broken:?}"
    );
}
