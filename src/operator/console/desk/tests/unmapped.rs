//! Letters that the mapping refused before they were sent: what was refused stands in the row that
//! they carry, and is shown wherever the field is.

use super::bench::{Bench, Refused, unmapped};
use crate::operator::access::Role;

const BAYERN: &str = r#"{"id":{"int":1},"state":{"text":" Bayern "}}"#;
const NOTHING: &str = r#"{"id":{"int":1},"state":null}"#;
const EVIL: &str = r#"{"id":{"int":1},"state":{"text":"\"'><script>alert(1)</script>\u202e"}}"#;

const PAIRS: &str =
    "route=leads&class=mapping&code=INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST&field=State";

fn group() -> String {
    format!("/attention/group?{PAIRS}")
}

fn mend(set: &str, value: &str) -> String {
    format!("/attention/mend?{PAIRS}&set={set}&value={value}")
}

#[tokio::test]
async fn a_refused_value_is_seen_in_the_list_the_preview_the_form_and_the_story() {
    let bench = Bench::new(vec![unmapped(1, BAYERN), unmapped(2, NOTHING)]);
    let list = bench.get(Role::Operator, &group()).await;
    list.has(&[
        "<td class=\"break\" data-label=\"State\">Bayern</td>",
        "<td class=\"break\" data-label=\"State\">(empty)</td>",
    ]);
    let preview = bench.get(Role::Operator, &mend("State", "CA")).await;
    preview.has(&[
        "data-label=\"State now\">“Bayern”</td>",
        "data-label=\"State now\">empty</td>",
        "Of 2 leads, 2 would be changed",
    ]);
    let emptied = bench.get(Role::Operator, &mend("State", "")).await;
    // To empty what was refused is a change; what is empty stays so.
    emptied.has(&["Of 2 leads, 1 would be changed, 1 are so already"]);
    let letter = bench.get(Role::Operator, "/attention/letter/1").await;
    letter.has(&[
        "<option value=\"Bayern\" selected>Bayern (not in the list)</option>",
        "state in the database",
        "It was not sent.",
    ]);
    letter.lacks(&["{&#34;text&#34;"]);
    let story = bench.get(Role::Operator, "/find?q=L-1").await;
    story.has(&["state in the database", "Bayern"]);
    let viewed = bench.get(Role::Viewer, "/attention/letter/1").await;
    viewed.has(&["B•••"]);
    for path in [&group(), "/attention/letter/1", "/find?q=L-1"] {
        bench.get(Role::Viewer, path).await.lacks(&["Bayern"]);
    }
    bench.get(Role::Viewer, &group()).await.has(&["B•••"]);
}

#[tokio::test]
async fn a_form_that_comes_back_as_it_went_sends_no_refused_value() {
    let bench = Bench::new(vec![unmapped(1, BAYERN)]);
    let path = "/attention/letter/1";
    let form = |state: &'static str| {
        [
            ("seen", "1"),
            ("act", "save"),
            ("f.State", state),
            ("f.LastName", "Lovelace 1"),
            ("f.Note__c", ""),
        ]
    };
    let same = bench.post(Role::Operator, path, &form("Bayern")).await;
    same.has(&["Every field is as it was"]);
    assert!(bench.done().is_empty());
    bench.post(Role::Operator, path, &form("CA")).await;
    assert_eq!(bench.done(), [r#"anna edits 1 to {"State":"CA"}"#]);
    // What was edited is no longer the row's.
    let list = bench.get(Role::Operator, &group()).await;
    list.has(&["data-label=\"State\">CA</td>"]);
    list.lacks(&["Bayern"]);
}

#[tokio::test]
async fn what_is_worked_out_is_told_by_its_columns() {
    let refused = Refused {
        field: "Note__c".into(),
        ..unmapped(1, BAYERN)
    };
    let bench = Bench::new(vec![refused]);
    let group = group().replace("=State", "=Note__c");
    bench
        .get(Role::Operator, &group)
        .await
        .has(&["(computed from greeting, wish)"]);
    let letter = bench.get(Role::Operator, "/attention/letter/1").await;
    letter.has(&["It is computed from greeting, wish; what came of it was not accepted"]);
}

#[tokio::test]
async fn a_refused_script_is_text() {
    let bench = Bench::new(vec![unmapped(1, EVIL)]);
    for path in [
        &*group(),
        &*mend("State", "CA"),
        "/attention/letter/1",
        "/find?q=L-1",
    ] {
        let page = bench.get(Role::Operator, path).await;
        page.lacks(&["<script>alert", "\"'>"]);
        page.has(&["&#60;script&#62;alert(1)", "⟨U+202E⟩"]);
    }
}
