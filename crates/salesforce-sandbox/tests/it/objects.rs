//! Users, queues, the organization, and conditional requests.
use std::time::Duration;

use salesforce_sandbox::{AppConfig, OrgConfig};
use serde_json::{Value, json};

use crate::harness::{Answer, Org, check_error, lead, lead_with};

const DATA: &str = "/services/data/v67.0";

fn query(org: &Org, soql: &str) -> Value {
    let answer = org.get(&format!("{DATA}/query?q={}", soql.replace(' ', "+")));
    let shown = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 200, "{soql}: {shown}");
    answer.json()["records"].clone()
}

#[test]
fn every_app_has_its_user() {
    let app = |client_id: &str, username: &str| AppConfig {
        client_id: client_id.into(),
        username: username.into(),
        ..AppConfig::default()
    };
    let org = Org::with(OrgConfig {
        apps: vec![
            app("leadstream-demo", "one@example.com"),
            app("second", "two@example.com"),
        ],
        ..OrgConfig::default()
    });
    let users = query(
        &org,
        "SELECT Id, Username, Name, IsActive, UserType FROM User ORDER BY Username DESC",
    );
    assert_eq!(users.as_array().unwrap().len(), 2);
    assert_eq!(
        (&users[0]["Username"], &users[1]["Username"]),
        (&json!("two@example.com"), &json!("one@example.com"))
    );
    let id = users[0]["Id"].as_str().unwrap();
    assert!(id.starts_with("005") && id.len() == 18, "{id}");
    let user = org.get(&format!("{DATA}/sobjects/User/{id}")).json();
    assert_eq!(user["attributes"]["type"], "User");
    assert_eq!(user["IsActive"], true);
    assert_eq!(user["LocaleSidKey"], "en_US");
    let path = format!("{DATA}/sobjects/user/{}?fields=Username,Name", &id[..15]);
    let some = org.get(&path).json();
    assert_eq!(
        (&some["Username"], some.as_object().unwrap().len()),
        (&json!("two@example.com"), 4),
        "the id is shown whether it was asked for or not"
    );
    let asked = query(
        &org,
        &format!("SELECT CreatedBy.Username, Profile.Name FROM User WHERE Id='{id}'"),
    );
    assert_eq!(asked[0]["CreatedBy"]["Username"], "one@example.com");
    assert_eq!(asked[0]["Profile"]["Name"], "System Administrator");
    let profiles = query(&org, "SELECT Name FROM Profile");
    assert_eq!(profiles.as_array().unwrap().len(), 1);
    // Who writes a lead owns it; who changes it later does not.
    org.upsert(&[lead("1")]);
    let login =
        "grant_type=client_credentials&client_id=second&client_secret=leadstream-demo-secret";
    let other = org.login_form(login).json()["access_token"].clone();
    let row = format!("{DATA}/sobjects/Lead/MySQL_Id__c/1");
    let changed = org
        .ask_anonymously("PATCH", &row)
        .header(
            "Authorization",
            &format!("Bearer {}", other.as_str().unwrap()),
        )
        .json(&json!({ "Title": "CTO" }))
        .send();
    assert_eq!(changed.status, 200);
    let soql = "SELECT Owner.Username, CreatedBy.Username, LastModifiedBy.Username FROM Lead";
    let lead = &query(&org, soql)[0];
    let username = |parent: &str| lead[parent]["Username"].clone();
    assert_eq!(
        [
            username("Owner"),
            username("CreatedBy"),
            username("LastModifiedBy")
        ],
        ["one@example.com", "one@example.com", "two@example.com"]
    );
}

#[test]
fn the_organization_is_what_the_configuration_says() {
    let org = Org::with(OrgConfig {
        organization_name: "Acme".into(),
        organization_type: "Developer Edition".into(),
        is_sandbox: true,
        instance_name: "EU99".into(),
        ..OrgConfig::default()
    });
    // What clients ask for when they connect (facts 12).
    let rows = query(
        &org,
        "SELECT Name, InstanceName, IsSandbox, TrialExpirationDate, NamespacePrefix, OrganizationType FROM Organization",
    );
    let mut row = rows[0].clone();
    row.as_object_mut().unwrap().remove("attributes");
    assert_eq!(
        row,
        json!({ "Name": "Acme", "InstanceName": "EU99", "IsSandbox": true, "TrialExpirationDate": null,
                "NamespacePrefix": null, "OrganizationType": "Developer Edition" })
    );
    let id = query(&org, "SELECT Id FROM Organization")[0]["Id"].clone();
    let id = id.as_str().unwrap();
    assert!(id.starts_with("00D"), "{id}");
    let path = format!("{DATA}/sobjects/Organization/{id}?fields=Name");
    assert_eq!(org.get(&path).json()["Name"], "Acme");
}

#[test]
fn owners_are_users_or_queues() {
    let org = Org::with(OrgConfig {
        queues: vec!["Inbound EU".into()],
        assignment_rule_owner: Some("005Hp00000000ZZIAY".into()),
        ..OrgConfig::default()
    });
    let queue = query(&org, "SELECT Id, Name, DeveloperName, Type FROM Group");
    assert_eq!(
        (
            &queue[0]["Name"],
            &queue[0]["DeveloperName"],
            &queue[0]["Type"]
        ),
        (&json!("Inbound EU"), &json!("Inbound_EU"), &json!("Queue"))
    );
    let queue = queue[0]["Id"].as_str().unwrap().to_owned();
    assert!(queue.starts_with("00G"), "{queue}");
    org.upsert(&[lead("assigned")]);
    let unassigned = |leads: &[Value]| {
        let answer = org
            .collection(leads)
            .header("Sforce-Auto-Assign", "FALSE")
            .send();
        assert_eq!(answer.status, 200);
    };
    unassigned(&[
        lead("mine"),
        lead_with("queued", json!({ "OwnerId": queue[..15] })),
    ]);
    let owner = |key: &str| {
        let soql =
            format!("SELECT OwnerId, Owner.Name, Owner.Type FROM Lead WHERE MySQL_Id__c='{key}'");
        query(&org, &soql)[0].clone()
    };
    assert_eq!(owner("assigned")["Owner"]["Name"], "Lead Owner");
    assert_eq!(owner("mine")["Owner"]["Name"], "Integration User");
    let queued = owner("queued");
    assert_eq!(queued["OwnerId"], queue, "shown with 18 characters");
    assert_eq!(queued["Owner"]["attributes"]["type"], "Group");
    assert_eq!(queued["Owner"]["Type"], "Queue");
    let by_owner = query(
        &org,
        "SELECT MySQL_Id__c FROM Lead WHERE Owner.Name='inbound eu'",
    );
    assert_eq!(by_owner[0]["MySQL_Id__c"], "queued");
    let counts = query(
        &org,
        "SELECT Owner.Name, COUNT(Id) n FROM Lead GROUP BY Owner.Name ORDER BY Owner.Name",
    );
    let shown: Vec<_> = counts
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["Name"].as_str(), row["n"].as_u64().unwrap()))
        .collect();
    assert_eq!(
        shown,
        [
            (Some("Inbound EU"), 1),
            (Some("Integration User"), 1),
            (Some("Lead Owner"), 1)
        ]
    );
}

#[test]
fn the_other_objects_are_described_like_lead() {
    let org = Org::demo();
    let lead = org.get(&format!("{DATA}/sobjects/Lead/describe")).json();
    let keys =
        |object: &Value| -> Vec<String> { object.as_object().unwrap().keys().cloned().collect() };
    for (name, prefix) in [
        ("User", "005"),
        ("Organization", "00D"),
        ("Group", "00G"),
        ("Profile", "00e"),
    ] {
        let described = org.get(&format!("{DATA}/sobjects/{name}/describe")).json();
        assert_eq!(keys(&described), keys(&lead), "{name}");
        assert_eq!(
            keys(&described["fields"][0]),
            keys(&lead["fields"][0]),
            "{name}"
        );
        for (key, value) in [
            ("name", json!(name)),
            ("label", json!(name)),
            ("keyPrefix", json!(prefix)),
            ("queryable", json!(true)),
            ("createable", json!(false)),
            ("updateable", json!(false)),
            ("deletable", json!(false)),
        ] {
            assert_eq!(described[key], value, "{name}.{key}");
        }
        let fields = described["fields"].as_array().unwrap();
        assert!(
            fields
                .iter()
                .all(|field| field["createable"] == false && field["updateable"] == false)
        );
        let basic = org.get(&format!("{DATA}/sobjects/{name}")).json();
        assert_eq!(basic["objectDescribe"]["name"], name);
        // What describe calls filterable and sortable is.
        for field in fields {
            let field = field["name"].as_str().unwrap();
            query(
                &org,
                &format!("SELECT Id FROM {name} WHERE {field} != null ORDER BY {field}"),
            );
        }
    }
    let groupable = |name: &str| {
        let fields = lead["fields"].as_array().unwrap();
        fields.iter().find(|field| field["name"] == name).unwrap()["groupable"].clone()
    };
    assert_eq!(
        (groupable("Status"), groupable("Score__c")),
        (json!(true), json!(false))
    );
}

#[test]
fn the_other_objects_cannot_be_written() {
    let org = Org::demo();
    let id = query(&org, "SELECT Id FROM User")[0]["Id"].clone();
    let row = format!("{DATA}/sobjects/User/{}", id.as_str().unwrap());
    for (method, path, verb) in [
        ("POST", format!("{DATA}/sobjects/User"), "inserted"),
        ("PATCH", row.clone(), "updated"),
        ("DELETE", row, "deleted"),
        (
            "PATCH",
            format!("{DATA}/sobjects/User/Username/x"),
            "updated",
        ),
    ] {
        let answer = org.ask(method, &path).json(&json!({})).send();
        let text = format!("entity type cannot be {verb}: User");
        check_error(&answer, 400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", &text);
    }
    let unknown = org.get(&format!("{DATA}/sobjects/User/005Hp0000000zzzIAA"));
    check_error(
        &unknown,
        404,
        "NOT_FOUND",
        "Provided external ID field does not exist",
    );
    let unknown = org.get(&format!("{DATA}/sobjects/Account/describe"));
    check_error(
        &unknown,
        404,
        "NOT_FOUND",
        "The requested resource does not exist",
    );
    let field = org.get(&format!(
        "{DATA}/sobjects/User/{}?fields=Foo",
        id.as_str().unwrap()
    ));
    check_error(
        &field,
        400,
        "INVALID_FIELD",
        "No such column 'Foo' on sobject of type User",
    );
}

#[track_caller]
fn conditional(org: &Org, path: &str, header: &str, value: &str, status: u16) -> Answer {
    let answer = org.ask("GET", path).header(header, value).send();
    assert_eq!(answer.status, status, "{path} {header}: {value}");
    assert_eq!(answer.body.is_empty(), status == 304, "{path}");
    answer
}

const LONG_AGO: &str = "Thu, 01 Jan 1970 00:00:00 GMT";
const FAR_AHEAD: &str = "Thu, 31 Dec 2099 23:59:59 GMT";

#[test]
fn describe_is_sent_again_only_when_it_changed() {
    let org = Org::demo();
    for path in [
        format!("{DATA}/sobjects"),
        format!("{DATA}/sobjects/Lead/describe"),
        format!("{DATA}/sobjects/User/describe"),
    ] {
        let first = org.get(&path);
        let etag = first.header("etag").unwrap().to_owned();
        let modified = first.header("last-modified").unwrap().to_owned();
        let same = conditional(&org, &path, "If-None-Match", &etag, 304);
        assert_eq!(same.header("etag"), Some(etag.as_str()));
        assert!(same.header("sforce-limit-info").is_some());
        conditional(
            &org,
            &path,
            "If-None-Match",
            &format!("\"x\", W/{etag}"),
            304,
        );
        conditional(&org, &path, "If-None-Match", "*", 304);
        conditional(&org, &path, "If-None-Match", "\"x\"", 200);
        conditional(&org, &path, "If-Modified-Since", &modified, 304);
        conditional(&org, &path, "If-Modified-Since", FAR_AHEAD, 304);
        conditional(&org, &path, "If-Modified-Since", LONG_AGO, 200);
        conditional(&org, &path, "If-Modified-Since", "yesterday", 200);
        conditional(&org, &path, "If-Unmodified-Since", &modified, 200);
        let refused = conditional(&org, &path, "If-Unmodified-Since", LONG_AGO, 412);
        check_error(&refused, 412, "PRECONDITION_FAILED", "");
    }
    assert_eq!(
        Org::demo().get(&format!("{DATA}/limits")).header("etag"),
        None
    );
}

#[test]
fn a_lead_is_sent_again_only_when_it_was_written() {
    let org = Org::demo();
    let id = org.upsert(&[lead("1")])[0]["id"].clone();
    let path = format!("{DATA}/sobjects/Lead/{}", id.as_str().unwrap());
    let first = org.get(&path);
    let modified = first.header("last-modified").unwrap().to_owned();
    let etag = first.header("etag").unwrap().to_owned();
    conditional(&org, &path, "If-Modified-Since", &modified, 304);
    conditional(&org, &path, "If-Unmodified-Since", &modified, 200);
    // Leads know no optimistic locking (facts 8).
    conditional(&org, &path, "If-None-Match", &etag, 200);
    org.sandbox.advance_clock(Duration::from_secs(2));
    org.upsert(&[lead("1")]);
    conditional(&org, &path, "If-Modified-Since", &modified, 200);
    let refused = conditional(&org, &path, "If-Unmodified-Since", &modified, 412);
    check_error(&refused, 412, "PRECONDITION_FAILED", "");
    let by_key = format!("{DATA}/sobjects/Lead/MySQL_Id__c/1");
    conditional(&org, &by_key, "If-Modified-Since", FAR_AHEAD, 304);
}

#[test]
fn a_lead_is_written_only_if_nobody_wrote_it_since() {
    let org = Org::demo();
    let id = org.upsert(&[lead("1")])[0]["id"].clone();
    let by_id = format!("{DATA}/sobjects/Lead/{}", id.as_str().unwrap());
    let by_key = format!("{DATA}/sobjects/Lead/MySQL_Id__c/1");
    let modified = org.get(&by_id).header("last-modified").unwrap().to_owned();
    let write = |method: &str, path: &str| {
        org.ask(method, path)
            .header("If-Unmodified-Since", &modified)
            .json(&json!({ "Title": "CTO" }))
            .send()
    };
    assert_eq!(write("PATCH", &by_id).status, 204);
    org.sandbox.advance_clock(Duration::from_secs(2));
    org.upsert(&[lead("1")]);
    for (method, path) in [
        ("PATCH", &by_id),
        ("PATCH", &by_key),
        ("DELETE", &by_id),
        ("DELETE", &by_key),
    ] {
        check_error(&write(method, path), 412, "PRECONDITION_FAILED", "");
    }
    assert_eq!(org.sandbox.leads()[0].writes, 3);
    let new = format!("{DATA}/sobjects/Lead/MySQL_Id__c/2");
    let body = json!({ "LastName": "Doe", "Company": "Acme" });
    let answer = org
        .ask("PATCH", &new)
        .header("If-Unmodified-Since", LONG_AGO)
        .json(&body)
        .send();
    assert_eq!(answer.status, 201, "what is not there was not modified");
}
