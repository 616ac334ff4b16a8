//! Methods of `/sobjects/Lead` and `/sobjects/Lead/Id` (facts 2).
use serde_json::json;

use crate::harness::{Org, check_error};

const LEAD: &str = "/services/data/v67.0/sobjects/Lead";

#[test]
fn a_refused_method_is_none_of_those_that_are_allowed() {
    let org = Org::demo();
    for (path, allowed) in [("", "GET,HEAD,POST"), ("/Id", "POST")] {
        for method in ["GET", "PATCH", "PUT", "DELETE"] {
            let record = json!({ "LastName": "Doe", "Company": "Acme" });
            let answer = org
                .ask(method, &format!("{LEAD}{path}"))
                .json(&record)
                .send();
            if allowed.contains(method) {
                assert_eq!(answer.status, 200, "{method} {path}");
                continue;
            }
            let text = format!("HTTP Method '{method}' not allowed. Allowed are {allowed}");
            check_error(&answer, 405, "METHOD_NOT_ALLOWED", &text);
            assert_eq!(answer.header("allow"), Some(allowed));
        }
    }
    assert_eq!(org.sandbox.stats().leads, 0);
}

#[test]
fn head_is_get_without_a_body() {
    let org = Org::demo();
    let answer = org.ask("HEAD", LEAD).header("connection", "close").send();
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}

#[test]
fn the_name_of_the_id_field_creates() {
    let org = Org::demo();
    let record = json!({ "LastName": "Doe", "Company": "Acme" });
    let answer = org.ask("POST", &format!("{LEAD}/Id")).json(&record).send();
    assert_eq!(answer.status, 201);
    assert_eq!(org.sandbox.stats().leads, 1);
}
