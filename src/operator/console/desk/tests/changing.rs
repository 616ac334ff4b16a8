//! What is changed, by whom, how often, and what becomes of a letter.

use super::bench::{Answer, Bench, lead};
use crate::operator::access::Role;

const PAIRS: [(&str, &str); 4] = [
    ("route", "leads"),
    ("class", "data"),
    ("code", "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
    ("field", "State"),
];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = PAIRS.to_vec();
    all.extend_from_slice(more);
    all
}

fn at(path: &str, more: &[(&str, &str)]) -> String {
    format!("{path}?{}", super::super::shown::query(&with(more)))
}

/// What a hidden field of the page holds.
#[track_caller]
fn hidden(page: &Answer, name: &str) -> String {
    let field = format!("name=\"{name}\" value=\"");
    let found = page.body.split(&field).nth(1).expect("the field");
    found.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn one_is_mended_by_hand_with_what_is_wrong_beside_the_fields() {
    let bench = Bench::new(vec![lead(1)]);
    let page = bench.get(Role::Operator, "/attention/letter/1").await;
    page.has(&[
        "<option value=\"Kalifornien\" selected>Kalifornien (not in the list)</option>",
        "<option value=\"CA\">CA</option>",
        "(required)",
        "maxlength=\"80\"",
        "name=\"csrf\" value=\"t0k3n\"",
        "bad value for restricted picklist field: Kalifornien",
        "Salesforce refused it",
    ]);
    let seen = hidden(&page, "seen");
    let form = |act, state, name| {
        vec![
            ("seen", &*seen),
            ("act", act),
            ("f.State", state),
            ("f.LastName", name),
            ("f.Email", "ada.1@example.com"),
        ]
    };
    let path = "/attention/letter/1";
    let wrong = bench
        .post(Role::Operator, path, &form("save", "Texas", ""))
        .await;
    assert_eq!(wrong.status, 422);
    wrong.has(&[
        "<p class=\"error\" id=\"f-State-error\">State takes only the values of its picklist: CA, NY, TX</p>",
        "<p class=\"error\" id=\"f-LastName-error\">Last Name is required: it cannot be empty</p>",
        "Texas (not in the list)",
        "aria-invalid=\"true\"",
    ]);
    wrong.lacks(&["command line", "f-Email-error"]);
    let checked = bench
        .post(Role::Operator, path, &form("check", "TX", "Byron"))
        .await;
    assert_eq!(checked.status, 200);
    checked.has(&[
        "This can be saved: Last Name, State",
        "value=\"Byron\"",
        "\"TX\" selected",
    ]);
    assert!(bench.done().is_empty(), "a check changes nothing");

    let saved = bench
        .post(Role::Operator, path, &form("save", "TX", "Stay"))
        .await;
    assert_eq!((saved.status, &*saved.location), (303, path));
    // Sent twice, by a hand that was too quick: the second has not seen the first.
    let again = bench
        .post(Role::Operator, path, &form("send", "NY", "Stay"))
        .await;
    again.has(&["Something happened to it", "\"NY\" selected"]);
    assert_eq!(bench.done().len(), 1);
    let page = bench.get(Role::Operator, path).await;
    page.has(&["\"TX\" selected", "anna changed it."]);

    let seen = hidden(&page, "seen");
    let send = [("seen", &*seen), ("act", "send")];
    let sent = bench.post(Role::Operator, path, &send).await;
    assert_eq!(sent.status, 303);
    bench
        .get(Role::Operator, path)
        .await
        .has(&["1 refused again", "anna sent it again"]);
    let page = bench.get(Role::Operator, path).await;
    let seen = hidden(&page, "seen");
    let send = [("seen", &*seen), ("act", "send"), ("f.LastName", "Byron")];
    bench.post(Role::Operator, path, &send).await;
    let closed = bench.get(Role::Operator, path).await;
    closed.has(&[
        "It has arrived in Salesforce.",
        "/lightning/r/Lead/00Q5g0000000001EAX/view",
    ]);
    closed.lacks(&["<form class=\"form\""]);
    // And once more: it says what became of it.
    let late = bench.post(Role::Operator, path, &send).await;
    assert_eq!((late.status, &*late.location), (303, path));
    let done = bench.done();
    assert_eq!(
        done,
        [
            r#"anna edits 1 to {"LastName":"Stay","State":"TX"}"#,
            "anna sends [1]",
            r#"anna edits 1 to {"LastName":"Byron"}"#,
            "anna sends [1]",
        ]
    );
    let unknown = bench.get(Role::Operator, "/attention/letter/99").await;
    assert_eq!(unknown.status, 422);
    unknown.has(&["Nothing is known of a dead letter 99"]);
}

#[tokio::test]
async fn a_group_is_mended_once_after_a_look_at_what_would_change() {
    let mut leads: Vec<_> = (1..=120).map(lead).collect();
    leads[2].payload = leads[2].payload.replace("Kalifornien", "CA");
    let bench = Bench::new(leads);
    let wrong = bench
        .get(
            Role::Operator,
            &at("/attention/mend", &[("set", "State"), ("value", "Texas")]),
        )
        .await;
    wrong.has(&[
        "100 would be left as they are",
        "State takes only the values",
        "0 would be changed",
    ]);
    wrong.lacks(&[
        "action=\"/attention/mend\" method=\"post\"",
        "name=\"send\"",
    ]);
    let preview = bench
        .get(
            Role::Operator,
            &at("/attention/mend", &[("set", "State"), ("value", "CA")]),
        )
        .await;
    preview.has(&[
        "Set State for 120 leads?",
        "State would be “CA”.",
        "Of the first 100 of 120 leads, 99 would be changed, 1 are so already",
        "none would be refused",
        "“Kalifornien”",
        "stays so",
        "and 100 more",
    ]);
    assert!(bench.done().is_empty(), "a look changes nothing");
    let (order, through) = (hidden(&preview, "order"), hidden(&preview, "through"));
    assert_eq!(through, "120");
    let form = with(&[
        ("order", &order),
        ("through", "110"),
        ("set", "State"),
        ("value", "CA"),
        ("send", "1"),
    ]);
    let begun = bench.post(Role::Operator, "/attention/mend", &form).await;
    assert_eq!(
        (begun.status, &*begun.location),
        (303, &*format!("/attention/work/{order}"))
    );
    let twice = bench.post(Role::Operator, "/attention/mend", &form).await;
    assert_eq!(twice.location, begun.location);
    let other = with(&[
        ("order", "00000000000000000000000000000000"),
        ("through", "120"),
        ("set", "State"),
        ("value", "NY"),
    ]);
    let other = bench.post(Role::Operator, "/attention/mend", &other).await;
    let over = bench.wait_for(&begun.location, "Done").await;
    // Unless the first was over already, one runs at a time.
    assert!(other.body.contains("LS6066") || other.status == 303);
    over.has(&[
        "109 leads changed",
        "1 lead already so",
        "110 of 110 leads arrived",
    ]);
    let edits = bench
        .done()
        .iter()
        .filter(|it| it.contains("\"CA\""))
        .count();
    assert_eq!(edits, 109);
    let left: Vec<u64> = (111..=120).collect();
    assert_eq!(
        bench.open(),
        left,
        "those that came later are not among them"
    );
    let gone = bench.get(Role::Operator, "/attention/work/0123").await;
    gone.has(&["LS6067"]);
}

#[tokio::test]
async fn chosen_letters_are_sent_or_discarded_with_a_reason() {
    let bench = Bench::new((1..=6).map(lead).collect());
    let group = at("/attention/group", &[]);
    let page = bench.get(Role::Operator, &group).await;
    let order = hidden(&page, "order");
    let form = with(&[("order", &order), ("n", "1"), ("n", "2"), ("act", "resend")]);
    let sent = bench.post(Role::Operator, "/attention/chosen", &form).await;
    assert_eq!(sent.location, format!("{group}&note=sent"));
    let twice = bench.post(Role::Operator, "/attention/chosen", &form).await;
    assert_eq!(twice.location, format!("{group}&note=gone"));
    bench
        .get(Role::Operator, &sent.location)
        .await
        .has(&["2 of 2 leads arrived in Salesforce", "4 leads:"]);

    let form = with(&[("n", "3"), ("n", "x"), ("act", "discard")]);
    let confirm = bench.post(Role::Operator, "/attention/chosen", &form).await;
    confirm.has(&["Discard 1 lead?", "name=\"n\" value=\"3\""]);
    let order = hidden(&confirm, "order");
    let none = with(&[
        ("order", &order),
        ("n", "3"),
        ("act", "discard"),
        ("reason", "  "),
    ]);
    let none = bench.post(Role::Operator, "/attention/all", &none).await;
    assert_eq!(none.status, 422);
    none.has(&["needs a reason", "LS6068"]);
    let form = with(&[
        ("order", &order),
        ("n", "3"),
        ("act", "discard"),
        ("reason", "a test"),
    ]);
    let begun = bench.post(Role::Operator, "/attention/all", &form).await;
    bench.wait_for(&begun.location, "1 lead discarded").await;
    bench
        .get(Role::Operator, "/attention/letter/3")
        .await
        .has(&[
            "anna discarded it: it was not sent.",
            "a test",
            "/find?q=L-3",
        ]);
    let closed = bench.get(Role::Viewer, "/attention/letter/3").await;
    closed.has(&["anna discarded it: it was not sent."]);
    closed.lacks(&["L-3", "a test", "Lovelace"]);
    assert_eq!(bench.open(), [4, 5, 6]);

    let form = [("reason", "another test")];
    let one = bench
        .post(Role::Operator, "/attention/letter/4/discard", &form)
        .await;
    assert_eq!((one.status, &*one.location), (303, "/attention/letter/4"));
    let again = bench
        .post(Role::Operator, "/attention/letter/4/discard", &form)
        .await;
    assert_eq!(
        (again.status, &*again.location),
        (303, "/attention/letter/4")
    );

    let confirm = bench
        .get(Role::Operator, &at("/attention/all", &[("act", "resend")]))
        .await;
    confirm.has(&["Send 2 leads again?"]);
    let (order, through) = (hidden(&confirm, "order"), hidden(&confirm, "through"));
    let form = with(&[("order", &order), ("through", &through), ("act", "resend")]);
    bench.post(Role::Operator, "/attention/all", &form).await;
    assert!(bench.open().is_empty());
    let done = bench.done();
    assert_eq!(
        done,
        [
            "anna sends [1, 2]",
            "anna discards 1: a test",
            "anna discards 1: another test",
            "anna sends [5, 6]"
        ]
    );
    bench
        .get(Role::Operator, &group)
        .await
        .has(&["No lead waits for this reason any more"]);
}
