//! Describe and the other read-only views of Lead (facts 9).
use salesforce_sandbox::OrgConfig;
use serde_json::{Value, json};

use crate::harness::{COLLECTIONS, Org, check_error, lead_with};

fn describe(org: &Org) -> Value {
    let answer = org.get("/services/data/v67.0/sobjects/Lead/describe");
    assert_eq!(answer.status, 200);
    answer.json()
}

#[track_caller]
fn check_field(describe: &Value, name: &str, expected: Value) {
    let fields = describe["fields"].as_array().unwrap();
    let field = fields
        .iter()
        .find(|f| f["name"] == name)
        .unwrap_or_else(|| panic!("no {name}"));
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&field[key], value, "{name}.{key}");
    }
}

#[test]
fn describe_shows_the_lead_object_with_types_lengths_and_flags() {
    let org = Org::demo();
    let lead = describe(&org);
    assert_eq!(
        (&lead["name"], &lead["keyPrefix"], &lead["custom"]),
        (&json!("Lead"), &json!("00Q"), &json!(false))
    );
    assert!(
        lead.as_object().unwrap().len() >= 45,
        "{}",
        lead.as_object().unwrap().len()
    );
    check_field(
        &lead,
        "Id",
        json!({ "type": "id", "length": 18, "idLookup": true, "createable": false, "defaultedOnCreate": true }),
    );
    check_field(
        &lead,
        "LastName",
        json!({ "type": "string", "length": 80, "byteLength": 240, "nillable": false, "createable": true, "updateable": true }),
    );
    check_field(
        &lead,
        "Company",
        json!({ "length": 255, "nillable": false }),
    );
    check_field(
        &lead,
        "Description",
        json!({ "type": "textarea", "length": 32000, "filterable": false }),
    );
    check_field(
        &lead,
        "Email",
        json!({ "type": "email", "length": 80, "idLookup": true, "externalId": false, "unique": false }),
    );
    check_field(
        &lead,
        "NumberOfEmployees",
        json!({ "type": "int", "digits": 8, "soapType": "xsd:int" }),
    );
    check_field(
        &lead,
        "AnnualRevenue",
        json!({ "type": "currency", "precision": 18, "scale": 0 }),
    );
    check_field(
        &lead,
        "Latitude",
        json!({ "type": "double", "precision": 18, "scale": 15, "compoundFieldName": "Address" }),
    );
    check_field(
        &lead,
        "Status",
        json!({ "type": "picklist", "restrictedPicklist": false, "defaultedOnCreate": true }),
    );
    check_field(
        &lead,
        "IsConverted",
        json!({ "createable": true, "updateable": false }),
    );
    check_field(
        &lead,
        "CreatedDate",
        json!({ "type": "datetime", "createable": false, "updateable": false }),
    );
    check_field(
        &lead,
        "OwnerId",
        json!({ "referenceTo": ["Group", "User"], "relationshipName": "Owner" }),
    );
    let fields = lead["fields"].as_array().unwrap();
    assert!(
        fields
            .iter()
            .all(|f| f.as_object().unwrap().len() == fields[0].as_object().unwrap().len())
    );
    let industry = fields.iter().find(|f| f["name"] == "Industry").unwrap();
    assert_eq!(industry["picklistValues"].as_array().unwrap().len(), 32);
}

#[test]
fn only_last_name_and_company_are_required_on_insert() {
    let org = Org::demo();
    let lead = describe(&org);
    let required: Vec<&str> = lead["fields"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| {
            f["createable"] == true && f["nillable"] == false && f["defaultedOnCreate"] == false
        })
        .map(|f| f["name"].as_str().unwrap())
        .collect();
    assert_eq!(required, ["LastName", "Company"]);
}

#[test]
fn the_demo_orgs_custom_fields_are_described() {
    let org = Org::demo();
    let lead = describe(&org);
    check_field(
        &lead,
        "MySQL_Id__c",
        json!({ "type": "string", "length": 64, "externalId": true, "unique": true, "caseSensitive": false,
                "idLookup": true, "nillable": true, "custom": true, "label": "MySQL Id" }),
    );
    check_field(
        &lead,
        "Score__c",
        json!({ "type": "double", "precision": 8, "scale": 2, "custom": true }),
    );
    check_field(
        &lead,
        "Signup_At__c",
        json!({ "type": "datetime", "soapType": "xsd:dateTime" }),
    );
    check_field(&lead, "Birthday__c", json!({ "type": "date" }));
    check_field(
        &lead,
        "Newsletter__c",
        json!({ "type": "boolean", "nillable": false, "defaultedOnCreate": true }),
    );
    check_field(
        &lead,
        "Plan__c",
        json!({ "type": "picklist", "restrictedPicklist": true }),
    );
}

#[test]
fn a_hidden_field_is_neither_described_nor_writable() {
    let org = Org::with(OrgConfig {
        hidden_fields: vec!["Score__c".into()],
        ..OrgConfig::default()
    });
    assert!(
        describe(&org)["fields"]
            .as_array()
            .unwrap()
            .iter()
            .all(|f| f["name"] != "Score__c")
    );
    let answer = org
        .collection(&[lead_with("1", json!({ "Score__c": 1 }))])
        .send();
    check_error(
        &answer,
        400,
        "INVALID_FIELD",
        "No such column 'Score__c' on sobject of type Lead",
    );
    let hidden = OrgConfig {
        hidden_fields: vec!["MySQL_Id__c".into()],
        ..OrgConfig::default()
    };
    let answer = Org::with(hidden).patch(COLLECTIONS, &json!({ "records": [] }));
    check_error(
        &answer,
        404,
        "NOT_FOUND",
        "Provided external ID field does not exist or is not accessible: MySQL_Id__c",
    );
}

#[test]
fn the_object_list_and_basic_information_name_lead() {
    let org = Org::demo();
    let list = org.get("/services/data/v67.0/sobjects").json();
    let names: Vec<&str> = list["sobjects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| object["name"].as_str().unwrap())
        .collect();
    assert_eq!(list["maxBatchSize"], 200);
    assert_eq!(names, ["Group", "Lead", "Organization", "Profile", "User"]);
    let basic = org.get("/services/data/v67.0/sobjects/Lead/").json();
    assert_eq!(basic["objectDescribe"]["keyPrefix"], "00Q");
    assert_eq!(basic["recentItems"], json!([]));
}

#[test]
fn a_custom_field_of_the_configuration_is_writable_and_checked() {
    let config: OrgConfig = toml::from_str(
        r#"
        [[fields]]
        name = "Ref__c"
        length = 10
        external_id = true
        unique = true
        case_sensitive = true
        [[fields]]
        name = "Stage__c"
        type = "picklist"
        picklist_values = ["A", "B"]
        restricted_picklist = true
        "#,
    )
    .unwrap();
    let org = Org::with(config);
    let path = "/services/data/v67.0/sobjects/Lead/Ref__c";
    let body = json!({ "LastName": "Doe", "Company": "Acme", "Stage__c": "A" });
    assert_eq!(org.patch(&format!("{path}/abc"), &body).status, 201);
    assert_eq!(
        org.patch(&format!("{path}/ABC"), &body).status,
        201,
        "the field is case sensitive"
    );
    assert_eq!(org.patch(&format!("{path}/abc"), &body).status, 200);
}
