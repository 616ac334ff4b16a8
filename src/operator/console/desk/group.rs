//! `/attention/group`: the dead letters of one cause; some or all of them are sent again or
//! discarded. A change of many is confirmed first, with how many they are.

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, http::StatusCode};

use super::asking::{ask, fields, look, may_change, or_refused, see, still_open};
use super::form::Entry;
use super::given::{Given, Group, new_order};
use super::sending::{self, Sending};
use super::shown::{Eyes, cut, label, leads, query, waiting};
use super::standing::Standing;
use super::work::{Task, Works};
use crate::core::letters::ReplayProgress;
use crate::operator::View;
use crate::operator::access::Identity;
use crate::operator::console::causes::Cause;
use crate::operator::console::page::{Frame, render};
use crate::operator::console::words::{machine, several};
use crate::operator::following::follow;
use crate::operator::letters::LetterQuestion;
use crate::operator::questions::Failure;
use crate::runtime::fields::RouteFields;
use crate::runtime::letters::Selection;
use crate::state::WaitingLetter;

/// Letters on a page.
pub const PAGE: u64 = 25;

/// As a reason is kept for ever, it is kept short.
const REASON_CHARS: usize = 500;

type Pairs = Vec<(String, String)>;

#[derive(Template)]
#[template(path = "console/group.html")]
struct Page {
    frame: Frame,
    pairs: [(&'static str, String); 4],
    cause: Cause,
    waits: String,
    total: u64,
    all: String,
    letters: Vec<Line>,
    /// The column of the field that was objected to.
    column: String,
    mend: Option<Mend>,
    sending: Option<Sending>,
    note: &'static str,
    page: u64,
    pages: u64,
    before: Option<String>,
    after: Option<String>,
    resend_all: String,
    discard_all: String,
    order: String,
}

struct Line {
    number: u64,
    key: String,
    name: String,
    value: String,
    waits: String,
    machine_at: String,
    edited: bool,
}

/// The form that sets one field of all of them.
struct Mend {
    /// `None` while nobody has said which field, and none was objected to.
    entry: Option<Entry>,
    set: String,
    /// Other fields: API name, label, whether it is this one.
    others: Vec<(String, String, bool)>,
}

pub async fn page(State(view): State<View>, who: Identity, Query(given): Query<Pairs>) -> Response {
    let result = list(&view, &who, &Given(given)).await;
    or_refused(&who, "/attention", result)
}

async fn list(view: &View, who: &Identity, given: &Given) -> Result<Response, Failure> {
    let group = Group::from(given);
    let page = given.number("page").unwrap_or(1).max(1);
    let offset = usize::try_from((page - 1).saturating_mul(PAGE)).unwrap_or(usize::MAX);
    let filter = group.filter();
    let found = look(view, move |index| {
        index.letter_page(&filter, PAGE as usize, offset)
    });
    let found = found.await?;
    let now = (view.clock)();
    let eyes = Eyes::from(who);
    let cause = group.cause();
    let pages = found.total.div_ceil(PAGE).max(1);
    let at = |page: u64| {
        let page = page.to_string();
        let [a, b, c, d] = group.pairs();
        format!("/attention/group?{}", query(&[a, b, c, d, ("page", &page)]))
    };
    let all = |act: &str| {
        let [a, b, c, d] = group.pairs();
        format!("/attention/all?{}", query(&[a, b, c, d, ("act", act)]))
    };
    // While the service starts nobody can say; the list is shown all the same.
    let fields = fields(view, &group.route).await.ok();
    let fields = fields.as_ref().filter(|_| found.total > 0);
    let mend = fields.filter(|_| who.sees_people());
    let mend = mend.map(|fields| mend_of(fields, &group, given.get("set")));
    let title = format!("{}: {}", leads(found.total), cause.says);
    let shown = Page {
        pairs: group.pairs().map(|(name, value)| (name, value.to_owned())),
        waits: found.oldest.map_or_else(String::new, |at| waiting(now, at)),
        total: found.total,
        all: leads(found.total),
        column: if group.field.is_empty() {
            "Message".to_owned()
        } else {
            label(&group.field)
        },
        letters: found
            .letters
            .iter()
            .map(|letter| {
                let standing = Standing::waiting(letter, fields);
                Line {
                    number: letter.number,
                    key: cut(&eyes.value(&letter.key)),
                    name: cut(&eyes.value(&name(&standing))),
                    value: cut(&value(letter, &standing, &group.field, eyes)),
                    waits: waiting(now, letter.at),
                    machine_at: machine(letter.at),
                    edited: !letter.edited.is_empty(),
                }
            })
            .collect(),
        mend,
        sending: sending::last(view)
            .await
            .filter(|it| it.running || given.text("note") == "sent"),
        note: match given.text("note") {
            "gone" => "Nothing was sent: they do not wait any more, or are on their way already.",
            "some" => "Some of them did not wait any more; the others are sent again.",
            _ => "",
        },
        page,
        pages,
        before: (page > 1).then(|| at((page - 1).min(pages))),
        after: (page < pages).then(|| at(page + 1)),
        resend_all: all("resend"),
        discard_all: all("discard"),
        order: new_order(),
        cause,
        frame: Frame::new(title, "/attention", who.clone()),
    };
    Ok(render(&shown))
}

fn mend_of(fields: &RouteFields, group: &Group, set: Option<&str>) -> Mend {
    let is_key = |name: &str| name.eq_ignore_ascii_case(&fields.external_id);
    let free = || {
        let fields = fields.fields.iter();
        fields.filter(|field| field.writable && !is_key(&field.name))
    };
    let wanted = set.unwrap_or(&group.field);
    let named = free().find(|field| field.name.eq_ignore_ascii_case(wanted));
    let chosen = named.map_or("", |field| field.name.as_str());
    let others = free().map(|other| {
        let label = super::shown::visible(&other.label);
        (other.name.clone(), label, other.name == chosen)
    });
    Mend {
        entry: named.map(|field| Entry::of(field, "value".to_owned(), "")),
        set: chosen.to_owned(),
        others: others.collect(),
    }
}

/// What tells one record from another, as far as it is sent.
fn name(standing: &Standing) -> String {
    let parts = ["FirstName", "LastName", "Name", "Company"];
    let parts = parts.iter().map(|part| standing.cell(part));
    let parts: Vec<&str> = parts.filter(|it| !it.is_empty()).collect();
    parts.join(" ")
}

/// What was objected to, or what was said.
fn value(letter: &WaitingLetter, standing: &Standing, field: &str, eyes: Eyes) -> String {
    if field.is_empty() {
        let message = letter.errors.first().map(|error| error.message.as_str());
        return eyes.value(message.unwrap_or_default());
    }
    standing.shown(field, eyes)
}

/// Some letters, by their checkboxes: sent again at once, discarded when it is confirmed.
pub async fn chosen(
    State(view): State<View>,
    Extension(works): Extension<Works>,
    who: Identity,
    Form(given): Form<Pairs>,
) -> Response {
    if let Err(refusal) = may_change(&who) {
        return *refusal;
    }
    let given = Given(given);
    let group = Group::from(&given);
    let numbers = numbers(&given);
    if numbers.is_empty() {
        return see(&group.address());
    }
    if given.text("act") == "discard" {
        return ask_first(
            &who,
            &group,
            Act::Discard,
            numbers.len() as u64,
            &numbers,
            0,
        );
    }
    let back = group.address();
    let order = given.order();
    let result = resend(&view, &who, &works, (&order, &group), numbers).await;
    or_refused(&who, &back, result)
}

fn numbers(given: &Given) -> Vec<u64> {
    given.all("n").filter_map(|it| it.parse().ok()).collect()
}

async fn resend(
    view: &View,
    who: &Identity,
    works: &Works,
    (order, group): (&str, &Group),
    numbers: Vec<u64>,
) -> Result<Response, Failure> {
    let asked = numbers.len();
    let open = still_open(view, numbers).await?;
    let at = |note: &str| see(&format!("{}&note={note}", group.address()));
    if open.is_empty() {
        return Ok(at("gone"));
    }
    if !works.is_new(order) {
        return Ok(at("sent"));
    }
    let note = if open.len() == asked { "sent" } else { "some" };
    let what = LetterQuestion::Replay {
        selection: Selection::Numbers(open),
        force: false,
    };
    ask::<ReplayProgress>(view, &who.name, what).await?;
    follow(view).await;
    Ok(at(note))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Resend,
    Discard,
}

impl Act {
    fn of(given: &Given) -> Option<Self> {
        match given.text("act") {
            "resend" => Some(Act::Resend),
            "discard" => Some(Act::Discard),
            _ => None,
        }
    }
}

#[derive(Template)]
#[template(path = "console/confirm.html")]
struct Confirm {
    frame: Frame,
    pairs: [(&'static str, String); 4],
    says: String,
    discard: bool,
    numbers: Vec<u64>,
    through: u64,
    order: String,
    button: String,
    back: String,
}

fn ask_first(
    who: &Identity,
    group: &Group,
    act: Act,
    count: u64,
    numbers: &[u64],
    through: u64,
) -> Response {
    let all = leads(count);
    let (title, says, button) = match act {
        Act::Resend => (
            format!("Send {all} again?"),
            format!(
                "They go to Salesforce as they are now. What is still wrong in them is refused \
                 again. It takes about {} of Salesforce.",
                several(count.div_ceil(200), "call", "calls")
            ),
            format!("Send {all} again"),
        ),
        Act::Discard => (
            format!("Discard {all}?"),
            "They are not sent to Salesforce, now or later, and leave this list. The reason is \
             kept for ever, with your name."
                .to_owned(),
            format!("Discard {all}"),
        ),
    };
    let page = Confirm {
        frame: Frame::new(title, "/attention", who.clone()),
        pairs: group.pairs().map(|(name, value)| (name, value.to_owned())),
        says,
        discard: act == Act::Discard,
        numbers: numbers.to_vec(),
        through,
        order: new_order(),
        button,
        back: group.address(),
    };
    render(&page)
}

/// How many they are, before anything is done.
pub async fn confirm(
    State(view): State<View>,
    who: Identity,
    Query(given): Query<Pairs>,
) -> Response {
    if let Err(refusal) = may_change(&who) {
        return *refusal;
    }
    let given = Given(given);
    let group = Group::from(&given);
    let Some(act) = Act::of(&given) else {
        return see(&group.address());
    };
    let filter = group.filter();
    let found = look(&view, move |index| index.letter_page(&filter, 0, 0)).await;
    let back = group.address();
    let result = found.map(|found| match found.total {
        0 => see(&back),
        total => ask_first(&who, &group, act, total, &[], found.last),
    });
    or_refused(&who, &back, result)
}

pub async fn all(
    State(view): State<View>,
    Extension(works): Extension<Works>,
    who: Identity,
    Form(given): Form<Pairs>,
) -> Response {
    if let Err(refusal) = may_change(&who) {
        return *refusal;
    }
    let given = Given(given);
    let Some(act) = Act::of(&given) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let back = Group::from(&given).address();
    let result = carry_out(&view, &who, &works, act, &given).await;
    or_refused(&who, &back, result)
}

async fn carry_out(
    view: &View,
    who: &Identity,
    works: &Works,
    act: Act,
    given: &Given,
) -> Result<Response, Failure> {
    let group = Group::from(given);
    let order = &given.order();
    let mut numbers = numbers(given);
    if numbers.is_empty() {
        numbers = confirmed(view, &group, given).await?;
    }
    if act == Act::Resend {
        return resend(view, who, works, (order, &group), numbers).await;
    }
    let reason = reason(given)?;
    let author = (view.clone(), std::sync::Arc::clone(&who.name));
    works.start(order, group, Task::Discard { reason }, numbers, author)?;
    Ok(see(&format!("/attention/work/{order}")))
}

/// Those that the confirmed page counted; what came later is not among them.
pub async fn confirmed(view: &View, group: &Group, given: &Given) -> Result<Vec<u64>, Failure> {
    let through = given.number("through").unwrap_or(0);
    let filter = group.filter();
    let found = look(view, move |index| index.letter_numbers(&filter));
    let mut numbers = found.await?;
    numbers.retain(|number| *number <= through);
    Ok(numbers)
}

/// Why it is discarded.
pub fn reason(given: &Given) -> Result<String, Failure> {
    let reason: String = given
        .text("reason")
        .trim()
        .chars()
        .take(REASON_CHARS)
        .collect();
    if reason.is_empty() {
        return Err(Failure {
            page: "LS6068".to_owned(),
            text: "what is discarded needs a reason".to_owned(),
            remedy: "Go back and say why; nothing was changed.".to_owned(),
        });
    }
    Ok(reason)
}
