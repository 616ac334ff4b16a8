//! What is said on a connection below the level of requests: heads that never became one.
//!
//! The HTTP library answers a head that it cannot parse with a status line and no word; [`Speaking`] gives such
//! answers a body, as Salesforce and the gateways in front of it do.
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::reply::Reply;
use crate::org::Refusal;

/// To a client that speaks plain HTTP where TLS is spoken.
pub(super) const HTTPS_ONLY: &str =
    "This address speaks HTTPS; the request came in plain HTTP. Use https:// in the URL.";

/// A whole HTTP/1.1 message that ends the connection; the page of a gateway unless there is something to explain.
pub(super) fn reply(status: u16, explanation: Option<&str>) -> Vec<u8> {
    let code = match status {
        414 => "URI_TOO_LONG",
        431 => "REQUEST_HEADER_FIELDS_TOO_LARGE",
        _ => "BAD_REQUEST",
    };
    let reply = match explanation {
        Some(text) => Reply::error(status, &Refusal::new(code, text)),
        None => Reply::html(status),
    };
    let reason = StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Error");
    let mut bytes = format!("HTTP/1.1 {status} {reason}\r\n").into_bytes();
    for (name, value) in &reply.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    let rest = format!(
        "content-length: {}\r\nconnection: close\r\n\r\n",
        reply.body.len()
    );
    bytes.extend_from_slice(rest.as_bytes());
    bytes.extend_from_slice(&reply.body);
    bytes
}

/// What is to be said instead of a wordless refusal of the HTTP library; none for anything else.
fn instead_of(written: &[u8]) -> Option<Vec<u8>> {
    // Such a refusal has a few short headers; replies of the org with these statuses have a body.
    if written.len() > 256 || !written.ends_with(b"\r\n\r\n") {
        return None;
    }
    let head = std::str::from_utf8(written).ok()?;
    let rest = head
        .strip_prefix("HTTP/1.1 ")
        .or_else(|| head.strip_prefix("HTTP/1.0 "))?;
    let closes = head.contains("\r\nconnection: close\r\n");
    let wordless = head.contains("\r\ncontent-length: 0\r\n");
    if !closes || !wordless {
        return None;
    }
    match rest.get(..3)? {
        "400" => Some(reply(400, None)),
        "414" => Some(reply(414, Some("The URI is longer than 16,384 bytes."))),
        "431" => {
            let text = "The URI and the headers together are longer than 16,384 bytes, or there are more than 100 headers.";
            Some(reply(431, Some(text)))
        }
        _ => None,
    }
}

/// A stream for HTTP/1.1 whose wordless refusals are given words.
pub(super) struct Speaking<S> {
    stream: S,
    /// What is being said instead, and how much of it is.
    instead: Option<(Vec<u8>, usize)>,
}

impl<S> Speaking<S> {
    pub(super) fn new(stream: S) -> Speaking<S> {
        Speaking {
            stream,
            instead: None,
        }
    }
}

impl<S: AsyncWrite + Unpin> Speaking<S> {
    /// Says the substitute for `wordless`, then reports all of the latter as written.
    fn poll_instead(
        &mut self,
        cx: &mut Context<'_>,
        wordless: usize,
    ) -> Option<Poll<io::Result<usize>>> {
        let (words, said) = self.instead.as_mut()?;
        while let Some(left) = words.get(*said..).filter(|left| !left.is_empty()) {
            match Pin::new(&mut self.stream).poll_write(cx, left) {
                Poll::Ready(Ok(0)) => {
                    return Some(Poll::Ready(Err(io::ErrorKind::WriteZero.into())));
                }
                Poll::Ready(Ok(count)) => *said += count,
                other => return Some(other),
            }
        }
        self.instead = None;
        Some(Poll::Ready(Ok(wordless)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Speaking<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Speaking<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.instead.is_none() {
            self.instead = instead_of(buf).map(|words| (words, 0));
        }
        match self.poll_instead(cx, buf.len()) {
            Some(polled) => polled,
            None => Pin::new(&mut self.stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // A refusal is a message of its own, in one piece.
        if let [only] = bufs {
            return self.poll_write(cx, only);
        }
        Poll::Ready(Ok(ready!(
            Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
        )?))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
