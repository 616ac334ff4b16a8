//! The sandbox's web page: sound markup, nothing from elsewhere, values as text.
use std::collections::HashSet;

use serde_json::json;

use crate::harness::{Answer, Ask, Org, lead, lead_with};

const HOSTILE: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&";
/// Elements that have no end tag.
const VOID: [&str; 6] = ["meta", "link", "img", "input", "br", "hr"];

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).unwrap()
}

fn file(org: &Org, name: &str) -> String {
    let answer = org.control("GET", name).send();
    assert_eq!(answer.status, 200, "{name}");
    text(&answer)
}

struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
    end: bool,
}

/// The tags of a document.
fn tags(html: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let tag = &rest[at + 1..at + rest[at..].find('>').expect("every tag ends")];
        rest = &rest[at + tag.len() + 2..];
        if tag.starts_with('!') {
            continue;
        }
        let end = tag.starts_with('/');
        let tag = tag.trim_start_matches('/');
        let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut attributes_found = Vec::new();
        while let Some((key, value)) = attributes.split_once("=\"") {
            let (value, more) = value.split_once('"').expect("every value is in quotes");
            let key = key.split_whitespace().last().unwrap_or_default();
            attributes_found.push((key.to_owned(), value.to_owned()));
            attributes = more;
        }
        found.push(Tag {
            name: name.to_owned(),
            attributes: attributes_found,
            end,
        });
    }
    found
}

#[test]
fn the_page_is_served_at_the_root_and_below_the_control_path() {
    let org = Org::demo();
    let page = file(&org, "page.html");
    for path in ["/", "/__sandbox/"] {
        let answer = org.ask_anonymously("GET", path).send();
        assert_eq!(
            (answer.status, text(&answer)),
            (200, page.clone()),
            "{path}"
        );
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=utf-8")
        );
    }
    for (name, kind) in [
        ("page.css", "text/css; charset=utf-8"),
        ("page.js", "text/javascript; charset=utf-8"),
        ("page.svg", "image/svg+xml"),
    ] {
        let answer = org.control("GET", name).send();
        assert_eq!(answer.header("content-type"), Some(kind));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(org.ask_anonymously("POST", "/").send().status, 405);
    assert_eq!(
        org.sandbox.stats().requests,
        1,
        "looking counts for nothing"
    );
}

#[test]
fn the_page_is_not_shown_to_other_machines() {
    let sandbox =
        salesforce_sandbox::Sandbox::start("0.0.0.0:0".parse().unwrap(), Default::default())
            .unwrap();
    let address = format!("127.0.0.1:{}", sandbox.address().port())
        .parse()
        .unwrap();
    for path in ["/", "/__sandbox/", "/__sandbox/page.json"] {
        assert_eq!(Ask::new(address, "GET", path).send().status, 404, "{path}");
    }
}

#[test]
fn its_policy_allows_nothing_but_its_own_files() {
    let org = Org::demo();
    let answer = org.ask_anonymously("GET", "/").send();
    let policy = answer.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    for name in ["page.html", "page.css", "page.js"] {
        // The name of the SVG namespace is no address that anything is loaded from.
        let text = file(&org, name).replace("http://www.w3.org/2000/svg", "");
        for foreign in ["http:", "https:", "src=\"//", "url(", "@import", "import("] {
            assert!(!text.contains(foreign), "{name}: {foreign}");
        }
    }
}

#[test]
fn its_markup_is_sound_and_can_be_read_aloud() {
    let org = Org::demo();
    let page = file(&org, "page.html");
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
    let mut open = Vec::new();
    let mut ids = HashSet::new();
    let (mut labels, mut inputs, mut headings) = (HashSet::new(), HashSet::new(), Vec::new());
    let mut referred = Vec::new();
    for Tag {
        name,
        attributes,
        end,
    } in tags(&page)
    {
        if end {
            assert_eq!(
                open.pop(),
                Some(name.clone()),
                "</{name}> ends what is open"
            );
            continue;
        }
        for (key, value) in &attributes {
            assert!(
                !key.starts_with("on") && key != "style",
                "{name} {key}: no inline code"
            );
            match key.as_str() {
                "id" => assert!(ids.insert(value.clone()), "{value} is there once"),
                "for" => assert!(labels.insert(value.clone())),
                "aria-labelledby" => referred.push(value.clone()),
                "href" if value.starts_with('#') => referred.push(value[1..].to_owned()),
                "href" | "src" => assert!(value.starts_with("/__sandbox"), "{value}"),
                _ => {}
            }
        }
        let attribute = |key: &str| {
            attributes
                .iter()
                .find(|(k, _)| k == key)
                .map(|(_, v)| v.clone())
        };
        match name.as_str() {
            "input" => assert!(inputs.insert(attribute("id").unwrap())),
            "img" => assert!(attribute("alt").is_some()),
            "button" => assert_eq!(attribute("type").as_deref(), Some("button")),
            "script" => assert!(attribute("src").is_some()),
            "th" => assert_eq!(attribute("scope").as_deref(), Some("col")),
            "h1" | "h2" | "h3" => headings.push(name.clone()),
            _ => {}
        }
        if !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?} is never ended");
    assert_eq!(labels, inputs, "every field has its label");
    assert_eq!(headings.iter().filter(|h| *h == "h1").count(), 1);
    assert_eq!(headings.first().map(String::as_str), Some("h1"));
    for id in referred {
        assert!(ids.contains(&id), "{id}");
    }
    for part in [
        "<title>Salesforce sandbox</title>",
        "width=device-width",
        "<main>",
        "<noscript>",
        "color-scheme",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // Every element that the program looks for is there.
    let script = file(&org, "page.js");
    for wanted in script
        .split("byId(\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
    {
        assert!(ids.contains(wanted), "{wanted}");
    }
}

#[test]
fn the_program_turns_no_value_into_markup() {
    let script = file(&Org::demo(), "page.js");
    for way in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        "srcdoc",
        "createContextualFragment",
        "DOMParser",
        "setHTML",
        "javascript:",
        "setAttribute(\"on",
        "setAttribute(\"style",
        "setAttribute(\"href",
        ".href =",
        ".src =",
    ] {
        assert!(!script.contains(way), "{way}");
    }
    assert!(script.contains("textContent"));
}

#[test]
fn hostile_values_travel_as_json_that_no_browser_takes_for_a_page() {
    let org = Org::demo();
    org.upsert(&[lead_with(
        HOSTILE,
        json!({ "LastName": HOSTILE, "Company": HOSTILE }),
    )]);
    org.get(&format!(
        "/services/data/v67.0/sobjects/Lead/MySQL_Id__c/{}",
        "%3Cscript%3E"
    ));
    let answer = org.control("GET", "page.json").send();
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("application/json")
    );
    let data = answer.json();
    assert_eq!(data["leads"][0]["fields"]["LastName"], HOSTILE);
    assert_eq!(data["leads"][0]["fields"]["MySQL_Id__c"], HOSTILE);
    assert!(!file(&org, "page.html").contains("alert(1)"));
}

#[test]
fn the_page_gets_all_that_it_shows_in_one_answer() {
    let org = Org::demo();
    let records: Vec<_> = (0..30).map(|n| lead(&format!("k{n}"))).collect();
    org.upsert(&records);
    org.sandbox.use_up(100, 0);
    let data = org.show("page.json");
    assert_eq!(data["leads"].as_array().unwrap().len(), 20);
    assert_eq!(
        data["leads"][0]["fields"]["MySQL_Id__c"], "k29",
        "newest first"
    );
    assert_eq!(
        (&data["more_leads"], &data["search_cut_short"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(data["key_field"], "MySQL_Id__c");
    assert_eq!(
        data["usage"]["api_calls"],
        json!({ "used": 101, "max": 115_000 })
    );
    assert_eq!(
        (&data["sessions"], &data["stats"]["leads"]),
        (&json!(1), &json!(30))
    );
    assert_eq!(data["requests"][0]["method"], "PATCH");
    assert_eq!(
        data["requests"][0]["keys"].as_array().unwrap().len(),
        1,
        "only what is shown"
    );
    let rest = org.show("page.json?offset=20&limit=999");
    assert_eq!(rest["leads"].as_array().unwrap().len(), 10);
    assert_eq!(rest["more_leads"], false);
    let found = org.show("page.json?search=K7");
    assert_eq!(found["leads"].as_array().unwrap().len(), 1);
    // The names that the program reads are those that it gets.
    let script = file(&org, "page.js");
    for name in [
        "key_field",
        "more_leads",
        "search_cut_short",
        "now_monotonic_micros",
        "stepping",
        "usage",
    ] {
        assert!(script.contains(name) && data.get(name).is_some(), "{name}");
    }
}
