//! SOQL over HTTP: rows, pages, aggregates, refusals, faults.
use std::time::Duration;

use salesforce_sandbox::{Action, Endpoint, Fault, OrgConfig};
use serde_json::{Value, json};

use crate::harness::{Answer, Org, PATIENCE, check_error, lead, lead_with};

const DATA: &str = "/services/data/v67.0";

/// Percent-encoded, so that it may stand in a URL.
fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

fn ask(org: &Org, resource: &str, soql: &str) -> Answer {
    org.get(&format!("{DATA}/{resource}?q={}", encode(soql)))
}

#[track_caller]
fn query(org: &Org, soql: &str) -> Value {
    let answer = ask(org, "query", soql);
    let shown = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 200, "{soql}: {shown}");
    answer.json()
}

/// The values of one field over all rows of a page.
fn column(page: &Value, field: &str) -> Vec<String> {
    let rows = page["records"].as_array().unwrap().iter();
    rows.map(|row| row[field].as_str().unwrap().to_owned())
        .collect()
}

/// Upserts that many leads, keys `k0`, `k1`, ….
fn fill(org: &Org, count: usize) {
    for chunk in (0..count).collect::<Vec<_>>().chunks(200) {
        let leads: Vec<Value> = chunk
            .iter()
            .map(|n| lead_with(&format!("k{n}"), json!({ "NumberOfEmployees": n })))
            .collect();
        org.upsert(&leads);
    }
}

#[test]
fn rows_have_attributes_and_keep_the_order_of_the_select_list() {
    let org = Org::demo();
    let more = json!({ "Score__c": 1.5, "Signup_At__c": "2026-01-01T12:00:00+02:00", "Birthday__c": "1990-05-04",
                       "Newsletter__c": true, "City": "Linz", "Latitude": 48.3, "Longitude": 14.3,
                       "FirstName": "Ada" });
    let id = org.upsert(&[lead_with("1", more)])[0]["id"].clone();
    let soql = "select lastname, SCORE__c, Id, Name, Signup_At__c, Birthday__c, Newsletter__c, Title, Status, \
                IsDeleted, Owner.Username, CreatedById, Address, Owner.Type FROM Lead";
    let answer = ask(&org, "query", soql);
    let text = String::from_utf8(answer.body.clone()).unwrap();
    let id = id.as_str().unwrap();
    let user = answer.json()["records"][0]["CreatedById"]
        .as_str()
        .unwrap()
        .to_owned();
    let expected = format!(
        "{{\"totalSize\":1,\"done\":true,\"records\":[{{\"attributes\":{{\"type\":\"Lead\",\
         \"url\":\"/services/data/v67.0/sobjects/Lead/{id}\"}},\"LastName\":\"Doe\",\"Score__c\":1.5,\"Id\":\"{id}\",\
         \"Name\":\"Ada Doe\",\"Signup_At__c\":\"2026-01-01T10:00:00.000+0000\",\"Birthday__c\":\"1990-05-04\",\
         \"Newsletter__c\":true,\"Title\":null,\"Status\":\"Open - Not Contacted\",\"IsDeleted\":false,\
         \"Owner\":{{\"attributes\":{{\"type\":\"User\",\"url\":\"/services/data/v67.0/sobjects/User/{user}\"}},\
         \"Username\":\"integration@leadstream.example\",\"Type\":\"User\"}},\"CreatedById\":\"{user}\",\
         \"Address\":{{\"city\":\"Linz\",\"country\":null,\"geocodeAccuracy\":null,\"latitude\":48.3,\
         \"longitude\":14.3,\"postalCode\":null,\"state\":null,\"street\":null}}}}]}}"
    );
    assert_eq!(text, expected);
}

#[test]
fn pretty_printing_keeps_the_order_too() {
    let org = Org::demo();
    org.upsert(&[lead("1")]);
    let path = format!(
        "{DATA}/query?q={}",
        encode("SELECT LastName, Company FROM Lead")
    );
    let answer = org.ask("GET", &path).header("X-PrettyPrint", "1").send();
    let text = String::from_utf8(answer.body).unwrap();
    let places = [
        "\"totalSize\" : 1",
        "\"attributes\" :",
        "\"LastName\" : \"Doe\"",
        "\"Company\" :",
    ]
    .map(|key| text.find(key).unwrap_or_else(|| panic!("no {key}: {text}")));
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn two_hundred_keys_are_found_at_once() {
    let org = Org::demo();
    fill(&org, 600);
    let keys: Vec<String> = (100..300).map(|n| format!("'K{n}'")).collect();
    let soql = format!(
        "SELECT Id, MySQL_Id__c FROM Lead WHERE MySQL_Id__c IN ({})",
        keys.join(",")
    );
    let page = query(&org, &soql);
    assert_eq!(
        (&page["totalSize"], &page["done"]),
        (&json!(200), &json!(true))
    );
    let expected: Vec<String> = (100..300).map(|n| format!("k{n}")).collect();
    assert_eq!(column(&page, "MySQL_Id__c"), expected);
}

#[test]
fn long_results_come_in_pages_of_the_wanted_size() {
    let org = Org::demo();
    fill(&org, 2_100);
    let soql = "SELECT MySQL_Id__c FROM Lead ORDER BY NumberOfEmployees DESC";
    let first = query(&org, soql);
    assert_eq!(
        (&first["totalSize"], &first["done"]),
        (&json!(2_100), &json!(false))
    );
    assert_eq!(first["records"].as_array().unwrap().len(), 2_000);
    let next = first["nextRecordsUrl"].as_str().unwrap();
    assert!(next.starts_with("/services/data/v67.0/query/01g"), "{next}");
    assert!(next.ends_with("-2000"), "{next}");
    let last = org.get(next).json();
    assert_eq!(
        (&last["totalSize"], &last["done"]),
        (&json!(2_100), &json!(true))
    );
    assert_eq!(last.get("nextRecordsUrl"), None);
    let mut found = column(&first, "MySQL_Id__c");
    found.extend(column(&last, "MySQL_Id__c"));
    let expected: Vec<String> = (0..2_100).rev().map(|n| format!("k{n}")).collect();
    assert_eq!(found, expected);
    assert_eq!(org.get(next).status, 200, "a page can be fetched again");
}

#[test]
fn the_batch_size_is_asked_for_with_a_header_and_kept_for_later_pages() {
    let org = Org::demo();
    fill(&org, 700);
    let path = format!("{DATA}/query?q={}", encode("SELECT Id FROM Lead LIMIT 650"));
    let sizes = |options: &str| {
        let mut sizes = Vec::new();
        let mut answer = org
            .ask("GET", &path)
            .header("Sforce-Query-Options", options)
            .send()
            .json();
        loop {
            sizes.push(answer["records"].as_array().unwrap().len());
            assert_eq!(answer["totalSize"], 650);
            match answer["nextRecordsUrl"].as_str() {
                Some(next) => answer = org.get(next).json(),
                None => return sizes,
            }
        }
    };
    assert_eq!(sizes("batchSize=250"), [250, 250, 150]);
    assert_eq!(sizes("batchsize=1"), [200, 200, 200, 50]);
    assert_eq!(sizes("batchSize=many"), [650]);
    assert_eq!(sizes("batchSize=9999"), [650]);
}

#[test]
fn a_page_shows_leads_as_they_are_and_not_those_deleted_since() {
    let org = Org::demo();
    fill(&org, 300);
    let soql = "SELECT MySQL_Id__c, Title FROM Lead";
    let path = format!("{DATA}/query?q={}", encode(soql));
    let first = org
        .ask("GET", &path)
        .header("Sforce-Query-Options", "batchSize=200")
        .send()
        .json();
    let leads = org.sandbox.leads();
    let url = |n: usize| format!("{DATA}/sobjects/Lead/{}", leads[n].id);
    assert_eq!(org.patch(&url(250), &json!({ "Title": "CTO" })).status, 204);
    assert_eq!(org.ask("DELETE", &url(251)).send().status, 204);
    let next = org.get(first["nextRecordsUrl"].as_str().unwrap()).json();
    assert_eq!(next["records"].as_array().unwrap().len(), 99);
    assert_eq!(next["records"][50]["Title"], "CTO");
}

#[test]
fn locators_expire_and_unknown_ones_are_refused() {
    let org = Org::demo();
    fill(&org, 300);
    let path = format!("{DATA}/query?q={}", encode("SELECT Id FROM Lead"));
    let open = || {
        let page = org
            .ask("GET", &path)
            .header("Sforce-Query-Options", "batchSize=200")
            .send()
            .json();
        page["nextRecordsUrl"].as_str().unwrap().to_owned()
    };
    let next = open();
    org.sandbox.advance_clock(Duration::from_secs(14 * 60));
    assert_eq!(org.get(&next).status, 200);
    org.sandbox.advance_clock(Duration::from_secs(14 * 60));
    assert_eq!(org.get(&next).status, 200, "use keeps it alive");
    org.sandbox.advance_clock(Duration::from_secs(15 * 60));
    let refused = |place: &str| {
        let answer = org.get(place);
        check_error(
            &answer,
            400,
            "INVALID_QUERY_LOCATOR",
            "invalid query locator",
        );
    };
    refused(&next);
    let living = open();
    let locator = living.split_once('-').unwrap().0;
    for place in [
        format!("{locator}-300"),
        format!("{locator}-x"),
        locator.to_owned(),
        format!("{DATA}/query/x"),
        format!("{DATA}/query/01gHp0000000999AAA-0"),
        format!("{DATA}/queryAll/-99999999999999999999"),
    ] {
        refused(&place);
    }
    // The hundred and first takes the place of the oldest.
    for _ in 0..100 {
        open();
    }
    refused(&living);
    assert_eq!(org.get(&open()).status, 200);
}

#[test]
fn counts_and_aggregates_have_their_own_shapes() {
    let org = Org::demo();
    fill(&org, 5);
    org.upsert(&[
        lead_with("w1", json!({ "LeadSource": "Web" })),
        lead_with("w2", json!({ "LeadSource": "web" })),
    ]);
    assert_eq!(
        query(&org, "SELECT COUNT() FROM Lead WHERE NumberOfEmployees > 1"),
        json!({ "totalSize": 3, "done": true, "records": [] })
    );
    assert_eq!(
        query(&org, "SELECT COUNT() FROM Lead LIMIT 4")["totalSize"],
        4
    );
    let soql = "SELECT LeadSource, COUNT(Id), SUM(NumberOfEmployees) total FROM Lead GROUP BY LeadSource ORDER BY LeadSource";
    let answer = ask(&org, "query", soql);
    assert_eq!(
        String::from_utf8(answer.body).unwrap(),
        "{\"totalSize\":2,\"done\":true,\"records\":[\
         {\"attributes\":{\"type\":\"AggregateResult\"},\"LeadSource\":null,\"expr0\":5,\"total\":10.0},\
         {\"attributes\":{\"type\":\"AggregateResult\"},\"LeadSource\":\"Web\",\"expr0\":2,\"total\":null}]}"
    );
    fill(&org, 2_100);
    let soql = "SELECT MySQL_Id__c FROM Lead GROUP BY MySQL_Id__c";
    check_error(
        &ask(&org, "query", soql),
        400,
        "EXCEEDED_ID_LIMIT",
        "Aggregate query does not support queryMore(), use LIMIT",
    );
    assert_eq!(
        query(&org, &format!("{soql} LIMIT 2000"))["totalSize"],
        2_000
    );
}

#[test]
fn deleted_leads_are_seen_by_query_all_only() {
    let org = Org::demo();
    org.upsert(&[lead("1"), lead("2")]);
    let id = org.sandbox.leads()[0].id.clone();
    assert_eq!(
        org.ask("DELETE", &format!("{DATA}/sobjects/Lead/{id}"))
            .send()
            .status,
        204
    );
    let by_key = "SELECT Id, IsDeleted FROM Lead WHERE MySQL_Id__c = '1'";
    assert_eq!(query(&org, by_key)["totalSize"], 0);
    let all = ask(&org, "queryAll", by_key).json();
    assert_eq!(
        (&all["totalSize"], &all["records"][0]["IsDeleted"]),
        (&json!(1), &json!(true))
    );
    let by_id = format!("SELECT Id FROM Lead WHERE Id = '{id}'");
    assert_eq!(query(&org, &by_id)["totalSize"], 0);
    assert_eq!(ask(&org, "queryAll", &by_id).json()["totalSize"], 1);
    let soql = "SELECT COUNT() FROM Lead WHERE IsDeleted = false";
    assert_eq!(ask(&org, "queryAll", soql).json()["totalSize"], 1);
}

#[test]
fn todays_leads_are_those_of_the_orgs_day() {
    let org = Org::demo();
    org.upsert(&[lead("1")]);
    org.sandbox.advance_clock(Duration::from_secs(86_400));
    org.upsert(&[lead("2")]);
    for (literal, key) in [("TODAY", "2"), ("YESTERDAY", "1")] {
        let soql = format!("SELECT MySQL_Id__c FROM Lead WHERE CreatedDate = {literal}");
        assert_eq!(
            column(&query(&org, &soql), "MySQL_Id__c"),
            [key],
            "{literal}"
        );
    }
}

#[test]
fn refused_queries_are_400_with_the_place() {
    let org = Org::demo();
    let answer = ask(&org, "query", "SELECT Foo FROM Lead");
    let text = "\nSELECT Foo FROM Lead\n       ^\nERROR at Row:1:Column:8\nNo such column 'Foo' on entity 'Lead'.";
    check_error(&answer, 400, "INVALID_FIELD", text);
    let answer = ask(&org, "queryAll", "SELECT Id FROM Account");
    let text = "\nSELECT Id FROM Account\n               ^\nERROR at Row:1:Column:16\nsObject type 'Account' is not supported.";
    check_error(&answer, 400, "INVALID_TYPE", text);
    let answer = ask(&org, "query", "SELECT Id FROM Lead WHERE");
    check_error(&answer, 400, "MALFORMED_QUERY", "");
    for path in ["query", "queryAll"] {
        let answer = org.get(&format!("{DATA}/{path}"));
        check_error(
            &answer,
            400,
            "MALFORMED_QUERY",
            "A query string has to be specified",
        );
        let answer = org.ask("POST", &format!("{DATA}/{path}?q=x")).send();
        check_error(
            &answer,
            405,
            "METHOD_NOT_ALLOWED",
            "HTTP Method 'POST' not allowed.",
        );
    }
    let explain = org.get(&format!("{DATA}/query?explain=x"));
    check_error(&explain, 400, "UNSUPPORTED_OPERATION", "");
}

#[test]
fn what_this_org_does_not_have_is_404() {
    let org = Org::demo();
    for path in [
        "search?q=FIND",
        "parameterizedSearch?q=x",
        "tooling/query?q=SELECT+Id+FROM+ApexClass",
        "tabs",
        "theme",
        "query/a/b",
    ] {
        check_error(&org.get(&format!("{DATA}/{path}")), 404, "NOT_FOUND", "");
    }
    assert_eq!(org.get(&format!("{DATA}/recent")).json(), json!([]));
}

#[test]
fn a_hidden_field_does_not_exist_in_queries() {
    let org = Org::with(OrgConfig {
        hidden_fields: vec!["Score__c".into()],
        ..OrgConfig::default()
    });
    let answer = ask(&org, "query", "SELECT Id FROM Lead WHERE Score__c > 1");
    assert_eq!(answer.json()[0]["errorCode"], "INVALID_FIELD");
    let soql = "SELECT FIELDS(CUSTOM) FROM Lead LIMIT 1";
    org.upsert(&[lead("1")]);
    assert_eq!(query(&org, soql)["records"][0].get("Score__c"), None);
}

#[test]
fn faults_can_be_armed_for_queries_alone() {
    let org = Org::demo();
    fill(&org, 300);
    let path = format!("{DATA}/query?q={}", encode("SELECT Id FROM Lead"));
    let first = org
        .ask("GET", &path)
        .header("Sforce-Query-Options", "batchSize=200")
        .send()
        .json();
    let refuse = Action::Refuse {
        status: 400,
        code: "QUERY_TIMEOUT".into(),
        message: "Your query request was running for too long.".into(),
    };
    org.sandbox
        .faults()
        .add(Fault::new(refuse).on(Endpoint::Query).times(2));
    assert_eq!(org.get(&format!("{DATA}/limits")).status, 200);
    check_error(&org.get(&path), 400, "QUERY_TIMEOUT", "Your query request");
    let next = first["nextRecordsUrl"].as_str().unwrap();
    check_error(&org.get(next), 400, "QUERY_TIMEOUT", "Your query request");
    assert_eq!(org.get(next).status, 200);
}

#[test]
fn queries_run_beside_writes() {
    let org = Org::demo();
    fill(&org, 200);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for _ in 0..20 {
                fill(&org, 200);
            }
        });
        for _ in 0..20 {
            let page = query(
                &org,
                "SELECT MySQL_Id__c FROM Lead WHERE Company LIKE '%c%'",
            );
            assert_eq!(page["totalSize"], 200);
        }
        writer.join().unwrap();
    });
    assert!(org.sandbox.wait_for(PATIENCE, |stats| stats.leads == 200));
}
