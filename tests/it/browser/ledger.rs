//! A state folder with the past of a busy year, made in seconds: the store itself writes it, no row goes through MySQL.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use leadstream::core::change::{ChangeId, Operation, RouteId, Transaction};
use leadstream::core::entry::{Attempt, Commit, Entry, Image, Subject};
use leadstream::core::letters::OpenLetter;
use leadstream::core::outcome::{ErrorClass, RecordError};
use leadstream::core::schema::TableName;
use leadstream::core::time::Micros;
use leadstream::state::{PayloadPolicy, StateSettings, Store};

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
const ENTRIES_PER_COMMIT: u64 = 200;
const COMMITS_AT_ONCE: usize = 8;
/// Far more than a group of commits takes: who waits for so long hangs.
const LONG: Duration = Duration::from_secs(120);
/// Code, field and message of what letters are refused for, in turn.
const CAUSES: [(&str, &str, &str); 3] = [
    (
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
        "Plan__c",
        "bad value for restricted picklist field: Platinum",
    ),
    (
        "INVALID_EMAIL_ADDRESS",
        "Email",
        "invalid email address: person at mail.example",
    ),
    (
        "STRING_TOO_LONG",
        "Phone",
        "data value too large: 0000000000 (max length=40)",
    ),
];

/// So many leads that were delivered over the last hours, then so many letters that are open.
pub fn write(state: &Path, leads: u64, letters: u64) {
    let settings = StateSettings {
        path: state.to_owned(),
        payload: PayloadPolicy::Masked,
        segment_bytes: 64 << 20,
        reserve_bytes: 0,
        retention_ms: None,
        max_journal_bytes: None,
        encryption_key_file: None,
        routes: vec!["leads".into()],
    };
    let (store, _) = Store::open(settings).expect("the store opens");
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros();
    let now = i64::try_from(now).unwrap();
    let (answers, answered) = mpsc::sync_channel(COMMITS_AT_ONCE);
    let mut waiting = 0;
    let mut last = 0;
    let all = leads + letters;
    for first in (0..all).step_by(ENTRIES_PER_COMMIT as usize) {
        let past = (all - first) as i64 * 4_000;
        let at = Micros(now - past);
        let numbers = first..all.min(first + ENTRIES_PER_COMMIT);
        let entries = numbers.map(|number| match number.checked_sub(leads) {
            None => delivered(number, at),
            Some(letter) => refused(number, letter + 1, at),
        });
        let commit = Commit {
            entries: entries.collect(),
            api_calls: 1,
            at,
            ..Commit::default()
        };
        if waiting == COMMITS_AT_ONCE {
            last = answered.recv_timeout(LONG).expect("a commit is answered");
            waiting -= 1;
        }
        let answers = answers.clone();
        let done = move |result: Result<leadstream::state::CommitReceipt, _>| {
            answers
                .send(result.expect("a commit is kept").commit)
                .unwrap();
        };
        store.journal().submit(commit, Box::new(done));
        waiting += 1;
    }
    for _ in 0..waiting {
        last = answered.recv_timeout(LONG).expect("a commit is answered");
    }
    assert!(store.index().wait_applied(last, LONG), "the index hangs");
    store.close().unwrap();
}

fn delivered(number: u64, at: Micros) -> Entry {
    Entry::Delivered {
        subject: subject(number, at),
        salesforce_id: format!("00Q5g0000{number:06}EAX"),
        created: true,
        attempt: Attempt {
            batch: number / ENTRIES_PER_COMMIT,
            number: 1,
            sent_at: Micros(at.0 - 200_000),
            answered_at: at,
        },
    }
}

fn refused(number: u64, letter: u64, at: Micros) -> Entry {
    let (code, field, message) = CAUSES[usize::try_from(letter).unwrap() % CAUSES.len()];
    Entry::DeadLettered {
        subject: subject(number, at),
        letter,
        class: ErrorClass::Data,
        code: code.into(),
        errors: vec![RecordError {
            code: code.into(),
            message: message.into(),
            fields: vec![field.into()],
        }],
        attempt: None,
        open: OpenLetter::default(),
    }
}

fn subject(number: u64, at: Micros) -> Subject {
    let email = format!("person{number}@mail.example");
    let payload = serde_json::json!({
        "FirstName": "Ada", "LastName": format!("Person {number}"), "Company": "Blue Harbour Logistics",
        "Email": email, "Phone": "+00 555 0100", "Country": "Germany", "Plan__c": "Platinum",
    });
    Subject {
        id: ChangeId {
            transaction: Arc::new(Transaction {
                id: format!("{UUID}:{}", number + 1).parse().unwrap(),
                committed_at: Micros(at.0 - 400_000),
            }),
            table: Arc::new(TableName {
                schema: "crm".into(),
                table: "leads".into(),
            }),
            row: 0,
            route: RouteId(0),
        },
        operation: Operation::Insert,
        image: Arc::new(Image {
            key: number.to_string().into(),
            payload: payload.to_string().into(),
            email: Some(email.into()),
            row: None,
        }),
        captured_at: Micros(at.0 - 300_000),
        parked: None,
        letter: None,
    }
}
