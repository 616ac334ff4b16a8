//! Finding a job again whose creation was not answered, by listing (facts 5.1, 10).
use salesforce_sandbox::{Action, Endpoint, Fault, OrgConfig};
use serde_json::{Value, json};

use super::client::{INGEST, numbered, path, upsert};
use crate::harness::{Org, check_error};

#[track_caller]
fn list(org: &Org, query: &str) -> Value {
    let answer = org.get(&format!("{INGEST}{query}"));
    assert_eq!(answer.status, 200);
    answer.json()
}

#[test]
fn a_job_whose_creation_was_cut_is_listed_adopted_and_run() {
    let org = Org::demo();
    let older = org.create_job(&upsert());
    let user = org.info(&older)["createdById"].clone();
    org.sandbox.faults().add(
        Fault::new(Action::Drop { commit: true })
            .on(Endpoint::BulkCreate)
            .times(1),
    );
    let lost = org.ask("POST", INGEST).json(&upsert());
    assert!(lost.try_send().is_err(), "the connection is cut");

    let page = list(&org, "?jobType=V2Ingest");
    assert_eq!(
        (&page["done"], &page["nextRecordsUrl"]),
        (&json!(true), &Value::Null)
    );
    let orphans: Vec<&Value> = page["records"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|job| {
            job["state"] == "Open"
                && job["object"] == "Lead"
                && job["createdById"] == user
                && job["id"] != json!(older)
        })
        .collect();
    assert_eq!(orphans.len(), 1, "{page}");
    let orphan = orphans[0];
    assert_eq!(orphan["jobType"], "V2Ingest");
    assert!(orphan["createdDate"].as_str().unwrap().ends_with("+0000"));

    let id = orphan["id"].as_str().unwrap();
    let upload = format!("/{}", orphan["contentUrl"].as_str().unwrap());
    let upload = org.ask("PUT", &upload).body("text/csv", numbered(0, 3));
    assert_eq!(upload.send().status, 201);
    org.close(id);
    org.wait_for_ended(1);
    assert_eq!(org.result_sizes(id), (3, 0, 0));
    assert_eq!(org.set_state(&older, "Aborted").status, 200);
}

#[test]
fn lists_are_filtered_by_what_bulk_api_2_jobs_are() {
    let org = Org::demo();
    org.create_job(&upsert());
    for (query, count) in [
        ("", 1),
        (
            "?jobType=V2Ingest&isPkChunkingEnabled=false&queryLocator=",
            1,
        ),
        ("?concurrencyMode=parallel", 1),
        ("?jobType=V2Query", 0),
        ("?jobType=Classic", 0),
        ("?isPkChunkingEnabled=true", 0),
        ("?concurrencyMode=serial", 0),
    ] {
        let page = list(&org, query);
        assert_eq!(page["records"].as_array().unwrap().len(), count, "{query}");
        assert_eq!(page["done"], true);
    }
    let bad = org.get(&format!("{INGEST}?jobType=Nonsense"));
    check_error(&bad, 400, "INVALIDJOB", "Invalid jobType");
    let bad = org.get(&format!("{INGEST}?queryLocator=x"));
    check_error(&bad, 400, "INVALID_QUERY_LOCATOR", "invalid query locator");
}

#[test]
fn a_long_list_comes_in_pages_of_1000() {
    let org = Org::with(OrgConfig {
        request_log_entries: 0,
        ..OrgConfig::default()
    });
    let mut created: Vec<String> = (0..1_002).map(|_| org.create_job(&upsert())).collect();
    let first = list(&org, "?jobType=V2Ingest");
    assert_eq!(first["done"], false);
    assert_eq!(first["records"].as_array().unwrap().len(), 1_000);
    let next = org.get(first["nextRecordsUrl"].as_str().unwrap()).json();
    assert_eq!(
        (&next["done"], &next["nextRecordsUrl"]),
        (&json!(true), &Value::Null)
    );
    let mut listed: Vec<String> = [&first, &next]
        .iter()
        .flat_map(|page| page["records"].as_array().unwrap())
        .map(|job| job["id"].as_str().unwrap().to_owned())
        .collect();
    listed.sort();
    created.sort();
    assert_eq!(listed, created);
    assert_eq!(org.get(&path(&created[0])).status, 200);
}
