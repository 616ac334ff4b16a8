//! The daily report, as a person reads it and takes it along.

use axum::http::StatusCode;
use tokio::sync::Mutex;

use crate::operator::access::Role;
use crate::operator::console::testing::{Console, NOW};
use crate::operator::console::words;

/// A process makes one report at a time, and all these tests are one process.
static MAKING: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn a_day_is_shown_with_its_neighbours() {
    let _turn = MAKING.lock().await;
    let console = Console::new();
    let page = console.get("/report", Role::Viewer).await;
    assert_eq!(page.status, StatusCode::OK);
    page.says("Nothing happened on this day.");
    page.says("Chain head behind commit 0");
    let today = words::day(NOW);
    assert!(
        page.text
            .contains(&format!(r#"value="{today}" max="{today}""#))
    );
    page.says("Day before");
    page.says_not("Day after");
    let page = console.get("/report?day=2026-01-02", Role::Viewer).await;
    assert!(page.text.contains("/report?day=2026-01-01"));
    assert!(page.text.contains("/report?day=2026-01-03"));
}

#[tokio::test]
async fn it_is_had_as_a_file_whose_name_is_ours() {
    let _turn = MAKING.lock().await;
    let console = Console::new();
    let file = |format: &str| format!("/report/file?day=2026-01-02&format={format}");
    let page = console.get(&file("csv"), Role::Viewer).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("captured"), "{}", page.text);
    let page = console.get(&file("json"), Role::Viewer).await;
    serde_json::from_str::<serde_json::Value>(&page.text).unwrap();
    let page = console.get(&file("html"), Role::Viewer).await;
    page.says("What became of the leads");
    let page = console.get(&file("exe"), Role::Viewer).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_no_day_is_said_to_be_none() {
    let console = Console::new();
    let page = console.get("/report?day=%3Cscript%3E", Role::Viewer).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.says("is no day");
    assert!(!page.text.contains("<script>"));
    let page = console
        .get("/report/file?day=x&format=csv", Role::Viewer)
        .await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.says("That did not work");
}
