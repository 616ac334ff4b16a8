//! Limits, room and patience, on bodies made of pieces.
use std::collections::VecDeque;
use std::io::Write;
use std::task::{Context, Poll};

use axum::http::HeaderValue;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http_body::SizeHint;

use super::*;

const MIB: usize = 1024 * 1024;
const LIMIT: usize = MIB;
const PATIENCE: Duration = Duration::from_secs(30);

/// A body that comes in pieces; `stuck` never ends.
struct Pieces {
    pieces: VecDeque<Bytes>,
    declared: Option<usize>,
    stuck: bool,
    error: Option<std::io::Error>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match (self.pieces.pop_front(), self.stuck) {
            (Some(piece), _) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            (None, true) => Poll::Pending,
            (None, false) => Poll::Ready(self.error.take().map(Err)),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self.declared {
            Some(length) => SizeHint::with_exact(length as u64),
            None => SizeHint::default(),
        }
    }
}

fn pieces(bytes: &[u8], size: usize) -> Pieces {
    Pieces {
        pieces: bytes.chunks(size).map(Bytes::copy_from_slice).collect(),
        declared: None,
        stuck: false,
        error: None,
    }
}

fn declared(bytes: &[u8]) -> Pieces {
    Pieces {
        declared: Some(bytes.len()),
        ..pieces(bytes, 10_000)
    }
}

fn room(total: usize) -> Room {
    Room::new(total, LIMIT, PATIENCE)
}

fn packed_as(encoding: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("content-encoding", HeaderValue::from_static(encoding));
    headers
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// KiB that are free, small and large.
fn free(room: &Room) -> (usize, usize) {
    (
        room.small.available_permits(),
        room.large.available_permits(),
    )
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

async fn is_waiting<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}

#[test]
fn a_body_takes_room_for_what_it_holds_and_gives_it_back() {
    block_on(async {
        let room = room(4 * MIB);
        let none = HeaderMap::new();
        let all = free(&room);
        let small = vec![7; 10_000];
        let large = vec![8; 300_000];
        for make in [declared, |bytes: &[u8]| pieces(bytes, 4_000)] {
            let payload = room.take(&none, make(&small), LIMIT).await.unwrap();
            assert_eq!(
                (&payload.bytes[..], payload.packed_bytes),
                (&small[..], 10_000)
            );
            assert_eq!(free(&room), (all.0 - 10, all.1));
            drop(payload);
            let payload = room.take(&none, make(&large), LIMIT).await.unwrap();
            assert_eq!(&payload.bytes[..], &large[..]);
            assert_eq!(free(&room), (all.0, all.1 - 293));
            drop(payload);
            assert_eq!(free(&room), all);
        }
        let empty = room.take(&none, declared(&[]), LIMIT).await.unwrap();
        assert!(empty.bytes.is_empty());
        assert_eq!(free(&room), all);
    });
}

#[test]
fn a_packed_body_takes_room_for_what_it_unpacks_to() {
    block_on(async {
        let room = room(4 * MIB);
        let all = free(&room);
        let bytes = vec![7; 600_000];
        for make in [declared, |bytes: &[u8]| pieces(bytes, 100)] {
            let body = make(&gzip(&bytes));
            let payload = room.take(&packed_as("gzip"), body, LIMIT).await.unwrap();
            assert_eq!(&payload.bytes[..], &bytes[..]);
            assert!(payload.packed_bytes < 10_000);
            assert_eq!(free(&room), (all.0, all.1 - 586));
        }
    });
}

#[test]
fn a_body_at_the_limit_is_taken_and_one_byte_more_is_refused_in_every_form() {
    block_on(async {
        let room = room(4 * MIB);
        let all = free(&room);
        let none = HeaderMap::new();
        let (fits, too_large) = (vec![7; LIMIT], vec![7; LIMIT + 1]);
        let at = async |headers: &HeaderMap, body: Pieces| room.take(headers, body, LIMIT).await;
        for make in [declared, |bytes: &[u8]| pieces(bytes, 50_000)] {
            assert_eq!(at(&none, make(&fits)).await.unwrap().bytes.len(), LIMIT);
            assert_eq!(
                at(&none, make(&too_large)).await.unwrap_err(),
                ReadError::TooLarge
            );
            let packed = packed_as("gzip");
            let taken = at(&packed, make(&gzip(&fits))).await.unwrap();
            assert_eq!(taken.bytes.len(), LIMIT);
            drop(taken);
            let bomb = make(&gzip(&too_large));
            assert_eq!(at(&packed, bomb).await.unwrap_err(), ReadError::TooLarge);
        }
        // A small limit is met before there is a need for large room.
        let bomb = gzip(&[7; 51]);
        assert!(bomb.len() < 50);
        for (headers, body) in [(none, vec![7; 51]), (packed_as("gzip"), bomb)] {
            let result = room.take(&headers, pieces(&body, 3), 50).await;
            assert_eq!(result.unwrap_err(), ReadError::TooLarge);
        }
        assert_eq!(free(&room), all);
    });
}

#[test]
fn a_declared_length_beyond_the_limit_is_refused_without_reading() {
    block_on(async {
        let body = Pieces {
            declared: Some(LIMIT + 1),
            stuck: true,
            ..pieces(&[], 1)
        };
        let result = room(MIB).take(&HeaderMap::new(), body, LIMIT).await;
        assert_eq!(result.unwrap_err(), ReadError::TooLarge);
    });
}

#[test]
fn large_bodies_wait_for_room_while_small_ones_pass() {
    block_on(async {
        let room = room(2 * MIB);
        let none = HeaderMap::new();
        let first = room
            .take(&none, declared(&vec![1; LIMIT]), LIMIT)
            .await
            .unwrap();
        let second = room
            .take(&none, declared(&vec![2; LIMIT]), LIMIT)
            .await
            .unwrap();
        let mut third = Box::pin(room.take(&none, declared(&vec![3; LIMIT]), LIMIT));
        assert!(is_waiting(&mut third).await);
        let small = room.take(&none, declared(&[4; 1000]), LIMIT).await.unwrap();
        assert_eq!(small.bytes.len(), 1000);
        drop(first);
        assert_eq!(third.await.unwrap().bytes[0], 3);
        drop(second);
    });
}

#[test]
fn bodies_that_all_turn_out_large_do_not_wait_for_each_other_for_ever() {
    block_on(async {
        // Room for two small bodies, and for one large one, packed and unpacked.
        let room = Arc::new(room(1));
        let mut noise = 1_u32;
        let mut next = || {
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            noise as u8
        };
        let bytes: Vec<u8> = (0..700_000).map(|_| next()).collect();
        let packed = gzip(&bytes);
        assert!(packed.len() > SMALL_BYTES, "{}", packed.len());
        let takers: Vec<_> = (0..12)
            .map(|n| {
                let room = Arc::clone(&room);
                let (headers, body) = match n % 2 {
                    0 => (HeaderMap::new(), pieces(&bytes, 5_000)),
                    _ => (packed_as("gzip"), pieces(&packed, 5_000)),
                };
                tokio::spawn(async move { room.take(&headers, body, LIMIT).await.unwrap().bytes })
            })
            .collect();
        for taker in takers {
            let taken = tokio::time::timeout(PATIENCE, taker).await;
            assert_eq!(taken.unwrap().unwrap(), bytes);
        }
    });
}

#[test]
fn a_body_that_stands_still_is_given_up() {
    block_on(async {
        let room = Room::new(MIB, LIMIT, Duration::from_millis(1));
        let all = free(&room);
        let stuck = Pieces {
            stuck: true,
            ..pieces(&[1, 2, 3], 1)
        };
        let result = room.take(&HeaderMap::new(), stuck, LIMIT).await;
        assert_eq!(result.unwrap_err(), ReadError::Stalled);
        assert_eq!(free(&room), all);
    });
}

#[test]
fn broken_framing_is_told_from_a_client_that_is_gone() {
    use std::io::ErrorKind;
    block_on(async {
        for (kind, expected) in [
            (ErrorKind::InvalidInput, ReadError::Malformed),
            (ErrorKind::InvalidData, ReadError::Malformed),
            (ErrorKind::UnexpectedEof, ReadError::Gone),
            (ErrorKind::ConnectionReset, ReadError::Gone),
        ] {
            let body = Pieces {
                error: Some(kind.into()),
                ..pieces(&[1, 2, 3], 1)
            };
            let result = room(MIB).take(&HeaderMap::new(), body, LIMIT).await;
            assert_eq!(result.unwrap_err(), expected, "{kind:?}");
        }
    });
}

#[test]
fn each_known_packing_is_undone() {
    let text = b"some text, some text, some text".as_slice();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(text).unwrap();
    let mut bare = DeflateEncoder::new(Vec::new(), Compression::default());
    bare.write_all(text).unwrap();
    let (head, tail) = text.split_at(10);
    let two_members = [gzip(head), gzip(tail)].concat();
    block_on(async {
        for (encoding, body) in [
            ("identity", text.to_vec()),
            ("", text.to_vec()),
            ("gzip", gzip(text)),
            ("GZip", gzip(text)),
            ("identity, x-gzip", gzip(text)),
            ("gzip", two_members),
            ("deflate", zlib.finish().unwrap()),
            ("deflate", bare.finish().unwrap()),
        ] {
            let payload = room(MIB)
                .take(&packed_as(encoding), declared(&body), LIMIT)
                .await
                .unwrap();
            assert_eq!(payload.bytes, text, "{encoding}");
        }
    });
}

#[test]
fn what_cannot_be_unpacked_is_refused() {
    block_on(async {
        let take = async |encoding, body: &[u8]| {
            let headers = packed_as(encoding);
            let result = room(MIB).take(&headers, declared(body), LIMIT).await;
            result.unwrap_err()
        };
        for encoding in [
            "br",
            "zstd",
            "gzip, gzip",
            "gzip, br",
            "compress",
            "\u{7f}x",
        ] {
            if let Ok(value) = HeaderValue::from_str(encoding) {
                let mut headers = HeaderMap::new();
                headers.insert("content-encoding", value);
                let result = room(MIB).take(&headers, declared(b"x"), LIMIT).await;
                assert_eq!(
                    result.unwrap_err(),
                    ReadError::UnknownEncoding,
                    "{encoding}"
                );
            }
        }
        let whole = gzip(b"some text");
        for body in [b"no gzip".as_slice(), &whole[..whole.len() - 1], b"\x1f"] {
            assert_eq!(take("gzip", body).await, ReadError::Encoding, "{body:?}");
        }
        for body in [b"\x78".as_slice(), b"\x78\x9cxx", b"\xff\xff\xff"] {
            assert_eq!(take("deflate", body).await, ReadError::Encoding, "{body:?}");
        }
    });
}
