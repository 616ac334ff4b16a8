//! Pausing a route and changing the log level over HTTP: who may, what a second time does, and what
//! viewers see of it.

use super::*;
use crate::core::acts::OperatorPause;
use crate::core::time::Micros;
use crate::runtime::route_acts::{RouteActed, RouteWish};

const REASON: &str = "Grace Hopper moves the org";

/// Sends it while a driver, whose one route is paused from the first time on, answers.
async fn pause(api: &mut Api, key: Option<&str>) -> (Said, usize) {
    let body = json!({ "reason": REASON }).to_string();
    let mut request = request("POST", "/api/v1/routes/leads/pause", &body);
    if let Some(key) = key {
        let headers = request.headers_mut();
        headers.insert("idempotency-key", key.parse().unwrap());
    }
    let (commands, router) = (&mut api.commands, api.router.clone());
    let asked = router.oneshot(request);
    tokio::pin!(asked);
    let mut carried_out = 0;
    let response = loop {
        tokio::select! {
            response = &mut asked => break response.unwrap(),
            Some(Command::Route(command)) = commands.recv() => {
                carried_out += 1;
                assert_eq!(command.author, "anna");
                assert_eq!(command.wish, RouteWish::Pause(REASON.to_owned()));
                let pause = OperatorPause {
                    author: "bob".to_owned(),
                    since: Micros(5),
                    reason: "before".to_owned(),
                };
                let acted = RouteActed { route: command.route, changed: false, pause: Some(pause) };
                command.answer.send(Ok(acted)).unwrap();
            }
        }
    };
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1 << 16).await;
    let said = Said {
        status,
        kind: String::new(),
        allow: String::new(),
        body: serde_json::from_slice(&body.unwrap()).unwrap(),
    };
    (said, carried_out)
}

#[tokio::test]
async fn pausing_what_is_paused_is_no_error_and_tells_who_did_first() {
    let mut api = Api::new(Some(Role::Operator));
    for _ in 0..2 {
        let (said, carried_out) = pause(&mut api, None).await;
        assert_eq!((said.status, carried_out), (200, 1), "{}", said.body);
        let pause = json!({"author": "bob", "since": 5, "reason": "before"});
        let acted = json!({"route": "leads", "changed": false, "pause": pause});
        assert_eq!(said.body, acted);
    }
    let (first, _) = pause(&mut api, Some("k")).await;
    let (again, carried_out) = pause(&mut api, Some("k")).await;
    assert_eq!(
        (again.body, carried_out),
        (first.body, 0),
        "of the same key"
    );
}

#[tokio::test]
async fn a_viewer_pauses_nothing_and_the_reason_is_refused_or_bounded() {
    let mut api = Api::new(Some(Role::Viewer));
    for (method, path) in [
        ("POST", "/api/v1/routes/leads/pause"),
        ("POST", "/api/v1/routes/leads/resume"),
        ("POST", "/api/v1/log-level"),
        ("DELETE", "/api/v1/log-level"),
    ] {
        check_problem(&api.ask(method, path).await, 403, "LS6051", "operator");
    }
    assert!(api.commands.try_recv().is_err(), "nothing was asked");
    let api = Api::new(Some(Role::Operator));
    for body in ["{}", r#"{"reason": 1}"#, r#"{"reason": "x", "route": "y"}"#] {
        let request = request("POST", "/api/v1/routes/leads/pause", body);
        check_problem(&api.send(request).await, 400, "LS6060", "");
    }
}

#[tokio::test]
async fn a_reason_is_masked_for_viewers() {
    let mut told = json!({"acts": [{"author": "bob", "what": "pause_route", "reason": REASON}]});
    crate::operator::mask::people(&mut told);
    assert_eq!(told["acts"][0]["author"], "bob");
    assert!(!told.to_string().contains("Hopper"), "{told}");
    let api = Api::new(Some(Role::Viewer));
    let said = api.ask("GET", "/api/v1/status").await;
    assert_eq!(said.body["routes"][0]["operator_pause"], Value::Null);
}

#[tokio::test]
async fn a_wrong_path_or_method_says_which_are_right() {
    let api = Api::new(Some(Role::Admin));
    check_problem(
        &api.ask("GET", "/api/v1/nothing").await,
        404,
        "LS6061",
        "no such path",
    );
    for endpoint in ENDPOINTS {
        let path = filled(&format!("{ROOT}{}", endpoint.path));
        let said = api.ask("PATCH", &path).await;
        check_problem(&said, 405, "LS6061", "no such method");
        let mut allowed = said.allow.split(", ");
        assert!(
            allowed.any(|it| it == endpoint.method.as_str()),
            "{path}: {}",
            said.allow
        );
    }
}
