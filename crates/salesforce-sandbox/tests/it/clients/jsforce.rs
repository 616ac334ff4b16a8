//! The flows of jsforce.
use salesforce_sandbox::OrgConfig;
use serde_json::{Value, json};

use super::client_org::{Client, ClientOrg, RULE_OWNER, RULES, over_every_wire};

#[track_caller]
fn check(script: &str, config: impl Fn() -> OrgConfig, check: impl Fn(&ClientOrg, &Value)) {
    over_every_wire(Client::Jsforce, script, config, check);
}

#[test]
fn jsforce_logs_in_with_client_credentials() {
    check(
        "login_client_credentials",
        OrgConfig::default,
        |org, report| {
            assert_eq!(
                org.statuses("POST", "/oauth2/token"),
                [Some(200), Some(400), Some(400)]
            );
            assert_eq!(org.sandbox.stats().logins, 1);
            assert_eq!(report["user"].as_str().unwrap().len(), 18);
        },
    );
}

#[test]
fn jsforce_logs_in_with_a_signed_assertion() {
    check("login_jwt", OrgConfig::default, |org, _| {
        assert_eq!(org.sandbox.stats().logins, 2);
        assert_eq!(org.statuses("POST", "/oauth2/token").len(), 6);
    });
}

#[test]
fn jsforce_logs_in_with_a_users_password() {
    check("login_password", OrgConfig::default, |org, _| {
        let answers = [Some(200), Some(200), Some(400)];
        assert_eq!(org.statuses("POST", "/oauth2/token"), answers);
        assert_eq!(org.statuses("GET", "/limits"), [200, 401, 200].map(Some));
    });
}

#[test]
fn jsforce_logs_in_and_out_by_soap() {
    check("login_soap", OrgConfig::default, |org, _| {
        let answers = [200, 200, 200, 500].map(Some);
        assert_eq!(org.statuses("POST", "/Soap/u/67.0"), answers);
        assert_eq!(org.sandbox.stats().logins, 2);
    });
}

#[test]
fn jsforce_logs_in_at_a_browser_and_stays_until_it_is_forgotten() {
    check("login_code", OrgConfig::default, |org, _| {
        let answers = [200, 400, 200, 400, 400].map(Some);
        assert_eq!(org.statuses("POST", "/oauth2/token"), answers);
        assert_eq!(org.statuses("POST", "/oauth2/revoke"), [Some(200)]);
        assert_eq!(org.sandbox.stats().logins, 2);
    });
}

#[test]
fn jsforce_learns_what_the_org_is() {
    check("discovery", OrgConfig::default, |org, report| {
        assert_eq!(report["used"], org.sandbox.stats().api_calls);
    });
}

#[test]
fn jsforce_writes_and_reads_one_lead_at_a_time() {
    check("rows", OrgConfig::default, |org, report| {
        let leads = org.sandbox.leads();
        assert_eq!(leads.len(), 1, "{leads:?}");
        assert_eq!(leads[0].id, report["id"].as_str().unwrap());
        assert_eq!(leads[0].writes, 3);
        let left = json!({ "LastName": "Doe", "Company": "Acme Two", "MySQL_Id__c": "1" });
        for (field, value) in left.as_object().unwrap() {
            assert_eq!(leads[0].fields.get(field), Some(value));
        }
        assert_eq!(leads[0].fields.get("Email"), None);
    });
}

#[test]
fn jsforce_writes_collections_and_splits_long_ones() {
    check("collections", OrgConfig::default, |org, report| {
        assert_eq!(org.sandbox.stats().leads, report["left"].as_u64().unwrap());
        let calls = |method| org.statuses(method, "/composite/sobjects").len();
        // 450 in three calls, and one that is rolled back.
        assert_eq!(calls("POST"), 3 + 1);
        assert_eq!(calls("PATCH"), 3);
        assert_eq!(calls("DELETE"), 2 + 1);
        assert!(!org.values("MySQL_Id__c").contains(&json!("good")));
    });
}

#[test]
fn jsforce_is_told_why_a_write_is_refused() {
    check("refusals", OrgConfig::default, |org, _| {
        let keys = ["taken", "a", "g", "h"].map(|key| json!(key));
        assert_eq!(org.values("MySQL_Id__c"), keys);
    });
}

#[test]
fn jsforce_runs_into_the_rules_of_the_org() {
    let config = || toml::from_str(RULES).unwrap();
    check("rules", config, |org, _| {
        assert_eq!(
            org.values("MySQL_Id__c"),
            ["1", "2", "6"].map(|key| json!(key))
        );
    });
}

#[test]
fn jsforce_sends_headers_that_the_org_heeds() {
    let config = || OrgConfig {
        assignment_rule_owner: Some(RULE_OWNER.into()),
        ..OrgConfig::default()
    };
    check("headers", config, |org, _| {
        let requests = org.sandbox.requests();
        let writes = requests.iter().filter(|r| !r.keys.is_empty());
        let assign: Vec<_> = writes.map(|r| r.auto_assign.as_deref()).collect();
        assert_eq!(assign, [Some("FALSE"), None, Some("false"), None]);
        let marked = "client=jsforce-check, defaultNamespace=acme";
        assert!(
            requests
                .iter()
                .filter(|r| r.path.contains("/data/"))
                .all(|r| r.call_options.as_deref() == Some(marked))
        );
        assert_eq!(
            org.values("OwnerId"),
            [json!(RULE_OWNER), json!(RULE_OWNER)]
        );
    });
}

#[test]
fn jsforce_logs_in_anew_when_its_session_dies() {
    let config = || OrgConfig {
        session_idle_seconds: Some(7200),
        ..OrgConfig::default()
    };
    check("sessions", config, |org, report| {
        assert_eq!(report["refreshes"], 2);
        assert_eq!(org.sandbox.stats().logins, 3);
        assert_eq!(org.sandbox.leads().iter().map(|l| l.writes).sum::<u32>(), 5);
        assert_eq!(
            org.statuses("PATCH", "/MySQL_Id__c"),
            [Some(401), Some(200)]
        );
        assert_eq!(org.statuses("POST", "/oauth2/revoke"), [Some(200)]);
    });
}

#[test]
fn jsforce_sees_the_quota_shrink_and_run_out() {
    let config = || OrgConfig {
        daily_api_requests: 3,
        per_app_limit: Some(2),
        ..OrgConfig::default()
    };
    check("limits", config, |org, _| {
        assert_eq!(org.sandbox.stats().api_calls, 4);
        assert_eq!(org.sandbox.stats().leads, 3);
    });
}

#[test]
fn jsforce_is_refused_while_long_calls_fill_the_org() {
    let config = || OrgConfig {
        concurrent_long_requests: 1,
        ..OrgConfig::default()
    };
    check("concurrency", config, |org, _| {
        let keys = ["quick", "slow", "late"].map(|key| json!(key));
        assert_eq!(org.values("MySQL_Id__c"), keys);
    });
}

#[test]
fn jsforce_survives_outages() {
    check("outages", OrgConfig::default, |org, _| {
        assert_eq!(org.values("MySQL_Id__c"), [json!("2")]);
        assert_eq!(org.sandbox.leads()[0].writes, 2);
        assert_eq!(org.statuses("GET", "/limits"), [Some(503), Some(200)]);
        assert_eq!(org.statuses("GET", "/v30.0/sobjects"), [Some(410)]);
    });
}

#[test]
fn jsforce_sends_several_requests_in_one() {
    check("composite", OrgConfig::default, |org, report| {
        assert_eq!(report["used"], org.sandbox.stats().api_calls);
        let keys = org.values("MySQL_Id__c");
        assert_eq!(keys.len(), 1 + 1_000 + 2 + 2);
        for undone in ["2", "g3", "t3", "never"] {
            assert!(!keys.contains(&json!(undone)), "{undone}");
        }
        assert_eq!(
            org.sandbox.leads()[0].fields.get("City"),
            Some(&json!("Ulm"))
        );
    });
}

#[test]
fn jsforce_queries_leads_and_the_org() {
    check("query", OrgConfig::default, |org, _| {
        assert_eq!(org.sandbox.stats().leads, 449);
        let bad = org.statuses("GET", "/query");
        assert_eq!(bad.iter().filter(|status| **status == Some(400)).count(), 3);
    });
}

#[test]
fn jsforce_writes_in_bulk() {
    check("bulk_ingest", OrgConfig::default, |org, report| {
        let leads = org.sandbox.leads();
        assert_eq!(leads.len(), 250 + 1 - 2);
        let seven = leads.iter().find(|lead| json!(lead.id) == report["seven"]);
        let seven = seven.unwrap();
        assert_eq!(seven.fields.get("LastName"), Some(&json!("Roe")));
        assert_eq!(seven.fields.get("Score__c"), None);
        let text = json!("Zeile eins\nZeile \"zwei\", mit; allen | Trennern\tund ü 漢 🙂");
        let with_text = leads
            .iter()
            .filter(|lead| lead.fields.get("Description") == Some(&text));
        // All inserted rows but the two deleted ones and the one whose text was emptied.
        assert_eq!(with_text.count(), 250 - 2 - 1);
    });
}

#[test]
fn jsforce_finds_every_row_of_a_bulk_job_that_fails_or_waits() {
    check("bulk_troubles", OrgConfig::default, |org, _| {
        assert_eq!(org.sandbox.stats().leads, 199 + 300 + 1);
        assert_eq!(org.sandbox.stats().held_requests, 0);
    });
}

#[test]
fn jsforce_queries_in_bulk() {
    check("bulk_query", OrgConfig::default, |org, _| {
        assert_eq!(org.sandbox.stats().leads, 350);
        let created = org.statuses("POST", "/jobs/query");
        assert_eq!(created, [Some(200), Some(400)]);
    });
}
