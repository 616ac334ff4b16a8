//! XA transactions that were prepared before the stream's first place: waited for, not missed.

use leadstream::rehearsal::leads::Lead;
use leadstream::runtime::status::Status;

use crate::harness::{Build, World};

/// Prepares an insert of a lead, and leaves it undecided.
fn prepare(world: &mut World, xid: &str) -> Lead {
    prepare_and(world, xid, "XA RECOVER")
}

/// The same, and what comes next in that session: MariaDB takes a moment to let another one decide.
fn prepare_and(world: &mut World, xid: &str, next: &str) -> Lead {
    let lead = world.people.next_lead();
    world.execute(&[
        &format!("XA START '{xid}'"),
        &format!(
            "INSERT INTO crm.leads (last_name, company, email) VALUES ('Xa', 'Branch', '{}')",
            lead.email
        ),
        &format!("XA END '{xid}'"),
        &format!("XA PREPARE '{xid}'"),
        next,
    ]);
    lead
}

#[track_caller]
fn waits_for(world: &mut World, count: usize) -> Status {
    let words = format!("{count} xa transactions");
    let status = world.wait_for_status("the wait for what is prepared", |status| {
        let trouble = status.source.trouble.as_ref();
        trouble.is_some_and(|t| t.page == "LS1057" && t.text.contains(&words))
    });
    assert!(!status.source.connected, "{status:?}");
    let trouble = status.source.trouble.clone().unwrap();
    assert!(trouble.remedy.contains("XA RECOVER"), "{trouble:?}");
    status
}

fn has(world: &World, lead: &Lead) -> bool {
    let email = |found: &salesforce_sandbox::LeadSnapshot| found.fields["Email"] == lead.email;
    world.org.leads().iter().any(email)
}

#[test]
fn a_first_start_waits_until_what_was_prepared_before_it_is_decided() {
    let mut world = World::new(Build::Release);
    world.set("source.start", "snapshot");
    world.set("retry.cap", "500ms");
    let lead = prepare(&mut world, "early");
    prepare(&mut world, "gone");
    let answer = world.command(&["check"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.data().contains("warning[LS1057]"), "{answer:?}");
    world.spawn();
    waits_for(&mut world, 2);
    world.execute(&["XA ROLLBACK 'gone'"]);
    waits_for(&mut world, 1);
    world.execute(&["XA COMMIT 'early'"]);
    world.wait_for_status("the stream to stand", |status| status.source.connected);
    // From here on they are the stream's.
    let late = prepare_and(&mut world, "late", "XA COMMIT 'late'");
    world.judge_snapshot();
    assert!(has(&world, &lead) && has(&world, &late));
}

#[test]
fn what_is_prepared_when_history_is_lost_is_waited_for() {
    let mut world = World::new(Build::Release);
    world.set("retry.cap", "500ms");
    world.start();
    world.insert(10, 5);
    world.wait_settled();
    assert!(world.stop().success());
    let lead = prepare(&mut world, "early");
    world.insert(10, 5);
    world.purge();
    world.set("source.on_history_lost", "snapshot");
    world.spawn();
    let status = waits_for(&mut world, 1);
    assert!(status.source.stopped, "a person is needed: {status:?}");
    world.execute(&["XA COMMIT 'early'"]);
    world.judge_snapshot();
    assert!(has(&world, &lead));
}
