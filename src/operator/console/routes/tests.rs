//! Routes, as a person reads them.

use axum::http::StatusCode;

use super::*;
use crate::core::acts::OperatorPause;
use crate::core::mapping::{ColumnOutline, MadeBy};
use crate::operator::console::testing::{self, Console, NOW, SCRIPT};
use crate::runtime::commands::{Command, Declined};
use crate::runtime::route_acts::RouteCommand;
use crate::runtime::status::TroubleStatus;

fn outlines() -> RouteOutlines {
    let field = |name: &str, label: Option<&str>| FieldOutline {
        field: name.into(),
        label: label.map(str::to_owned),
        salesforce_type: label.map(|_| "text, up to 80 characters".into()),
        required: true,
        external_id: false,
        made_by: MadeBy::Column,
        columns: vec![ColumnOutline {
            name: "last_name".into(),
            mysql_type: Some("VARCHAR(120)".into()),
            nullable: true,
        }],
        recipe: None,
        values: Vec::new(),
    };
    RouteOutlines {
        routes: vec![Outline {
            route: "leads".into(),
            table: "crm.leads".into(),
            object: "Lead".into(),
            filter: Some(format!("state != '{SCRIPT}'")),
            fields: vec![field("LastName", Some("Last Name")), field("Gone__c", None)],
        }],
        changes: vec![ObjectChange {
            at: NOW,
            object: "Lead".into(),
            what: "Gone__c is gone".into(),
        }],
    }
}

fn tell(command: Command) {
    let Command::Routes { answer } = command else {
        panic!("{command:?}");
    };
    answer.send(Ok(outlines())).unwrap();
}

#[tokio::test]
async fn the_list_says_what_each_carries_and_how_it_does() {
    let mut console = Console::new();
    console.change(|status| {
        let mut second = testing::route("partners");
        second.trouble = Some(trouble());
        status.routes.push(second);
    });
    let page = console
        .with(testing::get("/routes"), Role::Viewer, tell)
        .await;
    page.says("leads crm.leads to Lead flows 1,210 1,100 20 90");
    page.says("partners to Lead waits");
}

fn trouble() -> TroubleStatus {
    TroubleStatus {
        page: "LS5008".into(),
        text: "Lead has changed in Salesforce".into(),
        remedy: "undo the change".into(),
        since: NOW,
        attempt: 1,
        next_try: None,
    }
}

#[tokio::test]
async fn a_route_shows_types_of_both_sides_and_what_changed() {
    let mut console = Console::new();
    console.change(|status| status.routes[0].trouble = Some(trouble()));
    let page = console
        .with(testing::get("/routes/leads"), Role::Operator, tell)
        .await;
    page.says("Last Name LastName required text, up to 80 characters last_name VARCHAR(120) , may be NULL");
    page.says("Gone__c required not there or not visible");
    page.says("The route waits Lead has changed in Salesforce To do: undo the change");
    page.says("Lead: Gone__c is gone");
    page.says("Describe again");
    assert!(!page.text.contains("<script>"));
    assert!(page.text.contains(r#"name="csrf" value="the-csrf-token""#));
}

#[tokio::test]
async fn a_viewer_changes_nothing() {
    let mut console = Console::new();
    let page = console
        .with(testing::get("/routes/leads"), Role::Viewer, tell)
        .await;
    page.says_not("Describe again");
    let page = console
        .post("/routes/leads/describe", "", Role::Viewer)
        .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    page.says("Not allowed This needs the role operator");
    assert!(
        console.commands.try_recv().is_err(),
        "nothing was asked of the driver"
    );
}

#[tokio::test]
async fn describing_again_says_what_came_of_it() {
    let mut console = Console::new();
    let post = testing::post("/routes/leads/describe", "csrf=x");
    let described = |command| {
        let Command::Describe { answer, .. } = command else {
            panic!("{command:?}");
        };
        answer.send(Ok(1)).unwrap();
    };
    let page = console.with(post, Role::Operator, described).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(page.location.as_deref(), Some("/routes/leads?described=1"));
    let page = testing::get("/routes/leads?described=1");
    let page = console.with(page, Role::Operator, tell).await;
    page.says("One object has changed; see below.");
}

#[tokio::test]
async fn what_a_service_cannot_tell_now_is_said_and_the_rest_is_shown() {
    let mut console = Console::new();
    let declined = |command| {
        let Command::Routes { answer } = command else {
            panic!("{command:?}");
        };
        answer
            .send(Err(Declined::not_now("it is stopping")))
            .unwrap();
    };
    let page = console
        .with(testing::get("/routes/leads"), Role::Viewer, declined)
        .await;
    assert_eq!(page.status, StatusCode::OK);
    page.says("The mapping cannot be shown now");
    page.says("Came in 1,210");
    let page = console.get("/routes/nobody", Role::Viewer).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    page.says("There is no route of that name");
}

fn paused(console: &Console) {
    console.change(|status| {
        status.routes[0].operator_pause = Some(OperatorPause {
            author: "grace".into(),
            since: NOW,
            reason: format!("Ada Lovelace asked {SCRIPT}"),
        });
    });
}

fn acted(command: Command) {
    let Command::Route(RouteCommand {
        route,
        author,
        answer,
        ..
    }) = command
    else {
        panic!("{command:?}");
    };
    assert_eq!(author, "ann");
    let acted = RouteActed {
        route,
        changed: true,
        pause: None,
    };
    answer.send(Ok(acted)).unwrap();
}

#[tokio::test]
async fn an_operator_pauses_and_resumes_and_a_viewer_does_neither() {
    let mut console = Console::new();
    for (act, said) in [
        ("pause", "The route is paused"),
        ("resume", "The route goes on"),
    ] {
        let path = format!("/routes/leads/{act}");
        let page = console.post(&path, "reason=x", Role::Viewer).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{act}");
        assert!(console.commands.try_recv().is_err(), "{act} was asked for");
        let post = testing::post(&path, "reason=x");
        let page = console.with(post, Role::Operator, acted).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER);
        let to = page.location.unwrap();
        let page = console.with(testing::get(&to), Role::Operator, tell).await;
        page.says(said);
    }
    let page = console.post("/routes/nobody/pause", "reason=x", Role::Operator);
    assert_eq!(page.await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_paused_route_says_who_and_since_when_and_only_operators_read_why() {
    let mut console = Console::new();
    paused(&console);
    let get = || testing::get("/routes/leads");
    let page = console.with(get(), Role::Operator, tell).await;
    page.says("grace has paused it Ada Lovelace asked");
    page.says("Resume");
    page.says_not("Pause …");
    assert!(!page.text.contains(SCRIPT), "it is rendered inert");
    let page = console.with(get(), Role::Viewer, tell).await;
    page.says("grace has paused it A•••");
    assert!(!page.text.contains("Lovelace"), "{}", page.text);
    page.says_not("Resume");
    let page = console.with(testing::get("/routes"), Role::Viewer, tell);
    page.await.says("leads crm.leads to Lead paused");
}

#[test]
fn rows_are_read_masked_for_those_who_may_not_see_people() {
    for role in [Role::Viewer, Role::Operator, Role::Admin] {
        let who = Identity {
            name: "ann".into(),
            role,
            csrf: None,
        };
        match newest_rows("leads", &who) {
            Query::Preview { masked, .. } => assert_eq!(masked, role == Role::Viewer),
            other => panic!("{other:?}"),
        }
    }
}
