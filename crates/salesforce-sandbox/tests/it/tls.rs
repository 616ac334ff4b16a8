//! HTTPS: certificates, protocol versions, HTTP/2, and what URLs the org then tells.
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use axum::http::response::Parts;
use bytes::Bytes;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use salesforce_sandbox::{
    Action, Endpoint, Error, Fault, Listen, OrgConfig, Sandbox, ServingConfig, Tls,
};
use serde_json::{Value, json};
use tokio_rustls::TlsConnector;

use crate::harness::{Ask, COLLECTIONS, PATIENCE, check_accepted, lead, lead_with};
use crate::wire::{connect, exchange, read_reply, read_to_end};

const LOGIN: &str =
    "grant_type=client_credentials&client_id=leadstream-demo&client_secret=leadstream-demo-secret";
const ALL: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

pub type Secure = StreamOwned<ClientConnection, TcpStream>;

fn any() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn self_signed() -> Tls {
    Tls::SelfSigned { names: vec![] }
}

pub fn https(config: OrgConfig) -> Sandbox {
    Sandbox::start_with(Listen::https(any(), self_signed()), config).unwrap()
}

fn client_config(
    sandbox: &Sandbox,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let pem = sandbox.certificate_pem().unwrap().as_bytes();
    roots
        .add(CertificateDer::from_pem_slice(pem).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    Arc::new(config)
}

/// A connection to the first listener that trusts its certificate for `name`, its handshake done.
pub fn secure_as(
    sandbox: &Sandbox,
    name: &'static str,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> std::io::Result<Secure> {
    let config = client_config(sandbox, versions, protocols);
    let name = ServerName::try_from(name).unwrap();
    let connection = ClientConnection::new(config, name).unwrap();
    let mut stream = StreamOwned::new(connection, connect(sandbox.address()));
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

pub fn secure(sandbox: &Sandbox) -> Secure {
    secure_as(sandbox, "localhost", ALL, &[]).unwrap()
}

fn login(address: SocketAddr) -> Ask {
    Ask::new(address, "POST", "/services/oauth2/token")
        .body("application/x-www-form-urlencoded", LOGIN)
}

#[test]
fn the_made_certificate_is_good_for_every_name_of_the_listener() {
    let listen = Listen::https(
        "0.0.0.0:0".parse().unwrap(),
        Tls::SelfSigned {
            names: vec!["org.example".into(), "192.0.2.7".into()],
        },
    );
    let sandbox = Sandbox::start_with(listen, OrgConfig::default()).unwrap();
    for name in ["localhost", "127.0.0.1", "::1", "org.example", "192.0.2.7"] {
        secure_as(&sandbox, name, ALL, &[]).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    assert!(secure_as(&sandbox, "elsewhere.example", ALL, &[]).is_err());
}

#[test]
fn both_tls_versions_and_both_protocols_are_spoken() {
    let sandbox = https(OrgConfig::default());
    for versions in [&[&TLS12], &[&TLS13]] {
        for (offered, chosen) in [
            (&["h2", "http/1.1"][..], Some("h2")),
            (&["http/1.1"], Some("http/1.1")),
            (&[], None),
        ] {
            let stream = secure_as(&sandbox, "localhost", versions, offered).unwrap();
            assert_eq!(stream.conn.alpn_protocol(), chosen.map(str::as_bytes));
            assert_eq!(stream.conn.protocol_version(), Some(versions[0].version));
        }
    }
    assert!(secure_as(&sandbox, "localhost", ALL, &["spdy/3"]).is_err());
}

#[test]
fn over_https_all_urls_of_the_org_are_https() {
    let sandbox = https(OrgConfig::default());
    let address = sandbox.address();
    let base = sandbox.base_url();
    assert_eq!(base, format!("https://{address}"));
    let mut stream = secure(&sandbox);
    stream.write_all(&login(address).bytes(false)).unwrap();
    let token: Value = serde_json::from_str(&read_reply(&mut stream).1).unwrap();
    assert_eq!(token["instance_url"], base.as_str());
    assert_eq!(token["api_instance_url"], base.as_str());
    let id = token["id"].as_str().unwrap();
    assert!(id.starts_with(&format!("{base}/id/00D")), "{id}");
    let bearer = format!("Bearer {}", token["access_token"].as_str().unwrap());
    let user =
        Ask::new(address, "GET", "/services/oauth2/userinfo").header("Authorization", &bearer);
    stream.write_all(&user.bytes(true)).unwrap();
    let user: Value = serde_json::from_str(&read_reply(&mut stream).1).unwrap();
    assert_eq!(user["sub"], id);
    // The end is told in TLS too, so that nobody can have cut it short.
    assert_eq!(read_to_end(&mut stream), "");
}

#[test]
fn one_org_is_reached_by_http_and_by_https() {
    let listen = Listen::http(any()).and_https(any(), self_signed());
    let sandbox = Sandbox::start_with(listen, OrgConfig::default()).unwrap();
    let [plain, secure] = &sandbox.base_urls()[..] else {
        panic!("two listeners")
    };
    assert!(plain.starts_with("http://") && secure.starts_with("https://"));
    let answer = login(sandbox.address()).send().json();
    assert_eq!(answer["instance_url"], plain.as_str());
    let address: SocketAddr = secure.strip_prefix("https://").unwrap().parse().unwrap();
    let config = client_config(&sandbox, ALL, &[]);
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(config, name).unwrap();
    let mut stream = StreamOwned::new(connection, connect(address));
    stream.write_all(&login(address).bytes(true)).unwrap();
    let again: Value = serde_json::from_str(&read_reply(&mut stream).1).unwrap();
    assert_eq!(again["instance_url"], secure.as_str());
    assert_eq!(
        again["access_token"], answer["access_token"],
        "one org, one session"
    );
    sandbox.stop_listening();
    assert!(TcpStream::connect(address).is_err());
    sandbox.resume_listening().unwrap();
    assert!(TcpStream::connect(address).is_ok());
}

#[test]
fn a_connection_over_tls_can_be_cut() {
    let sandbox = https(OrgConfig::default());
    let drop = Action::Drop { commit: false };
    sandbox
        .faults()
        .add(Fault::new(drop).on(Endpoint::Token).times(1));
    let mut stream = secure(&sandbox);
    stream
        .write_all(&login(sandbox.address()).bytes(false))
        .unwrap();
    let error = std::io::Read::read(&mut stream, &mut [0; 64]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    let mut stream = secure(&sandbox);
    sandbox.stop_listening();
    assert_eq!(read_to_end(&mut stream), "");
}

#[test]
fn a_handshake_that_does_not_come_to_its_end_is_given_up() {
    let sandbox = https(OrgConfig {
        serving: ServingConfig {
            tls_handshake_timeout_ms: 20,
            ..ServingConfig::default()
        },
        ..OrgConfig::default()
    });
    for start in [
        b"".as_slice(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        assert_eq!(exchange(sandbox.address(), start), "");
    }
}

fn short(request_head_timeout_ms: u64, idle_timeout_ms: u64) -> OrgConfig {
    OrgConfig {
        serving: ServingConfig {
            request_head_timeout_ms,
            idle_timeout_ms,
            ..ServingConfig::default()
        },
        ..OrgConfig::default()
    }
}

#[test]
fn slow_heads_and_idle_connections_end_over_tls_too() {
    let sandbox = https(short(20, 60_000));
    let mut stream = secure(&sandbox);
    stream.write_all(b"GET /services/data HT").unwrap();
    assert!(read_to_end(&mut stream).starts_with("HTTP/1.1 408 "));
    let sandbox = https(short(60_000, 20));
    let mut stream = secure(&sandbox);
    stream
        .write_all(&login(sandbox.address()).bytes(false))
        .unwrap();
    assert!(read_to_end(&mut stream).starts_with("HTTP/1.1 200 "));
}

#[test]
fn plain_http_to_an_https_address_is_told_so() {
    let sandbox = https(OrgConfig::default());
    let ask = Ask::new(sandbox.address(), "GET", "/services/data");
    let answer = ask.send();
    assert_eq!(answer.status, 400);
    let text = answer.json()[0]["message"].as_str().unwrap().to_owned();
    assert!(text.contains("https://"), "{text}");
}

#[test]
fn garbage_in_place_of_a_handshake_harms_nobody() {
    let sandbox = https(OrgConfig::default());
    for garbage in [
        b"\x16\x03\x01\xff\xff\xff\xff\xff\xff".as_slice(),
        b"\x16\x16\x16\x16\x16\x16\x16\x16\x16\x16\x16\x16",
        b"\x00",
        &[0x16; 100_000],
    ] {
        exchange(sandbox.address(), garbage);
    }
    let mut stream = secure(&sandbox);
    stream
        .write_all(&login(sandbox.address()).bytes(true))
        .unwrap();
    assert!(read_to_end(&mut stream).starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_certificate_and_key_from_files_are_used_and_mistakes_are_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["org.example".to_owned()]).unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let certificate = file("cert.pem", &pem);
    let start = |key: &str| {
        let tls = Tls::Files {
            certificate: certificate.clone(),
            key: file("key.pem", key),
        };
        Sandbox::start_with(Listen::https(any(), tls), OrgConfig::default())
    };
    let sandbox = start(&key.serialize_pem()).unwrap();
    assert_eq!(sandbox.certificate_pem(), Some(&*pem));
    secure_as(&sandbox, "org.example", ALL, &[]).unwrap();
    let other = rcgen::KeyPair::generate().unwrap();
    let error = start(&other.serialize_pem()).err().unwrap();
    assert!(matches!(error, Error::KeyMismatch { .. }), "{error}");
    assert!(error.is_configuration());
}

/// A client of HTTP/2 on one connection.
struct Client {
    sender: SendRequest<Body>,
    base: String,
    token: String,
    connection: tokio::task::JoinHandle<hyper::Result<()>>,
}

impl Client {
    async fn connect(sandbox: &Sandbox) -> Client {
        let connector = TlsConnector::from(client_config(sandbox, ALL, &["h2"]));
        let tcp = tokio::net::TcpStream::connect(sandbox.address())
            .await
            .unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let tls = TokioIo::new(connector.connect(name, tcp).await.unwrap());
        let (sender, connection) = handshake(TokioExecutor::new(), tls).await.unwrap();
        Client {
            sender,
            base: sandbox.base_url(),
            token: String::new(),
            connection: tokio::spawn(connection),
        }
    }

    /// Status, headers, body; may be driven beside others.
    fn send(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: String,
    ) -> impl Future<Output = hyper::Result<(Parts, Bytes)>> + use<> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("content-type", kind)
            .header("authorization", format!("Bearer {}", self.token))
            .body(Body::from(body))
            .unwrap();
        let mut sender = self.sender.clone();
        async move {
            let (parts, body) = sender.send_request(request).await?.into_parts();
            let body = axum::body::to_bytes(Body::new(body), usize::MAX).await;
            Ok((parts, body.unwrap()))
        }
    }

    fn upsert(
        &self,
        records: &[Value],
    ) -> impl Future<Output = hyper::Result<(Parts, Bytes)>> + use<> {
        let body = json!({ "records": records }).to_string();
        self.send("PATCH", COLLECTIONS, "application/json", body)
    }

    async fn log_in(&mut self) -> Value {
        let kind = "application/x-www-form-urlencoded";
        let (_, body) = self
            .send("POST", "/services/oauth2/token", kind, LOGIN.into())
            .await
            .unwrap();
        let token: Value = serde_json::from_slice(&body).unwrap();
        self.token = token["access_token"].as_str().unwrap().to_owned();
        token
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async { tokio::time::timeout(PATIENCE, future).await.unwrap() })
}

#[test]
fn http_2_carries_concurrent_requests() {
    const LIMITS: &str = "/services/data/v67.0/limits";
    let sandbox = https(OrgConfig::default());
    let hold = Action::Hold {
        after_commit: false,
    };
    let hold = Fault::new(hold).on(Endpoint::Collections).times(1);
    sandbox.faults().add(hold);
    block_on(async {
        let mut client = Client::connect(&sandbox).await;
        let token = client.log_in().await;
        assert_eq!(token["instance_url"], client.base.as_str());
        let held = tokio::spawn(client.upsert(&[lead("held")]));
        // While one request is held, others pass it on the same connection.
        while sandbox.stats().held_requests == 0 {
            let (parts, _) = client.send("GET", LIMITS, "", String::new()).await.unwrap();
            assert_eq!(parts.status, 200);
        }
        let (head, body) = client
            .send("HEAD", LIMITS, "", String::new())
            .await
            .unwrap();
        assert!(
            body.is_empty() && head.headers["content-length"] != "0",
            "{head:?}"
        );
        let large: Vec<Value> = (0..200)
            .map(|n| lead_with(&n.to_string(), json!({ "Description": "x".repeat(10_000) })))
            .collect();
        let (_, body) = client.upsert(&large).await.unwrap();
        check_accepted(&serde_json::from_slice::<Value>(&body).unwrap()[199], true);
        sandbox.faults().release_all();
        let (_, body) = held.await.unwrap().unwrap();
        check_accepted(&serde_json::from_slice::<Value>(&body).unwrap()[0], true);
    });
}

#[test]
fn requests_that_a_client_takes_back_are_bounded_too() {
    let sandbox = https(OrgConfig::default());
    block_on(async {
        let mut client = Client::connect(&sandbox).await;
        client.log_in().await;
        let hold = Action::Hold {
            after_commit: false,
        };
        sandbox
            .faults()
            .add(Fault::new(hold).on(Endpoint::Collections));
        for n in 0..100 {
            let request = tokio::spawn(client.upsert(&[lead(&n.to_string())]));
            // Once a request is on its way it is taken back.
            while sandbox.stats().held_requests <= n {
                tokio::task::yield_now().await;
            }
            request.abort();
        }
        let waiting: Vec<_> = (100..150)
            .map(|n| tokio::spawn(client.upsert(&[lead(&n.to_string())])))
            .collect();
        let mut other = Client::connect(&sandbox).await;
        other.log_in().await;
        assert_eq!(sandbox.stats().requests, 102, "two logins, a hundred held");
        sandbox.faults().clear();
        for request in waiting {
            let (_, body) = request.await.unwrap().unwrap();
            check_accepted(&serde_json::from_slice::<Value>(&body).unwrap()[0], true);
        }
        // Those taken back are done in their own time.
        assert!(sandbox.wait_for(PATIENCE, |stats| stats.leads == 150));
    });
}

#[test]
fn an_idle_connection_of_http_2_is_taken_leave_of() {
    let sandbox = https(short(60_000, 20));
    block_on(async {
        let mut client = Client::connect(&sandbox).await;
        client.log_in().await;
        client.connection.await.unwrap().unwrap();
    });
}

#[test]
fn a_cut_ends_all_requests_of_a_connection_of_http_2() {
    let sandbox = https(OrgConfig::default());
    let drop = Action::Drop { commit: false };
    sandbox
        .faults()
        .add(Fault::new(drop).on(Endpoint::Collections));
    block_on(async {
        let mut client = Client::connect(&sandbox).await;
        client.log_in().await;
        let request = client.upsert(&[lead("1")]);
        assert!(request.await.is_err());
        assert!(client.connection.await.unwrap().is_err());
    });
}
