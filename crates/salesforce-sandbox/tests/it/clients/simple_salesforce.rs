//! The flows of simple-salesforce.
use salesforce_sandbox::OrgConfig;
use serde_json::{Value, json};

use super::client_org::{Client, ClientOrg, RULE_OWNER, RULES, over_every_wire};

#[track_caller]
fn check(script: &str, config: impl Fn() -> OrgConfig, check: impl Fn(&ClientOrg, &Value)) {
    over_every_wire(Client::SimpleSalesforce, script, config, check);
}

#[test]
fn simple_salesforce_logs_in_with_client_credentials() {
    check("login_client_credentials", OrgConfig::default, |org, _| {
        let answers = [Some(200), Some(400), Some(400)];
        assert_eq!(org.statuses("POST", "/oauth2/token"), answers);
    });
}

#[test]
fn simple_salesforce_logs_in_with_a_signed_assertion() {
    check("login_jwt", OrgConfig::default, |org, _| {
        assert_eq!(org.sandbox.stats().logins, 3);
        assert_eq!(org.statuses("POST", "/oauth2/token").len(), 6);
    });
}

#[test]
fn simple_salesforce_logs_in_with_a_users_password() {
    check("login_password", OrgConfig::default, |org, _| {
        let answers = [Some(200), Some(400)];
        assert_eq!(org.statuses("POST", "/oauth2/token"), answers);
    });
}

#[test]
fn simple_salesforce_logs_in_by_soap() {
    let config = || OrgConfig {
        trusted_network: true,
        ..OrgConfig::default()
    };
    check("login_soap", config, |org, _| {
        let answers = [200, 200, 200, 500].map(Some);
        assert_eq!(org.statuses("POST", "/Soap/u/67.0"), answers);
    });
}

#[test]
fn simple_salesforce_learns_what_the_org_is() {
    check("discovery", OrgConfig::default, |org, report| {
        assert_eq!(report["used"], org.sandbox.stats().api_calls);
    });
}

#[test]
fn simple_salesforce_writes_and_reads_one_lead_at_a_time() {
    check("rows", OrgConfig::default, |org, report| {
        let leads = org.sandbox.leads();
        assert_eq!(leads.len(), 1, "{leads:?}");
        assert_eq!(leads[0].id, report["id"].as_str().unwrap());
        assert_eq!(leads[0].writes, 4);
        assert_eq!(leads[0].fields.get("Company"), Some(&json!("Acme Two")));
        assert_eq!(leads[0].fields.get("Email"), None);
    });
}

#[test]
fn simple_salesforce_is_told_why_a_write_is_refused() {
    check("refusals", OrgConfig::default, |org, _| {
        let keys = ["taken", "g", "h", "a"].map(|key| json!(key));
        assert_eq!(org.values("MySQL_Id__c"), keys);
    });
}

#[test]
fn simple_salesforce_runs_into_the_rules_of_the_org() {
    let config = || toml::from_str(RULES).unwrap();
    check("rules", config, |org, _| {
        assert_eq!(org.values("MySQL_Id__c"), ["1", "2"].map(|key| json!(key)));
    });
}

#[test]
fn simple_salesforce_sends_headers_that_the_org_heeds() {
    let config = || OrgConfig {
        assignment_rule_owner: Some(RULE_OWNER.into()),
        ..OrgConfig::default()
    };
    check("headers", config, |org, _| {
        let requests = org.sandbox.requests();
        let writes: Vec<_> = requests.iter().filter(|r| !r.keys.is_empty()).collect();
        let assign: Vec<_> = writes.iter().map(|r| r.auto_assign.as_deref()).collect();
        assert_eq!(assign, [Some("FALSE"), None, Some("FALSE"), None, None]);
        let options = "client=acme-sync; defaultNamespace=acme";
        assert_eq!(writes[0].call_options.as_deref(), Some(options));
        assert_eq!(writes[4].content_encoding.as_deref(), Some("gzip"));
        assert_eq!(org.values("OwnerId"), [RULE_OWNER; 3].map(|id| json!(id)));
    });
}

#[test]
fn simple_salesforce_logs_in_anew_when_its_session_dies() {
    let config = || OrgConfig {
        session_idle_seconds: Some(7200),
        assignment_rule_owner: Some(RULE_OWNER.into()),
        ..OrgConfig::default()
    };
    check("sessions", config, |org, _| {
        // The first, one for each of two sessions that died, four that did not help.
        assert_eq!(org.sandbox.stats().logins, 1 + 2 + 4);
        let requests = org.sandbox.requests();
        let creations = requests
            .iter()
            .filter(|r| r.method == "POST" && r.path.ends_with("/Lead/"));
        let seen: Vec<_> = creations
            .map(|r| (r.status, r.auto_assign.as_deref()))
            .collect();
        let expected = [
            (Some(401), Some("FALSE")),
            (Some(201), None),
            (Some(201), None),
        ];
        assert_eq!(seen, expected);
    });
}

#[test]
fn simple_salesforce_sees_the_quota_shrink_and_run_out() {
    let config = || OrgConfig {
        daily_api_requests: 3,
        per_app_limit: Some(2),
        ..OrgConfig::default()
    };
    check("limits", config, |org, _| {
        assert_eq!(org.sandbox.stats().api_calls, 4);
        assert_eq!(org.sandbox.stats().leads, 2);
    });
}

#[test]
fn simple_salesforce_is_refused_while_long_calls_fill_the_org() {
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
fn simple_salesforce_survives_outages() {
    check("outages", OrgConfig::default, |org, _| {
        assert_eq!(org.values("MySQL_Id__c"), [json!("2")]);
        assert_eq!(org.sandbox.leads()[0].writes, 2);
        assert_eq!(org.statuses("GET", "/v30.0/sobjects"), [Some(410)]);
    });
}

#[test]
fn simple_salesforce_sends_several_requests_in_one() {
    check("composite", OrgConfig::default, |org, report| {
        assert_eq!(report["used"], org.sandbox.stats().api_calls);
        let keys = ["1", "2", "t0", "t1", "t2"].map(|key| json!(key));
        assert_eq!(org.values("MySQL_Id__c"), keys);
    });
}

#[test]
fn simple_salesforce_queries_leads_and_the_org() {
    check("query", OrgConfig::default, |org, _| {
        assert_eq!(org.sandbox.stats().leads, 450);
        let bad = org.statuses("GET", "/query/");
        assert_eq!(bad.iter().filter(|status| **status == Some(400)).count(), 3);
    });
}

#[test]
fn simple_salesforce_writes_in_bulk() {
    check("bulk_ingest", OrgConfig::default, |org, _| {
        let leads = org.sandbox.leads();
        assert_eq!(leads.len(), 250 + 1 - 2);
        let seven = leads
            .iter()
            .find(|lead| lead.fields.get("MySQL_Id__c") == Some(&json!("7")));
        let seven = seven.unwrap();
        let text = json!("Zeile eins\nZeile \"zwei\", mit; allen | Trennern\tund ü 漢");
        assert_eq!(seven.fields.get("Description"), Some(&text));
        assert_eq!(seven.fields.get("Score__c"), None);
    });
}

#[test]
fn simple_salesforce_finds_every_row_of_a_bulk_job_that_fails_or_is_stopped() {
    check("bulk_troubles", OrgConfig::default, |org, _| {
        assert_eq!(org.sandbox.stats().leads, 199);
    });
}

#[test]
fn simple_salesforce_queries_in_bulk() {
    check("bulk_query", OrgConfig::default, |org, _| {
        assert_eq!(org.sandbox.stats().leads, 119);
        assert_eq!(org.statuses("POST", "/jobs/query"), [Some(200); 4]);
    });
}
