//! Deleted leads: where they go, what they still are, when they are gone; and the storage of the others (facts 10).
use std::time::Duration;

use salesforce_sandbox::OrgConfig;
use serde_json::json;

use super::{BY_KEY, LEAD, body, id_of, org, save};
use crate::harness::{COLLECTIONS, Org, check_accepted, check_error, check_refused, lead};

const DAY: Duration = Duration::from_secs(86_400);

fn by_id(org: &Org, id: &str) -> (u16, String) {
    let answer = org.get(&format!("{LEAD}/{id}"));
    let code = answer.json()[0]["errorCode"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (answer.status, code)
}

#[test]
fn a_deleted_lead_is_known_by_its_id_but_not_by_its_key() {
    let org = Org::demo();
    org.upsert(&[lead("1")]);
    let id = id_of(&org, "1");
    let path = format!("{LEAD}/{id}");
    assert_eq!(org.ask("DELETE", &path).send().status, 204);
    assert_eq!(
        (org.sandbox.stats().leads, org.sandbox.leads().len()),
        (0, 0)
    );
    let text = "entity is deleted";
    check_error(&org.get(&path), 404, "ENTITY_IS_DELETED", text);
    check_error(
        &org.patch(&path, &json!({})),
        404,
        "ENTITY_IS_DELETED",
        text,
    );
    check_error(
        &org.ask("DELETE", &path).send(),
        404,
        "ENTITY_IS_DELETED",
        text,
    );
    check_error(&org.get(&format!("{BY_KEY}/1")), 404, "NOT_FOUND", "");
    let by_key_id = "/services/data/v67.0/composite/sobjects/Lead/Id";
    let record = json!({ "attributes": { "type": "Lead" }, "Id": id, "Title": "CTO" });
    let results = org.patch(by_key_id, &json!({ "records": [record] })).json();
    check_refused(&results[0], "ENTITY_IS_DELETED", text, &[]);
    check_accepted(&org.upsert(&[lead("1")])[0], true);
    assert_ne!(id_of(&org, "1"), id);
}

#[test]
fn an_undeleted_lead_is_as_it_was_unless_its_key_was_taken() {
    let org = Org::demo();
    save(&org, "1", json!({ "Title": "CTO" }));
    let id = id_of(&org, "1");
    let administrator = org.sandbox.administrator();
    administrator.delete(&id).unwrap();
    administrator.delete(&id).unwrap_err();
    administrator.undelete(&id).unwrap();
    assert_eq!(org.sandbox.stats().leads, 1);
    check_accepted(&save(&org, "1", json!({})), false);
    assert_eq!(org.sandbox.leads()[0].fields["Title"], "CTO");
    administrator.delete(&id).unwrap();
    org.upsert(&[lead("1")]);
    let path = format!("/__sandbox/leads/{id}/undelete");
    let answer = org.ask_anonymously("POST", &path).send();
    let text = "duplicate value found: MySQL_Id__c duplicates value on record with id: 00Q";
    check_error(&answer, 400, "DUPLICATE_VALUE", text);
    assert_eq!(org.sandbox.stats().leads, 1);
    let taker = id_of(&org, "1");
    administrator.delete(&taker).unwrap();
    administrator.undelete(&id).unwrap();
    assert_eq!(id_of(&org, "1"), id);
    let refused = administrator.undelete(&id).unwrap_err();
    assert_eq!(refused.code, "UNDELETE_FAILED");
}

#[test]
fn the_bin_is_emptied_after_its_days() {
    let org = Org::demo();
    org.upsert(&[lead("1"), lead("2")]);
    let [first, second] = [id_of(&org, "1"), id_of(&org, "2")];
    let administrator = org.sandbox.administrator();
    administrator.delete(&first).unwrap();
    administrator.delete(&second).unwrap();
    org.sandbox.advance_clock(DAY * 10);
    administrator.undelete(&second).unwrap();
    administrator.delete(&second).unwrap();
    org.sandbox.advance_clock(DAY * 5);
    assert_eq!(by_id(&org, &first), (404, "NOT_FOUND".into()));
    assert_eq!(by_id(&org, &second), (404, "ENTITY_IS_DELETED".into()));
    administrator.undelete(&first).unwrap_err();
    org.sandbox.advance_clock(DAY * 10);
    assert_eq!(
        by_id(&org, &second),
        (404, "NOT_FOUND".into()),
        "its days began anew"
    );
    check_accepted(&org.upsert(&[lead("3")])[0], true);
}

#[test]
fn the_bin_holds_so_many_and_the_oldest_go_first() {
    let org = Org::with(OrgConfig {
        recycle_bin_leads: 2,
        ..OrgConfig::default()
    });
    org.upsert(&[lead("1"), lead("2"), lead("3")]);
    let ids: Vec<String> = org
        .sandbox
        .leads()
        .into_iter()
        .map(|lead| lead.id)
        .collect();
    for id in &ids {
        org.sandbox.administrator().delete(id).unwrap();
    }
    assert_eq!(by_id(&org, &ids[0]), (404, "NOT_FOUND".into()));
    assert_eq!(by_id(&org, &ids[1]), (404, "ENTITY_IS_DELETED".into()));
}

#[test]
fn leads_are_found_when_thousands_before_them_are_gone() {
    let org = org("recycle_bin_leads = 1");
    let keys: Vec<String> = (0..2_600).map(|n| n.to_string()).collect();
    for chunk in keys.chunks(200) {
        let records: Vec<_> = chunk.iter().map(|key| lead(key)).collect();
        org.upsert(&records);
    }
    // Calls that are undone leave no trace but the ids that they used up.
    let bad = json!({ "attributes": { "type": "Lead" }, "MySQL_Id__c": "bad" });
    let call = json!({ "allOrNone": true, "records": [lead("x"), lead("y"), bad] });
    for _ in 0..3 {
        assert_eq!(org.patch(COLLECTIONS, &call).status, 200);
    }
    let before = org.sandbox.leads();
    for lead in before
        .iter()
        .filter(|lead| !lead.fields["MySQL_Id__c"].as_str().unwrap().ends_with('7'))
    {
        org.sandbox.administrator().delete(&lead.id).unwrap();
    }
    org.upsert(&[lead("late")]);
    let kept = org.sandbox.leads();
    assert_eq!(kept.len(), 261);
    for lead in &kept {
        let answer = org.get(&format!("{LEAD}/{}", lead.id));
        assert_eq!(answer.json()["MySQL_Id__c"], lead.fields["MySQL_Id__c"]);
    }
    let late = kept.last().unwrap();
    assert!(
        before.iter().all(|lead| lead.id < late.id),
        "ids are never given out twice"
    );
    assert_eq!(by_id(&org, &before[0].id), (404, "NOT_FOUND".into()));
}

#[test]
fn a_full_storage_takes_updates_and_nothing_new() {
    let org = Org::with(OrgConfig {
        data_storage_mb: Some(1),
        ..OrgConfig::default()
    });
    let limits = || org.get("/services/data/v67.0/limits").json()["DataStorageMB"].clone();
    assert_eq!(limits(), json!({ "Max": 1, "Remaining": 1 }));
    // A lead counts as 2 KB.
    let keys: Vec<String> = (0..600).map(|n| n.to_string()).collect();
    let mut refused = 0;
    for chunk in keys.chunks(200) {
        let records: Vec<_> = chunk.iter().map(|key| lead(key)).collect();
        let results = org.upsert(&records);
        for result in results.iter().filter(|result| result["success"] == false) {
            check_refused(
                result,
                "STORAGE_LIMIT_EXCEEDED",
                "storage limit exceeded",
                &[],
            );
            refused += 1;
        }
    }
    assert_eq!((org.sandbox.stats().leads, refused), (512, 88));
    assert_eq!(limits(), json!({ "Max": 1, "Remaining": 0 }));
    check_accepted(&save(&org, "5", json!({ "Title": "CTO" })), false);
    let single = org.patch(&format!("{BY_KEY}/new"), &body(json!({})));
    check_error(
        &single,
        400,
        "STORAGE_LIMIT_EXCEEDED",
        "storage limit exceeded",
    );
    let id = id_of(&org, "5");
    assert_eq!(
        org.ask("DELETE", &format!("{LEAD}/{id}")).send().status,
        204
    );
    check_accepted(&save(&org, "new", json!({})), true);
}
