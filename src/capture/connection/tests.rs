//! How a host's addresses are tried; no MySQL is needed to see who is called.

use std::cell::Cell;
use std::io;
use std::net::Ipv4Addr;

use tokio::net::TcpListener;

use super::*;

fn settings(port: u16) -> SourceSettings {
    SourceSettings {
        host: "db.example".to_owned(),
        connect_timeout_ms: 2_000,
        ..SourceSettings::rehearsed(port, "reader")
    }
}

/// Port of a listener on 127.0.0.1 that counts its visitors, hangs up on them, or keeps them.
async fn host(hangs_up: bool) -> (u16, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let visits = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&visits);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((visitor, _)) = listener.accept().await {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            if !hangs_up {
                kept.push(visitor);
            }
        }
    });
    (port, visits)
}

fn addresses(last_bytes: &[u8]) -> Vec<IpAddr> {
    last_bytes
        .iter()
        .map(|byte| Ipv4Addr::new(127, 0, 0, *byte).into())
        .collect()
}

#[tokio::test]
async fn a_name_is_resolved_each_time_and_its_addresses_are_tried_in_order() {
    let (port, visits) = host(true).await;
    let asked = Cell::new(0);
    let resolve = async |name: &str, _: u16| {
        assert_eq!(name, "db.example");
        asked.set(asked.get() + 1);
        // Nobody listens on the first two; the name moves to where somebody does.
        Ok(match asked.get() {
            1 => addresses(&[2, 3]),
            _ => addresses(&[2, 1]),
        })
    };
    let settings = settings(port);
    for expected in [0, 1, 2] {
        let error = connect_by(&settings, resolve).await.unwrap_err();
        assert!(matches!(error, Error::Connect { .. }), "{error:?}");
        assert_eq!(visits.load(std::sync::atomic::Ordering::SeqCst), expected);
    }
    assert_eq!(asked.get(), 3);
}

#[tokio::test]
async fn an_address_that_never_answers_does_not_take_the_time_of_the_next() {
    let (port, visits) = host(false).await;
    // The same one twice: both hold the connection and say nothing.
    let resolve = async |_: &str, _: u16| Ok(addresses(&[1, 2, 1]));
    let error = connect_by(&settings(port), resolve).await.unwrap_err();
    let Error::ConnectTimeout { waited_ms, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(waited_ms, 2_000 / 3);
    assert_eq!(visits.load(std::sync::atomic::Ordering::SeqCst), 2);
}

#[tokio::test]
async fn names_without_an_address_are_said_to_be_so() {
    for answer in [Ok(Vec::new()), Err(io::Error::other("no such name"))] {
        let answer = Cell::new(Some(answer));
        let resolve = async |_: &str, _: u16| answer.take().unwrap();
        let error = connect_by(&settings(1), resolve).await.unwrap_err();
        assert!(matches!(error, Error::ResolveHost { .. }), "{error:?}");
    }
}

#[test]
fn derived_ids_are_stable_high_and_differ_by_source_user_and_folder() {
    let derived = |port, user: &str, store: &str| {
        let settings = SourceSettings {
            user: user.to_owned(),
            ..settings(port)
        };
        crate::capture::derived_server_id(&settings, store)
    };
    let id = derived(3306, "reader", "a");
    assert_eq!(id, derived(3306, "reader", "a"));
    assert!((0x8000_0000..u32::MAX).contains(&id));
    for other in [
        derived(3307, "reader", "a"),
        derived(3306, "other", "a"),
        derived(3306, "reader", "b"),
    ] {
        assert_ne!(id, other);
    }
}
