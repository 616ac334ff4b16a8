//! The first page, as a person reads it.

use axum::http::StatusCode;

use super::*;
use crate::operator::access::Role;
use crate::operator::console::testing::{self, Console, NOW, SCRIPT};
use crate::runtime::status::TroubleStatus;

#[tokio::test]
async fn it_says_that_all_is_well_and_what_needs_a_person() {
    let console = Console::new();
    let page = console.get("/", Role::Viewer).await;
    assert_eq!(page.status, StatusCode::OK);
    page.says("Healthy Every change that MySQL has told of has its outcome.");
    page.says("Behind MySQL 0 s nothing waits");
    page.says("On their way 20 10 parked on disk");
    page.says("Need a person 90 dead letters");
    page.says("leads balances 1,210 1,100 0 0 90 10 10");
    assert!(page.text.contains("<title>Overview · leadstream</title>"));
    assert!(
        page.text
            .contains(r#"<a href="/" aria-current="page">Overview</a>"#)
    );
}

#[tokio::test]
async fn it_says_what_is_wrong_and_what_to_do() {
    let console = Console::new();
    console.change(|status| {
        status.delivery.trouble = Some(TroubleStatus {
            page: "LS2003".into(),
            text: "the login was refused".into(),
            remedy: "renew the certificate".into(),
            since: Micros(NOW.0 - 300_000_000),
            attempt: 7,
            next_try: None,
        });
        status.oldest_unsettled = Some(Micros(NOW.0 - 300_000_000));
    });
    let page = console.get("/", Role::Viewer).await;
    page.says("Nothing is sent to Salesforce The login was refused.");
    page.says("To do: renew the certificate");
    page.says("(5 min ago) · LS2003");
    page.says("Behind MySQL 5 min");
}

#[tokio::test]
async fn charts_show_what_was_seen_and_are_tables_too() {
    let console = Console::new();
    let history = &console.view.history;
    let minute = |back: i64| Micros(NOW.0 - back * MINUTE_MICROS);
    let mut status = testing::status();
    history.observe(&status, minute(2));
    status.routes[0].captured += 40;
    status.routes[0].totals.created += 37;
    history.observe(&status, minute(1));
    let page = console.get("/", Role::Viewer).await;
    page.says("In the last hour, 40 came in, 37 were delivered, 0 became dead letters.");
    page.says("In the last day, 40 came in");
    page.says("Delivered in the last hour 37 40 came in");
    page.says("Charts begin with the service's start");
    assert!(page.text.contains(r#"class="bar-out""#));
}

#[tokio::test]
async fn the_budget_has_its_forecast() {
    let console = Console::new();
    console.change(|status| {
        status.delivery.budget = Some(BudgetStatus {
            used: 900,
            used_last_hour: 50,
            limit: Some(1_000),
            hourly_limit: None,
            reserve: 100,
            used_by_others: 12,
            lasts_until: Some(Micros(NOW.0 + 7_200_000_000)),
            calls_return_at: None,
            max_age_ms: 200,
            stretched: false,
            held_until: None,
        });
    });
    let page = console.get("/", Role::Viewer).await;
    page.says("900 of 1,000 calls of 24 hours are spent (90 %).");
    page.says("spent in 2 h at the pace of the last hour");
    assert!(
        page.text
            .contains(r#"<progress class="warn" max="100" value="90""#)
    );
}

#[tokio::test]
async fn what_others_wrote_stays_text() {
    let console = Console::new();
    console.change(|status| {
        status.routes[0].name = SCRIPT.to_owned();
        status.routes[0].trouble = Some(TroubleStatus {
            page: "LS5008".into(),
            text: SCRIPT.into(),
            remedy: SCRIPT.into(),
            since: NOW,
            attempt: 1,
            next_try: None,
        });
    });
    let page = console.get("/", Role::Admin).await;
    assert!(!page.text.contains("<script>"), "{}", page.text);
    page.says("Route &#60;script&#62;");
}

#[tokio::test]
async fn the_first_page_is_light() {
    let console = Console::new();
    let status = testing::status();
    for minute in 0..(DAY_MINUTES as i64) {
        let mut status = status.clone();
        status.routes[0].captured += u64::try_from(minute).unwrap() * 1_000_003;
        status.routes[0].totals.created += u64::try_from(minute).unwrap() * 1_000_003;
        let at = Micros(NOW.0 - (DAY_MINUTES as i64 - minute) * MINUTE_MICROS);
        console.view.history.observe(&status, at);
    }
    console.change(|status| {
        status.routes = (0..20)
            .map(|n| testing::route(&format!("route-{n}")))
            .collect()
    });
    let page = console.get("/", Role::Admin).await;
    let all = page.text.len() + super::super::assets::weight();
    assert!(
        all <= 110 * 1024,
        "{all} bytes, of them {} of the page",
        page.text.len()
    );
}

#[tokio::test]
async fn what_leads_nowhere_is_a_page_too() {
    let console = Console::new();
    let page = console.get("/nowhere", Role::Viewer).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    page.says("Not found There is no such page");
    page.says("Sign out");
}
