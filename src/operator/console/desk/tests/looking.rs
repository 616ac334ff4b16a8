//! What is shown, to whom, and that nothing of it is taken for the page's own.

use super::bench::{Bench, Refused, lead};
use crate::operator::access::Role;
use crate::operator::letters::LetterQuestion;
use crate::operator::questions::{Query, Reply, answer};
use crate::state::{DeadLetterFilter, TraceQuery};

const GROUP: &str = "/attention/group?route=leads&class=data\
                     &code=INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST&field=State";

fn unnamed(number: u64) -> Refused {
    Refused {
        code: "REQUIRED_FIELD_MISSING",
        message: "Required fields are missing: [LastName]".into(),
        field: "LastName".into(),
        ..lead(number)
    }
}

#[tokio::test]
async fn causes_are_told_in_plain_words_the_most_frequent_first() {
    let bench = Bench::new(vec![unnamed(1), lead(2), lead(3)]);
    let page = bench.get(Role::Viewer, "/attention").await;
    assert_eq!(page.status, 200);
    page.has(&[
        "2 leads: State is not in the list",
        "1 lead: Last Name is empty",
        "2 causes, 3 leads",
        "for 3 days",
        "Sales operations",
        "Choose a value of the list for all of them",
        "field=State\">",
    ]);
    let order = page.body.find("2 leads").unwrap() < page.body.find("1 lead:").unwrap();
    assert!(order);
    let none = Bench::new(Vec::new()).get(Role::Viewer, "/attention").await;
    none.has(&["Nothing waits for a person"]);
}

#[tokio::test]
async fn a_list_has_pages_and_reads_the_letters_of_one() {
    let bench = Bench::new((1..=60).map(lead).collect());
    let first = bench.get(Role::Operator, GROUP).await;
    first.has(&[
        "60 leads: State is not in the list",
        "Page 1 of 3",
        ">L-1<",
        ">L-25<",
        "Lovelace 25",
        "page=2",
    ]);
    first.lacks(&[">L-26<", "rel=\"prev\""]);
    let last = bench.get(Role::Operator, &format!("{GROUP}&page=3")).await;
    last.has(&[">L-60<", "rel=\"prev\""]);
    last.lacks(&[">L-50<", "rel=\"next\""]);
    // What no page has, and what is no number.
    for page in ["99", "0", "-1", "18446744073709551615", "x"] {
        let answer = bench
            .get(Role::Operator, &format!("{GROUP}&page={page}"))
            .await;
        assert_eq!(answer.status, 200, "{page}");
    }
    let others = bench
        .get(Role::Operator, "/attention/group?route=leads")
        .await;
    others.has(&["No lead waits for this reason any more"]);
}

#[tokio::test]
async fn a_viewer_sees_the_causes_and_nobody() {
    let bench = Bench::new(vec![lead(1)]);
    bench
        .post(
            Role::Operator,
            "/attention/letter/1",
            &[("seen", "1"), ("act", "save"), ("f.LastName", "Byron")],
        )
        .await;
    let hidden = [
        "L-1",
        "Lovelace",
        "Byron",
        "Kalifornien",
        "Engines",
        "ada.1@",
        "<button class=\"primary\" type=\"submit\" name",
        "/attention/chosen",
        "/attention/mend",
        "/attention/all",
        "name=\"set\"",
        "/discard",
    ];
    for path in [GROUP, "/attention/letter/1", "/attention"] {
        let page = bench.get(Role::Viewer, path).await;
        assert_eq!(page.status, 200);
        page.lacks(&hidden);
    }
    let letter = bench.get(Role::Viewer, "/attention/letter/1").await;
    letter.has(&["K•••", "hidden from your role"]);
    // Who knows the key may ask for it; the rest stays hidden.
    let found = bench.get(Role::Viewer, "/find?q=L-1").await;
    found.has(&["Found as a key", "Lead L•••"]);
    found.lacks(&["Lovelace", "Byron", "Kalifornien", "ada.1@"]);
    let seen = bench.get(Role::Operator, "/attention/letter/1").await;
    seen.has(&["Byron", "Kalifornien", "ada.1@example.com", "Lovelace 1"]);
    for (path, form) in [
        ("/attention/letter/1", vec![("act", "save")]),
        ("/attention/letter/1/discard", vec![("reason", "x")]),
        ("/attention/chosen", vec![("n", "1"), ("act", "resend")]),
        (
            "/attention/all",
            vec![("act", "discard"), ("n", "1"), ("reason", "x")],
        ),
        ("/attention/mend", vec![("set", "State"), ("value", "CA")]),
    ] {
        let answer = bench.post(Role::Viewer, path, &form).await;
        assert_eq!(answer.status, 403, "{path}");
    }
    for path in [
        "/attention/mend?set=State&value=CA",
        "/attention/all?act=resend",
        "/attention/all?act=discard",
    ] {
        let asked = bench.get(Role::Viewer, path).await;
        assert_eq!(asked.status, 403, "{path}");
    }
    assert_eq!(bench.done().len(), 1, "the operator's edit alone");
}

#[tokio::test]
async fn a_lead_is_found_by_whatever_is_known_of_it() {
    let bench = Bench::new(vec![lead(1), lead(2)]);
    let send = [("seen", "1"), ("act", "send"), ("f.State", "CA")];
    let sent = bench
        .post(Role::Operator, "/attention/letter/2", &send)
        .await;
    assert_eq!(sent.location, "/attention/letter/2");
    for (asked, found_as) in [
        ("L-2", "a key"),
        ("%20ada.2%40Example.com", "an e-mail address"),
        ("00Q5g0000000002EAX", "a Salesforce id"),
        ("00Q5g0000000002", "a Salesforce id"),
    ] {
        let page = bench.get(Role::Operator, &format!("/find?q={asked}")).await;
        page.has(&[
            &format!("Found as {found_as}"),
            "Added to shop.leads",
            "row 0 of transaction 3e11fa47-71ca-11e1-9e33-c80aa9429562:2",
            "Salesforce refused it. State is not in the list.",
            "0.1 s later",
            "3.9 s later",
            "anna changed it.",
            "<strong>State</strong> was “Kalifornien” and became “CA”",
            "anna sent it again.",
            "Salesforce created the record, which settles dead letter 2. That was 4.2 s after the change.",
            "https://acme.my.salesforce.com/lightning/r/Lead/00Q5g0000000002EAX/view",
        ]);
        page.lacks(&["L-1", "Needs attention</dt>"]);
    }
    let waits = bench.get(Role::Operator, "/find?q=L-1").await;
    waits.has(&["Needs attention</dt>", "/attention/letter/1"]);
    let letter = bench.get(Role::Operator, "/find?q=2").await;
    letter.has(&["/attention/letter/2\">Dead letter 2</a>"]);
    let nothing = bench
        .get(Role::Operator, "/find?q=nobody%40example.com")
        .await;
    nothing.has(&[
        "Nothing was found",
        "searched as an e-mail address, and as a key",
    ]);
    bench
        .get(Role::Operator, "/find")
        .await
        .lacks(&["Nothing was found"]);
}

#[tokio::test]
async fn what_strangers_wrote_is_text_everywhere() {
    let evil = "\"'><script>alert(1)</script>\u{202e}\u{7}&amp;";
    let json = serde_json::to_string(evil).unwrap();
    let refused = Refused {
        key: evil.to_owned(),
        payload: format!(
            "{{\"LastName\":{json},\"State\":{json},\"Note__c\":{json},{json}:{json}}}"
        ),
        code: "FIELD_<script>alert(2)</script>",
        message: evil.to_owned(),
        field: "<script>alert(3)</script>".to_owned(),
        row: None,
    };
    let bench = Bench::new(vec![refused]);
    let attention = bench.get(Role::Operator, "/attention").await;
    let group = attention.body.split("<h2><a href=\"").nth(1).unwrap();
    let group = group.split('"').next().unwrap().replace("&#38;", "&");
    let edit = [("seen", "1"), ("act", "save"), ("f.LastName", evil)];
    let tried = bench
        .post(
            Role::Operator,
            "/attention/letter/1",
            &[("seen", "0"), ("f.State", evil)],
        )
        .await;
    let wrong = bench
        .post(
            Role::Operator,
            "/attention/letter/1",
            &[("seen", "1"), ("f.State", "<script>alert(4)")],
        )
        .await;
    let listed = bench.get(Role::Operator, &group).await;
    assert!(
        listed.body.contains("Choose dead letter 1"),
        "{group}: {}",
        listed.body
    );
    bench
        .post(Role::Operator, "/attention/letter/1", &edit)
        .await;
    let asked = super::super::shown::query(&[("q", evil)]);
    let mend = group.replace("/attention/group", "/attention/mend");
    let set = super::super::shown::query(&[("set", "Note__c"), ("value", evil)]);
    let nothing = super::super::shown::query(&[("set", evil), ("value", evil)]);
    let pages = [
        attention,
        tried,
        wrong,
        listed,
        bench.get(Role::Viewer, &group).await,
        bench.get(Role::Operator, "/attention/letter/1").await,
        bench.get(Role::Viewer, "/attention/letter/1").await,
        bench.get(Role::Operator, &format!("/find?{asked}")).await,
        bench.get(Role::Operator, &format!("/find?{asked}x")).await,
        bench.get(Role::Operator, &format!("{mend}&{set}")).await,
        bench
            .get(Role::Operator, &format!("{mend}&{nothing}"))
            .await,
    ];
    let confirm = [
        ("n", evil),
        ("n", "1"),
        ("act", "discard"),
        ("route", evil),
        ("code", evil),
    ];
    let confirm = bench
        .post(Role::Operator, "/attention/chosen", &confirm)
        .await;
    confirm.has(&["Discard 1 lead?"]);
    for page in pages.iter().chain([&confirm]) {
        page.lacks(&["<script>alert", "\"'>", "&amp;amp;lt"]);
    }
    // It is there, and what turns the direction is seen.
    pages[5].has(&["&#60;script&#62;alert(1)", "⟨U+202E⟩", "⟨U+0007⟩"]);
    pages[7].has(&["⟨U+202E⟩"]);
}

/// Whoever has seen in the status that so many wait finds them all, although the index follows a
/// moment later.
#[tokio::test]
async fn what_was_durable_when_somebody_asked_is_in_the_answer() {
    let bench = Bench::new(Vec::new());
    for number in 1..=60_u64 {
        bench.refuse(number, &[lead(number)]);
        let filter = DeadLetterFilter::default();
        let key = format!("L-{number}");
        let (query, expected) = match number % 4 {
            0 => (
                Query::Trace {
                    what: TraceQuery::Key(key),
                },
                1,
            ),
            1 => {
                let what = LetterQuestion::Numbers { filter };
                (Query::Letters { what }, number)
            }
            2 => {
                let (limit, after) = (100, 0);
                let what = LetterQuestion::Page {
                    filter,
                    limit,
                    after,
                };
                (Query::Letters { what }, number)
            }
            _ => {
                let (limit, offset) = (100, 0);
                (
                    Query::DeadLetters {
                        filter,
                        limit,
                        offset,
                    },
                    number,
                )
            }
        };
        let Reply::Value(value) = answer(query, bench.view.clone(), "anna").await else {
            panic!("no answer about letter {number}");
        };
        let found = value.get("letters").unwrap_or(&value).as_array().unwrap();
        assert_eq!(found.len() as u64, expected, "letter {number}: {value}");
    }
}

#[tokio::test]
async fn a_lead_is_found_as_soon_as_it_is_durable() {
    let bench = Bench::new(Vec::new());
    for number in 1..=40_u64 {
        bench.refuse(number, &[lead(number)]);
        let page = bench
            .get(Role::Operator, &format!("/find?q=L-{number}"))
            .await;
        page.has(&["Lovelace"]);
        page.lacks(&["Nothing was found"]);
    }
}
