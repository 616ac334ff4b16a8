//! Promises 1 to 4 while the world around leadstream breaks: MySQL restarts, Salesforce is away,
//! slow, forgetful or drops connections, sessions die, one record poisons a request.

use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leadstream::rehearsal::MysqlOptions;
use leadstream::rehearsal::leads::People;
use salesforce_sandbox::{Action, AppConfig, Endpoint, Fault, OrgConfig};

use crate::harness::{Build, PATIENCE, World};

#[test]
fn mysql_restarts_cost_nothing_but_time() {
    let mut world = World::new(Build::Release);
    world.start();
    world.insert(300, 10);
    world.mysql.restart().unwrap();
    world.insert(300, 10);
    // The second time finds a stream that stands again.
    world.wait_settled();
    world.mysql.kill();
    world.mysql.restart().unwrap();
    world.insert(300, 10);
    let status = world.wait_settled();
    assert!(status.source.reconnects >= 2, "{status:?}");
    assert_eq!(world.judge().delivered.len(), 900);
}

#[test]
fn salesforce_down_parks_what_comes_and_loses_no_order() {
    let mut world = World::new(Build::Release);
    world.set("retry.park_after", "500ms");
    world.set("retry.cap", "1s");
    world.people = People::new(3, 40);
    world.start();
    world.insert(200, 20);
    world.org.stop_listening();
    world.insert(3_000, 100);
    let status = world.wait_for_status("records to be parked", |status| {
        status.routes[0].totals.parked > 2_000 && status.routes[0].in_flight == 0
    });
    // The checkpoint is past all of them, they count as lag, and the service says why.
    assert!(status.delivery.trouble.is_some(), "{status:?}");
    assert!(status.oldest_unsettled.is_some(), "{status:?}");
    // A crash in the outage forgets none of them.
    world.kill();
    world.org.resume_listening().unwrap();
    world.insert(100, 10);
    world.start();
    let judgement = world.judge();
    assert!(
        judgement.journal.parked_ever > 2_000,
        "{:?}",
        judgement.journal.parked_ever
    );
    assert_eq!(judgement.rows, 3_300);
}

#[test]
fn the_parked_bytes_are_bounded_and_then_capture_waits() {
    let mut world = World::new(Build::Release);
    world.set("retry.park_after", "100ms");
    world.set("retry.cap", "1s");
    world.set("state.max_parked_bytes", "1MiB");
    world.set("source.window_bytes", "64KiB");
    world.start();
    world.insert(10, 10);
    world.wait_settled();
    world.org.stop_listening();
    world.insert(8_000, 400);
    let status = world.wait_for_status("the bound to be reached", |status| {
        status.state.parked_bytes >= 1 << 20 && status.routes[0].in_flight > 0
    });
    assert!(
        status.routes[0].captured < 8_010,
        "capture took everything: {status:?}"
    );
    assert!(status.state.parked_bytes < 2 << 20, "{status:?}");
    world.org.resume_listening().unwrap();
    assert_eq!(world.judge().delivered.len(), 8_010);
}

#[test]
fn a_slow_and_forgetful_salesforce_gets_every_lead_once() {
    let mut world = World::new(Build::Release);
    world.set("retry.base", "100ms");
    let on = |action| Fault::new(action).on(Endpoint::Collections);
    world.start();
    // Slow.
    let slow = world.org.faults().add(on(Action::Delay {
        milliseconds: 400,
        after_commit: false,
    }));
    world.insert(600, 50);
    world.wait_settled();
    world.org.faults().remove(slow);
    // Commits, and then the connection breaks, or a gateway answers in its place.
    world
        .org
        .faults()
        .add(on(Action::Drop { commit: true }).times(3));
    world.insert(600, 50);
    world.wait_settled();
    world.org.faults().add(
        on(Action::Html {
            status: 503,
            commit: true,
        })
        .times(3),
    );
    world.insert(600, 50);
    world.wait_settled();
    world
        .org
        .faults()
        .add(on(Action::Drop { commit: false }).times(3));
    world.insert(600, 50);
    assert_eq!(world.judge().delivered.len(), 2_400);
}

#[test]
fn a_token_that_dies_in_mid_batch_is_renewed_once() {
    let mut world = World::new(Build::Release);
    world.start();
    world.insert(100, 100);
    world.wait_settled();
    let logins = world.org.stats().logins;
    world.org.faults().add(
        Fault::new(Action::Delay {
            milliseconds: 100,
            after_commit: false,
        })
        .on(Endpoint::Collections),
    );
    world.insert(2_000, 100);
    world.org.revoke_sessions();
    let judgement = world.judge();
    assert_eq!(judgement.delivered.len(), 2_100);
    let stats = world.org.stats();
    assert_eq!(
        stats.logins,
        logins + 1,
        "one login for all calls in flight"
    );
    let assigned: Vec<_> = world.org.requests();
    let unprotected = assigned
        .iter()
        .filter(|request| request.path.contains("/composite/"))
        .find(|request| request.auto_assign.as_deref() != Some("FALSE"));
    assert!(
        unprotected.is_none(),
        "a repeated call lost its header: {unprotected:?}"
    );
}

#[test]
fn a_poison_record_is_set_aside_alone() {
    let mut world = World::new(Build::Release);
    world.org.faults().add(
        Fault::new(Action::Poison { message: None })
            .on(Endpoint::Collections)
            .keys(["77"]),
    );
    world.start();
    world.insert(200, 200);
    let judgement = world.judge();
    assert_eq!(judgement.dead_letters.keys().collect::<Vec<_>>(), ["77"]);
    assert_eq!(judgement.delivered.len(), 199);
    let repeated = world
        .org
        .leads()
        .into_iter()
        .filter(|lead| lead.writes > 1)
        .count();
    assert_eq!(repeated, 0, "the others are sent once");
}

#[test]
fn locked_rows_are_tried_again_and_then_set_aside() {
    let mut world = World::new(Build::Release);
    world.set("retry.base", "20ms");
    let locked = || {
        Fault::new(Action::RecordError {
            status_code: "UNABLE_TO_LOCK_ROW".to_owned(),
            message: "unable to obtain exclusive access to this record".to_owned(),
            fields: Vec::new(),
        })
    };
    world.org.faults().add(locked().keys(["5"]).times(2));
    world.org.faults().add(locked().keys(["6"]));
    world.start();
    world.insert(50, 50);
    let judgement = world.judge();
    assert_eq!(judgement.dead_letters.keys().collect::<Vec<_>>(), ["6"]);
    // Two refusals of 5, and four of 6 before the fifth sets it aside.
    assert_eq!(judgement.journal.retried, 6);
}

#[test]
fn sigterm_under_load_ends_cleanly_and_nothing_is_lost() {
    let mut world = World::new(Build::Release);
    world.org.faults().add(
        Fault::new(Action::Delay {
            milliseconds: 50,
            after_commit: true,
        })
        .on(Endpoint::Collections),
    );
    world.start();
    for _ in 0..3 {
        let before = world.org.stats().records_upserted;
        world.insert(3_000, 150);
        assert!(
            world
                .org
                .wait_for(PATIENCE, |stats| stats.records_upserted > before + 500)
        );
        assert!(world.stop().success(), "{}", world.log());
        world.start();
    }
    let judgement = world.judge();
    assert_eq!(judgement.delivered.len(), 9_000);
    let repeated = world
        .org
        .leads()
        .into_iter()
        .filter(|lead| lead.writes > 1)
        .count();
    assert_eq!(repeated, 0, "calls in flight were waited for");
}

#[test]
fn calls_without_an_answer_are_given_up_after_the_grace_and_repeated() {
    let mut world = World::new(Build::Release);
    world.set("operator.shutdown_grace", "200ms");
    world.org.faults().add(
        Fault::new(Action::Hold { after_commit: true })
            .on(Endpoint::Collections)
            .times(1),
    );
    world.start();
    world.insert(50, 50);
    assert!(
        world
            .org
            .wait_for(PATIENCE, |stats| stats.held_requests == 1)
    );
    assert!(world.stop().success(), "{}", world.log());
    world.org.faults().release_all();
    world.start();
    let judgement = world.judge();
    assert_eq!(judgement.delivered.len(), 50);
    assert_eq!(judgement.journal.unanswered, 50);
}

#[test]
fn a_frozen_mysql_is_noticed() {
    let mut world = World::new(Build::Release);
    world.set("source.heartbeat", "200ms");
    world.start();
    world.insert(10, 10);
    world.wait_settled();
    world.mysql.freeze().unwrap();
    world.wait_for_status("the silence to be noticed", |status| {
        !status.source.connected
    });
    world.mysql.thaw().unwrap();
    world.insert(10, 10);
    assert_eq!(world.judge().delivered.len(), 20);
}

#[test]
fn a_lone_lead_leaves_at_once_when_no_age_is_asked_for() {
    let mut world = World::new(Build::Release);
    world.set("batch.max_age", "0s");
    world.start();
    world.insert(1, 1);
    assert!(
        world
            .org
            .wait_for(Duration::from_secs(10), |stats| stats.leads == 1)
    );
    assert_eq!(world.judge().delivered.len(), 1);
}

#[test]
fn a_signed_login_serves_as_well_as_a_secret() {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let pem = |label: &str, der: &[u8]| {
        let body = STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    };
    let private: Pkcs8V1Der<'_> = key.as_der().unwrap();
    let public: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
    let app = AppConfig {
        client_id: "signed-app".to_owned(),
        client_secret: None,
        public_key_pem: Some(pem("PUBLIC KEY", public.as_ref())),
        username: "integration@leadstream.example".to_owned(),
        ..AppConfig::default()
    };
    let org = OrgConfig {
        apps: vec![app],
        ..OrgConfig::default()
    };
    let mut world = World::with(Build::Release, MysqlOptions::default(), org);
    let key_file = world.config().with_file_name("key.pem");
    std::fs::write(&key_file, pem("PRIVATE KEY", private.as_ref())).unwrap();
    world.set(
        "salesforce.auth",
        &format!(
            "{{ kind = \"jwt\", client_id = \"signed-app\", \
             username = \"integration@leadstream.example\", key_file = \"{}\" }}",
            key_file.display()
        ),
    );
    world.forget("salesforce.auth.client_secret");
    world.start();
    world.insert(100, 10);
    world.org.revoke_sessions();
    world.insert(100, 10);
    assert_eq!(world.judge().delivered.len(), 200);
    assert_eq!(world.org.stats().logins, 2);
}

#[test]
fn a_first_start_notes_where_it_begins_before_salesforce_is_there() {
    let mut world = World::new(Build::Release);
    world.set("retry.cap", "1s");
    world.org.stop_listening();
    world.spawn();
    world.wait_for_status("the wait for Salesforce", |status| {
        status.delivery.trouble.is_some()
    });
    world.insert(20, 5);
    world.kill();
    world.insert(20, 5);
    world.spawn();
    world.org.resume_listening().unwrap();
    assert_eq!(world.judge().delivered.len(), 40);
}
