//! Rows named by places in files, when the binlog that the places are in begins anew.

use super::*;
use crate::core::change::Transaction;
use crate::core::position::{Checkpoint, Position};

fn at(server_uuid: &str, place: &str) -> Checkpoint {
    Checkpoint {
        server_uuid: server_uuid.into(),
        position: Position::File(place.parse().unwrap()),
        end: place.parse().unwrap(),
        inside: Default::default(),
    }
}

fn delivered_at(place: &str) -> Entry {
    let mut entry = delivered(1, 1);
    if let Entry::Delivered { subject, .. } = &mut entry {
        subject.id.transaction = Arc::new(Transaction {
            id: format!("file:{place}").parse().unwrap(),
            committed_at: Micros(NOON),
        });
    }
    entry
}

/// Rows settled ahead of one checkpoint, before the next and with it; how many are left.
fn left(next: &Checkpoint) -> usize {
    let mut bench = Bench::new(PayloadPolicy::Masked);
    let mut first = commit(vec![delivered_at("binlog.000009:700")], 0);
    first.checkpoint = Some(at(UUID, "binlog.000009:500"));
    let mut second = commit(vec![delivered_at("binlog.000009:800")], 0);
    second.checkpoint = Some(next.clone());
    bench.write(&[first, second]);
    let recovered = bench.recover().unwrap();
    assert_eq!(recovered, bench.state.recovered(0));
    recovered.settled_ahead.len()
}

#[test]
fn places_settled_ahead_are_forgotten_when_the_binlog_begins_anew() {
    assert_eq!(left(&at(UUID, "binlog.000009:600")), 2, "it goes on");
    assert_eq!(left(&at(UUID, "binlog.000009:700")), 2, "it goes on");
    assert_eq!(left(&at(UUID, "binlog.000001:158")), 0, "it went back");
    let other = "3e11fa47-71ca-11e1-9e33-c80aa9429563";
    assert_eq!(left(&at(other, "binlog.000009:600")), 0, "another server's");
}
