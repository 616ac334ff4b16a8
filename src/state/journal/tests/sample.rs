//! Invented leads and commits for tests.

use std::sync::Arc;

use crate::core::change::{ChangeId, Operation, RouteId, Transaction};
use crate::core::entry::{Attempt, Commit, Entry, Image, ServiceEvent, SkipRule, Subject};
use crate::core::letters::{LetterName, OpenLetter};
use crate::core::outcome::{ErrorClass, RecordError};
use crate::core::position::{Checkpoint, Position};
use crate::core::schema::TableName;
use crate::core::time::Micros;

pub const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
pub const NOON: i64 = 1_790_000_000_000_000;

pub fn routes() -> Vec<String> {
    vec!["leads".into(), "partners".into()]
}

pub fn table() -> Arc<TableName> {
    Arc::new(TableName {
        schema: "shop".into(),
        table: "leads".into(),
    })
}

pub fn change(number: u64, row: u64, route: u16) -> ChangeId {
    ChangeId {
        transaction: Arc::new(Transaction {
            id: format!("{UUID}:{number}").parse().unwrap(),
            committed_at: Micros(NOON + number as i64 * 1_371),
        }),
        table: table(),
        row,
        route: RouteId(route),
    }
}

pub fn email(number: u64) -> String {
    format!("ada.{number}@example.com")
}

pub fn subject(number: u64, row: u64, route: u16) -> Subject {
    let payload = format!(
        "{{\"LastName\":\"Lovelace {number}\",\"Company\":\"Engines & Sons\",\"Email\":\"{}\",\
         \"Phone\":\"+44 20 7946 {:04}\",\"LeadSource\":\"Web\"}}",
        email(number),
        number % 10_000
    );
    Subject {
        id: change(number, row, route),
        operation: Operation::Insert,
        image: Arc::new(Image {
            key: format!("L-{number:08}").into(),
            payload: payload.into(),
            email: Some(email(number).into()),
            row: None,
        }),
        captured_at: Micros(NOON + number as i64 * 1_371 + 2_113),
        parked: None,
        letter: None,
    }
}

pub fn attempt(batch: u64) -> Attempt {
    let sent_at = Micros(NOON + batch as i64 * 1_000_003);
    Attempt {
        batch,
        number: 1,
        sent_at,
        answered_at: Micros(sent_at.0 + 183_211),
    }
}

pub fn salesforce_id(number: u64) -> String {
    format!("00Q5g00000{number:05}EAX")
}

pub fn delivered(number: u64, batch: u64) -> Entry {
    Entry::Delivered {
        subject: subject(number, 0, 0),
        salesforce_id: salesforce_id(number),
        created: true,
        attempt: attempt(batch),
    }
}

pub fn dead_letter(number: u64, letter: u64, code: &str) -> Entry {
    let mut subject = subject(number, 0, 0);
    let image = Arc::make_mut(&mut subject.image);
    image.row = Some(r#"{"id":7,"note":"line\nbreak"}"#.into());
    Entry::DeadLettered {
        subject,
        letter,
        class: ErrorClass::Data,
        code: code.into(),
        errors: vec![RecordError {
            code: code.into(),
            message: "Email: invalid email address: ada\"@\\example".into(),
            fields: vec!["Email".into()],
        }],
        attempt: Some(attempt(3)),
        open: OpenLetter::default(),
    }
}

pub fn letter(number: u64) -> LetterName {
    LetterName {
        number,
        route: RouteId(0),
        key: format!("L-{number:08}").into(),
    }
}

pub fn parked(number: u64, serial: u64, route: u16) -> Entry {
    Entry::Parked {
        subject: subject(number, 0, route),
        serial,
        unknown: serial.is_multiple_of(2),
    }
}

pub fn every_kind() -> Vec<Entry> {
    let mut settled = subject(6, 0, 0);
    settled.parked = Some(1);
    let of_second = LetterName {
        number: 1,
        ..letter(2)
    };
    vec![
        delivered(1, 1),
        dead_letter(2, 1, "INVALID_EMAIL_ADDRESS"),
        Entry::Superseded {
            subject: subject(3, 2, 1),
            by: change(3, 3, 1),
        },
        Entry::Skipped {
            id: change(4, 0, 0),
            rows: 5,
            operation: Operation::Delete,
            rule: SkipRule::OperationNotRouted,
        },
        Entry::Filtered {
            subject: subject(10, 0, 0),
        },
        parked(5, 1, 0),
        parked(6, 2, 0),
        parked(7, 3, 1),
        Entry::Retried {
            subject: subject(8, 0, 0),
            class: ErrorClass::Contention,
            code: "UNABLE_TO_LOCK_ROW".into(),
            attempt: attempt(4),
        },
        Entry::Unanswered {
            subject: subject(9, 0, 0),
            batch: 5,
            sent_at: Micros(NOON),
        },
        Entry::Edited {
            letter: of_second.clone(),
            author: "anna".into(),
            before: "{}".into(),
            after: r#"{"Phone":"1"}"#.into(),
        },
        Entry::Replayed {
            letter: of_second,
            author: "anna".into(),
        },
        Entry::Service {
            event: ServiceEvent::Started,
            detail: "version 0.1.0".into(),
        },
        Entry::Delivered {
            subject: settled,
            salesforce_id: salesforce_id(6),
            created: false,
            attempt: attempt(6),
        },
    ]
}

pub fn checkpoint(through: u64) -> Checkpoint {
    Checkpoint {
        server_uuid: UUID.into(),
        position: Position::Gtid(format!("{UUID}:1-{through}").parse().unwrap()),
        end: "binlog.000007:4711".parse().unwrap(),
        inside: Default::default(),
    }
}

pub fn commit(entries: Vec<Entry>, at: i64) -> Commit {
    Commit {
        entries,
        checkpoint: None,
        api_calls: 1,
        at: Micros(NOON + at),
        ..Commit::default()
    }
}
