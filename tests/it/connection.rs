//! Ways to MySQL: each does what its name says, or says why not before anything is given away.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leadstream::rehearsal::MysqlOptions;
use salesforce_sandbox::OrgConfig;

use crate::harness::{Build, Proxy, World};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/certificates")
        .join(name)
}

fn world_with(arguments: &[String]) -> World {
    let options = MysqlOptions {
        extra_args: arguments.to_vec(),
        ..MysqlOptions::default()
    };
    World::with(Build::Release, options, OrgConfig::default())
}

fn tls(world: &mut World, mode: &str, files: &[(&str, &Path)]) {
    let files: String = files
        .iter()
        .map(|(key, path)| format!(", {key} = \"{}\"", path.display()))
        .collect();
    world.set("source.tls", &format!("{{ mode = \"{mode}\"{files} }}"));
}

/// `check` passes, and says this of the line.
#[track_caller]
fn passes(world: &World, words: &[&str]) {
    let answer = world.command(&["check"]);
    assert_eq!(answer.code, 0, "{}", answer.stdout);
    for word in words {
        assert!(
            answer.stdout.contains(word),
            "{word:?} in {}",
            answer.stdout
        );
    }
}

/// `check` fails with this page, and says why.
#[track_caller]
fn fails(world: &World, page: &str, words: &[&str]) {
    let answer = world.command(&["check"]);
    let failed = format!("failed[{page}]");
    assert_eq!(
        answer.stdout.matches("failed[").count(),
        1,
        "{}",
        answer.stdout
    );
    for word in words.iter().chain(&[failed.as_str()]) {
        assert!(
            answer.stdout.contains(word),
            "{word:?} in {}",
            answer.stdout
        );
    }
}

#[test]
fn each_tls_mode_does_what_it_says_with_mysqls_own_certificates() {
    let mut world = World::new(Build::Release);
    let data = world.mysql.data_dir();
    let own = data.join("ca.pem");
    let stranger = fixture("stranger.pem");
    world.execute(&[
        "CREATE USER 'ssl'@'%' IDENTIFIED BY 'horse' REQUIRE SSL",
        "CREATE USER 'x509'@'%' IDENTIFIED BY 'horse' REQUIRE X509",
        "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'ssl'@'%', 'x509'@'%'",
    ]);
    let url = world.mysql.url("ssl");
    world.set("source.url", &url);
    world.set("source.password", "horse");
    tls(&mut world, "disabled", &[]);
    fails(&world, "LS1004", &["source.tls.mode"]);
    tls(&mut world, "required", &[]);
    passes(&world, &["warning[LS1063]"]);
    tls(&mut world, "verify_ca", &[("ca_file", &own)]);
    passes(&world, &["authority verified, any name"]);
    tls(&mut world, "verify_ca", &[("ca_file", &stranger)]);
    fails(&world, "LS1035", &["authority that is trusted", "ca_file"]);
    tls(&mut world, "verify_identity", &[("ca_file", &stranger)]);
    fails(&world, "LS1035", &["authority that is trusted"]);
    tls(&mut world, "verify_identity", &[]);
    fails(&world, "LS1035", &["authority that is trusted"]);
    // The certificate carries no name at all.
    tls(&mut world, "verify_identity", &[("ca_file", &own)]);
    fails(&world, "LS1035", &["does not name this host", "verify_ca"]);

    let url = world.mysql.url("x509");
    world.set("source.url", &url);
    tls(&mut world, "verify_ca", &[("ca_file", &own)]);
    fails(&world, "LS1004", &["source.tls.cert_file"]);
    let (cert, key) = (data.join("client-cert.pem"), data.join("client-key.pem"));
    let files: [(&str, &Path); 3] = [("ca_file", &own), ("cert_file", &cert), ("key_file", &key)];
    tls(&mut world, "verify_ca", &files);
    passes(&world, &[]);
    // And it carries rows.
    world.start();
    world.insert(20, 10);
    assert_eq!(world.judge().delivered.len(), 20);
}

#[test]
fn a_certificate_is_held_to_its_name_and_its_dates() {
    let certificate = |name: &str| format!("--ssl-cert={}", fixture(name).display());
    let key = format!("--ssl-key={}", fixture("server-key.pem").display());
    let authority = fixture("authority.pem");
    let ca = format!("--ssl-ca={}", authority.display());
    let mut world = world_with(&[
        certificate("server.pem"),
        key,
        ca,
        "--bind-address=127.0.0.1,::1".to_owned(),
    ]);
    let port = world.mysql.port();
    tls(&mut world, "verify_identity", &[("ca_file", &authority)]);
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        world.set("source.url", &format!("mysql://ssl@{host}:{port}"));
        world.set("source.password", "horse");
        world.execute(&[
            "CREATE USER IF NOT EXISTS 'ssl'@'%' IDENTIFIED BY 'horse'",
            "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'ssl'@'%'",
        ]);
        passes(
            &world,
            &["certificate verified", &format!("{host}:{port} as ssl")],
        );
    }
    world.set("source.url", &world.mysql.url("ssl"));
    let statement = format!(
        "SET GLOBAL ssl_cert = '{}'",
        fixture("elsewhere.pem").display()
    );
    world.execute(&[&statement, "ALTER INSTANCE RELOAD TLS"]);
    tls(&mut world, "verify_identity", &[("ca_file", &authority)]);
    fails(&world, "LS1035", &["does not name this host", "verify_ca"]);
    tls(&mut world, "verify_ca", &[("ca_file", &authority)]);
    passes(&world, &["authority verified"]);

    // MySQL itself refuses to serve these.
    for (name, words) in [
        ("expired.pem", "has expired"),
        ("future.pem", "is not valid yet"),
    ] {
        let port = encrypting(name);
        world.set("source.url", &format!("mysql://ssl@127.0.0.1:{port}"));
        for mode in ["verify_identity", "verify_ca"] {
            tls(&mut world, mode, &[("ca_file", &authority)]);
            fails(&world, "LS1035", &[words]);
        }
    }
}

/// What MySQL says first: protocol 4.1, plugins, secure connection, TLS when wished; 21 bytes of nonce.
fn greeting(offers_tls: bool) -> Vec<u8> {
    let mut greeting = b"\x0a9.7.0\0\x01\0\0\0abcdefgh\0".to_vec();
    let tls = if offers_tls { 0x08 } else { 0 };
    greeting.extend([0x00, 0x82 | tls, 45, 2, 0, 0x08, 0, 21]);
    greeting.extend([0; 10]);
    greeting.extend(b"ijklmnopqrst\0caching_sha2_password\0");
    greeting
}

/// Greets as MySQL would and begins TLS with this certificate; nothing comes after that.
fn encrypting(name: &str) -> u16 {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let certificate = CertificateDer::from_pem_file(fixture(name)).unwrap();
    let key = PrivateKeyDer::from_pem_file(fixture("server-key.pem")).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { continue };
            let body = greeting(true);
            let header = [u8::try_from(body.len()).unwrap(), 0, 0, 0];
            let _ = client.write_all(&[&header, body.as_slice()].concat());
            // The wish for TLS has 32 bytes, and a header.
            let _ = client.read_exact(&mut [0; 36]);
            let mut server = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let _ = rustls::Stream::new(&mut server, &mut client).read(&mut [0; 1]);
        }
    });
    port
}

#[test]
fn nothing_is_given_away_before_the_server_has_been_found_good() {
    let mut world = World::new(Build::Release);
    // The server makes a plugin up for an account that it does not know.
    world.execute(&[
        "CREATE USER 'somebody'@'%' IDENTIFIED WITH caching_sha2_password BY 'another-horse'",
    ]);
    let proxy = Proxy::start(world.mysql.port());
    world.set("source.url", &proxy.url("somebody"));
    world.set("source.password", "secret-horse");
    tls(
        &mut world,
        "verify_ca",
        &[("ca_file", &fixture("stranger.pem"))],
    );
    fails(&world, "LS1035", &[]);
    let sent = proxy.take_sent();
    // The wish for TLS, and the beginning of TLS.
    assert!(!sent.is_empty());
    for word in ["somebody", "leadstream", "horse"] {
        assert!(!holds(&sent, word.as_bytes()), "{word} was sent");
    }
    // The same in clear text, where it may: the test can see it.
    tls(&mut world, "disabled", &[]);
    fails(&world, "LS1004", &[]);
    assert!(holds(&proxy.take_sent(), b"somebody"));

    // A server that offers no encryption, or somebody who took the offer out.
    let mut world = world_with(&["--tls-version=".to_owned()]);
    let proxy = Proxy::start(world.mysql.port());
    world.set("source.url", &proxy.url("somebody"));
    world.set("source.password", "secret-horse");
    for mode in ["required", "verify_identity"] {
        tls(&mut world, mode, &[]);
        fails(&world, "LS1005", &[]);
        assert_eq!(proxy.take_sent(), b"", "{mode}");
    }
}

fn holds(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

#[test]
fn caching_sha2_logs_in_in_full_and_fast_by_every_way() {
    let mut world = World::new(Build::Release);
    let proxy = Proxy::start(world.mysql.port());
    let socket = format!("mysql://reader@{}", world.mysql.socket_path().display());
    world.execute(&[
        "CREATE USER 'reader'@'%' IDENTIFIED WITH caching_sha2_password BY 'right-horse'",
        "CREATE USER 'empty'@'%' IDENTIFIED WITH caching_sha2_password",
        "GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'reader'@'%', 'empty'@'%'",
    ]);
    world.set("source.password", "right-horse");
    for (url, mode) in [
        (&proxy.url("reader"), "disabled"),
        (&proxy.url("reader"), "required"),
    ] {
        world.set("source.url", url);
        tls(&mut world, mode, &[]);
        // The server has forgotten what it knew of the password.
        world.execute(&["FLUSH PRIVILEGES"]);
        for what in ["full", "fast"] {
            passes(&world, &[]);
            let sent = proxy.take_sent();
            assert!(!holds(&sent, b"right-horse"), "{mode}, {what}");
            if mode == "disabled" {
                // A packet of one byte, 2, asks for the server's key.
                let asked = holds(&sent, &[1, 0, 0, 3, 2]);
                assert_eq!(asked, what == "full", "{what}");
            }
        }
    }
    world.set("source.url", &socket);
    fails_to_start_with_tls_on_a_socket(&world);
    world.forget("source.tls");
    world
        .settings
        .retain(|(key, _)| key != "LEADSTREAM_SOURCE__TLS");
    world.edit_config("tls = { mode = \"disabled\" }\n", "");
    world.execute(&["FLUSH PRIVILEGES"]);
    passes(
        &world,
        &["nothing leaves the machine", "mysqld.sock as reader"],
    );
    passes(&world, &[]);
    world.set("source.password", "wrong-horse");
    fails(&world, "LS1004", &[]);
    world
        .settings
        .retain(|(key, _)| key != "LEADSTREAM_SOURCE__PASSWORD");
    world.set("source.url", &socket.replace("reader", "empty"));
    passes(&world, &[]);
    // A socket carries the stream, too.
    world.start();
    world.insert(20, 10);
    assert_eq!(world.judge().delivered.len(), 20);
    world.set("source.url", "mysql://empty@/nowhere/mysqld.sock");
    fails(
        &world,
        "LS1002",
        &["/nowhere/mysqld.sock", "SELECT @@socket"],
    );
}

fn fails_to_start_with_tls_on_a_socket(world: &World) {
    let answer = world.command(&["check"]);
    let errors = answer.errors();
    assert_eq!(errors[0].page, "LS4004", "{answer:?}");
    assert!(errors[0].text.contains("socket"), "{answer:?}");
}

/// Greets as MySQL would, then wants a login by `plugin`.
fn demanding(plugin: &'static str) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { continue };
            let mut packet = |number: u8, body: &[u8]| {
                let length = (body.len() as u32).to_le_bytes();
                let header = [length[0], length[1], length[2], number];
                let _ = client.write_all(&[&header, body].concat());
                let _ = client.read(&mut [0; 4096]);
            };
            packet(0, &greeting(false));
            let switch = [b"\xfe", plugin.as_bytes(), b"\0abcdefghijklmnopqrst\0"].concat();
            packet(2, &switch);
        }
    });
    port
}

#[test]
fn a_login_that_is_not_supported_is_explained() {
    let mut world = World::new(Build::Release);
    for plugin in ["authentication_ldap_sasl_client", "mysql_clear_password"] {
        let port = demanding(plugin);
        world.set("source.url", &format!("mysql://reader@127.0.0.1:{port}"));
        world.set("source.password", "right-horse");
        let alter = "ALTER USER 'reader'@'%' IDENTIFIED WITH caching_sha2_password";
        fails(&world, "LS1006", &[plugin, alter]);
    }
}

#[test]
fn what_answers_with_nonsense_is_no_crash() {
    let mut world = World::new(Build::Release);
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let Ok(mut client) = client else { continue };
            let answers: [&[u8]; 3] = [
                b"HTTP/1.1 400 Bad Request\r\n\r\n",
                b"\x01\0\0\0\x0a",
                b"\x03\0\0\0\xff\xff\xff",
            ];
            let _ = client.write_all(answers[number % answers.len()]);
        }
    });
    world.set("source.url", &format!("mysql://root@127.0.0.1:{port}"));
    for _ in 0..3 {
        let answer = world.command(&["check"]);
        assert_eq!(answer.code, 1, "{answer:?}");
        assert!(answer.stdout.contains("failed[LS10"), "{}", answer.stdout);
        assert!(!answer.stdout.contains("panicked"), "{}", answer.stdout);
    }
}

#[test]
fn compression_carries_the_same_rows_in_fewer_bytes() {
    let mut received = Vec::new();
    for compression in ["none", "zlib"] {
        let mut world = World::new(Build::Release);
        let proxy = Proxy::blind(world.mysql.port());
        world.set("source.url", &proxy.url("root"));
        world.set("source.compression", compression);
        world.start();
        let before = proxy.received();
        world.insert(2_000, 500);
        world.wait_settled();
        received.push(proxy.received() - before);
        assert_eq!(world.judge().delivered.len(), 2_000);
    }
    assert!(received[1] * 3 < received[0] * 2, "{received:?}");
}

#[test]
fn two_readers_with_one_server_id_are_told_and_derived_ids_differ() {
    let mut first = World::new(Build::Release);
    let mut second = World::new(Build::Release);
    let url = first.mysql.url("root");
    second.set("source.url", &url);
    first.start();
    second.start();
    // Without an id of their own they do not meet.
    let dumps = "SELECT CAST(id AS CHAR) FROM information_schema.processlist \
                 WHERE command LIKE 'Binlog Dump%'";
    let threads = |world: &mut World| world.with_form(async move |form| form.texts(dumps).await);
    assert_eq!(threads(&mut first).len(), 2);
    // One that is killed leaves a dump behind, and takes it over when it comes back.
    first.kill();
    first.start();
    first.insert(10, 10);
    first.wait_settled();
    assert_eq!(threads(&mut first).len(), 2);
    first.stop();
    second.stop();

    first.set("source.server_id", "4711");
    second.set("source.server_id", "4711");
    first.start();
    second.spawn();
    let told = |world: &mut World| {
        let log = world.log();
        log.contains("LS1025") && log.contains("source.server_id (4711 is used twice)")
    };
    let found = leadstream::rehearsal::service::wait_until(crate::harness::PATIENCE, || {
        (told(&mut first) || told(&mut second)).then_some(())
    });
    assert!(found.is_some(), "{}\n{}", first.log(), second.log());
}
