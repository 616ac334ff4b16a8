//! Contents, log, snapshot and reset by the control endpoints and by library calls.
use std::time::Duration;

use salesforce_sandbox::{
    Action, Fault, LeadSnapshot, OrgConfig, OrgSnapshot, RequestRecord, Stats,
};
use serde_json::{Value, json};

use crate::harness::{Org, check_accepted, check_error, lead, lead_with};

const LIMITS: &str = "/services/data/v67.0/limits";

fn three_leads() -> Org {
    let org = Org::demo();
    let named = |key, first, last, email| {
        lead_with(
            key,
            json!({ "FirstName": first, "LastName": last, "Email": email }),
        )
    };
    org.upsert(&[
        named("a1", "Ada", "Lovelace", "ada@example.com"),
        named("A,2", "Grace", "Hopper", "grace@example.com"),
        named("b3", "Barbara", "Ärger", "twin@example.com"),
        named("b4", "Ada", "Noether", "twin@example.com"),
    ]);
    org
}

fn keys(leads: &Value) -> Vec<&str> {
    let leads = leads.as_array().unwrap().iter();
    leads
        .map(|lead| lead["fields"]["MySQL_Id__c"].as_str().unwrap())
        .collect()
}

#[test]
fn leads_are_found_by_key_by_text_and_by_id() {
    let org = three_leads();
    let check = |query: &str, expected: &[&str]| {
        let leads = org.show(&format!("leads?{query}"));
        assert_eq!(keys(&leads), expected, "{query}");
    };
    check("", &["a1", "A,2", "b3", "b4"]);
    check("order=newest&limit=2", &["b4", "b3"]);
    check("order=newest&offset=1&limit=2", &["b3", "A,2"]);
    check("keys=b3,nobody,A1", &["b3", "a1"]);
    check("key=a%2C2&keys=b4", &["b4", "A,2"]);
    check("key_field=Email&keys=twin@example.com", &["b3", "b4"]);
    check("keys=", &[]);
    check("search=ADA+love", &["a1"]);
    check("search=%C3%A4RGER", &["b3"]);
    check("search=ada", &["b4", "a1"]);
    check("search=twin@&offset=1", &["b3"]);
    check("search=lovelace%20acme", &[]);
    check("search=a,", &["A,2"]);
    check("search=nobody", &[]);
    let leads = org.sandbox.leads();
    check(&format!("search={}", leads[1].id), &["A,2"]);
    let by_id = |id: &str| org.control("GET", &format!("leads/{id}")).send();
    assert_eq!(
        by_id(&leads[0].id).json(),
        serde_json::to_value(&leads[0]).unwrap()
    );
    assert_eq!(by_id(&leads[0].id[..15]).status, 200);
    assert_eq!(by_id("00Q000000000000").status, 404);
    assert_eq!(by_id("%00").status, 404);
    assert_eq!(org.sandbox.lead(&leads[3].id).as_ref(), Some(&leads[3]));
    assert_eq!(
        org.sandbox.leads_by_key("MySQL_Id__c", ["b4"]),
        Some(vec![leads[3].clone()])
    );
    assert_eq!(org.sandbox.leads_by_key("Company", ["Acme"]), None);
    assert_eq!(org.sandbox.leads_by_key("Nope__c", ["x"]), None);
}

#[test]
fn a_search_goes_through_all_leads_and_passes_over_deleted_ones() {
    let org = Org::demo();
    for start in (0..12_000).step_by(200) {
        let records: Vec<Value> = (start..start + 200)
            .map(|n| lead(&format!("k{n}")))
            .collect();
        org.upsert(&records);
    }
    assert_eq!(
        keys(&org.show("leads?search=K7")).len(),
        1 + 10 + 100 + 1_000
    );
    assert_eq!(
        keys(&org.show("leads?search=k123&limit=3")),
        ["k1239", "k1238", "k1237"]
    );
    let gone = org.sandbox.leads_by_key("MySQL_Id__c", ["k0"]).unwrap();
    let path = format!("/services/data/v67.0/sobjects/Lead/{}", gone[0].id);
    assert_eq!(org.ask("DELETE", &path).send().status, 204);
    assert_eq!(keys(&org.show("leads?search=k0")), [] as [&str; 0]);
    assert_eq!(
        org.control("GET", &format!("leads/{}", gone[0].id))
            .send()
            .status,
        404
    );
}

#[test]
fn an_emptied_org_takes_the_same_keys_for_new_leads() {
    let org = three_leads();
    let before = org.sandbox.leads();
    assert_eq!(org.control("DELETE", "leads").send().status, 204);
    assert_eq!(org.sandbox.stats().leads, 0);
    assert_eq!(org.show("leads"), json!([]));
    let results = org.upsert(&[lead("a1")]);
    check_accepted(&results[0], true);
    assert!(before.iter().all(|lead| lead.id != results[0]["id"]));
    let path = format!("/services/data/v67.0/sobjects/Lead/{}", before[0].id);
    assert_eq!(
        org.patch(&path, &json!({ "City": "Ulm" })).status,
        404,
        "gone for good"
    );
    org.sandbox.empty();
    assert!(org.sandbox.leads().is_empty());
}

#[test]
fn the_request_log_is_read_in_pieces_and_by_what_was_asked() {
    let org = Org::demo();
    org.upsert(&[lead("1")]);
    org.sandbox
        .faults()
        .add(Fault::new(Action::Drop { commit: false }).times(1));
    assert!(org.ask("GET", LIMITS).try_send().is_err());
    org.get(LIMITS);
    org.get("/services/data/v67.0/nowhere");
    let check = |query: &str, expected: &[u64]| {
        let entries: Vec<RequestRecord> =
            serde_json::from_value(org.show(&format!("requests?{query}"))).unwrap();
        let found: Vec<u64> = entries.iter().map(|e| e.reply_sequence).collect();
        assert_eq!(found, expected, "{query}");
    };
    check("", &[1, 2, 3, 4, 5]);
    check("since=2", &[3, 4, 5]);
    check("since=2&limit=1", &[3]);
    check("since=9", &[]);
    check("order=newest&limit=2", &[5, 4]);
    check("path=/services/data/v67.0/limits", &[3, 4]);
    check("status=404", &[5]);
    check("status=4xx", &[5]);
    check("status=2XX&method=patch", &[2]);
    check("status=none", &[3]);
}

#[test]
fn the_log_tells_the_headers_that_matter_but_no_token() {
    let org = Org::demo();
    org.collection(&[lead("1")])
        .header("Sforce-Duplicate-Rule-Header", "allowSave=true")
        .header("Accept", "application/json")
        .header("User-Agent", &"long".repeat(200))
        .send();
    let entry = org.sandbox.requests().pop().unwrap();
    assert_eq!(entry.duplicate_rule.as_deref(), Some("allowSave=true"));
    assert_eq!(entry.accept.as_deref(), Some("application/json"));
    assert_eq!(
        entry.user_agent.unwrap().len(),
        256,
        "what is too long is cut"
    );
    for path in ["requests", "page.json", "snapshot", "stats"] {
        let shown = org.show(path).to_string();
        assert!(!shown.contains(&org.token), "{path}");
        assert!(!shown.contains("leadstream-demo-secret"), "{path}");
    }
}

#[test]
fn parameters_that_nobody_knows_or_understands_are_told() {
    let org = Org::demo();
    for (path, expected) in [
        (
            "leads?ofset=1",
            "ofset: unknown parameter, expected one of offset, limit",
        ),
        ("leads?offset=-1", "offset: must be a number, not `-1`"),
        (
            "leads?order=up",
            "order: must be oldest or newest, not `up`",
        ),
        ("leads?key_field=Email", "key_field: needs keys or key"),
        (
            "leads?key_field=Company&keys=x",
            "key_field: `Company` is no external id",
        ),
        ("requests?status=4", "status: must be a status such as 404"),
        ("requests?since=x", "since: must be a number"),
        ("page.json?limit=x", "limit: must be a number"),
    ] {
        check_error(
            &org.control("GET", path).send(),
            400,
            "INVALID_ARGUMENT",
            expected,
        );
    }
}

#[test]
fn a_snapshot_is_the_whole_org_as_one_object() {
    let org = three_leads();
    org.sandbox.faults().add(
        Fault::new(Action::Html {
            status: 500,
            commit: false,
        })
        .times(0),
    );
    let snapshot: OrgSnapshot = serde_json::from_value(org.show("snapshot")).unwrap();
    let mut here = org.sandbox.snapshot();
    assert!(here.overview.now_wall_micros >= snapshot.overview.now_wall_micros);
    here.overview.now_wall_micros = snapshot.overview.now_wall_micros;
    here.overview.now_monotonic_micros = snapshot.overview.now_monotonic_micros;
    assert_eq!(here, snapshot);
    assert_eq!(snapshot.leads, org.sandbox.leads());
    assert_eq!(snapshot.overview.stats, org.sandbox.stats());
    assert_eq!(
        (snapshot.overview.sessions, snapshot.overview.faults.len()),
        (1, 1)
    );
    assert_eq!(snapshot.overview.usage.api_calls.used, 1);
    assert_eq!(snapshot.overview.org_id.len(), 18);
    let plain = org.show("snapshot");
    for key in [
        "leads",
        "stats",
        "usage",
        "sessions",
        "faults",
        "held",
        "stepping",
        "now_wall_micros",
    ] {
        assert!(plain.get(key).is_some(), "{key}");
    }
}

#[test]
fn a_reset_org_is_as_at_its_start_but_for_its_clock() {
    let fault = Fault::new(Action::Html {
        status: 502,
        commit: false,
    })
    .after_seconds(3_600);
    let org = Org::with(OrgConfig {
        faults: vec![fault],
        ..OrgConfig::default()
    });
    org.upsert(&[lead("1")]);
    org.sandbox.faults().add(Fault::new(Action::Pass {}));
    org.sandbox.faults().set_step(true);
    org.sandbox.use_up(10, 10);
    org.sandbox.advance_clock(Duration::from_secs(3_000));
    let id = org.sandbox.leads()[0].id.clone();
    let moment = org.sandbox.snapshot().overview.now_monotonic_micros;
    assert_eq!(org.control("POST", "reset").send().status, 204);
    let after = org.sandbox.snapshot();
    assert!(after.leads.is_empty() && !after.overview.stepping);
    assert_eq!(after.overview.stats, Stats::default());
    assert_eq!(
        (after.overview.sessions, after.overview.usage.api_calls.used),
        (0, 0)
    );
    assert_eq!(after.overview.usage.bulk_batches.used, 0);
    assert!(after.overview.now_monotonic_micros >= moment);
    assert!(org.sandbox.requests().is_empty());
    assert_eq!(org.get(LIMITS).status, 401, "sessions are gone");
    // The configured fault is armed anew, from now on.
    assert_eq!(after.overview.faults.len(), 1);
    org.sandbox.advance_clock(Duration::from_secs(3_599));
    assert_eq!(org.get("/services/data").status, 200);
    org.sandbox.advance_clock(Duration::from_secs(1));
    assert_eq!(org.get("/services/data").status, 502);
    org.sandbox.faults().clear();
    let again = Org {
        token: org.log_in(),
        ..org
    };
    let results = again.upsert(&[lead("1")]);
    check_accepted(&results[0], true);
    assert_ne!(results[0]["id"], id.as_str());
    assert_eq!(again.sandbox.requests()[0].sequence, 3, "numbers go on");
}

#[test]
fn the_clock_is_shown_and_moved_together() {
    let org = Org::demo();
    let before = org.show("clock");
    let moved = org
        .control("POST", "clock")
        .json(&json!({ "advance_seconds": 90 }))
        .send()
        .json();
    for name in ["now_micros", "running_micros"] {
        let by = moved[name].as_i64().unwrap() - before[name].as_i64().unwrap();
        assert!((90_000_000..200_000_000).contains(&by), "{name}: {by}");
    }
}

#[test]
fn the_control_endpoints_list_themselves_and_each_answers() {
    let org = Org::demo();
    let list = org.ask_anonymously("GET", "/__sandbox").send().json();
    let entries = list["endpoints"].as_array().unwrap().clone();
    assert!(entries.len() > 20);
    for entry in entries {
        let text = |name: &str| entry[name].as_str().unwrap().to_owned();
        let (method, path) = (text("method"), text("path"));
        assert!(text("does").len() > 3);
        let path = path.replace("{id}", "1");
        let answer = org.ask_anonymously(&method, &path).send();
        assert_ne!(answer.status, 405, "{method} {path}");
        assert!(
            answer.status != 404 || path.contains("/1"),
            "{method} {path}"
        );
        assert!(answer.status < 500, "{method} {path}");
        let other = org.ask_anonymously("PUT", &path).send();
        assert_eq!(other.status, 405, "{path}");
        assert!(
            other.header("allow").unwrap().contains(&method),
            "{method} {path}"
        );
    }
    assert_eq!(org.control("GET", "nothing").send().status, 404);
    assert_eq!(org.control("GET", "stats/more").send().status, 404);
    assert_eq!(
        org.sandbox.stats().requests,
        0,
        "the list has reset the org; nothing is counted"
    );
}

#[test]
fn a_page_of_another_site_cannot_change_anything() {
    let org = three_leads();
    let host = org.sandbox.address().to_string();
    let own = format!("http://{host}");
    let empty = || org.control("DELETE", "leads");
    for (name, value) in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        let answer = empty().header(name, value).send();
        check_error(
            &answer,
            403,
            "FORBIDDEN",
            "The control endpoints take no changes from pages of other sites",
        );
    }
    assert_eq!(org.sandbox.stats().leads, 4);
    let answer = empty()
        .header("Origin", &own)
        .header("Sec-Fetch-Site", "same-origin")
        .send();
    assert_eq!(answer.status, 204);
    assert_eq!(org.sandbox.stats().leads, 0);
}

#[test]
fn no_control_endpoint_is_disturbed_by_faults_or_junk() {
    let org = Org::demo();
    org.sandbox
        .faults()
        .add(Fault::new(Action::Drop { commit: false }));
    org.sandbox.faults().set_step(true);
    let stats: Stats = serde_json::from_value(org.show("stats")).unwrap();
    assert_eq!((stats.requests, stats.held_requests), (1, 0));
    let leads: Vec<LeadSnapshot> = serde_json::from_value(org.show("leads")).unwrap();
    assert!(leads.is_empty());
    for path in ["step", "release", "clock", "usage", "faults"] {
        for junk in ["{", "[1]", "\"x\"", "{\"a\":", "\u{1}", "{\"on\":{}}"] {
            let answer = org
                .control("POST", path)
                .body("application/json", junk)
                .send();
            assert_eq!(answer.status, 400, "{path} {junk:?}: {answer:?}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(
            org.control("POST", path)
                .body("application/json", deep)
                .send()
                .status,
            400
        );
    }
}
