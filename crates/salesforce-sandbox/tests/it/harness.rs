//! A tiny HTTP client over `TcpStream`, and an org to talk to.
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use salesforce_sandbox::{OrgConfig, Sandbox};
use serde_json::{Value, json};

/// Long enough for a loaded machine; only a failing test waits for it.
pub const PATIENCE: Duration = Duration::from_secs(30);
pub const COLLECTIONS: &str = "/services/data/v67.0/composite/sobjects/Lead/MySQL_Id__c";

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| {
            panic!(
                "{e}: {} {}",
                self.status,
                String::from_utf8_lossy(&self.body)
            )
        })
    }
}

/// One request, built and sent on a connection of its own.
#[derive(Clone)]
pub struct Ask {
    address: SocketAddr,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
    chunked: bool,
}

impl Ask {
    pub fn new(address: SocketAddr, method: &str, path: &str) -> Ask {
        Ask {
            address,
            method: method.into(),
            path: path.into(),
            headers: vec![],
            body: None,
            chunked: false,
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Ask {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn body(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Ask {
        self.body = Some(body.into());
        self.header("Content-Type", kind)
    }

    pub fn json(self, value: &Value) -> Ask {
        self.body("application/json", value.to_string())
    }

    pub fn chunked(self) -> Ask {
        Ask {
            chunked: true,
            ..self
        }
    }

    /// The whole request as it goes over the wire.
    pub fn bytes(&self, close: bool) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        if !self
            .headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            bytes.extend(format!("Host: {}\r\n", self.address).bytes());
        }
        for (name, value) in &self.headers {
            bytes.extend(format!("{name}: {value}\r\n").bytes());
        }
        if close {
            bytes.extend(b"Connection: close\r\n");
        }
        match &self.body {
            Some(body) if self.chunked => {
                bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in body.chunks(7) {
                    bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
                    bytes.extend(chunk);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\n\r\n");
            }
            Some(body) => {
                bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
                bytes.extend(body);
            }
            None => bytes.extend(b"\r\n"),
        }
        bytes
    }

    pub fn try_send(&self) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&self.bytes(true))?;
        let mut raw = Vec::new();
        stream.read_to_end(&mut raw)?;
        parse(&raw).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    #[track_caller]
    pub fn send(&self) -> Answer {
        self.try_send()
            .unwrap_or_else(|e| panic!("{} {}: {e}", self.method, self.path))
    }
}

fn parse(raw: &[u8]) -> Option<Answer> {
    let end = raw.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&raw[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|l| l.split_once(": "))
        .map(|(k, v)| (k.into(), v.into()))
        .collect();
    let mut answer = Answer {
        status,
        headers,
        body: raw[end + 4..].to_vec(),
    };
    if answer.header("transfer-encoding") == Some("chunked") {
        answer.body = join_chunks(&answer.body)?;
    }
    Some(answer)
}

fn join_chunks(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|w| w == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend(rest.get(end + 2..end + 2 + length)?);
        rest = rest.get(end + 4 + length..)?;
    }
}

/// An org and a session in it.
pub struct Org {
    pub sandbox: Sandbox,
    pub token: String,
}

impl Org {
    pub fn demo() -> Org {
        Org::with(OrgConfig::default())
    }

    #[track_caller]
    pub fn with(config: OrgConfig) -> Org {
        let sandbox = Sandbox::start("127.0.0.1:0".parse().unwrap(), config).unwrap();
        let mut org = Org {
            sandbox,
            token: String::new(),
        };
        org.token = org.log_in();
        org
    }

    #[track_caller]
    pub fn log_in(&self) -> String {
        let answer = self.login_form(
            "grant_type=client_credentials&client_id=leadstream-demo&client_secret=leadstream-demo-secret",
        );
        assert_eq!(
            answer.status,
            200,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub fn login_form(&self, form: &str) -> Answer {
        self.ask_anonymously("POST", "/services/oauth2/token")
            .body("application/x-www-form-urlencoded", form)
            .chunked()
            .send()
    }

    pub fn ask_anonymously(&self, method: &str, path: &str) -> Ask {
        Ask::new(self.sandbox.address(), method, path)
    }

    pub fn ask(&self, method: &str, path: &str) -> Ask {
        self.ask_anonymously(method, path)
            .header("Authorization", &format!("Bearer {}", self.token))
    }

    /// A request to a control endpoint, named by its path below `/__sandbox/`.
    pub fn control(&self, method: &str, path: &str) -> Ask {
        self.ask_anonymously(method, &format!("/__sandbox/{path}"))
    }

    /// What a control endpoint shows.
    #[track_caller]
    pub fn show(&self, path: &str) -> Value {
        let answer = self.control("GET", path).send();
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).send()
    }

    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.ask("PATCH", path).json(body).send()
    }

    pub fn collection(&self, records: &[Value]) -> Ask {
        self.ask("PATCH", COLLECTIONS)
            .json(&json!({ "allOrNone": false, "records": records }))
    }

    /// Sends a collection that is answered with 200 and returns its results.
    #[track_caller]
    pub fn upsert(&self, records: &[Value]) -> Vec<Value> {
        let answer = self.collection(records).send();
        assert_eq!(
            answer.status,
            200,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        let results: Vec<Value> = answer.json().as_array().unwrap().clone();
        assert_eq!(results.len(), records.len());
        results
    }
}

/// A lead that passes every check.
pub fn lead(key: &str) -> Value {
    json!({ "attributes": { "type": "Lead" }, "MySQL_Id__c": key, "LastName": "Doe", "Company": "Acme" })
}

/// The same with further fields.
pub fn lead_with(key: &str, more: Value) -> Value {
    let mut lead = lead(key);
    lead.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    lead
}

/// Asserts a request-level error array of one element.
#[track_caller]
pub fn check_error(answer: &Answer, status: u16, code: &str, message: &str) {
    assert_eq!(
        answer.status,
        status,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    let body = answer.json();
    assert_eq!(body.as_array().unwrap().len(), 1, "{body}");
    assert_eq!(body[0]["errorCode"], code, "{body}");
    assert!(
        body[0]["message"].as_str().unwrap().starts_with(message),
        "{body}"
    );
}

/// Asserts a refused record with one error.
#[track_caller]
pub fn check_refused(result: &Value, code: &str, message: &str, fields: &[&str]) {
    assert_eq!(result["success"], false, "{result}");
    assert_eq!(result.get("id"), None, "{result}");
    assert_eq!(result.get("created"), None, "{result}");
    assert_eq!(result["errors"].as_array().unwrap().len(), 1, "{result}");
    let error = &result["errors"][0];
    assert_eq!(error["statusCode"], code, "{result}");
    assert_eq!(error["message"], message, "{result}");
    assert_eq!(error["fields"], json!(fields), "{result}");
}

#[track_caller]
pub fn check_accepted(result: &Value, created: bool) {
    assert_eq!(result["success"], true, "{result}");
    assert_eq!(result["created"], created, "{result}");
    assert_eq!(result["errors"], json!([]), "{result}");
    assert_eq!(result["id"].as_str().unwrap().len(), 18, "{result}");
}
