//! State and country picklists (facts 7.1, 9.1).
use serde_json::{Value, json};

use super::{LEAD, org, save, shown};
use crate::harness::{Org, check_accepted, check_refused};

const NO_COUNTRY: &str = "There's a problem with this country, even though it may appear correct. Please select a \
                          country/territory from the list of valid countries.: Country";
const NO_STATE: &str = "There's a problem with this state, even though it may appear correct. Please select a state \
                        from the list of valid states.: State/Province";

fn with_picklists() -> Org {
    org("state_country_picklists = true")
}

#[track_caller]
fn check_address(org: &Org, state: Value, country: Value) {
    let lead = shown(org, "1");
    let [name, code] = [&lead["State"], &lead["StateCode"]];
    assert_eq!(json!([name, code]), state);
    let [name, code] = [&lead["Country"], &lead["CountryCode"]];
    assert_eq!(json!([name, code]), country);
}

#[test]
fn without_the_picklists_any_country_is_a_country() {
    let org = Org::demo();
    check_accepted(
        &save(&org, "1", json!({ "Country": "Narnia", "State": "East" })),
        true,
    );
    assert_eq!(shown(&org, "1").get("CountryCode"), None);
}

#[test]
fn a_name_brings_its_code_along_and_a_code_its_name() {
    let org = with_picklists();
    save(
        &org,
        "1",
        json!({ "Country": "united states", "State": "Texas" }),
    );
    check_address(&org, json!(["Texas", "TX"]), json!(["United States", "US"]));
    save(&org, "1", json!({ "StateCode": "ca" }));
    check_address(
        &org,
        json!(["California", "CA"]),
        json!(["United States", "US"]),
    );
    save(&org, "1", json!({ "State": null }));
    check_address(&org, json!([null, null]), json!(["United States", "US"]));
    save(&org, "1", json!({ "CountryCode": "DE" }));
    check_address(&org, json!([null, null]), json!(["Germany", "DE"]));
    let lead = shown(&org, "1");
    assert_eq!(lead["Address"]["countryCode"], "DE");
    save(&org, "1", json!({ "Country": null }));
    check_address(&org, json!([null, null]), json!([null, null]));
}

#[test]
fn names_and_codes_have_to_be_on_the_list_and_to_agree() {
    let org = with_picklists();
    let integrity = "FIELD_INTEGRITY_EXCEPTION";
    let country = |fields: Value| {
        check_refused(
            &save(&org, "1", fields),
            integrity,
            NO_COUNTRY,
            &["Country"],
        )
    };
    let state =
        |fields: Value| check_refused(&save(&org, "1", fields), integrity, NO_STATE, &["State"]);
    country(json!({ "Country": "Narnia" }));
    country(json!({ "Country": "Germany", "CountryCode": "FR" }));
    state(json!({ "Country": "United States", "State": "Ontario" }));
    state(json!({ "Country": "Germany", "State": "Bayern" }));
    state(json!({ "Country": "Canada", "State": "Ontario", "StateCode": "QC" }));
    let text = "A country/territory must be specified before specifying a state value for field: State/Province";
    check_refused(
        &save(&org, "1", json!({ "State": "Texas" })),
        integrity,
        text,
        &["State"],
    );
    let code = "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST";
    let text = "Country Code: bad value for restricted picklist field: XX";
    check_refused(
        &save(&org, "1", json!({ "CountryCode": "XX" })),
        code,
        text,
        &["CountryCode"],
    );
    assert_eq!(org.sandbox.stats().leads, 0);
    save(&org, "1", json!({ "CountryCode": "US", "StateCode": "TX" }));
    state(json!({ "Country": "France" }));
    check_address(&org, json!(["Texas", "TX"]), json!(["United States", "US"]));
}

#[test]
fn an_org_can_have_countries_of_its_own() {
    let org = org("
        state_country_picklists = true
        [[countries]]
        code = 'NA'
        name = 'Narnia'
        [[countries.states]]
        code = 'E'
        name = 'East'
        ");
    check_accepted(
        &save(&org, "1", json!({ "Country": "Narnia", "State": "East" })),
        true,
    );
    let result = save(&org, "2", json!({ "Country": "Germany" }));
    check_refused(
        &result,
        "FIELD_INTEGRITY_EXCEPTION",
        NO_COUNTRY,
        &["Country"],
    );
    let describe = org.get(&format!("{LEAD}/describe")).json();
    let fields = describe["fields"].as_array().unwrap();
    let code = fields.iter().find(|f| f["name"] == "CountryCode").unwrap();
    assert_eq!(code["picklistValues"][0]["value"], "NA");
    assert_eq!(code["restrictedPicklist"], true);
}
