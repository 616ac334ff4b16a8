//! Snapshots, as a person reads and starts them.

use axum::http::StatusCode;

use super::*;
use crate::operator::console::testing::{self, Console, NOW, SCRIPT};
use crate::runtime::commands::{Command, Declined};

fn running() -> SnapshotStatus {
    SnapshotStatus {
        number: 3,
        reason: SnapshotReason::Requested,
        state: SnapshotState::Running,
        started_at: NOW,
        ended_at: None,
        tables: vec![SnapshotTableStatus {
            table: SCRIPT.into(),
            routes: vec!["leads".into()],
            chunks: 2,
            rows: 20_000,
            overtaken: 5,
            estimated_rows: Some(80_000),
            finished: false,
        }],
        rows_read: 20_005,
        estimated_rows: Some(80_000),
        rows_per_second: Some(1_200.4),
        seconds_left: Some(50.0),
        waiting: Some("31 threads are at work".into()),
        remedy: None,
    }
}

#[tokio::test]
async fn a_running_one_shows_how_far_it_is() {
    let console = Console::new();
    let page = console.get("/snapshot", Role::Operator).await;
    page.says("There was no snapshot yet.");
    page.says("Start a snapshot");
    console.change(|status| status.snapshot = Some(running()));
    let page = console.get("/snapshot", Role::Operator).await;
    page.says("Snapshot 3 running");
    page.says("20,005 of about 80,000 rows read, 1,200 a second, 50 s left");
    page.says("It pauses: 31 threads are at work");
    page.says("begun 20,000 5 80,000 25 %");
    page.says("Cancel snapshot 3");
    assert!(page.text.contains(r#"<progress max="100" value="25""#));
    assert!(!page.text.contains("<script>"));
}

#[tokio::test]
async fn one_that_failed_says_why_and_what_to_do() {
    let console = Console::new();
    console.change(|status| {
        status.snapshot = Some(SnapshotStatus {
            state: SnapshotState::Failed {
                page: "LS1080".into(),
                text: "the table has no primary key".into(),
            },
            remedy: Some("give it one".into()),
            ended_at: Some(NOW),
            ..running()
        });
    });
    let page = console.get("/snapshot", Role::Operator).await;
    page.says("failed, waits for a person the table has no primary key To do: give it one LS1080");
    page.says_not("Cancel snapshot");
    page.says_not("It pauses");
}

#[tokio::test]
async fn routes_and_condition_go_to_the_driver_as_they_were_chosen() {
    let mut console = Console::new();
    let form = "csrf=x&route=leads&route=a%26b&condition=+id+%3E+7+";
    let started = |command| {
        let Command::StartSnapshot {
            routes,
            condition,
            answer,
            ..
        } = command
        else {
            panic!("{command:?}");
        };
        assert_eq!(routes, Some(vec!["leads".to_owned(), "a&b".to_owned()]));
        assert_eq!(condition.as_deref(), Some("id > 7"));
        answer.send(Ok(4)).unwrap();
    };
    let post = testing::post("/snapshot", form);
    let page = console.with(post, Role::Operator, started).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(page.location.as_deref(), Some("/snapshot"));
}

#[tokio::test]
async fn nothing_chosen_is_everything_and_a_refusal_is_a_page() {
    let mut console = Console::new();
    let refused = |command| {
        let Command::StartSnapshot {
            routes,
            condition,
            answer,
            ..
        } = command
        else {
            panic!("{command:?}");
        };
        assert_eq!((routes, condition), (None, None));
        let declined = Declined {
            page: "LS1080".into(),
            text: "snapshot 3 is running, and one runs at a time".into(),
            remedy: "wait for it, or cancel it".into(),
        };
        answer.send(Err(declined)).unwrap();
    };
    let post = testing::post("/snapshot", "csrf=x&condition=");
    let page = console.with(post, Role::Operator, refused).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.says("Snapshot 3 is running, and one runs at a time Wait for it, or cancel it LS1080");
}

#[tokio::test]
async fn a_viewer_starts_and_cancels_nothing() {
    let mut console = Console::new();
    console.change(|status| status.snapshot = Some(running()));
    let page = console.get("/snapshot", Role::Viewer).await;
    page.says_not("Start a snapshot");
    page.says_not("Cancel");
    for path in ["/snapshot", "/snapshot/cancel"] {
        let page = console.post(path, "csrf=x", Role::Viewer).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
    }
    assert!(
        console.commands.try_recv().is_err(),
        "nothing was asked of the driver"
    );
}
