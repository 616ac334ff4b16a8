//! A tiny HTTP/1.1 server for delivery's tests: each request is noted and answered by a script.
//! It knows nothing of Salesforce.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it arrived; header names in lower case.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(seen, _)| seen == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn is_login(&self) -> bool {
        self.path == "/services/oauth2/token"
    }
}

pub enum Reply {
    Json(u16, String),
    With(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Closes the connection without an answer.
    Cut,
    /// Promises a longer body than it sends, then closes.
    Half,
    /// Never answers.
    Hang,
}

type Script = dyn Fn(Seen) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Send + Sync;

pub struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    accept: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl Server {
    pub async fn start<F, R>(script: F) -> Server
    where
        F: Fn(Seen) -> R + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        let script: Arc<Script> = Arc::new(move |seen| Box::pin(script(seen)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&seen);
        let accept = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&noted)));
            }
        });
        Server { url, seen, accept }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn logins(&self) -> usize {
        self.seen().iter().filter(|seen| seen.is_login()).count()
    }

    pub fn calls(&self) -> Vec<Seen> {
        self.seen()
            .into_iter()
            .filter(|seen| !seen.is_login())
            .collect()
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Script>, noted: Arc<Mutex<Vec<Seen>>>) {
    let mut buffer = Vec::new();
    while let Some(seen) = read_request(&mut stream, &mut buffer).await {
        noted.lock().unwrap().push(seen.clone());
        let (status, headers, body) = match script(seen).await {
            Reply::Json(status, body) => {
                let kind = ("Content-Type", "application/json;charset=UTF-8".to_string());
                (status, vec![kind], body.into_bytes())
            }
            Reply::With(status, headers, body) => (status, headers, body),
            Reply::Cut => return,
            Reply::Half => {
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[{\"id\":";
                let _ = stream.write_all(head).await;
                return;
            }
            Reply::Hang => std::future::pending().await,
        };
        let mut answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            answer.push_str(&format!("{name}: {value}\r\n"));
        }
        answer.push_str("\r\n");
        let mut answer = answer.into_bytes();
        answer.extend_from_slice(&body);
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer[..head_end].to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_string(), first.next()?.to_string());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_string()))
        .collect();
    let mut seen = Seen {
        method,
        path,
        headers,
        body: Vec::new(),
    };
    let length: usize = seen
        .header("content-length")
        .map_or(0, |text| text.parse().unwrap());
    while buffer.len() < head_end + 4 + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let rest = buffer.split_off(head_end + 4 + length);
    seen.body = buffer[head_end + 4..].to_vec();
    *buffer = rest;
    Some(seen)
}
