//! References: owners, record types, who may write what, audit fields (facts 7.1, 9.1).
use salesforce_sandbox::OrgConfig;
use serde_json::{Value, json};

use super::{BY_KEY, LEAD, body, id_of, org, save, shown};
use crate::harness::{Org, check_accepted, check_error, check_refused};

const OWNERS: &str = "
    [[owners]]
    id = '00GHp000000000Q'
    [[owners]]
    id = '005Hp00000000Zz'
    [[owners]]
    id = '005Hp00000000Zy'
    active = false
";

#[track_caller]
fn check_owner(org: &Org, owner: &str, code: &str, message: &str, fields: &[&str]) {
    check_refused(
        &save(org, "1", json!({ "OwnerId": owner })),
        code,
        message,
        fields,
    );
}

#[test]
fn a_lead_belongs_to_an_active_user_or_a_queue() {
    let org = org(OWNERS);
    check_accepted(
        &save(&org, "1", json!({ "OwnerId": "00GHp000000000Q" })),
        true,
    );
    let owner = shown(&org, "1")["OwnerId"].as_str().unwrap().to_owned();
    assert_eq!(
        (owner.len(), &owner[..15]),
        (18, "00GHp000000000Q"),
        "shown with its checksum"
    );
    check_accepted(&save(&org, "1", json!({ "OwnerId": owner })), false);
    check_accepted(
        &save(&org, "1", json!({ "OwnerId": "005Hp00000000Zz" })),
        false,
    );
    let answer = save(&org, "1", json!({ "OwnerId": "005Hp00000000Zy" }));
    let text = answer["errors"][0]["message"].as_str().unwrap().to_owned();
    assert_eq!(answer["errors"][0]["statusCode"], "INACTIVE_OWNER_OR_USER");
    let start = "operation performed with inactive user [005Hp00000000Zy";
    assert!(
        text.starts_with(start) && text.ends_with("] as owner of lead"),
        "{text}"
    );
    assert_eq!(answer["errors"][0]["fields"], json!([]));
    let text = "invalid cross reference id";
    check_owner(
        &org,
        "005Hp00000000Xx",
        "INVALID_CROSS_REFERENCE_KEY",
        text,
        &[],
    );
    let text = "Owner ID: id value of incorrect type: 001Hp00000000Xx";
    check_owner(
        &org,
        "001Hp00000000Xx",
        "FIELD_INTEGRITY_EXCEPTION",
        text,
        &["OwnerId"],
    );
    let text = "Owner ID: id value of incorrect type: 005";
    check_owner(&org, "005", "MALFORMED_ID", text, &["OwnerId"]);
    let blank = save(&org, "1", json!({ "OwnerId": null }));
    let text = "Owner ID: owner cannot be blank";
    check_refused(&blank, "INVALID_CROSS_REFERENCE_KEY", text, &["OwnerId"]);
    check_accepted(&save(&org, "2", json!({ "OwnerId": null })), true);
}

#[test]
fn references_to_what_the_org_does_not_have_are_refused() {
    let org = Org::demo();
    let result = save(&org, "1", json!({ "IndividualId": "0PKHp0000000001" }));
    check_refused(
        &result,
        "INVALID_CROSS_REFERENCE_KEY",
        "invalid cross reference id",
        &[],
    );
    let result = save(&org, "1", json!({ "IndividualId": "003Hp0000000001" }));
    let text = "Individual ID: id value of incorrect type: 003Hp0000000001";
    check_refused(
        &result,
        "FIELD_INTEGRITY_EXCEPTION",
        text,
        &["IndividualId"],
    );
}

const RECORD_TYPES: &str = "
    [[record_types]]
    name = 'Partner lead'
    [[record_types]]
    name = 'Web'
    developer_name = 'Web_Lead'
    id = '012Hp000000WebL'
    default = true
    [[record_types]]
    name = 'Retired'
    active = false
";

#[test]
fn record_types_are_described_and_only_active_ones_are_taken() {
    let org = org(RECORD_TYPES);
    let describe = org.get(&format!("{LEAD}/describe")).json();
    let infos = describe["recordTypeInfos"].as_array().unwrap();
    let column = |name: &str| -> Vec<Value> { infos.iter().map(|i| i[name].clone()).collect() };
    let names = ["Partner_lead", "Web_Lead", "Retired", "Master"];
    assert_eq!(column("developerName"), names);
    assert_eq!(column("active"), [true, true, false, true]);
    assert_eq!(
        column("defaultRecordTypeMapping"),
        [false, true, false, false]
    );
    assert_eq!(column("master"), [false, false, false, true]);
    let ids: Vec<String> = column("recordTypeId")
        .iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect();
    assert!(
        ids.iter().all(|id| id.len() == 18 && id.starts_with("012")),
        "{ids:?}"
    );
    check_accepted(&save(&org, "1", json!({})), true);
    assert_eq!(
        shown(&org, "1")["RecordTypeId"],
        ids[1].as_str(),
        "the default"
    );
    for (id, created) in [(&ids[0], false), (&ids[3], false)] {
        check_accepted(&save(&org, "1", json!({ "RecordTypeId": id })), created);
        assert_eq!(shown(&org, "1")["RecordTypeId"], id.as_str());
    }
    for id in [ids[2].as_str(), "012Hp000000Nope"] {
        let result = save(&org, "1", json!({ "RecordTypeId": id }));
        let text = format!("Record Type ID: this ID value isn't valid for the user: {id}");
        let refused = &result["errors"][0];
        assert_eq!(refused["statusCode"], "INVALID_CROSS_REFERENCE_KEY");
        let message = refused["message"].as_str().unwrap();
        assert!(message.starts_with(&text), "{message}");
        assert_eq!(refused["fields"], json!(["RecordTypeId"]));
    }
    let none = Org::demo();
    let answer = none.patch(
        &format!("{BY_KEY}/1"),
        &body(json!({ "RecordTypeId": ids[0] })),
    );
    check_error(
        &answer,
        400,
        "INVALID_FIELD",
        "No such column 'RecordTypeId'",
    );
}

#[test]
fn fields_that_are_read_only_for_the_user_are_seen_but_not_written() {
    let org = org("read_only_fields = ['title', 'Newsletter__c']");
    let result = save(&org, "1", json!({ "Title": "CTO", "Newsletter__c": true }));
    let text = "Unable to create/update fields: Title, Newsletter__c. Please check the security settings of this \
                field and verify that it is read/write for your profile or permission set.";
    let code = "INVALID_FIELD_FOR_INSERT_UPDATE";
    check_refused(&result, code, text, &["Title", "Newsletter__c"]);
    check_accepted(&save(&org, "1", json!({})), true);
    assert_eq!(shown(&org, "1")["Title"], json!(null));
    let describe = org.get(&format!("{LEAD}/describe")).json();
    let fields = describe["fields"].as_array().unwrap();
    let title = fields.iter().find(|f| f["name"] == "Title").unwrap();
    assert_eq!(
        (&title["createable"], &title["updateable"]),
        (&json!(false), &json!(false))
    );
}

#[test]
fn audit_fields_tell_who_wrote_and_when_and_move_without_a_change_too() {
    let org = Org::demo();
    save(&org, "1", json!({}));
    let first = shown(&org, "1");
    assert!(first["CreatedById"].as_str().unwrap().starts_with("005"));
    assert_eq!(first["CreatedById"], first["LastModifiedById"]);
    assert_eq!(first["CreatedDate"], first["LastModifiedDate"]);
    assert_eq!(first["MasterRecordId"], json!(null));
    assert_eq!(first["IsDeleted"], false);
    org.sandbox
        .advance_clock(std::time::Duration::from_secs(60));
    save(&org, "1", json!({}));
    let second = shown(&org, "1");
    assert_eq!(second["CreatedDate"], first["CreatedDate"]);
    assert_ne!(second["LastModifiedDate"], first["LastModifiedDate"]);
    assert_eq!(second["SystemModstamp"], second["LastModifiedDate"]);
}

#[test]
fn whoever_may_sets_audit_fields_when_a_lead_is_created_and_never_after() {
    let config = OrgConfig {
        allow_audit_fields: true,
        ..OrgConfig::default()
    };
    let org = Org::with(config);
    save(&org, "other", json!({}));
    let user = shown(&org, "other")["CreatedById"].clone();
    let audit = json!({
        "CreatedDate": "2019-05-01T10:00:00.000Z", "CreatedById": user,
        "LastModifiedDate": "2020-05-01T10:00:00.000Z", "LastModifiedById": user,
    });
    check_accepted(&save(&org, "1", audit), true);
    let lead = shown(&org, "1");
    assert_eq!(lead["CreatedDate"], "2019-05-01T10:00:00.000+0000");
    assert_eq!(lead["LastModifiedDate"], "2020-05-01T10:00:00.000+0000");
    assert_ne!(lead["SystemModstamp"], lead["LastModifiedDate"]);
    let result = save(&org, "1", json!({ "CreatedDate": "2018-05-01T10:00:00Z" }));
    assert_eq!(
        result["errors"][0]["statusCode"],
        "INVALID_FIELD_FOR_INSERT_UPDATE"
    );
    check_accepted(&save(&org, "1", json!({})), false);
    let lead = shown(&org, "1");
    assert_eq!(lead["CreatedDate"], "2019-05-01T10:00:00.000+0000");
    assert_eq!(lead["LastModifiedDate"], lead["SystemModstamp"]);
    let nobody = json!({ "CreatedById": "005Hp000000Nope" });
    let result = save(&org, "2", nobody);
    check_refused(
        &result,
        "INVALID_CROSS_REFERENCE_KEY",
        "invalid cross reference id",
        &[],
    );
    assert_eq!(id_of(&org, "1").len(), 18);
}
