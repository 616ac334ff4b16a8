//! `/composite/graph`: sequences that are each all or none (facts 4).
use serde_json::{Value, json};

use crate::composite::{check_failed, doe, part};
use crate::harness::{Answer, Org, check_error};

const GRAPH: &str = "/services/data/v67.0/composite/graph";
const LEAD: &str = "/services/data/v67.0/sobjects/Lead";
const ROLLED_BACK: &str =
    "The transaction was rolled back since another operation in the same transaction failed.";

fn graph(id: &str, parts: &[Value]) -> Value {
    json!({ "graphId": id, "compositeRequest": parts })
}

fn post(org: &Org, graphs: &[Value]) -> Answer {
    org.ask("POST", GRAPH)
        .json(&json!({ "graphs": graphs }))
        .send()
}

/// Sends graphs that are answered with 200 and returns them.
#[track_caller]
fn graphs(org: &Org, graphs: &[Value]) -> Vec<Value> {
    let answer = post(org, graphs);
    assert_eq!(answer.status, 200, "{}", answer.json());
    let answered = answer.json()["graphs"].as_array().unwrap().clone();
    assert_eq!(answered.len(), graphs.len());
    for (answered, asked) in answered.iter().zip(graphs) {
        assert_eq!(answered["graphId"], asked["graphId"]);
    }
    answered
}

fn of(graph: &Value) -> &Vec<Value> {
    graph["graphResponse"]["compositeResponse"]
        .as_array()
        .unwrap()
}

fn create(id: &str) -> Value {
    part(id, "POST", LEAD, doe())
}

fn bad(id: &str) -> Value {
    part(id, "POST", LEAD, json!({ "LastName": "Doe" }))
}

#[track_caller]
fn check_limit(answer: &Answer, text: &str) {
    assert_eq!(answer.status, 200);
    let expected = json!({ "graphs": [{
        "graphId": null,
        "graphResponse": { "compositeResponse": [{
            "body": [{ "errorCode": "LIMIT_EXCEEDED", "message": text }],
            "httpHeaders": {}, "httpStatusCode": 400, "referenceId": null,
        }] },
        "isSuccessful": false,
    }] });
    assert_eq!(answer.json(), expected);
}

#[test]
fn each_graph_is_kept_or_undone_by_itself() {
    let org = Org::demo();
    let change = |id: &str| {
        part(
            "change",
            "PATCH",
            &format!("{LEAD}/@{{{id}.id}}"),
            json!({ "Title": "CTO" }),
        )
    };
    let answered = graphs(
        &org,
        &[
            graph("1", &[create("a"), change("a")]),
            graph("2", &[create("a"), bad("b"), create("c")]),
            graph(
                "3",
                &[
                    create("x"),
                    part("other", "GET", &format!("{LEAD}/@{{a.id}}"), json!(null)),
                ],
            ),
            graph(
                "4",
                &[
                    part("up", "PATCH", &format!("{LEAD}/MySQL_Id__c/1"), doe()),
                    change("up"),
                ],
            ),
        ],
    );
    let kept: Vec<_> = answered.iter().map(|g| g["isSuccessful"].clone()).collect();
    assert_eq!(kept, [true, false, false, true]);
    let first = of(&answered[0]);
    assert_eq!(
        first[0]["httpHeaders"]["Location"],
        format!("{LEAD}/{}", first[0]["body"]["id"].as_str().unwrap())
    );
    assert_eq!(
        (&first[1]["httpStatusCode"], &first[1]["referenceId"]),
        (&json!(204), &json!("change"))
    );
    let second = of(&answered[1]);
    check_failed(&second[0], 400, "PROCESSING_HALTED", ROLLED_BACK);
    check_failed(
        &second[1],
        400,
        "REQUIRED_FIELD_MISSING",
        "Required fields are missing: [Company]",
    );
    check_failed(&second[2], 400, "PROCESSING_HALTED", ROLLED_BACK);
    let third = of(&answered[2]);
    check_failed(
        &third[1],
        400,
        "PROCESSING_HALTED",
        "Invalid reference specified. No value for a.id found in a.",
    );
    let stats = org.sandbox.stats();
    assert_eq!(
        (
            stats.leads,
            stats.records_created,
            stats.records_upserted,
            stats.api_calls
        ),
        (2, 2, 4, 1)
    );
    assert!(
        org.sandbox
            .leads()
            .iter()
            .all(|lead| lead.fields["Title"] == "CTO")
    );
    let entry = org.sandbox.requests().pop().unwrap();
    assert_eq!((entry.records, entry.keys.len()), (7, 4));
}

#[test]
fn after_14_failed_graphs_the_others_are_not_done() {
    let org = Org::demo();
    let mut asked: Vec<Value> = (0..20)
        .map(|n| graph(&n.to_string(), &[bad("a")]))
        .collect();
    asked[1] = graph("1", &[create("a")]);
    asked[16] = graph("16", &[create("a"), create("b")]);
    let answered = graphs(&org, &asked);
    for graph in &answered[..15] {
        if graph["graphId"] != "1" {
            check_failed(&of(graph)[0], 400, "REQUIRED_FIELD_MISSING", "");
        }
    }
    for graph in &answered[15..] {
        assert_eq!(graph["isSuccessful"], false);
        for response in of(graph) {
            check_failed(response, 400, "PROCESSING_HALTED", "");
        }
    }
    assert_eq!(of(&answered[16]).len(), 2);
    assert_eq!(
        (
            org.sandbox.stats().leads,
            org.sandbox.stats().records_rejected
        ),
        (1, 14)
    );
}

#[test]
fn a_call_has_at_most_75_graphs_and_500_subrequests() {
    let org = Org::demo();
    let small: Vec<Value> = (0..76)
        .map(|n| graph(&n.to_string(), &[create("a")]))
        .collect();
    check_limit(
        &post(&org, &small),
        "Limit of 75 reached for number of graphs in Graph Api",
    );
    let nodes =
        |count: usize| -> Vec<Value> { (0..count).map(|n| create(&format!("n{n}"))).collect() };
    let text = "Limit of 500 reached for number of Nodes in the Graph";
    check_limit(&post(&org, &[graph("1", &nodes(501))]), text);
    check_limit(
        &post(&org, &[graph("1", &nodes(250)), graph("2", &nodes(251))]),
        text,
    );
    assert_eq!(org.sandbox.stats().leads, 0);
    graphs(&org, &small[..75]);
    graphs(&org, &[graph("1", &nodes(250)), graph("2", &nodes(250))]);
    assert_eq!(org.sandbox.stats().leads, 575);
}

#[test]
fn a_graph_is_at_most_15_subrequests_deep() {
    let org = Org::demo();
    let chain = |length: usize| -> Vec<Value> {
        (0..length)
            .map(|n| match n {
                0 => create("n0"),
                _ => {
                    let earlier = n - 1;
                    part(
                        &format!("n{n}"),
                        "POST",
                        LEAD,
                        json!({ "LastName": format!("@{{n{earlier}.id}}"), "Company": "Acme" }),
                    )
                }
            })
            .collect()
    };
    let answered = graphs(
        &org,
        &[graph("deep", &chain(16)), graph("fine", &chain(15))],
    );
    assert_eq!(answered[0]["isSuccessful"], false);
    assert_eq!(of(&answered[0]).len(), 1);
    check_failed(
        &of(&answered[0])[0],
        400,
        "LIMIT_EXCEEDED",
        "Limit of 15 reached for depth of the Graph",
    );
    assert_eq!(of(&answered[0])[0]["referenceId"], json!(null));
    assert_eq!(answered[1]["isSuccessful"], true);
    assert_eq!(org.sandbox.stats().leads, 15);
}

#[test]
fn a_call_has_at_most_15_kinds_of_subrequests() {
    let org = Org::demo();
    let kinds = |versions: std::ops::RangeInclusive<u32>| -> Vec<Value> {
        versions
            .map(|v| {
                part(
                    &format!("v{v}"),
                    "POST",
                    &format!("/services/data/v{v}.0/sobjects/lead"),
                    doe(),
                )
            })
            .chain([part(
                "get",
                "GET",
                &format!("{LEAD}/@{{v67.id}}"),
                json!(null),
            )])
            .collect()
    };
    let text = "Limit of 15 reached for number of different Nodes in the Graph";
    check_limit(&post(&org, &[graph("1", &kinds(53..=67))]), text);
    assert_eq!(
        graphs(&org, &[graph("1", &kinds(54..=67))])[0]["isSuccessful"],
        true
    );
}

#[test]
fn only_rows_can_be_nodes() {
    let org = Org::demo();
    let nodes = [
        part("a", "GET", LEAD, json!(null)),
        part("a", "GET", &format!("{LEAD}/describe"), json!(null)),
        part("a", "GET", "/services/data/v67.0/query?q=x", json!(null)),
        part(
            "a",
            "POST",
            "/services/data/v67.0/composite/sobjects",
            json!({ "records": [] }),
        ),
        part("a", "POST", "/services/data/v49.0/sobjects/Lead", doe()),
        part("a", "PUT", &format!("{LEAD}/MySQL_Id__c/1"), doe()),
    ];
    for node in nodes {
        let answered = graphs(&org, &[graph("1", &[create("before"), node])]);
        check_failed(
            &of(&answered[0])[1],
            400,
            "PROCESSING_HALTED",
            "The resource /",
        );
    }
    assert_eq!(org.sandbox.stats().leads, 0);
}

#[test]
fn malformed_graphs_are_refused_before_anything_is_done() {
    let org = Org::demo();
    let good = || graph("1", &[create("a")]);
    let id = |id: &str| json!({ "graphs": [good(), graph(id, &[create("a")])] });
    let must = "The request must hold a list graphs";
    let ill_formed = "Provided graphId (";
    for (body, text) in [
        (json!({}), must),
        (json!({ "graphs": [] }), must),
        (
            json!({ "graphs": [{ "compositeRequest": [create("a")] }] }),
            "Missing required field: graphId",
        ),
        (
            json!({ "graphs": [{ "graphId": "1" }] }),
            "The request must hold a list compositeRequest",
        ),
        (
            json!({ "graphs": [good()], "allOrNone": true }),
            "Unrecognized field \"allOrNone\"",
        ),
        (
            json!({ "graphs": [graph("1", &[create("a"), create("a")])] }),
            "Duplicate referenceId: a",
        ),
        (
            json!({ "graphs": [graph("1", &[create("a-b")])] }),
            "Provided referenceId ('a-b')",
        ),
        (id("1"), "Duplicate graphId: 1"),
        (id(""), ill_formed),
        (id("-a"), ill_formed),
        (id("a.b"), ill_formed),
        (id(&"a".repeat(40)), ill_formed),
    ] {
        let answer = org.ask("POST", GRAPH).json(&body).send();
        check_error(&answer, 400, "JSON_PARSER_ERROR", text);
    }
    assert_eq!(org.sandbox.stats().leads, 0);
    let old = org
        .ask("POST", "/services/data/v49.0/composite/graph")
        .json(&json!({ "graphs": [good()] }))
        .send();
    check_error(&old, 404, "NOT_FOUND", "");
    check_error(&org.get(GRAPH), 405, "METHOD_NOT_ALLOWED", "");
}
