//! Slow, greedy and broken clients, against real connections.

use std::path::Path;

use axum::routing::{get, post};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::operator::tls::TlsFiles;

/// A few hundred milliseconds where people get seconds.
fn quick() -> Limits {
    let short = Duration::from_millis(300);
    Limits {
        connections: 3,
        connections_of_one: 3,
        head: short,
        body: short,
        answer: short,
        reading: short,
        last_answers: Duration::from_secs(20),
    }
}

struct Running {
    port: u16,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

async fn run(limits: Limits, certificates: Option<Certificates>) -> Running {
    let endless = || async {
        let pieces = futures_util::stream::repeat_with(|| Ok::<_, Infallible>(vec![b'x'; 65_536]));
        Body::from_stream(pieces)
    };
    let router = Router::new()
        .route("/", get("here"))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/never", get(std::future::pending::<()>))
        .route("/endless", get(endless));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (stop, ending) = watch::channel(false);
    let served = tokio::spawn(serve(listener, router, certificates, limits, ending));
    Running { port, stop, served }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// Sends a text; gives all that comes until the connection is closed.
    async fn say(&self, text: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }
}

/// Everything up to the end, which must come.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    // A connection that is reset has ended, too.
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
    let _ = read.expect("the connection is closed");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_request_is_answered_and_the_connection_kept() {
    let server = run(quick(), None).await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = [0; 4_096];
        let length = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert_eq!(rest(&mut stream).await, "", "an idle one is closed");
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off() {
    let server = run(quick(), None).await;
    let (mut read, mut write) = server.connect().await.into_split();
    let trickle = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        let _ = write.write_all(b"GET / HTTP/1.1\r\nX: ").await;
        while write.write_all(b"y").await.is_ok() {
            ticks.tick().await;
        }
    });
    let answer = rest(&mut read).await;
    assert!(!answer.contains("200"), "{answer}");
    trickle.abort();
    assert_eq!(
        rest(&mut server.connect().await).await,
        "",
        "one that is silent"
    );
}

#[tokio::test]
async fn a_body_that_trickles_in_is_cut_off() {
    let server = run(quick(), None).await;
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc";
    let answer = server.say(head).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_is_not_read_is_given_up() {
    let server = run(quick(), None).await;
    let mut deaf = Vec::new();
    for _ in 0..3 {
        let mut stream = server.connect().await;
        let request = b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n";
        stream.write_all(request).await.unwrap();
        deaf.push(stream);
    }
    // They hold all places, until they are given up.
    let answered = async {
        loop {
            let answer = server
                .say("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                .await;
            if answer.starts_with("HTTP/1.1 200") {
                break;
            }
        }
    };
    let answered = timeout(Duration::from_secs(20), answered).await;
    assert!(answered.is_ok(), "the places come free");
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_told() {
    let server = run(quick(), None).await;
    let answer = server
        .say("GET /never HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
    assert!(answer.contains("LS6058"), "{answer}");
}

#[tokio::test]
async fn heads_that_are_too_large_or_none_are_refused() {
    let server = run(quick(), None).await;
    let long = "a".repeat(2 * MAX_HEAD_BYTES);
    let answer = server
        .say(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"))
        .await;
    assert!(!answer.contains("200 OK"), "{answer}");
    for broken in [
        "GET / HTTP/1.1\r\nHost: a\r\nX y: z\r\n\r\n",
        "nonsense\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let answer = server.say(broken).await;
        assert!(!answer.contains("200 OK"), "{broken}: {answer}");
    }
}

#[tokio::test]
async fn there_are_only_so_many_connections() {
    let patient = Limits {
        head: Duration::from_secs(60),
        ..quick()
    };
    let server = run(patient, None).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = server.connect().await;
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        held.push(stream);
    }
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(server.say(request).await, "");
    drop(held.pop());
    let answered = async { while server.say(request).await.is_empty() {} };
    let answered = timeout(Duration::from_secs(20), answered).await;
    assert!(answered.is_ok(), "the place that came free is given");
}

#[test]
fn one_address_has_only_its_share_of_the_connections_and_all_together_theirs() {
    let open = Open::default();
    let limits = Limits {
        connections_of_one: 2,
        ..quick()
    };
    let take = |host: u8| Place::take(&open, IpAddr::from([192, 0, 2, host]), &limits);
    let (first, second) = (take(1), take(1));
    assert!(first.is_some() && second.is_some());
    assert!(take(1).is_none(), "a third one of two");
    let other = take(2);
    assert!(other.is_some(), "another address has its own share");
    assert!(take(3).is_none(), "a fourth one of three");
    drop(other);
    assert!(take(3).is_some(), "what is given back may be had again");
}

#[tokio::test]
async fn the_end_lets_nobody_in_closes_what_is_idle_and_finishes_the_rest() {
    let patient = Limits {
        head: Duration::from_secs(60),
        body: Duration::from_secs(60),
        answer: Duration::from_secs(60),
        ..quick()
    };
    let server = run(patient, None).await;
    let mut idle = server.connect().await;
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    idle.write_all(request).await.unwrap();
    let mut answer = [0; 12];
    idle.read_exact(&mut answer).await.unwrap();
    let mut asking = server.connect().await;
    let head =
        "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    asking.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    asking.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    asking.write_all(b"a").await.unwrap();
    server.stop.send_replace(true);
    rest(&mut idle).await;
    assert!(!server.served.is_finished(), "one is still being answered");
    asking.write_all(b"bc").await.unwrap();
    let answer = rest(&mut asking).await;
    assert!(answer.ends_with("\r\n\r\nabc"), "{answer}");
    server.served.await.unwrap();
    let refused = TcpStream::connect(("127.0.0.1", server.port)).await;
    assert!(refused.is_err());
}

/// Makes a certificate for localhost, and puts it and its key into a folder.
fn certify(folder: &Path) -> (TlsFiles, CertificateDer<'static>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        cert_file: folder.join("cert.pem"),
        key_file: folder.join("key.pem"),
    };
    std::fs::write(&files.cert_file, cert.pem()).unwrap();
    std::fs::write(&files.key_file, signing_key.serialize_pem()).unwrap();
    (files, cert.der().clone())
}

/// Asks as one who trusts this certificate alone.
async fn ask_trusting(port: u16, trusted: &CertificateDer<'static>) -> io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, stream).await?;
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await?;
    Ok(rest(&mut stream).await)
}

#[tokio::test]
async fn a_port_with_a_certificate_speaks_tls_only_and_renews_it() {
    let folder = tempfile::tempdir().unwrap();
    let (files, old) = certify(folder.path());
    let certificates = Certificates::open(files).unwrap();
    let server = run(Limits::default(), Some(certificates)).await;
    let answer = ask_trusting(server.port, &old).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = server
        .say("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    assert!(!answer.contains("HTTP"), "{answer}");

    let (_, new) = certify(folder.path());
    let renewed = async { while ask_trusting(server.port, &new).await.is_err() {} };
    let renewed = timeout(Duration::from_secs(20), renewed).await;
    assert!(renewed.is_ok(), "the new certificate is served");
    assert!(ask_trusting(server.port, &old).await.is_err());
}

#[tokio::test]
async fn a_certificate_that_is_half_renewed_leaves_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let (files, _) = certify(folder.path());
    let certificates = Certificates::open(files.clone()).unwrap();
    let start = Instant::now();
    let second = Duration::from_secs(1);
    let first = certificates.acceptor(start);
    let is_first = |other: TlsAcceptor| Arc::ptr_eq(first.config(), other.config());
    std::fs::write(&files.cert_file, "-----BEGIN CERT").unwrap();
    assert!(is_first(certificates.acceptor(start + 2 * second)));
    certify(folder.path());
    assert!(is_first(certificates.acceptor(start + 2 * second)));
    assert!(!is_first(certificates.acceptor(start + 4 * second)));
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let (files, _) = certify(folder.path());
    let (others, _) = certify(other.path());
    #[track_caller]
    fn check(files: TlsFiles, expected: &str) {
        let error = Certificates::open(files).err().expect("it is refused");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let mixed = TlsFiles {
        key_file: others.key_file,
        ..files.clone()
    };
    check(mixed, "cannot be used together");
    let gone = TlsFiles {
        cert_file: folder.path().join("gone"),
        ..files.clone()
    };
    check(gone, "gone");
    let empty = TlsFiles {
        cert_file: folder.path().join("empty"),
        ..files
    };
    std::fs::write(&empty.cert_file, "").unwrap();
    check(empty, "empty");
}
